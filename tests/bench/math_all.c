/* exp, log, tanh, sigmoid, erf, sin and 1 / sqrt as the C back end compiles them, against the C library in
 * double (far closer than 2^-29 of an f32's ulp), over all 2^32 floats or every STRIDE-th block of 65536: prints
 * the largest error in ulp and where it is, and what an element takes when all lies in the cache.
 *
 *     make build/tests/bench/math_all && build/tests/bench/math_all [STRIDE [FUNCTION]]
 *
 * A function takes about a minute a core; STRIDE 256 takes seconds for all. Exit status 1: an error above
 * 2 ulp. */
#include "back/c/c.h"
#include "loop/loop.h"
#include "native.h"

#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 65536, N_OPS = 7, SMALL = 4096 };
typedef void Kernel(const float *x, float *y);
typedef double Reference(double x);

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double rsqrt(double x) { return 1 / sqrt(x); }

/* rsqrt is no operation of the loop IR: the library divides by the root. lo, hi: arguments for timing. */
static const struct {
    const char *name;
    LOp op;
    Reference *reference;
    float lo, hi;
} OPS_TESTED[N_OPS] = {
    { "exp", LX_EXP, exp, -8, 8 },   { "log", LX_LOG, log, 0.01f, 10 },         { "tanh", LX_TANH, tanh, -3, 3 },
    { "sigmoid", LX_SIGMOID, sigmoid, -6, 6 }, { "erf", LX_ERF, erf, -3, 3 },   { "sin", LX_SIN, sin, -6, 6 },
    { "rsqrt", LX_SQRT, rsqrt, 0.01f, 10 },
};

static LExpr *apply(LFunc *f, LOp op, LExpr *x)
{
    if (op == LX_SQRT)
        return lx_bin(f, LX_DIV, lx_float(f, 1), lx_un(f, op, x));
    return lx_math(f, op, x, NULL);
}

static LFunc *make_func(Arena *arena, int k, int64_t count, const char *prefix)
{
    LFunc *f = lfunc_new(arena, arena_printf(arena, "%s_%s", prefix, OPS_TESTED[k].name));
    LBuf *x = lfunc_param(f, "x", LK_F32, count, LB_IN), *y = lfunc_param(f, "y", LK_F32, count, LB_OUT);
    x->noalias = y->noalias = true;
    LStmt *s = lb_for(f, &f->body, "i", lx_i64(f, 0), lx_i64(f, count), 1, LF_SERIAL);
    LExpr *i = lx_var(f, s->var);
    lb_store(f, &s->body, y, i, apply(f, OPS_TESTED[k].op, lx_load(f, x, i, 1, NULL)), NULL);
    loop_vectorize(f, ltarget_host());
    loop_expand_math(f);
    return f;
}

/* Compiles the kernels; NULL: *why says what failed. */
static void *compile(Arena *arena, const char **why)
{
    LProgram p = { .arena = arena, .name = "math", .c_name = "math", .source = "tests/bench/math_all.c" };
    Text text = { .arena = arena };
    for (int k = 0; k < N_OPS; k++)
        for (int small = 0; small < 2; small++)
            VEC_PUSH(arena, &p.funcs, make_func(arena, k, small ? SMALL : BLOCK, small ? "small" : "math"));
    CBackOptions options = { .inline_header = true };
    text_add(&text, back_c_source(arena, &p, &options));
    for (int k = 0; k < N_OPS; k++)
        text_addf(&text, "void run_%s(const float *x, float *y) { math_%s(x, y); }\n"
                         "void time_%s(const float *x, float *y) { small_%s(x, y); }\n",
                  OPS_TESTED[k].name, OPS_TESTED[k].name, OPS_TESTED[k].name, OPS_TESTED[k].name);
    char *dir = native_temp_dir(arena, why);
    if (!dir)
        return NULL;
    const NativeFile file = { "math.c", text.data };
    const char *source = "math.c", *flag = "-fPIC";
    NativeJob job = { .files = &file, .n_files = 1, .sources = &source, .n_sources = 1, .flags = &flag,
                      .n_flags = 1, .output = arena_printf(arena, "%s/math.so", dir), .shared = true };
    *why = native_compile(arena, &job);
    void *library = *why ? NULL : dlopen(job.output, RTLD_NOW);
    if (!*why && !library)
        *why = dlerror();
    native_remove_dir(arena, dir);
    return library;
}

static double ulps(float got, double want)
{
    float rounded = (float)want;
    if (isnan(want))
        return isnan(got) ? 0 : INFINITY;
    if (isinf(rounded) || isinf(got))
        return got == rounded || (isinf(got) && fabs(want) > 0x1.fffffep127) ? 0 : INFINITY;
    int e;
    frexp((double)rounded, &e);
    double unit = ldexp(1, rounded == 0 || e < -125 ? -149 : e - 24);
    return fabs((double)got - want) / unit;
}

typedef struct {
    double worst;
    float at;
} Worst;

static Worst check_block(Kernel *run, int k, uint32_t first)
{
    static _Thread_local float x[BLOCK], y[BLOCK];
    Worst w = { 0, 0 };
    for (uint32_t i = 0; i < BLOCK; i++) {
        uint32_t bits = first + i;
        memcpy(&x[i], &bits, sizeof bits);
    }
    run(x, y);
    for (int i = 0; i < BLOCK; i++) {
        if (OPS_TESTED[k].op == LX_SIN && fabsf(x[i]) >= 0x1p49f)
            continue; /* beyond what is promised */
        double off = ulps(y[i], OPS_TESTED[k].reference((double)x[i]));
        if (!(off <= w.worst))
            w = (Worst){ off, x[i] };
    }
    return w;
}

/* Least of many runs over data that stays in the cache. */
static double nanoseconds(Kernel *run, int k)
{
    static float x[SMALL], y[SMALL];
    double least = 1e9;
    for (int i = 0; i < SMALL; i++)
        x[i] = OPS_TESTED[k].lo + (OPS_TESTED[k].hi - OPS_TESTED[k].lo) * (float)i / SMALL;
    for (int round = 0; round < 2000; round++) {
        struct timespec a, b;
        clock_gettime(CLOCK_MONOTONIC, &a);
        run(x, y);
        clock_gettime(CLOCK_MONOTONIC, &b);
        double t = (double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec);
        least = t < least ? t : least;
    }
    return least / SMALL;
}

int main(int argc, char **argv)
{
    long stride = argc > 1 ? strtol(argv[1], NULL, 10) : 1;
    Arena *arena = arena_new();
    const char *why = NULL;
    void *library = stride > 0 ? compile(arena, &why) : NULL;
    if (!library) {
        fprintf(stderr, "math_all: %s\n", stride > 0 ? why : "STRIDE is a number from 1");
        return 2;
    }
    int status = 0;
    for (int k = 0; k < N_OPS; k++) {
        Kernel *run, *small;
        if (argc > 2 && strcmp(argv[2], OPS_TESTED[k].name) != 0)
            continue;
        *(void **)&run = dlsym(library, arena_printf(arena, "run_%s", OPS_TESTED[k].name));
        *(void **)&small = dlsym(library, arena_printf(arena, "time_%s", OPS_TESTED[k].name));
        Worst worst = { 0, 0 };
        long blocks = 0;
#pragma omp parallel for schedule(dynamic) reduction(+ : blocks)
        for (long b = 0; b < BLOCK; b += stride) {
            Worst w = check_block(run, k, (uint32_t)b * BLOCK);
            blocks++;
#pragma omp critical
            if (w.worst > worst.worst)
                worst = w;
        }
        printf("%-7s %11ld floats: at most %.3f ulp, at %a; %.3f ns an element\n", OPS_TESTED[k].name, blocks * BLOCK,
               worst.worst, (double)worst.at, nanoseconds(small, k));
        status |= worst.worst > 2;
    }
    dlclose(library);
    arena_free(arena);
    return status;
}
