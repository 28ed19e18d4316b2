#ifndef NNC_BENCH_JSON_H
#define NNC_BENCH_JSON_H
#include "base/text.h"
/* s as a JSON string; NULL as "". */
void json_string(Text *out, const char *s);
#endif
