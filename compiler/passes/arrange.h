/* In which order the dimensions of values lie: see arrange.c. */
#ifndef NNC_PASSES_ARRANGE_H
#define NNC_PASSES_ARRANGE_H
#include "passes/passes.h"

/* The axis that is to lie last in a region of values of so many dimensions; -1: as declared. An axis that cannot move
 * stays. */
typedef int ArrangePick(void *user, int rank);
/* Arranges the values of g as pick says. What the pass decides by cost goes through the same rewriting. Returns how many
 * regions lie otherwise than declared; -1: ctx->why says what is not possible. */
int arrange_as(PassCtx *ctx, Graph *g, ArrangePick *pick, void *user);
#endif
