/* What becomes of a tile's sums: the caller's epilogue and stores, or the partial sums of a split. Where an
 * epilogue is long it stands in a loop over the rows, which then come from local memory. */
#include "loop/tile_micro.h"

enum {
    MUCH_CODE = 500,
    COSTLY_SCALARS = 20 /* for each of a DOT tile's totals by itself */
};

/* Writes one result, or one window of them: to the caller, or to the partial sums. */
static void put(Tiler *m, LBlock *at, LExpr *const *index, LExpr *const *value)
{
    LContract *c = m->c;
    LFunc *f = m->f;
    if (m->t->split < 0) {
        if (m->window > 1)
            c->store_window(c->user, at, index, value);
        else
            c->store(c->user, at, index, value[0]);
        return;
    }
    LExpr *flat = lx_i64(f, 0);
    for (int pass = 0; pass < 2; pass++) /* the lanes' index last, so that lanes are neighbours */
        for (int k = 0; k < c->n_out; k++)
            if ((k == m->t->vec) == (pass == 1))
                flat = lx_add(f, lx_mul(f, flat, lx_i64(f, c->extent[k])), index[k]);
    flat = lx_add(f, flat, lx_i64(f, m->part_at));
    flat = lx_add(f, flat, lx_mul(f, m->chunk, lx_i64(f, m->part_count)));
    lb_store(f, at, f->scratch, flat, value[0], NULL);
}

static void lane_by_lane_put(Tiler *m, LBlock *at, int along, LExpr *const *index, LExpr *const *value, LExpr *limit)
{
    LFunc *f = m->f;
    LExpr *one[TILE_MAX_INDEX];
    for (int k = 0; k < m->c->n_index; k++)
        one[k] = index[k];
    for (int i = 0; i < m->t->lanes; i++) {
        LExpr *lives = lx_bin(f, LX_LT, lx_i64(f, i), limit);
        if (lives->op == LX_CONST && !lives->ival)
            return;
        LBlock *in = lives->op == LX_CONST ? at : &lb_if(f, at, lives)->body;
        LExpr *lane[TILE_MAX_WINDOW];
        for (int w = 0; w < m->window; w++)
            lane[w] = lx_lane(f, value[w], i);
        one[along] = lx_add(f, index[along], lx_i64(f, i));
        put(m, in, one, lane);
    }
}

/* Writes a vector, or one for each element of a window, its first `limit` lanes, along an output index. */
static void put_vector(Tiler *m, LBlock *at, int along, LExpr *const *index, LExpr *const *value, LExpr *limit)
{
    LFunc *f = m->f;
    int lanes = m->t->lanes;
    if (value[0]->type.lanes == 1) {
        put(m, at, index, value);
        return;
    }
    LVar *lane = lfunc_var(f, "lane", ltype(LK_I64, 1), false);
    LVar *one[TILE_MAX_WINDOW];
    LExpr *sum[TILE_MAX_WINDOW];
    for (int w = 0; w < m->window; w++) {
        one[w] = lfunc_var(f, "sum", ltype(LK_F32, 1), false);
        sum[w] = lx_var(f, one[w]);
    }
    lane->ranged = true;
    lane->max = m->c->extent[along] - 1;
    LExpr *at_lane[TILE_MAX_INDEX];
    for (int k = 0; k < m->c->n_index; k++)
        at_lane[k] = k == along ? lx_var(f, lane) : index[k];
    LBlock scalar = { 0 }, out = { 0 };
    put(m, &scalar, at_lane, sum);
    bool all = limit->op == LX_CONST && limit->ival >= lanes;
    LVec v = lvec_new(f, lane, index[along], lanes, all ? NULL : limit);
    v.gathers_max = INT32_MAX;
    for (int w = 0; w < m->window; w++)
        lmap_set(f, &v.map, one[w], value[w]);
    const char *why;
    if (!lvec_independent(f, &scalar, lane, &why) || !lvec_block(&v, &scalar, &out)) {
        lane_by_lane_put(m, at, along, index, value, limit);
        return;
    }
    for (int i = 0; i < out.len; i++)
        lb_append(f, at, out.data[i]);
}

static LExpr *column_total(Tiler *m, const TileSums *a, int i1, int i0)
{
    LFunc *f = m->f;
    LExpr *sum[TILE_MAX_ACC];
    int n = a->cols;
    for (int c = 0; c < n; c++)
        sum[c] = lx_var(f, tile_acc(a, i1, i0, c));
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

/* Where element w of a window lies, along row 1 and row 0. */
static int window_step(const Tiler *m, int r) { return (int)tile_window(m->c, m->t->row[r]); }

static void window_at(const Tiler *m, int w, int *i1, int *i0)
{
    bool outer = m->t->row[1] >= 0 && m->t->row[1] < m->t->row[0]; /* row-major order of the indices */
    int n = window_step(m, outer ? 0 : 1);
    *(outer ? i0 : i1) = w % n;
    *(outer ? i1 : i0) = w / n;
}

static void put_tile(Tiler *m, const TileSums *a, const TileSpot *spot, LBlock *at)
{
    LFunc *f = m->f;
    bool dot = m->t->kind == TILE_DOT;
    for (int i1 = 0; i1 < a->n1; i1 += window_step(m, 1))
        for (int i0 = 0; i0 < a->n0; i0 += window_step(m, 0))
            for (int col = 0; col < (dot ? 1 : a->cols); col++) {
                LExpr *index[TILE_MAX_INDEX], *value[TILE_MAX_WINDOW];
                shifted(m, spot, index, lx_i64(f, i1), lx_i64(f, i0), col);
                if (dot)
                    value[0] = lx_var(f, lb_let(f, at, "sum", column_total(m, a, i1, i0)));
                for (int w = 0; w < m->window && !dot; w++) {
                    int d1, d0;
                    window_at(m, w, &d1, &d0);
                    value[w] = lx_var(f, tile_acc(a, i1 + d1, i0 + d0, col));
                }
                put_vector(m, at, m->t->vec, index, value, lx_i64(f, col == a->cols - 1 ? a->limit : m->t->lanes));
            }
}

bool tile_turns_results(const LContract *c, const LTile *t)
{
    return t->kind == TILE_OUTER && t->lanes >= 4 && t->split < 0 && tile_window_elements(c) == 1 && c->out_stride[t->vec] != 1 && t->row[0] >= 0 &&
           c->out_stride[t->row[0]] == 1 && t->rows[0] >= t->lanes / 4 && t->rows[0] <= t->lanes;
}

/* put_from where rows lie side by side: squares are turned, and what is stored are vectors along row 0. */
static void put_turned(Tiler *m, LBuf *buf, LExpr *first, int room, LExpr *const n[2], const TileSpot *spot, LBlock *at)
{
    LFunc *f = m->f;
    const LTile *t = m->t;
    int lanes = t->lanes;
    int64_t width = (int64_t)(spot->cols - 1) * lanes + spot->limit;
    LExpr *row[16], *index[TILE_MAX_INDEX];
    LBuf *square = lfunc_local(f, at, "turned", LK_F32, (int64_t)lanes * lanes);
    LStmt *l1 = lb_for(f, at, "r", lx_i64(f, 0), n[1], 1, LF_SERIAL);
    LStmt *col = lb_for(f, &l1->body, "j", lx_i64(f, 0), lx_i64(f, width), lanes, LF_SERIAL);
    LExpr *i1 = lx_var(f, l1->var), *j = lx_var(f, col->var);
    LExpr *from = lx_add(f, lx_add(f, first, lx_mul(f, i1, lx_i64(f, room * tile_width(t)))), j);
    for (int i = 0; i < lanes; i++)
        row[i] = i < room ? lx_var(f, lb_let(f, &col->body, "row", lx_load(f, buf, lx_add(f, from, lx_i64(f, i * tile_width(t))), lanes, NULL)))
                          : lx_splat(f, lx_float(f, 0), lanes);
    tile_turn(m, row, &col->body);
    for (int i = 0; i < lanes; i++)
        lb_store(f, &col->body, square, lx_i64(f, (int64_t)i * lanes), row[i], NULL);
    LExpr *live = lx_i64(f, lanes);
    if (width % lanes)
        live = lx_bin(f, LX_MIN, live, lx_bin(f, LX_SUB, lx_i64(f, width), j));
    LStmt *lane = lb_for(f, &col->body, "i", lx_i64(f, 0), live, 1, LF_SERIAL);
    LExpr *i = lx_var(f, lane->var);
    shifted(m, spot, index, i1, lx_i64(f, 0), 0);
    index[t->vec] = lx_add(f, index[t->vec], lx_add(f, j, i));
    LVar *value = lb_let(f, &lane->body, "sum", lx_load(f, square, lx_mul(f, i, lx_i64(f, lanes)), lanes, NULL));
    LExpr *sum = lx_var(f, value);
    put_vector(m, &lane->body, t->row[0], index, &sum, n[0]);
}

/* Results from memory, [row 1][row 0][columns], row 0 having room for `room`; so a long epilogue is
 * written once for all rows. */
static void put_from(Tiler *m, LBuf *buf, LExpr *first, int room, LExpr *const n[2], const TileSpot *spot, LBlock *at)
{
    LFunc *f = m->f;
    bool dot = m->t->kind == TILE_DOT;
    if (tile_turns_results(m->c, m->t)) {
        put_turned(m, buf, first, room, n, spot, at);
        return;
    }
    int cols = dot ? 1 : spot->cols, lanes = dot ? 1 : m->t->lanes;
    int64_t row = dot ? 1 : tile_width(m->t);
    int64_t step[2] = { window_step(m, 0), window_step(m, 1) };
    LStmt *l1 = lb_for(f, at, "r", lx_i64(f, 0), lx_bin(f, LX_DIV, n[1], lx_i64(f, step[1])), 1, LF_SERIAL);
    LStmt *l0 = lb_for(f, &l1->body, "r", lx_i64(f, 0), lx_bin(f, LX_DIV, n[0], lx_i64(f, step[0])), 1, LF_SERIAL);
    LExpr *i1 = lx_mul(f, lx_var(f, l1->var), lx_i64(f, step[1])), *i0 = lx_mul(f, lx_var(f, l0->var), lx_i64(f, step[0]));
    LExpr *from = lx_add(f, first, lx_mul(f, lx_add(f, lx_mul(f, i1, lx_i64(f, room)), i0), lx_i64(f, row)));
    for (int col = 0; col < cols; col++) {
        LExpr *index[TILE_MAX_INDEX], *value[TILE_MAX_WINDOW];
        shifted(m, spot, index, i1, i0, col);
        for (int w = 0; w < m->window; w++) {
            int d1, d0;
            window_at(m, w, &d1, &d0);
            LExpr *at_col = lx_add(f, from, lx_i64(f, (int64_t)(d1 * room + d0) * row + (int64_t)col * lanes));
            value[w] = lx_var(f, lb_let(f, &l0->body, "sum", lx_load(f, buf, at_col, lanes, NULL)));
        }
        put_vector(m, &l0->body, m->t->vec, index, value,
                   lx_i64(f, col == cols - 1 ? spot->limit : lanes));
    }
}

static void put_tile_staged(Tiler *m, const TileSums *a, const TileSpot *spot, LBlock *at)
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

/* The totals of a DOT tile, one a row, where rows are neighbours in the result: through memory into lanes,
 * so that the epilogue is vector code here too. */
static void put_totals(Tiler *m, const TileSums *a, const TileSpot *spot, LBlock *at)
{
    LFunc *f = m->f;
    const LTile *t = m->t;
    int64_t room = (a->n0 + t->lanes - 1) / t->lanes * t->lanes;
    LBuf *tile = lfunc_local(f, at, "totals", LK_F32, room * a->n1);
    for (int i = 0; i < a->n0 * a->n1; i++)
        lb_store(f, at, tile, lx_i64(f, i / a->n0 * room + i % a->n0), column_total(m, a, i / a->n0, i % a->n0), NULL);
    for (int i1 = 0; i1 < a->n1; i1++)
        for (int i0 = 0; i0 < a->n0; i0 += t->lanes) {
            LExpr *limit = lx_i64(f, a->n0 - i0 < t->lanes ? a->n0 - i0 : t->lanes), *index[TILE_MAX_INDEX];
            shifted(m, spot, index, lx_i64(f, i1), lx_i64(f, i0), 0);
            LExpr *sums = lx_load(f, tile, lx_i64(f, i1 * room + i0), t->lanes, limit->ival < t->lanes ? limit : NULL);
            LExpr *value = lx_var(f, lb_let(f, at, "sums", sums));
            put_vector(m, at, t->row[0], index, &value, limit);
        }
}

static bool totals_in_lanes(const Tiler *m, const TileSums *a)
{
    const LTile *t = m->t;
    return t->kind == TILE_DOT && t->lanes >= 4 && t->split < 0 && a->n0 >= 4 && t->row[0] >= 0 &&
           m->c->out_stride[t->row[0]] == 1;
}

static int64_t epilogue_cost(Tiler *m, const TileSpot *spot)
{
    LBlock scalar = { 0 };
    LExpr *sum[TILE_MAX_WINDOW];
    for (int w = 0; w < m->window; w++)
        sum[w] = lx_var(m->f, lfunc_var(m->f, "sum", ltype(LK_F32, 1), false));
    put(m, &scalar, spot->index, sum);
    return lblock_cost(&scalar);
}

void tile_put_kept(Tiler *m, const TileSpot *spot, LExpr *const n[2], LBlock *at)
{
    put_from(m, m->kept, spot->kept_at, spot->rows[0], n, spot, at);
}

void tile_put(Tiler *m, const TileSums *a, const TileSpot *spot, LBlock *at)
{
    int rows = a->n0 * a->n1 / m->window, cols = m->t->kind == TILE_DOT ? 1 : a->cols;
    int64_t cost = epilogue_cost(m, spot);
    bool much = rows > 2 && cost * rows * cols > MUCH_CODE;
    if (cost > COSTLY_SCALARS && totals_in_lanes(m, a))
        put_totals(m, a, spot, at);
    else if (much || tile_turns_results(m->c, m->t))
        put_tile_staged(m, a, spot, at);
    else
        put_tile(m, a, spot, at);
}
