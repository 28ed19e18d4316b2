/* Joins indices of a contraction that run through memory like one: where a step of index a is as far as
 * all steps of index b together, in every operand and in the result, a and b are the digits of a single
 * index. What was written for a and b still gets them, as quotient and remainder, which the algebra of
 * index expressions undoes again wherever they meet in an address. */
#include "loop/tile_micro.h"

typedef struct {
    const LContract *from;
    int n_parts;
    struct Digit {
        int index;       /* of `from` */
        int to;          /* of the result */
        int64_t divisor; /* what its steps are worth in the joined index */
    } part[TILE_MAX_INDEX];
    int64_t extent[TILE_MAX_INDEX]; /* of the joined indices */
} Joined;

/* A joined index as one value of known range: quotients of a sum would each be simplified in another way
 * and no longer be seen to belong together. */
static LExpr *as_one(const Joined *j, LBlock *at, LExpr *index, int k)
{
    if (index->op == LX_VAR || index->op == LX_CONST)
        return index;
    LVar *v = lb_let(j->from->func, at, "p", index);
    v->ranged = true;
    v->min = 0;
    v->max = j->extent[k] - 1;
    return lx_var(j->from->func, v);
}

static void split_index(const Joined *j, LBlock *at, int n, LExpr *const *index, LExpr **out)
{
    LFunc *f = j->from->func;
    LExpr *whole[TILE_MAX_INDEX] = { NULL };
    for (int i = 0; i < j->n_parts; i++) {
        const struct Digit *d = &j->part[i];
        int64_t extent = j->from->extent[d->index];
        if (d->index >= n)
            continue;
        if (extent == j->extent[d->to]) { /* not joined */
            out[d->index] = index[d->to];
            continue;
        }
        if (!whole[d->to])
            whole[d->to] = as_one(j, at, index[d->to], d->to);
        LExpr *e = lx_bin(f, LX_DIV, whole[d->to], lx_i64(f, d->divisor));
        out[d->index] = lx_bin(f, LX_MOD, e, lx_i64(f, extent));
    }
}

static LExpr *joined_load(void *user, int operand, LBlock *at, LExpr *const *index)
{
    const Joined *j = user;
    LExpr *own[TILE_MAX_INDEX];
    split_index(j, at, j->from->n_index, index, own);
    return j->from->load(j->from->user, operand, at, own);
}

static void joined_store(void *user, LBlock *at, LExpr *const *index, LExpr *value)
{
    const Joined *j = user;
    LExpr *own[TILE_MAX_INDEX];
    split_index(j, at, j->from->n_out, index, own);
    j->from->store(j->from->user, at, own, value);
}

static void joined_store_window(void *user, LBlock *at, LExpr *const *index, LExpr *const *value)
{
    const Joined *j = user;
    LExpr *own[TILE_MAX_INDEX];
    split_index(j, at, j->from->n_out, index, own);
    j->from->store_window(j->from->user, at, own, value);
}

static LBuf *joined_ready(void *user, int operand, int64_t count)
{
    const Joined *j = user;
    return j->from->ready(j->from->user, operand, count);
}

/* Is a step of index a worth all of index b? */
static bool continues(const LContract *c, int a, int b)
{
    bool fits = (a < c->n_out) == (b < c->n_out) && tile_window(c, a) == 1 && tile_window(c, b) == 1;
    for (int o = 0; o < c->n_operand; o++)
        fits = fits && c->operand[o].stride[a] == c->operand[o].stride[b] * c->extent[b];
    return fits && (a >= c->n_out || c->out_stride[a] == c->out_stride[b] * c->extent[b]);
}

/* Puts index a in front of b; the rest moves up. */
static void join(LContract *c, Joined *j, int a, int b)
{
    for (int i = 0; i < j->n_parts; i++) {
        struct Digit *d = &j->part[i];
        if (d->to == a) {
            d->to = b;
            d->divisor *= c->extent[b];
        }
        d->to -= d->to > a;
    }
    c->extent[b] *= c->extent[a];
    c->n_out -= a < c->n_out;
    c->n_index--;
    for (int k = a; k < c->n_index; k++) {
        c->extent[k] = c->extent[k + 1];
        c->out_stride[k] = c->out_stride[k + 1];
        c->window[k] = c->window[k + 1];
        for (int o = 0; o < c->n_operand; o++)
            c->operand[o].stride[k] = c->operand[o].stride[k + 1];
    }
}

LContract loop_contract_join(const LContract *c)
{
    Joined *j = ARENA_NEW(c->func->arena, Joined);
    LContract out = *c;
    j->from = c;
    j->n_parts = c->n_index;
    for (int k = 0; k < c->n_index; k++)
        j->part[k] = (struct Digit){ k, k, 1 };
    for (int a = 0; a < out.n_index; a++)
        for (int b = 0; b < out.n_index; b++) {
            if (a == b || out.extent[a] <= 1 || out.extent[b] <= 1 || !continues(&out, a, b))
                continue;
            join(&out, j, a, b);
            a = -1;
            break;
        }
    if (out.n_index == c->n_index)
        return *c;
    for (int k = 0; k < out.n_index; k++)
        j->extent[k] = out.extent[k];
    out.user = j;
    out.whole = c;
    out.load = joined_load;
    out.store = joined_store;
    out.store_window = joined_store_window;
    out.ready = joined_ready;
    return out;
}
