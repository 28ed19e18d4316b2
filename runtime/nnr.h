/* The ABI between a compiled program and what runs it. Shared by compiler and runtime; nothing here
 * knows graphs, loops or .nn text.
 *
 * A program is a table: its variables (parameters, states, optimizer slots), its entry points, and
 * what its `train` blocks said of data. A compiled module supplies the entry functions; the CLI (in
 * process) or a generated file (in a built executable) supplies the table. */
#ifndef NNR_H
#define NNR_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NNR_MAX_RANK 8
#define NNR_MAX_TOTAL_VALUES 64 /* total(...) of a train block */
#define NNR_MAX_TOTALS 4096    /* numbers in them */
#define NNR_ALIGN 64 /* bytes; every variable, input, output and arena starts at a multiple */

typedef enum { NNR_F32, NNR_I32, NNR_BOOL, NNR_U8, NNR_F64 } nnr_dtype;

typedef struct {
    const char *name;
    nnr_dtype dtype;
    int rank;
    int64_t dims[NNR_MAX_RANK];
} nnr_info;

/* NNR_PREPARED: computed from parameters and states by the entry of kind NNR_PREPARE, for inference entries
 * to read; in no file. One of them is of type i32: not 0 while the others are what the parameters and states
 * say. NNR_INIT and NNR_STEP entries set it to 0, NNR_PREPARE to 1; whoever writes a parameter or state in
 * another way sets it to 0 too, and calls NNR_PREPARE before an entry that reads what is prepared (which
 * otherwise ends the program). */
typedef enum { NNR_PARAM, NNR_STATE, NNR_SLOT, NNR_PREPARED } nnr_var_kind;

/* How the elements of a variable lie in memory where that is not row major in the order of its
 * dimensions: a compiler may keep a matrix transposed or in panels. Stored dimension p has dims[p]
 * positions; one of them is step[p] steps along dimension axis[p] of the variable, so that at stored
 * index q lies the element with
 *     index[a] = sum over the p with axis[p] == a of step[p] * q[p].
 * Each element is stored once, and nothing else is: the number of bytes is the same. Files always hold
 * row major values in the order of the variable's dimensions. rank 0: row major here too. */
typedef struct {
    int rank;
    int axis[NNR_MAX_RANK];
    int64_t dims[NNR_MAX_RANK], step[NNR_MAX_RANK];
} nnr_layout;

/* A variable lives at a fixed byte offset in one of two blocks: params, states and what is prepared of them in
 * `weights`, optimizer slots in `slots`. */
typedef struct {
    nnr_info info;
    nnr_var_kind kind;
    size_t offset;
    nnr_layout layout;
} nnr_var;

/* What a random draw and a schedule may depend on. step counts the completed steps of this entry
 * point; epoch is 0-based. */
typedef struct {
    uint64_t seed, step;
    int32_t epoch;
    int32_t threads; /* for this call, when made through the runtime's nnr_call; 0: as set before */
} nnr_ctx;

/* in and out follow the order of the entry's tables. Uses no memory but what it is given. */
typedef void (*nnr_entry_fn)(void *weights, void *slots, const void *const *in, void *const *out,
                             void *arena, const nnr_ctx *ctx);

typedef enum {
    NNR_INIT,  /* writes every variable from ctx->seed; no inputs, no outputs */
    NNR_INFER, /* a net: inputs by name, outputs by name */
    NNR_STEP,  /* one training step: outputs "loss", then the step's metrics (scalars, f32), then "total.K" */
    NNR_EVAL,  /* loss and metrics of a train block in inference mode; or metrics of their totals (finish) */
    NNR_PREPARE /* writes the variables of kind NNR_PREPARED; no inputs, no outputs; at most one a program */
} nnr_entry_kind;

typedef struct {
    const char *name;  /* "mlp", "classify", "gan.critic", "classify.eval", "init" */
    const char *train; /* train block it belongs to, or NULL */
    nnr_entry_kind kind;
    int64_t batch; /* samples per call; 0 when the entry has no batch dimension */
    int n_in, n_out;
    const nnr_info *in, *out;
    size_t arena_bytes;
    nnr_entry_fn run;
} nnr_entry;

/* Where a data declaration's samples come from. The leading dimension of the declared type is the
 * batch; the rest is a sample. */
typedef enum { NNR_IDX, NNR_CSV, NNR_NPY, NNR_TEXT } nnr_reader;
typedef struct {
    nnr_reader reader;
    const char *file; /* relative to --data; FILE.gz is taken when FILE is absent */
    /* csv: columns by name, by 0-based position ("3", "-1"), or ranges ("0..4", "age..s6", ends
     * included for names, excluded for positions); n_columns 0: all. */
    const char *const *columns;
    int n_columns;
    const char *const *classes; /* csv: text of a field -> its index here; n_classes 0: numbers */
    int n_classes;
    const char *separator; /* csv: "," "\t" " " (runs of blanks) or NULL: found from the file */
    int header;            /* csv: 1 yes, 0 no, -1: found from the file */
    /* text: windows of `window` characters as indices into the sorted distinct bytes of the file,
     * starting `shift` characters later; one window each `stride` characters. The sample's type
     * gives window. */
    int64_t shift, stride;
    /* rows [first, last) of the file, fractions of its length; 0,1 for all */
    double first, last;
} nnr_source;

typedef struct {
    nnr_info info; /* name as in the file; dims[0] is the batch of the main entries */
    nnr_source train;
    nnr_source valid; /* meaningful when the block has_validation and not split */
} nnr_data;

typedef struct {
    const char *name;
    int64_t batch, epochs;
    const nnr_data *data;
    int n_data;
    bool has_validation;
    double split; /* > 0: this fraction of the samples, chosen by seed, is held out for validation */
    const char *const *metrics; /* names, in output order behind "loss" */
    int n_metrics;
    int64_t patience; /* > 0: early stopping after so many epochs without a better validation loss */
    const char *const *steps; /* entry names, run in order for each batch */
    int n_steps;
    const char *eval; /* entry name, or NULL */
    /* Metrics of the whole data, not means over batches: steps and evaluations also put out "total.K" (f32 of
     * any shape); their sums over the batches are the inputs, of the same names, of this entry, and its
     * outputs the metrics. It reads no variables. NULL: all metrics are means. */
    const char *finish;
    int n_totals; /* numbers in those inputs, in all */
} nnr_train;

typedef struct {
    const char *name; /* of the .nn file, without folder and suffix */
    const nnr_var *vars;
    int n_vars;
    size_t weights_bytes, slots_bytes;
    const nnr_entry *entries; /* the same name may occur with several batch sizes */
    int n_entries;
    const nnr_train *trains;
    int n_trains;
} nnr_program;

/* ---- random numbers -------------------------------------------------------------------------
 * Counter-based: element i of draw `salt` in step `step` of a run with `seed` is a pure function of
 * these four. The compiled code computes the same bits with the same formula. */
static inline uint64_t nnr_mix64(uint64_t x) /* splitmix64's finalizer (Steele, Lea, Flood 2014) */
{
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9u;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}
static inline uint64_t nnr_key(uint64_t seed, uint64_t step, uint64_t salt)
{
    uint64_t k = nnr_mix64(seed + 0x9e3779b97f4a7c15u);
    k = nnr_mix64(k ^ (step + 0x9e3779b97f4a7c15u));
    return nnr_mix64(k ^ (salt + 0x9e3779b97f4a7c15u));
}
static inline uint32_t nnr_bits(uint64_t key, uint32_t i) /* two keyed avalanche rounds */
{
    uint32_t x = i ^ (uint32_t)key;
    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= x >> 15;
    x *= 0x846ca68bu;
    x ^= x >> 16;
    x += (uint32_t)(key >> 32);
    x ^= x >> 16;
    x *= 0x21f0aaadu;
    x ^= x >> 15;
    x *= 0x735a2d97u;
    return x ^ (x >> 15);
}
/* Uniform in [0, 1), a multiple of 2^-24: exact as a float. */
static inline float nnr_uniform(uint64_t key, uint32_t i)
{
    return (float)(nnr_bits(key, i) >> 8) * 0x1p-24f;
}
#endif
