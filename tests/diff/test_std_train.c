/* Losses, metrics, optimizers, schedules and the layers that behave differently in training, by the
 * reference evaluator, against direct formulas written here. */
#include "std_case.h"

static void near_value(const char *what, double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance * (1 + fabs(want))))
        fail_msg("%s: %.12g, but it should be %.12g", what, got, want);
}

/* Value of an expression of x: f32[6, 3] and label: i32[6] (0, 1, 2, 0, 1, 2). */
typedef struct {
    Case c;
    double x[6][3], y;
} Scalar;

static Scalar scalar_of(const char *expr, uint64_t step)
{
    Scalar s;
    char text[300];
    snprintf(text, sizeof text, "net f(x: f32[6, 3], label: i32[6]) = %s + 0 * sum(x) + 0 * mean(cast(label, f32))\n", expr);
    const char *fault = case_open(&s.c, text);
    if (fault)
        fail_msg("%s\n%s", expr, fault);
    Graph *g = module_find_graph(s.c.module, "f", -1);
    int n;
    NamedTensor *inputs = case_inputs(&s.c, g, &n);
    for (int i = 0; i < n; i++)
        if (!strcmp(inputs[i].name, "x"))
            memcpy(s.x, inputs[i].value.data, sizeof s.x);
    EvalRun run = { .ctx = { .seed = 7, .step = step }, .inputs = inputs, .n_inputs = n };
    fault = case_run_graph(&s.c, g, &run);
    if (fault)
        fail_msg("%s\n%s", expr, fault);
    Tensor y = case_output(&run, NULL);
    assert_int_equal(type_count(&y.type), 1);
    s.y = y.data[0];
    return s;
}

static double log_softmax(const double *z, int k)
{
    return z[k] - log(exp(z[0]) + exp(z[1]) + exp(z[2]));
}

static void test_losses(void **state)
{
    (void)state;
    Scalar s = scalar_of("cross_entropy(x, label)", 0), smooth = scalar_of("cross_entropy(x, label, smoothing = 0.2)", 0),
           hot = scalar_of("cross_entropy(x, one_hot(label, 3))", 0), hinge = scalar_of("hinge(x, -1)", 0),
           huber = scalar_of("huber(x, 0.1, delta = 0.4)", 0), bce = scalar_of("bce(sigmoid(x), one_hot(label, 3))", 0),
           logits = scalar_of("bce_with_logits(x, one_hot(label, 3))", 0), mse = scalar_of("mse(x, 0.5)", 0),
           mae = scalar_of("mae(x, 0.5)", 0), kl = scalar_of("kl(log_softmax(x), [0.2, 0.3, 0.5])", 0);
    double ce = 0, sm = 0, hi = 0, hu = 0, bc = 0, sq = 0, ab = 0, div = 0;
    for (int n = 0; n < 6; n++)
        for (int k = 0; k < 3; k++) {
            double x = s.x[n][k], t = n % 3 == k, e = fabs(x - 0.1), l = log_softmax(s.x[n], k), p = 1 / (1 + exp(-x));
            const double target[3] = { 0.2, 0.3, 0.5 };
            ce -= t * l / 6;
            sm -= (0.8 * t + 0.2 / 3) * l / 6;
            hi += fmax(0, 1 + x) / 18;
            hu += (e < 0.4 ? e * e / 2 : 0.4 * (e - 0.2)) / 18;
            bc -= (t * log(p) + (1 - t) * log(1 - p)) / 18;
            sq += (x - 0.5) * (x - 0.5) / 18;
            ab += fabs(x - 0.5) / 18;
            div += target[k] * (log(target[k]) - l) / 6;
        }
    near_value("cross_entropy", s.y, ce, 1e-6);
    near_value("cross_entropy, one-hot", hot.y, ce, 1e-6);
    near_value("label smoothing", smooth.y, sm, 1e-6);
    near_value("hinge", hinge.y, hi, 1e-6);
    near_value("huber", huber.y, hu, 1e-6);
    near_value("bce", bce.y, bc, 1e-6);
    near_value("bce_with_logits", logits.y, bc, 1e-6);
    near_value("mse", mse.y, sq, 1e-6);
    near_value("mae", mae.y, ab, 1e-6);
    near_value("kl", kl.y, div, 1e-6);
    Scalar *all[] = { &s, &smooth, &hot, &hinge, &huber, &bce, &logits, &mse, &mae, &kl };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        arena_free(all[i]->c.arena);
}

static void test_metrics(void **state)
{
    (void)state;
    Scalar acc = scalar_of("accuracy(x, label)", 0), top2 = scalar_of("top_k_accuracy(x, label, k = 2)", 0),
           pre = scalar_of("precision(x, one_hot(label, 3), threshold = 0)", 0),
           rec = scalar_of("recall(x, one_hot(label, 3), threshold = 0)", 0),
           f1 = scalar_of("f1(x, one_hot(label, 3), threshold = 0)", 0), mf1 = scalar_of("macro_f1(x, label)", 0),
           mp = scalar_of("macro_precision(x, label)", 0), mr = scalar_of("macro_recall(x, label)", 0),
           r2 = scalar_of("r2(0.5 * x[:, 0], x[:, 0])", 0), rmse = scalar_of("rmse(x, 0)", 0),
           bin = scalar_of("binary_accuracy(x, one_hot(label, 3), threshold = 0)", 0);
    double right = 0, among = 0, tp = 0, called = 0, truth = 0, squares = 0, agree = 0;
    double c_right[3] = { 0 }, c_called[3] = { 0 }, sum0 = 0, left = 0, whole = 0;
    for (int n = 0; n < 6; n++) {
        const double *x = acc.x[n];
        int best = x[0] >= x[1] ? (x[0] >= x[2] ? 0 : 2) : x[1] >= x[2] ? 1 : 2, above = 0;
        right += best == n % 3;
        c_called[best]++;
        c_right[best] += best == n % 3;
        sum0 += x[0] / 6;
        for (int k = 0; k < 3; k++) {
            bool t = n % 3 == k, p = x[k] > 0;
            above += x[k] > x[n % 3];
            tp += t && p;
            called += p;
            truth += t;
            agree += t == p;
            squares += x[k] * x[k] / 18;
        }
        among += above < 2;
    }
    for (int n = 0; n < 6; n++) {
        left += 0.25 * acc.x[n][0] * acc.x[n][0];
        whole += (acc.x[n][0] - sum0) * (acc.x[n][0] - sum0);
    }
    double p3 = 0, r3 = 0, f3 = 0;
    for (int k = 0; k < 3; k++) {
        p3 += c_right[k] / fmax(c_called[k], 1) / 3;
        r3 += c_right[k] / 2 / 3;
        f3 += 2 * c_right[k] / (c_called[k] + 2) / 3;
    }
    near_value("accuracy", acc.y, right / 6, 1e-6);
    near_value("top_k_accuracy", top2.y, among / 6, 1e-6);
    near_value("precision", pre.y, tp / called, 1e-6);
    near_value("recall", rec.y, tp / truth, 1e-6);
    near_value("f1", f1.y, 2 * tp / (called + truth), 1e-6);
    near_value("binary_accuracy", bin.y, agree / 18, 1e-6);
    near_value("macro_precision", mp.y, p3, 1e-6);
    near_value("macro_recall", mr.y, r3, 1e-6);
    near_value("macro_f1", mf1.y, f3, 1e-6);
    near_value("rmse", rmse.y, sqrt(squares), 1e-6);
    near_value("r2", r2.y, 1 - left / whole, 1e-6);
    Scalar *all[] = { &acc, &top2, &pre, &rec, &f1, &mf1, &mp, &mr, &r2, &rmse, &bin };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        arena_free(all[i]->c.arena);
}

static void test_schedules(void **state)
{
    (void)state;
    static const struct {
        const char *expr;
        uint64_t step;
        double want;
    } rows[] = {
        { "step_decay(0.8, every = 10, factor = 0.5)", 0, 0.8 }, { "step_decay(0.8, every = 10, factor = 0.5)", 9, 0.8 },
        { "step_decay(0.8, every = 10, factor = 0.5)", 20, 0.2 },
        { "exponential_decay(0.8, every = 10, factor = 0.25)", 5, 0.4 },
        { "cosine_decay(1, steps = 100)", 0, 1 }, { "cosine_decay(1, steps = 100)", 50, 0.5 },
        { "cosine_decay(1, steps = 100, last = 0.1)", 300, 0.1 }, { "linear_decay(1, steps = 10, last = 0.2)", 5, 0.6 },
        { "linear_decay(1, steps = 10, last = 0.2)", 50, 0.2 }, { "inverse_sqrt_decay(1)", 8, 1.0 / 3 },
        { "warmup(0.5, steps = 10)", 0, 0.05 }, { "warmup(0.5, steps = 10)", 40, 0.5 },
        { "(cosine_decay(1, steps = 100) |> warmup(100))", 49, 0.25 * 1.0314107590781283 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Scalar s = scalar_of(rows[i].expr, rows[i].step);
        near_value(rows[i].expr, s.y, rows[i].want, 1e-6);
        arena_free(s.c.arena);
    }
}

/* ---- optimizers: w in two dimensions, gradient w * q, q the sums of squares of x's columns ---- */

typedef struct {
    double w, a, b; /* the weight, two slots */
} Slot;
typedef void (*Update)(Slot *s, double g, int t, double norm);

static void do_sgd(Slot *s, double g, int t, double norm) { (void)t, (void)norm; s->w -= 0.1 * g; }
static void do_momentum(Slot *s, double g, int t, double norm)
{
    (void)t, (void)norm;
    s->a = 0.8 * s->a + g;
    s->w -= 0.1 * s->a;
}
static void do_nesterov(Slot *s, double g, int t, double norm)
{
    (void)t, (void)norm;
    s->a = 0.8 * s->a + g;
    s->w -= 0.1 * (g + 0.8 * s->a);
}
static void do_adagrad(Slot *s, double g, int t, double norm)
{
    (void)t, (void)norm;
    s->a += g * g;
    s->w -= 0.1 * g / (sqrt(s->a) + 1e-10);
}
static void do_rmsprop(Slot *s, double g, int t, double norm)
{
    (void)t, (void)norm;
    s->a = 0.8 * s->a + 0.2 * g * g;
    s->w -= 0.1 * g / (sqrt(s->a) + 1e-8);
}
static void do_adam(Slot *s, double g, int t, double norm)
{
    (void)norm;
    s->a = 0.9 * s->a + 0.1 * g;
    s->b = 0.999 * s->b + 0.001 * g * g;
    s->w -= 0.1 * (s->a / (1 - pow(0.9, t))) / (sqrt(s->b / (1 - pow(0.999, t))) + 1e-8);
}
static void do_adamw(Slot *s, double g, int t, double norm)
{
    s->w -= 0.1 * 0.05 * s->w;
    do_adam(s, g, t, norm);
}
static void do_clip_value(Slot *s, double g, int t, double norm) { (void)t, (void)norm; s->w -= 0.1 * fmin(fmax(g, -0.3), 0.3); }
static void do_clip_norm(Slot *s, double g, int t, double norm) { (void)t; s->w -= 0.1 * g * fmin(1, 0.5 / norm); }
static void do_decay(Slot *s, double g, int t, double norm) { (void)t, (void)norm; s->w -= 0.1 * (g + 0.2 * s->w); }

static void check_optimizer(const char *with, Update update)
{
    Case c;
    char text[500];
    snprintf(text, sizeof text,
             "layer hold(x: f32[N, 2]) { param w: f32[2] = 1.5 - cast(iota(shape), f32) * 0.7; return x * w }\n"
             "net f(x: f32[N, 2]) { y = hold(x); return y }\n"
             "train t { data x: f32[N, 2] = npy(\"x\"); batch 3; minimize 0.5 * sum(square(f(x))) with %s }\n", with);
    const char *fault = case_open(&c, text);
    if (fault)
        fail_msg("%s\n%s", with, fault);
    Graph *step = module_find_graph(c.module, "t", -1);
    int n;
    NamedTensor *inputs = case_inputs(&c, step, &n);
    const double *x = inputs[0].value.data;
    double q[2] = { x[0] * x[0] + x[2] * x[2] + x[4] * x[4], x[1] * x[1] + x[3] * x[3] + x[5] * x[5] };
    Slot slot[2] = { { .w = 1.5 }, { .w = 0.8 } };
    for (int t = 1; t <= 6; t++) {
        EvalRun run = { .ctx = { .seed = 7, .step = (uint64_t)t - 1 }, .inputs = inputs, .n_inputs = n };
        fault = case_run_graph(&c, step, &run);
        if (fault)
            fail_msg("%s\n%s", with, fault);
        double g[2] = { slot[0].w * q[0], slot[1].w * q[1] }, norm = sqrt(g[0] * g[0] + g[1] * g[1]);
        for (int k = 0; k < 2; k++) {
            update(&slot[k], g[k], t, norm);
            near_value(with, case_var(&c, "f.y.w")->data[k], slot[k].w, 1e-5);
        }
    }
    arena_free(c.arena);
}

static void test_optimizers(void **state)
{
    (void)state;
    check_optimizer("sgd(lr = 0.1)", do_sgd);
    check_optimizer("momentum(lr = 0.1, beta = 0.8)", do_momentum);
    check_optimizer("nesterov(lr = 0.1, beta = 0.8)", do_nesterov);
    check_optimizer("adagrad(lr = 0.1)", do_adagrad);
    check_optimizer("rmsprop(lr = 0.1, beta = 0.8)", do_rmsprop);
    check_optimizer("adam(lr = 0.1)", do_adam);
    check_optimizer("adamw(lr = 0.1, decay = 0.05)", do_adamw);
    check_optimizer("clip_by_value(0.3) |> sgd(lr = 0.1)", do_clip_value);
    check_optimizer("clip_by_norm(0.5) |> sgd(lr = 0.1)", do_clip_norm);
    check_optimizer("weight_decay(0.2) |> sgd(lr = 0.1)", do_decay);
}

/* ---- layers that know of training ---- */

typedef struct {
    Case c;
    Graph *step, *infer;
    NamedTensor *inputs;
    int n_inputs;
} Trainer;

static Trainer trainer(const char *body, const char *type)
{
    Trainer t;
    char text[500];
    snprintf(text, sizeof text,
             "net f(x: %s) { %s }\n"
             "train t { data x: %s = npy(\"x\"); batch 4; minimize mean(square(f(x))) with sgd(lr = 0.0) }\n", type, body, type);
    const char *fault = case_open(&t.c, text);
    if (fault)
        fail_msg("%s\n%s", body, fault);
    t.step = module_find_graph(t.c.module, "t", -1);
    t.infer = module_find_graph(t.c.module, "f", -1);
    t.inputs = case_inputs(&t.c, t.step, &t.n_inputs);
    return t;
}

static EvalRun train_step(Trainer *t, uint64_t step, int epoch)
{
    EvalRun run = { .ctx = { .seed = 7, .step = step, .epoch = epoch }, .inputs = t->inputs, .n_inputs = t->n_inputs };
    const char *fault = case_run_graph(&t->c, t->step, &run);
    if (fault)
        fail_msg("%s", fault);
    return run;
}

static void test_batch_norm(void **state)
{
    (void)state;
    Trainer t = trainer("y = batch_norm(x, momentum = 0.25); return y", "f32[N, 2]");
    const double *x = t.inputs[0].value.data;
    EvalRun run = train_step(&t, 0, 0);
    double loss = 0;
    for (int k = 0; k < 2; k++) {
        double m = (x[k] + x[2 + k] + x[4 + k] + x[6 + k]) / 4, v = 0;
        for (int n = 0; n < 4; n++)
            v += (x[2 * n + k] - m) * (x[2 * n + k] - m) / 4;
        loss += v / (v + 1e-5) / 2;
        near_value("running_mean", case_var(&t.c, "f.y.running_mean")->data[k], 0.25 * m, 1e-6);
        near_value("running_var", case_var(&t.c, "f.y.running_var")->data[k], 0.75 + 0.25 * v * 4 / 3, 1e-6);
    }
    near_value("batch_norm while training", case_output(&run, "loss").data[0], loss, 1e-6);
    arena_free(t.c.arena);
}

static void test_normalize(void **state)
{
    (void)state;
    Trainer t = trainer("z = normalize(x); y = dense(z, 1); return y", "f32[N, 2]");
    double *x = t.inputs[0].value.data, sum = 0, squares = 0;
    for (int batch = 0; batch < 3; batch++) {
        for (int n = 0; n < 4; n++) {
            x[2 * n] = 10 + batch * 3 + case_noise("data", batch * 4 + n, -2, 2);
            sum += x[2 * n] / 12;
            squares += x[2 * n] * x[2 * n] / 12;
        }
        train_step(&t, (uint64_t)batch, 0);
    }
    x[0] = 1e6;
    train_step(&t, 3, 1); /* a later epoch changes nothing */
    near_value("seen", case_var(&t.c, "f.z.seen")->data[0], 12, 1e-6);
    near_value("centre", case_var(&t.c, "f.z.centre")->data[0], sum, 1e-6);
    near_value("spread", case_var(&t.c, "f.z.spread")->data[0], 12 * (squares - sum * sum), 1e-5);
    Tensor *w = case_var(&t.c, "f.y.weight");
    w->data[0] = 1, w->data[1] = 0;
    int n;
    NamedTensor *inputs = case_inputs(&t.c, t.infer, &n);
    inputs[0].value.data[0] = 13;
    EvalRun run = { .inputs = inputs, .n_inputs = n };
    assert_null(case_run_graph(&t.c, t.infer, &run));
    near_value("normalize", case_output(&run, NULL).data[0], (13 - sum) / sqrt(squares - sum * sum + 1e-6), 1e-5);
    arena_free(t.c.arena);
}

static void test_dropout(void **state)
{
    (void)state;
    Trainer t = trainer("z = dropout(x, 0.3); y = dense(z, 1); return y", "f32[N, 500]");
    int zeros = 0, other = 0, same = 0;
    double first[2000];
    for (int round = 0; round < 2; round++) {
        EvalRun run = train_step(&t, (uint64_t)round, 0);
        for (int i = 0; i < t.step->nodes.len; i++) {
            const Node *node = t.step->nodes.data[i];
            if (node->op != &op_select || node->type.rank != 2 || node->type.dim[1] != 500)
                continue;
            const double *x = t.inputs[0].value.data, *y = run.values[i].data;
            for (int k = 0; k < 2000; k++) {
                if (round == 0)
                    first[k] = y[k];
                zeros += y[k] == 0;
                other += y[k] != 0 && fabs(y[k] - x[k] / 0.7) > 1e-6;
                same += round == 1 && y[k] == first[k];
            }
            break;
        }
    }
    assert_int_equal(other, 0);
    assert_true(zeros > 0.27 * 4000 && zeros < 0.33 * 4000);
    assert_true(same < 0.7 * 2000); /* another mask in each step */
    for (int i = 0; i < t.infer->nodes.len; i++)
        assert_true(t.infer->nodes.data[i]->op != &op_select); /* nothing of it in inference */
    arena_free(t.c.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_losses), cmocka_unit_test(test_metrics), cmocka_unit_test(test_schedules),
        cmocka_unit_test(test_optimizers), cmocka_unit_test(test_batch_norm), cmocka_unit_test(test_normalize),
        cmocka_unit_test(test_dropout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
