/* train, eval, predict, build, digits: commands that run or make native code. */
#include "cli/cli.h"
#include "nnc_internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- compilation for data at hand ----
 * The last batch of an epoch is smaller; shapes are static; so steps and evaluations are compiled for
 * the sizes that occur. Data files are looked at first, for their number of samples. */

static const nnr_train *pick_train(const nnc *n, const char *name, const char *file)
{
    int count;
    const nnr_train *trains = nnc_trains(n, &count);
    for (int i = 0; i < count; i++)
        if (!name || strcmp(trains[i].name, name) == 0)
            return &trains[i];
    if (!count)
        cli_error("%s: error: there is no train block\nnote: a train block says what to minimise, over which data", file);
    else
        cli_error("%s: error: no train block is named '%s'", file, name);
    return NULL;
}

static void add_size(int64_t *sizes, int *n, int64_t size, int64_t batch)
{
    if (size == 0 || size == batch)
        return;
    for (int i = 0; i < *n; i++)
        if (sizes[i] == size)
            return;
    sizes[(*n)++] = size;
}

/* Loads the file twice: once to learn of the data, once with the batch sizes that the data need. */
static nnc *load_for_data(CliArgs *args)
{
    nnc *n = cli_open(args, NULL, 0);
    if (nnc_load(n, args->file)) {
        cli_close(n, args);
        return NULL;
    }
    const nnr_train *t = pick_train(n, args->train, args->file);
    if (!t) {
        nnc_free(n);
        return NULL;
    }
    int64_t counts[2] = { 0, 0 };
    nnr_error err;
    if (nnr_count_samples(t, args->data, (uint64_t)args->seed, &counts[0], &counts[1], &err) != NNR_OK) {
        cli_error("%s", err.text);
        nnc_free(n);
        return NULL;
    }
    int64_t *sizes = ARENA_ARRAY(args->arena, int64_t, 2);
    int n_sizes = 0;
    for (int i = 0; i < 2; i++)
        add_size(sizes, &n_sizes, counts[i] % t->batch, t->batch);
    if (!n_sizes)
        return n;
    nnc_free(n);
    args->loaded_before = true;
    n = cli_open(args, sizes, n_sizes);
    if (nnc_load(n, args->file) == 0)
        return n;
    cli_close(n, args);
    return NULL;
}

/* ---- where did the NaN come from ---- */

typedef struct {
    nnc *compiler;
    bool found;
    char text[512];
} Trace;

static void look(void *user, const char *layer, const char *file, int line, const void *data, int64_t count,
                 const char *type)
{
    Trace *t = user;
    if (t->found || strcmp(type, "f32") != 0)
        return;
    const float *x = data;
    for (int64_t i = 0; i < count; i++) {
        if (isfinite(x[i]))
            continue;
        t->found = true;
        snprintf(t->text, sizeof t->text, "the first value that is not finite (%s) is in layer '%s', %s:%d",
                 isnan(x[i]) ? "NaN" : "infinity", layer, file, line);
        return;
    }
}

static const nnr_entry *same_entry(const nnr_program *p, const nnr_entry *e)
{
    for (int i = 0; i < p->n_entries; i++)
        if (strcmp(p->entries[i].name, e->name) == 0 && p->entries[i].batch == e->batch)
            return &p->entries[i];
    return NULL;
}

/* Non-finite parameters are named before any layer: they were spoilt by an earlier update. */
static void look_at_variables(Trace *t, const nnr_program *p, const char *weights)
{
    for (int i = 0; i < p->n_vars && !t->found; i++) {
        const nnr_var *v = &p->vars[i];
        if (v->kind == NNR_SLOT || v->kind == NNR_PREPARED || v->info.dtype != NNR_F32)
            continue;
        int64_t count = 1;
        for (int d = 0; d < v->info.rank; d++)
            count *= v->info.dims[d];
        const float *x = (const float *)(const void *)(weights + v->offset);
        for (int64_t k = 0; k < count && !t->found; k++)
            if (!isfinite(x[k])) {
                t->found = true;
                snprintf(t->text, sizeof t->text, "the update of an earlier step made '%s' infinite or NaN", v->info.name);
            }
    }
}

/* Runs the failing step again with every kernel's result looked at. */
static void trace_nonfinite(void *user, const nnr_program *program, const void *weights, const void *slots,
                            const void *const *inputs, const nnr_ctx *ctx, const nnr_entry *entry)
{
    Trace *t = user;
    look_at_variables(t, program, weights);
    const nnr_program *probed = t->found ? NULL : nnc_native(t->compiler, true);
    const nnr_entry *e = probed ? same_entry(probed, entry) : NULL;
    if (!e || nnc_set_probe(t->compiler, look, t))
        return;
    nnr_model copy;
    nnr_error err;
    if (nnr_model_create(probed, &copy, &err) != NNR_OK)
        return;
    memcpy(copy.weights, weights, probed->weights_bytes);
    memcpy(copy.slots, slots, probed->slots_bytes);
    enum { MOST = 1 + NNR_MAX_METRICS + NNR_MAX_TOTAL_VALUES };
    void *out[MOST] = { 0 };
    void *arena = aligned_alloc(NNR_ALIGN, (e->arena_bytes + NNR_ALIGN) / NNR_ALIGN * NNR_ALIGN);
    bool ok = arena && e->n_out <= MOST;
    for (int i = 0; ok && i < e->n_out; i++) {
        int64_t count = 1;
        for (int d = 0; d < e->out[i].rank; d++)
            count *= e->out[i].dims[d];
        out[i] = calloc((size_t)count + NNR_ALIGN, 8);
        ok = out[i] != NULL;
    }
    if (ok)
        e->run(copy.weights, copy.slots, inputs, out, arena, ctx);
    for (int i = 0; i < e->n_out && i < MOST; i++)
        free(out[i]);
    free(arena);
    nnr_model_destroy(&copy);
}

/* ---- train ---- */

/* Machine code of the entry points that the command runs, and of no others. */
static const nnr_program *compile_native(nnc *n, const CliArgs *args, bool (*runs)(const CliArgs *, const Graph *))
{
    const Module *m = nnc_module(n);
    const char **names = ARENA_ARRAY(args->arena, const char *, m->graphs.len + 1);
    int count = 0;
    for (int i = 0; i < m->graphs.len; i++)
        if (runs(args, m->graphs.data[i]))
            names[count++] = m->graphs.data[i]->name;
    nnc_choose_entries(n, names, count);
    return nnc_compile(n) == 0 ? nnc_native(n, false) : NULL;
}

static bool training_runs(const CliArgs *args, const Graph *g)
{
    (void)args;
    return g->kind == GRAPH_INIT || g->kind == GRAPH_STEP || g->kind == GRAPH_EVAL;
}

static bool evaluation_runs(const CliArgs *args, const Graph *g)
{
    (void)args;
    return g->kind == GRAPH_EVAL;
}

static bool prediction_runs(const CliArgs *args, const Graph *g)
{
    return g->kind == GRAPH_INFER && (!args->entry || strcmp(args->entry, g->name) == 0);
}

static int status_code(nnr_status s)
{
    return s == NNR_OK ? CLI_OK : s == NNR_STOPPED ? CLI_STOPPED : s == NNR_USAGE ? CLI_USAGE : CLI_FAILED;
}

int cmd_train(CliArgs *args)
{
    if (!args->data) {
        cli_error("nnc train needs --data DIR, the folder that holds the data files\n"
                  "note: without a data set at hand, `nnc digits DIR` draws one in MNIST's form");
        return CLI_USAGE;
    }
    nnc *n = load_for_data(args);
    if (!n)
        return CLI_FAILED;
    nnr_reading *reading = nnr_read_begin(pick_train(n, args->train, args->file), args->data, (uint64_t)args->seed);
    const nnr_program *program = compile_native(n, args, training_runs);
    int status = CLI_FAILED;
    if (program) {
        Trace trace = { .compiler = n };
        nnr_train_options o = nnr_train_defaults();
        o.train = args->train;
        o.data_dir = args->data;
        o.reading = reading;
        o.output = args->output;
        o.init = args->init;
        o.resume = args->resume;
        o.checkpoint = args->checkpoint;
        o.epochs = args->epochs;
        o.seed = (uint64_t)args->seed;
        o.threads = (int)args->threads;
        o.checkpoint_steps = args->checkpoint_steps;
        o.no_checkpoint = args->no_checkpoint;
        o.json = args->json;
        o.width = args->json ? 0 : nnr_terminal_width();
        o.catch_signals = true;
        o.say = nnr_say_stdio;
        o.on_nonfinite = trace_nonfinite;
        o.user = &trace;
        nnr_train_result result;
        nnr_error err = { "" };
        nnr_status s = nnr_run_train(program, NULL, &o, &result, &err);
        if (s != NNR_OK && err.text[0])
            cli_error("%s", err.text);
        if (trace.found)
            fprintf(stderr, "note: %s\n", trace.text);
        status = status_code(s);
    }
    nnr_read_end(reading);
    cli_close(n, args);
    return status;
}

/* ---- eval, predict ---- */

static bool need_weights(const CliArgs *args, const char *command)
{
    if (!args->weights)
        cli_error("nnc %s needs --weights W.safetensors\nnote: `nnc train` writes one", command);
    return args->weights != NULL;
}

int cmd_eval(CliArgs *args)
{
    if (!need_weights(args, "eval"))
        return CLI_USAGE;
    if (!args->data) {
        cli_error("nnc eval needs --data DIR, the folder that holds the data files");
        return CLI_USAGE;
    }
    nnc *n = load_for_data(args);
    if (!n)
        return CLI_FAILED;
    const nnr_program *program = compile_native(n, args, evaluation_runs);
    int status = CLI_FAILED;
    if (program) {
        nnr_eval_options o = { .train = args->train,
                               .data_dir = args->data,
                               .weights = args->weights,
                               .training_data = args->training_data,
                               .seed = (uint64_t)args->seed,
                               .threads = (int)args->threads,
                               .json = args->json,
                               .say = nnr_say_stdio };
        nnr_scores scores;
        nnr_error err = { "" };
        nnr_status s = nnr_run_eval(program, &o, &scores, &err);
        if (s != NNR_OK)
            cli_error("%s", err.text);
        status = status_code(s);
    }
    cli_close(n, args);
    return status;
}

int cmd_predict(CliArgs *args)
{
    if (!need_weights(args, "predict"))
        return CLI_USAGE;
    if (!args->n_inputs) {
        cli_error("nnc predict needs --input NAME=x.npy");
        return CLI_USAGE;
    }
    nnc *n = cli_open(args, NULL, 0);
    const nnr_program *program = nnc_load(n, args->file) == 0 ? compile_native(n, args, prediction_runs) : NULL;
    int status = CLI_FAILED;
    if (program) {
        nnr_predict_options o = { .entry = args->entry,
                                  .weights = args->weights,
                                  .inputs = args->inputs,
                                  .n_inputs = args->n_inputs,
                                  .outputs = args->outputs,
                                  .n_outputs = args->n_outputs,
                                  .threads = (int)args->threads,
                                  .say = nnr_say_stdio };
        nnr_error err = { "" };
        nnr_status s = nnr_run_predict(program, &o, &err);
        if (s != NNR_OK)
            cli_error("%s", err.text);
        status = status_code(s);
    }
    cli_close(n, args);
    return status;
}

/* ---- build, digits ---- */

int cmd_build(CliArgs *args)
{
    if (!args->output) {
        cli_error("nnc build needs -o EXE, the executable to write");
        return CLI_USAGE;
    }
    nnc *n = NULL;
    if (args->data) {
        n = load_for_data(args);
    } else {
        static const int64_t single = 1; /* so that an evaluation counts every sample of data not yet known */
        n = cli_open(args, &single, 1);
        if (nnc_load(n, args->file)) {
            cli_close(n, args);
            n = NULL;
        }
    }
    if (!n)
        return CLI_FAILED;
    bool ok = nnc_compile(n) == 0 && nnc_build(n, args->output) == 0;
    cli_close(n, args);
    return ok ? CLI_OK : CLI_FAILED;
}

int cmd_digits(CliArgs *args)
{
    nnr_error err = { "" };
    int64_t n_train = args->n_train ? args->n_train : 20000, n_test = args->n_test ? args->n_test : 4000;
    if (nnr_digits_write(args->file, n_train, n_test, (uint64_t)args->seed, &err) != NNR_OK) {
        cli_error("%s", err.text);
        return CLI_FAILED;
    }
    printf("%s: %" PRId64 " training and %" PRId64 " test digits\n", args->file, n_train, n_test);
    return CLI_OK;
}
