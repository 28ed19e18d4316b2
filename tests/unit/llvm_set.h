/* Functions of the loop IR made one program, compiled by the LLVM back end into this process, and run
 * beside the interpreter on the same values: to the bit, but for which NaN it is. */
#ifndef TESTS_UNIT_LLVM_SET_H
#define TESTS_UNIT_LLVM_SET_H
#include "back/llvm/llvm.h"
#include "loop/expr.h"
#include "runtime/runtime.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

enum { N = 64 }; /* elements of every buffer */

typedef struct {
    Arena *arena;
    LProgram *program;
} Set;

static inline Set set_new(void)
{
    Arena *arena = arena_new();
    Set s = { arena, ARENA_NEW(arena, LProgram) };
    s.program->arena = arena;
    s.program->name = s.program->c_name = "set";
    return s;
}

static inline nnr_dtype dtype_of(LKind kind)
{
    return kind == LK_F32 ? NNR_F32 : kind == LK_F64 ? NNR_F64 : kind == LK_BOOL ? NNR_BOOL : NNR_I32;
}

/* An entry point that calls f alone: its buffers that are only read are inputs, the others outputs. */
static inline void set_add(Set *s, LFunc *f)
{
    const char *fault = loop_verify(f, s->arena);
    if (fault)
        fail_msg("%s", fault);
    LEntry *e = ARENA_NEW(s->arena, LEntry);
    e->name = e->c_name = f->name;
    e->kind = NNR_INFER;
    e->uses_ctx = f->uses_ctx;
    e->in = ARENA_ARRAY(s->arena, nnr_info, f->params.len + 1);
    e->out = ARENA_ARRAY(s->arena, nnr_info, f->params.len + 1);
    LCall call = { f, ARENA_ARRAY(s->arena, LRef, f->params.len + 1) };
    for (int i = 0; i < f->params.len; i++) {
        const LBuf *b = f->params.data[i];
        nnr_info info = { .name = b->name, .dtype = dtype_of(b->kind), .rank = 1, .dims = { b->count } };
        bool in = b->role == LB_IN;
        call.args[i] = (LRef){ .kind = in ? LR_INPUT : LR_OUTPUT, .index = in ? e->n_in : e->n_out };
        if (in)
            e->in[e->n_in++] = info;
        else
            e->out[e->n_out++] = info;
    }
    VEC_PUSH(s->arena, &e->calls, call);
    VEC_PUSH(s->arena, &s->program->funcs, f);
    VEC_PUSH(s->arena, &s->program->entries, e);
}

/* ---- values ---- */

static uint64_t state;
static inline uint64_t next(void)
{
    state += 0x9e3779b97f4a7c15u;
    return nnr_mix64(state);
}

/* tame: small numbers, for what wraps or is undefined elsewhere. */
static inline double real_value(int i, bool tame)
{
    static const double SPECIAL[] = { 0, -0.0, 0.5, -0.5, 1.5, 2.5, -2.5, 1e-40, -1e-40, 3e38, -3e38, INFINITY, -INFINITY, NAN };
    int n = (int)(sizeof SPECIAL / sizeof *SPECIAL);
    if (!tame && i % 3 == 0)
        return SPECIAL[next() % (uint64_t)n];
    return ((double)(next() >> 40) * 0x1p-24 - 0.5) * 200;
}

static inline int64_t int_value(bool tame, bool natural)
{
    int64_t v = (int64_t)next();
    return tame ? (natural ? 0 : -8) + (int64_t)((uint64_t)v % (natural ? 9 : 17)) : v;
}

static inline void fill(void *p, LKind kind, int64_t count, bool tame)
{
    for (int64_t i = 0; i < count; i++) {
        double r = real_value((int)i, tame);
        int64_t v = int_value(tame, kind == LK_U32 || kind == LK_U64);
        switch (kind) {
        case LK_F32: ((float *)p)[i] = (float)r; break;
        case LK_F64: ((double *)p)[i] = r; break;
        case LK_I32:
        case LK_U32: ((uint32_t *)p)[i] = (uint32_t)v; break;
        case LK_I64:
        case LK_U64: ((int64_t *)p)[i] = v; break;
        case LK_BOOL: ((uint8_t *)p)[i] = v & 1; break;
        }
    }
}

static inline bool same_element(const void *a, const void *b, LKind kind, int64_t i)
{
    size_t bytes = (size_t)lkind_bytes(kind);
    if (kind == LK_F32 && isnan(((const float *)a)[i]))
        return isnan(((const float *)b)[i]);
    if (kind == LK_F64 && isnan(((const double *)a)[i]))
        return isnan(((const double *)b)[i]);
    return memcmp((const char *)a + (size_t)i * bytes, (const char *)b + (size_t)i * bytes, bytes) == 0;
}

/* ---- running ---- */

static inline void *block(int64_t bytes)
{
    void *p = aligned_alloc(NNR_ALIGN, ((size_t)bytes / NNR_ALIGN + 1) * NNR_ALIGN);
    assert_non_null(p);
    return p;
}

static inline void show_fault(const LFunc *f, const LBuf *b, int64_t i)
{
    Arena *arena = arena_new();
    Text t = { .arena = arena };
    loop_print_func(f, &t);
    fprintf(stderr, "%s%%%s[%lld] differs\n", t.data, b->name, (long long)i);
    arena_free(arena);
}

/* Runs entry i compiled and interpreted on the same values. tame: which buffers hold small ones. */
static inline bool agrees(Set *s, const nnr_program *table, int i, const bool *tame)
{
    const LFunc *f = s->program->entries.data[i]->calls.data[0].func;
    nnr_ctx ctx = { .seed = 77, .step = 5, .epoch = -3 };
    void *one[8] = { NULL }, *two[8] = { NULL }, *out[8];
    const void *in[8];
    int n_in = 0, n_out = 0, n = f->params.len;
    for (int k = 0; k < n; k++) {
        const LBuf *b = f->params.data[k];
        int64_t bytes = b->count * lkind_bytes(b->kind);
        one[k] = block(bytes);
        two[k] = block(bytes);
        fill(one[k], b->kind, b->count, tame[k]);
        memcpy(two[k], one[k], (size_t)bytes);
        if (b->role == LB_IN)
            in[n_in++] = two[k];
        else
            out[n_out++] = two[k];
    }
    const char *fault = lfunc_eval(f, one, &ctx, s->arena);
    if (fault)
        fail_msg("%s: %s", f->name, fault);
    table->entries[i].run(NULL, NULL, in, out, NULL, &ctx);
    bool good = true;
    for (int k = 0; k < n; k++) {
        const LBuf *b = f->params.data[k];
        for (int64_t e = 0; good && e < b->count; e++)
            if (!same_element(one[k], two[k], b->kind, e)) {
                show_fault(f, b, e);
                good = false;
            }
        free(one[k]);
        free(two[k]);
    }
    return good;
}

static inline LlvmJit *compile(Set *s, int opt)
{
    LlvmOptions o = { .opt = opt, .parallel_for = nnr_parallel_for };
    const char *why = NULL;
    LlvmJit *jit = back_llvm_jit(s->arena, s->program, &o, &why);
    if (!jit)
        fail_msg("%s", why);
    return jit;
}

static inline void set_check(Set *s, bool (*tame)(const LFunc *f, int param))
{
    for (int opt = 0; opt <= 2; opt += 2) { /* as it was lowered, and through the pipeline */
        LlvmJit *jit = compile(s, opt);
        const nnr_program *table = back_llvm_program(jit);
        assert_int_equal(table->n_entries, s->program->entries.len);
        int bad = 0;
        for (int i = 0; i < table->n_entries; i++) {
            const LFunc *f = s->program->entries.data[i]->calls.data[0].func;
            bool small[8];
            for (int k = 0; k < f->params.len; k++)
                small[k] = tame(f, k);
            bad += !agrees(s, table, i, small);
        }
        assert_int_equal(bad, 0);
        back_llvm_free(jit);
    }
    arena_free(s->arena);
}

static inline bool all_wild(const LFunc *f, int param)
{
    (void)f;
    (void)param;
    return false;
}

#endif
