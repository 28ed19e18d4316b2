/* Every layer, loss, activation, initialiser and optimizer of the library:
 * - gradients of the training step against central differences of the loss (evaluated in double,
 *   relative error <= 1e-5): with sgd(lr = 1) a parameter's change is its gradient;
 * - the program compiled by each back end (float) against the evaluator: loss, every updated variable, three steps on;
 * - no library name without a case. */
#include "config.h"
#include "dsl/ast.h"
#include "nnc_internal.h"
#include "ops/ops.h"
#include "passes/passes.h"
#include "runtime/layout.h"

#include "library_cases.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

enum { MAX_BACKENDS = 2 };
typedef struct {
    Arena *arena;
    char path[64];
    nnc *evaluated, *compiled[MAX_BACKENDS];
    const nnr_program *program[MAX_BACKENDS];
    int n_backends;
} World;

/* ---- the file ---- */

/* `text` with NETNAME and NET replaced. */
static void add_loss(Text *t, const char *text, int i, const char *call)
{
    for (const char *p = text; *p;) {
        if (strncmp(p, "NETNAME", 7) == 0) {
            text_addf(t, "net_%d", i);
            p += 7;
        } else if (strncmp(p, "NET", 3) == 0) {
            text_add(t, call);
            p += 3;
        } else {
            text_add_n(t, p++, 1);
        }
    }
}

/* The names in "x: f32[N, 4], label: i32[N]", and a data line for each when t is given. */
static void add_inputs(Text *call, Text *data, const char *inputs)
{
    int depth = 0;
    const char *start = inputs;
    for (const char *p = inputs;; p++) {
        depth += *p == '[' ? 1 : *p == ']' ? -1 : 0;
        if ((*p == ',' && depth == 0) || !*p) {
            while (*start == ' ')
                start++;
            size_t len = (size_t)(p - start), name = strcspn(start, ":");
            text_addf(call, "%s%.*s", call->len && call->data[call->len - 1] != '(' ? ", " : "", (int)name, start);
            text_addf(data, "    data %.*s = npy(\"%.*s.npy\")\n", (int)len, start, (int)name, start);
            start = p + 1;
        }
        if (!*p)
            break;
    }
}

static char *program_text(Arena *arena)
{
    Text t = { .arena = arena };
    text_add(&t, PRELUDE);
    for (int i = 0; i < N_CASES; i++) {
        const Case *c = &CASES[i];
        Text call = { .arena = arena }, data = { .arena = arena };
        text_addf(&call, "net_%d(", i);
        add_inputs(&call, &data, c->inputs);
        text_add(&call, ")");
        text_addf(&t, "net net_%d(%s) {\n    y = %s\n    return y\n}\n", i, c->inputs, c->body);
        text_addf(&t, "train t%d {\n%s    batch 4\n    epochs 1\n    minimize ", i, data.data);
        add_loss(&t, c->loss ? c->loss : "sum(sin(NET + 0.3))", i, call.data);
        text_addf(&t, " with %s\n}\n", c->with ? c->with : "sgd(lr = 1.0)");
    }
    return t.data;
}

static void show(void *user, nnc_level level, const char *text)
{
    (void)user;
    if (level == NNC_ERROR)
        fputs(text, stderr);
}

static int setup(void **state)
{
    World *w = calloc(1, sizeof *w);
    w->arena = arena_new();
    snprintf(w->path, sizeof w->path, "/tmp/nnc-library-%ld.nn", (long)getpid());
    const char *text = program_text(w->arena);
    if (text_write_file(w->arena, w->path, text, strlen(text)))
        return -1;
    nnc_options o = { .diag = show, .verify = true };
    w->evaluated = nnc_new(&o);
    bool ok = nnc_load(w->evaluated, w->path) == 0;
    static const char *const BACKENDS[MAX_BACKENDS] = { "c", "llvm" };
    w->n_backends = NNC_LLVM ? 2 : 1;
    for (int b = 0; b < w->n_backends && ok; b++) {
        o.backend = BACKENDS[b];
        w->compiled[b] = nnc_new(&o);
        ok = nnc_load(w->compiled[b], w->path) == 0 && nnc_compile(w->compiled[b]) == 0;
        w->program[b] = ok ? nnc_native(w->compiled[b], false) : NULL;
        ok = w->program[b] != NULL;
    }
    remove(w->path);
    *state = w;
    return ok ? 0 : -1;
}

static int teardown(void **state)
{
    World *w = *state;
    nnc_free(w->evaluated);
    for (int b = 0; b < w->n_backends; b++)
        nnc_free(w->compiled[b]);
    arena_free(w->arena);
    free(w);
    return 0;
}

/* ---- values ---- */

static double draw(uint64_t *s)
{
    *s += 0x9e3779b97f4a7c15u;
    return (double)(nnr_mix64(*s) >> 40) * 0x1p-24;
}

/* Values by name, exactly representable as floats. */
static void fill(const char *name, Tensor *t, uint64_t *s)
{
    int64_t n = type_count(&t->type), row = t->type.rank ? t->type.dim[t->type.rank - 1] : 1;
    for (int64_t i = 0; i < n; i++) {
        double u = draw(s);
        if (strncmp(name, "label", 5) == 0)
            t->data[i] = floor(u * 3);
        else if (strncmp(name, "prob", 4) == 0)
            t->data[i] = (double)(float)(0.05 + 0.9 * u);
        else if (strncmp(name, "sign", 4) == 0)
            t->data[i] = u < 0.5 ? -1 : 1;
        else if (strncmp(name, "dist", 4) == 0)
            t->data[i] = i % row == 0 ? 0.5 : 0.5 / (double)(row - 1);
        else
            t->data[i] = (double)(float)(2 * u - 1);
    }
}

static Tensor copy_tensor(Arena *arena, const Tensor *t)
{
    Tensor c = tensor_new(arena, t->type);
    memcpy(c.data, t->data, sizeof(double) * (size_t)type_count(&t->type));
    return c;
}

static Tensor *copy_vars(Arena *arena, const Module *m, const Tensor *vars)
{
    Tensor *c = ARENA_ARRAY(arena, Tensor, m->vars.len);
    for (int i = 0; i < m->vars.len; i++)
        c[i] = vars ? copy_tensor(arena, &vars[i]) : tensor_new(arena, m->vars.data[i]->type);
    return c;
}

static void eval(const Graph *g, EvalRun *run, Arena *arena)
{
    const char *fault = graph_eval(g, run, arena);
    if (fault)
        fail_msg("%s: %s", g->name, fault);
}

/* Values after initialisation, rounded to float where they are floats. */
static Tensor *initial(const Module *m, Arena *arena)
{
    EvalRun run = { .ctx = { .seed = 11 }, .vars = copy_vars(arena, m, NULL) };
    eval(module_find_graph(m, "init", -1), &run, arena);
    for (int i = 0; i < m->vars.len; i++)
        for (int64_t k = 0; k < type_count(&m->vars.data[i]->type); k++)
            run.vars[i].data[k] = (double)(float)run.vars[i].data[k];
    return run.vars;
}

typedef struct {
    Graph *g;
    NamedTensor inputs[4];
    int n_inputs;
} Step;

static Step step_of(World *w, int i)
{
    Step s = { .g = module_find_graph(nnc_module(w->evaluated), arena_printf(w->arena, "t%d", i), -1) };
    assert_non_null(s.g);
    uint64_t seed = (uint64_t)i * 1000;
    for (int k = 0; k < s.g->nodes.len; k++) {
        const Node *n = s.g->nodes.data[k];
        if (n->op != &op_input)
            continue;
        Tensor t = tensor_new(w->arena, n->type);
        const char *name = n->attr[op_attr(&op_input, "name")].name;
        fill(name, &t, &seed);
        assert_true(s.n_inputs < 4);
        s.inputs[s.n_inputs++] = (NamedTensor){ name, t };
    }
    return s;
}

static double loss_of(const EvalRun *run)
{
    for (int i = 0; i < run->outputs.len; i++)
        if (strcmp(run->outputs.data[i].name, "loss") == 0)
            return run->outputs.data[i].value.data[0];
    fail_msg("no output is named loss");
    return 0;
}

/* ---- gradients ---- */

static void run_passes(Graph *g, Arena *arena)
{
    PassCtx ctx = { .arena = arena, .target = ltarget_host() };
    assert_true(pass_grad(&ctx, g));
    assert_true(pass_simplify(&ctx, g));
    assert_true(pass_dce(&ctx, g));
    graph_renumber(g);
}

static void check_gradient(World *w, const Step *s, int i, const Tensor *vars)
{
    const Module *m = nnc_module(w->evaluated);
    nnr_ctx ctx = { .seed = 3 };
    EvalRun base = { .ctx = ctx, .inputs = s->inputs, .n_inputs = s->n_inputs, .vars = copy_vars(w->arena, m, vars) };
    eval(s->g, &base, w->arena);
    uint64_t pick = 77;
    int checked = 0;
    for (int v = 0; v < m->vars.len; v++) {
        const Var *var = m->vars.data[v];
        const char *net = arena_printf(w->arena, "net_%d.", i);
        if (var->kind != VAR_PARAM || strncmp(var->name, net, strlen(net)) != 0)
            continue;
        int64_t n = type_count(&var->type);
        for (int k = 0; k < 6; k++) {
            int64_t e = (int64_t)(draw(&pick) * (double)n);
            double h = 1e-5, loss[2], gradient = vars[v].data[e] - base.vars[v].data[e];
            for (int side = 0; side < 2; side++) {
                EvalRun run = { .ctx = ctx, .inputs = s->inputs, .n_inputs = s->n_inputs, .vars = copy_vars(w->arena, m, vars) };
                run.vars[v].data[e] += side ? h : -h;
                eval(s->g, &run, w->arena);
                loss[side] = loss_of(&run);
            }
            double difference = (loss[1] - loss[0]) / (2 * h);
            double scale = fmax(fmax(fabs(gradient), fabs(difference)), 1e-3);
            if (!(fabs(gradient - difference) <= 1e-5 * scale))
                fail_msg("%s | %s: d loss / d %s[%ld] is %.9g, by differences %.9g", CASES[i].body,
                         CASES[i].loss ? CASES[i].loss : "", var->name, (long)e, gradient, difference);
            checked++;
        }
    }
    assert_true(checked > 0);
}

/* ---- compiled against evaluated ---- */

static void *block(size_t bytes)
{
    void *p = aligned_alloc(NNR_ALIGN, (bytes + NNR_ALIGN) / NNR_ALIGN * NNR_ALIGN);
    memset(p, 0, (bytes + NNR_ALIGN) / NNR_ALIGN * NNR_ALIGN);
    return p;
}

static void store(void *to, const Tensor *t)
{
    for (int64_t k = 0; k < type_count(&t->type); k++) {
        if (t->type.dtype == DT_F32)
            ((float *)to)[k] = (float)t->data[k];
        else if (t->type.dtype == DT_I32)
            ((int32_t *)to)[k] = (int32_t)t->data[k];
        else
            ((uint8_t *)to)[k] = t->data[k] != 0;
    }
}

static const nnr_var *var_named(const nnr_program *p, const char *name)
{
    for (int i = 0; i < p->n_vars; i++)
        if (strcmp(p->vars[i].info.name, name) == 0)
            return &p->vars[i];
    fail_msg("the program has no variable '%s'", name);
    return NULL;
}

static char *var_at(const nnr_var *v, char *weights, char *slots)
{
    return (v->kind == NNR_SLOT ? slots : weights) + v->offset;
}

static const nnr_entry *entry_named(const nnr_program *p, const char *name)
{
    for (int i = 0; i < p->n_entries; i++)
        if (strcmp(p->entries[i].name, name) == 0)
            return &p->entries[i];
    fail_msg("the program has no entry '%s'", name);
    return NULL;
}

static void check_compiled(World *w, const nnr_program *p, const Step *s, int i, const Tensor *vars)
{
    const Module *m = nnc_module(w->evaluated);
    char *weights = block(p->weights_bytes), *slots = block(p->slots_bytes);
    for (int v = 0; v < m->vars.len; v++) {
        const nnr_var *var = var_named(p, m->vars.data[v]->name);
        void *rows = block((size_t)type_count(&vars[v].type) * 4);
        store(rows, &vars[v]);
        nnr_layout_store(var, rows, var_at(var, weights, slots));
        free(rows);
    }
    const nnr_entry *e = entry_named(p, s->g->name);
    const void *in[4] = { 0 };
    for (int k = 0; k < e->n_in; k++)
        for (int q = 0; q < s->n_inputs; q++)
            if (strcmp(e->in[k].name, s->inputs[q].name) == 0) {
                void *data = block((size_t)type_count(&s->inputs[q].value.type) * 4);
                store(data, &s->inputs[q].value);
                in[k] = data;
            }
    float *out[4];
    for (int k = 0; k < 4; k++)
        out[k] = block(64);
    void *arena = block(e->arena_bytes);
    EvalRun run = { .inputs = s->inputs, .n_inputs = s->n_inputs, .vars = copy_vars(w->arena, m, vars) };
    uint64_t steps = CASES[i].with ? 3 : 1; /* with lr = 1 rounding errors grow from step to step */
    for (uint64_t step = 0; step < steps; step++) {
        nnr_ctx ctx = { .seed = 3, .step = step };
        run.ctx = ctx;
        run.outputs.len = 0;
        eval(s->g, &run, w->arena);
        e->run(weights, slots, in, (void *const *)(void *)out, arena, &ctx);
        double loss = loss_of(&run);
        if (!(fabs(loss - (double)out[0][0]) <= 1e-3 * fmax(1, fabs(loss))))
            fail_msg("%s | %s: step %d: loss %.9g, compiled %.9g", CASES[i].body, CASES[i].loss ? CASES[i].loss : "",
                     (int)step, loss, (double)out[0][0]);
    }
    for (int v = 0; v < m->vars.len; v++) {
        const Var *var = m->vars.data[v];
        if (var->type.dtype != DT_F32)
            continue;
        const nnr_var *place = var_named(p, var->name);
        float *got = block((size_t)type_count(&var->type) * 4);
        nnr_layout_load(place, var_at(place, weights, slots), got);
        double size = 1e-3;
        for (int64_t k = 0; k < type_count(&var->type); k++)
            size = fmax(size, fabs(run.vars[v].data[k]));
        for (int64_t k = 0; k < type_count(&var->type); k++)
            /* 2e-5: what is left of sums of values near 1 that cancel (a bias before batch_norm) */
            if (!(fabs(run.vars[v].data[k] - (double)got[k]) <= 2e-3 * size + 2e-5))
                fail_msg("%s | %s: %s[%ld] is %.9g, compiled %.9g", CASES[i].body, CASES[i].loss ? CASES[i].loss : "",
                         var->name, (long)k, run.vars[v].data[k], (double)got[k]);
        free(got);
    }
    for (int k = 0; k < 4; k++) {
        free(out[k]);
        free((void *)(uintptr_t)in[k]);
    }
    free(arena);
    free(weights);
    free(slots);
}

static void all_cases(void **state)
{
    World *w = *state;
    const Tensor *vars = initial(nnc_module(w->evaluated), w->arena);
    for (int i = 0; i < N_CASES; i++) {
        Step s = step_of(w, i);
        run_passes(s.g, w->arena);
        if (!CASES[i].with)
            check_gradient(w, &s, i, vars);
        for (int b = 0; b < w->n_backends; b++)
            check_compiled(w, w->program[b], &s, i, vars);
    }
}

/* ---- nothing is left out ---- */

static bool mentions(const char *text, const char *name)
{
    size_t len = strlen(name);
    for (const char *p = text; p && (p = strstr(p, name)); p += len) {
        bool before = p > text && (strchr("_", p[-1]) || (p[-1] >= 'a' && p[-1] <= 'z') || (p[-1] >= '0' && p[-1] <= '9'));
        bool after = p[len] == '_' || (p[len] >= 'a' && p[len] <= 'z') || (p[len] >= '0' && p[len] <= '9');
        if (!before && !after)
            return true;
    }
    return false;
}

static bool has_case(const char *name)
{
    if (mentions(PRELUDE, name))
        return true;
    for (int i = 0; i < N_CASES; i++)
        if (mentions(CASES[i].body, name) || mentions(CASES[i].loss, name) || mentions(CASES[i].with, name))
            return true;
    for (size_t i = 0; i < sizeof INTERNAL / sizeof *INTERNAL; i++)
        if (strcmp(INTERNAL[i], name) == 0)
            return true;
    return false;
}

static void nothing_left_out(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    int missing = 0;
    for (int f = 0; f < DSL_STD_COUNT; f++) {
        Diags diags = { .arena = arena };
        Source *source = source_new(arena, DSL_STD[f].name, DSL_STD[f].text, DSL_STD[f].len);
        File *file = dsl_parse(arena, intern_new(arena), source, &diags);
        assert_int_equal(diags.n_errors, 0);
        for (int d = 0; d < file->n_decls; d++)
            if (!has_case(file->decls[d]->name.name)) {
                print_error("%s: %s has no case in library_cases.h\n", DSL_STD[f].name, file->decls[d]->name.name);
                missing++;
            }
    }
    arena_free(arena);
    assert_int_equal(missing, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_cases, setup, teardown),
        cmocka_unit_test(nothing_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
