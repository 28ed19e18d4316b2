/* Runs of kernels (KernelRun) wherever they are possible, whether they pay or not, in training steps too: what
 * the chunks pass may decide on some machine has to be right on every one. */
#ifndef TESTS_DIFF_FORCE_CHUNKS_H
#define TESTS_DIFF_FORCE_CHUNKS_H
#include "passes/chunks.h"

/* Each as long as it can be. Returns how many there are. */
static inline int force_chunks(Arena *arena, Graph *g, int64_t samples, int64_t lanes)
{
    g->runs.len = 0;
    if (samples >= g->batch || g->batch % samples)
        return 0;
    const KernelDeps *deps = kernel_deps(arena, g);
    for (int k = 0; k < deps->n; k++) {
        KernelRun run = { .first = k, .last = k, .samples = samples };
        run.lanes = lanes < g->batch / samples ? lanes : g->batch / samples;
        KernelRun longer = run;
        while (longer.last < deps->n && !chunk_body(arena, g, deps, &longer)) {
            run = longer;
            longer.last++;
        }
        if (!run.body)
            continue;
        const char *fault = graph_verify(run.body, arena);
        if (fault)
            fail_msg("%s, kernels %d to %d: %s", g->name, run.first, run.last, fault);
        VEC_PUSH(g->arena, &g->runs, run);
        k = run.last;
    }
    return g->runs.len;
}
#endif
