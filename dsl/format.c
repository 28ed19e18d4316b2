/* Formatter: follows in the next commit. */
#include "dsl/ast.h"
char *dsl_format(Arena *a, const File *f){(void)f;return arena_strdup(a,"");}
