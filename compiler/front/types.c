/* Types in the text against values: shape patterns bind shape variables, dims and dtypes are checked. */
#include "front/elab.h"

#include <string.h>

bool dtype_from_name(const char *name, DType *dtype)
{
    for (int i = 0; i < DT_COUNT; i++)
        if (strcmp(name, dtype_name((DType)i)) == 0) {
            *dtype = (DType)i;
            return true;
        }
    return false;
}

TypeKind type_kind(const TypeExpr *t, DType *dtype)
{
    static const struct {
        const char *name;
        TypeKind kind;
    } words[] = {
        { "int", TK_INT }, { "float", TK_FLOAT }, { "string", TK_STRING }, { "list", TK_LIST },
        { "shape", TK_LIST }, { "net", TK_NET }, { "optimizer", TK_OPTIMIZER }, { "fn", TK_FN },
        { "layer", TK_FN }, { "any", TK_ANY }, { "tensor", TK_ANY },
    };
    if (!t->name)
        return TK_UNKNOWN;
    if (dtype_from_name(t->name, dtype))
        return *dtype == DT_BOOL && !t->has_shape ? TK_BOOL : TK_TENSOR;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!t->has_shape && strcmp(t->name, words[i].name) == 0)
            return words[i].kind;
    return TK_UNKNOWN;
}

const char *span_text(Front *f, Span s)
{
    return s.src ? arena_copy_text(f->arena, s.src->text + s.begin, s.end - s.begin) : "?";
}

bool shape_check(Frame *fr, Span at, const int64_t *dim, int rank)
{
    if (rank > MAX_RANK) {
        fail(fr, at, "a tensor of %d dimensions: at most %d are possible", rank, MAX_RANK);
        return false;
    }
    int64_t count = 1;
    for (int i = 0; i < rank; i++) {
        if (dim[i] < 1) {
            fail(fr, at, "the shape %s has a dimension of %lld: dimensions are 1 and more",
                 dims_text(fr->f, dim, rank), (long long)dim[i]);
            return false;
        }
        if (dim[i] > MAX_ELEMENTS || count > MAX_ELEMENTS / dim[i]) {
            fail(fr, at, "a tensor of shape %s has more than %lld elements",
                 dims_text(fr->f, dim, rank), (long long)MAX_ELEMENTS);
            return false;
        }
        count *= dim[i];
    }
    return true;
}

bool expr_is_known(Frame *fr, const Expr *e)
{
    if (!e)
        return true;
    switch (e->kind) {
    case E_NAME: return scope_find(fr->scope, e->text) || symbol_find(fr->f, fr->unit, e->text);
    case E_UNARY: return expr_is_known(fr, e->a);
    case E_BINARY: return expr_is_known(fr, e->a) && expr_is_known(fr, e->b);
    case E_CALL:
        for (int i = 0; i < e->n_args; i++)
            if (!expr_is_known(fr, e->args[i].value))
                return false;
        return true;
    default: return true;
    }
}

bool dim_value(Frame *fr, const Expr *e, int64_t *out)
{
    Value v = eval(fr, (Expr *)e);
    if (is_bad(v))
        return false;
    if (v.kind != V_INT) {
        fail(fr, e->span, "the dimension %s is %s, not an int", span_text(fr->f, e->span),
             value_what(fr->f, v));
        return false;
    }
    if (v.i < 1) {
        fail(fr, e->span, "the dimension %s is %lld: dimensions are 1 and more",
             span_text(fr->f, e->span), (long long)v.i);
        return false;
    }
    *out = v.i;
    return true;
}

static bool resolve_rest(Frame *fr, const Dim *d, Type *out, Span at)
{
    Binding *b = d->rest_name ? scope_find(fr->scope, d->rest_name) : NULL;
    if (!b || b->value.kind != V_LIST) {
        fail(fr, d->span, d->rest_name ? "the dimensions ...%s are not known here"
                                       : "`...%s` cannot stand in a declared shape",
             d->rest_name ? d->rest_name : "");
        return false;
    }
    for (int i = 0; i < b->value.n; i++) {
        if (out->rank == MAX_RANK) {
            fail(fr, at, "more than %d dimensions", MAX_RANK);
            return false;
        }
        out->dim[out->rank++] = b->value.items[i].i;
    }
    return true;
}

bool type_resolve(Frame *fr, const TypeExpr *t, Type *out)
{
    DType dtype;
    TypeKind kind = type_kind(t, &dtype);
    if (kind != TK_TENSOR && kind != TK_BOOL) {
        fail(fr, t->span, "%s is not a tensor type", span_text(fr->f, t->span));
        hint(fr, "tensor types are f32, i32 and bool with a shape: f32[N, 10]");
        return false;
    }
    *out = type_scalar(dtype);
    for (int i = 0; i < t->n_dims; i++) {
        const Dim *d = &t->dims[i];
        if (d->rest) {
            if (!resolve_rest(fr, d, out, t->span))
                return false;
            continue;
        }
        if (out->rank == MAX_RANK) {
            fail(fr, t->span, "more than %d dimensions", MAX_RANK);
            return false;
        }
        if (!dim_value(fr, d->expr, &out->dim[out->rank]))
            return false;
        out->rank++;
    }
    return shape_check(fr, t->span, out->dim, out->rank);
}

/* ---- patterns ---- */

static bool mismatch(Frame *fr, const TypeExpr *t, const Type *got, const char *what, Span at,
                     const char *detail)
{
    fail(fr, at, "%s is %s, but %s is expected%s%s", what, type_text(fr->f->arena, got),
         span_text(fr->f, t->span), detail ? ": " : "", detail ? detail : "");
    return false;
}

/* The value of a dim that is a name or a literal, when it is known. */
static bool dim_bound(Frame *fr, const Expr *e, Value *v)
{
    if (e->kind == E_NAME) {
        Binding *b = scope_find(fr->scope, e->text);
        Symbol *sym = b ? NULL : unit_find(fr->unit, e->text);
        if (b)
            *v = b->value;
        else if (sym && sym->decl->kind == D_CONST)
            *v = symbol_value(fr->f, sym);
        return b || (sym && sym->decl->kind == D_CONST);
    }
    if (!expr_is_known(fr, e))
        return false;
    *v = eval(fr, (Expr *)e);
    return true;
}

static bool match_dim(Frame *fr, const TypeExpr *t, const Dim *d, int axis, const Type *got,
                      const char *what, Span at)
{
    Value v;
    if (!dim_bound(fr, d->expr, &v)) {
        if (d->expr->kind == E_NAME)
            scope_bind(fr->f, fr->scope, d->expr->text, value_int(got->dim[axis]), d->span);
        return true;
    }
    if (is_bad(v))
        return false;
    if (v.kind == V_INT && v.i == got->dim[axis])
        return true;
    const char *name = span_text(fr->f, d->span);
    const char *is = v.kind == V_INT ? front_printf(fr->f, "%lld", (long long)v.i) : value_what(fr->f, v);
    const char *detail = d->expr->kind == E_INT
        ? PRINTF(fr, "dimension %d is %lld, not %s", axis, (long long)got->dim[axis], is)
        : PRINTF(fr, "dimension %d is %lld, but %s is %s", axis, (long long)got->dim[axis], name, is);
    return mismatch(fr, t, got, what, at, detail);
}

static bool match_rest(Frame *fr, const TypeExpr *t, const Dim *d, int axis, int n, const Type *got,
                       const char *what, Span at)
{
    if (!d->rest_name)
        return true;
    Binding *b = scope_find(fr->scope, d->rest_name);
    Value v = value_ints(fr->f, got->dim + axis, n);
    if (!b) {
        scope_bind(fr->f, fr->scope, d->rest_name, v, d->span);
        return true;
    }
    if (value_equal(b->value, v))
        return true;
    return mismatch(fr, t, got, what, at,
                    PRINTF(fr, "%s are %s here, but ...%s is %s", "these dimensions",
                           value_text(fr->f, v), d->rest_name, value_text(fr->f, b->value)));
}

static int rest_of(const TypeExpr *t)
{
    for (int i = 0; i < t->n_dims; i++)
        if (t->dims[i].rest)
            return i;
    return -1;
}

static bool match_dims(Frame *fr, const TypeExpr *t, const Type *got, const char *what, Span at)
{
    int rest = rest_of(t), fixed = t->n_dims - (rest >= 0), extra = got->rank - fixed;
    if (extra < 0 || (rest < 0 && extra != 0))
        return mismatch(fr, t, got, what, at,
                        PRINTF(fr, "%d dimension%s, not %s%d", got->rank, got->rank == 1 ? "" : "s",
                               rest >= 0 ? "at least " : "", fixed));
    int axis = 0;
    for (int i = 0; i < t->n_dims; i++) {
        const Dim *d = &t->dims[i];
        bool ok = d->rest ? match_rest(fr, t, d, axis, extra, got, what, at)
                          : match_dim(fr, t, d, axis, got, what, at);
        if (!ok)
            return false;
        axis += d->rest ? extra : 1;
    }
    return true;
}

bool type_match_late(Frame *fr, const TypeExpr *t, Value v, const char *what, Span at)
{
    DType dtype;
    if (!t || v.kind != V_TENSOR || type_kind(t, &dtype) != TK_TENSOR || !t->has_shape)
        return true;
    return match_dims(fr, t, &v.node->type, what, at);
}

/* A number or list where a tensor is expected. */
static Value match_number(Frame *fr, const TypeExpr *t, DType dtype, Value v, const char *what, Span at)
{
    if (v.kind == V_FLOAT && dtype != DT_F32)
        return fail(fr, at, "%s is %s, but %s is expected", what, value_what(fr->f, v),
                    span_text(fr->f, t->span));
    if (!fr->gen)
        return fail(fr, at, "%s: there are no tensors here", what);
    place(fr, at);
    if (v.kind == V_LIST) {
        Node *n = list_node(fr, v, dtype, at);
        if (!n || !match_dims(fr, t, &n->type, what, at))
            return value_bad();
        return tensor_value(fr, n);
    }
    Node *n = node_of(fr, v, dtype, at);
    int rest = rest_of(t);
    if (!n)
        return value_bad();
    if (n->type.dtype != dtype)
        return fail(fr, at, "%s is %s, but %s is expected", what, value_what(fr->f, v), span_text(fr->f, t->span));
    if (t->n_dims == 0 || (t->n_dims == 1 && rest == 0 &&
                           (!t->dims[0].rest_name || !scope_find(fr->scope, t->dims[0].rest_name)))) {
        if (!match_dims(fr, t, &n->type, what, at))
            return value_bad();
        return tensor_value(fr, n);
    }
    Type full;
    for (int i = 0; i < t->n_dims; i++) { /* without a tensor beside it, nothing says its shape */
        const Dim *d = &t->dims[i];
        bool known = d->rest ? d->rest_name && scope_find(fr->scope, d->rest_name) : expr_is_known(fr, d->expr);
        if (!known)
            return fail(fr, at, "%s is %s, but %s is expected", what, value_what(fr->f, v), span_text(fr->f, t->span));
    }
    if (!type_resolve(fr, t, &full))
        return value_bad();
    n = node_expand(fr, n, full.dim, full.rank, what, at);
    return n ? tensor_value(fr, n) : value_bad();
}

static Value match_tensor(Frame *fr, const TypeExpr *t, DType dtype, Value v, const char *what, Span at)
{
    if (v.kind != V_TENSOR && !value_is_number(v) && v.kind != V_LIST)
        return fail(fr, at, "%s is %s, but %s is expected", what, value_what(fr->f, v),
                    span_text(fr->f, t->span));
    if (v.kind != V_TENSOR && t->has_shape)
        return match_number(fr, t, dtype, v, what, at);
    if (value_is_number(v)) {
        if (dtype == DT_F32)
            return value_float(value_number(v));
        if (v.kind == V_INT)
            return v;
    }
    if (v.kind != V_TENSOR)
        return fail(fr, at, "%s is %s, but %s is expected", what, value_what(fr->f, v),
                    span_text(fr->f, t->span));
    if (v.node->type.dtype != dtype) {
        mismatch(fr, t, &v.node->type, what, at, NULL);
        hint(fr, "cast(%s, %s) converts", what, dtype_name(dtype));
        return value_bad();
    }
    return match_dims(fr, t, &v.node->type, what, at) ? v : value_bad();
}

Value type_match(Frame *fr, const TypeExpr *t, Value v, const char *what, Span at)
{
    DType dtype = DT_F32;
    if (is_bad(v) || !t)
        return v;
    bool ok = true;
    switch (type_kind(t, &dtype)) {
    case TK_TENSOR: return match_tensor(fr, t, dtype, v, what, at);
    case TK_INT: ok = v.kind == V_INT; break;
    case TK_FLOAT:
        ok = value_is_number(v);
        if (ok)
            return value_float(value_number(v));
        break;
    case TK_BOOL: ok = v.kind == V_BOOL; break;
    case TK_STRING: ok = v.kind == V_STRING; break;
    case TK_LIST: ok = v.kind == V_LIST; break;
    case TK_NET: ok = v.kind == V_SYMBOL && v.sym->decl->kind == D_NET; break;
    case TK_OPTIMIZER: ok = v.kind == V_OPT; break;
    case TK_FN: ok = v.kind == V_SYMBOL || v.kind == V_BUILTIN; break;
    case TK_ANY: break;
    case TK_UNKNOWN:
        return fail(fr, t->span, "unknown type %s", span_text(fr->f, t->span));
    }
    if (ok)
        return v;
    return fail(fr, at, "%s is %s, but %s is expected", what, value_what(fr->f, v),
                span_text(fr->f, t->span));
}
