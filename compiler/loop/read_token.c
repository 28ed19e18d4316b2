/* Tokens of loop text. `%` before a letter begins a name, else it is the remainder; `#` begins a
 * comment to the end of the line. */
#include "loop/read.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

void read_fail(Reader *r, const char *format, ...)
{
    if (r->failed)
        return;
    r->failed = true;
    va_list args;
    va_start(args, format);
    diag_error(r->diags, r->token.span, "%s", arena_vprintf(r->arena, format, args));
    va_end(args);
}

static char peek(const Reader *r, size_t ahead)
{
    return r->at + ahead < r->source->len ? r->source->text[r->at + ahead] : 0;
}

static bool word_char(char c) { return isalnum((unsigned char)c) || c == '_'; }

static size_t number_end(const Reader *r)
{
    size_t n = 0;
    while (isdigit((unsigned char)peek(r, n)))
        n++;
    if (peek(r, n) == '.' && isdigit((unsigned char)peek(r, n + 1)))
        for (n++; isdigit((unsigned char)peek(r, n)); n++)
            ;
    if (peek(r, n) == 'e') {
        size_t e = n + 1;
        if (peek(r, e) == '+' || peek(r, e) == '-')
            e++;
        if (isdigit((unsigned char)peek(r, e)))
            for (n = e; isdigit((unsigned char)peek(r, n)); n++)
                ;
    }
    while (word_char(peek(r, n))) /* kind */
        n++;
    return n;
}

static void take_string(Reader *r, Token *t)
{
    Text text = { .arena = r->arena };
    text_add(&text, "");
    size_t n = 1;
    for (; peek(r, n) && peek(r, n) != '"' && peek(r, n) != '\n'; n++) {
        char c = peek(r, n);
        if (c == '\\' && peek(r, n + 1)) {
            c = peek(r, ++n);
            c = c == 'n' ? '\n' : c;
        }
        text_add_n(&text, &c, 1);
    }
    t->kind = T_STRING;
    t->text = text.data;
    t->span.end = (uint32_t)(r->at + n + 1);
    if (peek(r, n) != '"') {
        t->span.end = (uint32_t)(r->at + n);
        r->token = *t;
        read_fail(r, "this string does not end on its line");
    }
}

void read_next(Reader *r)
{
    for (;;) {
        while (isspace((unsigned char)peek(r, 0)))
            r->at++;
        if (peek(r, 0) != '#')
            break;
        while (r->at < r->source->len && peek(r, 0) != '\n')
            r->at++;
    }
    Token t = { T_PUNCT, { r->source, (uint32_t)r->at, (uint32_t)r->at + 1 }, "" };
    char c = peek(r, 0), d = peek(r, 1);
    if (r->at >= r->source->len) {
        t.kind = T_END;
        t.span.end = (uint32_t)r->at;
        r->token = t;
        return;
    }
    if (c == '"') {
        take_string(r, &t);
    } else if (isdigit((unsigned char)c)) {
        t.kind = T_NUMBER;
        t.span.end = (uint32_t)(r->at + number_end(r));
        t.text = arena_copy_text(r->arena, r->source->text + r->at, t.span.end - t.span.begin);
    } else {
        bool marked = (c == '%' || c == '@') && (isalpha((unsigned char)d) || d == '_');
        size_t n = marked;
        while (word_char(peek(r, n)))
            n++;
        if (n > (size_t)marked) {
            t.kind = !marked ? T_WORD : c == '%' ? T_LOCAL : T_GLOBAL;
        } else {
            n = (c == '=' || c == '!' || c == '<') && d == '=' ? 2 : 1;
        }
        t.span.end = (uint32_t)(r->at + n);
        t.text = intern_text(r->names, r->source->text + r->at + (marked ? 1 : 0), n - (marked ? 1 : 0));
    }
    r->at = t.span.end;
    r->token = t;
}

bool read_is(const Reader *r, const char *text)
{
    bool fits = r->token.kind == T_WORD || r->token.kind == T_PUNCT;
    return !r->failed && fits && strcmp(r->token.text, text) == 0;
}

bool read_accept(Reader *r, const char *text)
{
    if (!read_is(r, text))
        return false;
    read_next(r);
    return true;
}

static const char *token_text(Reader *r)
{
    if (r->token.kind == T_END)
        return "the end of the text";
    Span s = r->token.span;
    return arena_printf(r->arena, "'%.*s'", (int)(s.end - s.begin > 40 ? 40 : s.end - s.begin),
                        r->source->text + s.begin);
}

void read_expect(Reader *r, const char *text)
{
    if (!read_accept(r, text))
        read_fail(r, "expected '%s', found %s", text, token_text(r));
}

const char *read_name(Reader *r, TokenKind kind, const char *what)
{
    if (r->failed || r->token.kind != kind) {
        read_fail(r, "expected %s, found %s", what, token_text(r));
        return "";
    }
    const char *name = r->token.text;
    read_next(r);
    return name;
}

int64_t read_int(Reader *r, const char *what)
{
    char *end = "";
    errno = 0;
    long long v = r->token.kind == T_NUMBER ? strtoll(r->token.text, &end, 10) : 0;
    if (r->failed || r->token.kind != T_NUMBER || *end || errno || v > INT64_MAX / 64) {
        read_fail(r, "expected %s, found %s", what, token_text(r));
        return 0;
    }
    read_next(r);
    return v;
}

const char *read_string(Reader *r)
{
    return read_name(r, T_STRING, "a string");
}

LKind read_kind(Reader *r)
{
    for (int k = LK_F32; k <= LK_BOOL; k++)
        if (read_accept(r, lkind_name((LKind)k)))
            return (LKind)k;
    read_fail(r, "expected a type (f32, f64, i32, u32, i64, u64, bool), found %s", token_text(r));
    return LK_F32;
}

bool read_enter(Reader *r)
{
    if (++r->depth > READ_DEPTH)
        read_fail(r, "nested more than %d deep", READ_DEPTH);
    return !r->failed;
}
