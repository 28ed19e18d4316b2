/* cse: equal nodes become one. Equal: same op, same operands (in either order where the op is
 * commutative), same attributes, same type. That covers rand: its bits are a function of salt and
 * shape alone, so equal draws are one draw. Inputs and variables are equal by name and variable.
 * Roots and whatever carries a graph of its own are left alone.
 *
 * The first of equals stays, with its location: of two layers that compute the same, the earlier one
 * is named in reports.
 *
 * Requires: topological order. Establishes: no two equal nodes (those replaced are dead, see dce). */
#include "ops/ops.h"
#include "passes/passes.h"
#include <string.h>

static uint64_t mix(uint64_t h, uint64_t v)
{
    return nnr_mix64(h ^ (v + 0x9e3779b97f4a7c15u));
}

static uint64_t mix_double(uint64_t h, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return mix(h, bits);
}

static uint64_t mix_type(uint64_t h, const Type *t)
{
    h = mix(h, (uint64_t)t->dtype * 16 + (uint64_t)t->rank);
    for (int d = 0; d < t->rank; d++)
        h = mix(h, (uint64_t)t->dim[d]);
    return h;
}

static uint64_t mix_affine(uint64_t h, const Affine *a, int n_index)
{
    h = mix(h, (uint64_t)a->base);
    for (int k = 0; k < n_index; k++)
        h = mix(h, (uint64_t)a->coef[k]);
    return h;
}

static uint64_t mix_attr(uint64_t h, AttrKind kind, const Attr *a)
{
    switch (kind) {
    case AK_INT:
    case AK_DTYPE:
        return mix(h, (uint64_t)a->i);
    case AK_FLOAT:
        return mix_double(h, a->f);
    case AK_NAME:
        for (const char *s = a->name; s && *s; s++)
            h = mix(h, (unsigned char)*s);
        return h;
    case AK_INTS:
        for (int i = 0; i < a->ints.n; i++)
            h = mix(h, (uint64_t)a->ints.v[i]);
        return h;
    case AK_VAR:
        return mix(h, (uint64_t)(uintptr_t)a->var);
    case AK_CONTRACT:
        for (int k = 0; k < a->contract->n_index; k++)
            h = mix(h, (uint64_t)a->contract->extent[k]);
        for (int p = 0; p < a->contract->n_operand; p++)
            for (int d = 0; d < a->contract->operand[p].rank; d++)
                h = mix_affine(h, &a->contract->operand[p].dim[d], a->contract->n_index);
        return h;
    case AK_TENSOR: /* equality looks at all of them */
        for (int64_t i = 0, n = type_count(&a->tensor->type); i < n && i < 64; i++)
            h = mix_double(h, a->tensor->data[i]);
        return mix_type(h, &a->tensor->type);
    case AK_GRAPH:
    case AK_NONE:
        break;
    }
    return h;
}

/* Index names are for the reader only. */
static bool contract_equal(const Contract *a, const Contract *b)
{
    if (a->n_index != b->n_index || a->n_out != b->n_out || a->n_operand != b->n_operand)
        return false;
    for (int k = 0; k < a->n_index; k++)
        if (a->extent[k] != b->extent[k])
            return false;
    for (int p = 0; p < a->n_operand; p++) {
        if (a->operand[p].rank != b->operand[p].rank)
            return false;
        for (int d = 0; d < a->operand[p].rank; d++) {
            const Affine *x = &a->operand[p].dim[d], *y = &b->operand[p].dim[d];
            if (x->base != y->base || memcmp(x->coef, y->coef, (size_t)a->n_index * sizeof x->coef[0]) != 0)
                return false;
        }
    }
    return true;
}

static bool attr_equal(AttrKind kind, const Attr *a, const Attr *b)
{
    switch (kind) {
    case AK_NONE:
        return true;
    case AK_INT:
    case AK_DTYPE:
        return a->i == b->i;
    case AK_FLOAT:
        return memcmp(&a->f, &b->f, sizeof a->f) == 0;
    case AK_NAME:
        return a->name == b->name || (a->name && b->name && strcmp(a->name, b->name) == 0);
    case AK_INTS:
        return a->ints.n == b->ints.n &&
               (a->ints.n == 0 || memcmp(a->ints.v, b->ints.v, (size_t)a->ints.n * sizeof a->ints.v[0]) == 0);
    case AK_VAR:
        return a->var == b->var;
    case AK_CONTRACT:
        return contract_equal(a->contract, b->contract);
    case AK_TENSOR: /* bitwise: -0 is not 0, a NaN equals itself */
        return type_equal(&a->tensor->type, &b->tensor->type) &&
               memcmp(a->tensor->data, b->tensor->data,
                      (size_t)type_count(&a->tensor->type) * sizeof(double)) == 0;
    case AK_GRAPH:
        return false;
    }
    return false;
}

static bool swapped_equal(const Node *a, const Node *b)
{
    return (a->op->flags & OP_COMMUTATIVE) && a->n_in == 2 && a->in[0] == b->in[1] && a->in[1] == b->in[0];
}

bool node_equal(const Node *a, const Node *b)
{
    if (a->op != b->op || a->n_in != b->n_in || !type_equal(&a->type, &b->type))
        return false;
    bool same = true;
    for (int k = 0; k < a->n_in; k++)
        same = same && a->in[k] == b->in[k];
    if (!same && !swapped_equal(a, b))
        return false;
    for (int k = 0; k < MAX_ATTR; k++)
        if (!attr_equal(a->op->attrs[k].kind, &a->attr[k], &b->attr[k]))
            return false;
    return true;
}

static uint64_t node_hash(const Node *n)
{
    uint64_t h = mix_type(mix(0, (uint64_t)(uintptr_t)n->op), &n->type), operands = 0;
    bool commutes = n->op->flags & OP_COMMUTATIVE;
    for (int k = 0; k < n->n_in; k++) {
        uint64_t one = (uint64_t)(uintptr_t)n->in[k];
        operands = commutes ? operands + mix(1, one) : mix(operands, one);
    }
    h = mix(h, operands);
    for (int k = 0; k < MAX_ATTR; k++)
        h = mix_attr(h, n->op->attrs[k].kind, &n->attr[k]);
    return h;
}

bool pass_cse(PassCtx *ctx, Graph *g)
{
    size_t cap = 64;
    while (cap < 2 * (size_t)g->nodes.len)
        cap *= 2;
    Node **table = ARENA_ARRAY(ctx->arena, Node *, cap);
    for (int i = 0; i < g->nodes.len; i++)
        g->nodes.data[i]->aux = NULL;
    for (int i = 0; i < g->nodes.len; i++) {
        Node *n = g->nodes.data[i];
        for (int k = 0; k < n->n_in; k++) /* equals found so far, so that chains of them fall together */
            if (n->in[k]->aux)
                n->in[k] = n->in[k]->aux;
        if (n->op->flags & (OP_ROOT | OP_META))
            continue;
        size_t slot = (size_t)node_hash(n) & (cap - 1);
        while (table[slot] && !node_equal(table[slot], n))
            slot = (slot + 1) & (cap - 1);
        if (table[slot])
            n->aux = table[slot];
        else
            table[slot] = n;
    }
    for (int i = 0; i < g->nodes.len; i++)
        g->nodes.data[i]->aux = NULL;
    return true;
}
