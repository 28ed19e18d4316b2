/* Visiting text: a visitor returns true to stop, and the walk then returns true. */
#ifndef NNC_FRONT_WALK_H
#define NNC_FRONT_WALK_H
#include "dsl/ast.h"

typedef struct {
    bool (*expr)(void *user, const Expr *e); /* or NULL */
    bool (*stmt)(void *user, const Stmt *s); /* or NULL */
    void *user;
} Walker;
bool walk_expr(const Expr *e, const Walker *w);
bool walk_block(const Block *b, const Walker *w);
#endif
