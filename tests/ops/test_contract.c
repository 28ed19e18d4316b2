/* The contract: its rule's messages, its value against plain loops, its derivatives against central
 * differences for every sample, and the form the derivatives take (a strided convolution's is a
 * contract a phase, an ordinary one needs no gather or scatter). */
#include "tests/ops/gradcheck.h"
#include "ops/contract.h"

/* loss = sum(y * r) with fixed r, so that every element of y counts differently. */
static Node *weighted_sum(Graph *g, Node *y)
{
    Tensor r = random_tensor(g->arena, y->type, -1, 1, 77);
    Node *product = build_binary(g, &op_mul, y, build_const(g, y->type, r.data));
    int64_t axes[MAX_RANK] = { 0, 1, 2, 3, 4, 5, 6, 7 };
    return build_reduce(g, &op_sum, product, axes, y->type.rank);
}

static Node *sample_loss(Graph *g, Node **x, const void *arg)
{
    const OpSample *s = arg;
    return weighted_sum(g, build_contract(g, x[0], s->n_in == 2 ? x[1] : NULL, s->attr[0].contract));
}

static Program sample_program(const OpSample *s)
{
    Program p = { .name = s->note, .n_in = s->n_in, .lo = s->lo, .hi = s->hi, .build = sample_loss, .arg = s };
    for (int k = 0; k < s->n_in; k++)
        p.in[k] = s->in[k];
    return p;
}

static void test_gradients(void **state)
{
    (void)state;
    for (int i = 0; i < CONTRACT_SAMPLES; i++) {
        Program p = sample_program(&contract_samples[i]);
        check_program(&p);
    }
}

static const OpSample *sample(const char *note)
{
    for (int i = 0; i < CONTRACT_SAMPLES; i++)
        if (strcmp(contract_samples[i].note, note) == 0)
            return &contract_samples[i];
    fail_msg("no sample %s", note);
    return NULL;
}

static int count_op(const Graph *g, const OpDef *op)
{
    int n = 0;
    for (int i = 0; i < g->nodes.len; i++)
        n += g->nodes.data[i]->op == op;
    return n;
}

typedef struct {
    int contracts, scatters;
} Form;

/* Contracts and scatters in the derivative of a sample by its operand `by` alone. */
static Form form_of(const char *note, int by)
{
    Arena *arena = arena_new();
    Program p = sample_program(sample(note));
    Graph *g = program_graph(arena, &p, true);
    must_run(pass_grad, "grad", g, arena, note);
    int kept = 0;
    for (int i = 0; i < g->nodes.len; i++) {
        Node *n = g->nodes.data[i];
        bool other = n->op == &op_output && strcmp(n->attr[0].name, by == 0 ? "g0" : "g1") != 0;
        if (!other)
            g->nodes.data[kept++] = n;
    }
    g->nodes.len = kept;
    must_run(pass_dce, "dce", g, arena, note);
    Form f = { count_op(g, &op_contract), count_op(g, &op_scatter_add) };
    arena_free(arena);
    return f;
}

static void expect_form(const char *note, int by, int contracts, int scatters)
{
    Form f = form_of(note, by);
    if (f.contracts != contracts || f.scatters != scatters)
        fail_msg("%s, derivative by operand %d: %d contracts, %d scatters; expected %d, %d", note, by, f.contracts,
                 f.scatters, contracts, scatters);
}

static void test_form(void **state)
{
    (void)state;
    expect_form("matrix product", 0, 1, 0);
    expect_form("matrix product, second transposed (dense)", 1, 1, 0);
    expect_form("conv2d, kernel 3", 0, 1, 0);
    expect_form("conv2d, kernel 3", 1, 1, 0);
    expect_form("conv2d, dilation 2", 0, 1, 0);
    expect_form("conv2d, stride 2, last row and column unread", 0, 4, 0);
    expect_form("conv2d, stride 2, last row and column unread", 1, 1, 0);
    expect_form("conv2d, stride 3, kernel 5x3", 0, 3, 0); /* 3 phases of rows; the columns do not overlap */
    expect_form("conv2d, kernel 1, stride 2", 0, 1, 0);
    expect_form("conv2d, stride 2, dilation 2", 0, 1, 0); /* odd places are never read */
    expect_form("conv2d, stride and dilation without a common factor", 0, 6, 0);
    expect_form("conv2d, 2 groups", 0, 1, 0);
    expect_form("depthwise convolution", 0, 1, 0);
    expect_form("depthwise convolution, stride 2", 0, 4, 0);
    expect_form("patches: stride equals kernel", 0, 1, 0);
    expect_form("window sum, stride equals window", 0, 1, 0);
    expect_form("window sum, stride below window", 0, 4, 0);
    expect_form("diagonal", 0, 1, 1);
}

/* The input gradient of a stride-1 convolution reads dy forwards and the taps backwards. */
static void test_flipped_taps(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    Program p = sample_program(sample("conv1d, kernel 3"));
    Graph *g = program_graph(arena, &p, true);
    must_run(pass_grad, "grad", g, arena, p.name);
    const Contract *found = NULL;
    for (int i = 0; i < g->nodes.len; i++)
        if (g->nodes.data[i]->op == &op_contract && g->nodes.data[i]->in[0]->op == &op_pad)
            found = g->nodes.data[i]->attr[0].contract;
    assert_non_null(found);
    assert_int_equal(found->n_out, 3);
    for (int d = 0; d < found->operand[0].rank; d++)
        for (int k = 0; k < found->n_index; k++)
            assert_true(found->operand[0].dim[d].coef[k] >= 0);
    assert_int_equal(found->operand[1].dim[0].base, 2);
    arena_free(arena);
}

/* ---- value ---- */

static void test_value(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    Program p = sample_program(sample("conv2d, stride 2, last row and column unread"));
    Module *m = module_new(arena, intern_new(arena), "test");
    Graph *g = graph_new(m, "test", GRAPH_INFER, 0);
    Node *x = build_input(g, "x0", p.in[0]), *w = build_input(g, "x1", p.in[1]);
    build_output(g, "y", build_contract(g, x, w, sample(p.name)->attr[0].contract));
    NamedTensor in[2] = { { "x0", random_tensor(arena, p.in[0], -1, 1, 1) },
                          { "x1", random_tensor(arena, p.in[1], -1, 1, 2) } };
    EvalRun run = must_eval(g, in, 2, arena, p.name);
    const Tensor *y = find_output(&run, "y");
    const int64_t *xd = p.in[0].dim, *wd = p.in[1].dim;
    int64_t at = 0;
    for (int64_t n = 0; n < 2; n++)
        for (int64_t h = 0; h < 3; h++)
            for (int64_t v = 0; v < 4; v++)
                for (int64_t o = 0; o < 3; o++) {
                    double sum = 0;
                    for (int64_t a = 0; a < 3; a++)
                        for (int64_t b = 0; b < 3; b++)
                            for (int64_t i = 0; i < 2; i++)
                                sum += in[0].value.data[((n * xd[1] + 2 * h + a) * xd[2] + 2 * v + b) * xd[3] + i] *
                                       in[1].value.data[((a * wd[1] + b) * wd[2] + i) * wd[3] + o];
                    assert_true(fabs(y->data[at++] - sum) < 1e-12);
                }
    assert_int_equal(at, type_count(&y->type));
    arena_free(arena);
}

/* ---- rule ---- */

static void expect_refused(const Contract *c, Type a, const Type *b, const char *text)
{
    Arena *arena = arena_new();
    Module *m = module_new(arena, intern_new(arena), "test");
    Graph *g = graph_new(m, "test", GRAPH_INFER, 0);
    Node *in[2] = { build_input(g, "a", a), b ? build_input(g, "b", *b) : NULL };
    Attr attr[MAX_ATTR] = { { .contract = c } };
    Why why = { "" };
    assert_null(graph_add(g, &op_contract, in, b ? 2 : 1, attr, &why));
    assert_string_equal(why.text, text);
    arena_free(arena);
}

static void test_rule(void **state)
{
    (void)state;
    const Type x = { DT_F32, 1, { 6 } }, square = { DT_F32, 2, { 6, 6 } }, ints = { DT_I32, 1, { 6 } };
    Contract c = { .n_index = 2, .n_out = 1, .n_operand = 1, .extent = { 5, 3 }, .name = { "i", "k" } };
    c.operand[0].rank = 1;
    c.operand[0].dim[0].coef[0] = c.operand[0].dim[0].coef[1] = 1;
    expect_refused(&c, x, NULL, "index 'i' reads operand 1, dimension 0 at 0..6, but that dimension has 6 elements");
    c.operand[0].dim[0].base = -1;
    expect_refused(&c, x, NULL, "index 'i' reads operand 1, dimension 0 at -1..5, but that dimension has 6 elements");
    expect_refused(&c, square, NULL, "operand 1 has 2 dimensions but is read with 1 indices");
    expect_refused(&c, ints, NULL, "contract multiplies f32 values; operand 1 is i32");
    expect_refused(&c, x, &x, "contract needs 1 or 2 f32 operands and one index map for each");
    c.extent[0] = 0;
    expect_refused(&c, x, NULL, "contract index 'i' has extent 0: at least 1 is needed");
    c.extent[0] = c.extent[1] = INT64_MAX / 2;
    expect_refused(&c, x, NULL, "contract index 'k' has extent 4611686018427387903: too many products in all");
    c.extent[0] = 5;
    c.extent[1] = 3;
    c.operand[0].dim[0].coef[0] = INT64_MAX;
    expect_refused(&c, x, NULL, "index 'i' of operand 1, dimension 0: numbers too large");
    c.n_index = 17;
    expect_refused(&c, x, NULL,
                   "contract has 17 indices, 1 of them in its result: at most 16 and 8 are possible");
}

/* An operand read at more than 8 indices in a way that only the general rule serves. */
static Node *many_indices_loss(Graph *g, Node **x, const void *arg)
{
    (void)arg;
    Contract c = { .n_index = 10, .n_out = 0, .n_operand = 1 };
    static const char *const names[] = { "a", "b", "c", "d", "e", "f", "g", "h", "i", "j" };
    for (int k = 0; k < 10; k++) {
        c.extent[k] = 2;
        c.name[k] = names[k];
    }
    c.operand[0].rank = 2;
    for (int k = 0; k < 10; k++) {
        c.operand[0].dim[0].coef[k] = k % 3 + 2;
        c.operand[0].dim[1].coef[k] = k % 2 + 2;
    }
    return build_binary(g, &op_mul, build_contract(g, x[0], NULL, &c), build_scalar(g, DT_F32, 0.125));
}

static void test_many_indices(void **state)
{
    (void)state;
    Program p = { .name = "ten indices", .n_in = 1, .in = { { DT_F32, 2, { 30, 26 } } }, .lo = -1, .hi = 1,
                  .build = many_indices_loss };
    check_program(&p);
}

/* The derivative of a derivative: |dx|^2 summed, by x and by w. */
static Node *second_order_loss(Graph *g, Node **x, const void *arg)
{
    const OpSample *s = arg;
    Node *y = build_contract(g, x[0], x[1], s->attr[0].contract);
    Node *dx = build_gradient(g, weighted_sum(g, build_binary(g, &op_mul, y, y)), x[0]);
    return weighted_sum(g, build_binary(g, &op_mul, dx, dx));
}

static void test_second_order(void **state)
{
    (void)state;
    static const char *const notes[] = { "matrix product", "conv1d, stride 2", "conv1d, kernel 3" };
    for (int i = 0; i < 3; i++) {
        Arena *arena = arena_new();
        Program p = sample_program(sample(notes[i]));
        p.build = second_order_loss;
        /* the forward graph has a marker of its own: run grad on it too */
        Graph *forward = program_graph(arena, &p, false), *back = program_graph(arena, &p, true);
        must_run(pass_grad, "grad", forward, arena, p.name);
        must_run(pass_grad, "grad", back, arena, p.name);
        NamedTensor in[2];
        for (int k = 0; k < 2; k++)
            in[k] = (NamedTensor){ input_name(arena, k), random_tensor(arena, p.in[k], -1, 1, (uint64_t)k) };
        EvalRun run = must_eval(back, in, 2, arena, p.name);
        compare_input(forward, in, 2, 0, find_output(&run, "g0"), p.name);
        compare_input(forward, in, 2, 1, find_output(&run, "g1"), p.name);
        arena_free(arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rule),         cmocka_unit_test(test_value),
        cmocka_unit_test(test_gradients),    cmocka_unit_test(test_form),
        cmocka_unit_test(test_flipped_taps), cmocka_unit_test(test_many_indices),
        cmocka_unit_test(test_second_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
