/* Lowering of KERNEL_MAP: one loop nest over the results' space.
 *
 * 1. The space is cut into boxes at the positions where an index comparison of the values changes (the
 *    edges of a pad, the seams of a concat), found by a dry run; inside a box those comparisons fold
 *    away with the ranges of the loop variables.
 * 2. The body is written with one variable a dimension. Neighbouring dimensions in which every index
 *    expression of the body is one linear form (coefficient = coefficient of the next * its extent)
 *    become one loop: a chain of elementwise operations is one flat loop.
 * 3. Where the work pays, the positions of the leading dimensions are dealt out to the cores, as many dimensions as
 *    it takes for enough of them; a single flat loop is first cut into blocks. Boxes that differ in later dimensions
 *    only (the ends of rows, and their middles) follow one another for each of these positions, so that a line
 *    comes into one core's cache once. Results do not depend on how the space is divided. */
#include "loop/expr.h"
#include "ops/lower_parts.h"
#include <string.h>

enum { MAX_BOXES = 64, BLOCK = 8192, BLOCK_MIN = 256, BLOCK_STEP = 16, EVEN = 8 };

typedef struct {
    int64_t lo[MAX_RANK], hi[MAX_RANK];
} Box;

typedef struct {
    Lower *lw;
    Type space;
    int n_boxes;
    int dealt;           /* leading dimensions whose boxes share a parallel loop, or 0: none do */
    LExpr *at[MAX_RANK]; /* inside of that loop: the position from the boxes' first */
} Map;

static const char *const AXIS_NAME[MAX_RANK] = { "i", "j", "k", "l", "m", "n", "o", "p" };

/* ---- cost ---- */

static int64_t expr_cost(const LExpr *e)
{
    if (!e || e->type.kind == LK_I64)
        return 0;
    int64_t own = 1;
    if (e->op >= LX_EXP)
        own = 16;
    else if (e->op == LX_DIV || e->op == LX_SQRT)
        own = 4;
    return own + expr_cost(e->a) + expr_cost(e->b) + expr_cost(e->c);
}

int64_t lower_cost(const LBlock *block)
{
    int64_t n = 0;
    for (int i = 0; i < block->len; i++)
        n += 1 + expr_cost(block->data[i]->value) + lower_cost(&block->data[i]->body);
    return n;
}

/* ---- the body of a box ---- */

typedef struct {
    LBlock block;
    LVar *var[MAX_RANK]; /* NULL: a dimension of one position */
    int64_t extent[MAX_RANK];
} Body;

static void write_body(Lower *lw, const Type *space, const Box *box, Body *body)
{
    LFunc *f = lw->func;
    LExpr *index[MAX_RANK];
    for (int d = 0; d < space->rank; d++) {
        body->extent[d] = box->hi[d] - box->lo[d];
        index[d] = lx_i64(f, box->lo[d]);
        if (body->extent[d] == 1)
            continue;
        LVar *v = body->var[d] = lfunc_var(f, AXIS_NAME[d], ltype(LK_I64, 1), false);
        v->ranged = true;
        v->max = body->extent[d] - 1;
        index[d] = lx_add(f, index[d], lx_var(f, v));
    }
    Node like = { .type = *space };
    LBlock *outside = lw->at;
    int mark = lower_mark(lw);
    lw->at = &body->block;
    lower_results(lw, &lw->kernel->results, lower_offset(lw, &like, index), index, space);
    lower_release(lw, mark);
    lw->at = outside;
}

/* ---- cuts ---- */

/* Where along one dimension the sign of a - b changes: coefficient * variable + base. */
static bool cut_of(const Body *body, int rank, LExpr *difference, LOp op, int *dim, int64_t *at)
{
    LAffine s = lx_affine(difference);
    if (s.overflow || s.n != 1 || s.term[0].atom->op != LX_VAR)
        return false;
    for (int d = 0; d < rank; d++) {
        if (body->var[d] != s.term[0].atom->var)
            continue;
        int64_t k = s.term[0].coef, base = s.base, limit = body->extent[d];
        /* First position at which k * v + base < 0 (or <= 0, == 0) holds otherwise than at the one before. */
        for (int64_t v = 1; v < limit; v++) { /* the extents of a tensor's dimension: short */
            int64_t now = k * v + base, before = now - k;
            bool change = op == LX_LE                      ? (now <= 0) != (before <= 0)
                          : op == LX_EQ || op == LX_NE     ? (now == 0) != (before == 0)
                                                           : (now < 0) != (before < 0);
            if (change) {
                *dim = d;
                *at = v;
                return true;
            }
            if (k * now > 0 && op != LX_EQ && op != LX_NE)
                return false; /* past the root */
        }
        return false;
    }
    return false;
}

/* A cut along one of the dimensions [from, *dim), the earliest there is. */
static void find_cut(LFunc *f, const Body *body, const LExpr *e, int from, int *dim, int64_t *at)
{
    if (!e)
        return;
    bool compares = (e->op >= LX_EQ && e->op <= LX_LE) || e->op == LX_MIN || e->op == LX_MAX;
    int d;
    int64_t where;
    if (compares && e->a->type.kind == LK_I64 && e->a->type.lanes == 1 &&
        cut_of(body, *dim, lx_bin(f, LX_SUB, e->a, e->b), e->op, &d, &where) && d >= from) {
        *dim = d;
        *at = where;
    }
    find_cut(f, body, e->a, from, dim, at);
    find_cut(f, body, e->b, from, dim, at);
    find_cut(f, body, e->c, from, dim, at);
}

/* *dim: rank when there is none. */
static void find_cut_in(LFunc *f, const Body *body, int rank, int from, int *dim, int64_t *at)
{
    *dim = rank;
    for (int i = 0; i < body->block.len; i++) {
        const LStmt *s = body->block.data[i];
        find_cut(f, body, s->value, from, dim, at);
        find_cut(f, body, s->index, from, dim, at);
    }
}

/* ---- dimensions that become one loop ---- */

/* e is the same linear form whether walked by (outer, inner) or by inner alone running on. */
static bool runs_on(LExpr *e, const LVar *outer, const LVar *inner, int64_t extent)
{
    LAffine s = lx_affine(e);
    int64_t a = 0, b = 0;
    for (int i = 0; i < s.n; i++) {
        LExpr *atom = s.term[i].atom;
        if (atom->op == LX_VAR && atom->var == outer)
            a = s.term[i].coef;
        else if (atom->op == LX_VAR && atom->var == inner)
            b = s.term[i].coef;
        else if (lx_uses(atom, outer) || lx_uses(atom, inner))
            return false;
    }
    return !s.overflow && a == b * extent;
}

static bool all_run_on(LExpr *e, const LVar *outer, const LVar *inner, int64_t extent)
{
    if (!e)
        return true;
    if (e->type.kind == LK_I64)
        return runs_on(e, outer, inner, extent);
    return all_run_on(e->a, outer, inner, extent) && all_run_on(e->b, outer, inner, extent) &&
           all_run_on(e->c, outer, inner, extent);
}

static void substitute(LFunc *f, Body *body, const LVar *var, LExpr *value)
{
    for (int i = 0; i < body->block.len; i++) {
        LStmt *s = body->block.data[i];
        s->value = lx_subst(f, s->value, var, value);
        s->index = lx_subst(f, s->index, var, value);
        if (s->kind == LS_LET)
            s->var->ranged = lx_range(s->value, &s->var->min, &s->var->max);
    }
}

/* Joins what can be joined; leaves the loops in order, outermost first. */
static int join_dims(LFunc *f, Body *body, int rank)
{
    int n = 0;
    for (int d = 0; d < rank; d++) {
        if (!body->var[d])
            continue;
        body->var[n] = body->var[d];
        body->extent[n++] = body->extent[d];
    }
    for (int d = n - 2; d >= 0; d--) {
        LVar *outer = body->var[d], *inner = body->var[d + 1];
        bool joins = true;
        for (int i = 0; i < body->block.len && joins; i++) {
            const LStmt *s = body->block.data[i];
            joins = all_run_on(s->value, outer, inner, body->extent[d + 1]) &&
                    all_run_on(s->index, outer, inner, body->extent[d + 1]);
        }
        if (!joins)
            continue;
        inner->max = body->extent[d] * body->extent[d + 1] - 1;
        substitute(f, body, outer, lx_i64(f, 0));
        body->extent[d] *= body->extent[d + 1];
        body->var[d] = inner;
        for (int k = d + 1; k + 1 < n; k++) {
            body->var[k] = body->var[k + 1];
            body->extent[k] = body->extent[k + 1];
        }
        n--;
    }
    return n;
}

/* ---- loops ---- */

static void append_all(LFunc *f, LBlock *to, const LBlock *from)
{
    for (int i = 0; i < from->len; i++)
        VEC_PUSH(f->arena, to, from->data[i]);
}

/* for v in [0, extent) with the variable that the body already uses */
static LStmt *loop_over(LFunc *f, LBlock *at, LVar *v, int64_t extent, LForKind kind)
{
    LStmt *s = ARENA_NEW(f->arena, LStmt);
    *s = (LStmt){ .kind = LS_FOR, .var = v, .lo = lx_i64(f, 0), .hi = lx_i64(f, extent), .step = 1, .for_kind = kind };
    VEC_PUSH(f->arena, at, s);
    return s;
}

/* Blocks of whole vectors, a multiple of EVEN of them, so that no core waits for another; where there are such,
 * blocks that divide n, so that none is shorter. */
static int64_t block_size(int64_t n)
{
    int64_t least = (n + EVEN * BLOCK - 1) / (EVEN * BLOCK) * EVEN;
    for (int64_t count = least; count <= 4 * least && n / count >= BLOCK_MIN; count += EVEN)
        if (n % count == 0 && n / count % BLOCK_STEP == 0)
            return n / count;
    int64_t size = ((n + least - 1) / least + BLOCK_STEP - 1) / BLOCK_STEP * BLOCK_STEP;
    return size > BLOCK_MIN ? size : BLOCK_MIN;
}

/* A flat loop in parallel: blocks of a fixed size, each a serial loop. */
static void blocked_loop(LFunc *f, LBlock *at, Body *body)
{
    int64_t n = body->extent[0], size = block_size(n), blocks = (n + size - 1) / size;
    LStmt *outer = lb_for(f, at, "block", lx_i64(f, 0), lx_i64(f, blocks), 1, LF_PARALLEL);
    LExpr *begin = lx_mul(f, lx_var(f, outer->var), lx_i64(f, size));
    LExpr *count = lx_bin(f, LX_MIN, lx_i64(f, size), lx_bin(f, LX_SUB, lx_i64(f, n), begin));
    LStmt *inner = lb_for(f, &outer->body, body->var[0]->name, lx_i64(f, 0), count, 1, LF_SERIAL);
    substitute(f, body, body->var[0], lx_add(f, begin, lx_var(f, inner->var)));
    append_all(f, &inner->body, &body->block);
}

/* How many leading loops of n are dealt out as one: until there are EVEN turns, never the last. */
static int dealt_loops(const int64_t *extent, int n)
{
    int64_t turns = 1;
    int dealt = 0;
    while (dealt < n - 1 && turns < EVEN)
        turns *= extent[dealt++];
    return dealt;
}

void lower_deal(Lower *lw, const char *name, const int64_t *extent, int n, LExpr **index)
{
    LFunc *f = lw->func;
    Type grid = { .rank = n };
    memcpy(grid.dim, extent, (size_t)n * sizeof *extent);
    LStmt *loop = lb_for(f, lw->at, name, lx_i64(f, 0), lx_i64(f, type_count(&grid)), 1, LF_PARALLEL);
    lw->at = &loop->body;
    lower_unravel(lw, &grid, lx_var(f, loop->var), index);
}

/* The loops of dimensions [first, n), one after another inside of each other, around the body. */
static void serial_loops(LFunc *f, LBlock *at, Body *body, int first, int n)
{
    for (int d = first; d < n; d++)
        at = &loop_over(f, at, body->var[d], body->extent[d], LF_SERIAL)->body;
    append_all(f, at, &body->block);
}

static void write_loops(Lower *lw, Body *body, int n)
{
    LFunc *f = lw->func;
    int64_t work = lower_cost(&body->block);
    for (int d = 0; d < n; d++)
        work *= body->extent[d];
    bool parallel = lower_may_fork(lw, work);
    if (parallel && n == 1 && body->extent[0] >= 2 * BLOCK_MIN) {
        blocked_loop(f, lw->at, body);
        return;
    }
    int dealt = parallel ? dealt_loops(body->extent, n) : 0;
    LExpr *index[MAX_RANK];
    LBlock *outside = lw->at;
    if (dealt)
        lower_deal(lw, body->var[0]->name, body->extent, dealt, index);
    for (int d = 0; d < dealt; d++)
        substitute(f, body, body->var[d], index[d]);
    serial_loops(f, lw->at, body, dealt, n);
    lw->at = outside;
}

/* ---- boxes ---- */

/* A throw-away lowering of the box: its cost, and the earliest dimension >= from (or the rank) along which one of
 * its comparisons changes, and where. */
static int64_t find_box_cut(Map *map, const Box *box, int from, int *dim, int64_t *at)
{
    Lower dry = *map->lw;
    dry.func = lfunc_new(dry.arena, "dry");
    dry.bufs = NULL;
    dry.n_bufs = dry.cap_bufs = 0;
    dry.bound = NULL;
    dry.n_bound = dry.cap_bound = 0;
    dry.n_rand = 0;
    dry.head = (LBlock){ 0 };
    Body body = { 0 };
    write_body(&dry, &map->space, box, &body);
    find_cut_in(dry.func, &body, map->space.rank, from, dim, at);
    return lower_cost(&body.block);
}

static void split_box(const Box *box, int dim, int64_t at, Box half[2])
{
    half[0] = half[1] = *box;
    half[0].hi[dim] = half[1].lo[dim] = box->lo[dim] + at;
}

/* The boxes of one position of the dealt dimensions. */
static void lower_inner_box(Map *map, const Box *box)
{
    LFunc *f = map->lw->func;
    int dim, rank = map->space.rank;
    int64_t at;
    find_box_cut(map, box, map->dealt, &dim, &at);
    if (map->n_boxes < MAX_BOXES && dim < rank) {
        Box half[2];
        map->n_boxes++;
        split_box(box, dim, at, half);
        lower_inner_box(map, &half[0]);
        lower_inner_box(map, &half[1]);
        return;
    }
    Body body = { 0 };
    write_body(map->lw, &map->space, box, &body);
    for (int d = 0; d < map->dealt; d++)
        if (body.var[d]) {
            substitute(f, &body, body.var[d], map->at[d]);
            body.var[d] = NULL;
        }
    serial_loops(f, map->lw->at, &body, 0, join_dims(f, &body, rank));
}

static void lower_box(Map *map, const Box *box)
{
    int dim, rank = map->space.rank;
    int64_t at, extent[MAX_RANK], work = find_box_cut(map, box, 0, &dim, &at);
    if (dim < rank && dim >= map->dealt && map->dealt) {
        for (int d = 0; d < rank; d++)
            work *= extent[d] = box->hi[d] - box->lo[d];
        if (lower_may_fork(map->lw, work)) {
            LBlock *outside = map->lw->at;
            lower_deal(map->lw, AXIS_NAME[0], extent, map->dealt, map->at);
            lower_inner_box(map, box);
            map->lw->at = outside;
            return;
        }
    }
    if (map->n_boxes < MAX_BOXES && dim < rank) {
        Box half[2];
        map->n_boxes++;
        split_box(box, dim, at, half);
        lower_box(map, &half[0]);
        lower_box(map, &half[1]);
        return;
    }
    Body body = { 0 };
    write_body(map->lw, &map->space, box, &body);
    write_loops(map->lw, &body, join_dims(map->lw->func, &body, rank));
}

void lower_map(Lower *lw)
{
    Map map = { .lw = lw, .space = *lower_map_space(lw->kernel) };
    if (type_count(&map.space) == 0)
        return;
    lower_frames(lw);
    map.dealt = dealt_loops(map.space.dim, map.space.rank);
    Box all = { 0 };
    memcpy(all.hi, map.space.dim, sizeof all.hi);
    lower_box(&map, &all);
}
