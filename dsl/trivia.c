/* Attaching of comments and blank lines to the tree (Trivia), in the order in which the parser makes
 * nodes: inner ones first. Every comment is taken exactly once, by the innermost statement, formal
 * or declaration that it stands before, in, or behind on the same line. */
#include "dsl/build.h"
#include <string.h>

typedef Vec(Comment) CommentList;

/* Number of line ends in [begin, end). */
static int lines_between(const Parser *p, uint32_t begin, uint32_t end)
{
    int n = 0;
    for (uint32_t i = begin; i < end; i++)
        n += p->source->text[i] == '\n';
    return n;
}

/* First comment that begins at or after `at`. */
static int comment_from(const Parser *p, uint32_t at)
{
    int lo = 0, hi = p->comments.len;
    while (lo < hi) {
        int mid = (lo + hi) / 2;
        if (p->comments.data[mid].begin < at)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* End of the last raw token that ends at or before `at`. */
static uint32_t token_end_before(const Parser *p, uint32_t at)
{
    int lo = 0, hi = p->raw.len;
    while (lo < hi) {
        int mid = (lo + hi) / 2;
        if (p->raw.data[mid].end <= at)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo ? p->raw.data[lo - 1].end : 0;
}

static uint32_t comment_end_before(const Parser *p, int i, uint32_t floor)
{
    if (i == 0)
        return floor;
    uint32_t end = p->comments.data[i - 1].end;
    return end > floor ? end : floor;
}

/* Takes the free comments of [begin, end) into list. */
static void take_range(Parser *p, uint32_t begin, uint32_t end, CommentList *list)
{
    for (int i = comment_from(p, begin); i < p->comments.len && p->comments.data[i].begin < end; i++) {
        RawComment *c = &p->comments.data[i];
        if (c->taken)
            continue;
        c->taken = true;
        uint32_t before = comment_end_before(p, i, token_end_before(p, c->begin));
        Comment out = { arena_copy_text(p->arena, p->source->text + c->begin, c->end - c->begin),
                        lines_between(p, before, c->begin) > 1 };
        VEC_PUSH(p->arena, list, out);
    }
}

/* Comment behind a node on its last line, with nothing but separators between. */
static const char *take_trailing(Parser *p, uint32_t end)
{
    int i = comment_from(p, end);
    if (i == p->comments.len || p->comments.data[i].taken)
        return NULL;
    RawComment *c = &p->comments.data[i];
    for (uint32_t k = end; k < c->begin; k++)
        if (!strchr(" \t;,", p->source->text[k]))
            return NULL;
    c->taken = true;
    return arena_copy_text(p->arena, p->source->text + c->begin, c->end - c->begin);
}

static Trivia take_before(Parser *p, uint32_t at)
{
    Trivia t = { 0 };
    CommentList list = { 0 };
    uint32_t floor = token_end_before(p, at);
    int first = comment_from(p, floor);
    while (first < p->comments.len && p->comments.data[first].begin < at && p->comments.data[first].taken)
        floor = p->comments.data[first++].end; /* it ends the line above */
    uint32_t begin = first < p->comments.len && p->comments.data[first].begin < at
                         ? p->comments.data[first].begin : at;
    t.blank_before = lines_between(p, floor, begin) > 1;
    take_range(p, floor, at, &list);
    if (list.len) {
        int last = comment_from(p, at);
        t.blank_after = lines_between(p, p->comments.data[last - 1].end, at) > 1;
        t.blank_before |= list.data[0].blank_before;
        list.data[0].blank_before = false;
    }
    t.before = list.data;
    t.n_before = list.len;
    return t;
}

Trivia trivia_take(Parser *p, Span span)
{
    Trivia t = take_before(p, span.begin);
    CommentList list = { 0 };
    for (int i = 0; i < t.n_before; i++)
        VEC_PUSH(p->arena, &list, t.before[i]);
    int own = list.len;
    take_range(p, span.begin, span.end, &list);
    for (int i = own; i < list.len; i++)
        list.data[i].blank_before = false;
    t.before = list.data;
    t.n_before = list.len;
    t.trailing = take_trailing(p, span.end);
    return t;
}

Trivia trivia_before_end(Parser *p, uint32_t end) { return take_before(p, end); }
