/* Text of a whole program: variables, loop functions, then entry points with their calls.
 *
 *     program "mnist" weights 407296 slots 814592
 *     global @mlp.fc1.weight param f32[100352] at 0
 *     func @mlp_fc1(...) { ... }
 *     entry "classify" step batch 32 arena 123456
 *       input image f32[32,28,28,1]
 *       output loss f32
 *       call @mlp_fc1(input 0, @mlp.fc1.weight, arena 4096)
 */
#include "loop/loop.h"

static void print_info(const nnr_info *info, Text *out)
{
    static const char *const NAMES[] = { "f32", "i32", "bool", "u8", "f64" };
    text_addf(out, "%s %s", info->name, NAMES[info->dtype]);
    for (int i = 0; i < info->rank; i++)
        text_addf(out, "%s%lld", i ? "," : "[", (long long)info->dims[i]);
    text_add(out, info->rank ? "]\n" : "\n");
}

static void print_globals(const LProgram *p, Text *out)
{
    static const char *const KINDS[] = { "param", "state", "slot" };
    for (int i = 0; i < p->n_globals; i++) {
        const LGlobal *g = &p->globals[i];
        text_addf(out, "global at %lld %s ", (long long)g->offset, KINDS[g->kind]);
        print_info(&g->info, out);
    }
}

static void print_ref(const LProgram *p, const LRef *r, Text *out)
{
    switch (r->kind) {
    case LR_VAR: text_addf(out, "@%s", p->globals[r->index].info.name); break;
    case LR_INPUT: text_addf(out, "input %d", r->index); break;
    case LR_OUTPUT: text_addf(out, "output %d", r->index); break;
    case LR_ARENA: text_addf(out, "arena %lld", (long long)r->offset); break;
    }
}

static void print_entry(const LProgram *p, const LEntry *e, Text *out)
{
    static const char *const KINDS[] = { "init", "infer", "step", "eval" };
    text_addf(out, "entry \"%s\" %s batch %lld arena %lld\n", e->name, KINDS[e->kind], (long long)e->batch,
              (long long)e->arena_bytes);
    for (int i = 0; i < e->n_in; i++) {
        text_add(out, "  input ");
        print_info(&e->in[i], out);
    }
    for (int i = 0; i < e->n_out; i++) {
        text_add(out, "  output ");
        print_info(&e->out[i], out);
    }
    for (int i = 0; i < e->calls.len; i++) {
        const LCall *c = &e->calls.data[i];
        text_addf(out, "  call @%s(", c->func->name);
        for (int k = 0; k < c->func->params.len; k++) {
            text_add(out, k ? ", " : "");
            print_ref(p, &c->args[k], out);
        }
        text_add(out, ")\n");
    }
}

void loop_print(const LProgram *p, Text *out)
{
    text_addf(out, "program \"%s\" weights %lld slots %lld\n", p->name, (long long)p->weights_bytes,
              (long long)p->slots_bytes);
    print_globals(p, out);
    for (int i = 0; i < p->funcs.len; i++) {
        text_add(out, "\n");
        loop_print_func(p->funcs.data[i], out);
    }
    for (int i = 0; i < p->entries.len; i++) {
        text_add(out, "\n");
        print_entry(p, p->entries.data[i], out);
    }
}
