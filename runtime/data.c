/* Datasets: allocation, checks against a declared type, gathering of batches, and the data
 * declarations of a train block opened together. See data.h. */
#include "runtime/data.h"
#include "runtime/file.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

void nnr_dataset_free(nnr_dataset *data)
{
    free(data->values);
    *data = (nnr_dataset){0};
}

bool nnr_dataset_alloc(nnr_dataset *out, nnr_dtype dtype, const int64_t *dims, int rank,
                       const char *path, nnr_error *err)
{
    size_t elems = 1, total, size = nnr_dtype_size(dtype);
    bool overflow = false;
    for (int i = 1; i < rank; i++) overflow |= __builtin_mul_overflow(elems, (size_t)dims[i], &elems);
    overflow |= __builtin_mul_overflow(elems, (size_t)dims[0], &total);
    overflow |= __builtin_mul_overflow(total, size, &total) || elems > INT64_MAX / 16;
    *out = (nnr_dataset){.dtype = dtype, .rank = rank, .shaped = true};
    if (overflow) return nnr_no_memory(err, path, SIZE_MAX);
    if (elems == 0) {
        nnr_fail(err, "%s: error: %lld samples of no values", path, (long long)dims[0]);
        return nnr_note(err, "a dimension of 0 holds nothing; write the file again");
    }
    out->values = malloc(total + 1);
    if (!out->values) return nnr_no_memory(err, path, total);
    memcpy(out->dims, dims, sizeof *dims * (size_t)rank);
    out->count = dims[0];
    out->elems = out->pitch = (int64_t)elems;
    snprintf(out->path, sizeof out->path, "%s", path);
    return true;
}

void nnr_dataset_slice(nnr_dataset *data, double first, double last)
{
    int64_t from = (int64_t)floor(first * (double)data->count + 1e-6);
    int64_t to = (int64_t)floor((last > 0 ? last : 1) * (double)data->count + 1e-6);
    if (from < 0) from = 0;
    if (to > data->count) to = data->count;
    data->first += from * data->pitch;
    data->count = to > from ? to - from : 0;
}

/* ---- checks against the declared type ---------------------------------------------------------- */

static bool same_shape(const int64_t *a, int na, const int64_t *b, int nb)
{
    int i = 0, j = 0;
    for (;;) {
        while (i < na && a[i] == 1) i++;
        while (j < nb && b[j] == 1) j++;
        if (i == na || j == nb) return i == na && j == nb;
        if (a[i++] != b[j++]) return false;
    }
}

static double value_at(const nnr_dataset *data, int64_t i)
{
    switch (data->dtype) {
    case NNR_F32: return (double)((const float *)data->values)[i];
    case NNR_F64: return ((const double *)data->values)[i];
    case NNR_I32: return ((const int32_t *)data->values)[i];
    case NNR_BOOL:
    case NNR_U8: return ((const uint8_t *)data->values)[i];
    }
    return 0;
}

/* An integer type takes whole numbers in its range only; 3.7 as a label is a mistake in the data. */
static bool values_fit(const nnr_dataset *data, const nnr_info *as, nnr_error *err)
{
    double low = as->dtype == NNR_I32 ? INT32_MIN : 0;
    double high = as->dtype == NNR_I32 ? INT32_MAX : as->dtype == NNR_U8 ? 255 : 1;
    if (as->dtype == NNR_F32 || as->dtype == NNR_F64 || as->dtype == data->dtype) return true;
    if (as->dtype == NNR_I32 && (data->dtype == NNR_U8 || data->dtype == NNR_BOOL)) return true;
    for (int64_t s = 0; s < data->count; s++)
        for (int64_t i = 0; i < data->elems; i++) {
            double v = value_at(data, data->first + s * data->pitch + i);
            if (v >= low && v <= high && v == floor(v)) continue;
            nnr_fail(err, "%s: error: sample %lld holds %g, which is no value of type %s", data->path,
                     (long long)s, v, nnr_dtype_name(as->dtype));
            return nnr_note(err, "%s takes whole numbers from %.0f to %.0f; declare %s: f32 for others",
                            nnr_dtype_name(as->dtype), low, high, as->name);
        }
    return true;
}

static bool shape_mismatch(const nnr_dataset *data, const nnr_info *as, bool single, nnr_error *err)
{
    char file[192], want[192], type[192];
    nnr_shape_text(file, sizeof file, data->dims + 1, data->rank - 1);
    nnr_shape_text(want, sizeof want, as->dims + 1, as->rank - 1);
    nnr_fail(err, "%s: error: a sample has shape %s, but %s: %s takes %s", data->path, file, as->name,
             nnr_batch_type_text(type, sizeof type, as), want);
    if (single)
        return nnr_note(err, "the file's dimensions are %s, the first one counts samples",
                        nnr_shape_text(file, sizeof file, data->dims, data->rank));
    return nnr_note(err, "change the declared type, or give a file of that shape");
}

bool nnr_dataset_fit(nnr_dataset *data, const nnr_info *as, bool single, nnr_error *err)
{
    if (as->rank < 1) {
        nnr_fail(err, "%s: error: %s is declared without a batch dimension", data->path, as->name);
        return nnr_note(err, "its type must start with the number of samples, as in f32[N, ...]");
    }
    int64_t want = nnr_elems(as->dims + 1, as->rank - 1);
    bool fits = data->elems == want &&
                (!data->shaped || same_shape(data->dims + 1, data->rank - 1, as->dims + 1, as->rank - 1));
    if (!fits && single && data->shaped && data->count == data->dims[0] &&
        same_shape(data->dims, data->rank, as->dims + 1, as->rank - 1)) {
        data->elems = data->pitch = want;
        data->count = 1;
        fits = true;
    }
    return fits ? values_fit(data, as, err) : shape_mismatch(data, as, single, err);
}

/* ---- gathering --------------------------------------------------------------------------------- */

/* simd: without it, -O2 converts an element at a time, which a small network would notice. */
#define CONVERT(FROM, TO)                                                         \
    do {                                                                          \
        const FROM *restrict from_ = (const FROM *)data->values + at;             \
        TO *restrict to_ = (TO *)out + row * data->elems;                         \
        int64_t elems_ = data->elems;                                             \
        _Pragma("omp simd") for (int64_t i = 0; i < elems_; i++) to_[i] = (TO)from_[i]; \
    } while (0)

#define CONVERT_FROM(FROM)                        \
    switch (as) {                                 \
    case NNR_F32: CONVERT(FROM, float); break;    \
    case NNR_F64: CONVERT(FROM, double); break;   \
    case NNR_I32: CONVERT(FROM, int32_t); break;  \
    case NNR_U8:                                  \
    case NNR_BOOL: CONVERT(FROM, uint8_t); break; \
    }

static void gather_row(const nnr_dataset *data, nnr_dtype as, int64_t index, int64_t row, void *out)
{
    int64_t at = data->first + index * data->pitch;
    size_t size = nnr_dtype_size(data->dtype);
    if (as == data->dtype) {
        memcpy((uint8_t *)out + (size_t)(row * data->elems) * size,
               (const uint8_t *)data->values + (size_t)at * size, (size_t)data->elems * size);
        return;
    }
    switch (data->dtype) {
    case NNR_F32: CONVERT_FROM(float); break;
    case NNR_F64: CONVERT_FROM(double); break;
    case NNR_I32: CONVERT_FROM(int32_t); break;
    case NNR_U8:
    case NNR_BOOL: CONVERT_FROM(uint8_t); break;
    }
}

void nnr_dataset_gather(const nnr_dataset *data, nnr_dtype as, const int64_t *indices, int64_t n,
                        void *out)
{
    /* Below some 100 kB, waking threads costs more than the copy. */
#pragma omp parallel for schedule(static) if (n * data->elems > 1 << 17)
    for (int64_t row = 0; row < n; row++) gather_row(data, as, indices[row], row, out);
}

/* ---- the files of a train block ---------------------------------------------------------------- */

static bool parse(nnr_bytes *file, const char *path, const nnr_source *source, const nnr_info *as,
                  const nnr_dataset *alphabet, nnr_dataset *out, nnr_error *err)
{
    bool ok = false;
    switch (source->reader) {
    case NNR_IDX: ok = nnr_idx_parse(file->bytes, file->size, path, out, err); break;
    case NNR_NPY: ok = nnr_npy_parse(file->bytes, file->size, path, out, err); break;
    case NNR_CSV: ok = nnr_csv_parse(file->bytes, file->size, path, source, as, out, err); break;
    case NNR_TEXT:
        return nnr_text_parse(file->bytes, file->size, path, source, as, alphabet, out, err);
    }
    if (ok && !nnr_dataset_fit(out, as, false, err)) {
        nnr_dataset_free(out);
        return false;
    }
    if (ok) nnr_dataset_slice(out, source->first, source->last);
    return ok;
}

static bool open_source(const char *dir, const nnr_source *source, const nnr_info *as,
                        const nnr_dataset *alphabet, nnr_dataset *out, nnr_error *err)
{
    char path[1024];
    nnr_bytes file;
    if (!nnr_file_find(dir, source->file, path, sizeof path, err)) return false;
    if (!nnr_file_read(path, &file, err)) return false;
    bool ok = parse(&file, path, source, as, alphabet, out, err);
    free(file.bytes);
    if (ok && out->count == 0) {
        nnr_fail(err, "%s: error: no samples for %s", path, as->name);
        nnr_dataset_free(out);
        return nnr_note(err, "the file, or the part of it that is asked for, is empty");
    }
    return ok;
}

/* Text windows that start later are fewer; such declarations of one file end with the shortest. */
static void even_out_text(const nnr_train *train, bool valid, nnr_samples *s)
{
    for (int i = 0; i < s->n; i++)
        for (int k = 0; k < s->n; k++) {
            const nnr_source *a = valid ? &train->data[i].valid : &train->data[i].train;
            const nnr_source *b = valid ? &train->data[k].valid : &train->data[k].train;
            if (a->reader != NNR_TEXT || b->reader != NNR_TEXT || strcmp(a->file, b->file) != 0) continue;
            if (s->sets[i].pitch == s->sets[k].pitch && s->sets[i].count > s->sets[k].count)
                s->sets[i].count = s->sets[k].count;
        }
}

static bool counts_agree(const nnr_train *train, const nnr_samples *s, nnr_error *err)
{
    for (int i = 1; i < s->n; i++) {
        const nnr_dataset *a = &s->sets[0], *b = &s->sets[i];
        if (a->count == b->count) continue;
        nnr_fail(err, "%s: error: %lld samples for %s, but %s holds %lld for %s", b->path,
                 (long long)b->count, train->data[i].info.name, a->path, (long long)a->count,
                 train->data[0].info.name);
        return nnr_note(err, "sample k of every data declaration belongs together; give files of one set");
    }
    return true;
}

bool nnr_samples_open(const nnr_train *train, bool valid, const char *dir, const nnr_samples *training,
                      nnr_samples *out, nnr_error *err)
{
    *out = (nnr_samples){.sets = calloc((size_t)train->n_data + 1, sizeof *out->sets)};
    if (!out->sets) return nnr_no_memory(err, train->name, 0);
    if (train->n_data == 0) {
        nnr_fail(err, "%s: error: the train block has no data declaration", train->name);
        nnr_samples_free(out);
        return nnr_note(err, "declare one, as in  data x: f32[N, 4] = csv(\"table.csv\")");
    }
    for (int i = 0; i < train->n_data; i++, out->n++) {
        const nnr_source *source = valid ? &train->data[i].valid : &train->data[i].train;
        const nnr_dataset *alphabet = NULL;
        for (int k = 0; training && k < training->n && !alphabet; k++)
            if (training->sets[k].n_vocabulary > 0) alphabet = &training->sets[k];
        if (!open_source(dir ? dir : ".", source, &train->data[i].info, alphabet, &out->sets[i], err)) {
            nnr_samples_free(out);
            return false;
        }
    }
    even_out_text(train, valid, out);
    out->count = out->sets[0].count;
    if (counts_agree(train, out, err)) return true;
    nnr_samples_free(out);
    return false;
}

void nnr_samples_free(nnr_samples *samples)
{
    for (int i = 0; i < samples->n; i++) nnr_dataset_free(&samples->sets[i]);
    free(samples->sets);
    *samples = (nnr_samples){0};
}

bool nnr_dataset_sniff(const char *path, const nnr_info *as, nnr_dataset *out, nnr_error *err)
{
    static const nnr_source table = {.reader = NNR_CSV, .header = -1};
    nnr_bytes file;
    bool ok;
    if (!nnr_file_read(path, &file, err)) return false;
    if (file.size >= 6 && memcmp(file.bytes, "\x93NUMPY", 6) == 0)
        ok = nnr_npy_parse(file.bytes, file.size, path, out, err);
    else if (file.size >= 4 && file.bytes[0] == 0 && file.bytes[1] == 0)
        ok = nnr_idx_parse(file.bytes, file.size, path, out, err);
    else if (strstr(path, ".npy"))
        ok = nnr_npy_parse(file.bytes, file.size, path, out, err);
    else
        ok = nnr_csv_parse(file.bytes, file.size, path, &table, as, out, err);
    free(file.bytes);
    if (ok && !nnr_dataset_fit(out, as, true, err)) {
        nnr_dataset_free(out);
        return false;
    }
    return ok;
}
