/* Inside the reader of loop text: tokens (read_token.c), expressions (read_expr.c), functions (read.c)
 * and programs (program.c). The first error stops the reading: every function returns a value that
 * is safe to build on, and the callers look at `failed`. */
#ifndef NNC_LOOP_READ_H
#define NNC_LOOP_READ_H
#include "loop/expr.h"

typedef enum { T_END, T_WORD, T_LOCAL /* %name */, T_GLOBAL /* @name */, T_NUMBER, T_STRING, T_PUNCT } TokenKind;

typedef struct {
    TokenKind kind;
    Span span;
    const char *text; /* word, name without its mark, punctuation: interned; string: its value */
} Token;

typedef struct {
    Arena *arena;
    Intern *names;
    const Source *source;
    Diags *diags;
    size_t at;
    Token token; /* the one looked at */
    bool failed;
    int depth;   /* of nesting, bounded */
    LFunc *f;
    Vec(struct ReadName { const char *name; const LVar *var; LBuf *buf; }) scope;
} Reader;

enum { READ_DEPTH = 200 };

void read_next(Reader *r);
void read_fail(Reader *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool read_is(const Reader *r, const char *text);     /* word or punctuation */
bool read_accept(Reader *r, const char *text);
void read_expect(Reader *r, const char *text);
const char *read_name(Reader *r, TokenKind kind, const char *what); /* "" on failure */
int64_t read_int(Reader *r, const char *what);
const char *read_string(Reader *r);
LKind read_kind(Reader *r);
bool read_enter(Reader *r); /* false: nested too deeply */

LExpr *read_expr(Reader *r); /* never NULL */
struct ReadName *read_lookup(Reader *r, const char *name);
LType read_type(Reader *r);

LFunc *read_func(Reader *r);
void read_program_item(Reader *r, LProgram *p);
#endif
