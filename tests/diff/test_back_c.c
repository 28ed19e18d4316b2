/* What emitted C promises besides right results: it compiles alone as C and its header as C++, defines
 * nothing but the entry points, asks nothing of its surroundings but memory and math functions, keeps
 * its text from run to run, and in portable form uses no compiler extension. */
#include "diff.h"

static Graph *add_net(Diff *d)
{
    const int64_t image[] = { 8, 40 }, units[] = { 24, 40 };
    Var *w = module_add_var(d->module, "net.fc.weight", VAR_PARAM, type_make(DT_F32, 2, units), (Loc){ 0 });
    Graph *g = diff_graph(d, "net");
    g->path = "net.fc";
    g->loc = (Loc){ "net.nn", 4, 5 };
    static const Contract dense = { 3, 2, 2, { 8, 24, 40 }, { "n", "o", "i" },
                                    { { 2, { { 0, { 1 } }, { 0, { 0, 0, 1 } } } }, { 2, { { 0, { 0, 1 } }, { 0, { 0, 0, 1 } } } } } };
    Node *x = build_input(g, "register", type_make(DT_F32, 2, image)); /* a word C keeps for itself */
    Node *y = build_contract(g, x, build_var(g, w), &dense);
    g->path = "net.act";
    g->loc = (Loc){ "a\"b\\net.nn", 5, 5 };
    y = build_unary(g, &op_tanh, y);
    Node *keep = build_binary(g, &op_lt, build_rand(g, 2, y->type.dim, 99), build_like(g, y, 0.5));
    build_output(g, "int", build_select(g, keep, y, build_like(g, y, 0)));
    diff_finish(d, g, NULL, (DiffRange){ -1, 1, false });
    return g;
}

static LProgram *lower_net(Diff *d, const LTarget *target)
{
    add_net(d);
    return diff_lower(d, &(DiffOptions){ .target = target });
}

typedef struct {
    Diff *d;
    LProgram *program;
    char *dir;
} Emitted;

static Emitted emit(const LTarget *target)
{
    const char *why = NULL;
    Emitted e = { .d = diff_new("my-net") };
    e.program = lower_net(e.d, target);
    e.program->c_name = "my_net";
    e.dir = native_temp_dir(e.d->arena, &why);
    assert_non_null(e.dir);
    CBackOptions o = { 0 };
    diff_write(e.d->arena, e.dir, "my_net.c", back_c_source(e.d->arena, e.program, &o));
    diff_write(e.d->arena, e.dir, "my_net.h", back_c_header(e.d->arena, e.program, &o));
    return e;
}

static void finish(Emitted *e)
{
    native_remove_dir(e->d->arena, e->dir);
    arena_free(e->d->arena);
}

static void run_in(Emitted *e, const char *command)
{
    diff_run(e->d->arena, e->dir, arena_printf(e->d->arena, "cd %s && %s", e->dir, command));
}

static void source_and_header_stand_alone(void **state)
{
    (void)state;
    Emitted e = emit(&LTARGET_X86_V4);
    run_in(&e, "gcc -std=c11 -Wall -Wextra -Wpedantic -Wmissing-prototypes -Werror -O1 -c my_net.c");
    diff_write(e.d->arena, e.dir, "user.cpp", "#include \"my_net.h\"\nint main() { return (int)sizeof(my_net_weights) == 0; }\n");
    if (system("g++ --version >/dev/null 2>&1") == 0)
        run_in(&e, "g++ -std=c++11 -Wall -Wextra -Wpedantic -Werror -c user.cpp");
    finish(&e);
}

static void object_defines_entries_and_needs_no_library(void **state)
{
    (void)state;
    Emitted e = emit(&LTARGET_X86_V4);
    run_in(&e, "gcc -std=c11 -O2 -c my_net.c");
    run_in(&e, "test \"$(nm -g --defined-only my_net.o | sed 's/.* //')\" = my_net_net");
    run_in(&e, "! nm my_net.o | grep -E ' [bBdDC] '");                                        /* no variables */
    run_in(&e, "! nm -u my_net.o | grep -vE ' (mem(cpy|set)|sqrtf|floorf|rintf|fabsf)$'");
    finish(&e);
}

static void portable_form_has_no_extensions(void **state)
{
    (void)state;
    Emitted e = emit(&LTARGET_PORTABLE);
    char *text = back_c_source(e.d->arena, e.program, NULL);
    assert_null(strstr(text, "__attribute__"));
    assert_null(strstr(text, "__builtin"));
    assert_null(strstr(text, "immintrin"));
    run_in(&e, "gcc -std=c11 -pedantic-errors -Wall -Wextra -Werror -c my_net.c");
    finish(&e);
}

/* Layers of one shape are one function, and the comment before it names them. */
static void equal_layers_share_a_function(void **state)
{
    (void)state;
    const int64_t rows[] = { 8, 24 }, square[] = { 24, 24 };
    static const Contract dense = { 3, 2, 2, { 8, 24, 24 }, { "n", "o", "i" },
                                    { { 2, { { 0, { 1 } }, { 0, { 0, 0, 1 } } } }, { 2, { { 0, { 0, 1 } }, { 0, { 0, 0, 1 } } } } } };
    Diff *d = diff_new("twice");
    Var *a = module_add_var(d->module, "net.a.weight", VAR_PARAM, type_make(DT_F32, 2, square), (Loc){ 0 });
    Var *b = module_add_var(d->module, "net.b.weight", VAR_PARAM, type_make(DT_F32, 2, square), (Loc){ 0 });
    Graph *g = diff_graph(d, "net");
    g->path = "net.a";
    Node *x = build_contract(g, build_input(g, "x", type_make(DT_F32, 2, rows)), build_var(g, a), &dense);
    g->path = "net.b";
    build_output(g, "y", build_contract(g, x, build_var(g, b), &dense));
    diff_finish(d, g, NULL, (DiffRange){ -1, 1, false });
    LProgram *p = diff_lower(d, &(DiffOptions){ .target = &LTARGET_X86_V4 });
    assert_int_equal(p->funcs.len, 2);
    const char *text = back_c_source(d->arena, p, NULL), *first = strstr(text, "\nstatic void ");
    assert_non_null(first);
    assert_null(strstr(first + 1, "\nstatic void "));
    assert_non_null(strstr(text, "/* and of net.b */"));
    assert_non_null(strstr(text, "w->net_a_weight"));
    assert_non_null(strstr(text, "w->net_b_weight"));
    arena_free(d->arena);
}

static void text_says_where_it_comes_from(void **state)
{
    (void)state;
    Diff *d = diff_new("my-net");
    LProgram *p = lower_net(d, &LTARGET_X86_V4);
    char *text = back_c_source(d->arena, p, NULL), *header = back_c_header(d->arena, p, NULL);
    assert_non_null(strstr(text, "net.nn:4"));
    assert_non_null(strstr(text, "net.nn:5"));
    assert_non_null(strstr(text, "net.fc"));
    assert_non_null(strstr(header, "net.fc.weight"));
    assert_non_null(strstr(header, "3840 bytes"));
    char *bare = back_c_source(d->arena, p, &(CBackOptions){ .no_comments = true });
    assert_null(strstr(bare, "net.nn:4"));
    assert_null(strstr(text, "NNC_PROBE"));
    arena_free(d->arena);
}

static void same_text_every_time(void **state)
{
    (void)state;
    Diff *a = diff_new("my-net"), *b = diff_new("my-net");
    char *first = back_c_source(a->arena, lower_net(a, &LTARGET_X86_V3), NULL);
    char *second = back_c_source(b->arena, lower_net(b, &LTARGET_X86_V3), NULL);
    assert_string_equal(first, second);
    arena_free(a->arena);
    arena_free(b->arena);
}

/* A build with probes reports every kernel's results in order; without, the text knows nothing of them. */
static void probes_compile_in(void **state)
{
    (void)state;
    Emitted e = emit(&LTARGET_X86_V3);
    CBackOptions o = { .probes = true };
    diff_write(e.d->arena, e.dir, "my_net.c", back_c_source(e.d->arena, e.program, &o));
    diff_write(e.d->arena, e.dir, "probe.c",
               "#include <stdio.h>\n"
               "#define NNC_PROBE(path, file, line, at, count, type) printf(\"%s %s:%d %d %s\\n\", path, file, line, "
               "(int)(count), type), (void)(at)\n"
               "#include \"my_net.c\"\n"
               "static struct my_net_weights w;\nstatic float x[320], y[192];\n"
               "static _Alignas(64) unsigned char arena[MY_NET_NET_ARENA + 64];\n"
               "int main(void)\n{\n    (void)arena;\n    my_net_net(CALL);\n    return 0;\n}\n");
    char *header = back_c_header(e.d->arena, e.program, NULL);
    bool has_arena = strstr(header, "void *arena") != NULL;
    run_in(&e, arena_printf(e.d->arena, "gcc -std=c11 -Wall -Werror '-DCALL=&w, x, y, %s1, 2' -o probe probe.c -lm",
                            has_arena ? "arena, " : ""));
    run_in(&e, "./probe | grep -q '^net.fc net.nn:4 192 f32$'");
    finish(&e);
}

static void program_table_compiles(void **state)
{
    (void)state;
    Emitted e = emit(&LTARGET_X86_V3);
    static const char *const columns[] = { "age", "\"quoted\"" }, *const metrics[] = { "accuracy" }, *const steps[] = { "t" };
    const nnr_data data = { .info = { .name = "x", .dtype = NNR_F32, .rank = 2, .dims = { 8, 40 } },
                            .train = { .reader = NNR_CSV, .file = "a\\b.csv", .columns = columns, .n_columns = 2, .last = 0.8 },
                            .valid = { .reader = NNR_IDX, .file = "v", .last = 1 } };
    const nnr_train train = { .name = "t", .batch = 8, .epochs = 2, .data = &data, .n_data = 1, .has_validation = true,
                              .metrics = metrics, .n_metrics = 1, .steps = steps, .n_steps = 1, .eval = "t.eval" };
    char *text = back_c_program(e.d->arena, e.program, &train, 1);
    assert_non_null(strstr(text, "\\\"quoted\\\""));
    assert_non_null(strstr(text, "a\\\\b.csv"));
    diff_write(e.d->arena, e.dir, "main.c", text);
    char root[4096];
    assert_non_null(getcwd(root, sizeof root));
    run_in(&e, arena_printf(e.d->arena, "gcc -std=c11 -Wall -Wextra -Werror -I%s/runtime -c main.c",
                            root));
    finish(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(source_and_header_stand_alone),
        cmocka_unit_test(object_defines_entries_and_needs_no_library),
        cmocka_unit_test(portable_form_has_no_extensions),
        cmocka_unit_test(equal_layers_share_a_function),
        cmocka_unit_test(text_says_where_it_comes_from),
        cmocka_unit_test(same_text_every_time),
        cmocka_unit_test(probes_compile_in),
        cmocka_unit_test(program_table_compiles),
    };
    return cmocka_run_group_tests_name("C back end", tests, NULL, NULL);
}
