/* See timed.h. */
#include "runtime/timed.h"
#include "runtime/progress.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void random_input(const nnr_info *info, uint64_t salt, void *values)
{
    int64_t n = nnr_elems(info->dims, info->rank);
    uint64_t key = nnr_key(0, 0, salt);
    for (int64_t i = 0; i < n; i++) {
        if (info->dtype == NNR_F32) ((float *)values)[i] = nnr_uniform(key, (uint32_t)i);
        if (info->dtype == NNR_F64) ((double *)values)[i] = (double)nnr_uniform(key, (uint32_t)i);
    }
}

static bool keep_state(nnr_timed *t)
{
    const nnr_program *p = t->model->program;
    if (!(t->weights = nnr_block(p->weights_bytes)) || !(t->slots = nnr_block(p->slots_bytes))) return false;
    memcpy(t->weights, t->model->weights, p->weights_bytes);
    memcpy(t->slots, t->model->slots, p->slots_bytes);
    return true;
}

static void restore_state(nnr_timed *t)
{
    const nnr_program *p = t->model->program;
    if (!t->slots) return;
    memcpy(t->model->weights, t->weights, p->weights_bytes);
    memcpy(t->model->slots, t->slots, p->slots_bytes);
    t->ctx.step = 0;
}

/* A training step timed in between has written what this one reads of the parameters. */
static bool prepared(const nnr_timed *t)
{
    nnr_error err;
    bool infers = t->entry->kind == NNR_INFER || t->entry->kind == NNR_EVAL;
    return !infers || nnr_prepare(t->model, &err) == NNR_OK;
}

bool nnr_timed_open(nnr_timed *t, nnr_model *model, const nnr_entry *e)
{
    *t = (nnr_timed){.entry = e, .model = model};
    bool ok = e->n_in <= NNR_TIMED_IO && e->n_out <= NNR_TIMED_IO && (t->arena = nnr_block(e->arena_bytes));
    for (int k = 0; ok && k < e->n_in; k++) {
        ok = (t->in[k] = nnr_block(nnr_info_bytes(&e->in[k]))) != NULL;
        if (ok) random_input(&e->in[k], (uint64_t)k, t->in[k]);
    }
    for (int k = 0; ok && k < e->n_out; k++) ok = (t->out[k] = nnr_block(nnr_info_bytes(&e->out[k]))) != NULL;
    ok = ok && prepared(t);
    if (ok && e->kind == NNR_STEP) ok = keep_state(t);
    if (!ok) nnr_timed_close(t);
    return ok;
}

void nnr_timed_close(nnr_timed *t)
{
    if (t->weights && t->slots) restore_state(t);
    for (int k = 0; k < NNR_TIMED_IO; k++) {
        free(t->in[k]);
        free(t->out[k]);
    }
    free(t->arena);
    free(t->weights);
    free(t->slots);
    *t = (nnr_timed){0};
}

void nnr_timed_part(nnr_timed *t, const nnr_entry *part)
{
    part->run(t->model->weights, t->model->slots, (const void *const *)t->in, t->out, t->arena, &t->ctx);
}

double nnr_timed_calls(nnr_timed *t, int64_t n)
{
    enum { DRIFT = 64 };
    double seconds = 0;
    if (!prepared(t)) return INFINITY;
    while (n > 0) {
        int64_t run = n < DRIFT ? n : DRIFT;
        if (t->slots && t->ctx.step + (uint64_t)run > DRIFT) restore_state(t);
        double start = nnr_now();
        for (int64_t i = 0; i < run; i++, t->ctx.step++) nnr_timed_part(t, t->entry);
        seconds += nnr_now() - start;
        n -= run;
    }
    return seconds;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double nnr_quantile(double *times, int n, double q)
{
    qsort(times, (size_t)n, sizeof *times, ascending);
    int i = (int)(q * (double)(n - 1) + 0.5);
    return times[i];
}
