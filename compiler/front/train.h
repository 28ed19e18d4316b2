/* What train.c, data.c and optimizer.c share: one train block in elaboration. */
#ifndef NNC_FRONT_TRAIN_H
#define NNC_FRONT_TRAIN_H
#include "front/elab.h"

typedef struct {
    Stmt *decl;  /* S_DATA */
    Expr *valid; /* its expression in `validate on`, or NULL */
    nnr_data info;
    bool seen, valid_seen; /* the sources are filled */
} TrainData;

typedef struct {
    Front *f;
    Symbol *sym;
    int64_t batch, epochs, patience;
    TrainData *data;
    int n_data;
    Stmt *validate;
    double split;
    int n_totals; /* numbers that total(...) in metrics keeps; after eval_graph */
    bool failed;
} Train;

/* The data declaration whose expression is being evaluated. */
struct TrainGen {
    Train *train;
    bool eval; /* validation sources where there are any */
    TrainData *current;
    Type type;
    Node *input; /* made by the reader */
    /* total(x) within a metric: x of this batch, or, where metrics are made of totals, its sum over all batches */
    bool in_metric, finish;
    NodeVec totals; /* in the order of the calls, which is the same in every graph of the block */
};

/* data.c */
bool data_collect(Train *t);
/* Binds data and noise in fr->scope (and the batch variable). */
void data_bind(Frame *fr, TrainGen *tg, int64_t batch);
Value reader_call(BCall *c);

/* optimizer.c */
typedef struct {
    const VarInfo *info;
    Node *grad;
} Trained;
bool optimizer_run(Frame *fr, const char *step, Value with, Node *loss, Trained *vars, int n, Span at);
#endif
