/* Checks and index arithmetic that op definitions share. */
#include "ops/rules.h"

#include <math.h>

bool rule_float(const Node *n, int operand, Why *why)
{
    const Type *t = &n->in[operand]->type;
    return t->dtype == DT_F32 ||
           why_set(why, "%s needs f32, but operand %d is %s", n->op->name, operand, TYPE_TEXT(t));
}

bool rule_number(const Node *n, int operand, Why *why)
{
    const Type *t = &n->in[operand]->type;
    return t->dtype != DT_BOOL ||
           why_set(why, "%s needs numbers, but operand %d is %s", n->op->name, operand, TYPE_TEXT(t));
}

bool rule_same_type(const Node *n, int a, int b, Why *why)
{
    const Type *ta = &n->in[a]->type, *tb = &n->in[b]->type;
    return type_equal(ta, tb) || why_set(why, "%s needs operands of one type, got %s and %s",
                                         n->op->name, TYPE_TEXT(ta), TYPE_TEXT(tb));
}

bool rule_ints(const Node *n, int attr, int count, Why *why)
{
    return n->attr[attr].ints.n == count ||
           why_set(why, "%s: attribute %s has %d elements where %d are needed", n->op->name,
                   n->op->attrs[attr].name, n->attr[attr].ints.n, count);
}

bool rule_axes(const Node *n, int attr, int rank, Why *why)
{
    const Ints *axes = &n->attr[attr].ints;
    for (int i = 0; i < axes->n; i++) {
        if (axes->v[i] < 0 || axes->v[i] >= rank)
            return why_set(why, "%s: axis %lld does not exist in a shape of rank %d", n->op->name,
                           (long long)axes->v[i], rank);
        if (i && axes->v[i] <= axes->v[i - 1])
            return why_set(why, "%s: axes must be given in increasing order, each once", n->op->name);
    }
    return true;
}

bool rule_axis(const Node *n, int attr, int rank, Why *why)
{
    int64_t axis = n->attr[attr].i;
    return (axis >= 0 && axis < rank) ||
           why_set(why, "%s: axis %lld does not exist in a shape of rank %d", n->op->name,
                   (long long)axis, rank);
}

bool rule_positions(const Node *n, int64_t count, Why *why)
{
    return count <= INT32_MAX || why_set(why, "%s counts positions in i32, but there are %lld of them",
                                         n->op->name, (long long)count);
}

void shape_strides(const Type *t, int64_t *stride)
{
    int64_t s = 1;
    for (int i = t->rank - 1; i >= 0; i--) {
        stride[i] = s;
        s *= t->dim[i];
    }
}

void shape_unravel(const Type *t, int64_t flat, int64_t *index)
{
    for (int i = t->rank - 1; i >= 0; i--) {
        index[i] = flat % t->dim[i];
        flat /= t->dim[i];
    }
}

int64_t shape_ravel(const Type *t, const int64_t *index)
{
    int64_t flat = 0;
    for (int i = 0; i < t->rank; i++)
        flat = flat * t->dim[i] + index[i];
    return flat;
}

bool shape_next(const Type *t, int64_t *index)
{
    for (int i = t->rank - 1; i >= 0; i--) {
        if (++index[i] < t->dim[i])
            return true;
        index[i] = 0;
    }
    return false;
}

int64_t shape_span(const Type *t, int from, int to)
{
    int64_t n = 1;
    for (int i = from; i < to; i++)
        n *= t->dim[i];
    return n;
}

double wrap_i32(double v)
{
    if (!isfinite(v))
        return 0;
    double r = fmod(trunc(v), 4294967296.0);
    if (r < 0)
        r += 4294967296.0;
    return r >= 2147483648.0 ? r - 4294967296.0 : r;
}
