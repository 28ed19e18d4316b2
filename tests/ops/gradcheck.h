/* Gradients against central differences, in double precision. A program is a function that builds a
 * scalar loss from its inputs "x0", "x1" ...; it is built twice: forward only, to be evaluated at
 * shifted inputs, and with gradient markers for every f32 input, run through pass_grad. */
#ifndef TESTS_GRADCHECK_H
#define TESTS_GRADCHECK_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "ops/build.h"
#include "passes/passes.h"

typedef Node *(*BuildLoss)(Graph *g, Node **x, const void *arg);

typedef struct {
    const char *name;
    int n_in;
    Type in[6];
    double lo, hi;
    BuildLoss build;
    const void *arg;
} Program;

static inline double random_unit(uint64_t i) { return (double)(nnr_mix64(i * 7919 + 12345) >> 11) * 0x1p-53; }

static inline Tensor random_tensor(Arena *arena, Type t, double lo, double hi, uint64_t salt)
{
    Tensor x = tensor_new(arena, t);
    for (int64_t i = 0; i < type_count(&t); i++) {
        double v = lo + (hi - lo) * random_unit((uint64_t)i + salt * 100003);
        x.data[i] = t.dtype == DT_I32 ? floor(v) : t.dtype == DT_BOOL ? v > (lo + hi) / 2 : v;
    }
    return x;
}

static inline const char *input_name(Arena *arena, int k) { return arena_printf(arena, "x%d", k); }

/* The graph of a program; with markers: outputs "g0", "g1" ... hold the gradients. */
static inline Graph *program_graph(Arena *arena, const Program *p, bool markers)
{
    Module *m = module_new(arena, intern_new(arena), "test");
    Graph *g = graph_new(m, "test", markers ? GRAPH_STEP : GRAPH_INFER, 0);
    Node *x[6];
    for (int k = 0; k < p->n_in; k++)
        x[k] = build_input(g, input_name(arena, k), p->in[k]);
    Node *loss = p->build(g, x, p->arg);
    build_output(g, "loss", loss);
    for (int k = 0; k < p->n_in && markers; k++)
        if (p->in[k].dtype == DT_F32)
            build_output(g, arena_printf(arena, "g%d", k), build_gradient(g, loss, x[k]));
    return g;
}

static inline void must_verify(const Graph *g, Arena *arena, const char *name, const char *when)
{
    const char *fault = graph_verify(g, arena);
    if (fault)
        fail_msg("%s: after %s: %s", name, when, fault);
}

static inline void must_run(bool (*pass)(PassCtx *, Graph *), const char *pass_name, Graph *g, Arena *arena,
                            const char *name)
{
    PassCtx ctx = { .arena = arena };
    if (!pass(&ctx, g))
        fail_msg("%s: %s: %s", name, pass_name, ctx.why.text);
    must_verify(g, arena, name, pass_name);
}

static inline EvalRun must_eval(const Graph *g, const NamedTensor *in, int n_in, Arena *arena, const char *name)
{
    EvalRun run = { .ctx = { .seed = 3, .step = 5 }, .inputs = in, .n_inputs = n_in };
    const char *fault = graph_eval(g, &run, arena);
    if (fault)
        fail_msg("%s: %s", name, fault);
    return run;
}

static inline const Tensor *find_output(const EvalRun *run, const char *name)
{
    for (int i = 0; i < run->outputs.len; i++)
        if (strcmp(run->outputs.data[i].name, name) == 0)
            return &run->outputs.data[i].value;
    fail_msg("no output %s", name);
    return NULL;
}

static inline double loss_at(const Graph *g, const NamedTensor *in, int n_in, const char *name)
{
    Arena *scratch = arena_new();
    EvalRun run = must_eval(g, in, n_in, scratch, name);
    double loss = find_output(&run, "loss")->data[0];
    arena_free(scratch);
    return loss;
}

/* Largest number of elements of one input that are shifted; beyond it, evenly chosen ones. */
enum { MAX_SHIFTED = 64 };

static inline void compare_input(const Graph *forward, NamedTensor *in, int n_in, int k, const Tensor *grad,
                                 const char *name)
{
    double *x = in[k].value.data;
    int64_t count = type_count(&in[k].value.type), stride = (count + MAX_SHIFTED - 1) / MAX_SHIFTED;
    for (int64_t i = 0; i < count; i += stride) {
        double kept = x[i], h = 1e-4;
        x[i] = kept + h;
        double up = loss_at(forward, in, n_in, name);
        x[i] = kept - h;
        double down = loss_at(forward, in, n_in, name);
        x[i] = kept;
        double want = (up - down) / (2 * h), scale = fmax(fabs(want), 1e-2);
        if (!(fabs(grad->data[i] - want) <= 1e-5 * scale))
            fail_msg("%s: gradient of x%d at %lld is %.9g, by differences %.9g", name, k, (long long)i,
                     grad->data[i], want);
    }
}

/* Checks a program's gradients, before and after simplify, cse and dce. */
static inline void check_program(const Program *p)
{
    Arena *arena = arena_new();
    Graph *forward = program_graph(arena, p, false), *back = program_graph(arena, p, true);
    NamedTensor in[6];
    for (int k = 0; k < p->n_in; k++)
        in[k] = (NamedTensor){ input_name(arena, k), random_tensor(arena, p->in[k], p->lo, p->hi, (uint64_t)k) };
    must_run(pass_grad, "grad", back, arena, p->name);
    for (int simplified = 0; simplified < 2; simplified++) {
        if (simplified) {
            must_run(pass_simplify, "simplify", back, arena, p->name);
            must_run(pass_cse, "cse", back, arena, p->name);
            must_run(pass_dce, "dce", back, arena, p->name);
        }
        EvalRun run = must_eval(back, in, p->n_in, arena, p->name);
        for (int k = 0; k < p->n_in; k++)
            if (p->in[k].dtype == DT_F32)
                compare_input(forward, in, p->n_in, k, find_output(&run, arena_printf(arena, "g%d", k)), p->name);
    }
    arena_free(arena);
}
#endif
