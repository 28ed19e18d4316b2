/* Any bytes as a weights file and as a checkpoint: an error, or tensors whose bytes can all be read. */
#include "runtime/checkpoint.h"
#include "tests/unit/tiny_program.h"
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static unsigned read_all(const nnr_tensors *t)
{
    unsigned sum = 0;
    for (int i = 0; i < t->n; i++) {
        const nnr_tensor *x = nnr_tensors_find(t, "", t->tensors[i].name);
        if (!x) abort();
        for (size_t k = 0; k < x->end - x->begin; k++) sum += ((const uint8_t *)x->values)[k];
    }
    return sum + (nnr_tensors_meta(t, "format") != NULL);
}

/* The same bytes as a file, for the two readers that copy into a model. */
static void load(const uint8_t *bytes, size_t n)
{
    char path[64];
    nnr_model m;
    nnr_error e;
    nnr_position at;
    TinyBlock best;
    int fd = memfd_create("fuzz", 0);
    if (fd < 0) return;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (write(fd, bytes, n) == (ssize_t)n && nnr_model_create(&tiny_program, &m, &e) == NNR_OK) {
        nnr_weights_load(&m, path, true, NULL, NULL, &e);
        nnr_weights_load(&m, path, false, NULL, NULL, &e);
        nnr_checkpoint_load(path, &m, &tiny_train, &at, &best, &e);
        nnr_model_destroy(&m);
    }
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    nnr_tensors t;
    nnr_error e;
    nnr_bytes file = {malloc(n + 1), n};
    if (!file.bytes) return 0;
    memcpy(file.bytes, bytes, n);
    if (!nnr_tensors_parse(file, "fuzz.safetensors", &t, &e)) {
        free(file.bytes);
        return 0;
    }
    volatile unsigned sum = read_all(&t); /* or the reads would be left out */
    (void)sum;
    nnr_tensors_free(&t);
    load(bytes, n);
    return 0;
}
