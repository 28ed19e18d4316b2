/* Lowering one kernel to one loop function: what ops' hooks and the kernel lowerings share.
 *
 * Rules for the hooks emit and value:
 * - they return an expression and may append lets to lw->at (lb_let), no other statement;
 * - they ask lower_value for operands and never look at an operand's hooks; lower_value handles inputs,
 *   variables, constants (tables too) and stored values itself, so op_const needs no hook;
 * - a guard (pad, concat, clamped gathers) is lx_select(condition, value inside, other), the value
 *   asked at an index clamped with LX_MIN / LX_MAX, so that it is in bounds whatever the condition says:
 *   both sides are evaluated. The loops are split at the points where such comparisons change, so with
 *   ranged loop variables comparison and clamps fold away: compare index expressions plainly
 *   (LX_LT, LX_LE, LX_EQ of i64) and never through a cast;
 * - values are scalars: the vectoriser widens them. Integer index arithmetic is i64. */
#ifndef NNC_OPS_LOWER_H
#define NNC_OPS_LOWER_H
#include "loop/loop.h"
#include "ops/ops.h"

/* What a kernel copies of parameters ahead of its work (panels, Winograd's taps) may lie ready in a buffer of its own. */
typedef enum {
    LOWER_WHOLE, /* the kernel does all by itself */
    LOWER_READY, /* it reads what lies ready */
    LOWER_MAKE   /* only this is written: what LOWER_READY reads */
} LowerMode;

struct Lower {
    Arena *arena;
    const Graph *graph;
    const Kernel *kernel;
    const LTarget *target;
    LFunc *func;
    LBlock *at; /* where statements go now */
    /* Buffers of the kernel: nodes read from or written to memory (variables, inputs, outputs, other
     * kernels' results), in the order of func->params; node NULL: what lies ready. */
    struct LowerBuf { const Node *node; LBuf *buf; bool write; } *bufs;
    int n_bufs, cap_bufs;
    /* Values already at hand at the current index (row scalars, accumulators): consulted first. */
    struct LowerBound {
        const Node *node;
        LExpr *value;
        LExpr *flat; /* only at this flat position of the node; NULL: at any */
    } *bound;
    int n_bound, cap_bound;
    const int *uses;              /* readers of each node, by id */
    const LVar *rand_key[64];     /* keys made at the head of the function, by salt */
    uint64_t rand_salt[64];
    int n_rand;
    LBlock head;                  /* statements before everything else */
    const struct LowerBlock *block; /* the part of the kernel to write (lower_parts.h); NULL: all of it */
    struct LowerPlace *places;      /* values that lie in scratch, a block at a time */
    int n_places;
    LowerMode mode;
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
/* May loops of so many elementary operations be worth a fork? Which parallel loops do fork is decided for a
 * whole entry (loop/cores.h). */
bool lower_may_fork(const Lower *lw, int64_t operations);

/* The loop function of a fused kernel; sets kernel->scratch_bytes. Buffers used are reported in *bufs
 * in parameter order (node, write). Dispatches on the kernel's kind: ops/lower_map.c, lower_rows.c,
 * lower_reduce.c, contract_lower.c, or the op's own `lower`. LOWER_MAKE: for a kernel that LOWER_READY gave a buffer
 * without a node, which it writes; scratch_bytes stays. */
LFunc *lower_kernel(Arena *arena, const Graph *graph, Kernel *kernel, const LTarget *target, LowerMode mode,
                    struct LowerBuf **bufs, int *n_bufs);
#endif
