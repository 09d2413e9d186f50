# The portal: its screenshots, from a stack of its own with the tiny model.
.PHONY: screenshots bench-portal

screenshots: venv ## each screen in light, dark and at 390 px to docs/screenshots; starts a stack of its own
	@PYTHONPATH=. $(PY) tests/journeys/screenshots.py $(ARGS)

bench-portal: venv ## every page as every role on 10,000 organizations: queries, median and p95 ms; JSON last
	@$(PY) -m inference.benchmarks.portal $(ARGS)
