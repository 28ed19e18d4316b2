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

enum { MAX_RED = 16, COLUMNS = 512, CHUNK_WORK = 16384, MAX_CHUNKS = 32, FEW = 8, WHOLE = 64 };

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
    if (r->chunks > 1 && r->chunk > 2 * WHOLE) /* whole vectors */
        r->chunk = ceil_div(r->chunk, WHOLE) * WHOLE;
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

/* A loop, or just its one position. */
static LExpr *loop_or_zero(LFunc *f, LBlock **at, const char *name, int64_t turns, LStmt **loop)
{
    if (turns == 1)
        return lx_i64(f, 0);
    *loop = lb_for(f, *at, name, lx_i64(f, 0), lx_i64(f, turns), 1, LF_SERIAL);
    *at = &(*loop)->body;
    return lx_var(f, (*loop)->var);
}

/* ---- columns ---- */

typedef struct {
    Reduce *r;
    LExpr *before; /* kept position of column 0 */
    LExpr *first;  /* column the block begins with */
    LExpr *width;  /* columns of the block */
    LExpr *chunk, *reduced;
} Columns;

/* Scratch of accumulator `slot` (two for each reduction: value, position) of a chunk at kept position p. */
static LExpr *cell(Reduce *r, LExpr *chunk, int slot, LExpr *p)
{
    LFunc *f = r->lw->func;
    LExpr *row = lx_add(f, lx_mul(f, chunk, lx_i64(f, 2 * r->n_red)), lx_i64(f, slot));
    return lx_add(f, lx_add(f, lx_mul(f, row, lx_i64(f, r->kept)), p), lx_i64(f, r->scratch));
}

/* The kept position of the block's column c; known to be within a run, however blocks divide it. */
static LExpr *column(Columns *k, LExpr *c)
{
    LFunc *f = k->r->lw->func;
    LExpr *at = lx_add(f, k->first, c);
    int64_t lo, hi;
    if (!lx_range(at, &lo, &hi) || lo < 0 || hi >= k->r->run) {
        LVar *v = lb_let(f, k->r->lw->at, "column", at);
        v->ranged = true;
        v->min = 0;
        v->max = k->r->run - 1;
        at = lx_var(f, v);
    }
    return lx_add(f, k->before, at);
}

static void column_init(Lower *lw, void *user, LExpr *c)
{
    Columns *k = user;
    Reduce *r = k->r;
    LExpr *p = column(k, c);
    for (int i = 0; i < r->n_red; i++) {
        partial_store(r, lw->at, cell(r, k->chunk, 2 * i, p), fold_identity(lw, r->red[i]));
        if (is_argmax(r, i))
            partial_store(r, lw->at, cell(r, k->chunk, 2 * i + 1, p), lx_int(lw->func, LK_I32, 0));
    }
}

static void column_step(Lower *lw, void *user, LExpr *c)
{
    Columns *k = user;
    Reduce *r = k->r;
    LFunc *f = lw->func;
    LExpr *p = column(k, c), *flat = flat_of(r, p, k->reduced);
    for (int i = 0; i < r->n_red; i++) {
        LExpr *at = cell(r, k->chunk, 2 * i, p), *where_at = cell(r, k->chunk, 2 * i + 1, p);
        LExpr *where = is_argmax(r, i) ? partial_load(r, where_at, LK_I32) : NULL;
        LExpr *acc = partial_load(r, at, value_kind(r, i));
        LExpr *next = fold_combine(lw, r->red[i], acc, operand_at(r, i, flat), &where, lx_cast(f, k->reduced, LK_I32));
        if (where)
            partial_store(r, lw->at, where_at, where);
        partial_store(r, lw->at, at, next);
    }
}

/* The chunks' partial results in order, and the tail. */
static void column_end(Lower *lw, void *user, LExpr *c)
{
    Columns *k = user;
    Reduce *r = k->r;
    LFunc *f = lw->func;
    LExpr *p = column(k, c), *zero = lx_i64(f, 0);
    for (int i = 0; i < r->n_red; i++) {
        LExpr *acc = partial_load(r, cell(r, zero, 2 * i, p), value_kind(r, i));
        LExpr *where = is_argmax(r, i) ? partial_load(r, cell(r, zero, 2 * i + 1, p), LK_I32) : NULL;
        for (int64_t n = 1; n < r->chunks; n++) {
            LExpr *chunk = lx_i64(f, n), *value = partial_load(r, cell(r, chunk, 2 * i, p), value_kind(r, i));
            LExpr *position = where ? partial_load(r, cell(r, chunk, 2 * i + 1, p), LK_I32) : NULL;
            acc = fold_combine(lw, r->red[i], acc, value, &where, position);
            acc = lx_var(f, lb_let(f, lw->at, "acc", acc));
            where = where ? lx_var(f, lb_let(f, lw->at, "where", where)) : NULL;
        }
        lower_bind(lw, r->red[i], where ? where : acc);
    }
    tail(r, p);
}

static void column_rows(Lower *lw, void *user, LExpr *reduced)
{
    Columns *k = user;
    k->reduced = reduced;
    lower_loop(lw, "c", lx_i64(lw->func, 0), k->width, column_step, k);
}

/* Columns of a block: a whole run while that is small, else a divisor where there is one. */
static int64_t column_block(int64_t run)
{
    if (run <= 2 * COLUMNS)
        return run;
    for (int64_t b = 2 * COLUMNS; b >= COLUMNS / 4; b -= 16)
        if (run % b == 0)
            return b;
    return COLUMNS;
}

static void reduce_columns(Reduce *r)
{
    Lower *lw = r->lw;
    LFunc *f = lw->func;
    int64_t outer = r->kept / r->run, block = column_block(r->run), blocks = ceil_div(r->run, block);
    choose_chunks(r, r->total, block, outer * blocks);
    r->scratch = lfunc_scratch(f, r->chunks * 2 * r->n_red * r->kept * 4);
    Columns k = { .r = r };
    LBlock *body = lw->at, *inside = body;
    LStmt *grid = NULL, *chunks = NULL;
    LExpr *b = loop_or_zero(f, &inside, "block", outer * blocks, &grid), *n_blocks = lx_i64(f, blocks);
    k.first = lx_mul(f, lx_bin(f, LX_MOD, b, n_blocks), lx_i64(f, block));
    k.before = lx_mul(f, lx_bin(f, LX_DIV, b, n_blocks), lx_i64(f, r->run));
    k.width = lx_bin(f, LX_MIN, lx_i64(f, block), lx_bin(f, LX_SUB, lx_i64(f, r->run), k.first));
    lw->at = inside;
    k.chunk = loop_or_zero(f, &lw->at, "chunk", r->chunks, &chunks);
    LExpr *lo = lx_mul(f, k.chunk, lx_i64(f, r->chunk));
    LExpr *hi = lx_bin(f, LX_MIN, lx_add(f, lo, lx_i64(f, r->chunk)), lx_i64(f, r->total));
    LExpr *zero = lx_i64(f, 0);
    lower_loop(lw, "c", zero, k.width, column_init, &k);
    lower_loop(lw, "q", lo, hi, column_rows, &k);
    lw->at = inside;
    lower_loop(lw, "c", zero, k.width, column_end, &k);
    lw->at = body;
    bool big = lower_may_fork(lw, r->kept * r->total);
    if (big && (chunks || grid))
        (chunks ? chunks : grid)->for_kind = LF_PARALLEL;
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
    bool big = lower_may_fork(lw, r->kept * r->total), chunked = r->chunks > 1;
    if (chunked)
        r->scratch = lfunc_scratch(f, r->kept * r->chunks * 2 * r->n_red * 4);
    LBlock *body = lw->at;
    LStmt *grid = NULL;
    LBlock *inside = body;
    r->position = loop_or_zero(f, &inside, "k", r->kept, &grid);
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
            loop->for_kind = LF_PARALLEL;
    } else {
        fold_runs(r, zero, lx_i64(f, runs), zero, all);
        if (big && grid)
            grid->for_kind = LF_PARALLEL;
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
