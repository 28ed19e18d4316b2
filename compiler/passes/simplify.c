/* simplify: algebra, constant folding, movement into contract maps; stop_grad goes.
 *
 * Rules (simplify_*.c) look at one node at a time and give an equivalent one. Rounds over the graph
 * repeat until nothing changes, at most MAX_ROUNDS of them; each round starts from a graph without
 * dead nodes, so that "has one reader" means what it says.
 *
 * What counts as equivalent, for finite f32 operands: the same value up to the rounding of a
 * reassociated factor, or of sums in another order; the sign of a zero may change. Where operands may be infinite or NaN:
 * nothing that would hide one is done (x*0, x-x, x/x, 0/x stay), with one exception: pow(x, 0.5)
 * becomes sqrt(x), which differs at -inf. i32 wraps, so that its algebra is exact.
 *
 * Requires: topological order, no gradient markers. Establishes: no stop_grad; topological order. */
#include "passes/simplify.h"

enum {
    MAX_ROUNDS = 32,
    MAX_GROWTH = 64 /* times as many nodes in a round: rules that undo each other end there */
};

bool simplify_splat(const Node *n, double *value)
{
    while (n->op == &op_broadcast || n->op == &op_reshape || n->op == &op_transpose)
        n = n->in[0];
    if (n->op != &op_const || type_count(&n->type) != 1)
        return false;
    *value = n->attr[0].tensor->data[0];
    return true;
}

static Node *latest(Node *n)
{
    while (n->aux)
        n = n->aux;
    return n;
}

static Node *apply_rules(Simplify *s, Node *n)
{
    static const SimplifyRule rules[] = { simplify_fold,   simplify_algebra,  simplify_movement,
                                          simplify_reduce, simplify_moments,  simplify_affine,
                                          simplify_contract, simplify_window,  NULL };
    if (n->op == &op_stop_grad)
        return n->in[0];
    for (int i = 0; rules[i]; i++) {
        Node *r = rules[i](s, n);
        if (r && r != n)
            return r;
    }
    return NULL;
}

/* Readers are counted as the graph changes, so that a rule can ask for "one reader" of what another
 * rule has just made. Nodes that died through others' death still count: never too low. */
static void count_readers(Node *const *nodes, int n)
{
    for (int i = 0; i < n; i++)
        for (int k = 0; k < nodes[i]->n_in; k++)
            nodes[i]->in[k]->mark++;
}

static bool visit(Simplify *s, Node *n)
{
    Graph *g = s->g;
    int before = g->nodes.len;
    g->loc = n->loc;
    g->path = n->path;
    Node *r = apply_rules(s, n);
    if (!r)
        return false;
    count_readers(g->nodes.data + before, g->nodes.len - before);
    r->mark += n->mark;
    for (int k = 0; k < n->n_in; k++)
        n->in[k]->mark--;
    n->aux = r;
    return true;
}

static bool run_round(PassCtx *ctx, Graph *g)
{
    pass_dce(ctx, g);
    for (int i = 0; i < g->nodes.len; i++) {
        g->nodes.data[i]->aux = NULL;
        g->nodes.data[i]->mark = 0;
    }
    count_readers(g->nodes.data, g->nodes.len);
    Simplify s = { g, ctx->arena };
    bool changed = false;
    int limit = (g->nodes.len + 16) * MAX_GROWTH;
    for (int i = 0; i < g->nodes.len && i < limit; i++) { /* grows: what a rule made is looked at too */
        Node *n = g->nodes.data[i];
        for (int k = 0; k < n->n_in; k++)
            n->in[k] = latest(n->in[k]);
        if (!(n->op->flags & OP_ROOT))
            changed |= visit(&s, n);
    }
    for (int i = 0; i < g->nodes.len; i++) {
        Node *n = g->nodes.data[i];
        for (int k = 0; k < n->n_in; k++)
            n->in[k] = latest(n->in[k]);
    }
    for (int i = 0; i < g->nodes.len; i++)
        g->nodes.data[i]->aux = NULL;
    graph_sort(g);
    return changed;
}

bool pass_simplify(PassCtx *ctx, Graph *g)
{
    Loc loc = g->loc;
    const char *path = g->path;
    for (int round = 0; round < MAX_ROUNDS && run_round(ctx, g); round++)
        ;
    g->loc = loc;
    g->path = path;
    return true;
}
