/* The passes grad, simplify, cse and dce.
 *
 * Golden cases: tests/golden/PASS_CASE.ir is a module; after that one pass it must print as
 * PASS_CASE.out (recompute, fuse, chain, order, chunks and plan: after it and the passes before it, chain left out; chunks with
 * the plan). BLESS=1 in the environment rewrites the .out files (review the diff). A grad case
 * whose .out starts with `error:` must fail with that text.
 *
 * Property: whatever simplify, cse and dce do to a graph, its values stay: checked on every golden
 * input and on a graph of every operation's every sample. */
#include "tests/ops/gradcheck.h"
#include "tests/network.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

/* A case is the graph before fusion: what comes after the pass needs its kernels. */
static bool run_recompute(PassCtx *ctx, Graph *g)
{
    return pass_grad(ctx, g) && pass_simplify(ctx, g) && pass_cse(ctx, g) && pass_dce(ctx, g) && pass_recompute(ctx, g);
}
static bool run_fuse(PassCtx *ctx, Graph *g)
{
    return pass_grad(ctx, g) && pass_simplify(ctx, g) && pass_cse(ctx, g) && pass_dce(ctx, g) && pass_fuse(ctx, g);
}
static bool run_chain(PassCtx *ctx, Graph *g) { return run_recompute(ctx, g) && pass_fuse(ctx, g) && pass_chain(ctx, g); }
static bool run_order(PassCtx *ctx, Graph *g) { return run_fuse(ctx, g) && pass_order(ctx, g); }
/* With the plan: slabs. */
static bool run_chunks(PassCtx *ctx, Graph *g) { return run_order(ctx, g) && pass_chunks(ctx, g) && pass_plan(ctx, g); }
static bool run_plan(PassCtx *ctx, Graph *g) { return run_order(ctx, g) && pass_plan(ctx, g); }

/* Of the whole module: once. */
static bool run_layout(PassCtx *ctx, Graph *g)
{
    return g != g->module->graphs.data[0] || pass_layout(ctx, g->module);
}

static bool run_prepare(PassCtx *ctx, Graph *g)
{
    return g != g->module->graphs.data[0] || pass_prepare(ctx, g->module);
}

static const struct {
    const char *name;
    bool (*run)(PassCtx *, Graph *);
} TESTED[] = { { "grad", pass_grad }, { "simplify", pass_simplify }, { "cse", pass_cse }, { "dce", pass_dce },
             { "prepare", run_prepare }, { "arrange", pass_arrange }, { "layout", run_layout }, { "recompute", run_recompute },
             { "fuse", run_fuse }, { "chain", run_chain }, { "order", run_order }, { "chunks", run_chunks }, { "plan", run_plan } };
enum { N_TESTED = sizeof TESTED / sizeof *TESTED, MAX_CASES = 512 };

/* ---- cases ---- */

typedef struct {
    char name[128]; /* without .ir */
    int pass;
} Case;

static Case cases[MAX_CASES];
static int n_cases;

static int by_name(const void *a, const void *b)
{
    return strcmp(((const Case *)a)->name, ((const Case *)b)->name);
}

static void find_cases(void)
{
    char path[512];
    snprintf(path, sizeof path, "%s/tests/golden", source_root());
    DIR *dir = opendir(path);
    if (!dir)
        fail_msg("cannot open %s (run from the root of the sources, or set NNC_SRC)", path);
    for (struct dirent *e; dir && (e = readdir(dir)) && n_cases < MAX_CASES;) {
        size_t len = strlen(e->d_name);
        if (len < 4 || len > 100 || strcmp(e->d_name + len - 3, ".ir") != 0)
            continue;
        for (int p = 0; p < N_TESTED; p++) {
            size_t prefix = strlen(TESTED[p].name);
            if (strncmp(e->d_name, TESTED[p].name, prefix) != 0 || e->d_name[prefix] != '_')
                continue;
            Case *c = &cases[n_cases++];
            c->pass = p;
            snprintf(c->name, sizeof c->name, "%.*s", (int)(len - 3), e->d_name);
        }
    }
    if (dir)
        closedir(dir);
    qsort(cases, (size_t)n_cases, sizeof *cases, by_name);
}

static void show_diagnostic(void *user, DiagLevel level, const char *text)
{
    (void)level;
    text_add(user, text);
}

static Module *load(Arena *arena, const Case *c)
{
    const char *why = NULL, *path = arena_printf(arena, "%s/tests/golden/%s.ir", source_root(), c->name);
    Source *source = source_read(arena, path, &why);
    if (!source)
        fail_msg("%s: %s", path, why);
    Text errors = { .arena = arena };
    Diags diags = { .arena = arena, .fn = show_diagnostic, .user = &errors };
    Module *m = module_read(arena, intern_new(arena), source, &diags);
    if (!m)
        fail_msg("%s", errors.data);
    for (int i = 0; m && i < m->graphs.len; i++)
        must_verify(m->graphs.data[i], arena, c->name, "reading");
    return m;
}

static void check_reads_back(Arena *arena, const Case *c, const char *text)
{
    Text errors = { .arena = arena }, again = { .arena = arena };
    Diags diags = { .arena = arena, .fn = show_diagnostic, .user = &errors };
    Module *m = module_read(arena, intern_new(arena), source_new(arena, c->name, text, strlen(text)), &diags);
    if (!m)
        fail_msg("%s: what is printed does not read: %s", c->name, errors.data);
    module_print(m, &again);
    assert_string_equal(again.data, text);
}

static void check_golden(Arena *arena, const Case *c)
{
    Module *m = load(arena, c);
    PassCtx ctx = { .arena = arena, .target = ltarget_find("x86-64-v4") };
    Text out = { .arena = arena };
    for (int i = 0; i < m->graphs.len && !ctx.why.text[0]; i++) {
        if (TESTED[c->pass].run(&ctx, m->graphs.data[i]))
            must_verify(m->graphs.data[i], arena, c->name, TESTED[c->pass].name);
        else
            text_addf(&out, "error: %s\n", ctx.why.text);
    }
    if (!ctx.why.text[0]) {
        module_print(m, &out);
        check_reads_back(arena, c, out.data);
    }
    const char *path = arena_printf(arena, "%s/tests/golden/%s.out", source_root(), c->name), *why = NULL;
    if (getenv("BLESS")) {
        why = text_write_file(arena, path, out.data, out.len);
        if (why)
            fail_msg("%s: %s", path, why);
        return;
    }
    Source *want = source_read(arena, path, &why);
    if (!want)
        fail_msg("%s: %s (BLESS=1 writes it)", path, why);
    if (strcmp(want->text, out.data) != 0)
        fail_msg("%s: after %s the text is not %s.out but:\n%s", c->name, TESTED[c->pass].name, c->name, out.data);
}

static void test_golden(void **state)
{
    (void)state;
    find_cases();
    assert_true(n_cases >= 30);
    for (int i = 0; i < n_cases; i++) {
        Arena *arena = arena_new();
        check_golden(arena, &cases[i]);
        arena_free(arena);
    }
}

/* ---- values stay ---- */

typedef struct {
    NamedTensor in[16];
    EvalRun run;
} Values;

static void bind(Arena *arena, const Graph *g, Values *v)
{
    memset(v, 0, sizeof *v);
    v->run.ctx = (nnr_ctx){ .seed = 11, .step = 3, .epoch = 1 };
    v->run.inputs = v->in;
    for (int i = 0; i < g->nodes.len; i++) {
        const Node *n = g->nodes.data[i];
        if (n->op == &op_input && v->run.n_inputs < 16)
            v->in[v->run.n_inputs++] = (NamedTensor){ n->attr[0].name, random_tensor(arena, n->type, 0.2, 1.8, (uint64_t)i) };
    }
    v->run.vars = ARENA_ARRAY(arena, Tensor, g->module->vars.len + 1);
    for (int i = 0; i < g->module->vars.len; i++)
        v->run.vars[i] = random_tensor(arena, g->module->vars.data[i]->type, 0.2, 1.8, 500 + (uint64_t)i);
}

static void compare(const Tensor *a, const Tensor *b, double tolerance, const char *name, const char *what)
{
    assert_true(type_equal(&a->type, &b->type));
    for (int64_t i = 0; i < type_count(&a->type); i++) {
        double x = a->data[i], y = b->data[i];
        bool same = x == y || (isnan(x) && isnan(y)) || fabs(x - y) <= tolerance * fmax(1, fmax(fabs(x), fabs(y)));
        if (!same)
            fail_msg("%s: %s[%lld] was %.17g, is %.17g after simplify, cse, dce", name, what, (long long)i, x, y);
    }
}

/* Constants are rounded to f32 when they are folded, which the evaluation in double shows. */
static double tolerance_of(const char *name) { return strstr(name, "rounds") ? 1e-6 : 1e-9; }

static void check_values_stay(Arena *arena, Graph *g, const char *name)
{
    Values before, after;
    must_run(pass_grad, "grad", g, arena, name);
    bind(arena, g, &before);
    const char *fault = graph_eval(g, &before.run, arena);
    if (fault)
        fail_msg("%s: %s", name, fault);
    must_run(pass_simplify, "simplify", g, arena, name);
    must_run(pass_cse, "cse", g, arena, name);
    must_run(pass_dce, "dce", g, arena, name);
    bind(arena, g, &after);
    for (int i = 0; i < before.run.n_inputs; i++) /* inputs stay, and stay in order */
        assert_string_equal(before.in[i].name, after.in[i].name);
    memcpy(after.in, before.in, sizeof after.in);
    fault = graph_eval(g, &after.run, arena);
    if (fault)
        fail_msg("%s: %s", name, fault);
    assert_int_equal(before.run.outputs.len, after.run.outputs.len);
    for (int i = 0; i < before.run.outputs.len; i++)
        compare(&before.run.outputs.data[i].value, &after.run.outputs.data[i].value, tolerance_of(name), name,
                before.run.outputs.data[i].name);
    for (int i = 0; i < g->module->vars.len; i++)
        compare(&before.run.vars[i], &after.run.vars[i], tolerance_of(name), name, g->module->vars.data[i]->name);
}

static void test_values_of_golden(void **state)
{
    (void)state;
    for (int i = 0; i < n_cases; i++) {
        Arena *arena = arena_new();
        PassCtx ctx = { .arena = arena };
        Module *m = load(arena, &cases[i]), *again = load(arena, &cases[i]);
        for (int k = 0; k < m->graphs.len; k++)
            if (m->graphs.data[k]->kind != GRAPH_BODY && pass_grad(&ctx, again->graphs.data[k]))
                check_values_stay(arena, m->graphs.data[k], cases[i].name);
        arena_free(arena);
    }
}

/* The sample, its operands passed through movement and arithmetic that simplification works on. */
static Node *disguised(Graph *g, Node *x, int how)
{
    int64_t perm[MAX_RANK], dim[MAX_RANK + 1];
    int rank = x->type.rank;
    for (int d = 0; d < rank; d++) {
        perm[d] = rank - 1 - d;
        dim[d] = x->type.dim[d];
    }
    if (how == 1 && rank > 1)
        return build_transpose(g, build_transpose(g, x, perm), perm);
    if (how == 2 && rank > 0 && rank < MAX_RANK) {
        dim[rank] = 1;
        return build_reshape(g, build_reshape(g, x, rank + 1, dim), rank, x->type.dim);
    }
    if (how == 3 && x->type.dtype == DT_F32)
        return build_unary(g, &op_neg, build_unary(g, &op_neg, x));
    return x;
}

static void test_values_of_samples(void **state)
{
    (void)state;
    for (int o = 0; OPS[o]; o++)
        for (int i = 0; i < OPS[o]->n_samples; i++)
            for (int how = 0; how < 4; how++) {
                const OpSample *s = &OPS[o]->samples[i];
                if (OPS[o]->flags & (OP_LEAF | OP_ROOT | OP_META))
                    continue;
                Arena *arena = arena_new();
                Module *m = module_new(arena, intern_new(arena), "sample");
                Graph *g = graph_new(m, "sample", GRAPH_INFER, 0);
                Node *in[4];
                for (int k = 0; k < s->n_in; k++)
                    in[k] = disguised(g, build_input(g, input_name(arena, k), s->in[k]), how);
                Why why = { "" };
                Node *y = graph_add(g, OPS[o], in, s->n_in, s->attr, &why);
                if (!y)
                    fail_msg("%s: %s", OPS[o]->name, why.text);
                build_output(g, "y", disguised(g, y, how));
                check_values_stay(arena, g, OPS[o]->name);
                arena_free(arena);
            }
}

/* Running a pass again changes nothing. */
static void test_idempotent(void **state)
{
    (void)state;
    for (int i = 0; i < n_cases; i++) {
        if (TESTED[cases[i].pass].run == pass_grad)
            continue;
        Arena *arena = arena_new();
        Module *m = load(arena, &cases[i]);
        Text once = { .arena = arena }, twice = { .arena = arena };
        for (int round = 0; round < 2; round++) {
            for (int k = 0; k < m->graphs.len; k++) {
                must_run(pass_simplify, "simplify", m->graphs.data[k], arena, cases[i].name);
                must_run(pass_cse, "cse", m->graphs.data[k], arena, cases[i].name);
                must_run(pass_dce, "dce", m->graphs.data[k], arena, cases[i].name);
            }
            module_print(m, round ? &twice : &once);
        }
        assert_string_equal(once.data, twice.data);
        arena_free(arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_values_of_golden),
        cmocka_unit_test(test_values_of_samples),
        cmocka_unit_test(test_idempotent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
