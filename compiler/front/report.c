/* Errors of elaboration: said at the user's text, with the chain of calls that leads to the fault. */
#include "front/elab.h"

#include <string.h>

enum { MAX_CHAIN = 3 };

static bool is_library(Span at) { return at.src && strncmp(at.src->path, "<std>/", 6) == 0; }

static bool reported_before(Front *f, Span at)
{
    for (int i = 0; i < f->reported.len; i++)
        if (f->reported.data[i].src == at.src && f->reported.data[i].at == at.begin)
            return true;
    VEC_PUSH(f->arena, &f->reported, (struct Reported){ at.src, at.begin });
    return false;
}

/* The frame whose call stands in user text, going outward from library text; NULL: there is none. */
static Frame *user_call(Frame *fr)
{
    while (fr && (!fr->call.src || is_library(fr->call)))
        fr = fr->caller;
    return fr;
}

static const char *frame_word(const Frame *fr) { return fr->sym ? fr->sym->name : "this"; }

static void chain_notes(Frame *fr)
{
    Front *f = fr->f;
    int n = 0;
    Span last = SPAN_NONE;
    for (Frame *x = fr; x && n < MAX_CHAIN; x = x->caller) {
        if (!x->call.src || !x->sym || is_library(x->call))
            continue;
        if (x->call.src == last.src && x->call.begin == last.begin) /* a recursion says it once */
            continue;
        last = x->call;
        diag_note(f->diags, x->call, "%s is called here", frame_word(x));
        n++;
    }
}

Value fail(Frame *fr, Span at, const char *format, ...)
{
    Front *f = fr->f;
    va_list args;
    va_start(args, format);
    const char *text = arena_vprintf(f->arena, format, args);
    va_end(args);
    f->faults++;

    Frame *call = at.src && !is_library(at) ? NULL : user_call(fr);
    Span where = call ? call->call : at;
    f->muted = where.src && reported_before(f, where);
    if (f->muted)
        return value_bad();
    if (call) {
        diag_error(f->diags, where, "%s: %s", frame_word(call), text);
        if (at.src)
            diag_note(f->diags, at, "in the library's %s, here", frame_word(fr));
        if (call->caller)
            chain_notes(call->caller);
    } else if (fr->binding) {
        diag_error(f->diags, where, "%s: %s", frame_word(fr), text);
        chain_notes(fr->caller);
    } else {
        diag_error(f->diags, where, "%s", text);
        chain_notes(fr);
    }
    return value_bad();
}

void hint(Frame *fr, const char *format, ...)
{
    if (fr->f->muted)
        return;
    va_list args;
    va_start(args, format);
    diag_note(fr->f->diags, SPAN_NONE, "%s", arena_vprintf(fr->f->arena, format, args));
    va_end(args);
}

void hint_at(Frame *fr, Span at, const char *format, ...)
{
    if (fr->f->muted)
        return;
    va_list args;
    va_start(args, format);
    diag_note(fr->f->diags, at, "%s", arena_vprintf(fr->f->arena, format, args));
    va_end(args);
}
