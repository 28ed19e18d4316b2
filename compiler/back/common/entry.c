/* What an entry point takes and writes, and the table that tells a driver of all of them. */
#include "back/common/common.h"

int64_t back_info_count(const nnr_info *info)
{
    int64_t n = 1;
    for (int i = 0; i < info->rank; i++)
        n *= info->dims[i];
    return n;
}

static void add_context(BackEntryUse *use, const LFunc *f)
{
    Arena *arena = arena_new();
    const int *var = back_count_uses(arena, f).var;
    use->seed |= f->seed && var[f->seed->id];
    use->step |= f->step && var[f->step->id];
    use->epoch |= f->epoch && var[f->epoch->id];
    arena_free(arena);
}

BackEntryUse back_entry_use(const LProgram *program, const LEntry *e)
{
    BackEntryUse use = { .arena = e->kind == NNR_PREPARE }; /* whatever it needs, it is called alike */
    for (int i = 0; i < e->calls.len; i++) {
        const LCall *call = &e->calls.data[i];
        const LFunc *f = call->func;
        for (int k = 0; k < f->params.len; k++) {
            if (call->args[k].kind == LR_VAR) {
                bool slot = program->globals[call->args[k].index].kind == NNR_SLOT;
                use.slots |= slot;
                use.weights |= !slot;
            }
            use.arena |= call->args[k].kind == LR_ARENA || call->args[k].kind == LR_LANE;
        }
        if (f->uses_ctx)
            add_context(&use, f);
    }
    return use;
}

int back_entry_flag(const LProgram *program, const LEntry *e)
{
    bool reads = false;
    for (int i = 0; i < e->calls.len && e->kind != NNR_PREPARE; i++) {
        const LCall *call = &e->calls.data[i];
        for (int k = 0; k < call->func->params.len; k++) {
            const LRef *r = &call->args[k];
            reads = reads || (r->kind == LR_VAR && call->func->params.data[k]->role == LB_IN &&
                              program->globals[r->index].kind == NNR_PREPARED);
        }
    }
    for (int i = 0; i < program->n_globals && reads; i++)
        if (program->globals[i].kind == NNR_PREPARED && program->globals[i].info.dtype == NNR_I32)
            return i;
    return -1;
}

const LEntry *back_prepare_entry(const LProgram *program)
{
    for (int i = 0; i < program->entries.len; i++)
        if (program->entries.data[i]->kind == NNR_PREPARE)
            return program->entries.data[i];
    return NULL;
}

bool back_entry_writes(const LProgram *program, const LEntry *e, bool slots)
{
    for (int i = 0; i < e->calls.len; i++) {
        const LCall *call = &e->calls.data[i];
        for (int k = 0; k < call->func->params.len; k++) {
            const LRef *r = &call->args[k];
            if (r->kind == LR_VAR && call->func->params.data[k]->role != LB_IN &&
                (program->globals[r->index].kind == NNR_SLOT) == slots)
                return true;
        }
    }
    return false;
}

BackPlace back_place(const LFunc *f)
{
    return (BackPlace){ f->path ? f->path : f->name, f->loc.file ? f->loc.file : "", f->loc.line };
}

bool back_is_result(const LFunc *f, int param)
{
    const LBuf *b = f->params.data[param];
    bool scratch = f->scratch_bytes > 0 && param == f->params.len - 1;
    return !scratch && b->role != LB_IN && b->kind == LK_F32;
}

nnr_program *back_program_table(Arena *arena, const LProgram *p, const nnr_train *trains, int n_trains)
{
    nnr_var *vars = ARENA_ARRAY(arena, nnr_var, p->n_globals + 1);
    for (int i = 0; i < p->n_globals; i++) {
        const LGlobal *g = &p->globals[i];
        vars[i] = (nnr_var){ g->info, g->kind, (size_t)g->offset, g->layout };
    }
    nnr_entry *entries = ARENA_ARRAY(arena, nnr_entry, p->entries.len + 1);
    for (int i = 0; i < p->entries.len; i++) {
        const LEntry *e = p->entries.data[i];
        entries[i] = (nnr_entry){ .name = e->name, .train = e->train, .kind = e->kind, .batch = e->batch,
                                  .n_in = e->n_in, .n_out = e->n_out, .in = e->in, .out = e->out,
                                  .arena_bytes = (size_t)e->arena_bytes };
    }
    nnr_program *table = ARENA_NEW(arena, nnr_program);
    *table = (nnr_program){ .name = p->name, .vars = vars, .n_vars = p->n_globals,
                            .weights_bytes = (size_t)p->weights_bytes, .slots_bytes = (size_t)p->slots_bytes,
                            .entries = entries, .n_entries = p->entries.len,
                            .trains = trains, .n_trains = n_trains };
    return table;
}
