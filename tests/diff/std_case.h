/* For tests of the library's text: builds a small .nn program and runs its graphs through the
 * reference evaluator, in double precision. */
#ifndef TESTS_DIFF_STD_CASE_H
#define TESTS_DIFF_STD_CASE_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "front/front.h"
#include "ops/ops.h"
#include "passes/passes.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    Arena *arena;
    Module *module;
    Tensor *vars;
    Text errors;
} Case;

static inline void case_collect(void *user, DiagLevel level, const char *text)
{
    (void)level;
    text_add(user, text);
}

static inline const char *case_run_graph(Case *c, Graph *g, EvalRun *run)
{
    run->vars = c->vars;
    return graph_eval(g, run, c->arena);
}

/* Builds the program and fills its variables from its initialisers. NULL, or what is wrong. */
static inline const char *case_open(Case *c, const char *text)
{
    *c = (Case){ .arena = arena_new() };
    c->errors.arena = c->arena;
    text_add(&c->errors, "");
    Diags diags = { .arena = c->arena, .fn = case_collect, .user = &c->errors };
    Source *source = source_new(c->arena, "case.nn", text, strlen(text));
    FrontOptions options = { 0 };
    c->module = front_build(c->arena, intern_new(c->arena), source, &options, &diags);
    if (!c->module)
        return c->errors.data;
    int n = c->module->vars.len;
    c->vars = ARENA_ARRAY(c->arena, Tensor, n + 1);
    for (int i = 0; i < n; i++)
        c->vars[i] = tensor_new(c->arena, c->module->vars.data[i]->type);
    PassCtx ctx = { .arena = c->arena };
    for (int i = 0; i < c->module->graphs.len; i++)
        if (!pass_grad(&ctx, c->module->graphs.data[i]))
            return arena_strdup(c->arena, ctx.why.text);
    Graph *init = module_find_graph(c->module, "init", -1);
    EvalRun run = { .ctx.seed = 7 };
    return init ? case_run_graph(c, init, &run) : NULL; /* none: there are no variables */
}

/* A fixed value in [lo, hi] for element i of input `name`. */
static inline double case_noise(const char *name, int64_t i, double lo, double hi)
{
    uint64_t salt = 0;
    for (; *name; name++)
        salt = salt * 131 + (unsigned char)*name;
    return lo + (hi - lo) * (double)nnr_uniform(nnr_key(3, 0, salt), (uint32_t)i);
}

/* An input for every `input` node of g: f32 in [-1, 1], i32 labels 0, 1, 2, 0, ... */
static inline NamedTensor *case_inputs(Case *c, const Graph *g, int *n)
{
    NamedTensor *inputs = ARENA_ARRAY(c->arena, NamedTensor, g->nodes.len);
    *n = 0;
    for (int i = 0; i < g->nodes.len; i++) {
        const Node *node = g->nodes.data[i];
        if (node->op != &op_input)
            continue;
        NamedTensor *t = &inputs[(*n)++];
        t->name = node->attr[0].name;
        t->value = tensor_new(c->arena, node->type);
        for (int64_t k = 0; k < type_count(&node->type); k++)
            t->value.data[k] = node->type.dtype == DT_I32 ? (double)(k % 3) : case_noise(t->name, k, -1, 1);
    }
    return inputs;
}

static inline Tensor *case_var(Case *c, const char *name)
{
    Var *v = module_find_var(c->module, name);
    if (!v)
        fail_msg("no variable %s", name);
    return &c->vars[v->index];
}

static inline Tensor case_output(const EvalRun *run, const char *name)
{
    for (int i = 0; i < run->outputs.len; i++)
        if (!name || !strcmp(run->outputs.data[i].name, name))
            return run->outputs.data[i].value;
    fail_msg("no output %s", name ? name : "at all");
    return (Tensor){ 0 };
}
#endif
