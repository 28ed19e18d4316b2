/* Lowering of KERNEL_CONTRACT: describes the contract's indices and operands to the scheduler of sums
 * of products (loop/tile.h) and writes the elementwise tail where a finished element is stored. */
#include "loop/tile.h"
#include "ops/lower_parts.h"

typedef struct {
    Lower *lw;
    const Node *node;
    const Contract *map;
} ContractLower;

static LExpr *affine(LFunc *f, const Affine *a, int n, LExpr *const *index)
{
    LExpr *sum = lx_i64(f, a->base);
    for (int k = 0; k < n; k++)
        if (a->coef[k])
            sum = lx_add(f, sum, lx_mul(f, index[k], lx_i64(f, a->coef[k])));
    return sum;
}

static LExpr *load_operand(void *user, int operand, LBlock *at, LExpr *const *index)
{
    ContractLower *c = user;
    Lower *lw = c->lw;
    LExpr *position[MAX_RANK];
    for (int d = 0; d < c->map->operand[operand].rank; d++)
        position[d] = affine(lw->func, &c->map->operand[operand].dim[d], c->map->n_index, index);
    LBlock *outside = lw->at;
    int mark = lower_mark(lw);
    lw->at = at;
    LExpr *v = lx_cast(lw->func, lower_value(lw, c->node->in[operand], position), LK_F32);
    lower_release(lw, mark);
    lw->at = outside;
    return v;
}

static void store_result(void *user, LBlock *at, LExpr *const *index, LExpr *value)
{
    ContractLower *c = user;
    Lower *lw = c->lw;
    LBlock *outside = lw->at;
    int mark = lower_mark(lw);
    lw->at = at;
    lower_bind(lw, c->node, value);
    lower_results(lw, &lw->kernel->results, lower_offset(lw, c->node, index), index, &c->node->type);
    lower_release(lw, mark);
    lw->at = outside;
}

static void describe_operand(LContract *lc, const Contract *map, int operand, const Type *type)
{
    int64_t stride = 1;
    for (int d = type->rank - 1; d >= 0; d--) {
        const Affine *a = &map->operand[operand].dim[d];
        lc->operand[operand].base += stride * a->base;
        for (int k = 0; k < map->n_index; k++)
            lc->operand[operand].stride[k] += stride * a->coef[k];
        stride *= type->dim[d];
    }
}

void lower_contract(Lower *lw)
{
    const Node *node = NULL;
    for (int i = 0; i < lw->kernel->nodes.len; i++)
        if (lw->kernel->nodes.data[i]->op == &op_contract)
            node = lw->kernel->nodes.data[i];
    const Contract *map = node->attr[0].contract;
    ContractLower c = { lw, node, map };
    LContract lc = { .func = lw->func, .at = lw->at, .target = lw->target, .n_index = map->n_index, .n_out = map->n_out,
                     .n_operand = map->n_operand, .user = &c, .load = load_operand, .store = store_result };
    int64_t stride = 1;
    for (int k = map->n_index - 1; k >= 0; k--) {
        lc.extent[k] = map->extent[k];
        if (k >= map->n_out)
            continue;
        lc.out_stride[k] = stride;
        stride *= map->extent[k];
    }
    for (int i = 0; i < map->n_operand; i++)
        describe_operand(&lc, map, i, &node->in[i]->type);
    loop_contract(&lc);
}
