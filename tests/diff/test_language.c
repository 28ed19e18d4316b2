/* dsl/LANGUAGE.md is true: the programs of its tutorial, put into one file with the nets they leave to
 * the reader, build; and they stand there as `nnc fmt` would write them. */
#include "std_case.h"

/* What the tutorial's programs use and do not show. */
static const char REST[] =
    "T = 12\n"
    "net G(z: f32[N, 64]) -> f32[N, 28, 28, 1] {\n"
    "    fc = z |> dense(7 * 7 * 4) |> relu\n"
    "    up = reshape(fc, [N, 7, 7, 4]) |> conv_transpose2d(2, 4, stride = 2, pad = 1) |> relu\n"
    "    picture = up |> conv_transpose2d(1, 4, stride = 2, pad = 1)\n"
    "    return tanh(picture)\n"
    "}\n"
    "net D(picture: f32[N, 28, 28, 1]) -> f32[N, 1] {\n"
    "    down = picture |> conv2d(4, 4, stride = 2, pad = 1) |> leaky_relu(0.2) |> flatten\n"
    "    score = down |> dense(1)\n"
    "    return sigmoid(score)\n"
    "}\n"
    "net blocks(x: f32[N, 8, 8, 3]) {\n"
    "    a = residual(x, 3)\n"
    "    b = residual(a, 6, stride = 2)\n"
    "    return b\n"
    "}\n"
    "net own(x: f32[N, 4]) {\n"
    "    y = dense(x, 2) |> gelu\n"
    "    return y\n"
    "}\n"
    "train learn_own { data x: f32[N, 4] = npy(\"x\"); minimize mean(own(x)) with momentum(lr = 0.1) }\n";

static bool starts(const char *s, const char *word) { return strncmp(s, word, strlen(word)) == 0; }

/* The code blocks of the tutorial that hold declarations, one after the other. */
static char *tutorial(Arena *arena)
{
    const char *why;
    Source *doc = source_read(arena, "dsl/LANGUAGE.md", &why);
    Text out = { .arena = arena };
    if (!doc)
        return NULL;
    const char *end = strstr(doc->text, "## Reference");
    for (const char *at = doc->text; (at = strstr(at, "```\n")) && at < end;) {
        const char *from = at + 4, *to = strstr(from, "```\n");
        assert_non_null(to);
        if (starts(from, "net ") || starts(from, "train ") || starts(from, "fn ") || starts(from, "layer ")) {
            text_add(&out, out.len ? "\n" : "");
            text_add_n(&out, from, (size_t)(to - from));
        }
        at = to + 4;
    }
    return out.data;
}

static void test_tutorial(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    char *text = tutorial(arena);
    if (!text)
        skip();
    Diags diags = { .arena = arena };
    File *file = dsl_parse(arena, intern_new(arena), source_new(arena, "tutorial.nn", text, strlen(text)), &diags);
    assert_int_equal(diags.n_errors, 0);
    assert_true(file->n_decls >= 8);
    assert_string_equal(dsl_format(arena, file), text);

    Case c;
    const char *fault = case_open(&c, arena_printf(arena, "%s%s", text, REST));
    if (fault)
        fail_msg("%s", fault);
    static const char *const graphs[] = { "mlp", "classify", "classify.eval", "gan.critic", "gan.maker", "language_model",
                                          "blocks", "learn_own" };
    for (size_t i = 0; i < sizeof graphs / sizeof *graphs; i++)
        if (!module_find_graph(c.module, graphs[i], -1))
            fail_msg("no graph %s", graphs[i]);
    static const char *const vars[] = { "mlp.fc1.weight", "mlp.fc1.bias", "mlp.logits.weight", "G.fc.weight",
                                        "blocks.a.conv2d_2.weight", "blocks.b.skip.weight", "own.y.weight" };
    for (size_t i = 0; i < sizeof vars / sizeof *vars; i++)
        case_var(&c, vars[i]);
    arena_free(c.arena);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_tutorial) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
