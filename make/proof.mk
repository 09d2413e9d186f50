# The proof: the audit log and the report, at size.
.PHONY: bench-audit

bench-audit: venv ## a million leaves: verified by a stranger, tampered with in every way; JSON last
	@$(PY) -m governance.benchmarks.audit $(ARGS)

