/* The passes: one table, one signature. Each works on one graph in place.
 *
 * Order (nnc.c tells the story):
 *   front        (not a pass) the graph as the front end built it, `gradient` markers included
 *   grad         gradient markers become backward nodes (reverse mode)
 *   simplify     algebra, constant folding, movement into contract maps, stop_grad gone
 *   cse          common subexpressions (rand: equal salt and shape are equal)
 *   dce          what no root needs
 *   prepare      (of the whole module) what inference computes of parameters alone becomes an entry of its own
 *   arrange      in which order the dimensions of values lie
 *   layout       (of the whole module) how parameters lie in memory
 *   recompute    large intermediates that are cheap to make again are copied into the backward pass
 *   fuse         kernels: every remaining node gets a kernel or is recomputed by its readers
 *   chain        kernels that share rows become one that works block by block
 *   order        kernels in the order that keeps least alive
 *   chunks       runs of kernels that are carried out for a part of the batch after another
 *   plan         offsets in the arena (after lowering told the scratch sizes)
 *   lower        (not a graph pass) kernels -> loop functions
 */
#ifndef NNC_PASSES_PASSES_H
#define NNC_PASSES_PASSES_H
#include "graph/graph.h"
#include "loop/loop.h"
#include "ops/kernel.h"

typedef struct {
    Arena *arena;
    const LTarget *target;
    bool no_fuse; /* every operation its own kernel: for comparison */
    bool no_layout; /* parameters and values stay row major */
    bool no_prepare; /* nothing is computed ahead of inference */
    bool no_chunks; /* every kernel for the whole batch */
    Why why;      /* set when a pass fails */
} PassCtx;

/* A pass works on a graph, or on the whole module; the other one of run and run_module is NULL. false:
 * ctx->why says what is not possible. */
typedef struct {
    const char *name;
    bool (*run)(PassCtx *ctx, Graph *g);
    const char *doc; /* one line, for --help */
    bool (*run_module)(PassCtx *ctx, Module *m);
} Pass;
extern const Pass PASSES[]; /* ends with a NULL name */

bool pass_grad(PassCtx *ctx, Graph *g);
bool pass_simplify(PassCtx *ctx, Graph *g);
bool pass_cse(PassCtx *ctx, Graph *g);
bool pass_dce(PassCtx *ctx, Graph *g);
bool pass_prepare(PassCtx *ctx, Module *m);
bool pass_arrange(PassCtx *ctx, Graph *g);
bool pass_layout(PassCtx *ctx, Module *m);
bool pass_recompute(PassCtx *ctx, Graph *g);
bool pass_fuse(PassCtx *ctx, Graph *g);
bool pass_chain(PassCtx *ctx, Graph *g);
bool pass_order(PassCtx *ctx, Graph *g);
bool pass_chunks(PassCtx *ctx, Graph *g);
bool pass_plan(PassCtx *ctx, Graph *g);

/* Do a and b compute the same of the same nodes? (cse.c) */
bool node_equal(const Node *a, const Node *b);

/* ---- what kernels read and in which order they must run (order_deps.c) ---- */
typedef struct {
    const Node *node; /* stored */
    int64_t space;    /* every read is at the flat position of an iteration over this many positions, to
                         each of which belongs one element; 0: read at other indices */
} KernelRead;
typedef Vec(KernelRead) KernelReads;
/* The stored nodes a kernel reads from memory (results of other kernels, inputs, variables). */
KernelReads kernel_reads(Arena *arena, const Kernel *kernel);

typedef Vec(int) KernelIds;
typedef struct {
    int n;             /* kernels, by position in graph->kernels (= kernel->id) */
    KernelReads *reads;
    KernelIds *before; /* kernels that must run before this one: it reads their results, or they read a
                          variable it overwrites */
    KernelIds *after;
    const Node **home; /* by node id: the root that a stored node is written to, or NULL */
    int *run;          /* by node id: the run of graph->runs whose kernels alone read and write it, or -1 */
} KernelDeps;
/* Renumbers g->kernels and collects their dependences. */
KernelDeps *kernel_deps(Arena *arena, const Graph *g);
/* Sorts g->kernels into an order in which every kernel runs after what it depends on, keeping the
 * present order where it can; false when there is none (a cycle). */
bool kernels_sort(Arena *arena, Graph *g);

/* ---- the memory plan ---- */
/* Checks a planned graph from scratch, sharing no code with the planner: what lives at the same time
 * shares no byte, in-place sharing keeps the rules above, nothing beyond arena_bytes, offsets aligned.
 * NULL or the first fault. */
const char *plan_check(const Graph *g, Arena *arena);

/* ---- the program ----
 * Lowers every kernel of every graph of m (fused and ordered), plans the arenas with the scratch sizes
 * now known, and lists the calls. no_prepare: kernels pack parameters at every call. NULL: why says what is
 * not possible. */
LProgram *assemble(Module *m, const LTarget *target, const char *source, bool no_prepare, Why *why);

#endif
