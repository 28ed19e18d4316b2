/* Nets: one object each. A call of a net with the same arguments in one graph is computed once; a net's
 * inference graphs take the shapes that its first use in a train block gave it. */
#include "front/elab.h"

#include <string.h>

Gen *gen_new(Front *f, const char *name, GraphKind kind, int64_t batch, bool training)
{
    Gen *gen = ARENA_NEW(f->arena, Gen);
    gen->f = f;
    gen->training = training;
    gen->g = graph_new(f->module, name, kind, batch);
    return gen;
}

/* ---- calls ---- */

static bool memo_fits(const NetMemo *m, const Symbol *sym, const CallArg *slots)
{
    if (m->net != sym)
        return false;
    for (int i = 0; i < m->n_args; i++)
        if (!value_equal(m->args[i], slots[i].v))
            return false;
    return true;
}

static void remember_use(Symbol *sym, Frame *fr, const CallArg *slots, Scope *scope)
{
    const Decl *d = sym->decl;
    Front *f = fr->f;
    Vec(struct ShapeVar) shapes = {0};
    sym->used = true;
    sym->use_batch = fr->gen->g->batch;
    sym->use_args = ARENA_ARRAY(f->arena, Value, d->n_formals + 1);
    for (int i = 0; i < d->n_formals; i++) {
        sym->use_args[i] = slots[i].v;
        const TypeExpr *t = d->formals[i].type;
        for (int k = 0; t && k < t->n_dims; k++) {
            const Dim *dim = &t->dims[k];
            const char *name = dim->rest ? dim->rest_name : dim->expr->kind == E_NAME ? dim->expr->text : NULL;
            Binding *b = name ? scope_find(scope, name) : NULL;
            if (!b)
                continue;
            bool batch = k == 0 && b->value.kind == V_INT && b->value.i == sym->use_batch;
            VEC_PUSH(f->arena, &shapes, (struct ShapeVar){ name, b->value, batch });
        }
    }
    sym->use_shapes = shapes.data;
    sym->n_use_shapes = shapes.len;
}

Value net_call(Frame *fr, Symbol *sym, CallArg *slots, Span at)
{
    Gen *gen = fr->gen;
    int before = 0;
    if (!gen)
        return fail(fr, at, "the net %s cannot be used at the top level", sym->name);
    for (int i = 0; i < gen->memo.len; i++) {
        if (memo_fits(&gen->memo.data[i], sym, slots))
            return gen->memo.data[i].result;
        before += gen->memo.data[i].net == sym;
    }
    const char *salt = before ? PRINTF(fr, "%s#%d", sym->name, before + 1) : sym->name;
    Scope *scope = scope_new(fr->f, NULL);
    Value result = net_run(fr, sym, slots, at, salt, scope);
    int n = sym->decl->n_formals;
    NetMemo m = { .net = sym, .n_args = n, .args = ARENA_ARRAY(fr->f->arena, Value, n + 1), .result = result };
    for (int i = 0; i < n; i++)
        m.args[i] = slots[i].v;
    VEC_PUSH(fr->f->arena, &gen->memo, m);
    sym->elaborated = true;
    if (!sym->used && gen->train)
        remember_use(sym, fr, slots, scope);
    return result;
}

/* ---- inference graphs ---- */

static const char *leading_name(const Formal *formal)
{
    const TypeExpr *t = formal->type;
    if (!t || t->n_dims == 0 || t->dims[0].rest || t->dims[0].expr->kind != E_NAME)
        return NULL;
    return t->dims[0].expr->text;
}

/* The shape variable that stands for the batch, or NULL. */
static const char *batch_name(Front *f, const Symbol *sym)
{
    const Decl *d = sym->decl;
    for (int i = 0; i < sym->n_use_shapes; i++)
        if (sym->use_shapes[i].batch)
            return sym->use_shapes[i].name;
    const char *first = NULL, *n = intern_cstr(f->names, "N");
    for (int i = 0; i < d->n_formals; i++) {
        const char *name = leading_name(&d->formals[i]);
        if (name == n)
            return n;
        if (name && !first && !unit_find(sym->unit, name))
            first = name;
    }
    return first;
}

static bool bind_shape_var(Frame *fr, Symbol *sym, const Dim *dim, const char *name, const char *batch_var,
                           int64_t batch)
{
    Front *f = fr->f;
    if (scope_find(fr->scope, name))
        return true;
    Symbol *constant = unit_find(sym->unit, name);
    if (constant && constant->decl->kind == D_CONST)
        return true;
    if (name == batch_var) {
        scope_bind(f, fr->scope, name, value_int(batch), dim->span);
        return true;
    }
    for (int i = 0; i < sym->n_use_shapes; i++)
        if (sym->use_shapes[i].name == name) {
            scope_bind(f, fr->scope, name, sym->use_shapes[i].value, dim->span);
            return true;
        }
    const char *text = define_find(f, name);
    if (text) {
        Value v = define_value(f, text);
        if (v.kind == V_INT) {
            scope_bind(f, fr->scope, name, v, dim->span);
            return true;
        }
        fail(fr, dim->span, "-D %s=%s: a dimension is an int", name, text);
        return false;
    }
    for (int i = 0; i < sym->decl->n_formals; i++) /* an int argument with a default, or its alias */
        if (sym->decl->formals[i].name.name == name || sym->decl->formals[i].alias == name)
            return true;
    fail(fr, dim->span, "the dimension %s of net %s is not known", name, sym->name);
    hint(fr, "give it by -D %s=64, or use the net in a train block", name);
    return false;
}

static bool bind_shape_vars(Frame *fr, Symbol *sym, const char *batch_var, int64_t batch)
{
    const Decl *d = sym->decl;
    for (int i = 0; i < d->n_formals; i++) {
        const TypeExpr *t = d->formals[i].type;
        for (int k = 0; t && k < t->n_dims; k++) {
            const Dim *dim = &t->dims[k];
            if (dim->rest && !dim->rest_name) {
                if (sym->used) /* the argument's own type is taken */
                    continue;
                fail(fr, dim->span, "the net %s is an entry point, so its inputs need full shapes", sym->name);
                return false;
            }
            const char *name = dim->rest ? dim->rest_name : dim->expr->kind == E_NAME ? dim->expr->text : NULL;
            if (name && !bind_shape_var(fr, sym, dim, name, batch_var, batch))
                return false;
        }
    }
    return true;
}

/* The type of a formal where it is an input: declared, or that of the first use. */
static bool input_type(Frame *fr, Symbol *sym, int i, int64_t batch, Type *out, bool *is_input)
{
    const Formal *formal = &sym->decl->formals[i];
    DType dtype;
    bool tensor = formal->type && type_kind(formal->type, &dtype) == TK_TENSOR;
    bool open = !formal->type || type_kind(formal->type, &dtype) == TK_ANY;
    for (int k = 0; tensor && k < formal->type->n_dims; k++)
        open = open || (formal->type->dims[k].rest && !formal->type->dims[k].rest_name);
    *is_input = tensor || (open && sym->used && sym->use_args[i].kind == V_TENSOR);
    if (!*is_input)
        return true;
    if (!open)
        return type_resolve(fr, formal->type, out);
    *out = sym->use_args[i].node->type;
    if (out->rank > 0 && out->dim[0] == sym->use_batch)
        out->dim[0] = batch;
    return true;
}

static bool make_inputs(Frame *fr, Symbol *sym, int64_t batch, CallArg *slots)
{
    const Decl *d = sym->decl;
    for (int i = 0; i < d->n_formals; i++) {
        const Formal *formal = &d->formals[i];
        Type type;
        bool is_input;
        if (!input_type(fr, sym, i, batch, &type, &is_input))
            return false;
        slots[i] = (CallArg){ .v = value_none(), .at = formal->span };
        if (is_input) {
            place(fr, formal->span);
            slots[i].v = tensor_value(fr, build_input(fr->gen->g, formal->name.name, type));
        } else if (sym->used) {
            slots[i].v = sym->use_args[i];
        } else if (define_find(fr->f, formal->name.name)) {
            slots[i].v = define_value(fr->f, define_find(fr->f, formal->name.name));
        } else if (!formal->init) {
            fail(fr, formal->span, "the net %s is an entry point, and nothing says what its argument %s is",
                 sym->name, formal->name.name);
            hint(fr, "give it a type with a shape, a default, or -D %s=VALUE", formal->name.name);
            return false;
        }
    }
    return true;
}

/* Names of results: those of the last `return` where it returns plain names. */
static const char *result_name(Frame *fr, const Decl *d, int i, int n)
{
    const Expr *e = NULL;
    for (int k = 0; k < d->body->n_stmts; k++)
        if (d->body->stmts[k]->kind == S_RETURN)
            e = d->body->stmts[k]->value;
    if (e && e->kind == E_TUPLE && i < e->n_items)
        e = e->items[i];
    for (int k = 0; e && e->kind == E_NAME && k < d->n_formals; k++)
        if (d->formals[k].name.name == e->text)
            e = NULL;
    if (e && e->kind == E_NAME)
        return e->text;
    return n == 1 ? "output" : PRINTF(fr, "output.%d", i + 1);
}

static void make_outputs(Frame *fr, Symbol *sym, Value v)
{
    const Decl *d = sym->decl;
    int n = v.kind == V_TUPLE ? v.n : 1;
    for (int i = 0; i < n; i++) {
        Value item = v.kind == V_TUPLE ? v.items[i] : v;
        Node *node = node_of(fr, item, DT_F32, d->name.span);
        if (!node)
            return;
        const char *name = result_name(fr, d, i, n);
        for (int k = 0; k < i; k++)
            if (strcmp(result_name(fr, d, k, n), name) == 0)
                name = PRINTF(fr, "output.%d", i + 1); /* no name of the text has a point */
        place(fr, d->name.span);
        build_output(fr->gen->g, name, node);
    }
}

static void net_graph(Front *f, Symbol *sym, const char *batch_var, int64_t batch)
{
    Gen *gen = gen_new(f, sym->name, GRAPH_INFER, batch_var ? batch : 0, false);
    Frame fr = frame_top(f, sym->unit, gen);
    CallArg slots[MAX_FORMALS];
    if (sym->decl->n_formals > MAX_FORMALS) {
        fail(&fr, sym->decl->name.span, "more than %d arguments", MAX_FORMALS);
        return;
    }
    if (!bind_shape_vars(&fr, sym, batch_var, batch) || !make_inputs(&fr, sym, batch, slots))
        return;
    Frame call = frame_top(f, sym->unit, gen);
    Value v = net_call(&call, sym, slots, SPAN_NONE);
    if (!is_bad(v))
        make_outputs(&fr, sym, v);
    gen_finish(gen);
}

void net_graphs(Front *f, Symbol *sym, int64_t batch)
{
    const char *batch_var = batch_name(f, sym);
    const char *text = batch_var ? define_find(f, batch_var) : NULL;
    if (text && f->options->batch == 0) {
        Value v = define_value(f, text);
        if (v.kind == V_INT && v.i > 0)
            batch = v.i;
    }
    net_graph(f, sym, batch_var, batch);
    if (batch_var && batch != 1 && f->diags->n_errors == 0)
        net_graph(f, sym, batch_var, 1);
}

/* ---- the end of a graph ---- */

void gen_finish(Gen *gen)
{
    Graph *g = gen->g;
    for (int i = 0; i < gen->uses.len && gen->training; i++) {
        Node *now = gen->uses.data[i].now;
        if (!now)
            continue;
        g->loc = now->loc;
        g->path = now->path;
        build_update(g, gen->uses.data[i].info->var, now);
    }
    for (int i = 0; i < g->nodes.len; i++) {
        Node *n = g->nodes.data[i];
        n->mark = (n->op->flags & OP_ROOT) || ((g->kind == GRAPH_INFER || g->kind == GRAPH_BODY) && n->op == &op_input);
    }
    for (int i = g->nodes.len - 1; i >= 0; i--)
        if (g->nodes.data[i]->mark)
            for (int k = 0; k < g->nodes.data[i]->n_in; k++)
                g->nodes.data[i]->in[k]->mark = 1;
    int kept = 0;
    for (int i = 0; i < g->nodes.len; i++)
        if (g->nodes.data[i]->mark)
            g->nodes.data[kept++] = g->nodes.data[i];
    g->nodes.len = kept;
    graph_renumber(g);
    g->loc = (Loc){0};
    g->path = NULL;
}
