#include "native_llvm.h"
#include "config.h"

#if NNC_LLVM
#include "back/llvm/llvm.h"
#include "runtime/runtime.h"

bool native_has_llvm(void) { return true; }

const char *native_backends(Arena *arena) { return arena_printf(arena, "c, llvm %s", back_llvm_version(arena)); }

static LlvmOptions options_of(const NativeLlvm *job)
{
    return (LlvmOptions){ .triple = job->target->triple, .cpu = job->target->cpu, .features = job->target->features, .opt = 2, .trains = job->trains, .n_trains = job->n_trains, .parallel_for = nnr_parallel_for,
                          .probe = job->probe, .probe_user = job->probe_user, .entries = job->entries,
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
    if (!ltarget_is_native(job->target)) {
        *why = arena_printf(job->arena, "code for %s cannot run on this machine\n"
                                        "note: leave --target and --target-triple out, or write files with `nnc emit`",
                            job->target->triple);
        return NULL;
    }
    LlvmOptions o = options_of(job);
    LlvmJit *jit = back_llvm_jit(job->arena, job->program, &o, why);
    if (jit)
        *cost = cost_of(back_llvm_jit_cost(jit));
    return (NativeJit *)jit;
}

const nnr_program *native_jit_program(NativeJit *jit) { return back_llvm_program((LlvmJit *)jit); }
void native_jit_free(NativeJit *jit) { back_llvm_free((LlvmJit *)jit); }

const char *native_object(const NativeLlvm *job, const char *path, NativeCost *cost)
{
    LlvmOptions o = options_of(job);
    o.program_table = true;
    const char *why = NULL;
    LlvmModule *m = back_llvm_build(job->arena, job->program, &o, &why);
    if (m && back_llvm_emit(m, LLVM_OBJ, path, &why) == 0)
        *cost = cost_of(back_llvm_cost(m));
    back_llvm_dispose(m);
    return why;
}

#else

bool native_has_llvm(void) { return false; }
const char *native_backends(Arena *arena) { return arena_strdup(arena, "c (built without LLVM)"); }

static const char absent[] = "this nnc was built without LLVM\nnote: use --backend c, or build nnc with LLVM 19 (llvm-19-dev)";

NativeJit *native_jit(const NativeLlvm *job, NativeCost *cost, const char **why)
{
    (void)job;
    (void)cost;
    *why = absent;
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
    (void)job;
    (void)path;
    (void)cost;
    return absent;
}
#endif
