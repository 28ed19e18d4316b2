/* Maxima over windows: window_max, and what makes its derivatives a closed system: the place of each
 * maximum, which is all that the backward pass needs of x, taking values from places and putting them
 * there.
 *
 * A window is a box over all axes (extents `window`, distances `stride`), at valid positions only:
 * result dimension = (d - window) / stride + 1. Where a maximum occurs more than once in a window, the
 * first in row-major order counts. */
#include "ops/opaque.h"

#include <math.h>

int64_t window_elements(const Node *n)
{
    int64_t box = 1;
    for (int i = 0; i < n->attr[0].ints.n; i++)
        box *= n->attr[0].ints.v[i];
    return box;
}

bool window_on_tile(const Node *n)
{
    if (n->op != &op_window_max && n->op != &op_window_place && n->op != &op_window_take)
        return false;
    int axes = 0;
    for (int i = 0; i < n->type.rank; i++) {
        if (n->attr[0].ints.v[i] != n->attr[1].ints.v[i])
            return false;
        axes += n->attr[0].ints.v[i] > 1;
    }
    return axes >= 1 && axes <= 2 && window_elements(n) <= WINDOW_UNROLL;
}

const Node *window_source(const Node *n) { return n->in[n->op == &op_window_take ? 1 : 0]; }

/* Spelled out where the value is read. */
static bool window_inlined(const Node *n) { return window_elements(n) <= WINDOW_UNROLL; }

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

static bool window_place_shape(const Node *n, Type *out, Why *why)
{
    if (!window_max_shape(n, out, why) || !rule_positions(n, window_elements(n), why))
        return false;
    out->dtype = DT_I32;
    return true;
}

/* Operand 0 has a place for every window of x. */
static bool places_fit(const Node *n, const Type *x, Why *why)
{
    Type windows;
    if (!window_type(n, x, &windows, why))
        return false;
    windows.dtype = DT_I32;
    return type_equal(&windows, &n->in[0]->type) ||
           why_set(why, "%s: the windows of %s have places %s, not %s", n->op->name, TYPE_TEXT(x),
                   TYPE_TEXT(&windows), TYPE_TEXT(&n->in[0]->type));
}

static bool window_take_shape(const Node *n, Type *out, Why *why)
{
    return places_fit(n, &n->in[1]->type, why) && window_type(n, &n->in[1]->type, out, why);
}

static bool window_put_shape(const Node *n, Type *out, Why *why)
{
    Ints shape = n->attr[2].ints;
    if (shape.n > MAX_RANK)
        return why_set(why, "window_put: a shape of rank %d, at most %d are possible", shape.n, MAX_RANK);
    *out = type_make(DT_F32, shape.n, shape.v);
    Type places = n->in[0]->type;
    places.dtype = DT_F32;
    return rule_float(n, 1, why) && type_valid(out, why) && places_fit(n, out, why) &&
           (type_equal(&places, &n->in[1]->type) ||
            why_set(why, "window_put: a value for each of %s, but %s", TYPE_TEXT(&n->in[0]->type),
                    TYPE_TEXT(&n->in[1]->type)));
}

/* Flat position in a tensor of x's type of element `place` of the window at `index`. */
static int64_t element_of(const Node *n, const Type *x, const int64_t *index, int64_t place)
{
    Type box = type_make(DT_F32, x->rank, n->attr[0].ints.v);
    int64_t at[MAX_RANK];
    shape_unravel(&box, place, at);
    for (int i = 0; i < x->rank; i++)
        at[i] += index[i] * n->attr[1].ints.v[i];
    return shape_ravel(x, at);
}

static int64_t first_maximum(const Node *n, const Tensor *x, const int64_t *index)
{
    int64_t best = 0;
    for (int64_t k = 1; k < window_elements(n); k++)
        if (x->data[element_of(n, &x->type, index, best)] < x->data[element_of(n, &x->type, index, k)])
            best = k;
    return best;
}

static void window_max_eval(const Node *n, const Tensor *const *in, Tensor *out, const EvalCtx *ctx)
{
    (void)ctx;
    int64_t index[MAX_RANK] = { 0 }, at = 0;
    do
        out->data[at++] = in[0]->data[element_of(n, &in[0]->type, index, first_maximum(n, in[0], index))];
    while (shape_next(&out->type, index));
}

static void window_place_eval(const Node *n, const Tensor *const *in, Tensor *out, const EvalCtx *ctx)
{
    (void)ctx;
    int64_t index[MAX_RANK] = { 0 }, at = 0;
    do
        out->data[at++] = (double)first_maximum(n, in[0], index);
    while (shape_next(&out->type, index));
}

/* Places are window_place's; of others only that nothing outside the tensor is touched is promised. */
static int64_t place_of(const Node *n, double place)
{
    int64_t last = window_elements(n) - 1;
    return place < 0 ? 0 : place > (double)last ? last : (int64_t)place;
}

static void window_take_eval(const Node *n, const Tensor *const *in, Tensor *out, const EvalCtx *ctx)
{
    (void)ctx;
    int64_t index[MAX_RANK] = { 0 }, at = 0;
    do {
        out->data[at] = in[1]->data[element_of(n, &in[1]->type, index, place_of(n, in[0]->data[at]))];
        at++;
    } while (shape_next(&out->type, index));
}

static void window_put_eval(const Node *n, const Tensor *const *in, Tensor *out, const EvalCtx *ctx)
{
    (void)ctx;
    int64_t index[MAX_RANK] = { 0 }, at = 0;
    for (int64_t i = 0; i < type_count(&out->type); i++)
        out->data[i] = 0;
    do {
        out->data[element_of(n, &out->type, index, place_of(n, in[0]->data[at]))] += in[1]->data[at];
        at++;
    } while (shape_next(&in[0]->type, index));
}

/* ---- derivatives: where the maxima lie does not change for a small step of x ---- */

static Node *put(Graph *g, const Node *like, Node *place, Node *dy, const Type *x)
{
    Attr attr[MAX_ATTR] = { like->attr[0], like->attr[1], { .ints = ints_copy(g->arena, x->dim, x->rank) } };
    return graph_must_add(g, &op_window_put, (Node *[]){ place, dy }, 2, attr);
}

static void window_max_grad(GradCtx *c, Node *n, Node *dy, Node **dx)
{
    Node *place = graph_must_add(c->g, &op_window_place, n->in, 1, n->attr);
    dx[0] = put(c->g, n, place, dy, &n->in[0]->type);
}

static void window_take_grad(GradCtx *c, Node *n, Node *dy, Node **dx)
{
    if (c->need[1] && n->type.dtype == DT_F32)
        dx[1] = put(c->g, n, n->in[0], dy, &n->in[1]->type);
}

static void window_put_grad(GradCtx *c, Node *n, Node *dy, Node **dx)
{
    Attr attr[MAX_ATTR] = { n->attr[0], n->attr[1] };
    if (c->need[1])
        dx[1] = graph_must_add(c->g, &op_window_take, (Node *[]){ n->in[0], dy }, 2, attr);
}

/* Comparisons: a window's size for every window. */
static int64_t window_work(const Node *n)
{
    int64_t windows = n->op == &op_window_put ? type_count(&n->in[0]->type) : type_count(&n->type);
    return windows * window_elements(n);
}

/* ---- samples: [N,H,W,C] pools, rows, odd sizes, overlap, gaps, a window of everything ---- */

#define ON_WINDOWS                                                                                 \
    SAMPLE((2, 4, 6, 3), (2, 2, 3, 3), (1, 2, 2, 1), (1, 2, 2, 1), 3, "tiles"),                    \
        SAMPLE((1, 4, 4, 17), (1, 2, 2, 17), (1, 2, 2, 1), (1, 2, 2, 1), 3, "tiles, odd channels"),\
        SAMPLE((2, 5, 7, 2), (2, 2, 3, 2), (1, 3, 3, 1), (1, 2, 2, 1), 8, "overlap"),              \
        SAMPLE((1, 6, 8, 17), (1, 2, 3, 17), (1, 3, 3, 1), (1, 2, 2, 1), 8, "overlap and a rest"), \
        SAMPLE((1, 5, 5, 1), (1, 3, 3, 1), (1, 3, 3, 1), (1, 1, 1, 1), 8, "stride 1, one channel"),\
        SAMPLE((9), (3), (2), (3), 1, "gaps"),                                                     \
        SAMPLE((2, 11), (2, 5), (1, 3), (1, 2), 2, "rows"),                                        \
        SAMPLE((2, 5, 5, 3), (2, 1, 1, 3), (1, 5, 5, 1), (1, 5, 5, 1), 24, "everything, as loops"),\
        SAMPLE((1, 6, 6, 2), (1, 2, 2, 2), (1, 5, 5, 1), (1, 1, 1, 1), 24, "large and overlapping"),\
        SAMPLE((3, 2), (3, 2), (1, 1), (1, 1), 0, "windows of one"),                               \
        SAMPLE((5, 3), (3, 3), (1, 1), (2, 1), 0, "a stride alone")

#define SAMPLE(x_, y_, window_, stride_, last_, note_)                                                    \
    { { F32 x_ }, 1, { IV window_, IV stride_ }, -3, 3, true, note_ }
static const OpSample window_max_samples[] = { ON_WINDOWS,
    { { S_F32 }, 1, { IV_NONE, IV_NONE }, -3, 3, true, "rank 0" } };
#undef SAMPLE
#define SAMPLE(x_, y_, window_, stride_, last_, note_)                                                    \
    { { I32 y_, F32 x_ }, 2, { IV window_, IV stride_ }, 0, last_, false, note_ }
static const OpSample window_take_samples[] = { ON_WINDOWS,
    { { I32(2, 2, 3, 3), BOOL(2, 4, 6, 3) }, 2, { IV(1, 2, 2, 1), IV(1, 2, 2, 1) }, 0, 3, false, "a mask" } };
#undef SAMPLE
#define SAMPLE(x_, y_, window_, stride_, last_, note_)                                                    \
    { { I32 y_, F32 y_ }, 2, { IV window_, IV stride_, IV x_ }, 0, last_, false, note_ }
static const OpSample window_put_samples[] = { ON_WINDOWS };
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
    .inlined = window_inlined,
    .value = window_max_value,
    .lower = window_max_lower,
    SAMPLES(window_max_samples),
    .work = window_work,
};

const OpDef op_window_place = {
    .name = "window_place",
    .min_in = 1,
    .max_in = 1,
    .flags = OP_OPAQUE | OP_NO_GRAD,
    .attrs = { { "window", AK_INTS }, { "stride", AK_INTS } },
    .doc = "number of the first maximum among the elements of every window",
    .shape = window_place_shape,
    .eval = window_place_eval,
    .inlined = window_inlined,
    .value = window_place_value,
    .lower = window_place_lower,
    SAMPLES(window_max_samples),
    .work = window_work,
};

const OpDef op_window_take = {
    .name = "window_take",
    .min_in = 2,
    .max_in = 2,
    .flags = OP_OPAQUE,
    .attrs = { { "window", AK_INTS }, { "stride", AK_INTS } },
    .doc = "place, v: the element of v at that place of every window",
    .shape = window_take_shape,
    .grad = window_take_grad,
    .eval = window_take_eval,
    .inlined = window_inlined,
    .value = window_take_value,
    .lower = window_take_lower,
    SAMPLES(window_take_samples),
    .work = window_work,
};

const OpDef op_window_put = {
    .name = "window_put",
    .min_in = 2,
    .max_in = 2,
    .flags = OP_OPAQUE,
    .attrs = { { "window", AK_INTS }, { "stride", AK_INTS }, { "shape", AK_INTS } },
    .doc = "place, v: zeros of that shape, to which each window's v is added at its place",
    .shape = window_put_shape,
    .grad = window_put_grad,
    .eval = window_put_eval,
    .inlined = window_inlined,
    .value = window_put_value,
    .lower = window_put_lower,
    SAMPLES(window_put_samples),
    .work = window_work,
};
