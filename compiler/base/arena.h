/* Arena allocation: everything made for one compilation lives in an arena and dies with it.
 * Memory is zeroed and aligned to 16 bytes. Running out of memory is the one condition that ends
 * the process here (message on stderr, abort): no caller could do better. */
#ifndef NNC_BASE_ARENA_H
#define NNC_BASE_ARENA_H
#include <stdarg.h>
#include <stddef.h>

typedef struct Arena Arena;

Arena *arena_new(void);
void arena_free(Arena *arena);
void *arena_alloc(Arena *arena, size_t bytes);
/* Copy of the first len bytes of text, NUL-terminated. */
char *arena_copy_text(Arena *arena, const char *text, size_t len);
char *arena_strdup(Arena *arena, const char *text);
char *arena_printf(Arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *arena_vprintf(Arena *arena, const char *format, va_list args);
/* Bytes handed out so far (for --time-passes). */
size_t arena_bytes(const Arena *arena);

#define ARENA_NEW(arena, T) ((T *)arena_alloc((arena), sizeof(T)))
#define ARENA_ARRAY(arena, T, n) ((T *)arena_alloc((arena), sizeof(T) * (size_t)(n)))

/* A growable array whose storage is an arena's: Vec(int) v = {0}; VEC_PUSH(arena, &v, 3); */
#define Vec(T) struct { T *data; int len, cap; }
#define VEC_PUSH(arena, v, ...)                                                                  \
    do {                                                                                         \
        if ((v)->len == (v)->cap)                                                                \
            (v)->data = arena_grow((arena), (v)->data, &(v)->cap, sizeof *(v)->data);            \
        (v)->data[(v)->len++] = (__VA_ARGS__);                                                   \
    } while (0)
void *arena_grow(Arena *arena, void *data, int *cap, size_t element);

#endif
