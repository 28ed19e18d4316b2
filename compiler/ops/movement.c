/* Movement: reshape, transpose, broadcast, slice, pad, concat, reverse. Every result element is one
 * element of an operand (or pad's value): index arithmetic only. */
#include "ops/rules.h"

/* Where a result element comes from: evaluation of every movement op with one operand is this walk. */
typedef void (*SourceFn)(const Node *n, const int64_t *index, int64_t *source);

static void move(const Node *n, const Tensor *x, Tensor *out, SourceFn source)
{
    int64_t index[MAX_RANK] = { 0 }, from[MAX_RANK] = { 0 }, at = 0;
    do {
        source(n, index, from);
        out->data[at++] = x->data[shape_ravel(&x->type, from)];
    } while (shape_next(&out->type, index));
}

/* ---- reshape ---- */

static bool reshape_shape(const Node *n, Type *out, Why *why)
{
    const Type *x = &n->in[0]->type;
    *out = type_make(x->dtype, n->attr[0].ints.n, n->attr[0].ints.v);
    if (!type_valid(out, why))
        return false;
    return type_count(x) == type_count(out) ||
           why_set(why, "reshape: %s has %lld elements, but %s has %lld", TYPE_TEXT(x),
                   (long long)type_count(x), TYPE_TEXT(out), (long long)type_count(out));
}

static void reshape_eval(const Node *n, const Tensor *const *in, Tensor *out, const EvalCtx *ctx)
{
    (void)n;
    (void)ctx;
    for (int64_t i = 0; i < type_count(&out->type); i++)
        out->data[i] = in[0]->data[i];
}

static void reshape_grad(GradCtx *c, Node *n, Node *dy, Node **dx)
{
    const Type *x = &n->in[0]->type;
    dx[0] = build_reshape(c->g, dy, x->rank, x->dim);
}

const OpDef op_reshape = {
    .name = "reshape",
    .min_in = 1,
    .max_in = 1,
    .flags = OP_MOVEMENT | OP_CHEAP | OP_VIEW,
    .attrs = { { "shape", AK_INTS } },
    .doc = "the same elements in row-major order under another shape",
    .shape = reshape_shape,
    .grad = reshape_grad,
    .eval = reshape_eval,
};

/* ---- transpose ---- */

static bool transpose_shape(const Node *n, Type *out, Why *why)
{
    const Type *x = &n->in[0]->type;
    const int64_t *perm = n->attr[0].ints.v;
    if (!rule_ints(n, 0, x->rank, why))
        return false;
    unsigned seen = 0;
    *out = *x;
    for (int i = 0; i < x->rank; i++) {
        if (perm[i] < 0 || perm[i] >= x->rank || (seen >> perm[i] & 1))
            return why_set(why, "transpose: perm must name each of the %d axes of %s once", x->rank,
                           TYPE_TEXT(x));
        seen |= 1u << perm[i];
        out->dim[i] = x->dim[perm[i]];
    }
    return true;
}

static void transpose_source(const Node *n, const int64_t *index, int64_t *source)
{
    for (int i = 0; i < n->type.rank; i++)
        source[n->attr[0].ints.v[i]] = index[i];
}

static void transpose_eval(const Node *n, const Tensor *const *in, Tensor *out, const EvalCtx *ctx)
{
    (void)ctx;
    move(n, in[0], out, transpose_source);
}

static void transpose_grad(GradCtx *c, Node *n, Node *dy, Node **dx)
{
    int64_t inverse[MAX_RANK];
    for (int i = 0; i < n->type.rank; i++)
        inverse[n->attr[0].ints.v[i]] = i;
    dx[0] = build_transpose(c->g, dy, inverse);
}

const OpDef op_transpose = {
    .name = "transpose",
    .min_in = 1,
    .max_in = 1,
    .flags = OP_MOVEMENT | OP_CHEAP,
    .attrs = { { "perm", AK_INTS } },
    .doc = "result dimension i is operand dimension perm[i]",
    .shape = transpose_shape,
    .grad = transpose_grad,
    .eval = transpose_eval,
};

/* ---- broadcast ---- */

static bool broadcast_shape(const Node *n, Type *out, Why *why)
{
    const Type *x = &n->in[0]->type;
    *out = type_make(x->dtype, n->attr[0].ints.n, n->attr[0].ints.v);
    if (!rule_ints(n, 1, x->rank, why) || !rule_axes(n, 1, out->rank, why))
        return false;
    for (int i = 0; i < x->rank; i++)
        if (out->dim[n->attr[1].ints.v[i]] != x->dim[i])
            return why_set(why, "broadcast: dimension %d of %s does not fit axis %lld of %s", i,
                           TYPE_TEXT(x), (long long)n->attr[1].ints.v[i], TYPE_TEXT(out));
    return true;
}

static void broadcast_source(const Node *n, const int64_t *index, int64_t *source)
{
    for (int i = 0; i < n->in[0]->type.rank; i++)
        source[i] = index[n->attr[1].ints.v[i]];
}

static void broadcast_eval(const Node *n, const Tensor *const *in, Tensor *out, const EvalCtx *ctx)
{
    (void)ctx;
    move(n, in[0], out, broadcast_source);
}

static void broadcast_grad(GradCtx *c, Node *n, Node *dy, Node **dx)
{
    int64_t repeated[MAX_RANK];
    int count = 0, next = 0;
    for (int i = 0; i < n->type.rank; i++) {
        if (next < n->attr[1].ints.n && n->attr[1].ints.v[next] == i)
            next++;
        else
            repeated[count++] = i;
    }
    dx[0] = build_reduce(c->g, &op_sum, dy, repeated, count);
}

const OpDef op_broadcast = {
    .name = "broadcast",
    .min_in = 1,
    .max_in = 1,
    .flags = OP_MOVEMENT | OP_CHEAP,
    .attrs = { { "shape", AK_INTS }, { "axes", AK_INTS } },
    .doc = "operand dimension i becomes result dimension axes[i], the others repeat",
    .shape = broadcast_shape,
    .grad = broadcast_grad,
    .eval = broadcast_eval,
};

/* ---- slice ---- */

static bool slice_shape(const Node *n, Type *out, Why *why)
{
    const Type *x = &n->in[0]->type;
    for (int a = 0; a < 3; a++)
        if (!rule_ints(n, a, x->rank, why))
            return false;
    *out = *x;
    for (int i = 0; i < x->rank; i++) {
        int64_t start = n->attr[0].ints.v[i], stop = n->attr[1].ints.v[i], step = n->attr[2].ints.v[i];
        if (step < 1)
            return why_set(why, "slice: step %lld of axis %d must be at least 1", (long long)step, i);
        if (start < 0 || stop > x->dim[i] || start >= stop)
            return why_set(why, "slice: %lld:%lld of axis %d is empty or outside of %s",
                           (long long)start, (long long)stop, i, TYPE_TEXT(x));
        out->dim[i] = (stop - start + step - 1) / step;
    }
    return true;
}

static void slice_source(const Node *n, const int64_t *index, int64_t *source)
{
    for (int i = 0; i < n->type.rank; i++)
        source[i] = n->attr[0].ints.v[i] + index[i] * n->attr[2].ints.v[i];
}

static void slice_eval(const Node *n, const Tensor *const *in, Tensor *out, const EvalCtx *ctx)
{
    (void)ctx;
    move(n, in[0], out, slice_source);
}

static void slice_grad(GradCtx *c, Node *n, Node *dy, Node **dx)
{
    int64_t lo[MAX_RANK], hi[MAX_RANK], inner[MAX_RANK];
    for (int i = 0; i < n->type.rank; i++) {
        int64_t step = n->attr[2].ints.v[i];
        int64_t covered = (n->type.dim[i] - 1) * step + 1;
        lo[i] = n->attr[0].ints.v[i];
        inner[i] = n->type.dim[i] > 1 ? step - 1 : 0;
        hi[i] = n->in[0]->type.dim[i] - lo[i] - covered;
    }
    dx[0] = build_pad(c->g, dy, build_scalar(c->g, DT_F32, 0), lo, hi, inner);
}

const OpDef op_slice = {
    .name = "slice",
    .min_in = 1,
    .max_in = 1,
    .flags = OP_MOVEMENT | OP_CHEAP,
    .attrs = { { "start", AK_INTS }, { "stop", AK_INTS }, { "step", AK_INTS } },
    .doc = "elements start, start + step, ... below stop, along every axis",
    .shape = slice_shape,
    .grad = slice_grad,
    .eval = slice_eval,
};

/* ---- pad ---- */

static bool pad_shape(const Node *n, Type *out, Why *why)
{
    const Type *x = &n->in[0]->type, *v = &n->in[1]->type;
    if (v->rank != 0 || v->dtype != x->dtype)
        return why_set(why, "pad: the value must be a scalar %s, got %s", dtype_name(x->dtype),
                       TYPE_TEXT(v));
    for (int a = 0; a < 3; a++)
        if (!rule_ints(n, a, x->rank, why))
            return false;
    *out = *x;
    for (int i = 0; i < x->rank; i++) {
        int64_t lo = n->attr[0].ints.v[i], hi = n->attr[1].ints.v[i], inner = n->attr[2].ints.v[i];
        if (lo < 0 || hi < 0 || inner < 0)
            return why_set(why, "pad: the padding of axis %d is negative (%lld, %lld, inner %lld)", i,
                           (long long)lo, (long long)hi, (long long)inner);
        if (inner > TYPE_MAX_COUNT / x->dim[i])
            return why_set(why, "pad: the result has too many elements");
        out->dim[i] = lo + hi + x->dim[i] + (x->dim[i] - 1) * inner;
    }
    return true;
}

static void pad_eval(const Node *n, const Tensor *const *in, Tensor *out, const EvalCtx *ctx)
{
    (void)ctx;
    const Tensor *x = in[0];
    for (int64_t i = 0; i < type_count(&out->type); i++)
        out->data[i] = in[1]->data[0];
    int64_t index[MAX_RANK] = { 0 }, to[MAX_RANK], at = 0;
    do {
        for (int i = 0; i < x->type.rank; i++)
            to[i] = n->attr[0].ints.v[i] + index[i] * (n->attr[2].ints.v[i] + 1);
        out->data[shape_ravel(&out->type, to)] = x->data[at++];
    } while (shape_next(&x->type, index));
}

/* The slice that pad filled with its operand. */
static Node *pad_interior(GradCtx *c, const Node *n, Node *dy)
{
    int64_t start[MAX_RANK], stop[MAX_RANK], step[MAX_RANK];
    for (int i = 0; i < n->type.rank; i++) {
        step[i] = n->in[0]->type.dim[i] > 1 ? n->attr[2].ints.v[i] + 1 : 1;
        start[i] = n->attr[0].ints.v[i];
        stop[i] = start[i] + (n->in[0]->type.dim[i] - 1) * step[i] + 1;
    }
    return build_slice(c->g, dy, start, stop, step);
}

static void pad_grad(GradCtx *c, Node *n, Node *dy, Node **dx)
{
    Graph *g = c->g;
    if (c->need[0])
        dx[0] = pad_interior(c, n, dy);
    if (!c->need[1])
        return;
    /* The value's share is the sum over the padding; masked, not subtracted: no cancellation. */
    Type inside = n->in[0]->type;
    inside.dtype = DT_BOOL;
    Node *mask = build_pad(g, build_full(g, inside, 1), build_scalar(g, DT_BOOL, 0), n->attr[0].ints.v,
                           n->attr[1].ints.v, n->attr[2].ints.v);
    int64_t axes[MAX_RANK] = { 0, 1, 2, 3, 4, 5, 6, 7 };
    Node *outside = build_select(g, mask, build_like(g, dy, 0), dy);
    dx[1] = build_reduce(g, &op_sum, outside, axes, n->type.rank);
}

const OpDef op_pad = {
    .name = "pad",
    .min_in = 2,
    .max_in = 2,
    .flags = OP_MOVEMENT | OP_CHEAP,
    .attrs = { { "lo", AK_INTS }, { "hi", AK_INTS }, { "inner", AK_INTS } },
    .doc = "a scalar before, behind and between the elements of every axis",
    .shape = pad_shape,
    .grad = pad_grad,
    .eval = pad_eval,
};

/* ---- concat ---- */

static bool concat_shape(const Node *n, Type *out, Why *why)
{
    int64_t axis = n->attr[0].i;
    *out = n->in[0]->type;
    if (!rule_axis(n, 0, out->rank, why))
        return false;
    for (int k = 1; k < n->n_in; k++) {
        Type part = n->in[k]->type;
        if (part.rank == out->rank)
            part.dim[axis] = n->in[0]->type.dim[axis];
        if (!type_equal(&part, &n->in[0]->type))
            return why_set(why, "concat along axis %lld: %s does not fit %s", (long long)axis,
                           TYPE_TEXT(&n->in[k]->type), TYPE_TEXT(&n->in[0]->type));
        out->dim[axis] += n->in[k]->type.dim[axis];
        if (out->dim[axis] > TYPE_MAX_COUNT)
            return why_set(why, "concat: the result has too many elements");
    }
    return true;
}

static void concat_eval(const Node *n, const Tensor *const *in, Tensor *out, const EvalCtx *ctx)
{
    (void)ctx;
    int64_t axis = n->attr[0].i, offset = 0;
    for (int k = 0; k < n->n_in; k++) {
        int64_t index[MAX_RANK] = { 0 }, at = 0;
        do {
            int64_t to[MAX_RANK];
            for (int i = 0; i < out->type.rank; i++)
                to[i] = index[i] + (i == axis ? offset : 0);
            out->data[shape_ravel(&out->type, to)] = in[k]->data[at++];
        } while (shape_next(&in[k]->type, index));
        offset += in[k]->type.dim[axis];
    }
}

static void concat_grad(GradCtx *c, Node *n, Node *dy, Node **dx)
{
    int64_t axis = n->attr[0].i, start[MAX_RANK] = { 0 }, stop[MAX_RANK], step[MAX_RANK];
    for (int i = 0; i < n->type.rank; i++) {
        stop[i] = n->type.dim[i];
        step[i] = 1;
    }
    stop[axis] = 0;
    for (int k = 0; k < n->n_in; k++) {
        start[axis] = stop[axis];
        stop[axis] += n->in[k]->type.dim[axis];
        if (c->need[k])
            dx[k] = build_slice(c->g, dy, start, stop, step);
    }
}

const OpDef op_concat = {
    .name = "concat",
    .min_in = 1,
    .max_in = -1,
    .flags = OP_MOVEMENT | OP_CHEAP,
    .attrs = { { "axis", AK_INT } },
    .doc = "operands one behind the other along an axis",
    .shape = concat_shape,
    .grad = concat_grad,
    .eval = concat_eval,
};

/* ---- reverse ---- */

static bool reverse_shape(const Node *n, Type *out, Why *why)
{
    *out = n->in[0]->type;
    return rule_axes(n, 0, out->rank, why);
}

static void reverse_source(const Node *n, const int64_t *index, int64_t *source)
{
    for (int i = 0; i < n->type.rank; i++)
        source[i] = index[i];
    for (int k = 0; k < n->attr[0].ints.n; k++) {
        int64_t axis = n->attr[0].ints.v[k];
        source[axis] = n->type.dim[axis] - 1 - index[axis];
    }
}

static void reverse_eval(const Node *n, const Tensor *const *in, Tensor *out, const EvalCtx *ctx)
{
    (void)ctx;
    move(n, in[0], out, reverse_source);
}

static void reverse_grad(GradCtx *c, Node *n, Node *dy, Node **dx)
{
    dx[0] = graph_must_add(c->g, &op_reverse, &dy, 1, n->attr);
}

const OpDef op_reverse = {
    .name = "reverse",
    .min_in = 1,
    .max_in = 1,
    .flags = OP_MOVEMENT | OP_CHEAP,
    .attrs = { { "axes", AK_INTS } },
    .doc = "the given axes run backwards",
    .shape = reverse_shape,
    .grad = reverse_grad,
    .eval = reverse_eval,
};
