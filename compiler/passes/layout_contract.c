/* Contracts over variables that are not stored row major: their index maps take the layout in. Panels
 * split one index in two, the number of the panel and the place in it, so that maps stay affine. */
#include "passes/layout.h"

#include <string.h>

static const char *fresh_name(Arena *arena, const Contract *c, const char *base)
{
    for (int suffix = 0;; suffix++) {
        const char *name = arena_printf(arena, "%s%d", base, suffix);
        bool taken = false;
        for (int k = 0; k < c->n_index; k++)
            taken = taken || strcmp(c->name[k], name) == 0;
        if (!taken)
            return name;
    }
}

bool layout_of_result(Arena *arena, Contract *c, const nnr_layout *l)
{
    Contract old = *c;
    int more = l->rank - old.n_out;
    if (more < 0 || old.n_index + more > MAX_INDEX)
        return false;
    memset(c, 0, sizeof *c);
    c->n_operand = old.n_operand;
    c->n_out = l->rank;
    c->n_index = old.n_index + more;
    for (int k = old.n_out; k < old.n_index; k++) {
        c->extent[k + more] = old.extent[k];
        c->name[k + more] = old.name[k];
    }
    bool used[MAX_INDEX] = { false };
    for (int p = 0; p < l->rank; p++) {
        int a = l->axis[p];
        c->extent[p] = l->dims[p];
        c->name[p] = used[a] ? fresh_name(arena, &old, old.name[a]) : old.name[a];
        used[a] = true;
    }
    for (int o = 0; o < old.n_operand; o++) {
        c->operand[o].rank = old.operand[o].rank;
        for (int d = 0; d < old.operand[o].rank; d++) {
            const Affine *from = &old.operand[o].dim[d];
            Affine *to = &c->operand[o].dim[d];
            to->base = from->base;
            for (int p = 0; p < l->rank; p++)
                to->coef[p] = from->coef[l->axis[p]] * l->step[p];
            for (int k = old.n_out; k < old.n_index; k++)
                to->coef[k + more] = from->coef[k];
        }
    }
    return true;
}

/* Index j becomes two that stand side by side: j counts blocks, j + 1 the places in one. */
static bool split_index(Arena *arena, Contract *c, int j, int64_t block)
{
    if (c->n_index == MAX_INDEX || (j < c->n_out && c->n_out == MAX_RANK))
        return false;
    const char *name = fresh_name(arena, c, c->name[j]);
    for (int k = c->n_index; k > j + 1; k--) {
        c->extent[k] = c->extent[k - 1];
        c->name[k] = c->name[k - 1];
    }
    c->extent[j + 1] = block;
    c->name[j + 1] = name;
    c->extent[j] /= block;
    for (int o = 0; o < c->n_operand; o++)
        for (int d = 0; d < c->operand[o].rank; d++) {
            int64_t *coef = c->operand[o].dim[d].coef;
            for (int k = c->n_index; k > j + 1; k--)
                coef[k] = coef[k - 1];
            coef[j + 1] = coef[j];
            coef[j] *= block;
        }
    c->n_index++;
    c->n_out += j < c->n_out;
    return true;
}

/* The size of the innermost part of axis a; the whole axis when it is not split. */
static int64_t innermost(const nnr_layout *l, int a)
{
    for (int p = 0; p < l->rank; p++)
        if (l->axis[p] == a && l->step[p] == 1 && l->dims[p] > 1)
            return l->dims[p];
    return 1;
}

/* Which index tells the places in a block of dimension a of operand o, all else moving by whole blocks:
 * -1: none does; -2: there is no such index. */
static int block_index(const Contract *c, int o, int a, int64_t block)
{
    const Affine *map = &c->operand[o].dim[a];
    int found = -1;
    if (map->base % block != 0)
        return -2;
    for (int k = 0; k < c->n_index; k++) {
        if (map->coef[k] % block == 0)
            continue;
        if (found >= 0 || map->coef[k] != 1 || c->extent[k] % block != 0)
            return -2;
        found = k;
    }
    return found;
}

bool layout_of_operand(Arena *arena, Contract *c, int o, const nnr_layout *l)
{
    int rank = c->operand[o].rank;
    for (int a = 0; a < rank; a++) {
        int parts = 0;
        for (int p = 0; p < l->rank; p++)
            parts += l->axis[p] == a;
        if (parts < 2)
            continue;
        int64_t block = innermost(l, a);
        int j = block_index(c, o, a, block);
        if (parts > 2 || j == -2 || (j >= 0 && !split_index(arena, c, j, block)))
            return false;
    }
    Affine dim[MAX_RANK] = { { 0 } };
    for (int p = 0; p < l->rank; p++) {
        const Affine *from = &c->operand[o].dim[l->axis[p]];
        int64_t step = l->step[p], block = innermost(l, l->axis[p]);
        bool low = step == 1 && l->dims[p] > 1; /* the part within a block; the others count blocks */
        bool whole = true;
        for (int q = 0; q < l->rank; q++)
            whole = whole && (q == p || l->axis[q] != l->axis[p]);
        dim[p].base = whole ? from->base : low ? 0 : from->base / block;
        for (int k = 0; k < c->n_index; k++)
            if (whole)
                dim[p].coef[k] = from->coef[k];
            else if (low == (from->coef[k] % block != 0))
                dim[p].coef[k] = low ? from->coef[k] : from->coef[k] / block;
    }
    c->operand[o].rank = l->rank;
    memcpy(c->operand[o].dim, dim, sizeof dim);
    return true;
}
