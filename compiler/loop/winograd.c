/* Winograd's schedule of a 3x3 convolution (loop/winograd.h): recognises one, prices it, writes its loops.
 *
 *   taps      U[e][filter block][channel][filter]   once a call, or ready (LContract.fixed); e: element of a
 *             transformed tile
 *   then for every block of tiles, while it is in the cache:
 *   image     V[e][tile][channel]
 *   products  P[e][tile][filter] = sum(channel) V * U      the scheduler's own tiles (loop/tile.h)
 *   results   to the caller's epilogue
 *
 * Where the result's side is no multiple of m the last tile lies over its neighbour's end and stores only
 * what is new, so nothing outside the image is read and nothing is stored twice.
 *
 * Blocks are dealt to LANES parallel iterations, each with scratch of its own, whatever the number of
 * threads. A problem of one block is cut along its filters instead, in parts of whole vectors: each part transforms its own taps and, for
 * itself, all of the image, so that nothing goes from core to core between the stages. */
#include "loop/winograd.h"
#include "loop/tile_pick.h"
#include "loop/vec.h"

#include <math.h>
#include <string.h>

enum { LANES = 8, LEAST_BLOCKS = 4, LEAST_CHANNELS = 16 };

static int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t up(int64_t a, int64_t b) { return (a + b - 1) / b; }

/* ---- recognising ---- */

static int64_t stride(const LContract *c, int o, int k) { return c->operand[o].stride[k]; }

/* Sorts the output indices: two of space (found by their taps), one of filters, the rest samples. */
static bool sort_outputs(const LContract *c, Winograd *w)
{
    w->filter = -1;
    for (int k = 0; k < c->n_out; k++) {
        bool image = stride(c, w->image, k) != 0, taps = stride(c, w->taps, k) != 0;
        if (c->extent[k] == 1 || k == w->space[0] || k == w->space[1])
            continue;
        if (image == taps || (taps && w->filter >= 0))
            return false;
        if (taps)
            w->filter = k;
        else
            w->other[w->n_other++] = k;
    }
    return w->filter >= 0;
}

/* The output index along which the image moves as it does along tap k. */
static int space_of(const LContract *c, const Winograd *w, int k, bool *reverse)
{
    int64_t step = stride(c, w->image, k);
    for (int y = 0; y < c->n_out; y++) {
        int64_t s = stride(c, w->image, y);
        if (stride(c, w->taps, y) || !s || c->extent[y] < 2 || (s != step && s != -step))
            continue;
        *reverse = s != step;
        return y;
    }
    return -1;
}

static bool find(const LContract *c, Winograd *w)
{
    int n_taps = 0;
    w->channel = -1;
    for (int k = c->n_out; k < c->n_index; k++) {
        if (c->extent[k] == 1)
            continue;
        if (!stride(c, w->image, k) || !stride(c, w->taps, k))
            return false;
        bool reverse = false;
        int y = c->extent[k] == 3 ? space_of(c, w, k, &reverse) : -1;
        if (y >= 0 && n_taps < 2) {
            w->space[n_taps] = y;
            w->tap[n_taps] = k;
            w->reverse[n_taps++] = reverse;
        } else if (w->channel < 0) {
            w->channel = k;
        } else {
            return false;
        }
    }
    return n_taps == 2 && w->channel >= 0 && w->space[0] != w->space[1] && sort_outputs(c, w) &&
           c->extent[w->channel] >= LEAST_CHANNELS && c->extent[w->filter] >= LEAST_CHANNELS;
}

/* Joined indices hide a convolution's taps. */
static const LContract *apart(const LContract *c) { return c->whole ? c->whole : c; }

bool winograd_find(const LContract *c, Winograd *w)
{
    if (c->n_operand != 2 || c->costly[0] || c->costly[1])
        return false;
    for (int image = 0; image < 2; image++) {
        *w = (Winograd){ .image = image, .taps = 1 - image };
        if (find(c, w))
            return true;
    }
    return false;
}

/* ---- sizes ---- */

typedef struct {
    const LContract *c;
    const LTile *t;
    LFunc *f;
    Winograd w;
    int m, side;                  /* of a tile's results, of its transform */
    int64_t channels, filters;
    int64_t row;                  /* of V: channels, filled up to whole vectors */
    int64_t parts, part_filters;  /* of a problem of one block; else 1, all: filled up to whole vectors */
    int64_t group;                /* filters side by side in U */
    int64_t tiles[2], total;      /* rows and columns of tiles; tiles in all */
    int64_t block, blocks, lanes; /* tiles a block; blocks; parallel iterations over blocks */
    LBuf *u;                      /* scratch, or a buffer that is ready, and where U begins in it */
    int64_t u_at, v_at, p_at;     /* elements of scratch; V and P of lane 0 */
    int64_t lane_size;
} Wino;

static Wino sizes(const LContract *c, const LTile *t, const Winograd *w)
{
    Wino s = { .t = t, .f = c->func, .w = *w, .m = t->winograd, .side = t->winograd + 2, .total = 1 };
    s.channels = c->extent[w->channel];
    s.filters = c->extent[w->filter];
    for (int i = 0; i < 2; i++) {
        s.tiles[i] = up(c->extent[w->space[i]], s.m);
        s.total *= s.tiles[i];
    }
    for (int i = 0; i < w->n_other; i++)
        s.total *= c->extent[w->other[i]];
    s.block = t->tiles;
    s.blocks = up(s.total, s.block);
    s.lanes = c->target->cores > 1 ? min64(s.blocks, LANES) : 1;
    int64_t lanes = c->target->vector_bytes / 4;
    int64_t vectors = up(s.filters, lanes), part = up(vectors, s.blocks == 1 && t->parallel ? c->target->cores : 1);
    s.parts = up(vectors, part);
    int64_t side_by_side = 4; /* vectors, at most */
    while (part % side_by_side)
        side_by_side--;
    s.group = side_by_side * lanes;
    s.part_filters = part * lanes;
    s.row = up(s.channels, lanes) * lanes;
    return s;
}

/* The matrix products of a block, or a part: [e, tile, group, filter], sum over channels. */
static LContract products(const Wino *s, LFunc *f, LBlock *at, const LTarget *target)
{
    int64_t e = (int64_t)s->side * s->side, groups = s->part_filters / s->group;
    return (LContract){ .func = f, .at = at, .target = target, .serial = true, .n_index = 5, .n_out = 4,
                        .n_operand = 2,
                        .extent = { e, s->block, groups, s->group, s->channels },
                        .out_stride = { s->block * s->part_filters, s->part_filters, s->group, 1, 0 },
                        .operand[0].stride = { s->block * s->row, s->row, 0, 0, 1 },
                        .operand[1].stride = { s->parts * s->part_filters * s->channels, 0, s->group * s->channels, 1,
                                               s->group } };
}

/* The tile scheduler's choice for them, without what would want scratch or threads of its own. */
static LTile products_tile(const LContract *c)
{
    LTile choice[24], t;
    int n = loop_contract_candidates(c, choice, 24), i = 0;
    /* Rows of several products at once share nothing that is loaded. */
    while (i < n - 1 && (choice[i].row[0] == 0 || choice[i].row[1] == 0))
        i++;
    t = choice[i];
    for (int o = 0; o < 2; o++)
        if (t.pack[o] == PACK_WHOLE)
            t.pack[o] = PACK_NONE;
    t.split = -1;
    t.parallel = false;
    return t;
}

/* ---- price: cycles of one core, as tile_pick counts them ---- */

/* As tile_cost prices a direct sum: half of the time on one core, half on the target's cores. Where blocks are
 * dealt out, all cores read the taps' transforms (u bytes) that all of them made, after a fork of their own;
 * where parts are, all read the image. */
static double on_cores(const LContract *c, const Wino *s, double cost, double u)
{
    double cores = c->target->cores, pieces = (double)(s->blocks == 1 ? s->parts : s->lanes);
    double share = ceil(pieces / cores) / pieces, last = (double)c->target->l3;
    double moved = s->blocks == 1 ? 4 * (double)(s->total * s->m * s->m * s->channels) : u < last ? u : last;
    double forked = cost * share + c->target->fork_cycles * (s->blocks == 1 ? 1 : 2) +
                    moved / 64 * (1 - 1 / cores) * c->target->line_cycles;
    return 0.5 * (cost + cores * (forked < cost ? forked : cost));
}

enum { ACROSS = 3 }; /* cycles */

static double price(const LContract *c, const Winograd *w, LTile *t)
{
    Wino s = sizes(c, t, w);
    LContract sub = products(&s, c->func, NULL, c->target);
    double lanes = (double)(c->target->vector_bytes / 4), side2 = s.side * s.side, m2 = s.m * s.m;
    double tiles = (double)(s.blocks * s.block), parts = (double)s.parts;
    /* Instructions of a vector of one tile: loads and stores, and the sums of rows and columns. */
    double image = 2 * side2 + 2 * s.side * (s.m == 4 ? 12 : 4);
    double results = side2 + 2 * m2 + (s.side + s.m) * (s.m == 4 ? 11 : 4);
    double taps = 9 + 2 * side2;
    double cost = products_tile(&sub).cost * (double)s.blocks * parts;
    cost += tiles * (parts * (double)s.channels * image + (double)s.filters * results) / lanes * 1.5;
    /* What lies across is gathered and scattered value by value. */
    if (c->operand[w->image].stride[w->channel] != 1)
        cost += tiles * parts * (double)s.channels * side2 * ACROSS;
    if (c->out_stride[w->filter] != 1)
        cost += tiles * (double)s.filters * m2 * ACROSS;
    bool ready = c->fixed[w->taps];
    if (!ready)
        cost += (double)(s.channels * s.filters) * taps / lanes;
    if (!ready && c->operand[w->taps].stride[w->filter] != 1) /* gathered one by one */
        cost += (double)(s.channels * s.filters) * 18;
    /* What does not stay in the second-level cache comes and goes by some eight bytes a cycle. */
    double u = side2 * (double)(s.channels * s.filters) * 4;
    double v = side2 * (double)(s.block * (s.channels + s.filters)) * 4;
    double cache = (double)c->target->l2 * 0.75;
    if (ready) { /* read beside the products, which count their own lines; from afar, if it is much */
        double byte = u > (double)c->target->l2 / 4 ? 1 / 12.0 : 1 / 32.0;
        cost += u * (TILE_READY_PRICE + byte) + (u > cache ? u / 8 * (double)(s.blocks - 1) : 0);
    } else if (u > cache)
        cost += u / 8 * (1 + (double)s.blocks);
    if (v > cache)
        cost += 2 * v / 8 * (double)s.blocks;
    else if (u + v > cache)
        cost += u / 8 * (double)s.blocks;
    return on_cores(c, &s, cost + 2000, u);
}

/* Windows of results, if any, lie in one tile: along the image's sides, and dividing those of a tile. */
static bool holds_windows(const LContract *c, const Winograd *w, int m)
{
    for (int k = 0; k < c->n_out; k++) {
        bool space = k == w->space[0] || k == w->space[1];
        if (tile_window(c, k) > 1 && (!space || m % tile_window(c, k)))
            return false;
    }
    return true;
}

bool winograd_pick(const LContract *c, LTile *out)
{
    static const int64_t BLOCK[] = { 12, 14, 24, 28, 36, 42, 48, 56, 70, 84, 98, 112, 126, 140, 196, 252 };
    Winograd w;
    c = apart(c);
    if (c->target->no_winograd || c->serial || c->target->vector_bytes < 16 || !winograd_find(c, &w))
        return false;
    out->cost = 0;
    for (int m = 2; m <= 4; m += 2) {
        LTile t = { .kind = TILE_OUTER, .vec = w.filter, .lanes = c->target->vector_bytes / 4, .cols = 1,
                    .row = { -1, -1 }, .rows = { 1, 1 }, .split = -1, .winograd = m, .parallel = c->target->cores > 1 };
        if (c->extent[w.space[0]] < m || c->extent[w.space[1]] < m || !holds_windows(c, &w, m))
            continue;
        t.tiles = 1;
        int64_t total = sizes(c, &t, &w).total;
        for (size_t i = 0; i <= sizeof BLOCK / sizeof *BLOCK; i++) {
            t.tiles = i ? BLOCK[i - 1] : total;
            if (i && up(total, t.tiles) < LEAST_BLOCKS)
                break;
            t.cost = price(c, &w, &t);
            if (out->cost == 0 || t.cost < out->cost)
                *out = t;
        }
    }
    return out->cost != 0;
}

const char *winograd_check(const LContract *c, const LTile *t)
{
    Winograd w;
    c = apart(c);
    if (c->serial || !winograd_find(c, &w))
        return "Winograd's schedule is for 3x3 convolutions of stride 1";
    if ((t->winograd != 2 && t->winograd != 4) || c->extent[w.space[0]] < t->winograd ||
        c->extent[w.space[1]] < t->winograd)
        return "a Winograd tile of a size that is not 2 or 4, or that the result does not hold";
    if (!holds_windows(c, &w, t->winograd))
        return "a Winograd tile that cuts through windows of results";
    return t->tiles >= 1 && t->tiles <= sizes(c, t, &w).total ? NULL : "a block of too few or too many tiles";
}

/* ---- writing ---- */

static LExpr *sum3(LFunc *f, LExpr *a, LExpr *b, LExpr *c) { return lx_add(f, lx_add(f, a, b), c); }
static LExpr *scaled(LFunc *f, LExpr *a, int64_t n) { return lx_mul(f, a, lx_i64(f, n)); }

static LStmt *loop(LFunc *f, LBlock *at, const char *name, int64_t n, bool parallel)
{
    return lb_for(f, at, name, lx_i64(f, 0), lx_i64(f, n), 1, parallel && n > 1 ? LF_PARALLEL : LF_SERIAL);
}

/* [n rows] of [n columns] transformed both ways; side x side values at the most. */
typedef void (*Transform)(LFunc *f, LBlock *at, int m, LExpr *const *in, LExpr **out);
static void both_ways(Wino *s, LBlock *at, Transform transform, int n_in, int n_out, LExpr **in, LExpr **out)
{
    LExpr *half[WINOGRAD_MAX * WINOGRAD_MAX], *line[WINOGRAD_MAX], *to[WINOGRAD_MAX];
    for (int x = 0; x < n_in; x++) {
        for (int y = 0; y < n_in; y++)
            line[y] = in[y * n_in + x];
        transform(s->f, at, s->m, line, to);
        for (int y = 0; y < n_out; y++)
            half[y * n_in + x] = to[y];
    }
    for (int y = 0; y < n_out; y++)
        transform(s->f, at, s->m, half + y * n_in, out + y * n_out);
}

/* Vectorises what was written to `from` and appends it. */
static void append_vectors(Wino *s, LBlock *from, LBlock *to)
{
    lblock_vectorize(s->f, s->c->target, from);
    for (int i = 0; i < from->len; i++)
        lb_append(s->f, to, from->data[i]);
}

static LExpr *load(Wino *s, int operand, LBlock *at, LExpr *const *index)
{
    return lx_var(s->f, lb_let(s->f, at, "d", s->c->load(s->c->user, operand, at, index)));
}

/* Elements of U for one element of a transformed tile. */
static int64_t u_element(const Wino *s) { return s->channels * s->parts * s->part_filters; }

/* How many of n filters from `first` on there are. */
static LExpr *filters_from(const Wino *s, LExpr *first, int64_t n)
{
    LFunc *f = s->f;
    if (s->parts * s->part_filters == s->filters)
        return lx_i64(f, n);
    LExpr *left = lx_bin(f, LX_SUB, lx_i64(f, s->filters), first);
    return lx_bin(f, LX_MIN, lx_bin(f, LX_MAX, left, lx_i64(f, 0)), lx_i64(f, n));
}

/* first: the first filter of the part. */
static void emit_taps(Wino *s, LExpr *first, LBlock *at)
{
    const LContract *c = s->c;
    LFunc *f = s->f;
    LBlock out = { 0 };
    LExpr *index[TILE_MAX_INDEX], *g[9], *u[WINOGRAD_MAX * WINOGRAD_MAX];
    LStmt *channel = loop(f, &out, "c", s->channels, s->t->parallel && s->parts == 1);
    LStmt *group = loop(f, &channel->body, "g", s->part_filters / s->group, false);
    LExpr *begin = lx_add(f, first, scaled(f, lx_var(f, group->var), s->group));
    LExpr *filled = filters_from(s, begin, s->group);
    LStmt *lane = lb_for(f, &group->body, "o", lx_i64(f, 0), filled, 1, LF_SERIAL);
    LBlock *body = &lane->body;
    for (int k = 0; k < c->n_index; k++)
        index[k] = lx_i64(f, 0);
    index[s->w.channel] = lx_var(f, channel->var);
    index[s->w.filter] = lx_add(f, begin, lx_var(f, lane->var));
    for (int i = 0; i < 9; i++) {
        int r[2] = { i / 3, i % 3 };
        for (int d = 0; d < 2; d++)
            index[s->w.tap[d]] = lx_i64(f, s->w.reverse[d] ? 2 - r[d] : r[d]);
        g[i] = load(s, s->w.taps, body, index);
    }
    both_ways(s, body, winograd_taps, 3, s->side, g, u);
    LExpr *panel = lx_add(f, scaled(f, begin, s->channels), scaled(f, lx_var(f, channel->var), s->group));
    LExpr *to = lx_add(f, panel, lx_var(f, lane->var));
    for (int e = 0; e < s->side * s->side; e++)
        lb_store(f, body, s->u, lx_add(f, to, lx_i64(f, s->u_at + e * u_element(s))), u[e], NULL);
    if (s->parts * s->part_filters != s->filters) { /* no values by chance: they may be slow to multiply */
        LStmt *rest = lb_for(f, &group->body, "o", filled, lx_i64(f, s->group), 1, LF_SERIAL);
        to = lx_add(f, panel, lx_var(f, rest->var));
        for (int e = 0; e < s->side * s->side; e++)
            lb_store(f, &rest->body, s->u, lx_add(f, to, lx_i64(f, s->u_at + e * u_element(s))), lx_float(f, 0), NULL);
    }
    append_vectors(s, &out, at);
}

/* Where a tile lies: its samples and first row and column in index; in fresh[d], for sides that are no
 * multiple of m, its first row or column that no tile before it stores (else NULL). */
static void place(Wino *s, LBlock *at, LExpr *tile, LExpr **index, LExpr **fresh)
{
    const LContract *c = s->c;
    LFunc *f = s->f;
    for (int k = 0; k < c->n_index; k++)
        index[k] = lx_i64(f, 0);
    for (int d = 1; d >= 0; d--) {
        int64_t extent = c->extent[s->w.space[d]];
        LExpr *n = lx_bin(f, LX_MOD, tile, lx_i64(f, s->tiles[d]));
        LExpr *first = lx_var(f, lb_let(f, at, "first", scaled(f, n, s->m))), *begin = first;
        tile = lx_bin(f, LX_DIV, tile, lx_i64(f, s->tiles[d]));
        fresh[d] = NULL;
        if (extent % s->m) {
            begin = lx_var(f, lb_let(f, at, "begin", lx_bin(f, LX_MIN, first, lx_i64(f, extent - s->m))));
            fresh[d] = lx_var(f, lb_let(f, at, "fresh", lx_bin(f, LX_SUB, first, begin)));
        }
        index[s->w.space[d]] = begin;
    }
    for (int i = s->w.n_other - 1; i >= 0; i--) {
        int64_t extent = c->extent[s->w.other[i]];
        LExpr *n = i ? lx_bin(f, LX_MOD, tile, lx_i64(f, extent)) : tile;
        index[s->w.other[i]] = lx_var(f, lb_let(f, at, "n", n));
        tile = lx_bin(f, LX_DIV, tile, lx_i64(f, extent));
    }
}

/* The loop over a block's tiles. In a last block that is not full the image stage repeats the last tile
 * and the result stage passes over it. */
static LStmt *tile_loop(Wino *s, LBlock *at, LExpr *block, bool results, LExpr **index, LExpr **fresh,
                        LBlock **body)
{
    LFunc *f = s->f;
    LStmt *tiles = loop(f, at, "t", s->block, false);
    LExpr *tile = lx_add(f, scaled(f, block, s->block), lx_var(f, tiles->var));
    *body = &tiles->body;
    if (s->total % s->block) {
        if (results)
            *body = &lb_if(f, *body, lx_bin(f, LX_LT, tile, lx_i64(f, s->total)))->body;
        tile = lx_bin(f, LX_MIN, tile, lx_i64(f, s->total - 1));
    }
    place(s, *body, tile, index, fresh);
    return tiles;
}

static void emit_image(Wino *s, LExpr *block, LExpr *v_at, LBlock *at)
{
    LFunc *f = s->f;
    LBlock out = { 0 }, *body;
    LExpr *index[TILE_MAX_INDEX], *fresh[2], *base[2], *d[WINOGRAD_MAX * WINOGRAD_MAX],
        *v[WINOGRAD_MAX * WINOGRAD_MAX];
    LStmt *tiles = tile_loop(s, &out, block, false, index, fresh, &body);
    LStmt *channel = loop(f, body, "c", s->channels, false);
    index[s->w.channel] = lx_var(f, channel->var);
    for (int i = 0; i < 2; i++)
        base[i] = index[s->w.space[i]];
    for (int e = 0; e < s->side * s->side; e++) {
        int at_tile[2] = { e / s->side, e % s->side };
        for (int i = 0; i < 2; i++) {
            int y = at_tile[i] < s->m ? at_tile[i] : s->m - 1, tap = at_tile[i] - y;
            index[s->w.space[i]] = lx_add(f, base[i], lx_i64(f, y));
            index[s->w.tap[i]] = lx_i64(f, s->w.reverse[i] ? 2 - tap : tap);
        }
        d[e] = load(s, s->w.image, &channel->body, index);
    }
    both_ways(s, &channel->body, winograd_image, s->side, s->side, d, v);
    LExpr *to = sum3(f, v_at, scaled(f, lx_var(f, tiles->var), s->row), lx_var(f, channel->var));
    for (int e = 0; e < s->side * s->side; e++)
        lb_store(f, &channel->body, f->scratch, lx_add(f, to, lx_i64(f, e * s->block * s->row)), v[e], NULL);
    append_vectors(s, &out, at);
}

/* The results of a tile from y on: one, or a window of step[0] x step[1], in the order of the indices. */
static void store_results(const Wino *s, LBlock *at, LExpr *const *index, LExpr *const *y, const int *step)
{
    const LContract *c = s->c;
    LExpr *value[TILE_MAX_WINDOW];
    if (step[0] * step[1] == 1) {
        c->store(c->user, at, index, y[0]);
        return;
    }
    bool turned = s->w.space[1] < s->w.space[0];
    for (int a = 0; a < step[0]; a++)
        for (int b = 0; b < step[1]; b++)
            value[turned ? b * step[0] + a : a * step[1] + b] = y[a * s->m + b];
    c->store_window(c->user, at, index, value);
}

static void emit_results(Wino *s, LExpr *block, LExpr *first, LExpr *p_at, LBlock *at)
{
    const LContract *c = s->c;
    LFunc *f = s->f;
    LBlock out = { 0 }, *body;
    LExpr *index[TILE_MAX_INDEX], *fresh[2], *base[2], *p[WINOGRAD_MAX * WINOGRAD_MAX],
        *y[WINOGRAD_MAX * WINOGRAD_MAX];
    LStmt *tiles = tile_loop(s, &out, block, true, index, fresh, &body);
    LStmt *filter = lb_for(f, body, "o", lx_i64(f, 0), filters_from(s, first, s->part_filters), 1, LF_SERIAL);
    body = &filter->body;
    index[s->w.filter] = lx_add(f, first, lx_var(f, filter->var));
    LExpr *from = sum3(f, p_at, scaled(f, lx_var(f, tiles->var), s->part_filters), lx_var(f, filter->var));
    for (int e = 0; e < s->side * s->side; e++) {
        LExpr *x = lx_load(f, f->scratch, lx_add(f, from, lx_i64(f, e * s->block * s->part_filters)), 1, NULL);
        p[e] = lx_var(f, lb_let(f, body, "p", x));
    }
    both_ways(s, body, winograd_products, s->side, s->m, p, y);
    for (int i = 0; i < 2; i++)
        base[i] = index[s->w.space[i]];
    int step[2] = { (int)tile_window(c, s->w.space[0]), (int)tile_window(c, s->w.space[1]) };
    for (int i = 0; i < s->m * s->m; i++) {
        int at_tile[2] = { i / s->m, i % s->m };
        LBlock *to = body;
        if (at_tile[0] % step[0] || at_tile[1] % step[1])
            continue; /* within a window that has been stored */
        for (int d = 0; d < 2; d++) {
            index[s->w.space[d]] = lx_add(f, base[d], lx_i64(f, at_tile[d]));
            bool whole = at_tile[d] == s->m - step[d]; /* never stored before */
            if (fresh[d] && !whole)
                to = &lb_if_odds(f, to, lx_bin(f, LX_LE, fresh[d], lx_i64(f, at_tile[d])), s->tiles[d] - 1, 1)->body;
        }
        store_results(s, to, index, y + i, step);
    }
    append_vectors(s, &out, at);
}

/* Operands and results of the matrix products lie in scratch. */
typedef struct {
    Wino *s;
    const LContract *sub;
    LExpr *at[3]; /* V, U, P */
} Products;

static LExpr *affine(const Products *p, LExpr *at, const int64_t *strides, int n, LExpr *const *index)
{
    for (int k = 0; k < n; k++)
        at = lx_add(p->s->f, at, scaled(p->s->f, index[k], strides[k]));
    return at;
}

static LExpr *product_load(void *user, int operand, LBlock *at, LExpr *const *index)
{
    const Products *p = user;
    (void)at;
    LExpr *from = affine(p, p->at[operand], p->sub->operand[operand].stride, p->sub->n_index, index);
    return lx_load(p->s->f, operand ? p->s->u : p->s->f->scratch, from, 1, NULL);
}

static void product_store(void *user, LBlock *at, LExpr *const *index, LExpr *value)
{
    const Products *p = user;
    LExpr *to = affine(p, p->at[2], p->sub->out_stride, p->sub->n_out, index);
    lb_store(p->s->f, at, p->s->f->scratch, to, value, NULL);
}

static void emit_products(Wino *s, LExpr *first, LExpr *v_at, LExpr *p_at, LBlock *at)
{
    LContract sub = products(s, s->f, at, s->c->target);
    LExpr *u_at = lx_add(s->f, scaled(s->f, first, s->channels), lx_i64(s->f, s->u_at));
    Products user = { s, &sub, { v_at, u_at, p_at } };
    sub.user = &user;
    sub.load = product_load;
    sub.store = product_store;
    LTile t = products_tile(&sub);
    loop_contract_emit(&sub, &t);
}

void winograd_emit(const LContract *c, const LTile *t)
{
    Winograd w;
    c = apart(c);
    LFunc *f = c->func;
    if (!winograd_find(c, &w))
        return;
    Wino s = sizes(c, t, &w);
    int64_t side2 = (int64_t)s.side * s.side;
    int64_t v_size = side2 * s.block * s.row, p_size = side2 * s.block * s.part_filters;
    int64_t align = NNR_ALIGN / 4, shares = s.blocks == 1 ? s.parts : s.lanes;
    s.c = c;
    s.lane_size = (up(v_size, align) + up(p_size, align)) * align;
    bool ready = c->fixed[w.taps];
    int64_t u_size = side2 * u_element(&s);
    s.u_at = ready ? 0 : lfunc_scratch(f, u_size * 4);
    s.u = ready ? c->ready(c->user, w.taps, u_size) : f->scratch;
    if (c->make) {
        LStmt *part = loop(f, c->at, "part", s.parts, false);
        emit_taps(&s, scaled(f, lx_var(f, part->var), s.part_filters), &part->body);
        return;
    }
    s.v_at = lfunc_scratch(f, s.lane_size * shares * 4);
    s.p_at = s.v_at + up(v_size, align) * align;
    lb_note(f, c->at, loop_tile_words(t, f->arena));
    LExpr *zero = lx_i64(f, 0), *block = zero, *first = zero, *number = zero;
    LBlock *at = c->at;
    if (!ready && (s.blocks > 1 || s.parts == 1))
        emit_taps(&s, zero, at);
    if (shares > 1) {
        LStmt *lane = loop(f, at, s.blocks == 1 ? "part" : "lane", shares, t->parallel);
        number = lx_var(f, lane->var);
        at = &lane->body;
    }
    if (s.blocks > 1) { /* lane i takes blocks [i * blocks / lanes, (i + 1) * blocks / lanes) */
        LExpr *lanes = lx_i64(f, s.lanes);
        LExpr *from = lx_bin(f, LX_DIV, scaled(f, number, s.blocks), lanes);
        LExpr *to = lx_bin(f, LX_DIV, scaled(f, lx_add(f, number, lx_i64(f, 1)), s.blocks), lanes);
        LStmt *blocks = lb_for(f, at, "block", from, to, 1, LF_SERIAL);
        block = lx_var(f, blocks->var);
        at = &blocks->body;
    } else if (s.parts > 1) {
        first = lx_var(f, lb_let(f, at, "filter", scaled(f, number, s.part_filters)));
        if (!ready)
            emit_taps(&s, first, at);
    }
    LExpr *skip = scaled(f, number, s.lane_size), *v_at = lx_add(f, skip, lx_i64(f, s.v_at));
    LExpr *p_at = lx_add(f, skip, lx_i64(f, s.p_at));
    emit_image(&s, block, v_at, at);
    emit_products(&s, first, v_at, p_at, at);
    emit_results(&s, block, first, p_at, at);
}
