/* What a layout costs: the scheduler's estimate of every contraction that reads or makes what is laid
 * out, packing included, and a price for reading it in any other way. */
#include "passes/layout.h"

#include <math.h>

/* A use of something laid out. */
typedef struct {
    const Node *contract; /* NULL: a price for whatever is not row major */
    int set;
    double price;
    bool infers; /* in an entry that finds ready what it packs of parameters */
} Use;

typedef struct {
    Type type;
    nnr_layout layout;
} Decision;

struct LayoutCosts {
    Arena *arena;
    LayoutSets *sets;
    const LTarget *target;
    bool infers; /* the graph at hand, while collecting */
    Vec(Use) uses;
    Decision *decided; /* by set */
};

/* ---- collecting ---- */

static void add_use(LayoutCosts *c, int set, const Node *contract, double price)
{
    VEC_PUSH(c->arena, &c->uses, (Use){ contract, set, price, c->infers });
}

static bool runs_body(const Node *n)
{
    for (int k = 0; k < MAX_ATTR; k++)
        if (n->op->attrs[k].kind == AK_GRAPH)
            return true;
    return false;
}

/* Reading `in`, stored otherwise, as if it were row major. */
static double price_of(const Node *reader, const Node *in)
{
    double count = (double)type_count(&in->type);
    if ((reader->op->flags & (OP_OPAQUE | OP_META)) || runs_body(reader))
        return INFINITY; /* reads memory by itself */
    return reader->op->flags & OP_MOVEMENT ? 4 * count : 2 * count;
}

static void collect_reader(LayoutCosts *c, const Node *n)
{
    if (n->op == &op_contract && n->mark)
        add_use(c, layout_set(c->sets, n->mark - 1), n, 0);
    for (int k = 0; k < n->n_in; k++) {
        const Node *in = n->in[k];
        bool var = in->op == &op_var;
        int set = var ? layout_set(c->sets, in->attr[0].var->index)
                      : in->mark ? layout_set(c->sets, in->mark - 1) : -1;
        if (set < 0 || n->op == &op_update || (n->mark && layout_spreads(n)))
            continue;
        if (n->op == &op_contract && var)
            add_use(c, set, n, 0);
        else
            add_use(c, set, NULL, price_of(n, in));
    }
}

LayoutCosts *layout_costs(Arena *arena, const Module *m, LayoutSets *sets, const LTarget *target, bool no_prepare)
{
    LayoutCosts *c = ARENA_NEW(arena, LayoutCosts);
    c->arena = arena;
    c->sets = sets;
    c->target = target;
    c->decided = ARENA_ARRAY(arena, Decision, sets->n + 1);
    for (int i = 0; i < m->graphs.len; i++) {
        const Graph *g = m->graphs.data[i];
        c->infers = !no_prepare && graph_infers(g);
        for (int k = 0; k < g->nodes.len; k++) {
            const Node *n = g->nodes.data[k];
            if (g->kind == GRAPH_BODY && n->op == &op_var)
                add_use(c, layout_set(sets, n->attr[0].var->index), NULL, INFINITY);
            else if (g->kind != GRAPH_BODY && g->kind != GRAPH_INIT && g->kind != GRAPH_PREPARE)
                collect_reader(c, n);
        }
    }
    return c;
}

/* ---- estimating ---- */

static double ask(LayoutCosts *c, const Contract *map, const Type *const *in, const bool *fixed)
{
    LContract lc = { .target = c->target, .still = { true, true } };
    contract_describe(map, in, &lc);
    for (int o = 0; o < 2; o++)
        lc.fixed[o] = fixed[o] && !fixed[1 - o];
    return loop_contract_pick(&lc).cost;
}

/* The contraction with everything laid out as decided, and the set under trial as l says. */
static double contract_cycles(LayoutCosts *c, const Use *use, int trial, const Decision *tried)
{
    const Node *n = use->contract;
    bool fixed[2] = { false, false };
    Contract map = *n->attr[0].contract;
    Type type[2];
    const Type *in[2] = { &type[0], &type[1] };
    for (int o = 0; o < n->n_in; o++) {
        const Node *x = n->in[o];
        type[o] = x->type;
        fixed[o] = use->infers && x->op == &op_var;
        if (x->op != &op_var)
            continue;
        int set = layout_set(c->sets, x->attr[0].var->index);
        const Decision *d = set == trial ? tried : &c->decided[set];
        if (!d->layout.rank)
            continue;
        nnr_layout l = layout_for(&x->type, &d->type, &d->layout);
        if (!layout_of_operand(c->arena, &map, o, &l))
            return INFINITY;
        type[o] = layout_stored(&l, x->type.dtype);
    }
    if (n->mark) {
        int set = layout_set(c->sets, n->mark - 1);
        const Decision *d = set == trial ? tried : &c->decided[set];
        nnr_layout l = layout_for(&n->type, &d->type, &d->layout);
        /* An operand's split index makes the result another; then it is put in order apart. */
        if (l.rank && (map.n_out != n->type.rank || !layout_of_result(c->arena, &map, &l)))
            return INFINITY;
    }
    return ask(c, &map, in, fixed);
}

double layout_cost(LayoutCosts *c, int set, const Type *t, const nnr_layout *l)
{
    Decision tried = { *t, *l };
    double sum = 0;
    for (int i = 0; i < c->uses.len && isfinite(sum); i++) {
        const Use *u = &c->uses.data[i];
        if (u->set != set)
            continue;
        if (u->contract)
            sum += contract_cycles(c, u, set, &tried);
        else if (l->rank)
            sum += u->price;
    }
    return sum;
}

void layout_decide(LayoutCosts *c, int set, const Type *t, const nnr_layout *l)
{
    c->decided[set] = (Decision){ *t, *l };
}
