/* Rows and fields of a CSV file, numbers in them. See csv.h. Fields are cut in place: a NUL goes where
 * a separator, a quote or a line end was, once the scanner has passed it. */
#include "runtime/csv.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

/* The separator that occurs most often in the first line, outside quotes; blanks when none does. */
static char find_separator(const char *p, const char *end)
{
    static const char candidates[] = ",\t;";
    int count[3] = {0}, blanks = 0, best = 0;
    bool in_quotes = false;
    while (p < end && (*p == '\n' || *p == '\r' || *p == ' ')) p++;
    for (; p < end && *p != '\n'; p++) {
        const char *at = *p ? strchr(candidates, *p) : NULL;
        if (*p == '"') in_quotes = !in_quotes;
        if (at && !in_quotes) count[at - candidates]++;
        if (*p == ' ' && !in_quotes) blanks++;
    }
    for (int i = 1; i < 3; i++)
        if (count[i] > count[best]) best = i;
    if (count[best] == 0 && blanks > 0) return ' ';
    return candidates[best];
}

bool csv_open(CsvFile *csv, uint8_t *bytes, size_t n, nnr_error *err)
{
    csv->p = (char *)bytes;
    csv->end = csv->p + n;
    csv->line = 1;
    if (n >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) csv->p += 3; /* byte order mark */
    csv->line_start = csv->p;
    csv->c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!csv->c_locale) return nnr_no_memory(err, csv->path, 0);
    if (memchr(csv->p, '\0', (size_t)(csv->end - csv->p))) {
        nnr_fail(err, "%s: error: is not a text file (it holds zero bytes)", csv->path);
        return nnr_note(err, "read arrays with npy and MNIST's files with idx; save UTF-16 text as UTF-8");
    }
    csv->separator = csv->source->separator && csv->source->separator[0]
                         ? csv->source->separator[0]
                         : find_separator(csv->p, csv->end);
    return true;
}

void csv_close(CsvFile *csv)
{
    free(csv->columns);
    if (csv->c_locale) freelocale(csv->c_locale);
    csv->columns = NULL;
    csv->c_locale = (locale_t)0;
}

static char peek(const CsvFile *csv) { return csv->p < csv->end ? *csv->p : '\n'; }

/* Blanks around a field do not count; a tab does when it separates. */
static void skip_blanks(CsvFile *csv)
{
    while (csv->p < csv->end && is_blank(*csv->p) && (*csv->p == ' ' || csv->separator != '\t')) csv->p++;
}

static bool at_line_end(const CsvFile *csv)
{
    return csv->p >= csv->end || *csv->p == '\n' ||
           (*csv->p == '\r' && (csv->p + 1 >= csv->end || csv->p[1] == '\n'));
}

static bool at_separator(const CsvFile *csv)
{
    if (csv->separator == ' ') return csv->p < csv->end && is_blank(*csv->p);
    return csv->p < csv->end && *csv->p == csv->separator;
}

/* On return p is behind the closing quote; the NUL is at or before it. */
static bool quoted_field(CsvFile *csv, CsvField *f, char **stop, nnr_error *err)
{
    char *to = ++csv->p;
    f->text = to;
    for (;;) {
        if (csv->p >= csv->end) {
            nnr_fail(err, "%s:%d:%d: error: the quote that starts this field is never closed", csv->path,
                     f->line, f->col);
            return nnr_note(err, "close it with \"; a quote inside a quoted field is written twice");
        }
        char c = *csv->p++;
        if (c == '"') {
            if (peek(csv) != '"' || csv->p >= csv->end) break;
            csv->p++;
        }
        *to++ = c;
        if (c == '\n') csv->line++, csv->line_start = csv->p;
    }
    *stop = to;
    skip_blanks(csv);
    if (at_line_end(csv) || at_separator(csv) || csv->separator == ' ') return true;
    nnr_fail(err, "%s:%d:%d: error: text follows a closing quote", csv->path, csv->line,
             (int)(csv->p - csv->line_start) + 1);
    return nnr_note(err, "a quote inside a quoted field is written twice; a separator must follow the "
                         "closing one");
}

static void plain_field(CsvFile *csv, CsvField *f, char **stop)
{
    f->text = csv->p;
    while (!at_line_end(csv) && !at_separator(csv)) csv->p++;
    *stop = csv->p;
    while (*stop > f->text && is_blank((*stop)[-1])) --*stop;
}

static CsvField *new_field(CsvFile *csv, CsvRow *row, nnr_error *err)
{
    if (row->n == row->capacity) {
        int capacity = row->capacity ? row->capacity * 2 : 16;
        CsvField *grown = realloc(row->fields, sizeof *grown * (size_t)capacity);
        if (!grown) {
            nnr_no_memory(err, csv->path, sizeof *grown * (size_t)capacity);
            return NULL;
        }
        row->fields = grown, row->capacity = capacity;
    }
    return &row->fields[row->n++];
}

static bool skip_blank_lines(CsvFile *csv)
{
    for (;;) {
        char *p = csv->p;
        while (p < csv->end && (is_blank(*p) || *p == '\r')) p++;
        if (p >= csv->end) return false;
        if (*p != '\n') return true;
        csv->p = csv->line_start = p + 1;
        csv->line++;
    }
}

/* Reads one field and the separator or line end behind it; *more tells which it was. */
static bool next_field(CsvFile *csv, CsvRow *row, bool *more, nnr_error *err)
{
    char *stop = csv->p;
    CsvField *f = new_field(csv, row, err);
    if (!f) return false;
    skip_blanks(csv);
    f->line = csv->line;
    f->col = (int)(csv->p - csv->line_start) + 1;
    if (csv->p < csv->end && *csv->p == '"') {
        if (!quoted_field(csv, f, &stop, err)) return false;
    } else {
        plain_field(csv, f, &stop);
    }
    if (csv->separator == ' ')
        while (at_separator(csv)) csv->p++;
    *more = !at_line_end(csv);
    if (*more) {
        csv->p += csv->separator != ' ';
    } else {
        if (csv->p < csv->end && *csv->p == '\r') csv->p++;
        if (csv->p < csv->end) csv->p++;
        csv->line++, csv->line_start = csv->p;
    }
    *stop = '\0'; /* behind the scanner, or the byte after the last one */
    return true;
}

bool csv_row(CsvFile *csv, CsvRow *row, nnr_error *err)
{
    bool more = true;
    row->n = 0;
    if (!skip_blank_lines(csv)) return true;
    while (more)
        if (!next_field(csv, row, &more, err)) return false;
    return true;
}

/* ---- numbers ------------------------------------------------------------------------------------ */

static bool digits(const char **p)
{
    const char *start = *p;
    while (**p >= '0' && **p <= '9') ++*p;
    return *p > start;
}

static bool well_formed(const char *p)
{
    if (*p == '+' || *p == '-') p++;
    bool whole = digits(&p);
    if (*p == '.') {
        p++;
        if (!digits(&p) && !whole) return false;
    } else if (!whole) {
        return false;
    }
    if (*p == 'e' || *p == 'E') {
        p++;
        if (*p == '+' || *p == '-') p++;
        if (!digits(&p)) return false;
    }
    return *p == '\0';
}

/* Up to 15 digits and a small power of ten are exact in one operation (Clinger 1990). */
static bool short_number(const char *p, double *v)
{
    static const double tens[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    bool negative = *p == '-', point = false;
    int64_t m = 0;
    int n = 0, scale = 0;
    if (*p == '+' || *p == '-') p++;
    for (; *p; p++) {
        if (*p == '.') {
            point = true;
            continue;
        }
        if (*p < '0' || *p > '9' || ++n > 15) return false;
        m = m * 10 + (*p - '0');
        scale += point;
    }
    *v = (double)m / tens[scale];
    if (negative) *v = -*v;
    return true;
}

bool csv_number(const CsvFile *csv, const char *text, double *v)
{
    if (!well_formed(text)) return false;
    if (!short_number(text, v)) *v = strtod_l(text, NULL, csv->c_locale);
    return isfinite(*v);
}

bool csv_missing(const char *text)
{
    return !text[0] || !strcmp(text, "?") || !strcasecmp(text, "na") || !strcasecmp(text, "n/a") ||
           !strcasecmp(text, "nan") || !strcasecmp(text, "null");
}
