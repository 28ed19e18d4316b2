/* A program's blocks of memory, its entries by name, its weights in files. See model.h. */
#include "runtime/model.h"
#include "runtime/layout.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Weights, slots and arenas of large networks are walked through at every call: with pages of 4 KiB a
 * processor would look up hundreds of thousands of them. */
enum { HUGE_PAGE = 2 << 20 };

void *nnr_block(size_t bytes)
{
    size_t size = (bytes / NNR_ALIGN + 1) * NNR_ALIGN;
    bool huge = size >= 4 * (size_t)HUGE_PAGE;
    size_t align = huge ? HUGE_PAGE : NNR_ALIGN;
    size = (size + align - 1) / align * align;
    void *p = size > bytes ? aligned_alloc(align, size) : NULL;
#ifdef MADV_HUGEPAGE
    if (p && huge) (void)madvise(p, size, MADV_HUGEPAGE); /* where the system has none to give, it has small ones */
#endif
    return p ? memset(p, 0, size) : NULL;
}

nnr_status nnr_model_create(const nnr_program *program, nnr_model *out, nnr_error *err)
{
    *out = (nnr_model){program, nnr_block(program->weights_bytes), nnr_block(program->slots_bytes)};
    if (out->weights && out->slots) return NNR_OK;
    nnr_model_destroy(out);
    nnr_no_memory(err, program->name, program->weights_bytes + program->slots_bytes);
    return NNR_FAILED;
}

void nnr_model_destroy(nnr_model *model)
{
    free(model->weights);
    free(model->slots);
    *model = (nnr_model){0};
}

/* Runs the entries of a kind that has neither inputs nor outputs. */
static nnr_status run_all(nnr_model *model, nnr_entry_kind kind, const nnr_ctx *ctx, nnr_error *err)
{
    const nnr_program *p = model->program;
    for (int i = 0; i < p->n_entries; i++) {
        if (p->entries[i].kind != kind) continue;
        void *arena = nnr_block(p->entries[i].arena_bytes);
        if (!arena) {
            nnr_no_memory(err, p->name, p->entries[i].arena_bytes);
            return NNR_FAILED;
        }
        p->entries[i].run(model->weights, model->slots, NULL, NULL, arena, ctx);
        free(arena);
    }
    return NNR_OK;
}

nnr_status nnr_model_init(nnr_model *model, uint64_t seed, nnr_error *err)
{
    return run_all(model, NNR_INIT, &(nnr_ctx){.seed = seed}, err);
}

void *nnr_var_data(const nnr_model *model, const nnr_var *var)
{
    return (uint8_t *)(var->kind == NNR_SLOT ? model->slots : model->weights) + var->offset;
}

bool nnr_is_weight(const nnr_var *var) { return var->kind == NNR_PARAM || var->kind == NNR_STATE; }

/* Is what is prepared up to date? NULL: the program prepares nothing. */
static int32_t *prepared_flag(const nnr_model *model)
{
    for (int i = 0; i < model->program->n_vars; i++) {
        const nnr_var *v = &model->program->vars[i];
        if (v->kind == NNR_PREPARED && v->info.dtype == NNR_I32) return nnr_var_data(model, v);
    }
    return NULL;
}

void nnr_changed(nnr_model *model)
{
    int32_t *flag = prepared_flag(model);
    if (flag) *flag = 0;
}

nnr_status nnr_prepare(nnr_model *model, nnr_error *err)
{
    const int32_t *flag = prepared_flag(model);
    return flag && !*flag ? run_all(model, NNR_PREPARE, &(nnr_ctx){0}, err) : NNR_OK;
}

const nnr_entry *nnr_entry_up_to(const nnr_program *p, const char *name, int64_t batch)
{
    const nnr_entry *best = NULL;
    for (int i = 0; i < p->n_entries; i++) {
        const nnr_entry *e = &p->entries[i];
        if (strcmp(e->name, name) == 0 && e->batch <= batch && (!best || e->batch > best->batch)) best = e;
    }
    return best;
}

const nnr_entry *nnr_entry_exact(const nnr_program *p, const char *name, int64_t batch)
{
    const nnr_entry *e = nnr_entry_up_to(p, name, batch);
    return e && e->batch == batch ? e : NULL;
}

const nnr_train *nnr_train_find(const nnr_program *p, const char *name, nnr_error *err)
{
    if (p->n_trains == 0) {
        nnr_fail(err, "%s: error: the program has no train block", p->name);
        nnr_note(err, "write one, with data, batch, epochs and minimize");
        return NULL;
    }
    if (!name && p->n_trains == 1) return &p->trains[0];
    for (int i = 0; name && i < p->n_trains; i++)
        if (strcmp(p->trains[i].name, name) == 0) return &p->trains[i];
    if (name) nnr_fail(err, "%s: error: there is no train block \"%.80s\"", p->name, name);
    else nnr_fail(err, "%s: error: the program has %d train blocks", p->name, p->n_trains);
    nnr_note(err, "name one of");
    for (int i = 0; i < p->n_trains; i++)
        nnr_append(err->text, sizeof err->text, "%s %s", i ? "," : "", p->trains[i].name);
    return NULL;
}

/* ---- weights files ------------------------------------------------------------------------------ */

nnr_tensor nnr_var_tensor(const nnr_model *model, const nnr_var *var, const char *name)
{
    nnr_tensor t = {.name = name,
                    .dtype = var->info.dtype,
                    .rank = var->info.rank,
                    .values = nnr_var_data(model, var)};
    memcpy(t.dims, var->info.dims, sizeof t.dims);
    return t;
}

nnr_status nnr_weights_save(const nnr_model *model, const char *path, nnr_error *err)
{
    const nnr_program *p = model->program;
    nnr_meta meta[2] = {{.key = "format", .value = "pt"}, {.key = "program"}};
    int n = 0;
    nnr_tensor *tensors = calloc((size_t)p->n_vars + 1, sizeof *tensors);
    nnr_model rows = {p, (void *)(uintptr_t)nnr_rows(p, model->weights, false), NULL}; /* only read */
    if (!tensors || !rows.weights) {
        free(tensors);
        nnr_rows_free(rows.weights, model->weights);
        nnr_no_memory(err, path, p->weights_bytes);
        return NNR_FAILED;
    }
    snprintf(meta[1].value, sizeof meta[1].value, "%s", p->name);
    for (int i = 0; i < p->n_vars; i++)
        if (nnr_is_weight(&p->vars[i]))
            tensors[n++] = nnr_var_tensor(&rows, &p->vars[i], p->vars[i].info.name);
    bool ok = nnr_tensors_write(path, tensors, n, meta, 2, err);
    free(tensors);
    nnr_rows_free(rows.weights, model->weights);
    return ok ? NNR_OK : NNR_FAILED;
}

/* The tensor of the file most like a missing variable's name, among those that no variable takes. */
static const char *near_tensor(const nnr_tensors *file, const char *name)
{
    const char **names = calloc((size_t)file->n + 1, sizeof *names);
    const char *found = NULL;
    if (!names) return NULL;
    for (int i = 0; i < file->n; i++) names[i] = file->tensors[i].name;
    int near = nnr_nearest(name, names, file->n);
    if (near >= 0) found = names[near];
    free(names);
    return found;
}

bool nnr_var_problem(const nnr_tensors *file, const char *prefix, const nnr_var *var,
                     const nnr_tensor *found, char *text, size_t size)
{
    char shape[192], want[192];
    nnr_shape_text(want, sizeof want, var->info.dims, var->info.rank);
    if (!found) {
        char full[256];
        snprintf(full, sizeof full, "%s%s", prefix, var->info.name);
        const char *near = near_tensor(file, full);
        nnr_append(text, size, "%s (%s%s) is missing", var->info.name, nnr_dtype_name(var->info.dtype), want);
        if (near) nnr_append(text, size, " (the file has %.80s)", near);
        return true;
    }
    if (found->known && found->dtype == var->info.dtype && found->rank == var->info.rank &&
        memcmp(found->dims, var->info.dims, sizeof *found->dims * (size_t)found->rank) == 0)
        return false;
    nnr_append(text, size, "%s is %s%s in the file, but %s%s in the program", var->info.name,
               found->known ? nnr_dtype_name(found->dtype) : found->type,
               nnr_shape_text(shape, sizeof shape, found->dims, found->rank),
               nnr_dtype_name(var->info.dtype), want);
    return true;
}

typedef struct {
    int fitting, wrong, extra;
    char text[600]; /* the first few problems */
} Comparison;

static void separate(Comparison *c)
{
    if (c->text[0]) nnr_append(c->text, sizeof c->text, "; ");
}

static bool is_weight(const nnr_program *p, const char *name)
{
    for (int i = 0; i < p->n_vars; i++)
        if (nnr_is_weight(&p->vars[i]) && strcmp(p->vars[i].info.name, name) == 0) return true;
    return false;
}

static void compare(const nnr_program *p, const nnr_tensors *file, const char *prefix, Comparison *c)
{
    size_t np = strlen(prefix);
    for (int i = 0; i < p->n_vars; i++) {
        if (!nnr_is_weight(&p->vars[i])) continue;
        const nnr_tensor *found = nnr_tensors_find(file, prefix, p->vars[i].info.name);
        char text[512] = "";
        if (!nnr_var_problem(file, prefix, &p->vars[i], found, text, sizeof text)) {
            c->fitting++;
        } else if (c->wrong++ < 4) {
            separate(c);
            nnr_append(c->text, sizeof c->text, "%s", text);
        }
    }
    for (int i = 0; i < file->n; i++) {
        const char *name = file->tensors[i].name;
        if (np > 0 && strncmp(name, prefix, np) != 0) continue;
        if (is_weight(p, name + np) || c->extra++ >= 3) continue;
        separate(c);
        nnr_append(c->text, sizeof c->text, "%.80s is not in the program", name + np);
    }
    if (c->wrong > 4 || c->extra > 3) {
        separate(c);
        nnr_append(c->text, sizeof c->text, "and more");
    }
}

static void copy_fitting(nnr_model *model, const nnr_tensors *file, const char *prefix)
{
    char text[512];
    for (int i = 0; i < model->program->n_vars; i++) {
        const nnr_var *v = &model->program->vars[i];
        const nnr_tensor *found = nnr_tensors_find(file, prefix, v->info.name);
        text[0] = '\0';
        if (!nnr_is_weight(v) || nnr_var_problem(file, prefix, v, found, text, sizeof text)) continue;
        nnr_layout_store(v, found->values, nnr_var_data(model, v));
    }
    nnr_changed(model);
}

static bool refuse(const Comparison *c, const nnr_program *p, const char *path, bool strict, nnr_error *err)
{
    int n = c->wrong + c->extra;
    if (strict) {
        nnr_fail(err, "%s: error: %d tensor%s fit the program %s: %s", path, n, n == 1 ? " does not" : "s do not",
                 p->name, c->text);
        return nnr_note(err, "give weights of this program; training can start from what fits of another's "
                             "with --init");
    }
    nnr_fail(err, "%s: error: nothing in it fits the program %s: %s", path, p->name, c->text);
    return nnr_note(err, "give weights with some of the program's names and shapes, or leave --init out");
}

nnr_status nnr_weights_load(nnr_model *model, const char *path, bool strict, nnr_say say, void *user,
                            nnr_error *err)
{
    nnr_tensors file;
    Comparison c = {0};
    if (!nnr_tensors_read(path, &file, err)) return NNR_FAILED;
    /* A checkpoint serves as a weights file: its weights have a prefix. */
    const char *format = nnr_tensors_meta(&file, "format");
    const char *prefix = format && strncmp(format, "nnr-checkpoint", 14) == 0 ? "weights/" : "";
    compare(model->program, &file, prefix, &c);
    bool ok = strict ? c.wrong + c.extra == 0 : c.fitting > 0;
    if (ok) copy_fitting(model, &file, prefix);
    else refuse(&c, model->program, path, strict, err);
    if (ok && c.wrong + c.extra > 0)
        nnr_tell(say, user, NNR_SAY_WARNING, "%s: %d of %d tensors of the program loaded; %s", path,
                 c.fitting, c.fitting + c.wrong, c.text);
    nnr_tensors_free(&file);
    return ok ? NNR_OK : NNR_FAILED;
}
