# Everything here needs Python 3.11 to 3.13 and nothing else: the first target makes .venv and installs into it.
#
#   make run        federated fine-tuning of the embedded model, 8 clients, Dirichlet 0.5
#   make check      lint, formatting, types, import contracts, fast tests: before each commit
#   make test       the same with all tests but those of the next two: what continuous integration runs
#   make families   every architecture on its tasks, from training to the exported folder; part of make test
#   make test-gpu   the tests that need a GPU
#   make test-deployment   the longest with real processes, and a table of faults and what each leads to; some need root
#   make fuzz N=100000   so many changed replies to the server's own rounds: rejections by reason, and escapes
#   make bench      short versions of the programs in bench/ that need no model and no data
#   make mutants    faults made on purpose, each of which some test must notice: hours, before a release
#   make docs       the documents as a site in build/site; warnings are errors
#   make tables     the generated parts of the documents
#   make fab        Flower's bundle of the application, in build/
#
# Parts of them:         make lint | formatting | types | contracts | static (these four) | tests (those of make test)
# Another choice of versions:   make clean tests CONSTRAINTS=constraints-lowest.txt, or make clean newest tests
# Another Python:        make clean run PYTHON=python3.12
# torch without CUDA:    PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu make run

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
CONSTRAINTS ?= constraints.txt
PYTEST := $(BIN)/python -m pytest
PARALLEL := -n 2 --dist worksteal
N ?= 20000

.PHONY: run check test static lint formatting types contracts tests families test-gpu test-deployment fuzz bench mutants newest docs tables fab clean
.DELETE_ON_ERROR:

run: $(INSTALLED)
	$(BIN)/florg run --clients 8 --set partition.name=dirichlet --set partition.alpha=0.5

check: static
	$(PYTEST) -m "not slow and not gpu and not deployment" $(PARALLEL)

test: static tests

static: lint formatting types contracts

lint: $(INSTALLED)
	$(BIN)/ruff check

formatting: $(INSTALLED)
	$(BIN)/ruff format --check

types: $(INSTALLED)
	$(BIN)/basedpyright

contracts: $(INSTALLED)
	$(BIN)/lint-imports

tests: $(INSTALLED)
	$(PYTEST) -m "not gpu and not deployment" $(PARALLEL)

families: $(INSTALLED)
	$(PYTEST) -m families

test-gpu: $(INSTALLED)
	@$(BIN)/python -c 'import torch; torch.cuda.is_available() or exit("make test-gpu: torch sees no CUDA device here")'
	$(PYTEST) -m gpu

test-deployment: $(INSTALLED)
	$(if $(ROWS),,$(PYTEST) -m deployment)
	$(BIN)/python -m tests.faults $(if $(ROWS),--only $(ROWS))

fuzz: $(INSTALLED)
	$(BIN)/python -m tests.fuzz --replies $(N)

bench: $(INSTALLED)
	$(BIN)/python -m bench.aggregation --threads 1 --repeats 3 --output build/bench-aggregation.json
	$(BIN)/python -m bench.client_step --device cpu --hidden 96 --layers 2 --lengths 16 --repetitions 3 --output build/bench-client-step.json
	$(BIN)/python -m bench.robust_memory --clients 5
	$(BIN)/python -m bench.server_path --layers 2 --repeats 3
	$(BIN)/python -m bench.server_memory --clients 10,100
	$(BIN)/python -m bench.simulation --repeats 1
	$(BIN)/python -m bench.many_clients --clients 200 --rounds 9
	$(BIN)/python -m bench.privacy_drift --rounds 3
	$(BIN)/python -m bench.deployment --rounds 3 --repeats 1

mutants: $(INSTALLED)
	$(BIN)/python -m tests.mutants

# What a new release of these brings, whatever pyproject.toml and constraints.txt allow: pip warns and goes on.
newest: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'flwr[simulation]' transformers datasets
	$(BIN)/python -m pip list | grep -E '^(flwr|ray|torch|transformers|tokenizers|datasets|peft) '

# The variable silences an announcement of mkdocs-material about other programs.
docs: $(INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

tables: $(INSTALLED)
	$(BIN)/python -m scripts.settings_table
	$(BIN)/python -m scripts.method_tables
	$(BIN)/python -m scripts.hostile_table

fab: $(INSTALLED)
	mkdir -p build
	rm -f build/*.fab
	cd build && FLWR_TELEMETRY_ENABLED=0 FLWR_DISABLE_UPDATE_CHECK=1 ../$(BIN)/flwr build --app ..

constraints-lowest.txt: pyproject.toml scripts/lowest_versions.py
	$(PYTHON) -m scripts.lowest_versions > $@

$(INSTALLED): pyproject.toml $(CONSTRAINTS) | $(BIN)/python
	@echo 'make: installing into .venv; the first time this takes some minutes'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c $(CONSTRAINTS) -e '.[dev,docs]'
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
	  echo 'make: $(PYTHON) is '"$$($(PYTHON) --version 2>&1)"'; Python 3.11, 3.12 or 3.13 is needed:' \
	    'make PYTHON=/path/to/python3.12' >&2; exit 1; }
	$(PYTHON) -m venv .venv

clean:
	rm -rf .venv build .pytest_cache .ruff_cache .hypothesis .import_linter_cache
