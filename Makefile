# Two commands are enough on a fresh machine: `make demo` and `make test`.
# Needed: Rust (https://rustup.rs), Python 3.11 or newer, a C compiler.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Cargo and maturin must agree on the interpreter, or each build undoes the other's PyO3.
CARGO := PYO3_PYTHON="$$($(BIN)/python -c 'import sys; print(sys._base_executable)')" cargo
# A file of tests stays with one worker: its tests share oracles that take long to build.
WORKERS ?= --numprocesses 2 --dist loadfile

.PHONY: help dev build test test-fast test-engines test-full lint format check bench instructions bench-tokens count-tokens demo picture sbom sdist clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  %-12s %s\n", $$1, $$2 }'

$(VENV)/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "error: turnmill needs Python 3.11 or newer, $(PYTHON) is older" >&2; \
		     echo "hint: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 2; }
	@command -v cargo >/dev/null \
		|| { echo "error: turnmill needs Rust, cargo is not on the path" >&2; \
		     echo "hint: https://rustup.rs" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

# What the package itself needs, and maturin to build it.
$(VENV)/.base: pyproject.toml | $(VENV)/pyvenv.cfg
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		$$($(BIN)/python scripts/requirements.py build-system dependencies)
	@touch $@

# The pinned test extra: oracles, linters, type checker.
$(VENV)/.test: pyproject.toml | $(VENV)/.base
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		$$($(BIN)/python scripts/requirements.py test)
	@touch $@

build: $(VENV)/.base ## Build the extension (dev profile) into .venv
	PIP_QUIET=1 VIRTUAL_ENV="$(abspath $(VENV))" $(BIN)/maturin develop --quiet

dev: build $(VENV)/.test ## Everything to work on the code: build, test extra

test: dev ## The tests: Rust, then Python on samples of the data (a few minutes)
	$(CARGO) test --workspace --quiet
	$(BIN)/python -m pytest -q -m "not full" $(WORKERS)

test-fast: dev ## The quick part of the Python tests: our own material, nothing slow
	TURNMILL_FIXTURES=none $(BIN)/python -m pytest -q -rfE -m "not full and not slow" $(WORKERS)

$(VENV)/.engines: pyproject.toml | $(VENV)/.test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		$$($(BIN)/python scripts/requirements.py engines)
	@touch $@

test-engines: build $(VENV)/.test $(VENV)/.engines ## Ray, Spark (needs Java) and a store that speaks S3, on this machine
	$(BIN)/python -m pytest -q tests/engines

test-full: dev $(VENV)/.engines ## All tests, every row of every data set, the engines (more than an hour)
	$(CARGO) test --workspace --quiet
	$(BIN)/python -m pytest -q --timeout 7200 $(WORKERS)

lint: dev ## Formats, lints, types, stubs; changes nothing
	cargo fmt --check
	$(CARGO) clippy --workspace --all-targets --quiet -- -D warnings
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest turnmill._core

format: $(VENV)/.test ## Format the code and apply safe fixes
	cargo fmt
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

check: lint test ## What has to pass before a change lands

bench: $(VENV)/.test ## turnmill against transformers + datasets on this machine; see benches/README.md
	$(BIN)/python -m pip install --quiet --disable-pip-version-check .
	$(BIN)/python benches/compare.py

instructions: | $(VENV)/pyvenv.cfg ## Count the instructions of each stage under callgrind; see benches/instructions.py
	$(CARGO) build --release --quiet -p turnmill-bench --bin stages
	$(BIN)/python benches/instructions.py target/release/stages

bench-tokens: $(VENV)/.test ## Tokenization alone against its peers (hours); see benches/README.md
	$(BIN)/python -m pip install --quiet --disable-pip-version-check .
	$(BIN)/python benches/tokenization.py

count-tokens: $(VENV)/.test ## Instructions that encoding a byte takes, for comparisons; needs valgrind
	$(BIN)/python benches/tokenization_instructions.py

demo: build ## Set everything up and run the main job on the data that the package carries
	$(BIN)/turnmill demo

picture: build ## Draw the pictures in README: what commands print, and the chart of its table
	PATH="$(abspath $(BIN)):$$PATH" PYTHONWARNINGS=ignore $(BIN)/python scripts/picture.py docs/demo.svg --with python/turnmill/demo \
		"turnmill check demo/cache/unterminated.jsonl --tokenizer demo/tokenizer --evidence 1" \
		"turnmill prepare demo/data/messages.jsonl -o out --tokenizer demo/tokenizer --quiet" \
		"turnmill show out --sample 0" "turnmill show out --source demo/data/messages.jsonl:12"
	$(BIN)/python scripts/chart.py README.md docs/speed.svg

sbom: $(VENV)/.test ## List what an installed turnmill is made of (CycloneDX) in dist/
	@mkdir -p dist
	$(BIN)/python scripts/sbom.py > dist/turnmill.cdx.json

sdist: $(VENV)/.base ## Build the source distribution into dist/
	$(BIN)/maturin sdist --out dist

clean: ## Remove what the targets above made
	rm -rf $(VENV) dist target .mypy_cache .ruff_cache .pytest_cache .hypothesis
	rm -f python/turnmill/*.so
