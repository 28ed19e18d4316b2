/* What a schedule costs, in cycles of one core: a rough model of a machine that starts two fused
 * multiply-adds and two loads a cycle with a latency of four, and of two caches. Arithmetic: a step of a
 * tile costs max(multiply-adds, loads, 10) / 2, edges are charged as the smaller tiles they are, results by
 * the vector. Memory: what each operand's lines cost depends on where they were left the last time, and
 * that on how much passes by meanwhile. The numbers were measured; only the order they give matters. */
#include "loop/tile_epilogue.h"
#include "loop/tile_pick.h"

static int64_t all_steps(const LContract *c)
{
    int64_t n = 1;
    for (int k = c->n_out; k < c->n_index; k++)
        n *= c->extent[k];
    return n;
}

/* ---- arithmetic ---- */

/* Do vectors of operand o begin anywhere in a line? */
static bool unaligned(const LContract *c, const LTile *t, int o)
{
    for (int k = 0; k < c->n_index; k++)
        if (k != t->vec && c->extent[k] > 1 && tile_stride(c, o, k) % t->lanes)
            return true;
    return false;
}

/* What a vector costs, beside one as long as the target has. */
static double share_of_vector(const LContract *c, const LTile *t)
{
    return t->lanes > 1 && t->lanes * 4 <= c->target->unit_bytes ? 0.5 : 1;
}

/* Cycles of one step of a tile of n0 x n1 rows and cols columns. */
static double step_cycles(const LContract *c, const LTile *t, int64_t n0, int64_t n1, int64_t cols)
{
    double loads = 0, work = (double)(n0 * n1 * cols);
    for (int o = 0; o < c->n_operand; o++) {
        double own = 1;
        bool on_vec = tile_stride(c, o, t->vec) != 0;
        if (tile_stride(c, o, t->row[0]))
            own *= (double)n0;
        if (tile_stride(c, o, t->row[1]))
            own *= (double)n1;
        if (on_vec)
            own *= (double)cols;
        bool apart = on_vec && t->lanes > 1 && t->pack[o] == PACK_NONE && tile_stride(c, o, t->vec) != 1;
        if (on_vec && (tile_stride(c, o, t->row[0]) || tile_stride(c, o, t->row[1])))
            loads += 0.35 * own; /* one with each multiply-add: they get in each other's way */
        loads += apart ? own * t->lanes * 2 : own; /* lanes collected one by one */
        if (on_vec && !apart && t->pack[o] == PACK_NONE && unaligned(c, t, o))
            loads += 0.8 * own; /* from two lines */
        /* Rows a multiple of 4 KiB apart share one cache set: more of them than ways push each other out. */
        if (tile_stride(c, o, t->row[0]) && tile_stride(c, o, t->row[0]) % 1024 == 0 && n0 > 6)
            loads += own;
    }
    double most = work > loads ? work : loads, issued = (work + loads + 3) / 5.5;
    most = (most > 10 ? most : 10) / 2; /* fewer accumulators wait for one another */
    return (most > issued ? most : issued) * share_of_vector(c, t);
}

/* The same for all steps of a tile whose window slides. */
static double slide_cycles(const LContract *c, const LTile *t, int64_t n0, int64_t n1, int64_t cols)
{
    TileSlideWork w = tile_slide_work(c, t, n0, n1, cols);
    double loads = (double)w.loads, work = (double)w.products, rounds = (double)all_steps(c) / (double)t->slide;
    for (int o = 0; o < c->n_operand; o++) {
        bool on_vec = tile_stride(c, o, t->vec) != 0, moves = tile_stride(c, o, t->row[0]) != 0;
        double own = (double)(moves ? w.moving : w.loads - w.moving);
        if (on_vec && tile_stride(c, o, t->vec) != 1)
            loads += own * (t->lanes * 2 - 1);
        else if (on_vec && unaligned(c, t, o))
            loads += 0.8 * own;
    }
    double most = work > loads ? work : loads, issued = (work + loads + 3) / 5.5;
    double round = ((most / 2 > issued ? most / 2 : issued) + 0.15 * loads) * share_of_vector(c, t);
    return rounds * (round + (rounds > 1 ? 10 : 3));
}

static double store_cycles(const LContract *c, const LTile *t, int64_t n0, int64_t n1, int64_t cols)
{
    double outputs = (double)(n0 * n1);
    if (t->kind == TILE_DOT)
        return outputs * ((double)cols + 10);
    bool apart = t->lanes > 1 && t->vec >= 0 && c->out_stride[t->vec] != 1;
    double each = !apart ? 1.5 * share_of_vector(c, t) : tile_turns_results(c, t) ? 9 : t->lanes * 4;
    for (int r = 0; r < 2; r++) /* rows on pages of their own */
        if (t->row[r] >= 0 && t->rows[r] > 1 && c->out_stride[t->row[r]] >= 1024 && !t->slide)
            each += 1.5;
    return outputs * (double)cols * each;
}

/* Cycles of the whole grid for tiles of this size, edges included. */
static double grid_cycles(const LContract *c, const LTile *t)
{
    bool dot = t->kind == TILE_DOT;
    int64_t others = 1, steps = all_steps(c);
    for (int k = 0; k < c->n_out; k++)
        if (k != t->row[0] && k != t->row[1] && (dot || k != t->vec))
            others *= c->extent[k];
    /* Of each dimension, two sizes of tiles and how many there are: rows, rows, vectors. */
    int64_t size[3][2] = { { 1, 0 }, { 1, 0 }, { 1, 0 } }, count[3][2] = { { 1, 0 }, { 1, 0 }, { 1, 0 } };
    for (int r = 0; r < 2; r++)
        if (t->row[r] >= 0) {
            TileCut cut = tile_row_cut(c, t, r);
            size[r][0] = cut.rows;
            size[r][1] = cut.rows - cut.less;
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
            sum += tiles * ((t->slide ? slide_cycles(c, t, size[0][e0], size[1][e1], size[2][e2])
                                      : (double)steps * step_cycles(c, t, size[0][e0], size[1][e1], size[2][e2])) +
                            store_cycles(c, t, size[0][e0], size[1][e1], size[2][e2]) + 30);
    }
    return sum;
}

double tile_arithmetic(const LContract *c, const LTile *t)
{
    LTile ideal = *t;
    ideal.pack[0] = ideal.pack[1] = PACK_WHOLE;
    return grid_cycles(c, &ideal);
}

/* ---- memory ---- */

/* How often things happen, and how much there is of them. */
typedef struct {
    const LContract *c;
    const LTile *t;
    double steps, inside; /* of the sum: in all, and in one block */
    double others;        /* output indices that are not in a tile */
    double vectors;       /* tiles along the lanes */
    double tiles, groups; /* along the rows */
    double rows;          /* of one tile */
} Volume;

static Volume volume_of(const LContract *c, const LTile *t)
{
    Volume v = { .c = c, .t = t, .steps = (double)all_steps(c), .others = 1, .vectors = 1, .tiles = 1, .groups = 1,
                 .rows = 1 };
    v.inside = t->block < 0 ? v.steps : (double)tile_block_steps(c, t);
    for (int k = 0; k < c->n_out; k++)
        if (k != t->row[0] && k != t->row[1] && (t->kind == TILE_DOT || k != t->vec))
            v.others *= (double)c->extent[k];
    if (t->kind == TILE_OUTER && t->vec >= 0)
        v.vectors = (double)((c->extent[t->vec] + tile_width(t) - 1) / tile_width(t));
    for (int r = 0; r < 2; r++)
        if (t->row[r] >= 0) {
            int64_t count = tile_row_cut(c, t, r).count;
            v.tiles *= (double)count;
            v.groups *= (double)((count + t->group[r] - 1) / t->group[r]);
            v.rows *= t->rows[r];
        }
    return v;
}

/* Bytes of operand o that are read at all while index `fixed` (or -1) stands: windows overlap. */
static double bytes_for(const LContract *c, int o, int fixed)
{
    double count = 1, span = 1;
    for (int k = 0; k < c->n_index; k++) {
        double s = k == fixed ? 0 : (double)tile_stride(c, o, k);
        count *= s != 0 ? (double)c->extent[k] : 1;
        span += (s < 0 ? -s : s) * (double)(c->extent[k] - 1);
    }
    return 4 * (count < span ? count : span);
}

double tile_operand_bytes(const LContract *c, int o) { return bytes_for(c, o, -1); }

/* How often operand o passes by as a whole because of the output indices outside the tiles. */
static double others_passes(const LContract *c, const LTile *t, int o)
{
    double passes = 1, all = tile_operand_bytes(c, o);
    for (int k = 0; k < c->n_out; k++)
        if (k != t->vec && k != t->row[0] && k != t->row[1] && bytes_for(c, o, k) > 0.5 * all)
            passes *= (double)c->extent[k];
    return passes;
}

/* The step of the sum that operand o takes most often. */
static int64_t nearest_step(const LContract *c, int o)
{
    int64_t nearest = 0;
    for (int k = c->n_out; k < c->n_index; k++) {
        int64_t s = tile_stride(c, o, k) < 0 ? -tile_stride(c, o, k) : tile_stride(c, o, k);
        if (s && c->extent[k] > 1 && (!nearest || s < nearest))
            nearest = s;
    }
    return nearest;
}

/* Of a cache with so many sets, the part that rows of `lines` cache lines reach when they are `step` floats
 * apart: a power of two visits the same sets again and again. */
static double reached(int64_t step, double lines, int64_t sets)
{
    int64_t apart = step / 16, common = sets;
    if (step % 16 || apart == 0)
        return 1;
    while (apart % common)
        common /= 2;
    double share = lines / (double)common;
    return share < 1 ? share : 1;
}

enum { L1_SETS = 64 };

/* Lines by where they come from. */
typedef struct {
    double second, third; /* cache; the third, or memory */
    double streamed;      /* of the second, those that follow one another */
    double lost;          /* cycles: rows on ever new pages, that nothing fetches ahead */
    double copying;       /* cycles */
} Traffic;

/* Cycles lost on a step whose line comes from afar and does not follow the last one's: nothing fetched it. */
enum { JUMP = 15 };
enum { NEAR_PAGES = 64 * 1024 }; /* floats: what the nearest translation buffer reaches */

/* A sum whose steps are on pages of their own, more than are at hand. */
static bool scattered(int64_t step, double steps) { return step >= 256 && (double)step * steps >= NEAR_PAGES; }

/* Cycles lost on so many rows of so many lines each. */
static double lost_on(const LContract *c, double rows, double lines, double bytes)
{
    return bytes > 0.75 * (double)c->target->l2 ? rows * (8 + 9 * lines) : rows * 2.5;
}

static double least(double a, double b) { return a < b ? a : b; }

/* So many lines are read, when `held` bytes have passed since each was read the last time; but no more of
 * them come from afar than `passes` over the operand bring in, the others being neighbours' lines. */
static void add_lines(const LContract *c, Traffic *all, double lines, double held, double share, double most,
                      bool stream)
{
    if (held > 0.6 * (double)c->target->l2 * share) {
        double far_lines = lines < most ? lines : most;
        all->third += far_lines;
        *(stream ? &all->streamed : &all->second) += 0.3 * (lines - far_lines);
    } else if (held > 0.5 * (double)c->target->l1 * share) {
        *(stream ? &all->streamed : &all->second) += lines;
    }
}

/* Of so many reads with `held` bytes in between, those that are the first of their line: it comes from where the
 * operand lies. Returns how many. */
static double add_first(const LContract *c, int o, Traffic *all, double reads, double held, bool stream)
{
    double whole = tile_operand_bytes(c, o), first = held < whole ? least(reads, whole / 64) : 0;
    add_lines(c, all, first, whole, 1, first, stream);
    return first;
}

/* Elements of operand o's panels, all together. */
static double packed_count(const Volume *v, int o)
{
    const LContract *c = v->c;
    double count = v->vectors * (double)tile_width(v->t);
    for (int k = 0; k < c->n_index; k++)
        if (k != v->t->vec && tile_stride(c, o, k))
            count *= (double)c->extent[k];
    return count;
}

/* How often other elements of operand o are read because of the output indices outside the tiles. */
static double outside(const Volume *v, int o)
{
    const LContract *c = v->c;
    const LTile *t = v->t;
    double n = 1;
    for (int k = 0; k < c->n_out; k++)
        if (k != t->vec && k != t->row[0] && k != t->row[1] && tile_stride(c, o, k))
            n *= (double)c->extent[k];
    return n;
}

/* Lines asked for ahead of a block are in the nearest cache when they are read, if it holds them that long. */
static bool fetched_ahead(const Volume *v)
{
    const LTile *t = v->t;
    return t->ahead && (t->block < 0 || v->inside * (double)tile_width(t) * 4 <= 0.5 * (double)v->c->target->l1);
}

/* Panels go by faster than memory delivers a single stream, unless it was asked ahead: cycles a line. */
enum { PANEL_WAIT = 2 };

/* Reading the vectors of an operand that every tile of the rows reads again. */
static void panel_traffic(const Volume *v, int o, Traffic *all)
{
    const LContract *c = v->c;
    const LTile *t = v->t;
    double width = (double)tile_width(t), bytes = tile_operand_bytes(c, o), share = 1;
    double once = v->others * v->vectors * v->steps * t->cols, reads = once * v->tiles, panel = v->inside * width * 4;
    bool unit = tile_stride(c, o, t->vec) == 1;
    int64_t step = nearest_step(c, o);
    /* The first tile of a group finds what was left long ago, the others what the first one left. */
    bool stays = !t->sweep && bytes / v->vectors / outside(v, o) < 0.6 * (double)c->target->l2;
    double passes = stays ? 1 : v->groups, first = once * v->groups, again = reads - first;
    if (stays && v->groups > 1 && t->block < 0) {
        first = once;
        again = reads - once;
    }
    passes *= others_passes(c, t, o);
    double copy = unit ? 0.12 : step == 1 && t->lanes >= 4 ? 0.3 : 2;
    copy += c->costly[o] ? 0.5 : 0;
    if (t->pack[o] == PACK_NONE) {
        double lines = width < 16 ? 1 : width / 16;
        share = reached(step, lines, L1_SETS);
        all->copying += c->costly[o] ? 2 * reads : 0;
        if (scattered(step, v->steps)) {
            all->lost += lost_on(c, first / t->cols, lines, bytes);
            if (scattered(step, v->inside)) {
                all->lost += lost_on(c, again / t->cols, lines, bytes);
                return;
            }
        } else if ((double)step > width && bytes > 0.6 * (double)c->target->l2) {
            all->lost += JUMP * first / t->cols;
        }
        add_lines(c, all, first, bytes, 1, least(bytes / 64, v->steps * t->cols * outside(v, o)) * v->vectors * passes,
                  step <= 2 * tile_width(t));
        add_lines(c, all, again, t->block < 0 ? panel : panel * 1.2, share, again,
                  step <= 2 * tile_width(t));
        return;
    }
    if (t->pack[o] == PACK_WHOLE) {
        if (c->fixed[o]) { /* it lies ready, and no other kernel keeps it in a cache */
            double ready = packed_count(v, o);
            all->copying += ready * 4 * TILE_READY_PRICE + 300;
            add_lines(c, all, first, ready * 4, 1, ready / 16 * passes, true);
            add_lines(c, all, again, panel, 1, again, true);
            return;
        }
        double count = packed_count(v, o), rounds = c->panels_at[o] && c->rounds > 1 ? (double)c->rounds : 1;
        all->copying += (count * copy + 300) / rounds;
        if (!c->serial && c->target->cores > 1) /* other cores made most of it */
            all->copying += count / 16 * 6;
        if (unit && scattered(step, v->steps))
            all->lost += lost_on(c, count / width, width / 16, bytes) / rounds;
        add_lines(c, all, count / 16 * 2, count * 8, 1, count, true);
        add_lines(c, all, first, count * 4 + (passes > 1 ? 0 : bytes), 1, count / 16 * passes, true);
        add_lines(c, all, again, panel, 1, again, true);
        return;
    }
    double packed = v->others * v->vectors * v->groups * v->steps * width;
    all->copying += packed * copy;
    if (unit && scattered(step, v->steps))
        all->lost += lost_on(c, packed / width, width / 16, bytes);
    else
        add_lines(c, all, packed / 16, bytes, 1, packed, true);
    add_lines(c, all, reads * 2, panel * 0.8, 1, reads, true); /* it was written there just now */
}

/* Reading the values that are the same in all lanes: a line has 16 steps, or 16 rows. */
static void row_traffic(const Volume *v, int o, Traffic *all)
{
    const LContract *c = v->c;
    const LTile *t = v->t;
    double lines = v->rows * v->steps, held = tile_operand_bytes(c, o), visits = v->others * v->vectors * v->tiles;
    bool along_rows = tile_stride(c, o, t->row[0]) == 1 && t->rows[0] > 1;
    if (t->pack[o]) { /* tiles of rows: a copy, then what follows on in memory */
        double count = held / 4, part = t->sweep ? held / v->groups : held;
        all->copying += count * (c->costly[o] ? 0.65 : 0.15) + 300 + (c->serial ? 0 : count / 16 * 6);
        if (scattered(nearest_step(c, o), v->steps))
            all->lost += lost_on(c, count / t->rows[0], t->rows[0] / 16.0, held);
        add_lines(c, all, count / 16 * 2, count * 8, 1, count, true);
        add_lines(c, all, visits * lines / 16, v->vectors <= 1 ? v->rows * v->steps * 4 : part, 1,
                  held / 64 * v->vectors * others_passes(c, t, o), true);
        return;
    }
    if (along_rows)
        lines = v->steps * (v->rows / t->rows[0]) * (t->rows[0] / 16.0 + 0.7);
    else if (nearest_step(c, o) == 1)
        lines /= 16;
    if (along_rows && scattered(nearest_step(c, o), v->steps)) {
        double near = t->sweep ? v->steps * v->tiles / v->groups * 64 : held; /* of a group */
        double first = near < 0.5 * (double)c->target->l2 ? v->others * v->groups : visits;
        all->lost += lost_on(c, first * v->steps, 1, held) + lost_on(c, (visits - first) * v->steps, 1, near);
        return;
    }
    if (t->sweep) /* the group's part alone, between one vector tile and the next */
        held /= v->groups;
    if (v->vectors <= 1 && t->lanes > 1) /* scalar code waits for each line as vectors along the sum do */
        held = v->rows * v->steps * 4;
    double block = v->rows * v->inside * 4 * (along_rows ? 16.0 / t->rows[0] : 1) * v->tiles / v->groups;
    if (t->block >= 0 && block < held)
        held = v->vectors <= 1 ? block : held;
    double all_rows = along_rows ? lines * outside(v, o) : tile_operand_bytes(c, o) / 64;
    double reads = visits * lines - add_first(c, o, all, visits * lines, held, !along_rows);
    add_lines(c, all, reads, held, 1,
              least(tile_operand_bytes(c, o) / 64, all_rows) * (along_rows ? v->tiles : 1) * v->vectors *
                  others_passes(c, t, o),
              !along_rows);
}

/* What a window that slides reads; rows and columns that tiles share come by again when all lanes have passed. */
static void slide_traffic(const Volume *v, int o, Traffic *all)
{
    const LContract *c = v->c;
    const LTile *t = v->t;
    TileSlideWork w = tile_slide_work(c, t, t->rows[0], t->rows[1], t->cols);
    double lines = (double)w.moving * t->lanes / 16 * v->steps / (double)t->slide;
    double visits = v->others * v->vectors * v->tiles;
    double held = lines * 64 * (double)t->along;
    double reads = visits * lines - add_first(c, o, all, visits * lines, held, true);
    add_lines(c, all, reads, held, 1, reads, true);
}

/* An operand that changes along rows and lanes: what a tile reads of it, it alone reads. */
static void both_traffic(const Volume *v, int o, Traffic *all)
{
    const LContract *c = v->c;
    const LTile *t = v->t;
    double own = t->cols, span = 1;
    for (int k = 0; k < c->n_index; k++) {
        double n = k == t->row[0] ? t->rows[0] : k == t->row[1] ? t->rows[1] : k >= c->n_out ? (double)c->extent[k] : 1;
        double s = (double)tile_stride(c, o, k);
        own *= s != 0 ? n : 1;
        span += (s < 0 ? -s : s) * (n - 1) / (double)tile_width(t);
    }
    double lines = own < span * t->cols ? own : span * t->cols; /* windows overlap */
    if (scattered(nearest_step(c, o), v->inside)) {
        all->lost += lost_on(c, v->others * v->vectors * v->tiles * v->steps, lines / v->steps, tile_operand_bytes(c, o));
        return;
    }
    if (nearest_step(c, o) > tile_width(t) && tile_operand_bytes(c, o) > 0.6 * (double)c->target->l2)
        all->lost += JUMP * v->others * v->vectors * v->tiles * lines / t->cols;
    double held = own * 64 * (tile_width(t) < 16 ? 1 : 2);
    add_lines(c, all, v->others * v->vectors * v->tiles * (own - lines), lines * 64, 1, 0, true);
    double passes = others_passes(c, t, o), once = lines * outside(v, o);
    for (int r = 0; r < 2; r++)
        if (t->row[r] >= 0)
            *(tile_stride(c, o, t->row[r]) ? &once : &passes) *= (double)tile_row_cut(c, t, r).count;
    double reads = v->others * v->vectors * v->tiles * lines;
    reads -= add_first(c, o, all, reads, held, true);
    add_lines(c, all, reads, held, 1,
              least(tile_operand_bytes(c, o) / 64, once) * v->vectors * passes, true);
}

/* Vectors along the sum: one operand stays with the outer rows, the other passes by. */
static void dot_traffic(const Volume *v, int o, Traffic *all)
{
    const LContract *c = v->c;
    const LTile *t = v->t;
    double rows = 1, held = tile_operand_bytes(c, o);
    for (int r = 0; r < 2; r++)
        if (tile_stride(c, o, t->row[r]))
            rows *= t->rows[r];
    if (!tile_stride(c, o, t->row[0]))
        held = rows * v->steps * 4;
    double passes = 1;
    for (int k = 0; k < c->n_out; k++)
        if (!tile_stride(c, o, k))
            passes *= k == t->row[0] || k == t->row[1]
                          ? (double)tile_cut(c->extent[k], t->rows[k == t->row[1]], 1).count
                          : (double)c->extent[k];
    add_lines(c, all, v->others * v->tiles * v->steps / t->lanes * rows, held, 1,
              tile_operand_bytes(c, o) / 64 * passes, true);
}

static double more_than(double a, double b) { return a > b ? a - b : 0; }

double tile_cost(const LContract *c, const LTile *t)
{
    Volume v = volume_of(c, t);
    Traffic all = { 0 };
    double work = grid_cycles(c, t), pieces = v.others * v.vectors * v.groups;
    for (int o = 0; o < c->n_operand; o++) {
        bool on_rows = tile_stride(c, o, t->row[0]) || tile_stride(c, o, t->row[1]);
        double before = all.third;
        if (t->kind == TILE_DOT)
            dot_traffic(&v, o, &all);
        else if (t->slide && on_rows)
            slide_traffic(&v, o, &all);
        else if (t->lanes > 1 && tile_stride(c, o, t->vec) && !on_rows)
            panel_traffic(&v, o, &all);
        else if (on_rows && !tile_stride(c, o, t->vec))
            row_traffic(&v, o, &all);
        else if (on_rows)
            both_traffic(&v, o, &all);
        bool afar = tile_operand_bytes(c, o) >= (double)c->target->l2; /* none of it stays */
        if (t->kind == TILE_OUTER && tile_stride(c, o, t->vec) && afar && !fetched_ahead(&v))
            all.lost += PANEL_WAIT * (all.third - before);
    }
    all.third += tile_epilogue_lines(c, t);
    /* Lines arrive beside the arithmetic, up to what the caches deliver. */
    double cost = work + all.copying + 0.15 * (all.second + all.streamed) +
                  more_than(2.6 * all.second + 1.4 * all.streamed, 0.55 * work) +
                  (fetched_ahead(&v) ? 1.2 : 2) * all.third + more_than(8 * all.third, 0.4 * work) + all.lost;
    if (t->block >= 0) {
        double tiles = v.others * v.vectors * v.tiles, blocks = v.steps / v.inside;
        cost += tiles * (v.rows * t->cols * (2 * blocks + 2.5) + 40 * blocks);
    }
    if (t->slide)
        pieces = v.others * v.tiles * (double)(((int64_t)v.vectors + t->along - 1) / t->along);
    if (t->group[0] > 1 || t->group[1] > 1 || t->slide)
        cost += 60 * pieces;
    if (t->split >= 0) {
        double outputs = v.others * v.vectors * v.tiles * v.rows * t->cols;
        cost += (double)t->chunks * outputs * 4 + 500;
        pieces *= (double)t->chunks;
    }
    for (int o = 0; o < c->n_operand; o++) /* a second copy of a parameter has to be worth it */
        cost *= c->fixed[o] && t->pack[o] == PACK_WHOLE ? 1.05 : 1;
    if (c->serial)
        return cost;
    /* Half of the time on one core, half on the target's cores. */
    return 0.5 * (cost + c->target->cores * tile_on_cores(c, t, cost));
}
