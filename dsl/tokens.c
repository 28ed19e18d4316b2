/* The shell between lexer and parser: settles what depends on context.
 *
 * Requires: Parser.raw. Establishes: Parser.tokens, in which
 * - brackets are balanced (a lost one was reported and put in, an odd one reported and dropped), so
 *   that a syntax error never reaches beyond its statement;
 * - NEWLINE stands at the end of every statement and nowhere else;
 * - words that are keywords only in their place (`step`, `data`, `over` ...) have become keywords
 *   there and are names elsewhere;
 * - a `sum(i, j)` that something follows is REDUCE. */
#include "dsl/token.h"
#include "parse.h"
#include <string.h>

typedef struct {
    int kind;      /* '(' '[' '{', or 0 for the file itself */
    uint32_t begin;
    bool train;    /* inside a train block */
    bool formals;  /* the parenthesis of a declaration's head */
    bool minimize; /* between `minimize` and the end of its statement */
    int scan;      /* 0 no scan head open here; 1 before `along`; 2 after it */
    int ifs;       /* `if` heads whose block has not come */
} Level;

typedef struct {
    Parser *p;
    Vec(Level) stack;
    int braces;
    int i; /* raw token at hand */
    bool tainted; /* a token was dropped before the next one */
} Shell;

static Level *top(Shell *s) { return &s->stack.data[s->stack.len - 1]; }

/* The raw token k places on, or the end. */
static const Token *peek(const Shell *s, int k)
{
    static const Token end = { .kind = 0, .newline_before = true };
    return s->i + k < s->p->raw.len ? &s->p->raw.data[s->i + k] : &end;
}

static const Token *previous(const Shell *s)
{
    return s->p->tokens.len ? &s->p->tokens.data[s->p->tokens.len - 1] : NULL;
}

static int previous_kind(const Shell *s) { return previous(s) ? previous(s)->kind : NEWLINE; }

static void emit(Shell *s, Token t)
{
    t.depth = s->braces;
    t.tainted |= s->tainted;
    s->tainted = false;
    VEC_PUSH(s->p->arena, &s->p->tokens, t);
}

static bool in_list(int kind, const int *list)
{
    while (*list && *list != kind)
        list++;
    return *list != 0;
}

/* Kinds that may be the last token of an expression. */
static bool ends_operand(int kind)
{
    return in_list(kind, (int[]){ NAME, INT, FLOAT, STRING, TRUE, FALSE, ')', ']', '}', 0 });
}

static bool begins_word(int kind)
{
    return in_list(kind, (int[]){ NAME, INT, FLOAT, STRING, TRUE, FALSE, 0 });
}

/* Kinds after which the statement cannot be over. */
static bool goes_on_after(int kind)
{
    return in_list(kind, (int[]){ '+', '-', '*', '/', '%', POW, EQ, NE, '<', LE, '>', GE, AND, OR, '!',
                                  '=', LARROW, ARROW, ',', ':', '.', PIPE, RANGE, OVER, WITH, ON,
                                  SPLIT, ALONG, CARRY, 0 });
}

static bool is_word(const Token *t, const char *word) { return t->kind == NAME && !strcmp(t->text, word); }

/* A raw token on the same line as the one before it. */
static bool same_line(const Token *t) { return t->kind && !t->newline_before; }

static void emit_newline(Shell *s, const char *what)
{
    const Token *prev = previous(s);
    if (!prev || prev->kind == NEWLINE || prev->kind == '{')
        return;
    uint32_t at = prev->end;
    top(s)->minimize = false;
    top(s)->scan = 0;
    top(s)->ifs = 0;
    emit(s, (Token){ .kind = NEWLINE, .begin = at, .end = at, .text = what });
}

static const char *opener_text(int kind) { return kind == '(' ? "(" : kind == '[' ? "[" : "{"; }
static const char *closer_text(int kind) { return kind == '(' ? ")" : kind == '[' ? "]" : "}"; }

/* Closes the innermost bracket, which the text does not. */
static void close_lost(Shell *s, const char *before, bool quiet)
{
    Level lost = *top(s);
    uint32_t at = previous(s) ? previous(s)->end : 0;
    if (!quiet) {
        parser_error(s->p, parser_span(s->p, at, at), "expected '%s' before %s",
                   closer_text(lost.kind), before);
        parser_note(s->p, parser_span(s->p, lost.begin, lost.begin + 1), "this '%s' is open",
                  opener_text(lost.kind));
    }
    if (lost.kind == '{')
        emit_newline(s, "'}'");
    s->stack.len--;
    s->braces -= lost.kind == '{';
    emit(s, (Token){ .kind = closer_text(lost.kind)[0], .begin = at, .end = at, .tainted = true });
}

static void close_brackets(Shell *s, const char *before, bool quiet)
{
    while (top(s)->kind == '(' || top(s)->kind == '[')
        close_lost(s, before, quiet);
}

/* One report is enough: which of the open ones was lost is anyone's guess. */
static void close_all(Shell *s, const char *before, bool quiet)
{
    for (; top(s)->kind; quiet = true)
        close_lost(s, before, quiet);
}

/* ---- words that are keywords in their place ---- */

/* `fn f(`, `layer dense(`, `train t {`, `import "x"`: the head of a declaration, told by two tokens
 * that could not follow each other in an expression. 0: no head. */
static int declaration_kind(const Shell *s)
{
    static const struct { const char *word; int kind; } heads[] = {
        { "fn", FN }, { "layer", LAYER }, { "net", NET }, { "optimizer", OPTIMIZER }, { "train", TRAIN },
    };
    const Token *word = peek(s, 0), *next = peek(s, 1);
    if (is_word(word, "import") && same_line(next) && next->kind == STRING)
        return IMPORT;
    for (size_t k = 0; k < sizeof heads / sizeof *heads; k++)
        if (is_word(word, heads[k].word) && same_line(next) && next->kind == NAME)
            return heads[k].kind;
    return 0;
}

/* A declaration's word at the top level is one whatever follows, except for `fn = 3`: the parser
 * then says what is missing. */
static int bare_declaration_kind(const Shell *s)
{
    static const struct { const char *word; int kind; } heads[] = {
        { "fn", FN }, { "layer", LAYER }, { "net", NET }, { "optimizer", OPTIMIZER }, { "train", TRAIN },
        { "import", IMPORT },
    };
    for (size_t k = 0; k < sizeof heads / sizeof *heads; k++)
        if (is_word(peek(s, 0), heads[k].word) && peek(s, 1)->kind != '=')
            return heads[k].kind;
    return 0;
}

/* What the word at the start of a statement is: a keyword's kind, OPTION, or 0 for an ordinary name. */
static int statement_kind(const Shell *s, bool train)
{
    static const struct { const char *word; int kind; } named[] = {
        { "param", PARAM }, { "state", STATE }, { "slot", SLOT },
        { "data", DATA }, { "noise", NOISE }, { "metric", METRIC },
    };
    const Token *word = peek(s, 0), *next = peek(s, 1);
    if (word->kind != NAME)
        return 0;
    for (size_t k = 0; k < sizeof named / sizeof *named; k++)
        if (is_word(word, named[k].word) && same_line(next) && next->kind == NAME)
            return named[k].kind;
    bool stays_name = in_list(next->kind, (int[]){ '=', LARROW, ':', '.', ',', 0 });
    if (is_word(word, "step") && ((same_line(next) && next->kind == NAME && peek(s, 2)->kind == '{') ||
                                  (train && next->kind == '{')))
        return STEP;
    if (is_word(word, "minimize") && !stays_name && (train || begins_word(next->kind)))
        return MINIMIZE;
    if (is_word(word, "validate") && !stays_name && train)
        return VALIDATE;
    if (is_word(word, "assert") && !stays_name)
        return ASSERT;
    if (train && same_line(next) && begins_word(next->kind))
        return OPTION;
    return 0;
}

/* `sum(i, j)` and a token on the line that begins an operand. */
static bool is_reduction(Shell *s)
{
    static const char *const words[] = { "sum", "max", "min", "prod", "mean" };
    bool known = false;
    for (size_t k = 0; k < sizeof words / sizeof *words; k++)
        known |= is_word(peek(s, 0), words[k]);
    if (!known || peek(s, 1)->kind != '(')
        return false;
    int k = 2;
    while (peek(s, k)->kind == NAME && peek(s, k + 1)->kind == ',')
        k += 2;
    if (peek(s, k)->kind != NAME || peek(s, k + 1)->kind != ')')
        return false;
    const Token *after = peek(s, k + 2);
    bool open = top(s)->kind == '(' || top(s)->kind == '[';
    if (after->kind == 0 || (after->newline_before && !open))
        return false;
    if (top(s)->minimize && (is_word(after, "over") || is_word(after, "with")))
        return false;
    if (top(s)->scan && (is_word(after, "along") || is_word(after, "carry") || is_word(after, "reverse")))
        return false;
    return begins_word(after->kind) || after->kind == '(' || after->kind == '!' ||
           (after->kind == IF && !after->newline_before);
}

/* A word inside an expression or behind a statement's keyword. */
static int inner_kind(Shell *s)
{
    const Token *word = peek(s, 0);
    int prev = previous_kind(s);
    Level *level = top(s);
    if (prev == '.')
        return NAME;
    if (prev == VALIDATE)
        return is_word(word, "on") ? ON : is_word(word, "split") ? SPLIT : NAME;
    if (prev == STRING && is_word(word, "as") && s->p->tokens.len > 1 &&
        s->p->tokens.data[s->p->tokens.len - 2].kind == IMPORT)
        return AS;
    if (level->minimize && ends_operand(prev))
        return is_word(word, "over") ? OVER : is_word(word, "with") ? WITH : NAME;
    if (level->scan && (ends_operand(prev) || prev == REVERSE)) {
        if (is_word(word, "along"))
            return ALONG;
        if (is_word(word, "carry"))
            return CARRY;
        if (level->scan == 2 && is_word(word, "reverse"))
            return REVERSE;
    }
    if (is_word(word, "scan") && peek(s, 1)->kind == NAME && peek(s, 2)->kind == IN)
        return SCAN;
    return is_reduction(s) ? REDUCE : NAME;
}

/* ---- lines ---- */

/* `return`, `y =`, `s <-` at the start of a line where, after the token before it, an operand would
 * have to follow: the line before was left unfinished. */
static bool begins_anew(const Shell *s)
{
    int kind = peek(s, 0)->kind, next = peek(s, 1)->kind, prev = previous_kind(s);
    if (kind == RETURN || kind == YIELD || kind == FOR)
        return true;
    return kind == NAME && (next == '=' || next == LARROW) && prev != ',' && prev != '(' && prev != '[';
}

/* A line that begins inside brackets but is plainly a new statement: one closer was lost. */
static bool breaks_out(const Shell *s, const Level *level)
{
    const Token *t = peek(s, 0);
    if (declaration_kind(s))
        return true;
    if (level->formals)
        return false;
    if (begins_anew(s))
        return true;
    if (t->kind != NAME)
        return t->kind == IF && ends_operand(previous_kind(s));
    int kind = statement_kind(s, level->train);
    return kind && kind != ASSERT;
}

/* Whether the line break before the token at hand ends the statement. */
static bool break_ends(Shell *s)
{
    const Token *t = peek(s, 0);
    if (goes_on_after(previous_kind(s)))
        return begins_anew(s);
    if (t->kind == PIPE || t->kind == ELSE || t->kind == '{')
        return false;
    if (top(s)->scan && (is_word(t, "carry") || is_word(t, "along") || is_word(t, "reverse")))
        return false;
    return !(top(s)->minimize && (is_word(t, "over") || is_word(t, "with")));
}

static void begin_line(Shell *s)
{
    bool open = top(s)->kind == '(' || top(s)->kind == '[';
    if (open && breaks_out(s, top(s))) {
        close_brackets(s, "end of line", false);
        open = false;
    }
    if (!open && s->braces && declaration_kind(s))
        close_all(s, "the next declaration", false);
    if (!open && (break_ends(s) || declaration_kind(s)))
        emit_newline(s, "end of line");
}

/* ---- brackets ---- */

/* A block inside brackets belongs to an `if`, an `else` or a scan; another one shows that the
 * brackets were not closed. */
static void close_for_block(Shell *s)
{
    while ((top(s)->kind == '(' || top(s)->kind == '[') && !top(s)->ifs && !top(s)->scan && previous_kind(s) != ELSE)
        close_lost(s, "'{'", false);
}

static bool push_level(Shell *s, const Token *t)
{
    Level level = { .kind = t->kind, .begin = t->begin, .train = top(s)->train };
    if (s->stack.len > DSL_MAX_DEPTH) {
        if (!s->p->too_deep)
            parser_error(s->p, parser_span(s->p, t->begin, t->end),
                       "brackets nested more than %d deep", DSL_MAX_DEPTH);
        s->p->too_deep = true;
        return false;
    }
    int n = s->p->tokens.len;
    if (t->kind == '(' && n > 1) {
        int head = s->p->tokens.data[n - 2].kind;
        level.formals = in_list(head, (int[]){ FN, LAYER, NET, OPTIMIZER, 0 });
    }
    if (t->kind == '{') {
        level.train |= n > 1 && s->p->tokens.data[n - 2].kind == TRAIN;
        level.train |= n > 0 && s->p->tokens.data[n - 1].kind == TRAIN;
        if (top(s)->ifs > 0)
            top(s)->ifs--;
        else if (previous_kind(s) != ELSE)
            top(s)->scan = 0;
    }
    emit(s, *t);
    VEC_PUSH(s->p->arena, &s->stack, level);
    s->braces += t->kind == '{';
    return true;
}

static bool is_open(const Shell *s, int opener)
{
    for (int k = s->stack.len - 1; k > 0; k--) {
        if (s->stack.data[k].kind == opener)
            return true;
        if (s->stack.data[k].kind == '{')
            return false;
    }
    return false;
}

static void pop_level(Shell *s, const Token *t)
{
    int opener = t->kind == ')' ? '(' : t->kind == ']' ? '[' : '{';
    if (!is_open(s, opener)) {
        parser_error(s->p, parser_span(s->p, t->begin, t->end), "nothing is open that this '%s' could close",
                   closer_text(opener));
        s->tainted = true;
        return;
    }
    while (top(s)->kind != opener)
        close_lost(s, arena_printf(s->p->arena, "'%s'", closer_text(opener)), false);
    if (opener == '{')
        emit_newline(s, "'}'");
    s->stack.len--;
    s->braces -= opener == '{';
    emit(s, *t);
}

/* ---- one token ---- */

static void settle_word(Shell *s, Token t)
{
    int prev = previous_kind(s), kind = 0;
    bool start = prev == NEWLINE || (prev == '{' && top(s)->kind == '{');
    if (t.kind == IF && prev != '.') {
        top(s)->ifs++;
        t.kind = start ? IF_STMT : IF;
        emit(s, t);
        return;
    }
    if (t.kind != NAME) {
        t.kind = prev == '.' ? NAME : t.kind;
        emit(s, t);
        return;
    }
    if (start && top(s)->kind == 0)
        kind = bare_declaration_kind(s);
    if (start && !kind)
        kind = declaration_kind(s);
    if (start && !kind)
        kind = statement_kind(s, top(s)->train);
    if (!kind)
        kind = inner_kind(s);
    top(s)->minimize |= kind == MINIMIZE;
    if (kind == SCAN)
        top(s)->scan = 1;
    if (kind == ALONG)
        top(s)->scan = 2;
    t.kind = kind;
    emit(s, t);
}

static bool settle(Shell *s)
{
    Token t = *peek(s, 0);
    if (t.newline_before)
        begin_line(s);
    if (t.kind == '{')
        close_for_block(s);
    if (t.kind == '(' || t.kind == '[' || t.kind == '{')
        return push_level(s, &t);
    if (t.kind == ')' || t.kind == ']' || t.kind == '}')
        pop_level(s, &t);
    else if (t.kind == ';') {
        if (top(s)->kind == '(' || top(s)->kind == '[')
            close_brackets(s, "';'", false);
        emit_newline(s, "';'");
    } else if (t.text && t.kind != STRING && t.kind != INT && t.kind != FLOAT)
        settle_word(s, t);
    else
        emit(s, t);
    return true;
}

void tokens_settle(Parser *p)
{
    Shell s = { .p = p };
    bool whole = true;
    VEC_PUSH(p->arena, &s.stack, (Level){ 0 });
    while (whole && s.i < p->raw.len) {
        whole = settle(&s);
        s.i++;
    }
    close_all(&s, "end of file", !whole);
    emit_newline(&s, "end of file");
    uint32_t end = (uint32_t)p->source->len;
    emit(&s, (Token){ .kind = 0, .begin = end, .end = end });
}
