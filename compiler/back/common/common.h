/* What every back end needs: which values are read, the names and parameters of entry points, and the
 * program table. A back end decides nothing here that another might decide differently: objects and C
 * files of one program have the same symbols with the same signatures. */
#ifndef NNC_BACK_COMMON_COMMON_H
#define NNC_BACK_COMMON_COMMON_H
#include "loop/loop.h"

/* Reads of every variable, and reads and writes of every buffer, of a function, by id. A let is
 * counted only when something behind it reads it; what counts 0 need not be emitted. */
typedef struct {
    int *var, *buf;
} BackUses;
BackUses back_count_uses(Arena *arena, const LFunc *f);

/* Which parameters an entry point has besides its inputs and outputs, in this order: weights, slots,
 * then (behind inputs and outputs) arena, seed, step, epoch. NNR_PREPARE takes an arena always. */
typedef struct {
    bool weights, slots, arena, seed, step, epoch;
} BackEntryUse;
BackEntryUse back_entry_use(const LProgram *program, const LEntry *e);
/* The variable that says whether what the entry reads is prepared (NNR_PREPARED, of type i32), which it looks at
 * before anything else and ends the program where it is 0; -1: the entry reads nothing of the kind. */
int back_entry_flag(const LProgram *program, const LEntry *e);
/* The program's entry of kind NNR_PREPARE, or NULL. */
const LEntry *back_prepare_entry(const LProgram *program);
/* True when a call of the entry writes a parameter or state (slots: an optimizer's slot). */
bool back_entry_writes(const LProgram *program, const LEntry *e, bool slots);

/* By function: the first one with the same parameters and the same code, up to names, which may stand for it.
 * needed: NULL, or which functions count; the others stand for themselves alone. */
int *back_stand_ins(Arena *arena, const LProgram *program, const bool *needed);

const char *back_identifier(Arena *arena, const char *name); /* fit for C, not yet unique */
const char *back_kernel_name(Arena *arena, const LFunc *f);
const char *back_entry_name(Arena *arena, const LProgram *program, const LEntry *e); /* NAME_entry */
/* NAME_run_ENTRY: the entry with the uniform signature nnr_entry_fn. */
char *back_wrapper_name(Arena *arena, const LProgram *program, const LEntry *e);

/* What stands in a probe for the kernel's place: layer path, file, line. */
typedef struct {
    const char *layer, *file;
    int line;
} BackPlace;
BackPlace back_place(const LFunc *f);
/* The results of a call that probes look at: f32 buffers it writes, its scratch left out. */
bool back_is_result(const LFunc *f, int param);

int64_t back_info_count(const nnr_info *info);
/* The program table in memory; the entries' functions are still NULL. */
nnr_program *back_program_table(Arena *arena, const LProgram *program, const nnr_train *trains, int n_trains);

#endif
