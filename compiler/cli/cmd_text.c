/* check, fmt, dump, emit: commands that end in text. */
#include "base/diag.h"
#include "cli/cli.h"
#include "dsl/ast.h"

#include <stdio.h>
#include <string.h>

int cmd_check(CliArgs *args)
{
    nnc *n = cli_open(args, NULL, 0);
    int status = nnc_load(n, args->file) == 0 ? CLI_OK : CLI_FAILED;
    cli_close(n, args);
    return status;
}

static void print_diag(void *user, DiagLevel level, const char *text)
{
    (void)user;
    (void)level;
    fputs(text, stderr);
}

int cmd_fmt(CliArgs *args)
{
    const char *why = NULL;
    Source *source = source_read(args->arena, args->file, &why);
    if (!source) {
        cli_error("%s: %s", args->file, why);
        return CLI_FAILED;
    }
    Diags diags = { .arena = args->arena, .fn = print_diag };
    File *file = dsl_parse(args->arena, intern_new(args->arena), source, &diags);
    if (diags.n_errors)
        return CLI_FAILED;
    const char *text = dsl_format(args->arena, file);
    bool same = strlen(text) == source->len && memcmp(text, source->text, source->len) == 0;
    if (args->check) {
        if (!same)
            fprintf(stderr, "%s: not formatted\nnote: `nnc fmt %s --write` formats it\n", args->file, args->file);
        return same ? CLI_OK : CLI_FAILED;
    }
    if (!args->write) {
        fputs(text, stdout);
        return fflush(stdout) == 0 ? CLI_OK : CLI_FAILED;
    }
    if (!same && (why = text_write_file(args->arena, args->file, text, strlen(text)))) {
        cli_error("%s: %s", args->file, why);
        return CLI_FAILED;
    }
    return CLI_OK;
}

int cmd_dump(CliArgs *args)
{
    if (!args->after) {
        cli_error("nnc dump needs --after PASS\nnote: for example --after front, --after fuse, --after lower");
        return CLI_USAGE;
    }
    nnc *n = cli_open(args, NULL, 0);
    const char *text = nnc_load(n, args->file) == 0 ? nnc_dump(n, args->after, args->entry) : NULL;
    bool ok = text && fputs(text, stdout) >= 0 && fflush(stdout) == 0;
    cli_close(n, args);
    return ok ? CLI_OK : CLI_FAILED;
}

/* NAME_weights.h beside the code. */
static bool emit_weights(nnc *n, const CliArgs *args)
{
    nnr_program variables = nnc_variables(n);
    nnr_model model;
    nnr_error err = { "" };
    if (nnr_model_create(&variables, &model, &err) != NNR_OK) {
        cli_error("%s", err.text);
        return false;
    }
    bool ok = nnr_weights_load(&model, args->weights, true, NULL, NULL, &err) == NNR_OK;
    if (!ok)
        cli_error("%s", err.text);
    ok = ok && nnc_emit_weights(n, args->output, model.weights) == 0;
    nnr_model_destroy(&model);
    return ok;
}

int cmd_emit(CliArgs *args)
{
    if (!args->output) {
        cli_error("nnc emit needs -o DIR, the folder for the files");
        return CLI_USAGE;
    }
    nnc *n = cli_open(args, NULL, 0);
    bool ok = nnc_load(n, args->file) == 0 && nnc_compile(n) == 0 && nnc_emit(n, args->kind ? args->kind : "c", args->output) == 0;
    ok = ok && (!args->weights || emit_weights(n, args));
    cli_close(n, args);
    return ok ? CLI_OK : CLI_FAILED;
}
