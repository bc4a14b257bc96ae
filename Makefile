# The commands of this project. Each target first creates or updates the environment that it needs.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help up demo kafka test test-api test-browser test-chaos smoke mutants check contracts docs bench lock clean format

# The port and the data folder of `make up` and `make demo`: make up PORT=8081 DATA=/srv/nextbuy
PORT ?= 8080
DATA ?= var
# With KAFKA=1, the port of the Kafka beside `make up`.
KAFKA_PORT ?= 9092
# The orders of `make test-chaos` on each bus.
ORDERS ?= 5000

PY := .venv/bin/python
# The environment of the project ignores your own settings of Python. Without compiled files, each start compiles all code.
unexport PYTHONPATH PYTHONHOME PYTHONDONTWRITEBYTECODE VIRTUAL_ENV

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

up: .venv/.runtime ## run the whole marketplace on one port (PORT=8080 DATA=var), with Java also on Kafka (KAFKA=1)
	@$(if $(KAFKA),tools/kafka --data $(DATA)/kafka --port $(KAFKA_PORT) -- )$(PY) -m nextbuy up --port $(PORT) --data $(DATA)

demo: .venv/.runtime ## act the five examples of the specification on a running `make up` (PORT=8080), and draw them
	@$(PY) -m nextbuy demo --url http://127.0.0.1:$(PORT)

kafka: ## run an Apache Kafka for the marketplace; needs Java (PORT=9092)
	@tools/kafka $(if $(filter command line environment,$(origin PORT)),--port $(PORT))

test: .venv/.dev ## run the tests, those on Kafka if Java is installed (ONLY=tests/order COVERAGE=1)
	@$(PY) -m pytest $(if $(COVERAGE),-p tests.coverage_floors --cov --cov-report=term --cov-report=json) $(ONLY)

test-chaos: .venv/.dev ## run the long tests: kills during thousands of orders on each bus, an outage, growth (ORDERS=5000)
	@NEXTBUY_TEST_CHAOS_ORDERS=$(ORDERS) NEXTBUY_TEST_OUTAGE=120 NEXTBUY_TEST_CHECKOUTS=3000 NEXTBUY_TEST_SLACK=20 NEXTBUY_TEST_EVENTS=10000 $(PY) -m pytest -n 2 --maxfail 10 -m "chaos or scaled" $(ONLY)

test-api: .venv/.dev ## send generated requests for minutes, and lint the API document (NEXTBUY_TEST_API_SECONDS=240)
	@$(PY) -m pytest -m api -n 0 -p no:randomly -rA tests/api

test-browser: .venv/.dev ## run all journeys in a real browser; needs Chromium (ONLY=tests/browser/test_smoke.py)
	@$(PY) -m pytest -n 0 -m "browser or not browser" $(if $(ONLY),$(ONLY),tests/browser)

smoke: .venv/.dev ## install and start the marketplace on the other supported Pythons that are found
	@$(PY) -m pytest -m smoke -n 0 tests/smoke

mutants: .venv/.dev ## break the rules, the SQL and the locks; the tests must notice each fault (ONLY=refresh)
	@$(PY) -m tools.mutants $(if $(ONLY),"$(ONLY)")

check: .venv/.dev ## check format, lint, types, imports, dead and duplicate code, names, and prose
	@$(PY) tools/check.py

contracts: .venv/.dev ## accept additive contract changes into history.json
	@$(PY) -m tools.contracts --accept

docs: .venv/.dev ## generate docs/settings.md, and the texts of the pages for translators
	@$(PY) -m tools.settings --write
	@$(PY) -m tools.messages --write

format: .venv/.dev ## format the code
	@$(PY) -m ruff format --quiet .
	@$(PY) -m ruff check --quiet --fix .
	@$(PY) -m tools.scripts --write

bench: .venv/.dev ## measure the figures of docs/benchmarks.md on this machine (QUICK=1: in a few minutes)
	@$(PY) -m bench $(if $(QUICK),--quick)

lock: .venv/.dev ## resolve both lock files, for every supported Python and platform
	@tools/lock

clean: ## delete the environment and all caches, never the data
	@rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	@find src tests tools -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

# The development environment contains the runtime one, so that `make up` uses it if it exists.
.venv/.runtime: requirements.lock pyproject.toml tools/venv
	@tools/venv $(if $(wildcard .venv/.dev),requirements-dev.lock,requirements.lock)
	@touch $@ $(wildcard .venv/.dev)

.venv/.dev: requirements-dev.lock requirements.lock pyproject.toml tools/venv
	@tools/venv requirements-dev.lock
	@touch .venv/.runtime $@
