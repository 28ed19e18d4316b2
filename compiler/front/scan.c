/* scan: a loop over one dimension with carried values. The body becomes a graph of its own; what it
 * reads from outside is captured as a further input. Inside, time is dimension 0 and runs forward: a
 * transpose and a reverse around the op see to the rest (ops/scan.c). */
#include "front/elab.h"

#include <string.h>

struct ScanState {
    Value yielded;
    Span at;
    bool done;
};

/* ---- captures ---- */

Node *capture(Frame *fr, Value v, Span at)
{
    Gen *gen = fr->gen;
    if (!gen->outer) {
        fail(fr, at, "%s is computed by the network, and cannot be used %s", value_what(fr->f, v),
             gen->g->kind == GRAPH_INIT ? "in an initial value" : "outside of it");
        return NULL;
    }
    Frame outer = *fr;
    outer.gen = gen->outer;
    Node *from = v.graph == gen->outer->g ? v.node : capture(&outer, v, at);
    if (!from)
        return NULL;
    for (int i = 0; i < gen->captured.len; i++)
        if (gen->captured.data[i].outer == from)
            return gen->captured.data[i].inner;
    const char *name = PRINTF(fr, "outer.%d", gen->captured.len + 1);
    place(fr, at);
    Node *inner = build_input(gen->g, name, from->type);
    VEC_PUSH(fr->f->arena, &gen->captured, (struct Capture){ from, inner });
    return inner;
}

/* ---- operands ---- */

/* Moves dimension `axis` to the front, or the front to `axis`. */
static Node *move_axis(Graph *g, Node *x, int axis, bool to_front)
{
    int64_t perm[MAX_RANK];
    if (axis == 0)
        return x;
    for (int i = 0; i < x->type.rank; i++) {
        if (to_front)
            perm[i] = i == 0 ? axis : i <= axis ? i - 1 : i;
        else
            perm[i] = i < axis ? i + 1 : i == axis ? 0 : i;
    }
    return build_transpose(g, x, perm);
}

static Node *flipped(Frame *fr, Node *x, bool reverse, Span at)
{
    static const int64_t time[1] = { 0 };
    if (!reverse)
        return x;
    Attr attr[1] = { { .ints = { 1, time } } };
    return add_node(fr, &op_reverse, &x, 1, attr, at);
}

static bool scan_items(Frame *fr, const Scan *s, int64_t axis, Node **items)
{
    int64_t steps = 0;
    for (int i = 0; i < s->n_items; i++) {
        const struct ScanItem *item = &s->items[i];
        Span at = item->value->span;
        Value v = eval(fr, item->value);
        Node *x = is_bad(v) ? NULL : node_of(fr, v, DT_F32, at);
        if (!x)
            return false;
        if (axis >= x->type.rank) {
            fail(fr, at, "scan along %lld over %s", (long long)axis, type_text(fr->f->arena, &x->type));
            return false;
        }
        if (i > 0 && x->type.dim[axis] != steps) {
            fail(fr, at, "%s has %lld steps along dimension %lld, but %s has %lld", item->name.name,
                 (long long)x->type.dim[axis], (long long)axis, s->items[0].name.name, (long long)steps);
            return false;
        }
        steps = x->type.dim[axis];
        place(fr, at);
        items[i] = flipped(fr, move_axis(fr->gen->g, x, (int)axis, true), s->reverse, at);
        if (!items[i])
            return false;
    }
    return true;
}

static bool scan_starts(Frame *fr, const Scan *s, Node **starts)
{
    for (int i = 0; i < s->n_carries; i++) {
        Value v = eval(fr, s->carries[i].value);
        starts[i] = is_bad(v) ? NULL : node_of(fr, v, DT_F32, s->carries[i].value->span);
        if (!starts[i])
            return false;
    }
    return true;
}

/* ---- the body ---- */

static Gen *body_gen(Frame *fr)
{
    Front *f = fr->f;
    Gen *gen = ARENA_NEW(f->arena, Gen);
    int count = 1;
    for (int i = 0; i < f->module->graphs.len; i++)
        count += f->module->graphs.data[i]->kind == GRAPH_BODY;
    gen->f = f;
    gen->training = fr->gen->training;
    gen->outer = fr->gen;
    gen->g = graph_new(f->module, intern_cstr(f->names, PRINTF(fr, "%s.scan%d", fr->gen->g->name, count)),
                       GRAPH_BODY, fr->gen->g->batch);
    return gen;
}

static void bind_inputs(Frame *in, const Scan *s, Node **items, Node **starts)
{
    for (int i = 0; i < s->n_items; i++) {
        const Type *t = &items[i]->type;
        Type step = type_make(t->dtype, t->rank - 1, t->dim + 1);
        place(in, s->items[i].name.span);
        Node *n = build_input(in->gen->g, s->items[i].name.name, step);
        scope_bind(in->f, in->scope, s->items[i].name.name, tensor_value(in, n), s->items[i].name.span);
    }
    for (int i = 0; i < s->n_carries; i++) {
        place(in, s->carries[i].name.span);
        Node *n = build_input(in->gen->g, s->carries[i].name.name, starts[i]->type);
        scope_bind(in->f, in->scope, s->carries[i].name.name, tensor_value(in, n), s->carries[i].name.span);
    }
}

static bool body_carries(Frame *in, const Scan *s, Node **starts)
{
    for (int i = 0; i < s->n_carries; i++) {
        const NameRef *name = &s->carries[i].name;
        Binding *b = scope_find(in->scope, name->name);
        Node *n = node_of(in, b->value, starts[i]->type.dtype, b->span);
        if (!n)
            return false;
        if (!type_equal(&n->type, &starts[i]->type)) {
            fail(in, b->span, "%s starts as %s, but a step gives %s", name->name,
                 type_text(in->f->arena, &starts[i]->type), type_text(in->f->arena, &n->type));
            hint_at(in, s->carries[i].value->span, "it starts here");
            return false;
        }
        place(in, b->span);
        build_output(in->gen->g, name->name, n);
    }
    return true;
}

static bool body_yields(Frame *in, const ScanState *st, int *n_yields)
{
    Value v = st->yielded;
    *n_yields = v.kind == V_TUPLE ? v.n : 1;
    for (int i = 0; i < *n_yields; i++) {
        Node *n = node_of(in, v.kind == V_TUPLE ? v.items[i] : v, DT_F32, st->at);
        if (!n)
            return false;
        place(in, st->at);
        build_output(in->gen->g, PRINTF(in, "yield.%d", i + 1), n);
    }
    return true;
}

void scan_yield(Frame *fr, Stmt *s)
{
    ScanState *st = fr->scan;
    Value v = eval(fr, s->value);
    if (!st) {
        fail(fr, s->span, "yield outside of scan");
        return;
    }
    if (st->done) {
        fail(fr, s->span, "a step of a scan yields once");
        hint(fr, "several values: yield a, b");
        return;
    }
    st->done = true;
    st->yielded = v;
    st->at = s->value->span;
}

/* ---- results ---- */

static Value scan_result(Frame *fr, Gen *body, const Scan *s, Node **operands, int n_operands, int k, int64_t axis,
                         Span at)
{
    Attr attr[4] = { { .graph = body->g }, { .i = s->n_items }, { .i = s->n_carries }, { .i = s->n_carries + k } };
    Node *n = add_node(fr, &op_scan, operands, n_operands, attr, at);
    if (!n)
        return value_bad();
    if (axis >= n->type.rank)
        return fail(fr, at, "a step yields a tensor of %d dimensions, so there is no dimension %lld to stack along",
                    n->type.rank - 1, (long long)axis);
    n = flipped(fr, n, s->reverse, at);
    return n ? tensor_value(fr, move_axis(fr->gen->g, n, (int)axis, false)) : value_bad();
}

static Value scan_results(Frame *fr, Gen *body, const Scan *s, Node **items, Node **starts, int n_yields, int64_t axis,
                          Span at)
{
    int n = s->n_items + s->n_carries + body->captured.len;
    Node **operands = ARENA_ARRAY(fr->f->arena, Node *, n);
    Value *results = ARENA_ARRAY(fr->f->arena, Value, n_yields);
    memcpy(operands, items, sizeof *items * (size_t)s->n_items);
    memcpy(operands + s->n_items, starts, sizeof *starts * (size_t)s->n_carries);
    for (int i = 0; i < body->captured.len; i++)
        operands[s->n_items + s->n_carries + i] = body->captured.data[i].outer;
    for (int k = 0; k < n_yields; k++) {
        results[k] = scan_result(fr, body, s, operands, n, k, axis, at);
        if (is_bad(results[k]))
            return results[k];
    }
    return n_yields == 1 ? results[0] : (Value){ .kind = V_TUPLE, .items = results, .n = n_yields };
}

Value eval_scan(Frame *fr, Expr *e)
{
    const Scan *s = e->scan;
    int64_t axis;
    int n_yields = 0, faults = fr->f->faults;
    if (!fr->gen)
        return fail(fr, e->span, "a scan makes tensors: there are none at the top level");
    if (!eval_static_int(fr, s->along, &axis, "the dimension of a scan"))
        return value_bad();
    if (axis < 0 || axis >= MAX_RANK)
        return fail(fr, s->along->span, "scan along dimension %lld", (long long)axis);
    Node **items = ARENA_ARRAY(fr->f->arena, Node *, s->n_items + 1);
    Node **starts = ARENA_ARRAY(fr->f->arena, Node *, s->n_carries + 1);
    if (s->n_items == 0 || !scan_items(fr, s, axis, items) || !scan_starts(fr, s, starts))
        return value_bad();
    ScanState st = {0};
    Frame in = *fr;
    in.gen = body_gen(fr);
    in.scope = scope_new(fr->f, fr->scope);
    in.scope->barrier = true;
    in.scan = &st;
    in.index = NULL;
    bind_inputs(&in, s, items, starts);
    eval_block(&in, s->body);
    if (fr->f->faults > faults || is_bad(st.yielded))
        return st.done || fr->f->faults > faults ? value_bad() : fail(fr, e->span, "this scan yields nothing");
    if (!body_carries(&in, s, starts) || !body_yields(&in, &st, &n_yields))
        return value_bad();
    gen_finish(in.gen);
    return scan_results(fr, in.gen, s, items, starts, n_yields, axis, e->span);
}
