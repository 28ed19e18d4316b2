/* Private to the runtime: variables between memory, where a compiler may have laid them out otherwise,
 * and files, which are row major. */
#ifndef NNR_LAYOUT_H
#define NNR_LAYOUT_H
#include "runtime/nnr.h"

/* Row major values to the variable's place in memory, and back. */
void nnr_layout_store(const nnr_var *var, const void *rows, void *stored);
void nnr_layout_load(const nnr_var *var, const void *stored, void *rows);
/* A block (the slots', or the weights') with every variable row major at its offset: `block` itself
 * where all of them are, else a copy that the caller frees (see nnr_rows_free). NULL: no memory. */
const void *nnr_rows(const nnr_program *program, const void *block, bool slots);
void nnr_rows_free(const void *rows, const void *block);
#endif
