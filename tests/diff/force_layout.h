/* Layouts drawn at random for every variable that may have one, whether they pay or not: what the layout
 * pass may decide on some machine has to be right on every one. */
#ifndef TESTS_DIFF_FORCE_LAYOUT_H
#define TESTS_DIFF_FORCE_LAYOUT_H
#include <math.h>

#include "passes/arrange.h"
#include "passes/layout.h"

static inline uint64_t force_draw(uint64_t *state, uint64_t n)
{
    *state = nnr_mix64(*state + 0x9e3779b97f4a7c15u);
    return *state % n;
}

/* One dimension last, or panels along it of a size that divides it. */
static inline nnr_layout force_pick(const Type *t, uint64_t *state)
{
    int axis = (int)force_draw(state, (uint64_t)t->rank);
    int64_t n = t->dim[axis], block = 1 + (int64_t)force_draw(state, (uint64_t)n);
    while (n % block != 0)
        block++;
    return layout_blocked(t, axis, t->rank < MAX_RANK ? block : n);
}

static inline int force_axis(void *state, int rank) { return (int)force_draw(state, (uint64_t)rank) - 1; }

/* How many regions of values in g lie otherwise than declared. */
static inline int force_arrange(PassCtx *ctx, Graph *g, uint64_t seed)
{
    int n = arrange_as(ctx, g, force_axis, &seed);
    assert_true(n >= 0);
    return n;
}

/* How many variables were laid out. */
static inline int force_layout(PassCtx *ctx, Module *m, uint64_t seed)
{
    LayoutSets sets = { ARENA_ARRAY(ctx->arena, int, m->vars.len + 1), m->vars.len };
    bool *done = ARENA_ARRAY(ctx->arena, bool, m->vars.len + 1);
    int n = 0;
    for (int i = 0; i < m->vars.len; i++)
        sets.parent[i] = i;
    for (int i = 0; i < m->graphs.len; i++)
        layout_join(&sets, m->graphs.data[i]);
    LayoutCosts *costs = layout_costs(ctx->arena, m, &sets, ctx->target, ctx->no_prepare);
    for (int i = 0; i < m->vars.len; i++) {
        int set = layout_set(&sets, i);
        Type t = m->vars.data[i]->type;
        if (done[set] || t.rank < 1)
            continue;
        done[set] = true;
        nnr_layout l = force_pick(&t, &seed);
        if (!isfinite(layout_cost(costs, set, &t, &l)))
            continue;
        layout_decide(costs, set, &t, &l);
        layout_assign(m, &sets, set, &t, &l);
        n++;
    }
    for (int i = 0; i < m->graphs.len; i++)
        assert_true(layout_apply(ctx, m->graphs.data[i]));
    return n;
}
#endif
