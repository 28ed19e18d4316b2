/* Loops of window_max and its derivatives.
 *
 * Trailing axes without a window (channels) are one contiguous innermost loop, which the vectoriser
 * takes: the place of the maximum in a small window is found by selects, all lanes at once. Windows
 * that tile their input exactly are written straight; where they overlap or leave gaps the derivative
 * is zeroed first and added to, and what runs in parallel are the leading axes without a window. */
#include "ops/opaque.h"

enum {
    UNROLL_LIMIT = 16, /* elements of a window that are spelled out */
    LANE_BLOCK = 256   /* channels whose places are remembered at a time, on the stack */
};

typedef struct {
    Lower *lw;
    const Node *n;
    Type x, out;                /* of x, and of a value a window */
    const int64_t *window, *stride;
    int outer;                  /* axes [0, outer) are walked window by window */
    int64_t channels;           /* elements of the rest */
    int64_t x_stride[MAX_RANK]; /* row major */
    int64_t elements;           /* of a window */
    bool apart, tiles;          /* no two windows overlap; every element of x is in one window */
} Windows;

static Windows windows_of(Lower *lw, const Node *n)
{
    Windows w = { .lw = lw, .n = n, .x = n->in[0]->type };
    w.window = n->attr[0].ints.v;
    w.stride = n->attr[1].ints.v;
    w.out = w.x;
    w.elements = 1;
    w.apart = w.tiles = true;
    for (int i = 0; i < w.x.rank; i++) {
        w.out.dim[i] = (w.x.dim[i] - w.window[i]) / w.stride[i] + 1;
        w.elements *= w.window[i];
        w.apart = w.apart && (w.stride[i] >= w.window[i] || w.out.dim[i] == 1);
        w.tiles = w.tiles && w.out.dim[i] * w.window[i] == w.x.dim[i] &&
                  (w.stride[i] == w.window[i] || w.out.dim[i] == 1);
    }
    w.outer = w.x.rank;
    while (w.outer > 0 && w.window[w.outer - 1] == 1 && w.stride[w.outer - 1] == 1)
        w.outer--;
    w.channels = shape_span(&w.x, w.outer, w.x.rank);
    shape_strides(&w.x, w.x_stride);
    return w;
}

static int64_t total_work(const Windows *w) { return type_count(&w->out) * w->elements; }

/* Loops over the windows of axes [from, outer): one flattened loop over all but the last, and one over
 * the last. Adds the offset of a window's first element to *base and returns its number among them. */
static LExpr *loop_windows(const Windows *w, int from, LForKind kind, LExpr **base)
{
    LFunc *f = w->lw->func;
    int last = w->outer - 1;
    if (from > last)
        return lx_i64(f, 0);
    LExpr *flat = lx_i64(f, 0);
    if (from < last) {
        flat = opaque_for(w->lw, "w", shape_span(&w->out, from, last), kind);
        kind = LF_SERIAL;
        LExpr *rest = flat;
        for (int i = last - 1; i >= from; i--) {
            LExpr *at = i > from ? lx_bin(f, LX_MOD, rest, lx_i64(f, w->out.dim[i])) : rest;
            rest = lx_bin(f, LX_DIV, rest, lx_i64(f, w->out.dim[i]));
            *base = lx_add(f, *base, lx_mul(f, at, lx_i64(f, w->stride[i] * w->x_stride[i])));
        }
    }
    LExpr *at = opaque_for(w->lw, "v", w->out.dim[last], kind);
    *base = lx_add(f, *base, lx_mul(f, at, lx_i64(f, w->stride[last] * w->x_stride[last])));
    *base = lx_var(f, lb_let(f, w->lw->at, "base", *base));
    return lx_add(f, lx_mul(f, flat, lx_i64(f, w->out.dim[last])), at);
}

/* Offset in x of element k of a window from the window's first. */
static int64_t element_offset(const Windows *w, int64_t k)
{
    int64_t offset = 0;
    for (int i = w->outer - 1; i >= 0; i--) {
        offset += k % w->window[i] * w->x_stride[i];
        k /= w->window[i];
    }
    return offset;
}

static LExpr *load_at(const Windows *w, const LBuf *buf, LExpr *base, int64_t offset, LExpr *channel)
{
    LFunc *f = w->lw->func;
    return lx_load(f, buf, lx_add(f, lx_add(f, base, lx_i64(f, offset)), channel), 1, NULL);
}

static LExpr *let(const Windows *w, const char *name, LExpr *value)
{
    return lx_var(w->lw->func, lb_let(w->lw->func, w->lw->at, name, value));
}

/* Number of the first maximum's element, i32, with all elements spelled out. */
static LExpr *place_unrolled(const Windows *w, const LBuf *x, LExpr *base, LExpr *channel)
{
    LFunc *f = w->lw->func;
    LExpr *best = load_at(w, x, base, 0, channel), *place = lx_int(f, LK_I32, 0);
    for (int64_t k = 1; k < w->elements; k++) {
        LExpr *v = let(w, "x", load_at(w, x, base, element_offset(w, k), channel));
        best = let(w, "best", best);
        LExpr *larger = let(w, "larger", lx_bin(f, LX_LT, best, v));
        place = let(w, "place", lx_select(f, larger, lx_int(f, LK_I32, k), place));
        best = lx_select(f, larger, v, best);
    }
    return place;
}

/* The same for large windows, as loops: the offset in x, i64. */
static LExpr *offset_looped(const Windows *w, const LBuf *x, LExpr *base, LExpr *channel)
{
    LFunc *f = w->lw->func;
    LBlock *at = w->lw->at;
    LExpr *first = let(w, "first", lx_add(f, base, channel));
    LVar *best = lb_var(f, at, "best", lx_load(f, x, first, 1, NULL));
    LVar *place = lb_var(f, at, "place", first);
    LExpr *from = first;
    for (int i = 0; i < w->outer; i++)
        if (w->window[i] > 1) {
            LExpr *k = opaque_for(w->lw, "k", w->window[i], LF_SERIAL);
            from = lx_add(f, from, lx_mul(f, k, lx_i64(f, w->x_stride[i])));
        }
    LExpr *v = let(w, "x", lx_load(f, x, from, 1, NULL));
    LExpr *larger = let(w, "larger", lx_bin(f, LX_LT, lx_var(f, best), v));
    lb_set(f, w->lw->at, place, lx_select(f, larger, from, lx_var(f, place)));
    lb_set(f, w->lw->at, best, lx_select(f, larger, v, lx_var(f, best)));
    w->lw->at = at;
    return lx_var(f, place);
}

static LExpr *result_at(const Windows *w, LExpr *number, LExpr *channel)
{
    LFunc *f = w->lw->func;
    return lx_add(f, lx_mul(f, number, lx_i64(f, w->channels)), channel);
}

/* ---- window_max, window_max_pick ---- */

static LExpr *maximum(const Windows *w, const LBuf *x, LExpr *base, LExpr *channel)
{
    if (w->elements > UNROLL_LIMIT)
        return lx_load(w->lw->func, x, offset_looped(w, x, base, channel), 1, NULL);
    LExpr *best = load_at(w, x, base, 0, channel);
    for (int64_t k = 1; k < w->elements; k++) /* LX_MAX keeps its second operand at ties */
        best = lx_bin(w->lw->func, LX_MAX, load_at(w, x, base, element_offset(w, k), channel), best);
    return best;
}

static LExpr *picked(const Windows *w, const LBuf *x, const LBuf *v, LExpr *base, LExpr *channel)
{
    LFunc *f = w->lw->func;
    if (w->elements > UNROLL_LIMIT)
        return lx_load(f, v, offset_looped(w, x, base, channel), 1, NULL);
    LExpr *place = place_unrolled(w, x, base, channel), *value = load_at(w, v, base, 0, channel);
    for (int64_t k = 1; k < w->elements; k++) {
        LExpr *here = lx_bin(f, LX_EQ, place, lx_int(f, LK_I32, k));
        value = lx_select(f, here, load_at(w, v, base, element_offset(w, k), channel), value);
    }
    return value;
}

static void lower_forward(Lower *lw, const Node *n)
{
    Windows w = windows_of(lw, n);
    LBlock *top = lw->at;
    LBuf *x = opaque_in(lw, n, 0), *v = n->n_in > 1 ? opaque_in(lw, n, 1) : NULL, *y = opaque_out(lw, n);
    LExpr *base = lx_i64(lw->func, 0);
    LExpr *number = loop_windows(&w, 0, opaque_loop(total_work(&w)), &base);
    LExpr *channel = opaque_for(lw, "c", w.channels, LF_SERIAL);
    LExpr *value = v ? picked(&w, x, v, base, channel) : maximum(&w, x, base, channel);
    lb_store(lw->func, lw->at, y, result_at(&w, number, channel), value, NULL);
    lw->at = top;
}

void window_max_lower(Lower *lw, const Node *n) { lower_forward(lw, n); }
void window_max_pick_lower(Lower *lw, const Node *n) { lower_forward(lw, n); }

/* ---- window_max_grad ---- */

typedef struct {
    const LBuf *x, *dy;
    LBuf *dx;
} GradBufs;

/* Windows that do not overlap: every element of the window is written. */
static void store_window(const Windows *w, const GradBufs *b, LExpr *base, LExpr *number)
{
    LFunc *f = w->lw->func;
    LBlock *top = w->lw->at;
    LExpr *channel = opaque_for(w->lw, "c", w->channels, LF_SERIAL);
    LExpr *dy = let(w, "dy", lx_load(f, b->dy, result_at(w, number, channel), 1, NULL));
    LExpr *place = place_unrolled(w, b->x, base, channel);
    for (int64_t k = 0; k < w->elements; k++) {
        LExpr *here = lx_bin(f, LX_EQ, place, lx_int(f, LK_I32, k));
        LExpr *to = lx_add(f, lx_add(f, base, lx_i64(f, element_offset(w, k))), channel);
        lb_store(f, w->lw->at, b->dx, to, lx_select(f, here, dy, lx_float(f, 0)), NULL);
    }
    w->lw->at = top;
}

/* Windows that overlap: dx is read and written, so the places are found first, for a block of channels,
 * and each element of the window then is one simple loop. */
static void add_window(const Windows *w, const GradBufs *b, LExpr *base, LExpr *number)
{
    LFunc *f = w->lw->func;
    LBlock *top = w->lw->at;
    for (int64_t from = 0; from < w->channels; from += LANE_BLOCK) {
        int64_t count = w->channels - from < LANE_BLOCK ? w->channels - from : LANE_BLOCK;
        LBuf *places = lfunc_local(f, top, "places", LK_I32, count);
        LExpr *c = opaque_for(w->lw, "c", count, LF_SERIAL);
        LExpr *channel = lx_add(f, c, lx_i64(f, from));
        lb_store(f, w->lw->at, places, c, place_unrolled(w, b->x, base, channel), NULL);
        w->lw->at = top;
        for (int64_t k = 0; k < w->elements; k++) {
            c = opaque_for(w->lw, "c", count, LF_SERIAL);
            channel = lx_add(f, c, lx_i64(f, from));
            LExpr *here = lx_bin(f, LX_EQ, lx_load(f, places, c, 1, NULL), lx_int(f, LK_I32, k));
            LExpr *dy = lx_load(f, b->dy, result_at(w, number, channel), 1, NULL);
            LExpr *to = lx_add(f, lx_add(f, base, lx_i64(f, element_offset(w, k))), channel);
            LExpr *sum = lx_add(f, lx_load(f, b->dx, to, 1, NULL), lx_select(f, here, dy, lx_float(f, 0)));
            lb_store(f, w->lw->at, b->dx, to, sum, NULL);
            w->lw->at = top;
        }
    }
}

static void add_large_window(const Windows *w, const GradBufs *b, LExpr *base, LExpr *number)
{
    LFunc *f = w->lw->func;
    LBlock *top = w->lw->at;
    LExpr *channel = opaque_for(w->lw, "c", w->channels, LF_SERIAL);
    LExpr *to = offset_looped(w, b->x, base, channel);
    LExpr *dy = lx_load(f, b->dy, result_at(w, number, channel), 1, NULL);
    lb_store(f, w->lw->at, b->dx, to, lx_add(f, lx_load(f, b->dx, to, 1, NULL), dy), NULL);
    w->lw->at = top;
}

void window_max_grad_lower(Lower *lw, const Node *n)
{
    Windows w = windows_of(lw, n);
    LFunc *f = lw->func;
    LBlock *top = lw->at;
    GradBufs b = { opaque_in(lw, n, 0), opaque_in(lw, n, 1), opaque_out(lw, n) };
    LForKind kind = opaque_loop(total_work(&w));
    LExpr *base = lx_i64(f, 0);
    if (w.tiles && w.elements <= UNROLL_LIMIT) {
        LExpr *number = loop_windows(&w, 0, kind, &base);
        store_window(&w, &b, base, number);
        lw->at = top;
        return;
    }
    int lead = 0; /* axes whose slices no window crosses */
    while (lead < w.outer && w.window[lead] == 1 && w.stride[lead] == 1)
        lead++;
    int64_t slices = shape_span(&w.x, 0, lead), size = shape_span(&w.x, lead, w.x.rank);
    int64_t numbers = shape_span(&w.out, lead, w.outer);
    LExpr *slice = opaque_for(lw, "slice", slices, slices > 1 ? kind : LF_SERIAL);
    LBlock *body = lw->at;
    base = lx_mul(f, slice, lx_i64(f, size));
    LExpr *i = opaque_for(lw, "i", size, LF_SERIAL);
    lb_store(f, lw->at, b.dx, lx_add(f, base, i), lx_float(f, 0), NULL);
    lw->at = body;
    LExpr *number = loop_windows(&w, lead, LF_SERIAL, &base);
    number = lx_add(f, lx_mul(f, slice, lx_i64(f, numbers)), number);
    if (w.elements > UNROLL_LIMIT)
        add_large_window(&w, &b, base, number);
    else if (w.apart)
        store_window(&w, &b, base, number);
    else
        add_window(&w, &b, base, number);
    lw->at = top;
}
