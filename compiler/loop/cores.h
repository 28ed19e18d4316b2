/* Which parallel loops run on several cores: the one rule for all kernels (loop/cores.c). */
#ifndef NNC_LOOP_CORES_H
#define NNC_LOOP_CORES_H
#include "loop/loop.h"

/* May a loop of so many cycles be worth a fork at all, whatever stands around it? What lowerings ask before
 * they cut their work into pieces. */
static inline bool cores_may_fork(const LTarget *t, double cycles) { return cycles > t->fork_cycles / 4; }

/* Estimated cycles of a function: on one core, and on the target's with each parallel loop dealt out evenly. */
typedef struct {
    double serial, forked;
    bool parallel; /* has parallel loops */
} LCoreTimes;
LCoreTimes cores_times(const LFunc *f, const LTarget *t, Arena *arena);

/* Makes the parallel loops of the calls serial that are done sooner on one core: calls of one entry, in order,
 * over and over. None of their functions may be called from elsewhere yet. */
void cores_choose(const LCall *calls, int n, const LTarget *t, Arena *arena);
#endif
