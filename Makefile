# Four habits: make lint · make test · make demo · make bench.  Needs python3 (3.11 or newer) and make, nothing else.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
PYTEST_ARGS ?= -n auto --maxprocesses 4
BENCH_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help install demo test lint bench screenshots

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

install: $(STAMP)  ## create .venv with the tested versions (a second call is instant)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is older than 3.11: install a newer one and run make PYTHON=python3.11 install"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(STAMP)  ## a small PoC from an experiment file to a verdict and its report (minutes, no GPU)
	$(BIN)/sn-eval poc run tabletop-mini --executor process
	$(BIN)/sn-eval poc report runs/tabletop-mini

lint: $(STAMP)  ## style, import layers, types
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy

test: lint  ## lint, then every test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PYTEST_ARGS)

bench: $(STAMP)  ## speed: overhead, FIFO against the public schedule, length, batching (about 12 minutes)
	$(BIN)/python -m benchmarks.speed $(BENCH_ARGS)

screenshots: $(STAMP)  ## every page of the dashboard in both languages, as pictures in build/screenshots/
	$(BIN)/python tests/dashboard/screenshots.py
