/* The public API: text of a network in, a program out. Nothing here exits or prints; diagnostics go
 * to a callback. Not thread-safe per handle; handles are independent. */
#ifndef NNC_H
#define NNC_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NNC_VERSION "0.1.0"
#endif
