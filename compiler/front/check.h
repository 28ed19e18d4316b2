/* The check of a declaration's names: what is bound where, used or not. */
#ifndef NNC_FRONT_CHECK_H
#define NNC_FRONT_CHECK_H
#include "front/elab.h"

typedef struct Local Local;
struct Local {
    const char *name;
    Span span;
    bool used;
    const char *kind; /* "binding", "param" ...: a warning when it is never used; NULL: no warning */
    Local *next;
};

typedef struct {
    Front *f;
    Unit *unit;
    const Decl *decl; /* NULL: a constant */
    Local *locals;    /* of the declaration; blocks of `if` and `for` share it */
    int in_scan, in_indexed;
} Check;

Local *check_bind(Check *c, const char *name, Span span, const char *kind);
Local *check_local(Check *c, const char *name);
void check_expr(Check *c, const Expr *e);
void check_block(Check *c, const Block *b);
void check_block_value(Check *c, const Block *b);
/* Dims of a type: names that are not known are errors, or bound when `binds`. */
void check_type(Check *c, const TypeExpr *t, bool binds);
void check_error(Check *c, Span at, const char *format, ...) __attribute__((format(printf, 3, 4)));
void check_note(Check *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
#endif
