/* Variables: their names by binding and path, their initial values in the init graph, their reads and
 * updates. A variable belongs to the module; every graph that meets the same full name shares it. */
#include "front/elab.h"
#include "front/walk.h"

#include <string.h>

/* ---- which layers hold parameters ---- */

typedef struct {
    Front *f;
    Unit *unit;
} HoldsSearch;

static bool stmt_holds(void *user, const Stmt *s)
{
    (void)user;
    return s->kind == S_PARAM || s->kind == S_STATE;
}

static bool expr_holds(void *user, const Expr *e)
{
    HoldsSearch *h = user;
    if (e->kind != E_NAME)
        return false;
    Symbol *sym = symbol_find(h->f, h->unit, e->text);
    return sym && sym->decl->kind == D_LAYER && symbol_holds_params(h->f, sym);
}

bool symbol_holds_params(Front *f, Symbol *sym)
{
    if (sym->holds == HOLDS_TODO) {
        HoldsSearch h = { f, sym->unit };
        sym->holds = HOLDS_BUSY;
        bool holds = walk_block(sym->decl->body, &(Walker){ expr_holds, stmt_holds, &h });
        sym->holds = holds ? HOLDS_YES : HOLDS_NO;
    }
    return sym->holds == HOLDS_YES;
}

/* ---- instances ---- */

Instance *instance_new(Front *f, const char *path)
{
    Instance *inst = ARENA_NEW(f->arena, Instance);
    inst->path = path;
    inst->site = (Site){ .path = path, .salt_path = path };
    return inst;
}

const char *instance_name(Front *f, Instance *inst, const char *name)
{
    for (int i = 0; i < inst->taken.len; i++)
        if (inst->taken.data[i].name == name) {
            int count = ++inst->taken.data[i].count;
            return front_printf(f, "%s.%s_%d", inst->path, name, count);
        }
    VEC_PUSH(f->arena, &inst->taken, (struct Taken){ name, 1 });
    return front_printf(f, "%s.%s", inst->path, name);
}

uint64_t site_salt(Site *site)
{
    uint64_t h = 1469598103934665603u;
    for (const char *s = site->salt_path; s && *s; s++)
        h = (h ^ (unsigned char)*s) * 1099511628211u;
    return nnr_mix64(h + (uint64_t)site->draws++ * 0x9e3779b97f4a7c15u);
}

/* ---- initial values ---- */

/* A node of the declared type from an initialiser's value. */
static Node *init_node(Frame *fr, Value v, Type type, const char *name, Span at)
{
    Node *n = node_of(fr, v, type.dtype, at);
    if (!n)
        return NULL;
    if (n->type.dtype != type.dtype) {
        fail(fr, at, "the initial value of %s is %s, but %s is declared", name,
             type_text(fr->f->arena, &n->type), type_text(fr->f->arena, &type));
        return NULL;
    }
    return node_expand(fr, n, type.dim, type.rank, "the initial value", at);
}

static Node *var_init(Frame *fr, const VarInfo *info, Expr *init)
{
    Front *f = fr->f;
    Frame in = *fr;
    Value shape = value_ints(f, info->var->type.dim, info->var->type.rank);
    Site site = { .path = info->var->name, .salt_path = info->var->name };
    in.gen = f->init;
    in.scope = scope_new(f, fr->scope);
    in.inst = NULL;
    in.site = &site;
    in.shape = &shape;
    in.index = NULL;
    Value v = eval(&in, init);
    Node *n = init_node(&in, v, info->var->type, info->var->name, init->span);
    if (!n)
        return NULL;
    place(&in, init->span);
    build_update(f->init->g, info->var, n);
    return n;
}

/* ---- variables ---- */

static const VarInfo *info_find(Front *f, const char *name)
{
    for (int i = 0; i < f->vars.len; i++)
        if (strcmp(f->vars.data[i]->var->name, name) == 0)
            return f->vars.data[i];
    return NULL;
}

static const VarInfo *info_same(Frame *fr, const VarInfo *info, Type type, Span at)
{
    if (info->span.src != at.src || info->span.begin != at.begin) {
        fail(fr, at, "two variables are called %s", info->var->name);
        hint_at(fr, info->span, "the other one is made here");
        return NULL;
    }
    if (!type_equal(&info->var->type, &type)) {
        fail(fr, at, "%s is %s here, but %s in an earlier use of the net", info->var->name,
             type_text(fr->f->arena, &type), type_text(fr->f->arena, &info->var->type));
        hint(fr, "all uses of a net share its weights, so the shapes must agree");
        return NULL;
    }
    return info;
}

const VarInfo *var_declare(Frame *fr, const char *name, VarKind kind, Type type, Expr *init, Span at)
{
    Front *f = fr->f;
    const VarInfo *known = info_find(f, name);
    if (known)
        return info_same(fr, known, type, at);
    name = intern_cstr(f->names, name);
    place(fr, at);
    VarInfo *info = ARENA_NEW(f->arena, VarInfo);
    info->span = at;
    info->var = module_add_var(f->module, name, kind, type, fr->gen->g->loc);
    if (!info->var) {
        fail(fr, at, "two variables are called %s", name);
        return NULL;
    }
    VEC_PUSH(f->arena, &f->vars, info);
    info->init = var_init(fr, info, init);
    return info;
}

static void note_net_use(Frame *fr, const VarInfo *info)
{
    for (Frame *x = fr; x; x = x->caller) {
        if (!x->sym || x->sym->decl->kind != D_NET)
            continue;
        bool known = false;
        for (int i = 0; i < x->sym->vars.len && !known; i++)
            known = x->sym->vars.data[i] == info;
        if (!known)
            VEC_PUSH(fr->f->arena, &x->sym->vars, (VarInfo *)info);
    }
}

static VarUse *var_use(Gen *gen, const VarInfo *info)
{
    for (int i = 0; i < gen->uses.len; i++)
        if (gen->uses.data[i].info == info)
            return &gen->uses.data[i];
    Node *read = build_var(gen->g, info->var);
    VEC_PUSH(gen->f->arena, &gen->uses, (VarUse){ .info = info, .read = read });
    return &gen->uses.data[gen->uses.len - 1];
}

Value var_read(Frame *fr, const VarInfo *info)
{
    Gen *root = fr->gen;
    while (root->outer)
        root = root->outer;
    place(fr, info->span);
    root->g->loc = fr->gen->g->loc;
    root->g->path = fr->gen->g->path;
    VarUse *use = var_use(root, info);
    note_net_use(fr, info);
    return (Value){ .kind = V_TENSOR, .node = use->now ? use->now : use->read, .graph = root->g, .var = info };
}

void stmt_param(Frame *fr, Stmt *s)
{
    const char *word = s->kind == S_PARAM ? "param" : "state";
    Type type;
    Value v = value_bad();
    if (!fr->inst) {
        fail(fr, s->span, "a %s can only stand in a layer or net", word);
    } else if (!s->type) {
        fail(fr, s->span, "the %s %s needs a type with a shape: %s %s: f32[...] = ...", word,
             s->name.name, word, s->name.name);
    } else if (!s->value) {
        fail(fr, s->span, "the %s %s has no initial value", word, s->name.name);
        hint(fr, "for example: = zeros()");
    } else if (type_resolve(fr, s->type, &type)) {
        const char *name = instance_name(fr->f, fr->inst, s->name.name);
        const VarInfo *info = var_declare(fr, name, s->kind == S_PARAM ? VAR_PARAM : VAR_STATE, type,
                                          s->value, s->name.span);
        if (info)
            v = var_read(fr, info);
    }
    scope_bind(fr->f, fr->scope, s->name.name, v, s->name.span);
}

/* s <- e: the state's value from here on; written back at the end of a training step. */
void stmt_arrow(Frame *fr, Stmt *s)
{
    if (fr->opt) {
        optimizer_arrow(fr, s);
        return;
    }
    const NameRef *name = &s->targets[0].name;
    Binding *b = scope_find(fr->scope, name->name);
    Value v = eval(fr, s->value);
    if (is_bad(v) || (b && is_bad(b->value)))
        return;
    const VarInfo *info = b && b->value.kind == V_TENSOR ? b->value.var : NULL;
    if (!info || info->var->kind != VAR_STATE) {
        fail(fr, name->span, "%s is not a state", name->name);
        hint(fr, info ? "a param is changed by the optimizer only; declare it as state to change it here"
                      : "`<-` changes a state; `=` binds a name");
        return;
    }
    if (fr->gen->outer) {
        fail(fr, s->span, "a state cannot be changed inside scan");
        return;
    }
    Type t = info->var->type;
    Node *n = node_of(fr, v, t.dtype, s->value->span);
    if (n && n->type.dtype != t.dtype) {
        fail(fr, s->value->span, "the state %s is %s, but its new value is %s", name->name,
             type_text(fr->f->arena, &t), type_text(fr->f->arena, &n->type));
        return;
    }
    n = n ? node_expand(fr, n, t.dim, t.rank, name->name, s->value->span) : NULL;
    if (!n || !fr->gen->training)
        return;
    var_use(fr->gen, info)->now = n;
    b->value.node = n;
}
