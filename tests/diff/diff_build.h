/* The back ends of diff.h: one lowered program is given to any of them, for this machine (loaded into
 * the test) or for another (a program of its own under qemu-user). */
#ifndef NNC_TESTS_DIFF_BUILD_H
#define NNC_TESTS_DIFF_BUILD_H
#include <dlfcn.h>
#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "back/c/c.h"
#include "back/llvm/llvm.h"
#include "config.h"
#include "native.h"
#include "runtime/runtime.h"

typedef enum { DIFF_GCC, DIFF_CLANG, DIFF_LLVM_JIT, DIFF_LLVM_OBJ } DiffBackend;
static const char *const DIFF_BACKEND_NAME[] = { "C by gcc", "C by clang", "LLVM's JIT", "LLVM's object" };

typedef struct {
    const LTarget *target; /* NULL: what this machine has */
    bool no_fuse;
    DiffBackend backend;
    const char *flags; /* of the C compiler; NULL: optimised, for the target, with OpenMP */
    bool compile_only;
} DiffOptions;

typedef struct {
    LProgram *program;
    char *dir, *source;
    void *library;       /* of dlopen, or */
    LlvmJit *jit;        /* or */
    const char *machine; /* the command that runs DIR/x: "qemu-aarch64" */
    const char *name;    /* of the back end */
} DiffBuild;

static const char DIFF_WARN[] = "-std=c11 -Wall -Wextra -Wpedantic -Werror -ffp-contract=fast";

/* ---- other machines ---- */

typedef struct {
    const char *arch, *cc, *run;
} DiffMachine;

static inline const DiffMachine *diff_machine(const LTarget *target)
{
    static const DiffMachine MACHINES[] = {
        { "aarch64", "aarch64-linux-gnu-gcc", "qemu-aarch64" },
        { "riscv64", "riscv64-linux-gnu-gcc", "qemu-riscv64 -cpu rv64,v=true,vext_spec=v1.0,vlen=128" },
    };
    for (size_t i = 0; target && !ltarget_is_native(target) && i < sizeof MACHINES / sizeof *MACHINES; i++)
        if (strncmp(target->triple, MACHINES[i].arch, strlen(MACHINES[i].arch)) == 0)
            return &MACHINES[i];
    return NULL;
}

static inline bool diff_has(const char *tool)
{
    char command[128];
    snprintf(command, sizeof command, "command -v %.*s >/dev/null 2>&1", (int)strcspn(tool, " "), tool);
    return system(command) == 0;
}

/* Are the tools at hand? */
static inline bool diff_can(const DiffOptions *o)
{
    const DiffMachine *m = diff_machine(o->target);
    const LTarget *host = ltarget_host();
    if (m && (!diff_has(m->cc) || !diff_has(m->run)))
        return false;
    if (o->backend == DIFF_CLANG)
        return diff_has("clang");
    if (o->backend == DIFF_GCC)
        return true;
    /* C compilers make do with narrower vectors where flags leave the wide ones out; LLVM takes the target's */
    bool has_instructions = !o->target || m || (o->target->vector_bytes <= host->vector_bytes && o->target->fma <= host->fma);
    return NNC_LLVM && has_instructions;
}

/* ---- files and commands ---- */

static inline void diff_write(Arena *arena, const char *dir, const char *name, const char *text)
{
    const char *path = arena_printf(arena, "%s/%s", dir, name);
    const char *fault = text_write_file(arena, path, text, strlen(text));
    if (fault)
        fail_msg("%s: %s", path, fault);
}

/* Runs a command; on failure shows what it printed and keeps the folder. */
static inline void diff_run(Arena *arena, const char *dir, const char *command)
{
    struct stat log;
    bool ok = system(arena_printf(arena, "%s > %s/log 2>&1", command, dir)) == 0;
    /* Silent where the documented flags are given; else gcc notes how wide vectors are passed. */
    bool silent = strstr(command, "-march=native") && stat(arena_printf(arena, "%s/log", dir), &log) == 0;
    if (ok && (!silent || log.st_size == 0))
        return;
    if (system(arena_printf(arena, "head -c 4000 %s/log >&2", dir)) != 0)
        fprintf(stderr, "(no output)\n");
    fail_msg("failed: %s", command);
}

/* ---- a program of its own: x ENTRY IN OUT ---- */

static inline size_t diff_info_bytes(const nnr_info *info)
{
    size_t n = info->dtype == NNR_BOOL ? 1 : 4;
    for (int i = 0; i < info->rank; i++)
        n *= (size_t)info->dims[i];
    return n;
}

static const char DIFF_MAIN_HEAD[] =
    "#include <stdint.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n"
    "struct ctx { uint64_t seed, step; int32_t epoch; };\n"
    "typedef void run_fn(void *, void *, const void *const *, void *const *, void *, const struct ctx *);\n"
    "static void *block(size_t n) { void *p = aligned_alloc(64, n / 64 * 64 + 64); if (!p) abort(); return memset(p, 0x5a, n); }\n"
    "static void take(void *p, size_t n, FILE *f) { if (fread(p, 1, n, f) != n) abort(); }\n"
    "static void give(const void *p, size_t n, FILE *f) { if (fwrite(p, 1, n, f) != n) abort(); }\n"
    "typedef struct { run_fn *run; int n_in, n_out; const size_t *in, *out; size_t arena; } entry;\n";

static const char DIFF_MAIN_TAIL[] =
    "int main(int argc, char **argv)\n{\n"
    "    if (argc != 4) return 2;\n"
    "    const entry *e = &entries[atoi(argv[1])];\n"
    "    FILE *f = fopen(argv[2], \"rb\"), *g = fopen(argv[3], \"wb\");\n"
    "    if (!f || !g) return 3;\n"
    "    struct ctx c;\n"
    "    void *w = block(WEIGHTS), *s = block(SLOTS), *a = block(e->arena), *out[16];\n"
    "    const void *in[16];\n"
    "    take(&c, sizeof c, f); take(w, WEIGHTS, f); take(s, SLOTS, f);\n"
    "    for (int i = 0; i < e->n_in; i++) { void *p = block(e->in[i]); take(p, e->in[i], f); in[i] = p; }\n"
    "    for (int i = 0; i < e->n_out; i++) out[i] = block(e->out[i]);\n"
    "    e->run(w, s, in, out, a, &c);\n"
    "    give(w, WEIGHTS, g); give(s, SLOTS, g);\n"
    "    for (int i = 0; i < e->n_out; i++) give(out[i], e->out[i], g);\n"
    "    return fclose(g) != 0;\n}\n";

static inline char *diff_main_text(Arena *arena, const LProgram *p)
{
    Text t = { .arena = arena };
    text_add(&t, DIFF_MAIN_HEAD);
    text_addf(&t, "enum { WEIGHTS = %lld, SLOTS = %lld };\n", (long long)p->weights_bytes, (long long)p->slots_bytes);
    for (int i = 0; i < p->entries.len; i++) {
        const LEntry *e = p->entries.data[i];
        assert_true(e->n_in <= 16 && e->n_out <= 16);
        text_addf(&t, "extern run_fn %s;\n", back_wrapper_name(arena, p, e));
        for (int out = 0; out < 2; out++) {
            text_addf(&t, "static const size_t %s%d[] = { 0", out ? "out" : "in", i);
            for (int k = 0; k < (out ? e->n_out : e->n_in); k++)
                text_addf(&t, "%s%zu", k ? ", " : " + ", diff_info_bytes(out ? &e->out[k] : &e->in[k]));
            text_add(&t, " };\n");
        }
    }
    text_add(&t, "static const entry entries[] = {\n");
    for (int i = 0; i < p->entries.len; i++) {
        const LEntry *e = p->entries.data[i];
        text_addf(&t, "    { %s, %d, %d, in%d, out%d, %lld },\n", back_wrapper_name(arena, p, e), e->n_in, e->n_out, i, i,
                  (long long)e->arena_bytes);
    }
    text_add(&t, "};\n");
    text_add(&t, DIFF_MAIN_TAIL);
    return t.data;
}

/* ---- building and loading ---- */

/* part: x.c or x.o */
static inline void diff_build_other(Arena *arena, DiffBuild *b, const DiffOptions *o, const DiffMachine *m, const char *part)
{
    b->machine = m->run;
    diff_write(arena, b->dir, "main.c", diff_main_text(arena, b->program));
    diff_run(arena, b->dir, arena_printf(arena, "%s %s %s -static -o %s/x %s/%s %s/main.c -lm", m->cc, DIFF_WARN,
                                         o->flags ? o->flags : "-O1 -fopenmp", b->dir, b->dir, part, b->dir));
}

static inline void diff_load(Arena *arena, DiffBuild *b)
{
    if (!(b->library = dlopen(arena_printf(arena, "%s/x.so", b->dir), RTLD_NOW | RTLD_LOCAL)))
        fail_msg("%s", dlerror());
}

static inline void diff_build_c(Arena *arena, DiffBuild *b, const DiffOptions *o)
{
    CBackOptions back = { .inline_header = true, .wrappers = true };
    b->source = back_c_source(arena, b->program, &back);
    diff_write(arena, b->dir, "x.c", b->source);
    const DiffMachine *m = diff_machine(o->target);
    if (m) {
        diff_build_other(arena, b, o, m, "x.c");
        return;
    }
    const char *cc = o->backend == DIFF_CLANG ? "clang" : "gcc", *flags = o->flags ? o->flags : "-O1 -march=native -fopenmp";
    if (o->compile_only) {
        diff_run(arena, b->dir, arena_printf(arena, "%s %s %s -c -o %s/x.o %s/x.c", cc, DIFF_WARN, flags, b->dir, b->dir));
        return;
    }
    diff_run(arena, b->dir, arena_printf(arena, "%s %s %s -shared -fPIC -o %s/x.so %s/x.c -lm", cc, DIFF_WARN, flags, b->dir,
                                         b->dir));
    diff_load(arena, b);
}

#if NNC_LLVM
static inline void diff_build_llvm(Arena *arena, DiffBuild *b, const DiffOptions *o)
{
    const LTarget *t = o->target ? o->target : ltarget_host();
    LlvmOptions llvm = { .triple = t->triple, .cpu = t->cpu, .features = t->features, .opt = 2, .wrappers = true,
                         .parallel_for = nnr_parallel_for };
    const char *why = NULL;
    if (o->backend == DIFF_LLVM_JIT) {
        if (!(b->jit = back_llvm_jit(arena, b->program, &llvm, &why)))
            fail_msg("%s", why);
        return;
    }
    LlvmModule *module = back_llvm_build(arena, b->program, &llvm, &why);
    if (!module || back_llvm_emit(module, LLVM_OBJ, arena_printf(arena, "%s/x.o", b->dir), &why) != 0)
        fail_msg("%s", why);
    back_llvm_dispose(module);
    const DiffMachine *m = diff_machine(o->target);
    if (m) {
        diff_build_other(arena, b, o, m, "x.o");
    } else if (!o->compile_only) {
        diff_run(arena, b->dir, arena_printf(arena, "cc -shared -o %s/x.so %s/x.o -lm", b->dir, b->dir));
        diff_load(arena, b);
    }
}

static inline void *diff_jit_symbol(const DiffBuild *b, const char *name) { return back_llvm_symbol(b->jit, name); }
static inline void diff_jit_free(DiffBuild *b) { back_llvm_free(b->jit); }
#else
static inline void diff_build_llvm(Arena *arena, DiffBuild *b, const DiffOptions *o)
{
    (void)arena, (void)b, (void)o;
    fail_msg("built without LLVM: diff_can says so");
}
static inline void *diff_jit_symbol(const DiffBuild *b, const char *name) { return (void)b, (void)name, NULL; }
static inline void diff_jit_free(DiffBuild *b) { (void)b; }
#endif

static inline DiffBuild diff_compile(Arena *arena, LProgram *program, const DiffOptions *o)
{
    DiffBuild b = { .program = program, .name = DIFF_BACKEND_NAME[o->backend] };
    const char *why = NULL;
    if (!(b.dir = native_temp_dir(arena, &why)))
        fail_msg("%s", why);
    if (o->backend == DIFF_LLVM_JIT || o->backend == DIFF_LLVM_OBJ)
        diff_build_llvm(arena, &b, o);
    else
        diff_build_c(arena, &b, o);
    return b;
}

static inline void diff_unload(Arena *arena, DiffBuild *b)
{
    if (b->library)
        dlclose(b->library);
    if (b->jit)
        diff_jit_free(b);
    native_remove_dir(arena, b->dir);
    *b = (DiffBuild){ 0 };
}

/* ---- calling ---- */

typedef struct {
    void *weights, *slots, *arena;
    const void **in;
    void **out;
    bool ran; /* false: the other machine's emulator could not */
} DiffMemory;

/* qemu-riscv64 7.2 ends with a failed assertion of its own at vfcvt.rtz.x.f.v (vectors of floats to integers). */
static inline bool diff_emulator_fault(Arena *arena, const DiffBuild *b)
{
    return strstr(b->machine, "riscv64") &&
           system(arena_printf(arena, "grep -q 'decode_save_opc: Assertion' %s/log", b->dir)) == 0;
}

/* In the other machine's program: memory goes there and comes back as files. False: only the emulator failed. */
static inline bool diff_enter_other(Arena *arena, const DiffBuild *b, int index, DiffMemory *m, const nnr_ctx *ctx)
{
    const LEntry *e = b->program->entries.data[index];
    struct { /* as main.c declares it, without the host's padding */
        uint64_t seed, step;
        int32_t epoch, zero;
    } c = { ctx->seed, ctx->step, ctx->epoch, 0 };
    FILE *f = fopen(arena_printf(arena, "%s/in", b->dir), "wb");
    assert_non_null(f);
    fwrite(&c, sizeof c, 1, f);
    fwrite(m->weights, 1, (size_t)b->program->weights_bytes, f);
    fwrite(m->slots, 1, (size_t)b->program->slots_bytes, f);
    for (int i = 0; i < e->n_in; i++)
        fwrite(m->in[i], 1, diff_info_bytes(&e->in[i]), f);
    assert_int_equal(fclose(f), 0);
    const char *command = arena_printf(arena, "OMP_NUM_THREADS=%d %s %s/x %d %s/in %s/out > %s/log 2>&1", omp_get_max_threads(),
                                       b->machine, b->dir, index, b->dir, b->dir, b->dir);
    if (system(command) != 0) {
        if (diff_emulator_fault(arena, b))
            return false;
        diff_run(arena, b->dir, command); /* again, to show what it says */
    }
    f = fopen(arena_printf(arena, "%s/out", b->dir), "rb");
    assert_non_null(f);
    size_t got = fread(m->weights, 1, (size_t)b->program->weights_bytes, f) +
                 fread(m->slots, 1, (size_t)b->program->slots_bytes, f), want = got;
    for (int i = 0; i < e->n_out; i++) {
        want += diff_info_bytes(&e->out[i]);
        got += fread(m->out[i], 1, diff_info_bytes(&e->out[i]), f);
    }
    fclose(f);
    assert_int_equal(got, want);
    return true;
}

static inline bool diff_enter(Arena *arena, const DiffBuild *b, int index, DiffMemory *m, const nnr_ctx *ctx)
{
    if (b->machine)
        return diff_enter_other(arena, b, index, m, ctx);
    const char *name = back_wrapper_name(arena, b->program, b->program->entries.data[index]);
    void *symbol = b->jit ? diff_jit_symbol(b, name) : dlsym(b->library, name);
    if (!symbol)
        fail_msg("%s: no symbol %s", b->name, name);
    nnr_entry_fn run;
    memcpy(&run, &symbol, sizeof run);
    run(m->weights, m->slots, m->in, m->out, m->arena, ctx);
    return true;
}
#endif
