/* The text form of modules and graphs. module_read (read.c) takes it back to the same text.
 *
 * A line is
 *     %ID = OP %A, %B {ATTR=VALUE, ...} : TYPE path("..") loc("..":L:C) kernel=kN at=BYTES
 * where everything behind the type is optional, and roots have neither number nor type. Attributes
 * `shape` and `dtype` repeat the result type and are left out. A contract shows how its operands are
 * indexed; see add_contract. Kernels, when fused, follow the nodes in execution order:
 *     kernel kN KIND "name" results %A, %B rows=R cols=C scratch=BYTES at=BYTES
 * (rows and cols of a kernel over rows; scratch once lowering told it). A chain has `lead=N block=N`, and
 * behind it its stages, one a line:
 *     stage KIND results %A, %B rows=R cols=C
 * Runs of kernels that are carried out chunk by chunk come last (slab once planned):
 *     run kN kM samples=C lanes=L slab=BYTES at=BYTES */
#include "graph/layout.h"
#include "graph/text_form.h"

#include <math.h>
#include <string.h>

/* In the order of KernelKind (ops/kernel.h). */
static const char *const KERNEL_KINDS[] = { "map", "rows", "reduce", "contract", "opaque", "chain" };
static const char *const GRAPH_KINDS[] = { "init", "infer", "step", "eval", "prepare", "body" };
static const char *const VAR_KINDS[] = { "param", "state", "slot", "prepared" };

static const char *name_at(const char *const *names, int n, int k) { return k >= 0 && k < n ? names[k] : NULL; }
static int name_index(const char *const *names, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return -1;
}
#define LEN(a) (int)(sizeof(a) / sizeof *(a))
const char *kernel_kind_name(int kind)
{
    const char *name = name_at(KERNEL_KINDS, LEN(KERNEL_KINDS), kind);
    return name ? name : "?";
}
int kernel_kind_find(const char *name) { return name_index(KERNEL_KINDS, LEN(KERNEL_KINDS), name); }
const char *graph_kind_name(int kind) { return name_at(GRAPH_KINDS, LEN(GRAPH_KINDS), kind); }
int graph_kind_find(const char *name) { return name_index(GRAPH_KINDS, LEN(GRAPH_KINDS), name); }
const char *var_kind_name(int kind) { return name_at(VAR_KINDS, LEN(VAR_KINDS), kind); }
int var_kind_find(const char *name) { return name_index(VAR_KINDS, LEN(VAR_KINDS), name); }

bool attr_from_type(const AttrDef *def)
{
    return def->kind == AK_DTYPE || (def->kind == AK_INTS && strcmp(def->name, "shape") == 0);
}

/* ---- words ---- */

static void add_quoted(Text *out, const char *s)
{
    text_add(out, "\"");
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            text_addf(out, "\\%c", c);
        else if (c < 32 || c == 127)
            text_addf(out, "\\x%02x", c);
        else
            text_add_n(out, s, 1);
    }
    text_add(out, "\"");
}

static void add_name(Text *out, const char *name)
{
    bool plain = *name != 0;
    for (const char *s = name; *s; s++)
        plain = plain && is_name_char(*s);
    text_add(out, "@");
    if (plain)
        text_add(out, name);
    else
        add_quoted(out, name);
}

static void add_type(Text *out, const Type *t) { text_add(out, TYPE_TEXT(t)); }

static void add_loc(Text *out, Loc loc)
{
    if (!loc.file)
        return;
    text_add(out, " loc(");
    add_quoted(out, loc.file);
    text_addf(out, ":%d:%d)", loc.line, loc.col);
}

static void add_element(Text *out, DType dtype, double v)
{
    if (dtype == DT_F32)
        text_add_float(out, (float)v);
    else
        text_addf(out, "%lld", (long long)v);
}

static bool same_bits(double a, double b) { return (a == b && signbit(a) == signbit(b)) || (isnan(a) && isnan(b)); }

static void add_tensor(Text *out, const Tensor *t)
{
    int64_t n = type_count(&t->type);
    bool splat = n > 1;
    for (int64_t i = 1; i < n && splat; i++)
        splat = same_bits(t->data[i], t->data[0]);
    add_type(out, &t->type);
    text_add(out, splat ? "(splat " : "(");
    for (int64_t i = 0; i < (splat ? 1 : n); i++) {
        if (i)
            text_add(out, ",");
        add_element(out, t->type.dtype, t->data[i]);
    }
    text_add(out, ")");
}

static void add_ints(Text *out, const int64_t *v, int n)
{
    text_add(out, "[");
    for (int i = 0; i < n; i++)
        text_addf(out, "%s%lld", i ? "," : "", (long long)v[i]);
    text_add(out, "]");
}

static void add_attr(Text *out, const AttrDef *def, const Attr *a)
{
    text_addf(out, "%s=", def->name);
    switch (def->kind) {
    case AK_INT:
        if (strcmp(def->name, "salt") == 0)
            text_addf(out, "0x%016llx", (unsigned long long)a->i);
        else
            text_addf(out, "%lld", (long long)a->i);
        break;
    case AK_FLOAT: text_add_double(out, a->f); break;
    case AK_NAME: add_quoted(out, a->name); break;
    case AK_INTS: add_ints(out, a->ints.v, a->ints.n); break;
    case AK_VAR: add_name(out, a->var->name); break;
    case AK_GRAPH: add_name(out, a->graph->name); break;
    case AK_TENSOR: add_tensor(out, a->tensor); break;
    case AK_DTYPE:
    case AK_CONTRACT:
    case AK_NONE: break;
    }
}

/* ---- contract: `%1[n,2*i+k-1], %w[o,k] -> [n,o] {n=32,o=128 | k=3}`; `{|i=4}` when all are summed --- */

static void add_affine(Text *out, const Contract *c, const Affine *a)
{
    bool any = false;
    for (int k = 0; k < c->n_index; k++) {
        int64_t coef = a->coef[k];
        if (coef == 0)
            continue;
        if (coef == -1)
            text_add(out, "-");
        else if (any && coef > 0)
            text_add(out, "+");
        if (coef != 1 && coef != -1)
            text_addf(out, "%lld*", (long long)coef);
        text_add(out, c->name[k]);
        any = true;
    }
    if (a->base || !any)
        text_addf(out, any && a->base > 0 ? "+%lld" : "%lld", (long long)a->base);
}

static void add_contract(Text *out, const Node *n, const Contract *c)
{
    for (int p = 0; p < n->n_in; p++) {
        text_addf(out, "%s%%%d[", p ? ", " : " ", n->in[p]->id);
        for (int d = 0; d < c->operand[p].rank; d++) {
            if (d)
                text_add(out, ",");
            add_affine(out, c, &c->operand[p].dim[d]);
        }
        text_add(out, "]");
    }
    text_add(out, " -> [");
    for (int k = 0; k < c->n_out; k++)
        text_addf(out, "%s%s", k ? "," : "", c->name[k]);
    text_add(out, "] {");
    for (int k = 0; k < c->n_index; k++) {
        const char *gap = k == c->n_out ? (k ? " | " : "| ") : k ? "," : "";
        text_addf(out, "%s%s=%lld", gap, c->name[k], (long long)c->extent[k]);
    }
    text_add(out, "}");
}

/* ---- lines ---- */

static void add_node(Text *out, const Node *n)
{
    const OpDef *op = n->op;
    text_add(out, "  ");
    if (!(op->flags & OP_ROOT))
        text_addf(out, "%%%d = ", n->id);
    text_add(out, op->name);
    if (op->attrs[0].kind == AK_CONTRACT) {
        add_contract(out, n, n->attr[0].contract);
    } else {
        for (int i = 0; i < n->n_in; i++)
            text_addf(out, "%s%%%d", i ? ", " : " ", n->in[i]->id);
        bool any = false;
        for (int i = 0; i < MAX_ATTR && op->attrs[i].kind != AK_NONE; i++) {
            if (attr_from_type(&op->attrs[i]))
                continue;
            text_add(out, any ? ", " : " {");
            add_attr(out, &op->attrs[i], &n->attr[i]);
            any = true;
        }
        if (any)
            text_add(out, "}");
    }
    if (!(op->flags & OP_ROOT)) {
        text_add(out, " : ");
        add_type(out, &n->type);
    }
    if (n->path) {
        text_add(out, " path(");
        add_quoted(out, n->path);
        text_add(out, ")");
    }
    add_loc(out, n->loc);
    if (n->kernel)
        text_addf(out, " kernel=k%d", n->kernel->id);
    if (n->offset >= 0)
        text_addf(out, " at=%lld", (long long)n->offset);
    text_add(out, "\n");
}

static void add_results(Text *out, const Kernel *k)
{
    text_add(out, " results");
    for (int i = 0; i < k->results.len; i++)
        text_addf(out, "%s%%%d", i ? ", " : " ", k->results.data[i]->id);
    if (k->rows || k->cols)
        text_addf(out, " rows=%lld cols=%lld", (long long)k->rows, (long long)k->cols);
}

static void add_kernel(Text *out, const Kernel *k)
{
    text_addf(out, "  kernel k%d %s ", k->id, kernel_kind_name(k->kind));
    add_quoted(out, k->name ? k->name : "");
    add_results(out, k);
    if (k->stages.len)
        text_addf(out, " lead=%d block=%lld", k->lead, (long long)k->block);
    if (k->scratch_bytes)
        text_addf(out, " scratch=%lld at=%lld", (long long)k->scratch_bytes, (long long)k->scratch_offset);
    text_add(out, "\n");
    for (int i = 0; i < k->stages.len; i++) {
        text_addf(out, "    stage %s", kernel_kind_name(k->stages.data[i]->kind));
        add_results(out, k->stages.data[i]);
        text_add(out, "\n");
    }
}

static void add_run(Text *out, const Graph *g, const KernelRun *r)
{
    text_addf(out, "  run k%d k%d samples=%lld lanes=%lld", g->kernels.data[r->first]->id,
              g->kernels.data[r->last]->id, (long long)r->samples, (long long)r->lanes);
    if (r->slab_bytes)
        text_addf(out, " slab=%lld at=%lld", (long long)r->slab_bytes, (long long)r->slab_offset);
    text_add(out, "\n");
}

void graph_print(const Graph *g, Text *out)
{
    for (int i = 0; i < g->nodes.len; i++)
        g->nodes.data[i]->id = i; /* numbers are places in the list */
    text_add(out, "graph ");
    add_name(out, g->name);
    text_addf(out, " %s", graph_kind_name((int)g->kind));
    if (g->batch)
        text_addf(out, " batch=%lld", (long long)g->batch);
    if (g->train) {
        text_add(out, " train=");
        add_quoted(out, g->train);
    }
    if (g->arena_bytes || g->arena_bound)
        text_addf(out, " arena=%lld bound=%lld", (long long)g->arena_bytes, (long long)g->arena_bound);
    text_add(out, " {\n");
    for (int i = 0; i < g->nodes.len; i++)
        add_node(out, g->nodes.data[i]);
    for (int i = 0; i < g->kernels.len; i++)
        add_kernel(out, g->kernels.data[i]);
    for (int i = 0; i < g->runs.len; i++)
        add_run(out, g, &g->runs.data[i]);
    text_add(out, "}\n");
}

/* The bodies that a graph's scans run stand before it, as the reader wants them; each once. */
static void print_with_bodies(const Module *m, const Graph *g, bool *printed, Text *out)
{
    for (int i = 0; i < m->graphs.len; i++) {
        if (m->graphs.data[i] != g)
            continue;
        if (printed[i])
            return;
        printed[i] = true;
    }
    for (int i = 0; i < g->nodes.len; i++) {
        const Node *n = g->nodes.data[i];
        for (int k = 0; k < MAX_ATTR; k++)
            if (n->op->attrs[k].kind == AK_GRAPH)
                print_with_bodies(m, n->attr[k].graph, printed, out);
    }
    text_add(out, "\n");
    graph_print(g, out);
}

void module_print(const Module *m, Text *out)
{
    text_add(out, "module ");
    add_name(out, m->name ? m->name : "");
    text_add(out, "\n");
    for (int i = 0; i < m->vars.len; i++) {
        const Var *v = m->vars.data[i];
        text_addf(out, "%s ", var_kind_name((int)v->kind));
        add_name(out, v->name);
        text_add(out, " : ");
        add_type(out, &v->type);
        if (v->layout.rank)
            text_addf(out, " layout %s", layout_text(m->arena, &v->layout));
        add_loc(out, v->loc);
        text_add(out, "\n");
    }
    bool *printed = ARENA_ARRAY(m->arena, bool, m->graphs.len + 1);
    for (int i = 0; i < m->graphs.len; i++)
        print_with_bodies(m, m->graphs.data[i], printed, out);
}
