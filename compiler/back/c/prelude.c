/* The prelude of an emitted file: vector types, macros and the small functions that the kernels use,
 * each printed only when needed. Every function has a form that any GNU C compiler takes; where x86
 * has the instruction, an intrinsic stands before it. */
#include "back/c/print.h"
#include <string.h>

static bool same_type(LType a, LType b) { return a.kind == b.kind && a.lanes == b.lanes; }

static const char *const KIND_TAG[] = {
    [LK_F32] = "f32", [LK_F64] = "f64", [LK_I32] = "i32",  [LK_U32] = "u32",
    [LK_I64] = "i64", [LK_U64] = "u64", [LK_BOOL] = "i32",
};
static const int KIND_BYTES[] = {
    [LK_F32] = 4, [LK_F64] = 8, [LK_I32] = 4, [LK_U32] = 4, [LK_I64] = 8, [LK_U64] = 8, [LK_BOOL] = 4,
};
static const char *const HELPER_TAG[] = {
    [CH_TYPE] = "",         [CH_LOAD] = "_load",   [CH_STORE] = "_store", [CH_LOAD_N] = "_load_first",
    [CH_STORE_N] = "_store_first", [CH_SPLAT] = "_splat", [CH_RAMP] = "_ramp", [CH_MIN] = "_min",
    [CH_MAX] = "_max",      [CH_ABS] = "_abs",     [CH_SQRT] = "_sqrt",   [CH_FLOOR] = "_floor",
    [CH_ROUND] = "_round",  [CH_SELECT] = "_select", [CH_HADD] = "_sum",
    [CH_HMIN] = "_least",   [CH_HMAX] = "_greatest", [CH_BITCAST] = "_bits",
    [CH_ZIP_LOW] = "_zip_low", [CH_ZIP_HIGH] = "_zip_high",
};

static const char *type_name(CPrinter *p, LType t)
{
    if (t.lanes == 1)
        return t.kind == LK_BOOL ? "bool" : KIND_TAG[t.kind];
    return arena_printf(p->arena, "%sx%d", KIND_TAG[t.kind], t.lanes);
}

const char *c_helper_name(CPrinter *p, CHelper helper, LType type, LType from)
{
    if (helper == CH_BITCAST)
        return arena_printf(p->arena, "%s_of_%s_bits", type_name(p, type), type_name(p, from));
    bool memory = helper == CH_LOAD || helper == CH_STORE || helper == CH_LOAD_N || helper == CH_STORE_N;
    if (type.kind == LK_BOOL && type.lanes > 1 && (memory || helper == CH_SPLAT))
        return arena_printf(p->arena, "boolx%d%s", type.lanes, HELPER_TAG[helper]);
    return arena_printf(p->arena, "%s%s", type_name(p, type), HELPER_TAG[helper]);
}

static LType mask_of(LType t) { return ltype(LK_BOOL, t.lanes); }
static bool is_real(LType t) { return t.kind == LK_F32 || t.kind == LK_F64; }

/* What a helper's text refers to. */
static void need_parts(CPrinter *p, CHelper helper, LType type)
{
    LType half = ltype((LKind)type.kind, type.lanes / 2);
    if (type.lanes > 1 && helper != CH_TYPE)
        c_need(p, CH_TYPE, type, type);
    switch (helper) {
    case CH_RAMP: c_need(p, CH_SPLAT, type, type); break;
    case CH_SELECT: c_need(p, CH_TYPE, mask_of(type), type); break;
    case CH_MIN:
    case CH_MAX:
        if (type.lanes > 1)
            c_need(p, CH_TYPE, mask_of(type), type);
        break;
    case CH_ABS:
        if (!is_real(type) || type.lanes == 1)
            break;
        c_need(p, CH_TYPE, mask_of(type), type);
        break;
    case CH_HADD:
        if (half.lanes > 1)
            c_need(p, CH_HADD, half, half);
        break;
    case CH_HMIN:
    case CH_HMAX:
        c_need(p, helper == CH_HMIN ? CH_MIN : CH_MAX, half, half);
        if (half.lanes > 1)
            c_need(p, helper, half, half);
        break;
    default: break;
    }
}

void c_need(CPrinter *p, CHelper helper, LType type, LType from)
{
    if (helper == CH_TYPE && type.kind == LK_BOOL)
        type.kind = LK_I32;
    if (type.kind == LK_BOOL && type.lanes > 1 && helper == CH_SELECT)
        type.kind = LK_I32;
    for (int i = 0; i < p->uses.len; i++) {
        const CUse *u = &p->uses.data[i];
        bool same_from = helper != CH_BITCAST || same_type(u->from, from);
        if (u->helper == helper && same_type(u->type, type) && same_from)
            return;
    }
    need_parts(p, helper, type);
    VEC_PUSH(p->arena, &p->uses, (CUse){ helper, type, from });
    bool intrinsic = helper == CH_LOAD_N || helper == CH_STORE_N || helper == CH_MIN || helper == CH_MAX ||
                     helper == CH_SQRT || helper == CH_FLOOR || helper == CH_ROUND;
    p->uses_x86 |= intrinsic && type.lanes > 1 && type.kind == LK_F32;
    p->uses_math |= is_real(type) && (helper == CH_SQRT || helper == CH_FLOOR || helper == CH_ROUND ||
                                      helper == CH_ABS);
    p->uses_string |= helper == CH_BITCAST || helper == CH_LOAD_N || helper == CH_STORE_N ||
                      (type.kind == LK_BOOL && (helper == CH_LOAD || helper == CH_STORE));
}

/* ---- texts ---- */

typedef struct {
    CPrinter *p;
    Text *out;
    CHelper helper;
    LType type;
    const char *name, *t, *scalar; /* function, vector type, C type of a lane */
    int lanes;
} Entry;

static void print_type(const Entry *e)
{
    int bytes = KIND_BYTES[e->type.kind];
    text_addf(e->out, "typedef %s %s __attribute__((vector_size(%d)));\n", e->scalar, e->t, bytes * e->lanes);
    text_addf(e->out, "typedef %s %s_at __attribute__((vector_size(%d), aligned(%d), may_alias));\n", e->scalar,
              e->t, bytes * e->lanes, bytes);
}

/* x86: guard, prefix and type of the intrinsics for f32 vectors of so many lanes. */
static bool print_x86(const Entry *e, const char *format)
{
    static const struct { int lanes; const char *guard, *prefix, *type; } FORMS[] = {
        { 4, "__SSE4_1__", "_mm", "__m128" }, { 8, "__AVX__", "_mm256", "__m256" },
        { 16, "__AVX512F__", "_mm512", "__m512" },
    };
    for (int i = 0; e->type.kind == LK_F32 && i < 3; i++) {
        if (FORMS[i].lanes != e->lanes)
            continue;
        text_addf(e->out, "#ifdef %s\n    return (%s)", FORMS[i].guard, e->t);
        for (const char *c = format; *c; c++) {
            if (*c == '@')
                text_add(e->out, FORMS[i].prefix);
            else if (*c == '$')
                text_addf(e->out, "(%s)", FORMS[i].type);
            else
                text_add_n(e->out, c, 1);
        }
        text_add(e->out, ";\n#else\n");
        return true;
    }
    return false;
}

static void print_head(const Entry *e, const char *result, const char *params)
{
    text_addf(e->out, "static inline %s %s(%s)\n{\n", result, e->name, params);
}

static void print_lanes(const Entry *e, const char *format) /* "...%d..." a lane, comma between */
{
    for (int i = 0; i < e->lanes; i++) {
        text_add(e->out, i == 0 ? "" : i % 16 == 0 ? ",\n                 " : ", ");
        for (const char *c = format; *c; c++) {
            if (*c == '%')
                text_addf(e->out, "%d", i);
            else
                text_add_n(e->out, c, 1);
        }
    }
}

static void print_memory(const Entry *e)
{
    CPrinter *p = e->p;
    bool store = e->helper == CH_STORE || e->helper == CH_STORE_N;
    bool first = e->helper == CH_LOAD_N || e->helper == CH_STORE_N;
    bool boolean = e->type.kind == LK_BOOL;
    const char *memory = c_memory_type((LKind)e->type.kind), *size = boolean ? "" : "4 * ";
    if (KIND_BYTES[e->type.kind] == 8)
        size = "8 * ";
    const char *count = first ? ", int64_t n" : "";
    print_head(e, store ? "void" : e->t,
               store ? arena_printf(p->arena, "%s *to, %s v%s", memory, e->t, count)
                     : arena_printf(p->arena, "const %s *from%s", memory, count));
    if (!boolean && !first) {
        text_addf(e->out, store ? "    *(%s_at *)to = v;\n}\n" : "    return *(const %s_at *)from;\n}\n", e->t);
        return;
    }
    const char *bytes = first ? arena_printf(p->arena, "(size_t)(%s(n < 0 ? 0 : n < %d ? n : %d))", size, e->lanes,
                                             e->lanes)
                              : arena_printf(p->arena, "%d", e->lanes);
    if (boolean) {
        text_addf(e->out, "    typedef uint8_t bytes __attribute__((vector_size(%d)));\n", e->lanes);
        if (store)
            text_addf(e->out, "    const bytes b = __builtin_convertvector(v & 1, bytes);\n    memcpy(to, &b, %s);\n}\n", bytes);
        else
            text_addf(e->out, "    bytes b = { 0 };\n    memcpy(&b, from, %s);\n    return -__builtin_convertvector(b, %s);\n}\n",
                      bytes, e->t);
        return;
    }
    bool masked = e->type.kind == LK_F32 && (e->lanes == 16 || e->lanes == 8);
    if (masked) {
        int bits = e->lanes * 32;
        text_addf(e->out,
                  "#ifdef __AVX512%s__\n"
                  "    const __mmask%d m = (__mmask%d)(n >= %d ? 0x%xu : n <= 0 ? 0u : (1u << n) - 1u);\n",
                  e->lanes == 16 ? "F" : "VL", e->lanes, e->lanes, e->lanes, (1u << e->lanes) - 1);
        if (store)
            text_addf(e->out, "    _mm%d_mask_storeu_ps(to, m, (__m%d)v);\n#else\n", bits, bits);
        else
            text_addf(e->out, "    return (f32x%d)_mm%d_maskz_loadu_ps(m, from);\n#else\n", e->lanes, bits);
    }
    if (store)
        text_addf(e->out, "    memcpy(to, &v, %s);\n", bytes);
    else
        text_addf(e->out, "    %s v = { 0 };\n    memcpy(&v, from, %s);\n    return v;\n", e->t, bytes);
    text_add(e->out, masked ? "#endif\n}\n" : "}\n");
}

static void print_splat(const Entry *e)
{
    bool boolean = e->type.kind == LK_BOOL;
    print_head(e, e->t, boolean ? "bool b" : arena_printf(e->p->arena, "%s x", e->scalar));
    if (boolean)
        text_add(e->out, "    const int32_t x = -(int32_t)b;\n");
    text_addf(e->out, "    return (%s){ ", e->t);
    print_lanes(e, "x");
    text_add(e->out, " };\n}\n");
}

static void print_ramp(const Entry *e)
{
    print_head(e, e->t, arena_printf(e->p->arena, "%s x", e->scalar));
    text_addf(e->out, "    return %s_splat(x) + (%s){ ", e->t, e->t);
    print_lanes(e, "%");
    text_add(e->out, " };\n}\n");
}

/* a < b ? a : b and a > b ? a : b, as the machine has them: where one is a NaN the result is b. */
static void print_extreme(const Entry *e)
{
    bool max = e->helper == CH_MAX;
    char op = max ? '>' : '<';
    const char *t = e->lanes == 1 ? e->scalar : e->t;
    if (e->lanes > 1 && KIND_BYTES[e->type.kind] == 8) {
        text_addf(e->out,
                  "static inline void %s_in_place(%s *a, const %s *b)\n{\n    for (int i = 0; i < %d; i++)\n"
                  "        (*a)[i] = (*a)[i] %c (*b)[i] ? (*a)[i] : (*b)[i];\n}\n"
                  "#define %s(a, b) __extension__({ %s nnc_a = (a), nnc_b = (b); %s_in_place(&nnc_a, &nnc_b); nnc_a; })\n",
                  e->name, t, t, e->lanes, op, e->name, t, e->name);
        return;
    }
    print_head(e, t, arena_printf(e->p->arena, "%s a, %s b", t, t));
    if (e->lanes == 1) {
        text_addf(e->out, "    return a %c b ? a : b;\n}\n", op);
        return;
    }
    bool x86 = print_x86(e, max ? "@_max_ps($a, $b)" : "@_min_ps($a, $b)");
    text_addf(e->out, "    const i32x%d m = a %c b;\n    return (%s)((m & (i32x%d)a) | (~m & (i32x%d)b));\n", e->lanes,
              op, e->t, e->lanes, e->lanes);
    text_add(e->out, x86 ? "#endif\n}\n" : "}\n");
}

/* Vectors above 64 bytes stay out of parameters: gcc has a note on each that no pragma silences. */
static void print_wide_unary(const Entry *e, const char *call)
{
    text_addf(e->out,
              "static inline void %s_in_place(%s *a)\n{\n    for (int i = 0; i < %d; i++)\n        (*a)[i] = %s((*a)[i]);\n}\n"
              "#define %s(x) __extension__({ %s nnc_x = (x); %s_in_place(&nnc_x); nnc_x; })\n",
              e->name, e->t, e->lanes, call, e->name, e->t, e->name);
}

static void print_unary(const Entry *e)
{
    const char *t = e->lanes == 1 ? e->scalar : e->t, *call = NULL, *intrinsic = NULL;
    if (e->helper == CH_SQRT) {
        call = e->type.kind == LK_F32 ? "sqrtf" : "sqrt";
        intrinsic = "@_sqrt_ps($a)";
    } else if (e->helper == CH_ABS) {
        call = e->type.kind == LK_F32 ? "fabsf" : e->type.kind == LK_F64 ? "fabs" : NULL;
    } else if (e->helper == CH_FLOOR) {
        call = e->type.kind == LK_F32 ? "floorf" : "floor";
        intrinsic = e->lanes == 16 ? "_mm512_roundscale_ps($a, 0x09)" : "@_round_ps($a, 0x09)";
    } else if (e->helper == CH_ROUND) {
        call = e->type.kind == LK_F32 ? "rintf" : "rint";
        intrinsic = e->lanes == 16 ? "_mm512_roundscale_ps($a, 0x08)" : "@_round_ps($a, 0x08)";
    }
    if (call && KIND_BYTES[e->type.kind] * e->lanes > 64) {
        print_wide_unary(e, call);
        return;
    }
    print_head(e, t, arena_printf(e->p->arena, "%s a", t));
    if (e->lanes == 1) {
        if (call)
            text_addf(e->out, "    return %s(a);\n}\n", call);
        else
            text_add(e->out, "    return a < 0 ? -a : a;\n}\n");
        return;
    }
    if (e->helper == CH_ABS && KIND_BYTES[e->type.kind] == 4) {
        if (e->type.kind == LK_F32)
            text_addf(e->out, "    return (%s)((i32x%d)a & 0x7fffffff);\n}\n", e->t, e->lanes);
        else
            text_addf(e->out, "    const %s m = a < 0;\n    return (a ^ m) - m;\n}\n", e->t);
        return;
    }
    bool x86 = intrinsic && print_x86(e, intrinsic);
    if (call)
        text_addf(e->out, "    for (int i = 0; i < %d; i++)\n        a[i] = %s(a[i]);\n    return a;\n", e->lanes, call);
    else
        text_addf(e->out, "    for (int i = 0; i < %d; i++)\n        a[i] = a[i] < 0 ? -a[i] : a[i];\n    return a;\n",
                  e->lanes);
    text_add(e->out, x86 ? "#endif\n}\n" : "}\n");
}

static void print_select_helper(const Entry *e)
{
    if (KIND_BYTES[e->type.kind] == 8) {
        text_addf(e->out,
                  "static inline void %s_in_place(const i32x%d *m, const %s *a, %s *b)\n{\n    for (int i = 0; i < %d; i++)\n"
                  "        (*b)[i] = (*m)[i] ? (*a)[i] : (*b)[i];\n}\n",
                  e->name, e->lanes, e->t, e->t, e->lanes);
        text_addf(e->out,
                  "#define %s(m, a, b) __extension__({ i32x%d nnc_m = (m); %s nnc_a = (a), nnc_b = (b); "
                  "%s_in_place(&nnc_m, &nnc_a, &nnc_b); nnc_b; })\n",
                  e->name, e->lanes, e->t, e->name);
        return;
    }
    print_head(e, e->t, arena_printf(e->p->arena, "i32x%d m, %s a, %s b", e->lanes, e->t, e->t));
    text_addf(e->out, "    return (%s)((m & (i32x%d)a) | (~m & (i32x%d)b));\n}\n", e->t, e->lanes, e->lanes);
}

/* Halves folded: a fixed tree, the same on every machine. */
static void print_fold(const Entry *e)
{
    int half = e->lanes / 2;
    const char *part = type_name(e->p, ltype((LKind)e->type.kind, half));
    const char *tag = HELPER_TAG[e->helper];
    const char *pair = e->helper == CH_HMIN ? "_min" : "_max";
    print_head(e, e->scalar, arena_printf(e->p->arena, "%s v", e->t));
    if (half == 1) {
        if (e->helper == CH_HADD)
            text_add(e->out, "    return v[0] + v[1];\n}\n");
        else
            text_addf(e->out, "    return %s%s(v[0], v[1]);\n}\n", part, pair);
        return;
    }
    const char *const name[] = { "lo", "hi" };
    for (int h = 0; h < 2; h++) {
        text_addf(e->out, "    const %s %s = { ", part, name[h]);
        for (int i = 0; i < half; i++)
            text_addf(e->out, "%sv[%d]", i ? ", " : "", h * half + i);
        text_add(e->out, " };\n");
    }
    if (e->helper == CH_HADD)
        text_addf(e->out, "    return %s%s(lo + hi);\n}\n", part, tag);
    else
        text_addf(e->out, "    return %s%s(%s%s(lo, hi));\n}\n", part, tag, part, pair);
}

static void print_zip(const Entry *e)
{
    int from = e->helper == CH_ZIP_HIGH ? e->lanes / 2 : 0;
    print_head(e, e->t, arena_printf(e->p->arena, "%s a, %s b", e->t, e->t));
    text_add(e->out, "    return __builtin_shufflevector(a, b");
    for (int i = 0; i < e->lanes; i++)
        text_addf(e->out, ", %d", from + i / 2 + (i % 2 ? e->lanes : 0));
    text_add(e->out, ");\n}\n");
}

static void print_bits(const Entry *e, LType from)
{
    const char *to = c_memory_type((LKind)e->type.kind);
    print_head(e, to, arena_printf(e->p->arena, "%s x", c_memory_type((LKind)from.kind)));
    text_addf(e->out, "    %s y;\n    memcpy(&y, &x, sizeof y);\n    return y;\n}\n", to);
}

static void print_use(CPrinter *p, Text *out, const CUse *u)
{
    Entry e = { p, out, u->helper, u->type, c_helper_name(p, u->helper, u->type, u->from), type_name(p, u->type),
                u->type.kind == LK_BOOL ? "int32_t" : c_memory_type((LKind)u->type.kind), u->type.lanes };
    switch (u->helper) {
    case CH_TYPE: print_type(&e); break;
    case CH_LOAD:
    case CH_STORE:
    case CH_LOAD_N:
    case CH_STORE_N: print_memory(&e); break;
    case CH_SPLAT: print_splat(&e); break;
    case CH_RAMP: print_ramp(&e); break;
    case CH_MIN:
    case CH_MAX: print_extreme(&e); break;
    case CH_SELECT: print_select_helper(&e); break;
    case CH_HADD:
    case CH_HMIN:
    case CH_HMAX: print_fold(&e); break;
    case CH_ZIP_LOW:
    case CH_ZIP_HIGH: print_zip(&e); break;
    case CH_BITCAST: print_bits(&e, u->from); break;
    default: print_unary(&e); break;
    }
}

void c_prelude(CPrinter *p, Text *out)
{
    bool vectors = false;
    for (int i = 0; i < p->uses.len; i++)
        vectors |= p->uses.data[i].type.lanes > 1;
    if (p->uses_math)
        text_add(out, "#include <math.h>\n");
    text_add(out, "#include <stdbool.h>\n");
    if (p->uses_string)
        text_add(out, "#include <string.h>\n");
    if (p->uses_x86)
        text_add(out, "#ifdef __SSE2__\n#include <immintrin.h>\n#endif\n");
    if (p->uses_parallel)
        text_add(out, "\n#ifdef _OPENMP\n#define NNC_PARALLEL _Pragma(\"omp parallel for schedule(static)\")\n"
                      "#else\n#define NNC_PARALLEL\n#endif\n");
    if (p->uses_unroll)
        text_add(out, "#if defined(__clang__)\n#define NNC_UNROLL _Pragma(\"unroll\")\n#elif defined(__GNUC__)\n"
                      "#define NNC_UNROLL _Pragma(\"GCC unroll 32\")\n#else\n#define NNC_UNROLL\n#endif\n");
    if (vectors)
        text_add(out, "\n/* Vectors live in this file only, so their calling convention is nobody's concern. */\n"
                      "#pragma GCC diagnostic ignored \"-Wpsabi\"\n");
    if (p->uses.len)
        text_add(out, "\n");
    for (int i = 0; i < p->uses.len; i++) {
        if (i && p->uses.data[i].helper != CH_TYPE)
            text_add(out, "\n");
        print_use(p, out, &p->uses.data[i]);
    }
}
