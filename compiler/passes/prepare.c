/* prepare: what an inference entry computes of parameters and constants alone (the scale and the shift that
 * batch norm comes down to, merged matrices, norms of weights) is the same at every call. Here it becomes a
 * variable of its own kind, which an entry named `prepare` computes, once for all inference entries, whenever
 * parameters have changed; they read it. assemble adds what lowering can prepare (panels and Winograd's taps),
 * and the variable that says whether all this is up to date (runtime/nnr.h).
 *
 * A value is prepared where that saves arithmetic and it is no larger than twice the parameters that it is
 * made of; else what it is made of is looked at. Views and transposes save none: they stay with their readers.
 * Entries of training never read what is prepared, and states that an inference entry updates are none that
 * anything is prepared of: so nothing goes stale within a call.
 *
 * Works on a whole module. Requires: what dce establishes, of all graphs. Establishes: the same. */
#include "ops/build.h"
#include "passes/passes.h"

#include <string.h>

typedef struct {
    PassCtx *ctx;
    Module *m;
    Graph *to;       /* the entry `prepare`; NULL: nothing to do yet */
    NodeVec values;  /* nodes of it that are prepared ... */
    Vec(Var *) vars; /* ... and the variables that they are written to */
    /* of the graph at hand, by node id */
    int n;
    bool *fixed; /* depends on parameters and constants only */
    bool *seen;
    Node **copy; /* in `to` */
    Var **taken; /* the variable that it is read from now on */
} Prepare;

static bool is_fixed(const Prepare *p, const Node *n)
{
    if (n->op == &op_var)
        return n->attr[0].var->kind != VAR_SLOT && !module_carries(p->m, n->attr[0].var);
    if (n->op == &op_input || (n->op->flags & (OP_ROOT | OP_META | OP_DRAW)) || node_opaque(n))
        return false;
    for (int i = 0; i < n->n_in; i++)
        if (!p->fixed[n->in[i]->id])
            return false;
    return true;
}

/* ---- is it worth it? ---- */

typedef struct {
    int64_t params; /* elements of the variables it is made of */
    bool works;     /* it computes, not only moves */
} Made;

static void made_of(Prepare *p, const Node *n, Made *made)
{
    if (p->seen[n->id])
        return;
    p->seen[n->id] = true;
    made->params += n->op == &op_var ? type_count(&n->type) : 0;
    made->works |= !(n->op->flags & (OP_LEAF | OP_MOVEMENT));
    for (int i = 0; i < n->n_in; i++)
        made_of(p, n->in[i], made);
}

static bool worth(Prepare *p, const Node *n)
{
    Made made = { 0 };
    if (n->op->flags & (OP_LEAF | OP_MOVEMENT) || n->type.dtype != DT_F32)
        return false;
    memset(p->seen, 0, sizeof *p->seen * (size_t)p->n);
    made_of(p, n, &made);
    return made.works && made.params && type_count(&n->type) <= 2 * made.params;
}

/* ---- moving it ---- */

/* n's like in the entry `prepare`, where entries of several batch sizes meet. */
static Node *copy_of(Prepare *p, const Node *n)
{
    if (p->copy[n->id])
        return p->copy[n->id];
    Node **in = ARENA_ARRAY(p->m->arena, Node *, n->n_in + 1);
    for (int i = 0; i < n->n_in; i++)
        in[i] = copy_of(p, n->in[i]);
    Node like = *n;
    like.in = in;
    for (int i = 0; i < p->to->nodes.len; i++)
        if (node_equal(p->to->nodes.data[i], &like))
            return p->copy[n->id] = p->to->nodes.data[i];
    p->to->loc = n->loc;
    p->to->path = n->path;
    return p->copy[n->id] = graph_must_add(p->to, n->op, in, n->n_in, n->attr);
}

static Var *new_var(Prepare *p, const Node *n)
{
    const char *base = arena_printf(p->m->arena, "prepared.%s.%s", n->path ? n->path : "value", n->op->name);
    Var *v = module_add_var(p->m, base, VAR_PREPARED, n->type, n->loc);
    for (int i = 2; !v; i++)
        v = module_add_var(p->m, arena_printf(p->m->arena, "%s%d", base, i), VAR_PREPARED, n->type, n->loc);
    return v;
}

static Var *prepared(Prepare *p, const Node *n)
{
    if (!p->to)
        p->to = graph_new(p->m, "prepare", GRAPH_PREPARE, 0);
    Node *value = copy_of(p, n);
    for (int i = 0; i < p->values.len; i++)
        if (p->values.data[i] == value)
            return p->vars.data[i];
    Var *v = new_var(p, n);
    VEC_PUSH(p->ctx->arena, &p->values, value);
    VEC_PUSH(p->ctx->arena, &p->vars, v);
    return v;
}

static void take(Prepare *p, Node *n)
{
    if (n->op->flags & OP_LEAF || n->mark)
        return;
    n->mark = 1;
    if (worth(p, n)) {
        p->taken[n->id] = prepared(p, n);
        return;
    }
    for (int i = 0; i < n->n_in; i++)
        take(p, n->in[i]);
}

static void find_values(Prepare *p, Graph *g)
{
    graph_renumber(g);
    p->n = g->nodes.len;
    p->fixed = ARENA_ARRAY(p->ctx->arena, bool, p->n + 1);
    p->seen = ARENA_ARRAY(p->ctx->arena, bool, p->n + 1);
    p->copy = ARENA_ARRAY(p->ctx->arena, Node *, p->n + 1);
    p->taken = ARENA_ARRAY(p->ctx->arena, Var *, p->n + 1);
    for (int i = 0; i < p->n; i++) {
        p->fixed[i] = is_fixed(p, g->nodes.data[i]);
        g->nodes.data[i]->mark = 0;
    }
    for (int i = 0; i < p->n; i++) {
        Node *n = g->nodes.data[i];
        if (p->fixed[i] || (n->op->flags & OP_ROOT))
            continue;
        for (int k = 0; k < n->n_in; k++)
            if (p->fixed[n->in[k]->id])
                take(p, n->in[k]);
    }
}

static bool prepare_graph(Prepare *p, Graph *g)
{
    Loc loc = g->loc;
    const char *path = g->path;
    find_values(p, g);
    for (int i = 0; i < p->n; i++) {
        Node *n = g->nodes.data[i];
        g->loc = n->loc;
        g->path = n->path;
        if (p->taken[i])
            graph_replace_uses(g, n, build_var(g, p->taken[i]));
    }
    g->loc = loc;
    g->path = path;
    if (g->nodes.len == p->n)
        return true;
    graph_sort(g);
    return pass_dce(p->ctx, g);
}

bool pass_prepare(PassCtx *ctx, Module *m)
{
    Prepare p = { .ctx = ctx, .m = m };
    for (int i = 0; i < m->vars.len; i++)
        if (ctx->no_prepare || m->vars.data[i]->kind == VAR_PREPARED)
            return true; /* unwanted, or done already */
    for (int i = 0, n = m->graphs.len; i < n; i++)
        if (graph_infers(m->graphs.data[i]) && !prepare_graph(&p, m->graphs.data[i]))
            return false;
    for (int i = 0; i < p.values.len; i++) {
        p.to->loc = p.values.data[i]->loc;
        p.to->path = p.values.data[i]->path;
        build_update(p.to, p.vars.data[i], p.values.data[i]);
    }
    if (p.to) {
        graph_sort(p.to);
        p.to->path = NULL;
    }
    return true;
}
