/* `nnc bench --trace`: one call of every case in the Chrome trace format (an object with traceEvents), a
 * process a case, a slice a kernel; chrome://tracing and Perfetto show it. The call shown is a median one. */
#include "bench/bench.h"
#include "bench/json.h"

#include <inttypes.h>
#include <string.h>

static void add_metadata(Text *out, int pid, const char *what, const char *name)
{
    text_addf(out, "{\"ph\": \"M\", \"pid\": %d, \"tid\": 0, \"name\": \"%s\", \"args\": {\"name\": ", pid, what);
    json_string(out, name);
    text_add(out, "}},\n");
}

static void add_case(const Bench *b, const Case *c, int pid, Text *out)
{
    const LEntry *e = bench_entry(c->subject);
    const Row *rows = profile_rows(b, c);
    add_metadata(out, pid, "process_name",
                 arena_printf(b->arena, "%s, batch %" PRId64 ", %s, %s, %d thread%s", e->name, e->batch,
                              c->subject->build->backend, c->subject->build->unfused ? "unfused" : "fused", c->threads,
                              c->threads > 1 ? "s" : ""));
    add_metadata(out, pid, "thread_name", arena_printf(b->arena, "calls (%d threads at work)", c->threads));
    for (int k = 0; k < e->calls.len; k++) {
        const Row *r = &rows[k];
        const double least = 1e-9; /* a clock cannot see less, and figures divide by it */
        double seconds = c->trace[k].seconds > least ? c->trace[k].seconds : least;
        text_addf(out, "{\"ph\": \"X\", \"pid\": %d, \"tid\": 0, \"ts\": %.3f, \"dur\": %.3f, \"cat\": ", pid, c->trace[k].begin * 1e6,
                  c->trace[k].seconds * 1e6);
        json_string(out, r->func->path ? r->func->path : "kernel");
        text_add(out, ", \"name\": ");
        json_string(out, r->func->name);
        text_add(out, ", \"args\": {\"layers\": ");
        json_string(out, r->func->note);
        text_add(out, ", \"schedule\": ");
        json_string(out, r->schedule);
        text_addf(out, ", \"gflops\": %.4g, \"gbs\": %.4g, \"of_limit\": %.3f, \"threads\": %d}},\n",
                  r->work.flops / seconds * 1e-9, (r->work.read + r->work.written) / seconds * 1e-9, r->limit / seconds,
                  c->threads);
    }
}

char *bench_trace(const Bench *b)
{
    Text out = { .arena = b->arena };
    text_add(&out, "{\"displayTimeUnit\": \"ns\", \"traceEvents\": [\n");
    for (int i = 0; i < b->cases.len; i++)
        add_case(b, b->cases.data[i], i + 1, &out);
    out.len -= strlen(",\n"); /* of the last event */
    out.data[out.len] = 0;
    text_add(&out, "\n]}\n");
    return out.data;
}
