/* Private to the training driver: a run in the making, shared by train.c (setup and loop), guard.c
 * (what to do when numbers stop being finite) and finish.c (checkpoints, weights, results). */
#ifndef NNR_RUN_H
#define NNR_RUN_H
#include "runtime/batch.h"
#include "runtime/progress.h"
#include "runtime/select.h"

/* A copy of the state at most NNR_GUARD_STEPS batches old. */
enum { NNR_GUARD_STEPS = 64 };
typedef struct {
    bool on;    /* false when the copy would take too much memory */
    bool taken;
    void *weights, *slots;
    nnr_position at;
} nnr_guard;

typedef struct {
    const nnr_program *program;
    const nnr_train *train;
    const nnr_train_options *options;
    nnr_train_result *result;
    nnr_error *err;
    nnr_model *model, own;
    nnr_selection data;
    nnr_batcher batcher, valid_batcher;
    nnr_batcher *valid; /* one of the two above, NULL without validation */
    int64_t *order;     /* indices of the training samples in this epoch */
    const nnr_entry *steps[NNR_MAX_STEPS], *tails[NNR_MAX_STEPS];
    int64_t batches, tail; /* in an epoch; samples of the last batch when it is smaller, else 0 */
    int64_t epochs;
    nnr_position at;
    nnr_guard guard;
    void *best; /* weights of the best epoch, with early stopping */
    char output[512], checkpoint[512];
    double last_checkpoint, clock, started;
    int64_t started_at; /* at.steps when this process began */
    nnr_progress_view view;
} nnr_run;

/* train.c */
int64_t nnr_run_fill(nnr_run *r, int64_t position); /* gathers that batch; how many samples */
/* Step s of the batch that was filled, n samples; the loss it returned. Counts it. */
double nnr_run_step(nnr_run *r, int s, int64_t n);
const nnr_entry *nnr_run_entry(const nnr_run *r, int s, int64_t n);

/* guard.c */
bool nnr_guard_open(nnr_run *r);
void nnr_guard_close(nnr_run *r);
void nnr_guard_take(nnr_run *r);
bool nnr_params_finite(const nnr_model *model);
/* A loss or a weight is not finite after the batch at r->at.position: goes back to the copy, replays
 * up to the failing step, leaves the state before it, saves its weights, calls on_nonfinite, and
 * fills the error. step: which, or -1 when weights were found to be non-finite. */
nnr_status nnr_guard_recover(nnr_run *r, int step, double loss);

/* finish.c */
void nnr_run_clock(nnr_run *r); /* adds the time since the last call to the epoch's */
void nnr_run_show(nnr_run *r, bool end_of_epoch);
bool nnr_run_checkpoint(nnr_run *r, nnr_error *err);
/* Writes one when it is due; a failure is only a warning, since the run can go on. */
void nnr_run_checkpoint_due(nnr_run *r, bool end_of_epoch);
nnr_status nnr_run_stop(nnr_run *r);
nnr_status nnr_run_finish(nnr_run *r, bool early);
#endif
