/* fuse: decides which nodes are computed together by one loop function, and which values exist in
 * memory at all. The rules are those of passes.h; the parts are fuse_path (what reads what, where),
 * fuse_judge (may these be one kernel), fuse_group (which merges pay), fuse_store (what is stored) and
 * here the building of kernels and of what roots need.
 *
 * Requires: no OP_META nodes, no unused nodes (dce). Establishes: kernels, in an order in which they
 * could run; every root's operand is written straight to where it belongs; g->fusion tells why. */
#include "ops/build.h"
#include "passes/fuse.h"
#include <stdio.h>
#include <string.h>

static bool check_lowerable(PassCtx *ctx, const Graph *g)
{
    for (int i = 0; i < g->nodes.len; i++) {
        const Node *n = g->nodes.data[i];
        if (!(n->op->flags & OP_META))
            continue;
        snprintf(ctx->why.text, sizeof ctx->why.text, "`%s` has no compiled form yet", n->op->name);
        return false;
    }
    return true;
}

/* ---- kernels from groups ---- */

/* Gives n and what it is recomputed from to kernel k; what several kernels need is inlined by each. */
static void own(Fuse *f, Node *n, Kernel *k, const Node *result)
{
    Info *in = &f->info[n->id];
    if ((n->op->flags & OP_LEAF) || (n != result && in->stored))
        return;
    if (n != result) {
        if (n->aux == k)
            return;
        if (n->aux)
            n->mark = 1; /* shared */
        n->aux = k;
    }
    for (int i = 0; i < n->n_in; i++)
        own(f, n->in[i], k, result);
}

static Kernel *new_kernel(Graph *g, int kind)
{
    Kernel *k = ARENA_NEW(g->arena, Kernel);
    k->kind = kind;
    k->id = g->kernels.len;
    VEC_PUSH(g->arena, &g->kernels, k);
    return k;
}

static void make_kernel(Fuse *f, const Group *group)
{
    Kernel *k = NULL;
    for (int i = 0; i < group->nodes.len; i++) {
        Info *in = &f->info[group->nodes.data[i]];
        if (!in->stored)
            continue;
        if (!k) {
            k = new_kernel(f->g, group->kind);
            k->rows = group->rows;
            k->cols = group->cols;
        }
        in->node->kernel = k;
        VEC_PUSH(f->g->arena, &k->results, in->node);
    }
    for (int i = 0; k && i < k->results.len; i++)
        own(f, k->results.data[i], k, k->results.data[i]);
}

/* A view that a root reads belongs to no kernel alone. */
static void share_root_views(const Graph *g)
{
    for (int i = 0; i < g->nodes.len; i++) {
        Node *n = g->nodes.data[i];
        if (!(n->op->flags & OP_ROOT))
            continue;
        for (n = n->in[0]; (n->op->flags & OP_VIEW) && !n->kernel; n = n->in[0])
            n->mark = 1;
    }
}

static void make_kernels(Fuse *f)
{
    Graph *g = f->g;
    g->kernels = (KernelVec){ 0 };
    for (int i = 0; i < f->n; i++) {
        g->nodes.data[i]->aux = NULL;
        g->nodes.data[i]->mark = 0;
    }
    for (int i = 0; i < f->n_groups; i++)
        if (f->groups[i].alive)
            make_kernel(f, &f->groups[i]);
    share_root_views(g);
    for (int i = 0; i < f->n; i++) {
        Node *n = g->nodes.data[i];
        if (n->aux && !n->mark)
            n->kernel = n->aux;
        if (n->kernel)
            VEC_PUSH(g->arena, &n->kernel->nodes, n);
    }
}

/* ---- updates in place ---- */

/* Marks every kernel that has to run after kernel k, and k. */
static void mark_after(const KernelDeps *deps, int k, bool *seen)
{
    if (seen[k])
        return;
    seen[k] = true;
    for (int i = 0; i < deps->after[k].len; i++)
        mark_after(deps, deps->after[k].data[i], seen);
}

/* Kernel k itself may read the variable only where it writes it. */
static bool reads_in_place(const KernelReads *reads, const Var *var, int64_t count)
{
    for (int i = 0; i < reads->len; i++) {
        const KernelRead *r = &reads->data[i];
        if (r->node->op == &op_var && r->node->attr[0].var == var && r->space != count)
            return false;
    }
    return true;
}

static bool reads_var(const KernelReads *reads, const Var *var)
{
    for (int i = 0; i < reads->len; i++)
        if (reads->data[i].node->op == &op_var && reads->data[i].node->attr[0].var == var)
            return true;
    return false;
}

/* Whether the kernel that computes an update's value can write it into the variable: every other
 * reader of the old value can run before it. */
static bool updates_in_place(const Graph *g, const KernelDeps *deps, const Node *update, bool *seen)
{
    const Node *value = node_storage(update->in[0]);
    const Var *var = update->attr[0].var;
    int writer = value->kernel->id;
    if (!reads_in_place(&deps->reads[writer], var, type_count(&value->type)))
        return false;
    memset(seen, 0, (size_t)g->kernels.len * sizeof *seen);
    mark_after(deps, writer, seen);
    for (int k = 0; k < g->kernels.len; k++)
        if (k != writer && seen[k] && reads_var(&deps->reads[k], var))
            return false;
    return true;
}

/* A kernel that copies the value to where the root wants it. */
static void copy_root(Fuse *f, Node *root)
{
    Graph *g = f->g;
    Node *value = root->in[0];
    g->loc = root->loc;
    g->path = value->path;
    Node *copy = build_copy(g, value);
    Kernel *k = new_kernel(g, KERNEL_MAP);
    copy->kernel = k;
    copy->offset = -1;
    VEC_PUSH(g->arena, &k->nodes, copy);
    VEC_PUSH(g->arena, &k->results, copy);
    root->in[0] = copy;
    fuse_note_copy(g, k, value);
}

/* Dependences as if no update were made in place: readers of a variable wait for nobody. */
static KernelDeps *deps_without_updates(Fuse *f, NodeVec *updates)
{
    Graph *g = f->g;
    KernelDeps *deps = kernel_deps(f->arena, g);
    for (int i = 0; i < g->nodes.len; i++)
        if (g->nodes.data[i]->op == &op_update)
            VEC_PUSH(f->arena, updates, g->nodes.data[i]);
    KernelDeps *data = ARENA_NEW(f->arena, KernelDeps);
    *data = *deps;
    data->before = ARENA_ARRAY(f->arena, KernelIds, deps->n + 1);
    data->after = ARENA_ARRAY(f->arena, KernelIds, deps->n + 1);
    for (int k = 0; k < deps->n; k++) {
        for (int i = 0; i < deps->reads[k].len; i++) {
            const Node *n = deps->reads[k].data[i].node;
            if (!n->kernel)
                continue;
            VEC_PUSH(f->arena, &data->before[k], n->kernel->id);
            VEC_PUSH(f->arena, &data->after[n->kernel->id], k);
        }
    }
    return data;
}

/* Decides the updates one after another: each that can be made in place adds its order to the
 * dependences that the next ones have to respect. */
static void settle_updates(Fuse *f)
{
    NodeVec updates = { 0 }, copies = { 0 };
    KernelDeps *deps = deps_without_updates(f, &updates);
    bool *seen = ARENA_ARRAY(f->arena, bool, deps->n + 1);
    for (int i = 0; i < updates.len; i++) {
        Node *update = updates.data[i];
        if (!updates_in_place(f->g, deps, update, seen)) {
            VEC_PUSH(f->arena, &copies, update);
            continue;
        }
        int writer = node_storage(update->in[0])->kernel->id;
        for (int k = 0; k < deps->n; k++)
            if (k != writer && reads_var(&deps->reads[k], update->attr[0].var))
                VEC_PUSH(f->arena, &deps->after[k], writer);
    }
    for (int i = 0; i < copies.len; i++)
        copy_root(f, copies.data[i]);
    graph_sort(f->g);
}

/* ---- the pass ---- */

static void fuse_init(Fuse *f, PassCtx *ctx, Graph *g)
{
    *f = (Fuse){ .g = g, .arena = ctx->arena, .fuse = !ctx->no_fuse,
                 .target = ctx->target ? ctx->target : &LTARGET_GENERIC };
    fuse_operands(f);
    graph_sort(g);
    graph_renumber(g);
    f->n = g->nodes.len;
    f->info = ARENA_ARRAY(f->arena, Info, f->n + 1);
    f->stamp = ARENA_ARRAY(f->arena, int, 2 * f->n + 1); /* node ids or groups */
    f->seen = ARENA_ARRAY(f->arena, int, f->n + 1);
    f->merged = ARENA_ARRAY(f->arena, int, f->n + 1);
    f->stack = ARENA_ARRAY(f->arena, int, 2 * f->n + 1);
}

bool pass_fuse(PassCtx *ctx, Graph *g)
{
    Fuse f;
    if (!check_lowerable(ctx, g))
        return false;
    fuse_init(&f, ctx, g);
    fuse_classify(&f);
    fuse_group(&f);
    fuse_store(&f);
    make_kernels(&f);
    fuse_notes(&f);
    settle_updates(&f);
    if (!kernels_sort(ctx->arena, g)) {
        snprintf(ctx->why.text, sizeof ctx->why.text,
                 "compiler fault: the kernels of `%s` depend on each other in a circle", g->name);
        return false;
    }
    fuse_names(ctx->arena, g);
    return true;
}
