/* Reductions: sum, reduce_max over axes, argmax over one axis; reduced dimensions are dropped. */
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
    if (!rule_number(n, 0, why) || !rule_axis(n, 0, x->rank, why))
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
    .shape = reduce_shape,
    .grad = reduce_max_grad,
    .eval = reduce_max_eval,
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
    .identity = -INFINITY,
    .work = reduce_work,
};
