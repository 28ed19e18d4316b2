/* What an epilogue has to do with memory. An optimizer's update, written where a weight gradient's sums are
 * finished, reads and writes several arrays of the gradient's size that no cache holds: they may take longer
 * to arrive than the sums to be made. So the cost model hears of them (a tile that walks along memory beats
 * one that hops). What a tile asks for while it still adds is in tile_ahead.c. */
#include "loop/tile_epilogue.h"

enum {
    LINE = 16,      /* floats of a cache line */
    MAX_FAR = 8
};

/* ---- what there is ---- */

typedef struct {
    const LTarget *target;
    const LBuf *read[MAX_FAR], *written[MAX_FAR];
    int n_read, n_written;
} Far;

static bool is_far(const Far *far, const LBuf *buf)
{
    return buf->role != LB_LOCAL && (double)buf->count * lkind_bytes(buf->kind) > 0.5 * (double)far->target->l2;
}

static void find_reads(Far *far, const LBuf *scratch, LExpr *e)
{
    if (!e)
        return;
    if (e->op == LX_LOAD && e->buf != scratch && is_far(far, e->buf) && lkind_bytes(e->buf->kind) == 4) {
        for (int i = 0; i < far->n_read; i++)
            if (far->read[i] == e->buf)
                return;
        if (far->n_read < MAX_FAR)
            far->read[far->n_read++] = e->buf;
        return;
    }
    find_reads(far, scratch, e->a);
    find_reads(far, scratch, e->b);
    find_reads(far, scratch, e->c);
}

/* Looks at the epilogue of one element, which is appended to `block`. */
static Far look(const LContract *c, LExpr *const *index, LBlock *block)
{
    Far far = { .target = c->target };
    LFunc *f = c->func;
    c->store(c->user, block, index, lx_var(f, lfunc_var(f, "sum", ltype(LK_F32, 1), false)));
    for (int i = 0; i < block->len; i++) {
        const LStmt *s = block->data[i];
        find_reads(&far, f->scratch, s->value);
        if (s->kind == LS_STORE && s->buf != f->scratch && is_far(&far, s->buf) && far.n_written < MAX_FAR)
            far.written[far.n_written++] = s->buf;
    }
    return far;
}

void tile_look_at_epilogue(LContract *c)
{
    LBlock block = { 0 };
    LExpr *index[TILE_MAX_INDEX];
    if (tile_window_elements(c) > 1) /* one element of what is stored takes several sums */
        return;
    for (int k = 0; k < c->n_out; k++) {
        LVar *v = lfunc_var(c->func, "i", ltype(LK_I64, 1), false);
        v->ranged = true;
        v->max = c->extent[k] - 1;
        index[k] = lx_var(c->func, v);
    }
    Far far = look(c, index, &block);
    c->far_reads = far.n_read;
    c->far_writes = far.n_written;
}

/* ---- what it costs ---- */

static double count_of(const LContract *c, const LTile *t, int r)
{
    return t->row[r] < 0 ? 1 : (double)tile_row_cut(c, t, r).count;
}

/* How far the tile that comes next lies behind this one: of a piece first, then of the grid. */
static double next_tile(const LContract *c, const LTile *t)
{
    for (int r = 0; r < 2; r++)
        if (count_of(c, t, r) > 1 && (t->group[r] > 1 || (!t->sweep && t->group[0] * t->group[1] == 1)))
            return (double)c->out_stride[t->row[r]] * t->rows[r];
    return (double)c->out_stride[t->vec] * (double)tile_width(t);
}

double tile_epilogue_lines(const LContract *c, const LTile *t)
{
    if (!c->far_reads || t->kind == TILE_DOT || t->vec < 0 || t->split >= 0)
        return 0;
    double outputs = 1, run = 1, pieces;
    for (int k = 0; k < c->n_out; k++)
        outputs *= (double)c->extent[k];
    /* Elements of a tile that lie side by side: its columns, then rows where they go on from there. */
    bool turned = tile_turns_results(c, t);
    if (c->out_stride[t->vec] == 1)
        run = (double)(tile_width(t) < c->extent[t->vec] ? tile_width(t) : c->extent[t->vec]);
    for (int pass = 0; pass < 2; pass++)
        for (int r = 0; r < 2; r++)
            if (t->row[r] >= 0 && (double)c->out_stride[t->row[r]] == run)
                run *= t->rows[r];
    pieces = outputs / run;
    /* What is fetched ahead beyond a piece is of use where the next tile begins there. */
    bool goes_on = next_tile(c, t) == run;
    double more = goes_on ? 0.2 : 1.5;
    if (turned || run < LINE) /* parts of a line */
        more += 1 - 1 / (double)LINE;
    return pieces * (run / LINE + more) * (c->far_reads + c->far_writes);
}
