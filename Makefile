# Thin names for commands. Needs make and Python 3.11 or later, nothing else.

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
PORT ?= 8000
ARGS ?=
B ?=
JOBS ?= 3
BIN := .venv/bin
# The tests start hundreds of processes: each would compile all of Duly anew.
unexport PYTHONDONTWRITEBYTECODE
TYPED := $(patsubst %/app,%,$(wildcard examples/*/app))

.DEFAULT_GOAL := help
.PHONY: help run test check full bench docs clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: .venv/run ## Serve the tour at http://127.0.0.1:8000 (PORT=8123 for another port)
	@exec $(BIN)/duly dev tour.app:duly --app-dir examples --port $(PORT)

# Of schemathesis only the command is used: its plugin takes seconds to load.
test: .venv/dev ## Run the tests, JOBS=3 at a time; what cannot run on this machine is named at the end (ARGS="-k lease" for some)
	@$(BIN)/python -m pytest -m "not full" -p no:schemathesis --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

check: .venv/dev ## Check form, types, layers, and for known weaknesses
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	@for example in $(TYPED); do echo "mypy $$example"; \
		(cd $$example && ../../$(BIN)/mypy --config-file ../../pyproject.toml --cache-dir ../../.mypy_cache app $$(ls *.py 2>/dev/null)) || exit 1; done
	cd examples/task_queue && ../../$(BIN)/mypy --config-file ../../pyproject.toml --cache-dir ../../.mypy_cache handlers.py */*.py
	$(BIN)/lint-imports
	$(BIN)/bandit --quiet --recursive --severity-level medium --confidence-level medium src
	$(BIN)/python .ci/audit.py

full: .venv/dev ## Run every test, also those that are too long for the gate
	@$(BIN)/python -m pytest --timeout 1800 $(ARGS)

bench: .venv/dev ## Measure beside peers and floors (B=drain for one scenario, ARGS="--scale 0.02 --rounds 1" for a try)
	@$(BIN)/python -m benchmarks $(B) $(ARGS)

docs: .venv/dev ## Make the generated pages of docs/ anew
	@$(BIN)/python -m docs.generate $(ARGS)

clean: ## Remove what was made here; your database stays
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache .coverage .bench dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/made:
	@test -n "$(PYTHON)" || { echo "Duly needs Python 3.11 or later, and none was found. Name one: make PYTHON=/path/to/python3.12"; exit 1; }
	@echo "Making .venv with $$($(PYTHON) --version) ..."
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@touch $@

.venv/run: .venv/made pyproject.toml
	@echo "Installing Duly and the tour into .venv ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[tour]'
	@touch $@

.venv/dev: .venv/made pyproject.toml
	@echo "Installing Duly and what its tests and checks need into .venv ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --group dev
	@touch $@ .venv/run
