/* Every operation's samples through fusion and lowering, run by the loop IR's interpreter, against the
 * reference evaluator: the interpreter checks every access, and runs parallel loops backwards. Forward
 * (1e-5) and gradients (1e-3), fused and one operation a kernel, vectorised and scalar. */
#include "ops/lower.h"
#include "passes/passes.h"
#include "tests/ops/sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

typedef struct {
    bool no_fuse, backward;
    const LTarget *target;
    double tolerance;
} Mode;

static void *store(Arena *arena, const Type *type, const double *from)
{
    int64_t n = type_count(type);
    char *to = arena_alloc(arena, (size_t)(n * dtype_bytes(type->dtype)) + NNR_ALIGN);
    for (int64_t i = 0; from && i < n; i++)
        switch (type->dtype) {
        case DT_F32: ((float *)(void *)to)[i] = (float)from[i]; break;
        case DT_I32: ((int32_t *)(void *)to)[i] = (int32_t)from[i]; break;
        default: ((uint8_t *)to)[i] = (uint8_t)from[i]; break;
        }
    return to;
}

static double fetch(const void *from, DType dtype, int64_t i)
{
    switch (dtype) {
    case DT_F32: return (double)((const float *)from)[i];
    case DT_I32: return ((const int32_t *)from)[i];
    default: return ((const uint8_t *)from)[i];
    }
}

/* node->aux: memory of what is stored. */
static const char *run_kernel(Arena *arena, const Graph *g, Kernel *k, const Mode *mode, const nnr_ctx *ctx)
{
    struct LowerBuf *bufs;
    int n_bufs;
    LFunc *f = lower_kernel(arena, g, k, mode->target, LOWER_WHOLE, &bufs, &n_bufs);
    void **memory = ARENA_ARRAY(arena, void *, n_bufs + 2);
    for (int i = 0; i < n_bufs; i++) {
        Node *n = (Node *)bufs[i].node;
        if (!n->aux)
            n->aux = store(arena, &n->type, NULL);
        memory[i] = n->aux;
    }
    memory[n_bufs] = arena_alloc(arena, (size_t)f->scratch_bytes + NNR_ALIGN);
    const char *fault = lfunc_eval(f, memory, ctx, arena);
    if (fault) {
        Text t = { .arena = arena };
        loop_print_func(f, &t);
        fprintf(stderr, "%s", t.data);
    }
    return fault;
}

static const char *run_graph(Arena *arena, SampleGraph *sg, const Mode *mode)
{
    PassCtx pass = { .arena = arena, .target = mode->target, .no_fuse = mode->no_fuse };
    if (!pass_dce(&pass, sg->g) || !pass_fuse(&pass, sg->g))
        return pass.why.text[0] ? arena_strdup(arena, pass.why.text) : "a pass fails";
    const char *fault = graph_verify(sg->g, arena);
    for (int i = 0; i < sg->g->nodes.len; i++) {
        Node *n = sg->g->nodes.data[i];
        n->aux = NULL;
        for (int k = 0; n->op == &op_input && k < sg->n_in; k++)
            if (strcmp(n->attr[0].name, sg->inputs[k].name) == 0)
                n->aux = store(arena, &n->type, sg->inputs[k].value.data);
    }
    const nnr_ctx ctx = sample_run(sg).ctx;
    for (int i = 0; i < sg->g->kernels.len && !fault; i++)
        fault = run_kernel(arena, sg->g, sg->g->kernels.data[i], mode, &ctx);
    return fault;
}

static int compare(const SampleGraph *sg, const EvalRun *want, double tolerance)
{
    for (int i = 0; i < sg->g->nodes.len; i++) {
        const Node *n = sg->g->nodes.data[i];
        if (n->op != &op_output)
            continue;
        const Tensor *y = sample_output(want, n->attr[0].name);
        const void *got = node_storage(n->in[0])->aux;
        double scale = 1e-3;
        for (int64_t e = 0; e < type_count(&y->type); e++)
            scale = fmax(scale, fabs(y->data[e]));
        for (int64_t e = 0; got && e < type_count(&y->type); e++) {
            double a = fetch(got, y->type.dtype, e), b = y->data[e];
            if (fabs(a - b) <= tolerance * scale || a == b)
                continue;
            fprintf(stderr, "%s: %s[%lld] is %.9g, the evaluator says %.9g\n", sg->text, n->attr[0].name,
                    (long long)e, a, b);
            return 1;
        }
        if (!got)
            return fprintf(stderr, "%s: output %s is stored nowhere\n", sg->text, n->attr[0].name), 1;
    }
    return 0;
}

/* 1: failed, 0: fine or nothing to do. */
static int check_sample(Arena *arena, const OpDef *op, int k, const Mode *mode)
{
    SampleGraph sg;
    if (!sample_graph(arena, op, k, &sg))
        return 1;
    if (!mode->backward) {
        build_output(sg.g, "y", sg.node);
    } else {
        if (!op->grad || sg.node->type.dtype != DT_F32)
            return 0;
        Node *loss = sample_loss(arena, &sg);
        for (int i = 0; i < sg.n_in; i++)
            if (sg.operand[i]->type.dtype == DT_F32)
                build_output(sg.g, arena_printf(arena, "dx%d", i), build_gradient(sg.g, loss, sg.operand[i]));
        PassCtx pass = { .arena = arena };
        if (!pass_grad(&pass, sg.g))
            return fprintf(stderr, "%s: %s\n", sg.text, pass.why.text), 1;
    }
    EvalRun want = sample_run(&sg);
    const char *fault = graph_eval(sg.g, &want, arena);
    if (!fault)
        fault = run_graph(arena, &sg, mode);
    if (fault)
        return fprintf(stderr, "%s: %s\n", sg.text, fault), 1;
    return compare(&sg, &want, mode->tolerance);
}

static void check_all(Mode mode)
{
    int failed = 0, checked = 0;
    for (int i = 0; OPS[i]; i++)
        for (int k = 0; k < OPS[i]->n_samples; k++) {
            Arena *arena = arena_new();
            failed += check_sample(arena, OPS[i], k, &mode);
            checked++;
            arena_free(arena);
        }
    assert_true(checked > 200);
    assert_int_equal(failed, 0);
}

static void test_forward(void **state)
{
    (void)state;
    check_all((Mode){ .target = &LTARGET_X86_V4, .tolerance = 1e-5 });
}
static void test_forward_scalar(void **state)
{
    (void)state;
    check_all((Mode){ .target = &LTARGET_PORTABLE, .tolerance = 1e-5, .no_fuse = true });
}
static void test_gradients(void **state)
{
    (void)state;
    check_all((Mode){ .target = &LTARGET_X86_V3, .tolerance = 1e-3, .backward = true });
}
static void test_gradients_unfused(void **state)
{
    (void)state;
    check_all((Mode){ .target = &LTARGET_PORTABLE, .tolerance = 1e-3, .backward = true, .no_fuse = true });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forward),
        cmocka_unit_test(test_forward_scalar),
        cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_gradients_unfused),
    };
    return cmocka_run_group_tests_name("operations in the loop interpreter", tests, NULL, NULL);
}
