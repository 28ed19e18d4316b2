/* Which variables and buffers of a function are read, so that a back end leaves out what nobody
 * reads (compilers warn of it) and passes only the context values a kernel wants. A let is counted
 * only when something behind it reads it: the walk goes from the end of a block to its start. */
#include "back/common/common.h"

static void count_expr(BackUses *c, const LExpr *e)
{
    if (!e)
        return;
    if (e->op == LX_VAR)
        c->var[e->var->id]++;
    if (e->op == LX_LOAD)
        c->buf[e->buf->id]++;
    count_expr(c, e->a);
    count_expr(c, e->b);
    count_expr(c, e->c);
}

static void count_block(BackUses *c, const LBlock *block)
{
    for (int i = block->len - 1; i >= 0; i--) {
        const LStmt *s = block->data[i];
        if (s->kind == LS_LET && c->var[s->var->id] == 0)
            continue;
        if (s->kind == LS_STORE || s->kind == LS_PREFETCH)
            c->buf[s->buf->id]++;
        count_block(c, &s->other);
        count_block(c, &s->body);
        count_expr(c, s->index);
        count_expr(c, s->value);
        count_expr(c, s->limit);
        count_expr(c, s->lo);
        count_expr(c, s->hi);
    }
}

BackUses back_count_uses(Arena *arena, const LFunc *f)
{
    BackUses uses = { ARENA_ARRAY(arena, int, f->n_vars + 1), ARENA_ARRAY(arena, int, f->n_bufs + 1) };
    count_block(&uses, &f->body);
    return uses;
}
