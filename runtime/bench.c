/* How long one call of an entry takes: the median over many calls on random inputs. */
#include "runtime/progress.h"
#include "runtime/timed.h"
#include <omp.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CALLS = 20000, FEWEST = 20, LEAST = 5 };
#define WARM_UP 0.3 /* seconds, and at least three calls */
#define LONGEST 8.0 /* seconds in which FEWEST calls fit, or fewer are made: LEAST at least */

typedef struct {
    nnr_timed timed;
    double times[MAX_CALLS];
    int n;
} Bench;

static void measure(Bench *b, double seconds)
{
    double start = nnr_now(), last = 0;
    for (int i = 0; i < 3 || (nnr_now() - start < WARM_UP && nnr_now() - start < seconds && i < MAX_CALLS); i++)
        last = nnr_timed_calls(&b->timed, 1);
    int fewest = last * FEWEST > LONGEST ? (int)(LONGEST / last) : FEWEST;
    if (fewest < LEAST) fewest = LEAST;
    double end = nnr_now() + seconds;
    for (b->n = 0; b->n < MAX_CALLS && (b->n < fewest || nnr_now() < end); b->n++)
        b->times[b->n] = nnr_timed_calls(&b->timed, 1);
}

static void report(Bench *b, const nnr_bench_options *o)
{
    const nnr_entry *e = b->timed.entry;
    double median = nnr_quantile(b->times, b->n, 0.5), least = nnr_quantile(b->times, b->n, 0);
    double samples = e->batch > 0 ? (double)e->batch : 1;
    const char *form = o->json ? "{\"entry\": \"%s\", \"batch\": %lld, \"threads\": %d, \"median_ms\": %.6g, "
                                 "\"min_ms\": %.6g, \"calls\": %d, \"samples_per_second\": %.6g}"
                               : "%-24s batch %-5lld threads %-3d median %.4g ms  min %.4g ms  (%d calls)  "
                                 "%.6g samples/s";
    nnr_tell(o->say, o->user, NNR_SAY_RESULT, form, e->name, (long long)e->batch,
             omp_get_max_threads(), median * 1e3, least * 1e3, b->n, samples / median);
}

static bool wanted(const nnr_bench_options *o, const nnr_entry *e)
{
    if (o->batch > 0 && e->batch != o->batch) return false;
    if (o->entry) return strcmp(o->entry, e->name) == 0;
    return e->kind == NNR_INFER || e->kind == NNR_STEP;
}

static bool bench_all(nnr_model *model, Bench *b, const nnr_bench_options *o, nnr_error *err)
{
    const nnr_program *p = model->program;
    int done = 0;
    if (nnr_model_init(model, 0, err) != NNR_OK) return false;
    if (o->weights && nnr_weights_load(model, o->weights, true, o->say, o->user, err) != NNR_OK) return false;
    for (int i = 0; i < p->n_entries; i++) {
        const nnr_entry *e = &p->entries[i];
        if (!wanted(o, e)) continue;
        if (!nnr_timed_open(&b->timed, model, e)) return nnr_no_memory(err, p->name, e->arena_bytes);
        measure(b, o->seconds > 0 ? o->seconds : 1);
        report(b, o);
        nnr_timed_close(&b->timed);
        done++;
    }
    if (done > 0) return true;
    nnr_fail(err, "%s: error: there is no entry %.80s", p->name, o->entry ? o->entry : "to time");
    if (o->batch > 0) nnr_append(err->text, sizeof err->text, " for a batch of %lld", (long long)o->batch);
    nnr_note(err, "the entries are");
    for (int i = 0; i < p->n_entries; i++)
        nnr_append(err->text, sizeof err->text, "%s %s", i ? "," : "", p->entries[i].name);
    return false;
}

nnr_status nnr_run_bench(const nnr_program *program, const nnr_bench_options *options, nnr_error *err)
{
    nnr_model model;
    nnr_set_threads(options->threads);
    if (nnr_model_create(program, &model, err) != NNR_OK) return NNR_FAILED;
    Bench *b = malloc(sizeof *b);
    bool ok = b ? bench_all(&model, b, options, err) : nnr_no_memory(err, program->name, sizeof *b);
    free(b);
    nnr_model_destroy(&model);
    return ok ? NNR_OK : NNR_FAILED;
}
