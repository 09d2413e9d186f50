# The portal: its screenshots, from a stack of its own with the tiny model.
.PHONY: screenshots

screenshots: venv ## each screen in light, dark and at 390 px to docs/screenshots; starts a stack of its own
	@$(PY) tests/journeys/screenshots.py $(ARGS)
