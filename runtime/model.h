/* Private to the runtime: the two blocks of a program, its variables in files, its entries. */
#ifndef NNR_MODEL_H
#define NNR_MODEL_H
#include "runtime/tensors.h"

/* NNR_ALIGN aligned and zeroed, never NULL for 0 bytes; freed with free. Large ones ask the system for huge
 * pages. */
void *nnr_block(size_t bytes);
void *nnr_var_data(const nnr_model *model, const nnr_var *var);
/* Is it in files: a parameter or state? */
bool nnr_is_weight(const nnr_var *var);
/* To be said when parameters or states were written by other than an entry: nnr_prepare will do its work again. */
void nnr_changed(nnr_model *model);
/* The entry of that name with exactly that batch, or the largest one not above it. NULL: none. */
const nnr_entry *nnr_entry_exact(const nnr_program *p, const char *name, int64_t batch);
const nnr_entry *nnr_entry_up_to(const nnr_program *p, const char *name, int64_t batch);
/* The train block of that name, or the only one when name is NULL. */
const nnr_train *nnr_train_find(const nnr_program *p, const char *name, nnr_error *err);
/* The tensor that stands for a variable in a file; name is the variable's, or a longer one. The blocks
 * of model are row major (runtime/layout.h). */
nnr_tensor nnr_var_tensor(const nnr_model *model, const nnr_var *var, const char *name);
/* Appends what is wrong with `found` (NULL: missing) as the file's tensor for var; false when nothing is. */
bool nnr_var_problem(const nnr_tensors *file, const char *prefix, const nnr_var *var,
                     const nnr_tensor *found, char *text, size_t size);
#endif
