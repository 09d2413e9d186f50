# Watermark and content credentials: what they outlive, and what they mistake.
.PHONY: bench-provenance

bench-provenance: venv ## marks read after each change of a picture, PSNR, ms; false marks in 10,000; JSON last
	@PYTHONPATH=. OPENBLAS_NUM_THREADS=1 $(PY) tests/journeys/bench_provenance.py $(ARGS)
