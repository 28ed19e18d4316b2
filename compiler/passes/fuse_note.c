/* Fusion, last part: the reasons. For every kernel and every value that it reads of another kernel, why
 * the two are not one; for what it computes beside its results, why that is so.
 * Requires: kernels made, ids of nodes still those of the grouping. Establishes: g->fusion. */
#include "passes/fuse.h"

typedef struct {
    Fuse *f;
    const Kernel *kernel;
    int group;
} Notes;

static void note(Notes *n, const Info *from, const Info *to, bool fused, const char *reason)
{
    Graph *g = n->f->g;
    FusionNote note = { .kernel = n->kernel, .producer = from->node, .consumer = to->node, .fused = fused,
                        .reason = reason };
    VEC_PUSH(g->arena, &g->fusion, note);
}

static const char *why_apart(Fuse *f, const Info *from, const Info *to, int group)
{
    if (!f->fuse)
        return "fusion is switched off";
    const char *reason = fuse_apart(f, from->group, group);
    if (reason && to->node->op == &op_contract && from->node->op != &op_contract)
        return "a contraction reads its operands many times over: they are stored once";
    if (reason && node_opaque(to->node))
        return "an operation that reads its operands at places of its own";
    return reason ? reason : "less is stored this way";
}

/* One note an edge into `to`, which this kernel computes; through what it computes again. */
static void visit(Notes *n, const Info *to)
{
    Fuse *f = n->f;
    if (f->stamp[to->node->id] == f->now)
        return;
    f->stamp[to->node->id] = f->now;
    for (int i = 0; i < to->src.len; i++) {
        const Info *from = &f->info[to->src.data[i].node];
        if (from->role != ROLE_COMPUTE)
            continue;
        if (from->group == n->group)
            note(n, from, to, true, "computed in one kernel");
        else if (!from->stored)
            note(n, from, to, true, "cheaper to compute again than to store and load");
        if (from->group == n->group || !from->stored)
            visit(n, from);
    }
}

/* The search for reasons uses the stamps of `visit`, so what stays apart is told in a second round. */
static void visit_apart(Notes *n)
{
    Fuse *f = n->f;
    const Node *last = NULL;
    for (int id = 0; id < f->n; id++) {
        const Info *from = &f->info[id];
        if (from->role != ROLE_COMPUTE || !from->stored || from->group == n->group)
            continue;
        for (int i = 0; i < from->use.len; i++) {
            const Info *to = &f->info[from->use.data[i].node];
            if (f->seen[to->node->id] != f->seen_now || last == from->node)
                continue;
            last = from->node;
            note(n, from, to, false, NULL);
        }
    }
}

static void note_kernel(Notes *n)
{
    Fuse *f = n->f;
    const Kernel *k = n->kernel;
    f->now++;
    for (int i = 0; i < k->results.len; i++)
        visit(n, &f->info[k->results.data[i]->id]);
    f->seen_now++;
    for (int id = 0; id < f->n; id++)
        if (f->stamp[id] == f->now && f->info[id].role == ROLE_COMPUTE)
            f->seen[id] = f->seen_now;
    int first = f->g->fusion.len;
    visit_apart(n);
    for (int i = first; i < f->g->fusion.len; i++) {
        FusionNote *note = &f->g->fusion.data[i];
        note->reason = why_apart(f, &f->info[note->producer->id], &f->info[note->consumer->id], n->group);
    }
}

void fuse_notes(Fuse *f)
{
    f->g->fusion.len = 0;
    for (int k = 0; k < f->g->kernels.len; k++) {
        const Kernel *kernel = f->g->kernels.data[k];
        Notes n = { f, kernel, f->info[kernel->results.data[0]->id].group };
        note_kernel(&n);
    }
}

void fuse_note_copy(Graph *g, const Kernel *copy, const Node *value)
{
    FusionNote note = { .kernel = copy, .producer = node_storage(value), .consumer = copy->results.data[0],
                        .reason = "a copy: the variable's old value is still read after the new one is there" };
    VEC_PUSH(g->arena, &g->fusion, note);
}
