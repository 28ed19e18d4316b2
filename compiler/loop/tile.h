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

/* What a byte that lies ready has to save in cycles a call: memory that the program then holds, and reads instead. */
#define TILE_READY_PRICE 0.02

typedef struct LContract LContract;
struct LContract {
    LFunc *func;
    LBlock *at; /* the kernel's statements are appended here */
    const LTarget *target;
    int n_index, n_out;
    int64_t extent[TILE_MAX_INDEX];
    int64_t out_stride[TILE_MAX_INDEX]; /* elements of the result's row-major buffer; 0 for k >= n_out */
    int n_operand;                      /* 1 or 2 */
    /* Where operand o's element lies: base + sum of stride[k] * index k (the affine maps multiplied by
     * the row-major strides). A stride of 0 promises that `load` does not depend on that index; otherwise
     * strides only guide the choice of schedule, and what is computed is what `load` says. */
    struct {
        int64_t base, stride[TILE_MAX_INDEX];
    } operand[2];
    bool costly[2]; /* load does real work (an inlined prologue), so a panel is worth more */
    bool still[2];  /* no kernel of the entry writes it: every core may keep a copy of its own */
    bool serial;    /* stands inside a loop that runs in parallel: no parallel loops, no split sums */
    /* For a contraction inside a loop: where the panels of an operand are filled that stays the same in all
     * of its rounds, ahead of the loop (their scratch has to be left alone meanwhile); NULL: at `at`. */
    LBlock *panels_at[2];
    int64_t rounds; /* 0 counts as 1 */
    void *user;
    /* The scalar f32 value of an operand at the n_index given i64 expressions: a load, or an inlined
     * producer. May append lets to `at`; no other statement. Called many times for different places. */
    LExpr *(*load)(void *user, int operand, LBlock *at, LExpr *const *index);
    /* Writes the scalar result for the n_out given index values: epilogue and stores. `value` is an f32
     * expression that may be used several times. May append lets and stores to `at`; no other
     * statement. Called once for each element of a tile: every output element is written exactly once.
     * In-place epilogues (reading the very element that is stored) are allowed. */
    void (*store)(void *user, LBlock *at, LExpr *const *index, LExpr *value);
    /* Buffers of the result's order of size that `store` reads, writes, and that no near cache holds. Set by
     * loop_contract. */
    int far_reads, far_writes;
    /* Results that are wanted by the window (pooling): window[k] neighbours along output index k belong together
     * (0 counts as 1). They divide the extents, have at most 16 elements, and more than one along at most two
     * indices, which become rows of the register tile. Then `store_window` is called instead of `store`: index is
     * that of a window's first element, value has its elements in row-major order. */
    int64_t window[TILE_MAX_INDEX];
    void (*store_window)(void *user, LBlock *at, LExpr *const *index, LExpr *const *value);
    /* An operand that is the same at every call until parameters change: panels of all of it, or Winograd's taps,
     * may lie ready in a buffer of `count` floats that `ready` gives, a parameter of func. With `make` these are
     * written into that buffer, and nothing else is. */
    bool fixed[2], make;
    LBuf *(*ready)(void *user, int operand, int64_t count);
    /* Set by loop_contract_join: the contraction before its indices were joined. NULL: this is it. */
    const LContract *whole;
};

/* A schedule, as data. */
typedef enum {
    TILE_OUTER, /* lanes along an output index: broadcast times vector */
    TILE_DOT    /* lanes along a summed index: vector times vector, lanes added at the end */
} TileKind;
/* An operand copied into panels [..][vec / (lanes * cols)][summed][lanes * cols] before it is used; one that has
 * no lanes but changes along row[0], whole only, into [..][tile along row[0]][summed][rows]. */
typedef enum {
    PACK_NONE,
    PACK_WHOLE, /* all of it, ahead of everything */
    PACK_PIECE  /* what one piece of the grid needs of a block of the sum, in local memory */
} TilePack;
/* The grid, which is what runs in parallel, has pieces of one vector tile and group[0] x group[1] register
 * tiles along the rows. Rows are cut evenly: into tiles of rows[r] and of one fewer, so that no tile is
 * much smaller than the others. With `block` the sum is cut too: all tiles of the piece add `depth` values
 * of that index (and all of the summed indices inside it) before the next are touched, while the sums wait
 * in local memory; so what a block reads of the vectors' operand stays in the nearest cache. */
typedef struct {
    TileKind kind;
    int vec;           /* the index that lanes run along; -1: none (scalar code) */
    int lanes, cols;   /* lanes of a vector; vectors side by side along vec (DOT: partial sums) */
    int row[2];        /* output indices unrolled in the register tile, or -1 */
    int rows[2];       /* how many of each, at most */
    int64_t group[2];
    bool sweep;        /* the vector tiles follow one another while a group of rows stays in cache, not the
                          groups while a vector tile's panel does */
    TilePack pack[2];
    bool ahead;        /* prefetch what the next panel, or the next block of a piece's, is made of */
    bool claim;        /* prefetch what the epilogue will read and write */
    int block;         /* a summed index, OUTER only, or -1 */
    int64_t depth;
    int split;         /* a summed index cut into `chunks` parts with sums of their own, or -1 */
    int64_t chunks;
    int winograd;      /* m > 0: Winograd's schedule in tiles of m x m results (loop/winograd.h), in */
    int64_t tiles;     /* blocks of so many tiles; only it, parallel and cost count then */
    int64_t slide;     /* steps of the sum written out one after another (loop/tile_slide.c), or 0: a loop; */
    int64_t along;     /* then a piece has one tile of rows, and so many vector tiles */
    bool parallel;
    double cost;       /* estimated cycles: half of one core alone, half of the target's cores together */
} LTile;
/* The cost model's choice. */
LTile loop_contract_pick(const LContract *c);
/* Emits the kernel as t says: one that loop_contract_check accepts. */
void loop_contract_emit(LContract *c, const LTile *t);
/* The schedules worth trying, cheapest by the cost model first: out[0] is the choice of pick. Returns how
 * many were written, at most max (>= 1). For measuring. */
int loop_contract_candidates(const LContract *c, LTile *out, int max);
/* The contraction in one line: target, extents, strides. Equal keys get equal schedules and, but for
 * the epilogue, equal code. */
char *loop_contract_key(const LContract *c, Arena *arena);
/* NULL when loop_contract_emit takes t for c, or why not: for schedules that come from a file. */
const char *loop_contract_check(const LContract *c, const LTile *t);
/* A schedule as one line of text, and back (NULL, or what is wrong with the text). */
char *loop_tile_print(const LTile *t, Arena *arena);
const char *loop_tile_read(const char *text, LTile *out);
/* The same for people: "tile 12 rows x 2x16 lanes, b packed". */
char *loop_tile_words(const LTile *t, Arena *arena);

/* What a tuner knows: measured choices by key, and who wants to hear of every contraction. A choice that
 * loop_contract_check refuses is passed over. */
typedef struct {
    const char *key;
    LTile tile;
} LTileChoice;
typedef struct LTuning {
    const LTileChoice *choice;
    int n_choices;
    void (*seen)(void *user, const LContract *c, const char *key, const LTile *used); /* or NULL */
    void *user;
} LTuning;

/* A memory of the schedules found in one compilation, for LTarget.memo; not for several threads at once. */
typedef struct LTileMemo LTileMemo;
LTileMemo *tile_memo_new(Arena *arena);

/* The same contraction with indices joined that run through memory like one: fewer, longer loops, and
 * tiles that cross what were the borders. `store` and `load` of the result call those of c. */
LContract loop_contract_join(const LContract *c);

/* join, pick (or the tuned choice), then emit. Works for every description (any strides, no reduction, one operand, extents of 1
 * or 0). Scratch for packed panels and partial sums is reserved by lfunc_scratch (read
 * func->scratch_bytes afterwards). The order of every sum is fixed by the description and target:
 * never by the number of threads. */
void loop_contract(LContract *c);

#endif
