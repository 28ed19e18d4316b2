/* assemble: the last step before a back end. Every kernel of every entry point becomes a loop function,
 * the arenas are planned with the scratch sizes that lowering asked for, and each entry point becomes a
 * list of calls whose arguments are places in the weights, slots, inputs, outputs or the arena.
 *
 * Requires: graphs fused and ordered. Establishes: an LProgram that names no node; equal functions of
 * several entry points are one; LBuf.noalias where no call lets a written buffer overlap another. */
#include "graph/layout.h"
#include "loop/cores.h"
#include "ops/lower.h"
#include "passes/chunks.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>

_Static_assert((int)NNR_F32 == DT_F32 && (int)NNR_I32 == DT_I32 && (int)NNR_BOOL == DT_BOOL, "same order");
_Static_assert((int)NNR_PARAM == VAR_PARAM && (int)NNR_STATE == VAR_STATE && (int)NNR_SLOT == VAR_SLOT &&
                   (int)NNR_PREPARED == VAR_PREPARED,
               "same order");
_Static_assert((int)NNR_INIT == GRAPH_INIT && (int)NNR_INFER == GRAPH_INFER &&
                   (int)NNR_STEP == GRAPH_STEP && (int)NNR_EVAL == GRAPH_EVAL &&
                   (int)NNR_PREPARE == GRAPH_PREPARE,
               "same order");

/* A kernel of the entry at hand, lowered; in a run, as one chunk has it. */
typedef struct {
    LFunc *func;
    struct LowerBuf *bufs;
    int n_bufs;
    const KernelRun *run; /* or NULL */
} Lowered;

/* A function already in the program, by the hash of its text without the name. */
typedef struct {
    uint64_t hash;
    const char *text;
    LFunc *func;
} Known;

/* A kernel that makes ready what others read, and the variable that it fills. */
typedef struct {
    LCall call;
    int global;
} Ready;

typedef struct {
    Arena *arena;
    Module *module;
    const LTarget *target;
    LProgram *program;
    Vec(Known) known;
    Vec(Ready) ready;
    int cap_globals;
    bool no_prepare;
    Why *why;
} Assembly;

/* ---- names ---- */

static char *identifier(Arena *arena, const char *name)
{
    Text t = { .arena = arena };
    if (isdigit((unsigned char)name[0]) || !name[0])
        text_add(&t, "_");
    for (const char *c = name; *c; c++) {
        char s[2] = { isalnum((unsigned char)*c) ? *c : '_', 0 };
        text_add(&t, s);
    }
    return t.data;
}

static bool func_taken(const LProgram *p, const char *name)
{
    for (int i = 0; i < p->funcs.len; i++)
        if (!strcmp(p->funcs.data[i]->name, name))
            return true;
    return false;
}

static bool entry_taken(const LProgram *p, const char *c_name)
{
    for (int i = 0; i < p->entries.len; i++)
        if (!strcmp(p->entries.data[i]->c_name, c_name))
            return true;
    return false;
}

/* "mlp", and "mlp_b1" for the same entry with another batch. */
static const char *entry_c_name(const Assembly *as, const Graph *g)
{
    char *name = identifier(as->arena, g->name), *base = name;
    if (entry_taken(as->program, name) && g->batch)
        name = base = arena_printf(as->arena, "%s_b%lld", base, (long long)g->batch);
    for (int i = 2; entry_taken(as->program, name); i++)
        name = arena_printf(as->arena, "%s_%d", base, i);
    return name;
}

/* ---- variables ---- */

static nnr_info info_of(const char *name, const Type *type)
{
    nnr_info info = { .name = name, .dtype = (nnr_dtype)type->dtype, .rank = type->rank };
    for (int d = 0; d < type->rank; d++)
        info.dims[d] = type->dim[d];
    return info;
}

static int64_t aligned(int64_t bytes) { return (bytes + NNR_ALIGN - 1) / NNR_ALIGN * NNR_ALIGN; }

static bool global_named(const LProgram *p, const char *name)
{
    for (int i = 0; i < p->n_globals; i++)
        if (!strcmp(p->globals[i].info.name, name))
            return true;
    return false;
}

static const char *global_c_name(const Assembly *as, const char *name, int n)
{
    char *base = identifier(as->arena, name), *unique = base;
    for (int i = 0, suffix = 2; i < n; i++) {
        if (strcmp(as->program->globals[i].c_name, unique) != 0)
            continue;
        unique = arena_printf(as->arena, "%s_%d", base, suffix++);
        i = -1;
    }
    return unique;
}

static LGlobal *add_global(Assembly *as, const char *name, VarKind kind, const Type *declared, const Type *stored)
{
    LProgram *p = as->program;
    int64_t *block = kind == VAR_SLOT ? &p->slots_bytes : &p->weights_bytes;
    if (p->n_globals == as->cap_globals)
        p->globals = arena_grow(as->arena, p->globals, &as->cap_globals, sizeof *p->globals);
    LGlobal *g = &p->globals[p->n_globals];
    *g = (LGlobal){ .info = info_of(name, declared), .c_name = global_c_name(as, name, p->n_globals),
                    .kind = (nnr_var_kind)kind, .count = type_count(stored), .offset = *block };
    *block += aligned(g->count * dtype_bytes(stored->dtype));
    p->n_globals++;
    return g;
}

static void add_globals(Assembly *as)
{
    for (int i = 0; i < as->module->vars.len; i++) {
        const Var *var = as->module->vars.data[i];
        Type declared = var->layout.rank ? layout_rows(&var->layout, var->type.dtype) : var->type;
        add_global(as, var->name, var->kind, &declared, &var->type)->layout = var->layout;
    }
}

/* ---- inputs and outputs ---- */

static int info_index(const nnr_info *infos, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (!strcmp(infos[i].name, name))
            return i;
    return -1;
}

static void add_signature(Assembly *as, const Graph *g, LEntry *e)
{
    e->in = ARENA_ARRAY(as->arena, nnr_info, g->nodes.len + 1);
    e->out = ARENA_ARRAY(as->arena, nnr_info, g->nodes.len + 1);
    for (int i = 0; i < g->nodes.len; i++) {
        const Node *n = g->nodes.data[i];
        if (n->op == &op_input && info_index(e->in, e->n_in, n->attr[0].name) < 0)
            e->in[e->n_in++] = info_of(n->attr[0].name, &n->type);
        else if (n->op == &op_output)
            e->out[e->n_out++] = info_of(n->attr[0].name, &n->type);
    }
}

/* ---- places ---- */

static LRef place_of_whole(const LEntry *e, const KernelDeps *deps, const Node *n)
{
    const Node *root = deps->home[n->id];
    if (n->op == &op_input)
        return (LRef){ .kind = LR_INPUT, .index = info_index(e->in, e->n_in, n->attr[0].name) };
    if (n->op == &op_var)
        return (LRef){ .kind = LR_VAR, .index = n->attr[0].var->index };
    if (!root)
        return (LRef){ .kind = LR_ARENA, .offset = n->offset };
    if (root->op == &op_update)
        return (LRef){ .kind = LR_VAR, .index = root->attr[0].var->index };
    return (LRef){ .kind = LR_OUTPUT, .index = info_index(e->out, e->n_out, root->attr[0].name) };
}

/* A node of a run's body stands for a part of another node, or for all of it. */
static LRef place_of(const LEntry *e, const KernelDeps *deps, const Lowered *low, const Node *node)
{
    const Node *n = node_storage(node);
    if (!low->run)
        return place_of_whole(e, deps, n);
    const Node *origin = low->run->origin[n->id];
    LRef ref = place_of_whole(e, deps, origin);
    if (deps->run[origin->id] >= 0)
        ref.kind = LR_LANE;
    else if (type_count(&origin->type) != type_count(&n->type))
        ref.step = type_count(&n->type) * dtype_bytes(n->type.dtype);
    return ref;
}

static int64_t buf_bytes(const LBuf *b)
{
    return b->count * (b->kind == LK_BOOL ? 1 : b->kind == LK_F64 || b->kind >= LK_I64 ? 8 : 4);
}

static bool overlap(const LBuf *a, LRef at_a, const LBuf *b, LRef at_b)
{
    if (at_a.kind != at_b.kind || at_a.index != at_b.index)
        return false;
    return at_a.offset < at_b.offset + buf_bytes(b) && at_b.offset < at_a.offset + buf_bytes(a);
}

/* Buffers that are only read may overlap each other unnoticed. */
static void set_noalias(const LFunc *f, const LRef *args)
{
    for (int i = 0; i < f->params.len; i++) {
        LBuf *a = f->params.data[i];
        a->noalias = true;
        for (int k = 0; k < f->params.len; k++) {
            const LBuf *b = f->params.data[k];
            bool written = a->role != LB_IN || b->role != LB_IN;
            if (k != i && written && overlap(a, args[i], b, args[k]))
                a->noalias = false;
        }
    }
}

/* ---- functions ---- */

static uint64_t hash_text(const char *text)
{
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */
    for (const char *c = text; *c; c++)
        h = (h ^ (unsigned char)*c) * 0x100000001b3u;
    return h;
}

/* The function of the program with f's text, or f, added under a name of its own. */
static LFunc *share_func(Assembly *as, const Graph *g, LFunc *f)
{
    Text t = { .arena = as->arena };
    const char *name = f->name, *base;
    f->name = "f";
    loop_print_func(f, &t);
    uint64_t hash = hash_text(t.data);
    for (int i = 0; i < as->known.len; i++)
        if (as->known.data[i].hash == hash && !strcmp(as->known.data[i].text, t.data))
            return as->known.data[i].func;
    if (func_taken(as->program, name))
        name = arena_printf(as->arena, "%s_%s", identifier(as->arena, g->name), name);
    base = name;
    for (int i = 2; func_taken(as->program, name); i++)
        name = arena_printf(as->arena, "%s_%d", base, i);
    f->name = name;
    VEC_PUSH(as->arena, &as->program->funcs, f);
    VEC_PUSH(as->arena, &as->known, (Known){ hash, t.data, f });
    return f;
}

/* Lowers kernel k, or the part of it that a chunk has: beside other lanes it has one core. What is made ready for
 * it is made for all chunks at once, outside the run. */
static void lower_whole_or_part(Assembly *as, const Graph *g, int k, LowerMode mode, Lowered *l)
{
    Kernel *whole = g->kernels.data[k];
    if (!l->run) {
        l->func = lower_kernel(as->arena, g, whole, as->target, mode, &l->bufs, &l->n_bufs);
        return;
    }
    LTarget *one = ARENA_NEW(as->arena, LTarget);
    *one = *as->target;
    one->cores = 1;
    Kernel *part = l->run->body->kernels.data[k - l->run->first];
    l->func = lower_kernel(as->arena, l->run->body, part, one, mode, &l->bufs, &l->n_bufs);
    if (mode != LOWER_MAKE)
        lfunc_make_serial(l->func);
    whole->scratch_bytes = part->scratch_bytes;
}

/* The call of kernel k, with a function of its own. ready: the variable that is what lies ready for it, or -1. */
static LCall make_call(Assembly *as, const Graph *g, const LEntry *e, const KernelDeps *deps, int k,
                       const Lowered *low, int ready)
{
    LFunc *f = low->func;
    LCall call = { .args = ARENA_ARRAY(as->arena, LRef, f->params.len + 1) };
    for (int i = 0; i < low->n_bufs; i++)
        call.args[i] = low->bufs[i].node ? place_of(e, deps, low, low->bufs[i].node)
                                         : (LRef){ .kind = LR_VAR, .index = ready };
    if (f->params.len > low->n_bufs)
        call.args[low->n_bufs] = (LRef){ .kind = low->run ? LR_LANE : LR_ARENA,
                                         .offset = g->kernels.data[k]->scratch_offset };
    set_noalias(f, call.args);
    call.func = f;
    return call;
}

/* ---- what lies ready (ops/lower.h) ---- */

static bool same_places(const LCall *a, const LCall *b)
{
    for (int i = 0; a->func == b->func && i < a->func->params.len; i++) {
        bool out = a->func->params.data[i]->role != LB_IN; /* the variable is what is to be found */
        if (!out && (a->args[i].kind != b->args[i].kind || a->args[i].index != b->args[i].index))
            return false;
    }
    return a->func == b->func;
}

/* The variable that lies ready for kernel k, filled by a kernel of the entry `prepare`; several entry points may
 * read the same. -1: there is none. */
static int ready_for(Assembly *as, const Graph *g, const LEntry *e, const KernelDeps *deps, int k, const Lowered *low)
{
    const LBuf *ready = NULL;
    for (int i = 0; i < low->n_bufs; i++)
        ready = low->bufs[i].node ? ready : low->bufs[i].buf;
    if (!ready)
        return -1;
    Lowered make = { .run = low->run };
    lower_whole_or_part(as, g, k, LOWER_MAKE, &make);
    LCall call = make_call(as, g, e, deps, k, &make, -1);
    call.func = share_func(as, g, call.func);
    for (int i = 0; i < as->ready.len; i++)
        if (same_places(&as->ready.data[i].call, &call))
            return as->ready.data[i].global;
    Type type = type_make(DT_F32, 1, &ready->count);
    int global = as->program->n_globals;
    const char *name = arena_printf(as->arena, "prepared.%s", g->kernels.data[k]->name), *base = name;
    for (int i = 2; global_named(as->program, name); i++)
        name = arena_printf(as->arena, "%s%d", base, i);
    add_global(as, name, VAR_PREPARED, &type, &type);
    for (int i = 0; i < make.n_bufs; i++)
        if (!make.bufs[i].node)
            call.args[i].index = global;
    if (make.n_bufs < call.func->params.len)
        call.args[make.n_bufs] = (LRef){ .kind = LR_ARENA }; /* scratch: of the entry `prepare`, behind its own kernels */
    VEC_PUSH(as->arena, &as->ready, (Ready){ call, global });
    return global;
}

/* ---- entries ---- */

static bool fault(Assembly *as, const char *what, const char *name)
{
    snprintf(as->why->text, sizeof as->why->text, "compiler fault: %s %s", what, name);
    return false;
}

/* Makes the bodies of runs that were not read from text with them. */
static bool make_bodies(Assembly *as, Graph *g, Lowered *low)
{
    for (int r = 0; r < g->runs.len; r++) {
        KernelRun *run = &g->runs.data[r];
        const char *why = run->body ? NULL : chunk_body(as->arena, g, kernel_deps(as->arena, g), run);
        if (why)
            return fault(as, "a run of kernels that cannot work in chunks:", why);
        for (int k = run->first; k <= run->last; k++)
            low[k].run = run;
    }
    return true;
}

/* Kernels in runs are serial; the others fork or not as those between two runs see fit. */
static void choose_cores(const Assembly *as, const Graph *g, const LCall *calls)
{
    int at = 0;
    for (int r = 0; r < g->runs.len; r++) {
        cores_choose(calls + at, g->runs.data[r].first - at, as->target, as->arena);
        at = g->runs.data[r].last + 1;
    }
    cores_choose(calls + at, g->kernels.len - at, as->target, as->arena);
}

static void add_runs(const Assembly *as, const Graph *g, LEntry *e)
{
    for (int r = 0; r < g->runs.len; r++) {
        const KernelRun *run = &g->runs.data[r];
        VEC_PUSH(as->arena, &e->runs, (LRun){ .first = run->first, .count = run->last - run->first + 1,
                                              .chunks = g->batch / run->samples, .lanes = run->lanes,
                                              .lane_bytes = run->slab_bytes, .offset = run->slab_offset });
    }
}

static bool lower_all(Assembly *as, Graph *g, Lowered *low)
{
    for (int k = 0; k < g->kernels.len; k++) {
        Lowered *l = &low[k];
        lower_whole_or_part(as, g, k, graph_infers(g) && !as->no_prepare ? LOWER_READY : LOWER_WHOLE, l);
        int scratch = l->func->scratch_bytes > 0;
        if (l->n_bufs + scratch != l->func->params.len)
            return fault(as, "parameters of kernel", l->func->name);
    }
    return true;
}

static bool add_entry(Assembly *as, Graph *g)
{
    LEntry *e = ARENA_NEW(as->arena, LEntry);
    Lowered *low = ARENA_ARRAY(as->arena, Lowered, g->kernels.len + 1);
    if (!make_bodies(as, g, low) || !lower_all(as, g, low))
        return false;
    PassCtx ctx = { .arena = as->arena, .target = as->target };
    if (!pass_plan(&ctx, g)) {
        *as->why = ctx.why;
        return false;
    }
    e->name = g->name;
    e->c_name = entry_c_name(as, g);
    e->train = g->train;
    e->kind = (nnr_entry_kind)g->kind;
    e->batch = g->batch;
    e->arena_bytes = g->arena_bytes;
    add_signature(as, g, e);
    const KernelDeps *deps = kernel_deps(as->arena, g);
    LCall *calls = ARENA_ARRAY(as->arena, LCall, g->kernels.len + 1);
    for (int k = 0; k < g->kernels.len; k++)
        calls[k] = make_call(as, g, e, deps, k, &low[k], ready_for(as, g, e, deps, k, &low[k]));
    choose_cores(as, g, calls);
    for (int k = 0; k < g->kernels.len; k++) {
        calls[k].func = share_func(as, g, calls[k].func);
        lentry_add_call(as->program, e, calls[k]);
    }
    add_runs(as, g, e);
    const char *wrong = lentry_verify(e, as->arena);
    if (wrong)
        return fault(as, "entry point", arena_printf(as->arena, "%s: %s", e->name, wrong));
    VEC_PUSH(as->arena, &as->program->entries, e);
    return true;
}

/* ---- is what is prepared up to date? ---- */

static LCall set_flag(Assembly *as, int flag, int64_t value)
{
    LFunc *f = lfunc_new(as->arena, value ? "prepared" : "parameters_changed");
    LBuf *b = lfunc_param(f, "flag", LK_I32, 1, LB_OUT);
    f->schedule = "one store";
    f->note = value ? "what is prepared is up to date" : "what is prepared is not up to date any more";
    b->noalias = true;
    lb_store(f, &f->body, b, lx_i64(f, 0), lx_int(f, LK_I32, value), NULL);
    f->bytes = 4;
    const Graph g = { .name = "prepare" };
    LCall call = { .func = share_func(as, &g, f), .args = ARENA_ARRAY(as->arena, LRef, 1) };
    call.args[0] = (LRef){ .kind = LR_VAR, .index = flag };
    return call;
}

static LEntry *prepare_entry(Assembly *as)
{
    for (int i = 0; i < as->program->entries.len; i++)
        if (as->program->entries.data[i]->kind == NNR_PREPARE)
            return as->program->entries.data[i];
    LEntry *e = ARENA_NEW(as->arena, LEntry);
    Graph g = { .name = "prepare" };
    e->name = g.name;
    e->c_name = entry_c_name(as, &g);
    e->kind = NNR_PREPARE;
    e->in = e->out = ARENA_ARRAY(as->arena, nnr_info, 1);
    VEC_PUSH(as->arena, &as->program->entries, e);
    return e;
}

static void add_ready(const LProgram *p, LEntry *prepare, const LCall *call)
{
    int64_t scratch = aligned(call->func->scratch_bytes);
    prepare->arena_bytes = scratch > prepare->arena_bytes ? scratch : prepare->arena_bytes;
    lentry_add_call(p, prepare, *call);
}

/* The entry `prepare` fills what lies ready too, then says that all is up to date; entries that write parameters
 * say that it is not. */
static void finish_prepared(Assembly *as)
{
    LProgram *p = as->program;
    bool any = false;
    for (int i = 0; i < p->n_globals; i++)
        any = any || p->globals[i].kind == NNR_PREPARED;
    if (!any)
        return;
    LEntry *prepare = prepare_entry(as);
    for (int i = 0; i < as->ready.len; i++)
        add_ready(p, prepare, &as->ready.data[i].call);
    Type type = type_scalar(DT_I32);
    int flag = p->n_globals;
    add_global(as, "prepared", VAR_PREPARED, &type, &type);
    lentry_add_call(p, prepare, set_flag(as, flag, 1));
    for (int i = 0; i < p->entries.len; i++) {
        LEntry *e = p->entries.data[i];
        if (e->writes_weights && (e->kind == NNR_INIT || e->kind == NNR_STEP))
            lentry_add_call(p, e, set_flag(as, flag, 0));
    }
}

LProgram *assemble(Module *m, const LTarget *target, const char *source, bool no_prepare, Why *why)
{
    Assembly as = { .arena = m->arena, .module = m, .target = target, .why = why, .no_prepare = no_prepare };
    as.program = ARENA_NEW(m->arena, LProgram);
    as.program->arena = m->arena;
    as.program->name = m->name;
    as.program->c_name = identifier(m->arena, m->name);
    as.program->source = source;
    add_globals(&as);
    for (int i = 0; i < m->graphs.len; i++)
        if (m->graphs.data[i]->kind != GRAPH_BODY && !add_entry(&as, m->graphs.data[i]))
            return NULL;
    finish_prepared(&as);
    return as.program;
}
