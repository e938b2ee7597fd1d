# Every target makes .venv by itself; all that is needed beforehand is Python 3.11+ and make.
PYTHON ?= python3
BIN := .venv/bin
.DEFAULT_GOAL := help

.PHONY: help demo test check format bench fuzz lock clean
help: ## Show this list
	@grep -E '^[a-z]+:.*## ' Makefile | sed -E 's/:.*## /\t/'

.venv/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: .venv/.ready ## Scripted provider, gateway and a few agent turns; serves until Ctrl-C
	$(BIN)/aibridge demo

test: check ## Lint, types, import contracts, unit and integration tests
	$(BIN)/python -m pytest -n 2

check: .venv/.ready ## Lint, format, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/.ready ## Rewrite files in the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/.ready ## Compare with a bare relay; prints ratios
	$(BIN)/python bench/run.py

fuzz: .venv/.ready ## Fuzz every parser for half a minute; needs `pip install atheris`
	$(BIN)/python fuzz/run.py

lock: .venv/.ready ## Write the versions in .venv to constraints.txt
	$(BIN)/python -m pip freeze --exclude-editable --exclude aibridge > constraints.txt

clean: ## Remove .venv and caches
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
