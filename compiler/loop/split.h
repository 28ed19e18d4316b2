/* Splitting of loops ahead of vectorisation; see split.c. */
#ifndef NNC_LOOP_SPLIT_H
#define NNC_LOOP_SPLIT_H
#include "loop/expr.h"

enum { SPLIT_RANGES = 6 };
/* Appends to out what does the same as loop s. False: nothing to split, out is as it was. */
bool loop_split(LFunc *f, const LStmt *s, LBlock *out);
#endif
