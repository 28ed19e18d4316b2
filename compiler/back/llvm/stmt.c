/* Statements: structured code as basic blocks. Loops come out rotated (a test before the first
 * iteration, then one behind each), the form that LLVM's loop passes and instruction selection want. */
#include "back/llvm/lower.h"

static LLVMBasicBlockRef new_block(Lower *g, const char *name)
{
    return LLVMAppendBasicBlockInContext(g->context, g->frame.fn, name);
}

void low_loop_facts(Lower *g, LLVMValueRef branch)
{
    if (!g->loop_facts[0]) {
        LLVMMetadataRef off[2] = { LLVMMDStringInContext2(g->context, "llvm.loop.vectorize.enable", 26),
                                   LLVMValueAsMetadata(LLVMConstInt(g->i1, 0, false)) };
        LLVMMetadataRef whole = LLVMMDStringInContext2(g->context, "llvm.loop.unroll.disable", 24);
        g->loop_facts[0] = LLVMMDNodeInContext2(g->context, off, 2);
        g->loop_facts[1] = LLVMMDNodeInContext2(g->context, &whole, 1);
    }
    /* a loop's own metadata begins with itself */
    LLVMMetadataRef self = LLVMTemporaryMDNode(g->context, NULL, 0);
    LLVMMetadataRef parts[3] = { self, g->loop_facts[0], g->loop_facts[1] };
    LLVMMetadataRef loop = LLVMMDNodeInContext2(g->context, parts, 3);
    LLVMMetadataReplaceAllUsesWith(self, loop);
    LLVMSetMetadata(branch, LLVMGetMDKindIDInContext(g->context, "llvm.loop", 9), LLVMMetadataAsValue(g->context, loop));
}

static bool is_constant(LLVMValueRef v, int64_t *value)
{
    if (!LLVMIsAConstantInt(v))
        return false;
    *value = LLVMConstIntGetSExtValue(v);
    return true;
}

/* Iterations that are known, else -1. */
static int64_t known_trips(const LStmt *s, LLVMValueRef lo, LLVMValueRef hi)
{
    int64_t a, b;
    if (!is_constant(lo, &a) || !is_constant(hi, &b))
        return -1;
    return b <= a ? 0 : (b - a - 1) / s->step + 1;
}

LLVMValueRef low_trips(Lower *g, const LStmt *s, LLVMValueRef lo, LLVMValueRef hi)
{
    int64_t known = known_trips(s, lo, hi);
    if (known >= 0)
        return low_int(g, known);
    LLVMValueRef span = LLVMBuildNSWSub(g->b, hi, lo, "");
    LLVMValueRef up = LLVMBuildNSWAdd(g->b, span, low_int(g, s->step - 1), "");
    return s->step == 1 ? span : LLVMBuildSDiv(g->b, up, low_int(g, s->step), "");
}

static void set_loop_var(Lower *g, const LStmt *s, LLVMValueRef value)
{
    g->frame.value[s->var->id] = value;
    g->frame.slot[s->var->id] = NULL;
    g->frame.factor[s->var->id] = low_gcd(low_factor(g, s->lo), s->step);
}

static void lower_loop(Lower *g, const LStmt *s, LLVMValueRef lo, LLVMValueRef hi, bool runs)
{
    LLVMBasicBlockRef body = new_block(g, s->var->name), done = new_block(g, "done"), before;
    if (!runs) {
        before = new_block(g, "enter");
        LLVMBuildCondBr(g->b, LLVMBuildICmp(g->b, LLVMIntSLT, lo, hi, ""), before, done);
        LLVMPositionBuilderAtEnd(g->b, before);
    }
    before = LLVMGetInsertBlock(g->b);
    LLVMBuildBr(g->b, body);
    LLVMPositionBuilderAtEnd(g->b, body);
    LLVMValueRef i = LLVMBuildPhi(g->b, g->i64, s->var->name);
    set_loop_var(g, s, i);
    low_block(g, &s->body);
    LLVMValueRef next = LLVMBuildNSWAdd(g->b, i, low_int(g, s->step), "");
    LLVMValueRef again = LLVMBuildICmp(g->b, LLVMIntSLT, next, hi, "");
    LLVMValueRef from[2] = { lo, next };
    LLVMBasicBlockRef blocks[2] = { before, LLVMGetInsertBlock(g->b) };
    low_loop_facts(g, LLVMBuildCondBr(g->b, again, body, done));
    LLVMAddIncoming(i, from, blocks, 2);
    LLVMPositionBuilderAtEnd(g->b, done);
}

enum { MAX_COPIES = 32 }; /* of an LF_UNROLL loop's body; the C back end asks its compiler for as many */

static void lower_for(Lower *g, const LStmt *s)
{
    LLVMValueRef lo = low_expr(g, s->lo), hi = low_expr(g, s->hi);
    int64_t trips = known_trips(s, lo, hi);
    bool copies = trips >= 0 && (trips <= 1 || (s->for_kind == LF_UNROLL && trips <= MAX_COPIES));
    bool threads = !g->in_process || g->options->parallel_for;
    if (!copies && s->for_kind == LF_PARALLEL && !g->frame.parallel && threads) {
        low_parallel(g, s);
        return;
    }
    if (!copies) {
        lower_loop(g, s, lo, hi, trips > 0);
        return;
    }
    for (int64_t t = 0; t < trips; t++) {
        int64_t at = LLVMConstIntGetSExtValue(lo) + t * s->step;
        set_loop_var(g, s, low_int(g, at));
        g->frame.factor[s->var->id] = at < 0 ? -at : at;
        low_block(g, &s->body);
    }
}

/* What the loop IR knows of a condition, as branch weights. */
static void add_odds(Lower *g, LLVMValueRef branch, const LStmt *s)
{
    if (!s->odds[0] && !s->odds[1])
        return;
    LLVMMetadataRef weights[3] = { LLVMMDStringInContext2(g->context, "branch_weights", 14) };
    for (int i = 0; i < 2; i++) {
        unsigned long long n = s->odds[i] > INT32_MAX ? INT32_MAX : (unsigned long long)s->odds[i];
        weights[i + 1] = LLVMValueAsMetadata(LLVMConstInt(LLVMInt32TypeInContext(g->context), n, false));
    }
    LLVMMetadataRef node = LLVMMDNodeInContext2(g->context, weights, 3);
    LLVMSetMetadata(branch, LLVMGetMDKindIDInContext(g->context, "prof", 4), LLVMMetadataAsValue(g->context, node));
}

static void lower_if(Lower *g, const LStmt *s)
{
    LLVMValueRef condition = low_expr(g, s->value);
    LLVMBasicBlockRef then = new_block(g, "then"), done = new_block(g, "done");
    LLVMBasicBlockRef other = s->other.len ? new_block(g, "else") : done;
    add_odds(g, LLVMBuildCondBr(g->b, condition, then, other), s);
    LLVMPositionBuilderAtEnd(g->b, then);
    low_block(g, &s->body);
    LLVMBuildBr(g->b, done);
    if (s->other.len) {
        LLVMPositionBuilderAtEnd(g->b, other);
        low_block(g, &s->other);
        LLVMBuildBr(g->b, done);
    }
    LLVMPositionBuilderAtEnd(g->b, done);
}

static void lower_local(Lower *g, const LBuf *b)
{
    if (g->frame.buf[b->id] && !b->data)
        return; /* another copy of the same code: one place is enough */
    g->align[b->id] = NNR_ALIGN;
    if (b->data) {
        g->frame.buf[b->id] = low_table(g, b);
        return;
    }
    LLVMTypeRef type = LLVMArrayType2(low_memory_type(g, ltype(b->kind, 1)), (uint64_t)b->count);
    g->frame.buf[b->id] = LLVMBuildAlloca(g->slots, type, b->name);
    LLVMSetAlignment(g->frame.buf[b->id], NNR_ALIGN);
}

static void lower_let(Lower *g, const LStmt *s)
{
    bool index = s->var->type.kind == LK_I64 && s->var->type.lanes == 1;
    g->frame.value[s->var->id] = low_expr(g, s->value);
    g->frame.slot[s->var->id] = NULL;
    g->frame.factor[s->var->id] = index ? low_factor(g, s->value) : 1;
}

static void lower_var(Lower *g, const LStmt *s)
{
    LLVMValueRef *slot = &g->frame.slot[s->var->id], init = low_expr(g, s->value);
    if (!*slot)
        *slot = LLVMBuildAlloca(g->slots, low_type(g, s->var->type), s->var->name);
    LLVMBuildStore(g->b, init, *slot);
}

static void lower_stmt(Lower *g, const LStmt *s)
{
    switch (s->kind) {
    case LS_LET:
        if (g->uses.var[s->var->id])
            lower_let(g, s);
        break;
    case LS_VAR: lower_var(g, s); break;
    case LS_SET: LLVMBuildStore(g->b, low_expr(g, s->value), g->frame.slot[s->var->id]); break;
    case LS_STORE: low_store(g, s); break;
    case LS_FOR: lower_for(g, s); break;
    case LS_IF: lower_if(g, s); break;
    case LS_LOCAL:
        if (g->uses.buf[s->buf->id])
            lower_local(g, s->buf);
        break;
    case LS_PREFETCH: low_prefetch(g, s); break;
    case LS_NOTE: break;
    }
}

void low_block(Lower *g, const LBlock *block)
{
    for (int i = 0; i < block->len; i++)
        lower_stmt(g, block->data[i]);
}
