/* cold N COMMAND...: how long a process takes from its start to its first line of output, and how much
 * memory it holds at most; medians of N runs behind one that fills the page cache. One JSON line. The
 * parent is small on purpose: a child's peak counts what it held before it became the command. */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;
enum { MOST = 1000 };

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* false: the command cannot be run, fails, or prints nothing */
static int once(char **command, double *ms, double *kib)
{
    int ends[2];
    char c = 0;
    pid_t pid;
    posix_spawn_file_actions_t actions;
    if (pipe(ends))
        return 0;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    posix_spawn_file_actions_addclose(&actions, ends[1]);
    double start = now_ms();
    int failed = posix_spawnp(&pid, command[0], &actions, NULL, command, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    while (!failed && read(ends[0], &c, 1) == 1 && c != '\n')
        ;
    *ms = now_ms() - start;
    char rest[4096];
    while (!failed && read(ends[0], rest, sizeof rest) > 0)
        ;
    close(ends[0]);
    int status = 1;
    struct rusage use = { 0 };
    if (!failed)
        wait4(pid, &status, 0, &use);
    *kib = (double)use.ru_maxrss;
    return !failed && c == '\n' && status == 0;
}

int main(int argc, char **argv)
{
    static double ms[MOST], kib[MOST];
    int n = argc > 2 ? atoi(argv[1]) : 0;
    if (n < 1 || n > MOST) {
        fprintf(stderr, "usage: cold N COMMAND...\n");
        return 2;
    }
    for (int i = -1; i < n; i++) {
        double t, k;
        if (!once(argv + 2, &t, &k)) {
            fprintf(stderr, "error: %s: it cannot be run, fails, or prints no line\n", argv[2]);
            return 1;
        }
        if (i >= 0)
            ms[i] = t, kib[i] = k;
    }
    qsort(ms, (size_t)n, sizeof *ms, ascending);
    qsort(kib, (size_t)n, sizeof *kib, ascending);
    printf("{\"ms\": %.4f, \"min_ms\": %.4f, \"rss_mib\": %.2f, \"n\": %d}\n", ms[n / 2], ms[0], kib[n / 2] / 1024, n);
    return 0;
}
