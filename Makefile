# What an eBPF probe costs: `make bench` measures, `make test` tests; both set up
# everything they need first, in .venv.

PYTHON ?= python3
BIN    := .venv/bin
# The commit that `make bench` measures.
COMMIT ?= HEAD
# Where: the running kernel, or a release or series in a guest.  auto: the running one if it
# can be measured, else Debian's newest stable one.
KERNEL ?= auto
# How many mutants are tried.
SAMPLE ?= 100
# Which groups of benchmarks.
GROUPS := getpid

# Git refuses root a clone of another user, unless that one called sudo: root runs its Makefile anyway.
ifeq ($(shell id -u),0)
export SUDO_UID := $(shell stat -c %u .)
endif

SOURCES := pyproject.toml setup.py scripts/setup $(wildcard ebpf_overhead/*/_*.[ch])

.DEFAULT_GOAL := help
.PHONY: help bench bench-all kernels publish docs man test mutants selfbench lint format clean

help: ## Show this help
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.setup/bench: $(SOURCES)
	@PYTHON=$(PYTHON) scripts/setup bench

.setup/test: .setup/bench
	@PYTHON=$(PYTHON) scripts/setup test

bench: .setup/bench ## Measure the suite on the running kernel, show the tables, publish the site
	@BIN=$(BIN) scripts/bench '$(KERNEL)' '$(COMMIT)' '$(GROUPS)'
	@$(MAKE) --no-print-directory publish
	@echo "results: $(CURDIR)/.asv/results"

bench-all: GROUPS := \w+
bench-all: bench ## The same for every group of benchmarks, which takes long

kernels: .setup/bench ## Measure every kernel of the history in guests, one a CPU, publish the site
	@scripts/setup guest
	@$(BIN)/ebpf-overhead kernels measure
	@echo "results: $(CURDIR)/.asv/kernels/results (ebpf-overhead kernels keep puts them under version control)"
	@$(BIN)/ebpf-overhead publish

publish: .setup/bench ## Publish the stored results as a site that opens from disk
	@$(BIN)/ebpf-overhead publish

docs: .setup/bench ## Write docs/commands.md from what --help says, make pages of docs/ in build/docs
	@$(BIN)/python -I -m ebpf_overhead.cli.reference markdown > docs/commands.md
	@$(BIN)/python -I -m sphinx --builder html --fresh-env --nitpicky --fail-on-warning --quiet \
		--doctree-dir build/docs-read docs build/docs
	@echo "documentation: $(CURDIR)/build/docs/index.html"

man: .setup/bench ## Write man pages into build/man; man -l build/man/ebpf-overhead.1 shows one
	@$(BIN)/python -I -m ebpf_overhead.cli.reference man build/man

test: .setup/test lint ## Run linters, unit tests and the tests against the running kernel
	$(BIN)/pytest --numprocesses=auto --maxprocesses=4 --dist=loadscope --no-loadscope-reorder --durations=25

mutants: .setup/test ## Change measure/ and hooks/ in one place at a time: does a unit test notice?
	@$(BIN)/python -I -c 'import cosmic_ray' 2> /dev/null || $(BIN)/python -I -m pip install --quiet --editable '.[mutants]'
	@$(BIN)/python scripts/mutants --sample $(SAMPLE)

selfbench: .setup/bench ## Measure what this project itself costs at a commit, with asv.self.json
	@scripts/setup guest
	@$(BIN)/asv machine --yes > /dev/null
	@$(BIN)/asv run --config asv.self.json --show-stderr '$(COMMIT)^!'

lint: .setup/test ## Run the linters and the type checker
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/clang-format --dry-run --Werror probes/*.c ebpf_overhead/*/_*.[ch] ebpf_overhead/tools/tracers/*.[ch] tests/data/objects/*.[ch]
	$(BIN)/mypy

format: .setup/test ## Format Python and C
	$(BIN)/ruff format .
	$(BIN)/clang-format -i probes/*.c ebpf_overhead/*/_*.[ch] ebpf_overhead/tools/tracers/*.[ch] tests/data/objects/*.[ch]

clean: ## Remove what was built, the virtual environment and asv's environments (results stay)
	rm -rf .venv .setup build *.egg-info ebpf_overhead/*/*.so .asv/env
