# SPDX-License-Identifier: GPL-2.0-only
#
# Builds, runs and tests cowbell. `make help` lists what there is; nothing needs to be configured.

VERSION = 0.1.0

PREFIX = /usr/local
BUILD = build
PYTHON = /usr/bin/python3

# As many compilers as CPUs; `make clean all` is the one order of goals that matters.
ifeq ($(MAKELEVEL)$(filter clean,$(MAKECMDGOALS)),0)
MAKEFLAGS += -j$(shell nproc)
endif
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:

## Flags: CC=clang, WERROR=1, DEBUG=1, and CFLAGS and LDFLAGS of your own

BASE_FLAGS = -std=gnu11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -g -fno-common \
	-fstack-protector-strong
HARDEN_FLAGS = -D_FORTIFY_SOURCE=3
WARN_FLAGS = -Wall -Wextra -Wshadow -Wundef -Wvla -Wmissing-prototypes -Wstrict-prototypes \
	-Wold-style-definition -Wpointer-arith -Wcast-qual -Wwrite-strings -Wformat=2 \
	-Wimplicit-fallthrough -Wconversion -Wno-sign-conversion -Wdeclaration-after-statement \
	-Wnull-dereference -Wswitch-enum $(if $(WERROR),-Werror)
OPTIMIZE_FLAGS = $(if $(DEBUG),-O1 -ftrivial-auto-var-init=pattern,-O2)
INCLUDE_FLAGS = -Iharness/driver -iquote bench -Ireports

# A build out of git names its commit in every result.
COMMIT := $(if $(wildcard .git),$(shell git describe --always --dirty --exclude '*' 2>/dev/null))
COWBELL_VERSION := $(VERSION)$(if $(COMMIT),+$(COMMIT))
CONFIG_FLAGS = -DCOWBELL_DATADIR='"$(PREFIX)/share/cowbell"' \
	-DCOWBELL_LIBEXECDIR='"$(PREFIX)/libexec/cowbell"'

PLAIN_FLAGS = $(BASE_FLAGS) $(HARDEN_FLAGS) $(WARN_FLAGS) $(OPTIMIZE_FLAGS) $(INCLUDE_FLAGS) \
	$(CONFIG_FLAGS) $(CFLAGS)
# Sanitizers bring their own idea of _FORTIFY_SOURCE, and find more at -O1.
SANITIZE_FLAGS = $(BASE_FLAGS) $(WARN_FLAGS) -O1 $(INCLUDE_FLAGS) $(CONFIG_FLAGS) \
	-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer $(CFLAGS)
# For actors that are threads.
TSAN_FLAGS = $(BASE_FLAGS) $(WARN_FLAGS) -O1 $(INCLUDE_FLAGS) $(CONFIG_FLAGS) -fsanitize=thread $(CFLAGS)
FUZZ_CC = clang
FUZZ_FLAGS = $(SANITIZE_FLAGS) -fsanitize=fuzzer-no-link
LIBS = -ljansson -luring -ldl -lm -pthread

# The commands are shown with V=1, nothing with -s.
Q = $(if $(V),,@)
say = @$(if $(findstring s,$(firstword -$(MAKEFLAGS))),:,printf '  %-5s %s\n')

# Sources and what is made of them

SOURCES := $(wildcard harness/driver/*.c harness/driver/ops/*.c harness/driver/check/*.c \
	bench/*.c bench/method/*.c bench/experiment/*.c reports/*.c)
MUTANT_SOURCES := $(wildcard harness/mutants/*.c)
UNIT_SOURCES := $(wildcard tests/unit/test_*.c)
FUZZ_SOURCES := $(wildcard tests/fuzz/*.c)

MAIN = harness/driver/main
VERSION_USERS = harness/driver/main harness/driver/run_line
OBJECTS := $(SOURCES:%.c=$(BUILD)/obj/%.o)
SANITIZED := $(SOURCES:%.c=$(BUILD)/san/%.o)
# Unit tests and fuzzers bring a main() of their own.
SANITIZED_LIBRARY := $(filter-out $(BUILD)/san/$(MAIN).o,$(SANITIZED))
FUZZ_LIBRARY := $(patsubst $(BUILD)/san/%,$(BUILD)/fuzz/%,$(SANITIZED_LIBRARY))
UNIT_PROGRAMS := $(UNIT_SOURCES:tests/unit/%.c=$(BUILD)/unit/%)
FUZZERS := $(FUZZ_SOURCES:tests/fuzz/%.c=$(BUILD)/fuzz/%)

.PHONY: all
all: $(BUILD)/cowbell $(BUILD)/libcowbell-mutants.so	## build the driver, build/cowbell (this is the default)

$(BUILD)/cowbell: $(OBJECTS)
	$(say) LINK $@
	$(Q)$(CC) $(PLAIN_FLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/obj/%.o: %.c $(BUILD)/.build-config | libraries
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(CC) $(PLAIN_FLAGS) $(VERSION_FLAG) -MMD -MP -c -o $@ $<

# Only what it interposes is visible: the rest must not stand in for functions of the driver.
$(BUILD)/mutants/%.o: %.c $(BUILD)/.build-config
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(CC) $(PLAIN_FLAGS) -fPIC -fvisibility=hidden -MMD -MP -c -o $@ $<

$(BUILD)/libcowbell-mutants.so: $(MUTANT_SOURCES:%.c=$(BUILD)/mutants/%.o)
	$(say) LINK $@
	$(Q)$(CC) $(PLAIN_FLAGS) -shared $(LDFLAGS) -o $@ $^ -ldl

$(BUILD)/cowbell-sanitized: $(SANITIZED)
	$(say) LINK $@
	$(Q)$(CC) $(SANITIZE_FLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/san/%.o: %.c $(BUILD)/.build-config | libraries
	@mkdir -p $(@D)
	$(say) SAN $<
	$(Q)$(CC) $(SANITIZE_FLAGS) $(VERSION_FLAG) -MMD -MP -c -o $@ $<

$(BUILD)/cowbell-tsan: $(SOURCES:%.c=$(BUILD)/tsan/%.o)
	$(say) LINK $@
	$(Q)$(CC) $(TSAN_FLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/tsan/%.o: %.c $(BUILD)/.build-config | libraries
	@mkdir -p $(@D)
	$(say) TSAN $<
	$(Q)$(CC) $(TSAN_FLAGS) $(VERSION_FLAG) -MMD -MP -c -o $@ $<

$(BUILD)/san/tests/unit/%.o: | cmocka

$(BUILD)/unit/%: $(BUILD)/san/tests/unit/%.o $(SANITIZED_LIBRARY)
	@mkdir -p $(@D)
	$(say) LINK $@
	$(Q)$(CC) $(SANITIZE_FLAGS) $(LDFLAGS) -o $@ $^ -lcmocka $(LIBS)

$(BUILD)/fuzz/%: $(BUILD)/fuzz/tests/fuzz/%.o $(FUZZ_LIBRARY)
	$(say) LINK $@
	$(Q)$(FUZZ_CC) $(SANITIZE_FLAGS) -fsanitize=fuzzer $(LDFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/fuzz/%.o: %.c $(BUILD)/.build-config | libraries
	@mkdir -p $(@D)
	$(say) FUZZ $<
	$(Q)$(FUZZ_CC) $(FUZZ_FLAGS) $(VERSION_FLAG) -MMD -MP -c -o $@ $<

# Changes when the compiler or a flag does, and everything is compiled anew. With the version, only
# what says it is.
CONFIG = $(CC) $(PLAIN_FLAGS) $(FUZZ_CC) $(FUZZ_FLAGS) $(LDFLAGS)
$(BUILD)/.build-config: FORCE
	@mkdir -p $(@D)
	@echo '$(subst ','\'',$(CONFIG))' | cmp -s - $@ || echo '$(subst ','\'',$(CONFIG))' >$@

$(BUILD)/.version: FORCE
	@mkdir -p $(@D)
	@echo '$(COWBELL_VERSION)' | cmp -s - $@ || echo '$(COWBELL_VERSION)' >$@

VERSION_OBJECTS := $(foreach kind,obj san tsan fuzz,$(VERSION_USERS:%=$(BUILD)/$(kind)/%.o))
$(VERSION_OBJECTS): VERSION_FLAG = -DCOWBELL_VERSION='"$(COWBELL_VERSION)"'
$(VERSION_OBJECTS): $(BUILD)/.version

.PHONY: FORCE
FORCE:

# Asks the compiler, not the package manager: a machine that has them some other way is fine too.
.PHONY: libraries cmocka
libraries:
	@printf '#include <%s>\n' stdlib.h jansson.h liburing.h | \
		$(CC) $(PLAIN_FLAGS) -fsyntax-only -x c - 2>/dev/null || ci/deps build

cmocka:
	@printf '#include <%s>\n' stdarg.h stddef.h stdint.h setjmp.h cmocka.h | \
		$(CC) $(PLAIN_FLAGS) -fsyntax-only -x c - 2>/dev/null || ci/deps test

-include $(OBJECTS:.o=.d) $(SANITIZED:.o=.d) $(SOURCES:%.c=$(BUILD)/tsan/%.d) $(FUZZ_LIBRARY:.o=.d)
-include $(UNIT_SOURCES:%.c=$(BUILD)/san/%.d) $(FUZZ_SOURCES:%.c=$(BUILD)/fuzz/%.d)
-include $(MUTANT_SOURCES:%.c=$(BUILD)/mutants/%.d)
# Make would delete them as intermediate files.
.SECONDARY: $(UNIT_SOURCES:%.c=$(BUILD)/san/%.o) $(FUZZ_SOURCES:%.c=$(BUILD)/fuzz/%.o)

## Running: FS="xfs btrfs" KERNELS="host 6.12" CASES="clone/*" SEED=7 JOBS=2 BUDGET=1

FS ?=
KERNELS ?=
CASES ?=
SEED ?=
JOBS ?= 2
# How much races and sweeps of signals try: little, as there are many filesystems.
BUDGET ?= 0.1
RESULTS ?= results
comma = ,
empty =
space = $(empty) $(empty)
MATRIX_ARGS = $(if $(FS),--fs $(subst $(space),$(comma),$(strip $(FS)))) \
	$(if $(KERNELS),--kernel $(subst $(space),$(comma),$(strip $(KERNELS)))) $(if $(SEED),--seed $(SEED)) \
	--budget $(BUDGET) $(foreach case,$(CASES),'$(case)')
RUN_ARGS = --jobs $(JOBS) $(if $(SEED),--seed $(SEED)) $(foreach case,$(CASES),'$(case)')

.PHONY: run
run:	## make filesystems in loop images, run the cases on each, print the table (root)
	@if [ "$$(id -u)" != 0 ]; then \
		echo 'make run makes and mounts filesystems: sudo make run' >&2; exit 2; fi
	@ci/deps run
	@$(MAKE) all
	@touch $(BUILD)/.began
	@echo "harness/runner/cowbell-matrix $(MATRIX_ARGS)"
	@RESULTS=$(RESULTS) harness/runner/cowbell-matrix $(MATRIX_ARGS); echo $$? >$(BUILD)/.status
	@$(if $(CASES),,$(MAKE) -s bench SUITES=quick TIME=5 || echo $$? >$(BUILD)/.status)
	@files=$$(find $(RESULTS) -maxdepth 2 -name '*.jsonl' -newer $(BUILD)/.began 2>/dev/null | sort | xargs); \
	[ -z "$$files" ] || $(MAKE) -s report FILES="--partial $$files"
	@exit $$(cat $(BUILD)/.status)

FILES ?= $(wildcard $(RESULTS)/*.jsonl $(RESULTS)/*/*.jsonl)

.PHONY: report
report:	## make a page of results: FILES="results/xfs.jsonl old/xfs.jsonl", or all of the last run
	harness/runner/cowbell-report $(FILES) -o $(RESULTS)/report

.PHONY: test
test:	## every test and check there is (root; without root, what can be done without)
	@ci/deps test
	@ci/check

.PHONY: check
check: unit $(BUILD)/cowbell	## unit tests, and cases in memory and here; no root, under a minute
	$(BUILD)/cowbell lint
	@ci/on-dirs $(BUILD)/cowbell $(RUN_ARGS)

.PHONY: check-fs
check-fs: $(BUILD)/cowbell	## the cases under pytest, one item each: FS="xfs btrfs" (root)
	@ci/deps test
	$(PYTHON) -m pytest -q --fs $(subst $(space),$(comma),$(strip $(or $(FS),xfs btrfs)))

## Benchmarks: FS="xfs btrfs" SUITES="paths extents" TIME=60

SUITES ?= quick
TIME ?=
BENCH_SIZE ?= 4G
BENCH_FS = $(or $(FS),xfs btrfs ext4 tmpfs)
RESULTS ?= results

.PHONY: bench
bench: $(BUILD)/cowbell	## time clone and copy on filesystems in loop images (root)
	@mkdir -p $(RESULTS)
	@for fs in $(BENCH_FS); do \
		out=$(RESULTS)/bench-$$(echo "$$fs" | tr : -).jsonl; \
		echo "$$fs: $$out"; \
		harness/runner/cowbell-fs "$$fs" --size $(BENCH_SIZE) -- $(BUILD)/cowbell bench \
			--dir '{dir}' --json "$$out" $(if $(TIME),--time $(TIME)) \
			$(if $(SEED),--seed $(SEED)) $(SUITES) || [ $$? = 77 ] || exit 1; \
	done

.PHONY: bench-self
bench-self: $(BUILD)/cowbell	## what timing adds, and our copies against cp, dd and fio (root)
	@ci/deps bench
	bench/self $(if $(FS),--fs $(subst $(space),$(comma),$(strip $(FS)))) \
		$(if $(TIME),--time $(TIME)) --results $(RESULTS)

## Mutants: MUTANT="clone-* dedupe-*" FS=xfs

MUTANT ?=

.PHONY: mutants
mutants: $(BUILD)/cowbell $(BUILD)/libcowbell-mutants.so	## kernels with one bug each: does a case notice? (root)
	harness/runner/cowbell-mutants --cowbell $(BUILD)/cowbell --jobs $(JOBS) \
		$(if $(FS),--fs $(FS)) $(if $(SEED),--seed $(SEED)) $(foreach name,$(MUTANT),'$(name)')

.PHONY: race-mutants
race-mutants: $(BUILD)/cowbell $(BUILD)/libcowbell-mutants.so	## bugs of races, 20 times each: how surely are they noticed? (root)
	harness/runner/cowbell-fs $(or $(FS),xfs) -- harness/runner/cowbell-race-mutants \
		--cowbell $(BUILD)/cowbell --dir '{dir}' $(if $(SEED),--seed $(SEED)) \
		$(if $(REPEAT),--repeat $(REPEAT)) $(foreach name,$(MUTANT),'$(name)')

## Truth of verdicts: COMPARISONS=1000 ROUNDS=80

COMPARISONS ?= 1000
ROUNDS ?= 80

$(BUILD)/verdicts: $(BUILD)/obj/tests/verdicts/simulate.o $(filter-out $(BUILD)/obj/$(MAIN).o,$(OBJECTS))
	$(say) LINK $@
	$(Q)$(CC) $(PLAIN_FLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

.PHONY: verdicts
verdicts: $(BUILD)/verdicts $(BUILD)/cowbell $(BUILD)/libcowbell-mutants.so	## how often compare and gate are right; with ROUNDS=0 only simulated
	$(BUILD)/verdicts $(COMPARISONS)
	@[ $(ROUNDS) = 0 ] || harness/runner/cowbell-fs xfs -- tests/verdicts/measure --build $(BUILD) \
		--rounds $(ROUNDS)
	@[ $(ROUNDS) = 0 ] || harness/runner/cowbell-fs xfs -- tests/verdicts/decide --build $(BUILD)

## Checks, each of which ci/check runs too

.PHONY: unit
unit: $(UNIT_PROGRAMS)	## the unit tests, under the address and undefined-behaviour sanitizers
	@for program in $(or $(UNIT_PROGRAMS),$(error there is no unit test)); do \
		"$$program" || { echo "again: make unit, or after it: $$program"; exit 1; }; \
	done

LINEAR_OBJECTS := $(filter $(BUILD)/obj/harness/driver/linear%.o,$(OBJECTS)) \
	$(BUILD)/obj/harness/driver/arena.o
$(BUILD)/perf/linear: tests/perf/linear.c harness/driver/linear.h $(LINEAR_OBJECTS)
	@mkdir -p $(@D)
	$(say) LINK $@
	$(Q)$(CC) $(PLAIN_FLAGS) $(LDFLAGS) -o $@ $(filter-out %.h,$^) -lm

.PHONY: linear-bench
linear-bench: $(BUILD)/perf/linear	## how fast the snapshot oracle is, and how its time grows
	$<

.PHONY: lint
lint: $(BUILD)/cowbell	## load every case and every invalid case
	$(BUILD)/cowbell lint

FUZZ_SECONDS ?= 60
.PHONY: fuzz
fuzz: $(FUZZERS)	## feed the loader with broken cases for FUZZ_SECONDS=60
	@ci/fuzz $(FUZZ_SECONDS) $(FUZZERS)

.PHONY: schema
schema: $(BUILD)/cowbell	## write cases/schema.json from the driver's tables
	$(BUILD)/cowbell lint --schema >cases/schema.json

.PHONY: coverage catalogue
coverage: $(BUILD)/cowbell	## which statement about the calls is checked by which cases
	harness/runner/cowbell-coverage --cowbell $(BUILD)/cowbell

catalogue: $(BUILD)/cowbell	## write docs/catalogue.md, the page of all cases
	harness/runner/cowbell-coverage --cowbell $(BUILD)/cowbell --catalogue >docs/catalogue.md

.PHONY: tidy
tidy: $(BUILD)/cowbell	## the rules of the house that no other tool knows
	ci/tidy

.PHONY: format
format:	## bring the C sources into the form of .clang-format
	clang-format -i $$(git ls-files -co --exclude-standard '*.c' '*.h')

## Installing: PREFIX=/usr/local DESTDIR=

BIN_DIR = $(DESTDIR)$(PREFIX)/bin
LIBEXEC_DIR = $(DESTDIR)$(PREFIX)/libexec/cowbell
SHARE_DIR = $(DESTDIR)$(PREFIX)/share/cowbell
DOC_DIR = $(DESTDIR)$(PREFIX)/share/doc/cowbell
RUNNER_FILES := $(shell find -L harness/runner -type f ! -name '*.pyc' 2>/dev/null | sort)
SUITE_FILES := $(wildcard bench/suites/*.json)
CASE_FILES := $(shell find cases -name '*.json' ! -path 'cases/invalid/*' 2>/dev/null | sort)
REPORT_FILES := reports/schema.json $(wildcard reports/page/* reports/plots/*)
DOC_FILES := $(wildcard README.md LICENSE docs/*.md docs/*.json)

.PHONY: install
install: all	## install below PREFIX
	install -D -m 755 $(BUILD)/cowbell $(BIN_DIR)/cowbell
	install -D -m 755 -t $(LIBEXEC_DIR) $(BUILD)/libcowbell-mutants.so
	@for file in $(RUNNER_FILES:harness/runner/%=%); do \
		mode=644; [ ! -x "harness/runner/$$file" ] || mode=755; \
		install -D -m $$mode "harness/runner/$$file" "$(LIBEXEC_DIR)/$$file" || exit 1; done
	@for file in $(CASE_FILES) $(SUITE_FILES) $(REPORT_FILES); do \
		install -D -m 644 "$$file" "$(SHARE_DIR)/$$file" || exit 1; done
	install -D -m 644 -t $(DOC_DIR) $(DOC_FILES)

.PHONY: uninstall
uninstall:	## take away what install put there
	rm -f $(BIN_DIR)/cowbell
	rm -rf $(LIBEXEC_DIR) $(SHARE_DIR) $(DOC_DIR)

.PHONY: clean
clean:	## delete what was built
	rm -rf $(BUILD)

.PHONY: help
help:	## list the targets
	@sed -n 's/^\([a-z-]*\):[^#]*\t## /\1\t/p; s/^## /\n/p' Makefile | expand -t 12
