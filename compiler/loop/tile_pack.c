/* Panels: an operand of a contraction copied so that the register tile reads it with unit stride,
 *     [output indices it depends on, but for vec][vec / width][summed indices it depends on][width]
 * with width = lanes * cols, and zeros behind the last element of vec. */
#include "loop/tile_micro.h"

static int64_t width(const Tiler *m) { return (int64_t)m->t->lanes * m->t->cols; }

static bool in_panel(const Tiler *m, int o, int k)
{
    return k != m->t->vec && m->c->operand[o].stride[k] != 0 && m->c->extent[k] != 1;
}

static int64_t panels(const Tiler *m)
{
    return (m->c->extent[m->t->vec] + width(m) - 1) / width(m);
}

int64_t tile_pack_count(const Tiler *m, int o)
{
    int64_t n = panels(m) * width(m);
    for (int k = 0; k < m->c->n_index; k++)
        if (in_panel(m, o, k))
            n *= m->c->extent[k];
    return n;
}

LExpr *tile_pack_offset(const Tiler *m, int o, LExpr *const *index, LExpr *panel)
{
    LFunc *f = m->f;
    LExpr *flat = lx_i64(f, 0);
    for (int k = 0; k < m->c->n_out; k++)
        if (in_panel(m, o, k))
            flat = lx_add(f, lx_mul(f, flat, lx_i64(f, m->c->extent[k])), index[k]);
    flat = lx_add(f, lx_mul(f, flat, lx_i64(f, panels(m))), panel);
    for (int k = m->c->n_out; k < m->c->n_index; k++)
        if (in_panel(m, o, k))
            flat = lx_add(f, lx_mul(f, flat, lx_i64(f, m->c->extent[k])), index[k]);
    return lx_add(f, lx_mul(f, flat, lx_i64(f, width(m))), lx_i64(f, m->pack_at[o]));
}

/* The summed indices inside one panel, then the lanes: innermost what is contiguous in the operand. */
static void pack_panel(Tiler *m, int o, LExpr **index, LExpr *panel, int64_t n, LBlock *at)
{
    LContract *c = m->c;
    LFunc *f = m->f;
    int loops[TILE_MAX_INDEX], n_loops = 0;
    loops[n_loops++] = m->t->vec;
    for (int k = c->n_out; k < c->n_index; k++)
        if (in_panel(m, o, k))
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
        bool vec = loops[i] == m->t->vec;
        LStmt *loop = lb_for(f, at, vec ? "j" : "k", lx_i64(f, 0), lx_i64(f, vec ? n : c->extent[loops[i]]),
                             1, LF_SERIAL);
        LExpr *v = lx_var(f, loop->var);
        index[loops[i]] = vec ? lx_add(f, lx_mul(f, panel, lx_i64(f, width(m))), v) : v;
        lane = vec ? v : lane;
        at = &loop->body;
    }
    LExpr *value = c->load(c->user, o, at, index);
    lb_store(f, at, f->scratch, lx_add(f, tile_pack_offset(m, o, index, panel), lane), value, NULL);
}

static void pack_zeros(Tiler *m, int o, LExpr **index, LExpr *panel, int64_t n, LBlock *at)
{
    LFunc *f = m->f;
    for (int k = m->c->n_out; k < m->c->n_index; k++) {
        if (!in_panel(m, o, k))
            continue;
        LStmt *loop = lb_for(f, at, "k", lx_i64(f, 0), lx_i64(f, m->c->extent[k]), 1, LF_SERIAL);
        index[k] = lx_var(f, loop->var);
        at = &loop->body;
    }
    LStmt *loop = lb_for(f, at, "j", lx_i64(f, n), lx_i64(f, width(m)), 1, LF_SERIAL);
    LExpr *to = lx_add(f, tile_pack_offset(m, o, index, panel), lx_var(f, loop->var));
    lb_store(f, &loop->body, f->scratch, to, lx_float(f, 0), NULL);
}

void tile_pack(Tiler *m, int o, LBlock *at)
{
    LContract *c = m->c;
    LFunc *f = m->f;
    LBlock out = { 0 };
    int64_t count = panels(m), n = c->extent[m->t->vec], full = n / width(m), rest = n % width(m);
    for (int k = 0; k < c->n_out; k++)
        if (in_panel(m, o, k))
            count *= c->extent[k];
    LStmt *loop = lb_for(f, &out, "p", lx_i64(f, 0), lx_i64(f, count), 1,
                         m->t->parallel && count > 1 ? LF_PARALLEL : LF_SERIAL);
    LExpr *index[TILE_MAX_INDEX], *flat = lx_var(f, loop->var);
    LExpr *panel = lx_bin(f, LX_MOD, flat, lx_i64(f, panels(m)));
    flat = lx_bin(f, LX_DIV, flat, lx_i64(f, panels(m)));
    for (int k = c->n_index - 1; k >= 0; k--) {
        index[k] = lx_i64(f, 0);
        if (k >= c->n_out || !in_panel(m, o, k))
            continue;
        index[k] = lx_bin(f, LX_MOD, flat, lx_i64(f, c->extent[k]));
        flat = lx_bin(f, LX_DIV, flat, lx_i64(f, c->extent[k]));
    }
    LBlock *at_full = &loop->body, *at_rest = &loop->body;
    if (full && rest) {
        LStmt *branch = lb_if(f, &loop->body, lx_bin(f, LX_LT, panel, lx_i64(f, full)));
        at_full = &branch->body;
        at_rest = &branch->other;
    }
    if (full)
        pack_panel(m, o, index, panel, width(m), at_full);
    if (rest) {
        pack_panel(m, o, index, panel, rest, at_rest);
        pack_zeros(m, o, index, panel, rest, at_rest);
    }
    lblock_vectorize(f, c->target, &out);
    for (int i = 0; i < out.len; i++)
        lb_append(f, at, out.data[i]);
}
