/* Statements of bodies. `if` and `for` run now, at compile time; they share the scope of the function,
 * so that a name bound before may be bound anew inside. */
#include "front/elab.h"

void bind_target(Frame *fr, const Target *t, Value v, Span at)
{
    if (t->type)
        v = type_match(fr, t->type, v, t->name.name, at);
    scope_assign(fr->f, fr->scope, t->name.name, v, t->name.span);
}

static void stmt_let(Frame *fr, Stmt *s)
{
    if (s->targets[0].indexed) {
        stmt_indexed(fr, s);
        return;
    }
    if (s->n_targets == 1) {
        Value v = eval_hinted(fr, s->value, s->targets[0].name.name);
        if (v.kind == V_NONE)
            v = fail(fr, s->value->span, "this has no value");
        bind_target(fr, &s->targets[0], v, s->value->span);
        return;
    }
    Value v = eval(fr, s->value);
    bool fits = (v.kind == V_TUPLE || v.kind == V_LIST) && v.n == s->n_targets;
    if (!fits && !is_bad(v))
        fail(fr, s->value->span, "%d names on the left, but on the right is %s", s->n_targets,
             value_what(fr->f, v));
    for (int i = 0; i < s->n_targets; i++)
        bind_target(fr, &s->targets[i], fits ? v.items[i] : value_bad(), s->value->span);
}

static void stmt_return(Frame *fr, Stmt *s)
{
    fr->result = s->value ? eval(fr, s->value) : value_none();
    fr->result_at = s->value ? s->value->span : s->span;
    fr->returned = true;
}

static void stmt_if(Frame *fr, Stmt *s)
{
    bool cond;
    if (!eval_static_bool(fr, s->value, &cond, "a condition of `if`"))
        return;
    if (cond)
        eval_block(fr, s->block);
    else if (s->else_block)
        eval_block(fr, s->else_block);
}

static void stmt_for(Frame *fr, Stmt *s)
{
    Value v = eval(fr, s->value);
    if (is_bad(v))
        return;
    const Target *t = &s->targets[0];
    if (v.kind == V_RANGE) {
        for (int64_t i = v.i; i < v.j && !fr->returned && spend(fr, s->span); i++) {
            bind_target(fr, t, value_int(i), s->value->span);
            eval_block(fr, s->block);
        }
        return;
    }
    if (v.kind != V_LIST && v.kind != V_TUPLE) {
        fail(fr, s->value->span, "`for` goes over a list or a range, not over %s", value_what(fr->f, v));
        if (v.kind == V_TENSOR)
            hint(fr, "a loop over a dimension of a tensor is `scan`, or index notation");
        return;
    }
    for (int i = 0; i < v.n && !fr->returned && spend(fr, s->span); i++) {
        bind_target(fr, t, v.items[i], s->value->span);
        eval_block(fr, s->block);
    }
}

static void stmt_assert(Frame *fr, Stmt *s)
{
    bool ok;
    if (eval_static_bool(fr, s->value, &ok, "what `assert` checks") && !ok)
        fail(fr, s->span, "%s", s->message ? s->message : "this assertion does not hold");
}

static void eval_stmt(Frame *fr, Stmt *s)
{
    switch (s->kind) {
    case S_LET: stmt_let(fr, s); break;
    case S_ARROW: stmt_arrow(fr, s); break;
    case S_RETURN: stmt_return(fr, s); break;
    case S_YIELD: scan_yield(fr, s); break;
    case S_PARAM:
    case S_STATE: stmt_param(fr, s); break;
    case S_SLOT: optimizer_slot(fr, s); break;
    case S_IF: stmt_if(fr, s); break;
    case S_FOR: stmt_for(fr, s); break;
    case S_EXPR: eval(fr, s->value); break;
    case S_ASSERT: stmt_assert(fr, s); break;
    case S_BAD: break;
    default: fail(fr, s->span, "this statement belongs into a train block"); break;
    }
}

void eval_block(Frame *fr, const Block *b)
{
    for (int i = 0; i < b->n_stmts && !fr->returned; i++)
        if (spend(fr, b->stmts[i]->span))
            eval_stmt(fr, b->stmts[i]);
}

Value eval_block_value(Frame *fr, const Block *b, const char *layer_name)
{
    Scope *outer = fr->scope;
    fr->scope = scope_new(fr->f, outer);
    Value v = value_bad();
    for (int i = 0; i < b->n_stmts && !fr->returned; i++) {
        Stmt *s = b->stmts[i];
        if (i + 1 < b->n_stmts || s->kind != S_EXPR)
            eval_stmt(fr, s);
        else
            v = eval_hinted(fr, s->value, layer_name);
    }
    fr->scope = outer;
    return v;
}
