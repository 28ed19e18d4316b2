/* Fusion, first part: which nodes are computed where they are read, which must be in memory, and along
 * which paths compute nodes read each other.
 * Requires: a graph without markers. Establishes: roles and edges for the grouping. */
#include "ops/build.h"
#include "passes/fuse.h"

/* ---- index paths ---- */

/* A broadcast whose operand's axes are, unit axes aside, the leading axes of the result reads element
 * position / c, c the product of the axes behind them. */
static int64_t broadcast_ratio(const Node *n)
{
    const Type *from = &n->in[0]->type, *to = &n->type;
    int which = op_attr(n->op, "axes");
    Ints axes = n->attr[which].ints;
    int source[MAX_RANK];
    for (int d = 0; d < MAX_RANK; d++)
        source[d] = -1;
    for (int i = 0; i < axes.n && i < from->rank; i++)
        source[axes.v[i]] = i;
    int64_t ratio = 1;
    int last = -1;
    for (int d = 0; d < to->rank; d++) {
        if (to->dim[d] == 1)
            continue;
        bool repeats = source[d] < 0 || from->dim[source[d]] == 1;
        if (repeats) {
            ratio *= to->dim[d];
        } else {
            if (ratio != 1 || source[d] < last)
                return 0;
            last = source[d];
        }
    }
    return ratio;
}

/* A transposition that only moves unit axes keeps positions. */
static int64_t transpose_ratio(const Node *n)
{
    Ints perm = n->attr[op_attr(n->op, "perm")].ints;
    int64_t last = -1;
    for (int i = 0; i < perm.n; i++) {
        if (n->type.dim[i] == 1)
            continue;
        if (perm.v[i] < last)
            return 0;
        last = perm.v[i];
    }
    return 1;
}

int64_t path_ratio(const Node *n, int i)
{
    if (n->op->flags & (OP_VIEW | OP_ELEMENTWISE))
        return 1;
    if (n->op == &op_broadcast)
        return broadcast_ratio(n);
    if (n->op == &op_transpose)
        return transpose_ratio(n);
    (void)i;
    return 0;
}

unsigned reduced_axes(const Node *n)
{
    int at = op_attr(n->op, "axes");
    unsigned mask = 0;
    if (at >= 0) {
        for (int i = 0; i < n->attr[at].ints.n; i++)
            mask |= 1u << n->attr[at].ints.v[i];
    } else if ((at = op_attr(n->op, "axis")) >= 0) {
        mask = 1u << n->attr[at].i;
    }
    return mask;
}

int64_t reduced_row(const Node *n)
{
    const Type *t = &n->in[0]->type;
    unsigned mask = reduced_axes(n);
    int64_t row = 1;
    bool kept = false;
    for (int d = t->rank - 1; d >= 0; d--) {
        if (t->dim[d] == 1)
            continue;
        if (!(mask >> d & 1u))
            kept = true;
        else if (kept)
            return 0;
        else
            row *= t->dim[d];
    }
    return row;
}

/* ---- operands that must be in memory ---- */

static Node *view_base(Node *n)
{
    while (n->op->flags & OP_VIEW)
        n = n->in[0];
    return n;
}

static bool wants_memory(const Node *n)
{
    return (n->op->flags & OP_ROOT) || node_opaque(n) || n->op == &op_contract;
}

/* A broadcast constant is made again rather than copied. */
static bool made_from_nothing(const Node *n)
{
    return n->op == &op_broadcast && (n->in[0]->op->flags & OP_LEAF) && n->in[0]->op != &op_var &&
           n->in[0]->op != &op_input;
}

static Node *copy_of(Fuse *f, Node *value)
{
    Graph *g = f->g;
    g->loc = value->loc;
    g->path = value->path;
    if (made_from_nothing(value))
        return graph_must_add(g, value->op, value->in, value->n_in, value->attr);
    Node *copy = build_copy(g, value);
    copy->mark = 1;
    VEC_PUSH(f->arena, &f->copies, copy);
    return copy;
}

/* A root needs a result of its own; a contract or opaque node needs its operands in memory, where
 * constants and draws are not. */
static void give_operand(Fuse *f, Node *n, int i)
{
    Node *base = view_base(n->in[i]);
    bool root = (n->op->flags & OP_ROOT) != 0;
    bool leaf = (base->op->flags & OP_LEAF) != 0;
    bool memory = base->op == &op_input || base->op == &op_var;
    if (root ? (leaf || base->mark == 2) : (leaf && !memory)) {
        n->in[i] = copy_of(f, n->in[i]);
        base = n->in[i];
    }
    if (root && base->mark != 1)
        base->mark = 2;
}

void fuse_operands(Fuse *f)
{
    Graph *g = f->g;
    int n = g->nodes.len;
    for (int i = 0; i < n; i++)
        g->nodes.data[i]->mark = 0;
    for (int i = 0; i < n; i++) {
        Node *node = g->nodes.data[i];
        if (wants_memory(node))
            for (int k = 0; k < node->n_in; k++)
                give_operand(f, node, k);
    }
}

/* ---- roles ---- */

static Role leaf_role(const Node *n)
{
    return n->op == &op_input || n->op == &op_var ? ROLE_MEMORY : ROLE_PURE;
}

static bool movement_index_free(const Node *n)
{
    return (n->op->flags & OP_VIEW) || n->op == &op_broadcast || n->op == &op_slice ||
           n->op == &op_reverse;
}

/* Movement is inlined unless somebody wants it in memory; index arithmetic dearer than a load only for
 * a single reader. */
static Role movement_role(const Fuse *f, const Node *n, int readers)
{
    const Info *in = &f->info[n->id];
    if (n->op->flags & OP_VIEW)
        return in->copied ? ROLE_COMPUTE : ROLE_INLINE;
    if (!f->fuse || in->need_memory)
        return ROLE_COMPUTE;
    return movement_index_free(n) || readers <= 1 ? ROLE_INLINE : ROLE_COMPUTE;
}

static void need_memory(Fuse *f, Node *n)
{
    while ((n->op->flags & OP_VIEW) && !f->info[n->id].copied)
        n = n->in[0];
    f->info[n->id].need_memory = true;
}

static bool stage_forward(const Info *in)
{
    return in->forward || in->node->op == &op_output;
}

/* The place of a maximum is found where the maximum is: of what both read they are one reader. */
static bool *read_for_maxima(const Fuse *f)
{
    bool *read = ARENA_ARRAY(f->arena, bool, f->n + 1);
    for (int id = 0; id < f->n; id++)
        if (f->info[id].node->op == &op_window_max && !node_opaque(f->info[id].node))
            read[f->info[id].node->in[0]->id] = true;
    return read;
}

/* Backwards over the graph: every reader has its role before what it reads. */
static void find_roles(Fuse *f)
{
    int *readers = ARENA_ARRAY(f->arena, int, f->n + 1);
    bool *for_maxima = read_for_maxima(f);
    for (int id = f->n - 1; id >= 0; id--) {
        Info *in = &f->info[id];
        Node *n = in->node;
        bool root = (n->op->flags & OP_ROOT) != 0;
        if (!root && !readers[id])
            continue;
        if (root)
            in->role = ROLE_ROOT;
        else if (n->op->flags & OP_LEAF)
            in->role = leaf_role(n);
        else if (n->op->flags & OP_MOVEMENT)
            in->role = movement_role(f, n, readers[id]);
        else
            in->role = ROLE_COMPUTE;
        bool place = n->op == &op_window_place;
        bool taken = n->op == &op_window_take && n->type.dtype == DT_BOOL;
        in->forward = in->forward || place || taken; /* kept for the backward pass instead of what it is found in */
        for (int i = 0; i < n->n_in; i++) {
            Info *from = &f->info[n->in[i]->id];
            readers[n->in[i]->id] += !(place && for_maxima[n->in[i]->id]);
            from->forward = from->forward || stage_forward(in);
            if (wants_memory(n))
                need_memory(f, n->in[i]);
        }
    }
}

static bool reduced_only(const Fuse *f, const Info *in)
{
    if (in->need_memory || !in->use.len)
        return false;
    for (int i = 0; i < in->use.len; i++) {
        const Info *user = &f->info[in->use.data[i].node];
        bool sink = (user->node->op->flags & OP_REDUCE) != 0;
        bool chain = (user->node->op->flags & OP_ELEMENTWISE) && user->only_reduced;
        if (in->use.data[i].ratio != 1 || !(sink || chain))
            return false;
    }
    return true;
}

/* ---- edges ---- */

static void add_edge(Fuse *f, Info *reader, int id, int64_t ratio)
{
    for (int i = 0; i < reader->src.len; i++)
        if (reader->src.data[i].node == id && reader->src.data[i].ratio == ratio)
            return;
    VEC_PUSH(f->arena, &reader->src, (Edge){ id, ratio });
    VEC_PUSH(f->arena, &f->info[id].use, (Edge){ reader->node->id, ratio });
}

typedef Vec(Edge) Visited;

static void walk(Fuse *f, Info *reader, Node *n, int64_t ratio, Visited *visited)
{
    Info *in = &f->info[n->id];
    if (in->role == ROLE_PURE)
        return;
    if (in->role != ROLE_INLINE) {
        add_edge(f, reader, n->id, ratio);
        return;
    }
    for (int i = 0; i < visited->len; i++)
        if (visited->data[i].node == n->id && visited->data[i].ratio == ratio)
            return;
    VEC_PUSH(f->arena, visited, (Edge){ n->id, ratio });
    for (int i = 0; i < n->n_in; i++)
        walk(f, reader, n->in[i], ratio * path_ratio(n, i), visited);
}

/* The ratio at which a compute node reads operand i: reductions and elementwise nodes at the position of the
 * operand, a window's place at that of the window, the others at indices of their own. */
static int64_t operand_ratio(const Info *in, int i)
{
    if (in->node->op == &op_window_take)
        return i == 0;
    return in->copied || (in->node->op->flags & (OP_ELEMENTWISE | OP_REDUCE)) ? 1 : 0;
}

static void find_edges(Fuse *f)
{
    for (int id = 0; id < f->n; id++) {
        Info *in = &f->info[id];
        if (in->role != ROLE_COMPUTE)
            continue;
        Visited visited = { 0 };
        for (int i = 0; i < in->node->n_in; i++)
            walk(f, in, in->node->in[i], operand_ratio(in, i), &visited);
    }
    for (int id = f->n - 1; id >= 0; id--)
        f->info[id].only_reduced = reduced_only(f, &f->info[id]);
}

void fuse_classify(Fuse *f)
{
    for (int id = 0; id < f->n; id++) {
        Node *n = f->g->nodes.data[id];
        f->info[id].node = n;
        f->info[id].group = -1;
        n->kernel = NULL;
        n->offset = -1;
    }
    for (int i = 0; i < f->copies.len; i++)
        f->info[f->copies.data[i]->id].copied = true;
    find_roles(f);
    find_edges(f);
}
