/* Reading data files whole (plain or gzip'd), finding them, writing files atomically. See file.h. */
#include "runtime/file.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

/* ---- reading ---------------------------------------------------------------------------------- */

static bool read_all(gzFile gz, const char *path, size_t capacity, nnr_bytes *out, nnr_error *err)
{
    size_t size = 0;
    uint8_t *bytes = malloc(capacity + 1);
    if (!bytes) return nnr_no_memory(err, path, capacity);
    for (;;) {
        if (size == capacity) {
            uint8_t *grown = capacity < SIZE_MAX / 4 ? realloc(bytes, capacity * 2 + 1) : NULL;
            if (!grown) {
                free(bytes);
                return nnr_no_memory(err, path, capacity * 2);
            }
            bytes = grown, capacity *= 2;
        }
        size_t room = capacity - size;
        int n = gzread(gz, bytes + size, room > (1u << 30) ? 1u << 30 : (unsigned)room);
        if (n < 0) {
            int code = 0;
            const char *why = gzerror(gz, &code);
            nnr_fail(err, "%s: error: cannot be read: %s", path,
                     code == Z_ERRNO ? strerror(errno) : why);
            if (code != Z_ERRNO) nnr_note(err, "the file is cut or damaged; fetch it again");
            free(bytes);
            return false;
        }
        if (n == 0) break;
        size += (size_t)n;
    }
    bytes[size] = '\0';
    *out = (nnr_bytes){bytes, size};
    return true;
}

/* gzread takes an end inside a gzip member for the end of the file; only gzclose tells. */
bool nnr_file_read(const char *path, nnr_bytes *out, nnr_error *err)
{
    struct stat st;
    *out = (nnr_bytes){0};
    if (stat(path, &st) != 0) {
        nnr_fail(err, "%s: error: cannot be read: %s", path, strerror(errno));
        return nnr_note(err, "check the path");
    }
    if (S_ISDIR(st.st_mode)) {
        nnr_fail(err, "%s: error: is a folder, not a file", path);
        return nnr_note(err, "give the path of a file in it");
    }
    gzFile gz = gzopen(path, "rb");
    if (!gz) {
        nnr_fail(err, "%s: error: cannot be opened: %s", path, strerror(errno ? errno : ENOMEM));
        return nnr_note(err, "check the file's permissions");
    }
    gzbuffer(gz, 1u << 17);
    size_t capacity = st.st_size > 0 ? (size_t)st.st_size + 1 : 4096;
    bool ok = read_all(gz, path, capacity, out, err);
    int closed = gzclose(gz);
    if (ok && closed == Z_BUF_ERROR) {
        free(out->bytes);
        *out = (nnr_bytes){0};
        nnr_fail(err, "%s: error: the gzip file ends in the middle", path);
        return nnr_note(err, "the file is cut; fetch it again");
    }
    return ok;
}

size_t nnr_file_head(const char *path, uint8_t *bytes, size_t n)
{
    gzFile gz = gzopen(path, "rb");
    int got = gz ? gzread(gz, bytes, (unsigned)n) : 0;
    if (gz) gzclose(gz);
    return got > 0 ? (size_t)got : 0;
}

/* ---- finding ---------------------------------------------------------------------------------- */

static bool is_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && !S_ISDIR(st.st_mode);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names in a folder, sorted; -1 when it cannot be read. */
static int list_folder(const char *dir, char **names, int max)
{
    DIR *d = opendir(dir);
    int n = 0;
    if (!d) return -1;
    for (struct dirent *e; n < max && (e = readdir(d));)
        if (e->d_name[0] != '.' && (names[n] = strdup(e->d_name))) n++;
    closedir(d);
    qsort(names, (size_t)n, sizeof *names, by_name);
    return n;
}

/* A folder of several data sets was given, and one of them is meant. */
static bool in_subfolder(const char *dir, const char *file, char *const *names, int n, nnr_error *err)
{
    char path[2048];
    for (int i = 0; i < n; i++)
        for (int gz = 0; gz < 2; gz++) {
            snprintf(path, sizeof path, "%s/%s/%s%s", dir, names[i], file, gz ? ".gz" : "");
            if (!is_file(path)) continue;
            nnr_note(err, "%s/%s holds such a file: give that folder with --data", dir, names[i]);
            return true;
        }
    return false;
}

static void describe_folder(const char *dir, const char *file, nnr_error *err)
{
    char *names[256];
    int n = list_folder(dir, names, 256);
    const char *slash = strrchr(file, '/');
    if (n < 0) {
        nnr_note(err, "%s: %s; give the folder that holds the data with --data DIR", dir,
                 errno == ENOENT ? "there is no such folder" : strerror(errno));
        return;
    }
    int near = nnr_nearest(slash ? slash + 1 : file, (const char *const *)names, n);
    if (in_subfolder(dir, slash ? slash + 1 : file, names, n, err)) {
        /* said */
    } else if (near >= 0) {
        nnr_note(err, "%s holds %s: is that the one meant?", dir, names[near]);
    } else if (n == 0) {
        nnr_note(err, "%s is empty; give the folder that holds the data with --data DIR", dir);
    } else {
        nnr_note(err, "%s holds", dir);
        for (int i = 0; i < n && i < 8; i++)
            nnr_append(err->text, sizeof err->text, "%s %s", i ? "," : "", names[i]);
        nnr_append(err->text, sizeof err->text, "%s; give another folder with --data DIR",
                   n > 8 ? ", ..." : "");
    }
    for (int i = 0; i < n; i++) free(names[i]);
}

bool nnr_file_find(const char *dir, const char *file, char *path, size_t size, nnr_error *err)
{
    char folder[1024];
    bool absolute = file[0] == '/';
    int n = absolute ? snprintf(path, size, "%s", file) : snprintf(path, size, "%s/%s", dir, file);
    if (n < 0 || (size_t)n + 4 > size) {
        nnr_fail(err, "%s: error: the path is longer than %zu bytes", file, size - 4);
        return nnr_note(err, "use a shorter path");
    }
    if (is_file(path)) return true;
    strcat(path, ".gz");
    if (is_file(path)) return true;
    path[n] = '\0';
    nnr_fail(err, "%s: error: data file not found (nor %s.gz)", path, path);
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash) *(slash == folder ? slash + 1 : slash) = '\0';
    describe_folder(slash ? folder : ".", file, err);
    return false;
}

/* ---- writing ---------------------------------------------------------------------------------- */

static bool write_failed(nnr_out *out, const char *what, nnr_error *err)
{
    int code = errno;
    nnr_fail(err, "%s: error: %s: %s", out->path, what, strerror(code));
    if (code == ENOSPC || code == EDQUOT || code == EFBIG)
        nnr_note(err, "no space left: free some, or write to another disk with -o; nothing of this "
                      "file was kept, an earlier one is untouched");
    else
        nnr_note(err, "check that the folder exists and may be written to");
    nnr_out_abort(out);
    return false;
}

/* Something that is no regular file (/dev/full, a pipe) is written in place: it cannot be replaced. */
bool nnr_out_open(nnr_out *out, const char *path, nnr_error *err)
{
    struct stat st;
    *out = (nnr_out){.path = path};
    if (strlen(path) + 32 > sizeof out->temp) {
        nnr_fail(err, "%.80s...: error: the path is too long", path);
        return nnr_note(err, "use a shorter path");
    }
    bool special = stat(path, &st) == 0 && !S_ISREG(st.st_mode);
    if (special && S_ISDIR(st.st_mode)) {
        nnr_fail(err, "%s: error: is a folder, not a file", path);
        return nnr_note(err, "give the path of a file");
    }
    if (!special) snprintf(out->temp, sizeof out->temp, "%s.tmp%ld", path, (long)getpid());
    out->f = fopen(special ? path : out->temp, "wb");
    if (!out->f) {
        out->temp[0] = '\0';
        return write_failed(out, "cannot be written", err);
    }
    return true;
}

bool nnr_out_write(nnr_out *out, const void *bytes, size_t n, nnr_error *err)
{
    if (n == 0 || fwrite(bytes, 1, n, out->f) == n) return true;
    return write_failed(out, "cannot be written", err);
}

static void sync_folder(const char *path)
{
    char folder[1024];
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash) *(slash == folder ? slash + 1 : slash) = '\0';
    int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY);
    if (fd < 0) return;
    fsync(fd);
    close(fd);
}

bool nnr_out_commit(nnr_out *out, nnr_error *err)
{
    if (fflush(out->f) != 0) return write_failed(out, "cannot be written", err);
    /* EINVAL: a special file that knows no fsync. */
    if (fsync(fileno(out->f)) != 0 && errno != EINVAL)
        return write_failed(out, "cannot be written", err);
    FILE *f = out->f;
    out->f = NULL;
    if (fclose(f) != 0) return write_failed(out, "cannot be written", err);
    if (!out->temp[0]) return true;
    if (rename(out->temp, out->path) != 0) return write_failed(out, "cannot be put in place", err);
    sync_folder(out->path);
    return true;
}

void nnr_out_abort(nnr_out *out)
{
    if (out->f) fclose(out->f);
    if (out->temp[0]) unlink(out->temp);
    out->f = NULL;
    out->temp[0] = '\0';
}
