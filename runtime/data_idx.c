/* IDX, the format of MNIST: two zero bytes, a type, a rank, the sizes as big-endian 32-bit numbers,
 * then the values, big-endian too (the format is described on the page of the MNIST database). */
#include "runtime/data.h"
#include <string.h>

typedef struct {
    uint8_t code;
    int size;
    nnr_dtype stored;
} IdxType;
static const IdxType types[] = {{0x08, 1, NNR_U8},  {0x09, 1, NNR_I32}, {0x0b, 2, NNR_I32},
                                {0x0c, 4, NNR_I32}, {0x0d, 4, NNR_F32}, {0x0e, 8, NNR_F64}};

static uint32_t big32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void convert(const IdxType *type, const uint8_t *p, size_t n, void *out)
{
    uint32_t *o32 = out;
    uint64_t *o64 = out;
    switch (type->code) {
    case 0x08: memcpy(out, p, n); break;
    case 0x09:
        for (size_t i = 0; i < n; i++) o32[i] = (uint32_t)(int32_t)(int8_t)p[i];
        break;
    case 0x0b:
        for (size_t i = 0; i < n; i++)
            o32[i] = (uint32_t)(int32_t)(int16_t)(uint16_t)(p[2 * i] << 8 | p[2 * i + 1]);
        break;
    case 0x0e:
        for (size_t i = 0; i < n; i++)
            o64[i] = (uint64_t)big32(p + 8 * i) << 32 | big32(p + 8 * i + 4);
        break;
    default:
        for (size_t i = 0; i < n; i++) o32[i] = big32(p + 4 * i);
    }
}

static bool header(const uint8_t *bytes, size_t n, const char *path, const IdxType **type, int *rank,
                   int64_t *dims, nnr_error *err)
{
    if (n < 4 || bytes[0] != 0 || bytes[1] != 0) {
        nnr_fail(err, "%s: error: is not an IDX file (it does not start with two zero bytes)", path);
        return nnr_note(err, "the MNIST files are IDX; read tables with csv and arrays with npy");
    }
    *type = NULL;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].code == bytes[2]) *type = &types[i];
    if (!*type) {
        nnr_fail(err, "%s: error: unknown IDX type 0x%02x", path, bytes[2]);
        return nnr_note(err, "known are 0x08 (u8), 0x09, 0x0b, 0x0c (integers), 0x0d, 0x0e (floats)");
    }
    *rank = bytes[3];
    if (*rank < 1 || *rank > NNR_MAX_RANK) {
        nnr_fail(err, "%s: error: an IDX file of %d dimensions", path, *rank);
        return nnr_note(err, "from 1 to %d dimensions can be read, the first counts samples",
                        NNR_MAX_RANK);
    }
    if (n < 4 + 4 * (size_t)*rank) {
        nnr_fail(err, "%s: error: the IDX file ends inside its header (%zu bytes)", path, n);
        return nnr_note(err, "the file is cut; fetch it again");
    }
    for (int i = 0; i < *rank; i++) dims[i] = big32(bytes + 4 + 4 * i);
    return true;
}

bool nnr_idx_parse(const uint8_t *bytes, size_t n, const char *path, nnr_dataset *out, nnr_error *err)
{
    const IdxType *type = NULL;
    int rank = 0;
    int64_t dims[NNR_MAX_RANK];
    char shape[192];
    *out = (nnr_dataset){0};
    if (!header(bytes, n, path, &type, &rank, dims, err)) return false;

    size_t start = 4 + 4 * (size_t)rank, want = (size_t)type->size;
    for (int i = 0; i < rank; i++)
        if (__builtin_mul_overflow(want, (size_t)dims[i], &want)) want = SIZE_MAX / 2, i = rank;
    nnr_shape_text(shape, sizeof shape, dims, rank);
    if (n - start < want) {
        nnr_fail(err, "%s: error: the file is cut: its header says %s, %zu bytes of values, but %zu follow",
                 path, shape, want, n - start);
        return nnr_note(err, "fetch the file again");
    }
    if (n - start > want) {
        nnr_fail(err, "%s: error: %zu bytes too many: its header says %s, %zu bytes of values", path,
                 n - start - want, shape, want);
        return nnr_note(err, "the file is damaged or no IDX file; fetch it again");
    }
    if (!nnr_dataset_alloc(out, type->stored, dims, rank, path, err)) return false;
    convert(type, bytes + start, want / (size_t)type->size, out->values);
    return true;
}
