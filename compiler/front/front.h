/* The front end: text of a .nn file -> a Module of graphs.
 *
 * Establishes: every net is an inference graph (GRAPH_INFER), every training step a GRAPH_STEP with
 * gradient markers (build_gradient) where the grad pass has work, every train block a GRAPH_EVAL, and
 * "init" a GRAPH_INIT that writes every variable. module->trains tells where the samples come from.
 * All graphs verify; dead nodes are gone. Everything wrong with the text is said through diags. */
#ifndef NNC_FRONT_FRONT_H
#define NNC_FRONT_FRONT_H
#include "dsl/ast.h"
#include "graph/graph.h"

/* -D NAME=VALUE: overrides a top-level constant of the main file, or binds a free shape variable. */
typedef struct {
    const char *name, *value;
} FrontDefine;

typedef struct {
    int64_t batch;                /* 0: what the file says, else 1 */
    const int64_t *extra_batches; /* steps and evals are built for these sizes too */
    int n_extra;
    int64_t epochs; /* 0: what the file says */
    const FrontDefine *defines;
    int n_defines;
    /* Text of an imported file: path as written, resolved relative to `from`. Returns NULL and sets
     * *why when it cannot be read. The same file must come back under the same Source path. NULL: read
     * from the file system with source_read. */
    Source *(*import)(void *user, const char *path, const Source *from, const char **why);
    void *user;
} FrontOptions;

/* NULL when there were errors (all in diags). The module lives in arena and refers to source. */
Module *front_build(Arena *arena, Intern *names, const Source *source, const FrontOptions *options,
                    Diags *diags);
#endif
