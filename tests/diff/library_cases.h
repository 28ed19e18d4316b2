/* Every layer, function, loss and optimizer of the library in a small network of its own. The tests
 * make one .nn file of them; a library name that no case uses fails the tests.
 *
 * inputs: declarations as in a .nn file; names say what values they get (see fill in test_library.c):
 * label* integers in [0, 3), prob* in (0.05, 0.95), sign* -1 or 1, dist* rows that sum to 1, others in
 * [-1, 1]. loss: NET stands for the net's call; NULL: sum(sin(NET + 0.3)). with: NULL: sgd(lr = 1.0). */
typedef struct {
    const char *inputs, *body, *loss, *with;
} Case;

#define ACT(f) { "x: f32[N, 6]", "x |> dense(5) |> " f, NULL, NULL }
#define OPT(o) { "x: f32[N, 4], target: f32[N, 3]", "x |> dense(3)", "mse(NET, target)", o }
#define MET(m) { "x: f32[N, 4], label: i32[N]", "x |> dense(3)", "cross_entropy(NET, label) + 0.5 * stop_grad(" m ")", NULL }
#define BIN(m) { "x: f32[N, 4], probt: f32[N, 3]", "x |> dense(3) |> sigmoid", "mse(NET, probt) + 0.5 * stop_grad(" m ")", NULL }
#define INIT(i) { "x: f32[N, 4]", "x |> dense(5, init = " i ")", NULL, NULL }

static const Case CASES[] = {
    ACT("relu"), ACT("relu6"), ACT("leaky_relu"), ACT("leaky_relu(0.2)"), ACT("elu"), ACT("elu(alpha = 0.5)"), ACT("selu"),
    ACT("gelu"), ACT("gelu_tanh"), ACT("sigmoid"), ACT("silu"), ACT("softplus"), ACT("mish"), ACT("softsign"),
    ACT("hard_sigmoid"), ACT("hard_silu"), ACT("softmax"), ACT("log_softmax"), ACT("tanh"), ACT("softmax(axis = 0)"),
    ACT("logsumexp"), ACT("clip(-0.3, 0.4)"), ACT("square"), ACT("constant"),
    { "x: f32[N, 4]", "0.5 * erfinv(0.3 * (x |> dense(3) |> tanh))", NULL, NULL },
    /* layers */
    { "x: f32[N, 4]", "x |> dense(3, bias = false)", NULL, NULL },
    { "x: f32[N, 5, 4]", "x |> dense(3)", NULL, NULL },
    { "x: f32[N, 2, 3]", "x |> flatten |> dense(3)", NULL, NULL },
    { "x: f32[N, 9]", "x |> dense(8) |> dropout(0.3)", NULL, NULL },
    { "x: f32[N, 4]", "x |> affine", NULL, NULL },
    { "x: f32[N, 4]", "x |> dense(3) |> prelu", NULL, NULL },
    { "label: i32[N, 4]", "embedding(label, 3, 5)", NULL, NULL },
    { "label: i32[N]", "embed(label, 3, 5)", NULL, NULL },
    { "x: f32[N, 7, 6, 3]", "x |> conv2d(4, 3)", NULL, NULL },
    { "x: f32[N, 7, 6, 3]", "x |> conv2d(4, [3, 2], stride = 2, pad = 1)", NULL, NULL },
    { "x: f32[N, 9, 8, 3]", "x |> conv2d(4, 3, dilation = 2, pad = \"same\", bias = false)", NULL, NULL },
    { "x: f32[N, 9, 8, 2]", "x |> conv2d(3, 3) |> relu |> conv2d(2, 3, stride = 3)", NULL, NULL },
    { "x: f32[N, 9, 8, 2]", "x |> conv2d(3, 1) |> relu |> conv2d(4, 5, stride = 2, dilation = 1, pad = [2, 3])", NULL, NULL },
    { "x: f32[N, 7, 6, 4]", "x |> conv2d(4, 1) |> conv2d(6, 3, groups = 2, stride = 2)", NULL, NULL },
    { "x: f32[N, 11, 3]", "x |> conv1d(4, 3) |> tanh |> conv1d(2, 3, stride = 2, pad = 1)", NULL, NULL },
    { "x: f32[N, 11, 4]", "x |> conv1d(4, 3, dilation = 2) |> conv1d(6, 2, groups = 2)", NULL, NULL },
    { "x: f32[N, 7, 6, 3]", "x |> conv2d(3, 1) |> depthwise_conv2d(3, pad = 1)", NULL, NULL },
    { "x: f32[N, 7, 6, 3]", "x |> conv2d(3, 1) |> depthwise_conv2d(3, stride = 2, multiplier = 2)", NULL, NULL },
    { "x: f32[N, 7, 6, 3]", "x |> separable_conv2d(4, 3)", NULL, NULL },
    { "x: f32[N, 4, 3, 2]", "x |> conv2d(3, 1) |> conv_transpose2d(2, 3)", NULL, NULL },
    { "x: f32[N, 4, 3, 2]", "x |> conv2d(3, 1) |> conv_transpose2d(2, 4, stride = 2, pad = 1, output_pad = 1)", NULL, NULL },
    { "x: f32[N, 6, 7, 3]", "x |> conv2d(3, 1) |> max_pool2d(2)", NULL, NULL },
    { "x: f32[N, 7, 7, 3]", "x |> conv2d(3, 1) |> max_pool2d(3, stride = 2, pad = 1)", NULL, NULL },
    { "x: f32[N, 9, 3]", "x |> conv1d(3, 1) |> max_pool1d(3, stride = 2)", NULL, NULL },
    { "x: f32[N, 6, 7, 3]", "x |> conv2d(3, 1) |> avg_pool2d(2)", NULL, NULL },
    { "x: f32[N, 7, 7, 3]", "x |> conv2d(3, 1) |> avg_pool2d(3, stride = 2, pad = 1, count_pad = false)", NULL, NULL },
    { "x: f32[N, 9, 3]", "x |> conv1d(3, 1) |> avg_pool1d(3, stride = 2)", NULL, NULL },
    { "x: f32[N, 5, 4, 3]", "x |> conv2d(3, 1) |> global_max_pool", NULL, NULL },
    { "x: f32[N, 5, 4, 3]", "x |> conv2d(3, 1) |> global_avg_pool", NULL, NULL },
    { "x: f32[N, 5]", "x |> dense(4) |> batch_norm", NULL, NULL },
    { "x: f32[N, 4, 3, 2]", "x |> conv2d(3, 1) |> batch_norm |> relu", NULL, NULL },
    { "x: f32[N, 5]", "x |> dense(6) |> layer_norm", NULL, NULL },
    { "x: f32[N, 3, 5]", "x |> dense(6) |> rms_norm", NULL, NULL },
    { "x: f32[N, 4, 3, 2]", "x |> conv2d(6, 1) |> group_norm(3)", NULL, NULL },
    { "x: f32[N, 5]", "x |> normalize |> dense(3)", NULL, NULL },
    { "x: f32[N, 5, 8]", "x |> multi_head_attention(2)", NULL, NULL },
    { "x: f32[N, 5, 8]", "x |> multi_head_attention(2, causal = true, bias = false)", NULL, NULL },
    { "x: f32[N, 5, 8], m: f32[N, 3, 6]", "cross_attention(x, m, 2)", NULL, NULL },
    { "x: f32[N, 4, 6]", "x |> learned_positions |> sinusoidal_positions |> feed_forward(10)", NULL, NULL },
    { "x: f32[N, 4, 8]", "x |> transformer_block(2, causal = true, rate = 0.1)", NULL, NULL },
    { "x: f32[N, 4, 8]", "x |> transformer_block(4, hidden = 12, activation = relu)", NULL, NULL },
    { "x: f32[N, 4, 8]", "x |> transformer_block(2, rate = 0.1, post_norm = true)", NULL, NULL },
    { "x: f32[N, 3, 6]", "x |> learned_positions(5)", NULL, NULL },
    { "label: i32[N, 4]", "tied(label)", NULL, NULL },
    { "x: f32[N, 4], h: f32[N, 3]", "rnn_cell(x, h)", NULL, NULL },
    { "x: f32[N, 4], h: f32[N, 3]", "gru_cell(x, h)", NULL, NULL },
    { "x: f32[N, 4], h: f32[N, 3], c: f32[N, 3]", "lstm_both(x, h, c)", NULL, NULL },
    /* losses */
    { "x: f32[N, 4], y: f32[N, 3]", "x |> dense(3)", "mse(NET, y)", NULL },
    { "x: f32[N, 4], y: f32[N, 3]", "x |> dense(3)", "mae(NET, y)", NULL },
    { "x: f32[N, 4], y: f32[N, 3]", "x |> dense(3)", "huber(NET, y, delta = 0.4)", NULL },
    { "x: f32[N, 4], label: i32[N]", "x |> dense(3)", "cross_entropy(NET, label)", NULL },
    { "x: f32[N, 4], label: i32[N]", "x |> dense(3)", "cross_entropy(NET, label, smoothing = 0.1)", NULL },
    { "x: f32[N, 4], label: i32[N]", "x |> dense(3)", "cross_entropy(NET, one_hot(label, 3))", NULL },
    { "x: f32[N, 4], label: i32[N]", "x |> dense(3) |> log_softmax", "nll(NET, label)", NULL },
    { "x: f32[N, 4], probt: f32[N, 3]", "x |> dense(3) |> sigmoid", "bce(NET, probt)", NULL },
    { "x: f32[N, 4], probt: f32[N, 3]", "x |> dense(3)", "bce_with_logits(NET, probt)", NULL },
    { "x: f32[N, 4], dist: f32[N, 3]", "x |> dense(3) |> log_softmax", "kl(NET, dist)", NULL },
    { "x: f32[N, 4]", "x |> dense(3)", "kl_normal(NET, 0.5 * NET)", NULL },
    { "x: f32[N, 4], sign: f32[N, 3]", "x |> dense(3)", "hinge(NET, sign)", NULL },
    { "x: f32[N, 4], y: f32[N, 3]", "x |> dense(3)", "mse(NET, y) + 0.1 * l2(NETNAME) + 0.2 * l1(NETNAME)", NULL },
    { "x: f32[N, 4], y: f32[N, 3]", "x |> dense(3)", "mean_squared_error(NET, y) + mean_absolute_error(NET, y)", NULL },
    { "x: f32[N, 4], y: f32[N, 3]", "x |> dense(3)", "rmse(NET, y) - 0.1 * r2(NET, y)", NULL },
    /* metrics: no gradient, but evaluated and compiled */
    MET("accuracy(NET, label)"), MET("top_k_accuracy(NET, label, k = 2)"), MET("macro_precision(NET, label)"),
    MET("macro_recall(NET, label)"), MET("macro_f1(NET, label)"), MET("categorical_accuracy(NET, one_hot(label, 3))"),
    BIN("binary_accuracy(NET, round(probt))"), BIN("precision(NET, round(probt))"), BIN("recall(NET, round(probt))"),
    BIN("f1(NET, round(probt))"),
    /* initialisers */
    INIT("glorot_uniform"), INIT("glorot_normal"), INIT("he_uniform"), INIT("he_normal"), INIT("lecun_uniform"),
    INIT("lecun_normal"), { "x: f32[N, 4]", "x |> own_init", NULL, NULL },
    /* optimizers, transforms, schedules: compiled against evaluated (the gradient check needs plain sgd) */
    OPT("sgd"), OPT("momentum"), OPT("nesterov"), OPT("adagrad"), OPT("rmsprop"), OPT("adam"), OPT("adamw"),
    OPT("clip_by_value(0.01) |> sgd(lr = 0.1)"), OPT("clip_by_norm(0.1) |> sgd(lr = 0.1)"),
    OPT("weight_decay(0.1) |> momentum(lr = 0.1)"), OPT("sgd(lr = step_decay(0.1, every = 2))"),
    OPT("sgd(lr = exponential_decay(0.1, every = 2))"), OPT("sgd(lr = cosine_decay(0.1, steps = 9))"),
    OPT("sgd(lr = linear_decay(0.1, steps = 9))"), OPT("sgd(lr = inverse_sqrt_decay(0.1))"),
    OPT("adam(lr = warmup(cosine_decay(0.1, steps = 9), steps = 3))"),
};
enum { N_CASES = sizeof CASES / sizeof *CASES };

/* Definitions the cases use. */
static const char PRELUDE[] = "layer lstm_both(x, h, c) {\n"
                              "    a, b = lstm_cell(x, h, c)\n"
                              "    return a + 2 * b\n"
                              "}\n"
                              "layer tied(tokens) {\n"
                              "    param table: f32[3, 5] = normal(0, 0.5)\n"
                              "    hidden = gather(table, tokens) |> dense(5) |> tanh\n"
                              "    return unembed(hidden, table)\n"
                              "}\n"
                              "layer own_init(x: f32[N, I]) {\n"
                              "    param a: f32[4, I] = orthogonal()\n"
                              "    param b: f32[4] = truncated_normal(0, 0.5)\n"
                              "    param c: f32[4] = normal(0.1, 0.2)\n"
                              "    param d: f32[4] = uniform(-1, 1)\n"
                              "    param e: f32[4] = constant(0.5)\n"
                              "    y[n, o] = sum(i) x[n, i] * a[o, i]\n"
                              "    return (y + b) * c + d * e\n"
                              "}\n";

/* Helpers of the library that only serve other library text. */
static const char *const INTERNAL[] = { "pad_taps", "pair", "padding", "padding2d", "window_count", "pad_images",
                                        "pad_sequences", "pool_stride", "window_sum2d", "window_sum1d", "moments",
                                        "attention",    "class_target", "pad_by" };
