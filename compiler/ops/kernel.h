/* Kernels: the contract between the fuse pass and lowering.
 *
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
 *   those (node_storage gives the buffer; in a chain also results of another stage); a constant operand has been given a kernel of its own;
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
#ifndef NNC_OPS_KERNEL_H
#define NNC_OPS_KERNEL_H
#include "graph/graph.h"

typedef enum {
    /* One iteration space S, the element count of every result: each result element is a function of
     * elements of memory; no reductions. A pure movement (transpose, concat, pad) that must be stored is
     * a MAP, with its elementwise producers inlined at whatever index it reads them. A pad beside what it
     * pads, where both are results, is written as the other's positions are walked. */
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
     * contract: a dropout mask does not). Results: any of the tail's nodes, the contract included, and pads
     * of them, without gaps, whose elements are written as their operand's positions are walked. Or the tail
     * ends in windows (pooling, one beside the other without gaps, all of the same size): then the results are
     * windows of nodes of the contract's count, elementwise nodes of the windows' count behind them, and pads of
     * those; what lies behind the last whole window is not computed. A
     * result that is the operand of an update may overwrite a variable the tail reads in place. */
    KERNEL_CONTRACT,
    /* One OP_OPAQUE node, nothing else; its result. */
    KERNEL_OPAQUE,
    /* Several kernels (kernel->stages: CONTRACT and ROWS, in an order in which they can run) carried out
     * one after another on one block of rows before the next block begins: attention, whose matrix of
     * scores never exists as a whole. A value that one stage computes and another reads (a link) has
     * `lead` leading dimensions in common with all other links. A block is one position of the first
     * lead - 1 of them (the grid) and `block` positions of the last (fewer at the end): for a link one
     * run of consecutive elements. Results of stages that are not results of the chain live in scratch
     * memory, a block at a time. What each stage guarantees (passes/chain.c):
     * - it reads links only at the rows of the block: at its own flat position (a row's value from
     *   within the row), or, as the operand of a contract, in a dimension that is one plain index;
     * - a contract's indices so found are output indices for the grid; that of the last dimension may
     *   be summed: such a stage adds block after block, in order, and its tail runs behind the last;
     * - a ROWS stage's rows are parts of, or are, positions of the leading dimensions;
     * - a link that a contract computes has the contract's own shape.
     * Results of a chain share memory with nothing that it reads. */
    KERNEL_CHAIN,
    KERNEL_KINDS
} KernelKind;
const char *kernel_kind_name(int kind); /* "map" */

/* Which index of a contract runs over each of a chain's leading dimensions (sizes dim): found from the
 * operands that are links, else, for a contract that reads none, its first output indices. index[d] is -1
 * where there is none, the dimension having one position. False: it does not fit. */
bool chain_contract_index(const Node *contract, const bool *link, int lead, const int64_t *dim, int *index);

/* True where node's value lives in memory in a fused graph (kernel result, variable, input). */
bool node_stored(const Node *node);
/* A value for each window of an operand, the windows side by side without gaps, of more than one element along at
 * most two axes and of few: what a contraction can make of its register tiles. */
bool window_on_tile(const Node *n);
/* What the windows are cut from: the operand that is not read by the window. */
const Node *window_source(const Node *n);
/* The first node of the kernel that stands for windows of the contraction's results, or NULL. */
const Node *kernel_windows(const Kernel *k);
/* The result is a pad that the kernel writes while it walks over what is padded. */
bool kernel_pads_in_place(const Kernel *k, const Node *result);
/* The stored node whose bytes a chain of reshapes over it shares (itself when not a view). */
const Node *node_storage(const Node *node);

#endif
