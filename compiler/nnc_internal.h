/* What the commands may see of a handle beyond the public API: the IR itself. */
#ifndef NNC_INTERNAL_H
#define NNC_INTERNAL_H
#include "graph/graph.h"
#include "loop/loop.h"
#include "nnc.h"

const Module *nnc_module(const nnc *n);   /* after nnc_load; passes change it in place */
const LProgram *nnc_program(const nnc *n); /* after nnc_compile */
Arena *nnc_arena(const nnc *n);
#endif
