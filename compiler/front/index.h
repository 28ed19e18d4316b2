/* Index notation inside: index variables, reads at affine places, values that carry indices.
 *
 * `y[n, o] = sum(i) x[n, i] * w[o, i]`: index variables get numbers, those of the left side first and in
 * its order, so that a value whose dimensions are sorted by number has the left side's order. index.c
 * collects the reads and solves the extents, index_value.c evaluates, index_sum.c makes contractions. */
#ifndef NNC_FRONT_INDEX_H
#define NNC_FRONT_INDEX_H
#include "front/elab.h"

enum { MAX_IDS = 48 };

typedef struct {
    int64_t base, coef[MAX_IDS];
} Place;

/* One tensor read: x[n, 2 * i + k, label[n]]. */
typedef struct {
    const Expr *expr;
    Node *node;
    const char *name; /* text of what is read */
    int rank;
    Place dim[MAX_RANK];
    Expr *lookup[MAX_RANK]; /* a place that depends on data: an i32 tensor expression, or NULL */
    Span at[MAX_RANK];
} Read;

typedef struct {
    const Expr *expr; /* E_REDUCE */
    int n, id[MAX_RANK];
} Reduce;

struct IndexEnv {
    int n, n_left; /* ids below n_left are the result's dimensions */
    int rest, n_rest; /* first id of `...`, and how many (-1: not known yet) */
    const char *name[MAX_IDS];
    int64_t extent[MAX_IDS]; /* 0: not known */
    Span at[MAX_IDS];        /* where the extent comes from */
    const char *from[MAX_IDS];
    Vec(Read *) reads;
    Vec(Reduce *) reduces;
    /* Index variables in scope, innermost last. */
    struct {
        const char *name;
        int id;
    } scope[MAX_IDS];
    int n_scope;
};

/* A value whose dimensions are index variables, sorted by number; or a static value. */
typedef struct {
    bool ok;
    Value fixed; /* kind V_NONE when it is a tensor */
    Node *node;
    int n, id[MAX_RANK];
} Indexed;

int env_find(const IndexEnv *env, const char *name); /* id or -1 */
bool env_mentions(const IndexEnv *env, const Expr *e);
Read *env_read(const IndexEnv *env, const Expr *e);
const Reduce *env_reduce(const IndexEnv *env, const Expr *e);
static inline bool place_uses(const Place *p, int id) { return p->coef[id] != 0; }
int place_bare(const IndexEnv *env, const Place *p); /* the id it equals, or -1 */

/* index_value.c */
Indexed index_eval(Frame *fr, Expr *e);
Indexed index_of_read(Frame *fr, Read *r);
/* Slices and a transpose read it: one variable a dimension, going forward, none twice. */
bool index_is_slice(const IndexEnv *env, const Read *r);
/* The value with exactly these ids (sorted), broadcast over those it lacks. */
Node *index_spread(Frame *fr, const Indexed *v, const int *id, int n, Span at);
static inline Indexed index_bad(void) { return (Indexed){ .ok = false }; }
Indexed index_node(Node *node, const int *id, int n);
/* Replaces looked-up places by gathered rows; false when reported. */
bool index_lookup(Frame *fr, Read *r);

/* index_sum.c */
Indexed index_reduce(Frame *fr, Expr *e);
/* out[ids] = a (read at its places), for what slices and transposes cannot do. */
Node *index_contract_read(Frame *fr, const Read *r, const int *id, int n, Span at);

/* builtin_reduce.c */
Node *product_along(Graph *g, Node *x, int axis); /* keeps the axis with size 1 */
#endif
