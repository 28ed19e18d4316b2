/* Entry points: the calls of their kernels in order, under the symbols and C signatures that back/c's
 * header declares, and wrappers of the one signature nnr_entry_fn. */
#include "back/llvm/lower.h"

#include <string.h>

/* Where the parameters of the entry function are; NULL: it has none of that kind. */
typedef struct {
    LLVMValueRef fn, weights, slots, arena, context[3];
    int first_in, first_out;
} Ports;

static LLVMTypeRef entry_type(const Lower *g, const LEntry *e, const BackEntryUse *use)
{
    LLVMTypeRef *t = ARENA_ARRAY(g->arena, LLVMTypeRef, e->n_in + e->n_out + 6);
    int n = 0, pointers = use->weights + use->slots + e->n_in + e->n_out + use->arena;
    while (n < pointers)
        t[n++] = g->ptr;
    if (use->seed)
        t[n++] = g->i64;
    if (use->step)
        t[n++] = g->i64;
    if (use->epoch)
        t[n++] = g->i32;
    return LLVMFunctionType(g->void_, t, (unsigned)n, false);
}

static Ports find_ports(const LEntry *e, const BackEntryUse *use, LLVMValueRef fn)
{
    Ports p = { .fn = fn };
    unsigned n = 0;
    if (use->weights)
        p.weights = LLVMGetParam(fn, n++);
    if (use->slots)
        p.slots = LLVMGetParam(fn, n++);
    p.first_in = (int)n;
    p.first_out = (int)n + e->n_in;
    n += (unsigned)(e->n_in + e->n_out);
    if (use->arena)
        p.arena = LLVMGetParam(fn, n++);
    const bool wanted[3] = { use->seed, use->step, use->epoch };
    for (int i = 0; i < 3; i++)
        if (wanted[i])
            p.context[i] = LLVMGetParam(fn, n++);
    return p;
}

static LLVMValueRef at_offset(Lower *g, LLVMValueRef base, int64_t offset)
{
    LLVMValueRef i = low_int(g, offset);
    return offset ? LLVMBuildInBoundsGEP2(g->b, g->i8, base, &i, 1, "") : base;
}

static LLVMValueRef argument(Lower *g, const Ports *p, const LRef *ref)
{
    switch (ref->kind) {
    case LR_VAR: {
        const LGlobal *v = &g->program->globals[ref->index];
        return at_offset(g, v->kind == NNR_SLOT ? p->slots : p->weights, v->offset);
    }
    case LR_INPUT: return LLVMGetParam(p->fn, (unsigned)(p->first_in + ref->index));
    case LR_OUTPUT: return LLVMGetParam(p->fn, (unsigned)(p->first_out + ref->index));
    case LR_ARENA: break;
    }
    return at_offset(g, p->arena, ref->offset);
}

static void add_probes(Lower *g, const LFunc *f, LLVMValueRef *args)
{
    LLVMTypeRef t[7] = { g->ptr, g->ptr, g->ptr, g->i32, g->ptr, g->i64, g->ptr };
    LLVMTypeRef type = LLVMFunctionType(g->void_, t, 7, false);
    void *target;
    memcpy(&target, &g->options->probe, sizeof target); /* function to object pointer, the POSIX way */
    BackPlace at = back_place(f);
    for (int i = 0; i < f->params.len; i++) {
        if (!back_is_result(f, i))
            continue;
        LLVMValueRef a[7] = { low_address(g, g->options->probe_user), low_address(g, at.layer), low_address(g, at.file),
                              LLVMConstInt(g->i32, (unsigned long long)at.line, false), args[i],
                              low_int(g, f->params.data[i]->count), low_address(g, "f32") };
        LLVMBuildCall2(g->b, type, low_address(g, target), a, 7, "");
    }
}

static void add_call(Lower *g, const Ports *p, const LCall *call, LLVMValueRef kernel)
{
    const LFunc *f = call->func;
    LLVMValueRef *args = ARENA_ARRAY(g->arena, LLVMValueRef, f->params.len + 3);
    int n = 0;
    for (; n < f->params.len; n++)
        args[n] = argument(g, p, &call->args[n]);
    for (int i = 0; f->uses_ctx && i < 3; i++)
        args[n++] = p->context[i] ? p->context[i] : LLVMConstNull(i < 2 ? g->i64 : g->i32);
    debug_place(g, f->loc);
    LLVMBuildCall2(g->b, LLVMGlobalGetValueType(kernel), kernel, args, (unsigned)n, "");
    if (g->options->probe && g->in_process)
        add_probes(g, f, args);
}

/* NAME_run_ENTRY(weights, slots, in, out, arena, ctx) */
static void add_wrapper(Lower *g, const LEntry *e, const BackEntryUse *use, LLVMValueRef entry)
{
    LLVMTypeRef t[6] = { g->ptr, g->ptr, g->ptr, g->ptr, g->ptr, g->ptr };
    LLVMTypeRef context[3] = { g->i64, g->i64, g->i32 }; /* nnr_ctx begins with these */
    LLVMTypeRef ctx = LLVMStructTypeInContext(g->context, context, 3, false);
    const char *name = back_wrapper_name(g->arena, g->program, e);
    LLVMValueRef fn = low_function(g, name, LLVMFunctionType(g->void_, t, 6, false), true);
    LLVMPositionBuilderAtEnd(g->b, LLVMAppendBasicBlockInContext(g->context, fn, ""));
    debug_function(g, fn, name, name, (Loc){ 0 }, true);
    LLVMValueRef *args = ARENA_ARRAY(g->arena, LLVMValueRef, e->n_in + e->n_out + 6);
    int n = 0;
    if (use->weights)
        args[n++] = LLVMGetParam(fn, 0);
    if (use->slots)
        args[n++] = LLVMGetParam(fn, 1);
    for (int i = 0; i < e->n_in + e->n_out; i++) {
        bool in = i < e->n_in;
        LLVMValueRef k = low_int(g, in ? i : i - e->n_in);
        LLVMValueRef at = LLVMBuildInBoundsGEP2(g->b, g->ptr, LLVMGetParam(fn, in ? 2 : 3), &k, 1, "");
        args[n++] = LLVMBuildLoad2(g->b, g->ptr, at, "");
    }
    if (use->arena)
        args[n++] = LLVMGetParam(fn, 4);
    const bool wanted[3] = { use->seed, use->step, use->epoch };
    for (unsigned i = 0; i < 3; i++)
        if (wanted[i])
            args[n++] = LLVMBuildLoad2(g->b, context[i], LLVMBuildStructGEP2(g->b, ctx, LLVMGetParam(fn, 5), i, ""), "");
    LLVMBuildCall2(g->b, LLVMGlobalGetValueType(entry), entry, args, (unsigned)n, "");
    LLVMBuildRetVoid(g->b);
}

void low_entry(Lower *g, int entry, LLVMValueRef *kernels)
{
    const LEntry *e = g->program->entries.data[entry];
    BackEntryUse use = back_entry_use(g->program, e);
    const char *name = back_entry_name(g->arena, g->program, e);
    LLVMValueRef fn = low_function(g, name, entry_type(g, e, &use), true);
    g->func = NULL;
    LLVMPositionBuilderAtEnd(g->b, LLVMAppendBasicBlockInContext(g->context, fn, ""));
    debug_function(g, fn, name, name, (Loc){ 0 }, true);
    Ports ports = find_ports(e, &use, fn);
    for (int i = 0; i < e->calls.len; i++)
        add_call(g, &ports, &e->calls.data[i], kernels[g->plan->callee[entry][i]]);
    LLVMBuildRetVoid(g->b);
    if (g->options->wrappers || g->in_process || g->options->program_table)
        add_wrapper(g, e, &use, fn);
}
