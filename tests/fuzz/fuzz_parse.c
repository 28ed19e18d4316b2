/* Any bytes: the parser never crashes; what parses without errors survives formatting: the result
 * parses, to the same tree, and formats to itself. */
#include "dsl/ast.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static File *parse(Arena *arena, const char *text, size_t len, Diags *diags)
{
    *diags = (Diags){ .arena = arena };
    return dsl_parse(arena, intern_new(arena), source_new(arena, "fuzz.nn", text, len), diags);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Arena *arena = arena_new();
    Diags diags;
    File *file = parse(arena, arena_copy_text(arena, (const char *)data, size), size, &diags);
    char *tree = dsl_tree(arena, file);
    if (!diags.n_errors) {
        char *once = dsl_format(arena, file);
        file = parse(arena, once, strlen(once), &diags);
        if (diags.n_errors || strcmp(tree, dsl_tree(arena, file)) || strcmp(once, dsl_format(arena, file)))
            abort();
    }
    arena_free(arena);
    return 0;
}
