# Everything a newcomer needs: `make up`. `make help` lists the rest.
SHELL := /bin/sh
.DEFAULT_GOAL := help
PY := .venv/bin/python
# Another interpreter than the first fitting one: make up PYTHON=/usr/bin/python3.12
PYTHON ?=
ARGS ?=
BUILD := governance/stack/environment.py

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: venv ## start everything; Ctrl-C stops it, a second `make up` goes on with the data
	@exec $(PY) manage.py up $(ARGS)

reset: venv ## stop everything and delete the data, images and secrets of LICET_HOME
	@$(PY) manage.py reset

venv: ## build .venv from requirements.lock
	@$(PY) -I $(BUILD) current 2>/dev/null || { \
	  for candidate in $(PYTHON) python3 python3.13 python3.12 python3.11 python; do \
	    if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	      exec "$$candidate" -I $(BUILD) build; \
	    fi; \
	  done; \
	  echo "licet: No Python 3.11 or newer was found. Install one (on Debian: apt-get install python3 python3-venv) or name it: make up PYTHON=/path/to/python3" >&2; \
	  exit 1; }

test: venv ## the tests, on a PostgreSQL and a Valkey of their own
	@OMP_NUM_THREADS=1 $(PY) -m pytest -m "not slow" -n 2 $(ARGS)

test-slow: venv ## the slow tests: whole life cycles and journeys
	@OMP_NUM_THREADS=1 $(PY) -m pytest -m slow $(ARGS)

LINT := lint-style lint-format lint-types lint-imports lint-templates lint-migrations lint-settings lint-openapi \
  lint-deploy lint-licences

lint: venv ## style, types, import directions, templates, migrations, settings page, deployment, licences
	@$(MAKE) --no-print-directory --keep-going --jobs=2 --output-sync=target $(LINT)

lint-style:
	@$(PY) -m ruff check .

lint-format:
	@$(PY) -m ruff format --check .

lint-types:
	@$(PY) -m mypy

lint-imports:
	@$(PY) -c 'import sys; sys.argv[0] = "lint-imports"; from importlinter.cli import lint_imports_command as run; run()'

lint-templates:
	@if find templates */templates -name '*.html' 2>/dev/null | grep -q .; then $(PY) -m djlint --lint --quiet templates; fi

# Compares models with migration files; the database that it would ask about history is not needed.
lint-migrations:
	@$(PY) -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run

lint-settings:
	@$(PY) manage.py settings --check

lint-openapi:
	@$(PY) manage.py openapi --check

lock: venv ## bring requirements.lock up to pyproject.toml (ARGS=--upgrade for newer versions)
	@echo uv | $(PY) -m uv pip compile pyproject.toml - --quiet --universal --generate-hashes \
	  --python-version 3.11 --extra engine --extra ocr --extra dev --no-header --no-annotate --no-emit-index-url \
	  --output-file requirements.lock $(ARGS)
	@$(MAKE) --no-print-directory lock-deploy

.PHONY: help up reset venv test test-slow lint lock $(LINT)

# What each app adds.
include make/*.mk
