/* A parallel loop: its body becomes a function of what it reads from outside and of the iteration, with
 * the facts (noalias, sizes) that the kernel's own parameters have; a second function unpacks these
 * from a struct on the caller's stack, which is what nnr_parallel_for hands to every thread.
 *
 * In an object nnr_parallel_for is a weak reference: linked without the runtime, the same iterations run
 * one after the other, with the same results. */
#include "back/llvm/lower.h"

#include <string.h>

typedef struct {
    const LVar *var; /* or */
    const LBuf *buf;
} Capture;

typedef struct {
    Arena *arena;
    bool *var_seen, *buf_seen; /* captured or defined within */
    Vec(Capture) list;
} Captures;

static void capture_buf(Captures *c, const LBuf *buf)
{
    if (c->buf_seen[buf->id])
        return;
    c->buf_seen[buf->id] = true;
    VEC_PUSH(c->arena, &c->list, (Capture){ .buf = buf });
}

static void capture_expr(Captures *c, const LExpr *e)
{
    if (!e)
        return;
    if (e->op == LX_VAR && !c->var_seen[e->var->id]) {
        c->var_seen[e->var->id] = true;
        VEC_PUSH(c->arena, &c->list, (Capture){ .var = e->var });
    }
    if (e->op == LX_LOAD)
        capture_buf(c, e->buf);
    capture_expr(c, e->a);
    capture_expr(c, e->b);
    capture_expr(c, e->c);
}

/* Definitions come before uses, so one walk tells what is from outside. */
static void capture_block(Captures *c, const LBlock *block, const BackUses *uses)
{
    for (int i = 0; i < block->len; i++) {
        const LStmt *s = block->data[i];
        if (s->kind == LS_LET && !uses->var[s->var->id])
            continue;
        capture_expr(c, s->index);
        capture_expr(c, s->value);
        capture_expr(c, s->limit);
        capture_expr(c, s->lo);
        capture_expr(c, s->hi);
        if (s->kind == LS_STORE || s->kind == LS_PREFETCH)
            capture_buf(c, s->buf);
        if (s->kind == LS_LOCAL)
            c->buf_seen[s->buf->id] = true;
        if (s->kind == LS_LET || s->kind == LS_VAR || s->kind == LS_FOR)
            c->var_seen[s->var->id] = true;
        capture_block(c, &s->body, uses);
        capture_block(c, &s->other, uses);
    }
}

static Captures gather(Lower *g, const LStmt *s)
{
    Captures c = { .arena = g->arena };
    c.var_seen = ARENA_ARRAY(g->arena, bool, g->func->n_vars + 1);
    c.buf_seen = ARENA_ARRAY(g->arena, bool, g->func->n_bufs + 1);
    capture_expr(&c, s->lo);
    c.var_seen[s->var->id] = true;
    capture_block(&c, &s->body, &g->uses);
    return c;
}

static LLVMTypeRef capture_type(const Lower *g, const Capture *c) { return c->var ? low_type(g, c->var->type) : g->ptr; }

/* The body for one iteration: captured values, then its number. */
static LLVMValueRef make_body(Lower *g, const LStmt *s, const Captures *c, const char *name)
{
    int n = c->list.len;
    LLVMTypeRef *types = ARENA_ARRAY(g->arena, LLVMTypeRef, n + 1);
    for (int i = 0; i < n; i++)
        types[i] = capture_type(g, &c->list.data[i]);
    types[n] = g->i64;
    LLVMValueRef fn = low_function(g, name, LLVMFunctionType(g->void_, types, (unsigned)n + 1, false), false);
    Frame outside = g->frame;
    LLVMBasicBlockRef at = LLVMGetInsertBlock(g->b);
    low_open(g, fn);
    g->frame.parallel = true;
    debug_function(g, fn, name, name, g->func->loc, false);
    for (int i = 0; i < n; i++) {
        const Capture *k = &c->list.data[i];
        LLVMValueRef v = LLVMGetParam(fn, (unsigned)i);
        if (k->var) {
            g->frame.value[k->var->id] = v;
            g->frame.factor[k->var->id] = k->var->mutable_ ? 1 : outside.factor[k->var->id];
        } else {
            g->frame.buf[k->buf->id] = v;
            low_buffer_attributes(g, fn, (unsigned)i, k->buf);
        }
    }
    LLVMValueRef t = LLVMBuildNSWMul(g->b, LLVMGetParam(fn, (unsigned)n), low_int(g, s->step), "");
    g->frame.value[s->var->id] = LLVMBuildNSWAdd(g->b, low_expr(g, s->lo), t, s->var->name);
    g->frame.factor[s->var->id] = low_gcd(low_factor(g, s->lo), s->step);
    low_block(g, &s->body);
    LLVMBuildRetVoid(g->b);
    low_close(g);
    g->frame = outside;
    LLVMPositionBuilderAtEnd(g->slots, outside.entry);
    LLVMPositionBuilderAtEnd(g->b, at);
    debug_place(g, g->func->loc);
    return fn;
}

/* void name.task(struct *captures, i64 iteration): unpacks and calls the body. */
static LLVMValueRef make_task(Lower *g, const Captures *c, LLVMTypeRef pack, LLVMValueRef body, const char *name)
{
    LLVMValueRef fn = low_function(g, name, g->body_type, false);
    LLVMBasicBlockRef at = LLVMGetInsertBlock(g->b);
    LLVMMetadataRef scope = g->frame.scope;
    LLVMPositionBuilderAtEnd(g->b, LLVMAppendBasicBlockInContext(g->context, fn, ""));
    debug_function(g, fn, name, name, g->func->loc, false);
    LLVMValueRef *args = ARENA_ARRAY(g->arena, LLVMValueRef, c->list.len + 1);
    for (int i = 0; i < c->list.len; i++) {
        LLVMValueRef p = LLVMBuildStructGEP2(g->b, pack, LLVMGetParam(fn, 0), (unsigned)i, "");
        args[i] = LLVMBuildLoad2(g->b, capture_type(g, &c->list.data[i]), p, "");
    }
    args[c->list.len] = LLVMGetParam(fn, 1);
    LLVMBuildCall2(g->b, LLVMGlobalGetValueType(body), body, args, (unsigned)c->list.len + 1, "");
    LLVMBuildRetVoid(g->b);
    g->frame.scope = scope;
    LLVMPositionBuilderAtEnd(g->b, at);
    debug_place(g, g->func->loc);
    return fn;
}

/* ---- what runs the tasks ---- */

/* void parallel(task, captures, n): nnr_parallel_for where it is linked, else a loop. */
static LLVMValueRef make_fallback(Lower *g, LLVMValueRef runtime)
{
    LLVMValueRef fn = low_function(g, "nnc_parallel", g->parallel_type, false);
    LLVMBasicBlockRef at = LLVMGetInsertBlock(g->b);
    LLVMMetadataRef scope = g->frame.scope;
    LLVMValueRef task = LLVMGetParam(fn, 0), pack = LLVMGetParam(fn, 1), n = LLVMGetParam(fn, 2);
    LLVMBasicBlockRef start = LLVMAppendBasicBlockInContext(g->context, fn, "");
    LLVMBasicBlockRef threads = LLVMAppendBasicBlockInContext(g->context, fn, "threads");
    LLVMBasicBlockRef test = LLVMAppendBasicBlockInContext(g->context, fn, "test");
    LLVMBasicBlockRef loop = LLVMAppendBasicBlockInContext(g->context, fn, "loop");
    LLVMBasicBlockRef done = LLVMAppendBasicBlockInContext(g->context, fn, "done");
    LLVMPositionBuilderAtEnd(g->b, start);
    debug_function(g, fn, "nnc_parallel", "nnc_parallel", (Loc){ 0 }, false);
    LLVMBuildCondBr(g->b, LLVMBuildIsNotNull(g->b, runtime, ""), threads, test);
    LLVMPositionBuilderAtEnd(g->b, threads);
    LLVMValueRef args[3] = { task, pack, n };
    LLVMBuildCall2(g->b, g->parallel_type, runtime, args, 3, "");
    LLVMBuildRetVoid(g->b);
    LLVMPositionBuilderAtEnd(g->b, test);
    LLVMBuildCondBr(g->b, LLVMBuildICmp(g->b, LLVMIntSGT, n, low_int(g, 0), ""), loop, done);
    LLVMPositionBuilderAtEnd(g->b, loop);
    LLVMValueRef i = LLVMBuildPhi(g->b, g->i64, "i");
    LLVMValueRef one[2] = { pack, i };
    LLVMBuildCall2(g->b, g->body_type, task, one, 2, "");
    LLVMValueRef next = LLVMBuildNSWAdd(g->b, i, low_int(g, 1), "");
    LLVMBuildCondBr(g->b, LLVMBuildICmp(g->b, LLVMIntSLT, next, n, ""), loop, done);
    LLVMValueRef from[2] = { low_int(g, 0), next };
    LLVMBasicBlockRef blocks[2] = { test, loop };
    LLVMAddIncoming(i, from, blocks, 2);
    LLVMPositionBuilderAtEnd(g->b, done);
    LLVMBuildRetVoid(g->b);
    g->frame.scope = scope;
    LLVMPositionBuilderAtEnd(g->b, at);
    return fn;
}

static LLVMValueRef parallel_runner(Lower *g)
{
    if (!g->parallel && g->in_process) {
        void *p;
        memcpy(&p, &g->options->parallel_for, sizeof p); /* function to object pointer, the POSIX way */
        g->parallel = low_address(g, p);
    } else if (!g->parallel) {
        LLVMValueRef runtime = LLVMAddFunction(g->module, "nnr_parallel_for", g->parallel_type);
        LLVMSetLinkage(runtime, LLVMExternalWeakLinkage);
        g->parallel = make_fallback(g, runtime);
    }
    return g->parallel;
}

void low_parallel_call(Lower *g, LLVMValueRef task, LLVMValueRef captures, LLVMValueRef n)
{
    LLVMMetadataRef place = LLVMGetCurrentDebugLocation2(g->b);
    LLVMValueRef args[3] = { task, captures, n }, runner = parallel_runner(g);
    LLVMSetCurrentDebugLocation2(g->b, place); /* the runner may just have been written, with places of its own */
    LLVMBuildCall2(g->b, g->parallel_type, runner, args, 3, "");
}

void low_parallel(Lower *g, const LStmt *s)
{
    Captures c = gather(g, s);
    const char *name = arena_printf(g->arena, "%s.body%d", back_kernel_name(g->arena, g->func), g->n_bodies++);
    int n = c.list.len;
    LLVMTypeRef *types = ARENA_ARRAY(g->arena, LLVMTypeRef, n + 1);
    for (int i = 0; i < n; i++)
        types[i] = capture_type(g, &c.list.data[i]);
    LLVMTypeRef pack = LLVMStructTypeInContext(g->context, types, (unsigned)n, false);
    LLVMValueRef space = LLVMBuildAlloca(g->slots, pack, "captures");
    for (int i = 0; i < n; i++) {
        const Capture *k = &c.list.data[i];
        LExpr read = { .op = LX_VAR, .type = k->var ? k->var->type : (LType){ 0 }, .var = k->var };
        LLVMValueRef v = k->var ? low_expr(g, &read) : g->frame.buf[k->buf->id];
        LLVMBuildStore(g->b, v, LLVMBuildStructGEP2(g->b, pack, space, (unsigned)i, ""));
    }
    LLVMValueRef lo = low_expr(g, s->lo), hi = low_expr(g, s->hi);
    LLVMValueRef trips = low_trips(g, s, lo, hi);
    LLVMValueRef body = make_body(g, s, &c, name);
    LLVMValueRef task = make_task(g, &c, pack, body, arena_printf(g->arena, "%s.task", name));
    debug_place(g, g->func->loc);
    low_parallel_call(g, task, space, trips);
}
