/* Options: one table says name, argument, meaning and where the value goes. */
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum { O_FLAG, O_TEXT, O_COUNT, O_SEED, O_SECONDS, O_LIST, O_DEFINE, O_INPUT, O_OUTPUT } OptionKind;

typedef struct {
    const char *name, *short_name, *value, *doc;
    OptionKind kind;
    size_t at; /* offset in CliArgs */
    bool common;
} Option;

#define AT(field) offsetof(CliArgs, field)

static const Option OPTIONS[] = {
    { "--data", NULL, "DIR", "folder that the data files of the train block are in", O_TEXT, AT(data), false },
    { "--output", "-o", "PATH", "where the result goes", O_TEXT, AT(output), false },
    { "--weights", NULL, "FILE", "trained weights (safetensors)", O_TEXT, AT(weights), false },
    { "--init", NULL, "FILE", "start from these weights; what does not fit is reported", O_TEXT, AT(init), false },
    { "--resume", NULL, "FILE", "go on from a checkpoint", O_TEXT, AT(resume), false },
    { "--checkpoint", NULL, "FILE", "where checkpoints go (default: beside the weights)", O_TEXT, AT(checkpoint), false },
    { "--checkpoint-steps", NULL, "N", "write a checkpoint also every N batches", O_COUNT, AT(checkpoint_steps), false },
    { "--no-checkpoint", NULL, NULL, "write no checkpoints", O_FLAG, AT(no_checkpoint), false },
    { "--epochs", NULL, "N", "passes over the data, instead of the file's", O_COUNT, AT(epochs), false },
    { "--batch", NULL, "N", "samples a call, instead of the file's", O_COUNT, AT(batch), false },
    { "--seed", NULL, "N", "start of every random draw (default 0)", O_SEED, AT(seed), false },
    { "--threads", NULL, "N", "threads (default: OMP_NUM_THREADS or all cores)", O_COUNT, AT(threads), false },
    { "--train-block", NULL, "NAME", "which train block, where the file has several", O_TEXT, AT(train), false },
    { "--on-training-data", NULL, NULL, "evaluate on the training samples", O_FLAG, AT(training_data), false },
    { "--json", NULL, NULL, "one JSON object a line", O_FLAG, AT(json), false },
    { "--input", NULL, "[NAME=]FILE", "input of the network (npy, idx, csv); may be repeated", O_INPUT, 0, false },
    { "-o", NULL, "[NAME=]FILE", "short for --output", O_OUTPUT, 0, false },
    { "--output-file", "--output", "[NAME=]FILE", "where an output goes (npy); may be repeated; none: to the terminal", O_OUTPUT, 0, false },
    { "--fusion", NULL, NULL, "every kernel, and why it is not one with those it reads from", O_FLAG, AT(fusion), false },
    { "--threads-list", "--threads", "LIST", "threads to run on, such as 1,2 (default: OMP_NUM_THREADS or all cores)", O_LIST, AT(thread_list), false },
    { "--batch-list", "--batch", "LIST", "samples a call, such as 1,32 (default: as the file says)", O_LIST, AT(batch_list), false },
    { "--compare", NULL, "WHAT", "fusion: fused and unfused, and the reasons; backend: every back end; or both: fusion,backend", O_TEXT, AT(compare), false },
    { "--seconds", NULL, "S", "time to spend on each case (default 1)", O_SECONDS, AT(seconds), false },
    { "--budget", "--seconds", "S", "when to end the search (default 60; what is found until then is kept)", O_SECONDS, AT(seconds), false },
    { "--machine", NULL, NULL, "measure the machine: peak arithmetic, bandwidth of caches and memory", O_FLAG, AT(machine), false },
    { "--profile", NULL, NULL, "a row a kernel: its layers, time, and limit", O_FLAG, AT(profile), false },
    { "--svg", NULL, "FILE", "draw the figures: bars, and a roofline with a dot a kernel", O_TEXT, AT(svg), false },
    { "--trace", NULL, "FILE", "a call of every case as a Chrome trace (chrome://tracing, Perfetto)", O_TEXT, AT(trace), false },
    { "--entry", NULL, "NAME", "entry point: a net, or a training step", O_TEXT, AT(entry), false },
    { "--after", NULL, "PASS", "the pass after which the IR is shown", O_TEXT, AT(after), false },
    { "--write", NULL, NULL, "rewrite the file in place", O_FLAG, AT(write), false },
    { "--check", NULL, NULL, "only say whether the file is formatted", O_FLAG, AT(check), false },
    { "--kind", NULL, "KIND", "what to write: c (default), obj, asm, llvm-ir, bitcode", O_TEXT, AT(kind), false },
    { "--debug", "-g", NULL, "machine code carries the lines of the .nn file", O_FLAG, AT(debug), false },
    { "--portable", NULL, NULL, "plain C11 loops, no vector types", O_FLAG, AT(portable), false },
    { "--train", NULL, "N", "training samples (default 20000)", O_COUNT, AT(n_train), false },
    { "--test", NULL, "N", "test samples (default 4000)", O_COUNT, AT(n_test), false },
    { "-D", NULL, "NAME=VALUE", "set a top-level constant or a free shape variable", O_DEFINE, 0, true },
    { "--target", NULL, "KIND", "generic, portable, x86-64-v3, x86-64-v4, armv8, riscv64, riscv64-v (default: this machine)", O_TEXT, AT(target), true },
    { "--target-cpu", NULL, "CPU", "a processor by its own name: skylake, znver4, cortex-a72", O_TEXT, AT(target_cpu), true },
    { "--target-triple", NULL, "TRIPLE", "its system: aarch64-linux-gnu (default: this machine's)", O_TEXT, AT(target_triple), true },
    { "--backend", NULL, "NAME", "llvm: machine code by nnc itself; c: through the C compiler", O_TEXT, AT(backend), false },
    { "--tune", NULL, "FILE", "measured schedules (default: FILE.tune beside FILE.nn, where there is one; none: leave it aside)", O_TEXT, AT(tune), true },
    { "--no-fuse", NULL, NULL, "every operation a kernel of its own", O_FLAG, AT(no_fuse), true },
    { "--no-winograd", NULL, NULL, "3x3 convolutions as direct sums: slower, a little more exact", O_FLAG, AT(no_winograd), true },
    { "--no-chunks", NULL, NULL, "every kernel for the whole batch: no runs of kernels over a few samples at a time", O_FLAG, AT(no_chunks), true },
    { "--no-layout", NULL, NULL, "parameters and values row major in memory, as they are declared", O_FLAG, AT(no_layout), true },
    { "--no-prepare", NULL, NULL, "what depends on parameters alone is computed anew at every call", O_FLAG, AT(no_prepare), true },
    { "--dump", NULL, "PASS", "print the IR after PASS on the way", O_TEXT, AT(dump_pass), true },
    { "--dump-dir", NULL, "DIR", "write the IR after every pass to files in DIR", O_TEXT, AT(dump_dir), true },
    { "--time-passes", NULL, NULL, "seconds and memory of every stage, on standard error", O_FLAG, AT(time_passes), true },
    { "--help", "-h", NULL, "this text", O_FLAG, AT(help), true },
};
enum { N_OPTIONS = sizeof OPTIONS / sizeof *OPTIONS };

/* What users type. Where several options have one name, `name` is the key that commands list, and
 * short_name the shared word. */
static const char *typed_name(const Option *o)
{
    return o->short_name && strncmp(o->short_name, "--", 2) == 0 ? o->short_name : o->name;
}

static bool takes(const CliCommand *c, const Option *o)
{
    if (o->common)
        return true;
    size_t len = strlen(o->name);
    for (const char *p = c->options; (p = strstr(p, o->name)); p += len)
        if ((p == c->options || p[-1] == ' ') && (p[len] == 0 || p[len] == ' '))
            return true;
    return false;
}

/* The option of this command that text names: NAME, NAME=VALUE, or -DNAME=VALUE. *value is what
 * stands behind, or NULL. */
static const Option *find_option(const CliCommand *c, const char *text, const char **value)
{
    *value = NULL;
    for (int i = 0; i < N_OPTIONS; i++) {
        const Option *o = &OPTIONS[i];
        if (!takes(c, o))
            continue;
        const char *name = typed_name(o);
        if (strcmp(text, name) == 0 || (o->short_name && strcmp(text, o->short_name) == 0))
            return o;
        size_t len = strlen(name);
        if (text[1] == '-' && strncmp(text, name, len) == 0 && text[len] == '=') {
            *value = text + len + 1;
            return o;
        }
        if (o->kind == O_DEFINE && strncmp(text, "-D", 2) == 0) {
            *value = text + 2;
            return o;
        }
    }
    return NULL;
}

static bool unknown_option(const CliCommand *c, const char *text)
{
    const char *names[N_OPTIONS];
    int n = 0;
    for (int i = 0; i < N_OPTIONS; i++)
        if (takes(c, &OPTIONS[i]))
            names[n++] = typed_name(&OPTIONS[i]);
    const char *near = text_nearest(text, names, n);
    fprintf(stderr, "error: nnc %s: unknown option %s\n", c->name, text);
    if (near)
        fprintf(stderr, "note: did you mean %s?\n", near);
    else
        fprintf(stderr, "note: `nnc %s --help` lists the options\n", c->name);
    return false;
}

static bool set_number(const CliCommand *c, const Option *o, const char *value, CliArgs *args)
{
    char *end;
    errno = 0;
    long long v = strtoll(value, &end, 10);
    long long least = o->kind == O_SEED ? 0 : 1;
    if (errno || *end || end == value || v < least || v > (1LL << 53)) {
        fprintf(stderr, "error: nnc %s: %s takes a whole number from %lld up, not '%s'\n", c->name, o->name,
                least, value);
        return false;
    }
    *(int64_t *)(void *)((char *)args + o->at) = v;
    return true;
}

static bool set_seconds(const CliCommand *c, const Option *o, const char *value, double *to)
{
    char *end;
    double v = strtod(value, &end);
    if (end == value || *end || !(v > 0) || v > 1e6) {
        fprintf(stderr, "error: nnc %s: %s takes a positive number, not '%s'\n", c->name, o->name, value);
        return false;
    }
    *to = v;
    return true;
}

/* Whole numbers from 1 up, with commas between. */
static bool set_list(const CliCommand *c, const Option *o, const char *value, CliList *list)
{
    list->n = 0;
    for (const char *p = value;; p++) {
        char *end;
        errno = 0;
        long long v = strtoll(p, &end, 10);
        bool good = errno == 0 && end != p && (*end == ',' || !*end) && v >= 1 && v <= 1LL << 31;
        if (!good || list->n == CLI_MAX_LIST) {
            fprintf(stderr, "error: nnc %s: %s takes up to %d whole numbers from 1 up, such as 1,2, not '%s'\n", c->name,
                    typed_name(o), CLI_MAX_LIST, value);
            return false;
        }
        list->v[list->n++] = v;
        if (!*end)
            return true;
        p = end;
    }
}

static bool set_define(const CliCommand *c, const char *value, CliArgs *args)
{
    const char *eq = strchr(value, '=');
    if (!eq || eq == value) {
        fprintf(stderr, "error: nnc %s: -D takes NAME=VALUE, not '%s'\n", c->name, value);
        return false;
    }
    if (args->n_defines == CLI_MAX_DEFINES) {
        fprintf(stderr, "error: nnc %s: more than %d -D options\n", c->name, CLI_MAX_DEFINES);
        return false;
    }
    args->define_names[args->n_defines] = arena_copy_text(args->arena, value, (size_t)(eq - value));
    args->define_values[args->n_defines++] = eq + 1;
    return true;
}

static bool add_file(const CliCommand *c, nnr_file *files, int *n, const char *value, CliArgs *args)
{
    if (*n == CLI_MAX_FILES) {
        fprintf(stderr, "error: nnc %s: more than %d files of one kind\n", c->name, CLI_MAX_FILES);
        return false;
    }
    files[(*n)++] = nnr_file_parse(arena_strdup(args->arena, value));
    return true;
}

static bool set_option(const CliCommand *c, const Option *o, const char *value, CliArgs *args)
{
    char *field = (char *)args + o->at;
    switch (o->kind) {
    case O_FLAG: *(bool *)(void *)field = true; return true;
    case O_TEXT: *(const char **)(void *)field = value; return true;
    case O_COUNT:
    case O_SEED: return set_number(c, o, value, args);
    case O_SECONDS: return set_seconds(c, o, value, (double *)(void *)field);
    case O_LIST: return set_list(c, o, value, (CliList *)(void *)field);
    case O_DEFINE: return set_define(c, value, args);
    case O_INPUT: return add_file(c, args->inputs, &args->n_inputs, value, args);
    case O_OUTPUT: return add_file(c, args->outputs, &args->n_outputs, value, args);
    }
    return false;
}

bool cli_parse(const CliCommand *c, int argc, char **argv, CliArgs *args)
{
    bool only_files = false;
    for (int i = 0; i < argc; i++) {
        const char *text = argv[i];
        if (!only_files && strcmp(text, "--") == 0) {
            only_files = true;
            continue;
        }
        if (only_files || text[0] != '-' || !text[1]) {
            if (args->file) {
                fprintf(stderr, "error: nnc %s: one file at a time: '%s' and '%s' were given\n", c->name,
                        args->file, text);
                return false;
            }
            args->file = text;
            continue;
        }
        const char *value;
        const Option *o = find_option(c, text, &value);
        if (!o)
            return unknown_option(c, text);
        if (o->kind == O_FLAG && value) {
            fprintf(stderr, "error: nnc %s: %s takes no value\n", c->name, o->name);
            return false;
        }
        if (o->kind != O_FLAG && !value) {
            if (i + 1 == argc) {
                fprintf(stderr, "error: nnc %s: %s needs a value: %s %s\n", c->name, text, text, o->value);
                return false;
            }
            value = argv[++i];
        }
        if (!set_option(c, o, value, args))
            return false;
    }
    return true;
}

void cli_print_options(const CliCommand *c)
{
    for (int common = 0; common < 2; common++) {
        printf(common ? "\nCommon options:\n" : "\nOptions:\n");
        for (int i = 0; i < N_OPTIONS; i++) {
            const Option *o = &OPTIONS[i];
            if (o->common != common || !takes(c, o))
                continue;
            char left[64];
            const char *name = typed_name(o), *brief = o->short_name && o->short_name != name ? o->short_name : "";
            snprintf(left, sizeof left, "%s%s%s%s%s", brief, *brief ? ", " : "", name, o->value ? " " : "",
                     o->value ? o->value : "");
            printf("  %-28s %s\n", left, o->doc);
        }
    }
}
