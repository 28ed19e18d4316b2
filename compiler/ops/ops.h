/* An operation in one place. Each family of operations is a file here that holds, for every op, its
 * shape rule, derivative, reference evaluation, lowering and samples, in one static OpDef. Passes ask
 * flags; they do not switch on names (they may compare op pointers where an op's algebra is the
 * point, as simplification does).
 *
 * ops_check (run by the tests) refuses an op that lacks a rule, a derivative (or OP_NO_GRAD), an
 * evaluation, a lowering or samples. */
#ifndef NNC_OPS_OPS_H
#define NNC_OPS_OPS_H
#include "graph/graph.h"
#include "loop/loop.h"

typedef struct {
    const char *name;
    AttrKind kind;
} AttrDef;

enum {
    OP_ELEMENTWISE = 1 << 0, /* result[i] depends on operands[i]; all shapes equal (no broadcasting) */
    OP_MOVEMENT = 1 << 1,    /* result[i] is one operand's element or a constant: index arithmetic */
    OP_LEAF = 1 << 2,        /* no operands */
    OP_ROOT = 1 << 3,        /* output, update */
    OP_REDUCE = 1 << 4,      /* sum, max, argmax over attr "axes" / "axis" */
    OP_CHEAP = 1 << 5,       /* recomputing costs no more than a load: may be duplicated by fusion */
    OP_EXPENSIVE = 1 << 6,   /* exp, tanh, div, pow ...: never recompute per reader */
    OP_COMMUTATIVE = 1 << 7,
    OP_NO_GRAD = 1 << 8,     /* derivative zero wherever it exists, or meaningless (compare, argmax) */
    OP_OPAQUE = 1 << 9,      /* lowered by `lower`, a kernel of its own (gather, window_max ...) */
    OP_DRAW = 1 << 10,       /* depends on ctx (rand, step, epoch): not folded */
    OP_META = 1 << 11,       /* gone before lowering (gradient, stop_grad), or not lowered yet (scan) */
    OP_VIEW = 1 << 12        /* reshape: same bytes in the same order */
};

/* What a derivative rule works with: it appends nodes to g and sets dx[i] (NULL: no gradient). Only
 * operands with need[i] have to be served. */
typedef struct {
    Graph *g;
    const bool *need;
} GradCtx;

typedef struct {
    nnr_ctx ctx;
    Arena *arena;
    const Graph *graph;
} EvalCtx;

/* One sample: operand types, attributes, and the range operand values are drawn from. Tests make the
 * node, check eval against central differences of itself, C and LLVM against eval, and print/read. */
typedef struct {
    Type in[4];
    int n_in;
    Attr attr[MAX_ATTR];
    double lo, hi; /* operand values are uniform in [lo, hi]; integers where the dtype is i32 */
    bool distinct; /* keep values apart (max, sort: no ties, kinks away from the step) */
    const char *note;
} OpSample;

/* The building of one kernel's loops; loop-side details in ops/lower.h. */
typedef struct Lower Lower;

struct OpDef {
    const char *name;
    int min_in, max_in; /* max_in -1: any number */
    unsigned flags;
    AttrDef attrs[MAX_ATTR]; /* unused: kind AK_NONE */
    const char *doc;         /* one line */
    /* n has op, in, n_in, attr set; fills *out; false with why->text (both shapes named) on a fault. */
    bool (*shape)(const Node *n, Type *out, Why *why);
    void (*grad)(GradCtx *ctx, Node *n, Node *dy, Node **dx);
    void (*eval)(const Node *n, const Tensor *const *in, Tensor *out, const EvalCtx *ctx);
    /* Elementwise: the scalar value from the operands' scalar values. */
    LExpr *(*emit)(Lower *lw, const Node *n, LExpr *const *in);
    /* Movement and leaves: the value at an index (n->type.rank index expressions), by asking
     * lower_value for operands' values. */
    LExpr *(*value)(Lower *lw, const Node *n, LExpr *const *index);
    /* Reductions: start value, and how two partial results combine. */
    double identity;
    LExpr *(*combine)(Lower *lw, const Node *n, LExpr *acc, LExpr *value);
    /* Opaque: writes the whole kernel body. */
    void (*lower)(Lower *lw, const Node *n);
    /* Multiply-adds (or comparable operations) the node costs; NULL: one an element of the result. */
    int64_t (*work)(const Node *n);
    const OpSample *samples;
    int n_samples;
};

extern const OpDef *const OPS[]; /* every op, NULL-terminated (ops/table.c) */
const OpDef *op_find(const char *name);
int op_attr(const OpDef *op, const char *name); /* index of an attribute, or -1 */

/* Leaves */
extern const OpDef op_input /* {name, shape, dtype} */, op_var /* {var} */,
    op_const /* {value: tensor} */, op_iota /* {shape, axis}: i32 */,
    op_rand /* {shape, salt}: f32 uniform in [0,1), nnr_uniform(nnr_key(seed, step, salt), i) */,
    op_step /* i32 scalar: ctx.step */, op_epoch /* i32 scalar */;
/* Elementwise, operands of one shape (broadcast is a node of its own). Comparisons give bool. */
extern const OpDef op_neg, op_exp, op_log, op_sqrt, op_tanh, op_erf, op_sin, op_floor, op_round,
    op_abs, op_not, op_cast /* {dtype} */, op_add, op_sub, op_mul, op_div, op_mod, op_max, op_min,
    op_pow, op_eq, op_ne, op_lt, op_le, op_and, op_or, op_select /* cond, a, b */;
/* Movement */
extern const OpDef op_reshape /* {shape} */,
    op_transpose /* {perm}: result dim i is operand dim perm[i] */,
    op_broadcast /* {shape, axes}: operand dim i becomes result dim axes[i]; other dims repeat */,
    op_slice /* {start, stop, step}: rank ints each, step >= 1 */,
    op_pad /* x, scalar value; {lo, hi, inner}: inner puts gaps between elements; lo, hi >= 0 */,
    op_concat /* {axis} */, op_reverse /* {axes} */;
/* Reductions: {axes}, reduced dims are dropped. argmax: {axis}, i32, first of equals */
extern const OpDef op_sum, op_reduce_max, op_argmax;
/* Windows over all axes: {window, stride}, valid positions only (pad first) */
extern const OpDef op_window_max, op_window_max_grad /* x, dy: dy at the first maximum */,
    op_window_max_pick /* x, v: v at x's first maximum of each window */;
/* Tables and order. gather: table[R, ...], indices[...] i32 -> indices.shape + table.shape[1:];
 * an index outside is clamped. scatter_add: {rows}: values, indices -> [rows, ...], fixed order.
 * argsort {axis, descending}: i32 permutation, stable. take_along {axis}: x, i32 indices. */
extern const OpDef op_gather, op_scatter_add, op_argsort, op_take_along;
extern const OpDef op_contract /* {contract} */, op_scan /* see ops/scan.c */;
/* Roots and markers */
extern const OpDef op_output /* {name} */, op_update /* {var} */, op_stop_grad,
    op_gradient /* loss, x: d loss / d x, replaced by the grad pass */;

#endif
