/* A graph made to read and update variables where they are stored. One walk from the leaves: every node
 * then has a row major version, a stored one, or both, each made when something asks for it. */
#include "passes/layout.h"

typedef struct {
    Node *rows, *stored; /* NULL: not made yet; both NULL: the node itself is row major */
    nnr_layout layout;   /* of stored */
} Version;

typedef struct {
    Graph *g;
    Version *of; /* by id of the nodes there were */
    int n_old;
} Apply;

/* ---- between the two orders ---- */

/* Stored dimensions in the order of the axes they are parts of, large steps first. */
static void parts_in_order(const nnr_layout *l, int64_t *part)
{
    for (int p = 0; p < l->rank; p++) {
        int at = p;
        for (; at > 0; at--) {
            int64_t q = part[at - 1];
            bool before = l->axis[q] < l->axis[p] || (l->axis[q] == l->axis[p] && l->step[q] > l->step[p]);
            if (before)
                break;
            part[at] = q;
        }
        part[at] = p;
    }
}

static Node *to_rows(Graph *g, Node *stored, const nnr_layout *l)
{
    int64_t part[MAX_RANK];
    Type rows = layout_rows(l, stored->type.dtype);
    parts_in_order(l, part);
    return build_reshape(g, build_transpose(g, stored, part), rows.rank, rows.dim);
}

static Node *to_stored(Graph *g, Node *rows, const nnr_layout *l)
{
    int64_t part[MAX_RANK], place[MAX_RANK], dim[MAX_RANK];
    parts_in_order(l, part);
    for (int i = 0; i < l->rank; i++) {
        place[part[i]] = i;
        dim[i] = l->dims[part[i]];
    }
    return build_transpose(g, build_reshape(g, rows, l->rank, dim), place);
}

static Node *get_rows(Apply *a, Node *n)
{
    if (n->id >= a->n_old)
        return n;
    Version *v = &a->of[n->id];
    if (!v->rows)
        v->rows = v->stored ? to_rows(a->g, v->stored, &v->layout) : n;
    return v->rows;
}

static Node *get_stored(Apply *a, Node *n, const nnr_layout *l)
{
    Version *v = &a->of[n->id];
    if (v->stored && layout_equal(&v->layout, l))
        return v->stored;
    if (n->op == &op_broadcast && n->in[0]->type.rank == 0)
        return build_broadcast(a->g, get_rows(a, n->in[0]), l->rank, l->dims, NULL);
    return to_stored(a->g, get_rows(a, n), l);
}

/* ---- one node ---- */

/* The layout that n is computed in, of rank 0 where it is row major. */
static nnr_layout region_layout(const Apply *a, const Node *n)
{
    if (!n->mark)
        return (nnr_layout){ 0 };
    const Var *v = a->g->module->vars.data[n->mark - 1];
    if (!v->layout.rank)
        return (nnr_layout){ 0 };
    Type declared = layout_rows(&v->layout, v->type.dtype);
    return layout_for(&n->type, &declared, &v->layout);
}

static void convert_contract(Apply *a, Node *n)
{
    Contract map = *n->attr[0].contract;
    Node *in[2] = { NULL, NULL };
    bool changed = false;
    for (int o = 0; o < n->n_in; o++) {
        Node *x = n->in[o];
        bool laid_out = x->op == &op_var && x->attr[0].var->layout.rank;
        bool taken = laid_out && layout_of_operand(a->g->arena, &map, o, &x->attr[0].var->layout);
        in[o] = taken ? x : get_rows(a, x);
        changed = changed || taken;
    }
    nnr_layout l = region_layout(a, n);
    if (l.rank && map.n_out == n->type.rank && layout_of_result(a->g->arena, &map, &l)) {
        a->of[n->id] = (Version){ .stored = build_contract(a->g, in[0], in[1], &map), .layout = l };
    } else if (changed) {
        Node *fresh = build_contract(a->g, in[0], in[1], &map);
        a->of[n->id].rows = build_reshape(a->g, fresh, n->type.rank, n->type.dim);
    } else {
        n->in[0] = in[0];
        n->in[n->n_in - 1] = in[n->n_in - 1];
    }
}

static void convert_spreading(Apply *a, Node *n, const nnr_layout *l)
{
    Node *result;
    if (n->op == &op_reshape) {
        nnr_layout inner = layout_for(&n->in[0]->type, &n->type, l);
        result = build_reshape(a->g, get_stored(a, n->in[0], &inner), l->rank, l->dims);
    } else {
        Node **in = ARENA_ARRAY(a->g->arena, Node *, n->n_in);
        for (int k = 0; k < n->n_in; k++)
            in[k] = get_stored(a, n->in[k], l);
        result = graph_must_add(a->g, n->op, in, n->n_in, n->attr);
    }
    a->of[n->id] = (Version){ .stored = result, .layout = *l };
}

static void convert_node(Apply *a, Node *n)
{
    a->g->loc = n->loc;
    a->g->path = n->path;
    nnr_layout l = region_layout(a, n);
    if (n->op == &op_var) {
        n->type = n->attr[0].var->type;
        if (n->attr[0].var->layout.rank)
            a->of[n->id] = (Version){ .stored = n, .layout = n->attr[0].var->layout };
    } else if (n->op == &op_contract) {
        convert_contract(a, n);
    } else if (n->op == &op_update && n->attr[0].var->layout.rank) {
        n->in[0] = get_stored(a, n->in[0], &n->attr[0].var->layout);
        n->type = n->in[0]->type;
    } else if (l.rank && layout_spreads(n)) {
        convert_spreading(a, n, &l);
    } else {
        for (int k = 0; k < n->n_in; k++)
            n->in[k] = get_rows(a, n->in[k]);
    }
}

bool layout_apply(PassCtx *ctx, Graph *g)
{
    Apply a = { .g = g, .of = ARENA_ARRAY(ctx->arena, Version, g->nodes.len + 1), .n_old = g->nodes.len };
    Loc loc = g->loc;
    const char *path = g->path;
    graph_renumber(g);
    for (int i = 0; i < a.n_old; i++)
        convert_node(&a, g->nodes.data[i]);
    g->loc = loc;
    g->path = path;
    graph_sort(g);
    return g->kind == GRAPH_BODY || (pass_simplify(ctx, g) && pass_cse(ctx, g) && pass_dce(ctx, g));
}
