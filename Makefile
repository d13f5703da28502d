# Everything sets itself up: a machine needs Python >= 3.11 and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV     := $(BIN)/python -m uv
# Where it is set, each of the hundreds of processes that tests start compiles all of its imports: 2 s of processor time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo docs test test-unit test-servers test-all faults lint bench clean setup setup-gpu requirements help
.DEFAULT_GOAL := help

help: ## List the targets.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

PAINTER ?= studio
demo: $(VENV)/.demo $(if $(filter starter,$(PAINTER)),$(VENV)/.gpu) ## Replay a shopping session into banners: demo-out/index.html (PAINTER=starter, ARGS="--help").
	$(BIN)/bannerstream demo --painter $(PAINTER) $(ARGS)

PYTEST = $(BIN)/python -m pytest --durations=15 $(if $(REPORTS),--junit-xml=$(REPORTS)/$(1).xml) $(FULL)
# Tests on servers wait more than they compute, so they get two workers a core.
WAITING = $$($(BIN)/python -c 'import os; print(min(8, 2 * os.cpu_count()))')

test: $(VENV)/.dev ## Run the tests (ARGS="-k name" for some of them; REPORTS=folder for JUnit files).
ifdef ARGS
	$(BIN)/python -m pytest $(ARGS)
else
	$(MAKE) test-unit
	$(MAKE) test-servers
endif

test-unit: $(VENV)/.dev
	$(call PYTEST,unit) -n auto --dist loadgroup tests/unit

test-servers: $(VENV)/.dev
	$(call PYTEST,servers) -n $(WAITING) --dist loadgroup tests/integration tests/faults tests/browser

test-all: ## Run the tests that `make test` leaves out, too: more seeds, repetitions, benchmarks.
	$(MAKE) test FULL=--full

faults: $(VENV)/.dev ## Strike workers under load, on a real Kafka, and audit what they wrote (ARGS="--help").
	$(BIN)/python -m tests.faults $(ARGS)

docs: $(VENV)/.dev ## Build the site of docs/ into .cache/site; a dead link fails.
	$(BIN)/zensical build --strict

lint: $(VENV)/.dev ## Check format, style, types and the direction of imports.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.dev ## Measure, side by side (ARGS="--help").
	$(BIN)/python -m bench $(ARGS)

setup: $(VENV)/.dev ## Install what development needs.

setup-gpu: $(VENV)/.gpu $(VENV)/.evaluate ## Install models' libraries and judges of banners, too (torch: about 4.7 GB).

requirements: $(VENV)/.uv ## Pin the newest versions of every dependency that pyproject.toml allows.
	for extra in base demo dev gpu evaluate fonts; do \
	    $(UV) pip compile -q --upgrade --universal --generate-hashes --no-emit-index-url --no-annotate --python-version 3.11 \
	        --custom-compile-command "make requirements" $$([ $$extra = base ] || echo "--extra $$extra") \
	        $$([ $$extra = base ] || echo "-c requirements/base.txt") pyproject.toml -o requirements/$$extra.txt || exit 1; \
	done

clean: ## Remove everything that was built or fetched here.
	rm -rf $(VENV) .cache demo-out .mypy_cache .pytest_cache .ruff_cache .hypothesis dist
	find . -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/.uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "Bannerstream needs Python 3.11 or newer; say which: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@touch $@

$(VENV)/.%: requirements/%.txt pyproject.toml | $(VENV)/.uv
	$(UV) pip install --quiet --require-hashes -r requirements/$*.txt
	$(UV) pip install --quiet --no-deps -e .
	@touch $@
