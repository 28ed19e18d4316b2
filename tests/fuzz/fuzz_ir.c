/* module_read, graph_verify, module_print and graph_eval on any text (libFuzzer): no crash, and what was
 * read prints to a text that reads back to itself. Seeds: tests/fuzz/seeds/ir. */
#include "graph/op.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void ignore(void *user, DiagLevel level, const char *text)
{
    (void)user;
    (void)level;
    if (strlen(text) == 0)
        abort();
}

static void fail(const char *what, const char *text)
{
    fprintf(stderr, "fuzz_ir: %s; the text:\n%s\n", what, text);
    abort();
}

static char *print(Arena *arena, const Module *m)
{
    Text t = { .arena = arena };
    module_print(m, &t);
    return t.data;
}

static Module *read_module(Arena *arena, const char *text, size_t len)
{
    Diags diags = { .arena = arena, .fn = ignore };
    Module *m = module_read(arena, intern_new(arena), source_new(arena, "fuzz.ir", text, len), &diags);
    if (!m && diags.n_errors == 0)
        fail("no module and no error", text);
    return m;
}

static void evaluate(Arena *arena, const Graph *g)
{
    enum { INPUTS = 32, VARS = 32 };
    NamedTensor inputs[INPUTS];
    Tensor vars[VARS] = { { .data = NULL } };
    EvalRun run = { .inputs = inputs, .vars = vars };
    int64_t total = 0;
    for (int i = 0; i < g->nodes.len; i++) {
        const Node *n = g->nodes.data[i];
        total += type_count(&n->type) * (n->op->work ? 16 : 1);
        if (total > 100000)
            return;
        if (strcmp(n->op->name, "input") == 0 && run.n_inputs < INPUTS)
            inputs[run.n_inputs++] = (NamedTensor){ n->attr[0].name, tensor_new(arena, n->type) };
    }
    for (int i = 0; i < g->module->vars.len && i < VARS; i++)
        if (type_count(&g->module->vars.data[i]->type) < 100000)
            vars[i] = tensor_new(arena, g->module->vars.data[i]->type);
    if (g->module->vars.len <= VARS)
        graph_eval(g, &run, arena); /* a message is fine */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    Arena *arena = arena_new();
    char *text = arena_copy_text(arena, (const char *)data, len);
    Module *m = read_module(arena, text, len);
    if (m) {
        char *first = print(arena, m);
        Module *again = read_module(arena, first, strlen(first));
        if (!again || strcmp(print(arena, again), first) != 0)
            fail("does not read back to the same text", text);
        for (int i = 0; i < m->graphs.len; i++)
            if (!graph_verify(m->graphs.data[i], arena))
                evaluate(arena, m->graphs.data[i]);
    }
    arena_free(arena);
    return 0;
}
