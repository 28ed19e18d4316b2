/* Private to the runtime: the whole state of a training run, in memory and in a file. */
#ifndef NNR_CHECKPOINT_H
#define NNR_CHECKPOINT_H
#include "runtime/model.h"

#define NNR_MAX_STEPS 16

/* Sums over samples of an epoch; the names are the program's and not stored. values: the train block's totals,
 * in the order of its finish entry's inputs. */
typedef struct {
    int64_t samples;
    double losses[NNR_MAX_STEPS], metrics[NNR_MAX_METRICS], values[NNR_MAX_TOTALS];
} nnr_totals;

/* Everything but the blocks that decides how a run goes on. */
typedef struct {
    uint64_t seed;
    int64_t batch, samples; /* of the training data; a resumed run must have the same */
    int64_t epoch, position; /* 0-based epoch; batches done in it */
    int64_t steps;           /* batches done in all */
    bool shuffled;
    uint64_t counters[NNR_MAX_STEPS]; /* completed runs of each step of the block */
    nnr_totals totals;                /* of this epoch so far */
    double epoch_seconds, all_seconds;
    /* the last completed epoch */
    nnr_totals last, last_valid;
    double last_seconds;
    /* early stopping */
    int64_t best_epoch; /* 1-based; 0: none yet */
    double best_loss;
    int64_t bad_epochs;
    nnr_totals best, best_valid;
} nnr_position;

/* best: weights block of the best epoch, written when at->best_epoch > 0 (NULL: not kept). */
bool nnr_checkpoint_save(const char *path, const nnr_model *model, const nnr_train *train,
                         const nnr_position *at, const void *best, nnr_error *err);
/* Refuses files of another program, damaged ones and those of another train block. The model, at and
 * best are untouched on failure. */
bool nnr_checkpoint_load(const char *path, nnr_model *model, const nnr_train *train, nnr_position *at,
                         void *best, nnr_error *err);
#endif
