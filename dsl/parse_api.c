/* dsl_parse: bytes -> tokens -> settled tokens -> tree. */
#include "dsl/build.h"
#include "parse.h"
#include <stdlib.h>

Span parser_span(const Parser *p, uint32_t begin, uint32_t end) { return (Span){ p->source, begin, end }; }

const char *op_text(OpKind op)
{
    static const char *const text[] = { "+", "-", "*", "/", "%", "**", "==", "!=",
                                        "<", "<=", ">", ">=", "&&", "||", "-", "!" };
    return text[op];
}

/* ---- errors ---- */

static void find(Parser *p, bool note, Span at, const char *format, va_list args)
{
    Finding f = { note, at, arena_vprintf(p->arena, format, args), p->findings.len, at.begin };
    if (note && p->findings.len)
        f.begin = p->findings.data[p->findings.len - 1].begin;
    VEC_PUSH(p->arena, &p->findings, f);
}

void parser_error(Parser *p, Span at, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    find(p, false, at, format, args);
    va_end(args);
}

void parser_note(Parser *p, Span at, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    find(p, true, at, format, args);
    va_end(args);
}

static int by_place(const void *a, const void *b)
{
    const Finding *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->order - y->order;
}

static void tell(Parser *p)
{
    if (p->findings.len)
        qsort(p->findings.data, (size_t)p->findings.len, sizeof *p->findings.data, by_place);
    for (int i = 0; i < p->findings.len; i++) {
        const Finding *f = &p->findings.data[i];
        if (f->note)
            diag_note(p->diags, f->at, "%s", f->text);
        else
            diag_error(p->diags, f->at, "%s", f->text);
    }
}

File *dsl_parse(Arena *arena, Intern *names, const Source *source, Diags *diags)
{
    enum { LIMIT = 16 << 20 };
    Parser p = { .arena = arena, .names = names, .source = source, .diags = diags, .skip_to = -1 };
    p.file = ARENA_NEW(arena, File);
    p.file->source = source;
    if (source->len > LIMIT) {
        diag_error(diags, parser_span(&p, 0, 0), "larger than 16 MiB: not a network");
        return p.file;
    }
    bytes_check(&p);
    lex_source(&p);
    tokens_settle(&p);
    if (!p.too_deep) /* else the tokens are cut off */
        dsl_yyparse(&p);
    p.file->end = trivia_before_end(&p, (uint32_t)source->len);
    tell(&p);
    return p.file;
}
