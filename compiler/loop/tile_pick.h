/* Between the choice of a schedule and what schedules cost. */
#ifndef NNC_LOOP_TILE_PICK_H
#define NNC_LOOP_TILE_PICK_H
#include "loop/tile_micro.h"

/* LTile.cost. */
double tile_cost(const LContract *c, const LTile *t);
/* Estimated cycles of the arithmetic alone, as if every operand lay where it is wanted. */
double tile_arithmetic(const LContract *c, const LTile *t);
/* Bytes of an operand that are read at all: windows overlap. */
double tile_operand_bytes(const LContract *c, int o);
/* How soon that is done on the target's cores, when it is worth a fork. */
double tile_on_cores(const LContract *c, const LTile *t, double cycles);
#endif
