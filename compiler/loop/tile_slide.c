/* Windows that slide: tiles whose steps of the sum are written out one after another, so that a value which
 * several of them read (a pixel under several taps, for several results of a row and of several rows) is
 * loaded once. The products are sorted by where their moving operand lies, so each of its values is
 * used up before the next is loaded and what has to stay in registers is little: the sums, and the taps of
 * the rows at hand. That is how depthwise convolutions come to their limit: one load would else go with
 * each multiply-add, both operands changing from lane to lane.
 *
 * t->slide of the steps are written out: all that the sum has (a convolution's taps), or some values of the
 * innermost index (pixels, in a depthwise weight gradient), the other indices being loops around them. */
#include "loop/tile_micro.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_PRODUCTS = 512 };

/* A multiply-add of every column of a tile. */
typedef struct {
    int64_t at[2];  /* where the operands' values lie, from the tile's first; [0]: the moving operand's */
    int row[2], step;
} Product;

/* The operand that changes along the rows. */
static int moving(const LContract *c, const LTile *t) { return tile_stride(c, 0, t->row[0]) != 0 ? 0 : 1; }

static int64_t all_steps(const LContract *c, const int *order, int n)
{
    int64_t steps = 1;
    for (int i = 0; i < n; i++)
        steps *= c->extent[order[i]];
    return steps;
}

/* The summed indices at step number `step`: those that are written out. */
static void step_index(const LContract *c, const LTile *t, int64_t step, int64_t *index)
{
    int order[TILE_MAX_INDEX], n = tile_order(c, t, order);
    if (!n)
        return;
    if (t->slide < all_steps(c, order, n)) {
        index[order[n - 1]] = step;
        return;
    }
    for (int i = n - 1; i >= 0; i--) {
        index[order[i]] = step % c->extent[order[i]];
        step /= c->extent[order[i]];
    }
}

static int in_memory_order(const void *a, const void *b)
{
    const Product *x = a, *y = b;
    if (x->at[0] != y->at[0])
        return x->at[0] < y->at[0] ? -1 : 1;
    if (x->step != y->step)
        return x->step - y->step;
    return x->row[1] != y->row[1] ? x->row[1] - y->row[1] : x->row[0] - y->row[0];
}

/* The products of a tile of n0 x n1 rows and so many steps, in the order in which they are added. */
static int make_products(const LContract *c, const LTile *t, int n0, int n1, int steps, Product *out)
{
    int n = 0, first = moving(c, t);
    int64_t step[2] = { tile_stride(c, first, t->row[0]), tile_stride(c, first, t->row[1]) };
    for (int s = 0; s < steps; s++) {
        int64_t index[TILE_MAX_INDEX] = { 0 }, at[2] = { 0, 0 };
        step_index(c, t, s, index);
        for (int k = c->n_out; k < c->n_index; k++)
            for (int o = 0; o < 2; o++)
                at[o] += index[k] * tile_stride(c, o == 0 ? first : 1 - first, k);
        for (int i1 = 0; i1 < n1; i1++)
            for (int i0 = 0; i0 < n0; i0++)
                out[n++] = (Product){ { at[0] + i0 * step[0] + i1 * step[1], at[1] }, { i0, i1 }, s };
    }
    qsort(out, (size_t)n, sizeof *out, in_memory_order);
    return n;
}

/* ---- what it takes ---- */

TileSlideWork tile_slide_work(const LContract *c, const LTile *t, int64_t n0, int64_t n1, int64_t cols)
{
    Product p[MOST_PRODUCTS];
    int64_t steps = t->slide, last[MOST_PRODUCTS], kept[MOST_PRODUCTS], first = moving(c, t);
    TileSlideWork w = { 0 };
    int n = make_products(c, t, (int)n0, (int)n1, (int)steps, p), n_kept = 0, live = 0;
    int64_t each[2];
    for (int o = 0; o < 2; o++)
        each[o] = tile_stride(c, o ? (int)(1 - first) : (int)first, t->vec) ? cols : 1;
    for (int i = 0; i < n; i++) { /* values of the other operand, and where each is used last */
        int k = 0;
        while (k < n_kept && kept[k] != p[i].at[1])
            k++;
        n_kept += k == n_kept;
        kept[k] = p[i].at[1];
        last[k] = i;
        w.moving += i == 0 || p[i].at[0] != p[i - 1].at[0];
    }
    bool seen[MOST_PRODUCTS] = { false };
    for (int i = 0; i < n; i++) {
        int k = 0;
        while (kept[k] != p[i].at[1])
            k++;
        live += !seen[k];
        seen[k] = true;
        w.registers = live > w.registers ? live : w.registers;
        live -= last[k] == i;
    }
    w.registers = w.registers * each[1] + n0 * n1 * cols + each[0];
    w.moving *= each[0];
    w.loads = w.moving + n_kept * each[1];
    w.products = n * cols;
    return w;
}

const char *tile_slide_check(const LContract *c, const LTile *t)
{
    if (!t->slide)
        return NULL;
    if (t->kind != TILE_OUTER || t->vec < 0 || t->row[0] < 0 || c->n_operand != 2)
        return "a window that slides along no row";
    int o = moving(c, t);
    if (tile_stride(c, 1 - o, t->row[0]) || tile_stride(c, 1 - o, t->row[1]) || !tile_stride(c, o, t->row[0]))
        return "a window of an operand that does not move";
    if (t->pack[0] || t->pack[1] || t->block >= 0 || t->ahead || t->claim)
        return "a sliding window over panels or blocks";
    if (t->sweep || t->group[0] != 1 || t->group[1] != 1 || t->along < 1)
        return "a sliding window over groups of tiles";
    int order[TILE_MAX_INDEX], n = tile_order(c, t, order);
    int64_t all = all_steps(c, order, n);
    if (t->slide < 1 || t->slide > MOST_PRODUCTS || (t->slide != all && (n == 0 || t->slide > c->extent[order[n - 1]])))
        return "a sliding window of more steps than the sum has";
    if (t->split >= 0 && (t->slide == all || t->split == order[n - 1]))
        return "a split of what a sliding window holds";
    if (t->slide * t->rows[0] * t->rows[1] * t->cols > MOST_PRODUCTS)
        return "a sliding window of too many products";
    return NULL;
}

/* ---- writing ---- */

typedef struct {
    int64_t at;
    LExpr *col[TILE_MAX_ACC];
} Loaded;

static LExpr *value_of(Tiler *m, int o, LExpr *const *index, const TileSpot *spot, const TileSums *a, int col, LBlock *at)
{
    LExpr *place[TILE_MAX_INDEX];
    for (int k = 0; k < m->c->n_index; k++)
        place[k] = index[k];
    place[m->t->vec] = lx_add(m->f, place[m->t->vec], lx_i64(m->f, (int64_t)col * m->t->lanes));
    return tile_operand(m, o, place, spot, 0, col, col == a->cols - 1 ? a->limit : m->t->lanes, at);
}

/* So many steps of the sum from base on, written out. */
static void write_out(Tiler *m, TileSums *a, const TileSpot *spot, LExpr *const *base, int steps, LBlock *at)
{
    const LContract *c = m->c;
    const LTile *t = m->t;
    LFunc *f = m->f;
    Product *p = ARENA_ARRAY(f->arena, Product, steps * a->n0 * a->n1);
    Loaded *kept = ARENA_ARRAY(f->arena, Loaded, steps), passing = { 0 };
    int n = make_products(c, t, a->n0, a->n1, steps, p), n_kept = 0, first = moving(c, t);
    for (int i = 0; i < n; i++) {
        int64_t sum[TILE_MAX_INDEX] = { 0 };
        LExpr *index[TILE_MAX_INDEX];
        step_index(c, t, p[i].step, sum);
        for (int k = 0; k < c->n_index; k++)
            index[k] = k < c->n_out ? base[k] : lx_add(f, base[k], lx_i64(f, sum[k]));
        for (int r = 0; r < 2; r++)
            if (t->row[r] >= 0)
                index[t->row[r]] = lx_add(f, index[t->row[r]], lx_i64(f, p[i].row[r]));
        int k = 0;
        while (k < n_kept && kept[k].at != p[i].at[1])
            k++;
        n_kept += k == n_kept;
        kept[k].at = p[i].at[1];
        if (i == 0 || passing.at != p[i].at[0])
            passing = (Loaded){ .at = p[i].at[0] };
        for (int col = 0; col < a->cols; col++) {
            Loaded *value[2] = { &passing, &kept[k] };
            LExpr *x[2];
            for (int o = 0; o < 2; o++) {
                int operand = o ? 1 - first : first, own = tile_stride(c, operand, t->vec) ? col : 0;
                if (!value[o]->col[own])
                    value[o]->col[own] = value_of(m, operand, index, spot, a, own, at);
                x[operand] = value[o]->col[own];
            }
            LVar *acc = tile_acc(a, p[i].row[1], p[i].row[0], col);
            lb_set(f, at, acc, lx_fma(f, x[0], x[1], lx_var(f, acc)));
        }
    }
}

void tile_slide(Tiler *m, TileSums *a, const TileSpot *spot, LExpr **index, LBlock *at)
{
    LFunc *f = m->f;
    const LTile *t = m->t;
    int64_t all = all_steps(m->c, m->order, m->n_order);
    if (t->slide == all) {
        for (int i = 0; i < m->n_order; i++)
            index[m->order[i]] = lx_i64(f, 0);
        write_out(m, a, spot, index, (int)all, at);
        return;
    }
    for (int i = 0; i < m->n_order - 1; i++) {
        LExpr *lo, *hi;
        tile_sum_bounds(m, m->order[i], &lo, &hi);
        LStmt *loop = lb_for(f, at, "k", lo, hi, 1, LF_SERIAL);
        index[m->order[i]] = lx_var(f, loop->var);
        at = &loop->body;
    }
    int k = m->order[m->n_order - 1];
    int64_t n = m->c->extent[k], whole = n / t->slide * t->slide;
    LStmt *loop = lb_for(f, at, "k", lx_i64(f, 0), lx_i64(f, whole), t->slide, LF_SERIAL);
    index[k] = lx_var(f, loop->var);
    write_out(m, a, spot, index, (int)t->slide, &loop->body);
    index[k] = lx_i64(f, whole);
    if (n > whole)
        write_out(m, a, spot, index, (int)(n - whole), at);
}
