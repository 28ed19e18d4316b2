/* Parser: the tree of valid programs and the full text of errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "dsl/ast.h"
#include <string.h>

typedef struct {
    const char *name, *text;
    size_t len;
    const char *expect;
} Case;
#define CASE(name, text, expect) { name, text, sizeof(text) - 1, expect }

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

/* clang-format off */
static const Case ERRORS[] = {
CASE("lost_paren_statement",
    "fn f(x) {\n"
    "    y = g(x, 3\n"
    "    return y\n"
    "}\n"
    "fn h(x) = x\n",
    "case.nn:2:15: error: expected ')' before end of line\n"
    "    2 |     y = g(x, 3\n"
    "      |               ^\n"
    "case.nn:2:10: note: this '(' is open\n"
    "    2 |     y = g(x, 3\n"
    "      |          ^\n"),
CASE("lost_paren_assignment",
    "fn f(x) {\n"
    "    y = g(x, 3\n"
    "    z = 4\n"
    "}\n",
    "case.nn:2:15: error: expected ')' before end of line\n"
    "    2 |     y = g(x, 3\n"
    "      |               ^\n"
    "case.nn:2:10: note: this '(' is open\n"
    "    2 |     y = g(x, 3\n"
    "      |          ^\n"),
CASE("lost_bracket_block",
    "layer g(a) -> f32[N {\n"
    "    return a\n"
    "}\n",
    "case.nn:1:20: error: expected ']' before '{'\n"
    "    1 | layer g(a) -> f32[N {\n"
    "      |                    ^\n"
    "case.nn:1:18: note: this '[' is open\n"
    "    1 | layer g(a) -> f32[N {\n"
    "      |                  ^\n"),
CASE("lost_brace",
    "fn f(x) {\n"
    "    return x\n"
    "\n"
    "fn g(x) = x\n",
    "case.nn:2:13: error: expected '}' before the next declaration\n"
    "    2 |     return x\n"
    "      |             ^\n"
    "case.nn:1:9: note: this '{' is open\n"
    "    1 | fn f(x) {\n"
    "      |         ^\n"),
CASE("odd_closer",
    "a = f(1))\n"
    "b = 2]\n"
    "}\n",
    "case.nn:1:9: error: nothing is open that this ')' could close\n"
    "    1 | a = f(1))\n"
    "      |         ^\n"
    "case.nn:2:6: error: nothing is open that this ']' could close\n"
    "    2 | b = 2]\n"
    "      |      ^\n"
    "case.nn:3:1: error: nothing is open that this '}' could close\n"
    "    3 | }\n"
    "      | ^\n"),
CASE("crossed_brackets",
    "a = f([1, 2)\n",
    "case.nn:1:12: error: expected ']' before ')'\n"
    "    1 | a = f([1, 2)\n"
    "      |            ^\n"
    "case.nn:1:7: note: this '[' is open\n"
    "    1 | a = f([1, 2)\n"
    "      |       ^\n"),
CASE("end_of_file",
    "fn f(x",
    "case.nn:1:7: error: expected ')' before end of file\n"
    "    1 | fn f(x\n"
    "      |       ^\n"
    "case.nn:1:5: note: this '(' is open\n"
    "    1 | fn f(x\n"
    "      |     ^\n"),
CASE("equality",
    "fn f(x) {\n"
    "    if x = 3 { return 1 }\n"
    "    return 2\n"
    "}\n",
    "case.nn:2:10: error: expected '{' before '='\n"
    "    2 |     if x = 3 { return 1 }\n"
    "      |          ^\n"
    "note: equality is '=='\n"),
CASE("arrow",
    "layer l(x) {\n"
    "    s -> x\n"
    "    return x\n"
    "}\n",
    "case.nn:2:7: error: expected an operator or end of line before '->'\n"
    "    2 |     s -> x\n"
    "      |       ^~\n"
    "note: a state, a slot or 'value' is updated with '<-'\n"),
CASE("less_minus",
    "fn f(x) = g(x <-1)\n",
    "case.nn:1:15: error: expected '=', ')' or ',' before '<-'\n"
    "    1 | fn f(x) = g(x <-1)\n"
    "      |               ^~\n"
    "note: '<-' updates a state; for 'less than minus' write '< -'\n"),
CASE("misspelt_keyword",
    "fn f(x) {\n"
    "    retrn x\n"
    "}\n",
    "case.nn:2:11: error: expected an operator or end of line before name 'x'\n"
    "    2 |     retrn x\n"
    "      |           ^\n"
    "note: did you mean 'return'\?\n"),
CASE("train_option_outside",
    "batch 32\n",
    "case.nn:1:7: error: expected an operator or end of line before number 32\n"
    "    1 | batch 32\n"
    "      |       ^~\n"
    "note: 'batch' belongs in a train block\n"),
CASE("foreign",
    "fn f(a, b) {\n"
    "    c = a and b\n"
    "    d = not c\n"
    "    return d\n"
    "}\n"
    "def g(x) = 2\n",
    "case.nn:2:11: error: expected end of line or ',' before name 'and'\n"
    "    2 |     c = a and b\n"
    "      |           ^~~\n"
    "note: logical and is '&&'\n"
    "case.nn:3:13: error: expected end of line or ',' before name 'c'\n"
    "    3 |     d = not c\n"
    "      |             ^\n"
    "note: logical not is '!'\n"
    "case.nn:6:5: error: expected an operator or end of line before name 'g'\n"
    "    6 | def g(x) = 2\n"
    "      |     ^\n"
    "note: a function is declared with 'fn', a part with weights with 'layer'\n"),
CASE("chain",
    "a = 1 < b < 3\n",
    "case.nn:1:11: error: expected end of line or ',' before '<'\n"
    "    1 | a = 1 < b < 3\n"
    "      |           ^\n"
    "note: comparisons do not chain: write a < b && b < c\n"),
CASE("plus_assign",
    "fn f(x) {\n"
    "    x += 1\n"
    "    return x\n"
    "}\n",
    "case.nn:2:8: error: expected an expression before '='\n"
    "    2 |     x += 1\n"
    "      |        ^\n"
    "note: write it out: x = x + ...\n"),
CASE("leading_operator",
    "a = 1\n"
    "  + 2\n",
    "case.nn:2:3: error: expected a declaration before '+'\n"
    "    2 |   + 2\n"
    "      |   ^\n"
    "note: to go on with the line above, end that line with the operator\n"),
CASE("fraction",
    "a = 1. + 2\n"
    "b = .5\n",
    "case.nn:1:8: error: expected a name before '+'\n"
    "    1 | a = 1. + 2\n"
    "      |        ^\n"
    "note: a fraction has digits on both sides of its point: 1.0\n"
    "case.nn:2:5: error: expected an expression before '.'\n"
    "    2 | b = .5\n"
    "      |     ^\n"
    "note: a fraction has digits on both sides of its point: 0.5\n"),
CASE("strings",
    "a = \"abc\n"
    "b = 'x'\n"
    "c = \"\\q\"\n",
    "case.nn:1:5: error: this string has no end\n"
    "    1 | a = \"abc\n"
    "      |     ^~~~\n"
    "note: close it with '\"' on the same line\n"
    "case.nn:2:5: error: strings stand in double quotes\n"
    "    2 | b = 'x'\n"
    "      |     ^~~\n"
    "note: write \"...\"\n"
    "case.nn:3:6: error: unknown escape in a string\n"
    "    3 | c = \"\\q\"\n"
    "      |      ^~\n"
    "note: known are \\n, \\t, \\\\ and \\\"\n"),
CASE("number_overflow",
    "a = 9223372036854775808\n"
    "b = 1e999\n",
    "case.nn:1:5: error: this number is too large\n"
    "    1 | a = 9223372036854775808\n"
    "      |     ^~~~~~~~~~~~~~~~~~~\n"
    "note: the largest int is 9223372036854775807\n"
    "case.nn:2:5: error: this number is too large\n"
    "    2 | b = 1e999\n"
    "      |     ^~~~~\n"
    "note: the largest float is about 1.8e308\n"),
CASE("number_name",
    "a = 3x + 1\n",
    "case.nn:1:5: error: a number runs into a name\n"
    "    1 | a = 3x + 1\n"
    "      |     ^~\n"
    "note: put a space or an operator between them; names do not begin with a digit\n"),
CASE("characters",
    "a = 1 × 2\n"
    "b = $\n"
    "c = a & b\n"
    "d = a // b\n"
    "e = a ^ 2\n"
    "f = a @ b\n",
    "case.nn:1:7: error: unknown character\n"
    "    1 | a = 1 × 2\n"
    "      |       ^\n"
    "note: names are ASCII letters, digits and '_'; other characters may stand in comments and strings\n"
    "case.nn:2:5: error: unknown character\n"
    "    2 | b = $\n"
    "      |     ^\n"
    "case.nn:3:7: error: there is no '&'\n"
    "    3 | c = a & b\n"
    "      |       ^\n"
    "note: logical and is '&&'\n"
    "case.nn:4:7: error: there is no '//'\n"
    "    4 | d = a // b\n"
    "      |       ^~\n"
    "note: a comment begins with '#'; the floor of a quotient is div(a, b)\n"
    "case.nn:5:7: error: there is no '^'\n"
    "    5 | e = a ^ 2\n"
    "      |       ^\n"
    "note: a power is 'a ** b'\n"
    "case.nn:6:7: error: there is no '@'\n"
    "    6 | f = a @ b\n"
    "      |       ^\n"
    "note: write a matrix product in index notation: y[n, m] = sum(k) a[n, k] * b[k, m]\n"),
CASE("bytes",
    "a = 1 # \xff\xfe\n"
    "b = 2\0\n",
    "case.nn:1:9: error: byte 0xff is not UTF-8\n"
    "    1 | a = 1 # \xff\xfe\n"
    "      |         ^\n"
    "note: save the file as UTF-8 text\n"
    "case.nn:2:6: error: a NUL byte: this is not a text file\n"
    "    2 | b = 2 \n"
    "      |      ^\n"
    "note: save the file as UTF-8 text\n"),
CASE("pipe_right",
    "a = x |> 3\n"
    "b = x |> f + 1\n",
    "case.nn:1:10: error: what stands right of '|>' must be a function or a call\n"
    "    1 | a = x |> 3\n"
    "      |          ^\n"
    "note: 'x |> f(a)' is f(x, a); to compute with the result, write (x |> f(a)) + b\n"
    "case.nn:2:10: error: what stands right of '|>' must be a function or a call\n"
    "    2 | b = x |> f + 1\n"
    "      |          ^~~~~\n"
    "note: 'x |> f(a)' is f(x, a); to compute with the result, write (x |> f(a)) + b\n"),
CASE("if_value",
    "a = if x { 1 }\n",
    "case.nn:1:5: error: an 'if' that gives a value needs an 'else'\n"
    "    1 | a = if x { 1 }\n"
    "      |     ^~~~~~~~~~\n"),
CASE("targets",
    "fn f(x) {\n"
    "    3 = x\n"
    "    f(x) = 2\n"
    "    x.y <- 3\n"
    "    a: f32\n"
    "}\n",
    "case.nn:2:5: error: only a name, or a name with indices, can stand left of '='\n"
    "    2 |     3 = x\n"
    "      |     ^\n"
    "case.nn:3:5: error: only a name, or a name with indices, can stand left of '='\n"
    "    3 |     f(x) = 2\n"
    "      |     ^~~~\n"
    "case.nn:4:5: error: only a name, or a name with indices, can stand left of '='\n"
    "    4 |     x.y <- 3\n"
    "      |     ^~~\n"
    "case.nn:5:8: error: a type without a value\n"
    "    5 |     a: f32\n"
    "      |        ^~~\n"
    "note: write 'name: type = value'\n"),
CASE("no_value",
    "layer l(x) {\n"
    "    param w: f32[3]\n"
    "    return x * w\n"
    "}\n",
    "case.nn:2:5: error: 'w' has no value\n"
    "    2 |     param w: f32[3]\n"
    "      |     ^~~~~~~~~~~~~~~\n"
    "note: give it one: w = ...\n"),
CASE("top_level",
    "param w: f32 = 3\n"
    "return 3\n"
    "a, b = 2\n"
    "data x = 3\n"
    "f(x)\n",
    "case.nn:1:1: error: this statement cannot stand at the top level of a file\n"
    "    1 | param w: f32 = 3\n"
    "      | ^~~~~~~~~~~~~~~~\n"
    "note: it belongs in a layer or net\n"
    "case.nn:2:1: error: this statement cannot stand at the top level of a file\n"
    "    2 | return 3\n"
    "      | ^~~~~~~~\n"
    "note: it belongs in the body of a fn, layer or net\n"
    "case.nn:3:1: error: this statement cannot stand at the top level of a file\n"
    "    3 | a, b = 2\n"
    "      | ^~~~~~~~\n"
    "note: here stand: import, fn, layer, net, optimizer, train and constants (name = value)\n"
    "case.nn:4:1: error: this statement cannot stand at the top level of a file\n"
    "    4 | data x = 3\n"
    "      | ^~~~~~~~~~\n"
    "note: it belongs in a train block\n"
    "case.nn:5:1: error: this statement cannot stand at the top level of a file\n"
    "    5 | f(x)\n"
    "      | ^~~~\n"
    "note: here stand: import, fn, layer, net, optimizer, train and constants (name = value)\n"),
CASE("missing_name",
    "layer (x) { return x }\n"
    "net\n"
    "train { batch 3 }\n",
    "case.nn:1:7: error: expected a name before '('\n"
    "    1 | layer (x) { return x }\n"
    "      |       ^\n"
    "case.nn:2:4: error: expected a name before end of line\n"
    "    2 | net\n"
    "      |    ^\n"
    "case.nn:3:7: error: expected a name before '{'\n"
    "    3 | train { batch 3 }\n"
    "      |       ^\n"),
CASE("reserved",
    "fn f(in) = in\n"
    "for = 3\n",
    "case.nn:1:6: error: expected a name or ')' before 'in'\n"
    "    1 | fn f(in) = in\n"
    "      |      ^~\n"
    "note: 'in' is a reserved word and cannot be a name\n"
    "case.nn:2:5: error: expected a name before '='\n"
    "    2 | for = 3\n"
    "      |     ^\n"),
CASE("many",
    "fn f(x) {\n"
    "    a = )\n"
    "    b = (1 +\n"
    "    c = 2 2\n"
    "    d = * 3\n"
    "    return\n"
    "}\n",
    "case.nn:2:9: error: nothing is open that this ')' could close\n"
    "    2 |     a = )\n"
    "      |         ^\n"
    "case.nn:3:13: error: expected ')' before end of line\n"
    "    3 |     b = (1 +\n"
    "      |             ^\n"
    "case.nn:3:9: note: this '(' is open\n"
    "    3 |     b = (1 +\n"
    "      |         ^\n"
    "case.nn:4:11: error: expected end of line or ',' before number 2\n"
    "    4 |     c = 2 2\n"
    "      |           ^\n"
    "case.nn:5:9: error: expected an expression before '*'\n"
    "    5 |     d = * 3\n"
    "      |         ^\n"
    "case.nn:6:11: error: expected an expression before end of line\n"
    "    6 |     return\n"
    "      |           ^\n"),
CASE("train_parts",
    "train t {\n"
    "    validate 0.3\n"
    "    minimize with adam\n"
    "    metric accuracy\n"
    "    step { minimize x }\n"
    "    epochs\n"
    "}\n",
    "case.nn:2:14: error: expected 'on' or 'split' before number 0.3\n"
    "    2 |     validate 0.3\n"
    "      |              ^~~\n"
    "note: validate on DATA, ... (one for each data), or validate split 0.1\n"
    "case.nn:3:19: error: expected end of line, 'over' or 'with' before name 'adam'\n"
    "    3 |     minimize with adam\n"
    "      |                   ^~~~\n"
    "note: minimize LOSS with OPTIMIZER: minimize mse(f(x), y) with adam(lr = 1e-3)\n"
    "case.nn:4:20: error: expected '=' before end of line\n"
    "    4 |     metric accuracy\n"
    "      |                    ^\n"
    "case.nn:5:10: error: expected a name before '{'\n"
    "    5 |     step { minimize x }\n"
    "      |          ^\n"),
CASE("resume_in_block",
    "net n(x) {\n"
    "    y = if x { 1 + } else { 2 }\n"
    "    z = y +\n"
    "    return z\n"
    "}\n"
    "net m(x) = x \? y\n",
    "case.nn:2:19: error: expected an expression before '}'\n"
    "    2 |     y = if x { 1 + } else { 2 }\n"
    "      |                   ^\n"
    "case.nn:3:12: error: expected an expression before end of line\n"
    "    3 |     z = y +\n"
    "      |            ^\n"
    "case.nn:6:14: error: unknown character\n"
    "    6 | net m(x) = x \? y\n"
    "      |              ^\n"),
};
/* clang-format on */

static void collect(void *user, DiagLevel level, const char *text)
{
    (void)level;
    text_add(user, text);
}

/* Diagnostics go to out; returns the tree. */
static char *parse(Arena *arena, const Case *c, Text *out, int *n_errors)
{
    Source *source = source_new(arena, "case.nn", arena_copy_text(arena, c->text, c->len), c->len);
    Diags diags = { .arena = arena, .fn = collect, .user = out };
    File *file = dsl_parse(arena, intern_new(arena), source, &diags);
    *n_errors = diags.n_errors;
    return dsl_tree(arena, file);
}

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

static void test_errors(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ERRORS / sizeof *ERRORS; i++) {
        Arena *arena = arena_new();
        Text out = { .arena = arena };
        int n_errors;
        parse(arena, &ERRORS[i], &out, &n_errors);
        if (!n_errors || strcmp(out.data, ERRORS[i].expect))
            fail_msg("%s:\n%s", ERRORS[i].name, out.data ? out.data : "no error");
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
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_nesting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
