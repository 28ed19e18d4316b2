/* The order of the passes over a graph. nnc.c runs them one after another, with graph_verify and any
 * --dump between; `nnc dump --help` prints the doc lines. The memory plan (pass_plan) is not listed:
 * assembly runs it once lowering has told how much scratch memory each kernel needs. */
#include "passes/passes.h"

const Pass PASSES[] = {
    { "grad", pass_grad, "gradient markers become backward nodes (reverse mode)" },
    { "simplify", pass_simplify, "algebra, constant folding, movement into contract maps" },
    { "cse", pass_cse, "equal nodes become one" },
    { "dce", pass_dce, "what no output or update needs is dropped" },
    { "fuse", pass_fuse, "kernels: what is computed together, what is stored" },
    { "chain", pass_chain, "kernels that share rows run block by block: no matrix of scores in memory" },
    { "order", pass_order, "kernels in the order that keeps the fewest bytes alive" },
    { NULL, NULL, NULL },
};
