#include "cli/cli.h"
#include "runtime/signals.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const CliCommand COMMANDS[] = {
    { "check", "FILE.nn", "names, types, shapes: diagnostics or silence", "--batch", cmd_check },
    { "fmt", "FILE.nn [--write | --check]", "canonical text of a file", "--write --check", cmd_fmt },
    { "show", "FILE.nn [--fusion] [--json]", "layers, parameters, multiply-adds, memory; fusion's reasons",
      "--json --batch --fusion --entry", cmd_show },
    { "dump", "FILE.nn --after PASS [--entry E]", "the IR after a pass, as text", "--after --entry --batch", cmd_dump },
    { "train", "FILE.nn --data DIR [-o W.safetensors]", "train a network",
      "--data --output --init --resume --checkpoint --checkpoint-steps --no-checkpoint --epochs --batch --seed "
      "--threads --train-block --backend --json",
      cmd_train },
    { "eval", "FILE.nn --weights W.safetensors --data DIR", "loss and metrics of trained weights",
      "--weights --data --batch --threads --train-block --backend --on-training-data --seed --json", cmd_eval },
    { "predict", "FILE.nn --weights W.safetensors --input image=x.npy [--output y.npy]", "run a network on samples",
      "--weights --input -o --output-file --entry --batch --threads --backend", cmd_predict },
    { "emit", "FILE.nn -o DIR", "standalone C or objects: inference and training steps",
      "--output --kind --debug --weights --batch --portable", cmd_emit },
    { "build", "FILE.nn -o EXE", "a native executable with train, eval, predict, bench",
      "--output --batch --data --train-block --backend --debug", cmd_build },
    { "bench", "FILE.nn [--compare fusion,backend] [--profile] | --machine", "time of every entry point and kernel, beside the machine's limit",
      "--machine --compare --backend --threads-list --batch-list --entry --seconds --profile --json --svg --trace", cmd_bench },
    { "tune", "FILE.nn [-o FILE.tune]", "measure schedules, keep those that beat the cost model's",
      "--output --threads --batch --entry --backend --budget", cmd_tune },
    { "digits", "DIR [--train N] [--test N]", "write drawn digits in MNIST's form, where no data set is at hand",
      "--train --test --seed", cmd_digits },
};
enum { N_COMMANDS = sizeof COMMANDS / sizeof *COMMANDS };

static void usage(FILE *out)
{
    fprintf(out, "nnc: a compiler for neural networks\n\nusage: nnc COMMAND ...\n\n");
    for (int i = 0; i < N_COMMANDS; i++)
        fprintf(out, "  nnc %-8s %s\n               %s\n", COMMANDS[i].name, COMMANDS[i].usage, COMMANDS[i].doc);
    fprintf(out, "\n`nnc COMMAND --help` lists a command's options; `nnc --version` says what this is.\n");
}

static int unknown_command(const char *name)
{
    const char *names[N_COMMANDS];
    for (int i = 0; i < N_COMMANDS; i++)
        names[i] = COMMANDS[i].name;
    const char *near = text_nearest(name, names, N_COMMANDS);
    fprintf(stderr, "error: nnc has no command '%s'\n", name);
    if (near)
        fprintf(stderr, "note: did you mean `nnc %s`?\n", near);
    else
        fprintf(stderr, "note: `nnc --help` lists the commands\n");
    return CLI_USAGE;
}

static int command_help(const CliCommand *c)
{
    printf("usage: nnc %s %s\n\n%s.\n", c->name, c->usage, c->doc);
    cli_print_options(c);
    if (c->run == cmd_bench)
        printf("\nColumns:\n"
               "  median, p10 p90              time of a call; how far its 10%% and 90%% quantiles are from the median\n"
               "  GFLOP/s, GB/s                operations, and bytes read and written by kernels, over the median\n"
               "  limit                        least time for the work (measured peak, measured bandwidths) over the median\n"
               "  calls, arena, moved          kernels a call; bytes between kernels; bytes that kernels read and write\n");
    if (c->run == cmd_tune)
        printf("\nFILE.tune beside FILE.nn is used by every command on FILE.nn. A run that was stopped is gone on with by\n"
               "the same command. In the end stands what whole entry points gained over the cost model's schedules.\n");
    if (c->run == cmd_dump) {
        const char *name, *doc;
        printf("\nPasses:\n");
        for (int i = 0; (name = nnc_pass(i, &doc)); i++)
            printf("  %-28s %s\n", name, doc);
    }
    return fflush(stdout) == 0 ? CLI_OK : CLI_FAILED;
}

int cli_run(int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        usage(argc < 2 ? stderr : stdout);
        return argc < 2 ? CLI_USAGE : CLI_OK;
    }
    if (strcmp(argv[1], "--version") == 0) {
        char backends[64];
        nnc_backends(backends, sizeof backends);
        printf("nnc %s, back ends: %s\n", NNC_VERSION, backends);
        return CLI_OK;
    }
    const CliCommand *command = NULL;
    for (int i = 0; i < N_COMMANDS; i++)
        if (strcmp(argv[1], COMMANDS[i].name) == 0)
            command = &COMMANDS[i];
    if (!command)
        return unknown_command(argv[1]);
    Arena *arena = arena_new();
    CliArgs args = { .arena = arena };
    int status = CLI_USAGE;
    if (cli_parse(command, argc - 2, argv + 2, &args)) {
        if (args.help) {
            status = command_help(command);
        } else if (!args.file && !args.machine) {
            fprintf(stderr, "error: nnc %s needs a file\nnote: usage: nnc %s %s\n", command->name, command->name,
                    command->usage);
        } else {
            status = command->run(&args);
        }
    }
    arena_free(arena);
    return status;
}

void cli_error(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char text[1200];
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fprintf(stderr, "%s%s\n", strstr(text, "error: ") ? "" : "error: ", text);
}

static void show_diagnostic(void *user, nnc_level level, const char *text)
{
    CliArgs *args = user;
    if (level != NNC_NOTE) /* a note goes with what stands before it */
        args->hides_note = (args->loaded_before && level == NNC_WARNING) || nnr_signals_seen();
    if (!args->hides_note)
        fputs(text, stderr);
}

static void write_dump(void *user, int number, const char *after, const char *text)
{
    const CliArgs *args = user;
    if (args->dump_pass && strcmp(after, args->dump_pass) == 0)
        fputs(text, stdout);
    if (!args->dump_dir)
        return;
    if (mkdir(args->dump_dir, 0777) != 0 && errno != EEXIST) {
        cli_error("%s: cannot create the folder: %s", args->dump_dir, strerror(errno));
        return;
    }
    const char *path = arena_printf(args->arena, "%s/%03d-%s.ir", args->dump_dir, number, after);
    const char *why = text_write_file(args->arena, path, text, strlen(text));
    if (why)
        cli_error("%s: %s", path, why);
}

nnc *cli_open(CliArgs *args, const int64_t *extra_batches, int n_extra)
{
    nnc_options o = { .diag = show_diagnostic,
                      .user = args,
                      .batch = args->batch,
                      .extra_batches = extra_batches,
                      .n_extra_batches = n_extra,
                      .define_names = args->define_names,
                      .define_values = args->define_values,
                      .n_defines = args->n_defines,
                      .target = args->portable && !args->target ? "portable" : args->target,
                      .target_cpu = args->target_cpu,
                      .target_triple = args->target_triple,
                      .backend = args->backend,
                      .tune = args->tune,
                      .debug = args->debug,
                      .no_fuse = args->no_fuse,
                      .no_winograd = args->no_winograd,
                      .split_calls = args->split_calls,
                      .no_layout = args->no_layout,
                      .no_prepare = args->no_prepare,
                      .no_chunks = args->no_chunks,
                      .verify = true }; /* costs a millisecond, and a fault of ours never becomes wrong code */
    if (args->dump_pass || args->dump_dir) {
        o.dump = write_dump;
        o.dump_user = args;
    }
    return nnc_new(&o);
}

void cli_close(nnc *n, const CliArgs *args)
{
    if (args->time_passes) {
        int count;
        const nnc_stage *s = nnc_stages(n, &count);
        double total = 0;
        fprintf(stderr, "%-10s %10s %10s\n", "stage", "ms", "KiB");
        for (int i = 0; i < count; i++) {
            fprintf(stderr, "%-10s %10.2f %10zu\n", s[i].name, s[i].seconds * 1e3, s[i].bytes / 1024);
            total += s[i].seconds;
        }
        fprintf(stderr, "%-10s %10.2f\n", "total", total * 1e3);
    }
    nnc_free(n);
}
