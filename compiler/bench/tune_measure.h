/* Between tune.c and tune_measure.c. */
#ifndef NNC_BENCH_TUNE_MEASURE_H
#define NNC_BENCH_TUNE_MEASURE_H
#include "bench/tune.h"

enum { MAX_CANDIDATES = 16 };

typedef struct {
    const char *key;
    LTile tile[MAX_CANDIDATES]; /* the cost model's choice first */
    int n_tiles;
    double seconds;  /* in one call of every entry point */
    int entry, call; /* where it takes most, and how much there */
    double most;
} Contraction;

typedef struct {
    Arena *arena;
    Vec(Contraction *) contractions;
    double seconds; /* of all kernels */
    nnc *variant[MAX_CANDIDATES]; /* compiled with that candidate for every contraction */
} Search;

typedef struct {
    int best;               /* candidate; 0: the cost model's */
    double seconds, before; /* medians of a call: the best, the cost model's choice */
    bool stopped;
} Outcome;

Contraction *search_find(const Search *s, const char *key);
/* Times c's candidates for about so many seconds. false after an error. */
bool measure_candidates(Tuner *t, Search *s, const Contraction *c, double seconds, Outcome *out);
#endif
