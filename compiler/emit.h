/* Files for callers of one's own: NAME.h with the entry points' C signatures, and the code beside it, as
 * C text or, by the LLVM back end, as an object, assembly, LLVM IR or bitcode. */
#ifndef NNC_EMIT_H
#define NNC_EMIT_H
#include "native_llvm.h"

typedef enum { EMIT_C, EMIT_OBJ, EMIT_ASM, EMIT_IR, EMIT_BITCODE } EmitKind;
#define EMIT_KINDS "c, obj, asm, llvm-ir, bitcode"

/* NULL, or a message with a note. Knows too whether this nnc can write the kind. */
const char *emit_kind(Arena *arena, const char *name, EmitKind *kind);
/* Writes DIR/NAME.h and DIR/NAME.c (.o, .s, .ll, .bc), both or neither; the folder is made. code has the
 * program and the target. NULL, or what failed and where. *cost is of LLVM kinds. */
const char *emit_files(const NativeLlvm *code, EmitKind kind, const char *dir, NativeCost *cost);
#endif
