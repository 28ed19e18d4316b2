/* The derivative of a contract, in contracts.
 *
 * For y[o] = sum(s) a[A(o,s)] * b[B(o,s)] the derivative by a is, at each place p of a,
 *     da[p] = sum over all (o,s) with A(o,s) = p of dy[o] * b[B(o,s)].
 * contract_invert.c solves A(o,s) = p for some of the indices and writes the sum as contracts again,
 * which is what every matrix product and convolution takes. Maps it cannot solve (diagonals, an index
 * in two dimensions with coefficients that do not divide) go the general way here: the products are
 * summed down to the indices that occur in A, and added into place by scatter_add at computed
 * positions. Elements of a that are never read get zero. */
#include "ops/contract_invert.h"
#include "ops/build.h"

/* Fixes index k at `value`: it is gone from all maps. */
static void fix_index(Inverse *v, int k, int64_t value)
{
    Affine at = { .base = value };
    inverse_substitute(v, k, &at);
    v->extent[k] = 1;
}

/* Position in the operand, row major, of every combination of the indices `used`: i32. */
static Node *positions(const Inverse *v, const int *used, int n_used)
{
    int64_t step[MAX_INDEX] = { 0 }, base = 0, stride = 1, shape[MAX_RANK];
    for (int d = v->rank - 1; d >= 0; d--) {
        base += stride * v->target[d].base;
        for (int j = 0; j < n_used; j++)
            step[j] += stride * v->target[d].coef[used[j]];
        stride *= v->dim[d];
    }
    for (int j = 0; j < n_used; j++)
        shape[j] = v->extent[used[j]];
    Type type = type_make(DT_I32, n_used, shape);
    Node *at = build_full(v->g, type, (double)base);
    for (int j = 0; j < n_used; j++) {
        Node *iota = build_iota(v->g, n_used, shape, j);
        Node *scaled = build_binary(v->g, &op_mul, iota, build_full(v->g, type, (double)step[j]));
        at = build_binary(v->g, &op_add, at, scaled);
    }
    return at;
}

static Node *scatter(Inverse *v)
{
    int used[MAX_INDEX], n_used = 0;
    for (int k = 0; k < v->n_index; k++)
        for (int d = 0; d < v->rank; d++)
            if (v->target[d].coef[k] != 0 && v->extent[k] > 1) {
                used[n_used++] = k;
                break;
            }
    if (n_used > MAX_RANK) { /* more than a tensor's rank: one sum for each value of one of them */
        int k = used[n_used - 1];
        Node *sum = NULL;
        for (int64_t i = 0; i < v->extent[k]; i++) {
            Inverse part = *v;
            fix_index(&part, k, i);
            Node *one = scatter(&part);
            sum = sum ? build_binary(v->g, &op_add, sum, one) : one;
        }
        return sum;
    }
    for (int j = 0; j < n_used; j++)
        v->owned[used[j]] = true;
    Node *values = inverse_contract(v, used, n_used);
    Node *at = positions(v, used, n_used);
    int64_t n = type_count(&at->type), rows = 1;
    for (int d = 0; d < v->rank; d++)
        rows *= v->dim[d];
    Node *in[2] = { build_reshape(v->g, values, 1, &n), build_reshape(v->g, at, 1, &n) };
    Attr attr[MAX_ATTR] = { 0 };
    attr[op_attr(&op_scatter_add, "rows")].i = rows;
    return build_reshape(v->g, graph_must_add(v->g, &op_scatter_add, in, 2, attr), v->rank, v->dim);
}

static Inverse inverse_of(Graph *g, const Node *n, Node *dy, int p)
{
    const Contract *c = n->attr[0].contract;
    Inverse v = { .g = g, .n_index = c->n_index, .rank = c->operand[p].rank, .n_src = n->n_in };
    for (int k = 0; k < c->n_index; k++) {
        v.extent[k] = c->extent[k];
        v.name[k] = c->name[k];
    }
    for (int d = 0; d < v.rank; d++) {
        v.dim[d] = n->in[p]->type.dim[d];
        v.target[d] = c->operand[p].dim[d];
    }
    v.src[0] = dy;
    for (int d = 0; d < c->n_out; d++)
        v.map[0][d].coef[d] = 1;
    if (n->n_in == 2) {
        v.src[1] = n->in[1 - p];
        for (int d = 0; d < c->operand[1 - p].rank; d++)
            v.map[1][d] = c->operand[1 - p].dim[d];
    }
    return v;
}

void contract_grad(GradCtx *ctx, Node *n, Node *dy, Node **dx)
{
    for (int p = 0; p < n->n_in; p++) {
        if (!ctx->need[p])
            continue;
        Inverse v = inverse_of(ctx->g, n, dy, p);
        dx[p] = contract_invert(&v);
        if (!dx[p]) {
            v = inverse_of(ctx->g, n, dy, p);
            dx[p] = scatter(&v);
        }
    }
}
