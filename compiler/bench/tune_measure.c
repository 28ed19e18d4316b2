/* Candidates for one contraction, timed against each other. */
#include "bench/tune_measure.h"
#include "nnc_internal.h"
#include "runtime/error.h"
#include "runtime/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Contraction *search_find(const Search *s, const char *key)
{
    for (int i = 0; i < s->contractions.len; i++)
        if (strcmp(s->contractions.data[i]->key, key) == 0)
            return s->contractions.data[i];
    return NULL;
}

/* ---- one program of all candidates ---- */

typedef struct {
    const Search *search;
    const Contraction *contraction;
} Wanted;

/* May candidate j run in the memory of the cost model's variant? A schedule changes no buffer but its own
 * scratch; should it ever, the candidate is left out. */
static bool same_memory(const Search *s, const Contraction *c, int j)
{
    const LProgram *p = nnc_program(s->variant[0]), *q = nnc_program(s->variant[j]);
    if (p->weights_bytes != q->weights_bytes || p->slots_bytes != q->slots_bytes || p->entries.len != q->entries.len)
        return false;
    const LEntry *a = p->entries.data[c->entry], *b = q->entries.data[c->entry];
    if (a->calls.len != b->calls.len)
        return false;
    const LCall *x = &a->calls.data[c->call], *y = &b->calls.data[c->call];
    for (int i = 0; i < x->func->params.len && i < y->func->params.len; i++) {
        if (x->func->params.data[i] == x->func->scratch || y->func->params.data[i] == y->func->scratch)
            continue;
        bool same = x->args[i].kind == y->args[i].kind && x->args[i].index == y->args[i].index &&
                    x->func->params.data[i]->count == y->func->params.data[i]->count;
        if (!same)
            return false;
    }
    return true;
}

/* An entry point a candidate: the kernel call of its variant, in the memory of the whole entry point. */
static LProgram *candidate_program(Arena *arena, const LTarget *target, void *user)
{
    (void)target;
    const Wanted *w = user;
    LProgram *p = ARENA_NEW(arena, LProgram);
    *p = *nnc_program(w->search->variant[0]);
    p->arena = arena;
    memset(&p->funcs, 0, sizeof p->funcs);
    memset(&p->entries, 0, sizeof p->entries);
    for (int j = 0; j < w->contraction->n_tiles; j++) {
        int from = same_memory(w->search, w->contraction, j) ? j : 0;
        const LEntry *whole = nnc_program(w->search->variant[from])->entries.data[w->contraction->entry];
        LFunc *f = ARENA_NEW(arena, LFunc);
        *f = *whole->calls.data[w->contraction->call].func;
        f->name = arena_printf(arena, "candidate_%d", j);
        LEntry *e = lentry_without_calls(arena, whole);
        e->name = e->c_name = arena_printf(arena, "run_candidate_%d", j);
        e->kind = NNR_INFER; /* no state to go back to */
        lentry_take_call(p, e, whole, w->contraction->call);
        e->calls.data[0].func = f;
        VEC_PUSH(arena, &p->funcs, f);
        VEC_PUSH(arena, &p->entries, e);
    }
    return p;
}

/* ---- caches as they are in the network ---- */

enum { MIB = 1024 * 1024, MOST_FAR = 32 * MIB };

typedef struct {
    const char *data;
    int64_t bytes;
    float sum[64 * 16]; /* a cache line a chunk */
} Sweep;

static void read_chunk(void *arg, int64_t i)
{
    enum { CHUNKS = 64 };
    Sweep *s = arg;
    const float *from = (const float *)(const void *)(s->data + s->bytes / CHUNKS / 64 * 64 * i);
    float sum = 0;
    for (int64_t k = 0; k < s->bytes / CHUNKS / 4; k += 16)
        sum += from[k];
    s->sum[i * 16] = sum;
}

static void read_all(const void *data, int64_t bytes)
{
    static _Thread_local Sweep s;
    s.data = data;
    s.bytes = bytes;
    nnr_parallel_for(read_chunk, &s, 64);
}

typedef struct {
    nnr_timed timed; /* on the candidate that needs the largest arena */
    const nnr_program *program;
    nnr_model model;
    char *far;         /* what other kernels touch between two calls */
    int64_t far_bytes;
    const Region *region; /* of the call in the cost model's variant */
    int n_regions;
    int64_t near_bytes; /* what was touched less long ago than this is still in a private cache */
} Stage;

static const void *place(const Stage *s, const LProgram *p, const LRef *at)
{
    switch (at->kind) {
    case LR_INPUT: return s->timed.in[at->index];
    case LR_OUTPUT: return s->timed.out[at->index];
    case LR_ARENA:
    case LR_LANE: return (const char *)s->timed.arena + at->offset; /* of a lane: somewhere in the arena */
    default: break;
    }
    const LGlobal *g = &p->globals[at->index];
    return (const char *)(g->kind == NNR_SLOT ? s->model.slots : s->model.weights) + g->offset;
}

/* Pushes out what would have been pushed out, brings back what would still be near. */
static void prepare(const Stage *s, const LProgram *p)
{
    if (s->far_bytes > s->near_bytes) {
        read_all(s->far, s->far_bytes);
        for (int i = 0; i < s->n_regions; i++)
            if (s->region[i].distance <= (double)s->near_bytes && s->region[i].bytes >= 4096)
                read_all(place(s, p, &s->region[i].at), s->region[i].bytes);
    }
}

static bool open_stage(Stage *s, Tuner *t, const Search *search, const Contraction *c)
{
    nnr_error err = { "" };
    int largest = 0;
    for (int j = 0; j < s->program->n_entries; j++)
        if (s->program->entries[j].arena_bytes > s->program->entries[largest].arena_bytes)
            largest = j;
    const LEntry *whole = nnc_program(search->variant[0])->entries.data[c->entry];
    s->region = bench_regions(t->arena, whole, c->call, &s->n_regions);
    double most = 0;
    for (int i = 0; i < s->n_regions; i++)
        most = s->region[i].distance > most ? s->region[i].distance : most;
    s->far_bytes = most < MOST_FAR ? (int64_t)most / 4096 * 4096 : MOST_FAR;
    s->near_bytes = nnc_target(search->variant[0])->l2 * t->threads;
    if (nnr_model_create(s->program, &s->model, &err) == NNR_OK && (s->far = nnr_block((size_t)s->far_bytes + 64)) &&
        nnr_timed_open(&s->timed, &s->model, &s->program->entries[largest]))
        return true;
    nnr_no_memory(&err, t->file, s->program->entries[largest].arena_bytes);
    snprintf(t->error, sizeof t->error, "%s", err.text);
    return false;
}

static void close_stage(Stage *s)
{
    nnr_timed_close(&s->timed);
    nnr_model_destroy(&s->model);
    free(s->far);
}

/* ---- rounds ---- */

static double time_once(Stage *s, const LProgram *p, int j)
{
    prepare(s, p);
    double start = nnr_now();
    nnr_timed_part(&s->timed, &s->program->entries[j]);
    return nnr_now() - start;
}

/* Rounds over the candidates that are alive, for so many seconds but at least so many rounds; after the
 * fourth, those far behind drop out. */
static void rounds(Tuner *t, Stage *s, const LProgram *p, bool *alive, Samples *samples, int n, int least, double seconds)
{
    double end = nnr_now() + seconds;
    for (int round = 0; round < 60 && (round < least || nnr_now() < end) && !t->stopped(t->user); round++) {
        for (int j = 0; j < n; j++)
            if (alive[j])
                samples_add(t->arena, &samples[j], time_once(s, p, j));
        if (round != 3)
            continue;
        double best = 0;
        for (int j = 0; j < n; j++) {
            double m = alive[j] ? nnr_quantile(samples[j].seconds, samples[j].n, 0.5) : 0;
            best = alive[j] && (best == 0 || m < best) ? m : best;
        }
        for (int j = 1; j < n; j++)
            alive[j] = alive[j] && nnr_quantile(samples[j].seconds, samples[j].n, 0.5) < 1.25 * best;
    }
}

static double quartile(const Samples *s, double q) { return nnr_quantile(s->seconds, s->n, q); }

static void compare(Tuner *t, Stage *s, const LProgram *p, int n, double seconds, Outcome *out)
{
    bool alive[MAX_CANDIDATES];
    Samples first[MAX_CANDIDATES] = { 0 }, second[MAX_CANDIDATES] = { 0 };
    for (int j = 0; j < n; j++) {
        alive[j] = true;
        time_once(s, p, j);
    }
    rounds(t, s, p, alive, first, n, 6, seconds * 0.6);
    for (int j = 0; j < n; j++)
        if (alive[j] && first[j].n && quartile(&first[j], 0.5) < quartile(&first[out->best], 0.5))
            out->best = j;
    for (int j = 0; j < n; j++)
        alive[j] = j == 0 || j == out->best;
    rounds(t, s, p, alive, second, n, 11, seconds * 0.4);
    out->stopped = t->stopped(t->user);
    if (out->stopped || !second[0].n)
        return;
    bool apart = quartile(&second[out->best], 0.75) < quartile(&second[0], 0.25) &&
                 quartile(&second[out->best], 0.5) < 0.98 * quartile(&second[0], 0.5);
    out->best = apart ? out->best : 0;
    out->seconds = quartile(&second[out->best], 0.5);
    out->before = quartile(&second[0], 0.5);
}

bool measure_candidates(Tuner *t, Search *search, const Contraction *c, double seconds, Outcome *out)
{
    Wanted wanted = { search, c };
    nnc *n = t->open(t->user, false, t->batch);
    Stage s = { .program = nnc_take(n, candidate_program, &wanted) == 0 ? nnc_native(n, false) : NULL };
    bool ok = s.program && open_stage(&s, t, search, c);
    if (ok) {
        nnr_set_threads(t->threads);
        compare(t, &s, nnc_program(n), c->n_tiles, seconds, out);
    }
    close_stage(&s);
    nnc_free(n);
    return ok;
}
