/* The table of built-in functions, and the reading of their arguments. What can be written in the
 * language itself is in dsl/std. */
#include "front/builtin.h"
#include "front/train.h"

#include <string.h>

enum { MAX_PARAMS = 12 };

static const Builtin TABLE[] = {
    { "exp", "x", run_unary, &op_exp, 0 },
    { "log", "x", run_unary, &op_log, 0 },
    { "sqrt", "x", run_unary, &op_sqrt, 0 },
    { "tanh", "x", run_unary, &op_tanh, 0 },
    { "sigmoid", "x", run_unary, &op_sigmoid, 0 },
    { "erf", "x", run_unary, &op_erf, 0 },
    { "sin", "x", run_unary, &op_sin, 0 },
    { "cos", "x", run_cos, NULL, 0 },
    { "floor", "x", run_rounding, &op_floor, 0 },
    { "ceil", "x", run_rounding, NULL, 0 },
    { "round", "x", run_rounding, &op_round, 0 },
    { "abs", "x", run_abs, NULL, 0 },
    { "sign", "x", run_sign, NULL, 0 },
    { "pow", "x, y", run_pow, NULL, 0 },
    { "div", "x, y", run_div, NULL, 0 },
    { "where", "condition, x, y", run_where, NULL, 0 },
    { "cast", "x, dtype", run_cast, NULL, 0 },
    { "int", "x", run_int, NULL, 0 },
    { "float", "x", run_float, NULL, 0 },
    { "min", "x, y = none, axis = none, keep = false", run_extreme, &op_min, 0 },
    { "max", "x, y = none, axis = none, keep = false", run_extreme, &op_max, 0 },
    { "sum", "x, axis = none, keep = false", run_sum, NULL, 0 },
    { "mean", "x, axis = none, keep = false", run_mean, NULL, 0 },
    { "prod", "x, axis = none, keep = false", run_prod, NULL, 0 },
    { "argmax", "x, axis = -1", run_argmax, NULL, 0 },
    { "argsort", "x, axis = -1, descending = false", run_argsort, NULL, 0 },
    { "window_max", "x, window, stride = none", run_window_max, NULL, 0 },
    { "reshape", "x, shape", run_reshape, NULL, 0 },
    { "transpose", "x, perm = none", run_transpose, NULL, 0 },
    { "broadcast", "x, shape", run_broadcast, NULL, 0 },
    { "pad", "x, widths, value = 0", run_pad, NULL, 0 },
    { "concat", "parts, axis = 0", run_concat, NULL, 0 },
    { "reverse", "x, axis", run_reverse, NULL, 0 },
    { "gather", "table, indices", run_gather, NULL, 0 },
    { "scatter_add", "values, indices, rows", run_scatter_add, NULL, 0 },
    { "take_along", "x, indices, axis = -1", run_take_along, NULL, 0 },
    { "iota", "shape, axis = 0", run_iota, NULL, 0 },
    { "zeros", "...", run_fill, NULL, 0 },
    { "ones", "...", run_fill, NULL, 1 },
    { "full", "shape, value", run_full, NULL, 0 },
    { "rand", "shape = none", run_rand, NULL, 0 },
    { "stop_grad", "x", run_stop_grad, NULL, 0 },
    { "params", "net", run_params, NULL, 0 },
    { "total", "x", run_total, NULL, 0 },
    { "len", "x", run_len, NULL, 0 },
    { "range", "start, stop = none, step = 1", run_range, NULL, 0 },
    { "is_list", "x", run_is_list, NULL, 0 },
    { "idx", "file, first = 0, last = 1", reader_call, NULL, 0 },
    { "npy", "file, first = 0, last = 1", reader_call, NULL, 0 },
    { "csv", "file, first = 0, last = 1, columns = [], classes = [], separator = none, header = none",
      reader_call, NULL, 0 },
    { "text", "file, first = 0, last = 1, shift = 0, stride = 1", reader_call, NULL, 0 },
};

const Builtin *builtin_at(int i)
{
    return i >= 0 && (size_t)i < sizeof TABLE / sizeof *TABLE ? &TABLE[i] : NULL;
}

const Builtin *builtin_find(const char *name)
{
    for (int i = 0; builtin_at(i); i++)
        if (strcmp(TABLE[i].name, name) == 0)
            return &TABLE[i];
    return NULL;
}

/* The k-th parameter in "x, axis = none": its name's place, and whether a default follows. */
static const char *nth_param(const char *params, int k, size_t *len, bool *has_default)
{
    for (int i = 0;; i++) {
        *len = strcspn(params, " ,=");
        size_t end = strcspn(params, ","); /* no default of ours holds a comma */
        *has_default = memchr(params, '=', end) != NULL;
        if (i == k)
            return *len ? params : NULL;
        if (!params[end])
            return NULL;
        params += end + 2;
    }
}

int builtin_params(const Builtin *b, Arena *arena, const char **names, bool *has_default)
{
    int n = 0;
    size_t len;
    const char *p;
    while (n < MAX_PARAMS && (p = nth_param(b->params, n, &len, &has_default[n])) != NULL)
        names[n++] = arena_copy_text(arena, p, len);
    return n;
}

static bool variadic(const Builtin *b) { return b->params[0] == '.'; }

const char *builtin_signature(Front *f, const Builtin *b)
{
    return front_printf(f, "%s(%s)", b->name, b->params);
}

const char *arg_name(const BCall *c, int i)
{
    size_t len;
    bool has_default;
    const char *p = nth_param(c->builtin->params, i, &len, &has_default);
    return p ? arena_copy_text(c->fr->f->arena, p, len) : NULL;
}

Value builtin_call(Frame *fr, const Builtin *b, CallArg *args, int n, Span at)
{
    BCall c = { .fr = fr, .at = at, .builtin = b };
    if (variadic(b)) {
        c.n_rest = n;
        c.rest = args;
        return b->run(&c);
    }
    const char *names[MAX_PARAMS];
    bool has_default[MAX_PARAMS];
    int n_params = builtin_params(b, fr->f->arena, names, has_default);
    if (!args_bind(fr, b->name, builtin_signature(fr->f, b), names, has_default, n_params, args, n, at, c.args))
        return value_bad();
    for (int i = 0; i < n; i++)
        if (is_bad(args[i].v))
            return value_bad();
    return b->run(&c);
}

bool arg_given(const BCall *c, int i) { return c->args[i].v.kind != V_NONE; }

static bool wrong(BCall *c, int i, const char *wanted)
{
    fail(c->fr, c->args[i].at, "%s of %s is %s, but %s is expected", arg_name(c, i), c->builtin->name,
         value_what(c->fr->f, c->args[i].v), wanted);
    return false;
}

bool arg_int(BCall *c, int i, int64_t *out)
{
    if (c->args[i].v.kind != V_INT)
        return wrong(c, i, "an int");
    *out = c->args[i].v.i;
    return true;
}

bool arg_bool(BCall *c, int i, bool *out, bool otherwise)
{
    *out = otherwise;
    if (!arg_given(c, i))
        return true;
    if (c->args[i].v.kind != V_BOOL)
        return wrong(c, i, "true or false");
    *out = c->args[i].v.i != 0;
    return true;
}

Node *arg_tensor(BCall *c, int i)
{
    Value v = c->args[i].v;
    if (v.kind == V_TENSOR || v.kind == V_LIST || value_is_number(v) || v.kind == V_BOOL)
        return node_of(c->fr, v, DT_F32, c->args[i].at);
    wrong(c, i, "a tensor");
    return NULL;
}

static bool add_axis(BCall *c, int i, Value v, int rank, int64_t *axes, int *n)
{
    if (v.kind != V_INT)
        return wrong(c, i, "an axis or a list of axes");
    int64_t a = v.i < 0 ? v.i + rank : v.i;
    if (a < 0 || a >= rank) {
        fail(c->fr, c->args[i].at, "%s: axis %lld of a tensor with %d dimension%s", c->builtin->name,
             (long long)v.i, rank, rank == 1 ? "" : "s");
        return false;
    }
    for (int k = 0; k < *n; k++)
        if (axes[k] == a) {
            fail(c->fr, c->args[i].at, "%s: axis %lld is named twice", c->builtin->name, (long long)v.i);
            return false;
        }
    int k = (*n)++;
    for (; k > 0 && axes[k - 1] > a; k--)
        axes[k] = axes[k - 1];
    axes[k] = a;
    return true;
}

static Value as_list(Front *f, Value v)
{
    if (v.kind != V_RANGE)
        return v.kind == V_LIST ? v : value_list(f, &v, 1);
    int64_t items[64], n = 0;
    for (int64_t k = v.i; k < v.j && n < 64; k++)
        items[n++] = k;
    return value_ints(f, items, (int)n);
}

bool arg_axes(BCall *c, int i, int rank, int64_t *axes, int *n)
{
    *n = 0;
    if (!arg_given(c, i)) {
        for (int k = 0; k < rank; k++)
            axes[(*n)++] = k;
        return true;
    }
    Value list = as_list(c->fr->f, c->args[i].v);
    for (int k = 0; k < list.n; k++)
        if (!add_axis(c, i, list.items[k], rank, axes, n))
            return false;
    return true;
}

bool arg_dims(BCall *c, int i, int64_t least, int64_t *out, int *n)
{
    Value list = as_list(c->fr->f, c->args[i].v);
    if (list.n > MAX_RANK) {
        fail(c->fr, c->args[i].at, "%s: more than %d dimensions", c->builtin->name, MAX_RANK);
        return false;
    }
    *n = list.n;
    for (int k = 0; k < list.n; k++) {
        if (list.items[k].kind != V_INT)
            return wrong(c, i, "a list of ints");
        out[k] = list.items[k].i;
        if (out[k] < least) {
            fail(c->fr, c->args[i].at, "%s: %s has %lld, but at least %lld is needed", c->builtin->name,
                 arg_name(c, i), (long long)out[k], (long long)least);
            return false;
        }
    }
    return true;
}
