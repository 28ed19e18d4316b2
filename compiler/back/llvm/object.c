/* Modules as files: objects, assembly, LLVM IR, bitcode. */
#include "back/llvm/lower.h"

#include <llvm-c/BitWriter.h>
#include <string.h>

LLVMMemoryBufferRef module_generate(LlvmModule *m, bool assembly, const char **why)
{
    double since = cost_now();
    LLVMMemoryBufferRef out = NULL;
    char *text = NULL;
    bool failed = LLVMTargetMachineEmitToMemoryBuffer(m->target.machine, m->module,
                                                      assembly ? LLVMAssemblyFile : LLVMObjectFile, &text, &out);
    m->cost.generate += cost_now() - since;
    if (failed)
        *why = take_message(m->arena, text);
    else if (m->fault)
        *why = m->fault;
    else
        m->cost.code_bytes += LLVMGetBufferSize(out);
    if (!failed && m->fault)
        LLVMDisposeMemoryBuffer(out);
    return failed || m->fault ? NULL : out;
}

typedef struct {
    Arena *arena;
    const LProgram *program;
    const LlvmOptions *options;
    LlvmModule *module;
    LlvmKind kind;
    LLVMMemoryBufferRef data;
    const char *why;
} Work;

static void build(void *argument)
{
    Work *w = argument;
    Plan plan = plan_make(w->arena, w->program, w->options, 1);
    w->module = module_make(w->arena, &plan, 0, w->options, false, &w->why);
}

LlvmModule *back_llvm_build(Arena *arena, const LProgram *program, const LlvmOptions *options, const char **why)
{
    if (!back_llvm_target_check(arena, options->triple, options->cpu, options->features, why))
        return NULL;
    Work w = { .arena = arena, .program = program, .options = options };
    if (!rescue_run(arena, build, &w, why))
        return NULL;
    *why = w.why;
    return w.module;
}

static void generate(void *argument)
{
    Work *w = argument;
    w->data = w->kind == LLVM_BITCODE ? LLVMWriteBitcodeToMemoryBuffer(w->module->module)
                                      : module_generate(w->module, w->kind == LLVM_ASM, &w->why);
}

int back_llvm_emit(LlvmModule *m, LlvmKind kind, const char *path, const char **why)
{
    if (kind == LLVM_IR) {
        char *text = LLVMPrintModuleToString(m->module);
        *why = text_write_file(m->arena, path, text, strlen(text));
        LLVMDisposeMessage(text);
        return *why ? -1 : 0;
    }
    Work w = { .module = m, .kind = kind };
    if (!rescue_run(m->arena, generate, &w, why)) {
        m->lost = true;
        return -1;
    }
    if (w.data) {
        w.why = text_write_file(m->arena, path, LLVMGetBufferStart(w.data), LLVMGetBufferSize(w.data));
        LLVMDisposeMemoryBuffer(w.data);
    }
    *why = w.why;
    return *why ? -1 : 0;
}
