/* Contractions and schedules as text, for a tuner's files, and the check of a schedule that comes from
 * one. */
#include "loop/tile_micro.h"
#include "loop/winograd.h"

#include <stdio.h>
#include <string.h>

/* ---- the contraction ---- */

static void add_list(Text *text, const char *name, const int64_t *value, int n)
{
    text_addf(text, " %s", name);
    for (int k = 0; k < n; k++)
        text_addf(text, "%c%lld", k ? ',' : ' ', (long long)value[k]);
}

char *loop_contract_key(const LContract *c, Arena *arena)
{
    static const char *const NAME[] = { "a", "b" };
    Text text = { .arena = arena };
    text_addf(&text, "%s/%d", c->target->name, c->target->vector_bytes);
    if (c->target->cores == 1)
        text_add(&text, " alone");
    if (c->serial)
        text_add(&text, " serial");
    add_list(&text, "out", c->extent, c->n_out);
    add_list(&text, "sum", c->extent + c->n_out, c->n_index - c->n_out);
    add_list(&text, "y", c->out_stride, c->n_out);
    if (tile_window_elements(c) > 1)
        add_list(&text, "windows", c->window, c->n_out);
    for (int o = 0; o < c->n_operand; o++) {
        add_list(&text, NAME[o], c->operand[o].stride, c->n_index);
        if (c->costly[o])
            text_add(&text, " costly");
        if (c->still[o])
            text_add(&text, " still");
        if (c->panels_at[o] && c->rounds > 1)
            text_addf(&text, " rounds %lld", (long long)c->rounds);
    }
    if (c->far_reads)
        text_addf(&text, " far %d,%d", c->far_reads, c->far_writes);
    return text.data;
}

/* ---- the schedule ---- */

static const char *const PACK[] = { "none", "whole", "piece" };

char *loop_tile_print(const LTile *t, Arena *arena)
{
    if (t->winograd)
        return arena_printf(arena, "winograd %d tiles %lld %s", t->winograd, (long long)t->tiles,
                            t->parallel ? "parallel" : "serial");
    return arena_printf(arena, "%s vec %d lanes %d cols %d rows %d:%d:%lld %d:%d:%lld %s pack %s %s block %d:%lld "
                               "split %d:%lld %s%s%s%s",
                        t->kind == TILE_DOT ? "dot" : "outer", t->vec, t->lanes, t->cols, t->row[0], t->rows[0],
                        (long long)t->group[0], t->row[1], t->rows[1], (long long)t->group[1], t->sweep ? "sweep" : "stay", PACK[t->pack[0]],
                        PACK[t->pack[1]], t->block, (long long)t->depth, t->split, (long long)t->chunks,
                        t->parallel ? "parallel" : "serial", t->ahead ? " ahead" : "", t->claim ? " claim" : "",
                        t->slide ? arena_printf(arena, " slide %lld:%lld", (long long)t->slide, (long long)t->along) : "");
}

static bool read_pack(const char *word, TilePack *pack)
{
    for (int i = 0; i < 3; i++)
        if (strcmp(word, PACK[i]) == 0) {
            *pack = (TilePack)i;
            return true;
        }
    return false;
}

static bool has_prefix(const char *text, const char *prefix) { return strncmp(text, prefix, strlen(prefix)) == 0; }

const char *loop_tile_read(const char *text, LTile *out)
{
    char kind[8], how[12], order[8], pack[2][8];
    int end = 0;
    long long chunks, depth, group[2], slide = 0, along = 0;
    LTile t = { 0 };
    if (sscanf(text, "winograd %d tiles %lld %11s%n", &t.winograd, &chunks, how, &end) == 3 && !text[end] &&
        (!strcmp(how, "parallel") || !strcmp(how, "serial"))) {
        *out = (LTile){ .winograd = t.winograd, .tiles = chunks, .parallel = how[0] == 'p' };
        return NULL;
    }
    end = 0;
    t.winograd = 0;
    int n = sscanf(text, "%7s vec %d lanes %d cols %d rows %d:%d:%lld %d:%d:%lld %7s pack %7s %7s block %d:%lld "
                         "split %d:%lld %11s%n",
                   kind, &t.vec, &t.lanes, &t.cols, &t.row[0], &t.rows[0], &group[0], &t.row[1], &t.rows[1],
                   &group[1], order, pack[0], pack[1], &t.block, &depth, &t.split, &chunks, how, &end);
    t.ahead = n == 18 && has_prefix(text + end, " ahead");
    end += t.ahead ? 6 : 0;
    t.claim = n == 18 && has_prefix(text + end, " claim");
    end += t.claim ? 6 : 0;
    int more = 0;
    if (n == 18 && sscanf(text + end, " slide %lld:%lld%n", &slide, &along, &more) == 2 && slide > 0)
        end += more;
    if (n != 18 || text[end])
        return "not of the form 'outer vec 1 lanes 16 cols 2 rows 0:12:4 -1:1:1 stay pack none whole block -1:0 "
               "split -1:0 parallel'";
    if (strcmp(kind, "outer") != 0 && strcmp(kind, "dot") != 0)
        return "the kind is neither 'outer' nor 'dot'";
    if (strcmp(how, "parallel") != 0 && strcmp(how, "serial") != 0)
        return "it ends with neither 'parallel' nor 'serial'";
    if (strcmp(order, "sweep") != 0 && strcmp(order, "stay") != 0)
        return "the order is neither 'sweep' nor 'stay'";
    if (!read_pack(pack[0], &t.pack[0]) || !read_pack(pack[1], &t.pack[1]))
        return "'pack' is none, whole or piece";
    t.kind = kind[0] == 'd' ? TILE_DOT : TILE_OUTER;
    t.sweep = order[1] == 'w';
    t.chunks = chunks;
    t.depth = depth;
    t.group[0] = group[0];
    t.group[1] = group[1];
    t.parallel = how[0] == 'p';
    t.slide = slide;
    t.along = along;
    *out = t;
    return NULL;
}

/* ---- does it fit? ---- */

int tile_window_elements(const LContract *c)
{
    int64_t n = 1;
    for (int k = 0; k < c->n_out; k++)
        n *= tile_window(c, k);
    return (int)n;
}

const char *tile_check_windows(const LContract *c, const LTile *t)
{
    if (tile_window_elements(c) == 1)
        return NULL;
    if (t->kind != TILE_OUTER || t->split >= 0)
        return "results that belong together end in one tile only where lanes run along results and no sum is split";
    for (int k = 0; k < c->n_out; k++) {
        int r = k == t->row[0] ? 0 : k == t->row[1] ? 1 : -1;
        if (tile_window(c, k) > 1 && (r < 0 || t->rows[r] % tile_window(c, k)))
            return "a tile that cuts through windows of results";
    }
    return NULL;
}

static bool is_output(const LContract *c, int k) { return k >= 0 && k < c->n_out; }

static const char *check_rows(const LContract *c, const LTile *t)
{
    for (int r = 0; r < 2; r++) {
        if (t->row[r] == -1 && t->rows[r] == 1 && t->group[r] == 1)
            continue;
        if (!is_output(c, t->row[r]) || t->row[r] == t->vec)
            return "rows are not along an output index of their own";
        if (t->rows[r] < 1 || t->rows[r] > c->extent[t->row[r]])
            return "more rows than the index has values";
        if (t->rows[r] != tile_row_cut(c, t, r).rows)
            return "rows that do not divide the index evenly";
        if (t->group[r] < 1 || t->group[r] > tile_row_cut(c, t, r).count)
            return "a group of more tiles than there are";
    }
    if (t->row[0] >= 0 && t->row[0] == t->row[1])
        return "both rows are along one index";
    if (t->row[0] < 0 && t->row[1] >= 0)
        return "the second rows without the first";
    return tile_check_windows(c, t);
}

/* Local memory is the stack's. */
enum { MOST_LOCAL = 64 * 1024 / 4 };

static const char *check_pack(const LContract *c, const LTile *t, int o)
{
    if (t->pack[o] == PACK_NONE)
        return NULL;
    if (t->pack[o] == PACK_WHOLE && c->serial)
        return "panels in shared memory inside a parallel loop";
    if (o >= c->n_operand || t->kind != TILE_OUTER || t->lanes < 2)
        return "panels of an operand that has no lanes";
    if (tile_packs_rows(c, t, o)) {
        bool whole = t->pack[o] == PACK_WHOLE && t->row[0] >= 0 && c->operand[o].stride[t->row[0]];
        return whole ? NULL : "tiles of rows that are not copied whole, or do not change along the first rows";
    }
    for (int r = 0; r < 2; r++)
        if (t->row[r] >= 0 && c->operand[o].stride[t->row[r]])
            return "panels of an operand that changes along the rows";
    if (t->pack[o] == PACK_PIECE && t->split >= 0 && t->split != t->block && !tile_is_outside(c, t, t->split))
        return "panels of a piece that hold a split index";
    if (t->pack[o] == PACK_PIECE && tile_piece_count(c, t, o) > MOST_LOCAL)
        return "panels of a piece that are too large for local memory";
    return NULL;
}

static const char *check_block(const LContract *c, const LTile *t)
{
    if (t->block == -1)
        return NULL;
    if (t->kind != TILE_OUTER || t->block < c->n_out || t->block >= c->n_index || c->extent[t->block] < 2)
        return "blocks of what is not summed";
    if (t->depth < 1 || t->depth > c->extent[t->block])
        return "blocks of a depth that does not fit";
    double sums = (double)tile_width(t);
    for (int r = 0; r < 2; r++)
        sums *= (double)t->rows[r] * (double)t->group[r];
    return sums <= MOST_LOCAL ? NULL : "more sums than fit into local memory";
}

const char *loop_contract_check(const LContract *c, const LTile *t)
{
    if (t->winograd)
        return winograd_check(c, t);
    int most = c->target->vector_bytes / 4;
    bool dot = t->kind == TILE_DOT;
    if (t->vec < -1 || t->vec >= c->n_index || (t->vec >= 0 && dot != (t->vec >= c->n_out)) || (t->vec < 0 && dot))
        return "lanes along an index that is not there, or not of this kind";
    if (t->lanes != 1 && (t->vec < 0 || t->lanes > most || (t->lanes != 4 && t->lanes != 8 && t->lanes != 16)))
        return "a number of lanes that the target does not have";
    if (t->cols < 1 || (t->vec < 0 && t->cols != 1))
        return "no columns";
    if (c->serial && (t->parallel || t->split >= 0))
        return "parallel work inside a parallel loop";
    const char *why = check_rows(c, t);
    if (why)
        return why;
    if ((int64_t)t->cols * t->rows[0] * t->rows[1] > TILE_MAX_ACC)
        return "more accumulators than a tile may have";
    if ((why = check_block(c, t)))
        return why;
    for (int o = 0; o < 2; o++)
        if ((why = check_pack(c, t, o)))
            return why;
    if ((why = tile_slide_check(c, t)))
        return why;
    if ((t->ahead || t->claim) && (dot || t->lanes < 2))
        return "prefetches without panels";
    for (int o = 0; o < 2; o++)
        if (t->ahead && t->pack[o] == PACK_PIECE && t->block < 0)
            return "prefetches of the next block where there is one only";
    if (t->split == -1)
        return NULL;
    if (t->split < c->n_out || t->split >= c->n_index || t->split == t->vec)
        return "a split of what is not summed, or runs along the lanes";
    if (t->chunks < 2 || t->chunks > c->extent[t->split])
        return "a split into too few or too many chunks";
    int64_t size = (c->extent[t->split] + t->chunks - 1) / t->chunks;
    return (t->chunks - 1) * size < c->extent[t->split] ? NULL : "a split with empty chunks";
}
