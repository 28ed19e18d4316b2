/* The data readers: what they read right, and the full text of what they refuse. */
#include "runtime/data.h"
#include "runtime/file.h"
#include "runtime/select.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

static const nnr_info x1 = {"x", NNR_F32, 1, {8}}, x2 = {"x", NNR_F32, 2, {8, 2}};
static const nnr_info x3 = {"x", NNR_F32, 2, {8, 3}}, yi = {"y", NNR_I32, 1, {8}};

/* ---- CSV ---------------------------------------------------------------------------------------- */

static bool csv(const char *text, nnr_source s, const nnr_info *as, nnr_dataset *d, nnr_error *e)
{
    nnr_bytes copy = {(uint8_t *)strdup(text), strlen(text)};
    if (s.header == 0) s.header = -1;
    if (s.header == 2) s.header = 0; /* so that {0} means "find out" */
    bool ok = nnr_csv_parse(copy.bytes, copy.size, "t.csv", &s, as, d, e) && nnr_dataset_fit(d, as, false, e);
    if (!ok) nnr_dataset_free(d);
    /* Read values must not depend on the text. */
    memset(copy.bytes, 'x', copy.size);
    free(copy.bytes);
    return ok;
}

static void csv_gives(const char *text, nnr_source s, const nnr_info *as, int64_t count, const double *want)
{
    nnr_dataset d;
    nnr_error e;
    if (!csv(text, s, as, &d, &e)) fail_msg("%s\n%s", text, e.text);
    assert_int_equal(d.count, count);
    for (int64_t i = 0; i < count; i++) {
        double row[16];
        nnr_dataset_gather(&d, NNR_F64, &i, 1, row);
        for (int64_t k = 0; k < d.elems; k++) assert_true(row[k] == want[i * d.elems + k]);
    }
    nnr_dataset_free(&d);
}

static void csv_fails(const char *text, nnr_source s, const nnr_info *as, const char *want)
{
    nnr_dataset d;
    nnr_error e;
    if (csv(text, s, as, &d, &e)) fail_msg("read, but should not be: %s", text);
    assert_string_equal(e.text, want);
}

static nnr_source columns(const char *const *list, int n)
{
    return (nnr_source){.columns = list, .n_columns = n};
}
#define COLUMNS(...) columns((const char *const[]){__VA_ARGS__}, (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)))
#define WANT(...) ((const double[]){__VA_ARGS__})
static const nnr_source plain = {0};

static void csv_forms(void **state)
{
    (void)state;
    csv_gives("1,2\n3,4\n", plain, &x2, 2, WANT(1, 2, 3, 4));
    csv_gives("1,2\r\n3,4", plain, &x2, 2, WANT(1, 2, 3, 4));
    csv_gives("\xef\xbb\xbf" "a,b\n1,2\n\n  \n3,4\n\n", plain, &x2, 2, WANT(1, 2, 3, 4));
    csv_gives("a\tb\n.5\t-2e3\n", plain, &x2, 1, WANT(.5, -2000));
    csv_gives("  1   2  \n 3\t4\n", plain, &x2, 2, WANT(1, 2, 3, 4));
    csv_gives("1;2\n+3;4.\n", plain, &x2, 2, WANT(1, 2, 3, 4));
    csv_gives("\"a,1\",\"b\"\"\nc\"\n\"1\", \"2\" \n", plain, &x2, 1, WANT(1, 2));
    csv_gives("1, 2\n3 ,4\n", plain, &x2, 2, WANT(1, 2, 3, 4));
    csv_gives("7\n8\n", plain, &x1, 2, WANT(7, 8));
    csv_gives("7\n8\n", (nnr_source){.header = 1}, &x1, 1, WANT(8));
    csv_gives("1.0,2\n", plain, &x2, 1, WANT(1, 2));
    csv_gives("1:2\n", (nnr_source){.separator = ":"}, &x2, 1, WANT(1, 2));
}

static void csv_numbers(void **state)
{
    (void)state;
    static const nnr_info d1 = {"x", NNR_F64, 1, {8}};
    csv_gives("0.1\n123456789012345678\n1e22\n1.7976931348623157e308\n4.9e-324\n-0.000012345\n", plain, &d1, 6,
              WANT(0.1, 123456789012345678.0, 1e22, 1.7976931348623157e308, 4.9e-324, -0.000012345));
    csv_fails("1e39\n", plain, &x1, "t.csv:1:1: error: 1e39 is too large for f32\nnote: declare f64, or scale the column");
    csv_fails("1e999\n", (nnr_source){.header = 2}, &d1, "t.csv:1:1: error: \"1e999\" is not a number in column 0\n"
              "note: leave the column out with columns = [...], or give its words with classes = [...]");
    csv_fails("1\n0x10\n", plain, &x1, "t.csv:2:1: error: \"0x10\" is not a number in column 0\n"
              "note: leave the column out with columns = [...], or give its words with classes = [...]");
    csv_fails("1\n1.2.3\n", plain, &x1, "t.csv:2:1: error: \"1.2.3\" is not a number in column 0\n"
              "note: leave the column out with columns = [...], or give its words with classes = [...]");
    csv_fails("1,2\n3,inf\n", plain, &x2, "t.csv:2:3: error: \"inf\" is not a number in column 1\n"
              "note: leave the column out with columns = [...], or give its words with classes = [...]");
    csv_fails("1\n2.5\n", plain, &yi, "t.csv:2:1: error: 2.5 is no value of type i32\n"
              "note: it takes whole numbers from -2147483648 to 2147483647; declare f32 for others");
}

static void csv_columns(void **state)
{
    (void)state;
    const char *named = "age,bmi,bp,s1,y\n1,2,3,4,5\n6,7,8,9,10\n";
    csv_gives(named, COLUMNS("bmi", "y"), &x2, 2, WANT(2, 5, 7, 10));
    csv_gives(named, COLUMNS("bmi..s1"), &x3, 2, WANT(2, 3, 4, 7, 8, 9));
    csv_gives(named, COLUMNS("0..3"), &x3, 2, WANT(1, 2, 3, 6, 7, 8));
    csv_gives(named, COLUMNS("2..-1"), &x2, 2, WANT(3, 4, 8, 9));
    csv_gives(named, COLUMNS("-1"), &x1, 2, WANT(5, 10));
    csv_gives(named, COLUMNS("..2"), &x2, 2, WANT(1, 2, 6, 7));
    csv_gives(named, COLUMNS("s1.."), &x2, 2, WANT(4, 5, 9, 10));
    csv_gives("u,v\nw,z\n", (nnr_source){.columns = (const char *const[]){"v"}, .n_columns = 1,
              .classes = (const char *const[]){"q", "z"}, .n_classes = 2}, &x1, 1, WANT(1));
    csv_fails(named, COLUMNS("bmo"), &x1, "t.csv: error: there is no column \"bmo\"\n"
              "note: did you mean \"bmi\"? The columns are age, bmi, bp, s1, y");
    csv_fails("1,2\n", COLUMNS("age"), &x1, "t.csv: error: there is no column \"age\"\n"
              "note: the file has no header row, so columns go by position, 0 to 1");
    csv_fails(named, COLUMNS("5"), &x1, "t.csv: error: columns \"5\" are not in the file, whose rows have 5\n"
              "note: positions go from 0 to 4, or from -1 (the last) down; the end of a range of positions is not included");
    csv_fails(named, COLUMNS("-6"), &x1, "t.csv: error: columns \"-6\" are not in the file, whose rows have 5\n"
              "note: positions go from 0 to 4, or from -1 (the last) down; the end of a range of positions is not included");
    csv_fails(named, plain, &x2, "t.csv: error: 5 columns are read for x: f32[N, 2], which takes 2 a sample\n"
              "note: the file has 5 columns; choose them with columns = [...], or change the shape");
}

static void csv_classes(void **state)
{
    (void)state;
    const char *const kinds[] = {"setosa", "versicolor", "virginica"};
    nnr_source s = {.columns = (const char *const[]){"-1"}, .n_columns = 1, .classes = kinds, .n_classes = 3};
    csv_gives("1, virginica\n2,setosa\n", s, &yi, 2, WANT(2, 0));
    csv_fails("1,setosa\n2,virginca\n", s, &yi, "t.csv:2:3: error: \"virginca\" is none of the classes in column 1\n"
              "note: did you mean \"virginica\"? The classes are \"setosa\", \"versicolor\", \"virginica\"");
    csv_fails("1,setosa\n2,rose\n", s, &yi, "t.csv:2:3: error: \"rose\" is none of the classes in column 1\n"
              "note: the classes are \"setosa\", \"versicolor\", \"virginica\"");
}

static void csv_faults(void **state)
{
    (void)state;
    csv_fails("", plain, &x1, "t.csv: error: the file holds no rows\nnote: give a table with a row a sample");
    csv_fails("\n\n \n", plain, &x1, "t.csv: error: the file holds no rows\nnote: give a table with a row a sample");
    csv_fails("a,b\n", (nnr_source){.header = 1}, &x2, "t.csv: error: the file holds a header and no rows\n"
              "note: when its first row is one of numbers, say header = false");
    csv_fails("1,2\n3\n", plain, &x2, "t.csv:2:1: error: this row has 1 field, the first one has 2\n"
              "note: the row is cut, or a separator is missing");
    csv_fails("a,b\n1,2\n3,4,5\n", plain, &x2, "t.csv:3:5: error: this row has 3 fields, the first one has 2\n"
              "note: a field that holds separators must be quoted");
    csv_fails("a,b\n1,\n", plain, &x2, "t.csv:2:3: error: an empty field in column \"b\"\n"
              "note: fill in or remove such rows, or leave the column out with columns = [...]");
    csv_fails("1,2\n?,4\n", plain, &x2, "t.csv:2:1: error: a missing value, \"?\", in column 0\n"
              "note: fill in or remove such rows, or leave the column out with columns = [...]");
    csv_fails("1,2\n3,NaN\n", plain, &x2, "t.csv:2:3: error: a missing value, \"NaN\", in column 1\n"
              "note: fill in or remove such rows, or leave the column out with columns = [...]");
    csv_fails("1,\"2\n3,4\n", plain, &x2, "t.csv:1:3: error: the quote that starts this field is never closed\n"
              "note: close it with \"; a quote inside a quoted field is written twice");
    csv_fails("1,\"2\"3\n", plain, &x2, "t.csv:1:6: error: text follows a closing quote\n"
              "note: a quote inside a quoted field is written twice; a separator must follow the closing one");
}

/* ---- IDX ---------------------------------------------------------------------------------------- */

static void idx_fails(const void *bytes, size_t n, const nnr_info *as, const char *want)
{
    nnr_dataset d;
    nnr_error e;
    bool ok = nnr_idx_parse(bytes, n, "t.idx", &d, &e) && nnr_dataset_fit(&d, as, false, &e);
    nnr_dataset_free(&d);
    assert_false(ok);
    assert_string_equal(e.text, want);
}

static void idx(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 1, 1, 2, 3, 255, 0};
    static const nnr_info channel = {"image", NNR_F32, 4, {32, 2, 1, 1}};
    static const nnr_info other = {"image", NNR_F32, 3, {32, 3, 1}};
    nnr_dataset d;
    nnr_error e;
    float row[2];
    assert_true(nnr_idx_parse(bytes, 20, "t.idx", &d, &e) && nnr_dataset_fit(&d, &channel, false, &e));
    nnr_dataset_gather(&d, NNR_F32, &(int64_t){1}, 1, row);
    assert_true(row[0] == 3 && row[1] == 255);
    nnr_dataset_free(&d);

    idx_fails(bytes, 20, &other, "t.idx: error: a sample has shape [2, 1], but image: f32[N, 3, 1] takes [3, 1]\n"
              "note: change the declared type, or give a file of that shape");
    idx_fails(bytes, 19, &channel, "t.idx: error: the file is cut: its header says [2, 2, 1], 4 bytes of values, but 3 follow\n"
              "note: fetch the file again");
    idx_fails(bytes, 21, &channel, "t.idx: error: 1 bytes too many: its header says [2, 2, 1], 4 bytes of values\n"
              "note: the file is damaged or no IDX file; fetch it again");
    idx_fails(bytes, 9, &channel, "t.idx: error: the IDX file ends inside its header (9 bytes)\n"
              "note: the file is cut; fetch it again");
    idx_fails("PNG!", 4, &channel, "t.idx: error: is not an IDX file (it does not start with two zero bytes)\n"
              "note: the MNIST files are IDX; read tables with csv and arrays with npy");
    idx_fails("\0\0\7\1", 4, &channel, "t.idx: error: unknown IDX type 0x07\n"
              "note: known are 0x08 (u8), 0x09, 0x0b, 0x0c (integers), 0x0d, 0x0e (floats)");
    idx_fails("\0\0\10\11", 4, &channel, "t.idx: error: an IDX file of 9 dimensions\n"
              "note: from 1 to 8 dimensions can be read, the first counts samples");
    static const uint8_t huge[] = {0, 0, 14, 3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255};
    assert_false(nnr_idx_parse(huge, sizeof huge, "t.idx", &d, &e));
    static const uint8_t hollow[] = {0, 0, 8, 2, 255, 255, 255, 255, 0, 0, 0, 0};
    idx_fails(hollow, sizeof hollow, &channel, "t.idx: error: 4294967295 samples of no values\n"
              "note: a dimension of 0 holds nothing; write the file again");
    static const uint8_t empty[] = {0, 0, 14, 4, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255};
    assert_false(nnr_idx_parse(empty, sizeof empty, "t.idx", &d, &e));
}

static void idx_types(void **state)
{
    (void)state;
    static const struct {
        uint8_t bytes[16];
        size_t n;
        double want;
    } cases[] = {{{0, 0, 8, 1, 0, 0, 0, 1, 0xfe}, 9, 254},
                 {{0, 0, 9, 1, 0, 0, 0, 1, 0xfe}, 9, -2},
                 {{0, 0, 11, 1, 0, 0, 0, 1, 0xff, 0xfe}, 10, -2},
                 {{0, 0, 12, 1, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xfe}, 12, -2},
                 {{0, 0, 13, 1, 0, 0, 0, 1, 0xc0, 0, 0, 0}, 12, -2},
                 {{0, 0, 14, 1, 0, 0, 0, 1, 0xc0, 0, 0, 0, 0, 0, 0, 0}, 16, -2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        nnr_dataset d;
        nnr_error e;
        double v;
        int32_t whole;
        assert_true(nnr_idx_parse(cases[i].bytes, cases[i].n, "t.idx", &d, &e));
        assert_true(nnr_dataset_fit(&d, &yi, false, &e));
        nnr_dataset_gather(&d, NNR_F64, &(int64_t){0}, 1, &v);
        nnr_dataset_gather(&d, NNR_I32, &(int64_t){0}, 1, &whole);
        assert_true(v == cases[i].want && whole == (int32_t)cases[i].want);
        nnr_dataset_free(&d);
    }
    idx_fails("\0\0\15\1\0\0\0\1\x3f\0\0\0", 12, &yi, "t.idx: error: sample 0 holds 0.5, which is no value of type i32\n"
              "note: i32 takes whole numbers from -2147483648 to 2147483647; declare y: f32 for others");
}

/* ---- text --------------------------------------------------------------------------------------- */

static void text(void **state)
{
    (void)state;
    static const nnr_info window = {"text", NNR_I32, 2, {4, 3}};
    const uint8_t *bytes = (const uint8_t *)"hello world";
    nnr_source s = {.stride = 2, .last = 1};
    nnr_dataset d, next, other;
    nnr_error e;
    int32_t v[3];
    assert_true(nnr_text_parse(bytes, 11, "t.txt", &s, &window, NULL, &d, &e));
    assert_int_equal(d.n_vocabulary, 8);
    assert_memory_equal(d.vocabulary, " dehlorw", 8);
    assert_int_equal(d.count, 5);
    nnr_dataset_gather(&d, NNR_I32, &(int64_t){1}, 1, v); /* "llo" */
    assert_true(v[0] == 4 && v[1] == 4 && v[2] == 5);
    s.shift = 1;
    assert_true(nnr_text_parse(bytes, 11, "t.txt", &s, &window, NULL, &next, &e));
    assert_int_equal(next.count, 4);
    nnr_dataset_gather(&next, NNR_I32, &(int64_t){1}, 1, v); /* "lo " */
    assert_true(v[0] == 4 && v[1] == 5 && v[2] == 0);
    nnr_dataset_free(&next);
    s.shift = 0;
    /* Other text with the same vocabulary. */
    assert_true(nnr_text_parse((const uint8_t *)"owl", 3, "u.txt", &s, &window, &d, &other, &e));
    nnr_dataset_gather(&other, NNR_I32, &(int64_t){0}, 1, v);
    assert_true(v[0] == 5 && v[1] == 7 && v[2] == 4);
    nnr_dataset_free(&other);
    assert_false(nnr_text_parse((const uint8_t *)"low\nlo!", 7, "u.txt", &s, &window, &d, &other, &e));
    assert_string_equal(e.text, "u.txt:1:4: error: the byte 0x0a does not occur in the training text t.txt\n"
                        "note: a model of 8 characters has no index for it; remove it or train on a text that holds it");
    /* The last half: windows do not reach into it from the first. */
    s.first = 0.5;
    assert_true(nnr_text_parse(bytes, 11, "t.txt", &s, &window, NULL, &next, &e));
    assert_int_equal(next.count, 2);
    nnr_dataset_gather(&next, NNR_I32, &(int64_t){0}, 1, v); /* " wo" */
    assert_true(v[0] == 0 && v[1] == 7 && v[2] == 5);
    nnr_dataset_free(&next);
    assert_false(nnr_text_parse((const uint8_t *)"he", 2, "u.txt", &(nnr_source){.last = 1}, &window, NULL, &other, &e));
    assert_string_equal(e.text, "u.txt: error: 2 characters are too few for windows of 3 (i32[N, 3])\n"
                        "note: use a longer text or a shorter window");
    nnr_dataset_free(&d);
}

/* ---- files of a train block ---------------------------------------------------------------------- */

static char dir[64];

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/nnr_data_XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

static void put(const char *name, const char *bytes, size_t n)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    fclose(f);
}

static void expect_files_error(const nnr_train *t, const char *format)
{
    nnr_samples s;
    nnr_error e;
    char want[2048], *out = want;
    assert_false(nnr_samples_open(t, false, dir, NULL, &s, &e));
    for (const char *p = format; *p; p++) { /* $ stands for the folder */
        if (*p == '$') out += sprintf(out, "%s", dir);
        else *out++ = *p;
    }
    *out = '\0';
    assert_string_equal(e.text, want);
}

static void files(void **state)
{
    (void)state;
    nnr_data data[2] = {{x1, {.reader = NNR_CSV, .file = "a.csv", .header = -1, .last = 1}, {0}},
                        {yi, {.reader = NNR_CSV, .file = "b.csv", .header = -1, .last = 1}, {0}}};
    nnr_train t = {.name = "fit", .batch = 8, .data = data, .n_data = 2};
    nnr_samples s;
    nnr_error e;
    expect_files_error(&t, "$/a.csv: error: data file not found (nor $/a.csv.gz)\n"
                           "note: $ is empty; give the folder that holds the data with --data DIR");
    put("other.txt", "", 0);
    put("unlike.bin", "", 0);
    expect_files_error(&t, "$/a.csv: error: data file not found (nor $/a.csv.gz)\n"
                           "note: $ holds other.txt, unlike.bin; give another folder with --data DIR");
    char sub[128];
    snprintf(sub, sizeof sub, "%s/set", dir);
    assert_int_equal(mkdir(sub, 0777), 0);
    put("set/a.csv.gz", "", 0);
    expect_files_error(&t, "$/a.csv: error: data file not found (nor $/a.csv.gz)\n"
                           "note: $/set holds such a file: give that folder with --data");
    put("A.csv", "1\n", 2);
    strcat(sub, "/a.csv.gz");
    unlink(sub);
    expect_files_error(&t, "$/a.csv: error: data file not found (nor $/a.csv.gz)\n"
                           "note: $ holds A.csv: is that the one meant?");
    put("a.csv", "1\n2\n3\n4\n", 8);
    put("b.csv", "1\n0\n0\n", 6);
    expect_files_error(&t, "$/b.csv: error: 3 samples for y, but $/a.csv holds 4 for x\n"
                           "note: sample k of every data declaration belongs together; give files of one set");
    put("b.csv", "1\n0\n0\n1\n", 8);
    assert_true(nnr_samples_open(&t, false, dir, NULL, &s, &e));
    assert_int_equal(s.count, 4);
    nnr_samples_free(&s);
    /* Parts of one file. */
    data[0].train.first = data[1].train.first = 0.75;
    assert_true(nnr_samples_open(&t, false, dir, NULL, &s, &e));
    assert_int_equal(s.count, 1);
    float v;
    nnr_dataset_gather(&s.sets[0], NNR_F32, &(int64_t){0}, 1, &v);
    assert_true(v == 4);
    nnr_samples_free(&s);
    data[0].train.first = 1;
    expect_files_error(&t, "$/a.csv: error: no samples for x\n"
                           "note: the file, or the part of it that is asked for, is empty");
    t.n_data = 0;
    expect_files_error(&t, "fit: error: the train block has no data declaration\n"
                           "note: declare one, as in  data x: f32[N, 4] = csv(\"table.csv\")");
}

static void gzip(void **state)
{
    (void)state;
    char path[128], text[4096] = "";
    nnr_data data[1] = {{x1, {.reader = NNR_CSV, .file = "z.csv", .header = -1, .last = 1}, {0}}};
    nnr_train t = {.name = "fit", .batch = 8, .data = data, .n_data = 1};
    nnr_samples s;
    nnr_error e;
    snprintf(path, sizeof path, "%s/z.csv.gz", dir);
    gzFile gz = gzopen(path, "wb");
    for (int i = 0; i < 500; i++) gzprintf(gz, "%d\n", i * i);
    gzclose(gz);
    assert_true(nnr_samples_open(&t, false, dir, NULL, &s, &e));
    assert_int_equal(s.count, 500);
    nnr_samples_free(&s);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(truncate(path, st.st_size / 2), 0);
    assert_false(nnr_samples_open(&t, false, dir, NULL, &s, &e));
    snprintf(text, sizeof text, "%s/z.csv.gz: error: the gzip file ends in the middle\n"
             "note: the file is cut; fetch it again", dir);
    assert_string_equal(e.text, text);
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    fseek(f, 40, SEEK_SET);
    fwrite("\xff\xff\xff\xff\xff\xff", 1, 6, f);
    fclose(f);
    assert_false(nnr_samples_open(&t, false, dir, NULL, &s, &e));
    assert_non_null(strstr(e.text, "/z.csv.gz: error: "));
}

static void text_pairs(void **state)
{
    (void)state;
    static const nnr_info a = {"text", NNR_I32, 2, {4, 3}}, b = {"next", NNR_I32, 2, {4, 3}};
    nnr_data data[2] = {{a, {.reader = NNR_TEXT, .file = "t.txt", .stride = 1, .last = 0.8},
                            {.reader = NNR_TEXT, .file = "t.txt", .stride = 3, .first = 0.8, .last = 1}},
                        {b, {.reader = NNR_TEXT, .file = "t.txt", .stride = 1, .shift = 1, .last = 0.8},
                            {.reader = NNR_TEXT, .file = "t.txt", .stride = 3, .shift = 1, .first = 0.8, .last = 1}}};
    nnr_train t = {.name = "lm", .batch = 4, .data = data, .n_data = 2, .has_validation = true};
    nnr_selection s;
    nnr_error e;
    int32_t x[3], y[3];
    put("t.txt", "abcdefghijklmnopqrstuvwxyzabcd", 30);
    assert_true(nnr_selection_open(&s, &t, dir, 0, false, &e));
    assert_int_equal(s.n_train, 21); /* windows of 3 + 1 in 24 characters */
    assert_int_equal(s.n_valid, 1);
    for (int64_t i = 0; i < 21; i++) {
        nnr_dataset_gather(&s.training.sets[0], NNR_I32, &i, 1, x);
        nnr_dataset_gather(&s.training.sets[1], NNR_I32, &i, 1, y);
        assert_true(x[0] == i && x[1] == y[0] && x[2] == y[1]);
    }
    assert_int_equal(s.validation.sets[0].n_vocabulary, 26);
    uint8_t vocabulary[256];
    int n = 0;
    assert_int_equal(nnr_text_vocabulary(&t, dir, vocabulary, &n, &e), NNR_OK);
    assert_int_equal(n, 26);
    assert_memory_equal(vocabulary, s.training.sets[0].vocabulary, 26);
    nnr_selection_close(&s);
}

/* What the header of one IDX file tells must be what the reader finds. */
static void counting(void **state)
{
    (void)state;
    static const nnr_info image = {"x", NNR_F32, 2, {4, 2}};
    char bytes[12 + 20] = {0, 0, 8, 2, 0, 0, 0, 10, 0, 0, 0, 2};
    nnr_data data[1] = {{image, {.reader = NNR_IDX, .file = "a.idx", .last = 0.75}, {.reader = NNR_IDX, .file = "a.idx", .first = 0.75, .last = 1}}};
    nnr_train t = {.name = "fit", .batch = 4, .data = data, .n_data = 1, .has_validation = true};
    int64_t n_train, n_valid;
    nnr_error e;
    nnr_selection s;
    put("a.idx", bytes, sizeof bytes);
    for (int split = 0; split < 2; split++) {
        t.split = split * 0.3;
        assert_int_equal(nnr_count_samples(&t, dir, 5, &n_train, &n_valid, &e), NNR_OK);
        assert_true(nnr_selection_open(&s, &t, dir, 5, true, &e));
        assert_int_equal(n_train, s.n_train);
        assert_int_equal(n_valid, s.n_valid);
        assert_int_equal(n_train, split ? 5 : 7);
        nnr_selection_close(&s);
    }
    data[0].train.file = "b.idx";
    assert_int_equal(nnr_count_samples(&t, dir, 5, &n_train, &n_valid, &e), NNR_FAILED);
    assert_non_null(strstr(e.text, "b.idx: error: data file not found"));
}

/* Real files, where they are at hand. */
static void real_files(void **state)
{
    (void)state;
    static const nnr_info image = {"image", NNR_F32, 4, {32, 28, 28, 1}}, label = {"label", NNR_I32, 1, {32}};
    static const nnr_info iris = {"x", NNR_F32, 2, {8, 4}}, kind = {"y", NNR_I32, 1, {8}};
    static const nnr_info sugar = {"x", NNR_F32, 2, {8, 10}}, house = {"x", NNR_F32, 2, {8, 14}};
    static const nnr_info temp = {"x", NNR_F32, 1, {8}}, chars = {"text", NNR_I32, 2, {8, 64}};
    static const char *const flowers[] = {"Iris-setosa", "Iris-versicolor", "Iris-virginica"};
    static const char *const measures[] = {"AGE..S6"}, *const four[] = {"0..4"}, *const last[] = {"4"};
    static const char *const temps[] = {"Temp"};
    const struct {
        nnr_data data;
        int64_t count;
        double sum0; /* of the first sample */
    } cases[] = {
        {{image, {.reader = NNR_IDX, .file = "mnist/train-images-idx3-ubyte", .last = 1}, {0}}, 60000, 27525},
        {{label, {.reader = NNR_IDX, .file = "mnist/t10k-labels-idx1-ubyte", .last = 1}, {0}}, 10000, 7},
        {{iris, {.reader = NNR_CSV, .file = "tables/iris.data", .columns = four, .n_columns = 1, .header = -1}, {0}}, 150, 10.2},
        {{kind, {.reader = NNR_CSV, .file = "tables/iris.data", .columns = last, .n_columns = 1, .classes = flowers,
                 .n_classes = 3, .header = -1}, {0}}, 150, 0},
        {{sugar, {.reader = NNR_CSV, .file = "tables/diabetes.tab.txt", .columns = measures, .n_columns = 1, .header = -1}, {0}},
         442, 59 + 2 + 32.1 + 101 + 157 + 93.2 + 38 + 4 + 4.8598 + 87},
        {{house, {.reader = NNR_CSV, .file = "tables/boston-housing.data", .header = -1}, {0}}, 506, -1},
        {{temp, {.reader = NNR_CSV, .file = "series/daily-min-temperatures.csv", .columns = temps, .n_columns = 1, .header = -1}, {0}},
         3650, 20.7},
        {{chars, {.reader = NNR_TEXT, .file = "text/tinyshakespeare.txt", .stride = 64, .last = 1}, {0}}, 17428, -1}};
    const char *root = getenv("NNC_DATA");
    if (!root || !*root) skip();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        nnr_train t = {.name = "t", .batch = 8, .data = &cases[i].data, .n_data = 1};
        nnr_samples s;
        nnr_error e;
        double row[784], sum = 0;
        if (!nnr_samples_open(&t, false, root, NULL, &s, &e)) fail_msg("%s", e.text);
        assert_int_equal(s.count, cases[i].count);
        nnr_dataset_gather(&s.sets[0], NNR_F64, &(int64_t){0}, 1, row);
        for (int64_t k = 0; k < s.sets[0].elems; k++) sum += row[k];
        if (cases[i].sum0 >= 0) assert_true(fabs(sum - cases[i].sum0) < 1e-3);
        if (s.sets[0].n_vocabulary) assert_int_equal(s.sets[0].n_vocabulary, 65);
        nnr_samples_free(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv_forms),   cmocka_unit_test(csv_numbers), cmocka_unit_test(csv_columns),
        cmocka_unit_test(csv_classes), cmocka_unit_test(csv_faults),  cmocka_unit_test(idx),
        cmocka_unit_test(idx_types),   cmocka_unit_test(text),
        cmocka_unit_test_setup_teardown(files, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(gzip, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(text_pairs, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(counting, make_dir, remove_dir), cmocka_unit_test(real_files)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
