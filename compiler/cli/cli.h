/* The command line: one table of commands, one of options, one file a command. Only main.c exits. */
#ifndef NNC_CLI_H
#define NNC_CLI_H
#include "base/arena.h"
#include "base/text.h"
#include "nnc.h"
#include "runtime/runtime.h"

enum { CLI_MAX_FILES = 16, CLI_MAX_DEFINES = 64, CLI_MAX_LIST = 16 };

typedef struct {
    int64_t v[CLI_MAX_LIST];
    int n;
} CliList;

/* Every option of every command; a command reads those its table entry allows. */
typedef struct {
    Arena *arena;
    const char *file;
    const char *data, *output, *weights, *init, *resume, *checkpoint;
    const char *after, *entry, *dump_pass, *dump_dir, *target, *target_cpu, *target_triple, *train, *backend, *kind;
    int64_t epochs, batch, seed, threads, checkpoint_steps, n_train, n_test;
    bool debug, json, fusion, write, check, no_fuse, no_layout, no_prepare, no_chunks, no_winograd, portable, time_passes, help, training_data, no_checkpoint;
    const char *tune, *compare, *svg, *trace;
    double seconds;
    CliList thread_list, batch_list;
    bool machine, profile;
    bool split_calls;   /* for cli_open: every kernel call an entry point too */
    bool loaded_before; /* the file was loaded once already: its warnings were shown */
    bool hides_note;    /* the last diagnostic was not shown (seen before, or of work that a signal ended), nor is its note */
    nnr_file inputs[CLI_MAX_FILES];
    int n_inputs;
    nnr_file outputs[CLI_MAX_FILES];
    int n_outputs;
    const char *define_names[CLI_MAX_DEFINES], *define_values[CLI_MAX_DEFINES];
    int n_defines;
} CliArgs;

typedef struct {
    const char *name;
    const char *usage;   /* what stands behind `nnc NAME` */
    const char *doc;     /* one line */
    const char *options; /* names it takes, blank-separated; common ones are always taken */
    int (*run)(CliArgs *args);
} CliCommand;

/* Exit codes. */
enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2, CLI_STOPPED = 130 };

int cli_run(int argc, char **argv);

/* Fills args from argv (behind the command's name). false after a message on stderr. */
bool cli_parse(const CliCommand *command, int argc, char **argv, CliArgs *args);
void cli_print_options(const CliCommand *command);

/* A handle with diagnostics on stderr and --dump, --dump-dir, -D, --no-fuse, --no-layout, --no-prepare, --batch applied. */
nnc *cli_open(CliArgs *args, const int64_t *extra_batches, int n_extra);
/* --time-passes: the table, on stderr. */
void cli_close(nnc *n, const CliArgs *args);
/* Prints "error: ..." (or the text as it is, when it has a place of its own) on stderr. */
void cli_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

int cmd_check(CliArgs *args);
int cmd_fmt(CliArgs *args);
int cmd_show(CliArgs *args);
void show_fusion(const nnc *n, const CliArgs *args); /* part of cmd_show */
int cmd_dump(CliArgs *args);
int cmd_train(CliArgs *args);
int cmd_eval(CliArgs *args);
int cmd_predict(CliArgs *args);
int cmd_emit(CliArgs *args);
int cmd_build(CliArgs *args);
int cmd_digits(CliArgs *args);
int cmd_bench(CliArgs *args);
int cmd_tune(CliArgs *args);
#endif
