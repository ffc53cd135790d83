# make            lists the targets
# make demo       sets up .venv and turns the built-in pair into a portrait
# make test       sets up .venv and runs every check
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
WORKERS ?= 2

.PHONY: help setup demo test check format bench clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

setup: .venv/.ready  ## make .venv with everything in it

.venv/.ready: pyproject.toml tools/set_up.sh
	PYTHON=$(PYTHON) sh tools/set_up.sh

demo: setup  ## the built-in Middlebury pair, start to end, into out/demo
	$(BIN)/stereo-portrait demo -o out/demo

test: setup check  ## format, lint, types, import contract, tests
	$(BIN)/pytest -n $(WORKERS) --dist worksteal

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy stereo_portrait
	$(BIN)/lint-imports

format: setup  ## let ruff rewrite the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup  ## benchmarks, ms per megapixel beside a named baseline
	$(BIN)/pytest tests/speed -m speed -s -p no:xdist

clean:  ## remove .venv and caches
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist *.egg-info
