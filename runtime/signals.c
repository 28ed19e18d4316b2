/* See signals.h. The flag below is the one global of the runtime: a signal handler has no other way
 * to tell. */
#include "runtime/signals.h"

static volatile sig_atomic_t seen;

static void remember(int signal_number)
{
    (void)signal_number;
    seen = 1;
}

void nnr_signals_begin(nnr_signals *old)
{
    struct sigaction action = {.sa_handler = remember, .sa_flags = (int)SA_RESETHAND | SA_RESTART};
    sigemptyset(&action.sa_mask);
    seen = 0;
    sigaction(SIGINT, &action, &old->interrupt);
    sigaction(SIGTERM, &action, &old->terminate);
    old->active = true;
}

void nnr_signals_end(nnr_signals *old)
{
    if (!old->active) return;
    sigaction(SIGINT, &old->interrupt, NULL);
    sigaction(SIGTERM, &old->terminate, NULL);
    old->active = false;
}

bool nnr_signals_seen(void) { return seen != 0; }
