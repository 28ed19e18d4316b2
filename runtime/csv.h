/* Private to the CSV reader: rows of fields out of bytes, and the strict reading of numbers. */
#ifndef NNR_CSV_H
#define NNR_CSV_H
#include "runtime/error.h"
#include <locale.h>
#include <stdio.h>

typedef struct {
    const char *text; /* NUL-terminated, blanks trimmed, quotes removed */
    int line, col;
} CsvField;

typedef struct {
    CsvField *fields; /* malloc'd by csv_row, the caller's to free */
    int n, capacity;
} CsvRow;

typedef struct {
    const char *path;
    const nnr_source *source;
    char *p, *end, *line_start;
    int line;
    char separator;      /* ' ' stands for runs of blanks */
    int width;           /* fields of the first row */
    const CsvRow *names; /* the header row, or NULL */
    int *columns, n_columns;
    locale_t c_locale;
} CsvFile;

/* bytes[n] must be writable (the reader's NUL). */
bool csv_open(CsvFile *csv, uint8_t *bytes, size_t n, nnr_error *err);
void csv_close(CsvFile *csv);
/* Next row that is not blank; row->n == 0 at the end of the file. The fields' text stays valid for
 * the life of the bytes. */
bool csv_row(CsvFile *csv, CsvRow *row, nnr_error *err);
/* Strict decimal: [+-]digits[.digits][e[+-]digits]. */
bool csv_number(const CsvFile *csv, const char *text, double *v);
/* Empty, "?", NA, N/A, NaN, null in any case. */
bool csv_missing(const char *text);
#endif
