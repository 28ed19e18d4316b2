# nnc: build, test, demo. `make help` lists the targets.
#   make B=DIR      build somewhere else than build/
#   make CC=clang   another compiler
#   make LLVM=0     without the LLVM back end (else LLVM 19 is needed: llvm-19-dev)
B ?= build
CC = gcc
OPT ?= -O2
WARN = -Wall -Wextra -Wshadow -Wconversion -Werror
CFLAGS = -std=c11 -D_GNU_SOURCE $(OPT) -g $(WARN) -Icompiler -I. -I$(B)/gen $(EXTRA)
LDLIBS = -lcjson -lz -lm -ldl $(LLVM_LIBS)
LDFLAGS = $(EXTRA)

# ---- LLVM, for the second back end: make LLVM=0 does without ----
LLVM ?= 1
LLVM_CONFIG ?= $(firstword $(foreach c,llvm-config-19 llvm-config,$(shell command -v $(c) 2>/dev/null)))
ifeq ($(LLVM),1)
LLVM_FOUND := $(if $(LLVM_CONFIG),$(shell $(LLVM_CONFIG) --version 2>/dev/null))
ifeq ($(filter 19.%,$(LLVM_FOUND)),)
ifeq ($(filter deps demo test help clean,$(or $(MAKECMDGOALS),all)),)
$(error LLVM 19 not found$(if $(LLVM_FOUND), (this is $(LLVM_FOUND))): install llvm-19-dev, name its llvm-config with LLVM_CONFIG=..., or make LLVM=0)
endif
endif
LLVM_CFLAGS := -isystem $(shell $(LLVM_CONFIG) --includedir 2>/dev/null)
LLVM_LIBS := $(shell $(LLVM_CONFIG) --link-shared --ldflags --libs 2>/dev/null)
LLVM_SRC := $(wildcard compiler/back/llvm/*.c)
endif

LIB_SRC := $(wildcard compiler/base/*.c compiler/front/*.c compiler/graph/*.c compiler/ops/*.c \
             compiler/passes/*.c compiler/loop/*.c compiler/back/common/*.c compiler/back/c/*.c compiler/bench/*.c compiler/*.c dsl/*.c) $(LLVM_SRC) \
             $(filter-out compiler/cli/main.c,$(wildcard compiler/cli/*.c))
RUN_SRC := $(wildcard runtime/*.c)
LIB_OBJ := $(LIB_SRC:%.c=$(B)/%.o) $(B)/gen/parse.o $(B)/gen/lex.o $(B)/gen/std.o $(B)/gen/abi.o
RUN_OBJ := $(RUN_SRC:%.c=$(B)/%.o)
UNIT := $(patsubst tests/%.c,$(B)/tests/%,$(wildcard tests/unit/*.c tests/ops/*.c tests/diff/*.c))
FUZZ := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))

.DELETE_ON_ERROR:
.PHONY: all
all: $(B)/nnc $(B)/libnnr.a

$(B)/nnc: $(B)/compiler/cli/main.o $(B)/libnnc.a $(B)/libnnr.a
	$(CC) -fopenmp $(LDFLAGS) -rdynamic -o $@ $^ $(LDLIBS)

$(B)/libnnc.a: $(LIB_OBJ)
	@rm -f $@
	ar rcs $@ $^

$(B)/libnnr.a: $(RUN_OBJ)
	@rm -f $@
	ar rcs $@ $^

$(B)/runtime/%.o: runtime/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -fopenmp -MMD -MP -c -o $@ $<

$(B)/compiler/back/llvm/%.o: CFLAGS += $(LLVM_CFLAGS)
$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

# ---- generated: parser, lexer, embedded library text ----
$(B)/gen/parse.c: dsl/parse.y
	@mkdir -p $(@D)
	bison -Werror --defines=$(B)/gen/parse.h -o $@ $<
$(B)/gen/lex.c: dsl/lex.l $(B)/gen/parse.c
	@mkdir -p $(@D)
	flex --header-file=$(B)/gen/lex.h -o $@ $<
$(B)/gen/std.c: $(sort $(wildcard dsl/std/*.nn)) dsl/embed.awk
	@mkdir -p $(@D)
	awk -f dsl/embed.awk $(sort $(wildcard dsl/std/*.nn)) > $@
$(B)/gen/abi.c: runtime/nnr.h compiler/embed.awk
	@mkdir -p $(@D)
	awk -v name=NNR_ABI_HEADER -f compiler/embed.awk runtime/nnr.h > $@
# what was chosen above, for the sources; rewritten only when it changes
$(B)/gen/config.h: $(if $(filter $(LLVM),$(shell sed -n 's/.*NNC_LLVM //p' $(B)/gen/config.h 2>/dev/null)),,always)
	@mkdir -p $(@D)
	@echo '#define NNC_LLVM $(LLVM)' > $@
.PHONY: always
$(B)/gen/%.o: $(B)/gen/%.c
	$(CC) $(CFLAGS) -Wno-conversion -Wno-unused-function -Wno-sign-compare -MMD -MP -c -o $@ $<
$(LIB_OBJ): | $(B)/gen/parse.c $(B)/gen/lex.c $(B)/gen/config.h

# ---- test programs: one cmocka program a file ----
.PHONY: tests
tests: $(UNIT) $(B)/tests/bench/math_all $(B)/tests/bench/kernels
ifneq ($(wildcard compiler/cli/main.c),)
tests: all
endif
$(B)/tests/%: tests/%.c $(B)/libnnc.a $(B)/libnnr.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -fopenmp -MMD -MP -MF $@.d -rdynamic -o $@ $< $(LDFLAGS) $(B)/libnnc.a $(B)/libnnr.a -lcmocka $(LDLIBS)

include make/targets.mk

-include $(LIB_OBJ:.o=.d) $(RUN_OBJ:.o=.d) $(B)/compiler/cli/main.d $(UNIT:%=%.d)
