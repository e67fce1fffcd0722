# Included by the Makefile: the fuzzers, and the same inputs without one.
FUZZERS := blkback hypercall xenstore
FUZZ := $(wildcard fuzz/*.c)
FUZZ_EDGES := -fsanitize=fuzzer-no-link -fno-sanitize-coverage=trace-cmp
FUZZ_COV ?=
# Edges of what is tested: those of the machine and the oracle, and tracing
# compares, would cost half of the time and tell a typed input little.
$(call obj,$(HV) $(PV)): CFLAGS += $(FUZZ_COV)

# More files of a target's own.
$(B)/fuzz/hypercall $(B)/fuzz/hypercall-replay: $(B)/fuzz/hypercall_ops.o


.PHONY: fuzz fuzzers replayers corpus

fuzz: ## the fuzz targets, by clang with libFuzzer, ASan and UBSan
	@$(MAKE) --no-print-directory B=build/fuzz-san CC=clang SAN=1 \
		FUZZ_COV="$(FUZZ_EDGES)" fuzzers
	@mkdir -p $(B)/fuzz && for f in $(FUZZERS); do \
		ln -sfn $(CURDIR)/build/fuzz-san/fuzz/$$f $(B)/fuzz/$$f; done

fuzzers: $(FUZZERS:%=$(B)/fuzz/%)

corpus: $(FUZZERS:%=$(B)/fuzz/%-replay) ## the committed inputs, in order
	@for f in $(FUZZERS); do \
		$(B)/fuzz/$$f-replay fuzz/corpus/$$f || bad=1; done; \
		[ -z "$$bad" ]

replayers: $(FUZZERS:%=$(B)/fuzz/%-replay)

$(B)/fuzz/%-replay: $(B)/fuzz/%.o $(B)/fuzz/driver.o $(B)/fuzz/standalone.o \
		$(LIB)
	@$(CC) $(CFLAGS) $(SANFLAGS) -o $@ $^ $(LDLIBS)

$(FUZZERS:%=$(B)/fuzz/%): $(B)/fuzz/%: $(B)/fuzz/%.o $(B)/fuzz/driver.o $(LIB)
	@$(CC) $(CFLAGS) $(SANFLAGS) -fsanitize=fuzzer -o $@ $^ $(LDLIBS)
