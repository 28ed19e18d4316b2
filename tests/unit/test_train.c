/* The training driver on a program table written by hand: exact resumption after SIGKILL and SIGINT,
 * partial batches, early stopping, losses and weights that stop being finite, JSON lines. */
#include "runtime/progress.h"
#include "tests/unit/tiny_program.h"
#include <cjson/cJSON.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct {
    char dir[64];
    char said[1 << 17]; /* everything told, a line each, with its level in front */
} Fixture;

static int set_up(void **state)
{
    Fixture *f = calloc(1, sizeof *f);
    snprintf(f->dir, sizeof f->dir, "/tmp/nnr_train_XXXXXX");
    if (!mkdtemp(f->dir)) return -1;
    tiny_write_data(f->dir, "train.csv", 35, 1);
    tiny_write_data(f->dir, "test.csv", 13, 2);
    tiny_break_at = tiny_overflow_at = -1;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    Fixture *f = *state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", f->dir);
    int rc = system(command);
    free(f);
    return rc;
}

static void hear(void *user, int level, const char *text)
{
    Fixture *f = user;
    size_t n = strlen(f->said);
    snprintf(f->said + n, sizeof f->said - n, "%d %s\n", level, text);
}

static const char *path_of(const Fixture *f, const char *name)
{
    static char paths[4][128];
    static int at;
    at = (at + 1) % 4;
    snprintf(paths[at], sizeof paths[at], "%s/%s", f->dir, name);
    return paths[at];
}

static nnr_train_options options_for(Fixture *f)
{
    nnr_train_options o = nnr_train_defaults();
    o.data_dir = f->dir;
    o.seed = 11;
    o.say = hear;
    o.user = f;
    return o;
}

static bool same_file(const char *a, const char *b)
{
    char command[512];
    snprintf(command, sizeof command, "cmp -s %s %s", a, b);
    return system(command) == 0;
}

static nnr_train_result train_to(Fixture *f, nnr_train_options o, const char *output)
{
    nnr_train_result r;
    nnr_error e;
    o.output = path_of(f, output);
    nnr_status s = nnr_run_train(&tiny_program, NULL, &o, &r, &e);
    if (s != NNR_OK) fail_msg("%s", e.text);
    return r;
}

static void learns(void **state)
{
    Fixture *f = *state;
    nnr_train_result r = train_to(f, options_for(f), "w.safetensors");
    assert_int_equal(r.steps, 30); /* 4 batches of 8 and one of 3, 6 times */
    assert_int_equal(r.last.epoch, 6);
    assert_int_equal(r.last.train.samples, 35);
    assert_int_equal(r.last.valid.samples, 13);
    assert_true(r.last.has_valid && r.last.final);
    assert_true(r.last.valid.metrics[0].value > 0.8);
    assert_string_equal(r.last.valid.metrics[0].name, "accuracy");
    assert_non_null(strstr(f->said, "epoch 6/6  loss 0."));
    assert_null(strstr(f->said, "leaves out"));
}

/* Each sample counts the same, however the last batch is cut. */
static void partial_batches_weigh_right(void **state)
{
    Fixture *f = *state;
    nnr_train_result r = train_to(f, options_for(f), "w.safetensors");
    nnr_model m;
    nnr_error e;
    nnr_scores s;
    float x[13 * 2], logit;
    int32_t y[13];
    double loss = 0, right = 0;
    FILE *csv = fopen(path_of(f, "test.csv"), "r");
    assert_non_null(csv);
    for (int i = 0; i < 13; i++) assert_int_equal(fscanf(csv, "%f,%f,%d\n", &x[2 * i], &x[2 * i + 1], &y[i]), 3);
    fclose(csv);
    assert_int_equal(nnr_model_create(&tiny_program, &m, &e), NNR_OK);
    assert_int_equal(nnr_weights_load(&m, r.weights, true, NULL, NULL, &e), NNR_OK);
    for (int i = 0; i < 13; i++) {
        logit = tiny_logit(m.weights, x + 2 * i);
        loss += log1p(exp(y[i] ? -(double)logit : (double)logit)) / 13;
        right += ((logit > 0) == (y[i] != 0)) / 13.0;
    }
    nnr_model_destroy(&m);
    assert_true(fabs(r.last.valid.loss - loss) < 1e-6);
    assert_true(fabs(r.last.valid.metrics[0].value - right) < 1e-9);
    nnr_eval_options eo = {.data_dir = f->dir, .weights = r.weights, .say = hear, .user = f};
    assert_int_equal(nnr_run_eval(&tiny_program, &eo, &s, &e), NNR_OK);
    assert_true(s.loss == r.last.valid.loss && s.samples == 13);
}

/* Without an entry for 3 samples the tail of each epoch is dropped, and said. */
static void tail_without_entry(void **state)
{
    Fixture *f = *state;
    nnr_program p = tiny_program;
    nnr_train_options o = options_for(f);
    nnr_train_result r;
    nnr_error e;
    p.n_entries--;
    o.output = path_of(f, "w.safetensors");
    assert_int_equal(nnr_run_train(&p, NULL, &o, &r, &e), NNR_OK);
    assert_int_equal(r.steps, 24);
    assert_int_equal(r.last.train.samples, 32);
    assert_non_null(strstr(f->said, "each epoch leaves out 3 samples"));
}

static void json_lines(void **state)
{
    Fixture *f = *state;
    nnr_train_options o = options_for(f);
    o.json = true;
    o.epochs = 1;
    train_to(f, o, "w.safetensors");
    const char *line = strstr(f->said, "0 {\"epoch\": 1, \"loss\": 0.");
    assert_non_null(line);
    assert_non_null(strstr(line, ", \"metrics\": {\"accuracy\": 0."));
    assert_non_null(strstr(line, "}, \"val\": {\"loss\": 0."));
    assert_non_null(strstr(line, "\"samples_per_second\": "));
    line = strstr(line + 1, "0 {\"epoch\": 1, ");
    assert_non_null(line);
    assert_non_null(strstr(line, "\"final\": true, \"weights\": \""));
    assert_null(strstr(f->said, "epoch 1/1"));
    int objects = 0;
    for (char *at = strtok(f->said, "\n"); at; at = strtok(NULL, "\n")) {
        if (strncmp(at, "0 ", 2) != 0) continue;
        cJSON *j = cJSON_Parse(at + 2);
        assert_non_null(j);
        assert_true(cJSON_GetObjectItem(j, "seconds")->valuedouble > 0);
        assert_int_equal(cJSON_GetArraySize(j), objects == 0 ? 6 : 8);
        cJSON_Delete(j);
        objects++;
    }
    assert_int_equal(objects, 2);
    /* JSON knows no NaN. */
    char text[256] = "";
    nnr_scores odd = {.loss = NAN, .n_metrics = 1, .metrics = {{"big", 1e30}}};
    nnr_json_scores(text, sizeof text, &odd, true);
    assert_string_equal(text, "\"loss\": null, \"metrics\": {\"big\": 1e+30}");
}

/* ---- stopping and going on ---------------------------------------------------------------------- */

typedef struct {
    Fixture *f;
    int64_t stop_after;
    volatile int stop;
} Stopper;

static void stop_at(void *user, const nnr_progress *now)
{
    Stopper *s = user;
    if (now->steps == s->stop_after && !now->end_of_epoch) s->stop = 1;
}

/* Stops a run of the program after so many steps, in the middle of an epoch; returns the steps. */
static int64_t stop_after(Fixture *f, const nnr_program *program, int64_t at)
{
    Stopper s = {f, at, 0};
    nnr_train_options o = options_for(f);
    nnr_train_result r;
    nnr_error e;
    o.say = NULL;
    o.progress = stop_at;
    o.user = &s;
    o.stop = &s.stop;
    o.output = path_of(f, "part.safetensors");
    assert_int_equal(nnr_run_train(program, NULL, &o, &r, &e), NNR_STOPPED);
    return r.steps;
}

static void stopped_run_goes_on_to_the_same_bits(void **state)
{
    Fixture *f = *state;
    train_to(f, options_for(f), "whole.safetensors");
    for (int64_t at = 1; at < 30; at += 4) { /* 5, 25: between epochs */
        assert_int_equal(stop_after(f, &tiny_program, at), at);
        nnr_train_options o = options_for(f);
        o.seed = 999; /* the checkpoint's seed counts */
        o.resume = path_of(f, "part.safetensors.checkpoint");
        nnr_train_result r = train_to(f, o, "part.safetensors");
        assert_int_equal(r.last.train.samples, 35); /* the epoch's sums went on, too */
        assert_true(same_file(path_of(f, "whole.safetensors"), path_of(f, "part.safetensors")));
    }
}

static void interrupt_self(void *user, const nnr_progress *now)
{
    (void)user;
    if (now->steps == 7) raise(SIGINT);
}

static void ctrl_c_says_how_to_resume(void **state)
{
    Fixture *f = *state;
    nnr_train_options o = options_for(f);
    nnr_train_result r;
    nnr_error e;
    o.catch_signals = true;
    o.progress = interrupt_self;
    o.output = path_of(f, "w.safetensors");
    assert_int_equal(nnr_run_train(&tiny_program, NULL, &o, &r, &e), NNR_STOPPED);
    assert_int_equal(r.steps, 7);
    assert_non_null(strstr(f->said, "stopped in epoch 2 of 6, batch 2 of 5; resume with --resume /tmp/"));
}

typedef struct {
    int64_t kill_at;
} Killer;

static void kill_self(void *user, const nnr_progress *now)
{
    if (now->steps == ((Killer *)user)->kill_at && !now->end_of_epoch) kill(getpid(), SIGKILL);
}

static void killed_run_goes_on_to_the_same_bits(void **state)
{
    Fixture *f = *state;
    train_to(f, options_for(f), "whole.safetensors");
    for (uint32_t trial = 0; trial < 6; trial++) {
        Killer k = {4 + nnr_bits(5, trial) % 26};
        pid_t child = fork();
        if (child == 0) {
            nnr_train_options o = options_for(f);
            nnr_train_result r;
            nnr_error e;
            o.say = NULL;
            o.progress = kill_self;
            o.user = &k;
            o.checkpoint_steps = 3;
            o.output = path_of(f, "killed.safetensors");
            nnr_run_train(&tiny_program, NULL, &o, &r, &e);
            _exit(0);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        nnr_train_options o = options_for(f);
        o.resume = path_of(f, "killed.safetensors.checkpoint");
        train_to(f, o, "killed.safetensors");
        assert_true(same_file(path_of(f, "whole.safetensors"), path_of(f, "killed.safetensors")));
    }
}

static void finished_run_can_be_prolonged(void **state)
{
    Fixture *f = *state;
    nnr_train_options o = options_for(f);
    o.epochs = 9;
    train_to(f, o, "nine.safetensors");
    train_to(f, options_for(f), "six.safetensors");
    o.resume = path_of(f, "six.safetensors.checkpoint");
    nnr_train_result r = train_to(f, o, "more.safetensors");
    assert_int_equal(r.last.epoch, 9);
    assert_true(same_file(path_of(f, "nine.safetensors"), path_of(f, "more.safetensors")));
}

/* ---- checkpoints that do not fit ------------------------------------------------------------------ */

static void expect_error(Fixture *f, const nnr_program *p, nnr_train_options o, const char *part)
{
    nnr_train_result r;
    nnr_error e;
    o.output = path_of(f, "other.safetensors");
    assert_int_equal(nnr_run_train(p, NULL, &o, &r, &e), NNR_FAILED);
    if (!strstr(e.text, part) || !strstr(e.text, "\nnote: ")) fail_msg("%s\nlacks: %s", e.text, part);
}

static void foreign_checkpoints_are_refused(void **state)
{
    Fixture *f = *state;
    train_to(f, options_for(f), "w.safetensors");
    nnr_train_options o = options_for(f);
    char checkpoint[128];
    snprintf(checkpoint, sizeof checkpoint, "%s", path_of(f, "w.safetensors.checkpoint"));
    o.epochs = 9;
    o.resume = path_of(f, "w.safetensors");
    expect_error(f, &tiny_program, o, "is a weights file, not a checkpoint");
    o.resume = checkpoint;

    nnr_program p = tiny_program;
    nnr_train t = tiny_train;
    nnr_var vars[4];
    p.trains = &t;
    t.name = "other";
    expect_error(f, &p, o, "the checkpoint is of another training: program tiny, block fit ");
    t = tiny_train;
    memcpy(vars, tiny_vars, sizeof vars);
    vars[0].info.dims[1] = 1;
    p.vars = vars;
    expect_error(f, &p, o, "line.weight is f32[1, 2] in the file, but f32[1, 1] in the program");
    vars[0] = tiny_vars[0];
    vars[3].info.name = "line.bias.moment";
    expect_error(f, &p, o, "line.bias.moment (f32[1]) is missing");

    tiny_write_data(f->dir, "train.csv", 36, 1);
    expect_error(f, &tiny_program, o, "the run to resume has 35 samples, the data here 36");
    tiny_write_data(f->dir, "train.csv", 35, 1);

    FILE *c = fopen(checkpoint, "r+b");
    assert_non_null(c);
    fseek(c, -5, SEEK_END);
    fputc(0x55, c);
    fclose(c);
    expect_error(f, &tiny_program, o, "the checkpoint is damaged");
    assert_int_equal(truncate(checkpoint, 3000), 0);
    expect_error(f, &tiny_program, o, "is no valid safetensors file");
}

/* ---- numbers that are not finite -------------------------------------------------------------------- */

typedef struct {
    Fixture *f;
    int calls;
    uint64_t step;
    float weight, input, slot;
} Probe;

static void probe(void *user, const nnr_program *p, const void *weights, const void *slots,
                  const void *const *in, const nnr_ctx *ctx, const nnr_entry *entry)
{
    Probe *b = user;
    assert_ptr_equal(p, &tiny_program);
    assert_string_equal(entry->name, "fit");
    b->calls++;
    b->step = ctx->step;
    b->weight = ((const TinyBlock *)weights)->weight[0];
    b->slot = ((const TinyBlock *)slots)->weight[0];
    b->input = ((const float *)in[0])[0];
}

static nnr_error run_until_nonfinite(Fixture *f, Probe *b, nnr_train_result *r)
{
    nnr_train_options o = options_for(f);
    nnr_error e;
    o.say = NULL;
    o.user = b;
    o.on_nonfinite = probe;
    o.epochs = 60;
    o.output = path_of(f, "broken.safetensors");
    assert_int_equal(nnr_run_train(&tiny_program, NULL, &o, r, &e), NNR_NONFINITE);
    return e;
}

static void nan_loss_is_pinned_down(void **state)
{
    Fixture *f = *state;
    Probe b = {.f = f};
    nnr_train_result r;
    nnr_model m;
    nnr_error e;
    tiny_break_at = 17; /* the 18th step: epoch 4, batch 3 */
    e = run_until_nonfinite(f, &b, &r);
    assert_non_null(strstr(e.text, "tiny: error: the loss became NaN at step 18 (epoch 4, batch 3 of 5, fit)"));
    assert_non_null(strstr(e.text, "note: lower the learning rate"));
    assert_non_null(strstr(e.text, "broken.last-finite.safetensors"));
    assert_int_equal(r.nonfinite_step, 18);
    assert_int_equal(b.calls, 1);
    assert_int_equal(b.step, 17);
    /* The weights that were kept are those after 17 steps. */
    tiny_break_at = -1;
    Stopper s = {f, 17, 0};
    nnr_train_options o = options_for(f);
    o.say = NULL;
    o.progress = stop_at;
    o.user = &s;
    o.stop = &s.stop;
    o.output = path_of(f, "w.safetensors");
    assert_int_equal(nnr_model_create(&tiny_program, &m, &e), NNR_OK);
    assert_int_equal(nnr_run_train(&tiny_program, &m, &o, &r, &e), NNR_STOPPED);
    float weight = ((TinyBlock *)m.weights)->weight[0], slot = ((TinyBlock *)m.slots)->weight[0];
    assert_true(weight == b.weight && slot == b.slot);
    assert_int_equal(nnr_weights_load(&m, path_of(f, "broken.last-finite.safetensors"), true, NULL, NULL, &e),
                     NNR_OK);
    assert_true(((TinyBlock *)m.weights)->weight[0] == weight);
    nnr_model_destroy(&m);
}

static void infinite_weight_is_found(void **state)
{
    Fixture *f = *state;
    Probe b = {.f = f};
    nnr_train_result r;
    tiny_overflow_at = 9; /* the last step of an epoch: no later loss tells */
    nnr_error e = run_until_nonfinite(f, &b, &r);
    assert_non_null(strstr(e.text, "a weight became NaN or infinite at step 10 (epoch 2, batch 5 of 5, fit)"));
    assert_int_equal(b.step, 9);
    assert_true(isfinite(b.weight));
}

static void nan_in_the_data_is_told(void **state)
{
    Fixture *f = *state;
    static const uint8_t nan_be[4] = {0x7f, 0xc0, 0, 0};
    uint8_t idx[12 + 35 * 8] = {0, 0, 0x0d, 2, 0, 0, 0, 35, 0, 0, 0, 2};
    memcpy(idx + 12 + 21 * 8, nan_be, 4);
    FILE *x = fopen(path_of(f, "x.idx"), "wb");
    assert_non_null(x);
    fwrite(idx, 1, sizeof idx, x);
    fclose(x);
    nnr_data data[2] = {tiny_data[0], tiny_data[1]};
    nnr_train t = tiny_train;
    nnr_program p = tiny_program;
    nnr_train_options o = options_for(f);
    nnr_train_result r;
    nnr_error e;
    data[0].train = (nnr_source){.reader = NNR_IDX, .file = "x.idx", .last = 1};
    t.data = data;
    p.trains = &t;
    o.output = path_of(f, "w.safetensors");
    assert_int_equal(nnr_run_train(&p, NULL, &o, &r, &e), NNR_NONFINITE);
    assert_non_null(strstr(e.text, "note: sample 21 of "));
    assert_non_null(strstr(e.text, "(\"x\") is itself not finite: mend the data"));
}

/* ---- others ------------------------------------------------------------------------------------------ */

/* ---- totals ---- */

/* The tiny steps with a total besides: [labels that are 1, samples]; the metric "share" is made of its sum. */
static void put_total(int n, const void *const *in, void *const *out)
{
    float *total = out[3];
    const int32_t *y = in[1];
    total[0] = 0;
    total[1] = (float)n;
    for (int i = 0; i < n; i++) total[0] += (float)(y[i] != 0);
    *(float *)out[2] = total[0] / total[1]; /* of the batch; not what is reported */
}
TINY_ENTRY(total_step8, (tiny_step(8, weights, slots, in, out, ctx), put_total(8, in, out)))
TINY_ENTRY(total_step3, (tiny_step(3, weights, slots, in, out, ctx), put_total(3, in, out)))
TINY_ENTRY(total_eval8, (tiny_measure(8, weights, in, out), put_total(8, in, out)))
TINY_ENTRY(total_eval1, (tiny_measure(1, weights, in, out), put_total(1, in, out)))
TINY_ENTRY(total_share, ((void)weights, *(float *)out[0] = ((const float *)in[0])[0] / ((const float *)in[0])[1]))

static void totals_are_of_the_whole_data(void **state)
{
    static const nnr_info outs[] = {{"loss", NNR_F32, 0, {0}}, {"accuracy", NNR_F32, 0, {0}}, {"share", NNR_F32, 0, {0}},
                                    {"total.0", NNR_F32, 1, {2}}};
    static const char *const names[] = {"accuracy", "share"};
    static const nnr_entry_fn runs[] = {tiny_init, total_step8, total_eval8, total_eval1, NULL, NULL, total_step3};
    nnr_entry entries[8];
    for (int i = 0; i < 7; i++) {
        entries[i] = tiny_entries[i];
        if (!runs[i] || i == 0) continue;
        entries[i].run = runs[i];
        entries[i].out = outs;
        entries[i].n_out = 4;
    }
    entries[7] = (nnr_entry){"fit.metrics", "fit", NNR_EVAL, 0, 1, 1, &outs[3], &outs[2], 0, total_share};
    nnr_train train = tiny_train;
    train.metrics = names;
    train.n_metrics = 2;
    train.finish = "fit.metrics";
    train.n_totals = 2;
    nnr_program program = tiny_program;
    program.entries = entries;
    program.n_entries = 8;
    program.trains = &train;

    Fixture *f = *state;
    nnr_train_options o = options_for(f);
    nnr_train_result whole, r;
    nnr_error e;
    o.output = path_of(f, "whole.safetensors");
    assert_int_equal(nnr_run_train(&program, NULL, &o, &whole, &e), NNR_OK);
    int ones = 0, y;
    float a, b;
    FILE *csv = fopen(path_of(f, "test.csv"), "r");
    assert_non_null(csv);
    for (int i = 0; i < 13; i++) {
        assert_int_equal(fscanf(csv, "%f,%f,%d\n", &a, &b, &y), 3);
        ones += y;
    }
    fclose(csv);
    assert_string_equal(whole.last.valid.metrics[1].name, "share");
    assert_true(whole.last.valid.metrics[1].value == (double)((float)ones / 13.0f)); /* one division */
    for (int64_t at = 1; at < 30; at += 7) { /* the sums of an epoch go on, too */
        stop_after(f, &program, at);
        o = options_for(f);
        o.resume = path_of(f, "part.safetensors.checkpoint");
        o.output = path_of(f, "part.safetensors");
        assert_int_equal(nnr_run_train(&program, NULL, &o, &r, &e), NNR_OK);
        assert_true(r.last.train.metrics[1].value == whole.last.train.metrics[1].value);
        assert_true(r.last.valid.metrics[1].value == whole.last.valid.metrics[1].value);
    }
    train.n_totals = 3; /* another program's checkpoint */
    assert_int_equal(nnr_run_train(&program, NULL, &o, &r, &e), NNR_FAILED);
}

static void patience_keeps_the_best(void **state)
{
    Fixture *f = *state;
    nnr_train t = tiny_train;
    nnr_program p = tiny_program;
    nnr_train_options o = options_for(f);
    nnr_train_result r;
    nnr_error e;
    nnr_scores s;
    t.patience = 2;
    p.trains = &t;
    o.epochs = 400;
    o.output = path_of(f, "w.safetensors");
    assert_int_equal(nnr_run_train(&p, NULL, &o, &r, &e), NNR_OK);
    assert_true(r.early);
    assert_non_null(strstr(f->said, "no better loss for 2 epochs"));
    nnr_eval_options eo = {.data_dir = f->dir, .weights = r.weights};
    assert_int_equal(nnr_run_eval(&p, &eo, &s, &e), NNR_OK);
    assert_true(s.loss == r.last.valid.loss);
    assert_int_equal(r.steps, 5 * (r.last.epoch + 2));
    /* The best weights are in the checkpoint as well. */
    o.resume = path_of(f, "w.safetensors.checkpoint");
    o.output = path_of(f, "again.safetensors");
    assert_int_equal(nnr_run_train(&p, NULL, &o, &r, &e), NNR_OK);
    assert_true(same_file(path_of(f, "w.safetensors"), path_of(f, "again.safetensors")));
}

static void split_holds_samples_out(void **state)
{
    Fixture *f = *state;
    nnr_train t = tiny_train;
    nnr_program p = tiny_program;
    nnr_train_options o = options_for(f);
    nnr_train_result r;
    nnr_error e;
    int64_t n_train, n_valid;
    t.has_validation = true;
    t.split = 0.2;
    p.trains = &t;
    o.output = path_of(f, "w.safetensors");
    assert_int_equal(nnr_run_train(&p, NULL, &o, &r, &e), NNR_OK);
    assert_int_equal(r.last.valid.samples, 7);
    assert_int_equal(r.last.train.samples, 24); /* of 28; no entry for a batch of 4 */
    assert_int_equal(nnr_count_samples(&t, f->dir, 11, &n_train, &n_valid, &e), NNR_OK);
    assert_int_equal(n_train, 28);
    assert_int_equal(n_valid, 7);
}

static void init_and_bad_options(void **state)
{
    Fixture *f = *state;
    nnr_train_options o = options_for(f);
    train_to(f, o, "first.safetensors");
    char first[128];
    snprintf(first, sizeof first, "%s", path_of(f, "first.safetensors"));
    o.init = first;
    o.epochs = 1;
    nnr_train_result r = train_to(f, o, "second.safetensors");
    assert_true(r.last.train.loss < 0.4); /* begins where the first ended */
    o.resume = first;
    expect_error(f, &tiny_program, o, "cannot both resume a checkpoint and start from weights");
    o = options_for(f);
    o.train = "fot";
    expect_error(f, &tiny_program, o, "there is no train block \"fot\"");
    o = options_for(f);
    o.data_dir = "/nonexistent";
    expect_error(f, &tiny_program, o, "/nonexistent/train.csv: error: data file not found");
    tiny_write_data(f->dir, "train.csv", 5, 1);
    o.data_dir = f->dir;
    expect_error(f, &tiny_program, o, "5 training samples are fewer than a batch of 8");
}

/* A disk that is full: the error is told, nothing half-written remains. */
static void full_disk(void **state)
{
    Fixture *f = *state;
    pid_t child = fork();
    if (child == 0) {
        struct rlimit limit = {100, 100};
        nnr_train_options o = options_for(f);
        nnr_train_result r;
        nnr_error e;
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &limit);
        o.output = path_of(f, "w.safetensors");
        nnr_status s = nnr_run_train(&tiny_program, NULL, &o, &r, &e);
        bool told = s == NNR_FAILED && strstr(e.text, "w.safetensors: error: cannot be written: ") &&
                    strstr(e.text, "note: no space left");
        bool warned = strstr(f->said, "2 no checkpoint: ") != NULL;
        _exit(told && warned ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    char command[128];
    snprintf(command, sizeof command, "ls %s | grep -q safetensors", f->dir);
    assert_int_not_equal(system(command), 0);
    nnr_train_options o = options_for(f);
    nnr_train_result r;
    nnr_error e;
    o.output = "/dev/full";
    o.no_checkpoint = true;
    assert_int_equal(nnr_run_train(&tiny_program, NULL, &o, &r, &e), NNR_FAILED);
    assert_non_null(strstr(e.text, "/dev/full: error: cannot be written: No space left on device"));
}

/* Two steps a batch: both run on the same samples, each with its own count; losses are told apart. */
static void several_steps(void **state)
{
    Fixture *f = *state;
    static const char *const steps[] = {"duo.first", "duo.second"}, *const metrics[] = {"right"};
    nnr_entry entries[5] = {tiny_entries[0], tiny_entries[1], tiny_entries[1], tiny_entries[6], tiny_entries[6]};
    nnr_train t = tiny_train;
    nnr_program p = tiny_program;
    nnr_train_options o = options_for(f);
    nnr_train_result r;
    nnr_error e;
    entries[1].name = entries[3].name = steps[0];
    entries[2].name = entries[4].name = steps[1];
    t.steps = steps, t.n_steps = 2, t.eval = NULL, t.has_validation = false;
    t.metrics = metrics; /* another name than the entries': taken by position */
    p.entries = entries, p.n_entries = 5, p.trains = &t;
    o.json = true;
    o.epochs = 2;
    o.output = path_of(f, "w.safetensors");
    assert_int_equal(nnr_run_train(&p, NULL, &o, &r, &e), NNR_OK);
    assert_int_equal(r.steps, 10);
    assert_int_equal(r.last.train.samples, 35);
    assert_int_equal(r.last.train.n_losses, 2);
    assert_string_equal(r.last.train.losses[1].name, "second");
    double sum = r.last.train.losses[0].value + r.last.train.losses[1].value;
    assert_true(r.last.train.loss == sum && r.last.train.losses[1].value < r.last.train.losses[0].value);
    assert_true(r.last.train.metrics[0].value > 0.6 && r.last.train.metrics[0].value <= 1);
    assert_non_null(strstr(f->said, ", \"losses\": {\"first\": 0."));
    assert_null(strstr(f->said, "\"val\""));
    tiny_break_at = 6;
    assert_int_equal(nnr_run_train(&p, NULL, &o, &r, &e), NNR_NONFINITE);
    assert_non_null(strstr(e.text, "at step 7 (epoch 2, batch 2 of 5, duo.first)"));
}

static void bar_fits_the_terminal(void *user, int level, const char *text)
{
    if (level != NNR_SAY_BAR || text[1] == '\033') return;
    size_t n = strlen(text);
    assert_int_equal(text[0], '\r');
    assert_true(n - strlen("\r\033[K") < (size_t)*(int *)user);
}

static void progress_bar(void **state)
{
    Fixture *f = *state;
    for (int width = 1; width < 120; width += 17) {
        nnr_train_options o = options_for(f);
        nnr_train_result r;
        nnr_error e;
        o.say = bar_fits_the_terminal;
        o.user = &width;
        o.width = width;
        o.epochs = 300;
        o.no_checkpoint = true;
        o.output = path_of(f, "w.safetensors");
        assert_int_equal(nnr_run_train(&tiny_program, NULL, &o, &r, &e), NNR_OK);
    }
}

/* Files read beforehand, on another thread: the same run, the same messages. */
static void data_may_be_read_ahead(void **state)
{
    Fixture *f = *state;
    const nnr_train *t = &tiny_program.trains[0];
    nnr_train_options o = options_for(f);
    train_to(f, o, "plain.safetensors");
    o.reading = nnr_read_begin(t, f->dir, o.seed);
    assert_non_null(o.reading);
    train_to(f, o, "ahead.safetensors");
    nnr_read_end(o.reading);
    assert_true(same_file(path_of(f, "plain.safetensors"), path_of(f, "ahead.safetensors")));
    assert_int_equal(unlink(path_of(f, "train.csv")), 0);
    nnr_read_end(nnr_read_begin(t, f->dir, 3)); /* one that nobody takes */
    nnr_read_end(NULL);
    nnr_train_result r;
    nnr_error e, gone;
    o.output = path_of(f, "none.safetensors");
    o.reading = nnr_read_begin(t, f->dir, o.seed);
    assert_int_equal(nnr_run_train(&tiny_program, NULL, &o, &r, &e), NNR_FAILED);
    nnr_read_end(o.reading);
    o.reading = NULL;
    assert_int_equal(nnr_run_train(&tiny_program, NULL, &o, &r, &gone), NNR_FAILED);
    assert_string_equal(e.text, gone.text);
}

int main(void)
{
#define TEST(F) cmocka_unit_test_setup_teardown(F, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(learns), TEST(partial_batches_weigh_right), TEST(tail_without_entry), TEST(json_lines),
        TEST(stopped_run_goes_on_to_the_same_bits), TEST(ctrl_c_says_how_to_resume),
        TEST(killed_run_goes_on_to_the_same_bits), TEST(finished_run_can_be_prolonged),
        TEST(foreign_checkpoints_are_refused), TEST(nan_loss_is_pinned_down), TEST(infinite_weight_is_found),
        TEST(nan_in_the_data_is_told), TEST(patience_keeps_the_best), TEST(split_holds_samples_out),
        TEST(init_and_bad_options), TEST(full_disk), TEST(several_steps), TEST(progress_bar),
        TEST(data_may_be_read_ahead), TEST(totals_are_of_the_whole_data)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
