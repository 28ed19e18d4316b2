/* From the name of a processor to a target: the one place that says which vectors, registers and caches
 * the scheduler may count on for `--target-cpu znver4`. The names are those of LLVM 19 (GCC has the
 * same for all but a few); a family is written once. Cache sizes are the makers', of one core; the last
 * level is shared, and what a core may hope for is given. Requires: nothing. Establishes: a target whose
 * vectors are legal on every machine of that name. */
#include "loop/loop.h"

#include <string.h>

enum { KIB = 1024 };

typedef enum { ARCH_X86_64, ARCH_AARCH64, ARCH_RISCV64, ARCH_NONE } Arch;

typedef struct {
    const char *cpus; /* blank-separated */
    const LTarget *base;
    int vector_bytes; /* 0: as the base */
    int l1, l2, l3;   /* KiB */
} Family;

/* Without AVX2 and FMA together, 16-byte vectors: AVX alone has no integer vectors of 32 bytes. Knights
 * Landing has 512-bit vectors but not the byte, word and shorter forms that our loops use. */
static const Family X86_64[] = {
    { "generic x86-64 x86-64-v2 k8 k8-sse3 athlon64 athlon64-sse3 athlon-fx opteron opteron-sse3 amdfam10 barcelona nocona "
      "core2 penryn bonnell atom silvermont slm goldmont goldmont-plus tremont btver1 nehalem corei7 westmere",
      &LTARGET_GENERIC, 0, 32, 256, 4096 },
    { "sandybridge corei7-avx ivybridge core-avx-i btver2", &LTARGET_GENERIC, 0, 32, 256, 8192 },
    { "bdver1 bdver2 bdver3", &LTARGET_GENERIC, 0, 16, 1024, 8192 },
    { "x86-64-v3 haswell core-avx2 broadwell skylake", &LTARGET_X86_V3, 0, 32, 256, 8192 },
    { "bdver4", &LTARGET_X86_V3, 0, 32, 1024, 2048 },
    { "znver1 znver2 znver3", &LTARGET_X86_V3, 0, 32, 512, 16384 },
    { "knl knm", &LTARGET_X86_V3, 0, 32, 512, 512 },
    { "alderlake raptorlake meteorlake", &LTARGET_X86_V3, 0, 48, 1280, 24576 },
    { "arrowlake arrowlake-s lunarlake pantherlake", &LTARGET_X86_V3, 0, 48, 2560, 12288 },
    { "gracemont sierraforest grandridge clearwaterforest", &LTARGET_X86_V3, 0, 32, 1024, 3072 },
    { "x86-64-v4 skylake-avx512 skx cascadelake cooperlake", &LTARGET_X86_V4, 0, 32, 1024, 16384 },
    { "cannonlake", &LTARGET_X86_V4, 0, 32, 256, 4096 },
    { "icelake-client rocketlake", &LTARGET_X86_V4, 0, 48, 512, 8192 },
    { "tigerlake icelake-server", &LTARGET_X86_V4, 0, 48, 1280, 12288 },
    { "sapphirerapids emeraldrapids graniterapids graniterapids-d", &LTARGET_X86_V4, 0, 48, 2048, 32768 },
    { "znver4", &LTARGET_X86_V4, 0, 32, 1024, 32768 },
    { "znver5", &LTARGET_X86_V4, 0, 48, 1024, 32768 },
    { 0 },
};

/* NEON everywhere: SVE's registers have no length known in advance, and the machines that have them long
 * (a64fx) run NEON at its own width. */
static const Family AARCH64[] = {
    { "generic cortex-a34 cortex-a35 cortex-a53 cortex-a55 cortex-a510 cortex-a520 cortex-a520ae cortex-a65 "
      "cortex-a65ae neoverse-e1 cortex-r82 cortex-r82ae",
      &LTARGET_ARMV8, 0, 32, 256, 1024 },
    { "cortex-a57 cortex-a72 cortex-a73 falkor kryo saphira exynos-m3 exynos-m4 exynos-m5 carmel",
      &LTARGET_ARMV8, 0, 32, 1024, 2048 },
    { "cortex-a75 cortex-a76 cortex-a76ae cortex-a77 cortex-a78 cortex-a78ae cortex-a78c cortex-a710 cortex-a715 "
      "cortex-a720 cortex-a720ae cortex-a725 cortex-x1 cortex-x1c",
      &LTARGET_ARMV8, 0, 64, 512, 4096 },
    { "cortex-x2 cortex-x3 cortex-x4 cortex-x925 neoverse-n1 neoverse-n2 neoverse-n3 neoverse-v1 neoverse-v2 "
      "neoverse-v3 neoverse-v3ae neoverse-512tvb",
      &LTARGET_ARMV8, 0, 64, 1024, 16384 },
    { "ampere1 ampere1a ampere1b", &LTARGET_ARMV8, 0, 64, 2048, 16384 },
    { "thunderx thunderxt81 thunderxt83 thunderxt88 thunderx2t99 thunderx3t110 tsv110", &LTARGET_ARMV8, 0, 32, 256, 16384 },
    { "apple-a7 apple-a8 apple-a9 apple-s4 apple-s5 cyclone apple-a10 apple-a11", &LTARGET_ARMV8, 0, 64, 2048, 4096 },
    { "apple-a12 apple-a13 apple-a14 apple-a15 apple-a16 apple-a17 apple-m1 apple-m2 apple-m3 apple-m4 apple-latest "
      "oryon-1",
      &LTARGET_ARMV8, 0, 128, 4096, 8192 },
    { "a64fx", &LTARGET_ARMV8, 0, 64, 2048, 2048 },
    { 0 },
};

/* Those of 64 bits with a floating-point unit: what the ABI lp64d, the one of Linux, asks for. */
static const Family RISCV64[] = {
    { "generic-rv64 generic sifive-u54 sifive-u74 sifive-7-series sifive-s54 sifive-s76 syntacore-scr3-rv64",
      &LTARGET_RISCV64, 0, 32, 256, 2048 },
    { "veyron-v1 xiangshan-nanhu sifive-p450", &LTARGET_RISCV64, 0, 64, 512, 4096 },
    { "sifive-p670", &LTARGET_RISCV64_V, 0, 64, 512, 4096 },
    { "spacemit-x60", &LTARGET_RISCV64_V, 32, 32, 256, 512 },
    { "sifive-x280", &LTARGET_RISCV64_V, 64, 32, 256, 2048 },
    { 0 },
};

/* Those whose units take half a vector at a time. */
static const char HALVES[] = "znver4";

static const Family *const FAMILIES[] = { X86_64, AARCH64, RISCV64 };

static Arch arch_of_triple(const char *triple)
{
    static const struct {
        const char *name;
        Arch arch;
    } NAMES[] = { { "x86_64", ARCH_X86_64 }, { "amd64", ARCH_X86_64 }, { "aarch64", ARCH_AARCH64 },
                  { "arm64", ARCH_AARCH64 }, { "riscv64", ARCH_RISCV64 } };
    size_t len = strcspn(triple, "-");
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        if (strlen(NAMES[i].name) == len && strncmp(triple, NAMES[i].name, len) == 0)
            return NAMES[i].arch;
    return ARCH_NONE;
}

static Arch arch_of_host(void)
{
#if defined(__x86_64__)
    return ARCH_X86_64;
#elif defined(__aarch64__)
    return ARCH_AARCH64;
#elif defined(__riscv) && __riscv_xlen == 64
    return ARCH_RISCV64;
#else
    return ARCH_NONE;
#endif
}

bool ltarget_is_native(const LTarget *t) { return !t->triple || arch_of_triple(t->triple) == arch_of_host(); }

static bool has_word(const char *words, const char *word)
{
    size_t len = strlen(word);
    for (const char *p = words; len && (p = strstr(p, word)); p += len)
        if ((p == words || p[-1] == ' ') && (p[len] == ' ' || !p[len]))
            return true;
    return false;
}

static const Family *family_of(Arch arch, const char *cpu)
{
    for (const Family *f = FAMILIES[arch]; f->cpus; f++)
        if (has_word(f->cpus, cpu))
            return f;
    return NULL;
}

/* "unknown processor", with the nearest name of the architecture and one or two as examples. */
static const char *unknown_cpu(Arena *arena, Arch arch, const char *cpu)
{
    static const char *const EXAMPLES[] = { "x86-64-v3, skylake, sapphirerapids, znver4",
                                            "generic, cortex-a53, cortex-a72, neoverse-n1, apple-m1",
                                            "generic-rv64, sifive-u74, sifive-p670, spacemit-x60" };
    static const char *const NAMES[] = { "x86_64", "aarch64", "riscv64" };
    const char *names[256];
    int n = 0;
    for (const Family *f = FAMILIES[arch]; f->cpus; f++) {
        char *save = NULL;
        for (char *w = strtok_r(arena_strdup(arena, f->cpus), " ", &save); w && n < 256; w = strtok_r(NULL, " ", &save))
            names[n++] = w;
    }
    const char *near = text_nearest(cpu, names, n);
    if (near)
        return arena_printf(arena, "unknown processor '%s' for %s\nnote: did you mean %s?", cpu, NAMES[arch], near);
    return arena_printf(arena, "unknown processor '%s' for %s\nnote: its processors are called as in LLVM and GCC: %s ...",
                        cpu, NAMES[arch], EXAMPLES[arch]);
}

const LTarget *ltarget_of_cpu(Arena *arena, const char *triple, const char *cpu, const char **why)
{
    static const char *const BASELINE[] = { "x86-64", "generic", "generic-rv64" };
    Arch arch = triple ? arch_of_triple(triple) : arch_of_host();
    if (arch == ARCH_NONE) {
        *why = arena_printf(arena, "unknown target triple '%s'\n"
                                   "note: the architectures are x86_64, aarch64 and riscv64, as in aarch64-linux-gnu; for "
                                   "any other, emit C with --target generic or portable",
                            triple ? triple : "of this machine");
        return NULL;
    }
    bool native = cpu && (strcmp(cpu, "native") == 0 || strcmp(cpu, "host") == 0);
    if (native && arch == arch_of_host())
        return ltarget_host();
    const Family *f = native ? NULL : family_of(arch, cpu ? cpu : BASELINE[arch]);
    if (!f) {
        *why = native ? arena_printf(arena, "this machine is no %.*s\nnote: name a processor with --target-cpu",
                                     (int)strcspn(triple, "-"), triple)
                      : unknown_cpu(arena, arch, cpu);
        return NULL;
    }
    LTarget *t = ARENA_NEW(arena, LTarget);
    *t = *f->base;
    t->name = t->cpu = cpu ? arena_strdup(arena, cpu) : BASELINE[arch];
    t->triple = triple ? arena_strdup(arena, triple) : NULL;
    t->vector_bytes = f->vector_bytes ? f->vector_bytes : f->base->vector_bytes;
    t->unit_bytes = cpu && has_word(HALVES, cpu) ? t->vector_bytes / 2 : 0;
    t->l1 = (int64_t)f->l1 * KIB;
    t->l2 = (int64_t)f->l2 * KIB;
    t->l3 = (int64_t)f->l3 * KIB;
    return t;
}
