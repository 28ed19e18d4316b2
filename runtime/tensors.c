/* Reading and writing safetensors files. See tensors.h. Nothing in a file is believed: header length,
 * JSON, types, shapes, offsets, gaps and overlaps are all checked. */
#include "runtime/tensors.h"
#include <cjson/cJSON.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MAP_POPULATE
#define MAP_POPULATE 0 /* only Linux has it: pages that are read ahead */
#endif

static const struct {
    const char *name;
    int size;
    int dtype; /* nnr_dtype, or -1 */
} types[] = {{"F32", 4, NNR_F32}, {"I32", 4, NNR_I32}, {"BOOL", 1, NNR_BOOL}, {"U8", 1, NNR_U8},
             {"F64", 8, NNR_F64}, {"F16", 2, -1},      {"BF16", 2, -1},       {"I64", 8, -1},
             {"U64", 8, -1},      {"U32", 4, -1},      {"I16", 2, -1},        {"U16", 2, -1},
             {"I8", 1, -1},       {"F8_E4M3", 1, -1},  {"F8_E5M2", 1, -1}};
enum { N_TYPES = sizeof types / sizeof *types, MAX_HEADER = 100000000 };

static int type_of_name(const char *name)
{
    for (int i = 0; i < N_TYPES; i++)
        if (strcmp(types[i].name, name) == 0) return i;
    return -1;
}

static const char *name_of_dtype(nnr_dtype t)
{
    for (int i = 0; i < N_TYPES; i++)
        if (types[i].dtype == (int)t) return types[i].name;
    return "?";
}

/* ---- writing ------------------------------------------------------------------------------------ */

static size_t tensor_bytes(const nnr_tensor *t)
{
    return (size_t)nnr_elems(t->dims, t->rank) * nnr_dtype_size(t->dtype);
}

static int file_order(const void *a, const void *b)
{
    const nnr_tensor *x = *(const nnr_tensor *const *)a, *y = *(const nnr_tensor *const *)b;
    size_t sx = nnr_dtype_size(x->dtype), sy = nnr_dtype_size(y->dtype);
    if (sx != sy) return sx < sy ? 1 : -1;
    return strcmp(x->name, y->name);
}

static bool add_tensor(cJSON *root, const nnr_tensor *t, size_t begin)
{
    cJSON *entry = cJSON_AddObjectToObject(root, t->name);
    cJSON *shape, *offsets;
    if (!entry || !cJSON_AddStringToObject(entry, "dtype", name_of_dtype(t->dtype))) return false;
    if (!(shape = cJSON_AddArrayToObject(entry, "shape"))) return false;
    for (int i = 0; i < t->rank; i++)
        if (!cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)t->dims[i]))) return false;
    if (!(offsets = cJSON_AddArrayToObject(entry, "data_offsets"))) return false;
    return cJSON_AddItemToArray(offsets, cJSON_CreateNumber((double)begin)) &&
           cJSON_AddItemToArray(offsets, cJSON_CreateNumber((double)(begin + tensor_bytes(t))));
}

/* The header's text, padded with blanks to a multiple of 8 so that the values are aligned. */
static char *header_text(const nnr_tensor *const *sorted, int n, const nnr_meta *meta, int n_meta,
                         size_t *length)
{
    cJSON *root = cJSON_CreateObject();
    cJSON *m = root ? cJSON_AddObjectToObject(root, "__metadata__") : NULL;
    bool ok = m != NULL;
    size_t at = 0;
    for (int i = 0; ok && i < n_meta; i++)
        ok = cJSON_AddStringToObject(m, meta[i].key, meta[i].value) != NULL;
    for (int i = 0; ok && i < n; at += tensor_bytes(sorted[i]), i++) ok = add_tensor(root, sorted[i], at);
    char *json = ok ? cJSON_PrintUnformatted(root) : NULL, *text = NULL;
    cJSON_Delete(root);
    if (json) {
        size_t used = strlen(json);
        *length = (used + 7) / 8 * 8;
        text = malloc(*length + 1);
        if (text) {
            memcpy(text, json, used);
            memset(text + used, ' ', *length - used);
        }
    }
    cJSON_free(json);
    return text;
}

static bool write_all(const char *path, const char *header, size_t length, const nnr_tensor *const *sorted,
                      int n, nnr_error *err)
{
    nnr_out out;
    uint8_t size[8];
    for (int i = 0; i < 8; i++) size[i] = (uint8_t)(length >> (8 * i));
    if (!nnr_out_open(&out, path, err)) return false;
    if (!nnr_out_write(&out, size, sizeof size, err)) return false;
    if (!nnr_out_write(&out, header, length, err)) return false;
    for (int i = 0; i < n; i++)
        if (!nnr_out_write(&out, sorted[i]->values, tensor_bytes(sorted[i]), err)) return false;
    return nnr_out_commit(&out, err);
}

bool nnr_tensors_write(const char *path, const nnr_tensor *tensors, int n, const nnr_meta *meta,
                       int n_meta, nnr_error *err)
{
    size_t length = 0;
    const nnr_tensor **sorted = calloc((size_t)n + 1, sizeof *sorted);
    if (!sorted) return nnr_no_memory(err, path, 0);
    for (int i = 0; i < n; i++) sorted[i] = &tensors[i];
    qsort(sorted, (size_t)n, sizeof *sorted, file_order);
    char *header = header_text(sorted, n, meta, n_meta, &length);
    bool ok = header ? write_all(path, header, length, sorted, n, err) : nnr_no_memory(err, path, 0);
    free(header);
    free(sorted);
    return ok;
}

/* ---- reading ------------------------------------------------------------------------------------ */

static bool bad(const char *path, nnr_error *err, const char *what, const char *name)
{
    nnr_fail(err, "%s: error: is no valid safetensors file: %s", path, what);
    if (name) nnr_append(err->text, sizeof err->text, " (tensor \"%.80s\")", name);
    return nnr_note(err, "the file is cut or damaged, or of another format; write it again");
}

static bool whole_number(const cJSON *j, size_t *v)
{
    if (!cJSON_IsNumber(j)) return false;
    double d = j->valuedouble;
    if (!(d >= 0 && d <= 9007199254740992.0) || d != floor(d)) return false;
    *v = (size_t)d;
    return true;
}

static const char *read_shape(const cJSON *shape, nnr_tensor *t, size_t *bytes)
{
    const cJSON *dim;
    t->rank = 0;
    cJSON_ArrayForEach(dim, shape)
    {
        size_t v;
        if (!whole_number(dim, &v)) return "its shape holds something other than sizes";
        if (__builtin_mul_overflow(*bytes, v, bytes)) return "its shape overflows";
        if (t->rank < NNR_MAX_RANK) t->dims[t->rank++] = (int64_t)v;
        else t->known = false;
    }
    return NULL;
}

/* NULL, or what is wrong. */
static const char *read_entry(const cJSON *entry, size_t size, nnr_tensor *t)
{
    const cJSON *dtype = cJSON_GetObjectItemCaseSensitive(entry, "dtype");
    const cJSON *shape = cJSON_GetObjectItemCaseSensitive(entry, "shape");
    const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(entry, "data_offsets");
    if (!cJSON_IsString(dtype) || !cJSON_IsArray(shape) || !cJSON_IsArray(offsets))
        return "an entry without dtype, shape and data_offsets";
    int type = type_of_name(dtype->valuestring);
    if (type < 0) return "an unknown dtype";
    t->name = entry->string;
    t->known = types[type].dtype >= 0;
    t->dtype = t->known ? (nnr_dtype)types[type].dtype : NNR_U8;
    snprintf(t->type, sizeof t->type, "%s", types[type].name);
    size_t bytes = (size_t)types[type].size;
    const char *wrong = read_shape(shape, t, &bytes);
    if (wrong) return wrong;
    if (cJSON_GetArraySize(offsets) != 2 || !whole_number(offsets->child, &t->begin) ||
        !whole_number(offsets->child->next, &t->end))
        return "data_offsets are not two sizes";
    if (t->begin > t->end || t->end > size) return "its values lie beyond the end of the file";
    if (t->end - t->begin != bytes) return "its data_offsets do not agree with its shape";
    return NULL;
}

static int by_offset(const void *a, const void *b)
{
    const nnr_tensor *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const nnr_tensor *)a)->name, ((const nnr_tensor *)b)->name);
}

/* Values must follow one another without a gap up to the end, and names must differ. Leaves the
 * tensors sorted by name. */
static bool check_layout(nnr_tensors *t, size_t size, nnr_error *err)
{
    size_t at = 0;
    if (t->n == 0) return size == 0 || bad(t->path, err, "values that no tensor names", NULL);
    qsort(t->tensors, (size_t)t->n, sizeof *t->tensors, by_offset);
    for (int i = 0; i < t->n; i++) {
        if (t->tensors[i].begin < at)
            return bad(t->path, err, "its values overlap another's", t->tensors[i].name);
        if (t->tensors[i].begin > at)
            return bad(t->path, err, "bytes before it belong to no tensor", t->tensors[i].name);
        at = t->tensors[i].end;
    }
    if (at != size) return bad(t->path, err, "bytes at the end belong to no tensor", NULL);
    qsort(t->tensors, (size_t)t->n, sizeof *t->tensors, by_name);
    for (int i = 1; i < t->n; i++)
        if (strcmp(t->tensors[i - 1].name, t->tensors[i].name) == 0)
            return bad(t->path, err, "a name occurs twice", t->tensors[i].name);
    return true;
}

static bool read_header(nnr_tensors *t, const uint8_t *values, size_t size, nnr_error *err)
{
    const cJSON *entry;
    t->tensors = calloc((size_t)cJSON_GetArraySize(t->header) + 1, sizeof *t->tensors);
    if (!t->tensors) return nnr_no_memory(err, t->path, 0);
    cJSON_ArrayForEach(entry, t->header)
    {
        if (strcmp(entry->string, "__metadata__") == 0) {
            const cJSON *value;
            if (!cJSON_IsObject(entry)) return bad(t->path, err, "__metadata__ is no object", NULL);
            cJSON_ArrayForEach(value, entry)
                if (!cJSON_IsString(value)) return bad(t->path, err, "__metadata__ holds no text", NULL);
            continue;
        }
        nnr_tensor *x = &t->tensors[t->n];
        const char *wrong = read_entry(entry, size, x);
        if (wrong) return bad(t->path, err, wrong, entry->string);
        x->values = values + x->begin;
        t->n++;
    }
    return check_layout(t, size, err);
}

bool nnr_tensors_parse(nnr_bytes file, const char *path, nnr_tensors *out, nnr_error *err)
{
    uint64_t length = 0;
    *out = (nnr_tensors){.path = path};
    if (file.size < 8) return bad(path, err, "it is shorter than 8 bytes", NULL);
    for (int i = 0; i < 8; i++) length |= (uint64_t)file.bytes[i] << (8 * i);
    if (length > MAX_HEADER) return bad(path, err, "its first 8 bytes are no header length", NULL);
    if (length > file.size - 8) return bad(path, err, "it ends inside its header", NULL);
    out->header = cJSON_ParseWithLength((const char *)file.bytes + 8, (size_t)length);
    if (!cJSON_IsObject(out->header)) {
        nnr_tensors_free(out);
        return bad(path, err, "its header is no JSON object", NULL);
    }
    if (!read_header(out, file.bytes + 8 + length, file.size - 8 - (size_t)length, err)) {
        nnr_tensors_free(out);
        return false;
    }
    out->file = file;
    return true;
}

static void drop(nnr_bytes file, bool mapped)
{
    if (mapped) munmap(file.bytes, file.size);
    else free(file.bytes);
}

/* false: not a plain file, or compressed (a header of 0x8b1f bytes begins like gzip, but for its third byte), or the
 * system cannot. */
static bool map_file(const char *path, nnr_bytes *out)
{
    struct stat st;
    uint8_t head[3];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool plain = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size >= 8 &&
                 pread(fd, head, 3, 0) == 3 && !(head[0] == 0x1f && head[1] == 0x8b && head[2] == 8);
    void *map = plain ? mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0) : MAP_FAILED;
    if (fd >= 0) close(fd);
    if (map == MAP_FAILED) return false;
    *out = (nnr_bytes){map, (size_t)st.st_size};
    return true;
}

bool nnr_tensors_read(const char *path, nnr_tensors *out, nnr_error *err)
{
    nnr_bytes file;
    *out = (nnr_tensors){0};
    bool mapped = map_file(path, &file);
    if (!mapped && !nnr_file_read(path, &file, err)) return false;
    bool ok = nnr_tensors_parse(file, path, out, err);
    out->mapped = ok && mapped;
    if (!ok) drop(file, mapped);
    return ok;
}

void nnr_tensors_free(nnr_tensors *t)
{
    free(t->tensors);
    drop(t->file, t->mapped);
    cJSON_Delete(t->header);
    *t = (nnr_tensors){0};
}

const nnr_tensor *nnr_tensors_find(const nnr_tensors *t, const char *prefix, const char *name)
{
    size_t np = strlen(prefix);
    int low = 0, high = t->n - 1;
    while (low <= high) {
        int mid = low + (high - low) / 2;
        int c = strncmp(prefix, t->tensors[mid].name, np);
        if (c == 0) c = strcmp(name, t->tensors[mid].name + np);
        if (c == 0) return &t->tensors[mid];
        if (c < 0) high = mid - 1;
        else low = mid + 1;
    }
    return NULL;
}

const char *nnr_tensors_meta(const nnr_tensors *t, const char *key)
{
    const cJSON *meta = cJSON_GetObjectItemCaseSensitive(t->header, "__metadata__");
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(meta, key);
    return cJSON_IsString(value) ? value->valuestring : NULL;
}
