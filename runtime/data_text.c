/* Plain text as training data for character models: each byte becomes its index among the sorted
 * distinct bytes of the file, and a sample is a window of them. Windows overlap in memory. */
#include "runtime/data.h"
#include "runtime/file.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* How many distinct bytes there are. */
static int own_vocabulary(const uint8_t *bytes, size_t n, uint8_t vocabulary[256])
{
    bool seen[256] = {false};
    int count = 0;
    for (size_t i = 0; i < n; i++) seen[bytes[i]] = true;
    for (int b = 0; b < 256; b++)
        if (seen[b]) vocabulary[count++] = (uint8_t)b;
    return count;
}

static bool unknown_byte(const uint8_t *bytes, size_t at, const char *path, const nnr_dataset *alphabet,
                         nnr_error *err)
{
    size_t line = 1, col = 1;
    for (size_t i = 0; i < at; i++) bytes[i] == '\n' ? (line++, col = 1) : col++;
    uint8_t b = bytes[at];
    if (b > 32 && b < 127)
        nnr_fail(err, "%s:%zu:%zu: error: the character '%c'", path, line, col, b);
    else
        nnr_fail(err, "%s:%zu:%zu: error: the byte 0x%02x", path, line, col, b);
    nnr_append(err->text, sizeof err->text, " does not occur in the training text %s",
               alphabet->path);
    return nnr_note(err, "a model of %d characters has no index for it; remove it or train on a text "
                         "that holds it", alphabet->n_vocabulary);
}

static bool encode(const uint8_t *bytes, size_t n, const nnr_dataset *alphabet, nnr_dataset *out,
                   nnr_error *err)
{
    int index[256];
    uint8_t *values = out->values;
    memset(index, -1, sizeof index);
    for (int i = 0; i < out->n_vocabulary; i++) index[out->vocabulary[i]] = i;
    for (size_t i = 0; i < n; i++) {
        if (index[bytes[i]] < 0) return unknown_byte(bytes, i, out->path, alphabet, err);
        values[i] = (uint8_t)index[bytes[i]];
    }
    return true;
}

/* The fractions cut the text, so that no window reaches over from one part into the other. */
static void cut(const nnr_source *source, size_t n, int64_t *from, int64_t *to)
{
    double last = source->last > 0 ? source->last : 1;
    *from = (int64_t)floor(source->first * (double)n + 1e-6);
    *to = (int64_t)floor(last * (double)n + 1e-6);
    if (*to > (int64_t)n) *to = (int64_t)n;
    if (*from < 0) *from = 0;
}

bool nnr_text_parse(const uint8_t *bytes, size_t n, const char *path, const nnr_source *source,
                    const nnr_info *as, const nnr_dataset *alphabet, nnr_dataset *out, nnr_error *err)
{
    int64_t window = nnr_elems(as->dims + 1, as->rank - 1), from, to;
    int64_t stride = source->stride > 0 ? source->stride : window;
    int64_t dims[2] = {(int64_t)n, 1};
    char type[192];
    *out = (nnr_dataset){0};
    if (source->shift < 0) {
        nnr_fail(err, "%s: error: text windows cannot start %lld characters earlier", path,
                 (long long)-source->shift);
        return nnr_note(err, "use a shift of 0 or more");
    }
    if (!nnr_dataset_alloc(out, NNR_U8, dims, 1, path, err)) return false;
    if (alphabet) {
        memcpy(out->vocabulary, alphabet->vocabulary, sizeof out->vocabulary);
        out->n_vocabulary = alphabet->n_vocabulary;
    } else {
        out->n_vocabulary = own_vocabulary(bytes, n, out->vocabulary);
    }
    if (!encode(bytes, n, alphabet, out, err)) {
        nnr_dataset_free(out);
        return false;
    }
    cut(source, n, &from, &to);
    int64_t room = to - from - window;
    if (window < 1 || room < source->shift) {
        nnr_fail(err, "%s: error: %lld characters are too few for windows of %lld (%s)", path,
                 (long long)(to > from ? to - from : 0), (long long)window,
                 nnr_batch_type_text(type, sizeof type, as));
        nnr_dataset_free(out);
        return nnr_note(err, "use a longer text or a shorter window");
    }
    out->count = (room - source->shift) / stride + 1;
    out->elems = window;
    out->first = from + source->shift;
    out->pitch = stride;
    out->rank = as->rank;
    memcpy(out->dims, as->dims, sizeof out->dims);
    out->dims[0] = out->count;
    return true;
}

nnr_status nnr_text_vocabulary(const nnr_train *train, const char *data_dir, uint8_t vocabulary[256], int *n,
                               nnr_error *err)
{
    char path[1024];
    nnr_bytes file;
    for (int i = 0; i < train->n_data; i++) {
        const nnr_source *source = &train->data[i].train;
        if (source->reader != NNR_TEXT) continue;
        if (!nnr_file_find(data_dir ? data_dir : ".", source->file, path, sizeof path, err)) return NNR_FAILED;
        if (!nnr_file_read(path, &file, err)) return NNR_FAILED;
        *n = own_vocabulary(file.bytes, file.size, vocabulary);
        free(file.bytes);
        return NNR_OK;
    }
    nnr_fail(err, "%s: error: no data declaration of block %s is text", train->name, train->name);
    nnr_note(err, "declare one, as in  data text: i32[N, 64] = text(\"book.txt\")");
    return NNR_FAILED;
}
