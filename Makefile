# Ringside. One makefile; `make help` lists the targets.
#   B    build directory           CC   gcc or clang
#   OPT  -O2, -O0 ...              SAN  1: address and undefined sanitizers
B ?= build
OPT ?= -O2
SAN ?=
ifeq ($(origin CC),default)
CC = gcc
endif
comma := ,
SANFLAGS := $(if $(SAN),-fsanitize=address$(comma)undefined \
	-fno-sanitize-recover=undefined -fno-omit-frame-pointer)
CFLAGS := -std=gnu11 $(OPT) -g -Wall -Wextra -Werror $(COV)
# -D_GNU_SOURCE: host code alone; hv/ and pv/ use no libc.
CPPFLAGS := -I. -D__XEN_TOOLS__=1 -D_GNU_SOURCE
FREESTANDING := -ffreestanding -fno-stack-protector -fno-builtin
LDLIBS := -lext2fs -lcom_err -lzstd -lxxhash -lpthread

HV := $(wildcard hv/*.c hv/x86/*.c)
SIM := $(wildcard sim/*.c sim/cpu/*.c sim/dev/*.c sim/*.S sim/cpu/*.S)
PV := $(wildcard pv/*.c pv/os/*.c pv/xenbus/*.c pv/xenstore/*.c \
	pv/block/*.c) $(filter-out pv/guest/metal_%,$(wildcard pv/guest/*.c))
CONF := $(wildcard conformance/*.c conformance/cases/*.c \
	conformance/peers/*.c)
TOOL := $(wildcard tools/*.c)
TESTS := $(wildcard hv/tests/test_*.c sim/tests/test_*.c pv/tests/test_*.c \
	conformance/tests/test_*.c)
FAKES := $(wildcard hv/tests/fake_*.c pv/tests/fake_*.c)

obj = $(addprefix $(B)/,$(addsuffix .o,$(basename $(1))))
LIB := $(call obj,$(HV) $(SIM) $(PV) $(CONF))
TESTBINS := $(addprefix $(B)/,$(basename $(TESTS)))

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all conform check check-all unit structure matrix bad-input storage \
	races metal valgrind bench coverage fresh format help clean

all: $(B)/ringside $(B)/hv.o ## the command and the linked hypervisor

conform: all ## run the conformance suite
	@$(B)/ringside conform

check: $(B)/setup.stamp ## what every change must pass, under ten minutes
	@tools/check.sh check

check-all: $(B)/setup.stamp ## the long stages too: seeds, valgrind, bochs
	@tools/check.sh all

unit: $(TESTBINS) ## unit tests (CMocka), room by room
	@tools/unit.sh $(TESTBINS)

structure: $(B)/hv.o $(LIB) ## include edges, headers, state, seam, lengths
	@tools/structure.sh $(B)

matrix: $(B)/setup.stamp ## same hashes from every compiler and optimization
	@tools/matrix.sh

bad-input: all ## hostile arguments and traces to the command line
	@tools/bad-input.sh $(B)/ringside

storage: $(B)/conformance/tests/test_storage ## ext4 and 1,000 power cuts
	@RINGSIDE_POWER_CUTS=1000 $<

races: all ## two vCPUs on two CPUs: 10,000 seeds, the oracle watching
	@tools/races.sh $(B)/ringside 10000

metal: $(B)/metal/ringside.elf ## the same core on qemu-svm and bochs-svm
	@tools/metal-run.sh qemu-svm && tools/metal-run.sh bochs-svm

valgrind: all ## memcheck over unit tests and a subset of the cases
	@tools/valgrind.sh $(B)

bench: all ## benchmarks, beside those of tools/bench-baseline.jsonl
	@tools/bench.sh $(B)/ringside

coverage: $(B)/setup.stamp ## line coverage, HTML in build/coverage
	@tools/coverage.sh

fresh: ## both README commands in a new Debian made by debootstrap
	@tools/fresh.sh

format: ## clang-format over the tree
	@git ls-files '*.c' '*.h' | xargs clang-format -i

help: ## this list
	@cat Makefile fuzz/build.mk | sed -n 's/^\([a-z-]*\):.*## /  \1 \t/p' | expand -t 14

clean: ## remove build/
	@rm -rf build

$(B)/setup.stamp: tools/packages.txt tools/setup.sh
	@tools/setup.sh && mkdir -p $(@D) && touch $@

$(B)/hv.o: $(call obj,$(HV))
	@$(LD) -r -o $@ $^

$(B)/ringside: $(call obj,$(TOOL)) $(LIB)
	@$(CC) $(CFLAGS) $(SANFLAGS) -o $@ $^ $(LDLIBS)

$(B)/hv/%.o: hv/%.c | $(B)/setup.stamp
	@mkdir -p $(@D)
	@$(CC) $(CPPFLAGS) $(CFLAGS) $(FREESTANDING) $(SANFLAGS) -MMD -MP \
		-c -o $@ $<

$(B)/%.o: %.c | $(B)/setup.stamp
	@mkdir -p $(@D)
	@$(CC) $(CPPFLAGS) $(CFLAGS) $(SANFLAGS) -MMD -MP -c -o $@ $<

$(B)/%.o: %.S | $(B)/setup.stamp
	@mkdir -p $(@D)
	@$(CC) $(CPPFLAGS) -c -o $@ $<

$(B)/hv/tests/%: $(B)/hv/tests/%.o $(call obj,$(HV)) \
		$(call obj,$(filter hv/%,$(FAKES)))
	@$(CC) $(CFLAGS) $(SANFLAGS) -o $@ $^ -lcmocka

$(B)/pv/tests/%: $(B)/pv/tests/%.o $(call obj,$(filter-out pv/os/%,$(PV))) \
		$(call obj,$(filter pv/%,$(FAKES)))
	@$(CC) $(CFLAGS) $(SANFLAGS) -o $@ $^ -lcmocka

# An archive: a test's own fake of a function stands in for the real one.
$(B)/sim.a: $(call obj,$(HV) $(SIM))
	@rm -f $@ && $(AR) rcs $@ $^

$(B)/sim/tests/%: $(B)/sim/tests/%.o $(B)/sim.a
	@$(CC) $(CFLAGS) $(SANFLAGS) -o $@ $^ -lcmocka $(LDLIBS)

$(B)/%: $(B)/%.o $(LIB)
	@$(CC) $(CFLAGS) $(SANFLAGS) -o $@ $^ -lcmocka $(LDLIBS)

include hv/metal/build.mk
include fuzz/build.mk
-include $(patsubst %.o,%.d,$(LIB) \
	$(call obj,$(TOOL) $(TESTS) $(FAKES) $(FUZZ)))
