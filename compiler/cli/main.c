#include "cli/cli.h"

#include <signal.h>

int main(int argc, char **argv)
{
    signal(SIGXFSZ, SIG_IGN); /* a file above `ulimit -f` is then a failed write like any other, with a message */
    return cli_run(argc, argv);
}
