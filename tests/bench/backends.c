/* Single kernels through both back ends: the same loops as C (through $CC) and as LLVM's machine code,
 * called in turn in one process on one thread. Prints the best and the median of each and the ratio of
 * the best times (above 1: LLVM is slower).
 *
 *   make bench-backends [SECONDS=1]      seconds a kernel */
#include "nnc_internal.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef struct {
    const char *name, *text, *entry;
} Work;

#define MATMUL(m, k, n) \
    "net f(a: f32[" #m ", " #k "], b: f32[" #k ", " #n "]) {\n    y[i, j] = sum(k) a[i, k] * b[k, j]\n    return y\n}\n"
#define CONV(h, w, c, o, size, more) \
    "net f(x: f32[N, " #h ", " #w ", " #c "]) {\n    return x |> conv2d(" #o ", " size more ")\n}\n"
/* forward, both gradients and the update; the first convolution makes the second's input a variable's function */
#define CONV_STEP(h, w, c, o, size, more)                                                                     \
    "net f(x: f32[N, " #h ", " #w ", " #c "]) {\n    return x |> affine |> conv2d(" #o ", " size more ")\n}\n" \
    "train t {\n    data x: f32[N, " #h ", " #w ", " #c "] = npy(\"x\")\n    batch 1\n    epochs 1\n"        \
    "    minimize mean(square(f(x))) with sgd(lr = 0.0)\n}\n"

static const Work KERNELS[] = {
    { "matmul 1024x1024x1024", MATMUL(1024, 1024, 1024), "f" },
    { "matmul 256x256x256", MATMUL(256, 256, 256), "f" },
    { "matmul 64x64x64", MATMUL(64, 64, 64), "f" },
    { "matmul 32x784x128", MATMUL(32, 784, 128), "f" },
    { "matmul 32x1024x1024", MATMUL(32, 1024, 1024), "f" },
    { "matmul 77x113x37", MATMUL(77, 113, 37), "f" },
    { "matmul 1x1024x1024", MATMUL(1, 1024, 1024), "f" },
    { "conv 7x7 s2 3->64, 224", CONV(224, 224, 3, 64, "7", ", stride = 2, pad = 3"), "f" },
    { "conv 3x3 64->64, 56", CONV(56, 56, 64, 64, "3", ", pad = 1"), "f" },
    { "conv 3x3 s2 64->128, 56", CONV(56, 56, 64, 128, "3", ", stride = 2, pad = 1"), "f" },
    { "conv 3x3 128->128, 28", CONV(28, 28, 128, 128, "3", ", pad = 1"), "f" },
    { "conv 3x3 256->256, 14", CONV(14, 14, 256, 256, "3", ", pad = 1"), "f" },
    { "conv 3x3 512->512, 7", CONV(7, 7, 512, 512, "3", ", pad = 1"), "f" },
    { "conv 1x1 64->256, 56", CONV(56, 56, 64, 256, "1", ""), "f" },
    { "conv 5x3 37->29, 113x31", CONV(113, 31, 37, 29, "[5, 3]", ""), "f" },
    { "step conv 3x3 64->64, 28", CONV_STEP(28, 28, 64, 64, "3", ", pad = 1"), "t" },
    { "step conv 3x3 s2 32->64, 28", CONV_STEP(28, 28, 32, 64, "3", ", stride = 2, pad = 1"), "t" },
};

typedef struct {
    nnc *n;
    const nnr_entry *entry;
    void *weights, *slots, *arena, *in[4], *out[4];
    double *times;
    int calls;
} Side;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void show(void *user, nnc_level level, const char *text)
{
    (void)user;
    if (level == NNC_ERROR)
        fputs(text, stderr);
}

static void *block(size_t bytes)
{
    size_t size = (bytes + NNR_ALIGN) / NNR_ALIGN * NNR_ALIGN;
    float *p = aligned_alloc(NNR_ALIGN, size);
    if (!p)
        exit(1);
    for (size_t i = 0; i < size / sizeof *p; i++)
        p[i] = (float)(i * 2654435761u % 1000) * 1e-3f - 0.5f;
    return p;
}

static size_t bytes_of(const nnr_info *info)
{
    size_t n = sizeof(float);
    for (int i = 0; i < info->rank; i++)
        n *= (size_t)info->dims[i];
    return n;
}

static bool open_side(Side *s, const Work *k, const char *path, const char *backend)
{
    nnc_options o = { .diag = show, .backend = backend };
    *s = (Side){ .n = nnc_new(&o) };
    if (nnc_load(s->n, path) || nnc_compile(s->n))
        return false;
    const nnr_program *p = nnc_native(s->n, false);
    for (int i = 0; p && i < p->n_entries && !s->entry; i++)
        if (strcmp(p->entries[i].name, k->entry) == 0)
            s->entry = &p->entries[i];
    const nnr_entry *e = s->entry;
    if (!e || e->n_in > 4 || e->n_out > 4)
        return false;
    s->weights = block(p->weights_bytes);
    s->slots = block(p->slots_bytes);
    s->arena = block(e->arena_bytes);
    for (int i = 0; i < e->n_in; i++)
        s->in[i] = block(bytes_of(&e->in[i]));
    for (int i = 0; i < e->n_out; i++)
        s->out[i] = block(bytes_of(&e->out[i]));
    s->times = malloc(sizeof *s->times * 100000);
    return s->times != NULL;
}

static void close_side(Side *s)
{
    for (int i = 0; i < 4; i++) {
        free(s->in[i]);
        free(s->out[i]);
    }
    free(s->weights);
    free(s->slots);
    free(s->arena);
    free(s->times);
    nnc_free(s->n);
}

/* One sample: as many calls as take about 50 us. */
static double sample(Side *s, int repeat)
{
    nnr_ctx ctx = { 0 };
    double t = now();
    for (int i = 0; i < repeat; i++)
        s->entry->run(s->weights, s->slots, (const void *const *)s->in, s->out, s->arena, &ctx);
    return (now() - t) / repeat;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int64_t multiply_adds(const nnc *n, const char *entry)
{
    const LProgram *p = nnc_program(n);
    int64_t flops = 0;
    for (int i = 0; i < p->entries.len; i++)
        if (strcmp(p->entries.data[i]->name, entry) == 0) {
            for (int c = 0; c < p->entries.data[i]->calls.len; c++)
                flops += p->entries.data[i]->calls.data[c].func->flops;
            break;
        }
    return flops;
}

/* The ratio, or 0 where it could not be measured. */
static double compare(const Work *k, double seconds)
{
    char path[64];
    snprintf(path, sizeof path, "/tmp/nnc-kernel-%ld.nn", (long)getpid());
    FILE *f = fopen(path, "w");
    if (!f || fputs(k->text, f) < 0 || fclose(f) != 0)
        return 0;
    static const char *const BACKENDS[] = { "c", "llvm" };
    Side side[2] = { { 0 }, { 0 } };
    bool ok = open_side(&side[0], k, path, BACKENDS[0]) && open_side(&side[1], k, path, BACKENDS[1]);
    remove(path);
    double ratio = 0;
    if (ok) {
        double once = fmin(sample(&side[0], 3), sample(&side[1], 3)), end = now() + seconds;
        int repeat = once < 50e-6 ? (int)(50e-6 / once) + 1 : 1;
        for (int i = 0; i < 100000 && (i < 5 || now() < end); i++)
            for (int b = 0; b < 2; b++) /* each goes first every other time */
                side[b ^ (i & 1)].times[i] = sample(&side[b ^ (i & 1)], repeat), side[b].calls = i + 1;
        for (int b = 0; b < 2; b++)
            qsort(side[b].times, (size_t)side[b].calls, sizeof(double), ascending);
        const double *c = side[0].times, *l = side[1].times;
        double flops = (double)multiply_adds(side[0].n, k->entry);
        ratio = l[0] / c[0];
        printf("%-28s %9.1f %9.1f %9.1f %9.1f %9.1f %9.1f %7.3f\n", k->name, c[0] * 1e6, c[side[0].calls / 2] * 1e6,
               flops / c[0] * 1e-9, l[0] * 1e6, l[side[1].calls / 2] * 1e6, flops / l[0] * 1e-9, ratio);
        fflush(stdout);
    }
    for (int b = 0; b < 2; b++)
        close_side(&side[b]);
    return ratio;
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 1, sum = 0;
    int n = 0;
    omp_set_num_threads(1);
    printf("%-28s %29s %29s\n", "", "C: best, median us, GFLOP/s", "LLVM: best, median, GFLOP/s");
    for (size_t i = 0; i < sizeof KERNELS / sizeof *KERNELS; i++) {
        if (argc > 2 && !strstr(KERNELS[i].name, argv[2]))
            continue;
        double ratio = compare(&KERNELS[i], seconds);
        if (ratio > 0) {
            sum += log(ratio);
            n++;
        } else {
            printf("%-28s could not be measured\n", KERNELS[i].name);
        }
    }
    if (n)
        printf("geometric mean of LLVM / C over %d kernels: %.3f\n", n, exp(sum / n));
    return n == 0;
}
