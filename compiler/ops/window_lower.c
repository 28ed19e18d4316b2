/* Loops of the window operations where windows are large: one window after another, its elements in
 * loops of their own. window_put adds to zeroed memory; what runs in parallel there are the leading axes
 * without a window. */
#include "ops/opaque.h"

typedef struct {
    Lower *lw;
    const Node *n;
    Type x, out;                /* of the tensor with the windows, and of a value a window */
    const int64_t *window, *stride;
    int outer;                  /* axes [0, outer) are walked window by window */
    int64_t channels;           /* elements of the rest */
    int64_t x_stride[MAX_RANK]; /* row major */
} Windows;

static Windows windows_of(Lower *lw, const Node *n, const Type *x)
{
    Windows w = { .lw = lw, .n = n, .x = *x, .out = *x };
    w.window = n->attr[0].ints.v;
    w.stride = n->attr[1].ints.v;
    for (int i = 0; i < w.x.rank; i++)
        w.out.dim[i] = (w.x.dim[i] - w.window[i]) / w.stride[i] + 1;
    w.outer = w.x.rank;
    while (w.outer > 0 && w.window[w.outer - 1] == 1 && w.stride[w.outer - 1] == 1)
        w.outer--;
    w.channels = shape_span(&w.x, w.outer, w.x.rank);
    shape_strides(&w.x, w.x_stride);
    return w;
}

static LForKind loop_kind(const Windows *w) { return opaque_loop(w->lw, type_count(&w->out) * window_elements(w->n)); }

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

static LExpr *let(const Windows *w, const char *name, LExpr *value)
{
    return lx_var(w->lw->func, lb_let(w->lw->func, w->lw->at, name, value));
}

static LExpr *result_at(const Windows *w, LExpr *number, LExpr *channel)
{
    LFunc *f = w->lw->func;
    return lx_add(f, lx_mul(f, number, lx_i64(f, w->channels)), channel);
}

/* Largest element and its number in the window whose first element is at `base`. */
static void first_maximum(const Windows *w, const LBuf *x, LExpr *base, LVar **best, LVar **place)
{
    LFunc *f = w->lw->func;
    LBlock *at = w->lw->at;
    *best = lb_var(f, at, "best", lx_load(f, x, base, 1, NULL));
    *place = lb_var(f, at, "place", lx_int(f, LK_I32, 0));
    LExpr *from = base, *number = lx_i64(f, 0);
    for (int i = 0; i < w->outer; i++) {
        if (w->window[i] == 1)
            continue;
        LExpr *k = opaque_for(w->lw, "k", w->window[i], LF_SERIAL);
        from = lx_add(f, from, lx_mul(f, k, lx_i64(f, w->x_stride[i])));
        number = lx_add(f, lx_mul(f, number, lx_i64(f, w->window[i])), k);
    }
    LExpr *v = let(w, "x", lx_load(f, x, from, 1, NULL));
    LExpr *larger = let(w, "larger", lx_bin(f, LX_LT, lx_var(f, *best), v));
    lb_set(f, w->lw->at, *place, lx_select(f, larger, lx_cast(f, number, LK_I32), lx_var(f, *place)));
    lb_set(f, w->lw->at, *best, lx_select(f, larger, v, lx_var(f, *best)));
    w->lw->at = at;
}

static void lower_maxima(Lower *lw, const Node *n)
{
    Windows w = windows_of(lw, n, &n->in[0]->type);
    LFunc *f = lw->func;
    LBlock *top = lw->at;
    LBuf *x = opaque_in(lw, n, 0), *y = opaque_out(lw, n);
    LVar *best, *place;
    LExpr *base = lx_i64(f, 0);
    LExpr *number = loop_windows(&w, 0, loop_kind(&w), &base);
    LExpr *channel = opaque_for(lw, "c", w.channels, LF_SERIAL);
    first_maximum(&w, x, let(&w, "first", lx_add(f, base, channel)), &best, &place);
    lb_store(f, lw->at, y, result_at(&w, number, channel), lx_var(f, n->op == &op_window_max ? best : place), NULL);
    lw->at = top;
}

void window_max_lower(Lower *lw, const Node *n) { lower_maxima(lw, n); }
void window_place_lower(Lower *lw, const Node *n) { lower_maxima(lw, n); }

/* Offset from a window's first element to that of a given number, kept within the window. */
static LExpr *offset_of(const Windows *w, LExpr *place)
{
    LFunc *f = w->lw->func;
    LExpr *rest = let(w, "rest", opaque_clamp(f, place, window_elements(w->n))), *offset = lx_i64(f, 0);
    for (int i = w->outer - 1; i >= 0; i--) {
        LExpr *k = lx_bin(f, LX_MOD, rest, lx_i64(f, w->window[i]));
        offset = lx_add(f, offset, lx_mul(f, k, lx_i64(f, w->x_stride[i])));
        rest = let(w, "rest", lx_bin(f, LX_DIV, rest, lx_i64(f, w->window[i])));
    }
    return let(w, "offset", offset);
}

void window_take_lower(Lower *lw, const Node *n)
{
    Windows w = windows_of(lw, n, &n->in[1]->type);
    LFunc *f = lw->func;
    LBlock *top = lw->at;
    LBuf *places = opaque_in(lw, n, 0), *v = opaque_in(lw, n, 1), *y = opaque_out(lw, n);
    LExpr *base = lx_i64(f, 0);
    LExpr *number = loop_windows(&w, 0, loop_kind(&w), &base);
    LExpr *channel = opaque_for(lw, "c", w.channels, LF_SERIAL), *at = result_at(&w, number, channel);
    LExpr *from = lx_add(f, lx_add(f, base, channel), offset_of(&w, lx_load(f, places, at, 1, NULL)));
    lb_store(f, lw->at, y, at, lx_load(f, v, from, 1, NULL), NULL);
    lw->at = top;
}

void window_put_lower(Lower *lw, const Node *n)
{
    Windows w = windows_of(lw, n, &n->type);
    LFunc *f = lw->func;
    LBlock *top = lw->at;
    LBuf *places = opaque_in(lw, n, 0), *v = opaque_in(lw, n, 1), *y = opaque_out(lw, n);
    int lead = 0; /* axes whose slices no window crosses */
    while (lead < w.outer && w.window[lead] == 1 && w.stride[lead] == 1)
        lead++;
    int64_t slices = shape_span(&w.x, 0, lead), size = shape_span(&w.x, lead, w.x.rank);
    LExpr *slice = opaque_for(lw, "slice", slices, slices > 1 ? loop_kind(&w) : LF_SERIAL);
    LBlock *body = lw->at;
    LExpr *base = lx_mul(f, slice, lx_i64(f, size)), *i = opaque_for(lw, "i", size, LF_SERIAL);
    lb_store(f, lw->at, y, lx_add(f, base, i), lx_float(f, 0), NULL);
    lw->at = body;
    LExpr *number = loop_windows(&w, lead, LF_SERIAL, &base);
    number = lx_add(f, lx_mul(f, slice, lx_i64(f, shape_span(&w.out, lead, w.outer))), number);
    LExpr *channel = opaque_for(lw, "c", w.channels, LF_SERIAL), *at = result_at(&w, number, channel);
    LExpr *to = lx_add(f, lx_add(f, base, channel), offset_of(&w, lx_load(f, places, at, 1, NULL)));
    lb_store(f, lw->at, y, to, lx_add(f, lx_load(f, y, to, 1, NULL), lx_load(f, v, at, 1, NULL)), NULL);
    lw->at = top;
}
