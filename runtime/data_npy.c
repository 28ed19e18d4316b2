/* NPY, NumPy's array format: magic, version, a Python dictionary as text, raw values (NumPy
 * enhancement proposal 1; numpy.lib.format). Values are taken in C order, little endian. */
#include "runtime/data.h"
#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *p, *end;
} Cursor;

static void skip(Cursor *c)
{
    while (c->p < c->end && (*c->p == ' ' || *c->p == '\n' || *c->p == '\t')) c->p++;
}

static bool take(Cursor *c, char ch)
{
    skip(c);
    if (c->p >= c->end || *c->p != ch) return false;
    c->p++;
    return true;
}

static bool word(Cursor *c, const char *w)
{
    size_t n = strlen(w);
    skip(c);
    if ((size_t)(c->end - c->p) < n || memcmp(c->p, w, n) != 0) return false;
    c->p += n;
    return true;
}

static bool quoted(Cursor *c, char *out, size_t size)
{
    size_t n = 0;
    skip(c);
    if (c->p >= c->end || (*c->p != '\'' && *c->p != '"')) return false;
    char quote = *c->p++;
    while (c->p < c->end && *c->p != quote) {
        if (n + 1 >= size) return false;
        out[n++] = *c->p++;
    }
    out[n] = '\0';
    return take(c, quote);
}

static bool shape(Cursor *c, int64_t *dims, int *rank)
{
    *rank = 0;
    if (!take(c, '(')) return false;
    while (!take(c, ')')) {
        int64_t v = 0;
        skip(c);
        if (*rank == NNR_MAX_RANK || c->p >= c->end || *c->p < '0' || *c->p > '9') return false;
        for (; c->p < c->end && *c->p >= '0' && *c->p <= '9'; c->p++) {
            if (v > INT64_MAX / 20) return false;
            v = v * 10 + (*c->p - '0');
        }
        dims[(*rank)++] = v;
        if (!take(c, ',')) return take(c, ')');
    }
    return true;
}

typedef struct {
    char descr[16];
    bool fortran;
    int64_t dims[NNR_MAX_RANK];
    int rank;
} Header;

static bool dictionary(Cursor *c, Header *h)
{
    char key[32];
    unsigned seen = 0;
    if (!take(c, '{')) return false;
    while (!take(c, '}')) {
        if (!quoted(c, key, sizeof key) || !take(c, ':')) return false;
        if (!strcmp(key, "descr")) {
            if (!quoted(c, h->descr, sizeof h->descr)) return false;
            seen |= 1;
        } else if (!strcmp(key, "fortran_order")) {
            h->fortran = word(c, "True");
            if (!h->fortran && !word(c, "False")) return false;
            seen |= 2;
        } else if (!strcmp(key, "shape")) {
            if (!shape(c, h->dims, &h->rank)) return false;
            seen |= 4;
        } else {
            return false;
        }
        if (!take(c, ',') && (skip(c), c->p >= c->end || *c->p != '}')) return false;
    }
    return seen == 7;
}

static bool header(const uint8_t *bytes, size_t n, const char *path, Header *h, size_t *start,
                   nnr_error *err)
{
    size_t length, at;
    if (n < 10 || memcmp(bytes, "\x93NUMPY", 6) != 0) {
        nnr_fail(err, "%s: error: is not an NPY file", path);
        return nnr_note(err, "write it with numpy.save(path, array)");
    }
    if (bytes[6] < 1 || bytes[6] > 3) {
        nnr_fail(err, "%s: error: NPY version %d.%d is not known", path, bytes[6], bytes[7]);
        return nnr_note(err, "versions 1 to 3 can be read");
    }
    length = bytes[8] | (size_t)bytes[9] << 8, at = 10;
    if (bytes[6] > 1 && n >= 12)
        length |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24, at = 12;
    if (at > n || length > n - at) {
        nnr_fail(err, "%s: error: the NPY file ends inside its header", path);
        return nnr_note(err, "the file is cut; write it again");
    }
    Cursor c = {(const char *)bytes + at, (const char *)bytes + at + length};
    if (!dictionary(&c, h)) {
        nnr_fail(err, "%s: error: the NPY header cannot be understood: %.*s", path,
                 length > 100 ? 100 : (int)length, (const char *)bytes + at);
        return nnr_note(err, "records and more than %d dimensions cannot be read; save a plain array",
                        NNR_MAX_RANK);
    }
    *start = at + length;
    return true;
}

typedef struct {
    const char *descr;
    int size;
    nnr_dtype stored;
} NpyType;
static const NpyType types[] = {{"<f4", 4, NNR_F32}, {"<f8", 8, NNR_F64}, {"<i4", 4, NNR_I32},
                                {"<i8", 8, NNR_I32}, {"|u1", 1, NNR_U8},  {"|b1", 1, NNR_BOOL},
                                {"|i1", 1, NNR_I32}, {"<i2", 2, NNR_I32}, {"<u2", 2, NNR_I32}};

static int64_t load64(const uint8_t *p)
{
    int64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static void convert(const char *descr, const uint8_t *p, size_t n, nnr_dataset *out)
{
    int32_t *i32 = out->values;
    double *f64 = out->values;
    if (!strcmp(descr, "<i8") && out->dtype == NNR_F64) {
        for (size_t i = 0; i < n; i++) f64[i] = (double)load64(p + 8 * i);
    } else if (!strcmp(descr, "<i8")) {
        for (size_t i = 0; i < n; i++) i32[i] = (int32_t)load64(p + 8 * i);
    } else if (!strcmp(descr, "|i1")) {
        for (size_t i = 0; i < n; i++) i32[i] = (int8_t)p[i];
    } else if (!strcmp(descr, "<i2")) {
        for (size_t i = 0; i < n; i++) i32[i] = (int16_t)(uint16_t)(p[2 * i] | p[2 * i + 1] << 8);
    } else if (!strcmp(descr, "<u2")) {
        for (size_t i = 0; i < n; i++) i32[i] = p[2 * i] | p[2 * i + 1] << 8;
    } else if (!strcmp(descr, "|b1")) {
        for (size_t i = 0; i < n; i++) ((uint8_t *)out->values)[i] = p[i] != 0;
    } else {
        memcpy(out->values, p, n * nnr_dtype_size(out->dtype));
    }
}

bool nnr_npy_parse(const uint8_t *bytes, size_t n, const char *path, nnr_dataset *out, nnr_error *err)
{
    Header h = {0};
    size_t start = 0, want;
    const NpyType *type = NULL;
    char text[192];
    *out = (nnr_dataset){0};
    if (!header(bytes, n, path, &h, &start, err)) return false;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (!strcmp(types[i].descr, h.descr)) type = &types[i];
    if (!type) {
        nnr_fail(err, "%s: error: NPY type '%s' cannot be read", path, h.descr);
        return nnr_note(err, "save it as numpy.float32, float64, int32, int64, uint8 or bool");
    }
    if (h.fortran && h.rank > 1) {
        nnr_fail(err, "%s: error: the array is in Fortran order", path);
        return nnr_note(err, "save numpy.ascontiguousarray(array)");
    }
    if (h.rank == 0) {
        nnr_fail(err, "%s: error: the array is a single number", path);
        return nnr_note(err, "its first dimension must count samples: save array.reshape(1, ...)");
    }
    want = (size_t)type->size;
    for (int i = 0; i < h.rank; i++)
        if (__builtin_mul_overflow(want, (size_t)h.dims[i], &want)) want = SIZE_MAX / 2, i = h.rank;
    if (n - start != want) {
        nnr_fail(err, "%s: error: the header says %s of '%s', %zu bytes, but %zu follow", path,
                 nnr_shape_text(text, sizeof text, h.dims, h.rank), h.descr, want, n - start);
        return nnr_note(err, "the file is %s; write it again", n - start < want ? "cut" : "damaged");
    }
    nnr_dtype stored = type->stored;
    if (!strcmp(h.descr, "<i8"))
        for (size_t i = 0; i < want / 8 && stored == NNR_I32; i++) {
            int64_t v = load64(bytes + start + 8 * i);
            if (v < INT32_MIN || v > INT32_MAX) stored = NNR_F64;
        }
    if (!nnr_dataset_alloc(out, stored, h.dims, h.rank, path, err)) return false;
    convert(h.descr, bytes + start, want / (size_t)type->size, out);
    return true;
}
