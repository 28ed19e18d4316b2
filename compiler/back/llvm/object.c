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

LlvmModule *back_llvm_build(Arena *arena, const LProgram *program, const LlvmOptions *options, const char **why)
{
    if (!back_llvm_target_check(arena, options->triple, options->cpu, options->features, why))
        return NULL;
    Plan plan = plan_make(arena, program, options, 1);
    return module_make(arena, &plan, 0, options, false, why);
}

int back_llvm_emit(LlvmModule *m, LlvmKind kind, const char *path, const char **why)
{
    if (kind == LLVM_IR) {
        char *text = LLVMPrintModuleToString(m->module);
        *why = text_write_file(m->arena, path, text, strlen(text));
        LLVMDisposeMessage(text);
        return *why ? -1 : 0;
    }
    LLVMMemoryBufferRef data = kind == LLVM_BITCODE ? LLVMWriteBitcodeToMemoryBuffer(m->module)
                                                    : module_generate(m, kind == LLVM_ASM, why);
    if (!data)
        return -1;
    *why = text_write_file(m->arena, path, LLVMGetBufferStart(data), LLVMGetBufferSize(data));
    LLVMDisposeMemoryBuffer(data);
    return *why ? -1 : 0;
}
