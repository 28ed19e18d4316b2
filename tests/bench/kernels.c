/* Speed of single contractions as the scheduler makes them and the C back end compiles them: matrix
 * products, convolutions and their gradients, each against the machine's peak, measured in the same run.
 *
 *     make build/tests/bench/kernels && build/tests/bench/kernels [options]
 *       -t N        threads (1)
 *       -f TEXT     only shapes whose name contains TEXT
 *       -m MS       milliseconds a shape (100)
 *       -s TILE     the schedule to use, as loop_tile_print writes it (with -f)
 *       -c N        the N cheapest candidates of every shape instead of the choice
 *       -p M,K,N    this matrix product only; -p M,K,N,ab with transposed operands, -p M,K,N,p with b in panels
 *       -e MIB      pass over so many MiB before every call: operands come from afar, as in a large network
 *       -k          keep and name the folder with the C source
 *
 * Results are checked at some places against sums in double. Prints the best and the median of the
 * timed calls as GFLOP/s and as % of peak; `sum` lines are weighted by how often a network uses a shape. */
#include "back/c/c.h"
#include "back/common/common.h"
#include "loop/tile.h"
#include "native.h"

#include <dlfcn.h>
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/kernels_shapes.h"
#include "tests/unit/affine.h"

typedef void Kernel(const float *a, const float *b, float *y, float *scratch);

typedef struct {
    const Shape *shape;
    LFunc *func;
    LTile tile;
    char *label;
    Kernel *run;
    float *memory[4];
    double best, median;
} Item;

typedef struct {
    int threads, candidates;
    const char *filter, *tile, *product;
    double seconds;
    bool keep;
    float *afar; /* what is passed over; or NULL */
    int64_t n_afar;
    Arena *arena;
    float (*peak_loop)(int steps);
    Vec(Item) items;
} Bench;

/* ---- making ---- */

typedef struct {
    const Part *part;
    LFunc *f;
    LBuf *in[2], *out;
} Ctx;

static LExpr *load(void *user, int o, LBlock *at, LExpr *const *index)
{
    const Ctx *c = user;
    (void)at;
    return lx_load(c->f, c->in[o], affine(c->f, c->part->base[o], c->part->stride[o], c->part->n_index, index), 1, NULL);
}

static void store(void *user, LBlock *at, LExpr *const *index, LExpr *value)
{
    const Ctx *c = user;
    lb_store(c->f, at, c->out, affine(c->f, c->part->out_base, c->part->out_stride, c->part->n_out, index), value, NULL);
}

static LContract describe(Ctx *ctx, const Part *p)
{
    LContract c = { .func = ctx->f, .at = &ctx->f->body, .target = ltarget_host(), .n_index = p->n_index,
                    .n_out = p->n_out, .n_operand = 2, .user = ctx, .load = load, .store = store };
    ctx->part = p;
    for (int k = 0; k < p->n_index; k++) {
        c.extent[k] = p->extent[k];
        c.out_stride[k] = k < p->n_out ? p->out_stride[k] : 0;
        for (int o = 0; o < 2; o++)
            c.operand[o].stride[k] = p->stride[o][k];
    }
    for (int o = 0; o < 2; o++)
        c.operand[o].base = p->base[o];
    return c;
}

static LFunc *begin(Bench *b, const Shape *s, Ctx *ctx)
{
    LFunc *f = lfunc_new(b->arena, arena_printf(b->arena, "k%d", b->items.len));
    ctx->f = f;
    ctx->in[0] = lfunc_param(f, "a", LK_F32, s->count[0], LB_IN);
    ctx->in[1] = lfunc_param(f, "b", LK_F32, s->count[1], LB_IN);
    ctx->out = lfunc_param(f, "y", LK_F32, s->count[2], LB_OUT);
    for (int i = 0; i < 3; i++)
        f->params.data[i]->noalias = true;
    return f;
}

static void add_item(Bench *b, const Shape *s, const LTile *tile)
{
    Ctx ctx;
    LFunc *f = begin(b, s, &ctx);
    Item item = { .shape = s, .func = f };
    for (int p = 0; p < s->n_parts; p++) {
        LContract whole = describe(&ctx, &s->part[p]), c = loop_contract_join(&whole);
        LTile t = tile ? *tile : loop_contract_pick(&c);
        const char *why = loop_contract_check(&c, &t);
        if (why) {
            fprintf(stderr, "%s: %s\n", s->name, why);
            exit(2);
        }
        loop_contract_emit(&c, &t);
        if (p == 0)
            item.tile = t;
    }
    if (f->scratch)
        f->scratch->noalias = true;
    loop_hoist(f);
    loop_vectorize(f, ltarget_host());
    const char *fault = loop_verify(f, b->arena);
    if (fault) {
        fprintf(stderr, "%s: %s\n", s->name, fault);
        exit(2);
    }
    item.label = loop_tile_print(&item.tile, b->arena);
    VEC_PUSH(b->arena, &b->items, item);
}

static void add_shape(Bench *b, const Shape *s)
{
    if (b->filter && !strstr(s->name, b->filter))
        return;
    if (b->candidates) {
        Ctx ctx;
        LFunc *f = begin(b, s, &ctx);
        (void)f;
        LContract whole = describe(&ctx, &s->part[0]), c = loop_contract_join(&whole);
        LTile *all = ARENA_ARRAY(b->arena, LTile, b->candidates);
        int n = loop_contract_candidates(&c, all, b->candidates);
        for (int i = 0; i < n; i++)
            add_item(b, s, s->n_parts == 1 ? &all[i] : NULL);
    } else if (b->tile) {
        LTile t;
        const char *why = loop_tile_read(b->tile, &t);
        if (why) {
            fprintf(stderr, "%s\n", why);
            exit(2);
        }
        add_item(b, s, &t);
    } else {
        add_item(b, s, NULL);
    }
}

/* Fused multiply-adds on registers alone: what peak means here. */
static const char PEAK_LOOP[] =
    "#define EACH(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)\n"
    "#define BEGIN(i) Lanes a##i = c * (float)i;\n"
    "#define STEP(i) a##i = a##i * m + c;\n"
    "#define SUM(i) c += a##i;\n"
    "float peak_loop(int steps);\n"
    "float peak_loop(int steps)\n"
    "{\n"
    "    typedef float Lanes __attribute__((vector_size(%d)));\n"
    "    Lanes m = 0.999f - (Lanes){ 0 }, c = 1e-3f - (Lanes){ 0 };\n"
    "    EACH(BEGIN)\n"
    "    for (int s = 0; s < steps; s++) {\n"
    "        EACH(STEP)\n"
    "    }\n"
    "    EACH(SUM)\n"
    "    return c[0];\n"
    "}\n";

static const char *compile(Bench *b)
{
    LProgram p = { .arena = b->arena, .name = "kernels", .c_name = "kernels", .source = "tests/bench/kernels.c" };
    Text text = { .arena = b->arena };
    for (int i = 0; i < b->items.len; i++)
        VEC_PUSH(b->arena, &p.funcs, b->items.data[i].func);
    CBackOptions options = { .inline_header = true };
    text_add(&text, back_c_source(b->arena, &p, &options));
    text_addf(&text, PEAK_LOOP, ltarget_host()->vector_bytes);
    const int *same = back_stand_ins(b->arena, &p, NULL); /* kernels that are equal are in the text once */
    for (int i = 0; i < b->items.len; i++) {
        const char *scratch = b->items.data[i].func->scratch ? ", s" : "";
        text_addf(&text, "void run_%d(const float *a, const float *b, float *y, float *s);\n"
                         "void run_%d(const float *a, const float *b, float *y, float *s) { (void)s; k%d(a, b, y%s); }\n",
                  i, i, same[i], scratch);
    }
    const char *why = NULL;
    char *dir = native_temp_dir(b->arena, &why);
    if (!dir)
        return why;
    const NativeFile file = { "kernels.c", text.data };
    const char *source = "kernels.c", *flags[] = { "-fPIC", "-Wno-psabi" };
    NativeJob job = { .files = &file, .n_files = 1, .sources = &source, .n_sources = 1, .flags = flags, .n_flags = 2,
                      .output = arena_printf(b->arena, "%s/kernels.so", dir), .shared = true };
    if (b->keep) {
        text_write_file(b->arena, arena_printf(b->arena, "%s/kernels.c", dir), text.data, text.len);
        printf("%s/kernels.c\n", dir);
    }
    why = native_compile(b->arena, &job);
    void *library = why ? NULL : dlopen(job.output, RTLD_NOW);
    if (!why && !library)
        why = dlerror();
    if (library)
        *(void **)&b->peak_loop = dlsym(library, "peak_loop");
    for (int i = 0; i < b->items.len && library; i++)
        *(void **)&b->items.data[i].run = dlsym(library, arena_printf(b->arena, "run_%d", i));
    if (!b->keep)
        native_remove_dir(b->arena, dir);
    return why;
}

/* ---- memory and checks ---- */

static float *block(int64_t n)
{
    size_t bytes = ((size_t)n * 4 + 4095) / 4096 * 4096 + 4096;
    float *p = aligned_alloc(4096, bytes);
    if (!p)
        abort();
    memset(p, 0, bytes);
    return p;
}

static void fill(float *p, int64_t n, uint32_t seed)
{
    for (int64_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        p[i] = (float)(seed >> 8) * 0x1p-23f - 1;
    }
}

static double sum_at(const Item *item, const Part *p, const int64_t *out_index)
{
    int64_t index[TILE_MAX_INDEX] = { 0 }, sums = 1;
    for (int k = p->n_out; k < p->n_index; k++)
        sums *= p->extent[k];
    for (int k = 0; k < p->n_out; k++)
        index[k] = out_index[k];
    double sum = 0;
    for (int64_t s = 0; s < sums; s++) {
        int64_t rest = s, at[2] = { p->base[0], p->base[1] };
        for (int k = p->n_index - 1; k >= p->n_out; k--) {
            index[k] = rest % p->extent[k];
            rest /= p->extent[k];
        }
        for (int k = 0; k < p->n_index; k++)
            for (int o = 0; o < 2; o++)
                at[o] += index[k] * p->stride[o][k];
        sum += (double)item->memory[0][at[0]] * (double)item->memory[1][at[1]];
    }
    return sum;
}

static void check(const Item *item)
{
    uint32_t seed = 1;
    for (int n = 0; n < 60; n++) {
        const Part *p = &item->shape->part[n % item->shape->n_parts];
        int64_t index[TILE_MAX_INDEX], at = p->out_base;
        for (int k = 0; k < p->n_out; k++) {
            seed = seed * 1664525u + 1013904223u;
            index[k] = n < 8 ? p->extent[k] - 1 - (seed >> 16) % 2 % p->extent[k] : (int64_t)(seed >> 8) % p->extent[k];
            at += index[k] * p->out_stride[k];
        }
        double want = sum_at(item, p, index), got = (double)item->memory[2][at];
        if (fabs(got - want) <= 2e-4 * (1 + fabs(want)))
            continue;
        fprintf(stderr, "%s (%s): element %lld is %g, should be %g\n", item->shape->name, item->label, (long long)at,
                got, want);
        exit(1);
    }
}

/* ---- timing ---- */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

enum { PEAK_STEPS = 20000 };

/* GFLOP/s of `threads` cores; the best of some tries. */
static double peak(const Bench *b)
{
    double best = 0;
    int threads = b->threads;
    for (int i = 0; i < 6; i++) {
        double begin_at = now();
#pragma omp parallel num_threads(threads)
        b->peak_loop(PEAK_STEPS);
        double rate = 2e-9 * 12 * (ltarget_host()->vector_bytes / 4) * PEAK_STEPS * threads / (now() - begin_at);
        best = rate > best ? rate : best;
    }
    return best;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(const Bench *b, Item *item)
{
    enum { CAP = 4096 };
    static double t[CAP];
    float **m = item->memory;
    double begin_at = now();
    item->run(m[0], m[1], m[2], m[3]);
    double once = now() - begin_at;
    int calls = once > 20e-6 || b->afar ? 1 : (int)(40e-6 / (once + 1e-7)) + 1, n = 0;
    begin_at = now();
    while (n < CAP && (n < 5 || now() - begin_at < b->seconds)) {
        for (int64_t i = 0; i < b->n_afar; i += 16)
            b->afar[i] += 1;
        double from = now();
        for (int i = 0; i < calls; i++)
            item->run(m[0], m[1], m[2], m[3]);
        t[n++] = (now() - from) / calls;
    }
    qsort(t, (size_t)n, sizeof *t, by_size);
    item->best = t[0];
    item->median = t[n / 2];
}

static void report(Bench *b)
{
    double flops = 0, seconds = 0, limit = 0;
    const char *group = NULL;
    omp_set_num_threads(b->threads);
    printf("%-34s %9s %9s %7s %7s\n", "shape", "us", "GFLOP/s", "% best", "% med");
    for (int i = 0; i <= b->items.len; i++) {
        Item *item = i < b->items.len ? &b->items.data[i] : NULL;
        if (group && flops > 0 && (!item || !item->shape->group || strcmp(group, item->shape->group) != 0)) {
            printf("%-34s %9.1f %9.1f %7.1f\n", arena_printf(b->arena, "sum of %s", group), 1e6 * seconds,
                   flops / seconds, 100 * limit / seconds);
            flops = seconds = limit = 0;
        }
        if (!item)
            break;
        const Shape *s = item->shape;
        group = s->group;
        for (int m = 0; m < 3; m++) {
            item->memory[m] = block(s->count[m]);
            fill(item->memory[m], s->count[m], 7u + (uint32_t)m);
        }
        item->memory[3] = block(item->func->scratch_bytes / 4);
        item->run(item->memory[0], item->memory[1], item->memory[2], item->memory[3]);
        check(item);
        double top = peak(b), gflop = 1e-9 * s->flops;
        measure(b, item);
        double after = peak(b);
        top = after > top ? after : top;
        printf("%-34s %9.2f %9.1f %7.1f %7.1f  %s\n", s->name, 1e6 * item->best, gflop / item->best,
               100 * gflop / item->best / top, 100 * gflop / item->median / top, item->label);
        fflush(stdout);
        if (s->group) {
            flops += gflop * s->weight;
            seconds += item->best * s->weight;
            limit += gflop / top * s->weight;
        }
        for (int m = 0; m < 4; m++)
            free(item->memory[m]);
    }
}

int main(int argc, char **argv)
{
    Bench b = { .threads = 1, .seconds = 0.1, .arena = arena_new() };
    for (int o; (o = getopt(argc, argv, "t:f:m:s:c:p:e:k")) != -1;)
        switch (o) {
        case 't': b.threads = atoi(optarg); break;
        case 'f': b.filter = optarg; break;
        case 'm': b.seconds = 1e-3 * atof(optarg); break;
        case 's': b.tile = optarg; break;
        case 'c': b.candidates = atoi(optarg); break;
        case 'p': b.product = optarg; break;
        case 'e':
            b.n_afar = atoll(optarg) << 18;
            b.afar = block(b.n_afar);
            break;
        case 'k': b.keep = true; break;
        default: fprintf(stderr, "kernels: see the head of tests/bench/kernels.c for the options\n"); return 2;
        }
    Shape *shapes;
    int n = shapes_make(b.arena, b.product, &shapes);
    for (int i = 0; i < n; i++)
        add_shape(&b, &shapes[i]);
    const char *why = compile(&b);
    if (why) {
        fprintf(stderr, "kernels: %s\n", why);
        return 2;
    }
    report(&b);
    arena_free(b.arena);
    return 0;
}
