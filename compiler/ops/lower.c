/* Lowering one kernel: values by index, buffers, bindings, random keys, and the choice of the kernel's
 * lowering. See lower.h for what hooks may rely on. */
#include "loop/cores.h"
#include "ops/lower.h"
#include "loop/expr.h"
#include "ops/kernel.h"
#include "ops/lower_parts.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

LKind lower_kind(DType dtype)
{
    switch (dtype) {
    case DT_F32: return LK_F32;
    case DT_I32: return LK_I32;
    default: return LK_BOOL;
    }
}

/* ---- names ---- */

/* What follows the last dot of a path: "fc1" of "mlp.fc1". */
static const char *last_part(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot ? dot + 1 : path;
}

static const char *behind_first_dot(const char *path)
{
    const char *dot = strchr(path, '.');
    return dot && dot[1] ? dot + 1 : path;
}

const char *lower_name(Lower *lw, const Node *n)
{
    if (n->op == &op_var)
        return behind_first_dot(n->attr[0].var->name);
    if (n->op == &op_input)
        return n->attr[0].name;
    return n->path ? arena_printf(lw->arena, "%s_%s", last_part(n->path), n->op->name) : n->op->name;
}

/* ---- buffers ---- */

static bool is_result(const Node *n)
{
    for (int i = 0; n->kernel && i < n->kernel->results.len; i++)
        if (n->kernel->results.data[i] == n)
            return true;
    return false;
}

/* Read from memory by this kernel: inputs, variables, other kernels' results. */
static bool is_memory(const Lower *lw, const Node *n)
{
    if (n->op == &op_input || n->op == &op_var)
        return true;
    return n->kernel != lw->kernel && is_result(n);
}

LBuf *lower_buffer(Lower *lw, const Node *node, bool write)
{
    for (int i = 0; i < lw->n_bufs; i++) {
        if (lw->bufs[i].node != node)
            continue;
        if (lw->bufs[i].write != write)
            lw->bufs[i].buf->role = LB_INOUT;
        lw->bufs[i].write |= write;
        return lw->bufs[i].buf;
    }
    if (lw->n_bufs == lw->cap_bufs)
        lw->bufs = arena_grow(lw->arena, lw->bufs, &lw->cap_bufs, sizeof *lw->bufs);
    LBuf *buf = lfunc_param(lw->func, lower_name(lw, node), lower_kind(node->type.dtype), type_count(&node->type),
                            write ? LB_OUT : LB_IN);
    lw->bufs[lw->n_bufs++] = (struct LowerBuf){ node, buf, write };
    return buf;
}

static const struct LowerPlace *place_of(const Lower *lw, const Node *node)
{
    for (int i = 0; i < lw->n_places; i++)
        if (lw->places[i].node == node)
            return &lw->places[i];
    return NULL;
}

static LExpr *placed(Lower *lw, const struct LowerPlace *place, LExpr *flat)
{
    LFunc *f = lw->func;
    return lx_add(f, lx_bin(f, LX_SUB, flat, place->first), lx_i64(f, place->begin));
}

LExpr *lower_load(Lower *lw, const Node *node, LExpr *flat)
{
    const struct LowerPlace *place = place_of(lw, node);
    if (place)
        return lx_load(lw->func, lw->func->scratch, placed(lw, place, flat), 1, NULL);
    return lx_load(lw->func, lower_buffer(lw, node, false), flat, 1, NULL);
}

void lower_store(Lower *lw, const Node *node, LExpr *flat, LExpr *value)
{
    const struct LowerPlace *place = place_of(lw, node);
    if (place)
        lb_store(lw->func, lw->at, lw->func->scratch, placed(lw, place, flat), value, NULL);
    else
        lb_store(lw->func, lw->at, lower_buffer(lw, node, true), flat, value, NULL);
}

LExpr *lower_offset(Lower *lw, const Node *node, LExpr *const *index)
{
    LExpr *flat = lx_i64(lw->func, 0);
    for (int i = 0; i < node->type.rank; i++)
        flat = lx_add(lw->func, lx_mul(lw->func, flat, lx_i64(lw->func, node->type.dim[i])), index[i]);
    return flat;
}

void lower_unravel(Lower *lw, const Type *type, LExpr *flat, LExpr **index)
{
    int64_t stride = 1;
    for (int i = type->rank - 1; i >= 0; i--) {
        LExpr *q = lx_bin(lw->func, LX_DIV, flat, lx_i64(lw->func, stride));
        stride *= type->dim[i];
        bool outermost = stride == type_count(type);
        index[i] = type->dim[i] == 1 ? lx_i64(lw->func, 0)
                   : outermost       ? q
                                     : lx_bin(lw->func, LX_MOD, q, lx_i64(lw->func, type->dim[i]));
    }
}

/* ---- bindings ---- */

static void push_binding(Lower *lw, const Node *node, LExpr *value, LExpr *flat)
{
    if (lw->n_bound == lw->cap_bound)
        lw->bound = arena_grow(lw->arena, lw->bound, &lw->cap_bound, sizeof *lw->bound);
    lw->bound[lw->n_bound++] = (struct LowerBound){ node, value, flat };
}

void lower_bind(Lower *lw, const Node *node, LExpr *value) { push_binding(lw, node, value, NULL); }
void lower_bind_at(Lower *lw, const Node *node, LExpr *flat, LExpr *value) { push_binding(lw, node, value, flat); }
int lower_mark(const Lower *lw) { return lw->n_bound; }
void lower_release(Lower *lw, int mark) { lw->n_bound = mark; }

static LExpr *find_binding(Lower *lw, const Node *node, LExpr *const *index)
{
    LExpr *flat = NULL;
    for (int i = lw->n_bound - 1; i >= 0; i--) {
        const struct LowerBound *b = &lw->bound[i];
        if (b->node != node)
            continue;
        if (!b->flat)
            return b->value;
        if (!flat)
            flat = lower_offset(lw, node, index);
        if (lx_equal(flat, b->flat))
            return b->value;
    }
    return NULL;
}

/* ---- values ---- */

static LExpr *constant(Lower *lw, DType dtype, double v)
{
    return dtype == DT_F32 ? lx_float(lw->func, v) : lx_int(lw->func, lower_kind(dtype), (int64_t)v);
}

/* A constant tensor: one value, a progression along one flat axis would be an iota; else a table. */
static LExpr *constant_value(Lower *lw, const Node *node, LExpr *const *index)
{
    const Tensor *t = node->attr[0].tensor;
    int64_t count = type_count(&t->type);
    bool uniform = true;
    for (int64_t i = 1; i < count && uniform; i++)
        uniform = memcmp(&t->data[i], &t->data[0], sizeof *t->data) == 0;
    if (uniform)
        return constant(lw, node->type.dtype, count ? t->data[0] : 0);
    LBuf *table = NULL;
    for (int i = 0; i < lw->head.len; i++)
        if (lw->head.data[i]->kind == LS_LOCAL && lw->head.data[i]->buf->data == t->data)
            table = lw->head.data[i]->buf;
    if (!table) {
        table = lfunc_local(lw->func, &lw->head, "table", lower_kind(node->type.dtype), count);
        table->data = t->data;
    }
    return lx_load(lw->func, table, lower_offset(lw, node, index), 1, NULL);
}

static int expr_size(const LExpr *e, int limit)
{
    if (!e || limit <= 0)
        return 0;
    int n = 1;
    n += expr_size(e->a, limit - n);
    n += expr_size(e->b, limit - n);
    return n + expr_size(e->c, limit - n);
}

enum { INLINE_SIZE = 24 }; /* a larger tree gets a name */

/* A value that several readers want, or a large one, becomes a let, found again at the same position. */
static LExpr *share(Lower *lw, const Node *node, LExpr *const *index, LExpr *value)
{
    if (value->op == LX_CONST || value->op == LX_VAR)
        return value;
    bool movement = node->op->flags & OP_MOVEMENT;
    bool wanted = lw->uses[node->id] > 1 && !movement;
    if (!wanted && expr_size(value, INLINE_SIZE) < INLINE_SIZE)
        return value;
    LVar *v = lb_let(lw->func, lw->at, lower_name(lw, node), value);
    LExpr *read = lx_var(lw->func, v);
    lower_bind_at(lw, node, lower_offset(lw, node, index), read);
    return read;
}

static LExpr *elementwise_value(Lower *lw, const Node *node, LExpr *const *index)
{
    LExpr **in = ARENA_ARRAY(lw->arena, LExpr *, node->n_in);
    for (int i = 0; i < node->n_in; i++)
        in[i] = lower_value(lw, node->in[i], index);
    return node->op->emit(lw, node, in);
}

/* A view of something in memory: the same flat position, no need to find its index. */
static const Node *view_of_memory(const Lower *lw, const Node *node)
{
    while (node->op->flags & OP_VIEW && !is_memory(lw, node))
        node = node->in[0];
    return is_memory(lw, node) ? node : NULL;
}

LExpr *lower_value(Lower *lw, const Node *node, LExpr *const *index)
{
    LExpr *bound = find_binding(lw, node, index);
    if (bound)
        return bound;
    if (node->op == &op_const)
        return constant_value(lw, node, index);
    const Node *memory = view_of_memory(lw, node);
    if (memory)
        return share(lw, node, index, lower_load(lw, memory, lower_offset(lw, node, index)));
    if (node->op->flags & OP_VIEW) {
        LExpr *inner[MAX_RANK];
        lower_unravel(lw, &node->in[0]->type, lower_offset(lw, node, index), inner);
        return lower_value(lw, node->in[0], inner);
    }
    if (node->op->emit)
        return share(lw, node, index, elementwise_value(lw, node, index));
    return share(lw, node, index, node->op->value(lw, node, index));
}

/* ---- random numbers ---- */

static LExpr *mix64(LFunc *f, LBlock *at, LExpr *x)
{
    static const struct { int shift; uint64_t factor; } ROUND[] = { { 30, 0xbf58476d1ce4e5b9u }, { 27, 0x94d049bb133111ebu } };
    x = lx_var(f, lb_let(f, at, "mixed", x));
    for (int i = 0; i < 2; i++) {
        x = lx_bin(f, LX_XOR, x, lx_bin(f, LX_SHR, x, lx_int(f, LK_U64, ROUND[i].shift)));
        x = lx_var(f, lb_let(f, at, "mixed", lx_mul(f, x, lx_int(f, LK_U64, (int64_t)ROUND[i].factor))));
    }
    return lx_bin(f, LX_XOR, x, lx_bin(f, LX_SHR, x, lx_int(f, LK_U64, 31)));
}

/* nnr_key(seed, step, salt) of runtime/nnr.h */
LExpr *lower_rand_key(Lower *lw, const Node *node)
{
    uint64_t salt = (uint64_t)node->attr[1].i;
    LFunc *f = lw->func;
    for (int i = 0; i < lw->n_rand; i++)
        if (lw->rand_salt[i] == salt)
            return lx_var(f, lw->rand_key[i]);
    lfunc_use_ctx(f);
    const uint64_t golden = 0x9e3779b97f4a7c15u;
    LBlock *at = &lw->head;
    LExpr *k = mix64(f, at, lx_add(f, lx_var(f, f->seed), lx_int(f, LK_U64, (int64_t)golden)));
    LExpr *with_step = lx_add(f, lx_var(f, f->step), lx_int(f, LK_U64, (int64_t)golden));
    k = mix64(f, at, lx_bin(f, LX_XOR, k, with_step));
    k = mix64(f, at, lx_bin(f, LX_XOR, k, lx_int(f, LK_U64, (int64_t)(salt + golden))));
    LVar *key = lb_let(f, at, "key", k);
    if (lw->n_rand < (int)(sizeof lw->rand_salt / sizeof *lw->rand_salt)) {
        lw->rand_salt[lw->n_rand] = salt;
        lw->rand_key[lw->n_rand++] = key;
    }
    return lx_var(f, key);
}

/* ---- results ---- */

void lower_results(Lower *lw, const NodeVec *results, LExpr *flat, LExpr *const *index, const Type *type)
{
    LFunc *f = lw->func;
    LExpr **values = ARENA_ARRAY(lw->arena, LExpr *, results->len);
    LExpr **at = ARENA_ARRAY(lw->arena, LExpr *, results->len);
    for (int i = 0; i < results->len; i++) {
        const Node *r = results->data[i];
        bool pads = kernel_pads_in_place(lw->kernel, r);
        const Node *value = pads ? r->in[0] : r;
        LExpr *own[MAX_RANK];
        bool given = index && type_same_shape(type, &value->type);
        if (!given)
            lower_unravel(lw, &value->type, flat, own);
        values[i] = lower_value(lw, value, given ? index : own);
        at[i] = pads ? lower_padded_at(lw, r, given ? index : own) : flat;
        bool named = values[i]->op == LX_VAR || values[i]->op == LX_CONST;
        if (results->len > 1 && !named) {
            values[i] = lx_var(f, lb_let(f, lw->at, lower_name(lw, value), values[i]));
            lower_bind_at(lw, value, flat, values[i]);
        }
    }
    for (int i = 0; i < results->len; i++)
        lower_store(lw, results->data[i], at[i], values[i]);
}

/* ---- kernels ---- */

static bool same_text(const char *a, const char *b) { return a == b || (a && b && strcmp(a, b) == 0); }

static int64_t node_flops(const Node *n)
{
    if (n->op->work)
        return n->op->work(n) * (n->op == &op_contract && n->attr[0].contract->n_operand == 2 ? 2 : 1);
    return n->op->flags & (OP_MOVEMENT | OP_LEAF | OP_ROOT) ? 0 : type_count(&n->type);
}

/* The node that costs most: what the kernel is named by in reports. */
static const Node *main_node(const Kernel *k)
{
    const Node *best = k->nodes.data[0];
    for (int i = 1; i < k->nodes.len; i++)
        if (node_flops(k->nodes.data[i]) > node_flops(best))
            best = k->nodes.data[i];
    return best;
}

static bool all_movement(const Kernel *k)
{
    for (int i = 0; i < k->nodes.len; i++)
        if (!(k->nodes.data[i]->op->flags & OP_MOVEMENT))
            return false;
    return true;
}

/* "mlp.fc1: contract, add (mnist.nn:3); mlp.fc2: ...". What only moves values says little, but where there
 * is nothing else. */
static const char *kernel_note(Lower *lw)
{
    const Kernel *k = lw->kernel;
    Text t = { .arena = lw->arena };
    const char *path = NULL, *file = NULL;
    int line = -1;
    bool moves = all_movement(k), any = false;
    for (int i = 0; i < k->nodes.len; i++) {
        const Node *n = k->nodes.data[i];
        if (!moves && n->op->flags & OP_MOVEMENT)
            continue;
        bool same_place = same_text(n->loc.file, file) && n->loc.line == line;
        if (any && (!same_text(n->path, path) || !same_place)) {
            if (file)
                text_addf(&t, " (%s:%d)", file, line);
            text_add(&t, "; ");
        } else if (any) {
            text_add(&t, ", ");
        }
        if ((!any || !same_text(n->path, path)) && n->path)
            text_addf(&t, "%s: ", n->path);
        text_add(&t, n->op->name);
        any = true;
        path = n->path;
        file = n->loc.file;
        line = n->loc.line;
        if (t.len > 600) {
            text_add(&t, " ...");
            return t.data;
        }
    }
    if (file)
        text_addf(&t, " (%s:%d)", file, line);
    return t.data;
}

/* Of n and of what is computed with it because no kernel has it: once, whatever the number of readers. */
static int64_t inlined_flops(const Node *n, bool *seen)
{
    if (seen[n->id])
        return 0;
    seen[n->id] = true;
    int64_t sum = node_flops(n);
    for (int i = 0; i < n->n_in; i++)
        if (!n->in[i]->kernel && !(n->in[i]->op->flags & OP_LEAF))
            sum += inlined_flops(n->in[i], seen);
    return sum;
}

static void count_work(Lower *lw)
{
    LFunc *f = lw->func;
    bool *seen = ARENA_ARRAY(lw->arena, bool, lw->graph->nodes.len + 1);
    for (int i = 0; i < lw->kernel->nodes.len; i++)
        f->flops += inlined_flops(lw->kernel->nodes.data[i], seen);
    const LTraffic *t = lfunc_traffic(f, lw->arena);
    for (int i = 0; i < f->params.len; i++)
        f->bytes += t[i].read + t[i].written;
}

bool lower_may_fork(const Lower *lw, int64_t operations)
{
    return cores_may_fork(lw->target, (double)operations * 4 / lw->target->vector_bytes);
}

/* LOWER_MAKE: parameters that only the rest of the kernel has a use for. */
static void drop_unused(Lower *lw)
{
    LFunc *f = lw->func;
    const LTraffic *t = lfunc_traffic(f, lw->arena);
    int n = 0;
    for (int i = 0; i < lw->n_bufs; i++) {
        if (!t[i].read && !t[i].written)
            continue;
        lw->bufs[n] = lw->bufs[i];
        f->params.data[n++] = f->params.data[i];
    }
    for (int i = lw->n_bufs; i < f->params.len; i++) /* scratch */
        f->params.data[n + i - lw->n_bufs] = f->params.data[i];
    f->params.len -= lw->n_bufs - n;
    lw->n_bufs = n;
}

static void prepend_head(Lower *lw)
{
    LBlock body = lw->func->body, all = { 0 };
    for (int i = 0; i < lw->head.len; i++)
        VEC_PUSH(lw->arena, &all, lw->head.data[i]);
    for (int i = 0; i < body.len; i++)
        VEC_PUSH(lw->arena, &all, body.data[i]);
    lw->func->body = all;
}

void lower_body(Lower *lw)
{
    switch (lw->kernel->kind) {
    case KERNEL_MAP: lower_map(lw); break;
    case KERNEL_ROWS: lower_rows(lw); break;
    case KERNEL_REDUCE: lower_reduce(lw); break;
    case KERNEL_CONTRACT: lower_contract(lw); break;
    case KERNEL_CHAIN: lower_chain(lw); break;
    default: {
        const Node *n = lw->kernel->nodes.data[lw->kernel->nodes.len - 1];
        n->op->lower(lw, n);
        break;
    }
    }
}

LFunc *lower_kernel(Arena *arena, const Graph *graph, Kernel *kernel, const LTarget *target, LowerMode mode,
                    struct LowerBuf **bufs, int *n_bufs)
{
    Lower lw = { .arena = arena, .graph = graph, .kernel = kernel, .target = target, .mode = mode };
    bool make = mode == LOWER_MAKE;
    LFunc *f = lfunc_new(arena, make ? arena_printf(arena, "%s_ready", kernel->name) : kernel->name);
    lw.func = f;
    lw.at = &f->body;
    lw.uses = graph_use_counts(arena, graph);
    lower_body(&lw);
    prepend_head(&lw);
    if (make)
        drop_unused(&lw);
    const Node *most = main_node(kernel);
    f->note = make ? arena_printf(arena, "made ready for %s", kernel->name) : kernel_note(&lw);
    f->path = most->path;
    if (!f->schedule)
        f->schedule = kernel_kind_name(kernel->kind);
    f->loc = most->loc;
    count_work(&lw);
    f->flops = make ? 0 : f->flops;
    loop_hoist(f);
    loop_vectorize(f, target);
    loop_expand_math(f);
    const char *fault = loop_verify(f, arena);
    if (fault) { /* a fault of the compiler: no user input leads here */
        Text t = { .arena = arena };
        loop_print_func(f, &t);
        fprintf(stderr, "nnc: kernel %s: %s\n%s", f->name, fault, t.data);
        abort();
    }
    if (!make)
        kernel->scratch_bytes = f->scratch_bytes;
    *bufs = lw.bufs;
    *n_bufs = lw.n_bufs;
    return f;
}
