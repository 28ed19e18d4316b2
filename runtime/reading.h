/* Private to the runtime: what the training driver takes from a reading (runtime.h). */
#ifndef NNR_READING_H
#define NNR_READING_H
#include "runtime/select.h"

/* Are its samples those of this block and seed? */
bool nnr_read_serves(const nnr_reading *reading, const nnr_train *train, uint64_t seed);
/* Waits, and moves the samples to *out. Once. */
bool nnr_read_take(nnr_reading *reading, nnr_selection *out, nnr_error *err);
#endif
