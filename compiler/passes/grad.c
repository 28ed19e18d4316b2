/* grad: gradient markers become backward nodes (reverse mode).
 *
 * A marker `gradient loss, x` stands for d loss / d x. All markers of one loss are served by one sweep
 * from the loss backwards over the nodes that lie between some wanted x and the loss; each node's rule
 * (OpDef.grad) turns its adjoint into its operands' adjoints. Contributions to a node are added in the
 * order of the sweep, which is fixed by the graph, so the bits do not vary. An x without a path to the
 * loss gets zeros. stop_grad, comparisons, integers and the like end a path (OP_NO_GRAD).
 *
 * Markers may be nested (a gradient inside a loss): losses are taken in topological order, so that an
 * inner gradient has become ordinary nodes when the outer sweep meets it.
 *
 * Backward nodes carry location and layer path of the forward node they belong to, so that reports
 * name layers.
 *
 * Requires: topological order. Establishes: no markers are left, no dead nodes; one `var` node a variable
 * (several would each get only a part of the gradient). */
#include "ops/build.h"
#include "passes/passes.h"
#include <stdio.h>

/* Several nodes may read one variable: the first stands for all. */
static void merge_vars(PassCtx *ctx, Graph *g)
{
    Node **first = ARENA_ARRAY(ctx->arena, Node *, g->module->vars.len + 1);
    for (int i = 0; i < g->nodes.len; i++) {
        Node *n = g->nodes.data[i];
        for (int k = 0; k < n->n_in; k++)
            if (n->in[k]->op == &op_var)
                n->in[k] = first[n->in[k]->attr[0].var->index];
        if (n->op == &op_var && !first[n->attr[0].var->index])
            first[n->attr[0].var->index] = n;
    }
}

static Node *first_marker(const Graph *g)
{
    for (int i = 0; i < g->nodes.len; i++)
        if (g->nodes.data[i]->op == &op_gradient)
            return g->nodes.data[i];
    return NULL;
}

static bool is_marker_of(const Node *n, const Node *loss)
{
    return n->op == &op_gradient && n->in[0] == loss;
}

/* By node id: true for each wanted x and for what depends on one by a differentiable path. */
static bool *find_relevant(PassCtx *ctx, const Graph *g, const Node *loss)
{
    bool *relevant = ARENA_ARRAY(ctx->arena, bool, g->nodes.len);
    for (int i = 0; i < g->nodes.len; i++)
        if (is_marker_of(g->nodes.data[i], loss))
            relevant[g->nodes.data[i]->in[1]->id] = true;
    for (int i = 0; i <= loss->id; i++) {
        const Node *n = g->nodes.data[i];
        if (n->type.dtype != DT_F32 || (n->op->flags & (OP_NO_GRAD | OP_ROOT)))
            continue;
        for (int k = 0; k < n->n_in && !relevant[i]; k++)
            relevant[i] = relevant[n->in[k]->id] && n->in[k]->type.dtype == DT_F32;
    }
    return relevant;
}

static bool fail_no_rule(PassCtx *ctx, const Node *n)
{
    char place[256] = "";
    if (n->loc.file)
        snprintf(place, sizeof place, " (%s:%d:%d)", n->loc.file, n->loc.line, n->loc.col);
    snprintf(ctx->why.text, sizeof ctx->why.text,
             "%s has no derivative yet; the loss depends on one%.200s%s%.60s; keep it out of what is differentiated, or wrap it "
             "in stop_grad",
             n->op->name, place, n->path ? " in " : "", n->path ? n->path : "");
    return false;
}

/* One node's rule: adds to its operands' adjoints. */
static bool step_back(PassCtx *ctx, Graph *g, Node *n, const bool *relevant, Node **adjoint)
{
    bool *need = ARENA_ARRAY(ctx->arena, bool, n->n_in + 1);
    bool any = false;
    for (int k = 0; k < n->n_in; k++)
        any |= need[k] = n->in[k]->type.dtype == DT_F32 && relevant[n->in[k]->id];
    if (!any || (n->op->flags & OP_NO_GRAD))
        return true;
    if (!n->op->grad)
        return fail_no_rule(ctx, n);
    Node **dx = ARENA_ARRAY(ctx->arena, Node *, n->n_in);
    GradCtx rule = { .g = g, .need = need };
    g->loc = n->loc;
    g->path = n->path;
    n->op->grad(&rule, n, adjoint[n->id], dx);
    for (int k = 0; k < n->n_in; k++) {
        if (!need[k] || !dx[k])
            continue;
        Node **sum = &adjoint[n->in[k]->id];
        *sum = *sum ? build_binary(g, &op_add, *sum, dx[k]) : dx[k];
    }
    return true;
}

/* Redirects the uses of all markers of the loss to the adjoints, and takes the markers out. */
static void place_gradients(Graph *g, const Node *loss, Node **adjoint, int n_old)
{
    for (int i = 0; i < n_old; i++) {
        Node *n = g->nodes.data[i];
        n->aux = NULL;
        if (!is_marker_of(n, loss))
            continue;
        g->loc = n->loc;
        g->path = n->path;
        Node *value = adjoint[n->in[1]->id];
        n->aux = value ? value : build_like(g, n->in[1], 0);
    }
    int kept = 0;
    for (int i = 0; i < g->nodes.len; i++) {
        Node *n = g->nodes.data[i];
        for (int k = 0; k < n->n_in; k++)
            if (is_marker_of(n->in[k], loss))
                n->in[k] = n->in[k]->aux;
        if (!is_marker_of(n, loss))
            g->nodes.data[kept++] = n;
    }
    g->nodes.len = kept;
}

static bool sweep(PassCtx *ctx, Graph *g, Node *loss)
{
    int n_old = g->nodes.len;
    bool *relevant = find_relevant(ctx, g, loss);
    Node **adjoint = ARENA_ARRAY(ctx->arena, Node *, n_old);
    g->loc = loss->loc;
    g->path = loss->path;
    adjoint[loss->id] = build_like(g, loss, 1);
    for (int i = loss->id; i >= 0; i--)
        if (adjoint[i] && relevant[i] && !step_back(ctx, g, g->nodes.data[i], relevant, adjoint))
            return false;
    place_gradients(g, loss, adjoint, n_old);
    graph_sort(g);
    return true;
}

bool pass_grad(PassCtx *ctx, Graph *g)
{
    Loc loc = g->loc;
    const char *path = g->path;
    bool ok = true;
    graph_renumber(g);
    merge_vars(ctx, g);
    for (Node *marker; ok && (marker = first_marker(g));)
        ok = sweep(ctx, g, marker->in[0]);
    if (ok) /* rules leave nodes behind that they turned out not to need */
        pass_dce(ctx, g);
    g->loc = loc;
    g->path = path;
    return ok;
}
