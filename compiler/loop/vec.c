/* The core of vectorisation: given a variable of which `lanes` consecutive values are computed at once,
 * scalar statements become vector statements. A unit-stride access becomes a vector access, what does
 * not depend on the variable stays scalar (and is splatted where it meets a vector), other accesses are
 * made lane by lane within a budget. The variable itself, used as a number, becomes a ramp; 64-bit index
 * arithmetic is narrowed to 32 bits where ranges or the use allow it. */
#include "loop/vec.h"

LVec lvec_new(LFunc *f, const LVar *lane, LExpr *base, int lanes, LExpr *limit)
{
    return (LVec){ .f = f, .lane = lane, .base = base, .lanes = lanes, .limit = limit };
}

static LExpr *refuse(LVec *v, const char *why)
{
    if (!v->why)
        v->why = why;
    return NULL;
}

/* e in terms of the lane variable and variables that are uniform or vectors. */
static LExpr *inline_lets(LVec *v, LExpr *e) { return lx_map(v->f, &v->inlined, e); }

static bool differs(const LVec *v, const LExpr *e)
{
    if (!e || e->op == LX_CONST)
        return false;
    if (e->op == LX_VAR) {
        if (e->var == v->lane)
            return true;
        const LExpr *def = lmap_get(&v->inlined, e->var);
        if (def)
            return true;
        const LExpr *to = lmap_get(&v->map, e->var);
        return to && to->type.lanes > 1;
    }
    return differs(v, e->a) || differs(v, e->b) || differs(v, e->c);
}

/* An index as coef * lane + rest, rest at lane 0's value already; false: not of that form. */
static bool linear(LVec *v, LExpr *e, int64_t *coef, LExpr **at_base)
{
    LExpr *rest;
    if (!lx_linear(v->f, inline_lets(v, e), v->lane, coef, &rest) || differs(v, rest))
        return false;
    rest = lx_map(v->f, &v->map, rest);
    *at_base = lx_add(v->f, rest, lx_mul(v->f, v->base, lx_i64(v->f, *coef)));
    return true;
}

/* The value of e in one lane, as a scalar. */
static LExpr *one_lane(LVec *v, LExpr *e, int lane)
{
    if (!e || e->op == LX_CONST)
        return e;
    if (e->op == LX_VAR) {
        if (e->var == v->lane)
            return lx_add(v->f, v->base, lx_i64(v->f, lane));
        LExpr *def = lmap_get(&v->inlined, e->var);
        if (def)
            return one_lane(v, def, lane);
        LExpr *to = lmap_get(&v->map, e->var);
        return !to ? e : to->type.lanes > 1 ? lx_lane(v->f, to, lane) : to;
    }
    LExpr *a = one_lane(v, e->a, lane), *b = one_lane(v, e->b, lane), *c = one_lane(v, e->c, lane);
    return lx_with(v->f, e, a, b, c);
}

/* Number of lanes to make one by one: all, or a constant limit; -1: not known. */
static int known_lanes(const LVec *v)
{
    if (!v->limit)
        return v->lanes;
    if (v->limit->op != LX_CONST)
        return -1;
    return v->limit->ival < v->lanes ? (int)v->limit->ival : v->lanes;
}

/* Under a mask all lanes are computed, so a load there must be harmless wherever it is not wanted. */
static bool loads_are_safe(LVec *v, LExpr *e)
{
    int64_t lo, hi;
    if (!e)
        return true;
    if (e->op == LX_LOAD &&
        (!lx_range(inline_lets(v, e->a), &lo, &hi) || lo < 0 || hi >= e->buf->count))
        return false;
    return loads_are_safe(v, e->a) && loads_are_safe(v, e->b) && loads_are_safe(v, e->c);
}

static LExpr *gather(LVec *v, LExpr *e)
{
    int n = known_lanes(v);
    v->gathers += v->lanes;
    if (n < 0 || v->gathers > v->gathers_max || !v->at || v->mask)
        return refuse(v, "an access that is neither uniform nor of unit stride");
    LBuf *lane = lfunc_local(v->f, v->at, "lanes", e->buf->kind, v->lanes);
    for (int i = 0; i < n; i++)
        lb_store(v->f, v->at, lane, lx_i64(v->f, i), one_lane(v, e, i), NULL);
    return lx_load(v->f, lane, lx_i64(v->f, 0), v->lanes, n < v->lanes ? lx_i64(v->f, n) : NULL);
}

static LExpr *vec_load(LVec *v, LExpr *e)
{
    int64_t coef;
    LExpr *index;
    if (e->b)
        return refuse(v, "a load that has a limit already");
    if (!linear(v, e->a, &coef, &index))
        return gather(v, e);
    if (coef == 0)
        return lx_load(v->f, e->buf, index, 1, NULL);
    if (coef == 1)
        return lx_load(v->f, e->buf, index, v->lanes, v->limit);
    return gather(v, e);
}

/* ---- integers of 64 bits ---- */

static LExpr *ramp_of(LVec *v, LKind kind, int64_t coef, LExpr *at_base)
{
    LFunc *f = v->f;
    LExpr *first = lx_cast(f, at_base, kind);
    if (coef == 1)
        return lx_ramp(f, first, v->lanes);
    LExpr *steps = lx_ramp(f, lx_int(f, kind, 0), v->lanes);
    return lx_add(f, first, lx_mul(f, steps, lx_int(f, kind, coef)));
}

/* An i64 expression known to fit 32 bits, as an i32 vector or scalar; NULL: not known to. */
static LExpr *narrow(LVec *v, LExpr *e)
{
    int64_t lo, hi, coef;
    LExpr *at_base, *plain = inline_lets(v, e);
    /* Masked lanes may run past the range: they are never used, and wrap harmlessly. */
    if (!lx_range(plain, &lo, &hi) || lo < INT32_MIN || hi > INT32_MAX || !linear(v, e, &coef, &at_base))
        return NULL;
    return coef ? ramp_of(v, LK_I32, coef, at_base) : lx_cast(v->f, at_base, LK_I32);
}

static LExpr *vec_cast(LVec *v, LExpr *e)
{
    LKind kind = (LKind)e->type.kind;
    if (e->a->type.kind == LK_I64 && differs(v, e->a)) {
        int64_t coef;
        LExpr *at_base;
        if ((kind == LK_I32 || kind == LK_U32) && linear(v, e->a, &coef, &at_base))
            return ramp_of(v, kind, coef, at_base); /* 32-bit wrapping is all that the result keeps */
        LExpr *small = narrow(v, e->a);
        if (small)
            return lx_cast(v->f, small, kind);
    }
    LExpr *a = lvec_expr(v, e->a);
    return a ? lx_cast(v->f, a, kind) : NULL;
}

static LExpr *vec_compare(LVec *v, LExpr *e)
{
    if (e->a->type.kind == LK_I64) {
        LExpr *a = narrow(v, e->a), *b = narrow(v, e->b);
        if (a && b)
            return lx_bin(v->f, e->op, a, b);
    }
    LExpr *a = lvec_expr(v, e->a), *b = a ? lvec_expr(v, e->b) : NULL;
    return b ? lx_bin(v->f, e->op, a, b) : NULL;
}

static LExpr *vec_arith(LVec *v, LExpr *e)
{
    if (e->op == LX_SELECT) {
        LExpr *cond = lvec_expr(v, e->a), *a = cond ? lvec_expr(v, e->b) : NULL,
              *b = a ? lvec_expr(v, e->c) : NULL;
        return b ? lx_select(v->f, cond, a, b) : NULL;
    }
    LExpr *a = lvec_expr(v, e->a), *b = e->b && a ? lvec_expr(v, e->b) : NULL,
          *c = e->c && b ? lvec_expr(v, e->c) : NULL;
    if (!a || (e->b && !b) || (e->c && !c))
        return NULL;
    bool is_int = !lkind_is_float((LKind)a->type.kind);
    /* A masked lane may hold a zero divisor, and no target divides integer vectors. */
    if (is_int && (e->op == LX_DIV || e->op == LX_MOD) && (!lx_constant(b) || lx_is_int(b, 0)))
        return refuse(v, "an integer division by what is not a constant");
    return lx_with(v->f, e, a, b, c);
}

static LExpr *vec_var(LVec *v, LExpr *e)
{
    if (e->var == v->lane)
        return lx_ramp(v->f, v->base, v->lanes);
    LExpr *def = lmap_get(&v->inlined, e->var);
    if (def)
        return lvec_expr(v, def);
    LExpr *to = lmap_get(&v->map, e->var);
    return to ? to : e;
}

LExpr *lvec_expr(LVec *v, LExpr *e)
{
    if (e->type.lanes != 1)
        return refuse(v, "code that is vectorised already");
    if (e->op == LX_CONST)
        return e;
    if (e->op == LX_VAR)
        return vec_var(v, e);
    if (v->mask && !loads_are_safe(v, e))
        return refuse(v, "a load that only some iterations make");
    if (!differs(v, e))
        return lx_map(v->f, &v->map, e);
    int64_t coef;
    LExpr *at_base;
    if (e->type.kind == LK_I64 && e->op != LX_LOAD && linear(v, e, &coef, &at_base))
        return ramp_of(v, LK_I64, coef, at_base);
    switch (e->op) {
    case LX_LOAD: return vec_load(v, e);
    case LX_CAST: return vec_cast(v, e);
    case LX_EQ: case LX_NE: case LX_LT: case LX_LE: return vec_compare(v, e);
    case LX_HADD: case LX_HMIN: case LX_HMAX: case LX_ZIP_LOW: case LX_ZIP_HIGH: case LX_LANE: case LX_SPLAT:
    case LX_RAMP:
        return refuse(v, "code that is vectorised already");
    default: return vec_arith(v, e);
    }
}

/* ---- statements ---- */

static bool vec_let(LVec *v, const LStmt *s)
{
    if (s->value->type.kind == LK_I64 && differs(v, s->value)) {
        lmap_set(v->f, &v->inlined, s->var, inline_lets(v, s->value));
        return true;
    }
    LExpr *value = lvec_expr(v, s->value);
    if (!value)
        return false;
    lmap_set(v->f, &v->map, s->var, lx_var(v->f, lb_let(v->f, v->at, s->var->name, value)));
    return true;
}

static bool vec_var_stmt(LVec *v, const LStmt *s)
{
    if (s->value->type.kind == LK_I64)
        return refuse(v, "a mutable index");
    LExpr *init = lvec_expr(v, s->value);
    if (!init)
        return false;
    init = lx_splat(v->f, init, v->lanes);
    lmap_set(v->f, &v->map, s->var, lx_var(v->f, lb_var(v->f, v->at, s->var->name, init)));
    return true;
}

static bool vec_set(LVec *v, const LStmt *s)
{
    LExpr *to = lmap_get(&v->map, s->var);
    if (!to || to->op != LX_VAR || to->type.lanes == 1)
        return refuse(v, "a variable carried from iteration to iteration");
    LExpr *value = lvec_expr(v, s->value);
    if (!value)
        return false;
    if (v->mask)
        value = lx_select(v->f, v->mask, value, to);
    if (v->live)
        value = lx_select(v->f, v->live, value, to);
    lb_set(v->f, v->at, (LVar *)to->var, value);
    return true;
}

static bool vec_store(LVec *v, const LStmt *s)
{
    int64_t coef;
    LExpr *index;
    if (v->mask)
        return refuse(v, "a store that only some iterations make");
    if (s->limit)
        return refuse(v, "a store that has a limit already");
    bool affine = linear(v, s->index, &coef, &index);
    if (affine && coef == 0)
        return refuse(v, "a store to one place by every iteration");
    LExpr *value = lvec_expr(v, s->value);
    if (!value)
        return false;
    value = lx_splat(v->f, value, v->lanes);
    if (affine && coef == 1) {
        lb_store(v->f, v->at, s->buf, index, value, v->limit);
        return true;
    }
    int n = known_lanes(v);
    v->gathers += v->lanes;
    if (n < 0 || v->gathers > v->gathers_max)
        return refuse(v, "a store that is not of unit stride");
    LExpr *all = lx_var(v->f, lb_let(v->f, v->at, "lanes", value));
    for (int i = 0; i < n; i++)
        lb_store(v->f, v->at, s->buf, one_lane(v, s->index, i), lx_lane(v->f, all, i), NULL);
    return true;
}

/* Of the first lane; where that is no place in memory of its own, not at all. */
static bool vec_prefetch(LVec *v, const LStmt *s)
{
    int64_t coef;
    LExpr *index;
    if (linear(v, s->index, &coef, &index))
        lb_prefetch(v->f, v->at, s->buf, index);
    return true;
}

static bool vec_for(LVec *v, const LStmt *s)
{
    if (s->for_kind == LF_PARALLEL || differs(v, s->lo) || differs(v, s->hi) || v->mask)
        return refuse(v, "an inner loop whose bounds differ between iterations");
    LBlock *outer = v->at;
    LStmt *to = lb_for(v->f, outer, s->var->name, lx_map(v->f, &v->map, s->lo),
                       lx_map(v->f, &v->map, s->hi), s->step, s->for_kind);
    lmap_set(v->f, &v->map, s->var, lx_var(v->f, to->var));
    bool done = lvec_block(v, &s->body, &to->body);
    v->at = outer;
    return done;
}

static bool vec_if(LVec *v, const LStmt *s)
{
    LExpr *cond = lvec_expr(v, s->value);
    LBlock *outer = v->at;
    if (!cond)
        return false;
    if (cond->op == LX_CONST) {
        return lvec_block(v, cond->ival ? &s->body : &s->other, outer);
    }
    bool done;
    if (cond->type.lanes == 1 && !v->mask) {
        LStmt *to = lb_if_odds(v->f, outer, cond, s->odds[0], s->odds[1]);
        done = lvec_block(v, &s->body, &to->body) && lvec_block(v, &s->other, &to->other);
        v->at = outer;
        return done;
    }
    LExpr *mask = v->mask;
    cond = lx_splat(v->f, cond, v->lanes);
    cond = lx_var(v->f, lb_let(v->f, outer, "mask", cond));
    v->mask = mask ? lx_bin(v->f, LX_AND, mask, cond) : cond;
    done = lvec_block(v, &s->body, outer);
    LExpr *inverse = lx_un(v->f, LX_NOT, cond);
    v->mask = mask ? lx_bin(v->f, LX_AND, mask, inverse) : inverse;
    done = done && lvec_block(v, &s->other, outer);
    v->mask = mask;
    return done;
}

static bool vec_stmt(LVec *v, const LStmt *s)
{
    switch (s->kind) {
    case LS_LET: return vec_let(v, s);
    case LS_VAR: return vec_var_stmt(v, s);
    case LS_SET: return vec_set(v, s);
    case LS_STORE: return vec_store(v, s);
    case LS_FOR: return vec_for(v, s);
    case LS_IF: return vec_if(v, s);
    case LS_PREFETCH: return vec_prefetch(v, s);
    case LS_LOCAL: return refuse(v, "a local buffer of each iteration");
    case LS_NOTE: lb_note(v->f, v->at, s->note); return true;
    }
    return false;
}

bool lvec_block(LVec *v, const LBlock *src, LBlock *dst)
{
    v->at = dst;
    for (int i = 0; i < src->len; i++) {
        if (!vec_stmt(v, src->data[i]))
            return false;
        v->at = dst;
    }
    return true;
}

/* ---- independence of iterations ---- */

typedef struct {
    LFunc *f;
    const LVar *lane;
    LMap lets;               /* i64 lets of the block, by their definitions */
    Vec(const LVar *) inner; /* defined inside the block */
    Vec(struct Touch { const LBuf *buf; LExpr *index; bool write; int lanes; }) touch;
} Scan;

static void scan_expr(Scan *k, LExpr *e)
{
    if (!e)
        return;
    if (e->op == LX_LOAD) {
        struct Touch t = { e->buf, lx_map(k->f, &k->lets, e->a), false, e->type.lanes };
        VEC_PUSH(k->f->arena, &k->touch, t);
    }
    scan_expr(k, e->a);
    scan_expr(k, e->b);
    scan_expr(k, e->c);
}

static void scan_block(Scan *k, const LBlock *b)
{
    for (int i = 0; i < b->len; i++) {
        LStmt *s = b->data[i];
        LExpr *part[] = { s->index, s->value, s->limit, s->lo, s->hi };
        for (size_t j = 0; j < sizeof part / sizeof *part; j++)
            scan_expr(k, part[j]);
        if (s->kind == LS_LET && s->var->type.kind == LK_I64 && s->var->type.lanes == 1)
            lmap_set(k->f, &k->lets, s->var, lx_map(k->f, &k->lets, s->value));
        if (s->kind == LS_LET || s->kind == LS_VAR || s->kind == LS_FOR)
            VEC_PUSH(k->f->arena, &k->inner, s->var);
        if (s->kind == LS_STORE) {
            struct Touch t = { s->buf, lx_map(k->f, &k->lets, s->index), true, s->value->type.lanes };
            VEC_PUSH(k->f->arena, &k->touch, t);
        }
        scan_block(k, &s->body);
        scan_block(k, &s->other);
    }
}

static bool changes_inside(const Scan *k, const LExpr *atom)
{
    bool inner = lx_uses(atom, k->lane) || lx_reads_memory(atom);
    for (int j = 0; j < k->inner.len; j++)
        inner = inner || lx_uses(atom, k->inner.data[j]);
    return inner;
}

static int64_t gcd(int64_t a, int64_t b)
{
    while (b) {
        int64_t r = a % b;
        a = b;
        b = r;
    }
    return a < 0 ? -a : a;
}

/* Different iterations never touch the same element through this index: it is coef * lane + rest with
 * coef not 0, and whatever changes inside an iteration moves it past all that the lane can reach. */
static bool own_element(const Scan *k, LExpr *index)
{
    LAffine s = lx_affine(index);
    int64_t coef = 0, stride = 0, reach, extent;
    for (int i = 0; i < s.n; i++) {
        LExpr *atom = s.term[i].atom;
        if (atom->op == LX_VAR && atom->var == k->lane) {
            coef = s.term[i].coef;
        } else if (changes_inside(k, atom)) {
            if (atom->op != LX_VAR)
                return false;
            stride = gcd(stride, s.term[i].coef);
        }
    }
    if (!coef || s.overflow)
        return false;
    if (!stride)
        return true;
    if (!k->lane->ranged || __builtin_sub_overflow(k->lane->max, k->lane->min, &extent) ||
        __builtin_mul_overflow(extent, coef, &reach))
        return false;
    return (reach < 0 ? -reach : reach) < stride;
}

/* Two rows of accumulators in one buffer: the same coefficient, too far apart for the loop's range. */
static bool never_meet(Scan *k, const struct Touch *a, const struct Touch *b)
{
    int64_t ka, kb, distance;
    LExpr *ra, *rb;
    if (a->lanes > 1 || b->lanes > 1 || !k->lane->ranged || !lx_linear(k->f, a->index, k->lane, &ka, &ra) ||
        !lx_linear(k->f, b->index, k->lane, &kb, &rb) || ka != kb || ka == 0)
        return false;
    LExpr *d = lx_bin(k->f, LX_SUB, ra, rb);
    if (d->op != LX_CONST || d->ival == 0)
        return false;
    distance = d->ival < 0 ? -d->ival : d->ival;
    return distance > (ka < 0 ? -ka : ka) * (k->lane->max - k->lane->min);
}

bool lvec_independent(LFunc *f, const LBlock *block, const LVar *lane, const char **why)
{
    Scan k = { .f = f, .lane = lane };
    scan_block(&k, block);
    for (int i = 0; i < k.touch.len; i++) {
        struct Touch *w = &k.touch.data[i];
        if (!w->write)
            continue;
        for (int j = 0; j < k.touch.len; j++) {
            struct Touch *t = &k.touch.data[j];
            if (t->buf != w->buf || never_meet(&k, w, t))
                continue;
            if (w->lanes > 1 || t->lanes > 1 || !lx_equal(t->index, w->index) || !own_element(&k, w->index)) {
                *why = "iterations that touch each other's elements";
                return false;
            }
        }
    }
    return true;
}
