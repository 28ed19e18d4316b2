/* Which machines code can be made for, and what stands for this one. LLVM ignores a processor that it
 * does not know, with a line on standard error; so the names are checked here first. */
#include "back/llvm/lower.h"

#include <llvm-c/Target.h>
#include <pthread.h>
#include <string.h>

/* The 64-bit processors of LLVM 19. */
static const char *const X86[] = {
    "alderlake", "amdfam10", "arrowlake", "arrowlake-s", "athlon64", "athlon64-sse3", "atom", "barcelona",
    "bdver1", "bdver2", "bdver3", "bdver4", "bonnell", "broadwell", "btver1", "btver2", "cannonlake",
    "cascadelake", "clearwaterforest", "cooperlake", "core-avx-i", "core-avx2", "core2", "corei7", "corei7-avx",
    "emeraldrapids", "generic", "goldmont", "goldmont-plus", "gracemont", "grandridge", "graniterapids",
    "graniterapids-d", "haswell", "icelake-client", "icelake-server", "ivybridge", "k8", "k8-sse3", "knl",
    "knm", "lunarlake", "meteorlake", "nehalem", "nocona", "opteron", "opteron-sse3", "pantherlake", "penryn",
    "raptorlake", "rocketlake", "sandybridge", "sapphirerapids", "sierraforest", "silvermont", "skx", "skylake",
    "skylake-avx512", "slm", "tigerlake", "tremont", "westmere", "x86-64", "x86-64-v2", "x86-64-v3",
    "x86-64-v4", "znver1", "znver2", "znver3", "znver4", "znver5", NULL,
};
static const char *const ARM[] = {
    "a64fx", "ampere1", "ampere1a", "ampere1b", "apple-a10", "apple-a11", "apple-a12", "apple-a13", "apple-a14",
    "apple-a15", "apple-a16", "apple-a17", "apple-a7", "apple-m4", "carmel", "cortex-a34", "cortex-a35",
    "cortex-a510", "cortex-a520", "cortex-a520ae", "cortex-a53", "cortex-a55", "cortex-a57", "cortex-a65",
    "cortex-a65ae", "cortex-a710", "cortex-a715", "cortex-a72", "cortex-a720", "cortex-a720ae", "cortex-a725",
    "cortex-a73", "cortex-a75", "cortex-a76", "cortex-a76ae", "cortex-a77", "cortex-a78", "cortex-a78ae",
    "cortex-a78c", "cortex-r82", "cortex-r82ae", "cortex-x1", "cortex-x1c", "cortex-x2", "cortex-x3",
    "cortex-x4", "cortex-x925", "exynos-m3", "exynos-m4", "exynos-m5", "falkor", "generic", "kryo",
    "neoverse-512tvb", "neoverse-e1", "neoverse-n1", "neoverse-n2", "neoverse-n3", "neoverse-v1", "neoverse-v2",
    "neoverse-v3", "neoverse-v3ae", "oryon-1", "saphira", "thunderx", "thunderx2t99", "thunderx3t110",
    "thunderxt81", "thunderxt83", "thunderxt88", "tsv110", NULL,
};
static const char *const RISCV[] = {
    "generic-rv64", "rocket", "rocket-rv64", "sifive-7-series", "sifive-p450", "sifive-p670", "sifive-s21",
    "sifive-s51", "sifive-s54", "sifive-s76", "sifive-u54", "sifive-u74", "sifive-x280", "spacemit-x60",
    "syntacore-scr3-rv64", "veyron-v1", "xiangshan-nanhu", NULL,
};

/* features: what every machine that runs Linux of this kind has beyond LLVM's default. */
static const struct Machine {
    const char *arch, *other; /* spellings of the triple's first word */
    const char *generic, *features, *abi;
    const char *const *cpus;
} MACHINES[] = {
    { "x86_64", "amd64", "x86-64", "", "", X86 },
    { "aarch64", "arm64", "generic", "", "", ARM },
    { "riscv64", "riscv64", "generic-rv64", "+m,+a,+f,+d,+c", "lp64d", RISCV },
};
enum { N_MACHINES = sizeof MACHINES / sizeof *MACHINES };

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void register_targets(void)
{
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    LLVMInitializeAArch64TargetInfo();
    LLVMInitializeAArch64Target();
    LLVMInitializeAArch64TargetMC();
    LLVMInitializeAArch64AsmPrinter();
    LLVMInitializeRISCVTargetInfo();
    LLVMInitializeRISCVTarget();
    LLVMInitializeRISCVTargetMC();
    LLVMInitializeRISCVAsmPrinter();
}

static bool begins_arch(const char *triple, const char *arch)
{
    size_t n = strlen(arch);
    return strncmp(triple, arch, n) == 0 && (triple[n] == '-' || triple[n] == 0);
}

static const struct Machine *find_machine(const char *triple)
{
    for (int i = 0; i < N_MACHINES; i++)
        if (begins_arch(triple, MACHINES[i].arch) || begins_arch(triple, MACHINES[i].other))
            return &MACHINES[i];
    return NULL;
}

static const char *full_triple(Arena *arena, const char *triple)
{
    return take_message(arena, triple ? LLVMNormalizeTargetTriple(triple) : LLVMGetDefaultTargetTriple());
}

static bool check_cpu(Arena *arena, const struct Machine *m, const char *cpu, const char **why)
{
    int n = 0;
    for (; m->cpus[n]; n++)
        if (strcmp(cpu, m->cpus[n]) == 0)
            return true;
    const char *near = text_nearest(cpu, m->cpus, n);
    Text t = { .arena = arena };
    text_addf(&t, "no %s processor is named '%s'\nnote: ", m->arch, cpu);
    if (near)
        text_addf(&t, "did you mean %s? ", near);
    text_add(&t, "known:");
    for (int i = 0; i < n; i++)
        text_addf(&t, " %s", m->cpus[i]);
    *why = t.data;
    return false;
}

static bool check_features(Arena *arena, const char *features, const char **why)
{
    for (const char *p = features; *p;) {
        size_t n = strcspn(p, ",");
        if (n < 2 || (*p != '+' && *p != '-')) {
            *why = arena_printf(arena, "the feature '%.*s' begins with neither + nor -\n"
                                       "note: features are a list like +avx2,-avx512f", (int)n, p);
            return false;
        }
        p += n + (p[n] == ',');
    }
    return true;
}

bool back_llvm_target_check(Arena *arena, const char *triple, const char *cpu, const char *features, const char **why)
{
    const char *full = full_triple(arena, triple);
    const struct Machine *m = find_machine(full);
    if (!m) {
        *why = arena_printf(arena, "no code can be made for '%s'\n"
                                   "note: known: x86_64-linux-gnu, aarch64-linux-gnu, riscv64-linux-gnu", triple ? triple : full);
        return false;
    }
    return (!cpu || strcmp(cpu, "native") == 0 || check_cpu(arena, m, cpu, why)) &&
           (!features || check_features(arena, features, why));
}

const char *back_llvm_version(Arena *arena)
{
    unsigned major, minor, patch;
    LLVMGetVersion(&major, &minor, &patch);
    return arena_printf(arena, "%u.%u.%u", major, minor, patch);
}

bool target_open(Arena *arena, const LlvmOptions *o, bool pic, Target *out, const char **why)
{
    pthread_once(&once, register_targets);
    *out = (Target){ .triple = full_triple(arena, o->triple) };
    const struct Machine *m = find_machine(out->triple);
    bool native = o->cpu ? strcmp(o->cpu, "native") == 0 : !o->triple;
    out->cpu = native ? take_message(arena, LLVMGetHostCPUName()) : o->cpu ? o->cpu : m->generic;
    const char *base = native ? take_message(arena, LLVMGetHostCPUFeatures()) : m->features;
    bool both = *base && o->features && *o->features;
    out->features = both ? arena_printf(arena, "%s,%s", base, o->features) : o->features && *o->features ? o->features : base;
    out->abi = m->abi;
    LLVMTargetRef target;
    char *text = NULL;
    if (LLVMGetTargetFromTriple(out->triple, &target, &text)) {
        *why = take_message(arena, text);
        return false;
    }
    static const LLVMCodeGenOptLevel LEVEL[] = { LLVMCodeGenLevelNone, LLVMCodeGenLevelLess, LLVMCodeGenLevelDefault,
                                                 LLVMCodeGenLevelAggressive };
    LLVMTargetMachineOptionsRef options = LLVMCreateTargetMachineOptions();
    LLVMTargetMachineOptionsSetCPU(options, out->cpu);
    LLVMTargetMachineOptionsSetFeatures(options, out->features);
    LLVMTargetMachineOptionsSetABI(options, m->abi);
    LLVMTargetMachineOptionsSetCodeGenOptLevel(options, LEVEL[o->opt < 0 ? 0 : o->opt > 3 ? 3 : o->opt]);
    LLVMTargetMachineOptionsSetRelocMode(options, pic ? LLVMRelocPIC : LLVMRelocDefault);
    LLVMTargetMachineOptionsSetCodeModel(options, pic ? LLVMCodeModelDefault : LLVMCodeModelJITDefault);
    out->machine = LLVMCreateTargetMachineWithOptions(target, out->triple, options);
    LLVMDisposeTargetMachineOptions(options);
    if (!out->machine)
        *why = arena_printf(arena, "LLVM cannot make code for %s", out->triple);
    return out->machine != NULL;
}
