/* The program table of a built executable: what runtime/nnr.h declares, as C initialisers. */
#include "back/c/print.h"
#include <inttypes.h>

static const char *const DTYPE[] = { "NNR_F32", "NNR_I32", "NNR_BOOL", "NNR_U8", "NNR_F64" };
static const char *const VAR_KIND[] = { "NNR_PARAM", "NNR_STATE", "NNR_SLOT", "NNR_PREPARED" };
static const char *const ENTRY_KIND[] = { "NNR_INIT", "NNR_INFER", "NNR_STEP", "NNR_EVAL", "NNR_PREPARE" };
static const char *const READER[] = { "NNR_IDX", "NNR_CSV", "NNR_NPY", "NNR_TEXT" };

static void add_number(Text *t, double v) { text_add_double(t, v); }

static void add_info(Text *t, const nnr_info *info)
{
    text_add(t, "{ ");
    c_add_string(t, info->name);
    text_addf(t, ", %s, %d, {", DTYPE[info->dtype], info->rank);
    for (int i = 0; i < info->rank; i++)
        text_addf(t, "%s%" PRId64, i ? ", " : " ", info->dims[i]);
    text_add(t, info->rank ? " } }" : " 0 } }");
}

static void add_layout(Text *t, const nnr_layout *l)
{
    const char *const field[] = { ".axis", ".dims", ".step" };
    text_addf(t, "{ .rank = %d", l->rank);
    for (int k = 0; k < 3 && l->rank; k++) {
        text_addf(t, ", %s = {", field[k]);
        for (int p = 0; p < l->rank; p++)
            text_addf(t, "%s%" PRId64, p ? ", " : " ", k == 0 ? l->axis[p] : k == 1 ? l->dims[p] : l->step[p]);
        text_add(t, " }");
    }
    text_add(t, " }");
}

static void add_infos(Text *t, const char *name, const nnr_info *info, int n)
{
    if (!n)
        return;
    text_addf(t, "static const nnr_info %s[] = {\n", name);
    for (int i = 0; i < n; i++) {
        text_add(t, "    ");
        add_info(t, &info[i]);
        text_add(t, ",\n");
    }
    text_add(t, "};\n");
}

/* An array of texts; its name, or NULL when there are none. */
static const char *add_strings(CPrinter *p, Text *t, const char *name, const char *const *v, int n)
{
    if (!n)
        return "NULL";
    text_addf(t, "static const char *const %s[] = { ", name);
    for (int i = 0; i < n; i++) {
        text_add(t, i ? ", " : "");
        c_add_string(t, v[i]);
    }
    text_add(t, " };\n");
    return arena_strdup(p->arena, name);
}

/* A source as an initialiser; its arrays go to `before`. */
static char *source_text(CPrinter *p, Text *before, const char *prefix, const nnr_source *s)
{
    Text t = { .arena = p->arena };
    const char *columns = add_strings(p, before, arena_printf(p->arena, "%s_columns", prefix), s->columns, s->n_columns);
    const char *classes = add_strings(p, before, arena_printf(p->arena, "%s_classes", prefix), s->classes, s->n_classes);
    text_addf(&t, "{ .reader = %s, .file = ", READER[s->reader]);
    c_add_string(&t, s->file);
    text_addf(&t, ", .columns = %s, .n_columns = %d, .classes = %s, .n_classes = %d,\n      .separator = ", columns,
              s->n_columns, classes, s->n_classes);
    c_add_string(&t, s->separator);
    text_addf(&t, ", .header = %d, .shift = %" PRId64 ", .stride = %" PRId64 ", .first = ", s->header, s->shift, s->stride);
    add_number(&t, s->first);
    text_add(&t, ", .last = ");
    add_number(&t, s->last);
    text_add(&t, " }");
    return t.data;
}

static void add_data(CPrinter *p, Text *out, int index, const nnr_train *train)
{
    if (!train->n_data)
        return;
    Text t = { .arena = p->arena };
    text_addf(&t, "static const nnr_data data_%d[] = {\n", index);
    for (int i = 0; i < train->n_data; i++) {
        const nnr_data *d = &train->data[i];
        text_add(&t, "    { ");
        add_info(&t, &d->info);
        const char *prefix = arena_printf(p->arena, "train_%d_data_%d", index, i);
        text_addf(&t, ",\n      %s", source_text(p, out, prefix, &d->train));
        if (train->has_validation && train->split == 0) {
            prefix = arena_printf(p->arena, "valid_%d_data_%d", index, i);
            text_addf(&t, ",\n      %s", source_text(p, out, prefix, &d->valid));
        } else {
            text_add(&t, ",\n      { .first = 0, .last = 1 }");
        }
        text_add(&t, " },\n");
    }
    text_add(&t, "};\n");
    text_add(out, t.data);
}

static void add_train(CPrinter *p, Text *out, Text *table, int index, const nnr_train *train)
{
    add_data(p, out, index, train);
    const char *metrics = add_strings(p, out, arena_printf(p->arena, "metrics_%d", index), train->metrics, train->n_metrics);
    const char *steps = add_strings(p, out, arena_printf(p->arena, "steps_%d", index), train->steps, train->n_steps);
    text_add(table, "    { .name = ");
    c_add_string(table, train->name);
    text_addf(table, ", .batch = %" PRId64 ", .epochs = %" PRId64 ", .data = %s, .n_data = %d,\n", train->batch,
              train->epochs, train->n_data ? arena_printf(p->arena, "data_%d", index) : "NULL", train->n_data);
    text_addf(table, "      .has_validation = %s, .split = ", train->has_validation ? "true" : "false");
    add_number(table, train->split);
    text_addf(table, ", .metrics = %s, .n_metrics = %d, .patience = %" PRId64 ",\n", metrics, train->n_metrics,
              train->patience);
    text_addf(table, "      .steps = %s, .n_steps = %d, .eval = ", steps, train->n_steps);
    c_add_string(table, train->eval);
    text_add(table, ", .finish = ");
    c_add_string(table, train->finish);
    text_addf(table, ", .n_totals = %d },\n", train->n_totals);
}

static void add_vars(CPrinter *p, Text *out)
{
    if (!p->program->n_globals)
        return;
    text_add(out, "\nstatic const nnr_var vars[] = {\n");
    for (int i = 0; i < p->program->n_globals; i++) {
        const LGlobal *g = &p->program->globals[i];
        text_add(out, "    { ");
        add_info(out, &g->info);
        text_addf(out, ", %s, %" PRId64 ", ", VAR_KIND[g->kind], g->offset);
        add_layout(out, &g->layout);
        text_add(out, " },\n");
    }
    text_add(out, "};\n");
}

static void add_entries(CPrinter *p, Text *out)
{
    const LProgram *prog = p->program;
    for (int i = 0; i < prog->entries.len; i++) {
        const LEntry *e = prog->entries.data[i];
        text_add(out, "\n");
        c_wrapper(p, out, e, arena_printf(p->arena, "run_%d", i), "nnr_ctx");
        add_infos(out, arena_printf(p->arena, "in_%d", i), e->in, e->n_in);
        add_infos(out, arena_printf(p->arena, "out_%d", i), e->out, e->n_out);
    }
    if (!prog->entries.len)
        return;
    text_add(out, "\nstatic const nnr_entry entries[] = {\n");
    for (int i = 0; i < prog->entries.len; i++) {
        const LEntry *e = prog->entries.data[i];
        text_add(out, "    { ");
        c_add_string(out, e->name);
        text_add(out, ", ");
        c_add_string(out, e->train);
        text_addf(out, ", %s, %" PRId64 ", %d, %d, %s, %s, %" PRId64 ", run_%d },\n", ENTRY_KIND[e->kind], e->batch,
                  e->n_in, e->n_out, e->n_in ? arena_printf(p->arena, "in_%d", i) : "NULL",
                  e->n_out ? arena_printf(p->arena, "out_%d", i) : "NULL", e->arena_bytes, i);
    }
    text_add(out, "};\n");
}

char *back_c_program(Arena *arena, const LProgram *program, const nnr_train *trains, int n_trains)
{
    CPrinter p = { .arena = arena, .program = program };
    const char *name = program->c_name;
    Text out = { .arena = arena };
    text_addf(&out,
              "/* %s_program.c: made by nnc; the program table of %s for the runtime. */\n"
              "#include \"%s.h\"\n#include \"nnr.h\"\n",
              name, c_comment_text(arena, program->name), name);
    add_vars(&p, &out);
    add_entries(&p, &out);
    Text table = { .arena = arena };
    for (int i = 0; i < n_trains; i++) {
        text_add(&out, "\n");
        add_train(&p, &out, &table, i, &trains[i]);
    }
    if (n_trains)
        text_addf(&out, "static const nnr_train trains[] = {\n%s};\n", table.data);
    text_addf(&out, "\nextern const nnr_program %s_program;\nconst nnr_program %s_program = {\n    .name = ", name, name);
    c_add_string(&out, program->name);
    text_addf(&out,
              ",\n    .vars = %s, .n_vars = %d, .weights_bytes = %" PRId64 ", .slots_bytes = %" PRId64 ",\n"
              "    .entries = %s, .n_entries = %d,\n    .trains = %s, .n_trains = %d,\n};\n",
              program->n_globals ? "vars" : "NULL", program->n_globals, program->weights_bytes, program->slots_bytes,
              program->entries.len ? "entries" : "NULL", program->entries.len, n_trains ? "trains" : "NULL", n_trains);
    text_addf(&out,
              "\n#ifndef NNC_NO_MAIN\nint nnr_main(const nnr_program *program, int argc, char **argv);\n"
              "int main(int argc, char **argv) { return nnr_main(&%s_program, argc, argv); }\n#endif\n", name);
    return out.data;
}
