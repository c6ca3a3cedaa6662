# The short names of everything; CMakePresets.json holds the builds.
PRESET  ?= release
JOBS    ?= $(shell nproc)
PREFIX  ?= /usr/local
DIR     := $(if $(filter release,$(PRESET)),build,build/$(PRESET))
CONF    = @test -f $(DIR)/build.ninja || cmake --preset $(PRESET) >/dev/null

all: ## build/raudal, release
	@tools/deps --quiet
	$(CONF)
	@cmake --build $(DIR) -j $(JOBS)

deps: ## install what is missing: system packages, DuckDB
	@tools/deps

test: all ## everything that is quick: units, scripts, corpora, laws
	@tools/run-tests $(DIR) -j $(JOBS)

check: all ## the same under the sanitizers, and a kill at each fault point
	@$(MAKE) --no-print-directory test PRESET=asan
	@GENERATE=$(CURDIR)/build/examples/cloud_analytics/generate bash tests/crash/kill_everywhere.sh build/raudal

test-services: all ## Kafka, PostgreSQL and Cassandra, real ones: tools/services starts them
	@tools/run-services-tests $(DIR)

test-crash: all ## dies at each fault point and 15 random instants, restarts, compares
	@tools/deps --test --quiet
	@tests/crash/kill_everywhere.sh build/raudal
	@tests/crash/random_kills.sh build/raudal 1 15

test-interop: all ## other readers on the lake; the real landing, where there is one
	@tools/deps --test --quiet
	@for t in run golden; do tests/interop/$$t.sh build/raudal || [ $$? = 77 ] || exit 1; done

torture: all ## long: races, random kills, long fuzzing
	@tools/torture

fuzz: ## libFuzzer on each target, FUZZ_SECONDS each (600)
	@tools/fuzz

demo: ## from nothing to five answers: deps, build, generate, run, report
	@tools/demo

demo-antennas: all ## two hours of device traffic: generate, run, prove, ask
	@tools/demo-antennas

demo-reports: all ## invoices and chat answers: generate, run, read the files
	@tools/demo-reports

demo-notifications: all ## messages, panels, bills: generate, run, print the three texts
	@tools/demo-notifications

demo-device-locations: all ## two weeks of device positions: generate, run, prove, ask
	@tools/demo-device-locations

bench: all ## ratios against DuckDB and Spark, into docs/benchmarks.md
	@bench/cloud_analytics/run.sh
	@bench/start/run.sh

lint: ## clang-tidy over src, and the laws
	@tools/lint

format: ## clang-format over the lines that changed since HEAD (FORMAT_ALL=1: all files)
	@tools/format

docs: all ## the generated pages
	@tools/docs $(DIR)

install: all ## into PREFIX (and DESTDIR)
	@cmake --install $(DIR) --prefix $(PREFIX)

clean: ## what was built; fetched libraries stay
	@test ! -f build/build.ninja || cmake --build build --target clean
	@rm -rf build/debug build/asan build/tsan build/cov build/fuzz build/demo build/demo-antennas build/demo-reports build/demo-notifications build/demo-device-locations

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-22s %s\n", $$1, $$2}' Makefile

.PHONY: all deps test test-services test-crash test-interop check torture fuzz demo demo-antennas demo-reports demo-notifications demo-device-locations bench lint format docs install clean help
