/* Fetching ahead of an operand's rows. A parameter in panels ([O/b][rest][b]) that is summed over O, as an
 * input gradient does, is read b values at a time: each row of a tile takes up a few lines, then goes on far
 * away, where nothing in the machine fetches anything. So while those b steps are made, the lines of the
 * next b, or those behind them, are asked for, evenly. */
#include "loop/tile_pick.h"

#include <string.h>

enum {
    LINE = 16, MOST_LINES = 64,
    LATENCY = 700 /* cycles, of memory: pieces that take less to add are asked for two ahead */
};

typedef struct {
    int inside, outside;   /* summed indices: along the lines, and on to the next */
    int64_t in_row, lines; /* of one row, of all */
    int64_t distance;      /* pieces ahead */
} Rows;

/* Is o read by rows in such pieces, and from afar? */
static bool find_rows(const Tiler *m, const TileSums *a, int o, Rows *rows)
{
    const LContract *c = m->c;
    const LTile *t = m->t;
    bool on0 = tile_stride(c, o, t->row[0]) != 0, on1 = tile_stride(c, o, t->row[1]) != 0;
    if (t->kind != TILE_OUTER || t->pack[o] || (!on0 && !on1) || tile_stride(c, o, t->vec) || m->n_order < m->inner + 2)
        return false;
    rows->inside = m->order[m->n_order - 1];
    rows->outside = m->order[m->n_order - 2];
    int64_t piece = c->extent[rows->inside], step = tile_stride(c, o, rows->outside);
    rows->in_row = (piece + LINE - 1) / LINE;
    rows->lines = rows->in_row * (on0 ? a->n0 : 1) * (on1 ? a->n1 : 1);
    rows->distance = piece * a->n0 * a->n1 * a->cols < LATENCY ? 2 : 1;
    bool whole = rows->inside != t->split && rows->inside != t->block;
    return whole && tile_stride(c, o, rows->inside) == 1 && piece >= LINE && step > 2 * piece && rows->lines <= MOST_LINES &&
           tile_operand_bytes(c, o) > 0.75 * (double)c->target->l2;
}

void tile_fetch_operand(Tiler *m, int o, LExpr *const *index, LBlock *at)
{
    LContract *c = m->c;
    LBlock lets = { 0 };
    LExpr *value = c->load(c->user, o, &lets, index);
    for (int i = 0; i < lets.len; i++) {
        LStmt *s = lets.data[i];
        if (value->op == LX_VAR && s->var == value->var) /* the value has a name */
            value = s->value;
        else if (s->var->type.kind == LK_I64 && !lx_reads_memory(s->value)) /* its place is made of it */
            lb_append(m->f, at, s);
        else
            return;
    }
    if (value->op == LX_LOAD)
        lb_prefetch(m->f, at, (LBuf *)value->buf, value->a);
}

static void fetch_line(Tiler *m, const TileSums *a, int o, const Rows *rows, LExpr *const *base, LExpr *line, LBlock *at)
{
    LContract *c = m->c;
    LFunc *f = m->f;
    const LTile *t = m->t;
    LExpr *index[TILE_MAX_INDEX], *in_row = lx_i64(f, rows->in_row);
    LExpr *row = lx_bin(f, LX_DIV, line, in_row);
    memcpy(index, base, sizeof index);
    bool both = tile_stride(c, o, t->row[0]) && tile_stride(c, o, t->row[1]);
    if (both)
        index[t->row[1]] = lx_add(f, index[t->row[1]], lx_bin(f, LX_DIV, row, lx_i64(f, a->n0)));
    int last = tile_stride(c, o, t->row[0]) ? t->row[0] : t->row[1];
    index[last] = lx_add(f, index[last], both ? lx_bin(f, LX_MOD, row, lx_i64(f, a->n0)) : row);
    index[rows->inside] = lx_mul(f, lx_bin(f, LX_MOD, line, in_row), lx_i64(f, LINE));
    index[rows->outside] = lx_add(f, index[rows->outside], lx_i64(f, rows->distance));
    tile_fetch_operand(m, o, index, at);
}

void tile_fetch_rows(Tiler *m, const TileSums *a, LExpr *const *index, LBlock *at)
{
    LFunc *f = m->f;
    Rows rows;
    for (int o = 0; o < m->c->n_operand; o++) {
        if (!find_rows(m, a, o, &rows))
            continue;
        /* A line every so many steps (a power of two, to be found by a shift), or so many lines a step. */
        int64_t steps = m->c->extent[rows.inside], each = (rows.lines + steps - 1) / steps;
        int shift = 0;
        while (steps >> (shift + 1) >= rows.lines)
            shift++;
        LExpr *first = lx_bin(f, LX_DIV, lx_mul(f, index[rows.inside], lx_i64(f, each)), lx_i64(f, (int64_t)1 << shift));
        for (int64_t i = 0; i < each; i++) {
            LExpr *line = lx_bin(f, LX_MIN, lx_add(f, first, lx_i64(f, i)), lx_i64(f, rows.lines - 1));
            fetch_line(m, a, o, &rows, index, lx_var(f, lb_let(f, at, "line", line)), at);
        }
    }
}
