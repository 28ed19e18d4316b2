/* The reader's parts: tokens (read_token.c), values of attributes (read_value.c), and lines
 * (read.c). Private to compiler/graph.
 *
 * Every ir_* function returns false after reporting an error; the line loop then skips to the next
 * line. Text is never trusted: counts, ranges and references are checked where they are read. */
#ifndef NNC_GRAPH_READ_H
#define NNC_GRAPH_READ_H
#include "graph/text_form.h"

/* A map from numbers in the text (%12, k3) to what they name; open addressing. */
typedef struct {
    int64_t *key;
    void **value;
    uint32_t *begin; /* where it was defined, for notes */
    int len, cap;
} NumberMap;

typedef struct {
    Arena *arena;
    Diags *diags;
    const Source *source;
    uint32_t at; /* next byte */
    Module *module;
    Graph *graph;      /* being read, or NULL */
    uint32_t graph_at; /* where its name stands */
    NumberMap values;  /* %N -> Node */
    NumberMap kernels; /* kN -> Kernel; begin: first mention */
} Reader;

/* ---- tokens ---- */
void ir_space(Reader *r);      /* spaces and comments, not newlines */
bool ir_at_end(Reader *r);     /* at a newline or the end of the text */
bool ir_accept(Reader *r, const char *text); /* punctuation, or a whole word */
bool ir_expect(Reader *r, const char *text);
bool ir_word(Reader *r, const char **word, const char *what);
bool ir_string(Reader *r, const char **text);
bool ir_name(Reader *r, const char **name); /* @name or @"name" */
bool ir_int(Reader *r, int64_t *value);     /* decimal, within +-TYPE_MAX_COUNT */
bool ir_bits(Reader *r, int64_t *value);    /* 0x and up to 16 digits */
bool ir_number(Reader *r, double *value);   /* floating; inf, nan */
bool ir_label(Reader *r, char sigil, int64_t *number); /* %12, k3 */
bool ir_fail(Reader *r, uint32_t begin, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The same at the one token that stands at `begin`, however far the reader has come. */
bool ir_fail_token(Reader *r, uint32_t begin, const char *format, ...) __attribute__((format(printf, 3, 4)));
Span ir_span(const Reader *r, uint32_t begin, uint32_t end);
void ir_skip_line(Reader *r);

/* ---- values ---- */
bool ir_type(Reader *r, Type *type);
bool ir_loc(Reader *r, Loc *loc); /* behind the word `loc` */
bool ir_paren_string(Reader *r, const char **text);
bool ir_attr_value(Reader *r, const AttrDef *def, Attr *attr);
bool ir_operand(Reader *r, Node **node);
/* Operands and attribute of a contract, from behind the op's name. */
bool ir_contract(Reader *r, NodeVec *in, Attr *attr);

void *ir_map_find(const NumberMap *m, int64_t key, uint32_t *begin);
void ir_map_add(Arena *arena, NumberMap *m, int64_t key, void *value, uint32_t begin);
#endif
