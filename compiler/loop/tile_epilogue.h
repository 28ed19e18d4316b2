/* Between the parts of the contract scheduler: what an epilogue reads and writes that lies far away. */
#ifndef NNC_LOOP_TILE_EPILOGUE_H
#define NNC_LOOP_TILE_EPILOGUE_H
#include "loop/tile_micro.h"

/* Finds c->far_reads and c->far_writes. */
void tile_look_at_epilogue(LContract *c);
/* Lines that epilogues move to and from afar, those that are fetched for nothing counted with them. */
double tile_epilogue_lines(const LContract *c, const LTile *t);
#endif
