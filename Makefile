# The front door. `make help` prints one sentence for each target.
.DEFAULT_GOAL := help
SHELL := bash
VENV := .venv
PY := $(VENV)/bin/python
PYTHON ?= python3
MEMBERS := libs/rapport-contracts libs/rapport-adapters libs/rapport-runtime libs/rapport-files libs/rapport-devkit \
           services/ingestion-service services/scoring-service services/outreach-service
ARGS ?=
ONLY ?=
DATA ?=
export DATA
NEW_ENOUGH := 'import sys; sys.exit(sys.version_info < (3, 11))'
IS_NEW_ENOUGH := test -x $(PY) && $(PY) -c $(NEW_ENOUGH)
# Compiled modules are kept, also where the environment says otherwise: the tests start some hundred
# processes of ours, and each would compile the same modules anew.
export PYTHONDONTWRITEBYTECODE :=
# A worker for each core, eight at most; whoever is free takes the next test (the slow ones first).
PARALLEL := -n auto --maxprocesses=8 --dist=loadgroup --no-loadscope-reorder

.PHONY: help venv demo unit check test faults campaign lint proof bench lock schemas documents snapshot metrics alerts audit format clean

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

venv: $(VENV)/.ready ## The virtual environment, from the hashed requirements

# An environment of another Python is made anew: `make venv PYTHON=python3.11` after one that was too old.
# Two calls: editable members cannot stand in a hashed one. uv is used when present, pip must do.
$(VENV)/.ready: requirements/dev.txt $(addsuffix /pyproject.toml,$(MEMBERS))
	@$(IS_NEW_ENOUGH) || $(PYTHON) -c $(NEW_ENOUGH) || { \
	  echo "Rapport needs Python 3.11 or later; $(PYTHON) is $$($(PYTHON) -V 2>&1). Name another one: make venv PYTHON=python3.11" >&2; exit 1; }
	@$(IS_NEW_ENOUGH) || $(PYTHON) -m venv --clear $(VENV)
	@if command -v uv >/dev/null 2>&1; then \
	  VIRTUAL_ENV=$(VENV) uv pip install -q --require-hashes -r requirements/dev.txt && \
	  VIRTUAL_ENV=$(VENV) uv pip install -q --no-deps --no-build-isolation $(addprefix -e ./,$(MEMBERS)); \
	else \
	  $(PY) -m pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.txt && \
	  $(PY) -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation $(addprefix -e ./,$(MEMBERS)); \
	fi
	@touch $@

demo: venv ## The pipeline on real data: a booking in, a tier, a message out (DATA=my.csv, ARGS=--exit)
	@$(PY) -m rapport_devkit.demo $${DATA:+--data "$$DATA"} $(ARGS)

unit: venv ## The tests that need no server, in a minute or two
	@$(PY) -m pytest $(PARALLEL) tests/unit $(ARGS)

check: lint ## Before a commit: lint, the unit tests, the contracts without the fuzzer
	@$(PY) -m pytest $(PARALLEL) -m "not fuzz" tests/unit tests/contract $(ARGS)

test: venv ## Everything but the storm, on Apache Kafka and Postgres, a test for each core at a time
	@$(PY) -m pytest $(PARALLEL) -m "not storm" $(ARGS)

faults: venv ## What must hold when brokers, databases, disks and clocks fail; the mutants
	@$(PY) -m pytest tests/faults tests/integration/deploy $(ARGS)

lint: venv ## Style, types, who may import whom, declared dependencies, security, references, lengths, SQL
	@$(VENV)/bin/ruff format --check . && $(VENV)/bin/ruff check .
	@$(VENV)/bin/mypy $(addsuffix /src,$(MEMBERS))
	@$(VENV)/bin/lint-imports --no-cache
	@for m in $(MEMBERS); do (cd $$m && ../../$(VENV)/bin/deptry src --known-first-party $$(ls src | head -1)) || exit 1; done
	@$(VENV)/bin/bandit -q -r $(addsuffix /src,$(MEMBERS)) -c pyproject.toml
	@$(PY) -m tools.lint

format: venv ## Let ruff format and mend what it can
	@$(VENV)/bin/ruff format . && $(VENV)/bin/ruff check --fix .

proof: venv ## One line for each claim, measured now (ONLY=pipeline for one part)
	@$(PY) -m tools.proof $(if $(ONLY),--only $(ONLY)) $(ARGS)

campaign: venv ## Storms in fresh worlds, into .local/reports (ARGS="--minutes 40 --seed N")
	@$(PY) -m tools.campaign $(ARGS)

bench: venv ## Speed and memory, as ratios from one run (ONLY=scoring,api, ARGS=--quick)
	@$(PY) -m tools.bench $(if $(ONLY),--only $(ONLY)) $(ARGS)

schemas: venv ## Write JSON Schemas, OpenAPI and AsyncAPI documents anew from the code
	@$(PY) -m rapport_contracts.schemas && $(PY) -m tests.support.contracts write

documents: venv ## Let linters and generators of node read the published documents (needs node)
	@$(PY) -m tools.documents $(ARGS)

alerts: ## Let promtool check the alert rules and try their cases (needs promtool)
	@cd deploy/prometheus && promtool check config prometheus.yml && promtool test rules rules.test.yml

snapshot: venv ## Keep the contracts as this version's promise, unless they break an older one
	@$(PY) -m tests.support.contracts snapshot

metrics: venv ## Write docs/metrics.md anew from the code
	@$(PY) -m rapport_runtime.metrics_page > docs/metrics.md

audit: venv ## What is installed fits together; lists of all parts (SBOM) into .local/reports
	@$(PY) -m pip check
	@mkdir -p .local/reports
	@for part in runtime sandbox; do $(VENV)/bin/cyclonedx-py requirements requirements/$$part.txt \
	  --output-reproducible --of JSON -o .local/reports/sbom-$$part.json || exit 1; done

lock: ## Compile requirements/*.in into hashed *.txt (needs uv)
	@cd requirements && for f in build runtime sandbox dev; do \
	  uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header $$f.in -o $$f.txt; done

clean: ## Remove what running leaves behind
	@rm -rf .local .pytest_cache .mypy_cache .ruff_cache .hypothesis
