/* The body of a run: its kernels as one chunk of the batch has them. Copied from the results down: of every
 * result the part that is one run of its elements is wanted, and ops/part.h tells what that takes of the
 * operands, until something stored is reached. So whether kernels can run in chunks, and that a chunk has the
 * values that it has in the whole batch, follows from what each operation says of itself; where the batch is
 * mixed (sums over it, statistics, random numbers counted by position), some answer is missing. */
#include "passes/chunks.h"

#include "ops/build.h"
#include "ops/part.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    const Node *node;
    Part part;
    Node *copy;
    int next; /* another copy of the node, or -1 */
} Copy;

typedef struct {
    Arena *arena;
    const Graph *g;
    const KernelDeps *deps;
    KernelRun *run;
    Graph *body;
    int64_t pieces;
    int *head; /* by node id: its latest copy, or -1 */
    Vec(Copy) copies;
    Vec(const Node *) origin; /* by place in body->nodes */
    const Kernel *now;        /* the kernel being copied */
    Kernel *as;
    const char *why;
} Body;

static Node *refuse(Body *b, const Node *n, const char *why)
{
    if (!b->why)
        b->why = arena_printf(b->arena, "%%%d (%s): %s", n->id, n->op->name, why);
    return NULL;
}

static bool in_run(const Body *b, const Kernel *k) { return k && k->id >= b->run->first && k->id <= b->run->last; }

static bool same_part(Part a, Part b) { return a.axis == b.axis && a.size == b.size; }

static void remember(Body *b, const Node *n, Part p, Node *copy)
{
    VEC_PUSH(b->arena, &b->copies, (Copy){ n, p, copy, b->head[n->id] });
    b->head[n->id] = b->copies.len - 1;
}

static Type type_of_part(const Node *n, Part p)
{
    Type t = n->type;
    if (p.axis >= 0)
        t.dim[p.axis] = p.size;
    return t;
}

/* ---- what is read from outside ---- */

/* As lowering would name it, and like nothing else. */
static const char *input_name(const Body *b, const Node *n)
{
    const char *dot = n->path ? strrchr(n->path, '.') : NULL;
    const char *base = n->op == &op_input ? n->attr[0].name
                       : n->path ? arena_printf(b->arena, "%s_%s", dot ? dot + 1 : n->path, n->op->name) : n->op->name;
    for (int i = 0; i < b->body->nodes.len; i++) {
        const Node *other = b->body->nodes.data[i];
        if (other->op == &op_input && strcmp(other->attr[0].name, base) == 0)
            return arena_printf(b->arena, "%s_%d", base, b->body->nodes.len);
    }
    return base;
}

static void place_of(Body *b, const Node *n)
{
    b->body->loc = n->loc;
    b->body->path = n->path;
}

static Node *read_outside(Body *b, const Node *n, Part p)
{
    Part leading;
    if (p.axis >= 0 && (!part_leading(&n->type, b->pieces, &leading) || !same_part(p, leading)))
        return refuse(b, n, "its part is not one run of elements");
    place_of(b, n);
    Node *copy;
    if (n->op == &op_var)
        copy = p.axis < 0 ? build_var(b->body, n->attr[0].var) : NULL;
    else
        copy = build_input(b->body, input_name(b, n), type_of_part(n, p));
    if (!copy)
        return refuse(b, n, "a part of a variable");
    VEC_PUSH(b->arena, &b->origin, n);
    remember(b, n, p, copy);
    return copy;
}

/* ---- what is computed ---- */

static Node *copy_of(Body *b, const Node *n, Part p);

static bool leaf_has_part(const Node *n, Part p)
{
    return !(n->op->flags & OP_LEAF) || p.axis < 0 || (n->op == &op_iota && n->attr[1].i != p.axis);
}

static Node *compute(Body *b, const Node *n, Part p)
{
    bool own = n->kernel != NULL;
    if (own && (b->head[n->id] >= 0 || (p.axis < 0 && (n->op->flags & (OP_REDUCE | OP_OPAQUE))) ||
                (p.axis < 0 && n->op == &op_contract)))
        return refuse(b, n, "its kernel computes it in two ways, or all of it");
    if (!leaf_has_part(n, p))
        return refuse(b, n, "it is numbered through the batch");
    Node **in = ARENA_ARRAY(b->arena, Node *, n->n_in + 1);
    for (int i = 0; i < n->n_in; i++) {
        Part of;
        if (!part_of_operand(n, p, i, b->pieces, &of))
            return refuse(b, n, "it mixes the batch");
        in[i] = copy_of(b, n->in[i], of);
        if (!in[i])
            return NULL;
    }
    Attr attr[MAX_ATTR];
    Why why;
    part_attrs(b->arena, n, p, attr);
    place_of(b, n);
    Node *copy = graph_add(b->body, n->op, in, n->n_in, attr, &why);
    Type wanted = type_of_part(n, p);
    if (!copy || !type_equal(&copy->type, &wanted))
        return refuse(b, n, copy ? "its part has another type" : why.text);
    copy->kernel = own ? b->as : NULL;
    VEC_PUSH(b->arena, &b->origin, n);
    remember(b, n, p, copy);
    return copy;
}

static Node *copy_of(Body *b, const Node *n, Part p)
{
    for (int i = b->head[n->id]; i >= 0; i = b->copies.data[i].next)
        if (same_part(b->copies.data[i].part, p))
            return b->copies.data[i].copy;
    bool memory = n->op == &op_input || n->op == &op_var;
    if (memory || (n->kernel && !in_run(b, n->kernel)))
        return read_outside(b, n, p);
    if (n->kernel && n->kernel != b->now)
        return refuse(b, n, "it is read whole, or in another part, by a kernel of the run");
    return compute(b, n, p);
}

/* ---- kernels ---- */

static bool copy_results(Body *b, const Kernel *from, Kernel *to)
{
    for (int i = 0; i < from->results.len; i++) {
        Node *r = from->results.data[i];
        Part p;
        const Node *home = b->deps->home[r->id];
        if (home && home->op == &op_update) /* kernels of the run may read the variable as it was */
            return refuse(b, r, "it is written to a variable");
        if (!part_leading(&r->type, b->pieces, &p))
            return refuse(b, r, "it is no multiple of the chunks");
        Node *copy = copy_of(b, r, p);
        if (!copy)
            return false;
        VEC_PUSH(b->arena, &to->results, copy);
    }
    if (from->rows % b->pieces && from->kind == KERNEL_ROWS)
        return refuse(b, from->results.data[0], "its rows are no multiple of the chunks");
    to->kind = from->kind;
    to->rows = from->kind == KERNEL_ROWS ? from->rows / b->pieces : from->rows;
    to->cols = from->cols;
    return true;
}

/* The batch is part of a chain's grid, never of what a block is cut from. */
static bool chain_fits(Body *b, const Kernel *chain)
{
    for (int s = 0; s < chain->stages.len; s++)
        for (int i = 0; i < chain->stages.data[s]->results.len; i++) {
            const Node *r = chain->stages.data[s]->results.data[i];
            Part p;
            if (!part_leading(&r->type, b->pieces, &p) || p.axis >= chain->lead - 1)
                return refuse(b, r, "the chain cuts its blocks along the batch");
        }
    return true;
}

static bool copy_kernel(Body *b, const Kernel *k)
{
    Kernel *copy = ARENA_NEW(b->arena, Kernel);
    *copy = (Kernel){ .id = b->body->kernels.len, .name = k->name, .lead = k->lead, .block = k->block };
    b->now = k;
    b->as = copy;
    if (k->kind == KERNEL_CHAIN && !chain_fits(b, k))
        return false;
    if (!copy_results(b, k, copy))
        return false;
    for (int s = 0; s < k->stages.len; s++) {
        Kernel *stage = ARENA_NEW(b->arena, Kernel);
        if (!copy_results(b, k->stages.data[s], stage))
            return false;
        VEC_PUSH(b->arena, &copy->stages, stage);
    }
    VEC_PUSH(b->arena, &b->body->kernels, copy);
    return true;
}

static void list_nodes(Body *b)
{
    for (int i = 0; i < b->body->nodes.len; i++) {
        Node *n = b->body->nodes.data[i];
        n->id = i;
        if (n->kernel)
            VEC_PUSH(b->arena, &n->kernel->nodes, n);
    }
}

/* Whether anything but the run's own kernels reads what node n, or a view of it, stores. */
static bool *read_outside_of(Body *b)
{
    bool *outside = ARENA_ARRAY(b->arena, bool, b->g->nodes.len + 1);
    for (int k = 0; k < b->deps->n; k++)
        for (int i = 0; i < b->deps->reads[k].len && !in_run(b, b->g->kernels.data[k]); i++)
            outside[b->deps->reads[k].data[i].node->id] = true;
    return outside;
}

static void add_outputs(Body *b)
{
    const bool *outside = read_outside_of(b);
    for (int k = b->run->first; k <= b->run->last; k++) {
        const NodeVec *results = &b->g->kernels.data[k]->results;
        for (int i = 0; i < results->len; i++) {
            const Node *n = results->data[i];
            if (!outside[n->id] && !b->deps->home[n->id])
                continue;
            Node *copy = b->copies.data[b->head[n->id]].copy;
            build_output(b->body, arena_printf(b->arena, "%%%d", n->id), copy);
            VEC_PUSH(b->arena, &b->origin, n);
        }
    }
}

const char *chunk_body(Arena *arena, const Graph *g, const KernelDeps *deps, KernelRun *r)
{
    Body b = { .arena = arena, .g = g, .deps = deps, .run = r, .pieces = g->batch / r->samples };
    b.body = ARENA_NEW(arena, Graph);
    *b.body = (Graph){ .module = g->module, .arena = arena, .kind = GRAPH_BODY, .batch = r->samples,
                       .name = arena_printf(arena, "%s.k%d", g->name, r->first) };
    b.head = ARENA_ARRAY(arena, int, g->nodes.len + 1);
    for (int i = 0; i < g->nodes.len; i++)
        b.head[i] = -1;
    for (int k = r->first; k <= r->last; k++)
        if (!copy_kernel(&b, g->kernels.data[k]))
            return b.why;
    add_outputs(&b);
    list_nodes(&b);
    r->body = b.body;
    r->origin = b.origin.data;
    return NULL;
}
