/* Builders of functions and statements. Establishes: names unique in their function and fit to be C
 * identifiers, loop variables with their known ranges, statements without effect left out (a loop over
 * nothing is still appended: callers fill its body). */
#include "loop/expr.h"

#include <ctype.h>
#include <string.h>

struct LNames {
    Intern *tab;
    const char **taken; /* open addressing over interned pointers */
    int *next;          /* suffix to try next for that name */
    int n, cap;         /* cap is a power of two */
};

static int names_slot(const struct LNames *t, const char *name)
{
    int k = (int)((((uintptr_t)name >> 4) * 0x9e3779b97f4a7c15u) >> 40) & (t->cap - 1);
    while (t->taken[k] && t->taken[k] != name)
        k = (k + 1) & (t->cap - 1);
    return k;
}

static void names_rehash(Arena *arena, struct LNames *t)
{
    struct LNames old = *t;
    t->cap = old.cap ? old.cap * 2 : 64;
    t->taken = ARENA_ARRAY(arena, const char *, t->cap);
    t->next = ARENA_ARRAY(arena, int, t->cap);
    for (int i = 0; i < old.cap; i++) {
        if (!old.taken[i])
            continue;
        int k = names_slot(t, old.taken[i]);
        t->taken[k] = old.taken[i];
        t->next[k] = old.next[i];
    }
}

static const char *clean(Arena *arena, const char *name)
{
    if (!name || !*name)
        name = "v";
    bool digit = isdigit((unsigned char)name[0]);
    char *s = arena_printf(arena, "%s%s", digit ? "_" : "", name);
    for (char *p = s; *p; p++)
        if (!isalnum((unsigned char)*p))
            *p = '_';
    return s;
}

/* The name without the number an earlier call gave it. */
static size_t stem(const char *name)
{
    size_t len = strlen(name), n = len;
    while (n && isdigit((unsigned char)name[n - 1]))
        n--;
    return n > 1 && n < len && name[n - 1] == '_' ? n - 1 : len;
}

const char *lfunc_name(LFunc *f, const char *name)
{
    struct LNames *t = f->names;
    const char *fresh = intern_cstr(t->tab, clean(f->arena, name));
    if ((t->n + 1) * 2 >= t->cap)
        names_rehash(f->arena, t);
    int k = names_slot(t, fresh);
    if (!t->taken[k]) {
        t->taken[k] = fresh;
        t->n++;
        return fresh;
    }
    name = intern_text(t->tab, fresh, stem(fresh));
    int base = names_slot(t, name);
    if (!t->taken[base]) { /* a stem that is not a name itself: reserve it, to count from */
        t->taken[base] = name;
        t->n++;
    }
    while (t->taken[k]) {
        fresh = intern_cstr(t->tab, arena_printf(f->arena, "%s_%d", name, ++t->next[base]));
        k = names_slot(t, fresh);
    }
    t->taken[k] = fresh;
    t->n++;
    return fresh;
}

LFunc *lfunc_new(Arena *arena, const char *name)
{
    LFunc *f = ARENA_NEW(arena, LFunc);
    f->arena = arena;
    f->name = clean(arena, name);
    f->names = ARENA_NEW(arena, struct LNames);
    f->names->tab = intern_new(arena);
    return f;
}

static LBuf *new_buf(LFunc *f, const char *name, LKind kind, int64_t count, LBufRole role)
{
    LBuf *b = ARENA_NEW(f->arena, LBuf);
    *b = (LBuf){ .name = lfunc_name(f, name), .kind = kind, .count = count, .role = role };
    b->id = f->n_bufs++;
    return b;
}

LBuf *lfunc_param(LFunc *f, const char *name, LKind kind, int64_t count, LBufRole role)
{
    LBuf *b = new_buf(f, name, kind, count, role);
    VEC_PUSH(f->arena, &f->params, b);
    int n = f->params.len;
    if (f->scratch && n > 1) { /* which stays the last */
        f->params.data[n - 1] = f->scratch;
        f->params.data[n - 2] = b;
    }
    return b;
}

int64_t lfunc_scratch(LFunc *f, int64_t bytes)
{
    int64_t begin = f->scratch_bytes;
    f->scratch_bytes += (bytes + NNR_ALIGN - 1) / NNR_ALIGN * NNR_ALIGN;
    if (!f->scratch) {
        LBuf *b = lfunc_param(f, "scratch", LK_F32, 0, LB_INOUT);
        b->noalias = true;
        f->scratch = b;
    }
    f->scratch->count = f->scratch_bytes / 4;
    return begin / 4;
}

LVar *lfunc_var(LFunc *f, const char *name, LType type, bool mutable_)
{
    LVar *v = ARENA_NEW(f->arena, LVar);
    *v = (LVar){ .name = lfunc_name(f, name), .type = type, .mutable_ = mutable_ };
    v->id = f->n_vars++;
    return v;
}

void lfunc_use_ctx(LFunc *f)
{
    if (f->uses_ctx)
        return;
    f->uses_ctx = true;
    f->seed = lfunc_var(f, "seed", ltype(LK_U64, 1), false);
    f->step = lfunc_var(f, "step", ltype(LK_U64, 1), false);
    f->epoch = lfunc_var(f, "epoch", ltype(LK_I32, 1), false);
}

static LStmt *append(LFunc *f, LBlock *at, LStmtKind kind)
{
    LStmt *s = ARENA_NEW(f->arena, LStmt);
    s->kind = kind;
    VEC_PUSH(f->arena, at, s);
    return s;
}

LBuf *lfunc_local(LFunc *f, LBlock *at, const char *name, LKind kind, int64_t count)
{
    LStmt *s = append(f, at, LS_LOCAL);
    s->buf = new_buf(f, name, kind, count, LB_LOCAL);
    s->buf->noalias = true;
    return s->buf;
}

LVar *lb_let(LFunc *f, LBlock *at, const char *name, LExpr *value)
{
    LStmt *s = append(f, at, LS_LET);
    s->var = lfunc_var(f, name, value->type, false);
    s->var->ranged = lx_range(value, &s->var->min, &s->var->max);
    s->value = value;
    return s->var;
}

LVar *lb_var(LFunc *f, LBlock *at, const char *name, LExpr *init)
{
    LStmt *s = append(f, at, LS_VAR);
    s->var = lfunc_var(f, name, init->type, true);
    s->value = init;
    return s->var;
}

void lb_set(LFunc *f, LBlock *at, LVar *var, LExpr *value)
{
    LStmt *s = append(f, at, LS_SET);
    s->var = var;
    s->value = lx_splat(f, value, var->type.lanes);
}

void lb_store(LFunc *f, LBlock *at, LBuf *buf, LExpr *index, LExpr *value, LExpr *limit)
{
    LStmt *s = append(f, at, LS_STORE);
    s->buf = buf;
    s->index = index;
    s->value = value;
    s->limit = limit && limit->op == LX_CONST && limit->ival >= value->type.lanes ? NULL : limit;
}

void lb_prefetch(LFunc *f, LBlock *at, LBuf *buf, LExpr *index)
{
    LStmt *s = append(f, at, LS_PREFETCH);
    s->buf = buf;
    s->index = index;
}

LStmt *lb_for(LFunc *f, LBlock *at, const char *name, LExpr *lo, LExpr *hi, int64_t step, LForKind k)
{
    LStmt *s = append(f, at, LS_FOR);
    s->var = lfunc_var(f, name, ltype(LK_I64, 1), false);
    s->lo = lo;
    s->hi = hi;
    s->step = step;
    s->for_kind = k;
    int64_t min, max, ignore;
    if (step > 0 && lx_range(lo, &min, &ignore) && lx_range(hi, &ignore, &max) && max > min) {
        if (lo->op == LX_CONST)
            max = min + (max - 1 - min) / step * step + 1;
        s->var->ranged = true;
        s->var->min = min;
        s->var->max = max - 1;
    }
    return s;
}

LStmt *lb_if(LFunc *f, LBlock *at, LExpr *cond)
{
    LStmt *s = append(f, at, LS_IF);
    s->value = cond;
    return s;
}

LStmt *lb_if_odds(LFunc *f, LBlock *at, LExpr *cond, int64_t yes, int64_t no)
{
    LStmt *s = lb_if(f, at, cond);
    s->odds[0] = yes;
    s->odds[1] = no;
    return s;
}

void lb_note(LFunc *f, LBlock *at, const char *note)
{
    append(f, at, LS_NOTE)->note = arena_strdup(f->arena, note);
}
