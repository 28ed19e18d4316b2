/* `nnc bench --compare fusion`: why the fused program has the kernels it has. The fuse pass leaves a note for
 * every value that one operation reads of another (`nnc show --fusion` has them one by one); here they are
 * counted by reason, once an entry point, since threads and back ends share them. */
#include "bench/bench.h"
#include "bench/json.h"
#include "graph/graph.h"
#include "nnc_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    bool fused;
    const char *reason;
    int count;
} Reason;
typedef Vec(Reason) ReasonVec;

static int most_first(const void *a, const void *b)
{
    const Reason *x = a, *y = b;
    return x->fused != y->fused ? y->fused - x->fused : y->count != x->count ? y->count - x->count : strcmp(x->reason, y->reason);
}

static ReasonVec reasons_of(const Bench *b, const Case *c)
{
    const Module *m = nnc_module(c->subject->build->compiler);
    const LEntry *e = bench_entry(c->subject);
    ReasonVec found = { 0 };
    for (int i = 0; i < m->graphs.len; i++) {
        const Graph *g = m->graphs.data[i];
        for (int k = 0; g->batch == e->batch && strcmp(g->name, e->name) == 0 && k < g->fusion.len; k++) {
            const FusionNote *note = &g->fusion.data[k];
            int at = 0;
            while (at < found.len && (found.data[at].fused != note->fused || strcmp(found.data[at].reason, note->reason) != 0))
                at++;
            if (at == found.len)
                VEC_PUSH(b->arena, &found, (Reason){ note->fused, note->reason, 0 });
            found.data[at].count++;
        }
    }
    if (found.len)
        qsort(found.data, (size_t)found.len, sizeof *found.data, most_first);
    return found;
}

/* The first fused case of its entry point and batch, where an unfused one is beside it. */
static bool speaks_for_entry(const Bench *b, int i)
{
    const Case *c = b->cases.data[i];
    const LEntry *e = bench_entry(c->subject);
    bool compared = false;
    for (int k = 0; k < b->cases.len; k++) {
        const Case *o = b->cases.data[k];
        const LEntry *other = bench_entry(o->subject);
        if (other->batch != e->batch || strcmp(other->name, e->name) != 0)
            continue;
        if (k < i && !o->subject->build->unfused)
            return false;
        compared |= o->subject->build->unfused;
    }
    return compared && !c->subject->build->unfused;
}

void bench_fusion_table(const Bench *b, Text *out)
{
    for (int i = 0; i < b->cases.len; i++) {
        if (!speaks_for_entry(b, i))
            continue;
        const LEntry *e = bench_entry(b->cases.data[i]->subject);
        const ReasonVec found = reasons_of(b, b->cases.data[i]);
        text_addf(out, "fusion's reasons: %s, batch %" PRId64 "\n", e->name, e->batch);
        for (int k = 0; k < found.len; k++)
            text_addf(out, "  %5d value%s %s: %s\n", found.data[k].count, found.data[k].count == 1 ? " " : "s",
                      found.data[k].fused ? "fused" : "apart", found.data[k].reason);
    }
}

void bench_fusion_json(const Bench *b, Text *out)
{
    for (int i = 0; i < b->cases.len; i++) {
        if (!speaks_for_entry(b, i))
            continue;
        const LEntry *e = bench_entry(b->cases.data[i]->subject);
        const ReasonVec found = reasons_of(b, b->cases.data[i]);
        for (int k = 0; k < found.len; k++) {
            text_add(out, "{\"fusion_of\": ");
            json_string(out, e->name);
            text_addf(out, ", \"batch\": %" PRId64 ", \"fused\": %s, \"values\": %d, \"reason\": ", e->batch,
                      found.data[k].fused ? "true" : "false", found.data[k].count);
            json_string(out, found.data[k].reason);
            text_add(out, "}\n");
        }
    }
}
