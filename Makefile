# Everything sets itself up: a machine needs Python >= 3.11 and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV     := $(BIN)/python -m uv

.PHONY: demo test faults lint bench clean setup setup-gpu requirements help
.DEFAULT_GOAL := help

help: ## List the targets.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

PAINTER ?= studio
demo: $(VENV)/.demo $(if $(filter starter,$(PAINTER)),$(VENV)/.gpu) ## Replay a shopping session into banners: demo-out/index.html (PAINTER=starter, ARGS="--help").
	$(BIN)/bannerstream demo --painter $(PAINTER) $(ARGS)

test: $(VENV)/.dev ## Run the tests (ARGS="-k name" for some of them).
ifdef ARGS
	$(BIN)/python -m pytest $(ARGS)
else
	$(BIN)/python -m pytest -n auto tests/unit
	$(BIN)/python -m pytest tests/integration tests/faults tests/browser
endif

faults: $(VENV)/.dev ## Strike workers under load, on a real Kafka, and audit what they wrote (ARGS="--help").
	$(BIN)/python -m tests.faults $(ARGS)

lint: $(VENV)/.dev ## Check format, style, types and the direction of imports.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.dev ## Measure, side by side (ARGS="--help").
	$(BIN)/python -m bench $(ARGS)

setup: $(VENV)/.dev ## Install what development needs.

setup-gpu: $(VENV)/.gpu $(VENV)/.evaluate ## Install models' libraries and judges of banners, too (torch: about 4.7 GB).

requirements: $(VENV)/.uv ## Pin every dependency again from pyproject.toml.
	for extra in base demo dev gpu evaluate; do \
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
