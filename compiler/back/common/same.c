/* Kernels that compute the same: training and evaluation have many in common, and entries for several
 * batch sizes some. Equal up to names: definitions are numbered alike in functions made alike. */
#include "back/common/common.h"
#include <string.h>

static bool same_type(LType a, LType b) { return a.kind == b.kind && a.lanes == b.lanes; }

static bool same_buf(const LBuf *a, const LBuf *b)
{
    if (!a || !b)
        return a == b;
    bool same = a->id == b->id && a->kind == b->kind && a->count == b->count && a->role == b->role && a->noalias == b->noalias;
    if (!same || !a->data || !b->data)
        return same && a->data == b->data;
    return memcmp(a->data, b->data, sizeof *a->data * (size_t)a->count) == 0;
}

static bool same_var(const LVar *a, const LVar *b)
{
    if (!a || !b)
        return a == b;
    return a->id == b->id && same_type(a->type, b->type) && a->mutable_ == b->mutable_ && a->ranged == b->ranged &&
           (!a->ranged || (a->min == b->min && a->max == b->max));
}

static bool same_expr(const LExpr *a, const LExpr *b)
{
    if (a == b || !a || !b)
        return a == b;
    return a->op == b->op && same_type(a->type, b->type) && a->ival == b->ival &&
           memcmp(&a->fval, &b->fval, sizeof a->fval) == 0 && same_var(a->var, b->var) && same_buf(a->buf, b->buf) &&
           same_expr(a->a, b->a) && same_expr(a->b, b->b) && same_expr(a->c, b->c);
}

static bool same_block(const LBlock *a, const LBlock *b);

static bool same_stmt(const LStmt *a, const LStmt *b)
{
    return a->kind == b->kind && same_var(a->var, b->var) && same_buf(a->buf, b->buf) && same_expr(a->index, b->index) &&
           same_expr(a->value, b->value) && same_expr(a->limit, b->limit) && same_expr(a->lo, b->lo) &&
           same_expr(a->hi, b->hi) && a->step == b->step && a->for_kind == b->for_kind && same_block(&a->body, &b->body) &&
           same_block(&a->other, &b->other);
}

static bool same_block(const LBlock *a, const LBlock *b)
{
    if (a->len != b->len)
        return false;
    for (int i = 0; i < a->len; i++)
        if (!same_stmt(a->data[i], b->data[i]))
            return false;
    return true;
}

static bool same_kernel(const LFunc *a, const LFunc *b)
{
    if (a == b)
        return true;
    if (a->params.len != b->params.len || a->n_vars != b->n_vars || a->n_bufs != b->n_bufs || a->uses_ctx != b->uses_ctx)
        return false;
    for (int i = 0; i < a->params.len; i++)
        if (!same_buf(a->params.data[i], b->params.data[i]))
            return false;
    bool context = !a->uses_ctx || (same_var(a->seed, b->seed) && same_var(a->step, b->step) && same_var(a->epoch, b->epoch));
    return context && same_block(&a->body, &b->body);
}

int *back_stand_ins(Arena *arena, const LProgram *program, const bool *needed)
{
    int *same = ARENA_ARRAY(arena, int, program->funcs.len + 1);
    for (int i = 0; i < program->funcs.len; i++) {
        same[i] = i;
        for (int k = 0; (!needed || needed[i]) && k < i && same[i] == i; k++)
            if ((!needed || needed[k]) && same[k] == k && same_kernel(program->funcs.data[k], program->funcs.data[i]))
                same[i] = k;
    }
    return same;
}
