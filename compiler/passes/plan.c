/* plan: where every stored value and every kernel's scratch memory lies in the entry's arena.
 *
 * A value lives from the kernel that computes it to the last that reads it; one whose home is an output
 * or a variable takes no arena. A result takes over the bytes of an operand that dies in its kernel when
 * the kernel reads that operand only at the position it writes (rules: passes.h); the two are then one
 * block. Blocks are placed by plan_pack.
 *
 * What the kernels of a run (KernelRun) keep to themselves is planned for one chunk, in a slab; the slabs of
 * all lanes are one block of the arena while the run lasts, and so is all that the run reads or writes
 * besides: its kernels take turns until the last chunk is done.
 *
 * Requires: kernels in execution order; scratch_bytes where already known (assembly plans again after
 * lowering). Establishes: offsets, multiples of NNR_ALIGN; arena_bytes and its lower bound. */
#include "passes/passes.h"
#include "passes/plan.h"
#include <stdio.h>

typedef struct {
    Arena *arena;
    Graph *g;
    KernelDeps *deps;
    int *last;  /* by node id: position of the last kernel that reads it */
    int *block; /* by node id; -1 */
    int *run;   /* by kernel: the run that it is in, or -1 */
    Vec(PlanBlock) blocks;
    Vec(int) slab; /* by block: the run in whose slab it lies, or -1 */
    int *scratch; /* by kernel: block, or -1 */
} Plan;

static int64_t aligned(int64_t bytes)
{
    return (bytes + NNR_ALIGN - 1) / NNR_ALIGN * NNR_ALIGN;
}

static int64_t node_bytes(const Node *n)
{
    return type_count(&n->type) * dtype_bytes(n->type.dtype);
}

static bool in_arena(const Plan *p, const Node *n)
{
    return n->kernel && !p->deps->home[n->id];
}

static void find_runs(Plan *p)
{
    p->run = ARENA_ARRAY(p->arena, int, p->deps->n + 1);
    for (int k = 0; k < p->deps->n; k++)
        p->run[k] = graph_run_of(p->g, k);
}

static int64_t chunks_of(const Plan *p, int run) { return p->g->batch / p->g->runs.data[run].samples; }

static void find_last_reads(Plan *p)
{
    for (int k = 0; k < p->deps->n; k++) {
        const Kernel *kernel = p->g->kernels.data[k];
        for (int i = 0; i < kernel->results.len; i++)
            p->last[kernel->results.data[i]->id] = k;
    }
    for (int k = 0; k < p->deps->n; k++)
        for (int i = 0; i < p->deps->reads[k].len; i++)
            p->last[p->deps->reads[k].data[i].node->id] = k;
}

/* ---- in place ---- */

static bool can_take_over(const Plan *p, int k, const KernelRead *read, const Node *result)
{
    const Node *n = read->node;
    int64_t count = type_count(&result->type);
    /* In a run another kernel may still need another chunk of what lies in the arena. */
    bool same_place = p->run[k] == p->deps->run[n->id] && p->run[k] == p->deps->run[result->id];
    return in_arena(p, n) && same_place && p->last[n->id] == k && read->space == count &&
           type_count(&n->type) == count && node_bytes(n) == node_bytes(result) &&
           p->blocks.data[p->block[n->id]].last == k;
}

/* The block of a dying operand for a result of kernel k, or -1. Kinds with several passes over their
 * result (REDUCE) or loops of their own (OPAQUE) take over nothing. */
static int take_over(const Plan *p, int k, const Node *result)
{
    const KernelReads *reads = &p->deps->reads[k];
    int kind = p->g->kernels.data[k]->kind;
    if (kind == KERNEL_REDUCE || kind == KERNEL_OPAQUE || kind == KERNEL_CHAIN || p->last[result->id] == k)
        return -1;
    for (int i = 0; i < reads->len; i++)
        if (can_take_over(p, k, &reads->data[i], result))
            return p->block[reads->data[i].node->id];
    return -1;
}

/* ---- blocks ---- */

/* In the arena a run is one moment. */
static int start_of(const Plan *p, int k) { return p->run[k] < 0 ? k : p->g->runs.data[p->run[k]].first; }
static int end_of(const Plan *p, int k) { return p->run[k] < 0 ? k : p->g->runs.data[p->run[k]].last; }

static int new_block(Plan *p, int slab, int64_t bytes, int first, int last)
{
    if (slab < 0) {
        first = start_of(p, first);
        last = end_of(p, last);
    }
    VEC_PUSH(p->arena, &p->blocks, (PlanBlock){ aligned(bytes), first, last, 0 });
    VEC_PUSH(p->arena, &p->slab, slab);
    return p->blocks.len - 1;
}

static void make_blocks(Plan *p)
{
    for (int k = 0; k < p->deps->n; k++) {
        Kernel *kernel = p->g->kernels.data[k];
        for (int i = 0; i < kernel->results.len; i++) {
            const Node *n = kernel->results.data[i];
            if (!in_arena(p, n))
                continue;
            int taken = take_over(p, k, n), last = p->last[n->id], slab = p->deps->run[n->id];
            if (taken >= 0) {
                /* beyond k: no second result takes it */
                p->blocks.data[taken].last = slab < 0 ? end_of(p, last) : last;
                p->block[n->id] = taken;
            } else {
                p->block[n->id] = new_block(p, slab, node_bytes(n) / (slab < 0 ? 1 : chunks_of(p, slab)), k, last);
            }
        }
        p->scratch[k] = kernel->scratch_bytes > 0 ? new_block(p, p->run[k], kernel->scratch_bytes, k, k) : -1;
    }
}

/* Places the blocks of a slab (-1: the arena); returns the bytes needed, in *bound their lower bound. */
static int64_t pack(Plan *p, int slab, int64_t *bound)
{
    PlanBlock *blocks = ARENA_ARRAY(p->arena, PlanBlock, p->blocks.len + 1);
    int *number = ARENA_ARRAY(p->arena, int, p->blocks.len + 1), n = 0;
    for (int i = 0; i < p->blocks.len; i++)
        if (p->slab.data[i] == slab) {
            number[n] = i;
            blocks[n++] = p->blocks.data[i];
        }
    *bound = plan_bound(p->arena, blocks, n);
    int64_t bytes = plan_pack(p->arena, blocks, n);
    for (int i = 0; i < n; i++)
        p->blocks.data[number[i]].offset = blocks[i].offset;
    return bytes;
}

static void pack_all(Plan *p)
{
    int64_t bound;
    int *lanes = ARENA_ARRAY(p->arena, int, p->g->runs.len + 1);
    for (int r = 0; r < p->g->runs.len; r++) {
        KernelRun *run = &p->g->runs.data[r];
        run->slab_bytes = pack(p, r, &bound);
        lanes[r] = run->slab_bytes ? new_block(p, -1, run->slab_bytes * run->lanes, run->first, run->last) : -1;
    }
    p->g->arena_bytes = pack(p, -1, &p->g->arena_bound);
    for (int r = 0; r < p->g->runs.len; r++)
        p->g->runs.data[r].slab_offset = lanes[r] < 0 ? 0 : p->blocks.data[lanes[r]].offset;
}

static void write_offsets(Plan *p)
{
    for (int k = 0; k < p->deps->n; k++) {
        Kernel *kernel = p->g->kernels.data[k];
        for (int i = 0; i < kernel->results.len; i++) {
            Node *n = kernel->results.data[i];
            n->offset = p->block[n->id] >= 0 ? p->blocks.data[p->block[n->id]].offset : -1;
        }
        kernel->scratch_offset = p->scratch[k] >= 0 ? p->blocks.data[p->scratch[k]].offset : 0;
    }
}

bool pass_plan(PassCtx *ctx, Graph *g)
{
    Plan p = { .arena = ctx->arena, .g = g, .deps = kernel_deps(ctx->arena, g) };
    p.last = ARENA_ARRAY(p.arena, int, g->nodes.len + 1);
    p.block = ARENA_ARRAY(p.arena, int, g->nodes.len + 1);
    p.scratch = ARENA_ARRAY(p.arena, int, g->kernels.len + 1);
    for (int i = 0; i < g->nodes.len; i++)
        p.block[i] = -1;
    find_runs(&p);
    find_last_reads(&p);
    make_blocks(&p);
    pack_all(&p);
    write_offsets(&p);
    const char *fault = plan_check(g, ctx->arena);
    if (fault) {
        snprintf(ctx->why.text, sizeof ctx->why.text, "compiler fault in the memory plan of `%s`: %s",
                 g->name, fault);
        return false;
    }
    return true;
}
