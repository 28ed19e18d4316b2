/* Tables and order: gather, scatter_add, argsort, take_along. An index outside of its range is clamped
 * to it, in both directions of a gather alike. */
#include "ops/opaque.h"

static bool rule_index(const Node *n, int operand, Why *why)
{
    const Type *t = &n->in[operand]->type;
    return t->dtype == DT_I32 ||
           why_set(why, "%s needs i32 indices, but operand %d is %s", n->op->name, operand, TYPE_TEXT(t));
}

static int64_t clamped(double index, int64_t count)
{
    return index < 0 ? 0 : index >= (double)count ? count - 1 : (int64_t)index;
}

/* ---- gather: table[R, rest], indices[I] -> [I, rest] ---- */

static bool gather_shape(const Node *n, Type *out, Why *why)
{
    const Type *table = &n->in[0]->type, *indices = &n->in[1]->type;
    if (!rule_index(n, 1, why))
        return false;
    if (table->rank < 1)
        return why_set(why, "gather needs a table of at least one dimension, got %s", TYPE_TEXT(table));
    if (!rule_positions(n, table->dim[0], why))
        return false;
    if (indices->rank + table->rank - 1 > MAX_RANK)
        return why_set(why, "gather: rows of %s at %s exceed the highest rank, %d", TYPE_TEXT(table),
                       TYPE_TEXT(indices), MAX_RANK);
    *out = *indices;
    out->dtype = table->dtype;
    for (int i = 1; i < table->rank; i++)
        out->dim[out->rank++] = table->dim[i];
    return true;
}

static void gather_eval(const Node *n, const Tensor *const *in, Tensor *out, const EvalCtx *ctx)
{
    (void)n;
    (void)ctx;
    const Type *table = &in[0]->type;
    int64_t width = shape_span(table, 1, table->rank);
    for (int64_t i = 0; i < type_count(&in[1]->type); i++) {
        int64_t row = clamped(in[1]->data[i], table->dim[0]);
        for (int64_t k = 0; k < width; k++)
            out->data[i * width + k] = in[0]->data[row * width + k];
    }
}

static void gather_grad(GradCtx *c, Node *n, Node *dy, Node **dx)
{
    Attr attr[MAX_ATTR] = { { .i = n->in[0]->type.dim[0] } };
    dx[0] = graph_must_add(c->g, &op_scatter_add, (Node *[]){ dy, n->in[1] }, 2, attr);
}

static const OpSample gather_samples[] = {
    { { F32(5, 3), I32(4) }, 2, { { 0 } }, -1, 6, false, "some indices outside" },
    { { F32(5, 17), I32(2, 3) }, 2, { { 0 } }, 0, 4, false, NULL },
    { { F32(5), I32(7) }, 2, { { 0 } }, 0, 4, false, "a table of scalars" },
    { { F32(5, 2, 3), S_I32 }, 2, { { 0 } }, 0, 4, false, "a scalar index" },
    { { F32(1, 4), I32(3) }, 2, { { 0 } }, -2, 2, false, "one row" },
    { { I32(5, 2), I32(3) }, 2, { { 0 } }, 0, 4, false, NULL },
    { { BOOL(3, 2), I32(4) }, 2, { { 0 } }, 0, 1, false, NULL },
};

static int64_t no_work(const Node *n)
{
    (void)n;
    return 0; /* a lookup moves values */
}

const OpDef op_gather = {
    .name = "gather",
    .min_in = 2,
    .max_in = 2,
    .flags = OP_OPAQUE,
    .doc = "table[R, ...], indices: the table's rows at the indices",
    .shape = gather_shape,
    .grad = gather_grad,
    .eval = gather_eval,
    .lower = gather_lower,
    .work = no_work,
    SAMPLES(gather_samples),
};

/* ---- scatter_add: values[I, rest], indices[I] -> [rows, rest] ---- */

static bool scatter_add_shape(const Node *n, Type *out, Why *why)
{
    const Type *values = &n->in[0]->type, *indices = &n->in[1]->type;
    if (!rule_number(n, 0, why) || !rule_index(n, 1, why) || !rule_positions(n, n->attr[0].i, why))
        return false;
    bool fits = values->rank >= indices->rank && values->rank - indices->rank < MAX_RANK;
    for (int i = 0; fits && i < indices->rank; i++)
        fits = values->dim[i] == indices->dim[i];
    if (!fits)
        return why_set(why, "scatter_add: values %s do not begin with the shape of indices %s",
                       TYPE_TEXT(values), TYPE_TEXT(indices));
    *out = type_scalar(values->dtype);
    out->dim[out->rank++] = n->attr[0].i;
    for (int i = indices->rank; i < values->rank; i++)
        out->dim[out->rank++] = values->dim[i];
    return true;
}

static void scatter_add_eval(const Node *n, const Tensor *const *in, Tensor *out, const EvalCtx *ctx)
{
    (void)n;
    (void)ctx;
    int64_t width = shape_span(&out->type, 1, out->type.rank);
    for (int64_t i = 0; i < type_count(&out->type); i++)
        out->data[i] = 0;
    for (int64_t i = 0; i < type_count(&in[1]->type); i++) {
        int64_t row = clamped(in[1]->data[i], out->type.dim[0]);
        for (int64_t k = 0; k < width; k++) {
            double *to = &out->data[row * width + k];
            *to += in[0]->data[i * width + k];
            if (out->type.dtype == DT_I32)
                *to = wrap_i32(*to);
        }
    }
}

static void scatter_add_grad(GradCtx *c, Node *n, Node *dy, Node **dx)
{
    if (c->need[0])
        dx[0] = graph_must_add(c->g, &op_gather, (Node *[]){ dy, n->in[1] }, 2, NULL);
}

static int64_t scatter_add_work(const Node *n) { return type_count(&n->in[0]->type); }

static const OpSample scatter_add_samples[] = {
    { { F32(4, 3), I32(4) }, 2, { { .i = 5 } }, -1, 6, false, "some indices outside" },
    { { F32(2, 3, 17), I32(2, 3) }, 2, { { .i = 4 } }, 0, 3, false, NULL },
    { { F32(7), I32(7) }, 2, { { .i = 3 } }, 0, 2, false, "many to a row" },
    { { F32(2, 3), S_I32 }, 2, { { .i = 3 } }, 0, 2, false, "a scalar index" },
    { { F32(3, 4), I32(3) }, 2, { { .i = 1 } }, -2, 2, false, "one row" },
    { { I32(3, 2), I32(3) }, 2, { { .i = 2 } }, 0, 1, false, NULL },
    { { F32(64, 521), I32(64) }, 2, { { .i = 13 } }, 0, 12, false, "enough for threads" },
};

const OpDef op_scatter_add = {
    .name = "scatter_add",
    .min_in = 2,
    .max_in = 2,
    .flags = OP_OPAQUE,
    .attrs = { { "rows", AK_INT } },
    .doc = "values, indices: zeros[rows, ...] with each value row added at its index, in order",
    .shape = scatter_add_shape,
    .grad = scatter_add_grad,
    .eval = scatter_add_eval,
    .lower = scatter_add_lower,
    SAMPLES(scatter_add_samples),
    .work = scatter_add_work,
};

/* ---- argsort ---- */

static bool argsort_shape(const Node *n, Type *out, Why *why)
{
    *out = n->in[0]->type;
    out->dtype = DT_I32;
    if (n->attr[1].i != 0 && n->attr[1].i != 1)
        return why_set(why, "argsort: descending must be 0 or 1");
    return rule_number(n, 0, why) && rule_axis(n, 0, out->rank, why) &&
           rule_positions(n, out->dim[n->attr[0].i], why);
}

/* Elements before element k of a row are those that rank lower, and equal ones that stand before it. */
static void argsort_eval(const Node *n, const Tensor *const *in, Tensor *out, const EvalCtx *ctx)
{
    (void)ctx;
    const Type *x = &in[0]->type;
    int axis = (int)n->attr[0].i;
    double sign = n->attr[1].i ? -1 : 1;
    int64_t outer = shape_span(x, 0, axis), count = x->dim[axis], inner = shape_span(x, axis + 1, x->rank);
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < inner; i++) {
            const double *row = in[0]->data + o * count * inner + i;
            for (int64_t k = 0; k < count; k++) {
                int64_t place = 0;
                for (int64_t j = 0; j < count; j++) {
                    double a = sign * row[j * inner], b = sign * row[k * inner];
                    place += a < b || (!(b < a) && j < k);
                }
                out->data[(o * count + place) * inner + i] = (double)k;
            }
        }
}

static int64_t argsort_work(const Node *n)
{
    return type_count(&n->type) * n->type.dim[n->attr[0].i];
}

static const OpSample argsort_samples[] = {
    { { F32(7) }, 1, { { .i = 0 }, { .i = 0 } }, -3, 3, true, NULL },
    { { F32(3, 9) }, 1, { { .i = 1 }, { .i = 1 } }, -3, 3, true, NULL },
    { { F32(5, 3) }, 1, { { .i = 0 }, { .i = 0 } }, -3, 3, true, NULL },
    { { F32(2, 1, 3) }, 1, { { .i = 1 }, { .i = 0 } }, -3, 3, true, "one element" },
    { { I32(2, 17) }, 1, { { .i = 1 }, { .i = 0 } }, -2, 2, false, "ties keep their order" },
    { { I32(2, 17) }, 1, { { .i = 1 }, { .i = 1 } }, -2, 2, false, "ties keep their order" },
};

const OpDef op_argsort = {
    .name = "argsort",
    .min_in = 1,
    .max_in = 1,
    .flags = OP_OPAQUE | OP_NO_GRAD,
    .attrs = { { "axis", AK_INT }, { "descending", AK_INT } },
    .doc = "positions that sort along an axis, equal elements in their order, i32",
    .shape = argsort_shape,
    .eval = argsort_eval,
    .lower = argsort_lower,
    SAMPLES(argsort_samples),
    .work = argsort_work,
};

/* ---- take_along ---- */

static bool take_along_shape(const Node *n, Type *out, Why *why)
{
    const Type *x = &n->in[0]->type, *indices = &n->in[1]->type;
    /* The derivative numbers all elements of x. */
    if (!rule_index(n, 1, why) || !rule_axis(n, 0, x->rank, why) || !rule_positions(n, type_count(x), why))
        return false;
    Type other = *indices;
    other.dim[n->attr[0].i] = x->dim[n->attr[0].i];
    if (!type_same_shape(&other, x))
        return why_set(why, "take_along axis %lld: indices %s must have the shape of %s but for the axis",
                       (long long)n->attr[0].i, TYPE_TEXT(indices), TYPE_TEXT(x));
    *out = *indices;
    out->dtype = x->dtype;
    return true;
}

static void take_along_eval(const Node *n, const Tensor *const *in, Tensor *out, const EvalCtx *ctx)
{
    (void)ctx;
    int64_t index[MAX_RANK] = { 0 }, from[MAX_RANK] = { 0 }, at = 0;
    int axis = (int)n->attr[0].i;
    do {
        for (int i = 0; i < out->type.rank; i++)
            from[i] = index[i];
        from[axis] = clamped(in[1]->data[at], in[0]->type.dim[axis]);
        out->data[at++] = in[0]->data[shape_ravel(&in[0]->type, from)];
    } while (shape_next(&out->type, index));
}

/* dx is a scatter_add into x flattened: the row of a value is where take_along read it. */
static void take_along_grad(GradCtx *c, Node *n, Node *dy, Node **dx)
{
    if (!c->need[0])
        return;
    Graph *g = c->g;
    const Type *x = &n->in[0]->type;
    Node *indices = n->in[1];
    int64_t stride[MAX_RANK], axis = n->attr[0].i;
    shape_strides(x, stride);
    Node *row = build_binary(g, &op_max, indices, build_like(g, indices, 0));
    row = build_binary(g, &op_min, row, build_like(g, indices, (double)(x->dim[axis] - 1)));
    row = build_binary(g, &op_mul, row, build_like(g, indices, (double)stride[axis]));
    for (int i = 0; i < x->rank; i++) {
        if (i == axis || x->dim[i] == 1)
            continue;
        Node *iota = build_iota(g, indices->type.rank, indices->type.dim, i);
        Node *step = build_binary(g, &op_mul, iota, build_like(g, indices, (double)stride[i]));
        row = build_binary(g, &op_add, row, step);
    }
    int64_t flat = type_count(&dy->type);
    Attr attr[MAX_ATTR] = { { .i = type_count(x) } };
    Node *operands[] = { build_reshape(g, dy, 1, &flat), build_reshape(g, row, 1, &flat) };
    Node *sum = graph_must_add(g, &op_scatter_add, operands, 2, attr);
    dx[0] = build_reshape(g, sum, x->rank, x->dim);
}

static const OpSample take_along_samples[] = {
    { { F32(3, 5), I32(3, 2) }, 2, { { .i = 1 } }, -1, 6, false, "some indices outside" },
    { { F32(3, 5), I32(4, 5) }, 2, { { .i = 0 } }, 0, 2, false, NULL },
    { { F32(7), I32(3) }, 2, { { .i = 0 } }, 0, 6, false, NULL },
    { { F32(2, 3, 17), I32(2, 5, 17) }, 2, { { .i = 1 } }, 0, 2, false, NULL },
    { { F32(2, 1, 3), I32(2, 1, 3) }, 2, { { .i = 1 } }, 0, 0, false, "one element" },
    { { I32(2, 5), I32(2, 3) }, 2, { { .i = 1 } }, 0, 4, false, NULL },
};

const OpDef op_take_along = {
    .name = "take_along",
    .min_in = 2,
    .max_in = 2,
    .flags = OP_OPAQUE,
    .attrs = { { "axis", AK_INT } },
    .doc = "x, indices: along an axis, the element of x at each index",
    .shape = take_along_shape,
    .grad = take_along_grad,
    .eval = take_along_eval,
    .lower = take_along_lower,
    .work = no_work,
    SAMPLES(take_along_samples),
};
