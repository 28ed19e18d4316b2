/* Gradients of composite programs against central differences, before and after simplification: what
 * networks are made of, written in primitives as the library's text becomes them. */
#include "tests/ops/gradcheck.h"

#include <stdlib.h>

static Node *add(Graph *g, Node *a, Node *b) { return build_binary(g, &op_add, a, b); }
static Node *sub(Graph *g, Node *a, Node *b) { return build_binary(g, &op_sub, a, b); }
static Node *mul(Graph *g, Node *a, Node *b) { return build_binary(g, &op_mul, a, b); }
static Node *divide(Graph *g, Node *a, Node *b) { return build_binary(g, &op_div, a, b); }
static Node *un(Graph *g, const OpDef *op, Node *a) { return build_unary(g, op, a); }
static Node *scale(Graph *g, Node *a, double k) { return mul(g, a, build_like(g, a, k)); }

/* A reduction over the last axis, repeated along it again. */
static Node *over_row(Graph *g, const OpDef *op, Node *a)
{
    int64_t axis = a->type.rank - 1, axes[MAX_RANK] = { 0, 1, 2, 3, 4, 5, 6, 7 };
    return build_broadcast(g, build_reduce(g, op, a, &axis, 1), a->type.rank, a->type.dim, axes);
}

/* v along the last axis of a. */
static Node *row_of(Graph *g, Node *a, Node *v)
{
    int64_t axis = a->type.rank - 1;
    return build_broadcast(g, v, a->type.rank, a->type.dim, &axis);
}

static Node *total(Graph *g, Node *a)
{
    int64_t axes[MAX_RANK] = { 0, 1, 2, 3, 4, 5, 6, 7 };
    return build_reduce(g, &op_sum, a, axes, a->type.rank);
}

static Node *weighted_total(Graph *g, Node *y)
{
    Tensor r = random_tensor(g->arena, y->type, -1, 1, 77);
    return total(g, mul(g, y, build_const(g, y->type, r.data)));
}

static Node *softmax(Graph *g, Node *a)
{
    Node *e = un(g, &op_exp, sub(g, a, over_row(g, &op_reduce_max, a)));
    return divide(g, e, over_row(g, &op_sum, e));
}

static Node *relu(Graph *g, Node *a) { return build_binary(g, &op_max, a, build_like(g, a, 0)); }

/* A product from its index text: "n,i o,i -> n,o" over single letters. */
static Node *product(Graph *g, const char *text, Node *a, Node *b)
{
    Contract c = { .n_operand = 2 };
    const char *arrow = strstr(text, "->"), *s;
    char letters[MAX_INDEX + 1] = "";
    for (s = arrow + 2; *s; s++)
        if (*s >= 'a')
            letters[c.n_index++] = *s;
    c.n_out = c.n_index;
    for (s = text; s < arrow; s++)
        if (*s >= 'a' && !strchr(letters, *s))
            letters[c.n_index++] = *s;
    for (int k = 0; k < c.n_index; k++)
        c.name[k] = arena_printf(g->arena, "%c", letters[k]);
    s = text;
    for (int p = 0; p < 2; p++, s++)
        for (; *s != ' '; s++)
            if (*s >= 'a') {
                int k = (int)(strchr(letters, *s) - letters), d = c.operand[p].rank++;
                c.operand[p].dim[d].coef[k] = 1;
                c.extent[k] = (p ? b : a)->type.dim[d];
            }
    return build_contract(g, a, b, &c);
}

/* 3x3 convolution, channels last, padded by 1. */
static Node *conv3(Graph *g, Node *x, Node *w, int64_t stride)
{
    const int64_t pad[4] = { 0, 1, 1, 0 };
    Node *padded = build_pad(g, x, build_scalar(g, DT_F32, 0), pad, pad, NULL);
    enum { N, H, W, O, KH, KW, I };
    Contract c = { .n_index = 7, .n_out = 4, .n_operand = 2, .name = { "n", "h", "w", "o", "kh", "kw", "i" } };
    c.extent[N] = x->type.dim[0];
    c.extent[H] = (x->type.dim[1] - 1) / stride + 1;
    c.extent[W] = (x->type.dim[2] - 1) / stride + 1;
    c.extent[O] = w->type.dim[3];
    c.extent[KH] = c.extent[KW] = 3;
    c.extent[I] = x->type.dim[3];
    c.operand[0].rank = c.operand[1].rank = 4;
    c.operand[0].dim[0].coef[N] = c.operand[0].dim[3].coef[I] = 1;
    c.operand[0].dim[1].coef[H] = c.operand[0].dim[2].coef[W] = stride;
    c.operand[0].dim[1].coef[KH] = c.operand[0].dim[2].coef[KW] = 1;
    for (int d = 0; d < 4; d++)
        c.operand[1].dim[d].coef[(int[]){ KH, KW, I, O }[d]] = 1;
    return build_contract(g, padded, w, &c);
}

/* ---- programs ---- */

/* mean over the batch of log sum exp(z) - z[label], labels as a one-hot of an index compare */
static Node *cross_entropy(Graph *g, Node *logits, Node *labels)
{
    const int64_t first = 0;
    Node *class = build_iota(g, 2, logits->type.dim, 1);
    Node *label = build_broadcast(g, labels, 2, logits->type.dim, &first);
    Node *hot = build_cast(g, build_binary(g, &op_eq, class, label), DT_F32);
    Node *max = over_row(g, &op_reduce_max, logits);
    Node *shifted = sub(g, logits, max);
    Node *log_sum = un(g, &op_log, over_row(g, &op_sum, un(g, &op_exp, shifted)));
    Node *picked = mul(g, sub(g, log_sum, shifted), hot);
    return scale(g, total(g, picked), 1.0 / (double)logits->type.dim[0]);
}

static Node *mlp(Graph *g, Node **x, const void *arg)
{
    (void)arg;
    Node *h = product(g, "n,i o,i -> n,o", x[0], x[1]);
    h = un(g, &op_tanh, add(g, h, row_of(g, h, x[2])));
    return cross_entropy(g, product(g, "n,i o,i -> n,o", h, x[3]), x[4]);
}

static Node *layer_norm(Graph *g, Node **x, const void *arg)
{
    (void)arg;
    double n = (double)x[0]->type.dim[x[0]->type.rank - 1];
    Node *centred = sub(g, x[0], scale(g, over_row(g, &op_sum, x[0]), 1 / n));
    Node *variance = scale(g, over_row(g, &op_sum, mul(g, centred, centred)), 1 / n);
    Node *spread = un(g, &op_sqrt, add(g, variance, build_like(g, variance, 1e-3)));
    Node *y = add(g, mul(g, divide(g, centred, spread), row_of(g, x[0], x[1])), row_of(g, x[0], x[2]));
    return weighted_total(g, y);
}

/* softmax(q k' / sqrt d, causal) v for several heads, merged and projected */
static Node *attention(Graph *g, Node **x, const void *arg)
{
    (void)arg;
    const int64_t b = 2, t = 4, heads = 2, d = 3, split[4] = { b, t, heads, d }, perm[4] = { 0, 2, 1, 3 };
    Node *head[3];
    for (int i = 0; i < 3; i++) {
        Node *p = product(g, "b,t,i i,o -> b,t,o", x[0], x[1 + i]);
        head[i] = build_transpose(g, build_reshape(g, p, 4, split), perm);
    }
    Node *score = scale(g, product(g, "b,h,t,d b,h,s,d -> b,h,t,s", head[0], head[1]), 1 / sqrt(3.0));
    Node *later = build_binary(g, &op_lt, build_iota(g, 4, score->type.dim, 2), build_iota(g, 4, score->type.dim, 3));
    score = build_select(g, later, build_like(g, score, -1e9), score);
    Node *mixed = product(g, "b,h,t,s b,h,s,d -> b,h,t,d", softmax(g, score), head[2]);
    const int64_t merged[3] = { b, t, heads * d };
    Node *y = build_reshape(g, build_transpose(g, mixed, perm), 3, merged);
    return weighted_total(g, product(g, "b,t,i i,o -> b,t,o", y, x[4]));
}

/* conv, relu, max pool, strided conv, global average, dense */
static Node *convnet(Graph *g, Node **x, const void *arg)
{
    (void)arg;
    Node *h = relu(g, conv3(g, x[0], x[1], 1));
    const int64_t window[4] = { 1, 2, 2, 1 };
    Attr pool[MAX_ATTR] = { { .ints = { 4, window } }, { .ints = { 4, window } } };
    h = graph_must_add(g, &op_window_max, &h, 1, pool);
    h = relu(g, conv3(g, h, x[2], 2));
    const int64_t pixels[2] = { 1, 2 };
    Node *mean = scale(g, build_reduce(g, &op_sum, h, pixels, 2), 1.0 / 4);
    return cross_entropy(g, product(g, "n,c o,c -> n,o", mean, x[3]), x[4]);
}

/* statistics over batch and pixels, per channel */
static Node *batch_norm(Graph *g, Node **x, const void *arg)
{
    (void)arg;
    const int64_t axes[3] = { 0, 1, 2 };
    double n = (double)(x[0]->type.dim[0] * x[0]->type.dim[1] * x[0]->type.dim[2]);
    Node *mean = scale(g, build_reduce(g, &op_sum, x[0], axes, 3), 1 / n);
    Node *centred = sub(g, x[0], row_of(g, x[0], mean));
    Node *variance = scale(g, build_reduce(g, &op_sum, mul(g, centred, centred), axes, 3), 1 / n);
    Node *factor = divide(g, x[1], un(g, &op_sqrt, add(g, variance, build_like(g, variance, 1e-3))));
    Node *y = add(g, mul(g, centred, row_of(g, centred, factor)), row_of(g, centred, x[2]));
    return weighted_total(g, relu(g, y));
}

/* embedding rows, concatenated and sliced into gates: an LSTM cell */
static Node *lstm_cell(Graph *g, Node **x, const void *arg)
{
    (void)arg;
    Node *row = graph_must_add(g, &op_gather, (Node *[]){ x[0], x[1] }, 2, NULL);
    Node *in[2] = { row, x[2] };
    Node *z = product(g, "n,i o,i -> n,o", build_concat(g, in, 2, 1), x[3]);
    int64_t width = z->type.dim[1] / 4, step[2] = { 1, 1 };
    Node *gate[4];
    for (int i = 0; i < 4; i++) {
        int64_t start[2] = { 0, i * width }, stop[2] = { z->type.dim[0], (i + 1) * width };
        gate[i] = build_slice(g, z, start, stop, step);
        if (i < 3) { /* sigmoid */
            Node *e = un(g, &op_exp, un(g, &op_neg, gate[i]));
            gate[i] = divide(g, build_like(g, e, 1), add(g, e, build_like(g, e, 1)));
        }
    }
    Node *c = add(g, mul(g, gate[0], x[4]), mul(g, gate[1], un(g, &op_tanh, gate[3])));
    return weighted_total(g, mul(g, gate[2], un(g, &op_tanh, c)));
}

/* a matrix product and a convolution as broadcasting products */
static Node *elementwise_product(Graph *g, Node **x, const void *arg)
{
    (void)arg;
    const int64_t dim[3] = { 4, 5, 6 }, a[2] = { 0, 1 }, b[2] = { 1, 2 }, axis = 1;
    Node *y = mul(g, build_broadcast(g, x[0], 3, dim, a), build_broadcast(g, x[1], 3, dim, b));
    return weighted_total(g, un(g, &op_sin, build_reduce(g, &op_sum, y, &axis, 1)));
}

/* a penalty on the gradient of a network by its input */
static Node *gradient_penalty(Graph *g, Node **x, const void *arg)
{
    (void)arg;
    Node *h = un(g, &op_tanh, product(g, "n,i i,o -> n,o", x[0], x[1]));
    Node *dx = build_gradient(g, weighted_total(g, mul(g, h, h)), x[0]);
    return weighted_total(g, mul(g, dx, dx));
}

#define F(...) { DT_F32, (int)(sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t)), { __VA_ARGS__ } }
#define I(n) { DT_I32, 1, { n } }

static const Program PROGRAMS[] = {
    { "mlp, cross entropy", 5, { F(3, 4), F(5, 4), F(5), F(3, 5), I(3) }, -1, 1, mlp, NULL },
    { "layer norm", 3, { F(2, 3, 5), F(5), F(5) }, -1, 1, layer_norm, NULL },
    { "attention", 5, { F(2, 4, 6), F(6, 6), F(6, 6), F(6, 6), F(6, 2) }, -1, 1, attention, NULL },
    { "convnet", 5, { F(2, 6, 6, 2), F(3, 3, 2, 3), F(3, 3, 3, 4), F(3, 4), I(2) }, -1, 1, convnet, NULL },
    { "batch norm", 3, { F(2, 3, 4, 3), F(3), F(3) }, -1, 1, batch_norm, NULL },
    { "lstm cell", 5, { F(7, 3), I(2), F(2, 4), F(16, 7), F(2, 4) }, -1, 1, lstm_cell, NULL },
    { "elementwise product", 2, { F(4, 5), F(5, 6) }, -1, 1, elementwise_product, NULL },
};

static void test_programs(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof PROGRAMS / sizeof *PROGRAMS; i++)
        check_program(&PROGRAMS[i]);
}

static void test_gradient_penalty(void **state)
{
    (void)state;
    Program p = { "gradient penalty", 2, { F(3, 4), F(4, 5) }, -1, 1, gradient_penalty, NULL };
    Arena *arena = arena_new();
    Graph *forward = program_graph(arena, &p, false), *back = program_graph(arena, &p, true);
    must_run(pass_grad, "grad", forward, arena, p.name);
    must_run(pass_grad, "grad", back, arena, p.name);
    must_run(pass_simplify, "simplify", back, arena, p.name);
    NamedTensor in[2];
    for (int k = 0; k < 2; k++)
        in[k] = (NamedTensor){ input_name(arena, k), random_tensor(arena, p.in[k], -1, 1, (uint64_t)k) };
    EvalRun run = must_eval(back, in, 2, arena, p.name);
    compare_input(forward, in, 2, 0, find_output(&run, "g0"), p.name);
    compare_input(forward, in, 2, 1, find_output(&run, "g1"), p.name);
    arena_free(arena);
}

/* ---- form ---- */

static Graph *prepared(Arena *arena, int which)
{
    Graph *g = program_graph(arena, &PROGRAMS[which], true);
    must_run(pass_grad, "grad", g, arena, PROGRAMS[which].name);
    must_run(pass_simplify, "simplify", g, arena, PROGRAMS[which].name);
    must_run(pass_cse, "cse", g, arena, PROGRAMS[which].name);
    must_run(pass_dce, "dce", g, arena, PROGRAMS[which].name);
    return g;
}

static int count_op(const Graph *g, const OpDef *op)
{
    int n = 0;
    for (int i = 0; i < g->nodes.len; i++)
        n += g->nodes.data[i]->op == op;
    return n;
}

/* What the passes are for: the products of a network stay products, with nothing moved for them. */
static void test_form(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    Graph *g = prepared(arena, 0); /* mlp: two forward, four backward (dx is asked for too) */
    assert_int_equal(count_op(g, &op_contract), 6);
    assert_int_equal(count_op(g, &op_transpose), 0);
    g = prepared(arena, 2); /* attention: 3 + 2 + 1 products, twice as many backward, no transposes */
    assert_int_equal(count_op(g, &op_contract), 18);
    assert_int_equal(count_op(g, &op_transpose), 0);
    g = prepared(arena, 3); /* convnet: 3, dw 3, dx: dense 1, strided 4, stride-1 1; no scatter */
    assert_int_equal(count_op(g, &op_contract), 12);
    assert_int_equal(count_op(g, &op_scatter_add), 0);
    g = prepared(arena, 5); /* lstm: gradients of the gates meet in a concat, the table's in a scatter */
    assert_int_equal(count_op(g, &op_contract), 3);
    assert_int_equal(count_op(g, &op_pad), 0);
    assert_int_equal(count_op(g, &op_scatter_add), 1);
    g = prepared(arena, 6); /* written elementwise, all three are products */
    assert_int_equal(count_op(g, &op_contract), 3);
    assert_int_equal(count_op(g, &op_sum), 1);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_programs),
        cmocka_unit_test(test_gradient_penalty),
        cmocka_unit_test(test_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
