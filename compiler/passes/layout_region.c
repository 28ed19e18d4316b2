/* Which variables share a layout: those that one elementwise computation reads and updates, as an
 * optimizer does with a parameter and what it remembers of it. */
#include "passes/layout.h"

int layout_set(LayoutSets *s, int var)
{
    while (s->parent[var] != var)
        var = s->parent[var] = s->parent[s->parent[var]];
    return var;
}

/* Dimensions above one, in order. */
static int big_dims(const Type *t, int *list)
{
    int n = 0;
    for (int d = 0; d < t->rank; d++)
        if (t->dim[d] > 1)
            list[n++] = d;
    return n;
}

/* A reshape that only adds or drops dimensions of 1. */
static bool unit_reshape(const Node *n)
{
    int a[MAX_RANK], b[MAX_RANK];
    if (n->op != &op_reshape)
        return false;
    int na = big_dims(&n->type, a), nb = big_dims(&n->in[0]->type, b);
    bool same = na == nb;
    for (int i = 0; same && i < na; i++)
        same = n->type.dim[a[i]] == n->in[0]->type.dim[b[i]];
    return same;
}

nnr_layout layout_for(const Type *t, const Type *of, const nnr_layout *l)
{
    int to[MAX_RANK], from[MAX_RANK], n = big_dims(of, from);
    nnr_layout r = { 0 };
    if (!l->rank || type_same_shape(t, of))
        return *l;
    big_dims(t, to);
    for (int d = 0; d < t->rank; d++)
        if (t->dim[d] == 1) {
            r.axis[r.rank] = d;
            r.dims[r.rank] = r.step[r.rank] = 1;
            r.rank++;
        }
    for (int p = 0; p < l->rank; p++)
        for (int i = 0; i < n; i++)
            if (from[i] == l->axis[p]) {
                r.axis[r.rank] = to[i];
                r.dims[r.rank] = l->dims[p];
                r.step[r.rank++] = l->step[p];
            }
    return r;
}

bool layout_spreads(const Node *n)
{
    return ((n->op->flags & OP_ELEMENTWISE) && !(n->op->flags & OP_LEAF)) || unit_reshape(n);
}

static void join(LayoutSets *s, int a, int b) { s->parent[layout_set(s, a)] = layout_set(s, b); }

/* mark: 1 + the variable whose region the node is in. */
static void visit(LayoutSets *s, Node *n, int var)
{
    if (n->mark) {
        join(s, n->mark - 1, var);
        return;
    }
    bool spreads = layout_spreads(n);
    if (!spreads && n->op != &op_var && n->op != &op_contract)
        return;
    n->mark = var + 1;
    if (n->op == &op_var)
        join(s, n->attr[0].var->index, var);
    for (int k = 0; spreads && k < n->n_in; k++)
        visit(s, n->in[k], var);
}

void layout_join(LayoutSets *s, const Graph *g)
{
    for (int i = 0; i < g->nodes.len; i++)
        g->nodes.data[i]->mark = 0;
    for (int i = 0; i < g->nodes.len; i++) {
        Node *n = g->nodes.data[i];
        if (n->op == &op_update && n->in[0]->type.rank > 1)
            visit(s, n->in[0], n->attr[0].var->index);
    }
}
