/* Formatter: the text of small programs in full; and for those, nasty ones, the library and the
 * examples: formatting changes neither tree nor comments, and formatting twice changes nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "dsl/ast.h"
#include <dirent.h>
#include <stdio.h>
#include <string.h>

static void collect(void *user, DiagLevel level, const char *text)
{
    (void)level;
    text_add(user, text);
}

/* The tree, or NULL with the diagnostics in out. */
static File *parse(Arena *arena, const char *name, const char *text, Text *out)
{
    Source *source = source_new(arena, name, text, strlen(text));
    Diags diags = { .arena = arena, .fn = collect, .user = out };
    File *file = dsl_parse(arena, intern_new(arena), source, &diags);
    return diags.n_errors ? NULL : file;
}

static int count(const char *text, char c)
{
    int n = 0;
    for (; *text; text++)
        n += *text == c;
    return n;
}

/* The formatted text, checked against the four promises. */
static char *check(Arena *arena, const char *name, const char *text)
{
    Text errors = { .arena = arena };
    File *file = parse(arena, name, text, &errors);
    if (!file)
        fail_msg("%s does not parse:\n%s", name, errors.data);
    char *once = dsl_format(arena, file);
    File *again = parse(arena, name, once, &errors);
    if (!again)
        fail_msg("%s formatted does not parse:\n%s\n%s", name, errors.data, once);
    if (strcmp(dsl_tree(arena, file), dsl_tree(arena, again)))
        fail_msg("%s: formatting changed the tree:\n%s\n%s\n%s", name, once, dsl_tree(arena, file),
                 dsl_tree(arena, again));
    char *twice = dsl_format(arena, again);
    if (strcmp(once, twice))
        fail_msg("%s: formatting twice gives another text:\n%s\n----\n%s", name, once, twice);
    if (count(text, '#') != count(once, '#'))
        fail_msg("%s: comments were lost:\n%s", name, once);
    for (const char *end = once; (end = strchr(end, '\n')); end++)
        if (end > once && end[-1] == ' ')
            fail_msg("%s: blanks at the end of a line:\n%s", name, once);
    return once;
}

static const struct {
    const char *text, *expect;
} CASES[] = {
    { "", "" },
    { "\n\n# only a comment   \n\n\n# and another", "# only a comment\n\n# and another\n" },
    { "a=1\nb   =   a+2*3 # why\n\n\n\nc=[1,2,\n3]\n", "a = 1\nb = a + 2 * 3  # why\n\nc = [1, 2, 3]\n" },
    { "fn f(x)=x*2\nfn g(x){return f(x)}\nfn h(x){\nreturn x}\n",
      "fn f(x) = x * 2\nfn g(x) { return f(x) }\n\nfn h(x) {\n    return x\n}\n" },
    { "fn f(x){\n# first\n\n# second\n\na=1;b=2 # both\n\n\n# last\n\n}\n",
      "fn f(x) {\n    # first\n\n    # second\n\n    a = 1\n    b = 2  # both\n\n    # last\n}\n" },
    { "fn f( # the function\n  x, # the input\n  # how much\n  y) = x + # plus\n y\n",
      "# plus\nfn f(\n    # the function\n    x,  # the input\n    # how much\n    y\n) = x + y\n" },
    { "fn f(x) {\n  if x { # yes\n    return 1 } else { return 2 } # no\n}\n",
      "fn f(x) {\n    if x {\n        # yes\n        return 1\n    } else { return 2 }  # no\n}\n" },
    { "y = x |> f\n |> g |> h\n", "y = x |> f\n    |> g |> h\n" },
    { "y = f(\n1,2)\nz = g(1,\n2)\n", "y = f(\n    1,\n    2\n)\n\nz = g(1, 2)\n" },
    { "y = aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa * bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb + cccccccccccccccccccccccccccc + "
      "dddddddddddddddddddd\n",
      "y = aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa * bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb +\n"
      "    cccccccccccccccccccccccccccc + dddddddddddddddddddd\n" },
    { "train t { batch 3; minimize x+y over a,b with f(1)|>g }",
      "train t { batch 3; minimize x + y over a, b with f(1) |> g }\n" },
    { "s = \"a\\n\\\"b\\\\\"\n", "s = \"a\\n\\\"b\\\\\"\n" },
};

static void test_texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        Arena *arena = arena_new();
        char *got = check(arena, "case.nn", CASES[i].text);
        if (strcmp(got, CASES[i].expect))
            fail_msg("case %d:\n%s", (int)i, got);
        arena_free(arena);
    }
}

#define LONG "a_rather_long_name_of_something_that_fills_the_line"

static const char *const NASTY[] = {
    "#\n#\n\n#x\na = 1 # t\n# e",
    "\xEF\xBB\xBF# mark\r\na = 1\r\n\r\nb = 2 # \r\n",
    "a = -(-1) - -2 ** -3\nb = !(!c) && !d\n",
    "a = (1, 2)\nb = ((1, 2), [3, (4, 5)])\n",
    "a = x[1:2, :, ..., ::3, -1, f(2):]\n",
    "fn f() { }\nlayer l(){\n\n}\nnet n() {\n# only this\n}\n",
    "fn f(x) { if a { 1 } else if b { 2 } else if c {\n 3 } else { 4 }\n}\n",
    "fn f(x) {\n if a {\n 1\n } # after one\n else # before brace\n {\n 2 # in\n # end\n } # out\n}\n",
    "y = f(1, # one\n # two\n 2, # three\n) # four\n",
    "y = if a { # one\n 1 # two\n # three\n } else { 2 } # four\n",
    "x = a\n # between\n |> b # behind b\n |> c # behind c\n",
    "h = scan x in xs, y in ys along 1 reverse carry a = 1, b = " LONG ", c = " LONG "(1) { yield a, b # c\n }\n",
    "train t {\n minimize " LONG " + " LONG " over " LONG ", " LONG " with " LONG "(1) |> " LONG "(2)\n"
    " validate on " LONG "(" LONG "), " LONG "\n # end\n}\n",
    "fn f(x) {\n y[n, ..., o]: f32[N, " LONG ", O] = 0.5 * sum(i, j) " LONG "[n, i] * " LONG "[i, j] + " LONG "\n}\n",
    "fn " LONG "(" LONG ": f32[N, 3], " LONG " O: int = 3) -> f32[N], i32 = " LONG "(" LONG "(1), x = " LONG ")\n",
    "a = [" LONG ", " LONG ", " LONG "]\nb = [[1, 2], [3, f(4)], " LONG "(" LONG "), " LONG "]\n",
    "a = " LONG "(" LONG "(" LONG "(" LONG "(1), 2), 3), 4)\n",
    "a = (" LONG " |> " LONG "(2) |> " LONG "(3)) + 1\n",
    "fn f(x) {\n assert x == " LONG " && " LONG ", \"" LONG " " LONG "\"\n return x, " LONG ", " LONG ", " LONG "\n}\n",
    "fn f(x) {\n for i in 0 .. " LONG " + " LONG " * " LONG " { a = i }\n}\n",
    "a = b . c . in . fn\nd = net . layer(1)[2] . x\n",
    "import \"a b.nn\" as c # d\nimport \"e.nn\"\n",
    "layer l(x) { param w: f32[3] = zeros(); state s: f32 = 0; s <- s + 1; return w }\n",
    "optimizer o(lr: f32) { slot m = 0; slot v: f32[3] = 1; value <- value - lr * grad }\n",
    "a = 1 .. 2\nb = 1 < 2\nc = f(x, y = 1 .. 3)\n",
    "fn f(x) {\n\n\n a = 1\n\n\n\n # c\n\n\n b = 2\n\n\n}\n\n\n\n",
    "a = 1; b = 2 # c\n; c = 3;;\n",
};

static void test_nasty(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof NASTY / sizeof *NASTY; i++) {
        Arena *arena = arena_new();
        char name[32];
        snprintf(name, sizeof name, "nasty %d", (int)i);
        check(arena, name, NASTY[i]);
        arena_free(arena);
    }
}

/* The library is kept in canonical form. */
static void test_library(void **state)
{
    (void)state;
    assert_true(DSL_STD_COUNT > 5);
    for (int i = 0; i < DSL_STD_COUNT; i++) {
        Arena *arena = arena_new();
        char *got = check(arena, DSL_STD[i].name, DSL_STD[i].text);
        if (strcmp(got, DSL_STD[i].text))
            fail_msg("dsl/std/%s is not formatted:\n%s", DSL_STD[i].name, got);
        arena_free(arena);
    }
}

static void test_examples(void **state)
{
    (void)state;
    DIR *dir = opendir("examples");
    if (!dir)
        skip();
    for (struct dirent *entry; (entry = readdir(dir));) {
        char path[300];
        size_t len = strlen(entry->d_name);
        if (len < 4 || strcmp(entry->d_name + len - 3, ".nn"))
            continue;
        snprintf(path, sizeof path, "examples/%s", entry->d_name);
        Arena *arena = arena_new();
        const char *why;
        Source *source = source_read(arena, path, &why);
        assert_non_null(source);
        char *got = check(arena, path, source->text);
        if (strcmp(got, source->text))
            fail_msg("%s is not formatted:\n%s", path, got);
        arena_free(arena);
    }
    closedir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_nasty),
        cmocka_unit_test(test_library),
        cmocka_unit_test(test_examples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
