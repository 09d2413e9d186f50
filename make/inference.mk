# The engine: its speed.
.PHONY: bench-engine

bench-engine: venv ## our engine beside the untouched pipeline in one run, tiny on a CPU, real size on a GPU; JSON last
	@$(PY) -m inference.engine.benchmarks.run $(ARGS)
