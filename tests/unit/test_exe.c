/* The command line of built executables, run in a child process as a user runs it. */
#include "tests/unit/tiny_program.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64], out[16384], err[16384];

static int set_up(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/nnr_exe_XXXXXX");
    if (!mkdtemp(dir)) return -1;
    tiny_write_data(dir, "train.csv", 35, 1);
    tiny_write_data(dir, "test.csv", 13, 2);
    return 0;
}

static int tear_down(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

static void slurp(const char *name, char *text, size_t size)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    text[fread(text, 1, size - 1, f)] = '\0';
    fclose(f);
}

/* Runs nnr_main in the folder of the data; out and err hold what it wrote. Returns its exit code. */
static int run(const nnr_program *p, const char *line)
{
    char text[512] = "tiny ", *argv[32];
    int argc = 0;
    strcat(text, line);
    for (char *word = strtok(text, " "); word && argc < 31; word = strtok(NULL, " ")) argv[argc++] = word;
    argv[argc] = NULL;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        if (chdir(dir) != 0 || !freopen("stdout", "w", stdout) || !freopen("stderr", "w", stderr)) _exit(99);
        int code = nnr_main(p, argc, argv);
        fflush(NULL);
        _exit(code);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    slurp("stdout", out, sizeof out);
    slurp("stderr", err, sizeof err);
    return WEXITSTATUS(status);
}

static int lines(const char *text)
{
    int n = 0;
    for (; *text; text++) n += *text == '\n';
    return n;
}

static void whole_use(void **state)
{
    (void)state;
    assert_int_equal(run(&tiny_program, "train --data . --epochs 3 --seed 4 -o w.safetensors --json"), 0);
    assert_int_equal(lines(out), 4);
    assert_non_null(strstr(out, "\"final\": true, \"weights\": \"w.safetensors\"}"));
    assert_int_equal(run(&tiny_program, "eval --weights w.safetensors --data=. --json"), 0);
    assert_int_equal(strncmp(out, "{\"loss\": 0.", 11), 0);
    assert_non_null(strstr(out, "\"metrics\": {\"accuracy\": "));
    assert_non_null(strstr(out, "\"samples\": 13}"));
    assert_int_equal(run(&tiny_program, "eval --weights w.safetensors --on-training-data"), 0);
    assert_non_null(strstr(out, "(35 samples)"));
    FILE *csv = fopen(strcat(strcpy(out, dir), "/x.csv"), "w");
    assert_non_null(csv);
    fprintf(csv, "1,2\n3,4\n5,6\n");
    fclose(csv);
    assert_int_equal(run(&tiny_program, "predict --weights w.safetensors --input x=x.csv --output y.npy"), 0);
    assert_string_equal(err, "y.npy: 3 samples\n");
    /* without a file for the outputs: a line a sample */
    assert_int_equal(run(&tiny_program, "predict --weights w.safetensors --input x=x.csv"), 0);
    assert_int_equal(lines(out), 3);
    assert_string_equal(err, "");
    float a, b, c;
    assert_int_equal(sscanf(out, "%f\n%f\n%f\n", &a, &b, &c), 3);
    assert_float_equal(b - a, c - b, 1e-4f); /* the net is a line */
    assert_int_equal(run(&tiny_program, "bench --seconds 0.01 --threads 1 --entry line --json"), 0);
    assert_int_equal(lines(out), 2);
    assert_int_equal(strncmp(out, "{\"entry\": \"line\", \"batch\": 4, \"threads\": 1, \"median_ms\": ", 57), 0);
    assert_int_equal(run(&tiny_program, "bench --seconds 0.01 --entry line --batch 1 --json"), 0);
    assert_int_equal(lines(out), 1);
    assert_non_null(strstr(out, "\"batch\": 1, "));
    assert_int_equal(run(&tiny_program, "train -o w.safetensors --resume w.safetensors.checkpoint --epochs 4"), 0);
    assert_non_null(strstr(err, "resumed from w.safetensors.checkpoint: epoch 4, batch 0 of 5"));
    assert_string_equal(out, "");
}

static void fails_with(const char *line, int code, const char *want)
{
    char text[1024];
    assert_int_equal(run(&tiny_program, line), code);
    snprintf(text, sizeof text, "%s%s", want, code == 2 ? "usage: tiny train|eval|predict|bench [OPTIONS]\n" : "");
    assert_string_equal(err, text);
}

static void usage(void **state)
{
    (void)state;
    fails_with("tran", 2, "tiny: error: unknown command \"tran\"\nnote: did you mean train?\n");
    fails_with("train --epoch 3", 2, "tiny: error: unknown option --epoch\nnote: did you mean --epochs? --help tells all\n");
    fails_with("train --epochs x", 2, "tiny: error: --epochs takes a whole number, not \"x\"\nnote: write for example --epochs 3\n");
    fails_with("eval --weights", 2, "tiny: error: --weights needs a value\nnote: --weights PATH   weights file\n");
    fails_with("train mnist", 2, "tiny: error: unexpected argument \"mnist\"\nnote: --help tells the options\n");
    fails_with("eval", 1, "tiny: error: no weights to evaluate\nnote: give a weights file with --weights\n");
    fails_with("eval --weights none", 1, "none: error: cannot be read: No such file or directory\nnote: check the path\n");
    fails_with("bench --entry lin", 1, "tiny: error: there is no entry lin\n"
               "note: the entries are init, fit, fit.eval, fit.eval, line, line, fit\n");
    fails_with("bench --entry line --batch 3", 1, "tiny: error: there is no entry line for a batch of 3\n"
               "note: the entries are init, fit, fit.eval, fit.eval, line, line, fit\n");
    assert_int_equal(run(&tiny_program, "--help"), 0);
    assert_non_null(strstr(out, "usage: tiny COMMAND"));
    assert_int_equal(run(&tiny_program, "train --help"), 0);
    assert_non_null(strstr(out, "--resume PATH"));
    assert_null(strstr(out, "--weights"));
    assert_int_equal(run(&tiny_program, ""), 2);
}

static void nan_has_its_exit_code(void **state)
{
    (void)state;
    tiny_break_at = 3;
    assert_int_equal(run(&tiny_program, "train -o w.safetensors"), 3);
    assert_non_null(strstr(err, "tiny: error: the loss became NaN at step 4 (epoch 1, batch 4 of 5, fit)\n"));
    assert_non_null(strstr(err, "note: the weights before that step are in w.last-finite.safetensors\n"));
    tiny_break_at = -1;
}

int main(void)
{
#define TEST(F) cmocka_unit_test_setup_teardown(F, set_up, tear_down)
    const struct CMUnitTest tests[] = {TEST(whole_use), TEST(usage), TEST(nan_has_its_exit_code)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
