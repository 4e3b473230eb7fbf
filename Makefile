# Everything here needs Python 3.11 to 3.13 and nothing else: the first target makes .venv and installs into it.
#
#   make run        federated fine-tuning of the embedded model, 8 clients, Dirichlet 0.5
#   make test       all tests but those that need a GPU, and the longest with real processes
#   make families   every architecture on its tasks, from training to the exported folder; part of make test
#   make test-gpu   the tests that need one
#   make test-deployment   these, and a table of faults and what each leads to; some need root
#   make check      formatting, lint, types, import contracts, fast tests: before each commit
#
# Another Python:        make clean run PYTHON=python3.12
# torch without CUDA:    PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu make run

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: run test families test-gpu test-deployment check clean
.DELETE_ON_ERROR:

run: $(INSTALLED)
	$(BIN)/florg run --clients 8 --set partition.name=dirichlet --set partition.alpha=0.5

test: $(INSTALLED)
	$(BIN)/python -m pytest -m "not gpu and not deployment" -n 2 --dist worksteal

families: $(INSTALLED)
	$(BIN)/python -m pytest -m families

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

$(INSTALLED): pyproject.toml constraints.txt | $(BIN)/python
	@echo 'make: installing into .venv; the first time this takes some minutes'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
	  echo 'make: $(PYTHON) is '"$$($(PYTHON) --version 2>&1)"'; Python 3.11, 3.12 or 3.13 is needed:' \
	    'make PYTHON=/path/to/python3.12' >&2; exit 1; }
	$(PYTHON) -m venv .venv

clean:
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis .import_linter_cache
