/* Reductions: sum, reduce_max over axes, argmax over one axis; reduced dimensions are dropped. */
#include "ops/lower.h"
#include "ops/rules.h"

#include <math.h>

static bool is_reduced(const Node *n, int axis)
{
    for (int i = 0; i < n->attr[0].ints.n; i++)
        if (n->attr[0].ints.v[i] == axis)
            return true;
    return false;
}

static bool reduce_shape(const Node *n, Type *out, Why *why)
{
    const Type *x = &n->in[0]->type;
    if (!rule_number(n, 0, why) || !rule_axes(n, 0, x->rank, why))
        return false;
    *out = type_scalar(x->dtype);
    for (int i = 0; i < x->rank; i++)
        if (!is_reduced(n, i))
            out->dim[out->rank++] = x->dim[i];
    return true;
}

/* The derivative tells equal maxima apart by their positions. */
static bool reduce_max_shape(const Node *n, Type *out, Why *why)
{
    return reduce_shape(n, out, why) && rule_positions(n, type_count(&n->in[0]->type) / type_count(out), why);
}

/* Element of the result that an operand's element belongs to. */
static int64_t target_of(const Node *n, const int64_t *index)
{
    int64_t flat = 0;
    for (int i = 0; i < n->in[0]->type.rank; i++)
        if (!is_reduced(n, i))
            flat = flat * n->in[0]->type.dim[i] + index[i];
    return flat;
}

static void sum_eval(const Node *n, const Tensor *const *in, Tensor *out, const EvalCtx *ctx)
{
    (void)ctx;
    int64_t index[MAX_RANK] = { 0 }, at = 0;
    for (int64_t i = 0; i < type_count(&out->type); i++)
        out->data[i] = 0;
    do {
        double *to = &out->data[target_of(n, index)];
        *to += in[0]->data[at++];
        if (out->type.dtype == DT_I32)
            *to = wrap_i32(*to);
    } while (shape_next(&in[0]->type, index));
}

static void reduce_max_eval(const Node *n, const Tensor *const *in, Tensor *out, const EvalCtx *ctx)
{
    (void)ctx;
    int64_t index[MAX_RANK] = { 0 }, at = 0;
    for (int64_t i = 0; i < type_count(&out->type); i++)
        out->data[i] = out->type.dtype == DT_I32 ? -2147483648.0 : -INFINITY;
    do {
        double *to = &out->data[target_of(n, index)], v = in[0]->data[at++];
        *to = *to < v ? v : *to;
    } while (shape_next(&in[0]->type, index));
}

/* ---- derivatives ---- */

/* A value of the reduced shape, repeated over the reduced axes. */
static Node *spread(GradCtx *c, const Node *n, Node *value)
{
    const Type *x = &n->in[0]->type;
    int64_t axes[MAX_RANK];
    int kept = 0;
    for (int i = 0; i < x->rank; i++)
        if (!is_reduced(n, i))
            axes[kept++] = i;
    return build_broadcast(c->g, value, x->rank, x->dim, axes);
}

static void sum_grad(GradCtx *c, Node *n, Node *dy, Node **dx) { dx[0] = spread(c, n, dy); }

/* Minus the row-major position of every element within the reduced axes: its maximum over the elements
 * that equal the result is the first of them. */
static Node *rank_from_front(GradCtx *c, const Node *n)
{
    Graph *g = c->g;
    const Type *x = &n->in[0]->type;
    Type t = *x;
    t.dtype = DT_I32;
    Node *sum = NULL;
    int64_t stride = 1;
    for (int i = x->rank - 1; i >= 0; i--) {
        if (!is_reduced(n, i))
            continue;
        Node *term = build_binary(g, &op_mul, build_iota(g, x->rank, x->dim, i),
                                  build_full(g, t, (double)-stride));
        sum = sum ? build_binary(g, &op_add, sum, term) : term;
        stride *= x->dim[i];
    }
    return sum;
}

/* The first maximum in row-major order gets all of dy, as argmax would choose it. */
static void reduce_max_grad(GradCtx *c, Node *n, Node *dy, Node **dx)
{
    Graph *g = c->g;
    Node *x = n->in[0];
    if (n->attr[0].ints.n == 0) {
        dx[0] = dy;
        return;
    }
    Node *is_max = build_binary(g, &op_eq, x, spread(c, n, n));
    Node *rank = rank_from_front(c, n);
    Node *candidate = build_select(g, is_max, rank, build_like(g, rank, -2147483648.0));
    Node *first = build_reduce(g, &op_reduce_max, candidate, n->attr[0].ints.v, n->attr[0].ints.n);
    Node *chosen = build_binary(g, &op_eq, candidate, spread(c, n, first));
    dx[0] = build_select(g, chosen, spread(c, n, dy), build_like(g, x, 0));
}

/* ---- argmax ---- */

static bool argmax_shape(const Node *n, Type *out, Why *why)
{
    const Type *x = &n->in[0]->type;
    if (!rule_number(n, 0, why) || !rule_axis(n, 0, x->rank, why) ||
        !rule_positions(n, x->dim[n->attr[0].i], why))
        return false;
    *out = type_scalar(DT_I32);
    for (int i = 0; i < x->rank; i++)
        if (i != n->attr[0].i)
            out->dim[out->rank++] = x->dim[i];
    return true;
}

static void argmax_eval(const Node *n, const Tensor *const *in, Tensor *out, const EvalCtx *ctx)
{
    (void)ctx;
    const Type *x = &in[0]->type;
    int axis = (int)n->attr[0].i;
    int64_t outer = shape_span(x, 0, axis), count = x->dim[axis], inner = shape_span(x, axis + 1, x->rank);
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < inner; i++) {
            const double *row = in[0]->data + o * count * inner + i;
            int64_t best = 0;
            for (int64_t k = 1; k < count; k++)
                if (row[best * inner] < row[k * inner])
                    best = k;
            out->data[o * inner + i] = (double)best;
        }
}

/* ---- lowering ---- */

static LExpr *sum_combine(Lower *lw, const Node *n, LExpr *acc, LExpr *value)
{
    (void)n;
    return lx_add(lw->func, acc, value);
}

static LExpr *reduce_max_combine(Lower *lw, const Node *n, LExpr *acc, LExpr *value)
{
    (void)n;
    return lx_bin(lw->func, LX_MAX, value, acc); /* a NaN in value does not stay */
}

/* Whether value, which stands later, takes acc's place with its position. */
static LExpr *argmax_combine(Lower *lw, const Node *n, LExpr *acc, LExpr *value)
{
    (void)n;
    return lx_bin(lw->func, LX_LT, acc, value);
}

/* ---- samples ---- */

#define ON_AXES(distinct_)                                                                         \
    { { F32(7) }, 1, { IV(0) }, -3, 3, distinct_, "everything" },                                  \
        { { F32(3, 37) }, 1, { IV(1) }, -3, 3, distinct_, "rows" },                                \
        { { F32(5, 19) }, 1, { IV(0) }, -3, 3, distinct_, "columns" },                             \
        { { F32(2, 3, 4, 5) }, 1, { IV(0, 1, 2) }, -3, 3, distinct_, "all but channels" },         \
        { { F32(2, 3, 4, 5) }, 1, { IV(1, 3) }, -3, 3, distinct_, "apart" },                       \
        { { F32(2, 3, 4) }, 1, { IV(0, 1, 2) }, -3, 3, distinct_, NULL },                          \
        { { F32(1, 6, 1) }, 1, { IV(0, 2) }, -3, 3, distinct_, "dimensions of 1" },                \
        { { F32(4) }, 1, { IV_NONE }, -3, 3, distinct_, "no axis" }

static const OpSample sum_samples[] = {
    ON_AXES(false),
    { { I32(3, 5) }, 1, { IV(1) }, -2147483647, 2147483647, false, "wraps" },
};
static const OpSample reduce_max_samples[] = {
    ON_AXES(true),
    { { I32(3, 5) }, 1, { IV(1) }, -9, 9, false, NULL },
    { { I32(3, 5) }, 1, { IV(0) }, -2147483647, -2147483000, false, "all far below 0" },
};
static const OpSample argmax_samples[] = {
    { { F32(7) }, 1, { { .i = 0 } }, -3, 3, true, NULL },
    { { F32(3, 37) }, 1, { { .i = 1 } }, -3, 3, true, NULL },
    { { F32(5, 19) }, 1, { { .i = 0 } }, -3, 3, true, NULL },
    { { F32(2, 5, 3) }, 1, { { .i = 1 } }, -3, 3, true, NULL },
    { { F32(4, 1) }, 1, { { .i = 1 } }, -3, 3, true, "one candidate" },
    { { I32(6, 9) }, 1, { { .i = 1 } }, -2, 2, false, "ties: the first" },
};

/* ---- definitions ---- */

static int64_t reduce_work(const Node *n) { return type_count(&n->in[0]->type); }

const OpDef op_sum = {
    .name = "sum",
    .min_in = 1,
    .max_in = 1,
    .flags = OP_REDUCE,
    .attrs = { { "axes", AK_INTS } },
    .doc = "sum over axes; i32 wraps",
    .shape = reduce_shape,
    .grad = sum_grad,
    .eval = sum_eval,
    .combine = sum_combine,
    SAMPLES(sum_samples),
    .identity = 0,
    .work = reduce_work,
};

const OpDef op_reduce_max = {
    .name = "reduce_max",
    .min_in = 1,
    .max_in = 1,
    .flags = OP_REDUCE,
    .attrs = { { "axes", AK_INTS } },
    .doc = "largest element over axes",
    .shape = reduce_max_shape,
    .grad = reduce_max_grad,
    .eval = reduce_max_eval,
    .combine = reduce_max_combine,
    SAMPLES(reduce_max_samples),
    .identity = -INFINITY,
    .work = reduce_work,
};

const OpDef op_argmax = {
    .name = "argmax",
    .min_in = 1,
    .max_in = 1,
    .flags = OP_REDUCE | OP_NO_GRAD,
    .attrs = { { "axis", AK_INT } },
    .doc = "position of the first largest element along an axis, i32",
    .shape = argmax_shape,
    .eval = argmax_eval,
    .combine = argmax_combine,
    SAMPLES(argmax_samples),
    .identity = -INFINITY,
    .work = reduce_work,
};
