/* Native code by the LLVM back end, where nnc was built with it; else messages that say so. The only
 * place outside compiler/back/llvm that knows whether it is there. */
#ifndef NNC_NATIVE_LLVM_H
#define NNC_NATIVE_LLVM_H
#include "loop/loop.h"

typedef void (*NativeProbe)(void *user, const char *layer, const char *file, int line, const void *data, int64_t count,
                            const char *type);
typedef struct {
    Arena *arena;
    const LProgram *program;
    const LTarget *target; /* that the program was lowered for; files are for its processor */
    bool debug;            /* DWARF with the lines of the .nn file */
    const nnr_train *trains;
    int n_trains;
    NativeProbe probe; /* NULL: none */
    void *probe_user;
    const char *const *entries; /* what to compile; n_entries 0: all */
    int n_entries;
} NativeLlvm;

typedef struct {
    double lower, optimise, generate; /* seconds */
    size_t code_bytes;
} NativeCost;

bool native_has_llvm(void);
/* "c, llvm 19.1.7", or "c (built without LLVM)" */
const char *native_backends(Arena *arena);

typedef struct NativeJit NativeJit;
/* Compiles into this process. NULL: *why says what failed. */
NativeJit *native_jit(const NativeLlvm *job, NativeCost *cost, const char **why);
const nnr_program *native_jit_program(NativeJit *jit);
void native_jit_free(NativeJit *jit);

/* Writes an object with the program, its table and a main. NULL, or what failed. */
const char *native_object(const NativeLlvm *job, const char *path, NativeCost *cost);
typedef enum { NATIVE_OBJ, NATIVE_ASM, NATIVE_IR, NATIVE_BITCODE } NativeKind;
/* Writes the kernels and entry points alone, for callers that have NAME.h. NULL, or what failed. */
const char *native_emit(const NativeLlvm *job, NativeKind kind, const char *path, NativeCost *cost);
/* "WHAT: this nnc was built without the back end llvm", and what to do. */
const char *native_why_no_llvm(Arena *arena, const char *what);
#endif
