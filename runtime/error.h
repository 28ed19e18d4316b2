/* Private to the runtime: filling an nnr_error, names of types and shapes for messages, nearest
 * name among candidates. */
#ifndef NNR_ERROR_H
#define NNR_ERROR_H
#include "runtime/runtime.h"

/* Both return false, so that a caller may say `return nnr_fail(...)`. nnr_fail starts the message
 * anew; nnr_note appends "\nnote: ...". A text that is too long is cut so that a note still fits. */
bool nnr_fail(nnr_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool nnr_note(nnr_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool nnr_no_memory(nnr_error *err, const char *what, size_t bytes);

/* Tells the user a line; say may be NULL. */
void nnr_tell(nnr_say say, void *user, nnr_level level, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Appends to a fixed buffer of `size` bytes, cutting what does not fit. */
void nnr_append(char *buf, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

size_t nnr_dtype_size(nnr_dtype t);
const char *nnr_dtype_name(nnr_dtype t);
/* Product of dims; the caller has checked that it does not overflow. */
int64_t nnr_elems(const int64_t *dims, int rank);
/* Bytes of an input or output. */
size_t nnr_info_bytes(const nnr_info *info);
/* "[28, 28, 1]"; buf holds at least 192 bytes. Returns buf. */
const char *nnr_shape_text(char *buf, size_t size, const int64_t *dims, int rank);
/* "f32[N, 28, 28]": a declared type whose first dimension is the batch. */
const char *nnr_batch_type_text(char *buf, size_t size, const nnr_info *info);

/* Edit distance, at most `limit` (then limit + 1). Names longer than 255 bytes never are near. */
int nnr_distance(const char *a, const char *b, int limit);
/* Index of the candidate nearest to name, -1 when none is near enough to suggest. */
int nnr_nearest(const char *name, const char *const *candidates, int n);
#endif
