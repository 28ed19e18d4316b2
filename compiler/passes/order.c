/* order: puts kernels into the order that keeps the fewest bytes alive.
 *
 * List scheduling over the kernels' dependences with three candidates: the present order, forward
 * (always run the ready kernel after which least is alive) and backward (the same from the end). The one
 * with the lowest peak wins; the present order on a tie, since it is the order a reader expects.
 * Finding the best order is NP-hard (Sethi 1975).
 *
 * Requires: kernels (fuse). Establishes: dependences kept, ids in order. */
#include "passes/passes.h"
#include <string.h>

typedef struct {
    const Graph *g;
    KernelDeps *deps;
    int64_t *bytes; /* by node id: what a stored node takes of the arena */
    int *readers;   /* by node id: kernels that read it */
    int *left;      /* by node id: readers not yet scheduled */
    int *waiting;   /* by kernel */
    int n;
} Order;

static int64_t arena_size(const Order *o, const Node *n)
{
    if (!n->kernel || o->deps->home[n->id])
        return 0;
    return (type_count(&n->type) * dtype_bytes(n->type.dtype) + NNR_ALIGN - 1) / NNR_ALIGN * NNR_ALIGN;
}

static void order_init(Order *o, Arena *arena, Graph *g)
{
    *o = (Order){ .g = g, .deps = kernel_deps(arena, g), .n = g->kernels.len };
    o->bytes = ARENA_ARRAY(arena, int64_t, g->nodes.len + 1);
    o->readers = ARENA_ARRAY(arena, int, g->nodes.len + 1);
    o->left = ARENA_ARRAY(arena, int, g->nodes.len + 1);
    o->waiting = ARENA_ARRAY(arena, int, o->n + 1);
    for (int k = 0; k < o->n; k++) {
        const Kernel *kernel = g->kernels.data[k];
        for (int i = 0; i < kernel->results.len; i++)
            o->bytes[kernel->results.data[i]->id] = arena_size(o, kernel->results.data[i]);
        for (int i = 0; i < o->deps->reads[k].len; i++)
            o->readers[o->deps->reads[k].data[i].node->id]++;
    }
}

static int64_t result_bytes(const Order *o, int k)
{
    const NodeVec *results = &o->g->kernels.data[k]->results;
    int64_t sum = 0;
    for (int i = 0; i < results->len; i++)
        sum += o->bytes[results->data[i]->id];
    return sum;
}

/* ---- evaluation ---- */

/* Peak of an order, in *sum the bytes alive summed over kernels (the tie-breaker between schedules). */
static int64_t order_peak(Order *o, const int *order, double *sum)
{
    int64_t live = 0, peak = 0;
    *sum = 0;
    memcpy(o->left, o->readers, (size_t)o->g->nodes.len * sizeof *o->left);
    for (int i = 0; i < o->n; i++) {
        int k = order[i];
        live += result_bytes(o, k);
        peak = live > peak ? live : peak;
        *sum += (double)live;
        const KernelReads *reads = &o->deps->reads[k];
        for (int r = 0; r < reads->len; r++)
            if (!--o->left[reads->data[r].node->id])
                live -= o->bytes[reads->data[r].node->id];
    }
    return peak;
}

/* ---- schedules ---- */

/* Bytes alive more after kernel k than before it, run forward. */
static int64_t forward_growth(const Order *o, int k)
{
    int64_t growth = result_bytes(o, k);
    const KernelReads *reads = &o->deps->reads[k];
    for (int i = 0; i < reads->len; i++)
        if (o->left[reads->data[i].node->id] == 1)
            growth -= o->bytes[reads->data[i].node->id];
    return growth;
}

/* The same from the end: what k reads comes alive, what it computes is no longer. */
static int64_t backward_growth(const Order *o, int k)
{
    int64_t growth = -result_bytes(o, k);
    const KernelReads *reads = &o->deps->reads[k];
    for (int i = 0; i < reads->len; i++) {
        int id = reads->data[i].node->id;
        if (o->left[id] == o->readers[id])
            growth += o->bytes[id];
    }
    return growth;
}

static void schedule(Order *o, bool forward, int *order)
{
    const KernelIds *before = forward ? o->deps->before : o->deps->after;
    const KernelIds *after = forward ? o->deps->after : o->deps->before;
    memcpy(o->left, o->readers, (size_t)o->g->nodes.len * sizeof *o->left);
    for (int k = 0; k < o->n; k++)
        o->waiting[k] = before[k].len;
    for (int at = 0; at < o->n; at++) {
        int best = -1;
        int64_t best_growth = 0;
        for (int i = 0; i < o->n; i++) {
            int k = forward ? i : o->n - 1 - i;
            if (o->waiting[k])
                continue;
            int64_t growth = forward ? forward_growth(o, k) : backward_growth(o, k);
            if (best < 0 || growth < best_growth) {
                best = k;
                best_growth = growth;
            }
        }
        order[forward ? at : o->n - 1 - at] = best;
        o->waiting[best] = -1;
        for (int i = 0; i < o->deps->reads[best].len; i++)
            o->left[o->deps->reads[best].data[i].node->id]--;
        for (int i = 0; i < after[best].len; i++)
            o->waiting[after[best].data[i]]--;
    }
}

static void apply(Graph *g, const int *order, int n)
{
    KernelVec sorted = { 0 };
    for (int i = 0; i < n; i++)
        VEC_PUSH(g->arena, &sorted, g->kernels.data[order[i]]);
    for (int i = 0; i < n; i++)
        sorted.data[i]->id = i;
    g->kernels = sorted;
}

bool pass_order(PassCtx *ctx, Graph *g)
{
    Order o;
    int n = g->kernels.len;
    if (!n)
        return true;
    order_init(&o, ctx->arena, g);
    int *best = ARENA_ARRAY(ctx->arena, int, n);
    for (int k = 0; k < n; k++)
        best[k] = k;
    double best_sum, sum;
    int64_t best_peak = order_peak(&o, best, &best_sum);
    bool changed = false;
    for (int forward = 0; forward < 2; forward++) {
        int *order = ARENA_ARRAY(ctx->arena, int, n);
        schedule(&o, forward, order);
        int64_t peak = order_peak(&o, order, &sum);
        if (peak < best_peak || (changed && peak == best_peak && sum < best_sum)) {
            best = order;
            best_peak = peak;
            best_sum = sum;
            changed = true;
        }
    }
    if (changed)
        apply(g, best, n);
    return true;
}
