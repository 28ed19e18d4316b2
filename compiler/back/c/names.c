/* Identifiers: names of the IR made fit for C, unique in their function. */
#include "back/c/print.h"
#include <ctype.h>
#include <string.h>

char *c_upper(Arena *arena, const char *name)
{
    char *s = arena_strdup(arena, name);
    for (char *c = s; *c; c++)
        *c = (char)toupper((unsigned char)*c);
    return s;
}

char *c_comment_text(Arena *arena, const char *text)
{
    char *s = arena_strdup(arena, text);
    for (char *c = s; *c; c++)
        if ((c[0] == '*' && c[1] == '/') || (c[0] == '/' && c[1] == '*'))
            c[1] = ' ';
    return s;
}

void c_add_string(Text *t, const char *s)
{
    if (!s) {
        text_add(t, "NULL");
        return;
    }
    text_add(t, "\"");
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            text_addf(t, "\\%c", c);
        else if (c < 32 || c == '?') /* '?': no trigraphs */
            text_addf(t, "\\%03o", c);
        else
            text_addf(t, "%c", c);
    }
    text_add(t, "\"");
}

/* ---- one function's names ---- */

typedef struct {
    CPrinter *p;
    Vec(const char *) taken;
} Scope;

static bool is_taken(const Scope *scope, const char *name)
{
    for (int i = 0; i < scope->taken.len; i++)
        if (strcmp(scope->taken.data[i], name) == 0)
            return true;
    return false;
}

static const char *fresh(Scope *scope, const char *wanted)
{
    const char *base = back_identifier(scope->p->arena, wanted), *name = base;
    for (int n = 2; is_taken(scope, name); n++)
        name = arena_printf(scope->p->arena, "%s_%d", base, n);
    VEC_PUSH(scope->p->arena, &scope->taken, name);
    return name;
}

static void name_block(Scope *scope, const LBlock *block)
{
    CPrinter *p = scope->p;
    for (int i = 0; i < block->len; i++) {
        const LStmt *s = block->data[i];
        bool defines = s->kind == LS_LET || s->kind == LS_VAR || s->kind == LS_FOR;
        if (defines && !p->var_name[s->var->id])
            p->var_name[s->var->id] = fresh(scope, s->var->name);
        if (s->kind == LS_LOCAL && !p->buf_name[s->buf->id])
            p->buf_name[s->buf->id] = fresh(scope, s->buf->name);
        name_block(scope, &s->body);
        name_block(scope, &s->other);
    }
}

void c_name_function(CPrinter *p, const LFunc *f)
{
    Scope scope = { .p = p };
    p->var_name = ARENA_ARRAY(p->arena, const char *, f->n_vars + 1);
    p->buf_name = ARENA_ARRAY(p->arena, const char *, f->n_bufs + 1);
    for (int i = 0; i < f->params.len; i++)
        p->buf_name[f->params.data[i]->id] = fresh(&scope, f->params.data[i]->name);
    const LVar *const ctx[] = { f->seed, f->step, f->epoch };
    static const char *const ctx_name[] = { "seed", "step", "epoch" };
    for (int i = 0; i < 3; i++)
        if (ctx[i])
            p->var_name[ctx[i]->id] = fresh(&scope, ctx_name[i]);
    name_block(&scope, &f->body);
}

void c_list_add(CList *l, const char *item)
{
    if (l->n++) {
        text_add(l->out, ",");
        if (l->out->len - l->line_start + strlen(item) > 100) {
            text_add(l->out, "\n");
            l->line_start = l->out->len;
            for (int i = 0; i < l->align; i++)
                text_add(l->out, " ");
        } else {
            text_add(l->out, " ");
        }
    }
    text_add(l->out, item);
}
