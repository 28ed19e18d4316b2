/* The loops that measure the machine, in the loop IR, so that every target and back end has them: fused
 * multiply-adds in registers, reading from each cache and from memory, and a triad in memory. */
#include "bench/bench.h"

const char *const LEVEL_NAME[N_LEVELS] = { "L1", "L2", "L3", "memory" };

enum { MIB = 1024 * 1024, PARTS = 240 /* of a parallel loop: divides by 2 to 6, 8, 10, 12, 15, 16 */ };

static int64_t level_bytes(const LTarget *t, Level level)
{
    int64_t l3 = t->l3 / 2 < 32 * MIB ? t->l3 / 2 : 32 * MIB; /* others use it too */
    switch (level) {
    case LEVEL_L1: return t->l1 / 2;
    case LEVEL_L2: return t->l2 / 2;
    case LEVEL_L3: return l3 > t->l2 * 2 ? l3 : t->l2 * 2;
    default: return 128 * MIB;
    }
}

static int lanes_of(const LTarget *t) { return t->vector_bytes < 16 ? 1 : t->vector_bytes / 4; }

enum { MAX_ACC = 24 };

/* Accumulators, a statement for each in the inner loop, their sum in one vector of y at `at`. */
typedef struct {
    LFunc *func;
    int lanes, n;
    LVar *acc[MAX_ACC];
} Sums;

static void sums_open(Sums *s, LBlock *at)
{
    for (int i = 0; i < s->n; i++)
        s->acc[i] = lb_var(s->func, at, "acc", lx_splat(s->func, lx_float(s->func, i + 1), s->lanes));
}

static void sums_store(Sums *s, LBlock *at, LBuf *y, LExpr *index)
{
    LExpr *sum = lx_var(s->func, s->acc[0]);
    for (int i = 1; i < s->n; i++)
        sum = lx_add(s->func, sum, lx_var(s->func, s->acc[i]));
    lb_store(s->func, at, y, index, sum, NULL);
}

/* acc = acc * a + b, as many as hide the latency of any processor and fit its registers. */
static LFunc *peak_loop(Arena *arena, const LTarget *t)
{
    enum { STEPS = 500 };
    LFunc *f = lfunc_new(arena, "peak");
    Sums s = { .func = f, .lanes = lanes_of(t), .n = t->vector_registers >= 32 ? 24 : 12 };
    LBuf *x = lfunc_param(f, "x", LK_F32, 2 * s.lanes, LB_IN);
    LBuf *y = lfunc_param(f, "y", LK_F32, (int64_t)PARTS * s.lanes, LB_OUT);
    LStmt *part = lb_for(f, &f->body, "part", lx_i64(f, 0), lx_i64(f, PARTS), 1, LF_PARALLEL);
    LExpr *a = lx_var(f, lb_let(f, &part->body, "a", lx_load(f, x, lx_i64(f, 0), s.lanes, NULL)));
    LExpr *b = lx_var(f, lb_let(f, &part->body, "b", lx_load(f, x, lx_i64(f, s.lanes), s.lanes, NULL)));
    sums_open(&s, &part->body);
    LStmt *step = lb_for(f, &part->body, "step", lx_i64(f, 0), lx_i64(f, STEPS), 1, LF_SERIAL);
    for (int i = 0; i < s.n; i++)
        lb_set(f, &step->body, s.acc[i], lx_fma(f, lx_var(f, s.acc[i]), a, b));
    sums_store(&s, &part->body, y, lx_mul(f, lx_var(f, part->var), lx_i64(f, s.lanes)));
    f->flops = (int64_t)PARTS * STEPS * s.n * s.lanes * 2;
    return f;
}

enum { READ_VECTORS = 8 };

/* Sums of the vectors in [from, from + count) of x. */
static void read_run(Sums *s, LBlock *at, const LBuf *x, LExpr *from, int64_t count)
{
    LFunc *f = s->func;
    LStmt *loop = lb_for(f, at, "i", lx_i64(f, 0), lx_i64(f, count), READ_VECTORS * s->lanes, LF_SERIAL);
    for (int i = 0; i < s->n; i++) {
        LExpr *index = lx_add(f, from, lx_add(f, lx_var(f, loop->var), lx_i64(f, (int64_t)i * s->lanes)));
        lb_set(f, &loop->body, s->acc[i], lx_add(f, lx_var(f, s->acc[i]), lx_load(f, x, index, s->lanes, NULL)));
    }
}

/* What fits a private cache is read by one thread, again and again; the rest by all threads. A shared
 * cache takes some passes until it keeps what it is given. */
static LFunc *read_loop(Arena *arena, const LTarget *t, Level level)
{
    LFunc *f = lfunc_new(arena, arena_printf(arena, "read_%s", LEVEL_NAME[level]));
    Sums s = { .func = f, .lanes = lanes_of(t), .n = READ_VECTORS };
    bool shared = level >= LEVEL_L3;
    int64_t unit = (int64_t)READ_VECTORS * s.lanes * (shared ? PARTS : 1);
    int64_t count = level_bytes(t, level) / 4 / unit * unit, times = level == LEVEL_MEMORY ? 1 : shared ? 4 : 8 * MIB / 4 / count;
    LBuf *x = lfunc_param(f, "x", LK_F32, count, LB_IN);
    LBuf *y = lfunc_param(f, "y", LK_F32, (int64_t)PARTS * s.lanes, LB_OUT);
    LExpr *from = lx_i64(f, 0), *to = from;
    LBlock *at = &f->body;
    if (shared) {
        LStmt *again = lb_for(f, at, "again", lx_i64(f, 0), lx_i64(f, times), 1, LF_SERIAL);
        LStmt *part = lb_for(f, &again->body, "part", lx_i64(f, 0), lx_i64(f, PARTS), 1, LF_PARALLEL);
        at = &part->body;
        from = lx_mul(f, lx_var(f, part->var), lx_i64(f, count / PARTS));
        to = lx_mul(f, lx_var(f, part->var), lx_i64(f, s.lanes));
    }
    sums_open(&s, at);
    LBlock *in = at;
    if (!shared)
        in = &lb_for(f, at, "again", lx_i64(f, 0), lx_i64(f, times), 1, LF_SERIAL)->body;
    read_run(&s, in, x, from, shared ? count / PARTS : count);
    sums_store(&s, at, y, to);
    f->bytes = count * times * 4;
    return f;
}

static LFunc *triad_loop(Arena *arena, const LTarget *t)
{
    LFunc *f = lfunc_new(arena, "triad");
    int lanes = lanes_of(t);
    int64_t unit = (int64_t)lanes * PARTS, count = level_bytes(t, LEVEL_MEMORY) / 12 / unit * unit;
    LBuf *b = lfunc_param(f, "b", LK_F32, count, LB_IN), *c = lfunc_param(f, "c", LK_F32, count, LB_IN);
    LBuf *a = lfunc_param(f, "a", LK_F32, count, LB_OUT);
    a->noalias = b->noalias = c->noalias = true;
    LStmt *part = lb_for(f, &f->body, "part", lx_i64(f, 0), lx_i64(f, PARTS), 1, LF_PARALLEL);
    LStmt *loop = lb_for(f, &part->body, "i", lx_i64(f, 0), lx_i64(f, count / PARTS), lanes, LF_SERIAL);
    LExpr *at = lx_add(f, lx_mul(f, lx_var(f, part->var), lx_i64(f, count / PARTS)), lx_var(f, loop->var));
    LExpr *s = lx_splat(f, lx_float(f, 0.5), lanes);
    lb_store(f, &loop->body, a, at, lx_fma(f, lx_load(f, c, at, lanes, NULL), s, lx_load(f, b, at, lanes, NULL)), NULL);
    f->bytes = count * 12;
    return f;
}

/* An entry point of one call: what f only reads lies in the arena, but for a small input. */
static void add_entry(LProgram *p, LFunc *f)
{
    LEntry *e = ARENA_NEW(p->arena, LEntry);
    e->name = e->c_name = f->name;
    e->kind = NNR_INFER;
    LCall call = { .func = f, .args = ARENA_ARRAY(p->arena, LRef, f->params.len) };
    for (int i = 0; i < f->params.len; i++) {
        const LBuf *buf = f->params.data[i];
        nnr_info info = { .name = buf->name, .dtype = NNR_F32, .rank = 1, .dims = { buf->count } };
        bool small = buf->count < 1024;
        if (buf->role == LB_IN && small) {
            e->in = ARENA_NEW(p->arena, nnr_info);
            e->in[e->n_in++] = info;
            call.args[i] = (LRef){ LR_INPUT, 0, 0, 0 };
        } else if (buf->role == LB_OUT && i == 1) {
            e->out = ARENA_NEW(p->arena, nnr_info);
            e->out[e->n_out++] = info;
            call.args[i] = (LRef){ LR_OUTPUT, 0, 0, 0 };
        } else {
            call.args[i] = (LRef){ LR_ARENA, 0, e->arena_bytes, 0 };
            e->arena_bytes += (buf->count * 4 + NNR_ALIGN - 1) / NNR_ALIGN * NNR_ALIGN;
        }
    }
    VEC_PUSH(p->arena, &e->calls, call);
    VEC_PUSH(p->arena, &p->funcs, f);
    VEC_PUSH(p->arena, &p->entries, e);
}

/* Entries: the peak, the levels, the triad; bench_add_machine relies on that order. */
LProgram *machine_program(Arena *arena, const LTarget *target, void *unused)
{
    (void)unused;
    LProgram *p = ARENA_NEW(arena, LProgram);
    *p = (LProgram){ .arena = arena, .name = "machine", .c_name = "machine", .source = "the machine" };
    add_entry(p, peak_loop(arena, target));
    for (int level = 0; level < N_LEVELS; level++)
        add_entry(p, read_loop(arena, target, (Level)level));
    add_entry(p, triad_loop(arena, target));
    return p;
}
