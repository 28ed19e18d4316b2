/* What is to be made of a program, before any of it is: which kernels, in which modules. Kernels that
 * compute the same are made once; the rest is dealt out to modules of about equal size, so that several
 * threads can compile at once. What a kernel's code is does not depend on the module it is in. */
#include "back/llvm/lower.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    const LFunc *func;
    int index;
} Numbered;

static int by_address(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t)((const Numbered *)a)->func, y = (uintptr_t)((const Numbered *)b)->func;
    return x < y ? -1 : x > y;
}

static Numbered *number_functions(Arena *arena, const LProgram *p)
{
    Numbered *v = ARENA_ARRAY(arena, Numbered, p->funcs.len + 1);
    for (int i = 0; i < p->funcs.len; i++)
        v[i] = (Numbered){ p->funcs.data[i], i };
    qsort(v, (size_t)p->funcs.len, sizeof *v, by_address);
    return v;
}

static void find_calls(Arena *arena, Plan *plan)
{
    const LProgram *p = plan->program;
    Numbered *numbers = number_functions(arena, p);
    plan->callee = ARENA_ARRAY(arena, int *, p->entries.len + 1);
    for (int i = 0; i < p->entries.len; i++) {
        const LEntry *e = p->entries.data[i];
        plan->callee[i] = ARENA_ARRAY(arena, int, e->calls.len + 1);
        for (int c = 0; c < e->calls.len; c++) {
            Numbered key = { .func = e->calls.data[c].func };
            const Numbered *at = bsearch(&key, numbers, (size_t)p->funcs.len, sizeof key, by_address);
            plan->callee[i][c] = at->index;
            if (plan->entry[i])
                plan->needed[at->index] = true;
        }
    }
}

/* What every call in the program gives a parameter: blocks and the arena are aligned, and so are places
 * in them at aligned offsets; of inputs and outputs a caller promises no more than C does. */
static void find_alignment(Arena *arena, Plan *plan)
{
    const LProgram *p = plan->program;
    plan->unaligned = ARENA_ARRAY(arena, bool *, p->funcs.len + 1);
    for (int i = 0; i < p->funcs.len; i++)
        plan->unaligned[i] = ARENA_ARRAY(arena, bool, p->funcs.data[i]->params.len + 1);
    for (int i = 0; i < p->entries.len; i++)
        for (int c = 0; c < p->entries.data[i]->calls.len; c++) {
            const LCall *call = &p->entries.data[i]->calls.data[c];
            bool *unaligned = plan->unaligned[plan->same[plan->callee[i][c]]];
            for (int k = 0; k < call->func->params.len; k++) {
                const LRef *r = &call->args[k];
                int64_t offset = r->kind == LR_VAR ? p->globals[r->index].offset : r->offset;
                bool block = r->kind == LR_VAR || r->kind == LR_ARENA || r->kind == LR_LANE;
                unaligned[k] = unaligned[k] || !block || offset % NNR_ALIGN != 0 || r->step % NNR_ALIGN != 0;
            }
        }
}

/* ---- sizes ---- */

static int64_t expr_size(const LExpr *e)
{
    return e ? 1 + expr_size(e->a) + expr_size(e->b) + expr_size(e->c) : 0;
}

static int64_t block_size(const LBlock *block)
{
    int64_t n = 0;
    for (int i = 0; i < block->len; i++) {
        const LStmt *s = block->data[i];
        n += 1 + expr_size(s->index) + expr_size(s->value) + expr_size(s->limit) + expr_size(s->lo) + expr_size(s->hi);
        n += block_size(&s->body) + block_size(&s->other);
    }
    return n;
}

typedef struct {
    int64_t size;
    int func;
} Piece;

static int by_size(const void *a, const void *b)
{
    const Piece *x = a, *y = b;
    return x->size > y->size ? -1 : x->size < y->size ? 1 : x->func - y->func;
}

enum { WORTH_A_THREAD = 2000 }; /* nodes: some ten milliseconds of work */

/* The largest first, each to the module with least in it. */
static void deal_out(Arena *arena, Plan *plan, int max_parts)
{
    const LProgram *p = plan->program;
    Piece *pieces = ARENA_ARRAY(arena, Piece, p->funcs.len + 1);
    int n = 0;
    int64_t total = 0;
    for (int i = 0; i < p->funcs.len; i++)
        if (plan->needed[i] && plan->same[i] == i) {
            pieces[n] = (Piece){ block_size(&p->funcs.data[i]->body), i };
            total += pieces[n++].size;
        }
    qsort(pieces, (size_t)n, sizeof *pieces, by_size);
    plan->n_parts = 1;
    while (plan->n_parts < max_parts && plan->n_parts < n && total / (plan->n_parts + 1) > WORTH_A_THREAD)
        plan->n_parts++;
    int64_t *load = ARENA_ARRAY(arena, int64_t, plan->n_parts);
    for (int i = 0; i < n; i++) {
        int least = 0;
        for (int k = 1; k < plan->n_parts; k++)
            if (load[k] < load[least])
                least = k;
        plan->part[pieces[i].func] = least;
        load[least] += pieces[i].size;
    }
}

static bool is_wanted(const LlvmOptions *o, const LEntry *e)
{
    for (int i = 0; i < o->n_entries; i++)
        if (strcmp(o->entries[i], e->name) == 0)
            return true;
    return o->n_entries == 0 || e->kind == NNR_PREPARE;
}

Plan plan_make(Arena *arena, const LProgram *program, const LlvmOptions *options, int max_parts)
{
    int n = program->funcs.len;
    Plan plan = { .program = program, .entry = ARENA_ARRAY(arena, bool, program->entries.len + 1),
                  .needed = ARENA_ARRAY(arena, bool, n + 1),
                  .part = ARENA_ARRAY(arena, int, n + 1) };
    for (int i = 0; i < program->entries.len; i++)
        plan.entry[i] = is_wanted(options, program->entries.data[i]);
    find_calls(arena, &plan);
    /* With debug information each keeps its own lines. */
    plan.same = back_stand_ins(arena, program, options->debug ? ARENA_ARRAY(arena, bool, n + 1) : plan.needed);
    find_alignment(arena, &plan);
    deal_out(arena, &plan, max_parts);
    return plan;
}
