# run: install, sweep the bundled photos, open the dashboard. test: everything that must hold. See README.md.
PYTHON ?= python3
BIN := .venv/bin
STORE := data/quick

.PHONY: run sweep dashboard test test-lowest lint bench clean

run: sweep
	$(BIN)/wolfspider dashboard $(STORE)

sweep: .venv/installed
	$(BIN)/wolfspider sweep --profile quick --out $(STORE)

dashboard: .venv/installed
	$(BIN)/wolfspider dashboard data

# A process a core; in each of them one thread, since several of several threads hinder each other.
test: .venv/tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses logical --dist loadfile

# With every direct dependency at the lowest version that pyproject.toml allows; uv takes torch's CUDA build, of 3 GB.
test-lowest: .venv/installed
	$(BIN)/pip install --quiet "uv>=0.9"
	$(BIN)/uv venv --quiet --clear --seed --python $(BIN)/python .venv-lowest
	$(BIN)/uv pip install --python .venv-lowest --resolution lowest-direct --group test --editable .
	.venv-lowest/bin/python -m pytest -m "not browser"

lint: .venv/lint
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: .venv/tests
	$(BIN)/wolfspider bench

clean:
	rm -rf .venv .venv-lowest build *.egg-info

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
