# The ledger: its speed.
.PHONY: bench-ledger

bench-ledger: venv ## holds and captures beside pgbench TPC-B in one run; JSON last
	@$(PY) -m billing.benchmarks.ledger $(ARGS)
