# make demo   a frame of jobs becomes labeled videos under demo/
# make test   lint, types and tests, in a venv of the project's own
# make bench  speed and memory against stated baselines
# make docs   the pictures of the docs and the notebooks' outputs
# make site   the documentation as web pages under dist/site
# make lowest the fast tests with the lowest versions that pyproject.toml promises
# make peers  train on exports with torchvision and Ultralytics, in a venv of its own (5 GB)
.PHONY: demo test types kernels bench docs site lowest peers format clean

PY := .venv/bin/python

# Containers often forbid Python to keep compiled modules. The tests start hundreds of processes, and
# each would compile the project's modules again.
unexport PYTHONDONTWRITEBYTECODE

demo: .venv/.engine
	$(PY) -m infinity_frames demo demo

test: .venv/.test
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	$(MAKE) --no-print-directory --output-sync --jobs 2 types kernels
	$(PY) -m pytest -n 2 --dist worksteal -q

# One core each, so they run side by side.
types: .venv/.test
	.venv/bin/lint-imports
	.venv/bin/mypy

kernels: .venv/.test
	$(PY) -m scripts.kernels

bench: .venv/.test
	$(PY) -m bench

docs: .venv/.test
	$(PY) -m scripts.gallery
	$(PY) -m scripts.contact_sheets
	$(PY) -m scripts.pages
	$(PY) -m scripts.notebooks

site: .venv/.test
	$(PY) -m sphinx -q -W --keep-going -b html docs dist/site

lowest:
	./scripts/lowest.sh

peers:
	./scripts/peers.sh

format: .venv/.test
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

.venv/.engine: pyproject.toml scripts/setup.sh
	./scripts/setup.sh engine
	touch $@

.venv/.test: pyproject.toml scripts/setup.sh
	./scripts/setup.sh engine,experiments,test,docs
	touch $@

clean:
	rm -rf .venv demo dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
