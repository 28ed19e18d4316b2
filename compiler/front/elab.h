/* What the files of the front end share: values, scopes, frames, and who offers what.
 *
 * Elaboration is an evaluation of the program's text at compile time. Static values are computed;
 * tensors are nodes of the graph under construction (Gen). A Frame is one activation of a fn, layer,
 * net or optimizer, or of a train block. Every evaluation gives a Value; V_BAD means that an error
 * was already reported, and everything that meets it stays silent. */
#ifndef NNC_FRONT_ELAB_H
#define NNC_FRONT_ELAB_H
#include "front/front.h"
#include "ops/build.h"

enum {
    MAX_CALL_DEPTH = 64,
    MAX_LIST = 1 << 16,          /* items of a static list */
    MAX_FORMALS = 32,
    MAX_STRING = 1 << 12,
    STACK_LIMIT = 3 << 20, /* bytes below front_build */
    EVAL_BUDGET = 2 * 1000 * 1000, /* expressions and list items evaluated in one compilation */
    NODE_BUDGET = 400 * 1000       /* nodes of one graph */
};
#define MAX_ELEMENTS ((int64_t)INT32_MAX)

typedef struct Front Front;
typedef struct Frame Frame;
typedef struct Gen Gen;
typedef struct Symbol Symbol;
typedef struct Unit Unit;
typedef struct Value Value;
typedef struct Builtin Builtin;
typedef struct OptCall OptCall;
typedef struct TrainGen TrainGen;
typedef struct VarInfo VarInfo;

/* ---- values ---- */
typedef enum {
    V_BAD,    /* an error was reported */
    V_NONE,   /* no value: what an argument without a default is when it is not given */
    V_INT, V_FLOAT, V_BOOL, V_STRING,
    V_DTYPE,  /* i: DType */
    V_RANGE,  /* i .. j */
    V_LIST, V_TUPLE,
    V_TENSOR, /* node of graph */
    V_SYMBOL, /* a fn, layer, net or optimizer */
    V_BUILTIN,
    V_OPT,    /* an optimizer with its arguments, ready for `with` */
    V_SPACE   /* import "x.nn" as name */
} ValueKind;

struct Value {
    ValueKind kind;
    int n;
    int64_t i, j;
    double f;
    const char *s;
    const Value *items;
    Node *node;
    Graph *graph;
    const VarInfo *var; /* V_TENSOR that is the plain value of a variable */
    Symbol *sym;
    const Builtin *builtin;
    const OptCall *opt;
    Unit *space;
};

/* value.c */
Value value_int(int64_t i);
Value value_float(double f);
Value value_bool(bool b);
Value value_string(const char *s);
Value value_list(Front *f, const Value *items, int n);
Value value_ints(Front *f, const int64_t *v, int n);
static inline Value value_bad(void) { return (Value){ .kind = V_BAD }; }
static inline Value value_none(void) { return (Value){ .kind = V_NONE }; }
static inline bool is_bad(Value v) { return v.kind == V_BAD; }
bool value_is_number(Value v);
double value_number(Value v);
bool value_equal(Value a, Value b);
/* "an int", "a tensor f32[3]", "a list", "the layer dense" */
const char *value_what(Front *f, Value v);
/* Text of a static value as one would write it: 3, 0.5, [1, 2], "x". */
const char *value_text(Front *f, Value v);
const char *dims_text(Front *f, const int64_t *dim, int rank); /* [32, 10] */

/* ---- declarations and files ---- */
struct Symbol {
    const char *name;
    Decl *decl;
    Unit *unit;
    /* D_CONST */
    enum { CONST_TODO, CONST_BUSY, CONST_DONE } state;
    Value value;
    /* D_LAYER: holds parameters, itself or further down */
    enum { HOLDS_TODO, HOLDS_BUSY, HOLDS_NO, HOLDS_YES } holds;
    /* D_NET: variables its elaboration reads; the shapes of its first use in a train block */
    Vec(VarInfo *) vars;
    bool elaborated, used;
    Value *use_args; /* by formal */
    struct ShapeVar {
        const char *name;
        Value value;
        bool batch;
    } *use_shapes;
    int n_use_shapes;
    int64_t use_batch;
};

struct Unit { /* one file */
    const Source *source;
    File *file;
    bool library, loading;
    Vec(Symbol *) symbols;
    Vec(Unit *) imports;            /* their names are in scope */
    Vec(struct Space { const char *name; Unit *unit; Span span; }) spaces;
};

struct VarInfo {
    Var *var;
    Span span;
    Node *init; /* in the init graph */
};

struct Front {
    Arena *arena;
    Intern *names;
    Diags *diags;
    const FrontOptions *options;
    Module *module;
    Unit *main;
    Vec(Unit *) units;  /* in order of loading; library first */
    Vec(Unit *) library;
    Vec(VarInfo *) vars;
    Vec(struct Reported { const Source *src; uint32_t at; }) reported;
    bool *define_used;
    Gen *init;
    int64_t budget;
    uintptr_t stack_base;
    int faults; /* errors met, repetitions included */
    bool muted; /* the last error was a repetition: its notes are silent */
};

/* ---- one graph under construction ---- */
typedef struct {
    const VarInfo *info;
    Node *read, *now; /* value at entry; value after `<-`, or NULL */
} VarUse;

typedef struct {
    Symbol *net;
    Value *args;
    int n_args;
    Value result;
} NetMemo;

/* Where random draws are counted: a layer instance, an initialiser, a step. */
typedef struct {
    const char *path;      /* of nodes: "mlp.fc1" */
    const char *salt_path; /* the same, told apart by use: "mlp#2.fc1" */
    int draws;
} Site;

struct Gen {
    Front *f;
    Graph *g;
    bool training;
    Gen *outer; /* of a scan's body: the graph around it */
    Vec(VarUse) uses;
    Vec(NetMemo) memo;
    Vec(struct Capture { Node *outer; Node *inner; }) captured; /* scan bodies */
    TrainGen *train; /* data and noise of a train block, or NULL */
};

typedef struct Binding Binding;
struct Binding {
    const char *name;
    Value value;
    Span span;
    Binding *next;
};
typedef struct Scope Scope;
struct Scope {
    Binding *first;
    Scope *parent;
    bool barrier; /* body of a scan: names outside are read, not bound anew */
};

/* A layer's or net's instance in one elaboration: names of variables and parts below its path. */
typedef struct {
    const char *path;
    Site site;
    Vec(struct Taken { const char *name; int count; }) taken;
} Instance;

/* Names an optimizer's body works on; a statement in index notation; the body of a scan. */
typedef struct OptState OptState;
typedef struct IndexEnv IndexEnv;
typedef struct ScanState ScanState;

struct Frame {
    Front *f;
    Gen *gen;
    Frame *caller;
    Span call;       /* in the caller's text */
    Symbol *sym;     /* NULL: top level */
    Unit *unit;
    Scope *scope;
    Instance *inst;  /* NULL: no fresh weights here (fn) */
    Site *site;
    const Value *shape; /* declared shape, inside initialisers */
    IndexEnv *index;    /* inside index notation */
    OptState *opt;
    ScanState *scan;
    int depth;
    bool binding;       /* arguments are being matched: faults are the caller's */
    bool returned;
    Value result;
    Span result_at;
};

/* ---- report.c ----
 * Errors in library text are said at the user's call, with notes that lead to the library line. A
 * place is reported on once however often it is elaborated. Returns V_BAD. */
Value fail(Frame *fr, Span at, const char *format, ...) __attribute__((format(printf, 3, 4)));
void hint(Frame *fr, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A note with a place. */
void hint_at(Frame *fr, Span at, const char *format, ...) __attribute__((format(printf, 3, 4)));
const char *front_printf(Front *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define PRINTF(fr, ...) front_printf((fr)->f, __VA_ARGS__)

/* ---- scope.c ---- */
Scope *scope_new(Front *f, Scope *parent);
Binding *scope_find(Scope *s, const char *name);
/* Binds in s itself; rebinding replaces. */
void scope_bind(Front *f, Scope *s, const char *name, Value value, Span span);
/* Rebinds where the name is already bound in the function, else binds in s. */
void scope_assign(Front *f, Scope *s, const char *name, Value value, Span span);
/* Looks a name up: scopes, special names, the file, its imports, the library, builtins, dtypes.
 * Reports when there is none. */
Value name_lookup(Frame *fr, const char *name, Span at);
Symbol *unit_find(Unit *u, const char *name);              /* in the file itself */
Symbol *symbol_find(Front *f, Unit *u, const char *name);  /* with imports and library */
/* All names visible at top level of a unit, for suggestions. */
void names_visible(Front *f, Unit *u, const char ***names, int *n);
Value symbol_value(Front *f, Symbol *sym); /* evaluates constants */
Frame frame_top(Front *f, Unit *u, Gen *gen);

/* ---- load.c ---- */
Unit *unit_load(Front *f, const Source *source, bool library);
void library_load(Front *f);
const char *define_find(Front *f, const char *name); /* its text; marks it used */
Value define_value(Front *f, const char *text);

/* ---- check.c: names and arity of everything, used or not ---- */
void check_unit(Front *f, Unit *u);
/* `dense(x: f32[..., I], units O: int, bias: bool = true)` */
const char *signature_text(Front *f, const Decl *d);

/* ---- types.c ---- */
typedef enum { TK_TENSOR, TK_INT, TK_FLOAT, TK_BOOL, TK_STRING, TK_LIST, TK_NET, TK_OPTIMIZER, TK_FN, TK_ANY,
               TK_UNKNOWN } TypeKind;
TypeKind type_kind(const TypeExpr *t, DType *dtype);
bool dtype_from_name(const char *name, DType *dtype);
/* Checks v against t, binding shape variables in fr->scope; `what` names it in messages ("x"). The
 * value may be converted (a number to a tensor, an int to a float). Dims that are expressions of
 * variables not bound yet are left to type_match_late. */
Value type_match(Frame *fr, const TypeExpr *t, Value v, const char *what, Span at);
bool type_match_late(Frame *fr, const TypeExpr *t, Value v, const char *what, Span at);
const char *span_text(Front *f, Span s); /* the source text itself */
/* A declared type with all its dims known; false when reported. */
bool type_resolve(Frame *fr, const TypeExpr *t, Type *out);
bool dim_value(Frame *fr, const Expr *e, int64_t *out); /* a dim of a declared shape: >= 1 */
/* Does the expression use only names that are bound? */
bool expr_is_known(Frame *fr, const Expr *e);
bool shape_check(Frame *fr, Span at, const int64_t *dim, int rank); /* element count, rank, dims */

/* ---- expr.c, stmt.c ---- */
Value eval(Frame *fr, Expr *e);
Value eval_hinted(Frame *fr, Expr *e, const char *layer_name);
bool eval_static_bool(Frame *fr, Expr *e, bool *out, const char *what);
bool eval_static_int(Frame *fr, Expr *e, int64_t *out, const char *what);
void eval_block(Frame *fr, const Block *b);
Value eval_block_value(Frame *fr, const Block *b, const char *layer_name);
void bind_target(Frame *fr, const Target *t, Value v, Span at);
bool spend(Frame *fr, Span at); /* false when the budget of evaluations is gone */
bool spend_many(Frame *fr, int64_t steps, Span at);

/* ---- arith.c ---- */
Value arith_binary(Frame *fr, OpKind op, Value a, Value b, Span at);
Value arith_unary(Frame *fr, OpKind op, Value a, Span at);
/* The node of a tensor here; numbers and lists of numbers become constants of dtype `like`. */
Node *node_of(Frame *fr, Value v, DType like, Span at);
Value tensor_value(Frame *fr, Node *n);
/* Two values to nodes of one dtype (and one shape): numbers take the other's dtype, bool becomes f32.
 * `what` is the operation, for messages. false when reported. */
bool nodes_unify(Frame *fr, Value a, Value b, const char *what, Span at, bool arithmetic, Node **na, Node **nb);
bool nodes_broadcast(Frame *fr, Node **nodes, int n, const char *what, Span at);
/* graph_add with a report. */
Node *add_node(Frame *fr, const OpDef *op, Node *const *in, int n_in, const Attr *attr, Span at);
/* Broadcast of one node to a shape; reports. */
Node *node_expand(Frame *fr, Node *n, const int64_t *dim, int rank, const char *what, Span at);
Node *node_float(Frame *fr, Node *n); /* bool -> f32 */
/* Constant tensor of a (nested) list of numbers. */
Node *list_node(Frame *fr, Value list, DType dtype, Span at);
bool value_dims(Frame *fr, Value v, const char *what, Span at, int64_t *dim, int *rank);
void place(Frame *fr, Span at); /* nodes made from here on come from this place */

/* ---- slice.c: x[...] outside index notation, and members ---- */
Value eval_index(Frame *fr, Expr *e);
Value eval_member(Frame *fr, Expr *e);

/* ---- call.c ---- */
typedef struct {
    Value v;
    Span at;
    const char *name; /* NULL: positional */
    Span name_at;
} CallArg;
struct OptCall {
    Symbol *sym;
    CallArg *slots;        /* by formal */
    const OptCall *before; /* gradient transforms that run first */
    Span at;
};
Value eval_call(Frame *fr, Expr *e, const char *layer_name);
Value eval_callee(Frame *fr, Expr *e);
/* Calls any callable value with evaluated arguments. */
Value call_value(Frame *fr, Value callee, CallArg *args, int n, Span at, const char *layer_name);
/* Arguments to formals by position and name; slots[i] is V_NONE where a default applies. */
bool args_bind(Frame *fr, const char *callee, const char *signature, const char *const *formals,
               const bool *has_default, int n_formals, CallArg *args, int n, Span at, CallArg *slots);
/* Runs a fn, layer or net with arguments by formal. */
Value net_run(Frame *fr, Symbol *sym, CallArg *slots, Span at, const char *salt_path, Scope *scope);
Value call_symbol(Frame *fr, Symbol *sym, CallArg *slots, Span at, const char *layer_name);
/* Binds formals in fr->scope: statics first, then tensors; defaults evaluated; types checked. */
bool formals_bind(Frame *fr, const Decl *d, CallArg *slots, Span at);
bool slots_from_args(Frame *fr, Symbol *sym, CallArg *args, int n, Span at, CallArg *slots);

/* ---- layer.c: variables ---- */
bool symbol_holds_params(Front *f, Symbol *sym);
Instance *instance_new(Front *f, const char *path);
const char *instance_name(Front *f, Instance *inst, const char *name); /* full path, made unique */
void stmt_param(Frame *fr, Stmt *s);
void stmt_arrow(Frame *fr, Stmt *s);
/* A variable by full name, made on first sight; init is evaluated in the init graph. */
const VarInfo *var_declare(Frame *fr, const char *name, VarKind kind, Type type, Expr *init, Span at);
Value var_read(Frame *fr, const VarInfo *info);
uint64_t site_salt(Site *site);

/* ---- builtin.c ---- */
typedef struct {
    Frame *fr;
    Span at;
    const Builtin *builtin;
    CallArg args[12]; /* by parameter; V_NONE when not given */
    CallArg *rest;    /* of a function with any number of arguments */
    int n_rest;
} BCall;
struct Builtin {
    const char *name;
    const char *params; /* "x, axis = none, keep = false" */
    Value (*run)(BCall *c);
    const OpDef *op; /* for families that share run */
    int fill;
};
const Builtin *builtin_find(const char *name);
const Builtin *builtin_at(int i); /* NULL at the end */
/* Names of parameters (at most 12) and whether they may be left out; 0 for any number. */
int builtin_params(const Builtin *b, Arena *arena, const char **names, bool *has_default);
const char *builtin_signature(Front *f, const Builtin *b);
Value builtin_call(Frame *fr, const Builtin *b, CallArg *args, int n, Span at);
/* arguments of builtins; false when reported */
bool arg_int(BCall *c, int i, int64_t *out);
bool arg_bool(BCall *c, int i, bool *out, bool otherwise);
bool arg_axes(BCall *c, int i, int rank, int64_t *axes, int *n); /* int or list, negative from the end */
Node *arg_tensor(BCall *c, int i); /* numbers become f32 or i32 scalars */
bool arg_given(const BCall *c, int i);
const char *arg_name(const BCall *c, int i);

/* ---- index.c: index notation ---- */
void stmt_indexed(Frame *fr, Stmt *s);
Value eval_reduce(Frame *fr, Expr *e);

/* ---- scan.c ---- */
Value eval_scan(Frame *fr, Expr *e);
Node *capture(Frame *fr, Value v, Span at); /* a tensor of another graph as seen in this one */
void scan_yield(Frame *fr, Stmt *s);

/* ---- net.c, train.c, data.c, optimizer.c ---- */
Value net_call(Frame *fr, Symbol *sym, CallArg *slots, Span at);
void net_graphs(Front *f, Symbol *sym, int64_t batch);
void train_elaborate(Front *f, Symbol *sym, int64_t *batch);
void gen_finish(Gen *gen); /* updates of states, dead nodes */
Gen *gen_new(Front *f, const char *name, GraphKind kind, int64_t batch, bool training);
Value optimizer_name(Frame *fr, const char *name, Span at, bool *found);
void optimizer_arrow(Frame *fr, Stmt *s);
void optimizer_slot(Frame *fr, Stmt *s);

#endif
