#include "base/arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Block Block;
struct Block {
    Block *next;
    size_t used, size;
};

struct Arena {
    Block *blocks;
    size_t total;
};

enum { BLOCK_BYTES = 64 * 1024, ALIGN = 16, HEADER = (sizeof(Block) + ALIGN - 1) / ALIGN * ALIGN };

static void *must_alloc(size_t bytes)
{
    void *p = calloc(1, bytes);
    if (!p) {
        fprintf(stderr, "nnc: out of memory (asked for %zu bytes)\n", bytes);
        abort();
    }
    return p;
}

Arena *arena_new(void) { return must_alloc(sizeof(Arena)); }

void arena_free(Arena *arena)
{
    if (!arena)
        return;
    for (Block *b = arena->blocks; b;) {
        Block *next = b->next;
        free(b);
        b = next;
    }
    free(arena);
}

void *arena_alloc(Arena *arena, size_t bytes)
{
    if (bytes > (size_t)1 << 40) {
        fprintf(stderr, "nnc: out of memory (asked for %zu bytes)\n", bytes);
        abort();
    }
    bytes = (bytes + ALIGN - 1) / ALIGN * ALIGN;
    if (!bytes)
        bytes = ALIGN;
    Block *b = arena->blocks;
    if (!b || b->size - b->used < bytes) {
        size_t size = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
        Block *fresh = must_alloc(HEADER + size);
        fresh->size = size;
        /* A large request gets a block of its own behind the current one, which stays in use. */
        if (b && bytes > BLOCK_BYTES / 4) {
            fresh->next = b->next;
            b->next = fresh;
        } else {
            fresh->next = b;
            arena->blocks = fresh;
        }
        b = fresh;
    }
    void *p = (char *)b + HEADER + b->used;
    b->used += bytes;
    arena->total += bytes;
    return p;
}

char *arena_copy_text(Arena *arena, const char *text, size_t len)
{
    char *p = arena_alloc(arena, len + 1);
    if (len)
        memcpy(p, text, len);
    return p;
}

char *arena_strdup(Arena *arena, const char *text)
{
    return arena_copy_text(arena, text, strlen(text));
}

char *arena_vprintf(Arena *arena, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    char *p = arena_alloc(arena, (size_t)len + 1);
    vsnprintf(p, (size_t)len + 1, format, again);
    va_end(again);
    return p;
}

char *arena_printf(Arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *p = arena_vprintf(arena, format, args);
    va_end(args);
    return p;
}

size_t arena_bytes(const Arena *arena) { return arena->total; }

void *arena_grow(Arena *arena, void *data, int *cap, size_t element)
{
    int fresh_cap = *cap ? *cap * 2 : 8;
    void *fresh = arena_alloc(arena, element * (size_t)fresh_cap);
    if (*cap)
        memcpy(fresh, data, element * (size_t)*cap);
    *cap = fresh_cap;
    return fresh;
}
