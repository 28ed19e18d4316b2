#include "front/elab.h"
Node *capture(Frame *fr, Value v, Span at) { fail(fr, at, "tensor of another graph %s", value_what(fr->f, v)); return NULL; }
Value eval_scan(Frame *fr, Expr *e) { return fail(fr, e->span, "scan"); }
void scan_yield(Frame *fr, Stmt *s) { fail(fr, s->span, "yield outside of scan"); }
