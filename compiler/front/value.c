/* Static values: making, comparing, and saying what they are. */
#include "front/elab.h"

#include <math.h>
#include <string.h>

Value value_int(int64_t i) { return (Value){ .kind = V_INT, .i = i }; }
Value value_float(double f) { return (Value){ .kind = V_FLOAT, .f = f }; }
Value value_bool(bool b) { return (Value){ .kind = V_BOOL, .i = b }; }
Value value_string(const char *s) { return (Value){ .kind = V_STRING, .s = s }; }

Value value_list(Front *f, const Value *items, int n)
{
    Value *copy = ARENA_ARRAY(f->arena, Value, n ? n : 1);
    if (n)
        memcpy(copy, items, sizeof *copy * (size_t)n);
    return (Value){ .kind = V_LIST, .items = copy, .n = n };
}

Value value_ints(Front *f, const int64_t *v, int n)
{
    Value *items = ARENA_ARRAY(f->arena, Value, n ? n : 1);
    for (int i = 0; i < n; i++)
        items[i] = value_int(v[i]);
    return (Value){ .kind = V_LIST, .items = items, .n = n };
}

bool value_is_number(Value v) { return v.kind == V_INT || v.kind == V_FLOAT; }
double value_number(Value v) { return v.kind == V_INT ? (double)v.i : v.f; }

bool value_equal(Value a, Value b)
{
    if (value_is_number(a) && value_is_number(b)) {
        if (a.kind == V_INT && b.kind == V_INT)
            return a.i == b.i;
        return value_number(a) == value_number(b);
    }
    if (a.kind != b.kind)
        return false;
    switch (a.kind) {
    case V_BOOL:
    case V_DTYPE: return a.i == b.i;
    case V_RANGE: return a.i == b.i && a.j == b.j;
    case V_STRING: return strcmp(a.s, b.s) == 0;
    case V_TENSOR: return a.node == b.node;
    case V_SYMBOL: return a.sym == b.sym;
    case V_BUILTIN: return a.builtin == b.builtin;
    case V_OPT: return a.opt == b.opt;
    case V_SPACE: return a.space == b.space;
    case V_NONE: return true;
    case V_LIST:
    case V_TUPLE:
        if (a.n != b.n)
            return false;
        for (int i = 0; i < a.n; i++)
            if (!value_equal(a.items[i], b.items[i]))
                return false;
        return true;
    default: return false;
    }
}

const char *front_printf(Front *f, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *s = arena_vprintf(f->arena, format, args);
    va_end(args);
    return s;
}

const char *dims_text(Front *f, const int64_t *dim, int rank)
{
    Text t = { .arena = f->arena };
    text_add(&t, "[");
    for (int i = 0; i < rank; i++)
        text_addf(&t, "%s%lld", i ? "," : "", (long long)dim[i]);
    text_add(&t, "]");
    return t.data;
}

static const char *decl_word(DeclKind kind)
{
    switch (kind) {
    case D_FN: return "fn";
    case D_LAYER: return "layer";
    case D_NET: return "net";
    case D_OPTIMIZER: return "optimizer";
    case D_TRAIN: return "train block";
    default: return "name";
    }
}

const char *value_what(Front *f, Value v)
{
    switch (v.kind) {
    case V_INT: return front_printf(f, "the int %lld", (long long)v.i);
    case V_FLOAT: return front_printf(f, "the float %s", value_text(f, v));
    case V_BOOL: return v.i ? "the bool true" : "the bool false";
    case V_STRING: return front_printf(f, "the string \"%s\"", v.s);
    case V_DTYPE: return front_printf(f, "the type %s", dtype_name((DType)v.i));
    case V_RANGE: return "a range";
    case V_LIST: return v.n <= 6 ? front_printf(f, "the list %s", value_text(f, v)) : "a list";
    case V_TUPLE: return front_printf(f, "%d values", v.n);
    case V_TENSOR: return front_printf(f, "a tensor %s", type_text(f->arena, &v.node->type));
    case V_SYMBOL: return front_printf(f, "the %s %s", decl_word(v.sym->decl->kind), v.sym->name);
    case V_BUILTIN: return front_printf(f, "the function %s", v.builtin->name);
    case V_OPT: return "an optimizer";
    case V_SPACE: return "an imported file";
    case V_NONE: return "nothing";
    default: return "an error";
    }
}

static void add_value(Front *f, Text *t, Value v)
{
    switch (v.kind) {
    case V_INT: text_addf(t, "%lld", (long long)v.i); break;
    case V_FLOAT: text_add_double(t, v.f); break;
    case V_BOOL: text_add(t, v.i ? "true" : "false"); break;
    case V_STRING: text_addf(t, "\"%s\"", v.s); break;
    case V_DTYPE: text_add(t, dtype_name((DType)v.i)); break;
    case V_RANGE: text_addf(t, "%lld..%lld", (long long)v.i, (long long)v.j); break;
    case V_LIST:
    case V_TUPLE:
        text_add(t, v.kind == V_LIST ? "[" : "(");
        for (int i = 0; i < v.n; i++) {
            text_add(t, i ? ", " : "");
            add_value(f, t, v.items[i]);
        }
        text_add(t, v.kind == V_LIST ? "]" : ")");
        break;
    case V_TENSOR: text_add(t, type_text(f->arena, &v.node->type)); break;
    case V_SYMBOL: text_add(t, v.sym->name); break;
    case V_BUILTIN: text_add(t, v.builtin->name); break;
    default: text_add(t, "?"); break;
    }
}

const char *value_text(Front *f, Value v)
{
    Text t = { .arena = f->arena };
    text_add(&t, "");
    add_value(f, &t, v);
    return t.data;
}
