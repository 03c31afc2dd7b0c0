# `make demo` and `make test` set up everything they need; `make help` lists the rest.
PYTHON ?= python3
PORT ?= 8080
PARTNER_PORT ?= 8081
VENV := .venv
BIN := $(VENV)/bin

# Where the environment forbids Python to keep what it compiled, each of many processes compiles all anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test check format bench screenshots wheel lock clean

help:
	@echo "make demo         run the service and a partner's site with a demo tenant (PORT, PARTNER_PORT move them)"
	@echo "make test         run every check and test, browser tests included"
	@echo "make check        lint, format and type checks only"
	@echo "make format       put the code in order"
	@echo "make bench        measure the hot paths, as ratios to a baseline of the same run"
	@echo "make screenshots  take the README's pictures anew"
	@echo "make wheel        build dist/widgetsvc-*.whl"
	@echo "make lock         pin the dependencies anew (needs uv)"
	@echo "make clean        remove what the other targets made"

demo: $(VENV)/.runtime node_modules/.elements
	@$(BIN)/python -m widgetsvc demo --port $(PORT) --partner-port $(PARTNER_PORT) --data-dir .demo

test: check node_modules/.all
	@npm run --silent check
	@e2e/ensure-browser $(BIN)
	@tests/ensure-servers
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --ignore tests/alone
	$(BIN)/python -m pytest tests/alone

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.dev node_modules/.all
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	@npm run --silent format

bench: $(VENV)/.dev node_modules/.all
	@$(BIN)/python -m bench.gateway
	@$(BIN)/python -m bench.renewals
	@$(BIN)/python -m bench.token_memory
	@$(BIN)/python -m bench.embed
	@$(BIN)/python -m bench.availability
	@$(BIN)/python -m bench.growth
	@$(BIN)/python -m bench.upserts

screenshots: $(VENV)/.dev node_modules/.all
	@e2e/ensure-browser $(BIN)
	$(BIN)/python -m pytest e2e/test_demo.py e2e/test_states.py
	cp e2e/artifacts/demo-store.png e2e/screenshots/store.png
	cp e2e/artifacts/demo-stranger.png e2e/screenshots/refused.png
	cp e2e/artifacts/state-de.png e2e/screenshots/german.png
	cp e2e/artifacts/state-ar.png e2e/screenshots/arabic.png

wheel: $(VENV)/.dev
	$(BIN)/python -m build --wheel --no-isolation

lock:
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --upgrade \
	  --custom-compile-command "make lock" pyproject.toml -o requirements.txt
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --upgrade -c requirements.txt \
	  --custom-compile-command "make lock" pyproject.toml --group dev -o requirements-dev.txt

clean:
	rm -rf $(VENV) node_modules dist .demo .mypy_cache .pytest_cache .ruff_cache .hypothesis e2e/artifacts

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("widgetsvc needs Python 3.11 or newer; set PYTHON=…") if sys.version_info < (3, 11) else 0'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

$(VENV)/.dev: requirements-dev.txt pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.txt
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.runtime

# The bundle alone is enough to serve; the tests also run Cronofy's Node SDK.
node_modules/.elements: package-lock.json | npm
	npm ci --omit=dev --loglevel=error
	@touch $@

node_modules/.all: package-lock.json | npm
	npm ci --loglevel=error
	@touch $@ node_modules/.elements

.PHONY: npm
npm:
	@command -v npm >/dev/null || { echo "npm is needed for the UI Elements bundle: install Node.js 20 or newer" >&2; exit 1; }
