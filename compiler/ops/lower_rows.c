/* Lowering of KERNEL_ROWS: rows in parallel; within a row one pass for each level of reductions (those
 * that depend on no other come first), then a last pass that stores the results of the row's shape.
 *
 *   softmax: pass 1 max; pass 2 sum of e = exp(x - max), e kept; pass 3 e / sum
 *
 * An element that needs an expensive operation and is read by several passes is computed in the first
 * of them and kept in a row buffer: on the stack while small, else in scratch, one for a chunk of rows. */
#include "loop/expr.h"
#include "ops/lower_parts.h"

enum { MAX_KEPT = 16, STACK_ROW_BYTES = 16384, SCRATCH_CHUNKS = 8 };

typedef struct {
    const Node *node;
    int pass;      /* computed in this one */
    LBuf *buf;     /* row buffer; NULL: in scratch */
    int64_t begin; /* element of scratch */
} Kept;

typedef struct {
    Lower *lw;
    int64_t rows, cols;
    int *level;   /* by node id: passes that must be complete; -1: not known yet */
    int *first;   /* by node id: first pass that computes it + 1; 0: none */
    int *visited; /* by node id: last pass that walked it + 1 */
    int last;     /* the pass that stores */
    Kept kept[MAX_KEPT];
    int n_kept;
    NodeVec row_results, results;
    /* the pass at hand */
    int pass;
    Fold *fold;
    int n_folds;
    LExpr *row, *chunk;
} Rows;

static bool in_kernel(const Rows *r, const Node *n) { return n->kernel == r->lw->kernel; }
static bool is_fold(const Rows *r, const Node *n) { return in_kernel(r, n) && n->op->flags & OP_REDUCE; }
static bool has_count(const Node *n, int64_t count) { return type_count(&n->type) == count; }
static bool ends_here(const Rows *r, const Node *n) /* a leaf, or from memory */
{
    return n->op->flags & OP_LEAF || (n->kernel && !in_kernel(r, n));
}

static int level_of(Rows *r, const Node *n)
{
    if (r->level[n->id] >= 0)
        return r->level[n->id];
    int level = 0;
    for (int i = 0; i < n->n_in && !ends_here(r, n); i++) {
        int in = level_of(r, n->in[i]);
        level = in > level ? in : level;
    }
    if (is_fold(r, n))
        level++;
    r->level[n->id] = level;
    return level;
}

/* ---- what is kept ---- */

static bool is_expensive(const Rows *r, const Node *n)
{
    if (ends_here(r, n) || is_fold(r, n) || (n->op->flags & OP_MOVEMENT && !(n->op->flags & OP_VIEW)))
        return false;
    if (n->op->flags & OP_EXPENSIVE)
        return true;
    for (int i = 0; i < n->n_in; i++)
        if (is_expensive(r, n->in[i]))
            return true;
    return false;
}

static bool is_kept(const Rows *r, const Node *n)
{
    for (int i = 0; i < r->n_kept; i++)
        if (r->kept[i].node == n)
            return true;
    return false;
}

/* Follows what a pass computes at its own position. */
static void walk(Rows *r, const Node *n, int pass)
{
    bool moves = n->op->flags & OP_MOVEMENT && !(n->op->flags & OP_VIEW);
    if (ends_here(r, n) || is_fold(r, n) || moves || !has_count(n, r->rows * r->cols) || is_kept(r, n) ||
        r->visited[n->id] == pass + 1)
        return;
    r->visited[n->id] = pass + 1;
    if (r->first[n->id] && r->n_kept < MAX_KEPT && !(n->op->flags & OP_VIEW) && n->type.dtype != DT_BOOL &&
        is_expensive(r, n)) {
        r->kept[r->n_kept++] = (Kept){ .node = n, .pass = r->first[n->id] - 1 };
        return;
    }
    if (!r->first[n->id])
        r->first[n->id] = pass + 1;
    for (int i = 0; i < n->n_in; i++)
        walk(r, n->in[i], pass);
}

static void find_kept(Rows *r)
{
    const NodeVec *nodes = &r->lw->kernel->nodes;
    for (int pass = 0; pass < r->last; pass++)
        for (int i = 0; i < nodes->len; i++)
            if (is_fold(r, nodes->data[i]) && level_of(r, nodes->data[i]) == pass + 1)
                walk(r, nodes->data[i]->in[0], pass);
    for (int i = 0; i < r->results.len; i++)
        walk(r, r->results.data[i], r->last);
}

/* ---- a pass ---- */

static LExpr *element(Rows *r, LExpr *col)
{
    LFunc *f = r->lw->func;
    return lx_add(f, lx_mul(f, r->row, lx_i64(f, r->cols)), col);
}

static LExpr *value_at(Rows *r, const Node *n, LExpr *flat)
{
    LExpr *index[MAX_RANK];
    lower_unravel(r->lw, &n->type, flat, index);
    return lower_value(r->lw, n, index);
}

static LExpr *kept_index(Rows *r, const Kept *k, LExpr *col)
{
    LFunc *f = r->lw->func;
    if (k->buf)
        return col;
    LExpr *base = lx_mul(f, r->chunk, lx_i64(f, r->cols));
    return lx_add(f, lx_add(f, base, lx_i64(f, k->begin)), col);
}

/* Kept values are read back, or computed and kept, before anything asks for them. */
static void serve_kept(Rows *r, LExpr *flat, LExpr *col)
{
    Lower *lw = r->lw;
    LFunc *f = lw->func;
    for (int i = 0; i < r->n_kept; i++) {
        const Kept *k = &r->kept[i];
        LBuf *buf = k->buf ? k->buf : f->scratch;
        LKind kind = lower_kind(k->node->type.dtype);
        if (k->pass < r->pass) {
            LExpr *read = lx_bitcast(f, lx_load(f, buf, kept_index(r, k, col), 1, NULL), kind);
            lower_bind_at(lw, k->node, flat, lx_var(f, lb_let(f, lw->at, lower_name(lw, k->node), read)));
        } else if (k->pass == r->pass) {
            LExpr *v = value_at(r, k->node, flat);
            if (v->op != LX_VAR)
                v = lx_var(f, lb_let(f, lw->at, lower_name(lw, k->node), v));
            lower_bind_at(lw, k->node, flat, v);
            lb_store(f, lw->at, buf, kept_index(r, k, col), lx_bitcast(f, v, buf->kind), NULL);
        }
    }
}

static void fold_body(Lower *lw, void *user, LExpr *col)
{
    Rows *r = user;
    LExpr *flat = element(r, col);
    serve_kept(r, flat, col);
    for (int i = 0; i < r->n_folds; i++)
        fold_step(lw, &r->fold[i], value_at(r, r->fold[i].node->in[0], flat), lx_cast(lw->func, col, LK_I32));
}

static void result_body(Lower *lw, void *user, LExpr *col)
{
    Rows *r = user;
    LExpr *flat = element(r, col);
    serve_kept(r, flat, col);
    lower_results(lw, &r->results, flat, NULL, NULL);
}

/* The row's own values of a level, now that its reductions are there. */
static void row_values(Rows *r, int level)
{
    Lower *lw = r->lw;
    const NodeVec *nodes = &lw->kernel->nodes;
    for (int i = 0; i < nodes->len; i++) {
        const Node *n = nodes->data[i];
        if (is_fold(r, n) || !has_count(n, r->rows) || level_of(r, n) != level || !(n->op->flags & OP_ELEMENTWISE))
            continue;
        LExpr *v = value_at(r, n, r->row);
        if (v->op != LX_VAR && v->op != LX_CONST)
            v = lx_var(lw->func, lb_let(lw->func, lw->at, lower_name(lw, n), v));
        lower_bind_at(lw, n, r->row, v);
    }
}

static void fold_pass(Rows *r)
{
    Lower *lw = r->lw;
    const NodeVec *nodes = &lw->kernel->nodes;
    r->n_folds = 0;
    r->fold = ARENA_ARRAY(lw->arena, Fold, nodes->len);
    for (int i = 0; i < nodes->len; i++)
        if (is_fold(r, nodes->data[i]) && level_of(r, nodes->data[i]) == r->pass + 1)
            r->fold[r->n_folds++] = fold_begin(lw, nodes->data[i], NULL, NULL);
    lower_loop(lw, "c", lx_i64(lw->func, 0), lx_i64(lw->func, r->cols), fold_body, r);
    for (int i = 0; i < r->n_folds; i++)
        lower_bind(lw, r->fold[i].node, fold_result(lw, &r->fold[i]));
}

static void store_row_results(Rows *r)
{
    lower_results(r->lw, &r->row_results, r->row, NULL, NULL);
}

/* Values of the row results, named before the last pass may overwrite what they read. */
static void name_row_results(Rows *r)
{
    Lower *lw = r->lw;
    for (int i = 0; i < r->row_results.len; i++) {
        const Node *n = r->row_results.data[i];
        LExpr *v = value_at(r, n, r->row);
        if (v->op != LX_VAR && v->op != LX_CONST)
            v = lx_var(lw->func, lb_let(lw->func, lw->at, lower_name(lw, n), v));
        lower_bind_at(lw, n, r->row, v);
    }
}

static void write_row(Rows *r)
{
    Lower *lw = r->lw;
    LFunc *f = lw->func;
    for (int i = 0; i < r->n_kept; i++)
        if (!r->chunk)
            r->kept[i].buf = lfunc_local(f, lw->at, lower_name(lw, r->kept[i].node),
                                         lower_kind(r->kept[i].node->type.dtype), r->cols);
    row_values(r, 0);
    for (r->pass = 0; r->pass < r->last; r->pass++) {
        fold_pass(r);
        row_values(r, r->pass + 1);
    }
    name_row_results(r);
    if (r->results.len)
        lower_loop(lw, "c", lx_i64(f, 0), lx_i64(f, r->cols), result_body, r);
    store_row_results(r);
}

/* ---- the rows ---- */

static void plan_rows(Rows *r)
{
    Lower *lw = r->lw;
    const Kernel *k = lw->kernel;
    int n = lw->graph->nodes.len;
    r->level = ARENA_ARRAY(lw->arena, int, n);
    r->first = ARENA_ARRAY(lw->arena, int, n);
    r->visited = ARENA_ARRAY(lw->arena, int, n);
    for (int i = 0; i < n; i++)
        r->level[i] = -1;
    for (int i = 0; i < k->nodes.len; i++)
        if (is_fold(r, k->nodes.data[i]) && level_of(r, k->nodes.data[i]) > r->last)
            r->last = level_of(r, k->nodes.data[i]);
    for (int i = 0; i < k->results.len; i++) {
        Node *n_i = k->results.data[i];
        if (has_count(n_i, r->rows))
            VEC_PUSH(lw->arena, &r->row_results, n_i);
        else
            VEC_PUSH(lw->arena, &r->results, n_i);
    }
    find_kept(r);
}

void lower_rows(Lower *lw)
{
    LFunc *f = lw->func;
    Rows r = { .lw = lw, .rows = lw->kernel->rows, .cols = lw->kernel->cols };
    plan_rows(&r);
    LBlock *outside = lw->at;
    int64_t kept_bytes = r.n_kept * r.cols * 4;
    bool in_scratch = kept_bytes > STACK_ROW_BYTES;
    const LowerBlock *block = lw->block;
    int64_t each = block ? r.rows / block->all : 1; /* rows a position of the leading dimensions */
    int64_t rows = block ? block->rows * each : r.rows;
    int64_t chunks = block ? 1 : r.rows < SCRATCH_CHUNKS ? r.rows : SCRATCH_CHUNKS;
    for (int i = 0; in_scratch && i < r.n_kept; i++)
        r.kept[i].begin = lfunc_scratch(f, chunks * r.cols * 4);

    LBlock *body = lw->at;
    LStmt *outer = NULL;
    LExpr *lo = lx_i64(f, 0), *hi = lx_i64(f, rows);
    if (in_scratch && block) {
        r.chunk = lx_i64(f, 0);
    } else if (in_scratch) {
        int64_t size = (r.rows + chunks - 1) / chunks;
        outer = lb_for(f, body, "chunk", lo, lx_i64(f, chunks), 1, LF_SERIAL);
        r.chunk = lx_var(f, outer->var);
        lo = lx_mul(f, r.chunk, lx_i64(f, size));
        hi = lx_bin(f, LX_MIN, lx_add(f, lo, lx_i64(f, size)), hi);
        body = &outer->body;
    }
    LStmt *loop = rows > 1 ? lb_for(f, body, "r", lo, hi, 1, LF_SERIAL) : NULL;
    r.row = loop ? lx_var(f, loop->var) : lx_i64(f, 0);
    if (block)
        r.row = lx_add(f, lx_mul(f, block->row, lx_i64(f, each)), r.row);
    lw->at = loop ? &loop->body : body;
    int mark = lower_mark(lw);
    write_row(&r);
    lower_release(lw, mark);
    LStmt *grid = outer ? outer : loop;
    if (grid && !block && lower_may_fork(lw, r.rows * r.cols * lower_cost(&grid->body)))
        grid->for_kind = LF_PARALLEL;
    lw->at = outside;
}
