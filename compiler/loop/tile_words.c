/* A schedule in words, for people who read profiles. */
#include "loop/tile.h"

static void add_rows(Text *t, const LTile *tile)
{
    text_addf(t, "%d", tile->rows[0]);
    if (tile->row[1] >= 0 && tile->rows[1] > 1)
        text_addf(t, "x%d", tile->rows[1]);
}

char *loop_tile_words(const LTile *tile, Arena *arena)
{
    static const char *const NAME[] = { "a", "b" };
    Text t = { .arena = arena };
    if (tile->winograd)
        return arena_printf(arena, "Winograd %dx%d, %lld tiles a block", tile->winograd, tile->winograd,
                            (long long)tile->tiles);
    if (tile->kind == TILE_DOT) {
        text_add(&t, "dot ");
        add_rows(&t, tile);
        text_addf(&t, " rows, %dx%d lanes", tile->cols, tile->lanes);
    } else {
        text_add(&t, "tile ");
        add_rows(&t, tile);
        text_addf(&t, " rows x %dx%d lanes", tile->cols, tile->lanes);
    }
    if (tile->slide)
        text_addf(&t, ", %lld steps sliding", (long long)tile->slide);
    for (int o = 0; o < 2; o++)
        if (tile->pack[o])
            text_addf(&t, ", %s packed%s", NAME[o], tile->pack[o] == PACK_WHOLE ? "" : " by the piece");
    if (tile->block >= 0)
        text_addf(&t, ", depth %lld", (long long)tile->depth);
    if (tile->split >= 0)
        text_addf(&t, ", sum in %lld parts", (long long)tile->chunks);
    return t.data;
}
