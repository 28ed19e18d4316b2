/* Between the choice of a schedule and what schedules cost. */
#ifndef NNC_LOOP_TILE_PICK_H
#define NNC_LOOP_TILE_PICK_H
#include "loop/tile_micro.h"

/* Work below this is not worth a fork and a join. */
enum { TILE_FORK_CYCLES = 16000 };

/* Estimated cycles of one core, with a surcharge where cores would have to wait for one another. */
double tile_cost(const LContract *c, const LTile *t);
/* Estimated cycles of the arithmetic alone, as if every operand lay where it is wanted. */
double tile_arithmetic(const LContract *c, const LTile *t);
#endif
