#ifndef NNC_BACK_C_WEIGHTS_H
#define NNC_BACK_C_WEIGHTS_H
#include "loop/loop.h"

/* The text of NAME_weights.h. weights: the weights block, laid out as p->globals say. Every variable is
 * a one-dimensional array member, as in the struct that back_c_header declares. */
char *back_c_weights(Arena *arena, const LProgram *p, const void *weights);
#endif
