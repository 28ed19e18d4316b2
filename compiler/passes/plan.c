/* plan: where every stored value and every kernel's scratch memory lies in the entry's arena.
 *
 * A value lives from the kernel that computes it to the last that reads it; one whose home is an output
 * or a variable takes no arena. A result takes over the bytes of an operand that dies in its kernel when
 * the kernel reads that operand only at the position it writes (rules: passes.h); the two are then one
 * block. Blocks are placed by plan_pack.
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
    Vec(PlanBlock) blocks;
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
    return in_arena(p, n) && p->last[n->id] == k && read->space == count &&
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

static int new_block(Plan *p, int64_t bytes, int first, int last)
{
    VEC_PUSH(p->arena, &p->blocks, (PlanBlock){ aligned(bytes), first, last, 0 });
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
            int taken = take_over(p, k, n), last = p->last[n->id];
            if (taken >= 0) {
                p->blocks.data[taken].last = last; /* beyond k: no second result takes it */
                p->block[n->id] = taken;
            } else {
                p->block[n->id] = new_block(p, node_bytes(n), k, last);
            }
        }
        p->scratch[k] = kernel->scratch_bytes > 0 ? new_block(p, kernel->scratch_bytes, k, k) : -1;
    }
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
    find_last_reads(&p);
    make_blocks(&p);
    g->arena_bound = plan_bound(p.arena, p.blocks.data, p.blocks.len);
    g->arena_bytes = plan_pack(p.arena, p.blocks.data, p.blocks.len);
    write_offsets(&p);
    const char *fault = plan_check(g, ctx->arena);
    if (fault) {
        snprintf(ctx->why.text, sizeof ctx->why.text, "compiler fault in the memory plan of `%s`: %s",
                 g->name, fault);
        return false;
    }
    return true;
}
