/* Private to the runtime: SIGINT and SIGTERM as a wish to stop. */
#ifndef NNR_SIGNALS_H
#define NNR_SIGNALS_H
#include <signal.h>
#include <stdbool.h>

typedef struct {
    struct sigaction interrupt, terminate;
    bool active;
} nnr_signals;

/* Catches both signals until nnr_signals_end. A second signal of the same kind acts as before, so
 * that a run that hangs can still be ended. */
void nnr_signals_begin(nnr_signals *old);
void nnr_signals_end(nnr_signals *old);
bool nnr_signals_seen(void);
#endif
