/* `nnc tune`: the schedules that measuring finds better than the cost model's.
 *
 * The contractions of a program are taken in turn, those first that take most of its time. Candidates
 * for one are compiled into one small program and timed in rounds, each call on operands that are as far
 * away in the caches as they are when the whole network runs. A candidate is taken when its quartiles are
 * apart from those of the cost model's choice, in a second measurement of those two alone. */
#ifndef NNC_BENCH_TUNE_H
#define NNC_BENCH_TUNE_H
#include "bench/bench.h"
#include "loop/tuning.h"

typedef struct {
    Arena *arena;
    const char *file;
    const char *entry;      /* NULL: nets and training steps */
    int64_t batch;          /* 0: as the file says */
    int threads;
    double seconds;         /* when to end */
    TuningFile *known;      /* what is done already; grows */
    /* A new handle, its options set; split: with nnc_options.split_calls. */
    nnc *(*open)(void *user, bool split, int64_t batch);
    void (*say)(void *user, const char *line);
    bool (*save)(void *user);      /* after every contraction; false: stop */
    bool (*stopped)(void *user);   /* asked often */
    void *user;
    char error[1024];
} Tuner;

typedef struct {
    int contractions, measured, better; /* in the program; now; better than the cost model's choice */
    bool out_of_time;
} TuneResult;

/* false after an error: in t->error, or (then it is empty) told to the handle's diagnostics. */
bool tune_run(Tuner *t, TuneResult *result);
#endif
