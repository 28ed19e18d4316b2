/* Networks that tests read from the sources' own files, or from text. */
#ifndef NNC_TESTS_NETWORK_H
#define NNC_TESTS_NETWORK_H
#include <stdio.h>
#include <stdlib.h>

#include "front/front.h"

/* The root of the sources: NNC_SRC, or where the test runs. */
static inline const char *source_root(void)
{
    const char *src = getenv("NNC_SRC");
    return src ? src : ".";
}

static inline void show_error(void *user, DiagLevel level, const char *text)
{
    (void)user;
    if (level == DIAG_ERROR)
        fputs(text, stderr);
}

/* NULL: it does not load; its errors are on stderr. */
static inline Module *load_network(Arena *arena, Source *source, int64_t batch)
{
    Diags diags = { .arena = arena, .fn = show_error };
    FrontOptions options = { .batch = batch };
    return front_build(arena, intern_new(arena), source, &options, &diags);
}
#endif
