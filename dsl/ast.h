/* The syntax tree of a .nn file. Nothing here knows shapes or the graph.
 *
 * Every node carries the span it came from. Comments and blank lines are kept beside statements and
 * declarations (Trivia), so that the formatter loses nothing. Names are interned: equal names are
 * equal pointers. Lists are arrays in the arena. */
#ifndef NNC_DSL_AST_H
#define NNC_DSL_AST_H
#include "base/arena.h"
#include "base/diag.h"
#include "base/text.h"

/* Trees are no higher than this (the parser reports what would be). */
enum { DSL_MAX_DEPTH = 200 };

typedef struct Expr Expr;
typedef struct Stmt Stmt;
typedef struct Decl Decl;
typedef struct Block Block;

typedef struct {
    const char *text;  /* from '#' to the end of the line, trailing blanks cut */
    bool blank_before; /* an empty line stood before it */
} Comment;

typedef struct {
    const Comment *before;
    int n_before;
    bool blank_before;   /* at least one empty line stood before it (and its comments) */
    bool blank_after;    /* an empty line between the last comment of before and the thing itself */
    const char *trailing; /* comment on the same line, or NULL */
} Trivia;

/* One dimension of a shape: an expression (`N`, `28`, `H / 2`), or a rest `...` / `...S`. */
typedef struct {
    bool rest;
    const char *rest_name; /* NULL for a bare `...` */
    Expr *expr;            /* when not rest */
    Span span;
} Dim;

/* `f32[N, 784]`, `f32` (scalar), `int`, `float`, `bool`, `string`, `net`, `optimizer`, `fn`, `any`:
 * the name is resolved by the front end. */
typedef struct {
    const char *name;
    bool has_shape;
    Dim *dims;
    int n_dims;
    Span span;
} TypeExpr;

typedef struct {
    const char *name; /* NULL for a positional argument */
    Span name_span;
    Expr *value;
} Arg;

/* One place between the brackets of an index: `n`, `...`, `a:b`, `:`, `a:b:step`. */
typedef struct {
    enum { IX_EXPR, IX_REST, IX_SLICE } kind;
    Expr *expr;              /* IX_EXPR; IX_SLICE: start or NULL */
    Expr *stop, *step;       /* IX_SLICE: or NULL */
    Span span;
} Index;

typedef enum {
    E_INT,    /* ivalue; text keeps the spelling */
    E_FLOAT,  /* fvalue; text keeps the spelling */
    E_BOOL,   /* ivalue */
    E_STRING, /* text, escapes resolved */
    E_NAME,   /* text */
    E_CALL,   /* a(args) */
    E_PIPE,   /* a |> b, b is E_CALL or E_NAME: b with a as its first argument */
    E_INDEX,  /* a[indices] */
    E_MEMBER, /* a.text */
    E_UNARY,  /* op a: - ! */
    E_BINARY, /* a op b: + - * / % ** == != < <= > >= && || */
    E_IF,     /* if a {block} else {else_block} or else b (another E_IF) */
    E_LIST,   /* [items] */
    E_TUPLE,  /* (items) of two and more, also `h, c` behind return */
    E_REDUCE, /* text(names) a: `sum(i, j) x[i] * w[j, i]`; text is sum, max, min, prod or mean */
    E_SCAN,   /* see Scan */
    E_RANGE,  /* a .. b, half open, in `for` and in column ranges */
    E_BAD     /* stands where a syntax error was; never reported on again */
} ExprKind;

typedef enum {
    OP_ADD, OP_SUB, OP_MUL, OP_DIV, OP_MOD, OP_POW,
    OP_EQ, OP_NE, OP_LT, OP_LE, OP_GT, OP_GE, OP_AND, OP_OR, OP_NEG, OP_NOT
} OpKind;
const char *op_text(OpKind op); /* "+", "==" ... */

typedef struct {
    const char *name;
    Span span;
} NameRef;

/* scan x in XS, y in YS along AXIS [reverse] carry h = E, c = E { ... yield h } */
typedef struct {
    struct ScanItem { NameRef name; Expr *value; } *items, *carries;
    int n_items, n_carries;
    Expr *along; /* compile-time int */
    bool reverse;
    Block *body;
} Scan;

struct Expr {
    ExprKind kind;
    Span span;
    OpKind op;
    int64_t ivalue;
    double fvalue;
    const char *text;
    Expr *a, *b;
    Arg *args;
    int n_args;
    Index *indices;
    int n_indices;
    Expr **items; /* E_LIST, E_TUPLE */
    int n_items;
    NameRef *names; /* E_REDUCE */
    int n_names;
    Block *block, *else_block;
    Scan *scan;
    bool parenthesised; /* for the formatter */
    bool broken;        /* the source broke the line here (before |>, after '(' or '['): formatter */
    int depth;          /* height of the tree, at most DSL_MAX_DEPTH: recursion over it is safe */
};

struct Block {
    Stmt **stmts;
    int n_stmts;
    Span span; /* from { to } */
    Trivia end; /* comments before the closing brace */
    bool one_line; /* the source had it on one line: the formatter keeps that where it fits */
    int depth;     /* as in Expr */
};

/* Left side of `=`: a name, optionally `name: type`, or `name[n, ..., o]` (index notation). */
typedef struct {
    NameRef name;
    TypeExpr *type;
    Index *indices;
    int n_indices;
    bool indexed;
} Target;

typedef enum {
    S_LET,      /* targets = value */
    S_ARROW,    /* targets[0].name <- value: update of a state, slot, `value` or `grad` */
    S_RETURN,   /* value */
    S_YIELD,    /* value */
    S_PARAM,    /* param name: type = value */
    S_STATE,    /* state name: type = value */
    S_SLOT,     /* slot name [: type] = value */
    S_IF,       /* value (condition), block, else_block (an else-if is a block with one S_IF) */
    S_FOR,      /* targets[0].name in value, block */
    S_EXPR,     /* value alone */
    S_ASSERT,   /* assert value, "message": compile-time check a library author writes */
    S_DATA,     /* data name: type = value */
    S_NOISE,    /* noise name: type = value */
    S_OPTION,   /* name value: `batch 32`, `epochs 5`, in train */
    S_MINIMIZE, /* minimize value over names with with_expr */
    S_METRIC,   /* metric name = value */
    S_VALIDATE, /* validate on items, or validate split value */
    S_STEP,     /* step name block */
    S_BAD
} StmtKind;

struct Stmt {
    StmtKind kind;
    Span span;
    Trivia trivia;
    NameRef name; /* PARAM STATE SLOT DATA NOISE OPTION METRIC STEP */
    TypeExpr *type;
    Target *targets;
    int n_targets;
    Expr *value;
    Expr **over; /* MINIMIZE: nets, or net.path members */
    int n_over;
    Expr *with;  /* MINIMIZE: an optimizer call, or a pipe of gradient transforms ending in one */
    Expr **items; /* VALIDATE on */
    int n_items;
    bool split;   /* VALIDATE split */
    const char *message; /* ASSERT, or NULL */
    Block *block, *else_block;
    int depth; /* as in Expr */
};

/* `x: f32[N]`, `units O: int`, `bias: bool = true`: name is what callers write, alias (or NULL) the
 * short name used in shapes and in the body. */
typedef struct {
    NameRef name;
    const char *alias;
    TypeExpr *type; /* NULL: any tensor or static value */
    Expr *init; /* default, or NULL */
    Span span;
    Trivia trivia;
} Formal;

typedef enum { D_FN, D_LAYER, D_NET, D_OPTIMIZER, D_TRAIN, D_IMPORT, D_CONST } DeclKind;

struct Decl {
    DeclKind kind;
    Span span;
    Trivia trivia;
    NameRef name;
    const char *doc; /* the comment block right above, without '# ', or NULL */
    Formal *formals;
    int n_formals;
    TypeExpr **results; /* declared result types; n_results 0: inferred */
    int n_results;
    Block *body; /* `fn f(x) = e` is a body with one return, short_form set */
    bool short_form;
    const char *path; /* IMPORT */
    NameRef as;       /* IMPORT "x.nn" as name; or no name */
    Expr *value;      /* CONST: `name = value` at top level, overridable by -D NAME=VALUE */
};

typedef struct {
    const Source *source;
    Decl **decls;
    int n_decls;
    Trivia end; /* comments at the end of the file */
} File;

/* Parses a source. Reports every syntax error to diags and recovers at the end of a statement;
 * always returns a tree (with E_BAD, S_BAD where text made no sense). Reentrant. */
File *dsl_parse(Arena *arena, Intern *names, const Source *source, Diags *diags);

/* Canonical text of a file: 4-space indent, lines within 100 columns where possible. Formatting the
 * result again gives the same text. Only for files that parsed without errors. */
char *dsl_format(Arena *arena, const File *file);

/* The tree as text, one line a declaration or statement: for tests and debugging. Spans, trivia and
 * layout are left out, so that two texts of one program give the same. */
char *dsl_tree(Arena *arena, const File *file);

/* The library files embedded at build time: name ("layers.nn"), text. */
typedef struct {
    const char *name, *text;
    size_t len;
} StdFile;
extern const StdFile DSL_STD[];
extern const int DSL_STD_COUNT;
#endif
