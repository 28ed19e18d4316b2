/* Formatter: the canonical text of a file (dsl_format in ast.h). Declarations and the writer are here,
 * statements in format_stmt.c, expressions in format_expr.c.
 *
 * What decides the layout is the tree, the width, and three choices of the author that are kept: a
 * block on one line, a line broken before `|>`, a line broken right behind `(` or `[`. The output
 * makes the same choices again, which is why formatting twice changes nothing. */
#include "dsl/format.h"
#include <string.h>

/* ---- the writer ---- */

static int column(const Fmt *f)
{
    int n = 0;
    for (size_t i = f->out.len; i > 0 && f->out.data[i - 1] != '\n'; i--)
        n += ((unsigned char)f->out.data[i - 1] & 0xC0) != 0x80;
    return n;
}

void fmt_write(Fmt *f, const char *text)
{
    if (f->flat && f->failed)
        return;
    text_add(&f->out, text);
    if (f->flat && column(f) > f->limit)
        f->failed = true;
}

void fmt_newline(Fmt *f, int indent)
{
    if (f->flat) {
        f->failed = true;
        return;
    }
    text_add(&f->out, "\n");
    for (int i = 0; i < indent; i++)
        text_add(&f->out, " ");
}

Attempt fmt_try(Fmt *f, int tail)
{
    Attempt a = { f->out.len, f->flat };
    if (!f->flat) {
        f->flat = true;
        f->failed = false;
        f->limit = FORMAT_WIDTH - tail;
    }
    return a;
}

bool fmt_keep(Fmt *f, Attempt attempt)
{
    if (attempt.nested)
        return true;
    f->flat = false;
    if (!f->failed)
        return true;
    f->failed = false;
    f->out.len = attempt.len;
    if (f->out.data)
        f->out.data[attempt.len] = 0;
    return false;
}

/* ---- declarations ---- */

static void formal(Fmt *f, const Formal *x, int indent)
{
    fmt_write(f, x->name.name);
    if (x->alias) {
        fmt_write(f, " ");
        fmt_write(f, x->alias);
    }
    if (x->type) {
        fmt_write(f, ": ");
        fmt_type(f, x->type);
    }
    if (x->init) {
        fmt_write(f, " = ");
        fmt_expr(f, x->init, indent, 1);
    }
}

static bool has_comments(const Trivia *t) { return t->n_before > 0 || t->trailing; }

/* One formal a line, each with its comments. */
static void formals_broken(Fmt *f, const Decl *d, int indent)
{
    for (int i = 0; i < d->n_formals; i++) {
        Trivia t = d->formals[i].trivia;
        t.blank_before = t.blank_after = false;
        fmt_newline(f, indent);
        fmt_before(f, &t, indent, true, false);
        formal(f, &d->formals[i], indent);
        fmt_write(f, i + 1 < d->n_formals ? "," : "");
        fmt_trailing(f, &t);
    }
    fmt_newline(f, 0);
}

static void results(Fmt *f, const Decl *d)
{
    for (int i = 0; i < d->n_results; i++) {
        fmt_write(f, i ? ", " : " -> ");
        fmt_type(f, d->results[i]);
    }
}

static void head(Fmt *f, const char *word, const Decl *d)
{
    bool comments = false;
    for (int i = 0; i < d->n_formals; i++)
        comments |= has_comments(&d->formals[i].trivia);
    fmt_write(f, word);
    fmt_write(f, " ");
    fmt_write(f, d->name.name);
    fmt_write(f, "(");
    Attempt a = fmt_try(f, 2);
    if (comments)
        f->failed = true;
    for (int i = 0; i < d->n_formals; i++) {
        fmt_write(f, i ? ", " : "");
        formal(f, &d->formals[i], 0);
    }
    fmt_write(f, ")");
    results(f, d);
    if (fmt_keep(f, a))
        return;
    if (d->n_formals)
        formals_broken(f, d, FORMAT_STEP);
    fmt_write(f, ")");
    results(f, d);
}

static void body(Fmt *f, const Decl *d)
{
    if (d->short_form) {
        fmt_write(f, " =");
        fmt_value(f, d->body->stmts[0]->value, 0, 0);
        return;
    }
    fmt_write(f, " ");
    fmt_block(f, d->body, 0, 0);
}

static void decl(Fmt *f, const Decl *d)
{
    static const char *const words[] = { [D_FN] = "fn", [D_LAYER] = "layer", [D_NET] = "net",
                                         [D_OPTIMIZER] = "optimizer" };
    switch (d->kind) {
    case D_FN: case D_LAYER: case D_NET: case D_OPTIMIZER:
        head(f, words[d->kind], d);
        body(f, d);
        break;
    case D_TRAIN:
        fmt_write(f, "train ");
        fmt_write(f, d->name.name);
        body(f, d);
        break;
    case D_IMPORT:
        fmt_write(f, "import ");
        fmt_string(f, d->path);
        if (d->as.name) {
            fmt_write(f, " as ");
            fmt_write(f, d->as.name);
        }
        break;
    case D_CONST:
        fmt_write(f, d->name.name);
        fmt_write(f, " =");
        fmt_value(f, d->value, 0, 0);
        break;
    }
}

/* Whether a declaration took several lines: it is set off by blank lines. */
static bool spans_lines(const Fmt *f, size_t from)
{
    return f->out.data && strchr(f->out.data + from, '\n');
}

char *dsl_format(Arena *arena, const File *file)
{
    Fmt f = { .out = { .arena = arena } };
    bool tall_before = false;
    text_add(&f.out, "");
    for (int i = 0; i < file->n_decls; i++) {
        const Decl *d = file->decls[i];
        Fmt alone = { .out = { .arena = arena } };
        decl(&alone, d);
        bool tall = spans_lines(&alone, 0);
        fmt_before(&f, &d->trivia, 0, i == 0, i > 0 && (tall || tall_before));
        text_add(&f.out, alone.out.data);
        fmt_trailing(&f, &d->trivia);
        text_add(&f.out, "\n");
        tall_before = tall;
    }
    if (file->end.n_before) {
        Trivia end = file->end;
        end.blank_after = false;
        fmt_before(&f, &end, 0, file->n_decls == 0, tall_before);
    }
    return f.out.data;
}
