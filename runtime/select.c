/* Samples for training and for validation. See select.h. */
#include "runtime/select.h"
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

nnr_status nnr_count_samples(const nnr_train *train, const char *data_dir, uint64_t seed, int64_t *n_train,
                             int64_t *n_valid, nnr_error *err)
{
    nnr_selection s;
    if (!nnr_selection_open(&s, train, data_dir, seed, true, err)) return NNR_FAILED;
    *n_train = s.n_train;
    *n_valid = s.n_valid;
    nnr_selection_close(&s);
    return NNR_OK;
}
