/* The operations of the loop IR as a table: spelling in the text form and number of operands. */
#include "loop/expr.h"

static const struct {
    const char *name;
    int arity;
} OP[] = {
    [LX_CONST] = { "const", 0 }, [LX_VAR] = { "var", 0 }, [LX_LOAD] = { "load", 1 },
    [LX_ADD] = { "+", 2 }, [LX_SUB] = { "-", 2 }, [LX_MUL] = { "*", 2 }, [LX_DIV] = { "/", 2 },
    [LX_MOD] = { "%", 2 }, [LX_MIN] = { "min", 2 }, [LX_MAX] = { "max", 2 }, [LX_NEG] = { "neg", 1 },
    [LX_ABS] = { "abs", 1 }, [LX_SQRT] = { "sqrt", 1 }, [LX_FLOOR] = { "floor", 1 },
    [LX_ROUND] = { "round", 1 }, [LX_FMA] = { "fma", 3 }, [LX_AND] = { "and", 2 },
    [LX_OR] = { "or", 2 }, [LX_XOR] = { "xor", 2 }, [LX_NOT] = { "not", 1 }, [LX_SHL] = { "shl", 2 },
    [LX_SHR] = { "shr", 2 }, [LX_EQ] = { "==", 2 }, [LX_NE] = { "!=", 2 }, [LX_LT] = { "<", 2 },
    [LX_LE] = { "<=", 2 }, [LX_SELECT] = { "select", 3 }, [LX_CAST] = { "cast", 1 },
    [LX_BITCAST] = { "bitcast", 1 }, [LX_SPLAT] = { "splat", 1 }, [LX_RAMP] = { "ramp", 1 },
    [LX_LANE] = { "lane", 1 }, [LX_HADD] = { "hadd", 1 }, [LX_HMIN] = { "hmin", 1 },
    [LX_HMAX] = { "hmax", 1 }, [LX_ZIP_LOW] = { "zip_low", 2 }, [LX_ZIP_HIGH] = { "zip_high", 2 },
    [LX_EXP] = { "exp", 1 }, [LX_LOG] = { "log", 1 }, [LX_TANH] = { "tanh", 1 },
    [LX_SIGMOID] = { "sigmoid", 1 }, [LX_ERF] = { "erf", 1 }, [LX_SIN] = { "sin", 1 }, [LX_POW] = { "pow", 2 },
};
_Static_assert(sizeof OP / sizeof *OP == LX_POW + 1, "every operation has a row");

const char *lop_name(LOp op) { return (unsigned)op <= LX_POW ? OP[op].name : "?"; }
int lop_arity(LOp op) { return (unsigned)op <= LX_POW ? OP[op].arity : 0; }
