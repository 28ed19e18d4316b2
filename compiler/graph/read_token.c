/* Tokens of the module text: words, names, numbers, strings, and errors at their places. */
#include "graph/read.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static char peek(const Reader *r) { return r->at < r->source->len ? r->source->text[r->at] : 0; }

Span ir_span(const Reader *r, uint32_t begin, uint32_t end)
{
    if (end <= begin)
        end = begin < r->source->len ? begin + 1 : begin;
    return (Span){ r->source, begin, end };
}

bool ir_fail(Reader *r, uint32_t begin, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = arena_vprintf(r->arena, format, args);
    va_end(args);
    diag_error(r->diags, ir_span(r, begin, r->at), "%s", text);
    return false;
}

bool ir_fail_token(Reader *r, uint32_t begin, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = arena_vprintf(r->arena, format, args);
    va_end(args);
    uint32_t end = begin + 1; /* a sigil (%, @, k) or a first letter */
    while (end < r->source->len && is_name_char(r->source->text[end]))
        end++;
    diag_error(r->diags, ir_span(r, begin, end), "%s", text);
    return false;
}

void ir_space(Reader *r)
{
    for (;;) {
        char c = peek(r);
        if (c == ' ' || c == '\t' || c == '\r')
            r->at++;
        else if (c == '#')
            while (r->at < r->source->len && peek(r) != '\n')
                r->at++;
        else
            return;
    }
}

bool ir_at_end(Reader *r)
{
    ir_space(r);
    return r->at >= r->source->len || peek(r) == '\n';
}

void ir_skip_line(Reader *r)
{
    while (r->at < r->source->len && peek(r) != '\n')
        r->at++;
    if (r->at < r->source->len)
        r->at++;
}

bool ir_accept(Reader *r, const char *text)
{
    ir_space(r);
    size_t n = strlen(text);
    if (r->source->len - r->at < n || memcmp(r->source->text + r->at, text, n) != 0)
        return false;
    bool word = is_word_char(text[n - 1]);
    if (word && r->at + n < r->source->len && is_word_char(r->source->text[r->at + n]))
        return false;
    r->at += (uint32_t)n;
    return true;
}

bool ir_expect(Reader *r, const char *text)
{
    if (ir_accept(r, text))
        return true;
    char c = peek(r);
    if (r->at >= r->source->len)
        return ir_fail(r, r->at, "expected `%s`, but the text ends", text);
    if (c == '\n')
        return ir_fail(r, r->at, "expected `%s`, but the line ends", text);
    return ir_fail(r, r->at, "expected `%s`", text);
}

bool ir_word(Reader *r, const char **word, const char *what)
{
    ir_space(r);
    uint32_t begin = r->at;
    while (is_word_char(peek(r)))
        r->at++;
    if (r->at == begin || (*word = intern_text(r->module->names, r->source->text + begin, r->at - begin),
                           (*word)[0] >= '0' && (*word)[0] <= '9'))
        return ir_fail(r, begin, "expected %s", what);
    return true;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool ir_string(Reader *r, const char **text)
{
    ir_space(r);
    uint32_t begin = r->at;
    if (!ir_expect(r, "\""))
        return false;
    Text t = { .arena = r->arena };
    text_add(&t, "");
    for (;;) {
        char c = peek(r);
        if (c == 0 || c == '\n')
            return ir_fail(r, begin, "the string has no closing quote");
        r->at++;
        if (c == '"')
            break;
        if (c == '\\') {
            c = peek(r);
            r->at += c != 0;
            if (c == 'x') {
                int high = hex_digit(peek(r));
                int low = high < 0 ? -1 : hex_digit(r->source->text[r->at + 1]);
                if (low < 0 || high * 16 + low == 0)
                    return ir_fail(r, begin, "\\x needs two hexadecimal digits, not 00");
                c = (char)(high * 16 + low);
                r->at += 2;
            } else if (c != '"' && c != '\\') {
                return ir_fail(r, begin, "only \\\", \\\\ and \\xNN are escapes");
            }
        }
        text_add_n(&t, &c, 1);
    }
    *text = intern_text(r->module->names, t.data, t.len);
    return true;
}

bool ir_name(Reader *r, const char **name)
{
    if (!ir_expect(r, "@"))
        return false;
    if (peek(r) == '"')
        return ir_string(r, name);
    uint32_t begin = r->at;
    while (is_name_char(peek(r)))
        r->at++;
    if (r->at == begin)
        return ir_fail(r, begin, "expected a name behind `@`");
    *name = intern_text(r->module->names, r->source->text + begin, r->at - begin);
    return true;
}

bool ir_int(Reader *r, int64_t *value)
{
    ir_space(r);
    uint32_t begin = r->at;
    bool negative = peek(r) == '-';
    r->at += negative;
    int64_t v = 0;
    uint32_t digits = r->at;
    bool fits = true;
    for (; peek(r) >= '0' && peek(r) <= '9'; r->at++) {
        v = fits ? v * 10 + (peek(r) - '0') : v;
        fits = fits && v <= TYPE_MAX_COUNT;
    }
    if (r->at == digits)
        return ir_fail(r, begin, "expected a whole number");
    if (!fits)
        return ir_fail(r, begin, "the number is beyond 2^40");
    *value = negative ? -v : v;
    return true;
}

bool ir_bits(Reader *r, int64_t *value)
{
    ir_space(r);
    uint32_t begin = r->at;
    if (peek(r) != '0' || r->source->text[r->at + 1] != 'x')
        return ir_int(r, value);
    r->at += 2;
    uint64_t v = 0;
    int digits = 0;
    for (; hex_digit(peek(r)) >= 0; r->at++, digits++)
        v = v << 4 | (uint64_t)hex_digit(peek(r));
    if (digits < 1 || digits > 16)
        return ir_fail(r, begin, "expected 0x and 1 to 16 hexadecimal digits");
    *value = (int64_t)v;
    return true;
}

bool ir_number(Reader *r, double *value)
{
    ir_space(r);
    uint32_t begin = r->at;
    char buf[64];
    size_t n = 0;
    for (char c = peek(r); n + 1 < sizeof buf && (is_word_char(c) || c == '.' || c == '-' || c == '+');
         c = peek(r)) {
        buf[n++] = c;
        r->at++;
    }
    buf[n] = 0;
    char *end = buf;
    bool special = !strcmp(buf, "inf") || !strcmp(buf, "-inf") || !strcmp(buf, "nan");
    bool digits = strspn(buf, "+-.0123456789e") == n; /* no hexadecimal, no "infinity" */
    if (n && (special || digits))
        *value = strtod(buf, &end);
    if (end == buf || *end)
        return ir_fail(r, begin, "expected a number");
    return true;
}

bool ir_label(Reader *r, char sigil, int64_t *number)
{
    ir_space(r);
    uint32_t begin = r->at;
    if (peek(r) != sigil)
        return ir_fail(r, begin, "expected %s", sigil == '%' ? "a value such as `%0`" : "a kernel such as `k0`");
    r->at++;
    if (peek(r) < '0' || peek(r) > '9')
        return ir_fail(r, begin, "expected a number behind `%c`", sigil);
    return ir_int(r, number);
}

/* ---- numbers to things ---- */

static size_t map_slot(const NumberMap *m, int64_t key)
{
    size_t mask = (size_t)m->cap - 1, k = (size_t)nnr_mix64((uint64_t)key) & mask;
    while (m->value[k] && m->key[k] != key)
        k = (k + 1) & mask;
    return k;
}

void *ir_map_find(const NumberMap *m, int64_t key, uint32_t *begin)
{
    if (m->cap == 0)
        return NULL;
    size_t k = map_slot(m, key);
    if (begin && m->value[k])
        *begin = m->begin[k];
    return m->value[k];
}

void ir_map_add(Arena *arena, NumberMap *m, int64_t key, void *value, uint32_t begin)
{
    if (m->len * 2 >= m->cap) {
        NumberMap old = *m;
        m->cap = old.cap ? old.cap * 2 : 64;
        m->key = ARENA_ARRAY(arena, int64_t, m->cap);
        m->value = ARENA_ARRAY(arena, void *, m->cap);
        m->begin = ARENA_ARRAY(arena, uint32_t, m->cap);
        for (int i = 0; i < old.cap; i++)
            if (old.value[i]) {
                size_t to = map_slot(m, old.key[i]);
                m->key[to] = old.key[i];
                m->value[to] = old.value[i];
                m->begin[to] = old.begin[i];
            }
    }
    size_t k = map_slot(m, key);
    m->len += m->value[k] == NULL;
    m->key[k] = key;
    m->value[k] = value;
    m->begin[k] = begin;
}
