/* Formatter: statements, blocks, comments. Contract: format.h. */
#include "dsl/format.h"
#include <string.h>

/* ---- comments ---- */

/* Drops the indent of a line on which nothing stands yet. */
static void strip_indent(Fmt *f)
{
    while (f->out.len && f->out.data[f->out.len - 1] == ' ')
        f->out.data[--f->out.len] = 0;
}

static void blank_line(Fmt *f, int indent)
{
    strip_indent(f);
    fmt_newline(f, indent);
}

void fmt_before(Fmt *f, const Trivia *t, int indent, bool first, bool blank)
{
    if (f->flat) {
        f->failed |= t->n_before > 0;
        return;
    }
    if (!first && (blank || t->blank_before))
        blank_line(f, indent);
    for (int i = 0; i < t->n_before; i++) {
        if (i > 0 && t->before[i].blank_before)
            blank_line(f, indent);
        fmt_write(f, t->before[i].text);
        fmt_newline(f, indent);
    }
    if (t->n_before && t->blank_after)
        blank_line(f, indent);
}

void fmt_trailing(Fmt *f, const Trivia *t)
{
    if (!t->trailing)
        return;
    if (f->flat)
        f->failed = true;
    fmt_write(f, "  ");
    fmt_write(f, t->trailing);
}

/* ---- statements ---- */

static void target(Fmt *f, const Target *t, int indent)
{
    fmt_write(f, t->name.name);
    if (t->indexed)
        fmt_indices(f, t->indices, t->n_indices, indent);
    if (t->type) {
        fmt_write(f, ": ");
        fmt_type(f, t->type);
    }
}

static void let(Fmt *f, const Stmt *s, int indent, int tail)
{
    for (int i = 0; i < s->n_targets; i++) {
        fmt_write(f, i ? ", " : "");
        target(f, &s->targets[i], indent);
    }
    fmt_write(f, s->kind == S_LET ? " =" : " <-");
    fmt_value(f, s->value, indent, tail);
}

static void declared(Fmt *f, const char *word, const Stmt *s, int indent, int tail)
{
    fmt_write(f, word);
    fmt_write(f, " ");
    fmt_write(f, s->name.name);
    if (s->type) {
        fmt_write(f, ": ");
        fmt_type(f, s->type);
    }
    fmt_write(f, " =");
    fmt_value(f, s->value, indent, tail);
}

static void worded(Fmt *f, const char *word, const Expr *e, int indent, int tail)
{
    fmt_write(f, word);
    fmt_write(f, " ");
    fmt_expr(f, e, indent, tail);
}

static void stmt(Fmt *f, const Stmt *s, int indent, int tail);

/* The `if` that an else-block consists of, when it can be written `else if`. */
static const Stmt *chained(const Block *b)
{
    if (b->n_stmts != 1 || b->stmts[0]->kind != S_IF || b->end.n_before)
        return NULL;
    const Trivia *t = &b->stmts[0]->trivia;
    return t->n_before || t->trailing ? NULL : b->stmts[0];
}

static void if_stmt(Fmt *f, const Stmt *s, int indent, int tail)
{
    worded(f, "if", s->value, indent, 2);
    fmt_write(f, " ");
    fmt_block(f, s->block, indent, s->else_block ? 7 : tail);
    if (!s->else_block)
        return;
    fmt_write(f, " else ");
    const Stmt *next = chained(s->else_block);
    if (next)
        if_stmt(f, next, indent, tail);
    else
        fmt_block(f, s->else_block, indent, tail);
}

/* On the line where it fits, else on one of its own. */
static void clause(Fmt *f, const char *word, Expr *const *items, int n, int indent, int tail)
{
    Attempt a = fmt_try(f, tail);
    fmt_write(f, " ");
    fmt_write(f, word);
    fmt_items(f, items, n, indent, tail);
    if (fmt_keep(f, a))
        return;
    fmt_newline(f, indent);
    fmt_write(f, word);
    fmt_items(f, items, n, indent, tail);
}

static void minimize(Fmt *f, const Stmt *s, int indent, int tail)
{
    worded(f, "minimize", s->value, indent, s->n_over || s->with ? 0 : tail);
    if (s->n_over)
        clause(f, "over ", s->over, s->n_over, indent + FORMAT_STEP, s->with ? 0 : tail);
    if (s->with)
        clause(f, "with ", &s->with, 1, indent + FORMAT_STEP, tail);
}

static void assertion(Fmt *f, const Stmt *s, int indent, int tail)
{
    worded(f, "assert", s->value, indent, s->message ? 1 : tail);
    if (!s->message)
        return;
    fmt_write(f, ",");
    Attempt a = fmt_try(f, tail);
    fmt_write(f, " ");
    fmt_string(f, s->message);
    if (fmt_keep(f, a))
        return;
    fmt_newline(f, indent + FORMAT_STEP);
    fmt_string(f, s->message);
}

static void stmt(Fmt *f, const Stmt *s, int indent, int tail)
{
    switch (s->kind) {
    case S_LET: case S_ARROW: let(f, s, indent, tail); break;
    case S_RETURN: worded(f, "return", s->value, indent, tail); break;
    case S_YIELD: worded(f, "yield", s->value, indent, tail); break;
    case S_PARAM: declared(f, "param", s, indent, tail); break;
    case S_STATE: declared(f, "state", s, indent, tail); break;
    case S_SLOT: declared(f, "slot", s, indent, tail); break;
    case S_DATA: declared(f, "data", s, indent, tail); break;
    case S_NOISE: declared(f, "noise", s, indent, tail); break;
    case S_METRIC: declared(f, "metric", s, indent, tail); break;
    case S_IF: if_stmt(f, s, indent, tail); break;
    case S_FOR:
        fmt_write(f, "for ");
        fmt_write(f, s->targets[0].name.name);
        worded(f, " in", s->value, indent, 2);
        fmt_write(f, " ");
        fmt_block(f, s->block, indent, tail);
        break;
    case S_EXPR: fmt_expr(f, s->value, indent, tail); break;
    case S_ASSERT: assertion(f, s, indent, tail); break;
    case S_OPTION: worded(f, s->name.name, s->value, indent, tail); break;
    case S_MINIMIZE: minimize(f, s, indent, tail); break;
    case S_VALIDATE:
        if (s->split) {
            worded(f, "validate split", s->value, indent, tail);
        } else {
            fmt_write(f, "validate on ");
            fmt_items(f, s->items, s->n_items, indent, tail);
        }
        break;
    case S_STEP:
        fmt_write(f, "step ");
        fmt_write(f, s->name.name);
        fmt_write(f, " ");
        fmt_block(f, s->block, indent, tail);
        break;
    case S_BAD: break;
    }
}

/* ---- blocks ---- */

static void block_flat(Fmt *f, const Block *b, int indent)
{
    if (!b->one_line || b->end.n_before)
        f->failed = true;
    fmt_write(f, "{");
    for (int i = 0; i < b->n_stmts && !f->failed; i++) {
        fmt_write(f, i ? "; " : " ");
        fmt_before(f, &b->stmts[i]->trivia, indent, true, false);
        stmt(f, b->stmts[i], indent, 0);
        fmt_trailing(f, &b->stmts[i]->trivia);
    }
    fmt_write(f, b->n_stmts ? " }" : "}");
}

void fmt_block(Fmt *f, const Block *b, int indent, int tail)
{
    Attempt a = fmt_try(f, tail);
    block_flat(f, b, indent);
    if (fmt_keep(f, a))
        return;
    fmt_write(f, "{");
    int inner = indent + FORMAT_STEP;
    for (int i = 0; i < b->n_stmts; i++) {
        fmt_newline(f, inner);
        fmt_before(f, &b->stmts[i]->trivia, inner, i == 0, false);
        stmt(f, b->stmts[i], inner, 0);
        fmt_trailing(f, &b->stmts[i]->trivia);
    }
    if (b->end.n_before) {
        fmt_newline(f, inner);
        Trivia end = b->end;
        end.blank_after = false;
        fmt_before(f, &end, inner, b->n_stmts == 0, false);
        strip_indent(f);
        for (int i = 0; i < indent; i++)
            fmt_write(f, " ");
    } else {
        fmt_newline(f, indent);
    }
    fmt_write(f, "}");
}
