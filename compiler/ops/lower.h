/* Lowering one kernel to one loop function: what ops' hooks and the kernel lowerings share. */
#ifndef NNC_OPS_LOWER_H
#define NNC_OPS_LOWER_H
#include "loop/loop.h"
#include "ops/ops.h"

struct Lower {
    Arena *arena;
    const Graph *graph;
    const Kernel *kernel;
    const LTarget *target;
    LFunc *func;
    LBlock *at; /* where statements go now */
    /* Buffers of the kernel: nodes read from or written to memory (variables, inputs, outputs, other
     * kernels' results), in the order of func->params. */
    struct LowerBuf { const Node *node; LBuf *buf; bool write; } *bufs;
    int n_bufs, cap_bufs;
    /* Values already at hand at the current index (row scalars, accumulators): consulted first. */
    struct LowerBound { const Node *node; LExpr *value; } *bound;
    int n_bound, cap_bound;
};

/* The value of node at an index (node->type.rank i64 expressions): bound value, else a load when the
 * node is stored by another kernel or is a variable or input, else computed here by the op's hook. */
LExpr *lower_value(Lower *lw, const Node *node, LExpr *const *index);
/* Index of an element in the node's buffer, row major. */
LExpr *lower_offset(Lower *lw, const Node *node, LExpr *const *index);
/* The buffer of a node that lives in memory; adds a parameter at its first use. */
LBuf *lower_buffer(Lower *lw, const Node *node, bool write);
void lower_bind(Lower *lw, const Node *node, LExpr *value);
int lower_mark(const Lower *lw);            /* state of the bindings ... */
void lower_release(Lower *lw, int mark);    /* ... and back to it */
/* Key of a rand node as a u64 expression (computed once, at the head of the function). */
LExpr *lower_rand_key(Lower *lw, const Node *node);
LKind lower_kind(DType dtype);

/* The loop function of a fused kernel; sets kernel->scratch_bytes. Buffers used are reported in *bufs
 * in parameter order (node, write). Dispatches on the kernel's kind: ops/lower_map.c, lower_rows.c,
 * lower_reduce.c, contract_lower.c, or the op's own `lower`. */
LFunc *lower_kernel(Arena *arena, const Graph *graph, Kernel *kernel, const LTarget *target,
                    struct LowerBuf **bufs, int *n_bufs);
#endif
