#include "native_llvm.h"
#include "config.h"

#if NNC_LLVM
#include "back/llvm/llvm.h"
#include "runtime/runtime.h"

bool native_has_llvm(void) { return true; }

const char *native_backends(Arena *arena) { return arena_printf(arena, "c, llvm %s", back_llvm_version(arena)); }

static LlvmOptions options_of(const NativeLlvm *job)
{
    return (LlvmOptions){ .triple = job->target->triple, .cpu = job->target->cpu, .features = job->target->features,
                          .opt = 2, .debug = job->debug, .trains = job->trains, .n_trains = job->n_trains,
                          .parallel_for = nnr_parallel_for, .probe = job->probe, .probe_user = job->probe_user, .entries = job->entries,
                          .n_entries = job->n_entries };
}

/* Of what went by, the part of each stage: several threads' processor time adds up to more. */
static NativeCost cost_of(LlvmCost c)
{
    double sum = c.lower + c.optimise + c.generate, part = c.wall > 0 && sum > 0 ? c.wall / sum : 1;
    return (NativeCost){ c.lower * part, c.optimise * part, c.generate * part, c.code_bytes };
}

NativeJit *native_jit(const NativeLlvm *job, NativeCost *cost, const char **why)
{
    LlvmOptions o = options_of(job);
    o.triple = o.cpu = o.features = NULL; /* the loops are for the target, the instructions are those at hand */
    LlvmJit *jit = back_llvm_jit(job->arena, job->program, &o, why);
    if (jit)
        *cost = cost_of(back_llvm_jit_cost(jit));
    return (NativeJit *)jit;
}

const nnr_program *native_jit_program(NativeJit *jit) { return back_llvm_program((LlvmJit *)jit); }
void native_jit_free(NativeJit *jit) { back_llvm_free((LlvmJit *)jit); }

static const char *emit(const NativeLlvm *job, LlvmOptions o, LlvmKind kind, const char *path, NativeCost *cost)
{
    const char *why = NULL;
    LlvmModule *m = back_llvm_build(job->arena, job->program, &o, &why);
    if (m && back_llvm_emit(m, kind, path, &why) == 0)
        *cost = cost_of(back_llvm_cost(m));
    back_llvm_dispose(m);
    return why;
}

const char *native_object(const NativeLlvm *job, const char *path, NativeCost *cost)
{
    LlvmOptions o = options_of(job);
    o.program_table = true;
    return emit(job, o, LLVM_OBJ, path, cost);
}

const char *native_emit(const NativeLlvm *job, NativeKind kind, const char *path, NativeCost *cost)
{
    static const LlvmKind KINDS[] = { [NATIVE_OBJ] = LLVM_OBJ, [NATIVE_ASM] = LLVM_ASM, [NATIVE_IR] = LLVM_IR,
                                      [NATIVE_BITCODE] = LLVM_BITCODE };
    LlvmOptions o = options_of(job);
    o.names = kind == NATIVE_IR; /* for reading */
    return emit(job, o, KINDS[kind], path, cost);
}

#else

bool native_has_llvm(void) { return false; }
const char *native_backends(Arena *arena) { return arena_strdup(arena, "c (built without LLVM)"); }

/* nnc.c asks native_has_llvm before any of these. */
NativeJit *native_jit(const NativeLlvm *job, NativeCost *cost, const char **why)
{
    (void)cost;
    *why = native_why_no_llvm(job->arena, "JIT");
    return NULL;
}

const nnr_program *native_jit_program(NativeJit *jit)
{
    (void)jit;
    return NULL;
}

void native_jit_free(NativeJit *jit) { (void)jit; }

const char *native_object(const NativeLlvm *job, const char *path, NativeCost *cost)
{
    (void)path;
    (void)cost;
    return native_why_no_llvm(job->arena, "object");
}

const char *native_emit(const NativeLlvm *job, NativeKind kind, const char *path, NativeCost *cost)
{
    (void)kind;
    return native_object(job, path, cost);
}
#endif

const char *native_why_no_llvm(Arena *arena, const char *what)
{
    return arena_printf(arena, "%s: this nnc was built without the back end llvm\n"
                               "note: build nnc with LLVM 19 (llvm-19-dev), or stay with C: --backend c, --kind c", what);
}
