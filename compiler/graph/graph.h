/* The graph IR: SSA over tensors with static shapes.
 *
 * A Module is a program: variables (params, states, optimizer slots) and graphs, one per entry
 * point. A Graph is a list of nodes in topological order. A node is one operation (OpDef, ops/ops.h)
 * with inputs, attributes and one result. Roots are the `output` and `update` nodes; their result
 * type is that of their operand and nobody reads it.
 *
 * Variables: every `var` node of a graph reads the value the variable had when the entry was called;
 * an `update` takes effect after all reads. A graph updates a variable at most once.
 *
 * Text form, which reads back to the same text (graph_print, module_read):
 *
 *     graph @classify step batch=32 {
 *       %0 = input {name="image"} : f32[32,28,28,1] loc("mnist.nn":13:10)
 *       %1 = var {var=@mlp.fc1.weight} : f32[128,784] path("mlp.fc1") loc("mnist.nn":3:5)
 *       %4 = contract %2[n,i], %1[o,i] -> [n,o] {n=32,o=128 | i=784} : f32[32,128]
 *       output %9 {name="loss"}
 *     }
 */
#ifndef NNC_GRAPH_GRAPH_H
#define NNC_GRAPH_GRAPH_H
#include "base/arena.h"
#include "base/diag.h"
#include "base/text.h"
#include "runtime/nnr.h"
#include <stdint.h>

enum { MAX_RANK = 8, MAX_INDEX = 16, MAX_ATTR = 4 };

typedef enum { DT_F32, DT_I32, DT_BOOL, DT_COUNT } DType;
const char *dtype_name(DType t); /* "f32" */
int dtype_bytes(DType t);        /* as stored: 4, 4, 1 */

typedef struct {
    DType dtype;
    int rank;
    int64_t dim[MAX_RANK];
} Type;

int64_t type_count(const Type *t); /* number of elements; 1 for a scalar */
bool type_equal(const Type *a, const Type *b);
bool type_same_shape(const Type *a, const Type *b);
char *type_text(Arena *arena, const Type *t); /* "f32[32,128]"; "f32" for a scalar */
/* The same into a caller's buffer; TYPE_TEXT(t) has its own, for use within one expression. */
enum { TYPE_TEXT_MAX = 192 };
const char *type_format(char *buf, size_t size, const Type *t);
#define TYPE_TEXT(t) type_format((char[TYPE_TEXT_MAX]){ 0 }, TYPE_TEXT_MAX, (t))
Type type_make(DType dtype, int rank, const int64_t *dim);
static inline Type type_scalar(DType dtype) { return (Type){ .dtype = dtype }; }

/* ---- contract: the one sum of products --------------------------------------------------------
 * Indices 0 .. n_out-1 are the output's dimensions in order, the rest are summed. Operand dimension
 * d is read at  base + sum over k of coef[k] * index k,  always within the operand (padding is a
 * `pad` node). One or two operands. */
typedef struct {
    int64_t base, coef[MAX_INDEX];
} Affine;

typedef struct {
    int n_index, n_out, n_operand;
    int64_t extent[MAX_INDEX];
    const char *name[MAX_INDEX]; /* for the text form; unique, never NULL */
    struct {
        int rank;
        Affine dim[MAX_RANK];
    } operand[2];
} Contract;

typedef struct Node Node;
typedef struct Graph Graph;
typedef struct Module Module;
typedef struct OpDef OpDef;
typedef struct Kernel Kernel;

typedef enum { VAR_PARAM, VAR_STATE, VAR_SLOT, VAR_PREPARED /* of the others, by the prepare pass */ } VarKind;
typedef struct Var {
    const char *name; /* "mlp.fc1.weight"; slots: "classify.adam.m.mlp.fc1.weight" */
    VarKind kind;
    Type type; /* as stored */
    int index; /* in module->vars */
    Loc loc;
    nnr_layout layout; /* set by the layout pass: how the elements of what the program declares are
                          stored (graph/layout.h); rank 0: row major, `type` is what was declared */
} Var;

/* Values in double precision whatever the dtype: what the reference evaluator works on. */
typedef struct {
    Type type;
    double *data;
} Tensor;
Tensor tensor_new(Arena *arena, Type type);

typedef enum {
    AK_NONE, AK_INT, AK_FLOAT, AK_NAME, AK_INTS, AK_DTYPE, AK_VAR, AK_CONTRACT, AK_TENSOR, AK_GRAPH
} AttrKind;

typedef struct {
    int n;
    const int64_t *v;
} Ints;

typedef union {
    int64_t i;            /* AK_INT (rand's salt is printed as hex), AK_DTYPE */
    double f;             /* AK_FLOAT */
    const char *name;     /* AK_NAME */
    Ints ints;            /* AK_INTS */
    Var *var;             /* AK_VAR */
    const Contract *contract;
    const Tensor *tensor; /* AK_TENSOR: data are exactly representable in the dtype */
    Graph *graph;         /* AK_GRAPH: the body of a scan */
} Attr;

typedef Vec(Node *) NodeVec;
typedef Vec(Kernel *) KernelVec;

struct Node {
    const OpDef *op;
    Type type;
    int n_in;
    Node **in;
    Attr attr[MAX_ATTR]; /* as op->attrs lays out */
    Loc loc;
    const char *path; /* layer instance the node came from ("mlp.fc1"), or NULL */
    int id;           /* number in the text form; graph_renumber keeps it dense */
    /* Set by the fuse pass: the kernel that computes this node, or NULL for a node that is recomputed
     * inside each kernel that reads it, and for leaves and roots. */
    Kernel *kernel;
    /* Set by the memory plan for stored nodes: byte offset in the arena; -1: lives elsewhere (a
     * variable, an input, an output) or is not stored. Of a value that only the kernels of one
     * run read (KernelDeps.run): in a lane's slab, of one chunk. */
    int64_t offset;
    int mark;  /* scratch for passes */
    void *aux; /* scratch for passes */
};

/* A kernel: nodes computed together by one loop function (kinds: passes/passes.h). */
struct Kernel {
    int id;
    int kind;
    NodeVec nodes;    /* computed here, in topological order */
    NodeVec results;  /* those stored to memory */
    int64_t rows, cols; /* KERNEL_ROWS: number of rows, elements of one */
    KernelVec stages;   /* KERNEL_CHAIN: kernels run one after another on one block; nodes belong to the chain */
    int lead;           /* KERNEL_CHAIN: leading dimensions that what goes between the stages has in common ... */
    int64_t block;      /* ... and how many positions of the last of them are one block */
    const char *name; /* identifier, unique in the graph, made of path and op: "mlp_fc1_relu" */
    int64_t scratch_bytes;  /* per-kernel working memory in the arena; set by lowering */
    int64_t scratch_offset; /* set by the memory plan */
};

/* Kernels that are carried out one after another for a part of the batch before the next part begins
 * (passes/chunks.c). A chunk is `samples` of the batch: of every value that the kernels store, one run of its
 * elements. Chunks are dealt out to lanes, each of which has memory of its own (a slab) for the values that no
 * kernel outside reads; lanes run in parallel. */
typedef struct {
    int first, last; /* places in graph->kernels, both included */
    int64_t samples; /* of a chunk; divides the batch */
    int64_t lanes;   /* at most as many as there are chunks */
    int64_t slab_bytes, slab_offset; /* set by the memory plan: of one lane's slab, and where the first begins */
    Graph *body;         /* the kernels as a chunk has them; NULL: not made yet (passes/chunk_body.c) ... */
    const Node **origin; /* ... and of what each of its nodes, by id, is a part */
} KernelRun;

/* Why a kernel computes what one of its nodes reads, or reads it from memory (nnc show --fusion). */
typedef struct {
    const Kernel *kernel; /* the consumer's */
    const Node *producer, *consumer;
    bool fused; /* the kernel computes producer: it is not stored, or also a result */
    const char *reason;
} FusionNote;

typedef enum { GRAPH_INIT, GRAPH_INFER, GRAPH_STEP, GRAPH_EVAL, GRAPH_PREPARE, GRAPH_BODY } GraphKind;

struct Graph {
    Module *module;
    Arena *arena;
    const char *name;  /* "mlp", "classify", "gan.critic", "classify.eval", "init" */
    const char *train; /* train block, or NULL */
    GraphKind kind;
    int64_t batch;     /* samples a call; 0: no batch dimension */
    NodeVec nodes;     /* topological order */
    KernelVec kernels; /* in execution order, once fused */
    Vec(KernelRun) runs;     /* of kernels, in their order; set by the chunks pass */
    Vec(FusionNote) fusion; /* set by the fuse pass */
    int64_t arena_bytes, arena_bound; /* once planned: size, and its lower bound */
    Loc loc;           /* given to nodes made by graph_add until changed */
    const char *path;
};

struct Module {
    Arena *arena;
    Intern *names;
    const char *name; /* of the .nn file without folder and suffix */
    Vec(Var *) vars;
    Vec(Graph *) graphs;
    Vec(nnr_train) trains; /* what train blocks say of data, for the driver */
};

Module *module_new(Arena *arena, Intern *names, const char *name);
Var *module_add_var(Module *m, const char *name, VarKind kind, Type type, Loc loc); /* NULL: taken */
Var *module_find_var(const Module *m, const char *name);
Graph *module_find_graph(const Module *m, const char *name, int64_t batch /* -1: any */);
Graph *graph_new(Module *m, const char *name, GraphKind kind, int64_t batch); /* appended to m */
/* An entry point that reads what the entry `prepare` has written. */
static inline bool graph_infers(const Graph *g) { return g->kind == GRAPH_INFER || g->kind == GRAPH_EVAL; }
/* Does g write a new value to v? */
bool graph_updates(const Graph *g, const Var *v);
/* Does a graph that infers, or the body of a loop, update v? Then nothing is prepared of it. */
bool module_carries(const Module *m, const Var *v);
/* The place in g->runs of the run that kernel number `kernel` is in, or -1. */
int graph_run_of(const Graph *g, int kernel);

/* ---- building ---------------------------------------------------------------------------------
 * graph_add makes a node, infers its type by the op's shape rule and appends it. On a violated rule
 * it returns NULL and writes what is wrong (both shapes named) to why->text. */
typedef struct {
    char text[512];
} Why;
bool why_set(Why *why, const char *format, ...) __attribute__((format(printf, 2, 3))); /* false */
/* Rank within MAX_RANK, every dimension at least 1, at most TYPE_MAX_COUNT elements. graph_add refuses
 * other results, and integer attributes beyond TYPE_MAX_COUNT, so counts and offsets cannot overflow. */
#define TYPE_MAX_COUNT ((int64_t)1 << 40)
bool type_valid(const Type *t, Why *why);
/* Checks arity, attributes and the op's rule on a node's operands: the type it must have. */
bool node_infer(const Node *n, Type *out, Why *why);
Node *graph_add(Graph *g, const OpDef *op, Node *const *in, int n_in, const Attr *attr, Why *why);
/* The same for compiler-made nodes whose rule cannot fail; a violation is a compiler fault (message
 * on stderr with the rule's text, abort). Builders for each op are in ops/build.h. */
Node *graph_must_add(Graph *g, const OpDef *op, Node *const *in, int n_in, const Attr *attr);

/* Replaces every use of a by b (types equal). */
void graph_replace_uses(Graph *g, Node *a, Node *b);
/* Restores topological order after nodes were appended out of order (stable); renumbers. */
void graph_sort(Graph *g);
void graph_renumber(Graph *g);
/* Number of uses of every node, by node id (call graph_renumber first). */
int *graph_use_counts(Arena *arena, const Graph *g);

/* ---- text and checks ---- */
void graph_print(const Graph *g, Text *out);
void module_print(const Module *m, Text *out); /* vars, then graphs */
/* Reads what module_print wrote (any hand-written module of that form too). Errors go to diags; NULL
 * when there were any. Never crashes on any input. */
Module *module_read(Arena *arena, Intern *names, const Source *source, Diags *diags);
/* Checks SSA order, arity, types against each op's rule, one update a variable, outputs unique,
 * kernels and plan where present. Returns NULL or the first fault as text. */
const char *graph_verify(const Graph *g, Arena *arena);

/* ---- reference evaluation (double precision, slow, obvious) ----
 * Values of inputs by name, of variables by index; outputs are filled by name; updates are applied to
 * vars after the run. Returns NULL or what went wrong. */
typedef struct {
    const char *name;
    Tensor value;
} NamedTensor;
typedef struct {
    nnr_ctx ctx;
    const NamedTensor *inputs;
    int n_inputs;
    Tensor *vars; /* by var index; updated */
    Vec(NamedTensor) outputs;
    Tensor *values; /* out: value of every node by id */
} EvalRun;
const char *graph_eval(const Graph *g, EvalRun *run, Arena *arena);

#endif
