# Everything a developer runs. The first call makes .venv; later ones reuse it until
# pyproject.toml changes. Another interpreter: make PYTHON=python3.12 test

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
JETS := ../shared/data/jets_pythia_100k.npz

.PHONY: help demo test test-all lint bench bench-circuits bench-shapes docs sample clean
.DELETE_ON_ERROR:

help:
	@echo "make demo      trained tagger to verified firmware and report.html, in minutes"
	@echo "make test      lint, types, floors and the fast tests"
	@echo "make test-all  the same with the slow tests"
	@echo "make bench     measure against other compilers (installs them)"
	@echo "make bench-circuits  the circuits only: LUTs, registers, latency, solver, engine"
	@echo "make bench-shapes  folded, streaming and recurrent designs: cycles and resources"
	@echo "make docs      build the documentation into site/"
	@echo "make clean     remove .venv and everything built"

demo: $(VENV)/installed
	$(BIN)/gatewright demo

test: lint
	$(BIN)/python -m pytest -n auto

test-all: lint
	$(BIN)/python -m pytest -n auto -m "slow or not slow"

lint: $(VENV)/installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/installed-bench
	$(BIN)/python bench/run.py

bench-circuits: $(VENV)/installed-bench
	$(BIN)/python bench/run.py --circuits

bench-shapes: $(VENV)/installed-bench
	$(BIN)/python bench/shapes.py --keep

docs: $(VENV)/installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# Make the demo's material again, from the full jet sample and with PyTorch.
sample: $(VENV)/installed-keras
	$(BIN)/python scripts/make_demo_sample.py $(JETS)
	$(BIN)/python scripts/train_tagger.py $(JETS)
	$(BIN)/python bench/make_models.py $(JETS)

$(VENV)/created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Gatewright needs Python 3.11 or newer: make PYTHON=python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
		{ echo "$(PYTHON) cannot make virtual environments: apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

# The source is used in place (-e); only a change of the dependencies calls for a new install.
$(VENV)/installed: pyproject.toml | $(VENV)/created
	$(PIP) -e .
	@touch $@

$(VENV)/installed-%: pyproject.toml | $(VENV)/created
	$(PIP) -e ".[$*]"
	@touch $@

clean:
	rm -rf $(VENV) build dist site demo-out .pytest_cache .mypy_cache .ruff_cache .hypothesis \
		.import_linter_cache src/gatewright.egg-info
	find src tests bench scripts -name __pycache__ -type d -prune -exec rm -rf {} +
