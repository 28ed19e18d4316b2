/* Private to the runtime and `nnc bench`: an entry point with buffers of its own, called and timed. */
#ifndef NNR_TIMED_H
#define NNR_TIMED_H
#include "runtime/model.h"

enum { NNR_TIMED_IO = 64 };

typedef struct {
    const nnr_entry *entry;
    nnr_model *model; /* the caller's; several entries may share it */
    void *in[NNR_TIMED_IO], *out[NNR_TIMED_IO], *arena;
    void *weights, *slots; /* a training step's: copies of the model as it was */
    nnr_ctx ctx;
} nnr_timed;

/* Inputs are random: floats uniform in [0, 1); integers, which may be indices of anything, are 0.
 * false: not enough memory, or more inputs or outputs than NNR_TIMED_IO. */
bool nnr_timed_open(nnr_timed *t, nnr_model *model, const nnr_entry *entry);
void nnr_timed_close(nnr_timed *t);
/* Seconds of n calls in a row; INFINITY where memory was short. Inference is prepared first. Training steps go back to the first state every 64 calls (outside the
 * time taken), so that weights drift neither into denormals nor into NaN. */
double nnr_timed_calls(nnr_timed *t, int64_t n);
/* One call of another entry of the same program that takes the same inputs, outputs and arena: a part. */
void nnr_timed_part(nnr_timed *t, const nnr_entry *part);
/* Sorts n times; the one at fraction q of the way (0.5: the median). */
double nnr_quantile(double *times, int n, double q);
#endif
