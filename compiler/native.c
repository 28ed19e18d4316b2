#include "native.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

char *native_own_dir(Arena *arena)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n <= 0)
        return arena_strdup(arena, ".");
    path[n] = 0;
    char *slash = strrchr(path, '/');
    if (!slash)
        return arena_strdup(arena, ".");
    *slash = 0;
    return arena_strdup(arena, path);
}

/* Runs argv, which is a `what`, with output and errors going to log. Returns the exit status, or -1 with *why. */
static int run(Arena *arena, const char *what, char *const *argv, const char *log, const char **why)
{
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    pid_t pid;
    int failed = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failed) {
        *why = arena_printf(arena,
                            "cannot run the %s '%s': %s\n"
                            "note: install gcc or clang, or name one with CC=...",
                            what, argv[0], strerror(failed));
        return -1;
    }
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return 127;
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    *why = arena_printf(arena, "the %s '%s' was ended by signal %d (%s)", what, argv[0], WTERMSIG(status), strsignal(WTERMSIG(status)));
    return -1;
}

static const char *head_of(Arena *arena, const char *path, int lines)
{
    FILE *f = fopen(path, "r");
    if (!f)
        return "";
    Text t = { .arena = arena };
    text_add(&t, "");
    char line[512];
    while (lines-- > 0 && fgets(line, sizeof line, f))
        text_addf(&t, "    %s", line);
    fclose(f);
    return t.data;
}

/* rename, or a copy where the temporary folder is on another file system. */
static bool move_file(Arena *arena, const char *from, const char *to)
{
    if (rename(from, to) == 0)
        return true;
    if (errno != EXDEV)
        return false;
    char *near = arena_printf(arena, "%s.tmp.%ld", to, (long)getpid());
    FILE *in = fopen(from, "rb"), *out = in ? fopen(near, "wb") : NULL;
    bool ok = out != NULL;
    char block[65536];
    for (size_t n; ok && (n = fread(block, 1, sizeof block, in)) > 0;)
        ok = fwrite(block, 1, n, out) == n;
    if (in)
        fclose(in);
    if (out && fclose(out) != 0)
        ok = false;
    int saved = errno;
    if (ok) {
        ok = chmod(near, 0755) == 0 && rename(near, to) == 0;
        saved = errno;
    }
    if (!ok)
        remove(near);
    errno = saved;
    return ok;
}

typedef Vec(char *) ArgVec;

/* CC may hold words behind the name ("ccache gcc"). */
static ArgVec driver(Arena *arena)
{
    ArgVec argv = { 0 };
    const char *cc = getenv("CC");
    char *words = arena_strdup(arena, cc && *cc ? cc : "cc"), *save = NULL;
    for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save))
        VEC_PUSH(arena, &argv, w);
    return argv;
}

static ArgVec compiler_command(Arena *arena, const NativeJob *job, const char *dir, const char *product)
{
    static const char *const standard[] = { "-std=gnu11", "-O2", "-ffp-contract=fast", "-fno-math-errno",
                                            "-fopenmp", "-w" };
    ArgVec argv = driver(arena);
    VEC_PUSH(arena, &argv, arena_strdup(arena, job->march ? job->march : "-march=native"));
    for (size_t i = 0; i < sizeof standard / sizeof *standard; i++)
        VEC_PUSH(arena, &argv, arena_strdup(arena, standard[i]));
    if (job->shared) {
        VEC_PUSH(arena, &argv, "-shared");
        VEC_PUSH(arena, &argv, "-fPIC");
    }
    VEC_PUSH(arena, &argv, arena_printf(arena, "-I%s", dir));
    VEC_PUSH(arena, &argv, "-o");
    VEC_PUSH(arena, &argv, arena_strdup(arena, product));
    for (int i = 0; i < job->n_sources; i++)
        VEC_PUSH(arena, &argv, arena_printf(arena, "%s/%s", dir, job->sources[i]));
    for (int i = 0; i < job->n_flags; i++)
        VEC_PUSH(arena, &argv, arena_strdup(arena, job->flags[i]));
    VEC_PUSH(arena, &argv, NULL);
    return argv;
}

/* Runs a command that makes `product`, and moves that to `output`. */
static const char *run_for(Arena *arena, const char *what, const ArgVec *argv, const char *product, const char *log,
                           const char *output)
{
    const char *why = NULL;
    int status = run(arena, what, argv->data, log, &why);
    if (status > 0)
        return arena_printf(arena, "the %s '%s' failed (status %d):\n%s", what, argv->data[0], status,
                            head_of(arena, log, 12));
    if (!why && !move_file(arena, product, output))
        why = arena_printf(arena, "%s: cannot write: %s", output, strerror(errno));
    return why;
}

const char *native_compile(Arena *arena, const NativeJob *job)
{
    const char *why = NULL;
    char *dir = native_temp_dir(arena, &why);
    if (!dir)
        return why;
    for (int i = 0; i < job->n_files && !why; i++) {
        const char *path = arena_printf(arena, "%s/%s", dir, job->files[i].name);
        why = text_write_file(arena, path, job->files[i].text, strlen(job->files[i].text));
        if (why)
            why = arena_printf(arena, "%s: %s", path, why);
    }
    char *product = arena_printf(arena, "%s/product", dir), *log = arena_printf(arena, "%s/log", dir);
    if (!why) {
        ArgVec argv = compiler_command(arena, job, dir, product);
        why = run_for(arena, "C compiler", &argv, product, log, job->output);
    }
    native_remove_dir(arena, dir);
    return why;
}

const char *native_link(Arena *arena, const char *const *inputs, int n, const char *output)
{
    const char *why = NULL;
    char *dir = native_temp_dir(arena, &why);
    if (!dir)
        return why;
    char *product = arena_printf(arena, "%s/product", dir), *log = arena_printf(arena, "%s/log", dir);
    ArgVec argv = driver(arena);
    VEC_PUSH(arena, &argv, "-fopenmp");
    VEC_PUSH(arena, &argv, "-o");
    VEC_PUSH(arena, &argv, product);
    for (int i = 0; i < n; i++)
        VEC_PUSH(arena, &argv, arena_strdup(arena, inputs[i]));
    VEC_PUSH(arena, &argv, NULL);
    why = run_for(arena, "linker", &argv, product, log, output);
    native_remove_dir(arena, dir);
    return why;
}
