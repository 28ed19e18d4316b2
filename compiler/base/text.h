/* Text: interned strings (equal text is the same pointer) and a growing text buffer. */
#ifndef NNC_BASE_TEXT_H
#define NNC_BASE_TEXT_H
#include "base/arena.h"
#include <stdbool.h>

typedef struct Intern Intern;
Intern *intern_new(Arena *arena);
const char *intern_text(Intern *tab, const char *text, size_t len);
const char *intern_cstr(Intern *tab, const char *text);

/* A text buffer in an arena; data is always NUL-terminated once something was added. */
typedef struct {
    Arena *arena;
    char *data;
    size_t len, cap;
} Text;
void text_add(Text *t, const char *s);
void text_add_n(Text *t, const char *s, size_t len);
void text_addf(Text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Shortest decimal text that reads back to the same double ("0.1", "1e-08", "inf", "nan"). */
void text_add_double(Text *t, double value);
/* The same for a value that only needs to survive as a float. */
void text_add_float(Text *t, float value);

/* Edit distance, for "did you mean". Returns the nearest of names within max(1, len/3) edits (none, where
 * name is one letter), or NULL. */
const char *text_nearest(const char *name, const char *const *names, int n);

/* Write text to path through a temporary file and rename, so that a reader never sees half a
 * file. Returns NULL, or a message (in arena) that says what failed, without the path, and on a second
 * line, `note: ...`, a way out. */
const char *text_write_file(Arena *arena, const char *path, const char *data, size_t len);
/* Could a file be written there now? The same messages, before work whose result would have no place. */
const char *text_may_write(Arena *arena, const char *path);
#endif
