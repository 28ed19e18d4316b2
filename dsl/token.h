/* Tokens between the lexer (lex.l), the shell that settles what depends on context (tokens.c) and
 * the parser (parse.y). Kinds are the parser's own (gen/parse.h). */
#ifndef NNC_DSL_TOKEN_H
#define NNC_DSL_TOKEN_H
#include "dsl/ast.h"

typedef struct {
    int kind;
    uint32_t begin, end;
    bool newline_before; /* first token of its line */
    bool tainted;        /* a fault was reported here: the parser stays silent about it */
    int depth;           /* open braces around it; a brace itself has the outer depth */
    const char *text;    /* NAME: interned; STRING: decoded; numbers: spelling; NEWLINE: what it is */
    int64_t ivalue;
    double fvalue;
} Token;
typedef Vec(Token) TokenVec;

typedef struct {
    uint32_t begin, end;
    bool taken; /* already attached to a node */
} RawComment;
typedef Vec(RawComment) CommentVec;

/* An error, or a note that belongs to the error before it, until all are told in the text's order. */
typedef struct {
    bool note;
    Span at;
    const char *text;
    int order;
    uint32_t begin; /* of the error it belongs to */
} Finding;
typedef Vec(Finding) FindingVec;

/* State of one parse, handed to lexer, shell and parser. */
typedef struct Parser {
    Arena *arena;
    Intern *names;
    const Source *source;
    Diags *diags;
    FindingVec findings;
    TokenVec raw;    /* what the lexer saw */
    TokenVec tokens; /* what the parser sees: brackets balanced, keywords told from names */
    CommentVec comments;
    uint32_t offset;  /* lexer: bytes consumed */
    bool line_begun;  /* lexer: a token was seen on this line */
    int next;         /* parser: next token */
    int skip_to;      /* parser: first token to hand out after an error, or -1 */
    bool too_deep;    /* nesting was reported once */
    File *file;
} Parser;

/* lex.l: fills raw and comments; reports what is no token. */
void lex_source(Parser *p);
/* tokens.c: raw -> tokens. */
void tokens_settle(Parser *p);
/* bytes.c: reports NULs and bytes that are not UTF-8. */
void bytes_check(Parser *p);
/* report.c: the parser's error message for an unexpected token. */
void report_syntax(Parser *p, const char *const *expected, int n_expected);

/* Lexer, shell and parser run one after the other; their errors are kept and told in the order of the
 * text at the end. */
void parser_error(Parser *p, Span at, const char *format, ...) __attribute__((format(printf, 3, 4)));
void parser_note(Parser *p, Span at, const char *format, ...) __attribute__((format(printf, 3, 4)));
Span parser_span(const Parser *p, uint32_t begin, uint32_t end);
#endif
