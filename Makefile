# Everything a person does with this checkout. Nothing is installed outside it but system packages.
PYTHON ?= python3
BIN := .venv/bin
RUNTIME := .venv/.runtime-ready
DEV := .venv/.dev-ready

.PHONY: run setup test check bench lock catalog clean help

help: ## this list
	@grep -hE '^[a-z]+:.*## ' Makefile | sed 's/:.*## /\t/' | expand -t 10

run: $(RUNTIME) ## set up and serve on http://127.0.0.1:8080
	@exec $(BIN)/tokenharbor serve

setup: $(RUNTIME) ## only the set-up: afterwards .venv/bin/tokenharbor runs

test: $(DEV) check ## every test, the real clients' included
	$(BIN)/python -m pytest -m slow

check: $(DEV) ## lint, types, floors, fast tests
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m pytest -m "not slow"

bench: $(DEV) ## measure, and write the table of bench/README.md
	$(BIN)/python -m bench

catalog: $(DEV) ## make the catalogue's files anew from the published prices
	$(BIN)/python scripts/make_catalog.py

lock: $(DEV) ## resolve the dependencies anew
	scripts/lock.sh

$(RUNTIME): requirements.lock pyproject.toml scripts/setup.sh
	@PYTHON="$(PYTHON)" scripts/setup.sh requirements.lock
	@touch $@

$(DEV): requirements-dev.lock pyproject.toml scripts/setup.sh
	@PYTHON="$(PYTHON)" scripts/setup.sh requirements-dev.lock
	@touch $@ $(RUNTIME)

clean: ## remove what the set-up made
	rm -rf .venv .tools .mypy_cache .ruff_cache .pytest_cache .hypothesis
