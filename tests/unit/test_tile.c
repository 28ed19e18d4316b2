/* The contract scheduler against a naive sum, by the interpreter: named products and convolutions with
 * their gradients, then random index maps and random schedules, on every target. Values are small
 * integers, so that every order of summing gives the same floats. */
#include "loop/tile_pick.h"
#include "tests/unit/tile_case.h"
#include <math.h>

static void test_products(void **state)
{
    (void)state;
    fill();
    static const int64_t SIZE[][3] = { { 1, 10, 64 }, { 6, 37, 19 }, { 32, 48, 40 }, { 13, 16, 1 },
                                       { 5, 3, 7 },  { 1, 1, 50 },  { 40, 1, 9 },   { 2, 129, 5 } };
    for (int s = 0; s < 8; s++) {
        int64_t M = SIZE[s][0], N = SIZE[s][1], K = SIZE[s][2];
        check_all((Case){ "a b", 2, 3, 2, { M, N, K }, { 0 }, { { 0, { K, 0, 1 } }, { 0, { 0, 1, N } } }, 0, 0 });
        check_all((Case){ "a b^T", 2, 3, 2, { M, N, K }, { 0 }, { { 0, { K, 0, 1 } }, { 0, { 0, K, 1 } } }, 0, 0 });
        check_all((Case){ "a^T b", 2, 3, 2, { M, N, K }, { 0 }, { { 0, { 1, 0, M } }, { 0, { 0, 1, N } } }, 0, 0 });
        check_all((Case){ "a^T b^T", 2, 3, 2, { M, N, K }, { 0 }, { { 0, { 1, 0, M } }, { 0, { 0, K, 1 } } }, 0, 0 });
        check_all((Case){ "transposed result", 2, 3, 2, { M, N, K }, { 1, M }, { { 0, { K, 0, 1 } }, { 0, { 0, 1, N } } }, 0, 0 });
    }
    check_all((Case){ "batched", 3, 4, 2, { 3, 9, 20, 11 }, { 0 },
                      { { 0, { 99, 11, 0, 1 } }, { 0, { 220, 0, 20, 1 * 20 } } }, 0, 0 });
    check_all((Case){ "batched, second transposed", 3, 4, 2, { 2, 7, 18, 16 }, { 0 },
                      { { 0, { 112, 16, 0, 1 } }, { 0, { 288, 0, 16, 1 } } }, 0, 0 });
    check_all((Case){ "outer product", 2, 2, 2, { 9, 21 }, { 0 }, { { 0, { 1, 0 } }, { 0, { 0, 1 } } }, 0, 0 });
    check_all((Case){ "inner product", 0, 1, 2, { 777 }, { 0 }, { { 0, { 1 } }, { 0, { 1 } } }, 0, 0 });
    check_all((Case){ "nothing summed", 1, 2, 2, { 8, 0 }, { 0 }, { { 0, { 1, 1 } }, { 0, { 1, 1 } } }, 0, 0 });
    check_all((Case){ "one", 0, 0, 2, { 0 }, { 0 }, { { 3, { 0 } }, { 4, { 0 } } }, 0, 0 });
    check_all((Case){ "row sums", 1, 2, 1, { 7, 50 }, { 0 }, { { 0, { 50, 1 } } }, 0, 0 });
    check_all((Case){ "column sums", 1, 2, 1, { 50, 33 }, { 0 }, { { 0, { 1, 50 } } }, 0, 0 });
}

static void test_convolutions(void **state)
{
    (void)state;
    fill();
    enum { H = 9, W = 8, CI = 5, CO = 18, KH = 3, KW = 2, OH = H - KH + 1, OW = W - KW + 1 };
    /* n h w co | kh kw ci */
    check_all((Case){ "conv, weights hwio", 4, 7, 2, { 2, OH, OW, CO, KH, KW, CI }, { 0 },
                      { { 0, { H * W * CI, W * CI, CI, 0, W * CI, CI, 1 } },
                        { 0, { 0, 0, 0, 1, KW * CI * CO, CI * CO, CO } } }, 0, 0 });
    check_all((Case){ "conv, weights ohwi", 4, 7, 2, { 2, OH, OW, CO, KH, KW, CI }, { 0 },
                      { { 0, { H * W * CI, W * CI, CI, 0, W * CI, CI, 1 } },
                        { 0, { 0, 0, 0, KH * KW * CI, KW * CI, CI, 1 } } }, 0, 0 });
    check_all((Case){ "conv, stride 2", 4, 7, 2, { 2, 4, 3, CO, KH, KW, CI }, { 0 },
                      { { 0, { H * W * CI, 2 * W * CI, 2 * CI, 0, W * CI, CI, 1 } },
                        { 0, { 0, 0, 0, 1, KW * CI * CO, CI * CO, CO } } }, 0, 0 });
    check_all((Case){ "depthwise", 4, 6, 2, { 1, OH, OW, CO, KH, KW }, { 0 },
                      { { 0, { H * W * CO, W * CO, CO, 1, W * CO, CO } }, { 0, { 0, 0, 0, 1, KW * CO, CO } } }, 0, 0 });
    check_all((Case){ "channels first", 4, 7, 2, { 1, CO, OH, OW, CI, KH, KW }, { 0 },
                      { { 0, { CI * H * W, 0, W, 1, H * W, W, 1 } },
                        { 0, { 0, CI * KH * KW, 0, 0, KH * KW, KW, 1 } } }, 0, 0 });
    /* Input gradient over a padded dy: taps run backwards. n h w ci | kh kw co */
    check_all((Case){ "input gradient", 4, 7, 2, { 1, H, W, CI, KH, KW, CO }, { 0 },
                      { { ((KH - 1) * (W + 1) + KW - 1) * CO, { 0, (W + 1) * CO, CO, 0, -(W + 1) * CO, -CO, 1 } },
                        { 0, { 0, 0, 0, CO, KW * CI * CO, CI * CO, 1 } } }, 0, 0 });
    /* Weight gradient: kh kw ci co | n h w */
    check_all((Case){ "weight gradient", 4, 7, 2, { KH, KW, CI, CO, 2, OH, OW }, { 0 },
                      { { 0, { W * CI, CI, 1, 0, H * W * CI, W * CI, CI } },
                        { 0, { 0, 0, 0, 1, OH * OW * CO, OW * CO, CO } } }, 0, 0 });
    check_all((Case){ "window sum", 3, 5, 1, { 4, 4, 20, 2, 2 }, { 0 },
                      { { 0, { 2 * 8 * 20, 2 * 20, 1, 8 * 20, 20 } } }, 0, 0 });
    check_all((Case){ "groups", 4, 5, 2, { 3, 6, 4, 8, 5 }, { 0 },
                      { { 0, { 6 * 20, 20, 5, 0, 1 } }, { 0, { 0, 0, 40, 5, 1 } } }, 0, 0 });
}

/* ---- random maps and schedules ---- */

static uint32_t rng_state;
static int64_t pick(int64_t n)
{
    rng_state = rng_state * 1664525u + 1013904223u;
    return (int64_t)(((uint64_t)(rng_state >> 8) * (uint64_t)n) >> 24);
}

static Case random_case(void)
{
    static const int64_t EXTENT[] = { 1, 2, 3, 4, 5, 7, 8, 9, 12, 16, 17, 20, 33 };
    Case k = { .name = "random" };
    k.n_operand = pick(5) ? 2 : 1;
    int64_t total;
    do {
        k.n_out = (int)pick(4);
        k.n_index = k.n_out + (int)pick(4);
        total = 1;
        for (int i = 0; i < k.n_index; i++)
            total *= k.extent[i] = EXTENT[pick(13)];
    } while (total > 6000);
    for (int o = 0; o < k.n_operand; o++) {
        /* Each index is read by the operand, or not, with the layout's strides permuted; now and then
         * two indices share a dimension (windows), or one runs backwards. */
        int64_t stride = 1;
        int at = (int)pick(k.n_index + 1);
        for (int i = 0; i < k.n_index; i++) {
            int d = (at + i) % k.n_index;
            if (pick(3) == 0)
                continue;
            k.operand[o].stride[d] = stride * (pick(8) ? 1 : 2);
            if (pick(4))
                stride *= k.extent[d] + 1;
            if (stride > 3000)
                break;
        }
        int64_t reach = 0;
        for (int i = 0; i < k.n_index; i++) {
            if (pick(10) == 0)
                k.operand[o].stride[i] = -k.operand[o].stride[i];
            if (k.operand[o].stride[i] < 0)
                k.operand[o].base -= k.operand[o].stride[i] * (k.extent[i] - 1);
            else
                reach += k.operand[o].stride[i] * (k.extent[i] - 1);
        }
        if (k.operand[o].base + reach >= MEM)
            return random_case();
    }
    if (pick(3) == 0) { /* a permuted result */
        int64_t stride = 1;
        int at = (int)pick(4);
        for (int i = 0; i < k.n_out; i++) {
            int d = (at + i) % k.n_out;
            k.out_stride[d] = stride;
            stride *= k.extent[d];
        }
    }
    k.prologue = pick(3) == 0;
    k.epilogue = pick(3) == 0;
    return k;
}

static LTile random_tile(const LContract *c)
{
    int lanes = c->target->vector_bytes / 4;
    LTile t = { .kind = TILE_OUTER, .vec = -1, .lanes = 1, .cols = 1, .row = { -1, -1 }, .rows = { 1, 1 },
                .group = { 1, 1 }, .block = -1, .split = -1, .sweep = pick(2), .parallel = pick(2) };
    int vec = c->n_index ? (int)pick(c->n_index) : -1;
    bool dot = vec >= c->n_out;
    if (vec >= 0 && !(dot && lanes < 4)) {
        t.vec = vec;
        t.kind = dot ? TILE_DOT : TILE_OUTER;
        t.lanes = lanes < 4 ? 1 : lanes;
        t.cols = 1 + (int)pick(3);
    }
    for (int r = 0; r < 2 && c->n_out; r++) {
        int row = (int)pick(c->n_out);
        if (row == t.vec || row == t.row[0] || (r && t.row[0] < 0))
            continue;
        int64_t extent = c->extent[row];
        t.row[r] = row;
        t.rows[r] = (int)tile_cut(extent, 1 + pick(extent < 4 ? extent : 4), 1).rows;
        t.group[r] = 1 + pick(tile_cut(extent, t.rows[r], 1).count);
    }
    int sum = c->n_index ? (int)pick(c->n_index) : -1;
    bool summed = sum >= c->n_out && sum != t.vec && c->extent[sum] > 1;
    if (summed && t.kind == TILE_OUTER && pick(2)) {
        t.block = sum;
        t.depth = 1 + pick(c->extent[sum]);
    }
    if (summed && t.kind == TILE_OUTER && pick(2))
        sum = c->n_out + (int)pick(c->n_index - c->n_out);
    if (summed && sum != t.vec && c->extent[sum] > 1 && pick(2)) {
        int64_t size = 1 + pick(c->extent[sum]);
        t.split = sum;
        t.chunks = (c->extent[sum] + size - 1) / size;
        if (t.chunks < 2)
            t.split = -1;
    }
    for (int o = 0; o < c->n_operand; o++) {
        t.pack[o] = (TilePack)pick(3);
        if (loop_contract_check(c, &t))
            t.pack[o] = PACK_NONE;
    }
    t.ahead = pick(2);
    if (loop_contract_check(c, &t))
        t.ahead = false;
    t.claim = pick(2);
    if (loop_contract_check(c, &t))
        t.claim = false;
    LTile slide = t;
    slide.group[0] = slide.group[1] = 1;
    slide.sweep = slide.claim = false;
    slide.slide = 1 + pick(6);
    slide.along = 1 + pick(3);
    return loop_contract_check(c, &slide) ? t : slide;
}

static void test_random(void **state)
{
    (void)state;
    random_source = random_tile;
    fill();
    for (uint32_t seed = 1; seed <= 1200; seed++) {
        rng_state = seed * 2654435761u;
        Case k = random_case();
        const LTarget *target = TARGETS[pick(4)];
        check(&k, target, (How)(seed % 3));
    }
}

/* ---- epilogues that read from afar ---- */

static int prefetches(const LBlock *b)
{
    int n = 0;
    for (int i = 0; i < b->len; i++)
        n += (b->data[i]->kind == LS_PREFETCH) + prefetches(&b->data[i]->body) + prefetches(&b->data[i]->other);
    return n;
}

/* An update of something that no cache holds: what it reads is asked for while the sums are made, and the
 * tiles follow one another along memory. */
static void test_fetched_ahead(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    LTarget target = LTARGET_X86_V4;
    Case k = { "update", 2, 3, 2, { 128, 128, 64 }, .operand = { { 0, { 1, 0, 128 } }, { 0, { 0, 1, 128 } } } };
    for (int far = 0; far < 2; far++) {
        k.epilogue = far;
        target.l2 = far ? 16384 : LTARGET_X86_V4.l2;
        Ctx ctx = { .f = lfunc_new(arena, "contract") };
        row_major(&k);
        LContract c = describe(&ctx, &k, &target);
        tile_look_at_epilogue(&c);
        assert_int_equal(c.far_reads, 2 * far); /* the bias, too, is a large buffer here */
        assert_int_equal(c.far_writes, far);
        LTile t = loop_contract_pick(&c);
        loop_contract_emit(&c, &t);
        assert_int_equal(prefetches(&ctx.f->body) > 0, far);
        if (!far)
            continue;
        LTile along = t, down = t;
        along.sweep = true;
        down.sweep = false;
        along.group[0] = along.group[1] = down.group[0] = down.group[1] = 1;
        assert_true(tile_epilogue_lines(&c, &along) < tile_epilogue_lines(&c, &down));
    }
    /* An input gradient by a parameter in panels of 32: while one panel's part of the rows is added, the next
     * one's is asked for; one that the cache holds is not. */
    Case panels = { "panels", 2, 4, 2, { 32, 24, 8, 32 }, .operand = { { 0, { 256, 0, 32, 1 } }, { 0, { 0, 32, 768, 1 } } } };
    for (int far = 0; far < 2; far++) {
        target.l2 = far ? 16384 : LTARGET_X86_V4.l2;
        Ctx ctx = { .f = lfunc_new(arena, "contract") };
        row_major(&panels);
        LContract c = describe(&ctx, &panels, &target);
        LTile t = { .kind = TILE_OUTER, .vec = 0, .lanes = 16, .cols = 2, .row = { 1, -1 }, .rows = { 12, 1 },
                    .group = { 1, 1 }, .block = -1, .split = -1, .pack = { PACK_WHOLE, PACK_NONE } };
        assert_null(loop_contract_check(&c, &t));
        loop_contract_emit(&c, &t);
        assert_null(loop_verify(ctx.f, arena));
        assert_int_equal(prefetches(&ctx.f->body), far);
    }
    arena_free(arena);
}

/* ---- a tuner's way in ---- */

typedef struct {
    int n;
    const char *key;
    LTile used;
} Seen;

static void note_seen(void *user, const LContract *c, const char *key, const LTile *used)
{
    Seen *s = user;
    (void)c;
    s->n++;
    s->key = key;
    s->used = *used;
}

static LTile tile_used(Case *k, const LTuning *tuning, Arena *arena, const char **key)
{
    Seen seen = { 0 };
    LTuning told = *tuning;
    told.seen = note_seen;
    told.user = &seen;
    LTarget target = LTARGET_X86_V4;
    target.tuning = &told;
    Ctx ctx = { .f = lfunc_new(arena, "contract") };
    row_major(k);
    LContract c = describe(&ctx, k, &target);
    loop_contract(&c);
    assert_null(loop_verify(ctx.f, arena));
    assert_int_equal(seen.n, 1);
    *key = seen.key;
    return seen.used;
}

static void test_tuned(void **state)
{
    (void)state;
    enum { M = 24, N = 80, K = 30, MOST = 40 };
    Arena *arena = arena_new();
    Case k = { "a b", 2, 3, 2, { M, N, K }, { 0 }, { { 0, { K, 0, 1 } }, { 0, { 0, 1, N } } }, 0, 0 };
    row_major(&k);
    Ctx ctx = { .f = lfunc_new(arena, "contract") };
    LContract c = describe(&ctx, &k, &LTARGET_X86_V4);
    LTile all[MOST], best = loop_contract_pick(&c);
    int n = loop_contract_candidates(&c, all, MOST);
    assert_int_equal(n, MOST);
    assert_string_equal(loop_tile_print(&all[0], arena), loop_tile_print(&best, arena));
    /* What is remembered is what was found; another contraction is not taken for it. */
    LTarget remembers = LTARGET_X86_V4;
    remembers.memo = tile_memo_new(arena);
    LContract same = c, other = c, ready = c, ready_too;
    same.target = other.target = &remembers;
    ready.fixed[1] = true;
    ready_too = ready;
    ready_too.target = &remembers;
    other.extent[0] = M / 2;
    for (int i = 0; i < 2; i++) {
        assert_true(loop_contract_pick(&same).cost == best.cost && loop_contract_pick(&other).cost != best.cost);
        assert_true(loop_contract_pick(&ready_too).cost == loop_contract_pick(&ready).cost);
        assert_int_equal(loop_contract_candidates(&same, all, MOST / 2), MOST / 2);
    }
    for (int i = 0; i < n; i++) {
        assert_null(loop_contract_check(&c, &all[i]));
        assert_true(i == 0 || all[i - 1].cost <= all[i].cost);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(loop_tile_print(&all[j], arena), loop_tile_print(&all[i], arena));
    }
    const char *key, *tuned_key;
    LTuning none = { 0 };
    LTile used = tile_used(&k, &none, arena, &key);
    assert_string_equal(loop_tile_print(&used, arena), loop_tile_print(&best, arena));
    LTileChoice choice = { key, all[MOST - 1] };
    LTuning tuning = { .choice = &choice, .n_choices = 1 };
    used = tile_used(&k, &tuning, arena, &tuned_key);
    assert_string_equal(tuned_key, key);
    assert_string_equal(loop_tile_print(&used, arena), loop_tile_print(&choice.tile, arena));
    /* What does not fit is passed over. */
    choice.tile.rows[0] = M + 1;
    used = tile_used(&k, &tuning, arena, &tuned_key);
    assert_string_equal(loop_tile_print(&used, arena), loop_tile_print(&best, arena));
    choice.tile = best;
    choice.tile.vec = 7;
    assert_non_null(loop_contract_check(&c, &choice.tile));
    choice.tile = best;
    choice.tile.lanes = 32;
    assert_non_null(loop_contract_check(&c, &choice.tile));
    choice.tile = best;
    choice.tile.pack[0] = PACK_PIECE;
    assert_non_null(loop_contract_check(&c, &choice.tile));
    choice.tile = best;
    choice.tile.split = 2;
    choice.tile.chunks = 7;
    assert_non_null(loop_contract_check(&c, &choice.tile));
    assert_non_null(loop_tile_read("outer vec 1", &used));
    assert_non_null(loop_tile_read("", &used));
    arena_free(arena);
}

/* Many rows against few panels pass by once, in groups that the second cache holds; tiles of a transposed
 * operand's rows, its steps a power of two apart, are copied side by side. */
static void test_rows(void **state)
{
    (void)state;
    enum { N = 50257, K = 768, M = 1024 };
    Arena *arena = arena_new();
    Case many = { "many rows", 2, 3, 2, { 128, N, K }, { 0 }, { { 0, { K, 0, 1 } }, { 0, { 0, K, 1 } } }, 0, 0 };
    Case k = { "a^T b", 2, 3, 2, { M, M, M }, { 0 }, { { 0, { 1, 0, M } }, { 0, { 0, 1, M } } }, 0, 0 };
    row_major(&many);
    row_major(&k);
    Ctx ctx = { .f = lfunc_new(arena, "contract") }, ctx2 = { .f = lfunc_new(arena, "contract") };
    LContract c = describe(&ctx, &many, &LTARGET_X86_V4);
    LTile t = loop_contract_pick(&c);
    assert_true(t.sweep && t.vec == 0 && t.row[0] == 1);
    assert_true(t.group[0] * t.rows[0] * K * 4 <= LTARGET_X86_V4.l2 / 2);
    c = describe(&ctx2, &k, &LTARGET_X86_V4);
    t = loop_contract_pick(&c);
    int o = t.vec == 0; /* the operand of the rows */
    assert_true(t.row[0] == o && tile_packs_rows(&c, &t, o) && !tile_packs_rows(&c, &t, !o));
    t.pack[o] = PACK_PIECE;
    assert_non_null(loop_contract_check(&c, &t));
    /* So they are where second rows lie along an index of their own: the gradient of a parameter in panels of 32. */
    Case parted = { "a^T b in panels", 3, 4, 2, { 8, 256, 32, M }, { 0 },
                    { { 0, { 32, 0, 1, 256 } }, { 0, { 0, 1, 0, 256 } } }, 0, 0 };
    row_major(&parted);
    Ctx ctx3 = { .f = lfunc_new(arena, "contract") };
    c = describe(&ctx3, &parted, &LTARGET_X86_V4);
    t = loop_contract_pick(&c);
    assert_true(tile_packs_rows(&c, &t, 0) && t.pack[1] == PACK_WHOLE);
    arena_free(arena);
}

/* ---- what is asked for ahead ---- */

/* Every prefetch of y adds one to the element of `seen` it names. Returns how many statements that were. */
static int count_fetches(LFunc *f, LBlock *b, const LBuf *y, LBuf *seen)
{
    int n = 0;
    for (int i = 0; i < b->len; i++) {
        LStmt *s = b->data[i];
        if (s->kind == LS_PREFETCH && s->buf == y) {
            s->kind = LS_STORE;
            s->buf = seen;
            s->value = lx_add(f, lx_load(f, seen, s->index, 1, NULL), lx_float(f, 1));
            n++;
        }
        n += count_fetches(f, &s->body, y, seen) + count_fetches(f, &s->other, y, seen);
    }
    return n;
}

/* How often each element of the results, or of the operand with panels, is asked for. */
enum { CLAIM_M = 28, CLAIM_N = 80, CLAIM_K = 60 };
static void count_asked(const char *schedule, bool turned, bool epilogue, bool panel, float times[OUT])
{
    enum { M = CLAIM_M, N = CLAIM_N, K = CLAIM_K };
    Arena *arena = arena_new();
    Case k = { "claim", 2, 3, 2, { M, N, K }, { turned ? 1 : N, turned ? M : 1 },
               { { 0, { K, 0, 1 } }, { 0, { 0, 1, N } } }, 0, epilogue };
    Ctx ctx = { .f = lfunc_new(arena, "claim") };
    LContract c = describe(&ctx, &k, &LTARGET_X86_V4);
    LTile t;
    assert_null(loop_tile_read(schedule, &t));
    assert_null(loop_contract_check(&c, &t));
    loop_contract_emit(&c, &t);
    LBuf *seen = lfunc_param(ctx.f, "seen", LK_F32, OUT, LB_INOUT);
    assert_true(count_fetches(ctx.f, &ctx.f->body, panel ? ctx.in[1] : ctx.out, seen) > 0);
    loop_hoist(ctx.f);
    memset(times, 0, OUT * sizeof *times);
    void *buffers[] = { in_memory[0], in_memory[1], bias_memory, got, times };
    assert_null(loop_verify(ctx.f, arena));
    assert_null(lfunc_eval(ctx.f, buffers, NULL, arena));
    arena_free(arena);
}

/* A claiming tile asks for each line of its results once: along the lanes, or along rows that lie side by side. */
static void check_claims(const char *schedule, bool turned, bool epilogue)
{
    static float times[OUT];
    count_asked(schedule, turned, epilogue, false, times);
    for (int i = 0; i < OUT; i++)
        assert_true(times[i] == (i < CLAIM_M * CLAIM_N && (turned ? i % 14 == 0 : i % 16 == 0) ? 1 : 0));
}

static void test_claims(void **state)
{
    (void)state;
    for (int epilogue = 0; epilogue < 2; epilogue++) {
        check_claims("outer vec 1 lanes 16 cols 2 rows 0:14:1 -1:1:1 stay pack none none block -1:0 split -1:0 serial claim",
                     false, epilogue);
        check_claims("outer vec 1 lanes 16 cols 2 rows 0:14:1 -1:1:1 stay pack none none block -1:0 split -1:0 serial claim",
                     true, epilogue);
    }
    /* So do the tiles that share a panel of the next one, each for its part, whatever else they ask for. */
    static const char BOTH[] = "outer vec 1 lanes 16 cols 2 rows 0:14:2 -1:1:1 sweep pack none none block -1:0 split -1:0 "
                               "serial ahead claim";
    static float times[OUT];
    check_claims(BOTH, false, false);
    count_asked(BOTH, false, false, true, times);
    for (int k = 0; k < CLAIM_K; k++)
        for (int lane = 32; lane < 64; lane++)
            assert_true(times[k * CLAIM_N + lane] == (lane % 16 == 0 ? 1 : 0));
    /* Where the sum goes on in blocks they ask for the next block of their own panel. */
    count_asked("outer vec 1 lanes 16 cols 2 rows 0:14:2 -1:1:1 stay pack none none block 2:20 split -1:0 serial ahead",
                false, false, true, times);
    for (int k = 0; k < CLAIM_K; k++)
        for (int lane = 0; lane < CLAIM_N; lane++)
            assert_true(times[k * CLAIM_N + lane] == (k >= 20 && lane % 16 == 0 ? 1 : 0));
}

/* A parameter in panels that no cache holds is read block by block, the next one asked for; the lines that it has are
 * counted for all its panels, whether one index counts them or two. */
static void test_panels_from_afar(void **state)
{
    (void)state;
    enum { M = 49, K = 4608, PANELS = 16, WIDTH = 32 };
    Arena *arena = arena_new();
    Case panels = { "panels", 3, 4, 2, { M, PANELS, WIDTH, K }, { 0 },
                    { { 0, { K, 0, 0, 1 } }, { 0, { 0, K * WIDTH, 1, WIDTH } } }, 0, 0 };
    Case two = { "panels by two", 4, 5, 2, { M, 2, PANELS / 2, WIDTH, K }, { 0 },
                 { { 0, { K, 0, 0, 0, 1 } }, { 0, { 0, PANELS / 2 * K * WIDTH, K * WIDTH, 1, WIDTH } } }, 0, 0 };
    row_major(&panels);
    row_major(&two);
    Ctx ctx = { .f = lfunc_new(arena, "contract") }, ctx2 = { .f = lfunc_new(arena, "contract") };
    LContract c = describe(&ctx, &panels, &LTARGET_X86_V4), c2 = describe(&ctx2, &two, &LTARGET_X86_V4);
    LTile t = loop_contract_pick(&c);
    assert_true(t.vec == 2 && t.ahead && t.block == 3 && t.depth * WIDTH * 4 <= LTARGET_X86_V4.l1 / 2);
    LTile t2 = t;
    t2.vec++, t2.block++;
    assert_true(fabs(tile_cost(&c2, &t2) - tile_cost(&c, &t)) < 0.01 * tile_cost(&c, &t));
    arena_free(arena);
}

/* ---- what an epilogue's indices are known to be ---- */

/* A bias of as many elements as the two last output indices have together, read as lowering reads one whose
 * axis the layout has split into panels. */
static void store_panels(void *user, LBlock *at, LExpr *const *index, LExpr *value)
{
    Ctx *c = user;
    LFunc *f = c->f;
    int64_t lanes = c->k->extent[2], all = c->k->extent[1] * lanes;
    LExpr *place = lx_add(f, lx_mul(f, index[0], lx_i64(f, all)), lx_add(f, lx_mul(f, index[1], lx_i64(f, lanes)), index[2]));
    LExpr *x = lx_add(f, value, lx_load(f, c->bias, lx_bin(f, LX_MOD, place, lx_i64(f, all)), 1, NULL));
    for (int i = 0; i < 12; i++) /* long enough to be staged */
        x = lx_var(f, lb_let(f, at, "e", lx_bin(f, LX_MAX, lx_add(f, x, lx_float(f, 0.5)), lx_float(f, i))));
    lb_store(f, at, c->out, place, x, NULL);
}

/* Tiles of two heights, edges of vectors: in each branch the bias is one vector, never lane by lane. */
static void test_branches_bound_indices(void **state)
{
    (void)state;
    for (int rows = 2; rows <= 5; rows++) {
        Arena *arena = arena_new();
        Case k = { "panels", 3, 4, 2, { 8, 49, 16, 20 }, { 0 }, { { 0, { 20, 0, 0, 1 } }, { 0, { 0, 320, 1, 16 } } }, 0, 0 };
        row_major(&k);
        Ctx ctx = { .f = lfunc_new(arena, "contract") };
        LContract c = describe(&ctx, &k, &LTARGET_X86_V4);
        c.store = store_panels;
        LTile t = { .kind = TILE_OUTER, .vec = 2, .lanes = 16, .cols = 1, .row = { 1, 0 }, .rows = { rows, 4 }, .group = { 1, 1 },
                    .block = -1, .split = -1 };
        assert_null(loop_contract_check(&c, &t));
        loop_contract_emit(&c, &t);
        Text text = { .arena = arena };
        loop_print_func(ctx.f, &text);
        if (strstr(text.data, "lanes") || loop_verify(ctx.f, arena))
            fail_msg("%d rows: %.20000s", rows, text.data);
        arena_free(arena);
    }
}

/* ---- windows of results ---- */

typedef struct {
    Ctx base;
    int64_t window[8];
} PoolCtx;

static void store_largest(void *user, LBlock *at, LExpr *const *index, LExpr *const *value)
{
    PoolCtx *p = user;
    const Case *k = p->base.k;
    LFunc *f = p->base.f;
    LExpr *place = lx_i64(f, 0), *largest = value[0];
    int64_t n = 1, stride = 1;
    for (int i = k->n_out - 1; i >= 0; i--) {
        place = lx_add(f, place, lx_mul(f, lx_bin(f, LX_DIV, index[i], lx_i64(f, p->window[i])), lx_i64(f, stride)));
        stride *= k->extent[i] / p->window[i];
        n *= p->window[i];
    }
    /* The last element counts twice: the order of the elements matters. */
    for (int64_t w = 1; w < n; w++)
        largest = lx_bin(f, LX_MAX, largest, w == n - 1 ? lx_mul(f, value[w], lx_float(f, 2)) : value[w]);
    lb_store(f, at, p->base.out, place, largest, NULL);
}

/* want, which holds the results as they are: the same of the windows. */
static void pool_naively(const Case *k, const int64_t *window)
{
    static float whole[OUT];
    memcpy(whole, want, sizeof whole);
    int64_t count = 1, elements = 1;
    for (int i = 0; i < k->n_out; i++) {
        count *= k->extent[i] / window[i];
        elements *= window[i];
    }
    for (int64_t n = 0; n < count; n++)
        for (int64_t w = 0; w < elements; w++) {
            int64_t rest = n, inside = w, stride = 1, at = 0;
            for (int i = k->n_out - 1; i >= 0; i--) {
                at += stride * (rest % (k->extent[i] / window[i]) * window[i] + inside % window[i]);
                rest /= k->extent[i] / window[i];
                inside /= window[i];
                stride *= k->extent[i];
            }
            float v = whole[at] * (w && w == elements - 1 ? 2.0f : 1.0f);
            want[n] = w == 0 || v > want[n] ? v : want[n];
        }
}

static void check_pool(Case k, const int64_t *window, const LTarget *target)
{
    enum { MOST = 60 };
    row_major(&k);
    for (int i = 0; i < OUT; i++)
        want[i] = 0;
    naive(&k);
    pool_naively(&k, window);
    int64_t count = 1;
    for (int i = 0; i < k.n_out; i++)
        count *= k.extent[i] / window[i];
    for (int s = 0, n = 1; s < n; s++) { /* the schedules that the cost model considers best */
        Arena *arena = arena_new();
        PoolCtx ctx = { .base.f = lfunc_new(arena, "contract") };
        LContract whole = describe(&ctx.base, &k, target);
        memcpy(ctx.window, window, sizeof ctx.window);
        memcpy(whole.window, window, (size_t)k.n_out * sizeof *window);
        whole.store_window = store_largest;
        LContract c = loop_contract_join(&whole);
        LTile all[MOST];
        n = loop_contract_candidates(&c, all, MOST);
        assert_null(loop_contract_check(&c, &all[s]));
        loop_contract_emit(&c, &all[s]);
        loop_hoist(ctx.base.f);
        const char *why = loop_verify(ctx.base.f, arena);
        memset(got, 0, sizeof got);
        void *scratch = arena_alloc(arena, (size_t)ctx.base.f->scratch_bytes + 4);
        void *buffers[] = { in_memory[0], in_memory[1], bias_memory, got, scratch };
        if (!why)
            why = lfunc_eval(ctx.base.f, buffers, NULL, arena);
        if (why || memcmp(want, got, (size_t)count * sizeof *got) != 0)
            fail_msg("%s on %s: %s; %s", k.name, target->name, why ? why : "wrong result", loop_tile_print(&all[s], arena));
        arena_free(arena);
    }
}

static void test_windows(void **state)
{
    (void)state;
    fill();
    for (int t = 0; t < 4; t++) {
        check_pool((Case){ "2x2 of a convolution", 4, 6, 2, { 2, 6, 10, 20, 3, 2 }, { 0 },
                           { { 0, { 88, 11, 1, 0, 11, 1 } }, { 0, { 0, 0, 0, 1, 40, 20 } } }, 0, 0 },
                   (int64_t[8]){ 1, 2, 2, 1 }, TARGETS[t]);
        check_pool((Case){ "2x2 of a depthwise convolution", 4, 6, 2, { 2, 6, 10, 20, 3, 2 }, { 0 },
                           { { 0, { 1760, 220, 20, 1, 220, 20 } }, { 0, { 0, 0, 0, 1, 40, 20 } } }, 0, 0 },
                   (int64_t[8]){ 1, 2, 2, 1 }, TARGETS[t]);
        check_pool((Case){ "3 of rows", 3, 4, 2, { 3, 12, 17, 9 }, { 0 }, { { 0, { 108, 9, 0, 1 } }, { 0, { 0, 0, 1, 17 } } }, 0, 0 },
                   (int64_t[8]){ 1, 3, 1 }, TARGETS[t]);
        check_pool((Case){ "4x2 of the outer two", 3, 4, 2, { 8, 6, 32, 5 }, { 0 }, { { 0, { 30, 5, 0, 1 } }, { 0, { 0, 0, 1, 32 } } }, 0, 0 },
                   (int64_t[8]){ 4, 2, 1 }, TARGETS[t]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products),
        cmocka_unit_test(test_convolutions),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_fetched_ahead),
        cmocka_unit_test(test_tuned),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_claims), cmocka_unit_test(test_panels_from_afar),
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_branches_bound_indices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
