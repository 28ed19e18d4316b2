/* Scalar statements into vector statements: `lanes` consecutive values of one variable at once. Used by
 * the loop vectoriser and by the contract scheduler (whose callbacks write scalar code). */
#ifndef NNC_LOOP_VEC_H
#define NNC_LOOP_VEC_H
#include "loop/expr.h"

typedef struct {
    LFunc *f;
    const LVar *lane; /* the variable that becomes base, base + 1, ... */
    LExpr *base;
    int lanes;
    LExpr *limit;     /* only the first `limit` lanes exist (at least 1); NULL: all */
    LMap map;         /* scalar variables -> their vector (or uniform scalar) values, so far */
    LMap inlined;     /* i64 lets that differ between lanes -> their definition in terms of `lane` */
    LBlock *at;
    LExpr *live;      /* lanes that a `set` may change (the tail of a reduction); NULL: all */
    LExpr *mask;      /* inside an `if` that differs between lanes */
    int64_t gathers, gathers_max; /* accesses made lane by lane, and how many are worth it */
    const char *why;  /* set on failure */
} LVec;

LVec lvec_new(LFunc *f, const LVar *lane, LExpr *base, int lanes, LExpr *limit);
/* The value of e in all lanes: a vector, or a scalar when it is the same in all. NULL: not possible.
 * Lane-by-lane loads are collected through a local buffer declared in v->at. */
LExpr *lvec_expr(LVec *v, LExpr *e);
/* Appends src, vectorised, to dst. False (v->why, dst partly filled) when it cannot be. */
bool lvec_block(LVec *v, const LBlock *src, LBlock *dst);
/* No iteration of `lane` reads or writes what another one writes (as far as indices tell). */
bool lvec_independent(LFunc *f, const LBlock *block, const LVar *lane, const char **why);
/* loop_vectorize for a block. */
void lblock_vectorize(LFunc *f, const LTarget *target, LBlock *b);
/* Rough number of operations. */
int64_t lblock_cost(const LBlock *b);
#endif
