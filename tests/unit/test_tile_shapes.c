/* Schedules of particular shapes against a naive sum: windows that slide over rows (loop/tile_slide.c), vectors
 * of half the length, matrices from afar. */
#include "tests/unit/tile_case.h"

/* ---- windows that slide ---- */

enum { CHANNELS = 37, DH = 8, DW = 9, SH = 3, SW = 4 };

/* y[n, h, w, c] = sum(r, s) x[n, h * step + r * apart, w * step + s * apart, c] * k[r, s, c] */
static Case depthwise(int64_t kh, int64_t kw, int64_t step, int64_t apart, bool reverse)
{
    int64_t oh = step > 1 ? SH : DH, ow = step > 1 ? SW : DW, C = CHANNELS;
    int64_t row = ((ow - 1) * step + (kw - 1) * apart + 1) * C, sign = reverse ? -1 : 1;
    int64_t last = reverse ? (kh - 1) * apart * row + (kw - 1) * apart * C : 0;
    return (Case){ "depthwise", 4, 6, 2, { 2, oh, ow, C, kh, kw }, { 0 },
                   { { last, { ((oh - 1) * step + (kh - 1) * apart + 1) * row, step * row, step * C, 1, sign * apart * row, sign * apart * C } },
                     { 0, { 0, 0, 0, 1, kw * C, C } } }, 0, 0 };
}

static void test_windows(void **state)
{
    (void)state;
    fill();
    check_all(depthwise(3, 3, 1, 1, false));
    check_all(depthwise(3, 3, 1, 1, true));
    check_all(depthwise(3, 3, 2, 1, false));
    check_all(depthwise(2, 1, 1, 1, true)); /* a phase of the input gradient of stride 2 */
    check_all(depthwise(5, 5, 1, 1, false));
    check_all(depthwise(3, 3, 1, 2, false));
    /* The gradient of the taps: kh kw c | n h w */
    Case taps = { "depthwise, weight gradient", 3, 6, 2, { 3, 3, 20, 2, DH, DW }, { 0 },
                  { { 0, { (DW + 2) * 20, 20, 1, (DH + 2) * (DW + 2) * 20, (DW + 2) * 20, 20 } },
                    { 0, { 0, 0, 1, DH * DW * 20, DW * 20, 20 } } }, 0, 0 };
    check_all(taps);
    /* Part of the sum, with a rest; the whole in parts; rows that do not come out even. */
    LTile t = { .kind = TILE_OUTER, .vec = 2, .lanes = 4, .cols = 2, .row = { 1, 0 }, .rows = { 3, 3 }, .group = { 1, 1 },
                .block = -1, .split = -1, .slide = 4, .along = 2 };
    for (int along = 1; along <= 3; along++) {
        t.along = along;
        check_tile(&taps, &LTARGET_GENERIC, RANDOM, &t);
    }
    t.split = 4;
    t.chunks = 2;
    t.rows[1] = 2;
    check_tile(&taps, &LTARGET_GENERIC, RANDOM, &t);
    Case five = depthwise(5, 5, 1, 1, false);
    t = (LTile){ .kind = TILE_OUTER, .vec = 3, .lanes = 16, .cols = 1, .row = { 2, 1 }, .rows = { 5, 3 }, .group = { 1, 1 },
                 .block = -1, .split = -1, .slide = 5, .along = 2, .parallel = true };
    check_tile(&five, &LTARGET_X86_V4, RANDOM, &t);
    t.slide = 25;
    check_tile(&five, &LTARGET_X86_V4, RANDOM, &t);
    t.cols = 2;
    t.rows[0] = 3;
    t.rows[1] = 2;
    t.along = 1;
    check_tile(&five, &LTARGET_X86_V4, RANDOM, &t);
}

/* Of a 3x3 window over 2 x 4 results: every value of 4 x 6 once, every tap once; the sums, taps of two rows
 * and a value at a time in registers. */
static void test_windows_load_once(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    Case k = depthwise(3, 3, 1, 1, false);
    Ctx ctx = { .f = lfunc_new(arena, "contract") };
    row_major(&k);
    LContract c = describe(&ctx, &k, &LTARGET_X86_V4);
    LTile t = { .kind = TILE_OUTER, .vec = 3, .lanes = 16, .cols = 1, .row = { 2, 1 }, .rows = { 3, 2 }, .group = { 1, 1 },
                .block = -1, .split = -1, .slide = 9, .along = 2 };
    assert_null(loop_contract_check(&c, &t));
    TileSlideWork w = tile_slide_work(&c, &t, 4, 2, 1);
    assert_int_equal(w.products, 4 * 2 * 9);
    assert_int_equal(w.moving, 4 * 6);
    assert_int_equal(w.loads, 4 * 6 + 9);
    assert_int_equal(w.registers, 8 + 6 + 1);
    assert_string_equal(loop_tile_print(&t, arena), "outer vec 3 lanes 16 cols 1 rows 2:3:1 1:2:1 stay pack none none "
                                                    "block -1:0 split -1:0 serial slide 9:2");
    /* What does not slide. */
    LTile other = t;
    other.slide = 10;
    assert_string_equal(loop_contract_check(&c, &other), "a sliding window of more steps than the sum has");
    other = t;
    other.group[0] = 3;
    assert_string_equal(loop_contract_check(&c, &other), "a sliding window over groups of tiles");
    other = t;
    other.pack[1] = PACK_PIECE;
    assert_non_null(loop_contract_check(&c, &other));
    other = t;
    other.row[0] = other.row[1] = -1;
    other.rows[0] = other.rows[1] = 1;
    assert_string_equal(loop_contract_check(&c, &other), "a window that slides along no row");
    assert_non_null(loop_tile_read("outer vec 3 lanes 16 cols 1 rows 2:3:1 1:2:1 stay pack none none block -1:0 "
                                   "split -1:0 serial slide 0:2", &other));
    arena_free(arena);
}

/* The cost model lets windows slide for every depthwise convolution, whatever its taps. */
static void test_windows_are_chosen(void **state)
{
    (void)state;
    static const int64_t TAPS[][3] = { { 3, 3, 1 }, { 3, 3, 2 }, { 5, 5, 1 }, { 5, 3, 1 } };
    Arena *arena = arena_new();
    for (int i = 0; i < 4; i++) {
        Case k = depthwise(TAPS[i][0], TAPS[i][1], TAPS[i][2], 1, false);
        Ctx ctx = { .f = lfunc_new(arena, "contract") };
        row_major(&k);
        LContract whole = describe(&ctx, &k, &LTARGET_X86_V4), c = loop_contract_join(&whole);
        LTile t = loop_contract_pick(&c);
        assert_true(t.slide > 0);
        assert_int_equal(t.vec, 3);
    }
    arena_free(arena);
}

/* 24 results in a row are 3 vectors of 8 lanes or 2 of 16: the former where a long vector takes units twice
 * as long, the latter where it does not. */
static void test_short_vectors(void **state)
{
    (void)state;
    fill();
    Arena *arena = arena_new();
    Case k = { "a b", 2, 3, 2, { 96, 24, 48 }, { 0 }, { { 0, { 48, 0, 1 } }, { 0, { 0, 1, 24 } } }, 0, 0 };
    for (int half = 0; half < 2; half++) {
        LTarget target = LTARGET_X86_V4;
        target.unit_bytes = half ? 32 : 0;
        Ctx ctx = { .f = lfunc_new(arena, "contract") };
        row_major(&k);
        LContract c = describe(&ctx, &k, &target);
        LTile t = loop_contract_pick(&c);
        assert_int_equal(t.vec, 1);
        assert_int_equal(t.lanes, half ? 8 : 16);
        check(&k, &target, PICKED);
    }
    Case even = k;
    even.extent[1] = 32;
    LTarget target = LTARGET_X86_V4;
    target.unit_bytes = 32;
    Ctx ctx = { .f = lfunc_new(arena, "contract") };
    LContract c = describe(&ctx, &even, &target);
    assert_int_equal(loop_contract_pick(&c).lanes, 16);
    arena_free(arena);
}

/* A vector times a matrix that no near cache holds, rows along the sum: vectors along the sum, not scalars. */
static void test_large_matrix_vector(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    Case k = { "vector b^T", 2, 3, 2, { 1, 1000, 1280 }, { 0 }, { { 0, { 1280, 0, 1 } }, { 0, { 0, 1280, 1 } } }, 0, 0 };
    for (int i = 0; i < 3; i++) {
        Ctx ctx = { .f = lfunc_new(arena, "contract") };
        row_major(&k);
        LContract c = describe(&ctx, &k, TARGETS[i]);
        LTile t = loop_contract_pick(&c);
        assert_int_equal(t.kind, TILE_DOT);
        assert_true(t.lanes > 1);
    }
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_short_vectors),
        cmocka_unit_test(test_large_matrix_vector),
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_windows_load_once),
        cmocka_unit_test(test_windows_are_chosen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
