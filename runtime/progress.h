/* Private to the runtime: how the progress of training is shown. */
#ifndef NNR_PROGRESS_H
#define NNR_PROGRESS_H
#include "runtime/error.h"

typedef struct {
    nnr_say say;
    void *user;
    bool json;
    int width;        /* 0: plain lines */
    double last_shown; /* seconds on nnr_now's clock */
    bool bar_open;    /* a bar stands on the terminal's line */
} nnr_progress_view;

double nnr_now(void); /* seconds of a clock that never goes back */

/* During an epoch: at most ten times a second on a terminal, every 30 s otherwise. At its end: a line. */
void nnr_progress_show(nnr_progress_view *view, const nnr_progress *now);
/* Takes the bar away, so that other lines can be said. */
void nnr_progress_clear(nnr_progress_view *view);
/* {"loss": ..., "metrics": ...} parts; NaN and infinity become null. */
void nnr_json_scores(char *buf, size_t size, const nnr_scores *s, bool nested_metrics);
#endif
