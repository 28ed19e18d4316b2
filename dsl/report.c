/* The parser's message for an unexpected token: what was expected, what was found, and a note where
 * there is an obvious way out. Also sets the token at which the parser goes on. */
#include "dsl/token.h"
#include "parse.h"
#include <string.h>

static bool is_any(const char *name, const char *const *list)
{
    while (*list && strcmp(*list, name))
        list++;
    return *list != NULL;
}

static const char *const OPERATORS[] = { "'+'", "'-'", "'*'", "'/'", "'%'", "'**'", "'=='", "'!='", "'<'", "'<='",
                                         "'>'", "'>='", "'&&'", "'||'", "'|>'", "'..'", NULL };
static const char *const POSTFIX[] = { "'.'", "'['", "'('", NULL };
static const char *const OPERANDS[] = { "name", "number", "fraction", "string", "'true'", "'false'", "'-'", "'!'",
                                        "'('", "'['", "'if'", "'scan'", "reduction", NULL };
static const char *const STATEMENTS[] = { "'return'", "'yield'", "'param'", "'state'", "'slot'", "'assert'", "'data'",
                                          "'noise'", "'metric'", "'step'", "'minimize'", "'validate'", "'for'",
                                          "'if' statement", "option", NULL };

/* "a, b or c" of what was expected, whole families under one name; NULL when it is too much to say. */
static const char *expectation(Parser *p, const char *const *names, int n)
{
    bool operand = false, operators = false, statement = false, declaration = false;
    const char *kept[64];
    int n_kept = 0;
    for (int i = 0; i < n; i++) {
        operand |= !strcmp(names[i], "number");
        operators |= !strcmp(names[i], "'*'");
        statement |= !strcmp(names[i], "'return'");
        declaration |= !strcmp(names[i], "'layer'");
    }
    if (declaration)
        return "a declaration";
    if (statement)
        kept[n_kept++] = "a statement";
    else if (operand)
        kept[n_kept++] = "an expression";
    for (int i = 0; i < n && n_kept < 64; i++) {
        bool skip = (operand && is_any(names[i], OPERANDS)) || (statement && is_any(names[i], STATEMENTS)) ||
                    (statement && !strcmp(names[i], "end of line")) ||
                    (operators && (is_any(names[i], OPERATORS) || is_any(names[i], POSTFIX)));
        if (!skip)
            kept[n_kept++] = !strcmp(names[i], "name") ? "a name" : !strcmp(names[i], "string") ? "a string"
                           : names[i];
    }
    if (operators && n_kept > 3)
        return "an operator or end of line";
    if (n_kept == 0 || n_kept > 5)
        return NULL;
    Text t = { .arena = p->arena };
    for (int i = 0; i < n_kept; i++)
        text_addf(&t, "%s%s", i == 0 ? "" : i + 1 == n_kept ? " or " : ", ", kept[i]);
    return t.data;
}

static const char *found_text(Parser *p, const Token *t)
{
    int len = (int)(t->end - t->begin) < 40 ? (int)(t->end - t->begin) : 40;
    const char *spelled = p->source->text + t->begin;
    switch (t->kind) {
    case 0: return "end of file";
    case NEWLINE: return t->text;
    case NAME: case OPTION: case REDUCE: return arena_printf(p->arena, "name '%s'", t->text);
    case INT: case FLOAT: return arena_printf(p->arena, "number %.*s", len, spelled);
    case STRING: return "a string";
    default: break;
    }
    if (t->end > t->begin)
        return arena_printf(p->arena, "'%.*s'", len, spelled);
    return arena_printf(p->arena, "'%c'", t->kind);
}

static bool expects(const char *const *names, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (!strcmp(names[i], name))
            return true;
    return false;
}

static const char *foreign_word(const char *word)
{
    static const char *const table[][2] = {
        { "and", "logical and is '&&'" }, { "or", "logical or is '||'" }, { "not", "logical not is '!'" },
        { "def", "a function is declared with 'fn', a part with weights with 'layer'" },
        { "class", "a part with weights is declared with 'layer', a whole network with 'net'" },
        { "func", "a function is declared with 'fn'" }, { "function", "a function is declared with 'fn'" },
        { "elif", "write 'else if'" }, { "lambda", "functions have names here: declare one with 'fn'" },
        { "while", "'for' repeats at compile time, 'scan' runs over time; there is no other loop" },
        { "let", "write only 'name = value'" }, { "var", "write only 'name = value'" },
        { "const", "write only 'name = value'" },
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (!strcmp(table[i][0], word))
            return table[i][1];
    return NULL;
}

static const char *nearest_keyword(const char *word)
{
    static const char *const words[] = { "return", "param", "state", "slot", "yield", "layer", "optimizer", "train",
                                         "import", "assert", "minimize", "metric", "validate", "noise", "data", "net", "step" };
    const char *hit = text_nearest(word, words, (int)(sizeof words / sizeof *words));
    return hit && strcmp(hit, word) ? hit : NULL;
}

/* `dat label: ...`, `minimise loss with ...`: what looks like an option of two names, until it goes on. */
static const char *mistyped_keyword(Parser *p, const Token *t)
{
    const Token *first = t;
    while (first > p->tokens.data && first[-1].kind != NEWLINE && first[-1].kind != '{' && first[-1].kind != '}')
        first--;
    bool two_names = first + 1 < t && (first->kind == NAME || first->kind == OPTION) && first[1].kind == NAME;
    return two_names ? nearest_keyword(first->text) : NULL;
}

static bool train_only(const char *word)
{
    static const char *const words[] = { "minimize", "validate", "batch", "epochs", "seed", "shuffle", NULL };
    return is_any(word, words);
}

/* A way out for the token t behind prev, or NULL. */
static const char *way_out(Parser *p, const Token *prev, const Token *t, const char *const *names, int n)
{
    const char *spelled = p->source->text + t->begin;
    if (t->kind == '=' && prev && strchr("+-*/%", prev->kind) && prev->kind)
        return "write it out: x = x + ...";
    if (t->kind == '=' && expects(names, n, "'=='"))
        return "equality is '=='";
    if (t->kind == ARROW && expects(names, n, "'<-'"))
        return "a state, a slot or 'value' is updated with '<-'";
    if (prev && (prev->kind == MINIMIZE || (prev > p->tokens.data && prev[-1].kind == MINIMIZE)) &&
        expects(names, n, "'with'"))
        return "minimize LOSS with OPTIMIZER: minimize mse(f(x), y) with adam(lr = 1e-3)";
    if (prev && prev->kind == VALIDATE)
        return "validate on DATA, ... (one for each data), or validate split 0.1";
    if (t->kind == LARROW)
        return "'<-' updates a state; for 'less than minus' write '< -'";
    if ((t->kind == '.' || t->kind == RANGE) && prev && prev->kind == INT)
        return "a fraction has digits on both sides of its point: 1.0";
    if (prev && prev->kind == '.' && prev > p->tokens.data && prev[-1].kind == INT)
        return "a fraction has digits on both sides of its point: 1.0";
    if (t->kind == '.' && expects(names, n, "number"))
        return "a fraction has digits on both sides of its point: 0.5";
    if (prev && (prev->kind == NAME || prev->kind == OPTION) && foreign_word(prev->text))
        return foreign_word(prev->text);
    if (t->kind == NAME && foreign_word(t->text))
        return foreign_word(t->text);
    if (prev && prev->kind == NAME && (t->kind == NAME || t->kind == INT || t->kind == FLOAT)) {
        if (train_only(prev->text))
            return arena_printf(p->arena, "'%s' belongs in a train block", prev->text);
        const char *word = nearest_keyword(prev->text);
        return word ? arena_printf(p->arena, "did you mean '%s'?", word) : NULL;
    }
    if (t->text && t->kind != NAME && t->kind != NEWLINE && t->kind != STRING && expects(names, n, "name") &&
        spelled[0] >= 'a' && spelled[0] <= 'z')
        return arena_printf(p->arena, "'%s' is a reserved word and cannot be a name", t->text);
    if (prev && prev->kind == NEWLINE && strchr("+*/%", t->kind) && t->kind)
        return "to go on with the line above, end that line with the operator";
    if (strchr("<>", t->kind) && t->kind && expects(names, n, "'&&'"))
        return "comparisons do not chain: write a < b && b < c";
    const char *word = mistyped_keyword(p, t);
    return word ? arena_printf(p->arena, "did you mean '%s'?", word) : NULL;
}

void report_syntax(Parser *p, const char *const *expected, int n_expected)
{
    int i = p->next - 1;
    const Token *t = &p->tokens.data[i], *prev = i > 0 ? t - 1 : NULL;
    const char *what = expectation(p, expected, n_expected), *found = found_text(p, t);
    Span at = parser_span(p, t->begin, t->end);
    const char *note = way_out(p, prev, t, expected, n_expected);
    bool silent = t->tainted || (prev && prev->tainted);
    if (silent)
        note = NULL;
    else if (what)
        parser_error(p, at, "expected %s before %s", what, found);
    else
        parser_error(p, at, "unexpected %s", found);
    if (note)
        parser_note(p, SPAN_NONE, "%s", note);
    if (t->kind == NEWLINE || t->kind == 0)
        return;
    int end = i + 1;
    while (end + 1 < p->tokens.len && !(p->tokens.data[end].kind == NEWLINE && p->tokens.data[end].depth == t->depth))
        end++;
    p->skip_to = end;
}
