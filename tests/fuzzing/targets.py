"""Every target, in the order of `make fuzz`."""

from tests.fuzzing import files, requests

TARGETS = (*files.TARGETS, *requests.TARGETS)
