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

LEntry *lentry_without_calls(Arena *arena, const LEntry *e)
{
    LEntry *copy = ARENA_NEW(arena, LEntry);
    *copy = *e;
    copy->calls.data = NULL;
    copy->calls.len = copy->calls.cap = 0;
    copy->uses_ctx = copy->uses_slots = copy->writes_weights = false;
    return copy;
}

void loop_split_calls(LProgram *p)
{
    int n = p->entries.len;
    for (int i = 0; i < n; i++) {
        const LEntry *whole = p->entries.data[i];
        for (int k = 0; k < whole->calls.len; k++) {
            LEntry *e = lentry_without_calls(p->arena, whole);
            e->name = arena_printf(p->arena, "%s call %d", whole->name, k);
            e->c_name = arena_printf(p->arena, "%s__call_%d", whole->c_name, k);
            lentry_add_call(p, e, whole->calls.data[k]);
            VEC_PUSH(p->arena, &p->entries, e);
        }
    }
}
