/* The LLVM lowering against the loop interpreter: every operation on every type and number of lanes that
 * the verifier allows, and the limits of loads and stores. */
#include "config.h"
#if NNC_LLVM
#include "llvm_set.h"

/* ---- every operation ---- */

/* out[...] = op(a[...], b[...], c[...]) for all elements; NULL where the types do not allow it. */
static LFunc *one_op(Set *s, LOp op, LType type, LKind to)
{
    Arena *arena = s->arena;
    LFunc *f = lfunc_new(arena, arena_printf(arena, "f%d_%d_%d_%d", (int)op, type.kind, type.lanes, (int)to));
    LKind kinds[3] = { (LKind)type.kind, (LKind)type.kind, (LKind)type.kind };
    LType result = type;
    int lanes = type.lanes, from_lanes = lanes, step = lanes;
    if (op >= LX_EQ && op <= LX_LE)
        result.kind = LK_BOOL;
    if (op == LX_SELECT)
        kinds[0] = LK_BOOL;
    if (op == LX_CAST || op == LX_BITCAST)
        result.kind = (uint8_t)to;
    if (op == LX_SPLAT || op == LX_RAMP)
        from_lanes = 1;
    if (op == LX_LANE || (op >= LX_HADD && op <= LX_HMAX))
        result.lanes = 1;
    static const char *const NAME[] = { "a", "b", "c" };
    LBuf *buf[3];
    int arity = lop_arity(op);
    for (int i = 0; i < arity; i++)
        buf[i] = lfunc_param(f, NAME[i], kinds[i], N, LB_IN);
    LBuf *out = lfunc_param(f, "out", (LKind)result.kind, N, LB_OUT);
    LStmt *loop = lb_for(f, &f->body, "i", lx_i64(f, 0), lx_i64(f, N), step, LF_SERIAL);
    LExpr *arg[3] = { NULL }, *i = lx_var(f, loop->var);
    for (int k = 0; k < arity; k++) {
        int n = k == 0 ? from_lanes : lanes;
        arg[k] = lx_raw(f, LX_LOAD, ltype(kinds[k], n), i, NULL, NULL);
        arg[k]->buf = buf[k];
    }
    LExpr *e = lx_raw(f, op, result, arg[0], arg[1], arg[2]);
    if (op == LX_LANE)
        e->ival = lanes - 2;
    lb_store(f, &loop->body, out, i, e, NULL);
    return loop_verify(f, arena) ? NULL : f;
}

static LOp op_of(const LFunc *f) { return f->body.data[0]->body.data[0]->value->op; }

/* Small values: divisors and shift counts; what is cast to integers; index arithmetic. */
static bool op_is_tame(const LFunc *f, int param)
{
    LOp op = op_of(f);
    const LBuf *b = f->params.data[param];
    bool index = b->kind == LK_I64 && f->body.data[0]->step == 1;
    bool arithmetic = op == LX_ADD || op == LX_SUB || op == LX_MUL || op == LX_NEG || op == LX_FMA;
    return op == LX_CAST || (index && arithmetic);
}

static bool is_math(LOp op) { return op >= LX_EXP; }

static void every_operation(void **unused)
{
    (void)unused;
    Set s = set_new();
    static const int LANES[] = { 1, 4, 8, 16, 32 };
    int seen[LX_POW + 1] = { 0 };
    for (int op = LX_ADD; op <= LX_POW; op++)
        for (int kind = LK_F32; kind <= LK_BOOL && !is_math((LOp)op); kind++)
            for (int l = 0; l < 5; l++) {
                bool converts = op == LX_CAST || op == LX_BITCAST, divides = op == LX_DIV || op == LX_MOD;
                bool counts = op == LX_SHL || op == LX_SHR;
                if (op == LX_FMA && !ltarget_host()->fma)
                    continue; /* two roundings there */
                if (counts || (divides && kind != LK_F32 && kind != LK_F64))
                    continue; /* tested with divisors and counts of their own below */
                for (int to = LK_F32; to <= (converts ? LK_BOOL : LK_F32); to++) {
                    bool below = op == LX_CAST && (kind == LK_F32 || kind == LK_F64) && (to == LK_U32 || to == LK_U64);
                    LFunc *f = below ? NULL : one_op(&s, (LOp)op, ltype((LKind)kind, LANES[l]), (LKind)to);
                    if (!f)
                        continue;
                    seen[op]++;
                    set_add(&s, f);
                }
            }
    for (int op = LX_ADD; op < LX_EXP; op++)
        if (!seen[op] && op != LX_MOD && op != LX_SHL && op != LX_SHR)
            fail_msg("no case of %s", lop_name((LOp)op));
    assert_true(s.program->funcs.len > 500);
    set_check(&s, op_is_tame);
}

/* a / (b mod 7 + 1) and the like, for all integers; shifts by (b mod width). */
static void division_and_shifts(void **unused)
{
    (void)unused;
    Set s = set_new();
    static const LOp OPS[] = { LX_DIV, LX_MOD, LX_SHL, LX_SHR };
    static const int LANES[] = { 1, 4, 8, 16, 32 };
    for (int o = 0; o < 4; o++)
        for (int kind = LK_I32; kind <= LK_U64; kind++)
            for (int l = 0; l < 5; l++) {
                LFunc *f = lfunc_new(s.arena, arena_printf(s.arena, "f%d_%d_%d", (int)OPS[o], kind, LANES[l]));
                LBuf *a = lfunc_param(f, "a", (LKind)kind, N, LB_IN), *b = lfunc_param(f, "b", (LKind)kind, N, LB_IN);
                LBuf *out = lfunc_param(f, "out", (LKind)kind, N, LB_OUT);
                LStmt *loop = lb_for(f, &f->body, "i", lx_i64(f, 0), lx_i64(f, N), LANES[l], LF_SERIAL);
                LExpr *x = lx_load(f, a, lx_var(f, loop->var), LANES[l], NULL);
                LExpr *y = lx_load(f, b, lx_var(f, loop->var), LANES[l], NULL);
                y = lx_bin(f, LX_AND, y, lx_int(f, (LKind)kind, 15));
                if (o < 2)
                    y = lx_bin(f, LX_ADD, y, lx_int(f, (LKind)kind, 1));
                lb_store(f, &loop->body, out, lx_var(f, loop->var), lx_bin(f, OPS[o], x, y), NULL);
                set_add(&s, f);
            }
    bool (*tame)(const LFunc *, int) = op_is_tame;
    set_check(&s, tame);
}

/* A float to an unsigned integer, within its range. */
static void casts_to_unsigned(void **unused)
{
    (void)unused;
    Set s = set_new();
    static const int LANES[] = { 1, 4, 8, 16, 32 };
    for (int from = LK_F32; from <= LK_F64; from++)
        for (int to = LK_U32; to <= LK_U64; to += 2)
            for (int l = 0; l < 5; l++) {
                LFunc *f = lfunc_new(s.arena, arena_printf(s.arena, "f%d_%d_%d", from, to, LANES[l]));
                LBuf *a = lfunc_param(f, "a", (LKind)from, N, LB_IN), *out = lfunc_param(f, "out", (LKind)to, N, LB_OUT);
                LStmt *loop = lb_for(f, &f->body, "i", lx_i64(f, 0), lx_i64(f, N), LANES[l], LF_SERIAL);
                LExpr *x = lx_un(f, LX_ABS, lx_load(f, a, lx_var(f, loop->var), LANES[l], NULL));
                lb_store(f, &loop->body, out, lx_var(f, loop->var), lx_cast(f, x, (LKind)to), NULL);
                set_add(&s, f);
            }
    static const bool small[2] = { true, false };
    LlvmJit *jit = compile(&s, 2);
    int bad = 0;
    for (int i = 0; i < s.program->entries.len; i++)
        bad += !agrees(&s, back_llvm_program(jit), i, small);
    assert_int_equal(bad, 0);
    back_llvm_free(jit);
    arena_free(s.arena);
}

/* ---- limits ---- */

static LFunc *limited(Set *s, LKind kind, int lanes, int limit, bool constant)
{
    Arena *arena = s->arena;
    LFunc *f = lfunc_new(arena, arena_printf(arena, "lim_%d_%d_%d_%d", (int)kind, lanes, limit + 2, constant));
    int64_t count = limit < 0 ? 0 : limit < lanes ? limit : lanes; /* buffers end right there */
    LBuf *a = lfunc_param(f, "a", kind, count + 1 + !count, LB_IN), *n = lfunc_param(f, "n", LK_I64, 1, LB_IN);
    LBuf *out = lfunc_param(f, "out", kind, N, LB_OUT), *part = lfunc_param(f, "part", kind, count + 1 + !count, LB_INOUT);
    /* a run-time limit: n[0] * 0 + limit, which no builder folds away */
    LExpr *zero = lx_raw(f, LX_AND, ltype(LK_I64, 1), lx_load(f, n, lx_i64(f, 0), 1, NULL), lx_i64(f, 0), NULL);
    LExpr *some = lx_raw(f, LX_ADD, ltype(LK_I64, 1), zero, lx_i64(f, limit), NULL);
    LExpr *read = lx_raw(f, LX_LOAD, ltype(kind, lanes), lx_i64(f, 1), constant ? lx_i64(f, limit) : some, NULL);
    read->buf = a;
    LVar *v = lb_let(f, &f->body, "v", read);
    lb_store(f, &f->body, out, lx_i64(f, 3), lx_var(f, v), NULL);
    lb_store(f, &f->body, part, lx_i64(f, 1), lx_var(f, v), constant ? lx_i64(f, limit) : some);
    return f;
}

static void limits(void **unused)
{
    (void)unused;
    Set s = set_new();
    static const LKind KINDS[] = { LK_F32, LK_F64, LK_I32, LK_I64, LK_BOOL };
    for (int k = 0; k < 5; k++)
        for (int lanes = 4; lanes <= 32; lanes *= 2)
            for (int limit = -1; limit <= lanes + 1; limit += limit < 5 || limit >= lanes - 2 ? 1 : lanes / 3)
                for (int constant = 0; constant < 2; constant++)
                    set_add(&s, limited(&s, KINDS[k], lanes, limit, constant));
    set_check(&s, all_wild);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation),
        cmocka_unit_test(division_and_shifts),
        cmocka_unit_test(casts_to_unsigned),
        cmocka_unit_test(limits),
    };
    return cmocka_run_group_tests_name("llvm: operations as interpreted", tests, NULL, NULL);
}

#else
#include "tests/unit/llvm_left_out.h"
#endif
