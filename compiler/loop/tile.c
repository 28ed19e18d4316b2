/* The loops around the register tiles of a contraction: panels first, then one parallel loop over a flat
 * grid of pieces (so that two-dimensional work balances), in a piece the blocks of the sum and the tiles,
 * of which the sizes at the edges are variants of their own; then, for a split sum, the adding up of the
 * parts in a fixed order. */
#include "loop/tile_epilogue.h"
#include "loop/winograd.h"

#include <string.h>

TileCut tile_cut(int64_t extent, int64_t rows, int64_t window)
{
    TileCut cut = { .less = window };
    extent /= window;
    rows = rows < window ? 1 : rows / window;
    cut.count = (extent + rows - 1) / rows;
    rows = (extent + cut.count - 1) / cut.count;
    cut.tall = extent - cut.count * (rows - 1);
    cut.rows = rows * window;
    return cut;
}

static TileCut row_cut(const Tiler *m, int r) { return tile_row_cut(m->c, m->t, r); }

/* Tiles along the lanes. */
static int64_t vector_tiles(const LContract *c, const LTile *t)
{
    return (c->extent[t->vec] + tile_width(t) - 1) / tile_width(t);
}

typedef struct {
    Tiler *m;
    LExpr *group[2]; /* number of the first tile along the rows */
} Grid;

static bool in_tile(const LTile *t, int k)
{
    return k == t->row[0] || k == t->row[1] || (t->kind == TILE_OUTER && k == t->vec);
}

static int add_vectors(const LContract *c, const LTile *t, TileDim *dim)
{
    if (t->kind != TILE_OUTER || t->vec < 0)
        return 0;
    int64_t each = t->slide ? t->along : 1;
    *dim = (TileDim){ t->vec, (vector_tiles(c, t) + each - 1) / each };
    return 1;
}

/* Outermost first: chunks, what changes every operand, what changes the vectors' operand, the vector
 * tiles (whose panel stays in cache meanwhile), the rest, the rows; or the vector tiles last. Where a window
 * slides there are no panels: a piece has a tile of rows and walks over the lanes, as memory does. */
int tile_grid(const LContract *c, const LTile *t, TileDim dim[TILE_MAX_INDEX + 1])
{
    int n = 0, last = c->n_operand - 1;
    if (t->split >= 0)
        dim[n++] = (TileDim){ TILE_EVERY_CHUNK, t->chunks };
    bool vec_on[2] = { false, false };
    for (int o = 0; o <= last && t->vec >= 0; o++)
        vec_on[o] = c->operand[o].stride[t->vec] != 0;
    for (int rank = 0; rank < 3; rank++) {
        if (rank == 2 && !t->sweep && !t->slide)
            n += add_vectors(c, t, dim + n);
        for (int k = 0; k < c->n_out; k++) {
            if (in_tile(t, k) || c->extent[k] == 1)
                continue;
            bool on0 = c->operand[0].stride[k] != 0, on1 = last && c->operand[1].stride[k] != 0;
            bool on_vec = (vec_on[0] && on0) || (vec_on[1] && on1);
            int own = on0 && on1 ? 0 : on_vec ? 1 : 2;
            if (own == rank)
                dim[n++] = (TileDim){ k, c->extent[k] };
        }
    }
    for (int r = 1; r >= 0; r--)
        if (t->row[r] >= 0) {
            int64_t count = tile_row_cut(c, t, r).count;
            dim[n++] = (TileDim){ t->row[r], (count + t->group[r] - 1) / t->group[r] };
        }
    if (t->sweep || t->slide)
        n += add_vectors(c, t, dim + n);
    return n;
}

/* ---- one piece of the grid ---- */

/* A number that a branch has bounded: so that divisions in an epilogue's indices fold, and its lanes stay
 * neighbours. */
static LExpr *within(LFunc *f, LBlock *at, LExpr *number, int64_t min, int64_t max)
{
    int64_t lo, hi;
    if (lx_range(number, &lo, &hi) && lo >= min && hi <= max)
        return number;
    LVar *v = lb_let(f, at, "t", number);
    v->ranged = true;
    v->min = min;
    v->max = max;
    return lx_var(f, v);
}

typedef void RowsDo(Tiler *m, const TileSpot *spot, LBlock *at);

/* The tiles of a piece along row r and those below it: a loop, and a variant for each height. */
static void each_tile(Grid *g, int r, TileSpot spot, LExpr *number, LBlock *at, RowsDo *run)
{
    Tiler *m = g->m;
    const LTile *t = m->t;
    LFunc *f = m->f;
    if (r < 0) {
        spot.sharing = t->group[0] * t->group[1];
        spot.number = spot.sharing > 1 ? number : NULL;
        if (m->kept)
            spot.kept_at = lx_mul(f, number, lx_i64(f, m->kept->count / (t->group[0] * t->group[1])));
        run(m, &spot, at);
        return;
    }
    if (t->row[r] < 0) {
        each_tile(g, r - 1, spot, number, at, run);
        return;
    }
    TileCut cut = row_cut(m, r);
    LExpr *tile = g->group[r];
    if (t->group[r] > 1) {
        LExpr *n = lx_i64(f, t->group[r] < cut.count ? t->group[r] : cut.count);
        if (cut.count % t->group[r] && cut.count > t->group[r])
            n = lx_bin(f, LX_MIN, n, lx_bin(f, LX_SUB, lx_i64(f, cut.count), tile));
        LStmt *loop = lb_for(f, at, "r", lx_i64(f, 0), n, 1, LF_SERIAL);
        number = lx_add(f, lx_mul(f, number, lx_i64(f, t->group[r])), lx_var(f, loop->var));
        tile = lx_add(f, tile, lx_var(f, loop->var));
        at = &loop->body;
    }
    LBlock *at_low = at;
    LExpr *low = tile;
    if (cut.tall < cut.count) {
        LStmt *branch = lb_if_odds(f, at, lx_bin(f, LX_LT, tile, lx_i64(f, cut.tall)), cut.tall,
                                   cut.count - cut.tall);
        at = &branch->body;
        at_low = &branch->other;
        tile = within(f, at, tile, 0, cut.tall - 1);
        low = within(f, at_low, low, cut.tall, cut.count - 1);
    }
    spot.rows[r] = (int)cut.rows;
    if (r == 0)
        spot.tile = tile;
    spot.index[t->row[r]] = lx_mul(f, tile, lx_i64(f, cut.rows));
    each_tile(g, r - 1, spot, number, at, run);
    if (at_low == at)
        return;
    spot.rows[r] = (int)(cut.rows - cut.less);
    if (r == 0)
        spot.tile = low;
    spot.index[t->row[r]] = lx_add(f, lx_mul(f, low, lx_i64(f, cut.rows - cut.less)), lx_i64(f, cut.tall * cut.less));
    each_tile(g, r - 1, spot, number, at_low, run);
}

void tile_sum_bounds(const Tiler *m, int k, LExpr **lo, LExpr **hi)
{
    LFunc *f = m->f;
    int64_t n = m->c->extent[k], size = (n + m->t->chunks - 1) / (m->t->chunks ? m->t->chunks : 1);
    *lo = lx_i64(f, 0);
    *hi = lx_i64(f, n);
    if (k != m->t->split)
        return;
    *lo = lx_mul(f, m->chunk, lx_i64(f, size));
    LExpr *end = lx_add(f, *lo, lx_i64(f, size));
    *hi = n % size ? lx_bin(f, LX_MIN, end, *hi) : end;
}

/* The loops outside the blocks of the sum, then the blocks. */
static LBlock *block_loops(Tiler *m, TileSpot *spot, LBlock *at)
{
    LFunc *f = m->f;
    const LTile *t = m->t;
    LExpr *lo, *hi;
    for (int i = 0; i < m->inner; i++) {
        int k = m->order[i];
        tile_sum_bounds(m, k, &lo, &hi);
        LStmt *loop = lb_for(f, at, "k", lo, hi, 1, LF_SERIAL);
        spot->index[k] = lx_var(f, loop->var);
        at = &loop->body;
    }
    tile_sum_bounds(m, t->block, &lo, &hi);
    int64_t n = t->block == t->split ? (m->c->extent[t->block] + t->chunks - 1) / t->chunks : m->c->extent[t->block];
    LStmt *loop = lb_for(f, at, "block", lo, hi, t->depth, LF_SERIAL);
    m->block_lo = lx_var(f, loop->var);
    m->block_hi = lx_add(f, m->block_lo, lx_i64(f, t->depth));
    if (n % t->depth || (t->block == t->split && m->c->extent[t->block] % n))
        m->block_hi = lx_bin(f, LX_MIN, m->block_hi, hi);
    return &loop->body;
}

static void keep_sums(Tiler *m, LBlock *at)
{
    const LTile *t = m->t;
    LFunc *f = m->f;
    int64_t n = tile_width(t) * t->group[0] * t->group[1];
    for (int r = 0; r < 2; r++)
        n *= t->row[r] < 0 ? 1 : row_cut(m, r).rows;
    m->kept = lfunc_local(f, at, "sums", LK_F32, n);
    LStmt *loop = lb_for(f, at, "i", lx_i64(f, 0), lx_i64(f, n), t->lanes, LF_SERIAL);
    lb_store(f, &loop->body, m->kept, lx_var(f, loop->var), lx_splat(f, lx_float(f, 0), t->lanes), NULL);
}

static void put_kept(Tiler *m, const TileSpot *spot, LBlock *at)
{
    LExpr *n[2] = { lx_i64(m->f, spot->rows[0]), lx_i64(m->f, spot->rows[1]) };
    tile_put_kept(m, spot, n, at);
}

static void emit_piece(Grid *g, TileSpot spot, LBlock *at)
{
    Tiler *m = g->m;
    const LTile *t = m->t;
    LBlock *inside = at;
    if (t->block >= 0) {
        keep_sums(m, at);
        inside = block_loops(m, &spot, at);
    }
    for (int o = 0; o < m->c->n_operand; o++)
        if (t->pack[o] == PACK_PIECE)
            tile_pack_piece(m, o, &spot, inside);
    each_tile(g, 1, spot, lx_i64(m->f, 0), inside, tile_micro);
    if (t->block >= 0)
        each_tile(g, 1, spot, lx_i64(m->f, 0), at, put_kept);
    m->kept = NULL;
}

/* The vector tiles of a piece whose windows slide: those that are whole, then the one at the edge. */
static void emit_along(Grid *g, TileSpot spot, LBlock *at)
{
    Tiler *m = g->m;
    LFunc *f = m->f;
    const LTile *t = m->t;
    int64_t n = m->c->extent[t->vec], full = n / tile_width(t), rest = n % tile_width(t);
    LExpr *first = lx_mul(f, spot.panel, lx_i64(f, t->along)), *end = lx_add(f, first, lx_i64(f, t->along));
    if (full % t->along || rest)
        end = lx_bin(f, LX_MIN, end, lx_i64(f, full));
    spot.cols = t->cols;
    if (full) {
        LStmt *loop = lb_for(f, at, "v", first, end, 1, LF_SERIAL);
        spot.index[t->vec] = lx_mul(f, lx_var(f, loop->var), lx_i64(f, tile_width(t)));
        emit_piece(g, spot, &loop->body);
    }
    if (!rest)
        return;
    if (first->op != LX_CONST)
        at = &lb_if(f, at, lx_bin(f, LX_LT, lx_i64(f, full), lx_add(f, first, lx_i64(f, t->along))))->body;
    spot.cols = (int)((rest + t->lanes - 1) / t->lanes);
    spot.limit = (int)(rest - (int64_t)(spot.cols - 1) * t->lanes);
    spot.index[t->vec] = lx_i64(f, full * tile_width(t));
    emit_piece(g, spot, at);
}

static void emit_grid(Tiler *m, LBlock *at)
{
    LFunc *f = m->f;
    const LTile *t = m->t;
    Grid g = { .m = m, .group = { lx_i64(f, 0), lx_i64(f, 0) } };
    TileDim dim[TILE_MAX_INDEX + 1];
    int n_dims = tile_grid(m->c, t, dim);
    int64_t total = 1;
    for (int i = 0; i < n_dims; i++)
        total *= dim[i].count;
    LExpr *flat = lx_i64(f, 0);
    if (total > 1) {
        LStmt *loop = lb_for(f, at, "tile", lx_i64(f, 0), lx_i64(f, total), 1,
                             t->parallel ? LF_PARALLEL : LF_SERIAL);
        flat = lx_var(f, loop->var);
        at = &loop->body;
    }
    TileSpot spot = { .panel = lx_i64(f, 0), .cols = 1, .limit = t->lanes, .rows = { 1, 1 } };
    for (int k = 0; k < m->c->n_index; k++)
        spot.index[k] = lx_i64(f, 0);
    for (int i = n_dims - 1; i >= 0; i--) {
        const TileDim *d = &dim[i];
        LExpr *tile = lx_bin(f, LX_MOD, flat, lx_i64(f, d->count));
        flat = lx_bin(f, LX_DIV, flat, lx_i64(f, d->count));
        if (d->count > 1 && tile->op != LX_VAR)
            tile = lx_var(f, lb_let(f, at, "t", tile));
        if (d->index == TILE_EVERY_CHUNK)
            m->chunk = tile;
        else if (d->index == t->row[0] || d->index == t->row[1])
            g.group[d->index == t->row[1]] = lx_mul(f, tile, lx_i64(f, t->group[d->index == t->row[1]]));
        else if (t->kind == TILE_OUTER && d->index == t->vec)
            spot.panel = tile;
        else
            spot.index[d->index] = tile;
    }
    if (t->kind == TILE_DOT || t->vec < 0) {
        emit_piece(&g, spot, at);
        return;
    }
    if (t->slide) {
        emit_along(&g, spot, at);
        return;
    }
    /* Whole vector tiles, and the one at the edge, whose number is known. */
    int64_t n = m->c->extent[t->vec], full = n / tile_width(t), rest = n % tile_width(t);
    spot.cols = t->cols;
    spot.index[t->vec] = lx_mul(f, spot.panel, lx_i64(f, tile_width(t)));
    LBlock *at_edge = at;
    if (full && rest) {
        LStmt *branch = lb_if_odds(f, at, lx_bin(f, LX_LT, spot.panel, lx_i64(f, full)), full, 1);
        at = &branch->body;
        at_edge = &branch->other;
    }
    if (full) {
        TileSpot whole = spot;
        whole.panel = within(f, at, spot.panel, 0, full - 1);
        whole.index[t->vec] = lx_mul(f, whole.panel, lx_i64(f, tile_width(t)));
        emit_piece(&g, whole, at);
    }
    if (!rest)
        return;
    spot.cols = (int)((rest + t->lanes - 1) / t->lanes);
    spot.limit = (int)(rest - (int64_t)(spot.cols - 1) * t->lanes);
    spot.panel = lx_i64(f, full);
    spot.index[t->vec] = lx_i64(f, full * tile_width(t));
    emit_piece(&g, spot, at_edge);
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

/* Those with the farthest steps outermost; the lanes of a DOT tile have a loop of their own. */
int tile_order(const LContract *c, const LTile *t, int *order)
{
    int n = 0;
    for (int k = c->n_out; k < c->n_index; k++) {
        if (c->extent[k] == 1 || (t->kind == TILE_DOT && k == t->vec))
            continue;
        int i = n++;
        for (; i > 0 && weight(c, order[i - 1]) < weight(c, k); i--)
            order[i] = order[i - 1];
        order[i] = k;
    }
    return n;
}

static void order_sums(Tiler *m)
{
    m->n_order = tile_order(m->c, m->t, m->order);
    for (int i = 0; i < m->n_order && m->t->block >= 0; i++)
        if (m->order[i] == m->t->block)
            m->inner = i;
}

bool tile_is_outside(const LContract *c, const LTile *t, int k)
{
    Tiler m = { .c = (LContract *)c, .t = t };
    order_sums(&m);
    for (int i = 0; i < m.inner; i++)
        if (m.order[i] == k)
            return true;
    return false;
}

int64_t tile_block_steps(const LContract *c, const LTile *t)
{
    Tiler m = { .c = (LContract *)c, .t = t };
    order_sums(&m);
    int64_t n = 1;
    for (int i = m.inner; i < m.n_order; i++)
        n *= m.order[i] == t->block ? t->depth : c->extent[m.order[i]];
    return n;
}

int64_t tile_piece_count(const LContract *c, const LTile *t, int o)
{
    Tiler m = { .c = (LContract *)c, .t = t };
    order_sums(&m);
    return tile_pack_count(&m, o);
}

void loop_contract_emit(LContract *c, const LTile *t)
{
    Tiler m = { .c = c, .t = t, .f = c->func, .window = tile_window_elements(c) };
    if (t->winograd) {
        winograd_emit(c, t);
        return;
    }
    for (int k = 0; k < c->n_out; k++)
        if (c->extent[k] < 1)
            return;
    order_sums(&m);
    for (int o = 0; o < c->n_operand; o++)
        if (t->pack[o] == PACK_WHOLE) {
            m.panel_at[o] = c->fixed[o] || c->make ? 0 : lfunc_scratch(c->func, tile_pack_count(&m, o) * 4);
            m.panel[o] = c->fixed[o] ? c->ready(c->user, o, tile_pack_count(&m, o)) : c->func->scratch;
            if (c->fixed[o] == c->make)
                tile_pack(&m, o, c->panels_at[o] ? c->panels_at[o] : c->at);
        }
    if (c->make)
        return;
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
    tile_look_at_epilogue(c);
    LContract joined = loop_contract_join(c);
    const char *key = tuning ? loop_contract_key(&joined, c->func->arena) : NULL;
    LTile t;
    if (!tuning || !tuned(&joined, key, &t))
        t = loop_contract_pick(&joined);
    if (tuning && tuning->seen && !c->make)
        tuning->seen(tuning->user, &joined, key, &t);
    c->func->schedule = loop_tile_words(&t, c->func->arena);
    loop_contract_emit(&joined, &t);
}
