/* Internal to the memory plan: blocks with lifetimes, and placing them (plan_pack.c). */
#ifndef NNC_PASSES_PLAN_H
#define NNC_PASSES_PLAN_H
#include "base/arena.h"
#include <stdint.h>

/* Bytes that have to be kept from kernel `first` to kernel `last`, both included. */
typedef struct {
    int64_t bytes; /* a multiple of the alignment */
    int first, last;
    int64_t offset; /* out */
} PlanBlock;

/* The largest sum of bytes alive at one time: no plan can be smaller. */
int64_t plan_bound(Arena *arena, const PlanBlock *blocks, int n);
/* Sets offsets such that blocks alive at the same time do not overlap; returns the bytes needed. Tries
 * several orders (by size, lifetime, area, position, breadth; Pisarchyk and Lee 2020), moves what sticks
 * out at the top to the front for a few rounds, and stops when the bound is reached. */
int64_t plan_pack(Arena *arena, PlanBlock *blocks, int n);
#endif
