/* Formatter: expressions and types. Contract: format.h. */
#include "dsl/format.h"
#include <string.h>

static void bare(Fmt *f, const Expr *e, int indent, int tail);

void fmt_string(Fmt *f, const char *text)
{
    fmt_write(f, "\"");
    for (; *text; text++) {
        char c[3] = { *text, 0, 0 };
        const char *from = "\n\t\\\"", *to = "nt\\\"", *hit = strchr(from, *text);
        if (hit) {
            c[0] = '\\';
            c[1] = to[hit - from];
        }
        fmt_write(f, c);
    }
    fmt_write(f, "\"");
}

void fmt_type(Fmt *f, const TypeExpr *t)
{
    fmt_write(f, t->name);
    if (!t->has_shape)
        return;
    fmt_write(f, "[");
    for (int i = 0; i < t->n_dims; i++) {
        const Dim *d = &t->dims[i];
        fmt_write(f, i ? ", " : "");
        if (d->rest) {
            fmt_write(f, "...");
            fmt_write(f, d->rest_name ? d->rest_name : "");
        } else {
            fmt_expr(f, d->expr, 0, 1);
        }
    }
    fmt_write(f, "]");
}

static void index_place(Fmt *f, const Index *x, int indent)
{
    if (x->kind == IX_REST)
        fmt_write(f, "...");
    if (x->expr)
        fmt_expr(f, x->expr, indent, 1);
    if (x->kind != IX_SLICE)
        return;
    fmt_write(f, ":");
    if (x->stop)
        fmt_expr(f, x->stop, indent, 1);
    if (!x->step)
        return;
    fmt_write(f, ":");
    fmt_expr(f, x->step, indent, 1);
}

void fmt_indices(Fmt *f, const Index *indices, int n, int indent)
{
    fmt_write(f, "[");
    for (int i = 0; i < n; i++) {
        fmt_write(f, i ? ", " : "");
        index_place(f, &indices[i], indent);
    }
    fmt_write(f, "]");
}

/* Items with commas; a line ends behind a comma where the next item does not fit. */
void fmt_items(Fmt *f, Expr *const *items, int n, int indent, int tail)
{
    for (int i = 0; i < n; i++) {
        int after = i + 1 < n ? 1 : tail;
        Attempt a = fmt_try(f, after);
        fmt_write(f, i ? " " : "");
        bare(f, items[i], indent, after);
        if (!fmt_keep(f, a)) {
            if (i)
                fmt_newline(f, indent + FORMAT_STEP);
            fmt_expr(f, items[i], indent + (i ? FORMAT_STEP : 0), after);
        }
        fmt_write(f, i + 1 < n ? "," : "");
    }
}

static void arg(Fmt *f, const Arg *a, int indent, int tail)
{
    if (a->name) {
        fmt_write(f, a->name);
        fmt_write(f, " = ");
    }
    fmt_expr(f, a->value, indent, tail);
}

static void call(Fmt *f, const Expr *e, int indent)
{
    fmt_expr(f, e->a, indent, 1);
    fmt_write(f, "(");
    if (f->flat && e->broken)
        f->failed = true;
    for (int i = 0; i < e->n_args; i++) {
        if (!f->flat)
            fmt_newline(f, indent + FORMAT_STEP);
        else
            fmt_write(f, i ? " " : "");
        arg(f, &e->args[i], indent + FORMAT_STEP, 1);
        fmt_write(f, i + 1 < e->n_args ? "," : "");
    }
    if (!f->flat && e->n_args)
        fmt_newline(f, indent);
    fmt_write(f, ")");
}

static void list(Fmt *f, const Expr *e, int indent)
{
    bool simple = true;
    fmt_write(f, "[");
    if (f->flat && e->broken)
        f->failed = true;
    for (int i = 0; i < e->n_items; i++)
        simple &= e->items[i]->depth <= 2;
    if (!f->flat && e->n_items)
        fmt_newline(f, indent + FORMAT_STEP);
    if (simple || f->flat) {
        fmt_items(f, e->items, e->n_items, indent, 1);
    } else {
        for (int i = 0; i < e->n_items; i++) {
            if (i)
                fmt_newline(f, indent + FORMAT_STEP);
            fmt_expr(f, e->items[i], indent + FORMAT_STEP, 1);
            fmt_write(f, i + 1 < e->n_items ? "," : "");
        }
    }
    if (!f->flat && e->n_items)
        fmt_newline(f, indent);
    fmt_write(f, "]");
}

/* ---- pipes ---- */

/* The stages of a chain a |> b |> c: the first, and the pipes from the left. */
static int pipe_stages(const Expr *e, const Expr **pipes)
{
    int n = 0;
    for (const Expr *x = e; x->kind == E_PIPE && (x == e || !x->parenthesised); x = x->a)
        pipes[n++] = x;
    for (int i = 0; i < n / 2; i++) {
        const Expr *t = pipes[i];
        pipes[i] = pipes[n - 1 - i];
        pipes[n - 1 - i] = t;
    }
    return n;
}

/* Broken where the author broke it; false (and nothing written) when a piece does not fit. */
static bool pipe_as_written(Fmt *f, const Expr *const *pipes, int n, int indent, int tail)
{
    size_t start = f->out.len;
    int i = 0;
    bool fits = true;
    Attempt a = fmt_try(f, tail);
    fmt_expr(f, pipes[0]->a, indent, 0);
    while (fits && i < n) {
        if (pipes[i]->broken) {
            fits = fmt_keep(f, a);
            if (!fits)
                break;
            fmt_newline(f, indent + FORMAT_STEP);
            a = fmt_try(f, tail);
        }
        fmt_write(f, pipes[i]->broken ? "|> " : " |> ");
        bare(f, pipes[i]->b, indent, 0);
        i++;
    }
    fits = fits && fmt_keep(f, a);
    if (!fits) {
        f->out.len = start;
        f->out.data[start] = 0;
    }
    return fits;
}

static void pipe(Fmt *f, const Expr *e, int indent, int tail)
{
    const Expr *pipes[DSL_MAX_DEPTH + 1] = { e };
    int n = pipe_stages(e, pipes);
    bool broken = false;
    for (int i = 0; i < n; i++)
        broken |= pipes[i]->broken;
    if (f->flat && broken)
        f->failed = true;
    if (!f->flat && broken && pipe_as_written(f, pipes, n, indent, tail))
        return;
    fmt_expr(f, pipes[0]->a, indent, 0);
    for (int i = 0; i < n; i++) {
        if (!f->flat)
            fmt_newline(f, indent + FORMAT_STEP);
        fmt_write(f, f->flat ? " |> " : "|> ");
        fmt_expr(f, pipes[i]->b, indent + FORMAT_STEP, i + 1 < n ? 0 : tail);
    }
}

/* ---- operators ---- */

static int precedence(const Expr *e)
{
    static const int table[] = { [OP_ADD] = 4, [OP_SUB] = 4, [OP_MUL] = 5, [OP_DIV] = 5, [OP_MOD] = 5,
                                 [OP_POW] = 7, [OP_EQ] = 3, [OP_NE] = 3, [OP_LT] = 3, [OP_LE] = 3,
                                 [OP_GT] = 3, [OP_GE] = 3, [OP_AND] = 2, [OP_OR] = 1 };
    return table[e->op];
}

/* A chain of operators of one strength; a line ends behind an operator where the next operand does
 * not fit. */
static void binary(Fmt *f, const Expr *e, int indent, int tail)
{
    const Expr *chain[DSL_MAX_DEPTH + 1];
    int n = 0;
    const Expr *x = e;
    do
        chain[n++] = x;
    while (e->op != OP_POW && x->a->kind == E_BINARY && !x->a->parenthesised &&
           precedence(x->a) == precedence(e) && (x = x->a));
    fmt_expr(f, chain[n - 1]->a, indent, 3);
    for (int i = n - 1; i >= 0; i--) {
        int after = i ? 3 : tail;
        fmt_write(f, " ");
        fmt_write(f, op_text(chain[i]->op));
        Attempt a = fmt_try(f, after);
        fmt_write(f, " ");
        fmt_expr(f, chain[i]->b, indent, after);
        if (fmt_keep(f, a))
            continue;
        fmt_newline(f, indent + FORMAT_STEP);
        fmt_expr(f, chain[i]->b, indent + FORMAT_STEP, after);
    }
}

static void if_expr(Fmt *f, const Expr *e, int indent, int tail)
{
    fmt_write(f, "if ");
    fmt_expr(f, e->a, indent, 2);
    fmt_write(f, " ");
    fmt_block(f, e->block, indent, 7);
    fmt_write(f, " else ");
    if (e->else_block)
        fmt_block(f, e->else_block, indent, tail);
    else
        if_expr(f, e->b, indent, tail);
}

static void named_values(Fmt *f, const char *lead, const struct ScanItem *items, int n, const char *sign,
                         int indent)
{
    fmt_write(f, lead);
    for (int i = 0; i < n; i++) {
        fmt_write(f, i ? ", " : "");
        fmt_write(f, items[i].name.name);
        fmt_write(f, sign);
        fmt_expr(f, items[i].value, indent, 2);
    }
}

static void scan(Fmt *f, const Scan *s, int indent, int tail)
{
    named_values(f, "scan ", s->items, s->n_items, " in ", indent);
    fmt_write(f, " along ");
    fmt_expr(f, s->along, indent, 2);
    fmt_write(f, s->reverse ? " reverse" : "");
    if (s->n_carries) {
        Attempt a = fmt_try(f, 2);
        named_values(f, " carry ", s->carries, s->n_carries, " = ", indent);
        if (!fmt_keep(f, a)) {
            fmt_newline(f, indent + 2 * FORMAT_STEP);
            named_values(f, "carry ", s->carries, s->n_carries, " = ", indent + 2 * FORMAT_STEP);
        }
    }
    fmt_write(f, " ");
    fmt_block(f, s->body, indent, tail);
}

static void reduce(Fmt *f, const Expr *e, int indent, int tail)
{
    fmt_write(f, e->text);
    fmt_write(f, "(");
    for (int i = 0; i < e->n_names; i++) {
        fmt_write(f, i ? ", " : "");
        fmt_write(f, e->names[i].name);
    }
    fmt_write(f, ") ");
    fmt_expr(f, e->a, indent, tail);
}

/* ---- one expression ---- */

static void inside(Fmt *f, const Expr *e, int indent, int tail)
{
    switch (e->kind) {
    case E_INT: case E_FLOAT: case E_NAME: fmt_write(f, e->text); break;
    case E_BOOL: fmt_write(f, e->ivalue ? "true" : "false"); break;
    case E_STRING: fmt_string(f, e->text); break;
    case E_CALL: call(f, e, indent); break;
    case E_PIPE: pipe(f, e, indent, tail); break;
    case E_INDEX:
        fmt_expr(f, e->a, indent, 1);
        fmt_indices(f, e->indices, e->n_indices, indent);
        break;
    case E_MEMBER:
        fmt_expr(f, e->a, indent, 1);
        fmt_write(f, ".");
        fmt_write(f, e->text);
        break;
    case E_UNARY:
        fmt_write(f, op_text(e->op));
        fmt_expr(f, e->a, indent, tail);
        break;
    case E_BINARY: binary(f, e, indent, tail); break;
    case E_IF: if_expr(f, e, indent, tail); break;
    case E_LIST: list(f, e, indent); break;
    case E_TUPLE: fmt_items(f, e->items, e->n_items, indent, tail); break;
    case E_REDUCE: reduce(f, e, indent, tail); break;
    case E_SCAN: scan(f, e->scan, indent, tail); break;
    case E_RANGE:
        fmt_expr(f, e->a, indent, 3);
        fmt_write(f, " .. ");
        fmt_expr(f, e->b, indent, tail);
        break;
    case E_BAD: break;
    }
}

/* In the mode of the writer, without a try of its own. */
static void bare(Fmt *f, const Expr *e, int indent, int tail)
{
    if (f->flat && f->failed)
        return;
    if (e->parenthesised)
        fmt_write(f, "(");
    inside(f, e, indent, e->parenthesised ? 1 : tail);
    if (e->parenthesised)
        fmt_write(f, ")");
}

void fmt_expr(Fmt *f, const Expr *e, int indent, int tail)
{
    Attempt a = fmt_try(f, tail);
    bare(f, e, indent, tail);
    if (!fmt_keep(f, a))
        bare(f, e, indent, tail);
}

void fmt_value(Fmt *f, const Expr *e, int indent, int tail)
{
    bool spreads = e->kind == E_CALL || e->kind == E_PIPE || e->kind == E_LIST || e->kind == E_IF || e->kind == E_SCAN;
    Attempt a = fmt_try(f, tail);
    fmt_write(f, " ");
    bare(f, e, indent, tail);
    if (fmt_keep(f, a))
        return;
    size_t start = f->out.len;
    if (!spreads) {
        fmt_newline(f, indent + FORMAT_STEP);
        a = fmt_try(f, tail);
        bare(f, e, indent, tail);
        if (fmt_keep(f, a))
            return;
        f->out.len = start;
        f->out.data[start] = 0;
    }
    fmt_write(f, " ");
    bare(f, e, indent, tail);
}
