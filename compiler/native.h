/* The system's C compiler, as a tool: turns emitted text into a shared object or an executable, and
 * links objects of ours. */
#ifndef NNC_NATIVE_H
#define NNC_NATIVE_H
#include "base/arena.h"
#include "base/text.h"

typedef struct {
    const char *name, *text; /* file to write into the build folder before compiling */
} NativeFile;

typedef struct {
    const NativeFile *files;
    int n_files;
    const char *const *sources; /* names among files that are handed to the compiler */
    int n_sources;
    const char *const *flags;   /* behind the standard ones */
    int n_flags;
    const char *output;         /* path */
    bool shared;
    const char *march;          /* "-march=..." or NULL: for this machine */
} NativeJob;

/* Runs $CC (or cc) -std=gnu11 -O2 MARCH -ffp-contract=fast -fno-math-errno -fopenmp in a
 * temporary folder that is removed afterwards. The output appears by rename, or not at all. NULL, or
 * a message: what failed and the first lines the compiler printed. */
const char *native_compile(Arena *arena, const NativeJob *job);

/* Links objects, archives and -l options into an executable with $CC (or cc) as the linker's driver, with
 * OpenMP's runtime. The output appears by rename, or not at all. NULL, or a message. */
const char *native_link(Arena *arena, const char *const *inputs, int n, const char *output);

/* A fresh temporary folder (under $TMPDIR or /tmp), and its removal with all files in it (native_temp.c). */
char *native_temp_dir(Arena *arena, const char **why);
void native_remove_dir(Arena *arena, const char *dir);
/* Folder of the running program, without the trailing slash; "." where it cannot be found. */
char *native_own_dir(Arena *arena);
#endif
