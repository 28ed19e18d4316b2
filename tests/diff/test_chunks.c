/* Runs of kernels that work through the batch in chunks, forced wherever they are possible: networks with
 * convolutions, dropout, attention and normalisation, inference and training steps, by every back end against
 * the evaluator, with the same bits for 1, 2 and 5 threads. The bodies of runs against the whole graph. */
#include "diff.h"

#include "tests/network.h"

static const double OUTPUTS = 64 * 0x1p-23, UPDATES = 2e-3;

static Module *load_text(Arena *arena, const char *name, const char *text, int64_t batch)
{
    Module *m = load_network(arena, source_new(arena, name, text, strlen(text)), batch);
    if (!m)
        fail_msg("%s does not load", name);
    return m;
}

static Module *load_file(Arena *arena, const char *file, int64_t batch)
{
    const char *why = NULL;
    Source *source = source_read(arena, arena_printf(arena, "%s/%s", source_root(), file), &why);
    if (!source)
        fail_msg("%s: %s", file, why);
    return load_text(arena, file, source->text, batch);
}

/* Arguments of calls in runs that the entry `prepare` has written. */
static int prepared_in_runs(const LProgram *p)
{
    int n = 0;
    for (int i = 0; i < p->entries.len; i++) {
        const LEntry *e = p->entries.data[i];
        for (int c = 0; c < e->calls.len; c++)
            for (int k = 0; lentry_run(e, c) && k < e->calls.data[c].func->params.len; k++) {
                const LRef *r = &e->calls.data[c].args[k];
                bool prepared = r->kind == LR_VAR && p->globals[r->index].kind == NNR_PREPARED;
                assert_true(!prepared || r->step == 0); /* every chunk reads all of it */
                n += prepared;
            }
    }
    return n;
}

static int prepared; /* in all programs */

/* Returns how many runs there were. */
static int check(Arena *arena, Module *m, const char *name, int64_t chunk, int64_t lanes, const DiffOptions *o, int n)
{
    Diff *d = diff_of_module(arena, m);
    d->chunk = chunk;
    d->lanes = lanes;
    d->vars = diff_initial_values(d);
    d->var_tolerance = UPDATES;
    for (int i = 0; i < m->graphs.len; i++)
        diff_finish(d, m->graphs.data[i], name, (DiffRange){ 0, 1, false });
    for (int i = 0; i < n; i++) {
        if (!diff_can(&o[i]))
            continue;
        DiffBuild b = diff_build(d, o[i]);
        prepared += prepared_in_runs(b.program);
        diff_check(d, &b, OUTPUTS);
        diff_check_threads(d, &b);
        diff_unload(arena, &b);
    }
    return d->runs;
}

#define GCC(...) { .backend = DIFF_GCC, __VA_ARGS__ }
#define JIT(...) { .backend = DIFF_LLVM_JIT, __VA_ARGS__ }
#define OBJECT(...) { .backend = DIFF_LLVM_OBJ, __VA_ARGS__ }
static const DiffOptions HOST[] = { GCC(0), JIT(0), OBJECT(0) };
static const DiffOptions GENERIC[] = { JIT(.target = &LTARGET_GENERIC) };
static const DiffOptions APART[] = { GCC(.no_fuse = true, .flags = "-O0 -march=native -fopenmp") };

static void check_file(const char *file, int64_t batch, int64_t chunk, int64_t lanes, const DiffOptions *o, int n)
{
    Arena *arena = arena_new();
    assert_true(check(arena, load_file(arena, file, batch), file, chunk, lanes, o, n) > 0);
    arena_free(arena);
}

static void examples(void **state)
{
    (void)state;
    static const char *const FILES[] = { "examples/mnist_mlp.nn", "examples/mnist_cnn.nn", "examples/own_parts.nn",
                                         "examples/table_mlp.nn", "tests/golden/front_conv.nn" };
    for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++) {
        check_file(FILES[i], 6, 1, 4, HOST, 3);
        check_file(FILES[i], 6, 2, 2, GENERIC, 1);
        check_file(FILES[i], 6, 3, 2, APART, 1);
    }
    assert_true(prepared > 0);
}

static const char BLOCKS[] =
    "net blocks(x: f32[N, 6, 16]) -> f32[N, 16] {\n"
    "    h = x |> multi_head_attention(2) |> layer_norm |> dropout(0.3)\n"
    "    g = (h + x) |> dense(16) |> softmax\n"
    "    return mean(g * h, axis = 1)\n"
    "}\n";
static const char POOLS[] =
    "net pools(image: f32[N, 9, 9, 3]) -> f32[N, 5] {\n"
    "    y = image |> conv2d(8, 3, stride = 2, pad = 1) |> batch_norm |> relu\n"
    "    z = y |> conv2d(8, 3, pad = 1) |> batch_norm |> relu\n"
    "    return (y + z) |> max_pool2d(2) |> flatten |> dense(5)\n"
    "}\n";

static void blocks(void **state)
{
    (void)state;
    static const char *const TEXT[] = { BLOCKS, POOLS };
    for (int i = 0; i < 2; i++)
        for (int64_t chunk = 1; chunk <= 4; chunk *= 2) {
            Arena *arena = arena_new();
            assert_true(check(arena, load_text(arena, "blocks.nn", TEXT[i], 8), "blocks", chunk, 3, HOST, 3) > 0);
            arena_free(arena);
        }
}

/* ---- bodies, by the evaluator ---- */

static Tensor part_of(Arena *arena, const Tensor *whole, const Type *part, int64_t chunk)
{
    Tensor t = tensor_new(arena, *part);
    int64_t n = type_count(part);
    bool all = type_count(&whole->type) == n;
    memcpy(t.data, whole->data + (all ? 0 : chunk * n), sizeof *t.data * (size_t)n);
    return t;
}

/* Every chunk of the body, given its parts of what the whole graph has, has its parts of the results. */
static void check_body(Arena *arena, const Graph *g, const KernelRun *r, const EvalRun *whole)
{
    for (int64_t chunk = 0; chunk < g->batch / r->samples; chunk++) {
        NamedTensor *in = ARENA_ARRAY(arena, NamedTensor, r->body->nodes.len + 1);
        EvalRun run = { .ctx = whole->ctx, .inputs = in, .vars = whole->vars };
        for (int i = 0; i < r->body->nodes.len; i++) {
            const Node *n = r->body->nodes.data[i];
            if (n->op == &op_input)
                in[run.n_inputs++] = (NamedTensor){ n->attr[0].name, part_of(arena, &whole->values[r->origin[i]->id],
                                                                             &n->type, chunk) };
        }
        const char *fault = graph_eval(r->body, &run, arena);
        if (fault)
            fail_msg("%s", fault);
        for (int i = 0; i < r->body->nodes.len; i++) {
            const Node *n = r->body->nodes.data[i];
            if (n->op != &op_output)
                continue;
            Tensor want = part_of(arena, &whole->values[r->origin[i]->id], &n->type, chunk);
            for (int64_t e = 0; e < type_count(&want.type); e++)
                if (fabs(run.values[i].data[e] - want.data[e]) > 1e-12)
                    fail_msg("%s: %%%d, chunk %lld, element %lld: %.17g, not %.17g", g->name, r->origin[i]->id,
                             (long long)chunk, (long long)e, run.values[i].data[e], want.data[e]);
        }
    }
}

static void bodies(void **state)
{
    (void)state;
    static const char *const TEXT[] = { BLOCKS, POOLS };
    for (int i = 0; i < 2; i++) {
        Arena *arena = arena_new();
        Module *m = load_text(arena, "blocks.nn", TEXT[i], 4);
        Diff *d = diff_of_module(arena, m);
        Graph *g = m->graphs.data[0];
        assert_int_equal(g->kind, GRAPH_INFER);
        diff_finish(d, g, "bodies", (DiffRange){ 0, 1, false });
        PassCtx pass = { .arena = arena, .target = ltarget_find("x86-64-v3") };
        for (const Pass *p = PASSES; p->name; p++)
            assert_true(!p->run || p->run(&pass, g));
        assert_true(force_chunks(arena, g, 1, 2) > 0);
        const DiffCase *c = &d->cases.data[0];
        EvalRun run = { .ctx = d->ctx, .inputs = c->inputs, .n_inputs = c->n_inputs, .vars = c->before };
        assert_null(graph_eval(g, &run, arena));
        for (int r = 0; r < g->runs.len; r++)
            check_body(arena, g, &g->runs.data[r], &run);
        arena_free(arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies),
        cmocka_unit_test(blocks),
        cmocka_unit_test(examples),
    };
    return cmocka_run_group_tests_name("runs of kernels in chunks", tests, NULL, NULL);
}
