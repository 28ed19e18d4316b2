/* Movement: reshape, transpose, broadcast, slice, pad, concat, reverse. Every result element is one
 * element of an operand (or pad's value): index arithmetic only. */
#include "ops/lower.h"
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

/* Dimensions [first, end) of a row-major position among them; no division but between two of them. */
static void unravel(LFunc *f, const Type *t, int first, int end, LExpr *flat, LExpr **index)
{
    int lead = first;
    while (lead < end - 1 && t->dim[lead] == 1)
        index[lead++] = lx_i64(f, 0);
    for (int j = end - 1; j > lead; j--) {
        index[j] = lx_bin(f, LX_MOD, flat, lx_i64(f, t->dim[j]));
        flat = lx_bin(f, LX_DIV, flat, lx_i64(f, t->dim[j]));
    }
    index[lead] = flat;
}

/* Shapes are cut where their leading products agree ([N,H,W,C] and [N,H*W,C]: three pieces), so that an
 * index is divided only where dimensions really merge or split. */
static LExpr *reshape_value(Lower *lw, const Node *n, LExpr *const *index)
{
    LFunc *f = lw->func;
    const Type *from = &n->in[0]->type, *to = &n->type;
    LExpr *operand[MAX_RANK];
    for (int i = 0, k = 0; i < from->rank;) {
        int first = i;
        int64_t have = from->dim[i++], want = 1;
        LExpr *flat = lx_i64(f, 0);
        do { /* at least one dimension of the result, unless there is none left */
            if (k < to->rank) {
                flat = lx_add(f, lx_mul(f, flat, lx_i64(f, to->dim[k])), index[k]);
                want *= to->dim[k++];
            }
            while (have < want && i < from->rank)
                have *= from->dim[i++];
        } while (want < have);
        unravel(f, from, first, i, flat, operand);
    }
    return lower_value(lw, n->in[0], operand);
}

static const OpSample reshape_samples[] = {
    { { F32(3, 4) }, 1, { IV(12) }, -3, 3, false, NULL },
    { { F32(2, 3, 4, 5) }, 1, { IV(2, 12, 5) }, -3, 3, false, "inner dimensions merge" },
    { { F32(2, 60) }, 1, { IV(2, 3, 4, 5) }, -3, 3, false, "a dimension splits" },
    { { F32(4, 3) }, 1, { IV(3, 4) }, -3, 3, false, "nothing lines up" },
    { { F32(1, 1) }, 1, { IV_NONE }, -3, 3, false, "to a scalar" },
    { { S_F32 }, 1, { IV(1, 1, 1) }, -3, 3, false, "from a scalar" },
    { { F32(7) }, 1, { IV(1, 7, 1) }, -3, 3, false, NULL },
    { { F32(1, 7, 1) }, 1, { IV(7) }, -3, 3, false, NULL },
    { { I32(6) }, 1, { IV(2, 3) }, -9, 9, false, NULL },
    { { BOOL(6) }, 1, { IV(3, 2) }, 0, 1, false, NULL },
};

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
    .value = reshape_value,
    SAMPLES(reshape_samples),
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

/* value: asks the operand at the index the walk of the evaluation would read. */
static LExpr *transpose_value(Lower *lw, const Node *n, LExpr *const *index)
{
    LExpr *operand[MAX_RANK];
    for (int i = 0; i < n->type.rank; i++)
        operand[n->attr[0].ints.v[i]] = index[i];
    return lower_value(lw, n->in[0], operand);
}

static const OpSample transpose_samples[] = {
    { { F32(3, 5) }, 1, { IV(1, 0) }, -3, 3, false, NULL },
    { { F32(2, 3, 4) }, 1, { IV(2, 0, 1) }, -3, 3, false, NULL },
    { { F32(2, 3, 4, 5) }, 1, { IV(0, 2, 1, 3) }, -3, 3, false, "heads" },
    { { F32(1, 17, 1) }, 1, { IV(1, 2, 0) }, -3, 3, false, NULL },
    { { F32(7) }, 1, { IV(0) }, -3, 3, false, "identity" },
    { { I32(4, 3) }, 1, { IV(1, 0) }, -9, 9, false, NULL },
    { { BOOL(4, 3) }, 1, { IV(1, 0) }, 0, 1, false, NULL },
};

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
    .value = transpose_value,
    SAMPLES(transpose_samples),
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

static LExpr *broadcast_value(Lower *lw, const Node *n, LExpr *const *index)
{
    LExpr *operand[MAX_RANK];
    for (int i = 0; i < n->in[0]->type.rank; i++)
        operand[i] = index[n->attr[1].ints.v[i]];
    return lower_value(lw, n->in[0], operand);
}

static const OpSample broadcast_samples[] = {
    { { F32(5) }, 1, { IV(3, 5), IV(1) }, -3, 3, false, "rows repeat" },
    { { F32(3) }, 1, { IV(3, 5), IV(0) }, -3, 3, false, "columns repeat" },
    { { F32(2, 4) }, 1, { IV(2, 3, 4, 5), IV(0, 2) }, -3, 3, false, NULL },
    { { S_F32 }, 1, { IV(2, 3), IV_NONE }, -3, 3, false, "a scalar" },
    { { S_F32 }, 1, { IV_NONE, IV_NONE }, -3, 3, false, "identity" },
    { { F32(1, 7) }, 1, { IV(1, 1, 7), IV(0, 2) }, -3, 3, false, NULL },
    { { I32(3) }, 1, { IV(3, 5), IV(0) }, -9, 9, false, NULL },
    { { BOOL(5) }, 1, { IV(3, 5), IV(1) }, 0, 1, false, NULL },
};

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
    .value = broadcast_value,
    SAMPLES(broadcast_samples),
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

static LExpr *slice_value(Lower *lw, const Node *n, LExpr *const *index)
{
    LFunc *f = lw->func;
    LExpr *operand[MAX_RANK];
    for (int i = 0; i < n->type.rank; i++)
        operand[i] = lx_add(f, lx_mul(f, index[i], lx_i64(f, n->attr[2].ints.v[i])),
                            lx_i64(f, n->attr[0].ints.v[i]));
    return lower_value(lw, n->in[0], operand);
}

static const OpSample slice_samples[] = {
    { { F32(9) }, 1, { IV(2), IV(7), IV(1) }, -3, 3, false, NULL },
    { { F32(9) }, 1, { IV(1), IV(9), IV(3) }, -3, 3, false, "the last step falls short" },
    { { F32(9) }, 1, { IV(8), IV(9), IV(5) }, -3, 3, false, "one element" },
    { { F32(4, 6) }, 1, { IV(0, 1), IV(4, 6), IV(2, 2) }, -3, 3, false, NULL },
    { { F32(2, 5, 3) }, 1, { IV(0, 2, 0), IV(2, 4, 3), IV(1, 1, 1) }, -3, 3, false, NULL },
    { { S_F32 }, 1, { IV_NONE, IV_NONE, IV_NONE }, -3, 3, false, "rank 0" },
    { { I32(5) }, 1, { IV(0), IV(5), IV(2) }, -9, 9, false, NULL },
    { { BOOL(5) }, 1, { IV(1), IV(4), IV(1) }, 0, 1, false, NULL },
};

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
    .value = slice_value,
    SAMPLES(slice_samples),
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

/* Inside: the operand at the index clamped into it; an index between two elements fails the remainder's
 * test. Both sides are evaluated, so the clamp is what keeps the read within the operand. */
static LExpr *pad_value(Lower *lw, const Node *n, LExpr *const *index)
{
    LFunc *f = lw->func;
    LExpr *operand[MAX_RANK], *inside = lx_int(f, LK_BOOL, 1);
    for (int i = 0; i < n->type.rank; i++) {
        int64_t step = n->attr[2].ints.v[i] + 1, last = (n->in[0]->type.dim[i] - 1) * step;
        LExpr *at = lx_bin(f, LX_SUB, index[i], lx_i64(f, n->attr[0].ints.v[i]));
        inside = lx_bin(f, LX_AND, inside, lx_bin(f, LX_LE, lx_i64(f, 0), at));
        inside = lx_bin(f, LX_AND, inside, lx_bin(f, LX_LE, at, lx_i64(f, last)));
        at = lx_bin(f, LX_MIN, lx_bin(f, LX_MAX, at, lx_i64(f, 0)), lx_i64(f, last));
        if (step > 1) {
            LExpr *off = lx_bin(f, LX_MOD, at, lx_i64(f, step));
            inside = lx_bin(f, LX_AND, inside, lx_bin(f, LX_EQ, off, lx_i64(f, 0)));
            at = lx_bin(f, LX_DIV, at, lx_i64(f, step));
        }
        operand[i] = at;
    }
    LExpr *outside = lower_value(lw, n->in[1], operand);
    return lx_select(f, inside, lower_value(lw, n->in[0], operand), outside);
}

static const OpSample pad_samples[] = {
    { { F32(5), S_F32 }, 2, { IV(2), IV(3), IV(0) }, -3, 3, false, NULL },
    { { F32(5), S_F32 }, 2, { IV(1), IV(0), IV(2) }, -3, 3, false, "gaps" },
    { { F32(2, 4, 5, 3), S_F32 }, 2, { IV(0, 1, 1, 0), IV(0, 1, 1, 0), IV(0, 0, 0, 0) }, -3, 3, false,
      "an image" },
    { { F32(2, 3, 3, 2), S_F32 }, 2, { IV(0, 1, 2, 0), IV(0, 2, 1, 0), IV(0, 1, 1, 0) }, -3, 3, false,
      "an image with gaps" },
    { { F32(1), S_F32 }, 2, { IV(0), IV(0), IV(4) }, -3, 3, false, "gaps of a single element: none" },
    { { S_F32, S_F32 }, 2, { IV_NONE, IV_NONE, IV_NONE }, -3, 3, false, "rank 0" },
    { { I32(3, 2), S_I32 }, 2, { IV(1, 0), IV(0, 2), IV(0, 1) }, -9, 9, false, NULL },
    { { BOOL(4), S_BOOL }, 2, { IV(1), IV(1), IV(0) }, 0, 1, false, NULL },
};

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
    .value = pad_value,
    SAMPLES(pad_samples),
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

/* The part in which the index lies; every part is asked at the index clamped into it. */
static LExpr *concat_value(Lower *lw, const Node *n, LExpr *const *index)
{
    LFunc *f = lw->func;
    int64_t axis = n->attr[0].i, end = n->type.dim[axis];
    LExpr *operand[MAX_RANK], *value = NULL;
    for (int i = 0; i < n->type.rank; i++)
        operand[i] = index[i];
    for (int k = n->n_in - 1; k >= 0; k--) {
        int64_t size = n->in[k]->type.dim[axis], start = end - size;
        LExpr *at = lx_bin(f, LX_SUB, index[axis], lx_i64(f, start));
        operand[axis] = lx_bin(f, LX_MIN, lx_bin(f, LX_MAX, at, lx_i64(f, 0)), lx_i64(f, size - 1));
        LExpr *part = lower_value(lw, n->in[k], operand);
        value = value ? lx_select(f, lx_bin(f, LX_LT, index[axis], lx_i64(f, end)), part, value) : part;
        end = start;
    }
    return value;
}

static const OpSample concat_samples[] = {
    { { F32(3), F32(4) }, 2, { { .i = 0 } }, -3, 3, false, NULL },
    { { F32(2, 3), F32(2, 1), F32(2, 5) }, 3, { { .i = 1 } }, -3, 3, false, NULL },
    { { F32(1, 4, 2), F32(2, 4, 2) }, 2, { { .i = 0 } }, -3, 3, false, NULL },
    { { F32(2, 3, 17), F32(2, 2, 17), F32(2, 1, 17), F32(2, 1, 17) }, 4, { { .i = 1 } }, -3, 3, false, NULL },
    { { F32(5) }, 1, { { .i = 0 } }, -3, 3, false, "a single part" },
    { { I32(3), I32(4) }, 2, { { .i = 0 } }, -9, 9, false, NULL },
    { { BOOL(3, 2), BOOL(3, 2) }, 2, { { .i = 1 } }, 0, 1, false, NULL },
};

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
    .value = concat_value,
    SAMPLES(concat_samples),
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

static LExpr *reverse_value(Lower *lw, const Node *n, LExpr *const *index)
{
    LFunc *f = lw->func;
    LExpr *operand[MAX_RANK];
    for (int i = 0; i < n->type.rank; i++)
        operand[i] = index[i];
    for (int k = 0; k < n->attr[0].ints.n; k++) {
        int64_t axis = n->attr[0].ints.v[k];
        operand[axis] = lx_bin(f, LX_SUB, lx_i64(f, n->type.dim[axis] - 1), index[axis]);
    }
    return lower_value(lw, n->in[0], operand);
}

static const OpSample reverse_samples[] = {
    { { F32(7) }, 1, { IV(0) }, -3, 3, false, NULL },
    { { F32(3, 5) }, 1, { IV(0) }, -3, 3, false, NULL },
    { { F32(3, 1, 17) }, 1, { IV(0, 2) }, -3, 3, false, NULL },
    { { F32(3, 5) }, 1, { IV_NONE }, -3, 3, false, "no axis" },
    { { I32(5) }, 1, { IV(0) }, -9, 9, false, NULL },
    { { BOOL(2, 3) }, 1, { IV(1) }, 0, 1, false, NULL },
};

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
    .value = reverse_value,
    SAMPLES(reverse_samples),
};
