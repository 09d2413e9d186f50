# The licence engine: its speed.
.PHONY: bench-standing

bench-standing: venv ## 10,000 organizations of 500,000 members, and one authorization; JSON last
	$(PY) manage.py bench_standing $(ARGS)
