# Every parser of foreign bytes, fed what nobody sends.
.PHONY: fuzz

fuzz: venv ## feeds every parser of foreign bytes changed inputs; a table; JSON last (ARGS="--seconds 60 --target NAME --seed 1")
	@OMP_NUM_THREADS=1 DJANGO_SETTINGS_MODULE=governance.settings $(PY) -m tests.fuzzing $(ARGS)
