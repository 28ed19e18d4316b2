/* What the lowerings of OP_OPAQUE operations share. Private to compiler/ops. */
#ifndef NNC_OPS_OPAQUE_H
#define NNC_OPS_OPAQUE_H
#include "ops/kernel.h"
#include "ops/lower.h"
#include "ops/rules.h"

static inline LForKind opaque_loop(const Lower *lw, int64_t work)
{
    return lower_may_fork(lw, work) ? LF_PARALLEL : LF_SERIAL;
}

/* The memory an operand of an opaque node is read from: stored, or a view of what is. */
static inline LBuf *opaque_in(Lower *lw, const Node *n, int operand)
{
    return lower_buffer(lw, node_storage(n->in[operand]), false);
}
static inline LBuf *opaque_out(Lower *lw, const Node *n) { return lower_buffer(lw, n, true); }

/* for VAR = 0 to COUNT, appended to lw->at, which then points into it. Returns the variable; the caller
 * restores lw->at. */
static inline LExpr *opaque_for(Lower *lw, const char *name, int64_t count, LForKind kind)
{
    LFunc *f = lw->func;
    LStmt *loop = lb_for(f, lw->at, name, lx_i64(f, 0), lx_i64(f, count), 1, kind);
    lw->at = &loop->body;
    return lx_var(f, loop->var);
}

/* A table index as i64, clamped to [0, count). */
static inline LExpr *opaque_clamp(LFunc *f, LExpr *index, int64_t count)
{
    LExpr *i = lx_cast(f, index, LK_I64);
    return lx_bin(f, LX_MIN, lx_bin(f, LX_MAX, i, lx_i64(f, 0)), lx_i64(f, count - 1));
}

/* Windows of at most this many elements are spelled out where they are read (window_value.c); larger
 * ones get loops of their own (window_lower.c). */
enum { WINDOW_UNROLL = 16 };
int64_t window_elements(const Node *n); /* of one window */
LExpr *window_max_value(Lower *lw, const Node *n, LExpr *const *index);
LExpr *window_place_value(Lower *lw, const Node *n, LExpr *const *index);
LExpr *window_take_value(Lower *lw, const Node *n, LExpr *const *index);
LExpr *window_put_value(Lower *lw, const Node *n, LExpr *const *index);
void window_max_lower(Lower *lw, const Node *n);
void window_place_lower(Lower *lw, const Node *n);
void window_take_lower(Lower *lw, const Node *n);
void window_put_lower(Lower *lw, const Node *n);
void gather_lower(Lower *lw, const Node *n);
void scatter_add_lower(Lower *lw, const Node *n);
void argsort_lower(Lower *lw, const Node *n);
void take_along_lower(Lower *lw, const Node *n);
#endif
