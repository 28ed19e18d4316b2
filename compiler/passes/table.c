/* The order of the passes over a graph. nnc.c runs them one after another, with graph_verify and any
 * --dump between; `nnc dump --help` prints the doc lines. The memory plan (pass_plan) is not listed:
 * assembly runs it once lowering has told how much scratch memory each kernel needs. */
#include "passes/passes.h"

const Pass PASSES[] = {
    { "grad", pass_grad, "gradient markers become backward nodes (reverse mode)", NULL },
    { "simplify", pass_simplify, "algebra, constant folding, movement into contract maps", NULL },
    { "cse", pass_cse, "equal nodes become one", NULL },
    { "dce", pass_dce, "what no output or update needs is dropped", NULL },
    { "prepare", NULL, "what inference computes of parameters alone is computed once, ahead of it", pass_prepare },
    { "arrange", pass_arrange, "how values lie in memory: channels first or last", NULL },
    { "layout", NULL, "how parameters lie in memory: transposed, in panels", pass_layout },
    { "recompute", pass_recompute, "what the backward pass computes again instead of reading it", NULL },
    { "fuse", pass_fuse, "kernels: what is computed together, what is stored", NULL },
    { "chain", pass_chain, "kernels that share rows run block by block: no matrix of scores in memory", NULL },
    { "order", pass_order, "kernels in the order that keeps the fewest bytes alive", NULL },
    { "chunks", pass_chunks, "runs of kernels that work through the batch chunk by chunk", NULL },
    { NULL, NULL, NULL, NULL },
};
