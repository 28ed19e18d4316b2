/* Private to the runtime: samples in memory, whatever file they came from.
 *
 * A dataset keeps the numbers in the file's own type; they are converted to the declared type when a
 * batch is gathered. Every parser reads from memory and fails with a message, never by a crash. */
#ifndef NNR_DATA_H
#define NNR_DATA_H
#include "runtime/error.h"

typedef struct {
    nnr_dtype dtype;             /* as stored here */
    int rank;                    /* of the whole file: dims[0] counts samples */
    int64_t dims[NNR_MAX_RANK];
    int64_t count, elems;        /* samples; elements of one */
    int64_t first, pitch;        /* element where sample 0 starts; from one sample to the next */
    void *values;                /* owned */
    bool shaped;                 /* dims say a sample's shape; false (csv): only elems counts */
    uint8_t vocabulary[256];     /* text: index -> byte */
    int n_vocabulary;
    char path[1024];
} nnr_dataset;

void nnr_dataset_free(nnr_dataset *data);

/* IDX (magic 0 0 type rank, big-endian sizes): types u8, i8, i16, i32, f32, f64. */
bool nnr_idx_parse(const uint8_t *bytes, size_t n, const char *path, nnr_dataset *out, nnr_error *err);
/* NPY versions 1 to 3, C order, little endian: f4 f8, i1 i2 i4 i8, u1 u2, b1. 64-bit integers that
 * do not fit 32 bits are kept as f64. */
bool nnr_npy_parse(const uint8_t *bytes, size_t n, const char *path, nnr_dataset *out, nnr_error *err);
/* CSV as source says (columns, classes, separator, header). `as` is the declared type; numbers are
 * stored in its dtype. bytes is scratch: quoted fields are unescaped in place. */
bool nnr_csv_parse(uint8_t *bytes, size_t n, const char *path, const nnr_source *source,
                   const nnr_info *as, nnr_dataset *out, nnr_error *err);
/* Windows of text, `as` giving their length. alphabet: the dataset whose vocabulary counts (that of
 * the training data), or NULL: the file's own distinct bytes, sorted. */
bool nnr_text_parse(const uint8_t *bytes, size_t n, const char *path, const nnr_source *source,
                    const nnr_info *as, const nnr_dataset *alphabet, nnr_dataset *out, nnr_error *err);
/* Any of the first three, by the first bytes of the file and its name (for predict). */
bool nnr_dataset_sniff(const char *path, const nnr_info *as, nnr_dataset *out, nnr_error *err);

/* Takes rows [first, last), fractions of the number of samples (last 0: all). */
void nnr_dataset_slice(nnr_dataset *data, double first, double last);
/* Checks samples against a declared type (dims[0] the batch): same shape but for dimensions of 1,
 * and every value can be converted. single: a file that holds one sample without a batch dimension
 * is accepted too. */
bool nnr_dataset_fit(nnr_dataset *data, const nnr_info *as, bool single, nnr_error *err);
/* Samples at n indices, converted to `as`, one behind the other. */
void nnr_dataset_gather(const nnr_dataset *data, nnr_dtype as, const int64_t *indices, int64_t n,
                        void *out);

/* Allocates values for count samples of the dims; false when the size overflows or memory is short. */
bool nnr_dataset_alloc(nnr_dataset *out, nnr_dtype dtype, const int64_t *dims, int rank,
                       const char *path, nnr_error *err);

/* All data declarations of a train block: the k-th sample of each belongs together. */
typedef struct {
    int n;
    nnr_dataset *sets; /* follow train->data */
    int64_t count;
} nnr_samples;
/* valid: the validation sources. training: the training samples when valid (their vocabulary), or
 * NULL. dir NULL: ".". */
bool nnr_samples_open(const nnr_train *train, bool valid, const char *dir, const nnr_samples *training,
                      nnr_samples *out, nnr_error *err);
void nnr_samples_free(nnr_samples *samples);
#endif
