/* Functions of loop text: what loop_print_func writes, and hand-written text of that form. A function
 * that reads well is verified; every fault is a diagnostic at its place. */
#include "loop/read.h"

#include <string.h>

static void bind(Reader *r, const char *name, const LVar *var, LBuf *buf)
{
    VEC_PUSH(r->arena, &r->scope, (struct ReadName){ name, var, buf });
}

/* A name that the text gives must stay as it is: names are unique in a function. */
static void check_fresh(Reader *r, Span at, const char *asked, const char *given)
{
    if (r->failed || strcmp(asked, given) == 0)
        return;
    r->token.span = at;
    read_fail(r, "the name %%%s is taken in this function", asked);
}

static LVar *new_var(Reader *r, Span at, const char *name, LType type, bool mutable_)
{
    LVar *v = lfunc_var(r->f, name, type, mutable_);
    check_fresh(r, at, name, v->name);
    return v;
}

static LStmt *append(Reader *r, LBlock *at, LStmtKind kind)
{
    LStmt *s = ARENA_NEW(r->arena, LStmt);
    s->kind = kind;
    return lb_append(r->f, at, s);
}

static void read_block(Reader *r, LBlock *b);

static void read_definition(Reader *r, LBlock *b, bool mutable_)
{
    Span at = r->token.span;
    const char *name = read_name(r, T_LOCAL, "a name such as %x");
    read_expect(r, ":");
    LType type = read_type(r);
    read_expect(r, "=");
    LStmt *s = append(r, b, mutable_ ? LS_VAR : LS_LET);
    s->value = read_expr(r);
    s->var = new_var(r, at, name, type, mutable_);
    if (!mutable_ && !r->failed)
        s->var->ranged = lx_range(s->value, &s->var->min, &s->var->max);
    bind(r, name, s->var, NULL);
}

static void read_set(Reader *r, LBlock *b)
{
    const char *name = r->token.text;
    const struct ReadName *found = read_lookup(r, name);
    if (!found || !found->var) {
        read_fail(r, "there is no variable %%%s here", name);
        return;
    }
    read_next(r);
    read_expect(r, "=");
    LStmt *s = append(r, b, LS_SET);
    s->var = (LVar *)found->var;
    s->value = read_expr(r);
}

/* "%buffer[index", of a statement of this kind */
static LStmt *read_place(Reader *r, LBlock *b, LStmtKind kind)
{
    Span at = r->token.span;
    const char *name = read_name(r, T_LOCAL, "a buffer");
    const struct ReadName *found = read_lookup(r, name);
    if (!r->failed && (!found || !found->buf)) {
        r->token.span = at;
        read_fail(r, "there is no buffer %%%s here", name);
    }
    LStmt *s = append(r, b, kind);
    s->buf = r->failed ? NULL : found->buf;
    read_expect(r, "[");
    s->index = read_expr(r);
    return s;
}

static void read_store(Reader *r, LBlock *b)
{
    LStmt *s = read_place(r, b, LS_STORE);
    if (read_accept(r, ";"))
        s->limit = read_expr(r);
    read_expect(r, "]");
    read_expect(r, ",");
    s->value = read_expr(r);
}

static void read_for(Reader *r, LBlock *b, LForKind kind)
{
    Span at = r->token.span;
    const char *name = read_name(r, T_LOCAL, "a loop variable");
    read_expect(r, "=");
    LExpr *lo = read_expr(r);
    read_expect(r, "to");
    LExpr *hi = read_expr(r);
    int64_t step = read_accept(r, "step") ? read_int(r, "a step") : 1;
    if (!r->failed && step < 1)
        read_fail(r, "a loop's step must be positive");
    if (r->failed)
        return;
    LStmt *s = lb_for(r->f, b, name, lo, hi, step, kind);
    check_fresh(r, at, name, s->var->name);
    int mark = r->scope.len;
    bind(r, name, s->var, NULL);
    read_block(r, &s->body);
    r->scope.len = mark;
}

static void read_if(Reader *r, LBlock *b)
{
    LStmt *s = append(r, b, LS_IF);
    s->value = read_expr(r);
    if (read_accept(r, "odds")) {
        s->odds[0] = read_int(r, "how often it is true");
        read_expect(r, ":");
        s->odds[1] = read_int(r, "how often it is not");
    }
    read_block(r, &s->body);
    if (read_accept(r, "else"))
        read_block(r, &s->other);
}

/* "kind[count]" */
static LBuf *read_buffer(Reader *r, Span at, const char *name, LBlock *b)
{
    read_expect(r, ":");
    LKind kind = read_kind(r);
    read_expect(r, "[");
    int64_t count = read_int(r, "a number of elements");
    read_expect(r, "]");
    LBuf *buf = b ? lfunc_local(r->f, b, name, kind, count) : lfunc_param(r->f, name, kind, count, LB_IN);
    check_fresh(r, at, name, buf->name);
    bind(r, name, NULL, buf);
    return buf;
}

/* "{value, ...}": a table of constants */
static void read_table(Reader *r, LBuf *buf)
{
    Vec(double) values = { 0 };
    read_expect(r, "{");
    do {
        const LExpr *e = read_expr(r);
        bool constant = e && e->op == LX_CONST && e->type.kind == buf->kind && e->type.lanes == 1;
        if (!constant || values.len >= buf->count) {
            read_fail(r, "expected as many constants as the table has elements, of its type");
            return;
        }
        VEC_PUSH(r->f->arena, &values, lkind_is_float(buf->kind) ? e->fval : (double)e->ival);
    } while (read_accept(r, ","));
    read_expect(r, "}");
    if (values.len < buf->count)
        read_fail(r, "expected as many constants as the table has elements, of its type");
    buf->data = values.data;
}

static void read_stmt(Reader *r, LBlock *b)
{
    if (r->token.kind == T_LOCAL) {
        read_set(r, b);
    } else if (read_accept(r, "let")) {
        read_definition(r, b, false);
    } else if (read_accept(r, "var")) {
        read_definition(r, b, true);
    } else if (read_accept(r, "store")) {
        read_store(r, b);
    } else if (read_accept(r, "prefetch")) {
        read_place(r, b, LS_PREFETCH);
        read_expect(r, "]");
    } else if (read_accept(r, "for")) {
        read_for(r, b, LF_SERIAL);
    } else if (read_accept(r, "parallel")) {
        read_expect(r, "for");
        read_for(r, b, LF_PARALLEL);
    } else if (read_accept(r, "unroll")) {
        read_expect(r, "for");
        read_for(r, b, LF_UNROLL);
    } else if (read_accept(r, "if")) {
        read_if(r, b);
    } else if (read_accept(r, "note")) {
        LStmt *s = append(r, b, LS_NOTE);
        s->note = read_string(r);
    } else if (read_accept(r, "local")) {
        Span at = r->token.span;
        const char *name = read_name(r, T_LOCAL, "a name such as %x");
        LBuf *buf = read_buffer(r, at, name, b);
        if (read_accept(r, "="))
            read_table(r, buf);
    } else {
        read_fail(r, "expected a statement (let, var, store, for, parallel for, unroll for, if, local, prefetch, note)");
    }
}

static void read_block(Reader *r, LBlock *b)
{
    int mark = r->scope.len, depth = r->depth;
    read_expect(r, "{");
    if (read_enter(r))
        while (!r->failed && !read_is(r, "}"))
            read_stmt(r, b);
    read_expect(r, "}");
    r->depth = depth;
    r->scope.len = mark;
}

static void read_params(Reader *r)
{
    static const char *const ROLE[] = { "in", "out", "inout" };
    read_expect(r, "(");
    while (!r->failed && !read_is(r, ")")) {
        if (r->f->params.len)
            read_expect(r, ",");
        Span at = r->token.span;
        const char *name = read_name(r, T_LOCAL, "a parameter such as %x");
        LBuf *b = read_buffer(r, at, name, NULL);
        int role = 0;
        while (role < 3 && !read_accept(r, ROLE[role]))
            role++;
        if (role == 3)
            read_fail(r, "expected the parameter's role: in, out or inout");
        b->role = (LBufRole)role;
        b->noalias = read_accept(r, "noalias");
    }
    read_expect(r, ")");
}

static void read_ctx(Reader *r)
{
    LFunc *f = r->f;
    LVar **slot[] = { &f->seed, &f->step, &f->epoch };
    f->uses_ctx = true;
    read_expect(r, "(");
    for (int i = 0; i < 3; i++) {
        if (i)
            read_expect(r, ",");
        Span at = r->token.span;
        const char *name = read_name(r, T_LOCAL, "a name such as %seed");
        *slot[i] = new_var(r, at, name, ltype(i < 2 ? LK_U64 : LK_I32, 1), false);
        bind(r, name, *slot[i], NULL);
    }
    read_expect(r, ")");
}

static void read_loc(Reader *r)
{
    r->f->loc.file = read_string(r);
    read_expect(r, ":");
    r->f->loc.line = (int)read_int(r, "a line");
    read_expect(r, ":");
    r->f->loc.col = (int)read_int(r, "a column");
}

static void read_attributes(Reader *r)
{
    LFunc *f = r->f;
    while (!r->failed && !read_is(r, "{")) {
        if (read_accept(r, "ctx") && !f->uses_ctx)
            read_ctx(r);
        else if (read_accept(r, "scratch"))
            f->scratch_bytes = read_int(r, "a number of bytes");
        else if (read_accept(r, "flops"))
            f->flops = read_int(r, "a number");
        else if (read_accept(r, "bytes"))
            f->bytes = read_int(r, "a number");
        else if (read_accept(r, "path"))
            f->path = read_string(r);
        else if (read_accept(r, "note"))
            f->note = read_string(r);
        else if (read_accept(r, "schedule"))
            f->schedule = read_string(r);
        else if (read_accept(r, "loc"))
            read_loc(r);
        else
            read_expect(r, "{");
    }
}

LFunc *read_func(Reader *r)
{
    Span at = r->token.span;
    const char *name = read_name(r, T_GLOBAL, "a function's name such as @f");
    LFunc *f = lfunc_new(r->arena, name);
    r->f = f;
    r->scope.len = 0;
    r->depth = 0;
    read_params(r);
    read_attributes(r);
    read_block(r, &f->body);
    if (r->failed)
        return f;
    if (f->scratch_bytes && f->params.len)
        f->scratch = f->params.data[f->params.len - 1];
    const char *fault = loop_verify(f, r->arena);
    if (fault) {
        r->token.span = at;
        read_fail(r, "%s", fault);
    }
    return f;
}

LProgram *loop_read(Arena *arena, Intern *names, const Source *source, Diags *diags)
{
    Reader r = { .arena = arena, .names = names, .source = source, .diags = diags };
    LProgram *p = ARENA_NEW(arena, LProgram);
    p->arena = arena;
    p->name = p->c_name = p->source = "";
    read_next(&r);
    while (!r.failed && r.token.kind != T_END)
        read_program_item(&r, p);
    return r.failed ? NULL : p;
}
