/* Named targets, this machine, and processors by their own names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "loop/loop.h"

static void names(void **state)
{
    (void)state;
    assert_ptr_equal(ltarget_find("x86-64-v4"), &LTARGET_X86_V4);
    assert_ptr_equal(ltarget_find("portable"), &LTARGET_PORTABLE);
    assert_ptr_equal(ltarget_find("riscv64"), &LTARGET_RISCV64);
    assert_ptr_equal(ltarget_find("native"), ltarget_host());
    assert_null(ltarget_find("pdp11"));
    /* the list that messages show is the list that is found */
    char list[] = LTARGET_NAMES, *save = NULL;
    int n = 0;
    for (char *w = strtok_r(list, ", ", &save); w; w = strtok_r(NULL, ", ", &save), n++)
        assert_non_null(ltarget_find(w));
    assert_int_equal(n, 7);
}

static void this_machine(void **state)
{
    (void)state;
    assert_true(ltarget_host()->l1 >= 1024 && ltarget_host()->vector_bytes >= 4);
    assert_true(ltarget_is_native(ltarget_host()) && ltarget_is_native(&LTARGET_PORTABLE));
    assert_null(ltarget_host()->triple);
    assert_null(ltarget_host()->cpu);
    Arena *arena = arena_new();
    const char *why = NULL;
    assert_ptr_equal(ltarget_of_cpu(arena, NULL, "native", &why), ltarget_host());
    arena_free(arena);
}

static void processors(void **state)
{
    (void)state;
    static const struct {
        const char *triple, *cpu;
        int vector_bytes, registers;
        bool fma;
        int l1, l2; /* KiB */
    } CASES[] = {
        { "x86_64-linux-gnu", NULL, 16, 16, false, 32, 256 },
        { "x86_64-linux-gnu", "nehalem", 16, 16, false, 32, 256 },
        { "x86_64-linux-gnu", "sandybridge", 16, 16, false, 32, 256 },
        { "x86_64-linux-gnu", "haswell", 32, 16, true, 32, 256 },
        { "x86_64-linux-gnu", "skylake", 32, 16, true, 32, 256 },
        { "x86_64-linux-gnu", "znver3", 32, 16, true, 32, 512 },
        { "x86_64-linux-gnu", "skylake-avx512", 64, 32, true, 32, 1024 },
        { "x86_64-linux-gnu", "znver4", 64, 32, true, 32, 1024 },
        { "x86_64-linux-gnu", "sapphirerapids", 64, 32, true, 48, 2048 },
        { "aarch64-linux-gnu", NULL, 16, 32, true, 32, 256 },
        { "aarch64-linux-gnu", "cortex-a72", 16, 32, true, 32, 1024 },
        { "arm64-apple-macosx14", "apple-m1", 16, 32, true, 128, 4096 },
        { "riscv64-linux-gnu", NULL, 4, 32, true, 32, 256 },
        { "riscv64-linux-gnu", "sifive-u74", 4, 32, true, 32, 256 },
        { "riscv64-linux-gnu", "sifive-p670", 16, 32, true, 64, 512 },
        { "riscv64-linux-gnu", "sifive-x280", 64, 32, true, 32, 256 },
    };
    Arena *arena = arena_new();
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        const char *why = NULL;
        const LTarget *t = ltarget_of_cpu(arena, CASES[i].triple, CASES[i].cpu, &why);
        if (!t)
            fail_msg("%s: %s", CASES[i].cpu, why);
        if (t->vector_bytes != CASES[i].vector_bytes || t->vector_registers != CASES[i].registers ||
            t->fma != CASES[i].fma || t->l1 != CASES[i].l1 * 1024 || t->l2 != CASES[i].l2 * 1024)
            fail_msg("%s: %d bytes, %d registers, L1 %d, L2 %d", t->name, t->vector_bytes, t->vector_registers, (int)t->l1,
                     (int)t->l2);
        assert_int_equal(t->unit_bytes, CASES[i].cpu && strcmp(CASES[i].cpu, "znver4") == 0 ? 32 : 0);
        assert_string_equal(t->triple, CASES[i].triple);
        assert_non_null(t->cpu);
    }
    arena_free(arena);
}

static void refused(const char *triple, const char *cpu, const char *want)
{
    Arena *arena = arena_new();
    const char *why = NULL;
    assert_null(ltarget_of_cpu(arena, triple, cpu, &why));
    assert_string_equal(why, want);
    arena_free(arena);
}

static void unknown(void **state)
{
    (void)state;
    refused("x86_64-linux-gnu", "skylark", "unknown processor 'skylark' for x86_64\nnote: did you mean skylake?");
    refused("aarch64-linux-gnu", "z80",
            "unknown processor 'z80' for aarch64\nnote: its processors are called as in LLVM and GCC: generic, cortex-a53, "
            "cortex-a72, neoverse-n1, apple-m1 ...");
    /* one architecture's processor is not another's */
    refused("riscv64-linux-gnu", "znver4",
            "unknown processor 'znver4' for riscv64\nnote: its processors are called as in LLVM and GCC: generic-rv64, "
            "sifive-u74, sifive-p670, spacemit-x60 ...");
    refused("z80-elf", NULL,
            "unknown target triple 'z80-elf'\nnote: the architectures are x86_64, aarch64 and riscv64, as in "
            "aarch64-linux-gnu; for any other, emit C with --target generic or portable");
    refused("", NULL,
            "unknown target triple ''\nnote: the architectures are x86_64, aarch64 and riscv64, as in "
            "aarch64-linux-gnu; for any other, emit C with --target generic or portable");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(names), cmocka_unit_test(this_machine), cmocka_unit_test(processors),
                                        cmocka_unit_test(unknown) };
    return cmocka_run_group_tests_name("targets", tests, NULL, NULL);
}
