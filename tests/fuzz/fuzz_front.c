/* Any text as a program: diagnostics or a module, never a crash, and every graph of the module verifies
 * (front_build says so by itself). Builds an extra batch size too. */
#include "front/front.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static Source *no_import(void *user, const char *path, const Source *from, const char **why)
{
    (void)user;
    (void)path;
    (void)from;
    *why = "no files here";
    return NULL;
}

/* Only a fault of the compiler is said of a graph without a place in the text. */
static void expect_no_fault(void *user, DiagLevel level, const char *text)
{
    (void)user;
    (void)level;
    if (strncmp(text, "error: the graph ", 17) == 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    Arena *arena = arena_new();
    int64_t extra[] = { 3 };
    FrontDefine defines[] = { { "T", "5" } };
    FrontOptions options = { .extra_batches = extra, .n_extra = 1, .import = no_import, .defines = defines,
                             .n_defines = 1 };
    Diags d = { .arena = arena, .fn = expect_no_fault };
    char *text = arena_copy_text(arena, (const char *)bytes, n);
    front_build(arena, intern_new(arena), source_new(arena, "fuzz.nn", text, n), &options, &d);
    arena_free(arena);
    return 0;
}
