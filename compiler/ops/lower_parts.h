/* What the kernel lowerings share among themselves. Private to compiler/ops. */
#ifndef NNC_OPS_LOWER_PARTS_H
#define NNC_OPS_LOWER_PARTS_H
#include "ops/kernel.h"
#include "ops/lower.h"

void lower_map(Lower *lw);
void lower_rows(Lower *lw);
void lower_reduce(Lower *lw);
void lower_contract(Lower *lw);

/* A readable name for a node's value or buffer. */
const char *lower_name(Lower *lw, const Node *n);
/* Index of flat position `flat` in a type's row-major order. */
void lower_unravel(Lower *lw, const Type *type, LExpr *flat, LExpr **index);
/* Binds a value at one flat position of the node only. */
void lower_bind_at(Lower *lw, const Node *node, LExpr *flat, LExpr *value);
/* Computes every result at a flat position, then stores them all. index (of shape type) is that
 * position where it is known, or NULL. */
void lower_results(Lower *lw, const NodeVec *results, LExpr *flat, LExpr *const *index, const Type *type);
/* Operations an element of the block's statements costs, roughly: math functions count more. */
int64_t lower_cost(const LBlock *block);
/* Work (elements times cost) from which a parallel loop pays: some ten microseconds of vector code. */
enum { LOWER_PARALLEL_WORK = 1 << 18 };

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
