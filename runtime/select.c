/* Samples for training and for validation. See select.h. */
#include "runtime/select.h"
#include "runtime/file.h"
#include "runtime/shuffle.h"
#include <stdlib.h>
#include <string.h>

static bool has_text(const nnr_train *t)
{
    for (int i = 0; i < t->n_data; i++)
        if (t->data[i].train.reader == NNR_TEXT) return true;
    return false;
}

static int64_t *upward(int64_t n)
{
    int64_t *p = malloc(sizeof *p * (size_t)(n + 1));
    for (int64_t i = 0; p && i < n; i++) p[i] = i;
    return p;
}

static bool choose(nnr_selection *s, const nnr_train *t, uint64_t seed, nnr_error *err)
{
    int64_t n = s->training.count, held = 0;
    s->train = upward(n);
    s->valid = upward(s->separate ? s->validation.count : n);
    if (!s->train || !s->valid) return nnr_no_memory(err, t->name, sizeof(int64_t) * (size_t)n);
    s->n_train = n;
    if (s->separate) {
        s->n_valid = s->validation.count;
    } else if (t->split > 0) {
        nnr_split(seed, t->split, n, s->valid, &held);
        s->n_train = n - held;
        s->n_valid = held;
        memcpy(s->train, s->valid + held, sizeof *s->train * (size_t)s->n_train);
    }
    return true;
}

bool nnr_selection_open(nnr_selection *s, const nnr_train *t, const char *dir, uint64_t seed,
                        bool need_training, nnr_error *err)
{
    *s = (nnr_selection){.separate = t->has_validation && !(t->split > 0)};
    bool training = need_training || !s->separate || has_text(t);
    bool ok = !training || nnr_samples_open(t, false, dir, NULL, &s->training, err);
    if (ok && s->separate)
        ok = nnr_samples_open(t, true, dir, training ? &s->training : NULL, &s->validation, err);
    if (ok && choose(s, t, seed, err)) return true;
    nnr_selection_close(s);
    return false;
}

void nnr_selection_close(nnr_selection *s)
{
    nnr_samples_free(&s->training);
    nnr_samples_free(&s->validation);
    free(s->train);
    free(s->valid);
    *s = (nnr_selection){0};
}

const nnr_samples *nnr_selection_valid(const nnr_selection *s)
{
    return s->separate ? &s->validation : &s->training;
}

/* ---- counting --------------------------------------------------------------------------------------- */

/* The number of samples of an IDX file is in its first 8 bytes; -1 for other readers. */
static bool count_quickly(const nnr_train *t, bool valid, const char *dir, int64_t *n, nnr_error *err)
{
    *n = -1;
    for (int i = 0; i < t->n_data; i++) {
        const nnr_source *source = valid ? &t->data[i].valid : &t->data[i].train;
        char path[1024];
        uint8_t head[8];
        if (source->reader != NNR_IDX) continue;
        if (!nnr_file_find(dir ? dir : ".", source->file, path, sizeof path, err)) return false;
        if (nnr_file_head(path, head, sizeof head) < sizeof head) continue; /* the full reader will tell */
        nnr_dataset d = {.count = (int64_t)head[4] << 24 | head[5] << 16 | head[6] << 8 | head[7]};
        nnr_dataset_slice(&d, source->first, source->last);
        *n = d.count;
        return true;
    }
    return true;
}

static bool count_fully(const nnr_train *t, const char *dir, uint64_t seed, int64_t *n_train,
                        int64_t *n_valid, nnr_error *err)
{
    nnr_selection s;
    if (!nnr_selection_open(&s, t, dir, seed, true, err)) return false;
    *n_train = s.n_train;
    *n_valid = s.n_valid;
    nnr_selection_close(&s);
    return true;
}

nnr_status nnr_count_samples(const nnr_train *train, const char *data_dir, uint64_t seed, int64_t *n_train,
                             int64_t *n_valid, nnr_error *err)
{
    bool separate = train->has_validation && !(train->split > 0);
    *n_valid = 0;
    if (!count_quickly(train, false, data_dir, n_train, err)) return NNR_FAILED;
    if (separate && !count_quickly(train, true, data_dir, n_valid, err)) return NNR_FAILED;
    if (*n_train >= 0 && *n_valid >= 0) {
        if (!separate && train->split > 0) {
            *n_valid = nnr_split_count(train->split, *n_train);
            *n_train -= *n_valid;
        }
        return NNR_OK;
    }
    return count_fully(train, data_dir, seed, n_train, n_valid, err) ? NNR_OK : NNR_FAILED;
}
