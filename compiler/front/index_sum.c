/* Index notation: sum, mean, max, min and prod over index variables. A sum of products becomes a
 * contraction of its factors, read where they are; of more than two factors the pair with the smallest
 * product is contracted first (the left one of equals), over the variables that nothing else needs. */
#include "front/index.h"

#include <math.h>
#include <string.h>

enum { MAX_FACTORS = 16 };

typedef struct {
    Node *node;
    int rank;
    Place dim[MAX_RANK];
} Factor;

typedef struct {
    Factor f[MAX_FACTORS];
    int n;
    double scale;
    Node *outside[MAX_FACTORS]; /* scalars: multiplied on afterwards */
    bool divide[MAX_FACTORS];
    int n_outside;
} Product;

/* ---- factors ---- */

static Factor factor_of(const Indexed *v)
{
    Factor f = { .node = v->node, .rank = v->n };
    for (int d = 0; d < v->n; d++)
        f.dim[d].coef[v->id[d]] = 1;
    return f;
}

static bool add_factor(Frame *fr, Product *p, Factor f, Span at)
{
    if (p->n == MAX_FACTORS) {
        fail(fr, at, "a product of more than %d factors", MAX_FACTORS);
        return false;
    }
    f.node = node_float(fr, f.node);
    if (f.node->type.dtype != DT_F32) {
        fail(fr, at, "%s in a sum of products: factors are f32", type_text(fr->f->arena, &f.node->type));
        hint(fr, "cast(x, f32) converts");
        return false;
    }
    p->f[p->n++] = f;
    return true;
}

static bool add_outside(Frame *fr, Product *p, Indexed v, bool divide, Span at)
{
    if (v.fixed.kind != V_NONE) {
        if (!value_is_number(v.fixed)) {
            fail(fr, at, "%s in a product", value_what(fr->f, v.fixed));
            return false;
        }
        if (divide && value_number(v.fixed) == 0) {
            fail(fr, at, "division by zero");
            return false;
        }
        p->scale = divide ? p->scale / value_number(v.fixed) : p->scale * value_number(v.fixed);
        return true;
    }
    if (p->n_outside == MAX_FACTORS) {
        fail(fr, at, "a product of more than %d factors", MAX_FACTORS);
        return false;
    }
    p->divide[p->n_outside] = divide;
    p->outside[p->n_outside++] = build_cast(fr->gen->g, v.node, DT_F32);
    return true;
}

static bool factors(Frame *fr, Product *p, Expr *e)
{
    if (e->kind == E_BINARY && e->op == OP_MUL)
        return factors(fr, p, e->a) && factors(fr, p, e->b);
    if (e->kind == E_UNARY && e->op == OP_NEG) {
        p->scale = -p->scale;
        return factors(fr, p, e->a);
    }
    if (e->kind == E_BINARY && e->op == OP_DIV && !env_mentions(fr->index, e->b)) {
        Indexed by = index_eval(fr, e->b);
        return by.ok && factors(fr, p, e->a) && add_outside(fr, p, by, true, e->b->span);
    }
    Read *r = e->kind == E_INDEX ? env_read(fr->index, e) : NULL;
    if (r) {
        if (!index_lookup(fr, r))
            return false;
        Factor f = { .node = r->node, .rank = r->rank };
        memcpy(f.dim, r->dim, sizeof f.dim);
        return add_factor(fr, p, f, e->span);
    }
    Indexed v = index_eval(fr, e);
    if (!v.ok)
        return false;
    if (v.fixed.kind != V_NONE || v.n == 0)
        return add_outside(fr, p, v, false, e->span);
    return add_factor(fr, p, factor_of(&v), e->span);
}

static bool factor_uses(const Factor *f, int id)
{
    for (int d = 0; d < f->rank; d++)
        if (place_uses(&f->dim[d], id))
            return true;
    return false;
}

static bool any_uses(const Product *p, int id)
{
    for (int i = 0; i < p->n; i++)
        if (factor_uses(&p->f[i], id))
            return true;
    return false;
}

/* ---- contractions ---- */

static void set_operand(Contract *c, int which, const Factor *f, const int *slot)
{
    c->operand[which].rank = f->rank;
    for (int d = 0; d < f->rank; d++) {
        Affine *a = &c->operand[which].dim[d];
        a->base = f->dim[d].base;
        for (int k = 0; k < MAX_IDS; k++)
            if (f->dim[d].coef[k])
                a->coef[slot[k]] = f->dim[d].coef[k];
    }
}

static bool name_taken(const Contract *c, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (strcmp(c->name[i], name) == 0)
            return true;
    return false;
}

/* Names are unique in a contract; two sums may have used the same one. */
static const char *fresh_name(Frame *fr, const Contract *c, int n, const char *name)
{
    const char *unique = name;
    for (int k = 2; name_taken(c, n, unique); k++)
        unique = PRINTF(fr, "%s%d", name, k);
    return unique;
}

/* out[id...] = sum over every other variable of the factors' product. */
static Node *contract(Frame *fr, const Factor *f, int n_factor, const int *id, int n, Span at)
{
    const IndexEnv *env = fr->index;
    Contract c = { .n_operand = n_factor };
    int slot[MAX_IDS];
    bool out[MAX_IDS] = {0};
    int64_t dim[MAX_RANK];
    for (int i = 0; i < n; i++)
        out[id[i]] = true;
    for (int pass = 0; pass < 2; pass++) {
        for (int k = 0; k < env->n; k++) {
            bool used = factor_uses(&f[0], k) || (n_factor > 1 && factor_uses(&f[1], k));
            if (out[k] != (pass == 0) || (pass == 1 && !used))
                continue;
            if (c.n_index == MAX_INDEX) {
                fail(fr, at, "this sum of products has more than %d indices", MAX_INDEX);
                return NULL;
            }
            slot[k] = c.n_index;
            c.extent[c.n_index] = env->extent[k];
            c.name[c.n_index] = fresh_name(fr, &c, c.n_index, env->name[k]);
            c.n_index++;
        }
        if (pass == 0)
            c.n_out = c.n_index;
    }
    for (int i = 0; i < n; i++)
        dim[i] = env->extent[id[i]];
    if (!shape_check(fr, at, dim, n))
        return NULL;
    for (int i = 0; i < n_factor; i++)
        set_operand(&c, i, &f[i], slot);
    Contract *copy = ARENA_NEW(fr->f->arena, Contract);
    *copy = c;
    Node *in[2] = { f[0].node, n_factor > 1 ? f[1].node : NULL };
    return add_node(fr, &op_contract, in, n_factor, &(Attr){ .contract = copy }, at);
}

Node *index_contract_read(Frame *fr, const Read *r, const int *id, int n, Span at)
{
    Factor f = { .node = r->node, .rank = r->rank };
    memcpy(f.dim, r->dim, sizeof f.dim);
    if (r->node->type.dtype != DT_F32) {
        fail(fr, at, "%s can be read at such places only when it is f32", type_text(fr->f->arena, &r->node->type));
        return NULL;
    }
    return contract(fr, &f, 1, id, n, at);
}

static Node *reduce_ids(Frame *fr, const OpDef *op, const Indexed *v, const Reduce *r, int *id, int *n)
{
    int64_t axes[MAX_RANK];
    int n_axes = 0;
    *n = 0;
    for (int d = 0; d < v->n; d++) {
        bool summed = false;
        for (int i = 0; i < r->n; i++)
            summed = summed || r->id[i] == v->id[d];
        if (summed)
            axes[n_axes++] = d;
        else
            id[(*n)++] = v->id[d];
    }
    return n_axes ? build_reduce(fr->gen->g, op, v->node, axes, n_axes) : v->node;
}

/* One factor: a plain reduction where slices and a transpose can read it. */
static Indexed sum_one(Frame *fr, const Factor *f, const Reduce *r, const int *id, int n, Span at)
{
    Read read = { .expr = r->expr, .node = f->node, .rank = f->rank };
    memcpy(read.dim, f->dim, sizeof read.dim);
    if (!index_is_slice(fr->index, &read))
        return index_node(contract(fr, f, 1, id, n, at), id, n);
    Indexed v = index_of_read(fr, &read);
    int out[MAX_RANK], n_out;
    if (!v.ok)
        return v;
    place(fr, at);
    Node *node = reduce_ids(fr, &op_sum, &v, r, out, &n_out);
    return index_node(node, out, n_out);
}

/* Variables of factors i and j (the same, when there is one) that stay when they are multiplied: those of
 * the result, and those that other factors read. Returns their number, or -1 when they are too many. */
static int kept_ids(const Product *p, int i, int j, const bool *result, int *id)
{
    int n = 0;
    for (int k = 0; k < MAX_IDS; k++) {
        bool needed = result[k];
        if (!factor_uses(&p->f[i], k) && !factor_uses(&p->f[j], k))
            continue;
        for (int other = 0; other < p->n && !needed; other++)
            needed = other != i && other != j && factor_uses(&p->f[other], k);
        if (needed && n == MAX_RANK)
            return -1;
        if (needed)
            id[n++] = k;
    }
    return n;
}

/* The pair whose product has the fewest elements; false when every product has too many dimensions. */
static bool smallest_pair(const IndexEnv *env, const Product *p, const bool *result, int *left, int *right)
{
    double best = INFINITY;
    int id[MAX_RANK];
    for (int i = 0; i < p->n; i++)
        for (int j = i + 1; j < p->n; j++) {
            int n = kept_ids(p, i, j, result, id);
            double size = 1;
            for (int k = 0; k < n; k++)
                size *= (double)env->extent[id[k]];
            if (n < 0 || size >= best)
                continue;
            best = size;
            *left = i;
            *right = j;
        }
    return best < INFINITY;
}

static Indexed sum_product(Frame *fr, Product *p, const Reduce *r, Span at)
{
    bool result[MAX_IDS];
    int id[MAX_RANK], n = 0, i = 0, j = 0;
    for (int k = 0; k < MAX_IDS; k++)
        result[k] = true;
    for (int k = 0; k < r->n; k++)
        result[r->id[k]] = false;
    if (p->n == 1) {
        n = kept_ids(p, 0, 0, result, id);
        if (n >= 0)
            return sum_one(fr, &p->f[0], r, id, n, at);
    }
    Indexed v = index_bad();
    while (p->n > 1 && smallest_pair(fr->index, p, result, &i, &j)) {
        n = kept_ids(p, i, j, result, id);
        Node *node = contract(fr, (Factor[]){ p->f[i], p->f[j] }, 2, id, n, at);
        if (!node)
            return index_bad();
        v = index_node(node, id, n);
        p->f[i] = factor_of(&v);
        memmove(&p->f[j], &p->f[j + 1], sizeof *p->f * (size_t)(p->n - j - 1));
        p->n--;
    }
    if (p->n == 1 && v.ok)
        return v;
    fail(fr, at, "a product of factors depends on more than %d indices at once", MAX_RANK);
    return index_bad();
}

static Indexed finish(Frame *fr, Indexed v, const Product *p, Span at)
{
    Graph *g = fr->gen->g;
    if (!v.ok)
        return v;
    place(fr, at);
    if (p->scale != 1)
        v.node = build_binary(g, &op_mul, v.node, build_like(g, v.node, p->scale));
    for (int i = 0; i < p->n_outside; i++) {
        Node *s = build_broadcast_to(g, p->outside[i], v.node->type.rank, v.node->type.dim);
        v.node = build_binary(g, p->divide[i] ? &op_div : &op_mul, v.node, s);
    }
    return v;
}

/* ---- reductions ---- */

static bool reads_all(Frame *fr, const Expr *e, const Reduce *r, const bool *used)
{
    for (int i = 0; i < r->n; i++)
        if (!used[r->id[i]]) {
            fail(fr, e->names[i].span, "nothing behind this %s reads the index %s", e->text, e->names[i].name);
            return false;
        }
    return true;
}

static Indexed reduce_sum(Frame *fr, Expr *e, const Reduce *r, double scale)
{
    Product *p = ARENA_NEW(fr->f->arena, Product); /* large, and sums nest */
    bool used[MAX_IDS] = {0};
    p->scale = scale;
    if (!factors(fr, p, e->a))
        return index_bad();
    for (int k = 0; k < fr->index->n; k++)
        used[k] = any_uses(p, k);
    if (!reads_all(fr, e, r, used))
        return index_bad();
    return finish(fr, sum_product(fr, p, r, e->span), p, e->span);
}

static Indexed reduce_other(Frame *fr, Expr *e, const Reduce *r)
{
    Graph *g = fr->gen->g;
    Indexed v = index_eval(fr, e->a);
    bool used[MAX_IDS] = {0}, min = strcmp(e->text, "min") == 0;
    int id[MAX_RANK], n;
    if (!v.ok)
        return v;
    for (int d = 0; d < v.n; d++)
        used[v.id[d]] = true;
    if (!reads_all(fr, e, r, used))
        return index_bad();
    place(fr, e->span);
    v.node = node_float(fr, v.node);
    if (strcmp(e->text, "prod") == 0) {
        int64_t dim[MAX_RANK];
        for (int d = 0; d < v.n; d++)
            for (int i = 0; i < r->n; i++)
                if (r->id[i] == v.id[d])
                    v.node = product_along(g, v.node, d);
        Node *whole = v.node;
        n = 0;
        for (int d = 0; d < v.n; d++) {
            bool gone = false;
            for (int i = 0; i < r->n; i++)
                gone = gone || r->id[i] == v.id[d];
            if (!gone) {
                dim[n] = whole->type.dim[d];
                id[n++] = v.id[d];
            }
        }
        return index_node(build_reshape(g, whole, n, dim), id, n);
    }
    if (min)
        v.node = build_unary(g, &op_neg, v.node);
    Node *node = reduce_ids(fr, &op_reduce_max, &v, r, id, &n);
    return index_node(min ? build_unary(g, &op_neg, node) : node, id, n);
}

Indexed index_reduce(Frame *fr, Expr *e)
{
    IndexEnv *env = fr->index;
    const Reduce *r = env_reduce(env, e);
    int outer = env->n_scope;
    double count = 1;
    if (!r)
        return index_bad();
    for (int i = 0; i < r->n; i++) {
        env->scope[env->n_scope].name = env->name[r->id[i]];
        env->scope[env->n_scope++].id = r->id[i];
        count *= (double)env->extent[r->id[i]];
    }
    Indexed v;
    if (strcmp(e->text, "sum") == 0)
        v = reduce_sum(fr, e, r, 1);
    else if (strcmp(e->text, "mean") == 0)
        v = reduce_sum(fr, e, r, 1 / count);
    else
        v = reduce_other(fr, e, r);
    env->n_scope = outer;
    return v;
}
