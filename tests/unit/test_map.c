/* Which loops of a map run in parallel: the positions of its leading dimensions as one sequence, and boxes that
 * differ behind these in one loop, so that no fork stands in a loop and a line comes into one core's cache. */
#include "ops/build.h"
#include "ops/lower.h"
#include "passes/passes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { SAMPLES = 3, HIGH = 40, WIDE = 113, CHANNELS = 1003 };

/* Turns of the outermost loops, as far as they are parallel; nothing below them may be. */
static int parallel_turns(const LBlock *block, int64_t *turns, int max)
{
    int n = 0;
    for (int i = 0; i < block->len; i++) {
        const LStmt *s = block->data[i];
        bool forks = s->kind == LS_FOR && s->for_kind == LF_PARALLEL;
        int64_t ignored;
        assert_int_equal(parallel_turns(&s->body, &ignored, 1), 0);
        if (forks && n < max)
            turns[n] = s->hi->ival;
        n += forks;
    }
    return n;
}

static int lowered(Node *(*make)(Graph *g, Node *x), int64_t *turns, int max)
{
    Arena *arena = arena_new();
    Graph *g = graph_new(module_new(arena, intern_new(arena), "t"), "g", GRAPH_INFER, 0);
    Node *x = build_input(g, "x", (Type){ DT_F32, 4, { SAMPLES, HIGH, WIDE, CHANNELS } });
    build_output(g, "y", make(g, x));
    PassCtx pass = { .arena = arena, .target = &LTARGET_X86_V4 };
    assert_true(pass_dce(&pass, g) && pass_fuse(&pass, g));
    assert_int_equal(g->kernels.len, 1);
    struct LowerBuf *bufs;
    int n_bufs;
    LFunc *f = lower_kernel(arena, g, g->kernels.data[0], &LTARGET_X86_V4, LOWER_WHOLE, &bufs, &n_bufs);
    int n = parallel_turns(&f->body, turns, max);
    arena_free(arena);
    return n;
}

static Node *framed(Graph *g, Node *x)
{
    const int64_t one[] = { 0, 1, 1, 0 };
    return build_pad(g, x, build_scalar(g, DT_F32, 0), one, one, NULL);
}
static Node *behind_frame(Graph *g, Node *x) { return build_unary(g, &op_tanh, framed(g, x)); }
static Node *before_frame(Graph *g, Node *x) { return framed(g, build_unary(g, &op_tanh, x)); }

/* Rows above, rows below, and between them all rows with their ends. */
static void boxes_of_a_row(void **state)
{
    (void)state;
    int64_t turns[4] = { 0 };
    assert_int_equal(lowered(behind_frame, turns, 4), 3);
    assert_int_equal(turns[0], SAMPLES);
    assert_int_equal(turns[1], SAMPLES * HIGH);
    assert_int_equal(turns[2], SAMPLES);
}

/* Above and below; left and right; what they enclose. */
static void frame_in_place(void **state)
{
    (void)state;
    int64_t turns[4] = { 0 };
    assert_int_equal(lowered(before_frame, turns, 4), 3);
    assert_int_equal(turns[0], SAMPLES);
    assert_int_equal(turns[1], SAMPLES * HIGH);
    assert_int_equal(turns[2], SAMPLES * HIGH);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(boxes_of_a_row), cmocka_unit_test(frame_in_place) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
