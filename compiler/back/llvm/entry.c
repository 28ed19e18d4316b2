/* Entry points: the calls of their kernels in order, under the symbols and C signatures that back/c's
 * header declares, and wrappers of the one signature nnr_entry_fn. A run of calls becomes a function of one
 * lane, which gets the entry point's parameters through a struct and is handed to the runtime's threads. */
#include "back/llvm/lower.h"

#include <string.h>

/* The parameters of the entry function; NULL: it has none of that kind. */
typedef struct {
    LLVMValueRef *all, weights, slots, arena, context[3];
    int n, first_in, first_out;
    LLVMValueRef chunk, own; /* in a run: the number of the chunk, the lane's memory */
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

static Ports find_ports(const LEntry *e, const BackEntryUse *use, LLVMValueRef *all)
{
    Ports p = { .all = all };
    if (use->weights)
        p.weights = all[p.n++];
    if (use->slots)
        p.slots = all[p.n++];
    p.first_in = p.n;
    p.first_out = p.n + e->n_in;
    p.n += e->n_in + e->n_out;
    if (use->arena)
        p.arena = all[p.n++];
    const bool wanted[3] = { use->seed, use->step, use->epoch };
    for (int i = 0; i < 3; i++)
        if (wanted[i])
            p.context[i] = all[p.n++];
    return p;
}

static LLVMValueRef at_offset(Lower *g, LLVMValueRef base, int64_t offset)
{
    LLVMValueRef i = low_int(g, offset);
    return offset ? LLVMBuildInBoundsGEP2(g->b, g->i8, base, &i, 1, "") : base;
}

static LLVMValueRef at_chunk(Lower *g, const Ports *p, LLVMValueRef base, int64_t step)
{
    if (!step)
        return base;
    LLVMValueRef i = LLVMBuildNSWMul(g->b, p->chunk, low_int(g, step), "");
    return LLVMBuildInBoundsGEP2(g->b, g->i8, base, &i, 1, "");
}

static LLVMValueRef argument(Lower *g, const Ports *p, const LRef *ref)
{
    switch (ref->kind) {
    case LR_VAR: {
        const LGlobal *v = &g->program->globals[ref->index];
        return at_offset(g, v->kind == NNR_SLOT ? p->slots : p->weights, v->offset);
    }
    case LR_INPUT: return at_chunk(g, p, p->all[p->first_in + ref->index], ref->step);
    case LR_OUTPUT: return at_chunk(g, p, p->all[p->first_out + ref->index], ref->step);
    case LR_LANE: return at_offset(g, p->own, ref->offset);
    case LR_ARENA: break;
    }
    return at_chunk(g, p, at_offset(g, p->arena, ref->offset), ref->step);
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

/* ---- runs ---- */

/* for (chunk = lane; chunk < chunks; chunk += lanes) { calls } */
static void add_chunks(Lower *g, Ports *p, const LEntry *e, const LRun *r, LLVMValueRef lane, const int *callee,
                       LLVMValueRef *kernels)
{
    LLVMBasicBlockRef before = LLVMGetInsertBlock(g->b);
    LLVMValueRef fn = LLVMGetBasicBlockParent(before);
    LLVMBasicBlockRef loop = LLVMAppendBasicBlockInContext(g->context, fn, "chunk");
    LLVMBasicBlockRef done = LLVMAppendBasicBlockInContext(g->context, fn, "done");
    LLVMValueRef start = LLVMBuildNSWMul(g->b, lane, low_int(g, r->lane_bytes), "");
    start = LLVMBuildNSWAdd(g->b, start, low_int(g, r->offset), "");
    p->own = p->arena ? LLVMBuildInBoundsGEP2(g->b, g->i8, p->arena, &start, 1, "own") : NULL;
    LLVMBuildBr(g->b, loop); /* every lane has a chunk */
    LLVMPositionBuilderAtEnd(g->b, loop);
    p->chunk = LLVMBuildPhi(g->b, g->i64, "chunk");
    for (int i = r->first; i < r->first + r->count; i++)
        add_call(g, p, &e->calls.data[i], kernels[callee[i]]);
    LLVMValueRef next = LLVMBuildNSWAdd(g->b, p->chunk, low_int(g, r->lanes), ""), from[2] = { lane, next };
    LLVMBasicBlockRef blocks[2] = { before, LLVMGetInsertBlock(g->b) };
    LLVMAddIncoming(p->chunk, from, blocks, 2);
    LLVMBuildCondBr(g->b, LLVMBuildICmp(g->b, LLVMIntSLT, next, low_int(g, r->chunks), ""), loop, done);
    LLVMPositionBuilderAtEnd(g->b, done);
}

/* void name.runN(struct *parameters, i64 lane) */
static LLVMValueRef make_lane(Lower *g, const Ports *outside, LLVMTypeRef pack, const char *name, const LEntry *e,
                              const BackEntryUse *use, const LRun *r, const int *callee, LLVMValueRef *kernels)
{
    LLVMValueRef fn = low_function(g, name, g->body_type, false);
    LLVMBasicBlockRef at = LLVMGetInsertBlock(g->b);
    LLVMMetadataRef scope = g->frame.scope;
    LLVMPositionBuilderAtEnd(g->b, LLVMAppendBasicBlockInContext(g->context, fn, ""));
    debug_function(g, fn, name, name, (Loc){ 0 }, false);
    LLVMValueRef *all = ARENA_ARRAY(g->arena, LLVMValueRef, outside->n + 1);
    for (int i = 0; i < outside->n; i++) {
        LLVMValueRef place = LLVMBuildStructGEP2(g->b, pack, LLVMGetParam(fn, 0), (unsigned)i, "");
        all[i] = LLVMBuildLoad2(g->b, LLVMTypeOf(outside->all[i]), place, "");
    }
    Ports inside = find_ports(e, use, all);
    add_chunks(g, &inside, e, r, LLVMGetParam(fn, 1), callee, kernels);
    LLVMBuildRetVoid(g->b);
    g->frame.scope = scope;
    LLVMPositionBuilderAtEnd(g->b, at);
    return fn;
}

/* Probes want to see one value after another: then the lanes follow one another. */
static void add_run(Lower *g, const Ports *p, const LEntry *e, const BackEntryUse *use, const LRun *r,
                    const int *callee, LLVMValueRef *kernels)
{
    const char *name = arena_printf(g->arena, "%s.run%d", back_entry_name(g->arena, g->program, e), r->first);
    LLVMTypeRef *types = ARENA_ARRAY(g->arena, LLVMTypeRef, p->n + 1);
    for (int i = 0; i < p->n; i++)
        types[i] = LLVMTypeOf(p->all[i]);
    LLVMTypeRef pack = LLVMStructTypeInContext(g->context, types, (unsigned)p->n, false);
    LLVMValueRef space = LLVMBuildAlloca(g->b, pack, "parameters");
    for (int i = 0; i < p->n; i++)
        LLVMBuildStore(g->b, p->all[i], LLVMBuildStructGEP2(g->b, pack, space, (unsigned)i, ""));
    LLVMValueRef lane = make_lane(g, p, pack, name, e, use, r, callee, kernels);
    debug_place(g, e->calls.data[r->first].func->loc);
    if (!g->options->probe || !g->in_process) {
        low_parallel_call(g, lane, space, low_int(g, r->lanes));
        return;
    }
    for (int64_t l = 0; l < r->lanes; l++) {
        LLVMValueRef args[2] = { space, low_int(g, l) };
        LLVMBuildCall2(g->b, g->body_type, lane, args, 2, "");
    }
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

/* Ends the program where what the entry reads is not prepared. */
static void add_check(Lower *g, const LEntry *e, const Ports *p)
{
    int flag = back_entry_flag(g->program, e);
    if (flag < 0)
        return;
    LLVMValueRef fn = LLVMGetBasicBlockParent(LLVMGetInsertBlock(g->b));
    LLVMBasicBlockRef stop = LLVMAppendBasicBlockInContext(g->context, fn, "");
    LLVMBasicBlockRef go = LLVMAppendBasicBlockInContext(g->context, fn, "");
    LLVMValueRef at = at_offset(g, p->weights, g->program->globals[flag].offset);
    LLVMValueRef is = LLVMBuildLoad2(g->b, g->i32, at, "");
    LLVMBuildCondBr(g->b, LLVMBuildICmp(g->b, LLVMIntNE, is, LLVMConstNull(g->i32), ""), go, stop);
    LLVMPositionBuilderAtEnd(g->b, stop);
    low_intrinsic(g, "llvm.trap", NULL, 0, NULL, 0);
    LLVMBuildUnreachable(g->b);
    LLVMPositionBuilderAtEnd(g->b, go);
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
    LLVMValueRef *all = ARENA_ARRAY(g->arena, LLVMValueRef, LLVMCountParams(fn) + 1);
    LLVMGetParams(fn, all);
    Ports ports = find_ports(e, &use, all);
    add_check(g, e, &ports);
    const int *callee = g->plan->callee[entry];
    for (int i = 0; i < e->calls.len; i++) {
        const LRun *run = lentry_run(e, i);
        if (!run)
            add_call(g, &ports, &e->calls.data[i], kernels[callee[i]]);
        else if (i == run->first)
            add_run(g, &ports, e, &use, run, callee, kernels);
    }
    LLVMBuildRetVoid(g->b);
    if (g->options->wrappers || g->in_process || g->options->program_table)
        add_wrapper(g, e, &use, fn);
}
