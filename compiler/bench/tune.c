/* See tune.h. This file finds the contractions and walks over them; tune_measure.c times candidates. */
#include "bench/tune_measure.h"
#include "nnc_internal.h"
#include "runtime/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST_SHARE = 200 }; /* contractions below 1 / 200 of the time are left alone */

/* ---- what a compilation shows of its contractions ---- */

typedef struct {
    const LFunc *func;
    const char *key;
} Seen;

typedef struct {
    nnc *compiler;
    LTuning tuning;
    Vec(Seen) seen;
    Search *search; /* the first compilation collects candidates, too */
} Variant;

static void note(void *user, const LContract *c, const char *key, const LTile *used)
{
    Variant *v = user;
    (void)used;
    Arena *arena = nnc_arena(v->compiler);
    VEC_PUSH(arena, &v->seen, (Seen){ c->func, key });
    if (!v->search || search_find(v->search, key))
        return;
    Contraction *found = ARENA_NEW(v->search->arena, Contraction);
    *found = (Contraction){ .key = arena_strdup(v->search->arena, key) };
    found->n_tiles = loop_contract_candidates(c, found->tile, MAX_CANDIDATES);
    VEC_PUSH(v->search->arena, &v->search->contractions, found);
}

/* The key of the one contraction of f; NULL: none, or several. */
static const char *key_of(const Variant *v, const LFunc *f)
{
    const char *key = NULL;
    for (int i = 0; i < v->seen.len; i++) {
        if (v->seen.data[i].func != f)
            continue;
        if (key)
            return NULL;
        key = v->seen.data[i].key;
    }
    return key;
}

static bool compile_variant(Tuner *t, Variant *v, const LTuning *choices, bool split)
{
    v->compiler = t->open(t->user, split, t->batch);
    if (nnc_load(v->compiler, t->file))
        return false;
    if (choices)
        v->tuning = *choices;
    v->tuning.seen = note;
    v->tuning.user = v;
    nnc_set_tuning(v->compiler, &v->tuning);
    return nnc_compile(v->compiler) == 0;
}

/* Candidate number j of every contraction that has so many. */
static LTuning *candidates_of(const Search *s, int j)
{
    LTuning *t = ARENA_NEW(s->arena, LTuning);
    LTileChoice *choice = ARENA_ARRAY(s->arena, LTileChoice, s->contractions.len + 1);
    for (int i = 0; i < s->contractions.len; i++) {
        const Contraction *c = s->contractions.data[i];
        if (j < c->n_tiles)
            choice[t->n_choices++] = (LTileChoice){ c->key, c->tile[j] };
    }
    t->choice = choice;
    return t;
}

/* ---- which contractions matter ---- */

/* Times every kernel of the program as it is; where each contraction takes most, and how much in all. */
static bool find_time(Tuner *t, Search *s, Variant *base)
{
    Bench b = { .arena = s->arena, .file = t->file, .entry = t->entry, .threads = (int64_t[]){ t->threads }, .n_threads = 1,
                .seconds = 0.3, .profile = true };
    const nnr_program *program = nnc_native(base->compiler, false);
    if (!program)
        return false;
    bool ok = bench_add(&b, base->compiler, program, false, "", t->batch);
    if (ok)
        bench_run(&b);
    else
        snprintf(t->error, sizeof t->error, "%s", b.error);
    for (int i = 0; ok && i < b.cases.len; i++) {
        const Case *c = b.cases.data[i];
        const LEntry *e = bench_entry(c->subject);
        for (int k = 0; k < e->calls.len; k++) {
            double seconds = c->parts[k].median;
            s->seconds += seconds;
            const char *key = key_of(base, e->calls.data[k].func);
            Contraction *found = key ? search_find(s, key) : NULL;
            if (!found)
                continue;
            found->seconds += seconds;
            if (seconds > found->most) {
                found->most = seconds;
                found->entry = c->subject->entry;
                found->call = k;
            }
        }
    }
    bench_close(&b);
    return ok;
}

static int slowest_first(const void *a, const void *b)
{
    const Contraction *x = *(Contraction *const *)a, *y = *(Contraction *const *)b;
    return (x->seconds < y->seconds) - (x->seconds > y->seconds);
}

/* ---- the walk ---- */

/* In words, or, where those are the same, in full. */
static const char *tile_text(Arena *a, const LTile *t, const LTile *other)
{
    char *words = loop_tile_words(t, a);
    return strcmp(words, loop_tile_words(other, a)) != 0 ? words : loop_tile_print(t, a);
}

static void tell(Tuner *t, const Contraction *c, const LFunc *f, const Outcome *o)
{
    Arena *a = t->arena;
    const char *what = f->path ? f->path : f->name;
    const char *before = bench_seconds_text(a, o->before), *after = bench_seconds_text(a, o->seconds);
    if (o->best > 0)
        t->say(t->user, arena_printf(a, "%-24s %11s -> %11s  %.2f times as fast: %s instead of %s", what, before, after,
                                     o->before / o->seconds, tile_text(a, &c->tile[o->best], &c->tile[0]),
                                     tile_text(a, &c->tile[0], &c->tile[o->best])));
    else
        t->say(t->user, arena_printf(a, "%-24s %11s     the cost model's choice stays, of %d: %s", what, before, c->n_tiles,
                                     loop_tile_words(&c->tile[0], a)));
}

static bool tune_one(Tuner *t, Search *s, Contraction *c, double seconds)
{
    Outcome o = { 0 };
    if (!measure_candidates(t, s, c, seconds, &o))
        return false;
    if (o.stopped)
        return true;
    TunedContract done = { .key = c->key, .chosen = o.best > 0, .tile = c->tile[o.best], .seconds = o.seconds, .before = o.before };
    VEC_PUSH(t->arena, &t->known->contracts, done);
    tell(t, c, nnc_program(s->variant[0])->entries.data[c->entry]->calls.data[c->call].func, &o);
    return t->save(t->user);
}

static bool walk(Tuner *t, Search *s, TuneResult *result)
{
    double end = nnr_now() + t->seconds;
    int left = 0;
    qsort(s->contractions.data, (size_t)s->contractions.len, sizeof(Contraction *), slowest_first);
    for (int i = 0; i < s->contractions.len; i++) {
        const Contraction *c = s->contractions.data[i];
        left += c->seconds * LEAST_SHARE >= s->seconds && !tuning_find(t->known, c->key);
    }
    for (int i = 0; i < s->contractions.len && !t->stopped(t->user); i++) {
        Contraction *c = s->contractions.data[i];
        if (c->seconds * LEAST_SHARE < s->seconds || tuning_find(t->known, c->key))
            continue;
        double now = nnr_now();
        if (now >= end) {
            result->out_of_time = true;
            break;
        }
        int before = t->known->contracts.len;
        if (!tune_one(t, s, c, (end - now) / left * 1.5))
            return false;
        left -= left > 1;
        for (int k = before; k < t->known->contracts.len; k++) {
            result->measured++;
            result->better += t->known->contracts.data[k].chosen;
        }
    }
    return true;
}

bool tune_run(Tuner *t, TuneResult *result)
{
    Search s = { .arena = t->arena };
    Variant base = { .search = &s }, variant[MAX_CANDIDATES] = { 0 };
    bool ok = compile_variant(t, &base, tuning_choices(t->arena, t->known), true) && find_time(t, &s, &base);
    int most = 0;
    for (int i = 0; i < s.contractions.len; i++)
        most = s.contractions.data[i]->n_tiles > most ? s.contractions.data[i]->n_tiles : most;
    for (int j = 0; ok && j < most && !t->stopped(t->user); j++) {
        ok = compile_variant(t, &variant[j], candidates_of(&s, j), false);
        s.variant[j] = variant[j].compiler;
    }
    result->contractions = s.contractions.len;
    ok = ok && walk(t, &s, result);
    for (int j = 0; j < most; j++)
        nnc_free(variant[j].compiler);
    nnc_free(base.compiler);
    return ok;
}
