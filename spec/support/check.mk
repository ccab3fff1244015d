# The slower checks. Each is a target of its own and records its counts through spec/support/suite;
# `make check` runs them all and adds up.

STRICT   := -Werror -Wshadow -Wconversion -Wno-sign-conversion -Wstrict-prototypes \
            -Wmissing-prototypes -Wpointer-arith -Wwrite-strings -Wvla -Wundef
ASAN     := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
MEMCHECK := valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite \
            --suppressions=spec/support/valgrind.supp
NOT_SLOW := --exclude-tags=slow
FUZZ_SECONDS ?= 5

# The specs for sanitizers, valgrind and the stressed collector, which are slow: those that run the library, without the specs
# of the tools and those that start programs.
OURS := $(filter-out spec/sandbox% spec/demo% spec/pages% spec/setup% spec/clone% spec/words%,$(wildcard spec/*_spec.lua)) spec/core spec/regress \
        spec/store/check_spec.lua spec/store/file_spec.lua spec/store/misuse_spec.lua spec/exchange \
        $(filter-out $(MODEL) $(FAULTS) $(SIMULATION) %/record_spec.lua %/timing_spec.lua %/processes_spec.lua,$(wildcard spec/keeper/*_spec.lua))

REGRESS := $(filter-out $(STEPS),$(wildcard spec/regress/*_spec.lua))

.PHONY: slow
slow: $(CORES)  ## the specs that take long, on one VM: kills, signals, every block of the documentation
	@$(call lua_env,lua5.4) $(SUITE) tests slow lua5.4 $(BUSTED) --pattern='_spec%.lua$$' --tags=slow $(SPECS) $(TOOLS) $(STEPS)

.PHONY: model
model: $(B)/luajit/grid/core.so  ## every interleaving of the keeper's protocol, and broken rules that must be found
	@$(call lua_env,luajit) $(SUITE) tests model luajit $(BUSTED) $(MODEL)

.PHONY: tools steps
tools: $(CORES)  ## the specs of the sandbox and of the scripts, on one VM
	@$(call lua_env,luajit) $(SUITE) tests tools $(SHARDS) 3 'luajit $(BUSTED) $(NOT_SLOW)' $(TOOLS)

steps: $(CORES)  ## the specs that start a process for each step, on one VM
	@$(call lua_env,lua5.4) $(SUITE) tests steps $(SHARDS) 3 'lua5.4 $(BUSTED) $(NOT_SLOW)' $(STEPS)

.PHONY: faults
faults: all  ## the keeper under faults, and the search for its secrets: a small run with many processes
	@$(call lua_env,luajit) $(SUITE) tests faults $(SHARDS) 3 'luajit $(BUSTED)' $(FAULTS)

.PHONY: keeper-faults
keeper-faults: all  ## the table of doc/keeper.md: what becomes of a session at each fault
	@$(call lua_env,$(VM)) $(VM) spec/keeper/faults/print.lua

.PHONY: keeper-soak
keeper-soak: all  ## 100,000 refreshes by many processes under faults, and what the keeper promises of them: minutes; SEED=number
	@$(call lua_env,$(VM)) $(VM) spec/keeper/soak/run.lua $(SEED)

.PHONY: keeper-simulation
keeper-simulation: all  ## random runs of keepers under faults, on a virtual clock, with many seeds: minutes; SEEDS=first-last
	@$(call lua_env,$(VM)) SEEDS=$(or $(SEEDS),1-1000) $(SUITE) tests keeper-simulation $(VM) $(BUSTED) $(SIMULATION)

.PHONY: keeper-nginx
keeper-nginx: all  ## 100,000 refreshes in an nginx that reloads, whose workers are killed, and 10,000 callers that go away: many minutes
	@$(call lua_env,luajit) luajit spec/nginx/run_keeper_soak.lua

.PHONY: keeper-redis
keeper-redis: all  ## keepers of many processes over a Redis that fails, and what is lost: minutes; REDIS=/path/valkey-server
	@$(call lua_env,$(VM)) $(VM) spec/keeper/redis/run.lua

.PHONY: keeper-scale
keeper-scale: all  ## what 100,000 sessions in one Redis need, and a million would: minutes; SESSIONS=number
	@$(call lua_env,$(VM)) SESSIONS=$(SESSIONS) $(VM) spec/keeper/redis/scale.lua

ALLOC_TESTS := $(patsubst spec/c/%.c,$(B)/c/%,$(wildcard spec/c/alloc_*.c))
FUZZERS     := $(patsubst spec/fuzz/%_fuzz.c,%,$(wildcard spec/fuzz/*_fuzz.c))
C_TIDIED    := $(SOURCES) $(BINDING) $(LOADER) $(if $(BOTH),$(wildcard spec/*/*.c))

# One VM runs under the sanitizers, the other one under valgrind and the stressed collector; they change places
# with each commit. VM=luajit sanitizes that one. BOTH=1 runs both VMs under both.
COMMITS   = $(shell git rev-list --count HEAD 2>/dev/null)
CHOSEN    = $(or $(if $(filter-out file,$(origin VM)),$(VM)),$(if $(filter %1 %3 %5 %7 %9,$(COMMITS)),luajit,lua5.4))
SANITIZED = $(if $(BOTH),lua5.4 luajit,$(CHOSEN))
STRESSED  = $(if $(BOTH),lua5.4 luajit,$(filter-out $(CHOSEN),lua5.4 luajit))

SUITES = model faults tools steps slow c lua5.4 luajit nginx inside-nginx portable-c portable-lua5.4 gcc clang tidy luacheck columns words layers \
          asan-c $(SANITIZED:%=asan-%) $(if $(ALLOC_TESTS),asan-alloc) \
          valgrind-c $(STRESSED:%=valgrind-%) valgrind-nginx $(STRESSED:%=gc-%) \
          $(FUZZERS:%=fuzz-%) crypto-interop rock bench

.PHONY: check check-all
# The tests wait more than they compute, so the build with sanitizers runs meanwhile. The checks start in
# this order, the long ones first; -o: asan-build is done, and without that make would start a target that
# depends on it last.
check:  ## all that CI runs: the tests, then the checks
	spec/support/setup check
	@$(MAKE) -s asan-build & $(MAKE) test; wait
	@echo; echo 'Now the checks, three at a time; each shows its output when it ends.'
	@$(MAKE) -k -j3 -Otarget -o asan-build valgrind gc sanitize faults model rock-test slow tools steps portable lint fuzz crypto-interop layers || true
	@$(MAKE) bench-quick || true
	@$(SUITE) sum $(SUITES)

check-all:  ## the same, each check that takes one VM on both, and clang-tidy with its analyzer, on the tests, too
	@$(MAKE) BOTH=1 check

# The specs that wait for connections; the other parts of the core are the same in both builds.
WAITS := $(HOSTILE) spec/core spec/regress spec/keeper/loops_spec.lua $(addprefix spec/,$(addsuffix _spec.lua,\
         descriptors errors_connection fork headers host hosts http refresh_function refresh_session refresh_sessions retries retries_waits tls))

.PHONY: portable
portable:  ## the tests on the build without epoll
	@$(MAKE) -k PORTABLE=1 VARIANT=portable- SPEC='$(WAITS)' test-c spec-lua5.4

# ---- Reading the sources ----------------------------------------------------------------------

.PHONY: lint lint-gcc lint-clang lint-tidy lint-lua lint-columns lint-words layers
lint: lint-gcc lint-clang lint-tidy lint-lua lint-columns lint-words  ## warnings as errors, clang-tidy, luacheck, long lines, words

lint-gcc:
	@$(SUITE) check gcc $(MAKE) -k -j2 B=$(BUILD)/lint-gcc CC=gcc CFLAGS=-O2 EXTRA='$(STRICT)' all every-program

# Unlike those of gcc, the warnings of clang do not depend on the optimizer.
CLANG = clang -fsyntax-only -Werror $(STRICT) $(filter-out -MMD -MP,$(FLAGS))

lint-clang:
	@$(SUITE) check clang sh -ec '$(foreach vm,$(VMS),$(CLANG) $(FLAGS_$(vm)) $(BINDING) $(LOADER) spec/support/vm.c;) \
	  $(CLANG) $(FLAGS_lua5.4) $(SOURCES) $(wildcard spec/c/*.c)'

lint-tidy:
	@$(SUITE) check tidy $(MAKE) -k -j2 -Otarget $(C_TIDIED:%=$(B)/tidy/%)

# Checks the files that have changed since their last success. The analyzer, which takes most of the time,
# runs in `make check-all` only.
$(B)/tidy/%: % .clang-tidy spec/.clang-tidy $(wildcard src/*/*.h spec/c/*.h)
	@mkdir -p $(@D)
	clang-tidy --quiet $(if $(BOTH),,--checks=-clang-analyzer-*) $< -- $(filter-out -MMD -MP,$(FLAGS)) $(FLAGS_lua5.4)
	@touch $@

lint-lua:
	@$(SUITE) check luacheck luacheck --quiet lua luarocks spec $(COMMAND)

# The limit of .clang-format; luacheck checks Lua.
lint-columns:
	@LC_ALL=C.UTF-8 $(SUITE) check columns sh -c '! grep -nE "^.{133,}" $$(find src spec -name "*.[ch]")'

# The words and the width of comments and texts.
lint-words:
	@$(SUITE) check words spec/support/words

layers: all  ## the walls between the rooms, and what core.so exports
	@$(SUITE) check layers spec/support/layers $(CORES) $(CORES:%/core.so=%/libgridcore.so)

# ---- Programs that embed Lua ------------------------------------------------------------------
# Drivers and fuzzers may use the whole of grid.core inside Lua 5.4: they are linked with it.

EMBED = $(BINDING:src/lua/%.c=$(B)/lua5.4/obj/%.o) $(B)/libgrid.a
LIBS_lua5.4 := $(call pkg,--libs,lua5.4,-llua5.4)
LIBS_luajit := $(call pkg,--libs,luajit,-lluajit-5.1)

$(B)/c/alloc_%: spec/c/alloc_%.c $$(EMBED)
	@mkdir -p $(@D)
	$(CC) $(FLAGS) $(FLAGS_lua5.4) $(CFLAGS) $(EXTRA) -o $@ $(filter-out %.h,$^) $(LDFLAGS) $(LIBS) $(LIBS_lua5.4)

$(B)/fuzz/%: spec/fuzz/%_fuzz.c $$(EMBED)
	@mkdir -p $(@D)
	$(CC) $(FLAGS) $(FLAGS_lua5.4) $(CFLAGS) $(EXTRA) -fsanitize=fuzzer -o $@ $(filter-out %.h,$^) $(LIBS) $(LIBS_lua5.4)

$(B)/vm/lua5.4 $(B)/vm/luajit: $(B)/vm/%: spec/support/vm.c
	@mkdir -p $(@D)
	$(CC) $(FLAGS) $(FLAGS_$*) $(CFLAGS) $(EXTRA) -o $@ $< -rdynamic $(LIBS_$*)

.PHONY: every-program test-alloc
every-program: $(C_TESTS) $(ALLOC_TESTS) $(VMS:%=$(B)/vm/%)

test-alloc: $(ALLOC_TESTS)
	@$(SUITE) tests $(VARIANT)alloc spec/support/each $(ALLOC_TESTS)

# ---- Sanitizers, valgrind, the stressed collector ---------------------------------------------

.PHONY: sanitize asan-build sanitize-core sanitize-lua5.4 sanitize-luajit
.PHONY: valgrind valgrind-specs valgrind-nginx gc gc-lua5.4 gc-luajit
sanitize: sanitize-core $$(addprefix sanitize-,$$(SANITIZED))  ## the tests, and every failing allocation, under ASan and UBSan

ASAN_BUILD  = B=$(BUILD)/asan CC=gcc CFLAGS=-g EXTRA='$(ASAN)'
UNDER_ASAN  = ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1 \
              LSAN_OPTIONS=suppressions=spec/support/leaks.supp:print_suppressions=0 \
              $(MAKE) -k $(ASAN_BUILD) VARIANT=asan- VM_DIR=$(BUILD)/asan/vm/ ARGS=$(NOT_SLOW)

asan-build:
	@$(MAKE) -j2 $(ASAN_BUILD) all every-program

sanitize-core: asan-build
	@$(UNDER_ASAN) test-c $(if $(ALLOC_TESTS),test-alloc)

sanitize-lua5.4 sanitize-luajit: sanitize-%: asan-build
	@$(UNDER_ASAN) SPEC='$(OURS)' spec-$*

valgrind: valgrind-specs valgrind-nginx  ## the C tests, the specs of the core, an nginx worker, under memcheck

valgrind-specs:
	@$(MAKE) all every-program
	@$(MAKE) -k UNDER='$(MEMCHECK)' VARIANT=valgrind- VM_DIR=$(B)/vm/ \
	  ARGS=$(NOT_SLOW) SPEC=spec/core test-c $(STRESSED:%=spec-%)

valgrind-nginx: $(B)/luajit/grid/core.so
	@$(call lua_env,luajit) $(SUITE) tests valgrind-nginx luajit $(BUSTED) spec/nginx/memcheck.lua

gc: $$(addprefix gc-,$$(STRESSED))  ## the specs while the collector steps all the time

# Each file in a process of its own: a collection traverses all that busted stores of the files before.
# Left out are the searches for secrets, which traverse every table and would take a third of the time,
# the hostile servers, which run under the sanitizers, and regress/005, whose programs set the collector.
gc-lua5.4 gc-luajit: gc-%: $(B)/$$*/grid/core.so
	@$(call lua_env,$*) UNDER="$* $(BUSTED) --pattern=_spec%.lua$$ $(NOT_SLOW) --helper=spec/support/stress_gc.lua" \
	  $(SUITE) tests gc-$* spec/support/each $(filter-out spec/secrets% spec/redaction% $(HOSTILE),$(OURS:spec/regress=$(REGRESS)))

# ---- Fuzzers ----------------------------------------------------------------------------------
# Found inputs stay in $(BUILD)/fuzz/corpus; those to keep are copied to spec/fuzz/corpus/NAME by hand.

FUZZ_BUILD = B=$(BUILD)/fuzz CC=clang CFLAGS='-O1 -g' \
  EXTRA='-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all'

.PHONY: fuzz $(FUZZERS:%=fuzz-%)
fuzz:  ## every fuzzer for FUZZ_SECONDS (5)
	@$(MAKE) -j2 $(FUZZ_BUILD) $(FUZZERS:%=$(BUILD)/fuzz/fuzz/%)
	@$(MAKE) -k -j2 -Otarget $(FUZZERS:%=fuzz-%)

$(FUZZERS:%=fuzz-%): fuzz-%:
	@mkdir -p $(BUILD)/fuzz/corpus/$* && cp -r spec/fuzz/corpus/$*/. $(BUILD)/fuzz/corpus/$*/ 2>/dev/null || true
	@$(SUITE) check fuzz-$* $(BUILD)/fuzz/fuzz/$* -max_total_time=$(FUZZ_SECONDS) -timeout=10 \
	  -rss_limit_mb=2048 -print_final_stats=1 -verbosity=0 -artifact_prefix=$(BUILD)/fuzz/$*- \
	  $(patsubst %,-dict=%,$(wildcard spec/fuzz/$*.dict)) $(BUILD)/fuzz/corpus/$*

# ---- Interoperability -------------------------------------------------------------------------

.PHONY: crypto-interop
crypto-interop: $(B)/libgrid.a  ## keys, HPKE and signatures against node, WebCrypto and npm's @hpke/core
	@$(SUITE) tests crypto-interop spec/crypto_interop/run

.PHONY: oidc
oidc: $(B)/$(VM)/grid/core.so  ## the OAuth 2.0 exchange against an authorization server, npm's oidc-provider
	@$(call lua_env,$(VM)) VM=$(VM) $(SUITE) tests oidc spec/oidc/run

# ---- The rock ---------------------------------------------------------------------------------

.PHONY: rock-test
rock-test:  ## installs with luarocks for both VMs, and runs what it installed from another folder
	@$(SUITE) tests rock spec/support/rock-test

# ---- Other releases of Debian ------------------------------------------------------------------

RELEASES ?= trixie testing
.PHONY: platforms
platforms:  ## as root: `make demo` and `make test` on Debian 13 and testing, in folders below PLATFORMS_DIR
	spec/support/setup platforms
	@spec/support/platforms $(RELEASES)

# ---- The benchmarks ---------------------------------------------------------------------------

.PHONY: bench-quick
bench-quick: all $(BENCH_PROGRAMS)  ## a few calls of each benchmark, so that they stay fit to run
	@$(SUITE) check bench env BUILD=$(B) spec/bench/run --quick plain crypto refresh_all keeper redis peers

.PHONY: gateway-browser
gateway-browser: $(B)/luajit/grid/core.so  ## the example gateway for OpenID Connect in Chromium, with npm's oidc-provider
	@$(call lua_env,luajit) $(SUITE) tests gateway-browser spec/browser/run
