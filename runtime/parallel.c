/* Loops over the cores, on OpenMP. */
#include "runtime/runtime.h"
#include <omp.h>

void nnr_set_threads(int n)
{
    if (n > 0) omp_set_num_threads(n);
}

void nnr_parallel_for(void (*fn)(void *arg, int64_t i), void *arg, int64_t n)
{
    if (n == 1 || omp_get_max_threads() == 1) { /* a region of one thread takes its time too */
        for (int64_t i = 0; i < n; i++) fn(arg, i);
        return;
    }
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i++) fn(arg, i);
}

void nnr_call(const nnr_entry *entry, void *weights, void *slots, const void *const *in, void *const *out,
              void *arena, const nnr_ctx *ctx)
{
    int before = omp_get_max_threads(); /* of this thread: OpenMP keeps the number by thread */
    nnr_set_threads(ctx->threads);
    entry->run(weights, slots, in, out, arena, ctx);
    if (ctx->threads > 0) omp_set_num_threads(before);
}
