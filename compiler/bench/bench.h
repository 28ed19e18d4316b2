/* `nnc bench`: what is measured and how it is compared with what the machine can do.
 *
 * A Build is a program compiled one way (fused or not, back end, batch); a Case one of its entry points
 * on a number of threads. All cases of a run, and the loops that measure the machine, take turns in
 * rounds of one process, so that a slow minute of the machine is slow for all; figures are medians.
 *
 * The limit of a kernel is the longer of its operations at the measured peak and its bytes at the
 * measured bandwidth of the cache, or the memory, that they come from (work.c); the limit of an entry
 * point is the sum over its kernels. */
#ifndef NNC_BENCH_BENCH_H
#define NNC_BENCH_BENCH_H
#include "base/text.h"
#include "loop/loop.h"
#include "nnc.h"
#include "runtime/timed.h"

/* ---- samples ---- */
typedef struct {
    double *seconds; /* of one call, a value a round */
    int n, cap;
    double median, low, high; /* after samples_close: quantiles .5, .1, .9 */
} Samples;
void samples_add(Arena *arena, Samples *s, double seconds);
void samples_close(Samples *s);

/* ---- the machine ---- */
typedef enum { LEVEL_L1, LEVEL_L2, LEVEL_L3, LEVEL_MEMORY, N_LEVELS } Level;
extern const char *const LEVEL_NAME[N_LEVELS]; /* "L1" */
typedef struct {
    int threads;
    double flops;           /* operations a second, a fused multiply-add being two */
    double read[N_LEVELS];  /* bytes a second that are read from data of that level's size */
    double triad;           /* bytes a second of a[i] = b[i] + s * c[i] in memory, three streams counted */
    int64_t size[N_LEVELS]; /* bytes at hand to all threads that a level holds; the last: no end */
} Machine;

/* ---- what kernels have to do ---- */
typedef struct {
    double flops;
    double read, written;     /* bytes */
    double level[N_LEVELS];   /* bytes by where they come from or go to */
} Work;
/* A place that a call reads or writes. */
typedef struct {
    LRef at;
    int64_t bytes;        /* of the buffer */
    double read, written; /* bytes of it */
    double distance;      /* bytes that were touched since it was touched last */
} Region;
/* The *n places of a call, as its arguments. */
Region *bench_regions(Arena *arena, const LEntry *e, int call, int *n);
/* The work of every call of an entry point that is called again and again. */
Work *bench_work(Arena *arena, const LEntry *e, const Machine *m);
/* Seconds that the work takes at least; *by_bytes: the bytes decide. */
double work_limit(const Work *w, const Machine *m, bool *by_bytes);

/* ---- builds and cases ---- */
typedef struct {
    nnc *compiler;
    const nnr_program *program;
    nnr_model model;
    bool unfused;
    const char *backend; /* "c" */
    int n_entries;       /* without those that loop_split_calls added */
} Build;

typedef struct {
    nnr_timed timed;
    int entry; /* in the program's table and in LProgram.entries */
    Build *build;
} Subject; /* an entry point with its memory */

typedef struct {
    double begin, seconds; /* since the call's begin */
} Slice;

typedef struct {
    Subject *subject;
    int threads;
    int64_t calls;  /* a sample */
    Samples samples;
    Samples *parts; /* of every kernel call of the entry point, when profiled */
    Slice *trace;   /* the same of one call, near the median */
    double trace_off; /* how far from the median that call's time was */
} Case;

typedef struct {
    Arena *arena;
    const char *file;
    const char *entry; /* only this one; NULL: nets and training steps */
    int64_t *threads;
    int n_threads;
    double seconds;    /* for each case */
    bool profile;      /* time every kernel, too: programs are compiled with nnc_options.split_calls */
    nnr_say say;       /* for messages of the runtime */
    bool (*stopped)(void); /* asked between rounds, and of those behind the first between cases: report what there is; NULL: never */
    char error[1024];
    Vec(Build *) builds;
    Vec(Subject *) subjects;
    Vec(Case *) cases;
    /* the machine: a case a loop of machine_program and number of threads */
    Build *loops;
    Machine *machines; /* as threads */
    Vec(Case *) machine_cases;
} Bench;

/* Adds a compiled and loaded program, its entry points of that batch (0: of every batch). The handle stays the caller's, and must outlive the bench.
 * false: b->error says why. */
bool bench_add(Bench *b, nnc *compiler, const nnr_program *program, bool unfused, const char *backend,
               int64_t batch);
/* The loops that measure the machine; to be compiled by nnc_take and nnc_native. */
LProgram *machine_program(Arena *arena, const LTarget *target, void *unused);
bool bench_add_machine(Bench *b, nnc *compiler, const nnr_program *program);
/* Measures all in rounds. */
void bench_run(Bench *b);
void bench_close(Bench *b);

/* What is known of a case after bench_run. */
typedef struct {
    const LEntry *entry;
    const Machine *machine;
    Work total;
    double limit; /* seconds */
    int kernels;
} Figures;
Figures bench_figures(const Bench *b, const Case *c);
const LEntry *bench_entry(const Subject *s);
/* Entry points without those that loop_split_calls added (split: it was called). */
int bench_whole_entries(const LProgram *p, bool split);

/* ---- kernels one by one (profile.c) ---- */
/* A sample of every kernel of the case. */
void profile_turn(Bench *b, Case *c);
void profile_close(Case *c);
typedef struct {
    const LFunc *func;
    const Samples *samples;
    Work work;
    double limit, share;   /* seconds; of the sum over the kernels */
    const char *bound;     /* what the limit is: "peak", "L2", "memory" */
    const char *schedule;  /* in words */
} Row;
/* A row a kernel in the order of the calls. */
Row *profile_rows(const Bench *b, const Case *c);

/* ---- reports ---- */
void bench_machine_table(const Bench *b, Text *out);
void bench_table(const Bench *b, Text *out);
void bench_json(const Bench *b, Text *out);
/* Where fused and unfused builds were compared: how often fusion took or left a value, by reason. */
void bench_fusion_table(const Bench *b, Text *out);
void bench_fusion_json(const Bench *b, Text *out);
/* The picture and the trace, as text of their files; the bench has to be profiled. */
char *bench_svg(const Bench *b);
char *bench_trace(const Bench *b);
void bench_profile_table(const Bench *b, Text *out);
/* "12.3 us", "1.25 ms" */
const char *bench_seconds_text(Arena *arena, double seconds);
#endif
