/* Which schedule a contraction gets. Every index that could carry the lanes is tried, with every register
 * tile that fits the registers; of each index the best by arithmetic alone are then tried with panels,
 * blocks of the sum and orders of the grid, and the cheapest by the whole model (tile_cost.c) wins. */
#include "loop/cores.h"
#include "loop/tile_memo.h"
#include "loop/tile_pick.h"
#include "loop/winograd.h"

#include <stdlib.h>
#include <string.h>

enum { BASES = 14 };

typedef struct {
    const LContract *c;
    int lanes;
    LTile base[BASES]; /* of one index: the cheapest tiles so far, in order */
    int n_bases;
    LTile *best;       /* the cheapest schedules so far, in order */
    int n, max;
} Pick;

static int64_t extent(const LContract *c, int k) { return k < 0 ? 1 : c->extent[k]; }
static int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }

static void insert(LTile *list, int *n, int max, const LTile *t)
{
    int at = *n < max ? (*n)++ : max;
    for (; at > 0 && t->cost < list[at - 1].cost; at--)
        if (at < max)
            list[at] = list[at - 1];
    if (at < max)
        list[at] = *t;
}

/* ---- schedules of a tile ---- */

/* Too few pieces for the cores of any machine, and long sums: cut the longest summed index. A function of
 * the description only, so that sums keep their order on every number of threads. */
static bool split_sum(const LContract *c, LTile *t)
{
    int64_t pieces = 1, outputs = 1, longest = 1, steps = 1;
    int order[TILE_MAX_INDEX], n = tile_order(c, t, order), at = -1;
    for (int k = 0; k < c->n_out; k++) {
        int r = k == t->row[0] ? 0 : k == t->row[1] ? 1 : -1;
        int64_t e = c->extent[k];
        outputs *= e;
        pieces *= r >= 0 ? (tile_row_cut(c, t, r).count + t->group[r] - 1) / t->group[r]
                  : k == t->vec ? (e + tile_width(t) - 1) / tile_width(t) : e;
    }
    for (int k = c->n_out; k < c->n_index; k++)
        steps *= c->extent[k];
    if (pieces >= 8 || steps < 2048)
        return false;
    for (int i = 0; i < n; i++) {
        if (c->extent[order[i]] > longest) {
            longest = c->extent[order[i]];
            at = order[i];
        }
        if (order[i] == t->block)
            break;
    }
    int64_t chunks = min64(longest, (15 + pieces) / pieces);
    if (at < 0 || chunks < 2 || outputs * chunks > steps * 64)
        return false;
    int64_t size = (longest + chunks - 1) / chunks;
    t->split = at;
    t->chunks = (longest + size - 1) / size;
    return true;
}

static void consider(Pick *p, LTile t)
{
    const LContract *c = p->c;
    for (int r = 0; r < 2; r++) /* nothing but another order of the grid */
        if (t.row[r] >= 0 && t.rows[r] == 1 && t.group[r] == 1 && !t.slide)
            return;
    if (t.block >= 0 && t.group[0] * t.group[1] == 1)
        return;
    if (loop_contract_check(c, &t))
        return;
    t.cost = tile_cost(c, &t);
    insert(p->best, &p->n, p->max, &t);
    if (t.cost > 2e5 && !c->serial && c->target->cores > 1 && split_sum(c, &t) && !loop_contract_check(c, &t)) {
        t.cost = tile_cost(c, &t);
        insert(p->best, &p->n, p->max, &t);
    }
}

/* Is o read as vectors that all rows share? */
static bool has_panels(const LContract *c, const LTile *t, int o)
{
    return o < c->n_operand && t->kind == TILE_OUTER && t->lanes > 1 && tile_stride(c, o, t->vec) != 0 &&
           !tile_stride(c, o, t->row[0]) && !tile_stride(c, o, t->row[1]);
}

/* Groups of all tiles, then ever fewer, as long as there is a difference. */
static bool group_tiles(const LContract *c, LTile *t, int halvings)
{
    int64_t count[2] = { 1, 1 };
    for (int r = 0; r < 2; r++)
        if (t->row[r] >= 0)
            count[r] = tile_row_cut(c, t, r).count;
    int64_t all = (count[0] * count[1]) >> halvings;
    if (all < 1)
        return false;
    t->group[0] = min64(count[0], all);
    t->group[1] = all / t->group[0] > 1 ? min64(count[1], all / t->group[0]) : 1;
    return true;
}

/* Where the second cache holds all panels: a group of no more tiles than it holds beside them. (Panels that
 * come from farther away are worth larger groups, which halving finds.) */
static bool group_in_cache(const LContract *c, LTile *t)
{
    double bytes = 0, panels = 0;
    for (int o = 0; o < c->n_operand; o++) {
        double own = 4;
        for (int r = 0; r < 2; r++)
            own *= tile_stride(c, o, t->row[r]) ? t->rows[r] : 1;
        for (int k = c->n_out; k < c->n_index; k++)
            own *= tile_stride(c, o, k) ? (double)c->extent[k] : 1;
        bool on_rows = tile_stride(c, o, t->row[0]) || tile_stride(c, o, t->row[1]);
        bytes += on_rows ? own : 0;
        panels += on_rows ? 0 : own * (double)extent(c, t->vec);
    }
    double most = 0.25 * (double)c->target->l2 / bytes;
    if (t->row[0] < 0 || bytes == 0 || panels > 0.5 * (double)c->target->l2 || most < 1 ||
        most >= (double)t->group[0] * (double)t->group[1])
        return false;
    t->group[0] = min64((int64_t)most, tile_row_cut(c, t, 0).count);
    t->group[1] = 1;
    return true;
}

/* Cuts the sum so that a block has about `steps` of them. False: it has no more. */
static bool cut_sum(const LContract *c, LTile *t, int64_t steps)
{
    int order[TILE_MAX_INDEX], n = tile_order(c, t, order);
    int64_t inside = 1;
    for (int i = n - 1; i >= 0; i--) {
        int64_t e = c->extent[order[i]];
        if (inside * e < steps && i > 0) {
            inside *= e;
            continue;
        }
        int64_t depth = steps / inside < 1 ? 1 : steps / inside;
        if (depth >= e)
            return false;
        int64_t parts = (e + depth - 1) / depth;
        depth = (e + parts - 1) / parts;
        if (depth > t->lanes) /* whole squares of a turned panel */
            depth = (depth + t->lanes - 1) / t->lanes * t->lanes;
        t->block = order[i];
        t->depth = min64(depth, e);
        return true;
    }
    return false;
}

static bool large(const LContract *c, int o)
{
    double bytes = 4;
    for (int k = 0; k < c->n_index; k++)
        bytes *= tile_stride(c, o, k) ? (double)c->extent[k] : 1;
    return bytes > 0.75 * (double)c->target->l2;
}

static void consider_blocks(Pick *p, LTile t, bool panels)
{
    const LContract *c = p->c;
    bool piece = t.pack[0] == PACK_PIECE || t.pack[1] == PACK_PIECE;
    if (piece) /* all of the sum at once */
        for (int h = 0; h < 4 && group_tiles(c, &t, h); h++)
            consider(p, t);
    for (int64_t steps = 64; steps <= 512; steps *= 2) {
        LTile cut = t;
        if (!cut_sum(c, &cut, steps))
            continue;
        for (int o = 0; o < c->n_operand; o++)
            cut.ahead |= panels && cut.pack[o] != PACK_WHOLE && has_panels(c, &cut, o) && large(c, o);
        for (int h = 0; h < 4 && group_tiles(c, &cut, h); h++) {
            consider(p, cut);
            if (h) {
                LTile sweep = cut;
                sweep.sweep = true;
                consider(p, sweep);
            }
        }
    }
}

static void consider_memory(Pick *p, LTile t);

/* Rows of one along another index, so that its tiles too can share a panel. */
static void consider_more_rows(Pick *p, LTile t)
{
    int r = t.row[0] < 0 ? 0 : 1;
    if (t.row[r] >= 0)
        return;
    for (int k = 0; k < p->c->n_out; k++) {
        t.row[r] = k;
        bool fits = k != t.vec && (r == 0 || k != t.row[0]) && p->c->extent[k] > 1;
        if (fits && (has_panels(p->c, &t, 0) || has_panels(p->c, &t, 1)))
            consider_memory(p, t);
    }
}

/* Copies the operand of the rows where they lie side by side and the steps of the sum far apart: without that a
 * tile reads a part of ever new lines, which fall on few sets of a cache, once for every vector tile. */
static bool pack_rows(const LContract *c, LTile *t)
{
    for (int o = 0; o < c->n_operand; o++) {
        double count = 1, span = 1;
        int64_t nearest = 0;
        for (int k = 0; k < c->n_index; k++) {
            int64_t s = tile_stride(c, o, k) < 0 ? -tile_stride(c, o, k) : tile_stride(c, o, k);
            count *= s ? (double)c->extent[k] : 1;
            span += (double)s * (double)(c->extent[k] - 1);
            if (k >= c->n_out && s && c->extent[k] > 1 && (!nearest || s < nearest))
                nearest = s;
        }
        bool rows = !c->serial && !tile_stride(c, o, t->vec) && tile_stride(c, o, t->row[0]) == 1 && t->rows[0] > 1 &&
                    c->extent[t->vec] >= 4 * tile_width(t);
        if (rows && nearest >= 256 && count <= span) { /* windows that overlap would be copied many times */
            t->pack[o] = PACK_WHOLE;
            return true;
        }
    }
    return false;
}

/* Orders of the grid. */
static void consider_orders(Pick *p, LTile packed)
{
    const LContract *c = p->c;
    if (packed.pack[0] || packed.pack[1])
        consider(p, packed);
    LTile sweep = packed;
    sweep.sweep = true;
    for (int o = 0; o < c->n_operand; o++)
        sweep.ahead |= packed.pack[o] && has_panels(c, &packed, o) && large(c, o);
    for (int h = 1; h < 6 && group_tiles(c, &sweep, h); h++)
        consider(p, sweep);
    if (group_in_cache(c, &sweep))
        consider(p, sweep);
    if (c->far_reads) { /* the epilogue walks along memory */
        sweep.group[0] = sweep.group[1] = 1;
        consider(p, sweep);
    }
}

static void consider_memory(Pick *p, LTile t)
{
    const LContract *c = p->c;
    bool panels = has_panels(c, &t, 0) || has_panels(c, &t, 1);
    consider(p, t);
    if (t.kind == TILE_DOT || t.lanes == 1)
        return;
    for (int pack = PACK_NONE; pack <= PACK_PIECE; pack++) {
        LTile packed = t;
        for (int o = 0; o < 2; o++)
            packed.pack[o] = has_panels(c, &t, o) ? (TilePack)pack : PACK_NONE;
        if (pack && !panels)
            break;
        LTile rows = packed;
        if (pack != PACK_PIECE)
            consider_orders(p, packed);
        if (pack != PACK_PIECE && pack_rows(c, &rows))
            consider_orders(p, rows);
        consider_blocks(p, packed, panels);
    }
}

/* ---- tiles ---- */

/* Registers that a step keeps: accumulators, and operand values until their last use; tiles go through row 1,
 * then row 0, then the columns. */
static int64_t registers_kept(const LContract *c, const LTile *t, int64_t n0, int64_t n1, int64_t cols)
{
    int64_t kept = n0 * n1 * cols;
    for (int o = 0; o < c->n_operand; o++) {
        bool on0 = tile_stride(c, o, t->row[0]) != 0, on1 = tile_stride(c, o, t->row[1]) != 0;
        int64_t each = tile_stride(c, o, t->vec) ? cols : 1;
        kept += !on0 ? each : !on1 && n1 > 1 ? n0 * each : 1;
    }
    return kept + (c->n_operand == 1);
}

/* Tiles over given rows: all sizes that fit the registers. */
static void consider_rows(Pick *p, LTile t, int max_cols)
{
    const LContract *c = p->c;
    int registers = c->target->vector_registers;
    int64_t most0 = min64(extent(c, t.row[0]), 16), most1 = min64(extent(c, t.row[1]), 8);
    for (int cols = 1; cols <= max_cols; cols++)
        for (int64_t n1 = t.row[1] < 0 ? 1 : 2; n1 <= most1; n1++) {
            for (int64_t n0 = t.row[0] < 0 ? 1 : 2; n0 <= most0; n0++) {
                if (registers_kept(c, &t, n0, n1, cols) > registers)
                    break;
                t.cols = cols;
                t.rows[0] = (int)n0;
                t.rows[1] = (int)n1;
                if ((t.row[0] >= 0 && tile_row_cut(c, &t, 0).rows != n0) ||
                    (t.row[1] >= 0 && tile_row_cut(c, &t, 1).rows != n1) || tile_check_windows(c, &t))
                    continue;
                t.cost = tile_arithmetic(c, &t);
                insert(p->base, &p->n_bases, BASES, &t);
            }
        }
}

static void consider_axis(Pick *p, LTile t)
{
    const LContract *c = p->c;
    p->n_bases = 0;
    bool dot = t.kind == TILE_DOT;
    int64_t vectors = t.vec < 0 ? 1 : (c->extent[t.vec] + t.lanes - 1) / t.lanes;
    int max_cols = t.vec < 0 ? 1 : (int)min64(vectors, dot ? 4 : 8);
    for (int a = -1; a < c->n_out; a++) {
        if (a >= 0 && (a == t.vec || c->extent[a] < 2))
            continue;
        for (int b = -1; b < c->n_out; b++) {
            if (b >= 0 && (a < 0 || b == a || b == t.vec || c->extent[b] < 2))
                continue;
            t.row[0] = a;
            t.row[1] = b;
            consider_rows(p, t, max_cols);
        }
    }
    for (int i = 0; i < p->n_bases; i++) {
        consider_memory(p, p->base[i]);
        if (p->base[i].kind == TILE_OUTER && p->base[i].lanes > 1)
            consider_more_rows(p, p->base[i]);
    }
}

/* ---- windows that slide ---- */

/* Do steps of the sum, which are written out, meet what neighbours along output index y read? */
static bool windowed(const LContract *c, int o, int y)
{
    int64_t s = tile_stride(c, o, y) < 0 ? -tile_stride(c, o, y) : tile_stride(c, o, y);
    for (int k = c->n_out; k < c->n_index && s && c->extent[y] > 1; k++) {
        int64_t tap = tile_stride(c, o, k) < 0 ? -tile_stride(c, o, k) : tile_stride(c, o, k);
        int64_t far = tap > s ? tap : s, near = tap > s ? s : tap;
        if (c->extent[k] > 1 && near && far % near == 0 && far / near <= 4)
            return true;
    }
    return false;
}

/* Where there are few registers each counts; where there are many, some are left to the compiler. */
static bool slide_fits(const LContract *c, const LTile *t)
{
    int spare = c->target->vector_registers > 16 ? 5 : 2;
    return tile_slide_work(c, t, t->rows[0], t->rows[1], t->cols).registers + spare <= c->target->vector_registers;
}

static void consider_slide(Pick *p, LTile t)
{
    const LContract *c = p->c;
    int64_t vectors = (c->extent[t.vec] + t.lanes - 1) / t.lanes, most0 = min64(extent(c, t.row[0]), 16);
    int64_t most1 = t.row[1] < 0 ? 1 : min64(extent(c, t.row[1]), 5);
    for (int cols = 1; cols <= 4 && cols <= vectors; cols++)
        for (int64_t n1 = t.row[1] < 0 ? 1 : 2; n1 <= most1; n1++)
            for (int64_t n0 = 2; n0 <= most0; n0++) {
                t.cols = cols;
                t.rows[0] = (int)n0;
                t.rows[1] = (int)n1;
                t.along = 1;
                if (n0 * n1 * cols >= c->target->vector_registers || n0 * n1 * cols > TILE_MAX_ACC)
                    break;
                if (loop_contract_check(c, &t) || !slide_fits(c, &t))
                    continue;
                int64_t walk = (vectors + cols - 1) / cols;
                for (t.along = walk; t.along >= 1; t.along /= 2)
                    consider(p, t);
            }
}

/* Depthwise convolutions and their like: few steps, or a window along the innermost. */
static void consider_slides(Pick *p, LTile t)
{
    const LContract *c = p->c;
    int order[TILE_MAX_INDEX], n = tile_order(c, &t, order);
    int64_t steps = 1, innermost = n ? c->extent[order[n - 1]] : 1;
    for (int i = 0; i < n; i++)
        steps = steps * c->extent[order[i]] > 1 << 20 ? 1 << 20 : steps * c->extent[order[i]];
    for (int o = 0; o < c->n_operand && n; o++)
        for (int a = 0; a < c->n_out; a++) {
            if (a == t.vec || !windowed(c, o, a) || tile_stride(c, 1 - o, a))
                continue;
            for (int b = -1; b < c->n_out; b++) {
                if (b >= 0 && (b == t.vec || b == a || !windowed(c, o, b) || tile_stride(c, 1 - o, b) ||
                               llabs(tile_stride(c, o, b)) < llabs(tile_stride(c, o, a))))
                    continue;
                t.row[0] = a;
                t.row[1] = b;
                t.slide = steps;
                if (steps <= 32)
                    consider_slide(p, t);
                int64_t parts = (innermost + 9) / 10;
                t.slide = (innermost + parts - 1) / parts;
                if (t.slide < steps)
                    consider_slide(p, t);
            }
        }
}

static bool dot_fits(const LContract *c, int k, int lanes)
{
    bool any = false;
    for (int o = 0; o < c->n_operand; o++) {
        if (tile_stride(c, o, k) != 0 && tile_stride(c, o, k) != 1)
            return false;
        any = any || tile_stride(c, o, k) == 1;
    }
    return any && c->extent[k] >= lanes;
}

/* More results than the second cache keeps until the next kernel wants them, or since the last wrote there. */
static bool results_afar(const LContract *c)
{
    double bytes = 4;
    for (int k = 0; k < c->n_out; k++)
        bytes *= (double)c->extent[k];
    return bytes > 0.4 * (double)c->target->l2;
}

/* Vectors of half the length, where those leave fewer lanes idle at the end and cost half. */
static bool narrow_pays(const LContract *c, const LTile *t, int full)
{
    int64_t n = c->extent[t->vec];
    return t->lanes < full && t->lanes * 4 == c->target->unit_bytes && t->kind == TILE_OUTER &&
           (n + t->lanes - 1) / t->lanes % (full / t->lanes) != 0;
}

static int search(const LContract *c, LTile *out, int max)
{
    Pick p = { .c = c, .best = out, .max = max };
    int lanes = c->target->vector_bytes / 4;
    p.lanes = lanes < 4 ? 1 : lanes > 16 ? 16 : lanes;
    LTile t = { .kind = TILE_OUTER, .vec = -1, .lanes = 1, .cols = 1, .row = { -1, -1 }, .rows = { 1, 1 },
                .group = { 1, 1 }, .block = -1, .split = -1 };
    consider_axis(&p, t);
    for (int k = 0; k < c->n_index; k++) {
        t.vec = k;
        t.kind = k < c->n_out ? TILE_OUTER : TILE_DOT;
        bool fits = k < c->n_out ? c->extent[k] > 1 : p.lanes > 1 && dot_fits(c, k, p.lanes);
        /* Narrower vectors where the index is short, or where they fit it better. */
        for (t.lanes = p.lanes; fits && t.lanes >= 1; t.lanes /= 2) {
            bool valid = t.lanes == 1 || t.lanes >= 4;
            bool useful = t.lanes == 1 ? p.lanes == 1 : k < c->n_out || t.lanes == p.lanes;
            if (!valid || !useful || (t.lanes < p.lanes && c->extent[k] > t.lanes && !narrow_pays(c, &t, p.lanes)))
                continue;
            consider_axis(&p, t);
            if (t.kind == TILE_OUTER && t.lanes > 1 && c->n_operand == 2)
                consider_slides(&p, t);
        }
    }
    LTile fast;
    if (winograd_pick(c, &fast))
        insert(p.best, &p.n, p.max, &fast);
    for (int i = 0; i < p.n; i++)
        if (!out[i].winograd) {
            out[i].parallel = !c->serial && cores_may_fork(c->target, out[i].cost);
            out[i].claim = out[i].kind == TILE_OUTER && out[i].lanes > 1 && out[i].split < 0 && !out[i].slide &&
                           (c->far_reads || results_afar(c));
        }
    return p.n;
}

int loop_contract_candidates(const LContract *c, LTile *out, int max)
{
    LTileMemo *memo = c->target->memo;
    if (!memo || max > MEMO_TILES)
        return search(c, out, max);
    const char *key = tile_memo_key(memo, c);
    int n = tile_memo_get(memo, key, out, max);
    if (n)
        return n;
    LTile all[MEMO_TILES];
    n = search(c, all, MEMO_TILES);
    tile_memo_put(memo, key, all, n);
    n = n < max ? n : max;
    memcpy(out, all, (size_t)n * sizeof *out);
    return n;
}

LTile loop_contract_pick(const LContract *c)
{
    LTile t;
    loop_contract_candidates(c, &t, 1);
    return t;
}
