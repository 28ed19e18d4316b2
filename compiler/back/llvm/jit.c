/* Compiling into this process: modules become objects in memory as files would, on several threads at
 * once; ORC's LLJIT links them. */
#include "back/llvm/lower.h"
#include "runtime/nnr.h"

#include <llvm-c/Error.h>
#include <llvm-c/LLJIT.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

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

/* ---- modules, each by a thread ---- */

typedef struct {
    const Plan *plan;
    const LlvmOptions *options;
    int part;
    Arena *arena;
    const char *why;
    LlvmCost cost;
    LLVMMemoryBufferRef code; /* NULL: why */
} Job;

static void make_code(void *argument)
{
    Job *job = argument;
    LlvmModule *m = module_make(job->arena, job->plan, job->part, job->options, true, &job->why);
    if (m) {
        job->code = module_generate(m, false, &job->why);
        job->cost = m->cost;
    }
    back_llvm_dispose(m);
}

static void *run_job(void *argument)
{
    Job *job = argument;
    rescue_run(job->arena, make_code, job, &job->why);
    return NULL;
}

/* The last part on this thread, and those for which no thread can be had. */
static void run_jobs(Job *jobs, int n)
{
    enum { MAX = 64 };
    pthread_t threads[MAX];
    int started = 0;
    while (started < n - 1 && started < MAX && pthread_create(&threads[started], NULL, run_job, &jobs[started]) == 0)
        started++;
    for (int i = started; i < n; i++)
        run_job(&jobs[i]);
    for (int i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
}

static bool add_modules(LlvmJit *j, const Plan *plan, const LlvmOptions *options, const char **why)
{
    Job *jobs = ARENA_ARRAY(j->arena, Job, plan->n_parts);
    for (int i = 0; i < plan->n_parts; i++)
        jobs[i] = (Job){ .plan = plan, .options = options, .part = i, .arena = arena_new() };
    run_jobs(jobs, plan->n_parts);
    bool good = true;
    for (int i = 0; i < plan->n_parts; i++) {
        Job *job = &jobs[i];
        j->cost.lower += job->cost.lower;
        j->cost.optimise += job->cost.optimise;
        j->cost.generate += job->cost.generate;
        j->cost.code_bytes += job->cost.code_bytes;
        if (good && !job->code)
            *why = arena_strdup(j->arena, job->why);
        if (good && job->code)
            good = worked(j->arena, LLVMOrcLLJITAddObjectFile(j->jit, LLVMOrcLLJITGetMainJITDylib(j->jit), job->code), why);
        else if (job->code)
            LLVMDisposeMemoryBuffer(job->code);
        good = good && job->code;
        arena_free(job->arena);
    }
    return good;
}

/* The table with the wanted entries only. */
static bool find_entries(LlvmJit *j, const Plan *plan, const char **why)
{
    nnr_entry *entries = ARENA_ARRAY(j->arena, nnr_entry, j->table->n_entries + 1);
    int n = 0;
    for (int i = 0; i < j->table->n_entries; i++) {
        LLVMOrcExecutorAddress at = 0;
        if (!plan->entry[i])
            continue;
        const char *name = back_wrapper_name(j->arena, j->program, j->program->entries.data[i]);
        if (!worked(j->arena, LLVMOrcLLJITLookup(j->jit, &at, name), why))
            return false;
        entries[n] = j->table->entries[i];
        void *p = (void *)(uintptr_t)at;
        memcpy(&entries[n++].run, &p, sizeof p); /* object to function pointer, the POSIX way */
    }
    j->table->entries = entries;
    j->table->n_entries = n;
    return true;
}

static int job_limit(const LlvmOptions *o)
{
    long cores = o->jobs > 0 ? o->jobs : sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 1 ? 1 : cores > 16 ? 16 : (int)cores;
}

static double wall_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

LlvmJit *back_llvm_jit(Arena *arena, const LProgram *program, const LlvmOptions *options, const char **why)
{
    if (!back_llvm_target_check(arena, options->triple, options->cpu, options->features, why))
        return NULL;
    double since = wall_now();
    LlvmJit *j = ARENA_NEW(arena, LlvmJit);
    j->arena = arena;
    j->program = program;
    j->table = back_program_table(arena, program, options->trains, options->n_trains);
    Plan plan = plan_make(arena, program, options, job_limit(options));
    Target target;
    if (!target_open(arena, options, false, &target, why)) /* registers the targets, which LLJIT needs */
        return NULL;
    LLVMDisposeTargetMachine(target.machine);
    bool good = worked(arena, LLVMOrcCreateLLJIT(&j->jit, NULL), why) && add_process_symbols(j, why) &&
                add_modules(j, &plan, options, why) && find_entries(j, &plan, why);
    j->cost.wall = wall_now() - since;
    j->cost.modules = plan.n_parts;
    if (good)
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
