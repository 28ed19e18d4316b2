/* Parser: the full text of its errors. */
#include "parse_case.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
