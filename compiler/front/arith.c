/* Operators on values: numbers are computed, tensors become elementwise nodes that broadcast as in
 * NumPy. Numbers beside a tensor take its dtype; bool tensors count as f32 in arithmetic. */
#include "front/elab.h"

#include <math.h>
#include <string.h>

void place(Frame *fr, Span at)
{
    Graph *g = fr->gen->g;
    const Frame *x = fr;
    while (at.src && strncmp(at.src->path, "<std>/", 6) == 0 && x && x->call.src) {
        at = x->call;
        x = x->caller;
    }
    g->loc = span_loc(at);
    g->path = fr->site ? fr->site->path : NULL;
}

Value tensor_value(Frame *fr, Node *n)
{
    if (!n)
        return value_bad();
    return (Value){ .kind = V_TENSOR, .node = n, .graph = fr->gen->g };
}

Node *add_node(Frame *fr, const OpDef *op, Node *const *in, int n_in, const Attr *attr, Span at)
{
    Why why = {0};
    if (fr->gen->g->nodes.len > NODE_BUDGET) {
        fail(fr, at, "the graph has more than %d nodes", NODE_BUDGET);
        return NULL;
    }
    place(fr, at);
    Node *n = graph_add(fr->gen->g, op, in, n_in, attr, &why);
    if (!n) {
        fail(fr, at, "%s", why.text);
        return NULL;
    }
    return shape_check(fr, at, n->type.dim, n->type.rank) ? n : NULL;
}

/* ---- lists as constants ---- */

static bool list_dims(Frame *fr, Value v, int depth, Type *t, Span at)
{
    if (v.kind != V_LIST) {
        bool fits = t->dtype == DT_F32 || (v.kind == V_INT && v.i <= INT32_MAX && v.i >= INT32_MIN);
        if (value_is_number(v) && fits && depth == t->rank)
            return true;
        fail(fr, at, "a list that stands for a tensor %s[...] holds numbers of that type, but here is %s",
             dtype_name(t->dtype), value_what(fr->f, v));
        return false;
    }
    if (depth == MAX_RANK || v.n == 0) {
        fail(fr, at, v.n ? "lists nest too deep for a tensor" : "an empty list is not a tensor");
        return false;
    }
    if (depth == t->rank) {
        t->dim[t->rank++] = v.n;
    } else if (t->dim[depth] != v.n) {
        fail(fr, at, "rows of different length: %lld and %d", (long long)t->dim[depth], v.n);
        return false;
    }
    for (int i = 0; i < v.n; i++)
        if (!list_dims(fr, v.items[i], depth + 1, t, at))
            return false;
    return true;
}

static int64_t list_fill(Value v, double *out, int64_t at)
{
    if (v.kind != V_LIST) {
        out[at] = value_number(v);
        return at + 1;
    }
    for (int i = 0; i < v.n; i++)
        at = list_fill(v.items[i], out, at);
    return at;
}

/* The first leaf decides the depth, so that a ragged nesting is noticed. */
static int list_depth(Value v)
{
    int depth = 0;
    while (v.kind == V_LIST && v.n > 0 && depth < MAX_RANK) {
        v = v.items[0];
        depth++;
    }
    return depth;
}

Node *list_node(Frame *fr, Value list, DType dtype, Span at)
{
    Type t = type_scalar(dtype == DT_BOOL ? DT_F32 : dtype);
    Value first = list;
    for (int depth = list_depth(list), i = 0; i < depth; i++) {
        t.dim[t.rank++] = first.n;
        first = first.items[0];
    }
    if (!list_dims(fr, list, 0, &t, at) || !shape_check(fr, at, t.dim, t.rank))
        return NULL;
    double *data = ARENA_ARRAY(fr->f->arena, double, type_count(&t));
    list_fill(list, data, 0);
    for (int64_t i = 0; dtype == DT_F32 && i < type_count(&t); i++)
        data[i] = (double)(float)data[i];
    place(fr, at);
    return build_const(fr->gen->g, t, data);
}

/* ---- values as nodes ---- */

Node *node_of(Frame *fr, Value v, DType like, Span at)
{
    if (is_bad(v))
        return NULL;
    if (!fr->gen) {
        fail(fr, at, "%s: there are no tensors at the top level", value_what(fr->f, v));
        return NULL;
    }
    place(fr, at);
    if (v.kind == V_TENSOR)
        return v.graph == fr->gen->g ? v.node : capture(fr, v, at);
    if (v.kind == V_BOOL)
        return build_scalar(fr->gen->g, DT_BOOL, (double)v.i);
    if (v.kind == V_LIST)
        return list_node(fr, v, like, at);
    if (!value_is_number(v)) {
        fail(fr, at, "%s cannot be used as a tensor", value_what(fr->f, v));
        return NULL;
    }
    if (like == DT_I32 && v.kind == V_FLOAT) {
        fail(fr, at, "the float %s beside an i32 tensor", value_text(fr->f, v));
        hint(fr, "cast the tensor first: cast(x, f32)");
        return NULL;
    }
    if (like == DT_I32 && (v.i > INT32_MAX || v.i < INT32_MIN)) {
        fail(fr, at, "%lld does not fit an i32", (long long)v.i);
        return NULL;
    }
    double d = value_number(v);
    return build_scalar(fr->gen->g, like == DT_I32 ? DT_I32 : DT_F32, like == DT_I32 ? d : (double)(float)d);
}

Node *node_float(Frame *fr, Node *n)
{
    return n->type.dtype == DT_BOOL ? build_cast(fr->gen->g, n, DT_F32) : n;
}

Node *node_expand(Frame *fr, Node *n, const int64_t *dim, int rank, const char *what, Span at)
{
    if (!shape_check(fr, at, dim, rank))
        return NULL;
    Type want = type_make(n->type.dtype, rank, dim);
    if (type_equal(&want, &n->type))
        return n;
    place(fr, at);
    Node *r = n->type.rank <= rank ? build_broadcast_to(fr->gen->g, n, rank, dim) : NULL;
    if (!r)
        fail(fr, at, "%s: %s does not broadcast to %s", what, type_text(fr->f->arena, &n->type),
             dims_text(fr->f, dim, rank));
    return r;
}

bool nodes_broadcast(Frame *fr, Node **nodes, int n, const char *what, Span at)
{
    int64_t dim[MAX_RANK];
    int rank = 0;
    for (int i = 0; i < n; i++)
        if (nodes[i]->type.rank > rank)
            rank = nodes[i]->type.rank;
    for (int d = 0; d < rank; d++) {
        dim[d] = 1;
        for (int i = 0; i < n; i++) {
            int own = d - (rank - nodes[i]->type.rank);
            int64_t size = own < 0 ? 1 : nodes[i]->type.dim[own];
            if (size == 1 || size == dim[d])
                continue;
            if (dim[d] != 1) {
                const char *where = rank - d == 1 ? "the last dimension"
                                                  : PRINTF(fr, "dimension %d from the end", rank - d);
                fail(fr, at, "%s: the shapes %s and %s do not fit: %lld and %lld in %s", what,
                     type_text(fr->f->arena, &nodes[0]->type), type_text(fr->f->arena, &nodes[i]->type),
                     (long long)dim[d], (long long)size, where);
                return false;
            }
            dim[d] = size;
        }
    }
    for (int i = 0; i < n; i++) {
        nodes[i] = node_expand(fr, nodes[i], dim, rank, what, at);
        if (!nodes[i])
            return false;
    }
    return true;
}

static DType dtype_beside(Value v, bool arithmetic)
{
    if (v.kind != V_TENSOR)
        return DT_F32;
    return v.node->type.dtype == DT_BOOL && arithmetic ? DT_F32 : v.node->type.dtype;
}

bool nodes_unify(Frame *fr, Value a, Value b, const char *what, Span at, bool arithmetic, Node **na, Node **nb)
{
    if (is_bad(a) || is_bad(b))
        return false;
    *na = node_of(fr, a, dtype_beside(b, arithmetic), at);
    *nb = node_of(fr, b, dtype_beside(a, arithmetic), at);
    if (!*na || !*nb)
        return false;
    DType ta = (*na)->type.dtype, tb = (*nb)->type.dtype;
    place(fr, at);
    if (arithmetic || ta != tb) { /* a bool takes the other side's dtype; two of them count as f32 */
        if (ta == DT_BOOL)
            *na = build_cast(fr->gen->g, *na, tb == DT_BOOL ? DT_F32 : tb);
        if (tb == DT_BOOL)
            *nb = build_cast(fr->gen->g, *nb, ta == DT_BOOL ? DT_F32 : ta);
    }
    ta = (*na)->type.dtype, tb = (*nb)->type.dtype;
    if (ta != tb) {
        fail(fr, at, "%s: %s and %s are of different types", what, type_text(fr->f->arena, &(*na)->type),
             type_text(fr->f->arena, &(*nb)->type));
        hint(fr, "convert one side: cast(x, %s)", dtype_name(DT_F32));
        return false;
    }
    Node *pair[2] = { *na, *nb };
    bool ok = nodes_broadcast(fr, pair, 2, what, at);
    *na = pair[0];
    *nb = pair[1];
    return ok;
}

/* ---- static operators ---- */

static Value int_overflow(Frame *fr, Span at)
{
    return fail(fr, at, "this number does not fit 64 bits");
}

static bool int_power(int64_t base, int64_t exponent, int64_t *out)
{
    *out = base == -1 && exponent % 2 == 0 ? 1 : base; /* what a base of -1, 0 or 1 gives */
    if (exponent == 0)
        *out = 1;
    if (exponent == 0 || (base >= -1 && base <= 1))
        return true;
    for (int64_t i = 1; i < exponent; i++) /* overflows after 62 rounds at the latest */
        if (__builtin_mul_overflow(*out, base, out))
            return false;
    return true;
}

static Value ints(Frame *fr, OpKind op, int64_t a, int64_t b, Span at)
{
    int64_t r = 0;
    bool over = false;
    switch (op) {
    case OP_ADD: over = __builtin_add_overflow(a, b, &r); break;
    case OP_SUB: over = __builtin_sub_overflow(a, b, &r); break;
    case OP_MUL: over = __builtin_mul_overflow(a, b, &r); break;
    case OP_DIV:
        if (b == -1)
            over = __builtin_sub_overflow((int64_t)0, a, &r);
        else if (a % b != 0)
            return value_float((double)a / (double)b);
        else
            r = a / b;
        break;
    case OP_MOD:
        r = b == -1 ? 0 : a % b;
        if (r != 0 && (r < 0) != (b < 0))
            r += b;
        break;
    case OP_POW:
        if (b < 0)
            return value_float(pow((double)a, (double)b));
        over = !int_power(a, b, &r);
        break;
    default: break;
    }
    return over ? int_overflow(fr, at) : value_int(r);
}

static Value floats(OpKind op, double a, double b)
{
    switch (op) {
    case OP_ADD: return value_float(a + b);
    case OP_SUB: return value_float(a - b);
    case OP_MUL: return value_float(a * b);
    case OP_DIV: return value_float(a / b);
    case OP_MOD: return value_float(a - b * floor(a / b));
    default: return value_float(pow(a, b));
    }
}

static Value compare(OpKind op, Value a, Value b)
{
    bool both_int = a.kind == V_INT && b.kind == V_INT;
    double x = value_number(a), y = value_number(b);
    switch (op) {
    case OP_LT: return value_bool(both_int ? a.i < b.i : x < y);
    case OP_LE: return value_bool(both_int ? a.i <= b.i : x <= y);
    case OP_GT: return value_bool(both_int ? a.i > b.i : x > y);
    default: return value_bool(both_int ? a.i >= b.i : x >= y);
    }
}

static Value join(Frame *fr, Value a, Value b, Span at)
{
    if (a.n + b.n > MAX_LIST)
        return fail(fr, at, "a list of more than %d items", MAX_LIST);
    if (!spend_many(fr, a.n + b.n, at))
        return value_bad();
    Value *items = ARENA_ARRAY(fr->f->arena, Value, a.n + b.n + 1);
    if (a.n)
        memcpy(items, a.items, sizeof *items * (size_t)a.n);
    if (b.n)
        memcpy(items + a.n, b.items, sizeof *items * (size_t)b.n);
    return (Value){ .kind = V_LIST, .items = items, .n = a.n + b.n };
}

static Value static_binary(Frame *fr, OpKind op, Value a, Value b, Span at)
{
    if (op == OP_EQ || op == OP_NE)
        return value_bool(value_equal(a, b) == (op == OP_EQ));
    if (a.kind == V_BOOL && b.kind == V_BOOL && (op == OP_AND || op == OP_OR))
        return value_bool(op == OP_AND ? a.i && b.i : a.i || b.i);
    if (op == OP_ADD && a.kind == V_LIST && b.kind == V_LIST)
        return join(fr, a, b, at);
    if (op == OP_ADD && a.kind == V_STRING && b.kind == V_STRING) {
        if (strlen(a.s) + strlen(b.s) > MAX_STRING)
            return fail(fr, at, "a string of more than %d characters", MAX_STRING);
        return value_string(PRINTF(fr, "%s%s", a.s, b.s));
    }
    if (op == OP_MUL && a.kind == V_LIST && b.kind == V_INT && b.i >= 0 && b.i <= MAX_LIST) {
        Value r = value_list(fr->f, NULL, 0);
        for (int64_t i = 0; i < b.i && !is_bad(r); i++)
            r = join(fr, r, a, at);
        return r;
    }
    if (!value_is_number(a) || !value_is_number(b) || op == OP_AND || op == OP_OR)
        return fail(fr, at, "`%s` does not work on %s and %s", op_text(op), value_what(fr->f, a),
                    value_what(fr->f, b));
    if (op >= OP_LT && op <= OP_GE)
        return compare(op, a, b);
    if ((op == OP_DIV || op == OP_MOD) && value_number(b) == 0)
        return fail(fr, at, "division by zero");
    if (a.kind == V_INT && b.kind == V_INT)
        return ints(fr, op, a.i, b.i, at);
    return floats(op, value_number(a), value_number(b));
}

/* ---- tensor operators ---- */

static const char *quoted(OpKind op)
{
    static const char *const text[] = {
        [OP_ADD] = "`+`", [OP_SUB] = "`-`", [OP_MUL] = "`*`", [OP_DIV] = "`/`", [OP_MOD] = "`%`", [OP_POW] = "`**`",
        [OP_EQ] = "`==`", [OP_NE] = "`!=`", [OP_LT] = "`<`", [OP_LE] = "`<=`", [OP_GT] = "`>`", [OP_GE] = "`>=`",
        [OP_AND] = "`&&`", [OP_OR] = "`||`", [OP_NEG] = "`-`", [OP_NOT] = "`!`",
    };
    return text[op];
}

static Node *power(Frame *fr, Node *x, Value exponent, Span at)
{
    Graph *g = fr->gen->g;
    x = node_float(fr, x);
    double e = value_number(exponent);
    place(fr, at);
    if (e == 1)
        return x;
    if (e == 2 || e == 3) {
        Node *square = build_binary(g, &op_mul, x, x);
        return e == 2 ? square : build_binary(g, &op_mul, square, x);
    }
    if (x->type.dtype != DT_F32) {
        fail(fr, at, "%s ** %s: cast the tensor to f32 first", type_text(fr->f->arena, &x->type),
             value_text(fr->f, exponent));
        return NULL;
    }
    if (e == 0.5)
        return build_unary(g, &op_sqrt, x);
    if (e == -1)
        return build_binary(g, &op_div, build_like(g, x, 1), x);
    return build_binary(g, &op_pow, x, build_like(g, x, e));
}

static Value tensor_compare(Frame *fr, OpKind op, Value a, Value b, Span at)
{
    Node *x, *y;
    if (!nodes_unify(fr, a, b, quoted(op), at, false, &x, &y))
        return value_bad();
    Node *in[2] = { x, y };
    bool swap = op == OP_GT || op == OP_GE;
    const OpDef *def = op == OP_EQ ? &op_eq : op == OP_NE ? &op_ne
                     : op == OP_LT || op == OP_GT ? &op_lt : &op_le;
    return tensor_value(fr, add_node(fr, def, (Node *[]){ in[swap], in[!swap] }, 2, NULL, at));
}

static Value tensor_logic(Frame *fr, OpKind op, Value a, Value b, Span at)
{
    Node *in[2] = { node_of(fr, a, DT_BOOL, at), node_of(fr, b, DT_BOOL, at) };
    if (!in[0] || !in[1])
        return value_bad();
    for (int i = 0; i < 2; i++)
        if (in[i]->type.dtype != DT_BOOL) {
            fail(fr, at, "`%s` works on bool tensors, not on %s", op_text(op),
                 type_text(fr->f->arena, &in[i]->type));
            hint(fr, "compare first: x != 0");
            return value_bad();
        }
    if (!nodes_broadcast(fr, in, 2, quoted(op), at))
        return value_bad();
    return tensor_value(fr, add_node(fr, op == OP_AND ? &op_and : &op_or, in, 2, NULL, at));
}

static const OpDef *arith_op(OpKind op)
{
    switch (op) {
    case OP_ADD: return &op_add;
    case OP_SUB: return &op_sub;
    case OP_MUL: return &op_mul;
    case OP_DIV: return &op_div;
    case OP_MOD: return &op_mod;
    default: return &op_pow;
    }
}

static Value tensor_binary(Frame *fr, OpKind op, Value a, Value b, Span at)
{
    Node *in[2];
    if (op == OP_AND || op == OP_OR)
        return tensor_logic(fr, op, a, b, at);
    if (op >= OP_EQ && op <= OP_GE)
        return tensor_compare(fr, op, a, b, at);
    if (op == OP_POW && value_is_number(b)) {
        Node *x = node_of(fr, a, DT_F32, at);
        return x ? tensor_value(fr, power(fr, x, b, at)) : value_bad();
    }
    if (!nodes_unify(fr, a, b, quoted(op), at, true, &in[0], &in[1]))
        return value_bad();
    if (in[0]->type.dtype == DT_I32 && op == OP_DIV) {
        fail(fr, at, "`/` of i32 tensors %s and %s", type_text(fr->f->arena, &in[0]->type),
             type_text(fr->f->arena, &in[1]->type));
        hint(fr, "cast(x, f32) / y divides as floats; div(x, y) gives whole numbers");
        return value_bad();
    }
    return tensor_value(fr, add_node(fr, arith_op(op), in, 2, NULL, at));
}

Value arith_binary(Frame *fr, OpKind op, Value a, Value b, Span at)
{
    if (is_bad(a) || is_bad(b))
        return value_bad();
    if (a.kind == V_TENSOR || b.kind == V_TENSOR)
        return tensor_binary(fr, op, a, b, at);
    return static_binary(fr, op, a, b, at);
}

Value arith_unary(Frame *fr, OpKind op, Value a, Span at)
{
    if (is_bad(a))
        return a;
    if (a.kind == V_TENSOR) {
        Node *x = node_of(fr, a, DT_F32, at);
        if (!x)
            return value_bad();
        if (op == OP_NOT && x->type.dtype != DT_BOOL)
            return fail(fr, at, "`!` works on a bool, not on %s", value_what(fr->f, a));
        if (op == OP_NEG)
            x = node_float(fr, x);
        return tensor_value(fr, add_node(fr, op == OP_NEG ? &op_neg : &op_not, &x, 1, NULL, at));
    }
    if (op == OP_NOT && a.kind == V_BOOL)
        return value_bool(!a.i);
    if (op == OP_NEG && a.kind == V_INT)
        return a.i == INT64_MIN ? int_overflow(fr, at) : value_int(-a.i);
    if (op == OP_NEG && a.kind == V_FLOAT)
        return value_float(-a.f);
    return fail(fr, at, "`%s` does not work on %s", op_text(op), value_what(fr->f, a));
}
