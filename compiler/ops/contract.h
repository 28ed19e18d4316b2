/* Affine index maps: what the contract's rule, its derivative, its lowering and the passes share. */
#ifndef NNC_OPS_CONTRACT_H
#define NNC_OPS_CONTRACT_H
#include "loop/tile.h"
#include "ops/ops.h"

/* Smallest and largest value of an affine map while index k runs over [0, extent[k]). */
void affine_range(const Affine *a, int n_index, const int64_t *extent, int64_t *lo, int64_t *hi);
/* The only index with a coefficient other than 0, or -1 when there is none or more than one. */
int affine_single(const Affine *a, int n_index);
/* The index that the map is equal to (base 0, coefficient 1), or -1. */
int affine_bare(const Affine *a, int n_index);
/* a with index k replaced by expr (which may itself hold index k, in its new meaning). */
void affine_substitute(Affine *a, int n_index, int k, const Affine *expr);
bool affine_equal(const Affine *a, const Affine *b, int n_index);

/* True when operand `op` of c is read at index k. */
bool contract_reads(const Contract *c, int op, int k);
/* Takes out the indices that `keep` is false for; no operand may read them. */
void contract_drop(Contract *c, const bool *keep);

/* Derivative rule of op_contract (contract_grad.c). */
void contract_grad(GradCtx *ctx, Node *n, Node *dy, Node **dx);

/* Indices and strides of a contract over row major operands of these types, for the scheduler. Leaves
 * func, at, target and the callbacks alone; lc was zeroed. */
void contract_describe(const Contract *map, const Type *const *in, LContract *lc);

enum { CONTRACT_SAMPLES = 44 };
extern const OpSample contract_samples[CONTRACT_SAMPLES];
#endif
