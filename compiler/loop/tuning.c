/* See tuning.h. */
#include "loop/tuning.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char HEAD[] = "nnc tune 1";

/* The processor's own name; where the system does not tell it, the target's has to do. */
static const char *host_processor(Arena *arena)
{
    FILE *f = fopen("/proc/cpuinfo", "r");
    const char *name = NULL;
    char line[512];
    while (f && !name && fgets(line, sizeof line, f)) {
        const char *colon = strchr(line, ':');
        if (!colon || (strncmp(line, "model name", 10) != 0 && strncmp(line, "CPU part", 8) != 0))
            continue;
        colon += 1 + strspn(colon + 1, " \t");
        name = arena_copy_text(arena, colon, strcspn(colon, "\n"));
    }
    if (f)
        fclose(f);
    return name ? name : "unknown processor";
}

const char *tuning_machine(Arena *arena, const LTarget *t)
{
    const char *cpu = t->cpu ? t->cpu : ltarget_is_native(t) ? host_processor(arena) : "any processor";
    return arena_printf(arena, "%s, %d-byte vectors, L1 %lld, L2 %lld, %s", t->name, t->vector_bytes, (long long)t->l1,
                        (long long)t->l2, cpu);
}

/* ---- reading ---- */

typedef struct {
    Arena *arena;
    const Source *source;
    Diags *diags;
    size_t at;
    Span span; /* of the line at hand */
    const char *line;
} Lines;

static bool next_line(Lines *l)
{
    if (l->at >= l->source->len)
        return false;
    const char *text = l->source->text + l->at;
    size_t n = 0;
    while (l->at + n < l->source->len && text[n] != '\n')
        n++;
    l->span = (Span){ l->source, (uint32_t)l->at, (uint32_t)(l->at + n) };
    l->line = arena_copy_text(l->arena, text, n);
    l->at += n + 1;
    return true;
}

static bool fault(Lines *l, const char *what)
{
    if (l->at == 0 || !l->line)
        l->span = (Span){ l->source, 0, 0 };
    diag_error(l->diags, l->span, "%s", what);
    diag_note(l->diags, SPAN_NONE, "remove the file, or make it anew with `nnc tune`");
    return false;
}

/* What stands behind "WORD " in the next line, or NULL after an error. */
static const char *field(Lines *l, const char *word)
{
    size_t n = strlen(word);
    if (next_line(l) && strncmp(l->line, word, n) == 0 && l->line[n] == ' ')
        return l->line + n + 1;
    fault(l, arena_printf(l->arena, "this is not a line '%s ...' of a tuning file", word));
    return NULL;
}

static bool read_seconds(Lines *l, const char *text, TunedContract *c)
{
    char *end;
    c->seconds = strtod(text, &end);
    c->before = strtod(end, &end);
    return (!*end && c->seconds > 0 && c->before > 0) || fault(l, "two times above zero should stand here");
}

static bool read_contract(Lines *l, TunedContract *c)
{
    const char *text = field(l, "schedule");
    if (!text)
        return false;
    c->chosen = strcmp(text, "-") != 0;
    const char *why = c->chosen ? loop_tile_read(text, &c->tile) : NULL;
    if (why)
        return fault(l, arena_printf(l->arena, "no schedule: %s", why));
    text = field(l, "seconds");
    return text && read_seconds(l, text, c);
}

bool tuning_read(Arena *arena, const Source *source, TuningFile *out, Diags *diags)
{
    Lines l = { .arena = arena, .source = source, .diags = diags };
    if (!next_line(&l) || strcmp(l.line, HEAD) != 0)
        return fault(&l, arena_printf(arena, "this is no tuning file of this version: it should begin with '%s'", HEAD));
    if (!(out->machine = field(&l, "machine")))
        return false;
    while (l.at < source->len) {
        TunedContract c = { 0 };
        if (!(c.key = field(&l, "contract")) || !read_contract(&l, &c))
            return false;
        VEC_PUSH(arena, &out->contracts, c);
    }
    return true;
}

/* ---- writing ---- */

char *tuning_print(Arena *arena, const TuningFile *file)
{
    Text t = { .arena = arena };
    text_addf(&t, "%s\nmachine %s\n", HEAD, file->machine);
    for (int i = 0; i < file->contracts.len; i++) {
        const TunedContract *c = &file->contracts.data[i];
        text_addf(&t, "contract %s\nschedule %s\nseconds %.4g %.4g\n", c->key,
                  c->chosen ? loop_tile_print(&c->tile, arena) : "-", c->seconds, c->before);
    }
    return t.data;
}

TunedContract *tuning_find(const TuningFile *file, const char *key)
{
    for (int i = 0; i < file->contracts.len; i++)
        if (strcmp(file->contracts.data[i].key, key) == 0)
            return &file->contracts.data[i];
    return NULL;
}

LTuning *tuning_choices(Arena *arena, const TuningFile *file)
{
    LTuning *t = ARENA_NEW(arena, LTuning);
    LTileChoice *choice = ARENA_ARRAY(arena, LTileChoice, file->contracts.len + 1);
    for (int i = 0; i < file->contracts.len; i++)
        if (file->contracts.data[i].chosen)
            choice[t->n_choices++] = (LTileChoice){ file->contracts.data[i].key, file->contracts.data[i].tile };
    t->choice = choice;
    return t;
}
