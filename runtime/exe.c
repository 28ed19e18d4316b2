/* The command line of a built executable: train, eval, predict, bench. The one part of the runtime
 * that prints by itself, since it stands for a program's main. */
#include "runtime/error.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FILES = 64 };
enum { TRAIN = 1, EVAL = 2, PREDICT = 4, BENCH = 8 };

typedef struct {
    const char *data, *output, *init, *resume, *checkpoint, *weights, *entry, *block;
    nnr_file inputs[MAX_FILES], outputs[MAX_FILES];
    int n_inputs, n_outputs;
    int64_t epochs, seed, threads, batch, checkpoint_steps;
    double seconds;
    bool json, no_shuffle, no_checkpoint, training_data, help;
} Arguments;

typedef enum { TEXT, COUNT, SECONDS, SWITCH, INPUT, OUTPUT } Kind;
typedef struct {
    const char *name;
    int commands;
    Kind kind;
    size_t field;
    const char *help;
} Option;
#define FIELD(F) offsetof(Arguments, F)
static const Option options[] = {
    {"--data", TRAIN | EVAL, TEXT, FIELD(data), "DIR       folder of the data files (default: this one)"},
    {"-o", TRAIN, TEXT, FIELD(output), "PATH          weights file to write"},
    {"--epochs", TRAIN, COUNT, FIELD(epochs), "N       instead of the program's number"},
    {"--seed", TRAIN | EVAL, COUNT, FIELD(seed), "N         of all random choices (default 0)"},
    {"--init", TRAIN, TEXT, FIELD(init), "PATH      start from what fits of these weights"},
    {"--resume", TRAIN, TEXT, FIELD(resume), "PATH    go on from a checkpoint"},
    {"--checkpoint", TRAIN, TEXT, FIELD(checkpoint), "PATH  where checkpoints go (default: the weights' path.checkpoint)"},
    {"--checkpoint-steps", TRAIN, COUNT, FIELD(checkpoint_steps), "N  also one after every so many batches"},
    {"--no-checkpoint", TRAIN, SWITCH, FIELD(no_checkpoint), "  write none"},
    {"--no-shuffle", TRAIN, SWITCH, FIELD(no_shuffle), "     samples in the order of the files"},
    {"--weights", EVAL | PREDICT | BENCH, TEXT, FIELD(weights), "PATH   weights file"},
    {"--on-training-data", EVAL, SWITCH, FIELD(training_data), " even where there is validation data"},
    {"--block", TRAIN | EVAL, TEXT, FIELD(block), "NAME     train block, when there are several"},
    {"--input", PREDICT, INPUT, 0, "[NAME=]PATH  NPY, IDX or CSV file of an input"},
    {"--output", PREDICT, OUTPUT, 0, "[NAME=]PATH NPY file for an output; without one the outputs are printed"},
    {"--entry", PREDICT | BENCH, TEXT, FIELD(entry), "NAME     net or entry, when there are several"},
    {"--batch", BENCH, COUNT, FIELD(batch), "N        only entries for so many samples a call"},
    {"--seconds", BENCH, SECONDS, FIELD(seconds), "S      time to spend on an entry (default 1)"},
    {"--threads", TRAIN | EVAL | PREDICT | BENCH, COUNT, FIELD(threads), "N      (default: all cores)"},
    {"--json", TRAIN | EVAL | BENCH, SWITCH, FIELD(json), "           one JSON object a line on standard output"},
    {"--help", TRAIN | EVAL | PREDICT | BENCH, SWITCH, FIELD(help), NULL}};
enum { N_OPTIONS = sizeof options / sizeof *options };

static const struct {
    const char *name;
    int command;
    const char *help;
} commands[] = {{"train", TRAIN, "learn the weights"},
                {"eval", EVAL, "loss and metrics of weights on the validation data"},
                {"predict", PREDICT, "run a net over files"},
                {"bench", BENCH, "time the entries"}};
enum { N_COMMANDS = sizeof commands / sizeof *commands };

/* ---- usage ---------------------------------------------------------------------------------------- */

static void print_help(const char *exe, int command)
{
    if (!command) printf("usage: %s COMMAND [OPTIONS]\n\n", exe);
    for (int i = 0; i < N_COMMANDS; i++) {
        if (command && commands[i].command != command) continue;
        if (command) printf("usage: %s %s [OPTIONS]: %s\n\n", exe, commands[i].name, commands[i].help);
        else printf("  %-8s %s\n", commands[i].name, commands[i].help);
    }
    for (int i = 0; command && i < N_OPTIONS; i++)
        if ((options[i].commands & command) && options[i].help)
            printf("  %s %s\n", options[i].name, options[i].help);
    if (!command) printf("\n%s COMMAND --help tells its options\n", exe);
}

static int usage(const char *exe, const nnr_error *err)
{
    fprintf(stderr, "%s: %s\nusage: %s train|eval|predict|bench [OPTIONS]\n", exe, err->text, exe);
    return 2;
}

static bool unknown_option(const char *text, int command, nnr_error *err)
{
    const char *names[N_OPTIONS];
    int n = 0;
    for (int i = 0; i < N_OPTIONS; i++)
        if (options[i].commands & command) names[n++] = options[i].name;
    int near = nnr_nearest(text, names, n);
    nnr_fail(err, "error: unknown option %.100s", text);
    if (near >= 0) return nnr_note(err, "did you mean %s? --help tells all", names[near]);
    return nnr_note(err, "--help tells the options");
}

/* ---- parsing -------------------------------------------------------------------------------------- */

static bool whole_number(const char *name, const char *text, int64_t *v, nnr_error *err)
{
    char *end;
    errno = 0;
    *v = strtoll(text, &end, 10);
    if (end != text && !*end && errno == 0 && *v >= 0) return true;
    nnr_fail(err, "error: %s takes a whole number, not \"%.60s\"", name, text);
    return nnr_note(err, "write for example %s 3", name);
}

static bool positive_number(const char *name, const char *text, double *v, nnr_error *err)
{
    char *end;
    *v = strtod(text, &end);
    if (end != text && !*end && *v > 0 && *v < 1e9) return true;
    nnr_fail(err, "error: %s takes a positive number, not \"%.60s\"", name, text);
    return nnr_note(err, "write for example %s 2.5", name);
}

static bool add_file(nnr_file *files, int *n, char *text, nnr_error *err)
{
    if (*n == MAX_FILES) return nnr_fail(err, "error: more than %d files", MAX_FILES);
    files[(*n)++] = nnr_file_parse(text);
    return true;
}

static bool set_option(const Option *o, char *text, Arguments *a, nnr_error *err)
{
    char *field = (char *)a + o->field;
    switch (o->kind) {
    case TEXT: *(const char **)(void *)field = text; return true;
    case COUNT: return whole_number(o->name, text, (int64_t *)(void *)field, err);
    case SECONDS: return positive_number(o->name, text, (double *)(void *)field, err);
    case SWITCH: *(bool *)field = true; return true;
    case INPUT: return add_file(a->inputs, &a->n_inputs, text, err);
    case OUTPUT: return add_file(a->outputs, &a->n_outputs, text, err);
    }
    return false;
}

/* Both "--name value" and "--name=value". */
static bool parse(int argc, char **argv, int command, Arguments *a, nnr_error *err)
{
    for (int i = 2; i < argc; i++) {
        char *equals = strncmp(argv[i], "--", 2) == 0 ? strchr(argv[i], '=') : NULL;
        const Option *o = NULL;
        if (equals) *equals = '\0';
        for (int k = 0; k < N_OPTIONS; k++)
            if ((options[k].commands & command) && strcmp(options[k].name, argv[i]) == 0) o = &options[k];
        if (!o && argv[i][0] != '-') {
            nnr_fail(err, "error: unexpected argument \"%.100s\"", argv[i]);
            return nnr_note(err, "--help tells the options");
        }
        if (!o) return unknown_option(argv[i], command, err);
        char *value = equals ? equals + 1 : NULL;
        if (o->kind == SWITCH && value) return nnr_fail(err, "error: %s takes no value", o->name);
        if (o->kind != SWITCH && !value && i + 1 < argc) value = argv[++i];
        if (o->kind != SWITCH && !value) {
            nnr_fail(err, "error: %s needs a value", o->name);
            return nnr_note(err, "%s %s", o->name, o->help);
        }
        if (!set_option(o, value, a, err)) return false;
    }
    if (a->threads <= 1024) return true;
    return nnr_fail(err, "error: --threads %lld is more than 1024", (long long)a->threads);
}

/* ---- the commands --------------------------------------------------------------------------------- */

static nnr_status run_train(const nnr_program *p, const Arguments *a, nnr_error *err)
{
    nnr_train_result result;
    nnr_train_options o = nnr_train_defaults();
    o.train = a->block;
    o.data_dir = a->data;
    o.output = a->output;
    o.init = a->init;
    o.resume = a->resume;
    o.checkpoint = a->checkpoint;
    o.epochs = a->epochs;
    o.seed = (uint64_t)a->seed;
    o.threads = (int)a->threads;
    o.checkpoint_steps = a->checkpoint_steps;
    o.no_checkpoint = a->no_checkpoint;
    o.no_shuffle = a->no_shuffle;
    o.json = a->json;
    o.width = nnr_terminal_width();
    o.catch_signals = true;
    o.say = nnr_say_stdio;
    return nnr_run_train(p, NULL, &o, &result, err);
}

static nnr_status run_command(const nnr_program *p, int command, const Arguments *a, nnr_error *err)
{
    nnr_scores scores;
    if (command == TRAIN) return run_train(p, a, err);
    if (command == EVAL)
        return nnr_run_eval(p,
                            &(nnr_eval_options){.train = a->block, .data_dir = a->data, .weights = a->weights,
                                                .training_data = a->training_data, .seed = (uint64_t)a->seed,
                                                .threads = (int)a->threads, .json = a->json,
                                                .say = nnr_say_stdio},
                            &scores, err);
    if (command == PREDICT)
        return nnr_run_predict(p,
                               &(nnr_predict_options){.entry = a->entry, .weights = a->weights,
                                                      .inputs = a->inputs, .n_inputs = a->n_inputs,
                                                      .outputs = a->outputs, .n_outputs = a->n_outputs,
                                                      .threads = (int)a->threads, .say = nnr_say_stdio},
                               err);
    return nnr_run_bench(p,
                         &(nnr_bench_options){.entry = a->entry, .batch = a->batch, .weights = a->weights,
                                              .seconds = a->seconds, .threads = (int)a->threads,
                                              .json = a->json, .say = nnr_say_stdio},
                         err);
}

static int unknown_command(const char *exe, const char *text)
{
    const char *names[N_COMMANDS];
    nnr_error err;
    for (int i = 0; i < N_COMMANDS; i++) names[i] = commands[i].name;
    int near = nnr_nearest(text, names, N_COMMANDS);
    nnr_fail(&err, "error: unknown command \"%.60s\"", text);
    if (near >= 0) nnr_note(&err, "did you mean %s?", names[near]);
    else nnr_note(&err, "the commands are train, eval, predict, bench");
    return usage(exe, &err);
}

int nnr_main(const nnr_program *program, int argc, char **argv)
{
    Arguments a = {0};
    nnr_error err = {{0}};
    const char *exe = argc > 0 ? argv[0] : program->name;
    int command = 0;
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help(exe, 0);
        return argc < 2 ? 2 : 0;
    }
    for (int i = 0; i < N_COMMANDS; i++)
        if (strcmp(argv[1], commands[i].name) == 0) command = commands[i].command;
    if (!command) return unknown_command(exe, argv[1]);
    if (!parse(argc, argv, command, &a, &err)) return usage(exe, &err);
    if (a.help) {
        print_help(exe, command);
        return 0;
    }
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error like any other */
    switch (run_command(program, command, &a, &err)) {
    case NNR_OK: return 0;
    case NNR_STOPPED: return 130;
    case NNR_USAGE: return usage(exe, &err);
    case NNR_NONFINITE: fprintf(stderr, "%s\n", err.text); return 3;
    case NNR_FAILED: break;
    }
    fprintf(stderr, "%s\n", err.text);
    return 1;
}
