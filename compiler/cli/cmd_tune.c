/* tune: runs the tuner, keeps its file up to date, and says in the end what whole entry points gained. */
#include "bench/tune.h"
#include "cli/cli.h"
#include "nnc_internal.h"
#include "runtime/signals.h"

#include <omp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    CliArgs *args;
    const char *path; /* of the tuning file */
    TuningFile known;
    bool failed;
} Session;

static nnc *open_compiler(void *user, bool split, int64_t batch)
{
    CliArgs *args = ((Session *)user)->args;
    args->tune = "none";
    args->split_calls = split;
    args->batch = batch;
    args->no_prepare = true; /* candidates are timed as kernels that do all by themselves */
    nnc *n = cli_open(args, NULL, 0);
    args->loaded_before = true; /* warnings are shown once */
    return n;
}

static void say(void *user, const char *line)
{
    (void)user;
    puts(line);
    fflush(stdout);
}

static bool save(void *user)
{
    Session *s = user;
    const char *text = tuning_print(s->args->arena, &s->known);
    const char *why = text_write_file(s->args->arena, s->path, text, strlen(text));
    if (!why)
        return true;
    cli_error("%s: %s", s->path, why);
    s->failed = true;
    return false;
}

static bool stopped(void *user)
{
    (void)user;
    return nnr_signals_seen();
}

static const char *default_path(Arena *arena, const char *file)
{
    size_t n = strlen(file);
    bool nn = n > 3 && strcmp(file + n - 3, ".nn") == 0;
    return arena_printf(arena, "%.*s.tune", (int)(nn ? n - 3 : n), file);
}

static void show_diagnostic(void *user, DiagLevel level, const char *text)
{
    (void)user;
    (void)level;
    fputs(text, stderr);
}

/* What an earlier run found, for this machine, is gone on with; another machine's is begun anew. */
static bool read_known(Session *s, const LTarget *target)
{
    Arena *arena = s->args->arena;
    const char *machine = tuning_machine(arena, target), *why = NULL;
    if (access(s->path, F_OK) == 0) {
        Source *source = source_read(arena, s->path, &why);
        Diags diags = { .arena = arena, .fn = show_diagnostic };
        if (!source) {
            cli_error("%s: %s", s->path, why);
            return false;
        }
        if (!tuning_read(arena, source, &s->known, &diags))
            return false;
        if (strcmp(s->known.machine, machine) != 0) {
            fprintf(stderr, "note: %s was measured for another machine and is made anew\n", s->path);
            s->known = (TuningFile){ 0 };
        } else {
            if (s->known.contracts.len)
                printf("%s: %d contractions are known already\n", s->path, s->known.contracts.len);
        }
    }
    s->known.machine = machine;
    return true;
}

/* Whole entry points with the cost model's schedules and with the file's, in turns. */
static bool report_gain(Session *s, int threads, int64_t batch)
{
    CliArgs *args = s->args;
    int64_t list = threads;
    Bench b = { .arena = args->arena, .file = args->file, .entry = args->entry, .threads = &list, .n_threads = 1, .seconds = 0.5 };
    nnc *n[2];
    bool ok = true;
    for (int i = 0; i < 2; i++) {
        n[i] = open_compiler(s, false, batch);
        ok = ok && nnc_load(n[i], args->file) == 0;
        if (ok && i == 1)
            nnc_set_tuning(n[i], tuning_choices(args->arena, &s->known));
        const nnr_program *p = ok && nnc_compile(n[i]) == 0 ? nnc_native(n[i], false) : NULL;
        ok = p && bench_add(&b, n[i], p, false, "", batch);
    }
    if (ok)
        bench_run(&b);
    for (int i = 0; ok && i + 1 < b.cases.len; i += 2) { /* the two builds of an entry point stand together */
        const Samples *before = &b.cases.data[i]->samples, *after = &b.cases.data[i + 1]->samples;
        const LEntry *e = bench_entry(b.cases.data[i]->subject);
        printf("%s, batch %lld, %d thread%s: %s with the cost model's schedules, %s with the file's: %.2f times as fast\n", e->name,
               (long long)e->batch, threads, threads > 1 ? "s" : "", bench_seconds_text(args->arena, before->median),
               bench_seconds_text(args->arena, after->median), before->median / after->median);
    }
    bench_close(&b);
    nnc_free(n[0]);
    nnc_free(n[1]);
    return ok;
}

int cmd_tune(CliArgs *args)
{
    Session s = { .args = args, .path = args->output ? args->output : default_path(args->arena, args->file) };
    int64_t batch = args->batch;
    const char *why = text_may_write(args->arena, s.path);
    if (why) { /* before minutes of measuring, not after */
        cli_error("%s: %s", s.path, why);
        return CLI_FAILED;
    }
    Tuner t = { .arena = args->arena, .file = args->file, .entry = args->entry, .batch = batch,
                .threads = args->threads ? (int)args->threads : omp_get_max_threads(),
                .seconds = args->seconds > 0 ? args->seconds : 60, .known = &s.known,
                .open = open_compiler, .say = say, .save = save, .stopped = stopped, .user = &s };
    nnc *n = open_compiler(&s, false, batch);
    bool ok = nnc_load(n, args->file) == 0 && read_known(&s, nnc_target(n));
    nnc_free(n);
    if (!ok)
        return CLI_FAILED;
    TuneResult result = { 0 };
    nnr_signals signals = { .active = false };
    nnr_signals_begin(&signals);
    ok = tune_run(&t, &result);
    bool interrupted = nnr_signals_seen();
    nnr_signals_end(&signals);
    ok = ok || (interrupted && !s.failed); /* a C compiler that the same Ctrl-C ended is no failure */
    if (!ok && t.error[0])
        cli_error("%s", t.error);
    if (!ok)
        return CLI_FAILED;
    printf("%d contractions, %d measured now, %d better than the cost model's choice%s\n", result.contractions, result.measured,
           result.better, interrupted ? "; stopped, the same command goes on" : result.out_of_time ? "; out of time, the same command goes on" : "");
    ok = save(&s) && (interrupted || report_gain(&s, t.threads, batch));
    if (ok)
        printf("%s is used by every command on %s\n", s.path, args->file);
    return !ok ? CLI_FAILED : interrupted ? CLI_STOPPED : CLI_OK;
}
