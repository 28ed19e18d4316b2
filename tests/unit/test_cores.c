/* Which kernels fork: long ones; short ones between two that fork, for the sake of what they share with them;
 * not short ones among serial ones, nor what has no parallel loop. */
#include "loop/cores.h"
#include "loop/tile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

enum { COUNT = 65536 };

/* Reads %x and writes %y in 16 pieces, `rounds` times over every element. */
static LFunc *kernel(Arena *arena, const char *name, int64_t elements, int64_t rounds, LForKind kind)
{
    LFunc *f = lfunc_new(arena, name);
    LBuf *x = lfunc_param(f, "x", LK_F32, COUNT, LB_IN), *y = lfunc_param(f, "y", LK_F32, COUNT, LB_OUT);
    LStmt *piece = lb_for(f, &f->body, "p", lx_i64(f, 0), lx_i64(f, 16), 1, kind);
    LStmt *again = lb_for(f, &piece->body, "r", lx_i64(f, 0), lx_i64(f, rounds), 1, LF_SERIAL);
    LStmt *each = lb_for(f, &again->body, "i", lx_i64(f, 0), lx_i64(f, elements / 16), 1, LF_SERIAL);
    LExpr *at = lx_add(f, lx_mul(f, lx_var(f, piece->var), lx_i64(f, elements / 16)), lx_var(f, each->var));
    lb_store(f, &each->body, y, at, lx_add(f, lx_load(f, x, at, 1, NULL), lx_float(f, 1)), NULL);
    return f;
}

/* Call k reads what call k - 1 wrote. */
static void chain(Arena *arena, LFunc *const *funcs, int n, LCall *calls)
{
    for (int i = 0; i < n; i++) {
        calls[i] = (LCall){ funcs[i], ARENA_ARRAY(arena, LRef, 2) };
        calls[i].args[0] = i ? (LRef){ LR_ARENA, 0, (i - 1) * 4 * COUNT, 0 } : (LRef){ LR_INPUT, 0, 0, 0 };
        calls[i].args[1] = (LRef){ LR_ARENA, 0, i * 4 * COUNT, 0 };
    }
}

static bool forks(const LFunc *f, Arena *arena) { return cores_times(f, &LTARGET_X86_V4, arena).parallel; }

static void check(Arena *arena, LFunc *const *funcs, int n, const bool *expected)
{
    LCall calls[4];
    chain(arena, funcs, n, calls);
    cores_choose(calls, n, &LTARGET_X86_V4, arena);
    for (int i = 0; i < n; i++)
        if (forks(funcs[i], arena) != expected[i])
            fail_msg("kernel %d of %d: %s", i, n, expected[i] ? "serial" : "forks");
}

static void test_choice(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    enum { SHORT = 256, MIDDLE = 5 * SHORT, LONG = COUNT };
    /* alone: by the work */
    LFunc *one[] = { kernel(arena, "a", LONG, 4, LF_PARALLEL) };
    check(arena, one, 1, (bool[]){ true });
    one[0] = kernel(arena, "a", SHORT, 1, LF_PARALLEL);
    check(arena, one, 1, (bool[]){ false });
    /* a short one that passes on what long ones share goes with them, in either direction */
    LFunc *between[] = { kernel(arena, "a", LONG, 4, LF_PARALLEL), kernel(arena, "b", MIDDLE, 1, LF_PARALLEL),
                         kernel(arena, "c", LONG, 4, LF_PARALLEL) };
    check(arena, between, 3, (bool[]){ true, true, true });
    LFunc *serial[] = { kernel(arena, "a", LONG, 4, LF_SERIAL), kernel(arena, "b", MIDDLE, 1, LF_PARALLEL),
                        kernel(arena, "c", LONG, 4, LF_SERIAL) };
    check(arena, serial, 3, (bool[]){ false, false, false });
    /* many short ones: not one of them */
    LFunc *quick[] = { kernel(arena, "a", SHORT, 1, LF_PARALLEL), kernel(arena, "b", SHORT, 1, LF_PARALLEL),
                       kernel(arena, "c", SHORT, 1, LF_PARALLEL) };
    check(arena, quick, 3, (bool[]){ false, false, false });
    arena_free(arena);
}

/* Serial and forked cycles: pieces are dealt out evenly, the last core is waited for, each fork costs. */
static void test_times(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    LCoreTimes serial = cores_times(kernel(arena, "a", COUNT, 4, LF_SERIAL), &LTARGET_X86_V4, arena);
    LCoreTimes forked = cores_times(kernel(arena, "a", COUNT, 4, LF_PARALLEL), &LTARGET_X86_V4, arena);
    double quarter = serial.serial / LTARGET_X86_V4.cores + LTARGET_X86_V4.fork_cycles;
    assert_false(serial.parallel);
    assert_true(forked.parallel);
    assert_true(serial.serial == forked.serial && serial.forked == serial.serial);
    assert_true(forked.forked > 0.99 * quarter && forked.forked < 1.01 * quarter);
    assert_true(serial.serial > COUNT * 4 && serial.serial < COUNT * 4 * 6);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_choice), cmocka_unit_test(test_times) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
