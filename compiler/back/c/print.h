/* What the files of the C back end share. Not for others. */
#ifndef NNC_BACK_C_PRINT_H
#define NNC_BACK_C_PRINT_H
#include "back/c/c.h"

/* Static inline functions and types of the prelude, each for one type. */
typedef enum {
    CH_TYPE, CH_LOAD, CH_STORE, CH_LOAD_N, CH_STORE_N, CH_SPLAT, CH_RAMP, CH_MIN, CH_MAX, CH_ABS,
    CH_SQRT, CH_FLOOR, CH_ROUND, CH_SELECT, CH_HADD, CH_HMIN, CH_HMAX, CH_ZIP_LOW, CH_ZIP_HIGH, CH_BITCAST
} CHelper;

typedef struct {
    CHelper helper;
    LType type, from; /* from: CH_BITCAST's source */
} CUse;

typedef struct {
    Arena *arena;
    const LProgram *program;
    CBackOptions options;
    Text out;
    Vec(CUse) uses; /* in order of first need: dependencies come first */
    bool uses_math, uses_string, uses_x86, uses_parallel, uses_unroll;
    /* the function at hand */
    const LFunc *func;
    const char **var_name, **buf_name; /* by id */
    BackUses uses_of;
    int depth;
    const char **kernel_names; /* of all functions, once something asked */
    const int *same;           /* follows program->funcs: back_stand_ins */
} CPrinter;

/* expr.c */
void c_expr(CPrinter *p, const LExpr *e);               /* as an initialiser or argument */
void c_store(CPrinter *p, const LStmt *s);
const char *c_type(CPrinter *p, LType type);            /* "float", "f32x16"; notes its need */
const char *c_memory_type(LKind kind);                  /* "uint8_t" for bool */
void c_float(Text *out, double value, bool *uses_math); /* C literal of a float */

/* prelude.c */
void c_need(CPrinter *p, CHelper helper, LType type, LType from);
const char *c_helper_name(CPrinter *p, CHelper helper, LType type, LType from);
void c_prelude(CPrinter *p, Text *out);

/* names.c */
void c_name_function(CPrinter *p, const LFunc *f); /* fills var_name and buf_name */
char *c_upper(Arena *arena, const char *name);
void c_add_string(Text *out, const char *s); /* a C string literal; NULL as NULL */
char *c_comment_text(Arena *arena, const char *text); /* cannot end a comment */

/* A list of parameters or arguments, broken at about 100 columns, aligned. */
typedef struct {
    Text *out;
    size_t line_start;
    int align, n;
} CList;
void c_list_add(CList *list, const char *item);

/* header.c */
void c_declarations(CPrinter *p, Text *out, bool guard);
/* "void NAME_entry(...)" without a semicolon; lines continue under `indent` blanks. */
void c_signature(CPrinter *p, Text *out, const LEntry *e);
void c_wrapper(CPrinter *p, Text *out, const LEntry *e, const char *name, const char *ctx_type);
const char *c_input_name(CPrinter *p, const LEntry *e, int i);
const char *c_output_name(CPrinter *p, const LEntry *e, int i);
#endif
