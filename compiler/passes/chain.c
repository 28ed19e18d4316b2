/* chain: kernels that hand each other large values run as one, block of rows after block of rows, so that such
 * a value never exists as a whole: the scores of attention, forward and backward.
 *
 * Sets of kernels grow along the values that one stores and another reads, as long as chain_judge finds leading
 * dimensions that all of them share and no kernel outside has to run in between. A set from which no value is
 * saved is given up. Nothing here knows of attention: what counts is how contractions and rows index
 * what goes between them.
 *
 * Requires: kernels (fuse), no offsets yet. Establishes: chains in g->kernels in place of their stages
 * (ops/kernel.h), an order in which all can run. */
#include "passes/chain.h"
#include <ctype.h>
#include <string.h>

typedef struct {
    ChainGraph c;
    int *set;         /* by kernel: its set (a kernel's number) */
    ChainPlan **plan; /* by set */
    bool *seen;
    bool *forward;    /* by kernel: an output depends on it */
    int n;
} Sets;

/* ---- dependences ---- */

/* Reaches every kernel that has to run behind set s, sets as wholes. */
static void mark_behind(Sets *x, int s, bool *seen)
{
    for (int k = 0; k < x->n; k++) {
        if (x->set[k] != s)
            continue;
        for (int i = 0; i < x->c.deps->after[k].len; i++) {
            int to = x->set[x->c.deps->after[k].data[i]];
            if (to == s || seen[to])
                continue;
            seen[to] = true;
            mark_behind(x, to, seen);
        }
    }
}

/* Whether a value goes from set a to set b by way of others. */
static bool goes_around(Sets *x, int a, int b)
{
    memset(x->seen, 0, (size_t)x->n * sizeof *x->seen);
    for (int k = 0; k < x->n; k++) {
        if (x->set[k] != a)
            continue;
        for (int i = 0; i < x->c.deps->after[k].len; i++) {
            int to = x->set[x->c.deps->after[k].data[i]];
            if (to == a || to == b || x->seen[to])
                continue;
            x->seen[to] = true;
            mark_behind(x, to, x->seen);
        }
    }
    return x->seen[b];
}

/* ---- growing ---- */

/* A forward kernel that also computed backward values would keep them over the whole step. */
static bool join(Sets *x, int a, int b)
{
    if (x->forward[a] != x->forward[b])
        return false;
    ChainPlan *both = ARENA_NEW(x->c.arena, ChainPlan);
    for (int k = 0; k < x->n; k++) {
        if (x->set[k] != a && x->set[k] != b)
            continue;
        if (both->n == MAX_STAGES)
            return false;
        both->stage[both->n++] = x->c.g->kernels.data[k];
    }
    chain_judge(&x->c, both);
    if (both->refused || goes_around(x, a, b) || goes_around(x, b, a))
        return false;
    for (int k = 0; k < x->n; k++)
        if (x->set[k] == b)
            x->set[k] = a;
    x->plan[a] = both;
    return true;
}

static void grow(Sets *x)
{
    for (bool grown = true; grown;) {
        grown = false;
        for (int k = 0; k < x->n; k++)
            for (int i = 0; i < x->c.deps->reads[k].len; i++) {
                const Node *value = x->c.deps->reads[k].data[i].node;
                if (value->kernel && x->set[value->kernel->id] != x->set[k])
                    grown |= join(x, x->set[value->kernel->id], x->set[k]);
            }
    }
}

/* ---- the new kernels ---- */

static const char *chain_name(Arena *arena, const Graph *g, const ChainPlan *plan)
{
    enum { MAX_WORDS = 4 };
    Text t = { .arena = arena };
    const char *path = plan->stage[0]->nodes.data[0]->path;
    for (const char *p = path ? path : g->name; *p; p++)
        text_addf(&t, "%c", isalnum((unsigned char)*p) ? *p : '_');
    for (int s = 0; s < plan->n && s < MAX_WORDS; s++) {
        const char *word = "matmul";
        for (int i = 0; i < plan->stage[s]->nodes.len && plan->stage[s]->kind == KERNEL_ROWS; i++)
            if (plan->stage[s]->nodes.data[i]->op->flags & OP_REDUCE) {
                word = plan->stage[s]->nodes.data[i]->op->name;
                break;
            }
        text_addf(&t, "_%s", word);
    }
    char *base = isdigit((unsigned char)t.data[0]) ? arena_printf(arena, "k%s", t.data) : t.data, *name = base;
    for (int i = 0, suffix = 2; i < g->kernels.len; i++)
        if (!strcmp(g->kernels.data[i]->name, name)) {
            name = arena_printf(arena, "%s_%d", base, suffix++);
            i = -1;
        }
    return name;
}

/* What the stages were noted for is now the chain's. */
static void take_notes(Graph *g, const Kernel *chain)
{
    for (int i = 0; i < g->fusion.len; i++) {
        FusionNote *note = &g->fusion.data[i];
        for (int s = 0; s < chain->stages.len; s++)
            if (note->kernel == chain->stages.data[s])
                note->kernel = chain;
        if (note->kernel != chain || note->fused || note->producer->kernel != chain)
            continue;
        note->fused = true;
        note->reason = "computed block by block in one chain";
    }
}

static Kernel *make_chain(Sets *x, Graph *g, const ChainPlan *plan)
{
    Kernel *chain = ARENA_NEW(g->arena, Kernel);
    chain->kind = KERNEL_CHAIN;
    chain->lead = plan->lead;
    chain->block = plan->block;
    chain->name = chain_name(g->arena, g, plan);
    for (int s = 0; s < plan->n; s++) {
        Kernel *stage = plan->stage[s];
        VEC_PUSH(g->arena, &chain->stages, stage);
        for (int i = 0; i < stage->results.len; i++)
            if (!chain_inner(&x->c, plan, stage->results.data[i]))
                VEC_PUSH(g->arena, &chain->results, stage->results.data[i]);
    }
    return chain;
}

static void own_nodes(Graph *g, Kernel *chain)
{
    for (int s = 0; s < chain->stages.len; s++)
        for (int i = 0; i < chain->stages.data[s]->nodes.len; i++)
            chain->stages.data[s]->nodes.data[i]->kernel = chain;
    for (int i = 0; i < g->nodes.len; i++)
        if (g->nodes.data[i]->kernel == chain)
            VEC_PUSH(g->arena, &chain->nodes, g->nodes.data[i]);
    take_notes(g, chain);
}

/* Puts each chain where its last stage was: whatever it reads has run. */
static void replace(Sets *x, Graph *g)
{
    KernelVec all = { 0 }, chains = { 0 };
    for (int k = 0; k < x->n; k++) {
        const ChainPlan *plan = x->plan[x->set[k]];
        if (!plan || !plan->saved)
            VEC_PUSH(g->arena, &all, g->kernels.data[k]);
        else if (plan->stage[plan->n - 1] == g->kernels.data[k]) {
            VEC_PUSH(g->arena, &all, make_chain(x, g, plan));
            VEC_PUSH(g->arena, &chains, all.data[all.len - 1]);
            /* Taken into account when the next name is chosen. */
            g->kernels.data[k]->name = all.data[all.len - 1]->name;
        }
    }
    g->kernels = all;
    for (int i = 0; i < chains.len; i++)
        own_nodes(g, chains.data[i]);
}

/* ---- the pass ---- */

static void find_readers(Sets *x)
{
    x->c.readers = ARENA_ARRAY(x->c.arena, KernelIds, x->c.g->nodes.len + 1);
    for (int k = 0; k < x->n; k++)
        for (int i = 0; i < x->c.deps->reads[k].len; i++)
            VEC_PUSH(x->c.arena, &x->c.readers[x->c.deps->reads[k].data[i].node->id], k);
}

static void find_forward(Sets *x)
{
    const Graph *g = x->c.g;
    bool *needed = ARENA_ARRAY(x->c.arena, bool, g->nodes.len + 1);
    for (int id = g->nodes.len - 1; id >= 0; id--) {
        const Node *n = g->nodes.data[id];
        for (int i = 0; i < n->n_in && (needed[id] || n->op == &op_output); i++)
            needed[n->in[i]->id] = true;
    }
    for (int k = 0; k < x->n; k++)
        for (int i = 0; i < g->kernels.data[k]->results.len; i++)
            x->forward[k] = x->forward[k] || needed[g->kernels.data[k]->results.data[i]->id];
}

bool pass_chain(PassCtx *ctx, Graph *g)
{
    int n = g->kernels.len;
    const LTarget *target = ctx->target ? ctx->target : &LTARGET_GENERIC;
    if (ctx->no_fuse || n < 2)
        return true;
    Sets x = { .c = { .arena = ctx->arena, .g = g, .deps = kernel_deps(ctx->arena, g), .cache = target->l2 },
               .n = n };
    x.set = ARENA_ARRAY(ctx->arena, int, n);
    x.plan = ARENA_ARRAY(ctx->arena, ChainPlan *, n);
    x.seen = ARENA_ARRAY(ctx->arena, bool, n);
    x.forward = ARENA_ARRAY(ctx->arena, bool, n);
    for (int k = 0; k < n; k++)
        x.set[k] = k;
    find_readers(&x);
    find_forward(&x);
    grow(&x);
    replace(&x, g);
    if (!kernels_sort(ctx->arena, g)) {
        why_set(&ctx->why, "compiler fault: the chains of `%s` depend on each other in a circle", g->name);
        return false;
    }
    return true;
}
