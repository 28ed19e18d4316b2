/* Compares compiled code with the reference evaluator, many graphs in one module and one compilation.
 *
 *   Diff *d = diff_new("name");
 *   Graph *g = diff_graph(d, "case"); ... build or read its nodes ...
 *   diff_finish(d, g, options of the input values);   runs the evaluator
 *   DiffBuild b = diff_build(d, options);             passes, lowering, a back end, loading
 *   diff_check(d, &b, 1e-4);                          runs every entry, compares
 *
 * One Diff serves one target and one way of fusion (passes change the graphs), and any number of back
 * ends, which are given the same loops one after the other: diff_build, diff_unload, diff_build ...
 * Everything here fails the running test. */
#ifndef NNC_TESTS_DIFF_H
#define NNC_TESTS_DIFF_H
#include <math.h>

#include "diff_build.h"
#include "force_chunks.h"
#include "ops/build.h"
#include "passes/passes.h"
#include "runtime/layout.h"

typedef struct {
    double lo, hi;
    bool distinct;
} DiffRange;

typedef struct {
    Graph *graph;
    const char *note;
    NamedTensor *inputs;
    int n_inputs;
    Tensor *before, *after; /* variables, by index */
    NamedTensor *outputs;
    int n_outputs;
} DiffCase;

typedef struct {
    Arena *arena;
    Module *module;
    Vec(DiffCase) cases;
    uint64_t random;
    nnr_ctx ctx;
    const Tensor *vars; /* values of the variables at entry, by index; NULL: drawn */
    LProgram *program;  /* after the first build */
    const LTarget *target;
    bool no_fuse;
    int64_t chunk, lanes; /* chunk > 0: runs of kernels wherever they are possible, in chunks of so many samples */
    int runs;             /* how many there are then */
    double var_tolerance; /* of updated variables, where it is not that of outputs */
    int not_run; /* calls that another machine's emulator could not do */
} Diff;

static inline Diff *diff_of_module(Arena *arena, Module *module)
{
    Diff *d = ARENA_NEW(arena, Diff);
    d->arena = arena;
    d->module = module;
    d->random = 0x9e3779b97f4a7c15u;
    d->ctx = (nnr_ctx){ .seed = 7, .step = 3, .epoch = 2 };
    return d;
}

static inline Diff *diff_new(const char *name)
{
    Arena *arena = arena_new();
    return diff_of_module(arena, module_new(arena, intern_new(arena), name));
}

static inline double diff_uniform(Diff *d)
{
    d->random = nnr_mix64(d->random + 0x9e3779b97f4a7c15u);
    return (double)(d->random >> 11) * 0x1p-53;
}

static inline Tensor diff_values(Diff *d, Type type, DiffRange range)
{
    Tensor t = tensor_new(d->arena, type);
    int64_t n = type_count(&type);
    for (int64_t i = 0; i < n; i++) {
        double u = range.distinct ? ((double)i + 0.25 + 0.5 * diff_uniform(d)) / (double)n : diff_uniform(d);
        double v = range.lo + (range.hi - range.lo) * u;
        if (type.dtype == DT_I32)
            v = floor(range.lo + (range.hi - range.lo + 1) * u);
        else if (type.dtype == DT_BOOL)
            v = u < 0.5;
        t.data[i] = type.dtype == DT_F32 ? (double)(float)v : v;
    }
    for (int64_t i = n - 1; range.distinct && i > 0; i--) { /* in another order */
        int64_t j = (int64_t)(diff_uniform(d) * (double)(i + 1));
        double swap = t.data[i];
        t.data[i] = t.data[j];
        t.data[j] = swap;
    }
    return t;
}

static inline Tensor diff_copy(Diff *d, const Tensor *from)
{
    Tensor t = tensor_new(d->arena, from->type);
    memcpy(t.data, from->data, sizeof *t.data * (size_t)type_count(&t.type));
    return t;
}

static inline Graph *diff_graph(Diff *d, const char *name)
{
    Graph *g = graph_new(d->module, name, GRAPH_INFER, 0);
    assert_non_null(g);
    return g;
}

/* Draws the inputs and variables and evaluates the graph (after gradients became nodes). */
static inline void diff_finish(Diff *d, Graph *g, const char *note, DiffRange range)
{
    PassCtx pass = { .arena = d->arena };
    graph_renumber(g);
    if (!pass_grad(&pass, g))
        fail_msg("%s: grad: %s", g->name, pass.why.text);
    graph_renumber(g);
    DiffCase c = { .graph = g, .note = note };
    c.inputs = ARENA_ARRAY(d->arena, NamedTensor, g->nodes.len);
    for (int i = 0; i < g->nodes.len; i++) {
        const Node *n = g->nodes.data[i];
        if (n->op == &op_input)
            c.inputs[c.n_inputs++] = (NamedTensor){ n->attr[0].name, diff_values(d, n->type, range) };
    }
    int n_vars = d->module->vars.len;
    c.before = ARENA_ARRAY(d->arena, Tensor, n_vars + 1);
    c.after = ARENA_ARRAY(d->arena, Tensor, n_vars + 1);
    for (int i = 0; i < n_vars; i++) {
        c.before[i] = d->vars ? diff_copy(d, &d->vars[i]) : diff_values(d, d->module->vars.data[i]->type, range);
        c.after[i] = diff_copy(d, &c.before[i]);
    }
    EvalRun run = { .ctx = d->ctx, .inputs = c.inputs, .n_inputs = c.n_inputs, .vars = c.after };
    const char *fault = graph_eval(g, &run, d->arena);
    if (fault)
        fail_msg("%s: %s", g->name, fault);
    c.n_outputs = run.outputs.len;
    c.outputs = ARENA_ARRAY(d->arena, NamedTensor, c.n_outputs + 1);
    for (int i = 0; i < c.n_outputs; i++)
        c.outputs[i] = (NamedTensor){ run.outputs.data[i].name, diff_copy(d, &run.outputs.data[i].value) };
    VEC_PUSH(d->arena, &d->cases, c);
}

/* What the init entry makes of the variables, as floats; NULL: there is none. */
static inline const Tensor *diff_initial_values(Diff *d)
{
    Graph *init = module_find_graph(d->module, "init", -1);
    if (!init)
        return NULL;
    int n = d->module->vars.len;
    EvalRun run = { .ctx = d->ctx, .vars = ARENA_ARRAY(d->arena, Tensor, n + 1) };
    for (int i = 0; i < n; i++)
        run.vars[i] = tensor_new(d->arena, d->module->vars.data[i]->type);
    const char *fault = graph_eval(init, &run, d->arena);
    if (fault)
        fail_msg("init: %s", fault);
    for (int i = 0; i < n; i++)
        for (int64_t k = 0; k < type_count(&run.vars[i].type); k++)
            run.vars[i].data[k] = (double)(float)run.vars[i].data[k];
    return run.vars;
}

/* ---- building ---- */

static inline void diff_verify(Diff *d, const Graph *g, const char *after)
{
    const char *fault = graph_verify(g, d->arena);
    if (fault)
        fail_msg("%s after %s: %s", g->name, after, fault);
}

static inline LProgram *diff_lower(Diff *d, const DiffOptions *o)
{
    const LTarget *target = o->target ? o->target : ltarget_host();
    PassCtx pass = { .arena = d->arena, .target = target, .no_fuse = o->no_fuse };
    for (const Pass *p = PASSES; p->name; p++) {
        if (p->run_module && !p->run_module(&pass, d->module))
            fail_msg("%s: %s", p->name, pass.why.text);
        for (int i = 0; i < d->module->graphs.len; i++) {
            Graph *g = d->module->graphs.data[i];
            if (p->run && !p->run(&pass, g))
                fail_msg("%s: %s: %s", g->name, p->name, pass.why.text);
            diff_verify(d, g, p->name);
        }
    }
    for (int i = 0; d->chunk && i < d->module->graphs.len; i++) {
        Graph *g = d->module->graphs.data[i];
        d->runs += force_chunks(d->arena, g, d->chunk, d->lanes);
        diff_verify(d, g, "forced runs");
    }
    Why why = { { 0 } };
    LProgram *program = assemble(d->module, target, "test.nn", false, &why);
    if (!program)
        fail_msg("assemble: %s", why.text);
    return program;
}

static inline DiffBuild diff_build(Diff *d, DiffOptions o)
{
    omp_set_num_threads(2); /* also makes this program hold on to libgomp, whose threads outlive the library */
    if (!d->program) {
        d->program = diff_lower(d, &o);
        d->target = o.target;
        d->no_fuse = o.no_fuse;
    }
    assert_true(d->target == o.target && d->no_fuse == o.no_fuse);
    return diff_compile(d->arena, d->program, &o);
}

static inline void diff_close(Diff *d, DiffBuild *b)
{
    diff_unload(d->arena, b);
    arena_free(d->arena);
}

/* ---- running ---- */

static inline void *diff_block(int64_t bytes)
{
    size_t size = ((size_t)bytes + NNR_ALIGN) / NNR_ALIGN * NNR_ALIGN;
    void *p = aligned_alloc(NNR_ALIGN, size);
    assert_non_null(p);
    memset(p, 0x5a, size);
    return p;
}

static inline void diff_put(void *to, const Tensor *t)
{
    for (int64_t i = 0; i < type_count(&t->type); i++) {
        if (t->type.dtype == DT_F32)
            ((float *)to)[i] = (float)t->data[i];
        else if (t->type.dtype == DT_I32)
            ((int32_t *)to)[i] = (int32_t)t->data[i];
        else
            ((uint8_t *)to)[i] = t->data[i] != 0;
    }
}

static inline double diff_get(const void *from, DType dtype, int64_t i)
{
    if (dtype == DT_F32)
        return (double)((const float *)from)[i];
    return dtype == DT_I32 ? ((const int32_t *)from)[i] : ((const uint8_t *)from)[i];
}

static inline int64_t diff_bytes(const Tensor *t) { return type_count(&t->type) * dtype_bytes(t->type.dtype); }

/* Error relative to the tensor's largest value, at least 1. */
static inline bool diff_close_enough(const void *got, const Tensor *want, double tolerance, const char *what, const DiffCase *c)
{
    double scale = 1;
    for (int64_t i = 0; i < type_count(&want->type); i++)
        if (isfinite(want->data[i]) && fabs(want->data[i]) > scale)
            scale = fabs(want->data[i]);
    for (int64_t i = 0; i < type_count(&want->type); i++) {
        double x = diff_get(got, want->type.dtype, i), y = want->data[i];
        if ((isnan(x) && isnan(y)) || x == y || fabs(x - y) <= tolerance * scale)
            continue;
        fprintf(stderr, "%s (%s): %s[%lld] is %.9g, the evaluator says %.9g\n", c->graph->name, c->note ? c->note : "",
                what, (long long)i, x, y);
        return false;
    }
    return true;
}

static inline int diff_entry_index(const DiffBuild *b, const DiffCase *c)
{
    for (int i = 0; i < b->program->entries.len; i++)
        if (strcmp(b->program->entries.data[i]->name, c->graph->name) == 0 &&
            b->program->entries.data[i]->batch == c->graph->batch)
            return i;
    fail_msg("no entry %s", c->graph->name);
    return -1;
}

static inline const LEntry *diff_entry(const DiffBuild *b, const DiffCase *c)
{
    return b->program->entries.data[diff_entry_index(b, c)];
}

/* A variable of the program between row major values and its place in memory. */
static inline nnr_var diff_var(const LGlobal *g) { return (nnr_var){ g->info, g->kind, (size_t)g->offset, g->layout }; }

static inline DiffMemory diff_call(Diff *d, const DiffBuild *b, const DiffCase *c)
{
    const LEntry *e = diff_entry(b, c);
    DiffMemory m = { diff_block(b->program->weights_bytes), diff_block(b->program->slots_bytes), diff_block(e->arena_bytes),
                     ARENA_ARRAY(d->arena, const void *, e->n_in + 1), ARENA_ARRAY(d->arena, void *, e->n_out + 1), false };
    for (int i = 0; i < b->program->n_globals; i++) {
        const LGlobal *g = &b->program->globals[i];
        if (g->kind == NNR_PREPARED)
            continue;
        nnr_var var = diff_var(g);
        void *rows = diff_block(diff_bytes(&c->before[i]));
        diff_put(rows, &c->before[i]);
        nnr_layout_store(&var, rows, (char *)(g->kind == NNR_SLOT ? m.slots : m.weights) + g->offset);
        free(rows);
    }
    m.ran = true;
    for (int i = 0; i < b->program->entries.len && (e->kind == NNR_INFER || e->kind == NNR_EVAL); i++) {
        const LEntry *prepare = b->program->entries.data[i];
        if (prepare->kind != NNR_PREPARE)
            continue;
        DiffMemory own = m;
        own.arena = diff_block(prepare->arena_bytes);
        m.ran = diff_enter(d->arena, b, i, &own, &d->ctx);
        free(own.arena);
    }
    for (int i = 0; i < e->n_in; i++)
        for (int k = 0; k < c->n_inputs; k++)
            if (strcmp(c->inputs[k].name, e->in[i].name) == 0) {
                void *p = diff_block(diff_bytes(&c->inputs[k].value));
                diff_put(p, &c->inputs[k].value);
                m.in[i] = p;
            }
    for (int i = 0; i < e->n_out; i++)
        for (int k = 0; k < c->n_outputs; k++)
            if (strcmp(c->outputs[k].name, e->out[i].name) == 0)
                m.out[i] = diff_block(diff_bytes(&c->outputs[k].value));
    m.ran = m.ran && diff_enter(d->arena, b, diff_entry_index(b, c), &m, &d->ctx);
    d->not_run += !m.ran;
    return m;
}

static inline void diff_free(const DiffBuild *b, const DiffCase *c, DiffMemory *m)
{
    const LEntry *e = diff_entry(b, c);
    for (int i = 0; i < e->n_in; i++)
        free((void *)(uintptr_t)m->in[i]);
    for (int i = 0; i < e->n_out; i++)
        free(m->out[i]);
    free(m->weights);
    free(m->slots);
    free(m->arena);
}

static inline const Tensor *diff_expected(const DiffCase *c, const char *output)
{
    for (int k = 0; k < c->n_outputs; k++)
        if (strcmp(c->outputs[k].name, output) == 0)
            return &c->outputs[k].value;
    return NULL;
}

static inline bool diff_check_case(Diff *d, const DiffBuild *b, const DiffCase *c, double tolerance)
{
    const LEntry *e = diff_entry(b, c);
    DiffMemory m = diff_call(d, b, c);
    bool ok = true;
    for (int i = 0; m.ran && i < e->n_out && ok; i++)
        ok = diff_close_enough(m.out[i], diff_expected(c, e->out[i].name), tolerance, e->out[i].name, c);
    for (int i = 0; m.ran && i < b->program->n_globals && ok; i++) {
        const LGlobal *g = &b->program->globals[i];
        if (g->kind == NNR_PREPARED)
            continue;
        nnr_var var = diff_var(g);
        void *rows = diff_block(diff_bytes(&c->after[i]));
        nnr_layout_load(&var, (const char *)(g->kind == NNR_SLOT ? m.slots : m.weights) + g->offset, rows);
        ok = diff_close_enough(rows, &c->after[i], d->var_tolerance > 0 ? d->var_tolerance : tolerance, g->info.name, c);
        free(rows);
    }
    diff_free(b, c, &m);
    return ok;
}

static inline void diff_check(Diff *d, const DiffBuild *b, double tolerance)
{
    int failed = 0;
    for (int i = 0; i < d->cases.len; i++)
        failed += !diff_check_case(d, b, &d->cases.data[i], tolerance);
    assert_true(d->not_run <= d->cases.len / 8);
    if (failed)
        fail_msg("%s: %d of %d graphs differ", b->name, failed, d->cases.len);
}

/* Outputs and variables of every entry have the same bits for every number of threads. */
static inline void diff_check_threads(Diff *d, const DiffBuild *b)
{
    static const int THREADS[] = { 2, 5 };
    for (int i = 0; i < d->cases.len; i++) {
        const DiffCase *c = &d->cases.data[i];
        const LEntry *e = diff_entry(b, c);
        omp_set_num_threads(1);
        DiffMemory one = diff_call(d, b, c);
        for (int t = 0; t < 2; t++) {
            omp_set_num_threads(THREADS[t]);
            DiffMemory m = diff_call(d, b, c);
            for (int k = 0; k < e->n_out; k++)
                if (memcmp(m.out[k], one.out[k], (size_t)diff_bytes(diff_expected(c, e->out[k].name))) != 0)
                    fail_msg("%s, %s: %s differs with %d threads", b->name, e->name, e->out[k].name, THREADS[t]);
            if (memcmp(m.weights, one.weights, (size_t)b->program->weights_bytes) != 0 ||
                memcmp(m.slots, one.slots, (size_t)b->program->slots_bytes) != 0)
                fail_msg("%s, %s: variables differ with %d threads", b->name, e->name, THREADS[t]);
            diff_free(b, c, &m);
        }
        diff_free(b, c, &one);
    }
    omp_set_num_threads(2);
}

/* ---- graphs from op samples ---- */

/* y = op(inputs); with grad: the gradients of sum(y * w) for random w instead of y. False: nothing to
 * differentiate. */
static inline bool diff_sample(Diff *d, const OpDef *op, int index, bool grad)
{
    const OpSample *s = &op->samples[index];
    Node *in[4], *of[4];
    int n_of = 0;
    for (int i = 0; i < s->n_in && grad; i++)
        n_of += s->in[i].dtype == DT_F32;
    if (grad && (n_of == 0 || op->flags & OP_NO_GRAD))
        return false;
    n_of = 0;
    Graph *g = diff_graph(d, arena_printf(d->arena, "%s_%s%d", grad ? "grad" : "op", op->name, index));
    for (int i = 0; i < s->n_in; i++) {
        in[i] = build_input(g, arena_printf(d->arena, "x%d", i), s->in[i]);
        if (s->in[i].dtype == DT_F32)
            of[n_of++] = in[i];
    }
    Why why = { { 0 } };
    Node *y = graph_add(g, op, in, s->n_in, s->attr, &why);
    if (!y)
        fail_msg("%s sample %d: %s", op->name, index, why.text);
    if (!grad) {
        build_output(g, "y", y);
    } else {
        int64_t axes[MAX_RANK];
        for (int i = 0; i < y->type.rank; i++)
            axes[i] = i;
        if (y->type.dtype != DT_F32) { /* nothing flows through: not an entry either */
            d->module->graphs.len--;
            return false;
        }
        Node *w = build_input(g, "w", y->type);
        Node *loss = build_reduce(g, &op_sum, build_binary(g, &op_mul, y, w), axes, y->type.rank);
        for (int i = 0; i < n_of; i++)
            build_output(g, arena_printf(d->arena, "d%d", i), build_gradient(g, loss, of[i]));
    }
    diff_finish(d, g, s->note, (DiffRange){ s->lo, s->hi, s->distinct });
    return true;
}

static inline void diff_all_samples(Diff *d, bool grad)
{
    for (int k = 0; OPS[k]; k++)
        for (int i = 0; i < OPS[k]->n_samples; i++)
            if (!(OPS[k]->flags & (OP_ROOT | OP_META)) && OPS[k] != &op_input && OPS[k] != &op_var)
                diff_sample(d, OPS[k], i, grad);
}
#endif
