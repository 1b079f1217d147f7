# Every target does all of its own set-up. Start with `make help`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
NOTEBOOKS := $(wildcard notebooks/*.ipynb)
AS_ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)
NBVAL := --nbval --nbval-current-env --nbval-cell-timeout=600 --nbval-kernel-startup-timeout=180 -n 2 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help lab test test-without-mnist course check figures bench constraints clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-20s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# one stamp for each set of extras: .venv/.installed-lab, .venv/.installed-test
$(VENV)/.installed-%: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the course's packages into $(VENV) (minutes, once) ..."
	@$(BIN)/python -m pip install --quiet --editable '.[$*]' --constraint constraints.txt
	@touch $@

lab: $(VENV)/.installed-lab ## open JupyterLab on the first notebook
	$(BIN)/jupyter lab $(AS_ROOT) notebooks/00_start_here.ipynb

test: $(VENV)/.installed-test ## all tests: package, notebooks (outputs compared), browser
	$(BIN)/python -m pytest tests
	$(BIN)/python -m pytest $(NBVAL) notebooks

test-without-mnist: $(VENV)/.installed-test ## what changes where MNIST cannot be had: data tests and notebooks, on digits
	env -u BAL_DATA_DIR BAL_OFFLINE=1 BAL_CACHE_DIR=$(CURDIR)/build/empty-cache $(BIN)/python -m pytest tests/test_data.py
	env -u BAL_DATA_DIR BAL_OFFLINE=1 BAL_CACHE_DIR=$(CURDIR)/build/empty-cache $(BIN)/python -m pytest $(NBVAL) notebooks

course: $(VENV)/.installed-lab ## run every notebook from top to bottom and store its outputs
	$(BIN)/jupyter nbconvert --to notebook --inplace --execute --ExecutePreprocessor.record_timing=False \
		--ExecutePreprocessor.timeout=600 $(NOTEBOOKS)

check: $(VENV)/.installed-test ## lint and format, without changing anything
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

figures: $(VENV)/.installed-lab ## the runs behind figures/ (about 40 minutes on two cores; continues where it stopped)
	$(BIN)/python -m bal_utils.sweep --strategies random bald batchbald --seeds 0 --out figures/mnist_lecture

bench: $(VENV)/.installed-bench ## BatchBALD against batchbald_redux, in one process
	$(BIN)/python tests/benchmarks/batchbald_vs_redux.py

constraints: ## write constraints.txt anew (needs uv)
	uv pip compile --universal --python-version 3.11 --all-extras --no-header --no-annotate pyproject.toml -o constraints.txt

clean: ## remove the environment and all that was built
	rm -rf $(VENV) build bal_utils.egg-info .pytest_cache .ruff_cache
