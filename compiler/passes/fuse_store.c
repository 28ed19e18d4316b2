/* Fusion, fourth part: which nodes are written to memory. First every node that another kernel reads;
 * then those are taken back whose readers compute them again at no greater cost than loading them. */
#include "passes/fuse.h"

enum {
    CHEAP_NODES = 6,   /* recomputed by any number of readers */
    SINGLE_NODES = 24, /* recomputed by one reader, which reads each element about once */
    SINGLE_INPUTS = 3,
    READ_AGAIN = 3     /* times an element may be computed by one reader (overlapping windows) */
};

typedef struct {
    int nodes, big, inputs;
    bool cheap, allowed;
    const Info *input; /* the last big one */
} Cone;

static int64_t count(const Info *in)
{
    return type_count(&in->node->type);
}

static bool is_window(const Node *n) { return n->op->inlined && !node_opaque(n); }

static bool recomputable(const Info *in)
{
    if (in->node->op == &op_window_take && in->node->type.dtype == DT_BOOL)
        return false; /* what it is taken from is larger */
    bool by_index = (in->node->op->flags & (OP_ELEMENTWISE | OP_MOVEMENT)) || is_window(in->node);
    return !in->need_memory && !in->copied && by_index;
}

/* What it takes to compute a node from memory. */
static void measure(Fuse *f, const Info *in, const Info *top, Cone *cone)
{
    if (!recomputable(in) || cone->nodes >= SINGLE_NODES)
        cone->allowed = false;
    if (!cone->allowed || f->seen[in->node->id] == f->seen_now)
        return;
    f->seen[in->node->id] = f->seen_now;
    cone->nodes++;
    if (!(in->node->op->flags & (OP_CHEAP | OP_MOVEMENT))) {
        cone->cheap = false;
        if (in != top && in->use.len > 1)
            cone->allowed = false; /* its own kernel computes it too */
    }
    for (int i = 0; i < in->src.len; i++) {
        const Info *from = &f->info[in->src.data[i].node];
        if (from->role == ROLE_COMPUTE && !from->stored) {
            measure(f, from, top, cone);
        } else if (f->seen[from->node->id] != f->seen_now) {
            f->seen[from->node->id] = f->seen_now;
            cone->inputs++;
            if (count(from) * 2 > count(top)) {
                cone->big++;
                cone->input = from;
            }
        }
    }
}

/* Elements it reads of an operand, those read again counted again. */
static int64_t iterations(const Info *reader)
{
    bool reduces = (reader->node->op->flags & OP_REDUCE) != 0;
    if (is_window(reader->node))
        return reader->node->op->work(reader->node);
    return reduces ? type_count(&reader->node->in[0]->type) : count(reader);
}

/* Readers outside the node's own kernel; -1 when one of them reads elements many times over. */
static int outer_readers(const Fuse *f, const Info *in, const Info **reader, bool *inner)
{
    int n = 0;
    for (int i = 0; i < in->use.len; i++) {
        const Info *user = &f->info[in->use.data[i].node];
        if (user->group == in->group) {
            *inner = true;
            continue;
        }
        if (iterations(user) > READ_AGAIN * count(in))
            return -1;
        *reader = user;
        n++;
    }
    return n;
}

static int last_use(const Info *in)
{
    int last = -1;
    for (int i = 0; i < in->use.len; i++)
        last = in->use.data[i].node > last ? in->use.data[i].node : last;
    return last;
}

/* Computing again from another value keeps that one alive until then. */
static bool input_lives(const Info *in, const Info *input)
{
    if (!input || input->role == ROLE_MEMORY || last_use(input) >= last_use(in))
        return true;
    return count(input) * dtype_bytes(input->node->type.dtype) <=
           count(in) * dtype_bytes(in->node->type.dtype);
}

/* A kernel that reads `input` anyway, itself or in what it computes again. */
static bool group_reads(const Fuse *f, const Group *group, const Info *input)
{
    for (int i = 0; i < group->nodes.len; i++) {
        const Info *in = &f->info[group->nodes.data[i]];
        for (int k = 0; k < in->src.len; k++) {
            const Info *from = &f->info[in->src.data[k].node];
            if (from == input)
                return true;
            for (int m = 0; m < from->src.len && from->duplicated; m++)
                if (from->src.data[m].node == input->node->id)
                    return true;
        }
    }
    return false;
}

static int buffers_of(Fuse *f, int g)
{
    const Group *group = &f->groups[g];
    int n = 0, mark = ++f->seen_now;
    for (int i = 0; i < group->nodes.len; i++) {
        const Info *in = &f->info[group->nodes.data[i]];
        n += in->stored;
        for (int k = 0; k < in->src.len; k++) {
            int id = in->src.data[k].node;
            if (f->info[id].group != g && f->seen[id] != mark) {
                f->seen[id] = mark;
                n++;
            }
        }
    }
    return n + group->extra_buffers;
}

static bool room_for(Fuse *f, const Info *in, int inputs)
{
    for (int i = 0; i < in->use.len; i++) {
        int g = f->info[in->use.data[i].node].group;
        if (g != in->group && buffers_of(f, g) + inputs > MAX_KERNEL_BUFFERS)
            return false;
    }
    return true;
}

/* exp(x - max(x)) must see the x that max saw: computed twice, roundings may differ. */
static bool feeds_maximum(const Fuse *f, const Info *in)
{
    for (int i = 0; i < in->use.len && in->use.len > 1; i++) {
        const OpDef *op = f->info[in->use.data[i].node].node->op;
        if (op == &op_reduce_max || op == &op_argmax)
            return true;
    }
    return false;
}

static bool worth_recomputing(Fuse *f, const Info *in, Cone *cone)
{
    const Info *reader = NULL;
    bool inner = false;
    int readers = outer_readers(f, in, &reader, &inner);
    if (readers <= 0 || feeds_maximum(f, in))
        return false;
    *cone = (Cone){ .cheap = true, .allowed = true };
    f->seen_now++;
    measure(f, in, in, cone);
    if (!cone->allowed || !room_for(f, in, cone->inputs))
        return false;
    if (cone->cheap && cone->nodes <= CHEAP_NODES && cone->big <= 1)
        return input_lives(in, cone->input) ||
               (readers == 1 && group_reads(f, &f->groups[reader->group], cone->input));
    bool once = readers == 1 && !inner && (cone->cheap || f->groups[reader->group].kind != KERNEL_ROWS);
    return once && cone->big <= SINGLE_INPUTS;
}

static int64_t value_bytes(const Info *in)
{
    return count(in) * dtype_bytes(in->node->type.dtype);
}

/* Where a kernel would store several cheap functions of one of its values (0.5 x and 0.7 x), it stores
 * that value; the readers then make them again. */
static void store_common_source(Fuse *f, Info *in)
{
    int64_t bytes = 0;
    int n = 0;
    for (int i = 0; i < in->use.len; i++) {
        const Info *user = &f->info[in->use.data[i].node];
        bool cheap = user->group == in->group && user->stored && recomputable(user) &&
                     (user->node->op->flags & OP_CHEAP) && user->src.len == 1 &&
                     in->use.data[i].ratio == 1 && !feeds_maximum(f, user);
        n += cheap;
        bytes += cheap ? value_bytes(user) : 0;
    }
    bool reduction = (in->node->op->flags & OP_REDUCE) != 0;
    if (n > 1 && bytes > value_bytes(in) && !reduction)
        in->stored = true;
}

void fuse_store(Fuse *f)
{
    for (int id = 0; id < f->n; id++) {
        Info *in = &f->info[id];
        if (in->role != ROLE_COMPUTE)
            continue;
        in->stored = in->need_memory;
        for (int i = 0; i < in->use.len; i++)
            in->stored |= f->info[in->use.data[i].node].group != in->group;
    }
    if (!f->fuse)
        return;
    for (int id = 0; id < f->n; id++)
        if (f->info[id].role == ROLE_COMPUTE && !f->info[id].stored &&
            f->groups[f->info[id].group].kind != KERNEL_REDUCE)
            store_common_source(f, &f->info[id]);
    for (int id = 0; id < f->n; id++) {
        Info *in = &f->info[id];
        Cone cone;
        if (!in->stored || !recomputable(in) || !worth_recomputing(f, in, &cone))
            continue;
        in->stored = false;
        in->duplicated = true;
        for (int i = 0; i < in->use.len; i++)
            f->groups[f->info[in->use.data[i].node].group].extra_buffers += cone.inputs;
    }
    for (int id = 0; id < f->n; id++)
        if (f->info[id].role == ROLE_COMPUTE && f->info[id].stored)
            fuse_keep_smaller(f, &f->info[id]);
}
