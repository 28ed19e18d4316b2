/* Running a net over all samples of input files. The last samples go through a smaller entry of the
 * same net where the table holds one; otherwise the batch is filled up with copies of the last
 * sample and what they give is dropped. */
#include "runtime/data.h"
#include "runtime/model.h"
#include "runtime/npy.h"
#include <stdlib.h>
#include <string.h>

enum { MAX_IO = 64 };

typedef struct {
    const nnr_program *program;
    const nnr_predict_options *options;
    const nnr_entry *entry; /* the largest batch: shapes and names */
    nnr_model model;
    nnr_dataset inputs[MAX_IO];
    const char *paths[MAX_IO]; /* where each output goes, or NULL */
    void *results[MAX_IO];     /* outputs of all samples */
    void *in[MAX_IO], *out[MAX_IO];
    void *arena;
    int64_t *indices;
    int64_t count, batch; /* batch: of the largest entry; 1 for a net without a batch dimension */
    nnr_error *err;
} Prediction;

/* ---- which net ---------------------------------------------------------------------------------- */

static bool list_nets(const nnr_program *p, nnr_error *err)
{
    nnr_note(err, "the nets are");
    for (int i = 0, n = 0; i < p->n_entries; i++) {
        bool again = false;
        for (int k = 0; k < i; k++)
            again |= p->entries[k].kind == NNR_INFER && !strcmp(p->entries[k].name, p->entries[i].name);
        if (p->entries[i].kind != NNR_INFER || again) continue;
        nnr_append(err->text, sizeof err->text, "%s %s", n++ ? "," : "", p->entries[i].name);
    }
    return false;
}

static bool find_net(Prediction *w)
{
    const nnr_program *p = w->program;
    const char *name = w->options->entry;
    bool several = false;
    for (int i = 0; i < p->n_entries; i++) {
        const nnr_entry *e = &p->entries[i];
        if (e->kind != NNR_INFER || (name && strcmp(e->name, name) != 0)) continue;
        if (w->entry && strcmp(w->entry->name, e->name) != 0) several = true;
        if (!w->entry || e->batch > w->entry->batch) w->entry = e;
    }
    if (!w->entry) {
        nnr_fail(w->err, "%s: error: there is no net%s%.80s", p->name, name ? " " : "", name ? name : "");
        return list_nets(p, w->err);
    }
    if (several) {
        nnr_fail(w->err, "%s: error: the program has several nets", p->name);
        list_nets(p, w->err);
        nnr_append(w->err->text, sizeof w->err->text, "; choose one with --entry");
        return false;
    }
    w->batch = w->entry->batch > 0 ? w->entry->batch : 1;
    if (w->entry->n_in <= MAX_IO && w->entry->n_out <= MAX_IO) return true;
    nnr_fail(w->err, "%s: error: net %s has more than %d inputs or outputs", p->name, w->entry->name, MAX_IO);
    return nnr_note(w->err, "split the net");
}

/* ---- files of inputs and outputs ------------------------------------------------------------------ */

static bool unknown_name(Prediction *w, const char *what, const char *name, const nnr_info *list, int n)
{
    nnr_fail(w->err, "%s: error: net %s has no %s%s%.80s", w->program->name, w->entry->name, what,
             name ? " " : " to be the only one", name ? name : "");
    nnr_note(w->err, "its %ss are", what);
    for (int i = 0; i < n; i++)
        nnr_append(w->err->text, sizeof w->err->text, "%s %s", i ? "," : "", list[i].name);
    nnr_append(w->err->text, sizeof w->err->text, "; write NAME=PATH");
    return false;
}

static int find_info(const nnr_info *list, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (name ? strcmp(list[i].name, name) == 0 : n == 1) return i;
    return -1;
}

/* The declared type with the batch in front, also for a net that has no batch dimension. */
static nnr_info batch_info(const Prediction *w, const nnr_info *info)
{
    nnr_info as = *info;
    if (w->entry->batch > 0 || as.rank == NNR_MAX_RANK) return as;
    memmove(as.dims + 1, as.dims, sizeof *as.dims * (size_t)as.rank);
    as.dims[0] = 1;
    as.rank++;
    return as;
}

static bool open_inputs(Prediction *w)
{
    const nnr_predict_options *o = w->options;
    const nnr_entry *e = w->entry;
    for (int i = 0; i < o->n_inputs; i++) {
        int k = find_info(e->in, e->n_in, o->inputs[i].name);
        if (k < 0) return unknown_name(w, "input", o->inputs[i].name, e->in, e->n_in);
        nnr_info as = batch_info(w, &e->in[k]);
        nnr_dataset_free(&w->inputs[k]);
        if (!nnr_dataset_sniff(o->inputs[i].path, &as, &w->inputs[k], w->err)) return false;
    }
    int first = -1;
    for (int k = 0; k < e->n_in; k++) {
        if (!w->inputs[k].values) {
            char type[192];
            nnr_fail(w->err, "%s: error: input %s of net %s is not given", w->program->name, e->in[k].name,
                     e->name);
            return nnr_note(w->err, "give an array of type %s with --input %s=PATH.npy",
                            nnr_batch_type_text(type, sizeof type, &e->in[k]), e->in[k].name);
        }
        if (first < 0) first = k;
        if (w->inputs[k].count != w->inputs[first].count) {
            nnr_fail(w->err, "%s: error: %lld samples, but %s holds %lld", w->inputs[k].path,
                     (long long)w->inputs[k].count, w->inputs[first].path, (long long)w->inputs[first].count);
            return nnr_note(w->err, "sample k of every input belongs together");
        }
    }
    w->count = first < 0 ? 1 : w->inputs[first].count;
    if (w->entry->batch > 0 || w->count <= 1) return true;
    nnr_fail(w->err, "%s: error: %lld samples for net %s, which takes one at a time", w->inputs[first].path,
             (long long)w->count, e->name);
    return nnr_note(w->err, "give the net a batch dimension N, or one sample");
}

/* Samples are told apart by the first dimension. */
static bool is_by_sample(Prediction *w, const nnr_info *info)
{
    if (w->entry->batch == 0 || (info->rank > 0 && info->dims[0] == w->entry->batch)) return true;
    nnr_fail(w->err, "%s: error: output %s of net %s is not one value a sample", w->program->name, info->name,
             w->entry->name);
    return nnr_note(w->err, "its first dimension must be the batch");
}

static bool choose_outputs(Prediction *w)
{
    const nnr_predict_options *o = w->options;
    const nnr_entry *e = w->entry;
    for (int i = 0; i < o->n_outputs; i++) {
        int k = find_info(e->out, e->n_out, o->outputs[i].name);
        if (k < 0) return unknown_name(w, "output", o->outputs[i].name, e->out, e->n_out);
        w->paths[k] = o->outputs[i].path;
        if (!is_by_sample(w, &e->out[k])) return false;
    }
    for (int k = 0; k < e->n_out && o->n_outputs == 0; k++)
        if (!is_by_sample(w, &e->out[k])) return false;
    return true;
}

/* ---- the run -------------------------------------------------------------------------------------- */

static size_t sample_bytes(const Prediction *w, const nnr_info *info)
{
    return nnr_info_bytes(info) / (size_t)w->batch;
}

static bool allocate(Prediction *w)
{
    const nnr_entry *e = w->entry;
    size_t arena = 0;
    for (int i = 0; i < w->program->n_entries; i++)
        if (strcmp(w->program->entries[i].name, e->name) == 0 && w->program->entries[i].arena_bytes > arena)
            arena = w->program->entries[i].arena_bytes;
    bool ok = (w->arena = nnr_block(arena)) && (w->indices = malloc(sizeof(int64_t) * (size_t)w->batch));
    for (int k = 0; ok && k < e->n_in; k++) ok = (w->in[k] = nnr_block(nnr_info_bytes(&e->in[k]))) != NULL;
    for (int k = 0; ok && k < e->n_out; k++) ok = (w->out[k] = nnr_block(nnr_info_bytes(&e->out[k]))) != NULL;
    for (int k = 0; ok && k < e->n_out; k++)
        if (w->paths[k] || w->options->n_outputs == 0)
            ok = (w->results[k] = malloc(sample_bytes(w, &e->out[k]) * (size_t)w->count + 1)) != NULL;
    return ok || nnr_no_memory(w->err, w->program->name, arena);
}

static const nnr_entry *smallest(const nnr_program *p, const char *name)
{
    const nnr_entry *best = NULL;
    for (int i = 0; i < p->n_entries; i++)
        if (strcmp(p->entries[i].name, name) == 0 && (!best || p->entries[i].batch < best->batch))
            best = &p->entries[i];
    return best;
}

static void run_all(Prediction *w)
{
    const nnr_ctx ctx = {0};
    for (int64_t at = 0; at < w->count;) {
        const nnr_entry *e = nnr_entry_up_to(w->program, w->entry->name, w->count - at);
        if (!e) e = smallest(w->program, w->entry->name);
        int64_t batch = e->batch > 0 ? e->batch : 1;
        int64_t n = batch < w->count - at ? batch : w->count - at;
        for (int64_t i = 0; i < batch; i++) w->indices[i] = at + (i < n ? i : n - 1);
        for (int k = 0; k < e->n_in; k++)
            nnr_dataset_gather(&w->inputs[k], e->in[k].dtype, w->indices, batch, w->in[k]);
        e->run(w->model.weights, w->model.slots, (const void *const *)w->in, w->out, w->arena, &ctx);
        for (int k = 0; k < e->n_out; k++) {
            size_t bytes = sample_bytes(w, &w->entry->out[k]);
            if (w->results[k])
                memcpy((uint8_t *)w->results[k] + (size_t)at * bytes, w->out[k], (size_t)n * bytes);
        }
        at += n;
    }
}

static bool write_outputs(Prediction *w)
{
    for (int k = 0; k < w->entry->n_out; k++) {
        nnr_info info = w->entry->out[k];
        if (!w->paths[k]) continue;
        if (w->entry->batch > 0) info.dims[0] = w->count;
        if (!nnr_npy_write(w->paths[k], info.dtype, info.dims, info.rank, w->results[k], w->err)) return false;
        nnr_tell(w->options->say, w->options->user, NNR_SAY_INFO, "%s: %lld sample%s", w->paths[k],
                 (long long)w->count, w->count == 1 ? "" : "s");
    }
    return true;
}

/* ---- outputs as text ------------------------------------------------------------------------------ */

enum { PRINTED = 16 }; /* values of a sample that are shown */

static double value_at(nnr_dtype dtype, const void *values, int64_t i)
{
    switch (dtype) {
    case NNR_F32: return (double)((const float *)values)[i];
    case NNR_F64: return ((const double *)values)[i];
    case NNR_I32: return ((const int32_t *)values)[i];
    case NNR_BOOL:
    case NNR_U8: return ((const uint8_t *)values)[i];
    }
    return 0;
}

/* The place of the largest value (a classifier's answer) where there are several, then the values. */
static void say_sample(const Prediction *w, const nnr_info *info, const void *values, int64_t n)
{
    char text[64 + PRINTED * 24] = "";
    int64_t largest = 0;
    for (int64_t i = 1; i < n; i++)
        if (value_at(info->dtype, values, i) > value_at(info->dtype, values, largest)) largest = i;
    if (w->entry->n_out > 1) nnr_append(text, sizeof text, "%.40s ", info->name);
    if (n > 1) nnr_append(text, sizeof text, "%lld:", (long long)largest);
    for (int64_t i = 0; i < n && i < PRINTED; i++)
        nnr_append(text, sizeof text, "%s%.6g", i || n > 1 ? " " : "", value_at(info->dtype, values, i));
    if (n > PRINTED) nnr_append(text, sizeof text, " ...");
    nnr_tell(w->options->say, w->options->user, NNR_SAY_RESULT, "%s", text);
}

static void say_outputs(const Prediction *w)
{
    for (int64_t s = 0; s < w->count; s++)
        for (int k = 0; k < w->entry->n_out; k++) {
            const nnr_info *info = &w->entry->out[k];
            size_t bytes = sample_bytes(w, info);
            say_sample(w, info, (const uint8_t *)w->results[k] + (size_t)s * bytes,
                       nnr_elems(info->dims, info->rank) / w->batch);
        }
}

static bool predict(Prediction *w)
{
    const nnr_predict_options *o = w->options;
    if (!find_net(w) || !choose_outputs(w)) return false;
    if (!o->weights) {
        nnr_fail(w->err, "%s: error: no weights to predict with", w->program->name);
        return nnr_note(w->err, "give a weights file with --weights");
    }
    if (nnr_model_create(w->program, &w->model, w->err) != NNR_OK) return false;
    /* strict: the file sets every variable that a net reads */
    if (nnr_weights_load(&w->model, o->weights, true, o->say, o->user, w->err) != NNR_OK) return false;
    if (nnr_prepare(&w->model, w->err) != NNR_OK || !open_inputs(w) || !allocate(w)) return false;
    run_all(w);
    if (o->n_outputs == 0) say_outputs(w);
    return write_outputs(w);
}

nnr_status nnr_run_predict(const nnr_program *program, const nnr_predict_options *options, nnr_error *err)
{
    Prediction *w = calloc(1, sizeof *w);
    if (!w) {
        nnr_no_memory(err, program->name, sizeof *w);
        return NNR_FAILED;
    }
    *w = (Prediction){.program = program, .options = options, .err = err};
    nnr_set_threads(options->threads);
    bool ok = predict(w);
    for (int k = 0; k < MAX_IO; k++) {
        nnr_dataset_free(&w->inputs[k]);
        free(w->results[k]);
        free(w->in[k]);
        free(w->out[k]);
    }
    free(w->arena);
    free(w->indices);
    nnr_model_destroy(&w->model);
    free(w);
    return ok ? NNR_OK : NNR_FAILED;
}

nnr_file nnr_file_parse(char *text)
{
    char *equals = strchr(text, '=');
    if (!equals) return (nnr_file){NULL, text};
    *equals = '\0';
    return (nnr_file){text, equals + 1};
}
