/* What reports say of kernels' work: operations and bytes of every kind of kernel, where bytes come from,
 * the least time, and programs cut into their calls. */
#include "bench/bench.h"
#include "nnc_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static void show(void *user, nnc_level level, const char *text)
{
    (void)user;
    (void)level;
    print_message("%s", text);
}

/* The compiled program of a network's text. */
static nnc *compile_batch(const char *text, bool split, int64_t batch)
{
    char path[] = "/tmp/nnc_work_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    nnc_options o = { .diag = show, .target = "x86-64-v3", .backend = "c", .verify = true, .split_calls = split,
                      .batch = batch };
    nnc *n = nnc_new(&o);
    assert_int_equal(nnc_load(n, path), 0);
    assert_int_equal(nnc_compile(n), 0);
    unlink(path);
    return n;
}

static nnc *compile(const char *text, bool split) { return compile_batch(text, split, 0); }

static const LEntry *entry(nnc *n, const char *name)
{
    const LProgram *p = nnc_program(n);
    for (int i = 0; i < p->entries.len; i++)
        if (strcmp(p->entries.data[i]->name, name) == 0)
            return p->entries.data[i];
    fail_msg("no entry %s", name);
    return NULL;
}

/* Work of the one kernel that the body `return ...` of a net of x compiles to. */
static void check(const char *type, const char *body, int64_t flops, int64_t bytes)
{
    char text[1024];
    snprintf(text, sizeof text, "net f(%s {\n    %s\n}\n", type, body);
    nnc *n = compile(text, false);
    const LEntry *e = entry(n, "f");
    int64_t sum_flops = 0, sum_bytes = 0;
    for (int k = 0; k < e->calls.len; k++) {
        sum_flops += e->calls.data[k].func->flops;
        sum_bytes += e->calls.data[k].func->bytes;
        assert_non_null(e->calls.data[k].func->schedule);
    }
    if (e->calls.len != 1 || sum_flops != flops || sum_bytes != bytes)
        fail_msg("%s: %d kernels, %lld operations, %lld bytes instead of 1, %lld, %lld", body, e->calls.len,
                 (long long)sum_flops, (long long)sum_bytes, (long long)flops, (long long)bytes);
    nnc_free(n);
}

static void test_kinds(void **state)
{
    (void)state;
    /* map: an operation an element, each operand and the result once */
    check("x: f32[64, 32]) -> f32[64, 32]", "return relu(x)", 64 * 32, 2 * 64 * 32 * 4);
    check("x: f32[64, 32], y: f32[32]) -> f32[64, 32]", "return x * y + 1", 2 * 64 * 32, (2 * 64 * 32 + 32) * 4);
    /* movement: bytes only; a slice counts as the slice */
    check("x: f32[64, 32]) -> f32[32, 64]", "return transpose(x, [1, 0])", 0, 2 * 64 * 32 * 4);
    check("x: f32[64, 32]) -> f32[16, 32]", "return x[0:16] * 2", 16 * 32, 2 * 16 * 32 * 4);
    /* reduce: an addition an element */
    check("x: f32[64, 32]) -> f32[32]", "return sum(x, axis = 0)", 64 * 32, (64 * 32 + 32) * 4);
    /* contract: a multiply-add is two; bias and relu are of the tail */
    check("x: f32[24, 40], w: f32[40, 16]) -> f32[24, 16]", "y[n, m] = sum(k) x[n, k] * w[k, m]\n    return y", 2 * 24 * 40 * 16, (24 * 40 + 40 * 16 + 24 * 16) * 4);
    check("x: f32[24, 40], w: f32[40, 16], b: f32[16]) -> f32[24, 16]", "y[n, m] = sum(k) x[n, k] * w[k, m]\n    return relu(y + b)",
          2 * 24 * 40 * 16 + 2 * 24 * 16, (24 * 40 + 40 * 16 + 16 + 24 * 16) * 4);
    /* opaque: a lookup reads the rows that it looks up, not the table */
    check("x: f32[1000, 8], i: i32[5]) -> f32[5, 8]", "return gather(x, i)", 0, (5 + 2 * 5 * 8) * 4);
}

/* A kernel of every layer of a network is found by its layer and line. */
static void test_names(void **state)
{
    (void)state;
    nnc *n = compile("net f(x: f32[4, 8, 8, 3]) -> f32[4, 10] {\n"
                     "    c = x |> conv2d(16, 3, pad = 1) |> relu\n"
                     "    y = c |> flatten |> dense(10) |> softmax\n"
                     "    return y\n}\n", false);
    const LEntry *e = entry(n, "f");
    int conv = 0, dense = 0;
    for (int k = 0; k < e->calls.len; k++) {
        const LFunc *f = e->calls.data[k].func;
        assert_non_null(f->path);
        bool contract = strstr(f->note, "contract") != NULL;
        conv += contract && strcmp(f->path, "f.c") == 0 && f->loc.line == 2 && f->flops >= 2 * 4 * 8 * 8 * 16 * 27;
        dense += contract && strcmp(f->path, "f.y") == 0 && f->loc.line == 3 && f->flops >= 2 * 4 * 1024 * 10;
    }
    assert_int_equal(conv, 1);
    assert_int_equal(dense, 1);
    nnc_free(n);
}

static LFunc *read_func(Arena *arena, const char *text)
{
    Diags diags = { .arena = arena };
    char *program = arena_printf(arena, "program \"p\" c \"p\" source \"p.nn\" weights 0 slots 0\n\n%s", text);
    LProgram *p = loop_read(arena, intern_new(arena), source_new(arena, "p", program, strlen(program)), &diags);
    assert_non_null(p);
    assert_int_equal(p->funcs.len, 1);
    return p->funcs.data[0];
}

static void test_traffic(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    /* loops that the index does not depend on read the same again; strides skip; a let hides nothing */
    LFunc *f = read_func(arena,
                         "func @f(%x: f32[1000] in, %w: f32[100] in, %i: i32[10] in, %y: f32[400] out) {\n"
                         "  for %a = 0 to 20 {\n"
                         "    for %b = 0 to 10 {\n"
                         "      let %at: i64 = %a * 2 + 1\n"
                         "      let %row: i64 = cast.i64(load %i[%b])\n"
                         "      store %y[%b * 20 + %a], load %x[%at] + load %w[%row]\n"
                         "    }\n  }\n}\n");
    const LTraffic *t = lfunc_traffic(f, arena);
    assert_int_equal(t[0].read, 20 * 4);
    assert_int_equal(t[1].read, 10 * 4);
    assert_int_equal(t[2].read, 10 * 4);
    assert_int_equal(t[3].written, 200 * 4);
    assert_int_equal(t[0].written + t[3].read, 0);
    /* the parts of an unrolled loop add up, and never to more than there is */
    f = read_func(arena, "func @f(%x: f32[64] in, %y: f32[64] out) {\n"
                         "  for %a = 0 to 64 step 16 {\n"
                         "    store %y[%a], load.f32x8 %x[%a]\n"
                         "    store %y[%a + 8], load.f32x8 %x[%a + 8]\n"
                         "    store %y[%a + 8], load.f32x8 %x[%a]\n"
                         "  }\n}\n");
    t = lfunc_traffic(f, arena);
    assert_int_equal(t[0].read, 64 * 4);
    assert_int_equal(t[1].written, 64 * 4);
    arena_free(arena);
}

static void test_limit(void **state)
{
    (void)state;
    Machine m = { .threads = 1, .flops = 100, .read = { 80, 40, 20, 10 }, .triad = 8, .size = { 1000, 10000, 100000, INT64_MAX } };
    bool by_bytes;
    Work w = { .flops = 1000, .level = { 80, 40, 0, 0 } };
    assert_true(work_limit(&w, &m, &by_bytes) == 10 && !by_bytes);
    w.level[LEVEL_MEMORY] = 100;
    assert_true(work_limit(&w, &m, &by_bytes) == 12 && by_bytes);
}

/* Weights that fit a level come from it, what the kernel before wrote from the smallest. */
static void test_levels(void **state)
{
    (void)state;
    nnc *n = compile("net f(x: f32[1, 64]) -> f32[1, 64] {\n"
                     "    a = x |> dense(256)\n"
                     "    b = a |> dense(64)\n"
                     "    return b\n}\n", false);
    const LEntry *e = entry(n, "f");
    assert_int_equal(e->calls.len, 2);
    double weights = 2 * 64 * 256 * 4;
    Arena *arena = arena_new();
    Machine large = { .flops = 1, .read = { 1, 1, 1, 1 }, .size = { 64 << 10, 1 << 20, 1 << 24, INT64_MAX } };
    const Work *w = bench_work(arena, e, &large);
    for (int k = 0; k < 2; k++) {
        double bytes = w[k].read + w[k].written, levels = 0;
        for (int i = 0; i < N_LEVELS; i++)
            levels += w[k].level[i];
        assert_true(levels > bytes * 0.999 && levels < bytes * 1.001);
        assert_true(w[k].level[LEVEL_L1] + w[k].level[LEVEL_L2] > bytes * 0.999); /* all fits L2 */
        assert_true(w[k].level[LEVEL_L2] > weights / 2 * 0.4); /* but not L1: it holds about half */
    }
    Machine small = large;
    small.size[LEVEL_L1] = small.size[LEVEL_L2] = small.size[LEVEL_L3] = 8 << 10;
    w = bench_work(arena, e, &small);
    assert_true(w[0].level[LEVEL_MEMORY] > weights / 2 * 0.8 && w[1].level[LEVEL_MEMORY] > weights / 2 * 0.8);
    arena_free(arena);
    nnc_free(n);
}

/* A run of kernels over large images: its work is that of all chunks, its text reads back, and what a lane keeps
 * comes from near. */
static void test_run(void **state)
{
    (void)state;
    const char *text = "net f(x: f32[N, 56, 56, 64]) -> f32[N, 64] {\n"
                       "    y = x |> depthwise_conv2d(3, pad = 1) |> relu |> conv2d(64, 1) |> relu\n"
                       "    return mean(y, axis = [1, 2])\n}\n";
    nnc *n = compile_batch(text, false, 16), *cut = compile_batch(text, true, 16);
    const LEntry *e = entry(n, "f");
    Arena *arena = arena_new();
    Machine m = { .flops = 1, .read = { 1, 1, 1, 1 }, .size = { 32 << 10, 1 << 20, 8 << 20, INT64_MAX } };
    assert_int_equal(e->runs.len, 1);
    const LRun *run = &e->runs.data[0];
    assert_true(run->count > 1 && run->chunks > 1 && e->arena_bytes == run->lanes * run->lane_bytes);
    assert_null(lentry_verify(e, arena));
    const Work *w = bench_work(arena, e, &m);
    double flops = 0, far = 0;
    for (int k = 0; k < e->calls.len; k++) {
        flops += w[k].flops;
        far += w[k].level[LEVEL_MEMORY];
    }
    double image = 16.0 * 56 * 56 * 64;
    assert_true(flops > image * (2 * 9 + 2 * 64) && flops < image * (2 * 9 + 2 * 64 + 8));
    assert_true(far < 1.5 * image * 4); /* the input, once */
    Text out = { .arena = arena }, again = { .arena = arena };
    loop_print(nnc_program(n), &out);
    Diags diags = { .arena = arena };
    LProgram *p = loop_read(arena, intern_new(arena), source_new(arena, "p", out.data, out.len), &diags);
    assert_non_null(p);
    loop_print(p, &again);
    assert_string_equal(out.data, again.data);
    /* a call by itself is a run of one call */
    const LProgram *parts = nnc_program(cut);
    for (int i = 0; i < parts->entries.len; i++)
        assert_null(lentry_verify(parts->entries.data[i], arena));
    assert_true(entry(cut, arena_printf(arena, "f call %d", run->first))->runs.len == 1);
    /* what the reader refuses */
    char *bad = strstr(out.data, "lanes ");
    memcpy(bad, "lanes 9", 7);
    bad[7] = '9';
    assert_null(loop_read(arena, intern_new(arena), source_new(arena, "p", out.data, out.len), &diags));
    arena_free(arena);
    nnc_free(n);
    nnc_free(cut);
}

static void test_split(void **state)
{
    (void)state;
    const char *text = "net f(x: f32[2, 8]) -> f32[2, 4] {\n    return x |> dense(16) |> relu |> dense(4)\n}\n";
    nnc *whole = compile(text, false), *cut = compile(text, true);
    const LProgram *p = nnc_program(whole), *q = nnc_program(cut);
    int calls = 0;
    for (int i = 0; i < p->entries.len; i++)
        calls += p->entries.data[i]->calls.len;
    assert_int_equal(q->entries.len, p->entries.len + calls);
    assert_int_equal(bench_whole_entries(q, true), p->entries.len);
    assert_int_equal(bench_whole_entries(p, false), p->entries.len);
    const LEntry *f = entry(cut, "f"), *second = entry(cut, "f call 1");
    assert_int_equal(second->calls.len, 1);
    assert_ptr_equal(second->calls.data[0].func, f->calls.data[1].func);
    assert_int_equal(second->arena_bytes, f->arena_bytes);
    assert_int_equal(second->n_in, f->n_in);
    nnc_free(whole);
    nnc_free(cut);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds), cmocka_unit_test(test_names), cmocka_unit_test(test_traffic),
        cmocka_unit_test(test_limit), cmocka_unit_test(test_levels), cmocka_unit_test(test_run),
        cmocka_unit_test(test_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
