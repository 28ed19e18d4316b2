/* Names that become symbols: made fit for C and for its libraries, the same in every back end. */
#include "back/common/common.h"
#include <ctype.h>
#include <string.h>

static const char *const RESERVED[] = {
    "alignas", "alignof", "and", "arena", "asm", "auto", "bool", "break", "case", "catch", "char",
    "class", "const", "constexpr", "continue", "default", "delete", "do", "double", "else", "enum",
    "explicit", "export", "extern", "false", "float", "for", "friend", "goto", "if", "inline", "int",
    "long", "main", "memcpy", "mutable", "namespace", "new", "not", "nullptr", "operator", "or",
    "private", "protected", "public", "register", "restrict", "return", "short", "signed", "sizeof",
    "static", "struct", "switch", "template", "this", "throw", "true", "try", "typedef", "typeid",
    "typename", "typeof", "union", "unsigned", "using", "virtual", "void", "volatile", "while", "xor",
    "linux", "unix", "NULL", "INFINITY", "NAN", "sqrtf", "floorf", "rintf", "fmodf", "memset",
};

/* "f32x16", "i64_min": the prelude's own names. */
static bool looks_like_helper(const char *s)
{
    return strchr("fiub", s[0]) && isdigit((unsigned char)s[1]) && isdigit((unsigned char)s[2]);
}

static bool is_reserved(const char *s)
{
    for (size_t i = 0; i < sizeof RESERVED / sizeof *RESERVED; i++)
        if (strcmp(s, RESERVED[i]) == 0)
            return true;
    return strncmp(s, "int", 3) == 0 || strncmp(s, "uint", 4) == 0 || strncmp(s, "NNC_", 4) == 0 ||
           looks_like_helper(s);
}

const char *back_identifier(Arena *arena, const char *name)
{
    size_t len = strlen(name);
    char *s = arena_alloc(arena, len + 3);
    size_t n = 0;
    if (!len || isdigit((unsigned char)name[0]))
        s[n++] = 'v';
    for (size_t i = 0; i < len; i++) {
        char c = name[i];
        bool ok = isalnum((unsigned char)c) && (unsigned char)c < 128;
        s[n++] = ok ? c : '_';
    }
    if (s[0] == '_')
        s[0] = 'v';
    if (is_reserved(s))
        s[n++] = '_';
    return s;
}

/* Names that a header we include, or the compiler itself, gives to functions. */
static const char *const LIBRARY[] = {
    "abs", "acos", "asin", "atan", "ceil", "cos", "cosh", "div", "drem", "erf", "erfc", "exp", "expm1", "fabs", "finite",
    "floor", "fma", "fmax", "fmin", "fmod", "frexp", "gamma", "hypot", "index", "isinf", "isnan", "j0", "j1", "jn",
    "ldexp", "lgamma", "log", "log2", "memchr", "memcmp", "memmove", "modf", "nan", "pow", "pow10", "printf", "puts",
    "remainder", "rindex", "rint", "round", "scalb", "select", "significand", "sin", "sinh", "sqrt", "strlen", "tan",
    "tanh", "tgamma", "trunc", "y0", "y1", "yn",
};

const char *back_kernel_name(Arena *arena, const LFunc *f)
{
    const char *s = back_identifier(arena, f->name);
    for (size_t i = 0; i < sizeof LIBRARY / sizeof *LIBRARY; i++)
        if (strcmp(s, LIBRARY[i]) == 0)
            return arena_printf(arena, "%s_kernel", s);
    return s;
}

const char *back_entry_name(Arena *arena, const LProgram *program, const LEntry *e)
{
    return arena_printf(arena, "%s_%s", program->c_name, e->c_name);
}

char *back_wrapper_name(Arena *arena, const LProgram *program, const LEntry *e)
{
    return arena_printf(arena, "%s_run_%s", program->c_name, e->c_name);
}
