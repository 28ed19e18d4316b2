/* Whole entry points, fused and not, planned and assembled, run in the loop interpreter against the
 * reference evaluation of the graph as the front end (or the generator) made it. */
#include "std_case.h"

#include "ops/build.h"
#include "force_layout.h"
#include "program_run.h"

/* ---- comparing one graph ---- */

typedef struct {
    Arena *arena;
    const Graph *g;
    const LEntry *entry;
    NamedTensor *inputs;
    int n_inputs;
    EvalRun want;
    Tensor *vars; /* after the reference run */
} Compare;

static Tensor *copy_vars(Arena *arena, const Module *m, const Tensor *vars)
{
    Tensor *copy = ARENA_ARRAY(arena, Tensor, m->vars.len + 1);
    for (int i = 0; i < m->vars.len; i++) {
        copy[i] = tensor_new(arena, m->vars.data[i]->type);
        memcpy(copy[i].data, vars[i].data, (size_t)type_count(&copy[i].type) * sizeof(double));
    }
    return copy;
}

/* The graph a failed check is about, when asked for. */
static void show_graph(const Graph *g, const char *fault)
{
    Text t = { .arena = g->arena };
    if (!fault || !getenv("NNC_TEST_VERBOSE"))
        return;
    graph_print(g, &t);
    fprintf(stderr, "%s\n", t.data);
}

static void check_value(const Compare *c, const char *what, const Tensor *want, const void *got)
{
    int64_t n = type_count(&want->type);
    double largest = 0;
    for (int64_t i = 0; i < n; i++)
        if (isfinite(want->data[i]))
            largest = fmax(largest, fabs(want->data[i]));
    for (int64_t i = 0; i < n; i++) {
        double w = want->data[i], v = program_get(got, want->type.dtype, i);
        bool same = isnan(w) ? isnan(v) : isinf(w) ? w == v : fabs(v - w) <= 2e-3 * fabs(w) + 2e-4 * largest + 1e-6;
        if (!same) {
            show_graph(c->g, "");
            fail_msg("%s of %s: element %lld is %.9g, not %.9g", what, c->g->name, (long long)i, v, w);
        }
    }
}

static void **buffers_for(Arena *arena, const nnr_info *infos, int n)
{
    void **buffers = ARENA_ARRAY(arena, void *, n + 1);
    for (int i = 0; i < n; i++) {
        Type t = type_make((DType)infos[i].dtype, infos[i].rank, infos[i].dims);
        buffers[i] = arena_alloc(arena, (size_t)type_count(&t) * 4 + 64);
    }
    return buffers;
}

static void run_and_check(Compare *c, const LProgram *p, const Tensor *vars)
{
    ProgramMemory memory = program_memory(c->arena, p, vars);
    void **in = buffers_for(c->arena, c->entry->in, c->entry->n_in);
    void **out = buffers_for(c->arena, c->entry->out, c->entry->n_out);
    for (int i = 0; i < c->entry->n_in; i++)
        for (int k = 0; k < c->n_inputs; k++)
            if (!strcmp(c->entry->in[i].name, c->inputs[k].name))
                program_put(in[i], c->inputs[k].value.type.dtype, c->inputs[k].value.data,
                            type_count(&c->inputs[k].value.type));
    const char *fault = NULL;
    for (int i = 0; i < p->entries.len && !fault; i++)
        if (p->entries.data[i]->kind == NNR_PREPARE)
            fault = program_run(c->arena, &memory, p->entries.data[i], NULL, NULL, &c->want.ctx);
    if (!fault)
        fault = program_run(c->arena, &memory, c->entry, in, out, &c->want.ctx);
    if (fault)
        fail_msg("%s: %s", c->g->name, fault);
    for (int i = 0; i < c->entry->n_out; i++) {
        Tensor want = case_output(&c->want, c->entry->out[i].name);
        check_value(c, c->entry->out[i].name, &want, out[i]);
    }
    for (int i = 0; i < p->n_globals; i++)
        if (p->globals[i].kind != NNR_PREPARED)
            check_value(c, p->globals[i].info.name, &c->vars[i], program_rows(c->arena, &memory, i));
}

/* ---- invariants of a fused graph ---- */

/* Every value that a kernel reads of another one has a reason in words. */
static const char *reason_for(const Graph *g, const Kernel *k, const Node *read)
{
    for (int i = 0; i < g->fusion.len; i++) {
        const FusionNote *note = &g->fusion.data[i];
        if (note->kernel == k && note->producer == read && !note->fused)
            return note->reason;
    }
    return NULL;
}

static void check_reasons(const Graph *g, Arena *arena)
{
    for (int k = 0; k < g->kernels.len; k++) {
        KernelReads reads = kernel_reads(arena, g->kernels.data[k]);
        for (int i = 0; i < reads.len; i++) {
            const Node *n = reads.data[i].node;
            const char *reason = n->kernel ? reason_for(g, g->kernels.data[k], n) : "memory";
            if (!reason || !*reason)
                fail_msg("%s: kernel %s reads %%%d of %s for no reason", g->name, g->kernels.data[k]->name, n->id,
                         n->kernel->name);
        }
    }
}

static void check_fused(Graph *g, Arena *arena)
{
    check_reasons(g, arena);
    const char *fault = graph_verify(g, arena);
    if (!fault)
        fault = plan_check(g, arena);
    if (fault)
        fail_msg("%s: %s", g->name, fault);
    assert_true(g->arena_bytes <= g->arena_bound + g->arena_bound / 10);
    for (int i = 0; i < g->nodes.len; i++) {
        const Node *n = g->nodes.data[i];
        bool wants = n->op == &op_contract || node_opaque(n) || (n->op->flags & OP_ROOT);
        bool chained = n->kernel && n->kernel->kind == KERNEL_CHAIN; /* operands may lie in scratch */
        for (int k = 0; wants && !chained && k < n->n_in; k++)
            assert_true(node_stored(node_storage(n->in[k])));
    }
}

static int laid_out; /* variables that were given a layout by force */
static int arranged; /* regions of values that were given an order by force */

/* How a case is compiled. */
typedef struct {
    bool no_fuse;
    uint64_t layouts; /* 0: as the pass decides; else drawn with this seed */
} Way;

/* Compiles m (front-end form, gradients already made) one way and compares every entry. */
static void compile_and_check(Case *c, Way way, const EvalRun *wants, Tensor **vars_after,
                              NamedTensor **inputs, const int *n_inputs)
{
    PassCtx ctx = { .arena = c->arena, .target = ltarget_find("generic"), .no_fuse = way.no_fuse };
    Module *m = c->module;
    for (const Pass *p = PASSES; p->name; p++) {
        if (p->run_module == pass_layout && way.layouts)
            laid_out += force_layout(&ctx, m, way.layouts);
        else
            assert_true(!p->run_module || p->run_module(&ctx, m));
        for (int i = 0; i < m->graphs.len; i++) {
            bool forced = p->run == pass_arrange && way.layouts, ok = forced || !p->run || p->run(&ctx, m->graphs.data[i]);
            if (forced)
                arranged += force_arrange(&ctx, m->graphs.data[i], way.layouts);
            const char *fault = ok ? graph_verify(m->graphs.data[i], c->arena) : ctx.why.text;
            show_graph(m->graphs.data[i], fault);
            if (fault)
                fail_msg("%s of %s: %s", p->name, m->graphs.data[i]->name, fault);
        }
    }
    Why why;
    LProgram *program = assemble(m, ltarget_find("generic"), "case.nn", false, &why);
    if (!program)
        fail_msg("%s", why.text);
    for (int i = 0; i < m->graphs.len; i++) {
        check_fused(m->graphs.data[i], c->arena);
        if (m->graphs.data[i]->kind == GRAPH_PREPARE)
            continue; /* it has run ahead of the others */
        Compare compare = { .arena = c->arena, .g = m->graphs.data[i], .entry = program->entries.data[i],
                            .inputs = inputs[i], .n_inputs = n_inputs[i], .want = wants[i],
                            .vars = vars_after[i] };
        run_and_check(&compare, program, c->vars);
    }
}

/* Reference values of every graph, then the compiled ones. */
static void check_case(Case *c, Way way)
{
    Module *m = c->module;
    int n = m->graphs.len, *n_inputs = ARENA_ARRAY(c->arena, int, n + 1);
    EvalRun *wants = ARENA_ARRAY(c->arena, EvalRun, n + 1);
    Tensor **after = ARENA_ARRAY(c->arena, Tensor *, n + 1);
    NamedTensor **inputs = ARENA_ARRAY(c->arena, NamedTensor *, n + 1);
    for (int i = 0; i < n; i++) {
        inputs[i] = case_inputs(c, m->graphs.data[i], &n_inputs[i]);
        after[i] = copy_vars(c->arena, m, c->vars);
        wants[i] = (EvalRun){ .ctx = { .seed = 7, .step = 3, .epoch = 1 }, .inputs = inputs[i],
                              .n_inputs = n_inputs[i], .vars = after[i] };
        const char *fault = graph_eval(m->graphs.data[i], &wants[i], c->arena);
        if (fault)
            fail_msg("%s: %s", m->graphs.data[i]->name, fault);
    }
    compile_and_check(c, way, wants, after, inputs, n_inputs);
}

/* ---- programs in the language ---- */

static const char *const PROGRAMS[] = {
    /* dense, dropout, cross entropy, Adam, metric */
    "net mlp(image: f32[N, 5, 4]) -> f32[N, 3] {\n"
    "  h = image |> flatten |> dense(7) |> relu |> dropout(0.2)\n"
    "  return dense(h, 3)\n}\n"
    "train t {\n data image: f32[N, 5, 4] = npy(\"a\")\n data label: i32[N] = npy(\"b\")\n batch 6\n epochs 1\n"
    " minimize cross_entropy(mlp(image), label) with adam(lr = 1e-2)\n"
    " metric accuracy = mean(argmax(mlp(image)) == label)\n}\n",
    /* convolutions with padding and stride, batch norm, residual, pooling */
    "net cnn(x: f32[N, 6, 6, 2]) -> f32[N, 3] {\n"
    "  a = x |> conv2d(4, 3, pad = 1) |> batch_norm |> relu\n"
    "  b = a |> conv2d(4, 3, pad = 1) |> batch_norm\n"
    "  c = relu(a + b) |> max_pool2d(2) |> conv2d(3, 2, stride = 1)\n"
    "  return global_avg_pool(c)\n}\n"
    "train t {\n data x: f32[N, 6, 6, 2] = npy(\"a\")\n data label: i32[N] = npy(\"b\")\n batch 3\n epochs 1\n"
    " minimize cross_entropy(cnn(x), label) with momentum(lr = 0.1)\n}\n",
    /* overlapping pools over padding and a norm, a large pool, pools of one channel */
    "net pools(x: f32[N, 9, 9, 3]) -> f32[N, 2] {\n"
    "  a = x |> conv2d(4, 3, bias = false) |> batch_norm |> relu |> max_pool2d(3, stride = 2, pad = 1)\n"
    "  b = (a + tanh(a)) |> max_pool2d(2, stride = 1) |> conv2d(1, 1) |> max_pool2d(3, stride = 1, pad = 1)\n"
    "  c = x |> conv2d(2, 2) |> relu6 |> max_pool2d(6, stride = 1)\n"
    "  return (b |> flatten |> dense(2)) + global_avg_pool(c)\n}\n"
    "train t {\n data x: f32[N, 9, 9, 3] = npy(\"a\")\n data y: f32[N, 2] = npy(\"b\")\n batch 3\n epochs 1\n"
    " minimize mse(pools(x), y) with adam(lr = 0.1)\n}\n",
    /* attention, layer norm, gelu */
    "net block(x: f32[N, 5, 8]) -> f32[N, 5, 8] = x |> transformer_block(heads = 2)\n"
    "train t {\n data x: f32[N, 5, 8] = npy(\"a\")\n batch 2\n epochs 1\n"
    " minimize mse(block(x), 0.5) with sgd(lr = 0.1)\n}\n",
    /* gradient clipping over all parameters, rmsprop, group and rms norm, embedding */
    "net e(text: i32[N, 4]) -> f32[N, 4, 5] = text |> embedding(6, 8) |> rms_norm |> dense(5)\n"
    "train t {\n data text: i32[N, 4] = npy(\"a\")\n data next: i32[N, 4] = npy(\"b\")\n batch 3\n epochs 1\n"
    " minimize cross_entropy(e(text), next) with clip_by_norm(0.1) |> momentum(lr = 0.1)\n}\n",
    /* softmax of one row, values used twice, outputs that are inputs */
    "net s(x: f32[7]) -> f32[7], f32[7] {\n  p = softmax(x)\n  return p * x, p\n}\n",
};

static void check_programs(Way way)
{
    for (size_t i = 0; i < sizeof PROGRAMS / sizeof *PROGRAMS; i++) {
        Case c;
        const char *fault = case_open(&c, PROGRAMS[i]);
        if (fault)
            fail_msg("program %d: %s", (int)i, fault);
        check_case(&c, way);
        arena_free(c.arena);
    }
}

static void test_programs_fused(void **state)
{
    (void)state;
    check_programs((Way){ 0 });
}

static void test_programs_unfused(void **state)
{
    (void)state;
    check_programs((Way){ .no_fuse = true });
}

static void test_programs_laid_out(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++)
        check_programs((Way){ .layouts = seed, .no_fuse = seed % 3 == 0 });
    assert_true(laid_out > 100 && arranged > 100); /* few are out of the question */
}

/* ---- random graphs ---- */

typedef struct {
    Graph *g;
    uint64_t seed;
    Node *pool[128];
    int n;
} Gen;

static int pick(Gen *r, int n)
{
    r->seed = r->seed * 6364136223846793005u + 1442695040888963407u;
    return (int)((r->seed >> 33) % (uint64_t)n);
}

static Node *any(Gen *r) { return r->pool[pick(r, r->n)]; }

static void keep(Gen *r, Node *n)
{
    if (n && r->n < 128 && type_count(&n->type) <= 600 && n->type.rank <= 4)
        r->pool[r->n++] = n;
}

static Node *tame(Gen *r, Node *n) { return build_unary(r->g, &op_tanh, n); }

static Node *gen_elementwise(Gen *r)
{
    static const OpDef *const BINARY[] = { &op_add, &op_sub, &op_mul, &op_max, &op_min };
    static const OpDef *const UNARY[] = { &op_neg, &op_tanh, &op_abs, &op_sin, &op_erf };
    Node *a = any(r), *b = any(r);
    if (pick(r, 3) == 0)
        return build_unary(r->g, UNARY[pick(r, 5)], a);
    Node *wide = build_broadcast_to(r->g, b, a->type.rank, a->type.dim);
    if (!wide)
        return build_unary(r->g, &op_exp, build_unary(r->g, &op_neg, build_unary(r->g, &op_abs, a)));
    if (pick(r, 5) == 0) /* both sides agree where the condition changes: rounding must not show */
        return build_select(r->g, build_binary(r->g, &op_lt, a, wide), build_binary(r->g, &op_mul, a, wide),
                            build_binary(r->g, &op_mul, wide, wide));
    return build_binary(r->g, BINARY[pick(r, 5)], a, wide);
}

static Node *gen_reduce(Gen *r)
{
    Node *a = any(r);
    int64_t axes[MAX_RANK];
    int n = 0, rank = a->type.rank;
    for (int d = 0; d < rank; d++)
        if (pick(r, 2))
            axes[n++] = d;
    if (!n)
        return NULL;
    Node *y = build_reduce(r->g, pick(r, 3) ? &op_sum : &op_reduce_max, a, axes, n);
    if (pick(r, 2)) { /* keep the axes, as normalisations do */
        int64_t kept[MAX_RANK];
        int k = 0;
        for (int d = 0, at = 0; d < rank; d++)
            if (at < n && axes[at] == d)
                at++;
            else
                kept[k++] = d;
        Node *wide = build_broadcast(r->g, y, rank, a->type.dim, kept);
        return build_binary(r->g, pick(r, 2) ? &op_sub : &op_mul, a, tame(r, wide));
    }
    return tame(r, y);
}

static Node *gen_movement(Gen *r)
{
    Node *a = any(r);
    int rank = a->type.rank;
    int64_t p[MAX_RANK] = { 0 }, q[MAX_RANK] = { 0 }, s[MAX_RANK] = { 0 };
    if (!rank)
        return NULL;
    switch (pick(r, 5)) {
    case 0:
        for (int d = 0; d < rank; d++)
            p[d] = (d + 1) % rank;
        return build_transpose(r->g, a, p);
    case 1:
        p[0] = type_count(&a->type);
        return build_reshape(r->g, a, 1, p);
    case 2:
        for (int d = 0; d < rank; d++) {
            s[d] = 1 + pick(r, 2);
            p[d] = a->type.dim[d] > 2 ? pick(r, 2) : 0;
            q[d] = a->type.dim[d];
        }
        return build_slice(r->g, a, p, q, s);
    case 3:
        for (int d = 0; d < rank; d++)
            p[d] = pick(r, 2), q[d] = pick(r, 2);
        return build_pad(r->g, a, build_scalar(r->g, DT_F32, 0.25), p, q, NULL);
    default: {
        Node *parts[2] = { a, build_unary(r->g, &op_neg, a) };
        return build_concat(r->g, parts, 2, pick(r, rank));
    }
    }
}

/* a[.., k] times b[.., k] over the last axes where they agree. */
static Node *gen_contract(Gen *r)
{
    Node *a = any(r), *b = any(r);
    if (a->type.rank != 2 || b->type.rank != 2 || a->type.dim[1] != b->type.dim[1])
        return NULL;
    Contract c = { .n_index = 3, .n_out = 2, .n_operand = 2,
                   .extent = { a->type.dim[0], b->type.dim[0], a->type.dim[1] }, .name = { "n", "o", "k" } };
    c.operand[0].rank = c.operand[1].rank = 2;
    c.operand[0].dim[0].coef[0] = c.operand[0].dim[1].coef[2] = 1;
    c.operand[1].dim[0].coef[1] = c.operand[1].dim[1].coef[2] = 1;
    return tame(r, build_contract(r->g, a, b, &c));
}

static void gen_roots(Gen *r, Module *m)
{
    for (int i = 0; i < 4; i++) {
        Node *n = i < 2 ? any(r) : r->pool[r->n - i + 1];
        build_output(r->g, arena_printf(r->g->arena, "out%d", i), n);
    }
    for (int v = 0; v < m->vars.len; v++) {
        Var *var = m->vars.data[v];
        for (int tries = 0; tries < 20; tries++) {
            Node *n = any(r);
            if (!type_equal(&n->type, &var->type))
                continue;
            Node *old = build_var(r->g, var);
            build_update(r->g, var, pick(r, 2) ? n : build_binary(r->g, &op_sub, old, tame(r, n)));
            break;
        }
    }
}

static void random_case(Case *c, uint64_t seed)
{
    static const int64_t SHAPES[][2] = { { 6, 8 }, { 6, 8 }, { 8, 8 }, { 5, 8 } };
    *c = (Case){ .arena = arena_new() };
    Module *m = c->module = module_new(c->arena, intern_new(c->arena), "random");
    Gen r = { .seed = seed };
    c->vars = ARENA_ARRAY(c->arena, Tensor, 8);
    for (int i = 0; i < 4; i++) {
        Type t = type_make(DT_F32, 2, SHAPES[i]);
        module_add_var(m, arena_printf(c->arena, "v%d", i), i % 2 ? VAR_SLOT : VAR_PARAM, t, (Loc){ 0 });
        c->vars[i] = tensor_new(c->arena, t);
        for (int64_t k = 0; k < type_count(&t); k++)
            c->vars[i].data[k] = (float)case_noise("v", k + i * 1000, -1, 1);
    }
    r.g = graph_new(m, arena_printf(c->arena, "random%d", (int)seed), GRAPH_STEP, 6);
    for (int i = 0; i < 4; i++)
        keep(&r, build_var(r.g, m->vars.data[i]));
    keep(&r, build_input(r.g, "x", type_make(DT_F32, 2, SHAPES[0])));
    keep(&r, build_input(r.g, "b", type_make(DT_F32, 1, (int64_t[]){ 8 })));
    keep(&r, build_rand(r.g, 2, SHAPES[0], 99));
    keep(&r, build_scalar(r.g, DT_F32, 0.5));
    for (int i = 0; i < 30; i++) {
        int kind = pick(&r, 10);
        keep(&r, kind < 5   ? gen_elementwise(&r)
                 : kind < 7 ? gen_reduce(&r)
                 : kind < 9 ? gen_movement(&r)
                            : gen_contract(&r));
    }
    gen_roots(&r, m);
}

static void test_random_graphs(void **state)
{
    (void)state;
    const char *one = getenv("NNC_TEST_SEED");
    int first = one ? atoi(one) : 1, last = one ? first + atoi(getenv("NNC_TEST_COUNT") ? getenv("NNC_TEST_COUNT") : "1") - 1 : 60;
    for (int seed = first; seed <= last; seed++) {
        for (int way = 0; way < 4; way++) {
            Case c;
            random_case(&c, (uint64_t)seed);
            check_case(&c, (Way){ .no_fuse = way % 2, .layouts = way < 2 ? 0 : (uint64_t)seed });
            arena_free(c.arena);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_programs_fused),
        cmocka_unit_test(test_programs_unfused),
        cmocka_unit_test(test_programs_laid_out),
        cmocka_unit_test(test_random_graphs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
