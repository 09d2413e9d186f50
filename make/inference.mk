# The engine: its speed.
.PHONY: bench-engine

bench-engine: venv ## our engine beside the untouched pipeline in one run, tiny on a CPU, real size on a GPU; JSON last
	@$(PY) -m inference.engine.benchmarks.run $(ARGS)

# The public API: its speed.
.PHONY: bench-admission bench-waiting

bench-admission: venv ## admissions a second beside the LiteLLM proxy in one run; JSON last
	@$(PY) -m inference.benchmarks.admission $(ARGS)

bench-waiting: venv ## what 500 waiting clients cost the others in one web process; JSON last
	@$(PY) -m inference.benchmarks.waiting $(ARGS)
