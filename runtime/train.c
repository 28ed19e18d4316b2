/* The training driver: opens what a train block names, then epochs of batches of steps. Everything
 * that decides how a run goes on is in nnr_position and the model's blocks; both are what a
 * checkpoint holds, so a resumed run ends with the same bits. */
#include "runtime/reading.h"
#include "runtime/run.h"
#include "runtime/shuffle.h"
#include "runtime/signals.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

nnr_train_options nnr_train_defaults(void)
{
    return (nnr_train_options){.checkpoint_seconds = 30};
}

/* ---- setup -------------------------------------------------------------------------------------- */

static bool open_data(nnr_run *r)
{
    const nnr_train *t = r->train;
    bool read = nnr_read_serves(r->options->reading, t, r->at.seed)
                    ? nnr_read_take(r->options->reading, &r->data, r->err)
                    : nnr_selection_open(&r->data, t, r->options->data_dir, r->at.seed, true, r->err);
    if (!read) return false;
    r->order = malloc(sizeof(int64_t) * (size_t)r->data.n_train);
    if (!r->order) return nnr_no_memory(r->err, t->name, sizeof(int64_t) * (size_t)r->data.n_train);
    if (!nnr_batcher_open(&r->batcher, r->program, t, &r->data.training, r->err)) return false;
    if (r->data.n_valid == 0 || !t->eval) return true;
    r->valid = r->data.separate ? &r->valid_batcher : &r->batcher;
    return !r->data.separate || nnr_batcher_open(r->valid, r->program, t, &r->data.validation, r->err);
}

static bool missing_entry(nnr_run *r, const char *name)
{
    nnr_fail(r->err, "%s: error: the program holds no entry \"%s\" for batch %lld", r->program->name, name,
             (long long)r->train->batch);
    return nnr_note(r->err, "compile it again");
}

static bool find_entries(nnr_run *r)
{
    const nnr_train *t = r->train;
    int64_t rest = r->data.n_train % t->batch;
    bool tail = rest > 0;
    if (t->n_steps < 1 || t->n_steps > NNR_MAX_STEPS || t->n_metrics > NNR_MAX_METRICS) {
        nnr_fail(r->err, "%s: error: block %s has %d steps and %d metrics", r->program->name, t->name,
                 t->n_steps, t->n_metrics);
        return nnr_note(r->err, "from 1 to %d steps and up to %d metrics can be run", NNR_MAX_STEPS,
                        NNR_MAX_METRICS);
    }
    for (int s = 0; s < t->n_steps; s++) {
        r->steps[s] = nnr_entry_exact(r->program, t->steps[s], t->batch);
        r->tails[s] = nnr_entry_exact(r->program, t->steps[s], rest);
        if (!r->steps[s]) return missing_entry(r, t->steps[s]);
        if (!nnr_batcher_check(&r->batcher, r->steps[s], r->err)) return false;
        if (r->tails[s] && !nnr_batcher_check(&r->batcher, r->tails[s], r->err)) return false;
        tail = tail && r->tails[s];
    }
    r->tail = tail ? rest : 0;
    r->batches = r->data.n_train / t->batch + tail;
    if (r->batches > 0) return true;
    nnr_fail(r->err, "%s: error: %lld training samples are fewer than a batch of %lld", r->program->name,
             (long long)r->data.n_train, (long long)t->batch);
    return nnr_note(r->err, "use a smaller batch (--batch), or give more data");
}

static bool resume(nnr_run *r)
{
    const char *path = r->options->resume;
    nnr_position *at = &r->at;
    if (!nnr_checkpoint_load(path, r->model, r->train, at, r->best, r->err)) return false;
    if (at->batch != r->train->batch) {
        nnr_fail(r->err, "%s: error: the run to resume has batches of %lld, this program of %lld", path,
                 (long long)at->batch, (long long)r->train->batch);
        return nnr_note(r->err, "resume it with --batch %lld", (long long)at->batch);
    }
    return true;
}

/* The data must be what the run began with, or the sequence of samples is another. */
static bool resumed_data_agree(nnr_run *r)
{
    if (!r->options->resume || r->at.samples == r->data.training.count) {
        r->at.samples = r->data.training.count;
        return true;
    }
    nnr_fail(r->err, "%s: error: the run to resume has %lld samples, the data here %lld", r->options->resume,
             (long long)r->at.samples, (long long)r->data.training.count);
    return nnr_note(r->err, "give the same data with --data, or start a new run with --init");
}

static bool start_state(nnr_run *r)
{
    const nnr_train_options *o = r->options;
    r->at = (nnr_position){.seed = o->seed, .batch = r->train->batch, .shuffled = !o->no_shuffle};
    if (o->resume && o->init) {
        nnr_fail(r->err, "%s: error: a run cannot both resume a checkpoint and start from weights",
                 r->program->name);
        return nnr_note(r->err, "give either --resume or --init");
    }
    if (!r->model) {
        if (nnr_model_create(r->program, &r->own, r->err) != NNR_OK) return false;
        r->model = &r->own;
    }
    if (r->train->patience > 0 && !(r->best = nnr_block(r->program->weights_bytes)))
        return nnr_no_memory(r->err, r->program->name, r->program->weights_bytes);
    if (o->resume) return resume(r);
    if (nnr_model_init(r->model, o->seed, r->err) != NNR_OK) return false;
    return !o->init || nnr_weights_load(r->model, o->init, false, o->say, o->user, r->err) == NNR_OK;
}

/* Paths are tried before hours of training, not after. */
static bool choose_paths(nnr_run *r)
{
    const nnr_train_options *o = r->options;
    nnr_out probe;
    size_t suffix = sizeof ".checkpoint";
    const char *output = o->output ? o->output : "";
    if (strlen(output) + suffix > sizeof r->output ||
        (o->checkpoint && strlen(o->checkpoint) >= sizeof r->checkpoint)) {
        nnr_fail(r->err, "%.100s...: error: the path is too long", output);
        return nnr_note(r->err, "use a path shorter than 500 bytes");
    }
    if (o->output) snprintf(r->output, sizeof r->output, "%s", o->output);
    else snprintf(r->output, sizeof r->output, "%.480s.safetensors", r->program->name);
    if (o->checkpoint) snprintf(r->checkpoint, sizeof r->checkpoint, "%s", o->checkpoint);
    else snprintf(r->checkpoint, sizeof r->checkpoint, "%.500s.checkpoint", r->output);
    if (!nnr_out_open(&probe, r->output, r->err)) return false;
    nnr_out_abort(&probe);
    return true;
}

static void tell_start(nnr_run *r)
{
    const nnr_train_options *o = r->options;
    int64_t left = r->data.n_train - (r->data.n_train / r->train->batch) * r->train->batch - r->tail;
    nnr_tell(o->say, o->user, NNR_SAY_INFO, "%s: %lld training samples, %lld for validation, batch %lld, %lld epoch%s, seed %llu",
             r->train->name, (long long)r->data.n_train, (long long)(r->valid ? r->data.n_valid : 0),
             (long long)r->train->batch, (long long)r->epochs, r->epochs == 1 ? "" : "s",
             (unsigned long long)r->at.seed);
    if (left > 0)
        nnr_tell(o->say, o->user, NNR_SAY_INFO,
                 "each epoch leaves out %lld sample%s that fill no batch (%s)", (long long)left,
                 left == 1 ? "" : "s", r->at.shuffled ? "others each time" : "the last");
    if (r->data.n_valid > 0 && !r->valid)
        nnr_tell(o->say, o->user, NNR_SAY_WARNING, "the program has no entry to evaluate with; no validation");
    if (o->resume)
        nnr_tell(o->say, o->user, NNR_SAY_INFO, "resumed from %s: epoch %lld, batch %lld of %lld", o->resume,
                 (long long)r->at.epoch + 1, (long long)r->at.position, (long long)r->batches);
}

static bool set_up(nnr_run *r)
{
    const nnr_train_options *o = r->options;
    nnr_set_threads(o->threads);
    if (!(r->train = nnr_train_find(r->program, o->train, r->err))) return false;
    if (r->train->batch < 1) {
        nnr_fail(r->err, "%s: error: block %s has no batch size", r->program->name, r->train->name);
        return nnr_note(r->err, "add  batch 32");
    }
    r->epochs = o->epochs > 0 ? o->epochs : r->train->epochs;
    r->view = (nnr_progress_view){.say = o->say, .user = o->user, .json = o->json, .width = o->width};
    if (!choose_paths(r) || !start_state(r) || !open_data(r)) return false;
    if (!resumed_data_agree(r) || !find_entries(r) || !nnr_guard_open(r)) return false;
    if (r->at.position > r->batches) {
        nnr_fail(r->err, "%s: error: the checkpoint is at batch %lld of an epoch of %lld", o->resume,
                 (long long)r->at.position, (long long)r->batches);
        return nnr_note(r->err, "resume with the program and data that it was made with");
    }
    tell_start(r);
    return true;
}

static void tear_down(nnr_run *r)
{
    nnr_guard_close(r);
    if (r->valid_batcher.buffers) nnr_batcher_close(&r->valid_batcher);
    if (r->batcher.buffers) nnr_batcher_close(&r->batcher);
    nnr_selection_close(&r->data);
    nnr_model_destroy(&r->own);
    free(r->order);
    free(r->best);
}

/* ---- epochs ------------------------------------------------------------------------------------- */

static void make_order(nnr_run *r)
{
    const int64_t *base = r->data.train;
    if (!r->at.shuffled) {
        memcpy(r->order, base, sizeof *base * (size_t)r->data.n_train);
        return;
    }
    nnr_permutation(r->at.seed, (uint64_t)r->at.epoch, r->data.n_train, r->order);
    for (int64_t i = 0; i < r->data.n_train; i++) r->order[i] = base[r->order[i]];
}

int64_t nnr_run_fill(nnr_run *r, int64_t position)
{
    int64_t n = r->tail > 0 && position == r->batches - 1 ? r->tail : r->train->batch;
    nnr_batcher_fill(&r->batcher, r->order + position * r->train->batch, n);
    return n;
}

const nnr_entry *nnr_run_entry(const nnr_run *r, int s, int64_t n)
{
    return n == r->train->batch ? r->steps[s] : r->tails[s];
}

double nnr_run_step(nnr_run *r, int s, int64_t n)
{
    const nnr_entry *e = nnr_run_entry(r, s, n);
    nnr_ctx ctx = {.seed = r->at.seed, .step = r->at.counters[s], .epoch = (int32_t)r->at.epoch};
    nnr_batcher_run(&r->batcher, e, r->model, &ctx);
    nnr_totals_add(&r->at.totals, &r->batcher, e, s, n);
    r->at.counters[s]++;
    return nnr_batcher_output(&r->batcher, e, 0);
}

static bool stop_wanted(const nnr_run *r)
{
    const nnr_train_options *o = r->options;
    return (o->stop && *o->stop) || (o->catch_signals && nnr_signals_seen());
}

static nnr_status run_batches(nnr_run *r)
{
    bool fresh = true;
    while (r->at.position < r->batches) {
        if (stop_wanted(r) && nnr_params_finite(r->model)) return nnr_run_stop(r);
        bool due = r->at.position % NNR_GUARD_STEPS == 0;
        if (due && !fresh && !nnr_params_finite(r->model)) return nnr_guard_recover(r, -1, 0);
        if (due || fresh) nnr_guard_take(r);
        fresh = false;
        int64_t n = nnr_run_fill(r, r->at.position);
        for (int s = 0; s < r->train->n_steps; s++) {
            double loss = nnr_run_step(r, s, n);
            if (!isfinite(loss)) return nnr_guard_recover(r, s, loss);
        }
        r->at.position++;
        r->at.steps++;
        nnr_run_show(r, false);
        nnr_run_checkpoint_due(r, false);
    }
    return nnr_params_finite(r->model) ? NNR_OK : nnr_guard_recover(r, -1, 0);
}

/* Keeps the weights of the epoch with the best loss; true when patience is at its end. */
static bool out_of_patience(nnr_run *r)
{
    if (r->train->patience <= 0) return false;
    nnr_scores s = r->valid ? nnr_totals_scores(&r->at.last_valid, r->program, r->train, 1)
                            : nnr_totals_scores(&r->at.last, r->program, r->train, r->train->n_steps);
    if (r->at.best_epoch == 0 || s.loss < r->at.best_loss) {
        r->at.best_epoch = r->at.epoch;
        r->at.best_loss = s.loss;
        r->at.best = r->at.last;
        r->at.best_valid = r->at.last_valid;
        r->at.bad_epochs = 0;
        memcpy(r->best, r->model->weights, r->program->weights_bytes);
        return false;
    }
    return ++r->at.bad_epochs >= r->train->patience;
}

static bool end_epoch(nnr_run *r, bool *early)
{
    int64_t left = 0;
    nnr_run_clock(r);
    if (r->valid && !nnr_evaluate(r->valid, r->model, r->data.valid, r->data.n_valid, r->at.seed,
                                  &r->at.last_valid, &left, r->err))
        return false;
    r->clock = nnr_now();
    if (left > 0 && r->at.epoch == 0)
        nnr_tell(r->options->say, r->options->user, NNR_SAY_WARNING,
                 "validation leaves out %lld samples that fill no batch", (long long)left);
    r->at.last = r->at.totals;
    r->at.last_seconds = r->at.epoch_seconds;
    nnr_run_show(r, true);
    r->at.all_seconds += r->at.epoch_seconds;
    r->at.totals = (nnr_totals){0};
    r->at.epoch_seconds = 0;
    r->at.epoch++;
    r->at.position = 0;
    r->clock = nnr_now();
    *early = out_of_patience(r);
    nnr_run_checkpoint_due(r, true);
    return true;
}

static nnr_status run_epochs(nnr_run *r)
{
    bool early = r->train->patience > 0 && r->at.bad_epochs >= r->train->patience;
    r->clock = r->started = nnr_now();
    r->view.last_shown = r->clock;
    r->started_at = r->at.steps;
    r->last_checkpoint = 0;
    while (r->at.epoch < r->epochs && !early) {
        make_order(r);
        nnr_status status = run_batches(r);
        if (status != NNR_OK) return status;
        if (!end_epoch(r, &early)) return NNR_FAILED;
    }
    return nnr_run_finish(r, early);
}

nnr_status nnr_run_train(const nnr_program *program, nnr_model *model, const nnr_train_options *options,
                         nnr_train_result *result, nnr_error *err)
{
    nnr_signals old = {.active = false};
    nnr_run r = {.program = program, .options = options, .result = result, .err = err, .model = model};
    *result = (nnr_train_result){0};
    err->text[0] = '\0';
    nnr_status status = NNR_FAILED;
    if (set_up(&r)) {
        if (options->catch_signals) nnr_signals_begin(&old);
        status = run_epochs(&r);
        nnr_signals_end(&old);
    }
    nnr_progress_clear(&r.view);
    result->steps = r.at.steps;
    tear_down(&r);
    return status;
}
