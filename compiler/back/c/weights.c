/* Trained weights as a C constant: `static const struct NAME_weights NAME_trained = { ... }` in a
 * header of its own, for programs that have no file system to load them from. */
#include "back/c/weights.h"

#include <inttypes.h>
#include <string.h>

static void add_element(Text *t, nnr_dtype dtype, const unsigned char *p, int64_t i)
{
    switch (dtype) {
    case NNR_F32: {
        float v;
        memcpy(&v, p + i * 4, 4);
        text_addf(t, "%af", (double)v); /* hexadecimal: every bit survives */
        break;
    }
    case NNR_I32: {
        int32_t v;
        memcpy(&v, p + i * 4, 4);
        text_addf(t, "%" PRId32, v);
        break;
    }
    default: text_addf(t, "%d", p[i]);
    }
}

char *back_c_weights(Arena *arena, const LProgram *p, const void *weights)
{
    Text t = { .arena = arena };
    text_addf(&t, "/* Trained weights of %s, written by nnc. Include it in one file. */\n", p->name);
    text_addf(&t, "#ifndef %s_weights_h\n#define %s_weights_h\n#include \"%s.h\"\n\n", p->c_name, p->c_name, p->c_name);
    text_addf(&t, "static const struct %s_weights %s_trained = {\n", p->c_name, p->c_name);
    for (int g = 0; g < p->n_globals; g++) {
        const LGlobal *v = &p->globals[g];
        if (v->kind == NNR_SLOT)
            continue;
        const unsigned char *data = (const unsigned char *)weights + v->offset;
        text_addf(&t, "    .%s = {", v->c_name);
        for (int64_t i = 0; i < v->count; i++) {
            text_add(&t, i ? "," : "");
            text_add(&t, i % 8 ? " " : "\n        ");
            add_element(&t, v->info.dtype, data, i);
        }
        text_add(&t, "\n    },\n");
    }
    text_add(&t, "};\n\n#endif\n");
    return t.data;
}
