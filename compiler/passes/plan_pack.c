/* Placing blocks with lifetimes in one arena: a portfolio of greedy planners. Placing optimally is
 * NP-hard (dynamic storage allocation); these come within a few percent of the bound on networks. */
#include "passes/plan.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 24 };

int64_t plan_bound(Arena *arena, const PlanBlock *blocks, int n)
{
    int last = -1;
    for (int i = 0; i < n; i++)
        last = blocks[i].last > last ? blocks[i].last : last;
    int64_t *change = ARENA_ARRAY(arena, int64_t, last + 2), live = 0, bound = 0;
    for (int i = 0; i < n; i++) {
        change[blocks[i].first] += blocks[i].bytes;
        change[blocks[i].last + 1] -= blocks[i].bytes;
    }
    for (int t = 0; t <= last; t++) {
        live += change[t];
        bound = live > bound ? live : bound;
    }
    return bound;
}

/* ---- placing in a given order ---- */

typedef struct {
    PlanBlock *blocks;
    int n;
    int *placed; /* block numbers by offset */
    int n_placed;
} Packer;

static bool meet(const PlanBlock *a, const PlanBlock *b)
{
    return a->first <= b->last && b->first <= a->last;
}

static void insert_placed(Packer *p, int block)
{
    int at = p->n_placed++;
    while (at > 0 && p->blocks[p->placed[at - 1]].offset > p->blocks[block].offset) {
        p->placed[at] = p->placed[at - 1];
        at--;
    }
    p->placed[at] = block;
}

/* The lowest gap among blocks alive at the same time that fits, or the tightest one. */
static void place(Packer *p, int number, bool tightest)
{
    PlanBlock *block = &p->blocks[number];
    int64_t end = 0, best = -1, best_gap = 0;
    for (int i = 0; i < p->n_placed; i++) {
        const PlanBlock *other = &p->blocks[p->placed[i]];
        if (!meet(block, other))
            continue;
        int64_t gap = other->offset - end;
        if (gap >= block->bytes && (best < 0 || gap < best_gap)) {
            best = end;
            best_gap = gap;
            if (!tightest)
                break;
        }
        if (other->offset + other->bytes > end)
            end = other->offset + other->bytes;
    }
    block->offset = best >= 0 ? best : end;
    insert_placed(p, number);
}

static int64_t pack_order(Packer *p, const int *order, bool tightest)
{
    int64_t top = 0;
    p->n_placed = 0;
    for (int i = 0; i < p->n; i++) {
        place(p, order[i], tightest);
        const PlanBlock *b = &p->blocks[order[i]];
        if (b->offset + b->bytes > top)
            top = b->offset + b->bytes;
    }
    return top;
}

/* ---- orders ---- */

typedef enum { BY_SIZE, BY_AREA, BY_LIFETIME, BY_POSITION, BY_BREADTH, N_ORDERS } OrderKind;

typedef struct {
    double key;
    int64_t bytes;
    int first, number;
} SortKey;

/* Descending key, then larger, then earlier: a total order, so that plans do not depend on qsort. */
static int compare(const void *x, const void *y)
{
    const SortKey *a = x, *b = y;
    if (a->key != b->key)
        return a->key > b->key ? -1 : 1;
    if (a->bytes != b->bytes)
        return a->bytes > b->bytes ? -1 : 1;
    if (a->first != b->first)
        return a->first < b->first ? -1 : 1;
    return a->number - b->number;
}

/* Bytes alive at the busiest time of a block's life. */
static int64_t *breadths(Arena *arena, const PlanBlock *blocks, int n)
{
    int last = 0;
    for (int i = 0; i < n; i++)
        last = blocks[i].last > last ? blocks[i].last : last;
    int64_t *live = ARENA_ARRAY(arena, int64_t, last + 1), *breadth = ARENA_ARRAY(arena, int64_t, n + 1);
    for (int i = 0; i < n; i++)
        for (int t = blocks[i].first; t <= blocks[i].last; t++)
            live[t] += blocks[i].bytes;
    for (int i = 0; i < n; i++)
        for (int t = blocks[i].first; t <= blocks[i].last; t++)
            breadth[i] = live[t] > breadth[i] ? live[t] : breadth[i];
    return breadth;
}

static void make_order(Arena *arena, const PlanBlock *blocks, int n, OrderKind kind, int *order)
{
    SortKey *keys = ARENA_ARRAY(arena, SortKey, n + 1);
    int64_t *breadth = kind == BY_BREADTH ? breadths(arena, blocks, n) : NULL;
    for (int i = 0; i < n; i++) {
        const PlanBlock *b = &blocks[i];
        double length = (double)(b->last - b->first + 1), bytes = (double)b->bytes;
        double key = kind == BY_SIZE       ? bytes
                     : kind == BY_AREA     ? bytes * length
                     : kind == BY_LIFETIME ? length
                     : kind == BY_POSITION ? -(double)b->first
                                           : (double)breadth[i];
        keys[i] = (SortKey){ key, b->bytes, b->first, i };
    }
    qsort(keys, (size_t)n, sizeof *keys, compare);
    for (int i = 0; i < n; i++)
        order[i] = keys[i].number;
}

/* Blocks that end at the top go first, so that the next round finds them lower places. */
static bool raise_top(const PlanBlock *blocks, int n, int64_t top, int *order, int *scratch)
{
    int raised = 0;
    for (int i = 0; i < n; i++)
        if (blocks[order[i]].offset + blocks[order[i]].bytes == top)
            scratch[raised++] = order[i];
    int at = raised;
    bool changed = false;
    for (int i = 0; i < n; i++)
        if (blocks[order[i]].offset + blocks[order[i]].bytes != top)
            scratch[at++] = order[i];
    for (int i = 0; i < n; i++)
        changed |= order[i] != scratch[i];
    memcpy(order, scratch, (size_t)n * sizeof *order);
    return changed;
}

typedef struct {
    int64_t top, *offset;
} Best;

static void keep_best(const PlanBlock *blocks, int n, int64_t top, Best *best)
{
    if (best->top >= 0 && top >= best->top)
        return;
    best->top = top;
    for (int i = 0; i < n; i++)
        best->offset[i] = blocks[i].offset;
}

int64_t plan_pack(Arena *arena, PlanBlock *blocks, int n)
{
    int64_t bound = plan_bound(arena, blocks, n);
    Packer p = { blocks, n, ARENA_ARRAY(arena, int, n + 1), 0 };
    Best best = { -1, ARENA_ARRAY(arena, int64_t, n + 1) };
    int *order = ARENA_ARRAY(arena, int, n + 1), *scratch = ARENA_ARRAY(arena, int, n + 1);
    for (int kind = 0; kind < N_ORDERS && best.top != bound; kind++) {
        for (int tightest = 0; tightest < 2 && best.top != bound; tightest++) {
            make_order(arena, blocks, n, (OrderKind)kind, order);
            for (int round = 0; round < ROUNDS && best.top != bound; round++) {
                int64_t top = pack_order(&p, order, tightest);
                keep_best(blocks, n, top, &best);
                if (!raise_top(blocks, n, top, order, scratch))
                    break;
            }
        }
    }
    for (int i = 0; i < n; i++)
        blocks[i].offset = best.offset[i];
    return n ? best.top : 0;
}
