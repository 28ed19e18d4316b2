/* Variables that are not row major in memory. See layout.h; the form of a layout is told in nnr.h. */
#include "runtime/layout.h"
#include "runtime/data.h"
#include "runtime/model.h"
#include <stdlib.h>
#include <string.h>

/* Row major elements that one position of each stored dimension is worth. */
static void row_steps(const nnr_var *var, int64_t *steps)
{
    for (int p = 0; p < var->layout.rank; p++) {
        steps[p] = var->layout.step[p];
        for (int d = var->info.rank - 1; d > var->layout.axis[p]; d--) steps[p] *= var->info.dims[d];
    }
}

static void copy_element(uint8_t *to, const uint8_t *from, size_t size)
{
    if (size == 4) memcpy(to, from, 4);
    else if (size == 8) memcpy(to, from, 8);
    else *to = *from;
}

/* Walks the stored elements in their order. */
static void convert(const nnr_var *var, const uint8_t *from, uint8_t *to, bool store)
{
    const nnr_layout *l = &var->layout;
    size_t size = nnr_dtype_size(var->info.dtype);
    int64_t n = nnr_elems(var->info.dims, var->info.rank), steps[NNR_MAX_RANK], at[NNR_MAX_RANK] = {0}, row = 0;
    row_steps(var, steps);
    for (int64_t i = 0; i < n; i++) {
        uint8_t *into = to + (size_t)(store ? i : row) * size;
        copy_element(into, from + (size_t)(store ? row : i) * size, size);
        for (int p = l->rank - 1; p >= 0; p--) {
            row += steps[p];
            if (++at[p] < l->dims[p]) break;
            row -= steps[p] * l->dims[p];
            at[p] = 0;
        }
    }
}

void nnr_layout_store(const nnr_var *var, const void *rows, void *stored)
{
    if (var->layout.rank) convert(var, rows, stored, true);
    else memcpy(stored, rows, nnr_info_bytes(&var->info));
}

void nnr_layout_load(const nnr_var *var, const void *stored, void *rows)
{
    if (var->layout.rank) convert(var, stored, rows, false);
    else memcpy(rows, stored, nnr_info_bytes(&var->info));
}

const void *nnr_rows(const nnr_program *program, const void *block, bool slots)
{
    bool any = false;
    for (int i = 0; i < program->n_vars; i++)
        any = any || (program->vars[i].layout.rank && program->vars[i].kind != NNR_PREPARED && (program->vars[i].kind == NNR_SLOT) == slots);
    if (!any) return block;
    uint8_t *rows = nnr_block(slots ? program->slots_bytes : program->weights_bytes);
    for (int i = 0; rows && i < program->n_vars; i++) {
        const nnr_var *v = &program->vars[i];
        if (v->kind != NNR_PREPARED && (v->kind == NNR_SLOT) == slots)
            nnr_layout_load(v, (const uint8_t *)block + v->offset, rows + v->offset);
    }
    return rows;
}

void nnr_rows_free(const void *rows, const void *block)
{
    if (rows != block) free((void *)(uintptr_t)rows);
}
