/* Calls: arguments to formals, pipes, and the activation of fns, layers and nets. */
#include "front/elab.h"

#include <string.h>

/* ---- arguments to formals ---- */

static int formal_index(const char *const *formals, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (strcmp(formals[i], name) == 0)
            return i;
    return -1;
}

static bool args_fail(Frame *fr, Span at, const char *signature, const char *message)
{
    fail(fr, at, "%s", message);
    hint(fr, "its signature: %s", signature);
    return false;
}

static bool bind_named(Frame *fr, const char *callee, const char *signature, const char *const *formals,
                       int n_formals, const CallArg *arg, CallArg *slots)
{
    int k = formal_index(formals, n_formals, arg->name);
    if (k < 0) {
        const char *near = text_nearest(arg->name, formals, n_formals);
        fail(fr, arg->name_at, "%s has no argument named %s", callee, arg->name);
        if (near)
            hint(fr, "did you mean %s?", near);
        hint(fr, "its signature: %s", signature);
        return false;
    }
    if (slots[k].at.src)
        return args_fail(fr, arg->name_at, signature,
                         PRINTF(fr, "the argument %s of %s is given twice", arg->name, callee));
    slots[k] = *arg;
    return true;
}

bool args_bind(Frame *fr, const char *callee, const char *signature, const char *const *formals,
               const bool *has_default, int n_formals, CallArg *args, int n, Span at, CallArg *slots)
{
    bool ok = true;
    int position = 0;
    for (int i = 0; i < n_formals; i++)
        slots[i] = (CallArg){ .v = value_none() };
    for (int i = 0; i < n && ok; i++) {
        if (args[i].name) {
            ok = bind_named(fr, callee, signature, formals, n_formals, &args[i], slots);
        } else if (position >= n_formals) {
            ok = args_fail(fr, args[i].at, signature,
                           PRINTF(fr, "%s takes %d argument%s, but this is one more", callee, n_formals,
                                  n_formals == 1 ? "" : "s"));
        } else if (slots[position].at.src) {
            ok = args_fail(fr, args[i].at, signature,
                           PRINTF(fr, "the argument %s of %s is given twice", formals[position], callee));
        } else {
            slots[position++] = args[i];
        }
    }
    for (int i = 0; i < n_formals && ok; i++)
        if (!slots[i].at.src && !has_default[i])
            ok = args_fail(fr, at, signature,
                           PRINTF(fr, "%s: the argument %s is missing", callee, formals[i]));
    return ok;
}

bool slots_from_args(Frame *fr, Symbol *sym, CallArg *args, int n, Span at, CallArg *slots)
{
    const Decl *d = sym->decl;
    const char *formals[MAX_FORMALS];
    bool has_default[MAX_FORMALS];
    if (d->n_formals > MAX_FORMALS) {
        fail(fr, at, "%s has more than %d arguments", sym->name, MAX_FORMALS);
        return false;
    }
    for (int i = 0; i < d->n_formals; i++) {
        formals[i] = d->formals[i].name.name;
        has_default[i] = d->formals[i].init != NULL;
    }
    return args_bind(fr, sym->name, signature_text(fr->f, d), formals, has_default, d->n_formals, args, n,
                     at, slots);
}

/* ---- formals in the callee's scope ---- */

static void bind_formal(Frame *fr, const Formal *formal, Value v, Span at)
{
    v = type_match(fr, formal->type, v, formal->name.name, at);
    scope_bind(fr->f, fr->scope, formal->name.name, v, formal->name.span);
    if (formal->alias)
        scope_bind(fr->f, fr->scope, formal->alias, v, formal->name.span);
}

/* Numbers whose formal is a tensor with a shape wait for the shape variables of the tensors. */
static int formal_turn(const Formal *formal, const CallArg *slot)
{
    DType dtype;
    if (slot->v.kind == V_TENSOR)
        return 2;
    if (slot->v.kind == V_NONE)
        return 4;
    return formal->type && formal->type->has_shape && type_kind(formal->type, &dtype) == TK_TENSOR ? 3 : 0;
}

static bool bound_badly(Frame *fr, const Decl *d)
{
    for (int i = 0; i < d->n_formals; i++) {
        Binding *b = scope_find(fr->scope, d->formals[i].name.name);
        if (b && is_bad(b->value))
            return true;
    }
    return false;
}

bool formals_bind(Frame *fr, const Decl *d, CallArg *slots, Span at)
{
    for (int turn = 0; turn < 5; turn++)
        for (int i = 0; i < d->n_formals; i++) {
            const Formal *formal = &d->formals[i];
            int own = formal_turn(formal, &slots[i]);
            if (own == 4) { /* a default: before the tensors when it depends on none of them */
                if ((turn != 1 && turn != 4) || scope_find(fr->scope, formal->name.name))
                    continue;
                if (turn == 1 && !expr_is_known(fr, formal->init))
                    continue;
                bind_formal(fr, formal, eval(fr, formal->init), formal->init->span);
            } else if (own == turn) {
                fr->binding = true;
                bind_formal(fr, formal, slots[i].v, slots[i].at.src ? slots[i].at : at);
                fr->binding = false;
            }
        }
    if (bound_badly(fr, d))
        return false;
    fr->binding = true;
    bool ok = true;
    for (int i = 0; i < d->n_formals && ok; i++)
        ok = type_match_late(fr, d->formals[i].type, slots[i].v, d->formals[i].name.name,
                             slots[i].at.src ? slots[i].at : at);
    fr->binding = false;
    return ok;
}

/* ---- activation ---- */

static Value check_results(Frame *fr, const Decl *d, Value v)
{
    if (is_bad(v) || d->n_results == 0)
        return v;
    if (d->n_results == 1)
        return type_match(fr, d->results[0], v, "the result", fr->result_at);
    if (v.kind != V_TUPLE || v.n != d->n_results)
        return fail(fr, fr->result_at, "%s returns %s, but %d results are declared", d->name.name,
                    value_what(fr->f, v), d->n_results);
    Value *items = ARENA_ARRAY(fr->f->arena, Value, v.n);
    for (int i = 0; i < v.n; i++) {
        items[i] = type_match(fr, d->results[i], v.items[i], PRINTF(fr, "result %d", i + 1), fr->result_at);
        if (is_bad(items[i]))
            return items[i];
    }
    v.items = items;
    return v;
}

static Value run_body(Frame *fr, Symbol *sym)
{
    eval_block(fr, sym->decl->body);
    if (fr->f->budget <= 0)
        return value_bad();
    if (!fr->returned)
        return fail(fr, sym->decl->name.span, "%s ends without returning a value", sym->name);
    if (fr->result.kind == V_NONE)
        return fail(fr, fr->result_at, "%s returns nothing", sym->name);
    return check_results(fr, sym->decl, fr->result);
}

static Value layer_without_home(Frame *fr, Symbol *sym, Span at)
{
    Value bad = fail(fr, at, "the layer %s has weights, and there is no layer or net here to hold them",
                     sym->name);
    if (fr->sym && fr->sym->decl->kind == D_FN)
        hint(fr, "a fn is pure; make %s a layer", fr->sym->name);
    else
        hint(fr, "use the layer inside a net, and the net here");
    return bad;
}

/* A layer's own place for variables and draws, below the caller's. */
static bool enter_layer(Frame *fr, Frame *in, Symbol *sym, Span at, const char *layer_name)
{
    if (fr->inst) {
        const char *name = instance_name(fr->f, fr->inst, layer_name ? layer_name : sym->name);
        in->inst = instance_new(fr->f, name);
        in->inst->site.salt_path = PRINTF(fr, "%s%s", fr->inst->site.salt_path, name + strlen(fr->inst->path));
        in->site = &in->inst->site;
        return true;
    }
    if (symbol_holds_params(fr->f, sym)) {
        layer_without_home(fr, sym, at);
        return false;
    }
    return true;
}

static Value too_deep(Frame *fr, Symbol *sym, Span at)
{
    Value bad = fail(fr, at, "calls nest deeper than %d: %s calls itself without an end", MAX_CALL_DEPTH,
                     sym->name);
    hint(fr, "a recursion must end by an `if` whose condition is known at compile time");
    return bad;
}

Value call_symbol(Frame *fr, Symbol *sym, CallArg *slots, Span at, const char *layer_name)
{
    const Decl *d = sym->decl;
    for (int i = 0; i < d->n_formals; i++)
        if (is_bad(slots[i].v))
            return value_bad();
    if (fr->depth >= MAX_CALL_DEPTH)
        return too_deep(fr, sym, at);
    if (d->kind == D_NET)
        return net_call(fr, sym, slots, at);
    Frame in = { .f = fr->f, .gen = fr->gen, .caller = fr, .call = at, .sym = sym, .unit = sym->unit,
                 .scope = scope_new(fr->f, NULL), .site = fr->site, .shape = fr->shape,
                 .depth = fr->depth + 1 };
    if (d->kind == D_LAYER && !enter_layer(fr, &in, sym, at, layer_name))
        return value_bad();
    if (!formals_bind(&in, d, slots, at))
        return value_bad();
    return run_body(&in, sym);
}

Value net_run(Frame *fr, Symbol *sym, CallArg *slots, Span at, const char *salt_path, Scope *scope)
{
    Frame in = { .f = fr->f, .gen = fr->gen, .caller = fr, .call = at, .sym = sym, .unit = sym->unit,
                 .scope = scope, .inst = instance_new(fr->f, sym->name), .depth = fr->depth + 1 };
    in.inst->site.salt_path = salt_path;
    in.site = &in.inst->site;
    if (!formals_bind(&in, sym->decl, slots, at))
        return value_bad();
    return run_body(&in, sym);
}

/* ---- call expressions ---- */

static Value call_optimizer(Frame *fr, Symbol *sym, CallArg *args, int n, Span at)
{
    OptCall *opt = ARENA_NEW(fr->f->arena, OptCall);
    *opt = (OptCall){ .sym = sym, .at = at };
    if (n > 0 && args[0].v.kind == V_OPT && !args[0].name) { /* a |> b: transforms first */
        opt->before = args[0].v.opt;
        args++;
        n--;
    }
    opt->slots = ARENA_ARRAY(fr->f->arena, CallArg, sym->decl->n_formals + 1);
    if (!slots_from_args(fr, sym, args, n, at, opt->slots))
        return value_bad();
    for (int i = 0; i < n; i++)
        if (is_bad(args[i].v))
            return value_bad();
    return (Value){ .kind = V_OPT, .opt = opt };
}

Value call_value(Frame *fr, Value callee, CallArg *args, int n, Span at, const char *layer_name)
{
    if (is_bad(callee))
        return callee;
    if (callee.kind == V_BUILTIN)
        return builtin_call(fr, callee.builtin, args, n, at);
    if (callee.kind != V_SYMBOL || callee.sym->decl->kind == D_TRAIN)
        return fail(fr, at, "%s cannot be called", value_what(fr->f, callee));
    if (callee.sym->decl->kind == D_OPTIMIZER)
        return call_optimizer(fr, callee.sym, args, n, at);
    CallArg slots[MAX_FORMALS];
    if (!slots_from_args(fr, callee.sym, args, n, at, slots))
        return value_bad();
    return call_symbol(fr, callee.sym, slots, at, layer_name);
}

static bool callable(Value v) { return v.kind == V_SYMBOL || v.kind == V_BUILTIN || v.kind == V_BAD; }

/* A value may have the name of a function (`data text = text("file")`): in front of arguments, or behind
 * `|>`, the function is meant. */
Value eval_callee(Frame *fr, Expr *e)
{
    Value v = eval(fr, e);
    if (callable(v) || e->kind != E_NAME)
        return v;
    Symbol *sym = symbol_find(fr->f, fr->unit, e->text);
    if (sym && sym->decl->kind != D_CONST)
        return symbol_value(fr->f, sym);
    const Builtin *b = builtin_find(e->text);
    return b ? (Value){ .kind = V_BUILTIN, .builtin = b } : v;
}

Value eval_call(Frame *fr, Expr *e, const char *layer_name)
{
    Expr *call = e->kind == E_PIPE ? e->b : e;
    Expr *callee_expr = call->kind == E_CALL ? call->a : call;
    int n_own = call->kind == E_CALL ? call->n_args : 0, n = 0;
    Value callee = eval_callee(fr, callee_expr);
    /* The binding's name goes to the last layer with parameters in the chain of first arguments. */
    const char *inner = layer_name;
    if (callee.kind == V_SYMBOL && callee.sym->decl->kind == D_LAYER &&
        symbol_holds_params(fr->f, callee.sym))
        inner = NULL;
    else
        layer_name = NULL;
    CallArg *args = ARENA_ARRAY(fr->f->arena, CallArg, n_own + 1);
    if (e->kind == E_PIPE)
        args[n++] = (CallArg){ .v = eval_hinted(fr, e->a, inner), .at = e->a->span };
    for (int i = 0; i < n_own; i++, n++) {
        const Arg *a = &call->args[i];
        args[n] = (CallArg){ .v = eval_hinted(fr, a->value, n == 0 ? inner : NULL), .at = a->value->span,
                             .name = a->name, .name_at = a->name_span };
        if (args[n].v.kind == V_NONE)
            args[n].v = fail(fr, a->value->span, "this has no value");
    }
    for (int i = 0; i < n; i++)
        if (is_bad(args[i].v))
            return value_bad();
    return call_value(fr, callee, args, n, e->kind == E_PIPE ? e->b->span : e->span, layer_name);
}
