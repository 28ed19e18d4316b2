/* The IR of every example after every pass: it verifies, and its text reads back to the same text,
 * kernels and memory plan included. */
#include "graph/graph.h"
#include "nnc.h"
#include "passes/passes.h"

#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void show(void *user, nnc_level level, const char *text)
{
    (void)user;
    (void)level;
    fputs(text, stderr);
}

static void show_reading(void *user, DiagLevel level, const char *text)
{
    (void)user;
    (void)level;
    fputs(text, stderr);
}

static void check_text(const char *path, const char *pass, const char *text)
{
    Arena *arena = arena_new();
    Diags diags = { .arena = arena, .fn = show_reading, .max_errors = 3 };
    Module *m = module_read(arena, intern_new(arena), source_new(arena, pass, text, strlen(text)), &diags);
    if (!m)
        fail_msg("%s after %s: does not read", path, pass);
    Text again = { .arena = arena };
    module_print(m, &again);
    if (strcmp(again.data, text) != 0)
        fail_msg("%s after %s: reads back as another text", path, pass);
    for (int i = 0; i < m->graphs.len; i++) {
        const char *fault = graph_verify(m->graphs.data[i], arena);
        if (fault)
            fail_msg("%s after %s: %s", path, pass, fault);
    }
    arena_free(arena);
}

static void check_after(nnc *n, const char *path, const char *pass)
{
    const char *text = nnc_dump(n, pass, NULL);
    assert_non_null(text);
    check_text(path, pass, text);
}

static void check_example(const char *path)
{
    nnc_options options = { .diag = show };
    nnc *n = nnc_new(&options);
    assert_int_equal(nnc_load(n, path), 0);
    check_after(n, path, "front");
    for (const Pass *p = PASSES; p->name; p++)
        check_after(n, path, p->name);
    check_after(n, path, "plan");
    nnc_free(n);
}

static void test_examples(void **state)
{
    (void)state;
    glob_t found;
    assert_int_equal(glob("examples/*.nn", 0, NULL, &found), 0); /* tests run from the project's root */
    for (size_t i = 0; i < found.gl_pathc; i++)
        check_example(found.gl_pathv[i]);
    assert_true(found.gl_pathc >= 5);
    globfree(&found);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_examples) };
    return cmocka_run_group_tests_name("text of the IR", tests, NULL, NULL);
}
