/* A program table written by hand: logistic regression with momentum on two features, with noise on
 * the inputs that depends on seed and step. For tests of the runtime without a compiler. */
#ifndef TINY_PROGRAM_H
#define TINY_PROGRAM_H
#include "runtime/runtime.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { TINY_BATCH = 8, TINY_TAIL = 3 };

/* weights: weight[1, 2] at 0, bias[1] at 64. slots: the same of momentum. */
typedef struct {
    float weight[2], pad[14], bias, pad2[15];
} TinyBlock;

static int tiny_break_at = -1;    /* NaN loss in the step of this number; -1: never */
static int tiny_overflow_at = -1; /* an infinite weight, with a finite loss */

static void tiny_init(void *weights, void *slots, const void *const *in, void *const *out, void *arena,
                      const nnr_ctx *ctx)
{
    TinyBlock *w = weights;
    uint64_t key = nnr_key(ctx->seed, 0, 1);
    (void)in, (void)out, (void)arena;
    memset(slots, 0, sizeof(TinyBlock));
    memset(w, 0, sizeof *w);
    for (uint32_t i = 0; i < 2; i++) w->weight[i] = nnr_uniform(key, i) - 0.5f;
}

static float tiny_logit(const TinyBlock *w, const float *x)
{
    return w->weight[0] * x[0] + w->weight[1] * x[1] + w->bias;
}

static void tiny_step(int n, void *weights, void *slots, const void *const *in, void *const *out,
                      const nnr_ctx *ctx)
{
    TinyBlock *w = weights, *m = slots, g = {0};
    const float *x = in[0];
    const int32_t *y = in[1];
    uint64_t key = nnr_key(ctx->seed, ctx->step, 2);
    float loss = 0, right = 0;
    for (int i = 0; i < n; i++) {
        float noisy[2] = {x[2 * i] + 0.1f * nnr_uniform(key, 2 * (uint32_t)i),
                          x[2 * i + 1] + 0.1f * nnr_uniform(key, 2 * (uint32_t)i + 1)};
        float z = tiny_logit(w, noisy), p = 1 / (1 + expf(-z));
        float d = (p - (float)y[i]) / (float)n;
        loss -= logf(y[i] ? p : 1 - p) / (float)n;
        right += (float)((z > 0) == (y[i] != 0)) / (float)n;
        g.weight[0] += d * noisy[0], g.weight[1] += d * noisy[1], g.bias += d;
    }
    if (tiny_break_at >= 0 && ctx->step == (uint64_t)tiny_break_at) loss = NAN;
    float rate = 0.1f / (1 + 0.1f * (float)ctx->epoch);
    for (int k = 0; k < 2; k++) {
        m->weight[k] = 0.9f * m->weight[k] + g.weight[k];
        w->weight[k] -= rate * m->weight[k];
    }
    m->bias = 0.9f * m->bias + g.bias;
    w->bias -= rate * m->bias;
    if (tiny_overflow_at >= 0 && ctx->step == (uint64_t)tiny_overflow_at) w->weight[1] = INFINITY;
    *(float *)out[0] = loss;
    *(float *)out[1] = right;
}

static void tiny_measure(int n, void *weights, const void *const *in, void *const *out)
{
    const float *x = in[0];
    const int32_t *y = in[1];
    float loss = 0, right = 0;
    for (int i = 0; i < n; i++) {
        float z = tiny_logit(weights, x + 2 * i);
        loss += (y[i] ? log1pf(expf(-z)) : log1pf(expf(z))) / (float)n;
        right += (float)((z > 0) == (y[i] != 0)) / (float)n;
    }
    *(float *)out[0] = loss;
    *(float *)out[1] = right;
}

#define TINY_ENTRY(NAME, CALL)                                                                         \
    static void NAME(void *weights, void *slots, const void *const *in, void *const *out, void *arena, \
                     const nnr_ctx *ctx)                                                               \
    {                                                                                                  \
        (void)slots, (void)arena, (void)ctx;                                                           \
        CALL;                                                                                          \
    }
TINY_ENTRY(tiny_step8, tiny_step(8, weights, slots, in, out, ctx))
TINY_ENTRY(tiny_step3, tiny_step(3, weights, slots, in, out, ctx))
TINY_ENTRY(tiny_eval8, tiny_measure(8, weights, in, out))
TINY_ENTRY(tiny_eval1, tiny_measure(1, weights, in, out))
static void tiny_infer(int n, void *weights, const void *const *in, void *const *out)
{
    for (int i = 0; i < n; i++) ((float *)out[0])[i] = tiny_logit(weights, (const float *)in[0] + 2 * i);
}
TINY_ENTRY(tiny_infer4, tiny_infer(4, weights, in, out))
TINY_ENTRY(tiny_infer1, tiny_infer(1, weights, in, out))

#define TINY_IN(N) {{"x", NNR_F32, 2, {N, 2}}, {"y", NNR_I32, 1, {N}}}
#define TINY_OUT {{"loss", NNR_F32, 0, {0}}, {"accuracy", NNR_F32, 0, {0}}}
static const nnr_info tiny_in8[] = TINY_IN(8), tiny_in3[] = TINY_IN(3), tiny_in1[] = TINY_IN(1);
static const nnr_info tiny_in4[] = TINY_IN(4), tiny_out[] = TINY_OUT;
static const nnr_info tiny_y4[] = {{"logit", NNR_F32, 1, {4}}}, tiny_y1[] = {{"logit", NNR_F32, 1, {1}}};

static const nnr_entry tiny_entries[] = {
    {"init", NULL, NNR_INIT, 0, 0, 0, NULL, NULL, 0, tiny_init},
    {"fit", "fit", NNR_STEP, 8, 2, 2, tiny_in8, tiny_out, 0, tiny_step8},
    {"fit.eval", "fit", NNR_EVAL, 8, 2, 2, tiny_in8, tiny_out, 0, tiny_eval8},
    {"fit.eval", "fit", NNR_EVAL, 1, 2, 2, tiny_in1, tiny_out, 0, tiny_eval1},
    {"line", NULL, NNR_INFER, 4, 1, 1, tiny_in4, tiny_y4, 0, tiny_infer4},
    {"line", NULL, NNR_INFER, 1, 1, 1, tiny_in1, tiny_y1, 0, tiny_infer1},
    {"fit", "fit", NNR_STEP, 3, 2, 2, tiny_in3, tiny_out, 0, tiny_step3}}; /* last: may be left out */

static const nnr_var tiny_vars[] = {{{"line.weight", NNR_F32, 2, {1, 2}}, NNR_PARAM, 0, {0}},
                                    {{"line.bias", NNR_F32, 1, {1}}, NNR_PARAM, 64, {0}},
                                    {{"line.weight.v", NNR_F32, 2, {1, 2}}, NNR_SLOT, 0, {0}},
                                    {{"line.bias.v", NNR_F32, 1, {1}}, NNR_SLOT, 64, {0}}};

static const char *const tiny_x_columns[] = {"0..2"}, *const tiny_y_columns[] = {"-1"};
static const char *const tiny_steps[] = {"fit"}, *const tiny_metrics[] = {"accuracy"};
#define TINY_SOURCE(FILE_NAME, COLUMNS) \
    {.reader = NNR_CSV, .file = FILE_NAME, .columns = COLUMNS, .n_columns = 1, .header = -1, .last = 1}
static const nnr_data tiny_data[] = {
    {{"x", NNR_F32, 2, {8, 2}}, TINY_SOURCE("train.csv", tiny_x_columns), TINY_SOURCE("test.csv", tiny_x_columns)},
    {{"y", NNR_I32, 1, {8}}, TINY_SOURCE("train.csv", tiny_y_columns), TINY_SOURCE("test.csv", tiny_y_columns)}};

static const nnr_train tiny_train = {.name = "fit", .batch = 8, .epochs = 6, .data = tiny_data, .n_data = 2,
                                     .has_validation = true, .metrics = tiny_metrics, .n_metrics = 1,
                                     .steps = tiny_steps, .n_steps = 1, .eval = "fit.eval"};
static const nnr_program tiny_program = {.name = "tiny", .vars = tiny_vars, .n_vars = 4, .weights_bytes = 128,
                                         .slots_bytes = 128, .entries = tiny_entries, .n_entries = 7,
                                         .trains = &tiny_train, .n_trains = 1};

/* 35 rows to train on (four batches of 8, one of 3), 13 to test on (8 + 5 x 1). */
static inline void tiny_write_data(const char *dir, const char *name, int n, uint64_t salt)
{
    char path[256];
    uint64_t key = nnr_key(7, 7, salt);
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    if (!f) return;
    for (int i = 0; i < n; i++) {
        float a = nnr_uniform(key, 3 * (uint32_t)i) * 4 - 2, b = nnr_uniform(key, 3 * (uint32_t)i + 1) * 4 - 2;
        fprintf(f, "%.4f,%.4f,%d\n", (double)a, (double)b, a + 0.5f * b > 0.2f);
    }
    fclose(f);
}
#endif
