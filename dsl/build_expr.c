/* Making of expressions. Contract: build.h. */
#include "dsl/build.h"
#include <string.h>

Expr *expr_new(Parser *p, ExprKind kind, Span span)
{
    Expr *e = ARENA_NEW(p->arena, Expr);
    e->kind = kind;
    e->span = span;
    e->depth = 1;
    return e;
}

static int max_int(int a, int b) { return a > b ? a : b; }
static int depth_of(const Expr *e) { return e ? e->depth : 0; }

/* Sets the height; an expression that is too high is reported once and cut off. */
static Expr *done(Parser *p, Expr *e)
{
    int d = max_int(depth_of(e->a), depth_of(e->b));
    for (int i = 0; i < e->n_args; i++)
        d = max_int(d, depth_of(e->args[i].value));
    for (int i = 0; i < e->n_items; i++)
        d = max_int(d, depth_of(e->items[i]));
    for (int i = 0; i < e->n_indices; i++) {
        const Index *x = &e->indices[i];
        d = max_int(d, max_int(depth_of(x->expr), max_int(depth_of(x->stop), depth_of(x->step))));
    }
    d = max_int(d, e->block ? e->block->depth : 0);
    d = max_int(d, e->else_block ? e->else_block->depth : 0);
    e->depth = d + 1;
    if (e->depth <= DSL_MAX_DEPTH)
        return e;
    if (!p->too_deep) {
        parser_error(p, e->span, "expression more than %d operations deep", DSL_MAX_DEPTH);
        parser_note(p, SPAN_NONE, "give its parts names");
    }
    p->too_deep = true;
    return expr_new(p, E_BAD, e->span);
}

Expr *expr_literal(Parser *p, ExprKind kind, const Token *token)
{
    Expr *e = expr_new(p, kind, parser_span(p, token->begin, token->end));
    e->text = token->text;
    e->ivalue = token->ivalue;
    e->fvalue = token->fvalue;
    if (kind == E_BOOL)
        e->text = NULL;
    return e;
}

Expr *expr_binary(Parser *p, OpKind op, Expr *a, Expr *b, Span span)
{
    Expr *e = expr_new(p, E_BINARY, span);
    e->op = op;
    e->a = a;
    e->b = b;
    return done(p, e);
}

Expr *expr_unary(Parser *p, OpKind op, Expr *a, Span span)
{
    Expr *e = expr_new(p, E_UNARY, span);
    e->op = op;
    e->a = a;
    return done(p, e);
}

Expr *expr_range(Parser *p, Expr *a, Expr *b, Span span)
{
    Expr *e = expr_new(p, E_RANGE, span);
    e->a = a;
    e->b = b;
    return done(p, e);
}

static bool broken_between(Parser *p, uint32_t begin, uint32_t end)
{
    return end > begin && memchr(p->source->text + begin, '\n', end - begin);
}

Expr *expr_pipe(Parser *p, Expr *a, Expr *b, Span span, uint32_t bar)
{
    bool callable = b->kind == E_NAME || b->kind == E_CALL || b->kind == E_MEMBER || b->kind == E_BAD;
    if (!callable || b->parenthesised) {
        parser_error(p, b->span, "what stands right of '|>' must be a function or a call");
        parser_note(p, SPAN_NONE, "'x |> f(a)' is f(x, a); to compute with the result, write (x |> f(a)) + b");
        return expr_new(p, E_BAD, span);
    }
    Expr *e = expr_new(p, E_PIPE, span);
    e->a = a;
    e->b = b;
    e->broken = broken_between(p, a->span.end, bar);
    return done(p, e);
}

Expr *expr_call(Parser *p, Expr *callee, const ArgVec *args, Span span, Span open)
{
    Expr *e = expr_new(p, E_CALL, span);
    e->a = callee;
    e->args = args->data;
    e->n_args = args->len;
    const Arg *first = args->len ? &args->data[0] : NULL;
    if (first)
        e->broken = broken_between(p, open.end, first->name ? first->name_span.begin : first->value->span.begin);
    return done(p, e);
}

Expr *expr_index(Parser *p, Expr *a, const IndexVec *indices, Span span)
{
    Expr *e = expr_new(p, E_INDEX, span);
    e->a = a;
    e->indices = indices->data;
    e->n_indices = indices->len;
    return done(p, e);
}

Expr *expr_member(Parser *p, Expr *a, const Token *name, Span span)
{
    Expr *e = expr_new(p, E_MEMBER, span);
    e->a = a;
    e->text = name->text;
    return done(p, e);
}

Expr *expr_items(Parser *p, ExprKind kind, const ExprVec *items, Span span)
{
    Expr *e = expr_new(p, kind, span);
    e->items = items->data;
    e->n_items = items->len;
    if (items->len && kind == E_LIST)
        e->broken = broken_between(p, span.begin, items->data[0]->span.begin);
    return done(p, e);
}

Expr *expr_value(Parser *p, const ExprVec *items, Span span)
{
    return items->len == 1 ? items->data[0] : expr_items(p, E_TUPLE, items, span);
}

Expr *expr_reduce(Parser *p, const Token *word, const NameVec *names, Expr *a, Span span)
{
    Expr *e = expr_new(p, E_REDUCE, span);
    e->text = word->text;
    e->names = names->data;
    e->n_names = names->len;
    e->a = a;
    return done(p, e);
}

Expr *expr_if(Parser *p, Expr *cond, Block *then, Block *other, Expr *chain, Span span)
{
    if (!other && !chain) {
        parser_error(p, span, "an 'if' that gives a value needs an 'else'");
        return expr_new(p, E_BAD, span);
    }
    Expr *e = expr_new(p, E_IF, span);
    e->a = cond;
    e->block = then;
    e->else_block = other;
    e->b = chain;
    return done(p, e);
}

Expr *expr_scan(Parser *p, Scan *scan, Span span)
{
    Expr *e = expr_new(p, E_SCAN, span);
    ExprVec inner = { 0 };
    for (int i = 0; i < scan->n_items; i++)
        VEC_PUSH(p->arena, &inner, scan->items[i].value);
    for (int i = 0; i < scan->n_carries; i++)
        VEC_PUSH(p->arena, &inner, scan->carries[i].value);
    e->scan = scan;
    e->items = inner.data;
    e->n_items = inner.len;
    e->block = scan->body;
    e = done(p, e);
    e->items = NULL; /* the list only served the height */
    e->n_items = 0;
    if (e->kind == E_SCAN)
        e->block = NULL;
    return e;
}
