/* Kernels as networks make them, at sizes where loops run in parallel, are blocked and have remainders:
 * compiled against evaluated, the same bits for any number of threads, clean under sanitizers. */
#include "diff.h"

static const DiffRange PLAIN = { -1.5, 1.5, false };

static Node *in_f32(Graph *g, const char *name, int rank, const int64_t *dim)
{
    return build_input(g, name, type_make(DT_F32, rank, dim));
}
#define DIMS(...) (int)(sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t)), (const int64_t[]){ __VA_ARGS__ }

static Node *sum_axis(Graph *g, Node *x, int64_t axis) { return build_reduce(g, &op_sum, x, &axis, 1); }

/* A row's value at every element of the rows again. */
static Node *spread_rows(Graph *g, Node *v, const Node *like)
{
    int64_t axes[MAX_RANK];
    for (int i = 0; i < v->type.rank; i++)
        axes[i] = i;
    return build_broadcast(g, v, like->type.rank, like->type.dim, axes);
}

static Node *row_softmax(Graph *g, Node *x)
{
    int64_t last = x->type.rank - 1;
    Node *max = build_reduce(g, &op_reduce_max, x, &last, 1);
    Node *e = build_unary(g, &op_exp, build_binary(g, &op_sub, x, spread_rows(g, max, x)));
    return build_binary(g, &op_div, e, spread_rows(g, sum_axis(g, e, last), x));
}

static void add_softmax(Diff *d, const char *name, int64_t rows, int64_t cols)
{
    Graph *g = diff_graph(d, name);
    build_output(g, "y", row_softmax(g, in_f32(g, "x", DIMS(rows, cols))));
    diff_finish(d, g, "softmax", PLAIN);
}

/* Layer norm over the last axis of a rank 3 tensor, with its gradient to x. */
static void add_layer_norm(Diff *d, const char *name, int64_t a, int64_t b, int64_t c)
{
    Graph *g = diff_graph(d, name);
    Node *x = in_f32(g, "x", DIMS(a, b, c)), *scale = in_f32(g, "scale", DIMS(c)), *w = in_f32(g, "w", DIMS(a, b, c));
    Node *n = build_like(g, sum_axis(g, x, 2), (double)c);
    Node *mean = build_binary(g, &op_div, sum_axis(g, x, 2), n);
    Node *centred = build_binary(g, &op_sub, x, spread_rows(g, mean, x));
    Node *var = build_binary(g, &op_div, sum_axis(g, build_binary(g, &op_mul, centred, centred), 2), n);
    Node *std = build_unary(g, &op_sqrt, build_binary(g, &op_add, var, build_like(g, var, 1e-5)));
    Node *y = build_binary(g, &op_div, centred, spread_rows(g, std, x));
    y = build_binary(g, &op_mul, y, build_broadcast_to(g, scale, 3, x->type.dim));
    build_output(g, "y", y);
    Node *loss = build_reduce(g, &op_sum, build_binary(g, &op_mul, y, w), (const int64_t[]){ 0, 1, 2 }, 3);
    build_output(g, "dx", build_gradient(g, loss, x));
    build_output(g, "dscale", build_gradient(g, loss, scale));
    diff_finish(d, g, "layer norm", PLAIN);
}

/* Cross entropy of logits with integer labels, accuracy, and the gradient. */
static void add_cross_entropy(Diff *d, int64_t n, int64_t classes)
{
    Graph *g = diff_graph(d, "cross_entropy");
    Node *x = in_f32(g, "x", DIMS(n, classes));
    Node *label = build_input(g, "label", type_make(DT_I32, 1, &n));
    Node *max = build_reduce(g, &op_reduce_max, x, (const int64_t[]){ 1 }, 1);
    Node *shifted = build_binary(g, &op_sub, x, spread_rows(g, max, x));
    Node *log_sum = build_unary(g, &op_log, sum_axis(g, build_unary(g, &op_exp, shifted), 1));
    Node *hot = build_binary(g, &op_eq, spread_rows(g, label, x), build_iota(g, 2, x->type.dim, 1));
    Node *at = build_select(g, hot, shifted, build_like(g, shifted, 0));
    Node *loss = build_binary(g, &op_sub, log_sum, sum_axis(g, at, 1));
    loss = build_binary(g, &op_div, sum_axis(g, loss, 0), build_scalar(g, DT_F32, (double)n));
    Attr axis[MAX_ATTR] = { { .i = 1 } };
    Node *best = graph_must_add(g, &op_argmax, &x, 1, axis);
    Node *right = build_cast(g, build_binary(g, &op_eq, best, label), DT_F32);
    build_output(g, "loss", loss);
    build_output(g, "accuracy", build_binary(g, &op_div, sum_axis(g, right, 0), build_scalar(g, DT_F32, (double)n)));
    build_output(g, "dx", build_gradient(g, loss, x));
    diff_finish(d, g, "cross entropy", PLAIN);
}

/* Statistics of columns, of everything, and of channels that come first. */
static void add_reductions(Diff *d)
{
    Graph *g = diff_graph(d, "reductions");
    Node *x = in_f32(g, "x", DIMS(7000, 37)), *z = in_f32(g, "z", DIMS(12, 5, 9000)), *v = in_f32(g, "v", DIMS(300001));
    Node *wide = in_f32(g, "wide", DIMS(40, 15000));
    const int64_t all[] = { 0, 1, 2 };
    build_output(g, "columns", sum_axis(g, x, 0));
    build_output(g, "wide_max", build_reduce(g, &op_reduce_max, wide, all, 1));
    build_output(g, "squares", sum_axis(g, build_binary(g, &op_mul, x, x), 0));
    build_output(g, "total", build_reduce(g, &op_sum, build_unary(g, &op_abs, v), all, 1));
    build_output(g, "middle", sum_axis(g, z, 1));
    build_output(g, "channels", build_reduce(g, &op_sum, z, (const int64_t[]){ 0, 2 }, 2));
    build_output(g, "everything", build_reduce(g, &op_reduce_max, z, all, 3));
    Attr axis[MAX_ATTR] = { { .i = 0 } };
    build_output(g, "first", graph_must_add(g, &op_argmax, &x, 1, axis));
    build_output(g, "top", graph_must_add(g, &op_argmax, &v, 1, axis));
    diff_finish(d, g, "reductions", PLAIN);
}

static void add_movement(Diff *d)
{
    Graph *g = diff_graph(d, "movement");
    Node *x = in_f32(g, "x", DIMS(16, 30, 31, 20)), *y = in_f32(g, "y", DIMS(16, 30, 31, 12));
    Node *zero = build_scalar(g, DT_F32, 0);
    Node *padded = build_pad(g, build_unary(g, &op_tanh, x), zero, (const int64_t[]){ 0, 1, 2, 0 },
                             (const int64_t[]){ 0, 3, 1, 0 }, NULL);
    build_output(g, "padded", padded);
    build_output(g, "gaps", build_pad(g, x, zero, (const int64_t[]){ 0, 1, 0, 0 }, (const int64_t[]){ 0, 0, 2, 0 },
                                      (const int64_t[]){ 0, 1, 2, 0 }));
    Node *few = in_f32(g, "few", DIMS(3, 40, 57, 147)); /* boxes of rows, in parallel over samples and rows */
    const int64_t around[] = { 0, 2, 1, 0 };
    build_output(g, "framed", build_pad(g, build_unary(g, &op_tanh, few), zero, around, around, NULL));
    build_output(g, "frame_read", build_unary(g, &op_tanh, build_pad(g, few, zero, around, around, NULL)));
    build_output(g, "joined", build_concat(g, (Node *const[]){ x, y, x }, 3, 3));
    build_output(g, "turned", build_transpose(g, x, (const int64_t[]){ 0, 3, 1, 2 }));
    Node *flat = build_reshape(g, x, DIMS(16 * 30, 31 * 20));
    build_output(g, "shaped", build_binary(g, &op_mul, flat, flat));
    build_output(g, "part", build_slice(g, x, (const int64_t[]){ 0, 1, 0, 3 }, (const int64_t[]){ 16, 29, 31, 19 },
                                        (const int64_t[]){ 1, 2, 3, 1 }));
    diff_finish(d, g, "movement", PLAIN);
}

/* y[m, n] = sum over k of a[m, k] b[n, k], or with both turned: a[k, m] b[k, n]. */
static void add_product(Diff *d, const char *name, int64_t m, int64_t n, int64_t k, bool turned)
{
    Graph *g = diff_graph(d, name);
    Contract c = { 3, 2, 2, { m, n, k }, { "m", "n", "k" },
                   { { 2, { { 0, { 1 } }, { 0, { 0, 0, 1 } } } }, { 2, { { 0, { 0, 1 } }, { 0, { 0, 0, 1 } } } } } };
    if (turned)
        for (int o = 0; o < 2; o++) {
            Affine swap = c.operand[o].dim[0];
            c.operand[o].dim[0] = c.operand[o].dim[1];
            c.operand[o].dim[1] = swap;
        }
    Node *a = turned ? in_f32(g, "a", DIMS(k, m)) : in_f32(g, "a", DIMS(m, k));
    Node *b = turned ? in_f32(g, "b", DIMS(k, n)) : in_f32(g, "b", DIMS(n, k));
    build_output(g, "y", build_contract(g, a, b, &c));
    diff_finish(d, g, "product", PLAIN);
}

static Var *parameter(Diff *d, const char *name, VarKind kind, int rank, const int64_t *dim)
{
    Var *v = module_add_var(d->module, name, kind, type_make(DT_F32, rank, dim), (Loc){ 0 });
    assert_non_null(v);
    return v;
}

/* One step of momentum on a layer with dropout: draws, a contraction and its gradient, updates. */
static void add_step(Diff *d)
{
    const int64_t n = 48, in = 70, out = 90;
    Var *weight = parameter(d, "net.fc.weight", VAR_PARAM, DIMS(out, in));
    Var *bias = parameter(d, "net.fc.bias", VAR_PARAM, DIMS(out));
    Var *speed = parameter(d, "step.momentum.v.net.fc.weight", VAR_SLOT, DIMS(out, in));
    Graph *g = diff_graph(d, "step");
    g->path = "net.fc";
    g->loc = (Loc){ "net.nn", 3, 5 };
    Node *x = in_f32(g, "x", DIMS(n, in)), *w = build_var(g, weight), *b = build_var(g, bias);
    static const Contract dense = { 3, 2, 2, { 48, 90, 70 }, { "n", "o", "i" },
                                    { { 2, { { 0, { 1 } }, { 0, { 0, 0, 1 } } } }, { 2, { { 0, { 0, 1 } }, { 0, { 0, 0, 1 } } } } } };
    Node *y = build_contract(g, x, w, &dense);
    y = build_binary(g, &op_add, y, build_broadcast_to(g, b, 2, y->type.dim));
    y = build_binary(g, &op_max, y, build_like(g, y, 0));
    Node *keep = build_binary(g, &op_lt, build_rand(g, 2, y->type.dim, 0x1234), build_like(g, y, 0.75));
    y = build_select(g, keep, y, build_like(g, y, 0));
    Node *loss = build_reduce(g, &op_sum, build_binary(g, &op_mul, y, y), (const int64_t[]){ 0, 1 }, 2);
    build_output(g, "loss", loss);
    Node *old = build_var(g, speed);
    Node *fresh = build_binary(g, &op_add, build_binary(g, &op_mul, old, build_like(g, old, 0.9)), build_gradient(g, loss, w));
    build_update(g, speed, fresh);
    build_update(g, weight, build_binary(g, &op_sub, w, build_binary(g, &op_mul, fresh, build_like(g, fresh, 1e-3))));
    Node *db = build_gradient(g, loss, b);
    build_update(g, bias, build_binary(g, &op_sub, b, build_binary(g, &op_mul, db, build_like(g, db, 1e-3))));
    diff_finish(d, g, "training step", PLAIN);
}

/* Equal code over different constants. */
static void add_table(Diff *d, const char *name, double first)
{
    Graph *g = diff_graph(d, name);
    const double values[] = { first, -1.5, 0.25, 3 };
    Node *x = in_f32(g, "x", DIMS(9, 4)), *k = build_const(g, type_make(DT_F32, DIMS(4)), values);
    build_output(g, "y", build_binary(g, &op_mul, x, build_broadcast_to(g, k, 2, x->type.dim)));
    diff_finish(d, g, "table of constants", PLAIN);
}

static void add_all(Diff *d)
{
    add_step(d); /* first: it makes the variables */
    add_softmax(d, "softmax_wide", 70, 333);
    add_softmax(d, "softmax_small", 1000, 10);
    add_softmax(d, "softmax_one_row", 1, 5000);
    add_softmax(d, "softmax_large_rows", 20, 5000);
    add_layer_norm(d, "layer_norm", 8, 33, 129);
    add_cross_entropy(d, 600, 10);
    add_reductions(d);
    add_movement(d);
    add_product(d, "product_turned_panels", 61, 90, 77, false);
    add_product(d, "product_far", 40, 700, 650, false);
    add_product(d, "product_results_turned", 17, 300, 260, false);
    add_product(d, "product_split", 9, 40, 20000, true);
    add_product(d, "product_blocks", 100, 200, 1500, true);
    add_table(d, "table", 2);
    add_table(d, "other_table", 7);
}

static void check(DiffOptions o)
{
    if (!diff_can(&o))
        skip();
    Diff *d = diff_new("kernels");
    add_all(d);
    DiffBuild b = diff_build(d, o);
    diff_check(d, &b, 256 * 0x1p-23); /* rows of thousands: see test_ops_diff.c for short ones */
    diff_close(d, &b);
}

static void fused(void **state)
{
    (void)state;
    check((DiffOptions){ 0 });
}
static void one_op_a_kernel(void **state)
{
    (void)state;
    check((DiffOptions){ .no_fuse = true, .flags = "-O0 -march=native -fopenmp" });
}
static void v3(void **state)
{
    (void)state;
    check((DiffOptions){ .target = &LTARGET_X86_V3, .flags = "-O0 -mavx2 -mfma -fopenmp" });
}
static void portable(void **state)
{
    (void)state;
    check((DiffOptions){ .target = &LTARGET_PORTABLE, .flags = "-O0" });
}
static void clang_too(void **state)
{
    (void)state;
    check((DiffOptions){ .backend = DIFF_CLANG, .flags = "-O0 -march=native" });
}
static void llvm(void **state)
{
    (void)state;
    check((DiffOptions){ .backend = DIFF_LLVM_JIT });
}
static void llvm_one_op_a_kernel(void **state)
{
    (void)state;
    check((DiffOptions){ .backend = DIFF_LLVM_JIT, .no_fuse = true });
}
static void llvm_v3(void **state)
{
    (void)state;
    check((DiffOptions){ .backend = DIFF_LLVM_JIT, .target = &LTARGET_X86_V3 });
}
static void llvm_generic(void **state)
{
    (void)state;
    check((DiffOptions){ .backend = DIFF_LLVM_JIT, .target = &LTARGET_GENERIC });
}
static void llvm_object(void **state)
{
    (void)state;
    check((DiffOptions){ .backend = DIFF_LLVM_OBJ });
}
static void llvm_armv8(void **state)
{
    (void)state;
    check((DiffOptions){ .backend = DIFF_LLVM_OBJ, .target = &LTARGET_ARMV8 });
}
static void armv8(void **state)
{
    (void)state;
    check((DiffOptions){ .target = &LTARGET_ARMV8 });
}
static void riscv64(void **state)
{
    (void)state;
    check((DiffOptions){ .target = &LTARGET_RISCV64 });
}

static void same_bits_for_any_number_of_threads(void **state)
{
    (void)state;
    Diff *d = diff_new("threads");
    add_all(d);
    DiffBuild b = diff_build(d, (DiffOptions){ 0 });
    assert_non_null(strstr(b.source, "NNC_PARALLEL\n")); /* else this shows nothing */
    diff_check_threads(d, &b);
    diff_unload(d->arena, &b);
    DiffOptions llvm = { .backend = DIFF_LLVM_JIT };
    if (diff_can(&llvm)) {
        b = diff_build(d, llvm);
        diff_check_threads(d, &b);
        diff_unload(d->arena, &b);
    }
    arena_free(d->arena);
}

/* What a dump shows is the whole program: it reads back to the same text. */
static void loop_text_reads_back(void **state)
{
    (void)state;
    Diff *d = diff_new("text");
    add_all(d);
    LProgram *p = diff_lower(d, &(DiffOptions){ .target = &LTARGET_X86_V4 });
    Text first = { .arena = d->arena }, second = { .arena = d->arena };
    loop_print(p, &first);
    Diags diags = { .arena = d->arena };
    LProgram *again = loop_read(d->arena, intern_new(d->arena), source_new(d->arena, "dump", first.data, first.len), &diags);
    assert_non_null(again);
    loop_print(again, &second);
    assert_string_equal(first.data, second.data);
    arena_free(d->arena);
}

/* The program's memory, each block of its exact size, in a process of its own. */
static const char MAIN_TEXT[] =
    "#include <stdlib.h>\n#include <string.h>\n#include \"x.c\"\n"
    "static void *block(size_t n) { void *p = NULL; if (posix_memalign(&p, 64, n ? n : 1)) abort(); memset(p, 0, n); return p; }\n"
    "int main(void)\n{\n    struct %s_ctx ctx = { 7, 3, 2 };\n    void *w = block(%lld), *s = block(%lld);\n";

static void clean_under_sanitizers(void **state)
{
    (void)state;
    Diff *d = diff_new("clean");
    add_all(d);
    DiffBuild b = diff_build(d, (DiffOptions){ .compile_only = true, .flags = "-O0 -march=native" });
    Text t = { .arena = d->arena };
    text_addf(&t, MAIN_TEXT, b.program->c_name, (long long)b.program->weights_bytes, (long long)b.program->slots_bytes);
    for (int i = 0; i < b.program->entries.len; i++) {
        const LEntry *e = b.program->entries.data[i];
        text_addf(&t, "    {\n        void *in[%d], *out[%d], *arena = block(%lld);\n", e->n_in + 1, e->n_out + 1,
                  (long long)e->arena_bytes);
        for (int k = 0; k < e->n_in + e->n_out; k++) {
            const nnr_info *info = k < e->n_in ? &e->in[k] : &e->out[k - e->n_in];
            long long bytes = info->dtype == NNR_BOOL ? 1 : 4;
            for (int r = 0; r < info->rank; r++)
                bytes *= info->dims[r];
            text_addf(&t, "        %s[%d] = block(%lld);\n", k < e->n_in ? "in" : "out", k < e->n_in ? k : k - e->n_in, bytes);
        }
        text_addf(&t, "        %s(w, s, (const void *const *)in, out, arena, &ctx);\n", back_wrapper_name(d->arena, b.program, e));
        for (int k = 0; k < e->n_in + e->n_out; k++)
            text_addf(&t, "        free(%s[%d]);\n", k < e->n_in ? "in" : "out", k < e->n_in ? k : k - e->n_in);
        text_add(&t, "        free(arena);\n    }\n");
    }
    text_add(&t, "    free(w);\n    free(s);\n    return 0;\n}\n");
    diff_write(d->arena, b.dir, "main.c", t.data);
    diff_run(d->arena, b.dir, arena_printf(d->arena, "gcc -std=gnu11 -g -O1 -march=native -fopenmp -fsanitize=address,undefined "
                                              "-fno-sanitize-recover=all -o %s/main %s/main.c -lm", b.dir, b.dir));
    diff_run(d->arena, b.dir, arena_printf(d->arena, "%s/main", b.dir));
    diff_close(d, &b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fused),
        cmocka_unit_test(one_op_a_kernel),
        cmocka_unit_test(v3),
        cmocka_unit_test(portable),
        cmocka_unit_test(clang_too),
        cmocka_unit_test(llvm),
        cmocka_unit_test(llvm_one_op_a_kernel),
        cmocka_unit_test(llvm_v3),
        cmocka_unit_test(llvm_generic),
        cmocka_unit_test(llvm_object),
        cmocka_unit_test(llvm_armv8),
        cmocka_unit_test(armv8),
        cmocka_unit_test(riscv64),
        cmocka_unit_test(same_bits_for_any_number_of_threads),
        cmocka_unit_test(loop_text_reads_back),
        cmocka_unit_test(clean_under_sanitizers),
    };
    return cmocka_run_group_tests_name("kernels: compiled against evaluated", tests, NULL, NULL);
}
