/* module_read: the text of a module back to a module. The form is told in print.c and graph.h.
 *
 * Line by line: `module`, variables, graphs; in a graph nodes, then kernels. An error is reported at
 * its place and the reader goes on at the next line. A node is built by graph_add from its operands and
 * attributes, so what is read obeys every rule; the written type must be the inferred one. */
#include "graph/layout.h"
#include "graph/read.h"

#include <limits.h>
#include <string.h>

/* ---- nodes ---- */

typedef struct {
    uint32_t begin;  /* of the op's name */
    int64_t id;      /* -1: a root */
    uint32_t id_at;
    const OpDef *op;
    NodeVec in;
    Attr attr[MAX_ATTR];
    Type type;
} Line;

static bool read_op(Reader *r, Line *l)
{
    const char *name;
    ir_space(r);
    l->begin = r->at;
    if (!ir_word(r, &name, "an operation"))
        return false;
    l->op = op_find(name);
    if (l->op)
        return true;
    ir_fail(r, l->begin, "unknown operation `%s`", name);
    return false;
}

static bool read_attr(Reader *r, Line *l, bool *seen)
{
    const char *name;
    ir_space(r);
    uint32_t begin = r->at;
    if (!ir_word(r, &name, "an attribute"))
        return false;
    int k = op_attr(l->op, name);
    if (k < 0 || attr_from_type(&l->op->attrs[k]))
        return ir_fail(r, begin, "`%s` has no attribute `%s` in its text", l->op->name, name);
    if (seen[k])
        return ir_fail(r, begin, "attribute `%s` stands twice", name);
    seen[k] = true;
    return ir_expect(r, "=") && ir_attr_value(r, &l->op->attrs[k], &l->attr[k]);
}

static bool read_operands_and_attrs(Reader *r, Line *l)
{
    bool seen[MAX_ATTR] = { false };
    if (l->op->attrs[0].kind == AK_CONTRACT)
        return ir_contract(r, &l->in, &l->attr[0]);
    while (!ir_at_end(r) && r->source->text[r->at] == '%') {
        Node *node;
        if (!ir_operand(r, &node))
            return false;
        VEC_PUSH(r->arena, &l->in, node);
        if (!ir_accept(r, ","))
            break;
    }
    if (ir_accept(r, "{")) {
        do
            if (!read_attr(r, l, seen))
                return false;
        while (ir_accept(r, ","));
        if (!ir_expect(r, "}"))
            return false;
    }
    for (int k = 0; k < MAX_ATTR && l->op->attrs[k].kind != AK_NONE; k++)
        if (!seen[k] && !attr_from_type(&l->op->attrs[k]))
            return ir_fail_token(r, l->begin, "`%s` needs the attribute `%s`", l->op->name,
                             l->op->attrs[k].name);
    return true;
}

static Kernel *mention_kernel(Reader *r, int64_t id, uint32_t at)
{
    Kernel *k = ir_map_find(&r->kernels, id, NULL);
    if (!k) {
        k = ARENA_NEW(r->arena, Kernel);
        k->id = (int)id;
        ir_map_add(r->arena, &r->kernels, id, k, at);
    }
    return k;
}

static bool read_kernel_label(Reader *r, int64_t *id)
{
    ir_space(r);
    uint32_t begin = r->at;
    return ir_label(r, 'k', id) &&
           (*id <= INT_MAX || ir_fail(r, begin, "kernel numbers end at %d", INT_MAX));
}

/* path, loc, kernel, at: each at most once, in this order or any other. */
static bool read_tail(Reader *r, Node *n)
{
    while (!ir_at_end(r)) {
        uint32_t begin = r->at;
        int64_t v;
        if (!n->path && ir_accept(r, "path")) {
            if (!ir_paren_string(r, &n->path))
                return false;
        } else if (!n->loc.file && ir_accept(r, "loc")) {
            if (!ir_loc(r, &n->loc))
                return false;
        } else if (!n->kernel && ir_accept(r, "kernel")) {
            if (!ir_expect(r, "=") || !read_kernel_label(r, &v))
                return false;
            n->kernel = mention_kernel(r, v, begin);
            VEC_PUSH(r->arena, &n->kernel->nodes, n);
        } else if (n->offset < 0 && ir_accept(r, "at")) {
            if (!ir_expect(r, "=") || !ir_int(r, &n->offset))
                return false;
            if (n->offset < 0)
                return ir_fail(r, begin, "an offset is not negative");
        } else {
            return ir_fail(r, begin, "expected path(..), loc(..), kernel=.., at=.. or the end of the line");
        }
    }
    return true;
}

static bool define(Reader *r, const Line *l, Node *n)
{
    uint32_t first;
    if (ir_map_find(&r->values, l->id, &first)) {
        ir_fail_token(r, l->id_at, "%%%lld is defined twice", (long long)l->id);
        diag_note(r->diags, ir_span(r, first, first), "the first definition is here");
        return false;
    }
    ir_map_add(r->arena, &r->values, l->id, n, l->id_at);
    return true;
}

static bool read_node(Reader *r)
{
    Line l = { .id = -1 };
    ir_space(r);
    l.id_at = r->at;
    if (r->source->text[r->at] == '%' && (!ir_label(r, '%', &l.id) || !ir_expect(r, "=")))
        return false;
    if (!read_op(r, &l))
        return false;
    bool root = l.op->flags & OP_ROOT;
    if (root != (l.id < 0))
        return ir_fail_token(r, l.begin, root ? "`%s` has no result to number" : "the result of `%s` needs a number",
                         l.op->name);
    if (!read_operands_and_attrs(r, &l))
        return false;
    uint32_t type_at = r->at;
    if (!root) {
        if (!ir_expect(r, ":"))
            return false;
        ir_space(r);
        type_at = r->at;
        if (!ir_type(r, &l.type))
            return false;
        for (int k = 0; k < MAX_ATTR; k++) {
            if (l.op->attrs[k].kind == AK_NONE || !attr_from_type(&l.op->attrs[k]))
                continue;
            if (l.op->attrs[k].kind == AK_DTYPE)
                l.attr[k].i = l.type.dtype;
            else
                l.attr[k].ints = (Ints){ l.type.rank, l.type.dim };
        }
    }
    Why why;
    Node *n = graph_add(r->graph, l.op, l.in.data, l.in.len, l.attr, &why);
    if (!n)
        return ir_fail_token(r, l.begin, "%s", why.text);
    if (!root && !type_equal(&n->type, &l.type))
        return ir_fail(r, type_at, "the type of this `%s` is %s, not %s", l.op->name, TYPE_TEXT(&n->type),
                         TYPE_TEXT(&l.type));
    return (root || define(r, &l, n)) && read_tail(r, n);
}

/* ---- kernels ---- */

/* `FIRST=N SECOND=N`, or nothing. */
static bool read_pair(Reader *r, const char *first, int64_t *a, const char *second, int64_t *b)
{
    return !ir_accept(r, first) || (ir_expect(r, "=") && ir_int(r, a) && ir_expect(r, second) &&
                                      ir_expect(r, "=") && ir_int(r, b));
}

static bool read_kind(Reader *r, int *kind)
{
    const char *word;
    ir_space(r);
    uint32_t at = r->at;
    if (!ir_word(r, &word, "the kind of the kernel"))
        return false;
    *kind = kernel_kind_find(word);
    return *kind >= 0 || ir_fail(r, at, "unknown kind of kernel `%s`", word);
}

static bool read_results(Reader *r, Kernel *k)
{
    if (!ir_expect(r, "results"))
        return false;
    do {
        Node *n;
        if (!ir_operand(r, &n))
            return false;
        VEC_PUSH(r->arena, &k->results, n);
    } while (ir_accept(r, ","));
    return read_pair(r, "rows", &k->rows, "cols", &k->cols);
}

static bool read_kernel(Reader *r)
{
    int64_t id, lead = 0;
    ir_space(r);
    uint32_t begin = r->at;
    if (!read_kernel_label(r, &id))
        return false;
    Kernel *k = mention_kernel(r, id, begin);
    if (k->name)
        return ir_fail_token(r, begin, "kernel k%d is listed twice", k->id);
    if (!read_kind(r, &k->kind) || !ir_string(r, &k->name) || !read_results(r, k) ||
        !read_pair(r, "lead", &lead, "block", &k->block) ||
        !read_pair(r, "scratch", &k->scratch_bytes, "at", &k->scratch_offset))
        return false;
    k->lead = lead < 0 ? -1 : lead > MAX_RANK ? MAX_RANK + 1 : (int)lead; /* the verifier refuses these */
    VEC_PUSH(r->arena, &r->graph->kernels, k);
    return ir_at_end(r) || ir_fail(r, r->at, "expected the end of the line");
}

/* A stage of the chain listed last. */
static bool read_stage(Reader *r)
{
    KernelVec *kernels = &r->graph->kernels;
    if (!kernels->len)
        return ir_fail(r, r->at, "a stage stands behind the kernel that it belongs to");
    Kernel *stage = ARENA_NEW(r->arena, Kernel);
    if (!read_kind(r, &stage->kind) || !read_results(r, stage))
        return false;
    VEC_PUSH(r->arena, &kernels->data[kernels->len - 1]->stages, stage);
    return ir_at_end(r) || ir_fail(r, r->at, "expected the end of the line");
}

/* A run over kernels listed before it. */
static bool read_run(Reader *r)
{
    int64_t id[2];
    int place[2] = { -1, -1 };
    KernelRun run = { 0 };
    for (int i = 0; i < 2; i++) {
        ir_space(r);
        uint32_t begin = r->at;
        if (!read_kernel_label(r, &id[i]))
            return false;
        for (int k = 0; k < r->graph->kernels.len; k++)
            if (r->graph->kernels.data[k]->id == id[i])
                place[i] = k;
        if (place[i] < 0)
            return ir_fail_token(r, begin, "kernel k%lld is not listed before the run", (long long)id[i]);
    }
    run.first = place[0];
    run.last = place[1];
    if (!read_pair(r, "samples", &run.samples, "lanes", &run.lanes) ||
        !read_pair(r, "slab", &run.slab_bytes, "at", &run.slab_offset))
        return false;
    VEC_PUSH(r->arena, &r->graph->runs, run); /* the verifier looks at the numbers */
    return ir_at_end(r) || ir_fail(r, r->at, "expected the end of the line");
}

/* ---- graphs, variables ---- */

static bool read_graph_options(Reader *r, Graph *g)
{
    while (!ir_accept(r, "{")) {
        uint32_t begin = r->at;
        bool ok;
        int64_t v = 0;
        if (ir_accept(r, "batch")) {
            ok = ir_expect(r, "=") && ir_int(r, &g->batch);
            v = g->batch;
        } else if (ir_accept(r, "train")) {
            ok = ir_expect(r, "=") && ir_string(r, &g->train);
        } else if (ir_accept(r, "arena")) {
            ok = ir_expect(r, "=") && ir_int(r, &g->arena_bytes);
            v = g->arena_bytes;
        } else if (ir_accept(r, "bound")) {
            ok = ir_expect(r, "=") && ir_int(r, &g->arena_bound);
            v = g->arena_bound;
        } else {
            return ir_fail(r, begin, "expected batch=, train=, arena=, bound= or `{`");
        }
        if (!ok)
            return false;
        if (v < 0)
            return ir_fail(r, begin, "this number cannot be negative");
    }
    return true;
}

static bool read_graph_head(Reader *r)
{
    const char *name, *kind;
    ir_space(r);
    uint32_t begin = r->at;
    if (!ir_name(r, &name))
        return false;
    ir_space(r);
    uint32_t kind_at = r->at;
    if (!ir_word(r, &kind, "the kind of the graph"))
        return false;
    int k = graph_kind_find(kind);
    if (k < 0)
        return ir_fail(r, kind_at, "unknown kind of graph `%s`; kinds are init, infer, step, eval and body",
                         kind);
    Graph head = { 0 };
    if (!read_graph_options(r, &head))
        return false;
    if (module_find_graph(r->module, name, head.batch))
        return ir_fail_token(r, begin, "graph @%s with batch %lld is there already", name, (long long)head.batch);
    r->graph = graph_new(r->module, name, (GraphKind)k, head.batch);
    r->graph_at = begin;
    r->graph->train = head.train;
    r->graph->arena_bytes = head.arena_bytes;
    r->graph->arena_bound = head.arena_bound;
    r->values = r->kernels = (NumberMap){ 0 };
    return ir_at_end(r) || ir_fail(r, r->at, "expected the end of the line");
}

static void close_graph(Reader *r)
{
    for (int i = 0; i < r->kernels.cap; i++) {
        const Kernel *k = r->kernels.value[i];
        if (k && !k->name)
            ir_fail_token(r, r->kernels.begin[i], "kernel k%d is not listed behind the nodes", k->id);
    }
    r->graph = NULL;
}

/* [0*32,1,0]: for each stored dimension the declared one that it is part of, and the step. */
static bool read_layout(Reader *r, const Type *type, nnr_layout *l)
{
    ir_space(r);
    uint32_t begin = r->at;
    if (!ir_expect(r, "["))
        return false;
    do {
        int64_t axis, step = 1;
        if (!ir_int(r, &axis) || (ir_accept(r, "*") && !ir_int(r, &step)))
            return false;
        if (l->rank == type->rank || axis < 0 || axis >= type->rank)
            return ir_fail(r, begin, "this is no layout of %s", TYPE_TEXT(type));
        l->axis[l->rank] = (int)axis;
        l->step[l->rank] = step;
        l->dims[l->rank] = type->dim[l->rank];
        l->rank++;
    } while (ir_accept(r, ","));
    if (!ir_expect(r, "]"))
        return false;
    return (l->rank == type->rank && layout_valid(l)) ||
           ir_fail(r, begin, "this is no layout of %s", TYPE_TEXT(type));
}

static bool read_var(Reader *r, VarKind kind)
{
    const char *name;
    Type type;
    Loc loc = { 0 };
    nnr_layout layout = { 0 };
    ir_space(r);
    uint32_t begin = r->at;
    if (!ir_name(r, &name) || !ir_expect(r, ":") || !ir_type(r, &type))
        return false;
    if (ir_accept(r, "layout") && !read_layout(r, &type, &layout))
        return false;
    if (ir_accept(r, "loc") && !ir_loc(r, &loc))
        return false;
    Var *var = module_add_var(r->module, name, kind, type, loc);
    if (!var)
        return ir_fail_token(r, begin, "variable @%s is there already", name);
    var->layout = layout;
    return ir_at_end(r) || ir_fail(r, r->at, "expected the end of the line");
}

static bool read_top_line(Reader *r)
{
    uint32_t begin = r->at;
    if (ir_accept(r, "module"))
        return ir_name(r, &r->module->name) &&
               (ir_at_end(r) || ir_fail(r, r->at, "expected the end of the line"));
    if (ir_accept(r, "graph"))
        return read_graph_head(r);
    for (int k = 0; var_kind_name(k); k++)
        if (ir_accept(r, var_kind_name(k)))
            return read_var(r, (VarKind)k);
    return ir_fail(r, begin, "expected `module`, `param`, `state`, `slot` or `graph`");
}

static bool read_graph_line(Reader *r)
{
    if (ir_accept(r, "}")) {
        close_graph(r);
        return ir_at_end(r) || ir_fail(r, r->at, "expected the end of the line");
    }
    return ir_accept(r, "kernel") ? read_kernel(r) : ir_accept(r, "stage") ? read_stage(r)
           : ir_accept(r, "run")  ? read_run(r) : read_node(r);
}

Module *module_read(Arena *arena, Intern *names, const Source *source, Diags *diags)
{
    int errors_before = diags->n_errors;
    Reader r = { .arena = arena, .diags = diags, .source = source };
    r.module = module_new(arena, names, "");
    while (r.at < source->len) {
        ir_space(&r);
        if (!ir_at_end(&r)) {
            uint32_t begin = r.at;
            bool ok = r.graph ? read_graph_line(&r) : read_top_line(&r);
            /* A graph whose head is wrong: its lines would only be errors of their own. */
            if (!ok && !r.graph && strncmp(source->text + begin, "graph", 5) == 0)
                while (r.at < source->len && source->text[r.at] != '}')
                    r.at++;
        }
        ir_skip_line(&r);
    }
    if (r.graph) {
        ir_fail_token(&r, r.graph_at, "graph @%s has no closing brace", r.graph->name);
        close_graph(&r);
    }
    return diags->n_errors == errors_before ? r.module : NULL;
}
