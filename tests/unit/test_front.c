/* The front end: what programs compute (by the reference evaluator), the graphs they become (by text),
 * names of variables, training steps and records. Errors are in tests/errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "front/front.h"
#include "ops/ops.h"
#include "passes/passes.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- building ---- */

typedef struct {
    Arena *arena;
    Text said;
    Module *module;
} Build;

static void keep(void *user, DiagLevel level, const char *text)
{
    (void)level;
    text_add(user, text);
}

static Build build_with(const char *text, const FrontOptions *options)
{
    Build b = { .arena = arena_new() };
    b.said = (Text){ .arena = b.arena };
    text_add(&b.said, "");
    Text *said = ARENA_NEW(b.arena, Text);
    *said = b.said;
    Diags d = { .arena = b.arena, .fn = keep, .user = said };
    Source *s = source_new(b.arena, "t.nn", text, strlen(text));
    b.module = front_build(b.arena, intern_new(b.arena), s, options, &d);
    b.said = *said;
    if (!b.module)
        print_message("%s\n%s\n", text, b.said.data);
    return b;
}

static Build build(const char *text) { return build_with(text, &(FrontOptions){0}); }

/* Graph text without places and paths. */
static char *bare_text(Build *b, const Graph *g)
{
    Text t = { .arena = b->arena };
    graph_print(g, &t);
    char *out = t.data;
    for (char *p = t.data; *p;) {
        size_t skip = 0;
        if (strncmp(p, " loc(", 5) == 0 || strncmp(p, " path(", 6) == 0)
            skip = (size_t)(strchr(p, ')') - p) + 1;
        if (skip) {
            p += skip;
            continue;
        }
        *out++ = *p++;
    }
    *out = 0;
    return t.data;
}

static int count_ops(const Graph *g, const OpDef *op)
{
    int n = 0;
    for (int i = 0; i < g->nodes.len; i++)
        n += g->nodes.data[i]->op == op;
    return n;
}

/* ---- evaluation: inputs are 1, 2, 3, ... (f32) and 0, 1, 2, 0, ... (i32), vars as the init graph ---- */

static Tensor filled(Arena *arena, Type type)
{
    Tensor t = tensor_new(arena, type);
    for (int64_t i = 0; i < type_count(&type); i++)
        t.data[i] = type.dtype == DT_F32 ? (double)(i + 1) : (double)(i % 3);
    return t;
}

static Tensor *init_vars(Build *b)
{
    Module *m = b->module;
    Tensor *vars = ARENA_ARRAY(b->arena, Tensor, m->vars.len + 1);
    for (int i = 0; i < m->vars.len; i++)
        vars[i] = tensor_new(b->arena, m->vars.data[i]->type);
    Graph *g = module_find_graph(m, "init", -1);
    EvalRun run = { .ctx = { .seed = 7 }, .vars = vars };
    if (g)
        assert_null(graph_eval(g, &run, b->arena));
    return vars;
}

static EvalRun run_graph(Build *b, Graph *g, Tensor *vars, uint64_t step)
{
    Vec(NamedTensor) inputs = {0};
    for (int i = 0; i < g->nodes.len; i++)
        if (g->nodes.data[i]->op == &op_input)
            VEC_PUSH(b->arena, &inputs, (NamedTensor){ g->nodes.data[i]->attr[0].name,
                                                       filled(b->arena, g->nodes.data[i]->type) });
    EvalRun run = { .ctx = { .seed = 7, .step = step }, .inputs = inputs.data, .n_inputs = inputs.len, .vars = vars };
    const char *fault = graph_eval(g, &run, b->arena);
    if (fault)
        fail_msg("%s", fault);
    return run;
}

typedef struct {
    const char *body; /* of net n(x: f32[2, 3], y: f32[3], k: i32[2], z: f32[2, 3, 4]) */
    int n;
    double want[24];
} ValueCase;

static const ValueCase VALUES[] = {
    /* operators: broadcasting, numbers take the tensor's type */
    { "return x + y", 6, { 2, 4, 6, 5, 7, 9 } },
    { "return 2 * x - 1", 6, { 1, 3, 5, 7, 9, 11 } },
    { "return x / 2", 6, { .5, 1, 1.5, 2, 2.5, 3 } },
    { "return k + 1", 2, { 1, 2 } },
    { "return x ** 2", 6, { 1, 4, 9, 16, 25, 36 } },
    { "return 2 ** y", 3, { 2, 4, 8 } },
    { "return y ** -1 * 6", 3, { 6, 3, 2 } },
    { "return y % 2", 3, { 1, 0, 1 } },
    { "return -y", 3, { -1, -2, -3 } },
    { "return y + [10, 20, 30]", 3, { 11, 22, 33 } },
    { "return y > 1 && y < 3", 3, { 0, 1, 0 } },
    { "return !(y >= 2)", 3, { 1, 0, 0 } },
    { "return y != 2", 3, { 1, 0, 1 } },
    { "return (y > 1) + 1", 3, { 1, 2, 2 } },
    { "return (y > 1) * k[1]", 3, { 0, 1, 1 } },
    { "return cast(k, f32) / 2", 2, { 0, .5 } },
    { "return div(k + 5, 2)", 2, { 2, 3 } },
    { "return div(-k - 4, 3)", 2, { -2, -2 } },
    { "return div(y, 2)", 3, { 0, 1, 1 } },
    /* static values */
    { "return y * (7 / 2) + div(7, 2) + 7 % 3 + 2 ** 3", 3, { 15.5, 19, 22.5 } },
    { "return y * (8 / 2) + div(-7, 2) + -7 % 3", 3, { 2, 6, 10 } },
    { "return y + (-1) ** 3 + (-1) ** 4 * 5 + 0 ** 2 + 2 ** -1", 3, { 5.5, 6.5, 7.5 } },
    { "n = len(x.shape) * 10 + x.rank\n return y + n", 3, { 23, 24, 25 } },
    { "s = x.shape[1:] + [4]\n return y + s[0] + s[-1]", 3, { 8, 9, 10 } },
    { "t = 0\n for i in 0 .. 4 { t = t + i }\n return y + t", 3, { 7, 8, 9 } },
    { "t = y\n for i in range(10, 0, -5) { t = t * 2 + i }\n return t", 3, { 29, 33, 37 } },
    { "sum = 3\n return y * sum + sum(y)", 3, { 9, 12, 15 } },
    { "if x.rank == 2 { a = 1 } else { a = 2 }\n return y + a", 3, { 2, 3, 4 } },
    { "return if x.dtype == f32 && 1 < 2 { y } else { 2 * y }", 3, { 1, 2, 3 } },
    { "return y + min(3, 2) + max([1, 5, 2]) + prod([2, 3]) + sum([1, 2]) + mean([1, 2])", 3, { 18.5, 19.5, 20.5 } },
    { "return y + floor(2.7) + ceil(2.1) + round(2.5) + abs(-3) + sign(-2) + int(3.9)", 3, { 13, 14, 15 } },
    { "a, b = [y, 2 * y]\n return b - a", 3, { 1, 2, 3 } },
    /* functions */
    { "return sqrt(y * y)", 3, { 1, 2, 3 } },
    { "return cos(y * 0) + exp(0 * y) + log(y * 0 + 1)", 3, { 2, 2, 2 } },
    { "return sign(y - 2)", 3, { -1, 0, 1 } },
    { "return ceil(y / 2)", 3, { 1, 1, 2 } },
    { "return where(y > 2, y, 0)", 3, { 0, 0, 3 } },
    { "return max(y, 2) + min(y, 2)", 3, { 3, 4, 5 } },
    /* reductions */
    { "return sum(x)", 1, { 21 } },
    { "return sum(x, axis = 0)", 3, { 5, 7, 9 } },
    { "return mean(x, axis = -1)", 2, { 2, 5 } },
    { "return mean(x > 2)", 1, { 4 / 6.0 } },
    { "return max(x, axis = 1, keep = true) + 0 * x", 6, { 3, 3, 3, 6, 6, 6 } },
    { "return min(z, axis = [0, 2])", 3, { 1, 5, 9 } },
    { "return prod(x, axis = 1)", 2, { 6, 120 } },
    { "return argmax(x, axis = 0)", 3, { 1, 1, 1 } },
    { "return argsort(-y)", 3, { 2, 1, 0 } },
    { "return take_along(y, argsort(y, descending = true))", 3, { 3, 2, 1 } },
    /* movement */
    { "return x[1]", 3, { 4, 5, 6 } },
    { "return x[:, 1]", 2, { 2, 5 } },
    { "return x[..., -1]", 2, { 3, 6 } },
    { "return x[0, 0:3:2]", 2, { 1, 3 } },
    { "return x[k]", 6, { 1, 2, 3, 4, 5, 6 } },
    { "return transpose(x)", 6, { 1, 4, 2, 5, 3, 6 } },
    { "return transpose(x, [1, 0])", 6, { 1, 4, 2, 5, 3, 6 } },
    { "return reshape(x, [3, -1])[2]", 2, { 5, 6 } },
    { "return pad(y, [[1, 2]], value = 9)", 6, { 9, 1, 2, 3, 9, 9 } },
    { "return concat([y, y + 3])", 6, { 1, 2, 3, 4, 5, 6 } },
    { "return concat([x[:, 0:1], x], axis = 1)", 8, { 1, 1, 2, 3, 4, 4, 5, 6 } },
    { "return reverse(y, axis = 0)", 3, { 3, 2, 1 } },
    { "return gather(x, [1, 0, 1])", 9, { 4, 5, 6, 1, 2, 3, 4, 5, 6 } },
    { "return scatter_add(x, [1, 1], 3)", 9, { 0, 0, 0, 5, 7, 9, 0, 0, 0 } },
    { "return broadcast(y, [2, 3])", 6, { 1, 2, 3, 1, 2, 3 } },
    { "return window_max(x, [1, 2], [1, 1])", 4, { 2, 3, 5, 6 } },
    { "return iota([2, 2], 1) + full([2, 2], 3)", 4, { 3, 4, 3, 4 } },
    { "return zeros(2) + ones([2]) * 5", 2, { 5, 5 } },
    /* index notation */
    { "r[i, j] = sum(c) x[i, c] * x[j, c]\n return r", 4, { 14, 32, 32, 77 } },
    { "r[j, i] = x[i, j]\n return r", 6, { 1, 4, 2, 5, 3, 6 } },
    { "r[i, j] = y[i] + 10 * y[j]\n return r", 9, { 11, 21, 31, 12, 22, 32, 13, 23, 33 } },
    { "r[i] = max(c) x[i, c] - y[c]\n return r", 2, { 0, 3 } },
    { "r[i] = min(c) x[i, c] * y[c]\n return r", 2, { 1, 4 } },
    { "r[i] = mean(c) x[i, c]\n return r", 2, { 2, 5 } },
    { "r[i] = prod(c) x[i, c]\n return r", 2, { 6, 120 } },
    { "return sum(i) y[i] * y[i]", 1, { 14 } },
    { "r[..., o] = sum(c) z[..., c] * [[1, 0, 0, 0], [0, 0, 0, 1]][o, c]\n return r[1]", 6, { 13, 16, 17, 20, 21, 24 } },
    { "r[t] = sum(d) y[t + d] * [1, 10][d]\n return r", 2, { 21, 32 } },
    { "r[t] = y[2 - t]\n return r", 3, { 3, 2, 1 } },
    { "r[t] = y[2 * t]\n return r", 2, { 1, 3 } },
    { "r[i, t] = 2 * x[i, t + 1]\n return r", 4, { 4, 6, 10, 12 } },
    { "r[i] = z[i, i + 1, 2 * i]\n return r", 2, { 5, 23 } },
    { "r[i] = x[i, 0]\n return r", 2, { 1, 4 } },
    { "r[i, j] = x[k[i], j]\n return r", 6, { 1, 2, 3, 4, 5, 6 } },
    { "r[i] = x[i, k[i] + 1]\n return r", 2, { 2, 6 } },
    { "r[i] = sum(j) x[i, k[i]] * y[j]\n return r", 2, { 6, 30 } },
    { "r[i] = x[k[i], 2 * i]\n return r", 2, { 1, 6 } },
    { "r[i, j, l] = z[i, k[j], 2 * l]\n return r[1]", 4, { 13, 15, 17, 19 } },
    { "r[i, j, l] = z[k[i], j, l]\n return r[1, 2]", 4, { 21, 22, 23, 24 } },
    { "r[i, j]: f32[2, 2] = where(i >= j, 1.0, 0.0)\n return r", 4, { 1, 0, 1, 1 } },
    { "r[i, j]: f32[2, 3] = y[j]\n return r", 6, { 1, 2, 3, 1, 2, 3 } },
    { "r[i] = exp(y[i]) / sum(j) exp(y[j])\n return r / r", 3, { 1, 1, 1 } },
    { "r[i] = relu(2 * (sum(c) x[i, c] * y[c]) - 30)\n return r", 2, { 0, 34 } },
    { "r[i] = -(sum(c) x[i, c] * y[c] / 2)\n return r", 2, { -7, -16 } },
    { "r[i, l] = sum(c, m) x[i, c] * z[m, c, l] * x[m, 0]\n return r[0]", 4, { 478, 508, 538, 568 } },
    { "r[i] = sum(c) x[i, c] * x[i, c] * y[c]\n return r", 2, { 36, 174 } },
    { "r[c] = sum(i) (x[i, c] + 1) * (x[i, c] - 1)\n return r", 3, { 15, 27, 43 } },
};

static void check_value(const ValueCase *c)
{
    char text[1024];
    snprintf(text, sizeof text, "net n(x: f32[2, 3], y: f32[3], k: i32[2], z: f32[2, 3, 4]) {\n %s\n}\n", c->body);
    Build b = build(text);
    assert_non_null(b.module);
    EvalRun run = run_graph(&b, b.module->graphs.data[0], init_vars(&b), 0);
    const Tensor *got = &run.outputs.data[0].value;
    bool ok = type_count(&got->type) == c->n;
    for (int i = 0; ok && i < c->n; i++)
        ok = fabs(got->data[i] - c->want[i]) < 1e-6;
    if (!ok) {
        print_message("%s\n", text);
        for (int64_t i = 0; i < type_count(&got->type); i++)
            print_message("%g ", got->data[i]);
        fail_msg("\nother values than expected");
    }
    arena_free(b.arena);
}

static void test_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof VALUES / sizeof *VALUES; i++)
        check_value(&VALUES[i]);
}

/* ---- graphs ---- */

static void test_dense_is_one_contract(void **state)
{
    (void)state;
    Build b = build("net mlp(image: f32[N, 4]) -> f32[N, 3] {\n"
                    "    fc1 = image |> dense(3) |> relu\n"
                    "    return fc1\n"
                    "}\n");
    assert_non_null(b.module);
    assert_string_equal(bare_text(&b, module_find_graph(b.module, "mlp", 1)),
                        "graph @mlp infer batch=1 {\n"
                        "  %0 = input {name=\"image\"} : f32[1,4]\n"
                        "  %1 = var {var=@mlp.fc1.weight} : f32[3,4]\n"
                        "  %2 = contract %0[_0,i], %1[o,i] -> [_0,o] {_0=1,o=3 | i=4} : f32[1,3]\n"
                        "  %3 = var {var=@mlp.fc1.bias} : f32[3]\n"
                        "  %4 = broadcast %3 {axes=[1]} : f32[1,3]\n"
                        "  %5 = add %2, %4 : f32[1,3]\n"
                        "  %6 = const {value=f32(0)} : f32\n"
                        "  %7 = broadcast %6 {axes=[]} : f32[1,3]\n"
                        "  %8 = max %5, %7 : f32[1,3]\n"
                        "  output %8 {name=\"fc1\"}\n"
                        "}\n");
    arena_free(b.arena);
}

static void test_convolution_is_one_contract(void **state)
{
    (void)state;
    Build b = build("net c(x: f32[N, 9, 9, 2]) {\n"
                    "    return x |> conv2d(4, 3, stride = 2, pad = 1, bias = false)\n"
                    "}\n");
    assert_non_null(b.module);
    assert_string_equal(
        bare_text(&b, module_find_graph(b.module, "c", 1)),
        "graph @c infer batch=1 {\n"
        "  %0 = input {name=\"x\"} : f32[1,9,9,2]\n"
        "  %1 = const {value=f32(0)} : f32\n"
        "  %2 = pad %0, %1 {lo=[0,1,1,0], hi=[0,1,1,0], inner=[0,0,0,0]} : f32[1,11,11,2]\n"
        "  %3 = var {var=@c.conv2d.weight} : f32[3,3,2,4]\n"
        "  %4 = contract %2[n,2*h+kh,2*w+kw,i], %3[kh,kw,i,o] -> [n,h,w,o] {n=1,h=5,w=5,o=4 | kh=3,kw=3,i=2} : "
        "f32[1,5,5,4]\n"
        "  output %4 {name=\"output\"}\n"
        "}\n");
    arena_free(b.arena);
}

static const char NAMES[] =
    "layer block(x: f32[N, C]) {\n"
    "    up = x |> dense(8, bias = false) |> relu\n"
    "    return up |> dense(C, bias = false)\n"
    "}\n"
    "net n(x: f32[N, 4]) {\n"
    "    param scale: f32[4] = ones()\n"
    "    h = x * scale\n"
    "    for i in 0 .. 2 { h = h |> block }\n"
    "    side = if true { h |> dense(4, bias = false) } else { h }\n"
    "    return (h |> flatten |> dense(2, bias = false) |> relu) + (side |> dense(2, bias = false))\n"
    "}\n";

static void test_variable_names(void **state)
{
    (void)state;
    static const char *const want[] = { "n.scale", "n.h.up.weight", "n.h.dense.weight", "n.h_2.up.weight",
                                        "n.h_2.dense.weight", "n.side.weight", "n.dense.weight",
                                        "n.dense_2.weight" };
    Build b = build(NAMES);
    assert_non_null(b.module);
    assert_int_equal(b.module->vars.len, sizeof want / sizeof *want);
    for (int i = 0; i < b.module->vars.len; i++)
        assert_string_equal(b.module->vars.data[i]->name, want[i]);
    arena_free(b.arena);
}

/* Each call site and variable draws for itself; the same program draws the same. */
static void test_salts(void **state)
{
    (void)state;
    const char *text = "net n(x: f32[N, 4]) {\n    return x |> dense(4) |> dense(4) }\n"
                       "train t {\n data x: f32[N, 4] = csv(\"x\")\n"
                       " minimize mean(dropout(dropout(n(x)), 0.1)) with sgd\n}\n";
    Build a = build(text), b = build(text);
    Vec(int64_t) salts = {0};
    assert_non_null(a.module);
    for (int i = 0; i < a.module->graphs.len; i++) {
        Graph *g = a.module->graphs.data[i], *h = b.module->graphs.data[i];
        for (int k = 0; k < g->nodes.len; k++) {
            if (g->nodes.data[k]->op != &op_rand)
                continue;
            int64_t salt = g->nodes.data[k]->attr[op_attr(&op_rand, "salt")].i;
            assert_int_equal(salt, h->nodes.data[k]->attr[op_attr(&op_rand, "salt")].i);
            for (int j = 0; j < salts.len; j++)
                assert_true(salts.data[j] != salt);
            VEC_PUSH(a.arena, &salts, salt);
        }
    }
    assert_int_equal(salts.len, 4); /* two weights, two masks */
    arena_free(a.arena);
    arena_free(b.arena);
}

/* ---- training ---- */

static const char LINE[] =
    "LR = 0.5\n"
    "net line(x: f32[N, 3]) -> f32[N] {\n"
    "    param w: f32[3] = [1, 2, 3]\n"
    "    y[n] = sum(i) x[n, i] * w[i]\n"
    "    return y\n"
    "}\n"
    "train fit {\n"
    "    data x: f32[N, 3] = csv(\"t.csv\", columns = [0..3], separator = \";\") / 2\n"
    "    data y: f32[N] = csv(\"t.csv\", columns = \"y\", first = 0.5, header = true)\n"
    "    batch 2\n"
    "    epochs 7\n"
    "    patience 3\n"
    "    minimize mse(line(x), y) with momentum(LR)\n"
    "    metric error = mean(abs(line(x) - y))\n"
    "    validate on csv(\"v.csv\") / 3, csv(\"w.csv\")\n"
    "}\n";

static void test_step(void **state)
{
    (void)state;
    Build b = build(LINE);
    assert_non_null(b.module);
    Graph *step = module_find_graph(b.module, "fit", 2), *eval = module_find_graph(b.module, "fit.eval", 2);
    assert_non_null(step);
    assert_non_null(eval);
    assert_int_equal(step->kind, GRAPH_STEP);
    assert_string_equal(step->train, "fit");
    assert_int_equal(count_ops(step, &op_gradient), 1);
    assert_int_equal(count_ops(step, &op_contract), 1); /* the metric shares the loss's forward pass */
    assert_int_equal(count_ops(step, &op_update), 2);
    assert_int_equal(count_ops(eval, &op_update), 0);
    assert_int_equal(count_ops(eval, &op_gradient), 0);
    assert_non_null(module_find_var(b.module, "line.w"));
    assert_int_equal(module_find_var(b.module, "fit.momentum.v.line.w")->kind, VAR_SLOT);
    Tensor *vars = init_vars(&b);
    EvalRun run = run_graph(&b, eval, vars, 0);
    /* x is [[1,2,3],[4,5,6]] / 3 in validation, w [1,2,3], y [1,2]: results 14/3 and 32/3 */
    assert_string_equal(run.outputs.data[0].name, "loss");
    assert_true(fabs(run.outputs.data[0].value.data[0] - ((11 / 3.0) * (11 / 3.0) + (26 / 3.0) * (26 / 3.0)) / 2) < 1e-5);
    assert_string_equal(run.outputs.data[1].name, "error");
    assert_true(fabs(run.outputs.data[1].value.data[0] - 37 / 6.0) < 1e-5);
    arena_free(b.arena);
}

static void test_record(void **state)
{
    (void)state;
    int64_t extra[] = { 1, 2 };
    FrontOptions options = { .epochs = 9, .extra_batches = extra, .n_extra = 2 };
    Build b = build_with(LINE, &options);
    assert_non_null(b.module);
    assert_int_equal(b.module->trains.len, 1);
    const nnr_train *t = &b.module->trains.data[0];
    assert_string_equal(t->name, "fit");
    assert_int_equal(t->batch, 2);
    assert_int_equal(t->epochs, 9);
    assert_int_equal(t->patience, 3);
    assert_true(t->has_validation && t->split == 0);
    assert_int_equal(t->n_data, 2);
    assert_string_equal(t->data[0].train.columns[0], "0..3");
    assert_string_equal(t->data[0].train.separator, ";");
    assert_int_equal(t->data[0].train.header, -1);
    assert_string_equal(t->data[0].valid.file, "v.csv");
    assert_string_equal(t->data[1].train.columns[0], "y");
    assert_int_equal(t->data[1].train.header, 1);
    assert_true(t->data[1].train.first == 0.5 && t->data[1].train.last == 1);
    assert_int_equal(t->data[1].info.rank, 1);
    assert_int_equal(t->data[1].info.dims[0], 2);
    assert_string_equal(t->steps[0], "fit");
    assert_string_equal(t->eval, "fit.eval");
    assert_int_equal(t->n_metrics, 1);
    assert_non_null(module_find_graph(b.module, "fit", 1));
    assert_non_null(module_find_graph(b.module, "fit.eval", 1));
    assert_non_null(module_find_graph(b.module, "line", 1));
    arena_free(b.arena);
}

/* One step of each optimizer: x is [[.5,1,1.5],[2,2.5,3]], w [1,2,3], y [1,2], so the gradient is
 * [31,41,51] and its norm sqrt(5243). */
static const struct {
    const char *with;
    double want[3];
} UPDATES[] = {
    { "sgd(0.5)", { -14.5, -18.5, -22.5 } },
    { "momentum(0.5)", { -14.5, -18.5, -22.5 } },
    { "nesterov(0.5)", { -28.45, -36.95, -45.45 } },
    { "adagrad(0.5)", { .5, 1.5, 2.5 } },
    { "rmsprop(0.5)", { -.58113883, .41886117, 1.41886117 } },
    { "adam(0.5)", { .5, 1.5, 2.5 } },
    { "adamw(0.5, decay = 0.01)", { .495, 1.49, 2.485 } },
    { "clip_by_value(10) |> sgd(0.5)", { -4, -3, -2 } },
    { "clip_by_norm(1.0) |> sgd(0.5)", { .785936943, 1.71688435, 2.64783175 } },
    { "weight_decay(1.0) |> clip_by_value(50) |> sgd(0.5)", { -15, -19.5, -22 } },
    { "sgd(step_decay(0.5, every = 10))", { -14.5, -18.5, -22.5 } },
    { "sgd(0.5 |> warmup(10))", { -.55, -.05, .45 } },
};

static void test_updates(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof UPDATES / sizeof *UPDATES; i++) {
        char text[1024];
        const char *at = strstr(LINE, "momentum(LR)");
        snprintf(text, sizeof text, "%.*s%s%s", (int)(at - LINE), LINE, UPDATES[i].with, at + strlen("momentum(LR)"));
        Build b = build(text);
        assert_non_null(b.module);
        Graph *step = module_find_graph(b.module, "fit", 2);
        PassCtx ctx = { .arena = b.arena };
        assert_true(pass_grad(&ctx, step));
        Tensor *vars = init_vars(&b);
        run_graph(&b, step, vars, 0);
        const double *got = vars[module_find_var(b.module, "line.w")->index].data;
        for (int k = 0; k < 3; k++)
            if (!(fabs(got[k] - UPDATES[i].want[k]) < 1e-5))
                fail_msg("%s: w[%d] is %.9g, not %.9g", UPDATES[i].with, k, got[k], UPDATES[i].want[k]);
        arena_free(b.arena);
    }
}

static const char TWO[] =
    "net G(z: f32[N, 2]) { return z |> dense(3) }\n"
    "net D(x: f32[N, 3]) { return x |> dense(1) |> sigmoid |> dropout(0.5) }\n"
    "train gan {\n"
    "    data real: f32[N, 3] = csv(\"x.csv\")\n"
    "    noise z: f32[N, 2] = normal()\n"
    "    batch 4\n"
    "    step critic { minimize bce(D(real), 1) + bce(D(G(z)), 0) over D with adam }\n"
    "    step maker  { minimize bce(D(G(z)), 1) over G with clip_by_norm(1.0) |> sgd(0.1) }\n"
    "}\n";

static void test_two_steps(void **state)
{
    (void)state;
    Build b = build(TWO);
    assert_non_null(b.module);
    Graph *critic = module_find_graph(b.module, "gan.critic", 4), *maker = module_find_graph(b.module, "gan.maker", 4);
    assert_non_null(critic);
    assert_non_null(maker);
    assert_int_equal(count_ops(critic, &op_gradient), 2);
    assert_int_equal(count_ops(critic, &op_update), 6); /* D's two and adam's four */
    assert_int_equal(count_ops(critic, &op_rand), 4);   /* noise's two draws, a mask for each use of D */
    assert_int_equal(count_ops(maker, &op_update), 2);
    assert_int_equal(count_ops(maker, &op_input), 0); /* the real samples are not needed there */
    assert_non_null(module_find_var(b.module, "gan.critic.adam.m.D.dense.weight"));
    assert_int_equal(b.module->trains.data[0].n_steps, 2);
    arena_free(b.arena);
}

/* A state's new value is seen by what follows, and written only while training. */
static void test_state(void **state)
{
    (void)state;
    Build b = build("layer count(x: f32[N]) {\n"
                    "    state seen: f32 = 10\n"
                    "    before = seen\n"
                    "    seen <- seen + sum(x)\n"
                    "    seen <- seen * 2\n"
                    "    return x * 0 + seen + 100 * before\n"
                    "}\n"
                    "net n(x: f32[N]) { return x |> count |> affine_one }\n"
                    "layer affine_one(x: f32[N]) {\n"
                    "    param w: f32 = 1\n"
                    "    return x * w\n"
                    "}\n"
                    "train t {\n data x: f32[N] = csv(\"x\")\n batch 2\n minimize mean(n(x)) with sgd(1.0)\n}\n");
    assert_non_null(b.module);
    Tensor *vars = init_vars(&b);
    EvalRun infer = run_graph(&b, module_find_graph(b.module, "n", 2), vars, 0);
    assert_true(infer.outputs.data[0].value.data[0] == 1010);
    Graph *step = module_find_graph(b.module, "t", 2);
    assert_int_equal(count_ops(step, &op_update), 2);
    const Var *seen = module_find_var(b.module, "n.count.seen");
    assert_non_null(seen);
    for (int i = 0; i < step->nodes.len; i++) {
        const Node *n = step->nodes.data[i];
        if (n->op == &op_update && n->attr[0].var == seen)
            assert_ptr_equal(n->in[0]->op, &op_mul);
    }
    arena_free(b.arena);
}

/* ---- options ---- */

static void test_defines(void **state)
{
    (void)state;
    const char *text = "UNITS = 3\nnet n(x: f32[N, T]) { return x |> dense(UNITS, bias = false) }\n";
    FrontDefine d[] = { { "UNITS", "5" }, { "T", "7" } };
    FrontOptions options = { .defines = d, .n_defines = 2, .batch = 6 };
    Build b = build_with(text, &options);
    assert_non_null(b.module);
    const Type *t = &module_find_var(b.module, "n.dense.weight")->type;
    assert_int_equal(t->dim[0], 5);
    assert_int_equal(t->dim[1], 7);
    assert_non_null(module_find_graph(b.module, "n", 6));
    assert_non_null(module_find_graph(b.module, "n", 1));
    arena_free(b.arena);
}

static void test_unknown_define(void **state)
{
    (void)state;
    FrontDefine d[] = { { "UNIT", "5" } };
    FrontOptions options = { .defines = d, .n_defines = 1 };
    Arena *arena = arena_new();
    Text said = { .arena = arena };
    Diags diags = { .arena = arena, .fn = keep, .user = &said };
    const char *text = "UNITS = 3\nnet n(x: f32[N, 2]) { return x |> dense(UNITS) }\n";
    Source *s = source_new(arena, "t.nn", text, strlen(text));
    assert_null(front_build(arena, intern_new(arena), s, &options, &diags));
    assert_string_equal(said.data, "error: -D UNIT: t.nn has no constant or shape variable of this name\n"
                                   "note: did you mean UNITS?\n");
    arena_free(arena);
}

/* Functions and optimizers are values; a net is one object wherever it is called. */
static void test_values_of_code(void **state)
{
    (void)state;
    Build b = build("RULE = sgd(0.5)\n"
              "fn twice(f: fn, x) = f(f(x))\n"
              "fn inc(x) = x + 1\n"
              "net a(x: f32[N, 2]) { return x |> dense(2) }\n"
              "net b(x: f32[N, 2]) { return twice(inc, a(a(x))) }\n"
              "train t {\n data x: f32[N, 2] = csv(\"x\")\n minimize mean(b(x)) with RULE\n}\n");
    assert_non_null(b.module);
    assert_int_equal(b.module->vars.len, 2);
    Graph *step = module_find_graph(b.module, "t", 32);
    assert_int_equal(count_ops(step, &op_contract), 2);
    assert_int_equal(count_ops(step, &op_var), 2);
    arena_free(b.arena);
}

static Source *import_text(void *user, const char *path, const Source *from, const char **why)
{
    Arena *arena = user;
    (void)from;
    if (strcmp(path, "parts.nn") != 0) {
        *why = "no such file";
        return NULL;
    }
    const char *text = "SCALE = 3\nfn scaled(x) = SCALE * x\nfn relu(x) = x + 1\n";
    return source_new(arena, path, text, strlen(text));
}

/* Imported names, with and without a space of their own; the library's own functions keep to themselves. */
static void test_imports(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    FrontOptions options = { .import = import_text, .user = arena };
    Build b = build_with("import \"parts.nn\"\nimport \"parts.nn\" as p\n"
                         "net n(x: f32[2]) { return p.scaled(x) + scaled(x) + relu(x) + relu6(x) }\n", &options);
    assert_non_null(b.module);
    EvalRun run = run_graph(&b, b.module->graphs.data[0], init_vars(&b), 0);
    assert_true(run.outputs.data[0].value.data[0] == 3 + 3 + 2 + 1);
    assert_true(run.outputs.data[0].value.data[1] == 6 + 6 + 3 + 2);
    arena_free(b.arena);
    arena_free(arena);
}

static void test_scan(void **state)
{
    (void)state;
    Build b = build("net n(x: f32[2, 3]) {\n"
                    "    w = x[:, 0]\n"
                    "    s = scan a in x along 1 reverse carry h = zeros(2) {\n"
                    "        h = h + a * w\n"
                    "        yield h\n"
                    "    }\n"
                    "    return s\n"
                    "}\n");
    assert_non_null(b.module);
    EvalRun run = run_graph(&b, module_find_graph(b.module, "n", -1), init_vars(&b), 0);
    const double want[] = { 6, 5, 3, 60, 44, 24 };
    for (int i = 0; i < 6; i++)
        assert_true(run.outputs.data[0].value.data[i] == want[i]);
    arena_free(b.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_dense_is_one_contract),
        cmocka_unit_test(test_convolution_is_one_contract),
        cmocka_unit_test(test_variable_names),
        cmocka_unit_test(test_salts),
        cmocka_unit_test(test_step),
        cmocka_unit_test(test_record),
        cmocka_unit_test(test_updates),
        cmocka_unit_test(test_two_steps),
        cmocka_unit_test(test_state),
        cmocka_unit_test(test_defines),
        cmocka_unit_test(test_unknown_define),
        cmocka_unit_test(test_values_of_code),
        cmocka_unit_test(test_imports),
        cmocka_unit_test(test_scan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
