/* Temporary folders, which go away also where a signal ends the process while the compiler in one of them is at
 * work: then a handler has them removed. A caller's own handlers are left alone, and so are ignored signals. */
#include "native.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_DIRS = 4, N_SIGNALS = 3, MOST_PATH = 1024 };
static const int SIGNALS[N_SIGNALS] = { SIGINT, SIGTERM, SIGHUP };

/* A handler has no other way to know of them. Written by the compiling thread only; the first byte last. */
static char dirs[MOST_DIRS][MOST_PATH];
static bool installed[N_SIGNALS];
static int n_dirs;

/* Only what is allowed in a handler: a child does the work. */
static void remove_and_end(int number)
{
    for (int i = 0; i < MOST_DIRS; i++) {
        pid_t child = dirs[i][0] ? fork() : 0;
        if (dirs[i][0] && child == 0) {
            execl("/bin/rm", "rm", "-rf", dirs[i], (char *)NULL);
            _exit(1);
        }
        if (child > 0)
            waitpid(child, NULL, 0);
    }
    signal(number, SIG_DFL);
    raise(number); /* delivered on return */
}

static void install(void)
{
    for (int i = 0; i < N_SIGNALS; i++) {
        struct sigaction old, action = { .sa_handler = remove_and_end };
        sigfillset(&action.sa_mask);
        installed[i] = sigaction(SIGNALS[i], NULL, &old) == 0 && !(old.sa_flags & SA_SIGINFO) && old.sa_handler == SIG_DFL &&
                       sigaction(SIGNALS[i], &action, NULL) == 0;
    }
}

static void uninstall(void)
{
    for (int i = 0; i < N_SIGNALS; i++)
        if (installed[i])
            signal(SIGNALS[i], SIG_DFL);
}

static void enter(const char *dir)
{
    if (n_dirs++ == 0)
        install();
    for (int i = 0; i < MOST_DIRS && strlen(dir) < MOST_PATH; i++) {
        if (dirs[i][0])
            continue;
        strcpy(dirs[i] + 1, dir + 1);
        dirs[i][0] = dir[0];
        return;
    }
}

static void leave(const char *dir)
{
    for (int i = 0; i < MOST_DIRS; i++)
        if (strcmp(dirs[i], dir) == 0)
            dirs[i][0] = 0;
    if (--n_dirs == 0)
        uninstall();
}

char *native_temp_dir(Arena *arena, const char **why)
{
    const char *base = getenv("TMPDIR");
    char *dir = arena_printf(arena, "%s/nnc-XXXXXX", base && *base ? base : "/tmp");
    if (mkdtemp(dir)) {
        enter(dir);
        return dir;
    }
    *why = arena_printf(arena, "cannot create a temporary folder %s: %s (set TMPDIR to another place)",
                        dir, strerror(errno));
    return NULL;
}

void native_remove_dir(Arena *arena, const char *dir)
{
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            remove(arena_printf(arena, "%s/%s", dir, e->d_name));
    if (d)
        closedir(d);
    rmdir(dir);
    leave(dir);
}
