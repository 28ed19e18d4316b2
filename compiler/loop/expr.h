/* Inside the loop room: what builders, transformations and the interpreter share about expressions. */
#ifndef NNC_LOOP_EXPR_H
#define NNC_LOOP_EXPR_H
#include "loop/loop.h"

/* ---- scalar semantics (scalar.c) ----
 * One value: i for integers and bool (u32 zero-extended, u64 as its bits), f for f32 and f64. */
typedef struct {
    int64_t i;
    double f;
} LVal;
/* Applies op to scalars of `kind` (for comparisons and casts: the kind of the operands; `to` is the
 * result's kind). NULL, or what is wrong ("division by zero"). */
const char *lval_apply(LOp op, LKind kind, LKind to, LVal a, LVal b, LVal c, LVal *out);
int lkind_bytes(LKind kind);         /* in memory */
const char *lkind_name(LKind kind);  /* "f32" */
static inline bool lkind_is_float(LKind k) { return k == LK_F32 || k == LK_F64; }
/* Keeps the bits a kind has: wraps integers, rounds f32. */
LVal lval_fit(LKind kind, LVal v);

/* ---- operations as a table (op.c) ---- */
const char *lop_name(LOp op);
int lop_arity(LOp op); /* expression operands; LX_LOAD has 1 and an optional second */

/* ---- trees ---- */
/* A node as it is, without any simplification. */
LExpr *lx_raw(LFunc *f, LOp op, LType type, LExpr *a, LExpr *b, LExpr *c);
bool lx_equal(const LExpr *a, const LExpr *b);
/* Constant behind a splat, or the expression itself when it is a constant; else NULL. */
const LExpr *lx_constant(const LExpr *e);
bool lx_is_int(const LExpr *e, int64_t value);
/* One node anew through the builders, with other operands (NULL stays NULL). */
LExpr *lx_with(LFunc *f, const LExpr *e, LExpr *a, LExpr *b, LExpr *c);
/* e with every use of var replaced (shared parts stay shared where nothing changes). */
LExpr *lx_subst(LFunc *f, LExpr *e, const LVar *var, LExpr *value);
bool lx_uses(const LExpr *e, const LVar *var);
bool lx_reads_memory(const LExpr *e);

/* ---- integer algebra on i64 scalars (fold.c) ---- */
enum { AFFINE_MAX = 24 };
typedef struct {
    int64_t base;
    int n;
    struct {
        LExpr *atom;
        int64_t coef;
    } term[AFFINE_MAX];
    bool overflow; /* more terms than fit */
} LAffine;
LAffine lx_affine(LExpr *e);
LExpr *lx_from_affine(LFunc *f, const LAffine *a);
/* Range of an i64 scalar; false when unknown. */
bool lx_range(const LExpr *e, int64_t *min, int64_t *max);
/* e as coef * var + rest, rest free of var; false when it is not of that form. */
bool lx_linear(LFunc *f, LExpr *e, const LVar *var, int64_t *coef, LExpr **rest);
LExpr *lx_fold_i64(LFunc *f, LOp op, LExpr *a, LExpr *b); /* ADD SUB MUL DIV MOD */

/* ---- copies with replacement (clone.c) ----
 * What stands for each variable and buffer, by id; NULL: itself. */
typedef struct {
    LExpr **value;
    LBuf **buf;
    int cap, buf_cap;
} LMap;
void lmap_set(LFunc *f, LMap *m, const LVar *var, LExpr *value);
LExpr *lmap_get(const LMap *m, const LVar *var);
void lmap_set_buf(LFunc *f, LMap *m, const LBuf *buf, LBuf *to);
LBuf *lmap_buf(const LMap *m, LBuf *buf);
LExpr *lx_map(LFunc *f, const LMap *m, LExpr *e); /* through the builders: simplifies anew */
/* Appends a copy of src to dst; what src defines is defined anew, and the map told. */
void lblock_clone(LFunc *f, LMap *m, const LBlock *src, LBlock *dst);
/* Adds delta to every index at which the block reads or writes buf. */
void lblock_shift(LFunc *f, LBlock *b, const LBuf *buf, LExpr *delta);
LStmt *lb_append(LFunc *f, LBlock *at, LStmt *s);
/* Replaces a serial loop of constant bounds, in the block where it stands, by n copies of its body an
 * iteration, and copies for what remains. False: not such a loop. */
bool loop_unroll(LFunc *f, LBlock *block, int at, int n);

/* Marks a name as taken in f; the reader's way in. */
const char *lfunc_name(LFunc *f, const char *name);
#endif
