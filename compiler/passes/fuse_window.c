/* Fusion: pooling into the store of the contraction that makes what is pooled. Windows that lie side by side are
 * cut from register tiles of whole windows (loop/tile.h), so that the values before them never exist in memory.
 * All windows of a contraction's results (maxima, their places, masks taken at those) come together or not at all,
 * and only where tiles of that shape cost no more than what they save. */
#include "ops/contract.h"
#include "loop/tile.h"
#include "passes/fuse.h"

static bool windows_of(const Info *user, const Info *in)
{
    const Node *n = user->node;
    return user->role == ROLE_COMPUTE && window_on_tile(n) && !node_opaque(n) && window_source(n) == in->node;
}

/* ---- does it pay? ---- */

static double least_cost(LContract *c)
{
    LContract joined = loop_contract_join(c);
    return loop_contract_pick(&joined).cost;
}

/* Cycles of writing so many values and reading them in another pass. */
static double pass_cycles(const LTarget *target, int64_t values)
{
    double lanes = target->vector_bytes >= 8 ? target->vector_bytes / 4.0 : 1, bytes = 4.0 * (double)values, lines = bytes / 64;
    double far_off = bytes > 0.6 * (double)target->l2 ? 8 : bytes > 0.5 * (double)target->l1 ? 2 : 0;
    return 2 * (double)values / lanes + far_off * lines;
}

static bool pays(Fuse *f, const Node *contract, const Node *windows)
{
    LContract plain = { .func = lfunc_new(f->arena, "question"), .target = f->target };
    const Type *in[2] = { &contract->in[0]->type, &contract->in[contract->n_in - 1]->type };
    contract_describe(contract->attr[0].contract, in, &plain);
    LContract pooled = plain;
    int64_t stride = 1;
    for (int k = plain.n_out - 1; k >= 0; k--) {
        pooled.window[k] = windows->attr[0].ints.v[k];
        pooled.extent[k] = windows->type.dim[k] * pooled.window[k];
        pooled.out_stride[k] = stride;
        stride *= windows->type.dim[k];
    }
    return least_cost(&pooled) <= least_cost(&plain) + pass_cycles(f->target, type_count(&contract->type));
}

static const Node *contract_in(const Fuse *f, int g)
{
    for (int i = 0; i < f->groups[g].nodes.len; i++)
        if (f->info[f->groups[g].nodes.data[i]].node->op == &op_contract)
            return f->info[f->groups[g].nodes.data[i]].node;
    return NULL;
}

static const Node *windows_in(const Fuse *f, int g)
{
    for (int i = 0; i < f->groups[g].nodes.len; i++)
        if (window_on_tile(f->info[f->groups[g].nodes.data[i]].node))
            return f->info[f->groups[g].nodes.data[i]].node;
    return NULL;
}

const char *fuse_window_cost(Fuse *f, int a, int b)
{
    const Node *contract = contract_in(f, a), *windows = windows_in(f, b);
    if (!contract || !windows || contract_in(f, b) || windows_in(f, a) || pays(f, contract, windows))
        return NULL;
    return "register tiles of whole windows would cost more than the pass over memory that they save";
}

/* ---- the merge ---- */

bool fuse_windows(Fuse *f, int g)
{
    int first = -1;
    for (int i = 0; i < f->groups[g].nodes.len; i++) {
        const Info *in = &f->info[f->groups[g].nodes.data[i]];
        for (int k = 0; k < in->use.len; k++) {
            const Info *user = &f->info[in->use.data[k].node];
            if (user->group == g || !windows_of(user, in))
                continue;
            if (first < 0)
                first = user->group;
            else if (user->group != first)
                fuse_try_merge(f, first, user->group);
        }
    }
    return first >= 0 && fuse_try_merge(f, g, first);
}
