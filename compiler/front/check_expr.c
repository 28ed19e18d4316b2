/* Names, arity and argument names in expressions. */
#include "front/check.h"

#include <string.h>

static bool is_special(const Check *c, const char *name)
{
    static const char *const everywhere[] = { "training", "step", "epoch", "shape" };
    static const char *const optimizer[] = { "value", "grad", "grad_norm" };
    DType dtype;
    for (size_t i = 0; i < sizeof everywhere / sizeof *everywhere; i++)
        if (strcmp(name, everywhere[i]) == 0)
            return true;
    for (size_t i = 0; i < sizeof optimizer / sizeof *optimizer && c->decl && c->decl->kind == D_OPTIMIZER; i++)
        if (strcmp(name, optimizer[i]) == 0)
            return true;
    return dtype_from_name(name, &dtype);
}

static Unit *space_of(const Check *c, const char *name)
{
    for (int i = 0; i < c->unit->spaces.len; i++)
        if (c->unit->spaces.data[i].name == name)
            return c->unit->spaces.data[i].unit;
    return NULL;
}

static void unknown(Check *c, const char *name, Span at)
{
    const char **known;
    int n;
    names_visible(c->f, c->unit, &known, &n);
    Vec(const char *) all = { known, n, n };
    for (Local *l = c->locals; l; l = l->next)
        VEC_PUSH(c->f->arena, &all, l->name);
    const char *near = text_nearest(name, all.data, all.len);
    check_error(c, at, "unknown name %s", name);
    if (near)
        check_note(c, "did you mean %s?", near);
    else if (c->decl && c->decl->kind != D_OPTIMIZER && (strcmp(name, "grad") == 0 || strcmp(name, "value") == 0))
        check_note(c, "%s is known inside an optimizer", name);
}

static bool is_known(Check *c, const char *name)
{
    return check_local(c, name) || is_special(c, name) || symbol_find(c->f, c->unit, name) || space_of(c, name) ||
           builtin_find(name);
}

static void check_name(Check *c, const Expr *e)
{
    Local *l = check_local(c, e->text);
    if (l)
        l->used = true;
    else if (!is_known(c, e->text))
        unknown(c, e->text, e->span);
}

static void check_brackets(Check *c, const Expr *e)
{
    check_expr(c, e->a);
    for (int i = 0; i < e->n_indices; i++) {
        const Index *ix = &e->indices[i];
        if (c->in_indexed && ix->kind == IX_EXPR && ix->expr->kind == E_NAME && !is_known(c, ix->expr->text)) {
            check_error(c, ix->span, "the index %s is neither on the left nor under a sum", ix->expr->text);
            check_note(c, "to sum over it: sum(%s) ...", ix->expr->text);
            continue;
        }
        check_expr(c, ix->expr);
        check_expr(c, ix->stop);
        check_expr(c, ix->step);
    }
}

static void check_member(Check *c, const Expr *e)
{
    Unit *space = e->a->kind == E_NAME && !check_local(c, e->a->text) ? space_of(c, e->a->text) : NULL;
    if (!space) {
        check_expr(c, e->a);
        return;
    }
    if (unit_find(space, e->text))
        return;
    Vec(const char *) names = {0};
    for (int i = 0; i < space->symbols.len; i++)
        VEC_PUSH(c->f->arena, &names, space->symbols.data[i]->name);
    const char *near = text_nearest(e->text, names.data, names.len);
    check_error(c, e->span, "%s has no %s", e->a->text, e->text);
    if (near)
        check_note(c, "did you mean %s?", near);
}

/* ---- calls ---- */

static Symbol *callee_symbol(Check *c, const Expr *callee)
{
    if (callee->kind == E_NAME)
        return check_local(c, callee->text) ? NULL : symbol_find(c->f, c->unit, callee->text);
    if (callee->kind == E_MEMBER && callee->a->kind == E_NAME && !check_local(c, callee->a->text)) {
        Unit *space = space_of(c, callee->a->text);
        return space ? unit_find(space, callee->text) : NULL;
    }
    return NULL;
}

static void check_symbol_call(Check *c, Symbol *sym, CallArg *args, int n, bool piped, Span at)
{
    Frame fr = frame_top(c->f, c->unit, NULL);
    CallArg slots[MAX_FORMALS];
    DeclKind kind = sym->decl->kind;
    if (kind == D_CONST)
        return;
    if (kind == D_TRAIN) {
        check_error(c, at, "the train block %s cannot be called", sym->name);
        return;
    }
    int skip = kind == D_OPTIMIZER && piped; /* the transform before it is no argument */
    slots_from_args(&fr, sym, args + skip, n - skip, at, slots);
}

static void check_builtin_call(Check *c, const Builtin *b, CallArg *args, int n, Span at)
{
    Frame fr = frame_top(c->f, c->unit, NULL);
    const char *names[12];
    bool has_default[12];
    CallArg slots[12];
    if (b->params[0] == '.')
        return;
    int n_params = builtin_params(b, c->f->arena, names, has_default);
    args_bind(&fr, b->name, builtin_signature(c->f, b), names, has_default, n_params, args, n, at, slots);
}

static void check_call(Check *c, const Expr *e)
{
    const Expr *call = e->kind == E_PIPE ? e->b : e;
    const Expr *callee = call->kind == E_CALL ? call->a : call;
    int n_own = call->kind == E_CALL ? call->n_args : 0, n = 0;
    CallArg *args = ARENA_ARRAY(c->f->arena, CallArg, n_own + 1);
    if (e->kind == E_PIPE) {
        check_expr(c, e->a);
        args[n++] = (CallArg){ .at = e->a->span };
    }
    check_expr(c, callee);
    for (int i = 0; i < n_own; i++) {
        const Arg *a = &call->args[i];
        check_expr(c, a->value);
        args[n++] = (CallArg){ .at = a->value->span, .name = a->name, .name_at = a->name_span };
    }
    Symbol *sym = callee_symbol(c, callee);
    const Builtin *b = !sym && callee->kind == E_NAME && !check_local(c, callee->text) ? builtin_find(callee->text)
                                                                                       : NULL;
    Span at = e->kind == E_PIPE ? e->b->span : e->span;
    if (sym)
        check_symbol_call(c, sym, args, n, e->kind == E_PIPE, at);
    else if (b)
        check_builtin_call(c, b, args, n, at);
}

/* ---- kinds with names of their own ---- */

static void check_reduce(Check *c, const Expr *e)
{
    Local *outer = c->locals;
    for (int i = 0; i < e->n_names; i++)
        check_bind(c, e->names[i].name, e->names[i].span, NULL);
    check_expr(c, e->a);
    Local *inner = c->locals;
    for (; inner && inner != outer; inner = inner->next)
        if (!inner->used)
            check_error(c, inner->span, "nothing behind this %s reads the index %s", e->text, inner->name);
    c->locals = outer;
}

static bool yields(const Block *b)
{
    for (int i = 0; i < b->n_stmts; i++) {
        const Stmt *s = b->stmts[i];
        if (s->kind == S_YIELD || (s->block && yields(s->block)) || (s->else_block && yields(s->else_block)))
            return true;
    }
    return false;
}

static const NameRef *scan_name(const Scan *s, int i)
{
    return i < s->n_items ? &s->items[i].name : &s->carries[i - s->n_items].name;
}

static void check_scan(Check *c, const Expr *e)
{
    const Scan *s = e->scan;
    for (int i = 0; i < s->n_items + s->n_carries; i++)
        for (int k = 0; k < i; k++)
            if (scan_name(s, i)->name == scan_name(s, k)->name)
                check_error(c, scan_name(s, i)->span, "%s stands twice in this scan", scan_name(s, i)->name);
    for (int i = 0; i < s->n_items; i++)
        check_expr(c, s->items[i].value);
    for (int i = 0; i < s->n_carries; i++)
        check_expr(c, s->carries[i].value);
    check_expr(c, s->along);
    for (int i = 0; i < s->n_items; i++)
        check_bind(c, s->items[i].name.name, s->items[i].name.span, "item");
    for (int i = 0; i < s->n_carries; i++)
        check_bind(c, s->carries[i].name.name, s->carries[i].name.span, NULL);
    c->in_scan++;
    if (s->body) {
        check_block(c, s->body);
        if (!yields(s->body)) {
            check_error(c, e->span, "this scan yields nothing");
            check_note(c, "its body needs `yield ...`: the yielded values of all steps are its result");
        }
    }
    c->in_scan--;
}

void check_expr(Check *c, const Expr *e)
{
    if (!e)
        return;
    switch (e->kind) {
    case E_NAME: check_name(c, e); break;
    case E_CALL:
    case E_PIPE: check_call(c, e); break;
    case E_MEMBER: check_member(c, e); break;
    case E_REDUCE: check_reduce(c, e); break;
    case E_SCAN: check_scan(c, e); break;
    case E_IF:
        check_expr(c, e->a);
        check_block_value(c, e->block);
        if (e->else_block)
            check_block_value(c, e->else_block);
        check_expr(c, e->b);
        break;
    case E_INDEX: check_brackets(c, e); break;
    case E_LIST:
    case E_TUPLE:
        for (int i = 0; i < e->n_items; i++)
            check_expr(c, e->items[i]);
        break;
    case E_UNARY:
    case E_BINARY:
    case E_RANGE:
        check_expr(c, e->a);
        check_expr(c, e->b);
        break;
    default: break;
    }
}
