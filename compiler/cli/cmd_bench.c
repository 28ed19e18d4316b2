/* bench: builds the program each way that is asked for, measures all of them in turns, reports. */
#include "bench/bench.h"
#include "cli/cli.h"
#include "native_llvm.h"
#include "nnc_internal.h"
#include "runtime/signals.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_BUILDS = 4 * CLI_MAX_LIST + 1 };

typedef struct {
    CliArgs *args;
    Bench bench;
    nnc *opened[MAX_BUILDS];
    int n_opened;
    bool both_fused;
    const char *backend[2];
    int n_backends;
} Session;

static bool read_compare(Session *s)
{
    const char *text = s->args->compare;
    s->n_backends = 1;
    s->backend[0] = s->args->backend ? s->args->backend : native_has_llvm() ? "llvm" : "c";
    while (text && *text) {
        size_t n = strcspn(text, ",");
        if (n == 6 && strncmp(text, "fusion", n) == 0) {
            s->both_fused = true;
        } else if (n == 7 && strncmp(text, "backend", n) == 0) {
            if (!native_has_llvm()) {
                cli_error("nnc bench: --compare backend: this nnc was built without LLVM\n"
                          "note: build it with LLVM 19 (llvm-19-dev)");
                return false;
            }
            s->n_backends = 2;
            s->backend[0] = "c";
            s->backend[1] = "llvm";
        } else {
            cli_error("nnc bench: --compare takes fusion, backend, or both with a comma between, not '%s'", s->args->compare);
            return false;
        }
        text += n + (text[n] == ',');
    }
    return true;
}

/* A program compiled one way, loaded, and added. */
static bool add_build(Session *s, bool unfused, const char *backend, int64_t batch)
{
    CliArgs *args = s->args;
    args->no_fuse = unfused;
    args->backend = backend;
    args->batch = batch;
    args->split_calls = s->bench.profile;
    nnc *n = cli_open(args, NULL, 0);
    s->opened[s->n_opened++] = n;
    bool ok = nnc_load(n, args->file) == 0;
    args->loaded_before = true; /* warnings are shown once */
    const nnr_program *program = ok && nnc_compile(n) == 0 ? nnc_native(n, false) : NULL;
    if (program && !bench_add(&s->bench, n, program, unfused, backend, batch)) {
        cli_error("%s", s->bench.error);
        return false;
    }
    return program != NULL;
}

static bool add_machine(Session *s)
{
    s->args->split_calls = false;
    s->args->backend = s->backend[0];
    nnc *n = cli_open(s->args, NULL, 0);
    s->opened[s->n_opened++] = n;
    const nnr_program *program = nnc_take(n, machine_program, NULL) == 0 ? nnc_native(n, false) : NULL;
    if (program && !bench_add_machine(&s->bench, n, program)) {
        cli_error("%s", s->bench.error);
        return false;
    }
    return program != NULL;
}

static bool add_all(Session *s)
{
    const CliList lists = s->args->batch_list;
    bool unfused = s->args->no_fuse;
    int n_fused = s->both_fused ? 2 : 1, n_batches = lists.n ? lists.n : 1;
    for (int i = 0; s->args->file && i < n_batches * n_fused * s->n_backends; i++) {
        int back = i % s->n_backends, fused = i / s->n_backends % n_fused, batch = i / s->n_backends / n_fused;
        if (!add_build(s, s->both_fused ? fused == 1 : unfused, s->backend[back], lists.n ? lists.v[batch] : 0))
            return false;
    }
    return add_machine(s);
}

static bool write_file(Session *s, const char *path, const char *text)
{
    const char *why = text_write_file(s->args->arena, path, text, strlen(text));
    if (why)
        cli_error("%s: %s", path, why);
    return !why;
}

static int report(Session *s)
{
    Bench *b = &s->bench;
    Text out = { .arena = b->arena };
    text_add(&out, "");
    if (s->args->json) {
        bench_json(b, &out);
    } else {
        bench_machine_table(b, &out);
        if (b->cases.len) {
            text_add(&out, "\n");
            bench_table(b, &out);
            if (s->args->profile)
                bench_profile_table(b, &out);
        }
    }
    fputs(out.data, stdout);
    bool ok = fflush(stdout) == 0;
    if (nnr_signals_seen())
        fprintf(stderr, "note: stopped early: the figures are of the rounds until then\n");
    if (ok && s->args->svg)
        ok = write_file(s, s->args->svg, bench_svg(b));
    if (ok && s->args->trace)
        ok = write_file(s, s->args->trace, bench_trace(b));
    return !ok ? CLI_FAILED : nnr_signals_seen() ? CLI_STOPPED : CLI_OK;
}

/* Pictures are drawn last: a path that cannot be written to is told of before the measurements. */
static bool may_write(const CliArgs *args)
{
    const char *paths[] = { args->svg, args->trace };
    for (int i = 0; i < 2; i++) {
        const char *why = paths[i] ? text_may_write(args->arena, paths[i]) : NULL;
        if (why)
            cli_error("%s: %s", paths[i], why);
        if (why)
            return false;
    }
    return true;
}

int cmd_bench(CliArgs *args)
{
    Session s = { .args = args };
    static int64_t default_threads;
    default_threads = omp_get_max_threads();
    s.bench = (Bench){ .arena = args->arena,
                       .file = args->file,
                       .entry = args->entry,
                       .threads = args->thread_list.n ? args->thread_list.v : &default_threads,
                       .n_threads = args->thread_list.n ? args->thread_list.n : 1,
                       .seconds = args->seconds > 0 ? args->seconds : 1,
                       .profile = args->profile || args->svg || args->trace,
                       .stopped = nnr_signals_seen };
    if (!read_compare(&s))
        return CLI_USAGE;
    if (!args->file && s.bench.profile) {
        cli_error("nnc bench: --profile, --svg and --trace need a FILE.nn");
        return CLI_USAGE;
    }
    int status = CLI_FAILED;
    if (may_write(args) && add_all(&s)) {
        nnr_signals signals = { .active = false };
        nnr_signals_begin(&signals); /* Ctrl-C: what was measured until then is reported */
        bench_run(&s.bench);
        nnr_signals_end(&signals);
        status = report(&s);
    }
    bench_close(&s.bench);
    for (int i = 0; i < s.n_opened; i++)
        nnc_free(s.opened[i]);
    return status;
}
