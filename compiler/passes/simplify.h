/* What the files of the simplify pass share. A rule looks at one node and returns an equivalent node
 * (new, or already there), or NULL. */
#ifndef NNC_PASSES_SIMPLIFY_H
#define NNC_PASSES_SIMPLIFY_H
#include "ops/build.h"
#include "passes/passes.h"

typedef struct {
    Graph *g;
    Arena *arena;
} Simplify;

typedef Node *(*SimplifyRule)(Simplify *s, Node *n);
Node *simplify_algebra(Simplify *s, Node *n);   /* elementwise operations */
Node *simplify_movement(Simplify *s, Node *n);  /* reshape, transpose, broadcast, slice, pad ... */
Node *simplify_reduce(Simplify *s, Node *n);    /* sum, reduce_max */
Node *simplify_moments(Simplify *s, Node *n);   /* sums that normalisations are made of */
Node *simplify_affine(Simplify *s, Node *n);    /* a normalisation by variables, behind a contraction */
Node *simplify_contract(Simplify *s, Node *n);  /* movement into index maps, and what is left of one */
Node *simplify_window(Simplify *s, Node *n);    /* masks behind a pooling's derivative, sums of it */
Node *simplify_fold(Simplify *s, Node *n);      /* constant operands */

/* True when n, a reduction, reduces the axis. */
bool simplify_reduces(const Node *n, int64_t axis);
/* True when a sum over rows had better stay by itself: what it adds up depends on a sum of the same rows. */
bool simplify_keeps_rows(const Node *sum);
/* True when all elements are one number known at compile time (a constant, or a broadcast of one). */
bool simplify_splat(const Node *n, double *value);
static inline bool simplify_is(const Node *n, double value)
{
    double v;
    return simplify_splat(n, &v) && v == value;
}
/* True when n is known to have one reader: the driver keeps the number of readers in node->mark, never
 * too low. */
static inline bool simplify_single_use(const Node *n) { return n->mark == 1; }
#endif
