/* The loop IR: functions over buffers, one a kernel, and the plan by which an entry point calls them.
 * It knows nothing of graphs; the back ends see nothing else.
 *
 * Expressions are trees without side effects; statements are structured. Vectors are part of the IR:
 * a type has 1 lane (scalar) or 4, 8, 16, 32. Index expressions are i64. An immutable LVar is defined
 * once (let, loop variable, parameter); a mutable one (accumulator) may be set.
 *
 * Text form (loop_print, loop_read round-trip):
 *
 *     func @mlp_fc1(%x: f32[25088] in, %w: f32[100352] in, %y: f32[4096] out noalias) {
 *       parallel for %n = 0 to 32 {
 *         for %o = 0 to 128 step 16 {
 *           var %acc: f32x16 = splat.f32x16(0.0)
 *           for %i = 0 to 784 { %acc = fma(splat(load %x[%n * 784 + %i]), load.f32x16 %w[...], %acc) }
 *           store %y[%n * 128 + %o], %acc
 */
#ifndef NNC_LOOP_LOOP_H
#define NNC_LOOP_LOOP_H
#include "base/arena.h"
#include "base/diag.h"
#include "base/text.h"
#include "runtime/nnr.h"

typedef enum { LK_F32, LK_F64, LK_I32, LK_U32, LK_I64, LK_U64, LK_BOOL /* u8 in memory */ } LKind;
typedef struct {
    uint8_t kind, lanes;
} LType;
static inline LType ltype(LKind kind, int lanes) { return (LType){ (uint8_t)kind, (uint8_t)lanes }; }

typedef enum {
    /* leaves */
    LX_CONST, /* fval or ival */
    LX_VAR,
    LX_LOAD,  /* buf[index], lanes consecutive elements; limit: only the first `limit` lanes are read,
                 the rest are 0 (NULL: all) */
    /* arithmetic: operands and result of one type */
    LX_ADD, LX_SUB, LX_MUL,
    LX_DIV, LX_MOD, /* integers: truncation toward zero; MOD is for integers only */
    LX_MIN, LX_MAX, /* a < b ? a : b, a > b ? a : b: where one is a NaN the result is b */
    LX_NEG, LX_ABS, LX_SQRT, LX_FLOOR,
    LX_ROUND /* half to even */, LX_FMA /* a*b + c, one rounding where the target has it */,
    LX_AND, LX_OR, LX_XOR, LX_NOT, LX_SHL, LX_SHR /* arithmetic for signed; count below the width */,
    /* comparisons give LK_BOOL of the same lanes */
    LX_EQ, LX_NE, LX_LT, LX_LE,
    LX_SELECT,  /* a ? b : c; a is LK_BOOL. Both are evaluated: a load in either must be in bounds */
    LX_CAST,    /* value conversion to type (float to int truncates; bool from x is x != 0) */
    LX_BITCAST, /* same size */
    LX_SPLAT,   /* scalar to vector */
    LX_RAMP,    /* a + 0, a + 1, ... : vector of an integer scalar */
    LX_LANE,    /* lane ival of vector a */
    LX_HADD, LX_HMIN, LX_HMAX, /* all lanes of a to a scalar, fixed binary tree: halves folded */
    LX_ZIP_LOW, LX_ZIP_HIGH,   /* vectors a0 b0 a1 b1 ... of the lower, the upper halves of a and b */
    /* math: expanded to the above by loop_expand_math before a back end sees it (f32 only) */
    LX_EXP, LX_LOG, LX_TANH, LX_SIGMOID, LX_ERF, LX_SIN, LX_POW
} LOp;

typedef struct LExpr LExpr;
typedef struct LStmt LStmt;

typedef struct {
    const char *name; /* unique in the function */
    LType type;
    bool mutable_;
    bool ranged;      /* an i64 known to lie in [min, max] (loop variables with known bounds) */
    int64_t min, max;
    int id;
} LVar;

typedef enum { LB_IN, LB_OUT, LB_INOUT, LB_LOCAL /* on the stack, small */ } LBufRole;
typedef struct {
    const char *name; /* unique in the function */
    LKind kind;
    int64_t count; /* elements */
    LBufRole role;
    bool noalias; /* no other parameter of any call overlaps it */
    const double *data; /* LB_LOCAL: a table of constants with these values, never written; else NULL */
    int id;
} LBuf;

struct LExpr {
    LOp op;
    LType type;
    LExpr *a, *b, *c; /* LX_LOAD: a is the index, b the limit or NULL */
    int64_t ival;
    double fval;
    const LVar *var;
    const LBuf *buf;
};

typedef enum {
    LS_LET, LS_VAR, LS_SET, LS_STORE, LS_FOR, LS_IF, LS_LOCAL, LS_NOTE,
    LS_PREFETCH /* buf[index] will be read soon; no effect otherwise, and any index is allowed */
} LStmtKind;
typedef enum { LF_SERIAL, LF_PARALLEL, LF_UNROLL /* the printer may leave that to the compiler */ } LForKind;

typedef struct {
    LStmt **data;
    int len, cap;
} LBlock;

struct LStmt {
    LStmtKind kind;
    LVar *var;            /* LET, VAR (mutable), SET, FOR */
    LBuf *buf;            /* STORE, LOCAL, PREFETCH */
    LExpr *index, *value; /* STORE (PREFETCH: index); LET, VAR, SET: value; IF: value is the condition */
    LExpr *limit;         /* STORE of a vector: only the first `limit` lanes; NULL: all */
    LExpr *lo, *hi;       /* FOR: [lo, hi) by step */
    int64_t step;
    LForKind for_kind;
    LBlock body, other;   /* FOR, IF: then; IF: else */
    int64_t odds[2];      /* IF: how often it is true and how often not, where that is known; else 0, 0 */
    const char *note;     /* NOTE: a comment */
};

typedef struct {
    Arena *arena;
    const char *name;
    Vec(LBuf *) params;
    int64_t scratch_bytes;  /* > 0: the last parameter is an arena scratch buffer of that size */
    bool uses_ctx;          /* reads seed, step, epoch */
    LVar *seed, *step, *epoch; /* u64, u64, i32: parameters when uses_ctx */
    LBuf *scratch;             /* made by lfunc_scratch; kept the last parameter */
    struct LNames *names;      /* those taken (private to loop/block.c) */
    LBlock body;
    const char *note;       /* comment above the function: layers and .nn lines it comes from */
    const char *path;       /* layer path, for reports */
    const char *schedule;   /* how it was lowered, in words, for reports; or NULL */
    Loc loc;
    int64_t flops;          /* for reports: operations of the network it computes, a multiply-add being two */
    int64_t bytes;          /* for reports: of its parameters, read and written, each once */
    int n_vars, n_bufs;
} LFunc;

/* ---- the program ---- */
typedef enum { LR_VAR, LR_INPUT, LR_OUTPUT, LR_ARENA, LR_LANE /* the arena of a lane: LRun */ } LRefKind;
typedef struct {
    LRefKind kind;
    int index;      /* variable, input or output number */
    int64_t offset; /* LR_ARENA, LR_LANE: bytes */
    int64_t step;   /* in a run: bytes from one chunk's place to the next one's */
} LRef;

typedef struct {
    LFunc *func;
    LRef *args; /* as func->params */
} LCall;

/* Calls that are made one after another for a chunk, then for the next one. Lane l of `lanes` takes chunks
 * l, l + lanes, l + 2 lanes ...; lanes run in parallel, and each has lane_bytes of the arena, from
 * offset + l * lane_bytes on. So the arena's size is known, whatever the number of threads, and what is
 * computed depends on neither. */
typedef struct {
    int first, count; /* calls */
    int64_t chunks, lanes, lane_bytes, offset;
} LRun;

typedef struct {
    nnr_info info; /* name as in the .nn file, dotted paths included */
    const char *c_name; /* identifier, unique among variables */
    nnr_var_kind kind;
    int64_t count, offset; /* elements; byte offset in the weights or slots block */
    nnr_layout layout;     /* how the elements lie in memory, where that is not row major */
} LGlobal;

typedef struct {
    const char *name, *c_name; /* "gan.critic", "gan_critic" */
    const char *train;
    nnr_entry_kind kind;
    int64_t batch;
    nnr_info *in, *out;
    int n_in, n_out;
    Vec(LCall) calls;
    Vec(LRun) runs; /* in the order of their calls; calls in none are made once */
    int64_t arena_bytes;
    bool writes_weights, uses_slots, uses_ctx;
} LEntry;

typedef struct {
    Arena *arena;
    const char *name, *c_name;
    const char *source; /* path of the .nn file, for comments */
    LGlobal *globals;
    int n_globals;
    int64_t weights_bytes, slots_bytes;
    Vec(LFunc *) funcs;
    Vec(LEntry *) entries;
} LProgram;

/* What the scheduler may know of the processor (vectors, registers, caches), and what the processor is
 * called, in the words of LLVM and GCC, for whoever makes machine code for it. */
typedef struct {
    const char *name;      /* "x86-64-v4" */
    int vector_bytes;      /* 64, 32, 16; 4: scalar code only */
    int vector_registers;  /* 32, 16 */
    bool fma;
    int64_t l1, l2, l3;    /* bytes, of one core */
    /* Several cores (loop/cores.h): how many there are; cycles of a fork and its join; cycles that a line takes
     * from one core to another, and later the right to write it again. */
    int cores, fork_cycles, line_cycles;
    const char *triple;    /* NULL: this machine's */
    const char *cpu;       /* NULL: this machine's, with all that it has */
    const char *features;  /* beyond what the cpu has ("+v"), or NULL */
    const struct LTuning *tuning; /* schedules found by measuring (loop/tile.h), or NULL */
    bool no_winograd;      /* keep to direct sums (nnc --no-winograd) */
    int unit_bytes;        /* what its units take of a vector in a cycle, so that a vector of so many bytes costs half
                              of what a long one does; 0: all of it, short vectors save nothing */
    struct LTileMemo *memo; /* schedules that were asked for before (loop/tile.h), or NULL */
} LTarget;
extern const LTarget LTARGET_GENERIC, LTARGET_PORTABLE, LTARGET_X86_V3, LTARGET_X86_V4, LTARGET_ARMV8,
    LTARGET_RISCV64, LTARGET_RISCV64_V;
#define LTARGET_NAMES "generic, portable, x86-64-v3, x86-64-v4, armv8, riscv64, riscv64-v"
const LTarget *ltarget_find(const char *name); /* NULL: unknown */
const LTarget *ltarget_host(void);             /* what this machine has */
/* The target of a processor as LLVM and GCC name it ("znver4", "cortex-a72"; NULL: the architecture's
 * baseline) under a target triple ("aarch64-linux-gnu"; NULL: this machine's). "native" is this
 * machine's processor. NULL with *why, which may hold a note, when one of them is not known. */
const LTarget *ltarget_of_cpu(Arena *arena, const char *triple, const char *cpu, const char **why);
/* Is code for it meant for this machine's architecture? (Its instructions may still be missing.) */
bool ltarget_is_native(const LTarget *t);

/* Sets uses_ctx and makes the variables seed, step and epoch. */
void lfunc_use_ctx(LFunc *f);

/* ---- building ----
 * Expression builders fold constants and neutral elements (x*1, x+0, 0*x for integers), so callers
 * write index arithmetic plainly. Mixed scalar/vector operands: the scalar is splatted. */
LExpr *lx_int(LFunc *f, LKind kind, int64_t value);
static inline LExpr *lx_i64(LFunc *f, int64_t value) { return lx_int(f, LK_I64, value); }
LExpr *lx_float(LFunc *f, double value); /* f32 */
LExpr *lx_var(LFunc *f, const LVar *v);
LExpr *lx_load(LFunc *f, const LBuf *buf, LExpr *index, int lanes, LExpr *limit);
LExpr *lx_un(LFunc *f, LOp op, LExpr *a);
LExpr *lx_bin(LFunc *f, LOp op, LExpr *a, LExpr *b);
LExpr *lx_fma(LFunc *f, LExpr *a, LExpr *b, LExpr *c);
LExpr *lx_select(LFunc *f, LExpr *cond, LExpr *a, LExpr *b);
LExpr *lx_cast(LFunc *f, LExpr *a, LKind kind);
LExpr *lx_bitcast(LFunc *f, LExpr *a, LKind kind);
LExpr *lx_splat(LFunc *f, LExpr *a, int lanes);
LExpr *lx_ramp(LFunc *f, LExpr *a, int lanes);
LExpr *lx_lane(LFunc *f, LExpr *a, int lane);
static inline LExpr *lx_add(LFunc *f, LExpr *a, LExpr *b) { return lx_bin(f, LX_ADD, a, b); }
static inline LExpr *lx_mul(LFunc *f, LExpr *a, LExpr *b) { return lx_bin(f, LX_MUL, a, b); }
LExpr *lx_math(LFunc *f, LOp op, LExpr *a, LExpr *b /* pow */);

LFunc *lfunc_new(Arena *arena, const char *name);
LBuf *lfunc_param(LFunc *f, const char *name, LKind kind, int64_t count, LBufRole role);
/* Reserves bytes of arena scratch, aligned to NNR_ALIGN. The one scratch buffer (f32) is f->scratch;
 * the result is the element in it at which the reserved part begins. */
int64_t lfunc_scratch(LFunc *f, int64_t bytes);
LVar *lfunc_var(LFunc *f, const char *name, LType type, bool mutable_); /* name made unique */
LBuf *lfunc_local(LFunc *f, LBlock *at, const char *name, LKind kind, int64_t count);
LVar *lb_let(LFunc *f, LBlock *at, const char *name, LExpr *value);
LVar *lb_var(LFunc *f, LBlock *at, const char *name, LExpr *init);
void lb_set(LFunc *f, LBlock *at, LVar *var, LExpr *value);
void lb_store(LFunc *f, LBlock *at, LBuf *buf, LExpr *index, LExpr *value, LExpr *limit);
/* Appends a loop; returns its statement (body empty, variable made). */
LStmt *lb_for(LFunc *f, LBlock *at, const char *name, LExpr *lo, LExpr *hi, int64_t step, LForKind k);
LStmt *lb_if(LFunc *f, LBlock *at, LExpr *cond);
/* The same, for a condition that is true `yes` times for `no` times that it is not. */
LStmt *lb_if_odds(LFunc *f, LBlock *at, LExpr *cond, int64_t yes, int64_t no);
void lb_prefetch(LFunc *f, LBlock *at, LBuf *buf, LExpr *index);
void lb_note(LFunc *f, LBlock *at, const char *note);

/* ---- text, checks, transformations ---- */
void loop_print_func(const LFunc *f, Text *out);
void loop_print(const LProgram *p, Text *out); /* functions, then entries with their calls */
LProgram *loop_read(Arena *arena, Intern *names, const Source *source, Diags *diags);
/* Types, definitions before uses, buffers' roles, constant-index bounds, no write to a shared location
 * in a parallel loop where that can be seen. NULL or the first fault. */
const char *loop_verify(const LFunc *f, Arena *arena);
/* Runs f on real memory, slowly and with every access checked: what transformations are tested
 * against. buffers as f->params; parallel loops run from the last iteration to the first, so that a
 * dependence between iterations shows. NULL, or what went wrong (out of bounds, division by zero). */
const char *lfunc_eval(const LFunc *f, void *const *buffers, const nnr_ctx *ctx, Arena *arena);
/* Bytes of each parameter that f reads and writes, each byte counted once (loop/traffic.c); scratch: none. */
typedef struct {
    int64_t read, written;
} LTraffic;
LTraffic *lfunc_traffic(const LFunc *f, Arena *arena); /* as f->params */
/* Appends a call and notes what it uses of weights, slots and context. */
void lentry_add_call(const LProgram *p, LEntry *e, LCall call);
/* Runs an entry's calls one after the other as lfunc_eval does. in, out: as the entry's tables; memory: its arena.
 * NULL, or what went wrong. */
const char *lentry_eval(const LProgram *p, const LEntry *e, void *weights, void *slots, void *const *in,
                        void *const *out, void *memory, const nnr_ctx *ctx, Arena *arena);
LEntry *lentry_without_calls(Arena *arena, const LEntry *e); /* a copy that calls nothing */
/* The same for call number k of another entry point: where that is in a run, a run of the one call. */
void lentry_take_call(const LProgram *p, LEntry *e, const LEntry *from, int k);
const LRun *lentry_run(const LEntry *e, int call); /* the run that a call is in, or NULL */
/* All loops of f one iteration after another. */
void lfunc_make_serial(LFunc *f);
/* What must hold of an entry point's runs. NULL, or the first fault. */
const char *lentry_verify(const LEntry *e, Arena *arena);
/* Adds an entry point for every kernel call of every entry point, in their order behind all that are there:
 * it takes the same inputs, outputs and arena and makes that one call. */
void loop_split_calls(LProgram *p);
/* Replaces exp log tanh sigmoid erf sin pow by polynomials in the IR (<= 2 ulp, see loop/math.c). */
void loop_expand_math(LFunc *f);
/* Turns innermost serial loops marked by the lowering into vector code: unit-stride accesses become
 * vector loads and stores, invariant ones are splatted, a scalar or limited remainder follows. Loops
 * that cannot be turned stay as they are. See loop/vectorize.c. */
void loop_vectorize(LFunc *f, const LTarget *target);
/* Removes lets that nothing reads and what is empty without them; the passes here end with it. */
void loop_tidy(LFunc *f);
/* Moves loop-invariant lets outward and shares equal index arithmetic. */
void loop_hoist(LFunc *f);

#endif
