/* show --fusion: every kernel of every entry point, what it computes, what it reads and why that is
 * another kernel's work. */
#include "cli/cli.h"
#include "nnc_internal.h"
#include "ops/kernel.h"
#include "ops/ops.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* "mlp.fc1 contract": the layer and the operation. */
static void print_value(const Node *n)
{
    printf("%s%s%s", n->path ? n->path : "", n->path ? " " : "", n->op->name);
}

static bool same_path(const Node *a, const Node *b)
{
    return a->path == b->path || (a->path && b->path && !strcmp(a->path, b->path));
}

/* "mlp.fc1: contract, add; mlp: max" */
static void print_nodes(const NodeVec *nodes)
{
    for (int i = 0; i < nodes->len; i++) {
        const Node *n = nodes->data[i];
        if (i && same_path(n, nodes->data[i - 1])) {
            printf(", %s", n->op->name);
            continue;
        }
        printf("%s%s%s%s", i ? "; " : "", n->path ? n->path : "", n->path ? ": " : "", n->op->name);
    }
    printf("\n");
}

static int64_t value_bytes(const Node *n) { return type_count(&n->type) * dtype_bytes(n->type.dtype); }

/* What the kernel computes although it is no node of its own, one line a reason. */
static void print_again(const Graph *g, const Kernel *k)
{
    const char *reason = NULL;
    int n = 0;
    for (int i = 0; i < g->fusion.len; i++) {
        const FusionNote *note = &g->fusion.data[i];
        bool again = note->kernel == k && note->fused && note->producer->kernel != k;
        for (int j = 0; again && j < i; j++)
            again = g->fusion.data[j].kernel != k || g->fusion.data[j].producer != note->producer;
        if (!again)
            continue;
        reason = note->reason;
        printf("%s", n++ ? ", " : "    again   ");
        print_value(note->producer);
    }
    if (n)
        printf("\n              %s\n", reason);
}

static void print_kernel(const Graph *g, const Kernel *k, Arena *arena)
{
    printf("  k%d %s %s\n    nodes   ", k->id, kernel_kind_name(k->kind), k->name);
    print_nodes(&k->nodes);
    for (int i = 0; i < k->results.len; i++) {
        const Node *n = k->results.data[i];
        printf("    stores  ");
        print_value(n);
        printf(" %s, %" PRId64 " bytes\n", type_text(arena, &n->type), value_bytes(n));
    }
    print_again(g, k);
    for (int i = 0; i < g->fusion.len; i++) {
        const FusionNote *note = &g->fusion.data[i];
        if (note->kernel != k || note->fused)
            continue;
        const Kernel *from = note->producer->kernel;
        printf("    reads   ");
        print_value(note->producer);
        printf(" of k%d %s\n              apart: %s\n", from->id, from->name, note->reason);
    }
}

static void print_note_json(const Graph *g, const FusionNote *note)
{
    const Kernel *from = note->producer->kernel;
    printf("{\"entry\": \"%s\", \"batch\": %" PRId64 ", \"kernel\": \"%s\", \"reads\": \"%s\", \"of\": \"%s\", "
           "\"fused\": %s, \"reason\": \"%s\"}\n",
           g->name, g->batch, note->kernel->name, note->producer->op->name,
           from && from != note->kernel ? from->name : "", note->fused ? "true" : "false", note->reason);
}

void show_fusion(const nnc *n, const CliArgs *args)
{
    const Module *m = nnc_module(n);
    bool first = true;
    for (int i = 0; i < m->graphs.len; i++) {
        const Graph *g = m->graphs.data[i];
        if (g->kind == GRAPH_BODY || g->kind == GRAPH_INIT || (args->entry && strcmp(g->name, args->entry) != 0))
            continue;
        for (int k = 0; args->json && k < g->fusion.len; k++)
            print_note_json(g, &g->fusion.data[k]);
        if (args->json)
            continue;
        printf("%s%s, batch %" PRId64 ": %d kernels\n", first ? "" : "\n", g->name, g->batch, g->kernels.len);
        for (int k = 0; k < g->kernels.len; k++)
            print_kernel(g, g->kernels.data[k], nnc_arena(n));
        first = false;
    }
}
