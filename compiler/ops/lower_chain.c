/* Lowering of KERNEL_CHAIN: the positions of the grid in parallel; at each of them the stages, block of rows
 * after block of rows. Stages are written by the lowerings of their kinds, in terms of the whole
 * kernel's indices; what differs is the range of indices they are asked for (LowerBlock) and where values
 * between stages lie (LowerPlace): a block of such a value is one run of its elements, kept in scratch.
 *
 * Scratch belongs to a chunk of the grid, not to a thread: chunks run in parallel, the positions of one chunk
 * one after another. Their number depends on shapes alone. */
#include "loop/expr.h"
#include "ops/contract.h"
#include "ops/lower_parts.h"

enum { MAX_CHUNKS = 8 };

typedef struct {
    Kernel kernel;       /* as in chain->stages, with its nodes */
    int index[MAX_RANK]; /* CONTRACT: see LowerBlock */
    LowerSums sums;      /* of a stage that sums over blocks (node NULL: it does not) */
} Stage;

typedef struct {
    int64_t bytes;
    int busy; /* until the end of this stage */
    int64_t begin;
} Slot;

typedef struct {
    Lower *lw;
    const Kernel *chain;
    Stage *stage;
    int n;
    int64_t dim[MAX_RANK]; /* the leading dimensions */
    int64_t grid, rows;    /* positions of all but the last, of all of them */
    int64_t full, rest;    /* whole blocks of a grid position; rows of the one after them */
    bool in_order;         /* blocks of a grid position have to run one after another */
    int64_t peak;          /* bytes of scratch that one chunk needs */
} Chain;

/* ---- what the stages are ---- */

bool chain_contract_index(const Node *contract, const bool *link, int lead, const int64_t *dim, int *index)
{
    const Contract *c = contract->attr[0].contract;
    bool any = false;
    for (int d = 0; d < lead; d++)
        index[d] = -1;
    for (int o = 0; o < c->n_operand; o++) {
        const Type *t = &contract->in[o]->type;
        if (!link[o])
            continue;
        if (t->rank < lead)
            return false;
        any = true;
        for (int d = 0; d < lead; d++) {
            int k = affine_bare(&c->operand[o].dim[d], c->n_index);
            if (t->dim[d] != dim[d] || (dim[d] > 1 && (k < 0 || c->extent[k] != dim[d])))
                return false;
            if (dim[d] > 1 && index[d] >= 0 && index[d] != k)
                return false;
            index[d] = dim[d] > 1 ? k : index[d];
        }
    }
    if (!any && contract->type.rank < lead)
        return false;
    for (int d = 0; d < lead && !any; d++) {
        index[d] = d;
        if (contract->type.dim[d] != dim[d])
            return false;
    }
    for (int d = 0; d < lead; d++)
        for (int e = 0; e < d; e++)
            if (index[d] >= 0 && index[d] == index[e])
                return false;
    return true;
}

static bool is_result_of(const Node *n, const Kernel *k)
{
    for (int i = 0; i < k->results.len; i++)
        if (k->results.data[i] == n)
            return true;
    return false;
}

static int stage_of(const Chain *c, const Node *n)
{
    for (int s = 0; s < c->n; s++)
        if (is_result_of(n, &c->stage[s].kernel))
            return s;
    return -1;
}

static bool is_inner(const Chain *c, const Node *n) { return !is_result_of(n, c->chain); }

/* owner: by node id, stage + 1; -1: several. */
static void claim(const Chain *c, Node *n, int s, int *owner)
{
    int of = stage_of(c, n);
    if (n->kernel != c->chain || (of >= 0 && of != s) || owner[n->id] == s + 1 || owner[n->id] < 0)
        return;
    owner[n->id] = owner[n->id] ? -1 : s + 1;
    for (int i = 0; i < n->n_in; i++)
        claim(c, n->in[i], s, owner);
}

/* Nodes used by one stage belong to it while it is lowered; those of several are computed in each. */
static void give_nodes(Chain *c)
{
    Lower *lw = c->lw;
    int *owner = ARENA_ARRAY(lw->arena, int, lw->graph->nodes.len + 1);
    for (int s = 0; s < c->n; s++)
        for (int i = 0; i < c->stage[s].kernel.results.len; i++)
            claim(c, c->stage[s].kernel.results.data[i], s, owner);
    for (int i = 0; i < c->chain->nodes.len; i++) {
        Node *n = c->chain->nodes.data[i];
        int s = owner[n->id] - 1;
        n->kernel = s >= 0 ? &c->stage[s].kernel : NULL;
        if (s >= 0)
            VEC_PUSH(lw->arena, &c->stage[s].kernel.nodes, n);
    }
}

static void take_nodes_back(Chain *c)
{
    for (int i = 0; i < c->chain->nodes.len; i++)
        c->chain->nodes.data[i]->kernel = (Kernel *)c->chain;
}

static const Node *contract_of(const Stage *s)
{
    for (int i = 0; i < s->kernel.nodes.len; i++)
        if (s->kernel.nodes.data[i]->op == &op_contract)
            return s->kernel.nodes.data[i];
    return NULL;
}

static void find_indices(Chain *c)
{
    for (int s = 0; s < c->n; s++) {
        Stage *stage = &c->stage[s];
        const Node *contract = contract_of(stage);
        if (!contract)
            continue;
        bool link[2] = { false, false };
        for (int o = 0; o < contract->n_in; o++)
            link[o] = stage_of(c, node_storage(contract->in[o])) >= 0;
        chain_contract_index(contract, link, c->chain->lead, c->dim, stage->index);
        int last = stage->index[c->chain->lead - 1];
        if (last < contract->attr[0].contract->n_out || c->full + (c->rest > 0) == 1)
            continue;
        stage->sums.node = contract;
        stage->sums.in_scratch = stage->kernel.results.len != 1 || stage->kernel.results.data[0] != contract;
        c->in_order = true;
    }
}

static void measure(Chain *c)
{
    const Node *inner = NULL;
    for (int s = 0; s < c->n && !inner; s++)
        for (int i = 0; i < c->stage[s].kernel.results.len && !inner; i++)
            if (is_inner(c, c->stage[s].kernel.results.data[i]))
                inner = c->stage[s].kernel.results.data[i];
    c->grid = 1;
    for (int d = 0; d < c->chain->lead; d++) {
        c->dim[d] = inner->type.dim[d];
        c->grid *= d < c->chain->lead - 1 ? c->dim[d] : 1;
    }
    int64_t extent = c->dim[c->chain->lead - 1];
    c->rows = c->grid * extent;
    c->full = extent / c->chain->block;
    c->rest = extent % c->chain->block;
}

/* ---- scratch ---- */

static bool reads(const Chain *c, const Node *n, const Node *value, int s)
{
    if (n == value)
        return true;
    if (n->op->flags & OP_LEAF || (n->kernel && n->kernel != &c->stage[s].kernel))
        return false;
    for (int i = 0; i < n->n_in; i++)
        if (reads(c, n->in[i], value, s))
            return true;
    return false;
}

static bool stage_reads(const Chain *c, int s, const Node *value)
{
    for (int i = 0; i < c->stage[s].kernel.results.len; i++)
        if (reads(c, c->stage[s].kernel.results.data[i], value, s))
            return true;
    return false;
}

/* A slot that is free when stage s writes a value of so many bytes. ROWS reads what has the shape of
 * its result at the very position it writes, so that what dies there may be overwritten. */
static Slot *find_slot(Chain *c, Slot *slots, int *n, int64_t bytes, int s)
{
    for (int i = 0; i < *n; i++) {
        bool dying = c->stage[s].kernel.kind == KERNEL_ROWS && slots[i].busy == s && slots[i].bytes == bytes;
        if (slots[i].bytes >= bytes && (slots[i].busy < s || dying))
            return &slots[i];
    }
    slots[*n] = (Slot){ .bytes = bytes, .begin = lfunc_scratch(c->lw->func, bytes) };
    return &slots[(*n)++];
}

static void place_values(Chain *c)
{
    Lower *lw = c->lw;
    int count = 0, n = 0;
    for (int s = 0; s < c->n; s++)
        count += c->stage[s].kernel.results.len;
    Slot *slots = ARENA_ARRAY(lw->arena, Slot, count + 1);
    lw->places = ARENA_ARRAY(lw->arena, struct LowerPlace, count + 1);
    for (int s = 0; s < c->n; s++) {
        const Kernel *k = &c->stage[s].kernel;
        for (int i = 0; i < k->results.len; i++) {
            const Node *r = k->results.data[i];
            if (!is_inner(c, r))
                continue;
            Slot *slot = find_slot(c, slots, &n, type_count(&r->type) / c->rows * c->chain->block * 4, s);
            for (int t = s; t < c->n; t++)
                if (t == s || stage_reads(c, t, r))
                    slot->busy = t;
            lw->places[lw->n_places++] = (struct LowerPlace){ .node = r, .begin = slot->begin };
        }
    }
    for (int s = 0; s < c->n; s++) {
        if (!c->stage[s].sums.in_scratch)
            continue;
        const Contract *map = c->stage[s].sums.node->attr[0].contract;
        int64_t bytes = 4;
        for (int k = 0; k < map->n_out; k++)
            bytes *= map->extent[k];
        c->stage[s].sums.begin = lfunc_scratch(lw->func, bytes / c->grid);
    }
}

/* ---- writing ---- */

/* Writes something of stage s for the block. Its scratch is free again afterwards, but for panels that later
 * blocks read. */
static void write_stage(Chain *c, LowerBlock *block, int s, void (*write)(Lower *lw))
{
    Lower *lw = c->lw;
    LFunc *f = lw->func;
    Stage *stage = &c->stage[s];
    int64_t mark = f->scratch_bytes;
    int panels = block->panels ? block->panels->len : 0;
    lw->kernel = &stage->kernel;
    for (int d = 0; d < block->lead; d++)
        block->index[d] = stage->index[d];
    block->sums = stage->sums.node ? &stage->sums : NULL;
    lw->block = block;
    write(lw);
    c->peak = f->scratch_bytes > c->peak ? f->scratch_bytes : c->peak;
    if (!block->panels || block->panels->len == panels)
        f->scratch_bytes = mark;
}

static void write_block(Chain *c, const LowerBlock *grid, LExpr *from, int64_t rows, LBlock *at)
{
    Lower *lw = c->lw;
    LFunc *f = lw->func;
    LowerBlock block = *grid;
    int last = c->chain->lead - 1;
    block.first[last] = from;
    block.extent[last] = block.rows = rows;
    block.row = lx_i64(f, 0);
    for (int d = 0; d <= last; d++)
        block.row = lx_add(f, lx_mul(f, block.row, lx_i64(f, c->dim[d])), block.first[d]);
    for (int i = 0; i < lw->n_places; i++) {
        int64_t width = type_count(&lw->places[i].node->type) / c->rows;
        lw->places[i].first = lx_mul(f, block.row, lx_i64(f, width));
    }
    lw->at = at;
    for (int s = 0; s < c->n; s++) {
        lb_note(f, at, arena_printf(lw->arena, "%s %s", kernel_kind_name(c->stage[s].kernel.kind),
                                    lower_name(lw, c->stage[s].kernel.results.data[0])));
        write_stage(c, &block, s, lower_body);
    }
}

static LExpr *ranged_let(LFunc *f, LBlock *at, const char *name, LExpr *value, int64_t max)
{
    if (value->op == LX_CONST)
        return value;
    LVar *v = lb_let(f, at, name, value);
    v->ranged = true;
    v->min = 0;
    v->max = max;
    return lx_var(f, v);
}

/* The number of the first row of whole block b. */
static LExpr *block_begin(Chain *c, LBlock *at, LExpr *b)
{
    LFunc *f = c->lw->func;
    if (c->full == 1)
        return lx_i64(f, 0);
    return ranged_let(f, at, "from", lx_mul(f, b, lx_i64(f, c->chain->block)), (c->full - 1) * c->chain->block);
}

static void each_sums(Chain *c, LowerBlock *grid, LBlock *at, void (*write)(Lower *lw))
{
    c->lw->at = at;
    for (int s = 0; s < c->n; s++)
        if (c->stage[s].sums.node)
            write_stage(c, grid, s, write);
}

static void append(LFunc *f, LBlock *at, const LBlock *more)
{
    for (int i = 0; i < more->len; i++)
        lb_append(f, at, more->data[i]);
}

/* All blocks of a grid position, in order. */
static void write_blocks(Chain *c, LowerBlock *grid, LBlock *at)
{
    LFunc *f = c->lw->func;
    int last = c->chain->lead - 1;
    grid->first[last] = lx_i64(f, 0);
    grid->extent[last] = c->dim[last];
    each_sums(c, grid, at, lower_sums_clear);
    if (c->full > 1) {
        LBlock panels = { 0 }, blocks = { 0 };
        LStmt *loop = lb_for(f, &blocks, "b", lx_i64(f, 0), lx_i64(f, c->full), 1, LF_SERIAL);
        grid->panels = &panels;
        grid->rounds = c->full;
        write_block(c, grid, block_begin(c, &loop->body, lx_var(f, loop->var)), c->chain->block, &loop->body);
        grid->panels = NULL;
        append(f, at, &panels);
        append(f, at, &blocks);
    } else if (c->full) {
        write_block(c, grid, lx_i64(f, 0), c->chain->block, at);
    }
    if (c->rest)
        write_block(c, grid, lx_i64(f, c->full * c->chain->block), c->rest, at);
    each_sums(c, grid, at, lower_sums_finish);
}

/* Block b of a grid position, whichever it is. first: the condition under which panels have to be filled that
 * it has in common with those after it; NULL: nothing comes after it. */
static void write_one_block(Chain *c, LowerBlock *grid, LExpr *b, LExpr *first, LBlock *at)
{
    LFunc *f = c->lw->func;
    if (first && c->full > 1) {
        grid->panels = &lb_if(f, at, first)->body;
        grid->rounds = c->full;
    }
    if (c->full && c->rest) {
        LStmt *branch = lb_if_odds(f, at, lx_bin(f, LX_LT, b, lx_i64(f, c->full)), c->full, 1);
        write_block(c, grid, block_begin(c, &branch->body, b), c->chain->block, &branch->body);
        grid->panels = NULL;
        write_block(c, grid, lx_i64(f, c->full * c->chain->block), c->rest, &branch->other);
    } else if (c->full) {
        write_block(c, grid, block_begin(c, at, b), c->chain->block, at);
    } else {
        write_block(c, grid, lx_i64(f, 0), c->rest, at);
    }
}

/* One unit of parallel work: a grid position, or a block of one. lo: the first item of the chunk; NULL: it
 * has no other. */
static void write_item(Chain *c, LExpr *item, LExpr *lo, LBlock *at)
{
    LFunc *f = c->lw->func;
    int64_t blocks = c->full + (c->rest > 0);
    LowerBlock grid = { .lead = c->chain->lead, .all = c->rows };
    LExpr *b = NULL, *first = NULL;
    if (!c->in_order) {
        first = lo ? lx_bin(f, LX_EQ, item, lo) : NULL;
        b = ranged_let(f, at, "b", lx_bin(f, LX_MOD, item, lx_i64(f, blocks)), blocks - 1);
        item = lx_bin(f, LX_DIV, item, lx_i64(f, blocks));
    }
    for (int d = grid.lead - 2; d >= 0; d--) {
        grid.extent[d] = 1;
        grid.first[d] = ranged_let(f, at, "g", lx_bin(f, LX_MOD, item, lx_i64(f, c->dim[d])), c->dim[d] - 1);
        item = lx_bin(f, LX_DIV, item, lx_i64(f, c->dim[d]));
    }
    if (c->in_order)
        write_blocks(c, &grid, at);
    else
        write_one_block(c, &grid, b, first ? lx_bin(f, LX_OR, first, lx_bin(f, LX_EQ, b, lx_i64(f, 0))) : NULL, at);
}

static bool worth_threads(const Chain *c)
{
    int64_t work = 0;
    for (int i = 0; i < c->chain->nodes.len; i++) {
        const Node *n = c->chain->nodes.data[i];
        work += n->op->work ? n->op->work(n) : type_count(&n->type);
    }
    return lower_may_fork(c->lw, work);
}

static void write_chain(Chain *c)
{
    Lower *lw = c->lw;
    LFunc *f = lw->func;
    LBlock *top = lw->at, body = { 0 };
    int64_t items = c->in_order ? c->grid : c->grid * (c->full + (c->rest > 0));
    int64_t chunks = items < MAX_CHUNKS ? items : MAX_CHUNKS, size = (items + chunks - 1) / chunks;
    LForKind kind = worth_threads(c) && items > 1 ? LF_PARALLEL : LF_SERIAL;
    if (kind == LF_SERIAL)
        chunks = 1, size = items;
    chunks = (items + size - 1) / size;
    LBlock *at = &body;
    LExpr *chunk = lx_i64(f, 0), *item = lx_i64(f, 0), *lo = lx_i64(f, 0), *hi = lx_i64(f, items);
    LStmt *outer = NULL;
    if (chunks > 1) {
        outer = lb_for(f, top, "chunk", lo, lx_i64(f, chunks), 1, kind);
        chunk = item = lx_var(f, outer->var);
        lo = lx_mul(f, chunk, lx_i64(f, size));
        hi = lx_bin(f, LX_MIN, lx_add(f, lo, lx_i64(f, size)), hi);
    }
    if (size > 1) {
        LStmt *loop = lb_for(f, at, "item", lo, hi, 1, LF_SERIAL);
        item = lx_var(f, loop->var);
        at = &loop->body;
        loop->var->ranged = true;
        loop->var->min = 0;
        loop->var->max = items - 1;
    }
    write_item(c, item, size > 1 ? lo : NULL, at);
    int64_t each = (c->peak + NNR_ALIGN - 1) / NNR_ALIGN * NNR_ALIGN;
    if (f->scratch) {
        f->scratch_bytes = each * chunks;
        f->scratch->count = f->scratch_bytes / 4;
        lblock_shift(f, &body, f->scratch, lx_mul(f, chunk, lx_i64(f, each / 4)));
    }
    append(f, outer ? &outer->body : top, &body);
}

void lower_chain(Lower *lw)
{
    Chain c = { .lw = lw, .chain = lw->kernel, .n = lw->kernel->stages.len };
    LBlock *top = lw->at;
    c.stage = ARENA_ARRAY(lw->arena, Stage, c.n);
    for (int s = 0; s < c.n; s++) {
        c.stage[s].kernel = *c.chain->stages.data[s];
        c.stage[s].kernel.nodes = (NodeVec){ 0 };
    }
    give_nodes(&c);
    measure(&c);
    find_indices(&c);
    place_values(&c);
    c.peak = lw->func->scratch_bytes;
    write_chain(&c);
    take_nodes_back(&c);
    lw->kernel = c.chain;
    lw->block = NULL;
    lw->at = top;
}
