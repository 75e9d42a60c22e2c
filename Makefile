# Every target installs what it needs; `make` alone lists them.

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS   += --no-print-directory
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
LOCK   ?= requirements/dev.txt
# More of pytest's options: make test ARGS="-k lettering"
ARGS   ?=

# Versions and hashes for every system, and no address of an index.
COMPILING := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --quiet \
	--custom-compile-command "make lock"
COMPILE := $(COMPILING) pyproject.toml

# Airflow pins hundreds of versions: it gets an environment of its own, as it does at a company.
AIRFLOW := .venv-airflow

.PHONY: help
help: ## List what make can do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# ------------------------------------------------------------------------------------------------------- users

.PHONY: install
install: $(STAMP) ## Set up .venv with the locked versions (does nothing while the lock is the same)

# The lock names all there is: pip has nothing to resolve, and a newer release of an extra does not confuse it.
$(STAMP): $(LOCK) pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed: make install PYTHON=/path/to/python" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --no-deps -r $(LOCK)
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: run
run: install ## Post the sample's three months into data/store, write every export under data/out
	rm -rf data/store data/out
	$(BIN)/python -m pipeline.main_job

.PHONY: clean
clean: ## Remove what runs and tools leave behind (not .venv)
	rm -rf data/store data/out build dist htmlcov .coverage .coverage.* .hypothesis .import_linter_cache
	rm -rf .mypy_cache .pytest_cache .ruff_cache
	find pipeline schemas tests -name __pycache__ -type d -prune -exec rm -rf {} +

# -------------------------------------------------------------------------------------------------- developers

.PHONY: check
check: lint types test ## What a change must pass: lint, types, fast tests, generated pages

.PHONY: test
test: install ## Run the fast tests, on all cores
	$(BIN)/pytest -n auto --dist worksteal -m "not slow" $(ARGS)

.PHONY: test-slow
test-slow: install ## Run the slow tests, on all cores
	$(BIN)/pytest -n auto --dist worksteal -m slow $(ARGS)

.PHONY: test-oldest
test-oldest: ## Run the fast tests with the oldest versions that pyproject.toml allows (in .venv-oldest)
	$(MAKE) test VENV=.venv-oldest LOCK=requirements/oldest.txt

.PHONY: test-deep
test-deep: install ## Try many more random companies than CI does, new ones each time
	HYPOTHESIS_PROFILE=deep $(BIN)/pytest -n auto --timeout 3600 tests/properties $(ARGS)

SECONDS ?= 60
.PHONY: torture
torture: install ## Kill, corrupt and crowd a ledger for SECONDS, cut its power; prints the figures, keeps what fails
	$(BIN)/python -m tests.torture --seconds $(SECONDS) $(ARGS)

.PHONY: torture-all
torture-all: install ## Try every fixed kill, loss of power, damage and round of writers on a ledger
	TORTURE=all $(BIN)/pytest -n auto tests/torture $(ARGS)

.PHONY: airflow
airflow: $(AIRFLOW)/.installed ## Set up .venv-airflow, with which the example DAG is tried (300 MB)

$(AIRFLOW)/.installed: requirements/airflow.txt
	test -x $(AIRFLOW)/bin/python || $(PYTHON) -m venv $(AIRFLOW)
	$(AIRFLOW)/bin/python -m pip install --quiet --require-hashes --no-deps -r $<
	@touch $@

.PHONY: test-airflow
test-airflow: install airflow ## Try the example DAG with a real Airflow
	$(BIN)/pytest tests/orchestration/test_airflow.py $(ARGS)

.PHONY: coverage
coverage: install ## Run the fast tests, then tell which branches they leave out
	$(BIN)/pytest -n auto -m "not slow" --cov --cov-report=term --cov-report=html $(ARGS)

.PHONY: lint
lint: install ## Check Python, SQL and the layers of imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/sqlfluff lint --disable-progress-bar --processes 0 pipeline
	$(BIN)/lint-imports --no-cache --no-logo

.PHONY: types
types: install ## Check types, strictly
	$(BIN)/mypy

.PHONY: format
format: install ## Lay out Python and SQL
	$(BIN)/ruff check --fix --exit-zero
	$(BIN)/ruff format
	$(BIN)/sqlfluff format --disable-progress-bar pipeline

.PHONY: golden
golden: install ## Write the golden files again from what the code does now; review the diff as code
	$(BIN)/pytest -n auto --rewrite-golden $(ARGS)

.PHONY: docs
docs: install ## Write the generated pages again (the tests fail while they are stale)
	$(BIN)/python -m schemas.dictionary
	$(BIN)/python -m pipeline.exports.pages
	$(BIN)/python -m pipeline.api.openapi
	$(BIN)/python -m pipeline.settings.pages

SIZE ?= 100000
.PHONY: bench
bench: install ## Measure everything on SIZE expenses beside plain copies of the same bytes: a report in benchmarks/results
	$(BIN)/python -m benchmarks --size $(SIZE) $(ARGS)

DOCUMENTS ?= 100000
OTHERS := .venv-others
.PHONY: bench-others
bench-others: install $(OTHERS)/.installed ## Measure what a user would pick instead on DOCUMENTS expense reports
	$(BIN)/python -m benchmarks.others --documents $(DOCUMENTS) --python $(OTHERS)/bin/python $(ARGS)

$(OTHERS)/.installed: benchmarks/others.txt
	test -x $(OTHERS)/bin/python || $(PYTHON) -m venv $(OTHERS)
	$(OTHERS)/bin/python -m pip install --quiet -r $<
	@touch $@

.PHONY: bench-history
bench-history: install ## Write the pages of the benchmarks' results again, from their JSON files
	$(BIN)/python -m benchmarks.report

.PHONY: counts
counts: install ## Count statements, rows, bytes and instructions; fail where they grew. ARGS=--accept keeps what is counted
	$(BIN)/python -m benchmarks.counts $(ARGS)

.PHONY: lock
lock: install ## Compile requirements/*.txt; ARGS=--upgrade takes newer versions
	$(COMPILE) $(ARGS) --extra cluster --extra lineage --extra s3 --extra serve --output-file requirements/lock.txt
	$(COMPILE) $(ARGS) --extra dev --output-file requirements/dev.txt
	$(COMPILE) $(ARGS) --extra dev --resolution lowest-direct --output-file requirements/oldest.txt
	echo "apache-airflow>=3.3,<4" | $(COMPILING) - $(ARGS) --output-file requirements/airflow.txt

.PHONY: pre-commit
pre-commit: install ## Have git run the linters before each commit
	$(BIN)/pre-commit install

# ---------------------------------------------------------------------------------------------------------- CI

.PHONY: system-packages
system-packages: ## Install the programs that some tests call (Debian, as root); those tests are skipped without
	@missing=""; for program in xmllint hledger ledger soffice strace sshd valgrind; do \
		PATH="$$PATH:/usr/sbin" command -v $$program >/dev/null || missing="$$missing $$program"; \
	done; \
	if [ -z "$$missing" ]; then \
		echo "system packages: all there"; \
	elif [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
		echo "system packages: install by hand, or their tests are skipped:$$missing"; \
	else \
		echo "system packages: installing$$missing"; \
		export DEBIAN_FRONTEND=noninteractive; \
		timeout 300 apt-get update -qq && timeout 900 apt-get install -qq -y --no-install-recommends \
			libxml2-utils hledger ledger libreoffice-calc-nogui strace openssh-server valgrind </dev/null >/dev/null; \
	fi
