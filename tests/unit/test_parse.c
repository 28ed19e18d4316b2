/* Parser: the tree of valid programs, and the limits of nesting. */
#include "parse_case.h"

/* clang-format off */
static const Case TREES[] = {
CASE("mnist",
    "# mnist.nn\n"
    "net mlp(image: f32[N, 28, 28, 1]) -> f32[N, 10] {\n"
    "    fc1    = image |> flatten |> dense(128) |> relu |> dropout(0.2)\n"
    "    logits = fc1 |> dense(10)\n"
    "    return logits\n"
    "}\n"
    "\n"
    "train classify {\n"
    "    data image: f32[N, 28, 28, 1] = idx(\"train-images-idx3-ubyte\") / 255\n"
    "    data label: i32[N]            = idx(\"train-labels-idx1-ubyte\")\n"
    "    batch  32\n"
    "    epochs 5\n"
    "    minimize cross_entropy(mlp(image), label) with adam(lr = 1e-3)\n"
    "    metric accuracy = mean(argmax(mlp(image)) == label)\n"
    "    validate on idx(\"t10k-images-idx3-ubyte\") / 255, idx(\"t10k-labels-idx1-ubyte\")\n"
    "}\n",
    "net mlp(image: f32[N, 28, 28, 1]) -> f32[N, 10] {\n"
    "  fc1 = ((((image |> flatten) |> dense(128)) |> relu) |> dropout(0.2))\n"
    "  logits = (fc1 |> dense(10))\n"
    "  return logits\n"
    "}\n"
    "train classify {\n"
    "  data image: f32[N, 28, 28, 1] = (idx(\"train-images-idx3-ubyte\") / 255)\n"
    "  data label: i32[N] = idx(\"train-labels-idx1-ubyte\")\n"
    "  option batch 32\n"
    "  option epochs 5\n"
    "  minimize cross_entropy(mlp(image), label) with adam(lr = 1e-3)\n"
    "  metric accuracy = mean((argmax(mlp(image)) == label))\n"
    "  validate on (idx(\"t10k-images-idx3-ubyte\") / 255), idx(\"t10k-labels-idx1-ubyte\")\n"
    "}\n"),
CASE("library",
    "# Library text: what dsl/std holds, and what a user may write just as well\n"
    "fn gelu(x) = 0.5 * x * (1 + erf(x / sqrt(2)))\n"
    "\n"
    "layer dense(x: f32[..., I], units O: int, bias: bool = true) -> f32[..., O] {\n"
    "    param weight: f32[O, I] = glorot_uniform(fan_in = I, fan_out = O)\n"
    "    y[..., o] = sum(i) x[..., i] * weight[o, i]\n"
    "    if bias { param bias: f32[O] = zeros();  return y + bias }\n"
    "    return y\n"
    "}\n"
    "\n"
    "optimizer momentum(lr: f32, beta: f32 = 0.9) {\n"
    "    slot v = 0\n"
    "    v <- beta * v + grad\n"
    "    value <- value - lr * v\n"
    "}\n",
    "fn gelu(x) {\n"
    "  return ((0.5 * x) * (1 + erf((x / sqrt(2)))))\n"
    "}\n"
    "layer dense(x: f32[..., I], units O: int, bias: bool = true) -> f32[..., O] {\n"
    "  param weight: f32[O, I] = glorot_uniform(fan_in = I, fan_out = O)\n"
    "  y[..., o] = (sum(i) (x[..., i] * weight[o, i]))\n"
    "  if bias {\n"
    "    param bias: f32[O] = zeros()\n"
    "    return (y + bias)\n"
    "  }\n"
    "  return y\n"
    "}\n"
    "optimizer momentum(lr: f32, beta: f32 = 0.9) {\n"
    "  slot v = 0\n"
    "  v <- ((beta * v) + grad)\n"
    "  value <- (value - (lr * v))\n"
    "}\n"),
CASE("residual",
    "layer residual(x: f32[N, H, W, C], channels: int, stride: int = 1) {\n"
    "    y = x |> conv2d(channels, 3, stride = stride, pad = 1) |> batch_norm |> relu\n"
    "          |> conv2d(channels, 3, pad = 1) |> batch_norm\n"
    "    skip = if stride == 1 && C == channels { x } else { x |> conv2d(channels, 1, stride = stride) }\n"
    "    return relu(y + skip)\n"
    "}\n",
    "layer residual(x: f32[N, H, W, C], channels: int, stride: int = 1) {\n"
    "  y = (((((x |> conv2d(channels, 3, stride = stride, pad = 1)) |> batch_norm) |> relu) |> conv2d(channels, 3, pad = 1)) |> batch_norm)\n"
    "  skip = (if ((stride == 1) && (C == channels)) { x } else { (x |> conv2d(channels, 1, stride = stride)) })\n"
    "  return relu((y + skip))\n"
    "}\n"),
CASE("scan",
    "net language_model(text: i32[N, T]) -> f32[N, T, 65] {\n"
    "    hs = scan x in embed(text, 65, 64) along 1\n"
    "         carry h = zeros(N, 128), c = zeros(N, 128) {\n"
    "        h, c = lstm_cell(x, h, c)\n"
    "        yield h\n"
    "    }\n"
    "    return hs |> dense(65)\n"
    "}\n",
    "net language_model(text: i32[N, T]) -> f32[N, T, 65] {\n"
    "  hs = (scan x in embed(text, 65, 64) along 1 carry h = zeros(N, 128), c = zeros(N, 128) { h, c = lstm_cell(x, h, c); yield h })\n"
    "  return (hs |> dense(65))\n"
    "}\n"),
CASE("gan",
    "# Two networks, two steps; each step names what it may change\n"
    "train gan {\n"
    "    data  real: f32[N, 28, 28, 1] = idx(\"train-images-idx3-ubyte\") / 127.5 - 1\n"
    "    noise z: f32[N, 64] = normal()\n"
    "    step critic { minimize bce(D(real), 1) + bce(D(G(z)), 0) over D with adam(lr = 2e-4, beta1 = 0.5) }\n"
    "    step maker  { minimize bce(D(G(z)), 1)                   over G with adam(lr = 2e-4, beta1 = 0.5) }\n"
    "}\n",
    "train gan {\n"
    "  data real: f32[N, 28, 28, 1] = ((idx(\"train-images-idx3-ubyte\") / 127.5) - 1)\n"
    "  noise z: f32[N, 64] = normal()\n"
    "  step critic {\n"
    "    minimize (bce(D(real), 1) + bce(D(G(z)), 0)) over D with adam(lr = 2e-4, beta1 = 0.5)\n"
    "  }\n"
    "  step maker {\n"
    "    minimize bce(D(G(z)), 1) over G with adam(lr = 2e-4, beta1 = 0.5)\n"
    "  }\n"
    "}\n"),
CASE("contextual_words",
    "import \"a.nn\" as b ; import \"c.nn\"\n"
    "LR = 1e-3\n"
    "fn f(axis, step: f32 = 2, data = 3, over, with, on, split, metric, noise, param, slot,\n"
    "   along, carry, state: i32[...S, N, 3*N], units O: int = 3,) -> f32[...S, N], f32[]\n"
    "{\n"
    "   step = data + over * with; on = 3\n"
    "   data[n, i]: f32[N, I] = 0.5 * sum(i) x[n, i*2+1] * w[i] + 1 |> relu\n"
    "   a, b = f(step = 3, data = 4, over = over)\n"
    "   param = state\n"
    "   state = param.in.net\n"
    "   c = sum(x)\n"
    "   d = sum(x) - 1\n"
    "   over <- with * 2\n"
    "   v = g(step,\n"
    "         data = 3,\n"
    "         on)\n"
    "   if a == 1 { b = 2 } else if c && !d { 3 } else { 4 }\n"
    "   for i in 0 .. len(x) { a = [1, 2, \"age..s6\", ] }\n"
    "   for p in params(net) { l = sum(p*p) }\n"
    "   z = x[a:b, :, ..., ::2, 1:, :3]\n"
    "   y = if a { 1 } else if b { 2 }\n"
    "       else { 3 }\n"
    "   q = -x ** -2 * 3 - (1, 2)\n"
    "   assert a == b, \"msg \\\"q\\\"\"\n"
    "   h, c = scan x in xs, y in ys along 1 reverse\n"
    "          carry h = zeros(3), c = if a { 0 } else { 1 }\n"
    "   {\n"
    "      h, c = cell(x, h, c)\n"
    "      yield h\n"
    "   }\n"
    "   return h, c\n"
    "}\n"
    "net net(x) = x\n"
    "optimizer optimizer(layer: f32) { value <- value - layer * grad }\n"
    "train t {\n"
    "   data data = 3\n"
    "   noise noise: f32[N] = normal()\n"
    "   minimize mean(x)\n"
    "     over a.b, c\n"
    "     with clip_by_norm(1.0) |> adam(lr = 1e-3)\n"
    "   minimize 0.1 * mean(x) with sgd(0.1)\n"
    "   patience 3\n"
    "   step s { minimize sum(i) x[i] over D\n"
    "   }\n"
    "   batch = 3\n"
    "   validate split 0.1\n"
    "   validate on a, b(3)\n"
    "   metric metric = 1\n"
    "   if fast { batch 3 } else { batch 2 }\n"
    "}\n",
    "import \"a.nn\" as b\n"
    "import \"c.nn\"\n"
    "LR = 1e-3\n"
    "fn f(axis, step: f32 = 2, data = 3, over, with, on, split, metric, noise, param, slot, along, carry, state: i32[...S, N, (3 * N)], units O: int = 3) -> f32[...S, N], f32[] {\n"
    "  step = (data + (over * with))\n"
    "  on = 3\n"
    "  data[n, i]: f32[N, I] = ((0.5 * (sum(i) ((x[n, ((i * 2) + 1)] * w[i]) + 1))) |> relu)\n"
    "  a, b = f(step = 3, data = 4, over = over)\n"
    "  param = state\n"
    "  state = param.in.net\n"
    "  c = sum(x)\n"
    "  d = (sum(x) - 1)\n"
    "  over <- (with * 2)\n"
    "  v = g(step, data = 3, on)\n"
    "  if (a == 1) {\n"
    "    b = 2\n"
    "  } else {\n"
    "    if (c && (!d)) {\n"
    "      3\n"
    "    } else {\n"
    "      4\n"
    "    }\n"
    "  }\n"
    "  for i in (0 .. len(x)) {\n"
    "    a = [1, 2, \"age..s6\"]\n"
    "  }\n"
    "  for p in params(net) {\n"
    "    l = sum((p * p))\n"
    "  }\n"
    "  z = x[a:b, :, ..., ::2, 1:, :3]\n"
    "  y = (if a { 1 } else (if b { 2 } else { 3 }))\n"
    "  q = (((-(x ** (-2))) * 3) - (1, 2))\n"
    "  assert (a == b), \"msg \\\"q\\\"\"\n"
    "  h, c = (scan x in xs, y in ys along 1 reverse carry h = zeros(3), c = (if a { 0 } else { 1 }) { h, c = cell(x, h, c); yield h })\n"
    "  return (h, c)\n"
    "}\n"
    "net net(x) {\n"
    "  return x\n"
    "}\n"
    "optimizer optimizer(layer: f32) {\n"
    "  value <- (value - (layer * grad))\n"
    "}\n"
    "train t {\n"
    "  data data = 3\n"
    "  noise noise: f32[N] = normal()\n"
    "  minimize mean(x) over a.b, c with (clip_by_norm(1.0) |> adam(lr = 1e-3))\n"
    "  minimize (0.1 * mean(x)) with sgd(0.1)\n"
    "  option patience 3\n"
    "  step s {\n"
    "    minimize (sum(i) x[i]) over D\n"
    "  }\n"
    "  batch = 3\n"
    "  validate split 0.1\n"
    "  validate on a, b(3)\n"
    "  metric metric = 1\n"
    "  if fast {\n"
    "    option batch 3\n"
    "  } else {\n"
    "    option batch 2\n"
    "  }\n"
    "}\n"),
CASE("precedence",
    "a = -x ** 2 * 3 + 1 == 2 && !b || c\n"
    "b = 2 ** 3 ** 4\n"
    "c = x - y - z\n"
    "d = 1 .. n + 1\n"
    "e = a |> f |> g(1)\n"
    "f = (a |> f) + 1\n"
    "g = -1 + - -2\n"
    "h = !a == b\n",
    "a = ((((((-(x ** 2)) * 3) + 1) == 2) && (!b)) || c)\n"
    "b = (2 ** (3 ** 4))\n"
    "c = ((x - y) - z)\n"
    "d = (1 .. (n + 1))\n"
    "e = ((a |> f) |> g(1))\n"
    "f = ((a |> f) + 1)\n"
    "g = ((-1) + (-(-2)))\n"
    "h = ((!a) == b)\n"),
CASE("reductions",
    "fn f(x, w) {\n"
    "    y[n] = sum(i, j) x[n, i] * w[j] + 1\n"
    "    z[n] = 0.5 * max(i) x[n, i] |> relu\n"
    "    a = sum(x) + 1\n"
    "    b = sum(x)\n"
    "    c = mean(i) sum(j) (x[i, j])\n"
    "    d = g(sum(i)\n"
    "          x[i])\n"
    "    e = sum(x)[0]\n"
    "    return sum(a, b) - c\n"
    "}\n",
    "fn f(x, w) {\n"
    "  y[n] = (sum(i, j) ((x[n, i] * w[j]) + 1))\n"
    "  z[n] = ((0.5 * (max(i) x[n, i])) |> relu)\n"
    "  a = (sum(x) + 1)\n"
    "  b = sum(x)\n"
    "  c = (mean(i) (sum(j) x[i, j]))\n"
    "  d = g((sum(i) x[i]))\n"
    "  e = sum(x)[0]\n"
    "  return (sum(a, b) - c)\n"
    "}\n"),
CASE("newlines",
    "fn f(a, b\n"
    ") {\n"
    "    c = a +\n"
    "        b\n"
    "    d = c\n"
    "        |> g\n"
    "\n"
    "        |> h\n"
    "    if d\n"
    "    {\n"
    "        return 1\n"
    "    }\n"
    "    else\n"
    "    {\n"
    "        return 2\n"
    "    }\n"
    "}\n",
    "fn f(a, b) {\n"
    "  c = (a + b)\n"
    "  d = ((c |> g) |> h)\n"
    "  if d {\n"
    "    return 1\n"
    "  } else {\n"
    "    return 2\n"
    "  }\n"
    "}\n"),
CASE("crlf_tabs_bom",
    "\xEF\xBB\xBF" "fn f(x) {\r\n"
    "\treturn x\r\n"
    "}\r\n",
    "fn f(x) {\n"
    "  return x\n"
    "}\n"),
CASE("numbers_strings",
    "a = 1_000\n"
    "b = 1_0.5e-3\n"
    "c = \"tab\\t quote\\\" back\\\\ é done\"\n",
    "a = 1000\n"
    "b = 1_0.5e-3\n"
    "c = \"tab\\t quote\\\" back\\\\ é done\"\n"),
CASE("one_line",
    "layer l(x) { param b: f32[O] = zeros();  return x + b }; fn g() = 1\n",
    "layer l(x) {\n"
    "  param b: f32[O] = zeros()\n"
    "  return (x + b)\n"
    "}\n"
    "fn g() {\n"
    "  return 1\n"
    "}\n"),
CASE("empty",
    "",
    ""),
CASE("comments_only",
    "# nothing\n"
    "\n"
    "# here",
    ""),
};
/* clang-format on */

static void test_trees(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof TREES / sizeof *TREES; i++) {
        Arena *arena = arena_new();
        Text out = { .arena = arena };
        int n_errors;
        char *tree = parse(arena, &TREES[i], &out, &n_errors);
        if (n_errors || strcmp(tree, TREES[i].expect))
            fail_msg("%s: %s%s", TREES[i].name, out.data ? out.data : "", tree);
        arena_free(arena);
    }
}

/* n copies of open, a name, n copies of close: never a crash, one error beyond the limit. */
static void check_nesting(const char *open, const char *close, int n, int want_errors)
{
    Arena *arena = arena_new();
    Text text = { .arena = arena }, out = { .arena = arena };
    text_add(&text, "fn f(x) {\n    y = ");
    for (int i = 0; i < n; i++)
        text_add(&text, open);
    text_add(&text, "x");
    for (int i = 0; i < n; i++)
        text_add(&text, close);
    text_add(&text, "\n    return y\n}\n");
    Case c = { "nesting", text.data, text.len, "" };
    int n_errors;
    parse(arena, &c, &out, &n_errors);
    if (n_errors != want_errors)
        fail_msg("%d x '%s': %d errors\n%s", n, open, n_errors, out.data ? out.data : "");
    arena_free(arena);
}

static void test_nesting(void **state)
{
    (void)state;
    check_nesting("(", ")", 150, 0);
    check_nesting("(", ")", 100000, 1);
    check_nesting("f(", ")", 1000, 1);
    check_nesting("[", "]", 1000, 1);
    check_nesting("- ", "", 150, 0);
    check_nesting("- ", "", 5000, 1);
    check_nesting("- ", "", 100000, 1);
    check_nesting("x + ", "", 150, 0);
    check_nesting("x + ", "", 100000, 1);
    check_nesting("x ** ", "", 100000, 1);
    check_nesting("sum(i) ", "", 3000, 1);
    check_nesting("if x { ", " } else { 1 }", 60, 0);
    check_nesting("if x { ", " } else { 1 }", 1000, 1);
    check_nesting("if x { 1 } else ", "{ 1 }", 1, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trees),
        cmocka_unit_test(test_nesting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
