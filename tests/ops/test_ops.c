/* Every operation, from its samples: complete definition, verified graph, text round trip, and the
 * derivative against central differences of the reference evaluation (f64, relative error 1e-5). */
#include "passes/passes.h"
#include "tests/ops/sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { CHECKED_ELEMENTS = 40 }; /* of an operand; more are sampled */

static int each_sample(int (*check)(Arena *arena, const OpDef *op, int k))
{
    int failed = 0;
    for (int i = 0; OPS[i]; i++)
        for (int k = 0; k < OPS[i]->n_samples; k++) {
            Arena *arena = arena_new();
            failed += check(arena, OPS[i], k);
            arena_free(arena);
        }
    return failed;
}

static void test_definitions_are_complete(void **state)
{
    (void)state;
    int failed = 0;
    for (int i = 0; OPS[i]; i++) {
        const char *lacks = op_lacks(OPS[i]);
        if (lacks)
            fprintf(stderr, "%s lacks %s\n", OPS[i]->name, lacks);
        failed += lacks != NULL;
        assert_ptr_equal(op_find(OPS[i]->name), OPS[i]);
    }
    assert_int_equal(failed, 0);
}

/* op_lacks itself: an op with any part taken away is refused. */
static void test_incomplete_definitions_are_refused(void **state)
{
    (void)state;
    OpDef d = op_exp;
    assert_null(op_lacks(&d));
#define REFUSES(field)                                                                             \
    d = op_exp;                                                                                    \
    d.field = 0;                                                                                   \
    assert_non_null(op_lacks(&d))
    REFUSES(shape);
    REFUSES(eval);
    REFUSES(grad);
    REFUSES(emit);
    REFUSES(n_samples);
    d = op_slice;
    d.value = NULL;
    assert_string_equal(op_lacks(&d), "a lowering");
    d = op_sum;
    d.combine = NULL;
    assert_string_equal(op_lacks(&d), "a lowering");
    d = op_gather;
    d.lower = NULL;
    assert_string_equal(op_lacks(&d), "a lowering");
}

static char *module_text(Arena *arena, const Module *m)
{
    Text t = { .arena = arena };
    module_print(m, &t);
    return t.data;
}

static void show(void *user, DiagLevel level, const char *text)
{
    (void)user;
    (void)level;
    fputs(text, stderr);
}

static int check_round_trip(Arena *arena, const OpDef *op, int k)
{
    SampleGraph sg;
    if (!sample_graph(arena, op, k, &sg))
        return 1;
    build_output(sg.g, "y", sg.node);
    const char *fault = graph_verify(sg.g, arena);
    if (fault) {
        fprintf(stderr, "%s: %s\n", sg.text, fault);
        return 1;
    }
    char *first = module_text(arena, sg.module);
    Diags diags = { .arena = arena, .fn = show };
    Module *again = module_read(arena, intern_new(arena), source_new(arena, "text", first, strlen(first)), &diags);
    char *second = again ? module_text(arena, again) : NULL;
    if (!again || strcmp(first, second) != 0) {
        fprintf(stderr, "%s: reads back as another text:\n%s%s", sg.text, first, second ? second : "");
        return 1;
    }
    EvalRun a = sample_run(&sg), b = sample_run(&sg);
    if (graph_eval(sg.g, &a, arena) || graph_eval(again->graphs.data[0], &b, arena))
        return fprintf(stderr, "%s: cannot be evaluated\n", sg.text), 1;
    const Tensor *ya = sample_output(&a, "y"), *yb = sample_output(&b, "y");
    for (int64_t i = 0; i < type_count(&ya->type); i++)
        if (memcmp(&ya->data[i], &yb->data[i], sizeof(double)) != 0)
            return fprintf(stderr, "%s: evaluates differently when read back\n", sg.text), 1;
    return 0;
}

static void test_samples_round_trip(void **state)
{
    (void)state;
    assert_int_equal(each_sample(check_round_trip), 0);
}

/* ---- derivatives ---- */

static double loss_at(Arena *arena, const SampleGraph *sg)
{
    EvalRun run = sample_run(sg);
    const char *fault = graph_eval(sg->g, &run, arena);
    if (fault)
        fprintf(stderr, "%s: %s\n", sg->text, fault);
    return fault ? NAN : sample_output(&run, "loss")->data[0];
}

static double difference(const SampleGraph *sg, int operand, int64_t element)
{
    double *x = &sg->inputs[operand].value.data[element], saved = *x, h = 1e-5 * fmax(1, fabs(saved));
    Arena *arena = arena_new();
    *x = saved + h;
    double up = loss_at(arena, sg);
    *x = saved - h;
    double down = loss_at(arena, sg);
    *x = saved;
    arena_free(arena);
    return (up - down) / (2 * h);
}

static int compare_gradient(const SampleGraph *sg, int operand, const Tensor *dx)
{
    int64_t n = type_count(&dx->type);
    Rng r = { 5 };
    for (int64_t c = 0; c < n && c < CHECKED_ELEMENTS; c++) {
        int64_t e = n <= CHECKED_ELEMENTS ? c : (int64_t)(rng_unit(&r) * (double)n);
        double want = difference(sg, operand, e), got = dx->data[e];
        double scale = fmax(fmax(fabs(want), fabs(got)), 1e-3);
        if (!(fabs(want - got) <= 1e-5 * scale)) {
            fprintf(stderr, "%s: d loss / d x%d[%lld] is %.12g, central differences give %.12g\n", sg->text,
                    operand, (long long)e, got, want);
            return 1;
        }
    }
    return 0;
}

static int check_gradient(Arena *arena, const OpDef *op, int k)
{
    SampleGraph forward, backward;
    if (!op->grad || !sample_graph(arena, op, k, &forward) || !sample_graph(arena, op, k, &backward))
        return 0;
    if (forward.node->type.dtype != DT_F32)
        return 0;
    sample_loss(arena, &forward);
    Node *loss = sample_loss(arena, &backward);
    for (int i = 0; i < backward.n_in; i++)
        if (backward.operand[i]->type.dtype == DT_F32)
            build_output(backward.g, arena_printf(arena, "dx%d", i),
                         build_gradient(backward.g, loss, backward.operand[i]));
    PassCtx pass = { .arena = arena };
    if (!pass_grad(&pass, backward.g))
        return fprintf(stderr, "%s: %s\n", backward.text, pass.why.text), 1;
    const char *fault = graph_verify(backward.g, arena);
    EvalRun run = sample_run(&backward);
    if (!fault)
        fault = graph_eval(backward.g, &run, arena);
    if (fault)
        return fprintf(stderr, "%s, backward: %s\n", backward.text, fault), 1;
    int failed = 0;
    for (int i = 0; i < forward.n_in; i++) {
        const Tensor *dx = sample_output(&run, arena_printf(arena, "dx%d", i));
        if (dx)
            failed |= compare_gradient(&forward, i, dx);
    }
    return failed;
}

static void test_derivatives(void **state)
{
    (void)state;
    assert_int_equal(each_sample(check_gradient), 0);
}

/* Derivatives of derivatives: the adjoint's own weights are differentiated, so that what a rule builds
 * is covered by rules again (window_put, scatter_add, the outer select ...). */
static int check_second_order(Arena *arena, const OpDef *op, int k)
{
    SampleGraph sg;
    if (!op->grad || !sample_graph(arena, op, k, &sg) || sg.node->type.dtype != DT_F32)
        return 0;
    Node *loss = sample_loss(arena, &sg);
    int64_t axes[MAX_RANK] = { 0, 1, 2, 3, 4, 5, 6, 7 };
    for (int i = 0; i < sg.n_in; i++) {
        if (sg.operand[i]->type.dtype != DT_F32)
            continue;
        Node *dx = build_gradient(sg.g, loss, sg.operand[i]);
        Node *square = build_reduce(sg.g, &op_sum, build_binary(sg.g, &op_mul, dx, dx), axes, dx->type.rank);
        build_output(sg.g, "ddx", build_gradient(sg.g, square, sg.operand[i]));
        break;
    }
    PassCtx pass = { .arena = arena };
    if (!pass_grad(&pass, sg.g))
        return fprintf(stderr, "%s, twice: %s\n", sg.text, pass.why.text), 1;
    const char *fault = graph_verify(sg.g, arena);
    EvalRun run = sample_run(&sg);
    if (!fault)
        fault = graph_eval(sg.g, &run, arena);
    if (fault)
        fprintf(stderr, "%s, twice: %s\n", sg.text, fault);
    return fault != NULL;
}

static void test_second_derivatives_exist(void **state)
{
    (void)state;
    assert_int_equal(each_sample(check_second_order), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_definitions_are_complete),
        cmocka_unit_test(test_incomplete_definitions_are_refused),
        cmocka_unit_test(test_samples_round_trip),
        cmocka_unit_test(test_derivatives),
        cmocka_unit_test(test_second_derivatives_exist),
    };
    return cmocka_run_group_tests_name("ops", tests, NULL, NULL);
}
