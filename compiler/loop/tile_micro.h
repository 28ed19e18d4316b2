/* Between the files of the contract scheduler. */
#ifndef NNC_LOOP_TILE_MICRO_H
#define NNC_LOOP_TILE_MICRO_H
#include "loop/tile.h"
#include "loop/vec.h"

enum { TILE_MAX_ACC = 64 };

typedef struct {
    LContract *c;
    const LTile *t;
    LFunc *f;
    int order[TILE_MAX_INDEX], n_order; /* summed indices of extent other than 1, outermost first */
    int64_t pack_at[2];                 /* first element of the panels in scratch */
    int64_t part_at, part_count;        /* partial sums of a split: first element, elements a chunk */
    LExpr *chunk;                       /* number of the chunk, when split */
} Tiler;

/* One register tile: where it begins, and its size. */
typedef struct {
    LExpr *index[TILE_MAX_INDEX]; /* output indices: their first values; summed: 0 */
    LExpr *panel;                 /* number of the vector tile (for packed operands) */
    int cols, limit;              /* vectors along vec; lanes of the last one (== lanes: all) */
    int rows[2];
} TileSpot;

void tile_micro(Tiler *m, const TileSpot *spot, LBlock *at);
/* Copies operand o into panels. */
void tile_pack(Tiler *m, int o, LBlock *at);
/* Elements of scratch that operand o's panels take. */
int64_t tile_pack_count(const Tiler *m, int o);
/* First element of the row of lanes of a packed operand at the given index values and panel. */
LExpr *tile_pack_offset(const Tiler *m, int o, LExpr *const *index, LExpr *panel);
#endif
