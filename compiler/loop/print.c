/* The text form of functions. loop_read (read.c) reads back exactly what is written here: constants
 * carry their kind by their spelling (12 is i64, 0.5 is f32, 7u32, 0.5f64, true), casts and splats
 * their type, and parentheses keep every tree as it is. */
#include "loop/expr.h"

enum { PREC_COMPARE = 1, PREC_SUM, PREC_PRODUCT, PREC_LEAF };

static int precedence(LOp op)
{
    switch (op) {
    case LX_EQ: case LX_NE: case LX_LT: case LX_LE: return PREC_COMPARE;
    case LX_ADD: case LX_SUB: return PREC_SUM;
    case LX_MUL: case LX_DIV: case LX_MOD: return PREC_PRODUCT;
    default: return PREC_LEAF;
    }
}

static void print_type(LType t, Text *out)
{
    text_add(out, lkind_name((LKind)t.kind));
    if (t.lanes > 1)
        text_addf(out, "x%d", t.lanes);
}

static void print_const(const LExpr *e, Text *out)
{
    LKind kind = (LKind)e->type.kind;
    if (kind == LK_BOOL) {
        text_add(out, e->ival ? "true" : "false");
    } else if (lkind_is_float(kind)) {
        size_t before = out->len;
        if (kind == LK_F32)
            text_add_float(out, (float)e->fval);
        else
            text_add_double(out, e->fval);
        bool plain = true; /* digits only: needs a point to be read as a float */
        for (size_t i = before; i < out->len; i++)
            plain = plain && ((out->data[i] >= '0' && out->data[i] <= '9') || out->data[i] == '-');
        if (plain)
            text_add(out, ".0");
        if (kind == LK_F64)
            text_add(out, "f64");
    } else if (kind == LK_U64) {
        text_addf(out, "%lluu64", (unsigned long long)e->ival);
    } else {
        text_addf(out, "%lld%s", (long long)e->ival, kind == LK_I64 ? "" : lkind_name(kind));
    }
}

static void print_expr(const LExpr *e, Text *out, int outer);

static void print_load(const LExpr *e, Text *out)
{
    text_add(out, "load");
    if (e->type.lanes > 1) {
        text_add(out, ".");
        print_type(e->type, out);
    }
    text_addf(out, " %%%s[", e->buf->name);
    print_expr(e->a, out, 0);
    if (e->b) {
        text_add(out, "; ");
        print_expr(e->b, out, 0);
    }
    text_add(out, "]");
}

static void print_call(const LExpr *e, Text *out)
{
    text_add(out, lop_name(e->op));
    if (e->op == LX_SPLAT || e->op == LX_RAMP || e->op == LX_CAST || e->op == LX_BITCAST) {
        text_add(out, ".");
        print_type(e->type, out);
    } else if (e->op == LX_LANE) {
        text_addf(out, ".%d", (int)e->ival);
    }
    text_add(out, "(");
    const LExpr *arg[3] = { e->a, e->b, e->c };
    for (int i = 0; i < 3 && arg[i]; i++) {
        text_add(out, i ? ", " : "");
        print_expr(arg[i], out, 0);
    }
    text_add(out, ")");
}

static void print_expr(const LExpr *e, Text *out, int outer)
{
    int own = precedence(e->op);
    if (e->op == LX_CONST) {
        print_const(e, out);
    } else if (e->op == LX_VAR) {
        text_addf(out, "%%%s", e->var->name);
    } else if (e->op == LX_LOAD) {
        print_load(e, out);
    } else if (own == PREC_LEAF) {
        print_call(e, out);
    } else {
        /* Sums and products associate to the left; comparisons do not chain. */
        bool paren = own < outer;
        text_add(out, paren ? "(" : "");
        print_expr(e->a, out, own == PREC_COMPARE ? own + 1 : own);
        text_addf(out, " %s ", lop_name(e->op));
        print_expr(e->b, out, own + 1);
        text_add(out, paren ? ")" : "");
    }
}

static void print_string(const char *s, Text *out)
{
    text_add(out, "\"");
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            text_addf(out, "\\%c", *s);
        else if (*s == '\n')
            text_add(out, "\\n");
        else
            text_addf(out, "%c", *s);
    }
    text_add(out, "\"");
}

static void print_block(const LBlock *b, Text *out, int depth);

static void print_body(const LBlock *b, Text *out, int depth)
{
    text_add(out, " {\n");
    print_block(b, out, depth + 1);
    text_addf(out, "%*s}", depth * 2, "");
}

static void print_for(const LStmt *s, Text *out, int depth)
{
    static const char *const KIND[] = { "", "parallel ", "unroll " };
    text_addf(out, "%sfor %%%s = ", KIND[s->for_kind], s->var->name);
    print_expr(s->lo, out, 0);
    text_add(out, " to ");
    print_expr(s->hi, out, 0);
    if (s->step != 1)
        text_addf(out, " step %lld", (long long)s->step);
    print_body(&s->body, out, depth);
    text_add(out, "\n");
}

static void print_if(const LStmt *s, Text *out, int depth)
{
    text_add(out, "if ");
    print_expr(s->value, out, 0);
    if (s->odds[0] || s->odds[1])
        text_addf(out, " odds %lld:%lld", (long long)s->odds[0], (long long)s->odds[1]);
    print_body(&s->body, out, depth);
    if (s->other.len) {
        text_add(out, " else");
        print_body(&s->other, out, depth);
    }
    text_add(out, "\n");
}

static void print_store(const LStmt *s, Text *out)
{
    text_addf(out, "store %%%s[", s->buf->name);
    print_expr(s->index, out, 0);
    if (s->limit) {
        text_add(out, "; ");
        print_expr(s->limit, out, 0);
    }
    text_add(out, "], ");
    print_expr(s->value, out, 0);
    text_add(out, "\n");
}

/* The values of a table of constants. */
static void print_table(const LBuf *b, Text *out)
{
    for (int64_t i = 0; b->data && i < b->count; i++) {
        LExpr value = { .op = LX_CONST, .type = ltype(b->kind, 1), .fval = b->data[i] };
        value.ival = lkind_is_float(b->kind) ? 0 : (int64_t)b->data[i];
        text_add(out, i ? ", " : " = {");
        print_const(&value, out);
    }
    text_add(out, b->data ? "}" : "");
}

static void print_stmt(const LStmt *s, Text *out, int depth)
{
    text_addf(out, "%*s", depth * 2, "");
    switch (s->kind) {
    case LS_LET: case LS_VAR:
        text_addf(out, "%s %%%s: ", s->kind == LS_LET ? "let" : "var", s->var->name);
        print_type(s->var->type, out);
        text_add(out, " = ");
        print_expr(s->value, out, 0);
        text_add(out, "\n");
        break;
    case LS_SET:
        text_addf(out, "%%%s = ", s->var->name);
        print_expr(s->value, out, 0);
        text_add(out, "\n");
        break;
    case LS_STORE: print_store(s, out); break;
    case LS_FOR: print_for(s, out, depth); break;
    case LS_IF: print_if(s, out, depth); break;
    case LS_LOCAL:
        text_addf(out, "local %%%s: %s[%lld]", s->buf->name, lkind_name(s->buf->kind),
                  (long long)s->buf->count);
        print_table(s->buf, out);
        text_add(out, "\n");
        break;
    case LS_PREFETCH:
        text_addf(out, "prefetch %%%s[", s->buf->name);
        print_expr(s->index, out, 0);
        text_add(out, "]\n");
        break;
    case LS_NOTE:
        text_add(out, "note ");
        print_string(s->note, out);
        text_add(out, "\n");
        break;
    }
}

static void print_block(const LBlock *b, Text *out, int depth)
{
    for (int i = 0; i < b->len; i++)
        print_stmt(b->data[i], out, depth);
}

static void print_attributes(const LFunc *f, Text *out)
{
    if (f->uses_ctx)
        text_addf(out, " ctx(%%%s, %%%s, %%%s)", f->seed->name, f->step->name, f->epoch->name);
    if (f->scratch_bytes)
        text_addf(out, " scratch %lld", (long long)f->scratch_bytes);
    if (f->flops)
        text_addf(out, " flops %lld", (long long)f->flops);
    if (f->bytes)
        text_addf(out, " bytes %lld", (long long)f->bytes);
    if (f->path) {
        text_add(out, " path ");
        print_string(f->path, out);
    }
    if (f->note) {
        text_add(out, " note ");
        print_string(f->note, out);
    }
    if (f->schedule) {
        text_add(out, " schedule ");
        print_string(f->schedule, out);
    }
    if (f->loc.file) {
        text_add(out, " loc ");
        print_string(f->loc.file, out);
        text_addf(out, ":%d:%d", f->loc.line, f->loc.col);
    }
}

void loop_print_func(const LFunc *f, Text *out)
{
    static const char *const ROLE[] = { "in", "out", "inout", "local" };
    text_addf(out, "func @%s(", f->name);
    for (int i = 0; i < f->params.len; i++) {
        const LBuf *b = f->params.data[i];
        text_addf(out, "%s%%%s: %s[%lld] %s%s", i ? ", " : "", b->name, lkind_name(b->kind),
                  (long long)b->count, ROLE[b->role], b->noalias ? " noalias" : "");
    }
    text_add(out, ")");
    print_attributes(f, out);
    text_add(out, " {\n");
    print_block(&f->body, out, 1);
    text_add(out, "}\n");
}
