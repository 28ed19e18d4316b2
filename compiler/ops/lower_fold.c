/* Reductions of a run of elements: one mutable accumulator each, updated in a plain loop. The vectoriser
 * turns sums and maxima of that form into vectors of partial results and a fixed tree, so the order
 * depends on the target and the extents alone. */
#include "ops/lower_parts.h"
#include <math.h>

LExpr *fold_identity(Lower *lw, const Node *reduction)
{
    double v = reduction->op->identity;
    if (reduction->in[0]->type.dtype == DT_F32)
        return lx_float(lw->func, v);
    int64_t i = isinf(v) ? (v < 0 ? INT32_MIN : INT32_MAX) : (int64_t)v;
    return lx_int(lw->func, LK_I32, i);
}

/* Only a strictly better value replaces another: the first of equal maxima stays. */
LExpr *fold_combine(Lower *lw, const Node *reduction, LExpr *acc, LExpr *value, LExpr **where, LExpr *position)
{
    LFunc *f = lw->func;
    if (reduction->op != &op_argmax)
        return reduction->op->combine(lw, reduction, acc, value);
    if (value->op != LX_VAR)
        value = lx_var(f, lb_let(f, lw->at, "candidate", value));
    LExpr *better = lx_var(f, lb_let(f, lw->at, "better", lx_bin(f, LX_LT, acc, value)));
    *where = lx_select(f, better, position, *where);
    return lx_select(f, better, value, acc);
}

Fold fold_begin(Lower *lw, const Node *reduction, LExpr *acc, LExpr *where)
{
    LFunc *f = lw->func;
    Fold fold = { .node = reduction };
    fold.acc = lb_var(f, lw->at, lower_name(lw, reduction), acc ? acc : fold_identity(lw, reduction));
    if (reduction->op == &op_argmax)
        fold.where = lb_var(f, lw->at, "where", where ? where : lx_int(f, LK_I32, 0));
    return fold;
}

void fold_step(Lower *lw, Fold *fold, LExpr *value, LExpr *position)
{
    LFunc *f = lw->func;
    LExpr *where = fold->where ? lx_var(f, fold->where) : NULL;
    LExpr *next = fold_combine(lw, fold->node, lx_var(f, fold->acc), value, &where, position);
    if (fold->where)
        lb_set(f, lw->at, fold->where, where);
    lb_set(f, lw->at, fold->acc, next);
}

LExpr *fold_result(Lower *lw, const Fold *fold) { return lx_var(lw->func, fold->where ? fold->where : fold->acc); }

void lower_loop(Lower *lw, const char *name, LExpr *lo, LExpr *hi, LoopBody body, void *user)
{
    LStmt *loop = lb_for(lw->func, lw->at, name, lo, hi, 1, LF_SERIAL);
    LBlock *outside = lw->at;
    int mark = lower_mark(lw);
    lw->at = &loop->body;
    body(lw, user, lx_var(lw->func, loop->var));
    lower_release(lw, mark);
    lw->at = outside;
}
