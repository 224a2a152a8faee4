# make demo and make test do everything, with no download but the packages; make help lists the rest.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadgroup --no-loadscope-reorder
PIP := $(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-all docs compat mutation verify clean

help:
	@echo "make demo     install into $(VENV), then fine-tune a generated checkpoint on generated faces (minutes)"
	@echo "make test     install into $(VENV) with the tools; lint, format check, type check and tests"
	@echo "make test-all run every test, those too that show one more case of what another shows"
	@echo "make docs     build the documentation into build/site, whose index.html opens without a server"
	@echo "make compat   run all tests with the lowest versions (Python 3.10) and the highest (Python 3.13) of what is needed"
	@echo "make mutation run mutants of the code against the tests that mirror it (an hour; goes on where it was stopped)"
	@echo "make verify   make the tables of docs/explanation/results.md from FINETUNE_SHARED (default ../shared; an hour)"
	@echo "make clean    remove $(VENV) and what building and testing left"
	@echo "Another Python: make test PYTHON=python3.12"

demo: $(VENV)/installed
	@rm -rf runs/demo
	@$(BIN)/finetune demo

test: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(PYTEST) -m "not thorough"

test-all: $(VENV)/installed-dev
	$(PYTEST)

# Pages of the reference are generated first; NO_MKDOCS_2_WARNING leaves out the theme's notice about other programs.
docs: $(VENV)/installed-dev
	@$(BIN)/python -m docs.generate
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet
	@echo "build/site/index.html"

compat:
	@.ci/compat

mutation: $(VENV)/installed-dev
	$(BIN)/python tests/mutation/run.py

verify: $(VENV)/installed
	@$(BIN)/python tests/verify/run.py

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# What is installed is noted in a stamp, so that it happens once, and again when setup.py changes.
$(VENV)/installed: setup.py | $(BIN)/python
	@echo "Installing finetune into $(VENV) (TensorFlow is large; this takes some minutes)"
	@$(PIP) --editable .
	@touch $@

$(VENV)/installed-dev: setup.py | $(BIN)/python
	@echo "Installing finetune and its development tools into $(VENV) (TensorFlow is large; this takes some minutes)"
	@$(PIP) --editable '.[dev]'
	@touch $@ $(VENV)/installed

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null || { \
	  echo "finetune needs Python 3.10 to 3.13; '$(PYTHON)' is $$($(PYTHON) --version 2>&1 | tail -n 1);" \
	    "name another: make $(or $(MAKECMDGOALS),test) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }
