/* Fusion, third part: which groups of nodes are merged, and in which order it is tried.
 *
 * Greedy, in phases: elementwise nodes go into the store of the contraction they follow, row
 * reductions and elementwise chains join along their edges, then siblings that read the same memory.
 * A merge never adds a stored value (a union's results are a subset of both sides'), so what has to be
 * watched is only that values do not live longer than they must: in a training step forward kernels are
 * not merged with backward ones until each side is complete, and edges are tried from the last reader
 * to the first, so that what only the backward pass needs is computed there. */
#include "passes/fuse.h"

/* ---- cycles ---- */

static int last_id(const Group *g)
{
    return g->nodes.data[g->nodes.len - 1];
}

static bool push_users(Fuse *f, int from, int target, int skip, int *depth)
{
    const Group *g = &f->groups[from];
    for (int i = 0; i < g->nodes.len; i++) {
        const Edges *use = &f->info[g->nodes.data[i]].use;
        for (int k = 0; k < use->len; k++) {
            int to = f->info[use->data[k].node].group;
            if (to == from || to == skip || f->stamp[to] == f->now)
                continue;
            if (to == target)
                return true;
            f->stamp[to] = f->now;
            if (f->groups[to].nodes.data[0] < last_id(&f->groups[target]))
                f->stack[(*depth)++] = to;
        }
    }
    return false;
}

/* Whether a value goes from group a through a third group to b. */
static bool goes_through_others(Fuse *f, int a, int b)
{
    int depth = 0;
    f->now++;
    const Group *g = &f->groups[a];
    for (int i = 0; i < g->nodes.len; i++) {
        const Edges *use = &f->info[g->nodes.data[i]].use;
        for (int k = 0; k < use->len; k++) {
            int to = f->info[use->data[k].node].group;
            if (to != a && to != b && f->stamp[to] != f->now) {
                f->stamp[to] = f->now;
                f->stack[depth++] = to;
            }
        }
    }
    while (depth)
        if (push_users(f, f->stack[--depth], b, a, &depth))
            return true;
    return false;
}

/* ---- merging ---- */

static bool group_forward(const Fuse *f, int g)
{
    const Group *group = &f->groups[g];
    for (int i = 0; i < group->nodes.len; i++)
        if (f->info[group->nodes.data[i]].forward)
            return true;
    return false;
}

static bool mixes_stages(const Fuse *f, int a, int b)
{
    return group_forward(f, a) != group_forward(f, b);
}

/* A forward contraction that also computed backward values would store them over the whole step. */
static bool drags_backward(const Fuse *f, int a, int b)
{
    bool contract = f->groups[a].kind == KERNEL_CONTRACT || f->groups[b].kind == KERNEL_CONTRACT;
    return contract && mixes_stages(f, a, b);
}

static const char *judge_pair(Fuse *f, int a, int b, Verdict *verdict)
{
    *verdict = fuse_judge(f, a, b);
    if (verdict->refused)
        return verdict->refused;
    const char *dear = fuse_window_cost(f, a, b);
    dear = dear ? dear : fuse_window_cost(f, b, a);
    if (dear)
        return dear;
    if (goes_through_others(f, a, b) || goes_through_others(f, b, a))
        return "another kernel has to run between them";
    return NULL;
}

const char *fuse_apart(Fuse *f, int a, int b)
{
    Verdict verdict;
    const char *reason = judge_pair(f, a, b, &verdict);
    if (!reason && drags_backward(f, a, b))
        reason = "the backward value would be kept from the forward pass on";
    return reason;
}

bool fuse_try_merge(Fuse *f, int a, int b)
{
    Verdict verdict;
    if (a == b || judge_pair(f, a, b, &verdict))
        return false;
    Group *to = &f->groups[a], *from = &f->groups[b];
    int *old = to->nodes.data, n_old = to->nodes.len, i = 0, k = 0;
    int *ids = ARENA_ARRAY(f->arena, int, n_old + from->nodes.len);
    to->nodes.len = 0;
    while (i < n_old || k < from->nodes.len) {
        bool first = k == from->nodes.len || (i < n_old && old[i] < from->nodes.data[k]);
        ids[to->nodes.len++] = first ? old[i++] : from->nodes.data[k++];
    }
    for (k = 0; k < from->nodes.len; k++)
        f->info[from->nodes.data[k]].group = a;
    to->nodes.data = ids;
    to->nodes.cap = to->nodes.len;
    to->kind = verdict.kind;
    to->rows = verdict.rows;
    to->cols = verdict.cols;
    from->nodes.len = 0;
    from->alive = false;
    return true;
}

/* ---- phase 1: the tails of contractions ---- */

static bool elementwise(const Info *in)
{
    return in->copied || (in->node->op->flags & OP_ELEMENTWISE);
}

static bool take_reader(Fuse *f, int g, const Info *in)
{
    for (int i = 0; i < in->use.len; i++) {
        const Info *user = &f->info[in->use.data[i].node];
        bool follows = (in->use.data[i].ratio == 1 && elementwise(user)) || user->node->op == &op_pad;
        if (user->group == g || !follows || user->only_reduced)
            continue;
        if (user->forward != group_forward(f, g))
            continue;
        if (fuse_try_merge(f, g, user->group))
            return true;
    }
    return false;
}

static bool used_only_by(const Fuse *f, int of, int by)
{
    const Group *g = &f->groups[of];
    for (int i = 0; i < g->nodes.len; i++) {
        const Info *in = &f->info[g->nodes.data[i]];
        if (in->need_memory)
            return false;
        for (int k = 0; k < in->use.len; k++) {
            int user = f->info[in->use.data[k].node].group;
            if (user != by && user != of)
                return false;
        }
    }
    return true;
}

static bool take_source(Fuse *f, int g, const Info *in)
{
    for (int i = 0; i < in->src.len; i++) {
        const Info *from = &f->info[in->src.data[i].node];
        if (from->role != ROLE_COMPUTE || from->group == g || in->src.data[i].ratio != 1)
            continue;
        if (elementwise(from) && used_only_by(f, from->group, g) && fuse_try_merge(f, g, from->group))
            return true;
    }
    return false;
}

static void grow_contract(Fuse *f, int g)
{
    for (bool grown = true; grown;) {
        grown = false;
        for (int i = 0; i < f->groups[g].nodes.len && !grown; i++) {
            const Info *in = &f->info[f->groups[g].nodes.data[i]];
            grown = take_reader(f, g, in) || take_source(f, g, in);
        }
        grown = grown || fuse_windows(f, g);
    }
}

/* ---- phases 2 and 3: along edges ---- */

static bool merge_edges(Fuse *f, bool same_stage)
{
    bool merged = false;
    for (int id = f->n - 1; id >= 0; id--) {
        const Info *in = &f->info[id];
        for (int i = in->src.len - 1; i >= 0; i--) {
            const Info *from = &f->info[in->src.data[i].node];
            bool follows = in->src.data[i].ratio || in->node->op == &op_pad;
            if (from->role != ROLE_COMPUTE || from->group == in->group || !follows)
                continue;
            int a = in->group, b = from->group;
            if (same_stage ? mixes_stages(f, a, b) : drags_backward(f, a, b))
                continue;
            merged |= fuse_try_merge(f, a, b);
        }
    }
    return merged;
}

/* ---- phase 4: siblings ---- */

static const Node *first_node(const Fuse *f, int g)
{
    return f->info[f->groups[g].nodes.data[0]].node;
}

static const Node *reduction_of(const Fuse *f, int g)
{
    for (int i = 0; i < f->groups[g].nodes.len; i++) {
        const Node *n = f->info[f->groups[g].nodes.data[i]].node;
        if (n->op->flags & OP_REDUCE)
            return n;
    }
    return NULL;
}

/* Groups whose one loop nest could serve both: reading the same memory, it is read once. */
static bool siblings(const Fuse *f, int a, int b)
{
    const Group *x = &f->groups[a], *y = &f->groups[b];
    if (x->kind != y->kind || mixes_stages(f, a, b))
        return false;
    if (x->kind == KERNEL_MAP)
        return type_same_shape(&first_node(f, a)->type, &first_node(f, b)->type);
    if (x->kind == KERNEL_ROWS)
        return x->rows == y->rows && x->cols == y->cols;
    if (x->kind == KERNEL_REDUCE)
        return type_same_shape(&reduction_of(f, a)->in[0]->type, &reduction_of(f, b)->in[0]->type);
    return false;
}

/* Both at the value's own positions, or at the same windows of it. */
static bool read_alike(const Fuse *f, Edge a, Edge b)
{
    const Node *x = f->info[a.node].node, *y = f->info[b.node].node;
    bool windows = x->op->inlined && y->op->inlined && x->in[0] == y->in[0];
    return (a.ratio && b.ratio) || windows;
}

static void merge_readers(Fuse *f, const Info *in)
{
    enum { NEIGHBOURS = 8 }; /* readers of one value that are tried against each other */
    int64_t size = type_count(&in->node->type);
    for (int i = 0; i < in->use.len; i++) {
        for (int k = i + 1; k < in->use.len && k <= i + NEIGHBOURS; k++) {
            int a = f->info[in->use.data[i].node].group, b = f->info[in->use.data[k].node].group;
            if (a == b || !siblings(f, a, b) || !read_alike(f, in->use.data[i], in->use.data[k]))
                continue;
            if (f->groups[a].kind != KERNEL_MAP || type_count(&first_node(f, a)->type) <= size)
                fuse_try_merge(f, a, b);
        }
    }
}

/* Scalars (learning rates, bias corrections) are too small for kernels of their own. */
static void merge_scalars(Fuse *f)
{
    int last = -1;
    for (int g = 0; g < f->n_groups; g++) {
        const Group *group = &f->groups[g];
        if (!group->alive || group->kind != KERNEL_MAP || type_count(&first_node(f, g)->type) != 1)
            continue;
        if (last < 0 || !fuse_try_merge(f, last, g))
            last = g;
    }
}

/* ---- keeping the smaller value ---- */

static int64_t value_bytes(const Info *in)
{
    return type_count(&in->node->type) * dtype_bytes(in->node->type.dtype);
}

/* A cheap function of one value (x > 0) which another kernel computes from it. */
static bool made_of(const Info *user, const Info *in)
{
    return elementwise(user) && (user->node->op->flags & OP_CHEAP) && user->src.len == 1 &&
           user->src.data[0].node == in->node->id && user->src.data[0].ratio == 1;
}

static void detach(Fuse *f, int id)
{
    Group *from = &f->groups[f->info[id].group];
    int kept = 0, g = f->n_groups++;
    for (int i = 0; i < from->nodes.len; i++)
        if (from->nodes.data[i] != id)
            from->nodes.data[kept++] = from->nodes.data[i];
    from->nodes.len = kept;
    from->alive = kept > 0;
    f->groups[g] = (Group){ .alive = true, .kind = KERNEL_MAP };
    VEC_PUSH(f->arena, &f->groups[g].nodes, id);
    f->info[id].group = g;
}

static bool used_elsewhere(const Fuse *f, const Info *in)
{
    for (int i = 0; i < in->use.len; i++)
        if (f->info[in->use.data[i].node].group != in->group)
            return true;
    return in->need_memory;
}

/* True when a value that other kernels compute again is made from this one within its kernel: those
 * kernels need it in memory. */
static bool feeds_duplicate(Fuse *f, const Info *in)
{
    for (int i = 0; i < in->use.len; i++) {
        const Info *user = &f->info[in->use.data[i].node];
        int id = user->node->id;
        if (user->duplicated)
            return true;
        if (user->group != in->group || user->stored || f->seen[id] == f->seen_now)
            continue;
        f->seen[id] = f->seen_now;
        if (feeds_duplicate(f, user))
            return true;
    }
    return false;
}

bool fuse_keep_smaller(Fuse *f, Info *in)
{
    int64_t bytes = 0;
    f->seen_now++;
    if (in->need_memory || feeds_duplicate(f, in))
        return false;
    for (int i = 0; i < in->use.len; i++) {
        const Info *user = &f->info[in->use.data[i].node];
        if (user->duplicated || (user->group != in->group && !made_of(user, in)))
            return false;
        bytes += user->group != in->group ? value_bytes(user) : 0;
    }
    if (!bytes || bytes >= value_bytes(in))
        return false;
    in->stored = false;
    for (int i = 0; i < in->use.len; i++) {
        int id = in->use.data[i].node, old = f->info[id].group;
        if (old == in->group)
            continue;
        detach(f, id);
        if (fuse_try_merge(f, in->group, f->info[id].group)) {
            f->info[id].stored = true;
            continue;
        }
        in->stored = true;
        if (f->groups[old].alive)
            fuse_try_merge(f, old, f->info[id].group);
        f->info[id].stored = used_elsewhere(f, &f->info[id]);
    }
    return true;
}

/* ---- the whole ---- */

static void first_groups(Fuse *f)
{
    f->groups = ARENA_ARRAY(f->arena, Group, 2 * f->n + 1);
    for (int id = 0; id < f->n; id++) {
        if (f->info[id].role != ROLE_COMPUTE)
            continue;
        int g = f->n_groups++;
        f->info[id].group = g;
        f->groups[g].alive = true;
        VEC_PUSH(f->arena, &f->groups[g].nodes, id);
        Verdict verdict = fuse_judge(f, g, g);
        f->groups[g].kind = verdict.kind;
        f->groups[g].rows = verdict.rows;
        f->groups[g].cols = verdict.cols;
    }
}

void fuse_group(Fuse *f)
{
    enum { SWEEPS = 4 };
    first_groups(f);
    if (!f->fuse)
        return;
    for (int g = f->n_groups - 1; g >= 0; g--)
        if (f->groups[g].alive && f->groups[g].kind == KERNEL_CONTRACT)
            grow_contract(f, g);
    for (int i = 0; i < SWEEPS && merge_edges(f, true); i++)
        ;
    for (int i = 0; i < SWEEPS && merge_edges(f, false); i++)
        ;
    for (int id = 0; id < f->n; id++)
        merge_readers(f, &f->info[id]);
    merge_scalars(f);
}
