/* A graph of one operation from one of its samples, and values for its operands: what the tests of
 * operations share. */
#ifndef NNC_TESTS_OPS_SAMPLE_H
#define NNC_TESTS_OPS_SAMPLE_H
#include "ops/build.h"
#include "ops/ops.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    uint64_t state;
} Rng;
static inline double rng_unit(Rng *r) /* [0, 1) */
{
    r->state += 0x9e3779b97f4a7c15u;
    return (double)(nnr_mix64(r->state) >> 11) * 0x1p-53;
}

typedef struct {
    Module *module;
    Graph *g;
    Node *operand[4], *node;
    int n_in;
    NamedTensor inputs[4]; /* "x0", "x1" ... with values */
    const char *text;      /* "pad sample 2 (gaps)", for messages */
} SampleGraph;

static inline double sample_value(Rng *r, const OpSample *s, DType t)
{
    double v = s->lo + (s->hi - s->lo) * rng_unit(r);
    if (t == DT_BOOL)
        return rng_unit(r) < 0.5;
    if (t == DT_I32)
        return floor(s->lo + (s->hi - s->lo + 1) * rng_unit(r));
    return (double)(float)v;
}

/* f32 values on a grid in random order, so that no two are near each other, across all operands. */
static inline void spread_values(SampleGraph *sg, const OpSample *s, Rng *r)
{
    int64_t total = 0, at = 0;
    for (int i = 0; i < sg->n_in; i++)
        total += s->in[i].dtype == DT_F32 ? type_count(&s->in[i]) : 0;
    double *v = malloc(sizeof *v * (size_t)(total + 1));
    for (int64_t k = 0; k < total; k++)
        v[k] = s->lo + (s->hi - s->lo) * ((double)k + 0.3 + 0.4 * rng_unit(r)) / (double)total;
    for (int64_t k = total - 1; k > 0; k--) {
        int64_t j = (int64_t)(rng_unit(r) * (double)(k + 1));
        double t = v[k];
        v[k] = v[j];
        v[j] = t;
    }
    for (int i = 0; i < sg->n_in; i++)
        for (int64_t k = 0; s->in[i].dtype == DT_F32 && k < type_count(&s->in[i]); k++)
            sg->inputs[i].value.data[k] = (double)(float)v[at++];
    free(v);
}

/* Returns false (and prints) when the op's own rule refuses the sample. */
static inline bool sample_graph(Arena *arena, const OpDef *op, int k, SampleGraph *sg)
{
    const OpSample *s = &op->samples[k];
    Rng r = { 1000 + (uint64_t)k };
    Why why;
    *sg = (SampleGraph){ .n_in = s->n_in };
    sg->text = arena_printf(arena, "%s sample %d%s%s%s", op->name, k, s->note ? " (" : "",
                            s->note ? s->note : "", s->note ? ")" : "");
    sg->module = module_new(arena, intern_new(arena), "sample");
    sg->g = graph_new(sg->module, "sample", GRAPH_INFER, 0);
    for (int i = 0; i < s->n_in; i++) {
        const char *name = arena_printf(arena, "x%d", i);
        sg->operand[i] = build_input(sg->g, name, s->in[i]);
        sg->inputs[i] = (NamedTensor){ name, tensor_new(arena, s->in[i]) };
        for (int64_t e = 0; e < type_count(&s->in[i]); e++)
            sg->inputs[i].value.data[e] = sample_value(&r, s, s->in[i].dtype);
    }
    if (s->distinct)
        spread_values(sg, s, &r);
    sg->node = graph_add(sg->g, op, sg->operand, s->n_in, s->attr, &why);
    if (!sg->node)
        fprintf(stderr, "%s: %s\n", sg->text, why.text);
    return sg->node != NULL;
}

static inline EvalRun sample_run(const SampleGraph *sg)
{
    return (EvalRun){ .ctx = { .seed = 7, .step = 3, .epoch = 2 },
                      .inputs = sg->inputs,
                      .n_inputs = sg->n_in };
}

/* loss = sum of the node's elements, each with a fixed weight of its own; output "loss". */
static inline Node *sample_loss(Arena *arena, SampleGraph *sg)
{
    Rng r = { 77 };
    Node *y = sg->node;
    double *w = ARENA_ARRAY(arena, double, type_count(&y->type));
    for (int64_t i = 0; i < type_count(&y->type); i++)
        w[i] = rng_unit(&r) + 0.5;
    int64_t axes[MAX_RANK] = { 0, 1, 2, 3, 4, 5, 6, 7 };
    Node *weighted = build_binary(sg->g, &op_mul, y, build_const(sg->g, y->type, w));
    Node *loss = build_reduce(sg->g, &op_sum, weighted, axes, y->type.rank);
    build_output(sg->g, "loss", loss);
    return loss;
}

static inline const Tensor *sample_output(const EvalRun *run, const char *name)
{
    for (int i = 0; i < run->outputs.len; i++)
        if (strcmp(run->outputs.data[i].name, name) == 0)
            return &run->outputs.data[i].value;
    return NULL;
}
#endif
