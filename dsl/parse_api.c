/* dsl_parse: bytes -> tokens -> settled tokens -> tree. */
#include "dsl/build.h"
#include "parse.h"

Span parser_span(const Parser *p, uint32_t begin, uint32_t end) { return (Span){ p->source, begin, end }; }

const char *op_text(OpKind op)
{
    static const char *const text[] = { "+", "-", "*", "/", "%", "**", "==", "!=",
                                        "<", "<=", ">", ">=", "&&", "||", "-", "!" };
    return text[op];
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
    return p.file;
}
