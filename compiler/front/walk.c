/* Visits every expression and statement of a piece of text, outermost first. */
#include "front/walk.h"

static bool walk_index(const Index *ix, const Walker *w)
{
    return walk_expr(ix->expr, w) || walk_expr(ix->stop, w) || walk_expr(ix->step, w);
}

static bool walk_scan(const Scan *s, const Walker *w)
{
    for (int i = 0; i < s->n_items; i++)
        if (walk_expr(s->items[i].value, w))
            return true;
    for (int i = 0; i < s->n_carries; i++)
        if (walk_expr(s->carries[i].value, w))
            return true;
    return walk_expr(s->along, w) || walk_block(s->body, w);
}

bool walk_expr(const Expr *e, const Walker *w)
{
    if (!e)
        return false;
    if (w->expr && w->expr(w->user, e))
        return true;
    if (walk_expr(e->a, w) || walk_expr(e->b, w))
        return true;
    for (int i = 0; i < e->n_args; i++)
        if (walk_expr(e->args[i].value, w))
            return true;
    for (int i = 0; i < e->n_indices; i++)
        if (walk_index(&e->indices[i], w))
            return true;
    for (int i = 0; i < e->n_items; i++)
        if (walk_expr(e->items[i], w))
            return true;
    if (walk_block(e->block, w) || walk_block(e->else_block, w))
        return true;
    return e->scan && walk_scan(e->scan, w);
}

static bool walk_type(const TypeExpr *t, const Walker *w)
{
    for (int i = 0; t && i < t->n_dims; i++)
        if (walk_expr(t->dims[i].expr, w))
            return true;
    return false;
}

static bool walk_stmt(const Stmt *s, const Walker *w)
{
    if (w->stmt && w->stmt(w->user, s))
        return true;
    for (int i = 0; i < s->n_targets; i++)
        if (walk_type(s->targets[i].type, w))
            return true;
    if (walk_type(s->type, w) || walk_expr(s->value, w) || walk_expr(s->with, w))
        return true;
    for (int i = 0; i < s->n_over; i++)
        if (walk_expr(s->over[i], w))
            return true;
    for (int i = 0; i < s->n_items; i++)
        if (walk_expr(s->items[i], w))
            return true;
    return walk_block(s->block, w) || walk_block(s->else_block, w);
}

bool walk_block(const Block *b, const Walker *w)
{
    for (int i = 0; b && i < b->n_stmts; i++)
        if (walk_stmt(b->stmts[i], w))
            return true;
    return false;
}
