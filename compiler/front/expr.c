/* Expressions: one case a kind; operators are in arith.c, calls in call.c, brackets in slice.c. */
#include "front/elab.h"

bool spend_many(Frame *fr, int64_t steps, Span at)
{
    Front *f = fr->f;
    if (f->budget > steps) {
        f->budget -= steps;
        return true;
    }
    if (f->budget > 0) {
        fail(fr, at, "this takes more than %d steps at compile time", EVAL_BUDGET);
        hint(fr, "is a `for` over a very long range, or a recursion that does not end?");
    }
    f->budget = 0;
    return false;
}

/* Calls and expressions nest on the machine's stack: the limit on calls alone does not bound it. */
static bool stack_left(Frame *fr, Span at)
{
    char here;
    uintptr_t now = (uintptr_t)&here, base = fr->f->stack_base;
    if ((now < base ? base - now : now - base) < STACK_LIMIT)
        return true;
    if (fr->f->budget > 0) {
        fail(fr, at, "expressions and calls nest too deep here");
        hint(fr, "is this a recursion that does not end?");
    }
    fr->f->budget = 0;
    return false;
}

bool spend(Frame *fr, Span at) { return spend_many(fr, 1, at) && stack_left(fr, at); }

static Value eval_items(Frame *fr, Expr *e)
{
    bool bad = false;
    if (!spend_many(fr, e->n_items, e->span))
        return value_bad();
    Value *items = ARENA_ARRAY(fr->f->arena, Value, e->n_items ? e->n_items : 1);
    for (int i = 0; i < e->n_items; i++) {
        items[i] = eval(fr, e->items[i]);
        bad = bad || is_bad(items[i]);
    }
    if (bad)
        return value_bad();
    return (Value){ .kind = e->kind == E_LIST ? V_LIST : V_TUPLE, .items = items, .n = e->n_items };
}

/* `&&` and `||` of static values leave out the right side when the left decides. */
static Value eval_binary(Frame *fr, Expr *e)
{
    Value a = eval(fr, e->a);
    if (a.kind == V_BOOL && ((e->op == OP_AND && !a.i) || (e->op == OP_OR && a.i)))
        return a;
    Value b = eval(fr, e->b);
    return arith_binary(fr, e->op, a, b, e->span);
}

static Value eval_range(Frame *fr, Expr *e)
{
    int64_t lo, hi;
    if (!eval_static_int(fr, e->a, &lo, "the start of a range") ||
        !eval_static_int(fr, e->b, &hi, "the end of a range"))
        return value_bad();
    return (Value){ .kind = V_RANGE, .i = lo, .j = hi };
}

static Value eval_if(Frame *fr, Expr *e, const char *layer_name)
{
    bool cond;
    if (!eval_static_bool(fr, e->a, &cond, "a condition of `if`"))
        return value_bad();
    if (cond)
        return eval_block_value(fr, e->block, layer_name);
    if (e->else_block)
        return eval_block_value(fr, e->else_block, layer_name);
    if (e->b)
        return eval_hinted(fr, e->b, layer_name);
    return fail(fr, e->span, "this `if` has no value where its condition is false");
}

bool eval_static_bool(Frame *fr, Expr *e, bool *out, const char *what)
{
    Value v = eval(fr, e);
    if (v.kind == V_BOOL) {
        *out = v.i != 0;
        return true;
    }
    if (is_bad(v))
        return false;
    fail(fr, e->span, "%s must be a bool known at compile time, but this is %s", what,
         value_what(fr->f, v));
    if (v.kind == V_TENSOR)
        hint(fr, "where(condition, a, b) chooses element by element");
    return false;
}

bool eval_static_int(Frame *fr, Expr *e, int64_t *out, const char *what)
{
    Value v = eval(fr, e);
    if (v.kind == V_INT) {
        *out = v.i;
        return true;
    }
    if (!is_bad(v))
        fail(fr, e->span, "%s must be an int known at compile time, but this is %s", what,
             value_what(fr->f, v));
    return false;
}

Value eval_hinted(Frame *fr, Expr *e, const char *layer_name)
{
    if (!spend(fr, e->span))
        return value_bad();
    switch (e->kind) {
    case E_INT: return value_int(e->ivalue);
    case E_FLOAT: return value_float(e->fvalue);
    case E_BOOL: return value_bool(e->ivalue != 0);
    case E_STRING: return value_string(e->text);
    case E_NAME: return name_lookup(fr, e->text, e->span);
    case E_CALL:
    case E_PIPE: return eval_call(fr, e, layer_name);
    case E_INDEX: return eval_index(fr, e);
    case E_MEMBER: return eval_member(fr, e);
    case E_UNARY: return arith_unary(fr, e->op, eval(fr, e->a), e->span);
    case E_BINARY: return eval_binary(fr, e);
    case E_IF: return eval_if(fr, e, layer_name);
    case E_LIST:
    case E_TUPLE: return eval_items(fr, e);
    case E_REDUCE: return eval_reduce(fr, e);
    case E_SCAN: return eval_scan(fr, e);
    case E_RANGE: return eval_range(fr, e);
    case E_BAD: break;
    }
    return value_bad();
}

Value eval(Frame *fr, Expr *e) { return eval_hinted(fr, e, NULL); }
