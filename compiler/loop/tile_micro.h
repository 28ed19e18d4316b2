/* Between the files of the contract scheduler. */
#ifndef NNC_LOOP_TILE_MICRO_H
#define NNC_LOOP_TILE_MICRO_H
#include "loop/tile.h"
#include "loop/vec.h"

enum { TILE_MAX_ACC = 64 };

/* How the rows along an output index are cut: `tall` tiles of `rows` come first, then those of `less` fewer: of
 * one, or of a window. */
typedef struct {
    int64_t rows, count, tall, less;
} TileCut;
TileCut tile_cut(int64_t extent, int64_t rows, int64_t window);
/* How far apart operand o's values lie along index k; k may be -1, no index. */
static inline int64_t tile_stride(const LContract *c, int o, int k) { return k < 0 ? 0 : c->operand[o].stride[k]; }
static inline int64_t tile_window(const LContract *c, int k) { return k >= 0 && c->window[k] > 1 ? c->window[k] : 1; }
static inline TileCut tile_row_cut(const LContract *c, const LTile *t, int r)
{
    return tile_cut(c->extent[t->row[r]], t->rows[r], tile_window(c, t->row[r]));
}
enum { TILE_MAX_WINDOW = 16 };
/* Elements of a window of results; 1: there are none. */
int tile_window_elements(const LContract *c);
/* NULL, or why tile t does not hold whole windows. */
const char *tile_check_windows(const LContract *c, const LTile *t);

/* One dimension of the grid: an output index one by one, vector tiles, groups of rows, or the chunks of a
 * split sum. */
enum { TILE_EVERY_CHUNK = -1 };
typedef struct {
    int index; /* or TILE_EVERY_CHUNK */
    int64_t count;
} TileDim;
/* The grid of t's pieces, outermost dimension first; returns how many there are. */
int tile_grid(const LContract *c, const LTile *t, TileDim dim[TILE_MAX_INDEX + 1]);

typedef struct {
    LContract *c;
    const LTile *t;
    LFunc *f;
    int order[TILE_MAX_INDEX], n_order; /* summed indices of extent other than 1, outermost first */
    int inner;                          /* those before are loops around the blocks of the sum */
    LExpr *block_lo, *block_hi;         /* of the index t->block */
    LBuf *panel[2];                     /* a packed operand's memory, and its first element */
    int64_t panel_at[2];
    int64_t part_at, part_count;        /* partial sums of a split: first element, elements a chunk */
    LExpr *chunk;                       /* number of the chunk, when split */
    int window;                         /* elements of a window of results, or 1 */
    LBuf *kept;                         /* sums that wait between blocks: [tile][row 1][row 0][lanes * cols] */
} Tiler;

/* One register tile: where it begins, and its size. */
typedef struct {
    LExpr *index[TILE_MAX_INDEX]; /* output indices: their first values; summed: outside the blocks */
    LExpr *panel, *tile;          /* numbers of the vector tile, and of the tile along row[0] (for packed operands) */
    int cols, limit;              /* vectors along vec; lanes of the last one (== lanes: all) */
    int rows[2];
    LExpr *number;                /* of the tile among the `sharing` tiles of its piece, which share a panel; */
    int64_t sharing;              /* NULL: it is alone */
    LExpr *kept_at;               /* first element of the tile in m->kept */
} TileSpot;

/* The accumulators of a tile. */
typedef struct {
    LVar *acc[TILE_MAX_ACC]; /* [row 1][row 0][column] */
    int n0, n1, cols;
    int limit; /* lanes of the last column */
} TileSums;
static inline LVar *tile_acc(const TileSums *a, int i1, int i0, int col)
{
    return a->acc[(i1 * a->n0 + i0) * a->cols + col];
}

/* Lanes of operand o from index[along] on, as load gives them; NULL where that cannot be made of vectors. */
LExpr *tile_vector_load(Tiler *m, int o, LExpr *const *index, int along, int limit, LBlock *at);
/* Operand o at an index, as a let: a vector where it changes along the lanes' index, else a scalar. */
LExpr *tile_operand(Tiler *m, int o, LExpr *const *index, const TileSpot *spot, int row, int col, int limit,
                    LBlock *at);
/* The sums of a tile whose window slides (t->slide). */
void tile_slide(Tiler *m, TileSums *a, const TileSpot *spot, LExpr **index, LBlock *at);
/* What t->slide steps take in a tile of n0 x n1 rows and so many columns, in vectors. */
typedef struct {
    int64_t products, loads, moving /* loads of the operand that changes along the rows */, registers;
} TileSlideWork;
TileSlideWork tile_slide_work(const LContract *c, const LTile *t, int64_t n0, int64_t n1, int64_t cols);
/* NULL, or why the window of t does not slide so. */
const char *tile_slide_check(const LContract *c, const LTile *t);
/* The tile's sums: of everything, then stored; or, with m->kept, of one block, added to what waits there. */
void tile_micro(Tiler *m, const TileSpot *spot, LBlock *at);
/* Steps of a tile's innermost loop that also fetch what will be wanted later: the next panel, or lines of results,
 * of which there are so many in one run of the loop, one every so many steps. */
typedef struct {
    int64_t steps;
    bool panel;
    int64_t lines, steps_apart;
} TileAhead;
/* The parts that the loop's first steps are, one behind the other; it has so many steps in all. Returns how many. */
int tile_ahead_parts(const Tiler *m, const TileSums *a, const TileSpot *spot, int64_t steps, TileAhead part[2]);
/* What step number `step` of a part fetches; k: the loop's index, which base has. */
void tile_ahead(Tiler *m, const TileSums *a, const TileSpot *spot, const TileAhead *part, LExpr *const *base, int k,
                LExpr *step, int64_t steps, LBlock *at);
/* Asks for operand o's element at an index, where it is a mere load. */
void tile_fetch_operand(Tiler *m, int o, LExpr *const *index, LBlock *at);
/* Asks for the rows' next lines, at one step of the sum. */
void tile_fetch_rows(Tiler *m, const TileSums *a, LExpr *const *index, LBlock *at);
/* Stores the sums. */
void tile_put(Tiler *m, const TileSums *a, const TileSpot *spot, LBlock *at);
/* Stores what waits in m->kept; n: its rows (spot->rows: how they lie). */
void tile_put_kept(Tiler *m, const TileSpot *spot, LExpr *const n[2], LBlock *at);
/* lanes vectors of as many lanes: rows become columns. */
void tile_turn(Tiler *m, LExpr **row, LBlock *at);
/* Are results turned before they are stored, because the rows are what lies side by side in memory? */
bool tile_turns_results(const LContract *c, const LTile *t);
/* Copies operand o into panels: all of it, or what the piece at spot needs. */
void tile_pack(Tiler *m, int o, LBlock *at);
void tile_pack_piece(Tiler *m, int o, const TileSpot *spot, LBlock *at);
/* Elements that operand o's panels take; of a piece of a schedule not yet begun. */
int64_t tile_piece_count(const LContract *c, const LTile *t, int o);
int64_t tile_pack_count(const Tiler *m, int o);
/* First element of the row of lanes of a packed operand at the given index values and panel. */
LExpr *tile_pack_offset(const Tiler *m, int o, LExpr *const *index, LExpr *panel);
/* The summed indices that have loops, outermost first; returns how many. */
int tile_order(const LContract *c, const LTile *t, int *order);
/* Is summed index k a loop around the blocks? */
bool tile_is_outside(const LContract *c, const LTile *t, int k);
/* Bounds of the loop over summed index k: all of it, or the chunk's. */
void tile_sum_bounds(const Tiler *m, int k, LExpr **lo, LExpr **hi);
/* Steps of the sum in one of its blocks. */
int64_t tile_block_steps(const LContract *c, const LTile *t);
/* Does t copy operand o by tiles of rows, as it is the same in all lanes? */
static inline bool tile_packs_rows(const LContract *c, const LTile *t, int o)
{
    return t->pack[o] != PACK_NONE && t->vec >= 0 && c->operand[o].stride[t->vec] == 0;
}
static inline int64_t tile_width(const LTile *t) { return (int64_t)t->lanes * t->cols; }
#endif
