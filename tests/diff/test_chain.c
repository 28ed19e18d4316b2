/* Chains of kernels that run block by block (passes/chain.c), above all attention: forward and training
 * steps of several forms of it against the evaluator, with blocks cut by caches of several sizes, fused
 * and not; the same bits for any number of threads; and no matrix of scores in memory. */
#include "diff.h"

#include "front/front.h"
#include "ops/kernel.h"

typedef struct {
    const char *note, *nets; /* F is the net's name */
    const char *inputs;      /* of the step: it minimises a function of F of all of them; NULL: no step */
    int forward, step;       /* at least so many chains */
} Form;

/* Plain gradient descent with rate 1: the change of a variable is its gradient. */
static const Form FORMS[] = {
    { "heads", "net F(x: f32[N, 77, 12]) -> f32[N, 77, 12] = x |> multi_head_attention(2)\n", "x: f32[N, 77, 12]", 1, 2 },
    { "causal",
      "net F(x: f32[N, 40, 8]) -> f32[N, 40, 8] = x |> multi_head_attention(2, causal = true, bias = false)\n",
      "x: f32[N, 40, 8]", 1, 2 },
    { "one head", "net F(x: f32[N, 33, 8]) -> f32[N, 33, 8] = x |> multi_head_attention(1)\n", "x: f32[N, 33, 8]", 1, 2 },
    { "one position", "net F(x: f32[N, 1, 8]) -> f32[N, 1, 8] = x |> multi_head_attention(2)\n", "x: f32[N, 1, 8]", 0, 0 },
    { "other sequence", "net F(x: f32[N, 21, 8], m: f32[N, 50, 6]) -> f32[N, 21, 8] = cross_attention(x, m, 2)\n",
      "x: f32[N, 21, 8], m: f32[N, 50, 6]", 1, 2 },
    { "heads before positions, mask, dropout",
      "net F(x: f32[N, 35, 12], mask: f32[N, 35]) -> f32[N, 35, 12] {\n"
      "    q = x |> dense(12) |> heads(3)\n    k = x |> dense(12) |> heads(3)\n    v = x |> dense(12) |> heads(3)\n"
      "    s[n, a, t, u] = sum(e) q[n, a, t, e] * k[n, a, u, e]\n"
      "    p = softmax(s * 0.5 + reshape(mask, [N, 1, 1, 35])) |> dropout(0.2)\n"
      "    y[n, a, t, e] = sum(u) p[n, a, t, u] * v[n, a, u, e]\n"
      "    z = reshape(transpose(y, [0, 2, 1, 3]), [N, 35, 12])\n    return z |> dense(12)\n}\n",
      "x: f32[N, 35, 12], mask: f32[N, 35]", 1, 2 },
    { "one packed product, no batch",
      "net F(x: f32[45, 6]) -> f32[45, 6] {\n    qkv = x |> dense(18)\n    q = qkv[:, 0:6]\n    k = qkv[:, 6:12]\n"
      "    v = qkv[:, 12:18]\n    s[t, u] = sum(e) q[t, e] * k[u, e]\n    p = softmax(s)\n"
      "    y[t, e] = sum(u) p[t, u] * v[u, e]\n    return y\n}\n",
      NULL, 1, 0 },
    { "no softmax",
      "net F(x: f32[N, 41, 6]) -> f32[N, 41, 6] {\n    q = x |> dense(6)\n    k = x |> dense(6)\n"
      "    s[n, t, u] = sum(e) q[n, t, e] * k[n, u, e]\n    y[n, t, e] = sum(u) s[n, t, u] * x[n, u, e]\n    return y / 41\n}\n",
      "x: f32[N, 41, 6]", 1, 1 },
    { "one matrix of scores", "net F(x: f32[N, 60, 8]) -> f32[N, 60, 8] {\n    q = reshape(x, [120, 8]) |> dense(8)\n"
      "    s[t, u] = sum(e) q[t, e] * q[u, e]\n    p = softmax(s)\n    y[t, e] = sum(u) p[t, u] * q[u, e]\n"
      "    return reshape(y, [N, 60, 8])\n}\n",
      "x: f32[N, 60, 8]", 1, 1 },
    { "shares are a result too",
      "net F(x: f32[N, 30, 6]) -> f32[N, 30, 6], f32[N, 30, 30] {\n    q = x |> dense(6)\n"
      "    s[n, t, u] = sum(e) q[n, t, e] * x[n, u, e]\n    p = softmax(s)\n"
      "    y[n, t, e] = sum(u) p[n, t, u] * x[n, u, e]\n    return y, p\n}\n",
      NULL, 1, 0 },
};
enum { N_FORMS = sizeof FORMS / sizeof *FORMS };
static const char PRELUDE[] =
    "N = 2\nfn heads(x: f32[N, T, D], A: int) = transpose(reshape(x, [N, T, A, div(D, A)]), [0, 2, 1, 3])\n";

static void show_diagnostic(void *user, DiagLevel level, const char *text)
{
    (void)user;
    (void)level;
    fputs(text, stderr);
}

static Module *build(Arena *arena, const char *text)
{
    Diags diags = { .arena = arena, .fn = show_diagnostic };
    Source *source = source_new(arena, "form.nn", text, strlen(text));
    FrontOptions options = { 0 };
    Module *m = front_build(arena, intern_new(arena), source, &options, &diags);
    if (!m)
        fail_msg("does not build:\n%s", text);
    return m;
}

/* Names of "x: f32[N, 4], m: f32[N, 3]" as arguments, and a data line for each. */
static void add_inputs(Text *call, Text *data, const char *inputs)
{
    for (const char *in = inputs; *in;) {
        const char *end = strstr(in, "], ");
        int len = end ? (int)(end - in) + 1 : (int)strlen(in), name = (int)strcspn(in, ":");
        text_addf(call, "%s%.*s", in == inputs ? "" : ", ", name, in);
        text_addf(data, "    data %.*s = npy(\"%.*s.npy\")\n", len, in, name, in);
        in += end ? len + 2 : len;
    }
}

static const char *program_text(Arena *arena)
{
    Text t = { .arena = arena };
    text_add(&t, PRELUDE);
    for (int i = 0; i < N_FORMS; i++) {
        const Form *form = &FORMS[i];
        for (const char *c = form->nets; *c; c++) {
            if (c[0] == 'F' && c[1] == '(')
                text_addf(&t, "f%d", i);
            else
                text_add_n(&t, c, 1);
        }
        if (!form->inputs)
            continue;
        Text call = { .arena = arena }, data = { .arena = arena };
        add_inputs(&call, &data, form->inputs);
        text_addf(&t, "train t%d {\n%s    batch 2\n    epochs 1\n", i, data.data);
        text_addf(&t, "    minimize sum(sin(f%d(%s) + 0.3)) with sgd(lr = 1.0)\n}\n", i, call.data);
    }
    return t.data;
}

static int count_chains(const Graph *g)
{
    int n = 0;
    for (int i = 0; i < g->kernels.len; i++)
        n += g->kernels.data[i]->kind == KERNEL_CHAIN;
    return n;
}

/* The host, with a second-level cache of so many bytes. */
static const LTarget *with_cache(Arena *arena, int64_t bytes)
{
    LTarget *t = ARENA_NEW(arena, LTarget);
    *t = *ltarget_host();
    t->l2 = bytes;
    return t;
}

static const Form *form_of(const Graph *g) { return &FORMS[atoi(g->name + 1)]; }

static void check_chains(const Diff *d)
{
    for (int i = 0; i < d->module->graphs.len; i++) {
        const Graph *g = d->module->graphs.data[i];
        if (g->kind != GRAPH_STEP && g->kind != GRAPH_INFER)
            continue;
        int least = g->kind == GRAPH_STEP ? form_of(g)->step : form_of(g)->forward;
        if (count_chains(g) < least)
            fail_msg("%s: %d chains in %s", form_of(g)->note, count_chains(g), g->name);
    }
}

static void check_forms(int64_t cache, bool no_fuse)
{
    Arena *arena = arena_new();
    Diff *d = diff_of_module(arena, build(arena, program_text(arena)));
    for (int i = 0; i < d->module->graphs.len; i++)
        diff_finish(d, d->module->graphs.data[i], NULL, (DiffRange){ -1, 1, false });
    DiffBuild b = diff_build(d, (DiffOptions){ .target = with_cache(arena, cache), .no_fuse = no_fuse });
    if (!no_fuse)
        check_chains(d);
    diff_check(d, &b, 1e-4);
    diff_check_threads(d, &b);
    diff_close(d, &b);
}

static void test_one_block(void **state)
{
    (void)state;
    check_forms(1 << 21, false);
}

static void test_many_blocks(void **state)
{
    (void)state;
    check_forms(1 << 13, false);
}

static void test_unfused(void **state)
{
    (void)state;
    check_forms(1 << 21, true);
}

/* 8 MiB of scores: none of them stored, forward or backward, and the whole arena smaller than they. */
static void test_no_matrix_of_scores(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    const int64_t scores = (int64_t)2 * 4 * 512 * 512;
    Diff *d = diff_of_module(arena, build(arena, "net f(x: f32[N, 512, 32]) -> f32[N, 512, 32] = x |> multi_head_attention(4)\n"
                                                 "train t {\n    data x: f32[N, 512, 32] = npy(\"x.npy\")\n    batch 2\n    epochs 1\n"
                                                 "    minimize mse(f(x), 0.5) with adam(lr = 1e-3)\n}\n"));
    for (int i = 0; i < d->module->graphs.len; i++) {
        PassCtx pass = { .arena = arena };
        assert_true(pass_grad(&pass, d->module->graphs.data[i]));
    }
    diff_lower(d, &(DiffOptions){ .target = with_cache(arena, 1 << 21) });
    for (int i = 0; i < d->module->graphs.len; i++) {
        const Graph *g = d->module->graphs.data[i];
        for (int k = 0; k < g->kernels.len; k++)
            for (int r = 0; r < g->kernels.data[k]->results.len; r++)
                assert_true(type_count(&g->kernels.data[k]->results.data[r]->type) < scores / 2);
        assert_true(g->arena_bytes < scores * 4);
    }
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_block),
        cmocka_unit_test(test_many_blocks),
        cmocka_unit_test(test_unfused),
        cmocka_unit_test(test_no_matrix_of_scores),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
