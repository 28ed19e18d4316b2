/* bench: builds the program each way that is asked for, measures all of them in turns, reports. */
#include "bench/bench.h"
#include "cli/cli.h"
#include "nnc_internal.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_BUILDS = 2 * CLI_MAX_LIST + 1 };

typedef struct {
    CliArgs *args;
    Bench bench;
    nnc *opened[MAX_BUILDS];
    int n_opened;
    bool both_fused;
} Session;

static bool read_compare(Session *s)
{
    const char *text = s->args->compare;
    while (text && *text) {
        size_t n = strcspn(text, ",");
        if (n == 6 && strncmp(text, "fusion", n) == 0) {
            s->both_fused = true;
        } else {
            cli_error("nnc bench: --compare takes fusion, not '%s'", s->args->compare);
            return false;
        }
        text += n + (text[n] == ',');
    }
    return true;
}

/* A program compiled one way, loaded, and added. */
static bool add_build(Session *s, bool unfused, int64_t batch)
{
    CliArgs *args = s->args;
    args->no_fuse = unfused;
    args->batch = batch;
    args->split_calls = s->bench.profile;
    nnc *n = cli_open(args, NULL, 0);
    s->opened[s->n_opened++] = n;
    bool ok = nnc_load(n, args->file) == 0;
    args->loaded_before = true; /* warnings are shown once */
    const nnr_program *program = ok && nnc_compile(n) == 0 ? nnc_native(n, false) : NULL;
    if (program && !bench_add(&s->bench, n, program, unfused, "c", batch)) {
        cli_error("%s", s->bench.error);
        return false;
    }
    return program != NULL;
}

static bool add_machine(Session *s)
{
    s->args->split_calls = false;
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
    const CliList *batches = &s->args->batch_list;
    const CliList lists = *batches;
    bool unfused = s->args->no_fuse;
    for (int i = 0; s->args->file && i < (lists.n ? lists.n : 1); i++)
        for (int k = 0; k < (s->both_fused ? 2 : 1); k++)
            if (!add_build(s, s->both_fused ? k == 1 : unfused, lists.n ? lists.v[i] : 0))
                return false;
    return add_machine(s);
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
    return fflush(stdout) == 0 ? CLI_OK : CLI_FAILED;
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
                       .profile = args->profile };
    if (!read_compare(&s))
        return CLI_USAGE;
    int status = CLI_FAILED;
    if (add_all(&s)) {
        bench_run(&s.bench);
        status = report(&s);
    }
    bench_close(&s.bench);
    for (int i = 0; i < s.n_opened; i++)
        nnc_free(s.opened[i]);
    return status;
}
