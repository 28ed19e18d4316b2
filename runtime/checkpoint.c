/* Checkpoints: a safetensors file whose tensors are "weights/NAME", "slots/NAME" and, with early
 * stopping, "best/NAME", and whose metadata holds the position in the run. A checksum over position
 * and values tells a damaged file. Floating point numbers are stored by their bits. */
#include "runtime/checkpoint.h"
#include "runtime/layout.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static const char format[] = "nnr-checkpoint-1";

/* ---- the position as words ---------------------------------------------------------------------- */

enum { TOTALS_WORDS = 1 + NNR_MAX_STEPS + NNR_MAX_METRICS, WORDS = 16 + NNR_MAX_STEPS + 5 * TOTALS_WORDS };
/* Of a block with totals (nnr_train.n_totals) there are more, behind all others. */
enum { MOST_WORDS = WORDS + 5 * NNR_MAX_TOTALS };
static int words_of(const nnr_train *t) { return WORDS + 5 * t->n_totals; }

/* One walk serves both directions, so that they cannot differ. */
typedef struct {
    uint64_t words[MOST_WORDS];
    int at;
    bool reading;
} Pack;

static void pack_u64(Pack *p, uint64_t *v)
{
    if (p->reading) *v = p->words[p->at];
    else p->words[p->at] = *v;
    p->at++;
}

static void pack_i64(Pack *p, int64_t *v)
{
    uint64_t u = (uint64_t)*v;
    pack_u64(p, &u);
    *v = (int64_t)u;
}

static void pack_f64(Pack *p, double *v)
{
    uint64_t u;
    memcpy(&u, v, sizeof u);
    pack_u64(p, &u);
    memcpy(v, &u, sizeof u);
}

static void pack_totals(Pack *p, nnr_totals *t)
{
    pack_i64(p, &t->samples);
    for (int i = 0; i < NNR_MAX_STEPS; i++) pack_f64(p, &t->losses[i]);
    for (int i = 0; i < NNR_MAX_METRICS; i++) pack_f64(p, &t->metrics[i]);
}

static void pack_position(Pack *p, nnr_position *a, int n_totals)
{
    int64_t shuffled = a->shuffled;
    pack_u64(p, &a->seed);
    pack_i64(p, &a->batch);
    pack_i64(p, &a->samples);
    pack_i64(p, &a->epoch);
    pack_i64(p, &a->position);
    pack_i64(p, &a->steps);
    pack_i64(p, &shuffled);
    pack_f64(p, &a->epoch_seconds);
    pack_f64(p, &a->all_seconds);
    pack_f64(p, &a->last_seconds);
    pack_i64(p, &a->best_epoch);
    pack_f64(p, &a->best_loss);
    pack_i64(p, &a->bad_epochs);
    for (int i = 0; i < NNR_MAX_STEPS; i++) pack_u64(p, &a->counters[i]);
    pack_totals(p, &a->totals);
    pack_totals(p, &a->last);
    pack_totals(p, &a->last_valid);
    pack_totals(p, &a->best);
    pack_totals(p, &a->best_valid);
    a->shuffled = shuffled != 0;
    nnr_totals *all[] = {&a->totals, &a->last, &a->last_valid, &a->best, &a->best_valid};
    p->at = WORDS;
    for (int k = 0; k < 5; k++)
        for (int i = 0; i < n_totals; i++) pack_f64(p, &all[k]->values[i]);
}

/* ---- which program ------------------------------------------------------------------------------ */

static uint32_t add_text(uint32_t crc, const char *text)
{
    return (uint32_t)crc32(crc, (const Bytef *)text, (uInt)strlen(text) + 1);
}

/* Of what a run depends on beyond the variables, whose names and shapes the tensors carry. */
static uint32_t fingerprint(const nnr_train *t)
{
    uint32_t crc = add_text(0, t->name);
    for (int i = 0; i < t->n_steps; i++) crc = add_text(crc, t->steps[i]);
    for (int i = 0; i < t->n_metrics; i++) crc = add_text(crc, t->metrics[i]);
    for (int i = 0; i < t->n_data; i++) crc = add_text(crc, t->data[i].info.name);
    if (t->n_totals) crc = (uint32_t)crc32(crc, (const Bytef *)&t->n_totals, sizeof t->n_totals);
    return crc;
}

static uint32_t add_values(uint32_t crc, const void *values, size_t n)
{
    return (uint32_t)crc32_z(crc, values, n);
}

/* ---- saving ------------------------------------------------------------------------------------- */

typedef struct {
    nnr_tensor *tensors;
    char (*names)[256];
    int n;
    const void *weights, *slots, *best; /* row major */
} List;

static void add_block(List *l, const nnr_program *p, const void *rows, bool slots, const char *prefix)
{
    void *block = (void *)(uintptr_t)rows; /* only read */
    const nnr_model model = {p, block, block};
    for (int i = 0; i < p->n_vars; i++) {
        const nnr_var *v = &p->vars[i];
        if (v->kind == NNR_PREPARED || (v->kind == NNR_SLOT) != slots) continue;
        snprintf(l->names[l->n], sizeof l->names[0], "%s%s", prefix, v->info.name);
        l->tensors[l->n] = nnr_var_tensor(&model, v, l->names[l->n]);
        l->n++;
    }
}

/* Tensors in the order of the program, which the checksum follows. */
static bool list_tensors(List *l, const nnr_model *model, const void *best)
{
    const nnr_program *p = model->program;
    size_t max = 2 * (size_t)p->n_vars + 1;
    l->tensors = calloc(max, sizeof *l->tensors);
    l->names = calloc(max, sizeof *l->names);
    l->weights = nnr_rows(p, model->weights, false);
    l->slots = nnr_rows(p, model->slots, true);
    l->best = best ? nnr_rows(p, best, false) : NULL;
    if (!l->tensors || !l->names || !l->weights || !l->slots || (best && !l->best)) return false;
    add_block(l, p, l->weights, false, "weights/");
    add_block(l, p, l->slots, true, "slots/");
    if (best) add_block(l, p, l->best, false, "best/");
    return true;
}

static void free_list(List *l, const nnr_model *model, const void *best)
{
    free(l->tensors);
    free(l->names);
    nnr_rows_free(l->weights, model->weights);
    nnr_rows_free(l->slots, model->slots);
    nnr_rows_free(l->best, best);
}

static void fill_meta(nnr_meta *meta, int *n, const nnr_program *p, const nnr_train *t, const Pack *pack,
                      uint32_t crc)
{
    snprintf(meta[0].key, sizeof meta[0].key, "format");
    snprintf(meta[0].value, sizeof meta[0].value, "%s", format);
    snprintf(meta[1].key, sizeof meta[1].key, "program");
    snprintf(meta[1].value, sizeof meta[1].value, "%s", p->name);
    snprintf(meta[2].key, sizeof meta[2].key, "train");
    snprintf(meta[2].value, sizeof meta[2].value, "%s %08x", t->name, fingerprint(t));
    snprintf(meta[3].key, sizeof meta[3].key, "crc32");
    snprintf(meta[3].value, sizeof meta[3].value, "%08x", crc);
    *n = 4;
    for (int i = 0; i < words_of(t); i++) {
        nnr_meta *m = &meta[4 + i / 16];
        if (i % 16 == 0) {
            snprintf(m->key, sizeof m->key, "position.%d", i / 16);
            ++*n;
        }
        nnr_append(m->value, sizeof m->value, "%s%llx", i % 16 ? " " : "",
                   (unsigned long long)pack->words[i]);
    }
}

bool nnr_checkpoint_save(const char *path, const nnr_model *model, const nnr_train *train,
                         const nnr_position *at, const void *best, nnr_error *err)
{
    List list = {0};
    Pack pack = {.reading = false};
    nnr_position copy = *at;
    int n_meta = 0;
    nnr_meta *meta = calloc(4 + (size_t)words_of(train) / 16 + 1, sizeof *meta);
    if (at->best_epoch <= 0) best = NULL;
    if (!meta || !list_tensors(&list, model, best)) {
        free(meta);
        free_list(&list, model, best);
        return nnr_no_memory(err, path, 0);
    }
    pack_position(&pack, &copy, train->n_totals);
    uint32_t crc = add_values(0, pack.words, sizeof *pack.words * (size_t)words_of(train));
    for (int i = 0; i < list.n; i++) {
        const nnr_tensor *t = &list.tensors[i];
        size_t bytes = (size_t)nnr_elems(t->dims, t->rank) * nnr_dtype_size(t->dtype);
        crc = add_values(crc, t->values, bytes);
    }
    fill_meta(meta, &n_meta, model->program, train, &pack, crc);
    bool ok = nnr_tensors_write(path, list.tensors, list.n, meta, n_meta, err);
    free(meta);
    free_list(&list, model, best);
    return ok;
}

/* ---- loading ------------------------------------------------------------------------------------ */

static bool damaged(const char *path, nnr_error *err)
{
    nnr_fail(err, "%s: error: the checkpoint is damaged (its checksum does not agree)", path);
    return nnr_note(err, "resume from another checkpoint, or train anew");
}

static bool read_words(const nnr_tensors *file, Pack *pack, int n)
{
    const char *text = NULL;
    for (int i = 0; i < n; i++) {
        char key[64], *end;
        if (i % 16 == 0) {
            snprintf(key, sizeof key, "position.%d", i / 16);
            text = nnr_tensors_meta(file, key);
        }
        if (!text) return false;
        errno = 0;
        pack->words[i] = strtoull(text, &end, 16);
        if (end == text || errno != 0) return false;
        text = end;
    }
    return true;
}

static bool right_program(const nnr_tensors *file, const nnr_program *p, const nnr_train *t, nnr_error *err)
{
    char want[512];
    const char *is = nnr_tensors_meta(file, "format"), *train = nnr_tensors_meta(file, "train");
    const char *program = nnr_tensors_meta(file, "program");
    if (!is || strncmp(is, "nnr-checkpoint", 14) != 0) {
        nnr_fail(err, "%s: error: is a weights file, not a checkpoint", file->path);
        return nnr_note(err, "start from weights with --init; --resume takes what training wrote as "
                             ".checkpoint");
    }
    snprintf(want, sizeof want, "%s %08x", t->name, fingerprint(t));
    if (strcmp(is, format) == 0 && train && program && strcmp(train, want) == 0) return true;
    nnr_fail(err, "%s: error: the checkpoint is of another training: program %s, block %s; this is program "
                  "%s, block %s", file->path, program ? program : "?", train ? train : "?", p->name, want);
    return nnr_note(err, "resume with the .nn file that it was made with; --init takes what fits of its "
                         "weights");
}

static bool right_tensors(const nnr_tensors *file, const nnr_program *p, bool best, nnr_error *err)
{
    int n = 0;
    for (int i = 0; i < p->n_vars; i++) {
        const nnr_var *v = &p->vars[i];
        bool slot = v->kind == NNR_SLOT;
        if (v->kind == NNR_PREPARED) continue;
        for (int k = 0; k < (best && !slot ? 2 : 1); k++, n++) {
            const char *prefix = slot ? "slots/" : k ? "best/" : "weights/";
            char text[512] = "";
            const nnr_tensor *found = nnr_tensors_find(file, prefix, v->info.name);
            if (!nnr_var_problem(file, prefix, v, found, text, sizeof text)) continue;
            nnr_fail(err, "%s: error: the checkpoint is of another program: %s%s", file->path, prefix, text);
            return nnr_note(err, "resume with the .nn file that it was made with; --init takes what fits of "
                                 "its weights");
        }
    }
    if (n == file->n) return true;
    nnr_fail(err, "%s: error: the checkpoint is of another program: it holds %d tensors, not %d", file->path,
             file->n, n);
    return nnr_note(err, "resume with the .nn file that it was made with; --init takes what fits of its weights");
}

/* Visits the tensors in the order of list_tensors: copies them, or adds them to the checksum. */
static uint32_t visit(const nnr_tensors *file, nnr_model *model, const char *prefix, void *into, bool slots,
                      uint32_t crc)
{
    for (int i = 0; i < model->program->n_vars; i++) {
        const nnr_var *v = &model->program->vars[i];
        if (v->kind == NNR_PREPARED || (v->kind == NNR_SLOT) != slots) continue;
        const nnr_tensor *t = nnr_tensors_find(file, prefix, v->info.name);
        if (into) nnr_layout_store(v, t->values, (uint8_t *)into + v->offset);
        else crc = add_values(crc, t->values, t->end - t->begin);
    }
    return crc;
}

static bool load(const nnr_tensors *file, nnr_model *model, const nnr_train *train, nnr_position *at,
                 void *best, nnr_error *err)
{
    Pack pack = {.reading = true};
    nnr_position read = {0};
    const char *stored = nnr_tensors_meta(file, "crc32");
    if (!right_program(file, model->program, train, err)) return false;
    if (!read_words(file, &pack, words_of(train))) return damaged(file->path, err);
    pack_position(&pack, &read, train->n_totals);
    bool has_best = read.best_epoch > 0 && best;
    if (!right_tensors(file, model->program, has_best, err)) return false;
    uint32_t crc = add_values(0, pack.words, sizeof *pack.words * (size_t)words_of(train));
    crc = visit(file, model, "weights/", NULL, false, crc);
    crc = visit(file, model, "slots/", NULL, true, crc);
    if (has_best) crc = visit(file, model, "best/", NULL, false, crc);
    if (!stored || strtoul(stored, NULL, 16) != crc) return damaged(file->path, err);
    if (read.epoch < 0 || read.position < 0 || read.batch < 1 || read.samples < 1)
        return damaged(file->path, err);
    visit(file, model, "weights/", model->weights, false, 0);
    visit(file, model, "slots/", model->slots, true, 0);
    if (has_best) visit(file, model, "best/", best, false, 0);
    nnr_changed(model);
    *at = read;
    return true;
}

bool nnr_checkpoint_load(const char *path, nnr_model *model, const nnr_train *train, nnr_position *at,
                         void *best, nnr_error *err)
{
    nnr_tensors file;
    if (!nnr_tensors_read(path, &file, err)) return false;
    bool ok = load(&file, model, train, at, best, err);
    nnr_tensors_free(&file);
    return ok;
}
