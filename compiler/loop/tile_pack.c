/* Panels: an operand of a contraction copied so that the register tile reads it with unit stride,
 *     [output indices it depends on, but for vec][vec / width][summed indices it depends on][width]
 * with width = lanes * cols; of a piece, only one panel, and the summed indices inside the block. What lies
 * behind the last element of vec is never stored by anybody, and holds zeros. An operand that is the same in all
 * lanes has tiles of rows in the place of vec's panels: what a tile reads of it then follows on in memory. */
#include "loop/tile_micro.h"

/* The index that panels are cut along, how much of it one has, and how many there are. */
static int axis(const Tiler *m, int o) { return tile_packs_rows(m->c, m->t, o) ? m->t->row[0] : m->t->vec; }

static TileCut row_cut(const Tiler *m) { return tile_row_cut(m->c, m->t, 0); }

static int64_t width_of(const Tiler *m, int o)
{
    return tile_packs_rows(m->c, m->t, o) ? row_cut(m).rows : tile_width(m->t);
}

static bool in_panel(const Tiler *m, int o, int k)
{
    return k != axis(m, o) && m->c->operand[o].stride[k] != 0 && m->c->extent[k] != 1;
}

/* Is summed index k inside what a panel of operand o holds? */
static bool sum_in_panel(const Tiler *m, int o, int k)
{
    if (!in_panel(m, o, k))
        return false;
    for (int i = 0; i < m->inner && m->t->pack[o] == PACK_PIECE; i++)
        if (m->order[i] == k)
            return false;
    return true;
}

static int64_t panels(const Tiler *m, int o)
{
    if (tile_packs_rows(m->c, m->t, o))
        return row_cut(m).count;
    return (m->c->extent[m->t->vec] + tile_width(m->t) - 1) / tile_width(m->t);
}

/* How many values of summed index k a panel has. */
static int64_t panel_extent(const Tiler *m, int o, int k)
{
    return m->t->pack[o] == PACK_PIECE && k == m->t->block ? m->t->depth : m->c->extent[k];
}

int64_t tile_pack_count(const Tiler *m, int o)
{
    bool piece = m->t->pack[o] == PACK_PIECE;
    int64_t n = (piece ? 1 : panels(m, o)) * width_of(m, o);
    for (int k = 0; k < m->c->n_index; k++)
        if (k < m->c->n_out ? !piece && in_panel(m, o, k) : sum_in_panel(m, o, k))
            n *= panel_extent(m, o, k);
    return n;
}

LExpr *tile_pack_offset(const Tiler *m, int o, LExpr *const *index, LExpr *panel)
{
    LFunc *f = m->f;
    LExpr *flat = lx_i64(f, 0);
    bool piece = m->t->pack[o] == PACK_PIECE;
    for (int k = 0; k < m->c->n_out && !piece; k++)
        if (in_panel(m, o, k))
            flat = lx_add(f, lx_mul(f, flat, lx_i64(f, m->c->extent[k])), index[k]);
    if (!piece)
        flat = lx_add(f, lx_mul(f, flat, lx_i64(f, panels(m, o))), panel);
    for (int k = m->c->n_out; k < m->c->n_index; k++)
        if (sum_in_panel(m, o, k)) {
            LExpr *i = piece && k == m->t->block ? lx_bin(f, LX_SUB, index[k], m->block_lo) : index[k];
            flat = lx_add(f, lx_mul(f, flat, lx_i64(f, panel_extent(m, o, k))), i);
        }
    return lx_add(f, lx_mul(f, flat, lx_i64(f, width_of(m, o))), lx_i64(f, m->panel_at[o]));
}

static LStmt *sum_loop(Tiler *m, int o, int k, LExpr **index, LBlock *at)
{
    LFunc *f = m->f;
    bool block = m->t->pack[o] == PACK_PIECE && k == m->t->block;
    LStmt *loop = lb_for(f, at, "k", block ? m->block_lo : lx_i64(f, 0),
                         block ? m->block_hi : lx_i64(f, m->c->extent[k]), 1, LF_SERIAL);
    index[k] = lx_var(f, loop->var);
    return loop;
}

/* ---- by squares of lanes x lanes, turned in registers ---- */

/* The summed index along which operand o is contiguous, when its panels are better made by squares; or -1. */
static int turned_along(const Tiler *m, int o, int64_t n)
{
    const LContract *c = m->c;
    if (c->operand[o].stride[m->t->vec] == 1 || m->t->lanes < 4 || n < m->t->lanes / 2)
        return -1;
    for (int k = c->n_out; k < c->n_index; k++)
        if (sum_in_panel(m, o, k) && c->operand[o].stride[k] == 1 && panel_extent(m, o, k) >= m->t->lanes)
            return k;
    return -1;
}

/* log2(lanes) perfect shuffles. */
void tile_turn(Tiler *m, LExpr **row, LBlock *at)
{
    LFunc *f = m->f;
    int lanes = m->t->lanes;
    for (int stage = 1; stage < lanes; stage *= 2) {
        LExpr *next[16];
        for (int i = 0; i < lanes / 2; i++) {
            next[2 * i] = lx_bin(f, LX_ZIP_LOW, row[i], row[i + lanes / 2]);
            next[2 * i + 1] = lx_bin(f, LX_ZIP_HIGH, row[i], row[i + lanes / 2]);
        }
        for (int i = 0; i < lanes; i++)
            row[i] = lx_var(f, lb_let(f, at, "turned", next[i]));
    }
}

/* One square; false where the operand's values cannot be made as vectors. */
static bool pack_square(Tiler *m, int o, int along, LExpr *const *base, LExpr *panel, LExpr *lane, int64_t n, LBlock *at)
{
    LFunc *f = m->f;
    int lanes = m->t->lanes, vec = m->t->vec;
    LExpr *row[16], *index[TILE_MAX_INDEX];
    for (int k = 0; k < m->c->n_index; k++)
        index[k] = base[k];
    LExpr *first = lx_mul(f, panel, lx_i64(f, tile_width(m->t)));
    for (int i = 0; i < lanes; i++) { /* behind the last there is the last again */
        LExpr *j = lx_add(f, lane, lx_i64(f, i));
        if (n % lanes)
            j = lx_bin(f, LX_MIN, j, lx_i64(f, n - 1));
        index[vec] = lx_add(f, first, j);
        LExpr *value = tile_vector_load(m, o, index, along, lanes, at);
        if (!value)
            return false;
        row[i] = lx_var(f, lb_let(f, at, "row", value));
    }
    tile_turn(m, row, at);
    for (int i = 0; i < lanes; i++) {
        index[along] = lx_add(f, base[along], lx_i64(f, i));
        lb_store(f, at, m->panel[o], lx_add(f, tile_pack_offset(m, o, index, panel), lane), row[i], NULL);
    }
    return true;
}

static bool pack_squares(Tiler *m, int o, LExpr **index, LExpr *panel, int64_t n, LBlock *at)
{
    LFunc *f = m->f;
    int along = turned_along(m, o, n), lanes = m->t->lanes;
    if (along < 0)
        return false;
    LBlock out = { 0 }, *in = &out;
    for (int k = m->c->n_out; k < m->c->n_index; k++)
        if (sum_in_panel(m, o, k) && k != along)
            in = &sum_loop(m, o, k, index, in)->body;
    bool block = m->t->pack[o] == PACK_PIECE && along == m->t->block;
    LExpr *lo = block ? m->block_lo : lx_i64(f, 0), *hi = block ? m->block_hi : lx_i64(f, m->c->extent[along]);
    LExpr *length = lx_bin(f, LX_SUB, hi, lo), *rest = lx_bin(f, LX_MOD, length, lx_i64(f, lanes));
    if (block && m->t->depth % lanes == 0 && m->c->extent[along] % lanes == 0)
        rest = lx_i64(f, 0);
    LExpr *end = lx_bin(f, LX_SUB, hi, rest);
    LStmt *squares = lb_for(f, in, "k", lo, end, lanes, LF_SERIAL);
    LStmt *lane = lb_for(f, &squares->body, "j", lx_i64(f, 0), lx_i64(f, n), lanes, LF_SERIAL);
    index[along] = lx_var(f, squares->var);
    if (!pack_square(m, o, along, index, panel, lx_var(f, lane->var), n, &lane->body))
        return false;
    if (!(rest->op == LX_CONST && rest->ival == 0)) {
        LStmt *last = lb_for(f, in, "k", end, hi, 1, LF_SERIAL);
        LStmt *j = lb_for(f, &last->body, "j", lx_i64(f, 0), lx_i64(f, n), 1, LF_SERIAL);
        index[along] = lx_var(f, last->var);
        index[m->t->vec] = lx_add(f, lx_mul(f, panel, lx_i64(f, tile_width(m->t))), lx_var(f, j->var));
        LExpr *value = m->c->load(m->c->user, o, &j->body, index);
        LExpr *to = lx_add(f, tile_pack_offset(m, o, index, panel), lx_var(f, j->var));
        lb_store(f, &j->body, m->panel[o], to, value, NULL);
    }
    for (int i = 0; i < out.len; i++)
        lb_append(f, at, out.data[i]);
    return true;
}

/* ---- whole panels ---- */

/* The summed indices inside one panel, then the lanes (or rows): innermost what is contiguous in the operand. */
static void pack_panel(Tiler *m, int o, LExpr **index, LExpr *panel, LExpr *first, int64_t n, LBlock *at)
{
    LContract *c = m->c;
    LFunc *f = m->f;
    if (!tile_packs_rows(c, m->t, o) && pack_squares(m, o, index, panel, n, at))
        return;
    int loops[TILE_MAX_INDEX], n_loops = 0;
    loops[n_loops++] = axis(m, o);
    for (int k = c->n_out; k < c->n_index; k++)
        if (sum_in_panel(m, o, k))
            loops[n_loops++] = k;
    for (int i = 1; i < n_loops; i++) /* by falling stride */
        for (int j = i; j > 0; j--) {
            int64_t a = c->operand[o].stride[loops[j - 1]], b = c->operand[o].stride[loops[j]];
            if ((a < 0 ? -a : a) >= (b < 0 ? -b : b))
                break;
            int swap = loops[j];
            loops[j] = loops[j - 1];
            loops[j - 1] = swap;
        }
    LExpr *lane = NULL;
    for (int i = 0; i < n_loops; i++) {
        if (loops[i] != axis(m, o)) {
            at = &sum_loop(m, o, loops[i], index, at)->body;
            continue;
        }
        LStmt *loop = lb_for(f, at, "j", lx_i64(f, 0), lx_i64(f, n), 1, LF_SERIAL);
        lane = lx_var(f, loop->var);
        index[loops[i]] = lx_add(f, first, lane);
        at = &loop->body;
    }
    LExpr *value = c->load(c->user, o, at, index);
    lb_store(f, at, m->panel[o], lx_add(f, tile_pack_offset(m, o, index, panel), lane), value, NULL);
}

static void pack_zeros(Tiler *m, int o, LExpr **index, LExpr *panel, int64_t n, LBlock *at)
{
    LFunc *f = m->f;
    for (int k = m->c->n_out; k < m->c->n_index; k++)
        if (sum_in_panel(m, o, k))
            at = &sum_loop(m, o, k, index, at)->body;
    LStmt *loop = lb_for(f, at, "j", lx_i64(f, n), lx_i64(f, tile_width(m->t)), 1, LF_SERIAL);
    LExpr *to = lx_add(f, tile_pack_offset(m, o, index, panel), lx_var(f, loop->var));
    lb_store(f, &loop->body, m->panel[o], to, lx_float(f, 0), NULL);
}

static void append_vectorized(Tiler *m, LBlock *out, LBlock *at)
{
    lblock_vectorize(m->f, m->c->target, out);
    for (int i = 0; i < out->len; i++)
        lb_append(m->f, at, out->data[i]);
}

void tile_pack_piece(Tiler *m, int o, const TileSpot *spot, LBlock *at)
{
    LExpr *index[TILE_MAX_INDEX];
    LBlock out = { 0 };
    int64_t n = (int64_t)(spot->cols - 1) * m->t->lanes + spot->limit;
    for (int k = 0; k < m->c->n_index; k++)
        index[k] = spot->index[k];
    m->panel[o] = lfunc_local(m->f, at, "panel", LK_F32, tile_pack_count(m, o));
    pack_panel(m, o, index, spot->panel, lx_mul(m->f, spot->panel, lx_i64(m->f, tile_width(m->t))), n, &out);
    if (n < tile_width(m->t))
        pack_zeros(m, o, index, spot->panel, n, &out);
    append_vectorized(m, &out, at);
}

/* One panel: whole, or the last with what is left. */
static void pack_vector_tile(Tiler *m, int o, LExpr **index, LExpr *panel, LBlock *at)
{
    LFunc *f = m->f;
    int64_t n = m->c->extent[m->t->vec], full = n / tile_width(m->t), rest = n % tile_width(m->t);
    LExpr *first = lx_mul(f, panel, lx_i64(f, tile_width(m->t)));
    LBlock *at_full = at, *at_rest = at;
    if (full && rest) {
        LStmt *branch = lb_if_odds(f, at, lx_bin(f, LX_LT, panel, lx_i64(f, full)), full, 1);
        at_full = &branch->body;
        at_rest = &branch->other;
    }
    if (full)
        pack_panel(m, o, index, panel, first, tile_width(m->t), at_full);
    if (rest) {
        pack_panel(m, o, index, panel, first, rest, at_rest);
        pack_zeros(m, o, index, panel, rest, at_rest);
    }
}

/* One tile of rows: of those with all, or with fewer, whose last places nobody reads. */
static void pack_row_tile(Tiler *m, int o, LExpr **index, LExpr *tile, LBlock *at)
{
    LFunc *f = m->f;
    TileCut cut = row_cut(m);
    LBlock *at_low = at;
    if (cut.tall < cut.count) {
        LStmt *branch = lb_if_odds(f, at, lx_bin(f, LX_LT, tile, lx_i64(f, cut.tall)), cut.tall, cut.count - cut.tall);
        at = &branch->body;
        at_low = &branch->other;
    }
    pack_panel(m, o, index, tile, lx_mul(f, tile, lx_i64(f, cut.rows)), cut.rows, at);
    if (at_low == at)
        return;
    LExpr *first = lx_add(f, lx_mul(f, tile, lx_i64(f, cut.rows - cut.less)), lx_i64(f, cut.tall * cut.less));
    pack_panel(m, o, index, tile, first, cut.rows - cut.less, at_low);
}

void tile_pack(Tiler *m, int o, LBlock *at)
{
    LContract *c = m->c;
    LFunc *f = m->f;
    LBlock out = { 0 };
    int64_t count = panels(m, o);
    for (int k = 0; k < c->n_out; k++)
        if (in_panel(m, o, k))
            count *= c->extent[k];
    LStmt *loop = lb_for(f, &out, "p", lx_i64(f, 0), lx_i64(f, count), 1,
                         m->t->parallel && count > 1 ? LF_PARALLEL : LF_SERIAL);
    LExpr *index[TILE_MAX_INDEX], *flat = lx_var(f, loop->var);
    LExpr *panel = lx_bin(f, LX_MOD, flat, lx_i64(f, panels(m, o)));
    flat = lx_bin(f, LX_DIV, flat, lx_i64(f, panels(m, o)));
    for (int k = c->n_index - 1; k >= 0; k--) {
        index[k] = lx_i64(f, 0);
        if (k >= c->n_out || !in_panel(m, o, k))
            continue;
        index[k] = lx_bin(f, LX_MOD, flat, lx_i64(f, c->extent[k]));
        flat = lx_bin(f, LX_DIV, flat, lx_i64(f, c->extent[k]));
    }
    if (tile_packs_rows(c, m->t, o))
        pack_row_tile(m, o, index, panel, &loop->body);
    else
        pack_vector_tile(m, o, index, panel, &loop->body);
    append_vectorized(m, &out, at);
}
