/* Internal to the fuse pass: what it knows of every node, and the groups that become kernels.
 *
 * A path from a reader to a value it needs runs through nodes that are recomputed where they are read
 * (views, broadcasts, slices ...). What matters of a path is its ratio: 1: the value is read at the
 * reader's own flat position; c > 1: at position / c (a row's value from within the row); 0: elsewhere. */
#ifndef NNC_PASSES_FUSE_H
#define NNC_PASSES_FUSE_H
#include "ops/ops.h"
#include "passes/passes.h"

enum {
    MAX_KERNEL_NODES = 96,
    MAX_KERNEL_BUFFERS = 24,
    MAX_KERNEL_REDUCTIONS = 8,
    MAX_PASS_REDUCTIONS = 4 /* of a REDUCE kernel */
};

typedef enum {
    ROLE_NONE,    /* not reachable from a root */
    ROLE_ROOT,    /* output, update */
    ROLE_MEMORY,  /* input, var */
    ROLE_PURE,    /* other leaves: computed where they are read */
    ROLE_INLINE,  /* movement computed where it is read */
    ROLE_COMPUTE  /* in a group; becomes part of a kernel */
} Role;

typedef struct {
    int node; /* id */
    int64_t ratio;
} Edge;
typedef Vec(Edge) Edges;

typedef struct {
    Node *node;
    Role role;
    bool need_memory;  /* operand of a root, contract or opaque node: has to be stored */
    bool forward;      /* an output depends on it */
    bool only_reduced; /* all that becomes of it, elementwise, is reduced */
    bool copied;       /* a reshape that stands for a copy */
    bool stored;       /* a result */
    bool duplicated;   /* was a result; its readers recompute it */
    Edges src;         /* COMPUTE: memory and compute nodes it reads, distinct */
    Edges use;         /* MEMORY, COMPUTE: compute nodes that read it */
    int group;         /* COMPUTE */
} Info;

typedef struct {
    Vec(int) nodes; /* ids, ascending */
    int kind;
    int64_t rows, cols;
    bool alive;
    int extra_buffers; /* read by recomputed nodes */
} Group;

typedef struct {
    Graph *g;
    Arena *arena;
    const LTarget *target;
    bool fuse; /* false: every operation its own kernel */
    Info *info; /* by node id */
    int n;
    NodeVec copies; /* reshapes that stand for copies */
    Group *groups;
    int n_groups;
    int *stamp, now; /* groups visited by the present search */
    int *seen, seen_now; /* nodes collected by the present check */
    int *merged, *stack; /* room for n ids each */
} Fuse;

/* ---- paths (fuse_path.c) ---- */
/* Ratio from n's flat position to operand i's, for movement and elementwise nodes (0: neither kept). */
int64_t path_ratio(const Node *n, int i);
/* Axes a reduction removes, as a mask. */
unsigned reduced_axes(const Node *n);
/* Elements reduced into one when the reduced axes are the innermost ones (unit axes aside); else 0. */
int64_t reduced_row(const Node *n);
/* Gives every operand of a root, contract or opaque node a node that can be stored for it. */
void fuse_operands(Fuse *f);
/* Roles, stages and edges; needs fuse_operands and dense ids. */
void fuse_classify(Fuse *f);

/* ---- groups (fuse_judge.c, fuse_group.c) ---- */
typedef struct {
    int kind;
    int64_t rows, cols;
    const char *refused; /* NULL, or why these nodes are no kernel */
} Verdict;
/* Whether the nodes of groups a and b (may be equal) can be one kernel, and of which kind. */
Verdict fuse_judge(Fuse *f, int a, int b);
/* One group a compute node, then merges until nothing more pays (none when !f->fuse). */
void fuse_group(Fuse *f);
/* Where all that other kernels make of a stored value is smaller than the value (a mask of bytes for a
 * rectifier's backward pass), its own kernel computes and stores that instead. Keeps the marks of what is
 * stored true. False: nothing to gain. */
bool fuse_keep_smaller(Fuse *f, Info *in);
/* Makes groups a and b one, where they can be one kernel. */
bool fuse_try_merge(Fuse *f, int a, int b);
/* Takes pooling into the store of group g, a contraction with its tail (fuse_window.c). */
bool fuse_windows(Fuse *f, int g);
/* NULL, or why windows of group b do not pay in the store of a's contraction. */
const char *fuse_window_cost(Fuse *f, int a, int b);
/* NULL, or why groups a and b stay apart. */
const char *fuse_apart(Fuse *f, int a, int b);

/* ---- what is stored (fuse_store.c) ---- */
/* Marks results, and takes the mark from those that are cheaper computed again by their readers. */
void fuse_store(Fuse *f);

/* ---- reasons, for nnc show --fusion (fuse_note.c) ---- */
/* Once kernels are made: notes for every value that a kernel reads of another one or computes itself. */
void fuse_notes(Fuse *f);
void fuse_note_copy(Graph *g, const Kernel *copy, const Node *value);

/* ---- names (fuse_name.c): unique identifiers for g->kernels ---- */
void fuse_names(Arena *arena, Graph *g);
#endif
