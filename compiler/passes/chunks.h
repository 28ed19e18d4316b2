/* Internal to the chunks pass: what a run carries out (chunk_body.c), what it costs (chunk_cost.c). */
#ifndef NNC_PASSES_CHUNKS_H
#define NNC_PASSES_CHUNKS_H
#include "passes/passes.h"

/* The kernels of run r for one chunk, as a graph of its own: sets r->body and r->origin. What other kernels
 * store are its inputs: a value of which it reads the chunk's part, or, where its type is the origin's, all.
 * Values that are read outside of the run are its outputs. NULL, or why the kernels cannot run in chunks. */
const char *chunk_body(Arena *arena, const Graph *g, const KernelDeps *deps, KernelRun *r);

/* Estimated cycles of one core for all of the batch. prepared: what kernels pack of variables lies ready. */
typedef struct ChunkCosts ChunkCosts;
ChunkCosts *chunk_costs(Arena *arena, const Graph *g, const KernelDeps *deps, const LTarget *target, bool prepared);
/* The sizes that chunks may have, in samples; returns how many. */
int chunk_sizes(const ChunkCosts *c, const int64_t **samples);
/* Of kernel k as it stands, called by itself. */
double chunk_cost_whole(ChunkCosts *c, int k);
/* May kernels first .. last be one run, in chunks of some size? */
bool chunk_possible(ChunkCosts *c, int first, int last);
/* Of a run of kernels first .. last in chunks of `samples`, where that is possible. Quickest when, for one
 * `first` and `samples`, last grows by one from call to call. */
double chunk_cost_run(ChunkCosts *c, int first, int last, int64_t samples);
#endif
