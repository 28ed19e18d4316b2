/* layout: how parameters lie in memory. A matrix is read along one dimension by the forward pass and along
 * another by the input gradient; what lies the wrong way is packed at every call. Here the contractions of
 * all entries that read a variable vote with their estimated cycles for one of
 *     row major   as declared;
 *     moved       one dimension put last, where lanes read it at unit stride;
 *     panels      [O/b][rest][b]: vectors of one step side by side, steps one behind the other.
 * Optimizer slots lie as their parameter does, so that updates run over both in the order of memory and
 * stay in the weight gradient's store. Variables that a body of a scan reads, or an operation that reads
 * memory by itself (gather), stay row major.
 *
 * Works on a whole module: init, inference, training and evaluation share the variables. Sets Var.layout
 * and Var.type (as stored); reads become views of what is stored, which contracts take into their index
 * maps, and the nodes around an update are computed in stored order. Values are the same, bit for bit
 * where a contraction's schedule keeps the order of its sums. Files know nothing of it (runtime/layout.c).
 *
 * Requires: what dce establishes, of all graphs. Establishes: the same. */
#include "passes/layout.h"

#include <math.h>

enum {
    MAX_BLOCK_VECTORS = 4, /* vectors side by side in a panel */
    SMALLEST = 256         /* elements: below that no order matters */
};

typedef struct {
    PassCtx *ctx;
    LayoutSets sets;
    LayoutCosts *costs;
    double best_cost;
    nnr_layout best;
} Search;

static void try_layout(Search *s, int set, const Type *t, const nnr_layout *l)
{
    double cost = layout_cost(s->costs, set, t, l);
    if (cost >= s->best_cost)
        return;
    s->best_cost = cost;
    s->best = *l;
}

static void try_axis(Search *s, int set, const Type *t, int axis)
{
    int64_t lanes = s->ctx->target->vector_bytes / 4;
    bool last = true;
    for (int a = axis + 1; a < t->rank; a++)
        last = last && t->dim[a] == 1;
    nnr_layout moved = layout_blocked(t, axis, t->dim[axis]);
    if (!last)
        try_layout(s, set, t, &moved);
    for (int n = MAX_BLOCK_VECTORS; n >= 1 && lanes > 1 && t->rank < MAX_RANK; n--) {
        nnr_layout panels = layout_blocked(t, axis, lanes * n);
        if (lanes * n < t->dim[axis] && t->dim[axis] % (lanes * n) == 0)
            try_layout(s, set, t, &panels);
    }
}

/* A layout must gain enough to be worth a reader's surprise. */
static bool gains(double rows, double best) { return best < 0.97 * rows - 100; }

static void choose(Search *s, int set, const Type *t)
{
    nnr_layout rows = { 0 };
    double cost = layout_cost(s->costs, set, t, &rows);
    s->best = rows;
    s->best_cost = cost;
    for (int a = 0; a < t->rank; a++)
        if (t->dim[a] > 1)
            try_axis(s, set, t, a);
    if (gains(cost, s->best_cost))
        layout_decide(s->costs, set, t, &s->best);
    else
        s->best = rows;
}

static bool has_order(const Type *t)
{
    int big = 0;
    for (int d = 0; d < t->rank; d++)
        big += t->dim[d] > 1;
    return big > 1 && t->dtype == DT_F32 && type_count(t) >= SMALLEST;
}

void layout_assign(Module *m, LayoutSets *sets, int set, const Type *t, const nnr_layout *l)
{
    Type declared = *t; /* t may be a variable's own */
    for (int i = 0; i < m->vars.len; i++) {
        Var *v = m->vars.data[i];
        if (layout_set(sets, i) != set)
            continue;
        v->layout = layout_for(&v->type, &declared, l);
        v->type = layout_stored(&v->layout, v->type.dtype);
    }
}

static bool all_floats(const Module *m, LayoutSets *sets, int set)
{
    for (int i = 0; i < m->vars.len; i++)
        if (layout_set(sets, i) == set && m->vars.data[i]->type.dtype != DT_F32)
            return false;
    return true;
}

bool pass_layout(PassCtx *ctx, Module *m)
{
    Search s = { .ctx = ctx, .sets = { ARENA_ARRAY(ctx->arena, int, m->vars.len + 1), m->vars.len } };
    bool *done = ARENA_ARRAY(ctx->arena, bool, m->vars.len + 1), any = false;
    for (int i = 0; i < m->vars.len; i++) {
        s.sets.parent[i] = i;
        if (ctx->no_layout || m->vars.data[i]->layout.rank)
            return true; /* unwanted, or done already */
    }
    for (int i = 0; i < m->graphs.len; i++)
        layout_join(&s.sets, m->graphs.data[i]);
    s.costs = layout_costs(ctx->arena, m, &s.sets, ctx->target, ctx->no_prepare);
    for (int i = 0; i < m->vars.len; i++) {
        Type t = m->vars.data[i]->type;
        int set = layout_set(&s.sets, i);
        if (done[set] || !has_order(&t) || !all_floats(m, &s.sets, set))
            continue;
        done[set] = true;
        choose(&s, set, &t);
        if (s.best.rank)
            layout_assign(m, &s.sets, set, &t, &s.best);
        any = any || s.best.rank;
    }
    for (int i = 0; any && i < m->graphs.len; i++)
        if (!layout_apply(ctx, m->graphs.data[i]))
            return false;
    return true;
}
