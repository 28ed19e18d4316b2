/* Graph construction: types, modules, variables, nodes, and the few edits every pass needs.
 *
 * graph_add is the one way a node comes to be: it checks arity and attribute ranges, runs the op's
 * shape rule, and refuses results beyond the limits below, so that no later arithmetic on element
 * counts can overflow. */
#include "graph/op.h"
#include "ops/ops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- types ---- */

const char *dtype_name(DType t)
{
    static const char *const names[] = { "f32", "i32", "bool" };
    return t >= 0 && t < DT_COUNT ? names[t] : "?";
}

int dtype_bytes(DType t) { return t == DT_BOOL ? 1 : 4; }

int64_t type_count(const Type *t)
{
    int64_t n = 1;
    for (int i = 0; i < t->rank; i++)
        n *= t->dim[i];
    return n;
}

bool type_same_shape(const Type *a, const Type *b)
{
    if (a->rank != b->rank)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i])
            return false;
    return true;
}

bool type_equal(const Type *a, const Type *b) { return a->dtype == b->dtype && type_same_shape(a, b); }

const char *type_format(char *buf, size_t size, const Type *t)
{
    int at = snprintf(buf, size, "%s", dtype_name(t->dtype));
    for (int i = 0; i < t->rank && at > 0 && (size_t)at < size; i++)
        at += snprintf(buf + at, size - (size_t)at, "%s%lld%s", i ? "," : "[", (long long)t->dim[i],
                       i + 1 == t->rank ? "]" : "");
    return buf;
}

char *type_text(Arena *arena, const Type *t)
{
    char buf[TYPE_TEXT_MAX];
    return arena_strdup(arena, type_format(buf, sizeof buf, t));
}

Type type_make(DType dtype, int rank, const int64_t *dim)
{
    Type t = { .dtype = dtype, .rank = rank };
    for (int i = 0; i < rank && i < MAX_RANK; i++)
        t.dim[i] = dim[i];
    return t;
}

bool type_valid(const Type *t, Why *why)
{
    if (t->rank < 0 || t->rank > MAX_RANK)
        return why_set(why, "rank %d is beyond the limit of %d", t->rank, MAX_RANK);
    int64_t n = 1;
    for (int i = 0; i < t->rank; i++) {
        if (t->dim[i] < 1)
            return why_set(why, "dimension %d of %s is %lld; every dimension must be at least 1", i,
                           TYPE_TEXT(t), (long long)t->dim[i]);
        if (t->dim[i] > TYPE_MAX_COUNT / n)
            return why_set(why, "%s has too many elements (the limit is 2^40)", TYPE_TEXT(t));
        n *= t->dim[i];
    }
    return true;
}

Tensor tensor_new(Arena *arena, Type type)
{
    return (Tensor){ .type = type, .data = ARENA_ARRAY(arena, double, type_count(&type)) };
}

bool why_set(Why *why, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why->text, sizeof why->text, format, args);
    va_end(args);
    return false;
}

/* ---- modules and variables ---- */

Module *module_new(Arena *arena, Intern *names, const char *name)
{
    Module *m = ARENA_NEW(arena, Module);
    m->arena = arena;
    m->names = names;
    m->name = name;
    return m;
}

Var *module_find_var(const Module *m, const char *name)
{
    for (int i = 0; i < m->vars.len; i++)
        if (strcmp(m->vars.data[i]->name, name) == 0)
            return m->vars.data[i];
    return NULL;
}

Var *module_add_var(Module *m, const char *name, VarKind kind, Type type, Loc loc)
{
    if (module_find_var(m, name))
        return NULL;
    Var *v = ARENA_NEW(m->arena, Var);
    *v = (Var){ .name = intern_cstr(m->names, name),
                .kind = kind,
                .type = type,
                .index = m->vars.len,
                .loc = loc };
    VEC_PUSH(m->arena, &m->vars, v);
    return v;
}

Graph *module_find_graph(const Module *m, const char *name, int64_t batch)
{
    for (int i = 0; i < m->graphs.len; i++) {
        Graph *g = m->graphs.data[i];
        if (strcmp(g->name, name) == 0 && (batch < 0 || g->batch == batch))
            return g;
    }
    return NULL;
}

Graph *graph_new(Module *m, const char *name, GraphKind kind, int64_t batch)
{
    Graph *g = ARENA_NEW(m->arena, Graph);
    g->module = m;
    g->arena = m->arena;
    g->name = intern_cstr(m->names, name);
    g->kind = kind;
    g->batch = batch;
    VEC_PUSH(m->arena, &m->graphs, g);
    return g;
}

bool graph_updates(const Graph *g, const Var *v)
{
    for (int i = 0; i < g->nodes.len; i++)
        if (g->nodes.data[i]->op == &op_update && g->nodes.data[i]->attr[0].var == v)
            return true;
    return false;
}

bool module_carries(const Module *m, const Var *v)
{
    for (int i = 0; i < m->graphs.len; i++) {
        const Graph *g = m->graphs.data[i];
        if ((graph_infers(g) || g->kind == GRAPH_BODY) && graph_updates(g, v))
            return true;
    }
    return false;
}

int graph_run_of(const Graph *g, int kernel)
{
    for (int r = 0; r < g->runs.len; r++)
        if (kernel >= g->runs.data[r].first && kernel <= g->runs.data[r].last)
            return r;
    return -1;
}

/* ---- nodes ---- */

static bool check_arity(const OpDef *op, int n_in, Why *why)
{
    if (n_in >= op->min_in && (op->max_in < 0 || n_in <= op->max_in))
        return true;
    if (op->max_in == op->min_in)
        return why_set(why, "%s takes %d operand%s, got %d", op->name, op->min_in,
                       op->min_in == 1 ? "" : "s", n_in);
    if (op->max_in < 0)
        return why_set(why, "%s takes at least %d operand%s, got %d", op->name, op->min_in,
                       op->min_in == 1 ? "" : "s", n_in);
    return why_set(why, "%s takes %d to %d operands, got %d", op->name, op->min_in, op->max_in, n_in);
}

static bool check_attr(const OpDef *op, const AttrDef *def, const Attr *a, Why *why)
{
    switch (def->kind) {
    case AK_INTS:
        if (a->ints.n < 0 || a->ints.n > MAX_RANK)
            return why_set(why, "%s: attribute %s has %d elements; at most %d are possible", op->name,
                           def->name, a->ints.n, MAX_RANK);
        for (int i = 0; i < a->ints.n; i++)
            if (a->ints.v[i] > TYPE_MAX_COUNT || a->ints.v[i] < -TYPE_MAX_COUNT)
                return why_set(why, "%s: attribute %s is out of range", op->name, def->name);
        return true;
    case AK_DTYPE:
        return (a->i >= 0 && a->i < DT_COUNT) || why_set(why, "%s: unknown dtype", op->name);
    case AK_NAME:
    case AK_VAR:
    case AK_CONTRACT:
    case AK_TENSOR:
    case AK_GRAPH:
        return a->contract || why_set(why, "%s: attribute %s is missing", op->name, def->name);
    case AK_NONE:
    case AK_INT:
    case AK_FLOAT:
        return true;
    }
    return true;
}

bool node_infer(const Node *n, Type *out, Why *why)
{
    if (!check_arity(n->op, n->n_in, why))
        return false;
    for (int i = 0; i < MAX_ATTR; i++)
        if (!check_attr(n->op, &n->op->attrs[i], &n->attr[i], why))
            return false;
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i]->op->flags & OP_ROOT)
            return why_set(why, "%s: operand %d is an `%s`, which has no value", n->op->name, i,
                           n->in[i]->op->name);
    *out = (Type){ 0 };
    return n->op->shape(n, out, why) && type_valid(out, why);
}

/* Attributes often come from the caller's stack. */
static Attr attr_own(Graph *g, AttrKind kind, Attr a)
{
    if (kind == AK_INTS && a.ints.n > 0) {
        int64_t *v = ARENA_ARRAY(g->arena, int64_t, a.ints.n);
        memcpy(v, a.ints.v, sizeof *v * (size_t)a.ints.n);
        a.ints.v = v;
    } else if (kind == AK_NAME) {
        a.name = intern_cstr(g->module->names, a.name);
    }
    return a;
}

Node *graph_add(Graph *g, const OpDef *op, Node *const *in, int n_in, const Attr *attr, Why *why)
{
    Node probe = { .op = op, .n_in = n_in, .loc = g->loc, .path = g->path, .offset = -1 };
    Node **operands = n_in > 0 ? ARENA_ARRAY(g->arena, Node *, n_in) : NULL;
    for (int i = 0; i < n_in; i++)
        operands[i] = in[i];
    probe.in = operands;
    for (int i = 0; attr && i < MAX_ATTR && op->attrs[i].kind != AK_NONE; i++)
        probe.attr[i] = attr[i];
    if (!node_infer(&probe, &probe.type, why))
        return NULL;
    for (int i = 0; i < MAX_ATTR; i++)
        probe.attr[i] = attr_own(g, op->attrs[i].kind, probe.attr[i]);
    Node *n = ARENA_NEW(g->arena, Node);
    *n = probe;
    n->id = g->nodes.len;
    VEC_PUSH(g->arena, &g->nodes, n);
    return n;
}

Node *graph_must_add(Graph *g, const OpDef *op, Node *const *in, int n_in, const Attr *attr)
{
    Why why = { "" };
    Node *n = graph_add(g, op, in, n_in, attr, &why);
    if (!n) {
        fprintf(stderr, "nnc: internal fault: graph @%s: cannot build `%s`: %s\n", g->name, op->name,
                why.text);
        abort();
    }
    return n;
}

void graph_replace_uses(Graph *g, Node *a, Node *b)
{
    for (int i = 0; i < g->nodes.len; i++) {
        Node *n = g->nodes.data[i];
        if (n == b)
            continue; /* b may be built from a */
        for (int k = 0; k < n->n_in; k++)
            if (n->in[k] == a)
                n->in[k] = b;
    }
}

void graph_renumber(Graph *g)
{
    for (int i = 0; i < g->nodes.len; i++)
        g->nodes.data[i]->id = i;
}

/* Depth first from each node in list order, with an explicit stack: backward graphs are deep. A node
 * whose operands all stand before it keeps its place among its kind. */
void graph_sort(Graph *g)
{
    enum { FRESH, OPEN, DONE };
    typedef struct {
        Node *node;
        int next;
    } Frame;
    NodeVec sorted = { 0 };
    Vec(Frame) stack = { 0 };
    for (int i = 0; i < g->nodes.len; i++)
        g->nodes.data[i]->mark = FRESH;
    for (int i = 0; i < g->nodes.len; i++) {
        if (g->nodes.data[i]->mark != FRESH)
            continue;
        g->nodes.data[i]->mark = OPEN;
        VEC_PUSH(g->arena, &stack, ((Frame){ g->nodes.data[i], 0 }));
        while (stack.len) {
            Frame *top = &stack.data[stack.len - 1];
            if (top->next == top->node->n_in) {
                top->node->mark = DONE;
                VEC_PUSH(g->arena, &sorted, top->node);
                stack.len--;
                continue;
            }
            Node *in = top->node->in[top->next++];
            if (in->mark == FRESH) {
                in->mark = OPEN;
                VEC_PUSH(g->arena, &stack, ((Frame){ in, 0 }));
            }
        }
    }
    g->nodes = sorted;
    graph_renumber(g);
}

int *graph_use_counts(Arena *arena, const Graph *g)
{
    int *uses = ARENA_ARRAY(arena, int, g->nodes.len + 1);
    for (int i = 0; i < g->nodes.len; i++)
        for (int k = 0; k < g->nodes.data[i]->n_in; k++)
            uses[g->nodes.data[i]->in[k]->id]++;
    return uses;
}
