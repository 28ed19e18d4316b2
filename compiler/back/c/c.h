/* The C back end: a straight printer from the loop IR to C11. It decides nothing: loops, tiles and
 * vectors are in the IR already; a vector of the IR becomes a compiler vector type, whose operations
 * are written as plain operators or small static inline functions, emitted only when used.
 *
 * The text depends on the program alone (same program, same bytes). It is warning-free under
 * -Wall -Wextra -Wpedantic with gcc >= 12 and clang >= 14, allocates nothing, has no global state
 * and needs only the C library's headers (and -lm). Programs lowered for a target of one lane
 * (LTARGET_PORTABLE) use no vector type: any C11 compiler takes them.
 *
 * fma prints as a * b + c: compile with -ffp-contract=fast for one rounding. */
#ifndef NNC_BACK_C_C_H
#define NNC_BACK_C_C_H
#include "back/common/common.h"

typedef struct {
    bool no_comments;   /* leave out the kernels' notes */
    bool inline_header; /* the header's declarations in the source instead of #include "NAME.h" */
    bool probes;        /* after each call NNC_PROBE(layer, file, line, data, count, type) for its results */
    bool wrappers;      /* add NAME_run_ENTRY functions of the uniform signature nnr_entry_fn */
    const char *object;     /* of a header: the code beside it is NAME.<this>, for */
    const char *object_cpu; /* this processor */
} CBackOptions;

/* NAME.c: kernels, then entry points. */
char *back_c_source(Arena *arena, const LProgram *program, const CBackOptions *options);
/* NAME.h: structs of weights and slots, arena sizes, entry points, usage; C++-safe. */
char *back_c_header(Arena *arena, const LProgram *program, const CBackOptions *options);
/* NAME_program.c: the table `const nnr_program NAME_program` over NAME.c, with wrappers of its own, and
 * unless NNC_NO_MAIN is defined a main that calls nnr_main. It includes "NAME.h" and "nnr.h". */
char *back_c_program(Arena *arena, const LProgram *program, const nnr_train *trains, int n_trains);

#endif
