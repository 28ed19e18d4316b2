/* The loop IR itself: text that reads back, what the verifier refuses, what the builders simplify, what
 * hoisting and unrolling do. */
#include "loop/expr.h"
#include "loop/tile.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

/* ---- reading and printing ---- */

static void collect(void *user, DiagLevel level, const char *text)
{
    (void)level;
    text_add(user, text);
}

static LProgram *read_text(Arena *arena, const char *text, Text *messages)
{
    Source *source = source_new(arena, "t.lir", text, strlen(text));
    *messages = (Text){ .arena = arena };
    text_add(messages, "");
    Diags d = { .arena = arena, .fn = collect, .user = messages };
    return loop_read(arena, intern_new(arena), source, &d);
}

static const char WHOLE[] =
    "program \"a b\" c \"a_b\" source \"x/y \\\"q\\\".nn\" weights 64 slots 128\n"
    "global \"fc.weight\" c \"fc_weight\" param f32[4,4] count 16 at 0\n"
    "global \"n\" c \"n\" state i32[] count 1 at 64\n"
    "\n"
    "func @f(%x: f32[100] in, %m: bool[100] in noalias, %y: f32[100] inout, %z: f32[16] in, "
    "%scratch: f32[16] inout noalias) ctx(%seed, %step, %epoch) scratch 64 flops 12 bytes 34 path \"net.fc\" note \"two\\nlines\" loc \"a.nn\":3:14 {\n"
    "  let %k: u64 = %seed * 3u64 + 18446744073709551615u64\n"
    "  let %e: i32 = -5i32 - %epoch\n"
    "  let %w: f64 = cast.f64(%e) / 0.5f64\n"
    "  note \"a \\\"note\\\"\"\n"
    "  local %t: f32[16]\n"
    "  parallel for %i = 0 to 80 step 16 {\n"
    "    var %acc: f32x16 = splat.f32x16(-inf)\n"
    "    %acc = max(%acc, select(load.boolx16 %m[%i], load.f32x16 %x[%i; 100 - %i], splat.f32x16(1e-05)))\n"
    "    let %c: u32x16 = ramp.u32x16(cast.u32(%i)) * splat.u32x16(7u32)\n"
    "    prefetch %x[%i * 2 + 500]\n"
    "    let %zip: u32x16 = zip_low(%c, zip_high(%c, splat.u32x16(1u32)))\n"
    "    let %d: u32x16 = xor(%c, shr(%c, splat.u32x16(3u32)))\n"
    "    store %y[%i; 100 - %i], fma(%acc, cast.f32x16(%d), bitcast.f32x16(%c))\n"
    "    unroll for %j = %i to %i + 4 {\n"
    "      store %y[%j], (lane.3(%acc) + (hadd(%acc) - 1.5)) * (nan - 2.0) - min(hmin(%acc), 5e+20)\n"
    "    }\n"
    "  }\n"
    "  if and(%k <= 4u64, not(%e == 1i32)) odds 3:1 {\n"
    "    store %y[(3 - 1) * 2 % 7], floor(round(sqrt(abs(neg(load %x[3])))))\n"
    "  } else {\n"
    "    store %y[0], exp(log(tanh(erf(sin(pow(load %x[0], 2.0))))))\n"
    "  }\n"
    "}\n"
    "\n"
    "entry \"net\" c \"net\" train \"t\" infer batch 4 arena 256 writes_weights uses_slots uses_ctx {\n"
    "  in \"x\" f32[4,25]\n"
    "  in \"m\" bool[4,25]\n"
    "  out \"y\" f32[100]\n"
    "  call @f(input 0, input 1, output 0, var \"fc.weight\", arena 64)\n"
    "}\n";

static void test_round_trip(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    Text messages, out = { .arena = arena };
    LProgram *p = read_text(arena, WHOLE, &messages);
    assert_string_equal(messages.data, "");
    assert_non_null(p);
    loop_print(p, &out);
    assert_string_equal(out.data, WHOLE);
    arena_free(arena);
}

/* What the builders and transformations make reads back, too. */
typedef struct {
    LFunc *f;
    LBuf *x, *w, *y;
} Dense;
static LExpr *dense_load(void *user, int o, LBlock *at, LExpr *const *index)
{
    Dense *d = user;
    (void)at;
    LExpr *row = lx_mul(d->f, index[o], lx_i64(d->f, 50));
    return lx_load(d->f, o ? d->w : d->x, lx_add(d->f, row, index[2]), 1, NULL);
}
static void dense_store(void *user, LBlock *at, LExpr *const *index, LExpr *value)
{
    Dense *d = user;
    LExpr *place = lx_add(d->f, lx_mul(d->f, index[0], lx_i64(d->f, 21)), index[1]);
    lb_store(d->f, at, d->y, place, lx_math(d->f, LX_TANH, value, NULL), NULL);
}

static void test_generated_round_trip(void **state)
{
    (void)state;
    const LTarget *targets[] = { &LTARGET_X86_V4, &LTARGET_X86_V3, &LTARGET_PORTABLE };
    for (int t = 0; t < 3; t++) {
        Arena *arena = arena_new();
        Dense d = { .f = lfunc_new(arena, "dense") };
        d.x = lfunc_param(d.f, "x", LK_F32, 600, LB_IN);
        d.w = lfunc_param(d.f, "w", LK_F32, 1050, LB_IN);
        d.y = lfunc_param(d.f, "y", LK_F32, 252, LB_OUT);
        LContract c = { .func = d.f, .at = &d.f->body, .target = targets[t], .n_index = 3, .n_out = 2,
                        .extent = { 12, 21, 50 }, .out_stride = { 21, 1 }, .n_operand = 2,
                        .operand = { { 0, { 50, 0, 1 } }, { 0, { 0, 50, 1 } } }, .user = &d,
                        .load = dense_load, .store = dense_store };
        loop_contract(&c);
        loop_expand_math(d.f);
        loop_hoist(d.f);
        Text first = { .arena = arena }, second = { .arena = arena }, messages;
        loop_print_func(d.f, &first);
        LProgram *p = read_text(arena, first.data, &messages);
        assert_string_equal(messages.data, "");
        loop_print_func(p->funcs.data[0], &second);
        assert_string_equal(first.data, second.data);
        arena_free(arena);
    }
}

static void test_read_errors(void **state)
{
    (void)state;
    static const char *const CASES[][2] = {
        { "func @f(%x: f32[4] in) { store %y[0], 1.0 }", "t.lir:1:32: error: there is no buffer %y here" },
        { "func @f() { let %a: f32 = %b }", "t.lir:1:27: error: there is no variable %b here" },
        { "func @f() { let %a: f32 = 1 }", "t.lir:1:6: error: @f: %a is f32, its value i64" },
        { "func @f(%x: f16[4] in) { }", "t.lir:1:13: error: expected a type (f32, f64" },
        { "func @f(%x: f32[4] in) { for %i = 0 to 3 step 0 { } }", "a loop's step must be positive" },
        { "func @f() { let %a: i64 = 99999999999999999999 }", "is not a number of this IR" },
        { "func @f() { let %a: i32 = 3000000000i32 }", "is not a number of this IR" },
        { "func @f() { let %a: i64 = 1 let %a: i64 = 2 }", "the name %a is taken in this function" },
        { "func @f() { note \"open }", "t.lir:1:18: error: this string does not end on its line" },
        { "func @f() {", "t.lir:1:12: error: expected a statement" },
        { "entry \"e\" c \"e\" infer batch 1 arena 0 { call @g() }", "there is no function @g before this" },
        { "wat", "t.lir:1:1: error: expected program, global, func or entry" },
        { "func @f() { let %a: f32x5 = splat.f32x5(1.0) }", "a value of 5 lanes: 1, 4, 8, 16 or 32 are allowed" },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        Arena *arena = arena_new();
        Text messages;
        assert_null(read_text(arena, CASES[i][0], &messages));
        if (!strstr(messages.data, CASES[i][1]))
            fail_msg("%s\ngave: %s\nnot: %s", CASES[i][0], messages.data, CASES[i][1]);
        arena_free(arena);
    }
    Arena *arena = arena_new(); /* nested too deeply: refused, not crashed on */
    Text deep = { .arena = arena }, messages;
    text_add(&deep, "func @f() { let %a: i64 = ");
    for (int i = 0; i < 100000; i++)
        text_add(&deep, "(");
    assert_null(read_text(arena, deep.data, &messages));
    assert_non_null(strstr(messages.data, "nested more than"));
    arena_free(arena);
}

/* ---- the verifier ---- */

static void test_verifier(void **state)
{
    (void)state;
    /* Bodies over: x in f32[8], m in bool[8], y out f32[8], n inout i32[8]. */
    static const char *const CASES[][2] = {
        { "store %x[0], 1.0", "store to %x, which is only read" },
        { "store %y[8], 1.0", "is outside its 8 elements" },
        { "store %y[0], load %x[-1]", "is outside its 8 elements" },
        { "store %y[1], load.f32x8 %x[1]", "is outside its 8 elements" },
        { "store %y[4], splat.f32x8(1.0)", "is outside its 8 elements" },
        { "store %y[0], 1", "store of %y: i64 in a buffer of f32" },
        { "store %y[1.0], 1.0", "the index is f32, not i64" },
        { "store %y[0; 1i32], splat.f32x4(1.0)", "the limit is i32, not i64" },
        { "store %y[0; 1], 1.0", "a limit needs a vector" },
        { "let %a: f32 = 1.0 + 1", "operands of '+' differ: f32 and i64" },
        { "let %a: f32 = 1.0 % 2.0", "'%' is not defined on f32" },
        { "let %a: i64 = sqrt(4)", "'sqrt' is not defined on i64" },
        { "let %a: i32 = exp(1i32)", "'exp' is not defined on i32" },
        { "let %a: f32x4 = splat.f32x4(1)", "'splat' cannot make f32x4 of i64" },
        { "let %a: f32 = lane.4(load.f32x4 %x[0])", "'lane' cannot make f32 of f32x4" },
        { "let %a: f32x4 = ramp.f32x4(1.0)", "'ramp' cannot make f32x4 of f32" },
        { "let %a: f64 = bitcast.f64(1.0)", "'bitcast' cannot make f64 of f32" },
        { "let %a: f32 = zip_low(1.0, 2.0)", "'zip_low' of scalars" },
        { "let %a: f32x4 = zip_high(splat.f32x4(1.0), splat.f32x8(1.0))", "operands of 'zip_high' differ" },
        { "prefetch %x[1.0]", "the index is f32, not i64" },
        { "let %a: f32 = hadd(1.0)", "'hadd' cannot make f32 of f32" },
        { "let %a: f32 = select(1, 1.0, 2.0)", "'select' cannot make f32 of i64" },
        { "let %a: f32 = select(true, 1.0, splat.f32x4(2.0))", "'select' cannot make f32 of bool" },
        { "if 1 { }", "a condition of i64, not bool" },
        { "for %i = 0.0 to 3 { }", "variable and bounds must be i64" },
        { "let %a: i64 = 1 %a = 2", "%a is set, but it is not a var" },
        { "var %a: i64 = 1 %a = 2.0", "%a is i64, set to f32" },
        { "var %a: i64 = 1 parallel for %i = 0 to 4 { %a = %i }", "set inside parallel %i but defined outside" },
        { "parallel for %i = 0 to 4 { store %y[2], 1.0 }", "iterations of parallel %i write the same elements of %y" },
        { "parallel for %i = 0 to 4 { for %j = 0 to 8 { store %y[%j], 1.0 } }", "write the same elements of %y" },
        { "parallel for %i = 0 to 4 { store %y[%i], splat.f32x4(1.0) }", "write the same elements of %y" },
        { "local %t: f32[4] parallel for %i = 0 to 4 { store %t[0], 1.0 }", "write the same elements of %t" },
    };
    static const char *const GOOD[] = {
        "parallel for %i = 0 to 4 { local %t: f32[1] store %t[0], 1.0 store %y[%i], load %t[0] }",
        "parallel for %i = 0 to 4 { var %a: i64 = 1 %a = %i store %y[%a], 1.0 }",
        "parallel for %i = 0 to 8 step 4 { store %y[%i], splat.f32x4(1.0) }",
        "parallel for %i = 0 to 1 { store %y[2], 1.0 }",
        "parallel for %i = 0 to 4 { if %i == 2 { store %y[2], 1.0 } }",
        "store %y[4; 4], splat.f32x8(1.0)",
        "store %n[0], load %n[1] + 1i32",
    };
    size_t n = sizeof CASES / sizeof *CASES, n_good = sizeof GOOD / sizeof *GOOD;
    for (size_t i = 0; i < n + n_good; i++) {
        Arena *arena = arena_new();
        Text messages;
        char *text = arena_printf(arena,
                                  "func @f(%%x: f32[8] in, %%m: bool[8] in, %%y: f32[8] out, %%n: i32[8] inout) "
                                  "{ %s }", i < n ? CASES[i][0] : GOOD[i - n]);
        LProgram *p = read_text(arena, text, &messages);
        if (i < n ? p || !strstr(messages.data, CASES[i][1]) : !p)
            fail_msg("%s\ngave: %s", text, messages.data);
        arena_free(arena);
    }
}

/* Faults that text cannot express. */
static void test_verifier_structures(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    LFunc *f = lfunc_new(arena, "f");
    LBuf *y = lfunc_param(f, "y", LK_F32, 8, LB_OUT);
    LStmt *loop = lb_for(f, &f->body, "i", lx_i64(f, 0), lx_i64(f, 8), 1, LF_SERIAL);
    lb_store(f, &f->body, y, lx_var(f, loop->var), lx_float(f, 1), NULL); /* after the loop */
    assert_non_null(strstr(loop_verify(f, arena), "%i is used where it is not defined"));
    f->body.data[1]->index = lx_i64(f, 0);
    assert_null(loop_verify(f, arena));
    lb_append(f, &f->body, loop); /* the same statement twice */
    assert_non_null(strstr(loop_verify(f, arena), "is used twice"));
    f->body.len--;
    y->role = LB_LOCAL;
    assert_non_null(strstr(loop_verify(f, arena), "has the role of a local"));
    y->role = LB_OUT;
    f->scratch_bytes = 64;
    assert_non_null(strstr(loop_verify(f, arena), "scratch needs a last parameter"));
    f->scratch_bytes = 0;
    f->body.data[1]->value = lx_raw(f, LX_ADD, ltype(LK_F32, 1), lx_float(f, 1), NULL, NULL);
    assert_non_null(strstr(loop_verify(f, arena), "'+' takes 2 operands"));
    arena_free(arena);
}

/* ---- builders ---- */

static const char *expr_text(LFunc *f, LExpr *e)
{
    Text t = { .arena = f->arena };
    LFunc g = { .arena = f->arena, .name = "g" };
    LBuf b = { .name = "y", .kind = (LKind)e->type.kind, .count = 1 };
    LStmt s = { .kind = LS_STORE, .buf = &b, .index = e, .value = e };
    LStmt *list[1] = { &s };
    g.body = (LBlock){ list, 1, 1 };
    loop_print_func(&g, &t);
    char *from = strstr(t.data, "[") + 1;
    *strstr(from, "], ") = 0;
    return from;
}

static void test_builders(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    LFunc *f = lfunc_new(arena, "f");
    LStmt *ln = lb_for(f, &f->body, "n", lx_i64(f, 0), lx_i64(f, 32), 1, LF_SERIAL);
    LStmt *li = lb_for(f, &ln->body, "i", lx_i64(f, 0), lx_i64(f, 784), 1, LF_SERIAL);
    LExpr *n = lx_var(f, ln->var), *i = lx_var(f, li->var);
    LExpr *flat = lx_add(f, lx_add(f, lx_mul(f, n, lx_i64(f, 784)), lx_i64(f, 0)), lx_mul(f, i, lx_i64(f, 1)));
#define IS(e, text) assert_string_equal(expr_text(f, e), text)
    IS(flat, "%n * 784 + %i");
    IS(lx_bin(f, LX_DIV, flat, lx_i64(f, 784)), "%n");
    IS(lx_bin(f, LX_MOD, flat, lx_i64(f, 784)), "%i");
    IS(lx_bin(f, LX_MOD, lx_bin(f, LX_DIV, flat, lx_i64(f, 28)), lx_i64(f, 28)), "%i / 28");
    LExpr *row = lx_bin(f, LX_DIV, i, lx_i64(f, 28)), *column = lx_bin(f, LX_MOD, i, lx_i64(f, 28));
    IS(lx_add(f, lx_mul(f, row, lx_i64(f, 28)), column), "%i");
    IS(lx_bin(f, LX_SUB, lx_add(f, flat, lx_i64(f, 5)), i), "%n * 784 + 5");
    IS(lx_mul(f, lx_add(f, i, lx_i64(f, 3)), lx_i64(f, -2)), "%i * -2 - 6");
    IS(lx_bin(f, LX_LT, i, lx_i64(f, 784)), "true");
    IS(lx_bin(f, LX_LE, lx_i64(f, 784), i), "false");
    IS(lx_bin(f, LX_LT, i, lx_i64(f, 783)), "%i < 783");
    IS(lx_bin(f, LX_MIN, i, lx_i64(f, 783)), "%i");
    IS(lx_bin(f, LX_MAX, lx_bin(f, LX_SUB, i, n), lx_i64(f, -31)), "%i - %n");
    IS(lx_select(f, lx_bin(f, LX_EQ, n, lx_i64(f, 32)), i, n), "%n");
    LVar *v = lfunc_var(f, "v", ltype(LK_F32, 1), false);
    LExpr *x = lx_var(f, v);
    IS(lx_add(f, x, lx_float(f, 0)), "%v + 0.0"); /* -0 + 0 is 0: not the same bits */
    IS(lx_add(f, x, lx_float(f, -0.0)), "%v");
    IS(lx_mul(f, x, lx_float(f, 1)), "%v");
    IS(lx_mul(f, x, lx_float(f, 0)), "%v * 0.0"); /* NaN, infinities */
    IS(lx_add(f, lx_float(f, 0.1), lx_float(f, 0.2)), "0.3");
    IS(lx_mul(f, lx_splat(f, x, 8), lx_float(f, 3)), "splat.f32x8(%v) * splat.f32x8(3.0)");
    IS(lx_bin(f, LX_ADD, lx_int(f, LK_I32, INT32_MAX), lx_int(f, LK_I32, 1)), "-2147483648i32");
    IS(lx_bin(f, LX_DIV, lx_i64(f, 1), lx_i64(f, 0)), "1 / 0"); /* not folded, not crashed on */
    arena_free(arena);
}

/* ---- hoisting, unrolling ---- */

static void test_hoist(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    Text messages, out = { .arena = arena };
    LProgram *p = read_text(arena,
                            "func @f(%x: f32[64] in noalias, %b: f32[8] in noalias, %y: f32[64] out noalias) {\n"
                            "  for %n = 0 to 8 {\n"
                            "    for %i = 0 to 8 {\n"
                            "      let %s: f32 = load %b[%n] * 2.0\n"
                            "      store %y[%n * 8 + %i], load %x[%n * 8 + %i] * %s + load %b[0]\n"
                            "    }\n"
                            "  }\n"
                            "}\n", &messages);
    assert_non_null(p);
    loop_hoist(p->funcs.data[0]);
    assert_null(loop_verify(p->funcs.data[0], arena));
    loop_print_func(p->funcs.data[0], &out);
    assert_string_equal(out.data,
                        "func @f(%x: f32[64] in noalias, %b: f32[8] in noalias, %y: f32[64] out noalias) {\n"
                        "  let %b_1: f32 = load %b[0]\n"
                        "  for %n = 0 to 8 {\n"
                        "    let %s: f32 = load %b[%n] * 2.0\n"
                        "    for %i = 0 to 8 {\n"
                        "      store %y[%n * 8 + %i], load %x[%n * 8 + %i] * %s + %b_1\n"
                        "    }\n"
                        "  }\n"
                        "}\n");
    /* What the loop writes, or may write through another name, stays. */
    p = read_text(arena,
                  "func @f(%b: f32[8] in, %y: f32[8] inout) {\n"
                  "  for %i = 0 to 8 {\n"
                  "    store %y[%i], load %b[0] + load %y[0]\n"
                  "  }\n"
                  "}\n", &messages);
    Text before = { .arena = arena }, after = { .arena = arena };
    loop_print_func(p->funcs.data[0], &before);
    loop_hoist(p->funcs.data[0]);
    loop_print_func(p->funcs.data[0], &after);
    assert_string_equal(before.data, after.data);
    arena_free(arena);
}

static void test_tidy(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    Text messages, out = { .arena = arena };
    LProgram *p = read_text(arena,
                            "func @f(%x: f32[8] in, %y: f32[8] out) {\n"
                            "  let %a: f32 = load %x[0]\n"
                            "  let %b: f32 = %a + 1.0\n"
                            "  for %i = 0 to 8 {\n"
                            "    let %c: f32 = %b * 2.0\n"
                            "  }\n"
                            "  let %d: f32 = load %x[1]\n"
                            "  store %y[0], %d\n"
                            "}\n", &messages);
    assert_non_null(p);
    loop_tidy(p->funcs.data[0]);
    loop_print_func(p->funcs.data[0], &out);
    assert_string_equal(out.data,
                        "func @f(%x: f32[8] in, %y: f32[8] out) {\n"
                        "  let %d: f32 = load %x[1]\n"
                        "  store %y[0], %d\n"
                        "}\n");
    arena_free(arena);
}

static void test_unroll(void **state)
{
    (void)state;
    for (int n = 1; n <= 9; n++) {
        Arena *arena = arena_new();
        Text messages;
        LProgram *p = read_text(arena,
                                "func @f(%x: f32[30] in, %y: f32[30] inout) {\n"
                                "  var %s: f32 = 0.0\n"
                                "  for %i = 2 to 24 step 3 {\n"
                                "    local %t: f32[1]\n"
                                "    store %t[0], load %x[%i] + load %y[%i - 2]\n"
                                "    %s = fma(load %t[0], 0.5, %s)\n"
                                "    store %y[%i + 1], %s\n"
                                "  }\n"
                                "}\n", &messages);
        assert_non_null(p);
        LFunc *f = p->funcs.data[0];
        float x[30], want[30], got[30];
        for (int i = 0; i < 30; i++) {
            x[i] = (float)(i * 3 % 7);
            want[i] = got[i] = (float)(i % 5);
        }
        void *a[] = { x, want }, *b[] = { x, got };
        assert_null(lfunc_eval(f, a, NULL, arena));
        assert_true(loop_unroll(f, &f->body, 1, n));
        assert_null(loop_verify(f, arena));
        assert_null(lfunc_eval(f, b, NULL, arena));
        assert_memory_equal(want, got, sizeof want);
        arena_free(arena);
    }
}

/* ---- the interpreter ---- */

static void test_eval_faults(void **state)
{
    (void)state;
    static const char *const CASES[][2] = {
        { "for %i = 0 to 9 { store %y[%i], 1.0 }", "store of %y[8..8] is outside its 8 elements" },
        { "for %i = 0 to 2 { store %y[%i * 4 + 1], load.f32x4 %x[%i * 4] }", "store of %y[5..8] is outside" },
        { "for %i = 0 to 1 { store %n[0], 1i32 / load %n[%i] }", "division by zero" },
        { "for %i = 0 to 1 { store %n[0], shl(1i32, load %n[%i] + 32i32) }", "shift count" },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        Arena *arena = arena_new();
        Text messages;
        LProgram *p = read_text(arena,
                                arena_printf(arena, "func @f(%%x: f32[8] in, %%y: f32[8] out, %%n: i32[8] inout) "
                                                    "{ %s }", CASES[i][0]), &messages);
        assert_non_null(p);
        float x[8] = { 0 }, y[8] = { 0 };
        int32_t n[8] = { 0 };
        void *buffers[] = { x, y, n };
        const char *why = lfunc_eval(p->funcs.data[0], buffers, NULL, arena);
        assert_non_null(why);
        assert_non_null(strstr(why, CASES[i][1]));
        arena_free(arena);
    }
}

/* Where a NaN goes, and what a tie of zeros gives: both back ends and the operations rely on it. */
static void test_min_max(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    Text messages;
    LProgram *p = read_text(arena,
                            "func @f(%x: f32[2] in, %y: f32[6] out) {\n"
                            "  store %y[0], max(load %x[0], load %x[1])\n"
                            "  store %y[1], max(load %x[1], load %x[0])\n"
                            "  store %y[2], min(load %x[0], load %x[1])\n"
                            "  store %y[3], min(load %x[1], load %x[0])\n"
                            "  store %y[4], max(0.0, -0.0)\n"
                            "  store %y[5], max(-0.0, 0.0)\n"
                            "}\n", &messages);
    assert_non_null(p);
    float x[2] = { NAN, 1 }, y[6] = { 0 };
    void *buffers[] = { x, y };
    assert_null(lfunc_eval(p->funcs.data[0], buffers, NULL, arena));
    assert_true(y[0] == 1 && isnan(y[1]) && y[2] == 1 && isnan(y[3]));
    assert_true(signbit(y[4]) && !signbit(y[5]));
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),       cmocka_unit_test(test_generated_round_trip),
        cmocka_unit_test(test_read_errors),      cmocka_unit_test(test_verifier),
        cmocka_unit_test(test_verifier_structures), cmocka_unit_test(test_builders),
        cmocka_unit_test(test_hoist),            cmocka_unit_test(test_unroll),
        cmocka_unit_test(test_tidy),             cmocka_unit_test(test_eval_faults),
        cmocka_unit_test(test_min_max),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
