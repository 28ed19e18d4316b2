/* The register tile: accumulators for rows x columns of outputs, the loops over the summed indices
 * around one fused multiply-add for each accumulator, then the epilogue. Operand values that several
 * accumulators share are loaded once. Callbacks give scalar code; here it becomes vectors, or, where a
 * piece cannot, lane-by-lane code with the same result. */
#include "loop/tile_micro.h"

/* Does operand o change along index k? */
static bool depends(const Tiler *m, int o, int k) { return k >= 0 && m->c->operand[o].stride[k] != 0; }

/* ---- values ---- */

LExpr *tile_vector_load(Tiler *m, int o, LExpr *const *index, int along, int limit, LBlock *at)
{
    LContract *c = m->c;
    LFunc *f = m->f;
    int lanes = m->t->lanes;
    LVar *lane = lfunc_var(f, "lane", ltype(LK_I64, 1), false);
    lane->ranged = true;
    lane->max = c->extent[along] - 1;
    LExpr *at_lane[TILE_MAX_INDEX];
    for (int k = 0; k < c->n_index; k++)
        at_lane[k] = k == along ? lx_var(f, lane) : index[k];
    LBlock scalar = { 0 };
    LExpr *value = c->load(c->user, o, &scalar, at_lane);
    LVec v = lvec_new(f, lane, index[along], lanes, limit < lanes ? lx_i64(f, limit) : NULL);
    v.gathers_max = INT32_MAX;
    LBlock out = { 0 };
    if (!lvec_block(&v, &scalar, &out))
        return NULL;
    v.at = &out;
    value = lvec_expr(&v, value);
    if (!value)
        return NULL;
    for (int i = 0; i < out.len; i++)
        lb_append(f, at, out.data[i]);
    return lx_splat(f, value, lanes);
}

static LExpr *lane_by_lane_load(Tiler *m, int o, LExpr *const *index, int limit, LBlock *at)
{
    LContract *c = m->c;
    LFunc *f = m->f;
    int vec = m->t->vec, lanes = m->t->lanes;
    LBuf *local = lfunc_local(f, at, "lanes", LK_F32, lanes);
    LExpr *one[TILE_MAX_INDEX];
    for (int k = 0; k < c->n_index; k++)
        one[k] = index[k];
    for (int i = 0; i < limit; i++) {
        one[vec] = lx_add(f, index[vec], lx_i64(f, i));
        lb_store(f, at, local, lx_i64(f, i), c->load(c->user, o, at, one), NULL);
    }
    return lx_load(f, local, lx_i64(f, 0), lanes, limit < lanes ? lx_i64(f, limit) : NULL);
}

LExpr *tile_operand(Tiler *m, int o, LExpr *const *index, const TileSpot *spot, int row, int col, int limit,
                    LBlock *at)
{
    static const char *const NAME[] = { "a", "b" };
    LContract *c = m->c;
    LFunc *f = m->f;
    int lanes = m->t->lanes;
    LExpr *value;
    if (tile_packs_rows(c, m->t, o)) {
        value = lx_load(f, m->panel[o], lx_add(f, tile_pack_offset(m, o, index, spot->tile), lx_i64(f, row)), 1, NULL);
    } else if (m->t->pack[o]) {
        LExpr *offset = lx_add(f, tile_pack_offset(m, o, index, spot->panel), lx_i64(f, (int64_t)col * lanes));
        value = lx_load(f, m->panel[o], offset, lanes, NULL);
    } else if (lanes == 1 || !depends(m, o, m->t->vec)) {
        value = c->load(c->user, o, at, index);
    } else {
        value = tile_vector_load(m, o, index, m->t->vec, limit, at);
        if (!value)
            value = lane_by_lane_load(m, o, index, limit, at);
    }
    return lx_var(f, lb_let(f, at, NAME[o], value));
}

/* ---- sums ---- */

/* A DOT tile along an index that no operand depends on. */
static bool lanes_agree(const Tiler *m)
{
    return m->t->kind == TILE_DOT && !depends(m, 0, m->t->vec) &&
           (m->c->n_operand == 1 || !depends(m, 1, m->t->vec));
}

/* In the tail of a sum along lanes, a value computed from missing elements must not count. */
static LExpr *only_live(Tiler *m, LExpr *value, int limit)
{
    LFunc *f = m->f;
    if (m->t->kind != TILE_DOT || limit >= m->t->lanes || (value->type.lanes == 1 && !lanes_agree(m)))
        return value;
    LExpr *live = lx_bin(f, LX_LT, lx_ramp(f, lx_int(f, LK_I32, 0), m->t->lanes), lx_int(f, LK_I32, limit));
    return lx_select(f, live, value, lx_float(f, 0));
}

/* acc += product for every accumulator, at one place of the summed indices. cols and limit: columns
 * that take part, and lanes of the last of them. */
static void multiply_add(Tiler *m, TileSums *a, const TileSpot *spot, LExpr *const *base, int cols, int limit,
                         LBlock *at)
{
    LContract *c = m->c;
    LFunc *f = m->f;
    const LTile *t = m->t;
    LExpr *made[2][TILE_MAX_ACC] = { { NULL } };
    tile_fetch_rows(m, a, base, at);
    for (int i1 = 0; i1 < a->n1; i1++)
        for (int i0 = 0; i0 < a->n0; i0++)
            for (int col = 0; col < cols; col++) {
                int lanes = col == cols - 1 ? limit : t->lanes;
                LExpr *index[TILE_MAX_INDEX], *value[2] = { NULL };
                for (int k = 0; k < c->n_index; k++)
                    index[k] = base[k];
                if (t->vec >= 0)
                    index[t->vec] = lx_add(f, index[t->vec], lx_i64(f, (int64_t)col * t->lanes));
                if (t->row[0] >= 0)
                    index[t->row[0]] = lx_add(f, index[t->row[0]], lx_i64(f, i0));
                if (t->row[1] >= 0)
                    index[t->row[1]] = lx_add(f, index[t->row[1]], lx_i64(f, i1));
                for (int o = 0; o < c->n_operand; o++) {
                    int s1 = depends(m, o, t->row[1]) ? i1 : 0, s0 = depends(m, o, t->row[0]) ? i0 : 0;
                    int sc = depends(m, o, t->vec) || lanes_agree(m) ? col : 0;
                    LExpr **slot = &made[o][(s1 * a->n0 + s0) * a->cols + sc];
                    if (!*slot)
                        *slot = only_live(m, tile_operand(m, o, index, spot, s0, sc, lanes, at), lanes);
                    value[o] = *slot;
                }
                LVar *acc = tile_acc(a, i1, i0, col);
                LExpr *sum = lx_var(f, acc);
                lb_set(f, at, acc, c->n_operand == 2 ? lx_fma(f, value[0], value[1], sum)
                                                     : lx_add(f, sum, value[0]));
            }
}

/* The loop over the lanes' index of a DOT tile: whole groups, then what remains. */
static void dot_loop(Tiler *m, TileSums *a, const TileSpot *spot, LExpr **index, LBlock *at)
{
    LFunc *f = m->f;
    const LTile *t = m->t;
    int64_t n = m->c->extent[t->vec], group = (int64_t)t->lanes * t->cols, whole = n / group * group;
    if (whole) {
        LStmt *loop = lb_for(f, at, "k", lx_i64(f, 0), lx_i64(f, whole), group, LF_SERIAL);
        index[t->vec] = lx_var(f, loop->var);
        multiply_add(m, a, spot, index, t->cols, t->lanes, &loop->body);
    }
    if (n > whole) {
        int rest = (int)(n - whole), cols = (rest + t->lanes - 1) / t->lanes;
        index[t->vec] = lx_i64(f, whole);
        multiply_add(m, a, spot, index, cols, rest - (cols - 1) * t->lanes, at);
    }
}

static void sum_loops(Tiler *m, TileSums *a, const TileSpot *spot, LExpr **index, int depth, LBlock *at);

/* The loop over the summed index of this depth, in parts where its first steps fetch what comes later. */
static void sum_loop(Tiler *m, TileSums *a, const TileSpot *spot, LExpr **index, int depth, LExpr *lo, LExpr *hi,
                     LBlock *at)
{
    LFunc *f = m->f;
    const LTile *t = m->t;
    int k = m->order[depth];
    bool innermost = depth == m->n_order - 1 && t->kind == TILE_OUTER;
    int64_t extent = k == t->block ? t->depth : m->c->extent[k];
    TileAhead part[2];
    int n = innermost && k != t->split ? tile_ahead_parts(m, a, spot, extent, part) : 0;
    int64_t done = 0;
    for (int i = 0; i < n; i++) {
        LExpr *mid = lx_add(f, lo, lx_i64(f, part[i].steps));
        if (k == t->block && m->c->extent[k] % t->depth)
            mid = lx_bin(f, LX_MIN, mid, hi);
        LStmt *loop = lb_for(f, at, "k", lo, mid, 1, LF_SERIAL);
        index[k] = lx_var(f, loop->var);
        tile_ahead(m, a, spot, &part[i], index, k, lx_bin(f, LX_SUB, index[k], lo), extent, &loop->body);
        sum_loops(m, a, spot, index, depth + 1, &loop->body);
        done += part[i].steps;
        lo = mid;
    }
    if (n && done == extent)
        return;
    bool small = innermost && extent <= 4;
    LStmt *loop = lb_for(f, at, "k", lo, hi, 1, small ? LF_UNROLL : LF_SERIAL);
    index[k] = lx_var(f, loop->var);
    sum_loops(m, a, spot, index, depth + 1, &loop->body);
}

static void sum_loops(Tiler *m, TileSums *a, const TileSpot *spot, LExpr **index, int depth, LBlock *at)
{
    if (depth == m->n_order) {
        if (m->t->kind == TILE_DOT)
            dot_loop(m, a, spot, index, at);
        else
            multiply_add(m, a, spot, index, a->cols, a->limit, at);
        return;
    }
    LExpr *lo = m->block_lo, *hi = m->block_hi;
    if (m->order[depth] != m->t->block)
        tile_sum_bounds(m, m->order[depth], &lo, &hi);
    sum_loop(m, a, spot, index, depth, lo, hi, at);
}

/* ---- the tile ---- */

/* Place of accumulator i in the sums that wait. */
static LExpr *kept_at(const Tiler *m, const TileSums *a, const TileSpot *spot, int i)
{
    int64_t place = i / a->cols * tile_width(m->t) + (int64_t)(i % a->cols) * m->t->lanes;
    return lx_add(m->f, spot->kept_at, lx_i64(m->f, place));
}

void tile_micro(Tiler *m, const TileSpot *spot, LBlock *at)
{
    LFunc *f = m->f;
    bool dot = m->t->kind == TILE_DOT;
    TileSums a = { .n0 = spot->rows[0], .n1 = spot->rows[1], .cols = dot ? m->t->cols : spot->cols };
    a.limit = dot ? m->t->lanes : spot->limit;
    int n = a.n0 * a.n1 * a.cols;
    LExpr *zero = lx_splat(f, lx_float(f, 0), m->t->lanes), *index[TILE_MAX_INDEX];
    for (int i = 0; i < n; i++)
        a.acc[i] = lb_var(f, at, "acc",
                          m->kept ? lx_load(f, m->kept, kept_at(m, &a, spot, i), m->t->lanes, NULL) : zero);
    for (int k = 0; k < m->c->n_index; k++)
        index[k] = spot->index[k];
    if (m->t->slide)
        tile_slide(m, &a, spot, index, at);
    else
        sum_loops(m, &a, spot, index, m->inner, at);
    if (m->kept) {
        for (int i = 0; i < n; i++)
            lb_store(f, at, m->kept, kept_at(m, &a, spot, i), lx_var(f, a.acc[i]), NULL);
        return;
    }
    tile_put(m, &a, spot, at);
}
