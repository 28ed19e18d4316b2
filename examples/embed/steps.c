/* A program of one's own around what nnc emits, C text and object alike: initial weights, training steps
 * on pictures drawn here, then an inference. It compiles as C and as C++.
 *
 *   nnc emit examples/mnist_mlp.nn --kind obj -o DIR          (or --kind c, the default)
 *   cc -IDIR examples/embed/steps.c DIR/mnist_mlp.o -lm -o steps
 *
 * Linked like this an object runs on the caller's thread. Its parallel loops call nnr_parallel_for
 * where the program has a function of that name; -DTHREADS adds one made of OpenMP (with -fopenmp).
 * The results are the same bits. */
#include "mnist_mlp.h"

#include <stdio.h>

#ifdef THREADS
#ifdef __cplusplus
extern "C"
#endif
void nnr_parallel_for(void (*task)(void *captures, int64_t i), void *captures, int64_t n);
void nnr_parallel_for(void (*task)(void *captures, int64_t i), void *captures, int64_t n)
{
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i++)
        task(captures, i);
}
#endif

enum { BATCH = 32, SIDE = 28, PIXELS = SIDE * SIDE, CLASSES = 10, STEPS = 30 };

static struct mnist_mlp_weights weights; /* zero at first, as all that is static */
static struct mnist_mlp_slots slots;
NNC_ALIGNED static unsigned char arena[MNIST_MLP_CLASSIFY_ARENA + MNIST_MLP_MLP_ARENA + MNIST_MLP_INIT_ARENA + 64];
NNC_ALIGNED static float pixels[BATCH * PIXELS]; /* 0 to 255, as in the data files: the step divides by 255 */
NNC_ALIGNED static float image[BATCH * PIXELS];  /* 0 to 1, as the net takes them */
NNC_ALIGNED static float logits[BATCH * CLASSES];
static int32_t label[BATCH];

/* Class k is a bright column at 2 k + 3 with some noise: enough to see the loss go down. */
static void draw(uint32_t *random)
{
    for (int n = 0; n < BATCH; n++) {
        label[n] = (int32_t)((*random >> 16) % CLASSES);
        for (int i = 0; i < PIXELS; i++) {
            *random = *random * 1664525u + 1013904223u;
            float noise = (float)(*random >> 24) / 2.0f;
            int column = i % SIDE - 2 * label[n] - 3;
            pixels[n * PIXELS + i] = noise + (column >= 0 && column < 2 ? 127.0f : 0.0f);
            image[n * PIXELS + i] = pixels[n * PIXELS + i] / 255.0f;
        }
    }
}

int main(void)
{
    uint32_t random = 7;
    float loss = 0, accuracy = 0;
    mnist_mlp_init(&weights, &slots, 1 /* seed */, 0);
    for (uint64_t step = 0; step < STEPS; step++) {
        draw(&random);
        mnist_mlp_classify(&weights, &slots, pixels, label, &loss, &accuracy, arena, 1, step);
        printf("step %d loss %.6f accuracy %.4f\n", (int)step, (double)loss, (double)accuracy);
    }
    draw(&random);
#ifdef MNIST_MLP_PREPARE_ARENA /* where inference has something to prepare: once the parameters have changed */
    mnist_mlp_prepare(&weights, arena);
#endif
    mnist_mlp_mlp(&weights, image, logits, arena);
    for (int k = 0; k < CLASSES; k++)
        printf("logit %d %.6f\n", k, (double)logits[k]);
    return 0;
}
