/* Kernels one by one: every kernel call of the program is an entry point too (loop_split_calls), so one
 * call of an entry point can be made in its parts, with a look at the clock between them. */
#include "bench/bench.h"
#include "nnc_internal.h"
#include "runtime/progress.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int bench_whole_entries(const LProgram *p, bool split)
{
    int calls = 0, n = p->entries.len;
    for (int i = 0; split && i < n; i++) { /* n whole entries with so many calls are n + calls in all */
        calls += p->entries.data[i]->calls.len;
        if (i + 1 + calls == n)
            return i + 1;
    }
    return n;
}

/* Where the parts of an entry point begin in the program's table. */
static int first_part(const Case *c)
{
    const LProgram *p = nnc_program(c->subject->build->compiler);
    int at = c->subject->build->n_entries;
    for (int i = 0; i < c->subject->entry; i++)
        at += p->entries.data[i]->calls.len;
    return at;
}

/* What looking at the clock twice takes by itself. */
static double clock_cost(void)
{
    double least = 1;
    for (int i = 0; i < 20; i++) {
        double t = nnr_now();
        t = nnr_now() - t;
        least = t < least ? t : least;
    }
    return least;
}

/* Keeps the call whose time is nearest to the entry point's. */
static void keep_trace(Case *c, const Slice *slices, int n)
{
    double sum = 0;
    for (int k = 0; k < n; k++)
        sum += slices[k].seconds;
    double off = fabs(sum - nnr_quantile(c->samples.seconds, c->samples.n, 0.5));
    if (c->samples.n > 1 && off >= c->trace_off)
        return;
    c->trace_off = off;
    memcpy(c->trace, slices, (size_t)n * sizeof *slices);
}

void profile_turn(Bench *b, Case *c)
{
    enum { MOST = 64 };
    nnr_timed *t = &c->subject->timed;
    const nnr_entry *part = &c->subject->build->program->entries[first_part(c)];
    int n = bench_entry(c->subject)->calls.len;
    int64_t times = c->calls < MOST ? c->calls : MOST;
    double *sum = ARENA_ARRAY(b->arena, double, n), cost = clock_cost();
    Slice *slices = ARENA_ARRAY(b->arena, Slice, n);
    for (int64_t i = 0; i < times; i++) {
        double start = nnr_now(), before = start;
        for (int k = 0; k < n; k++) {
            nnr_timed_part(t, &part[k]);
            double now = nnr_now();
            slices[k] = (Slice){ before - start, now - before > cost ? now - before - cost : 0 };
            sum[k] += slices[k].seconds;
            before = now;
        }
    }
    keep_trace(c, slices, n);
    for (int k = 0; k < n; k++)
        samples_add(b->arena, &c->parts[k], sum[k] / (double)times);
}

void profile_close(Case *c)
{
    for (int k = 0; c->parts && k < bench_entry(c->subject)->calls.len; k++)
        samples_close(&c->parts[k]);
}

/* ---- what a kernel is ---- */

typedef struct {
    int lanes;
    bool parallel;
} Shape;

static void look_at_expr(Shape *s, const LExpr *e)
{
    if (!e)
        return;
    s->lanes = e->type.lanes > s->lanes ? e->type.lanes : s->lanes;
    look_at_expr(s, e->a);
    look_at_expr(s, e->b);
    look_at_expr(s, e->c);
}

static void look_at(Shape *s, const LBlock *b)
{
    for (int i = 0; i < b->len; i++) {
        const LStmt *st = b->data[i];
        s->parallel |= st->kind == LS_FOR && st->for_kind == LF_PARALLEL;
        look_at_expr(s, st->value);
        look_at(s, &st->body);
        look_at(s, &st->other);
    }
}

/* "rows, 16 lanes, parallel"; a tile's own words tell its lanes. */
static const char *schedule_words(Arena *arena, const LFunc *f)
{
    Shape s = { 1, false };
    look_at(&s, &f->body);
    const char *words = f->schedule ? f->schedule : "loops";
    const char *lanes = strstr(words, "lanes") ? "" : s.lanes > 1 ? arena_printf(arena, ", %d lanes", s.lanes) : ", scalar";
    return arena_printf(arena, "%s%s%s", words, lanes, s.parallel ? ", parallel" : "");
}

static const char *bound_of(const Work *w, const Machine *m)
{
    bool by_bytes;
    int slowest = 0;
    work_limit(w, m, &by_bytes);
    for (int level = 1; level < N_LEVELS; level++)
        if (w->level[level] / m->read[level] > w->level[slowest] / m->read[slowest])
            slowest = level;
    return by_bytes ? LEVEL_NAME[slowest] : "peak";
}

Row *profile_rows(const Bench *b, const Case *c)
{
    Figures f = bench_figures(b, c);
    Row *rows = ARENA_ARRAY(b->arena, Row, f.kernels + 1);
    const Work *work = bench_work(b->arena, f.entry, f.machine);
    double sum = 0;
    for (int k = 0; k < f.kernels; k++)
        sum += c->parts[k].median;
    for (int k = 0; k < f.kernels; k++)
        rows[k] = (Row){ .func = f.entry->calls.data[k].func,
                         .samples = &c->parts[k],
                         .work = work[k],
                         .limit = work_limit(&work[k], f.machine, NULL),
                         .share = sum > 0 ? c->parts[k].median / sum : 0,
                         .bound = bound_of(&work[k], f.machine),
                         .schedule = schedule_words(b->arena, f.entry->calls.data[k].func) };
    return rows;
}
