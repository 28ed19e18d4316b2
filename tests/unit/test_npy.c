/* NPY files read and written, and prediction from files to files. */
#include "runtime/data.h"
#include "runtime/npy.h"
#include "tests/unit/tiny_program.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];

static int set_up(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/nnr_npy_XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

static const char *in_dir(const char *name)
{
    static char paths[4][128];
    static int at;
    at = (at + 1) % 4;
    snprintf(paths[at], sizeof paths[at], "%s/%s", dir, name);
    return paths[at];
}

/* An NPY file in memory: header text, then values. */
static size_t npy(uint8_t *out, int version, const char *dict, const void *values, size_t n)
{
    size_t length = strlen(dict), at = version == 1 ? 10 : 12;
    memcpy(out, "\x93NUMPY", 6);
    out[6] = (uint8_t)version;
    out[7] = 0;
    for (size_t i = 8; i < at; i++) out[i] = (uint8_t)(length >> (8 * (i - 8)));
    memcpy(out + at, dict, length);
    memcpy(out + at + length, values, n);
    return at + length + n;
}

static void read_types(void **state)
{
    (void)state;
    static const double f8[2] = {1.5, -2};
    static const float f4[2] = {1.5f, -2};
    static const int64_t i8[2] = {3, -2}, wide[2] = {1ll << 40, -2};
    static const int32_t i4[2] = {3, -2};
    static const int16_t i2[2] = {3, -2};
    static const struct {
        const char *type;
        const void *values;
        size_t n;
        double first, second;
    } cases[] = {{"<f8", f8, 16, 1.5, -2}, {"<f4", f4, 8, 1.5, -2},       {"<i8", i8, 16, 3, -2},
                 {"<i4", i4, 8, 3, -2},    {"<i2", i2, 4, 3, -2},         {"|i1", "\3\376", 2, 3, -2},
                 {"|u1", "\3\376", 2, 3, 254}, {"|b1", "\1\0", 2, 1, 0},  {"<u2", "\1\0\376\377", 4, 1, 65534},
                 {"<i8", wide, 16, 1099511627776.0, -2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int version = 1; version <= 3; version++) {
            uint8_t bytes[256];
            char dict[128];
            nnr_dataset d;
            nnr_error e;
            double v[2];
            snprintf(dict, sizeof dict, "{'descr': '%s', 'fortran_order': False, 'shape': (2,), }   \n", cases[i].type);
            size_t n = npy(bytes, version, dict, cases[i].values, cases[i].n);
            if (!nnr_npy_parse(bytes, n, "t.npy", &d, &e)) fail_msg("%s", e.text);
            assert_int_equal(d.count, 2);
            nnr_dataset_gather(&d, NNR_F64, (const int64_t[]){0, 1}, 2, v);
            assert_true(v[0] == cases[i].first && v[1] == cases[i].second);
            nnr_dataset_free(&d);
        }
}

static void refused(const char *dict, size_t n_values, const char *want)
{
    uint8_t bytes[1024], zeros[256] = {0};
    nnr_dataset d;
    nnr_error e;
    size_t n = npy(bytes, 1, dict, zeros, n_values);
    assert_false(nnr_npy_parse(bytes, n, "t.npy", &d, &e));
    assert_string_equal(e.text, want);
}

static void faults(void **state)
{
    (void)state;
    refused("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2)}", 16,
            "t.npy: error: the array is in Fortran order\nnote: save numpy.ascontiguousarray(array)");
    refused("{'descr': '>f4', 'fortran_order': False, 'shape': (2, 2)}", 16, "t.npy: error: NPY type '>f4' cannot be "
            "read\nnote: save it as numpy.float32, float64, int32, int64, uint8 or bool");
    refused("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2)}", 15, "t.npy: error: the header says [2, 2] of "
            "'<f4', 16 bytes, but 15 follow\nnote: the file is cut; write it again");
    refused("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2)}", 17, "t.npy: error: the header says [2, 2] of "
            "'<f4', 16 bytes, but 17 follow\nnote: the file is damaged; write it again");
    refused("{'descr': '<f4', 'fortran_order': False, 'shape': ()}", 4, "t.npy: error: the array is a single number\n"
            "note: its first dimension must count samples: save array.reshape(1, ...)");
    refused("{'descr': '<f4', 'shape': (2, 2)}", 16, "t.npy: error: the NPY header cannot be understood: {'descr': "
            "'<f4', 'shape': (2, 2)}\nnote: records and more than 8 dimensions cannot be read; save a plain array");
    refused("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}", 8, "t.npy: error: the NPY header cannot be "
            "understood: {'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}\nnote: records and more than 8 "
            "dimensions cannot be read; save a plain array");
    nnr_dataset d;
    nnr_error e;
    assert_false(nnr_npy_parse((const uint8_t *)"\x93NUMPY\1\0\xff\0{", 11, "t.npy", &d, &e));
    assert_string_equal(e.text, "t.npy: error: the NPY file ends inside its header\nnote: the file is cut; write it again");
    assert_false(nnr_npy_parse((const uint8_t *)"PK", 2, "t.npy", &d, &e));
    assert_string_equal(e.text, "t.npy: error: is not an NPY file\nnote: write it with numpy.save(path, array)");
}

static void write_and_read(void **state)
{
    (void)state;
    static const nnr_info as = {"x", NNR_F32, 3, {8, 2, 3}};
    float values[12], back[12];
    nnr_dataset d;
    nnr_error e;
    for (int i = 0; i < 12; i++) values[i] = (float)i * 0.3f;
    assert_true(nnr_npy_write(in_dir("x.npy"), NNR_F32, (const int64_t[]){2, 2, 3}, 3, values, &e));
    assert_true(nnr_dataset_sniff(in_dir("x.npy"), &as, &d, &e));
    assert_int_equal(d.count, 2);
    nnr_dataset_gather(&d, NNR_F32, (const int64_t[]){0, 1}, 2, back);
    assert_memory_equal(values, back, sizeof values);
    nnr_dataset_free(&d);
    /* The header, as NumPy has it: 64-byte aligned, a newline at its end. */
    uint8_t head[128];
    FILE *f = fopen(in_dir("x.npy"), "rb");
    assert_non_null(f);
    assert_int_equal(fread(head, 1, 128, f), 128);
    fclose(f);
    assert_memory_equal(head, "\x93NUMPY\1\0\x76\0{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2, 3), }", 72);
    assert_int_equal(head[127], '\n');
    /* One sample without a batch dimension. */
    assert_true(nnr_npy_write(in_dir("one.npy"), NNR_F32, (const int64_t[]){2, 3}, 2, values, &e));
    assert_true(nnr_dataset_sniff(in_dir("one.npy"), &as, &d, &e));
    assert_int_equal(d.count, 1);
    nnr_dataset_free(&d);
    /* NumPy itself, where it is at hand. */
    char command[512];
    snprintf(command, sizeof command, "/usr/bin/python3 -c 'import numpy' 2>/dev/null || exit 0; /usr/bin/python3 -c "
             "'import numpy; a = numpy.load(\"%s\"); assert a.shape == (2, 2, 3) and a.dtype == numpy.float32; "
             "assert abs(a[1, 0, 1] - 2.1) < 1e-6'", in_dir("x.npy"));
    assert_int_equal(system(command), 0);
}

/* ---- prediction ----------------------------------------------------------------------------------- */

static nnr_status predict(const nnr_program *p, const char *input, const char *output, const char *weights, nnr_error *e)
{
    nnr_file in = {"x", input}, out = {NULL, output};
    nnr_predict_options o = {.weights = weights, .inputs = &in, .n_inputs = 1, .outputs = &out, .n_outputs = 1};
    return nnr_run_predict(p, &o, e);
}

static void check_predictions(const nnr_model *m, const float *x, int n)
{
    static const nnr_info as = {"logit", NNR_F32, 1, {8}};
    nnr_dataset d;
    nnr_error e;
    if (!nnr_dataset_sniff(in_dir("y.npy"), &as, &d, &e)) fail_msg("%s", e.text);
    assert_int_equal(d.count, n);
    for (int i = 0; i < n; i++) assert_true(((float *)d.values)[i] == tiny_logit(m->weights, x + 2 * i));
    nnr_dataset_free(&d);
}

static void predictions(void **state)
{
    (void)state;
    nnr_model m;
    nnr_error e;
    float x[22];
    nnr_program p = tiny_program;
    nnr_entry large[1] = {tiny_entries[4]};
    for (int i = 0; i < 22; i++) x[i] = (float)i - 7.25f;
    assert_int_equal(nnr_model_create(&tiny_program, &m, &e), NNR_OK);
    assert_int_equal(nnr_model_init(&m, 4, &e), NNR_OK);
    assert_int_equal(nnr_weights_save(&m, in_dir("w"), &e), NNR_OK);
    for (int n = 1; n <= 11; n += 2) {
        assert_true(nnr_npy_write(in_dir("x.npy"), NNR_F32, (const int64_t[]){n, 2}, 2, x, &e));
        /* With the entry for batch 1 for what remains, then with batches filled up. */
        p = tiny_program;
        if (predict(&p, in_dir("x.npy"), in_dir("y.npy"), in_dir("w"), &e) != NNR_OK) fail_msg("%s", e.text);
        check_predictions(&m, x, n);
        unlink(in_dir("y.npy"));
        p.entries = large;
        p.n_entries = 1;
        if (predict(&p, in_dir("x.npy"), in_dir("y.npy"), in_dir("w"), &e) != NNR_OK) fail_msg("%s", e.text);
        check_predictions(&m, x, n);
    }
    FILE *csv = fopen(in_dir("x.csv"), "w");
    assert_non_null(csv);
    fprintf(csv, "a,b\n1,2\n3,4\n");
    fclose(csv);
    assert_int_equal(predict(&tiny_program, in_dir("x.csv"), in_dir("y.npy"), in_dir("w"), &e), NNR_OK);
    check_predictions(&m, (const float[]){1, 2, 3, 4}, 2);
    nnr_model_destroy(&m);
}

static void prediction_faults(void **state)
{
    (void)state;
    nnr_model m;
    nnr_error e;
    char want[512], x[128];
    static const float values[6];
    nnr_file in = {"z", NULL}, out = {NULL, NULL};
    assert_int_equal(nnr_model_create(&tiny_program, &m, &e), NNR_OK);
    assert_int_equal(nnr_weights_save(&m, in_dir("w"), &e), NNR_OK);
    nnr_model_destroy(&m);
    snprintf(x, sizeof x, "%s/x.npy", dir);
    assert_true(nnr_npy_write(x, NNR_F32, (const int64_t[]){2, 3}, 2, values, &e));
    assert_int_equal(predict(&tiny_program, x, in_dir("y.npy"), in_dir("w"), &e), NNR_FAILED);
    snprintf(want, sizeof want, "%s: error: a sample has shape [3], but x: f32[N, 2] takes [2]\n"
             "note: the file's dimensions are [2, 3], the first one counts samples", x);
    assert_string_equal(e.text, want);

    char weights[128];
    snprintf(weights, sizeof weights, "%s/w", dir);
    in.path = x, out.path = "y.npy";
    nnr_predict_options o = {.weights = weights, .inputs = &in, .n_inputs = 1, .outputs = &out, .n_outputs = 1};
    assert_int_equal(nnr_run_predict(&tiny_program, &o, &e), NNR_FAILED);
    assert_string_equal(e.text, "tiny: error: net line has no input z\nnote: its inputs are x; write NAME=PATH");
    o.n_inputs = 0;
    assert_int_equal(nnr_run_predict(&tiny_program, &o, &e), NNR_FAILED);
    assert_string_equal(e.text, "tiny: error: input x of net line is not given\n"
                        "note: give an array of type f32[N, 2] with --input x=PATH.npy");
    o.entry = "lime";
    assert_int_equal(nnr_run_predict(&tiny_program, &o, &e), NNR_FAILED);
    assert_string_equal(e.text, "tiny: error: there is no net lime\nnote: the nets are line");
    char text[] = "x=a=b";
    nnr_file f = nnr_file_parse(text);
    assert_string_equal(f.name, "x");
    assert_string_equal(f.path, "a=b");
}

int main(void)
{
#define TEST(F) cmocka_unit_test_setup_teardown(F, set_up, tear_down)
    const struct CMUnitTest tests[] = {TEST(read_types), TEST(faults), TEST(write_and_read), TEST(predictions),
                                       TEST(prediction_faults)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
