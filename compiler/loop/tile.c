/* The loops around the register tiles of a contraction: panels first, then one parallel loop over a
 * flat grid of tiles (so that two-dimensional work balances), in which the sizes at the edges are
 * variants of their own, chosen by comparisons of the tile's number; then, for a split sum, the adding
 * up of the parts in a fixed order. */
#include "loop/tile_micro.h"

#include <string.h>

/* One dimension of the grid: an output index in blocks, or the chunks of a split sum. */
typedef struct {
    int index; /* -1: chunks */
    int64_t block, full, count;
    LExpr *tile;
} Dim;

typedef struct {
    Tiler *m;
    Dim dim[TILE_MAX_INDEX + 1];
    int n;
} Grid;

static void grid_add(Grid *g, int index, int64_t extent, int64_t block)
{
    Dim *d = &g->dim[g->n++];
    d->index = index;
    d->block = block;
    d->full = extent / block;
    d->count = (extent + block - 1) / block;
}

static bool in_tile(const LTile *t, int k)
{
    return k == t->row[0] || k == t->row[1] || (t->kind == TILE_OUTER && k == t->vec);
}

/* Outermost first: chunks, what changes every operand, what changes the vectors' operand, the vector
 * tiles (whose panel stays in cache meanwhile), the rest, the unrolled rows. */
static void grid_make(Grid *g)
{
    const LContract *c = g->m->c;
    const LTile *t = g->m->t;
    int64_t vec_block = (int64_t)t->lanes * t->cols;
    if (t->split >= 0)
        grid_add(g, -1, t->chunks, 1);
    int last = c->n_operand - 1;
    bool vec_on[2] = { false, false };
    for (int o = 0; o <= last && t->vec >= 0; o++)
        vec_on[o] = c->operand[o].stride[t->vec] != 0;
    for (int rank = 0; rank < 3; rank++) {
        if (rank == 2 && t->kind == TILE_OUTER && t->vec >= 0)
            grid_add(g, t->vec, c->extent[t->vec], vec_block);
        for (int k = 0; k < c->n_out; k++) {
            if (in_tile(t, k) || c->extent[k] == 1)
                continue;
            bool on0 = c->operand[0].stride[k] != 0, on1 = last && c->operand[1].stride[k] != 0;
            bool on_vec = (vec_on[0] && on0) || (vec_on[1] && on1);
            int own = on0 && on1 ? 0 : on_vec ? 1 : 2;
            if (own == rank)
                grid_add(g, k, c->extent[k], 1);
        }
    }
    for (int r = 1; r >= 0; r--)
        if (t->row[r] >= 0)
            grid_add(g, t->row[r], c->extent[t->row[r]], t->rows[r]);
}

/* Size of the tile along dimension d, in its whole blocks or at the edge. */
static void set_size(Grid *g, const Dim *d, bool edge, TileSpot *spot)
{
    const LTile *t = g->m->t;
    if (d->index < 0)
        return;
    int64_t size = edge ? g->m->c->extent[d->index] - d->full * d->block : d->block;
    if (t->kind == TILE_OUTER && d->index == t->vec) {
        spot->cols = (int)((size + t->lanes - 1) / t->lanes);
        spot->limit = (int)(size - (int64_t)(spot->cols - 1) * t->lanes);
    }
    for (int r = 0; r < 2; r++)
        if (d->index == t->row[r])
            spot->rows[r] = (int)size;
}

static void emit_variants(Grid *g, int dim, TileSpot spot, LBlock *at)
{
    LFunc *f = g->m->f;
    if (dim == g->n) {
        tile_micro(g->m, &spot, at);
        return;
    }
    Dim *d = &g->dim[dim];
    if (d->full && d->full < d->count) {
        LStmt *branch = lb_if(f, at, lx_bin(f, LX_LT, d->tile, lx_i64(f, d->full)));
        set_size(g, d, false, &spot);
        emit_variants(g, dim + 1, spot, &branch->body);
        /* At the edge the tile's number is known. */
        set_size(g, d, true, &spot);
        spot.index[d->index] = lx_i64(f, d->full * d->block);
        if (g->m->t->kind == TILE_OUTER && d->index == g->m->t->vec)
            spot.panel = lx_i64(f, d->full);
        emit_variants(g, dim + 1, spot, &branch->other);
        return;
    }
    set_size(g, d, d->full == 0, &spot);
    emit_variants(g, dim + 1, spot, at);
}

static void emit_grid(Tiler *m, LBlock *at)
{
    LFunc *f = m->f;
    Grid g = { .m = m };
    grid_make(&g);
    int64_t total = 1;
    for (int i = 0; i < g.n; i++)
        total *= g.dim[i].count;
    LExpr *flat = lx_i64(f, 0);
    if (total > 1) {
        LStmt *loop = lb_for(f, at, "tile", lx_i64(f, 0), lx_i64(f, total), 1,
                             m->t->parallel ? LF_PARALLEL : LF_SERIAL);
        flat = lx_var(f, loop->var);
        at = &loop->body;
    }
    TileSpot spot = { .panel = lx_i64(f, 0), .cols = 1, .limit = m->t->lanes, .rows = { 1, 1 } };
    for (int k = 0; k < m->c->n_index; k++)
        spot.index[k] = lx_i64(f, 0);
    for (int i = g.n - 1; i >= 0; i--) {
        Dim *d = &g.dim[i];
        LExpr *tile = lx_bin(f, LX_MOD, flat, lx_i64(f, d->count));
        flat = lx_bin(f, LX_DIV, flat, lx_i64(f, d->count));
        if (d->count > 1 && tile->op != LX_VAR)
            tile = lx_var(f, lb_let(f, at, "t", tile));
        d->tile = tile;
        if (d->index < 0) {
            m->chunk = tile;
            continue;
        }
        spot.index[d->index] = lx_mul(f, tile, lx_i64(f, d->block));
        if (m->t->kind == TILE_OUTER && d->index == m->t->vec)
            spot.panel = tile;
    }
    emit_variants(&g, 0, spot, at);
}

/* ---- adding up the parts of a split sum: a contraction of one operand ---- */

typedef struct {
    LContract *whole;
    const Tiler *m;
    int64_t stride[TILE_MAX_INDEX];
} Parts;

static LExpr *parts_load(void *user, int operand, LBlock *at, LExpr *const *index)
{
    const Parts *p = user;
    LFunc *f = p->m->f;
    LExpr *flat = lx_i64(f, p->m->part_at);
    (void)operand;
    (void)at;
    for (int k = 0; k <= p->whole->n_out; k++)
        flat = lx_add(f, flat, lx_mul(f, index[k], lx_i64(f, p->stride[k])));
    return lx_load(f, f->scratch, flat, 1, NULL);
}

static void parts_store(void *user, LBlock *at, LExpr *const *index, LExpr *value)
{
    const Parts *p = user;
    p->whole->store(p->whole->user, at, index, value);
}

static void add_parts(Tiler *m, LBlock *at)
{
    LContract *c = m->c;
    Parts parts = { .whole = c, .m = m };
    LContract sum = { .func = c->func, .at = at, .target = c->target, .n_index = c->n_out + 1,
                      .n_out = c->n_out, .n_operand = 1, .user = &parts, .load = parts_load,
                      .store = parts_store };
    int64_t stride = 1;
    for (int pass = 0; pass < 2; pass++)
        for (int k = c->n_out - 1; k >= 0; k--) {
            if ((k == m->t->vec) != (pass == 0))
                continue;
            parts.stride[k] = stride;
            stride *= c->extent[k];
        }
    parts.stride[c->n_out] = m->part_count;
    for (int k = 0; k <= c->n_out; k++) {
        sum.extent[k] = k < c->n_out ? c->extent[k] : m->t->chunks;
        sum.out_stride[k] = k < c->n_out ? c->out_stride[k] : 0;
        sum.operand[0].stride[k] = parts.stride[k];
    }
    LTile t = loop_contract_pick(&sum);
    t.split = -1;
    loop_contract_emit(&sum, &t);
}

/* ---- the whole ---- */

static int64_t weight(const LContract *c, int k)
{
    int64_t sum = 0;
    for (int o = 0; o < c->n_operand; o++)
        sum += c->operand[o].stride[k] < 0 ? -c->operand[o].stride[k] : c->operand[o].stride[k];
    return sum;
}

/* Summed indices with the farthest steps outermost; the lanes of a DOT tile have a loop of their own. */
static void order_sums(Tiler *m)
{
    const LContract *c = m->c;
    for (int k = c->n_out; k < c->n_index; k++) {
        if (c->extent[k] == 1 || (m->t->kind == TILE_DOT && k == m->t->vec))
            continue;
        int i = m->n_order++;
        for (; i > 0 && weight(c, m->order[i - 1]) < weight(c, k); i--)
            m->order[i] = m->order[i - 1];
        m->order[i] = k;
    }
}

void loop_contract_emit(LContract *c, const LTile *t)
{
    Tiler m = { .c = c, .t = t, .f = c->func };
    for (int k = 0; k < c->n_out; k++)
        if (c->extent[k] < 1)
            return;
    order_sums(&m);
    for (int o = 0; o < c->n_operand; o++)
        if (t->pack[o]) {
            m.pack_at[o] = lfunc_scratch(c->func, tile_pack_count(&m, o) * 4);
            tile_pack(&m, o, c->at);
        }
    if (t->split >= 0) {
        m.part_count = 1;
        for (int k = 0; k < c->n_out; k++)
            m.part_count *= c->extent[k];
        m.part_at = lfunc_scratch(c->func, m.part_count * t->chunks * 4);
    }
    emit_grid(&m, c->at);
    if (t->split >= 0)
        add_parts(&m, c->at);
}

static bool tuned(const LContract *c, const char *key, LTile *t)
{
    const LTuning *tuning = c->target->tuning;
    for (int i = 0; i < tuning->n_choices; i++)
        if (strcmp(tuning->choice[i].key, key) == 0 && !loop_contract_check(c, &tuning->choice[i].tile)) {
            *t = tuning->choice[i].tile;
            return true;
        }
    return false;
}

void loop_contract(LContract *c)
{
    const LTuning *tuning = c->target->tuning;
    const char *key = tuning ? loop_contract_key(c, c->func->arena) : NULL;
    LTile t;
    if (!tuning || !tuned(c, key, &t))
        t = loop_contract_pick(c);
    if (tuning && tuning->seen)
        tuning->seen(tuning->user, c, key, &t);
    c->func->schedule = loop_tile_words(&t, c->func->arena);
    loop_contract_emit(c, &t);
}
