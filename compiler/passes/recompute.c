/* recompute: what the backward pass reads of a large intermediate is computed there again instead of being kept
 * from the forward pass, where that is cheap: attention's shares from the queries, the keys and what
 * the forward pass has found for each row (its maximum, its sum).
 *
 * A contraction qualifies that makes more elements than either operand has, by short sums, from values (not
 * weights), and whose elementwise consequences another contraction reads row by row: the chain pass makes one
 * kernel of the two, and one of the backward pass that reads the copies, so that no such value is stored at all.
 * Copied are the contraction and what is elementwise between it and the backward pass; everything
 * smaller, row statistics above all, is read.
 *
 * Requires: no markers; runs behind cse, which would undo it. Establishes: backward nodes read copies. */
#include "ops/build.h"
#include "passes/passes.h"
#include "ops/ops.h"

enum { LONGEST_SUM = 256 };

typedef struct {
    Graph *g;
    Arena *arena;
    bool *forward; /* by node id: an output depends on it */
    bool *family;  /* by node id: elementwise from the contraction at hand, of its shape */
    Node **copy;   /* by node id */
    int n;         /* nodes before any copy */
} Recompute;

static void mark_forward(Recompute *r)
{
    for (int id = r->n - 1; id >= 0; id--) {
        const Node *n = r->g->nodes.data[id];
        if (!r->forward[id] && n->op != &op_output)
            continue;
        for (int i = 0; i < n->n_in; i++)
            r->forward[n->in[i]->id] = true;
    }
}

static bool is_weight(const Node *n)
{
    while (n->op->flags & OP_VIEW)
        n = n->in[0];
    return n->op == &op_var;
}

/* More results than operands, short sums, no weights, and several matrices: sums over the rows of a single one
 * keep the backward pass from becoming one chain. */
static bool expands(const Node *n)
{
    const Contract *c = n->attr[0].contract;
    int64_t sum = 1, matrices = 1;
    for (int k = c->n_out; k < c->n_index; k++)
        sum *= c->extent[k];
    for (int d = 0; d < n->type.rank - 2; d++)
        matrices *= n->type.dim[d];
    if (c->n_operand != 2 || sum > LONGEST_SUM || matrices < 2)
        return false;
    for (int o = 0; o < 2; o++)
        if (type_count(&n->in[o]->type) >= type_count(&n->type) || is_weight(n->in[o]))
            return false;
    return true;
}

static void find_family(Recompute *r, const Node *contract)
{
    for (int id = 0; id < r->n; id++) {
        const Node *n = r->g->nodes.data[id];
        r->family[id] = n == contract;
        bool fits = (n->op->flags & OP_ELEMENTWISE) && r->forward[id] && type_same_shape(&n->type, &contract->type);
        for (int i = 0; i < n->n_in && fits; i++)
            r->family[id] = r->family[id] || r->family[n->in[i]->id];
    }
}

/* A contraction of the forward pass that reads a row of the family where it makes a row. */
static bool read_by_rows(const Recompute *r, const Node *contract)
{
    int lead = contract->type.rank - 1;
    for (int id = contract->id + 1; id < r->n; id++) {
        const Node *n = r->g->nodes.data[id];
        if (n->op != &op_contract || !r->forward[id])
            continue;
        bool link[2] = { false, false }, any = false;
        int index[MAX_RANK];
        for (int o = 0; o < n->n_in; o++) {
            link[o] = r->family[n->in[o]->id];
            any = any || link[o];
        }
        if (!any || !chain_contract_index(n, link, lead, contract->type.dim, index))
            continue;
        bool rows = true;
        for (int d = 0; d < lead; d++)
            rows = rows && index[d] < n->attr[0].contract->n_out;
        for (int o = 0; o < n->n_in; o++)
            rows = rows && !is_weight(n->in[o]);
        if (rows)
            return true;
    }
    return false;
}

/* ---- copies ---- */

static bool is_copied(const Recompute *r, const Node *n, const Node *contract)
{
    if (n->op->flags & OP_LEAF || !r->forward[n->id] || type_count(&n->type) < type_count(&contract->type))
        return false;
    return n == contract || (n->op->flags & (OP_ELEMENTWISE | OP_MOVEMENT));
}

static Node *copy_of(Recompute *r, Node *n, const Node *contract)
{
    if (!is_copied(r, n, contract))
        return n;
    if (r->copy[n->id])
        return r->copy[n->id];
    Node **in = ARENA_ARRAY(r->arena, Node *, n->n_in + 1);
    for (int i = 0; i < n->n_in; i++)
        in[i] = copy_of(r, n->in[i], contract);
    r->g->loc = n->loc;
    r->g->path = n->path;
    return r->copy[n->id] = graph_must_add(r->g, n->op, in, n->n_in, n->attr);
}

/* Backward nodes that read the family read its copies. */
static void read_copies(Recompute *r, const Node *contract)
{
    for (int id = 0; id < r->n; id++) {
        Node *n = r->g->nodes.data[id];
        if (r->forward[id] || n->op == &op_output)
            continue;
        for (int i = 0; i < n->n_in; i++)
            if (n->in[i]->id < r->n && r->family[n->in[i]->id])
                n->in[i] = copy_of(r, n->in[i], contract);
    }
}

bool pass_recompute(PassCtx *ctx, Graph *g)
{
    if (ctx->no_fuse || g->kind != GRAPH_STEP)
        return true;
    graph_renumber(g);
    Recompute r = { .g = g, .arena = ctx->arena, .n = g->nodes.len };
    r.forward = ARENA_ARRAY(r.arena, bool, r.n + 1);
    r.family = ARENA_ARRAY(r.arena, bool, r.n + 1);
    r.copy = ARENA_ARRAY(r.arena, Node *, r.n + 1);
    mark_forward(&r);
    for (int id = 0; id < r.n; id++) {
        const Node *n = g->nodes.data[id];
        if (n->op != &op_contract || !r.forward[id] || !expands(n))
            continue;
        find_family(&r, n);
        if (read_by_rows(&r, n))
            read_copies(&r, n);
    }
    if (g->nodes.len > r.n)
        graph_sort(g);
    return true;
}
