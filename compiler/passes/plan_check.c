/* The memory plan checked from scratch: lifetimes and the ways a kernel reads a value are found here
 * again, by other means than the planner's, so that one mistake is not made twice. */
#include "ops/ops.h"
#include "passes/passes.h"

/* One stretch of arena bytes in use from kernel `first` to kernel `last`. */
typedef struct {
    const Node *node; /* NULL: scratch of kernel `first` */
    int64_t from, to;
    int first, last;
    int slab; /* the run in whose slab that is, or -1 */
} Use;

typedef struct {
    Arena *arena;
    const Graph *g;
    Vec(Use) uses;
    int *position;      /* by node id: of the kernel that stores it, or -1 */
    int *last;          /* by node id: of the last kernel that reads it */
    const Node **root;  /* by node id: the root whose bytes it is */
    int *visit, now;    /* by node id * 4 + how (3: read at all) */
    const char *fault;
} Check;

static bool result_of(const Node *n, const Kernel *k)
{
    for (int i = 0; i < k->results.len; i++)
        if (k->results.data[i] == n)
            return true;
    return false;
}

static bool result(const Node *n)
{
    return n->kernel && result_of(n, n->kernel);
}

static bool leaf_memory(const Node *n)
{
    return n->op == &op_input || n->op == &op_var;
}

static const Node *bytes_of(const Node *n)
{
    return (n->op->flags & OP_VIEW) && !result(n) ? bytes_of(n->in[0]) : n;
}

static bool fail(Check *c, const char *format, const char *a, const char *b)
{
    if (!c->fault)
        c->fault = arena_printf(c->arena, format, a, b);
    return false;
}

static const char *label(Check *c, const Node *n)
{
    return n ? arena_printf(c->arena, "%%%d (%s)", n->id, n->op->name) : "scratch memory";
}

/* ---- how a kernel reads a value ---- */

typedef enum { AT_SAME, AT_ROW, AT_OTHER } How;

/* A transposition or broadcast that only moves or adds axes of one element. */
static bool moves_units_only(const Node *n)
{
    int at = op_attr(n->op, n->op == &op_transpose ? "perm" : "axes");
    if ((n->op != &op_transpose && n->op != &op_broadcast) ||
        type_count(&n->type) != type_count(&n->in[0]->type))
        return false;
    Ints axes = n->attr[at].ints;
    for (int i = 0; i < axes.n; i++) {
        for (int k = i + 1; k < axes.n; k++) {
            const Type *t = n->op == &op_transpose ? &n->type : &n->in[0]->type;
            if (axes.v[i] > axes.v[k] && t->dim[i] != 1 && t->dim[k] != 1)
                return false;
        }
    }
    return true;
}

/* How the operands of n are read when n is computed at its own position. */
static How step(const Kernel *k, const Node *n)
{
    if ((n->op->flags & (OP_ELEMENTWISE | OP_VIEW)) || moves_units_only(n) || kernel_pads_in_place(k, n))
        return AT_SAME;
    if (n->op->flags & OP_REDUCE)
        return k->kind == KERNEL_ROWS ? AT_SAME : AT_OTHER;
    return n->op == &op_broadcast && k->kind == KERNEL_ROWS ? AT_ROW : AT_OTHER;
}

/* Whether every way from n, computed by k at a position, to `value` reads it at that same position. A
 * reduction of a row reads the row's own elements, wherever in the row its result is used. */
static bool reads_same(Check *c, const Kernel *k, const Node *n, const Node *value, How how)
{
    if (n == value)
        return how == AT_SAME;
    if (leaf_memory(n) || (result(n) && n->kernel != k))
        return true;
    int *visit = &c->visit[n->id * 4 + (int)how];
    if (*visit == c->now)
        return true;
    *visit = c->now;
    for (int i = 0; i < n->n_in; i++) {
        How next = step(k, n);
        bool restarts = (n->op->flags & OP_REDUCE) && next == AT_SAME && how != AT_OTHER;
        if (!restarts && how > next)
            next = how;
        if (!reads_same(c, k, n->in[i], value, next))
            return false;
    }
    return true;
}

static bool kernel_reads_same(Check *c, const Kernel *k, const Node *value)
{
    c->now++;
    for (int i = 0; i < k->results.len; i++)
        if (!reads_same(c, k, k->results.data[i], value, AT_SAME))
            return false;
    return true;
}

/* ---- reads and lifetimes ---- */

/* Calls for every stored node that kernel k reads. */
static void see_reads(Check *c, const Kernel *k, int at, const Node *n)
{
    if (c->visit[n->id * 4 + 3] == c->now)
        return;
    c->visit[n->id * 4 + 3] = c->now;
    if (result(n) && n->kernel != k) {
        if (c->position[n->id] >= at)
            fail(c, "%s is read before it is computed", label(c, n), "");
        c->last[n->id] = at;
        return;
    }
    if (leaf_memory(n)) {
        c->last[n->id] = at;
        return;
    }
    for (int i = 0; i < n->n_in; i++)
        see_reads(c, k, at, n->in[i]);
}

static void find_lifetimes(Check *c)
{
    const Graph *g = c->g;
    for (int i = 0; i < g->nodes.len; i++) {
        c->position[i] = -1;
        c->last[i] = -1;
        const Node *n = g->nodes.data[i];
        if (!(n->op->flags & OP_ROOT))
            continue;
        const Node *stored = bytes_of(n->in[0]);
        if (!result(stored))
            fail(c, "the operand of a root, %s, is not the result of a kernel", label(c, stored), "");
        else if (c->root[stored->id])
            fail(c, "%s is the operand of two roots", label(c, stored), "");
        c->root[stored->id] = n;
    }
    for (int k = 0; k < g->kernels.len; k++)
        for (int i = 0; i < g->kernels.data[k]->results.len; i++)
            c->position[g->kernels.data[k]->results.data[i]->id] = k;
    for (int k = 0; k < g->kernels.len; k++) {
        const Kernel *kernel = g->kernels.data[k];
        c->now++;
        for (int i = 0; i < kernel->results.len; i++)
            see_reads(c, kernel, k, kernel->results.data[i]);
    }
}

/* ---- runs ---- */

/* The run in whose slab kernel k's result n lies: no other kernel and no root wants it. */
static int slab_of(Check *c, const Node *n, int k)
{
    int r = graph_run_of(c->g, k);
    if (r < 0 || c->root[n->id])
        return -1;
    for (int other = 0; other < c->g->kernels.len; other++) {
        if (graph_run_of(c->g, other) == r)
            continue;
        int before = c->last[n->id];
        c->last[n->id] = -1;
        c->now++;
        for (int i = 0; i < c->g->kernels.data[other]->results.len; i++)
            see_reads(c, c->g->kernels.data[other], other, c->g->kernels.data[other]->results.data[i]);
        bool read = c->last[n->id] >= 0;
        c->last[n->id] = before;
        if (read)
            return -1;
    }
    return r;
}

/* Every chunk of a run comes by while what is in the arena for one of its kernels is there. */
static void stretch(const Check *c, Use *u)
{
    int first = graph_run_of(c->g, u->first), last = graph_run_of(c->g, u->last);
    u->first = first >= 0 ? c->g->runs.data[first].first : u->first;
    u->last = last >= 0 ? c->g->runs.data[last].last : u->last;
}

static void add_slabs(Check *c)
{
    for (int r = 0; r < c->g->runs.len; r++) {
        const KernelRun *run = &c->g->runs.data[r];
        if (run->slab_bytes % NNR_ALIGN)
            fail(c, "the slabs of a run are not aligned", "", "");
        if (run->slab_bytes)
            VEC_PUSH(c->arena, &c->uses, (Use){ NULL, run->slab_offset, run->slab_offset + run->slab_bytes * run->lanes,
                                                run->first, run->last, -1 });
    }
}

/* ---- the rules ---- */

static void check_extent(Check *c, const Use *u)
{
    if (u->from < 0)
        fail(c, "%s has no place", label(c, u->node), "");
    else if (u->from % NNR_ALIGN)
        fail(c, "%s is not aligned", label(c, u->node), "");
    else if (u->to > (u->slab < 0 ? c->g->arena_bytes : c->g->runs.data[u->slab].slab_bytes))
        fail(c, "%s lies beyond the end of the %s", label(c, u->node), u->slab < 0 ? "arena" : "slab");
}

static void add_uses(Check *c)
{
    const Graph *g = c->g;
    for (int k = 0; k < g->kernels.len; k++) {
        const Kernel *kernel = g->kernels.data[k];
        for (int i = 0; i < kernel->results.len; i++) {
            const Node *n = kernel->results.data[i];
            int64_t bytes = type_count(&n->type) * dtype_bytes(n->type.dtype);
            int last = c->last[n->id] > k ? c->last[n->id] : k;
            int slab = g->runs.len ? slab_of(c, n, k) : -1;
            if (slab >= 0)
                bytes = bytes * g->runs.data[slab].samples / g->batch;
            Use use = { n, n->offset, n->offset + bytes, k, last, slab };
            if (slab < 0)
                stretch(c, &use);
            if (!c->root[n->id])
                VEC_PUSH(c->arena, &c->uses, use);
        }
        if (kernel->scratch_bytes > 0) {
            int64_t from = kernel->scratch_offset;
            VEC_PUSH(c->arena, &c->uses, (Use){ NULL, from, from + kernel->scratch_bytes, k, k, graph_run_of(c->g, k) });
        }
    }
    add_slabs(c);
}

/* b is computed by the kernel in which a is read for the last time, and lies on it. */
static bool may_share(Check *c, const Use *a, const Use *b)
{
    if (!a->node || !b->node || a->last != b->first || a->first >= b->first)
        return false;
    const Kernel *k = b->node->kernel;
    if (a->slab < 0 && graph_run_of(c->g, b->first) >= 0)
        return false;
    return a->from == b->from && a->to == b->to && k->kind != KERNEL_REDUCE && k->kind != KERNEL_OPAQUE &&
           k->kind != KERNEL_CHAIN &&
           dtype_bytes(a->node->type.dtype) == dtype_bytes(b->node->type.dtype) &&
           kernel_reads_same(c, k, a->node);
}

static void check_overlaps(Check *c)
{
    for (int i = 0; i < c->uses.len && !c->fault; i++) {
        const Use *a = &c->uses.data[i];
        check_extent(c, a);
        for (int k = i + 1; k < c->uses.len && !c->fault; k++) {
            const Use *b = &c->uses.data[k];
            bool bytes = a->slab == b->slab && a->from < b->to && b->from < a->to;
            bool time = a->first <= b->last && b->first <= a->last;
            if (bytes && time && !may_share(c, a, b) && !may_share(c, b, a))
                fail(c, "%s and %s share bytes while both are needed", label(c, a->node),
                     label(c, b->node));
        }
    }
}

/* A variable is overwritten after its last reader, or by it, in place. */
static void check_updates(Check *c)
{
    const Graph *g = c->g;
    for (int i = 0; i < g->nodes.len; i++) {
        const Node *root = g->nodes.data[i];
        if (root->op != &op_update)
            continue;
        const Node *value = bytes_of(root->in[0]);
        for (int k = 0; k < g->nodes.len; k++) {
            const Node *var = g->nodes.data[k];
            if (var->op != &op_var || var->attr[0].var != root->attr[0].var || c->last[k] < 0)
                continue;
            if (c->last[k] > c->position[value->id])
                fail(c, "variable `%s` is read after it was overwritten", var->attr[0].var->name, "");
            if (c->last[k] == c->position[value->id] && !kernel_reads_same(c, value->kernel, var))
                fail(c, "variable `%s` is overwritten by a kernel that reads it elsewhere",
                     var->attr[0].var->name, "");
        }
    }
}

const char *plan_check(const Graph *g, Arena *arena)
{
    size_t n = (size_t)g->nodes.len + 1;
    Check c = { .arena = arena, .g = g };
    c.position = ARENA_ARRAY(arena, int, n);
    c.last = ARENA_ARRAY(arena, int, n);
    c.root = ARENA_ARRAY(arena, const Node *, n);
    c.visit = ARENA_ARRAY(arena, int, n * 4);
    find_lifetimes(&c);
    if (!c.fault) {
        add_uses(&c);
        check_overlaps(&c);
        check_updates(&c);
    }
    return c.fault;
}
