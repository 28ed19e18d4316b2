#include "base/text.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct Intern {
    Arena *arena;
    const char **slot;
    size_t n, cap; /* cap is a power of two */
};

static uint64_t hash_text(const char *s, size_t len)
{
    uint64_t h = 1469598103934665603u;
    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)s[i]) * 1099511628211u;
    return h;
}

Intern *intern_new(Arena *arena)
{
    Intern *t = ARENA_NEW(arena, Intern);
    t->arena = arena;
    t->cap = 256;
    t->slot = ARENA_ARRAY(arena, const char *, t->cap);
    return t;
}

static void intern_rehash(Intern *t)
{
    const char **old = t->slot;
    size_t old_cap = t->cap;
    t->cap *= 2;
    t->slot = ARENA_ARRAY(t->arena, const char *, t->cap);
    for (size_t i = 0; i < old_cap; i++) {
        if (!old[i])
            continue;
        size_t k = hash_text(old[i], strlen(old[i])) & (t->cap - 1);
        while (t->slot[k])
            k = (k + 1) & (t->cap - 1);
        t->slot[k] = old[i];
    }
}

const char *intern_text(Intern *t, const char *text, size_t len)
{
    size_t k = hash_text(text, len) & (t->cap - 1);
    for (; t->slot[k]; k = (k + 1) & (t->cap - 1))
        if (strlen(t->slot[k]) == len && memcmp(t->slot[k], text, len) == 0)
            return t->slot[k];
    const char *copy = arena_copy_text(t->arena, text, len);
    t->slot[k] = copy;
    if (++t->n * 2 > t->cap)
        intern_rehash(t);
    return copy;
}

const char *intern_cstr(Intern *t, const char *text) { return intern_text(t, text, strlen(text)); }

void text_add_n(Text *t, const char *s, size_t len)
{
    if (t->len + len + 1 > t->cap) {
        size_t cap = t->cap ? t->cap * 2 : 256;
        while (cap < t->len + len + 1)
            cap *= 2;
        char *fresh = arena_alloc(t->arena, cap);
        if (t->len)
            memcpy(fresh, t->data, t->len);
        t->data = fresh;
        t->cap = cap;
    }
    memcpy(t->data + t->len, s, len);
    t->len += len;
    t->data[t->len] = 0;
}

void text_add(Text *t, const char *s) { text_add_n(t, s, strlen(s)); }

void text_addf(Text *t, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    char small[256];
    int len = vsnprintf(small, sizeof small, format, args);
    if ((size_t)len < sizeof small) {
        text_add_n(t, small, (size_t)len);
    } else {
        char *big = arena_vprintf(t->arena, format, again);
        text_add_n(t, big, (size_t)len);
    }
    va_end(again);
    va_end(args);
}

static void add_special(Text *t, double v) { text_add(t, isnan(v) ? "nan" : v > 0 ? "inf" : "-inf"); }

void text_add_double(Text *t, double v)
{
    if (!isfinite(v)) {
        add_special(t, v);
        return;
    }
    char s[40];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(s, sizeof s, "%.*g", digits, v);
        if (strtod(s, NULL) == v)
            break;
    }
    text_add(t, s);
}

void text_add_float(Text *t, float v)
{
    if (!isfinite(v)) {
        add_special(t, (double)v);
        return;
    }
    char s[40];
    for (int digits = 1; digits <= 9; digits++) {
        snprintf(s, sizeof s, "%.*g", digits, (double)v);
        if (strtof(s, NULL) == v)
            break;
    }
    text_add(t, s);
}

static int smaller(int a, int b) { return a < b ? a : b; }

/* Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment). */
static int edit_distance(const char *a, const char *b)
{
    enum { MAX = 63 };
    size_t n = strlen(a), m = strlen(b);
    if (n > MAX || m > MAX)
        return MAX;
    int rows[3][MAX + 1];
    int *before = rows[0], *above = rows[1], *row = rows[2];
    for (size_t j = 0; j <= m; j++)
        above[j] = (int)j;
    for (size_t i = 1; i <= n; i++) {
        row[0] = (int)i;
        for (size_t j = 1; j <= m; j++) {
            int best = above[j - 1] + (a[i - 1] != b[j - 1]);
            best = smaller(best, smaller(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                best = smaller(best, before[j - 2] + 1);
            row[j] = best;
        }
        int *free_row = before;
        before = above;
        above = row;
        row = free_row;
    }
    return above[m];
}

const char *text_nearest(const char *name, const char *const *names, int n)
{
    int len = (int)strlen(name), limit = len / 3;
    if (limit < 1)
        limit = len > 1; /* one letter is like any other */
    int best_distance = limit + 1;
    const char *best = NULL;
    for (int i = 0; i < n; i++) {
        int d = edit_distance(name, names[i]);
        if (d > 0 && d < best_distance) {
            best_distance = d;
            best = names[i];
        }
    }
    return best;
}

static const char *write_failed(Arena *arena, const char *what, int code)
{
    const char *way_out = "check that the folder exists and may be written to";
    if (code == ENOSPC || code == EDQUOT || code == EFBIG)
        way_out = "no space left: free some, or write to another disk; nothing of this file was kept, an earlier one is untouched";
    else if (code == EISDIR)
        way_out = "there is a folder of that name: give the path of a file";
    return arena_printf(arena, "%s: %s\nnote: %s", what, strerror(code), way_out);
}

static FILE *open_beside(Arena *arena, const char *path, char **temp, const char **why)
{
    *temp = arena_printf(arena, "%s.tmp.%ld", path, (long)getpid());
    FILE *f = fopen(*temp, "wb");
    if (!f)
        *why = write_failed(arena, "cannot create", errno);
    return f;
}

const char *text_may_write(Arena *arena, const char *path)
{
    char *temp;
    const char *why = NULL;
    FILE *f = open_beside(arena, path, &temp, &why);
    if (!f)
        return why;
    fclose(f);
    remove(temp);
    return NULL;
}

const char *text_write_file(Arena *arena, const char *path, const char *data, size_t len)
{
    char *temp;
    const char *why = NULL;
    FILE *f = open_beside(arena, path, &temp, &why);
    if (!f)
        return why;
    bool ok = fwrite(data, 1, len, f) == len;
    int saved = errno;
    if (ok && (fflush(f) != 0 || fsync(fileno(f)) != 0)) {
        /* fsync fails on pipes and some special files; only a full disk or I/O error counts */
        if (errno != EINVAL && errno != EROFS) {
            ok = false;
            saved = errno;
        }
    }
    if (fclose(f) != 0 && ok) {
        ok = false;
        saved = errno;
    }
    if (ok && rename(temp, path) == 0)
        return NULL;
    if (ok)
        saved = errno;
    remove(temp);
    return write_failed(arena, "cannot write", saved);
}
