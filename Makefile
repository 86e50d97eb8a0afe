# Every target first makes the same .venv from the lock: runtime and development packages, tidegate itself editable.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.locked
# Half of the tests' time is waiting: for schedules, servers and processes.
WORKERS ?= $(shell expr 2 '*' $$(nproc 2>/dev/null || echo 1))

.PHONY: help venv demo test test-long lint fix bench lock clean

help:  ## What there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## */  make \1\t/'

$(STAMP): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "tidegate needs Python 3.11 or newer: make PYTHON=python3.11"; exit 1; }
	@echo "Making $(VENV) from requirements-dev.lock"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

venv: $(STAMP)  ## Make .venv from the lock

demo: $(STAMP)  ## Zero to N and back on a real queue, no cluster needed (the main job)
	$(BIN)/tidegate demo

test: $(STAMP)  ## All tests; installs missing servers with apt where it may
	@sh tests/install-servers.sh
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup

test-long: $(STAMP)  ## The tests that take minutes: leaders stopped, cut off and killed
	@sh tests/install-servers.sh
	$(BIN)/python -m pytest -m long -n $(WORKERS) --dist loadgroup

lint: $(STAMP)  ## ruff, mypy, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: $(STAMP)  ## Let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP)  ## The benchmarks behind docs/performance.md
	$(BIN)/python benchmarks/scale.py
	$(BIN)/python benchmarks/sources.py

lock:  ## Resolve pyproject.toml anew (needs uv)
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate -q -o requirements.lock
	uv pip compile pyproject.toml --group dev --all-extras --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate -c requirements.lock -q -o requirements-dev.lock

clean:  ## Remove what make made
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
