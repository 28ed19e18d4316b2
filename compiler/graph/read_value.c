/* Values in the module text: types, places, attributes, operands, index maps. */
#include "graph/read.h"

#include <string.h>

bool ir_type(Reader *r, Type *type)
{
    const char *word;
    ir_space(r);
    uint32_t begin = r->at;
    if (!ir_word(r, &word, "a type"))
        return false;
    *type = (Type){ .dtype = DT_COUNT };
    for (int i = 0; i < DT_COUNT; i++)
        if (strcmp(word, dtype_name((DType)i)) == 0)
            type->dtype = (DType)i;
    if (type->dtype == DT_COUNT)
        return ir_fail(r, begin, "unknown type `%s`; the types are f32, i32 and bool", word);
    if (!ir_accept(r, "["))
        return true;
    do {
        if (type->rank == MAX_RANK)
            return ir_fail(r, begin, "a type has at most %d dimensions", MAX_RANK);
        if (!ir_int(r, &type->dim[type->rank++]))
            return false;
    } while (ir_accept(r, ","));
    if (!ir_expect(r, "]"))
        return false;
    Why why;
    return type_valid(type, &why) || ir_fail(r, begin, "%s", why.text);
}

bool ir_paren_string(Reader *r, const char **text)
{
    return ir_expect(r, "(") && ir_string(r, text) && ir_expect(r, ")");
}

bool ir_loc(Reader *r, Loc *loc)
{
    int64_t line, col;
    uint32_t begin = r->at;
    if (!ir_expect(r, "(") || !ir_string(r, &loc->file) || !ir_expect(r, ":") ||
        !ir_int(r, &line) || !ir_expect(r, ":") || !ir_int(r, &col) || !ir_expect(r, ")"))
        return false;
    if (line < 0 || line > INT32_MAX || col < 0 || col > INT32_MAX)
        return ir_fail(r, begin, "no such line or column");
    loc->line = (int)line;
    loc->col = (int)col;
    return true;
}

static bool read_ints(Reader *r, Ints *ints)
{
    int64_t v[MAX_RANK];
    int n = 0;
    ir_space(r);
    uint32_t begin = r->at;
    if (!ir_expect(r, "["))
        return false;
    if (!ir_accept(r, "]")) {
        do {
            if (n == MAX_RANK)
                return ir_fail(r, begin, "a list has at most %d numbers", MAX_RANK);
            if (!ir_int(r, &v[n++]))
                return false;
        } while (ir_accept(r, ","));
        if (!ir_expect(r, "]"))
            return false;
    }
    int64_t *copy = ARENA_ARRAY(r->arena, int64_t, n + 1);
    memcpy(copy, v, sizeof *v * (size_t)n);
    *ints = (Ints){ n, copy };
    return true;
}

/* Rounded to the dtype as the printer's shortest text needs it; other values fail the const rule. */
static double element_value(DType dtype, double v) { return dtype == DT_F32 ? (double)(float)v : v; }

static bool read_tensor(Reader *r, const Tensor **tensor)
{
    Type type;
    ir_space(r);
    uint32_t begin = r->at;
    if (!ir_type(r, &type))
        return false;
    int64_t n = type_count(&type);
    if (n > TEXT_CONST_MAX)
        return ir_fail(r, begin, "a constant in text has at most 2^24 elements");
    if (!ir_expect(r, "("))
        return false;
    bool splat = ir_accept(r, "splat");
    /* A short list must not ask for the memory of a long one. */
    if (!splat && (int64_t)(r->source->len - r->at) < n)
        return ir_fail(r, begin, "%s needs %lld elements", TYPE_TEXT(&type), (long long)n);
    Tensor *t = ARENA_NEW(r->arena, Tensor);
    *t = tensor_new(r->arena, type);
    for (int64_t i = 0; i < n; i++) {
        if (splat && i) {
            t->data[i] = t->data[0];
            continue;
        }
        if (i && !ir_expect(r, ","))
            return false;
        if (!ir_number(r, &t->data[i]))
            return false;
        t->data[i] = element_value(type.dtype, t->data[i]);
    }
    *tensor = t;
    return ir_expect(r, ")");
}

static bool read_body_name(Reader *r, Graph **graph)
{
    const char *name;
    ir_space(r);
    uint32_t begin = r->at;
    if (!ir_name(r, &name))
        return false;
    *graph = module_find_graph(r->module, name, -1);
    if (!*graph || *graph == r->graph)
        return ir_fail(r, begin, "no graph @%s stands before this one", name);
    return (*graph)->kind == GRAPH_BODY || ir_fail(r, begin, "graph @%s is not a body", name);
}

static bool read_var_name(Reader *r, Var **var)
{
    const char *name;
    ir_space(r);
    uint32_t begin = r->at;
    if (!ir_name(r, &name))
        return false;
    *var = module_find_var(r->module, name);
    if (*var)
        return true;
    ir_fail(r, begin, "unknown variable @%s", name);
    diag_note(r->diags, SPAN_NONE, "variables stand before the graphs: `param @%s : f32[..]`", name);
    return false;
}

bool ir_attr_value(Reader *r, const AttrDef *def, Attr *attr)
{
    switch (def->kind) {
    case AK_INT: return strcmp(def->name, "salt") == 0 ? ir_bits(r, &attr->i) : ir_int(r, &attr->i);
    case AK_FLOAT: return ir_number(r, &attr->f);
    case AK_NAME: return ir_string(r, &attr->name);
    case AK_INTS: return read_ints(r, &attr->ints);
    case AK_VAR: return read_var_name(r, &attr->var);
    case AK_TENSOR: return read_tensor(r, &attr->tensor);
    case AK_GRAPH: return read_body_name(r, &attr->graph);
    case AK_DTYPE:
    case AK_CONTRACT:
    case AK_NONE: break;
    }
    return false;
}

bool ir_operand(Reader *r, Node **node)
{
    int64_t id;
    ir_space(r);
    uint32_t begin = r->at;
    if (!ir_label(r, '%', &id))
        return false;
    *node = ir_map_find(&r->values, id, NULL);
    return *node || ir_fail(r, begin, "%%%lld is used before it is defined", (long long)id);
}

/* ---- contract ----
 * The index maps stand before the list of indices; so they are kept as terms by name first. */

typedef struct {
    int operand, dim;
    const char *name; /* NULL: the base */
    int64_t coef;
    uint32_t at;
} Term;
typedef Vec(Term) TermVec;

static bool read_terms(Reader *r, TermVec *terms, int operand, int dim)
{
    for (bool first = true;; first = false) {
        bool minus = ir_accept(r, "-");
        if (!first && !minus && !ir_accept(r, "+"))
            return true;
        ir_space(r);
        Term t = { .operand = operand, .dim = dim, .coef = 1, .at = r->at };
        char c = r->at < r->source->len ? r->source->text[r->at] : 0;
        bool number = c >= '0' && c <= '9';
        if (number && !ir_int(r, &t.coef))
            return false;
        if ((!number || ir_accept(r, "*")) && !ir_word(r, &t.name, "an index"))
            return false;
        t.coef = minus ? -t.coef : t.coef;
        VEC_PUSH(r->arena, terms, t);
    }
}

static bool read_map(Reader *r, Contract *c, TermVec *terms)
{
    int p = c->n_operand++;
    if (!ir_expect(r, "["))
        return false;
    if (ir_accept(r, "]"))
        return true;
    do {
        if (c->operand[p].rank == MAX_RANK)
            return ir_fail(r, r->at, "an operand has at most %d dimensions", MAX_RANK);
        if (!read_terms(r, terms, p, c->operand[p].rank++))
            return false;
    } while (ir_accept(r, ","));
    return ir_expect(r, "]");
}

static int index_find(const Contract *c, const char *name)
{
    for (int k = 0; k < c->n_index; k++)
        if (strcmp(c->name[k], name) == 0)
            return k;
    return -1;
}

static bool read_index(Reader *r, Contract *c)
{
    ir_space(r);
    uint32_t begin = r->at;
    const char *name;
    if (!ir_word(r, &name, "an index"))
        return false;
    if (c->n_index == MAX_INDEX)
        return ir_fail(r, begin, "a contract has at most %d indices", MAX_INDEX);
    if (index_find(c, name) >= 0)
        return ir_fail(r, begin, "index `%s` stands twice", name);
    c->name[c->n_index] = name;
    return ir_expect(r, "=") && ir_int(r, &c->extent[c->n_index++]);
}

/* `{n=32,o=128 | i=784}` */
static bool read_extents(Reader *r, Contract *c)
{
    if (!ir_expect(r, "{"))
        return false;
    c->n_out = -1;
    for (;;) {
        if (c->n_out < 0 && ir_accept(r, "|"))
            c->n_out = c->n_index;
        if (ir_accept(r, "}"))
            break;
        if (c->n_index != (c->n_out < 0 ? 0 : c->n_out) && !ir_expect(r, ","))
            return false;
        if (!read_index(r, c))
            return false;
    }
    if (c->n_out < 0)
        c->n_out = c->n_index;
    return true;
}

static bool apply_terms(Reader *r, Contract *c, const TermVec *terms)
{
    for (int i = 0; i < terms->len; i++) {
        const Term *t = &terms->data[i];
        Affine *a = &c->operand[t->operand].dim[t->dim];
        int k = t->name ? index_find(c, t->name) : -1;
        if (t->name && k < 0)
            return ir_fail_token(r, t->at, "index `%s` has no extent", t->name);
        int64_t *slot = t->name ? &a->coef[k] : &a->base;
        *slot += t->coef; /* one line of at most 16 MiB of terms below 2^40: no overflow past 2^63 */
        if (*slot > TYPE_MAX_COUNT || *slot < -TYPE_MAX_COUNT)
            return ir_fail(r, t->at, "the factors of `%s` add up beyond 2^40", t->name ? t->name : "1");
    }
    return true;
}

bool ir_contract(Reader *r, NodeVec *in, Attr *attr)
{
    Contract *c = ARENA_NEW(r->arena, Contract);
    TermVec terms = { 0 };
    const char *out[MAX_INDEX];
    int n_out = 0;
    uint32_t out_at = r->at;
    do {
        Node *node;
        if (in->len == 2)
            return ir_fail(r, r->at, "a contract has one or two operands");
        if (!ir_operand(r, &node) || !read_map(r, c, &terms))
            return false;
        VEC_PUSH(r->arena, in, node);
    } while (ir_accept(r, ","));
    if (!ir_expect(r, "->") || !ir_expect(r, "["))
        return false;
    if (!ir_accept(r, "]")) {
        do {
            if (n_out == MAX_INDEX)
                return ir_fail(r, r->at, "a contract has at most %d indices", MAX_INDEX);
            out_at = r->at;
            if (!ir_word(r, &out[n_out++], "an index"))
                return false;
        } while (ir_accept(r, ","));
        if (!ir_expect(r, "]"))
            return false;
    }
    if (!read_extents(r, c) || !apply_terms(r, c, &terms))
        return false;
    bool same = n_out == c->n_out;
    for (int k = 0; same && k < n_out; k++)
        same = strcmp(out[k], c->name[k]) == 0;
    if (!same)
        return ir_fail(r, out_at, "the indices behind `->` and those before `|` differ");
    attr->contract = c;
    return true;
}
