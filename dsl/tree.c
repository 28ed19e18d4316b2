/* The tree as text (dsl_tree in ast.h): every construct in one fully bracketed form, so that two
 * texts mean the same program exactly when their trees print the same. */
#include "dsl/ast.h"
#include <inttypes.h>

static void add_expr(Text *out, const Expr *e);
static void add_block(Text *out, const Block *b, int indent);

static void add_string(Text *out, const char *s)
{
    text_add(out, "\"");
    for (; *s; s++)
        if (*s == '\n')
            text_add(out, "\\n");
        else if (*s == '\t')
            text_add(out, "\\t");
        else if (*s == '"' || *s == '\\')
            text_addf(out, "\\%c", *s);
        else
            text_add_n(out, s, 1);
    text_add(out, "\"");
}

static void add_type(Text *out, const TypeExpr *t)
{
    text_add(out, t->name);
    if (!t->has_shape)
        return;
    text_add(out, "[");
    for (int i = 0; i < t->n_dims; i++) {
        text_add(out, i ? ", " : "");
        if (t->dims[i].rest)
            text_addf(out, "...%s", t->dims[i].rest_name ? t->dims[i].rest_name : "");
        else
            add_expr(out, t->dims[i].expr);
    }
    text_add(out, "]");
}

static void add_index(Text *out, const Index *x)
{
    if (x->kind == IX_REST)
        text_add(out, "...");
    if (x->expr)
        add_expr(out, x->expr);
    if (x->kind != IX_SLICE)
        return;
    text_add(out, ":");
    if (x->stop)
        add_expr(out, x->stop);
    if (!x->step)
        return;
    text_add(out, ":");
    add_expr(out, x->step);
}

static void add_indices(Text *out, const Index *indices, int n)
{
    text_add(out, "[");
    for (int i = 0; i < n; i++) {
        text_add(out, i ? ", " : "");
        add_index(out, &indices[i]);
    }
    text_add(out, "]");
}

static void add_items(Text *out, const char *open, Expr *const *items, int n, const char *close)
{
    text_add(out, open);
    for (int i = 0; i < n; i++) {
        text_add(out, i ? ", " : "");
        add_expr(out, items[i]);
    }
    text_add(out, close);
}

static void add_call(Text *out, const Expr *e)
{
    add_expr(out, e->a);
    text_add(out, "(");
    for (int i = 0; i < e->n_args; i++) {
        text_addf(out, "%s%s%s", i ? ", " : "", e->args[i].name ? e->args[i].name : "",
                  e->args[i].name ? " = " : "");
        add_expr(out, e->args[i].value);
    }
    text_add(out, ")");
}

static void add_scan(Text *out, const Scan *s)
{
    text_add(out, "(scan");
    for (int i = 0; i < s->n_items; i++) {
        text_addf(out, "%s %s in ", i ? "," : "", s->items[i].name.name);
        add_expr(out, s->items[i].value);
    }
    text_add(out, " along ");
    add_expr(out, s->along);
    text_add(out, s->reverse ? " reverse" : "");
    for (int i = 0; i < s->n_carries; i++) {
        text_addf(out, "%s %s = ", i ? "," : " carry", s->carries[i].name.name);
        add_expr(out, s->carries[i].value);
    }
    add_block(out, s->body, -1);
    text_add(out, ")");
}

static void add_expr(Text *out, const Expr *e)
{
    switch (e->kind) {
    case E_INT: text_addf(out, "%" PRId64, e->ivalue); break;
    case E_FLOAT: text_add(out, e->text); break;
    case E_BOOL: text_add(out, e->ivalue ? "true" : "false"); break;
    case E_STRING: add_string(out, e->text); break;
    case E_NAME: text_add(out, e->text); break;
    case E_CALL: add_call(out, e); break;
    case E_PIPE: case E_BINARY: case E_RANGE:
        text_add(out, "(");
        add_expr(out, e->a);
        text_addf(out, " %s ", e->kind == E_PIPE ? "|>" : e->kind == E_RANGE ? ".." : op_text(e->op));
        add_expr(out, e->b);
        text_add(out, ")");
        break;
    case E_INDEX:
        add_expr(out, e->a);
        add_indices(out, e->indices, e->n_indices);
        break;
    case E_MEMBER:
        add_expr(out, e->a);
        text_addf(out, ".%s", e->text);
        break;
    case E_UNARY:
        text_addf(out, "(%s", op_text(e->op));
        add_expr(out, e->a);
        text_add(out, ")");
        break;
    case E_IF:
        text_add(out, "(if ");
        add_expr(out, e->a);
        add_block(out, e->block, -1);
        text_add(out, " else");
        if (e->else_block)
            add_block(out, e->else_block, -1);
        else {
            text_add(out, " ");
            add_expr(out, e->b);
        }
        text_add(out, ")");
        break;
    case E_LIST: add_items(out, "[", e->items, e->n_items, "]"); break;
    case E_TUPLE: add_items(out, "(", e->items, e->n_items, ")"); break;
    case E_REDUCE:
        text_addf(out, "(%s(", e->text);
        for (int i = 0; i < e->n_names; i++)
            text_addf(out, "%s%s", i ? ", " : "", e->names[i].name);
        text_add(out, ") ");
        add_expr(out, e->a);
        text_add(out, ")");
        break;
    case E_SCAN: add_scan(out, e->scan); break;
    case E_BAD: text_add(out, "<bad>"); break;
    }
}

static void add_target(Text *out, const Target *t)
{
    text_add(out, t->name.name);
    if (t->indexed)
        add_indices(out, t->indices, t->n_indices);
    if (t->type) {
        text_add(out, ": ");
        add_type(out, t->type);
    }
}

static void add_declared(Text *out, const char *word, const Stmt *s)
{
    text_addf(out, "%s %s", word, s->name.name);
    if (s->type) {
        text_add(out, ": ");
        add_type(out, s->type);
    }
    text_add(out, " = ");
    add_expr(out, s->value);
}

static void add_worded(Text *out, const char *word, const Expr *value)
{
    text_add(out, word);
    add_expr(out, value);
}

static void add_minimize(Text *out, const Stmt *s)
{
    add_worded(out, "minimize ", s->value);
    if (s->n_over)
        add_items(out, " over ", s->over, s->n_over, "");
    if (s->with)
        add_worded(out, " with ", s->with);
}

static void add_stmt(Text *out, const Stmt *s, int indent)
{
    switch (s->kind) {
    case S_LET: case S_ARROW:
        for (int i = 0; i < s->n_targets; i++) {
            text_add(out, i ? ", " : "");
            add_target(out, &s->targets[i]);
        }
        add_worded(out, s->kind == S_LET ? " = " : " <- ", s->value);
        break;
    case S_RETURN: add_worded(out, "return ", s->value); break;
    case S_YIELD: add_worded(out, "yield ", s->value); break;
    case S_PARAM: add_declared(out, "param", s); break;
    case S_STATE: add_declared(out, "state", s); break;
    case S_SLOT: add_declared(out, "slot", s); break;
    case S_DATA: add_declared(out, "data", s); break;
    case S_NOISE: add_declared(out, "noise", s); break;
    case S_METRIC: add_declared(out, "metric", s); break;
    case S_IF:
        add_worded(out, "if ", s->value);
        add_block(out, s->block, indent);
        if (s->else_block) {
            text_add(out, " else");
            add_block(out, s->else_block, indent);
        }
        break;
    case S_FOR:
        text_addf(out, "for %s in ", s->targets[0].name.name);
        add_expr(out, s->value);
        add_block(out, s->block, indent);
        break;
    case S_EXPR: add_expr(out, s->value); break;
    case S_ASSERT:
        add_worded(out, "assert ", s->value);
        if (s->message) {
            text_add(out, ", ");
            add_string(out, s->message);
        }
        break;
    case S_OPTION: text_addf(out, "option %s ", s->name.name); add_expr(out, s->value); break;
    case S_MINIMIZE: add_minimize(out, s); break;
    case S_VALIDATE:
        if (s->split)
            add_worded(out, "validate split ", s->value);
        else
            add_items(out, "validate on ", s->items, s->n_items, "");
        break;
    case S_STEP: text_addf(out, "step %s", s->name.name); add_block(out, s->block, indent); break;
    case S_BAD: text_add(out, "<bad>"); break;
    }
}

/* indent < 0: on one line. */
static void add_block(Text *out, const Block *b, int indent)
{
    text_add(out, " {");
    for (int i = 0; i < b->n_stmts; i++) {
        if (indent < 0)
            text_add(out, i ? "; " : " ");
        else
            text_addf(out, "\n%*s", (indent + 1) * 2, "");
        add_stmt(out, b->stmts[i], indent < 0 ? indent : indent + 1);
    }
    if (indent < 0)
        text_add(out, " }");
    else
        text_addf(out, "\n%*s}", indent * 2, "");
}

static void add_head(Text *out, const char *word, const Decl *d)
{
    text_addf(out, "%s %s(", word, d->name.name);
    for (int i = 0; i < d->n_formals; i++) {
        const Formal *f = &d->formals[i];
        text_addf(out, "%s%s%s%s", i ? ", " : "", f->name.name, f->alias ? " " : "", f->alias ? f->alias : "");
        if (f->type) {
            text_add(out, ": ");
            add_type(out, f->type);
        }
        if (f->init)
            add_worded(out, " = ", f->init);
    }
    text_add(out, ")");
    for (int i = 0; i < d->n_results; i++) {
        text_add(out, i ? ", " : " -> ");
        add_type(out, d->results[i]);
    }
    add_block(out, d->body, 0);
}

static void add_decl(Text *out, const Decl *d)
{
    switch (d->kind) {
    case D_FN: add_head(out, "fn", d); break;
    case D_LAYER: add_head(out, "layer", d); break;
    case D_NET: add_head(out, "net", d); break;
    case D_OPTIMIZER: add_head(out, "optimizer", d); break;
    case D_TRAIN: text_addf(out, "train %s", d->name.name); add_block(out, d->body, 0); break;
    case D_IMPORT:
        text_add(out, "import ");
        add_string(out, d->path);
        text_addf(out, "%s%s", d->as.name ? " as " : "", d->as.name ? d->as.name : "");
        break;
    case D_CONST: text_addf(out, "%s = ", d->name.name); add_expr(out, d->value); break;
    }
    text_add(out, "\n");
}

char *dsl_tree(Arena *arena, const File *file)
{
    Text out = { .arena = arena };
    text_add(&out, "");
    for (int i = 0; i < file->n_decls; i++)
        add_decl(&out, file->decls[i]);
    return out.data;
}
