/* Which kernels of an entry run on several cores. A kernel that forks takes the time of the core with the most
 * to do, and a fork. What it shares with a kernel that does not fork has to go from core to core: all cores
 * but one wait for their part of every line. So a short kernel between two that fork forks as well, and one
 * among serial ones does not. The number of threads is not known here; it is taken to be the target's cores.
 *
 * Each kernel is one or the other, and the time of the entry is a sum over kernels and over pairs of kernels
 * that touch the same bytes one after the other. It is made smaller kernel by kernel, from all serial and from
 * all forked; the better end is taken. Results do not depend on it: what is cut, and in which order parts are
 * added, is fixed by the lowering. */
#include "loop/cores.h"
#include "loop/expr.h"

/* ---- cycles of a function ---- */

typedef struct {
    LFunc *func;
    const LTarget *target;
    const LExpr **value; /* of lets, by variable id */
    bool inside; /* of a parallel loop */
} Count;

/* In cycles of a core that does two simple operations a cycle. */
static double expr_cycles(const Count *c, const LExpr *e)
{
    if (!e)
        return 0;
    double own = 0.5, lanes = e->type.lanes;
    switch (e->op) {
    case LX_CONST:
    case LX_VAR:
    case LX_SPLAT:
    case LX_BITCAST: own = 0; break;
    case LX_DIV:
    case LX_SQRT: own = 5; break;
    case LX_HADD:
    case LX_HMIN:
    case LX_HMAX: own = 4; break;
    default: break;
    }
    if (lanes == 1 && e->type.kind == LK_I64)
        own *= 0.3; /* addresses: beside the rest */
    double registers = lanes * 4 / c->target->vector_bytes;
    own *= lanes > 1 && registers > 1 ? registers : 1;
    return own + expr_cycles(c, e->a) + expr_cycles(c, e->b) + expr_cycles(c, e->c);
}

static const LExpr *resolve(const Count *c, const LExpr *e)
{
    while (e->op == LX_VAR && c->value[e->var->id])
        e = c->value[e->var->id];
    return e;
}

static double between(const Count *c, const LExpr *lo, const LExpr *hi)
{
    hi = resolve(c, hi);
    if (hi->op == LX_MIN) {
        double a = between(c, lo, hi->a), b = between(c, lo, hi->b);
        return a < b ? a : b;
    }
    LExpr *first = (LExpr *)resolve(c, lo), *last = (LExpr *)hi;
    int64_t least, most;
    LAffine apart = lx_affine(lx_bin(c->func, LX_SUB, last, first));
    if (!apart.overflow && apart.n == 0)
        return (double)apart.base;
    if (!lx_range(lx_bin(c->func, LX_SUB, last, first), &least, &most))
        return 8;
    return (double)most;
}

static double trips_of(const Count *c, const LStmt *s)
{
    double n = between(c, s->lo, s->hi) / (double)s->step;
    return n > 1 ? n : 1;
}

static void block_cycles(Count *c, const LBlock *block, LCoreTimes *sum);

static void loop_cycles(Count *c, const LStmt *s, LCoreTimes *sum)
{
    LCoreTimes one = { 0 };
    bool forks = s->for_kind == LF_PARALLEL && !c->inside;
    double trips = trips_of(c, s), turns = trips;
    c->inside |= forks;
    block_cycles(c, &s->body, &one);
    if (forks) {
        int64_t n = (int64_t)trips, cores = c->target->cores;
        turns = (double)((n + cores - 1) / cores);
        sum->parallel = true;
        c->inside = false;
    }
    sum->parallel |= one.parallel;
    sum->serial += trips * (one.serial + 1);
    sum->forked += turns * (one.forked + 1) + (forks ? c->target->fork_cycles : 0);
}

static void branch_cycles(Count *c, const LStmt *s, LCoreTimes *sum)
{
    LCoreTimes yes = { 0 }, no = { 0 };
    block_cycles(c, &s->body, &yes);
    block_cycles(c, &s->other, &no);
    double all = (double)(s->odds[0] + s->odds[1]), often = all > 0 ? (double)s->odds[0] / all : 0.5;
    sum->serial += often * yes.serial + (1 - often) * no.serial + 1;
    sum->forked += often * yes.forked + (1 - often) * no.forked + 1;
    sum->parallel |= yes.parallel || no.parallel;
}

static void block_cycles(Count *c, const LBlock *block, LCoreTimes *sum)
{
    for (int i = 0; i < block->len; i++) {
        const LStmt *s = block->data[i];
        double own = expr_cycles(c, s->index) + expr_cycles(c, s->value) + (s->kind == LS_STORE ? 1 : 0);
        sum->serial += own;
        sum->forked += own;
        if (s->kind == LS_LET)
            c->value[s->var->id] = s->value;
        if (s->kind == LS_FOR)
            loop_cycles(c, s, sum);
        else if (s->kind == LS_IF)
            branch_cycles(c, s, sum);
    }
}

LCoreTimes cores_times(const LFunc *f, const LTarget *t, Arena *arena)
{
    LCoreTimes sum = { 0 };
    Count c = { .func = (LFunc *)f, .target = t };
    c.value = ARENA_ARRAY(arena, const LExpr *, f->n_vars + 1);
    block_cycles(&c, &f->body, &sum);
    return sum;
}

/* ---- which ones fork ---- */

/* Calls that touch the same bytes one after the other. */
typedef struct {
    int from, to;
    double cycles; /* when only one of them forks */
} Move;

typedef struct {
    const LCall *calls;
    int n;
    const LTarget *target;
    Arena *arena;
    LCoreTimes *times;
    LTraffic **traffic; /* by call, as its parameters */
    Vec(Move) moves;
} Entry;

static int64_t touched(const Entry *e, int call, int arg)
{
    const LTraffic *t = &e->traffic[call][arg];
    int64_t all = e->calls[call].func->params.data[arg]->count * 8;
    return t->read + t->written < all ? t->read + t->written : all;
}

static int64_t begin_of(const LRef *r) { return r->kind == LR_ARENA ? r->offset : 0; }
static int64_t end_of(const Entry *e, int call, int arg)
{
    const LBuf *b = e->calls[call].func->params.data[arg];
    return begin_of(&e->calls[call].args[arg]) + b->count * lkind_bytes(b->kind);
}

static int64_t shared_bytes(const Entry *e, int from, int a, int to, int b)
{
    const LRef *x = &e->calls[from].args[a], *y = &e->calls[to].args[b];
    if (x->kind != y->kind || x->index != y->index)
        return 0;
    int64_t lo = begin_of(x) > begin_of(y) ? begin_of(x) : begin_of(y);
    int64_t hi = end_of(e, from, a) < end_of(e, to, b) ? end_of(e, from, a) : end_of(e, to, b);
    int64_t bytes = hi - lo, t0 = touched(e, from, a), t1 = touched(e, to, b);
    bytes = bytes < t0 ? bytes : t0;
    bytes = bytes < t1 ? bytes : t1;
    return bytes > 0 ? bytes : 0;
}

static bool is_written(const Entry *e, const LRef *r)
{
    for (int i = 0; i < e->n; i++)
        for (int k = 0; k < e->calls[i].func->params.len; k++) {
            const LRef *x = &e->calls[i].args[k];
            if (x->kind == r->kind && x->index == r->index && e->calls[i].func->params.data[k]->role != LB_IN)
                return true;
        }
    return false;
}

/* Who touched what this argument touches the last time: of this call of the entry, or of the one before. */
static void find_moves(Entry *e, int to, int b)
{
    const LRef *r = &e->calls[to].args[b];
    if (r->kind == LR_INPUT || (r->kind == LR_VAR && !is_written(e, r)))
        return;
    for (int back = 1; back < e->n; back++) {
        int from = (to - back + e->n) % e->n;
        int64_t bytes = 0;
        for (int a = 0; a < e->calls[from].func->params.len; a++)
            bytes += shared_bytes(e, from, a, to, b);
        if (!bytes)
            continue;
        double cores = e->target->cores, lines = (double)bytes / 64 * (1 - 1 / cores);
        VEC_PUSH(e->arena, &e->moves, (Move){ from, to, lines * e->target->line_cycles });
        return;
    }
}

static double total(const Entry *e, const bool *forks)
{
    double sum = 0;
    for (int i = 0; i < e->n; i++)
        sum += forks[i] ? e->times[i].forked : e->times[i].serial;
    for (int i = 0; i < e->moves.len; i++)
        sum += forks[e->moves.data[i].from] != forks[e->moves.data[i].to] ? e->moves.data[i].cycles : 0;
    return sum;
}

/* What the entry takes longer when call i changes. */
static double change(const Entry *e, const bool *forks, int i)
{
    double sum = forks[i] ? e->times[i].serial - e->times[i].forked : e->times[i].forked - e->times[i].serial;
    for (int k = 0; k < e->moves.len; k++) {
        const Move *m = &e->moves.data[k];
        int other = m->from == i ? m->to : m->to == i ? m->from : -1;
        if (other >= 0 && other != i)
            sum += forks[i] == forks[other] ? m->cycles : -m->cycles;
    }
    return sum;
}

static double descend(const Entry *e, bool *forks)
{
    enum { ROUNDS = 20 };
    bool changed = true;
    for (int round = 0; round < ROUNDS && changed; round++) {
        changed = false;
        for (int i = 0; i < e->n; i++)
            if (e->times[i].parallel && change(e, forks, i) < 0) {
                forks[i] = !forks[i];
                changed = true;
            }
    }
    return total(e, forks);
}

void cores_choose(const LCall *calls, int n, const LTarget *t, Arena *arena)
{
    Entry e = { .calls = calls, .n = n, .target = t, .arena = arena };
    bool *from_serial = ARENA_ARRAY(arena, bool, n + 1), *from_forked = ARENA_ARRAY(arena, bool, n + 1);
    e.times = ARENA_ARRAY(arena, LCoreTimes, n + 1);
    e.traffic = ARENA_ARRAY(arena, LTraffic *, n + 1);
    for (int i = 0; i < n; i++) {
        e.times[i] = cores_times(calls[i].func, t, arena);
        e.traffic[i] = lfunc_traffic(calls[i].func, arena);
        from_forked[i] = e.times[i].parallel;
    }
    for (int i = 0; i < n; i++)
        for (int k = 0; k < calls[i].func->params.len; k++)
            find_moves(&e, i, k);
    double serial = descend(&e, from_serial), forked = descend(&e, from_forked);
    const bool *best = serial <= forked ? from_serial : from_forked;
    for (int i = 0; i < n; i++)
        if (!best[i])
            lfunc_make_serial(calls[i].func);
}
