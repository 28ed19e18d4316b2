/* Winograd's minimal filtering for 3x3 convolutions of stride 1 (Winograd 1980; Lavin and Gray, "Fast
 * Algorithms for Convolutional Neural Networks", 2015): tiles of m x m results from (m + 2) x (m + 2)
 * products a channel instead of 9 m m, in three stages: image and taps are transformed, as many matrix
 * products as a tile has elements are summed over the channels, the products are transformed back.
 *
 * A schedule of a contraction like any other: it is recognised by extents and strides, so it serves an
 * input gradient (taps in reverse) as well as a forward pass. Rounding differs from the direct sum: the
 * transforms of m = 4 multiply by up to 8 and cancel, so results carry some ten times the error of a
 * direct float sum (tests/unit/test_winograd.c measures it; m = 2 has about that of the direct sum). */
#ifndef NNC_LOOP_WINOGRAD_H
#define NNC_LOOP_WINOGRAD_H
#include "loop/tile.h"

enum { WINOGRAD_MAX = 6 /* side of a transformed tile */ };

/* The indices of a convolution that this applies to. */
typedef struct {
    int image, taps;         /* operand numbers */
    int space[2], tap[2];    /* rows and columns: output index, summed index of extent 3 */
    bool reverse[2];         /* the image is read at space - tap */
    int channel, filter;     /* summed; output */
    int other[TILE_MAX_INDEX], n_other; /* output indices of the image alone: samples */
} Winograd;

/* Is c a convolution of that kind, with channels enough for it? */
bool winograd_find(const LContract *c, Winograd *w);
/* The best Winograd schedule; its cost as in the model of tile_pick. False: none applies. */
bool winograd_pick(const LContract *c, LTile *out);
void winograd_emit(const LContract *c, const LTile *t);
/* NULL, or why t is no Winograd schedule for c. */
const char *winograd_check(const LContract *c, const LTile *t);

/* ---- the transforms of one row or column (winograd_transform.c): values to values, lets in `at` ---- */
void winograd_image(LFunc *f, LBlock *at, int m, LExpr *const *d, LExpr **out);    /* m + 2 -> m + 2 */
void winograd_taps(LFunc *f, LBlock *at, int m, LExpr *const *g, LExpr **out);     /* 3 -> m + 2 */
void winograd_products(LFunc *f, LBlock *at, int m, LExpr *const *p, LExpr **out); /* m + 2 -> m */
#endif
