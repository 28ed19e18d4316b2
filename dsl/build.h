/* Making of tree nodes for the parser: each function fills one kind of node, checks what the grammar
 * cannot (targets, right sides of pipes, height), and reports. Never returns NULL. */
#ifndef NNC_DSL_BUILD_H
#define NNC_DSL_BUILD_H
#include "dsl/token.h"

typedef Vec(Expr *) ExprVec;
typedef Vec(Arg) ArgVec;
typedef Vec(Index) IndexVec;
typedef Vec(Dim) DimVec;
typedef Vec(NameRef) NameVec;
typedef Vec(Stmt *) StmtVec;
typedef Vec(Decl *) DeclVec;
typedef Vec(Formal) FormalVec;
/* What stands left of `=`, before it is known that a `=` follows. */
typedef struct {
    Expr *expr;
    TypeExpr *type;
} Left;
typedef Vec(Left) LeftVec;
typedef Vec(TypeExpr *) TypeVec;
typedef Vec(struct ScanItem) ScanVec;

#define LIST_NEW(p, T) ARENA_NEW((p)->arena, T)

/* expressions */
Expr *expr_new(Parser *p, ExprKind kind, Span span);
Expr *expr_literal(Parser *p, ExprKind kind, const Token *token);
Expr *expr_binary(Parser *p, OpKind op, Expr *a, Expr *b, Span span);
Expr *expr_unary(Parser *p, OpKind op, Expr *a, Span span);
Expr *expr_pipe(Parser *p, Expr *a, Expr *b, Span span, uint32_t bar);
Expr *expr_range(Parser *p, Expr *a, Expr *b, Span span);
Expr *expr_call(Parser *p, Expr *callee, const ArgVec *args, Span span, Span open);
Expr *expr_index(Parser *p, Expr *a, const IndexVec *indices, Span span);
Expr *expr_member(Parser *p, Expr *a, const Token *name, Span span);
Expr *expr_items(Parser *p, ExprKind kind, const ExprVec *items, Span span);
Expr *expr_reduce(Parser *p, const Token *word, const NameVec *names, Expr *a, Span span);
Expr *expr_if(Parser *p, Expr *cond, Block *then, Block *other, Expr *chain, Span span);
Expr *expr_scan(Parser *p, Scan *scan, Span span);
/* One expression, or a tuple of several. */
Expr *expr_value(Parser *p, const ExprVec *items, Span span);

/* statements */
Block *block_new(Parser *p, const StmtVec *stmts, Span span);
Stmt *stmt_new(Parser *p, StmtKind kind, Span span);
Stmt *stmt_let(Parser *p, const LeftVec *lefts, Expr *value, Span span);
Stmt *stmt_named(Parser *p, StmtKind kind, int name_token, TypeExpr *type, Expr *value, Span span);
/* A statement that is an expression; several targets become a tuple. */
Stmt *stmt_expr(Parser *p, const LeftVec *lefts, Span span);
Stmt *stmt_if(Parser *p, Expr *cond, Block *then, Block *other, Span span);
/* Height of what the statement holds; a statement that is too high is reported and becomes S_BAD. */
Stmt *stmt_height(Parser *p, Stmt *stmt);
/* Height and trivia: call when the statement is complete. */
Stmt *stmt_done(Parser *p, Stmt *stmt);
/* A block of the one statement of an `else if`. */
Block *block_of(Parser *p, Stmt *stmt);
Target target_of(Parser *p, const Left *left);

/* declarations */
Decl *decl_new(Parser *p, DeclKind kind, NameRef name, Span span);
Decl *decl_body(Parser *p, Decl *decl, Expr *short_value, Block *body);
Decl *decl_done(Parser *p, Decl *decl);
/* A statement at the top level: a constant, or an error. NULL when it is an error. */
Decl *decl_from_stmt(Parser *p, Stmt *stmt);
Formal formal_done(Parser *p, Formal formal);

NameRef name_of(Parser *p, const Token *token);
const Token *token_at(Parser *p, int index);

/* trivia.c: takes the comments that belong to a node: those right before it, those within it that no
 * inner node has taken, and the one that ends its line. */
Trivia trivia_take(Parser *p, Span span);
/* Those left between the last token before `end` (a closing brace, the end of the file) and it. */
Trivia trivia_before_end(Parser *p, uint32_t end);
#endif
