/* Layouts of variables: conversion between memory and files (runtime/layout.h), what is a layout at all,
 * and weights files and checkpoints that do not depend on it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "graph/layout.h"
#include "runtime/layout.h"
#include "runtime/model.h"

/* ---- conversion ---- */

static nnr_var var_of(nnr_dtype dtype, nnr_layout l)
{
    nnr_var v = { .info = { "w", dtype, 0, { 0 } }, .layout = l };
    Type rows = layout_rows(&l, DT_F32);
    v.info.rank = rows.rank;
    memcpy(v.info.dims, rows.dim, sizeof v.info.dims);
    return v;
}

static void test_transposed(void **state)
{
    (void)state;
    nnr_var v = var_of(NNR_F32, (nnr_layout){ 2, { 1, 0 }, { 3, 2 }, { 1, 1 } });
    const float rows[] = { 0, 1, 2, 10, 11, 12 }, want[] = { 0, 10, 1, 11, 2, 12 };
    float stored[6], back[6];
    nnr_layout_store(&v, rows, stored);
    assert_memory_equal(stored, want, sizeof want);
    nnr_layout_load(&v, stored, back);
    assert_memory_equal(back, rows, sizeof rows);
}

static void test_panels(void **state)
{
    (void)state;
    /* f32[4,3] as [2][3][2]: element (i,j) is [i/2][j][i%2] */
    nnr_var v = var_of(NNR_I32, (nnr_layout){ 3, { 0, 1, 0 }, { 2, 3, 2 }, { 2, 1, 1 } });
    int32_t rows[12], stored[12];
    assert_int_equal(v.info.rank, 2);
    assert_int_equal(v.info.dims[0], 4);
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 3; j++)
            rows[i * 3 + j] = i * 10 + j;
    nnr_layout_store(&v, rows, stored);
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 3; j++)
            assert_int_equal(stored[(i / 2 * 3 + j) * 2 + i % 2], i * 10 + j);
}

/* Every layout the pass may choose, for elements of every size, there and back. */
static void test_there_and_back(void **state)
{
    (void)state;
    const Type t = type_make(DT_F32, 4, (int64_t[]){ 3, 1, 6, 4 });
    static const nnr_dtype DTYPES[] = { NNR_F32, NNR_BOOL, NNR_F64 };
    uint8_t rows[72 * 8], stored[72 * 8], back[72 * 8];
    for (size_t i = 0; i < sizeof rows; i++)
        rows[i] = (uint8_t)(i * 7 + i / 256);
    for (int axis = 0; axis < 4; axis++)
        for (int64_t block = 1; block <= t.dim[axis]; block++)
            for (int d = 0; d < 3 && t.dim[axis] % block == 0; d++) {
                nnr_layout l = layout_blocked(&t, axis, block);
                assert_true(layout_valid(&l));
                nnr_var v = var_of(DTYPES[d], l);
                size_t bytes = 72 * (size_t)(d == 0 ? 4 : d == 1 ? 1 : 8);
                memset(back, 0, sizeof back);
                nnr_layout_store(&v, rows, stored);
                nnr_layout_load(&v, stored, back);
                assert_memory_equal(back, rows, bytes);
            }
}

static void test_valid(void **state)
{
    (void)state;
    static const nnr_layout WRONG[] = {
        { 0 },
        { 2, { 0, 2 }, { 4, 4 }, { 1, 1 } },          /* no dimension 1 */
        { 2, { 0, 0 }, { 4, 4 }, { 1, 1 } },          /* elements that have one place */
        { 2, { 0, 0 }, { 4, 4 }, { 5, 1 } },          /* elements that have none */
        { 3, { 0, 1, 0 }, { 2, 3, 2 }, { 2, 1, 0 } }, /* a step of 0 */
        { 2, { -1, 0 }, { 2, 2 }, { 1, 1 } },
        { 2, { 0, 1 }, { 2, 0 }, { 1, 1 } },
    };
    for (size_t i = 0; i < sizeof WRONG / sizeof *WRONG; i++)
        assert_false(layout_valid(&WRONG[i]));
}

/* ---- text ---- */

static void ignore(void *user, DiagLevel level, const char *text)
{
    (void)level;
    text_add(user, text);
}

static const char *read_errors(Arena *arena, const char *text)
{
    Text errors = { .arena = arena };
    text_add(&errors, "");
    Diags diags = { .arena = arena, .fn = ignore, .user = &errors };
    Source *source = source_new(arena, "m.ir", text, strlen(text));
    Module *m = module_read(arena, intern_new(arena), source, &diags);
    if (m) {
        Text out = { .arena = arena };
        module_print(m, &out);
        assert_string_equal(out.data, text);
    }
    return errors.data;
}

static void test_text(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    assert_string_equal(read_errors(arena, "module @m\nparam @w : f32[2,3,4] layout [1*4,0,1]\n"), "");
    static const char *const WRONG[] = { "[0,1]", "[0,1,2,3]", "[0,1,3]", "[0*2,1,0]", "[0,0,1]" };
    for (size_t i = 0; i < sizeof WRONG / sizeof *WRONG; i++) {
        const char *text = arena_printf(arena, "module @m\nparam @w : f32[2,3,4] layout %s\n", WRONG[i]);
        assert_non_null(strstr(read_errors(arena, text), "this is no layout of f32[2,3,4]"));
    }
    arena_free(arena);
}

/* ---- files ---- */

static const nnr_layout PANELS = { 3, { 0, 1, 0 }, { 2, 3, 2 }, { 2, 1, 1 } }, TURNED = { 2, { 1, 0 }, { 3, 4 }, { 1, 1 } };

static nnr_program program_of(nnr_var vars[2], nnr_layout l)
{
    vars[0] = (nnr_var){ { "w", NNR_F32, 2, { 4, 3 } }, NNR_PARAM, 0, l };
    vars[1] = (nnr_var){ { "b", NNR_F32, 1, { 5 } }, NNR_PARAM, 64, { 0 } };
    return (nnr_program){ .name = "p", .vars = vars, .n_vars = 2, .weights_bytes = 128 };
}

static char *bytes_of(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    char *bytes = malloc(4096);
    *size = fread(bytes, 1, 4096, f);
    fclose(f);
    return bytes;
}

/* The same values in memory laid out three ways give one file, which reads back into each. */
static void test_weights_files(void **state)
{
    (void)state;
    const nnr_layout layouts[] = { { 0 }, PANELS, TURNED };
    float rows[12], got[12];
    char *first = NULL, path[64];
    size_t first_size = 0;
    nnr_error err;
    snprintf(path, sizeof path, "/tmp/nnc-layout-%ld.safetensors", (long)getpid());
    for (int i = 0; i < 12; i++)
        rows[i] = (float)i;
    for (int k = 0; k < 3; k++) {
        nnr_var vars[2];
        nnr_program p = program_of(vars, layouts[k]);
        nnr_model m, back;
        assert_int_equal(nnr_model_create(&p, &m, &err), NNR_OK);
        assert_int_equal(nnr_model_create(&p, &back, &err), NNR_OK);
        nnr_layout_store(&vars[0], rows, m.weights);
        assert_int_equal(nnr_weights_save(&m, path, &err), NNR_OK);
        size_t size;
        char *bytes = bytes_of(path, &size);
        if (k == 0) {
            first = bytes;
            first_size = size;
        } else {
            assert_int_equal(size, first_size);
            assert_memory_equal(bytes, first, size);
            free(bytes);
        }
        assert_int_equal(nnr_weights_load(&back, path, true, NULL, NULL, &err), NNR_OK);
        assert_memory_equal(back.weights, m.weights, p.weights_bytes);
        nnr_layout_load(&vars[0], back.weights, got);
        assert_memory_equal(got, rows, sizeof rows);
        nnr_model_destroy(&m);
        nnr_model_destroy(&back);
    }
    free(first);
    remove(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_transposed), cmocka_unit_test(test_panels), cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_valid),      cmocka_unit_test(test_text),   cmocka_unit_test(test_weights_files),
    };
    return cmocka_run_group_tests_name("layouts", tests, NULL, NULL);
}
