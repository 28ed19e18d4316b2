/* Index notation: evaluation. Every value is a tensor whose dimensions are index variables, sorted by
 * number; operands are spread over the union of their variables, then the ordinary operators work. */
#include "front/index.h"

#include <string.h>

Indexed index_node(Node *node, const int *id, int n)
{
    Indexed v = { .ok = node != NULL, .fixed = value_none(), .node = node, .n = n };
    for (int i = 0; i < n; i++)
        v.id[i] = id[i];
    return v;
}

static Indexed index_fixed(Value v) { return (Indexed){ .ok = !is_bad(v), .fixed = v }; }

Node *index_spread(Frame *fr, const Indexed *v, const int *id, int n, Span at)
{
    const IndexEnv *env = fr->index;
    int64_t dim[MAX_RANK], axes[MAX_RANK];
    int k = 0;
    Node *node = v->fixed.kind == V_NONE ? v->node : node_of(fr, v->fixed, DT_F32, at);
    if (!node)
        return NULL;
    for (int i = 0; i < n; i++) {
        dim[i] = env->extent[id[i]];
        if (k < v->n && v->id[k] == id[i])
            axes[k++] = i;
    }
    if (k < v->n) {
        fail(fr, at, "the index %s stands on the right only, and no sum is over it", env->name[v->id[k]]);
        return NULL;
    }
    if (k == n)
        return node;
    if (!shape_check(fr, at, dim, n))
        return NULL;
    place(fr, at);
    return build_broadcast(fr->gen->g, node, n, dim, axes);
}

/* Union of the ids of several values, sorted. false when it is too long for a tensor. */
static bool union_ids(Frame *fr, const Indexed *v, int n, int *id, int *n_id, Span at)
{
    bool used[MAX_IDS] = {0};
    *n_id = 0;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < v[i].n; k++)
            used[v[i].id[k]] = true;
    for (int k = 0; k < MAX_IDS; k++) {
        if (!used[k])
            continue;
        if (*n_id == MAX_RANK) {
            fail(fr, at, "this depends on more than %d indices at once", MAX_RANK);
            return false;
        }
        id[(*n_id)++] = k;
    }
    return true;
}

/* ---- reads ---- */

/* The dimension whose place depends on data, -1 when there is none, -2 when there are several. */
static int lookup_dim(Frame *fr, const Read *r)
{
    int found = -1;
    for (int d = 0; d < r->rank; d++) {
        if (!r->lookup[d])
            continue;
        if (found >= 0) {
            fail(fr, r->at[d], "two places of %s depend on data", r->name);
            hint(fr, "take one at a time: rows[n, j] = %s[a[n], j], then rows[n, b[n]]", r->name);
            return -2;
        }
        found = d;
    }
    return found;
}

/* The i32 positions of a looked-up place. */
static bool lookup_rows(Frame *fr, Read *r, int d, Indexed *rows)
{
    *rows = index_eval(fr, r->lookup[d]);
    if (!rows->ok)
        return false;
    if (rows->fixed.kind != V_NONE) {
        rows->node = node_of(fr, rows->fixed, DT_I32, r->at[d]);
        rows->fixed = value_none();
    }
    if (!rows->node)
        return false;
    if (rows->node->type.dtype == DT_I32)
        return true;
    fail(fr, r->at[d], "a place is %s, but places are i32", type_text(fr->f->arena, &rows->node->type));
    hint(fr, "cast(x, i32) converts");
    return false;
}

static void read_bare(Read *r, Node *node, const int *id, int n)
{
    r->node = node;
    r->rank = n;
    for (int d = 0; d < n; d++) {
        r->dim[d] = (Place){0};
        r->dim[d].coef[id[d]] = 1;
        r->lookup[d] = NULL;
        r->at[d] = r->expr->span;
    }
}

/* t[label[n], j]: whole rows, when their variables are none of those read beside them. */
static bool lookup_gather(Frame *fr, Read *r, const Indexed *rows)
{
    Node *n = add_node(fr, &op_gather, (Node *[]){ r->node, rows->node }, 2, NULL, r->expr->span);
    if (!n)
        return false;
    Read fresh = *r;
    read_bare(&fresh, n, rows->id, rows->n);
    fresh.rank = n->type.rank;
    for (int d = 1; d < r->rank; d++) {
        fresh.dim[rows->n + d - 1] = r->dim[d];
        fresh.lookup[rows->n + d - 1] = NULL;
        fresh.at[rows->n + d - 1] = r->at[d];
    }
    *r = fresh;
    return true;
}

/* p[n, label[n]]: the looked-up dimension becomes the last one, and one element of it is taken. */
static bool lookup_along(Frame *fr, Read *r, int d, const Indexed *rows)
{
    IndexEnv *env = fr->index;
    Graph *g = fr->gen->g;
    if (env->n == MAX_IDS) {
        fail(fr, r->at[d], "more than %d index variables", MAX_IDS);
        return false;
    }
    int last = env->n++, id[MAX_RANK + 1], n;
    env->name[last] = "row";
    env->extent[last] = r->node->type.dim[d];
    Read table = *r;
    table.lookup[d] = NULL;
    table.dim[d] = (Place){0};
    table.dim[d].coef[last] = 1;
    Indexed parts[2] = { index_of_read(fr, &table), *rows };
    bool ok = parts[0].ok && union_ids(fr, parts, 2, id, &n, r->at[d]); /* `last` is the highest id */
    Node *x = ok ? index_spread(fr, &parts[0], id, n, r->at[d]) : NULL;
    Node *at = x ? index_spread(fr, rows, id, n - 1, r->at[d]) : NULL;
    env->n--;
    if (!at)
        return false;
    int64_t dim[MAX_RANK];
    memcpy(dim, at->type.dim, sizeof dim);
    dim[n - 1] = 1;
    at = build_reshape(g, at, n, dim);
    Node *taken = add_node(fr, &op_take_along, (Node *[]){ x, at }, 2, &(Attr){ .i = n - 1 }, r->expr->span);
    if (!taken)
        return false;
    read_bare(r, build_reshape(g, taken, n - 1, dim), id, n - 1);
    return true;
}

bool index_lookup(Frame *fr, Read *r)
{
    Indexed rows;
    int d = lookup_dim(fr, r);
    if (d < 0)
        return d == -1;
    if (!lookup_rows(fr, r, d, &rows))
        return false;
    bool apart = d == 0;
    for (int k = 1; k < r->rank && apart; k++)
        for (int i = 0; i < rows.n && apart; i++)
            apart = !place_uses(&r->dim[k], rows.id[i]);
    return apart ? lookup_gather(fr, r, &rows) : lookup_along(fr, r, d, &rows);
}

/* The one variable of each dimension (-1: constant); false when slices and a transpose will not do. */
static bool simple_read(const IndexEnv *env, const Read *r, int *id)
{
    bool seen[MAX_IDS] = {0};
    for (int d = 0; d < r->rank; d++) {
        id[d] = -1;
        for (int k = 0; k < env->n; k++) {
            if (r->dim[d].coef[k] == 0)
                continue;
            if (id[d] >= 0 || r->dim[d].coef[k] < 0 || seen[k])
                return false;
            id[d] = k;
            seen[k] = true;
        }
    }
    return true;
}

bool index_is_slice(const IndexEnv *env, const Read *r)
{
    int id[MAX_RANK];
    return simple_read(env, r, id);
}

static Node *slice_read(Frame *fr, const Read *r, const int *id)
{
    const IndexEnv *env = fr->index;
    int64_t start[MAX_RANK], stop[MAX_RANK], step[MAX_RANK], dim[MAX_RANK];
    bool whole = true;
    int rank = 0;
    for (int d = 0; d < r->rank; d++) {
        int64_t c = id[d] < 0 ? 1 : r->dim[d].coef[id[d]], e = id[d] < 0 ? 1 : env->extent[id[d]];
        start[d] = r->dim[d].base;
        stop[d] = start[d] + c * (e - 1) + 1;
        step[d] = c;
        whole = whole && start[d] == 0 && stop[d] == r->node->type.dim[d] && c == 1;
        if (id[d] >= 0)
            dim[rank++] = e;
    }
    Node *n = whole ? r->node : build_slice(fr->gen->g, r->node, start, stop, step);
    return rank == r->rank ? n : build_reshape(fr->gen->g, n, rank, dim);
}

Indexed index_of_read(Frame *fr, Read *r)
{
    const IndexEnv *env = fr->index;
    int id[MAX_RANK], kept[MAX_RANK], n = 0;
    int64_t perm[MAX_RANK];
    if (!index_lookup(fr, r))
        return index_bad();
    place(fr, r->expr->span);
    if (!simple_read(env, r, id)) {
        bool used[MAX_IDS] = {0};
        for (int d = 0; d < r->rank; d++)
            for (int k = 0; k < env->n; k++)
                used[k] = used[k] || r->dim[d].coef[k] != 0;
        for (int k = 0; k < env->n; k++)
            if (used[k] && n < MAX_RANK)
                kept[n++] = k;
        return index_node(index_contract_read(fr, r, kept, n, r->expr->span), kept, n);
    }
    Node *node = slice_read(fr, r, id);
    for (int d = 0; d < r->rank; d++)
        if (id[d] >= 0)
            kept[n++] = id[d];
    for (int i = 0; i < n; i++) { /* perm: positions in order of their ids */
        perm[i] = 0;
        for (int a = 0; a < n; a++) {
            int before = 0;
            for (int b = 0; b < n; b++)
                before += kept[b] < kept[a];
            if (before == i)
                perm[i] = a;
        }
    }
    int sorted[MAX_RANK];
    bool moved = false;
    for (int i = 0; i < n; i++) {
        sorted[i] = kept[perm[i]];
        moved = moved || perm[i] != i;
    }
    if (moved)
        node = build_transpose(fr->gen->g, node, perm);
    return index_node(node, sorted, n);
}

/* ---- operators and calls ---- */

static Value spread_value(Frame *fr, const Indexed *v, const int *id, int n, Span at)
{
    if (v->fixed.kind != V_NONE)
        return v->fixed;
    Node *node = index_spread(fr, v, id, n, at);
    return tensor_value(fr, node);
}

/* The result of an elementwise computation over the variables id. */
static Indexed elementwise(Frame *fr, Value v, const int *id, int n, const char *what, Span at)
{
    const IndexEnv *env = fr->index;
    if (is_bad(v))
        return index_bad();
    if (v.kind != V_TENSOR)
        return index_fixed(v);
    if (v.node->type.rank == 0)
        return index_node(v.node, id, 0);
    bool fits = v.node->type.rank == n;
    for (int i = 0; i < n && fits; i++)
        fits = v.node->type.dim[i] == env->extent[id[i]];
    if (fits)
        return index_node(v.node, id, n);
    fail(fr, at, "%s does not work element by element, so it cannot stand inside index notation", what);
    return index_bad();
}

static Indexed eval_binary_ix(Frame *fr, Expr *e)
{
    Indexed v[2] = { index_eval(fr, e->a), index_eval(fr, e->b) };
    int id[MAX_RANK], n;
    if (!v[0].ok || !v[1].ok || !union_ids(fr, v, 2, id, &n, e->span))
        return index_bad();
    Value a = spread_value(fr, &v[0], id, n, e->span), b = spread_value(fr, &v[1], id, n, e->span);
    return elementwise(fr, arith_binary(fr, e->op, a, b, e->span), id, n, op_text(e->op), e->span);
}

static Indexed eval_unary_ix(Frame *fr, Expr *e)
{
    Indexed v = index_eval(fr, e->a);
    if (!v.ok)
        return v;
    Value a = v.fixed.kind == V_NONE ? tensor_value(fr, v.node) : v.fixed;
    return elementwise(fr, arith_unary(fr, e->op, a, e->span), v.id, v.n, op_text(e->op), e->span);
}

/* What a function made may not mix elements: softmax of x[n, i] would not be that of one element. */
static bool made_elementwise(const Graph *g, int first)
{
    for (int i = first; i < g->nodes.len; i++) {
        const OpDef *op = g->nodes.data[i]->op;
        if (!(op->flags & (OP_ELEMENTWISE | OP_LEAF)) && op != &op_broadcast && op != &op_reshape && op != &op_stop_grad)
            return false;
    }
    return true;
}

static Indexed eval_call_ix(Frame *fr, Expr *e)
{
    Expr *call = e->kind == E_PIPE ? e->b : e;
    Expr *callee_expr = call->kind == E_CALL ? call->a : call;
    int n_own = call->kind == E_CALL ? call->n_args : 0, n_args = 0, id[MAX_RANK], n;
    Indexed *v = ARENA_ARRAY(fr->f->arena, Indexed, n_own + 1);
    CallArg *args = ARENA_ARRAY(fr->f->arena, CallArg, n_own + 1);
    if (e->kind == E_PIPE) {
        v[n_args] = index_eval(fr, e->a);
        args[n_args++] = (CallArg){ .at = e->a->span };
    }
    for (int i = 0; i < n_own; i++) {
        const Arg *a = &call->args[i];
        v[n_args] = env_mentions(fr->index, a->value) ? index_eval(fr, a->value)
                                                      : index_fixed(eval(fr, a->value));
        args[n_args++] = (CallArg){ .at = a->value->span, .name = a->name, .name_at = a->name_span };
    }
    for (int i = 0; i < n_args; i++)
        if (!v[i].ok)
            return index_bad();
    if (!union_ids(fr, v, n_args, id, &n, e->span))
        return index_bad();
    for (int i = 0; i < n_args; i++)
        args[i].v = spread_value(fr, &v[i], id, n, args[i].at);
    Value callee = eval_callee(fr, callee_expr);
    int made = fr->gen->g->nodes.len;
    Value r = call_value(fr, callee, args, n_args, e->span, NULL);
    if (!is_bad(r) && !made_elementwise(fr->gen->g, made)) {
        fail(fr, e->span, "%s does not work element by element, so it cannot stand inside index notation",
             span_text(fr->f, callee_expr->span));
        hint(fr, "apply it to the whole tensor, before or behind");
        return index_bad();
    }
    return elementwise(fr, r, id, n, span_text(fr->f, callee_expr->span), e->span);
}

static Indexed eval_if_ix(Frame *fr, Expr *e)
{
    bool cond;
    if (!eval_static_bool(fr, e->a, &cond, "a condition of `if`"))
        return index_bad();
    const Block *b = cond ? e->block : e->else_block;
    if (!cond && !b && e->b)
        return index_eval(fr, e->b);
    if (b && b->n_stmts == 1 && b->stmts[0]->kind == S_EXPR)
        return index_eval(fr, b->stmts[0]->value);
    fail(fr, e->span, "inside index notation each branch of `if` is one expression");
    return index_bad();
}

static Indexed eval_variable(Frame *fr, const Expr *e)
{
    int id = env_find(fr->index, e->text);
    int64_t extent = fr->index->extent[id];
    place(fr, e->span);
    return index_node(build_iota(fr->gen->g, 1, &extent, 0), &id, 1);
}

static Indexed eval_plain(Frame *fr, Expr *e)
{
    Value v = eval(fr, e);
    if (v.kind != V_TENSOR)
        return index_fixed(v);
    Node *n = node_of(fr, v, DT_F32, e->span);
    if (!n)
        return index_bad();
    if (n->type.rank == 0)
        return index_node(n, NULL, 0);
    fail(fr, e->span, "%s is %s, and stands without indices inside index notation", span_text(fr->f, e->span),
         type_text(fr->f->arena, &n->type));
    hint(fr, "write its places: %s[i, ...]", span_text(fr->f, e->span));
    return index_bad();
}

Indexed index_eval(Frame *fr, Expr *e)
{
    if (!spend(fr, e->span))
        return index_bad();
    if (!env_mentions(fr->index, e))
        return eval_plain(fr, e);
    switch (e->kind) {
    case E_REDUCE: return index_reduce(fr, e);
    case E_INDEX: {
        Read *r = env_read(fr->index, e);
        return r ? index_of_read(fr, r) : eval_plain(fr, e);
    }
    case E_NAME: return eval_variable(fr, e);
    case E_BINARY: return eval_binary_ix(fr, e);
    case E_UNARY: return eval_unary_ix(fr, e);
    case E_CALL:
    case E_PIPE: return eval_call_ix(fr, e);
    case E_IF: return eval_if_ix(fr, e);
    default:
        fail(fr, e->span, "this cannot stand inside index notation");
        return index_bad();
    }
}
