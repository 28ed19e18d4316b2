#include "emit.h"

#include "back/c/c.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
    const char *name, *suffix;
    NativeKind native;
} KINDS[] = {
    [EMIT_C] = { "c", "c", 0 },
    [EMIT_OBJ] = { "obj", "o", NATIVE_OBJ },
    [EMIT_ASM] = { "asm", "s", NATIVE_ASM },
    [EMIT_IR] = { "llvm-ir", "ll", NATIVE_IR },
    [EMIT_BITCODE] = { "bitcode", "bc", NATIVE_BITCODE },
};
enum { N_KINDS = sizeof KINDS / sizeof *KINDS };

const char *emit_kind(Arena *arena, const char *name, EmitKind *kind)
{
    const char *names[N_KINDS];
    for (int i = 0; i < N_KINDS; i++) {
        names[i] = KINDS[i].name;
        if (strcmp(name, KINDS[i].name) != 0)
            continue;
        *kind = (EmitKind)i;
        return i == EMIT_C || native_has_llvm() ? NULL : native_why_no_llvm(arena, arena_printf(arena, "--kind %s", name));
    }
    const char *near = text_nearest(name, names, N_KINDS);
    if (near)
        return arena_printf(arena, "nothing of kind '%s' can be emitted\nnote: did you mean %s?", name, near);
    return arena_printf(arena, "nothing of kind '%s' can be emitted\nnote: known: " EMIT_KINDS, name);
}

/* A message about a file: LLVM's own faults have no place. */
static const char *at(Arena *arena, const char *path, const char *why)
{
    return why ? arena_printf(arena, "%s: %s", path, why) : NULL;
}

static const char *write_text(Arena *arena, const char *path, const char *text)
{
    return at(arena, path, text_write_file(arena, path, text, strlen(text)));
}

const char *emit_files(const NativeLlvm *code, EmitKind kind, const char *dir, NativeCost *cost)
{
    Arena *arena = code->arena;
    const char *name = code->program->c_name;
    bool made = mkdir(dir, 0777) == 0;
    if (!made && errno != EEXIST)
        return arena_printf(arena, "%s: cannot create the folder: %s\nnote: check that the folder above it exists and may be written to", dir,
                            strerror(errno));
    CBackOptions c = { .object = kind == EMIT_C ? NULL : KINDS[kind].suffix,
                       .object_cpu = code->target->cpu ? code->target->name : "the processor of the machine that made it" };
    const char *body = arena_printf(arena, "%s/%s.%s", dir, name, KINDS[kind].suffix);
    const char *why = kind == EMIT_C ? write_text(arena, body, back_c_source(arena, code->program, &c))
                                     : at(arena, body, native_emit(code, KINDS[kind].native, body, cost));
    if (!why) {
        why = write_text(arena, arena_printf(arena, "%s/%s.h", dir, name), back_c_header(arena, code->program, &c));
        if (why)
            remove(body);
    }
    if (why && made)
        rmdir(dir);
    return why;
}
