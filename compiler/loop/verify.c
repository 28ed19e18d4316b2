/* What every loop function must satisfy: typed trees, definitions that dominate uses, accesses that fit
 * the buffers' roles and, where the index is constant, their size, and parallel loops whose iterations
 * do not visibly write the same place or a variable of the outside. Returns the first fault as text. */
#include "loop/expr.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    const LFunc *f;
    Arena *arena;
    const LVar **vars;   /* by id: in scope, or NULL */
    const LBuf **bufs;   /* by id: in scope, or NULL */
    int *var_level;      /* parallel nesting a variable was defined at */
    int *buf_level;
    bool *varies;        /* may differ between iterations of the innermost parallel loop */
    int level;           /* parallel loops around here */
    const LStmt *par;    /* innermost parallel loop, or NULL */
    bool guarded;        /* inside an `if` that depends on the iteration */
    const char *fault;
} Check;

static bool fail(Check *k, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool fail(Check *k, const char *format, ...)
{
    if (!k->fault) {
        va_list args;
        va_start(args, format);
        const char *text = arena_vprintf(k->arena, format, args);
        va_end(args);
        k->fault = arena_printf(k->arena, "@%s: %s", k->f->name, text);
    }
    return false;
}

static const char *show(Check *k, LType t)
{
    return t.lanes == 1 ? lkind_name((LKind)t.kind)
                        : arena_printf(k->arena, "%sx%d", lkind_name((LKind)t.kind), t.lanes);
}

static bool same_type(LType a, LType b) { return a.kind == b.kind && a.lanes == b.lanes; }
static bool is_i64(const LExpr *e) { return e->type.kind == LK_I64 && e->type.lanes == 1; }
static bool good_type(LType t)
{
    int n = t.lanes;
    return t.kind <= LK_BOOL && (n == 1 || n == 4 || n == 8 || n == 16 || n == 32);
}

/* ---- expressions ---- */

static bool operand_kinds(LOp op, LKind kind)
{
    bool is_float = lkind_is_float(kind);
    switch (op) {
    case LX_SQRT: case LX_FLOOR: case LX_ROUND:
        return is_float;
    case LX_MOD: case LX_SHL: case LX_SHR:
        return !is_float && kind != LK_BOOL;
    case LX_AND: case LX_OR: case LX_XOR: case LX_NOT:
        return !is_float;
    case LX_EXP: case LX_LOG: case LX_TANH: case LX_SIGMOID: case LX_ERF: case LX_SIN: case LX_POW:
        return kind == LK_F32;
    case LX_ADD: case LX_SUB: case LX_MUL: case LX_DIV: case LX_MIN: case LX_MAX: case LX_NEG:
    case LX_ABS: case LX_FMA: case LX_HADD: case LX_HMIN: case LX_HMAX: case LX_LT: case LX_LE:
        return kind != LK_BOOL;
    default:
        return true;
    }
}

static bool check_arith(Check *k, const LExpr *e)
{
    LType t = e->a->type;
    bool comparison = e->op >= LX_EQ && e->op <= LX_LE;
    if ((e->op == LX_ZIP_LOW || e->op == LX_ZIP_HIGH) && t.lanes == 1)
        return fail(k, "'%s' of scalars", lop_name(e->op));
    if (!operand_kinds(e->op, (LKind)t.kind))
        return fail(k, "'%s' is not defined on %s", lop_name(e->op), show(k, t));
    if ((e->b && !same_type(e->b->type, t)) || (e->c && !same_type(e->c->type, t)))
        return fail(k, "operands of '%s' differ: %s and %s", lop_name(e->op), show(k, t),
                    show(k, e->b && !same_type(e->b->type, t) ? e->b->type : e->c->type));
    LType want = comparison ? ltype(LK_BOOL, t.lanes) : t;
    if (!same_type(e->type, want))
        return fail(k, "'%s' of %s has type %s", lop_name(e->op), show(k, t), show(k, e->type));
    return true;
}

static bool check_conversion(Check *k, const LExpr *e)
{
    LType from = e->a->type, to = e->type;
    bool good = true;
    switch (e->op) {
    case LX_SELECT:
        good = from.kind == LK_BOOL && from.lanes == to.lanes && same_type(e->b->type, to) &&
               same_type(e->c->type, to);
        break;
    case LX_CAST: good = from.lanes == to.lanes; break;
    case LX_BITCAST:
        good = from.lanes == to.lanes && from.kind != LK_BOOL && to.kind != LK_BOOL &&
               lkind_bytes((LKind)from.kind) == lkind_bytes((LKind)to.kind);
        break;
    case LX_SPLAT: good = from.lanes == 1 && to.lanes > 1 && from.kind == to.kind; break;
    case LX_RAMP:
        good = from.lanes == 1 && to.lanes > 1 && from.kind == to.kind &&
               !lkind_is_float((LKind)from.kind) && from.kind != LK_BOOL;
        break;
    case LX_LANE:
        good = from.lanes > 1 && to.lanes == 1 && from.kind == to.kind && e->ival >= 0 &&
               e->ival < from.lanes;
        break;
    default: /* horizontal */
        good = from.lanes > 1 && to.lanes == 1 && from.kind == to.kind &&
               operand_kinds(e->op, (LKind)from.kind);
        break;
    }
    return good || fail(k, "'%s' cannot make %s of %s", lop_name(e->op), show(k, to), show(k, from));
}

static bool check_access(Check *k, const LBuf *buf, const LExpr *index, const LExpr *limit, LType t,
                         const char *what)
{
    if (!buf || buf->id < 0 || buf->id >= k->f->n_bufs || k->bufs[buf->id] != buf)
        return fail(k, "%s of a buffer that is not declared here", what);
    if (!is_i64(index))
        return fail(k, "%s of %%%s: the index is %s, not i64", what, buf->name, show(k, index->type));
    if (t.kind != buf->kind)
        return fail(k, "%s of %%%s: %s in a buffer of %s", what, buf->name, show(k, t),
                    lkind_name(buf->kind));
    if (limit && t.lanes == 1)
        return fail(k, "%s of %%%s: a limit needs a vector", what, buf->name);
    if (limit && !is_i64(limit))
        return fail(k, "%s of %%%s: the limit is %s, not i64", what, buf->name, show(k, limit->type));
    int64_t n = limit ? 1 : t.lanes;
    if (limit && limit->op == LX_CONST)
        n = limit->ival < 0 ? 0 : limit->ival < t.lanes ? limit->ival : t.lanes;
    if (index->op == LX_CONST && n && (index->ival < 0 || index->ival > buf->count - n))
        return fail(k, "%s of %%%s[%lld] (%d lanes) is outside its %lld elements", what, buf->name,
                    (long long)index->ival, t.lanes, (long long)buf->count);
    return true;
}

static bool check_expr(Check *k, const LExpr *e)
{
    if (!good_type(e->type))
        return fail(k, "a value of %d lanes: 1, 4, 8, 16 or 32 are allowed", e->type.lanes);
    const LExpr *arg[3] = { e->a, e->b, e->c };
    int arity = lop_arity(e->op);
    for (int i = 0; i < 3; i++) {
        bool may_be = e->op == LX_LOAD && i == 1;
        if (!may_be && (arg[i] != NULL) != (i < arity))
            return fail(k, "'%s' takes %d operands", lop_name(e->op), arity);
        if (arg[i] && !check_expr(k, arg[i]))
            return false;
    }
    switch (e->op) {
    case LX_CONST:
        return e->type.lanes == 1 || fail(k, "a constant of %s: splat it", show(k, e->type));
    case LX_VAR:
        if (!e->var || e->var->id < 0 || e->var->id >= k->f->n_vars || k->vars[e->var->id] != e->var)
            return fail(k, "%%%s is used where it is not defined", e->var ? e->var->name : "?");
        return same_type(e->type, e->var->type) ||
               fail(k, "%%%s is %s, read as %s", e->var->name, show(k, e->var->type), show(k, e->type));
    case LX_LOAD:
        /* Reading a result back is in-place work and partial sums: roles forbid writes, not reads. */
        return check_access(k, e->buf, e->a, e->b, e->type, "load");
    case LX_SELECT: case LX_CAST: case LX_BITCAST: case LX_SPLAT: case LX_RAMP: case LX_LANE:
    case LX_HADD: case LX_HMIN: case LX_HMAX:
        return check_conversion(k, e);
    default:
        return check_arith(k, e);
    }
}

/* May e differ between iterations of the innermost parallel loop? Memory is taken to. */
static bool varies(const Check *k, const LExpr *e)
{
    if (!e || e->op == LX_CONST)
        return false;
    if (e->op == LX_LOAD)
        return true;
    if (e->op == LX_VAR)
        return k->varies[e->var->id];
    return varies(k, e->a) || varies(k, e->b) || varies(k, e->c);
}

/* ---- statements ---- */

static bool define(Check *k, const LVar *v, bool varying)
{
    if (!v || v->id < 0 || v->id >= k->f->n_vars)
        return fail(k, "a variable with a number outside the function's");
    if (k->vars[v->id])
        return fail(k, "%%%s is defined twice", v->name);
    k->vars[v->id] = v;
    k->var_level[v->id] = k->level;
    k->varies[v->id] = varying;
    return true;
}

static bool check_block(Check *k, const LBlock *b);

static bool known_trips(const LStmt *s, int64_t at_least)
{
    return s->lo->op == LX_CONST && s->hi->op == LX_CONST &&
           s->hi->ival - s->lo->ival > (at_least - 1) * s->step;
}

/* True where two iterations of the innermost parallel loop certainly write one place. */
static bool collides(const Check *k, const LStmt *s)
{
    if (!k->par || k->guarded || !known_trips(k->par, 2) || k->buf_level[s->buf->id] >= k->level)
        return false;
    if (s->limit && (s->limit->op != LX_CONST || s->limit->ival < 1))
        return false;
    if (!varies(k, s->index))
        return true;
    LAffine sum = lx_affine(s->index);
    int64_t coef = 0;
    for (int i = 0; i < sum.n; i++) {
        const LExpr *atom = sum.term[i].atom;
        if (atom->op == LX_VAR && atom->var == k->par->var)
            coef = sum.term[i].coef;
        else if (varies(k, atom))
            return false;
    }
    int64_t lanes = s->limit ? s->limit->ival : s->value->type.lanes;
    return !sum.overflow && llabs(coef * k->par->step) < lanes;
}

static bool check_store(Check *k, const LStmt *s)
{
    if (!check_expr(k, s->index) || !check_expr(k, s->value) || (s->limit && !check_expr(k, s->limit)) ||
        !check_access(k, s->buf, s->index, s->limit, s->value->type, "store"))
        return false;
    if (s->buf->role == LB_IN)
        return fail(k, "store to %%%s, which is only read", s->buf->name);
    if (collides(k, s))
        return fail(k, "iterations of parallel %%%s write the same elements of %%%s", k->par->var->name,
                    s->buf->name);
    return true;
}

static bool check_for(Check *k, const LStmt *s)
{
    if (!check_expr(k, s->lo) || !check_expr(k, s->hi))
        return false;
    if (!is_i64(s->lo) || !is_i64(s->hi) || !same_type(s->var->type, ltype(LK_I64, 1)))
        return fail(k, "loop %%%s: variable and bounds must be i64", s->var->name);
    if (s->step < 1)
        return fail(k, "loop %%%s: step %lld is not positive", s->var->name, (long long)s->step);
    if (s->var->mutable_)
        return fail(k, "loop %%%s: the variable of a loop cannot be mutable", s->var->name);
    Check outer = *k;
    bool *outer_varies = NULL;
    if (s->for_kind == LF_PARALLEL) {
        size_t n = (size_t)k->f->n_vars + 1;
        outer_varies = k->varies;
        k->varies = ARENA_ARRAY(k->arena, bool, n); /* what is outside is the same for all iterations */
        k->level++;
        k->par = s;
        k->guarded = false;
    }
    bool varying = s->for_kind == LF_PARALLEL || varies(k, s->lo) || varies(k, s->hi);
    if (!define(k, s->var, varying) || !check_block(k, &s->body))
        return false;
    k->vars[s->var->id] = NULL;
    k->level = outer.level;
    k->par = outer.par;
    k->guarded = outer.guarded;
    if (outer_varies)
        k->varies = outer_varies;
    return true;
}

static bool check_set(Check *k, const LStmt *s)
{
    const LVar *v = s->var;
    if (v->id < 0 || v->id >= k->f->n_vars || k->vars[v->id] != v)
        return fail(k, "%%%s is set where it is not defined", v->name);
    if (!v->mutable_)
        return fail(k, "%%%s is set, but it is not a var", v->name);
    if (!same_type(v->type, s->value->type))
        return fail(k, "%%%s is %s, set to %s", v->name, show(k, v->type), show(k, s->value->type));
    if (k->var_level[v->id] < k->level)
        return fail(k, "%%%s is set inside parallel %%%s but defined outside it", v->name,
                    k->par->var->name);
    return true;
}

static bool check_if(Check *k, const LStmt *s)
{
    if (!check_expr(k, s->value))
        return false;
    if (!same_type(s->value->type, ltype(LK_BOOL, 1)))
        return fail(k, "a condition of %s, not bool", show(k, s->value->type));
    if (s->odds[0] < 0 || s->odds[1] < 0)
        return fail(k, "odds below 0");
    bool outer = k->guarded;
    /* A branch that is the same for all iterations may still not be taken. */
    k->guarded = true;
    bool good = check_block(k, &s->body) && check_block(k, &s->other);
    k->guarded = outer;
    return good;
}

static bool check_stmt(Check *k, const LStmt *s)
{
    switch (s->kind) {
    case LS_LET: case LS_VAR:
        if (!check_expr(k, s->value))
            return false;
        if (s->var->mutable_ != (s->kind == LS_VAR))
            return fail(k, "%%%s: let defines an immutable variable, var a mutable one", s->var->name);
        if (!same_type(s->var->type, s->value->type))
            return fail(k, "%%%s is %s, its value %s", s->var->name, show(k, s->var->type),
                        show(k, s->value->type));
        return define(k, s->var, s->kind == LS_VAR || varies(k, s->value));
    case LS_SET:
        return check_expr(k, s->value) && check_set(k, s);
    case LS_STORE: return check_store(k, s);
    case LS_FOR: return check_for(k, s);
    case LS_IF: return check_if(k, s);
    case LS_LOCAL:
        if (s->buf->role != LB_LOCAL || s->buf->count < 1)
            return fail(k, "local %%%s must be a local buffer of at least one element", s->buf->name);
        if (s->buf->id < 0 || s->buf->id >= k->f->n_bufs || k->bufs[s->buf->id])
            return fail(k, "local %%%s is declared twice", s->buf->name);
        k->bufs[s->buf->id] = s->buf;
        k->buf_level[s->buf->id] = k->level;
        return true;
    case LS_PREFETCH:
        if (!s->buf || s->buf->id < 0 || s->buf->id >= k->f->n_bufs || k->bufs[s->buf->id] != s->buf)
            return fail(k, "prefetch of a buffer that is not defined here");
        return check_expr(k, s->index) &&
               (is_i64(s->index) || fail(k, "prefetch of %%%s: the index is %s, not i64", s->buf->name,
                                         show(k, s->index->type)));
    case LS_NOTE:
        return s->note || fail(k, "a note without text");
    }
    return fail(k, "a statement of unknown kind %d", (int)s->kind);
}

static bool check_block(Check *k, const LBlock *b)
{
    for (int i = 0; i < b->len; i++)
        if (!check_stmt(k, b->data[i]))
            return false;
    for (int i = 0; i < b->len; i++) { /* the scope ends */
        const LStmt *s = b->data[i];
        if (s->kind == LS_LET || s->kind == LS_VAR)
            k->vars[s->var->id] = NULL;
        else if (s->kind == LS_LOCAL)
            k->bufs[s->buf->id] = NULL;
    }
    return true;
}

/* ---- the function ---- */

typedef Vec(const char *) Names;

static void gather_names(Check *k, const LBlock *b, Names *names)
{
    for (int i = 0; i < b->len; i++) {
        const LStmt *s = b->data[i];
        if (s->kind == LS_LET || s->kind == LS_VAR || s->kind == LS_FOR)
            VEC_PUSH(k->arena, names, s->var->name);
        if (s->kind == LS_LOCAL)
            VEC_PUSH(k->arena, names, s->buf->name);
        gather_names(k, &s->body, names);
        gather_names(k, &s->other, names);
    }
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool check_names(Check *k)
{
    Names names = { 0 };
    for (int i = 0; i < k->f->params.len; i++)
        VEC_PUSH(k->arena, &names, k->f->params.data[i]->name);
    gather_names(k, &k->f->body, &names);
    if (names.len)
        qsort(names.data, (size_t)names.len, sizeof *names.data, by_text);
    for (int i = 1; i < names.len; i++)
        if (strcmp(names.data[i], names.data[i - 1]) == 0)
            return fail(k, "the name %%%s is used twice", names.data[i]);
    return true;
}

static bool check_params(Check *k)
{
    const LFunc *f = k->f;
    for (int i = 0; i < f->params.len; i++) {
        const LBuf *b = f->params.data[i];
        if (b->role == LB_LOCAL)
            return fail(k, "parameter %%%s has the role of a local", b->name);
        if (b->id < 0 || b->id >= f->n_bufs || k->bufs[b->id])
            return fail(k, "parameter %%%s has a number outside the function's, or one taken", b->name);
        k->bufs[b->id] = b;
    }
    if (f->scratch_bytes > 0) {
        const LBuf *last = f->params.len ? f->params.data[f->params.len - 1] : NULL;
        if (!last || last->role != LB_INOUT || last->count * lkind_bytes(last->kind) > f->scratch_bytes)
            return fail(k, "scratch needs a last parameter of its size, inout");
    }
    if (f->uses_ctx && (!f->seed || !f->step || !f->epoch))
        return fail(k, "the context is used without its variables");
    return !f->uses_ctx ||
           (define(k, f->seed, false) && define(k, f->step, false) && define(k, f->epoch, false));
}

const char *loop_verify(const LFunc *f, Arena *arena)
{
    Check k = { .f = f, .arena = arena };
    k.vars = ARENA_ARRAY(arena, const LVar *, f->n_vars + 1);
    k.bufs = ARENA_ARRAY(arena, const LBuf *, f->n_bufs + 1);
    k.var_level = ARENA_ARRAY(arena, int, f->n_vars + 1);
    k.buf_level = ARENA_ARRAY(arena, int, f->n_bufs + 1);
    k.varies = ARENA_ARRAY(arena, bool, f->n_vars + 1);
    (void)(check_names(&k) && check_params(&k) && check_block(&k, &f->body));
    return k.fault;
}
