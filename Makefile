# All targets create the environment in $(VENV) if it is missing.
#   TORCH=cpu     the small CPU build of torch;  TORCH=default  the build of the package index, with CUDA on Linux
#   ARGS="..."    overrides for make train:      make train ARGS="model=attention trainer.max_epochs=10"
PYTHON ?= python3
VENV ?= .venv
TORCH ?= default
ARGS ?=
BIN := $(VENV)/bin
OLDEST := $(VENV)-oldest
OLDEST_EXTRAS := text images moses search report parquet tune checks
STAMP := $(VENV)/.installed-$(TORCH)
# Only torch and torchvision, whose versions belong together, come from the second index; the rest from the default one.
TORCH_INSTALL_cpu = $(BIN)/python -m pip install --quiet torch torchvision --index-url https://download.pytorch.org/whl/cpu

.DEFAULT_GOAL := help
.PHONY: help train pictures test test-all test-oldest lint bench results clean

help:
	@echo "make train        train the default model on the built-in corpus and print translations"
	@echo "make pictures     draw the built-in images, train a model on them and search them by words"
	@echo "make test         run the tests"
	@echo "make test-all     run all tests, including those that take minutes (SOAK_SECONDS=900 SOAK_SEED=1)"
	@echo "make test-oldest  run the tests with the lowest versions that pyproject.toml allows, in a separate environment"
	@echo "make lint         check style, types, import layers, names and phrases"
	@echo "make bench        measure speed"
	@echo "make results      render RESULTS.md and docs/results/ from results/"
	@echo "make clean        delete the environments and build folders"

train: $(STAMP)
	$(BIN)/python train.py $(ARGS)

# The queries "sail boat" and "red bird" are held-out classes: the model has seen no image of them.
pictures: $(STAMP)
	@set -e; \
	run=$$($(BIN)/python train.py experiment=pictures $(ARGS) | tee -a /dev/stderr | sed -n 's/^run: //p'); \
	test -n "$$run"; root=$$(sed -n 's/^  root: //p' "$$run/config.yaml"); \
	$(BIN)/seqvise index run="$$run" images="$$root/test"; \
	$(BIN)/python search.py run="$$run" sheet="$$run/sheet.png" query="sail boat" query="red bird" \
	  query="wing house - house + boat" query=striped query=yellow query=wheel; \
	echo "contact sheet: $$run/sheet.png"

test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder

# Slow tests run one at a time: they measure time and kill processes.
test-all: test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow -s

# Old packages raise deprecation warnings about their newer dependencies, which the tests ignore. The lowest versions have
# no wheels for later Python versions.
test-oldest: $(STAMP)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv venv --quiet --clear --python 3.11 $(OLDEST)
	$(BIN)/uv pip compile --quiet --resolution lowest-direct --python-version 3.11 $(OLDEST_EXTRAS:%=--extra %) \
	  pyproject.toml --output-file $(OLDEST)/requirements.txt
	$(BIN)/uv pip install --quiet --python $(OLDEST) --requirements $(OLDEST)/requirements.txt
	$(BIN)/uv pip install --quiet --python $(OLDEST) --no-deps --editable .
	OMP_NUM_THREADS=1 $(OLDEST)/bin/python -m pytest -n auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder \
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

# Reinstall when pyproject.toml is newer than the stamp, because the dependencies may have changed.
$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(TORCH_INSTALL_$(TORCH))
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) $(OLDEST) build dist
