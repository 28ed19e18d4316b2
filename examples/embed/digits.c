/* A program around the C that `nnc emit examples/mnist_mlp.nn --weights W.safetensors -o DIR` writes:
 * no library, no allocation, memory known at compile time.
 *
 *   digits predict IMAGES PREDICTIONS     IMAGES: an uncompressed IDX file of 28x28 pictures
 *   digits scale IMAGES OUT.npy           the same pictures as float32 in [0,1], for `nnc predict`
 *   digits compare PREDICTIONS LOGITS.npy how many classes agree with `nnc predict`'s answer
 *
 * cc -O2 -march=native -ffp-contract=fast -IDIR digits.c DIR/mnist_mlp.c -lm -o digits */
#include "mnist_mlp.h"
#include "mnist_mlp_weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIXELS = 28 * 28, CLASSES = 10 };

static _Alignas(64) unsigned char arena[MNIST_MLP_MLP_B1_ARENA + 64];
static _Alignas(64) float image[PIXELS], logits[CLASSES];

static FILE *open_or_die(const char *path, const char *mode)
{
    FILE *f = fopen(path, mode);
    if (!f) {
        perror(path);
        exit(1);
    }
    return f;
}

static long read_header(FILE *f)
{
    unsigned char h[16];
    if (fread(h, 1, 16, f) != 16 || h[2] != 8 || h[3] != 3) {
        fprintf(stderr, "not an IDX file of pictures\n");
        exit(1);
    }
    return (long)h[4] << 24 | (long)h[5] << 16 | (long)h[6] << 8 | h[7];
}

static int read_image(FILE *f)
{
    unsigned char bytes[PIXELS];
    if (fread(bytes, 1, PIXELS, f) != PIXELS)
        return 0;
    for (int i = 0; i < PIXELS; i++)
        image[i] = (float)bytes[i] / 255.0f;
    return 1;
}

static int best(const float *x)
{
    int k = 0;
    for (int i = 1; i < CLASSES; i++)
        if (x[i] > x[k])
            k = i;
    return k;
}

static int predict(const char *images, const char *predictions)
{
    FILE *in = open_or_die(images, "rb"), *out = open_or_die(predictions, "w");
    read_header(in);
    while (read_image(in)) {
        mnist_mlp_mlp_b1(&mnist_mlp_trained, image, logits, arena);
        fprintf(out, "%d\n", best(logits));
    }
    fclose(in);
    return fclose(out) != 0;
}

static int scale(const char *images, const char *npy)
{
    FILE *in = open_or_die(images, "rb"), *out = open_or_die(npy, "wb");
    char header[128];
    long n = read_header(in);
    int len = snprintf(header, sizeof header,
                       "\x93NUMPY\x01%c\x76%c{'descr': '<f4', 'fortran_order': False, 'shape': (%ld, 28, 28, 1), }",
                       0, 0, n);
    memset(header + len, ' ', sizeof header - (size_t)len);
    header[127] = '\n';
    fwrite(header, 1, sizeof header, out);
    while (read_image(in))
        fwrite(image, sizeof *image, PIXELS, out);
    fclose(in);
    return fclose(out) != 0;
}

static int compare(const char *predictions, const char *npy)
{
    FILE *a = open_or_die(predictions, "r"), *b = open_or_die(npy, "rb");
    unsigned char head[10];
    if (fread(head, 1, 10, b) != 10)
        return 1;
    fseek(b, 10 + head[8] + 256 * head[9], SEEK_SET);
    long n = 0, same = 0;
    int class;
    while (fscanf(a, "%d", &class) == 1 && fread(logits, sizeof *logits, CLASSES, b) == CLASSES) {
        n++;
        same += class == best(logits);
    }
    fclose(a);
    fclose(b);
    printf("standalone C and nnc agree on %ld of %ld pictures\n", same, n);
    return n == 0 || same != n;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "predict") == 0)
        return predict(argv[2], argv[3]);
    if (argc == 4 && strcmp(argv[1], "scale") == 0)
        return scale(argv[2], argv[3]);
    if (argc == 4 && strcmp(argv[1], "compare") == 0)
        return compare(argv[2], argv[3]);
    fprintf(stderr, "usage: digits predict IMAGES PREDICTIONS | scale IMAGES OUT.npy | compare PREDICTIONS LOGITS.npy\n");
    return 2;
}
