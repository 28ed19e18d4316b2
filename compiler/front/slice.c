/* Brackets outside index notation (slices, positions, rows by an i32 tensor) and members. */
#include "front/elab.h"

#include <string.h>

/* A position counted from the end when negative. */
static bool position(Frame *fr, Expr *e, int64_t size, int64_t *out)
{
    if (!eval_static_int(fr, e, out, "a position"))
        return false;
    int64_t given = *out;
    if (*out < 0)
        *out += size;
    if (*out < 0 || *out >= size) {
        fail(fr, e->span, "position %lld in a dimension of %lld", (long long)given, (long long)size);
        return false;
    }
    return true;
}

/* One end of a slice; beyond the end is the end, as in Python. */
static bool slice_end(Frame *fr, Expr *e, int64_t size, int64_t otherwise, int64_t *out)
{
    *out = otherwise;
    if (!e)
        return true;
    if (!eval_static_int(fr, e, out, "the end of a slice"))
        return false;
    if (*out < 0)
        *out += size;
    if (*out < 0)
        *out = 0;
    if (*out > size)
        *out = size;
    return true;
}

static bool slice_bounds(Frame *fr, const Index *ix, int64_t size, int64_t *start, int64_t *stop, int64_t *step)
{
    *step = 1;
    if (!slice_end(fr, ix->expr, size, 0, start) || !slice_end(fr, ix->stop, size, size, stop))
        return false;
    if (ix->step && !eval_static_int(fr, ix->step, step, "the step of a slice"))
        return false;
    if (*step < 1) {
        fail(fr, ix->step->span, "the step of a slice is %lld: it must be 1 or more", (long long)*step);
        hint(fr, "reverse(x, axis = ...) turns a tensor around");
        return false;
    }
    return true;
}

static Value index_list(Frame *fr, Expr *e, Value v)
{
    if (e->n_indices != 1 || e->indices[0].kind == IX_REST)
        return fail(fr, e->span, "a list has one position");
    const Index *ix = &e->indices[0];
    int64_t start, stop, step;
    if (ix->kind == IX_EXPR)
        return position(fr, ix->expr, v.n, &start) ? v.items[start] : value_bad();
    if (!slice_bounds(fr, ix, v.n, &start, &stop, &step))
        return value_bad();
    if (!spend_many(fr, v.n, e->span))
        return value_bad();
    Value r = { .kind = v.kind, .items = ARENA_ARRAY(fr->f->arena, Value, v.n + 1) };
    for (int64_t i = start; i < stop; i += step)
        ((Value *)r.items)[r.n++] = v.items[i];
    return r;
}

typedef struct {
    int64_t start[MAX_RANK], stop[MAX_RANK], step[MAX_RANK];
    bool drop[MAX_RANK];
    bool whole; /* nothing is cut */
} Cut;

/* Places in brackets to dimensions: `...` stands for what is left. false when reported. */
static bool cut_place(Frame *fr, const Index *ix, const Type *t, int d, Cut *cut)
{
    cut->step[d] = 1;
    if (ix->kind == IX_EXPR) {
        if (!position(fr, ix->expr, t->dim[d], &cut->start[d]))
            return false;
        cut->stop[d] = cut->start[d] + 1;
        cut->drop[d] = true;
    } else if (!slice_bounds(fr, ix, t->dim[d], &cut->start[d], &cut->stop[d], &cut->step[d])) {
        return false;
    } else if (cut->start[d] >= cut->stop[d]) {
        fail(fr, ix->span, "this slice of a dimension of %lld is empty", (long long)t->dim[d]);
        return false;
    }
    cut->whole = cut->whole && cut->start[d] == 0 && cut->stop[d] == t->dim[d] && cut->step[d] == 1;
    return true;
}

static bool cut_make(Frame *fr, Expr *e, const Type *t, Cut *cut)
{
    int rest = -1, n = e->n_indices;
    for (int i = 0; i < n; i++)
        if (e->indices[i].kind == IX_REST) {
            if (rest >= 0) {
                fail(fr, e->indices[i].span, "`...` can stand once");
                return false;
            }
            rest = i;
        }
    int fixed = n - (rest >= 0);
    if (fixed > t->rank) {
        fail(fr, e->span, "%d positions for a tensor %s", fixed, type_text(fr->f->arena, t));
        return false;
    }
    *cut = (Cut){ .whole = true };
    int after = rest >= 0 ? n - rest - 1 : 0, before = rest >= 0 ? rest : n;
    for (int d = 0; d < t->rank; d++) {
        cut->stop[d] = t->dim[d];
        cut->step[d] = 1;
        const Index *ix = d < before ? &e->indices[d]
                        : d >= t->rank - after ? &e->indices[n - (t->rank - d)] : NULL;
        if (ix && !cut_place(fr, ix, t, d, cut))
            return false;
    }
    return true;
}

static Value index_rows(Frame *fr, Expr *e, Node *x, Value rows)
{
    Node *index = node_of(fr, rows, DT_I32, e->span);
    if (!index)
        return value_bad();
    for (int i = 1; i < e->n_indices; i++) {
        const Index *ix = &e->indices[i];
        if (ix->kind != IX_REST && !(ix->kind == IX_SLICE && !ix->expr && !ix->stop && !ix->step))
            return fail(fr, ix->span, "behind a tensor of rows only `:` and `...` can stand");
    }
    return tensor_value(fr, add_node(fr, &op_gather, (Node *[]){ x, index }, 2, NULL, e->span));
}

static Value index_tensor(Frame *fr, Expr *e, Value v)
{
    Node *x = node_of(fr, v, DT_F32, e->span);
    if (!x)
        return value_bad();
    if (e->n_indices > 0 && e->indices[0].kind == IX_EXPR) {
        Value first = eval(fr, e->indices[0].expr);
        if (is_bad(first))
            return first;
        if (first.kind == V_TENSOR)
            return index_rows(fr, e, x, first);
    }
    Cut cut;
    if (!cut_make(fr, e, &x->type, &cut))
        return value_bad();
    Graph *g = fr->gen->g;
    place(fr, e->span);
    Node *r = cut.whole ? x : build_slice(g, x, cut.start, cut.stop, cut.step);
    int64_t dim[MAX_RANK];
    int rank = 0;
    for (int d = 0; d < r->type.rank; d++)
        if (!cut.drop[d])
            dim[rank++] = r->type.dim[d];
    if (rank < r->type.rank)
        r = build_reshape(g, r, rank, dim);
    return tensor_value(fr, r);
}

Value eval_index(Frame *fr, Expr *e)
{
    Value v = eval(fr, e->a);
    if (is_bad(v))
        return v;
    if (v.kind == V_LIST || v.kind == V_TUPLE)
        return index_list(fr, e, v);
    if (v.kind == V_TENSOR)
        return index_tensor(fr, e, v);
    return fail(fr, e->span, "%s has no positions", value_what(fr->f, v));
}

static Value member_of_space(Frame *fr, Expr *e, Value space)
{
    Symbol *sym = unit_find(space.space, e->text);
    if (sym)
        return symbol_value(fr->f, sym);
    Vec(const char *) names = {0};
    for (int i = 0; i < space.space->symbols.len; i++)
        VEC_PUSH(fr->f->arena, &names, space.space->symbols.data[i]->name);
    const char *near = text_nearest(e->text, names.data, names.len);
    fail(fr, e->span, "%s has no %s", space.s, e->text);
    if (near)
        hint(fr, "did you mean %s?", near);
    return value_bad();
}

Value eval_member(Frame *fr, Expr *e)
{
    Value v = eval(fr, e->a);
    if (is_bad(v))
        return v;
    if (v.kind == V_SPACE)
        return member_of_space(fr, e, v);
    if (v.kind == V_TENSOR) {
        const Type *t = &v.node->type;
        if (strcmp(e->text, "shape") == 0)
            return value_ints(fr->f, t->dim, t->rank);
        if (strcmp(e->text, "rank") == 0)
            return value_int(t->rank);
        if (strcmp(e->text, "dtype") == 0)
            return (Value){ .kind = V_DTYPE, .i = t->dtype };
        fail(fr, e->span, "a tensor has no %s", e->text);
        hint(fr, "it has shape, rank and dtype");
        return value_bad();
    }
    return fail(fr, e->span, "%s has no member %s", value_what(fr->f, v), e->text);
}
