/* What an operation is: the one struct that holds its rule, derivative, evaluation, lowering and
 * samples. The definitions are in compiler/ops; the graph needs only this much of them to build,
 * print, read, verify and evaluate nodes. */
#ifndef NNC_GRAPH_OP_H
#define NNC_GRAPH_OP_H
#include "graph/graph.h"

typedef struct LExpr LExpr; /* loop/loop.h: a loop IR expression; opaque here */

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
    OP_OPAQUE = 1 << 9,      /* lowered by `lower`, a kernel of its own (gather, argsort ...), unless `inlined` */
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
    const EvalRun *run; /* inputs by name, variables by index */
    const char **fault; /* set by an eval that cannot give a value (a missing input) */
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
    /* Reductions: start value (i32: at least the lowest i32), and how two partial results combine.
     * argmax: the condition under which value, which stands later, takes acc's place. */
    double identity;
    LExpr *(*combine)(Lower *lw, const Node *n, LExpr *acc, LExpr *value);
    /* Opaque: writes the whole kernel body. */
    void (*lower)(Lower *lw, const Node *n);
    /* Opaque, where it may be either: true for a node whose `value` serves (a small window). */
    bool (*inlined)(const Node *n);
    /* What the node costs: a contract's multiply-adds, for others operations; NULL: one an element of the
     * result (none for movement, leaves and roots). */
    int64_t (*work)(const Node *n);
    const OpSample *samples;
    int n_samples;
};

/* A kernel of its own, that reads operands from memory. */
static inline bool node_opaque(const Node *n)
{
    return (n->op->flags & OP_OPAQUE) && !(n->op->inlined && n->op->inlined(n));
}

const OpDef *op_find(const char *name);         /* NULL: no such op */
int op_attr(const OpDef *op, const char *name); /* index of an attribute, or -1 */

#endif
