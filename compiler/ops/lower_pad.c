/* Padding written by whoever makes what is padded: its values go straight to their places in the padded
 * buffer, and the frame around them is filled by loops of its own, before. */
#include "ops/lower_parts.h"
#include "ops/rules.h"

const Node *kernel_windows(const Kernel *k)
{
    for (int i = 0; k->kind == KERNEL_CONTRACT && i < k->nodes.len; i++)
        if (window_on_tile(k->nodes.data[i]))
            return k->nodes.data[i];
    return NULL;
}

static bool without_gaps(const Node *pad)
{
    for (int d = 0; d < pad->type.rank; d++)
        if (pad->attr[0].ints.v[d] < 0 || pad->attr[1].ints.v[d] < 0 || pad->attr[2].ints.v[d])
            return false;
    return true;
}

/* The node whose positions a kernel walks: the windows of its contraction, that itself, its first result that
 * pads nothing, or, where there is none, what its pad pads: over the padded space it would meet the frame's edges
 * everywhere. */
static const Node *walked(const Kernel *k)
{
    const Node *windows = kernel_windows(k);
    if (windows)
        return windows;
    for (int i = 0; i < k->nodes.len; i++)
        if (k->nodes.data[i]->op == &op_contract)
            return k->nodes.data[i];
    for (int i = 0; i < k->results.len; i++)
        if (k->results.data[i]->op != &op_pad)
            return k->results.data[i];
    const Node *pad = k->results.data[0];
    return pad->op == &op_pad && without_gaps(pad) ? pad->in[0] : pad;
}

bool kernel_pads_in_place(const Kernel *k, const Node *result)
{
    bool walks = k->kind == KERNEL_CONTRACT || k->kind == KERNEL_MAP;
    return walks && result->op == &op_pad && type_count(&walked(k)->type) != type_count(&result->type);
}

const Type *lower_map_space(const Kernel *k) { return &walked(k)->type; }

LExpr *lower_padded_at(Lower *lw, const Node *pad, LExpr *const *index)
{
    LFunc *f = lw->func;
    LExpr *at[MAX_RANK];
    for (int d = 0; d < pad->type.rank; d++)
        at[d] = lx_add(f, index[d], lx_i64(f, pad->attr[0].ints.v[d]));
    return lower_offset(lw, pad, at);
}

/* for VAR in [0, count), or nothing around when there is one turn */
static LExpr *turns(Lower *lw, const char *name, int64_t count)
{
    LFunc *f = lw->func;
    if (count == 1)
        return lx_i64(f, 0);
    LStmt *loop = lb_for(f, lw->at, name, lx_i64(f, 0), lx_i64(f, count), 1, LF_SERIAL);
    lw->at = &loop->body;
    return lx_var(f, loop->var);
}

/* Both ends of axis d, at every position inside the axes before it and everything behind. */
static void fill(Lower *lw, const Node *pad, LBuf *buf, int d)
{
    LFunc *f = lw->func;
    LBlock *top = lw->at;
    int64_t stride[MAX_RANK + 1], low = pad->attr[0].ints.v[d], high = pad->attr[1].ints.v[d];
    stride[pad->type.rank] = 1;
    for (int i = pad->type.rank; i > 0; i--)
        stride[i - 1] = stride[i] * pad->type.dim[i - 1];
    const int64_t *behind = stride + 1, *count = pad->in[0]->type.dim;
    if (!low && !high)
        return;
    LExpr *at = lx_i64(f, 0), *turn[MAX_RANK], *none[MAX_RANK];
    bool forks = d > 0 && lower_may_fork(lw, shape_span(&pad->in[0]->type, 0, d) * (low + high) * behind[d]);
    if (forks)
        lower_deal(lw, "f", count, d, turn);
    for (int i = 0; i < d; i++) {
        turn[i] = forks ? turn[i] : turns(lw, "f", count[i]);
        at = lx_add(f, at, lx_mul(f, lx_add(f, turn[i], lx_i64(f, pad->attr[0].ints.v[i])), lx_i64(f, behind[i])));
    }
    for (int i = 0; i < MAX_RANK; i++)
        none[i] = lx_i64(f, 0);
    LBlock *row = lw->at;
    int64_t begin[2] = { 0, (pad->type.dim[d] - high) * behind[d] }, size[2] = { low * behind[d], high * behind[d] };
    for (int end = 0; end < 2; end++) {
        if (!size[end])
            continue;
        lw->at = row;
        LExpr *to = lx_add(f, lx_add(f, at, lx_i64(f, begin[end])), turns(lw, "e", size[end]));
        lb_store(f, lw->at, buf, to, lower_value(lw, pad->in[1], none), NULL);
    }
    lw->at = top;
}

void lower_frames(Lower *lw)
{
    const NodeVec *results = &lw->kernel->results;
    for (int i = 0; i < results->len; i++) {
        const Node *pad = results->data[i];
        if (!kernel_pads_in_place(lw->kernel, pad))
            continue;
        LBuf *buf = lower_buffer(lw, pad, true);
        for (int d = 0; d < pad->type.rank; d++)
            fill(lw, pad, buf, d);
    }
}
