/* Tables of numbers: comma, tab, semicolon or blank separated, quoted or not, with a header or not.
 * Quoting follows RFC 4180. Numbers are decimal whatever the locale is. */
#include "runtime/data.h"
#include "runtime/csv.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- header or not, which columns -------------------------------------------------------------- */

static bool is_class(const CsvFile *csv, const CsvField *f)
{
    for (int i = 0; i < csv->source->n_classes; i++)
        if (strcmp(csv->source->classes[i], f->text) == 0) return true;
    return false;
}

/* A first row is taken for a header when some field of it is no number while the same field of the
 * second row is one, or when the wanted columns are named in it. */
static bool looks_like_header(const CsvFile *csv, const CsvRow *first, const CsvRow *second)
{
    double v;
    for (int i = 0; i < first->n; i++) {
        const CsvField *f = &first->fields[i];
        bool is_text = f->text[0] && !csv_missing(f->text) && !is_class(csv, f) &&
                       !csv_number(csv, f->text, &v);
        if (is_text && i < second->n && csv_number(csv, second->fields[i].text, &v)) return true;
    }
    for (int k = 0; k < csv->source->n_columns; k++)
        for (int i = 0; i < first->n; i++)
            if (!csv_number(csv, first->fields[i].text, &v) &&
                strcmp(csv->source->columns[k], first->fields[i].text) == 0)
                return true;
    return false;
}

static bool unknown_column(const CsvFile *csv, const char *name, size_t len, nnr_error *err)
{
    const CsvRow *names = csv->names;
    char text[128];
    snprintf(text, sizeof text, "%.*s", (int)(len > 100 ? 100 : len), name);
    nnr_fail(err, "%s: error: there is no column \"%s\"", csv->path, text);
    if (!names)
        return nnr_note(err, "the file has no header row, so columns go by position, 0 to %d",
                        csv->width - 1);
    const char **list = calloc((size_t)names->n + 1, sizeof *list);
    int near = -1;
    for (int i = 0; list && i < names->n; i++) list[i] = names->fields[i].text;
    if (list) near = nnr_nearest(text, list, names->n);
    nnr_note(err, "%s%.100s%s columns are", near >= 0 ? "did you mean \"" : "",
             near >= 0 ? list[near] : "", near >= 0 ? "\"? The" : "the");
    for (int i = 0; list && i < names->n && i < 24; i++)
        nnr_append(err->text, sizeof err->text, "%s %.40s", i ? "," : "", list[i]);
    free(list);
    return false;
}

/* One end of a range or a single column; *named tells a name from a position. */
static bool column_index(const CsvFile *csv, const char *text, size_t len, int *out, bool *named,
                         nnr_error *err)
{
    size_t i = len > 0 && text[0] == '-';
    long v = 0;
    *named = !(i < len);
    for (; i < len && !*named; i++) {
        if (text[i] < '0' || text[i] > '9' || v > 100000000) *named = true;
        else v = v * 10 + (text[i] - '0');
    }
    if (!*named) {
        *out = (int)(text[0] == '-' ? csv->width - v : v);
        return true;
    }
    for (int k = 0; csv->names && k < csv->names->n; k++)
        if (strlen(csv->names->fields[k].text) == len &&
            memcmp(csv->names->fields[k].text, text, len) == 0) {
            *out = k;
            return true;
        }
    return unknown_column(csv, text, len, err);
}

static bool add_columns(CsvFile *csv, const char *text, nnr_error *err)
{
    const char *dots = strstr(text, "..");
    int from = 0, to = 0;
    bool named = false;
    if (!dots) {
        if (!column_index(csv, text, strlen(text), &from, &named, err)) return false;
        to = from + 1;
    } else {
        to = csv->width;
        if (dots > text && !column_index(csv, text, (size_t)(dots - text), &from, &named, err))
            return false;
        if (dots[2]) {
            if (!column_index(csv, dots + 2, strlen(dots + 2), &to, &named, err)) return false;
            to += named;
        }
    }
    if (from < 0 || to > csv->width || from >= to) {
        nnr_fail(err, "%s: error: columns \"%s\" are not in the file, whose rows have %d", csv->path,
                 text, csv->width);
        return nnr_note(err, "positions go from 0 to %d, or from -1 (the last) down; the end of a range "
                             "of positions is not included", csv->width - 1);
    }
    for (int i = from; i < to; i++) {
        int *grown = realloc(csv->columns, sizeof(int) * (size_t)(csv->n_columns + 1));
        if (!grown) return nnr_no_memory(err, csv->path, 0);
        csv->columns = grown;
        csv->columns[csv->n_columns++] = i;
    }
    return true;
}

static bool choose_columns(CsvFile *csv, const nnr_info *as, nnr_error *err)
{
    int64_t want = nnr_elems(as->dims + 1, as->rank - 1);
    char type[192];
    if (csv->source->n_columns == 0 && !add_columns(csv, "..", err)) return false;
    for (int i = 0; i < csv->source->n_columns; i++)
        if (!add_columns(csv, csv->source->columns[i], err)) return false;
    if (csv->n_columns == want) return true;
    nnr_batch_type_text(type, sizeof type, as);
    nnr_fail(err, "%s: error: %d columns are read for %s: %s, which takes %lld a sample", csv->path,
             csv->n_columns, as->name, type, (long long)want);
    return nnr_note(err, "the file has %d columns; choose them with columns = [...], or change the shape",
                    csv->width);
}

/* ---- a field's value --------------------------------------------------------------------------- */

static bool at(const CsvFile *csv, const CsvField *f, nnr_error *err, const char *what)
{
    return nnr_fail(err, "%s:%d:%d: error: %s", csv->path, f->line, f->col, what);
}

static void name_column(const CsvFile *csv, int column, nnr_error *err)
{
    if (csv->names && column < csv->names->n)
        nnr_append(err->text, sizeof err->text, " in column \"%.60s\"", csv->names->fields[column].text);
    else
        nnr_append(err->text, sizeof err->text, " in column %d", column);
}

static bool unknown_class(const CsvFile *csv, const CsvField *f, int column, nnr_error *err)
{
    const nnr_source *s = csv->source;
    int near = nnr_nearest(f->text, s->classes, s->n_classes);
    at(csv, f, err, "");
    nnr_append(err->text, sizeof err->text, "\"%.60s\" is none of the classes", f->text);
    name_column(csv, column, err);
    nnr_note(err, "%s%.60s%sclasses are", near >= 0 ? "did you mean \"" : "",
             near >= 0 ? s->classes[near] : "", near >= 0 ? "\"? The " : "the ");
    for (int i = 0; i < s->n_classes && i < 16; i++)
        nnr_append(err->text, sizeof err->text, "%s \"%.40s\"", i ? "," : "", s->classes[i]);
    if (s->n_classes > 16) nnr_append(err->text, sizeof err->text, ", ...");
    return false;
}

static bool field_value(const CsvFile *csv, const CsvField *f, int column, double *v, nnr_error *err)
{
    for (int i = 0; i < csv->source->n_classes; i++)
        if (strcmp(csv->source->classes[i], f->text) == 0) {
            *v = i;
            return true;
        }
    if (csv_missing(f->text)) {
        at(csv, f, err, f->text[0] ? "" : "an empty field");
        if (f->text[0]) nnr_append(err->text, sizeof err->text, "a missing value, \"%.20s\",", f->text);
        name_column(csv, column, err);
        return nnr_note(err, "fill in or remove such rows, or leave the column out with columns = [...]");
    }
    if (csv->source->n_classes > 0) return unknown_class(csv, f, column, err);
    if (csv_number(csv, f->text, v)) return true;
    at(csv, f, err, "");
    nnr_append(err->text, sizeof err->text, "\"%.60s\" is not a number", f->text);
    name_column(csv, column, err);
    return nnr_note(err, "leave the column out with columns = [...], or give its words with classes = [...]");
}

static bool store(const CsvFile *csv, const CsvField *f, double v, nnr_dataset *out, int64_t i,
                  nnr_error *err)
{
    double low = out->dtype == NNR_I32 ? INT32_MIN : 0;
    double high = out->dtype == NNR_I32 ? INT32_MAX : out->dtype == NNR_U8 ? 255 : 1;
    switch (out->dtype) {
    case NNR_F32:
        if (fabs(v) > FLT_MAX) break;
        ((float *)out->values)[i] = (float)v;
        return true;
    case NNR_F64: ((double *)out->values)[i] = v; return true;
    case NNR_I32:
    case NNR_U8:
    case NNR_BOOL: break;
    }
    if (out->dtype == NNR_F32) {
        at(csv, f, err, "");
        nnr_append(err->text, sizeof err->text, "%.60s is too large for f32", f->text);
        return nnr_note(err, "declare f64, or scale the column");
    }
    if (v != floor(v) || v < low || v > high) {
        at(csv, f, err, "");
        nnr_append(err->text, sizeof err->text, "%.60s is no value of type %s", f->text,
                   nnr_dtype_name(out->dtype));
        return nnr_note(err, "it takes whole numbers from %.0f to %.0f; declare f32 for others", low, high);
    }
    if (out->dtype == NNR_I32) ((int32_t *)out->values)[i] = (int32_t)v;
    else ((uint8_t *)out->values)[i] = (uint8_t)v;
    return true;
}

/* ---- the table --------------------------------------------------------------------------------- */

static bool add_row(CsvFile *csv, const CsvRow *row, nnr_dataset *out, int64_t *capacity, nnr_error *err)
{
    if (row->n != csv->width) {
        const CsvField *last = &row->fields[row->n - 1];
        nnr_fail(err, "%s:%d:%d: error: this row has %d field%s, the first one has %d", csv->path,
                 last->line, last->col, row->n, row->n == 1 ? "" : "s", csv->width);
        return nnr_note(err, row->n < csv->width ? "the row is cut, or a separator is missing"
                                                 : "a field that holds separators must be quoted");
    }
    if (out->count == *capacity) {
        *capacity = *capacity ? *capacity * 2 : 256;
        size_t bytes = (size_t)*capacity * (size_t)csv->n_columns * nnr_dtype_size(out->dtype);
        void *grown = realloc(out->values, bytes);
        if (!grown) return nnr_no_memory(err, csv->path, bytes);
        out->values = grown;
    }
    for (int k = 0; k < csv->n_columns; k++) {
        const CsvField *f = &row->fields[csv->columns[k]];
        double v;
        if (!field_value(csv, f, csv->columns[k], &v, err)) return false;
        if (!store(csv, f, v, out, out->count * csv->n_columns + k, err)) return false;
    }
    out->count++;
    return true;
}

/* The first two rows are read ahead: the decision on a header needs both. */
static bool read_table(CsvFile *csv, CsvRow rows[2], const nnr_info *as, nnr_dataset *out, nnr_error *err)
{
    int64_t capacity = 0;
    bool second;
    if (!csv_row(csv, &rows[0], err)) return false;
    if (rows[0].n == 0) {
        nnr_fail(err, "%s: error: the file holds no rows", csv->path);
        return nnr_note(err, "give a table with a row a sample");
    }
    csv->width = rows[0].n;
    if (!csv_row(csv, &rows[1], err)) return false;
    second = rows[1].n > 0;
    if (csv->source->header > 0 ||
        (csv->source->header < 0 && looks_like_header(csv, &rows[0], &rows[1])))
        csv->names = &rows[0];
    if (!choose_columns(csv, as, err)) return false;
    out->dtype = as->dtype;
    if (!csv->names && !add_row(csv, &rows[0], out, &capacity, err)) return false;
    while (second) {
        if (!add_row(csv, &rows[1], out, &capacity, err)) return false;
        if (!csv_row(csv, &rows[1], err)) return false;
        second = rows[1].n > 0;
    }
    if (out->count == 0) {
        nnr_fail(err, "%s: error: the file holds a header and no rows", csv->path);
        return nnr_note(err, "when its first row is one of numbers, say header = false");
    }
    return true;
}

bool nnr_csv_parse(uint8_t *bytes, size_t n, const char *path, const nnr_source *source,
                   const nnr_info *as, nnr_dataset *out, nnr_error *err)
{
    CsvFile csv = {.path = path, .source = source};
    CsvRow rows[2] = {{0}, {0}};
    *out = (nnr_dataset){0};
    bool ok = csv_open(&csv, bytes, n, err) && read_table(&csv, rows, as, out, err);
    if (ok) {
        snprintf(out->path, sizeof out->path, "%s", path);
        out->rank = 2;
        out->dims[0] = out->count;
        out->dims[1] = out->elems = out->pitch = csv.n_columns;
    } else {
        nnr_dataset_free(out);
    }
    free(rows[0].fields);
    free(rows[1].fields);
    csv_close(&csv);
    return ok;
}
