/* What the kernels of an entry point have to do, and the least time for it.
 *
 * An entry point is called again and again, so every byte it touches was touched before, in this call or
 * the last. Of d bytes touched in turns, a cache of c bytes can at best still hold the share c / d when
 * their turn comes again (Belady, 1966); each level supplies what the smaller ones cannot. The calls of a run
 * (LRun) follow one another chunk by chunk: between two of its calls lies what one chunk touches, and what it
 * keeps in a lane's own memory comes round with every chunk. */
#include "bench/bench.h"

typedef struct {
    Region *region; /* bytes of one chunk, where the call is in a run */
    int n;
    double touched, chunks;
    const LRun *run;
} Touch; /* of a call */

static int64_t buffer_bytes(const LBuf *b)
{
    int64_t each = b->kind == LK_BOOL ? 1 : b->kind == LK_F64 || b->kind == LK_I64 || b->kind == LK_U64 ? 8 : 4;
    return b->count * each;
}

static bool overlap(const Region *a, const Region *b)
{
    return a->at.kind == b->at.kind && a->at.index == b->at.index && a->at.offset < b->at.offset + b->bytes &&
           b->at.offset < a->at.offset + a->bytes;
}

static bool touches(const Touch *t, const Region *r)
{
    for (int i = 0; i < t->n; i++)
        if (t->region[i].read + t->region[i].written > 0 && overlap(&t->region[i], r))
            return true;
    return false;
}

static void add_levels(Work *w, const Machine *m, double bytes, double distance)
{
    double held = 0; /* share that the levels so far hold */
    for (int level = 0; level < N_LEVELS && held < 1; level++) {
        double share = (double)m->size[level] / distance;
        share = level == LEVEL_MEMORY || share > 1 ? 1 : share;
        if (share <= held)
            continue;
        w->level[level] += bytes * (share - held);
        held = share;
    }
}

/* The same within a run, going back from call k; when a chunk before this one touched it, that is all the way
 * round. 0: no call of the run touches it again. */
static double distance_in_run(const Touch *t, int k, const Region *r)
{
    const LRun *run = t[k].run;
    double sum = t[k].touched;
    for (int back = 1; back <= run->count; back++) {
        int before = run->first + (k - run->first - back + 2 * run->count) % run->count;
        sum += back < run->count ? t[before].touched : 0;
        bool same_chunk = before < k;
        if (touches(&t[before], r) && (same_chunk || r->at.step == 0))
            return sum;
    }
    return 0;
}

/* Bytes touched since region r of call k was touched last; n calls follow one another in a circle. */
static double distance_of(const Touch *t, int n, int k, const Region *r)
{
    double near = t[k].run ? distance_in_run(t, k, r) : 0, sum = t[k].touched * t[k].chunks;
    if (near > 0)
        return near;
    for (int back = 1; back <= n; back++) {
        const Touch *before = &t[(k - back + 2 * n) % n];
        sum += back < n ? before->touched * before->chunks : 0;
        if (touches(before, r))
            break;
    }
    return sum;
}

static Touch *touches_of(Arena *arena, const LEntry *e)
{
    Touch *touch = ARENA_ARRAY(arena, Touch, e->calls.len + 1);
    for (int k = 0; k < e->calls.len; k++) {
        const LCall *call = &e->calls.data[k];
        const LFunc *f = call->func;
        const LTraffic *traffic = lfunc_traffic(f, arena);
        touch[k].region = ARENA_ARRAY(arena, Region, f->params.len + 1);
        touch[k].run = lentry_run(e, k);
        touch[k].chunks = touch[k].run ? (double)touch[k].run->chunks : 1;
        for (int i = 0; i < f->params.len; i++) {
            double read = (double)traffic[i].read, written = (double)traffic[i].written;
            touch[k].region[touch[k].n++] = (Region){ call->args[i], buffer_bytes(f->params.data[i]), read, written, 0 };
            touch[k].touched += read + written;
        }
    }
    return touch;
}

Region *bench_regions(Arena *arena, const LEntry *e, int call, int *n)
{
    Touch *touch = touches_of(arena, e);
    *n = touch[call].n;
    for (int i = 0; i < *n; i++)
        touch[call].region[i].distance = distance_of(touch, e->calls.len, call, &touch[call].region[i]);
    return touch[call].region;
}

Work *bench_work(Arena *arena, const LEntry *e, const Machine *m)
{
    int n = e->calls.len;
    Work *work = ARENA_ARRAY(arena, Work, n + 1);
    const Touch *touch = touches_of(arena, e);
    for (int k = 0; k < n; k++) {
        double times = touch[k].chunks;
        work[k].flops = (double)e->calls.data[k].func->flops * times;
        for (int i = 0; i < touch[k].n; i++) {
            const Region *r = &touch[k].region[i];
            work[k].read += r->read * times;
            work[k].written += r->written * times;
            if (r->read + r->written > 0)
                add_levels(&work[k], m, (r->read + r->written) * times, distance_of(touch, n, k, r));
        }
    }
    return work;
}

double work_limit(const Work *w, const Machine *m, bool *by_bytes)
{
    double arithmetic = w->flops / m->flops, bytes = 0;
    for (int level = 0; level < N_LEVELS; level++) {
        double rate = level == LEVEL_MEMORY && m->triad > m->read[level] ? m->triad : m->read[level];
        bytes += w->level[level] / rate;
    }
    if (by_bytes)
        *by_bytes = bytes > arithmetic;
    return bytes > arithmetic ? bytes : arithmetic;
}
