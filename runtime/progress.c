/* The progress of training as a bar, as plain lines, or as JSON. Text only; where it goes is the
 * callback's affair. */
#include "runtime/progress.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { LINE = 2048 };

double nnr_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- JSON --------------------------------------------------------------------------------------- */

/* The shortest of 6 to 9 digits that gives the same float is not worth the code: 7 digits it is. */
static void json_number(char *buf, size_t size, double v)
{
    char text[40];
    if (!isfinite(v)) {
        nnr_append(buf, size, "null");
        return;
    }
    snprintf(text, sizeof text, "%.7g", v);
    for (char *p = text; *p; p++)
        if (*p == ',') *p = '.'; /* whatever the locale is */
    nnr_append(buf, size, "%s", text);
}

static void json_pair(char *buf, size_t size, const char *name, double v)
{
    nnr_append(buf, size, "\"%s\": ", name);
    json_number(buf, size, v);
}

static void json_string(char *buf, size_t size, const char *text)
{
    nnr_append(buf, size, "\"");
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') nnr_append(buf, size, "\\%c", c);
        else if (c < 32) nnr_append(buf, size, "\\u%04x", c);
        else nnr_append(buf, size, "%c", c);
    }
    nnr_append(buf, size, "\"");
}

static void json_values(char *buf, size_t size, const nnr_value *v, int n)
{
    for (int i = 0; i < n; i++) {
        nnr_append(buf, size, "%s", i ? ", " : "");
        json_pair(buf, size, v[i].name, v[i].value);
    }
}

void nnr_json_scores(char *buf, size_t size, const nnr_scores *s, bool nested_metrics)
{
    json_pair(buf, size, "loss", s->loss);
    if (s->n_losses > 0) {
        nnr_append(buf, size, ", \"losses\": {");
        json_values(buf, size, s->losses, s->n_losses);
        nnr_append(buf, size, "}");
    }
    if (nested_metrics) nnr_append(buf, size, ", \"metrics\": {");
    else if (s->n_metrics > 0) nnr_append(buf, size, ", ");
    json_values(buf, size, s->metrics, s->n_metrics);
    if (nested_metrics) nnr_append(buf, size, "}");
}

static void json_line(nnr_progress_view *view, const nnr_progress *now)
{
    char line[LINE * 4] = "";
    nnr_append(line, sizeof line, "{\"epoch\": %lld, ", (long long)now->epoch);
    nnr_json_scores(line, sizeof line, &now->train, true);
    if (now->has_valid) {
        nnr_append(line, sizeof line, ", \"val\": {");
        nnr_json_scores(line, sizeof line, &now->valid, false);
        nnr_append(line, sizeof line, "}");
    }
    nnr_append(line, sizeof line, ", ");
    json_pair(line, sizeof line, "seconds", now->seconds);
    nnr_append(line, sizeof line, ", ");
    json_pair(line, sizeof line, "samples_per_second", now->samples_per_second);
    if (now->final) {
        nnr_append(line, sizeof line, ", \"final\": true, \"weights\": ");
        json_string(line, sizeof line, now->weights ? now->weights : "");
    }
    nnr_append(line, sizeof line, "}");
    if (view->say) view->say(view->user, NNR_SAY_RESULT, line);
}

/* ---- for people --------------------------------------------------------------------------------- */

static void human_time(char *buf, size_t size, double s)
{
    long long t = (long long)(s + 0.5);
    if (s < 0) nnr_append(buf, size, "?");
    else if (s < 0.0995) nnr_append(buf, size, "%.0f ms", s * 1e3);
    else if (s < 9.95) nnr_append(buf, size, "%.1f s", s);
    else if (t < 100) nnr_append(buf, size, "%lld s", t);
    else if (t < 3600) nnr_append(buf, size, "%lld:%02lld", t / 60, t % 60);
    else nnr_append(buf, size, "%lld:%02lld:%02lld", t / 3600, t / 60 % 60, t % 60);
}

static void human_rate(char *buf, size_t size, double r)
{
    if (r >= 1e6) nnr_append(buf, size, "%.1fM/s", r / 1e6);
    else if (r >= 1e5) nnr_append(buf, size, "%.0fk/s", r / 1e3);
    else if (r >= 1e4) nnr_append(buf, size, "%.1fk/s", r / 1e3);
    else nnr_append(buf, size, r >= 100 ? "%.0f/s" : "%.2g/s", r);
}

static void scores(char *buf, size_t size, const nnr_scores *s, const char *prefix)
{
    nnr_append(buf, size, "  %sloss %.4g", prefix, s->loss);
    for (int i = 0; i < s->n_losses; i++)
        nnr_append(buf, size, "  %s%s %.4g", prefix, s->losses[i].name, s->losses[i].value);
    for (int i = 0; i < s->n_metrics; i++)
        nnr_append(buf, size, "  %s%s %.4g", prefix, s->metrics[i].name, s->metrics[i].value);
}

static void plain_line(nnr_progress_view *view, const nnr_progress *now)
{
    char line[LINE] = "";
    nnr_append(line, sizeof line, "epoch %lld/%lld", (long long)now->epoch, (long long)now->epochs);
    if (!now->end_of_epoch)
        nnr_append(line, sizeof line, "  batch %lld/%lld", (long long)now->batch, (long long)now->batches);
    scores(line, sizeof line, &now->train, "");
    if (now->has_valid) scores(line, sizeof line, &now->valid, "val ");
    nnr_append(line, sizeof line, "  ");
    human_time(line, sizeof line, now->seconds);
    nnr_append(line, sizeof line, "  ");
    human_rate(line, sizeof line, now->samples_per_second);
    if (view->say) view->say(view->user, NNR_SAY_INFO, line);
}

static void final_line(nnr_progress_view *view, const nnr_progress *now)
{
    char line[LINE] = "weights: ";
    nnr_append(line, sizeof line, "%s  (epoch %lld,", now->weights ? now->weights : "", (long long)now->epoch);
    scores(line, sizeof line, now->has_valid ? &now->valid : &now->train, now->has_valid ? "val " : "");
    nnr_append(line, sizeof line, ", ");
    human_time(line, sizeof line, now->seconds);
    nnr_append(line, sizeof line, " in all)");
    if (view->say) view->say(view->user, NNR_SAY_INFO, line);
}

/* epoch 1/5 [######------]  450/1875  loss 0.41  accuracy 0.88  28.1k/s  0:42 left
 * On a narrow terminal the bar shrinks, then goes, then the text is cut: the line never wraps. */
static void draw_bar(nnr_progress_view *view, const nnr_progress *now)
{
    char head[128], tail[LINE] = "", line[LINE + 64];
    int width = view->width - 1 < LINE - 64 ? view->width - 1 : LINE - 64;
    snprintf(head, sizeof head, "epoch %lld/%lld ", (long long)now->epoch, (long long)now->epochs);
    nnr_append(tail, sizeof tail, " %lld/%lld", (long long)now->batch, (long long)now->batches);
    scores(tail, sizeof tail, &now->train, "");
    nnr_append(tail, sizeof tail, "  ");
    human_rate(tail, sizeof tail, now->samples_per_second);
    if (now->seconds_left >= 0) {
        nnr_append(tail, sizeof tail, "  ");
        human_time(tail, sizeof tail, now->seconds_left);
        nnr_append(tail, sizeof tail, " left");
    }
    int room = width - (int)strlen(head) - (int)strlen(tail) - 2;
    int cells = room > 30 ? 30 : room;
    snprintf(line, sizeof line, "\r%s", head);
    if (cells >= 4) {
        int full = now->batches > 0 ? (int)(cells * now->batch / now->batches) : 0;
        nnr_append(line, sizeof line, "[");
        for (int i = 0; i < cells; i++) nnr_append(line, sizeof line, "%c", i < full ? '#' : '-');
        nnr_append(line, sizeof line, "]");
    }
    nnr_append(line, sizeof line, "%s", tail);
    if (width > 0 && (int)strlen(line) > width + 1) line[width + 1] = '\0'; /* the \r counts not */
    nnr_append(line, sizeof line, "\033[K");
    if (view->say) view->say(view->user, NNR_SAY_BAR, line);
    view->bar_open = true;
}

void nnr_progress_clear(nnr_progress_view *view)
{
    if (view->bar_open && view->say) view->say(view->user, NNR_SAY_BAR, "\r\033[K");
    view->bar_open = false;
}

void nnr_progress_show(nnr_progress_view *view, const nnr_progress *now)
{
    double t = nnr_now();
    if (now->final || now->end_of_epoch) {
        nnr_progress_clear(view);
        if (view->json) json_line(view, now);
        else if (now->final) final_line(view, now);
        else plain_line(view, now);
        view->last_shown = t;
        return;
    }
    if (view->json) return;
    if (view->width > 0 ? t - view->last_shown >= 0.1 : t - view->last_shown >= 30) {
        if (view->width > 0) draw_bar(view, now);
        else plain_line(view, now);
        view->last_shown = t;
    }
}
