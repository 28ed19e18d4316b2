/* Private to the runtime: safetensors files (the format of Hugging Face's library of that name):
 * 8 bytes of header length, little endian; a JSON object, name -> {dtype, shape, data_offsets}, with
 * "__metadata__" for text; the values. Used for weights and for checkpoints. */
#ifndef NNR_TENSORS_H
#define NNR_TENSORS_H
#include "runtime/file.h"

typedef struct {
    const char *name;
    nnr_dtype dtype;
    int rank;
    int64_t dims[NNR_MAX_RANK];
    const void *values;
    /* reading only: a type of the format that we have not (F16, I64 ...) is named here and known is
     * false; likewise a rank beyond NNR_MAX_RANK. */
    char type[12];
    bool known;
    size_t begin, end; /* bytes behind the header */
} nnr_tensor;

typedef struct {
    char key[64];
    char value[512];
} nnr_meta;

/* Values are sorted by size of element, then by name, as the reference implementation does it, so
 * that each starts at a multiple of its element's size. */
bool nnr_tensors_write(const char *path, const nnr_tensor *tensors, int n, const nnr_meta *meta,
                       int n_meta, nnr_error *err);

typedef struct {
    nnr_bytes file; /* owned; tensors point into it */
    bool mapped;    /* it is the file itself, mapped, not a copy */
    nnr_tensor *tensors;
    int n;
    struct cJSON *header;
    const char *path;
} nnr_tensors;
/* A plain file is mapped, so that reading half a gigabyte of weights takes no second half of memory; a compressed one
 * is read whole. */
bool nnr_tensors_read(const char *path, nnr_tensors *out, nnr_error *err);
/* From memory: bytes stay the caller's when this fails and become out's when it succeeds. */
bool nnr_tensors_parse(nnr_bytes file, const char *path, nnr_tensors *out, nnr_error *err);
void nnr_tensors_free(nnr_tensors *t);
/* NULL when there is none. prefix and name are one name in two parts. */
const nnr_tensor *nnr_tensors_find(const nnr_tensors *t, const char *prefix, const char *name);
const char *nnr_tensors_meta(const nnr_tensors *t, const char *key);
#endif
