# `make demo` and `make test` work from nothing: they set up .venv first. PYTHON chooses the interpreter (3.11 or later).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PYTEST := $(BIN)/python -m pytest

.PHONY: setup demo test test-all lint format docs lock clean

setup: $(READY)

# the versions of .ci/requirements.lock, from whatever package index this machine is configured for
$(READY): .ci/requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version; sys.exit(sys.version_info < (3, 11) and "persona needs Python 3.11 or later, this is " + v + ": make PYTHON=...")'
	@echo "setting up $(VENV): a minute or so, once"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.8'
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -r .ci/requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY)
	@$(BIN)/persona demo

test: lint
	OMP_NUM_THREADS=1 $(PYTEST) -m "not slow" -n 2

test-all: lint
	$(PYTEST)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# the README's tables of commands, settings and figures
docs: $(READY)
	$(BIN)/python tests/test_docs.py

# one lock for every Python from 3.11 on
lock: $(READY)
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --extra dev \
		--no-header --no-annotate --no-emit-index-url --no-emit-find-links pyproject.toml -o .ci/requirements.lock

# the database, pictures and profiles in .persona stay: they are yours
clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
