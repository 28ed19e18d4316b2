/* Every layer, activation, loss and norm of the library: the gradient of the whole (forward graph,
 * reverse mode) against central differences, all in double precision. `probe` adds a parameter to the
 * input, so that the gradient with respect to the input is checked too. */
#include "std_case.h"

typedef struct {
    const char *name, *input, *expr; /* expr: of x, the probed input, and `label`, i32[N] */
} Sample;

#define IMAGE "f32[N, 5, 4, 4]"
#define SEQ "f32[N, 5, 4]"
#define ROW "f32[N, 3]"

static const Sample SAMPLES[] = {
    { "relu", ROW, "relu(x)" },
    { "relu6", ROW, "relu6(8 * x)" },
    { "leaky_relu", ROW, "leaky_relu(x)" },
    { "elu", ROW, "elu(x)" },
    { "selu", ROW, "selu(x)" },
    { "gelu", ROW, "gelu(x)" },
    { "gelu_tanh", ROW, "gelu_tanh(x)" },
    { "sigmoid", ROW, "sigmoid(x)" },
    { "sigmoid far out", ROW, "sigmoid(60 * x)" },
    { "silu", ROW, "silu(x)" },
    { "softplus", ROW, "softplus(x)" },
    { "softplus far out", ROW, "softplus(90 * x)" },
    { "mish", ROW, "mish(x)" },
    { "softsign", ROW, "softsign(x)" },
    { "hard_sigmoid", ROW, "hard_sigmoid(4 * x)" },
    { "hard_silu", ROW, "hard_silu(4 * x)" },
    { "tanh", ROW, "tanh(x)" },
    { "softmax", ROW, "softmax(x)" },
    { "softmax along 0", ROW, "softmax(x, axis = 0)" },
    { "log_softmax", ROW, "log_softmax(50 * x)" },
    { "logsumexp", ROW, "logsumexp(x)" },
    { "erfinv", ROW, "erfinv(0.5 * tanh(x))" },
    { "clip", ROW, "clip(x, -0.3, 0.4)" },

    { "dense", ROW, "dense(x, 4)" },
    { "dense on a sequence", SEQ, "dense(x, 2, bias = false)" },
    { "flatten", IMAGE, "flatten(x)" },
    { "dropout", ROW, "dropout(x, 0.4)" },
    { "affine", ROW, "affine(x)" },
    { "prelu", ROW, "prelu(x)" },
    { "embedding", ROW, "embedding(label, 4, 3) * x" },

    { "conv2d", IMAGE, "conv2d(x, 3, 3)" },
    { "conv2d stride pad", IMAGE, "conv2d(x, 2, [3, 2], stride = [2, 1], pad = [1, 0])" },
    { "conv2d same dilation", IMAGE, "conv2d(x, 2, 2, pad = \"same\", dilation = 2)" },
    { "conv2d groups", IMAGE, "conv2d(x, 6, 3, groups = 2, stride = 2, pad = 1)" },
    { "conv1d", SEQ, "conv1d(x, 3, 3, stride = 2, pad = 1)" },
    { "conv1d groups", SEQ, "conv1d(x, 4, 2, groups = 2, dilation = 2)" },
    { "depthwise_conv2d", IMAGE, "depthwise_conv2d(x, 3, pad = 1, stride = 2)" },
    { "depthwise_conv2d multiplier", IMAGE, "depthwise_conv2d(x, 2, multiplier = 2)" },
    { "separable_conv2d", IMAGE, "separable_conv2d(x, 3, 3, pad = \"same\")" },
    { "conv_transpose2d", IMAGE, "conv_transpose2d(x, 2, 3, stride = 2, pad = 1, output_pad = 1)" },
    { "conv_transpose2d uneven", IMAGE, "conv_transpose2d(x, 2, [2, 3], stride = [3, 1])" },

    { "max_pool2d", IMAGE, "max_pool2d(x, 2)" },
    { "max_pool2d overlapping", IMAGE, "max_pool2d(x, 3, stride = 2, pad = 1)" },
    { "max_pool1d", SEQ, "max_pool1d(x, 2)" },
    { "avg_pool2d", IMAGE, "avg_pool2d(x, 2)" },
    { "avg_pool2d valid only", IMAGE, "avg_pool2d(x, 3, stride = 1, pad = \"same\", count_pad = false)" },
    { "avg_pool1d", SEQ, "avg_pool1d(x, 3, stride = 1, pad = 1)" },
    { "avg_pool1d valid only", SEQ, "avg_pool1d(x, 3, stride = 1, pad = 1, count_pad = false)" },
    { "global_max_pool", IMAGE, "global_max_pool(x)" },
    { "global_avg_pool", SEQ, "global_avg_pool(x)" },

    { "batch_norm", IMAGE, "batch_norm(x)" },
    { "layer_norm", SEQ, "layer_norm(x)" },
    { "rms_norm", SEQ, "rms_norm(x)" },
    { "group_norm", IMAGE, "group_norm(x, 2)" },

    { "attention", SEQ, "multi_head_attention(x, 2)" },
    { "causal attention", SEQ, "multi_head_attention(x, 2, causal = true)" },
    { "cross_attention", SEQ, "cross_attention(x, x[:, 0:3, :], 2)" },
    { "feed_forward", SEQ, "feed_forward(x, 6)" },
    { "transformer_block", SEQ, "transformer_block(x, 2, hidden = 6, causal = true, rate = 0.1)" },
    { "learned_positions", SEQ, "learned_positions(x)" },
    { "sinusoidal_positions", SEQ, "sinusoidal_positions(x)" },
    { "rnn_cell", ROW, "rnn_cell(x, 0.5 * x)" },
    { "gru_cell", ROW, "gru_cell(x, 0.5 * x)" },
    { "lstm_cell", ROW, "lstm_sum(x)" },

    { "mse", ROW, "mse(x, 0.3)" },
    { "mae", ROW, "mae(x, 0.3)" },
    { "huber", ROW, "huber(x, 0.3, delta = 0.5)" },
    { "cross_entropy", ROW, "cross_entropy(x, label)" },
    { "cross_entropy smoothed", ROW, "cross_entropy(x, label, smoothing = 0.1)" },
    { "cross_entropy one-hot", ROW, "cross_entropy(x, one_hot(label, 3))" },
    { "nll", ROW, "nll(log_softmax(x), label)" },
    { "bce", ROW, "bce(sigmoid(x), one_hot(label, 3))" },
    { "bce_with_logits", ROW, "bce_with_logits(20 * x, one_hot(label, 3))" },
    { "kl", ROW, "kl(log_softmax(x), [0.2, 0.3, 0.5])" },
    { "kl_normal", ROW, "kl_normal(x, 0.5 * x)" },
    { "hinge", ROW, "hinge(x, 2 * one_hot(label, 3) - 1)" },
    { "orthogonal", ROW, "dense(x, 5, init = square_init)" },
};

static const char *program(Arena *arena, const Sample *s)
{
    return arena_printf(arena,
        "fn square_init(fan_in: int, fan_out: int) = orthogonal()\n"
        "layer probe(x: f32[N, ...S]) -> f32[N, ...S] { param p: f32[...S] = normal(); return x + p }\n"
        "layer lstm_sum(x) { h, c = lstm_cell(x, 0.5 * x, 0.3 * x); return h + 0.5 * c }\n"
        "layer part(x, label: i32[N]) = %s\n"
        "net f(input: %s, label: i32[N]) { moved = probe(input); y = part(moved, label); return y }\n"
        "train t {\n"
        "    data input: %s = npy(\"x\")\n"
        "    data label: i32[N] = npy(\"y\")\n"
        "    batch 3\n"
        "    y = f(input, label)\n"
        "    minimize mean(square(y) + 0.7 * y) + 0.1 * l2(f) + 0.2 * l1(f, biases = true) with sgd(lr = 1.0)\n"
        "}\n", s->expr, s->input, s->input);
}

static double loss_at(Case *c, Graph *step, const NamedTensor *inputs, int n_inputs, Tensor *vars)
{
    EvalRun run = { .ctx = { .seed = 7, .step = 2 }, .inputs = inputs, .n_inputs = n_inputs };
    int n = c->module->vars.len;
    run.vars = ARENA_ARRAY(c->arena, Tensor, n + 1); /* the step writes to a copy */
    for (int i = 0; i < n; i++) {
        run.vars[i] = tensor_new(c->arena, vars[i].type);
        memcpy(run.vars[i].data, vars[i].data, sizeof(double) * (size_t)type_count(&vars[i].type));
    }
    const char *fault = graph_eval(step, &run, c->arena);
    if (fault)
        fail_msg("%s", fault);
    memcpy(c->vars, run.vars, sizeof *vars * (size_t)n);
    return case_output(&run, "loss").data[0];
}

/* Some elements of each parameter. Returns how many were checked. */
static int check_var(Case *c, const Sample *s, Graph *step, const NamedTensor *inputs, int n_inputs, Tensor *vars,
                     const Tensor *after, const char *name)
{
    enum { AT_MOST = 8 };
    int64_t count = type_count(&vars->type), stride = count <= AT_MOST ? 1 : count / AT_MOST;
    int checked = 0;
    Tensor *base = c->vars;
    for (int64_t i = 0; i < count; i += stride, checked++) {
        const double h = 1e-5, x = vars->data[i], grad = x - after->data[i];
        Tensor *all = base;
        vars->data[i] = x + h;
        c->vars = ARENA_ARRAY(c->arena, Tensor, c->module->vars.len + 1);
        double up = loss_at(c, step, inputs, n_inputs, all);
        vars->data[i] = x - h;
        double down = loss_at(c, step, inputs, n_inputs, all);
        vars->data[i] = x;
        c->vars = base;
        double want = (up - down) / (2 * h), scale = fabs(want) > 1e-2 ? fabs(want) : 1e-2;
        if (!(fabs(grad - want) <= 1e-5 * scale + 1e-9))
            fail_msg("%s: d loss / d %s[%d] is %.9g, by differences %.9g", s->name, name, (int)i, grad, want);
    }
    return checked;
}

static void check_sample(const Sample *s)
{
    Case c;
    Arena *text = arena_new();
    const char *fault = case_open(&c, program(text, s));
    if (fault)
        fail_msg("%s:\n%s", s->name, fault);
    Graph *step = module_find_graph(c.module, "t", -1);
    assert_non_null(step);
    int n_inputs, n = c.module->vars.len, checked = 0;
    NamedTensor *inputs = case_inputs(&c, step, &n_inputs);
    Tensor *start = c.vars;
    c.vars = ARENA_ARRAY(c.arena, Tensor, n + 1);
    loss_at(&c, step, inputs, n_inputs, start);
    Tensor *after = c.vars;
    c.vars = start;
    for (int i = 0; i < n; i++)
        if (c.module->vars.data[i]->kind == VAR_PARAM)
            checked += check_var(&c, s, step, inputs, n_inputs, &start[i], &after[i], c.module->vars.data[i]->name);
    if (!checked)
        fail_msg("%s: no parameter was checked", s->name);
    arena_free(c.arena);
    arena_free(text);
}

static void test_gradients(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof SAMPLES / sizeof *SAMPLES; i++)
        check_sample(&SAMPLES[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_gradients) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
