/* Names, arity and the form of every declaration, used or not, before anything is elaborated: unknown
 * names, wrong arguments, values that are dropped, bindings that are never used, missing results. */
#include "front/check.h"
#include "front/walk.h"

#include <string.h>

void check_error(Check *c, Span at, const char *format, ...)
{
    Frame fr = frame_top(c->f, c->unit, NULL);
    va_list args;
    va_start(args, format);
    fail(&fr, at, "%s", arena_vprintf(c->f->arena, format, args));
    va_end(args);
}

void check_note(Check *c, const char *format, ...)
{
    Frame fr = frame_top(c->f, c->unit, NULL);
    va_list args;
    va_start(args, format);
    hint(&fr, "%s", arena_vprintf(c->f->arena, format, args));
    va_end(args);
}

const char *signature_text(Front *f, const Decl *d)
{
    Text t = { .arena = f->arena };
    text_addf(&t, "%s(", d->name.name);
    for (int i = 0; i < d->n_formals; i++)
        text_addf(&t, "%s%s", i ? ", " : "", span_text(f, d->formals[i].span));
    text_add(&t, ")");
    return t.data;
}

/* ---- locals ---- */

Local *check_local(Check *c, const char *name)
{
    for (Local *l = c->locals; l; l = l->next)
        if (l->name == name)
            return l;
    return NULL;
}

Local *check_bind(Check *c, const char *name, Span span, const char *kind)
{
    Local *l = ARENA_NEW(c->f->arena, Local);
    *l = (Local){ .name = name, .span = span, .kind = kind, .next = c->locals };
    c->locals = l;
    return l;
}

/* A name bound anew is the same name: one warning when it is read nowhere. Variables stay what they are. */
static void bind_again(Check *c, const char *name, Span span, const char *kind)
{
    static const char *const fixed[] = { "param", "state", "slot", "data", "noise" };
    Local *l = check_local(c, name);
    if (!l)
        check_bind(c, name, span, kind);
    for (size_t i = 0; l && l->kind && i < sizeof fixed / sizeof *fixed; i++) {
        if (strcmp(l->kind, fixed[i]) != 0)
            continue;
        check_error(c, span, "%s is a %s: it cannot be bound anew", name, l->kind);
        check_note(c, i == 1 || i == 2 ? "`%s <- ...` changes its value" : "take another name than %s", name);
    }
}

/* ---- types ---- */

static void check_type_word(Check *c, const TypeExpr *t)
{
    static const char *const words[] = { "f32", "i32", "bool", "int", "float", "string", "list", "shape",
                                         "net", "optimizer", "fn", "layer", "any", "tensor" };
    DType dtype;
    if (type_kind(t, &dtype) != TK_UNKNOWN)
        return;
    static const char *const foreign[][2] = {
        { "float32", "f32" }, { "Float32", "f32" }, { "fp32", "f32" }, { "single", "f32" }, { "int32", "i32" },
        { "integer", "int" }, { "int64", "i32" }, { "i64", "i32" }, { "f64", "f32" }, { "float64", "f32" }, { "double", "f32" },
        { "boolean", "bool" }, { "str", "string" },
    };
    const char *near = text_nearest(t->name, words, (int)(sizeof words / sizeof *words));
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        if (strcmp(t->name, foreign[i][0]) == 0)
            near = foreign[i][1];
    check_error(c, t->span, "unknown type %s", span_text(c->f, t->span));
    if (near)
        check_note(c, "did you mean %s?", near);
    else
        check_note(c, "types are f32[...], i32[...], bool[...], int, float, bool, string, list, fn, net, optimizer");
}

void check_type(Check *c, const TypeExpr *t, bool binds)
{
    if (!t || !t->name)
        return;
    check_type_word(c, t);
    for (int i = 0; i < t->n_dims; i++) {
        const Dim *d = &t->dims[i];
        const char *name = d->rest ? d->rest_name : d->expr->kind == E_NAME ? d->expr->text : NULL;
        if (name && binds && !check_local(c, name) && !unit_find(c->unit, name)) {
            check_bind(c, name, d->span, NULL);
        } else if (d->rest && name) {
            Local *l = check_local(c, name);
            if (l)
                l->used = true;
        } else if (!d->rest && (name || !binds)) {
            check_expr(c, d->expr);
        }
    }
}

/* Expressions in dims, once all formals have bound their names. */
static void check_type_late(Check *c, const TypeExpr *t)
{
    for (int i = 0; t && i < t->n_dims; i++)
        if (!t->dims[i].rest && t->dims[i].expr->kind != E_NAME)
            check_expr(c, t->dims[i].expr);
}

/* ---- statements ---- */

static void check_let(Check *c, const Stmt *s)
{
    const Target *first = &s->targets[0];
    if (first->indexed) {
        Local *outer = c->locals;
        for (int i = 0; i < first->n_indices; i++)
            if (first->indices[i].kind == IX_EXPR && first->indices[i].expr->kind == E_NAME)
                check_bind(c, first->indices[i].expr->text, first->indices[i].span, NULL);
        c->in_indexed++;
        check_expr(c, s->value);
        c->in_indexed--;
        c->locals = outer;
    } else {
        check_expr(c, s->value);
    }
    for (int i = 0; i < s->n_targets; i++) {
        const Target *t = &s->targets[i];
        check_type(c, t->type, true);
        check_type_late(c, t->type);
        bind_again(c, t->name.name, t->name.span, s->n_targets == 1 ? "name" : NULL);
    }
}

static void check_arrow(Check *c, const Stmt *s)
{
    const NameRef *name = &s->targets[0].name;
    Expr e = { .kind = E_NAME, .span = name->span, .text = name->name };
    check_expr(c, &e);
    check_expr(c, s->value);
}

static bool in_decl(const Check *c, DeclKind a, DeclKind b)
{
    return c->decl && (c->decl->kind == a || c->decl->kind == b);
}

static void check_variable(Check *c, const Stmt *s)
{
    const char *word = s->kind == S_PARAM ? "param" : s->kind == S_STATE ? "state" : "slot";
    if (s->kind == S_SLOT ? !in_decl(c, D_OPTIMIZER, D_OPTIMIZER) : !in_decl(c, D_LAYER, D_NET)) {
        check_error(c, s->span, "a %s cannot stand here", word);
        if (s->kind == S_SLOT)
            check_note(c, "slots belong to optimizers");
        else
            check_note(c, c->decl && c->decl->kind == D_FN ? "a fn is pure; make %s a layer"
                                                           : "%s: weights belong to layers and nets",
                       c->decl ? c->decl->name.name : "this");
    }
    check_type(c, s->type, false);
    check_expr(c, s->value);
    check_bind(c, s->name.name, s->name.span, s->kind == S_SLOT ? "slot" : word);
}

static void check_dropped(Check *c, const Stmt *s)
{
    check_expr(c, s->value);
    if (s->value->kind == E_BAD)
        return;
    check_error(c, s->span, "the value of this expression is dropped");
    check_note(c, "bind it to a name, or return it");
}

static void check_train_stmt(Check *c, const Stmt *s)
{
    switch (s->kind) {
    case S_DATA:
    case S_NOISE: /* names are bound beforehand */
        check_expr(c, s->value);
        break;
    case S_MINIMIZE:
        check_expr(c, s->value);
        for (int i = 0; i < s->n_over; i++)
            check_expr(c, s->over[i]);
        check_expr(c, s->with);
        break;
    case S_VALIDATE:
        check_expr(c, s->value);
        for (int i = 0; i < s->n_items; i++)
            check_expr(c, s->items[i]);
        break;
    case S_STEP: check_block(c, s->block); break;
    default: check_expr(c, s->value); break;
    }
}

static void check_misplaced(Check *c, const Stmt *s, const char *word, bool ok, const char *home)
{
    if (ok)
        return;
    check_error(c, s->span, "%s cannot stand here", word);
    check_note(c, "it belongs into %s", home);
}

static void check_stmt(Check *c, const Stmt *s)
{
    bool train = in_decl(c, D_TRAIN, D_TRAIN);
    switch (s->kind) {
    case S_LET: check_let(c, s); break;
    case S_ARROW: check_arrow(c, s); break;
    case S_RETURN:
        check_misplaced(c, s, "return", c->decl && !train && c->decl->kind != D_OPTIMIZER && !c->in_scan,
                        "a fn, layer or net");
        check_expr(c, s->value);
        break;
    case S_YIELD:
        check_misplaced(c, s, "yield", c->in_scan > 0, "the body of a scan");
        check_expr(c, s->value);
        break;
    case S_PARAM:
    case S_STATE:
    case S_SLOT: check_variable(c, s); break;
    case S_IF:
        check_expr(c, s->value);
        check_block(c, s->block);
        if (s->else_block)
            check_block(c, s->else_block);
        break;
    case S_FOR:
        check_expr(c, s->value);
        bind_again(c, s->targets[0].name.name, s->targets[0].name.span, NULL);
        check_block(c, s->block);
        break;
    case S_EXPR: check_dropped(c, s); break;
    case S_ASSERT: check_expr(c, s->value); break;
    case S_BAD: break;
    default:
        check_misplaced(c, s, "this statement", train, "a train block");
        check_train_stmt(c, s);
    }
}

void check_block(Check *c, const Block *b)
{
    bool ended = false;
    for (int i = 0; i < b->n_stmts; i++) {
        if (ended && !c->unit->library) {
            diag_warning(c->f->diags, b->stmts[i]->span, "nothing behind `return` is run");
            ended = false;
        }
        check_stmt(c, b->stmts[i]);
        ended = b->stmts[i]->kind == S_RETURN;
    }
}

void check_block_value(Check *c, const Block *b)
{
    for (int i = 0; i < b->n_stmts; i++) {
        const Stmt *s = b->stmts[i];
        if (i + 1 < b->n_stmts || s->kind != S_EXPR)
            check_stmt(c, s);
        else
            check_expr(c, s->value);
    }
    StmtKind last = b->n_stmts ? b->stmts[b->n_stmts - 1]->kind : S_BAD;
    if (b->n_stmts && (last == S_EXPR || last == S_BAD || last == S_RETURN))
        return;
    check_error(c, b->span, "this block has no value");
    check_note(c, "it stands for a value, so it ends with an expression");
}

/* ---- declarations ---- */

static bool returns(void *user, const Stmt *s)
{
    (void)user;
    return s->kind == S_RETURN;
}

static void check_formals(Check *c)
{
    const Decl *d = c->decl;
    for (int i = 0; i < d->n_formals; i++) {
        const Formal *formal = &d->formals[i];
        for (int k = 0; k < i; k++)
            if (d->formals[k].name.name == formal->name.name) {
                check_error(c, formal->name.span, "two arguments are called %s", formal->name.name);
                break;
            }
        check_bind(c, formal->name.name, formal->name.span, d->kind == D_NET ? "input" : NULL);
        if (formal->alias)
            bind_again(c, formal->alias, formal->name.span, NULL);
    }
    for (int i = 0; i < d->n_formals; i++)
        check_type(c, d->formals[i].type, true);
    for (int i = 0; i < d->n_formals; i++) {
        check_type_late(c, d->formals[i].type);
        check_expr(c, d->formals[i].init);
    }
}

static void bind_data_names(Check *c)
{
    const Block *b = c->decl->body;
    for (int i = 0; i < b->n_stmts; i++) {
        const Stmt *s = b->stmts[i];
        if (s->kind != S_DATA && s->kind != S_NOISE)
            continue;
        Local *other = check_local(c, s->name.name);
        if (other) {
            check_error(c, s->name.span, "%s is declared twice", s->name.name);
            continue;
        }
        check_type(c, s->type, true);
        check_type_late(c, s->type);
        check_bind(c, s->name.name, s->name.span, s->kind == S_DATA ? "data" : "noise");
    }
}

static void check_metrics(Check *c)
{
    const Block *b = c->decl->body;
    for (int i = 0; i < b->n_stmts; i++) {
        const Stmt *s = b->stmts[i];
        for (int k = 0; s->kind == S_STEP && k < s->block->n_stmts; k++)
            if (s->block->stmts[k]->kind == S_METRIC) {
                check_error(c, s->block->stmts[k]->span, "a metric belongs to the train block, not to a step");
                check_note(c, "move it out of the step; it is shown once an epoch");
            }
        if (s->kind != S_METRIC)
            continue;
        if (strcmp(s->name.name, "loss") == 0)
            check_error(c, s->name.span, "a metric cannot be called loss: the loss is shown under that name");
        for (int k = 0; k < i; k++)
            if (b->stmts[k]->kind == S_METRIC && b->stmts[k]->name.name == s->name.name)
                check_error(c, s->name.span, "two metrics are called %s", s->name.name);
    }
}

static void warn_unused(Check *c)
{
    Local *reversed = NULL, *next;
    for (Local *l = c->locals; l; l = next) { /* in the order of the text */
        next = l->next;
        l->next = reversed;
        reversed = l;
    }
    for (Local *l = reversed; l; l = l->next)
        if (l->kind && !l->used && l->name[0] != '_' && !c->unit->library)
            diag_warning(c->f->diags, l->span, strcmp(l->kind, "name") == 0 ? "%s%s is never used"
                                                                            : "the %s %s is never used",
                         strcmp(l->kind, "name") == 0 ? "" : l->kind, l->name);
}

static void check_results(Check *c)
{
    const Decl *d = c->decl;
    if (d->kind != D_FN && d->kind != D_LAYER && d->kind != D_NET)
        return;
    for (int i = 0; i < d->n_results; i++) {
        check_type(c, d->results[i], true);
        check_type_late(c, d->results[i]);
    }
    if (walk_block(d->body, &(Walker){ NULL, returns, NULL }))
        return;
    check_error(c, d->name.span, "%s does not return a value", d->name.name);
    check_note(c, "end its body with `return ...`");
}

/* Names of entry points that the compiler gives itself. */
static void check_entry_names(Check *c)
{
    const Decl *d = c->decl;
    if ((d->kind == D_NET || d->kind == D_TRAIN) && strcmp(d->name.name, "init") == 0) {
        check_error(c, d->name.span, "a %s cannot be called init", d->kind == D_NET ? "net" : "train block");
        check_note(c, "init is the entry point that fills all variables");
    }
    for (int i = 0; d->kind == D_TRAIN && i < d->body->n_stmts; i++) {
        const Stmt *s = d->body->stmts[i];
        if (s->kind == S_STEP && strcmp(s->name.name, "eval") == 0) {
            check_error(c, s->name.span, "a step cannot be called eval");
            check_note(c, "%s.eval is the entry point for validation", d->name.name);
        }
    }
}

static void check_decl(Front *f, Unit *u, const Decl *d)
{
    Check c = { .f = f, .unit = u, .decl = d->kind == D_CONST ? NULL : d };
    int faults = f->faults;
    if (d->kind == D_IMPORT)
        return;
    if (d->kind == D_CONST) {
        check_expr(&c, d->value);
        return;
    }
    if (!d->body)
        return;
    check_entry_names(&c);
    check_formals(&c);
    if (d->kind == D_TRAIN) {
        bind_data_names(&c);
        check_metrics(&c);
    }
    check_block(&c, d->body);
    check_results(&c);
    if (f->faults == faults) /* a name may be unused only because another was misspelt */
        warn_unused(&c);
}

void check_unit(Front *f, Unit *u)
{
    for (int i = 0; i < u->file->n_decls; i++)
        check_decl(f, u, u->file->decls[i]);
}
