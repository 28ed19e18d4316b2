/* What the kernel lowerings share among themselves. Private to compiler/ops. */
#ifndef NNC_OPS_LOWER_PARTS_H
#define NNC_OPS_LOWER_PARTS_H
#include "ops/kernel.h"
#include "ops/lower.h"

void lower_map(Lower *lw);
void lower_rows(Lower *lw);
void lower_reduce(Lower *lw);
void lower_contract(Lower *lw);

void lower_chain(Lower *lw);
void lower_body(Lower *lw); /* the loops of lw->kernel, by its kind */

/* ---- a block of a chain (lower_chain.c) ----
 * What lowering a stage of a chain writes: positions first[d] to first[d] + extent[d] of each leading
 * dimension d, in terms of the whole kernel's indices. */
typedef struct LowerBlock {
    int lead;
    LExpr *first[MAX_RANK];
    int64_t extent[MAX_RANK];
    LExpr *row;        /* flat position of the block's first row in the leading dimensions ... */
    int64_t rows, all; /* ... rows of the block, and of all blocks */
    int index[MAX_RANK]; /* of a contract: its index that is leading dimension d, or -1 */
    /* A contract that sums over the blocks: where its sums are, one run of the elements of its output indices
     * other than index[0 .. lead - 2]; NULL: it stores its results. */
    const struct LowerSums *sums;
    LBlock *panels;    /* where a contract packs an operand that all blocks of a grid position have in common ... */
    int64_t rounds;    /* ... and how many blocks that are; NULL: for itself */
} LowerBlock;
typedef struct LowerSums {
    const Node *node;  /* the contract; its sums lie where it is stored, or, ... */
    bool in_scratch;   /* ... from element begin of scratch */
    int64_t begin;
} LowerSums;
/* A value of which scratch holds the block at hand: element `flat` lies at begin + flat - first. */
struct LowerPlace {
    const Node *node;
    int64_t begin;
    LExpr *first;
};
/* Reads and writes a stored value at a flat position, wherever it lies. */
LExpr *lower_load(Lower *lw, const Node *node, LExpr *flat);
void lower_store(Lower *lw, const Node *node, LExpr *flat, LExpr *value);
/* For lw->kernel, a contract with lw->block->sums: sets the sums of the block's grid position to zero
 * before the first block; runs the tail over them behind the last. */
void lower_sums_clear(Lower *lw);
void lower_sums_finish(Lower *lw);

/* A readable name for a node's value or buffer. */
const char *lower_name(Lower *lw, const Node *n);
/* Index of flat position `flat` in a type's row-major order. */
void lower_unravel(Lower *lw, const Type *type, LExpr *flat, LExpr **index);
/* Binds a value at one flat position of the node only. */
void lower_bind_at(Lower *lw, const Node *node, LExpr *flat, LExpr *value);
/* Computes every result at a flat position, then stores them all. index (of shape type) is that
 * position where it is known, or NULL. */
void lower_results(Lower *lw, const NodeVec *results, LExpr *flat, LExpr *const *index, const Type *type);
/* ---- padding in place (lower_pad.c) ---- */
/* What a MAP kernel walks over. */
const Type *lower_map_space(const Kernel *k);
/* Where the padded element at an index of the operand lies. */
LExpr *lower_padded_at(Lower *lw, const Node *pad, LExpr *const *index);
/* Fills the frames of all such results, at lw->at. */
void lower_frames(Lower *lw);

/* Opens a parallel loop at lw->at over the positions of n dimensions as one sequence, so that each core has one
 * stretch of them, and moves lw->at into it. index: the position. */
void lower_deal(Lower *lw, const char *name, const int64_t *extent, int n, LExpr **index);

/* Operations an element of the block's statements costs, roughly: math functions count more. */
int64_t lower_cost(const LBlock *block);
/* ---- reductions (lower_fold.c): an accumulator a reduction; the vectoriser gives it lanes ---- */
typedef struct {
    const Node *node;
    LVar *acc, *where; /* where: argmax's position */
} Fold;
/* The neutral element. */
LExpr *fold_identity(Lower *lw, const Node *reduction);
/* acc with one more value; argmax: *where becomes position where the value is better. */
LExpr *fold_combine(Lower *lw, const Node *reduction, LExpr *acc, LExpr *value, LExpr **where, LExpr *position);
/* Makes the accumulators in lw->at, starting at given values or (NULL) the neutral element. */
Fold fold_begin(Lower *lw, const Node *reduction, LExpr *acc, LExpr *where);
/* Takes in a value; position (i32): argmax's index of it. */
void fold_step(Lower *lw, Fold *fold, LExpr *value, LExpr *position);
LExpr *fold_result(Lower *lw, const Fold *fold);
/* Loop over [lo, hi) whose body is written by the callback, with bindings of its own. */
typedef void (*LoopBody)(Lower *lw, void *user, LExpr *at);
void lower_loop(Lower *lw, const char *name, LExpr *lo, LExpr *hi, LoopBody body, void *user);
#endif
