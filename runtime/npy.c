/* Writing NPY files. See npy.h and, for the format, data_npy.c. */
#include "runtime/npy.h"
#include "runtime/file.h"
#include <string.h>

static const char *descr(nnr_dtype t)
{
    switch (t) {
    case NNR_F32: return "<f4";
    case NNR_F64: return "<f8";
    case NNR_I32: return "<i4";
    case NNR_BOOL: return "|b1";
    case NNR_U8: return "|u1";
    }
    return "|u1";
}

bool nnr_npy_write(const char *path, nnr_dtype dtype, const int64_t *dims, int rank, const void *values,
                   nnr_error *err)
{
    char text[512] = "\x93NUMPY\x01"; /* then a zero: version 1.0 */
    char dict[400] = "";
    nnr_out out;
    nnr_append(dict, sizeof dict, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr(dtype));
    for (int i = 0; i < rank; i++)
        nnr_append(dict, sizeof dict, "%lld%s", (long long)dims[i], i + 1 < rank ? ", " : rank == 1 ? "," : "");
    nnr_append(dict, sizeof dict, "), }");
    size_t used = 10 + strlen(dict) + 1, size = (used + 63) / 64 * 64;
    text[8] = (char)((size - 10) & 255);
    text[9] = (char)((size - 10) >> 8);
    memset(text + 10, ' ', size - 10);
    memcpy(text + 10, dict, strlen(dict));
    text[size - 1] = '\n';
    if (!nnr_out_open(&out, path, err)) return false;
    return nnr_out_write(&out, text, size, err) &&
           nnr_out_write(&out, values, (size_t)nnr_elems(dims, rank) * nnr_dtype_size(dtype), err) &&
           nnr_out_commit(&out, err);
}
