/* Parts of values: which part of its operands an operation needs for a part of its result. What is computed
 * chunk by chunk (passes/chunks.c) rests on it.
 *
 * A part belongs to a division of one axis into `pieces` equal runs of positions, `size` of them each; it is
 * one of these pieces, the same one (first, second, ...) wherever parts meet. axis -1: the whole value. */
#ifndef NNC_OPS_PART_H
#define NNC_OPS_PART_H
#include "graph/op.h"

typedef struct {
    int axis;
    int64_t size;
} Part;
#define PART_WHOLE ((Part){ -1, 0 })

/* The part that is one run of consecutive elements: along the first axis with more than one position. False:
 * that axis is not `pieces` times anything, or there is none. */
bool part_leading(const Type *t, int64_t pieces, Part *out);
/* The part of operand `operand` of n that every element of part p of n depends on, and no more than it. False:
 * it depends on other elements too, or n's positions count (rand): n cannot be computed in such parts. */
bool part_of_operand(const Node *n, Part p, int operand, int64_t pieces, Part *out);
/* Attributes of the node that computes part p of n from the parts of its operands: shapes and extents are
 * those of the part. */
void part_attrs(Arena *arena, const Node *n, Part p, Attr *attr);
#endif
