/* The pipeline, told as a story: from text to machine code.
 *
 *   text -> tokens -> tree -> names, values, shapes -> graphs, an entry point each     nnc_load
 *   gradient markers -> backward nodes; simplify; share; fuse; order; plan; loops      nnc_compile
 *   loops -> C text or LLVM -> files, code in this process, an executable              nnc_emit ...
 */
#include "nnc.h"

#include "back/c/c.h"
#include "back/c/weights.h"
#include "base/diag.h"
#include "emit.h"
#include "front/front.h"
#include "loop/tuning.h"
#include "native.h"
#include "native_llvm.h"
#include "nnc_internal.h"
#include "passes/passes.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct nnc {
    nnc_options opt;
    Arena *arena;
    Intern *names;
    Diags diags;
    const LTarget *target;
    const char *path;
    Module *module;
    LProgram *program;
    Vec(nnc_stage) stages;
    int n_dumps;
    bool llvm;
    void *library[2];  /* loaded programs of the C back end: plain, probed */
    NativeJit *jit[2]; /* the same of LLVM's */
    struct {
        nnc_probe_fn fn;
        void *user;
    } probe; /* of jit[1] */
    const char *const *entries; /* those to be made; n_entries 0: all */
    int n_entries;
};

/* ---- handle ---- */

static void forward_diag(void *user, DiagLevel level, const char *text)
{
    nnc *n = user;
    if (n->opt.diag)
        n->opt.diag(n->opt.user, (nnc_level)level, text);
}

nnc *nnc_new(const nnc_options *options)
{
    Arena *arena = arena_new();
    nnc *n = ARENA_NEW(arena, nnc);
    n->opt = *options;
    n->arena = arena;
    n->names = intern_new(arena);
    n->diags = (Diags){ .arena = arena, .fn = forward_diag, .user = n };
    return n;
}

void nnc_free(nnc *n)
{
    if (!n)
        return;
    for (int i = 0; i < 2; i++) {
        if (n->library[i])
            dlclose(n->library[i]);
        if (n->jit[i])
            native_jit_free(n->jit[i]);
    }
    arena_free(n->arena);
}

const nnr_train *nnc_trains(const nnc *n, int *count)
{
    *count = n->module->trains.len;
    return n->module->trains.data;
}

const Module *nnc_module(const nnc *n) { return n->module; }
const LProgram *nnc_program(const nnc *n) { return n->program; }
Arena *nnc_arena(const nnc *n) { return n->arena; }
const LTarget *nnc_target(const nnc *n) { return n->target; }

/* ---- time ---- */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

typedef struct {
    double seconds;
    size_t bytes;
} Mark;

static Mark mark(const nnc *n) { return (Mark){ now(), arena_bytes(n->arena) }; }

static void add_stage(nnc *n, const char *name, double seconds, size_t bytes)
{
    for (int i = 0; i < n->stages.len; i++)
        if (strcmp(n->stages.data[i].name, name) == 0) {
            n->stages.data[i].seconds += seconds;
            n->stages.data[i].bytes += bytes;
            return;
        }
    VEC_PUSH(n->arena, &n->stages, (nnc_stage){ name, seconds, bytes });
}

/* Adds what went by since the mark to the stage of that name: a pass runs once a graph. */
static void stage(nnc *n, const char *name, Mark since)
{
    add_stage(n, name, now() - since.seconds, arena_bytes(n->arena) - since.bytes);
}

const nnc_stage *nnc_stages(const nnc *n, int *count)
{
    *count = n->stages.len;
    return n->stages.data;
}

/* ---- text to graphs ---- */

/* A message that may hold a note, as the rooms without diagnostics give them. */
static int report(nnc *n, const char *why)
{
    const char *note = strstr(why, "\nnote: ");
    size_t len = note ? (size_t)(note - why) : strlen(why);
    diag_error(&n->diags, SPAN_NONE, "%.*s", (int)len, why);
    if (note)
        diag_note(&n->diags, SPAN_NONE, "%s", note + strlen("\nnote: "));
    return -1;
}

/* The processor that code is made for: named by kind, by its own name, or this machine's. */
static int choose_target(nnc *n)
{
    const nnc_options *o = &n->opt;
    const char *why = NULL;
    if (o->target && (o->target_cpu || o->target_triple))
        return report(n, "--target names a kind of processor, --target-cpu and --target-triple name one\n"
                         "note: leave one of them out");
    if (o->target_cpu || o->target_triple)
        n->target = ltarget_of_cpu(n->arena, o->target_triple, o->target_cpu, &why);
    else
        n->target = o->target ? ltarget_find(o->target) : ltarget_host();
    if (!n->target && !why)
        why = arena_printf(n->arena, "unknown target '%s'\nnote: known: " LTARGET_NAMES
                                     "; or name a processor with --target-cpu", o->target);
    if (!n->target)
        return report(n, why);
    LTarget *own = ARENA_NEW(n->arena, LTarget);
    *own = *n->target;
    own->no_winograd = o->no_winograd;
    own->memo = tile_memo_new(n->arena);
    n->target = own;
    return 0;
}

static int choose_backend(nnc *n)
{
    const char *name = n->opt.backend;
    n->llvm = name ? strcmp(name, "llvm") == 0 : native_has_llvm();
    if (name && !n->llvm && strcmp(name, "c") != 0)
        return report(n, arena_printf(n->arena, "unknown back end '%s'\nnote: known: llvm, c", name));
    if (n->llvm && !native_has_llvm())
        return report(n, native_why_no_llvm(n->arena, "--backend llvm"));
    return 0;
}

int nnc_take(nnc *n, LProgram *(*make)(Arena *arena, const LTarget *target, void *user), void *user)
{
    if (choose_target(n) || choose_backend(n))
        return -1;
    n->program = make(n->arena, n->target, user);
    n->path = n->program->name;
    n->module = ARENA_NEW(n->arena, Module);
    n->module->arena = n->arena;
    n->module->name = n->program->name;
    return 0;
}

void nnc_backends(char *text, size_t size)
{
    Arena *arena = arena_new();
    snprintf(text, size, "%s", native_backends(arena));
    arena_free(arena);
}

void nnc_set_tuning(nnc *n, const LTuning *tuning)
{
    LTarget *t = ARENA_NEW(n->arena, LTarget);
    *t = *n->target;
    t->tuning = tuning;
    n->target = t;
}

/* "net.tune" for "net.nn". */
static const char *tune_path(nnc *n)
{
    if (n->opt.tune)
        return n->opt.tune;
    size_t len = strlen(n->path);
    bool nn = len > 3 && strcmp(n->path + len - 3, ".nn") == 0;
    const char *path = arena_printf(n->arena, "%.*s.tune", (int)(nn ? len - 3 : len), n->path);
    return access(path, F_OK) == 0 ? path : "none";
}

/* Measured schedules hold for the machine that they were measured on. */
static int use_tuning(nnc *n)
{
    const char *path = tune_path(n), *why = NULL;
    if (strcmp(path, "none") == 0)
        return 0;
    Source *source = source_read(n->arena, path, &why);
    if (!source) {
        diag_error(&n->diags, SPAN_NONE, "%s: %s", path, why);
        return -1;
    }
    TuningFile file = { 0 };
    if (!tuning_read(n->arena, source, &file, &n->diags))
        return -1;
    const char *machine = tuning_machine(n->arena, n->target);
    if (strcmp(machine, file.machine) == 0) {
        nnc_set_tuning(n, tuning_choices(n->arena, &file));
        return 0;
    }
    diag_warning(&n->diags, SPAN_NONE, "%s: measured for another machine, not used: %s", path, file.machine);
    diag_note(&n->diags, SPAN_NONE, "this one is: %s; `nnc tune` makes the file anew, --tune none leaves it aside", machine);
    return 0;
}

int nnc_load(nnc *n, const char *path)
{
    if (choose_target(n) || choose_backend(n))
        return -1;
    n->path = arena_strdup(n->arena, path);
    const char *why = NULL;
    Source *source = source_read(n->arena, path, &why);
    if (!source) {
        diag_error(&n->diags, SPAN_NONE, "%s: %s", path, why);
        return -1;
    }
    FrontDefine *defines = ARENA_ARRAY(n->arena, FrontDefine, n->opt.n_defines + 1);
    for (int i = 0; i < n->opt.n_defines; i++)
        defines[i] = (FrontDefine){ n->opt.define_names[i], n->opt.define_values[i] };
    FrontOptions front = { .batch = n->opt.batch,
                           .extra_batches = n->opt.extra_batches,
                           .n_extra = n->opt.n_extra_batches,
                           .defines = defines,
                           .n_defines = n->opt.n_defines };
    Mark since = mark(n);
    n->module = front_build(n->arena, n->names, source, &front, &n->diags);
    stage(n, "front", since);
    return n->module && n->diags.n_errors == 0 ? use_tuning(n) : -1;
}

/* ---- graphs to loops ---- */

static void dump_graph(nnc *n, const char *after, const Graph *g)
{
    if (!n->opt.dump)
        return;
    Text t = { .arena = n->arena };
    graph_print(g, &t);
    n->opt.dump(n->opt.dump_user, n->n_dumps++, after, t.data);
}

/* A fault that a verifier finds is ours, never the user's. */
static int internal_fault(nnc *n, const char *after, const Graph *g, const char *fault)
{
    diag_error(&n->diags, SPAN_NONE, "%s: entry '%s': after pass '%s': %s", n->path, g->name, after, fault);
    diag_note(&n->diags, SPAN_NONE, "this is a fault in nnc; please report it with the .nn file");
    return -1;
}

static int cannot(nnc *n, const Graph *g, const char *why)
{
    diag_error(&n->diags, SPAN_NONE, "%s: entry '%s': %s", n->path, g->name, why);
    return -1;
}

/* What follows a pass over a graph. */
static int after_pass(nnc *n, const Pass *pass, Graph *g)
{
    const char *fault = n->opt.verify ? graph_verify(g, n->arena) : NULL;
    if (fault)
        return internal_fault(n, pass->name, g, fault);
    dump_graph(n, pass->name, g);
    return 0;
}

static int run_pass(nnc *n, const Pass *pass, Graph *g)
{
    PassCtx ctx = { .arena = n->arena, .target = n->target, .no_fuse = n->opt.no_fuse, .no_layout = n->opt.no_layout,
                    .no_chunks = n->opt.no_chunks, .no_prepare = n->opt.no_prepare };
    Mark since = mark(n);
    bool ok = pass->run(&ctx, g);
    stage(n, pass->name, since);
    return ok ? after_pass(n, pass, g) : cannot(n, g, ctx.why.text);
}

static int run_module_pass(nnc *n, const Pass *pass)
{
    PassCtx ctx = { .arena = n->arena, .target = n->target, .no_layout = n->opt.no_layout,
                    .no_prepare = n->opt.no_prepare };
    Mark since = mark(n);
    bool ok = pass->run_module(&ctx, n->module);
    stage(n, pass->name, since);
    if (!ok) {
        diag_error(&n->diags, SPAN_NONE, "%s: %s", n->path, ctx.why.text);
        return -1;
    }
    for (int i = 0; i < n->module->graphs.len; i++)
        if (n->module->graphs.data[i]->kind != GRAPH_BODY && after_pass(n, pass, n->module->graphs.data[i]))
            return -1;
    return 0;
}

/* Runs the passes in order, up to and including `last` (NULL: all of them). only: the name of the entry
 * point that is wanted, or NULL; the others are left alone where no pass needs the whole module. */
static int run_passes(nnc *n, const char *last, const char *only)
{
    bool whole = !only;
    for (const Pass *p = PASSES; !whole && p->name; p++) {
        whole = p->run_module != NULL;
        if (last && strcmp(p->name, last) == 0)
            break;
    }
    for (const Pass *pass = PASSES; pass->name; pass++) {
        if (pass->run_module && run_module_pass(n, pass))
            return -1;
        for (int i = 0; pass->run && i < n->module->graphs.len; i++) {
            Graph *g = n->module->graphs.data[i];
            bool wanted = g->kind != GRAPH_BODY && (whole || strcmp(g->name, only) == 0);
            if (wanted && run_pass(n, pass, g))
                return -1;
        }
        if (last && strcmp(pass->name, last) == 0)
            break;
    }
    return 0;
}

int nnc_compile(nnc *n)
{
    for (int i = 0; i < n->module->graphs.len; i++)
        if (n->module->graphs.data[i]->kind != GRAPH_BODY)
            dump_graph(n, "front", n->module->graphs.data[i]);
    if (run_passes(n, NULL, NULL))
        return -1;
    Mark since = mark(n);
    Why why = { .text = "" };
    n->program = assemble(n->module, n->target, n->path, n->opt.no_prepare, &why);
    stage(n, "lower", since);
    if (!n->program) {
        diag_error(&n->diags, SPAN_NONE, "%s: %s", n->path, why.text);
        return -1;
    }
    if (n->opt.split_calls)
        loop_split_calls(n->program);
    for (int i = 0; n->opt.dump && i < n->module->graphs.len; i++)
        dump_graph(n, "plan", n->module->graphs.data[i]);
    if (n->opt.dump) {
        Text t = { .arena = n->arena };
        loop_print(n->program, &t);
        n->opt.dump(n->opt.dump_user, n->n_dumps++, "lower", t.data);
    }
    return 0;
}

/* ---- loops to C, and on ---- */

static int write_text(nnc *n, const char *path, const char *text)
{
    const char *why = text_write_file(n->arena, path, text, strlen(text));
    if (!why)
        return 0;
    diag_error(&n->diags, SPAN_NONE, "%s: %s", path, why);
    return -1;
}

nnr_program nnc_variables(const nnc *n)
{
    nnr_program table = *back_program_table(n->arena, n->program, NULL, 0);
    table.n_entries = 0;
    return table;
}

int nnc_emit_weights(nnc *n, const char *dir, void *weights)
{
    const LEntry *prepare = back_prepare_entry(n->program);
    const nnr_ctx ctx = { 0 };
    /* Interpreted: the code may be for another machine. */
    const char *fault = prepare ? lentry_eval(n->program, prepare, weights, NULL, NULL, NULL,
                                              arena_alloc(n->arena, (size_t)prepare->arena_bytes + 1), &ctx, n->arena)
                                : NULL;
    if (fault)
        return report(n, arena_printf(n->arena, "compiler fault: %s", fault));
    const char *path = arena_printf(n->arena, "%s/%s_weights.h", dir, n->program->c_name);
    return write_text(n, path, back_c_weights(n->arena, n->program, weights));
}

extern const char NNR_ABI_HEADER[]; /* runtime/nnr.h, embedded at build time */

static const char probe_header[] =
    "#include <stdint.h>\n"
    "void nnc_probe(const char *layer, const char *file, int line, const void *data, int64_t count,\n"
    "               const char *type);\n"
    "#define NNC_PROBE nnc_probe\n";

static const char probe_text[] =
    "typedef void (*probe_fn)(void *, const char *, const char *, int, const void *, int64_t, const char *);\n"
    "static probe_fn fn;\n"
    "static void *user;\n"
    "void nnc_probe_set(probe_fn f, void *u) { fn = f; user = u; }\n"
    "void nnc_probe(const char *layer, const char *file, int line, const void *data, int64_t count,\n"
    "               const char *type)\n"
    "{\n"
    "    if (fn) fn(user, layer, file, line, data, count, type);\n"
    "}\n";

/* The files of a program that is linked with the runtime: kernels, table, and what both include. */
static NativeJob program_job(nnc *n, bool probe)
{
    CBackOptions o = { .probes = probe };
    const char *base = n->program->c_name;
    NativeFile *files = ARENA_ARRAY(n->arena, NativeFile, 6);
    const char **sources = ARENA_ARRAY(n->arena, const char *, 4);
    NativeJob job = { .files = files, .sources = sources };
    files[0] = (NativeFile){ arena_printf(n->arena, "%s.h", base), back_c_header(n->arena, n->program, &o) };
    files[1] = (NativeFile){ arena_printf(n->arena, "%s.c", base), back_c_source(n->arena, n->program, &o) };
    files[2] = (NativeFile){ arena_printf(n->arena, "%s_program.c", base),
                             back_c_program(n->arena, n->program, n->module->trains.data,
                                            n->module->trains.len) };
    files[3] = (NativeFile){ "nnr.h", NNR_ABI_HEADER };
    sources[0] = files[1].name;
    sources[1] = files[2].name;
    job.n_files = 4;
    job.n_sources = 2;
    if (probe) {
        files[job.n_files++] = (NativeFile){ "nnc_probe.h", probe_header };
        files[job.n_files++] = (NativeFile){ "nnc_probe.c", probe_text };
        sources[job.n_sources++] = "nnc_probe.c";
    }
    return job;
}

/* ---- LLVM ---- */

static void call_probe(void *user, const char *layer, const char *file, int line, const void *data, int64_t count,
                       const char *type)
{
    const nnc *n = user;
    if (n->probe.fn)
        n->probe.fn(n->probe.user, layer, file, line, data, count, type);
}

static NativeLlvm llvm_job(nnc *n, bool probe)
{
    return (NativeLlvm){ .arena = n->arena, .program = n->program, .target = n->target, .debug = n->opt.debug,
                         .trains = n->module->trains.data,
                         .n_trains = n->module->trains.len, .probe = probe ? call_probe : NULL, .probe_user = n };
}

void nnc_choose_entries(nnc *n, const char *const *names, int count)
{
    n->entries = names;
    n->n_entries = count;
}

static void add_cost(nnc *n, NativeCost c)
{
    add_stage(n, "llvm ir", c.lower, 0);
    add_stage(n, "llvm opt", c.optimise, 0);
    add_stage(n, "llvm code", c.generate, c.code_bytes);
}

static const nnr_program *jit_program(nnc *n, bool probe)
{
    NativeLlvm job = llvm_job(n, probe);
    job.entries = n->entries;
    job.n_entries = n->n_entries;
    const char *why = NULL;
    NativeCost cost;
    n->jit[probe] = native_jit(&job, &cost, &why);
    if (n->jit[probe]) {
        add_cost(n, cost);
        return native_jit_program(n->jit[probe]);
    }
    report(n, arena_printf(n->arena, "%s: %s", n->path, why));
    return NULL;
}

int nnc_emit(nnc *n, const char *kind_name, const char *dir)
{
    EmitKind kind = EMIT_C;
    const char *why = emit_kind(n->arena, kind_name, &kind);
    if (why)
        return report(n, why);
    if (kind == EMIT_C && n->opt.debug)
        return report(n, "-g: C text has no debug information\nnote: emit --kind obj or asm, or give -g to the C compiler");
    NativeLlvm job = llvm_job(n, false);
    NativeCost cost = { 0 };
    Mark since = mark(n);
    why = emit_files(&job, kind, dir, &cost);
    if (kind == EMIT_C)
        stage(n, "c", since);
    else
        add_cost(n, cost);
    return why ? report(n, why) : 0;
}

/* Programs that are run here, or linked with this machine's runtime. */
static bool for_this_machine(nnc *n, const char *instead)
{
    if (ltarget_is_native(n->target))
        return true;
    report(n, arena_printf(n->arena, "code for %s does not run on this machine\nnote: %s", n->target->triple, instead));
    return false;
}

const nnr_program *nnc_native(nnc *n, bool probe)
{
    if (!for_this_machine(n, "leave the target out, or emit files for it: nnc emit --kind obj"))
        return NULL;
    if (n->llvm)
        return jit_program(n, probe);
    Mark since = mark(n);
    NativeJob job = program_job(n, probe);
    stage(n, "c", since);
    const char *why = NULL;
    char *dir = native_temp_dir(n->arena, &why);
    if (!dir) {
        diag_error(&n->diags, SPAN_NONE, "%s", why);
        return NULL;
    }
    since = mark(n);
    static const char *const flags[] = { "-DNNC_NO_MAIN", "-include", "nnc_probe.h" };
    job.output = arena_printf(n->arena, "%s/%s.so", dir, n->program->c_name);
    job.shared = true;
    job.flags = flags;
    job.n_flags = probe ? 3 : 1;
    why = native_compile(n->arena, &job);
    stage(n, "cc", since);
    const nnr_program *program = NULL;
    if (!why) {
        void *library = dlopen(job.output, RTLD_NOW | RTLD_LOCAL);
        if (library) {
            n->library[probe] = library;
            program = dlsym(library, arena_printf(n->arena, "%s_program", n->program->c_name));
        }
        if (!program)
            why = arena_printf(n->arena, "cannot load the compiled program: %s", dlerror());
    }
    native_remove_dir(n->arena, dir);
    if (why)
        diag_error(&n->diags, SPAN_NONE, "%s: %s", n->path, why);
    return program;
}

int nnc_set_probe(nnc *n, nnc_probe_fn fn, void *user)
{
    if (n->jit[1]) {
        n->probe.fn = fn;
        n->probe.user = user;
        return 0;
    }
    typedef void (*Setter)(nnc_probe_fn, void *);
    Setter set = NULL;
    if (n->library[1]) {
        void *symbol = dlsym(n->library[1], "nnc_probe_set");
        memcpy(&set, &symbol, sizeof set); /* object to function pointer, the POSIX way */
    }
    if (!set)
        return -1;
    set(fn, user);
    return 0;
}

/* libnnr.a stands beside the nnc program, or where NNC_RUNTIME says. */
static const char *runtime_archive(nnc *n)
{
    const char *dir = getenv("NNC_RUNTIME");
    if (!dir || !*dir)
        dir = native_own_dir(n->arena);
    return arena_printf(n->arena, "%s/libnnr.a", dir);
}

/* GCC's and clang's option for the target's processor. */
static const char *march(nnc *n)
{
    const LTarget *t = n->target;
    if (!t->cpu)
        return "-march=native";
#if defined(__x86_64__)
    return arena_printf(n->arena, "-march=%s", strcmp(t->cpu, "generic") == 0 ? "x86-64" : t->cpu);
#else
    return arena_printf(n->arena, "-mcpu=%s", t->cpu);
#endif
}

static const char *build_c(nnc *n, const char *archive, const char *exe)
{
    Mark since = mark(n);
    NativeJob job = program_job(n, false);
    stage(n, "c", since);
    since = mark(n);
    const char *flags[] = { archive, "-lcjson", "-lz", "-lm" };
    job.output = exe;
    job.flags = flags;
    job.n_flags = 4;
    job.march = march(n);
    const char *why = native_compile(n->arena, &job);
    stage(n, "cc", since);
    return why;
}

static const char *build_llvm(nnc *n, const char *archive, const char *exe)
{
    const char *why = NULL;
    char *dir = native_temp_dir(n->arena, &why);
    if (!dir)
        return why;
    NativeLlvm job = llvm_job(n, false);
    NativeCost cost;
    const char *object = arena_printf(n->arena, "%s/%s.o", dir, n->program->c_name);
    why = native_object(&job, object, &cost);
    if (!why) {
        add_cost(n, cost);
        Mark since = mark(n);
        const char *inputs[] = { object, archive, "-lcjson", "-lz", "-lm" };
        why = native_link(n->arena, inputs, 5, exe);
        stage(n, "link", since);
    }
    native_remove_dir(n->arena, dir);
    return why;
}

int nnc_build(nnc *n, const char *exe)
{
    if (!for_this_machine(n, "emit an object for it, nnc emit --kind obj, and link that there"))
        return -1;
    if (n->opt.debug && !n->llvm)
        return report(n, "-g: lines of the .nn file come with the back end llvm only\nnote: leave --backend c out");
    const char *archive = runtime_archive(n);
    FILE *f = fopen(archive, "rb");
    if (!f) {
        diag_error(&n->diags, SPAN_NONE, "%s: the runtime is not there: %s", archive, strerror(errno));
        diag_note(&n->diags, SPAN_NONE, "set NNC_RUNTIME to the folder that holds libnnr.a");
        return -1;
    }
    fclose(f);
    const char *why = n->llvm ? build_llvm(n, archive, exe) : build_c(n, archive, exe);
    return why ? report(n, arena_printf(n->arena, "%s: %s", n->path, why)) : 0;
}

/* ---- looking inside ---- */

const char *nnc_pass(int i, const char **doc)
{
    static const Pass before = { "front", NULL, "the graph as the front end built it, gradient markers included", NULL };
    static const Pass after[] = {
        { "plan", NULL, "offsets in the arena", NULL },
        { "lower", NULL, "loop IR: a function a kernel, and the calls of every entry point", NULL },
        { "c", NULL, "the C text", NULL },
    };
    int n = 0;
    while (PASSES[n].name)
        n++;
    if (i < 0 || i > n + (int)(sizeof after / sizeof *after))
        return NULL;
    const Pass *p = i == 0 ? &before : i <= n ? &PASSES[i - 1] : &after[i - n - 1];
    *doc = p->doc;
    return p->name;
}

static bool is_pass(const char *name)
{
    const char *known, *doc;
    for (int i = 0; (known = nnc_pass(i, &doc)); i++)
        if (strcmp(known, name) == 0)
            return true;
    return false;
}

static void no_such_pass(nnc *n, const char *after)
{
    Text t = { .arena = n->arena };
    const char *name, *doc;
    for (int i = 0; (name = nnc_pass(i, &doc)); i++)
        text_addf(&t, "%s%s", i ? ", " : "", name);
    diag_error(&n->diags, SPAN_NONE, "no pass is named '%s'", after);
    diag_note(&n->diags, SPAN_NONE, "passes: %s", t.data);
}

static const Graph *entry_graph(nnc *n, const char *entry)
{
    Graph *g = module_find_graph(n->module, entry, -1);
    if (g)
        return g;
    Text t = { .arena = n->arena };
    for (int i = 0; i < n->module->graphs.len; i++)
        text_addf(&t, "%s%s", i ? ", " : "", n->module->graphs.data[i]->name);
    diag_error(&n->diags, SPAN_NONE, "%s: no entry point is named '%s'", n->path, entry);
    diag_note(&n->diags, SPAN_NONE, "entry points: %s", t.data ? t.data : "none");
    return NULL;
}

const char *nnc_dump(nnc *n, const char *after, const char *entry)
{
    if (!is_pass(after)) {
        no_such_pass(n, after);
        return NULL;
    }
    bool loops = strcmp(after, "lower") == 0 || strcmp(after, "c") == 0 || strcmp(after, "plan") == 0;
    const Graph *only = NULL;
    if (entry && !(only = entry_graph(n, entry)))
        return NULL;
    Text t = { .arena = n->arena };
    text_add(&t, "");
    if (loops) {
        if (nnc_compile(n))
            return NULL;
        CBackOptions o = { 0 };
        if (strcmp(after, "c") == 0) {
            text_add(&t, back_c_source(n->arena, n->program, &o));
            return t.data;
        }
        if (strcmp(after, "lower") == 0) {
            loop_print(n->program, &t);
            return t.data;
        }
    }
    if (!loops && strcmp(after, "front") != 0 && run_passes(n, after, only ? only->name : NULL))
        return NULL;
    for (int i = 0; i < n->module->graphs.len; i++) {
        Graph *g = n->module->graphs.data[i];
        if (only && strcmp(g->name, only->name) != 0)
            continue;
        if (only)
            graph_print(g, &t);
    }
    if (!only)
        module_print(n->module, &t);
    return t.data;
}
