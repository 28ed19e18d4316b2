/* What a schedule costs on several cores. Its pieces are dealt out in runs of the flat grid, so the core with
 * most of them is the one that is waited for, and the outermost dimensions are what is cut. An operand that is
 * not cut is read by every core. Where another kernel made it, the most of it comes from other cores, and the
 * cores that write there the next time have to take the copies back; what no kernel writes comes from the last
 * cache once more. */
#include "loop/cores.h"
#include "loop/tile_pick.h"

enum { SHARED_LINE = 10 }; /* cycles of a line of the last cache */

static double longest_share(int64_t pieces, int cores)
{
    return (double)((pieces + cores - 1) / cores) / (double)pieces;
}

/* The part of operand o that one of the cores reads. */
static double part_read(const LContract *c, const LTile *t, int o, const TileDim *dim, int n)
{
    double left = c->target->cores, part = 1;
    for (int i = 0; i < n && left > 1; i++) {
        double cut = (double)dim[i].count < left ? (double)dim[i].count : left;
        int k = dim[i].index == TILE_EVERY_CHUNK ? t->split : dim[i].index;
        part /= c->operand[o].stride[k] ? cut : 1;
        left /= cut;
    }
    return part;
}

/* Cycles that a core waits for lines beyond its share. Where the epilogue reads from afar, as an update of a
 * parameter does, its lines are the most, and they belong to the cores that read the parameter forwards: cut along
 * the lanes, which is the grid's order anyway. */
static double wait_cycles(const LContract *c, const LTile *t, const TileDim *dim, int n)
{
    double sum = 0, own = 1.0 / c->target->cores;
    if (c->far_reads)
        return 0;
    for (int o = 0; o < c->n_operand; o++) {
        bool still = c->still[o] && t->pack[o] != PACK_WHOLE; /* panels are made in every call */
        double more = part_read(c, t, o, dim, n) - own;
        if (more > 0)
            sum += tile_operand_bytes(c, o) / 64 * more * (still ? SHARED_LINE : c->target->line_cycles);
    }
    return sum;
}

double tile_on_cores(const LContract *c, const LTile *t, double cycles)
{
    TileDim dim[TILE_MAX_INDEX + 1];
    int n = tile_grid(c, t, dim);
    int64_t pieces = 1;
    for (int i = 0; i < n; i++)
        pieces *= dim[i].count;
    if (c->serial || pieces < 1)
        return cycles;
    /* Code may run on machines with other numbers of cores: what is even for eight is a little better. */
    double share = longest_share(pieces, c->target->cores) + 0.1 * (longest_share(pieces, 8) - 1.0 / 8);
    double forked = cycles * share + c->target->fork_cycles + wait_cycles(c, t, dim, n);
    return forked < cycles ? forked : cycles;
}
