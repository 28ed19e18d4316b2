/* loop_read on any text (libFuzzer): no crash; what was read prints to a text that reads back to itself;
 * hoisting, vectorising and the expansion of math leave functions that the verifier accepts. */
#include "loop/loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void ignore(void *user, DiagLevel level, const char *text)
{
    (void)user;
    (void)level;
    if (strlen(text) == 0)
        abort();
}

static void fail(const char *what, const char *text)
{
    fprintf(stderr, "fuzz_loop: %s; the text:\n%s\n", what, text);
    abort();
}

static LProgram *read_program(Arena *arena, const char *text, size_t len)
{
    Diags diags = { .arena = arena, .fn = ignore };
    LProgram *p = loop_read(arena, intern_new(arena), source_new(arena, "fuzz.lir", text, len), &diags);
    if (!p && diags.n_errors == 0)
        fail("no program and no error", text);
    return p;
}

static char *print(Arena *arena, const LProgram *p)
{
    Text t = { .arena = arena };
    loop_print(p, &t);
    return t.data;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    Arena *arena = arena_new();
    char *text = arena_copy_text(arena, (const char *)data, len);
    LProgram *p = read_program(arena, text, len);
    if (p) {
        char *first = print(arena, p);
        LProgram *again = read_program(arena, first, strlen(first));
        if (!again || strcmp(print(arena, again), first) != 0)
            fail("does not read back to the same text", text);
        for (int i = 0; i < p->funcs.len; i++) {
            LFunc *f = p->funcs.data[i];
            loop_hoist(f);
            loop_vectorize(f, &LTARGET_X86_V4);
            loop_expand_math(f);
            const char *why = loop_verify(f, arena);
            /* An index out of bounds may become a constant, and so visible, only by splitting loops. */
            if (why && !strstr(why, "is outside its"))
                fail(why, text);
        }
    }
    arena_free(arena);
    return 0;
}
