/* Names of kernels: the layer's path and what is computed, "mlp_fc1_contract_max", "mlp_fc1_dweight",
 * "mlp_fc1_weight_update". Unique in the graph, C identifiers. */
#include "passes/fuse.h"
#include <ctype.h>
#include <string.h>

static void add_identifier(Text *t, const char *text)
{
    for (const char *c = text; *c; c++) {
        char s[2] = { isalnum((unsigned char)*c) ? *c : '_', 0 };
        text_add(t, s);
    }
}

/* ---- which node gives the kernel its name ---- */

static bool reads_var_of(const Node *n)
{
    for (int i = 0; i < n->n_in; i++)
        if (node_storage(n->in[i])->op == &op_var)
            return true;
    return false;
}

/* The node the loops are there for: contract, opaque or the first reduction; else the last result. */
static const Node *main_node(const Kernel *k)
{
    for (int i = 0; i < k->nodes.len; i++) {
        const Node *n = k->nodes.data[i];
        if (n->op == &op_contract || (n->op->flags & (OP_OPAQUE | OP_REDUCE)))
            return n;
    }
    return k->results.data[k->results.len - 1];
}

static const char *path_of(const Kernel *k, const Node *node)
{
    const char *path = node->path;
    for (int i = k->nodes.len - 1; !path && i >= 0; i--)
        path = k->nodes.data[i]->path;
    return path;
}

/* A variable the kernel updates, or whose update its result feeds (its gradient). */
static const Var *updated_var(const Graph *g, const Kernel *k, const Node **home)
{
    for (int i = 0; i < k->results.len; i++) {
        const Node *root = home[k->results.data[i]->id];
        if (!root || root->op != &op_update)
            continue;
        if (g->kind == GRAPH_INIT || root->attr[0].var->kind != VAR_SLOT)
            return root->attr[0].var;
    }
    return NULL;
}

static const char *last_part(const char *dotted)
{
    const char *dot = strrchr(dotted, '.');
    return dot ? dot + 1 : dotted;
}

/* ---- a contraction of the backward pass ---- */

/* The variable of the same path and shape as a contraction or sum that does not read it: what is
 * computed is its gradient. */
static const Var *gradient_of(const Graph *g, const Kernel *k, const Node *node)
{
    if (g->kind != GRAPH_STEP || !node->path || reads_var_of(node))
        return NULL;
    for (int i = 0; i < g->module->vars.len; i++) {
        const Var *var = g->module->vars.data[i];
        size_t len = strlen(node->path);
        bool here = var->kind == VAR_PARAM && !strncmp(var->name, node->path, len) && var->name[len] == '.';
        for (int r = 0; here && r < k->results.len; r++)
            if (type_count(&k->results.data[r]->type) == type_count(&var->type) && k->kind != KERNEL_MAP)
                return var;
    }
    return NULL;
}

/* ---- text ---- */

static void add_tail(Text *t, const Kernel *k, const Node *node)
{
    enum { TAIL_WORDS = 2 };
    const char *words[TAIL_WORDS] = { 0 };
    int n = 0;
    for (int i = k->nodes.len - 1; i >= 0 && n < TAIL_WORDS; i--) {
        const Node *m = k->nodes.data[i];
        bool plain = m == node || !(m->op->flags & (OP_ELEMENTWISE | OP_REDUCE)) || m->op == &op_cast;
        if (plain || (n && words[n - 1] == m->op->name))
            continue;
        words[n++] = m->op->name;
    }
    while (n)
        text_addf(t, "_%s", words[--n]);
}

static char *kernel_name(Arena *arena, const Graph *g, const Kernel *k, const Node **home)
{
    Text t = { .arena = arena };
    const Node *node = main_node(k);
    const Var *var = updated_var(g, k, home);
    if (var && g->kind != GRAPH_INIT && k->kind == KERNEL_MAP) {
        add_identifier(&t, var->name);
        text_add(&t, "_update");
        return t.data;
    }
    if (var && g->kind == GRAPH_INIT) {
        text_add(&t, "init_");
        add_identifier(&t, var->name);
        return t.data;
    }
    const char *path = path_of(k, node);
    add_identifier(&t, path ? path : g->name);
    const Var *of = var ? var : gradient_of(g, k, node);
    if (of && (k->kind == KERNEL_CONTRACT || k->kind == KERNEL_REDUCE)) {
        text_add(&t, of->kind == VAR_STATE ? "_" : "_d");
        add_identifier(&t, last_part(of->name));
        if (var)
            text_add(&t, "_update");
        return t.data;
    }
    text_addf(&t, "_%s", node->op == &op_contract ? "matmul" : node->op->name);
    if (k->kind != KERNEL_OPAQUE)
        add_tail(&t, k, node);
    return t.data;
}

static bool taken(const Graph *g, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (!strcmp(g->kernels.data[i]->name, name))
            return true;
    return false;
}

void fuse_names(Arena *arena, Graph *g)
{
    KernelDeps *deps = kernel_deps(arena, g);
    for (int i = 0; i < g->kernels.len; i++) {
        Kernel *k = g->kernels.data[i];
        char *base = kernel_name(g->arena, g, k, deps->home);
        if (isdigit((unsigned char)base[0]))
            base = arena_printf(g->arena, "k%s", base);
        k->name = base;
        for (int suffix = 2; taken(g, i, k->name); suffix++)
            k->name = arena_printf(g->arena, "%s_%d", base, suffix);
    }
}
