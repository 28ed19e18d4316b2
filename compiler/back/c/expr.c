/* Expressions and stores as C text, with as few parentheses as C's precedences and -Wparentheses
 * allow. A vector of the IR is a compiler vector type; a vector of LK_BOOL is an i32 mask (0, -1). */
#include "back/c/print.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

/* Binding strength, weakest first. */
enum { P_ANY, P_TERNARY, P_OR, P_AND, P_BITS, P_EQUAL, P_LESS, P_SHIFT, P_ADD, P_MUL, P_UNARY, P_PRIMARY };

static void print(CPrinter *p, const LExpr *e, int at_least);

static const char *const SCALAR_NAME[] = {
    [LK_F32] = "float",    [LK_F64] = "double",   [LK_I32] = "int32_t", [LK_U32] = "uint32_t",
    [LK_I64] = "int64_t",  [LK_U64] = "uint64_t", [LK_BOOL] = "bool",
};

const char *c_memory_type(LKind kind) { return kind == LK_BOOL ? "uint8_t" : SCALAR_NAME[kind]; }

const char *c_type(CPrinter *p, LType type)
{
    if (type.lanes == 1)
        return SCALAR_NAME[type.kind];
    c_need(p, CH_TYPE, type, type);
    return c_helper_name(p, CH_TYPE, type, type);
}

void c_float(Text *out, double value, bool *uses_math)
{
    if (isnan(value) || isinf(value)) {
        *uses_math = true;
        text_add(out, isnan(value) ? "NAN" : value < 0 ? "-INFINITY" : "INFINITY");
        return;
    }
    size_t start = out->len;
    text_add_float(out, (float)value);
    if (!strpbrk(out->data + start, ".e"))
        text_add(out, ".0");
    text_add(out, "f");
}

static void print_double(CPrinter *p, double value)
{
    if (isnan(value) || isinf(value)) {
        c_float(&p->out, value, &p->uses_math);
        return;
    }
    size_t start = p->out.len;
    text_add_double(&p->out, value);
    if (!strpbrk(p->out.data + start, ".e"))
        text_add(&p->out, ".0");
}

static void print_int(CPrinter *p, LKind kind, int64_t v)
{
    if (kind == LK_U32)
        text_addf(&p->out, (uint32_t)v < 1024 ? "%" PRIu32 "u" : "0x%" PRIx32 "u", (uint32_t)v);
    else if (kind == LK_U64)
        text_addf(&p->out, (uint64_t)v < 1024 ? "%" PRIu64 "u" : "UINT64_C(0x%" PRIx64 ")", (uint64_t)v);
    else if (kind == LK_I64 && v == INT64_MIN)
        text_add(&p->out, "INT64_MIN");
    else if (kind == LK_I32 && v == INT32_MIN)
        text_add(&p->out, "INT32_MIN");
    else
        text_addf(&p->out, "%" PRId64, v);
}

static void print_constant(CPrinter *p, const LExpr *e)
{
    if (e->type.kind == LK_F32)
        c_float(&p->out, e->fval, &p->uses_math);
    else if (e->type.kind == LK_F64)
        print_double(p, e->fval);
    else if (e->type.kind == LK_BOOL)
        text_add(&p->out, e->ival ? "true" : "false");
    else
        print_int(p, (LKind)e->type.kind, e->ival);
}

static bool is_negative(const LExpr *e)
{
    bool real = e->type.kind == LK_F32 || e->type.kind == LK_F64;
    return real ? signbit(e->fval) : e->ival < 0 && e->type.kind != LK_U32 && e->type.kind != LK_U64;
}

/* helper(a, b, c) */
static void print_call(CPrinter *p, CHelper helper, LType type, LType from, const LExpr *a, const LExpr *b,
                       const LExpr *c)
{
    c_need(p, helper, type, from);
    text_addf(&p->out, "%s(", c_helper_name(p, helper, type, from));
    const LExpr *const args[] = { a, b, c };
    for (int i = 0; i < 3 && args[i]; i++) {
        text_add(&p->out, i ? ", " : "");
        print(p, args[i], P_TERNARY);
    }
    text_add(&p->out, ")");
}

/* "x", "x + index": address of an element. */
static void print_address(CPrinter *p, const LBuf *buf, const LExpr *index)
{
    text_add(&p->out, p->buf_name[buf->id]);
    if (index->op == LX_CONST && index->ival == 0)
        return;
    text_add(&p->out, " + ");
    print(p, index, P_MUL);
}

static void print_load(CPrinter *p, const LExpr *e)
{
    if (e->type.lanes == 1) {
        text_addf(&p->out, "%s[", p->buf_name[e->buf->id]);
        print(p, e->a, P_ANY);
        text_add(&p->out, "]");
        return;
    }
    CHelper helper = e->b ? CH_LOAD_N : CH_LOAD;
    c_need(p, helper, e->type, e->type);
    text_addf(&p->out, "%s(", c_helper_name(p, helper, e->type, e->type));
    print_address(p, e->buf, e->a);
    if (e->b) {
        text_add(&p->out, ", ");
        print(p, e->b, P_TERNARY);
    }
    text_add(&p->out, ")");
}

/* An operand of a vector operator may stay scalar when the other one is a vector: GNU C splats it. */
static bool may_stay_scalar(const LExpr *splat, const LExpr *other)
{
    bool is_splat = splat->op == LX_SPLAT || (splat->op == LX_CONST && splat->type.lanes > 1);
    bool other_splat = other->op == LX_SPLAT || other->op == LX_CONST;
    return is_splat && !other_splat && splat->type.kind != LK_BOOL;
}

static void print_operand(CPrinter *p, const LExpr *e, const LExpr *other, int at_least)
{
    if (e->type.lanes == 1 || !may_stay_scalar(e, other)) {
        print(p, e, at_least);
        return;
    }
    LExpr scalar = *e;
    scalar.type.lanes = 1;
    print(p, e->op == LX_SPLAT ? e->a : &scalar, at_least);
}

static bool is_integer(const LExpr *e) { return e->type.kind != LK_F32 && e->type.kind != LK_F64; }

/* How tightly the left and right operands of a left-associative operator must bind. Bit operators and
 * mixed logic get parentheses that C does not ask for but -Wparentheses does. */
static void operand_limits(const LExpr *e, int prec, bool associative, int *left, int *right)
{
    bool flat = associative && is_integer(e) && e->b->op == e->op;
    switch (prec) {
    case P_OR:
    case P_AND:
        *left = e->a->op == e->op ? prec : P_EQUAL;
        *right = flat ? prec : P_EQUAL;
        break;
    case P_EQUAL:
    case P_LESS: *left = *right = P_ADD; break;
    case P_ADD:
    case P_MUL:
        *left = prec;
        *right = flat ? prec : prec + 1;
        break;
    default: *left = *right = P_UNARY; break;
    }
}

static void print_infix(CPrinter *p, const LExpr *e, const char *op, int prec, int at_least, bool associative)
{
    bool parens = prec < at_least;
    int left, right;
    operand_limits(e, prec, associative, &left, &right);
    text_add(&p->out, parens ? "(" : "");
    print_operand(p, e->a, e->b, left);
    text_addf(&p->out, " %s ", op);
    print_operand(p, e->b, e->a, right);
    text_add(&p->out, parens ? ")" : "");
}

static void print_prefix(CPrinter *p, const char *op, const LExpr *a, int at_least)
{
    bool parens = P_UNARY < at_least;
    text_addf(&p->out, "%s%s", parens ? "(" : "", op);
    print(p, a, P_PRIMARY);
    text_add(&p->out, parens ? ")" : "");
}

/* Comparisons of 64-bit lanes give 64-bit masks; ours are i32. */
static void print_compare(CPrinter *p, const LExpr *e, const char *op, int prec, int at_least)
{
    bool wide = e->a->type.kind == LK_F64 || e->a->type.kind == LK_I64 || e->a->type.kind == LK_U64;
    if (e->type.lanes == 1 || !wide) {
        print_infix(p, e, op, prec, at_least, false);
        return;
    }
    text_add(&p->out, "__builtin_convertvector(");
    print_infix(p, e, op, prec, P_ANY, false);
    text_addf(&p->out, ", %s)", c_type(p, e->type));
}

static void print_select(CPrinter *p, const LExpr *e, int at_least)
{
    bool uniform = e->a->op == LX_SPLAT; /* one condition for all lanes */
    if (e->type.lanes > 1 && !uniform) {
        print_call(p, CH_SELECT, e->type, e->type, e->a, e->b, e->c);
        return;
    }
    bool parens = P_TERNARY < at_least;
    text_add(&p->out, parens ? "(" : "");
    print(p, uniform ? e->a->a : e->a, P_OR);
    text_add(&p->out, " ? ");
    print(p, e->b, P_TERNARY);
    text_add(&p->out, " : ");
    print(p, e->c, P_TERNARY);
    text_add(&p->out, parens ? ")" : "");
}

static void print_vector_cast(CPrinter *p, const LExpr *e, int at_least)
{
    LType from = e->a->type;
    if (e->a->op == LX_RAMP && is_integer(e) && e->type.kind != LK_BOOL) { /* narrow the start instead */
        LExpr start = { .op = LX_CAST, .type = ltype((LKind)e->type.kind, 1), .a = e->a->a };
        print_call(p, CH_RAMP, e->type, e->type, &start, NULL, NULL);
        return;
    }
    if (e->type.kind == LK_BOOL) {
        LExpr zero = { .op = LX_CONST, .type = from };
        LExpr differs = { .op = LX_NE, .type = e->type, .a = e->a, .b = &zero };
        print_compare(p, &differs, "!=", P_EQUAL, at_least);
        return;
    }
    text_add(&p->out, "__builtin_convertvector(");
    if (from.kind == LK_BOOL)
        print_prefix(p, "-", e->a, P_ANY);
    else
        print(p, e->a, P_TERNARY);
    text_addf(&p->out, ", %s)", c_type(p, e->type));
}

static void print_cast(CPrinter *p, const LExpr *e, int at_least)
{
    if (e->type.kind == e->a->type.kind) {
        print(p, e->a, at_least);
        return;
    }
    if (e->type.lanes > 1) {
        print_vector_cast(p, e, at_least);
        return;
    }
    if (e->type.kind == LK_BOOL) {
        LExpr zero = { .op = LX_CONST, .type = e->a->type };
        LExpr differs = { .op = LX_NE, .type = e->type, .a = e->a, .b = &zero };
        print_infix(p, &differs, "!=", P_EQUAL, at_least, false);
        return;
    }
    bool parens = P_UNARY < at_least;
    text_addf(&p->out, "%s(%s)", parens ? "(" : "", SCALAR_NAME[e->type.kind]);
    print(p, e->a, P_UNARY);
    text_add(&p->out, parens ? ")" : "");
}

static void print_bitcast(CPrinter *p, const LExpr *e, int at_least)
{
    if (e->type.lanes == 1) {
        print_call(p, CH_BITCAST, e->type, e->a->type, e->a, NULL, NULL);
        return;
    }
    bool parens = P_UNARY < at_least;
    text_addf(&p->out, "%s(%s)", parens ? "(" : "", c_type(p, e->type));
    print(p, e->a, P_UNARY);
    text_add(&p->out, parens ? ")" : "");
}

static void print_fma(CPrinter *p, const LExpr *e, int at_least)
{
    bool parens = P_ADD < at_least;
    text_add(&p->out, parens ? "(" : "");
    print_operand(p, e->a, e->b, P_MUL);
    text_add(&p->out, " * ");
    print_operand(p, e->b, e->a, P_UNARY);
    text_add(&p->out, " + ");
    print_operand(p, e->c, e->a->op == LX_SPLAT ? e->b : e->a, P_MUL);
    text_add(&p->out, parens ? ")" : "");
}

static void print_leaf(CPrinter *p, const LExpr *e, int at_least)
{
    if (e->op == LX_VAR) {
        text_add(&p->out, p->var_name[e->var->id]);
        return;
    }
    if (e->type.lanes > 1) {
        LExpr scalar = *e;
        scalar.type.lanes = 1;
        print_call(p, CH_SPLAT, e->type, e->type, &scalar, NULL, NULL);
        return;
    }
    bool parens = is_negative(e) && P_UNARY < at_least;
    text_add(&p->out, parens ? "(" : "");
    print_constant(p, e);
    text_add(&p->out, parens ? ")" : "");
}

/* Logic on scalar bools uses C's logical operators. */
static void print_logic(CPrinter *p, const LExpr *e, int at_least)
{
    bool truth = e->type.kind == LK_BOOL && e->type.lanes == 1;
    if (e->op == LX_NOT)
        print_prefix(p, truth ? "!" : "~", e->a, at_least);
    else if (e->op == LX_XOR)
        print_infix(p, e, truth ? "!=" : "^", truth ? P_EQUAL : P_BITS, at_least, false);
    else if (e->op == LX_AND)
        print_infix(p, e, truth ? "&&" : "&", truth ? P_AND : P_BITS, at_least, truth);
    else
        print_infix(p, e, truth ? "||" : "|", truth ? P_OR : P_BITS, at_least, truth);
}

static const CHelper HELPER_OF[] = {
    [LX_MIN] = CH_MIN,   [LX_MAX] = CH_MAX,   [LX_ABS] = CH_ABS,   [LX_SQRT] = CH_SQRT,
    [LX_FLOOR] = CH_FLOOR, [LX_ROUND] = CH_ROUND, [LX_HADD] = CH_HADD, [LX_HMIN] = CH_HMIN,
    [LX_HMAX] = CH_HMAX, [LX_ZIP_LOW] = CH_ZIP_LOW, [LX_ZIP_HIGH] = CH_ZIP_HIGH,
};

static void print(CPrinter *p, const LExpr *e, int at_least)
{
    switch (e->op) {
    case LX_CONST:
    case LX_VAR: print_leaf(p, e, at_least); break;
    case LX_LOAD: print_load(p, e); break;
    case LX_ADD: print_infix(p, e, "+", P_ADD, at_least, true); break;
    case LX_SUB: print_infix(p, e, "-", P_ADD, at_least, false); break;
    case LX_MUL: print_infix(p, e, "*", P_MUL, at_least, true); break;
    case LX_DIV: print_infix(p, e, "/", P_MUL, at_least, false); break;
    case LX_MOD: print_infix(p, e, "%", P_MUL, at_least, false); break;
    case LX_NEG: print_prefix(p, "-", e->a, at_least); break;
    case LX_FMA: print_fma(p, e, at_least); break;
    case LX_AND:
    case LX_OR:
    case LX_XOR:
    case LX_NOT: print_logic(p, e, at_least); break;
    case LX_SHL: print_infix(p, e, "<<", P_SHIFT, at_least, false); break;
    case LX_SHR: print_infix(p, e, ">>", P_SHIFT, at_least, false); break;
    case LX_EQ: print_compare(p, e, "==", P_EQUAL, at_least); break;
    case LX_NE: print_compare(p, e, "!=", P_EQUAL, at_least); break;
    case LX_LT: print_compare(p, e, "<", P_LESS, at_least); break;
    case LX_LE: print_compare(p, e, "<=", P_LESS, at_least); break;
    case LX_SELECT: print_select(p, e, at_least); break;
    case LX_CAST: print_cast(p, e, at_least); break;
    case LX_BITCAST: print_bitcast(p, e, at_least); break;
    case LX_SPLAT: print_call(p, CH_SPLAT, e->type, e->type, e->a, NULL, NULL); break;
    case LX_RAMP: print_call(p, CH_RAMP, e->type, e->type, e->a, NULL, NULL); break;
    case LX_LANE:
        print(p, e->a, P_PRIMARY);
        text_addf(&p->out, e->type.kind == LK_BOOL ? "[%d] != 0" : "[%d]", (int)e->ival);
        break;
    case LX_HADD:
    case LX_HMIN:
    case LX_HMAX: print_call(p, HELPER_OF[e->op], e->a->type, e->a->type, e->a, NULL, NULL); break;
    case LX_ZIP_LOW:
    case LX_ZIP_HIGH:
    case LX_MIN:
    case LX_MAX:
    case LX_ABS:
    case LX_SQRT:
    case LX_FLOOR:
    case LX_ROUND: print_call(p, HELPER_OF[e->op], e->type, e->type, e->a, e->b, NULL); break;
    default: break; /* exp, log ...: loop_expand_math has turned them into the above */
    }
}

void c_expr(CPrinter *p, const LExpr *e) { print(p, e, P_TERNARY); }

void c_store(CPrinter *p, const LStmt *s)
{
    LType type = s->value->type;
    if (type.lanes == 1) {
        text_addf(&p->out, "%s[", p->buf_name[s->buf->id]);
        print(p, s->index, P_ANY);
        text_add(&p->out, "] = ");
        print(p, s->value, P_ANY);
        text_add(&p->out, ";\n");
        return;
    }
    CHelper helper = s->limit ? CH_STORE_N : CH_STORE;
    c_need(p, helper, type, type);
    text_addf(&p->out, "%s(", c_helper_name(p, helper, type, type));
    print_address(p, s->buf, s->index);
    text_add(&p->out, ", ");
    print(p, s->value, P_TERNARY);
    if (s->limit) {
        text_add(&p->out, ", ");
        print(p, s->limit, P_TERNARY);
    }
    text_add(&p->out, ");\n");
}
