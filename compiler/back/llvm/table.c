/* The program table of runtime/nnr.h as a constant of the object, field for field (the layouts of all
 * 64-bit targets agree), and a main that hands it to the runtime. */
#include "back/llvm/lower.h"

#include <string.h>

typedef struct {
    Lower *g;
    LLVMTypeRef info, source, data, layout, var, entry, train, program;
} Types;

static LLVMTypeRef structure(Lower *g, LLVMTypeRef *fields, unsigned n)
{
    return LLVMStructTypeInContext(g->context, fields, n, false);
}
#define STRUCT(g, ...)                                                                                       \
    structure((g), (LLVMTypeRef[]){ __VA_ARGS__ }, sizeof((LLVMTypeRef[]){ __VA_ARGS__ }) / sizeof(LLVMTypeRef))

static Types make_types(Lower *g)
{
    LLVMTypeRef p = g->ptr, i = g->i32, l = g->i64, d = g->f64, b = g->i8;
    Types t = { .g = g };
    t.info = STRUCT(g, p, i, i, LLVMArrayType2(l, NNR_MAX_RANK));
    t.source = STRUCT(g, i, p, p, i, p, i, p, i, l, l, d, d);
    t.data = STRUCT(g, t.info, t.source, t.source);
    t.layout = STRUCT(g, i, LLVMArrayType2(i, NNR_MAX_RANK), LLVMArrayType2(l, NNR_MAX_RANK), LLVMArrayType2(l, NNR_MAX_RANK));
    t.var = STRUCT(g, t.info, i, l, t.layout);
    t.entry = STRUCT(g, p, p, i, l, i, i, p, p, l, p);
    t.train = STRUCT(g, p, l, l, p, i, b, d, p, i, l, p, i, p, p, i);
    t.program = STRUCT(g, p, p, i, l, l, p, i, p, i);
    return t;
}

/* ---- values ---- */

static LLVMValueRef whole(const Types *t, int64_t v) { return LLVMConstInt(t->g->i32, (unsigned long long)v, true); }
static LLVMValueRef real(const Types *t, double v) { return LLVMConstReal(t->g->f64, v); }
static LLVMValueRef text(const Types *t, const char *s) { return s ? low_string(t->g, s) : LLVMConstNull(t->g->ptr); }

static LLVMValueRef record(const Types *t, LLVMValueRef *fields, unsigned n)
{
    return LLVMConstStructInContext(t->g->context, fields, n, false);
}
#define RECORD(t, ...)                                                                                       \
    record((t), (LLVMValueRef[]){ __VA_ARGS__ }, sizeof((LLVMValueRef[]){ __VA_ARGS__ }) / sizeof(LLVMValueRef))

/* A constant array of its own; its address, or NULL for none. */
static LLVMValueRef array(const Types *t, LLVMTypeRef type, LLVMValueRef *v, int n)
{
    if (!n)
        return LLVMConstNull(t->g->ptr);
    LLVMValueRef data = LLVMConstArray2(type, v, (uint64_t)n);
    LLVMValueRef at = LLVMAddGlobal(t->g->module, LLVMTypeOf(data), "table");
    LLVMSetInitializer(at, data);
    LLVMSetGlobalConstant(at, true);
    LLVMSetLinkage(at, LLVMPrivateLinkage);
    return at;
}

static LLVMValueRef *values(const Types *t, int n) { return ARENA_ARRAY(t->g->arena, LLVMValueRef, n + 1); }

static LLVMValueRef texts(const Types *t, const char *const *s, int n)
{
    LLVMValueRef *v = values(t, n);
    for (int i = 0; i < n; i++)
        v[i] = text(t, s[i]);
    return array(t, t->g->ptr, v, n);
}

static LLVMValueRef info(const Types *t, const nnr_info *x)
{
    LLVMValueRef dims[NNR_MAX_RANK];
    for (int i = 0; i < NNR_MAX_RANK; i++)
        dims[i] = low_int(t->g, i < x->rank ? x->dims[i] : 0);
    return RECORD(t, text(t, x->name), whole(t, x->dtype), whole(t, x->rank),
                  LLVMConstArray2(t->g->i64, dims, NNR_MAX_RANK));
}

static LLVMValueRef infos(const Types *t, const nnr_info *x, int n)
{
    LLVMValueRef *v = values(t, n);
    for (int i = 0; i < n; i++)
        v[i] = info(t, &x[i]);
    return array(t, t->info, v, n);
}

static LLVMValueRef source(const Types *t, const nnr_source *s)
{
    return RECORD(t, whole(t, s->reader), text(t, s->file), texts(t, s->columns, s->n_columns), whole(t, s->n_columns),
                  texts(t, s->classes, s->n_classes), whole(t, s->n_classes), text(t, s->separator), whole(t, s->header),
                  low_int(t->g, s->shift), low_int(t->g, s->stride), real(t, s->first), real(t, s->last));
}

static LLVMValueRef train(const Types *t, const nnr_train *x)
{
    LLVMValueRef *data = values(t, x->n_data);
    for (int i = 0; i < x->n_data; i++) {
        const nnr_data *d = &x->data[i];
        bool held = x->has_validation && x->split == 0;
        nnr_source none = { .first = 0, .last = 1 };
        data[i] = RECORD(t, info(t, &d->info), source(t, &d->train), source(t, held ? &d->valid : &none));
    }
    return RECORD(t, text(t, x->name), low_int(t->g, x->batch), low_int(t->g, x->epochs),
                  array(t, t->data, data, x->n_data), whole(t, x->n_data), LLVMConstInt(t->g->i8, x->has_validation, false),
                  real(t, x->split), texts(t, x->metrics, x->n_metrics), whole(t, x->n_metrics), low_int(t->g, x->patience),
                  texts(t, x->steps, x->n_steps), whole(t, x->n_steps), text(t, x->eval),
                  text(t, x->finish), whole(t, x->n_totals));
}

static LLVMValueRef layout(const Types *t, const nnr_layout *x)
{
    LLVMValueRef axis[NNR_MAX_RANK], dims[NNR_MAX_RANK], step[NNR_MAX_RANK];
    for (int i = 0; i < NNR_MAX_RANK; i++) {
        axis[i] = whole(t, x->axis[i]);
        dims[i] = low_int(t->g, x->dims[i]);
        step[i] = low_int(t->g, x->step[i]);
    }
    return RECORD(t, whole(t, x->rank), LLVMConstArray2(t->g->i32, axis, NNR_MAX_RANK),
                  LLVMConstArray2(t->g->i64, dims, NNR_MAX_RANK), LLVMConstArray2(t->g->i64, step, NNR_MAX_RANK));
}

static LLVMValueRef all_vars(const Types *t, const nnr_program *p)
{
    LLVMValueRef *v = values(t, p->n_vars);
    for (int i = 0; i < p->n_vars; i++)
        v[i] = RECORD(t, info(t, &p->vars[i].info), whole(t, p->vars[i].kind), low_int(t->g, (int64_t)p->vars[i].offset),
                      layout(t, &p->vars[i].layout));
    return array(t, t->var, v, p->n_vars);
}

static LLVMValueRef all_entries(const Types *t, const nnr_program *p)
{
    Lower *g = t->g;
    LLVMValueRef *v = values(t, p->n_entries);
    for (int i = 0; i < p->n_entries; i++) {
        const nnr_entry *e = &p->entries[i];
        LLVMValueRef run = LLVMGetNamedFunction(g->module, back_wrapper_name(g->arena, g->program, g->program->entries.data[i]));
        v[i] = RECORD(t, text(t, e->name), text(t, e->train), whole(t, e->kind), low_int(g, e->batch), whole(t, e->n_in),
                      whole(t, e->n_out), infos(t, e->in, e->n_in), infos(t, e->out, e->n_out),
                      low_int(g, (int64_t)e->arena_bytes), run);
    }
    return array(t, t->entry, v, p->n_entries);
}

static void add_main(Lower *g, LLVMValueRef table)
{
    LLVMTypeRef main_params[2] = { g->i32, g->ptr }, run_params[3] = { g->ptr, g->i32, g->ptr };
    LLVMTypeRef run_type = LLVMFunctionType(g->i32, run_params, 3, false);
    LLVMValueRef run = LLVMAddFunction(g->module, "nnr_main", run_type);
    LLVMValueRef fn = low_function(g, "main", LLVMFunctionType(g->i32, main_params, 2, false), true);
    LLVMPositionBuilderAtEnd(g->b, LLVMAppendBasicBlockInContext(g->context, fn, ""));
    debug_function(g, fn, "main", "main", (Loc){ 0 }, true);
    LLVMValueRef args[3] = { table, LLVMGetParam(fn, 0), LLVMGetParam(fn, 1) };
    LLVMBuildRet(g->b, LLVMBuildCall2(g->b, run_type, run, args, 3, ""));
}

void low_program_table(Lower *g)
{
    const LlvmOptions *o = g->options;
    const nnr_program *p = back_program_table(g->arena, g->program, o->trains, o->n_trains);
    Types t = make_types(g);
    LLVMValueRef *trains = values(&t, p->n_trains);
    for (int i = 0; i < p->n_trains; i++)
        trains[i] = train(&t, &p->trains[i]);
    LLVMValueRef v = RECORD(&t, text(&t, p->name), all_vars(&t, p), whole(&t, p->n_vars),
                            low_int(g, (int64_t)p->weights_bytes), low_int(g, (int64_t)p->slots_bytes), all_entries(&t, p),
                            whole(&t, p->n_entries), array(&t, t.train, trains, p->n_trains), whole(&t, p->n_trains));
    LLVMValueRef table = LLVMAddGlobal(g->module, t.program, arena_printf(g->arena, "%s_program", g->program->c_name));
    LLVMSetInitializer(table, v);
    LLVMSetGlobalConstant(table, true);
    add_main(g, table);
}
