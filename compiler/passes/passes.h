/* The passes: one table, one signature. Each works on one graph in place.
 *
 * Order (nnc.c tells the story):
 *   front        (not a pass) the graph as the front end built it, `gradient` markers included
 *   grad         gradient markers become backward nodes (reverse mode)
 *   simplify     algebra, constant folding, movement into contract maps, stop_grad gone
 *   cse          common subexpressions (rand: equal salt and shape are equal)
 *   dce          what no root needs
 *   fuse         kernels: every remaining node gets a kernel or is recomputed by its readers
 *   order        kernels in the order that keeps least alive
 *   plan         offsets in the arena (after lowering told the scratch sizes)
 *   lower        (not a graph pass) kernels -> loop functions
 */
#ifndef NNC_PASSES_PASSES_H
#define NNC_PASSES_PASSES_H
#include "graph/graph.h"
#include "loop/loop.h"

typedef struct {
    Arena *arena;
    const LTarget *target;
    bool no_fuse; /* every operation its own kernel: for comparison */
    Why why;      /* set when a pass fails */
} PassCtx;

typedef struct {
    const char *name;
    bool (*run)(PassCtx *ctx, Graph *g); /* false: ctx->why says what is not possible */
    const char *doc;                     /* one line, for --help */
} Pass;
extern const Pass PASSES[]; /* ends with a NULL name */

bool pass_grad(PassCtx *ctx, Graph *g);
bool pass_simplify(PassCtx *ctx, Graph *g);
bool pass_cse(PassCtx *ctx, Graph *g);
bool pass_dce(PassCtx *ctx, Graph *g);
bool pass_fuse(PassCtx *ctx, Graph *g);
bool pass_order(PassCtx *ctx, Graph *g);
bool pass_plan(PassCtx *ctx, Graph *g);

/* ---- kernels: the contract between fuse and lowering ----
 * In a fused graph every node that is not a leaf or root either has a kernel or is inlined by its
 * readers (kernel NULL; only OP_MOVEMENT, OP_CHEAP elementwise chains, broadcasts). A node of a kernel
 * is either a result (stored; listed in kernel->results) or used inside that kernel only. A reader in
 * another kernel reads the stored value. Inlined nodes may be read by any kernel.
 * reshape (OP_VIEW) of a stored node whose only effect is a new shape is inlined: same bytes. */
typedef enum {
    /* One iteration space S (the shape of every result): each result element is a function of elements
     * of memory; no reductions. A pure movement (transpose, concat, pad) that must be stored is a MAP. */
    KERNEL_MAP,
    /* Rows: a leading space R and a row space C (the last k axes, flattened). Holds one or more
     * reductions over exactly C (sum, max, argmax) whose results (shape R) may be read back through
     * broadcast by later nodes of the kernel. Results have shape R or R x C. Softmax, layer norm and
     * their backward, cross entropy. */
    KERNEL_ROWS,
    /* One reduction over other axes (columns: bias gradients, batch-norm statistics; or everything),
     * producers inlined elementwise, with an elementwise tail of the reduced shape. */
    KERNEL_REDUCE,
    /* One contract: operands read through inlined cheap producers, an elementwise tail on the result
     * (results: any of the tail's nodes, the contract included, all of the contract's shape up to
     * reshape). */
    KERNEL_CONTRACT,
    /* One OP_OPAQUE node; operands may be inlined producers. */
    KERNEL_OPAQUE
} KernelKind;

/* True where node's value lives in memory in a fused graph (kernel result, variable, input). */
bool node_stored(const Node *node);
/* The stored node whose bytes a chain of reshapes over it shares (itself when not a view). */
const Node *node_storage(const Node *node);
/* Where an update may write straight into its variable and an output into the caller's buffer: the
 * kernel result that becomes LR_VAR / LR_OUTPUT; decided by fuse/plan, see plan.c. */

#endif
