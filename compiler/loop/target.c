/* What the scheduler may know of processors: named targets, and the machine this runs on (vector
 * extensions by the compiler's CPU queries, cache sizes from the C library). Processors by their own
 * names are in target_cpu.c. */
#include "loop/loop.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <cpuid.h>
#endif
#include <pthread.h>
#include <string.h>
#include <unistd.h>

enum { KIB = 1024, MIB = 1024 * 1024 };

/* The triple of a named target is this machine's own where that is of the architecture. */
#define X86_TRIPLE "x86_64-unknown-linux-gnu"
#define ARM_TRIPLE "aarch64-unknown-linux-gnu"
#define RISCV_TRIPLE "riscv64-unknown-linux-gnu"
#if defined(__x86_64__)
#undef X86_TRIPLE
#define X86_TRIPLE NULL
#elif defined(__aarch64__)
#undef ARM_TRIPLE
#define ARM_TRIPLE NULL
#elif defined(__riscv) && __riscv_xlen == 64
#undef RISCV_TRIPLE
#define RISCV_TRIPLE NULL
#endif

/* Several plain cores: OpenMP's fork and join, with threads that spin, and lines by way of the last cache. A fork took
 * 2,200 cycles on one machine and 10,500 on another; one that is not worth its price costs more than one left out. */
#define SOME_CORES 4, 7000, 50

/* Caches are those of a plain core of the kind. Names of processors are LLVM's. */
const LTarget LTARGET_GENERIC = { "generic", 16, 16, false, 32 * KIB, 256 * KIB, 4 * MIB, SOME_CORES,
                                  NULL, "generic", NULL, NULL, false, 0, NULL };
const LTarget LTARGET_PORTABLE = { "portable", 4, 16, false, 32 * KIB, 256 * KIB, 4 * MIB, SOME_CORES,
                                  NULL, "generic", NULL, NULL, false, 0, NULL };
const LTarget LTARGET_X86_V3 = { "x86-64-v3", 32, 16, true, 32 * KIB, 512 * KIB, 8 * MIB, SOME_CORES,
                                 X86_TRIPLE, "x86-64-v3", NULL, NULL, false, 0, NULL };
const LTarget LTARGET_X86_V4 = { "x86-64-v4", 64, 32, true, 32 * KIB, 1 * MIB, 16 * MIB, SOME_CORES,
                                 X86_TRIPLE, "x86-64-v4", NULL, NULL, false, 0, NULL };
const LTarget LTARGET_ARMV8 = { "armv8", 16, 32, true, 32 * KIB, 512 * KIB, 4 * MIB, SOME_CORES,
                                ARM_TRIPLE, "generic", NULL, NULL, false, 0, NULL };
/* RISC-V: vectors are an extension, so the plain target is scalar with 32 float registers. Where there
 * is V, its registers hold at least 128 bits on every implementation: vectors of four floats, one
 * register each, are code that runs on all of them. (Longer registers are used by naming the
 * processor; vectors of a length unknown to the compiler do not fit fixed register tiles.) */
const LTarget LTARGET_RISCV64 = { "riscv64", 4, 32, true, 32 * KIB, 256 * KIB, 2 * MIB, SOME_CORES,
                                  RISCV_TRIPLE, "generic-rv64", "+m,+a,+f,+d,+c", NULL, false, 0, NULL };
const LTarget LTARGET_RISCV64_V = { "riscv64-v", 16, 32, true, 32 * KIB, 256 * KIB, 2 * MIB, SOME_CORES,
                                    RISCV_TRIPLE, "generic-rv64", "+m,+a,+f,+d,+c,+v", NULL, false, 0, NULL };

/* The named target that fits, with this machine's cache sizes: found once, constant from then on. */
static LTarget host_target;
static pthread_once_t host_once = PTHREAD_ONCE_INIT;

static const LTarget *host_base(void)
{
#if defined(__x86_64__) && defined(__GNUC__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        return &LTARGET_X86_V4;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return &LTARGET_X86_V3;
    return &LTARGET_GENERIC;
#elif defined(__aarch64__)
    return &LTARGET_ARMV8;
#elif defined(__riscv) && __riscv_xlen == 64
    return &LTARGET_RISCV64;
#else
    return &LTARGET_GENERIC;
#endif
}

static int64_t cache_bytes(int name, int64_t otherwise)
{
    long bytes = sysconf(name);
    return bytes > 0 ? bytes : otherwise;
}

/* AMD's family 19h runs 64-byte vectors through units of 32 bytes (Zen 4); its successors do not. */
static int host_unit_bytes(const LTarget *t)
{
#if defined(__x86_64__) && defined(__GNUC__)
    unsigned a, b, c, d;
    if (t->vector_bytes < 64 || !__get_cpuid(0, &a, &b, &c, &d) || b != signature_AMD_ebx || !__get_cpuid(1, &a, &b, &c, &d))
        return 0;
    return (a >> 8 & 15) + (a >> 20 & 255) == 0x19 ? 32 : 0;
#else
    (void)t;
    return 0;
#endif
}

static void host_find(void)
{
    LTarget t = *host_base();
    t.triple = t.cpu = t.features = NULL;
    t.unit_bytes = host_unit_bytes(&t);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    t.cores = cores > 2 ? (int)cores : 2;
#ifdef _SC_LEVEL1_DCACHE_SIZE
    t.l1 = cache_bytes(_SC_LEVEL1_DCACHE_SIZE, t.l1);
    t.l2 = cache_bytes(_SC_LEVEL2_CACHE_SIZE, t.l2);
    t.l3 = cache_bytes(_SC_LEVEL3_CACHE_SIZE, t.l3);
#endif
    host_target = t;
}

const LTarget *ltarget_host(void)
{
    pthread_once(&host_once, host_find);
    return &host_target;
}

const LTarget *ltarget_find(const char *name)
{
    static const LTarget *const ALL[] = { &LTARGET_GENERIC, &LTARGET_PORTABLE, &LTARGET_X86_V3,
                                          &LTARGET_X86_V4, &LTARGET_ARMV8, &LTARGET_RISCV64,
                                          &LTARGET_RISCV64_V };
    if (strcmp(name, "native") == 0 || strcmp(name, "host") == 0)
        return ltarget_host();
    for (size_t i = 0; i < sizeof ALL / sizeof *ALL; i++)
        if (strcmp(ALL[i]->name, name) == 0)
            return ALL[i];
    return NULL;
}
