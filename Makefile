# `make` lists the targets. Each sets up what it needs, also in a fresh clone.

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow run bench bench-scale profile chaos deploy-check clean-data api worker migrate check setup

# Python 3.11 or newer; to choose another: make PYTHON=/path/to/python setup
PYTHON ?= $(shell command -v python3.11 || command -v python3)
# Three test processes suit two cores, because tests often wait for their servers. Further arguments:
# make test ARGS="-k cancel"
PYTEST_FLAGS ?= -n 3
ARGS ?=
# Duration of `make chaos` in seconds.
export CHAOS_SECONDS ?= 120

IN := .venv/bin
READY := .venv/installed node_modules/.package-lock.json

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(READY) ## eight bookings with different outcomes, on a separate stack; exits 0 if every promise holds
	@exec $(IN)/python -m sandbox.demo $(ARGS)

test: $(READY) ## the quick tests
	@exec $(IN)/python -m pytest $(PYTEST_FLAGS) -m "not slow" $(ARGS)

test-slow: $(READY) ## the slow tests: crashes, outages, races, every page, every failure of a step
	@exec $(IN)/python -m pytest $(PYTEST_FLAGS) -m slow $(ARGS)

run: $(READY) ## everything on this machine, until Ctrl-C; addresses in var/run.json
	@exec $(IN)/python -m sandbox.run $(ARGS)

bench: $(READY) .venv-dbos/installed ## measure, in less than ten minutes; results in bench/out/
	@exec $(IN)/python -m bench $(ARGS)

bench-scale: $(READY) ## measure a crowd, 10,000 waiting bookings, 1,000 deadlines, a crash, a million rows; half an hour
	@exec $(IN)/python -m bench --only crowd --only waiting --only kill --only rows --name scale $(ARGS)

profile: $(READY) ## where worker and API spend their time under load; a minute and a half, flame graphs in bench/out/
	@exec $(IN)/python -m bench.profile $(ARGS)

chaos: $(READY) ## kill random parts under load for CHAOS_SECONDS, then check every promise
	@exec $(IN)/python -m bench.chaos $(ARGS)

deploy-check: $(READY) ## run the Compose file beside the stand-ins; needs a container engine
	@exec $(IN)/python -m sandbox.deploy_check

clean-data: $(READY) ## delete the data of `make run`
	@exec $(IN)/python -m sandbox.run.forget

api: $(READY) ## the API alone, configured by the environment; PORT, HOST
	@exec $(IN)/python -m api

worker: $(READY) ## a worker alone, configured by the environment
	@exec $(IN)/python worker.py

migrate: $(READY) ## tables, search attributes and schedules, configured by the environment
	@exec $(IN)/python manage.py migrate

check: $(READY) ## style, types and the direction of imports
	$(IN)/ruff check .
	$(IN)/ruff format --check .
	$(IN)/mypy .
	$(IN)/lint-imports

setup: $(READY) ## .venv and node_modules from the lock files; every other target does this first

.venv/installed: requirements-dev.lock
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0])'
	@echo "setting up .venv from $<, which takes a minute or two"
	@$(PYTHON) -m venv .venv
	@$(IN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r $<
	@touch $@

# An engine to compare with, apart from the product's packages. Without it, the benchmark leaves it out.
.venv-dbos/installed: bench/dbos/requirements.lock
	@$(PYTHON) -m venv .venv-dbos
	@if .venv-dbos/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r $<; then \
		touch $@; \
	else \
		rm -r .venv-dbos; \
		echo "DBOS could not be installed: the benchmark leaves it out"; \
	fi

# Scripts for the pages. Without npm all else works, and pages have no scripts.
node_modules/.package-lock.json: package-lock.json
	@if command -v npm > /dev/null; then \
		echo "filling node_modules from $<"; \
		npm ci --ignore-scripts --no-audit --no-fund --loglevel=error && touch $@; \
	else \
		echo "npm is not installed: pages will not update by themselves"; \
	fi
