/* Windows: what is masked behind a pooling is masked by the window.
 *
 * The backward pass of `x |> relu |> max_pool` puts a gradient at the place of each maximum and lets it through where
 * x was positive. Of that mask only the elements at those places matter, so they are taken in the forward pass,
 * where x is at hand, and neither x nor a mask of its size is kept:
 *     select(m, window_put(p, v), 0)  ->  window_put(p, select(window_take(p, m), v, 0))
 * Each window puts its value somewhere: a sum over all places (a bias gradient) is the sum of the values. */
#include "passes/simplify.h"

/* sum(window_put(p, v)) -> sum(v), where the axes with windows are summed over. */
static Node *sum_of_put(Simplify *s, Node *n)
{
    Node *put = n->in[0];
    if (put->op != &op_window_put)
        return NULL;
    for (int d = 0; d < put->type.rank; d++)
        if (put->type.dim[d] != put->in[1]->type.dim[d] && !simplify_reduces(n, d))
            return NULL;
    return graph_must_add(s->g, &op_sum, &put->in[1], 1, n->attr);
}

static Node *mask_of_put(Simplify *s, Node *n)
{
    if (n->op != &op_select || n->in[1]->op != &op_window_put || !simplify_is(n->in[2], 0))
        return NULL;
    Node *put = n->in[1], *place = put->in[0], *v = put->in[1];
    double all;
    if (!simplify_single_use(put) || !put->op->inlined(put) || simplify_splat(n->in[0], &all))
        return NULL;
    Attr windows[MAX_ATTR] = { put->attr[0], put->attr[1] };
    Node *mask = graph_must_add(s->g, &op_window_take, (Node *[]){ place, n->in[0] }, 2, windows);
    Node *zero = build_full(s->g, v->type, 0);
    Node *passed = graph_must_add(s->g, &op_select, (Node *[]){ mask, v, zero }, 3, NULL);
    return graph_must_add(s->g, &op_window_put, (Node *[]){ place, passed }, 2, put->attr);
}

Node *simplify_window(Simplify *s, Node *n) { return n->op == &op_sum ? sum_of_put(s, n) : mask_of_put(s, n); }
