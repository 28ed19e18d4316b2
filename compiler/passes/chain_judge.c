/* chain, first part: which kernels can be the stages of a chain, and how its blocks are cut. What a stage has to
 * keep to is said in ops/kernel.h (KERNEL_CHAIN). */
#include "passes/chain.h"
#include "passes/fuse.h"

enum {
    MIN_BLOCK = 8,    /* rows: fewer, and the register tiles are too small */
    GOOD_BLOCK = 32,  /* rows that a block keeps unless it would not fit the second-level cache at all */
    FEW_ITEMS = 8,    /* units of parallel work that are enough */
    MAX_WALK = 256
};

typedef struct {
    const ChainGraph *c;
    ChainPlan *plan;
    int lead;
    int64_t dim[MAX_RANK], rows, grid;
    bool sums; /* a stage sums over the blocks */
    int visits;
    struct { const Node *node; int64_t space, ratio; } visit[MAX_WALK];
} Judge;

static bool refuse(Judge *j, const char *why)
{
    j->plan->refused = why;
    return false;
}

static int64_t count(const Node *n) { return type_count(&n->type); }

static bool in_plan(const ChainPlan *plan, const Kernel *k)
{
    for (int s = 0; s < plan->n; s++)
        if (plan->stage[s] == k)
            return true;
    return false;
}

/* A result of one stage that another one reads. */
static bool is_link(const Judge *j, const Node *n)
{
    if (!n->kernel || !in_plan(j->plan, n->kernel))
        return false;
    const KernelIds *readers = &j->c->readers[n->id];
    for (int i = 0; i < readers->len; i++)
        if (in_plan(j->plan, j->c->g->kernels.data[readers->data[i]]))
            return true;
    return false;
}

bool chain_inner(const ChainGraph *c, const ChainPlan *plan, const Node *n)
{
    const KernelIds *readers = &c->readers[n->id];
    if (c->deps->home[n->id] || !readers->len || n->type.dtype != DT_F32)
        return false;
    for (int i = 0; i < readers->len; i++)
        if (!in_plan(plan, c->g->kernels.data[readers->data[i]]))
            return false;
    return true;
}

static bool leads(const Judge *j, const Type *t)
{
    if (t->rank < j->lead)
        return false;
    for (int d = 0; d < j->lead; d++)
        if (t->dim[d] != j->dim[d])
            return false;
    return true;
}

/* ---- how a stage reads links ---- */

static bool visited(Judge *j, const Node *n, int64_t space, int64_t ratio)
{
    for (int i = 0; i < j->visits; i++)
        if (j->visit[i].node == n && j->visit[i].space == space && j->visit[i].ratio == ratio)
            return true;
    if (j->visits < MAX_WALK) {
        j->visit[j->visits].node = n;
        j->visit[j->visits].space = space;
        j->visit[j->visits++].ratio = ratio;
    }
    return false;
}

/* n is computed, or read, at flat position / ratio (0: elsewhere) while stage k runs over `space` positions:
 * links have to be read at rows of the block. A contract's operands are looked at apart. */
static bool reads_rows(Judge *j, const Kernel *k, const Node *n, int64_t space, int64_t ratio)
{
    bool stored = node_stored(n);
    if (stored && n->kernel != k)
        return !is_link(j, n) || (ratio && count(n) * ratio == space);
    if (n->op->flags & OP_LEAF || n->op == &op_contract || visited(j, n, space, ratio))
        return true;
    bool reduces = (n->op->flags & OP_REDUCE) != 0;
    for (int i = 0; i < n->n_in; i++)
        if (!(reduces ? reads_rows(j, k, n->in[i], count(n->in[i]), 1)
                      : reads_rows(j, k, n->in[i], space, ratio * path_ratio(n, i))))
            return false;
    return true;
}

static bool tail_reads_rows(Judge *j, const Kernel *k)
{
    j->visits = 0;
    for (int i = 0; i < k->results.len; i++)
        if (!reads_rows(j, k, k->results.data[i], count(k->results.data[i]), 1))
            return refuse(j, "a value between the stages is read at other rows than it is computed at");
    return true;
}

static bool reads_any(const Judge *j, const Kernel *k, const Node *n)
{
    if (node_stored(n) && n->kernel != k)
        return is_link(j, n);
    if (n->op->flags & OP_LEAF || n->op == &op_contract)
        return false;
    for (int i = 0; i < n->n_in; i++)
        if (reads_any(j, k, n->in[i]))
            return true;
    return false;
}

/* ---- stages ---- */

static const Node *contract_of(const Kernel *k)
{
    for (int i = 0; i < k->nodes.len; i++)
        if (k->nodes.data[i]->op == &op_contract)
            return k->nodes.data[i];
    return NULL;
}

static bool makes_link(const Judge *j, const Kernel *k)
{
    for (int i = 0; i < k->results.len; i++)
        if (is_link(j, k->results.data[i]))
            return true;
    return false;
}

static bool depends(const Contract *c, int operand, int k)
{
    for (int d = 0; d < c->operand[operand].rank; d++)
        if (c->operand[operand].dim[d].coef[k])
            return true;
    return false;
}

static bool judge_contract(Judge *j, const Kernel *k)
{
    const Node *n = contract_of(k);
    const Contract *c = n->attr[0].contract;
    bool link[2] = { false, false }, plain = true;
    int index[MAX_RANK], last = j->lead - 1;
    for (int o = 0; o < n->n_in; o++)
        link[o] = is_link(j, node_storage(n->in[o]));
    /* Whatever is common to several blocks is packed anew for each of them. */
    for (int o = 0; o < n->n_in; o++)
        if (node_storage(n->in[o])->op == &op_var)
            return refuse(j, "weights serve all rows alike");
    if (!chain_contract_index(n, link, j->lead, j->dim, index))
        return refuse(j, "a contraction does not run over the rows");
    for (int d = 0; d < j->lead; d++) {
        plain = plain && (j->dim[d] == 1 || index[d] == d);
        if (j->dim[d] == 1)
            continue;
        if (d < last && index[d] >= c->n_out)
            return refuse(j, "a contraction sums over the grid");
        for (int o = 0; o < n->n_in; o++)
            if (d < last && !depends(c, o, index[d]))
                return refuse(j, "an operand serves several positions of the grid");
    }
    plain = plain && leads(j, &n->type);
    if (makes_link(j, k) && !plain)
        return refuse(j, "a contraction computes its rows in another order");
    if (index[last] >= c->n_out && j->dim[last] > 1)
        j->sums = true;
    for (int i = 0; i < k->results.len && !plain; i++)
        if (reads_any(j, k, k->results.data[i]))
            return refuse(j, "a contraction's tail reads rows in another order");
    return tail_reads_rows(j, k);
}

/* Sums over the blocks force an order on them, and only positions of the grid run in parallel. */
static bool leaves_parallel_work(Judge *j)
{
    return !j->sums || j->grid > 1 || refuse(j, "sums over the rows of a single matrix leave nothing to run in parallel");
}

static bool judge_stage(Judge *j, const Kernel *k)
{
    if (kernel_windows(k))
        return refuse(j, "windows of a contraction's results are not rows of it");
    for (int i = 0; i < k->results.len; i++) {
        const Node *r = k->results.data[i], *home = j->c->deps->home[r->id];
        if (home && home->op == &op_update)
            return refuse(j, "a variable is overwritten");
        if (kernel_pads_in_place(k, r))
            return refuse(j, "a result is written into its padding");
        if (is_link(j, r) && !leads(j, &r->type))
            return refuse(j, "the values between the stages have other leading dimensions");
    }
    if (k->kind == KERNEL_CONTRACT)
        return judge_contract(j, k);
    if (k->rows % j->rows)
        return refuse(j, "reductions over what would be cut into blocks");
    return tail_reads_rows(j, k);
}

/* ---- blocks ---- */

static bool cut_blocks(Judge *j)
{
    int64_t extent = j->dim[j->lead - 1], width = 0, saved = 0;
    for (int s = 0; s < j->plan->n; s++) {
        const NodeVec *results = &j->plan->stage[s]->results;
        for (int i = 0; i < results->len; i++)
            if (chain_inner(j->c, j->plan, results->data[i])) {
                width += count(results->data[i]) / j->rows * 4;
                saved += count(results->data[i]) * 4;
            }
    }
    int64_t most = width ? j->c->cache / width : extent, block = most / 4;
    if (most < MIN_BLOCK && most < extent)
        return refuse(j, "a few rows would not stay in the cache");
    if (!j->sums && j->grid < FEW_ITEMS) {
        int64_t parts = (FEW_ITEMS + j->grid - 1) / j->grid, each = (extent + parts - 1) / parts;
        block = each < block ? each : block;
    }
    block = block < GOOD_BLOCK ? GOOD_BLOCK : block;
    block = block < most ? block : most;
    if (block < extent) {
        int64_t n = (extent + block - 1) / block;
        block = ((extent + n - 1) / n + MIN_BLOCK - 1) / MIN_BLOCK * MIN_BLOCK;
    }
    j->plan->block = block < extent ? block : extent;
    j->plan->saved = saved;
    j->plan->lead = j->lead;
    return true;
}

/* ---- the whole ---- */

static bool judge_lead(Judge *j, const Node *like)
{
    j->rows = j->grid = 1;
    j->sums = false;
    for (int d = 0; d < j->lead; d++) {
        j->dim[d] = like->type.dim[d];
        j->rows *= j->dim[d];
        j->grid *= d < j->lead - 1 ? j->dim[d] : 1;
    }
    for (int s = 0; s < j->plan->n; s++)
        if (!judge_stage(j, j->plan->stage[s]))
            return false;
    return leaves_parallel_work(j) && cut_blocks(j);
}

/* The most leading dimensions that every stage agrees to: blocks can be made smallest then. */
void chain_judge(const ChainGraph *c, ChainPlan *plan)
{
    Judge j = { .c = c, .plan = plan };
    const Node *widest = NULL;
    plan->refused = NULL;
    for (int s = 0; s < plan->n; s++) {
        const Kernel *k = plan->stage[s];
        if (k->kind != KERNEL_CONTRACT && k->kind != KERNEL_ROWS) {
            refuse(&j, "only contractions and rows form a chain");
            return;
        }
        for (int i = 0; i < k->results.len; i++)
            if (is_link(&j, k->results.data[i]) && (!widest || count(k->results.data[i]) > count(widest)))
                widest = k->results.data[i];
    }
    if (!widest)
        refuse(&j, "nothing goes from one to the other");
    for (j.lead = widest ? widest->type.rank - 1 : 0; j.lead > 0; j.lead--) {
        plan->refused = NULL;
        if (judge_lead(&j, widest))
            return;
    }
    if (!plan->refused)
        refuse(&j, "no leading dimension is left to be cut");
}
