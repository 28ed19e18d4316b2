/* Cases and their rounds. */
#include "bench/bench.h"
#include "nnc_internal.h"
#include "runtime/error.h"
#include "runtime/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MIN_ROUNDS = 5, MAX_ROUNDS = 400, MACHINE_ROUNDS = 15 };
static const double SAMPLE_SECONDS = 2e-3;

/* ---- samples ---- */

void samples_add(Arena *arena, Samples *s, double seconds)
{
    if (s->n == s->cap)
        s->seconds = arena_grow(arena, s->seconds, &s->cap, sizeof *s->seconds);
    s->seconds[s->n++] = seconds;
}

void samples_close(Samples *s)
{
    if (!s->n)
        return;
    s->median = nnr_quantile(s->seconds, s->n, 0.5);
    s->low = nnr_quantile(s->seconds, s->n, 0.1);
    s->high = nnr_quantile(s->seconds, s->n, 0.9);
}

/* ---- what to measure ---- */

static bool fail(Bench *b, const char *text)
{
    snprintf(b->error, sizeof b->error, "%s", text);
    return false;
}

static Build *add_build(Bench *b, nnc *compiler, const nnr_program *program, bool unfused, const char *backend)
{
    nnr_error err = { "" };
    Build *build = ARENA_NEW(b->arena, Build);
    *build = (Build){ .compiler = compiler, .program = program, .unfused = unfused, .backend = backend };
    if (nnr_model_create(program, &build->model, &err) != NNR_OK) {
        fail(b, err.text);
        return NULL;
    }
    VEC_PUSH(b->arena, &b->builds, build);
    if (nnr_model_init(&build->model, 0, &err) == NNR_OK)
        return build;
    fail(b, err.text);
    return NULL;
}

static Subject *add_subject(Bench *b, Build *build, int entry)
{
    Subject *s = ARENA_NEW(b->arena, Subject);
    *s = (Subject){ .entry = entry, .build = build };
    if (nnr_timed_open(&s->timed, &build->model, &build->program->entries[entry])) {
        VEC_PUSH(b->arena, &b->subjects, s);
        return s;
    }
    nnr_error err;
    nnr_no_memory(&err, build->program->name, build->program->entries[entry].arena_bytes);
    fail(b, err.text);
    return NULL;
}

static Case *new_case(Bench *b, Subject *s, int threads)
{
    Case *c = ARENA_NEW(b->arena, Case);
    *c = (Case){ .subject = s, .threads = threads, .calls = 1 };
    if (b->profile && s->build != b->loops) {
        c->parts = ARENA_ARRAY(b->arena, Samples, bench_entry(s)->calls.len + 1);
        c->trace = ARENA_ARRAY(b->arena, Slice, bench_entry(s)->calls.len + 1);
    }
    return c;
}

static bool wanted(const Bench *b, const LEntry *e, const char *name)
{
    if (e->calls.len == 0)
        return false;
    if (b->entry)
        return strcmp(b->entry, name) == 0;
    return e->kind == NNR_INFER || e->kind == NNR_STEP;
}

static bool no_entry(Bench *b, const Build *build)
{
    int at = snprintf(b->error, sizeof b->error, "%s: error: no entry point %s%s%s\nnote: entry points:", b->file,
                      b->entry ? "is named '" : "can be timed", b->entry ? b->entry : "", b->entry ? "'" : "");
    for (int i = 0; i < build->n_entries && at < (int)sizeof b->error - 80; i++)
        if (i == 0 || strcmp(build->program->entries[i].name, build->program->entries[i - 1].name) != 0)
            at += snprintf(b->error + at, sizeof b->error - (size_t)at, "%s %.60s", i ? "," : "",
                       build->program->entries[i].name);
    return false;
}

bool bench_add(Bench *b, nnc *compiler, const nnr_program *program, bool unfused, const char *backend, int64_t batch)
{
    Build *build = add_build(b, compiler, program, unfused, backend);
    if (!build)
        return false;
    int found = 0;
    build->n_entries = bench_whole_entries(nnc_program(compiler), b->profile);
    for (int i = 0; i < build->n_entries; i++) {
        const LEntry *e = nnc_program(compiler)->entries.data[i];
        if (!wanted(b, e, e->name) || (batch && e->batch && e->batch != batch))
            continue;
        Subject *s = add_subject(b, build, i);
        if (!s)
            return false;
        for (int t = 0; t < b->n_threads; t++)
            VEC_PUSH(b->arena, &b->cases, new_case(b, s, (int)b->threads[t]));
        found++;
    }
    return found ? true : no_entry(b, build);
}

bool bench_add_machine(Bench *b, nnc *compiler, const nnr_program *program)
{
    b->loops = add_build(b, compiler, program, false, "");
    if (!b->loops)
        return false;
    for (int i = 0; i < program->n_entries; i++) {
        Subject *s = add_subject(b, b->loops, i);
        if (!s)
            return false;
        for (int t = 0; t < b->n_threads; t++)
            VEC_PUSH(b->arena, &b->machine_cases, new_case(b, s, (int)b->threads[t]));
    }
    return true;
}

void bench_close(Bench *b)
{
    for (int i = 0; i < b->subjects.len; i++)
        nnr_timed_close(&b->subjects.data[i]->timed);
    for (int i = 0; i < b->builds.len; i++)
        nnr_model_destroy(&b->builds.data[i]->model);
}

/* ---- measuring ---- */

/* As many calls a sample as make it long beside the clock. */
static void calibrate(Case *c)
{
    nnr_set_threads(c->threads);
    nnr_timed_calls(&c->subject->timed, 1);
    for (;;) {
        double seconds = nnr_timed_calls(&c->subject->timed, c->calls);
        if (seconds >= SAMPLE_SECONDS / 2 || c->calls >= 1 << 20)
            break;
        double more = seconds > 0 ? SAMPLE_SECONDS / seconds : 16;
        c->calls = (int64_t)((double)c->calls * (more < 2 ? 2 : more > 16 ? 16 : more));
    }
}

/* A turn begins with a call that is not counted: the turn before left its own data in the caches. */
static void turn(Bench *b, Case *c)
{
    nnr_set_threads(c->threads);
    if (!c->samples.n || c->calls > 1 || c->samples.seconds[c->samples.n - 1] < 0.05)
        nnr_timed_calls(&c->subject->timed, 1);
    samples_add(b->arena, &c->samples, nnr_timed_calls(&c->subject->timed, c->calls) / (double)c->calls);
}

static void close_machine(Bench *b)
{
    if (!b->loops) /* nothing to compare with is wanted */
        return;
    const LProgram *p = nnc_program(b->loops->compiler);
    const LTarget *t = nnc_target(b->loops->compiler);
    b->machines = ARENA_ARRAY(b->arena, Machine, b->n_threads);
    for (int i = 0; i < b->machine_cases.len; i++) {
        Case *c = b->machine_cases.data[i];
        const LFunc *f = p->entries.data[c->subject->entry]->calls.data[0].func;
        Machine *m = &b->machines[i % b->n_threads];
        samples_close(&c->samples);
        m->threads = c->threads;
        int at = c->subject->entry - 1; /* machine_program: the peak, the levels, the triad */
        double bytes = (double)f->bytes / c->samples.median;
        if (at < 0)
            m->flops = (double)f->flops / c->samples.median;
        else if (at < N_LEVELS)
            m->read[at] = bytes * (at < LEVEL_L3 ? c->threads : 1); /* a core has its own */
        else
            m->triad = bytes;
        m->size[LEVEL_L1] = t->l1 * c->threads;
        m->size[LEVEL_L2] = t->l2 * c->threads;
        m->size[LEVEL_L3] = t->l3 < 64 << 20 ? t->l3 : 64 << 20; /* other cores use it too */
        m->size[LEVEL_MEMORY] = INT64_MAX;
    }
}

/* Cases of one entry point and batch stand together. */
static void group_cases(Bench *b)
{
    for (int i = 0; i < b->cases.len; i++) {
        const LEntry *e = bench_entry(b->cases.data[i]->subject);
        for (int k = i + 1, at = i + 1; k < b->cases.len; k++) {
            Case *c = b->cases.data[k];
            const LEntry *other = bench_entry(c->subject);
            if (other->batch != e->batch || strcmp(other->name, e->name) != 0)
                continue;
            memmove(&b->cases.data[at + 1], &b->cases.data[at], (size_t)(k - at) * sizeof *b->cases.data);
            b->cases.data[at++] = c;
        }
    }
}

/* The first round is made in any case: of every case there is a sample. */
static bool stopped(const Bench *b, int round) { return round > 0 && b->stopped && b->stopped(); }

void bench_run(Bench *b)
{
    group_cases(b);
    for (int i = 0; i < b->machine_cases.len; i++)
        calibrate(b->machine_cases.data[i]);
    for (int i = 0; i < b->cases.len; i++)
        calibrate(b->cases.data[i]);
    double end = nnr_now() + b->seconds * (b->cases.len ? b->cases.len : 1);
    for (int round = 0; round < MAX_ROUNDS && (round < MIN_ROUNDS || nnr_now() < end) && !stopped(b, round); round++) {
        for (int i = 0; round < MACHINE_ROUNDS && i < b->machine_cases.len; i++)
            turn(b, b->machine_cases.data[i]);
        for (int i = 0; i < b->cases.len && !stopped(b, round); i++) {
            turn(b, b->cases.data[i]);
            if (b->cases.data[i]->parts)
                profile_turn(b, b->cases.data[i]);
        }
    }
    close_machine(b);
    for (int i = 0; i < b->cases.len; i++) {
        samples_close(&b->cases.data[i]->samples);
        profile_close(b->cases.data[i]);
    }
}

/* ---- figures ---- */

const LEntry *bench_entry(const Subject *s) { return nnc_program(s->build->compiler)->entries.data[s->entry]; }

Figures bench_figures(const Bench *b, const Case *c)
{
    Figures f = { .entry = bench_entry(c->subject) };
    for (int i = 0; i < b->n_threads; i++)
        if (b->machines[i].threads == c->threads)
            f.machine = &b->machines[i];
    f.kernels = f.entry->calls.len;
    const Work *w = bench_work(b->arena, f.entry, f.machine);
    for (int k = 0; k < f.kernels; k++) {
        f.total.flops += w[k].flops;
        f.total.read += w[k].read;
        f.total.written += w[k].written;
        for (int level = 0; level < N_LEVELS; level++)
            f.total.level[level] += w[k].level[level];
        f.limit += work_limit(&w[k], f.machine, NULL);
    }
    return f;
}
