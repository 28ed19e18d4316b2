/* Private to the runtime: which samples of a train block's files are for training, which for
 * validation. */
#ifndef NNR_SELECT_H
#define NNR_SELECT_H
#include "runtime/data.h"

typedef struct {
    nnr_samples training, validation;
    bool separate;  /* validation has files of its own; else it is a part of training */
    int64_t *train; /* indices into training, ascending */
    int64_t *valid; /* indices into the validation samples, or the held-out ones of training */
    int64_t n_train, n_valid;
} nnr_selection;

/* need_training false: the training files are left closed when validation has its own and does not
 * depend on them (text does, for its vocabulary). */
bool nnr_selection_open(nnr_selection *s, const nnr_train *train, const char *dir, uint64_t seed,
                        bool need_training, nnr_error *err);
void nnr_selection_close(nnr_selection *s);
/* The samples that `valid` indexes. */
const nnr_samples *nnr_selection_valid(const nnr_selection *s);
#endif
