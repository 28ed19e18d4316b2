/* Functions that make tensors or lists out of nothing, and those about nets. */
#include "front/builtin.h"

#include <string.h>

/* A shape argument that may be left out inside an initialiser. */
static bool shape_argument(BCall *c, int i, int64_t *dim, int *rank)
{
    if (!arg_given(c, i)) {
        if (!c->fr->shape) {
            fail(c->fr, c->at, "%s needs a shape here: %s([2, 3])", c->builtin->name, c->builtin->name);
            return false;
        }
        c->args[i].v = *c->fr->shape;
        c->args[i].at = c->at;
    }
    return arg_dims(c, i, 1, dim, rank) && shape_check(c->fr, c->args[i].at, dim, *rank);
}

static bool no_graph(BCall *c)
{
    if (c->fr->gen)
        return false;
    fail(c->fr, c->at, "%s makes a tensor: there are none at the top level", c->builtin->name);
    return true;
}

Value run_iota(BCall *c)
{
    int64_t dim[MAX_RANK], axis = 0;
    int rank;
    if (no_graph(c) || !shape_argument(c, 0, dim, &rank) || (arg_given(c, 1) && !arg_int(c, 1, &axis)))
        return value_bad();
    if (axis < 0)
        axis += rank;
    if (axis < 0 || axis >= rank)
        return fail(c->fr, c->at, "iota: axis %lld of the shape %s", (long long)axis, dims_text(c->fr->f, dim, rank));
    place(c->fr, c->at);
    return tensor_value(c->fr, build_iota(c->fr->gen->g, rank, dim, (int)axis));
}

static Value filled(BCall *c, const int64_t *dim, int rank, DType dtype, double value)
{
    if (no_graph(c) || !shape_check(c->fr, c->at, dim, rank))
        return value_bad();
    place(c->fr, c->at);
    return tensor_value(c->fr, build_full(c->fr->gen->g, type_make(dtype, rank, dim), value));
}

/* zeros(), zeros(2, 3), zeros([2, 3]); without a shape, inside an initialiser, the declared one. */
Value run_fill(BCall *c)
{
    int64_t dim[MAX_RANK];
    int rank = 0;
    const Value *items = NULL;
    Value list;
    int n = c->n_rest;
    if (n == 0) {
        if (c->fr->shape)
            return value_float((double)c->builtin->fill);
        return fail(c->fr, c->at, "%s needs a shape here: %s(2, 3)", c->builtin->name, c->builtin->name);
    }
    if (n == 1 && c->rest[0].v.kind == V_LIST) {
        list = c->rest[0].v;
        items = list.items;
        n = list.n;
    }
    if (n > MAX_RANK)
        return fail(c->fr, c->at, "%s: more than %d dimensions", c->builtin->name, MAX_RANK);
    for (int i = 0; i < n; i++) {
        Value v = items ? items[i] : c->rest[i].v;
        if (is_bad(v))
            return v;
        if (v.kind != V_INT || (!items && c->rest[i].name))
            return fail(c->fr, c->at, "%s takes dimensions: %s(2, 3), but here is %s", c->builtin->name,
                        c->builtin->name, value_what(c->fr->f, v));
        dim[rank++] = v.i;
    }
    return filled(c, dim, rank, DT_F32, c->builtin->fill);
}

Value run_full(BCall *c)
{
    int64_t dim[MAX_RANK];
    int rank;
    Value v = c->args[1].v;
    if (no_graph(c) || !shape_argument(c, 0, dim, &rank))
        return value_bad();
    Node *x = node_of(c->fr, v, v.kind == V_INT ? DT_I32 : DT_F32, c->args[1].at);
    return x ? tensor_value(c->fr, node_expand(c->fr, x, dim, rank, "full", c->at)) : value_bad();
}

Value run_rand(BCall *c)
{
    int64_t dim[MAX_RANK];
    int rank;
    Site nowhere = { .salt_path = "" };
    if (no_graph(c) || !shape_argument(c, 0, dim, &rank))
        return value_bad();
    place(c->fr, c->at);
    uint64_t salt = site_salt(c->fr->site ? c->fr->site : &nowhere);
    return tensor_value(c->fr, build_rand(c->fr->gen->g, rank, dim, salt));
}

Value run_stop_grad(BCall *c)
{
    if (value_is_number(c->args[0].v))
        return c->args[0].v;
    Node *x = arg_tensor(c, 0);
    return x ? tensor_value(c->fr, add_node(c->fr, &op_stop_grad, &x, 1, NULL, c->at)) : value_bad();
}

Value run_params(BCall *c)
{
    Value net = c->args[0].v;
    if (net.kind != V_SYMBOL || net.sym->decl->kind != D_NET) {
        fail(c->fr, c->args[0].at, "params of %s: it lists the parameters of a net", value_what(c->fr->f, net));
        return value_bad();
    }
    if (!net.sym->elaborated) {
        fail(c->fr, c->at, "the parameters of %s are not known before its first use", net.sym->name);
        hint(c->fr, "write the term with params(%s) behind the term that calls %s(...)", net.sym->name,
             net.sym->name);
        return value_bad();
    }
    Vec(Value) items = {0};
    for (int i = 0; i < net.sym->vars.len; i++)
        if (net.sym->vars.data[i]->var->kind == VAR_PARAM)
            VEC_PUSH(c->fr->f->arena, &items, var_read(c->fr, net.sym->vars.data[i]));
    return value_list(c->fr->f, items.data, items.len);
}

Value run_len(BCall *c)
{
    Value v = c->args[0].v;
    if (v.kind == V_LIST || v.kind == V_TUPLE)
        return value_int(v.n);
    if (v.kind == V_STRING)
        return value_int((int64_t)strlen(v.s));
    if (v.kind == V_RANGE)
        return value_int(v.j > v.i ? v.j - v.i : 0);
    fail(c->fr, c->args[0].at, "len of %s", value_what(c->fr->f, v));
    if (v.kind == V_TENSOR)
        hint(c->fr, "x.shape[0] is the first dimension, x.rank their number");
    return value_bad();
}

Value run_range(BCall *c)
{
    int64_t start, stop, step = 1;
    if (!arg_int(c, 0, &start))
        return value_bad();
    stop = start;
    if (!arg_given(c, 1))
        start = 0;
    else if (!arg_int(c, 1, &stop))
        return value_bad();
    if (arg_given(c, 2) && !arg_int(c, 2, &step))
        return value_bad();
    if (step == 0)
        return fail(c->fr, c->args[2].at, "range with a step of 0");
    double count = ((double)stop - (double)start) / (double)step;
    if (count > MAX_LIST)
        return fail(c->fr, c->at, "a range of more than %d items", MAX_LIST);
    if (count > 0 && !spend_many(c->fr, (int64_t)count, c->at))
        return value_bad();
    Vec(Value) items = {0};
    for (int64_t i = start; step > 0 ? i < stop : i > stop; i += step)
        VEC_PUSH(c->fr->f->arena, &items, value_int(i));
    return value_list(c->fr->f, items.data, items.len);
}

Value run_is_list(BCall *c) { return value_bool(c->args[0].v.kind == V_LIST); }
