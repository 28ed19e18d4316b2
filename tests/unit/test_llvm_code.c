/* The LLVM lowering against the loop interpreter: statements, parallel loops for several numbers of
 * threads; and what else the back end promises: which entries are made, probes, targets, facts in the IR. */
#include "config.h"
#if NNC_LLVM
#include "llvm_set.h"

/* ---- statements ---- */

static void collect(void *user, DiagLevel level, const char *text)
{
    (void)level;
    text_add(user, text);
}

static void set_read(Set *s, const char *text)
{
    Text messages = { .arena = s->arena };
    text_add(&messages, "");
    Diags d = { .arena = s->arena, .fn = collect, .user = &messages };
    LProgram *p = loop_read(s->arena, intern_new(s->arena), source_new(s->arena, "t.lir", text, strlen(text)), &d);
    assert_string_equal(messages.data, "");
    for (int i = 0; i < p->funcs.len; i++)
        set_add(s, p->funcs.data[i]);
}

/* Products and sums stand apart or as fma: a * b + c may round once or twice. */
static const char STATEMENTS[] =
    "program \"t\" c \"t\" source \"t.nn\" weights 0 slots 0\n"
    "func @empty(%y: f32[4] inout) {\n}\n"
    "func @bounds(%n: i32[64] in, %y: i32[64] inout) {\n"
    "  for %i = 0 to 64 {\n"
    "    let %lo: i64 = cast.i64(load %n[%i]) % 40\n"
    "    for %j = %lo to %i step 3 {\n"
    "      if %j < 0 {\n        store %y[%i], load %y[%i] + 1i32\n"
    "      } else {\n        store %y[%j], load %y[%j] - 7i32\n      }\n"
    "    }\n"
    "    for %k = %i to %i - 1 {\n      store %y[0], 99i32\n    }\n"
    "  }\n}\n"
    "func @unrolled(%x: f32[64] in noalias, %y: f32[64] out noalias) {\n"
    "  for %i = 0 to 16 {\n"
    "    var %sum: f32 = 0.0\n"
    "    unroll for %j = 0 to 4 {\n"
    "      var %part: f32 = 0.25\n"
    "      unroll for %k = 1 to 6 step 2 {\n        %part = fma(%part, load %x[%i * 4 + %j], cast.f32(%k))\n      }\n"
    "      %sum = %sum + %part\n"
    "      unroll for %e = 3 to 3 {\n        %sum = nan\n      }\n"
    "    }\n"
    "    store %y[%i], %sum\n"
    "    unroll for %h = 0 to 48 step 16 {\n      store %y[%h + 16 + %i], %sum * 2.0\n    }\n"
    "  }\n}\n"
    "func @locals(%x: f32[64] in, %y: f32[64] out) {\n"
    "  for %i = 0 to 4 {\n"
    "    local %t: f32[16]\n"
    "    local %m: bool[16]\n"
    "    for %j = 0 to 16 {\n      store %t[15 - %j], load %x[%i * 16 + %j]\n      store %m[%j], load %x[%j] < 0.0\n    }\n"
    "    store %y[%i * 16], select(load.boolx16 %m[0], load.f32x16 %t[0], splat.f32x16(4.0))\n"
    "  }\n}\n"
    "func @context(%y: u64[4] out) ctx(%seed, %step, %epoch) {\n"
    "  store %y[0], %seed * 3u64\n  store %y[1], xor(%step, %seed)\n  store %y[2], cast.u64(%epoch)\n  store %y[3], 0u64\n}\n"
    "func @parallel(%x: f32[64] in noalias, %n: i32[64] in, %y: f32[64] out noalias, %z: bool[64] out noalias, "
    "%w: f64[64] inout noalias) {\n"
    "  local %t: f32[16]\n"
    "  store %t[0], load.f32x16 %x[8]\n"
    "  let %scale: f32 = load %x[3]\n"
    "  let %wide: f32x16 = load.f32x16 %x[32] * splat.f32x16(0.5)\n"
    "  let %flag: bool = load %x[5] < 0.0\n"
    "  let %from: i64 = cast.i64(load %n[0]) % 3 - cast.i64(load %n[0]) % 3\n"
    "  var %late: f64 = 1.0f64\n"
    "  %late = %late + 2.0f64\n"
    "  parallel for %i = %from to 64 step 16 {\n"
    "    parallel for %j = 0 to 4 {\n"
    "      let %v: f32x4 = fma(load.f32x4 %t[%j * 4], splat.f32x4(%scale), splat.f32x4(lane.7(%wide)))\n"
    "      store %y[%i + %j * 4], select(splat.boolx4(%flag), %v, load.f32x4 %x[%i + %j * 4])\n"
    "    }\n"
    "    store %z[%i], %wide < load.f32x16 %x[%i]\n"
    "  }\n"
    "  parallel for %k = 0 to 64 {\n    store %w[%k], fma(load %w[%k], %late, cast.f64(load %n[63 - %k]))\n  }\n"
    "  parallel for %never = 5 to 5 {\n    store %w[0], 4.0f64\n  }\n"
    "}\n"
    "func @twin_a(%x: f32[64] in, %y: f32[64] out) {\n"
    "  parallel for %i = 0 to 64 {\n    store %y[%i], load %x[%i] * 3.0\n  }\n}\n"
    "func @twin_b(%x: f32[64] in, %y: f32[64] out) {\n"
    "  parallel for %i = 0 to 64 {\n    store %y[%i], load %x[%i] * 3.0\n  }\n}\n"
    "func @no_twin(%x: f32[64] in, %y: f32[64] out) {\n"
    "  parallel for %i = 0 to 64 {\n    store %y[%i], load %x[%i] * 5.0\n  }\n}\n";

static bool all_tame(const LFunc *f, int param)
{
    (void)f;
    (void)param;
    return true;
}

static void statements(void **unused)
{
    (void)unused;
    static const int THREADS[] = { 1, 2, 5 };
    for (int t = 0; t < 3; t++) {
        Set s = set_new();
        set_read(&s, STATEMENTS);
        nnr_set_threads(THREADS[t]);
        set_check(&s, all_tame);
    }
}

/* A table of constants, which has no text form. */
static void tables(void **unused)
{
    (void)unused;
    Set s = set_new();
    static const double VALUES[16] = { 1, -2, 3.5, 0, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 1e-3 };
    for (int kind = LK_F32; kind <= LK_I32; kind += 2) {
        LFunc *f = lfunc_new(s.arena, arena_printf(s.arena, "table%d", kind));
        LBuf *out = lfunc_param(f, "out", (LKind)kind, N, LB_OUT);
        LBuf *t = lfunc_local(f, &f->body, "t", (LKind)kind, 16);
        t->data = VALUES;
        LStmt *loop = lb_for(f, &f->body, "i", lx_i64(f, 0), lx_i64(f, N), 16, LF_PARALLEL);
        lb_store(f, &loop->body, out, lx_var(f, loop->var), lx_load(f, t, lx_i64(f, 0), 16, NULL), NULL);
        set_add(&s, f);
    }
    set_check(&s, all_wild);
}

/* ---- what is promised about the rest ---- */

/* With one module or several, by one thread or many: the same results, and only what was asked for. */
static void jobs_and_entries(void **unused)
{
    (void)unused;
    static const char *const WANTED[] = { "twin_b", "no_twin" };
    for (int jobs = 1; jobs <= 4; jobs++) {
        Set s = set_new();
        set_read(&s, STATEMENTS);
        LlvmOptions o = { .opt = 2, .jobs = jobs, .entries = WANTED, .n_entries = 2 };
        const char *why = NULL;
        LlvmJit *jit = back_llvm_jit(s.arena, s.program, &o, &why);
        if (!jit)
            fail_msg("%s", why);
        const nnr_program *table = back_llvm_program(jit);
        assert_int_equal(table->n_entries, 2);
        assert_string_equal(table->entries[0].name, "twin_b");
        assert_null(back_llvm_symbol(jit, "set_twin_a"));
        assert_non_null(back_llvm_symbol(jit, "set_run_no_twin"));
        back_llvm_free(jit);
        arena_free(s.arena);
    }
}

typedef struct {
    int calls;
    float first;
    char layer[32];
} Seen;

static void probe(void *user, const char *layer, const char *file, int line, const void *data, int64_t count,
                  const char *type)
{
    Seen *seen = user;
    (void)file;
    (void)line;
    assert_string_equal(type, "f32");
    assert_int_equal(count, 64);
    seen->calls++;
    seen->first = ((const float *)data)[0];
    snprintf(seen->layer, sizeof seen->layer, "%s", layer);
}

static void probes(void **unused)
{
    (void)unused;
    Set s = set_new();
    set_read(&s, STATEMENTS);
    Seen seen = { 0 };
    LlvmOptions o = { .opt = 2, .probe = probe, .probe_user = &seen };
    const char *why = NULL;
    LlvmJit *jit = back_llvm_jit(s.arena, s.program, &o, &why);
    assert_non_null(jit);
    float x[64] = { 2 }, y[64];
    const void *in[1] = { x };
    void *out[1] = { y };
    nnr_ctx ctx = { 0 };
    const nnr_program *table = back_llvm_program(jit);
    for (int i = 0; i < table->n_entries; i++)
        if (strcmp(table->entries[i].name, "twin_b") == 0)
            table->entries[i].run(NULL, NULL, in, out, NULL, &ctx);
    assert_int_equal(seen.calls, 1);
    assert_float_equal(seen.first, 6.0f, 0);
    assert_string_equal(seen.layer, "twin_b"); /* though the code may be twin_a's */
    back_llvm_free(jit);
    arena_free(s.arena);
}

static void check_target(const char *triple, const char *cpu, const char *features, const char *says)
{
    Arena *arena = arena_new();
    const char *why = NULL;
    bool good = back_llvm_target_check(arena, triple, cpu, features, &why);
    assert_int_equal(good, says == NULL);
    if (says && !strstr(why, says))
        fail_msg("'%s' does not say '%s'", why, says);
    arena_free(arena);
}

static void targets(void **unused)
{
    (void)unused;
    check_target(NULL, NULL, NULL, NULL);
    check_target("x86_64-linux-gnu", "skylake", "+avx2,-avx512f", NULL);
    check_target("aarch64-linux-gnu", "cortex-a72", NULL, NULL);
    check_target("vax-dec-ultrix", NULL, NULL, "note: known: x86_64-linux-gnu");
    check_target("x86_64-linux-gnu", "skylark", NULL, "skylake");
    check_target(NULL, NULL, "avx2", "begins with neither + nor -");
}

/* What LLVM ends the process for becomes a message, and the next module is made as ever. */
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
static void leaks_are_known(bool known) { known ? __lsan_disable() : __lsan_enable(); }
#else
static void leaks_are_known(bool known) { (void)known; }
#endif

static void what_llvm_gives_up_on(void **unused)
{
    (void)unused;
    Set s = set_new();
    set_read(&s, STATEMENTS);
    LlvmOptions o = { .opt = 2, .triple = "x86_64-linux-gnu", .cpu = "x86-64", .features = "-64bit" };
    const char *why = NULL;
    leaks_are_known(true); /* what LLVM has in hand when it gives up is lost (rescue.c) */
    assert_null(back_llvm_build(s.arena, s.program, &o, &why));
    leaks_are_known(false);
    assert_non_null(strstr(why, "LLVM gave up: "));
    LlvmJit *jit = compile(&s, 2);
    assert_non_null(back_llvm_symbol(jit, "set_run_twin_a"));
    back_llvm_free(jit);
    arena_free(s.arena);
}

/* The IR of a small kernel, in full: what of the loop IR's facts reaches LLVM. */
static const char KERNEL[] =
    "program \"t\" c \"t\" source \"t.nn\" weights 128 slots 0\n"
    "global \"w\" c \"w\" param f32[16] count 16 at 64\n"
    "func @scale(%x: f32[64] in noalias, %w: f32[16] in noalias, %y: f32[64] out noalias) {\n"
    "  for %i = 0 to 64 step 16 {\n"
    "    store %y[%i], load.f32x16 %x[%i] * load.f32x16 %w[0] + splat.f32x16(1.0)\n"
    "  }\n"
    "  if load %x[0] < 0.0 odds 7:1 { store %y[1], 2.0 }\n}\n"
    "entry \"net\" c \"net\" infer batch 1 arena 0 {\n  in \"x\" f32[64]\n  out \"y\" f32[64]\n"
    "  call @scale(input 0, var \"w\", output 0)\n}\n";

static const char *const IN_THE_IR[] = {
    "define void @t_net(ptr %0, ptr %1, ptr %2)",
    "define internal void @scale(ptr noalias nocapture noundef nonnull readonly align 4 dereferenceable(256) %x, "
    "ptr noalias nocapture noundef nonnull readonly align 64 dereferenceable(64) %w, "
    "ptr noalias nocapture noundef nonnull align 4 dereferenceable(256) %y)",
    "%0 = load <16 x float>, ptr %w, align 64",
    "load <16 x float>, ptr %1, align 4",
    " = fmul contract <16 x float>",
    " = fadd contract <16 x float>",
    "store <16 x float> %4, ptr %5, align 4",
    "llvm.loop.vectorize.enable\", i1 false",
    "llvm.loop.unroll.disable",
    "!{!\"branch_weights\", i32 7, i32 1}",
};

static void facts_in_the_ir(void **unused)
{
    (void)unused;
    Arena *arena = arena_new();
    Text messages = { .arena = arena };
    text_add(&messages, "");
    Diags d = { .arena = arena, .fn = collect, .user = &messages };
    LProgram *p = loop_read(arena, intern_new(arena), source_new(arena, "t.lir", KERNEL, strlen(KERNEL)), &d);
    assert_string_equal(messages.data, "");
    LlvmOptions o = { .opt = 2, .names = true, .triple = "x86_64-linux-gnu", .cpu = "x86-64-v4" };
    const char *why = NULL;
    LlvmModule *m = back_llvm_build(arena, p, &o, &why);
    if (!m)
        fail_msg("%s", why);
    char path[] = "/tmp/nnc-llvm-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(back_llvm_emit(m, LLVM_IR, path, &why), 0);
    back_llvm_dispose(m);
    const Source *ir = source_read(arena, path, &why);
    assert_non_null(ir);
    remove(path);
    for (size_t i = 0; i < sizeof IN_THE_IR / sizeof *IN_THE_IR; i++)
        if (!strstr(ir->text, IN_THE_IR[i]))
            fail_msg("not in the IR: %s\n%s", IN_THE_IR[i], ir->text);
    static const char *const NEVER[] = { "nnan", "ninf", "nsz", "reassoc", "arcp", "fast", "fdiv", "<4 x float>" };
    for (size_t i = 0; i < sizeof NEVER / sizeof *NEVER; i++)
        if (strstr(ir->text, NEVER[i]))
            fail_msg("in the IR: %s", NEVER[i]);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statements),
        cmocka_unit_test(tables),
        cmocka_unit_test(jobs_and_entries),
        cmocka_unit_test(probes),
        cmocka_unit_test(targets),
        cmocka_unit_test(what_llvm_gives_up_on),
        cmocka_unit_test(facts_in_the_ir),
    };
    return cmocka_run_group_tests_name("llvm: code as interpreted", tests, NULL, NULL);
}

#else
#include "tests/unit/llvm_left_out.h"
#endif
