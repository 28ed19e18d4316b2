/* Private to the runtime: entries of a train block bound to its data, run batch by batch. */
#ifndef NNR_BATCH_H
#define NNR_BATCH_H
#include "runtime/checkpoint.h"
#include "runtime/data.h"

/* Samples of a train block chosen by index, in buffers for the largest batch of its entries. */
typedef struct {
    const nnr_program *program;
    const nnr_train *train;
    const nnr_samples *samples;
    void **buffers; /* follow train->data */
    void *arena;    /* for the entry that needs most */
    void *outputs;  /* one behind the other, each NNR_ALIGN aligned */
    int64_t max_batch;
} nnr_batcher;
bool nnr_batcher_open(nnr_batcher *b, const nnr_program *program, const nnr_train *train,
                      const nnr_samples *samples, nnr_error *err);
void nnr_batcher_close(nnr_batcher *b);
/* Checks that the entry's inputs are data declarations of its batch and its outputs scalars, but for totals. */
bool nnr_batcher_check(const nnr_batcher *b, const nnr_entry *entry, nnr_error *err);
/* Gathers n samples into the buffers. */
void nnr_batcher_fill(nnr_batcher *b, const int64_t *indices, int64_t n);
/* Runs the entry on what was filled. Its outputs are then nnr_batcher_output(b, i). */
void nnr_batcher_run(nnr_batcher *b, const nnr_entry *entry, nnr_model *model, const nnr_ctx *ctx);
double nnr_batcher_output(const nnr_batcher *b, const nnr_entry *entry, int i);
/* Fills in (entry->n_in pointers) with the buffers that run would pass. */
void nnr_batcher_inputs(const nnr_batcher *b, const nnr_entry *entry, const void **in);
/* A non-finite number among the first n samples of the batch: the index of the data declaration, and
 * the row in the batch; -1 when all are finite. */
int nnr_batcher_find_nonfinite(const nnr_batcher *b, int64_t n, int64_t *row);

/* Index of the block's metric that output i of an entry is, by name, else by position when the entry
 * gives all metrics; -1 for the loss and others. */
int nnr_metric_index(const nnr_train *train, const nnr_entry *entry, int i);
/* Adds the outputs of step `step` (0 for evaluation) over n samples. */
void nnr_totals_add(nnr_totals *t, const nnr_batcher *b, const nnr_entry *entry, int step, int64_t n);
/* Means over samples, and metrics of totals. n_steps: losses to report besides their sum, when more than one. */
nnr_scores nnr_totals_scores(const nnr_totals *t, const nnr_program *program, const nnr_train *train, int n_steps);

/* The evaluation entry over the given samples, each counted once: batches of the largest size that
 * fits what remains. *left: samples that no entry was small enough for. */
bool nnr_evaluate(nnr_batcher *b, nnr_model *model, const int64_t *indices, int64_t n, uint64_t seed,
                  nnr_totals *out, int64_t *left, nnr_error *err);
#endif
