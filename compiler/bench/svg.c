/* `nnc bench --svg`: bars of every entry point, its builds beside each other, and, below, a roofline with
 * a dot a kernel. Plain SVG 1.1, no scripts, fonts of the viewer. */
#include "bench/bench.h"
#include "nnc_internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 960, MARGIN = 28, LABELS = 190, BAR = 18, BAR_GAP = 5, GROUP_GAP = 18 };
static const char INK[] = "#1d2733", SOFT[] = "#66727f", GRID[] = "#e4e8ed", PAPER[] = "#ffffff";

typedef struct {
    const Bench *bench;
    Text out;
    double y; /* where the next part begins */
} Svg;

static void add_escaped(Text *out, const char *s)
{
    for (; *s; s++) {
        if (*s == '<') text_add(out, "&lt;");
        else if (*s == '>') text_add(out, "&gt;");
        else if (*s == '&') text_add(out, "&amp;");
        else if (*s == '"') text_add(out, "&quot;");
        else if ((unsigned char)*s >= 32) text_add_n(out, s, 1);
    }
}

/* Text over lines and dots stays legible by a rim of paper. */
static const char RIM[] = " stroke=\"#ffffff\" stroke-width=\"3\" stroke-linejoin=\"round\" paint-order=\"stroke\"";

/* anchor: start, middle or end. */
static void add_label(Svg *s, double x, double y, int size, const char *color, const char *anchor, const char *text)
{
    text_addf(&s->out, "<text x=\"%.1f\" y=\"%.1f\" font-size=\"%d\" fill=\"%s\" text-anchor=\"%s\"%s>", x, y, size, color, anchor, RIM);
    add_escaped(&s->out, text);
    text_add(&s->out, "</text>\n");
}

static void add_line(Svg *s, double x0, double y0, double x1, double y1, const char *color, double width)
{
    text_addf(&s->out, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" stroke-width=\"%.1f\"/>\n", x0, y0, x1,
              y1, color, width);
}

static void add_box(Svg *s, double x, double y, double w, double h, const char *color)
{
    text_addf(&s->out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"2\" fill=\"%s\"/>\n", x, y, w, h, color);
}

/* About as wide as text of this size is set. */
static double text_width(const char *text, int size) { return 0.56 * size * (double)strlen(text); }

/* ---- bars ---- */

static const char *build_color(const Build *b)
{
    bool llvm = strcmp(b->backend, "llvm") == 0;
    return llvm ? (b->unfused ? "#a9c4ea" : "#2f6fd0") : (b->unfused ? "#f2cfa0" : "#e08a1e");
}

static const char *build_name(Arena *arena, const Build *b)
{
    return arena_printf(arena, "%s, %s", b->unfused ? "unfused" : "fused", b->backend);
}

static bool same_group(const Case *a, const Case *b)
{
    const LEntry *x = bench_entry(a->subject), *y = bench_entry(b->subject);
    return a->threads == b->threads && x->batch == y->batch && strcmp(x->name, y->name) == 0;
}

static bool first_of_group(const Bench *b, int i)
{
    for (int k = 0; k < i; k++)
        if (same_group(b->cases.data[k], b->cases.data[i]))
            return false;
    return true;
}

static void add_bar(Svg *s, const Case *c, double y, double longest)
{
    Arena *a = s->bench->arena;
    Figures f = bench_figures(s->bench, c);
    double room = WIDTH - 2 * MARGIN - LABELS - 190, x = MARGIN + LABELS;
    double width = room * c->samples.median / longest;
    add_box(s, x, y, width < 1 ? 1 : width, BAR, build_color(c->subject->build));
    double low = x + room * c->samples.low / longest, high = x + room * fmin(c->samples.high, longest) / longest;
    add_line(s, low, y + BAR / 2.0, high, y + BAR / 2.0, INK, 1);
    double limit = x + room * f.limit / longest;
    add_line(s, limit, y - 2, limit, y + BAR + 2, "#c0392b", 2);
    const char *text = arena_printf(a, "%s, %.0f%% of the limit", bench_seconds_text(a, c->samples.median),
                                    f.limit / c->samples.median * 100);
    add_label(s, fmax(fmax(x + width, limit), high) + 8, y + BAR - 5, 12, INK, "start", text);
}

static void add_legend(Svg *s)
{
    const Bench *b = s->bench;
    double x = MARGIN;
    for (int i = 0; i < b->cases.len; i++) {
        const Build *build = b->cases.data[i]->subject->build;
        bool again = false;
        for (int k = 0; k < i; k++)
            again |= strcmp(build_color(b->cases.data[k]->subject->build), build_color(build)) == 0;
        if (again)
            continue;
        const char *name = build_name(b->arena, build);
        add_box(s, x, s->y, 14, 12, build_color(build));
        add_label(s, x + 20, s->y + 11, 12, SOFT, "start", name);
        x += 20 + text_width(name, 12) + 24;
    }
    add_line(s, x + 4, s->y - 1, x + 4, s->y + 13, "#c0392b", 2);
    add_label(s, x + 14, s->y + 11, 12, SOFT, "start", "limit of the machine");
    x += 14 + text_width("limit of the machine", 12) + 24;
    add_line(s, x, s->y + 6, x + 18, s->y + 6, INK, 1);
    add_label(s, x + 26, s->y + 11, 12, SOFT, "start", "10% to 90% of the calls");
    s->y += 34;
}

static void add_bars(Svg *s)
{
    const Bench *b = s->bench;
    Arena *a = b->arena;
    add_label(s, MARGIN, s->y, 16, INK, "start", "Time of a call");
    add_label(s, MARGIN, s->y + 19, 12, SOFT, "start", "medians; bars are scaled to the slowest build of each entry point, or to the limit where all pass it");
    s->y += 36;
    add_legend(s);
    for (int i = 0; i < b->cases.len; i++) {
        if (!first_of_group(b, i))
            continue;
        const Case *first = b->cases.data[i];
        const LEntry *e = bench_entry(first->subject);
        double longest = 0;
        int n = 0;
        for (int k = i; k < b->cases.len; k++)
            if (same_group(first, b->cases.data[k])) {
                longest = fmax(longest, fmax(b->cases.data[k]->samples.median, bench_figures(b, b->cases.data[k]).limit));
                n++;
            }
        double height = n * (BAR + BAR_GAP);
        double middle = s->y + fmax(height, 34) / 2 - 6;
        add_label(s, MARGIN, middle, 13, INK, "start", e->name);
        add_label(s, MARGIN, middle + 16, 12, SOFT, "start",
                  arena_printf(a, "batch %" PRId64 ", %d thread%s", e->batch, first->threads, first->threads > 1 ? "s" : ""));
        double y = s->y + fmax(0, (34 - height) / 2);
        for (int k = i; k < b->cases.len; k++)
            if (same_group(first, b->cases.data[k])) {
                add_bar(s, b->cases.data[k], y, longest);
                y += BAR + BAR_GAP;
            }
        s->y += fmax(height, 34) + GROUP_GAP;
    }
    s->y += 14;
}

/* ---- roofline ---- */

typedef struct {
    double x, y, w, h;
} Box;

typedef struct {
    const Row *row;
    double x, y, r; /* pixels */
    int color;
} Dot;

enum { PLOT_HEIGHT = 430, MAX_COLORS = 8, MOST_LABELS = 14 };
static const char *const COLORS[MAX_COLORS] = { "#2f6fd0", "#e08a1e", "#2e9c6a", "#b23b8e", "#7a57c9", "#b8a11a", "#31a2b8", "#8a5a3b" };

typedef struct {
    Svg *svg;
    const Machine *machine;
    double left, top, width, height;
    double x0, x1, y0, y1; /* decades */
    Vec(Dot) dots;
    Vec(Box) taken;
} Plot;

static double plot_x(const Plot *p, double v) { return p->left + p->width * (log10(v) - p->x0) / (p->x1 - p->x0); }
static double plot_y(const Plot *p, double v) { return p->top + p->height * (1 - (log10(v) - p->y0) / (p->y1 - p->y0)); }

static const char *power_text(Arena *a, int decade)
{
    return decade < 0 ? arena_printf(a, "%.*f", -decade, pow(10, decade)) : arena_printf(a, "%.0f", pow(10, decade));
}

static void add_axes(Plot *p)
{
    Svg *s = p->svg;
    Arena *a = s->bench->arena;
    double bottom = p->top + p->height, right = p->left + p->width;
    for (int d = (int)p->x0; d <= (int)p->x1; d++)
        for (int k = 1; k < (d == (int)p->x1 ? 2 : 10); k++) {
            double x = plot_x(p, k * pow(10, d));
            add_line(s, x, p->top, x, bottom, GRID, k == 1 ? 1.2 : 0.5);
            if (k == 1)
                add_label(s, x, bottom + 18, 12, SOFT, "middle", power_text(a, d));
        }
    for (int d = (int)p->y0; d <= (int)p->y1; d++)
        for (int k = 1; k < (d == (int)p->y1 ? 2 : 10); k++) {
            double y = plot_y(p, k * pow(10, d));
            add_line(s, p->left, y, right, y, GRID, k == 1 ? 1.2 : 0.5);
            if (k == 1)
                add_label(s, p->left - 8, y + 4, 12, SOFT, "end", power_text(a, d));
        }
    add_label(s, p->left + p->width / 2, bottom + 38, 12, INK, "middle", "operations for each byte read or written");
    text_addf(&s->out, "<text transform=\"translate(%.1f %.1f) rotate(-90)\" font-size=\"12\" fill=\"%s\" text-anchor=\"middle\">GFLOP/s</text>\n",
              p->left - 48, p->top + p->height / 2, INK);
}

static void add_roofs(Plot *p)
{
    Svg *s = p->svg;
    Arena *a = s->bench->arena;
    const Machine *m = p->machine;
    double peak = m->flops * 1e-9, least = pow(10, p->x0), lowest = pow(10, p->y0), most = pow(10, p->x1);
    double angle = -atan((p->height / (p->y1 - p->y0)) / (p->width / (p->x1 - p->x0))) * 180 / 3.14159265358979;
    double ridge = most;
    for (int level = 0; level < N_LEVELS; level++) {
        double rate = m->read[level] * 1e-9;
        double from = fmax(least, lowest / rate), to = fmin(peak / rate, most);
        ridge = fmin(ridge, to);
        add_line(s, plot_x(p, from), plot_y(p, from * rate), plot_x(p, to), plot_y(p, to * rate), "#8593a3", 1.6);
        double x = plot_x(p, from) + 14, y = plot_y(p, from * rate) + 14 * tan(angle * 3.14159265358979 / 180) - 5;
        text_addf(&s->out, "<text transform=\"translate(%.1f %.1f) rotate(%.2f)\" font-size=\"11\" fill=\"%s\"%s>%s %.0f GB/s</text>\n", x,
                  y, angle, SOFT, RIM, LEVEL_NAME[level], rate);
        VEC_PUSH(a, &p->taken, (Box){ x, y + 84 * sin(angle * 3.14159265358979 / 180) - 10, 84, 22 });
    }
    add_line(s, plot_x(p, ridge), plot_y(p, peak), plot_x(p, most), plot_y(p, peak), INK, 2);
    add_label(s, p->left + p->width - 6, plot_y(p, peak) - 7, 12, INK, "end",
              arena_printf(a, "peak %.0f GFLOP/s", peak));
    VEC_PUSH(a, &p->taken, (Box){ p->left + p->width - 150, plot_y(p, peak) - 20, 150, 24 });
}

static bool overlaps(const Plot *p, Box b)
{
    if (b.x < p->left + 2 || b.x + b.w > p->left + p->width - 2 || b.y < p->top || b.y + b.h > p->top + p->height)
        return true;
    for (int i = 0; i < p->taken.len; i++) {
        const Box *o = &p->taken.data[i];
        if (b.x < o->x + o->w && o->x < b.x + b.w && b.y < o->y + o->h && o->y < b.y + b.h)
            return true;
    }
    return false;
}

/* The layer beside its dot, where there is room; a dot without room stays without words. */
static bool place_label(Plot *p, const Dot *d)
{
    static const double WHERE[][2] = { { 1, 0 }, { -1, 0 }, { 0, -1 }, { 0, 1 }, { 1, -1 }, { -1, -1 }, { 1, 1 }, { -1, 1 } };
    Arena *a = p->svg->bench->arena;
    const LFunc *f = d->row->func;
    const char *text = f->path ? arena_printf(a, "%s:%d", f->path, f->loc.line) : f->name;
    double w = text_width(text, 11), h = 14, r = d->r + 4;
    for (int far = 0; far < 3; far++, r += 12)
        for (size_t i = 0; i < sizeof WHERE / sizeof *WHERE; i++) {
            double dx = WHERE[i][0], dy = WHERE[i][1];
            Box b = { d->x + dx * r - (dx > 0 ? 0 : dx < 0 ? w : w / 2), d->y + dy * r - h / 2 + dy * h / 2, w, h };
            if (overlaps(p, b))
                continue;
            if (far)
                add_line(p->svg, d->x + dx * d->r, d->y + dy * d->r, d->x + dx * (r - 2), d->y + dy * (r - 2), "#9aa5b1", 0.8);
            add_label(p->svg, b.x, b.y + 11, 11, INK, "start", text);
            VEC_PUSH(a, &p->taken, b);
            return true;
        }
    return false;
}

static int largest_first(const void *a, const void *b)
{
    const Dot *x = a, *y = b;
    return (x->row->share < y->row->share) - (x->row->share > y->row->share);
}

static void add_dots(Plot *p)
{
    qsort(p->dots.data, (size_t)p->dots.len, sizeof *p->dots.data, largest_first);
    Arena *a = p->svg->bench->arena;
    for (int i = 0; i < p->dots.len; i++) {
        const Dot *d = &p->dots.data[i];
        text_addf(&p->svg->out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" fill=\"%s\" fill-opacity=\"0.72\" stroke=\"%s\"><title>", d->x, d->y,
                  d->r, COLORS[d->color], PAPER);
        add_escaped(&p->svg->out, arena_printf(a, "%s, %s, %.1f%% of the time", d->row->func->note ? d->row->func->note : d->row->func->name,
                                               bench_seconds_text(a, d->row->samples->median), d->row->share * 100));
        text_add(&p->svg->out, "</title></circle>\n");
        VEC_PUSH(a, &p->taken, (Box){ d->x - d->r, d->y - d->r, 2 * d->r, 2 * d->r });
    }
    int labels = 0;
    for (int i = 0; i < p->dots.len && labels < MOST_LABELS; i++)
        labels += p->dots.data[i].row->share > 0.02 && place_label(p, &p->dots.data[i]);
}

/* What a user would run: LLVM's before C's, fused before unfused. */
static const Build *shown_build(const Bench *b)
{
    const Build *best = b->cases.data[0]->subject->build;
    for (int i = 0; i < b->cases.len; i++) {
        const Build *build = b->cases.data[i]->subject->build;
        bool llvm = strcmp(build->backend, "llvm") == 0, had = strcmp(best->backend, "llvm") == 0;
        if ((!build->unfused && best->unfused) || (build->unfused == best->unfused && llvm && !had))
            best = build;
    }
    return best;
}

static bool in_roofline(const Bench *b, const Case *c)
{
    const Build *shown = shown_build(b), *build = c->subject->build;
    return build->unfused == shown->unfused && strcmp(build->backend, shown->backend) == 0 &&
           c->threads == (int)b->threads[b->n_threads - 1];
}

static double intensity(const Row *r) { return r->work.flops / (r->work.read + r->work.written); }

static bool has_place(const Row *r)
{
    return r->work.flops > 0 && r->work.read + r->work.written > 0 && r->samples->median > 0 && r->share > 1e-3;
}

static void fit_axes(Plot *p)
{
    const Machine *m = p->machine;
    double least = m->flops / m->read[LEVEL_L1] / 4, most = m->flops / m->read[LEVEL_MEMORY] * 4, low = m->flops * 1e-11;
    for (int i = 0; i < p->dots.len; i++) {
        const Row *r = p->dots.data[i].row;
        least = fmin(least, intensity(r) / 2);
        most = fmax(most, intensity(r));
        low = fmin(low, r->work.flops / r->samples->median * 1e-9);
    }
    p->x0 = fmax(floor(log10(least)), -3);
    p->x1 = ceil(log10(most));
    p->y0 = fmax(floor(log10(low)), -2);
    p->y1 = ceil(log10(m->flops * 1.2e-9));
}

static void add_roofline(Svg *s)
{
    const Bench *b = s->bench;
    Arena *a = b->arena;
    Plot p = { .svg = s, .machine = &b->machines[b->n_threads - 1], .left = MARGIN + 62, .width = WIDTH - 2 * MARGIN - 62,
               .height = PLOT_HEIGHT };
    add_label(s, MARGIN, s->y, 16, INK, "start", "Roofline");
    add_label(s, MARGIN, s->y + 19, 12, SOFT, "start",
              arena_printf(a, "a dot a kernel, as large as its share of the time; %s, %d thread%s; without those below 0.1%% or without arithmetic",
                           build_name(a, shown_build(b)), p.machine->threads, p.machine->threads > 1 ? "s" : ""));
    s->y += 40;
    double x = MARGIN;
    int color = 0;
    for (int i = 0; i < b->cases.len; i++) {
        const Case *c = b->cases.data[i];
        if (!in_roofline(b, c))
            continue;
        const LEntry *e = bench_entry(c->subject);
        const Row *rows = profile_rows(b, c);
        for (int k = 0; k < e->calls.len; k++)
            if (has_place(&rows[k]))
                VEC_PUSH(a, &p.dots, (Dot){ .row = &rows[k], .r = 3 + 11 * sqrt(rows[k].share), .color = color % MAX_COLORS });
        const char *name = arena_printf(a, "%s, batch %" PRId64, e->name, e->batch);
        if (x + 30 + text_width(name, 12) > WIDTH - MARGIN) {
            x = MARGIN;
            s->y += 20;
        }
        text_addf(&s->out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"6\" fill=\"%s\"/>\n", x + 6, s->y, COLORS[color++ % MAX_COLORS]);
        add_label(s, x + 18, s->y + 4, 12, SOFT, "start", name);
        x += 18 + text_width(name, 12) + 24;
    }
    p.top = s->y + 22;
    fit_axes(&p);
    for (int i = 0; i < p.dots.len; i++) {
        Dot *d = &p.dots.data[i];
        d->x = plot_x(&p, fmax(intensity(d->row), pow(10, p.x0)));
        d->y = plot_y(&p, fmax(d->row->work.flops / d->row->samples->median * 1e-9, pow(10, p.y0)));
    }
    add_axes(&p);
    add_roofs(&p);
    add_dots(&p);
    s->y = p.top + p.height + 60;
}

char *bench_svg(const Bench *b)
{
    Svg s = { .bench = b, .out = { .arena = b->arena }, .y = 92 };
    text_add(&s.out, "");
    add_label(&s, MARGIN, 38, 20, INK, "start", b->file);
    add_label(&s, MARGIN, 57, 12, SOFT, "start", "nnc bench: all builds in turns in one process");
    add_bars(&s);
    add_roofline(&s);
    return arena_printf(b->arena,
                        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%.0f\" viewBox=\"0 0 %d %.0f\" "
                        "font-family=\"Helvetica, Arial, 'DejaVu Sans', sans-serif\">\n"
                        "<rect width=\"100%%\" height=\"100%%\" fill=\"%s\"/>\n%s</svg>\n",
                        WIDTH, s.y, WIDTH, s.y, PAPER, s.out.data);
}
