/* When a loss or a weight becomes NaN or infinite: back to the last copy of the state, forward again
 * to the failing step, so that the user gets its number, the weights before it, and a state that can
 * be probed. The replay is exact because a step is a pure function of state, samples and counters. */
#include "runtime/run.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static size_t physical_memory(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? (size_t)pages * (size_t)size : SIZE_MAX;
}

bool nnr_guard_open(nnr_run *r)
{
    size_t bytes = r->program->weights_bytes + r->program->slots_bytes;
    if (bytes > physical_memory() / 8) return true; /* stays off */
    r->guard.weights = nnr_block(r->program->weights_bytes);
    r->guard.slots = nnr_block(r->program->slots_bytes);
    r->guard.on = r->guard.weights && r->guard.slots;
    return true;
}

void nnr_guard_close(nnr_run *r)
{
    free(r->guard.weights);
    free(r->guard.slots);
    r->guard = (nnr_guard){0};
}

static void copy(const nnr_program *p, void *weights, void *slots, const void *from_weights,
                 const void *from_slots)
{
    memcpy(weights, from_weights, p->weights_bytes);
    memcpy(slots, from_slots, p->slots_bytes);
}

void nnr_guard_take(nnr_run *r)
{
    if (!r->guard.on) return;
    copy(r->program, r->guard.weights, r->guard.slots, r->model->weights, r->model->slots);
    r->guard.at = r->at;
    r->guard.taken = true;
}

/* 0 * x is 0 for a finite x and NaN otherwise, so one sum tests them all without a branch. */
static bool all_finite(const nnr_var *v, const void *values)
{
    int64_t n = nnr_elems(v->info.dims, v->info.rank);
    if (v->info.dtype == NNR_F32) {
        const float *p = values;
        float sum = 0;
        for (int64_t i = 0; i < n; i++) sum += 0.0f * p[i];
        return sum == 0;
    }
    if (v->info.dtype == NNR_F64) {
        const double *p = values;
        double sum = 0;
        for (int64_t i = 0; i < n; i++) sum += 0.0 * p[i];
        return sum == 0;
    }
    return true;
}

bool nnr_params_finite(const nnr_model *model)
{
    for (int i = 0; i < model->program->n_vars; i++) {
        const nnr_var *v = &model->program->vars[i];
        if (v->kind == NNR_PARAM && !all_finite(v, nnr_var_data(model, v))) return false;
    }
    return true;
}

/* Replays up to the step that fails; the model and r->at are then as before it. Returns the step, its
 * loss and the samples of its batch; -1 when nothing failed this time. */
static int replay(nnr_run *r, int64_t last, double *loss, int64_t *n)
{
    void *weights = nnr_block(r->program->weights_bytes), *slots = nnr_block(r->program->slots_bytes);
    int failing = -1;
    copy(r->program, r->model->weights, r->model->slots, r->guard.weights, r->guard.slots);
    r->at = r->guard.at;
    while (weights && slots && failing < 0 && r->at.position <= last && r->at.position < r->batches) {
        *n = nnr_run_fill(r, r->at.position);
        for (int s = 0; s < r->train->n_steps && failing < 0; s++) {
            nnr_position before = r->at;
            copy(r->program, weights, slots, r->model->weights, r->model->slots);
            *loss = nnr_run_step(r, s, *n);
            if (isfinite(*loss) && nnr_params_finite(r->model)) continue;
            copy(r->program, r->model->weights, r->model->slots, weights, slots);
            r->at = before;
            failing = s;
        }
        if (failing < 0) r->at.position++, r->at.steps++;
    }
    free(weights);
    free(slots);
    return failing;
}

static void call_hook(nnr_run *r, int step, int64_t n)
{
    const void *in[64];
    const nnr_entry *e = nnr_run_entry(r, step, n);
    nnr_ctx ctx = {.seed = r->at.seed, .step = r->at.counters[step], .epoch = (int32_t)r->at.epoch};
    if (!r->options->on_nonfinite) return;
    nnr_batcher_inputs(&r->batcher, e, in);
    r->options->on_nonfinite(r->options->user, r->program, r->model->weights, r->model->slots, in, &ctx, e);
}

/* "w.safetensors" -> "w.last-finite.safetensors" */
static void save_last_finite(nnr_run *r, char *path, size_t size)
{
    static const char suffix[] = ".safetensors";
    nnr_error ignored;
    size_t n = strlen(r->output), s = sizeof suffix - 1;
    if (n > s && strcmp(r->output + n - s, suffix) == 0) n -= s;
    snprintf(path, size, "%.*s.last-finite%s", n > 480 ? 480 : (int)n, r->output, suffix);
    if (nnr_weights_save(r->model, path, &ignored) != NNR_OK) path[0] = '\0';
    else snprintf(r->result->weights, sizeof r->result->weights, "%.*s", (int)size - 1, path);
}

static void advise(nnr_run *r, int64_t n, const char *saved)
{
    int64_t row = 0;
    int bad = nnr_batcher_find_nonfinite(&r->batcher, n, &row);
    if (bad >= 0)
        nnr_note(r->err, "sample %lld of %s (\"%s\") is itself not finite: mend the data",
                 (long long)r->order[r->at.position * r->train->batch + row], r->data.training.sets[bad].path,
                 r->train->data[bad].info.name);
    else
        nnr_note(r->err, "lower the learning rate, clip gradients, scale the inputs, or avoid log and "
                         "division near 0");
    if (saved[0]) nnr_note(r->err, "the weights before that step are in %s", saved);
    else if (r->result->checkpoint[0]) nnr_note(r->err, "the last checkpoint is %s", r->result->checkpoint);
}

nnr_status nnr_guard_recover(nnr_run *r, int step, double loss)
{
    int64_t last = r->at.position - (step < 0), n = r->train->batch;
    double seen = loss;
    char saved[sizeof r->result->weights] = "";
    bool replayed = false;
    nnr_progress_clear(&r->view);
    if (r->guard.taken) {
        int failing = replay(r, last, &loss, &n);
        replayed = failing >= 0;
        if (replayed) step = failing;
        else loss = seen;
    }
    bool by_weight = step < 0 || isfinite(loss);
    if (replayed) save_last_finite(r, saved, sizeof saved);
    r->result->nonfinite_step = r->at.steps + 1;
    r->result->nonfinite_entry = r->train->steps[step < 0 ? 0 : step];
    nnr_fail(r->err, "%s: error: ", r->program->name);
    if (by_weight) nnr_append(r->err->text, sizeof r->err->text, "a weight became NaN or infinite");
    else nnr_append(r->err->text, sizeof r->err->text, "the loss became %s", isnan(loss) ? "NaN" : "infinite");
    nnr_append(r->err->text, sizeof r->err->text, " at step %lld (epoch %lld, batch %lld of %lld, %s)",
               (long long)r->at.steps + 1, (long long)r->at.epoch + 1, (long long)r->at.position + 1,
               (long long)r->batches, r->result->nonfinite_entry);
    advise(r, n, saved);
    if (replayed) call_hook(r, step, n);
    return NNR_NONFINITE;
}
