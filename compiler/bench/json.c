/* `nnc bench --json`: an object a line. */
#include "bench/json.h"
#include "bench/bench.h"
#include "nnc_internal.h"

#include <inttypes.h>

void json_string(Text *out, const char *s)
{
    text_add(out, "\"");
    for (; s && *s; s++) {
        if (*s == '"' || *s == '\\')
            text_addf(out, "\\%c", *s);
        else if ((unsigned char)*s < 32)
            text_addf(out, "\\u%04x", (unsigned)*s);
        else
            text_add_n(out, s, 1);
    }
    text_add(out, "\"");
}

static void add_text(Text *out, const char *name, const char *value)
{
    text_addf(out, ", \"%s\": ", name);
    json_string(out, value);
}

static void add_machine(const Machine *m, Text *out)
{
    text_addf(out, "{\"machine\": {\"threads\": %d, \"gflops\": %.6g, \"l1_gbs\": %.6g, \"l2_gbs\": %.6g, \"l3_gbs\": %.6g, "
                   "\"read_gbs\": %.6g, \"triad_gbs\": %.6g}}\n",
              m->threads, m->flops * 1e-9, m->read[LEVEL_L1] * 1e-9, m->read[LEVEL_L2] * 1e-9, m->read[LEVEL_L3] * 1e-9,
              m->read[LEVEL_MEMORY] * 1e-9, m->triad * 1e-9);
}

static void add_case(const Bench *b, const Case *c, Text *out)
{
    Figures f = bench_figures(b, c);
    double t = c->samples.median, bytes = f.total.read + f.total.written;
    text_add(out, "{\"entry\": ");
    json_string(out, f.entry->name);
    add_text(out, "backend", c->subject->build->backend);
    text_addf(out, ", \"batch\": %" PRId64 ", \"fused\": %s, \"threads\": %d, \"seconds\": %.6g, \"p10\": %.6g, \"p90\": %.6g"
                   ", \"samples\": %d, \"gflops\": %.6g, \"gbs\": %.6g, \"limit_seconds\": %.6g, \"of_limit\": %.4f"
                   ", \"flops\": %.0f, \"bytes\": %.0f, \"calls\": %d, \"arena_bytes\": %" PRId64 "}\n",
              f.entry->batch, c->subject->build->unfused ? "false" : "true", c->threads, t, c->samples.low, c->samples.high,
              c->samples.n, f.total.flops / t * 1e-9, bytes / t * 1e-9, f.limit, f.limit / t, f.total.flops, bytes,
              f.kernels, f.entry->arena_bytes);
}

static void add_kernels(const Bench *b, const Case *c, Text *out)
{
    const LEntry *e = bench_entry(c->subject);
    const Row *rows = profile_rows(b, c);
    for (int k = 0; k < e->calls.len; k++) {
        const Row *r = &rows[k];
        text_add(out, "{\"kernel\": ");
        json_string(out, r->func->name);
        add_text(out, "entry", e->name);
        add_text(out, "backend", c->subject->build->backend);
        text_addf(out, ", \"batch\": %" PRId64 ", \"fused\": %s, \"threads\": %d, \"call\": %d", e->batch,
                  c->subject->build->unfused ? "false" : "true", c->threads, k);
        add_text(out, "layer", r->func->path);
        add_text(out, "layers", r->func->note);
        add_text(out, "file", r->func->loc.file);
        text_addf(out, ", \"line\": %d", r->func->loc.line);
        add_text(out, "schedule", r->schedule);
        add_text(out, "bound", r->bound);
        text_addf(out, ", \"seconds\": %.6g, \"p10\": %.6g, \"p90\": %.6g, \"share\": %.4f, \"flops\": %.0f, \"bytes\": %.0f"
                       ", \"limit_seconds\": %.6g}\n",
                  r->samples->median, r->samples->low, r->samples->high, r->share, r->work.flops,
                  r->work.read + r->work.written, r->limit);
    }
}

void bench_json(const Bench *b, Text *out)
{
    for (int i = 0; i < b->n_threads; i++)
        add_machine(&b->machines[i], out);
    for (int i = 0; i < b->cases.len; i++)
        add_case(b, b->cases.data[i], out);
    bench_fusion_json(b, out);
    for (int i = 0; b->profile && i < b->cases.len; i++)
        add_kernels(b, b->cases.data[i], out);
}
