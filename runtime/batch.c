/* Gathering batches, running a train block's entries on them, adding up what they return. */
#include "runtime/batch.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool belongs(const nnr_train *t, const nnr_entry *e)
{
    if (t->eval && strcmp(e->name, t->eval) == 0) return true;
    for (int i = 0; i < t->n_steps; i++)
        if (strcmp(e->name, t->steps[i]) == 0) return true;
    return false;
}

/* Where output i lies among the outputs of an entry. */
static size_t output_at(const nnr_entry *e, int i)
{
    size_t at = 0;
    for (int k = 0; k < i; k++) {
        size_t bytes = (size_t)nnr_elems(e->out[k].dims, e->out[k].rank) * nnr_dtype_size(e->out[k].dtype);
        at += (bytes + NNR_ALIGN - 1) / NNR_ALIGN * NNR_ALIGN;
    }
    return at;
}

static bool is_total(const nnr_info *out) { return strncmp(out->name, "total.", 6) == 0 && out->dtype == NNR_F32; }

bool nnr_batcher_open(nnr_batcher *b, const nnr_program *program, const nnr_train *train,
                      const nnr_samples *samples, nnr_error *err)
{
    size_t arena = 0, outputs = NNR_ALIGN;
    *b = (nnr_batcher){.program = program, .train = train, .samples = samples, .max_batch = 1};
    for (int i = 0; i < program->n_entries; i++) {
        const nnr_entry *e = &program->entries[i];
        if (!belongs(train, e)) continue;
        if (e->arena_bytes > arena) arena = e->arena_bytes;
        if (e->batch > b->max_batch) b->max_batch = e->batch;
        if (output_at(e, e->n_out) > outputs) outputs = output_at(e, e->n_out);
    }
    b->arena = nnr_block(arena);
    b->outputs = nnr_block(outputs);
    b->buffers = calloc((size_t)train->n_data + 1, sizeof *b->buffers);
    bool ok = b->arena && b->outputs && b->buffers;
    for (int i = 0; ok && i < train->n_data; i++) {
        const nnr_info *info = &train->data[i].info;
        size_t sample = (size_t)nnr_elems(info->dims + 1, info->rank - 1) * nnr_dtype_size(info->dtype);
        b->buffers[i] = nnr_block(sample * (size_t)b->max_batch);
        ok = b->buffers[i] != NULL;
    }
    if (ok) return true;
    nnr_batcher_close(b);
    return nnr_no_memory(err, program->name, arena);
}

void nnr_batcher_close(nnr_batcher *b)
{
    for (int i = 0; b->buffers && i < b->train->n_data; i++) free(b->buffers[i]);
    free(b->buffers);
    free(b->arena);
    free(b->outputs);
    *b = (nnr_batcher){0};
}

static int data_index(const nnr_train *t, const char *name)
{
    for (int i = 0; i < t->n_data; i++)
        if (strcmp(t->data[i].info.name, name) == 0) return i;
    return -1;
}

enum { MAX_IO = 64 + NNR_MAX_TOTAL_VALUES };

bool nnr_batcher_check(const nnr_batcher *b, const nnr_entry *e, nnr_error *err)
{
    if (e->n_in > MAX_IO || e->n_out > MAX_IO || e->n_out < 1) {
        nnr_fail(err, "%s: error: entry %s has %d inputs and %d outputs", b->program->name, e->name, e->n_in,
                 e->n_out);
        return nnr_note(err, "from 1 to %d outputs and up to %d inputs can be run", MAX_IO, MAX_IO);
    }
    for (int i = 0; i < e->n_in; i++) {
        const nnr_info *in = &e->in[i];
        int k = data_index(b->train, in->name);
        const nnr_info *is = k >= 0 ? &b->train->data[k].info : NULL;
        bool same = is && is->dtype == in->dtype && is->rank == in->rank && in->rank > 0 &&
                    in->dims[0] == e->batch &&
                    memcmp(is->dims + 1, in->dims + 1, sizeof *is->dims * (size_t)(in->rank - 1)) == 0;
        if (same) continue;
        nnr_fail(err, "%s: error: entry %s takes \"%s\", which %s", b->program->name, e->name, in->name,
                 is ? "differs from the data declaration of that name" : "no data declaration gives");
        return nnr_note(err, "the program's table is inconsistent; compile it again");
    }
    for (int i = 0; i < e->n_out; i++) {
        if (is_total(&e->out[i]) || nnr_elems(e->out[i].dims, e->out[i].rank) == 1) continue;
        nnr_fail(err, "%s: error: output \"%s\" of entry %s is no single number", b->program->name,
                 e->out[i].name, e->name);
        return nnr_note(err, "a loss or metric must be a scalar: take its mean");
    }
    return true;
}

void nnr_batcher_fill(nnr_batcher *b, const int64_t *indices, int64_t n)
{
    for (int i = 0; i < b->train->n_data; i++)
        nnr_dataset_gather(&b->samples->sets[i], b->train->data[i].info.dtype, indices, n, b->buffers[i]);
}

void nnr_batcher_inputs(const nnr_batcher *b, const nnr_entry *e, const void **in)
{
    for (int i = 0; i < e->n_in; i++) in[i] = b->buffers[data_index(b->train, e->in[i].name)];
}


void nnr_batcher_run(nnr_batcher *b, const nnr_entry *e, nnr_model *model, const nnr_ctx *ctx)
{
    const void *in[MAX_IO];
    void *out[MAX_IO];
    nnr_batcher_inputs(b, e, in);
    for (int i = 0; i < e->n_out; i++) out[i] = (uint8_t *)b->outputs + output_at(e, i);
    e->run(model->weights, model->slots, in, out, b->arena, ctx);
}

double nnr_batcher_output(const nnr_batcher *b, const nnr_entry *e, int i)
{
    const void *p = (const uint8_t *)b->outputs + output_at(e, i);
    switch (e->out[i].dtype) {
    case NNR_F32: return (double)*(const float *)p;
    case NNR_F64: return *(const double *)p;
    case NNR_I32: return *(const int32_t *)p;
    case NNR_BOOL:
    case NNR_U8: return *(const uint8_t *)p;
    }
    return 0;
}

int nnr_batcher_find_nonfinite(const nnr_batcher *b, int64_t n, int64_t *row)
{
    for (int i = 0; i < b->train->n_data; i++) {
        const nnr_info *info = &b->train->data[i].info;
        int64_t elems = nnr_elems(info->dims + 1, info->rank - 1);
        for (int64_t k = 0; k < n * elems; k++) {
            if (info->dtype == NNR_F32 && isfinite(((const float *)b->buffers[i])[k])) continue;
            if (info->dtype == NNR_F64 && isfinite(((const double *)b->buffers[i])[k])) continue;
            if (info->dtype != NNR_F32 && info->dtype != NNR_F64) break;
            *row = k / elems;
            return i;
        }
    }
    return -1;
}

/* ---- sums --------------------------------------------------------------------------------------- */

int nnr_metric_index(const nnr_train *train, const nnr_entry *e, int i)
{
    for (int k = 0; i > 0 && k < train->n_metrics && k < NNR_MAX_METRICS; k++)
        if (strcmp(train->metrics[k], e->out[i].name) == 0) return k;
    /* Names may differ; the order behind the loss may not, where all metrics are there. */
    bool all = e->n_out - 1 == train->n_metrics && train->n_metrics <= NNR_MAX_METRICS;
    return i > 0 && all ? i - 1 : -1;
}

/* A metric that several steps report counts as the last of them says. */
static bool reported_later(const nnr_batcher *b, int step, const char *name)
{
    for (int s = step + 1; s < b->train->n_steps; s++) {
        const nnr_entry *e = nnr_entry_up_to(b->program, b->train->steps[s], INT64_MAX);
        for (int i = 1; e && i < e->n_out; i++)
            if (strcmp(e->out[i].name, name) == 0) return true;
    }
    return false;
}

/* Adds output i, a total, to the sums that become the input of that name of the block's finish entry. */
static void add_total(nnr_totals *t, const nnr_batcher *b, const nnr_entry *e, int i)
{
    const nnr_entry *finish = b->train->finish ? nnr_entry_exact(b->program, b->train->finish, 0) : NULL;
    const float *x = (const float *)(const void *)((const uint8_t *)b->outputs + output_at(e, i));
    double *to = t->values;
    for (int k = 0; finish && k < finish->n_in; k++) {
        int64_t n = nnr_elems(finish->in[k].dims, finish->in[k].rank);
        if (strcmp(finish->in[k].name, e->out[i].name) == 0)
            for (int64_t j = 0; j < n && to + j < t->values + NNR_MAX_TOTALS; j++) to[j] += (double)x[j];
        to += n;
    }
}

void nnr_totals_add(nnr_totals *t, const nnr_batcher *b, const nnr_entry *e, int step, int64_t n)
{
    t->losses[step] += nnr_batcher_output(b, e, 0) * (double)n;
    for (int i = 1; i < e->n_out; i++) {
        int k = nnr_metric_index(b->train, e, i);
        bool total = is_total(&e->out[i]);
        if (k < 0 && !total) continue;
        if (e->kind == NNR_STEP && b->train->n_steps > 1 && reported_later(b, step, e->out[i].name)) continue;
        if (total) {
            add_total(t, b, e, i);
            continue;
        }
        t->metrics[k] += nnr_batcher_output(b, e, i) * (double)n;
    }
    if (step == 0) t->samples += n;
}

/* "critic" of "gan.critic": what the user called the step. */
static const char *step_name(const char *entry)
{
    const char *dot = strrchr(entry, '.');
    return dot ? dot + 1 : entry;
}

/* The metrics that the block's finish entry makes of the totals; without memory for it they are NaN. */
static void finish_metrics(const nnr_totals *t, const nnr_program *p, const nnr_train *train, nnr_scores *s)
{
    const nnr_entry *e = train->finish ? nnr_entry_exact(p, train->finish, 0) : NULL;
    if (!e || e->n_in > MAX_IO || e->n_out > MAX_IO) return;
    const void *in[MAX_IO];
    void *out[MAX_IO], *arena = nnr_block(e->arena_bytes), *outputs = nnr_block(output_at(e, e->n_out));
    bool ok = arena && outputs;
    int n = 0;
    const double *from = t->values;
    for (; ok && n < e->n_in; n++) {
        int64_t count = nnr_elems(e->in[n].dims, e->in[n].rank);
        float *x = nnr_block((size_t)count * sizeof *x);
        if (!(ok = x && from + count <= t->values + NNR_MAX_TOTALS)) {
            free(x);
            break;
        }
        for (int64_t i = 0; i < count; i++) x[i] = (float)from[i];
        from += count;
        in[n] = x;
    }
    for (int i = 0; ok && i < e->n_out; i++) out[i] = (uint8_t *)outputs + output_at(e, i);
    nnr_ctx ctx = {0};
    if (ok) e->run(NULL, NULL, in, out, arena, &ctx);
    for (int i = 0; i < e->n_out; i++)
        for (int k = 0; k < s->n_metrics; k++)
            if (strcmp(s->metrics[k].name, e->out[i].name) == 0)
                s->metrics[k].value = ok ? (double)*(const float *)out[i] : NAN;
    while (n > 0) free((void *)(uintptr_t)in[--n]);
    free(arena);
    free(outputs);
}

nnr_scores nnr_totals_scores(const nnr_totals *t, const nnr_program *program, const nnr_train *train, int n_steps)
{
    nnr_scores s = {.samples = t->samples};
    double n = t->samples > 0 ? (double)t->samples : 1;
    for (int i = 0; i < n_steps; i++) {
        s.loss += t->losses[i] / n;
        if (n_steps > 1) s.losses[s.n_losses++] = (nnr_value){step_name(train->steps[i]), t->losses[i] / n};
    }
    for (int i = 0; i < train->n_metrics && i < NNR_MAX_METRICS; i++)
        s.metrics[s.n_metrics++] = (nnr_value){train->metrics[i], t->metrics[i] / n};
    finish_metrics(t, program, train, &s);
    return s;
}

bool nnr_evaluate(nnr_batcher *b, nnr_model *model, const int64_t *indices, int64_t n, uint64_t seed,
                  nnr_totals *out, int64_t *left, nnr_error *err)
{
    nnr_ctx ctx = {.seed = seed};
    *out = (nnr_totals){0};
    *left = 0;
    if (nnr_prepare(model, err) != NNR_OK) return false;
    for (int64_t at = 0; at < n;) {
        const nnr_entry *e = nnr_entry_up_to(b->program, b->train->eval, n - at);
        if (!e || e->batch < 1) {
            *left = n - at;
            break;
        }
        if (!nnr_batcher_check(b, e, err)) return false;
        nnr_batcher_fill(b, indices + at, e->batch);
        nnr_batcher_run(b, e, model, &ctx);
        nnr_totals_add(out, b, e, 0, e->batch);
        at += e->batch;
    }
    if (out->samples > 0) return true;
    nnr_fail(err, "%s: error: %lld samples are too few to evaluate: the smallest batch of %s is larger",
             b->program->name, (long long)n, b->train->eval);
    return nnr_note(err, "compile with a smaller batch, or give more data");
}
