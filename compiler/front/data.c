/* data, noise and validate of a train block: readers become inputs, what stands around them is graph. */
#include "front/train.h"

#include <string.h>

/* ---- readers: idx, csv, npy, text ---- */

static bool is_text(BCall *c, int i)
{
    Value v = c->args[i].v;
    if (v.kind == V_STRING)
        return true;
    fail(c->fr, c->args[i].at, "%s of %s is %s, but a string is expected", arg_name(c, i), c->builtin->name,
         value_what(c->fr->f, v));
    return false;
}

/* A list of column or class names; numbers and ranges are written out. */
static bool text_list(BCall *c, int i, const char *const **out, int *n)
{
    Value v = c->args[i].v;
    *out = NULL;
    *n = 0;
    if (!arg_given(c, i))
        return true;
    Value one[1] = { v };
    if (v.kind != V_LIST)
        v = (Value){ .kind = V_LIST, .items = one, .n = 1 };
    const char **texts = ARENA_ARRAY(c->fr->f->arena, const char *, v.n + 1);
    for (int k = 0; k < v.n; k++) {
        Value item = v.items[k];
        if (item.kind != V_STRING && item.kind != V_INT && item.kind != V_RANGE) {
            fail(c->fr, c->args[i].at, "%s of %s holds names or positions, but here is %s", arg_name(c, i),
                 c->builtin->name, value_what(c->fr->f, item));
            return false;
        }
        texts[k] = item.kind == V_STRING ? item.s : value_text(c->fr->f, item);
    }
    *out = texts;
    *n = v.n;
    return true;
}

static bool fraction(BCall *c, int i, double otherwise, double *out)
{
    Value v = c->args[i].v;
    *out = otherwise;
    if (!arg_given(c, i))
        return true;
    if (value_is_number(v) && value_number(v) >= 0 && value_number(v) <= 1) {
        *out = value_number(v);
        return true;
    }
    fail(c->fr, c->args[i].at, "%s is %s: it is a fraction of the rows, 0 to 1", arg_name(c, i),
         value_what(c->fr->f, v));
    return false;
}

static bool natural(BCall *c, int i, int64_t least, int64_t otherwise, int64_t *out)
{
    *out = otherwise;
    if (!arg_given(c, i))
        return true;
    if (!arg_int(c, i, out))
        return false;
    if (*out >= least)
        return true;
    fail(c->fr, c->args[i].at, "%s is %lld: at least %lld is needed", arg_name(c, i), (long long)*out,
         (long long)least);
    return false;
}

static bool csv_source(BCall *c, nnr_source *s)
{
    bool header;
    if (!text_list(c, 3, &s->columns, &s->n_columns) || !text_list(c, 4, &s->classes, &s->n_classes))
        return false;
    if (arg_given(c, 5)) {
        if (!is_text(c, 5))
            return false;
        s->separator = c->args[5].v.s;
    }
    if (!arg_bool(c, 6, &header, false))
        return false;
    s->header = arg_given(c, 6) ? header : -1;
    return true;
}

static int parameter(const BCall *c, const char *name)
{
    for (int i = 0; i < 12 && arg_name(c, i); i++)
        if (strcmp(arg_name(c, i), name) == 0)
            return i;
    return -1;
}

static bool fill_source(BCall *c, nnr_source *s)
{
    static const struct {
        const char *name;
        nnr_reader reader;
    } readers[] = { { "idx", NNR_IDX }, { "csv", NNR_CSV }, { "npy", NNR_NPY }, { "text", NNR_TEXT } };
    *s = (nnr_source){ .header = -1, .stride = 1, .last = 1 };
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++)
        if (strcmp(readers[i].name, c->builtin->name) == 0)
            s->reader = readers[i].reader;
    if (!is_text(c, 0) || !fraction(c, parameter(c, "first"), 0, &s->first) ||
        !fraction(c, parameter(c, "last"), 1, &s->last))
        return false;
    s->file = c->args[0].v.s;
    if (s->first >= s->last) {
        fail(c->fr, c->at, "first is %g and last is %g: no rows are left", s->first, s->last);
        return false;
    }
    if (s->reader == NNR_CSV)
        return csv_source(c, s);
    if (s->reader == NNR_TEXT)
        return natural(c, parameter(c, "shift"), 0, 0, &s->shift) &&
               natural(c, parameter(c, "stride"), 1, 1, &s->stride);
    return true;
}

Value reader_call(BCall *c)
{
    TrainGen *tg = c->fr->gen ? c->fr->gen->train : NULL;
    if (!tg || !tg->current) {
        fail(c->fr, c->at, "%s reads data: it can only stand behind `data` or `validate on`", c->builtin->name);
        hint(c->fr, "data x: f32[N, 4] = %s(\"file\")", c->builtin->name);
        return value_bad();
    }
    if (tg->input)
        return fail(c->fr, c->at, "a data declaration has one reader; declare two and join them in the graph");
    bool valid = tg->eval && tg->current->valid;
    if (!fill_source(c, valid ? &tg->current->info.valid : &tg->current->info.train))
        return value_bad();
    place(c->fr, c->at);
    tg->input = build_input(c->fr->gen->g, tg->current->info.info.name, tg->type);
    return tensor_value(c->fr, tg->input);
}

/* ---- declarations ---- */

static bool validate_items(Train *t, Frame *fr)
{
    Stmt *v = t->validate;
    if (!v)
        return true;
    if (v->split) {
        Value s = v->value ? eval(fr, v->value) : value_bad();
        if (is_bad(s))
            return false;
        if (!value_is_number(s) || value_number(s) <= 0 || value_number(s) >= 1) {
            fail(fr, v->value->span, "validate split is %s: it is a fraction of the samples between 0 and 1",
                 value_what(fr->f, s));
            return false;
        }
        t->split = value_number(s);
        return true;
    }
    if (v->n_items != t->n_data) {
        fail(fr, v->span, "validate on has %d expression%s, but there are %d data declarations", v->n_items,
             v->n_items == 1 ? "" : "s", t->n_data);
        hint(fr, "one for each, in the order of the data declarations");
        return false;
    }
    for (int i = 0; i < t->n_data; i++)
        t->data[i].valid = v->items[i];
    return true;
}

bool data_collect(Train *t)
{
    const Block *b = t->sym->decl->body;
    Frame fr = frame_top(t->f, t->sym->unit, NULL);
    Vec(TrainData) data = {0};
    for (int i = 0; i < b->n_stmts; i++) {
        Stmt *s = b->stmts[i];
        if (s->kind == S_DATA) {
            VEC_PUSH(t->f->arena, &data, (TrainData){ .decl = s });
        } else if (s->kind == S_VALIDATE) {
            if (t->validate) {
                fail(&fr, s->span, "validate is given twice");
                return false;
            }
            t->validate = s;
        }
    }
    t->data = data.data;
    t->n_data = data.len;
    if (t->n_data == 0) {
        fail(&fr, t->sym->decl->name.span, "the train block %s has no data", t->sym->name);
        hint(&fr, "data x: f32[N, 4] = csv(\"file.csv\")");
        return false;
    }
    return validate_items(t, &fr);
}

/* Binds what a shape's names stand for: the first dimension is the batch. */
static bool bind_dims(Frame *fr, const Stmt *s, int64_t batch)
{
    Front *f = fr->f;
    for (int k = 0; k < s->type->n_dims; k++) {
        const Dim *d = &s->type->dims[k];
        if (d->rest) {
            fail(fr, d->span, "`...` cannot stand in the shape of data");
            return false;
        }
        if (d->expr->kind != E_NAME || scope_find(fr->scope, d->expr->text) ||
            symbol_find(f, fr->unit, d->expr->text))
            continue;
        const char *text = k == 0 ? NULL : define_find(f, d->expr->text);
        Value v = k == 0 ? value_int(batch) : text ? define_value(f, text) : value_none();
        if (v.kind != V_INT) {
            fail(fr, d->span, "the dimension %s is not known", d->expr->text);
            hint(fr, "write a number, define it (%s = 64), or give -D %s=64", d->expr->text, d->expr->text);
            return false;
        }
        scope_bind(f, fr->scope, d->expr->text, v, d->span);
    }
    return true;
}

static bool data_type(Frame *fr, const Stmt *s, int64_t batch, bool is_data, Type *out)
{
    if (!s->type) {
        fail(fr, s->span, "%s needs a type: %s: f32[N, ...] = ...", s->name.name, s->name.name);
        return false;
    }
    if (!bind_dims(fr, s, batch) || !type_resolve(fr, s->type, out))
        return false;
    if (is_data && (out->rank == 0 || out->dim[0] != batch)) {
        fail(fr, s->type->span, "the first dimension of data is the batch: %lld, not %s", (long long)batch,
             type_text(fr->f->arena, out));
        hint(fr, "write a name, as in f32[N, 10]");
        return false;
    }
    if (out->dtype == DT_BOOL) {
        fail(fr, s->type->span, "data is f32 or i32");
        return false;
    }
    return true;
}

static Value checked(Frame *fr, const char *name, Value v, Type type, Span at)
{
    Node *n = node_of(fr, v, type.dtype, at);
    if (!n)
        return value_bad();
    if (!type_equal(&n->type, &type))
        return fail(fr, at, "%s is declared %s, but this is %s", name, type_text(fr->f->arena, &type),
                    type_text(fr->f->arena, &n->type));
    return tensor_value(fr, n);
}

static void fill_info(TrainData *d, const Type *t)
{
    d->info.info = (nnr_info){ .name = d->decl->name.name, .dtype = t->dtype == DT_F32 ? NNR_F32 : NNR_I32,
                               .rank = t->rank };
    for (int i = 0; i < t->rank; i++)
        d->info.info.dims[i] = t->dim[i];
}

static Value bind_data(Frame *fr, TrainGen *tg, TrainData *d, int64_t batch)
{
    Expr *e = tg->eval && d->valid ? d->valid : d->decl->value;
    if (!data_type(fr, d->decl, batch, true, &tg->type))
        return value_bad();
    if (!d->info.info.name)
        fill_info(d, &tg->type);
    if (!e)
        return fail(fr, d->decl->span, "the data %s has no reader", d->decl->name.name);
    tg->current = d;
    tg->input = NULL;
    Value v = eval(fr, e);
    tg->current = NULL;
    if (is_bad(v))
        return v;
    if (!tg->input) {
        fail(fr, e->span, "the data %s does not read a file", d->decl->name.name);
        hint(fr, "readers are idx, csv, npy and text; random values are `noise`");
        return value_bad();
    }
    return checked(fr, d->decl->name.name, v, tg->type, e->span);
}

static Value bind_noise(Frame *fr, const Stmt *s, int64_t batch)
{
    Type type;
    if (!data_type(fr, s, batch, false, &type))
        return value_bad();
    if (!s->value)
        return fail(fr, s->span, "the noise %s has no distribution", s->name.name);
    Value shape = value_ints(fr->f, type.dim, type.rank);
    Frame in = *fr;
    const char *path = PRINTF(fr, "%s.%s", fr->site->path, s->name.name);
    Site site = { .path = path, .salt_path = path };
    in.shape = &shape;
    in.site = &site;
    Value v = eval(&in, s->value);
    Node *n = is_bad(v) ? NULL : node_of(&in, v, type.dtype, s->value->span);
    n = n ? node_expand(&in, n, type.dim, type.rank, s->name.name, s->value->span) : NULL;
    return n ? checked(fr, s->name.name, tensor_value(fr, n), type, s->value->span) : value_bad();
}

void data_bind(Frame *fr, TrainGen *tg, int64_t batch)
{
    const Block *b = tg->train->sym->decl->body;
    int k = 0;
    for (int i = 0; i < b->n_stmts; i++) {
        Stmt *s = b->stmts[i];
        if (s->kind == S_DATA)
            scope_bind(fr->f, fr->scope, s->name.name, bind_data(fr, tg, &tg->train->data[k++], batch),
                       s->name.span);
        else if (s->kind == S_NOISE)
            scope_bind(fr->f, fr->scope, s->name.name, bind_noise(fr, s, batch), s->name.span);
    }
}
