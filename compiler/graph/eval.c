/* Reference evaluation: every node in order, in double precision, by its op's `eval`. Slow and obvious:
 * tests hold compiled code and derivatives against it; constant folding uses the same functions. */
#include "graph/op.h"

#include <string.h>

/* Beyond this the evaluator says so rather than to exhaust memory. */
static const int64_t EVAL_MAX_ELEMENTS = (int64_t)1 << 28;

static bool affordable(const Graph *g)
{
    int64_t total = 0;
    for (int i = 0; i < g->nodes.len; i++) {
        total += type_count(&g->nodes.data[i]->type);
        if (total > EVAL_MAX_ELEMENTS)
            return false;
    }
    return true;
}

static const Tensor **operands_of(const Node *n, const Tensor *values, Arena *arena)
{
    const Tensor **in = ARENA_ARRAY(arena, const Tensor *, n->n_in + 1);
    for (int k = 0; k < n->n_in; k++)
        in[k] = &values[n->in[k]->id];
    return in;
}

static void collect_roots(const Graph *g, EvalRun *run, Arena *arena)
{
    for (int i = 0; i < g->nodes.len; i++) {
        const Node *n = g->nodes.data[i];
        if (!(n->op->flags & OP_ROOT))
            continue;
        const Tensor *value = &run->values[n->id];
        if (n->op->attrs[0].kind == AK_VAR)
            memcpy(run->vars[n->attr[0].var->index].data, value->data,
                   sizeof *value->data * (size_t)type_count(&value->type));
        else
            VEC_PUSH(arena, &run->outputs, ((NamedTensor){ n->attr[0].name, *value }));
    }
}

const char *graph_eval(const Graph *g, EvalRun *run, Arena *arena)
{
    const char *fault = NULL;
    EvalCtx ctx = { .ctx = run->ctx, .arena = arena, .graph = g, .run = run, .fault = &fault };
    if (!affordable(g))
        return arena_printf(arena, "graph @%s is too large for the reference evaluator", g->name);
    run->values = ARENA_ARRAY(arena, Tensor, g->nodes.len + 1);
    for (int i = 0; i < g->nodes.len; i++) {
        Node *n = g->nodes.data[i];
        n->id = i;
        run->values[i] = tensor_new(arena, n->type);
        n->op->eval(n, operands_of(n, run->values, arena), &run->values[i], &ctx);
        if (fault)
            return arena_printf(arena, "graph @%s: %%%d: %s", g->name, i, fault);
        if ((n->op->flags & OP_ROOT) && n->op->attrs[0].kind == AK_VAR &&
            (!run->vars || !run->vars[n->attr[0].var->index].data))
            return arena_printf(arena, "graph @%s: no value was given for variable @%s", g->name,
                                n->attr[0].var->name);
    }
    collect_roots(g, run, arena);
    return NULL;
}
