/* Values of the library's text, by the reference evaluator, against direct formulas written here. */
#include "std_case.h"
#include <stdlib.h>

/* The output of net f of a program, and its input x. */
typedef struct {
    Case c;
    Graph *graph;
    NamedTensor *inputs;
    int n_inputs;
    Tensor x, y;
} Run;

static void run_again(Run *r)
{
    EvalRun run = { .ctx = { .seed = 7 }, .inputs = r->inputs, .n_inputs = r->n_inputs };
    const char *fault = case_run_graph(&r->c, r->graph, &run);
    if (fault)
        fail_msg("%s", fault);
    r->y = case_output(&run, NULL);
}

static Run run_net(const char *text)
{
    Run r;
    const char *fault = case_open(&r.c, text);
    if (fault)
        fail_msg("%s\n%s", text, fault);
    r.graph = module_find_graph(r.c.module, "f", -1);
    assert_non_null(r.graph);
    r.inputs = case_inputs(&r.c, r.graph, &r.n_inputs);
    r.x = r.inputs[0].value;
    run_again(&r);
    return r;
}

static void near_value(const char *what, double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance * (1 + fabs(want))))
        fail_msg("%s: %.12g, but it should be %.12g", what, got, want);
}

static double at(const Tensor *t, const int64_t *index)
{
    int64_t k = 0;
    for (int d = 0; d < t->type.rank; d++)
        k = k * t->type.dim[d] + index[d];
    return t->data[k];
}
#define AT(t, ...) at((t), (const int64_t[]){ __VA_ARGS__ })

static void check_dims(const Tensor *t, int rank, const int64_t *dim)
{
    Type want = type_make(t->type.dtype, rank, dim);
    if (!type_same_shape(&t->type, &want)) {
        Arena *arena = arena_new();
        fail_msg("shape %s", type_text(arena, &t->type));
    }
}
#define DIMS(t, n, ...) check_dims((t), (n), (const int64_t[]){ __VA_ARGS__ })

/* ---- elementwise ---- */

static double ref_relu(double x) { return x > 0 ? x : 0; }
static double ref_relu6(double x) { return x < 0 ? 0 : x > 6 ? 6 : x; }
static double ref_leaky(double x) { return x > 0 ? x : 0.01 * x; }
static double ref_elu(double x) { return x > 0 ? x : expm1(x); }
static double ref_selu(double x) { return 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * expm1(x)); }
static double ref_gelu(double x) { return x * 0.5 * erfc(-x / sqrt(2)); }
static double ref_gelu_tanh(double x) { return 0.5 * x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))); }
static double ref_sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double ref_silu(double x) { return x / (1 + exp(-x)); }
static double ref_softplus(double x) { return log1p(exp(x)); }
static double ref_mish(double x) { return x * tanh(log1p(exp(x))); }
static double ref_softsign(double x) { return x / (1 + fabs(x)); }
static double ref_hard_sigmoid(double x) { return fmin(fmax(x / 6 + 0.5, 0), 1); }
static double ref_hard_silu(double x) { return x * ref_hard_sigmoid(x); }

static void test_activations(void **state)
{
    (void)state;
    static const struct {
        const char *expr;
        double (*ref)(double);
    } rows[] = {
        { "relu", ref_relu }, { "relu6", ref_relu6 }, { "leaky_relu", ref_leaky }, { "elu", ref_elu },
        { "selu", ref_selu }, { "gelu", ref_gelu }, { "gelu_tanh", ref_gelu_tanh }, { "sigmoid", ref_sigmoid },
        { "silu", ref_silu }, { "softplus", ref_softplus }, { "mish", ref_mish }, { "softsign", ref_softsign },
        { "hard_sigmoid", ref_hard_sigmoid }, { "hard_silu", ref_hard_silu }, { "tanh", tanh },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[200];
        snprintf(text, sizeof text, "net f(x: f32[50]) -> f32[50] = %s(8 * x)\n", rows[i].expr);
        Run r = run_net(text);
        for (int k = 0; k < 50; k++)
            near_value(rows[i].expr, r.y.data[k], rows[i].ref(8 * r.x.data[k]), 1e-6);
        arena_free(r.c.arena);
    }
}

static void test_softmax(void **state)
{
    (void)state;
    Run s = run_net("net f(x: f32[4, 5]) = softmax(100 * x)\n");
    Run l = run_net("net f(x: f32[4, 5]) = log_softmax(100 * x)\n");
    Run c = run_net("net f(x: f32[4, 5]) = softmax(x, axis = 0)\n");
    for (int n = 0; n < 4; n++) {
        double top = -1e300, total = 0;
        for (int k = 0; k < 5; k++)
            top = fmax(top, 100 * AT(&s.x, n, k));
        for (int k = 0; k < 5; k++)
            total += exp(100 * AT(&s.x, n, k) - top);
        for (int k = 0; k < 5; k++) {
            double z = 100 * AT(&s.x, n, k) - top;
            near_value("softmax", AT(&s.y, n, k), exp(z) / total, 1e-9);
            near_value("log_softmax", AT(&l.y, n, k), z - log(total), 1e-9);
        }
    }
    for (int k = 0; k < 5; k++)
        near_value("softmax along 0", AT(&c.y, 0, k) + AT(&c.y, 1, k) + AT(&c.y, 2, k) + AT(&c.y, 3, k), 1, 1e-9);
    arena_free(s.c.arena);
    arena_free(l.c.arena);
    arena_free(c.c.arena);
}

/* ---- convolution and pooling ---- */

typedef struct {
    const char *args;
    int kh, kw, sh, sw, ph, pw, dh, dw, groups, channels; /* ph, pw: before; the result's size says the rest */
} Conv;

static void check_conv(const Conv *v)
{
    char text[300];
    snprintf(text, sizeof text, "net f(x: f32[2, 7, 6, 4]) { y = conv2d(x, %d, [%d, %d], %s); return y }\n",
             v->channels, v->kh, v->kw, v->args);
    Run r = run_net(text);
    Tensor *w = case_var(&r.c, "f.y.weight"), *b = case_var(&r.c, "f.y.bias");
    int64_t *d = r.y.type.dim, in = 4 / v->groups, out = v->channels / v->groups;
    for (int k = 0; k < v->channels; k++)
        b->data[k] = 0.1 * k;
    run_again(&r);
    for (int64_t n = 0; n < 2; n++)
        for (int64_t y = 0; y < d[1]; y++)
            for (int64_t x = 0; x < d[2]; x++)
                for (int64_t o = 0; o < v->channels; o++) {
                    double sum = b->data[o];
                    for (int kh = 0; kh < v->kh; kh++)
                        for (int kw = 0; kw < v->kw; kw++)
                            for (int64_t i = 0; i < in; i++) {
                                int64_t yy = y * v->sh + kh * v->dh - v->ph, xx = x * v->sw + kw * v->dw - v->pw;
                                if (yy >= 0 && yy < 7 && xx >= 0 && xx < 6)
                                    sum += AT(&r.x, n, yy, xx, o / out * in + i) * AT(w, kh, kw, i, o);
                            }
                    near_value(v->args, AT(&r.y, n, y, x, o), sum, 1e-9);
                }
    arena_free(r.c.arena);
}

static void test_conv2d(void **state)
{
    (void)state;
    static const Conv rows[] = {
        { "stride = 1", 3, 3, 1, 1, 0, 0, 1, 1, 1, 3 },
        { "stride = [2, 1], pad = [1, 0]", 3, 2, 2, 1, 1, 0, 1, 1, 1, 2 },
        { "pad = \"same\"", 3, 3, 1, 1, 1, 1, 1, 1, 1, 2 },
        { "pad = \"same\", stride = 2", 3, 3, 2, 2, 1, 0, 1, 1, 1, 2 },
        { "dilation = [2, 1], pad = 2", 2, 3, 1, 1, 2, 2, 2, 1, 1, 2 },
        { "groups = 2, stride = 2", 3, 2, 2, 2, 0, 0, 1, 1, 2, 6 },
        { "groups = 4, pad = 1", 3, 3, 1, 1, 1, 1, 1, 1, 4, 4 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check_conv(&rows[i]);
    Run r = run_net("net f(x: f32[1, 7, 6, 4]) { y = conv2d(x, 2, 3, pad = \"same\", stride = 2); return y }\n");
    DIMS(&r.y, 4, 1, 4, 3, 2);
    arena_free(r.c.arena);
}

/* conv1d is conv2d of height 1; depthwise_conv2d is conv2d with as many groups as channels. */
static void test_conv_kinds(void **state)
{
    (void)state;
    Run a = run_net("net f(x: f32[2, 7, 4]) {\n"
                    "y = conv1d(x, 6, 3, stride = 2, pad = 1, dilation = 2, groups = 2)\n return y }\n");
    Run b = run_net("net f(x: f32[2, 7, 4]) { z = conv2d(reshape(x, [2, 7, 1, 4]), 6, [3, 1], stride = [2, 1], pad = [1, 0],\n"
                    " dilation = [2, 1], groups = 2)\n return z }\n");
    memcpy(case_var(&b.c, "f.z.weight")->data, case_var(&a.c, "f.y.weight")->data, sizeof(double) * 3 * 2 * 6);
    run_again(&b);
    assert_int_equal(type_count(&a.y.type), type_count(&b.y.type));
    for (int64_t k = 0; k < type_count(&a.y.type); k++)
        near_value("conv1d", a.y.data[k], b.y.data[k], 1e-12);
    arena_free(a.c.arena);
    arena_free(b.c.arena);

    a = run_net("net f(x: f32[2, 5, 5, 3]) { y = depthwise_conv2d(x, 3, stride = 2, pad = 1, multiplier = 2); return y }\n");
    b = run_net("net f(x: f32[2, 5, 5, 3]) { y = conv2d(x, 6, 3, stride = 2, pad = 1, groups = 3); return y }\n");
    memcpy(case_var(&b.c, "f.y.weight")->data, case_var(&a.c, "f.y.weight")->data, sizeof(double) * 9 * 6);
    run_again(&b);
    for (int64_t k = 0; k < type_count(&a.y.type); k++)
        near_value("depthwise", a.y.data[k], b.y.data[k], 1e-12);
    arena_free(a.c.arena);
    arena_free(b.c.arena);
}

static void check_transpose(const char *args, int kh, int kw, int sh, int sw, int ph, int pw, int oh, int ow)
{
    char text[300];
    snprintf(text, sizeof text, "net f(x: f32[2, 4, 3, 2]) { y = conv_transpose2d(x, 3, [%d, %d], %s); return y }\n", kh, kw, args);
    Run r = run_net(text);
    DIMS(&r.y, 4, 2, oh, ow, 3);
    Tensor *w = case_var(&r.c, "f.y.weight");
    double *sum = calloc((size_t)type_count(&r.y.type), sizeof *sum);
    for (int n = 0; n < 2; n++) /* every input pixel is spread over the output */
        for (int y = 0; y < 4; y++)
            for (int x = 0; x < 3; x++)
                for (int a = 0; a < kh; a++)
                    for (int b = 0; b < kw; b++)
                        for (int o = 0; o < 3; o++) {
                            int yy = y * sh + a - ph, xx = x * sw + b - pw;
                            if (yy < 0 || yy >= oh || xx < 0 || xx >= ow)
                                continue;
                            for (int i = 0; i < 2; i++)
                                sum[((n * oh + yy) * ow + xx) * 3 + o] += AT(&r.x, n, y, x, i) * AT(w, a, b, i, o);
                        }
    for (int64_t k = 0; k < type_count(&r.y.type); k++)
        near_value(args, r.y.data[k], sum[k], 1e-9);
    free(sum);
    arena_free(r.c.arena);
}

static void test_conv_transpose(void **state)
{
    (void)state;
    check_transpose("stride = 1", 3, 2, 1, 1, 0, 0, 6, 4);
    check_transpose("stride = 2", 2, 2, 2, 2, 0, 0, 8, 6);
    check_transpose("stride = 2, pad = 1", 3, 4, 2, 2, 1, 1, 7, 6);
    check_transpose("stride = 2, pad = 1, output_pad = 1", 3, 3, 2, 2, 1, 1, 8, 6);
    check_transpose("stride = [3, 1], pad = [0, 1]", 2, 3, 3, 1, 0, 1, 11, 3);
    check_transpose("stride = 3, output_pad = [2, 0]", 1, 1, 3, 3, 0, 0, 12, 7);
}

typedef struct {
    const char *expr;
    int k, s, p;
    bool max, valid; /* valid: the mean leaves the padding out */
} Pool;

static void test_pool(void **state)
{
    (void)state;
    static const Pool rows[] = {
        { "max_pool2d(x)", 2, 2, 0, true, false },
        { "max_pool2d(x, 3, stride = 2, pad = 1)", 3, 2, 1, true, false },
        { "avg_pool2d(x, 3)", 3, 3, 0, false, false },
        { "avg_pool2d(x, 3, stride = 1, pad = 1)", 3, 1, 1, false, false },
        { "avg_pool2d(x, 3, stride = 2, pad = 1, count_pad = false)", 3, 2, 1, false, true },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const Pool *v = &rows[i];
        char text[200];
        snprintf(text, sizeof text, "net f(x: f32[2, 6, 7, 3]) = %s\n", v->expr);
        Run r = run_net(text);
        int64_t oh = (6 + 2 * v->p - v->k) / v->s + 1, ow = (7 + 2 * v->p - v->k) / v->s + 1;
        DIMS(&r.y, 4, 2, oh, ow, 3);
        for (int64_t n = 0; n < 2; n++)
            for (int64_t y = 0; y < oh; y++)
                for (int64_t x = 0; x < ow; x++)
                    for (int64_t c = 0; c < 3; c++) {
                        double top = -1e300, sum = 0;
                        int count = 0;
                        for (int a = 0; a < v->k; a++)
                            for (int b = 0; b < v->k; b++) {
                                int64_t yy = y * v->s + a - v->p, xx = x * v->s + b - v->p;
                                if (yy < 0 || yy >= 6 || xx < 0 || xx >= 7)
                                    continue;
                                top = fmax(top, AT(&r.x, n, yy, xx, c));
                                sum += AT(&r.x, n, yy, xx, c);
                                count++;
                            }
                        double mean = sum / (v->valid ? count : v->k * v->k);
                        near_value(v->expr, AT(&r.y, n, y, x, c), v->max ? top : mean, 1e-9);
                    }
        arena_free(r.c.arena);
    }
    Run g = run_net("net f(x: f32[2, 4, 3]) = global_avg_pool(x) - global_max_pool(x)\n");
    DIMS(&g.y, 2, 2, 3);
    double sum = 0, top = -1e300;
    for (int t = 0; t < 4; t++) {
        sum += AT(&g.x, 1, t, 2);
        top = fmax(top, AT(&g.x, 1, t, 2));
    }
    near_value("global pools", AT(&g.y, 1, 2), sum / 4 - top, 1e-9);
    arena_free(g.c.arena);
}

/* ---- attention ---- */

static void test_causal(void **state)
{
    (void)state;
    Run r = run_net("net f(x: f32[1, 5, 4]) { y = multi_head_attention(x, 2, causal = true); return y }\n");
    Run full = run_net("net f(x: f32[1, 5, 4]) { y = multi_head_attention(x, 2); return y }\n");
    Tensor before = r.y, open = full.y;
    r.x.data[4 * 4 + 1] += 1; /* the last position */
    full.x.data[4 * 4 + 1] += 1;
    run_again(&r);
    run_again(&full);
    for (int k = 0; k < 16; k++)
        near_value("a causal layer sees no later position", r.y.data[k], before.data[k], 1e-12);
    assert_true(fabs(r.y.data[17] - before.data[17]) > 1e-6);
    assert_true(fabs(full.y.data[0] - open.data[0]) > 1e-6);
    arena_free(r.c.arena);
    arena_free(full.c.arena);
}

/* One head of D features by hand. */
static void test_attention(void **state)
{
    (void)state;
    Run r = run_net("net f(x: f32[1, 4, 1, 3]) = attention(x, 2 * x, x + 1)\n");
    for (int t = 0; t < 4; t++) {
        double share[4], total = 0, want = 0;
        for (int s = 0; s < 4; s++) {
            double dot = 0;
            for (int e = 0; e < 3; e++)
                dot += AT(&r.x, 0, t, 0, e) * 2 * AT(&r.x, 0, s, 0, e);
            total += share[s] = exp(dot / sqrt(3));
        }
        for (int s = 0; s < 4; s++)
            want += share[s] / total * (AT(&r.x, 0, s, 0, 1) + 1);
        near_value("attention", AT(&r.y, 0, t, 0, 1), want, 1e-6);
    }
    arena_free(r.c.arena);
}

/* ---- initialisers ---- */

static void moments(const Tensor *t, double *mean, double *deviation, double *low, double *high)
{
    int64_t n = type_count(&t->type);
    double sum = 0, squares = 0;
    *low = 1e300, *high = -1e300;
    for (int64_t i = 0; i < n; i++) {
        sum += t->data[i];
        squares += t->data[i] * t->data[i];
        *low = fmin(*low, t->data[i]);
        *high = fmax(*high, t->data[i]);
    }
    *mean = sum / (double)n;
    *deviation = sqrt(squares / (double)n - *mean * *mean);
}

static void test_init(void **state)
{
    (void)state;
    static const struct {
        const char *expr;
        double mean, deviation, low, high;
    } rows[] = {
        { "uniform(-1, 3)", 1, 1.1547, -1, 3 },
        { "normal(2, 0.5)", 2, 0.5, -10, 10 },
        { "truncated_normal(1, 2)", 1, 2 * 0.879626, -3.001, 5.001 },
        { "glorot_uniform(fan_in = 20, fan_out = 30)", 0, 0.2, -0.3465, 0.3465 },
        { "glorot_normal(fan_in = 20, fan_out = 30)", 0, 0.2, -2, 2 },
        { "he_uniform(fan_in = 50)", 0, 0.2, -0.3465, 0.3465 },
        { "he_normal(fan_in = 50)", 0, 0.2, -2, 2 },
        { "lecun_uniform(fan_in = 25)", 0, 0.2, -0.3465, 0.3465 },
        { "lecun_normal(fan_in = 25)", 0, 0.2, -2, 2 },
        { "constant(0.25)", 0.25, 0, 0.25, 0.25 },
        { "zeros()", 0, 0, 0, 0 },
        { "ones()", 1, 0, 1, 1 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[300];
        double mean, deviation, low, high;
        snprintf(text, sizeof text, "net f(x: f32[1]) { param w: f32[100, 60] = %s; return w * x }\n", rows[i].expr);
        Run r = run_net(text);
        moments(case_var(&r.c, "f.w"), &mean, &deviation, &low, &high);
        near_value(rows[i].expr, mean, rows[i].mean, 0.02);
        near_value(rows[i].expr, deviation, rows[i].deviation, 0.02);
        assert_true(low >= rows[i].low - 1e-9 && high <= rows[i].high + 1e-9);
        arena_free(r.c.arena);
    }
}

static void check_orthogonal(const char *text, int rows, int cols)
{
    Run r = run_net(text);
    Tensor *w = case_var(&r.c, "f.w");
    bool wide = rows <= cols;
    int n = wide ? rows : cols, m = wide ? cols : rows;
    for (int a = 0; a < n; a++)
        for (int b = 0; b < n; b++) {
            double dot = 0;
            for (int k = 0; k < m; k++)
                dot += wide ? w->data[a * cols + k] * w->data[b * cols + k] : w->data[k * cols + a] * w->data[k * cols + b];
            near_value("orthogonal", dot, a == b ? 4 : 0, 1e-4);
        }
    arena_free(r.c.arena);
}

static void test_orthogonal(void **state)
{
    (void)state;
    check_orthogonal("net f(x: f32[1]) { param w: f32[6, 10] = orthogonal(2.0); return w * x }\n", 6, 10);
    check_orthogonal("net f(x: f32[1]) { param w: f32[10, 6] = orthogonal(2.0); return w * x }\n", 10, 6);
    check_orthogonal("net f(x: f32[1]) { param w: f32[8, 8] = orthogonal(2.0); return w * x }\n", 8, 8);
    check_orthogonal("net f(x: f32[1]) { param w: f32[3, 2, 2] = orthogonal(2.0); return w * x }\n", 3, 4);
}

static void test_erfinv(void **state)
{
    (void)state;
    Run r = run_net("net f(x: f32[200]) = erfinv(0.9999 * x)\n");
    for (int i = 0; i < 200; i++)
        near_value("erfinv", erf(r.y.data[i]), 0.9999 * r.x.data[i], 1e-6);
    arena_free(r.c.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_activations), cmocka_unit_test(test_softmax), cmocka_unit_test(test_conv2d),
        cmocka_unit_test(test_conv_kinds), cmocka_unit_test(test_conv_transpose), cmocka_unit_test(test_pool),
        cmocka_unit_test(test_causal), cmocka_unit_test(test_attention), cmocka_unit_test(test_init),
        cmocka_unit_test(test_orthogonal), cmocka_unit_test(test_erfinv),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
