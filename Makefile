# Each target sets up what it needs in .venv; plain equivalents are in README.rst.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TESTS ?= discover -s tests -t .
CHAOS ?= 10
RUNS ?= 20
JOBS ?= 1
ROOMS ?=
SEED ?= $(shell date +%s)

.PHONY: demo test lint bench fuzz chaos races score rie interop clean

demo: $(VENV)/.installed
	$(BIN)/python examples/hello.py
	cd examples && ../$(BIN)/lambda-sim invoke --handler app.handler --event '{"name": "Ada"}'

test: $(VENV)/.test
	$(BIN)/python -W error -m unittest $(TESTS)

lint: $(VENV)/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.test
	$(BIN)/python -m benchmarks

# Minutes of what nobody would send, with seeds counted up: MINUTES=60 for longer. With an allocator
# that keeps little of what is freed, so that memory can be watched.
MINUTES ?= 5
fuzz: $(VENV)/.test
	$(BIN)/python -W error -m tests.fuzz --minutes $(MINUTES)

# What is held of the contract, by us and by AWS's emulator, written into docs/fidelity.rst.
score: $(VENV)/.installed
	$(BIN)/python -m tests.conformance.score --write

# AWS's emulator, into .cache: the suite compares the page with it if it is there.
rie: $(VENV)/.installed
	$(BIN)/python -m tests.conformance.score.rie

# The suite's chaos so many times over, with other dice; a failure says with which.
chaos: $(VENV)/.test
	LAMBDA_SIM_CHAOS=$(CHAOS) LAMBDA_SIM_SEED=$(SEED) $(BIN)/python -W error -m unittest tests.reliability.test_chaos

# The suite many times, with threads that switch as often as may be, and under faulthandler's watch.
races: $(VENV)/.test
	$(BIN)/python -m tests.races --runs $(RUNS) --jobs $(JOBS) $(ROOMS)

# Programs around real clients of other languages, into .cache: the suite runs those that are there.
interop: $(VENV)/.test
	$(BIN)/python -m tests.interop.build

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: setup.cfg setup.py | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/.test: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	touch $@

$(VENV)/.lint: $(VENV)/.test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,lint]'
	touch $@
