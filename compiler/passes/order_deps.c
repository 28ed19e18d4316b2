/* What kernels read and write, and the order this forces on them. Shared by fuse (which proves that
 * variables can be updated in place), order, plan and assembly.
 * Requires: kernels with nodes and results; says nothing of offsets. */
#include "passes/fuse.h"

static bool is_result(const Node *n)
{
    for (int i = 0; n->kernel && i < n->kernel->results.len; i++)
        if (n->kernel->results.data[i] == n)
            return true;
    return false;
}

bool node_stored(const Node *n)
{
    return n->op == &op_input || n->op == &op_var || is_result(n);
}

const Node *node_storage(const Node *n)
{
    while ((n->op->flags & OP_VIEW) && !is_result(n))
        n = n->in[0];
    return n;
}

/* ---- reads ---- */

typedef struct {
    const Node *node;
    int64_t space, ratio;
} Visit;

typedef struct {
    Arena *arena;
    const Kernel *kernel;
    KernelReads reads;
    Vec(Visit) visits;
} Reader;

static void add_read(Reader *r, const Node *n, int64_t space)
{
    for (int i = 0; i < r->reads.len; i++) {
        if (r->reads.data[i].node == n) {
            if (r->reads.data[i].space != space)
                r->reads.data[i].space = 0;
            return;
        }
    }
    VEC_PUSH(r->arena, &r->reads, (KernelRead){ n, space });
}

static bool visited(Reader *r, const Node *n, int64_t space, int64_t ratio)
{
    for (int i = 0; i < r->visits.len; i++) {
        const Visit *v = &r->visits.data[i];
        if (v->node == n && v->space == space && v->ratio == ratio)
            return true;
    }
    VEC_PUSH(r->arena, &r->visits, (Visit){ n, space, ratio });
    return false;
}

/* n is read in an iteration over space positions, at its flat position / ratio (0: anywhere). */
static void read_node(Reader *r, const Node *n, int64_t space, int64_t ratio)
{
    bool result = is_result(n);
    if (n->op == &op_input || n->op == &op_var || (result && n->kernel != r->kernel)) {
        add_read(r, n, ratio == 1 ? space : 0);
        return;
    }
    if (visited(r, n, space, ratio))
        return;
    bool reduces = (n->op->flags & OP_REDUCE) != 0;
    for (int i = 0; i < n->n_in; i++) {
        if (reduces)
            read_node(r, n->in[i], type_count(&n->in[i]->type), 1);
        else
            read_node(r, n->in[i], space, ratio * path_ratio(n, i));
    }
}

KernelReads kernel_reads(Arena *arena, const Kernel *kernel)
{
    Reader r = { .arena = arena, .kernel = kernel };
    for (int i = 0; i < kernel->results.len; i++) {
        const Node *n = kernel->results.data[i];
        n = kernel_pads_in_place(kernel, n) ? n->in[0] : n;
        read_node(&r, n, type_count(&n->type), 1);
    }
    return r.reads;
}

/* ---- dependences ---- */

static void depend(Arena *arena, KernelDeps *deps, int before, int after)
{
    if (before == after)
        return;
    for (int i = 0; i < deps->before[after].len; i++)
        if (deps->before[after].data[i] == before)
            return;
    VEC_PUSH(arena, &deps->before[after], before);
    VEC_PUSH(arena, &deps->after[before], after);
}

static void find_homes(KernelDeps *deps, const Graph *g)
{
    for (int i = 0; i < g->nodes.len; i++) {
        const Node *n = g->nodes.data[i];
        if (n->op->flags & OP_ROOT)
            deps->home[node_storage(n->in[0])->id] = n;
    }
}

/* The kernel that overwrites a variable, or -1. */
static int *find_writers(Arena *arena, const KernelDeps *deps, const Graph *g)
{
    int n_vars = g->module->vars.len;
    int *writer = ARENA_ARRAY(arena, int, n_vars + 1);
    for (int v = 0; v < n_vars; v++)
        writer[v] = -1;
    for (int k = 0; k < deps->n; k++) {
        const Kernel *kernel = g->kernels.data[k];
        for (int i = 0; i < kernel->results.len; i++) {
            const Node *root = deps->home[kernel->results.data[i]->id];
            if (root && root->op == &op_update)
                writer[root->attr[0].var->index] = k;
        }
    }
    return writer;
}

static void find_runs(Arena *arena, KernelDeps *deps, const Graph *g)
{
    deps->run = ARENA_ARRAY(arena, int, g->nodes.len + 1);
    for (int i = 0; i < g->nodes.len; i++)
        deps->run[i] = -1;
    for (int k = 0; k < deps->n && g->runs.len; k++) {
        const NodeVec *results = &g->kernels.data[k]->results;
        for (int i = 0; i < results->len; i++)
            if (!deps->home[results->data[i]->id])
                deps->run[results->data[i]->id] = graph_run_of(g, k);
    }
    for (int k = 0; k < deps->n && g->runs.len; k++)
        for (int i = 0; i < deps->reads[k].len; i++) {
            int *run = &deps->run[deps->reads[k].data[i].node->id];
            *run = *run == graph_run_of(g, k) ? *run : -1;
        }
}

KernelDeps *kernel_deps(Arena *arena, const Graph *g)
{
    KernelDeps *deps = ARENA_NEW(arena, KernelDeps);
    deps->n = g->kernels.len;
    deps->reads = ARENA_ARRAY(arena, KernelReads, deps->n + 1);
    deps->before = ARENA_ARRAY(arena, KernelIds, deps->n + 1);
    deps->after = ARENA_ARRAY(arena, KernelIds, deps->n + 1);
    deps->home = ARENA_ARRAY(arena, const Node *, g->nodes.len + 1);
    for (int k = 0; k < deps->n; k++)
        g->kernels.data[k]->id = k;
    find_homes(deps, g);
    int *writer = find_writers(arena, deps, g);
    for (int k = 0; k < deps->n; k++) {
        deps->reads[k] = kernel_reads(arena, g->kernels.data[k]);
        for (int i = 0; i < deps->reads[k].len; i++) {
            const Node *n = deps->reads[k].data[i].node;
            if (n->kernel)
                depend(arena, deps, n->kernel->id, k);
            else if (n->op == &op_var && writer[n->attr[0].var->index] >= 0)
                depend(arena, deps, k, writer[n->attr[0].var->index]);
        }
    }
    find_runs(arena, deps, g);
    return deps;
}

bool kernels_sort(Arena *arena, Graph *g)
{
    KernelDeps *deps = kernel_deps(arena, g);
    KernelVec sorted = { 0 };
    int *waiting = ARENA_ARRAY(arena, int, deps->n + 1);
    bool *done = ARENA_ARRAY(arena, bool, deps->n + 1);
    for (int k = 0; k < deps->n; k++)
        waiting[k] = deps->before[k].len;
    while (sorted.len < deps->n) {
        int next = 0;
        while (next < deps->n && (done[next] || waiting[next]))
            next++;
        if (next == deps->n)
            return false;
        done[next] = true;
        VEC_PUSH(g->arena, &sorted, g->kernels.data[next]);
        for (int i = 0; i < deps->after[next].len; i++)
            waiting[deps->after[next].data[i]]--;
    }
    g->kernels = sorted;
    for (int k = 0; k < g->kernels.len; k++)
        g->kernels.data[k]->id = k;
    return true;
}
