/* DWARF: every function of machine code is a subprogram at the place in the .nn file that its kernel
 * comes from, so that gdb, perf and addr2line show the network's lines. A fused kernel carries one
 * place, that of the layer which gave it its name; the loop IR keeps no lines within a kernel. */
#include "back/llvm/lower.h"

#include <string.h>

static LLVMMetadataRef file_of(Lower *g, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    size_t dir = slash ? (size_t)(slash - path) : 0;
    return LLVMDIBuilderCreateFile(g->di, name, strlen(name), path, dir);
}

static void module_flag(Lower *g, const char *name, unsigned value)
{
    LLVMAddModuleFlag(g->module, LLVMModuleFlagBehaviorWarning, name, strlen(name),
                      LLVMValueAsMetadata(LLVMConstInt(g->i32, value, false)));
}

void debug_open(Lower *g)
{
    if (!g->options->debug)
        return;
    module_flag(g, "Debug Info Version", LLVMDebugMetadataVersion());
    module_flag(g, "Dwarf Version", 4);
    g->di = LLVMCreateDIBuilder(g->module);
    const char *source = g->program->source ? g->program->source : g->program->name;
    g->di_unit = LLVMDIBuilderCreateCompileUnit(g->di, LLVMDWARFSourceLanguageC11, file_of(g, source), "nnc", 3, true, "", 0,
                                                0, "", 0, LLVMDWARFEmissionFull, 0, false, false, "", 0, "", 0);
}

void debug_function(Lower *g, LLVMValueRef fn, const char *name, const char *linkage, Loc loc, bool exported)
{
    if (!g->di)
        return;
    const char *source = g->program->source ? g->program->source : g->program->name;
    bool placed = loc.file && loc.file[0] != '<'; /* "<std>/..." is no file that a debugger finds */
    LLVMMetadataRef file = file_of(g, placed ? loc.file : source);
    unsigned line = placed ? (unsigned)loc.line : 0;
    LLVMMetadataRef none = NULL;
    LLVMMetadataRef type = LLVMDIBuilderCreateSubroutineType(g->di, file, &none, 1, LLVMDIFlagZero);
    g->frame.scope = LLVMDIBuilderCreateFunction(g->di, file, name, strlen(name), linkage, strlen(linkage), file, line, type,
                                                 !exported, true, line, LLVMDIFlagZero, true);
    LLVMSetSubprogram(fn, g->frame.scope);
    debug_place(g, loc);
}

void debug_place(Lower *g, Loc loc)
{
    if (!g->di)
        return;
    bool placed = loc.file && loc.file[0] != '<';
    LLVMMetadataRef at = LLVMDIBuilderCreateDebugLocation(g->context, placed ? (unsigned)loc.line : 0,
                                                          placed ? (unsigned)loc.col : 0, g->frame.scope, NULL);
    LLVMSetCurrentDebugLocation2(g->b, at);
}

void debug_close(Lower *g)
{
    if (!g->di)
        return;
    LLVMDIBuilderFinalize(g->di);
    LLVMDisposeDIBuilder(g->di);
}
