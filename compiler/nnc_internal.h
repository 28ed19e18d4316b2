/* What the commands may see of a handle beyond the public API: the IR itself. */
#ifndef NNC_INTERNAL_H
#define NNC_INTERNAL_H
#include "graph/graph.h"
#include "loop/loop.h"
#include "nnc.h"

const Module *nnc_module(const nnc *n);   /* after nnc_load; passes change it in place */
const LProgram *nnc_program(const nnc *n); /* after nnc_compile */
Arena *nnc_arena(const nnc *n);
const LTarget *nnc_target(const nnc *n); /* after nnc_load or nnc_take */
/* A program of loops made by hand instead of nnc_load and nnc_compile, for nnc_native. Built in the
 * handle's arena. 0, or -1 after diagnostics. */
int nnc_take(nnc *n, LProgram *(*make)(Arena *arena, const LTarget *target, void *user), void *user);
/* Schedules to use instead of a file's; after nnc_load, before nnc_compile. */
void nnc_set_tuning(nnc *n, const struct LTuning *tuning);
#endif
