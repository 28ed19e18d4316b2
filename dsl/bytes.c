/* Reports NUL bytes and bytes that are not UTF-8; the lexer skips them. One report a line. */
#include "dsl/token.h"

/* Length of the UTF-8 character at s[0..n), or 0 if it is none (overlong forms and surrogates too). */
static size_t utf8_length(const unsigned char *s, size_t n)
{
    size_t len = s[0] < 0x80 ? 1 : s[0] >= 0xC2 && s[0] < 0xE0 ? 2 : (s[0] & 0xF0) == 0xE0 ? 3
               : s[0] >= 0xF0 && s[0] < 0xF5 ? 4 : 0;
    if (len == 0 || len > n)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    bool bad = (s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F) ||
               (s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] > 0x8F);
    return bad ? 0 : len;
}

void bytes_check(Parser *p)
{
    const unsigned char *s = (const unsigned char *)p->source->text;
    size_t n = p->source->len;
    bool reported = false; /* on this line */
    for (size_t i = 0; i < n;) {
        size_t len = utf8_length(s + i, n - i);
        if (s[i] == '\n')
            reported = false;
        if ((len == 0 || s[i] == 0) && !reported) {
            reported = true;
            Span at = parser_span(p, (uint32_t)i, (uint32_t)i + 1);
            if (s[i] == 0)
                parser_error(p, at, "a NUL byte: this is not a text file");
            else
                parser_error(p, at, "byte 0x%02x is not UTF-8", s[i]);
            parser_note(p, SPAN_NONE, "save the file as UTF-8 text");
        }
        i += len ? len : 1;
    }
}
