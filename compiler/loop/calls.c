/* Kernel calls as entry points: so that a program can be run a kernel at a time, for timing, by whatever
 * back end compiled it. */
#include "loop/loop.h"

void lentry_add_call(const LProgram *p, LEntry *e, LCall call)
{
    e->uses_ctx |= call.func->uses_ctx;
    for (int i = 0; i < call.func->params.len; i++) {
        if (call.args[i].kind != LR_VAR)
            continue;
        bool slot = p->globals[call.args[i].index].kind == NNR_SLOT;
        e->uses_slots |= slot;
        e->writes_weights |= !slot && call.func->params.data[i]->role != LB_IN;
    }
    VEC_PUSH(p->arena, &e->calls, call);
}

const char *lentry_eval(const LProgram *p, const LEntry *e, void *weights, void *slots, void *const *in,
                        void *const *out, void *memory, const nnr_ctx *ctx, Arena *arena)
{
    for (int first = 0, n; first < e->calls.len; first += n) {
        const LRun *run = lentry_run(e, first);
        n = run ? run->count : 1;
        for (int64_t chunk = 0; chunk < (run ? run->chunks : 1); chunk++)
            for (int c = first; c < first + n; c++) {
                const LCall *call = &e->calls.data[c];
                void **buffers = ARENA_ARRAY(arena, void *, call->func->params.len + 1);
                for (int i = 0; i < call->func->params.len; i++) {
                    const LRef *r = &call->args[i];
                    const LGlobal *g = r->kind == LR_VAR ? &p->globals[r->index] : NULL;
                    int64_t lane = r->kind == LR_LANE ? run->offset + chunk % run->lanes * run->lane_bytes : 0;
                    char *base = g                        ? (char *)(g->kind == NNR_SLOT ? slots : weights) + g->offset
                                 : r->kind == LR_INPUT  ? in[r->index]
                                 : r->kind == LR_OUTPUT ? out[r->index]
                                                        : (char *)memory + r->offset + lane;
                    buffers[i] = base + chunk * r->step;
                }
                const char *fault = lfunc_eval(call->func, buffers, ctx, arena);
                if (fault)
                    return arena_printf(arena, "%s: %s", call->func->name, fault);
            }
    }
    return NULL;
}

LEntry *lentry_without_calls(Arena *arena, const LEntry *e)
{
    LEntry *copy = ARENA_NEW(arena, LEntry);
    *copy = *e;
    copy->calls.data = NULL;
    copy->calls.len = copy->calls.cap = 0;
    copy->runs.data = NULL;
    copy->runs.len = copy->runs.cap = 0;
    copy->uses_ctx = copy->uses_slots = copy->writes_weights = false;
    return copy;
}

const LRun *lentry_run(const LEntry *e, int call)
{
    for (int i = 0; i < e->runs.len; i++)
        if (call >= e->runs.data[i].first && call < e->runs.data[i].first + e->runs.data[i].count)
            return &e->runs.data[i];
    return NULL;
}

void lentry_take_call(const LProgram *p, LEntry *e, const LEntry *from, int k)
{
    const LRun *run = lentry_run(from, k);
    if (run) {
        LRun one = *run;
        one.first = e->calls.len;
        one.count = 1;
        VEC_PUSH(p->arena, &e->runs, one);
    }
    lentry_add_call(p, e, from->calls.data[k]);
}

const char *lentry_verify(const LEntry *e, Arena *arena)
{
    int next = 0;
    for (int i = 0; i < e->runs.len; i++) {
        const LRun *r = &e->runs.data[i];
        if (r->first < next || r->count < 1 || r->first > e->calls.len - r->count)
            return arena_printf(arena, "run %d: calls %d to %d", i, r->first, r->first + r->count - 1);
        if (r->chunks < 1 || r->lanes < 1 || r->lanes > r->chunks)
            return arena_printf(arena, "run %d: %lld chunks in %lld lanes", i, (long long)r->chunks, (long long)r->lanes);
        if (r->offset < 0 || r->lane_bytes < 0 || r->lane_bytes > (e->arena_bytes - r->offset) / r->lanes)
            return arena_printf(arena, "run %d: its lanes do not fit into the arena", i);
        next = r->first + r->count;
    }
    for (int c = 0; c < e->calls.len; c++) {
        const LRun *r = lentry_run(e, c);
        for (int k = 0; k < e->calls.data[c].func->params.len; k++) {
            const LRef *a = &e->calls.data[c].args[k];
            if (!r && (a->kind == LR_LANE || a->step))
                return arena_printf(arena, "call %d: an argument of a chunk outside of any run", c);
            if (a->step < 0 || (a->kind == LR_LANE && (a->step || a->offset < 0 || a->offset >= r->lane_bytes)))
                return arena_printf(arena, "call %d: argument %d lies outside of its lane", c, k);
        }
    }
    return NULL;
}

static void make_serial(LBlock *b)
{
    for (int i = 0; i < b->len; i++) {
        LStmt *s = b->data[i];
        if (s->kind == LS_FOR && s->for_kind == LF_PARALLEL)
            s->for_kind = LF_SERIAL;
        make_serial(&s->body);
        make_serial(&s->other);
    }
}

void lfunc_make_serial(LFunc *f) { make_serial(&f->body); }

void loop_split_calls(LProgram *p)
{
    int n = p->entries.len;
    for (int i = 0; i < n; i++) {
        const LEntry *whole = p->entries.data[i];
        for (int k = 0; k < whole->calls.len; k++) {
            LEntry *e = lentry_without_calls(p->arena, whole);
            e->name = arena_printf(p->arena, "%s call %d", whole->name, k);
            e->c_name = arena_printf(p->arena, "%s__call_%d", whole->c_name, k);
            lentry_take_call(p, e, whole, k);
            VEC_PUSH(p->arena, &p->entries, e);
        }
    }
}
