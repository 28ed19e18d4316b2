/* Programs as LLVM modules: types, functions with what is known of their parameters, and the walk over
 * kernels and entry points. */
#include "back/llvm/lower.h"
#include "loop/expr.h"

#include <llvm-c/Analysis.h>
#include <string.h>

/* ---- types and small parts ---- */

static LLVMTypeRef scalar_type(const Lower *g, LKind kind)
{
    switch (kind) {
    case LK_F32: return g->f32;
    case LK_F64: return g->f64;
    case LK_I32:
    case LK_U32: return g->i32;
    case LK_I64:
    case LK_U64: return g->i64;
    case LK_BOOL: break;
    }
    return g->i1;
}

LLVMTypeRef low_type(const Lower *g, LType type)
{
    LLVMTypeRef t = scalar_type(g, (LKind)type.kind);
    return type.lanes == 1 ? t : LLVMVectorType(t, type.lanes);
}

LLVMTypeRef low_memory_type(const Lower *g, LType type)
{
    LLVMTypeRef t = type.kind == LK_BOOL ? g->i8 : scalar_type(g, (LKind)type.kind);
    return type.lanes == 1 ? t : LLVMVectorType(t, type.lanes);
}

LLVMValueRef low_int(const Lower *g, int64_t value) { return LLVMConstInt(g->i64, (unsigned long long)value, true); }

LLVMValueRef low_intrinsic(Lower *g, const char *name, LLVMTypeRef *overloads, int n, LLVMValueRef *args, int n_args)
{
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    LLVMValueRef fn = LLVMGetIntrinsicDeclaration(g->module, id, overloads, (size_t)n);
    return LLVMBuildCall2(g->b, LLVMGlobalGetValueType(fn), fn, args, (unsigned)n_args, "");
}

LLVMValueRef low_string(Lower *g, const char *text)
{
    LLVMValueRef data = LLVMConstStringInContext2(g->context, text, strlen(text), false);
    LLVMValueRef v = LLVMAddGlobal(g->module, LLVMTypeOf(data), "text");
    LLVMSetInitializer(v, data);
    LLVMSetGlobalConstant(v, true);
    LLVMSetLinkage(v, LLVMPrivateLinkage);
    LLVMSetUnnamedAddress(v, LLVMGlobalUnnamedAddr);
    return v;
}

LLVMValueRef low_address(const Lower *g, const void *p)
{
    return LLVMConstIntToPtr(LLVMConstInt(g->i64, (unsigned long long)(uintptr_t)p, false), g->ptr);
}

/* ---- functions ---- */

static const unsigned WHOLE = (unsigned)LLVMAttributeFunctionIndex;

void low_attribute(const Lower *g, LLVMValueRef fn, unsigned at, const char *name, uint64_t value)
{
    unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
    LLVMAddAttributeAtIndex(fn, at, LLVMCreateEnumAttribute(g->context, kind, value));
}

static void text_attribute(const Lower *g, LLVMValueRef fn, const char *name, const char *value)
{
    LLVMAttributeRef a = LLVMCreateStringAttribute(g->context, name, (unsigned)strlen(name), value, (unsigned)strlen(value));
    LLVMAddAttributeAtIndex(fn, WHOLE, a);
}

LLVMValueRef low_function(Lower *g, const char *name, LLVMTypeRef type, bool exported)
{
    LLVMValueRef fn = LLVMAddFunction(g->module, name, type);
    LLVMSetLinkage(fn, exported ? LLVMExternalLinkage : LLVMInternalLinkage);
    low_attribute(g, fn, WHOLE, "nounwind", 0);
    if (g->options->debug)
        low_attribute(g, fn, WHOLE, "uwtable", 2);
    text_attribute(g, fn, "target-cpu", g->cpu);
    text_attribute(g, fn, "target-features", g->features);
    return fn;
}

void low_buffer_attributes(Lower *g, LLVMValueRef fn, unsigned param, const LBuf *buf)
{
    unsigned at = param + 1;
    low_attribute(g, fn, at, "noundef", 0);
    low_attribute(g, fn, at, "nonnull", 0);
    low_attribute(g, fn, at, "nocapture", 0);
    low_attribute(g, fn, at, "align", (uint64_t)g->align[buf->id]);
    if (buf->count > 0)
        low_attribute(g, fn, at, "dereferenceable", (uint64_t)(buf->count * lkind_bytes(buf->kind)));
    if (buf->noalias || buf->role == LB_LOCAL)
        low_attribute(g, fn, at, "noalias", 0);
    if (buf->role == LB_IN || buf->data)
        low_attribute(g, fn, at, "readonly", 0);
}

void low_open(Lower *g, LLVMValueRef fn)
{
    int vars = g->func->n_vars + 1, bufs = g->func->n_bufs + 1;
    g->frame = (Frame){ .fn = fn };
    g->frame.value = ARENA_ARRAY(g->arena, LLVMValueRef, vars);
    g->frame.slot = ARENA_ARRAY(g->arena, LLVMValueRef, vars);
    g->frame.buf = ARENA_ARRAY(g->arena, LLVMValueRef, bufs);
    g->frame.factor = ARENA_ARRAY(g->arena, int64_t, vars);
    for (int i = 0; i < vars; i++)
        g->frame.factor[i] = 1;
    g->frame.entry = LLVMAppendBasicBlockInContext(g->context, fn, "entry");
    LLVMPositionBuilderAtEnd(g->slots, g->frame.entry);
    LLVMPositionBuilderAtEnd(g->b, LLVMAppendBasicBlockInContext(g->context, fn, "start"));
}

void low_close(Lower *g)
{
    LLVMPositionBuilderAtEnd(g->slots, g->frame.entry);
    LLVMBuildBr(g->slots, LLVMGetNextBasicBlock(g->frame.entry));
}

/* A kernel takes its buffers, then seed, step and epoch when it uses the context. */
static LLVMTypeRef kernel_type(const Lower *g, const LFunc *f)
{
    LLVMTypeRef *t = ARENA_ARRAY(g->arena, LLVMTypeRef, f->params.len + 3);
    int n = 0;
    while (n < f->params.len)
        t[n++] = g->ptr;
    if (f->uses_ctx)
        t[n++] = g->i64, t[n++] = g->i64, t[n++] = g->i32;
    return LLVMFunctionType(g->void_, t, (unsigned)n, false);
}

static void lower_kernel(Lower *g, int index, LLVMValueRef fn)
{
    const LFunc *f = g->func = g->program->funcs.data[index];
    g->uses = back_count_uses(g->arena, f);
    g->n_bodies = g->n_tables = 0;
    g->align = ARENA_ARRAY(g->arena, int, f->n_bufs + 1);
    for (int i = 0; i < f->params.len; i++) {
        const LBuf *b = f->params.data[i];
        g->align[b->id] = g->plan->unaligned[index][i] ? lkind_bytes(b->kind) : NNR_ALIGN;
    }
    low_open(g, fn);
    debug_function(g, fn, f->path ? f->path : f->name, f->name, f->loc, false);
    for (int i = 0; i < f->params.len; i++) {
        const LBuf *b = f->params.data[i];
        g->frame.buf[b->id] = LLVMGetParam(fn, (unsigned)i);
        LLVMSetValueName2(g->frame.buf[b->id], b->name, strlen(b->name));
        low_buffer_attributes(g, fn, (unsigned)i, b);
    }
    const LVar *const context[] = { f->seed, f->step, f->epoch };
    for (int i = 0; f->uses_ctx && i < 3; i++)
        g->frame.value[context[i]->id] = LLVMGetParam(fn, (unsigned)(f->params.len + i));
    low_block(g, &f->body);
    LLVMBuildRetVoid(g->b);
    low_close(g);
}

/* ---- the module ---- */

static void set_types(Lower *g)
{
    LLVMContextRef c = g->context;
    g->void_ = LLVMVoidTypeInContext(c);
    g->ptr = LLVMPointerTypeInContext(c, 0);
    g->i1 = LLVMInt1TypeInContext(c);
    g->i8 = LLVMInt8TypeInContext(c);
    g->i32 = LLVMInt32TypeInContext(c);
    g->i64 = LLVMInt64TypeInContext(c);
    g->f32 = LLVMFloatTypeInContext(c);
    g->f64 = LLVMDoubleTypeInContext(c);
    LLVMTypeRef body[2] = { g->ptr, g->i64 }, parallel[3] = { g->ptr, g->ptr, g->i64 };
    g->body_type = LLVMFunctionType(g->void_, body, 2, false);
    g->parallel_type = LLVMFunctionType(g->void_, parallel, 3, false);
}

/* Kernels of one module are its own; between modules they are shared under names that no entry has. */
static LLVMValueRef declare_kernel(Lower *g, const LFunc *f)
{
    bool shared = g->plan->n_parts > 1;
    const char *name = back_kernel_name(g->arena, f);
    LLVMValueRef fn = low_function(g, shared ? arena_printf(g->arena, "%s.kernel", name) : name, kernel_type(g, f), shared);
    if (shared)
        LLVMSetVisibility(fn, LLVMHiddenVisibility);
    return fn;
}

static void lower_part(Lower *g, int part)
{
    const LProgram *p = g->program;
    const Plan *plan = g->plan;
    LLVMValueRef *kernels = ARENA_ARRAY(g->arena, LLVMValueRef, p->funcs.len + 1);
    for (int i = 0; i < p->funcs.len; i++) {
        bool mine = plan->part[plan->same[i]] == part;
        if (!plan->needed[i] || (!mine && part != 0))
            continue;
        bool first = plan->same[i] == i;
        kernels[i] = first ? declare_kernel(g, p->funcs.data[i]) : kernels[plan->same[i]];
        if (first && mine)
            lower_kernel(g, i, kernels[i]);
    }
    for (int i = 0; part == 0 && i < p->entries.len; i++)
        if (plan->entry[i])
            low_entry(g, i, kernels);
    if (part == 0 && g->options->program_table)
        low_program_table(g);
}

static void on_diagnostic(LLVMDiagnosticInfoRef info, void *user)
{
    LlvmModule *m = user;
    char *text = LLVMGetDiagInfoDescription(info);
    if (!m->fault && LLVMGetDiagInfoSeverity(info) == LLVMDSError)
        m->fault = arena_strdup(m->arena, text);
    LLVMDisposeMessage(text);
}

static bool verify(LlvmModule *m, const char **why)
{
    char *text = NULL;
    bool broken = LLVMVerifyModule(m->module, LLVMReturnStatusAction, &text);
    if (broken)
        *why = arena_printf(m->arena, "the LLVM back end made a module that does not verify: %.600s\n"
                                      "note: this is a fault in nnc; please report it with the .nn file", text);
    LLVMDisposeMessage(text);
    return !broken;
}

LlvmModule *module_make(Arena *arena, const Plan *plan, int part, const LlvmOptions *options, bool in_process,
                        const char **why)
{
    const LProgram *program = plan->program;
    LlvmModule *m = ARENA_NEW(arena, LlvmModule);
    m->arena = arena;
    if (!target_open(arena, options, !in_process, &m->target, why))
        return NULL;
    double since = cost_now();
    m->context = LLVMContextCreate();
    LLVMContextSetDiscardValueNames(m->context, !options->names);
    LLVMContextSetDiagnosticHandler(m->context, on_diagnostic, m);
    m->module = LLVMModuleCreateWithNameInContext(program->name, m->context);
    LLVMSetTarget(m->module, m->target.triple);
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(m->target.machine);
    LLVMSetModuleDataLayout(m->module, layout);
    LLVMDisposeTargetData(layout);
    Lower g = { .arena = arena, .program = program, .plan = plan, .options = options, .context = m->context, .module = m->module,
                .in_process = in_process, .cpu = m->target.cpu, .features = m->target.features };
    g.b = LLVMCreateBuilderInContext(m->context);
    g.slots = LLVMCreateBuilderInContext(m->context);
    set_types(&g);
    if (*m->target.abi)
        LLVMAddModuleFlag(m->module, LLVMModuleFlagBehaviorError, "target-abi", 10,
                          LLVMMDStringInContext2(m->context, m->target.abi, strlen(m->target.abi)));
    debug_open(&g);
    lower_part(&g, part);
    debug_close(&g);
    LLVMDisposeBuilder(g.b);
    LLVMDisposeBuilder(g.slots);
    bool good = verify(m, why);
    m->cost.lower += cost_now() - since;
    if (good && module_optimise(m, options->opt, why))
        return m;
    back_llvm_dispose(m);
    return NULL;
}

void back_llvm_dispose(LlvmModule *m)
{
    if (!m || m->lost)
        return;
    LLVMDisposeModule(m->module);
    LLVMContextDispose(m->context);
    LLVMDisposeTargetMachine(m->target.machine);
}

LlvmCost back_llvm_cost(const LlvmModule *m) { return m->cost; }
