# make train and make test make the environment by themselves, in $(VENV).
#   TORCH=cpu     the small CPU build of torch;  TORCH=default  the one of the package index, with CUDA on Linux
#   ARGS="..."    overrides for make train:      make train ARGS="model=attention trainer.max_epochs=10"
PYTHON ?= python3
VENV ?= .venv
TORCH ?= default
ARGS ?=
BIN := $(VENV)/bin
OLDEST := $(VENV)-oldest
OLDEST_EXTRAS := text images moses search report parquet tune checks
STAMP := $(VENV)/.installed-$(TORCH)
# Of two builds of one version, pip prefers the one that names its kind, +cpu.
TORCH_INDEX_cpu := --extra-index-url https://download.pytorch.org/whl/cpu

.DEFAULT_GOAL := help
.PHONY: help train pictures test test-all test-oldest lint bench results clean

help:
	@echo "make train     train the default model on the built-in corpus, show translations"
	@echo "make pictures  draw the built-in pictures, train a model on them, search them by words"
	@echo "make test      run the tests"
	@echo "make test-all  run all tests, and those that take minutes: SOAK_SECONDS=900 SOAK_SEED=1"
	@echo "make test-oldest  run the tests with the lowest versions that pyproject.toml allows, in an environment of their own"
	@echo "make lint      ruff, mypy, the layers of imports, names and phrases"
	@echo "make bench     measure speed"
	@echo "make results   render RESULTS.md from results/"

train: $(STAMP)
	$(BIN)/python train.py $(ARGS)

# Of the classes that are looked for, "sail boat" and "red bird" are held out: the model has seen no picture of them.
pictures: $(STAMP)
	@set -e; \
	run=$$($(BIN)/python train.py experiment=pictures $(ARGS) | tee -a /dev/stderr | sed -n 's/^run: //p'); \
	test -n "$$run"; root=$$(sed -n 's/^  root: //p' "$$run/config.yaml"); \
	$(BIN)/seqvise index run="$$run" images="$$root/test"; \
	$(BIN)/python search.py run="$$run" sheet="$$run/sheet.png" query="sail boat" query="red bird" \
	  query="wing house - house + boat" query=striped query=yellow query=wheel; \
	echo "contact sheet: $$run/sheet.png"

test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 8 --dist loadfile

# Those that take minutes run alone, so that what they measure and kill is theirs.
test-all: test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow -s

# Old packages warn of what their newer dependencies are about to remove, which is no fault of the tests. The lowest
# versions have no wheels for later Pythons.
test-oldest: $(STAMP)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv venv --quiet --clear --python 3.11 $(OLDEST)
	$(BIN)/uv pip compile --quiet --resolution lowest-direct --python-version 3.11 $(OLDEST_EXTRAS:%=--extra %) \
	  pyproject.toml --output-file $(OLDEST)/requirements.txt
	$(BIN)/uv pip install --quiet --python $(OLDEST) --requirements $(OLDEST)/requirements.txt
	$(BIN)/uv pip install --quiet --python $(OLDEST) --no-deps --editable .
	OMP_NUM_THREADS=1 $(OLDEST)/bin/python -m pytest -n auto --maxprocesses 8 --dist loadfile \
	  -W ignore::DeprecationWarning -W ignore::FutureWarning

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.style

bench: $(STAMP)
	$(BIN)/python -m benchmarks

results: $(STAMP)
	$(BIN)/python -m results

# The stamp is older than pyproject.toml when what is needed has changed.
$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet $(TORCH_INDEX_$(TORCH)) --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) $(OLDEST) build dist
