/* What the files of the LLVM back end share. Not for others. */
#ifndef NNC_BACK_LLVM_LOWER_H
#define NNC_BACK_LLVM_LOWER_H
#include "back/llvm/llvm.h"
#include <llvm-c/Core.h>
#include <llvm-c/DebugInfo.h>
#include <llvm-c/TargetMachine.h>

/* What is to be made of a program (plan.c). Arrays by the function's or entry's index in the program. */
typedef struct {
    const LProgram *program;
    bool *entry;      /* wanted */
    bool *needed;     /* called by a wanted entry */
    int *same;        /* the function that stands for this one: itself, or one before it */
    int *part;        /* the module that a function is made in; entries are in module 0 */
    int **callee;     /* by entry and call: the function */
    bool **unaligned; /* by function and parameter: not always at a multiple of NNR_ALIGN */
    int n_parts;
} Plan;
Plan plan_make(Arena *arena, const LProgram *program, const LlvmOptions *options, int max_parts);

/* The function being made. Everything is by the loop IR's ids; a parallel body has arrays of its own. */
typedef struct {
    LLVMValueRef fn;
    LLVMBasicBlockRef entry;     /* holds the stack slots; its branch to the code comes last */
    LLVMValueRef *value;         /* variables: their value, */
    LLVMValueRef *slot;          /* or where a mutable one stands */
    LLVMValueRef *buf;
    int64_t *factor;             /* the variable is a multiple of it (0: not known) */
    LLVMMetadataRef scope;       /* DISubprogram, with debug information */
    bool parallel;               /* inside a parallel loop's body */
} Frame;

typedef struct {
    Arena *arena;
    const LProgram *program;
    const Plan *plan;
    const LlvmOptions *options;
    LLVMContextRef context;
    LLVMModuleRef module;
    LLVMBuilderRef b, slots;     /* slots: at the end of the frame's entry block */
    LLVMTypeRef void_, ptr, i1, i8, i32, i64, f32, f64;
    LLVMTypeRef parallel_type, body_type;
    LLVMValueRef parallel;       /* what runs a parallel loop, once one was met */
    LLVMMetadataRef loop_facts[2]; /* of loop metadata: no vectoriser, no unroller */
    bool in_process;             /* for the JIT: the runtime is there, addresses may be constants */
    const char *cpu, *features;
    LLVMDIBuilderRef di;
    LLVMMetadataRef di_unit;
    const LFunc *func;
    BackUses uses;
    int *align;                  /* of the buffers, in bytes, by id */
    Frame frame;
    int n_bodies, n_tables;      /* names of the function's parts */
} Lower;

/* module.c */
LLVMTypeRef low_type(const Lower *g, LType type);          /* as a value */
LLVMTypeRef low_memory_type(const Lower *g, LType type);   /* bool is i8 */
LLVMValueRef low_int(const Lower *g, int64_t value);       /* i64 */
LLVMValueRef low_intrinsic(Lower *g, const char *name, LLVMTypeRef *overloads, int n, LLVMValueRef *args, int n_args);
LLVMValueRef low_function(Lower *g, const char *name, LLVMTypeRef type, bool exported);
void low_attribute(const Lower *g, LLVMValueRef fn, unsigned at, const char *name, uint64_t value);
void low_buffer_attributes(Lower *g, LLVMValueRef fn, unsigned param, const LBuf *buf);
/* Opens a function's frame: entry block, builder positions. low_close puts the entry's branch. */
void low_open(Lower *g, LLVMValueRef fn);
void low_close(Lower *g);
LLVMValueRef low_string(Lower *g, const char *text);
LLVMValueRef low_address(const Lower *g, const void *p); /* a constant pointer, in process only */

/* expr.c */
LLVMValueRef low_expr(Lower *g, const LExpr *e);
void low_store(Lower *g, const LStmt *s);
void low_prefetch(Lower *g, const LStmt *s);
int64_t low_factor(const Lower *g, const LExpr *e); /* e is a multiple of it; 0 for the constant 0 */
int64_t low_gcd(int64_t a, int64_t b);
LLVMValueRef low_table(Lower *g, const LBuf *b);    /* a constant table */

/* stmt.c */
void low_block(Lower *g, const LBlock *block);
LLVMValueRef low_trips(Lower *g, const LStmt *s, LLVMValueRef lo, LLVMValueRef hi);
void low_loop_facts(Lower *g, LLVMValueRef branch);

/* parallel.c */
void low_parallel(Lower *g, const LStmt *s);
/* task(captures, i) for i in [0, n), on the runtime's threads. */
void low_parallel_call(Lower *g, LLVMValueRef task, LLVMValueRef captures, LLVMValueRef n);

/* entry.c */
void low_entry(Lower *g, int entry, LLVMValueRef *kernels /* by function */);

/* table.c */
void low_program_table(Lower *g);

/* debug.c: nothing without options->debug */
void debug_open(Lower *g);
void debug_function(Lower *g, LLVMValueRef fn, const char *name, const char *linkage, Loc loc, bool exported);
void debug_place(Lower *g, Loc loc);
void debug_close(Lower *g);

/* ---- one module on its way (module.c, pipeline.c) ---- */

typedef struct {
    LLVMTargetMachineRef machine;
    const char *triple, *cpu, *features, *abi;
} Target;
/* target.c */
bool target_open(Arena *arena, const LlvmOptions *options, bool pic, Target *out, const char **why);

struct LlvmModule {
    Arena *arena;
    LLVMContextRef context;
    LLVMModuleRef module;
    Target target;
    LlvmCost cost;
    char *fault; /* what LLVM's diagnostic handler said first */
    bool lost;   /* LLVM gave up in the middle of it */
};
/* Lowers what the plan has in that part, verifies, optimises. The arena is this module's alone while it works. */
LlvmModule *module_make(Arena *arena, const Plan *plan, int part, const LlvmOptions *options, bool in_process,
                        const char **why);
/* Machine code of a kind into a buffer that the caller disposes of. */
LLVMMemoryBufferRef module_generate(LlvmModule *m, bool assembly, const char **why);
bool module_optimise(LlvmModule *m, int opt, const char **why);
/* rescue.c: runs work(argument); false with *why when LLVM declared a fatal error in it. */
bool rescue_run(Arena *arena, void (*work)(void *), void *argument, const char **why);
double cost_now(void); /* processor seconds of this thread */
/* An LLVM message as text of ours. */
char *take_message(Arena *arena, char *message);

#endif
