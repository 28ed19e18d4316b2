/* What can be said of a layout by itself, and its text:  [0*32,1,0]  for panels of 32 along dimension 0,
 * [1,0] for a transposed matrix. The dimensions stored are told by the type beside it. */
#include "graph/layout.h"

#include <string.h>

static int64_t axis_count(const nnr_layout *l)
{
    int most = -1;
    for (int p = 0; p < l->rank; p++)
        most = l->axis[p] > most ? l->axis[p] : most;
    return most + 1;
}

bool layout_valid(const nnr_layout *l)
{
    if (l->rank < 1 || l->rank > NNR_MAX_RANK)
        return false;
    for (int p = 0; p < l->rank; p++)
        if (l->axis[p] < 0 || l->axis[p] >= l->rank || l->dims[p] < 1 || l->step[p] < 1)
            return false;
    int64_t axes = axis_count(l);
    for (int a = 0; a < axes; a++) {
        int64_t reached = 1; /* positions along the axis that the parts so far tell apart */
        for (bool more = true; more;) {
            more = false;
            for (int p = 0; p < l->rank && !more; p++)
                if (l->axis[p] == a && l->step[p] == reached && l->dims[p] > 1) {
                    reached *= l->dims[p];
                    more = true;
                }
        }
        int64_t all = 1;
        bool any = false;
        for (int p = 0; p < l->rank; p++)
            if (l->axis[p] == a) {
                all *= l->dims[p];
                any = true;
            }
        if (!any || reached != all)
            return false;
    }
    return true;
}

Type layout_rows(const nnr_layout *l, DType dtype)
{
    Type t = { .dtype = dtype, .rank = (int)axis_count(l) };
    for (int a = 0; a < t.rank; a++)
        t.dim[a] = 1;
    for (int p = 0; p < l->rank; p++)
        t.dim[l->axis[p]] *= l->dims[p];
    return t;
}

Type layout_stored(const nnr_layout *l, DType dtype) { return type_make(dtype, l->rank, l->dims); }

bool layout_equal(const nnr_layout *a, const nnr_layout *b)
{
    if (a->rank != b->rank)
        return false;
    for (int p = 0; p < a->rank; p++)
        if (a->axis[p] != b->axis[p] || a->dims[p] != b->dims[p] || a->step[p] != b->step[p])
            return false;
    return true;
}

nnr_layout layout_blocked(const Type *t, int axis, int64_t block)
{
    nnr_layout l = { 0 };
    if (block < t->dim[axis]) {
        l.axis[0] = axis;
        l.step[0] = block;
        l.dims[l.rank++] = t->dim[axis] / block;
    } else {
        block = t->dim[axis];
    }
    for (int a = 0; a < t->rank; a++) {
        if (a == axis)
            continue;
        l.axis[l.rank] = a;
        l.step[l.rank] = 1;
        l.dims[l.rank++] = t->dim[a];
    }
    l.axis[l.rank] = axis;
    l.step[l.rank] = 1;
    l.dims[l.rank++] = block;
    return l;
}

char *layout_text(Arena *arena, const nnr_layout *l)
{
    Text t = { .arena = arena };
    for (int p = 0; p < l->rank; p++) {
        text_addf(&t, "%s%d", p ? "," : "[", l->axis[p]);
        if (l->step[p] != 1)
            text_addf(&t, "*%lld", (long long)l->step[p]);
    }
    text_add(&t, "]");
    return t.data;
}
