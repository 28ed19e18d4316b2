/* The file of a tuner: measured schedules, for one kind of machine.
 *
 *     nnc tune 1
 *     machine x86-64-v4, 64-byte vectors, L1 49152, L2 2097152, Intel(R) Xeon(R) Processor
 *     contract x86-64-v4/64 out 32,128 sum 784 y 128,1 a 784,0,1 b 0,1,128
 *     schedule outer vec 1 lanes 16 cols 2 rows 0:12 -1:1 pack 01 split -1:0 parallel
 *     seconds 2.71e-05 3.4e-05
 *
 * seconds: of the schedule and of the cost model's choice. `schedule -`: none was better than that. */
#ifndef NNC_LOOP_TUNING_H
#define NNC_LOOP_TUNING_H
#include "loop/tile.h"

typedef struct {
    const char *key;
    bool chosen; /* tile is better than the cost model's choice */
    LTile tile;
    double seconds, before;
} TunedContract;

typedef struct {
    const char *machine;
    Vec(TunedContract) contracts;
} TuningFile;

/* Target and processor in a line: schedules hold for equal machines. */
const char *tuning_machine(Arena *arena, const LTarget *target);
/* Reads a file; false after an error with its place. */
bool tuning_read(Arena *arena, const Source *source, TuningFile *out, Diags *diags);
char *tuning_print(Arena *arena, const TuningFile *file);
/* The entry of a contraction, or NULL. */
TunedContract *tuning_find(const TuningFile *file, const char *key);
/* What LTarget.tuning takes: the schedules that were better. */
LTuning *tuning_choices(Arena *arena, const TuningFile *file);
#endif
