/* Lowering of KERNEL_REDUCE: one to four reductions over the same axes, then a tail at the kept
 * positions. Neighbouring axes of one kind (kept, reduced) are merged; the last group decides:
 *
 * - kept last (columns: bias gradients, batch-norm statistics): accumulators for a block of columns, a
 *   loop over everything reduced, the columns innermost;
 * - reduced last (everything, or channels first): for each kept position a fold of contiguous runs.
 *
 * Where the kept positions alone would not occupy the machine, the reduced space is cut into chunks,
 * whose number depends on the shape alone; their partial results lie in scratch and are combined in
 * order. So the bits do not depend on the number of threads. */
#include "loop/expr.h"
#include "ops/lower_parts.h"

enum { MAX_RED = 16, COLUMNS = 512, CHUNK_WORK = 16384, MAX_CHUNKS = 32, FEW = 8 };

typedef struct {
    Lower *lw;
    const Node *red[MAX_RED];
    int n_red;
    Type space;              /* of the operands */
    bool reduced[MAX_RANK];
    int64_t kept, total;     /* positions kept; reduced for each */
    int64_t run;             /* extent of the last group */
    bool columns;            /* the last group is kept */
    int64_t chunks, chunk;   /* of the reduced space (columns) or of the runs; length of one */
    int64_t scratch;         /* element of scratch where partial results begin */
    LExpr *position;         /* kept position at hand (rows), or its part before the columns */
    LExpr *reduced_at;       /* position in the reduced space before the run */
    Fold fold[MAX_RED];
} Reduce;

/* ---- the space ---- */

static bool is_reduced(const Node *n, int axis)
{
    if (n->op == &op_argmax)
        return n->attr[0].i == axis;
    for (int i = 0; i < n->attr[0].ints.n; i++)
        if (n->attr[0].ints.v[i] == axis)
            return true;
    return false;
}

static void measure(Reduce *r)
{
    r->kept = r->total = r->run = 1;
    int last = -1;
    for (int d = 0; d < r->space.rank; d++) {
        r->reduced[d] = is_reduced(r->red[0], d);
        *(r->reduced[d] ? &r->total : &r->kept) *= r->space.dim[d];
        if (r->space.dim[d] > 1)
            last = d;
    }
    r->columns = last >= 0 && !r->reduced[last];
    for (int d = last; d >= 0 && (r->space.dim[d] == 1 || r->reduced[d] == r->reduced[last]); d--)
        r->run *= r->space.dim[d];
}

/* Flat position in the operands' space from a kept and a reduced position. */
static LExpr *flat_of(Reduce *r, LExpr *kept, LExpr *reduced)
{
    LFunc *f = r->lw->func;
    LExpr *flat = lx_i64(f, 0);
    int64_t stride = 1, kept_count = r->kept, reduced_count = r->total;
    int64_t kept_stride = 1, reduced_stride = 1;
    for (int d = r->space.rank - 1; d >= 0; d--) {
        int64_t n = r->space.dim[d], *own = r->reduced[d] ? &reduced_stride : &kept_stride;
        LExpr *index = lx_bin(f, LX_DIV, r->reduced[d] ? reduced : kept, lx_i64(f, *own));
        *own *= n;
        if (*own != (r->reduced[d] ? reduced_count : kept_count))
            index = lx_bin(f, LX_MOD, index, lx_i64(f, n));
        if (n > 1)
            flat = lx_add(f, flat, lx_mul(f, index, lx_i64(f, stride)));
        stride *= n;
    }
    return flat;
}

static LExpr *operand_at(Reduce *r, int i, LExpr *flat)
{
    LExpr *index[MAX_RANK];
    const Node *x = r->red[i]->in[0];
    lower_unravel(r->lw, &x->type, flat, index);
    return lower_value(r->lw, x, index);
}

static int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/* Chunks of a space of `count` whose elements stand for `each` elements of work. */
static void choose_chunks(Reduce *r, int64_t count, int64_t each, int64_t independent)
{
    r->chunks = independent >= FEW ? 1 : count * each / CHUNK_WORK;
    r->chunks = r->chunks < 1 ? 1 : r->chunks > MAX_CHUNKS ? MAX_CHUNKS : r->chunks;
    r->chunks = r->chunks > count ? count : r->chunks;
    r->chunk = ceil_div(count, r->chunks);
    r->chunks = ceil_div(count, r->chunk);
}

static void tail(Reduce *r, LExpr *kept)
{
    lower_results(r->lw, &r->lw->kernel->results, kept, NULL, NULL);
}

/* Partial results of reduction i: scratch is f32, other kinds lie there as bits. */
static LExpr *partial_load(Reduce *r, LExpr *at, LKind kind)
{
    LFunc *f = r->lw->func;
    return lx_bitcast(f, lx_load(f, f->scratch, at, 1, NULL), kind);
}
static void partial_store(Reduce *r, LBlock *to, LExpr *at, LExpr *value)
{
    LFunc *f = r->lw->func;
    lb_store(f, to, f->scratch, at, lx_bitcast(f, value, LK_F32), NULL);
}

static LKind value_kind(const Reduce *r, int i) { return lower_kind(r->red[i]->in[0]->type.dtype); }
static bool is_argmax(const Reduce *r, int i) { return r->red[i]->op == &op_argmax; }

static void set_parallel(LStmt *loop, int64_t turns)
{
    if (turns >= 2)
        loop->for_kind = LF_PARALLEL;
}

/* ---- columns ---- */

/* Scratch of accumulator `slot` (two for each reduction: value, position) of chunk `chunk` at kept
 * position p. */
static LExpr *cell(Reduce *r, LExpr *chunk, int slot, LExpr *p)
{
    LFunc *f = r->lw->func;
    LExpr *row = lx_add(f, lx_mul(f, chunk, lx_i64(f, 2 * r->n_red)), lx_i64(f, slot));
    return lx_add(f, lx_add(f, lx_mul(f, row, lx_i64(f, r->kept)), p), lx_i64(f, r->scratch));
}

static void column_init(Reduce *r, LBlock *at, LExpr *chunk, LExpr *first, LExpr *width)
{
    LFunc *f = r->lw->func;
    LStmt *loop = lb_for(f, at, "c", lx_i64(f, 0), width, 1, LF_SERIAL);
    LExpr *p = lx_add(f, first, lx_var(f, loop->var));
    for (int i = 0; i < r->n_red; i++) {
        partial_store(r, &loop->body, cell(r, chunk, 2 * i, p), fold_identity(r->lw, r->red[i]));
        if (is_argmax(r, i))
            partial_store(r, &loop->body, cell(r, chunk, 2 * i + 1, p), lx_int(f, LK_I32, 0));
    }
}

static void column_step(Reduce *r, LBlock *at, LExpr *chunk, LExpr *first, LExpr *width, LExpr *q)
{
    Lower *lw = r->lw;
    LFunc *f = lw->func;
    LStmt *loop = lb_for(f, at, "c", lx_i64(f, 0), width, 1, LF_SERIAL);
    LExpr *p = lx_add(f, first, lx_var(f, loop->var));
    LBlock *outside = lw->at;
    int mark = lower_mark(lw);
    lw->at = &loop->body;
    LExpr *flat = flat_of(r, p, q);
    for (int i = 0; i < r->n_red; i++) {
        LExpr *where = is_argmax(r, i) ? partial_load(r, cell(r, chunk, 2 * i + 1, p), LK_I32) : NULL;
        LExpr *acc = partial_load(r, cell(r, chunk, 2 * i, p), value_kind(r, i));
        LExpr *next = fold_combine(lw, r->red[i], acc, operand_at(r, i, flat), &where,
                                   lx_cast(f, q, LK_I32));
        if (where)
            partial_store(r, lw->at, cell(r, chunk, 2 * i + 1, p), where);
        partial_store(r, lw->at, cell(r, chunk, 2 * i, p), next);
    }
    lower_release(lw, mark);
    lw->at = outside;
}

/* The chunks' partial results in order, and the tail. */
static void column_end(Reduce *r, LBlock *at, LExpr *first, LExpr *width)
{
    Lower *lw = r->lw;
    LFunc *f = lw->func;
    LStmt *loop = lb_for(f, at, "c", lx_i64(f, 0), width, 1, LF_SERIAL);
    LExpr *p = lx_add(f, first, lx_var(f, loop->var));
    LBlock *outside = lw->at;
    int mark = lower_mark(lw);
    lw->at = &loop->body;
    for (int i = 0; i < r->n_red; i++) {
        LExpr *zero = lx_i64(f, 0), *acc = partial_load(r, cell(r, zero, 2 * i, p), value_kind(r, i));
        LExpr *where = is_argmax(r, i) ? partial_load(r, cell(r, zero, 2 * i + 1, p), LK_I32) : NULL;
        for (int64_t c = 1; c < r->chunks; c++) {
            LExpr *chunk = lx_i64(f, c);
            LExpr *position = where ? partial_load(r, cell(r, chunk, 2 * i + 1, p), LK_I32) : NULL;
            LExpr *value = partial_load(r, cell(r, chunk, 2 * i, p), value_kind(r, i));
            acc = fold_combine(lw, r->red[i], acc, value, &where, position);
            acc = lx_var(f, lb_let(f, lw->at, "acc", acc));
            where = where ? lx_var(f, lb_let(f, lw->at, "where", where)) : NULL;
        }
        lower_bind(lw, r->red[i], where ? where : acc);
    }
    tail(r, p);
    lower_release(lw, mark);
    lw->at = outside;
}

static void reduce_columns(Reduce *r)
{
    Lower *lw = r->lw;
    LFunc *f = lw->func;
    int64_t outer = r->kept / r->run, block = r->run < COLUMNS ? r->run : COLUMNS, blocks = ceil_div(r->run, block);
    choose_chunks(r, r->total, r->run < COLUMNS ? r->run : COLUMNS, outer * blocks);
    r->scratch = lfunc_scratch(f, r->chunks * 2 * r->n_red * r->kept * 4);
    bool big = r->kept * r->total >= LOWER_PARALLEL_WORK;

    LStmt *grid = lb_for(f, lw->at, "block", lx_i64(f, 0), lx_i64(f, outer * blocks), 1, LF_SERIAL);
    LExpr *b = lx_var(f, grid->var), *n_blocks = lx_i64(f, blocks);
    LExpr *begin = lx_mul(f, lx_bin(f, LX_MOD, b, n_blocks), lx_i64(f, block));
    LExpr *first = lx_add(f, lx_mul(f, lx_bin(f, LX_DIV, b, n_blocks), lx_i64(f, r->run)), begin);
    LExpr *width = lx_bin(f, LX_MIN, lx_i64(f, block), lx_bin(f, LX_SUB, lx_i64(f, r->run), begin));
    LStmt *chunk = lb_for(f, &grid->body, "chunk", lx_i64(f, 0), lx_i64(f, r->chunks), 1, LF_SERIAL);
    LExpr *c = lx_var(f, chunk->var), *lo = lx_mul(f, c, lx_i64(f, r->chunk));
    LExpr *hi = lx_bin(f, LX_MIN, lx_add(f, lo, lx_i64(f, r->chunk)), lx_i64(f, r->total));
    column_init(r, &chunk->body, c, first, width);
    LStmt *q = lb_for(f, &chunk->body, "q", lo, hi, 1, LF_SERIAL);
    column_step(r, &q->body, c, first, width, lx_var(f, q->var));
    column_end(r, &grid->body, first, width);
    if (big && r->chunks > 1)
        set_parallel(chunk, r->chunks);
    else if (big)
        set_parallel(grid, outer * blocks);
}

/* ---- runs ---- */

static void run_body(Lower *lw, void *user, LExpr *at)
{
    Reduce *r = user;
    LFunc *f = lw->func;
    LExpr *reduced = lx_add(f, r->reduced_at, at), *flat = flat_of(r, r->position, reduced);
    for (int i = 0; i < r->n_red; i++)
        fold_step(lw, &r->fold[i], operand_at(r, i, flat), lx_cast(f, reduced, LK_I32));
}

/* Folds [lo, hi) of each of the runs [first, last) at the kept position. */
static void fold_runs(Reduce *r, LExpr *first, LExpr *last, LExpr *lo, LExpr *hi)
{
    Lower *lw = r->lw;
    LFunc *f = lw->func;
    for (int i = 0; i < r->n_red; i++)
        r->fold[i] = fold_begin(lw, r->red[i], NULL, NULL);
    LBlock *outside = lw->at;
    r->reduced_at = lx_i64(f, 0);
    if (r->total > r->run) {
        LStmt *loop = lb_for(f, lw->at, "run", first, last, 1, LF_SERIAL);
        r->reduced_at = lx_mul(f, lx_var(f, loop->var), lx_i64(f, r->run));
        lw->at = &loop->body;
    }
    lower_loop(lw, "c", lo, hi, run_body, r);
    lw->at = outside;
}

static LExpr *run_cell(Reduce *r, LExpr *kept, LExpr *chunk, int slot)
{
    LFunc *f = r->lw->func;
    LExpr *row = lx_add(f, lx_mul(f, kept, lx_i64(f, r->chunks)), chunk);
    return lx_add(f, lx_add(f, lx_mul(f, row, lx_i64(f, 2 * r->n_red)), lx_i64(f, slot)), lx_i64(f, r->scratch));
}

static void store_chunk(Reduce *r, LExpr *chunk)
{
    LFunc *f = r->lw->func;
    for (int i = 0; i < r->n_red; i++) {
        const Fold *fold = &r->fold[i];
        partial_store(r, r->lw->at, run_cell(r, r->position, chunk, 2 * i), lx_var(f, fold->acc));
        if (fold->where)
            partial_store(r, r->lw->at, run_cell(r, r->position, chunk, 2 * i + 1), lx_var(f, fold->where));
    }
}

static LExpr *chunk_value(Reduce *r, int i, LExpr *chunk)
{
    return partial_load(r, run_cell(r, r->position, chunk, 2 * i), value_kind(r, i));
}

static LExpr *chunk_where(Reduce *r, int i, LExpr *chunk)
{
    return is_argmax(r, i) ? partial_load(r, run_cell(r, r->position, chunk, 2 * i + 1), LK_I32) : NULL;
}

static void chunk_body(Lower *lw, void *user, LExpr *chunk)
{
    Reduce *r = user;
    for (int i = 0; i < r->n_red; i++)
        fold_step(lw, &r->fold[i], chunk_value(r, i, chunk), chunk_where(r, i, chunk));
}

/* Partial results of all chunks, combined in order. */
static void combine_chunks(Reduce *r)
{
    Lower *lw = r->lw;
    LExpr *zero = lx_i64(lw->func, 0);
    for (int i = 0; i < r->n_red; i++)
        r->fold[i] = fold_begin(lw, r->red[i], chunk_value(r, i, zero), chunk_where(r, i, zero));
    lower_loop(lw, "chunk", lx_i64(lw->func, 1), lx_i64(lw->func, r->chunks), chunk_body, r);
}

/* Chunks cut the runs' number when there are several, else the one run. */
static void reduce_runs(Reduce *r)
{
    Lower *lw = r->lw;
    LFunc *f = lw->func;
    int64_t runs = r->total / r->run, cut = runs > 1 ? runs : r->run;
    choose_chunks(r, cut, r->total / cut, r->kept);
    bool big = r->kept * r->total >= LOWER_PARALLEL_WORK, chunked = r->chunks > 1;
    if (chunked)
        r->scratch = lfunc_scratch(f, r->kept * r->chunks * 2 * r->n_red * 4);
    LBlock *body = lw->at;
    LStmt *grid = r->kept > 1 ? lb_for(f, body, "k", lx_i64(f, 0), lx_i64(f, r->kept), 1, LF_SERIAL) : NULL;
    r->position = grid ? lx_var(f, grid->var) : lx_i64(f, 0);
    LBlock *inside = grid ? &grid->body : body;
    LExpr *zero = lx_i64(f, 0), *all = lx_i64(f, r->run);
    int mark = lower_mark(lw);
    lw->at = inside;
    if (chunked) {
        LStmt *loop = lb_for(f, inside, "chunk", zero, lx_i64(f, r->chunks), 1, LF_SERIAL);
        LExpr *c = lx_var(f, loop->var), *lo = lx_mul(f, c, lx_i64(f, r->chunk));
        LExpr *hi = lx_bin(f, LX_MIN, lx_add(f, lo, lx_i64(f, r->chunk)), lx_i64(f, cut));
        lw->at = &loop->body;
        fold_runs(r, lo, hi, runs > 1 ? zero : lo, runs > 1 ? all : hi);
        store_chunk(r, c);
        lw->at = inside;
        combine_chunks(r);
        if (big)
            set_parallel(loop, r->chunks);
    } else {
        fold_runs(r, zero, lx_i64(f, runs), zero, all);
        if (big && grid)
            set_parallel(grid, r->kept);
    }
    for (int i = 0; i < r->n_red; i++)
        lower_bind(lw, r->red[i], fold_result(lw, &r->fold[i]));
    tail(r, r->position);
    lower_release(lw, mark);
    lw->at = body;
}

void lower_reduce(Lower *lw)
{
    Reduce r = { .lw = lw };
    const NodeVec *nodes = &lw->kernel->nodes;
    for (int i = 0; i < nodes->len && r.n_red < MAX_RED; i++)
        if (nodes->data[i]->op->flags & OP_REDUCE)
            r.red[r.n_red++] = nodes->data[i];
    r.space = r.red[0]->in[0]->type;
    measure(&r);
    if (r.columns)
        reduce_columns(&r);
    else
        reduce_runs(&r);
}
