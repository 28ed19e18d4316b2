/* How many bytes of its parameters a function reads and writes, each byte counted once. An access covers
 * as many elements as its index can have values: the product of the trips of the loops that the index
 * depends on (through lets and loaded indices too), never more than the buffer holds. So a slice counts
 * as the slice, a gather as the rows it looks up, a strided convolution as the positions it lands on.
 * Several accesses to one buffer are taken to be apart, as the parts of an unrolled tile are. */
#include "loop/expr.h"

enum { MAX_DEPTH = 63 };
typedef uint64_t Loops; /* a bit a nesting depth */

typedef struct {
    const LFunc *func;
    LTraffic *out;
    Loops *depends;         /* by variable id: the loops around that its value depends on */
    double trips[MAX_DEPTH + 1];
    int depth;
} Walk;

static Loops loops_of(const Walk *w, const LExpr *e)
{
    if (!e)
        return 0;
    if (e->op == LX_VAR)
        return w->depends[e->var->id];
    return loops_of(w, e->a) | loops_of(w, e->b) | loops_of(w, e->c);
}

static int param_index(const LFunc *f, const LBuf *buf)
{
    for (int i = 0; i < f->params.len; i++)
        if (f->params.data[i] == buf)
            return buf == f->scratch ? -1 : i;
    return -1;
}

/* Adds an access of some lanes to what is known of the buffer. */
static void touch(Walk *w, const LBuf *buf, const LExpr *index, int lanes, bool write)
{
    int i = param_index(w->func, buf);
    if (i < 0)
        return;
    double elements = lanes;
    Loops loops = loops_of(w, index);
    for (int d = 0; d < w->depth && d <= MAX_DEPTH; d++)
        if (loops >> d & 1)
            elements *= w->trips[d];
    int64_t bytes = lkind_bytes(buf->kind), all = buf->count * bytes;
    int64_t *sum = write ? &w->out[i].written : &w->out[i].read;
    double total = (double)*sum + elements * (double)bytes;
    *sum = total < (double)all ? (int64_t)total : all;
}

static void visit(Walk *w, const LExpr *e)
{
    if (!e)
        return;
    if (e->op == LX_LOAD)
        touch(w, e->buf, e->a, e->type.lanes, false);
    visit(w, e->a);
    visit(w, e->b);
    visit(w, e->c);
}

static double trips_of(const LStmt *s)
{
    int64_t lo, hi, ignored;
    if (!lx_range(s->lo, &lo, &ignored) || !lx_range(s->hi, &ignored, &hi))
        return 1e18;
    return hi > lo ? (double)((hi - lo + s->step - 1) / s->step) : 0;
}

static void walk_block(Walk *w, const LBlock *b)
{
    for (int i = 0; i < b->len; i++) {
        const LStmt *s = b->data[i];
        const LExpr *const parts[] = { s->index, s->value, s->limit, s->lo, s->hi };
        for (size_t k = 0; k < sizeof parts / sizeof *parts; k++)
            visit(w, parts[k]);
        switch (s->kind) {
        case LS_LET: w->depends[s->var->id] = loops_of(w, s->value); break;
        case LS_VAR:
        case LS_SET: w->depends[s->var->id] |= w->depth >= 64 ? ~(Loops)0 : ((Loops)1 << w->depth) - 1; break;
        case LS_STORE: touch(w, s->buf, s->index, s->value->type.lanes, true); break;
        case LS_FOR: {
            int d = w->depth < MAX_DEPTH ? w->depth : MAX_DEPTH;
            w->trips[d] = d < w->depth ? 1e18 : trips_of(s);
            w->depends[s->var->id] = (Loops)1 << d | loops_of(w, s->lo);
            w->depth++;
            walk_block(w, &s->body);
            w->depth--;
            break;
        }
        default: walk_block(w, &s->body); walk_block(w, &s->other); break;
        }
    }
}

LTraffic *lfunc_traffic(const LFunc *f, Arena *arena)
{
    Walk w = { .func = f };
    w.out = ARENA_ARRAY(arena, LTraffic, f->params.len + 1);
    w.depends = ARENA_ARRAY(arena, Loops, f->n_vars + 1);
    walk_block(&w, &f->body);
    return w.out;
}
