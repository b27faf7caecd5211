# `make` lists the targets. Each sets up what it needs, from a fresh clone too.

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow run bench chaos deploy-check clean-data api worker migrate check setup

# Python 3.11 or newer; another one: make PYTHON=/path/to/python setup
PYTHON ?= $(shell command -v python3.11 || command -v python3)
# How tests are run: three processes, which on two cores wait for their servers a good part of the time. More on top:
# make test ARGS="-k cancel"
PYTEST_FLAGS ?= -n 3
ARGS ?=
# Seconds of faults in `make chaos`.
export CHAOS_SECONDS ?= 120

IN := .venv/bin
READY := .venv/installed node_modules/.package-lock.json

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(READY) ## seven bookings, each to another end, on a stack of its own; exits 0 if every promise held
	@exec $(IN)/python -m sandbox.demo $(ARGS)

test: $(READY) ## the tests, but for the slow ones
	@exec $(IN)/python -m pytest $(PYTEST_FLAGS) -m "not slow" $(ARGS)

test-slow: $(READY) ## the slow tests: crashes, outages, races, every page and every way for a step to fail
	@exec $(IN)/python -m pytest $(PYTEST_FLAGS) -m slow $(ARGS)

run: $(READY) ## everything on this machine, until Ctrl-C; addresses in var/run.json
	@exec $(IN)/python -m sandbox.run $(ARGS)

bench: $(READY) ## measure, in less than ten minutes; results in bench/out/
	@exec $(IN)/python -m bench $(ARGS)

chaos: $(READY) ## kill parts at random under load for CHAOS_SECONDS, then check every promise
	@exec $(IN)/python -m bench.chaos $(ARGS)

deploy-check: $(READY) ## the Compose file for real, beside the stand-ins; exits 3 without a container engine
	@exec $(IN)/python -m sandbox.deploy_check

clean-data: $(READY) ## forget what `make run` kept
	@exec $(IN)/python -m sandbox.run.forget

api: $(READY) ## the API alone, from the environment; PORT, HOST
	@exec $(IN)/python -m api

worker: $(READY) ## a worker alone, from the environment
	@exec $(IN)/python worker.py

migrate: $(READY) ## tables, search attributes and schedules, from the environment
	@exec $(IN)/python manage.py migrate

check: $(READY) ## style, types and the direction of imports
	$(IN)/ruff check .
	$(IN)/ruff format --check .
	$(IN)/mypy .
	$(IN)/lint-imports

setup: $(READY) ## .venv and node_modules, as the lock files say; every other target does this first

.venv/installed: requirements-dev.lock
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0])'
	@echo "setting up .venv from $<, which takes a minute or two"
	@$(PYTHON) -m venv .venv
	@$(IN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r $<
	@touch $@

# What pages load in a browser. Without npm everything else works, and pages do without script.
node_modules/.package-lock.json: package-lock.json
	@if command -v npm > /dev/null; then \
		echo "filling node_modules from $<"; \
		npm ci --ignore-scripts --no-audit --no-fund --loglevel=error && touch $@; \
	else \
		echo "npm is not installed: pages will not change by themselves"; \
	fi
