/* What the scheduler has found in this compilation: the layout pass, fusion, Winograd's prices and lowering ask
 * for schedules of the same contractions again and again. */
#include "loop/tile_memo.h"

#include <string.h>

typedef struct {
    uint64_t hash;
    const char *key;
    LTile tile[MEMO_TILES];
    int n;
} Found;

struct LTileMemo {
    Arena *arena;
    Vec(Found) found;
};

LTileMemo *tile_memo_new(Arena *arena)
{
    LTileMemo *m = ARENA_NEW(arena, LTileMemo);
    m->arena = arena;
    return m;
}

static void add_places(Text *text, const LContract *c)
{
    text_add(text, loop_contract_key(c, text->arena));
    for (int o = 0; o < c->n_operand; o++)
        text_addf(text, " at %lld%s%s", (long long)c->operand[o].base, c->panels_at[o] ? " ahead" : "",
                  c->fixed[o] ? " ready" : "");
}

const char *tile_memo_key(const LTileMemo *m, const LContract *c)
{
    Text text = { .arena = m->arena };
    add_places(&text, c);
    if (c->whole) {
        text_add(&text, " of ");
        add_places(&text, c->whole);
    }
    return text.data;
}

static uint64_t hash_of(const char *key)
{
    uint64_t h = 14695981039346656037u; /* FNV-1a */
    for (; *key; key++)
        h = (h ^ (unsigned char)*key) * 1099511628211u;
    return h;
}

int tile_memo_get(const LTileMemo *m, const char *key, LTile *out, int max)
{
    uint64_t hash = hash_of(key);
    for (int i = 0; i < m->found.len; i++) {
        const Found *f = &m->found.data[i];
        if (f->hash != hash || strcmp(f->key, key) != 0)
            continue;
        int n = f->n < max ? f->n : max;
        memcpy(out, f->tile, (size_t)n * sizeof *out);
        return n;
    }
    return 0;
}

void tile_memo_put(LTileMemo *m, const char *key, const LTile *tiles, int n)
{
    Found f = { .hash = hash_of(key), .key = key, .n = n };
    memcpy(f.tile, tiles, (size_t)n * sizeof *tiles);
    VEC_PUSH(m->arena, &m->found, f);
}
