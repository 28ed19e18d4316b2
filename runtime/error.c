/* Error texts and the small helpers that messages are made with. See error.h. */
#include "runtime/error.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT = sizeof(((nnr_error *)0)->text), MAIN_PART = 700 };

static void put(char *buf, size_t size, const char *format, va_list ap)
{
    size_t used = strlen(buf);
    if (used + 4 >= size) return;
    int n = vsnprintf(buf + used, size - used, format, ap);
    if (n >= 0 && (size_t)n >= size - used) memcpy(buf + size - 4, "...", 4);
}

bool nnr_fail(nnr_error *err, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    err->text[0] = '\0';
    put(err->text, MAIN_PART, format, ap);
    va_end(ap);
    return false;
}

bool nnr_note(nnr_error *err, const char *format, ...)
{
    va_list ap;
    nnr_append(err->text, TEXT, "\nnote: ");
    va_start(ap, format);
    put(err->text, TEXT, format, ap);
    va_end(ap);
    return false;
}

bool nnr_no_memory(nnr_error *err, const char *what, size_t bytes)
{
    nnr_fail(err, "%s: error: no memory for %zu bytes", what, bytes);
    return nnr_note(err, "use a smaller batch, less data, or a machine with more memory");
}

void nnr_tell(nnr_say say, void *user, nnr_level level, const char *format, ...)
{
    char text[2048];
    va_list ap;
    if (!say) return;
    va_start(ap, format);
    text[0] = '\0';
    put(text, sizeof text, format, ap);
    va_end(ap);
    say(user, (int)level, text);
}

void nnr_append(char *buf, size_t size, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    put(buf, size, format, ap);
    va_end(ap);
}

size_t nnr_dtype_size(nnr_dtype t)
{
    switch (t) {
    case NNR_F32:
    case NNR_I32: return 4;
    case NNR_F64: return 8;
    case NNR_BOOL:
    case NNR_U8: return 1;
    }
    return 1;
}

const char *nnr_dtype_name(nnr_dtype t)
{
    switch (t) {
    case NNR_F32: return "f32";
    case NNR_I32: return "i32";
    case NNR_F64: return "f64";
    case NNR_BOOL: return "bool";
    case NNR_U8: return "u8";
    }
    return "?";
}

int64_t nnr_elems(const int64_t *dims, int rank)
{
    int64_t n = 1;
    for (int i = 0; i < rank; i++) n *= dims[i];
    return n;
}

size_t nnr_info_bytes(const nnr_info *info)
{
    return (size_t)nnr_elems(info->dims, info->rank) * nnr_dtype_size(info->dtype);
}

const char *nnr_shape_text(char *buf, size_t size, const int64_t *dims, int rank)
{
    buf[0] = '\0';
    nnr_append(buf, size, "[");
    for (int i = 0; i < rank; i++)
        nnr_append(buf, size, "%s%lld", i ? ", " : "", (long long)dims[i]);
    nnr_append(buf, size, "]");
    return buf;
}

const char *nnr_batch_type_text(char *buf, size_t size, const nnr_info *info)
{
    buf[0] = '\0';
    nnr_append(buf, size, "%s[N", nnr_dtype_name(info->dtype));
    for (int i = 1; i < info->rank; i++)
        nnr_append(buf, size, ", %lld", (long long)info->dims[i]);
    nnr_append(buf, size, "]");
    return buf;
}

int nnr_distance(const char *a, const char *b, int limit)
{
    int row[257];
    size_t na = strlen(a), nb = strlen(b);
    if (na > 255 || nb > 255) return limit + 1;
    for (size_t j = 0; j <= nb; j++) row[j] = (int)j;
    for (size_t i = 1; i <= na; i++) {
        int diagonal = row[0], best = row[0] = (int)i;
        for (size_t j = 1; j <= nb; j++) {
            int swap = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            int gap = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            row[j] = swap < gap ? swap : gap;
            if (row[j] < best) best = row[j];
        }
        if (best > limit) return limit + 1;
    }
    return row[nb] > limit ? limit + 1 : row[nb];
}

int nnr_nearest(const char *name, const char *const *candidates, int n)
{
    int limit = (int)strlen(name) / 3 + 1, best = -1, best_at = limit + 1;
    for (int i = 0; i < n; i++) {
        int d = nnr_distance(name, candidates[i], limit);
        if (d < best_at) best_at = d, best = i;
    }
    return best;
}
