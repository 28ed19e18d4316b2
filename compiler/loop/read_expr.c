/* Expressions of loop text, built node for node as they are written: nothing is simplified, so that
 * printing them again gives the same text. Types are what the spelling says; loop_verify judges them. */
#include "loop/read.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static LExpr *nothing(Reader *r) { return lx_raw(r->f, LX_CONST, ltype(LK_I64, 1), NULL, NULL, NULL); }

struct ReadName *read_lookup(Reader *r, const char *name)
{
    for (int i = r->scope.len - 1; i >= 0; i--)
        if (r->scope.data[i].name == name)
            return &r->scope.data[i];
    return NULL;
}

/* "f32x16" and the like. */
static bool parse_type(const char *text, LType *out)
{
    for (int k = LK_F32; k <= LK_BOOL; k++) {
        const char *name = lkind_name((LKind)k);
        size_t len = strlen(name);
        if (strncmp(text, name, len) != 0)
            continue;
        text += len;
        long lanes = 1;
        if (*text == 'x' && text[1] >= '1' && text[1] <= '9') {
            char *end;
            lanes = strtol(text + 1, &end, 10);
            text = end;
        }
        if (*text || lanes > 32)
            return false;
        *out = ltype((LKind)k, (int)lanes);
        return true;
    }
    return false;
}

LType read_type(Reader *r)
{
    LType t = ltype(LK_F32, 1);
    if (r->token.kind == T_WORD && parse_type(r->token.text, &t))
        read_next(r);
    else
        read_fail(r, "expected a type such as f32 or f32x16");
    return t;
}

static LExpr *constant(Reader *r, LKind kind, int64_t i, double f)
{
    LExpr *e = lx_raw(r->f, LX_CONST, ltype(kind, 1), NULL, NULL, NULL);
    LVal v = lval_fit(kind, (LVal){ i, f });
    e->ival = v.i;
    e->fval = v.f;
    return e;
}

static LExpr *read_number(Reader *r, bool minus)
{
    const char *text = r->token.text;
    size_t digits = strspn(text, "0123456789");
    bool is_float = text[digits] == '.' || text[digits] == 'e';
    char *end;
    LType t = ltype(is_float ? LK_F32 : LK_I64, 1);
    errno = 0;
    double d = is_float ? strtod(text, &end) : 0;
    uint64_t u = is_float ? 0 : strtoull(text, &end, 10);
    bool good = is_float || !errno;
    if (*end && (!parse_type(end, &t) || t.lanes != 1 || t.kind == LK_BOOL))
        good = false;
    if (lkind_is_float((LKind)t.kind) != is_float)
        good = false;
    if (t.kind == LK_F32 && is_float) /* in one rounding */
        d = (double)strtof(text, NULL);
    uint64_t most = t.kind == LK_U64 ? UINT64_MAX : t.kind == LK_U32 ? UINT32_MAX
                    : (t.kind == LK_I32 ? (uint64_t)INT32_MAX : (uint64_t)INT64_MAX) + minus;
    if (!good || u > most || (minus && u && (t.kind == LK_U64 || t.kind == LK_U32)))
        read_fail(r, "'%s%.40s' is not a number of this IR", minus ? "-" : "", text);
    read_next(r);
    return constant(r, (LKind)t.kind, (int64_t)(minus ? 0 - u : u), minus ? -d : d);
}

static const struct Named {
    const char *text;
    LKind kind;
    int64_t i;
    double f;
} NAMED[] = {
    { "true", LK_BOOL, 1, 0 }, { "false", LK_BOOL, 0, 0 }, { "inf", LK_F32, 0, INFINITY },
    { "nan", LK_F32, 0, NAN }, { "inff64", LK_F64, 0, INFINITY }, { "nanf64", LK_F64, 0, NAN },
};

static LExpr *read_load(Reader *r)
{
    LType t = ltype(LK_F32, 1);
    bool typed = read_accept(r, ".");
    if (typed)
        t = read_type(r);
    Span at = r->token.span;
    const char *name = read_name(r, T_LOCAL, "a buffer");
    const struct ReadName *found = read_lookup(r, name);
    if (!r->failed && (!found || !found->buf)) {
        r->token.span = at;
        read_fail(r, "there is no buffer %%%s here", name);
    }
    read_expect(r, "[");
    LExpr *e = lx_raw(r->f, LX_LOAD, t, read_expr(r), NULL, NULL);
    if (read_accept(r, ";"))
        e->b = read_expr(r);
    read_expect(r, "]");
    if (r->failed)
        return nothing(r);
    e->buf = found->buf;
    if (!typed)
        e->type = ltype(found->buf->kind, 1);
    return e;
}

static int find_op(const char *word)
{
    for (int op = LX_ADD; op <= LX_POW; op++)
        if (strcmp(lop_name((LOp)op), word) == 0)
            return op;
    return -1;
}

static LExpr *read_call(Reader *r, LOp op)
{
    LType t = ltype(LK_F32, 1);
    int64_t lane = 0;
    bool typed = op == LX_SPLAT || op == LX_RAMP || op == LX_CAST || op == LX_BITCAST;
    if (typed || op == LX_LANE)
        read_expect(r, ".");
    if (typed)
        t = read_type(r);
    if (op == LX_LANE)
        lane = read_int(r, "the number of a lane");
    LExpr *arg[3] = { NULL };
    read_expect(r, "(");
    for (int i = 0; i < lop_arity(op); i++) {
        if (i)
            read_expect(r, ",");
        arg[i] = read_expr(r);
    }
    read_expect(r, ")");
    if (!typed)
        t = op == LX_SELECT ? arg[1]->type : arg[0]->type;
    if (op == LX_LANE || op == LX_HADD || op == LX_HMIN || op == LX_HMAX)
        t.lanes = 1;
    LExpr *e = lx_raw(r->f, op, t, arg[0], arg[1], arg[2]);
    e->ival = lane;
    return e;
}

static LExpr *read_primary(Reader *r)
{
    if (r->failed)
        return nothing(r);
    if (r->token.kind == T_NUMBER)
        return read_number(r, false);
    if (r->token.kind == T_LOCAL) {
        const struct ReadName *found = read_lookup(r, r->token.text);
        if (!found || !found->var) {
            read_fail(r, "there is no variable %%%s here", r->token.text);
            return nothing(r);
        }
        read_next(r);
        return lx_var(r->f, found->var);
    }
    bool minus = read_accept(r, "-");
    if (minus && r->token.kind == T_NUMBER)
        return read_number(r, true);
    for (size_t i = 0; i < sizeof NAMED / sizeof *NAMED; i++)
        if (read_accept(r, NAMED[i].text))
            return constant(r, NAMED[i].kind, NAMED[i].i, minus ? -NAMED[i].f : NAMED[i].f);
    if (!minus && read_accept(r, "(")) {
        LExpr *e = read_expr(r);
        read_expect(r, ")");
        return e;
    }
    if (!minus && read_accept(r, "load"))
        return read_load(r);
    int op = !minus && r->token.kind == T_WORD ? find_op(r->token.text) : -1;
    if (op < 0) {
        read_fail(r, "expected a value");
        return nothing(r);
    }
    read_next(r);
    return read_call(r, (LOp)op);
}

static int binary(const Reader *r, int level)
{
    static const LOp LEVEL[3][5] = { { LX_EQ, LX_NE, LX_LT, LX_LE, LX_CONST },
                                     { LX_ADD, LX_SUB, LX_CONST },
                                     { LX_MUL, LX_DIV, LX_MOD, LX_CONST } };
    for (const LOp *op = LEVEL[level]; *op != LX_CONST; op++)
        if (r->token.kind == T_PUNCT && read_is(r, lop_name(*op)))
            return (int)*op;
    return -1;
}

static LExpr *read_level(Reader *r, int level)
{
    if (level == 3)
        return read_primary(r);
    LExpr *a = read_level(r, level + 1);
    int op;
    while (!r->failed && (op = binary(r, level)) >= 0) {
        read_next(r);
        LExpr *b = read_level(r, level + 1);
        LType t = level == 0 ? ltype(LK_BOOL, a->type.lanes) : a->type;
        a = lx_raw(r->f, (LOp)op, t, a, b, NULL);
        if (level == 0)
            break; /* comparisons do not chain */
        if (!read_enter(r)) /* a long chain is a deep tree */
            break;
    }
    return a;
}

LExpr *read_expr(Reader *r)
{
    int depth = r->depth;
    LExpr *e = read_enter(r) ? read_level(r, 0) : nothing(r);
    r->depth = depth;
    return e;
}
