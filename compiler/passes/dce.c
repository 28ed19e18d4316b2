/* dce: drops every node that no root (output, update) needs. Inputs stay: they are the entry point's
 * signature, used or not.
 *
 * Requires: topological order. Establishes: every node but an input reaches a root; ids dense. */
#include "ops/ops.h"
#include "passes/passes.h"

bool pass_dce(PassCtx *ctx, Graph *g)
{
    (void)ctx;
    for (int i = 0; i < g->nodes.len; i++) {
        Node *n = g->nodes.data[i];
        n->mark = (n->op->flags & OP_ROOT) || n->op == &op_input;
    }
    for (int i = g->nodes.len - 1; i >= 0; i--) {
        Node *n = g->nodes.data[i];
        for (int k = 0; n->mark && k < n->n_in; k++)
            n->in[k]->mark = 1;
    }
    int kept = 0;
    for (int i = 0; i < g->nodes.len; i++)
        if (g->nodes.data[i]->mark)
            g->nodes.data[kept++] = g->nodes.data[i];
    g->nodes.len = kept;
    graph_renumber(g);
    return true;
}
