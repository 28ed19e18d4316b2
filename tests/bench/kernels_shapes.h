/* The contractions that tests/bench/kernels.c measures, as strides. */
#ifndef NNC_TESTS_KERNELS_SHAPES_H
#define NNC_TESTS_KERNELS_SHAPES_H
#include "loop/tile.h"
#include <stdio.h>
#include <string.h>

/* One sum of products; the gradient of a strided convolution has several. */
typedef struct {
    int n_out, n_index;
    int64_t extent[TILE_MAX_INDEX], stride[2][TILE_MAX_INDEX], out_stride[TILE_MAX_INDEX], base[2], out_base;
} Part;

typedef struct {
    const char *name, *group; /* group: of the weighted sums; NULL: none */
    double weight, flops;
    int64_t count[3];         /* elements of the operands and the result */
    int n_parts;
    Part part[4];
} Shape;

typedef struct {
    Arena *arena;
    Shape *data;
    int len, cap;
} Shapes;

static Shape *shape_add(Shapes *s, const char *name, const char *group, double weight)
{
    VEC_PUSH(s->arena, s, (Shape){ .name = name, .group = group, .weight = weight });
    return &s->data[s->len - 1];
}

/* Counts of elements and operations from the strides. */
static void shape_close(Shape *s)
{
    for (int i = 0; i < s->n_parts; i++) {
        const Part *p = &s->part[i];
        double work = 2;
        int64_t last[3] = { p->base[0], p->base[1], p->out_base };
        for (int k = 0; k < p->n_index; k++) {
            work *= (double)p->extent[k];
            for (int o = 0; o < 3; o++) {
                int64_t step = o == 2 ? p->out_stride[k] : p->stride[o][k];
                last[o] += step > 0 ? step * (p->extent[k] - 1) : 0;
            }
        }
        s->flops += work;
        for (int o = 0; o < 3; o++)
            s->count[o] = s->count[o] > last[o] + 1 ? s->count[o] : last[o] + 1;
    }
}

/* Indices are appended one by one: extent, strides of a, b and the result. */
static void part_index(Part *p, int64_t extent, int64_t a, int64_t b, int64_t y)
{
    int k = p->n_index++;
    p->extent[k] = extent;
    p->stride[0][k] = a;
    p->stride[1][k] = b;
    p->out_stride[k] = y;
}

/* y[batch, m, n] = a[batch, m, k] b[batch, k, n]; ta, tb: the last two axes of a, b in memory swapped. */
static void product(Shapes *all, const char *group, int64_t batch, int64_t m, int64_t k, int64_t n, bool ta, bool tb)
{
    char *name = arena_printf(all->arena, "product %lldx%lldx%lld%s%s", (long long)m, (long long)k, (long long)n,
                              ta ? " a^T" : "", tb ? " b^T" : "");
    if (batch > 1)
        name = arena_printf(all->arena, "%s batch %lld", name, (long long)batch);
    Shape *s = shape_add(all, name, group, 1);
    Part *p = &s->part[s->n_parts++];
    if (batch > 1)
        part_index(p, batch, m * k, k * n, m * n);
    part_index(p, m, ta ? 1 : k, 0, n);
    part_index(p, n, 0, tb ? k : 1, 1);
    p->n_out = p->n_index;
    part_index(p, k, ta ? m : 1, tb ? 1 : n, 0);
    shape_close(s);
}

typedef struct {
    int64_t n, h, w, ci, co, kh, kw, step, dilation; /* h, w: of the result */
    double weight;
} Conv;

static char *conv_name(Arena *arena, const char *what, const Conv *c)
{
    char *name = arena_printf(arena, "%s %lldx%lld %lld->%lld %lldx%lld", what, (long long)c->h, (long long)c->w,
                              (long long)c->ci, (long long)c->co, (long long)c->kh, (long long)c->kw);
    if (c->step > 1)
        name = arena_printf(arena, "%s s%lld", name, (long long)c->step);
    if (c->dilation > 1)
        name = arena_printf(arena, "%s d%lld", name, (long long)c->dilation);
    return c->n > 1 ? arena_printf(arena, "%s n%lld", name, (long long)c->n) : name;
}

/* x[n, H, W, ci] already padded, weights [kh, kw, ci, co], y[n, h, w, co]. */
static void forward(Shapes *all, const char *group, Conv c)
{
    Shape *s = shape_add(all, conv_name(all->arena, "conv", &c), group, c.weight);
    Part *p = &s->part[s->n_parts++];
    int64_t d = c.dilation, W = (c.w - 1) * c.step + (c.kw - 1) * d + 1, H = (c.h - 1) * c.step + (c.kh - 1) * d + 1;
    part_index(p, c.n, H * W * c.ci, 0, c.h * c.w * c.co);
    part_index(p, c.h, c.step * W * c.ci, 0, c.w * c.co);
    part_index(p, c.w, c.step * c.ci, 0, c.co);
    part_index(p, c.co, 0, 1, 1);
    p->n_out = 4;
    part_index(p, c.kh, d * W * c.ci, c.kw * c.ci * c.co, 0);
    part_index(p, c.kw, d * c.ci, c.ci * c.co, 0);
    part_index(p, c.ci, 1, c.co, 0);
    shape_close(s);
}

/* dx[n, h * step, w * step, ci] from dy padded around: one part for every output phase. */
static void input_gradient(Shapes *all, const char *group, Conv c)
{
    Shape *s = shape_add(all, conv_name(all->arena, "dX", &c), group, c.weight);
    int64_t W = c.w + c.kw, H = c.h + c.kh, X = c.w * c.step; /* dy with a border as wide as the taps */
    for (int64_t ph = 0; ph < c.step; ph++)
        for (int64_t pw = 0; pw < c.step; pw++) {
            int64_t th = (c.kh - ph + c.step - 1) / c.step, tw = (c.kw - pw + c.step - 1) / c.step;
            if (th < 1 || tw < 1)
                continue;
            Part *p = &s->part[s->n_parts++];
            part_index(p, c.n, H * W * c.co, 0, c.h * c.step * X * c.ci);
            part_index(p, c.h, W * c.co, 0, c.step * X * c.ci);
            part_index(p, c.w, c.co, 0, c.step * c.ci);
            part_index(p, c.ci, 0, c.co, 1);
            p->n_out = 4;
            part_index(p, th, -W * c.co, c.step * c.kw * c.ci * c.co, 0);
            part_index(p, tw, -c.co, c.step * c.ci * c.co, 0);
            part_index(p, c.co, 1, 1, 0);
            p->base[0] = ((th - 1) * W + tw - 1) * c.co;
            p->base[1] = (ph * c.kw + pw) * c.ci * c.co;
            p->out_base = (ph * X + pw) * c.ci;
        }
    shape_close(s);
}

/* dw[kh, kw, ci, co] = sum over n, h, w of x[n, h * step + kh, w * step + kw, ci] dy[n, h, w, co]. */
static void weight_gradient(Shapes *all, const char *group, Conv c)
{
    Shape *s = shape_add(all, conv_name(all->arena, "dW", &c), group, c.weight);
    Part *p = &s->part[s->n_parts++];
    int64_t W = (c.w - 1) * c.step + c.kw, H = (c.h - 1) * c.step + c.kh;
    part_index(p, c.kh, W * c.ci, 0, c.kw * c.ci * c.co);
    part_index(p, c.kw, c.ci, 0, c.ci * c.co);
    part_index(p, c.ci, 1, 0, c.co);
    part_index(p, c.co, 0, 1, 1);
    p->n_out = 4;
    part_index(p, c.n, H * W * c.ci, c.h * c.w * c.co, 0);
    part_index(p, c.h, c.step * W * c.ci, c.w * c.co, 0);
    part_index(p, c.w, c.step * c.ci, c.co, 0);
    shape_close(s);
}

static void depthwise(Shapes *all, const char *group, Conv c)
{
    Shape *s = shape_add(all, conv_name(all->arena, "depthwise", &c), group, c.weight);
    Part *p = &s->part[s->n_parts++];
    int64_t d = c.dilation, W = (c.w - 1) * c.step + (c.kw - 1) * d + 1, H = (c.h - 1) * c.step + (c.kh - 1) * d + 1;
    part_index(p, c.n, H * W * c.co, 0, c.h * c.w * c.co);
    part_index(p, c.h, c.step * W * c.co, 0, c.w * c.co);
    part_index(p, c.w, c.step * c.co, 0, c.co);
    part_index(p, c.co, 1, 1, 1);
    p->n_out = 4;
    part_index(p, c.kh, d * W * c.co, c.kw * c.co, 0);
    part_index(p, c.kw, d * c.co, c.co, 0);
    shape_close(s);
}

/* dw[kh, kw, c] = sum over n, h, w of x[n, h * step + kh, w * step + kw, c] dy[n, h, w, c]. */
static void depthwise_weight_gradient(Shapes *all, const char *group, Conv c)
{
    Shape *s = shape_add(all, conv_name(all->arena, "depthwise dW", &c), group, c.weight);
    Part *p = &s->part[s->n_parts++];
    int64_t W = (c.w - 1) * c.step + c.kw, H = (c.h - 1) * c.step + c.kh;
    part_index(p, c.kh, W * c.co, 0, c.kw * c.co);
    part_index(p, c.kw, c.co, 0, c.co);
    part_index(p, c.co, 1, 1, 1);
    p->n_out = 3;
    part_index(p, c.n, H * W * c.co, c.h * c.w * c.co, 0);
    part_index(p, c.h, c.step * W * c.co, c.w * c.co, 0);
    part_index(p, c.w, c.step * c.co, c.co, 0);
    shape_close(s);
}

static const Conv RESNET18[] = {
    { 1, 112, 112, 3, 64, 7, 7, 2, 1, 1 },   { 1, 56, 56, 64, 64, 3, 3, 1, 1, 4 },
    { 1, 28, 28, 64, 128, 3, 3, 2, 1, 1 },   { 1, 28, 28, 64, 128, 1, 1, 2, 1, 1 },
    { 1, 28, 28, 128, 128, 3, 3, 1, 1, 3 },  { 1, 14, 14, 128, 256, 3, 3, 2, 1, 1 },
    { 1, 14, 14, 128, 256, 1, 1, 2, 1, 1 },  { 1, 14, 14, 256, 256, 3, 3, 1, 1, 3 },
    { 1, 7, 7, 256, 512, 3, 3, 2, 1, 1 },    { 1, 7, 7, 256, 512, 1, 1, 2, 1, 1 },
    { 1, 7, 7, 512, 512, 3, 3, 1, 1, 3 },
};
static const Conv CNN[] = { /* a small network on 28x28 pictures, batch 32 */
    { 32, 26, 26, 1, 32, 3, 3, 1, 1, 1 },
    { 32, 11, 11, 32, 64, 3, 3, 1, 1, 1 },
    { 32, 3, 3, 64, 64, 3, 3, 1, 1, 1 },
};
static const Conv DEPTHWISE[] = {
    { 1, 112, 112, 32, 32, 3, 3, 1, 1, 1 }, { 1, 56, 56, 96, 96, 3, 3, 2, 1, 1 },
    { 1, 28, 28, 192, 192, 3, 3, 1, 1, 1 }, { 1, 14, 14, 384, 384, 3, 3, 1, 1, 1 },
    { 1, 7, 7, 960, 960, 3, 3, 1, 1, 1 },
};
static const Conv DEPTHWISE_ODD[] = {
    { 1, 28, 28, 96, 96, 5, 5, 1, 1, 1 }, { 3, 27, 29, 61, 61, 3, 3, 2, 1, 1 }, { 2, 14, 15, 37, 37, 5, 3, 1, 2, 1 },
};
static const Conv POINTWISE[] = {
    { 1, 56, 56, 24, 144, 1, 1, 1, 1, 1 }, { 1, 28, 28, 192, 32, 1, 1, 1, 1, 1 },
    { 1, 14, 14, 384, 64, 1, 1, 1, 1, 1 }, { 1, 7, 7, 960, 320, 1, 1, 1, 1, 1 },
};
/* Odd sizes, each behind its round neighbour. */
static const Conv ODD[] = {
    { 3, 56, 112, 36, 36, 5, 3, 1, 1, 1 }, { 3, 56, 113, 37, 37, 5, 3, 1, 1, 1 },
    { 2, 28, 28, 64, 64, 3, 3, 1, 1, 1 },  { 3, 27, 29, 61, 67, 3, 3, 1, 1, 1 },
    { 4, 14, 14, 32, 96, 3, 3, 1, 2, 1 },  { 3, 13, 15, 37, 99, 3, 3, 1, 2, 1 },
};

#define EACH(list, call)                                                                                              \
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)                                                           \
        call

/* b as the layout pass keeps weights: panels [n / 32][k][32]. */
static void panel_product(Shapes *all, int64_t m, int64_t k, int64_t n)
{
    Shape *s = shape_add(all, arena_printf(all->arena, "product %lldx%lldx%lld b panels", (long long)m, (long long)k,
                                           (long long)n), NULL, 1);
    Part *p = &s->part[s->n_parts++];
    part_index(p, m, k, 0, n);
    part_index(p, n / 32, 0, k * 32, 32);
    part_index(p, 32, 0, 1, 1);
    p->n_out = p->n_index;
    part_index(p, k, 1, 32, 0);
    shape_close(s);
}

/* only: "M,K,N" of the one product wanted, or "M,K,N,HOW" with letters: a, b for a transposed operand, p for b
 * in panels; NULL: all shapes. */
static int shapes_make(Arena *arena, const char *only, Shape **out)
{
    Shapes all = { .arena = arena };
    long long m, k, n;
    char how[4] = "";
    if (only && sscanf(only, "%lld,%lld,%lld,%3s", &m, &k, &n, how) >= 3) {
        if (strchr(how, 'p'))
            panel_product(&all, m, k, n);
        else
            product(&all, NULL, 1, m, k, n, strchr(how, 'a') != NULL, strchr(how, 'b') != NULL);
        *out = all.data;
        return all.len;
    }
    static const int64_t PRODUCT[][3] = { { 1024, 1024, 1024 }, { 256, 256, 256 }, { 64, 64, 64 }, { 32, 784, 128 },
                                          { 32, 1024, 1024 },   { 1, 784, 128 },   { 1, 1024, 1024 }, { 128, 256, 1024 },
                                          { 128, 768, 768 },    { 77, 256, 1000 }, { 100, 100, 100 }, { 255, 257, 259 }, { 1, 1280, 1000 } };
    EACH(PRODUCT, product(&all, NULL, 1, PRODUCT[i][0], PRODUCT[i][1], PRODUCT[i][2], false, false));
    EACH(PRODUCT, product(&all, NULL, 1, PRODUCT[i][0], PRODUCT[i][1], PRODUCT[i][2], false, true));
    EACH(PRODUCT, product(&all, NULL, 1, PRODUCT[i][0], PRODUCT[i][1], PRODUCT[i][2], true, false));
    for (int tb = 0; tb < 2; tb++) {
        product(&all, NULL, 4, 128, 64, 128, false, tb);
        product(&all, NULL, 4, 128, 128, 64, false, tb);
        product(&all, NULL, 12, 77, 64, 77, false, tb);
    }
    EACH(RESNET18, forward(&all, "resnet conv", RESNET18[i]));
    EACH(RESNET18, input_gradient(&all, "resnet dX", RESNET18[i]));
    EACH(RESNET18, weight_gradient(&all, "resnet dW", RESNET18[i]));
    EACH(CNN, forward(&all, "cnn conv", CNN[i]));
    EACH(CNN, input_gradient(&all, "cnn dX", CNN[i]));
    EACH(CNN, weight_gradient(&all, "cnn dW", CNN[i]));
    EACH(DEPTHWISE, depthwise(&all, "depthwise", DEPTHWISE[i]));
    EACH(DEPTHWISE_ODD, depthwise(&all, "depthwise, odd", DEPTHWISE_ODD[i]));
    EACH(DEPTHWISE, depthwise_weight_gradient(&all, "depthwise dW", DEPTHWISE[i]));
    EACH(POINTWISE, forward(&all, "pointwise", POINTWISE[i]));
    EACH(ODD, forward(&all, NULL, ODD[i]));
    EACH(ODD, input_gradient(&all, NULL, ODD[i]));
    EACH(ODD, weight_gradient(&all, NULL, ODD[i]));
    *out = all.data;
    return all.len;
}
#endif
