/* Drawn digits: a data set for where no MNIST is at hand, in the same form (28x28 bytes, IDX files of
 * the same names). Each digit is a few pen strokes, some in several ways of writing, distorted by
 * chance: control points moved, slanted, turned, stretched, shifted, drawn with pens of different
 * width and pressure, with noise. Every image is a pure function of (seed, index). */
#include "runtime/file.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { SIDE = 28, PIXELS = SIDE * SIDE, MAX_KNOTS = 14, MAX_STROKES = 3, PIECES = 6 };

typedef struct {
    bool curved; /* a Catmull-Rom spline through the points, or straight lines */
    int n;
    float at[MAX_KNOTS][2]; /* x to the right, y down, in the unit square */
} Stroke;

typedef struct {
    int digit, n;
    Stroke strokes[MAX_STROKES];
} Glyph;

static const Glyph glyphs[] = {
    {0, 1, {{true, 10, {{.55f, 0}, {.22f, .1f}, {.06f, .4f}, {.1f, .75f}, {.4f, 1}, {.75f, .93f}, {.94f, .6f}, {.9f, .25f}, {.65f, .02f}, {.4f, .03f}}}}},
    {0, 1, {{true, 9, {{.5f, 0}, {.15f, .2f}, {.05f, .5f}, {.15f, .82f}, {.5f, 1}, {.85f, .8f}, {.95f, .5f}, {.85f, .18f}, {.5f, 0}}}}},
    {1, 1, {{false, 2, {{.5f, 0}, {.5f, 1}}}}},
    {1, 1, {{false, 3, {{.28f, .25f}, {.55f, 0}, {.55f, 1}}}}},
    {1, 2, {{false, 3, {{.28f, .25f}, {.52f, 0}, {.52f, 1}}}, {false, 2, {{.25f, 1}, {.8f, 1}}}}},
    {2, 2, {{true, 7, {{.1f, .25f}, {.27f, .05f}, {.58f, 0}, {.86f, .17f}, {.8f, .42f}, {.48f, .7f}, {.08f, 1}}}, {false, 2, {{.08f, 1}, {.95f, .97f}}}}},
    {2, 1, {{true, 11, {{.12f, .2f}, {.35f, .02f}, {.7f, .03f}, {.85f, .25f}, {.65f, .55f}, {.3f, .88f}, {.12f, .97f}, {.1f, .82f}, {.3f, .8f}, {.6f, .97f}, {.95f, .92f}}}}},
    {3, 2, {{true, 5, {{.1f, .12f}, {.45f, 0}, {.82f, .15f}, {.76f, .38f}, {.4f, .47f}}}, {true, 6, {{.4f, .47f}, {.84f, .57f}, {.92f, .8f}, {.62f, 1}, {.3f, .98f}, {.05f, .85f}}}}},
    {3, 2, {{false, 3, {{.1f, .02f}, {.86f, .02f}, {.42f, .4f}}}, {true, 6, {{.42f, .4f}, {.8f, .5f}, {.92f, .74f}, {.68f, .97f}, {.32f, 1}, {.04f, .88f}}}}},
    {4, 2, {{false, 3, {{.6f, 0}, {.05f, .66f}, {.95f, .64f}}}, {false, 2, {{.7f, .3f}, {.68f, 1}}}}},
    {4, 2, {{true, 4, {{.15f, .02f}, {.1f, .35f}, {.25f, .52f}, {.85f, .48f}}}, {false, 2, {{.85f, 0}, {.78f, 1}}}}},
    {5, 3, {{false, 3, {{.2f, .45f}, {.28f, 0}, {.28f, 0}}}, {false, 2, {{.28f, 0}, {.88f, .01f}}}, {true, 7, {{.2f, .45f}, {.52f, .36f}, {.86f, .5f}, {.9f, .76f}, {.62f, .98f}, {.3f, 1}, {.05f, .88f}}}}},
    {5, 2, {{true, 8, {{.3f, .03f}, {.22f, .4f}, {.5f, .38f}, {.82f, .52f}, {.86f, .78f}, {.6f, .98f}, {.28f, .98f}, {.06f, .86f}}}, {false, 2, {{.3f, .03f}, {.92f, .06f}}}}},
    {6, 1, {{true, 10, {{.74f, .02f}, {.4f, .18f}, {.15f, .5f}, {.08f, .78f}, {.35f, 1}, {.74f, .95f}, {.88f, .73f}, {.65f, .53f}, {.35f, .56f}, {.13f, .76f}}}}},
    {6, 1, {{true, 9, {{.45f, 0}, {.2f, .35f}, {.12f, .7f}, {.3f, .97f}, {.65f, 1}, {.85f, .8f}, {.7f, .6f}, {.4f, .6f}, {.15f, .78f}}}}},
    {7, 1, {{false, 3, {{.05f, .02f}, {.95f, 0}, {.4f, 1}}}}},
    {7, 2, {{true, 5, {{.05f, .12f}, {.3f, .02f}, {.92f, .03f}, {.6f, .5f}, {.42f, 1}}}, {false, 2, {{.3f, .52f}, {.85f, .48f}}}}},
    {7, 2, {{false, 3, {{.08f, .2f}, {.08f, .02f}, {.9f, 0}}}, {true, 3, {{.9f, 0}, {.62f, .45f}, {.5f, 1}}}}},
    {8, 1, {{true, 13, {{.5f, .47f}, {.2f, .3f}, {.25f, .06f}, {.5f, 0}, {.78f, .08f}, {.78f, .3f}, {.5f, .47f}, {.15f, .68f}, {.15f, .92f}, {.5f, 1}, {.85f, .92f}, {.85f, .68f}, {.5f, .47f}}}}},
    {8, 1, {{true, 12, {{.8f, .1f}, {.5f, 0}, {.2f, .12f}, {.3f, .36f}, {.7f, .58f}, {.88f, .8f}, {.6f, 1}, {.25f, .97f}, {.14f, .75f}, {.4f, .5f}, {.72f, .3f}, {.8f, .08f}}}}},
    {9, 2, {{true, 7, {{.86f, .24f}, {.6f, .02f}, {.25f, .06f}, {.1f, .3f}, {.3f, .5f}, {.65f, .45f}, {.87f, .2f}}}, {false, 3, {{.87f, .2f}, {.84f, .6f}, {.78f, 1}}}}},
    {9, 2, {{true, 7, {{.84f, .2f}, {.55f, 0}, {.18f, .14f}, {.15f, .4f}, {.45f, .52f}, {.76f, .36f}, {.84f, .16f}}}, {true, 4, {{.84f, .16f}, {.86f, .5f}, {.65f, .85f}, {.3f, 1}}}}}};
enum { N_GLYPHS = sizeof glyphs / sizeof *glyphs };

/* ---- chance ---------------------------------------------------------------------------------------- */

typedef struct {
    uint64_t key;
    uint32_t i;
} Chance;

static float between(Chance *c, float low, float high)
{
    return low + (high - low) * nnr_uniform(c->key, c->i++);
}

/* The sum of four uniform draws: near enough to a normal of deviation 1. */
static float bell(Chance *c)
{
    float sum = 0;
    for (int i = 0; i < 4; i++) sum += between(c, -1, 1);
    return sum * 0.866f;
}

static const Glyph *choose_glyph(Chance *c, int digit)
{
    int ways = 0, first = 0;
    for (int i = N_GLYPHS - 1; i >= 0; i--)
        if (glyphs[i].digit == digit) first = i, ways++;
    return &glyphs[first + (int)between(c, 0, (float)ways)];
}

/* ---- strokes to line segments in pixels -------------------------------------------------------------- */

typedef struct {
    float a[2], b[2], width; /* width: half of the pen's, in pixels */
} Segment;

typedef struct {
    Segment segments[MAX_STROKES * MAX_KNOTS * PIECES];
    int n;
} Drawing;

/* Unit square to pixels: x' = m x + t. */
typedef struct {
    float m[2][2], t[2];
} Affine;

static Affine random_affine(Chance *c)
{
    float turn = 0.15f * bell(c), slant = -0.1f + 0.22f * bell(c);
    float height = between(c, 15, 21.5f), width = height * between(c, 0.5f, 0.92f);
    float cs = cosf(turn), sn = sinf(turn);
    Affine f;
    f.m[0][0] = cs * width;
    f.m[0][1] = cs * slant * height - sn * height;
    f.m[1][0] = sn * width;
    f.m[1][1] = sn * slant * height + cs * height;
    for (int i = 0; i < 2; i++)
        f.t[i] = 13.5f + 1.1f * bell(c) - 0.5f * (f.m[i][0] + f.m[i][1]);
    return f;
}

static void apply(const Affine *f, const float p[2], float out[2])
{
    for (int i = 0; i < 2; i++) out[i] = f->m[i][0] * p[0] + f->m[i][1] * p[1] + f->t[i];
}

static float spline(float a, float b, float c, float d, float t)
{
    return 0.5f * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t * t + (3 * b - a - 3 * c + d) * t * t * t);
}

static void add_stroke(Drawing *d, const Stroke *s, const Affine *f, Chance *c, float width)
{
    float p[MAX_KNOTS][2];
    float from[2], to[2], wobble = between(c, 0, 0.055f);
    for (int k = 0; k < s->n; k++) {
        float moved[2] = {s->at[k][0] + wobble * bell(c), s->at[k][1] + wobble * bell(c)};
        apply(f, moved, p[k]);
    }
    for (int k = 0; k + 1 < s->n; k++) {
        const float *a = p[k > 0 ? k - 1 : 0], *z = p[k + 2 < s->n ? k + 2 : k + 1];
        int pieces = s->curved ? PIECES : 1;
        memcpy(from, p[k], sizeof from);
        for (int i = 1; i <= pieces; i++) {
            float t = (float)i / (float)pieces;
            for (int j = 0; j < 2; j++) to[j] = spline(a[j], p[k][j], p[k + 1][j], z[j], t);
            if (!s->curved) memcpy(to, p[k + 1], sizeof to);
            Segment *g = &d->segments[d->n++];
            memcpy(g->a, from, sizeof from);
            memcpy(g->b, to, sizeof to);
            g->width = width;
            memcpy(from, to, sizeof from);
        }
        width *= between(c, 0.9f, 1.1f);
    }
}

/* ---- segments to pixels -------------------------------------------------------------------------------- */

static float distance(const Segment *s, float x, float y)
{
    float dx = s->b[0] - s->a[0], dy = s->b[1] - s->a[1], len = dx * dx + dy * dy;
    float t = len > 0 ? ((x - s->a[0]) * dx + (y - s->a[1]) * dy) / len : 0;
    t = t < 0 ? 0 : t > 1 ? 1 : t;
    float ex = x - s->a[0] - t * dx, ey = y - s->a[1] - t * dy;
    return sqrtf(ex * ex + ey * ey);
}

/* First and last pixel, along one axis, that a segment may touch. */
static void reach(const Segment *s, int axis, float margin, int *from, int *to)
{
    float low = fminf(s->a[axis], s->b[axis]) - margin, high = fmaxf(s->a[axis], s->b[axis]) + margin;
    *from = low < 0 ? 0 : (int)fminf(low, SIDE);
    *to = high < 0 ? -1 : (int)fminf(high, SIDE - 1);
}

/* A pixel's ink, 0 to 1, is how far it lies within the pen, ramped over one pixel and a bit. */
static void lay_ink(const Drawing *d, float soft, float ink[PIXELS])
{
    memset(ink, 0, sizeof(float) * PIXELS);
    for (int i = 0; i < d->n; i++) {
        const Segment *s = &d->segments[i];
        int x0, x1, y0, y1;
        reach(s, 0, s->width + soft, &x0, &x1);
        reach(s, 1, s->width + soft, &y0, &y1);
        for (int y = y0; y <= y1; y++)
            for (int x = x0; x <= x1; x++) {
                float v = 0.5f + (s->width - distance(s, (float)x, (float)y)) / soft;
                ink[y * SIDE + x] = fminf(1, fmaxf(ink[y * SIDE + x], v));
            }
    }
}

void nnr_digit_draw(uint64_t seed, uint64_t index, uint8_t pixels[784], uint8_t *label)
{
    Chance c = {nnr_key(seed, index, 0x6469676974u), 0};
    int digit = (int)between(&c, 0, 10);
    const Glyph *g = choose_glyph(&c, digit);
    Affine f = random_affine(&c);
    Drawing d;
    float ink[PIXELS];
    float width = between(&c, 0.65f, 1.75f), soft = between(&c, 1, 1.7f);
    float pressure = between(&c, 170, 262), grain = between(&c, 0, 0.16f), dirt = between(&c, 0, 9);
    d.n = 0;
    for (int s = 0; s < g->n; s++) add_stroke(&d, &g->strokes[s], &f, &c, width);
    lay_ink(&d, soft, ink);
    for (int i = 0; i < PIXELS; i++) {
        float v = ink[i] > 0 ? ink[i] * pressure * (1 + grain * bell(&c)) : 0;
        v += dirt * (bell(&c) - 0.8f);
        pixels[i] = (uint8_t)fminf(255, fmaxf(0, v));
    }
    *label = (uint8_t)digit;
}

/* ---- the files ------------------------------------------------------------------------------------------ */

static bool make_folder(const char *dir, nnr_error *err)
{
    char path[900];
    struct stat st;
    if (strlen(dir) >= sizeof path) return nnr_fail(err, "%.80s...: error: the path is too long", dir);
    snprintf(path, sizeof path, "%s", dir);
    for (char *p = path + 1; *p; p++)
        if (*p == '/') {
            *p = '\0';
            mkdir(path, 0777);
            *p = '/';
        }
    if (mkdir(path, 0777) == 0 || (stat(path, &st) == 0 && S_ISDIR(st.st_mode))) return true;
    nnr_fail(err, "%s: error: the folder cannot be made: %s", dir, strerror(errno));
    return nnr_note(err, "give a folder that can be written to");
}

static bool write_idx(const char *dir, const char *name, const uint8_t *values, int64_t n, int rank,
                      nnr_error *err)
{
    char path[1000];
    uint8_t head[16] = {0, 0, 8, (uint8_t)rank};
    const int64_t sizes[3] = {n, SIDE, SIDE};
    size_t bytes = (size_t)n * (rank == 3 ? PIXELS : 1);
    nnr_out out;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    for (int i = 0; i < rank; i++)
        for (int b = 0; b < 4; b++) head[4 + 4 * i + b] = (uint8_t)(sizes[i] >> (24 - 8 * b));
    return nnr_out_open(&out, path, err) && nnr_out_write(&out, head, 4 + 4 * (size_t)rank, err) &&
           nnr_out_write(&out, values, bytes, err) && nnr_out_commit(&out, err);
}

/* base: index of the first digit, so that the test digits do not depend on the number of the others. */
static bool write_set(const char *dir, const char *prefix, int64_t n, uint64_t seed, uint64_t base,
                      nnr_error *err)
{
    char images[64], labels[64];
    uint8_t *pixels = malloc((size_t)n * PIXELS + 1), *label = malloc((size_t)n + 1);
    bool ok = pixels && label;
    snprintf(images, sizeof images, "%s-images-idx3-ubyte", prefix);
    snprintf(labels, sizeof labels, "%s-labels-idx1-ubyte", prefix);
    if (ok) {
#pragma omp parallel for schedule(static)
        for (int64_t i = 0; i < n; i++) nnr_digit_draw(seed, base + (uint64_t)i, pixels + i * PIXELS, label + i);
        ok = write_idx(dir, images, pixels, n, 3, err) && write_idx(dir, labels, label, n, 1, err);
    } else {
        nnr_no_memory(err, dir, (size_t)n * PIXELS);
    }
    free(pixels);
    free(label);
    return ok;
}

nnr_status nnr_digits_write(const char *dir, int64_t n_train, int64_t n_test, uint64_t seed, nnr_error *err)
{
    if (n_train < 1 || n_test < 1 || n_train > 10000000 || n_test > 10000000) {
        nnr_fail(err, "%s: error: %lld and %lld digits", dir, (long long)n_train, (long long)n_test);
        nnr_note(err, "from 1 to 10000000 can be drawn for training and for testing");
        return NNR_FAILED;
    }
    bool ok = make_folder(dir, err) && write_set(dir, "train", n_train, seed, 0, err) &&
              write_set(dir, "t10k", n_test, seed, (uint64_t)1 << 40, err);
    return ok ? NNR_OK : NNR_FAILED;
}
