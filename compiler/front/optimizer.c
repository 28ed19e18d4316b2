/* Optimizers: their body is elaborated once a parameter, behind the gradients. Gradient transforms
 * (`grad <- ...`) come first in a pipe, the last one writes `value <- ...`. */
#include "front/train.h"

#include <string.h>

struct OptState {
    const char *prefix; /* of slots: "classify.adam" */
    const VarInfo *param;
    Value value, grad;
    Trained *all; /* gradients as they come into this stage, for grad_norm */
    int n_all;
    Node **norm;  /* shared by the parameters of a stage */
    bool wrote_value, wrote_grad, in_slot;
};

/* Global norm of the gradients: sqrt of the sum of squares over all trained parameters. */
static Value grad_norm(Frame *fr, Span at)
{
    OptState *st = fr->opt;
    Graph *g = fr->gen->g;
    place(fr, at);
    for (int i = 0; i < st->n_all && !*st->norm; i++) {
        Node *total = NULL;
        for (int k = 0; k < st->n_all; k++) {
            Node *x = st->all[k].grad;
            int64_t axes[MAX_RANK];
            for (int d = 0; d < x->type.rank; d++)
                axes[d] = d;
            Node *square = build_binary(g, &op_mul, x, x);
            Node *sum = x->type.rank ? build_reduce(g, &op_sum, square, axes, x->type.rank) : square;
            total = total ? build_binary(g, &op_add, total, sum) : sum;
        }
        *st->norm = build_unary(g, &op_sqrt, total);
    }
    return tensor_value(fr, *st->norm);
}

Value optimizer_name(Frame *fr, const char *name, Span at, bool *found)
{
    OptState *st = fr->opt;
    *found = false;
    if (!st)
        return value_bad();
    bool value = strcmp(name, "value") == 0, grad = strcmp(name, "grad") == 0;
    *found = value || grad || strcmp(name, "grad_norm") == 0;
    if (!*found)
        return value_bad();
    if (value)
        return st->value;
    if (st->in_slot)
        return fail(fr, at, "%s is not known when slots are filled", name);
    return grad ? st->grad : grad_norm(fr, at);
}

static Node *written(Frame *fr, Stmt *s, Type type)
{
    Value v = eval(fr, s->value);
    const char *name = s->targets[0].name.name;
    Node *n = node_of(fr, v, type.dtype, s->value->span);
    if (!n)
        return NULL;
    if (n->type.dtype != type.dtype) {
        fail(fr, s->value->span, "%s is %s, but this is %s", name, type_text(fr->f->arena, &type),
             type_text(fr->f->arena, &n->type));
        return NULL;
    }
    return node_expand(fr, n, type.dim, type.rank, name, s->value->span);
}

static VarUse *use_of(Gen *gen, const VarInfo *info)
{
    for (int i = 0; i < gen->uses.len; i++)
        if (gen->uses.data[i].info == info)
            return &gen->uses.data[i];
    return NULL;
}

void optimizer_arrow(Frame *fr, Stmt *s)
{
    OptState *st = fr->opt;
    const NameRef *name = &s->targets[0].name;
    Binding *b = scope_find(fr->scope, name->name);
    bool value = strcmp(name->name, "value") == 0, grad = strcmp(name->name, "grad") == 0;
    if (!b && (value || grad)) {
        Node *n = written(fr, s, st->param->var->type);
        Value v = n ? tensor_value(fr, n) : value_bad();
        if (value) {
            st->value = v;
            st->wrote_value = true;
        } else {
            st->grad = v;
            st->wrote_grad = true;
        }
        return;
    }
    const VarInfo *info = b && b->value.kind == V_TENSOR ? b->value.var : NULL;
    if (b && is_bad(b->value))
        return;
    if (!info || info->var->kind != VAR_SLOT) {
        fail(fr, name->span, "%s is not a slot", name->name);
        hint(fr, "an optimizer writes its slots, and `value` or `grad`");
        return;
    }
    Node *n = written(fr, s, info->var->type);
    if (!n)
        return;
    use_of(fr->gen, info)->now = n;
    b->value.node = n;
}

void optimizer_slot(Frame *fr, Stmt *s)
{
    OptState *st = fr->opt;
    Value v = value_bad();
    Type type;
    if (!st) {
        fail(fr, s->span, "a slot can only stand in an optimizer");
    } else if (!s->value) {
        fail(fr, s->span, "the slot %s has no initial value", s->name.name);
    } else {
        type = st->param->var->type;
        if (!s->type || type_resolve(fr, s->type, &type)) {
            const char *name = PRINTF(fr, "%s.%s.%s", st->prefix, s->name.name, st->param->var->name);
            Frame in = *fr;
            OptState initial = *st;
            initial.in_slot = true;
            initial.value = st->param->init
                ? (Value){ .kind = V_TENSOR, .node = st->param->init, .graph = fr->f->init->g } : value_bad();
            in.opt = &initial;
            const VarInfo *info = var_declare(&in, name, VAR_SLOT, type, s->value, s->name.span);
            if (info)
                v = var_read(fr, info);
        }
    }
    scope_bind(fr->f, fr->scope, s->name.name, v, s->name.span);
}

/* ---- a chain of optimizers over all parameters ---- */

static bool run_one(Frame *fr, const OptCall *opt, OptState *st, bool last)
{
    Symbol *sym = opt->sym;
    Site site = { .path = st->prefix, .salt_path = PRINTF(fr, "%s.%s", st->prefix, st->param->var->name) };
    Frame in = { .f = fr->f, .gen = fr->gen, .caller = fr, .call = opt->at, .sym = sym, .unit = sym->unit,
                 .scope = scope_new(fr->f, NULL), .site = &site, .depth = fr->depth + 1 };
    int errors = fr->f->faults;
    if (!formals_bind(&in, sym->decl, opt->slots, opt->at))
        return false;
    in.opt = st;
    eval_block(&in, sym->decl->body);
    if (fr->f->faults > errors)
        return false;
    if (last && !st->wrote_value) {
        fail(fr, opt->at, "the optimizer %s does not write `value`", sym->name);
        if (st->wrote_grad)
            hint(fr, "it only changes gradients; put an optimizer behind it: %s(...) |> sgd(0.1)", sym->name);
        else
            hint(fr, "its body needs `value <- ...`");
        return false;
    }
    if (!last && (st->wrote_value || !st->wrote_grad)) {
        fail(fr, opt->at, "the optimizer %s stands before another one, but it %s", sym->name,
             st->wrote_value ? "writes `value`" : "does not write `grad`");
        hint(fr, "only gradient transforms (`grad <- ...`) can be piped into an optimizer");
        return false;
    }
    return true;
}

static bool run_stage(Frame *fr, const char *prefix, const OptCall *opt, Trained *vars, int n, bool last)
{
    Node *norm = NULL;
    Trained *next = ARENA_ARRAY(fr->f->arena, Trained, n + 1);
    for (int i = 0; i < n; i++) {
        VarUse *use = use_of(fr->gen, vars[i].info);
        OptState st = { .prefix = prefix, .param = vars[i].info, .all = vars, .n_all = n, .norm = &norm,
                        .value = tensor_value(fr, use->read), .grad = tensor_value(fr, vars[i].grad) };
        if (!run_one(fr, opt, &st, last))
            return false;
        next[i] = (Trained){ vars[i].info, st.grad.node };
        if (last)
            use_of(fr->gen, vars[i].info)->now = st.value.node;
    }
    memcpy(vars, next, sizeof *vars * (size_t)n);
    return true;
}

bool optimizer_run(Frame *fr, const char *step, Value with, Node *loss, Trained *vars, int n, Span at)
{
    if (with.kind == V_SYMBOL && with.sym->decl->kind == D_OPTIMIZER)
        with = call_value(fr, with, NULL, 0, at, NULL);
    if (is_bad(with))
        return false;
    if (with.kind != V_OPT) {
        fail(fr, at, "`with` needs an optimizer, but this is %s", value_what(fr->f, with));
        return false;
    }
    for (int i = 0; i < n; i++) {
        place(fr, at);
        vars[i].grad = build_gradient(fr->gen->g, loss, use_of(fr->gen, vars[i].info)->read);
    }
    Vec(const OptCall *) chain = {0};
    for (const OptCall *o = with.opt; o; o = o->before)
        VEC_PUSH(fr->f->arena, &chain, o);
    for (int i = chain.len - 1; i >= 0; i--) {
        const OptCall *o = chain.data[i];
        int same = 1;
        for (int k = chain.len - 1; k > i; k--)
            same += chain.data[k]->sym == o->sym;
        const char *prefix = same > 1 ? PRINTF(fr, "%s.%s_%d", step, o->sym->name, same)
                                      : PRINTF(fr, "%s.%s", step, o->sym->name);
        if (!run_stage(fr, prefix, o, vars, n, i == 0))
            return false;
    }
    return true;
}
