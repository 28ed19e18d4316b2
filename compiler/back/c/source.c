/* NAME.c: the kernels as static functions, the entry points that call them, and optionally wrappers
 * of one signature. */
#include "back/c/print.h"
#include "loop/expr.h"
#include <inttypes.h>
#include <string.h>

static void indent(CPrinter *p)
{
    for (int i = 0; i < p->depth; i++)
        text_add(&p->out, "    ");
}

static void print_block(CPrinter *p, const LBlock *block);

static void print_for(CPrinter *p, const LStmt *s)
{
    const char *v = p->var_name[s->var->id];
    if (s->for_kind != LF_SERIAL) {
        indent(p);
        text_add(&p->out, s->for_kind == LF_PARALLEL ? "NNC_PARALLEL\n" : "NNC_UNROLL\n");
        p->uses_parallel |= s->for_kind == LF_PARALLEL;
        p->uses_unroll |= s->for_kind == LF_UNROLL;
    }
    indent(p);
    text_addf(&p->out, "for (%s %s = ", c_type(p, s->var->type), v);
    c_expr(p, s->lo);
    text_addf(&p->out, "; %s < ", v);
    bool parens = s->hi->op == LX_SELECT || s->hi->type.kind == LK_BOOL;
    text_add(&p->out, parens ? "(" : "");
    c_expr(p, s->hi);
    text_add(&p->out, parens ? ")" : "");
    if (s->step == 1)
        text_addf(&p->out, "; %s++) {\n", v);
    else
        text_addf(&p->out, "; %s += %" PRId64 ") {\n", v, s->step);
    p->depth++;
    print_block(p, &s->body);
    p->depth--;
    indent(p);
    text_add(&p->out, "}\n");
}

static void print_if(CPrinter *p, const LStmt *s)
{
    indent(p);
    text_add(&p->out, "if (");
    c_expr(p, s->value);
    text_add(&p->out, ") {\n");
    p->depth++;
    print_block(p, &s->body);
    p->depth--;
    if (s->other.len) {
        indent(p);
        text_add(&p->out, "} else {\n");
        p->depth++;
        print_block(p, &s->other);
        p->depth--;
    }
    indent(p);
    text_add(&p->out, "}\n");
}

static void print_definition(CPrinter *p, const LStmt *s)
{
    indent(p);
    text_addf(&p->out, "%s%s %s = ", s->kind == LS_LET ? "const " : "", c_type(p, s->var->type),
              p->var_name[s->var->id]);
    c_expr(p, s->value);
    text_add(&p->out, ";\n");
}

static void print_local(CPrinter *p, const LBuf *b)
{
    indent(p);
    text_addf(&p->out, "%s_Alignas(%d) %s%s %s[%" PRId64 "]", b->data ? "static " : "", NNR_ALIGN,
              b->data ? "const " : "", c_memory_type(b->kind), p->buf_name[b->id], b->count);
    for (int64_t i = 0; b->data && i < b->count; i++) {
        text_add(&p->out, i == 0 ? " = {\n" : i % 8 == 0 ? ",\n" : ", ");
        if (i % 8 == 0) {
            p->depth++;
            indent(p);
            p->depth--;
        }
        if (b->kind == LK_F32)
            c_float(&p->out, b->data[i], &p->uses_math);
        else
            text_addf(&p->out, "%" PRId64, (int64_t)b->data[i]);
    }
    if (b->data) {
        text_add(&p->out, "\n");
        indent(p);
        text_add(&p->out, "}");
    }
    text_add(&p->out, ";\n");
}

static void print_stmt(CPrinter *p, const LStmt *s)
{
    switch (s->kind) {
    case LS_LET:
        if (p->uses_of.var[s->var->id])
            print_definition(p, s);
        break;
    case LS_VAR:
        print_definition(p, s);
        if (!p->uses_of.var[s->var->id]) {
            indent(p);
            text_addf(&p->out, "(void)%s;\n", p->var_name[s->var->id]);
        }
        break;
    case LS_SET:
        indent(p);
        text_addf(&p->out, "%s = ", p->var_name[s->var->id]);
        c_expr(p, s->value);
        text_add(&p->out, ";\n");
        break;
    case LS_STORE:
        indent(p);
        c_store(p, s);
        break;
    case LS_FOR: print_for(p, s); break;
    case LS_IF: print_if(p, s); break;
    case LS_LOCAL:
        if (!p->uses_of.buf[s->buf->id])
            break;
        print_local(p, s->buf);
        break;
    case LS_PREFETCH:
        indent(p);
        text_addf(&p->out, "__builtin_prefetch((const void *)((uintptr_t)%s + %du * (uintptr_t)(",
                  p->buf_name[s->buf->id], lkind_bytes(s->buf->kind));
        c_expr(p, s->index);
        text_add(&p->out, ")));\n");
        break;
    case LS_NOTE:
        if (p->options.no_comments)
            break;
        indent(p);
        text_addf(&p->out, "/* %s */\n", c_comment_text(p->arena, s->note));
        break;
    }
}

static void print_block(CPrinter *p, const LBlock *block)
{
    for (int i = 0; i < block->len; i++)
        print_stmt(p, block->data[i]);
}

/* ---- functions ---- */

static const LVar *context_var(const LFunc *f, int i) { return i == 0 ? f->seed : i == 1 ? f->step : f->epoch; }
static const char *const CONTEXT_TYPE[] = { "uint64_t", "uint64_t", "int32_t" };
static const char *const CONTEXT_NAME[] = { "seed", "step", "epoch" };

/* ---- functions that are the same: layers of one shape, training and evaluation ---- */

static const LFunc *standing_for(const CPrinter *p, const LFunc *f)
{
    int i = 0;
    while (p->program->funcs.data[i] != f)
        i++;
    return p->program->funcs.data[p->same[i]];
}

/* The layers of the other functions that this one stands for, each once. */
static void print_others(CPrinter *p, const LFunc *f)
{
    const char *last = f->path;
    int n = 0;
    for (int i = 0; i < p->program->funcs.len; i++) {
        const LFunc *o = p->program->funcs.data[i];
        if (o == f || p->program->funcs.data[p->same[i]] != f || !o->path || (last && strcmp(last, o->path) == 0))
            continue;
        text_addf(&p->out, "%s%s", n++ ? ", " : "/* and of ", c_comment_text(p->arena, o->path));
        last = o->path;
    }
    if (n)
        text_add(&p->out, " */\n");
}

/* ---- a function ---- */

static void print_function(CPrinter *p, const LFunc *f)
{
    p->func = f;
    c_name_function(p, f);
    p->uses_of = back_count_uses(p->arena, f);
    text_add(&p->out, "\n");
    if (f->note && !p->options.no_comments)
        text_addf(&p->out, "/* %s */\n", c_comment_text(p->arena, f->note));
    if (!p->options.no_comments)
        print_others(p, f);
    CList l = { .out = &p->out, .line_start = p->out.len };
    text_addf(&p->out, "static void %s(", back_kernel_name(p->arena, f));
    l.align = (int)(p->out.len - l.line_start);
    for (int i = 0; i < f->params.len; i++) {
        const LBuf *b = f->params.data[i];
        const char *item = arena_printf(p->arena, "%s%s *%s%s", b->role == LB_IN ? "const " : "", c_memory_type(b->kind),
                                        b->noalias ? "restrict " : "", p->buf_name[b->id]);
        c_list_add(&l, item);
    }
    for (int i = 0; f->uses_ctx && i < 3; i++) {
        const LVar *v = context_var(f, i);
        if (v && p->uses_of.var[v->id])
            c_list_add(&l, arena_printf(p->arena, "%s %s", CONTEXT_TYPE[i], p->var_name[v->id]));
    }
    text_add(&p->out, l.n ? ")\n{\n" : "void)\n{\n");
    p->depth = 1;
    for (int i = 0; i < f->params.len; i++)
        if (!p->uses_of.buf[f->params.data[i]->id])
            text_addf(&p->out, "    (void)%s;\n", p->buf_name[f->params.data[i]->id]);
    print_block(p, &f->body);
    text_add(&p->out, "}\n");
}

/* ---- entry points ---- */

/* In a run, the part of chunk number `chunk`; a lane's own memory begins at `own`. */
static const char *argument(CPrinter *p, const LEntry *e, const LRef *ref, const LBuf *b)
{
    const LProgram *prog = p->program;
    switch (ref->kind) {
    case LR_VAR: {
        const LGlobal *g = &prog->globals[ref->index];
        return arena_printf(p->arena, "%s->%s", g->kind == NNR_SLOT ? "s" : "w", g->c_name);
    }
    case LR_INPUT:
    case LR_OUTPUT: {
        const char *name = ref->kind == LR_INPUT ? c_input_name(p, e, ref->index) : c_output_name(p, e, ref->index);
        return ref->step ? arena_printf(p->arena, "%s + chunk * %" PRId64, name, ref->step / lkind_bytes(b->kind)) : name;
    }
    case LR_ARENA:
    case LR_LANE: break;
    }
    const char *pointer = arena_printf(p->arena, "%s%s *", b->role == LB_IN ? "const " : "", c_memory_type(b->kind));
    const char *base = ref->kind == LR_LANE ? "own" : "a";
    const char *part = ref->step ? arena_printf(p->arena, " + chunk * %" PRId64, ref->step) : "";
    return arena_printf(p->arena, "(%s)(%s + %" PRId64 "%s)", pointer, base, ref->offset, part);
}

/* What the driver's search for the first non-finite value compiles in. */
static void print_probes(CPrinter *p, const LEntry *e, const LCall *call)
{
    const LFunc *f = call->func;
    BackPlace at = back_place(f);
    for (int i = 0; i < f->params.len; i++) {
        const LBuf *b = f->params.data[i];
        if (!back_is_result(f, i))
            continue;
        indent(p);
        text_add(&p->out, "NNC_PROBE(");
        c_add_string(&p->out, at.layer);
        text_add(&p->out, ", ");
        c_add_string(&p->out, at.file);
        text_addf(&p->out, ", %d, %s, %" PRId64 ", \"f32\");\n", at.line, argument(p, e, &call->args[i], b), b->count);
    }
}

static void print_kernel_call(CPrinter *p, const LEntry *e, const LCall *call)
{
    const LFunc *f = call->func;
    p->uses_of = back_count_uses(p->arena, f);
    CList l = { .out = &p->out, .line_start = p->out.len };
    indent(p);
    text_addf(&p->out, "%s(", back_kernel_name(p->arena, standing_for(p, f)));
    l.align = (int)(p->out.len - l.line_start);
    for (int i = 0; i < f->params.len; i++)
        c_list_add(&l, argument(p, e, &call->args[i], f->params.data[i]));
    for (int i = 0; f->uses_ctx && i < 3; i++) {
        const LVar *v = context_var(f, i);
        if (v && p->uses_of.var[v->id])
            c_list_add(&l, CONTEXT_NAME[i]);
    }
    text_add(&p->out, ");\n");
    if (p->options.probes)
        print_probes(p, e, call);
}

/* Do the calls of a run read or write a place of this kind? */
static bool run_uses(const LEntry *e, const LRun *r, LRefKind kind)
{
    for (int c = r->first; c < r->first + r->count; c++)
        for (int k = 0; k < e->calls.data[c].func->params.len; k++)
            if (e->calls.data[c].args[k].kind == kind)
                return true;
    return false;
}

/* Lanes side by side; probes want to see one value after another. */
static void open_run(CPrinter *p, const LEntry *e, const LRun *r)
{
    if (!p->options.no_comments)
        text_addf(&p->out, "    /* in %" PRId64 " chunks of the batch, the next %d kernels */\n", r->chunks, r->count);
    if (!p->options.probes) {
        text_add(&p->out, "    NNC_PARALLEL\n");
        p->uses_parallel = true;
    }
    text_addf(&p->out, "    for (int64_t lane = 0; lane < %" PRId64 "; lane++) {\n", r->lanes);
    if (run_uses(e, r, LR_LANE))
        text_addf(&p->out, "        unsigned char *const own = a + %" PRId64 " + lane * %" PRId64 ";\n", r->offset,
                  r->lane_bytes);
    text_addf(&p->out, "        for (int64_t chunk = lane; chunk < %" PRId64 "; chunk += %" PRId64 ") {\n", r->chunks,
              r->lanes);
    p->depth = 3;
}

static void close_run(CPrinter *p)
{
    text_add(&p->out, "        }\n    }\n");
    p->depth = 1;
}

static bool passes_on(const LEntry *e, LRefKind kind, int index)
{
    for (int i = 0; i < e->calls.len; i++)
        for (int k = 0; k < e->calls.data[i].func->params.len; k++)
            if (e->calls.data[i].args[k].kind == kind && e->calls.data[i].args[k].index == index)
                return true;
    return false;
}

/* An input may be of no use to any output. */
static void print_unused(CPrinter *p, const LEntry *e)
{
    for (int i = 0; i < e->n_in; i++)
        if (!passes_on(e, LR_INPUT, i))
            text_addf(&p->out, "    (void)%s;\n", c_input_name(p, e, i));
    for (int i = 0; i < e->n_out; i++)
        if (!passes_on(e, LR_OUTPUT, i))
            text_addf(&p->out, "    (void)%s;\n", c_output_name(p, e, i));
}

static void print_entry(CPrinter *p, const LEntry *e)
{
    BackEntryUse use = back_entry_use(p->program, e);
    text_add(&p->out, "\n");
    c_signature(p, &p->out, e);
    text_add(&p->out, "\n{\n");
    if (use.arena)
        text_add(&p->out, "    unsigned char *const a = arena;\n");
    if (e->kind == NNR_PREPARE)
        text_add(&p->out, "    (void)a;\n");
    print_unused(p, e);
    int flag = back_entry_flag(p->program, e);
    if (flag >= 0)
        text_addf(&p->out, "    if (!w->%s[0])\n        NNC_NOT_PREPARED();\n", p->program->globals[flag].c_name);
    const char *path = NULL;
    p->depth = 1;
    for (int i = 0; i < e->calls.len; i++) {
        const LFunc *f = e->calls.data[i].func;
        const LRun *run = lentry_run(e, i);
        if (run && i == run->first)
            open_run(p, e, run);
        if (f->path && !p->options.no_comments && (!path || strcmp(path, f->path) != 0)) {
            indent(p);
            text_addf(&p->out, "/* %s", c_comment_text(p->arena, f->path));
            if (f->loc.file)
                text_addf(&p->out, " (%s:%d)", c_comment_text(p->arena, f->loc.file), f->loc.line);
            text_add(&p->out, " */\n");
        }
        path = f->path;
        print_kernel_call(p, e, &e->calls.data[i]);
        if (run && i == run->first + run->count - 1)
            close_run(p);
    }
    text_add(&p->out, "}\n");
}

static void print_wrappers(CPrinter *p)
{
    const char *name = p->program->c_name;
    text_addf(&p->out, "\n/* One signature for all entry points, for a driver that finds them by name. */\n"
                       "struct %s_ctx {\n    uint64_t seed, step;\n    int32_t epoch;\n};\n", name);
    const char *ctx = arena_printf(p->arena, "struct %s_ctx", name);
    for (int i = 0; i < p->program->entries.len; i++) {
        const LEntry *e = p->program->entries.data[i];
        text_add(&p->out, "\n");
        c_wrapper(p, &p->out, e, back_wrapper_name(p->arena, p->program, e), ctx);
    }
}

static void print_file_head(CPrinter *p, Text *out)
{
    const char *name = p->program->c_name;
    const char *from = p->program->source ? p->program->source : p->program->name;
    text_addf(out,
              "/* %s.c: made by nnc from %s; do not edit.\n"
              " *\n"
              " * Build:  cc -std=c11 -O3 -march=native -ffp-contract=fast [-fopenmp] -c %s.c   (link with -lm)\n"
              " * Without -fopenmp everything runs on the caller's thread, with the same results bit for bit. */\n",
              name, c_comment_text(p->arena, from), name);
}

char *back_c_source(Arena *arena, const LProgram *program, const CBackOptions *options)
{
    CPrinter p = { .arena = arena, .program = program, .out = { .arena = arena } };
    if (options)
        p.options = *options;
    p.same = back_stand_ins(arena, program, NULL);
    for (int i = 0; i < program->funcs.len; i++)
        if (p.same[i] == i)
            print_function(&p, program->funcs.data[i]);
    text_add(&p.out, "\n/* ---- entry points ---- */\n");
    for (int i = 0; i < program->entries.len; i++)
        print_entry(&p, program->entries.data[i]);
    if (p.options.wrappers)
        print_wrappers(&p);

    Text out = { .arena = arena };
    print_file_head(&p, &out);
    if (p.options.inline_header)
        c_declarations(&p, &out, false);
    else
        text_addf(&out, "#include \"%s.h\"\n", program->c_name);
    c_prelude(&p, &out);
    if (back_prepare_entry(program))
        text_addf(&out, "\n/* What an entry does that reads what %s would have had to compute. */\n"
                        "#ifndef NNC_NOT_PREPARED\n#include <stdlib.h>\n#define NNC_NOT_PREPARED() abort()\n#endif\n",
                  back_entry_name(arena, program, back_prepare_entry(program)));
    text_add(&out, p.out.data);
    return out.data;
}
