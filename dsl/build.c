/* Making of statements and declarations; expressions are in build_expr.c. Contract: build.h. */
#include "dsl/build.h"
#include <string.h>

static int max_int(int a, int b) { return a > b ? a : b; }
static int depth_of(const Expr *e) { return e ? e->depth : 0; }
static int block_depth(const Block *b) { return b ? b->depth : 0; }

static void report_depth(Parser *p, Span at)
{
    if (!p->too_deep)
        parser_error(p, at, "blocks nested more than %d deep", DSL_MAX_DEPTH);
    p->too_deep = true;
}

NameRef name_of(Parser *p, const Token *token)
{
    return (NameRef){ token->text, parser_span(p, token->begin, token->end) };
}

const Token *token_at(Parser *p, int index) { return &p->tokens.data[index]; }

/* ---- statements ---- */

static bool on_one_line(Span span)
{
    return !memchr(span.src->text + span.begin, '\n', span.end - span.begin);
}

Block *block_new(Parser *p, const StmtVec *stmts, Span span)
{
    Block *b = ARENA_NEW(p->arena, Block);
    *b = (Block){ .stmts = stmts->data, .n_stmts = stmts->len, .span = span };
    b->end = trivia_before_end(p, span.end ? span.end - 1 : 0);
    b->one_line = on_one_line(span);
    for (int i = 0; i < b->n_stmts; i++)
        b->depth = max_int(b->depth, b->stmts[i]->depth);
    b->depth++;
    return b;
}

Stmt *stmt_new(Parser *p, StmtKind kind, Span span)
{
    Stmt *s = ARENA_NEW(p->arena, Stmt);
    s->kind = kind;
    s->span = span;
    return s;
}

Stmt *stmt_height(Parser *p, Stmt *s)
{
    int depth = max_int(depth_of(s->value), depth_of(s->with));
    for (int i = 0; i < s->n_items; i++)
        depth = max_int(depth, depth_of(s->items[i]));
    for (int i = 0; i < s->n_over; i++)
        depth = max_int(depth, depth_of(s->over[i]));
    s->depth = 1 + max_int(depth, max_int(block_depth(s->block), block_depth(s->else_block)));
    if (s->depth > DSL_MAX_DEPTH) {
        report_depth(p, s->span);
        s = stmt_new(p, S_BAD, s->span);
    }
    return s;
}

Stmt *stmt_done(Parser *p, Stmt *s)
{
    s = stmt_height(p, s);
    s->trivia = trivia_take(p, s->span);
    return s;
}

Target target_of(Parser *p, const Left *left)
{
    const Expr *e = left->expr;
    Target t = { .type = left->type };
    if (e->kind == E_INDEX && e->a->kind == E_NAME && !e->parenthesised) {
        t.indexed = true;
        t.indices = e->indices;
        t.n_indices = e->n_indices;
        e = e->a;
    }
    if (e->kind == E_NAME && !e->parenthesised)
        t.name = (NameRef){ e->text, e->span };
    else if (e->kind != E_BAD)
        parser_error(p, e->span, "only a name, or a name with indices, can stand left of '='");
    if (!t.name.name)
        t.name = (NameRef){ intern_cstr(p->names, "_"), e->span };
    return t;
}

Stmt *stmt_let(Parser *p, const LeftVec *lefts, Expr *value, Span span)
{
    Stmt *s = stmt_new(p, S_LET, span);
    s->n_targets = lefts->len;
    s->targets = ARENA_ARRAY(p->arena, Target, lefts->len);
    for (int i = 0; i < lefts->len; i++)
        s->targets[i] = target_of(p, &lefts->data[i]);
    s->value = value;
    return s;
}

Stmt *stmt_named(Parser *p, StmtKind kind, int name_token, TypeExpr *type, Expr *value, Span span)
{
    Stmt *s = stmt_new(p, kind, span);
    s->name = name_of(p, token_at(p, name_token));
    s->type = type;
    s->value = value;
    if (!value && kind != S_STEP) {
        parser_error(p, span, "'%s' has no value", s->name.name);
        parser_note(p, SPAN_NONE, "give it one: %s = ...", s->name.name);
        s->value = expr_new(p, E_BAD, span);
    }
    return s;
}

Stmt *stmt_expr(Parser *p, const LeftVec *lefts, Span span)
{
    Stmt *s = stmt_new(p, S_EXPR, span);
    ExprVec items = { 0 };
    for (int i = 0; i < lefts->len; i++) {
        VEC_PUSH(p->arena, &items, lefts->data[i].expr);
        if (!lefts->data[i].type)
            continue;
        parser_error(p, lefts->data[i].type->span, "a type without a value");
        parser_note(p, SPAN_NONE, "write 'name: type = value'");
    }
    s->value = expr_value(p, &items, span);
    return s;
}

/* Without a condition it only carries the block of an `else` up to block_of. */
Stmt *stmt_if(Parser *p, Expr *cond, Block *then, Block *other, Span span)
{
    Stmt *s = stmt_new(p, S_IF, span);
    s->value = cond;
    s->block = then;
    s->else_block = other;
    return s;
}

Block *block_of(Parser *p, Stmt *stmt)
{
    if (!stmt)
        return NULL;
    if (stmt->kind == S_IF && !stmt->value)
        return stmt->else_block;
    Block *b = ARENA_NEW(p->arena, Block);
    b->stmts = ARENA_NEW(p->arena, Stmt *);
    b->stmts[0] = stmt;
    b->n_stmts = 1;
    b->span = stmt->span;
    b->depth = stmt->depth + 1;
    return b;
}

/* ---- declarations ---- */

Decl *decl_new(Parser *p, DeclKind kind, NameRef name, Span span)
{
    Decl *d = ARENA_NEW(p->arena, Decl);
    d->kind = kind;
    d->name = name;
    d->span = span;
    return d;
}

Decl *decl_body(Parser *p, Decl *decl, Expr *short_value, Block *body)
{
    decl->body = body;
    if (!short_value)
        return decl;
    Stmt *ret = stmt_new(p, S_RETURN, short_value->span);
    ret->value = short_value;
    ret->depth = short_value->depth + 1;
    decl->body = block_of(p, ret);
    decl->short_form = true;
    return decl;
}

Formal formal_done(Parser *p, Formal formal)
{
    formal.trivia = trivia_take(p, formal.span);
    return formal;
}

/* The comment lines right above, without '# '. */
static const char *doc_of(Parser *p, const Trivia *trivia)
{
    int first = trivia->n_before;
    if (!first || trivia->blank_after)
        return NULL;
    while (first > 0 && (first == trivia->n_before || !trivia->before[first].blank_before))
        first--;
    Text doc = { .arena = p->arena };
    for (int i = first; i < trivia->n_before; i++) {
        const char *line = trivia->before[i].text + 1;
        text_add(&doc, *line == ' ' ? line + 1 : line);
        text_add(&doc, i + 1 < trivia->n_before ? "\n" : "");
    }
    return doc.data;
}

Decl *decl_done(Parser *p, Decl *d)
{
    if (d->kind != D_CONST)
        d->trivia = trivia_take(p, d->span);
    d->doc = doc_of(p, &d->trivia);
    return d;
}

static const char *place_of(StmtKind kind)
{
    switch (kind) {
    case S_PARAM: case S_STATE: return "it belongs in a layer or net";
    case S_SLOT: case S_ARROW: return "it belongs in an optimizer or layer";
    case S_DATA: case S_NOISE: case S_METRIC: case S_VALIDATE: case S_STEP: case S_MINIMIZE: case S_OPTION:
        return "it belongs in a train block";
    case S_RETURN: case S_YIELD: return "it belongs in the body of a fn, layer or net";
    default: return "here stand: import, fn, layer, net, optimizer, train and constants (name = value)";
    }
}

Decl *decl_from_stmt(Parser *p, Stmt *s)
{
    bool constant = s->kind == S_LET && s->n_targets == 1 && !s->targets[0].indexed && !s->targets[0].type;
    if (constant) {
        Decl *d = decl_new(p, D_CONST, s->targets[0].name, s->span);
        d->value = s->value;
        d->trivia = s->trivia;
        return d;
    }
    if (s->kind != S_BAD && !(s->kind == S_EXPR && s->value->kind == E_BAD)) {
        parser_error(p, s->span, "this statement cannot stand at the top level of a file");
        parser_note(p, SPAN_NONE, "%s", place_of(s->kind));
    }
    return NULL;
}
