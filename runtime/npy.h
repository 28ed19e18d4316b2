/* Private to the runtime: writing NPY files (version 1.0, C order), atomically. */
#ifndef NNR_NPY_H
#define NNR_NPY_H
#include "runtime/error.h"
bool nnr_npy_write(const char *path, nnr_dtype dtype, const int64_t *dims, int rank, const void *values,
                   nnr_error *err);
#endif
