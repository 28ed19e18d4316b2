/* A train block: each step becomes a graph (loss, metrics, gradients, updates), the block an evaluation
 * graph and a record for the driver. Steps are built for the batch and for the extra sizes. */
#include "front/train.h"

#include <string.h>

typedef struct {
    const char *name;   /* entry: "classify", "gan.critic" */
    const char *label;  /* step's own name, or NULL */
    const Block *block; /* of the step; NULL: the train block itself */
    Stmt *minimize;
} Step;
typedef Vec(Step) StepVec;

typedef struct {
    const char *name;
    Value value;
    Span at;
} Metric;
typedef Vec(Metric) MetricVec;

/* ---- options and steps ---- */

static bool set_option(Train *t, Frame *fr, const Stmt *s)
{
    static const char *const known[] = { "batch", "epochs", "patience" };
    int64_t *const where[] = { &t->batch, &t->epochs, &t->patience };
    int64_t v;
    for (int i = 0; i < 3; i++) {
        if (strcmp(s->name.name, known[i]) != 0)
            continue;
        if (!eval_static_int(fr, s->value, &v, known[i]))
            return false;
        if (v < 1 || v > INT32_MAX) {
            fail(fr, s->value->span, "%s is %lld: it must be 1 or more", known[i], (long long)v);
            return false;
        }
        *where[i] = v;
        return true;
    }
    const char *near = text_nearest(s->name.name, known, 3);
    fail(fr, s->name.span, "a train block has no option %s", s->name.name);
    if (near)
        hint(fr, "did you mean %s?", near);
    hint(fr, "its options are batch, epochs and patience");
    return false;
}

static bool read_options(Train *t)
{
    const Block *b = t->sym->decl->body;
    Frame fr = frame_top(t->f, t->sym->unit, NULL);
    bool ok = true;
    t->batch = 32;
    t->epochs = 1;
    for (int i = 0; i < b->n_stmts; i++)
        if (b->stmts[i]->kind == S_OPTION)
            ok = set_option(t, &fr, b->stmts[i]) && ok;
    if (t->f->options->batch > 0)
        t->batch = t->f->options->batch;
    if (t->f->options->epochs > 0)
        t->epochs = t->f->options->epochs;
    return ok;
}

static bool step_minimize(Frame *fr, const Block *b, Step *step, Span at)
{
    for (int i = 0; i < b->n_stmts; i++) {
        Stmt *s = b->stmts[i];
        if (s->kind != S_MINIMIZE)
            continue;
        if (step->minimize) {
            fail(fr, s->span, "a step has one `minimize`");
            hint_at(fr, step->minimize->span, "the first one");
            hint(fr, "put each into a step of its own: step NAME { minimize ... over NET with ... }");
            return false;
        }
        step->minimize = s;
    }
    if (step->minimize)
        return true;
    fail(fr, at, "nothing says what %s minimizes", step->name);
    hint(fr, "minimize LOSS with adam(lr = 1e-3)");
    return false;
}

static bool collect_steps(Train *t, Frame *fr, StepVec *steps)
{
    const Decl *d = t->sym->decl;
    for (int i = 0; i < d->body->n_stmts; i++) {
        Stmt *s = d->body->stmts[i];
        if (s->kind != S_STEP)
            continue;
        Step step = { .name = PRINTF(fr, "%s.%s", t->sym->name, s->name.name), .label = s->name.name,
                      .block = s->block };
        for (int k = 0; k < steps->len; k++)
            if (steps->data[k].label == step.label) {
                fail(fr, s->name.span, "two steps are called %s", s->name.name);
                return false;
            }
        if (!step_minimize(fr, s->block, &step, s->name.span))
            return false;
        VEC_PUSH(t->f->arena, steps, step);
    }
    Step own = { .name = t->sym->name };
    if (steps->len == 0) {
        if (!step_minimize(fr, d->body, &own, d->name.span))
            return false;
        VEC_PUSH(t->f->arena, steps, own);
        return true;
    }
    for (int i = 0; i < d->body->n_stmts; i++)
        if (d->body->stmts[i]->kind == S_MINIMIZE) {
            fail(fr, d->body->stmts[i]->span, "a train block with steps has no `minimize` of its own");
            return false;
        }
    return true;
}

/* ---- values ---- */

static void run_lets(Frame *fr, const Block *b)
{
    for (int i = 0; i < b->n_stmts; i++) {
        Stmt *s = b->stmts[i];
        if (s->kind == S_LET || s->kind == S_ASSERT || s->kind == S_IF || s->kind == S_FOR) {
            Block one = { .stmts = &s, .n_stmts = 1, .span = s->span };
            eval_block(fr, &one);
        }
    }
}

static Node *loss_node(Frame *fr, Stmt *s)
{
    Value v = eval(fr, s->value);
    Node *n = is_bad(v) ? NULL : node_of(fr, v, DT_F32, s->value->span);
    if (!n)
        return NULL;
    if (n->type.rank == 0 && n->type.dtype == DT_F32)
        return n;
    fail(fr, s->value->span, "the loss is %s, but it must be one number, f32",
         type_text(fr->f->arena, &n->type));
    if (n->type.rank > 0)
        hint(fr, "mean(...) or sum(...) makes one number of it");
    return NULL;
}

static bool metric_value(Frame *fr, Stmt *s, Metric *m)
{
    Value v = eval(fr, s->value);
    Node *n = is_bad(v) ? NULL : node_of(fr, v, DT_F32, s->value->span);
    if (!n)
        return false;
    if (n->type.rank > 0) {
        fail(fr, s->value->span, "the metric %s is %s, but it must be one number", s->name.name,
             type_text(fr->f->arena, &n->type));
        hint(fr, "mean(...) or sum(...) makes one number of it");
        return false;
    }
    place(fr, s->value->span);
    *m = (Metric){ s->name.name, tensor_value(fr, build_cast(fr->gen->g, n, DT_F32)), s->value->span };
    return true;
}

/* total(x): in a metric, x summed over the batches of an epoch. In the graphs of a batch it is x itself, which
 * becomes an output, too; in the graph of totals it is an input of x's shape. Elsewhere (a loss, a net) there is
 * one batch only, and it is x. */
Value run_total(BCall *c)
{
    TrainGen *tg = c->fr->gen ? c->fr->gen->train : NULL;
    if (!c->fr->gen || (!(tg && tg->in_metric) && value_is_number(c->args[0].v)))
        return c->args[0].v;
    Node *x = arg_tensor(c, 0);
    if (!x)
        return value_bad();
    if (!tg || !tg->in_metric)
        return tensor_value(c->fr, x);
    place(c->fr, c->at);
    x = build_cast(c->fr->gen->g, x, DT_F32);
    if (tg->finish)
        x = build_input(c->fr->gen->g, PRINTF(c->fr, "total.%d", tg->totals.len), x->type);
    VEC_PUSH(c->fr->f->arena, &tg->totals, x);
    return tensor_value(c->fr, x);
}

static bool is_total(const TrainGen *tg, const Node *n)
{
    for (int i = 0; i < tg->totals.len; i++)
        if (tg->totals.data[i] == n)
            return true;
    return false;
}

/* Does the value depend on totals and constants only? Inputs and variables of the batch's own are leaves, too. */
static bool only_totals(const TrainGen *tg, Graph *g, Node *value)
{
    for (int i = 0; i < g->nodes.len; i++)
        g->nodes.data[i]->mark = 0;
    value->mark = 1;
    for (int i = g->nodes.len - 1; i >= 0; i--) {
        Node *n = g->nodes.data[i];
        if (!n->mark || is_total(tg, n))
            continue;
        if (n->op == &op_input || n->op == &op_var || n->op == &op_rand || n->op == &op_step || n->op == &op_epoch)
            return false;
        for (int k = 0; k < n->n_in; k++)
            n->in[k]->mark = 1;
    }
    return true;
}

static bool eval_metrics(Frame *fr, const Block *b, MetricVec *metrics)
{
    bool ok = true;
    TrainGen *tg = fr->gen->train;
    tg->in_metric = true;
    for (int i = 0; i < b->n_stmts; i++) {
        Metric m;
        int before = tg->totals.len;
        if (b->stmts[i]->kind != S_METRIC)
            continue;
        if (!metric_value(fr, b->stmts[i], &m)) {
            ok = false;
            continue;
        }
        if (tg->finish && tg->totals.len == before)
            continue; /* a mean over the batches */
        VEC_PUSH(fr->f->arena, metrics, m);
        if (!tg->finish || only_totals(tg, fr->gen->g, m.value.node))
            continue;
        fail(fr, m.at, "the metric %s mixes total(...) with values of one batch", m.name);
        hint(fr, "everything that depends on data stands in total(...): total(sum(error)) / total(count)");
        ok = false;
    }
    tg->in_metric = false;
    return ok;
}

static void add_outputs(Frame *fr, Node *loss, Span at, const MetricVec *metrics)
{
    place(fr, at);
    build_output(fr->gen->g, "loss", loss);
    for (int i = 0; i < metrics->len; i++) {
        place(fr, metrics->data[i].at);
        build_output(fr->gen->g, metrics->data[i].name, metrics->data[i].value.node);
    }
    const NodeVec *totals = &fr->gen->train->totals;
    for (int i = 0; i < totals->len; i++)
        build_output(fr->gen->g, PRINTF(fr, "total.%d", i), totals->data[i]);
}

/* ---- what a step trains ---- */

/* Marks the nodes through which a gradient of loss flows. */
static void mark_paths(Graph *g, Node *loss)
{
    for (int i = 0; i < g->nodes.len; i++)
        g->nodes.data[i]->mark = 0;
    loss->mark = 1;
    for (int i = g->nodes.len - 1; i >= 0; i--) {
        Node *n = g->nodes.data[i];
        if (!n->mark || (n->op->flags & OP_NO_GRAD) || n->op == &op_stop_grad)
            continue;
        for (int k = 0; k < n->n_in; k++)
            if (n->in[k]->type.dtype == DT_F32)
                n->in[k]->mark = 1;
    }
}

static Node *read_of(Gen *gen, const VarInfo *info)
{
    for (int i = 0; i < gen->uses.len; i++)
        if (gen->uses.data[i].info == info)
            return gen->uses.data[i].read;
    return NULL;
}

static const char *over_path(Frame *fr, const Expr *e, const Expr **root)
{
    if (e->kind == E_MEMBER) {
        const char *path = over_path(fr, e->a, root);
        return path ? PRINTF(fr, "%s.%s", path, e->text) : NULL;
    }
    *root = e;
    return e->kind == E_NAME ? e->text : NULL;
}

typedef Vec(const VarInfo *) InfoVec;

static bool under(const char *name, const char *path)
{
    size_t n = strlen(path);
    return strncmp(name, path, n) == 0 && (name[n] == '.' || name[n] == 0);
}

static bool add_over(Frame *fr, Expr *e, InfoVec *out)
{
    const Expr *root = NULL;
    const char *path = over_path(fr, e, &root);
    Value v = root ? eval(fr, (Expr *)root) : value_bad();
    if (is_bad(v) && root)
        return false;
    if (!path || v.kind != V_SYMBOL || v.sym->decl->kind != D_NET) {
        fail(fr, e->span, "`over` names nets, but this is %s", path ? value_what(fr->f, v) : "an expression");
        hint(fr, "over G, or a part of it: over G.fc1");
        return false;
    }
    int found = 0;
    for (int i = 0; i < v.sym->vars.len; i++) {
        const VarInfo *info = v.sym->vars.data[i];
        if (info->var->kind != VAR_PARAM || (e != root && !under(info->var->name, path)))
            continue;
        VEC_PUSH(fr->f->arena, out, info);
        found++;
    }
    if (found)
        return true;
    fail(fr, e->span, v.sym->elaborated ? "%s holds no parameters" : "the loss does not use the net %s", path);
    if (e != root && v.sym->vars.len > 0)
        hint(fr, "the net's variables are called %s and so on", v.sym->vars.data[0]->var->name);
    return false;
}

static void warn_untrained(Frame *fr, const Stmt *s, const InfoVec *idle)
{
    Text names = { .arena = fr->f->arena };
    for (int i = 0; i < idle->len && i < 4; i++)
        text_addf(&names, "%s%s", i ? ", " : "", idle->data[i]->var->name);
    if (idle->len > 4)
        text_addf(&names, " and %d more", idle->len - 4);
    diag_warning(fr->f->diags, s->value->span, "the loss does not depend on %s", names.data);
    diag_note(fr->f->diags, SPAN_NONE, "no gradient reaches %s, so %s trained",
              idle->len == 1 ? "it" : "them", idle->len == 1 ? "it is not" : "they are not");
}

/* Is another parameter of the same net trained? Nets that a step only computes need no warning. */
static bool net_is_trained(const VarInfo *info, const Trained *vars, int n)
{
    size_t len = strcspn(info->var->name, ".") + 1;
    for (int i = 0; i < n; i++)
        if (strncmp(vars[i].info->var->name, info->var->name, len) == 0)
            return true;
    return false;
}

/* The parameters of `over`, or all that the loss depends on. */
static bool choose_trained(Frame *fr, Stmt *s, Node *loss, bool warn, Trained **out, int *n)
{
    Gen *gen = fr->gen;
    InfoVec named = {0}, idle = {0};
    for (int i = 0; i < s->n_over; i++)
        if (!add_over(fr, s->over[i], &named))
            return false;
    for (int i = 0; i < gen->uses.len && s->n_over == 0; i++)
        if (gen->uses.data[i].info->var->kind == VAR_PARAM)
            VEC_PUSH(fr->f->arena, &named, gen->uses.data[i].info);
    *out = ARENA_ARRAY(fr->f->arena, Trained, named.len + 1);
    *n = 0;
    mark_paths(gen->g, loss);
    for (int i = 0; i < named.len; i++) {
        Node *read = read_of(gen, named.data[i]);
        if (read && read->mark)
            (*out)[(*n)++] = (Trained){ .info = named.data[i] };
        else
            VEC_PUSH(fr->f->arena, &idle, named.data[i]);
    }
    if (*n == 0) {
        fail(fr, s->value->span, "the loss depends on no parameter%s: there is nothing to train",
             s->n_over ? " of what `over` names" : "");
        return false;
    }
    InfoVec told = {0};
    for (int i = 0; i < idle.len; i++)
        if (s->n_over || net_is_trained(idle.data[i], *out, *n))
            VEC_PUSH(fr->f->arena, &told, idle.data[i]);
    if (told.len > 0 && warn)
        warn_untrained(fr, s, &told);
    return true;
}

/* ---- graphs ---- */

static Frame train_frame(Train *t, TrainGen *tg, Gen *gen, Site *site)
{
    Frame fr = frame_top(t->f, t->sym->unit, gen);
    *tg = (TrainGen){ .train = t, .eval = gen->g->kind == GRAPH_EVAL };
    gen->train = tg;
    gen->g->train = t->sym->name;
    fr.sym = t->sym;
    fr.site = site;
    return fr;
}

static bool step_graph(Train *t, const Step *step, int64_t batch, bool first)
{
    Gen *gen = gen_new(t->f, step->name, GRAPH_STEP, batch, true);
    TrainGen tg;
    Site site = { .path = step->name, .salt_path = step->name };
    Frame fr = train_frame(t, &tg, gen, &site);
    const Block *b = t->sym->decl->body;
    MetricVec metrics = {0};
    Trained *vars = NULL;
    int n = 0, errors = t->f->faults;
    data_bind(&fr, &tg, batch);
    run_lets(&fr, b);
    if (step->block)
        run_lets(&fr, step->block);
    Node *loss = loss_node(&fr, step->minimize);
    bool ok = loss && choose_trained(&fr, step->minimize, loss, first, &vars, &n);
    ok = eval_metrics(&fr, b, &metrics) && ok && t->f->faults == errors;
    if (ok && !step->minimize->with) {
        fail(&fr, step->minimize->span, "`minimize` needs an optimizer: minimize ... with adam(lr = 1e-3)");
        ok = false;
    }
    if (ok) {
        Expr *with = step->minimize->with;
        ok = optimizer_run(&fr, step->name, eval(&fr, with), loss, vars, n, with->span);
    }
    if (ok)
        add_outputs(&fr, loss, step->minimize->value->span, &metrics);
    gen_finish(gen);
    return ok;
}

/* How many numbers the totals of a block's metrics are; -1: too many, which is reported. */
static int count_totals(Frame *fr, const TrainGen *tg, Span at)
{
    int64_t n = 0;
    for (int i = 0; i < tg->totals.len; i++)
        n += type_count(&tg->totals.data[i]->type);
    if (tg->totals.len <= NNR_MAX_TOTAL_VALUES && n <= NNR_MAX_TOTALS)
        return (int)n;
    fail(fr, at, "the metrics keep %d totals of %lld numbers", tg->totals.len, (long long)n);
    hint(fr, "up to %d totals of %d numbers are kept", NNR_MAX_TOTAL_VALUES, NNR_MAX_TOTALS);
    return -1;
}

/* The metrics of totals, from the sums over all batches. */
static bool finish_graph(Train *t, const char *name)
{
    Gen *gen = gen_new(t->f, name, GRAPH_EVAL, 0, false);
    TrainGen tg;
    Site site = { .path = name, .salt_path = name };
    Frame fr = train_frame(t, &tg, gen, &site);
    MetricVec metrics = {0};
    int errors = t->f->faults;
    tg.finish = true;
    data_bind(&fr, &tg, t->batch);
    run_lets(&fr, t->sym->decl->body);
    bool ok = eval_metrics(&fr, t->sym->decl->body, &metrics) && t->f->faults == errors;
    for (int i = 0; ok && i < metrics.len; i++) {
        place(&fr, metrics.data[i].at);
        build_output(gen->g, metrics.data[i].name, metrics.data[i].value.node);
    }
    gen_finish(gen);
    return ok;
}

static bool eval_graph(Train *t, const StepVec *steps, const char *name, int64_t batch, MetricVec *metrics)
{
    Gen *gen = gen_new(t->f, name, GRAPH_EVAL, batch, false);
    TrainGen tg;
    Site site = { .path = name, .salt_path = name };
    Frame fr = train_frame(t, &tg, gen, &site);
    const Block *b = t->sym->decl->body;
    int errors = t->f->faults;
    Node *total = NULL;
    data_bind(&fr, &tg, batch);
    run_lets(&fr, b);
    for (int i = 0; i < steps->len; i++) {
        Scope *outer = fr.scope;
        fr.scope = scope_new(t->f, outer);
        if (steps->data[i].block)
            run_lets(&fr, steps->data[i].block);
        Node *loss = loss_node(&fr, steps->data[i].minimize);
        fr.scope = outer;
        if (loss)
            total = total ? build_binary(gen->g, &op_add, total, loss) : loss;
    }
    eval_metrics(&fr, b, metrics);
    t->n_totals = t->f->faults == errors ? count_totals(&fr, &tg, t->sym->decl->name.span) : 0;
    if (t->f->faults == errors && total)
        add_outputs(&fr, total, steps->data[0].minimize->value->span, metrics);
    gen_finish(gen);
    return t->f->faults == errors;
}

/* ---- the record for the driver ---- */

static const char *finish_name(const Train *t) { return front_printf(t->f, "%s.metrics", t->sym->name); }

static void add_record(Train *t, const StepVec *steps, const char *eval_name, const MetricVec *metrics)
{
    Arena *a = t->f->arena;
    nnr_data *data = ARENA_ARRAY(a, nnr_data, t->n_data);
    const char **names = ARENA_ARRAY(a, const char *, metrics->len + 1);
    const char **entries = ARENA_ARRAY(a, const char *, steps->len);
    for (int i = 0; i < t->n_data; i++)
        data[i] = t->data[i].info;
    for (int i = 0; i < metrics->len; i++)
        names[i] = metrics->data[i].name;
    for (int i = 0; i < steps->len; i++)
        entries[i] = steps->data[i].name;
    nnr_train r = { .name = t->sym->name, .batch = t->batch, .epochs = t->epochs, .data = data,
                    .n_data = t->n_data, .has_validation = t->validate != NULL, .split = t->split,
                    .metrics = names, .n_metrics = metrics->len, .patience = t->patience,
                    .steps = entries, .n_steps = steps->len, .eval = eval_name,
                    .finish = t->n_totals ? finish_name(t) : NULL, .n_totals = t->n_totals };
    VEC_PUSH(a, &t->f->module->trains, r);
}

void train_elaborate(Front *f, Symbol *sym, int64_t *batch)
{
    Train t = { .f = f, .sym = sym };
    Frame fr = frame_top(f, sym->unit, NULL);
    StepVec steps = {0};
    MetricVec metrics = {0};
    bool ok = read_options(&t);
    *batch = t.batch;
    if (!data_collect(&t) || !collect_steps(&t, &fr, &steps) || !ok)
        return;
    if (t.patience && !t.validate) {
        fail(&fr, sym->decl->name.span, "patience waits for a better validation loss, but there is no `validate`");
        hint(&fr, "validate split 0.1 holds a tenth of the samples out");
        return;
    }
    const char *eval_name = front_printf(f, "%s.eval", sym->name);
    for (int i = 0; i < steps.len; i++)
        ok = step_graph(&t, &steps.data[i], t.batch, true) && ok;
    ok = ok && eval_graph(&t, &steps, eval_name, t.batch, &metrics);
    ok = ok && (!t.n_totals || finish_graph(&t, finish_name(&t)));
    if (!ok)
        return;
    add_record(&t, &steps, eval_name, &metrics);
    for (int k = 0; k < f->options->n_extra; k++) {
        int64_t size = f->options->extra_batches[k];
        MetricVec again = {0};
        if (size < 1 || size == t.batch)
            continue;
        for (int i = 0; i < steps.len; i++)
            step_graph(&t, &steps.data[i], size, false);
        eval_graph(&t, &steps, eval_name, size, &again);
    }
}
