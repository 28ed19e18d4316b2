/* Which machines code can be made for, and what stands for this one. LLVM ignores a processor that it
 * does not know, with a line on standard error; so names are checked first, by loop/target_cpu.c. */
#include "back/llvm/lower.h"

#include <llvm-c/Target.h>
#include <pthread.h>
#include <string.h>

/* features: what every machine that runs Linux of this kind has beyond LLVM's default. */
static const struct Machine {
    const char *arch, *other; /* spellings of the triple's first word */
    const char *generic, *features, *abi;
} MACHINES[] = {
    { "x86_64", "amd64", "x86-64", "", "" },
    { "aarch64", "arm64", "generic", "", "" },
    { "riscv64", "riscv64", "generic-rv64", "+m,+a,+f,+d,+c", "lp64d" },
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
    return (!cpu || ltarget_of_cpu(arena, triple, cpu, why)) && (!features || check_features(arena, features, why));
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
