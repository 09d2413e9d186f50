# The gate: its speed, and its policy's seal.
.PHONY: bench-gate seal-policy

bench-gate: venv ## prompts a second, p50 and p95 of each stage on one core and two; JSON last
	@$(PY) manage.py bench_gate

seal-policy: venv ## pin the shipped policy to the classifiers that are here
	@$(PY) manage.py seal_policy
