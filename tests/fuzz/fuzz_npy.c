/* Any bytes as an NPY file: an error or a dataset all of whose samples can be gathered. */
#include "runtime/data.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    nnr_dataset d;
    nnr_error e;
    if (!nnr_npy_parse(bytes, n, "fuzz.npy", &d, &e)) return 0;
    nnr_info as = {.name = "x", .dtype = n % 2 ? NNR_F32 : NNR_I32, .rank = d.rank};
    for (int i = 0; i < d.rank; i++) as.dims[i] = d.dims[i];
    if (nnr_dataset_fit(&d, &as, n % 3 == 0, &e) && d.count > 0) {
        void *row = malloc((size_t)d.elems * 8 + 1);
        for (int64_t i = 0; row && i < d.count && i < 64; i++) nnr_dataset_gather(&d, as.dtype, &i, 1, row);
        free(row);
    }
    nnr_dataset_free(&d);
    return 0;
}
