/* Contracts take movement into their index maps, so that a transpose, a slice, a repetition or a
 * reversal next to a matrix product or a convolution costs nothing; constant factors and signs stay
 * outside, where they are part of the elementwise tail. What is left of a contract that multiplies
 * nothing, or where no value is used twice, becomes plain movement, product and sum, which fuse. */
#include "ops/contract.h"
#include "passes/simplify.h"
#include <string.h>

static bool is_movement(const Node *n)
{
    return n->op == &op_transpose || n->op == &op_slice || n->op == &op_reverse || n->op == &op_broadcast;
}

/* ---- reshape under a contract ----
 * Reshapes are views and stay where they are, unless one hides movement that can be taken in. */

/* Index j becomes n indices of the given extents, slowest first; their numbers in made. */
static bool split_index(Graph *g, Contract *c, int j, const int64_t *extent, int n, int *made)
{
    if (c->n_index + n - 1 > MAX_INDEX)
        return false;
    Affine expr = { 0 };
    int64_t stride = 1;
    for (int i = n - 1; i >= 0; i--) {
        made[i] = i == 0 ? j : c->n_index + i - 1;
        expr.coef[made[i]] = stride;
        stride *= extent[i];
    }
    const char *name = c->name[j];
    c->n_index += n - 1;
    for (int i = 0; i < n; i++) {
        c->extent[made[i]] = extent[i];
        c->name[made[i]] = arena_printf(g->arena, "%s%d", name, i);
    }
    for (int p = 0; p < c->n_operand; p++)
        for (int d = 0; d < c->operand[p].rank; d++)
            affine_substitute(&c->operand[p].dim[d], c->n_index, j, &expr);
    return true;
}

/* Names made by splitting must not meet others. */
static bool names_unique(const Contract *c)
{
    for (int i = 0; i < c->n_index; i++)
        for (int j = 0; j < i; j++)
            if (strcmp(c->name[i], c->name[j]) == 0)
                return false;
    return true;
}

/* Dimensions of one operand before and behind a reshape that hold the same elements. */
typedef struct {
    int n_from, from[MAX_RANK]; /* of the reshaped tensor */
    int n_to, to[MAX_RANK];     /* of its source */
} Group;

/* One dimension was split: it is read at the combined index. */
static Affine combine_dims(const Contract *c, int p, const Type *shaped, const Group *group)
{
    Affine sum = { 0 };
    int64_t stride = 1;
    for (int i = group->n_from - 1; i >= 0; i--) {
        const Affine *a = &c->operand[p].dim[group->from[i]];
        sum.base += stride * a->base;
        for (int k = 0; k < c->n_index; k++)
            sum.coef[k] += stride * a->coef[k];
        stride *= shaped->dim[group->from[i]];
    }
    return sum;
}

/* Several dimensions were merged: possible where the merged one is read by one summed index from end to
 * end that reads nothing else of this operand; the index is split. */
static bool split_dims(Graph *g, Contract *c, int p, const Type *source, const Group *group, Affine *out)
{
    int made[MAX_RANK], readers = 0, j = affine_bare(&c->operand[p].dim[group->from[0]], c->n_index);
    int64_t extent[MAX_RANK], total = 1;
    if (group->n_from != 1 || j < c->n_out)
        return false;
    for (int d = 0; d < c->operand[p].rank; d++)
        readers += c->operand[p].dim[d].coef[j] != 0;
    for (int i = 0; i < group->n_to; i++)
        total *= extent[i] = source->dim[group->to[i]];
    if (readers != 1 || c->extent[j] != total || !split_index(g, c, j, extent, group->n_to, made))
        return false;
    for (int i = 0; i < group->n_to; i++) {
        out[group->to[i]] = (Affine){ 0 };
        out[group->to[i]].coef[made[i]] = 1;
    }
    return true;
}

static int dims_above_one(const Type *t, int *list)
{
    int n = 0;
    for (int d = 0; d < t->rank; d++)
        if (t->dim[d] > 1)
            list[n++] = d;
    return n;
}

static bool absorb_reshape(Graph *g, Contract *c, int p, Node **x)
{
    const Type *shaped = &(*x)->type, *source = &(*x)->in[0]->type;
    Affine out[MAX_RANK] = { { 0 } }; /* dimensions of 1 are read at 0 */
    int from[MAX_RANK], to[MAX_RANK], n_from = dims_above_one(shaped, from), n_to = dims_above_one(source, to);
    for (int i = 0, j = 0; i < n_from && j < n_to;) {
        Group group = { 0 };
        int64_t a = 1, b = 1;
        do { /* the smallest groups of equal size */
            if (a <= b) {
                a *= shaped->dim[from[i]];
                group.from[group.n_from++] = from[i++];
            } else {
                b *= source->dim[to[j]];
                group.to[group.n_to++] = to[j++];
            }
        } while (a != b);
        if (group.n_to == 1)
            out[group.to[0]] = combine_dims(c, p, shaped, &group);
        else if (!split_dims(g, c, p, source, &group, out))
            return false;
    }
    c->operand[p].rank = source->rank;
    for (int d = 0; d < source->rank; d++)
        c->operand[p].dim[d] = out[d];
    *x = (*x)->in[0];
    return names_unique(c);
}

/* ---- movement under a contract ---- */

static void absorb_movement(Contract *c, int p, Node **x)
{
    const Node *n = *x;
    Affine out[MAX_RANK];
    const Affine *dim = c->operand[p].dim;
    int rank = n->in[0]->type.rank;
    for (int d = 0; d < n->type.rank; d++) {
        if (n->op == &op_transpose) {
            out[n->attr[0].ints.v[d]] = dim[d];
            continue;
        }
        if (n->op == &op_broadcast) {
            for (int i = 0; i < rank; i++)
                if (n->attr[1].ints.v[i] == d)
                    out[i] = dim[d];
            continue;
        }
        int64_t scale = 1, base = 0;
        if (n->op == &op_slice) {
            scale = n->attr[2].ints.v[d];
            base = n->attr[0].ints.v[d];
        } else {
            for (int i = 0; i < n->attr[0].ints.n; i++)
                if (n->attr[0].ints.v[i] == d) {
                    scale = -1;
                    base = n->type.dim[d] - 1;
                }
        }
        out[d] = dim[d];
        out[d].base = base + scale * dim[d].base;
        for (int k = 0; k < c->n_index; k++)
            out[d].coef[k] *= scale;
    }
    c->operand[p].rank = rank;
    for (int d = 0; d < rank; d++)
        c->operand[p].dim[d] = out[d];
    *x = n->in[0];
}

/* A pad of which a border is never read is made smaller. */
static bool trim_pad(Graph *g, Contract *c, int p, Node **x)
{
    const Node *n = *x;
    int64_t start[MAX_RANK], stop[MAX_RANK], step[MAX_RANK], lo[MAX_RANK], hi[MAX_RANK];
    bool trims = false;
    for (int d = 0; d < n->type.rank; d++) {
        int64_t first, last, before = n->attr[0].ints.v[d], size = n->in[0]->type.dim[d];
        if (n->attr[2].ints.v[d] != 0 && size > 1)
            return false;
        affine_range(&c->operand[p].dim[d], c->n_index, c->extent, &first, &last);
        start[d] = first > before ? first - before : 0;
        stop[d] = last + 1 - before < size ? last + 1 - before : size;
        step[d] = 1;
        if (start[d] >= stop[d])
            return false;
        lo[d] = before > first ? before - first : 0;
        hi[d] = last + 1 - before > size ? last + 1 - before - size : 0;
        trims = trims || lo[d] < before || hi[d] < n->attr[1].ints.v[d];
        c->operand[p].dim[d].base -= first;
    }
    if (trims)
        *x = build_pad(g, build_slice(g, n->in[0], start, stop, step), n->in[1], lo, hi, NULL);
    return trims;
}

/* A sign or constant factor of operand x, which then is taken outside. */
static bool take_factor(Node **x, double *factor)
{
    double c;
    if (!simplify_single_use(*x))
        return false;
    if ((*x)->op == &op_neg) {
        *factor *= -1;
    } else if ((*x)->op == &op_mul && simplify_splat((*x)->in[1], &c)) {
        *factor *= c;
    } else {
        return false;
    }
    *x = (*x)->in[0];
    return true;
}

static Node *times(Graph *g, Node *a, double factor)
{
    return factor == 1 ? a : build_binary(g, &op_mul, a, build_like(g, a, factor));
}

static Node *absorb_operands(Simplify *s, Node *n)
{
    Contract c = *n->attr[0].contract;
    Node *in[2] = { n->in[0], n->n_in == 2 ? n->in[1] : NULL };
    double factor = 1;
    bool changed = false;
    for (int p = 0; p < n->n_in; p++)
        for (bool more = true; more; changed = changed || more) {
            Contract trial = c;
            Node *x = in[p];
            more = true;
            if (is_movement(x)) {
                absorb_movement(&trial, p, &x);
            } else if (x->op == &op_reshape && is_movement(x->in[0])) {
                more = absorb_reshape(s->g, &trial, p, &x);
            } else if (x->op == &op_pad && simplify_single_use(x)) { /* else others read the border */
                more = trim_pad(s->g, &trial, p, &x);
            } else {
                more = take_factor(&x, &factor);
            }
            if (more) {
                c = trial;
                in[p] = x;
            }
        }
    return changed ? times(s->g, build_contract(s->g, in[0], in[1], &c), factor) : NULL;
}

/* ---- movement behind a contract ---- */

static Node *absorb_result(Simplify *s, Node *n)
{
    Node *y = n->in[0];
    if (y->op != &op_contract || !simplify_single_use(y))
        return NULL;
    const Contract *old = y->attr[0].contract;
    Contract c = *old;
    for (int d = 0; d < n->type.rank; d++) {
        Affine expr = { 0 };
        expr.coef[d] = 1;
        if (n->op == &op_slice) {
            expr.base = n->attr[0].ints.v[d];
            expr.coef[d] = n->attr[2].ints.v[d];
        } else if (n->op == &op_reverse) {
            for (int i = 0; i < n->attr[0].ints.n; i++)
                if (n->attr[0].ints.v[i] == d) {
                    expr.base = n->type.dim[d] - 1;
                    expr.coef[d] = -1;
                }
        } else { /* transpose: output d was output perm[d] */
            int was = (int)n->attr[0].ints.v[d];
            c.extent[d] = old->extent[was];
            c.name[d] = old->name[was];
            for (int p = 0; p < c.n_operand; p++)
                for (int i = 0; i < c.operand[p].rank; i++)
                    c.operand[p].dim[i].coef[d] = old->operand[p].dim[i].coef[was];
            continue;
        }
        c.extent[d] = n->type.dim[d];
        for (int p = 0; p < c.n_operand; p++)
            for (int i = 0; i < c.operand[p].rank; i++)
                affine_substitute(&c.operand[p].dim[i], c.n_index, d, &expr);
    }
    return build_contract(s->g, y->in[0], y->n_in == 2 ? y->in[1] : NULL, &c);
}

/* ---- what is no product ---- */

/* An index that nothing reads: summed it is a factor, of the result it repeats. */
static Node *drop_unread(Simplify *s, Node *n)
{
    Contract c = *n->attr[0].contract;
    bool keep[MAX_INDEX], drops = false;
    int64_t place[MAX_RANK];
    int rank = 0;
    double factor = 1;
    for (int k = 0; k < c.n_index; k++) {
        keep[k] = contract_reads(&c, 0, k) || (c.n_operand == 2 && contract_reads(&c, 1, k));
        if (keep[k] && k < c.n_out)
            place[rank++] = k;
        if (!keep[k] && k >= c.n_out)
            factor *= (double)c.extent[k];
        drops = drops || !keep[k];
    }
    if (!drops)
        return NULL;
    contract_drop(&c, keep);
    Node *r = build_contract(s->g, n->in[0], n->n_in == 2 ? n->in[1] : NULL, &c);
    return build_broadcast(s->g, times(s->g, r, factor), n->type.rank, n->type.dim, place);
}

/* An operand that is one number multiplies from outside. */
static Node *drop_scalar(Simplify *s, Node *n)
{
    if (n->n_in != 2)
        return NULL;
    int p = n->in[0]->type.rank == 0 ? 0 : 1;
    if (n->in[p]->type.rank != 0)
        return NULL;
    Contract c = *n->attr[0].contract;
    c.n_operand = 1;
    c.operand[0] = c.operand[1 - p];
    memset(&c.operand[1], 0, sizeof c.operand[1]);
    Node *rest = build_contract(s->g, n->in[1 - p], NULL, &c);
    Node *scalar = build_broadcast(s->g, n->in[p], rest->type.rank, rest->type.dim, NULL);
    return build_binary(s->g, &op_mul, rest, scalar);
}

/* True when each dimension of operand p is read by at most one index, and each index reads at most one
 * dimension: then the operand is a tensor over its indices, up to movement. */
static bool is_plain(const Contract *c, int p)
{
    bool used[MAX_INDEX] = { false };
    for (int d = 0; d < c->operand[p].rank; d++) {
        int readers = 0;
        for (int k = 0; k < c->n_index; k++)
            if (c->operand[p].dim[d].coef[k] != 0) {
                if (used[k] || readers++)
                    return false;
                used[k] = true;
            }
    }
    return true;
}

/* Operand p of a plain contract as a tensor over the indices it is read at, in their order; index[i] is
 * the index of the result's dimension i. */
static Node *arrange(Simplify *s, const Contract *c, int p, Node *x, int *index, int *n_index)
{
    int64_t start[MAX_RANK] = { 0 }, stop[MAX_RANK] = { 0 }, step[MAX_RANK] = { 0 };
    int64_t turn[MAX_RANK], dim[MAX_RANK], perm[MAX_RANK];
    int n_turn = 0, n = 0;
    for (int d = 0; d < x->type.rank; d++) {
        const Affine *a = &c->operand[p].dim[d];
        int k = affine_single(a, c->n_index);
        int64_t coef = k < 0 ? 1 : a->coef[k], extent = k < 0 ? 1 : c->extent[k];
        step[d] = coef < 0 ? -coef : coef;
        start[d] = coef < 0 ? a->base + coef * (extent - 1) : a->base;
        stop[d] = start[d] + step[d] * (extent - 1) + 1;
        if (coef < 0)
            turn[n_turn++] = d;
        if (k >= 0) {
            dim[n] = extent;
            index[n++] = k;
        }
    }
    x = build_slice(s->g, x, start, stop, step);
    if (n_turn) {
        Attr attr[MAX_ATTR] = { { .ints = { n_turn, turn } } };
        x = graph_must_add(s->g, &op_reverse, &x, 1, attr);
    }
    x = build_reshape(s->g, x, n, dim);
    for (int i = 0; i < n; i++) { /* in the order of the indices */
        int place = 0;
        for (int j = 0; j < n; j++)
            place += index[j] < index[i];
        perm[place] = i;
    }
    int sorted[MAX_RANK];
    for (int i = 0; i < n; i++)
        sorted[i] = index[perm[i]];
    memcpy(index, sorted, sizeof sorted[0] * (size_t)n);
    *n_index = n;
    return build_transpose(s->g, x, perm);
}

/* One operand: a sum of a moved tensor. */
static Node *plain_sum(Simplify *s, Node *n)
{
    const Contract *c = n->attr[0].contract;
    if (n->n_in != 1 || !is_plain(c, 0))
        return NULL;
    int index[MAX_RANK], n_index;
    Node *x = arrange(s, c, 0, n->in[0], index, &n_index);
    int64_t axes[MAX_RANK], place[MAX_RANK];
    int n_axes = 0, n_place = 0;
    for (int i = 0; i < n_index; i++) {
        if (index[i] < c->n_out)
            place[n_place++] = index[i];
        else
            axes[n_axes++] = i;
    }
    Node *sum = build_reduce(s->g, &op_sum, x, axes, n_axes);
    return build_broadcast(s->g, sum, n->type.rank, n->type.dim, place);
}

/* Two operands, but either nothing is summed or neither has an output index of its own, so that no
 * product serves two results: an elementwise product, summed, fuses with what is around it. */
static Node *plain_product(Simplify *s, Node *n)
{
    const Contract *c = n->attr[0].contract;
    if (n->n_in != 2 || c->n_index > MAX_RANK || !is_plain(c, 0) || !is_plain(c, 1))
        return NULL;
    bool own = false;
    for (int k = 0; k < c->n_out; k++)
        own = own || contract_reads(c, 0, k) != contract_reads(c, 1, k);
    if (own && c->n_index > c->n_out)
        return NULL;
    Node *x[2];
    for (int p = 0; p < 2; p++) {
        int index[MAX_RANK], n_index;
        int64_t place[MAX_RANK];
        x[p] = arrange(s, c, p, n->in[p], index, &n_index);
        for (int i = 0; i < n_index; i++)
            place[i] = index[i];
        x[p] = build_broadcast(s->g, x[p], c->n_index, c->extent, place);
    }
    int64_t axes[MAX_RANK];
    for (int k = c->n_out; k < c->n_index; k++)
        axes[k - c->n_out] = k;
    return build_reduce(s->g, &op_sum, build_binary(s->g, &op_mul, x[0], x[1]), axes, c->n_index - c->n_out);
}

Node *simplify_contract(Simplify *s, Node *n)
{
    if (n->op == &op_transpose || n->op == &op_slice || n->op == &op_reverse)
        return absorb_result(s, n);
    if (n->op != &op_contract)
        return NULL;
    static const SimplifyRule rules[] = { absorb_operands, drop_unread, drop_scalar, plain_sum, plain_product, NULL };
    for (int i = 0; rules[i]; i++) {
        Node *r = rules[i](s, n);
        if (r)
            return r;
    }
    return NULL;
}
