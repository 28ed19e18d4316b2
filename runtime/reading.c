/* Data files read on a thread of their own, while the caller does something else (compiles). */
#include "runtime/reading.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct nnr_reading {
    pthread_t thread;
    bool joined, good;
    const nnr_train *train;
    char *dir;
    uint64_t seed;
    nnr_selection data;
    nnr_error err;
};

static void *read_all(void *argument)
{
    nnr_reading *r = argument;
    r->good = nnr_selection_open(&r->data, r->train, r->dir, r->seed, true, &r->err);
    return NULL;
}

nnr_reading *nnr_read_begin(const nnr_train *train, const char *data_dir, uint64_t seed)
{
    nnr_reading *r = calloc(1, sizeof *r);
    char *dir = r && data_dir ? strdup(data_dir) : NULL;
    if (!r || (data_dir && !dir)) {
        free(r);
        return NULL;
    }
    r->train = train;
    r->dir = dir;
    r->seed = seed;
    if (pthread_create(&r->thread, NULL, read_all, r) == 0) return r;
    free(dir);
    free(r);
    return NULL;
}

static void join(nnr_reading *r)
{
    if (!r->joined) pthread_join(r->thread, NULL);
    r->joined = true;
}

bool nnr_read_serves(const nnr_reading *r, const nnr_train *train, uint64_t seed)
{
    /* The seed chooses what is held out, nothing else. */
    return r && strcmp(r->train->name, train->name) == 0 && (r->seed == seed || !(train->split > 0));
}

bool nnr_read_take(nnr_reading *r, nnr_selection *out, nnr_error *err)
{
    join(r);
    *out = r->data;
    r->data = (nnr_selection){0};
    if (!r->good) *err = r->err;
    return r->good;
}

void nnr_read_end(nnr_reading *r)
{
    if (!r) return;
    join(r);
    nnr_selection_close(&r->data);
    free(r->dir);
    free(r);
}
