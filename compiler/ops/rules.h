/* What the op definitions share: checks for shape rules, index arithmetic for evaluations, and short
 * forms for samples. Private to compiler/ops. */
#ifndef NNC_OPS_RULES_H
#define NNC_OPS_RULES_H
#include "ops/ops.h"
#include "ops/build.h"

/* "contract: ..." style messages name the op first; all return false. */
bool rule_float(const Node *n, int operand, Why *why);        /* operand is f32 */
bool rule_number(const Node *n, int operand, Why *why);       /* operand is f32 or i32 */
bool rule_same_type(const Node *n, int a, int b, Why *why);   /* dtype and shape equal */
bool rule_ints(const Node *n, int attr, int count, Why *why); /* attribute has count elements */
/* The ints are axes of an operand of that rank: in range, strictly increasing. */
bool rule_axes(const Node *n, int attr, int rank, Why *why);
bool rule_axis(const Node *n, int attr, int rank, Why *why); /* a single axis, AK_INT */
/* Positions among count elements are i32 values: count must be below 2^31. */
bool rule_positions(const Node *n, int64_t count, Why *why);

/* Row-major strides of a type. */
void shape_strides(const Type *t, int64_t *stride);
/* index of element `flat` in row-major order, and back. */
void shape_unravel(const Type *t, int64_t flat, int64_t *index);
int64_t shape_ravel(const Type *t, const int64_t *index);
/* Next index in row-major order; false after the last. */
bool shape_next(const Type *t, int64_t *index);
/* Product of dims [from, to). */
int64_t shape_span(const Type *t, int from, int to);

/* What an i32 holds of a value: truncated, wrapped to 32 bits. */
double wrap_i32(double v);

/* Samples: F32(2, 3), S_F32 for a scalar; IV(0, 1) an INTS attribute. */
#define RANK_OF(...) (int)(sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t))
#define F32(...) { DT_F32, RANK_OF(__VA_ARGS__), { __VA_ARGS__ } }
#define I32(...) { DT_I32, RANK_OF(__VA_ARGS__), { __VA_ARGS__ } }
#define BOOL(...) { DT_BOOL, RANK_OF(__VA_ARGS__), { __VA_ARGS__ } }
#define S_F32 { DT_F32, 0, { 0 } }
#define S_I32 { DT_I32, 0, { 0 } }
#define S_BOOL { DT_BOOL, 0, { 0 } }
#define IV(...) { .ints = { RANK_OF(__VA_ARGS__), (const int64_t[]){ __VA_ARGS__ } } }
#define IV_NONE { .ints = { 0, NULL } }
#define SAMPLES(a) .samples = (a), .n_samples = (int)(sizeof(a) / sizeof *(a))
#endif
