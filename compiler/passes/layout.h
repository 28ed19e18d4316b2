/* Internal to the layout pass: variables that have to share one layout, what a layout costs, and the
 * rewriting of contracts to it. */
#ifndef NNC_PASSES_LAYOUT_H
#define NNC_PASSES_LAYOUT_H
#include "graph/layout.h"
#include "ops/build.h"
#include "ops/contract.h"
#include "passes/passes.h"

/* ---- contracts over stored dimensions (layout_contract.c) ---- */
/* c with its result in stored order: output index p counts dimension p of the layout. */
bool layout_of_result(Arena *arena, Contract *c, const nnr_layout *l);
/* c reading operand p where it is stored. Where an output index has to be split, c has an output dimension
 * more; the result is the same elements in the same order. False: not possible by index arithmetic. */
bool layout_of_operand(Arena *arena, Contract *c, int p, const nnr_layout *l);

/* ---- what is updated together (layout_region.c) ---- */
/* The nodes between reads of variables and an update of one: elementwise, each of the variable's shape up
 * to dimensions of 1. They can be computed in any order of the elements, so in the order stored. */
typedef struct {
    int *parent; /* by variable: union-find; variables of one set share a layout */
    int n;
} LayoutSets;
int layout_set(LayoutSets *s, int var);
/* Sets node->mark: 1 + a variable of the set in whose region the node is, or 0. */
void layout_join(LayoutSets *s, const Graph *g);
/* n may be within a region, and then its operands: elementwise, or a reshape that only adds or drops
 * dimensions of 1. */
bool layout_spreads(const Node *n);
/* The layout l of a type as one of type t, which differs in dimensions of 1 alone. */
nnr_layout layout_for(const Type *t, const Type *of, const nnr_layout *l);

/* ---- cost (layout_cost.c) ---- */
typedef struct LayoutCosts LayoutCosts;
/* What depends on layouts in the entries of m, init left out. Regions must be marked. */
LayoutCosts *layout_costs(Arena *arena, const Module *m, LayoutSets *sets, const LTarget *target, bool no_prepare);
/* Estimated cycles of what depends on the layout of a set, when it has layout l of type t; INFINITY where
 * it cannot. l of rank 0: row major. */
double layout_cost(LayoutCosts *c, int set, const Type *t, const nnr_layout *l);
/* From now on the set has this layout. */
void layout_decide(LayoutCosts *c, int set, const Type *t, const nnr_layout *l);

/* Gives all variables of a set the layout l of type t. */
void layout_assign(Module *m, LayoutSets *sets, int set, const Type *t, const nnr_layout *l);

/* ---- rewriting (layout_apply.c) ---- */
/* Makes g read and update its variables as their layouts say (Var.type is what is stored already), and
 * simplifies what that leaves. */
bool layout_apply(PassCtx *ctx, Graph *g);
#endif
