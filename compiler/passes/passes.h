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
 * In a fused graph every node that is not a leaf or root is one of
 *   stored    a result of its kernel (node->kernel->results): lives in memory, row major;
 *   owned     node->kernel set, not a result: used inside that kernel only;
 *   inlined   node->kernel NULL: recomputed by every kernel that reads it (movement, cheap elementwise).
 * Leaves have no kernel: input and var live in memory, the others (const, iota, rand ...) are computed
 * where they are read. A `reshape` that is not a result is a view: the same flat positions.
 *
 * What fuse guarantees, whatever the kind:
 * - a reader outside the kernel reads a stored value, through any chain of inlined nodes;
 * - the operands of a contract and of an OP_OPAQUE node are stored, inputs or variables, or views of
 *   those (node_storage gives the buffer); a constant operand has been given a kernel of its own;
 * - the operand of every root is a result, or a view of one, of which no other root is: its kernel
 *   writes straight into the variable or the caller's buffer. Where that is impossible fuse adds a
 *   copy: a KERNEL_MAP whose one result is a `reshape` to the same shape;
 * - inside a kernel a result or reduction is read only at the position at which it is computed, up to
 *   views (ROWS: also a row's value from within that row); nodes that are neither may be read at any
 *   index and have to be computed at that index.
 * What lowering guarantees:
 * - at each position (each row for the row results of ROWS) all results are computed before any of them
 *   is stored: a result may share memory with an operand that is read only at that same position;
 * - ROWS stores results of shape R x C only in the last pass over a row, when every pass that reads
 *   memory has read that row.
 * Positions are flat positions: shapes within a kernel may differ by reshapes. */
typedef enum {
    /* One iteration space S, the element count of every result: each result element is a function of
     * elements of memory; no reductions. A pure movement (transpose, concat, pad) that must be stored is
     * a MAP, with its elementwise producers inlined at whatever index it reads them. */
    KERNEL_MAP,
    /* Rows: kernel->rows (R) positions, each with kernel->cols (C) elements. One or more reductions over
     * exactly the C elements of a row (sum, max, argmax over the last axes), whose results (count R) may
     * be read back through broadcast by later nodes of the kernel. Every owned elementwise node has count
     * R or R * C; results too. A node of count R * C that several passes need and that is not a mere load
     * should be computed once and kept in a row buffer. R may be 1. Softmax, layer norm and their
     * backward, cross entropy. */
    KERNEL_ROWS,
    /* One to four reductions over the same axes of operands of one shape, none depending on another:
     * one pass over that space (columns: bias gradients, batch-norm statistics; or everything). Producers
     * are elementwise nodes of the operand's count, never results. Tail: elementwise nodes of the reduced
     * count; results are reductions or tail nodes. When every axis is reduced, or the reduced count is
     * small, a fixed tree over parallel chunks is wanted. */
    KERNEL_REDUCE,
    /* One contract, with an elementwise tail: owned elementwise nodes of the contract's count, which read
     * it and each other at the same position and memory at any index (they need not all depend on the
     * contract: a dropout mask does not). Results: any of the tail's nodes, the contract included. A
     * result that is the operand of an update may overwrite a variable the tail reads in place. */
    KERNEL_CONTRACT,
    /* One OP_OPAQUE node, nothing else; its result. */
    KERNEL_OPAQUE,
    KERNEL_KINDS
} KernelKind;
const char *kernel_kind_name(int kind); /* "map" */

/* True where node's value lives in memory in a fused graph (kernel result, variable, input). */
bool node_stored(const Node *node);
/* The stored node whose bytes a chain of reshapes over it shares (itself when not a view). */
const Node *node_storage(const Node *node);

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
 * now known, and lists the calls. NULL: why says what is not possible. */
LProgram *assemble(Module *m, const LTarget *target, const char *source, Why *why);

#endif
