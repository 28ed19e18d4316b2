/* Means, variances and what normalisation and its derivative make of them. Each rule takes a pass over
 * memory away:
 *
 *   sum(v * p)                    v * sum(p), where v is repeated along the summed axes
 *   sum(p + v * (x - mean(x)))    sum(p) + v * (sum(x) - N * mean(x)): no sum that waits for another one
 *   sum((x - mean(x))^2)          one pass beside the mean's, by deviations from x's first element
 *   (x - m) * s + t               x * s + (t - m * s) behind a contraction, where m, s, t are variables'
 *   sum over all of f(row sums)   the sums of the rows first, which the rows' kernel makes
 */
#include "passes/simplify.h"
#include <math.h>

static unsigned summed_axes(const Node *n)
{
    unsigned mask = 0;
    for (int i = 0; i < n->attr[0].ints.n; i++)
        mask |= 1u << n->attr[0].ints.v[i];
    return mask;
}

static int64_t summed_count(const Node *n) { return type_count(&n->in[0]->type) / type_count(&n->type); }

/* The axes that operand dimensions of a broadcast become, as a mask; those of extent 1 vary in nothing. */
static unsigned own_axes(const Node *b)
{
    unsigned mask = 0;
    for (int i = 0; i < b->attr[1].ints.n; i++)
        if (b->in[0]->type.dim[i] > 1)
            mask |= 1u << b->attr[1].ints.v[i];
    return mask;
}

/* b repeats along all axes of the sum n. */
static bool repeats_along(const Node *b, const Node *n)
{
    return b->op == &op_broadcast && !(own_axes(b) & summed_axes(n));
}

/* Such a value in the shape of the sum n. */
static Node *in_sums_shape(Simplify *s, const Node *b, const Node *n)
{
    int64_t place[MAX_RANK], dim[MAX_RANK];
    int at = 0, rank = 0, next = 0;
    unsigned summed = summed_axes(n);
    for (int d = 0; d < b->type.rank; d++) {
        bool own = next < b->attr[1].ints.n && b->attr[1].ints.v[next] == d;
        if (own && !(summed >> d & 1u)) {
            dim[rank] = b->in[0]->type.dim[next];
            place[rank++] = at;
        }
        next += own;
        at += !(summed >> d & 1u);
    }
    /* summed dimensions of extent 1 go */
    Node *small = rank == b->in[0]->type.rank ? b->in[0] : build_reshape(s->g, b->in[0], rank, dim);
    return build_broadcast(s->g, small, n->type.rank, n->type.dim, place);
}

static Node *sum_like(Simplify *s, Node *x, const Node *n)
{
    return build_reduce(s->g, &op_sum, x, n->attr[0].ints.v, n->attr[0].ints.n);
}

/* ---- sum(v * p) ---- */

static Node *sum_of_multiple(Simplify *s, const Node *n)
{
    const Node *mul = n->in[0];
    double c;
    if (mul->op != &op_mul || mul->type.dtype != DT_F32)
        return NULL;
    for (int k = 0; k < 2; k++) {
        Node *v = mul->in[k], *p = mul->in[1 - k];
        if (repeats_along(v, n) && !simplify_splat(v, &c) && p->op != &op_broadcast)
            return build_binary(s->g, &op_mul, sum_like(s, p, n), in_sums_shape(s, v, n));
    }
    return NULL;
}

/* ---- deviations from the mean ---- */

/* d is x - mean(x) over the axes of n. */
static bool is_deviation(const Node *d, const Node *n)
{
    double c;
    if (d->op != &op_sub || d->in[1]->op != &op_broadcast || !repeats_along(d->in[1], n))
        return false;
    const Node *mean = d->in[1]->in[0];
    if (mean->op != &op_mul || !simplify_splat(mean->in[1], &c) || mean->in[0]->op != &op_sum)
        return false;
    const Node *sum = mean->in[0];
    return sum->in[0] == d->in[0] && summed_axes(sum) == summed_axes(n) &&
           fabs(c * (double)summed_count(n) - 1) < 1e-6;
}

/* The deviation that d is a multiple of, or NULL; *sum gets the sum of d over n's axes: the multiple
 * of sum(x) - N * mean(x), which is zero but for rounding (and for what is not finite). */
static const Node *multiple_of_deviation(Simplify *s, const Node *d, const Node *n, Node **sum)
{
    if (is_deviation(d, n)) {
        Node *mean = in_sums_shape(s, d->in[1], n), *count = build_like(s->g, n, (double)summed_count(n));
        *sum = build_binary(s->g, &op_sub, d->in[1]->in[0]->in[0], build_binary(s->g, &op_mul, mean, count));
        return d;
    }
    for (int k = 0; d->op == &op_mul && k < 2; k++) {
        if (!repeats_along(d->in[k], n))
            continue;
        const Node *of = multiple_of_deviation(s, d->in[1 - k], n, sum);
        if (of)
            *sum = build_binary(s->g, &op_mul, *sum, in_sums_shape(s, d->in[k], n));
        return of;
    }
    return NULL;
}

static Node *sum_with_deviation(Simplify *s, const Node *n)
{
    const Node *a = n->in[0];
    if ((a->op != &op_add && a->op != &op_sub) || a->type.dtype != DT_F32)
        return NULL;
    for (int k = 1; k >= 0; k--) {
        Node *zero;
        if (!multiple_of_deviation(s, a->in[k], n, &zero))
            continue;
        Node *rest = sum_like(s, a->in[1 - k], n);
        return k ? build_binary(s->g, a->op, rest, zero) : build_binary(s->g, a->op, zero, rest);
    }
    return NULL;
}

/* ---- the variance ---- */

/* Rows that end in the summed axes stay in the nearest cache: two passes over them cost nothing. */
static bool sums_rows(const Node *n)
{
    unsigned mask = summed_axes(n);
    bool kept = false;
    for (int d = n->in[0]->type.rank - 1; d >= 0; d--) {
        if (n->in[0]->type.dim[d] == 1)
            continue;
        if (mask >> d & 1u && kept)
            return false;
        kept = kept || !(mask >> d & 1u);
    }
    return true;
}

/* x's elements at the first position of the summed axes, repeated along them. */
static Node *first_elements(Simplify *s, Node *x, const Node *n)
{
    int64_t start[MAX_RANK] = { 0 }, stop[MAX_RANK], step[MAX_RANK], kept[MAX_RANK];
    unsigned mask = summed_axes(n);
    int rank = 0;
    for (int d = 0; d < x->type.rank; d++) {
        stop[d] = mask >> d & 1u ? 1 : x->type.dim[d];
        step[d] = 1;
        if (!(mask >> d & 1u))
            kept[rank++] = d;
    }
    Node *first = build_reshape(s->g, build_slice(s->g, x, start, stop, step), n->type.rank, n->type.dim);
    return build_broadcast(s->g, first, x->type.rank, x->type.dim, kept);
}

/* With d = x - x0 for an x0 among the x: sum((x - mean)^2) = sum(d^2) - sum(d)^2 / N (Chan, Golub and
 * LeVeque 1983). x0 itself adds (x0 - mean)^2 to the result, so that what cancels is at most N times as
 * large as what remains, and usually a few times; therefore the limit on N. */
static Node *sum_of_squared_deviations(Simplify *s, const Node *n)
{
    enum { LIMIT = 1 << 20 };
    const Node *mul = n->in[0];
    if (mul->op != &op_mul || mul->in[0] != mul->in[1] || !is_deviation(mul->in[0], n) || sums_rows(n) ||
        summed_count(n) > LIMIT)
        return NULL;
    Graph *g = s->g;
    Node *x = mul->in[0]->in[0], *d = build_binary(g, &op_sub, x, first_elements(s, x, n));
    Node *sum = sum_like(s, d, n), *squares = sum_like(s, build_binary(g, &op_mul, d, d), n);
    Node *share = build_binary(g, &op_mul, sum, build_like(g, sum, 1.0 / (double)summed_count(n)));
    Node *rest = build_binary(g, &op_sub, squares, build_binary(g, &op_mul, sum, share));
    return build_binary(g, &op_max, rest, build_like(g, rest, 0));
}

/* ---- sums of rows first ---- */

enum { SEARCH = 24 };

/* The axes of a row reduction that x, elementwise, is made from (softmax's sum, a norm's mean); 0: none. */
static unsigned row_axes(const Node *x, const Type *shape, int *left)
{
    if (--*left < 0 || !type_same_shape(&x->type, shape))
        return 0;
    if (x->op == &op_broadcast) {
        const Node *from = x->in[0];
        while (from->op->flags & OP_ELEMENTWISE || from->op == &op_reshape)
            from = from->in[0];
        bool reduces = from->op == &op_sum || from->op == &op_reduce_max;
        return reduces && type_same_shape(&from->in[0]->type, shape) && sums_rows(from) ? summed_axes(from) : 0;
    }
    if (!(x->op->flags & OP_ELEMENTWISE))
        return 0;
    for (int i = 0; i < x->n_in; i++) {
        unsigned mask = row_axes(x->in[i], shape, left);
        if (mask)
            return mask;
    }
    return 0;
}

bool simplify_keeps_rows(const Node *sum)
{
    int left = SEARCH;
    return row_axes(sum->in[0], &sum->in[0]->type, &left) == summed_axes(sum);
}

static Node *sum_rows_first(Simplify *s, const Node *n)
{
    int left = SEARCH;
    unsigned rows = row_axes(n->in[0], &n->in[0]->type, &left), all = summed_axes(n);
    if (!rows || (rows & ~all) || rows == all || n->in[0]->type.dtype != DT_F32)
        return NULL;
    int64_t inner[MAX_RANK], outer[MAX_RANK];
    int n_inner = 0, n_outer = 0, at = 0;
    for (int d = 0; d < n->in[0]->type.rank; d++) {
        if (rows >> d & 1u) {
            inner[n_inner++] = d;
            continue;
        }
        if (all >> d & 1u)
            outer[n_outer++] = at;
        at++;
    }
    return build_reduce(s->g, &op_sum, build_reduce(s->g, &op_sum, n->in[0], inner, n_inner), outer, n_outer);
}

Node *simplify_moments(Simplify *s, Node *n)
{
    if (n->op != &op_sum)
        return NULL;
    Node *r = sum_with_deviation(s, n);
    if (!r)
        r = sum_of_squared_deviations(s, n);
    if (!r)
        r = sum_of_multiple(s, n);
    return r ? r : sum_rows_first(s, n);
}

/* ---- normalisation behind a contraction ---- */

/* Made of variables and constants alone, elementwise. */
static bool of_variables(const Node *n, int *left)
{
    double c;
    if (--*left < 0)
        return false;
    if (n->op == &op_var || simplify_splat(n, &c))
        return true;
    if (!(n->op->flags & OP_ELEMENTWISE))
        return false;
    for (int i = 0; i < n->n_in; i++)
        if (!of_variables(n->in[i], left))
            return false;
    return true;
}

static bool repeated_variable(const Node *n, const Node *like)
{
    int left = SEARCH;
    return n->op == &op_broadcast && (!like || (type_same_shape(&n->in[0]->type, &like->in[0]->type) &&
                                                own_axes(n) == own_axes(like))) &&
           of_variables(n->in[0], &left);
}

/* A sum of products rounds as coarsely as x * s + u does; data that was read in would lose digits. */
static bool from_contraction(const Node *x)
{
    while (x->op == &op_reshape)
        x = x->in[0];
    return x->op == &op_contract;
}

Node *simplify_affine(Simplify *s, Node *n)
{
    if (n->op != &op_add || n->in[0]->op != &op_mul || n->in[0]->in[0]->op != &op_sub)
        return NULL;
    Node *mul = n->in[0], *x = mul->in[0]->in[0], *m = mul->in[0]->in[1], *f = mul->in[1], *t = n->in[1];
    if (!repeated_variable(m, NULL) || !repeated_variable(f, m) || !repeated_variable(t, m))
        return NULL;
    Node *mean = m->in[0];
    for (int k = 0; x->op == &op_add && k < 2; k++) /* a bias before it */
        if (repeated_variable(x->in[k], m) && from_contraction(x->in[1 - k])) {
            mean = build_binary(s->g, &op_sub, mean, x->in[k]->in[0]);
            x = x->in[1 - k];
            break;
        }
    if (!from_contraction(x))
        return NULL;
    Node *shift = build_binary(s->g, &op_sub, t->in[0], build_binary(s->g, &op_mul, mean, f->in[0]));
    Node *wide = build_broadcast(s->g, shift, n->type.rank, n->type.dim, t->attr[1].ints.v);
    return build_binary(s->g, &op_add, build_binary(s->g, &op_mul, x, f), wide);
}
