/* Maxima over windows: window_max, and the two that make its derivatives a closed system.
 *
 * A window is a box over all axes (extents `window`, distances `stride`), at valid positions only:
 * result dimension = (d - window) / stride + 1. Where a maximum occurs more than once in a window, the
 * first in row-major order counts. */
#include "ops/opaque.h"

#include <math.h>

/* Type of one value a window over x. */
static bool window_type(const Node *n, const Type *x, Type *out, Why *why)
{
    if (!rule_ints(n, 0, x->rank, why) || !rule_ints(n, 1, x->rank, why))
        return false;
    *out = *x;
    for (int i = 0; i < x->rank; i++) {
        int64_t window = n->attr[0].ints.v[i], stride = n->attr[1].ints.v[i];
        if (window < 1 || stride < 1)
            return why_set(why, "%s: window and stride of axis %d must be at least 1", n->op->name, i);
        if (window > x->dim[i])
            return why_set(why, "%s: a window of %lld does not fit axis %d of %s", n->op->name,
                           (long long)window, i, TYPE_TEXT(x));
        out->dim[i] = (x->dim[i] - window) / stride + 1;
    }
    return true;
}

static bool window_max_shape(const Node *n, Type *out, Why *why)
{
    return rule_float(n, 0, why) && window_type(n, &n->in[0]->type, out, why);
}

static bool window_max_grad_shape(const Node *n, Type *out, Why *why)
{
    Type windows;
    const Type *dy = &n->in[1]->type;
    *out = n->in[0]->type;
    if (!rule_float(n, 0, why) || !window_type(n, out, &windows, why))
        return false;
    return type_equal(&windows, dy) ||
           why_set(why, "window_max_grad: the windows of %s give %s, but dy is %s", TYPE_TEXT(out),
                   TYPE_TEXT(&windows), TYPE_TEXT(dy));
}

static bool window_max_pick_shape(const Node *n, Type *out, Why *why)
{
    return rule_float(n, 0, why) && rule_same_type(n, 0, 1, why) &&
           window_type(n, &n->in[0]->type, out, why);
}

/* Flat position in x of the first maximum of the window at `index`. */
static int64_t first_maximum(const Node *n, const Tensor *x, const int64_t *index)
{
    Type box = type_make(DT_F32, x->type.rank, n->attr[0].ints.v);
    int64_t k[MAX_RANK] = { 0 }, at[MAX_RANK], best = -1;
    do {
        for (int i = 0; i < box.rank; i++)
            at[i] = index[i] * n->attr[1].ints.v[i] + k[i];
        int64_t flat = shape_ravel(&x->type, at);
        if (best < 0 || x->data[best] < x->data[flat])
            best = flat;
    } while (shape_next(&box, k));
    return best;
}

static void window_max_eval(const Node *n, const Tensor *const *in, Tensor *out, const EvalCtx *ctx)
{
    (void)ctx;
    int64_t index[MAX_RANK] = { 0 }, at = 0;
    do
        out->data[at++] = in[0]->data[first_maximum(n, in[0], index)];
    while (shape_next(&out->type, index));
}

static void window_max_grad_eval(const Node *n, const Tensor *const *in, Tensor *out,
                                 const EvalCtx *ctx)
{
    (void)ctx;
    int64_t index[MAX_RANK] = { 0 }, at = 0;
    for (int64_t i = 0; i < type_count(&out->type); i++)
        out->data[i] = 0;
    do
        out->data[first_maximum(n, in[0], index)] += in[1]->data[at++];
    while (shape_next(&in[1]->type, index));
}

static void window_max_pick_eval(const Node *n, const Tensor *const *in, Tensor *out,
                                 const EvalCtx *ctx)
{
    (void)ctx;
    int64_t index[MAX_RANK] = { 0 }, at = 0;
    do
        out->data[at++] = in[1]->data[first_maximum(n, in[0], index)];
    while (shape_next(&out->type, index));
}

/* ---- derivatives: where the maxima lie does not change for a small step of x ---- */

static void window_max_grad(GradCtx *c, Node *n, Node *dy, Node **dx)
{
    dx[0] = graph_must_add(c->g, &op_window_max_grad, (Node *[]){ n->in[0], dy }, 2, n->attr);
}

static void window_max_grad_grad(GradCtx *c, Node *n, Node *dy, Node **dx)
{
    if (c->need[1])
        dx[1] = graph_must_add(c->g, &op_window_max_pick, (Node *[]){ n->in[0], dy }, 2, n->attr);
}

static void window_max_pick_grad(GradCtx *c, Node *n, Node *dy, Node **dx)
{
    if (c->need[1])
        dx[1] = graph_must_add(c->g, &op_window_max_grad, (Node *[]){ n->in[0], dy }, 2, n->attr);
}

/* Comparisons: a window's size for every window. */
static int64_t window_work(const Node *n)
{
    Type windows;
    Why why;
    if (!window_type(n, &n->in[0]->type, &windows, &why))
        return 0;
    int64_t box = 1;
    for (int i = 0; i < n->attr[0].ints.n; i++)
        box *= n->attr[0].ints.v[i];
    return type_count(&windows) * box;
}

/* ---- samples: [N,H,W,C] pools, rows, odd sizes, overlap, gaps, a window of everything ---- */

#define ON_WINDOWS(distinct_)                                                                      \
    SAMPLE(distinct_, F32(2, 4, 6, 3), F32(2, 2, 3, 3), IV(1, 2, 2, 1), IV(1, 2, 2, 1), "tiles"),  \
        SAMPLE(distinct_, F32(1, 4, 4, 17), F32(1, 2, 2, 17), IV(1, 2, 2, 1), IV(1, 2, 2, 1),      \
               "tiles, odd channels"),                                                             \
        SAMPLE(distinct_, F32(2, 5, 7, 2), F32(2, 2, 3, 2), IV(1, 3, 3, 1), IV(1, 2, 2, 1),        \
               "overlap"),                                                                         \
        SAMPLE(distinct_, F32(1, 5, 5, 1), F32(1, 3, 3, 1), IV(1, 3, 3, 1), IV(1, 1, 1, 1),        \
               "stride 1, one channel"),                                                           \
        SAMPLE(distinct_, F32(9), F32(3), IV(2), IV(3), "gaps"),                                   \
        SAMPLE(distinct_, F32(2, 11), F32(2, 5), IV(1, 3), IV(1, 2), "rows"),                      \
        SAMPLE(distinct_, F32(2, 5, 5, 3), F32(2, 1, 1, 3), IV(1, 5, 5, 1), IV(1, 5, 5, 1),        \
               "everything, as loops"),                                                            \
        SAMPLE(distinct_, F32(1, 6, 6, 2), F32(1, 2, 2, 2), IV(1, 5, 5, 1), IV(1, 1, 1, 1),        \
               "large and overlapping"),                                                           \
        SAMPLE(distinct_, F32(3, 2), F32(3, 2), IV(1, 1), IV(1, 1), "windows of one"),             \
        SAMPLE(distinct_, F32(5, 3), F32(3, 3), IV(1, 1), IV(2, 1), "a stride alone"),             \
        SAMPLE(distinct_, S_F32, S_F32, IV_NONE, IV_NONE, "rank 0")

#define SAMPLE(distinct_, x_, y_, window_, stride_, note_)                                         \
    { { x_ }, 1, { window_, stride_ }, -3, 3, distinct_, note_ }
static const OpSample window_max_samples[] = { ON_WINDOWS(true) };
#undef SAMPLE
#define SAMPLE(distinct_, x_, y_, window_, stride_, note_)                                         \
    { { x_, y_ }, 2, { window_, stride_ }, -3, 3, distinct_, note_ }
static const OpSample window_max_grad_samples[] = { ON_WINDOWS(true) };
#undef SAMPLE
#define SAMPLE(distinct_, x_, y_, window_, stride_, note_)                                         \
    { { x_, x_ }, 2, { window_, stride_ }, -3, 3, distinct_, note_ }
static const OpSample window_max_pick_samples[] = { ON_WINDOWS(true) };
#undef SAMPLE

const OpDef op_window_max = {
    .name = "window_max",
    .min_in = 1,
    .max_in = 1,
    .flags = OP_OPAQUE,
    .attrs = { { "window", AK_INTS }, { "stride", AK_INTS } },
    .doc = "largest element of every window",
    .shape = window_max_shape,
    .grad = window_max_grad,
    .eval = window_max_eval,
    .lower = window_max_lower,
    SAMPLES(window_max_samples),
    .work = window_work,
};

const OpDef op_window_max_grad = {
    .name = "window_max_grad",
    .min_in = 2,
    .max_in = 2,
    .flags = OP_OPAQUE,
    .attrs = { { "window", AK_INTS }, { "stride", AK_INTS } },
    .doc = "x, dy: adds each window's dy at the first maximum of x in that window",
    .shape = window_max_grad_shape,
    .grad = window_max_grad_grad,
    .eval = window_max_grad_eval,
    .lower = window_max_grad_lower,
    SAMPLES(window_max_grad_samples),
    .work = window_work,
};

const OpDef op_window_max_pick = {
    .name = "window_max_pick",
    .min_in = 2,
    .max_in = 2,
    .flags = OP_OPAQUE,
    .attrs = { { "window", AK_INTS }, { "stride", AK_INTS } },
    .doc = "x, v: the value of v at the first maximum of x in every window",
    .shape = window_max_pick_shape,
    .grad = window_max_pick_grad,
    .eval = window_max_pick_eval,
    .lower = window_max_pick_lower,
    SAMPLES(window_max_pick_samples),
    .work = window_work,
};
