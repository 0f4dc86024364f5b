# run: install, sweep the bundled photos, open the dashboard. test: everything that must hold. See README.md.
PYTHON ?= python3
BIN := .venv/bin
STORE := data/quick

.PHONY: run sweep dashboard test lint bench clean

run: sweep
	$(BIN)/wolfspider dashboard $(STORE)

sweep: .venv/installed
	$(BIN)/wolfspider sweep --profile quick --out $(STORE)

dashboard: .venv/installed
	$(BIN)/wolfspider dashboard data

test: .venv/tests
	$(BIN)/python -m pytest

lint: .venv/lint
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: .venv/tests
	$(BIN)/wolfspider bench

clean:
	rm -rf .venv build *.egg-info

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/pip install --quiet --editable .
	touch $@

.venv/tests: .venv/installed
	$(BIN)/pip install --quiet --group test
	touch $@

.venv/lint: .venv/tests
	$(BIN)/pip install --quiet --group lint
	touch $@
