/* The text form of whole programs, written and read: a head, the variables, the functions, then the
 * entry points with their calls.
 *
 *     program "mnist" c "mnist" source "mnist.nn" weights 4096 slots 8192
 *     global "mlp.fc1.weight" c "mlp_fc1_weight" param f32[128,784] count 100352 at 0 layout [4:0*32, 784:1, 32:0]
 *     func @mlp_fc1(...) { ... }
 *     entry "mlp" c "mlp" infer batch 32 arena 16384 {
 *       in "image" f32[32,28,28,1]
 *       out "mlp" f32[32,10]
 *       call @mlp_fc1(input 0, var "mlp.fc1.weight", arena 0)
 *     }
 *
 * Calls of a run stand in braces; what a chunk has a part of tells the bytes from one part to the next:
 *
 *       run chunks 32 lanes 2 bytes 65536 at 0 {
 *         call @mlp_fc1(input 0 step 3136, var "mlp.fc1.weight", lane 0)
 *       }
 */
#include "loop/read.h"

#include <string.h>

static const char *const DTYPE[] = { "f32", "i32", "bool", "u8", "f64" };
static const char *const VAR_KIND[] = { "param", "state", "slot", "prepared" };
static const char *const ENTRY_KIND[] = { "init", "infer", "step", "eval", "prepare" };
static const char *const REF_KIND[] = { "var", "input", "output", "arena", "lane" };

/* ---- writing ---- */

static void print_string(const char *s, Text *out)
{
    text_add(out, "\"");
    for (; s && *s; s++) {
        if (*s == '"' || *s == '\\')
            text_add(out, "\\");
        if (*s == '\n')
            text_add(out, "\\n");
        else
            text_add_n(out, s, 1);
    }
    text_add(out, "\"");
}

static void print_info(const nnr_info *info, Text *out)
{
    text_addf(out, " %s[", DTYPE[info->dtype]);
    for (int i = 0; i < info->rank; i++)
        text_addf(out, "%s%lld", i ? "," : "", (long long)info->dims[i]);
    text_add(out, "]");
}

/* For each stored dimension its size, the variable's dimension it is part of, and the step. */
static void print_layout(const nnr_layout *l, Text *out)
{
    for (int p = 0; p < l->rank; p++) {
        text_addf(out, "%s%lld:%d", p ? ", " : " layout [", (long long)l->dims[p], l->axis[p]);
        if (l->step[p] != 1)
            text_addf(out, "*%lld", (long long)l->step[p]);
    }
    text_add(out, l->rank ? "]" : "");
}

static void print_ports(const char *word, const nnr_info *info, int n, Text *out)
{
    for (int i = 0; i < n; i++) {
        text_addf(out, "  %s ", word);
        print_string(info[i].name, out);
        print_info(&info[i], out);
        text_add(out, "\n");
    }
}

static void print_call(const LProgram *p, const LCall *call, const char *indent, Text *out)
{
    text_addf(out, "%scall @%s(", indent, call->func->name);
    for (int i = 0; i < call->func->params.len; i++) {
        const LRef *a = &call->args[i];
        text_addf(out, "%s%s ", i ? ", " : "", REF_KIND[a->kind]);
        if (a->kind == LR_VAR)
            print_string(p->globals[a->index].info.name, out);
        else
            text_addf(out, "%lld", (long long)(a->kind == LR_ARENA || a->kind == LR_LANE ? a->offset : a->index));
        if (a->step)
            text_addf(out, " step %lld", (long long)a->step);
    }
    text_add(out, ")\n");
}

static void print_entry(const LProgram *p, const LEntry *e, Text *out)
{
    text_add(out, "entry ");
    print_string(e->name, out);
    text_add(out, " c ");
    print_string(e->c_name, out);
    if (e->train) {
        text_add(out, " train ");
        print_string(e->train, out);
    }
    text_addf(out, " %s batch %lld arena %lld%s%s%s {\n", ENTRY_KIND[e->kind], (long long)e->batch,
              (long long)e->arena_bytes, e->writes_weights ? " writes_weights" : "",
              e->uses_slots ? " uses_slots" : "", e->uses_ctx ? " uses_ctx" : "");
    print_ports("in", e->in, e->n_in, out);
    print_ports("out", e->out, e->n_out, out);
    for (int i = 0; i < e->calls.len; i++) {
        const LRun *r = lentry_run(e, i);
        if (r && i == r->first)
            text_addf(out, "  run chunks %lld lanes %lld bytes %lld at %lld {\n", (long long)r->chunks,
                      (long long)r->lanes, (long long)r->lane_bytes, (long long)r->offset);
        print_call(p, &e->calls.data[i], r ? "    " : "  ", out);
        if (r && i == r->first + r->count - 1)
            text_add(out, "  }\n");
    }
    text_add(out, "}\n");
}

void loop_print(const LProgram *p, Text *out)
{
    text_add(out, "program ");
    print_string(p->name, out);
    text_add(out, " c ");
    print_string(p->c_name, out);
    text_add(out, " source ");
    print_string(p->source, out);
    text_addf(out, " weights %lld slots %lld\n", (long long)p->weights_bytes, (long long)p->slots_bytes);
    for (int i = 0; i < p->n_globals; i++) {
        const LGlobal *g = &p->globals[i];
        text_add(out, "global ");
        print_string(g->info.name, out);
        text_add(out, " c ");
        print_string(g->c_name, out);
        text_addf(out, " %s", VAR_KIND[g->kind]);
        print_info(&g->info, out);
        text_addf(out, " count %lld at %lld", (long long)g->count, (long long)g->offset);
        print_layout(&g->layout, out);
        text_add(out, "\n");
    }
    for (int i = 0; i < p->funcs.len; i++) {
        text_add(out, "\n");
        loop_print_func(p->funcs.data[i], out);
    }
    for (int i = 0; i < p->entries.len; i++) {
        text_add(out, "\n");
        print_entry(p, p->entries.data[i], out);
    }
}

/* ---- reading ---- */

static int read_choice(Reader *r, const char *const *words, int n, const char *what)
{
    for (int i = 0; i < n; i++)
        if (read_accept(r, words[i]))
            return i;
    read_fail(r, "expected %s", what);
    return 0;
}
#define CHOICE(r, words, what) read_choice(r, words, (int)(sizeof(words) / sizeof *(words)), what)

static nnr_info read_info(Reader *r, const char *name)
{
    nnr_info info = { .name = name };
    info.dtype = (nnr_dtype)CHOICE(r, DTYPE, "an element type");
    read_expect(r, "[");
    while (!r->failed && !read_is(r, "]")) {
        if (info.rank)
            read_expect(r, ",");
        if (info.rank == NNR_MAX_RANK)
            read_fail(r, "more than %d dimensions", NNR_MAX_RANK);
        else
            info.dims[info.rank++] = read_int(r, "a dimension");
    }
    read_expect(r, "]");
    return info;
}

static int64_t read_keyed(Reader *r, const char *word)
{
    read_expect(r, word);
    return read_int(r, "a number");
}

static void read_head(Reader *r, LProgram *p)
{
    p->name = read_string(r);
    read_expect(r, "c");
    p->c_name = read_string(r);
    read_expect(r, "source");
    p->source = read_string(r);
    p->weights_bytes = read_keyed(r, "weights");
    p->slots_bytes = read_keyed(r, "slots");
}

static nnr_layout read_layout(Reader *r, const nnr_info *info)
{
    nnr_layout l = { 0 };
    read_expect(r, "[");
    do {
        if (l.rank == NNR_MAX_RANK) {
            read_fail(r, "more than %d dimensions", NNR_MAX_RANK);
            break;
        }
        l.dims[l.rank] = read_int(r, "a dimension");
        read_expect(r, ":");
        int64_t axis = read_int(r, "a dimension's number");
        if (axis < 0 || axis >= info->rank)
            read_fail(r, "the variable has no such dimension");
        l.axis[l.rank] = (int)axis;
        l.step[l.rank++] = read_accept(r, "*") ? read_int(r, "a step") : 1;
    } while (!r->failed && read_accept(r, ","));
    read_expect(r, "]");
    return l;
}

static void read_global(Reader *r, LProgram *p)
{
    LGlobal g = { 0 };
    const char *name = read_string(r);
    read_expect(r, "c");
    g.c_name = read_string(r);
    g.kind = (nnr_var_kind)CHOICE(r, VAR_KIND, "param, state, slot or prepared");
    g.info = read_info(r, name);
    g.count = read_keyed(r, "count");
    g.offset = read_keyed(r, "at");
    if (read_accept(r, "layout"))
        g.layout = read_layout(r, &g.info);
    LGlobal *fresh = ARENA_ARRAY(r->arena, LGlobal, p->n_globals + 1);
    if (p->n_globals)
        memcpy(fresh, p->globals, sizeof *fresh * (size_t)p->n_globals);
    fresh[p->n_globals++] = g;
    p->globals = fresh;
}

static void read_port(Reader *r, nnr_info **list, int *n)
{
    const char *name = read_string(r);
    nnr_info *fresh = ARENA_ARRAY(r->arena, nnr_info, *n + 1);
    if (*n)
        memcpy(fresh, *list, sizeof *fresh * (size_t)*n);
    fresh[(*n)++] = read_info(r, name);
    *list = fresh;
}

static LRef read_place(Reader *r, const LProgram *p, const LEntry *e)
{
    LRef a = { .kind = (LRefKind)CHOICE(r, REF_KIND, "var, input, output, arena or lane") };
    if (a.kind == LR_VAR) {
        Token at = r->token;
        const char *name = read_string(r);
        while (a.index < p->n_globals && strcmp(p->globals[a.index].info.name, name) != 0)
            a.index++;
        if (!r->failed && a.index == p->n_globals) {
            r->token = at;
            read_fail(r, "there is no variable \"%s\" before this", name);
        }
        return a;
    }
    int64_t value = read_int(r, "a number");
    if (a.kind == LR_ARENA || a.kind == LR_LANE)
        a.offset = value;
    else if (value >= (a.kind == LR_INPUT ? e->n_in : e->n_out))
        read_fail(r, "there is no %s %lld", REF_KIND[a.kind], (long long)value);
    else
        a.index = (int)value;
    return a;
}

static LRef read_ref(Reader *r, const LProgram *p, const LEntry *e)
{
    LRef a = read_place(r, p, e);
    if (read_accept(r, "step"))
        a.step = read_int(r, "a number of bytes");
    return a;
}

static void read_call(Reader *r, const LProgram *p, LEntry *e)
{
    LCall call = { 0 };
    Token at = r->token;
    const char *name = read_name(r, T_GLOBAL, "a function's name");
    for (int i = 0; i < p->funcs.len; i++)
        if (strcmp(p->funcs.data[i]->name, name) == 0)
            call.func = p->funcs.data[i];
    if (!call.func) {
        r->token = at;
        read_fail(r, "there is no function @%s before this", name);
        return;
    }
    int n = call.func->params.len;
    call.args = ARENA_ARRAY(r->arena, LRef, n + 1);
    read_expect(r, "(");
    for (int i = 0; i < n; i++) {
        if (i)
            read_expect(r, ",");
        call.args[i] = read_ref(r, p, e);
    }
    read_expect(r, ")");
    VEC_PUSH(r->arena, &e->calls, call);
}

static void read_run(Reader *r, const LProgram *p, LEntry *e)
{
    LRun run = { .first = e->calls.len };
    run.chunks = read_keyed(r, "chunks");
    run.lanes = read_keyed(r, "lanes");
    run.lane_bytes = read_keyed(r, "bytes");
    run.offset = read_keyed(r, "at");
    read_expect(r, "{");
    while (!r->failed && !read_is(r, "}")) {
        read_expect(r, "call");
        read_call(r, p, e);
    }
    read_expect(r, "}");
    run.count = e->calls.len - run.first;
    VEC_PUSH(r->arena, &e->runs, run);
}

static void read_entry(Reader *r, LProgram *p)
{
    LEntry *e = ARENA_NEW(r->arena, LEntry);
    e->name = read_string(r);
    read_expect(r, "c");
    e->c_name = read_string(r);
    if (read_accept(r, "train"))
        e->train = read_string(r);
    e->kind = (nnr_entry_kind)CHOICE(r, ENTRY_KIND, "init, infer, step, eval or prepare");
    e->batch = read_keyed(r, "batch");
    e->arena_bytes = read_keyed(r, "arena");
    e->writes_weights = read_accept(r, "writes_weights");
    e->uses_slots = read_accept(r, "uses_slots");
    e->uses_ctx = read_accept(r, "uses_ctx");
    read_expect(r, "{");
    while (!r->failed && !read_is(r, "}")) {
        if (read_accept(r, "in"))
            read_port(r, &e->in, &e->n_in);
        else if (read_accept(r, "out"))
            read_port(r, &e->out, &e->n_out);
        else if (read_accept(r, "call"))
            read_call(r, p, e);
        else if (read_accept(r, "run"))
            read_run(r, p, e);
        else
            read_fail(r, "expected in, out, call or run");
    }
    Token at = r->token;
    read_expect(r, "}");
    const char *fault = r->failed ? NULL : lentry_verify(e, r->arena);
    if (fault) {
        r->token = at;
        read_fail(r, "%s", fault);
    }
    VEC_PUSH(r->arena, &p->entries, e);
}

void read_program_item(Reader *r, LProgram *p)
{
    if (read_accept(r, "program"))
        read_head(r, p);
    else if (read_accept(r, "global"))
        read_global(r, p);
    else if (read_accept(r, "entry"))
        read_entry(r, p);
    else if (read_accept(r, "func"))
        VEC_PUSH(r->arena, &p->funcs, read_func(r));
    else
        read_fail(r, "expected program, global, func or entry");
}
