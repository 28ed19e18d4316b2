/* Solving a contract's operand map for its indices: the working state of the derivative. */
#ifndef NNC_OPS_CONTRACT_INVERT_H
#define NNC_OPS_CONTRACT_INVERT_H
#include "ops/contract.h"

/* Zeros around the original sources, shared by the contracts of one derivative. */
typedef struct {
    bool measuring; /* first run: before and after collect what is needed */
    Node *src[2], *padded[2];
    int64_t before[2][MAX_RANK], after[2][MAX_RANK];
} InversePads;

/* The sum  r[p] = sum over all index values with target = p of  src[0][map[0]] * src[1][map[1]].
 * While dimensions of the target are solved, an index that is solved for takes a new meaning: it
 * becomes an index of the result (owned), and the old one an affine expression of the others. */
typedef struct {
    Graph *g;
    int n_index;
    int64_t extent[MAX_INDEX];
    const char *name[MAX_INDEX];
    bool owned[MAX_INDEX];
    int rank; /* the result: shape, and the map to be inverted */
    int64_t dim[MAX_RANK];
    Affine target[MAX_RANK];
    int n_src;
    Node *src[2];
    Affine map[2][MAX_RANK];
    /* What a replaced index must still obey: 0 <= at < extent. */
    int n_rule;
    struct {
        Affine at;
        int64_t extent;
    } rule[MAX_RANK];
    /* Solved dimensions: the indices that make one up, slowest first, and the size each is padded to
     * before they are merged; gap: distance of neighbours; lo: place of the first. */
    struct InverseDim {
        bool solved;
        int n_slot, slot[MAX_RANK];
        int64_t size[MAX_RANK], gap, lo;
    } plan[MAX_RANK];
    int *leaves; /* contracts made so far */
    InversePads *pads;
} Inverse;

/* Builds the result, or returns NULL where the map cannot be inverted this way (nodes that were added
 * are then dead). */
Node *contract_invert(Inverse *v);

/* Replaces index k by expr in all maps. */
void inverse_substitute(Inverse *v, int k, const Affine *expr);
/* The contract over all indices whose result has the indices out[0..n_out). */
Node *inverse_contract(Inverse *v, const int *out, int n_out);
#endif
