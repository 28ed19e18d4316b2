/* Between the files of the chain pass: whether a set of kernels can run block by block. */
#ifndef NNC_PASSES_CHAIN_H
#define NNC_PASSES_CHAIN_H
#include "ops/ops.h"
#include "passes/passes.h"

enum { MAX_STAGES = 16 };

typedef struct {
    Arena *arena;
    const Graph *g;
    const KernelDeps *deps;
    KernelIds *readers; /* by node id: the kernels that read a stored value */
    int64_t cache;      /* bytes of the second-level cache */
} ChainGraph;

typedef struct {
    int n;
    Kernel *stage[MAX_STAGES]; /* in an order in which they can run */
    int lead;
    int64_t block;
    int64_t saved;       /* bytes that need not be stored */
    const char *refused; /* NULL, or why these kernels are no chain */
} ChainPlan;

/* Fills lead, block, saved or refused for the stages of a plan. Dependences on kernels outside are the
 * caller's business. */
void chain_judge(const ChainGraph *c, ChainPlan *plan);
/* A result that only stages of the plan read, so that it need not be stored. */
bool chain_inner(const ChainGraph *c, const ChainPlan *plan, const Node *result);
#endif
