/* What a register tile asks memory for while its sum is made: lines of the next panel, and what the epilogue
 * will read and write (results, and operands of their size: a residual, an optimizer's state), so that nobody
 * waits for them at its end. All of it in the first steps of the innermost loop, which stand in loops of their
 * own: the other steps are free of it, for where one multiply-add is started a cycle a prefetch costs as much. First
 * the tile's part of the panel, then the results, where there are steps for both: in one loop each would be asked for
 * as often as the other has steps, and a panel would pass by several times. */
#include "loop/tile_micro.h"

enum { LINE = 16, MOST_STREAMS = 8 };

/* ---- the next panel ---- */

static bool has_next_panel(const Tiler *m, int o)
{
    const LTile *t = m->t;
    const LContract *c = m->c;
    return t->ahead && tile_stride(c, o, t->vec) && !tile_stride(c, o, t->row[0]) && !tile_stride(c, o, t->row[1]);
}

/* What lies where the next panel of an operand begins, or, where the sum goes on in blocks, the next block: of panels
 * in memory the one behind the last is the next panel's first. */
static void fetch_panel(Tiler *m, int o, LExpr *const *base, const TileSpot *spot, int64_t lane, LBlock *at)
{
    LContract *c = m->c;
    LFunc *f = m->f;
    const LTile *t = m->t;
    if (t->pack[o] == PACK_WHOLE) {
        LExpr *next = tile_pack_offset(m, o, base, lx_add(f, spot->panel, lx_i64(f, 1)));
        lb_prefetch(f, at, m->panel[o], lx_add(f, next, lx_i64(f, lane)));
        return;
    }
    LExpr *index[TILE_MAX_INDEX];
    for (int k = 0; k < c->n_index; k++)
        index[k] = base[k];
    if (t->block >= 0 && tile_stride(c, o, t->block))
        index[t->block] = lx_add(f, index[t->block], lx_i64(f, t->depth));
    else
        index[t->vec] = lx_add(f, index[t->vec], lx_i64(f, tile_width(t)));
    index[t->vec] = lx_add(f, index[t->vec], lx_i64(f, lane));
    tile_fetch_operand(m, o, index, at);
}

/* ---- results ---- */

/* Lines of results in a tile: along the lanes, or along the rows where those lie side by side; 0: neither. */
static int64_t result_lines(const Tiler *m, const TileSums *a, const TileSpot *spot)
{
    const LTile *t = m->t;
    const LContract *c = m->c;
    if (!t->claim || m->kept || t->split >= 0 || t->vec < 0 || m->window > 1)
        return 0;
    if (c->out_stride[t->vec] == 1)
        return (int64_t)a->n1 * a->n0 * ((spot->cols * t->lanes + LINE - 1) / LINE);
    if (t->row[0] >= 0 && c->out_stride[t->row[0]] == 1)
        return (int64_t)a->n1 * ((spot->cols - 1) * t->lanes + spot->limit);
    return 0;
}

typedef struct {
    LBlock lets;             /* of whole numbers, that places are made of */
    const LVar *unknown[32]; /* made from memory */
    int n_unknown;
    const LVar *moves;       /* changes with every line */
    const LBuf *buf[MOST_STREAMS];
    LExpr *index[MOST_STREAMS];
    int n;
} Streams;

static void add_stream(Streams *s, const LBuf *buf, LExpr *index)
{
    bool known = lx_uses(index, s->moves) && !lx_reads_memory(index) && s->n < MOST_STREAMS;
    for (int i = 0; i < s->n_unknown; i++)
        known = known && !lx_uses(index, s->unknown[i]);
    for (int i = 0; i < s->n; i++)
        known = known && !(s->buf[i] == buf && lx_equal(s->index[i], index));
    if (known) {
        s->buf[s->n] = buf;
        s->index[s->n++] = index;
    }
}

static void add_loads(Streams *s, const LExpr *e)
{
    if (!e)
        return;
    if (e->op == LX_LOAD)
        add_stream(s, e->buf, e->a);
    add_loads(s, e->a);
    add_loads(s, e->b);
    add_loads(s, e->c);
}

/* Is what is stored one of several arrays that were read at this place? Then they are updated in place (a
 * parameter and what its optimizer keeps), under other names, and have been asked for. */
static bool updates(const Streams *s, const LStmt *store)
{
    int n = 0;
    for (int i = 0; i < s->n; i++)
        n += s->buf[i]->role == LB_IN && s->buf[i]->count == store->buf->count && lx_equal(s->index[i], store->index);
    return n > 1;
}

static void find_streams(Tiler *m, Streams *s, const LBlock *epilogue)
{
    for (int i = 0; i < epilogue->len; i++) {
        LStmt *st = epilogue->data[i];
        if (st->kind != LS_LET && st->kind != LS_STORE)
            continue;
        add_loads(s, st->value);
        if (st->kind == LS_STORE) {
            if (!updates(s, st))
                add_stream(s, st->buf, st->index);
        } else if (st->var->type.kind == LK_I64 && !lx_reads_memory(st->value)) {
            lb_append(m->f, &s->lets, st);
        } else if (s->n_unknown < (int)(sizeof s->unknown / sizeof *s->unknown)) {
            s->unknown[s->n_unknown++] = st->var;
        } else {
            return;
        }
    }
}

static void fetch_results(Tiler *m, const TileSums *a, const TileSpot *spot, LExpr *line, LBlock *at)
{
    LContract *c = m->c;
    LFunc *f = m->f;
    const LTile *t = m->t;
    LExpr *index[TILE_MAX_INDEX];
    Streams s = { .n = 0 };
    LVar *row, *lane;
    LBlock epilogue = { 0 };
    for (int k = 0; k < c->n_index; k++)
        index[k] = spot->index[k];
    if (c->out_stride[t->vec] == 1) {
        LExpr *across = lx_i64(f, (spot->cols * t->lanes + LINE - 1) / LINE);
        row = lb_let(f, at, "row", lx_bin(f, LX_DIV, line, across));
        lane = lb_let(f, at, "lane", lx_mul(f, lx_bin(f, LX_MOD, line, across), lx_i64(f, LINE)));
        s.moves = row;
        if (t->row[0] >= 0)
            index[t->row[0]] = lx_add(f, index[t->row[0]], lx_bin(f, LX_MOD, lx_var(f, row), lx_i64(f, a->n0)));
        if (t->row[1] >= 0)
            index[t->row[1]] = lx_add(f, index[t->row[1]], lx_bin(f, LX_DIV, lx_var(f, row), lx_i64(f, a->n0)));
    } else {
        LExpr *width = lx_i64(f, (spot->cols - 1) * t->lanes + spot->limit);
        row = lb_let(f, at, "row", lx_bin(f, LX_DIV, line, width));
        lane = lb_let(f, at, "lane", lx_bin(f, LX_MOD, line, width));
        s.moves = lane;
        if (t->row[1] >= 0)
            index[t->row[1]] = lx_add(f, index[t->row[1]], lx_var(f, row));
    }
    index[t->vec] = lx_add(f, index[t->vec], lx_var(f, lane));
    c->store(c->user, &epilogue, index, lx_var(f, lfunc_var(f, "sum", ltype(LK_F32, 1), false)));
    find_streams(m, &s, &epilogue);
    for (int i = 0; i < s.lets.len && s.n; i++)
        lb_append(f, at, s.lets.data[i]);
    for (int i = 0; i < s.n; i++)
        lb_prefetch(f, at, (LBuf *)s.buf[i], s.index[i]);
}

/* ---- both ---- */

static int64_t panel_steps(const Tiler *m, const TileSpot *spot, int64_t steps)
{
    for (int o = 0; o < m->c->n_operand; o++)
        if (has_next_panel(m, o))
            return spot->number ? (steps + spot->sharing - 1) / spot->sharing : steps;
    return 0;
}

/* How often the innermost loop runs in a tile's sum. */
static int64_t runs(const Tiler *m)
{
    int64_t n = 1;
    for (int i = m->inner; i < m->n_order - 1; i++)
        n *= m->c->extent[m->order[i]];
    return n;
}

/* Lines of results that one run of the innermost loop fetches. */
static int64_t lines_of_run(const Tiler *m, const TileSums *a, const TileSpot *spot)
{
    return (result_lines(m, a, spot) + runs(m) - 1) / runs(m);
}

/* Steps between a line of results and the next: several arrays from memory would arrive no faster for being
 * asked for at once, and hold up the operands. A power of two, to be found by a shift. */
static int64_t steps_apart(const Tiler *m, int64_t lines, int64_t steps)
{
    int64_t apart = 1;
    while (m->c->far_reads > 1 && lines > 0 && lines * apart * 2 <= steps)
        apart *= 2;
    return apart;
}

int tile_ahead_parts(const Tiler *m, const TileSums *a, const TileSpot *spot, int64_t steps, TileAhead part[2])
{
    int64_t lines = lines_of_run(m, a, spot), panel = panel_steps(m, spot, steps);
    bool apart = panel > 0 && lines > 0 && panel + lines <= steps;
    int64_t left = apart ? steps - panel : steps, spread = lines * steps_apart(m, lines, left);
    int64_t most = !apart && panel > spread ? panel : spread;
    int n = 0;
    if (apart)
        part[n++] = (TileAhead){ .steps = panel, .panel = true };
    if (most > 0)
        part[n++] = (TileAhead){ .steps = most < left ? most : left, .panel = !apart, .lines = lines,
                                 .steps_apart = steps_apart(m, lines, left) };
    return n;
}

static void fetch_lines(Tiler *m, const TileSums *a, const TileSpot *spot, const TileAhead *part, LExpr *const *base,
                        LExpr *step, LBlock *at)
{
    LFunc *f = m->f;
    int64_t turns = part->steps / part->steps_apart, together = (part->lines + turns - 1) / turns;
    int64_t all = result_lines(m, a, spot);
    LExpr *run = lx_i64(f, 0), *turn = lx_bin(f, LX_DIV, step, lx_i64(f, part->steps_apart));
    for (int i = m->inner; i < m->n_order - 1; i++)
        run = lx_add(f, lx_mul(f, run, lx_i64(f, m->c->extent[m->order[i]])), base[m->order[i]]);
    LExpr *first = lx_add(f, lx_mul(f, run, lx_i64(f, part->lines)), lx_mul(f, turn, lx_i64(f, together)));
    for (int64_t i = 0; i < together; i++) {
        LExpr *line = lx_add(f, first, lx_i64(f, i));
        if (runs(m) * turns * together > all)
            line = lx_bin(f, LX_MIN, line, lx_i64(f, all - 1));
        fetch_results(m, a, spot, lx_var(f, lb_let(f, at, "line", line)), at);
    }
}

void tile_ahead(Tiler *m, const TileSums *a, const TileSpot *spot, const TileAhead *part, LExpr *const *base, int k,
                LExpr *step, int64_t steps, LBlock *at)
{
    LFunc *f = m->f;
    LExpr *index[TILE_MAX_INDEX];
    for (int i = 0; i < m->c->n_index; i++)
        index[i] = base[i];
    if (spot->number) /* a part of the panel by every tile that shares this one */
        index[k] = lx_add(f, index[k], lx_mul(f, spot->number, lx_i64(f, panel_steps(m, spot, steps))));
    for (int o = 0; o < m->c->n_operand && part->panel; o++)
        for (int64_t lane = 0; lane < (int64_t)spot->cols * m->t->lanes && has_next_panel(m, o); lane += LINE)
            fetch_panel(m, o, index, spot, lane, at);
    if (part->lines)
        fetch_lines(m, a, spot, part, base, step, at);
}
