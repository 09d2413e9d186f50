# Operations: what the stack survives.
.PHONY: chaos

chaos: venv ## kills every part of a stack of its own while clients order images, then checks the books; JSON last
	@OMP_NUM_THREADS=1 $(PY) -m tests.chaos $(ARGS)
