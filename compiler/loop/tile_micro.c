/* The register tile: accumulators for rows x columns of outputs, the loops over the summed indices
 * around one fused multiply-add for each accumulator, then the epilogue. Operand values that several
 * accumulators share are loaded once. Callbacks give scalar code; here it becomes vectors, or, where a
 * piece cannot, lane-by-lane code with the same result. */
#include "loop/tile_micro.h"

enum { COSTLY_EPILOGUE = 40 };

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

/* Operand o at an index, as a let: a vector where it changes along vec, else a scalar. */
static LExpr *operand_value(Tiler *m, int o, LExpr *const *index, const TileSpot *spot, int col, int limit,
                            LBlock *at)
{
    static const char *const NAME[] = { "a", "b" };
    LContract *c = m->c;
    LFunc *f = m->f;
    int lanes = m->t->lanes;
    LExpr *value;
    if (m->t->pack[o]) {
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

typedef struct {
    LVar *acc[TILE_MAX_ACC]; /* [row 1][row 0][column] */
    int n0, n1, cols;
    int limit; /* lanes of the last column */
} Accs;

static LVar *acc_at(const Accs *a, int i1, int i0, int col)
{
    return a->acc[(i1 * a->n0 + i0) * a->cols + col];
}

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

/* What lies where the next panel of an operand begins, or, of a panel of a piece, the next block. */
static void prefetch_next(Tiler *m, int o, LExpr *const *base, const TileSpot *spot, LExpr *lane, LBlock *at)
{
    LContract *c = m->c;
    LFunc *f = m->f;
    const LTile *t = m->t;
    if (t->pack[o] == PACK_WHOLE) {
        LExpr *next = tile_pack_offset(m, o, base, lx_add(f, spot->panel, lx_i64(f, 1)));
        lb_prefetch(f, at, m->panel[o], lx_add(f, next, lane));
        return;
    }
    LExpr *index[TILE_MAX_INDEX];
    LBlock lets = { 0 };
    for (int k = 0; k < c->n_index; k++)
        index[k] = base[k];
    if (t->pack[o] == PACK_PIECE)
        index[t->block] = lx_add(f, index[t->block], lx_i64(f, t->depth));
    else
        index[t->vec] = lx_add(f, index[t->vec], lx_i64(f, tile_width(t)));
    index[t->vec] = lx_add(f, index[t->vec], lane);
    LExpr *value = c->load(c->user, o, &lets, index);
    if (value->op == LX_LOAD && !lets.len)
        lb_prefetch(f, at, (LBuf *)value->buf, value->a);
}

/* Each tile of a panel fetches one column of the next, so that memory is asked for evenly. */
static void prefetch(Tiler *m, LExpr *const *base, const TileSpot *spot, LBlock *at)
{
    LFunc *f = m->f;
    const LTile *t = m->t;
    for (int o = 0; o < m->c->n_operand; o++) {
        if (!depends(m, o, t->vec) || depends(m, o, t->row[0]) || depends(m, o, t->row[1]))
            continue;
        for (int col = 0; col < t->cols; col++) {
            LExpr *number = spot->number ? lx_bin(f, LX_MOD, spot->number, lx_i64(f, t->cols)) : lx_i64(f, col);
            prefetch_next(m, o, base, spot, lx_mul(f, number, lx_i64(f, t->lanes)), at);
            if (spot->number)
                break;
        }
    }
}

/* acc += product for every accumulator, at one place of the summed indices. cols and limit: columns
 * that take part, and lanes of the last of them. */
static void multiply_add(Tiler *m, Accs *a, const TileSpot *spot, LExpr *const *base, int cols, int limit,
                         LBlock *at)
{
    LContract *c = m->c;
    LFunc *f = m->f;
    const LTile *t = m->t;
    LExpr *made[2][TILE_MAX_ACC] = { { NULL } };
    if (t->ahead)
        prefetch(m, base, spot, at);
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
                    int sc = t->pack[o] || depends(m, o, t->vec) || lanes_agree(m) ? col : 0;
                    LExpr **slot = &made[o][(s1 * a->n0 + s0) * a->cols + sc];
                    if (!*slot)
                        *slot = only_live(m, operand_value(m, o, index, spot, sc, lanes, at), lanes);
                    value[o] = *slot;
                }
                LVar *acc = acc_at(a, i1, i0, col);
                LExpr *sum = lx_var(f, acc);
                lb_set(f, at, acc, c->n_operand == 2 ? lx_fma(f, value[0], value[1], sum)
                                                     : lx_add(f, sum, value[0]));
            }
}

/* The loop over the lanes' index of a DOT tile: whole groups, then what remains. */
static void dot_loop(Tiler *m, Accs *a, const TileSpot *spot, LExpr **index, LBlock *at)
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

static void sum_loops(Tiler *m, Accs *a, const TileSpot *spot, LExpr **index, int depth, LBlock *at)
{
    LContract *c = m->c;
    LFunc *f = m->f;
    if (depth == m->n_order) {
        if (m->t->kind == TILE_DOT)
            dot_loop(m, a, spot, index, at);
        else
            multiply_add(m, a, spot, index, a->cols, a->limit, at);
        return;
    }
    int k = m->order[depth];
    LExpr *lo = m->block_lo, *hi = m->block_hi;
    if (k != m->t->block)
        tile_sum_bounds(m, k, &lo, &hi);
    bool small = depth == m->n_order - 1 && m->t->kind == TILE_OUTER && c->extent[k] <= 4;
    LStmt *loop = lb_for(f, at, "k", lo, hi, 1, small ? LF_UNROLL : LF_SERIAL);
    index[k] = lx_var(f, loop->var);
    sum_loops(m, a, spot, index, depth + 1, &loop->body);
}

/* ---- results ---- */

/* Writes one result: to the caller, or to the partial sums. */
static void put(Tiler *m, LBlock *at, LExpr *const *index, LExpr *value)
{
    LContract *c = m->c;
    LFunc *f = m->f;
    if (m->t->split < 0) {
        c->store(c->user, at, index, value);
        return;
    }
    LExpr *flat = lx_i64(f, 0);
    for (int pass = 0; pass < 2; pass++) /* the lanes' index last, so that lanes are neighbours */
        for (int k = 0; k < c->n_out; k++)
            if ((k == m->t->vec) == (pass == 1))
                flat = lx_add(f, lx_mul(f, flat, lx_i64(f, c->extent[k])), index[k]);
    flat = lx_add(f, flat, lx_i64(f, m->part_at));
    flat = lx_add(f, flat, lx_mul(f, m->chunk, lx_i64(f, m->part_count)));
    lb_store(f, at, f->scratch, flat, value, NULL);
}

static void lane_by_lane_put(Tiler *m, LBlock *at, LExpr *const *index, LExpr *value, int limit)
{
    LExpr *one[TILE_MAX_INDEX];
    for (int k = 0; k < m->c->n_index; k++)
        one[k] = index[k];
    for (int i = 0; i < limit; i++) {
        one[m->t->vec] = lx_add(m->f, index[m->t->vec], lx_i64(m->f, i));
        put(m, at, one, lx_lane(m->f, value, i));
    }
}

/* Writes the lanes of one accumulator. */
static void put_vector(Tiler *m, LBlock *at, LExpr *const *index, LExpr *value, int limit)
{
    LFunc *f = m->f;
    int vec = m->t->vec, lanes = m->t->lanes;
    if (value->type.lanes == 1) {
        put(m, at, index, value);
        return;
    }
    LVar *lane = lfunc_var(f, "lane", ltype(LK_I64, 1), false);
    LVar *one = lfunc_var(f, "sum", ltype(LK_F32, 1), false);
    lane->ranged = true;
    lane->max = m->c->extent[vec] - 1;
    LExpr *at_lane[TILE_MAX_INDEX];
    for (int k = 0; k < m->c->n_index; k++)
        at_lane[k] = k == vec ? lx_var(f, lane) : index[k];
    LBlock scalar = { 0 }, out = { 0 };
    put(m, &scalar, at_lane, lx_var(f, one));
    LVec v = lvec_new(f, lane, index[vec], lanes, limit < lanes ? lx_i64(f, limit) : NULL);
    v.gathers_max = INT32_MAX;
    lmap_set(f, &v.map, one, value);
    const char *why;
    if (!lvec_independent(f, &scalar, lane, &why) || !lvec_block(&v, &scalar, &out)) {
        lane_by_lane_put(m, at, index, value, limit);
        return;
    }
    for (int i = 0; i < out.len; i++)
        lb_append(f, at, out.data[i]);
}

static LExpr *column_total(Tiler *m, const Accs *a, int i1, int i0)
{
    LFunc *f = m->f;
    LExpr *sum[TILE_MAX_ACC];
    int n = a->cols;
    for (int c = 0; c < n; c++)
        sum[c] = lx_var(f, acc_at(a, i1, i0, c));
    for (; n > 1; n = (n + 1) / 2)
        for (int c = 0; c < n / 2; c++)
            sum[c] = lx_add(f, sum[c], sum[c + (n + 1) / 2]);
    return lx_un(f, LX_HADD, sum[0]);
}

static void shifted(Tiler *m, const TileSpot *spot, LExpr **index, LExpr *i1, LExpr *i0, int col)
{
    LFunc *f = m->f;
    const LTile *t = m->t;
    for (int k = 0; k < m->c->n_index; k++)
        index[k] = spot->index[k];
    if (t->row[0] >= 0)
        index[t->row[0]] = lx_add(f, index[t->row[0]], i0);
    if (t->row[1] >= 0)
        index[t->row[1]] = lx_add(f, index[t->row[1]], i1);
    if (t->kind == TILE_OUTER && t->vec >= 0)
        index[t->vec] = lx_add(f, index[t->vec], lx_i64(f, (int64_t)col * t->lanes));
}

static void put_tile(Tiler *m, const Accs *a, const TileSpot *spot, LBlock *at)
{
    LFunc *f = m->f;
    bool dot = m->t->kind == TILE_DOT;
    for (int i1 = 0; i1 < a->n1; i1++)
        for (int i0 = 0; i0 < a->n0; i0++)
            for (int col = 0; col < (dot ? 1 : a->cols); col++) {
                LExpr *index[TILE_MAX_INDEX];
                shifted(m, spot, index, lx_i64(f, i1), lx_i64(f, i0), col);
                LExpr *value = dot ? lx_var(f, lb_let(f, at, "sum", column_total(m, a, i1, i0)))
                                   : lx_var(f, acc_at(a, i1, i0, col));
                put_vector(m, at, index, value, col == a->cols - 1 ? a->limit : m->t->lanes);
            }
}

/* Results from memory, [row 1][row 0][columns], row 0 having room for `room`; so a long epilogue is
 * written once for all rows. */
static void put_from(Tiler *m, LBuf *buf, LExpr *first, int room, LExpr *const n[2], const TileSpot *spot, LBlock *at)
{
    LFunc *f = m->f;
    bool dot = m->t->kind == TILE_DOT;
    int cols = dot ? 1 : spot->cols, lanes = dot ? 1 : m->t->lanes;
    int64_t row = dot ? 1 : tile_width(m->t);
    LStmt *l1 = lb_for(f, at, "r", lx_i64(f, 0), n[1], 1, LF_SERIAL);
    LStmt *l0 = lb_for(f, &l1->body, "r", lx_i64(f, 0), n[0], 1, LF_SERIAL);
    LExpr *i1 = lx_var(f, l1->var), *i0 = lx_var(f, l0->var);
    LExpr *from = lx_add(f, first, lx_mul(f, lx_add(f, lx_mul(f, i1, lx_i64(f, room)), i0), lx_i64(f, row)));
    for (int col = 0; col < cols; col++) {
        LExpr *index[TILE_MAX_INDEX];
        shifted(m, spot, index, i1, i0, col);
        LExpr *at_col = lx_add(f, from, lx_i64(f, (int64_t)col * lanes));
        LVar *value = lb_let(f, &l0->body, "sum", lx_load(f, buf, at_col, lanes, NULL));
        put_vector(m, &l0->body, index, lx_var(f, value), col == cols - 1 ? spot->limit : lanes);
    }
}

static void put_tile_staged(Tiler *m, const Accs *a, const TileSpot *spot, LBlock *at)
{
    LFunc *f = m->f;
    bool dot = m->t->kind == TILE_DOT;
    int cols = dot ? 1 : a->cols, lanes = dot ? 1 : m->t->lanes;
    int64_t row = dot ? 1 : tile_width(m->t);
    LBuf *tile = lfunc_local(f, at, "tile", LK_F32, row * a->n0 * a->n1);
    for (int i = 0; i < a->n0 * a->n1; i++)
        for (int col = 0; col < cols; col++)
            lb_store(f, at, tile, lx_i64(f, i * row + (int64_t)col * lanes),
                     dot ? column_total(m, a, i / a->n0, i % a->n0) : lx_var(f, a->acc[i * cols + col]), NULL);
    LExpr *const n[2] = { lx_i64(f, a->n0), lx_i64(f, a->n1) };
    put_from(m, tile, lx_i64(f, 0), a->n0, n, spot, at);
}

static int64_t epilogue_cost(Tiler *m, const TileSpot *spot)
{
    LBlock scalar = { 0 };
    put(m, &scalar, spot->index, lx_var(m->f, lfunc_var(m->f, "sum", ltype(LK_F32, 1), false)));
    return lblock_cost(&scalar);
}

/* Place of accumulator i in the sums that wait. */
static LExpr *kept_at(const Tiler *m, const Accs *a, const TileSpot *spot, int i)
{
    int64_t place = i / a->cols * tile_width(m->t) + (int64_t)(i % a->cols) * m->t->lanes;
    return lx_add(m->f, spot->kept_at, lx_i64(m->f, place));
}

void tile_put_kept(Tiler *m, const TileSpot *spot, LExpr *const n[2], LBlock *at)
{
    put_from(m, m->kept, spot->kept_at, spot->rows[0], n, spot, at);
}

void tile_micro(Tiler *m, const TileSpot *spot, LBlock *at)
{
    LFunc *f = m->f;
    bool dot = m->t->kind == TILE_DOT;
    Accs a = { .n0 = spot->rows[0], .n1 = spot->rows[1], .cols = dot ? m->t->cols : spot->cols };
    a.limit = dot ? m->t->lanes : spot->limit;
    int n = a.n0 * a.n1 * a.cols;
    LExpr *zero = lx_splat(f, lx_float(f, 0), m->t->lanes), *index[TILE_MAX_INDEX];
    for (int i = 0; i < n; i++)
        a.acc[i] = lb_var(f, at, "acc",
                          m->kept ? lx_load(f, m->kept, kept_at(m, &a, spot, i), m->t->lanes, NULL) : zero);
    for (int k = 0; k < m->c->n_index; k++)
        index[k] = spot->index[k];
    sum_loops(m, &a, spot, index, m->inner, at);
    if (m->kept) {
        for (int i = 0; i < n; i++)
            lb_store(f, at, m->kept, kept_at(m, &a, spot, i), lx_var(f, a.acc[i]), NULL);
        return;
    }
    if (a.n0 * a.n1 > 2 && epilogue_cost(m, spot) > COSTLY_EPILOGUE)
        put_tile_staged(m, &a, spot, at);
    else
        put_tile(m, &a, spot, at);
}
