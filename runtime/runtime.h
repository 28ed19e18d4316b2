/* What stands around the entry functions of a compiled program: data, training, evaluation,
 * prediction, weights files, checkpoints. Linked into `nnc` and into every built executable; knows
 * nothing of the compiler.
 *
 * Nothing here prints or exits. Lines for the user go to the `say` callback; a failure fills an
 * nnr_error and returns a status other than NNR_OK. Error text has the form
 *     path:line:col: error: what is wrong
 *     note: a way out
 * without a final newline. */
#ifndef NNR_RUNTIME_H
#define NNR_RUNTIME_H
#include "runtime/nnr.h"

typedef enum {
    NNR_OK = 0,
    NNR_FAILED = 1,    /* nnr_error says why */
    NNR_STOPPED = 2,   /* SIGINT, SIGTERM or options.stop: a checkpoint was written */
    NNR_NONFINITE = 3, /* a loss or a weight became NaN or infinite; nnr_error says at which step */
    NNR_USAGE = 4      /* nnr_main: the command line is wrong */
} nnr_status;

typedef struct {
    char text[1024];
} nnr_error;

/* NNR_SAY_RESULT: a line for standard output (JSON, tables). NNR_SAY_INFO, _WARNING: lines for the
 * user. NNR_SAY_BAR: the progress line of a terminal, to be written as it is, with no newline
 * (it holds its own carriage returns). All but _BAR come without a final newline. */
typedef enum { NNR_SAY_RESULT, NNR_SAY_INFO, NNR_SAY_WARNING, NNR_SAY_BAR } nnr_level;
typedef void (*nnr_say)(void *user, int level, const char *text);

/* Ready-made sink: results to stdout, the rest to stderr. user is not used. */
void nnr_say_stdio(void *user, int level, const char *text);
/* Columns of the terminal on standard error, 0 when it is none. */
int nnr_terminal_width(void);

/* ---- a program in memory --------------------------------------------------------------------- */

/* Both blocks are NNR_ALIGN aligned and zeroed at creation. */
typedef struct {
    const nnr_program *program;
    void *weights, *slots;
} nnr_model;
nnr_status nnr_model_create(const nnr_program *program, nnr_model *out, nnr_error *err);
void nnr_model_destroy(nnr_model *model);
/* Runs the program's NNR_INIT entries. */
nnr_status nnr_model_init(nnr_model *model, uint64_t seed, nnr_error *err);

/* Computes what inference entries read of the parameters (NNR_PREPARED in nnr.h), where that is not up to date:
 * before entries of kind NNR_INFER and NNR_EVAL are run. Loading weights and training leave it to be done. */
nnr_status nnr_prepare(nnr_model *model, nnr_error *err);

/* ---- weights files (safetensors, readable by PyTorch's library) ------------------------------- */

/* Writes params and states, atomically (temporary file, fsync, rename). */
nnr_status nnr_weights_save(const nnr_model *model, const char *path, nnr_error *err);
/* strict: every param and state must be there with its dtype and shape, and nothing else. Not
 * strict (--init): what fits by name and shape is loaded, the rest is reported through say; a file
 * of which nothing fits is an error. On failure the model's weights are untouched. */
nnr_status nnr_weights_load(nnr_model *model, const char *path, bool strict, nnr_say say, void *user,
                            nnr_error *err);

/* ---- training ---------------------------------------------------------------------------------- */

#define NNR_MAX_METRICS 32
typedef struct {
    const char *name;
    double value;
} nnr_value;

/* Means over samples, or metrics of totals over all of them. losses: one for each step of the block, when it has several; loss: their sum. */
typedef struct {
    double loss;
    int n_metrics, n_losses;
    nnr_value metrics[NNR_MAX_METRICS], losses[NNR_MAX_METRICS];
    int64_t samples;
} nnr_scores;

typedef struct {
    int64_t epoch, epochs;   /* 1-based; of how many */
    int64_t batch, batches;  /* done in this epoch; of how many */
    int64_t steps;           /* batches done since the start of training */
    nnr_scores train, valid; /* train: so far in this epoch */
    bool has_valid;          /* valid is set (at the end of an epoch) */
    bool end_of_epoch, final;
    double seconds, samples_per_second; /* of this epoch, training part; when final: of all epochs */
    double seconds_left;                /* estimate for the whole run; < 0 unknown */
    const char *weights;                /* path; when final */
} nnr_progress;

/* The state before the step that failed, so that the caller can run it again with probes. Valid
 * during the call. inputs follow entry->in. */
typedef void (*nnr_on_nonfinite)(void *user, const nnr_program *program, const void *weights,
                                 const void *slots, const void *const *inputs, const nnr_ctx *ctx,
                                 const nnr_entry *entry);

/* Begins to read a block's data files on a thread of its own, so that the caller can compile meanwhile.
 * train must live until nnr_read_end. NULL: no thread or memory for it; the run then reads by itself. */
typedef struct nnr_reading nnr_reading;
nnr_reading *nnr_read_begin(const nnr_train *train, const char *data_dir, uint64_t seed);
void nnr_read_end(nnr_reading *reading); /* waits and frees; NULL: nothing */

typedef struct {
    const char *train;    /* name of the train block; NULL: the only one */
    const char *data_dir; /* folder that data files are relative to; NULL: "." */
    nnr_reading *reading; /* begun for the same block, folder and seed; NULL: none */
    const char *output;   /* weights file; NULL: PROGRAM.safetensors */
    const char *init;     /* weights to start from (partial load), or NULL */
    const char *resume;   /* checkpoint to go on from, or NULL */
    const char *checkpoint;        /* NULL: the output's path with the suffix .checkpoint */
    int64_t epochs;                /* 0: as in the program */
    uint64_t seed;
    int threads;                   /* 0: OpenMP's default */
    int64_t checkpoint_steps;      /* > 0: also after every so many batches */
    double checkpoint_seconds;     /* > 0: also when so much time has passed; default 30 */
    bool no_checkpoint;            /* never write one (then a stop loses the run) */
    bool no_shuffle;
    bool json;                     /* one JSON object a line as NNR_SAY_RESULT */
    int width;                     /* > 0: progress bar for a terminal of so many columns */
    bool catch_signals;            /* SIGINT, SIGTERM end the run after the step in hand */
    volatile const int *stop;      /* or set by the caller; NULL: none */
    nnr_say say;                   /* NULL: silent */
    void (*progress)(void *user, const nnr_progress *now); /* besides say; NULL: none */
    nnr_on_nonfinite on_nonfinite; /* NULL: none */
    void *user;                    /* for the three callbacks */
} nnr_train_options;
nnr_train_options nnr_train_defaults(void);

typedef struct {
    nnr_progress last;          /* the final epoch (with early stopping: the best one) */
    int64_t steps;              /* batches done in the whole run */
    char weights[512];          /* path of the weights file; "" when none was written */
    char checkpoint[512];       /* path of the last checkpoint; "" when none */
    bool early;                 /* ended by patience */
    int64_t nonfinite_step;     /* NNR_NONFINITE: batch (counted from 1) whose step failed */
    const char *nonfinite_entry;
} nnr_train_result;

/* model NULL: one is created for the run. Otherwise it is initialised, trained in place and left
 * to the caller. A run that was killed and resumed ends with the same bits as an uninterrupted one. */
nnr_status nnr_run_train(const nnr_program *program, nnr_model *model, const nnr_train_options *options,
                         nnr_train_result *result, nnr_error *err);

/* How many samples the files of a block give for training and for validation (0: none), so that a
 * compiler can make entries for the last partial batch: n_train % batch, n_valid % batch. Quick
 * where a file's header tells (IDX); else reads the files. */
nnr_status nnr_count_samples(const nnr_train *train, const char *data_dir, uint64_t seed, int64_t *n_train,
                             int64_t *n_valid, nnr_error *err);

/* What the indices of a text block's data stand for: index -> byte, *n of them. */
nnr_status nnr_text_vocabulary(const nnr_train *train, const char *data_dir, uint8_t vocabulary[256], int *n,
                               nnr_error *err);

/* ---- evaluation, prediction, timing ------------------------------------------------------------- */

typedef struct {
    const char *train;    /* NULL: the only one */
    const char *data_dir; /* NULL: "." */
    const char *weights;  /* required */
    bool training_data;   /* on the training samples even where there is validation data */
    uint64_t seed;        /* chooses the held-out samples when the block says `split` */
    int threads;
    bool json;
    nnr_say say;
    void *user;
} nnr_eval_options;
/* Loss and metrics over the validation data (the training data where there is none), each sample
 * counted once. Says a line (JSON with json) unless say is NULL. */
nnr_status nnr_run_eval(const nnr_program *program, const nnr_eval_options *options, nnr_scores *out,
                        nnr_error *err);

typedef struct {
    const char *name; /* of the entry's input or output; NULL: the only one */
    const char *path; /* input: NPY, IDX or CSV (or .gz); output: NPY */
} nnr_file;
typedef struct {
    const char *entry;   /* net; NULL: the only NNR_INFER entry */
    const char *weights; /* required */
    const nnr_file *inputs, *outputs;
    int n_inputs, n_outputs; /* not every output need be written; none: a line a sample goes to say */
    int threads;
    nnr_say say;
    void *user;
} nnr_predict_options;
/* Runs a net over all samples of the input files. */
nnr_status nnr_run_predict(const nnr_program *program, const nnr_predict_options *options, nnr_error *err);
/* "name=path" or "path" -> the two parts; text is cut in place. */
nnr_file nnr_file_parse(char *text);

typedef struct {
    const char *entry;   /* NULL: every NNR_INFER and NNR_STEP entry */
    int64_t batch;       /* only entries for so many samples; 0: all */
    const char *weights; /* NULL: initialised from seed 0 */
    double seconds;      /* time to spend on each entry; 0: 1 */
    int threads;
    bool json;
    nnr_say say;
    void *user;
} nnr_bench_options;
/* Median time of a call on random inputs. */
nnr_status nnr_run_bench(const nnr_program *program, const nnr_bench_options *options, nnr_error *err);

/* The command line of a built executable: train, eval, predict, bench, --help. Returns the exit code. */
int nnr_main(const nnr_program *program, int argc, char **argv);

/* ---- others -------------------------------------------------------------------------------------- */

/* Writes n_train + n_test drawn digits, 28x28 bytes, under MNIST's file names into folder dir (made
 * when missing). A pure function of the counts and the seed. */
nnr_status nnr_digits_write(const char *dir, int64_t n_train, int64_t n_test, uint64_t seed, nnr_error *err);
/* One digit, row after row, 0 background to 255 ink; *label is 0..9. Pure function of (seed, index). */
void nnr_digit_draw(uint64_t seed, uint64_t index, uint8_t pixels[784], uint8_t *label);

/* Calls fn(arg, i) for i in [0, n), in parallel. n below 2 stays on the caller's thread. */
void nnr_parallel_for(void (*fn)(void *arg, int64_t i), void *arg, int64_t n);
/* For calls made from this thread on. 0: OpenMP's default (OMP_NUM_THREADS or the number of cores). */
void nnr_set_threads(int n);
/* entry->run with ctx->threads threads, whichever back end made it; calls from several threads at once
 * may each have their own number. The result has the same bits for any number. */
void nnr_call(const nnr_entry *entry, void *weights, void *slots, const void *const *in, void *const *out,
              void *arena, const nnr_ctx *ctx);

#endif
