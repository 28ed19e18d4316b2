/* The one-dimensional transforms of F(2, 3) at the points 0, 1, -1 and of F(4, 3) at 0, 1, -1, 2, -2,
 * each with infinity, written with the sums that rows share. */
#include "loop/winograd.h"

typedef struct {
    LFunc *f;
    LBlock *at;
} W;

static LExpr *let(W w, LExpr *e) { return lx_var(w.f, lb_let(w.f, w.at, "w", e)); }
static LExpr *add(W w, LExpr *a, LExpr *b) { return let(w, lx_add(w.f, a, b)); }
static LExpr *sub(W w, LExpr *a, LExpr *b) { return let(w, lx_bin(w.f, LX_SUB, a, b)); }
/* a * factor + b */
static LExpr *mad(W w, LExpr *a, double factor, LExpr *b)
{
    return let(w, lx_fma(w.f, a, lx_float(w.f, factor), b));
}
static LExpr *times(W w, LExpr *a, double factor) { return let(w, lx_mul(w.f, a, lx_float(w.f, factor))); }

void winograd_image(LFunc *f, LBlock *at, int m, LExpr *const *d, LExpr **out)
{
    W w = { f, at };
    if (m == 2) {
        out[0] = sub(w, d[0], d[2]);
        out[1] = add(w, d[1], d[2]);
        out[2] = sub(w, d[2], d[1]);
        out[3] = sub(w, d[1], d[3]);
        return;
    }
    LExpr *even4 = mad(w, d[2], -4, d[4]), *odd4 = mad(w, d[1], -4, d[3]);
    LExpr *even1 = sub(w, d[4], d[2]), *odd1 = sub(w, d[3], d[1]);
    out[0] = mad(w, d[0], 4, mad(w, d[2], -5, d[4]));
    out[1] = add(w, even4, odd4);
    out[2] = sub(w, even4, odd4);
    out[3] = mad(w, odd1, 2, even1);
    out[4] = mad(w, odd1, -2, even1);
    out[5] = mad(w, d[1], 4, mad(w, d[3], -5, d[5]));
}

void winograd_taps(LFunc *f, LBlock *at, int m, LExpr *const *g, LExpr **out)
{
    W w = { f, at };
    LExpr *ends = add(w, g[0], g[2]);
    if (m == 2) {
        out[0] = g[0];
        out[1] = times(w, add(w, ends, g[1]), 0.5);
        out[2] = times(w, sub(w, ends, g[1]), 0.5);
        out[3] = g[2];
        return;
    }
    LExpr *far = mad(w, g[2], 4, g[0]); /* at the points 2 and -2 */
    out[0] = times(w, g[0], 1.0 / 4);
    out[1] = times(w, add(w, ends, g[1]), -1.0 / 6);
    out[2] = times(w, sub(w, ends, g[1]), -1.0 / 6);
    out[3] = times(w, mad(w, g[1], 2, far), 1.0 / 24);
    out[4] = times(w, mad(w, g[1], -2, far), 1.0 / 24);
    out[5] = g[2];
}

void winograd_products(LFunc *f, LBlock *at, int m, LExpr *const *p, LExpr **out)
{
    W w = { f, at };
    LExpr *sum = add(w, p[1], p[2]), *difference = sub(w, p[1], p[2]);
    if (m == 2) {
        out[0] = add(w, p[0], sum);
        out[1] = sub(w, difference, p[3]);
        return;
    }
    LExpr *far_sum = add(w, p[3], p[4]), *far_difference = sub(w, p[3], p[4]);
    out[0] = add(w, add(w, p[0], sum), far_sum);
    out[1] = mad(w, far_difference, 2, difference);
    out[2] = mad(w, far_sum, 4, sum);
    out[3] = add(w, mad(w, far_difference, 8, difference), p[5]);
}
