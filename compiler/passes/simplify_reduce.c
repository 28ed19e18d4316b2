/* Reductions: sums of sums, of repeated values and of constant factors; and a product summed over
 * repeated operands, written elementwise by a user, becomes the contract it is. */
#include "ops/contract.h"
#include "passes/simplify.h"
#include <stdio.h>

bool simplify_reduces(const Node *n, int64_t axis)
{
    for (int i = 0; i < n->attr[0].ints.n; i++)
        if (n->attr[0].ints.v[i] == axis)
            return true;
    return false;
}

/* Reducing over axes of extent 1 changes the shape only. */
static Node *drop_single_axes(Simplify *s, const Node *n)
{
    int64_t dim[MAX_RANK], axes[MAX_RANK];
    int rank = 0, n_axes = 0;
    const Type *t = &n->in[0]->type;
    for (int d = 0; d < t->rank; d++) {
        if (simplify_reduces(n, d) && t->dim[d] == 1)
            continue;
        if (simplify_reduces(n, d))
            axes[n_axes++] = rank;
        dim[rank++] = t->dim[d];
    }
    if (rank == t->rank)
        return NULL;
    return build_reduce(s->g, n->op, build_reshape(s->g, n->in[0], rank, dim), axes, n_axes);
}

static Node *reduce_of_reduce(Simplify *s, const Node *n)
{
    const Node *a = n->in[0];
    int64_t axes[MAX_RANK];
    int n_axes = 0, at = 0;
    for (int d = 0; d < a->in[0]->type.rank; d++) {
        if (simplify_reduces(a, d)) {
            axes[n_axes++] = d;
            continue;
        }
        if (simplify_reduces(n, at++))
            axes[n_axes++] = d;
    }
    return build_reduce(s->g, n->op, a->in[0], axes, n_axes);
}

/* Over everything the shape is no matter: the source's is taken, but for its dimensions of 1. */
static Node *reduce_all_of_reshape(Simplify *s, const Node *n)
{
    const Node *a = n->in[0];
    int64_t dim[MAX_RANK], axes[MAX_RANK] = { 0, 1, 2, 3, 4, 5, 6, 7 };
    int rank = 0;
    for (int d = 0; d < a->in[0]->type.rank; d++)
        if (a->in[0]->type.dim[d] > 1)
            dim[rank++] = a->in[0]->type.dim[d];
    Type want = type_make(a->type.dtype, rank, dim);
    if (type_equal(&want, &a->type))
        return NULL;
    return build_reduce(s->g, n->op, build_reshape(s->g, a->in[0], rank, dim), axes, rank);
}

/* The repeated axes give a factor (sum) or nothing (max); the others are reduced before repeating. */
static Node *reduce_of_broadcast(Simplify *s, const Node *n)
{
    const Node *b = n->in[0];
    const Ints *kept = &b->attr[1].ints;
    int64_t axes[MAX_RANK], place[MAX_RANK];
    int n_axes = 0, n_place = 0, at = 0, next = 0;
    double factor = 1;
    bool repeats = false;
    for (int d = 0; d < b->type.rank; d++) {
        bool own = next < kept->n && kept->v[next] == d;
        if (simplify_reduces(n, d)) {
            if (own)
                axes[n_axes++] = next;
            else
                factor *= (double)b->type.dim[d];
            repeats = repeats || !own;
        } else {
            if (own)
                place[n_place++] = at;
            at++;
        }
        next += own;
    }
    if (!repeats && n_place == n->type.rank)
        return NULL; /* nothing is repeated in what is left either: a plain reduction */
    Node *r = build_reduce(s->g, n->op, b->in[0], axes, n_axes);
    if (n->op == &op_sum && factor != 1)
        r = build_binary(s->g, &op_mul, r, build_like(s->g, r, factor));
    return build_broadcast(s->g, r, n->type.rank, n->type.dim, place);
}

/* Constant factors and signs of a sum are applied to the result. */
static Node *sum_of_scaled(Simplify *s, const Node *n)
{
    Node *a = n->in[0];
    double c;
    if (a->op == &op_neg)
        return build_unary(s->g, &op_neg, build_reduce(s->g, &op_sum, a->in[0], n->attr[0].ints.v, n->attr[0].ints.n));
    if (a->op != &op_mul || !simplify_splat(a->in[1], &c))
        return NULL;
    Node *sum = build_reduce(s->g, &op_sum, a->in[0], n->attr[0].ints.v, n->attr[0].ints.n);
    return build_binary(s->g, &op_mul, sum, build_like(s->g, sum, c));
}

static Node *reduce_of_transpose(Simplify *s, const Node *n)
{
    const Node *t = n->in[0];
    const int64_t *perm = t->attr[0].ints.v;
    int64_t axes[MAX_RANK], order[MAX_RANK], rest[MAX_RANK];
    int n_axes = 0, n_rest = 0;
    for (int d = 0; d < t->type.rank; d++) {
        if (simplify_reduces(n, d))
            axes[n_axes++] = perm[d];
        else
            rest[n_rest++] = perm[d];
    }
    for (int i = 0; i < n_rest; i++) { /* place of each kept dimension among those kept */
        order[i] = 0;
        for (int j = 0; j < n_rest; j++)
            order[i] += rest[j] < rest[i];
    }
    return build_transpose(s->g, build_reduce(s->g, n->op, t->in[0], axes, n_axes), order);
}

/* ---- products ---- */

static int varying_axes(const Node *a)
{
    if (a->op != &op_broadcast)
        return -1;
    int bits = 0;
    for (int i = 0; i < a->attr[1].ints.n; i++)
        bits |= 1 << a->attr[1].ints.v[i];
    return bits;
}

/* sum over axes of broadcast(a) * broadcast(b), where each result dimension's values are used again
 * along a dimension of the other operand: a matrix product. Without such reuse (a dot product of rows,
 * a row times a vector) the fused elementwise sum is as good and stays. */
static Node *sum_of_product(Simplify *s, const Node *n)
{
    const Node *mul = n->in[0];
    if (mul->op != &op_mul || mul->type.dtype != DT_F32 || !simplify_single_use(mul))
        return NULL;
    int a = varying_axes(mul->in[0]), b = varying_axes(mul->in[1]), summed = 0;
    if (a < 0 || b < 0)
        return NULL;
    for (int i = 0; i < n->attr[0].ints.n; i++)
        summed |= 1 << n->attr[0].ints.v[i];
    if (!(a & ~b & ~summed) || !(b & ~a & ~summed) || !(a & b & summed))
        return NULL;
    Contract c = { .n_index = mul->type.rank, .n_out = n->type.rank, .n_operand = 2 };
    int index[MAX_RANK], out = 0, sum = c.n_out;
    for (int d = 0; d < mul->type.rank; d++) {
        index[d] = summed >> d & 1 ? sum++ : out++;
        c.extent[index[d]] = mul->type.dim[d];
        c.name[index[d]] = arena_printf(s->g->arena, "%c", "abcdefgh"[d]);
    }
    for (int p = 0; p < 2; p++) {
        const Ints *axes = &mul->in[p]->attr[1].ints;
        c.operand[p].rank = axes->n;
        for (int i = 0; i < axes->n; i++)
            c.operand[p].dim[i].coef[index[axes->v[i]]] = 1;
    }
    return build_contract(s->g, mul->in[0]->in[0], mul->in[1]->in[0], &c);
}

Node *simplify_reduce(Simplify *s, Node *n)
{
    if (n->op != &op_sum && n->op != &op_reduce_max)
        return NULL;
    const Node *a = n->in[0];
    Node *r = drop_single_axes(s, n);
    if (!r && a->op == n->op && !(n->op == &op_sum && simplify_keeps_rows(a)))
        r = reduce_of_reduce(s, n);
    if (!r && a->op == &op_broadcast)
        r = reduce_of_broadcast(s, n);
    if (!r && a->op == &op_transpose)
        r = reduce_of_transpose(s, n);
    if (!r && a->op == &op_reshape && n->type.rank == 0)
        r = reduce_all_of_reshape(s, n);
    if (!r && n->op == &op_sum)
        r = sum_of_scaled(s, n);
    return !r && n->op == &op_sum ? sum_of_product(s, n) : r;
}
