/* The one scheduler of sums of products: matrix products, convolutions, their gradients, a user's own
 * index notation. It gets a description of the indices and of how the operands lie in memory, and two
 * callbacks that write scalar code; it chooses the loops, the register tile, the vector axis, packing
 * and the parallel grid, and makes the callbacks' scalar code into vectors itself.
 *
 *     out[index 0 .. n_out-1] = sum over index n_out .. n_index-1 of operand 0 * operand 1
 */
#ifndef NNC_LOOP_TILE_H
#define NNC_LOOP_TILE_H
#include "loop/loop.h"

enum { TILE_MAX_INDEX = 16 };

typedef struct {
    LFunc *func;
    LBlock *at; /* the kernel's statements are appended here */
    const LTarget *target;
    int n_index, n_out;
    int64_t extent[TILE_MAX_INDEX];
    int64_t out_stride[TILE_MAX_INDEX]; /* elements of the result's row-major buffer; 0 for k >= n_out */
    int n_operand;                      /* 1 or 2 */
    /* Where operand o's element lies: base + sum of stride[k] * index k (the affine maps multiplied by
     * the row-major strides). Guides the choice of schedule; what is computed is what `load` says. */
    struct {
        int64_t base, stride[TILE_MAX_INDEX];
    } operand[2];
    bool costly[2]; /* load does real work (an inlined prologue), so a panel is worth more */
    void *user;
    /* The scalar f32 value of an operand at the n_index given i64 expressions: a load, or an inlined
     * producer. May append lets to `at`; no other statement. Called many times for different places. */
    LExpr *(*load)(void *user, int operand, LBlock *at, LExpr *const *index);
    /* Writes the scalar result for the n_out given index values: epilogue and stores. `value` is an f32
     * expression that may be used several times. May append lets and stores to `at`; no other
     * statement. Called once for each element of a tile: every output element is written exactly once.
     * In-place epilogues (reading the very element that is stored) are allowed. */
    void (*store)(void *user, LBlock *at, LExpr *const *index, LExpr *value);
} LContract;

/* Emits the kernel. Works for every description (any strides, no reduction, one operand, extents of 1
 * or 0). Scratch for packed panels and partial sums is reserved by lfunc_scratch (read
 * func->scratch_bytes afterwards). The order of every sum is fixed by the description and target:
 * never by the number of threads. */
void loop_contract(LContract *c);

#endif
