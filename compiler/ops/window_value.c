/* Values of the window operations where windows are small: spelled out at the place that reads them, so
 * that what comes before (padding, an activation) and behind them is computed in the same loop. */
#include "ops/opaque.h"
#include "loop/expr.h"

static const int64_t *window_of(const Node *n) { return n->attr[0].ints.v; }
static const int64_t *stride_of(const Node *n) { return n->attr[1].ints.v; }

/* The value of x at element k of the window at `index`. */
static LExpr *element(Lower *lw, const Node *n, const Node *x, LExpr *const *index, int64_t k)
{
    LFunc *f = lw->func;
    LExpr *at[MAX_RANK];
    for (int i = x->type.rank - 1; i >= 0; i--) {
        at[i] = lx_add(f, lx_mul(f, index[i], lx_i64(f, stride_of(n)[i])), lx_i64(f, k % window_of(n)[i]));
        k /= window_of(n)[i];
    }
    return lower_value(lw, x, at);
}

static LExpr *let(Lower *lw, const char *name, LExpr *value)
{
    if (value->op == LX_VAR || value->op == LX_CONST)
        return value;
    return lx_var(lw->func, lb_let(lw->func, lw->at, name, value));
}

LExpr *window_max_value(Lower *lw, const Node *n, LExpr *const *index)
{
    LExpr *best = element(lw, n, n->in[0], index, 0);
    for (int64_t k = 1; k < window_elements(n); k++) /* LX_MAX keeps its second operand at ties */
        best = lx_bin(lw->func, LX_MAX, element(lw, n, n->in[0], index, k), let(lw, "best", best));
    return best;
}

LExpr *window_place_value(Lower *lw, const Node *n, LExpr *const *index)
{
    LFunc *f = lw->func;
    LExpr *best = element(lw, n, n->in[0], index, 0), *place = lx_int(f, LK_I32, 0);
    for (int64_t k = 1; k < window_elements(n); k++) {
        LExpr *v = let(lw, "x", element(lw, n, n->in[0], index, k));
        best = let(lw, "best", best);
        LExpr *larger = let(lw, "larger", lx_bin(f, LX_LT, best, v));
        place = let(lw, "place", lx_select(f, larger, lx_int(f, LK_I32, k), place));
        best = lx_select(f, larger, v, best);
    }
    return place;
}

LExpr *window_take_value(Lower *lw, const Node *n, LExpr *const *index)
{
    LFunc *f = lw->func;
    LExpr *place = let(lw, "place", lower_value(lw, n->in[0], index));
    LExpr *value = element(lw, n, n->in[1], index, 0);
    for (int64_t k = 1; k < window_elements(n); k++) {
        LExpr *here = lx_bin(f, LX_EQ, place, lx_int(f, LK_I32, k));
        value = lx_select(f, here, element(lw, n, n->in[1], index, k), let(lw, "v", value));
    }
    return value;
}

/* ---- window_put, from the side of the result ---- */

/* An element lies in the windows q, q - 1, ... of each axis, q = index / stride, at offsets r, r + stride,
 * ..., r = index % stride. Of each of them one number, the same for all lanes of an inner axis without
 * windows, says which place is this element's (-1: there is no such window). */
typedef struct {
    Lower *lw;
    const Node *n;
    LExpr *q[MAX_RANK], *r[MAX_RANK];
    int64_t back[MAX_RANK]; /* windows to look at */
} Put;

static Put put_at(Lower *lw, const Node *n, LExpr *const *index)
{
    LFunc *f = lw->func;
    Put p = { .lw = lw, .n = n };
    for (int i = 0; i < n->type.rank; i++) {
        int64_t stride = stride_of(n)[i];
        p.q[i] = lx_bin(f, LX_DIV, index[i], lx_i64(f, stride));
        p.r[i] = lx_bin(f, LX_MOD, index[i], lx_i64(f, stride));
        if (p.q[i]->op != LX_CONST && stride > 1)
            p.q[i] = let(lw, "q", p.q[i]);
        if (p.r[i]->op != LX_CONST && stride > 1)
            p.r[i] = let(lw, "r", p.r[i]);
        p.back[i] = (window_of(n)[i] + stride - 1) / stride;
    }
    return p;
}

/* cond and (value in [0, count)), as far as that is not known anyway. */
static LExpr *within(LFunc *f, LExpr *cond, LExpr *value, int64_t count)
{
    int64_t lo, hi;
    bool known = lx_range(value, &lo, &hi);
    if (!known || lo < 0)
        cond = lx_bin(f, LX_AND, cond, lx_bin(f, LX_LE, lx_i64(f, 0), value));
    if (!known || hi >= count)
        cond = lx_bin(f, LX_AND, cond, lx_bin(f, LX_LT, value, lx_i64(f, count)));
    return cond;
}

/* What window number `which` (of those to look at) adds to the element. */
static LExpr *put_from(const Put *p, int64_t which)
{
    Lower *lw = p->lw;
    LFunc *f = lw->func;
    const Type *windows = &p->n->in[0]->type;
    LExpr *at[MAX_RANK], *offset[MAX_RANK], *exists = lx_int(f, LK_BOOL, 1), *place = lx_i64(f, 0);
    for (int i = p->n->type.rank - 1; i >= 0; i--) {
        int64_t j = which % p->back[i];
        which /= p->back[i];
        LExpr *window = lx_bin(f, LX_SUB, p->q[i], lx_i64(f, j));
        offset[i] = lx_add(f, p->r[i], lx_i64(f, j * stride_of(p->n)[i]));
        exists = within(f, exists, window, windows->dim[i]);
        exists = within(f, exists, offset[i], window_of(p->n)[i]);
        at[i] = lx_bin(f, LX_MIN, lx_bin(f, LX_MAX, window, lx_i64(f, 0)), lx_i64(f, windows->dim[i] - 1));
    }
    for (int i = 0; i < p->n->type.rank; i++)
        place = lx_add(f, lx_mul(f, place, lx_i64(f, window_of(p->n)[i])), offset[i]);
    place = lx_select(f, exists, lx_cast(f, place, LK_I32), lx_int(f, LK_I32, -1));
    LExpr *here = lx_bin(f, LX_EQ, lower_value(lw, p->n->in[0], at), let(lw, "place", place));
    return lx_select(f, here, lower_value(lw, p->n->in[1], at), lx_float(f, 0));
}

LExpr *window_put_value(Lower *lw, const Node *n, LExpr *const *index)
{
    Put p = put_at(lw, n, index);
    int64_t windows = 1;
    for (int i = 0; i < n->type.rank; i++)
        windows *= p.back[i];
    LExpr *sum = NULL; /* the first window first, as when the windows are walked in order */
    for (int64_t which = windows - 1; which >= 0; which--) {
        LExpr *one = put_from(&p, which);
        sum = sum ? lx_add(lw->func, let(lw, "sum", sum), one) : one;
    }
    return sum;
}
