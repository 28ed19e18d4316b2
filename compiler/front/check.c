#include "front/elab.h"
void check_unit(Front *f, Unit *u) { (void)f; (void)u; }
const char *signature_text(Front *f, const Decl *d)
{
    Text t = { .arena = f->arena };
    text_addf(&t, "%s(", d->name.name);
    for (int i = 0; i < d->n_formals; i++)
        text_addf(&t, "%s%s", i ? ", " : "", span_text(f, d->formals[i].span));
    text_add(&t, ")");
    return t.data;
}
