/* The loop vectoriser. For every loop of step 1 without inner loops, and, where that one cannot be
 * turned, for the loop around it: iterations become lanes of target->vector_bytes.
 *
 *     for i = 0 to n { body }   ->   for i = 0 to n / L * L step L { body, L lanes }
 *                                    body with `limit` n % L
 *
 * A variable of the outside that the body only updates by +, min, max or fma is a reduction: it gets
 * up to PARTIAL vectors of partial results, so that the updates of one do not wait for each other, then
 * a fixed tree adds vectors and lanes; the order depends on the loop's bounds and the target only.
 * (A NaN met by min or max may be kept or dropped as in any other order.) Loops whose iterations
 * depend on each other in another way stay as they are, as do those with accesses that are neither
 * uniform nor of unit stride, unless they are few beside the arithmetic. */
#include "loop/split.h"
#include "loop/vec.h"

enum { PARTIAL = 4, MAX_REDUCE = 4 };

typedef struct {
    const LVar *var;
    LOp op;                /* ADD, MIN, MAX */
    LVar *part[PARTIAL];
} Reduce;

typedef struct {
    LFunc *f;
    const LTarget *target;
    const LStmt *loop;
    int lanes, parts;
    int64_t gathers_max;
    Reduce reduce[MAX_REDUCE];
    int n_reduce;
} Plan;

/* ---- looking at a body ---- */

static int64_t expr_cost(const LExpr *e)
{
    if (!e)
        return 0;
    int64_t own = e->op >= LX_EXP ? 16 : e->op == LX_DIV || e->op == LX_SQRT ? 4 : 1;
    return own + expr_cost(e->a) + expr_cost(e->b) + expr_cost(e->c);
}

int64_t lblock_cost(const LBlock *b)
{
    int64_t cost = 0;
    for (int i = 0; i < b->len; i++) {
        const LStmt *s = b->data[i];
        cost += expr_cost(s->value) + lblock_cost(&s->body) + lblock_cost(&s->other);
    }
    return cost;
}

typedef struct {
    bool loops, vectors, locals;
    int bytes; /* widest element */
    int64_t cost;
} Body;

static void look_expr(Body *k, const LExpr *e)
{
    if (!e)
        return;
    k->vectors = k->vectors || e->type.lanes > 1;
    if (e->op == LX_LOAD && lkind_bytes(e->buf->kind) > k->bytes)
        k->bytes = lkind_bytes(e->buf->kind);
    look_expr(k, e->a);
    look_expr(k, e->b);
    look_expr(k, e->c);
}

static void look(Body *k, const LBlock *b)
{
    for (int i = 0; i < b->len; i++) {
        const LStmt *s = b->data[i];
        const LExpr *part[] = { s->index, s->value, s->limit };
        for (size_t j = 0; j < sizeof part / sizeof *part; j++) {
            look_expr(k, part[j]);
            k->cost += expr_cost(part[j]);
        }
        if (s->kind == LS_STORE && lkind_bytes(s->buf->kind) > k->bytes)
            k->bytes = lkind_bytes(s->buf->kind);
        k->loops = k->loops || s->kind == LS_FOR;
        k->locals = k->locals || s->kind == LS_LOCAL;
        look(k, &s->body);
        look(k, &s->other);
    }
}

static int count_uses(const LExpr *e, const LVar *v)
{
    if (!e)
        return 0;
    return (e->op == LX_VAR && e->var == v) + count_uses(e->a, v) + count_uses(e->b, v) + count_uses(e->c, v);
}

static int count_in_block(const LBlock *b, const LVar *v)
{
    int n = 0;
    for (int i = 0; i < b->len; i++) {
        const LStmt *s = b->data[i];
        const LExpr *part[] = { s->index, s->value, s->limit, s->lo, s->hi };
        for (size_t j = 0; j < sizeof part / sizeof *part; j++)
            n += count_uses(part[j], v);
        n += (s->kind == LS_SET && s->var == v) + count_in_block(&s->body, v) + count_in_block(&s->other, v);
    }
    return n;
}

static bool defined_in(const LBlock *b, const LVar *v)
{
    for (int i = 0; i < b->len; i++) {
        const LStmt *s = b->data[i];
        if ((s->kind == LS_VAR && s->var == v) || defined_in(&s->body, v) || defined_in(&s->other, v))
            return true;
    }
    return false;
}

static bool is_var(const LExpr *e, const LVar *v) { return e && e->op == LX_VAR && e->var == v; }

/* v = v op e, where v occurs nowhere else in the loop. */
static bool find_reductions(Plan *p, const LBlock *b, const LBlock *whole)
{
    for (int i = 0; i < b->len; i++) {
        const LStmt *s = b->data[i];
        if (!find_reductions(p, &s->body, whole) || !find_reductions(p, &s->other, whole))
            return false;
        if (s->kind != LS_SET || defined_in(whole, s->var))
            continue;
        const LExpr *e = s->value;
        LOp op = e->op == LX_FMA ? LX_ADD : e->op;
        bool shape = op == LX_ADD || op == LX_MIN || op == LX_MAX;
        bool self = e->op == LX_FMA ? is_var(e->c, s->var) : is_var(e->a, s->var) || is_var(e->b, s->var);
        if (!shape || !self || s->var->type.lanes != 1 || s->var->type.kind == LK_I64 ||
            s->var->type.kind == LK_U64 || count_in_block(whole, s->var) != 2 || p->n_reduce == MAX_REDUCE)
            return false;
        p->reduce[p->n_reduce++] = (Reduce){ .var = s->var, .op = op };
    }
    return true;
}

/* ---- writing ---- */

static LExpr *neutral(LFunc *f, const Reduce *r)
{
    LKind kind = (LKind)r->var->type.kind;
    if (r->op == LX_ADD)
        return kind == LK_F32 ? lx_float(f, 0) : lx_cast(f, lx_float(f, 0), kind);
    bool is_min = r->op == LX_MIN;
    if (lkind_is_float(kind))
        return lx_cast(f, lx_float(f, is_min ? (double)__builtin_inff() : (double)-__builtin_inff()), kind);
    if (kind == LK_U32)
        return lx_int(f, kind, is_min ? UINT32_MAX : 0);
    return lx_int(f, kind, is_min ? INT32_MAX : INT32_MIN);
}

static LExpr *iota_below(LFunc *f, LExpr *limit, int lanes)
{
    return lx_bin(f, LX_LT, lx_ramp(f, lx_int(f, LK_I32, 0), lanes), lx_cast(f, limit, LK_I32));
}

/* One copy of the body: lanes from base on, adding into partial results number `part`. */
static bool emit_body(Plan *p, LExpr *base, LExpr *limit, int part, LBlock *to)
{
    LVec v = lvec_new(p->f, p->loop->var, base, p->lanes, limit);
    v.gathers_max = p->gathers_max;
    for (int i = 0; i < p->n_reduce; i++)
        lmap_set(p->f, &v.map, p->reduce[i].var, lx_var(p->f, p->reduce[i].part[part]));
    if (limit && p->n_reduce)
        v.live = lx_var(p->f, lb_let(p->f, to, "live", iota_below(p->f, limit, p->lanes)));
    return lvec_block(&v, &p->loop->body, to);
}

static bool emit_constant(Plan *p, LBlock *out)
{
    LFunc *f = p->f;
    const LStmt *s = p->loop;
    int64_t lo = s->lo->ival, n = s->hi->ival - lo, group = (int64_t)p->lanes * p->parts;
    int64_t groups = n / group, done = 0;
    if (groups > 1) {
        LStmt *loop = lb_for(f, out, s->var->name, s->lo, lx_i64(f, lo + groups * group), group, s->for_kind);
        for (int u = 0; u < p->parts; u++)
            if (!emit_body(p, lx_add(f, lx_var(f, loop->var), lx_i64(f, (int64_t)u * p->lanes)), NULL, u,
                           &loop->body))
                return false;
        done = groups * group;
    }
    int part = 0;
    for (; n - done >= p->lanes; done += p->lanes, part = (part + 1) % p->parts)
        if (!emit_body(p, lx_i64(f, lo + done), NULL, part, out))
            return false;
    return done == n || emit_body(p, lx_i64(f, lo + done), lx_i64(f, n - done), part, out);
}

static bool emit_dynamic(Plan *p, LBlock *out)
{
    LFunc *f = p->f;
    const LStmt *s = p->loop;
    LExpr *lanes = lx_i64(f, p->lanes), *n = lx_bin(f, LX_SUB, s->hi, s->lo);
    LExpr *whole = lx_mul(f, lx_bin(f, LX_DIV, lx_bin(f, LX_MAX, n, lx_i64(f, 0)), lanes), lanes);
    LExpr *mid = lx_var(f, lb_let(f, out, "whole", lx_add(f, s->lo, whole)));
    LStmt *loop = lb_for(f, out, s->var->name, s->lo, mid, p->lanes, s->for_kind);
    if (!emit_body(p, lx_var(f, loop->var), NULL, 0, &loop->body))
        return false;
    LStmt *rest = lb_for(f, out, s->var->name, mid, s->hi, p->lanes, LF_SERIAL);
    LExpr *base = lx_var(f, rest->var);
    return emit_body(p, base, lx_bin(f, LX_SUB, s->hi, base), 0, &rest->body);
}

static void emit_partials(Plan *p, LBlock *out)
{
    for (int i = 0; i < p->n_reduce; i++) {
        Reduce *r = &p->reduce[i];
        for (int u = 0; u < p->parts; u++)
            r->part[u] = lb_var(p->f, out, r->var->name, lx_splat(p->f, neutral(p->f, r), p->lanes));
    }
}

static void emit_totals(Plan *p, LBlock *out)
{
    LFunc *f = p->f;
    for (int i = 0; i < p->n_reduce; i++) {
        Reduce *r = &p->reduce[i];
        LExpr *sum[PARTIAL];
        for (int u = 0; u < p->parts; u++)
            sum[u] = lx_var(f, r->part[u]);
        for (int n = p->parts; n > 1; n = (n + 1) / 2)
            for (int u = 0; u < n / 2; u++)
                sum[u] = lx_bin(f, r->op, sum[u], sum[u + (n + 1) / 2]);
        LOp across = r->op == LX_ADD ? LX_HADD : r->op == LX_MIN ? LX_HMIN : LX_HMAX;
        lb_set(f, out, (LVar *)r->var, lx_bin(f, r->op, lx_var(f, r->var), lx_un(f, across, sum[0])));
    }
}

/* ---- choosing ---- */

static int choose_lanes(const LTarget *target, int64_t n, bool known)
{
    int lanes = target->vector_bytes / 4;
    while (known && lanes > 4 && n <= lanes / 2)
        lanes /= 2;
    return lanes < 4 ? 1 : lanes > 32 ? 32 : lanes;
}

static bool try_loop(LFunc *f, const LTarget *target, const LStmt *s, LBlock *out)
{
    if (s->step != 1 || s->for_kind == LF_UNROLL)
        return false;
    bool known = s->lo->op == LX_CONST && s->hi->op == LX_CONST;
    int64_t n = known ? s->hi->ival - s->lo->ival : 0;
    Body body = { 0 };
    look(&body, &s->body);
    Plan p = { .f = f, .target = target, .loop = s, .parts = 1 };
    p.lanes = choose_lanes(target, n, known);
    p.gathers_max = body.loops ? 0 : body.cost / 16 * p.lanes;
    const char *why;
    if (p.lanes == 1 || body.vectors || body.locals || (known && n < 3) ||
        (s->for_kind == LF_PARALLEL && !known) || !find_reductions(&p, &s->body, &s->body) ||
        (body.loops && p.n_reduce) || !lvec_independent(f, &s->body, s->var, &why))
        return false;
    while (p.n_reduce && known && p.parts < PARTIAL && n >= 2 * (int64_t)p.parts * p.lanes)
        p.parts *= 2;
    LBlock fresh = { 0 };
    emit_partials(&p, &fresh);
    if (!(known ? emit_constant(&p, &fresh) : emit_dynamic(&p, &fresh)))
        return false;
    emit_totals(&p, &fresh);
    for (int i = 0; i < fresh.len; i++)
        lb_append(f, out, fresh.data[i]);
    return true;
}

static void vectorize_for(LFunc *f, const LTarget *target, LStmt *s, LBlock *out)
{
    Body body = { 0 };
    look(&body, &s->body);
    if (body.vectors) {
        lblock_vectorize(f, target, &s->body);
        lb_append(f, out, s);
        return;
    }
    LBlock parts = { 0 };
    if (!body.loops && loop_split(f, s, &parts)) {
        lblock_vectorize(f, target, &parts);
        for (int i = 0; i < parts.len; i++)
            lb_append(f, out, parts.data[i]);
        return;
    }
    if (!body.loops) {
        if (!try_loop(f, target, s, out))
            lb_append(f, out, s);
        return;
    }
    /* Inner loops first; where none of them could be turned, this one may (sums over rows). */
    LStmt inner = *s;
    inner.body = (LBlock){ 0 };
    LMap map = { 0 };
    lblock_clone(f, &map, &s->body, &inner.body);
    lblock_vectorize(f, target, &inner.body);
    Body after = { 0 };
    look(&after, &inner.body);
    if (!after.vectors && try_loop(f, target, s, out))
        return;
    s->body = inner.body;
    lb_append(f, out, s);
}

void lblock_vectorize(LFunc *f, const LTarget *target, LBlock *b)
{
    LBlock out = { 0 };
    for (int i = 0; i < b->len; i++) {
        LStmt *s = b->data[i];
        if (s->kind == LS_FOR) {
            vectorize_for(f, target, s, &out);
            continue;
        }
        lblock_vectorize(f, target, &s->body);
        lblock_vectorize(f, target, &s->other);
        lb_append(f, &out, s);
    }
    *b = out;
}

void loop_vectorize(LFunc *f, const LTarget *target)
{
    if (target->vector_bytes >= 16)
        lblock_vectorize(f, target, &f->body);
    loop_tidy(f);
}
