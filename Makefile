# Everything a person types in this project. Each target makes the environment it needs first.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help up demo kafka test test-chaos check contracts bench lock clean format

# Where `make up` and `make demo` listen, and keep their data: make up PORT=8081 DATA=/srv/nextbuy
PORT ?= 8080
DATA ?= var

PY := .venv/bin/python
# A person's own settings of Python and pip do not reach the project's environment.
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV

help: ## what can be typed here
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

up: .venv/.runtime ## the whole marketplace on one port (PORT=8080 DATA=var)
	@$(PY) -m nextbuy up --port $(PORT) --data $(DATA)

demo: .venv/.runtime ## both examples of the specification, acted and drawn, beside a running `make up` (PORT=8080)
	@$(PY) -m nextbuy demo --url http://127.0.0.1:$(PORT)

kafka: ## a real Apache Kafka to run it on, where there is Java (PORT=9092)
	@tools/kafka $(if $(filter command line environment,$(origin PORT)),--port $(PORT))

test: .venv/.dev ## every test, those on Kafka where there is Java; one file: make test ONLY=tests/order
	@$(PY) -m pytest $(ONLY)

test-chaos: .venv/.dev ## 5,000 orders on each bus while its broker, the kafka service and PostgreSQL are killed
	@NEXTBUY_TEST_CHAOS_ORDERS=5000 $(PY) -m pytest tests/chaos

check: .venv/.dev ## format, lint, types, walls between the services, dead and duplicate code
	@$(PY) tools/check.py

contracts: .venv/.dev ## takes what was added to events, calls and public routes into their history
	@$(PY) -m tools.contracts --accept

format: .venv/.dev ## puts the code into its format
	@$(PY) -m ruff format --quiet .
	@$(PY) -m ruff check --quiet --fix .

bench: .venv/.dev ## the figures the documents quote, measured on this machine
	@$(PY) -m bench

lock: .venv/.dev ## both lock files anew, for every Python and machine that we run on
	@tools/lock

clean: ## forgets the environment and every cache, never the data
	@rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	@find src tests tools -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

# What is developed with holds what is run with: whoever has the first is not asked for the second.
.venv/.runtime: requirements.lock pyproject.toml tools/venv
	@tools/venv $(if $(wildcard .venv/.dev),requirements-dev.lock,requirements.lock)
	@touch $@ $(wildcard .venv/.dev)

.venv/.dev: requirements-dev.lock requirements.lock pyproject.toml tools/venv
	@tools/venv requirements-dev.lock
	@touch .venv/.runtime $@
