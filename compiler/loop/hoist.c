/* Moves what a loop computes again and again out of it: lets whose value does not depend on the loop
 * (and reads no memory that the loop writes) go before it, invariant loads inside larger expressions
 * get lets there (a C compiler cannot move them past stores that might alias), and repeated index
 * arithmetic of a block is shared. Only what is always safe to compute moves: divisions by a constant,
 * loads proved in bounds or of a loop that runs at least once. */
#include "loop/expr.h"

typedef struct {
    LFunc *f;
    Vec(const LVar *) defined; /* inside the loop: variables and what is set */
    Vec(const LBuf *) written;
    const LStmt *loop;
    LBlock *before;
    bool runs; /* at least one iteration */
    Vec(struct Moved { LExpr *value; LVar *var; }) moved;
} Hoist;

static void gather(Hoist *h, const LBlock *b)
{
    for (int i = 0; i < b->len; i++) {
        const LStmt *s = b->data[i];
        if (s->var)
            VEC_PUSH(h->f->arena, &h->defined, s->var);
        if (s->kind == LS_STORE || s->kind == LS_LOCAL)
            VEC_PUSH(h->f->arena, &h->written, s->buf);
        gather(h, &s->body);
        gather(h, &s->other);
    }
}

/* Parameters that are not noalias may be the memory of one another. */
static bool may_be_written(const Hoist *h, const LBuf *buf)
{
    for (int i = 0; i < h->written.len; i++) {
        const LBuf *w = h->written.data[i];
        bool apart = w->noalias || buf->noalias || w->role == LB_LOCAL || buf->role == LB_LOCAL;
        if (w == buf || !apart)
            return true;
    }
    return false;
}

static bool invariant(const Hoist *h, const LExpr *e)
{
    if (!e)
        return true;
    if (e->op == LX_VAR) {
        for (int i = 0; i < h->defined.len; i++)
            if (h->defined.data[i] == e->var)
                return false;
        return true;
    }
    if (e->op == LX_LOAD && may_be_written(h, e->buf))
        return false;
    return invariant(h, e->a) && invariant(h, e->b) && invariant(h, e->c);
}

/* Safe to compute where the loop body might not have run. */
static bool harmless(const Hoist *h, const LExpr *e)
{
    if (!e)
        return true;
    bool is_int = !lkind_is_float((LKind)e->type.kind);
    if (is_int && (e->op == LX_DIV || e->op == LX_MOD) &&
        (!lx_constant(e->b) || lx_is_int(e->b, 0) || lx_is_int(e->b, -1)))
        return false;
    int64_t lo, hi;
    if (e->op == LX_LOAD && !h->runs &&
        (e->b || !lx_range(e->a, &lo, &hi) || lo < 0 || hi > e->buf->count - e->type.lanes))
        return false;
    return harmless(h, e->a) && harmless(h, e->b) && harmless(h, e->c);
}

static LExpr *move(Hoist *h, LExpr *e)
{
    for (int i = 0; i < h->moved.len; i++)
        if (lx_equal(h->moved.data[i].value, e))
            return lx_var(h->f, h->moved.data[i].var);
    LVar *v = lb_let(h->f, h->before, e->op == LX_LOAD ? e->buf->name : "k", e);
    VEC_PUSH(h->f->arena, &h->moved, (struct Moved){ e, v });
    return lx_var(h->f, v);
}

/* e with its invariant loads (and what is computed of them alone) replaced by lets before the loop. */
static LExpr *pull_loads(Hoist *h, LExpr *e)
{
    if (!e || e->op == LX_CONST || e->op == LX_VAR)
        return e;
    bool simple = e->type.kind != LK_I64 || e->op == LX_LOAD;
    if (simple && lx_reads_memory(e) && invariant(h, e) && harmless(h, e)) {
        if (e->op == LX_SPLAT)
            return lx_splat(h->f, move(h, e->a), e->type.lanes);
        return move(h, e);
    }
    LExpr *a = pull_loads(h, e->a), *b = pull_loads(h, e->b), *c = pull_loads(h, e->c);
    return a == e->a && b == e->b && c == e->c ? e : lx_with(h->f, e, a, b, c);
}

static void hoist_block(LFunc *f, LBlock *b);

/* always: the block runs whenever an iteration does. */
static void pull_block(Hoist *h, LBlock *b, bool always)
{
    bool outer = h->runs;
    h->runs = outer && always;
    LBlock out = { 0 };
    for (int i = 0; i < b->len; i++) {
        LStmt *s = b->data[i];
        if (s->kind == LS_LET && invariant(h, s->value) && harmless(h, s->value)) {
            lb_append(h->f, h->before, s);
            int n = 0;
            for (int j = 0; j < h->defined.len; j++) /* what uses it may follow */
                if (h->defined.data[j] != s->var)
                    h->defined.data[n++] = h->defined.data[j];
            h->defined.len = n;
            continue;
        }
        LExpr **part[] = { &s->index, &s->value, &s->limit };
        for (size_t j = 0; j < sizeof part / sizeof *part; j++)
            *part[j] = pull_loads(h, *part[j]);
        if (s->kind == LS_IF) {
            pull_block(h, &s->body, false);
            pull_block(h, &s->other, false);
        } else if (s->kind == LS_FOR) {
            bool runs = s->lo->op == LX_CONST && s->hi->op == LX_CONST && s->lo->ival < s->hi->ival;
            pull_block(h, &s->body, runs);
        }
        lb_append(h->f, &out, s);
    }
    *b = out;
    h->runs = outer;
}

static void hoist_for(LFunc *f, LStmt *s, LBlock *before)
{
    hoist_block(f, &s->body);
    Hoist h = { .f = f, .loop = s, .before = before };
    h.runs = s->lo->op == LX_CONST && s->hi->op == LX_CONST && s->lo->ival < s->hi->ival;
    VEC_PUSH(f->arena, &h.defined, s->var);
    gather(&h, &s->body);
    pull_block(&h, &s->body, true);
}

static void hoist_block(LFunc *f, LBlock *b)
{
    LBlock out = { 0 };
    for (int i = 0; i < b->len; i++) {
        LStmt *s = b->data[i];
        if (s->kind == LS_FOR) {
            hoist_for(f, s, &out);
        } else {
            hoist_block(f, &s->body);
            hoist_block(f, &s->other);
        }
        lb_append(f, &out, s);
    }
    *b = out;
}

void loop_hoist(LFunc *f) { hoist_block(f, &f->body); }
