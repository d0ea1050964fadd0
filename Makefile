# People and CI use the same commands. `make` alone lists them.
.DEFAULT_GOAL := help
PYTHON ?= python3
UV_VERSION := 0.13.9
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help setup demo stack test unit test-extra pictures coverage matrix simulate chaos lint types format bench bench-peers wheel lock clean

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

setup: $(READY) ## install everything into .venv, at the locked versions

# The lock files carry hashes: two installs give the same bytes, or fail.
$(READY): requirements/dev.txt pyproject.toml hatch_build.py services/journeys/producer/encoding/native.pyx
	@command -v $(firstword $(PYTHON)) >/dev/null || { echo 'journeys needs Python 3.11 or newer: install python3, or say where it is with make PYTHON=/path/to/python3' >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "journeys needs Python 3.11 or newer, and $(PYTHON) is %d.%d: install a newer one, then make PYTHON=python3.12" % sys.version_info[:2])'
	@test -x $(BIN)/pip || $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo '$(PYTHON) cannot make virtual environments: install $(notdir $(lastword $(PYTHON)))-venv (Debian, Ubuntu: sudo apt install $(notdir $(lastword $(PYTHON)))-venv)' >&2; exit 1; }
	@test -x $(BIN)/pip || { echo '1/4 making a virtual environment in $(VENV)'; $(PYTHON) -m venv $(VENV); }
	@echo '2/4 installing uv, which installs the rest'
	@$(BIN)/python -m pip install --disable-pip-version-check "uv==$(UV_VERSION)"
	@echo '3/4 installing the packages of requirements/dev.txt (about 170 MB the first time)'
	@$(BIN)/uv pip install --python $(BIN)/python --require-hashes --requirement requirements/dev.txt
	@echo '4/4 building journeys and its encoder'
	@$(BIN)/uv pip install --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY) ## run the demo: real Kafka, real registry, two workers, a few hundred orders; KEEP=1 leaves it running
	@$(BIN)/journeys demo $(if $(KEEP),--keep)

stack: $(READY) ## run Kafka, a registry, a stand-in API, two workers and Prometheus (if installed) until Ctrl-C
	@$(BIN)/python -m journeys_sandbox --workers 2 --rules deploy/monitoring/alerts.yaml

# Most tests on a real broker wait, so more processes than cores are busy. They share one broker.
PROCESSES ?= 4
test: $(READY) ## run all tests, including those on a real broker, in PROCESSES=4 processes
	$(BIN)/pytest -n $(PROCESSES)
	@echo 'Not run: $(patsubst tests/extra/test_%.py,%,$(sort $(wildcard tests/extra/test_*.py))) in tests/extra, which need other programs or downloads: make test-extra'
	@echo 'Not run: the whole matrix of faults, which takes half an hour: make matrix'

unit: $(READY) ## run the tests that need no broker and no other process, in about a minute
	$(BIN)/pytest -q -m "not slow" tests/unit tests/selftest

test-extra: $(READY) ## type the tutorial in an empty home; run the tests that need a JDK, PostgreSQL, Chromium or Prometheus
	$(BIN)/pytest -m extra -rs tests/extra

PICTURES := .cache/pictures
pictures: $(READY) ## make the pictures of the page and the dashboard anew (needs Chromium, npm and Prometheus)
	rm -rf $(PICTURES) && mkdir -p $(PICTURES)
	JOURNEYS_SANDBOX_PICTURES=$(CURDIR)/$(PICTURES) $(BIN)/pytest -m extra -rs tests/extra/test_console.py tests/extra/test_prometheus.py
	cp $(PICTURES)/console.png docs/console.png
	$(BIN)/python -m tests.support.dashboard_picture $(PICTURES)/dashboard.json docs/dashboard.svg

coverage: $(READY) ## measure the branches of offsets and transactions that quick tests take; fails below 95 %
	PYTHONHASHSEED=0 $(BIN)/coverage run -m tests.simulation --seeds 100 --jobs 1
	$(BIN)/coverage run --append -m pytest -q tests/unit/consumer tests/unit/producer/test_publisher.py tests/unit/worker tests/property/test_ledger.py
	$(BIN)/coverage report

matrix: $(READY) ## find every order after each fault x moment x SIGKILL, on a real broker (half an hour)
	$(BIN)/pytest -m "" tests/broker/test_matrix.py "tests/broker/test_trouble.py::test_an_api_outage_delays_orders_and_loses_none[60]"

simulate: $(READY) ## run the worker in virtual time, through SEEDS=10000 seeded disasters
	$(BIN)/python -m tests.simulation --seeds $(or $(SEEDS),10000)

ROUNDS ?= 3
SEED ?= 1
chaos: $(READY) ## cause disasters on real processes: make chaos ROUNDS=100 SEED=1
	ROUNDS=$(ROUNDS) SEED=$(SEED) $(BIN)/pytest tests/chaos -v -s --durations=0 --durations-min=5

lint: $(READY) ## run ruff, and check the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(READY) ## run mypy, strict, over code and tests
	$(BIN)/mypy services tests benchmarks examples

format: $(READY) ## let ruff rewrite the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# As after `pip install`: no process of a benchmark compiles its modules at its start.
COMPILE = $(BIN)/python -m compileall -q $(VENV)/lib services

bench: $(READY) ## measure the worker and every part of it; writes benchmarks/RESULTS.md
	$(COMPILE)
	$(BIN)/python -m benchmarks.report

bench-peers: $(READY) ## compare the worker with its alternatives (some need Go or a JDK); writes benchmarks/PEERS.md
	$(COMPILE)
	$(BIN)/python -m benchmarks.peers --write

WHEELS := .cache/wheels
wheel: $(READY) ## build a wheel, install it into an empty environment, and run its commands there
	rm -rf $(WHEELS)
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir $(WHEELS) .
	$(BIN)/uv venv --quiet --python $(BIN)/python $(WHEELS)/venv
	$(BIN)/uv pip install --quiet --python $(WHEELS)/venv/bin/python --require-hashes --requirement requirements/run.txt
	$(BIN)/uv pip install --quiet --python $(WHEELS)/venv/bin/python --no-deps $(WHEELS)/*.whl
	$(WHEELS)/venv/bin/python tests/support/wheel.py
	@ls $(WHEELS)/*.whl

lock: ## resolve the dependencies again into requirements/*.txt
	@test -x $(BIN)/uv || { $(PYTHON) -m venv $(VENV) && $(BIN)/python -m pip install --quiet uv==$(UV_VERSION); }
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate pyproject.toml -o requirements/run.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --extra otel -c requirements/run.txt pyproject.toml -o requirements/otel.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --extra demo --extra otel --group dev -c requirements/otel.txt pyproject.toml requirements/build.in -o requirements/dev.txt

clean: ## remove the environment and the caches of this checkout
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis
