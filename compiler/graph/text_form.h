/* What printer, reader and verifier share of the text form. Private to compiler/graph. */
#ifndef NNC_GRAPH_TEXT_FORM_H
#define NNC_GRAPH_TEXT_FORM_H
#include "graph/op.h"

/* Words of the text form; NULL and -1 when there is none ("?" for a kind of kernel). */
const char *kernel_kind_name(int kind); /* also in ops/kernel.h, which has the enum */
int kernel_kind_find(const char *name);
const char *graph_kind_name(int kind);
int graph_kind_find(const char *name);
const char *var_kind_name(int kind);
int var_kind_find(const char *name);

/* True for attributes that only repeat the result type (`shape`, `dtype`): not in the text. */
bool attr_from_type(const AttrDef *def);

/* Characters of a plain @name and of a word; other names are quoted. */
static inline bool is_word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}
static inline bool is_name_char(char c) { return is_word_char(c) || c == '.' || c == '/' || c == '$'; }

/* Constants in text hold at most this many elements, so that a few characters cannot ask for more
 * memory than there is. */
enum { TEXT_CONST_MAX = 1 << 24 };
#endif
