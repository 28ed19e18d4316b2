/* Copies of statements with variables replaced: what unrolling, splitting and vectorising are made of.
 * Establishes: names and numbers of what a copy defines are new, and every expression is rebuilt by the
 * builders, so that a variable replaced by a constant, or by one of a narrower range, simplifies. */
#include "loop/expr.h"

#include <string.h>

void lmap_set(LFunc *f, LMap *m, const LVar *var, LExpr *value)
{
    if (var->id >= m->cap) {
        int cap = var->id * 2 + 16;
        LExpr **fresh = ARENA_ARRAY(f->arena, LExpr *, cap);
        if (m->cap)
            memcpy(fresh, m->value, sizeof *fresh * (size_t)m->cap);
        m->value = fresh;
        m->cap = cap;
    }
    m->value[var->id] = value;
}

LExpr *lmap_get(const LMap *m, const LVar *var)
{
    return var->id < m->cap ? m->value[var->id] : NULL;
}

void lmap_set_buf(LFunc *f, LMap *m, const LBuf *buf, LBuf *to)
{
    if (buf->id >= m->buf_cap) {
        int cap = buf->id * 2 + 16;
        LBuf **fresh = ARENA_ARRAY(f->arena, LBuf *, cap);
        if (m->buf_cap)
            memcpy(fresh, m->buf, sizeof *fresh * (size_t)m->buf_cap);
        m->buf = fresh;
        m->buf_cap = cap;
    }
    m->buf[buf->id] = to;
}

LBuf *lmap_buf(const LMap *m, LBuf *buf)
{
    return buf->id < m->buf_cap && m->buf[buf->id] ? m->buf[buf->id] : buf;
}

LExpr *lx_map(LFunc *f, const LMap *m, LExpr *e)
{
    if (!e || e->op == LX_CONST)
        return e;
    if (e->op == LX_VAR) {
        LExpr *value = lmap_get(m, e->var);
        return value ? value : e;
    }
    LExpr *a = lx_map(f, m, e->a), *b = lx_map(f, m, e->b), *c = lx_map(f, m, e->c);
    if (e->op == LX_LOAD && e->buf->id < m->buf_cap && m->buf[e->buf->id])
        return lx_load(f, m->buf[e->buf->id], a, e->type.lanes, b);
    return a == e->a && b == e->b && c == e->c ? e : lx_with(f, e, a, b, c);
}

LStmt *lb_append(LFunc *f, LBlock *at, LStmt *s)
{
    VEC_PUSH(f->arena, at, s);
    return s;
}

static void clone_for(LFunc *f, LMap *m, const LStmt *s, LBlock *dst)
{
    LStmt *to = lb_for(f, dst, s->var->name, lx_map(f, m, s->lo), lx_map(f, m, s->hi), s->step, s->for_kind);
    lmap_set(f, m, s->var, lx_var(f, to->var));
    lblock_clone(f, m, &s->body, &to->body);
}

void lblock_clone(LFunc *f, LMap *m, const LBlock *src, LBlock *dst)
{
    for (int i = 0; i < src->len; i++) {
        const LStmt *s = src->data[i];
        switch (s->kind) {
        case LS_LET:
            lmap_set(f, m, s->var, lx_var(f, lb_let(f, dst, s->var->name, lx_map(f, m, s->value))));
            break;
        case LS_VAR:
            lmap_set(f, m, s->var, lx_var(f, lb_var(f, dst, s->var->name, lx_map(f, m, s->value))));
            break;
        case LS_SET: {
            LExpr *to = lmap_get(m, s->var);
            lb_set(f, dst, to ? (LVar *)to->var : s->var, lx_map(f, m, s->value));
            break;
        }
        case LS_STORE:
            lb_store(f, dst, lmap_buf(m, s->buf), lx_map(f, m, s->index), lx_map(f, m, s->value),
                     lx_map(f, m, s->limit));
            break;
        case LS_FOR:
            clone_for(f, m, s, dst);
            break;
        case LS_IF: {
            LExpr *cond = lx_map(f, m, s->value);
            if (cond->op == LX_CONST) {
                lblock_clone(f, m, cond->ival ? &s->body : &s->other, dst);
                break;
            }
            LStmt *to = lb_if_odds(f, dst, cond, s->odds[0], s->odds[1]);
            lblock_clone(f, m, &s->body, &to->body);
            lblock_clone(f, m, &s->other, &to->other);
            break;
        }
        case LS_LOCAL: {
            LBuf *copy = lfunc_local(f, dst, s->buf->name, s->buf->kind, s->buf->count);
            copy->data = s->buf->data;
            lmap_set_buf(f, m, s->buf, copy);
            break;
        }
        case LS_PREFETCH:
            lb_prefetch(f, dst, lmap_buf(m, s->buf), lx_map(f, m, s->index));
            break;
        case LS_NOTE:
            lb_note(f, dst, s->note);
            break;
        }
    }
}

static LExpr *shifted(LFunc *f, LExpr *e, const LBuf *buf, LExpr *delta)
{
    if (!e || e->op == LX_CONST || e->op == LX_VAR)
        return e;
    LExpr *a = shifted(f, e->a, buf, delta), *b = shifted(f, e->b, buf, delta), *c = shifted(f, e->c, buf, delta);
    if (e->op == LX_LOAD && e->buf == buf)
        return lx_load(f, buf, lx_add(f, a, delta), e->type.lanes, b);
    return a == e->a && b == e->b && c == e->c ? e : lx_with(f, e, a, b, c);
}

void lblock_shift(LFunc *f, LBlock *block, const LBuf *buf, LExpr *delta)
{
    for (int i = 0; i < block->len; i++) {
        LStmt *s = block->data[i];
        LExpr **part[] = { &s->index, &s->value, &s->limit, &s->lo, &s->hi };
        for (size_t k = 0; k < sizeof part / sizeof *part; k++)
            *part[k] = shifted(f, *part[k], buf, delta);
        if (s->kind == LS_STORE && s->buf == buf)
            s->index = lx_add(f, s->index, delta);
        lblock_shift(f, &s->body, buf, delta);
        lblock_shift(f, &s->other, buf, delta);
    }
}

bool loop_unroll(LFunc *f, LBlock *block, int at, int n)
{
    LStmt *s = block->data[at];
    if (s->kind != LS_FOR || s->for_kind == LF_PARALLEL || s->lo->op != LX_CONST ||
        s->hi->op != LX_CONST || s->hi->ival <= s->lo->ival || n < 1)
        return false;
    int64_t trips = (s->hi->ival - s->lo->ival - 1) / s->step + 1, main = trips / n;
    LBlock out = { 0 };
    for (int i = 0; i < at; i++)
        lb_append(f, &out, block->data[i]);
    LExpr *end = lx_i64(f, s->lo->ival + main * n * s->step);
    LBlock *to = &out;
    LExpr *base = s->lo;
    if (main > 1) {
        LStmt *loop = lb_for(f, &out, s->var->name, s->lo, end, s->step * n, s->for_kind);
        base = lx_var(f, loop->var);
        to = &loop->body;
    }
    for (int64_t k = 0; main && k < n; k++) {
        LMap map = { 0 };
        lmap_set(f, &map, s->var, lx_add(f, base, lx_i64(f, k * s->step)));
        lblock_clone(f, &map, &s->body, to);
    }
    for (int64_t k = 0; k < trips - main * n; k++) {
        LMap map = { 0 };
        lmap_set(f, &map, s->var, lx_add(f, end, lx_i64(f, k * s->step)));
        lblock_clone(f, &map, &s->body, &out);
    }
    for (int i = at + 1; i < block->len; i++)
        lb_append(f, &out, block->data[i]);
    *block = out;
    return true;
}
