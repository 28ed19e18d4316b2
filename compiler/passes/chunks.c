/* chunks: runs of kernels that work through the batch part by part (KernelRun, graph/graph.h).
 *
 * Kernel by kernel, a batch's values pass through memory between any two of them, and every kernel forks and
 * joins. A run does all of its kernels for a few samples, whose values stay in a core's cache, before it takes
 * the next few; cores work on different samples, and only the values of as many samples as there are lanes need
 * memory. It pays where values are large beside weights, which every chunk reads again, and where tiles are as
 * good for few samples; so what becomes a run, and of how many samples a chunk is, is the cheapest way to cut
 * the sequence of kernels (chunk_cost.c), found by dynamic programming over its beginnings.
 *
 * Kernels that depend on nothing but variables (scales of normalisations) are moved ahead of all others, so
 * that they do not stand between the kernels of a run.
 *
 * Which kernels can run in chunks follows from the operations (chunk_body.c). Chunks and lanes are a function
 * of the program and the target: results do not depend on the number of threads.
 *
 * Requires: kernels in execution order. Establishes: graph->runs with their bodies, for inference only: what a
 * training step's forward part computes, the backward part reads for the whole batch. */
#include "passes/chunks.h"

#include "ops/ops.h"

/* A run has to save this share of the whole: what estimates cannot tell apart stays in one piece. */
static const double LEAST_GAIN = 0.05;
/* Cycles: what takes less has its values in the caches anyway. */
static const double LEAST_WORK = 2e6;

/* ---- kernels of variables alone ---- */

static bool *find_early(Arena *arena, const Graph *g, const KernelDeps *deps)
{
    bool *early = ARENA_ARRAY(arena, bool, deps->n + 1);
    for (int k = 0; k < deps->n; k++) {
        early[k] = g->kernels.data[k]->results.len > 0;
        for (int i = 0; i < deps->reads[k].len; i++) {
            const Node *n = deps->reads[k].data[i].node;
            early[k] = early[k] && n->op != &op_input && (!n->kernel || early[n->kernel->id]);
        }
    }
    return early;
}

/* The kernels of variables alone come first; others keep their order. */
static void move_early(PassCtx *ctx, Graph *g)
{
    const bool *early = find_early(ctx->arena, g, kernel_deps(ctx->arena, g));
    KernelVec sorted = { 0 };
    for (int late = 0; late < 2; late++)
        for (int k = 0; k < g->kernels.len; k++)
            if (early[k] != late)
                VEC_PUSH(g->arena, &sorted, g->kernels.data[k]);
    g->kernels = sorted;
}

/* ---- the cheapest cut ---- */

typedef struct {
    double cycles; /* of all kernels before this place */
    int first;     /* where the last part before it begins ... */
    int64_t samples; /* ... and the size of its chunks; 0: one kernel as it stands */
} Cut;

static void consider_runs(ChunkCosts *c, Cut *cut, int first, int n, double least)
{
    const int64_t *samples;
    int sizes = chunk_sizes(c, &samples);
    for (int s = 0; s < sizes; s++)
        for (int last = first; last < n && chunk_possible(c, first, last); last++) {
            double cycles = cut[first].cycles + chunk_cost_run(c, first, last, samples[s]) + least;
            if (last > first && cycles < cut[last + 1].cycles)
                cut[last + 1] = (Cut){ cycles, first, samples[s] };
        }
}

/* Fills g->runs, if that saves enough. */
static void choose(PassCtx *ctx, Graph *g, ChunkCosts *c)
{
    int n = g->kernels.len;
    double whole = 0;
    Cut *cut = ARENA_ARRAY(ctx->arena, Cut, n + 1);
    for (int k = 0; k < n; k++) {
        whole += chunk_cost_whole(c, k);
        cut[k + 1] = (Cut){ 1e300, k, 0 };
    }
    for (int k = 0; k < n && whole > LEAST_WORK; k++) {
        double cycles = cut[k].cycles + chunk_cost_whole(c, k);
        if (cycles < cut[k + 1].cycles)
            cut[k + 1] = (Cut){ cycles, k, 0 };
        consider_runs(c, cut, k, n, whole * LEAST_GAIN);
    }
    if (whole <= LEAST_WORK)
        return;
    int cores = ctx->target->cores, at = 0;
    KernelRun *found = ARENA_ARRAY(ctx->arena, KernelRun, n + 1);
    for (int end = n; end > 0; end = cut[end].first)
        if (cut[end].samples) {
            int64_t chunks = g->batch / cut[end].samples;
            found[at++] = (KernelRun){ .first = cut[end].first, .last = end - 1, .samples = cut[end].samples,
                                       .lanes = chunks < cores ? chunks : cores };
        }
    while (at > 0)
        VEC_PUSH(g->arena, &g->runs, found[--at]);
}

bool pass_chunks(PassCtx *ctx, Graph *g)
{
    g->runs.len = 0;
    if (ctx->no_chunks || g->kind != GRAPH_INFER || g->batch < 2 || g->kernels.len < 2)
        return true;
    KernelVec before = g->kernels;
    move_early(ctx, g);
    const KernelDeps *deps = kernel_deps(ctx->arena, g);
    choose(ctx, g, chunk_costs(ctx->arena, g, deps, ctx->target, !ctx->no_prepare));
    if (!g->runs.len) {
        g->kernels = before;
        for (int k = 0; k < g->kernels.len; k++)
            g->kernels.data[k]->id = k;
    }
    for (int r = 0; r < g->runs.len; r++) {
        KernelRun *run = &g->runs.data[r];
        const char *fault = chunk_body(g->arena, g, deps, run);
        fault = fault ? fault : graph_verify(run->body, ctx->arena);
        if (fault)
            return why_set(&ctx->why, "compiler fault: run of kernels %d to %d: %s", run->first, run->last, fault);
    }
    return true;
}
