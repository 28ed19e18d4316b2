/* What a training run leaves behind: progress, checkpoints, weights, the result. */
#include "runtime/run.h"
#include <string.h>

void nnr_run_clock(nnr_run *r)
{
    double t = nnr_now();
    r->at.epoch_seconds += t - r->clock;
    r->clock = t;
}

static double rate(int64_t samples, double seconds)
{
    return seconds > 0 ? (double)samples / seconds : 0;
}

static double seconds_left(const nnr_run *r)
{
    int64_t done = r->at.steps - r->started_at;
    int64_t all = (r->epochs - r->at.epoch) * r->batches - r->at.position;
    return done > 0 ? (nnr_now() - r->started) / (double)done * (double)all : -1;
}

/* An epoch of many small batches must not spend its time on being shown. */
static bool nobody_looks(const nnr_run *r)
{
    if (r->options->progress) return false;
    double wait = r->view.json ? 1e300 : r->view.width > 0 ? 0.1 : 30;
    return nnr_now() - r->view.last_shown < wait;
}

void nnr_run_show(nnr_run *r, bool end_of_epoch)
{
    if (!end_of_epoch && nobody_looks(r)) return;
    nnr_run_clock(r);
    nnr_progress now = {.epoch = r->at.epoch + 1,
                        .epochs = r->epochs,
                        .batch = r->at.position,
                        .batches = r->batches,
                        .steps = r->at.steps,
                        .train = nnr_totals_scores(&r->at.totals, r->program, r->train, r->train->n_steps),
                        .has_valid = end_of_epoch && r->valid,
                        .end_of_epoch = end_of_epoch,
                        .seconds = r->at.epoch_seconds,
                        .samples_per_second = rate(r->at.totals.samples, r->at.epoch_seconds),
                        .seconds_left = seconds_left(r)};
    if (now.has_valid) now.valid = nnr_totals_scores(&r->at.last_valid, r->program, r->train, 1);
    nnr_progress_show(&r->view, &now);
    if (r->options->progress) r->options->progress(r->options->user, &now);
}

/* ---- checkpoints -------------------------------------------------------------------------------- */

bool nnr_run_checkpoint(nnr_run *r, nnr_error *err)
{
    nnr_run_clock(r);
    if (!nnr_checkpoint_save(r->checkpoint, r->model, r->train, &r->at, r->best, err)) return false;
    snprintf(r->result->checkpoint, sizeof r->result->checkpoint, "%s", r->checkpoint);
    r->last_checkpoint = r->clock = nnr_now();
    return true;
}

void nnr_run_checkpoint_due(nnr_run *r, bool end_of_epoch)
{
    const nnr_train_options *o = r->options;
    nnr_error err;
    double age = nnr_now() - r->last_checkpoint;
    bool due = o->checkpoint_steps > 0 && r->at.steps % o->checkpoint_steps == 0 && !end_of_epoch;
    /* Epochs of milliseconds would wait for the disk more than they train. */
    due = due || (end_of_epoch && (age > 0.5 || r->last_checkpoint == 0));
    due = due || (r->last_checkpoint > 0 && o->checkpoint_seconds > 0 && age >= o->checkpoint_seconds);
    due = due || (r->last_checkpoint == 0 && o->checkpoint_seconds > 0 &&
                  nnr_now() - r->started >= o->checkpoint_seconds);
    /* Weights that are not finite would be found within some batches; they must not be kept. */
    if (!due || o->no_checkpoint || !nnr_params_finite(r->model)) return;
    if (nnr_run_checkpoint(r, &err)) return;
    r->last_checkpoint = nnr_now(); /* not again at once */
    nnr_progress_clear(&r->view);
    nnr_tell(o->say, o->user, NNR_SAY_WARNING, "no checkpoint: %s", err.text);
}

nnr_status nnr_run_stop(nnr_run *r)
{
    const nnr_train_options *o = r->options;
    nnr_progress_clear(&r->view);
    if (o->no_checkpoint) {
        nnr_tell(o->say, o->user, NNR_SAY_WARNING, "stopped; without a checkpoint, as asked");
        return NNR_STOPPED;
    }
    if (!nnr_run_checkpoint(r, r->err)) return NNR_FAILED;
    nnr_tell(o->say, o->user, NNR_SAY_INFO,
             "stopped in epoch %lld of %lld, batch %lld of %lld; resume with --resume %s",
             (long long)r->at.epoch + 1, (long long)r->epochs, (long long)r->at.position,
             (long long)r->batches, r->checkpoint);
    return NNR_STOPPED;
}

/* ---- the end ------------------------------------------------------------------------------------ */

nnr_status nnr_run_finish(nnr_run *r, bool early)
{
    const nnr_train_options *o = r->options;
    nnr_error warning;
    bool best = r->train->patience > 0 && r->at.best_epoch > 0;
    const nnr_totals *train = best ? &r->at.best : &r->at.last;
    const nnr_totals *valid = best ? &r->at.best_valid : &r->at.last_valid;
    if (!o->no_checkpoint && r->at.steps > r->started_at && !nnr_run_checkpoint(r, &warning))
        nnr_tell(o->say, o->user, NNR_SAY_WARNING, "no checkpoint: %s", warning.text);
    if (best) memcpy(r->model->weights, r->best, r->program->weights_bytes);
    if (early)
        nnr_tell(o->say, o->user, NNR_SAY_INFO, "no better loss for %lld epochs: stopped early",
                 (long long)r->train->patience);
    if (nnr_weights_save(r->model, r->output, r->err) != NNR_OK) return NNR_FAILED;
    snprintf(r->result->weights, sizeof r->result->weights, "%s", r->output);
    r->result->early = early;

    double seconds = r->at.all_seconds;
    int64_t samples = r->at.last.samples * r->at.epoch;
    nnr_progress now = {.epoch = best ? r->at.best_epoch : r->at.epoch,
                        .epochs = r->epochs,
                        .batch = r->batches,
                        .batches = r->batches,
                        .steps = r->at.steps,
                        .train = nnr_totals_scores(train, r->program, r->train, r->train->n_steps),
                        .valid = nnr_totals_scores(valid, r->program, r->train, 1),
                        .has_valid = r->valid && valid->samples > 0,
                        .end_of_epoch = true,
                        .final = true,
                        .seconds = seconds,
                        .samples_per_second = rate(samples, seconds),
                        .weights = r->result->weights};
    r->result->last = now;
    nnr_progress_show(&r->view, &now);
    if (o->progress) o->progress(o->user, &now);
    return NNR_OK;
}
