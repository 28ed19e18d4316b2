/* A tree-walking interpreter of loop functions. Requires: a function that loop_verify accepts.
 * Establishes the same memory as compiled code would, to the bit where the target has fused
 * multiply-add; or a text that says what went wrong first. Locals start as all-ones bits (NaN). */
#include "loop/expr.h"

#include <string.h>

enum { MAX_LANES = 32 };

typedef struct {
    LVal lane[MAX_LANES];
} Value;

typedef struct {
    const LFunc *func;
    Arena *arena;
    Value *vars;      /* by var id */
    char **memory;    /* by buffer id */
    const char *fault;
} Eval;

static void eval_expr(Eval *ev, const LExpr *e, Value *out);

static int64_t eval_i64(Eval *ev, const LExpr *e)
{
    Value v;
    eval_expr(ev, e, &v);
    return v.lane[0].i;
}

static LVal read_memory(const char *p, LKind kind)
{
    LVal v = { 0, 0 };
    switch (kind) {
    case LK_F32: { float x; memcpy(&x, p, sizeof x); v.f = (double)x; break; }
    case LK_F64: memcpy(&v.f, p, sizeof v.f); break;
    case LK_I32: { int32_t x; memcpy(&x, p, sizeof x); v.i = x; break; }
    case LK_U32: { uint32_t x; memcpy(&x, p, sizeof x); v.i = x; break; }
    case LK_I64: case LK_U64: memcpy(&v.i, p, sizeof v.i); break;
    case LK_BOOL: v.i = *p != 0; break;
    }
    return v;
}

static void write_memory(char *p, LKind kind, LVal v)
{
    switch (kind) {
    case LK_F32: { float x = (float)v.f; memcpy(p, &x, sizeof x); break; }
    case LK_F64: memcpy(p, &v.f, sizeof v.f); break;
    case LK_I32: case LK_U32: { uint32_t x = (uint32_t)(uint64_t)v.i; memcpy(p, &x, sizeof x); break; }
    case LK_I64: case LK_U64: memcpy(p, &v.i, sizeof v.i); break;
    case LK_BOOL: *p = v.i != 0; break;
    }
}

static int count_lanes(Eval *ev, const LExpr *limit, int lanes)
{
    if (!limit)
        return lanes;
    int64_t n = eval_i64(ev, limit);
    return n < 0 ? 0 : n < lanes ? (int)n : lanes;
}

/* Address of lanes [index, index + n) of buf, or NULL with a fault. */
static char *access(Eval *ev, const LBuf *buf, int64_t index, int n, const char *what)
{
    if (ev->fault || !n)
        return NULL;
    if (index < 0 || index > buf->count - n) {
        ev->fault = arena_printf(ev->arena, "%s of %%%s[%lld..%lld] is outside its %lld elements", what,
                                 buf->name, (long long)index, (long long)index + n - 1,
                                 (long long)buf->count);
        return NULL;
    }
    char *base = ev->memory[buf->id];
    if (!base)
        ev->fault = arena_printf(ev->arena, "%s of %%%s, which has no memory here", what, buf->name);
    return base ? base + index * lkind_bytes(buf->kind) : NULL;
}

static void eval_load(Eval *ev, const LExpr *e, Value *out)
{
    int lanes = e->type.lanes, n = count_lanes(ev, e->b, lanes);
    char *p = access(ev, e->buf, eval_i64(ev, e->a), n, "load");
    for (int i = 0; i < lanes; i++)
        out->lane[i] = p && i < n ? read_memory(p + i * lkind_bytes(e->buf->kind), e->buf->kind)
                                  : (LVal){ 0, 0 };
}

/* Halves folded: lane i with lane i + n/2, until one is left. */
static void eval_horizontal(Eval *ev, const LExpr *e, Value *out)
{
    LOp op = e->op == LX_HADD ? LX_ADD : e->op == LX_HMIN ? LX_MIN : LX_MAX;
    LKind kind = (LKind)e->type.kind;
    eval_expr(ev, e->a, out);
    for (int n = e->a->type.lanes / 2; n >= 1; n /= 2)
        for (int i = 0; i < n; i++)
            lval_apply(op, kind, kind, out->lane[i], out->lane[i + n], (LVal){ 0, 0 }, &out->lane[i]);
}

static void eval_zip(Eval *ev, const LExpr *e, Value *out)
{
    Value a, b;
    int half = e->type.lanes / 2, from = e->op == LX_ZIP_HIGH ? half : 0;
    eval_expr(ev, e->a, &a);
    eval_expr(ev, e->b, &b);
    for (int i = 0; i < half; i++) {
        out->lane[2 * i] = a.lane[from + i];
        out->lane[2 * i + 1] = b.lane[from + i];
    }
}

static void eval_ramp(const LExpr *e, Value *out)
{
    LVal first = out->lane[0];
    for (int i = 0; i < e->type.lanes; i++)
        out->lane[i] = lval_fit((LKind)e->type.kind, (LVal){ (int64_t)((uint64_t)first.i + (uint64_t)i), 0 });
}

static void eval_lanes(Eval *ev, const LExpr *e, Value *out)
{
    Value a, b, c;
    int lanes = e->type.lanes;
    if (!e->b)
        memset(&b, 0, sizeof *b.lane * (size_t)lanes);
    if (!e->c)
        memset(&c, 0, sizeof *c.lane * (size_t)lanes);
    eval_expr(ev, e->a, &a);
    if (e->b)
        eval_expr(ev, e->b, &b);
    if (e->c)
        eval_expr(ev, e->c, &c);
    for (int i = 0; i < lanes && !ev->fault; i++) {
        if (e->op == LX_SELECT)
            out->lane[i] = a.lane[i].i ? b.lane[i] : c.lane[i];
        else
            ev->fault = lval_apply(e->op, (LKind)e->a->type.kind, (LKind)e->type.kind, a.lane[i],
                                   b.lane[i], c.lane[i], &out->lane[i]);
    }
}

static void eval_expr(Eval *ev, const LExpr *e, Value *out)
{
    if (ev->fault) {
        memset(out, 0, sizeof *out);
        return;
    }
    switch (e->op) {
    case LX_CONST:
        out->lane[0] = (LVal){ e->ival, e->fval };
        break;
    case LX_VAR:
        memcpy(out, &ev->vars[e->var->id], sizeof(LVal) * e->type.lanes);
        break;
    case LX_LOAD:
        eval_load(ev, e, out);
        break;
    case LX_SPLAT:
        eval_expr(ev, e->a, out);
        for (int i = 1; i < e->type.lanes; i++)
            out->lane[i] = out->lane[0];
        break;
    case LX_RAMP:
        eval_expr(ev, e->a, out);
        eval_ramp(e, out);
        break;
    case LX_LANE:
        eval_expr(ev, e->a, out);
        out->lane[0] = out->lane[e->ival];
        break;
    case LX_HADD: case LX_HMIN: case LX_HMAX:
        eval_horizontal(ev, e, out);
        break;
    case LX_ZIP_LOW: case LX_ZIP_HIGH:
        eval_zip(ev, e, out);
        break;
    default:
        eval_lanes(ev, e, out);
        break;
    }
}

static void eval_block(Eval *ev, const LBlock *b);

static void eval_for(Eval *ev, const LStmt *s)
{
    int64_t lo = eval_i64(ev, s->lo), hi = eval_i64(ev, s->hi);
    if (lo >= hi)
        return;
    int64_t trips = (hi - lo - 1) / s->step + 1;
    bool backwards = s->for_kind == LF_PARALLEL;
    for (int64_t t = 0; t < trips && !ev->fault; t++) {
        ev->vars[s->var->id].lane[0].i = lo + (backwards ? trips - 1 - t : t) * s->step;
        eval_block(ev, &s->body);
    }
}

static void eval_store(Eval *ev, const LStmt *s)
{
    Value v;
    eval_expr(ev, s->value, &v);
    int n = count_lanes(ev, s->limit, s->value->type.lanes);
    char *p = access(ev, s->buf, eval_i64(ev, s->index), n, "store");
    for (int i = 0; p && i < n; i++)
        write_memory(p + i * lkind_bytes(s->buf->kind), s->buf->kind, v.lane[i]);
}

static void eval_local(Eval *ev, const LBuf *buf)
{
    size_t bytes = (size_t)buf->count * (size_t)lkind_bytes(buf->kind);
    if (!ev->memory[buf->id])
        ev->memory[buf->id] = arena_alloc(ev->arena, bytes);
    memset(ev->memory[buf->id], 0xff, bytes);
    for (int64_t i = 0; buf->data && i < buf->count; i++) /* a table of constants */
        write_memory(ev->memory[buf->id] + i * lkind_bytes(buf->kind), buf->kind,
                     (LVal){ lkind_is_float(buf->kind) ? 0 : (int64_t)buf->data[i], buf->data[i] });
}

static void eval_stmt(Eval *ev, const LStmt *s)
{
    Value v;
    switch (s->kind) {
    case LS_LET: case LS_VAR: case LS_SET:
        eval_expr(ev, s->value, &v);
        memcpy(&ev->vars[s->var->id], &v, sizeof(LVal) * s->var->type.lanes);
        break;
    case LS_STORE: eval_store(ev, s); break;
    case LS_FOR: eval_for(ev, s); break;
    case LS_IF: eval_block(ev, eval_i64(ev, s->value) ? &s->body : &s->other); break;
    case LS_LOCAL: eval_local(ev, s->buf); break;
    case LS_PREFETCH: case LS_NOTE: break;
    }
}

static void eval_block(Eval *ev, const LBlock *b)
{
    for (int i = 0; i < b->len && !ev->fault; i++)
        eval_stmt(ev, b->data[i]);
}

const char *lfunc_eval(const LFunc *f, void *const *buffers, const nnr_ctx *ctx, Arena *arena)
{
    Eval ev = { .func = f, .arena = arena };
    ev.vars = ARENA_ARRAY(arena, Value, f->n_vars + 1);
    ev.memory = ARENA_ARRAY(arena, char *, f->n_bufs + 1);
    for (int i = 0; i < f->params.len; i++)
        ev.memory[f->params.data[i]->id] = buffers[i];
    if (f->uses_ctx && ctx) {
        ev.vars[f->seed->id].lane[0].i = (int64_t)ctx->seed;
        ev.vars[f->step->id].lane[0].i = (int64_t)ctx->step;
        ev.vars[f->epoch->id].lane[0].i = ctx->epoch;
    }
    eval_block(&ev, &f->body);
    return ev.fault;
}
