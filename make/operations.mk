# Operations: what the stack survives.
.PHONY: chaos topology

chaos: venv ## breaks every part of a stack of its own while clients order images, then checks the books; JSON last
	@OMP_NUM_THREADS=1 $(PY) -m tests.chaos $(ARGS)

topology: venv ## two hosts, RabbitMQ, PgBouncer, a rolling upgrade, a PostgreSQL failover; needs their packages
	@OMP_NUM_THREADS=1 $(PY) -m pytest -m slow tests/topology $(ARGS)

# Scale: few rows beside many.
.PHONY: bench-scale bench-report

bench-scale: venv ## main reads and the admission on 10 thousand and on 10 million generations, bytes of each; JSON last
	@$(PY) -m inference.benchmarks.scale $(ARGS)

bench-report: venv ## a compliance report over a million generations: seconds a part, memory, size; JSON last
	@$(PY) -m inference.benchmarks.report $(ARGS)
