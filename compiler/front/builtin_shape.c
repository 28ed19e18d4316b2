/* Movement, joining and tables. */
#include "front/builtin.h"

#include <string.h>

Value run_reshape(BCall *c)
{
    int64_t dim[MAX_RANK], known = 1;
    int rank, open = -1;
    Node *x = arg_tensor(c, 0);
    if (!x || !arg_dims(c, 1, -1, dim, &rank))
        return value_bad();
    int64_t count = type_count(&x->type);
    for (int i = 0; i < rank; i++) {
        if (dim[i] == -1) {
            if (open >= 0)
                return fail(c->fr, c->args[1].at, "reshape: only one dimension can be -1");
            open = i;
        } else if (dim[i] < 1 || __builtin_mul_overflow(known, dim[i], &known)) {
            return fail(c->fr, c->args[1].at, "reshape: the shape %s is not possible",
                        dims_text(c->fr->f, dim, rank));
        }
    }
    if (open >= 0 && count % known == 0)
        dim[open] = count / known;
    if (open >= 0 ? count % known != 0 : count != known)
        return fail(c->fr, c->at, "reshape: %s has %lld elements and does not fit %s",
                    type_text(c->fr->f->arena, &x->type), (long long)count, dims_text(c->fr->f, dim, rank));
    place(c->fr, c->at);
    return tensor_value(c->fr, build_reshape(c->fr->gen->g, x, rank, dim));
}

Value run_transpose(BCall *c)
{
    int64_t perm[MAX_RANK];
    bool seen[MAX_RANK] = {0};
    int n;
    Node *x = arg_tensor(c, 0);
    if (!x)
        return value_bad();
    int rank = x->type.rank;
    if (!arg_given(c, 1)) {
        for (int i = 0; i < rank; i++)
            perm[i] = rank - 1 - i;
    } else {
        if (!arg_dims(c, 1, -rank, perm, &n))
            return value_bad();
        bool ok = n == rank;
        for (int i = 0; i < n && ok; i++) {
            perm[i] += perm[i] < 0 ? rank : 0;
            ok = perm[i] < rank && !seen[perm[i]];
            if (ok)
                seen[perm[i]] = true;
        }
        if (!ok)
            return fail(c->fr, c->args[1].at, "transpose of %s: %s does not name each dimension once",
                        type_text(c->fr->f->arena, &x->type), value_text(c->fr->f, c->args[1].v));
    }
    place(c->fr, c->at);
    return tensor_value(c->fr, build_transpose(c->fr->gen->g, x, perm));
}

Value run_broadcast(BCall *c)
{
    int64_t dim[MAX_RANK];
    int rank;
    Node *x = arg_tensor(c, 0);
    if (!x || !arg_dims(c, 1, 1, dim, &rank))
        return value_bad();
    return tensor_value(c->fr, node_expand(c->fr, x, dim, rank, "broadcast", c->at));
}

/* [[lo, hi], ...], one pair a dimension; a number stands for both ends. */
static bool pad_widths(BCall *c, int rank, int64_t *lo, int64_t *hi)
{
    Value list = c->args[1].v;
    bool ok = list.kind == V_LIST && list.n == rank;
    for (int i = 0; ok && i < rank; i++) {
        Value w = list.items[i];
        if (w.kind == V_INT) {
            lo[i] = hi[i] = w.i;
        } else if (w.kind == V_LIST && w.n == 2 && w.items[0].kind == V_INT && w.items[1].kind == V_INT) {
            lo[i] = w.items[0].i;
            hi[i] = w.items[1].i;
        } else {
            ok = false;
        }
    }
    if (!ok) {
        fail(c->fr, c->args[1].at, "pad: %s is not a list of %d pairs [before, after], one a dimension",
             value_text(c->fr->f, list), rank);
        return false;
    }
    for (int i = 0; i < rank; i++)
        if (lo[i] < 0 || hi[i] < 0 || lo[i] > MAX_ELEMENTS || hi[i] > MAX_ELEMENTS) {
            fail(c->fr, c->args[1].at, "pad: [%lld, %lld] is not a possible width", (long long)lo[i],
                 (long long)hi[i]);
            return false;
        }
    return true;
}

Value run_pad(BCall *c)
{
    int64_t lo[MAX_RANK] = {0}, hi[MAX_RANK] = {0}, dim[MAX_RANK];
    Node *x = arg_tensor(c, 0);
    if (!x || !pad_widths(c, x->type.rank, lo, hi))
        return value_bad();
    bool any = false;
    for (int i = 0; i < x->type.rank; i++) {
        dim[i] = x->type.dim[i] + lo[i] + hi[i];
        any = any || lo[i] || hi[i];
    }
    if (!any)
        return tensor_value(c->fr, x);
    if (!shape_check(c->fr, c->at, dim, x->type.rank))
        return value_bad();
    Value fill = arg_given(c, 2) ? c->args[2].v : value_int(0);
    Node *value = node_of(c->fr, fill, x->type.dtype, c->args[2].at.src ? c->args[2].at : c->at);
    if (!value)
        return value_bad();
    if (value->type.rank != 0 || value->type.dtype != x->type.dtype)
        return fail(c->fr, c->args[2].at, "pad: the value is %s, but one number of type %s is expected",
                    type_text(c->fr->f->arena, &value->type), dtype_name(x->type.dtype));
    place(c->fr, c->at);
    return tensor_value(c->fr, build_pad(c->fr->gen->g, x, value, lo, hi, NULL));
}

static bool concat_parts(BCall *c, Value list, Node **parts, int64_t *axis)
{
    for (int i = 0; i < list.n; i++) {
        parts[i] = node_of(c->fr, list.items[i], DT_F32, c->args[0].at);
        if (!parts[i])
            return false;
    }
    const Type *t = &parts[0]->type;
    *axis = 0;
    if (arg_given(c, 1) && !arg_int(c, 1, axis))
        return false;
    if (*axis < 0)
        *axis += t->rank;
    if (*axis < 0 || *axis >= t->rank) {
        fail(c->fr, c->at, "concat: axis %lld of %s", (long long)*axis, type_text(c->fr->f->arena, t));
        return false;
    }
    int64_t dim[MAX_RANK];
    memcpy(dim, t->dim, sizeof dim);
    for (int i = 1; i < list.n; i++) {
        const Type *o = &parts[i]->type;
        bool ok = o->rank == t->rank && o->dtype == t->dtype;
        for (int d = 0; ok && d < t->rank; d++)
            ok = d == *axis || o->dim[d] == t->dim[d];
        if (!ok) {
            fail(c->fr, c->at, "concat: %s and %s differ in more than axis %lld",
                 type_text(c->fr->f->arena, t), type_text(c->fr->f->arena, o), (long long)*axis);
            return false;
        }
        dim[*axis] += o->dim[*axis];
    }
    return shape_check(c->fr, c->at, dim, t->rank);
}

Value run_concat(BCall *c)
{
    Value list = c->args[0].v;
    int64_t axis;
    if ((list.kind != V_LIST && list.kind != V_TUPLE) || list.n == 0)
        return fail(c->fr, c->args[0].at, "concat takes a list of tensors: concat([a, b], axis = 1)");
    Node **parts = ARENA_ARRAY(c->fr->f->arena, Node *, list.n);
    if (!concat_parts(c, list, parts, &axis))
        return value_bad();
    place(c->fr, c->at);
    return tensor_value(c->fr, build_concat(c->fr->gen->g, parts, list.n, (int)axis));
}

Value run_reverse(BCall *c)
{
    int64_t axes[MAX_RANK];
    int n;
    Node *x = arg_tensor(c, 0);
    if (!x || !arg_axes(c, 1, x->type.rank, axes, &n))
        return value_bad();
    Attr attr[1] = { { .ints = ints_copy(c->fr->f->arena, axes, n) } };
    return tensor_value(c->fr, add_node(c->fr, &op_reverse, &x, 1, attr, c->at));
}

static Node *index_tensor(BCall *c, int i)
{
    Node *n = c->args[i].v.kind == V_TENSOR ? arg_tensor(c, i) : node_of(c->fr, c->args[i].v, DT_I32, c->args[i].at);
    if (!n || n->type.dtype == DT_I32)
        return n;
    fail(c->fr, c->args[i].at, "%s of %s is %s, but positions are i32", arg_name(c, i), c->builtin->name,
         type_text(c->fr->f->arena, &n->type));
    hint(c->fr, "cast(x, i32) converts");
    return NULL;
}

Value run_gather(BCall *c)
{
    Node *in[2] = { arg_tensor(c, 0), index_tensor(c, 1) };
    if (!in[0] || !in[1])
        return value_bad();
    return tensor_value(c->fr, add_node(c->fr, &op_gather, in, 2, NULL, c->at));
}

Value run_scatter_add(BCall *c)
{
    Attr attr[1];
    Node *in[2] = { arg_tensor(c, 0), index_tensor(c, 1) };
    if (!in[0] || !in[1] || !arg_int(c, 2, &attr[0].i))
        return value_bad();
    if (attr[0].i < 1 || attr[0].i > MAX_ELEMENTS)
        return fail(c->fr, c->args[2].at, "scatter_add into %lld rows", (long long)attr[0].i);
    return tensor_value(c->fr, add_node(c->fr, &op_scatter_add, in, 2, attr, c->at));
}

Value run_take_along(BCall *c)
{
    Attr attr[1] = { { .i = -1 } };
    Node *in[2] = { arg_tensor(c, 0), index_tensor(c, 1) };
    if (!in[0] || !in[1] || (arg_given(c, 2) && !arg_int(c, 2, &attr[0].i)))
        return value_bad();
    if (attr[0].i < 0)
        attr[0].i += in[0]->type.rank;
    return tensor_value(c->fr, add_node(c->fr, &op_take_along, in, 2, attr, c->at));
}
