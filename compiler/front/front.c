/* From text to graphs: the files are loaded, every declaration is checked for names and arity, and the
 * entry points are elaborated: train blocks first, because they fix the shapes of the nets they use. */
#include "front/elab.h"

#include <string.h>

/* "mnist" of "examples/mnist.nn" */
static const char *module_name(Front *f, const Source *source)
{
    const char *base = strrchr(source->path, '/');
    base = base ? base + 1 : source->path;
    const char *dot = strrchr(base, '.');
    return arena_copy_text(f->arena, base, dot && dot != base ? (size_t)(dot - base) : strlen(base));
}

/* The init graph exists from the start: variables put their first values into it as they are met. */
static void make_module(Front *f, const Source *source)
{
    f->module = module_new(f->arena, f->names, module_name(f, source));
    f->init = gen_new(f, "init", GRAPH_INIT, 0, false);
}

static bool is_shape_name(const Decl *d, const char *name)
{
    for (int i = 0; i < d->n_formals; i++) {
        const TypeExpr *t = d->formals[i].type;
        if (strcmp(d->formals[i].name.name, name) == 0)
            return true;
        for (int k = 0; t && k < t->n_dims; k++)
            if (!t->dims[k].rest && t->dims[k].expr->kind == E_NAME && strcmp(t->dims[k].expr->text, name) == 0)
                return true;
    }
    return false;
}

static bool is_constant(Unit *u, const char *name)
{
    Symbol *sym = unit_find(u, name);
    return sym && sym->decl->kind == D_CONST;
}

/* A definition that names nothing is a slip of the pen. */
static void check_defines(Front *f)
{
    Vec(const char *) known = {0};
    for (int k = -1; k < f->main->imports.len; k++) {
        const Unit *u = k < 0 ? f->main : f->main->imports.data[k];
        for (int i = 0; i < u->symbols.len; i++)
            if (u->symbols.data[i]->decl->kind == D_CONST)
                VEC_PUSH(f->arena, &known, u->symbols.data[i]->name);
    }
    for (int i = 0; i < f->options->n_defines; i++) {
        const char *name = f->options->defines[i].name;
        bool used = f->define_used[i] || unit_find(f->main, intern_cstr(f->names, name)) != NULL;
        for (int k = 0; k < f->main->imports.len && !used; k++)
            used = is_constant(f->main->imports.data[k], intern_cstr(f->names, name));
        for (int k = 0; k < f->main->symbols.len && !used; k++)
            used = is_shape_name(f->main->symbols.data[k]->decl, name);
        if (used)
            continue;
        diag_error(f->diags, SPAN_NONE, "-D %s: %s has no constant or shape variable of this name", name,
                   f->main->source->path);
        const char *near = text_nearest(name, known.data, known.len);
        if (near)
            diag_note(f->diags, SPAN_NONE, "did you mean %s?", near);
    }
}

static void elaborate_constants(Front *f)
{
    for (int i = 0; i < f->main->symbols.len; i++)
        if (f->main->symbols.data[i]->decl->kind == D_CONST)
            symbol_value(f, f->main->symbols.data[i]);
}

static void elaborate(Front *f)
{
    int64_t batch = 0;
    elaborate_constants(f);
    for (int i = 0; i < f->main->symbols.len; i++) {
        int64_t own = 0;
        if (f->main->symbols.data[i]->decl->kind != D_TRAIN)
            continue;
        train_elaborate(f, f->main->symbols.data[i], &own);
        batch = batch ? batch : own;
    }
    if (f->options->batch > 0)
        batch = f->options->batch;
    for (int i = 0; i < f->main->symbols.len; i++)
        if (f->main->symbols.data[i]->decl->kind == D_NET)
            net_graphs(f, f->main->symbols.data[i], batch ? batch : 1);
    gen_finish(f->init);
}

static int kind_rank(const Graph *g)
{
    static const int rank[] = { [GRAPH_INIT] = 4, [GRAPH_INFER] = 0, [GRAPH_STEP] = 1, [GRAPH_EVAL] = 2,
                                [GRAPH_PREPARE] = 3, [GRAPH_BODY] = 3 };
    return rank[g->kind];
}

/* Nets first, then steps, evaluations, bodies of scans, init: stable within a kind. */
static void order_graphs(Module *m)
{
    int n = 0;
    for (int i = 0; i < m->graphs.len; i++) /* a program without variables has nothing to fill */
        if (m->graphs.data[i]->kind != GRAPH_INIT || m->vars.len > 0)
            m->graphs.data[n++] = m->graphs.data[i];
    m->graphs.len = n;
    for (int i = 1; i < n; i++) {
        Graph *g = m->graphs.data[i];
        int k = i;
        for (; k > 0 && kind_rank(m->graphs.data[k - 1]) > kind_rank(g); k--)
            m->graphs.data[k] = m->graphs.data[k - 1];
        m->graphs.data[k] = g;
    }
}

/* What the front end builds must verify; a fault here is the compiler's own, and said as such. */
static void verify(Front *f)
{
    for (int i = 0; i < f->module->graphs.len && f->diags->n_errors == 0; i++) {
        const char *fault = graph_verify(f->module->graphs.data[i], f->arena);
        if (fault)
            diag_error(f->diags, SPAN_NONE, "the graph %s does not verify: %s (a fault of the compiler)",
                       f->module->graphs.data[i]->name, fault);
    }
}

Module *front_build(Arena *arena, Intern *names, const Source *source, const FrontOptions *options, Diags *diags)
{
    Front *f = ARENA_NEW(arena, Front);
    *f = (Front){ .arena = arena, .names = names, .diags = diags, .options = options, .budget = EVAL_BUDGET };
    int before = diags->n_errors;
    f->stack_base = (uintptr_t)&before;
    f->define_used = ARENA_ARRAY(arena, bool, options->n_defines + 1);
    make_module(f, source);
    library_load(f);
    f->main = unit_load(f, source, false);
    bool parsed = diags->n_errors == before;
    for (int i = 0; i < f->units.len && parsed; i++)
        check_unit(f, f->units.data[i]);
    if (diags->n_errors > before)
        return NULL;
    check_defines(f);
    elaborate(f);
    order_graphs(f->module);
    verify(f);
    return diags->n_errors == before ? f->module : NULL;
}
