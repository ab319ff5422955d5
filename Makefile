# Everything a person does with this checkout. Nothing is installed outside it but system packages.
PYTHON ?=  # /usr/bin/python3 if it is new enough, else the path's
BIN := .venv/bin
RUNTIME := .venv/.runtime-ready
DEV := .venv/.dev-ready
MAKEFLAGS += --no-print-directory
SIDE_BY_SIDE = $(MAKE) --jobs=3 --keep-going --output-sync=target
PYTEST := $(BIN)/python -m pytest
TESTS_WITH = $$(grep -rl --include='test_*.py' $(1) tests)  # the files of marks: to collect all of them takes 17 s of CPU, four times
SIDE_BY_SIDE_TESTS := --numprocesses=4 --dist=worksteal  # on two cores: some wait for a timer
unexport PYTHONDONTWRITEBYTECODE  # or every process compiles the house, and pytest the tests' asserts, again

.PHONY: run setup test check quick lint pages types floors fast brief cover clients-here screenshots chaos soak bench clients wallets catalog semantic evaluate generated lock clean help

run: $(RUNTIME) ## set up and serve on http://localhost:8080; ARGS="--port 9000" goes to serve
	@scripts/dashboard.sh
	@exec $(BIN)/tokenharbor serve $(ARGS)

setup: $(RUNTIME) ## only the set-up: afterwards .venv/bin/tokenharbor runs
	@scripts/dashboard.sh

test: $(DEV) ## every test, at length: crashes, floods and the real clients included
	@$(SIDE_BY_SIDE) lint pages types floors clients-here cover
	@$(PYTEST) -m "slow or hypothesis" $(SIDE_BY_SIDE_TESTS) --hypothesis-profile=thorough $(call TESTS_WITH,"mark.slow\|hypothesis")

check: $(DEV) ## lint, types, floors, house rules and fast tests, side by side
	@$(SIDE_BY_SIDE) lint pages types floors fast

quick: $(DEV) ## lint, types, floors, house rules and one case of each test of the rooms that changed since main
	@$(SIDE_BY_SIDE) lint pages types floors brief

lint:
	@$(BIN)/ruff check --quiet && $(BIN)/ruff format --check --quiet && echo "lint: clean"

pages:
	@dashboard/node_modules/.bin/oxlint --quiet dashboard && echo "pages: clean"

types:
	@$(BIN)/mypy

floors:
	@$(BIN)/lint-imports --no-logo

fast:
	@$(PYTEST) -m "not slow" $(SIDE_BY_SIDE_TESTS)

cover: # every fast test; those of properties run at length without the tracer, which would make them twice as long
	@$(PYTEST) -m "not slow" $(SIDE_BY_SIDE_TESTS) --cov --cov-report=term

clients-here: # installs the real clients and the browser while the other core checks types, not while tests wait for them
	@$(BIN)/python -m tests.e2e.clients.pairs
	@$(BIN)/python -m tests.browser.chromium

brief:
	@$(PYTEST) -m "not slow" $(SIDE_BY_SIDE_TESTS) --one-case $$(scripts/changed_rooms.sh)

chaos: $(DEV) ## kill, stop and cut off several gateways at length: about 20 minutes
	$(PYTEST) tests/e2e/fleet --at-length --ignore=tests/e2e/fleet/test_soak.py

soak: $(DEV) ## half an hour of mixed traffic with faults at half capacity: memory stays, nothing is left over
	$(PYTEST) tests/e2e/fleet/test_soak.py --at-length --capture=no

screenshots: $(DEV) ## every page from a seeded account, light and dark, desktop and phone, into docs/screenshots (about 5 minutes)
	$(BIN)/python -m tests.browser.screenshots $(ARGS)

bench: $(DEV) ## measure, and write the table of bench/README.md; ARGS="--against COMMIT" compares with a commit
	$(BIN)/python -m bench $(ARGS)

clients: $(DEV) ## run every real client against every upstream dialect, and write the table of docs/clients.md (about 20 minutes; ARGS=--resume goes on)
	$(BIN)/python -m tests.e2e.clients.matrix $(ARGS)

wallets: $(DEV) ## run every real client with an empty wallet, and write the other table of docs/clients.md
	$(BIN)/python -m tests.e2e.clients.wallet $(ARGS)

catalog: $(DEV) ## make the catalogue's files from the published prices; ARGS="--second PRICES.json" makes docs/prices.md too
	$(BIN)/python scripts/make_catalog.py $(ARGS)

semantic: $(RUNTIME) ## install what the semantic cache needs: about 130 MB
	@scripts/semantic.sh

evaluate: $(DEV) ## what the semantic cache would serve of question pairs: DATA=pairs.jsonl, PART=test or development
	$(BIN)/python scripts/cache/evaluate.py $(DATA) --part $(or $(PART),test)

generated: $(DEV) ## the dashboard's typed client and its words, anew from the API and the pages
	$(BIN)/python scripts/dashboard_generated.py

lock: $(DEV) ## resolve the dependencies anew
	scripts/lock.sh

clean: ## remove what the set-up and the tools made
	rm -rf dashboard/node_modules dashboard/dist* .venv .tools .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

$(RUNTIME): requirements.lock pyproject.toml scripts/setup.sh
	@PYTHON="$(PYTHON)" scripts/setup.sh requirements.lock
	@touch $@

$(DEV): requirements-dev.lock requirements-semantic.lock pyproject.toml scripts/setup.sh
	@PYTHON="$(PYTHON)" scripts/setup.sh requirements-dev.lock
	@touch $@ $(RUNTIME)
