/* Sources, places in them, and diagnostics: `file:line:col: error: ...`, the line, a caret, and a
 * note that says what to do. Nothing here prints: finished text goes to the sink's callback. */
#ifndef NNC_BASE_DIAG_H
#define NNC_BASE_DIAG_H
#include "base/arena.h"
#include "base/text.h"
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    const char *path; /* as the user wrote it; "<std>/layers.nn" for library text */
    const char *text; /* NUL-terminated; len does not count the NUL */
    size_t len;
    const uint32_t *line_start;
    int n_lines;
} Source;

/* Builds the line map; text must outlive the source. */
Source *source_new(Arena *arena, const char *path, const char *text, size_t len);
/* Reads a file. On failure returns NULL and *why says what failed. */
Source *source_read(Arena *arena, const char *path, const char **why);

/* Bytes [begin, end) of a source; src == NULL means "no place". */
typedef struct {
    const Source *src;
    uint32_t begin, end;
} Span;

/* 1-based line and column (a column is a UTF-8 character). */
typedef struct {
    const char *file; /* NULL: no place */
    int line, col;
} Loc;
Loc span_loc(Span span);
Span span_join(Span a, Span b);

typedef enum { DIAG_ERROR, DIAG_WARNING, DIAG_NOTE } DiagLevel;
/* text: the whole rendered diagnostic, ending in a newline. */
typedef void (*DiagFn)(void *user, DiagLevel level, const char *text);

typedef struct {
    Arena *arena;
    DiagFn fn;
    void *user;
    int n_errors, n_warnings, max_errors; /* max_errors 0: 20; what is beyond is only counted */
} Diags;

void diag_error(Diags *d, Span at, const char *format, ...) __attribute__((format(printf, 3, 4)));
void diag_warning(Diags *d, Span at, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Belongs to the diagnostic before it; silent when that one was beyond the limit. */
void diag_note(Diags *d, Span at, const char *format, ...) __attribute__((format(printf, 3, 4)));
extern const Span SPAN_NONE;
#endif
