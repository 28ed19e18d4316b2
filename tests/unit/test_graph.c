/* The graph: building, sorting, verifying broken graphs, reading broken text, evaluating. */
#include "graph/text_form.h"
#include "ops/build.h"
#include "ops/kernel.h"
#include "ops/ops.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

typedef struct {
    Arena *arena;
    Module *m;
    Graph *g;
    Text said; /* diagnostics */
} World;

static void listen(void *user, DiagLevel level, const char *text)
{
    (void)level;
    text_add(user, text);
}

static int set_up(void **state)
{
    Arena *arena = arena_new();
    World *w = ARENA_NEW(arena, World);
    w->arena = arena;
    w->m = module_new(arena, intern_new(arena), "net");
    w->g = graph_new(w->m, "net", GRAPH_INFER, 0);
    w->said.arena = arena;
    text_add(&w->said, "");
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    arena_free(((World *)*state)->arena);
    return 0;
}

static Type f32_2d(int64_t a, int64_t b) { return type_make(DT_F32, 2, (int64_t[]){ a, b }); }

static Module *read_text(World *w, const char *text)
{
    Diags diags = { .arena = w->arena, .fn = listen, .user = &w->said };
    Source *source = source_new(w->arena, "net.ir", text, strlen(text));
    return module_read(w->arena, intern_new(w->arena), source, &diags);
}

static char *text_of(World *w, const Module *m)
{
    Text t = { .arena = w->arena };
    module_print(m, &t);
    return t.data;
}

/* ---- building ---- */

static void test_add_refuses(void **state)
{
    World *w = *state;
    Why why;
    Node *a = build_input(w->g, "a", f32_2d(2, 3)), *b = build_input(w->g, "b", f32_2d(3, 2));
    int n = w->g->nodes.len;
    assert_null(graph_add(w->g, &op_add, (Node *[]){ a, b }, 2, NULL, &why));
    assert_string_equal(why.text, "add needs operands of one type, got f32[2,3] and f32[3,2]");
    assert_null(graph_add(w->g, &op_add, &a, 1, NULL, &why));
    assert_string_equal(why.text, "add takes 2 operands, got 1");
    Attr big[MAX_ATTR] = { { .ints = { 3, (int64_t[]){ 1 << 20, 1 << 20, 1 << 20 } } }, { .i = 0 } };
    assert_null(graph_add(w->g, &op_iota, NULL, 0, big, &why));
    assert_non_null(strstr(why.text, "too many elements"));
    Attr negative[MAX_ATTR] = { { .ints = { 1, (int64_t[]){ -4 } } } };
    assert_null(graph_add(w->g, &op_reshape, &a, 1, negative, &why));
    assert_int_equal(w->g->nodes.len, n); /* nothing was appended */
}

/* Beyond i32, positions could not be told apart, nor derivatives built. */
static void test_positions_fit_i32(void **state)
{
    World *w = *state;
    Why why;
    Node *big = build_input(w->g, "big", type_make(DT_F32, 2, (int64_t[]){ 2, (int64_t)1 << 31 }));
    Attr all[MAX_ATTR] = { { .ints = { 2, (int64_t[]){ 0, 1 } } } }, last[MAX_ATTR] = { { .i = 1 } };
    assert_null(graph_add(w->g, &op_reduce_max, &big, 1, all, &why));
    assert_string_equal(why.text, "reduce_max counts positions in i32, but there are 4294967296 of them");
    assert_null(graph_add(w->g, &op_argmax, &big, 1, last, &why));
    assert_null(graph_add(w->g, &op_argsort, &big, 1, last, &why));
    Attr iota[MAX_ATTR] = { { .ints = { 2, big->type.dim } }, { .i = 1 } };
    assert_null(graph_add(w->g, &op_iota, NULL, 0, iota, &why));
    iota[1].i = 0;
    assert_non_null(graph_add(w->g, &op_iota, NULL, 0, iota, &why));
}

static void test_builders(void **state)
{
    World *w = *state;
    Graph *g = w->g;
    Node *a = build_input(g, "a", f32_2d(1, 3));
    Node *wide = build_broadcast_to(g, a, 3, (int64_t[]){ 2, 4, 3 });
    assert_string_equal(type_text(w->arena, &wide->type), "f32[2,4,3]");
    assert_null(build_broadcast_to(g, a, 2, (int64_t[]){ 4, 5 }));
    assert_null(build_broadcast_to(g, wide, 2, (int64_t[]){ 4, 3 }));
    assert_ptr_equal(build_reshape(g, a, 2, (int64_t[]){ 1, 3 }), a);
    assert_ptr_equal(build_transpose(g, a, (int64_t[]){ 0, 1 }), a);
    assert_ptr_equal(build_cast(g, a, DT_F32), a);
    assert_ptr_equal(build_concat(g, &a, 1, 0), a);
    Node *sum = build_reduce(g, &op_sum, wide, (int64_t[]){ 2, 0 }, 2); /* in any order */
    assert_string_equal(type_text(w->arena, &sum->type), "f32[4]");
    assert_null(graph_verify(g, w->arena));
}

static void test_replace_and_sort(void **state)
{
    World *w = *state;
    Graph *g = w->g;
    Node *a = build_input(g, "a", f32_2d(2, 2));
    Node *b = build_unary(g, &op_exp, a);
    build_output(g, "y", b);
    Node *c = build_unary(g, &op_neg, b); /* behind its future reader */
    graph_replace_uses(g, b, c);
    assert_ptr_equal(c->in[0], b); /* what replaces it may be built from it */
    assert_non_null(graph_verify(g, w->arena));
    graph_sort(g);
    assert_null(graph_verify(g, w->arena));
    assert_int_equal(g->nodes.len, 4);
    assert_ptr_equal(g->nodes.data[2], c);
    int *uses = graph_use_counts(w->arena, g);
    assert_int_equal(uses[a->id], 1);
    assert_int_equal(uses[b->id], 1);
    assert_int_equal(uses[c->id], 1);
}

static void test_sort_of_a_deep_graph(void **state)
{
    World *w = *state;
    Node *n = build_input(w->g, "a", type_scalar(DT_F32));
    for (int i = 0; i < 200000; i++)
        n = build_unary(w->g, &op_neg, n);
    for (int i = 0, j = w->g->nodes.len - 1; i < j; i++, j--) { /* last reader first */
        Node *t = w->g->nodes.data[i];
        w->g->nodes.data[i] = w->g->nodes.data[j];
        w->g->nodes.data[j] = t;
    }
    graph_sort(w->g);
    assert_null(graph_verify(w->g, w->arena));
}

/* ---- verify ---- */

static void refuses(World *w, const char *part)
{
    const char *fault = graph_verify(w->g, w->arena);
    if (!fault || !strstr(fault, part))
        fail_msg("expected a fault with \"%s\", got \"%s\"", part, fault ? fault : "none");
}

/* input a, exp, neg, output y; variable v updated. */
enum { A, EXP, NEG, OUT, VAR, UPDATE };
static void small_graph(World *w)
{
    Node *a = build_input(w->g, "a", f32_2d(2, 2));
    Node *n = build_unary(w->g, &op_neg, build_unary(w->g, &op_exp, a));
    build_output(w->g, "y", n);
    Var *v = module_add_var(w->m, "v", VAR_PARAM, f32_2d(2, 2), (Loc){ 0 });
    build_update(w->g, v, build_var(w->g, v));
    assert_null(graph_verify(w->g, w->arena));
}

static void test_verify_structure(void **state)
{
    World *w = *state;
    small_graph(w);
    Node **n = w->g->nodes.data;
    Node *exp_ = n[EXP], *neg = n[NEG], *a = n[A];

    n[EXP] = neg, n[NEG] = exp_; /* a reader before what it reads */
    refuses(w, "does not stand before it");
    n[EXP] = exp_, n[NEG] = neg;
    neg->in[0] = neg;
    refuses(w, "does not stand before it");
    neg->in[0] = NULL;
    refuses(w, "operand 0 is missing");
    Node foreign = *exp_;
    neg->in[0] = &foreign;
    refuses(w, "not a node of this graph");
    neg->in[0] = exp_;
    n[NEG] = exp_;
    refuses(w, "listed twice");
    n[NEG] = neg;
    neg->n_in = 0;
    refuses(w, "neg takes 1 operand, got 0");
    neg->n_in = 1;
    exp_->type.dim[0] = 3;
    refuses(w, "stored type is f32[3,2], but the rule gives f32[2,2]");
    exp_->type.dim[0] = 2;
    a->type.dtype = DT_I32;
    a->attr[2].i = DT_I32;
    refuses(w, "exp needs f32, but operand 0 is i32[2,2]");
    a->type.dtype = DT_F32;
    a->attr[2].i = DT_F32;
    a->attr[0].name = NULL;
    refuses(w, "attribute name is missing");
    a->attr[0].name = "a";
    neg->in[0] = n[OUT];
    n[OUT]->in[0] = exp_;
    n[OUT] = neg, n[NEG] = neg->in[0];
    refuses(w, "which has no value");
}

static void test_verify_names(void **state)
{
    World *w = *state;
    small_graph(w);
    Node **n = w->g->nodes.data;
    Node *again = build_output(w->g, "z", n[EXP]);
    again->attr[0].name = "y";
    refuses(w, "there is an output \"y\" already");
    again->attr[0].name = "z";
    build_update(w->g, n[VAR]->attr[0].var, n[EXP]);
    refuses(w, "@v is updated a second time");
    w->g->nodes.len--;
    Var stranger = *n[VAR]->attr[0].var;
    n[VAR]->attr[0].var = &stranger;
    refuses(w, "@v is not a variable of the module");
    n[VAR]->attr[0].var = w->m->vars.data[0];
    build_input(w->g, "a", f32_2d(1, 1));
    refuses(w, "input \"a\" is f32[2,2] and also f32[1,1]");
}

static void test_verify_contract(void **state)
{
    World *w = *state;
    Node *a = build_input(w->g, "a", f32_2d(2, 3));
    Contract c = { .n_index = 2, .n_out = 1, .n_operand = 1, .extent = { 2, 3 }, .name = { "n", "i" } };
    c.operand[0].rank = 2;
    c.operand[0].dim[0].coef[0] = c.operand[0].dim[1].coef[1] = 1;
    Node *y = build_contract(w->g, a, NULL, &c);
    assert_null(graph_verify(w->g, w->arena));
    Contract *mine = (Contract *)y->attr[0].contract;
    mine->name[1] = "n";
    refuses(w, "index `n` stands twice");
    mine->name[1] = "2x";
    refuses(w, "no proper name");
    mine->name[1] = "i";
    mine->operand[0].dim[1].base = 1; /* reads element 3 of 3 */
    assert_non_null(graph_verify(w->g, w->arena));
}

/* Two kernels: k0 {exp}, k1 {neg}. */
static void add_kernels(World *w, Kernel **k0, Kernel **k1)
{
    small_graph(w);
    const int which[] = { EXP, NEG };
    for (int i = 0; i < 2; i++) {
        Kernel *k = ARENA_NEW(w->arena, Kernel);
        Node *n = w->g->nodes.data[which[i]];
        k->id = i;
        k->kind = KERNEL_MAP;
        k->name = i ? "neg" : "exp";
        VEC_PUSH(w->arena, &k->nodes, n);
        VEC_PUSH(w->arena, &k->results, n);
        n->kernel = k;
        VEC_PUSH(w->arena, &w->g->kernels, k);
        *(i ? k1 : k0) = k;
    }
    assert_null(graph_verify(w->g, w->arena));
}

static void test_verify_kernels(void **state)
{
    World *w = *state;
    Kernel *k0, *k1;
    add_kernels(w, &k0, &k1);
    Node **n = w->g->nodes.data;

    n[NEG]->kernel = k0;
    refuses(w, "does not belong to that kernel");
    n[NEG]->kernel = NULL;
    refuses(w, "does not belong to that kernel");
    n[NEG]->kernel = k1;
    n[A]->kernel = k1;
    refuses(w, "its kernel does not list it");
    n[A]->kernel = NULL;
    w->g->kernels.data[0] = k1, w->g->kernels.data[1] = k0;
    refuses(w, "but kernel k0 runs later");
    w->g->kernels.data[0] = k0, w->g->kernels.data[1] = k1;
    k0->results.len = 0;
    refuses(w, "has no results");
    k0->results.len = 1;
    k0->results.data[0] = n[NEG];
    refuses(w, "a result of kernel k0 that is not in it");
    k0->results.data[0] = n[EXP];
    k1->id = 0;
    refuses(w, "two kernels are k0");
    k1->id = 1;
    k1->kind = KERNEL_KINDS;
    refuses(w, "of no known kind");
    k1->kind = KERNEL_MAP;
    w->g->kernels.len = 1;
    refuses(w, "its kernel does not list it");
    w->g->kernels.len = 2;
    /* exp joins k1 but is stored nowhere, and k0 reads it no more: then a second reader outside */
    w->g->kernels.data[0] = k1, w->g->kernels.len = 1;
    n[EXP]->kernel = k1;
    k1->nodes.len = 0;
    VEC_PUSH(w->arena, &k1->nodes, n[EXP]);
    VEC_PUSH(w->arena, &k1->nodes, n[NEG]);
    assert_null(graph_verify(w->g, w->arena));
    build_output(w->g, "inner", n[EXP]);
    refuses(w, "which kernel k1 does not store");
    w->g->nodes.len--;
    build_output(w->g, "tanh", build_unary(w->g, &op_tanh, n[A]));
    refuses(w, "it has no kernel and is not cheap");
}

static void test_verify_plan(void **state)
{
    World *w = *state;
    Kernel *k0, *k1;
    add_kernels(w, &k0, &k1);
    Node **n = w->g->nodes.data;
    w->g->arena_bytes = 64;
    n[EXP]->offset = 0;
    n[NEG]->offset = 48;
    assert_null(graph_verify(w->g, w->arena));
    n[NEG]->offset = 52;
    refuses(w, "lie outside of the arena of 64");
    n[NEG]->offset = 13;
    refuses(w, "is not aligned");
    n[NEG]->offset = 16;
    n[A]->offset = 0;
    refuses(w, "has an offset but is not stored");
    n[A]->offset = -1;
    k1->scratch_bytes = 65;
    refuses(w, "scratch of kernel k1");
}

/* ---- text ---- */

static const char *const EVERYTHING =
    "module @\"a module\"\n"
    "param @fc.weight : f32[2,3] loc(\"dir/a \\\"b\\\".nn\":3:5)\n"
    "state @mean : f32\n"
    "slot @adam.m.fc.weight : f32[2,3]\n"
    "\n"
    "graph @cell body {\n"
    "  %0 = input {name=\"x\"} : f32[3]\n"
    "  %1 = input {name=\"h\"} : f32[3]\n"
    "  %2 = add %0, %1 : f32[3]\n"
    "  output %2 {name=\"h\"}\n"
    "}\n"
    "\n"
    "graph @train step batch=2 train=\"classify\" arena=128 bound=96 {\n"
    "  %0 = input {name=\"x\"} : f32[2,3] loc(\"a.nn\":13:10)\n"
    "  %1 = var {var=@fc.weight} : f32[2,3] path(\"fc\") loc(\"a.nn\":3:5)\n"
    "  %2 = const {value=f32[2,3](splat 0.1)} : f32[2,3]\n"
    "  %3 = const {value=i32[3](1,-2,3)} : i32[3]\n"
    "  %4 = const {value=f32[4](inf,-inf,nan,-0)} : f32[4]\n"
    "  %5 = rand {salt=0xfedcba9876543210} : f32[2,3]\n"
    "  %6 = contract %0[n,i], %1[o,-i+2] -> [n,o] {n=2,o=2 | i=3} : f32[2,2] kernel=k0 at=0\n"
    "  %7 = contract %0[2*k-1+k,0] -> [] {| k=1} : f32\n"
    "  %8 = cast %3 : f32[3]\n"
    "  %9 = scan %0, %8 {body=@cell, items=1, carries=1, result=0} : f32[3]\n"
    "  %10 = slice %0 {start=[0,1], stop=[2,3], step=[1,2]} : f32[2,1]\n"
    "  output %6 {name=\"y\"}\n"
    "  update %1 {var=@fc.weight}\n"
    "  kernel k0 contract \"fc_contract\" results %6 rows=4 cols=3 scratch=64 at=32\n"
    "}\n";

static void test_text_round_trip(void **state)
{
    World *w = *state;
    /* The index map of %7 is not in the printer's form; base 0 for the only k there is. */
    char *text = arena_strdup(w->arena, EVERYTHING);
    char *odd = strstr(text, "2*k-1+k,0");
    memcpy(odd, "  3*k+1,0", 9);
    Module *m = read_text(w, text);
    assert_string_equal(w->said.data, "");
    char *once = text_of(w, m);
    memcpy(odd, "3*k+1,0  ", 9);
    memmove(odd + 7, odd + 9, strlen(odd + 9) + 1);
    assert_string_equal(once, text);
    Module *again = read_text(w, once);
    assert_non_null(again);
    assert_string_equal(text_of(w, again), once);
    assert_int_equal(again->graphs.data[1]->kernels.data[0]->scratch_bytes, 64);
    assert_int_equal(again->graphs.data[1]->nodes.data[6]->offset, 0);
    assert_int_equal(again->graphs.data[1]->batch, 2);
}

/* Bodies print before the graphs that use them, wherever they stand in the module. */
static void test_bodies_print_first(void **state)
{
    World *w = *state;
    Graph *body = graph_new(w->m, "late", GRAPH_BODY, 0);
    Node *x = build_input(body, "x", type_scalar(DT_F32));
    build_output(body, "y", build_unary(body, &op_neg, x));
    Node *xs = build_input(w->g, "xs", type_make(DT_F32, 1, (int64_t[]){ 3 }));
    Attr attr[MAX_ATTR] = { { .graph = body }, { .i = 1 }, { .i = 0 }, { .i = 0 } };
    Node *ys = graph_must_add(w->g, &op_scan, &xs, 1, attr);
    build_output(w->g, "ys", ys);
    assert_null(graph_verify(w->g, w->arena));
    char *once = text_of(w, w->m);
    assert_true(strstr(once, "graph @late") < strstr(once, "graph @net"));
    Module *again = read_text(w, once);
    assert_non_null(again);
    assert_string_equal(text_of(w, again), once);
}

typedef struct {
    const char *text, *said;
} BadText;

static const BadText BAD[] = {
    { "grph @a infer {\n", "net.ir:1:1: error: expected `module`, `param`, `state`, `slot` or `graph`\n"
                           "    1 | grph @a infer {\n"
                           "      | ^\n" },
    { "param @a : f16[2]\n", "net.ir:1:12: error: unknown type `f16`; the types are f32, i32 and bool\n"
                             "    1 | param @a : f16[2]\n"
                             "      |            ^~~\n" },
    { "param @a : f32[0]\n",
      "net.ir:1:12: error: dimension 0 of f32[0] is 0; every dimension must be at least 1\n"
      "    1 | param @a : f32[0]\n"
      "      |            ^~~~~~\n" },
    { "param @a : f32\nstate @a : f32\n", "net.ir:2:7: error: variable @a is there already\n"
                                          "    2 | state @a : f32\n"
                                          "      |       ^~\n" },
    { "graph @a infer {\n  %0 = input {name=\"x\"} : f32[2]\n  %1 = relu %0 : f32[2]\n}\n",
      "net.ir:3:8: error: unknown operation `relu`\n"
      "    3 |   %1 = relu %0 : f32[2]\n"
      "      |        ^~~~\n" },
    { "graph @a infer {\n  %1 = exp %0 : f32[2]\n}\n",
      "net.ir:2:12: error: %0 is used before it is defined\n"
      "    2 |   %1 = exp %0 : f32[2]\n"
      "      |            ^~\n" },
    { "graph @a infer {\n  %0 = step : i32\n  %0 = epoch : i32\n}\n",
      "net.ir:3:3: error: %0 is defined twice\n"
      "    3 |   %0 = epoch : i32\n"
      "      |   ^~\n"
      "net.ir:2:3: note: the first definition is here\n"
      "    2 |   %0 = step : i32\n"
      "      |   ^\n" },
    { "graph @a infer {\n  %0 = step : f32\n}\n", "net.ir:2:15: error: the type of this `step` is i32, not f32\n"
                                                  "    2 |   %0 = step : f32\n"
                                                  "      |               ^~~\n" },
    { "graph @a infer {\n  %0 = input {name=\"x\"} : f32[2]\n  %1 = sum %0 : f32\n}\n",
      "net.ir:3:8: error: `sum` needs the attribute `axes`\n"
      "    3 |   %1 = sum %0 : f32\n"
      "      |        ^~~\n" },
    { "graph @a infer {\n  %0 = var {var=@w} : f32\n}\n",
      "net.ir:2:17: error: unknown variable @w\n"
      "    2 |   %0 = var {var=@w} : f32\n"
      "      |                 ^~\n"
      "note: variables stand before the graphs: `param @w : f32[..]`\n" },
    { "graph @a infer {\n  %0 = step : i32\n", "net.ir:1:7: error: graph @a has no closing brace\n"
                                               "    1 | graph @a infer {\n"
                                               "      |       ^~\n" },
    { "graph @a infer {\n  %0 = step : i32 kernel=k7\n}\n",
      "net.ir:2:19: error: kernel k7 is not listed behind the nodes\n"
      "    2 |   %0 = step : i32 kernel=k7\n"
      "      |                   ^~~~~~\n" },
    { "graph @a infer {\n  %0 = iota {axis=99999999999999999999} : i32[2]\n}\n",
      "net.ir:2:19: error: the number is beyond 2^40\n"
      "    2 |   %0 = iota {axis=99999999999999999999} : i32[2]\n"
      "      |                   ^~~~~~~~~~~~~~~~~~~~\n" },
    { "graph @a infer {\n  %0 = const {value=f32[1000000](1,2)} : f32[1000000]\n}\n",
      "net.ir:2:21: error: f32[1000000] needs 1000000 elements\n"
      "    2 |   %0 = const {value=f32[1000000](1,2)} : f32[1000000]\n"
      "      |                     ^~~~~~~~~~~~~\n" },
    { "graph @a infer {\n  %0 = input {name=\"x\"} : f32[2]\n  %1 = contract %0[i] -> [n] {n=2 | i=2} : f32[2]\n"
      "  %2 = contract %0[i] -> [i] {n=2} : f32[2]\n}\n",
      "net.ir:4:20: error: index `i` has no extent\n"
      "    4 |   %2 = contract %0[i] -> [i] {n=2} : f32[2]\n"
      "      |                    ^\n" },
};

static void test_read_errors(void **state)
{
    World *w = *state;
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        w->said.len = 0;
        text_add(&w->said, "");
        assert_null(read_text(w, BAD[i].text));
        assert_string_equal(w->said.data, BAD[i].said);
    }
}

static void test_read_goes_on_after_errors(void **state)
{
    World *w = *state;
    assert_null(read_text(w, "param @a : f3\nparam @b : f32[\ngraph @g infer {\n  %0 = x : f32\n}\nparam c\n"));
    int errors = 0;
    for (const char *s = w->said.data; (s = strstr(s, ": error: ")); s++)
        errors++;
    assert_int_equal(errors, 4);
}

/* ---- evaluation ---- */

static void test_eval_scan_and_update(void **state)
{
    World *w = *state;
    Module *m = read_text(w, "param @w : f32\n"
                             "graph @cell body {\n"
                             "  %0 = input {name=\"x\"} : f32\n"
                             "  %1 = input {name=\"sum\"} : f32\n"
                             "  %2 = input {name=\"scale\"} : f32\n"
                             "  %3 = mul %0, %2 : f32\n"
                             "  %4 = add %1, %3 : f32\n"
                             "  %5 = neg %4 : f32\n"
                             "  output %4 {name=\"sum\"}\n"
                             "  output %5 {name=\"y\"}\n"
                             "}\n"
                             "graph @g step {\n"
                             "  %0 = input {name=\"x\"} : f32[4]\n"
                             "  %1 = var {var=@w} : f32\n"
                             "  %2 = const {value=f32(100)} : f32\n"
                             "  %3 = scan %0, %2, %1 {body=@cell, items=1, carries=1, result=0} : f32\n"
                             "  %4 = scan %0, %2, %1 {body=@cell, items=1, carries=1, result=1} : f32[4]\n"
                             "  output %4 {name=\"ys\"}\n"
                             "  update %3 {var=@w}\n"
                             "}\n");
    assert_string_equal(w->said.data, "");
    double x[] = { 1, 2, 3, 4 }, value = 10;
    NamedTensor in = { "x", { type_make(DT_F32, 1, (int64_t[]){ 4 }), x } };
    Tensor var = { type_scalar(DT_F32), &value };
    EvalRun run = { .inputs = &in, .n_inputs = 1, .vars = &var };
    assert_null(graph_eval(m->graphs.data[1], &run, w->arena));
    const double want[] = { -110, -130, -160, -200 };
    for (int i = 0; i < 4; i++)
        assert_true(run.outputs.data[0].value.data[i] == want[i]);
    assert_true(value == 200); /* after all reads */
    EvalRun empty = { .vars = &var };
    assert_string_equal(graph_eval(m->graphs.data[1], &empty, w->arena),
                        "graph @g: %0: no value was given for input \"x\"");
}

static double eval_binary(World *w, const OpDef *op, DType dtype, double a, double b)
{
    Graph *g = graph_new(w->m, "pair", GRAPH_INFER, 0);
    Node *y = build_binary(g, op, build_scalar(g, dtype, a), build_scalar(g, dtype, b));
    build_output(g, "y", y);
    EvalRun run = { 0 };
    assert_null(graph_eval(g, &run, w->arena));
    return run.outputs.data[0].value.data[0];
}

static void test_eval_integers(void **state)
{
    World *w = *state;
    assert_true(eval_binary(w, &op_add, DT_I32, 2147483647, 1) == -2147483648.0);
    assert_true(eval_binary(w, &op_mul, DT_I32, 2147483647, 2147483647) == 1);
    assert_true(eval_binary(w, &op_div, DT_I32, -7, 2) == -3);
    assert_true(eval_binary(w, &op_div, DT_I32, 7, 0) == 0);
    assert_true(eval_binary(w, &op_div, DT_I32, -2147483648.0, -1) == -2147483648.0);
    assert_true(eval_binary(w, &op_mod, DT_I32, -7, 3) == 2);
    assert_true(eval_binary(w, &op_mod, DT_I32, 7, -3) == -2);
    assert_true(eval_binary(w, &op_mod, DT_I32, 7, 0) == 0);
    assert_true(eval_binary(w, &op_max, DT_F32, 2, 2) == 2);
    assert_true(isnan(eval_binary(w, &op_max, DT_F32, NAN, 0))); /* relu hides no NaN */
}

/* Element i of a draw is the runtime's own formula. */
static void test_eval_rand(void **state)
{
    World *w = *state;
    build_output(w->g, "y", build_rand(w->g, 2, (int64_t[]){ 3, 5 }, 0xdeadbeefcafef00d));
    EvalRun run = { .ctx = { .seed = 11, .step = 4 } };
    assert_null(graph_eval(w->g, &run, w->arena));
    uint64_t key = nnr_key(11, 4, 0xdeadbeefcafef00d);
    for (uint32_t i = 0; i < 15; i++)
        assert_true(run.outputs.data[0].value.data[i] == (double)nnr_uniform(key, i));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_add_refuses),      T(test_positions_fit_i32), T(test_builders),          T(test_replace_and_sort),
        T(test_sort_of_a_deep_graph), T(test_verify_structure), T(test_verify_names),
        T(test_verify_contract),  T(test_verify_kernels),    T(test_verify_plan),
        T(test_text_round_trip),  T(test_bodies_print_first), T(test_read_errors),       T(test_read_goes_on_after_errors),
        T(test_eval_scan_and_update), T(test_eval_integers), T(test_eval_rand),
    };
    return cmocka_run_group_tests_name("graph", tests, NULL, NULL);
}
