/* How long one call of an entry takes: the median over many calls on random inputs. */
#include "runtime/model.h"
#include "runtime/progress.h"
#include <omp.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_IO = 64, MAX_CALLS = 20000, WARM_UP = 3 };

typedef struct {
    const nnr_entry *entry;
    nnr_model *model;
    void *in[MAX_IO], *out[MAX_IO], *arena;
    void *weights, *slots; /* as they were: training steps must not drift into denormals or NaN */
    double *times;
    int n;
} Bench;

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Floats are uniform in [0, 1); integers, which may be indices of anything, are 0. */
static void random_input(const nnr_info *info, uint64_t salt, void *values)
{
    int64_t n = nnr_elems(info->dims, info->rank);
    uint64_t key = nnr_key(0, 0, salt);
    for (int64_t i = 0; i < n; i++) {
        if (info->dtype == NNR_F32) ((float *)values)[i] = nnr_uniform(key, (uint32_t)i);
        if (info->dtype == NNR_F64) ((double *)values)[i] = (double)nnr_uniform(key, (uint32_t)i);
    }
}

static bool allocate(Bench *b)
{
    const nnr_entry *e = b->entry;
    const nnr_program *p = b->model->program;
    bool ok = e->n_in <= MAX_IO && e->n_out <= MAX_IO && (b->arena = nnr_block(e->arena_bytes)) &&
              (b->weights = nnr_block(p->weights_bytes)) && (b->slots = nnr_block(p->slots_bytes)) &&
              (b->times = malloc(sizeof *b->times * MAX_CALLS));
    for (int k = 0; ok && k < e->n_in; k++) {
        ok = (b->in[k] = nnr_block(nnr_info_bytes(&e->in[k]))) != NULL;
        if (ok) random_input(&e->in[k], (uint64_t)k, b->in[k]);
    }
    for (int k = 0; ok && k < e->n_out; k++) ok = (b->out[k] = nnr_block(nnr_info_bytes(&e->out[k]))) != NULL;
    if (!ok) return false;
    memcpy(b->weights, b->model->weights, p->weights_bytes);
    memcpy(b->slots, b->model->slots, p->slots_bytes);
    return true;
}

static void release(Bench *b)
{
    for (int k = 0; k < MAX_IO; k++) {
        free(b->in[k]);
        free(b->out[k]);
    }
    free(b->arena);
    free(b->weights);
    free(b->slots);
    free(b->times);
}

static void measure(Bench *b, double seconds)
{
    const nnr_program *p = b->model->program;
    double end = nnr_now() + seconds;
    nnr_ctx ctx = {0};
    for (int i = -WARM_UP; i < MAX_CALLS && (i < 5 || nnr_now() < end); i++) {
        if (b->entry->kind == NNR_STEP && i % 64 == 0) {
            memcpy(b->model->weights, b->weights, p->weights_bytes);
            memcpy(b->model->slots, b->slots, p->slots_bytes);
            ctx.step = 0;
        }
        double t = nnr_now();
        b->entry->run(b->model->weights, b->model->slots, (const void *const *)b->in, b->out, b->arena, &ctx);
        t = nnr_now() - t;
        ctx.step++;
        if (i >= 0) b->times[b->n++] = t;
    }
    memcpy(b->model->weights, b->weights, p->weights_bytes);
    memcpy(b->model->slots, b->slots, p->slots_bytes);
    qsort(b->times, (size_t)b->n, sizeof *b->times, ascending);
}

static void report(const Bench *b, const nnr_bench_options *o)
{
    double median = b->times[b->n / 2];
    double samples = b->entry->batch > 0 ? (double)b->entry->batch : 1;
    const char *form = o->json ? "{\"entry\": \"%s\", \"batch\": %lld, \"threads\": %d, \"median_ms\": %.6g, "
                                 "\"min_ms\": %.6g, \"calls\": %d, \"samples_per_second\": %.6g}"
                               : "%-24s batch %-5lld threads %-3d median %.4g ms  min %.4g ms  (%d calls)  "
                                 "%.6g samples/s";
    nnr_tell(o->say, o->user, NNR_SAY_RESULT, form, b->entry->name, (long long)b->entry->batch,
             omp_get_max_threads(), median * 1e3, b->times[0] * 1e3, b->n, samples / median);
}

static bool wanted(const nnr_bench_options *o, const nnr_entry *e)
{
    if (o->entry) return strcmp(o->entry, e->name) == 0;
    return e->kind == NNR_INFER || e->kind == NNR_STEP;
}

static bool bench_all(nnr_model *model, const nnr_bench_options *o, nnr_error *err)
{
    const nnr_program *p = model->program;
    int done = 0;
    if (nnr_model_init(model, 0, err) != NNR_OK) return false;
    if (o->weights && nnr_weights_load(model, o->weights, true, o->say, o->user, err) != NNR_OK) return false;
    for (int i = 0; i < p->n_entries; i++) {
        Bench b = {.entry = &p->entries[i], .model = model};
        if (!wanted(o, b.entry)) continue;
        bool ok = allocate(&b);
        if (ok) {
            measure(&b, o->seconds > 0 ? o->seconds : 1);
            report(&b, o);
        }
        release(&b);
        if (!ok) return nnr_no_memory(err, p->name, b.entry->arena_bytes);
        done++;
    }
    if (done > 0) return true;
    nnr_fail(err, "%s: error: there is no entry %.80s", p->name, o->entry ? o->entry : "to time");
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
    bool ok = bench_all(&model, options, err);
    nnr_model_destroy(&model);
    return ok ? NNR_OK : NNR_FAILED;
}
