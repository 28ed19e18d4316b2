/* Movement: chains of reshape, transpose, broadcast, slice, pad, concat and reverse become one, what
 * moves nothing goes, and movement of repeated values is done before they are repeated. */
#include "passes/simplify.h"

static bool axis_in(const Ints *axes, int64_t axis)
{
    for (int i = 0; i < axes->n; i++)
        if (axes->v[i] == axis)
            return true;
    return false;
}

/* ---- reshape ---- */

static Node *rule_reshape(Simplify *s, Node *n)
{
    Node *a = n->in[0];
    double c;
    if (type_equal(&a->type, &n->type))
        return a;
    if (a->op == &op_reshape)
        return build_reshape(s->g, a->in[0], n->type.rank, n->type.dim);
    if (simplify_splat(a, &c))
        return build_full(s->g, n->type, c);
    return NULL;
}

/* ---- transpose ---- */

static Node *transpose_of_transpose(Simplify *s, const Node *n)
{
    int64_t perm[MAX_RANK];
    for (int i = 0; i < n->type.rank; i++)
        perm[i] = n->in[0]->attr[0].ints.v[n->attr[0].ints.v[i]];
    return build_transpose(s->g, n->in[0]->in[0], perm);
}

/* Operand dimensions of a broadcast in the order in which the transposed result has them. */
static Node *transpose_of_broadcast(Simplify *s, const Node *n)
{
    const Node *b = n->in[0];
    int64_t perm[MAX_RANK], axes[MAX_RANK];
    int at = 0;
    for (int i = 0; i < n->type.rank; i++)
        for (int j = 0; j < b->attr[1].ints.n; j++)
            if (b->attr[1].ints.v[j] == n->attr[0].ints.v[i]) {
                perm[at] = j;
                axes[at++] = i;
            }
    return build_broadcast(s->g, build_transpose(s->g, b->in[0], perm), n->type.rank, n->type.dim, axes);
}

static Node *rule_transpose(Simplify *s, Node *n)
{
    const int64_t *perm = n->attr[0].ints.v;
    int64_t last = -1;
    bool identity = true, only_ones_move = true;
    for (int i = 0; i < n->type.rank; i++) {
        identity = identity && perm[i] == i;
        if (n->type.dim[i] == 1)
            continue;
        only_ones_move = only_ones_move && perm[i] > last;
        last = perm[i];
    }
    if (identity)
        return n->in[0];
    if (only_ones_move)
        return build_reshape(s->g, n->in[0], n->type.rank, n->type.dim);
    if (n->in[0]->op == &op_transpose)
        return transpose_of_transpose(s, n);
    if (n->in[0]->op == &op_broadcast)
        return transpose_of_broadcast(s, n);
    return NULL;
}

/* ---- broadcast ---- */

static Node *rule_broadcast(Simplify *s, Node *n)
{
    Node *a = n->in[0];
    if (a->type.rank == n->type.rank)
        return a;
    if (a->op == &op_broadcast) {
        int64_t axes[MAX_RANK];
        for (int i = 0; i < a->attr[1].ints.n; i++)
            axes[i] = n->attr[1].ints.v[a->attr[1].ints.v[i]];
        return build_broadcast(s->g, a->in[0], n->type.rank, n->type.dim, axes);
    }
    return NULL;
}

/* ---- slice ---- */

static Node *slice_of_slice(Simplify *s, const Node *n)
{
    const Attr *outer = n->attr, *inner = n->in[0]->attr;
    int64_t start[MAX_RANK], stop[MAX_RANK], step[MAX_RANK];
    for (int d = 0; d < n->type.rank; d++) {
        step[d] = inner[2].ints.v[d] * outer[2].ints.v[d];
        start[d] = inner[0].ints.v[d] + outer[0].ints.v[d] * inner[2].ints.v[d];
        stop[d] = start[d] + (n->type.dim[d] - 1) * step[d] + 1;
    }
    return build_slice(s->g, n->in[0]->in[0], start, stop, step);
}

static Node *slice_of_broadcast(Simplify *s, const Node *n)
{
    const Node *b = n->in[0];
    int64_t start[MAX_RANK], stop[MAX_RANK], step[MAX_RANK];
    for (int j = 0; j < b->attr[1].ints.n; j++) {
        int64_t d = b->attr[1].ints.v[j];
        start[j] = n->attr[0].ints.v[d];
        stop[j] = n->attr[1].ints.v[d];
        step[j] = n->attr[2].ints.v[d];
    }
    return build_broadcast(s->g, build_slice(s->g, b->in[0], start, stop, step), n->type.rank, n->type.dim,
                           b->attr[1].ints.v);
}

/* What is cut off need not be padded first. Not with gaps or steps, nor where nothing of the operand
 * is left. */
static Node *slice_of_pad(Simplify *s, const Node *n)
{
    const Node *p = n->in[0];
    int64_t start[MAX_RANK], stop[MAX_RANK], step[MAX_RANK], lo[MAX_RANK], hi[MAX_RANK];
    for (int d = 0; d < n->type.rank; d++) {
        int64_t from = n->attr[0].ints.v[d], to = n->attr[1].ints.v[d], before = p->attr[0].ints.v[d];
        int64_t size = p->in[0]->type.dim[d];
        if (n->attr[2].ints.v[d] != 1 || (p->attr[2].ints.v[d] != 0 && size > 1))
            return NULL;
        start[d] = from > before ? from - before : 0;
        stop[d] = to - before < size ? to - before : size;
        step[d] = 1;
        if (start[d] >= stop[d])
            return NULL;
        lo[d] = before > from ? before - from : 0;
        hi[d] = to - before > size ? to - before - size : 0;
    }
    return build_pad(s->g, build_slice(s->g, p->in[0], start, stop, step), p->in[1], lo, hi, NULL);
}

/* A slice that lies within one part of a concat. */
static Node *slice_of_concat(Simplify *s, const Node *n)
{
    const Node *c = n->in[0];
    int64_t axis = c->attr[0].i, offset = 0;
    for (int k = 0; k < c->n_in; k++) {
        int64_t size = c->in[k]->type.dim[axis];
        int64_t from = n->attr[0].ints.v[axis] - offset, to = n->attr[1].ints.v[axis] - offset;
        offset += size;
        if (from < 0 || to > size)
            continue;
        int64_t start[MAX_RANK], stop[MAX_RANK];
        for (int d = 0; d < n->type.rank; d++) {
            start[d] = d == axis ? from : n->attr[0].ints.v[d];
            stop[d] = d == axis ? to : n->attr[1].ints.v[d];
        }
        return build_slice(s->g, c->in[k], start, stop, n->attr[2].ints.v);
    }
    return NULL;
}

static Node *rule_slice(Simplify *s, Node *n)
{
    const Node *a = n->in[0];
    if (type_equal(&a->type, &n->type))
        return n->in[0];
    if (a->op == &op_slice)
        return slice_of_slice(s, n);
    if (a->op == &op_broadcast)
        return slice_of_broadcast(s, n);
    if (a->op == &op_pad)
        return slice_of_pad(s, n);
    if (a->op == &op_concat)
        return slice_of_concat(s, n);
    return NULL;
}

/* ---- pad ---- */

static Node *rule_pad(Simplify *s, Node *n)
{
    Node *a = n->in[0];
    double outside, inside;
    if (type_equal(&a->type, &n->type))
        return a;
    bool known = simplify_splat(n->in[1], &outside);
    if (known && simplify_splat(a, &inside) && inside == outside)
        return build_full(s->g, n->type, outside);
    if (a->op != &op_pad || (a->in[1] != n->in[1] && !(known && simplify_is(a->in[1], outside))))
        return NULL;
    int64_t lo[MAX_RANK], hi[MAX_RANK];
    for (int d = 0; d < n->type.rank; d++) {
        if (n->attr[2].ints.v[d] != 0)
            return NULL;
        lo[d] = n->attr[0].ints.v[d] + a->attr[0].ints.v[d];
        hi[d] = n->attr[1].ints.v[d] + a->attr[1].ints.v[d];
    }
    return build_pad(s->g, a->in[0], n->in[1], lo, hi, a->attr[2].ints.v);
}

/* ---- concat ---- */

static Node *concat_of_equals(Simplify *s, const Node *n)
{
    Node *part = n->in[0];
    if (part->type.rank == MAX_RANK)
        return NULL;
    int64_t axis = n->attr[0].i, dim[MAX_RANK], axes[MAX_RANK];
    for (int d = 0, at = 0; d < part->type.rank; d++) {
        if (d == axis)
            dim[at++] = n->n_in;
        axes[d] = at;
        dim[at++] = part->type.dim[d];
    }
    Node *copies = build_broadcast(s->g, part, part->type.rank + 1, dim, axes);
    return build_reshape(s->g, copies, n->type.rank, n->type.dim);
}

static Node *concat_of_concats(Simplify *s, const Node *n)
{
    int total = 0;
    for (int k = 0; k < n->n_in; k++)
        total += n->in[k]->op == &op_concat && n->in[k]->attr[0].i == n->attr[0].i ? n->in[k]->n_in : 1;
    if (total == n->n_in)
        return NULL;
    Node **parts = ARENA_ARRAY(s->arena, Node *, total);
    int at = 0;
    for (int k = 0; k < n->n_in; k++) {
        if (n->in[k]->op == &op_concat && n->in[k]->attr[0].i == n->attr[0].i)
            for (int j = 0; j < n->in[k]->n_in; j++)
                parts[at++] = n->in[k]->in[j];
        else
            parts[at++] = n->in[k];
    }
    return build_concat(s->g, parts, total, (int)n->attr[0].i);
}

static Node *rule_concat(Simplify *s, Node *n)
{
    if (n->n_in == 1)
        return n->in[0];
    bool equal = true;
    double c, first = 0;
    bool splat = simplify_splat(n->in[0], &first);
    for (int k = 1; k < n->n_in; k++) {
        equal = equal && n->in[k] == n->in[0];
        splat = splat && simplify_splat(n->in[k], &c) && c == first;
    }
    if (splat)
        return build_full(s->g, n->type, first);
    return equal ? concat_of_equals(s, n) : concat_of_concats(s, n);
}

/* ---- reverse ---- */

static Node *build_reverse(Simplify *s, Node *a, const int64_t *axes, int n_axes)
{
    if (n_axes == 0)
        return a;
    Attr attr[MAX_ATTR] = { { .ints = { n_axes, axes } } };
    return graph_must_add(s->g, &op_reverse, &a, 1, attr);
}

static Node *rule_reverse(Simplify *s, Node *n)
{
    Node *a = n->in[0];
    const Ints *mine = &n->attr[0].ints;
    int64_t axes[MAX_RANK];
    int n_axes = 0;
    bool on_reverse = a->op == &op_reverse;
    for (int d = 0; d < n->type.rank; d++) {
        bool turned = axis_in(mine, d) != (on_reverse && axis_in(&a->attr[0].ints, d));
        if (turned && n->type.dim[d] > 1)
            axes[n_axes++] = d;
    }
    if (on_reverse || n_axes < mine->n)
        return build_reverse(s, on_reverse ? a->in[0] : a, axes, n_axes);
    if (a->op == &op_broadcast) {
        n_axes = 0;
        for (int j = 0; j < a->attr[1].ints.n; j++)
            if (axis_in(mine, a->attr[1].ints.v[j]))
                axes[n_axes++] = j;
        return build_broadcast(s->g, build_reverse(s, a->in[0], axes, n_axes), n->type.rank, n->type.dim,
                               a->attr[1].ints.v);
    }
    return NULL;
}

static const struct {
    const OpDef *op;
    SimplifyRule rule;
} RULES[] = {
    { &op_reshape, rule_reshape }, { &op_transpose, rule_transpose }, { &op_broadcast, rule_broadcast },
    { &op_slice, rule_slice },     { &op_pad, rule_pad },             { &op_concat, rule_concat },
    { &op_reverse, rule_reverse },
};

Node *simplify_movement(Simplify *s, Node *n)
{
    for (size_t i = 0; i < sizeof RULES / sizeof *RULES; i++)
        if (RULES[i].op == n->op)
            return RULES[i].rule(s, n);
    return NULL;
}
