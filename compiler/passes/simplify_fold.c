/* Constant folding: an operation whose operands are constants is evaluated here, by its own reference
 * evaluation, rounded to its dtype. Broadcasts of constants are not (a splat is cheaper than a table),
 * nor is what would make a table of more than MAX_FOLD elements; draws depend on the run. */
#include "graph/op.h"
#include "passes/simplify.h"

enum { MAX_FOLD = 4096 };

/* A comparison of an index with a bound that it always or never meets. */
static Node *fold_iota_compare(Simplify *s, Node *n)
{
    if (n->op != &op_lt && n->op != &op_le)
        return NULL;
    for (int k = 0; k < 2; k++) {
        const Node *iota = n->in[k];
        double bound;
        if (iota->op != &op_iota || !simplify_splat(n->in[1 - k], &bound))
            continue;
        double last = (double)(iota->type.dim[iota->attr[1].i] - 1);
        bool strict = n->op == &op_lt, always, never;
        if (k == 0) { /* iota < bound */
            always = strict ? last < bound : last <= bound;
            never = strict ? bound <= 0 : bound < 0;
        } else { /* bound < iota */
            always = strict ? bound < 0 : bound <= 0;
            never = strict ? last <= bound : last < bound;
        }
        if (always || never)
            return build_like(s->g, n, always);
    }
    return NULL;
}

Node *simplify_fold(Simplify *s, Node *n)
{
    if (n->n_in == 0 || !n->op->eval || n->op == &op_broadcast ||
        (n->op->flags & (OP_DRAW | OP_META | OP_ROOT)) || type_count(&n->type) > MAX_FOLD)
        return fold_iota_compare(s, n);
    const Tensor **in = ARENA_ARRAY(s->arena, const Tensor *, n->n_in);
    for (int k = 0; k < n->n_in; k++) {
        if (n->in[k]->op != &op_const)
            return fold_iota_compare(s, n);
        in[k] = n->in[k]->attr[0].tensor;
    }
    const char *fault = NULL;
    EvalRun run = { 0 };
    EvalCtx eval = { .arena = s->arena, .graph = s->g, .run = &run, .fault = &fault };
    Tensor out = tensor_new(s->arena, n->type);
    n->op->eval(n, in, &out, &eval);
    return fault ? NULL : build_const(s->g, n->type, out.data);
}
