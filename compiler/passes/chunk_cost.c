/* What kernels cost as they stand and as runs, in cycles of one core for the whole batch: the scheduler's
 * estimate of every contraction for the whole batch and for a chunk, and the lines of memory that come and go
 * between kernels. How far away a value lies when it is read follows from how many bytes the kernels touched
 * since it was written; a run of chunks keeps them near, but reads its weights again for every chunk. What is
 * the same either way (element work, attention's chains) is left out. The numbers were measured; only the order
 * they give matters. */
#include "loop/cores.h"
#include "ops/contract.h"
#include "ops/ops.h"
#include "passes/chunks.h"

#include <math.h>

/* Cycles of a line of 64 bytes by where it lies, beyond what the scheduler's estimate holds: second and third
 * level, memory. A line written has to be read first, and is written back. */
enum { LEVELS = 3 };
static const double READ_LINE[LEVELS] = { 0, 3, 12 }, WRITE_LINE[LEVELS] = { 1, 5, 20 },
                    READ_WEIGHTS[LEVELS] = { 0, 1.5, 10 };
/* What cores that share each kernel lose to cores that work apart: at its end they wait for one another, and of
 * what the next one reads, others wrote the most. */
static const double SHARING = 1.05;

enum { MAX_SIZES = 8 };

typedef struct {
    double weights;  /* bytes of variables and of what does not depend on the batch */
    double touched;  /* bytes of values that do, for the whole batch */
    double whole;    /* cycles of the arithmetic */
    double chunk[MAX_SIZES]; /* the same of all chunks, by size; NAN: not estimated */
    bool possible;   /* in chunks */
    int reads_whole; /* the last kernel before it of which it needs all of a result, or -1 */
} KernelCost;

typedef struct {
    int made, used; /* kernels: the one that stores it (-1: an input), the last that reads it */
    double bytes;
    bool rooted;
} Value;

/* The run that chunk_cost_run extended last. */
typedef struct {
    int first, last;
    int64_t samples;
    double cycles, weights;
} Growing;

struct ChunkCosts {
    Arena *arena;
    const Graph *g;
    const KernelDeps *deps;
    const LTarget *target, *one_core;
    bool prepared; /* what kernels pack of variables lies ready */
    int64_t samples[MAX_SIZES];
    int n_sizes;
    KernelCost *kernel;
    Value *value; /* by node id */
    double *sum_touched, *sum_weights; /* of kernels 0 .. k - 1 */
    Growing growing;
};

static double bytes_of(const Node *n) { return (double)type_count(&n->type) * dtype_bytes(n->type.dtype); }

/* ---- arithmetic ---- */

static double contract_cycles(ChunkCosts *c, const Node *n, const LTarget *target)
{
    LContract lc = { .target = target, .func = lfunc_new(c->arena, "estimate") };
    const Type *in[2] = { &n->in[0]->type, &n->in[n->n_in - 1]->type };
    contract_describe(n->attr[0].contract, in, &lc);
    const bool variable[2] = { c->prepared && n->in[0]->op == &op_var, c->prepared && n->in[n->n_in - 1]->op == &op_var };
    for (int o = 0; o < lc.n_operand; o++)
        lc.fixed[o] = variable[o] && !variable[1 - o];
    LContract joined = loop_contract_join(&lc);
    return loop_contract_pick(&joined).cost;
}

static double kernel_cycles(ChunkCosts *c, const Kernel *k, const LTarget *target)
{
    double sum = 0;
    for (int i = 0; k->kind == KERNEL_CONTRACT && i < k->nodes.len; i++)
        if (k->nodes.data[i]->op == &op_contract)
            sum += contract_cycles(c, k->nodes.data[i], target);
    return sum;
}

/* ---- what a kernel reads ---- */

static bool is_part(const Node *whole, const Node *part) { return type_count(&whole->type) != type_count(&part->type); }

/* Tells the inputs of k's body apart: parts of the batch, and what every chunk reads all of. */
static void look_at_inputs(ChunkCosts *c, int k, const KernelRun *run)
{
    KernelCost *cost = &c->kernel[k];
    for (int i = 0; i < run->body->nodes.len; i++) {
        const Node *n = run->body->nodes.data[i], *origin = run->origin[i];
        if (n->op == &op_var || (n->op == &op_input && !is_part(origin, n)))
            cost->weights += bytes_of(origin);
        if (n->op == &op_input && !is_part(origin, n) && origin->kernel && origin->kernel->id > cost->reads_whole)
            cost->reads_whole = origin->kernel->id;
    }
}

static void look_at_kernel(ChunkCosts *c, int k)
{
    KernelCost *cost = &c->kernel[k];
    cost->reads_whole = -1;
    cost->possible = true;
    cost->whole = NAN;
    for (int s = 0; s < MAX_SIZES; s++)
        cost->chunk[s] = NAN;
    KernelRun run = { .first = k, .last = k, .samples = c->samples[0], .lanes = 1 };
    cost->possible = c->n_sizes && !chunk_body(c->arena, c->g, c->deps, &run);
    if (cost->possible)
        look_at_inputs(c, k, &run);
    for (int i = 0; i < c->deps->reads[k].len; i++) {
        const Node *n = c->deps->reads[k].data[i].node;
        if (n->op != &op_var)
            cost->touched += bytes_of(n);
        c->value[n->id].used = k;
    }
    const NodeVec *results = &c->g->kernels.data[k]->results;
    for (int i = 0; i < results->len; i++) {
        const Node *n = results->data[i];
        cost->touched += bytes_of(n);
        c->value[n->id] = (Value){ .made = k, .used = k, .bytes = bytes_of(n), .rooted = c->deps->home[n->id] != NULL };
    }
}

ChunkCosts *chunk_costs(Arena *arena, const Graph *g, const KernelDeps *deps, const LTarget *target, bool prepared)
{
    ChunkCosts *c = ARENA_NEW(arena, ChunkCosts);
    LTarget *one = ARENA_NEW(arena, LTarget);
    *one = *target;
    one->cores = 1;
    *c = (ChunkCosts){ .arena = arena, .g = g, .deps = deps, .target = target, .one_core = one,
                       .prepared = prepared, .growing = { .first = -1 } };
    for (int64_t s = 1; s <= g->batch / 2 && c->n_sizes < MAX_SIZES; s++)
        if (g->batch % s == 0)
            c->samples[c->n_sizes++] = s;
    c->kernel = ARENA_ARRAY(arena, KernelCost, deps->n + 1);
    c->value = ARENA_ARRAY(arena, Value, g->nodes.len + 1);
    c->sum_touched = ARENA_ARRAY(arena, double, deps->n + 1);
    c->sum_weights = ARENA_ARRAY(arena, double, deps->n + 1);
    for (int i = 0; i < g->nodes.len; i++)
        c->value[i] = (Value){ .made = -1, .bytes = bytes_of(g->nodes.data[i]) };
    for (int k = 0; k < deps->n; k++) {
        look_at_kernel(c, k);
        c->sum_touched[k + 1] = c->sum_touched[k] + c->kernel[k].touched;
        c->sum_weights[k + 1] = c->sum_weights[k] + c->kernel[k].weights;
    }
    return c;
}

int chunk_sizes(const ChunkCosts *c, const int64_t **samples)
{
    *samples = c->samples;
    return c->n_sizes;
}

/* ---- memory ---- */

/* Where a line lies when so many bytes were touched since. The last level is shared by the cores. */
static int level_at(const ChunkCosts *c, double distance)
{
    return distance <= 0.75 * (double)c->target->l2 ? 0 : distance <= 0.5 * (double)c->target->l3 ? 1 : 2;
}

/* Bytes touched by kernels from .. to for a share of the batch. */
static double distance(const ChunkCosts *c, int from, int to, double share)
{
    from = from < 0 ? 0 : from;
    return (c->sum_touched[to + 1] - c->sum_touched[from]) * share + c->sum_weights[to + 1] - c->sum_weights[from];
}

static double write_cycles(const ChunkCosts *c, const Value *v, double share)
{
    return v->bytes / 64 * WRITE_LINE[level_at(c, distance(c, v->made, v->used, share))];
}

static double read_cycles(const ChunkCosts *c, const Value *v, int reader, double share)
{
    return v->bytes / 64 * READ_LINE[v->made < 0 ? LEVELS - 1 : level_at(c, distance(c, v->made, reader, share))];
}

static bool in_batch(const ChunkCosts *c, const Node *n) { return n->op != &op_var && c->value[n->id].bytes > 0; }

/* ---- kernels and runs ---- */

double chunk_cost_whole(ChunkCosts *c, int k)
{
    KernelCost *cost = &c->kernel[k];
    double all = distance(c, 0, c->deps->n - 1, 1), sum = 0;
    if (isnan(cost->whole))
        cost->whole = kernel_cycles(c, c->g->kernels.data[k], c->target);
    for (int i = 0; i < c->deps->reads[k].len; i++) {
        const Node *n = c->deps->reads[k].data[i].node;
        if (in_batch(c, n))
            sum += read_cycles(c, &c->value[n->id], k, 1);
    }
    const NodeVec *results = &c->g->kernels.data[k]->results;
    for (int i = 0; i < results->len; i++)
        sum += write_cycles(c, &c->value[results->data[i]->id], 1);
    sum += cost->whole + cost->weights / 64 * READ_WEIGHTS[level_at(c, all)];
    return cores_may_fork(c->target, sum) ? SHARING * sum + c->target->fork_cycles : sum;
}

bool chunk_possible(ChunkCosts *c, int first, int last)
{
    for (int k = first; k <= last; k++)
        if (!c->kernel[k].possible || c->kernel[k].reads_whole >= first)
            return false;
    return true;
}

static double chunk_cycles(ChunkCosts *c, int k, int64_t samples)
{
    int s = 0;
    while (c->samples[s] != samples)
        s++;
    double *cycles = &c->kernel[k].chunk[s];
    if (isnan(*cycles)) {
        KernelRun run = { .first = k, .last = k, .samples = samples, .lanes = 1 };
        chunk_body(c->arena, c->g, c->deps, &run);
        *cycles = kernel_cycles(c, run.body->kernels.data[0], c->one_core) * (double)(c->g->batch / samples);
    }
    return *cycles;
}

/* A value read in the run that makes it comes from near; once nothing behind the run reads it, it was never
 * written far away either. */
static void add_kernel(ChunkCosts *c, Growing *w, int k)
{
    double share = (double)w->samples / (double)c->g->batch;
    w->cycles += chunk_cycles(c, k, w->samples);
    w->weights += c->kernel[k].weights;
    for (int i = 0; i < c->deps->reads[k].len; i++) {
        const Node *n = c->deps->reads[k].data[i].node;
        const Value *v = &c->value[n->id];
        if (!in_batch(c, n))
            continue;
        bool inside = v->made >= w->first;
        w->cycles += read_cycles(c, v, k, inside ? share : 1);
        if (inside && v->used == k && !v->rooted)
            w->cycles += write_cycles(c, v, share) - write_cycles(c, v, 1);
    }
    const NodeVec *results = &c->g->kernels.data[k]->results;
    for (int i = 0; i < results->len; i++)
        w->cycles += write_cycles(c, &c->value[results->data[i]->id], 1);
    w->last = k;
}

double chunk_cost_run(ChunkCosts *c, int first, int last, int64_t samples)
{
    Growing *w = &c->growing;
    if (w->first != first || w->samples != samples || w->last > last)
        *w = (Growing){ .first = first, .last = first - 1, .samples = samples };
    while (w->last < last)
        add_kernel(c, w, w->last + 1);
    double chunks = (double)(c->g->batch / samples), share = 1 / chunks;
    int from = level_at(c, distance(c, first, last, share));
    double sum = w->cycles + w->weights / 64 * READ_WEIGHTS[from] * chunks;
    /* Cores share the chunks evenly, or wait for one another: as the scheduler has it for tiles. */
    double two = ceil(chunks / 2) * 2 / chunks, eight = ceil(chunks / 8) * 8 / chunks;
    return sum * (1 + 0.5 * (two - 1) + 0.1 * (eight - 1)) + c->target->fork_cycles;
}
