# lua-grid: `make help` lists what there is to make.
#
# This file is the one list of sources (the rockspec calls it too). Rooms without Lua are compiled
# once into libgrid.a; src/lua is compiled and linked once for each VM. The slower checks, and what
# `make check` runs, are in spec/support/check.mk.

# ---- Sources, folders and flags ---------------------------------------------------------------

ROOMS   := base text http crypto
SOURCES := $(wildcard $(ROOMS:%=src/%/*.c))
LOADER  := src/lua/loader.c
BINDING := $(filter-out $(LOADER),$(wildcard src/lua/*.c))
MODULES := $(shell find lua/grid -name '*.lua' 2>/dev/null)
COMMAND := lua/bin/grid
DOCUMENTS := README.md CHANGELOG.md CONTRIBUTING.md LICENSE $(wildcard doc/*.md spec/examples/*.md spec/examples/*/*)

# CURL_PREFIX=/path builds and runs with the libcurl that was installed there, in a build folder of its own.
BUILD  := build$(if $(CURL_PREFIX),/curl$(subst /,-,$(CURL_PREFIX:%/=%)))
B      := $(BUILD)$(if $(PORTABLE),/portable)$(if $(LUA_INCDIR),/rock)
CC     ?= cc
CFLAGS ?= -O2 -g

MAKEFLAGS += --no-print-directory
export RESULTS := $(BUILD)/results

quoted = '$(subst ','\'',$1)'
pkg = $(or $(shell pkg-config $1 $2 2>/dev/null),$3)
has = $(wildcard $(patsubst -I%,%/$2,$(filter -I%,$1)))

ifdef CURL_PREFIX
CURL_LIB     := $(patsubst %/libcurl.so,%,$(or $(firstword $(wildcard $(CURL_PREFIX)/lib*/libcurl.so)),\
                  $(error CURL_PREFIX: no lib/libcurl.so in $(CURL_PREFIX))))
FLAGS_curl   := -I$(CURL_PREFIX)/include
LIBS_curl    := -L$(CURL_LIB) -Wl,-rpath,$(CURL_LIB) -lcurl
else
FLAGS_curl   := $(call pkg,--cflags,libcurl,)
LIBS_curl    := $(call pkg,--libs,libcurl,-lcurl)
endif
# For each symbol the dynamic linker searches the libraries in this order. libcrypto binds most symbols, its own. libm is not
# linked where the C library has the functions.
LIBS         := $(call pkg,--libs,libcrypto,-lcrypto) $(call pkg,--libs,libssl,-lssl) $(LIBS_curl) -Wl,--as-needed -lc -lm
FLAGS        := -std=gnu11 -fPIC -fno-plt -fvisibility=hidden -Wall -Wextra -MMD -MP -Isrc \
                $(FLAGS_curl) $(call pkg,--cflags,libcrypto,) \
                -DOPENSSL_NO_DEPRECATED -DOPENSSL_API_COMPAT=30000 $(if $(PORTABLE),-DGRID_NO_EPOLL)
FLAGS_lua5.4 := $(call pkg,--cflags,lua5.4,-I/usr/include/lua5.4)
FLAGS_luajit := $(call pkg,--cflags,luajit,-I/usr/include/luajit-2.1)
VMS          := $(strip $(foreach vm,lua5.4 luajit,$(if $(call has,$(FLAGS_$(vm)),lua.h),$(vm))))

SUPPORTED    := Lua 5.4 and LuaJIT 2.1
ifneq ($(filter-out lua5.4 luajit,$(VM)),)
$(error VM must be lua5.4 or luajit, not "$(VM)": lua-grid runs on $(SUPPORTED))
endif

# LuaRocks names the headers of the Lua it runs on. Its 5.1 is LuaJIT here, but Debian's LuaRocks knows
# only the headers of PUC 5.1, so that LuaJIT's own have to be found.
ifdef LUA_INCDIR
NUMBER := $(shell sed -n 's/^.define LUA_VERSION_NUM[^0-9]*//p' $(call quoted,$(LUA_INCDIR)/lua.h))
VMS    := $(or $(if $(filter 501,$(NUMBER)),luajit),$(if $(filter 504,$(NUMBER)),lua5.4),\
            $(error lua-grid runs on $(SUPPORTED), not on the Lua of $(LUA_INCDIR)))
FLAGS_lua5.4 := -I$(call quoted,$(LUA_INCDIR))
ifeq ($(shell test -e $(call quoted,$(LUA_INCDIR)/luajit.h) && echo there),there)
FLAGS_luajit := $(FLAGS_lua5.4)
endif
ifeq ($(VMS) $(or $(call has,$(FLAGS_luajit),luajit.h),$(filter $(FLAGS_lua5.4),$(FLAGS_luajit))),luajit )
$(error lua-grid runs on $(SUPPORTED), not on PUC Lua 5.1: for LuaJIT install its headers, Debian has them in libluajit-5.1-dev)
endif
endif

# ---- Build ------------------------------------------------------------------------------------

.PHONY: all
CORES = $(VMS:%=$(B)/%/grid/core.so)

all: $(if $(VMS),$(CORES),no-vm)  ## the C module, for each VM whose headers are here

.PHONY: no-vm
no-vm:
	@echo 'No headers of $(or $(VM),Lua 5.4 or LuaJIT) here: run spec/support/setup test' >&2; exit 1

.DELETE_ON_ERROR:
.SECONDARY:
.SECONDEXPANSION:

$(B)/obj/%.o: src/%.c
	@mkdir -p $(@D)
	$(CC) $(FLAGS) $(CFLAGS) $(EXTRA) -c -o $@ $<

$(B)/libgrid.a: $(SOURCES:src/%.c=$(B)/obj/%.o)
	@mkdir -p $(@D)
	rm -f $@ && ar rcs $@ $^

# nodelete: the exit handlers of OpenSSL and libcurl must still be mapped after Lua has closed the module.
define vm_rules
$(B)/$1/obj/%.o: src/lua/%.c
	@mkdir -p $$(@D)
	$$(CC) $$(FLAGS) $$(FLAGS_$1) $$(CFLAGS) $$(EXTRA) -c -o $$@ $$<

$(B)/$1/grid/libgridcore.so: $(BINDING:src/lua/%.c=$(B)/$1/obj/%.o) $(B)/libgrid.a
	@mkdir -p $$(@D)
	$$(CC) -shared -Wl,-z,nodelete,-z,lazy $$(CFLAGS) $$(EXTRA) -o $$@ $$^ $$(LDFLAGS) $$(LIBS)

# Lua opens core.so, which opens libgridcore.so: see src/lua/loader.c.
$(B)/$1/grid/core.so: $(LOADER:src/lua/%.c=$(B)/$1/obj/%.o) $(B)/$1/grid/libgridcore.so
	$$(CC) -shared $$(CFLAGS) $$(EXTRA) -o $$@ $$< $$(LDFLAGS)
endef
$(foreach vm,lua5.4 luajit,$(eval $(call vm_rules,$(vm))))

$(B)/%.d: ;
-include $(shell find $(B) -name '*.d' 2>/dev/null)

# ---- Install ----------------------------------------------------------------------------------
# `make install PREFIX=… VM=luajit` by hand; LuaRocks gives the folders instead. The command is
# installed as grid-lua5.4 or grid-luajit, and as `grid`, which runs either: LuaRocks copies that one
# from ANYDIR, see the rockspec. The interpreter is named by its path where it is known. What root has
# built belongs to the owner of this folder in the end, who may then build the rest without root.

PREFIX      ?= /usr/local
DESTDIR     ?=
VM          ?= $(firstword $(VMS))
ABI         := $(if $(filter luajit,$(VM)),5.1,5.4)
INST_BINDIR ?= $(PREFIX)/bin
INST_LUADIR ?= $(PREFIX)/share/lua/$(ABI)
INST_LIBDIR ?= $(PREFIX)/lib/lua/$(ABI)
INST_ANYDIR ?= $(INST_BINDIR)
INST_DOCDIR ?= $(PREFIX)/share/doc/lua-grid
INTERPRETER  = $(or $(if $(DESTDIR),,$(filter /%,$(shell command -v $(VM)))),/usr/bin/env $(VM))
to           = $(call quoted,$(DESTDIR)$1)
# In package.path `;` ends a template, and `?` is replaced by the name of the module.
SEARCHED     = $(INST_BINDIR) $(INST_LUADIR) $(INST_LIBDIR)
UNSEARCHABLE = $(or $(findstring ;,$(SEARCHED)),$(findstring ?,$(SEARCHED)))

.PHONY: install
install: $(if $(filter $(VM),$(VMS)),$(B)/$(VM)/grid/core.so,no-vm)  ## copies everything below PREFIX (/usr/local), for VM (lua5.4, luajit)
	$(if $(UNSEARCHABLE),$(error Lua cannot load modules from folders with "$(UNSEARCHABLE)" in their path, install into others: $(SEARCHED)))
	install -d $(call to,$(INST_LIBDIR)/grid) $(call to,$(INST_BINDIR)) $(call to,$(INST_ANYDIR))
	install -m 755 $< $(<D)/libgridcore.so $(call to,$(INST_LIBDIR)/grid)
	for file in $(MODULES:lua/%=%); do \
	  install -D -m 644 lua/$$file $(call to,$(INST_LUADIR))/$$file || exit 1; done
	sed '1s|^#!.*|#!$(INTERPRETER)|' $(COMMAND) > $(call to,$(INST_BINDIR)/grid-$(VM))
	chmod 755 $(call to,$(INST_BINDIR)/grid-$(VM))
	install -m 755 $(COMMAND)-any $(call to,$(INST_ANYDIR)/grid)
	for file in $(DOCUMENTS); do \
	  install -D -m 644 $$file $(call to,$(INST_DOCDIR))/$$file || exit 1; done
	[ "$$(id -u)" -ne 0 ] || chown -R --reference=Makefile $(BUILD)

# ---- Tests ------------------------------------------------------------------------------------

SUITE    := spec/support/suite
SHARDS   := spec/support/shards
INSIDE   := luajit spec/nginx/run_inside.lua
BUSTED   ?= /usr/bin/busted
# Specs that start nginx have suites of their own: they test the code on LuaJIT, on either VM.
# The model runs for a minute, the keeper's faults need many processes or workers, the sandbox and the scripts
# are tools of the tests, and some specs start a process for each step: `make check` runs these, on one VM.
MODEL    := spec/keeper/model_spec.lua
SIMULATION := spec/keeper/simulation_spec.lua
FAULTS   := spec/keeper/faults_spec.lua spec/keeper/redis_spec.lua spec/keeper/soak_spec.lua \
            spec/nginx/keeper_spec.lua spec/nginx/shdict_spec.lua
TOOLS    := $(wildcard spec/sandbox*_spec.lua spec/setup*_spec.lua spec/words_spec.lua)
STEPS    := $(patsubst %,spec/command/%_spec.lua,durable keep keep_run launcher life move_signer refresh_all) \
            spec/regress/005-finalizers_spec.lua spec/store/file_processes_spec.lua
SPECS    := $(filter-out $(MODEL) $(FAULTS) $(TOOLS) $(STEPS),$(shell find spec -name '*_spec.lua' -not -path 'spec/nginx/*'))
# Specs that start many processes, or run the documents, run on one VM: BOTH=1 runs them on both.
# SPEC names specs for each VM.
ONLY_lua5.4 := spec/command/refresh%
ONLY_luajit := spec/readme% spec/pages%
specs_of = $(or $(SPEC),$(filter-out $(if $(BOTH),,$(ONLY_$(filter-out $1,lua5.4 luajit)) $(ELSEWHERE_$1)),$(SPECS)))
# The specs of hostile servers test the core. `make test` runs them under nginx's event loop; `make check`
# also under the sanitizers, and on the portable build.
HOSTILE := $(addprefix spec/,$(addsuffix _spec.lua,at_most_once connections faults http2 http2_endless surplus))
# The build without epoll has no watch.
C_TESTS  := $(filter-out $(if $(PORTABLE),%/watch_test),$(patsubst spec/c/%.c,$(B)/c/%,$(wildcard spec/c/*_test.c)))
# VARIANT names a run of the same tests on another build (B), on other programs (VM_DIR), or UNDER
# another command.
unexport LUA_INIT LUA_PATH_5_4 LUA_CPATH_5_4 LUA_INIT_5_4
export UNDER
lua_env   = LUA_PATH='lua/?.lua;lua/?/init.lua;;' LUA_CPATH='$(B)/$1/?.so;;'

$(B)/c/%: spec/c/%.c $(B)/libgrid.a
	@mkdir -p $(@D)
	$(CC) $(FLAGS) $(CFLAGS) $(EXTRA) -o $@ $(filter-out %.h,$^) $(LDFLAGS) $(LIBS)

.PHONY: test test-c spec spec-lua5.4 spec-luajit spec-nginx nginx inside-nginx
# Specs that run on LuaJIT inside nginx do not run on a bare LuaJIT here: `make spec-luajit` runs them, and
# each `make check`, under the sanitizers or the stressed collector.
test:  ## sets up, builds, and runs everything on both VMs
	spec/support/setup test
	@$(SUITE) clear
	@echo; echo 'Three suites at a time; each shows its output when it ends.'
	@$(MAKE) -k -j3 -Otarget ARGS=$(NOT_SLOW) ELSEWHERE_luajit="$$($(INSIDE) --list | tr '\n' ' ')" \
	  ELSEWHERE_lua5.4='$(HOSTILE)' spec-lua5.4 inside-nginx nginx spec-luajit test-c || true
	@echo; $(call lua_env,luajit) luajit spec/support/versions.lua
	@$(SUITE) sum c lua5.4 luajit nginx inside-nginx

test-c: $(C_TESTS)  ## the units of the core, in C
	@$(SUITE) tests $(VARIANT)c spec/support/each $(C_TESTS)

spec: spec-lua5.4 spec-luajit  ## the Lua specs on both VMs; SPEC=spec/one_spec.lua runs one

# Of both VMs, since specs start programs on the other one, too.
spec-lua5.4 spec-luajit: spec-%: $(CORES)
	@$(call lua_env,$*) $(SUITE) tests $(VARIANT)$* $(SHARDS) 3 \
	  '$(UNDER) $(VM_DIR)$* $(BUSTED) --pattern=_spec%.lua$$ $(ARGS)' $(call specs_of,$*)

spec-nginx: nginx inside-nginx  ## calls in a real nginx, and the Lua specs in a worker; ARGS=--tags=slow

nginx inside-nginx: $(CORES)

# A worker waits for most of its time, so five shards run side by side.
nginx:
	@$(call lua_env,luajit) $(SUITE) tests nginx \
	  $(SHARDS) 5 'luajit $(BUSTED) --pattern=_spec%.lua$$ $(or $(ARGS),$(NOT_SLOW))' $(filter-out $(FAULTS),$(wildcard spec/nginx/*_spec.lua))

inside-nginx:
	@$(call lua_env,luajit) $(SUITE) tests inside-nginx $(SHARDS) 5 '$(INSIDE)' $$($(INSIDE) --list)

# ---- The rest ---------------------------------------------------------------------------------

.PHONY: demo sandbox bench bench-peers bench-nginx clean help
demo: export GRID_SESSION_FILE := $(SESSION)
demo: export GRID_KEY_FILE := $(KEY)
demo:  ## a log-in and a refresh on the sandbox server; SESSION=file refreshes that session at the service
	@spec/support/setup run
	@$(MAKE) -s $(B)/lua5.4/grid/core.so
	@$(call lua_env,lua5.4) lua5.4 spec/demo/demo.lua

sandbox:  ## a Grid server to test your own programs against, until ^C
	@spec/support/setup run
	@spec/sandbox/run

BENCH_PROGRAMS := $(patsubst spec/bench/%.c,$(B)/bench/%,$(wildcard spec/bench/*.c)) $(VMS:%=$(B)/%/bare_replace.so)
bench: all $(BENCH_PROGRAMS)  ## time and memory of calls, crypto, the keeper and its store in Redis, against bare libcurl, OpenSSL, fsync and redis-benchmark
	spec/support/setup test
	@BUILD=$(B) spec/bench/run plain crypto refresh_all keeper redis

bench-peers: all  ## one call after another by lua-grid, the curl command, Lua-cURL, lua-http, luasocket and undici
	spec/support/setup test
	spec/support/node_packages spec/bench/peers build/peers spec/bench/peers/undici.mjs || true
	@BUILD=$(B) spec/bench/run peers

bench-nginx: all  ## speed of calls inside nginx, against a cosocket client
	spec/support/setup test
	@BUILD=$(B) spec/bench/nginx/run

$(B)/%/bare_replace.so: spec/bench/lua/bare_replace.c
	@mkdir -p $(@D)
	$(CC) -shared $(FLAGS) $(FLAGS_$*) $(CFLAGS) -o $@ $<

$(B)/bench/%: spec/bench/%.c
	@mkdir -p $(@D)
	$(CC) $(FLAGS) $(CFLAGS) $(EXTRA) -o $@ $< $(LDFLAGS) $(LIBS)

clean:  ## removes build/
	rm -rf build

help:  ## this list
	@sed -n 's/^\([a-z][a-z0-9. -]*\):.*  ## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

include spec/support/check.mk
