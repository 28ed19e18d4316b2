/* scan: a loop over time with carried values.
 *
 *     scan items..., carries..., invariants...   {body=@b, items=, carries=, result=}
 *
 * The first `items` operands have a leading time dimension T; the body sees one step of each. The next
 * `carries` are start values; the rest are the same at every step. The body's `input` nodes, in the
 * order they stand in its list, take one step's items, the carries and the invariants; its `output`
 * nodes, in order, are the next carries and then the yields. A node has one result, so `result` says
 * which: below `carries` the last value of that carry, else the yields of number result - carries,
 * stacked along a new leading dimension T. Scans that differ only in `result` are one loop.
 *
 * Time runs along dimension 0, forward; another axis or direction is a transpose or reverse around it.
 * Not differentiated and not lowered yet: the graph is built, verified and evaluated, and the grad pass
 * says so where a loss depends on a scan. */
#include "ops/rules.h"

enum { BODY, ITEMS, CARRIES, RESULT };

/* The k-th node of the body with this op, or NULL. */
static Node *body_node(const Graph *body, const OpDef *op, int64_t k)
{
    for (int i = 0; i < body->nodes.len; i++)
        if (body->nodes.data[i]->op == op && k-- == 0)
            return body->nodes.data[i];
    return NULL;
}

static bool check_counts(const Node *n, Why *why)
{
    int64_t items = n->attr[ITEMS].i, carries = n->attr[CARRIES].i, result = n->attr[RESULT].i;
    const Graph *body = n->attr[BODY].graph;
    if (items < 1 || carries < 0 || items > n->n_in || carries > n->n_in - items)
        return why_set(why, "scan: %lld items and %lld carries do not fit %d operands (at least one item)",
                       (long long)items, (long long)carries, n->n_in);
    if (!body_node(body, &op_input, n->n_in - 1) || body_node(body, &op_input, n->n_in))
        return why_set(why, "scan: the body @%s must have %d inputs, one an operand", body->name, n->n_in);
    if (carries > 0 && !body_node(body, &op_output, carries - 1))
        return why_set(why, "scan: the body @%s must have an output for each of %lld carries", body->name,
                       (long long)carries);
    if (result < 0 || !body_node(body, &op_output, result))
        return why_set(why, "scan: the body @%s has no output number %lld", body->name, (long long)result);
    return true;
}

static bool scan_shape(const Node *n, Type *out, Why *why)
{
    if (!check_counts(n, why))
        return false;
    const Graph *body = n->attr[BODY].graph;
    int64_t items = n->attr[ITEMS].i, carries = n->attr[CARRIES].i, steps = 0;
    for (int i = 0; i < n->n_in; i++) {
        Type given = n->in[i]->type;
        const Type *want = &body_node(body, &op_input, i)->type;
        if (i < items) {
            if (given.rank < 1)
                return why_set(why, "scan: item %d is %s; it needs a time dimension", i, TYPE_TEXT(&given));
            if (i > 0 && given.dim[0] != steps)
                return why_set(why, "scan: item %d has %lld steps, the first has %lld", i,
                               (long long)given.dim[0], (long long)steps);
            steps = given.dim[0];
            given = type_make(given.dtype, given.rank - 1, given.dim + 1);
        }
        if (!type_equal(&given, want))
            return why_set(why, "scan: operand %d gives the body %s, but its input is %s", i,
                           TYPE_TEXT(&given), TYPE_TEXT(want));
        if (i >= items && i < items + carries) {
            const Type *next = &body_node(body, &op_output, i - items)->type;
            if (!type_equal(&given, next))
                return why_set(why, "scan: a carry starts as %s, but the body gives %s", TYPE_TEXT(&given),
                               TYPE_TEXT(next));
        }
    }
    *out = body_node(body, &op_output, n->attr[RESULT].i)->type;
    if (n->attr[RESULT].i < carries)
        return true;
    if (out->rank == MAX_RANK)
        return why_set(why, "scan: the yields of %s exceed the highest rank", TYPE_TEXT(out));
    for (int i = out->rank++; i > 0; i--)
        out->dim[i] = out->dim[i - 1];
    out->dim[0] = steps;
    return true;
}

static void scan_eval(const Node *n, const Tensor *const *in, Tensor *out, const EvalCtx *ctx)
{
    const Graph *body = n->attr[BODY].graph;
    int64_t items = n->attr[ITEMS].i, carries = n->attr[CARRIES].i, result = n->attr[RESULT].i;
    NamedTensor *inputs = ARENA_ARRAY(ctx->arena, NamedTensor, n->n_in);
    for (int i = 0; i < n->n_in; i++) {
        const Node *input = body_node(body, &op_input, i);
        inputs[i] = (NamedTensor){ input->attr[0].name, *in[i] };
        inputs[i].value.type = input->type;
    }
    int64_t steps = in[0]->type.dim[0], last = type_count(&body_node(body, &op_output, result)->type);
    for (int64_t t = 0; t < steps; t++) {
        for (int i = 0; i < items; i++)
            inputs[i].value.data = in[i]->data + t * type_count(&inputs[i].value.type);
        EvalRun run = { .ctx = ctx->ctx, .inputs = inputs, .n_inputs = n->n_in, .vars = ctx->run->vars };
        const char *fault = graph_eval(body, &run, ctx->arena);
        if (fault) {
            *ctx->fault = fault;
            return;
        }
        for (int64_t k = 0; k < carries; k++)
            inputs[items + k].value.data = run.outputs.data[k].value.data;
        int64_t to = result < carries ? 0 : t * last;
        for (int64_t i = 0; i < last; i++)
            out->data[to + i] = run.outputs.data[result].value.data[i];
    }
}

const OpDef op_scan = {
    .name = "scan",
    .min_in = 1,
    .max_in = -1,
    .flags = OP_META,
    .attrs = { { "body", AK_GRAPH }, { "items", AK_INT }, { "carries", AK_INT }, { "result", AK_INT } },
    .doc = "runs a body graph once a step with carried values",
    .shape = scan_shape,
    .eval = scan_eval,
};
