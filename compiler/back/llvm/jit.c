/* Compiling into this process: modules become objects in memory as files would, ORC's LLJIT links them. */
#include "back/llvm/lower.h"
#include "runtime/nnr.h"

#include <llvm-c/Error.h>
#include <llvm-c/LLJIT.h>
#include <string.h>

struct LlvmJit {
    Arena *arena;
    const LProgram *program;
    LLVMOrcLLJITRef jit;
    nnr_program *table;
    LlvmCost cost;
};

static bool worked(Arena *arena, LLVMErrorRef error, const char **why)
{
    if (!error)
        return true;
    char *text = LLVMGetErrorMessage(error);
    *why = arena_printf(arena, "LLVM's JIT: %s", text);
    LLVMDisposeErrorMessage(text);
    return false;
}

/* Names that code refers to: the runtime's parallel-for and what LLVM calls of libc and libm. */
static bool add_process_symbols(LlvmJit *j, const char **why)
{
    LLVMOrcDefinitionGeneratorRef generator;
    char prefix = LLVMOrcLLJITGetGlobalPrefix(j->jit);
    LLVMErrorRef e = LLVMOrcCreateDynamicLibrarySearchGeneratorForProcess(&generator, prefix, NULL, NULL);
    if (!worked(j->arena, e, why))
        return false;
    LLVMOrcJITDylibAddGenerator(LLVMOrcLLJITGetMainJITDylib(j->jit), generator);
    return true;
}

static bool add_module(LlvmJit *j, const LlvmOptions *options, const bool *chosen, const char **why)
{
    LlvmModule *m = module_make(j->arena, j->program, options, chosen, true, why);
    LLVMMemoryBufferRef code = m ? module_generate(m, false, why) : NULL;
    if (m) {
        j->cost.lower += m->cost.lower;
        j->cost.optimise += m->cost.optimise;
        j->cost.generate += m->cost.generate;
        j->cost.code_bytes += m->cost.code_bytes;
    }
    back_llvm_dispose(m);
    return code && worked(j->arena, LLVMOrcLLJITAddObjectFile(j->jit, LLVMOrcLLJITGetMainJITDylib(j->jit), code), why);
}

static bool find_entries(LlvmJit *j, const bool *chosen, const char **why)
{
    nnr_entry *entries = (nnr_entry *)(uintptr_t)j->table->entries; /* this file made them */
    for (int i = 0; i < j->table->n_entries; i++) {
        LLVMOrcExecutorAddress at = 0;
        if (!chosen[i])
            continue;
        const char *name = back_wrapper_name(j->arena, j->program, j->program->entries.data[i]);
        if (!worked(j->arena, LLVMOrcLLJITLookup(j->jit, &at, name), why))
            return false;
        void *p = (void *)(uintptr_t)at;
        memcpy(&entries[i].run, &p, sizeof p); /* object to function pointer, the POSIX way */
    }
    return true;
}

static bool is_wanted(const LlvmOptions *o, const LEntry *e)
{
    for (int i = 0; i < o->n_entries; i++)
        if (strcmp(o->entries[i], e->name) == 0)
            return true;
    return o->n_entries == 0;
}

LlvmJit *back_llvm_jit(Arena *arena, const LProgram *program, const LlvmOptions *options, const char **why)
{
    if (!back_llvm_target_check(arena, options->triple, options->cpu, options->features, why))
        return NULL;
    LlvmJit *j = ARENA_NEW(arena, LlvmJit);
    j->arena = arena;
    j->program = program;
    j->table = back_program_table(arena, program, options->trains, options->n_trains);
    bool *chosen = ARENA_ARRAY(arena, bool, program->entries.len + 1);
    for (int i = 0; i < program->entries.len; i++)
        chosen[i] = is_wanted(options, program->entries.data[i]);
    Target target;
    if (!target_open(arena, options, false, &target, why)) /* registers the targets, which LLJIT needs */
        return NULL;
    LLVMDisposeTargetMachine(target.machine);
    if (worked(arena, LLVMOrcCreateLLJIT(&j->jit, NULL), why) && add_process_symbols(j, why) &&
        add_module(j, options, chosen, why) && find_entries(j, chosen, why))
        return j;
    back_llvm_free(j);
    return NULL;
}

const nnr_program *back_llvm_program(LlvmJit *j) { return j->table; }

void *back_llvm_symbol(LlvmJit *j, const char *name)
{
    LLVMOrcExecutorAddress at = 0;
    LLVMErrorRef error = LLVMOrcLLJITLookup(j->jit, &at, name);
    if (error)
        LLVMConsumeError(error);
    return error ? NULL : (void *)(uintptr_t)at;
}

LlvmCost back_llvm_jit_cost(const LlvmJit *j) { return j->cost; }

void back_llvm_free(LlvmJit *j)
{
    if (j && j->jit)
        LLVMConsumeError(LLVMOrcDisposeLLJIT(j->jit));
}
