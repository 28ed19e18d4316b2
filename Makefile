# nnc: build, test, demo. `make help` lists the targets.
#   make B=DIR      build somewhere else than build/
#   make CC=clang   another compiler
B ?= build
CC = gcc
OPT ?= -O2
WARN = -Wall -Wextra -Wshadow -Wconversion -Werror
CFLAGS = -std=c11 -D_GNU_SOURCE $(OPT) -g $(WARN) -Icompiler -I. -I$(B)/gen $(EXTRA)
LDLIBS = -lcjson -lz -lm -ldl
LDFLAGS = $(EXTRA)

LIB_SRC := $(wildcard compiler/base/*.c compiler/front/*.c compiler/graph/*.c compiler/ops/*.c \
             compiler/passes/*.c compiler/loop/*.c compiler/back/*.c compiler/back/*/*.c compiler/bench/*.c compiler/*.c dsl/*.c) \
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
$(B)/gen/%.o: $(B)/gen/%.c
	$(CC) $(CFLAGS) -Wno-conversion -Wno-unused-function -Wno-sign-compare -MMD -MP -c -o $@ $<
$(LIB_OBJ): | $(B)/gen/parse.c $(B)/gen/lex.c

# ---- test programs: one cmocka program a file ----
.PHONY: tests
tests: $(UNIT)
ifneq ($(wildcard compiler/cli/main.c),)
tests: all
endif
$(B)/tests/%: tests/%.c $(B)/libnnc.a $(B)/libnnr.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -fopenmp -MMD -MP -MF $@.d -rdynamic -o $@ $< $(LDFLAGS) $(B)/libnnc.a $(B)/libnnr.a -lcmocka $(LDLIBS)

include make/targets.mk

-include $(LIB_OBJ:.o=.d) $(RUN_OBJ:.o=.d) $(B)/compiler/cli/main.d $(UNIT:%=%.d)
