/* Runs an assembled program in the loop interpreter, in real memory laid out as its plan says: what
 * fusion, order, plan, assembly and lowering together make of a graph, without a C compiler. */
#ifndef TESTS_DIFF_PROGRAM_RUN_H
#define TESTS_DIFF_PROGRAM_RUN_H
#include "passes/passes.h"
#include "runtime/layout.h"
#include <stdlib.h>
#include <string.h>

typedef struct {
    const LProgram *program;
    char *weights, *slots;
} ProgramMemory;

static inline void program_put(void *to, DType dtype, const double *from, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        if (dtype == DT_F32)
            ((float *)to)[i] = (float)from[i];
        else if (dtype == DT_I32)
            ((int32_t *)to)[i] = (int32_t)from[i];
        else
            ((uint8_t *)to)[i] = from[i] != 0;
    }
}

static inline double program_get(const void *from, DType dtype, int64_t i)
{
    return dtype == DT_F32   ? (double)((const float *)from)[i]
           : dtype == DT_I32 ? (double)((const int32_t *)from)[i]
                             : (double)((const uint8_t *)from)[i];
}

static inline char *program_var(const ProgramMemory *m, int var)
{
    const LGlobal *g = &m->program->globals[var];
    return (g->kind == NNR_SLOT ? m->slots : m->weights) + g->offset;
}

/* Weights and slots with the values of vars (by index). */
static inline ProgramMemory program_memory(Arena *arena, const LProgram *p, const Tensor *vars)
{
    ProgramMemory m = { p, arena_alloc(arena, (size_t)p->weights_bytes + 1),
                        arena_alloc(arena, (size_t)p->slots_bytes + 1) };
    for (int i = 0; i < p->n_globals; i++) {
        const LGlobal *g = &p->globals[i];
        if (g->kind == NNR_PREPARED)
            continue; /* the entry `prepare` fills it */
        nnr_var var = { g->info, g->kind, (size_t)g->offset, g->layout };
        void *rows = arena_alloc(arena, (size_t)g->count * 4 + 1);
        program_put(rows, (DType)g->info.dtype, vars[i].data, g->count);
        nnr_layout_store(&var, rows, program_var(&m, i));
    }
    return m;
}

/* The values of a variable, row major. */
static inline const void *program_rows(Arena *arena, const ProgramMemory *m, int var)
{
    const LGlobal *g = &m->program->globals[var];
    nnr_var v = { g->info, g->kind, (size_t)g->offset, g->layout };
    void *rows = arena_alloc(arena, (size_t)g->count * 4 + 1);
    nnr_layout_load(&v, program_var(m, var), rows);
    return rows;
}

/* in, out: as the entry's tables. The arena starts filled with bytes that are NaN as floats. NULL, or
 * what went wrong. */
static inline const char *program_run(Arena *arena, const ProgramMemory *m, const LEntry *e, void *const *in,
                                      void *const *out, const nnr_ctx *ctx)
{
    char *memory = arena_alloc(arena, (size_t)e->arena_bytes + 1);
    memset(memory, 0xff, (size_t)e->arena_bytes);
    return lentry_eval(m->program, e, m->weights, m->slots, in, out, memory, ctx, arena);
}
#endif
