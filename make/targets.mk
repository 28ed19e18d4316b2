# What users type. `make help` prints the lines marked with two hashes.
.PHONY: help deps deps-test demo test test-torch quick asan fuzz check bless bench bench-backends clean
DEPS ?= yes

help: ## this list
	@grep -hE '^[a-z-]+:.*##' make/targets.mk | sed -E 's/:.*## /\t/' | expand -t 16

deps:
ifneq ($(DEPS),no)
	@LLVM=$(LLVM) sh make/deps.sh
endif
deps-test:
ifneq ($(DEPS),no)
	@LLVM=$(LLVM) sh make/deps.sh test
endif

demo: deps ## trains a digit classifier, emits it as C, compiles that, shows that both predict the same
	@echo "building $(B)/nnc"
	@$(MAKE) --no-print-directory -j2 all >/dev/null
	@bash examples/demo.sh $(B)

test: deps-test ## builds everything and runs every test
	@echo "building $(B)/nnc and the test programs"
	@$(MAKE) --no-print-directory -j2 tests >/dev/null
	@bash tests/run.sh $(B)

test-torch: ## the benchmark's networks against PyTorch (NNC_TORCH_MODELS=PATH of models.py)
	@$(MAKE) --no-print-directory -j2 all >/dev/null
	@bash tests/torch/run.sh $(B) $(CASES)

quick: ## the tests that take seconds: make quick T=PATTERN
	@$(MAKE) --no-print-directory -j2 tests >/dev/null
	@bash tests/run.sh $(B) $(T)

SANITIZE = -fsanitize=address,undefined -fno-sanitize-recover=all
asan: ## every test under the address and undefined-behaviour sanitizers, what nnc compiles and links included
	@$(MAKE) --no-print-directory -j2 B=$(B)-asan OPT=-O1 EXTRA="$(SANITIZE)" tests >/dev/null
	@CC="cc $(SANITIZE)" bash tests/run.sh $(B)-asan $(T)

FUZZ_SECONDS ?= 300
fuzz: ## every fuzz target for FUZZ_SECONDS (300)
	@bash tests/fuzz/run.sh $(B)-fuzz $(FUZZ_SECONDS)

check: ## layering of includes, file lengths, formatting of .nn files
	@bash make/check.sh $(B)

bless: tests ## rewrites the expected outputs; review the diff
	@BLESS=1 bash tests/run.sh $(B) errors >/dev/null; BLESS=1 bash tests/run.sh $(B) golden >/dev/null; BLESS=1 bash tests/run.sh $(B) unit/passes >/dev/null; git diff --stat tests

bench: ## networks, kernels, examples against the machine's limits and the peers (PEERS=DIR of their scripts)
	@$(MAKE) --no-print-directory -j2 all $(patsubst tests/%.c,$(B)/tests/%,$(wildcard tests/bench/kernels.c)) >/dev/null
	@mkdir -p docs
	@python3 tests/bench/run.py $(B) $(patsubst %,--case %,$(CASES)) --report docs/BENCHMARKS.md

SECONDS ?= 1
bench-backends: $(B)/tests/bench/backends ## single kernels: the C back end against LLVM, one thread, interleaved
	@$(B)/tests/bench/backends $(SECONDS) $(K)

clean: ## removes the build folder
	rm -rf $(B)

# ---- fuzz targets: clang's libFuzzer over the whole library, with sanitizers ----
FUZZ_FLAGS = -fsanitize=fuzzer-no-link,address,undefined
fuzzers: $(FUZZ)
$(B)/fuzz/%: tests/fuzz/%.c $(B)/libnnc.a $(B)/libnnr.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -fsanitize=fuzzer,address,undefined -fopenmp -o $@ $< $(B)/libnnc.a $(B)/libnnr.a $(LDLIBS)
