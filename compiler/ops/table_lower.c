/* Loops of gather, scatter_add, argsort and take_along. */
#include "ops/opaque.h"

/* Blocks of rows that scatter_add may run in parallel: every block reads all indices, so not many. */
enum { SCATTER_BLOCKS = 8 };

void gather_lower(Lower *lw, const Node *n)
{
    LFunc *f = lw->func;
    LBlock *top = lw->at;
    const Type *table = &n->in[0]->type;
    int64_t width = shape_span(table, 1, table->rank), count = type_count(&n->in[1]->type);
    LBuf *from = opaque_in(lw, n, 0), *indices = opaque_in(lw, n, 1), *to = opaque_out(lw, n);
    LExpr *i = opaque_for(lw, "i", count, opaque_loop(lw, count * width));
    LExpr *row = opaque_clamp(f, lx_load(f, indices, i, 1, NULL), table->dim[0]);
    row = lx_var(f, lb_let(f, lw->at, "row", lx_mul(f, row, lx_i64(f, width))));
    LExpr *k = opaque_for(lw, "k", width, LF_SERIAL);
    lb_store(f, lw->at, to, lx_add(f, lx_mul(f, i, lx_i64(f, width)), k),
             lx_load(f, from, lx_add(f, row, k), 1, NULL), NULL);
    lw->at = top;
}

/* Each block of result rows is zeroed, then takes the values that belong to it in the order of the
 * indices: the order of the additions does not depend on the number of threads. */
void scatter_add_lower(Lower *lw, const Node *n)
{
    LFunc *f = lw->func;
    LBlock *top = lw->at;
    int64_t rows = n->type.dim[0], width = shape_span(&n->type, 1, n->type.rank);
    int64_t count = type_count(&n->in[1]->type);
    int64_t blocks = opaque_loop(lw, count * width) == LF_PARALLEL ? SCATTER_BLOCKS : 1;
    int64_t size = (rows + blocks - 1) / blocks;
    LBuf *values = opaque_in(lw, n, 0), *indices = opaque_in(lw, n, 1), *to = opaque_out(lw, n);
    LExpr *zero = n->type.dtype == DT_F32 ? lx_float(f, 0) : lx_int(f, LK_I32, 0);

    LExpr *block = opaque_for(lw, "block", (rows + size - 1) / size, blocks > 1 ? LF_PARALLEL : LF_SERIAL);
    LBlock *body = lw->at;
    LExpr *lo = lx_var(f, lb_let(f, body, "lo", lx_mul(f, block, lx_i64(f, size))));
    LExpr *hi = lx_bin(f, LX_MIN, lx_add(f, lo, lx_i64(f, size)), lx_i64(f, rows));
    hi = lx_var(f, lb_let(f, body, "hi", hi));
    LStmt *clear = lb_for(f, body, "k", lx_mul(f, lo, lx_i64(f, width)), lx_mul(f, hi, lx_i64(f, width)), 1,
                          LF_SERIAL);
    lb_store(f, &clear->body, to, lx_var(f, clear->var), zero, NULL);

    LExpr *i = opaque_for(lw, "i", count, LF_SERIAL);
    LExpr *row = opaque_clamp(f, lx_load(f, indices, i, 1, NULL), rows);
    row = lx_var(f, lb_let(f, lw->at, "row", row));
    LExpr *mine = lx_bin(f, LX_AND, lx_bin(f, LX_LE, lo, row), lx_bin(f, LX_LT, row, hi));
    lw->at = &lb_if(f, lw->at, mine)->body;
    LExpr *k = opaque_for(lw, "k", width, LF_SERIAL);
    LExpr *at = lx_add(f, lx_mul(f, row, lx_i64(f, width)), k);
    LExpr *value = lx_load(f, values, lx_add(f, lx_mul(f, i, lx_i64(f, width)), k), 1, NULL);
    lb_store(f, lw->at, to, at, lx_add(f, lx_load(f, to, at, 1, NULL), value), NULL);
    lw->at = top;
}

/* By counting: the place of an element is the number of those that go before it. n^2 comparisons a row,
 * but without a branch; rows are short (classes, beams). */
void argsort_lower(Lower *lw, const Node *n)
{
    LFunc *f = lw->func;
    LBlock *top = lw->at;
    const Type *x = &n->in[0]->type;
    int axis = (int)n->attr[0].i;
    bool descending = n->attr[1].i != 0;
    int64_t count = x->dim[axis], inner = shape_span(x, axis + 1, x->rank), outer = shape_span(x, 0, axis);
    LBuf *from = opaque_in(lw, n, 0), *to = opaque_out(lw, n);
    LExpr *o = opaque_for(lw, "o", outer, opaque_loop(lw, type_count(x) * count));
    LExpr *i = opaque_for(lw, "i", inner, LF_SERIAL);
    LExpr *base = lx_add(f, lx_mul(f, o, lx_i64(f, count * inner)), i);
    base = lx_var(f, lb_let(f, lw->at, "base", base));
    LExpr *k = opaque_for(lw, "k", count, LF_SERIAL);
    LBlock *body = lw->at;
    LExpr *at = lx_add(f, base, lx_mul(f, k, lx_i64(f, inner)));
    LExpr *mine = lx_var(f, lb_let(f, body, "mine", lx_load(f, from, at, 1, NULL)));
    LVar *place = lb_var(f, body, "place", lx_int(f, LK_I32, 0));
    LExpr *j = opaque_for(lw, "j", count, LF_SERIAL);
    LExpr *other = lx_load(f, from, lx_add(f, base, lx_mul(f, j, lx_i64(f, inner))), 1, NULL);
    other = lx_var(f, lb_let(f, lw->at, "other", other));
    LExpr *before = descending ? lx_bin(f, LX_LT, mine, other) : lx_bin(f, LX_LT, other, mine);
    LExpr *after = descending ? lx_bin(f, LX_LT, other, mine) : lx_bin(f, LX_LT, mine, other);
    LExpr *tie = lx_bin(f, LX_AND, lx_un(f, LX_NOT, after), lx_bin(f, LX_LT, j, k));
    LExpr *one = lx_select(f, lx_bin(f, LX_OR, before, tie), lx_int(f, LK_I32, 1), lx_int(f, LK_I32, 0));
    lb_set(f, lw->at, place, lx_add(f, lx_var(f, place), one));
    /* NaN compares as equal to all: two elements could share a place, but no place lies outside. */
    LExpr *row = opaque_clamp(f, lx_var(f, place), count);
    lb_store(f, body, to, lx_add(f, base, lx_mul(f, row, lx_i64(f, inner))), lx_cast(f, k, LK_I32), NULL);
    lw->at = top;
}

void take_along_lower(Lower *lw, const Node *n)
{
    LFunc *f = lw->func;
    LBlock *top = lw->at;
    const Type *x = &n->in[0]->type;
    int axis = (int)n->attr[0].i;
    int64_t outer = shape_span(x, 0, axis), inner = shape_span(x, axis + 1, x->rank);
    int64_t count = n->type.dim[axis];
    LBuf *from = opaque_in(lw, n, 0), *indices = opaque_in(lw, n, 1), *to = opaque_out(lw, n);
    LExpr *o = opaque_for(lw, "o", outer, opaque_loop(lw, type_count(&n->type)));
    LExpr *k = opaque_for(lw, "k", count, LF_SERIAL);
    LExpr *i = opaque_for(lw, "i", inner, LF_SERIAL);
    LExpr *at = lx_add(f, lx_mul(f, o, lx_i64(f, count)), k);
    at = lx_add(f, lx_mul(f, at, lx_i64(f, inner)), i);
    LExpr *row = opaque_clamp(f, lx_load(f, indices, at, 1, NULL), x->dim[axis]);
    row = lx_add(f, lx_mul(f, o, lx_i64(f, x->dim[axis])), row);
    LExpr *source = lx_add(f, lx_mul(f, row, lx_i64(f, inner)), i);
    lb_store(f, lw->at, to, at, lx_load(f, from, source, 1, NULL), NULL);
    lw->at = top;
}
