/* The tables of `nnc bench` for a terminal. */
#include "bench/bench.h"
#include "nnc_internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *bench_seconds_text(Arena *arena, double s)
{
    if (s < 1e-4)
        return arena_printf(arena, "%.2f us", s * 1e6);
    if (s < 1)
        return arena_printf(arena, s < 1e-2 ? "%.3f ms" : "%.2f ms", s * 1e3);
    return arena_printf(arena, "%.3f s", s);
}

static const char *bytes_text(Arena *arena, double bytes)
{
    if (bytes < 1024 * 10)
        return arena_printf(arena, "%.0f B", bytes);
    if (bytes < 1024 * 1024 * 10)
        return arena_printf(arena, "%.0f KiB", bytes / 1024);
    return arena_printf(arena, "%.1f MiB", bytes / (1024 * 1024));
}

void bench_machine_table(const Bench *b, Text *out)
{
    text_addf(out, "%-8s %12s %10s %10s %10s %10s %10s\n", "threads", "GFLOP/s", "L1 GB/s", "L2 GB/s", "L3 GB/s",
              "read GB/s", "triad GB/s");
    for (int i = 0; i < b->n_threads; i++) {
        const Machine *m = &b->machines[i];
        text_addf(out, "%-8d %12.1f %10.1f %10.1f %10.1f %10.1f %10.1f\n", m->threads, m->flops * 1e-9,
                  m->read[LEVEL_L1] * 1e-9, m->read[LEVEL_L2] * 1e-9, m->read[LEVEL_L3] * 1e-9,
                  m->read[LEVEL_MEMORY] * 1e-9, m->triad * 1e-9);
    }
}

static const char *spread_text(Arena *arena, const Samples *s)
{
    return arena_printf(arena, "%+.0f%% %+.0f%%", (s->low / s->median - 1) * 100, (s->high / s->median - 1) * 100);
}

static void row(const Bench *b, const Case *c, Text *out)
{
    Figures f = bench_figures(b, c);
    double t = c->samples.median, bytes = f.total.read + f.total.written;
    text_addf(out, "%-20s %5" PRId64 " %-4s %-8s %3d %11s %-10s %8.1f %7.1f %6.1f%% %7d %10s %10s\n", f.entry->name,
              f.entry->batch, c->subject->build->backend, c->subject->build->unfused ? "unfused" : "fused", c->threads,
              bench_seconds_text(b->arena, t), spread_text(b->arena, &c->samples), f.total.flops / t * 1e-9,
              bytes / t * 1e-9, f.limit / t * 100, f.kernels, bytes_text(b->arena, (double)f.entry->arena_bytes),
              bytes_text(b->arena, bytes));
}

/* The other build of the same thing, where only fusion (or only the back end) differs. */
static const Case *counterpart(const Bench *b, const Case *c, bool fusion)
{
    const Build *mine = c->subject->build;
    const LEntry *e = bench_entry(c->subject);
    for (int i = 0; i < b->cases.len; i++) {
        const Case *o = b->cases.data[i];
        const Build *build = o->subject->build;
        const LEntry *other = bench_entry(o->subject);
        bool same = strcmp(mine->backend, build->backend) == 0;
        if (build != mine && o->threads == c->threads && other->batch == e->batch && strcmp(other->name, e->name) == 0 &&
            (fusion ? same && build->unfused != mine->unfused : !same && build->unfused == mine->unfused))
            return o;
    }
    return NULL;
}

/* Fused and unfused, and what of the difference is kernels, traffic and memory. */
static void add_fusion(const Bench *b, const Case *fused, const Case *unfused, const char *what, Text *out)
{
    Figures f = bench_figures(b, fused), u = bench_figures(b, unfused);
    Arena *a = b->arena;
    text_addf(out, "fusion: %s, %s: %.2f times as fast (%d kernels for %d, %s moved for %s, arena %s for %s)\n", what,
              fused->subject->build->backend, unfused->samples.median / fused->samples.median, f.kernels, u.kernels,
              bytes_text(a, f.total.read + f.total.written), bytes_text(a, u.total.read + u.total.written),
              bytes_text(a, (double)f.entry->arena_bytes), bytes_text(a, (double)u.entry->arena_bytes));
}

static void add_ratios(const Bench *b, Text *out)
{
    for (int i = 0; i < b->cases.len; i++) {
        const Case *c = b->cases.data[i], *o;
        const LEntry *e = bench_entry(c->subject);
        const char *what = arena_printf(b->arena, "%s, batch %" PRId64 ", %d thread%s", e->name, e->batch, c->threads,
                                        c->threads > 1 ? "s" : "");
        const Build *build = c->subject->build;
        if (!build->unfused && (o = counterpart(b, c, true)))
            add_fusion(b, c, o, what, out);
        if (strcmp(build->backend, "llvm") == 0 && (o = counterpart(b, c, false)))
            text_addf(out, "back end: %s, %s: llvm takes %.3f of the time of c\n", what,
                      build->unfused ? "unfused" : "fused", c->samples.median / o->samples.median);
    }
}

void bench_table(const Bench *b, Text *out)
{
    text_addf(out, "%-20s %5s %-4s %-8s %3s %11s %-10s %8s %7s %7s %7s %10s %10s\n", "entry", "batch", "by", "kernels",
              "thr", "median", "p10 p90", "GFLOP/s", "GB/s", "limit", "calls", "arena", "moved");
    for (int i = 0; i < b->cases.len; i++)
        row(b, b->cases.data[i], out);
    add_ratios(b, out);
    bench_fusion_table(b, out);
}

/* ---- kernels ---- */

typedef struct {
    const Row *row;
    int call;
} Ranked;

static int slowest_first(const void *a, const void *b)
{
    const Ranked *x = a, *y = b;
    double p = x->row->samples->median, q = y->row->samples->median;
    return p != q ? (p < q) - (p > q) : x->call - y->call;
}

/* "mlp.fc1:8": the layer that costs most, and its line. */
static const char *place_text(Arena *arena, const LFunc *f)
{
    const char *path = f->path ? f->path : f->name;
    return f->loc.file ? arena_printf(arena, "%s:%d", path, f->loc.line) : path;
}

/* --json has the whole of it. */
static const char *shortened(Arena *arena, const char *text)
{
    enum { MOST = 90 };
    return strlen(text) <= MOST ? text : arena_printf(arena, "%.*s ...", MOST - 4, text);
}

static void profile_of(const Bench *b, const Case *c, Text *out)
{
    const LEntry *e = bench_entry(c->subject);
    const Row *rows = profile_rows(b, c);
    Ranked *order = ARENA_ARRAY(b->arena, Ranked, e->calls.len + 1);
    double sum = 0;
    for (int k = 0; k < e->calls.len; k++) {
        order[k] = (Ranked){ &rows[k], k };
        sum += rows[k].samples->median;
    }
    qsort(order, (size_t)e->calls.len, sizeof *order, slowest_first);
    int schedule = 8, layer = 5; /* widths of the columns */
    for (int k = 0; k < e->calls.len; k++) {
        schedule = (int)fmax(schedule, (double)strlen(rows[k].schedule));
        layer = (int)fmax(layer, (double)strlen(place_text(b->arena, rows[k].func)));
    }
    text_addf(out, "\n%s, batch %" PRId64 ", %s, %s, %d thread%s: %d kernels, one by one %s\n", e->name, e->batch,
              c->subject->build->backend, c->subject->build->unfused ? "unfused" : "fused", c->threads,
              c->threads > 1 ? "s" : "", e->calls.len, bench_seconds_text(b->arena, sum));
    text_addf(out, "%4s %11s %6s %8s %7s %7s %-6s %-*s %-*s %s\n", "call", "median", "share", "GFLOP/s", "GB/s", "limit",
              "by", schedule, "schedule", layer, "layer", "operations");
    for (int k = 0; k < e->calls.len; k++) {
        const Row *r = order[k].row;
        double t = r->samples->median > 0 ? r->samples->median : 1e-12;
        text_addf(out, "%4d %11s %5.1f%% %8.1f %7.1f %6.1f%% %-6s %-*s %-*s %s\n", order[k].call,
                  bench_seconds_text(b->arena, r->samples->median), r->share * 100, r->work.flops / t * 1e-9,
                  (r->work.read + r->work.written) / t * 1e-9, r->limit / t * 100, r->bound, schedule, r->schedule,
                  layer, place_text(b->arena, r->func), shortened(b->arena, r->func->note ? r->func->note : r->func->name));
    }
}

void bench_profile_table(const Bench *b, Text *out)
{
    for (int i = 0; i < b->cases.len; i++)
        profile_of(b, b->cases.data[i], out);
}
