# Thin aliases; every line can be typed by hand. `make help` lists them.

PYTHON ?= python3
VENV ?= .venv
# PyTorch's CPU build is a tenth of the CUDA build. pip takes it where an index or a
# find-links of its configuration offers it; elsewhere name PyTorch's own index:
#   make venv-train TORCH_INDEX=https://download.pytorch.org/whl/cpu
# One version is pinned, so that an index with a newer CUDA build does not win.
TORCH ?= torch==2.13.0
TORCH_INDEX ?=
# Tests run on two processes; PYTEST_ARGS="-k array" and the like narrow them.
PYTEST_ARGS ?=

BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
EXTRAS := qonnx,larq,sim,ice40,gowin,dev

.DEFAULT_GOAL := help
.PHONY: help venv venv-train demo test check format bench docs clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

venv: $(STAMP)  ## make .venv with everything but PyTorch, from PyPI

$(STAMP): pyproject.toml
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off \
	    --editable '.[$(EXTRAS)]'
	touch $@

venv-train: $(STAMP)  ## add PyTorch to it, for python -m sw.train
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off \
	    $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) --editable '.[train]' '$(TORCH)'

demo: $(STAMP)  ## build, simulate and verify examples/fashion.npz, from nothing
	$(BIN)/python -m sim.demo

check: $(STAMP)  ## lint, format and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/basedpyright --pythonpath $(BIN)/python

test: check  ## every test: check, unit, cocotb, whole SoC, place and route
	$(BIN)/python -m pytest -n 2 $(PYTEST_ARGS)

format: $(STAMP)  ## apply ruff's fixes and formatting
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(STAMP)  ## the figures of the README's table
	$(BIN)/python -m benchmarks.size
	$(BIN)/python -m benchmarks.throughput

docs: $(STAMP)  ## the manual, in build/docs; warnings are errors
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off --quiet \
	    --editable '.[docs]'
	$(BIN)/python -m sphinx -W --keep-going -b html docs build/docs

clean:  ## remove what was built; the virtual environment stays
	rm -rf build sim_build .pytest_cache .ruff_cache .hypothesis
