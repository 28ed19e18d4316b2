/* Builders for compiler-made nodes; see build.h. */
#include "ops/build.h"

#include <string.h>

Ints ints_copy(Arena *arena, const int64_t *v, int n)
{
    int64_t *copy = n > 0 ? ARENA_ARRAY(arena, int64_t, n) : NULL;
    for (int i = 0; i < n; i++)
        copy[i] = v[i];
    return (Ints){ n, copy };
}

static Attr attr_ints(const int64_t *v, int n) { return (Attr){ .ints = { n, v } }; }

Node *build_unary(Graph *g, const OpDef *op, Node *a) { return graph_must_add(g, op, &a, 1, NULL); }

Node *build_binary(Graph *g, const OpDef *op, Node *a, Node *b)
{
    return graph_must_add(g, op, (Node *[]){ a, b }, 2, NULL);
}

Node *build_select(Graph *g, Node *cond, Node *a, Node *b)
{
    return graph_must_add(g, &op_select, (Node *[]){ cond, a, b }, 3, NULL);
}

Node *build_cast(Graph *g, Node *a, DType dtype)
{
    if (a->type.dtype == dtype)
        return a;
    Attr attr[MAX_ATTR] = { { .i = dtype } };
    return graph_must_add(g, &op_cast, &a, 1, attr);
}

Node *build_const(Graph *g, Type type, const double *data)
{
    Tensor *t = ARENA_NEW(g->arena, Tensor);
    *t = tensor_new(g->arena, type);
    memcpy(t->data, data, sizeof *data * (size_t)type_count(&type));
    if (type.dtype == DT_F32)
        for (int64_t i = 0; i < type_count(&type); i++)
            t->data[i] = (double)(float)t->data[i];
    Attr attr[MAX_ATTR] = { { .tensor = t } };
    return graph_must_add(g, &op_const, NULL, 0, attr);
}

Node *build_scalar(Graph *g, DType dtype, double value)
{
    return build_const(g, type_scalar(dtype), &value);
}

Node *build_full(Graph *g, Type type, double value)
{
    Node *s = build_scalar(g, type.dtype, value);
    return type.rank ? build_broadcast(g, s, type.rank, type.dim, NULL) : s;
}

Node *build_like(Graph *g, const Node *a, double value) { return build_full(g, a->type, value); }

Node *build_reshape(Graph *g, Node *a, int rank, const int64_t *dim)
{
    Type want = type_make(a->type.dtype, rank, dim);
    if (type_equal(&want, &a->type))
        return a;
    Attr attr[MAX_ATTR] = { attr_ints(dim, rank) };
    return graph_must_add(g, &op_reshape, &a, 1, attr);
}

Node *build_copy(Graph *g, Node *a)
{
    Attr attr[MAX_ATTR] = { attr_ints(a->type.dim, a->type.rank) };
    return graph_must_add(g, &op_reshape, &a, 1, attr);
}

Node *build_transpose(Graph *g, Node *a, const int64_t *perm)
{
    bool identity = true;
    for (int i = 0; i < a->type.rank; i++)
        identity = identity && perm[i] == i;
    if (identity)
        return a;
    Attr attr[MAX_ATTR] = { attr_ints(perm, a->type.rank) };
    return graph_must_add(g, &op_transpose, &a, 1, attr);
}

Node *build_broadcast(Graph *g, Node *a, int rank, const int64_t *dim, const int64_t *axes)
{
    if (a->type.rank == rank)
        return a; /* increasing axes: nothing repeats */
    Attr attr[MAX_ATTR] = { attr_ints(dim, rank), attr_ints(axes, a->type.rank) };
    return graph_must_add(g, &op_broadcast, &a, 1, attr);
}

Node *build_broadcast_to(Graph *g, Node *a, int rank, const int64_t *dim)
{
    int lead = rank - a->type.rank;
    if (lead < 0)
        return NULL;
    int kept = 0;
    int64_t kept_dim[MAX_RANK], axes[MAX_RANK];
    for (int i = 0; i < a->type.rank; i++) {
        int64_t have = a->type.dim[i], want = dim[lead + i];
        if (have != want && have != 1)
            return NULL;
        if (have == want) {
            kept_dim[kept] = have;
            axes[kept++] = lead + i;
        }
    }
    if (kept == rank)
        return a;
    return build_broadcast(g, build_reshape(g, a, kept, kept_dim), rank, dim, axes);
}

Node *build_slice(Graph *g, Node *a, const int64_t *start, const int64_t *stop, const int64_t *step)
{
    int rank = a->type.rank;
    bool whole = true;
    for (int i = 0; i < rank; i++)
        whole = whole && start[i] == 0 && stop[i] == a->type.dim[i] && step[i] == 1;
    if (whole)
        return a;
    Attr attr[MAX_ATTR] = { attr_ints(start, rank), attr_ints(stop, rank), attr_ints(step, rank) };
    return graph_must_add(g, &op_slice, &a, 1, attr);
}

Node *build_pad(Graph *g, Node *a, Node *value, const int64_t *lo, const int64_t *hi,
                const int64_t *inner)
{
    static const int64_t zeros[MAX_RANK] = { 0 };
    int rank = a->type.rank;
    inner = inner ? inner : zeros;
    bool none = true;
    for (int i = 0; i < rank; i++)
        none = none && lo[i] == 0 && hi[i] == 0 && (inner[i] == 0 || a->type.dim[i] == 1);
    if (none)
        return a;
    Attr attr[MAX_ATTR] = { attr_ints(lo, rank), attr_ints(hi, rank), attr_ints(inner, rank) };
    return graph_must_add(g, &op_pad, (Node *[]){ a, value }, 2, attr);
}

Node *build_concat(Graph *g, Node *const *parts, int n, int axis)
{
    if (n == 1)
        return parts[0];
    Attr attr[MAX_ATTR] = { { .i = axis } };
    return graph_must_add(g, &op_concat, parts, n, attr);
}

Node *build_reduce(Graph *g, const OpDef *op, Node *a, const int64_t *axes, int n_axes)
{
    Attr attr[MAX_ATTR] = { { 0 } };
    if (op == &op_argmax) {
        attr[0].i = axes[0];
        return graph_must_add(g, op, &a, 1, attr);
    }
    if (n_axes == 0)
        return a;
    int64_t sorted[MAX_RANK]; /* the rule wants increasing axes; callers need not care */
    int n = 0;
    for (int axis = 0; axis < a->type.rank; axis++)
        for (int i = 0; i < n_axes; i++)
            if (axes[i] == axis) {
                sorted[n++] = axis;
                break;
            }
    attr[0] = attr_ints(sorted, n);
    return graph_must_add(g, op, &a, 1, attr);
}

Node *build_iota(Graph *g, int rank, const int64_t *dim, int axis)
{
    Attr attr[MAX_ATTR] = { attr_ints(dim, rank), { .i = axis } };
    return graph_must_add(g, &op_iota, NULL, 0, attr);
}

Node *build_rand(Graph *g, int rank, const int64_t *dim, uint64_t salt)
{
    Attr attr[MAX_ATTR] = { attr_ints(dim, rank), { .i = (int64_t)salt } };
    return graph_must_add(g, &op_rand, NULL, 0, attr);
}

Node *build_contract(Graph *g, Node *a, Node *b, const Contract *c)
{
    Contract *copy = ARENA_NEW(g->arena, Contract);
    *copy = *c;
    Attr attr[MAX_ATTR] = { { .contract = copy } };
    return graph_must_add(g, &op_contract, (Node *[]){ a, b }, b ? 2 : 1, attr);
}

Node *build_var(Graph *g, Var *var)
{
    Attr attr[MAX_ATTR] = { { .var = var } };
    return graph_must_add(g, &op_var, NULL, 0, attr);
}

Node *build_input(Graph *g, const char *name, Type type)
{
    Attr attr[MAX_ATTR] = { { .name = name }, attr_ints(type.dim, type.rank), { .i = type.dtype } };
    return graph_must_add(g, &op_input, NULL, 0, attr);
}

Node *build_output(Graph *g, const char *name, Node *value)
{
    Attr attr[MAX_ATTR] = { { .name = name } };
    return graph_must_add(g, &op_output, &value, 1, attr);
}

Node *build_update(Graph *g, Var *var, Node *value)
{
    Attr attr[MAX_ATTR] = { { .var = var } };
    return graph_must_add(g, &op_update, &value, 1, attr);
}

Node *build_gradient(Graph *g, Node *loss, Node *x)
{
    return graph_must_add(g, &op_gradient, (Node *[]){ loss, x }, 2, NULL);
}
