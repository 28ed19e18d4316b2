/* Algebra of elementwise operations: neutral elements, signs, constant factors, powers, selections;
 * and work on repeated values is done before they are repeated. See simplify.c for what is allowed. */
#include "passes/simplify.h"
#include <math.h>
#include <stdlib.h>

static Node *un(Simplify *s, const OpDef *op, Node *a) { return build_unary(s->g, op, a); }
static Node *bin(Simplify *s, const OpDef *op, Node *a, Node *b) { return build_binary(s->g, op, a, b); }
static bool is_neg(const Node *n) { return n->op == &op_neg; }
static bool is_i32(const Node *n) { return n->type.dtype == DT_I32; }

static bool fits_f32(double v) { return isfinite(v) && (double)(float)v == v; }

/* c1 and c2 as one factor, where that loses nothing. */
static bool merge_factors(const Node *like, double a, double b, double *out)
{
    *out = a * b;
    if (is_i32(like)) {
        if (fabs(*out) >= 2147483648.0)
            return false;
        return true;
    }
    return fits_f32(*out) && fabs(*out) >= 0x1p-100; /* not into the subnormals */
}

static Node *rule_add(Simplify *s, Node *n)
{
    Node *a = n->in[0], *b = n->in[1];
    if (simplify_is(b, 0))
        return a;
    if (simplify_is(a, 0))
        return b;
    if (is_neg(b))
        return bin(s, &op_sub, a, b->in[0]);
    if (is_neg(a))
        return bin(s, &op_sub, b, a->in[0]);
    return NULL;
}

static Node *rule_sub(Simplify *s, Node *n)
{
    Node *a = n->in[0], *b = n->in[1];
    if (simplify_is(b, 0))
        return a;
    if (simplify_is(a, 0))
        return un(s, &op_neg, b);
    if (is_neg(b))
        return bin(s, &op_add, a, b->in[0]);
    return NULL;
}

static Node *rule_mul(Simplify *s, Node *n)
{
    Node *a = n->in[0], *b = n->in[1];
    double c, inner, both;
    if (simplify_splat(a, &c)) { /* constants stand right */
        double other;
        return simplify_splat(b, &other) ? NULL : bin(s, &op_mul, b, a);
    }
    if (is_neg(a) && is_neg(b))
        return bin(s, &op_mul, a->in[0], b->in[0]);
    if (!simplify_splat(b, &c))
        return NULL;
    if (c == 1)
        return a;
    if (c == -1)
        return un(s, &op_neg, a);
    if (c == 0 && is_i32(n))
        return b;
    if (is_neg(a))
        return bin(s, &op_mul, a->in[0], build_like(s->g, n, -c));
    if (a->op == &op_mul && simplify_splat(a->in[1], &inner) && merge_factors(n, inner, c, &both))
        return bin(s, &op_mul, a->in[0], build_like(s->g, n, both));
    return NULL;
}

static Node *rule_div(Simplify *s, Node *n)
{
    Node *a = n->in[0], *b = n->in[1];
    double c;
    int exponent;
    if (!simplify_splat(b, &c))
        return NULL;
    if (c == 1)
        return a;
    if (n->type.dtype == DT_F32 && fabs(frexp(c, &exponent)) == 0.5 && fits_f32(1 / c) && abs(exponent) < 100)
        return bin(s, &op_mul, a, build_like(s->g, n, 1 / c));
    return NULL;
}

static Node *rule_neg(Simplify *s, Node *n)
{
    Node *a = n->in[0];
    double c;
    if (is_neg(a))
        return a->in[0];
    if (a->op == &op_sub)
        return bin(s, &op_sub, a->in[1], a->in[0]);
    if (a->op == &op_mul && simplify_splat(a->in[1], &c) && !is_i32(a))
        return bin(s, &op_mul, a->in[0], build_like(s->g, n, -c));
    return NULL;
}

static Node *rule_pow(Simplify *s, Node *n)
{
    Node *x = n->in[0];
    double c;
    if (!simplify_splat(n->in[1], &c))
        return NULL;
    Node *one = build_like(s->g, n, 1);
    if (c == 0)
        return one;
    if (c == 1)
        return x;
    if (c == 2)
        return bin(s, &op_mul, x, x);
    if (c == 3)
        return bin(s, &op_mul, x, bin(s, &op_mul, x, x));
    if (c == 4) {
        Node *square = bin(s, &op_mul, x, x);
        return bin(s, &op_mul, square, square);
    }
    if (c == 0.5)
        return un(s, &op_sqrt, x);
    if (c == -1)
        return bin(s, &op_div, one, x);
    if (c == -0.5)
        return bin(s, &op_div, one, un(s, &op_sqrt, x));
    return NULL;
}

static Node *rule_not(Simplify *s, Node *n)
{
    Node *a = n->in[0];
    if (a->op == &op_not)
        return a->in[0];
    if (a->op == &op_eq)
        return bin(s, &op_ne, a->in[0], a->in[1]);
    if (a->op == &op_ne)
        return bin(s, &op_eq, a->in[0], a->in[1]);
    if (a->op == &op_lt && is_i32(a->in[0])) /* f32 has NaN: not (a < b) is not b <= a */
        return bin(s, &op_le, a->in[1], a->in[0]);
    if (a->op == &op_le && is_i32(a->in[0]))
        return bin(s, &op_lt, a->in[1], a->in[0]);
    return NULL;
}

/* max, min, and, or of equals; and, or with constants; compares of an integer with itself. */
static Node *rule_lattice(Simplify *s, Node *n)
{
    Node *a = n->in[0], *b = n->in[1];
    bool is_and = n->op == &op_and, is_or = n->op == &op_or;
    if (a == b) {
        if (is_and || is_or || n->op == &op_max || n->op == &op_min)
            return a;
        if (a->type.dtype != DT_F32)
            return build_like(s->g, n, n->op == &op_eq || n->op == &op_le);
        return NULL;
    }
    for (int k = 0; k < 2 && (is_and || is_or); k++) {
        double c;
        if (simplify_splat(n->in[k], &c))
            return (c != 0) == is_and ? n->in[1 - k] : n->in[k];
    }
    return NULL;
}

static Node *rule_select(Simplify *s, Node *n)
{
    Node *cond = n->in[0], *a = n->in[1], *b = n->in[2];
    double c;
    if (a == b)
        return a;
    if (simplify_splat(cond, &c))
        return c != 0 ? a : b;
    if (cond->op == &op_not)
        return build_select(s->g, cond->in[0], b, a);
    if (a->op == &op_select && a->in[0] == cond)
        return build_select(s->g, cond, a->in[1], b);
    if (b->op == &op_select && b->in[0] == cond)
        return build_select(s->g, cond, a, b->in[2]);
    return NULL;
}

static Node *rule_cast(Simplify *s, Node *n)
{
    Node *a = n->in[0];
    if (a->type.dtype == n->type.dtype)
        return a;
    /* bool fits every dtype: bool -> i32 -> f32 is bool -> f32, and back to bool is itself */
    if (a->op == &op_cast && a->in[0]->type.dtype == DT_BOOL)
        return build_cast(s->g, a->in[0], n->type.dtype);
    return NULL;
}

/* ---- repeated values ---- */

/* The dimensions of the result along which operand k varies, as bits; -1 when it is no repetition. */
static int varying(const Node *a)
{
    double c;
    if (simplify_splat(a, &c))
        return 0;
    if (a->op != &op_broadcast)
        return -1;
    int bits = 0;
    for (int i = 0; i < a->attr[1].ints.n; i++)
        bits |= 1 << a->attr[1].ints.v[i];
    return bits;
}

/* Operand a cut down to the dimensions `bits` of its shape. */
static Node *cut_down(Simplify *s, Node *a, int bits, int rank, const int64_t *dim)
{
    double c;
    Type small = type_make(a->type.dtype, rank, dim);
    if (simplify_splat(a, &c))
        return build_full(s->g, small, c);
    int64_t axes[MAX_RANK];
    int at = 0, n = 0;
    for (int d = 0; d < a->type.rank; d++) {
        if (!(bits >> d & 1))
            continue;
        if (n < a->attr[1].ints.n && a->attr[1].ints.v[n] == d)
            axes[n++] = at;
        at++;
    }
    return build_broadcast(s->g, a->in[0], rank, dim, axes);
}

/* f(broadcast a, broadcast b) is broadcast f(a, b): the work is done once for each different value. */
static Node *rule_repeated(Simplify *s, Node *n)
{
    int bits = 0;
    for (int k = 0; k < n->n_in; k++) {
        int one = varying(n->in[k]);
        if (one < 0)
            return NULL;
        bits |= one;
    }
    int64_t dim[MAX_RANK], axes[MAX_RANK];
    int rank = 0;
    for (int d = 0; d < n->type.rank; d++)
        if (bits >> d & 1) {
            axes[rank] = d;
            dim[rank++] = n->type.dim[d];
        }
    if (rank == n->type.rank)
        return NULL;
    Node *in[3];
    for (int k = 0; k < n->n_in; k++)
        in[k] = cut_down(s, n->in[k], bits, rank, dim);
    Node *small = graph_must_add(s->g, n->op, in, n->n_in, n->attr);
    return build_broadcast(s->g, small, n->type.rank, n->type.dim, axes);
}

/* f(reshape a, reshape b) is reshape f(a, b): a shape that was only added for broadcasting (the kept
 * dimension of a reduction) moves on until it meets its opposite, and a flattened convolution keeps its
 * activation. */
static Node *rule_reshaped(Simplify *s, Node *n)
{
    const Type *source = NULL;
    double c;
    for (int k = 0; k < n->n_in; k++) {
        const Node *a = n->in[k];
        if (simplify_splat(a, &c))
            continue;
        if (a->op != &op_reshape || (source && !type_same_shape(source, &a->in[0]->type)))
            return NULL;
        source = &a->in[0]->type;
    }
    if (!source)
        return NULL;
    Node *in[3];
    for (int k = 0; k < n->n_in; k++)
        in[k] = simplify_splat(n->in[k], &c)
                    ? build_full(s->g, type_make(n->in[k]->type.dtype, source->rank, source->dim), c)
                    : n->in[k]->in[0];
    return build_reshape(s->g, graph_must_add(s->g, n->op, in, n->n_in, n->attr), n->type.rank, n->type.dim);
}

/* ---- sums of disjoint parts ---- */

/* A zero pad without gaps along one axis only; *axis -1: none. */
static bool zero_pad_axis(const Node *n, int *axis)
{
    if (n->op != &op_pad || !simplify_is(n->in[1], 0))
        return false;
    *axis = -1;
    for (int d = 0; d < n->type.rank; d++) {
        if (n->attr[2].ints.v[d] != 0 && n->in[0]->type.dim[d] > 1)
            return false;
        if (n->attr[0].ints.v[d] == 0 && n->attr[1].ints.v[d] == 0)
            continue;
        if (*axis >= 0)
            return false;
        *axis = d;
    }
    return *axis >= 0;
}

/* The gradients of neighbouring slices: pad(a) + pad(b) is pad(concat(a, b)). */
static Node *rule_add_parts(Simplify *s, Node *n)
{
    int axis, other;
    if (n->op != &op_add || !zero_pad_axis(n->in[0], &axis) || !zero_pad_axis(n->in[1], &other) || axis != other)
        return NULL;
    for (int k = 0; k < 2; k++) {
        Node *a = n->in[k], *b = n->in[1 - k];
        if (a->attr[0].ints.v[axis] + a->in[0]->type.dim[axis] != b->attr[0].ints.v[axis])
            continue;
        Node *parts[2] = { a->in[0], b->in[0] };
        return build_pad(s->g, build_concat(s->g, parts, 2, axis), a->in[1], a->attr[0].ints.v,
                         b->attr[1].ints.v, NULL);
    }
    return NULL;
}

static const struct {
    const OpDef *op;
    SimplifyRule rule;
} RULES[] = {
    { &op_add, rule_add },       { &op_add, rule_add_parts }, { &op_sub, rule_sub },
    { &op_mul, rule_mul },       { &op_div, rule_div },       { &op_neg, rule_neg },
    { &op_pow, rule_pow },       { &op_not, rule_not },       { &op_max, rule_lattice },
    { &op_min, rule_lattice },   { &op_and, rule_lattice },   { &op_or, rule_lattice },
    { &op_eq, rule_lattice },    { &op_ne, rule_lattice },    { &op_lt, rule_lattice },
    { &op_le, rule_lattice },    { &op_select, rule_select }, { &op_cast, rule_cast },
};

Node *simplify_algebra(Simplify *s, Node *n)
{
    if (!(n->op->flags & OP_ELEMENTWISE))
        return NULL;
    for (size_t i = 0; i < sizeof RULES / sizeof *RULES; i++)
        if (RULES[i].op == n->op) {
            Node *r = RULES[i].rule(s, n);
            if (r)
                return r;
        }
    Node *r = rule_repeated(s, n);
    return r ? r : rule_reshaped(s, n);
}
