/* arrange: in which order the dimensions of values lie within one graph. A convolution runs along its channels, so a
 * network that its author wrote channels first is computed channels last where that gains more than the
 * transpositions at its ends cost.
 *
 * A region is a set of values that lie alike: results of contractions, what is elementwise over them, their padding
 * and their windows. It may have one dimension moved last. Contractions at its ends take any order into their index
 * maps, reductions and broadcasts count their axes anew; whoever else reads or makes a value of it does so in the
 * declared order, at the price of a transposition. Every contraction votes with the scheduler's estimate, as for the
 * parameters (layout.c); a region changes where the sum falls by a twentieth. Values are the same, bit for bit where a
 * contraction's schedule keeps the order of its sums.
 *
 * Requires: what dce establishes; parameters row major. Establishes: the same. */
#include "graph/layout.h"
#include "ops/build.h"
#include "ops/contract.h"
#include "passes/arrange.h"
#include "passes/layout.h"

#include <string.h>

enum {
    LEAST_RANK = 3,    /* of matrices the scheduler packs what lies across */
    TURN = 4,          /* cycles an element of a transposition */
    LEAST_GAIN = 20000 /* cycles: below that no reader should wonder */
};

typedef struct {
    Graph *g;
    const LTarget *target;
    Arena *arena;
    int *parent;     /* by node: union-find over the members of regions; -1: none */
    int *last;       /* by region: the axis that lies last, or -1: as declared */
    Node **arranged; /* by node: computed in the region's order */
    Node **declared; /* by node of a region: turned back */
    int n;
    bool infers; /* what it packs of parameters lies ready */
} Arrange;

/* ---- regions ---- */

static bool is_window(const Node *n)
{
    return n->op == &op_window_max || n->op == &op_window_place || n->op == &op_window_take || n->op == &op_window_put;
}

static bool is_member(const Node *n)
{
    bool kind = n->op == &op_contract || n->op == &op_pad || is_window(n) ||
                ((n->op->flags & OP_ELEMENTWISE) && !(n->op->flags & (OP_LEAF | OP_DRAW)));
    return kind && n->type.rank >= LEAST_RANK;
}

/* Operands that lie as the result does. */
static bool lies_alike(const Node *n, int operand) { return n->op != &op_contract && !(n->op == &op_pad && operand > 0); }

static int region(const Arrange *a, const Node *n)
{
    int r = a->parent[n->id];
    while (r >= 0 && a->parent[r] != r)
        r = a->parent[r] = a->parent[a->parent[r]];
    return r;
}

static void find_regions(Arrange *a)
{
    for (int i = 0; i < a->n; i++) {
        const Node *n = a->g->nodes.data[i];
        a->parent[i] = is_member(n) ? i : -1;
        a->last[i] = -1;
        for (int k = 0; k < n->n_in && a->parent[i] >= 0; k++)
            if (lies_alike(n, k) && region(a, n->in[k]) >= 0)
                a->parent[region(a, n->in[k])] = region(a, n);
    }
}

/* The order with one axis last, as a layout of a type. */
static nnr_layout order_of(const Type *t, int last) { return layout_blocked(t, last, t->dim[last]); }

static int last_of(const Arrange *a, const Node *n)
{
    int r = region(a, n);
    return r < 0 ? -1 : a->last[r];
}

/* ---- what an order costs ---- */

static double contract_cycles(const Arrange *a, const Node *n)
{
    Contract map = *n->attr[0].contract;
    LContract lc = { .target = a->target, .still = { true, true } };
    Type type[2];
    const Type *in[2] = { &type[0], &type[1] };
    for (int o = 0; o < n->n_in; o++) {
        int last = last_of(a, n->in[o]);
        type[o] = n->in[o]->type;
        lc.fixed[o] = a->infers && n->in[o]->op == &op_var;
        if (last < 0)
            continue;
        nnr_layout l = order_of(&n->in[o]->type, last);
        layout_of_operand(a->arena, &map, o, &l);
        type[o] = layout_stored(&l, type[o].dtype);
    }
    if (last_of(a, n) >= 0) {
        nnr_layout l = order_of(&n->type, last_of(a, n));
        layout_of_result(a->arena, &map, &l);
    }
    if (lc.fixed[0] && lc.fixed[1])
        lc.fixed[0] = lc.fixed[1] = false;
    contract_describe(&map, in, &lc);
    return loop_contract_pick(&lc).cost;
}

/* Does n read whatever order there is? */
static bool turns_free(const Node *reader)
{
    return reader->op == &op_contract || reader->op == &op_sum || reader->op == &op_reduce_max;
}

/* Of everything that region r's order concerns. */
static double region_cycles(const Arrange *a, int r)
{
    double sum = 0;
    bool *turned = ARENA_ARRAY(a->arena, bool, a->n); /* once, whoever reads it */
    for (int i = 0; i < a->n; i++) {
        const Node *n = a->g->nodes.data[i];
        bool inside = region(a, n) == r, concerns = inside;
        for (int k = 0; k < n->n_in; k++) {
            const Node *x = n->in[k];
            bool from = region(a, x) == r, alike = inside && lies_alike(n, k);
            concerns = concerns || from;
            bool into = alike && !from && x->op != &op_broadcast, out = from && !alike && !turns_free(n);
            if (a->last[r] >= 0 && (into || out) && !turned[x->id]) {
                turned[x->id] = true;
                sum += TURN * (double)type_count(&x->type);
            }
        }
        if (concerns && n->op == &op_contract)
            sum += contract_cycles(a, n);
    }
    return sum;
}

/* Marks the regions whose last dimension a contraction's window slides along: neither lanes nor the steps of a sum lie
 * well there. The others are left alone. */
static void mark_sliding(const Arrange *a, const Node *n, bool *slides)
{
    const Contract *c = n->attr[0].contract;
    for (int o = 0; o < n->n_in; o++)
        for (int d = 0; d < c->operand[o].rank; d++) {
            const int64_t *coef = c->operand[o].dim[d].coef;
            int parts = 0, read = region(a, n->in[o]), made = region(a, n);
            for (int k = 0; k < c->n_index; k++)
                parts += coef[k] != 0;
            if (parts > 1 && read >= 0 && d == c->operand[o].rank - 1)
                slides[read] = true;
            if (parts > 1 && made >= 0 && coef[c->n_out - 1] != 0)
                slides[made] = true;
        }
}

/* Windows number their elements in order: an axis that they have may not move. */
static bool may_move(const Arrange *a, int r, int axis)
{
    for (int i = 0; i < a->n; i++) {
        const Node *n = a->g->nodes.data[i];
        if (region(a, n) == r && is_window(n) && n->attr[0].ints.v[axis] > 1)
            return false;
    }
    return true;
}

static bool choose(Arrange *a, int r)
{
    int rank = a->g->nodes.data[r]->type.rank, before = a->last[r], best = -1;
    a->last[r] = -1;
    double declared = region_cycles(a, r), least = 0.95 * declared - LEAST_GAIN;
    for (int axis = 0; axis < rank - 1; axis++) {
        a->last[r] = axis;
        double cost = may_move(a, r, axis) ? region_cycles(a, r) : least;
        if (cost < least) {
            least = cost;
            best = axis;
        }
    }
    a->last[r] = best;
    return best != before;
}

/* ---- applying it ---- */

static Node *turn(Graph *g, Node *n, int last, bool back)
{
    int rank = n->type.rank;
    int64_t perm[MAX_RANK], inverse[MAX_RANK];
    for (int p = 0; p < rank; p++)
        perm[p] = p == rank - 1 ? last : p + (p >= last);
    for (int p = 0; p < rank; p++)
        inverse[perm[p]] = p;
    return build_transpose(g, n, back ? inverse : perm);
}

static Node *get_declared(Arrange *a, Node *n)
{
    if (n->id >= a->n || (!a->arranged[n->id] && !a->declared[n->id]))
        return n;
    if (!a->declared[n->id])
        a->declared[n->id] = turn(a->g, a->arranged[n->id], last_of(a, n), true);
    return a->declared[n->id];
}

static Node *get_arranged(Arrange *a, Node *n, int last)
{
    if (a->arranged[n->id])
        return a->arranged[n->id];
    if (n->op == &op_broadcast) { /* its axes are elsewhere; those of the operand keep their order where they can */
        int64_t dim[MAX_RANK], axes[MAX_RANK];
        const Node *x = n->in[0];
        bool in_order = true;
        nnr_layout l = order_of(&n->type, last);
        memcpy(dim, l.dims, sizeof dim);
        for (int d = 0; d < x->type.rank; d++) {
            int64_t axis = n->attr[1].ints.v[d];
            axes[d] = axis == last ? n->type.rank - 1 : axis - (axis > last);
            in_order = in_order && (d == 0 || axes[d] > axes[d - 1]);
        }
        if (in_order)
            return build_broadcast(a->g, get_declared(a, n->in[0]), n->type.rank, dim, axes);
    }
    return turn(a->g, get_declared(a, n), last, false);
}

static void permute_attr(Arena *arena, Attr *attr, int last)
{
    int n = attr->ints.n;
    int64_t *v = ARENA_ARRAY(arena, int64_t, n + 1);
    for (int p = 0; p < n; p++)
        v[p] = attr->ints.v[p == n - 1 ? last : p + (p >= last)];
    attr->ints.v = v;
}

static void arrange_contract(Arrange *a, Node *n)
{
    Contract map = *n->attr[0].contract;
    Node *in[2] = { NULL, NULL };
    int last = last_of(a, n);
    bool changed = last >= 0;
    for (int o = 0; o < n->n_in; o++) {
        Node *x = n->in[o];
        in[o] = a->arranged[x->id] ? a->arranged[x->id] : get_declared(a, x);
        changed = changed || in[o] != x;
        if (!a->arranged[x->id])
            continue;
        nnr_layout l = order_of(&x->type, last_of(a, x));
        layout_of_operand(a->arena, &map, o, &l);
    }
    if (!changed)
        return;
    if (last >= 0) {
        nnr_layout l = order_of(&n->type, last);
        layout_of_result(a->arena, &map, &l);
    }
    Node *fresh = build_contract(a->g, in[0], in[1], &map);
    if (last >= 0)
        a->arranged[n->id] = fresh;
    else
        n->attr[0] = fresh->attr[0], n->in[0] = in[0], n->in[n->n_in - 1] = in[n->n_in - 1];
}

static void arrange_member(Arrange *a, Node *n, int last)
{
    Attr attr[MAX_ATTR];
    Node **in = ARENA_ARRAY(a->arena, Node *, n->n_in);
    memcpy(attr, n->attr, sizeof attr);
    for (int k = 0; k < MAX_ATTR; k++)
        if (n->op->attrs[k].kind == AK_INTS)
            permute_attr(a->arena, &attr[k], last);
    for (int k = 0; k < n->n_in; k++)
        in[k] = lies_alike(n, k) ? get_arranged(a, n->in[k], last) : get_declared(a, n->in[k]);
    a->arranged[n->id] = graph_must_add(a->g, n->op, in, n->n_in, attr);
}

/* A sum or maximum over axes of an arranged value: the same axes, where they lie now. */
static bool arrange_reduction(Arrange *a, Node *n)
{
    if ((n->op != &op_sum && n->op != &op_reduce_max) || !a->arranged[n->in[0]->id])
        return false;
    Node *x = n->in[0];
    int64_t axes[MAX_RANK];
    int last = last_of(a, x), rank = x->type.rank, count = n->attr[0].ints.n;
    bool summed = false;
    for (int i = 0; i < count; i++) {
        int64_t axis = n->attr[0].ints.v[i];
        summed = summed || axis == last;
        axes[i] = axis == last ? rank - 1 : axis - (axis > last);
    }
    Node *fresh = build_reduce(a->g, n->op, a->arranged[x->id], axes, count);
    int place = last; /* of the moved axis among those that are left */
    for (int i = 0; i < count; i++)
        place -= n->attr[0].ints.v[i] < last;
    a->declared[n->id] = summed ? fresh : turn(a->g, fresh, place, true);
    return true;
}

static void apply(Arrange *a)
{
    for (int i = 0; i < a->n; i++) {
        Node *n = a->g->nodes.data[i];
        a->g->loc = n->loc;
        a->g->path = n->path;
        int last = last_of(a, n);
        if (n->op == &op_contract)
            arrange_contract(a, n);
        else if (last >= 0)
            arrange_member(a, n, last);
        else if (!arrange_reduction(a, n))
            for (int k = 0; k < n->n_in; k++)
                n->in[k] = get_declared(a, n->in[k]);
    }
}

static Arrange begin(PassCtx *ctx, Graph *g)
{
    graph_renumber(g);
    int n = g->nodes.len;
    Arrange a = { .g = g, .target = ctx->target, .arena = ctx->arena, .n = n, .parent = ARENA_ARRAY(ctx->arena, int, n + 1),
                  .last = ARENA_ARRAY(ctx->arena, int, n + 1), .arranged = ARENA_ARRAY(ctx->arena, Node *, n + 1),
                  .declared = ARENA_ARRAY(ctx->arena, Node *, n + 1), .infers = !ctx->no_prepare && graph_infers(g) };
    find_regions(&a);
    return a;
}

/* Returns how many regions there are to arrange; -1: see arrange_as. */
static int finish(PassCtx *ctx, Arrange *a)
{
    Graph *g = a->g;
    Loc loc = g->loc;
    const char *path = g->path;
    int n = 0;
    for (int i = 0; i < a->n; i++)
        n += a->parent[i] == i && a->last[i] >= 0;
    if (n == 0)
        return 0;
    apply(a);
    g->loc = loc;
    g->path = path;
    graph_sort(g);
    return pass_simplify(ctx, g) && pass_cse(ctx, g) && pass_dce(ctx, g) ? n : -1;
}

static bool arranged_at_all(const Graph *g)
{
    return g->kind != GRAPH_INIT && g->kind != GRAPH_BODY && g->kind != GRAPH_PREPARE;
}

int arrange_as(PassCtx *ctx, Graph *g, ArrangePick *pick, void *user)
{
    if (!arranged_at_all(g))
        return 0;
    Arrange a = begin(ctx, g);
    for (int i = 0; i < a.n; i++)
        if (a.parent[i] == i) {
            int rank = g->nodes.data[i]->type.rank, axis = pick(user, rank);
            a.last[i] = axis >= 0 && axis < rank - 1 && may_move(&a, i, axis) ? axis : -1;
        }
    return finish(ctx, &a);
}

bool pass_arrange(PassCtx *ctx, Graph *g)
{
    if (ctx->no_layout || !arranged_at_all(g))
        return true;
    Arrange a = begin(ctx, g);
    bool moves = true, *slides = ARENA_ARRAY(ctx->arena, bool, a.n + 1);
    for (int i = 0; i < a.n; i++)
        if (g->nodes.data[i]->op == &op_contract)
            mark_sliding(&a, g->nodes.data[i], slides);
    for (int round = 0; round < 3 && moves; round++) { /* neighbours' orders decide about each other */
        moves = false;
        for (int i = 0; i < a.n; i++)
            if (a.parent[i] == i && slides[i])
                moves = choose(&a, i) || moves;
    }
    return finish(ctx, &a) >= 0;
}
