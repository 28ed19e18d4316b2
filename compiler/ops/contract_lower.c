/* Lowering of KERNEL_CONTRACT: describes the contract's indices and operands to the scheduler of sums
 * of products (loop/tile.h) and writes the elementwise tail where a finished element is stored. As a
 * stage of a chain it describes the block at hand only, and adds to sums that earlier blocks began. */
#include "loop/tile.h"
#include "ops/contract.h"
#include "ops/lower_parts.h"
#include "ops/rules.h"

typedef struct {
    Lower *lw;
    const Node *node;
    const Contract *map;
    int64_t extent[MAX_INDEX];  /* of the part to write */
    LExpr *first[MAX_INDEX];    /* where it begins */
    const LowerSums *sums;
    const Node *windows;        /* of the results, or NULL */
} ContractLower;

static LExpr *affine(LFunc *f, const Affine *a, int n, LExpr *const *index)
{
    LExpr *sum = lx_i64(f, a->base);
    for (int k = 0; k < n; k++)
        if (a->coef[k])
            sum = lx_add(f, sum, lx_mul(f, index[k], lx_i64(f, a->coef[k])));
    return sum;
}

static void in_whole(const ContractLower *c, int n, LExpr *const *index, LExpr **whole)
{
    for (int k = 0; k < n; k++)
        whole[k] = lx_add(c->lw->func, c->first[k], index[k]);
}

static LExpr *load_operand(void *user, int operand, LBlock *at, LExpr *const *index)
{
    ContractLower *c = user;
    Lower *lw = c->lw;
    LExpr *position[MAX_RANK], *whole[MAX_INDEX];
    in_whole(c, c->map->n_index, index, whole);
    for (int d = 0; d < c->map->operand[operand].rank; d++)
        position[d] = affine(lw->func, &c->map->operand[operand].dim[d], c->map->n_index, whole);
    LBlock *outside = lw->at;
    int mark = lower_mark(lw);
    lw->at = at;
    LExpr *v = lx_cast(lw->func, lower_value(lw, c->node->in[operand], position), LK_F32);
    lower_release(lw, mark);
    lw->at = outside;
    return v;
}

/* ---- what lies ready ---- */

/* Computed in the kernel from parameters and constants alone. */
static bool is_fixed(const Lower *lw, const Node *n)
{
    if (n->op == &op_var)
        return n->attr[0].var->kind != VAR_SLOT && !module_carries(lw->graph->module, n->attr[0].var);
    if (n->op == &op_const || n->op == &op_iota)
        return true;
    if ((n->op->flags & (OP_LEAF | OP_DRAW)) || n->kernel)
        return false;
    for (int i = 0; i < n->n_in; i++)
        if (!is_fixed(lw, n->in[i]))
            return false;
    return true;
}

static LBuf *ready_buffer(void *user, int operand, int64_t count)
{
    const ContractLower *c = user;
    Lower *lw = c->lw;
    (void)operand; /* at most one is fixed */
    if (lw->n_bufs == lw->cap_bufs)
        lw->bufs = arena_grow(lw->arena, lw->bufs, &lw->cap_bufs, sizeof *lw->bufs);
    bool make = lw->mode == LOWER_MAKE;
    LBuf *buf = lfunc_param(lw->func, "ready", LK_F32, count, make ? LB_OUT : LB_IN);
    lw->bufs[lw->n_bufs++] = (struct LowerBuf){ NULL, buf, make };
    return buf;
}

static void describe_ready(const ContractLower *c, LContract *lc)
{
    bool fixed[2] = { false, false };
    for (int o = 0; o < c->map->n_operand && c->lw->mode != LOWER_WHOLE && !c->lw->block; o++)
        fixed[o] = is_fixed(c->lw, c->node->in[o]);
    for (int o = 0; o < 2; o++)
        lc->fixed[o] = fixed[o] && !fixed[1 - o];
    lc->make = c->lw->mode == LOWER_MAKE;
    lc->ready = ready_buffer;
}

/* ---- sums that grow block by block ---- */

/* Flat position of an output element among the sums in scratch. */
static LExpr *sum_index(const ContractLower *c, LExpr *const *index)
{
    LFunc *f = c->lw->func;
    LExpr *flat = lx_i64(f, 0);
    for (int k = 0; k < c->map->n_out; k++)
        flat = lx_add(f, lx_mul(f, flat, lx_i64(f, c->extent[k])), index[k]);
    return lx_add(f, flat, lx_i64(f, c->sums->begin));
}

static LExpr *load_sum(const ContractLower *c, LExpr *const *index, LExpr *flat)
{
    LFunc *f = c->lw->func;
    return c->sums->in_scratch ? lx_load(f, f->scratch, sum_index(c, index), 1, NULL)
                               : lower_load(c->lw, c->node, flat);
}

static void store_sum(const ContractLower *c, LExpr *const *index, LExpr *flat, LExpr *value)
{
    LFunc *f = c->lw->func;
    if (c->sums->in_scratch)
        lb_store(f, c->lw->at, f->scratch, sum_index(c, index), value, NULL);
    else
        lower_store(c->lw, c->node, flat, value);
}

/* ---- results ---- */

static void store_result(void *user, LBlock *at, LExpr *const *index, LExpr *value)
{
    ContractLower *c = user;
    Lower *lw = c->lw;
    LExpr *whole[MAX_INDEX];
    in_whole(c, c->map->n_out, index, whole);
    LExpr *flat = lower_offset(lw, c->node, whole);
    LBlock *outside = lw->at;
    int mark = lower_mark(lw);
    lw->at = at;
    if (c->sums) {
        store_sum(c, index, flat, lx_add(lw->func, load_sum(c, index, flat), value));
    } else {
        lower_bind(lw, c->node, value);
        lower_results(lw, &lw->kernel->results, flat, whole, &c->node->type);
    }
    lower_release(lw, mark);
    lw->at = outside;
}

/* Results of a window at once: each element of it is a value of the contraction at a place of its own. */
static void store_windows(void *user, LBlock *at, LExpr *const *index, LExpr *const *value)
{
    ContractLower *c = user;
    Lower *lw = c->lw;
    LFunc *f = lw->func;
    const int64_t *window = c->windows->attr[0].ints.v;
    Type box = type_make(DT_F32, c->node->type.rank, window);
    LExpr *own[MAX_RANK], *element[MAX_RANK];
    LBlock *outside = lw->at;
    int mark = lower_mark(lw);
    lw->at = at;
    for (int d = 0; d < box.rank; d++)
        own[d] = lx_bin(f, LX_DIV, index[d], lx_i64(f, window[d]));
    for (int64_t k = 0; k < type_count(&box); k++) {
        int64_t place[MAX_RANK];
        shape_unravel(&box, k, place);
        for (int d = 0; d < box.rank; d++)
            element[d] = lx_add(f, lx_mul(f, own[d], lx_i64(f, window[d])), lx_i64(f, place[d]));
        lower_bind_at(lw, c->node, lower_offset(lw, c->node, element), value[k]);
    }
    for (int i = 0; i < lw->kernel->nodes.len; i++) { /* whoever reads them reads them here */
        const Node *n = lw->kernel->nodes.data[i];
        if (window_on_tile(n))
            lower_bind(lw, n, lower_value(lw, n, own));
    }
    lower_results(lw, &lw->kernel->results, lower_offset(lw, c->windows, own), own, &c->windows->type);
    lower_release(lw, mark);
    lw->at = outside;
}

static void describe_operand(LContract *lc, const Contract *map, int operand, const Type *type)
{
    int64_t stride = 1;
    for (int d = type->rank - 1; d >= 0; d--) {
        const Affine *a = &map->operand[operand].dim[d];
        lc->operand[operand].base += stride * a->base;
        for (int k = 0; k < map->n_index; k++)
            lc->operand[operand].stride[k] += stride * a->coef[k];
        stride *= type->dim[d];
    }
}

/* The type whose strides the results have: that of a padded one, where it has the axes of what is made. */
static const Type *stored_type(const Kernel *k, const Node *made)
{
    for (int i = 0; i < k->results.len; i++) {
        const Node *r = k->results.data[i];
        if (kernel_pads_in_place(k, r) && type_same_shape(&r->in[0]->type, &made->type))
            return &r->type;
    }
    return &made->type;
}

void contract_describe(const Contract *map, const Type *const *in, LContract *lc)
{
    int64_t stride = 1;
    lc->n_index = map->n_index;
    lc->n_out = map->n_out;
    lc->n_operand = map->n_operand;
    for (int k = map->n_index - 1; k >= 0; k--) {
        lc->extent[k] = map->extent[k];
        if (k >= map->n_out)
            continue;
        lc->out_stride[k] = stride;
        stride *= map->extent[k];
    }
    for (int i = 0; i < map->n_operand; i++)
        describe_operand(lc, map, i, in[i]);
}

static ContractLower contract_part(Lower *lw)
{
    ContractLower c = { .lw = lw };
    for (int i = 0; i < lw->kernel->nodes.len; i++)
        if (lw->kernel->nodes.data[i]->op == &op_contract)
            c.node = lw->kernel->nodes.data[i];
    c.map = c.node->attr[0].contract;
    for (int k = 0; k < c.map->n_index; k++) {
        c.extent[k] = c.map->extent[k];
        c.first[k] = lx_i64(lw->func, 0);
    }
    for (int d = 0; lw->block && d < lw->block->lead; d++) {
        int k = lw->block->index[d];
        if (k < 0)
            continue;
        c.extent[k] = lw->block->extent[d];
        c.first[k] = lw->block->first[d];
    }
    c.sums = lw->block ? lw->block->sums : NULL;
    c.windows = kernel_windows(lw->kernel);
    return c;
}

/* Rows of whole windows; a step from one to the next is worth a row of theirs. */
static void describe_windows(const ContractLower *c, LContract *lc)
{
    const Type *stored = stored_type(c->lw->kernel, c->windows);
    int64_t stride = 1;
    for (int k = lc->n_out - 1; k >= 0; k--) {
        lc->window[k] = c->windows->attr[0].ints.v[k];
        lc->extent[k] = c->windows->type.dim[k] * lc->window[k];
        lc->out_stride[k] = stride;
        stride *= stored->dim[k];
    }
    lc->store_window = store_windows;
}

/* What is made here, of the whole: a block, stored within what it is stored in. */
static void describe_result(const ContractLower *c, LContract *lc)
{
    const Type *stored = stored_type(c->lw->kernel, c->node);
    bool in_scratch = c->sums && c->sums->in_scratch;
    int64_t stride = 1;
    for (int k = lc->n_index - 1; k >= 0; k--) {
        lc->extent[k] = c->extent[k];
        if (k >= lc->n_out)
            continue;
        lc->out_stride[k] = stride;
        stride *= in_scratch ? c->extent[k] : stored->dim[k];
    }
}

static bool same_for_all_blocks(const ContractLower *c, int operand)
{
    int k = c->lw->block->index[c->lw->block->lead - 1];
    for (int d = 0; k >= 0 && d < c->map->operand[operand].rank; d++)
        if (c->map->operand[operand].dim[d].coef[k])
            return false;
    return k >= 0;
}

/* A variable that this graph only reads. */
static bool stays_as_it_is(const Lower *lw, const Node *operand)
{
    const Node *var = node_storage(operand);
    return var->op == &op_var && !graph_updates(lw->graph, var->attr[0].var);
}

void lower_contract(Lower *lw)
{
    ContractLower c = contract_part(lw);
    const Contract *map = c.map;
    LContract lc = { .func = lw->func, .at = lw->at, .target = lw->target, .user = &c, .load = load_operand,
                     .store = store_result, .serial = lw->block != NULL };
    const Type *in[2] = { &c.node->in[0]->type, &c.node->in[c.node->n_in - 1]->type };
    for (int o = 0; o < map->n_operand && lw->block && lw->block->panels; o++)
        if (same_for_all_blocks(&c, o)) {
            lc.panels_at[o] = lw->block->panels;
            lc.rounds = lw->block->rounds;
        }
    for (int o = 0; o < map->n_operand; o++)
        lc.still[o] = stays_as_it_is(lw, o ? c.node->in[c.node->n_in - 1] : c.node->in[0]);
    describe_ready(&c, &lc);
    if (!lc.make)
        lower_frames(lw);
    contract_describe(map, in, &lc);
    if (c.windows)
        describe_windows(&c, &lc);
    else
        describe_result(&c, &lc);
    loop_contract(&lc);
}

/* ---- before the first block, behind the last ---- */

/* A loop nest over the output elements of the part; index: the innermost position. */
static LBlock *output_loops(const ContractLower *c, LExpr **index)
{
    static const char *const NAME[MAX_RANK] = { "i", "j", "k", "l", "m", "n", "o", "p" };
    LFunc *f = c->lw->func;
    LBlock *at = c->lw->at;
    for (int k = 0; k < c->map->n_out; k++) {
        index[k] = lx_i64(f, 0);
        if (c->extent[k] == 1)
            continue;
        LStmt *loop = lb_for(f, at, NAME[k % MAX_RANK], lx_i64(f, 0), lx_i64(f, c->extent[k]), 1, LF_SERIAL);
        index[k] = lx_var(f, loop->var);
        at = &loop->body;
    }
    return at;
}

static void each_sum(Lower *lw, bool clear)
{
    ContractLower c = contract_part(lw);
    LExpr *index[MAX_INDEX], *whole[MAX_INDEX];
    LBlock *outside = lw->at;
    int mark = lower_mark(lw);
    lw->at = output_loops(&c, index);
    in_whole(&c, c.map->n_out, index, whole);
    LExpr *flat = lower_offset(lw, c.node, whole);
    if (clear) {
        store_sum(&c, index, flat, lx_float(lw->func, 0));
    } else {
        LVar *sum = lb_let(lw->func, lw->at, "sum", load_sum(&c, index, flat));
        lower_bind(lw, c.node, lx_var(lw->func, sum));
        lower_results(lw, &lw->kernel->results, flat, whole, &c.node->type);
    }
    lower_release(lw, mark);
    lw->at = outside;
}

void lower_sums_clear(Lower *lw) { each_sum(lw, true); }

void lower_sums_finish(Lower *lw)
{
    if (lw->block->sums->in_scratch)
        each_sum(lw, false);
}
