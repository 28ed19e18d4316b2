/* The ready-made sink for messages, and the width of the terminal they go to. For command lines: the
 * library itself never calls these. */
#include "runtime/runtime.h"
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

void nnr_say_stdio(void *user, int level, const char *text)
{
    FILE *f = level == NNR_SAY_RESULT ? stdout : stderr;
    (void)user;
    fprintf(f, "%s%s%s", level == NNR_SAY_WARNING ? "warning: " : "", text, level == NNR_SAY_BAR ? "" : "\n");
    fflush(f);
}

int nnr_terminal_width(void)
{
    struct winsize size;
    if (!isatty(STDERR_FILENO)) return 0;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
    return size.ws_col;
}
