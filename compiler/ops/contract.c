/* contract: the one sum of products.
 *
 *     y[o...] = sum(s...) a[affine(o, s)...] * b[affine(o, s)...]
 *
 * Matrix products, convolutions of any stride, dilation and grouping, their transposes, averages over
 * windows and a user's own index notation are all instances. Here: the shape rule, the reference
 * evaluation and the amount of work; contract_grad.c differentiates, contract_samples.c holds the
 * samples, contract_lower.c (kernels) schedules.
 *
 * Purpose of the rule: every read stays within its operand for every value of the indices, so that
 * nothing behind it ever checks a bound. An index that no operand reads is allowed: as an output it
 * repeats values, summed it multiplies by its extent. */
#include "ops/contract.h"
#include <stdio.h>

void affine_range(const Affine *a, int n_index, const int64_t *extent, int64_t *lo, int64_t *hi)
{
    *lo = *hi = a->base;
    for (int k = 0; k < n_index; k++) {
        int64_t reach = a->coef[k] * (extent[k] - 1);
        if (reach < 0)
            *lo += reach;
        else
            *hi += reach;
    }
}

int affine_single(const Affine *a, int n_index)
{
    int found = -1;
    for (int k = 0; k < n_index; k++) {
        if (a->coef[k] == 0)
            continue;
        if (found >= 0)
            return -1;
        found = k;
    }
    return found;
}

int affine_bare(const Affine *a, int n_index)
{
    int k = affine_single(a, n_index);
    return k >= 0 && a->coef[k] == 1 && a->base == 0 ? k : -1;
}

void affine_substitute(Affine *a, int n_index, int k, const Affine *expr)
{
    int64_t c = a->coef[k];
    if (c == 0)
        return;
    a->coef[k] = 0;
    a->base += c * expr->base;
    for (int j = 0; j < n_index; j++)
        a->coef[j] += c * expr->coef[j];
}

bool affine_equal(const Affine *a, const Affine *b, int n_index)
{
    bool same = a->base == b->base;
    for (int k = 0; k < n_index; k++)
        same = same && a->coef[k] == b->coef[k];
    return same;
}

bool contract_reads(const Contract *c, int op, int k)
{
    for (int d = 0; d < c->operand[op].rank; d++)
        if (c->operand[op].dim[d].coef[k] != 0)
            return true;
    return false;
}

void contract_drop(Contract *c, const bool *keep)
{
    int to = 0, n_out = 0;
    for (int k = 0; k < c->n_index; k++) {
        if (!keep[k])
            continue;
        c->extent[to] = c->extent[k];
        c->name[to] = c->name[k];
        for (int p = 0; p < c->n_operand; p++)
            for (int d = 0; d < c->operand[p].rank; d++)
                c->operand[p].dim[d].coef[to] = c->operand[p].dim[d].coef[k];
        n_out += k < c->n_out;
        to++;
    }
    for (int p = 0; p < c->n_operand; p++)
        for (int d = 0; d < c->operand[p].rank; d++)
            for (int k = to; k < c->n_index; k++)
                c->operand[p].dim[d].coef[k] = 0;
    c->n_index = to;
    c->n_out = n_out;
}

/* ---- shape ---- */

static bool fail_no_contract(Why *why)
{
    snprintf(why->text, sizeof why->text, "contract needs 1 or 2 f32 operands and one index map for each");
    return false;
}

/* Counts, extents and names make sense; the product of the extents is a count that fits. */
static bool check_indices(const Contract *c, Why *why)
{
    if (c->n_out < 0 || c->n_out > MAX_RANK || c->n_index < c->n_out || c->n_index > MAX_INDEX) {
        snprintf(why->text, sizeof why->text,
                 "contract has %d indices, %d of them in its result: at most %d and %d are possible",
                 c->n_index, c->n_out, MAX_INDEX, MAX_RANK);
        return false;
    }
    int64_t total = 1;
    for (int k = 0; k < c->n_index; k++) {
        if (!c->name[k]) {
            snprintf(why->text, sizeof why->text, "contract index number %d has no name", k);
            return false;
        }
        if (c->extent[k] < 1 || __builtin_mul_overflow(total, c->extent[k], &total)) {
            snprintf(why->text, sizeof why->text, "contract index '%s' has extent %lld: %s", c->name[k],
                     (long long)c->extent[k],
                     c->extent[k] < 1 ? "at least 1 is needed" : "too many products in all");
            return false;
        }
    }
    return true;
}

/* The range of a map whose numbers come from a file: false where it does not fit an int64. */
static bool checked_range(const Affine *a, const Contract *c, int64_t *lo, int64_t *hi)
{
    *lo = *hi = a->base;
    for (int k = 0; k < c->n_index; k++) {
        int64_t reach;
        if (__builtin_mul_overflow(a->coef[k], c->extent[k] - 1, &reach) ||
            __builtin_add_overflow(*(reach < 0 ? lo : hi), reach, reach < 0 ? lo : hi))
            return false;
    }
    return true;
}

static bool check_operand(const Node *n, const Contract *c, int p, Why *why)
{
    const Type *t = &n->in[p]->type;
    if (t->dtype != DT_F32) {
        snprintf(why->text, sizeof why->text, "contract multiplies f32 values; operand %d is %s", p + 1,
                 dtype_name(t->dtype));
        return false;
    }
    if (t->rank != c->operand[p].rank) {
        snprintf(why->text, sizeof why->text, "operand %d has %d dimensions but is read with %d indices", p + 1,
                 t->rank, c->operand[p].rank);
        return false;
    }
    for (int d = 0; d < t->rank; d++) {
        const Affine *a = &c->operand[p].dim[d];
        int64_t lo, hi;
        bool fits = checked_range(a, c, &lo, &hi);
        if (fits && lo >= 0 && hi < t->dim[d])
            continue;
        const char *name = "constant";
        for (int k = c->n_index - 1; k >= 0; k--)
            if (a->coef[k] != 0)
                name = c->name[k];
        if (!fits)
            snprintf(why->text, sizeof why->text, "index '%s' of operand %d, dimension %d: numbers too large", name,
                     p + 1, d);
        else
            snprintf(why->text, sizeof why->text,
                     "index '%s' reads operand %d, dimension %d at %lld..%lld, but that dimension has %lld elements",
                     name, p + 1, d, (long long)lo, (long long)hi, (long long)t->dim[d]);
        return false;
    }
    return true;
}

static bool contract_shape(const Node *n, Type *out, Why *why)
{
    const Contract *c = n->attr[0].contract;
    if (!c || c->n_operand != n->n_in || n->n_in < 1 || n->n_in > 2)
        return fail_no_contract(why);
    if (!check_indices(c, why))
        return false;
    for (int p = 0; p < n->n_in; p++)
        if (!check_operand(n, c, p, why))
            return false;
    *out = type_make(DT_F32, c->n_out, c->extent);
    return true;
}

/* ---- evaluation ---- */

/* Each map folded with the operand's row-major strides: element = base + sum step[k] * index k. */
typedef struct {
    int64_t base, step[MAX_INDEX];
} Flat;

static Flat flatten(const Contract *c, int p, const Type *t)
{
    Flat f = { 0 };
    int64_t stride = 1;
    for (int d = t->rank - 1; d >= 0; d--) {
        f.base += stride * c->operand[p].dim[d].base;
        for (int k = 0; k < c->n_index; k++)
            f.step[k] += stride * c->operand[p].dim[d].coef[k];
        stride *= t->dim[d];
    }
    return f;
}

static void contract_eval(const Node *n, const Tensor *const *in, Tensor *out, const EvalCtx *ctx)
{
    (void)ctx;
    const Contract *c = n->attr[0].contract;
    Flat fa = flatten(c, 0, &in[0]->type), fb = { 0 };
    if (n->n_in == 2)
        fb = flatten(c, 1, &in[1]->type);
    int64_t total = type_count(&out->type), sums = 1;
    for (int k = c->n_out; k < c->n_index; k++)
        sums *= c->extent[k];
    int64_t at[MAX_INDEX] = { 0 }, a = fa.base, b = fb.base;
    for (int64_t o = 0; o < total; o++) {
        double sum = 0;
        for (int64_t s = 0; s < sums; s++) {
            sum += n->n_in == 2 ? in[0]->data[a] * in[1]->data[b] : in[0]->data[a];
            /* the odometer over all indices: after the last sum it carries into the outputs */
            for (int k = c->n_index - 1; k >= 0; k--) {
                a += fa.step[k];
                b += fb.step[k];
                if (++at[k] < c->extent[k])
                    break;
                a -= fa.step[k] * c->extent[k];
                b -= fb.step[k] * c->extent[k];
                at[k] = 0;
            }
        }
        out->data[o] = sum;
    }
}

static int64_t contract_work(const Node *n)
{
    const Contract *c = n->attr[0].contract;
    int64_t total = 1;
    for (int k = 0; k < c->n_index; k++)
        total *= c->extent[k];
    return total;
}

const OpDef op_contract = {
    .name = "contract",
    .min_in = 1,
    .max_in = 2,
    .flags = OP_EXPENSIVE,
    .attrs = { { "contract", AK_CONTRACT } },
    .doc = "sum of products of operands read at affine index maps",
    .shape = contract_shape,
    .grad = contract_grad,
    .eval = contract_eval,
    .work = contract_work,
    .samples = contract_samples,
    .n_samples = CONTRACT_SAMPLES,
};
