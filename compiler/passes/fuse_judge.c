/* Fusion, second part: whether a set of compute nodes can be one kernel, and of which kind. The one
 * place that knows the rules of passes.h; the grouping only asks. */
#include "passes/fuse.h"

typedef struct {
    Fuse *f;
    const int *ids; /* ascending */
    int n;
    const Info *contract, *opaque, *reduction; /* the first of each, or NULL */
    int n_contract, n_opaque, n_reduction;
    Verdict verdict;
} Judge;

static bool refuse(Judge *j, const char *reason)
{
    j->verdict.refused = reason;
    return false;
}

static const Info *info_of(const Judge *j, int i)
{
    return &j->f->info[j->ids[i]];
}

static bool inside(const Judge *j, int id)
{
    return j->f->seen[id] == j->f->seen_now;
}

static int64_t count(const Info *in)
{
    return type_count(&in->node->type);
}

static bool is_reduction(const Info *in)
{
    return (in->node->op->flags & OP_REDUCE) != 0;
}

static bool is_elementwise(const Info *in)
{
    return in->copied || (in->node->op->flags & OP_ELEMENTWISE);
}

static bool used_outside(const Judge *j, const Info *in)
{
    if (in->need_memory)
        return true;
    for (int i = 0; i < in->use.len; i++)
        if (!inside(j, in->use.data[i].node))
            return true;
    return false;
}

/* ---- one iteration space: MAP, and the tail of a contract ---- */

/* A pad of one of the set's values, read by nobody in it: written while its operand's positions are
 * walked. Its value is a constant, and there are no gaps. */
static bool pads_inside(const Judge *j, const Info *in)
{
    const Node *n = in->node, *base = n->in[0];
    if (n->op != &op_pad || in->src.len != 1 || !inside(j, in->src.data[0].node))
        return false;
    while (base->op->flags & OP_VIEW && !j->f->info[base->id].copied)
        base = base->in[0];
    for (int d = 0; d < n->type.rank; d++)
        if (n->attr[2].ints.v[d])
            return false;
    for (int i = 0; i < in->use.len; i++)
        if (inside(j, in->use.data[i].node))
            return false;
    return base->id == in->src.data[0].node && n->in[1]->op == &op_const;
}

/* Every node has the same count and reads the others at its own position. */
static bool one_space(Judge *j)
{
    int64_t space = 0;
    int pads = 0;
    for (int i = j->n - 1; i >= 0; i--) /* a pad stands behind what it pads */
        space = pads_inside(j, info_of(j, i)) ? space : count(info_of(j, i));
    for (int i = 0; i < j->n; i++) {
        const Info *in = info_of(j, i);
        if (pads_inside(j, in)) {
            if (++pads > 1 && !j->contract)
                return refuse(j, "padded in two ways");
            continue;
        }
        if (count(in) != space)
            return refuse(j, "element counts differ");
        for (int k = 0; k < in->src.len; k++)
            if (inside(j, in->src.data[k].node) && in->src.data[k].ratio != 1)
                return refuse(j, "read at other positions than it is computed at");
    }
    return true;
}

/* ---- windows of a contract's results ---- */

static bool on_tile(const Info *in) { return window_on_tile(in->node) && !node_opaque(in->node); }

static bool same_windows(const Node *a, const Node *b)
{
    for (int d = 0; d < a->type.rank; d++)
        if (a->type.dim[d] != b->type.dim[d] || a->attr[0].ints.v[d] != b->attr[0].ints.v[d])
            return false;
    return a->type.rank == b->type.rank;
}

static const Node *first_windows(const Judge *j)
{
    for (int i = 0; i < j->n; i++)
        if (on_tile(info_of(j, i)))
            return info_of(j, i)->node;
    return NULL;
}

/* One of the windows' side reads the others of it at its own position; windows, what they are cut from. */
static bool window_edges(Judge *j, const Info *in, int64_t before)
{
    for (int k = 0; k < in->src.len; k++) {
        const Info *from = &j->f->info[in->src.data[k].node];
        if (!inside(j, in->src.data[k].node))
            continue;
        bool cut = on_tile(in) && count(from) == before && window_source(in->node) == from->node;
        if (!cut && (count(from) == before || in->src.data[k].ratio != 1))
            return refuse(j, "read at other positions than it is computed at");
    }
    return true;
}

static bool judge_windows(Judge *j, const Node *windows)
{
    int64_t before = count(j->contract), behind = type_count(&windows->type);
    for (int i = 0; i < j->n; i++) {
        const Info *in = info_of(j, i);
        if (in->copied)
            return refuse(j, "a copy of the windows");
        if (pads_inside(j, in)) {
            if (count(&j->f->info[in->src.data[0].node]) != behind)
                return refuse(j, "padded before the windows");
        } else if (count(in) == before) {
            if (used_outside(j, in))
                return refuse(j, "what the windows are cut from is needed elsewhere too");
            for (int k = 0; k < in->src.len; k++)
                if (inside(j, in->src.data[k].node) && in->src.data[k].ratio != 1)
                    return refuse(j, "read at other positions than it is computed at");
        } else if (count(in) != behind) {
            return refuse(j, "element counts differ");
        } else if (!window_edges(j, in, before)) {
            return false;
        }
        if (on_tile(in) && (!type_same_shape(&window_source(in->node)->type, &j->contract->node->type) ||
                            !same_windows(in->node, windows)))
            return refuse(j, "windows of other sizes");
    }
    return true;
}

static bool judge_contract(Judge *j)
{
    const Node *windows = first_windows(j);
    j->verdict.kind = KERNEL_CONTRACT;
    for (int i = 0; i < j->n; i++)
        if (info_of(j, i) != j->contract && !is_elementwise(info_of(j, i)) && !on_tile(info_of(j, i)) &&
            !pads_inside(j, info_of(j, i)))
            return refuse(j, "only elementwise nodes follow a contraction");
    return windows ? judge_windows(j, windows) : one_space(j);
}

/* ---- rows ---- */

/* The space of a node of a ROWS kernel: its rows, or all elements; 0: neither. */
static int64_t row_space(const Judge *j, const Info *in)
{
    int64_t rows = j->verdict.rows, all = rows * j->verdict.cols, n = count(in);
    if (is_reduction(in))
        return rows;
    return n == rows || n == all ? n : 0;
}

static bool row_edge(Judge *j, const Info *reader, Edge edge)
{
    int64_t from = row_space(j, &j->f->info[edge.node]);
    int64_t to = is_reduction(reader) ? j->verdict.rows * j->verdict.cols : row_space(j, reader);
    int64_t wanted = from == to ? 1 : from < to ? j->verdict.cols : 0;
    return edge.ratio == wanted || refuse(j, "read across rows");
}

static bool judge_rows(Judge *j, int64_t cols)
{
    j->verdict.kind = KERNEL_ROWS;
    j->verdict.cols = cols;
    j->verdict.rows = type_count(&j->reduction->node->in[0]->type) / cols;
    for (int i = 0; i < j->n; i++) {
        const Info *in = info_of(j, i);
        bool same = is_reduction(in) ? reduced_row(in->node) == cols && count(in) == j->verdict.rows
                                     : is_elementwise(in) && row_space(j, in);
        if (!same)
            return refuse(j, is_reduction(in) ? "reductions over other axes" : "not of the rows' shape");
        for (int k = 0; k < in->src.len; k++)
            if (inside(j, in->src.data[k].node) && !row_edge(j, in, in->src.data[k]))
                return false;
    }
    return true;
}

/* ---- one pass over other axes ---- */

/* While a set is judged as a REDUCE, node->mark is IN_TAIL, or ON_WAY | reductions it feeds << 2. */
enum { IN_TAIL = 1, ON_WAY = 2 };

static bool feeds_from_reduction(const Judge *j, const Info *in)
{
    for (int k = 0; k < in->src.len; k++) {
        const Info *from = &j->f->info[in->src.data[k].node];
        if (inside(j, in->src.data[k].node) && (is_reduction(from) || from->node->mark == IN_TAIL))
            return true;
    }
    return false;
}

/* Elementwise nodes of the tail need not depend on a reduction (0.9 * running mean): a node that feeds
 * no reduction belongs to it. */
static void mark_ways_in(Judge *j)
{
    int n = 0;
    for (int i = 0; i < j->n; i++)
        info_of(j, i)->node->mark = is_reduction(info_of(j, i)) ? 4 << n++ : 0;
    for (int i = j->n - 1; i >= 0; i--) {
        const Info *in = info_of(j, i);
        for (int k = 0; !is_reduction(in) && k < in->use.len; k++) {
            const Info *user = &j->f->info[in->use.data[k].node];
            if (inside(j, user->node->id) && (is_reduction(user) || (user->node->mark & ON_WAY)))
                in->node->mark |= user->node->mark | ON_WAY;
        }
    }
}

static bool reduce_nodes(Judge *j)
{
    mark_ways_in(j);
    for (int i = 0; i < j->n; i++) {
        const Info *in = info_of(j, i);
        bool way_in = is_reduction(in) || (in->node->mark & ON_WAY);
        if (way_in && feeds_from_reduction(j, in))
            return refuse(j, "a reduction depends on another one over other axes than the last");
        if (!way_in)
            in->node->mark = IN_TAIL;
    }
    return true;
}

/* Reductions that read a value outside together, one mask each. */
static unsigned reads_together(const Judge *j, int id)
{
    unsigned mask = 0;
    const Info *from = &j->f->info[id];
    for (int k = 0; k < from->use.len; k++) {
        const Info *user = &j->f->info[from->use.data[k].node];
        if (inside(j, user->node->id) && user->node->mark != IN_TAIL)
            mask |= (unsigned)user->node->mark >> 2;
    }
    return mask;
}

/* One pass for several reductions saves something only where they read the same memory; else it would
 * keep all they read alive until the last of it is there. */
static bool share_memory(Judge *j, int64_t in_count)
{
    unsigned joined = 1, all = (1u << j->n_reduction) - 1;
    for (bool grown = true; grown && joined != all;) {
        grown = false;
        for (int i = 0; i < j->n; i++) {
            const Info *in = info_of(j, i);
            for (int k = 0; in->node->mark != IN_TAIL && k < in->src.len; k++) {
                int id = in->src.data[k].node;
                unsigned mask = inside(j, id) ? 0 : reads_together(j, id);
                if (!(mask & joined) || !(mask & ~joined) || count(&j->f->info[id]) < in_count)
                    continue;
                joined |= mask;
                grown = true;
            }
        }
    }
    return joined == all || refuse(j, "the reductions read different memory");
}

static bool judge_reduce(Judge *j)
{
    const Node *first = j->reduction->node;
    int64_t in_count = type_count(&first->in[0]->type), out_count = type_count(&first->type);
    j->verdict.kind = KERNEL_REDUCE;
    if (j->n_reduction > MAX_PASS_REDUCTIONS)
        return refuse(j, "too many reductions for one pass");
    if (in_count == out_count && j->n > 1)
        return refuse(j, "nothing is reduced");
    if (!reduce_nodes(j) || !share_memory(j, in_count))
        return false;
    for (int i = 0; i < j->n; i++) {
        const Info *in = info_of(j, i);
        if (is_reduction(in)) {
            if (!type_same_shape(&in->node->in[0]->type, &first->in[0]->type) ||
                reduced_axes(in->node) != reduced_axes(first))
                return refuse(j, "reductions over other axes");
        } else if (!is_elementwise(in)) {
            return refuse(j, "only elementwise nodes around a reduction");
        }
        bool before = (in->node->mark & ON_WAY) != 0;
        if (count(in) != (before ? in_count : out_count))
            return refuse(j, "element counts differ");
        if (before && used_outside(j, in))
            return refuse(j, "the reduced value is needed elsewhere too");
        for (int k = 0; k < in->src.len; k++)
            if (inside(j, in->src.data[k].node) && in->src.data[k].ratio != 1)
                return refuse(j, "read at other positions than it is computed at");
    }
    return true;
}

/* A single wide row, or a few, are better reduced by all threads together. */
static bool judge_reductions(Judge *j)
{
    enum { FEW_ROWS = 8, LONG_ROW = 1 << 14 };
    int64_t cols = reduced_row(j->reduction->node);
    int64_t rows = cols ? type_count(&j->reduction->node->in[0]->type) / cols : 0;
    if (cols > 1 && rows > 1 && !(rows < FEW_ROWS && cols >= LONG_ROW))
        return judge_rows(j, cols);
    if (judge_reduce(j) || cols <= 1)
        return j->verdict.refused == NULL;
    if (cols >= LONG_ROW)
        return false;
    j->verdict.refused = NULL;
    return judge_rows(j, cols);
}

/* ---- the whole ---- */

static bool within_bounds(Judge *j)
{
    int buffers = 0;
    if (j->n > MAX_KERNEL_NODES)
        return refuse(j, "the kernel would be too large");
    if (j->n_reduction > MAX_KERNEL_REDUCTIONS)
        return refuse(j, "too many reductions for one kernel");
    int outside = ++j->f->now;
    for (int i = 0; i < j->n; i++) {
        const Info *in = info_of(j, i);
        buffers += used_outside(j, in);
        for (int k = 0; k < in->src.len; k++) {
            int id = in->src.data[k].node;
            if (!inside(j, id) && j->f->stamp[id] != outside) {
                j->f->stamp[id] = outside;
                buffers++;
            }
        }
    }
    return buffers <= MAX_KERNEL_BUFFERS || refuse(j, "the kernel would touch too many buffers");
}

static void judge_count(Judge *j, const Info *in)
{
    if (in->node->op == &op_contract) {
        j->n_contract++;
        j->contract = in;
    } else if (node_opaque(in->node)) {
        j->n_opaque++;
        j->opaque = in;
    } else if (is_reduction(in)) {
        j->n_reduction++;
        j->reduction = j->reduction ? j->reduction : in;
    }
}

static void judge_set(Judge *j)
{
    for (int i = 0; i < j->n; i++)
        judge_count(j, info_of(j, i));
    if (j->n > 1 && !within_bounds(j))
        return;
    if (j->n_opaque) {
        j->verdict.kind = KERNEL_OPAQUE;
        if (j->n > 1)
            refuse(j, "an operation with a loop nest of its own");
    } else if (j->n_contract > 1) {
        refuse(j, "two contractions");
    } else if (j->n_contract && j->n_reduction) {
        refuse(j, "a contraction and a reduction have different loops");
    } else if (j->n_contract) {
        judge_contract(j);
    } else if (j->n_reduction) {
        judge_reductions(j);
    } else {
        j->verdict.kind = KERNEL_MAP;
        one_space(j);
    }
}

/* Merges two ascending lists. */
static int *merge_ids(Fuse *f, const Group *a, const Group *b, int *n)
{
    int *ids = f->merged, i = 0, k = 0;
    *n = 0;
    while (i < a->nodes.len || k < b->nodes.len) {
        bool from_a = k == b->nodes.len || (i < a->nodes.len && a->nodes.data[i] < b->nodes.data[k]);
        ids[(*n)++] = from_a ? a->nodes.data[i++] : b->nodes.data[k++];
    }
    return ids;
}

Verdict fuse_judge(Fuse *f, int a, int b)
{
    Judge j = { .f = f };
    if (a == b) {
        j.ids = f->groups[a].nodes.data;
        j.n = f->groups[a].nodes.len;
    } else {
        j.ids = merge_ids(f, &f->groups[a], &f->groups[b], &j.n);
    }
    f->seen_now++;
    for (int i = 0; i < j.n; i++)
        f->seen[j.ids[i]] = f->seen_now;
    judge_set(&j);
    return j.verdict;
}
