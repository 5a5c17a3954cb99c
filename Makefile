# mispair: out-of-tree build in build/; `make help` lists the targets.
#
# Only `demo`, `check` and `deps` install anything; all else uses what is there.

CLANG     ?= clang
CC        ?= gcc
BPFTOOL   ?= $(shell PATH="$$PATH:/usr/sbin:/sbin" command -v bpftool)
BUILD     ?= build
PREFIX    ?= /usr/local
Q         := $(if $(V),,@)
say        = $(if $(V),,@printf '  %-8s %s\n' $(1) $(2);)

# For another machine: make ARCH=arm64 CC=aarch64-linux-gnu-gcc BUILD=build/arm64 CPPFLAGS= LDFLAGS=
ARCH      := $(shell uname -m | sed 's/x86_64/x86/;s/aarch64/arm64/')
WARN      := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes
CFLAGS    ?= -O2 -g
ALLCFLAGS := -std=gnu11 $(CFLAGS) $(WARN) -D_GNU_SOURCE -Iuser -I$(BUILD) $(CPPFLAGS)
BPFFLAGS  := -O2 -g -target bpf -mcpu=v3 -D__TARGET_ARCH_$(ARCH) -Wall -Wextra \
	     -Wno-unused-parameter -Werror -Ibpf -Ibpf/shim
LIBS      := -lbpf -lcap-ng -lelf -lz -lzstd -ljson-c -lncursesw -ltinfo -pthread
SANITIZE  := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all

SRCS      := $(wildcard user/*.c)
OBJS      := $(SRCS:user/%.c=$(BUILD)/user/%.o)
BPFHDRS   := $(wildcard bpf/*.h)

all: $(BUILD)/mispair ## build/mispair, the one binary

# ---- the program ----

# The recorder, and the programs of tests and benchmarks.
vpath %.bpf.c bpf tests/kernel tools/bench/floor tests/corpus/untold tests/vm

$(BUILD)/bpf/%.bpf.o: %.bpf.c $(BPFHDRS)
	@mkdir -p $(@D)
	$(call say,BPF,$@)$(CLANG) $(BPFFLAGS) -c $< -o $@.tmp
	$(Q)llvm-strip -g $@.tmp -o $@ 2>/dev/null || mv $@.tmp $@
	$(Q)rm -f $@.tmp

$(BUILD)/%.skel.h: $(BUILD)/bpf/%.bpf.o
	$(call say,SKEL,$@)$(BPFTOOL) gen skeleton $< name $*_bpf > $@.tmp && mv $@.tmp $@

$(patsubst %.c,$(BUILD)/%.o,$(wildcard user/session*.c)): $(BUILD)/mispair.skel.h
$(BUILD)/user/schema.o: user/schema/mispair.event.schema.json

$(BUILD)/user/%.o: user/%.c
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) $(ALLCFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/mispair: $(OBJS)
	$(call say,LINK,$@)$(CC) $(CFLAGS) $(LDFLAGS) $^ -o $@ $(LIBS)

# ---- tests ----

# The pure core and everything else that needs neither libbpf nor root, under ASan and UBSan. A
# test names the sources it is linked with.
USER       = $(patsubst %,user/%.c,$(1))
UNIT_ledger            :=
UNIT_pytask            :=
UNIT_correlate         := $(call USER,correlate correlate_rest track pools story verdict describe names)
UNIT_correlate_buffer  := $(call USER,correlate correlate_rest track pools story verdict describe names)
UNIT_correlate_idle    := $(call USER,correlate correlate_rest track pools story verdict describe names)
UNIT_correlate_watch   := $(call USER,correlate correlate_rest track pools story verdict describe names)
UNIT_track             := $(call USER,correlate correlate_rest track pools story verdict describe names)
UNIT_verdict           := $(call USER,verdict)
UNIT_describe          := $(call USER,describe)
UNIT_hostcheck         := $(call USER,hostcheck names)
UNIT_recorder          := $(call USER,recorder recfile item)
UNIT_pushed            := $(call USER,pushed)
UNIT_queue             := $(call USER,queue)
UNIT_elfsyms           := $(call USER,elfsyms elfstart gopcln)
UNIT_elfstart          := $(call USER,elfstart)
UNIT_filetrust         := $(call USER,filetrust procinfo)
UNIT_gopcln            := $(call USER,gopcln)
UNIT_jvm               := $(call USER,jvm remote)
UNIT_pyuv              := $(call USER,pyuv remote)
UNIT_goroutine         := $(call USER,golang elfsyms elfstart gopcln remote verdict describe names)
UNIT_neverprobe        := $(call USER,neverprobe procinfo)
UNIT_probespec         := $(call USER,probespec filetrust procinfo elfsyms elfstart gopcln numparse)
UNIT_options           := $(call USER,options numparse metrics_text names view_columns probespec filetrust procinfo elfsyms elfstart gopcln)
UNIT_pylayout          := $(call USER,pylayout)
UNIT_remote            := $(call USER,remote)
UNIT_escape            := $(call USER,escape)
UNIT_numparse          := $(call USER,numparse)
UNIT_procinfo          := $(call USER,procinfo protocol)
UNIT_pyfind            := $(call USER,pyfind pyscan elfview elfstart)
UNIT_pyfind_hostile    := $(call USER,pyfind pyscan elfview elfstart)
UNIT_pyfind_starts     := $(call USER,pyfind pyscan elfview elfstart)
UNIT_pyfind_steps      := $(call USER,pyfind pyscan elfview elfstart)
UNIT_sink_ndjson       := $(call USER,sink_ndjson outlet_file escape names)
UNIT_sink_ndjson_fail  := $(call USER,sink_ndjson outlet_file escape names)
UNIT_schema            := $(call USER,schema names)
UNIT_connkey           := $(call USER,connkey outlet_file)
UNIT_otlp_json         := $(call USER,otlp_json outlet_file)
UNIT_metrics_text      := $(call USER,metrics_text numparse names)
UNIT_outlet_stream     := $(call USER,outlet_stream)
UNIT_recfile           := $(call USER,recfile item)
UNIT_core              := $(call USER,core tally coverage coverage_table item correlate correlate_rest track pools story verdict describe names ledgers protocol)
UNIT_tally             := $(call USER,tally)
UNIT_coverage          := $(call USER,coverage coverage_table names)
UNIT_sink_text         := $(call USER,sink_text text_row text_chart escape names story describe)
UNIT_ledgers           := $(call USER,ledgers describe)
VIEW                   := view_model view_late view_filter view_order view_list view_pool view_cell view_header \
			  view_screen view_page view_chart view_details view_help view_keys \
			  view_columns view_line escape names describe protocol story coverage
UNIT_view_columns      := $(call USER,view_columns)
UNIT_view_line         := $(call USER,view_line escape)
UNIT_view_model        := $(call USER,$(VIEW))
UNIT_view_list         := $(call USER,$(VIEW))
UNIT_view_keys         := $(call USER,$(VIEW))
UNIT_view_screen       := $(call USER,$(VIEW))
UNITS      := $(patsubst tests/unit/test_%.c,%,$(wildcard tests/unit/test_*.c))
UNIT_BINS  := $(UNITS:%=$(BUILD)/tests/unit/%)

.SECONDEXPANSION:
$(BUILD)/tests/unit/schema: user/schema/mispair.event.schema.json

$(BUILD)/tests/unit/%: tests/unit/test_%.c $$(UNIT_$$*) $(wildcard tests/unit/*.h user/*.h bpf/*.h)
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) -std=gnu11 $(SANITIZE) $(WARN) -D_GNU_SOURCE -Iuser -Itests/unit -Ibpf \
		$(filter %.c,$^) -o $@ -lcmocka -ljson-c -lelf -lzstd -lz

# Workloads and the bare benchmark. A workload names its libraries in a line "// link: -lNAME".
WORKLOADS  := $(patsubst tests/corpus/%.c,$(BUILD)/tests/%,$(wildcard tests/corpus/*.c)) \
	      $(patsubst tests/field/%.c,$(BUILD)/tests/%,$(wildcard tests/field/*.c)) \
	      $(patsubst tools/bench/%.c,$(BUILD)/tests/%,$(wildcard tools/bench/*.c))
HELPERS    := $(BUILD)/tests/kafka_mock # of this host's tests, no guest's
# Processes that come, go and change while they are traced.
HELPERS    += $(addprefix $(BUILD)/tests/,connects crowd filler flood headless launcher process_as swapper traffic)

$(BUILD)/tests/%: tests/corpus/%.c $(wildcard tests/corpus/*.h)
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) -std=gnu11 -O2 -g $(WARN) -D_GNU_SOURCE -Itests/corpus $< -o $@ -pthread \
		$$(sed -n 's,^// link: ,,p' $<)

$(BUILD)/tests/%: tests/field/%.c
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) -std=gnu11 -O2 -g $(WARN) -D_GNU_SOURCE $< -o $@ -pthread \
		$$(sed -n 's,^// link: ,,p' $<)

$(BUILD)/tests/%: tools/bench/%.c
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) -std=gnu11 -O2 -g $(WARN) -D_GNU_SOURCE $< -o $@ -pthread

$(BUILD)/tests/%: tests/vm/%.c
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) -std=gnu11 -O2 -g $(WARN) -D_GNU_SOURCE $< -o $@ -pthread

# Helpers with programs of their own: what any tracer costs, what no program hears of, and, for guests
# only, a walk over all TCP sockets.
BPF_HELPERS := floor untold walktcp
HELPERS     += $(BPF_HELPERS:%=$(BUILD)/tests/%)
vpath %.c tools/bench/floor tests/corpus/untold tests/vm

$(BUILD)/bpf/untold.bpf.o $(BUILD)/tests/untold: tests/corpus/untold/untold.h

$(BPF_HELPERS:%=$(BUILD)/tests/%): $(BUILD)/tests/%: %.c $(BUILD)/%.skel.h
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) -std=gnu11 -O2 -g $(WARN) -D_GNU_SOURCE -I$(BUILD) $(CPPFLAGS) $< \
		-o $@ $(LDFLAGS) -pthread -lbpf -lelf -lz

$(BUILD)/tests/traffic: $(wildcard tests/system/traffic*.c tests/system/traffic*.h)
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) -std=gnu11 -O2 -g $(WARN) -D_GNU_SOURCE $(CPPFLAGS) $(filter %.c,$^) \
		-o $@ $(LDFLAGS) -lbpf -lelf -lz

$(BUILD)/tests/kafka_mock: tests/system/kafka_mock.c
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) -std=gnu11 -O2 -g $(WARN) -D_GNU_SOURCE $< -o $@ -lrdkafka

$(BUILD)/tests/%: tests/system/%.c
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) -std=gnu11 -O2 -g $(WARN) -D_GNU_SOURCE $< -o $@

# The view fed from a fixed recording, for the golden screens.
SCENE_OBJS := $(patsubst %,$(BUILD)/user/%.o,$(VIEW) tui tui_term)
WORKLOADS  += $(BUILD)/tests/view_scene

$(BUILD)/tests/view_scene: tests/view/scene.c $(SCENE_OBJS)
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) $(ALLCFLAGS) $^ -o $@ -lncursesw -ltinfo

# The ledger's vectors in the kernel.
$(BUILD)/tests/kernel/%: tests/kernel/test_%.c $(BUILD)/twin.skel.h $(BPFHDRS) $(wildcard tests/unit/*.h)
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) -std=gnu11 -O1 -g $(WARN) -D_GNU_SOURCE -Iuser -Itests/unit -Ibpf \
		-I$(BUILD) $(CPPFLAGS) $< -o $@ $(LDFLAGS) -lcmocka -lbpf -lelf -lz

KERNEL_BINS := $(patsubst tests/kernel/test_%.c,$(BUILD)/tests/kernel/%,$(wildcard tests/kernel/test_*.c))

check: ## set up this host, build, run every test
	$(Q)tools/install-deps.sh
	$(Q)$(MAKE) --no-print-directory all tests
	$(Q)tools/check.sh $(BUILD)

tests: $(UNIT_BINS) $(KERNEL_BINS) $(WORKLOADS) $(HELPERS) ## build the tests

# What a VM's guest runs: no clients of other libraries, which a cross-build would need as well.
GUEST_TESTS := $(addprefix $(BUILD)/tests/,exchanges echo_server unread37 pingpong)

guest-tests: $(KERNEL_BINS) $(GUEST_TESTS)

check-unit: $(UNIT_BINS) ## pure core, under ASan and UBSan; no root
	$(Q)tools/check.sh $(BUILD) unit

check-kernel: $(KERNEL_BINS) ## the ledger's vectors in the kernel; root
	$(Q)tools/check.sh $(BUILD) kernel

check-system: all $(WORKLOADS) $(HELPERS) ## real clients and servers on loopback; root
	$(Q)tools/check.sh $(BUILD) system

check-style: ## formatting and the tree's own rules
	$(Q)tools/check.sh $(BUILD) style

check-corpus: ## set up this host, build, the scoreboard: real clients with known truth; root
	$(Q)tools/install-deps.sh corpus
	$(Q)$(MAKE) --no-print-directory all tests
	$(Q)/usr/bin/python3 tests/corpus/scoreboard.py --mispair $(BUILD)/mispair \
		--binaries $(BUILD)/tests $(CORPUS_ARGS)

check-field: all $(WORKLOADS) ## stock relays and farewells, which nobody may accuse; root
	$(Q)tools/check.sh $(BUILD) field

check-vm: ## every kernel of the matrix in QEMU, amd64 and arm64; root
	$(Q)tools/install-deps.sh vm
	$(Q)$(MAKE) --no-print-directory all guest-tests
	$(Q)tools/check.sh $(BUILD) vm-all

check-long: ## hours of processes, relays and connections; root (PARTS="innocents soak walk", FRESH=1)
	$(Q)tools/install-deps.sh long
	$(Q)$(MAKE) --no-print-directory all tests
	$(Q)/usr/bin/python3 tests/long/run.py --mispair $(BUILD)/mispair --binaries $(BUILD)/tests \
		--state $(BUILD)/check-long --soak-minutes $(or $(SOAK_MINUTES),60) \
		--walk-minutes $(or $(WALK_MINUTES),60) $(if $(FRESH),--fresh) $(PARTS)

bench-vm: all guest-tests ## cost in guest instructions, against tools/vm/baseline.json
	$(Q)/usr/bin/python3 tools/vm/bench.py --binary $(BUILD)/mispair --tests $(BUILD)/tests

demo: ## set up this host, build, show a finding
	$(Q)tools/install-deps.sh demo
	$(Q)$(MAKE) --no-print-directory all
	$(Q)tools/demo.sh $(BUILD)/mispair

deps: ## install what building and testing needs
	$(Q)tools/install-deps.sh

bench: all $(WORKLOADS) $(HELPERS) ## cost, traced over untraced; of all sinks; of the view
	$(Q)/usr/bin/python3 tools/bench/bench.py --mispair $(BUILD)/mispair
	$(Q)/usr/bin/python3 tools/bench/bench_extra.py sinks --mispair $(BUILD)/mispair \
		--binaries $(BUILD)/tests
	$(Q)/usr/bin/python3 tools/bench/bench_extra.py view --mispair $(BUILD)/mispair \
		--binaries $(BUILD)/tests

fuzz: ## libFuzzer on what reads hostile input (FUZZ_SECONDS=60 each)
	$(Q)tools/fuzz.sh $(BUILD)

recordings: all $(WORKLOADS) ## make tests/recordings anew: the kernel records have changed; root
	$(Q)/usr/bin/python3 tests/recordings/make.py

format: ## clang-format the tree
	$(Q)clang-format -i $(wildcard user/*.[ch] bpf/*.[ch] tests/*/*.[ch] tools/bench/*.c tools/bench/*/*.c)

install: all ## copy the binary and its manual page below PREFIX
	install -D -m 0755 $(BUILD)/mispair $(DESTDIR)$(PREFIX)/sbin/mispair
	install -D -m 0644 user/mispair.8 $(DESTDIR)$(PREFIX)/share/man/man8/mispair.8

clean: ## remove build/
	$(Q)rm -rf $(BUILD)

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | \
		awk -F ':.*## ' '{ printf "  %-14s %s\n", $$1, $$2 }'

-include $(wildcard $(BUILD)/user/*.d)

.PHONY: all check tests check-unit check-kernel check-system check-style check-corpus check-field check-vm \
	check-long bench-vm guest-tests demo deps bench fuzz recordings format install clean help
.DELETE_ON_ERROR:
.SECONDARY:
