/* Reductions, order and windows. */
#include "front/builtin.h"
#include "front/index.h"

#include <string.h>

/* Puts dims of 1 back where axes were dropped. */
Value reduce_keep(BCall *c, Node *whole, Node *reduced, const int64_t *axes, int n)
{
    bool keep;
    int last = strcmp(c->builtin->name, "min") == 0 || strcmp(c->builtin->name, "max") == 0 ? 3 : 2;
    if (!reduced || !arg_bool(c, last, &keep, false))
        return value_bad();
    if (!keep)
        return tensor_value(c->fr, reduced);
    int64_t dim[MAX_RANK];
    memcpy(dim, whole->type.dim, sizeof dim);
    for (int i = 0; i < n; i++)
        dim[axes[i]] = 1;
    return tensor_value(c->fr, build_reshape(c->fr->gen->g, reduced, whole->type.rank, dim));
}

static Node *reduce(BCall *c, const OpDef *op, Node *x, const int64_t *axes, int n)
{
    place(c->fr, c->at);
    return n == 0 ? x : build_reduce(c->fr->gen->g, op, x, axes, n);
}

/* ---- numbers and lists ---- */

static bool static_list(BCall *c, Value *list)
{
    *list = c->args[0].v;
    if (value_is_number(*list))
        *list = value_list(c->fr->f, list, 1);
    if (list->kind != V_LIST)
        return false;
    for (int i = 0; i < list->n; i++)
        if (!value_is_number(list->items[i]))
            return false;
    return true;
}

static Value pick(const OpDef *op, Value a, Value b)
{
    bool less = value_number(a) < value_number(b);
    Value r = (op == &op_min) == less ? a : b;
    if (a.kind != b.kind)
        r = value_float(value_number(r));
    return r;
}

static Value fold_list(BCall *c, Value list, OpKind op, int64_t start)
{
    Value total = value_int(start);
    for (int i = 0; i < list.n; i++)
        total = arith_binary(c->fr, op, total, list.items[i], c->at);
    return total;
}

/* ---- min and max ---- */

static Value extreme_of_two(BCall *c)
{
    Value a = c->args[0].v, b = c->args[1].v;
    const OpDef *op = c->builtin->op;
    if (arg_given(c, 2) || arg_given(c, 3))
        return fail(c->fr, c->at, "%s of two values has no axis", c->builtin->name);
    if (value_is_number(a) && value_is_number(b))
        return pick(op, a, b);
    Node *in[2];
    if (!nodes_unify(c->fr, a, b, c->builtin->name, c->at, true, &in[0], &in[1]))
        return value_bad();
    return tensor_value(c->fr, add_node(c->fr, op, in, 2, NULL, c->at));
}

Value run_extreme(BCall *c)
{
    Value list;
    int64_t axes[MAX_RANK];
    int n;
    if (arg_given(c, 1))
        return extreme_of_two(c);
    if (static_list(c, &list)) {
        if (list.n == 0)
            return fail(c->fr, c->at, "%s of an empty list", c->builtin->name);
        Value best = list.items[0];
        for (int i = 1; i < list.n; i++)
            best = pick(c->builtin->op, best, list.items[i]);
        return best;
    }
    Node *x = arg_tensor(c, 0);
    if (!x || !arg_axes(c, 2, x->type.rank, axes, &n))
        return value_bad();
    Graph *g = c->fr->gen->g;
    place(c->fr, c->at);
    x = node_float(c->fr, x);
    bool min = c->builtin->op == &op_min; /* min x = -max(-x) */
    Node *r = reduce(c, &op_reduce_max, min && n ? build_unary(g, &op_neg, x) : x, axes, n);
    return reduce_keep(c, x, min && n ? build_unary(g, &op_neg, r) : r, axes, n);
}

/* ---- sums ---- */

Value run_sum(BCall *c)
{
    Value list;
    int64_t axes[MAX_RANK];
    int n;
    if (static_list(c, &list))
        return fold_list(c, list, OP_ADD, 0);
    Node *x = arg_tensor(c, 0);
    if (!x || !arg_axes(c, 1, x->type.rank, axes, &n))
        return value_bad();
    place(c->fr, c->at);
    x = node_float(c->fr, x);
    return reduce_keep(c, x, reduce(c, &op_sum, x, axes, n), axes, n);
}

Value run_mean(BCall *c)
{
    Value list;
    int64_t axes[MAX_RANK], count = 1;
    int n;
    if (static_list(c, &list)) {
        if (list.n == 0)
            return fail(c->fr, c->at, "mean of an empty list");
        return arith_binary(c->fr, OP_DIV, fold_list(c, list, OP_ADD, 0), value_float(list.n), c->at);
    }
    Node *x = arg_tensor(c, 0);
    if (!x || !arg_axes(c, 1, x->type.rank, axes, &n))
        return value_bad();
    Graph *g = c->fr->gen->g;
    place(c->fr, c->at);
    x = build_cast(g, x, DT_F32);
    for (int i = 0; i < n; i++)
        count *= x->type.dim[axes[i]];
    Node *r = reduce(c, &op_sum, x, axes, n);
    if (count > 1)
        r = build_binary(g, &op_mul, r, build_like(g, r, 1.0 / (double)count));
    return reduce_keep(c, x, r, axes, n);
}

static Node *axis_slice(Graph *g, Node *x, int axis, int64_t start, int64_t stop)
{
    int64_t lo[MAX_RANK] = {0}, hi[MAX_RANK], step[MAX_RANK];
    memcpy(hi, x->type.dim, sizeof hi);
    for (int i = 0; i < MAX_RANK; i++)
        step[i] = 1;
    lo[axis] = start;
    hi[axis] = stop;
    return build_slice(g, x, lo, hi, step);
}

/* The halves are multiplied until one element is left; odd ones out are kept for the end. */
Node *product_along(Graph *g, Node *x, int axis)
{
    Node *odd = NULL;
    while (x->type.dim[axis] > 1) {
        int64_t n = x->type.dim[axis], half = n / 2;
        if (n % 2) {
            Node *last = axis_slice(g, x, axis, n - 1, n);
            odd = odd ? build_binary(g, &op_mul, odd, last) : last;
        }
        x = build_binary(g, &op_mul, axis_slice(g, x, axis, 0, half), axis_slice(g, x, axis, half, 2 * half));
    }
    return odd ? build_binary(g, &op_mul, x, odd) : x;
}

Value run_prod(BCall *c)
{
    Value list;
    int64_t axes[MAX_RANK], dim[MAX_RANK];
    int n, rank = 0;
    if (static_list(c, &list))
        return fold_list(c, list, OP_MUL, 1);
    Node *x = arg_tensor(c, 0);
    if (!x || !arg_axes(c, 1, x->type.rank, axes, &n))
        return value_bad();
    place(c->fr, c->at);
    x = node_float(c->fr, x);
    Node *r = x;
    for (int i = 0; i < n; i++)
        r = product_along(c->fr->gen->g, r, (int)axes[i]);
    for (int d = 0, k = 0; d < x->type.rank; d++) {
        if (k < n && axes[k] == d)
            k++;
        else
            dim[rank++] = x->type.dim[d];
    }
    return reduce_keep(c, x, build_reshape(c->fr->gen->g, r, rank, dim), axes, n);
}

/* ---- order ---- */

static bool one_axis(BCall *c, int i, int rank, int64_t *axis)
{
    int n;
    int64_t axes[MAX_RANK];
    CallArg *arg = &c->args[i];
    if (!arg_given(c, i)) {
        arg->v = value_int(-1);
        arg->at = c->at;
    }
    if (!arg_axes(c, i, rank, axes, &n))
        return false;
    if (n != 1) {
        fail(c->fr, arg->at, "%s works along one axis", c->builtin->name);
        return false;
    }
    *axis = axes[0];
    return true;
}

Value run_argmax(BCall *c)
{
    Node *x = arg_tensor(c, 0);
    Attr attr[1];
    if (!x || !one_axis(c, 1, x->type.rank, &attr[0].i))
        return value_bad();
    place(c->fr, c->at);
    x = node_float(c->fr, x);
    return tensor_value(c->fr, add_node(c->fr, &op_argmax, &x, 1, attr, c->at));
}

Value run_argsort(BCall *c)
{
    Node *x = arg_tensor(c, 0);
    Attr attr[2];
    bool descending;
    if (!x || !one_axis(c, 1, x->type.rank, &attr[0].i) || !arg_bool(c, 2, &descending, false))
        return value_bad();
    attr[1].i = descending;
    return tensor_value(c->fr, add_node(c->fr, &op_argsort, &x, 1, attr, c->at));
}

Value run_window_max(BCall *c)
{
    int64_t window[MAX_RANK], stride[MAX_RANK];
    int n, m;
    Node *x = arg_tensor(c, 0);
    if (!x || !arg_dims(c, 1, 1, window, &n))
        return value_bad();
    m = n;
    memcpy(stride, window, sizeof stride);
    if (arg_given(c, 2) && !arg_dims(c, 2, 1, stride, &m))
        return value_bad();
    if (n != x->type.rank || m != n)
        return fail(c->fr, c->at, "window_max of %s needs a window and a stride for each of its %d dimensions",
                    type_text(c->fr->f->arena, &x->type), x->type.rank);
    for (int i = 0; i < n; i++)
        if (window[i] > x->type.dim[i])
            return fail(c->fr, c->at, "the window %s does not fit into %s", dims_text(c->fr->f, window, n),
                        type_text(c->fr->f->arena, &x->type));
    Arena *a = c->fr->f->arena;
    Attr attr[2] = { { .ints = ints_copy(a, window, n) }, { .ints = ints_copy(a, stride, n) } };
    return tensor_value(c->fr, add_node(c->fr, &op_window_max, &x, 1, attr, c->at));
}
