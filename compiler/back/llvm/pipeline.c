/* The optimisation pipeline.
 *
 * The loop IR comes tiled, vectorised and unrolled as it should be, so no pass here vectorises, unrolls,
 * interleaves, reassociates or inlines. What is left to do is to put mutable variables into registers,
 * to share address arithmetic, to fold what the walk wrote plainly, and to move what does not change
 * out of loops: `PIPELINE`. */
#include "back/llvm/lower.h"

#include <llvm-c/Error.h>
#include <llvm-c/Transforms/PassBuilder.h>
#include <string.h>
#include <time.h>

static const char PIPELINE[] = "function(mem2reg,early-cse,instcombine<no-verify-fixpoint>,simplifycfg,loop-mssa(licm),early-cse)";

double cost_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

char *take_message(Arena *arena, char *message)
{
    char *text = arena_strdup(arena, message ? message : "");
    LLVMDisposeMessage(message);
    return text;
}

bool module_optimise(LlvmModule *m, int opt, const char **why)
{
    if (opt <= 0)
        return true;
    double since = cost_now();
    LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
    LLVMErrorRef error = LLVMRunPasses(m->module, PIPELINE, m->target.machine, options);
    LLVMDisposePassBuilderOptions(options);
    m->cost.optimise += cost_now() - since;
    if (!error)
        return true;
    char *text = LLVMGetErrorMessage(error);
    *why = arena_printf(m->arena, "LLVM's passes: %s", text);
    LLVMDisposeErrorMessage(text);
    return false;
}
