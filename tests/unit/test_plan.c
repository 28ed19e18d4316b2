/* The memory plan: placing blocks, and the checker, which must refuse every kind of bad plan. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "ops/build.h"
#include "passes/passes.h"
#include "passes/plan.h"
#include <string.h>

static uint64_t state_of_noise = 1;

static int64_t noise(int64_t n)
{
    state_of_noise = state_of_noise * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)((state_of_noise >> 33) % (uint64_t)n);
}

/* ---- placing ---- */

static void check_placed(const PlanBlock *blocks, int n, int64_t bytes, int64_t bound)
{
    assert_true(bytes >= bound);
    for (int i = 0; i < n; i++) {
        assert_true(blocks[i].offset >= 0 && blocks[i].offset % NNR_ALIGN == 0);
        assert_true(blocks[i].offset + blocks[i].bytes <= bytes);
        for (int k = 0; k < i; k++) {
            bool time = blocks[i].first <= blocks[k].last && blocks[k].first <= blocks[i].last;
            bool space = blocks[i].offset < blocks[k].offset + blocks[k].bytes &&
                         blocks[k].offset < blocks[i].offset + blocks[i].bytes;
            assert_false(time && space);
        }
    }
}

/* Any lifetimes at all: never an overlap; the gap stays bounded even where nothing is regular. */
static void test_random_lifetimes(void **state)
{
    (void)state;
    double worst = 0, sum = 0;
    for (int round = 0; round < 60; round++) {
        Arena *arena = arena_new();
        int n = 1 + (int)noise(80), steps = 1 + (int)noise(60);
        PlanBlock *blocks = ARENA_ARRAY(arena, PlanBlock, n);
        for (int i = 0; i < n; i++) {
            int first = (int)noise(steps), length = (int)noise(noise(4) ? 4 : steps);
            blocks[i].bytes = (1 + noise(round % 2 ? 1000 : 8)) * NNR_ALIGN;
            blocks[i].first = first;
            blocks[i].last = first + length < steps ? first + length : steps - 1;
        }
        int64_t bound = plan_bound(arena, blocks, n), bytes = plan_pack(arena, blocks, n);
        check_placed(blocks, n, bytes, bound);
        double gap = (double)bytes / (double)bound - 1;
        worst = gap > worst ? gap : worst;
        sum += gap;
        arena_free(arena);
    }
    assert_true(worst < 0.25);
    assert_true(sum / 60 < 0.04);
}

/* What training steps look like: activations that live from the forward to the backward pass, nested,
 * with short-lived values and scratch between. */
static void test_training_lifetimes(void **state)
{
    (void)state;
    for (int layers = 2; layers <= 40; layers += 2) {
        Arena *arena = arena_new();
        int n = 0, last = 4 * layers;
        PlanBlock *blocks = ARENA_ARRAY(arena, PlanBlock, 5 * layers);
        for (int l = 0; l < layers; l++) {
            int64_t size = (1 + noise(500)) * NNR_ALIGN;
            blocks[n++] = (PlanBlock){ size, l, last - 2 * l, 0 };
            blocks[n++] = (PlanBlock){ size / 4 / NNR_ALIGN * NNR_ALIGN + NNR_ALIGN, l, last - 2 * l, 0 };
            blocks[n++] = (PlanBlock){ size * 2, l, l + 1, 0 };
            blocks[n++] = (PlanBlock){ size, last - 2 * l - 1, last - 2 * l + 1 <= last ? last - 2 * l + 1 : last, 0 };
            blocks[n++] = (PlanBlock){ (1 + noise(900)) * NNR_ALIGN, l, l, 0 };
        }
        int64_t bound = plan_bound(arena, blocks, n), bytes = plan_pack(arena, blocks, n);
        check_placed(blocks, n, bytes, bound);
        assert_true(bytes <= bound + bound / 10);
        arena_free(arena);
    }
}

static void test_nothing_to_place(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    assert_int_equal(plan_bound(arena, NULL, 0), 0);
    assert_int_equal(plan_pack(arena, NULL, 0), 0);
    arena_free(arena);
}

/* ---- the checker ---- */

typedef struct {
    Arena *arena;
    Graph *g;
    Node *a, *b, *row, *soft, *update;
} Planned;

static Node *matmul(Graph *g, Node *x, Node *w)
{
    Contract c = { .n_index = 3, .n_out = 2, .n_operand = 2, .extent = { 8, 8, 8 }, .name = { "n", "o", "i" } };
    c.operand[0].rank = c.operand[1].rank = 2;
    c.operand[0].dim[0].coef[0] = c.operand[0].dim[1].coef[2] = 1;
    c.operand[1].dim[0].coef[1] = c.operand[1].dim[1].coef[2] = 1;
    return build_contract(g, x, w, &c);
}

/* a = x w, b = a w, c = softmax rows of b plus a, w <- w - c: a outlives b, c may take b's place. */
static Planned planned(void)
{
    Planned p = { .arena = arena_new() };
    Module *m = module_new(p.arena, intern_new(p.arena), "m");
    const int64_t dim[] = { 8, 8 }, axis[] = { 1 }, rows[] = { 0 };
    Type t = type_make(DT_F32, 2, dim);
    Var *w = module_add_var(m, "w", VAR_PARAM, t, (Loc){ 0 });
    Graph *g = p.g = graph_new(m, "g", GRAPH_STEP, 8);
    Node *x = build_input(g, "x", t), *v = build_var(g, w);
    p.a = matmul(g, x, v);
    p.b = matmul(g, p.a, v);
    Node *top = build_broadcast(g, build_reduce(g, &op_reduce_max, p.b, axis, 1), 2, dim, rows);
    Node *e = build_unary(g, &op_exp, build_binary(g, &op_sub, p.b, top));
    p.row = build_reduce(g, &op_sum, e, axis, 1);
    p.soft = build_binary(g, &op_div, e, build_broadcast(g, p.row, 2, dim, rows));
    Node *mixed = matmul(g, p.soft, p.a);
    p.update = build_update(g, w, build_binary(g, &op_sub, v, mixed));
    PassCtx ctx = { .arena = p.arena };
    assert_true(pass_fuse(&ctx, g));
    assert_true(pass_order(&ctx, g));
    g->kernels.data[0]->scratch_bytes = 100;
    if (!pass_plan(&ctx, g))
        fail_msg("%s", ctx.why.text);
    return p;
}

static void expect_fault(Planned *p, const char *words)
{
    const char *fault = plan_check(p->g, p->arena);
    if (!fault || !strstr(fault, words))
        fail_msg("expected \"%s\", the checker says \"%s\"", words, fault ? fault : "nothing");
    arena_free(p->arena);
}

static void test_checker_accepts(void **state)
{
    (void)state;
    Planned p = planned();
    assert_null(plan_check(p.g, p.arena));
    assert_int_equal(p.soft->offset, p.b->offset); /* in place */
    assert_int_not_equal(p.a->offset, p.b->offset);
    assert_true(node_stored(p.update->in[0]));
    assert_int_equal(p.update->in[0]->offset, -1); /* straight into the variable */
    assert_int_equal(p.g->arena_bytes, p.g->arena_bound);
    arena_free(p.arena);
}

static void test_checker_refuses(void **state)
{
    (void)state;
    Planned p = planned();
    p.b->offset = p.a->offset;
    p.soft->offset = p.a->offset;
    expect_fault(&p, "share bytes");

    p = planned();
    p.a->offset += 4;
    expect_fault(&p, "not aligned");

    p = planned();
    p.a->offset = p.g->arena_bytes;
    expect_fault(&p, "beyond the end");

    p = planned();
    p.a->offset = -1;
    expect_fault(&p, "no place");

    p = planned();
    p.g->kernels.data[0]->scratch_offset = p.a->offset;
    expect_fault(&p, "share bytes");

    p = planned(); /* half over the operand: not the same positions */
    p.soft->offset = p.b->offset + 64;
    p.g->arena_bytes += 64;
    expect_fault(&p, "share bytes");

    p = planned(); /* the order of kernels */
    Kernel *k = p.g->kernels.data[0];
    p.g->kernels.data[0] = p.g->kernels.data[1];
    p.g->kernels.data[1] = k;
    expect_fault(&p, "before it is computed");
}

/* A kernel that reads an operand at other indices may not write over it. */
static void test_checker_refuses_in_place(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    Module *m = module_new(arena, intern_new(arena), "m");
    const int64_t dim[] = { 8, 8 }, perm[] = { 1, 0 };
    Type t = type_make(DT_F32, 2, dim);
    Graph *g = graph_new(m, "g", GRAPH_INFER, 8);
    Node *x = build_input(g, "x", t), *a = matmul(g, x, x);
    Node *y = build_unary(g, &op_exp, build_binary(g, &op_add, a, build_transpose(g, a, perm)));
    Node *z = matmul(g, y, y);
    build_output(g, "z", z);
    PassCtx ctx = { .arena = arena };
    assert_true(pass_fuse(&ctx, g) && pass_order(&ctx, g) && pass_plan(&ctx, g));
    assert_int_not_equal(a->offset, y->offset);
    y->offset = a->offset;
    Planned p = { .arena = arena, .g = g };
    expect_fault(&p, "share bytes");
}

/* ---- fusion's explanations ---- */

static const char *reason(const Graph *g, const Node *from, const Node *to, bool *fused)
{
    for (int i = 0; i < g->fusion.len; i++) {
        const FusionNote *n = &g->fusion.data[i];
        if (n->producer == from && n->consumer == to) {
            *fused = n->fused;
            return n->reason;
        }
    }
    return "";
}

static void test_reasons(void **state)
{
    (void)state;
    Planned p = planned();
    bool fused = true;
    assert_non_null(strstr(reason(p.g, p.a, p.b, &fused), "two contractions"));
    assert_false(fused);
    assert_non_null(strstr(reason(p.g, p.row, p.soft, &fused), "one kernel"));
    assert_true(fused);
    arena_free(p.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_lifetimes), cmocka_unit_test(test_training_lifetimes),
        cmocka_unit_test(test_nothing_to_place), cmocka_unit_test(test_checker_accepts),
        cmocka_unit_test(test_checker_refuses),  cmocka_unit_test(test_checker_refuses_in_place),
        cmocka_unit_test(test_reasons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
