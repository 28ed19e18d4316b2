/* Files: the library, the main file and its imports, their top-level names, and -D definitions. */
#include "front/elab.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_UNITS = 256 };

static Unit *unit_of_path(Front *f, const char *path)
{
    for (int i = 0; i < f->units.len; i++)
        if (strcmp(f->units.data[i]->source->path, path) == 0)
            return f->units.data[i];
    return NULL;
}

static void add_symbol(Front *f, Unit *u, Decl *d)
{
    Symbol *other = unit_find(u, d->name.name);
    if (other) {
        diag_error(f->diags, d->name.span, "%s is defined twice", d->name.name);
        diag_note(f->diags, other->decl->name.span, "it was defined here first");
        return;
    }
    Symbol *s = ARENA_NEW(f->arena, Symbol);
    *s = (Symbol){ .name = d->name.name, .decl = d, .unit = u };
    VEC_PUSH(f->arena, &u->symbols, s);
}

static void report_cycle(Front *f, Unit *target, Span at)
{
    Text chain = { .arena = f->arena };
    bool inside = false;
    for (int i = 0; i < f->units.len; i++) {
        Unit *u = f->units.data[i];
        inside = inside || u == target;
        if (inside && u->loading)
            text_addf(&chain, "%s -> ", u->source->path);
    }
    text_add(&chain, target->source->path);
    diag_error(f->diags, at, "files import each other in a circle");
    diag_note(f->diags, SPAN_NONE, "%s", chain.data);
    diag_note(f->diags, SPAN_NONE, "move what both need into a third file that imports neither");
}

/* "a/./b" and "a/b/../c" in one spelling, so that a file is known again. */
static char *path_normal(Front *f, const char *path)
{
    char *out = arena_alloc(f->arena, strlen(path) + 1);
    size_t n = 0;
    for (const char *p = path; *p;) {
        size_t len = strcspn(p, "/");
        if (len == 1 && p[0] == '.') {
            p += p[1] ? 2 : 1;
            continue;
        }
        if (len == 2 && p[0] == '.' && p[1] == '.' && n > 1) {
            size_t start = n - 1;
            while (start > 0 && out[start - 1] != '/')
                start--;
            if (strncmp(out + start, "../", 3) != 0) {
                n = start;
                p += p[2] ? 3 : 2;
                continue;
            }
        }
        memcpy(out + n, p, len);
        n += len;
        p += len;
        if (*p) {
            out[n++] = '/';
            p++;
        }
    }
    out[n] = 0;
    return out;
}

/* Folder of `from` joined with a relative path. */
static const char *import_path(Front *f, const char *path, const Source *from)
{
    const char *slash = strrchr(from->path, '/');
    if (path[0] != '/' && slash)
        path = front_printf(f, "%.*s/%s", (int)(slash - from->path), from->path, path);
    return path_normal(f, path);
}

static Source *import_source(Front *f, const Decl *d, Unit *from)
{
    const char *why = "cannot be read";
    Source *s;
    if (f->options->import)
        s = f->options->import(f->options->user, d->path, from->source, &why);
    else
        s = source_read(f->arena, import_path(f, d->path, from->source), &why);
    if (!s) {
        diag_error(f->diags, d->span, "cannot import \"%s\": %s", d->path, why);
        diag_note(f->diags, SPAN_NONE, "the path is relative to the folder of %s", from->source->path);
    }
    return s;
}

/* A name from two imported files would depend on their order. */
static bool check_clash(Front *f, const Unit *u, const Decl *d, const Unit *target)
{
    for (int i = 0; i < u->imports.len; i++) {
        Unit *other = u->imports.data[i];
        for (int k = 0; k < target->symbols.len && other != target; k++) {
            const char *name = target->symbols.data[k]->name;
            Symbol *clash = unit_find(other, name);
            if (!clash || unit_find((Unit *)u, name))
                continue;
            diag_error(f->diags, d->span, "%s is defined in \"%s\" and in %s", name, d->path, other->source->path);
            diag_note(f->diags, clash->decl->name.span, "the other one");
            diag_note(f->diags, SPAN_NONE, "give one a name of its own: import \"%s\" as m, then m.%s", d->path, name);
            return false;
        }
    }
    return true;
}

static void load_import(Front *f, Unit *u, Decl *d)
{
    Source *source = import_source(f, d, u);
    if (!source)
        return;
    Unit *target = unit_of_path(f, source->path);
    if (!target && f->units.len >= MAX_UNITS) {
        diag_error(f->diags, d->span, "more than %d files", MAX_UNITS);
        return;
    }
    if (target && target->loading) {
        report_cycle(f, target, d->span);
        return;
    }
    if (!target)
        target = unit_load(f, source, false);
    if (d->as.name)
        VEC_PUSH(f->arena, &u->spaces, (struct Space){ d->as.name, target, d->as.span });
    else if (check_clash(f, u, d, target))
        VEC_PUSH(f->arena, &u->imports, target);
}

Unit *unit_load(Front *f, const Source *source, bool library)
{
    Unit *u = ARENA_NEW(f->arena, Unit);
    u->source = source;
    u->library = library;
    u->loading = true;
    VEC_PUSH(f->arena, &f->units, u);
    u->file = dsl_parse(f->arena, f->names, source, f->diags);
    for (int i = 0; i < u->file->n_decls; i++) {
        Decl *d = u->file->decls[i];
        if (d->kind == D_IMPORT)
            load_import(f, u, d);
        else if (d->name.name)
            add_symbol(f, u, d);
    }
    u->loading = false;
    return u;
}

void library_load(Front *f)
{
    for (int i = 0; i < DSL_STD_COUNT; i++) {
        const char *path = front_printf(f, "<std>/%s", DSL_STD[i].name);
        Source *s = source_new(f->arena, path, DSL_STD[i].text, DSL_STD[i].len);
        VEC_PUSH(f->arena, &f->library, unit_load(f, s, true));
    }
}

const char *define_find(Front *f, const char *name)
{
    for (int i = f->options->n_defines - 1; i >= 0; i--)
        if (strcmp(f->options->defines[i].name, name) == 0) {
            f->define_used[i] = true;
            return f->options->defines[i].value;
        }
    return NULL;
}

Value define_value(Front *f, const char *text)
{
    char *end;
    errno = 0;
    long long i = strtoll(text, &end, 10);
    if (*text && !*end && !errno)
        return value_int(i);
    double d = strtod(text, &end);
    if (*text && !*end)
        return value_float(d);
    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
        return value_bool(text[0] == 't');
    return value_string(arena_strdup(f->arena, text));
}
