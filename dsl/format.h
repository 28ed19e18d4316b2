/* What the formatter's files share: a writer that can try a text on one line and take it back. */
#ifndef NNC_DSL_FORMAT_H
#define NNC_DSL_FORMAT_H
#include "dsl/ast.h"

enum { FORMAT_WIDTH = 100, FORMAT_STEP = 4 };

/* While `flat`, everything is written on one line; what cannot be (or grows beyond `limit` columns)
 * sets `failed` and the attempt is taken back. */
typedef struct {
    Text out;
    bool flat, failed;
    int limit;
} Fmt;

typedef struct {
    size_t len;
    bool nested; /* an outer attempt is going on: this one only joins it */
} Attempt;

void fmt_write(Fmt *f, const char *text);
void fmt_newline(Fmt *f, int indent); /* fails an attempt */
/* tail: columns that must stay free behind the text. */
Attempt fmt_try(Fmt *f, int tail);
/* True when the attempt holds (or is part of an outer one); else it has been taken back. */
bool fmt_keep(Fmt *f, Attempt attempt);

/* format_expr.c: on the current line where it fits, else broken over lines indented by indent + 4. */
void fmt_expr(Fmt *f, const Expr *e, int indent, int tail);
/* Behind `=`: on the current line, or whole on the next, or broken. */
void fmt_value(Fmt *f, const Expr *e, int indent, int tail);
void fmt_items(Fmt *f, Expr *const *items, int n, int indent, int tail);
void fmt_type(Fmt *f, const TypeExpr *t);
void fmt_indices(Fmt *f, const Index *indices, int n, int indent);
void fmt_string(Fmt *f, const char *text);

/* format_stmt.c */
void fmt_block(Fmt *f, const Block *b, int indent, int tail);
/* Comments and blank lines before something; first: nothing stands before it in its block. */
void fmt_before(Fmt *f, const Trivia *t, int indent, bool first, bool blank);
void fmt_trailing(Fmt *f, const Trivia *t);
#endif
