/* Whole networks: every example and every golden file, every entry point (initialisation, inference,
 * evaluation, the training step with its optimizer), by every back end against the evaluator; and the
 * same bits for 1, 2 and 5 threads. */
#include "diff.h"

#include <dirent.h>

#include "tests/network.h"

/* Bounds relative to a tensor's largest value, at least 1. Outputs: 64 units in the last place of a float
 * of that size. Updated variables: an optimizer that divides by the size of the gradient (Adam) turns
 * what rounding left of a gradient near 0 into a step of the learning rate. */
static const double OUTPUTS = 64 * 0x1p-23, UPDATES = 2e-3;

typedef struct {
    DiffOptions options;
    bool threads; /* the same bits for any number of them too */
} Way;

/* Files of a folder with the suffix, sorted. */
static int list(Arena *arena, const char *folder, const char *suffix, char **paths, int most)
{
    const char *where = arena_printf(arena, "%s/%s", source_root(), folder);
    DIR *dir = opendir(where);
    if (!dir)
        fail_msg("cannot open %s (run from the root of the sources, or set NNC_SRC)", where);
    int n = 0;
    for (struct dirent *e; dir && (e = readdir(dir)) && n < most;) {
        size_t len = strlen(e->d_name), end = strlen(suffix);
        if (len <= end || strcmp(e->d_name + len - end, suffix) != 0)
            continue;
        int at = n++;
        char *path = arena_printf(arena, "%s/%s", where, e->d_name);
        for (; at > 0 && strcmp(paths[at - 1], path) > 0; at--)
            paths[at] = paths[at - 1];
        paths[at] = path;
    }
    if (dir)
        closedir(dir);
    return n;
}

/* NULL: a network that is not compiled yet (scan), or one that must not pass (a golden error). */
static Module *load(Arena *arena, const char *path)
{
    const char *why = NULL;
    Source *source = source_read(arena, path, &why);
    if (!source)
        fail_msg("%s: %s", path, why);
    Diags diags = { .arena = arena, .fn = show_error };
    bool ir = strcmp(path + strlen(path) - 3, ".ir") == 0;
    Module *m = ir ? module_read(arena, intern_new(arena), source, &diags) : load_network(arena, source, 3);
    if (!m)
        fail_msg("%s does not load", path);
    if (ir) { /* pieces of graphs: they stand under a name that C takes */
        m->name = "golden";
        Source *out = source_read(arena, arena_printf(arena, "%.*s.out", (int)strlen(path) - 3, path), &why);
        if (!out || strncmp(out->text, "error:", 6) == 0)
            return NULL;
    }
    for (int i = 0; i < m->graphs.len; i++)
        if (m->graphs.data[i]->kind == GRAPH_BODY)
            return NULL;
    return m;
}

/* One network in one form of loops, by several back ends. */
static int check_network(const char *path, const Way *ways, int n)
{
    Arena *arena = arena_new();
    Module *m = load(arena, path);
    if (!m) {
        arena_free(arena);
        return 0;
    }
    Diff *d = diff_of_module(arena, m);
    d->vars = diff_initial_values(d);
    d->var_tolerance = UPDATES;
    for (int i = 0; i < m->graphs.len; i++)
        diff_finish(d, m->graphs.data[i], path, (DiffRange){ 0, 1, false });
    for (int i = 0; i < n; i++) {
        if (!diff_can(&ways[i].options))
            continue;
        DiffBuild b = diff_build(d, ways[i].options);
        diff_check(d, &b, OUTPUTS);
        if (ways[i].threads)
            diff_check_threads(d, &b);
        diff_unload(arena, &b);
    }
    arena_free(arena);
    return 1;
}

static void check_folder(const char *folder, const char *suffix, int least, const Way *ways, int n)
{
    Arena *arena = arena_new();
    char *paths[256];
    int found = list(arena, folder, suffix, paths, 256), done = 0;
    for (int i = 0; i < found; i++)
        done += check_network(paths[i], ways, n);
    arena_free(arena);
    assert_true(done >= least);
}

#define CHECK(folder, suffix, least, ...)                                                  \
    do {                                                                                   \
        static const Way ways[] = { __VA_ARGS__ };                                         \
        (void)state;                                                                       \
        check_folder(folder, suffix, least, ways, (int)(sizeof ways / sizeof *ways));      \
    } while (0)

#define GCC(...) { .backend = DIFF_GCC, __VA_ARGS__ }
#define CLANG(...) { .backend = DIFF_CLANG, .flags = "-O1 -march=native", __VA_ARGS__ }
#define JIT(...) { .backend = DIFF_LLVM_JIT, __VA_ARGS__ }
#define OBJECT(...) { .backend = DIFF_LLVM_OBJ, __VA_ARGS__ }

static void examples(void **state)
{
    CHECK("examples", ".nn", 6, { GCC(0), true }, { CLANG(0), false }, { JIT(0), true }, { OBJECT(0), false });
}
static void examples_one_op_a_kernel(void **state)
{
    CHECK("examples", ".nn", 6, { GCC(.no_fuse = true, .flags = "-O0 -march=native"), false }, { JIT(.no_fuse = true), true });
}
static void examples_v3(void **state)
{
    CHECK("examples", ".nn", 6, { JIT(.target = &LTARGET_X86_V3), true });
}
static void examples_generic(void **state)
{
    CHECK("examples", ".nn", 6, { JIT(.target = &LTARGET_GENERIC), true });
}
static void examples_armv8(void **state)
{
    CHECK("examples", ".nn", 6, { OBJECT(.target = &LTARGET_ARMV8), false });
}
static void golden_networks(void **state)
{
    CHECK("tests/golden", ".nn", 5, { GCC(0), true }, { CLANG(0), false }, { JIT(0), true }, { OBJECT(0), false });
}
static void golden_graphs(void **state)
{
    CHECK("tests/golden", ".ir", 50, { GCC(.flags = "-O0 -march=native"), false }, { JIT(0), true });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples),
        cmocka_unit_test(examples_one_op_a_kernel),
        cmocka_unit_test(examples_v3),
        cmocka_unit_test(examples_generic),
        cmocka_unit_test(examples_armv8),
        cmocka_unit_test(golden_networks),
        cmocka_unit_test(golden_graphs),
    };
    return cmocka_run_group_tests_name("networks: compiled against evaluated", tests, NULL, NULL);
}
