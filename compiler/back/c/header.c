/* NAME.h: the structs of weights and slots, arena sizes and entry points. The wrappers' text is here
 * too, beside the signature that it must match. */
#include "back/c/print.h"
#include <inttypes.h>
#include <string.h>

static const char *info_type(const nnr_info *info)
{
    switch (info->dtype) {
    case NNR_F32: return "float";
    case NNR_F64: return "double";
    case NNR_I32: return "int32_t";
    default: return "uint8_t";
    }
}

static const char *info_shape(CPrinter *p, const nnr_info *info)
{
    Text t = { .arena = p->arena };
    text_add(&t, info_type(info));
    for (int i = 0; i < info->rank; i++)
        text_addf(&t, "%s%" PRId64, i ? "," : "[", info->dims[i]);
    text_add(&t, info->rank ? "]" : "");
    return t.data;
}

/* The names that an entry function has for its other parameters, and in its runs. */
static bool is_own_name(const char *s)
{
    static const char *const OWN[] = { "w", "s", "a", "arena", "seed", "step", "epoch", "lane", "chunk", "own" };
    for (size_t i = 0; i < sizeof OWN / sizeof *OWN; i++)
        if (strcmp(s, OWN[i]) == 0)
            return true;
    return false;
}

static const char *plain_name(CPrinter *p, const nnr_info *info)
{
    const char *s = back_identifier(p->arena, info->name);
    bool taken = is_own_name(s);
    int n = p->program->funcs.len;
    if (!p->kernel_names && n) {
        p->kernel_names = ARENA_ARRAY(p->arena, const char *, n);
        for (int i = 0; i < n; i++)
            p->kernel_names[i] = back_kernel_name(p->arena, p->program->funcs.data[i]);
    }
    for (int i = 0; i < n && !taken; i++)
        taken = strcmp(s, p->kernel_names[i]) == 0;
    return taken ? arena_printf(p->arena, "%s_", s) : s;
}

const char *c_input_name(CPrinter *p, const LEntry *e, int i) { return plain_name(p, &e->in[i]); }

/* An output may have an input's name. */
const char *c_output_name(CPrinter *p, const LEntry *e, int i)
{
    const char *s = plain_name(p, &e->out[i]);
    for (int k = 0; k < e->n_in; k++)
        if (strcmp(s, plain_name(p, &e->in[k])) == 0)
            return arena_printf(p->arena, "%s_out", s);
    return s;
}

void c_signature(CPrinter *p, Text *out, const LEntry *e)
{
    const char *name = p->program->c_name;
    BackEntryUse use = back_entry_use(p->program, e);
    CList l = { .out = out, .line_start = out->len };
    text_addf(out, "void %s(", back_entry_name(p->arena, p->program, e));
    l.align = (int)(out->len - l.line_start);
    if (use.weights)
        c_list_add(&l, arena_printf(p->arena, "%sstruct %s_weights *w", back_entry_writes(p->program, e, false) ? "" : "const ",
                                  name));
    if (use.slots)
        c_list_add(&l, arena_printf(p->arena, "%sstruct %s_slots *s", back_entry_writes(p->program, e, true) ? "" : "const ",
                                  name));
    for (int i = 0; i < e->n_in; i++)
        c_list_add(&l, arena_printf(p->arena, "const %s *%s", info_type(&e->in[i]), c_input_name(p, e, i)));
    for (int i = 0; i < e->n_out; i++)
        c_list_add(&l, arena_printf(p->arena, "%s *%s", info_type(&e->out[i]), c_output_name(p, e, i)));
    if (use.arena)
        c_list_add(&l, "void *arena");
    if (use.seed)
        c_list_add(&l, "uint64_t seed");
    if (use.step)
        c_list_add(&l, "uint64_t step");
    if (use.epoch)
        c_list_add(&l, "int32_t epoch");
    text_add(out, l.n ? ")" : "void)");
}

void c_wrapper(CPrinter *p, Text *out, const LEntry *e, const char *name, const char *ctx_type)
{
    BackEntryUse use = back_entry_use(p->program, e);
    const char *params = "void *weights, void *slots, const void *const *in, void *const *out, void *arena,";
    bool is_static = strncmp(ctx_type, "nnr_", 4) == 0;
    if (!is_static) /* exported: say so first, for -Wmissing-prototypes */
        text_addf(out, "void %s(%s\n    const %s *ctx);\n", name, params, ctx_type);
    text_addf(out, "%svoid %s(%s\n    const %s *ctx)\n{\n", is_static ? "static " : "", name, params, ctx_type);
    text_add(out, "    (void)weights, (void)slots, (void)in, (void)out, (void)arena, (void)ctx;\n");
    CList l = { .out = out, .line_start = out->len };
    text_addf(out, "    %s(", back_entry_name(p->arena, p->program, e));
    l.align = (int)(out->len - l.line_start);
    if (use.weights)
        c_list_add(&l, "weights");
    if (use.slots)
        c_list_add(&l, "slots");
    for (int i = 0; i < e->n_in; i++)
        c_list_add(&l, arena_printf(p->arena, "in[%d]", i));
    for (int i = 0; i < e->n_out; i++)
        c_list_add(&l, arena_printf(p->arena, "out[%d]", i));
    if (use.arena)
        c_list_add(&l, "arena");
    if (use.seed)
        c_list_add(&l, "ctx->seed");
    if (use.step)
        c_list_add(&l, "ctx->step");
    if (use.epoch)
        c_list_add(&l, "ctx->epoch");
    text_add(out, ");\n}\n");
}

/* ---- declarations ---- */

/* ", stored [4,784,32]: element (i,j) is [i/32][j][i%32]", or nothing for a row major member. */
static const char *stored_text(CPrinter *p, const LGlobal *g)
{
    const nnr_layout *l = &g->layout;
    Text dims = { .arena = p->arena }, place = { .arena = p->arena }, index = { .arena = p->arena };
    if (!l->rank)
        return "";
    for (int a = 0; a < g->info.rank; a++)
        text_addf(&index, "%s%c", a ? "," : "", "ijklmnop"[a]);
    for (int d = 0; d < l->rank; d++) {
        int a = l->axis[d];
        text_addf(&dims, "%s%" PRId64, d ? "," : "", l->dims[d]);
        text_addf(&place, "[%c", "ijklmnop"[a]);
        if (l->step[d] != 1)
            text_addf(&place, "/%" PRId64, l->step[d]);
        if (l->dims[d] * l->step[d] != g->info.dims[a])
            text_addf(&place, "%%%" PRId64, l->dims[d]);
        text_add(&place, "]");
    }
    return arena_printf(p->arena, ", stored [%s]: element (%s) is %s", dims.data, index.data, place.data);
}

static bool first_prepared(const LProgram *p, int global)
{
    for (int i = 0; i < global; i++)
        if (p->globals[i].kind == NNR_PREPARED)
            return false;
    return back_prepare_entry(p) != NULL;
}

static void print_struct(CPrinter *p, Text *out, bool slots)
{
    const LProgram *prog = p->program;
    const char *name = prog->c_name, *block = slots ? "slots" : "weights";
    int n = 0;
    for (int i = 0; i < prog->n_globals; i++)
        n += (prog->globals[i].kind == NNR_SLOT) == slots;
    if (!n)
        return;
    text_addf(out, "\n/* %s: %" PRId64 " bytes, aligned to %d. Zero it once before use. */\nstruct %s_%s {\n",
              slots ? "The optimizers' memory" : "Parameters and states", slots ? prog->slots_bytes : prog->weights_bytes,
              NNR_ALIGN, name, block);
    Text checks = { .arena = p->arena };
    for (int i = 0; i < prog->n_globals; i++) {
        const LGlobal *g = &prog->globals[i];
        if ((g->kind == NNR_SLOT) != slots)
            continue;
        const char *id = g->c_name;
        if (g->kind == NNR_PREPARED && first_prepared(prog, i))
            text_addf(out, "    /* Not yours to fill: %s does, of what is above. Of a structure that was copied or read as\n"
                           "     * a whole it is as it was there; whoever writes single members above calls it again. */\n",
                      back_entry_name(p->arena, prog, back_prepare_entry(prog)));
        text_addf(out, "    NNC_ALIGNED %s %s[%" PRId64 "]; /* %s %s%s */\n", info_type(&g->info), id, g->count,
                  c_comment_text(p->arena, g->info.name), info_shape(p, &g->info), stored_text(p, g));
        text_addf(&checks, "NNC_CHECK(offsetof(struct %s_%s, %s) == %" PRId64 ");\n", name, block, id, g->offset);
    }
    text_addf(out, "};\n%s", checks.data);
}

/* "total.K" (nnr_train.finish): the caller adds it up over batches. */
static bool is_total(const nnr_info *info) { return strncmp(info->name, "total.", 6) == 0; }

static void print_entry_doc(CPrinter *p, Text *out, const LEntry *e)
{
    static const char *const WHAT[] = { "writes initial values into every variable", "inference", "one training step",
                                        "loss and metrics in inference mode",
                                        "computes what inference reads of parameters; call it when they have changed" };
    const char *what = e->n_in && is_total(&e->in[0]) ? "metrics of the whole data, from its totals" : WHAT[e->kind];
    text_addf(out, "\n/* %s: %s", c_comment_text(p->arena, e->name), what);
    if (e->batch > 0)
        text_addf(out, ", %" PRId64 " sample%s a call", e->batch, e->batch == 1 ? "" : "s");
    text_add(out, ".");
    for (int i = 0; i < e->n_in; i++)
        text_addf(out, "\n *   %s: in, %s%s", c_input_name(p, e, i), info_shape(p, &e->in[i]),
                  is_total(&e->in[i]) ? ", added up over all batches" : "");
    for (int i = 0; i < e->n_out; i++)
        text_addf(out, "\n *   %s: out, %s%s", c_output_name(p, e, i), info_shape(p, &e->out[i]),
                  is_total(&e->out[i]) ? ", of these samples: add it up for the metrics of the whole data" : "");
    BackEntryUse use = back_entry_use(p->program, e);
    const char *macro = c_upper(p->arena, back_entry_name(p->arena, p->program, e));
    if (back_entry_flag(p->program, e) >= 0)
        text_addf(out, "\n *   w: prepared by %s", back_entry_name(p->arena, p->program, back_prepare_entry(p->program)));
    if (use.arena)
        text_addf(out, "\n *   arena: working memory, %s_ARENA bytes, aligned to %d; its contents do not matter", macro,
                  NNR_ALIGN);
    text_addf(out, " */\n#define %s_ARENA %" PRId64 "\n", macro, e->arena_bytes);
    c_signature(p, out, e);
    text_add(out, ";\n");
}

/* A call of the first inference entry, or of the first entry. */
static void print_usage(CPrinter *p, Text *out)
{
    const LProgram *prog = p->program;
    const LEntry *e = NULL;
    for (int i = 0; i < prog->entries.len && (!e || e->kind != NNR_INFER); i++)
        if (!e || prog->entries.data[i]->kind == NNR_INFER)
            e = prog->entries.data[i];
    if (!e)
        return;
    BackEntryUse use = back_entry_use(prog, e);
    const char *name = prog->c_name, *entry = back_entry_name(p->arena, p->program, e);
    text_add(out, " *\n * Usage:\n");
    if (use.weights)
        text_addf(out, " *     static struct %s_weights weights;              // %" PRId64
                       " bytes: load them, or call an init entry\n", name, prog->weights_bytes);
    if (use.slots)
        text_addf(out, " *     static struct %s_slots slots;                  // %" PRId64 " bytes\n", name, prog->slots_bytes);
    if (use.arena)
        text_addf(out, " *     static _Alignas(%d) unsigned char arena[%s_ARENA]; // %" PRId64 " bytes\n", NNR_ALIGN,
                  c_upper(p->arena, entry), e->arena_bytes);
    const LEntry *prepare = back_entry_flag(prog, e) >= 0 ? back_prepare_entry(prog) : NULL;
    bool room = prepare && prepare->arena_bytes > 0;
    if (room)
        text_addf(out, " *     static _Alignas(%d) unsigned char room[%s_ARENA]; // %" PRId64 " bytes\n", NNR_ALIGN,
                  c_upper(p->arena, back_entry_name(p->arena, prog, prepare)), prepare->arena_bytes);
    for (int i = 0; i < e->n_in + e->n_out; i++) {
        const nnr_info *info = i < e->n_in ? &e->in[i] : &e->out[i - e->n_in];
        text_addf(out, " *     static _Alignas(%d) %s %s[%" PRId64 "];\n", NNR_ALIGN, info_type(info),
                  i < e->n_in ? c_input_name(p, e, i) : c_output_name(p, e, i - e->n_in), back_info_count(info));
    }
    if (prepare)
        text_addf(out, " *     %s(&weights%s); // once the weights are there, and after each change\n",
                  back_entry_name(p->arena, prog, prepare), room ? ", room" : ", NULL");
    CList l = { .out = out, .line_start = out->len };
    text_addf(out, " *     %s(", entry);
    if (use.weights)
        c_list_add(&l, "&weights");
    if (use.slots)
        c_list_add(&l, "&slots");
    for (int i = 0; i < e->n_in; i++)
        c_list_add(&l, c_input_name(p, e, i));
    for (int i = 0; i < e->n_out; i++)
        c_list_add(&l, c_output_name(p, e, i));
    if (use.arena)
        c_list_add(&l, "arena");
    if (use.seed)
        c_list_add(&l, "seed");
    if (use.step)
        c_list_add(&l, "step");
    if (use.epoch)
        c_list_add(&l, "epoch");
    text_add(out, ");\n");
}

void c_declarations(CPrinter *p, Text *out, bool guard)
{
    const LProgram *prog = p->program;
    const char *macro = c_upper(p->arena, prog->c_name);
    text_add(out, "#include <stddef.h>\n#include <stdint.h>\n\n"
                  "#ifndef NNC_ALIGNED\n#ifdef __cplusplus\n"
                  "#define NNC_ALIGNED alignas(64)\n#define NNC_CHECK(x) static_assert(x, #x)\n#else\n"
                  "#define NNC_ALIGNED _Alignas(64)\n#define NNC_CHECK(x) _Static_assert(x, #x)\n#endif\n#endif\n");
    if (guard)
        text_add(out, "\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n");
    print_struct(p, out, false);
    print_struct(p, out, true);
    text_addf(out, "\n#define %s_WEIGHTS_BYTES %" PRId64 "\n#define %s_SLOTS_BYTES %" PRId64 "\n", macro,
              prog->weights_bytes, macro, prog->slots_bytes);
    for (int i = 0; i < prog->entries.len; i++)
        print_entry_doc(p, out, prog->entries.data[i]);
    if (guard)
        text_add(out, "\n#ifdef __cplusplus\n}\n#endif\n");
    text_add(out, "\n");
}

char *back_c_header(Arena *arena, const LProgram *program, const CBackOptions *options)
{
    CPrinter p = { .arena = arena, .program = program };
    if (options)
        p.options = *options;
    const char *name = program->c_name, *macro = c_upper(arena, name);
    Text out = { .arena = arena };
    text_addf(&out, "/* %s.h: made by nnc from %s; do not edit.\n", name,
              c_comment_text(arena, program->source ? program->source : program->name));
    if (p.options.object)
        text_addf(&out,
                  " *\n"
                  " * The code is in %s.%s, for %s: link it with your program and -lm. Its parallel loops\n"
                  " * run on the caller's thread, or through a function that your program may define:\n"
                  " *     void nnr_parallel_for(void (*task)(void *captures, int64_t i), void *captures, int64_t n);\n"
                  " * It calls task(captures, i) for every i in [0, n), on any threads: the results are the same bits.\n",
                  name, p.options.object, c_comment_text(arena, p.options.object_cpu));
    print_usage(&p, &out);
    text_addf(&out,
              " *\n * All memory is the caller's; nothing is allocated and nothing is kept between calls. */\n"
              "#ifndef %s_H\n#define %s_H\n", macro, macro);
    c_declarations(&p, &out, true);
    text_add(&out, "#endif\n");
    return out.data;
}
