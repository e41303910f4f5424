# Needs make and a Python >= 3.11, nothing else. The first target that is called installs into
# .venv; later ones need no network.

VENV := .venv
BIN := $(VENV)/bin
# touched when all that the targets need is installed
READY := $(VENV)/.ready
PYTHONS := $(or $(PYTHON),python3.11 python3.12 python3.13 python3.14 python3)
UV_VERSION := $(shell sed -n 's/^uv==//p' requirements/dev.txt)
JOBS ?= 2

export UV_PYTHON_DOWNLOADS := never
# the docs' theme warns of a MkDocs 2 that is not used here
export NO_MKDOCS_2_WARNING := 1

PYTEST := $(BIN)/python -m pytest
UV_INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python
UV_COMPILE := $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
	--no-annotate --no-emit-index-url --custom-compile-command "make lock"

.DEFAULT_GOAL := help
.PHONY: help demo bench flame test test-slow test-all azurite check docs generate lock clean

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s  %s\n", $$1, $$2}' Makefile
	@echo "PYTHON=/path/to/python3 names the Python that .venv is made with."

demo: $(READY) ## the example on real input; DEMO_ARGS="..." are its arguments
	$(BIN)/python examples/stdlib_report.py $(DEMO_ARGS)

bench: $(READY) ## upshot beside its peers, 25 minutes; ROUNDS=1 BENCH_ARGS="--rows import" for less
	$(BIN)/python -m benchmarks --rounds $(or $(ROUNDS),7) $(BENCH_ARGS)

flame: $(READY) ## draw where the time of a task call goes, into docs/figures/call.svg
	$(BIN)/python -m benchmarks.flame

test: $(READY) ## the tests, at most 10 minutes on 2 cores; TEST_ARGS="..." are pytest's
	$(PYTEST) -n $(JOBS) -m "not slow and not exhaustive" $(TEST_ARGS) tests
	$(PYTEST) --doctest-modules src

test-slow: $(READY) ## the slower tests, which CI runs too
	$(PYTEST) -n $(JOBS) -m "slow and not exhaustive" $(TEST_ARGS) tests

test-all: $(READY) ## every test there is
	$(PYTEST) -n $(JOBS) $(TEST_ARGS) tests
	$(PYTEST) --doctest-modules src

azurite: ## the server that the tests of Azure need, by npm; without it they skip
	npm install --silent --no-audit --no-fund --no-save --prefix build/node azurite@3.35.0

check: $(READY) ## lint, format, types, layers and a strict build of the docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/basedpyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports --no-logo
	$(BIN)/mkdocs build --strict --site-dir build/site

docs: $(READY) ## build the documentation into site/
	$(BIN)/mkdocs build --strict

generate: $(READY) ## renew the SQL that is made from the run store's schema
	$(BIN)/python -m upshot.runstore.generate

lock: $(READY) ## renew the pinned requirements
	$(UV_COMPILE) --group dev --group docs -o requirements/dev.txt pyproject.toml
	$(UV_COMPILE) -o requirements/prefect2.txt requirements/prefect2.in

clean: ## remove what builds and tests left behind; .venv stays
	rm -rf build dist site .venv-prefect2
	rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find src tests examples -name __pycache__ -type d -prune -exec rm -rf {} +

# The project is built with the hatchling of its requirements, not one fetched for the build: so a
# change of pyproject.toml that needs no new package needs no network.
$(READY): pyproject.toml requirements/dev.txt
	@$(make_venv)
	@[ "$$($(BIN)/uv --version 2>/dev/null | cut -d ' ' -f 2)" = "$(UV_VERSION)" ] \
		|| $(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(UV_INSTALL) --requirements requirements/dev.txt
	$(UV_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

# A name on the PATH may be a stub that does not run, and a Python may lack ensurepip.
SUITS := -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))'
define make_venv
$(BIN)/python -c 'import pip' 2>/dev/null && exit 0; \
for python in $(PYTHONS); do \
	if "$$python" $(SUITS) 2>/dev/null; then \
		echo "making $(VENV) with $$("$$python" --version)"; \
		"$$python" -m venv --clear $(VENV); \
		exit; \
	fi; \
done; \
echo "upshot needs Python 3.11 or later with its venv module, and found none:" >&2; \
echo "install one, or name it: make PYTHON=/path/to/python3" >&2; \
exit 1
endef
