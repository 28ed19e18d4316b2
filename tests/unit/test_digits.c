/* Drawn digits: files of the right form, the same for the same seed, and worth learning from: the
 * nearest class mean tells most of them apart, but far from all. */
#include "runtime/data.h"
#include "runtime/file.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char dir[64];

static int set_up(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/nnr_digits_XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

static void read_set(const char *name, nnr_dataset *d)
{
    char path[128];
    nnr_bytes file;
    nnr_error e;
    snprintf(path, sizeof path, "%s/a/b/%s", dir, name);
    assert_true(nnr_file_read(path, &file, &e));
    assert_true(nnr_idx_parse(file.bytes, file.size, path, d, &e));
    free(file.bytes);
}

static void files(void **state)
{
    (void)state;
    char path[128];
    nnr_dataset images, labels, test;
    nnr_error e;
    uint8_t pixels[784], label;
    snprintf(path, sizeof path, "%s/a/b", dir);
    assert_int_equal(nnr_digits_write(path, 50, 20, 9, &e), NNR_OK);
    read_set("train-images-idx3-ubyte", &images);
    read_set("train-labels-idx1-ubyte", &labels);
    assert_int_equal(images.rank, 3);
    assert_true(images.dims[0] == 50 && images.dims[1] == 28 && images.dims[2] == 28);
    assert_true(labels.rank == 1 && labels.count == 50);
    for (uint64_t i = 0; i < 50; i++) {
        nnr_digit_draw(9, i, pixels, &label);
        assert_memory_equal((uint8_t *)images.values + 784 * i, pixels, 784);
        assert_int_equal(((uint8_t *)labels.values)[i], label);
    }
    nnr_dataset_free(&images);
    nnr_dataset_free(&labels);
    /* The test digits are others, and do not depend on how many there are to train on. */
    read_set("t10k-images-idx3-ubyte", &images);
    nnr_digit_draw(9, 0, pixels, &label);
    assert_memory_not_equal(images.values, pixels, 784);
    assert_int_equal(nnr_digits_write(path, 10, 20, 9, &e), NNR_OK);
    read_set("t10k-images-idx3-ubyte", &test);
    assert_memory_equal(images.values, test.values, 20 * 784);
    nnr_dataset_free(&images);
    nnr_dataset_free(&test);
    assert_int_equal(nnr_digits_write("/proc/none", 10, 20, 9, &e), NNR_FAILED);
    assert_string_equal(e.text, "/proc/none: error: the folder cannot be made: No such file or directory\n"
                        "note: give a folder that can be written to");
    assert_int_equal(nnr_digits_write(path, 0, 20, 9, &e), NNR_FAILED);
}

/* Nearest mean image, after scaling each image to its mean ink. */
static int nearest(double means[10][784], const uint8_t *pixels)
{
    int best = 0;
    double best_score = -1;
    for (int k = 0; k < 10; k++) {
        double dot = 0, norm = 1e-9;
        for (int i = 0; i < 784; i++) dot += means[k][i] * pixels[i], norm += means[k][i] * means[k][i];
        if (dot * dot / norm > best_score) best_score = dot * dot / norm, best = k;
    }
    return best;
}

static void worth_learning(void **state)
{
    (void)state;
    static double means[10][784];
    uint8_t pixels[784], label;
    int counts[10] = {0}, right = 0;
    enum { N = 4000, TEST_N = 1000 };
    for (uint64_t i = 0; i < N; i++) {
        int inked = 0;
        nnr_digit_draw(2, i, pixels, &label);
        assert_true(label < 10);
        counts[label]++;
        for (int p = 0; p < 784; p++) means[label][p] += pixels[p], inked += pixels[p] > 100;
        assert_in_range(inked, 15, 400);
    }
    for (int k = 0; k < 10; k++) assert_in_range(counts[k], N / 10 - 100, N / 10 + 100);
    for (uint64_t i = 0; i < TEST_N; i++) {
        nnr_digit_draw(2, N + i, pixels, &label);
        right += nearest(means, pixels) == label;
    }
    assert_in_range(right, TEST_N * 45 / 100, TEST_N * 90 / 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(files, set_up, tear_down),
                                       cmocka_unit_test(worth_learning)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
