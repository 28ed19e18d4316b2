/* For the parser's tests: a program, and its tree or its diagnostics. */
#ifndef TESTS_UNIT_PARSE_CASE_H
#define TESTS_UNIT_PARSE_CASE_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "dsl/ast.h"
#include <string.h>

typedef struct {
    const char *name, *text;
    size_t len;
    const char *expect;
} Case;
#define CASE(name, text, expect) { name, text, sizeof(text) - 1, expect }

static inline void collect(void *user, DiagLevel level, const char *text)
{
    (void)level;
    text_add(user, text);
}

/* Diagnostics go to out; returns the tree. */
static inline char *parse(Arena *arena, const Case *c, Text *out, int *n_errors)
{
    Source *source = source_new(arena, "case.nn", arena_copy_text(arena, c->text, c->len), c->len);
    Diags diags = { .arena = arena, .fn = collect, .user = out };
    File *file = dsl_parse(arena, intern_new(arena), source, &diags);
    *n_errors = diags.n_errors;
    return dsl_tree(arena, file);
}

#endif
