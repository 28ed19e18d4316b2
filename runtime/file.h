/* Private to the runtime: whole files in, whole files out. Reading takes plain and gzip'd files
 * alike; writing is atomic (a reader sees the old file or the new one, never a part). */
#ifndef NNR_FILE_H
#define NNR_FILE_H
#include "runtime/error.h"
#include <stdio.h>

typedef struct {
    uint8_t *bytes; /* malloc'd; one NUL follows the last byte */
    size_t size;
} nnr_bytes;

bool nnr_file_read(const char *path, nnr_bytes *out, nnr_error *err);
/* The first n bytes (of what a gzip'd file holds); how many there were. */
size_t nnr_file_head(const char *path, uint8_t *bytes, size_t n);
/* Path of data file `file` below dir, as it is or with ".gz". When there is none the message shows
 * what the folder holds. */
bool nnr_file_find(const char *dir, const char *file, char *path, size_t size, nnr_error *err);

/* A file being written beside its final place. After a failure nothing of it remains. */
typedef struct {
    FILE *f;
    const char *path; /* the caller's; must outlive the write */
    char temp[1024];
} nnr_out;
bool nnr_out_open(nnr_out *out, const char *path, nnr_error *err);
bool nnr_out_write(nnr_out *out, const void *bytes, size_t n, nnr_error *err);
bool nnr_out_commit(nnr_out *out, nnr_error *err); /* flush, fsync, rename, fsync of the folder */
void nnr_out_abort(nnr_out *out);
#endif
