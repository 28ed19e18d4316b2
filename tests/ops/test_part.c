/* Parts of values (ops/part.h): of every operation's every sample, along every axis that can be divided. What
 * an operation computes of the parts of its operands is the part of what it computes of all of them. */
#include "ops/part.h"
#include "sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

/* Piece number `piece` of a tensor. */
static Tensor piece_of(Arena *arena, const Tensor *whole, Part p, int64_t piece)
{
    if (p.axis < 0)
        return *whole;
    Type t = whole->type;
    int64_t outer = 1, inner = 1;
    for (int i = 0; i < t.rank; i++)
        *(i < p.axis ? &outer : &inner) *= i == p.axis ? 1 : t.dim[i];
    t.dim[p.axis] = p.size;
    Tensor out = tensor_new(arena, t);
    for (int64_t o = 0; o < outer; o++)
        memcpy(out.data + o * p.size * inner, whole->data + (o * whole->type.dim[p.axis] + piece * p.size) * inner,
               sizeof *out.data * (size_t)(p.size * inner));
    return out;
}

static const Tensor *value_of(EvalRun *run, Graph *g, const char *text, Arena *arena)
{
    const char *fault = graph_eval(g, run, arena);
    if (fault)
        fail_msg("%s: %s", text, fault);
    return &run->values[g->nodes.len - 1];
}

/* 1 when the node can be computed in such parts; then it is. */
static int check_division(Arena *arena, const SampleGraph *sg, const Tensor *whole, int axis, int64_t pieces)
{
    Part p = { axis, whole->type.dim[axis] / pieces }, of[4];
    for (int i = 0; i < sg->n_in; i++)
        if (!part_of_operand(sg->node, p, i, pieces, &of[i]))
            return 0;
    for (int64_t piece = 0; piece < pieces; piece++) {
        Module *m = module_new(arena, intern_new(arena), "piece");
        Graph *g = graph_new(m, "piece", GRAPH_INFER, 0);
        NamedTensor inputs[4];
        Node *in[4];
        for (int i = 0; i < sg->n_in; i++) {
            inputs[i] = (NamedTensor){ sg->inputs[i].name, piece_of(arena, &sg->inputs[i].value, of[i], piece) };
            in[i] = build_input(g, inputs[i].name, inputs[i].value.type);
        }
        Attr attr[MAX_ATTR];
        Why why;
        part_attrs(arena, sg->node, p, attr);
        Node *n = graph_add(g, sg->node->op, in, sg->n_in, attr, &why);
        if (!n)
            fail_msg("%s, axis %d in %lld: %s", sg->text, axis, (long long)pieces, why.text);
        EvalRun run = { .ctx = { .seed = 5, .step = 2 }, .inputs = inputs, .n_inputs = sg->n_in };
        Tensor want = piece_of(arena, whole, p, piece);
        const Tensor *got = value_of(&run, g, sg->text, arena);
        if (!type_equal(&got->type, &want.type))
            fail_msg("%s, axis %d in %lld: %s", sg->text, axis, (long long)pieces, TYPE_TEXT(&got->type));
        for (int64_t e = 0; e < type_count(&want.type); e++)
            if (got->data[e] != want.data[e] && !(isnan(got->data[e]) && isnan(want.data[e])))
                fail_msg("%s, axis %d in %lld, piece %lld: element %lld is %.17g, of the whole it is %.17g", sg->text, axis,
                         (long long)pieces, (long long)piece, (long long)e, got->data[e], want.data[e]);
    }
    return 1;
}

static void parts_of_every_operation(void **state)
{
    (void)state;
    int possible = 0, tried = 0;
    for (int k = 0; OPS[k]; k++)
        for (int s = 0; s < OPS[k]->n_samples; s++) {
            /* The value of a leaf is numbered by position, or stands in an attribute. */
            if (OPS[k]->flags & (OP_LEAF | OP_META | OP_ROOT))
                continue;
            Arena *arena = arena_new();
            SampleGraph sg;
            assert_true(sample_graph(arena, OPS[k], s, &sg));
            EvalRun run = { .ctx = { .seed = 5, .step = 2 }, .inputs = sg.inputs, .n_inputs = sg.n_in };
            const Tensor *whole = value_of(&run, sg.g, sg.text, arena);
            for (int axis = 0; axis < whole->type.rank; axis++)
                for (int64_t pieces = 2; pieces <= whole->type.dim[axis]; pieces++)
                    if (whole->type.dim[axis] % pieces == 0) {
                        tried++;
                        possible += check_division(arena, &sg, whole, axis, pieces);
                    }
            arena_free(arena);
        }
    assert_true(possible > 200 && possible < tried);
}

/* What the batch mixes has no parts, and what does not has. */
static void batches(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    Module *m = module_new(arena, intern_new(arena), "m");
    Graph *g = graph_new(m, "g", GRAPH_INFER, 8);
    Node *x = build_input(g, "x", type_make(DT_F32, 3, (int64_t[]){ 8, 4, 6 }));
    Node *rows = build_reshape(g, x, 2, (int64_t[]){ 32, 6 });
    Node *mixed = build_reshape(g, x, 2, (int64_t[]){ 6, 32 });
    Node *heads = build_transpose(g, x, (int64_t[]){ 1, 0, 2 });
    Node *mean = build_reduce(g, &op_sum, x, (int64_t[]){ 0 }, 1);
    Node *drawn = build_rand(g, 3, x->type.dim, 7);
    Part p, of;
    assert_true(part_leading(&rows->type, 8, &p) && p.axis == 0 && p.size == 4);
    assert_true(part_of_operand(rows, p, 0, 8, &of) && of.axis == 0 && of.size == 1);
    assert_false(part_leading(&mixed->type, 8, &p));
    assert_false(part_of_operand(mixed, (Part){ 1, 4 }, 0, 8, &of));
    assert_true(part_of_operand(heads, (Part){ 1, 1 }, 0, 8, &of) && of.axis == 0 && of.size == 1);
    assert_true(part_of_operand(mean, (Part){ 0, 2 }, 0, 2, &of) && of.axis == 1); /* another axis than the batch */
    assert_true(part_leading(&drawn->type, 8, &p));
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_of_every_operation),
        cmocka_unit_test(batches),
    };
    return cmocka_run_group_tests_name("parts of values", tests, NULL, NULL);
}
