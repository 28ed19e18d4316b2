/* Kernel calls as entry points: so that a program can be run a kernel at a time, for timing, by whatever
 * back end compiled it. */
#include "loop/loop.h"

static void note_use(const LProgram *p, LEntry *e, const LCall *call)
{
    e->uses_ctx = call->func->uses_ctx;
    for (int i = 0; i < call->func->params.len; i++) {
        if (call->args[i].kind != LR_VAR)
            continue;
        bool slot = p->globals[call->args[i].index].kind == NNR_SLOT;
        e->uses_slots |= slot;
        e->writes_weights |= !slot && call->func->params.data[i]->role != LB_IN;
    }
}

void loop_split_calls(LProgram *p)
{
    int n = p->entries.len;
    for (int i = 0; i < n; i++) {
        const LEntry *whole = p->entries.data[i];
        for (int k = 0; k < whole->calls.len; k++) {
            LEntry *e = ARENA_NEW(p->arena, LEntry);
            *e = *whole;
            e->name = arena_printf(p->arena, "%s call %d", whole->name, k);
            e->c_name = arena_printf(p->arena, "%s__call_%d", whole->c_name, k);
            e->calls.data = NULL;
            e->calls.len = e->calls.cap = 0;
            e->uses_slots = e->writes_weights = false;
            note_use(p, e, &whole->calls.data[k]);
            VEC_PUSH(p->arena, &e->calls, whole->calls.data[k]);
            VEC_PUSH(p->arena, &p->entries, e);
        }
    }
}
