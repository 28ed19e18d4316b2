/* Schedules found earlier in the same compilation (LTarget.memo). */
#ifndef NNC_LOOP_TILE_MEMO_H
#define NNC_LOOP_TILE_MEMO_H
#include "loop/tile.h"

enum { MEMO_TILES = 24 }; /* of a contraction */

/* Everything that a choice depends on, of one target. */
const char *tile_memo_key(const LTileMemo *m, const LContract *c);
/* How many are known, at most max, cheapest first; 0: it has not been asked for. */
int tile_memo_get(const LTileMemo *m, const char *key, LTile *out, int max);
void tile_memo_put(LTileMemo *m, const char *key, const LTile *tiles, int n);
#endif
