# Operations: what the stack survives.
.PHONY: chaos topology

chaos: venv ## breaks every part of a stack of its own while clients order images, then checks the books; JSON last
	@OMP_NUM_THREADS=1 $(PY) -m tests.chaos $(ARGS)

topology: venv ## two hosts, RabbitMQ, PgBouncer, a rolling upgrade, a PostgreSQL failover; needs their packages
	@OMP_NUM_THREADS=1 $(PY) -m pytest -m slow tests/topology $(ARGS)
