/* Index notation: collects the reads of a right side, solves the extents of its index variables, checks
 * that every read stays inside, and binds the result. */
#include "front/index.h"
#include "front/walk.h"

#include <string.h>

/* ---- names ---- */

int env_find(const IndexEnv *env, const char *name)
{
    for (int i = env->n_scope - 1; i >= 0; i--)
        if (env->scope[i].name == name)
            return env->scope[i].id;
    return -1;
}

static bool names_index(void *user, const Expr *e)
{
    const IndexEnv *env = user;
    if (e->kind == E_NAME)
        return env_find(env, e->text) >= 0;
    for (int i = 0; e->kind == E_INDEX && i < e->n_indices; i++)
        if (e->indices[i].kind == IX_REST)
            return true;
    return false;
}

bool env_mentions(const IndexEnv *env, const Expr *e)
{
    return walk_expr(e, &(Walker){ names_index, NULL, (void *)env });
}

static int add_id(Frame *fr, IndexEnv *env, const char *name, Span at)
{
    if (env->n == MAX_IDS) {
        fail(fr, at, "more than %d index variables", MAX_IDS);
        return -1;
    }
    env->name[env->n] = name;
    env->at[env->n] = at;
    return env->n++;
}

static bool enter(Frame *fr, IndexEnv *env, const char *name, int id, Span at)
{
    if (env->n_scope == MAX_IDS) {
        fail(fr, at, "more than %d index variables", MAX_IDS);
        return false;
    }
    env->scope[env->n_scope].name = name;
    env->scope[env->n_scope++].id = id;
    return true;
}

Read *env_read(const IndexEnv *env, const Expr *e)
{
    for (int i = 0; i < env->reads.len; i++)
        if (env->reads.data[i]->expr == e)
            return env->reads.data[i];
    return NULL;
}

const Reduce *env_reduce(const IndexEnv *env, const Expr *e)
{
    for (int i = 0; i < env->reduces.len; i++)
        if (env->reduces.data[i]->expr == e)
            return env->reduces.data[i];
    return NULL;
}

int place_bare(const IndexEnv *env, const Place *p)
{
    int found = -1;
    if (p->base != 0)
        return -1;
    for (int k = 0; k < env->n; k++) {
        if (p->coef[k] == 0)
            continue;
        if (p->coef[k] != 1 || found >= 0)
            return -1;
        found = k;
    }
    return found;
}

/* ---- places ---- */

static bool too_large(int64_t v) { return v > INT32_MAX || v < -INT32_MAX; }

static bool place_scale(Place *p, int64_t by)
{
    if (too_large(by))
        return false;
    p->base *= by;
    for (int k = 0; k < MAX_IDS; k++)
        p->coef[k] *= by;
    for (int k = 0; k < MAX_IDS; k++)
        if (too_large(p->coef[k]))
            return false;
    return !too_large(p->base);
}

static bool place_add(Place *p, const Place *q)
{
    bool ok = true;
    p->base += q->base;
    for (int k = 0; k < MAX_IDS; k++) {
        p->coef[k] += q->coef[k];
        ok = ok && !too_large(p->coef[k]);
    }
    return ok && !too_large(p->base);
}

static bool place_constant(const Place *p)
{
    for (int k = 0; k < MAX_IDS; k++)
        if (p->coef[k] != 0)
            return false;
    return true;
}

typedef enum { PLACE_OK, PLACE_LOOKUP, PLACE_BAD } PlaceKind;

static PlaceKind place_of(Frame *fr, const IndexEnv *env, Expr *e, Place *out);

static PlaceKind place_error(Frame *fr, const Expr *e, const char *what)
{
    fail(fr, e->span, "%s: %s", span_text(fr->f, e->span), what);
    hint(fr, "a place is a sum of index variables times whole numbers, such as 2 * i + k - 1");
    return PLACE_BAD;
}

static PlaceKind place_binary(Frame *fr, const IndexEnv *env, Expr *e, Place *out)
{
    Place b;
    PlaceKind ka = place_of(fr, env, e->a, out);
    PlaceKind kb = ka == PLACE_OK ? place_of(fr, env, e->b, &b) : ka;
    if (kb != PLACE_OK)
        return kb;
    bool ok = true;
    if (e->op == OP_MUL) {
        if (!place_constant(out) && !place_constant(&b))
            return place_error(fr, e, "a product of index variables cannot be a place");
        Place *variable = place_constant(out) ? &b : out;
        int64_t by = place_constant(out) ? out->base : b.base;
        ok = place_scale(variable, by);
        *out = *variable;
    } else {
        if (e->op == OP_SUB)
            ok = place_scale(&b, -1);
        ok = place_add(out, &b) && ok;
    }
    return ok ? PLACE_OK : place_error(fr, e, "these numbers are too large");
}

static PlaceKind place_of(Frame *fr, const IndexEnv *env, Expr *e, Place *out)
{
    *out = (Place){0};
    if (e->kind == E_NAME && env_find(env, e->text) >= 0) {
        out->coef[env_find(env, e->text)] = 1;
        return PLACE_OK;
    }
    if (!env_mentions(env, e)) {
        Value v = eval(fr, e);
        if (v.kind == V_TENSOR)
            return PLACE_LOOKUP;
        if (v.kind == V_INT && !too_large(v.i)) {
            out->base = v.i;
            return PLACE_OK;
        }
        return is_bad(v) ? PLACE_BAD : place_error(fr, e, PRINTF(fr, "%s is no place", value_what(fr->f, v)));
    }
    if (e->kind == E_BINARY && (e->op == OP_ADD || e->op == OP_SUB || e->op == OP_MUL))
        return place_binary(fr, env, e, out);
    if (e->kind == E_UNARY && e->op == OP_NEG) {
        PlaceKind k = place_of(fr, env, e->a, out);
        return k == PLACE_OK && !place_scale(out, -1) ? PLACE_BAD : k;
    }
    if (e->kind == E_INDEX || e->kind == E_CALL || e->kind == E_PIPE)
        return PLACE_LOOKUP;
    return place_error(fr, e, "index variables cannot be used like this");
}

/* ---- collecting ---- */

static bool collect(Frame *fr, IndexEnv *env, Expr *e);

/* `...` in this read stands for as many dimensions as everywhere else. */
static bool rest_count(Frame *fr, IndexEnv *env, const Read *r, int fixed, Span at)
{
    int n = r->rank - fixed;
    if (n < 0)
        return true; /* said by the caller */
    if (env->n_rest >= 0 && env->n_rest != n) {
        fail(fr, at, "`...` stands for %d dimension%s of %s here, but for %d elsewhere", n, n == 1 ? "" : "s",
             r->name, env->n_rest);
        return false;
    }
    return true;
}

static bool read_places(Frame *fr, IndexEnv *env, Read *r, Expr *e)
{
    int rest = -1, d = 0;
    for (int i = 0; i < e->n_indices; i++)
        if (e->indices[i].kind == IX_REST)
            rest = i;
    int fixed = e->n_indices - (rest >= 0);
    if (rest >= 0 && !rest_count(fr, env, r, fixed, e->indices[rest].span))
        return false;
    if (rest >= 0 ? r->rank < fixed : r->rank != fixed) {
        fail(fr, e->span, "%s is %s, but %d %s used", r->name, type_text(fr->f->arena, &r->node->type), fixed,
             fixed == 1 ? "index is" : "indices are");
        return false;
    }
    for (int i = 0; i < e->n_indices; i++) {
        const Index *ix = &e->indices[i];
        if (ix->kind == IX_SLICE) {
            fail(fr, ix->span, "a slice inside index notation");
            hint(fr, "slice first, then index: s = x[:, 0:4]");
            return false;
        }
        for (int k = 0; ix->kind == IX_REST && k < r->rank - fixed; k++, d++) {
            r->dim[d].coef[env->rest + k] = 1;
            r->at[d] = ix->span;
        }
        if (ix->kind == IX_REST)
            continue;
        PlaceKind kind = place_of(fr, env, ix->expr, &r->dim[d]);
        if (kind == PLACE_BAD)
            return false;
        if (kind == PLACE_LOOKUP) {
            r->dim[d] = (Place){0};
            r->lookup[d] = ix->expr;
            if (!collect(fr, env, ix->expr))
                return false;
        }
        r->at[d++] = ix->span;
    }
    return true;
}

static bool collect_read(Frame *fr, IndexEnv *env, Expr *e)
{
    Read *r = ARENA_NEW(fr->f->arena, Read);
    Value v = eval(fr, e->a);
    r->expr = e;
    r->name = span_text(fr->f, e->a->span);
    r->node = node_of(fr, v, DT_F32, e->a->span);
    if (!r->node)
        return false;
    r->rank = r->node->type.rank;
    if (!read_places(fr, env, r, e))
        return false;
    VEC_PUSH(fr->f->arena, &env->reads, r);
    return true;
}

static bool collect_reduce(Frame *fr, IndexEnv *env, Expr *e)
{
    Reduce *r = ARENA_NEW(fr->f->arena, Reduce);
    int outer = env->n_scope;
    r->expr = e;
    if (e->n_names > MAX_RANK) {
        fail(fr, e->span, "%s over more than %d indices", e->text, MAX_RANK);
        return false;
    }
    for (int i = 0; i < e->n_names; i++) {
        int id = add_id(fr, env, e->names[i].name, e->names[i].span);
        if (id < 0 || !enter(fr, env, e->names[i].name, id, e->names[i].span))
            return false;
        r->id[r->n++] = id;
    }
    VEC_PUSH(fr->f->arena, &env->reduces, r);
    bool ok = collect(fr, env, e->a);
    env->n_scope = outer;
    return ok;
}

static bool collect(Frame *fr, IndexEnv *env, Expr *e)
{
    if (!e)
        return true;
    if (!env_mentions(env, e)) /* a value of its own: evaluated as such */
        return true;
    if (e->kind == E_REDUCE)
        return collect_reduce(fr, env, e);
    if (e->kind == E_INDEX)
        return collect_read(fr, env, e);
    bool ok = collect(fr, env, e->a) && collect(fr, env, e->b);
    for (int i = 0; i < e->n_args && ok; i++)
        ok = collect(fr, env, e->args[i].value);
    for (int i = 0; i < e->n_items && ok; i++)
        ok = collect(fr, env, e->items[i]);
    const Block *blocks[2] = { e->block, e->else_block };
    for (int k = 0; k < 2; k++)
        for (int i = 0; blocks[k] && i < blocks[k]->n_stmts && ok; i++)
            ok = collect(fr, env, blocks[k]->stmts[i]->value);
    return ok;
}

/* How many dimensions `...` stands for: what is left of the first tensor read with it. */
typedef struct {
    Frame *fr;
    int n;
} RestSearch;

static bool find_rest(void *user, const Expr *e)
{
    RestSearch *s = user;
    bool has = false;
    for (int i = 0; e->kind == E_INDEX && i < e->n_indices; i++)
        has = has || e->indices[i].kind == IX_REST;
    if (!has)
        return false;
    Value v = eval(s->fr, e->a);
    s->n = v.kind == V_TENSOR ? v.node->type.rank - (e->n_indices - 1) : -1;
    if (s->n < 0 && v.kind == V_TENSOR)
        fail(s->fr, e->span, "%s is %s, but %d indices are used", span_text(s->fr->f, e->a->span),
             type_text(s->fr->f->arena, &v.node->type), e->n_indices - 1);
    return true;
}

/* ---- extents ---- */

static bool set_extent(Frame *fr, IndexEnv *env, int id, int64_t extent, Span at, const char *from)
{
    if (env->extent[id] == 0) {
        env->extent[id] = extent;
        env->at[id] = at;
        env->from[id] = from;
        return true;
    }
    if (env->extent[id] == extent)
        return true;
    fail(fr, at, "the index %s runs over %lld in %s, but over %lld in %s", env->name[id], (long long)extent, from,
         (long long)env->extent[id], env->from[id]);
    hint_at(fr, env->at[id], "%lld comes from here", (long long)env->extent[id]);
    return false;
}

static bool bare_extents(Frame *fr, IndexEnv *env)
{
    for (int i = 0; i < env->reads.len; i++) {
        Read *r = env->reads.data[i];
        for (int d = 0; d < r->rank; d++) {
            int id = r->lookup[d] ? -1 : place_bare(env, &r->dim[d]);
            if (id >= 0 && !set_extent(fr, env, id, r->node->type.dim[d], r->at[d],
                                       PRINTF(fr, "%s: %s", r->name, type_text(fr->f->arena, &r->node->type))))
                return false;
        }
    }
    return true;
}

static void range_of(const IndexEnv *env, const Place *p, int skip, int64_t *lo, int64_t *hi)
{
    *lo = *hi = p->base;
    for (int k = 0; k < env->n; k++) {
        int64_t reach = k == skip ? 0 : p->coef[k] * (env->extent[k] - 1);
        *(reach < 0 ? lo : hi) += reach;
    }
}

/* The largest extent of the one unknown index with which the place stays inside; 0: not this one. */
static int64_t solve_place(const IndexEnv *env, const Place *p, int64_t size, int *id)
{
    *id = -1;
    for (int k = 0; k < env->n; k++)
        if (p->coef[k] != 0 && env->extent[k] == 0) {
            if (*id >= 0)
                return 0;
            *id = k;
        }
    if (*id < 0)
        return 0;
    int64_t lo, hi, c = p->coef[*id];
    range_of(env, p, *id, &lo, &hi);
    int64_t room = c > 0 ? size - 1 - hi : lo;
    return room < 0 ? 0 : room / (c > 0 ? c : -c) + 1;
}

static void solve_extents(Frame *fr, IndexEnv *env)
{
    for (bool changed = true; changed;) {
        int64_t best[MAX_IDS] = {0};
        Read *from[MAX_IDS] = {0};
        changed = false;
        for (int i = 0; i < env->reads.len; i++) {
            Read *r = env->reads.data[i];
            for (int d = 0; d < r->rank; d++) {
                int id;
                int64_t e = r->lookup[d] ? 0 : solve_place(env, &r->dim[d], r->node->type.dim[d], &id);
                if (e > 0 && (best[id] == 0 || e < best[id])) {
                    best[id] = e;
                    from[id] = r;
                }
            }
        }
        for (int k = 0; k < env->n; k++)
            if (best[k] > 0) {
                env->extent[k] = best[k];
                env->at[k] = from[k]->expr->span;
                env->from[k] = from[k]->name;
                changed = true;
            }
    }
    (void)fr;
}

static bool check_reads(Frame *fr, IndexEnv *env)
{
    for (int k = 0; k < env->n; k++)
        if (env->extent[k] == 0) {
            fail(fr, env->at[k], "nothing says how far the index %s runs", env->name[k]);
            hint(fr, "read a tensor with %s alone in a place, or declare the shape on the left: y[i, j]: f32[3, 4] = ...",
                 env->name[k]);
            return false;
        }
    for (int i = 0; i < env->reads.len; i++) {
        Read *r = env->reads.data[i];
        for (int d = 0; d < r->rank; d++) {
            int64_t lo, hi, size = r->node->type.dim[d];
            range_of(env, &r->dim[d], -1, &lo, &hi);
            if (r->lookup[d] || (lo >= 0 && hi < size))
                continue;
            fail(fr, r->at[d], "%s is read at places %lld to %lld of dimension %d, which has %lld", r->name,
                 (long long)lo, (long long)hi, d, (long long)size);
            for (int k = 0; k < env->n; k++)
                if (r->dim[d].coef[k])
                    hint(fr, "the index %s runs from 0 to %lld", env->name[k], (long long)env->extent[k] - 1);
            hint(fr, "pad(%s, ...) makes room at the borders", r->name);
            return false;
        }
    }
    return true;
}

/* Extents from `y[n, o]: f32[N, O] = ...`, where its dims are known. */
static bool declared_extents(Frame *fr, IndexEnv *env, const TypeExpr *t)
{
    int rest = -1;
    for (int i = 0; i < t->n_dims; i++)
        if (t->dims[i].rest)
            rest = i;
    int fixed = t->n_dims - (rest >= 0), spare = env->n_left - fixed;
    if (spare < 0 || (rest < 0 && spare != 0)) {
        fail(fr, t->span, "%s has %d dimensions, but there are %d indices on the left", span_text(fr->f, t->span),
             t->n_dims, env->n_left);
        return false;
    }
    for (int i = 0, id = 0; i < t->n_dims; i++) {
        const Dim *d = &t->dims[i];
        int64_t extent;
        if (d->rest) {
            id += spare;
            continue;
        }
        if (expr_is_known(fr, d->expr)) {
            if (!dim_value(fr, d->expr, &extent) ||
                !set_extent(fr, env, id, extent, d->span, PRINTF(fr, "the type %s", span_text(fr->f, t->span))))
                return false;
        }
        id++;
    }
    return true;
}

/* ---- the statement ---- */

static bool left_ids(Frame *fr, IndexEnv *env, const Index *indices, int n)
{
    for (int i = 0; i < n; i++) {
        const Index *ix = &indices[i];
        if (ix->kind == IX_REST) {
            env->rest = env->n;
            for (int k = 0; k < env->n_rest; k++)
                if (add_id(fr, env, PRINTF(fr, "_%d", k), ix->span) < 0)
                    return false;
            continue;
        }
        if (ix->kind != IX_EXPR || ix->expr->kind != E_NAME) {
            fail(fr, ix->span, "on the left of `=` stand index names, as in y[n, o]");
            return false;
        }
        if (env_find(env, ix->expr->text) >= 0) {
            fail(fr, ix->span, "the index %s stands twice on the left", ix->expr->text);
            return false;
        }
        int id = add_id(fr, env, ix->expr->text, ix->span);
        if (id < 0 || !enter(fr, env, ix->expr->text, id, ix->span))
            return false;
    }
    env->n_left = env->n;
    if (env->n_left > MAX_RANK) {
        fail(fr, indices[0].span, "a tensor of %d dimensions: at most %d are possible", env->n_left, MAX_RANK);
        return false;
    }
    return true;
}

static bool env_prepare(Frame *fr, IndexEnv *env, const Index *left, int n_left, const TypeExpr *type, Expr *right)
{
    RestSearch search = { fr, 0 };
    walk_expr(right, &(Walker){ find_rest, NULL, &search });
    if (search.n < 0)
        return false;
    env->n_rest = search.n;
    if (!left_ids(fr, env, left, n_left))
        return false;
    if (right->kind == E_REDUCE ? !collect_reduce(fr, env, right) : !collect(fr, env, right))
        return false;
    if (!bare_extents(fr, env) || (type && !declared_extents(fr, env, type)))
        return false;
    solve_extents(fr, env);
    return check_reads(fr, env);
}

static Value run_indexed(Frame *fr, IndexEnv *env, Expr *right, Span at)
{
    IndexEnv *outer = fr->index;
    int ids[MAX_RANK];
    fr->index = env;
    Indexed v = right->kind == E_REDUCE ? index_reduce(fr, right) : index_eval(fr, right);
    Node *n = NULL;
    for (int i = 0; i < env->n_left; i++)
        ids[i] = i;
    if (v.ok)
        n = index_spread(fr, &v, ids, env->n_left, at);
    fr->index = outer;
    return n ? tensor_value(fr, n) : value_bad();
}

void stmt_indexed(Frame *fr, Stmt *s)
{
    const Target *t = &s->targets[0];
    IndexEnv env = { .n_rest = -1 };
    Value v = value_bad();
    if (s->n_targets != 1)
        fail(fr, s->span, "index notation binds one name");
    else if (!fr->gen)
        fail(fr, s->span, "index notation makes a tensor: there are none at the top level");
    else if (env_prepare(fr, &env, t->indices, t->n_indices, t->type, s->value))
        v = run_indexed(fr, &env, s->value, s->value->span);
    if (t->type)
        v = type_match(fr, t->type, v, t->name.name, s->value->span);
    scope_assign(fr->f, fr->scope, t->name.name, v, t->name.span);
}

/* sum(i) x[i] * y[i] outside an indexed statement: a scalar, or what `...` stands for. */
Value eval_reduce(Frame *fr, Expr *e)
{
    IndexEnv env = { .n_rest = -1 };
    Index rest = { .kind = IX_REST, .span = e->span };
    if (!fr->gen)
        return fail(fr, e->span, "%s of tensors: there are none at the top level", e->text);
    if (!env_prepare(fr, &env, &rest, 1, NULL, e))
        return value_bad();
    return run_indexed(fr, &env, e, e->span);
}
