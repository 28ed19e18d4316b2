/* The public API: text of a network in, a program out. Nothing here exits or prints; diagnostics go
 * to a callback. One handle is one compilation and is used by one thread; handles are independent.
 *
 *     nnc_options o = { .diag = show };
 *     nnc *n = nnc_new(&o);
 *     if (nnc_load(n, "mlp.nn") == 0 && nnc_compile(n) == 0)
 *         nnc_emit(n, "c", "out");       // out/mlp.h, out/mlp.c
 *     nnc_free(n);
 */
#ifndef NNC_H
#define NNC_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/nnr.h"

#define NNC_VERSION "0.1.0"

typedef struct nnc nnc;

typedef enum { NNC_ERROR, NNC_WARNING, NNC_NOTE } nnc_level;
/* text is one whole diagnostic ending in a newline. */
typedef void (*nnc_diag_fn)(void *user, nnc_level level, const char *text);
/* after is a pass name; text the IR after it. */
typedef void (*nnc_dump_fn)(void *user, int number, const char *after, const char *text);

typedef struct {
    nnc_diag_fn diag;
    void *user;
    nnc_dump_fn dump; /* called for every pass when set */
    void *dump_user;
    int64_t batch;                /* samples a call; 0: as the file says */
    const int64_t *extra_batches; /* steps and evaluations are built for these sizes too */
    int n_extra_batches;
    const char *const *define_names, *const *define_values; /* -D NAME=VALUE */
    int n_defines;
    const char *target; /* kind of processor, "x86-64-v3"; NULL: what this machine has */
    const char *target_cpu, *target_triple; /* or a processor as LLVM and GCC name it, under a triple */
    const char *backend; /* "llvm", or "c": through the system's C compiler; NULL: llvm where it is built in */
    const char *tune;   /* file of measured schedules; NULL: FILE.tune beside FILE.nn where there is one; "none" */
    bool debug;         /* machine code carries the lines of the .nn file (DWARF; back end llvm) */
    bool no_fuse;       /* every operation a kernel of its own */
    bool no_winograd;   /* 3x3 convolutions as direct sums only: slower, the last bits more exact */
    bool no_chunks;     /* every kernel for the whole batch at once */
    bool no_layout;     /* parameters row major in memory, as they are declared */
    bool no_prepare;    /* what depends on parameters alone is computed anew at every call */
    bool verify;        /* run the IR verifiers after every pass */
    bool split_calls;   /* every kernel call an entry point too, behind the others: to time them one by one */
} nnc_options;

nnc *nnc_new(const nnc_options *options); /* options are copied; the arrays must outlive the handle */
void nnc_free(nnc *n);

/* Every function returns 0, or -1 after diagnostics were reported. */

/* Parses, resolves, shape-checks, and builds the graphs. */
int nnc_load(nnc *n, const char *path);
/* Runs the passes and lowers every entry point to loops. After nnc_load. */
int nnc_compile(nnc *n);
/* Writes DIR/NAME.h and the code beside it, both or neither, each through a temporary file. kind: "c", or by
 * the back end llvm "obj", "asm", "llvm-ir", "bitcode" (NAME.c, .o, .s, .ll, .bc). After nnc_compile. */
int nnc_emit(nnc *n, const char *kind, const char *dir);
/* The variables alone (no entries), for reading a weights file before anything is compiled natively. */
nnr_program nnc_variables(const nnc *n);
/* Writes DIR/NAME_weights.h: the weights block as a C constant, with what is prepared of the parameters, which it
 * computes in the block. After nnc_emit. */
int nnc_emit_weights(nnc *n, const char *dir, void *weights);
/* Makes machine code in this process (back end "llvm"), or through the system's C compiler ($CC or cc)
 * and loads the result; the program lives until nnc_free. probe: every kernel call reports its result to nnc_probe_fn (to find a NaN's origin). */
const nnr_program *nnc_native(nnc *n, bool probe);
typedef void (*nnc_probe_fn)(void *user, const char *layer, const char *file, int line,
                             const void *data, int64_t count,
                             const char *type /* of the elements: "f32" */);
/* Before nnc_native: only entry points of these names need be made (others may be missing from the
 * program). count 0: all. The names must outlive the handle. */
void nnc_choose_entries(nnc *n, const char *const *names, int count);
/* Sets the receiver for a program made with probe. */
int nnc_set_probe(nnc *n, nnc_probe_fn fn, void *user);
/* Writes a native executable with train, eval, predict and bench. Needs libnnr.a and a C compiler, with
 * back end "llvm" for linking only. */
int nnc_build(nnc *n, const char *exe);

/* The IR after a pass ("front", one of the pass table, "lower", "c"), of one entry or of all (NULL).
 * The text lives as long as the handle. NULL after a diagnostic. */
const char *nnc_dump(nnc *n, const char *after, const char *entry);

/* What the driver needs of train blocks before compilation (data sources, batch). After nnc_load. */
const nnr_train *nnc_trains(const nnc *n, int *count);

/* Name of the i-th place at which nnc_dump can look, from "front" to "c", and what it is in one line;
 * NULL behind the last. */
const char *nnc_pass(int i, const char **doc);
/* The back ends of this nnc in words: "c, llvm 19.1.7"; written to text, cut to size. */
void nnc_backends(char *text, size_t size);
/* Seconds and bytes each stage took, for --time-passes. */
typedef struct {
    const char *name;
    double seconds;
    size_t bytes;
} nnc_stage;
const nnc_stage *nnc_stages(const nnc *n, int *count);

#endif
