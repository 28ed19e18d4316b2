/* Scopes of elaboration, and the lookup of a name through them, the file, its imports, the library
 * and the builtins. */
#include "front/elab.h"

#include <string.h>

Scope *scope_new(Front *f, Scope *parent)
{
    Scope *s = ARENA_NEW(f->arena, Scope);
    s->parent = parent;
    return s;
}

static Binding *find_here(Scope *s, const char *name)
{
    for (Binding *b = s->first; b; b = b->next)
        if (b->name == name)
            return b;
    return NULL;
}

Binding *scope_find(Scope *s, const char *name)
{
    for (; s; s = s->parent) {
        Binding *b = find_here(s, name);
        if (b)
            return b;
    }
    return NULL;
}

void scope_bind(Front *f, Scope *s, const char *name, Value value, Span span)
{
    Binding *b = find_here(s, name);
    if (!b) {
        b = ARENA_NEW(f->arena, Binding);
        b->name = name;
        b->next = s->first;
        s->first = b;
    }
    b->value = value;
    b->span = span;
}

void scope_assign(Front *f, Scope *s, const char *name, Value value, Span span)
{
    Binding *b = NULL;
    for (Scope *x = s; x && !b; x = x->barrier ? NULL : x->parent)
        b = find_here(x, name);
    if (b) {
        b->value = value;
        b->span = span;
        return;
    }
    scope_bind(f, s, name, value, span);
}

Symbol *unit_find(Unit *u, const char *name)
{
    for (int i = 0; i < u->symbols.len; i++)
        if (u->symbols.data[i]->name == name)
            return u->symbols.data[i];
    return NULL;
}

Symbol *symbol_find(Front *f, Unit *u, const char *name)
{
    Symbol *s = unit_find(u, name);
    for (int i = 0; !s && i < u->imports.len; i++)
        s = unit_find(u->imports.data[i], name);
    for (int i = 0; !s && i < f->library.len; i++)
        s = unit_find(f->library.data[i], name);
    return s;
}

static Unit *space_find(Unit *u, const char *name)
{
    for (int i = 0; i < u->spaces.len; i++)
        if (u->spaces.data[i].name == name)
            return u->spaces.data[i].unit;
    return NULL;
}

void names_visible(Front *f, Unit *u, const char ***names, int *n)
{
    Vec(const char *) v = {0};
    for (int i = 0; i < u->symbols.len; i++)
        VEC_PUSH(f->arena, &v, u->symbols.data[i]->name);
    for (int i = 0; i < u->spaces.len; i++)
        VEC_PUSH(f->arena, &v, u->spaces.data[i].name);
    for (int k = 0; k < u->imports.len; k++)
        for (int i = 0; i < u->imports.data[k]->symbols.len; i++)
            VEC_PUSH(f->arena, &v, u->imports.data[k]->symbols.data[i]->name);
    for (int k = 0; k < f->library.len; k++)
        for (int i = 0; i < f->library.data[k]->symbols.len; i++)
            VEC_PUSH(f->arena, &v, f->library.data[k]->symbols.data[i]->name);
    for (int i = 0; builtin_at(i); i++)
        VEC_PUSH(f->arena, &v, builtin_at(i)->name);
    *names = v.data;
    *n = v.len;
}

Frame frame_top(Front *f, Unit *u, Gen *gen)
{
    return (Frame){ .f = f, .gen = gen, .unit = u, .scope = scope_new(f, NULL) };
}

/* -D sets the constants that the main file can name: its own, and those of its imports. */
static bool takes_define(Front *f, const Symbol *sym)
{
    if (sym->unit == f->main)
        return true;
    for (int i = 0; i < f->main->imports.len; i++)
        if (f->main->imports.data[i] == sym->unit)
            return unit_find(f->main, sym->name) == NULL;
    return false;
}

Value symbol_value(Front *f, Symbol *sym)
{
    if (sym->decl->kind != D_CONST)
        return (Value){ .kind = V_SYMBOL, .sym = sym };
    if (sym->state == CONST_DONE)
        return sym->value;
    Frame fr = frame_top(f, sym->unit, NULL);
    if (sym->state == CONST_BUSY) {
        fail(&fr, sym->decl->name.span, "%s is defined by itself", sym->name);
        return value_bad();
    }
    sym->state = CONST_BUSY;
    const char *text = takes_define(f, sym) ? define_find(f, sym->name) : NULL;
    sym->value = text ? define_value(f, text) : eval(&fr, sym->decl->value);
    sym->state = CONST_DONE;
    return sym->value;
}

/* Names that are not declared anywhere: what training knows, and types as values. */
static bool special_name(Frame *fr, const char *name, Span at, Value *out)
{
    Gen *gen = fr->gen;
    DType dtype;
    if (strcmp(name, "training") == 0) {
        *out = value_bool(gen && gen->training);
    } else if (strcmp(name, "shape") == 0) {
        *out = fr->shape ? *fr->shape : fail(fr, at, "shape is known only inside an initialiser");
        if (!fr->shape)
            hint(fr, "it is the declared shape of the param, state or noise that is being filled; "
                     "for a tensor write x.shape");
    } else if (strcmp(name, "step") == 0 || strcmp(name, "epoch") == 0) {
        const OpDef *op = name[0] == 's' ? &op_step : &op_epoch;
        if (!gen) {
            *out = fail(fr, at, "%s is not known here: it changes during training", name);
        } else {
            place(fr, at);
            *out = tensor_value(fr, graph_must_add(gen->g, op, NULL, 0, NULL));
        }
    } else if (dtype_from_name(name, &dtype)) {
        *out = (Value){ .kind = V_DTYPE, .i = dtype };
    } else {
        return false;
    }
    return true;
}

static void unknown_name(Frame *fr, const char *name, Span at)
{
    const char **known;
    int n;
    names_visible(fr->f, fr->unit, &known, &n);
    Vec(const char *) all = { (const char **)known, n, n };
    for (Scope *s = fr->scope; s; s = s->parent)
        for (Binding *b = s->first; b; b = b->next)
            VEC_PUSH(fr->f->arena, &all, b->name);
    const char *near = text_nearest(name, all.data, all.len);
    fail(fr, at, "unknown name %s", name);
    if (near)
        hint(fr, "did you mean %s?", near);
}

Value name_lookup(Frame *fr, const char *name, Span at)
{
    Binding *b = scope_find(fr->scope, name);
    if (b)
        return b->value;
    bool found = false;
    Value v = optimizer_name(fr, name, at, &found);
    if (found)
        return v;
    Symbol *sym = symbol_find(fr->f, fr->unit, name);
    if (sym)
        return symbol_value(fr->f, sym);
    Unit *space = space_find(fr->unit, name);
    if (space)
        return (Value){ .kind = V_SPACE, .space = space, .s = name };
    if (special_name(fr, name, at, &v))
        return v;
    const Builtin *builtin = builtin_find(name);
    if (builtin)
        return (Value){ .kind = V_BUILTIN, .builtin = builtin };
    unknown_name(fr, name, at);
    return value_bad();
}
