/* The parts of operands that parts of results need; see part.h. Every operation has its answer here, or none:
 * then it is computed whole. */
#include "ops/part.h"

#include "ops/contract.h"
#include "ops/ops.h"

#include <string.h>

static int64_t span_before(const Type *t, int axis)
{
    int64_t n = 1;
    for (int i = 0; i < axis; i++)
        n *= t->dim[i];
    return n;
}

bool part_leading(const Type *t, int64_t pieces, Part *out)
{
    for (int i = 0; i < t->rank; i++) {
        if (t->dim[i] == 1)
            continue;
        *out = (Part){ i, t->dim[i] / pieces };
        return t->dim[i] % pieces == 0;
    }
    return false;
}

static bool along(Part *out, const Type *t, int axis, int64_t pieces)
{
    *out = (Part){ axis, t->dim[axis] / pieces };
    return t->dim[axis] % pieces == 0;
}

/* ---- by operation ---- */

/* The same elements: an axis with as many positions before it, divided likewise. */
static bool reshape_part(const Node *n, Part p, int64_t pieces, Part *out)
{
    const Type *from = &n->in[0]->type;
    int64_t before = span_before(&n->type, p.axis);
    for (int i = 0; i < from->rank; i++)
        if (from->dim[i] > 1 && span_before(from, i) == before)
            return along(out, from, i, pieces);
    return false;
}

static bool broadcast_part(const Node *n, Part p, Part *out)
{
    const Ints axes = n->attr[1].ints;
    *out = PART_WHOLE;
    for (int i = 0; i < axes.n; i++)
        if (axes.v[i] == p.axis)
            *out = (Part){ i, p.size };
    return true;
}

/* The operand's axis that is the result's, the reduced ones gone. */
static bool reduce_part(const Node *n, Part p, Part *out)
{
    bool one = n->op->attrs[0].kind == AK_INT;
    int kept = 0;
    for (int i = 0; i < n->in[0]->type.rank; i++) {
        bool reduced = one && n->attr[0].i == i;
        for (int k = 0; !one && k < n->attr[0].ints.n; k++)
            reduced = reduced || n->attr[0].ints.v[k] == i;
        if (reduced)
            continue;
        if (kept++ == p.axis) {
            *out = (Part){ i, p.size };
            return true;
        }
    }
    return false;
}

/* Axes that a list of numbers leaves as they are. */
static bool untouched(const Node *n, int attr, int axis, int64_t value) { return n->attr[attr].ints.v[axis] == value; }


/* One dimension of the operand may move with the index, and a piece of the index has to stay in its piece of
 * that dimension. */
static bool contract_part(const Node *n, Part p, int operand, int64_t pieces, Part *out)
{
    const Contract *c = n->attr[0].contract;
    const Type *t = &n->in[operand]->type;
    *out = PART_WHOLE;
    for (int d = 0; d < c->operand[operand].rank; d++) {
        Affine rest = c->operand[operand].dim[d];
        int64_t coef = rest.coef[p.axis], lo, hi;
        if (!coef)
            continue;
        if (out->axis >= 0 || !along(out, t, d, pieces) || coef * p.size != out->size)
            return false;
        rest.coef[p.axis] = 0;
        affine_range(&rest, c->n_index, c->extent, &lo, &hi);
        if (lo < 0 || hi + coef * (p.size - 1) >= out->size)
            return false;
    }
    return true;
}

static bool gather_part(const Node *n, Part p, int operand, Part *out)
{
    const Type *indices = &n->in[1]->type;
    if (operand == 1)
        *out = p.axis < indices->rank ? p : PART_WHOLE;
    else
        *out = p.axis < indices->rank ? PART_WHOLE : (Part){ p.axis - indices->rank + 1, p.size };
    return true;
}

bool part_of_operand(const Node *n, Part p, int operand, int64_t pieces, Part *out)
{
    const OpDef *op = n->op;
    *out = p.axis < 0 ? PART_WHOLE : p;
    if (p.axis < 0 || (op->flags & OP_ELEMENTWISE))
        return true;
    if (op == &op_reshape)
        return reshape_part(n, p, pieces, out);
    if (op == &op_transpose) {
        out->axis = (int)n->attr[0].ints.v[p.axis];
        return true;
    }
    if (op == &op_broadcast)
        return broadcast_part(n, p, out);
    if (op == &op_slice)
        return untouched(n, 0, p.axis, 0) && untouched(n, 2, p.axis, 1) &&
               untouched(n, 1, p.axis, n->in[0]->type.dim[p.axis]);
    if (op == &op_pad) {
        if (operand == 1)
            *out = PART_WHOLE;
        return untouched(n, 0, p.axis, 0) && untouched(n, 1, p.axis, 0) && untouched(n, 2, p.axis, 0);
    }
    if (op == &op_concat || op == &op_argsort || op == &op_take_along)
        return n->attr[0].i != p.axis;
    if (op == &op_reverse) {
        for (int i = 0; i < n->attr[0].ints.n; i++)
            if (n->attr[0].ints.v[i] == p.axis)
                return false;
        return true;
    }
    if (op->flags & OP_REDUCE)
        return reduce_part(n, p, out);
    if (op == &op_window_max || op == &op_window_place || op == &op_window_take || op == &op_window_put)
        return untouched(n, 0, p.axis, 1) && untouched(n, 1, p.axis, 1);
    if (op == &op_contract)
        return contract_part(n, p, operand, pieces, out);
    if (op == &op_gather)
        return gather_part(n, p, operand, out);
    return false; /* scatter_add and scan mix their rows */
}

/* ---- attributes ---- */

static Ints shape_part(Arena *arena, Ints shape, Part p)
{
    int64_t *v = ARENA_ARRAY(arena, int64_t, shape.n + 1);
    for (int i = 0; i < shape.n; i++)
        v[i] = i == p.axis ? p.size : shape.v[i];
    return (Ints){ shape.n, v };
}

void part_attrs(Arena *arena, const Node *n, Part p, Attr *attr)
{
    memcpy(attr, n->attr, sizeof n->attr);
    if (p.axis < 0)
        return;
    for (int i = 0; i < MAX_ATTR && n->op->attrs[i].kind != AK_NONE; i++) {
        bool shape = n->op->attrs[i].kind == AK_INTS && strcmp(n->op->attrs[i].name, "shape") == 0;
        bool stop = n->op == &op_slice && i == 1;
        if (shape || stop)
            attr[i].ints = shape_part(arena, n->attr[i].ints, p);
    }
    if (n->op == &op_contract) {
        Contract *c = ARENA_NEW(arena, Contract);
        *c = *n->attr[0].contract;
        c->extent[p.axis] = p.size;
        attr[0].contract = c;
    }
}
