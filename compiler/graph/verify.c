/* graph_verify: what must hold of a graph between any two passes.
 *
 *   - SSA: an operand is a node of this graph that stands before its reader
 *   - every node has the type its op's rule gives; names and references are whole
 *   - a graph updates a variable at most once; outputs have different names; inputs of one name agree
 *   - kernels, once there are any: membership told by nodes and by kernels is the same, what another
 *     kernel or a root reads is stored by its kernel, and kernels stand in an order that can run
 *   - the plan: an offset is given to stored nodes only, aligned and within the arena
 *
 * Nodes are renumbered by their place in the list. */
#include "graph/text_form.h"
#include "ops/kernel.h"

#include <string.h>

typedef struct {
    const Graph *g;
    Arena *arena;
    const char *fault;
} Check;

static bool fault(Check *c, const Node *n, const char *format, ...) __attribute__((format(printf, 3, 4)));
static bool fault(Check *c, const Node *n, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *text = arena_vprintf(c->arena, format, args);
    va_end(args);
    c->fault = n ? arena_printf(c->arena, "graph @%s: %%%d (%s): %s", c->g->name, n->id, n->op->name, text)
                 : arena_printf(c->arena, "graph @%s: %s", c->g->name, text);
    return false;
}

/* ---- nodes ---- */

static bool check_operands(Check *c, const Node *n)
{
    for (int k = 0; k < n->n_in; k++) {
        const Node *in = n->in[k];
        if (!in)
            return fault(c, n, "operand %d is missing", k);
        if (in->id < 0 || in->id >= c->g->nodes.len || c->g->nodes.data[in->id] != in)
            return fault(c, n, "operand %d is not a node of this graph", k);
        if (in->id >= n->id)
            return fault(c, n, "operand %d, %%%d, does not stand before it", k, in->id);
    }
    return true;
}

static bool check_type(Check *c, const Node *n)
{
    Type type;
    Why why;
    if (!node_infer(n, &type, &why))
        return fault(c, n, "%s", why.text);
    return type_equal(&type, &n->type) ||
           fault(c, n, "the stored type is %s, but the rule gives %s", TYPE_TEXT(&n->type), TYPE_TEXT(&type));
}

static bool is_word(const char *s)
{
    if (!s || !*s || (*s >= '0' && *s <= '9'))
        return false;
    for (; *s; s++)
        if (!is_word_char(*s))
            return false;
    return true;
}

static bool check_contract(Check *c, const Node *n, const Contract *contract)
{
    for (int k = 0; k < contract->n_index; k++) {
        if (!is_word(contract->name[k]))
            return fault(c, n, "index number %d has no proper name", k);
        for (int j = 0; j < k; j++)
            if (strcmp(contract->name[j], contract->name[k]) == 0)
                return fault(c, n, "index `%s` stands twice", contract->name[k]);
    }
    return true;
}

static bool check_references(Check *c, const Node *n)
{
    const Module *m = c->g->module;
    for (int i = 0; i < MAX_ATTR && n->op->attrs[i].kind != AK_NONE; i++) {
        const Attr *a = &n->attr[i];
        switch (n->op->attrs[i].kind) {
        case AK_CONTRACT:
            if (!check_contract(c, n, a->contract))
                return false;
            break;
        case AK_VAR:
            if (a->var->index < 0 || a->var->index >= m->vars.len || m->vars.data[a->var->index] != a->var)
                return fault(c, n, "@%s is not a variable of the module", a->var->name);
            break;
        case AK_GRAPH:
            if (a->graph->kind != GRAPH_BODY || a->graph == c->g ||
                module_find_graph(m, a->graph->name, -1) != a->graph)
                return fault(c, n, "@%s is not the body of that name in the module", a->graph->name);
            break;
        default: break;
        }
    }
    return true;
}

static bool check_names(Check *c)
{
    const Node **seen = ARENA_ARRAY(c->arena, const Node *, c->g->nodes.len + 1);
    Var **updated = ARENA_ARRAY(c->arena, Var *, c->g->module->vars.len + 1);
    int n_seen = 0;
    for (int i = 0; i < c->g->nodes.len; i++) {
        const Node *n = c->g->nodes.data[i];
        AttrKind kind = n->op->attrs[0].kind;
        if ((n->op->flags & OP_ROOT) && kind == AK_VAR) {
            Var **slot = &updated[n->attr[0].var->index];
            if (*slot)
                return fault(c, n, "@%s is updated a second time", (*slot)->name);
            *slot = n->attr[0].var;
        }
        if (!(n->op->flags & (OP_ROOT | OP_LEAF)) || kind != AK_NAME)
            continue;
        for (int k = 0; k < n_seen; k++) {
            if (seen[k]->op != n->op || strcmp(seen[k]->attr[0].name, n->attr[0].name) != 0)
                continue;
            if (n->op->flags & OP_ROOT)
                return fault(c, n, "there is an output \"%s\" already", n->attr[0].name);
            if (!type_equal(&seen[k]->type, &n->type))
                return fault(c, n, "input \"%s\" is %s and also %s", n->attr[0].name,
                             TYPE_TEXT(&seen[k]->type), TYPE_TEXT(&n->type));
        }
        seen[n_seen++] = n;
    }
    return true;
}

/* ---- kernels ---- */

static bool result_of(const Node *n, const Kernel *k)
{
    for (int i = 0; i < k->results.len; i++)
        if (k->results.data[i] == n)
            return true;
    return false;
}

static bool is_result(const Node *n) { return result_of(n, n->kernel); }

static bool check_stages(Check *c, const Kernel *k)
{
    if ((k->kind == KERNEL_CHAIN) != (k->stages.len > 0))
        return fault(c, NULL, "kernel k%d: a chain has stages, other kernels have none", k->id);
    if (k->stages.len && (k->lead < 1 || k->lead > MAX_RANK || k->block < 1))
        return fault(c, NULL, "chain k%d: lead=%d block=%lld", k->id, k->lead, (long long)k->block);
    for (int s = 0; s < k->stages.len; s++) {
        const Kernel *stage = k->stages.data[s];
        if (stage->kind == KERNEL_CHAIN || stage->rows < 0 || stage->cols < 0)
            return fault(c, NULL, "chain k%d: stage %d is a chain or has a negative size", k->id, s);
        for (int i = 0; i < stage->results.len; i++)
            if (stage->results.data[i]->kernel != k)
                return fault(c, stage->results.data[i], "a stage of chain k%d has it, but it is not of the chain", k->id);
    }
    for (int i = 0; k->stages.len && i < k->results.len; i++) {
        int found = 0;
        for (int s = 0; s < k->stages.len; s++)
            found += result_of(k->results.data[i], k->stages.data[s]);
        if (found != 1)
            return fault(c, k->results.data[i], "chain k%d stores it, but %d of its stages do", k->id, found);
    }
    return true;
}

static bool check_kernel(Check *c, const Kernel *k)
{
    if (!k->name || !*k->name)
        return fault(c, NULL, "kernel k%d has no name", k->id);
    if (kernel_kind_find(kernel_kind_name(k->kind)) < 0)
        return fault(c, NULL, "kernel k%d is of no known kind", k->id);
    if (k->nodes.len == 0 || k->results.len == 0)
        return fault(c, NULL, "kernel k%d (%s) has no %s", k->id, k->name, k->nodes.len ? "results" : "nodes");
    if (k->scratch_bytes < 0 || k->scratch_offset < 0 || k->rows < 0 || k->cols < 0)
        return fault(c, NULL, "kernel k%d (%s) has a negative size", k->id, k->name);
    for (int i = 0; i < k->nodes.len; i++) {
        const Node *n = k->nodes.data[i];
        if (n->id < 0 || n->id >= c->g->nodes.len || c->g->nodes.data[n->id] != n)
            return fault(c, NULL, "kernel k%d (%s) lists a node of another graph", k->id, k->name);
        if (n->kernel != k)
            return fault(c, n, "kernel k%d lists it, but it does not belong to that kernel", k->id);
        if (n->op->flags & OP_ROOT)
            return fault(c, n, "a root cannot belong to a kernel");
        if (i && n->id <= k->nodes.data[i - 1]->id)
            return fault(c, n, "kernel k%d does not list its nodes in their order", k->id);
    }
    if (!check_stages(c, k))
        return false;
    for (int i = 0; i < k->results.len; i++) {
        if (k->results.data[i]->kernel != k)
            return fault(c, k->results.data[i], "a result of kernel k%d that is not in it", k->id);
        for (int j = 0; j < i; j++)
            if (k->results.data[i] == k->results.data[j])
                return fault(c, k->results.data[i], "listed twice among the results of kernel k%d", k->id);
    }
    return true;
}

static bool check_kernel_list(Check *c, int *place, int n_places)
{
    const Graph *g = c->g;
    int members = 0, listed = 0;
    for (int i = 0; i < n_places; i++)
        place[i] = -1;
    for (int i = 0; i < g->kernels.len; i++) {
        const Kernel *k = g->kernels.data[i];
        if (!check_kernel(c, k))
            return false;
        for (int j = 0; j < k->nodes.len; j++)
            place[k->nodes.data[j]->id] = i;
        listed += k->nodes.len;
        for (int j = 0; j < i; j++)
            if (g->kernels.data[j]->id == k->id || strcmp(g->kernels.data[j]->name, k->name) == 0)
                return fault(c, NULL, "two kernels are k%d or named \"%s\"", k->id, k->name);
    }
    for (int i = 0; i < g->nodes.len; i++) {
        const Node *n = g->nodes.data[i];
        members += n->kernel != NULL;
        if (n->kernel && (place[i] < 0 || g->kernels.data[place[i]] != n->kernel))
            return fault(c, n, "its kernel does not list it");
        if (!n->kernel && g->kernels.len &&
            !(n->op->flags & (OP_LEAF | OP_ROOT | OP_MOVEMENT | OP_CHEAP)))
            return fault(c, n, "it has no kernel and is not cheap to recompute");
    }
    return members == listed || fault(c, NULL, "a node is listed by two kernels");
}

/* Everything that `reader` reads through nodes which are recomputed by their readers: stored by its
 * kernel, and that kernel runs before (or is the reader's own). `here` is the reader's place in the
 * kernel order, or their number for a root. */
static bool check_reads(Check *c, const Node *reader, int here, const int *place, int *stamp)
{
    Vec(const Node *) stack = { 0 };
    VEC_PUSH(c->arena, &stack, reader);
    while (stack.len) {
        const Node *n = stack.data[--stack.len];
        for (int k = 0; k < n->n_in; k++) {
            const Node *in = n->in[k];
            if (in->kernel == reader->kernel && in->kernel)
                continue;
            if (in->kernel && !is_result(in))
                return fault(c, reader, "it reads %%%d, which kernel k%d does not store", in->id,
                             in->kernel->id);
            if (in->kernel && place[in->id] >= here)
                return fault(c, reader, "it reads %%%d, but kernel k%d runs later", in->id, in->kernel->id);
            if (!in->kernel && stamp[in->id] != here + 1) {
                stamp[in->id] = here + 1;
                VEC_PUSH(c->arena, &stack, in);
            }
        }
    }
    return true;
}

static bool check_kernels(Check *c)
{
    int n = c->g->nodes.len;
    int *place = ARENA_ARRAY(c->arena, int, n + 1), *stamp = ARENA_ARRAY(c->arena, int, n + 1);
    if (!check_kernel_list(c, place, n))
        return false;
    /* Kernel by kernel, so that the stamps of one kernel are of use to all of its nodes. */
    for (int i = 0; i < c->g->kernels.len; i++)
        for (int j = 0; j < c->g->kernels.data[i]->nodes.len; j++)
            if (!check_reads(c, c->g->kernels.data[i]->nodes.data[j], i, place, stamp))
                return false;
    for (int i = 0; i < n && c->g->kernels.len; i++)
        if ((c->g->nodes.data[i]->op->flags & OP_ROOT) &&
            !check_reads(c, c->g->nodes.data[i], c->g->kernels.len, place, stamp))
            return false;
    return true;
}

/* Runs: in order, apart, of whole chunks; what a run's own kernels read whole cannot be told here
 * (passes/chunk_body.c makes sure of it). */
static bool check_runs(Check *c)
{
    int next = 0;
    for (int i = 0; i < c->g->runs.len; i++) {
        const KernelRun *r = &c->g->runs.data[i];
        if (r->first < next || r->last < r->first || r->last >= c->g->kernels.len)
            return fault(c, NULL, "run number %d: kernels are missing or in a run already", i);
        if (r->samples < 1 || r->samples >= c->g->batch || c->g->batch % r->samples)
            return fault(c, NULL, "run number %d: chunks of %lld in a batch of %lld", i, (long long)r->samples,
                         (long long)c->g->batch);
        if (r->lanes < 1 || r->lanes > c->g->batch / r->samples)
            return fault(c, NULL, "run number %d: %lld lanes", i, (long long)r->lanes);
        if (r->slab_bytes < 0 || r->slab_offset < 0 ||
            (c->g->arena_bytes && r->slab_bytes > (c->g->arena_bytes - r->slab_offset) / r->lanes))
            return fault(c, NULL, "run number %d: its slabs lie outside of the arena", i);
        next = r->last + 1;
    }
    return true;
}

static bool check_plan(Check *c)
{
    for (int i = 0; i < c->g->nodes.len; i++) {
        const Node *n = c->g->nodes.data[i];
        if (n->offset < 0)
            continue;
        if (!n->kernel || !is_result(n))
            return fault(c, n, "it has an offset but is not stored by a kernel");
        int64_t bytes = type_count(&n->type) * dtype_bytes(n->type.dtype);
        if (n->offset % dtype_bytes(n->type.dtype))
            return fault(c, n, "its offset %lld is not aligned", (long long)n->offset);
        bool chunk = n->kernel->id < c->g->kernels.len && graph_run_of(c->g, n->kernel->id) >= 0;
        if (!chunk && n->offset > c->g->arena_bytes - bytes)
            return fault(c, n, "bytes %lld to %lld lie outside of the arena of %lld", (long long)n->offset,
                         (long long)(n->offset + bytes), (long long)c->g->arena_bytes);
    }
    for (int i = 0; i < c->g->kernels.len; i++) {
        const Kernel *k = c->g->kernels.data[i];
        int run = graph_run_of(c->g, i);
        const KernelRun *r = run < 0 ? NULL : &c->g->runs.data[run];
        if (r && r->slab_bytes && k->scratch_bytes > r->slab_bytes - k->scratch_offset)
            return fault(c, NULL, "the scratch of kernel k%d lies outside of its slab", k->id);
        if (!r && c->g->arena_bytes && k->scratch_bytes > c->g->arena_bytes - k->scratch_offset)
            return fault(c, NULL, "the scratch of kernel k%d lies outside of the arena", k->id);
    }
    return true;
}

const char *graph_verify(const Graph *g, Arena *arena)
{
    Check c = { .g = g, .arena = arena };
    for (int i = 0; i < g->nodes.len; i++) {
        if (!g->nodes.data[i] || !g->nodes.data[i]->op) {
            fault(&c, NULL, "node number %d is missing", i);
            return c.fault;
        }
        g->nodes.data[i]->id = i;
    }
    for (int i = 0; i < g->nodes.len; i++) {
        const Node *n = g->nodes.data[i];
        if (n->id != i)
            fault(&c, NULL, "node number %d is listed twice", i);
        if (c.fault || !check_operands(&c, n) || !check_type(&c, n) || !check_references(&c, n))
            return c.fault;
    }
    if (!check_names(&c) || !check_kernels(&c) || !check_runs(&c) || !check_plan(&c))
        return c.fault;
    return NULL;
}
