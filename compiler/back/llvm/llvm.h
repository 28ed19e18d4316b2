/* The LLVM back end: the walk of back/c over the same loop IR, into LLVM 19's IR through its C API, and
 * from there to machine code in this process (LlvmJit) or to files (LlvmModule).
 *
 * It decides nothing: loops, tiles and vectors are in the loop IR. A vector of the IR is an LLVM vector;
 * LK_BOOL is i1 in registers and i8 in memory; a parallel loop's body is a function of its own, run
 * through the runtime's nnr_parallel_for. Symbols and C signatures are those of the C back end.
 *
 * Floating point: `contract` on add, subtract and multiply and nothing else, so that a*b + c may round
 * once where the target fuses it, as the C back end's -ffp-contract=fast. Never reassoc, nnan, ninf, nsz
 * or arcp: NaNs, signed zeros and the trees of horizontal sums stay what the loop IR says.
 *
 * Nothing here prints or exits: a failure is NULL (or -1) and a text in *why. */
#ifndef NNC_BACK_LLVM_LLVM_H
#define NNC_BACK_LLVM_LLVM_H
#include "back/common/common.h"

/* Called behind every kernel for each f32 buffer that it wrote, in code made with a probe. */
typedef void (*LlvmProbe)(void *user, const char *layer, const char *file, int line, const void *data,
                          int64_t count, const char *type);

/* Calls task(captures, i) for i in [0, n): the runtime's nnr_parallel_for. */
typedef void (*LlvmParallelFor)(void (*task)(void *captures, int64_t i), void *captures, int64_t n);

typedef struct {
    const char *triple, *cpu, *features; /* NULL: this machine's; features as "+fma,-avx512f" */
    int opt;            /* 0 to 3; 2 is what nnc uses */
    bool debug;         /* DWARF: functions and their .nn lines */
    bool names;         /* keep the values' names, for reading the IR */
    bool wrappers;      /* also NAME_run_ENTRY functions of the signature nnr_entry_fn; the JIT has them */
    bool program_table; /* also the constant NAME_program, and a main that calls nnr_main */
    const nnr_train *trains; /* for program_table */
    int n_trains;
    LlvmParallelFor parallel_for; /* JIT: what runs parallel loops; NULL: they run on the caller's thread */
    LlvmProbe probe;    /* JIT only; NULL: none */
    void *probe_user;
    const char *const *entries; /* JIT: only entries of these names are compiled and in the table */
    int n_entries;              /* 0: all */
    int jobs;                   /* JIT: threads that compile; 0: as many as there are cores */
} LlvmOptions;

/* Seconds and memory of what was done, for --time-passes. */
typedef struct {
    double lower, optimise, generate; /* seconds of processor time, all threads together */
    double wall;                      /* seconds that went by */
    int modules;
    size_t code_bytes;
} LlvmCost;

/* ---- files ---- */

typedef enum { LLVM_OBJ, LLVM_ASM, LLVM_IR, LLVM_BITCODE } LlvmKind;
typedef struct LlvmModule LlvmModule;
/* Lowers the program, verifies what came out, and runs the pipeline. */
LlvmModule *back_llvm_build(Arena *arena, const LProgram *program, const LlvmOptions *options, const char **why);
/* Writes through a temporary file and rename. 0, or -1 and *why (without the path). */
int back_llvm_emit(LlvmModule *module, LlvmKind kind, const char *path, const char **why);
LlvmCost back_llvm_cost(const LlvmModule *module);
void back_llvm_dispose(LlvmModule *module);

/* ---- in this process ---- */

typedef struct LlvmJit LlvmJit;
LlvmJit *back_llvm_jit(Arena *arena, const LProgram *program, const LlvmOptions *options, const char **why);
/* The table with the compiled entries' functions. */
const nnr_program *back_llvm_program(LlvmJit *jit);
/* Address of an entry point or wrapper by its symbol; NULL: none of that name. */
void *back_llvm_symbol(LlvmJit *jit, const char *name);
LlvmCost back_llvm_jit_cost(const LlvmJit *jit);
void back_llvm_free(LlvmJit *jit);

/* ---- what can be asked for ---- */

/* NULL stands for this machine. False: *why names what is not known and what is, over one or two lines
 * ("unknown CPU ...\nnote: ..."). */
bool back_llvm_target_check(Arena *arena, const char *triple, const char *cpu, const char *features, const char **why);
/* "19.1.7" */
const char *back_llvm_version(Arena *arena);

#endif
