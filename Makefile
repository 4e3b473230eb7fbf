# Everything here needs Python 3.11 to 3.13 and nothing else: the first target makes .venv and installs into it.
#
#   make run        federated fine-tuning of the embedded model, 8 clients, Dirichlet 0.5
#   make test       all tests but those that need a GPU, and the longest with real processes
#   make test-gpu   the tests that need one
#   make test-deployment   these, and a table of faults and what each leads to; some need root
#   make check      formatting, lint, types, import contracts, fast tests: before each commit
#   make docs       the documents as a site in build/site; warnings are errors
#   make tables     the generated parts of the documents
#   make fab        Flower's bundle of the application, in build/
#
# Another Python:        make clean run PYTHON=python3.12
# torch without CUDA:    PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu make run

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: run test test-gpu test-deployment check docs tables fab clean
.DELETE_ON_ERROR:

run: $(INSTALLED)
	$(BIN)/florg run --clients 8 --set partition.name=dirichlet --set partition.alpha=0.5

test: $(INSTALLED)
	$(BIN)/python -m pytest -m "not gpu and not deployment" -n 2 --dist worksteal

test-gpu: $(INSTALLED)
	@$(BIN)/python -c 'import torch; torch.cuda.is_available() or exit("make test-gpu: torch sees no CUDA device here")'
	$(BIN)/python -m pytest -m gpu

test-deployment: $(INSTALLED)
	$(if $(ROWS),,$(BIN)/python -m pytest -m deployment)
	$(BIN)/python -m tests.faults $(if $(ROWS),--only $(ROWS))

check: $(INSTALLED)
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -m "not slow and not gpu and not deployment" -n 2 --dist worksteal

# The variable silences an announcement of mkdocs-material about other programs.
docs: $(INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

tables: $(INSTALLED)
	$(BIN)/python -m scripts.settings_table
	$(BIN)/python -m scripts.method_tables

fab: $(INSTALLED)
	mkdir -p build
	rm -f build/*.fab
	cd build && FLWR_TELEMETRY_ENABLED=0 FLWR_DISABLE_UPDATE_CHECK=1 ../$(BIN)/flwr build --app ..

$(INSTALLED): pyproject.toml constraints.txt | $(BIN)/python
	@echo 'make: installing into .venv; the first time this takes some minutes'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,docs]'
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
	  echo 'make: $(PYTHON) is '"$$($(PYTHON) --version 2>&1)"'; Python 3.11, 3.12 or 3.13 is needed:' \
	    'make PYTHON=/path/to/python3.12' >&2; exit 1; }
	$(PYTHON) -m venv .venv

clean:
	rm -rf .venv build .pytest_cache .ruff_cache .hypothesis .import_linter_cache
