/* Weights files: the bytes that are written, what is read back, what is refused and how. */
#include "runtime/tensors.h"
#include "tests/unit/tiny_program.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64], path[128], said[4096];

static int set_up(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/nnr_tensors_XXXXXX");
    if (!mkdtemp(dir)) return -1;
    snprintf(path, sizeof path, "%s/w.safetensors", dir);
    said[0] = '\0';
    return 0;
}

static int tear_down(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

static void hear(void *user, int level, const char *text)
{
    (void)user, (void)level;
    snprintf(said + strlen(said), sizeof said - strlen(said), "%s\n", text);
}

static void write_file(const char *header, const void *values, size_t n)
{
    FILE *f = fopen(path, "wb");
    uint64_t length = strlen(header);
    assert_non_null(f);
    fwrite(&length, 8, 1, f);
    fwrite(header, 1, length, f);
    fwrite(values, 1, n, f);
    fclose(f);
}

/* A header of 0x8b1f bytes begins as a gzip file does; a compressed file is read as well. */
static void like_gzip(void **state)
{
    (void)state;
    static const float three = 3;
    static char header[0x8b1f + 1];
    char command[500];
    nnr_error err;
    nnr_tensors t;
    int n = snprintf(header, sizeof header, "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}");
    memset(header + n, ' ', sizeof header - 1 - (size_t)n);
    write_file(header, &three, 4);
    for (int compressed = 0; compressed < 2; compressed++) {
        assert_true(nnr_tensors_read(path, &t, &err));
        const nnr_tensor *a = nnr_tensors_find(&t, "", "a");
        assert_true(a && *(const float *)a->values == three);
        nnr_tensors_free(&t);
        snprintf(command, sizeof command, "gzip -f %s && mv %s.gz %s", path, path, path);
        assert_int_equal(system(command), 0);
    }
}

/* The layout that PyTorch's library demands: aligned header, values sorted by element size and then
 * name, one behind the other. */
static void layout(void **state)
{
    (void)state;
    static const double big[2] = {1, 2};
    static const float b[3] = {3, 4, 5}, a = 6;
    static const uint8_t bits[5] = {1, 0, 1, 1, 0};
    nnr_tensor t[4] = {{.name = "mask", .dtype = NNR_BOOL, .rank = 1, .dims = {5}, .values = bits},
                       {.name = "b", .dtype = NNR_F32, .rank = 2, .dims = {3, 1}, .values = b},
                       {.name = "big \"one\"", .dtype = NNR_F64, .rank = 1, .dims = {2}, .values = big},
                       {.name = "a", .dtype = NNR_F32, .rank = 0, .values = &a}};
    nnr_meta meta = {"format", "pt"};
    nnr_error e;
    nnr_bytes file;
    static const char want[] =
        "{\"__metadata__\":{\"format\":\"pt\"},"
        "\"big \\\"one\\\"\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[0,16]},"
        "\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[16,20]},"
        "\"b\":{\"dtype\":\"F32\",\"shape\":[3,1],\"data_offsets\":[20,32]},"
        "\"mask\":{\"dtype\":\"BOOL\",\"shape\":[5],\"data_offsets\":[32,37]}}";
    assert_true(nnr_tensors_write(path, t, 4, &meta, 1, &e));
    assert_true(nnr_file_read(path, &file, &e));
    uint64_t length;
    memcpy(&length, file.bytes, 8);
    assert_int_equal(length % 8, 0);
    assert_true(length >= strlen(want) && length < strlen(want) + 8);
    assert_memory_equal(file.bytes + 8, want, strlen(want));
    assert_memory_equal(file.bytes + 8 + length, big, 16);
    assert_memory_equal(file.bytes + 8 + length + 20, b, 12);
    assert_int_equal(file.size, 8 + length + 37);
    free(file.bytes);
}

static void random_model(nnr_model *m, uint64_t seed)
{
    nnr_error e;
    assert_int_equal(nnr_model_create(&tiny_program, m, &e), NNR_OK);
    assert_int_equal(nnr_model_init(m, seed, &e), NNR_OK);
}

static void round_trip(void **state)
{
    (void)state;
    nnr_model m, n;
    nnr_error e;
    random_model(&m, 1);
    random_model(&n, 2);
    ((TinyBlock *)m.weights)->bias = -0.0f;
    assert_int_equal(nnr_weights_save(&m, path, &e), NNR_OK);
    assert_int_equal(nnr_weights_load(&n, path, true, hear, NULL, &e), NNR_OK);
    assert_memory_equal(m.weights, n.weights, sizeof(TinyBlock));
    assert_string_equal(said, "");
    nnr_model_destroy(&m);
    nnr_model_destroy(&n);
}

static void refused(const char *header, size_t n, bool strict, const char *format)
{
    nnr_model m;
    nnr_error e;
    char want[1024];
    static const uint8_t zeros[256];
    TinyBlock before;
    random_model(&m, 3);
    memcpy(&before, m.weights, sizeof before);
    write_file(header, zeros, n);
    assert_int_equal(nnr_weights_load(&m, path, strict, hear, NULL, &e), NNR_FAILED);
    snprintf(want, sizeof want, "%s%s", path, format);
    assert_string_equal(e.text, want);
    assert_memory_equal(&before, m.weights, sizeof before);
    nnr_model_destroy(&m);
}

#define W "\"line.weight\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]}"
#define B "\"line.bias\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]}"
#define STRICT_NOTE "\nnote: give weights of this program; training can start from what fits of another's with --init"
#define CUT_NOTE "\nnote: the file is cut or damaged, or of another format; write it again"

static void other_weights(void **state)
{
    (void)state;
    refused("{" W "}", 8, true, ": error: 1 tensor does not fit the program tiny: line.bias (f32[1]) is missing" STRICT_NOTE);
    refused("{" W ",\"line.bais\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]}}", 12, true,
            ": error: 2 tensors do not fit the program tiny: line.bias (f32[1]) is missing (the file has line.bais); "
            "line.bais is not in the program" STRICT_NOTE);
    refused("{\"line.weight\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[0,8]}," B "}", 12, true,
            ": error: 1 tensor does not fit the program tiny: line.weight is f32[2, 1] in the file, but f32[1, 2] in "
            "the program" STRICT_NOTE);
    refused("{\"line.weight\":{\"dtype\":\"F16\",\"shape\":[1,2],\"data_offsets\":[0,4]},"
            "\"line.bias\":{\"dtype\":\"I32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, true,
            ": error: 2 tensors do not fit the program tiny: line.weight is F16[1, 2] in the file, but f32[1, 2] in the "
            "program; line.bias is i32[1] in the file, but f32[1] in the program" STRICT_NOTE);
    refused("{\"x\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, false,
            ": error: nothing in it fits the program tiny: line.weight (f32[1, 2]) is missing; line.bias (f32[1]) is "
            "missing; x is not in the program\nnote: give weights with some of the program's names and shapes, or "
            "leave --init out");
}

static void partial_load(void **state)
{
    (void)state;
    static const float values[3] = {7, 8, 9};
    nnr_model m;
    nnr_error e;
    char want[512];
    random_model(&m, 3);
    ((TinyBlock *)m.weights)->bias = 5;
    write_file("{" W ",\"head.bias\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]}}", values, 12);
    assert_int_equal(nnr_weights_load(&m, path, false, hear, NULL, &e), NNR_OK);
    assert_true(((TinyBlock *)m.weights)->weight[1] == 8 && ((TinyBlock *)m.weights)->bias == 5);
    snprintf(want, sizeof want, "%s: 1 of 2 tensors of the program loaded; line.bias (f32[1]) is missing (the file has "
             "head.bias); head.bias is not in the program\n", path);
    assert_string_equal(said, want);
    nnr_model_destroy(&m);
}

static void damaged_files(void **state)
{
    (void)state;
    refused("{" W "," B "}", 11, true, ": error: is no valid safetensors file: its values lie beyond the end of the file "
            "(tensor \"line.bias\")" CUT_NOTE);
    refused("{" W "," B "}", 13, true, ": error: is no valid safetensors file: bytes at the end belong to no tensor" CUT_NOTE);
    refused("{" W "," W "}", 8, true, ": error: is no valid safetensors file: its values overlap another's (tensor "
            "\"line.weight\")" CUT_NOTE);
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},"
            "\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0, true,
            ": error: is no valid safetensors file: a name occurs twice (tensor \"a\")" CUT_NOTE);
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, true,
            ": error: is no valid safetensors file: bytes before it belong to no tensor (tensor \"a\")" CUT_NOTE);
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, true,
            ": error: is no valid safetensors file: its data_offsets do not agree with its shape (tensor \"a\")" CUT_NOTE);
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296,4],\"data_offsets\":[0,0]}}", 0, true,
            ": error: is no valid safetensors file: its shape overflows (tensor \"a\")" CUT_NOTE);
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, true,
            ": error: is no valid safetensors file: its shape holds something other than sizes (tensor \"a\")" CUT_NOTE);
    refused("{\"a\":{\"dtype\":\"Q9\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, true,
            ": error: is no valid safetensors file: an unknown dtype (tensor \"a\")" CUT_NOTE);
    refused("{\"a\":3}", 0, true, ": error: is no valid safetensors file: an entry without dtype, shape and data_offsets "
            "(tensor \"a\")" CUT_NOTE);
    refused("[1]", 0, true, ": error: is no valid safetensors file: its header is no JSON object" CUT_NOTE);
    refused("{\"__metadata__\":3}", 0, true, ": error: is no valid safetensors file: __metadata__ is no object" CUT_NOTE);
}

static void cut_anywhere(void **state)
{
    (void)state;
    nnr_model m;
    nnr_error e;
    nnr_bytes file;
    nnr_tensors t;
    random_model(&m, 1);
    assert_int_equal(nnr_weights_save(&m, path, &e), NNR_OK);
    assert_true(nnr_file_read(path, &file, &e));
    for (size_t n = 0; n < file.size; n++) {
        nnr_bytes part = {malloc(n + 1), n}; /* of its own size, so that a sanitizer sees a step too far */
        memcpy(part.bytes, file.bytes, n);
        assert_false(nnr_tensors_parse(part, "w", &t, &e));
        free(part.bytes);
    }
    free(file.bytes);
    nnr_model_destroy(&m);
}

/* A write that fails leaves the file that was there. */
static void atomic(void **state)
{
    (void)state;
    nnr_model m, n;
    nnr_error e;
    random_model(&m, 1);
    assert_int_equal(nnr_weights_save(&m, path, &e), NNR_OK);
    pid_t child = fork();
    if (child == 0) {
        struct rlimit limit = {64, 64};
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &limit);
        ((TinyBlock *)m.weights)->bias = 99;
        bool told = nnr_weights_save(&m, path, &e) == NNR_FAILED && strstr(e.text, "File too large");
        _exit(told ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    random_model(&n, 2);
    assert_int_equal(nnr_weights_load(&n, path, true, NULL, NULL, &e), NNR_OK);
    assert_memory_equal(m.weights, n.weights, sizeof(TinyBlock));
    char command[128];
    snprintf(command, sizeof command, "test $(ls %s | wc -l) = 1", dir);
    assert_int_equal(system(command), 0);
    assert_int_equal(nnr_weights_save(&m, "/nonexistent/w", &e), NNR_FAILED);
    assert_string_equal(e.text, "/nonexistent/w: error: cannot be written: No such file or directory\n"
                        "note: check that the folder exists and may be written to");
    nnr_model_destroy(&m);
    nnr_model_destroy(&n);
}

int main(void)
{
#define TEST(F) cmocka_unit_test_setup_teardown(F, set_up, tear_down)
    const struct CMUnitTest tests[] = {TEST(layout), TEST(like_gzip), TEST(round_trip), TEST(other_weights),
                                       TEST(partial_load), TEST(damaged_files), TEST(cut_anywhere), TEST(atomic)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
