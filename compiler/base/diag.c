#include "base/diag.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const Span SPAN_NONE = {0};

Source *source_new(Arena *arena, const char *path, const char *text, size_t len)
{
    Source *s = ARENA_NEW(arena, Source);
    Vec(uint32_t) lines = {0};
    VEC_PUSH(arena, &lines, 0u);
    for (size_t i = 0; i < len; i++)
        if (text[i] == '\n' && i + 1 < len)
            VEC_PUSH(arena, &lines, (uint32_t)(i + 1));
    *s = (Source){ path, text, len, lines.data, lines.len };
    return s;
}

Source *source_read(Arena *arena, const char *path, const char **why)
{
    enum { LIMIT = 16 << 20 };
    FILE *f = fopen(path, "rb");
    if (!f) {
        *why = strerror(errno);
        return NULL;
    }
    Text t = { .arena = arena };
    char block[4096];
    size_t n;
    text_add(&t, "");
    while ((n = fread(block, 1, sizeof block, f)) > 0 && t.len <= LIMIT)
        text_add_n(&t, block, n);
    bool failed = ferror(f) != 0;
    int saved = errno;
    fclose(f);
    if (failed || t.len > LIMIT) {
        *why = failed ? strerror(saved) : "larger than 16 MiB: not a network";
        return NULL;
    }
    return source_new(arena, arena_strdup(arena, path), t.data, t.len);
}

static int line_of(const Source *s, uint32_t offset)
{
    int lo = 0, hi = s->n_lines - 1;
    while (lo < hi) {
        int mid = (lo + hi + 1) / 2;
        if (s->line_start[mid] <= offset)
            lo = mid;
        else
            hi = mid - 1;
    }
    return lo;
}

static bool starts_char(char c) { return ((unsigned char)c & 0xC0) != 0x80; }

static int columns(const char *s, size_t n)
{
    int c = 0;
    for (size_t i = 0; i < n; i++)
        c += starts_char(s[i]);
    return c;
}

Loc span_loc(Span span)
{
    if (!span.src)
        return (Loc){ 0 };
    int line = line_of(span.src, span.begin);
    uint32_t start = span.src->line_start[line];
    return (Loc){ span.src->path, line + 1, columns(span.src->text + start, span.begin - start) + 1 };
}

Span span_join(Span a, Span b)
{
    if (!a.src)
        return b;
    if (a.src == b.src && b.end > a.end)
        a.end = b.end;
    return a;
}

/* Of a very long line only the part around `before` is shown: moves *start, *len and *before to it. */
static void clip_line(const char *text, uint32_t *start, size_t *len, size_t *before)
{
    enum { WINDOW = 160, LEFT = 60 };
    size_t skip = *before > WINDOW - LEFT ? *before - LEFT : 0;
    while (skip < *before && !starts_char(text[*start + skip]))
        skip++;
    *start += (uint32_t)skip;
    *len -= skip;
    *before -= skip;
    if (*len > WINDOW)
        for (*len = WINDOW; *len > *before && !starts_char(text[*start + *len]);)
            --*len;
}

/* The offending line and a caret under the span, which is cut at the end of its first line. */
static void add_excerpt(Text *out, Span at)
{
    const Source *s = at.src;
    int line = line_of(s, at.begin);
    uint32_t start = s->line_start[line];
    size_t len = 0;
    while (start + len < s->len && s->text[start + len] != '\n' && s->text[start + len] != '\r')
        len++;
    size_t before = at.begin - start < len ? at.begin - start : len;
    clip_line(s->text, &start, &len, &before);
    char gutter[24];
    int lead = snprintf(gutter, sizeof gutter, "%5d | ", line + 1);
    text_add(out, gutter);
    for (size_t i = 0; i < len; i++) {
        char c = s->text[start + i];
        text_add_n(out, c == '\t' || (unsigned char)c < 32 || c == 127 ? " " : &c, 1);
    }
    text_add(out, "\n");
    for (int i = 0; i < lead - 2; i++)
        text_add(out, " ");
    text_add(out, "| ");
    for (int i = columns(s->text + start, before); i > 0; i--)
        text_add(out, " ");
    text_add(out, "^");
    size_t end = at.end > at.begin && at.end > start ? at.end - start : before + 1;
    if (end > len)
        end = len;
    int width = end > before ? columns(s->text + start + before, end - before) : 1;
    for (int i = 1; i < width; i++)
        text_add(out, "~");
    text_add(out, "\n");
}

static void emit(Diags *d, DiagLevel level, Span at, const char *format, va_list args)
{
    static const char *const words[] = { "error", "warning", "note" };
    Text t = { .arena = d->arena };
    if (at.src) {
        Loc loc = span_loc(at);
        text_addf(&t, "%s:%d:%d: ", loc.file, loc.line, loc.col);
    }
    text_addf(&t, "%s: %s\n", words[level], arena_vprintf(d->arena, format, args));
    if (at.src)
        add_excerpt(&t, at);
    if (d->fn)
        d->fn(d->user, level, t.data);
}

static bool within_limit(const Diags *d)
{
    return d->n_errors <= (d->max_errors ? d->max_errors : 20);
}

void diag_error(Diags *d, Span at, const char *format, ...)
{
    d->n_errors++;
    if (!within_limit(d))
        return;
    va_list args;
    va_start(args, format);
    emit(d, DIAG_ERROR, at, format, args);
    va_end(args);
}

void diag_warning(Diags *d, Span at, const char *format, ...)
{
    d->n_warnings++;
    va_list args;
    va_start(args, format);
    emit(d, DIAG_WARNING, at, format, args);
    va_end(args);
}

void diag_note(Diags *d, Span at, const char *format, ...)
{
    if (!within_limit(d))
        return;
    va_list args;
    va_start(args, format);
    emit(d, DIAG_NOTE, at, format, args);
    va_end(args);
}
