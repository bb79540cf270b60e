PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PYTHONPATH := hack
# Compiled modules are kept, as hundreds of programs of the tests would compile them anew, but not in the tree.
export PYTHONPYCACHEPREFIX := $(abspath $(VENV)/pycache)
unexport PYTHONDONTWRITEBYTECODE
# Each has a control plane of its own. A file's tests stay together, and the long ones of tests/cluster come first.
WORKERS ?= 2
PARALLEL := --numprocesses=$(WORKERS) --dist=loadfile --no-loadscope-reorder

# Another API server with its controllers, as in: make test KUBERNETES=1.33
KUBERNETES ?=
demo up test: export SECONDER_KUBERNETES = $(KUBERNETES)
test-oldest: export SECONDER_KUBERNETES = oldest
# The API servers' memory is cheaper than a tenth of the time that the cluster tests take.
test test-oldest: export GOGC = 400

.DEFAULT_GOAL := help

help: ## show the targets
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

# A stamp, so that a second run costs nothing and a changed lock is installed.
$(VENV)/.ready: requirements-dev.lock pyproject.toml
	@echo "Installing the locked Python packages into $(VENV) ..."
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; name one with: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-dev.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(VENV)/.ready ## play the whole story on a real API server, then clean up
	@$(BIN)/python -m localstack demo

up: $(VENV)/.ready ## start the same stack and leave it running
	@$(BIN)/python -m localstack up

down: $(VENV)/.ready ## stop what "make up" started
	@$(BIN)/python -m localstack down

.PHONY: attack
attack: $(VENV)/.ready ## try the attacks on a test cluster (KUBECONFIG=, AGENT_KUBECONFIG=, ARGS=)
	@$(BIN)/python -m tests.attacks $(if $(KUBECONFIG),--kubeconfig='$(KUBECONFIG)') \
	  $(if $(AGENT_KUBECONFIG),--agent-kubeconfig='$(AGENT_KUBECONFIG)') $(ARGS)

check: lint ## check style, types and layers, and run the quick unit tests
	@$(BIN)/python -m pytest $(PARALLEL) -m 'not long' tests/unit

test: $(VENV)/.ready ## run every test that this machine can run
	@$(BIN)/python -m localstack binaries
	@$(BIN)/python -m pytest $(PARALLEL) --durations=20

test-oldest: $(VENV)/.ready ## run the core of the tests on the oldest Kubernetes that is claimed
	@$(BIN)/python -m localstack binaries
	@$(BIN)/python -m pytest $(PARALLEL) -m core tests/cluster

# Those of the packages that have compiled modules; the rest would run again what `make test` runs.
COMPILED := $(addprefix tests/unit/,admission api approvals attacks client http observability webhook test_corpus.py \
  test_corpus_of_configurations.py)

test-compiled: $(VENV)/.ready ## run the unit tests of what the image has compiled
	@folder=$$($(BIN)/python -m compiled) && SECONDER_COMPILED=1 PYTHONPATH=$$folder:hack $(BIN)/python -m pytest $(PARALLEL) \
	  -m 'not long' $(COMPILED)

PYTHONS ?= python3.11 python3.12 python3.13 python3.14

pythons: ## run the unit tests of core and plugin under each of PYTHONS that is here
	@$(PYTHON) -m pythons $(PYTHONS)

e2e: $(VENV)/.ready ## run the tests that need a real node (Linux, root)
	@$(BIN)/python -m node
	@$(BIN)/python -m localstack binaries --for e2e
	@$(BIN)/python -m pytest tests/e2e

bench: $(VENV)/.ready ## print the performance table
	@$(BIN)/python -m localstack binaries
	@$(BIN)/python -m bench

lint: $(VENV)/.ready ## check style, types and layers alone
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

generate: $(VENV)/.ready ## write the generated files anew
	@$(BIN)/python -m localstack generate

# Where people will download it from; stands in krew's manifest.
DOWNLOADS ?= https://DOWNLOADS

release: $(VENV)/.ready ## build what is published, into dist
	@$(BIN)/python -m localstack binaries --for release
	@$(BIN)/python -m release --downloads "$(DOWNLOADS)"

COMPILE := --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header

lock: ## resolve the dependencies anew (needs uv)
	uv pip compile $(COMPILE) pyproject.toml --output-file requirements.lock
	uv pip compile $(COMPILE) pyproject.toml --group dev --constraint requirements.lock --output-file requirements-dev.lock
	uv pip compile $(COMPILE) --group build --constraint requirements-dev.lock --output-file requirements-build.lock

lock-debian: $(VENV)/.ready ## resolve the image's Debian packages anew (needs apt)
	@$(BIN)/python -m release.debian_lock

.PHONY: help demo up down check test test-oldest test-compiled pythons e2e bench lint generate release lock lock-debian
