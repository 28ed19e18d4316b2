/* Removes lets that nothing reads (what splitting, vectorising and folding leave behind), and loops and
 * branches that are empty after that. Loads have no effect, so any unread let may go. */
#include "loop/expr.h"

static void count_expr(int *uses, const LExpr *e)
{
    if (!e)
        return;
    if (e->op == LX_VAR)
        uses[e->var->id]++;
    count_expr(uses, e->a);
    count_expr(uses, e->b);
    count_expr(uses, e->c);
}

static void count_block(int *uses, const LBlock *b)
{
    for (int i = 0; i < b->len; i++) {
        const LStmt *s = b->data[i];
        const LExpr *part[] = { s->index, s->value, s->limit, s->lo, s->hi };
        for (size_t k = 0; k < sizeof part / sizeof *part; k++)
            count_expr(uses, part[k]);
        count_block(uses, &s->body);
        count_block(uses, &s->other);
    }
}

static void forget_expr(int *uses, const LExpr *e)
{
    if (!e)
        return;
    if (e->op == LX_VAR)
        uses[e->var->id]--;
    forget_expr(uses, e->a);
    forget_expr(uses, e->b);
    forget_expr(uses, e->c);
}

/* From the end, so that what only a dead let reads is dead when it is reached. */
static void sweep(int *uses, LBlock *b)
{
    int keep = b->len;
    for (int i = b->len - 1; i >= 0; i--) {
        LStmt *s = b->data[i];
        sweep(uses, &s->body);
        sweep(uses, &s->other);
        bool empty = !s->body.len && !s->other.len;
        bool dead = (s->kind == LS_LET && !uses[s->var->id]) || ((s->kind == LS_FOR || s->kind == LS_IF) && empty);
        if (!dead) {
            b->data[--keep] = s;
            continue;
        }
        forget_expr(uses, s->value);
        forget_expr(uses, s->lo);
        forget_expr(uses, s->hi);
    }
    for (int i = keep; i < b->len; i++)
        b->data[i - keep] = b->data[i];
    b->len -= keep;
}

void loop_tidy(LFunc *f)
{
    int *uses = ARENA_ARRAY(f->arena, int, f->n_vars + 1);
    count_block(uses, &f->body);
    sweep(uses, &f->body);
}
