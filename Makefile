# Every target does all of its own set-up. Start with `make help`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
NOTEBOOKS := $(wildcard notebooks/*.ipynb)
AS_ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)
# two notebooks or files of tests at a time, one thread each: more threads than cores would wait for each other
NBVAL := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --nbval --nbval-current-env --nbval-cell-timeout=900 \
	--nbval-kernel-startup-timeout=180 -n 2 --dist loadfile
WITHOUT_MNIST := env -u BAL_DATA_DIR BAL_OFFLINE=1 BAL_CACHE_DIR=$(CURDIR)/build/empty-cache

.DEFAULT_GOAL := help
.PHONY: help help-upkeep lab test quick check playground site slides student hosted clean
.PHONY: test-without-mnist course measures times pictures figures replication bench constraints

# A target with two number signs and words is for everybody, one with three is for whoever looks after the course.
LIST = awk -F ':.*$(1) ' '/^[a-z-]+:.*[^\#]$(1) / {printf "make %-20s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

help: ## this list
	@$(call LIST,##)

help-upkeep: ## the targets that look after the course: outputs, run times, the long runs
	@$(call LIST,###)

# one stamp for each set of extras: .venv/.installed-lab, .venv/.installed-test
$(VENV)/.installed-%: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the course's packages into $(VENV) (minutes, once) ..."
	@$(BIN)/python -m pip install --quiet --editable '.[$*]' --constraint constraints.txt
	@touch $@

lab: $(VENV)/.installed-lab ## open JupyterLab on the first notebook
	$(BIN)/jupyter lab $(AS_ROOT) --config=publishing/lab/jupyter_lab_config.py

test: $(VENV)/.installed-test ## all tests: package, notebooks (outputs compared), browser
	$(NBVAL) tests notebooks

quick: check ## lint, and the tests that take moments: no browser, no notebooks (a minute and a half)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests --ignore tests/browser --ignore tests/publishing -m "not slow" \
		-n 2 --dist loadfile

check: $(VENV)/.installed-test ## lint and format, without changing anything
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# what changes where MNIST cannot be had: the data tests, and the notebooks that use it
test-without-mnist: $(VENV)/.installed-test ### the tests on scikit-learn's digits, as where MNIST cannot be had
	$(WITHOUT_MNIST) $(BIN)/python -m pytest tests/data/test_data.py tests/data/test_mnist.py
	$(WITHOUT_MNIST) $(NBVAL) $(shell grep -lE 'load_mnist|load_images.{1,4}mnist' $(NOTEBOOKS))

course: $(VENV)/.installed-lab ### run every notebook from top to bottom and store its outputs
	BAL_PROGRESS=off $(BIN)/jupyter nbconvert --to notebook --inplace --execute --ExecutePreprocessor.record_timing=False \
		--ExecutePreprocessor.store_widget_state=False --ExecutePreprocessor.timeout=600 $(NOTEBOOKS)
	$(BIN)/python -m publishing.stored $(NOTEBOOKS)

playground: $(VENV)/.installed-lab ## build/playground.html: TwoMoons as one file that trains in the browser, without Python
	@mkdir -p build
	$(BIN)/python -m publishing.playground build/playground.html

pictures: playground $(VENV)/.installed-test ### the README's picture and animation of it (needs Chromium)
	$(BIN)/python -m publishing.playground_pictures build/playground.html figures

hosted: $(VENV)/.installed-site ## badges for Colab and Binder: make hosted REPOSITORY=owner/name
	$(BIN)/python publishing/hosted.py "$(REPOSITORY)"

site: $(VENV)/.installed-site ## the web site in build/site; needs no network once built
	$(BIN)/python -m publishing.site build/site

slides: $(VENV)/.installed-site ## a lecture's slides for each notebook, in build/slides; they need no network
	$(BIN)/python -m publishing.slides build/slides $(NOTEBOOKS)

student: $(VENV)/.installed-$(if $(CHECK),test,site) ## the notebooks without solutions, in build/student (CHECK=1: and run them all)
	$(BIN)/python -m publishing.student build/student $(NOTEBOOKS)
	$(if $(CHECK),$(subst --nbval ,--nbval-lax ,$(NBVAL)) build/student/notebooks)

measures: ### words, code, figures, folded cells, place of the first explorer: a row a notebook
	@$(PYTHON) -m publishing.measures

times: $(VENV)/.installed-lab ### measure each notebook on an idle machine and write the minutes into README and headers
	$(BIN)/python -m publishing.run_times $(NOTEBOOKS)

SWEEP := $(BIN)/python -m bal_utils.sweep
SIX := --seeds 0 1 2 3 4 5
THREE := --seeds 0 1 2
FOUR := bald variation_ratio entropy mean_std
KIRSCH := --protocol kirsch2019 $(SIX) --out figures/kirsch2019 --lanes
DRAWN := --scale paper $(SIX) --out figures/drawn_starts/kirsch2019 --lanes
GAL := --protocol gal2017-as-written $(THREE)
BFLOAT16 := --precision bfloat16
FIXED_STEPS := --protocol hundred-a-round-fixed-steps $(BFLOAT16) --jobs 2 --out
FRESH := --protocol hundred-a-round --posterior mc_dropout_fresh --out figures/query100_fresh
AS_FOUND := --protocol gal2017-as-found --jobs 2 --out

figures: $(VENV)/.installed-lab ### the runs of two CPU cores behind figures/, missing ones too (four hours of one core; continues where it stopped)
	$(SWEEP) --strategies random bald batchbald --seeds 0 --out figures/mnist_lecture
	$(SWEEP) --strategies random --seeds 1 2 --out figures/mnist_lecture
	set -e; for rule in accuracy nll; do $(SWEEP) --scale paper --num-samples 20 --batch-sizes 40 --labels 300 \
		--strategies random $(SIX) --stop-on $$rule --out figures/stop_on/$$rule; done
	$(SWEEP) $(GAL) --labels 300 --candidates 2000 --strategies bald variation_ratio mean_std --out figures/gal2017_candidates_cpu

REPLICATIONS := $(addprefix replicate-,gal gal-as-found query100 fixed-steps ones fives tens margin hundreds copies starts)
.PHONY: $(REPLICATIONS)
$(REPLICATIONS): $(VENV)/.installed-lab

replication: $(REPLICATIONS) ### the published protocols in full, for a GPU (make -j 10 replication; on two cores: weeks)

replicate-gal:
	$(SWEEP) $(GAL) --strategies random $(FOUR) --out figures/gal2017 --lanes 15
	$(SWEEP) $(GAL) --posterior deterministic --strategies entropy variation_ratio --out figures/gal2017 --lanes 6
	$(SWEEP) $(GAL) --labels 720 --candidates 2000 --strategies $(FOUR) --out figures/gal2017_candidates --lanes 12

# no lanes: they need epochs of one length, and here an epoch is a pass over what is labelled
# float32 where the processor does not know bfloat16
replicate-gal-as-found:
	$(SWEEP) $(AS_FOUND) figures/gal2017_as_found --labels 600 $(BFLOAT16) $(THREE) --strategies entropy
	$(SWEEP) $(AS_FOUND) figures/gal2017_as_found --labels 600 $(BFLOAT16) --seeds 0 1 --strategies bald variation_ratio
	$(SWEEP) $(AS_FOUND) figures/gal2017_as_found --labels 600 --seeds 2 --strategies bald variation_ratio
	$(SWEEP) $(AS_FOUND) figures/gal2017_as_found $(BFLOAT16) $(THREE) --strategies random mean_std
	$(SWEEP) $(AS_FOUND) figures/gal2017_as_found_glorot $(BFLOAT16) $(THREE) --model gal_cnn_3x3_glorot --labels 400 --strategies random bald

replicate-query100:
	$(SWEEP) --protocol hundred-a-round $(THREE) --strategies random bald batchbald margin entropy \
		--out figures/query100 --lanes 15
	$(SWEEP) $(FRESH) --seeds 0 $(BFLOAT16) --strategies bald
	$(SWEEP) $(FRESH) --seeds 1 2 --strategies bald
	$(SWEEP) $(FRESH) $(THREE) $(BFLOAT16) --strategies power_bald

# the same masks for all candidates, as joint scores need them, and masks drawn anew for each, as most scripts have them
replicate-fixed-steps:
	$(SWEEP) $(FIXED_STEPS) figures/query100_fixed_steps $(SIX) --strategies random bald batchbald power_bald
	$(SWEEP) $(FIXED_STEPS) figures/query100_fixed_steps $(SIX) --posterior mc_dropout_fresh --strategies bald margin entropy power_bald
	$(SWEEP) $(FIXED_STEPS) figures/query100_hundred_masks $(THREE) --num-samples 100 --strategies batchbald

replicate-ones:
	$(SWEEP) $(KIRSCH) 6 --batch-sizes 1 --labels 230 --strategies bald

replicate-fives:
	$(SWEEP) $(KIRSCH) 24 --batch-sizes 4 5 --strategies bald batchbald

replicate-tens:
	$(SWEEP) $(KIRSCH) 18 --strategies random bald batchbald

# on CPUs: three seeds to 150 labels, twenty minutes a run on a quiet core
replicate-margin:
	$(SWEEP) --protocol kirsch2019 $(THREE) --labels 150 --strategies margin power_bald --out figures/kirsch2019_margin --jobs 2

replicate-hundreds:
	$(SWEEP) $(KIRSCH) 12 --batch-sizes 40 --strategies bald batchbald
	$(SWEEP) $(KIRSCH) 12 --batch-sizes 100 --labels 320 --strategies bald batchbald
	$(SWEEP) --protocol kirsch2019 $(SIX) --batch-sizes 40 --strategies bald batchbald --stop-on accuracy \
		--out figures/stop_on/kirsch2019_b40 --lanes 12

replicate-copies:
	set -e; for copies in 2 3 5; do $(SWEEP) --protocol kirsch2019 $(THREE) --stop-on accuracy --copies $$copies \
		--validation-size 3072 --num-samples 10 --strategies random bald batchbald \
		--out figures/repeated_mnist_x$$copies --lanes 9; done

# twenty images of its own for each seed: what the shared start is worth
replicate-starts:
	$(SWEEP) $(DRAWN) 18 --strategies random bald batchbald
	$(SWEEP) $(DRAWN) 12 --batch-sizes 5 --strategies bald batchbald
	$(SWEEP) $(DRAWN) 6 --batch-sizes 1 --labels 230 --strategies bald

# the peers need versions of their own
build/bench/.installed: tests/benchmarks/requirements.txt constraints.txt pyproject.toml
	$(PYTHON) -m venv build/bench
	@build/bench/bin/python -m pip install --quiet --editable . --constraint constraints.txt
	@build/bench/bin/python -m pip install --quiet --no-deps --requirement $<
	@touch $@

bench: build/bench/.installed $(VENV)/.installed-test ### speed and memory against other packages, and how soon explorers answer (half an hour; BENCH=--quick: two minutes)
	build/bench/bin/python tests/benchmarks $(BENCH)
	$(BIN)/python tests/browser/latency.py

constraints: ### write constraints.txt anew (needs uv)
	uv pip compile --universal --python-version 3.11 --all-extras --no-annotate \
		--custom-compile-command 'make constraints' pyproject.toml -o constraints.txt

clean: ## remove the environment and all that was built
	rm -rf $(VENV) build bal_utils.egg-info .pytest_cache .ruff_cache
