/* Any bytes as a CSV file, the first two of which choose how it is to be read: an error or a dataset
 * all of whose samples can be gathered. What follows the parsing must not look at the text. */
#include "runtime/data.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const char *const columns[][2] = {{"0..2", NULL}, {"-1", "0"}, {"a", "b"}, {"a..b", NULL}, {"..", NULL}};
    static const char *const classes[] = {"red", "green"};
    static const char *const separators[] = {NULL, ",", " ", "\t"};
    static const nnr_dtype types[] = {NNR_F32, NNR_I32, NNR_F64, NNR_U8, NNR_BOOL};
    if (n < 2) return 0;
    int way = bytes[0] % 6, style = bytes[1];
    nnr_source s = {.reader = NNR_CSV, .header = style % 3 - 1, .separator = separators[style / 3 % 4], .last = 1};
    if (way < 5) {
        s.columns = columns[way];
        s.n_columns = columns[way][1] ? 2 : 1;
    }
    if (style & 64) s.classes = classes, s.n_classes = 2;
    nnr_info as = {"x", types[style % 5], 2, {4, 1 + bytes[0] / 6 % 4}};
    uint8_t *copy = malloc(n - 1); /* the reader's NUL fits behind n - 2 bytes */
    nnr_dataset d;
    nnr_error e;
    if (!copy) return 0;
    memcpy(copy, bytes + 2, n - 2);
    copy[n - 2] = '\0';
    bool ok = nnr_csv_parse(copy, n - 2, "fuzz.csv", &s, &as, &d, &e);
    free(copy);
    if (ok && nnr_dataset_fit(&d, &as, false, &e)) {
        void *row = malloc((size_t)d.elems * 8 + 1);
        for (int64_t i = 0; row && i < d.count; i++) nnr_dataset_gather(&d, as.dtype, &i, 1, row);
        free(row);
    }
    if (ok) nnr_dataset_free(&d);
    return 0;
}
