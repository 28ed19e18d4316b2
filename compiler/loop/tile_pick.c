/* Which schedule a contraction gets. Every index that could carry the lanes is tried, with every
 * register tile that fits the registers; the cheapest by a small model wins. The model counts cycles of
 * a core that starts two fused multiply-adds and two loads a cycle with a latency of four: a step of a
 * tile costs max(multiply-adds, loads, 8) / 2, edges are charged as the smaller tiles they are, packing
 * by the element, results by the vector. */
#include "loop/tile_micro.h"
#include "loop/winograd.h"

#include <string.h>

typedef struct {
    const LContract *c;
    int lanes;
    int64_t steps; /* product of the summed extents */
    LTile *best;   /* the cheapest so far, in order */
    int n, max;
} Pick;

static int64_t stride(const LContract *c, int o, int k) { return k < 0 ? 0 : c->operand[o].stride[k]; }
static int64_t extent(const LContract *c, int k) { return k < 0 ? 1 : c->extent[k]; }
static int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }

/* Cycles of one step of a tile of n0 x n1 rows and cols columns. */
static double step_cycles(const LContract *c, const LTile *t, int64_t n0, int64_t n1, int64_t cols)
{
    double loads = 0, work = (double)(n0 * n1 * cols);
    for (int o = 0; o < c->n_operand; o++) {
        double own = 1;
        bool on_vec = stride(c, o, t->vec) != 0;
        if (stride(c, o, t->row[0]))
            own *= (double)n0;
        if (stride(c, o, t->row[1]))
            own *= (double)n1;
        if (on_vec)
            own *= (double)cols;
        bool apart = on_vec && t->lanes > 1 && t->pack[o] == PACK_NONE && stride(c, o, t->vec) != 1;
        loads += apart ? own * t->lanes * 2 : own; /* lanes collected one by one */
        /* Rows a multiple of 4 KiB apart share one cache set: more of them than ways push each other out. */
        if (stride(c, o, t->row[0]) && stride(c, o, t->row[0]) % 1024 == 0 && n0 > 6)
            loads += own;
    }
    double most = work > loads ? work : loads;
    return (most > 8 ? most : 8) / 2;
}

static double store_cycles(const LContract *c, const LTile *t, int64_t n0, int64_t n1, int64_t cols)
{
    double outputs = (double)(n0 * n1);
    if (t->kind == TILE_DOT)
        return outputs * ((double)cols + 10);
    bool apart = t->lanes > 1 && t->vec >= 0 && c->out_stride[t->vec] != 1;
    double each = apart ? t->lanes * 2 : 1.5;
    for (int r = 0; r < 2; r++) /* rows on pages of their own */
        if (t->row[r] >= 0 && t->rows[r] > 1 && c->out_stride[t->row[r]] >= 1024)
            each += 1.5;
    return outputs * (double)cols * each;
}

/* Cycles of the whole grid for tiles of this size, edges included. */
static double grid_cycles(const Pick *p, const LTile *t)
{
    const LContract *c = p->c;
    bool dot = t->kind == TILE_DOT;
    int64_t others = 1, steps = p->steps;
    for (int k = 0; k < c->n_out; k++)
        if (k != t->row[0] && k != t->row[1] && (dot || k != t->vec))
            others *= c->extent[k];
    /* Of each dimension, two sizes of tiles and how many there are: rows, rows, vectors. */
    int64_t size[3][2] = { { 1, 0 }, { 1, 0 }, { 1, 0 } }, count[3][2] = { { 1, 0 }, { 1, 0 }, { 1, 0 } };
    for (int r = 0; r < 2; r++)
        if (t->row[r] >= 0) {
            TileCut cut = tile_cut(c->extent[t->row[r]], t->rows[r]);
            size[r][0] = cut.rows;
            size[r][1] = cut.rows - 1;
            count[r][0] = cut.tall;
            count[r][1] = cut.count - cut.tall;
        }
    if (dot) {
        size[2][0] = t->cols;
        steps = steps / c->extent[t->vec] * ((c->extent[t->vec] + tile_width(t) - 1) / tile_width(t));
    } else if (t->vec >= 0) {
        int64_t rest = c->extent[t->vec] % tile_width(t);
        size[2][0] = t->cols;
        size[2][1] = (rest + t->lanes - 1) / t->lanes;
        count[2][0] = c->extent[t->vec] / tile_width(t);
        count[2][1] = rest != 0;
    }
    double sum = 0;
    for (int variant = 0; variant < 8; variant++) {
        int e0 = variant & 1, e1 = variant >> 1 & 1, e2 = variant >> 2;
        double tiles = (double)others * (double)count[0][e0] * (double)count[1][e1] * (double)count[2][e2];
        if (tiles > 0)
            sum += tiles * ((double)steps * step_cycles(c, t, size[0][e0], size[1][e1], size[2][e2]) +
                            store_cycles(c, t, size[0][e0], size[1][e1], size[2][e2]) + 12);
    }
    return sum;
}

/* Can operand o be packed for lanes along vec, and in how many elements? Not along unrolled rows. */
static bool pack_size(const LContract *c, const LTile *t, int o, double *elements)
{
    *elements = (double)c->extent[t->vec];
    for (int k = 0; k < c->n_index; k++) {
        if (k == t->vec || !stride(c, o, k))
            continue;
        if (k == t->row[0] || k == t->row[1])
            return false;
        *elements *= (double)c->extent[k];
    }
    return *elements < 1e9;
}

/* How often the vectors of operand o are read, in all: its elements, once for every row of tiles. */
static double vector_reads(const Pick *p, const LTile *t, int o)
{
    const LContract *c = p->c;
    double reads = (double)p->steps;
    for (int k = 0; k < c->n_out; k++) {
        int64_t block = k == t->vec ? t->lanes : k == t->row[0] ? t->rows[0] : k == t->row[1] ? t->rows[1] : 1;
        bool again = k == t->vec || stride(c, o, k) != 0;
        reads *= again && k != t->vec ? (double)c->extent[k] : (double)((c->extent[k] + block - 1) / block);
    }
    return reads;
}

/* What it costs to read vectors of operand o where it lies, its steps being far apart: more lines than
 * needed fall on the same cache sets and on ever new pages. A panel keeps them together. */
static double far_cycles(const Pick *p, const LTile *t, int o)
{
    const LContract *c = p->c;
    int64_t nearest = INT64_MAX;
    double span = 4;
    for (int k = c->n_out; k >= 0 && k < c->n_index; k++) {
        int64_t s = stride(c, o, k) < 0 ? -stride(c, o, k) : stride(c, o, k);
        span += (double)s * 4 * (double)(c->extent[k] - 1);
        if (s && c->extent[k] > 16)
            nearest = min64(nearest, s);
    }
    if (nearest == INT64_MAX || nearest <= 2 * (int64_t)t->lanes * t->cols || span < (double)c->target->l1)
        return 0;
    return vector_reads(p, t, o) * (span > (double)c->target->l2 ? 3 : 0.5);
}

/* The same for a panel, from the cache that holds it. */
static double panel_cycles(const Pick *p, const LTile *t, int o)
{
    double bytes = (double)p->steps * (double)t->lanes * t->cols * 4;
    double line = bytes > (double)p->c->target->l2 / 2 ? 3 : bytes > (double)p->c->target->l1 / 2 ? 0.25 : 0;
    return vector_reads(p, t, o) * line;
}

/* Puts t where it belongs among the cheapest. */
static void keep(Pick *p, LTile t)
{
    int at = p->n < p->max ? p->n++ : p->n;
    for (; at > 0 && t.cost < p->best[at - 1].cost; at--)
        if (at < p->max)
            p->best[at] = p->best[at - 1];
    if (at < p->max)
        p->best[at] = t;
}

static void consider(Pick *p, LTile t)
{
    const LContract *c = p->c;
    double elements, cost = 0;
    if (t.kind == TILE_OUTER && t.lanes > 1)
        for (int o = 0; o < c->n_operand; o++) {
            int64_t s = stride(c, o, t.vec);
            if (!s)
                continue;
            cost += panel_cycles(p, &t, o);
            if (!pack_size(c, &t, o, &elements))
                continue;
            double apart = c->costly[o] ? 2 : 0;
            double pack = elements * (s == 1 ? 0.25 : 2) + 200;
            LTile packed = t;
            packed.pack[o] = PACK_WHOLE;
            bool gain = s != 1 ? grid_cycles(p, &packed) + pack < grid_cycles(p, &t)
                               : pack < far_cycles(p, &t, o) + apart * elements;
            if (gain) {
                t.pack[o] = PACK_WHOLE;
                cost += pack;
            } else if (s == 1) {
                cost += far_cycles(p, &t, o);
            }
        }
    t.cost = cost + grid_cycles(p, &t);
    keep(p, t);
}

/* Tiles over given rows: all sizes that fit the registers. */
static void consider_rows(Pick *p, LTile t, int max_cols)
{
    const LContract *c = p->c;
    int registers = c->target->vector_registers;
    int64_t most0 = min64(extent(c, t.row[0]), 16), most1 = min64(extent(c, t.row[1]), 8);
    for (int cols = 1; cols <= max_cols; cols++)
        for (int64_t n1 = 1; n1 <= most1; n1++) {
            for (int64_t n0 = 1; n0 <= most0; n0++) {
                if (n0 * n1 * cols + cols + 1 > registers)
                    break;
                if (tile_cut(extent(c, t.row[0]), n0).rows != n0 || tile_cut(extent(c, t.row[1]), n1).rows != n1)
                    continue;
                t.cols = cols;
                t.rows[0] = (int)n0;
                t.rows[1] = (int)n1;
                consider(p, t);
            }
        }
}

static void consider_axis(Pick *p, LTile t)
{
    const LContract *c = p->c;
    bool dot = t.kind == TILE_DOT;
    int64_t vectors = t.vec < 0 ? 1 : (c->extent[t.vec] + t.lanes - 1) / t.lanes;
    int max_cols = t.vec < 0 ? 1 : (int)min64(vectors, dot ? 4 : 6);
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
}

static bool dot_fits(const LContract *c, int k, int lanes)
{
    bool any = false;
    for (int o = 0; o < c->n_operand; o++) {
        if (stride(c, o, k) != 0 && stride(c, o, k) != 1)
            return false;
        any = any || stride(c, o, k) == 1;
    }
    return any && c->extent[k] >= lanes;
}

/* Too few tiles for the cores of any machine, and long sums: cut the longest summed index. A function
 * of the description only, so that sums keep their order on every number of threads. */
static void choose_split(const Pick *p, LTile *t)
{
    const LContract *c = p->c;
    int64_t tiles = 1, outputs = 1, longest = 1;
    for (int k = 0; k < c->n_out; k++) {
        int64_t block = k == t->row[0] ? t->rows[0] : k == t->row[1] ? t->rows[1]
                        : k == t->vec ? (int64_t)t->lanes * t->cols : 1;
        tiles *= (c->extent[k] + block - 1) / block;
        outputs *= c->extent[k];
    }
    if (tiles >= 8 || p->steps < 2048 || t->cost < 2e5)
        return;
    int at = -1;
    for (int k = c->n_out; k < c->n_index; k++)
        if (k != t->vec && c->extent[k] > longest) {
            longest = c->extent[k];
            at = k;
        }
    int64_t chunks = min64(longest, (15 + tiles) / tiles);
    if (at < 0 || chunks < 2 || outputs * chunks > p->steps * 64)
        return;
    int64_t size = (longest + chunks - 1) / chunks;
    t->split = at;
    t->chunks = (longest + size - 1) / size;
}

int loop_contract_candidates(const LContract *c, LTile *out, int max)
{
    Pick p = { .c = c, .steps = 1, .best = out, .max = max };
    int lanes = c->target->vector_bytes / 4;
    p.lanes = lanes < 4 ? 1 : lanes > 16 ? 16 : lanes;
    for (int k = c->n_out; k < c->n_index; k++)
        p.steps *= c->extent[k];
    LTile t = { .kind = TILE_OUTER, .vec = -1, .lanes = 1, .cols = 1, .row = { -1, -1 }, .rows = { 1, 1 },
                .group = { 1, 1 }, .block = -1, .split = -1 };
    consider_axis(&p, t);
    for (int k = 0; k < c->n_index; k++) {
        t.vec = k;
        t.kind = k < c->n_out ? TILE_OUTER : TILE_DOT;
        bool fits = k < c->n_out ? c->extent[k] > 1 : p.lanes > 1 && dot_fits(c, k, p.lanes);
        /* Narrower vectors where the index is short. */
        for (t.lanes = p.lanes; fits && t.lanes >= 1; t.lanes /= 2) {
            bool valid = t.lanes == 1 || t.lanes >= 4;
            bool useful = t.lanes == 1 ? p.lanes == 1 : k < c->n_out || t.lanes == p.lanes;
            if (valid && useful && (t.lanes == p.lanes || c->extent[k] <= t.lanes))
                consider_axis(&p, t);
        }
    }
    LTile fast;
    if (winograd_pick(c, &fast))
        keep(&p, fast);
    for (int i = 0; i < p.n; i++) {
        if (out[i].winograd)
            continue;
        out[i].parallel = !c->serial && out[i].cost > 6000; /* a fork and join costs about as much */
        if (out[i].parallel)
            choose_split(&p, &out[i]);
    }
    return p.n;
}

LTile loop_contract_pick(const LContract *c)
{
    LTile t;
    loop_contract_candidates(c, &t, 1);
    return t;
}
