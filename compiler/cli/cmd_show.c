/* show: a table a layer, totals, and the memory of every entry point. */
#include "cli/cli.h"
#include "graph/layout.h"
#include "nnc_internal.h"
#include "ops/ops.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    const char *path;
    Type shape;         /* of the last value the layer computes */
    bool has_shape;
    int64_t params, macs, bytes; /* bytes of parameters and states */
} Layer;

typedef struct {
    Arena *arena;
    Vec(Layer) layers;
    Layer total;
} Table;

static Layer *layer_of(Table *t, const char *path)
{
    for (int i = 0; i < t->layers.len; i++)
        if (strcmp(t->layers.data[i].path, path) == 0)
            return &t->layers.data[i];
    VEC_PUSH(t->arena, &t->layers, (Layer){ .path = path });
    return &t->layers.data[t->layers.len - 1];
}

static void count_layers(Table *t, const Graph *g)
{
    Vec(const Var *) seen = { 0 };
    for (int i = 0; i < g->nodes.len; i++) {
        const Node *n = g->nodes.data[i];
        if (n->op->flags & OP_ROOT)
            continue;
        bool leaf = (n->op->flags & OP_LEAF) != 0;
        if (leaf && n->op != &op_var)
            continue;
        Layer *l = layer_of(t, n->path ? n->path : g->name);
        if (n->op == &op_var) {
            const Var *v = n->attr[0].var;
            bool again = false;
            for (int k = 0; k < seen.len; k++)
                again = again || seen.data[k] == v;
            if (again)
                continue;
            VEC_PUSH(t->arena, &seen, v);
            int64_t count = type_count(&v->type);
            l->params += v->kind == VAR_PARAM ? count : 0;
            l->bytes += count * dtype_bytes(v->type.dtype);
            continue;
        }
        l->shape = n->type;
        l->has_shape = true;
        if (n->op == &op_contract)
            l->macs += n->op->work(n);
    }
    for (int i = 0; i < t->layers.len; i++) {
        t->total.params += t->layers.data[i].params;
        t->total.macs += t->layers.data[i].macs;
        t->total.bytes += t->layers.data[i].bytes;
    }
}

static void print_shape_json(const Type *s)
{
    printf("[");
    for (int i = 0; i < s->rank; i++)
        printf("%s%" PRId64, i ? ", " : "", s->dim[i]);
    printf("]");
}

static void print_table(const Table *t, const char *net, bool json)
{
    if (!json)
        printf("%s\n  %-28s %-20s %12s %14s %12s\n", net, "layer", "output", "parameters", "multiply-adds", "bytes");
    for (int i = 0; i < t->layers.len; i++) {
        const Layer *l = &t->layers.data[i];
        if (!l->params && !l->macs && strcmp(l->path, net) == 0)
            continue; /* what stands between the layers: activations, pooling */
        if (json) {
            printf("{\"net\": \"%s\", \"layer\": \"%s\", \"output\": ", net, l->path);
            print_shape_json(&l->shape);
            printf(", \"parameters\": %" PRId64 ", \"macs\": %" PRId64 ", \"bytes\": %" PRId64 "}\n", l->params,
                   l->macs, l->bytes);
        } else {
            printf("  %-28s %-20s %12" PRId64 " %14" PRId64 " %12" PRId64 "\n", l->path,
                   l->has_shape ? type_text(t->arena, &l->shape) : "", l->params, l->macs, l->bytes);
        }
    }
    const Layer *s = &t->total;
    if (json)
        printf("{\"net\": \"%s\", \"total\": true, \"parameters\": %" PRId64 ", \"macs\": %" PRId64
               ", \"bytes\": %" PRId64 "}\n",
               net, s->params, s->macs, s->bytes);
    else
        printf("  %-28s %-20s %12" PRId64 " %14" PRId64 " %12" PRId64 "\n\n", "total", "", s->params, s->macs, s->bytes);
}

static void print_entries(const nnc *n, bool json)
{
    const Module *m = nnc_module(n);
    const LProgram *p = nnc_program(n);
    if (!json)
        printf("%-28s %8s %9s %14s %14s\n", "entry point", "batch", "kernels", "arena bytes", "lower bound");
    for (int i = 0; i < m->graphs.len; i++) {
        const Graph *g = m->graphs.data[i];
        if (g->kind == GRAPH_BODY)
            continue;
        if (json)
            printf("{\"entry\": \"%s\", \"batch\": %" PRId64 ", \"kernels\": %d, \"arena_bytes\": %" PRId64
                   ", \"arena_bound\": %" PRId64 "}\n",
                   g->name, g->batch, g->kernels.len, g->arena_bytes, g->arena_bound);
        else
            printf("%-28s %8" PRId64 " %9d %14" PRId64 " %14" PRId64 "\n", g->name, g->batch, g->kernels.len,
                   g->arena_bytes, g->arena_bound);
    }
    if (json)
        printf("{\"weights_bytes\": %" PRId64 ", \"optimizer_bytes\": %" PRId64 "}\n", p->weights_bytes, p->slots_bytes);
    else
        printf("weights %" PRId64 " bytes, optimizer %" PRId64 " bytes\n", p->weights_bytes, p->slots_bytes);
}

/* What works through the batch part by part. */
static void print_runs(const nnc *n, bool json)
{
    const LProgram *p = nnc_program(n);
    for (int i = 0; i < p->entries.len; i++) {
        const LEntry *e = p->entries.data[i];
        for (int k = 0; k < e->runs.len; k++) {
            const LRun *r = &e->runs.data[k];
            const char *form = json ? "{\"entry\": \"%s\", \"batch\": %" PRId64 ", \"run_first\": %d, \"run_last\": %d, \"chunks\": %" PRId64
                                      ", \"lanes\": %" PRId64 ", \"lane_bytes\": %" PRId64 "}\n"
                                    : "in chunks %s, batch %" PRId64 ": kernels %d to %d, %" PRId64 " chunks in %" PRId64
                                      " lanes of %" PRId64 " bytes\n";
            printf(form, e->name, e->batch, r->first, r->first + r->count - 1, r->chunks, r->lanes, r->lane_bytes);
        }
    }
}

/* What inference reads instead of computing it of the parameters at every call, and what memory that takes. */
static void print_prepared(const nnc *n, bool json)
{
    const LProgram *p = nnc_program(n);
    int64_t all = 0;
    for (int i = 0; i < p->n_globals; i++) {
        const LGlobal *g = &p->globals[i];
        int64_t bytes = g->count * 4;
        if (g->kind != NNR_PREPARED || g->info.dtype != NNR_F32)
            continue;
        all += bytes;
        if (json)
            printf("{\"prepared\": \"%s\", \"bytes\": %" PRId64 "}\n", g->info.name, bytes);
        else
            printf("prepared for inference %s, %" PRId64 " bytes\n", g->info.name, bytes);
    }
    if (all && json)
        printf("{\"prepared_bytes\": %" PRId64 "}\n", all);
    else if (all)
        printf("prepared for inference, of the weights' bytes: %" PRId64 "\n", all);
}

/* Parameters that do not lie in memory as they are declared. */
static void print_layouts(const nnc *n, bool json)
{
    const Module *m = nnc_module(n);
    for (int i = 0; i < m->vars.len; i++) {
        const Var *v = m->vars.data[i];
        if (!v->layout.rank || v->kind == VAR_SLOT)
            continue;
        Type declared = layout_rows(&v->layout, v->type.dtype);
        const char *order = layout_text(nnc_arena(n), &v->layout);
        if (json) {
            printf("{\"variable\": \"%s\", \"stored\": ", v->name);
            print_shape_json(&v->type);
            printf(", \"layout\": \"%s\"}\n", order);
        } else {
            printf("in memory %s %s is %s, dimensions %s\n", v->name, TYPE_TEXT(&declared), TYPE_TEXT(&v->type), order);
        }
    }
}

int cmd_show(CliArgs *args)
{
    nnc *n = cli_open(args, NULL, 0);
    bool ok = nnc_load(n, args->file) == 0;
    if (args->fusion) {
        ok = ok && nnc_compile(n) == 0;
        if (ok)
            show_fusion(n, args);
        cli_close(n, args);
        return ok && fflush(stdout) == 0 ? CLI_OK : CLI_FAILED;
    }
    for (int i = 0; ok && i < nnc_module(n)->graphs.len; i++) {
        const Graph *g = nnc_module(n)->graphs.data[i];
        bool first = module_find_graph(nnc_module(n), g->name, -1) == g;
        if (g->kind != GRAPH_INFER || !first)
            continue;
        Table t = { .arena = nnc_arena(n) };
        count_layers(&t, g);
        print_table(&t, g->name, args->json);
    }
    ok = ok && nnc_compile(n) == 0;
    if (ok) {
        print_entries(n, args->json);
        print_runs(n, args->json);
        print_layouts(n, args->json);
        print_prepared(n, args->json);
    }
    cli_close(n, args);
    return ok && fflush(stdout) == 0 ? CLI_OK : CLI_FAILED;
}
