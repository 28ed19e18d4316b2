/* Makes innermost loops fit to be vectorised, by splitting them:
 *  - where the body divides the loop variable by a constant (a flat loop over a shape that is read
 *    through another shape), into two loops, quotient and remainder;
 *  - where a comparison or a clamp of the loop variable changes its answer (padding, concatenation),
 *    into consecutive ranges, in each of which the builders decide it.
 * Requires constant bounds; keeps the order of iterations. */
#include "loop/split.h"

typedef struct {
    LFunc *f;
    const LVar *var;
    int64_t lo, hi;
    int64_t divisor;              /* smallest suitable one found; 0: none */
    int64_t point[SPLIT_RANGES];  /* sorted, inside (lo, hi) */
    int n_points;
    bool many;
} Find;

static void add_point(Find *k, int64_t p)
{
    if (p <= k->lo || p >= k->hi)
        return;
    int i = 0;
    while (i < k->n_points && k->point[i] < p)
        i++;
    if (i < k->n_points && k->point[i] == p)
        return;
    if (k->n_points == SPLIT_RANGES - 1) {
        k->many = true;
        return;
    }
    for (int j = k->n_points++; j > i; j--)
        k->point[j] = k->point[j - 1];
    k->point[i] = p;
}

static int64_t ceil_div(int64_t a, int64_t b) /* b > 0 */
{
    return a / b + (a % b > 0);
}

/* The sign of coef * var + base changes at the first var where it is >= 0 (or <= 0). */
static void add_crossing(Find *k, LExpr *difference)
{
    int64_t coef;
    LExpr *rest;
    if (!lx_linear(k->f, difference, k->var, &coef, &rest) || !coef || rest->op != LX_CONST ||
        coef == INT64_MIN || rest->ival == INT64_MIN)
        return;
    int64_t base = rest->ival;
    if (coef < 0) {
        coef = -coef;
        base = -base;
    }
    add_point(k, ceil_div(-base, coef));      /* first with value >= 0 */
    add_point(k, ceil_div(1 - base, coef));   /* first with value > 0 */
}

static void find_divisor(Find *k, LExpr *e)
{
    int64_t coef, c = e->b->op == LX_CONST ? e->b->ival : 0, n = k->hi - k->lo;
    LExpr *rest;
    if (c < 2 || k->lo != 0 || !lx_linear(k->f, e->a, k->var, &coef, &rest) || coef < 1)
        return;
    if (c % coef == 0)
        c /= coef;
    if (c > 1 && c < n && n % c == 0 && (!k->divisor || c < k->divisor))
        k->divisor = c;
}

static void find_expr(Find *k, LExpr *e)
{
    if (!e || !lx_uses(e, k->var))
        return;
    bool index = e->a && e->a->type.kind == LK_I64 && e->a->type.lanes == 1;
    if (index && (e->op == LX_DIV || e->op == LX_MOD))
        find_divisor(k, e);
    if (index && ((e->op >= LX_EQ && e->op <= LX_LE) || e->op == LX_MIN || e->op == LX_MAX))
        add_crossing(k, lx_fold_i64(k->f, LX_SUB, e->a, e->b));
    find_expr(k, e->a);
    find_expr(k, e->b);
    find_expr(k, e->c);
}

static void find_block(Find *k, LMap *lets, const LBlock *b)
{
    for (int i = 0; i < b->len; i++) {
        LStmt *s = b->data[i];
        LExpr *part[] = { s->index, s->value, s->limit };
        for (size_t j = 0; j < sizeof part / sizeof *part; j++)
            find_expr(k, lx_map(k->f, lets, part[j]));
        if (s->kind == LS_LET && s->var->type.kind == LK_I64)
            lmap_set(k->f, lets, s->var, lx_map(k->f, lets, s->value));
        find_block(k, lets, &s->body);
        find_block(k, lets, &s->other);
    }
}

/* Where lets hold what is to simplify, the copy must see through them. */
static void clone_inlined(LFunc *f, const LVar *var, LExpr *value, const LBlock *src, LBlock *dst)
{
    LMap map = { 0 };
    lmap_set(f, &map, var, value);
    lblock_clone(f, &map, src, dst);
}

static void emit_ranges(LFunc *f, const Find *k, const LStmt *s, LBlock *out)
{
    int64_t from = k->lo;
    for (int i = 0; i <= k->n_points; i++) {
        int64_t to = i < k->n_points ? k->point[i] : k->hi;
        if (to - from == 1) {
            clone_inlined(f, s->var, lx_i64(f, from), &s->body, out);
        } else {
            LStmt *loop = lb_for(f, out, s->var->name, lx_i64(f, from), lx_i64(f, to), 1, s->for_kind);
            clone_inlined(f, s->var, lx_var(f, loop->var), &s->body, &loop->body);
        }
        from = to;
    }
}

bool loop_split(LFunc *f, const LStmt *s, LBlock *out)
{
    if (s->kind != LS_FOR || s->step != 1 || s->lo->op != LX_CONST || s->hi->op != LX_CONST ||
        s->hi->ival - s->lo->ival < 2)
        return false;
    Find k = { .f = f, .var = s->var, .lo = s->lo->ival, .hi = s->hi->ival };
    LMap lets = { 0 };
    find_block(&k, &lets, &s->body);
    if (k.divisor) {
        LStmt *quotient = lb_for(f, out, s->var->name, lx_i64(f, 0), lx_i64(f, k.hi / k.divisor), 1,
                                 s->for_kind);
        LStmt *remainder = lb_for(f, &quotient->body, s->var->name, lx_i64(f, 0), lx_i64(f, k.divisor), 1,
                                  s->for_kind == LF_PARALLEL ? LF_SERIAL : s->for_kind);
        LExpr *whole = lx_add(f, lx_mul(f, lx_var(f, quotient->var), lx_i64(f, k.divisor)),
                              lx_var(f, remainder->var));
        clone_inlined(f, s->var, whole, &s->body, &remainder->body);
        return true;
    }
    if (!k.n_points || k.many)
        return false;
    emit_ranges(f, &k, s, out);
    return true;
}
