/* Inverts the index map of a contract's operand, one dimension after another.
 *
 * A dimension  p = base + sum c_k * index k  is solved in one of three ways:
 *
 * - radix: its indices occur nowhere else in the map and no two combinations read the same place
 *   (p = 4*h + k, k < 4; a bare p = i; p = 2*h). All of them become indices of the result, which is
 *   padded and reshaped into place. No sum at all.
 * - unit: an index with coefficient 1 or -1 is replaced: p = h + k gives h = p - k. Where h leaves its
 *   range the operand that has it as a dimension is padded with zeros first: the input gradient of a
 *   stride-1 convolution is a convolution of the padded dy with flipped taps.
 * - phases: coefficient s > 1. p = s*h + d*k is split by p mod s: each phase sums the taps k that
 *   reach it (every (s/gcd(d,s))-th) and is a smaller problem of the unit kind; the phases are
 *   interleaved by reshape and concat. A phase no tap reaches is zeros.
 *
 * The index to solve for is the one that leaves the least work: the largest extent * |coefficient|
 * among those whose range some operand can enforce. */
#include "ops/build.h"
#include "ops/contract_invert.h"
#include <stdlib.h>

enum { MAX_LEAVES = 64 /* contracts one derivative may be split into */ };

static Node *solve(Inverse *v);

static int64_t gcd(int64_t a, int64_t b)
{
    while (b) {
        int64_t t = a % b;
        a = b;
        b = t;
    }
    return a < 0 ? -a : a;
}

static int64_t mod_floor(int64_t a, int64_t m)
{
    int64_t r = a % m;
    return r < 0 ? r + m : r;
}

void inverse_substitute(Inverse *v, int k, const Affine *expr)
{
    for (int d = 0; d < v->rank; d++)
        affine_substitute(&v->target[d], v->n_index, k, expr);
    for (int s = 0; s < v->n_src; s++)
        for (int d = 0; d < v->src[s]->type.rank; d++)
            affine_substitute(&v->map[s][d], v->n_index, k, expr);
    for (int r = 0; r < v->n_rule; r++)
        affine_substitute(&v->rule[r].at, v->n_index, k, expr);
}

/* An index of extent 1 is 0: it takes no part. */
static void drop_single_values(Inverse *v)
{
    Affine zero = { 0 };
    for (int k = 0; k < v->n_index; k++)
        if (v->extent[k] == 1 && !v->owned[k])
            inverse_substitute(v, k, &zero);
}

static void reverse_index(Inverse *v, int k)
{
    Affine from_end = { .base = v->extent[k] - 1 };
    from_end.coef[k] = -1;
    inverse_substitute(v, k, &from_end);
}

/* ---- the contract itself ---- */

/* The last dimension of dy that index k reads; -1: none. */
static int last_dim(const Inverse *v, int k)
{
    int last = -1;
    for (int d = 0; d < v->src[0]->type.rank; d++)
        last = v->map[0][d].coef[k] != 0 ? d : last;
    return last;
}

/* Summed indices in the order in which dy has them in memory: taps, then channels. */
Node *inverse_contract(Inverse *v, const int *out, int n_out)
{
    int order[MAX_INDEX], n = 0;
    for (int j = 0; j < n_out; j++)
        order[n++] = out[j];
    for (int k = 0; k < v->n_index; k++) {
        if (v->owned[k] || v->extent[k] == 1)
            continue;
        int at = n++;
        for (; at > n_out && last_dim(v, order[at - 1]) > last_dim(v, k); at--)
            order[at] = order[at - 1];
        order[at] = k;
    }
    Contract *c = ARENA_NEW(v->g->arena, Contract);
    c->n_index = n;
    c->n_out = n_out;
    c->n_operand = v->n_src;
    for (int j = 0; j < n; j++) {
        c->extent[j] = v->extent[order[j]];
        c->name[j] = v->name[order[j]];
    }
    for (int s = 0; s < v->n_src; s++) {
        c->operand[s].rank = v->src[s]->type.rank;
        for (int d = 0; d < c->operand[s].rank; d++) {
            c->operand[s].dim[d].base = v->map[s][d].base;
            for (int j = 0; j < n; j++)
                c->operand[s].dim[d].coef[j] = v->map[s][d].coef[order[j]];
        }
    }
    return build_contract(v->g, v->src[0], v->n_src == 2 ? v->src[1] : NULL, c);
}

/* ---- enforcing ranges ---- */

typedef struct {
    int64_t lo, hi; /* places of a source's dimension that count; others are taken as zero */
} Window;

/* Finds a dimension of a source that is read at m * at + b, so that zeros outside the places of valid
 * values enforce the rule; narrows its window. */
static bool enforce(const Inverse *v, const Affine *at, int64_t extent, Window window[2][MAX_RANK])
{
    for (int s = 0; s < v->n_src; s++)
        for (int d = 0; d < v->src[s]->type.rank; d++) {
            const Affine *map = &v->map[s][d];
            int64_t m = 0;
            bool fits = true;
            for (int k = 0; k < v->n_index; k++) {
                if (at->coef[k] != 0 && m == 0)
                    m = map->coef[k] / at->coef[k];
                fits = fits && map->coef[k] == m * at->coef[k];
            }
            if (!fits || m == 0)
                continue;
            int64_t first = map->base - m * at->base, last = first + m * (extent - 1);
            int64_t lo = first < last ? first : last, hi = first < last ? last : first;
            Window *w = &window[s][d];
            w->lo = lo > w->lo ? lo : w->lo;
            w->hi = hi < w->hi ? hi : w->hi;
            return true;
        }
    return false;
}

/* Sets the windows of all rules. Returns false where a rule cannot be enforced. */
static bool apply_rules(Inverse *v, Window window[2][MAX_RANK])
{
    bool masked = false;
    for (int r = 0; r < v->n_rule; r++) {
        int64_t lo, hi, extent = v->rule[r].extent;
        affine_range(&v->rule[r].at, v->n_index, v->extent, &lo, &hi);
        if ((lo >= 0 && hi < extent) || enforce(v, &v->rule[r].at, extent, window))
            continue;
        if (v->n_src == 2 || masked)
            return false;
        /* only dy so far: a row of ones that is zero outside stands for the condition */
        v->src[1] = build_full(v->g, type_make(DT_F32, 1, &extent), 1);
        v->map[1][0] = v->rule[r].at;
        window[1][0] = (Window){ 0, extent - 1 };
        v->n_src = 2;
        masked = true;
    }
    return true;
}

/* Source s padded by at least before and after. Phases read one padded tensor: the margins that the
 * first run over all of them found. Adjusts the maps to it. */
static void pad_source(Inverse *v, int s, const int64_t *before, const int64_t *after)
{
    InversePads *pads = v->pads;
    Node *zero = build_scalar(v->g, DT_F32, 0);
    int64_t lo[MAX_RANK], hi[MAX_RANK];
    bool shared = v->src[s] == pads->src[s];
    for (int d = 0; d < v->src[s]->type.rank; d++) {
        int64_t *low = &pads->before[s][d], *high = &pads->after[s][d];
        if (shared && pads->measuring) {
            *low = before[d] > *low ? before[d] : *low;
            *high = after[d] > *high ? after[d] : *high;
        }
        bool use = shared && !pads->measuring;
        lo[d] = use ? *low : before[d];
        hi[d] = use ? *high : after[d];
        v->map[s][d].base += lo[d] - before[d];
    }
    if (!shared || pads->measuring || !pads->padded[s]) {
        Node *padded = build_pad(v->g, v->src[s], zero, lo, hi, NULL);
        if (shared && !pads->measuring)
            pads->padded[s] = padded;
        v->src[s] = padded;
        return;
    }
    v->src[s] = pads->padded[s];
}

/* Cuts and pads the sources so that all rules hold by zeros and every read is within its source.
 * Returns false where a rule cannot be enforced; *empty: nothing at all is left of a source. */
static bool enforce_rules(Inverse *v, bool *empty)
{
    Window window[2][MAX_RANK];
    for (int s = 0; s < 2; s++)
        for (int d = 0; d < MAX_RANK; d++)
            window[s][d] = (Window){ 0, s < v->n_src && d < v->src[s]->type.rank ? v->src[s]->type.dim[d] - 1 : 0 };
    *empty = false;
    if (!apply_rules(v, window))
        return false;
    for (int s = 0; s < v->n_src; s++) {
        int rank = v->src[s]->type.rank;
        int64_t start[MAX_RANK], stop[MAX_RANK], step[MAX_RANK], before[MAX_RANK], after[MAX_RANK];
        bool cut = false, pad = false;
        for (int d = 0; d < rank; d++) {
            const Window *w = &window[s][d];
            int64_t lo, hi, size = v->src[s]->type.dim[d];
            affine_range(&v->map[s][d], v->n_index, v->extent, &lo, &hi);
            start[d] = before[d] = after[d] = 0;
            stop[d] = size;
            step[d] = 1;
            if (lo >= w->lo && hi <= w->hi)
                continue;
            bool whole = w->lo == 0 && w->hi == size - 1; /* then reading less of it needs no cut */
            start[d] = whole ? 0 : lo > w->lo ? lo : w->lo;
            stop[d] = whole ? size : (hi < w->hi ? hi : w->hi) + 1;
            *empty = *empty || lo > w->hi || hi < w->lo;
            before[d] = start[d] > lo ? start[d] - lo : 0;
            after[d] = hi + 1 > stop[d] ? hi + 1 - stop[d] : 0;
            v->map[s][d].base += before[d] - start[d];
            cut = cut || start[d] > 0 || stop[d] < size;
            pad = pad || before[d] > 0 || after[d] > 0;
        }
        if (*empty)
            return true;
        if (cut)
            v->src[s] = build_slice(v->g, v->src[s], start, stop, step);
        if (pad)
            pad_source(v, s, before, after);
    }
    return true;
}

/* All dimensions are solved: the contract, and its indices merged to the result's dimensions (still
 * without gaps, and without what lies before and behind). */
static Node *leaf(Inverse *v)
{
    if (++*v->leaves > MAX_LEAVES)
        return NULL;
    drop_single_values(v);
    for (int k = 0; k < v->n_index; k++) { /* read dy forwards: the taps are what is flipped */
        bool backwards = false;
        for (int d = 0; d < v->src[0]->type.rank; d++)
            backwards = backwards || v->map[0][d].coef[k] < 0;
        if (backwards && !v->owned[k])
            reverse_index(v, k);
    }
    int out[MAX_RANK], n_out = 0, merged_rank = v->rank;
    int64_t inner[MAX_RANK], zero[MAX_RANK] = { 0 }, after[MAX_RANK], merged[MAX_RANK];
    bool pad = false, reshape = false;
    for (int d = 0; d < v->rank; d++) {
        const struct InverseDim *p = &v->plan[d];
        merged[d] = 1;
        for (int j = 0; j < p->n_slot; j++) {
            int64_t extent = v->extent[p->slot[j]];
            int64_t gap = p->n_slot > 1 && j == p->n_slot - 1 ? p->gap : 1;
            int64_t full = p->size[j] * gap;
            out[n_out] = p->slot[j];
            inner[n_out] = gap - 1;
            after[n_out] = full - ((extent - 1) * gap + 1);
            pad = pad || gap > 1 || after[n_out] > 0;
            merged[d] *= full;
            n_out++;
        }
        reshape = reshape || p->n_slot != 1;
    }
    bool empty;
    if (!enforce_rules(v, &empty))
        return NULL;
    if (empty)
        return build_full(v->g, type_make(DT_F32, merged_rank, merged), 0);
    Node *r = inverse_contract(v, out, n_out);
    if (pad)
        r = build_pad(v->g, r, build_scalar(v->g, DT_F32, 0), zero, after, inner);
    return reshape ? build_reshape(v->g, r, merged_rank, merged) : r;
}

/* Puts the dimensions solved at this level into place: gaps, and zeros before and behind. A last round
 * of phases or digits that is not full reaches beyond the dimension: cut off once, at the very end. */
static Node *finish(const Inverse *v, Node *r, const bool *mine)
{
    int64_t lo[MAX_RANK] = { 0 }, hi[MAX_RANK] = { 0 }, inner[MAX_RANK] = { 0 };
    for (int d = 0; d < v->rank; d++) {
        int64_t size = r->type.dim[d], gap = v->plan[d].n_slot > 1 ? 1 : v->plan[d].gap;
        if (!mine[d])
            continue;
        lo[d] = v->plan[d].lo;
        inner[d] = gap - 1;
        hi[d] = v->dim[d] - (lo[d] + (size - 1) * gap + 1);
        hi[d] = hi[d] < 0 ? 0 : hi[d];
    }
    return build_pad(v->g, r, build_scalar(v->g, DT_F32, 0), lo, hi, inner);
}

/* Cuts the dimensions that are marked down to those of the result. */
static Node *cut_to(const Inverse *v, Node *r, const bool *which)
{
    int64_t start[MAX_RANK] = { 0 }, stop[MAX_RANK], step[MAX_RANK];
    for (int d = 0; d < v->rank; d++) {
        stop[d] = which[d] && r->type.dim[d] > v->dim[d] ? v->dim[d] : r->type.dim[d];
        step[d] = 1;
    }
    return build_slice(v->g, r, start, stop, step);
}

/* ---- solving one dimension ---- */

static int count_slots(const Inverse *v)
{
    int n = 0;
    for (int d = 0; d < v->rank; d++)
        n += v->plan[d].solved ? v->plan[d].n_slot : 1;
    return n;
}

/* The indices of dimension d in descending order of |coefficient|; false when one of them is owned or
 * occurs in another dimension still to be solved. */
static bool exclusive(const Inverse *v, int d, int *index, int *n)
{
    *n = 0;
    for (int k = 0; k < v->n_index; k++) {
        if (v->target[d].coef[k] == 0)
            continue;
        if (v->owned[k])
            return false;
        for (int e = 0; e < v->rank; e++)
            if (e != d && !v->plan[e].solved && v->target[e].coef[k] != 0)
                return false;
        int at = (*n)++;
        for (; at > 0 && llabs(v->target[d].coef[index[at - 1]]) < llabs(v->target[d].coef[k]); at--)
            index[at] = index[at - 1];
        index[at] = k;
    }
    return true;
}

static bool solve_radix(Inverse *v, int d)
{
    int index[MAX_INDEX], n;
    if (!exclusive(v, d, index, &n) || (n > 1 && count_slots(v) - 1 + n > MAX_RANK))
        return false;
    const Affine *t = &v->target[d];
    for (int j = 0; j + 1 < n; j++) {
        int64_t c = llabs(t->coef[index[j]]), next = llabs(t->coef[index[j + 1]]);
        if (c % next != 0 || c < next * v->extent[index[j + 1]])
            return false;
    }
    struct InverseDim plan = { .solved = true, .n_slot = n, .gap = 1 };
    for (int j = 0; j < n; j++) {
        int k = index[j];
        if (t->coef[k] < 0)
            reverse_index(v, k);
        plan.slot[j] = k;
        plan.size[j] = j == 0 ? v->extent[k] : llabs(t->coef[index[j - 1]]) / t->coef[k];
        plan.gap = t->coef[k];
        v->owned[k] = true;
    }
    plan.lo = t->base;
    v->plan[d] = plan;
    return true;
}

/* How well an index can be kept in its range: where a source has a dimension that is read at this
 * index alone, by zeros around that (with dy alone a row of ones can be had for it). An index of dy is
 * preferred, unless another saves much: a convolution of dy is what the scheduler knows best. */
static double enforceable(const Inverse *v, int k)
{
    for (int s = 0; s < v->n_src; s++)
        for (int d = 0; d < v->src[s]->type.rank; d++)
            if (affine_single(&v->map[s][d], v->n_index) == k)
                return s == 0 ? 4e12 : 1e12;
    return v->n_src == 1 ? 1e12 : 1;
}

/* The index of dimension d to solve for, or -1. */
static int choose_pivot(const Inverse *v, int d)
{
    int best = -1;
    double best_score = 0;
    for (int k = 0; k < v->n_index; k++) {
        int64_t c = llabs(v->target[d].coef[k]);
        if (c == 0 || v->owned[k])
            continue;
        double score = (double)v->extent[k] * (double)c * enforceable(v, k);
        if (score > best_score) {
            best = k;
            best_score = score;
        }
    }
    return best;
}

/* Places of dimension d that are read at all. */
static void reached(const Inverse *v, int d, int64_t *lo, int64_t *hi)
{
    affine_range(&v->target[d], v->n_index, v->extent, lo, hi);
    *lo = *lo < 0 ? 0 : *lo; /* owned indices may run where their rules forbid */
    *hi = *hi >= v->dim[d] ? v->dim[d] - 1 : *hi;
}

/* Solves dimension d for index e, where p = first + s*t, t in [0, n), s = |coefficient of e|, and all
 * other coefficients are multiples of s. */
static void eliminate(Inverse *v, int d, int e, int64_t first, int64_t n)
{
    int64_t c = v->target[d].coef[e];
    Affine expr = { .base = (first - v->target[d].base) / c };
    for (int k = 0; k < v->n_index; k++)
        expr.coef[k] = k == e ? (c > 0 ? 1 : -1) : -v->target[d].coef[k] / c;
    int64_t extent = v->extent[e];
    v->target[d] = (Affine){ 0 };
    inverse_substitute(v, e, &expr);
    v->rule[v->n_rule].at = expr;
    v->rule[v->n_rule++].extent = extent;
    v->extent[e] = n;
    v->owned[e] = true;
    v->plan[d] = (struct InverseDim){ .solved = true, .n_slot = 1, .slot = { e }, .size = { n }, .gap = 1 };
}

/* One choice of residues for the indices that a stride splits. */
typedef struct {
    int n, index[MAX_INDEX];
    int64_t modulus[MAX_INDEX], residue[MAX_INDEX], limit[MAX_INDEX];
} Split;

static bool split_start(const Inverse *v, int d, int e, int64_t s, Split *split)
{
    split->n = 0;
    int64_t total = 1;
    for (int k = 0; k < v->n_index; k++) {
        int64_t c = v->target[d].coef[k];
        if (k == e || c % s == 0)
            continue;
        if (v->owned[k])
            return false;
        int64_t m = s / gcd(c, s);
        split->index[split->n] = k;
        split->modulus[split->n] = m;
        split->residue[split->n] = 0;
        split->limit[split->n] = m < v->extent[k] ? m : v->extent[k];
        total *= split->limit[split->n++];
        if (total > MAX_LEAVES)
            return false;
    }
    return true;
}

static bool split_next(Split *split)
{
    for (int j = 0; j < split->n; j++) {
        if (++split->residue[j] < split->limit[j])
            return true;
        split->residue[j] = 0;
    }
    return false;
}

/* The phase of dimension d that this choice reaches, counted from place lo. */
static int64_t split_phase(const Inverse *v, int d, const Split *split, int64_t s, int64_t lo)
{
    int64_t at = v->target[d].base - lo;
    for (int j = 0; j < split->n; j++)
        at += v->target[d].coef[split->index[j]] * split->residue[j];
    return mod_floor(at, s);
}

static void split_apply(Inverse *v, const Split *split)
{
    for (int j = 0; j < split->n; j++) {
        int k = split->index[j];
        int64_t m = split->modulus[j], r = split->residue[j];
        Affine expr = { .base = r };
        expr.coef[k] = m;
        inverse_substitute(v, k, &expr);
        v->extent[k] = (v->extent[k] - r + m - 1) / m;
    }
}

/* phase[0..s), all of one shape, NULL for zeros -> dimension d s times as long. */
static Node *interleave(Graph *g, Node *const *phase, int64_t s, int d)
{
    const Type *t = NULL;
    for (int64_t i = 0; i < s; i++)
        t = phase[i] ? &phase[i]->type : t;
    int64_t flat[3] = { 1, 1, 1 }, shape[MAX_RANK];
    for (int i = 0; i < t->rank; i++) {
        flat[i <= d ? 0 : 2] *= t->dim[i];
        shape[i] = i == d ? t->dim[i] * s : t->dim[i];
    }
    Node **parts = ARENA_ARRAY(g->arena, Node *, s);
    for (int64_t i = 0; i < s; i++)
        parts[i] = phase[i] ? build_reshape(g, phase[i], 3, flat)
                            : build_full(g, type_make(DT_F32, 3, flat), 0);
    return build_reshape(g, build_concat(g, parts, (int)s, 1), t->rank, shape);
}

static Node *solve_phases(Inverse *v, int d, int e)
{
    int64_t s = llabs(v->target[d].coef[e]), lo, hi;
    Split split;
    if (s > MAX_LEAVES || !split_start(v, d, e, s, &split))
        return NULL;
    reached(v, d, &lo, &hi);
    int64_t n = (hi - lo) / s + 1, only = split_phase(v, d, &split, s, lo);
    bool several = false;
    for (Split look = split; split_next(&look);)
        several = several || split_phase(v, d, &look, s, lo) != only;
    if (!several)
        n = (hi - lo - only) / s + 1;
    Node *phase[MAX_LEAVES] = { 0 };
    do {
        int64_t at = split_phase(v, d, &split, s, lo);
        Inverse part = *v;
        split_apply(&part, &split);
        eliminate(&part, d, e, lo + at, n);
        Node *one = solve(&part);
        if (!one)
            return NULL;
        if (phase[at] && !type_equal(&phase[at]->type, &one->type))
            return NULL;
        phase[at] = phase[at] ? build_binary(v->g, &op_add, phase[at], one) : one;
    } while (split_next(&split));
    v->plan[d] = (struct InverseDim){ .solved = true, .n_slot = 1, .gap = several ? 1 : s };
    v->plan[d].lo = several ? lo : lo + only;
    if (!several)
        return phase[only];
    bool inner[MAX_RANK]; /* what the phases have solved: of one size in all of them */
    for (int i = 0; i < v->rank; i++)
        inner[i] = !v->plan[i].solved;
    bool same = true;
    for (int64_t i = 0; i < s; i++)
        same = same && (!phase[i] || type_equal(&phase[i]->type, &phase[only]->type));
    for (int64_t i = 0; i < s && !same; i++)
        phase[i] = phase[i] ? cut_to(v, phase[i], inner) : NULL;
    return interleave(v->g, phase, s, d);
}

/* Solves what is left, dimension by dimension, easy ones first: each may make others easy. */
static Node *solve(Inverse *v)
{
    bool mine[MAX_RANK] = { false };
    drop_single_values(v);
    for (;;) {
        int dim = -1, pivot = -1;
        bool radix = false;
        for (int d = 0; d < v->rank && !radix; d++) {
            if (v->plan[d].solved)
                continue;
            if (solve_radix(v, d)) {
                mine[d] = radix = true;
                continue;
            }
            int k = choose_pivot(v, d);
            if (k < 0)
                return NULL;
            bool better = dim < 0 || llabs(v->target[d].coef[k]) < llabs(v->target[dim].coef[pivot]);
            dim = better ? d : dim;
            pivot = better ? k : pivot;
        }
        if (radix)
            continue;
        Node *r;
        if (dim < 0) {
            r = leaf(v);
        } else if (mine[dim] = true, llabs(v->target[dim].coef[pivot]) == 1) {
            int64_t lo, hi;
            reached(v, dim, &lo, &hi);
            eliminate(v, dim, pivot, lo, hi - lo + 1);
            v->plan[dim].lo = lo;
            continue;
        } else {
            r = solve_phases(v, dim, pivot);
        }
        return r ? finish(v, r, mine) : NULL;
    }
}

/* Runs twice where sources are padded: to find the margins that all phases together need, and to build
 * with them. What the first run has made is dead. */
Node *contract_invert(Inverse *v)
{
    InversePads pads = { .measuring = true, .src = { v->src[0], v->src[1] } };
    const bool all[MAX_RANK] = { true, true, true, true, true, true, true, true };
    int leaves = 0;
    Inverse first = *v;
    v->leaves = first.leaves = &leaves;
    v->pads = first.pads = &pads;
    Node *r = solve(&first);
    if (r && leaves > 1) {
        leaves = 0;
        pads.measuring = false;
        r = solve(v);
    }
    return r ? cut_to(v, r, all) : NULL;
}
