"""What a training may ask for, the statement about rights, and the name of a dataset's content."""

from collections.abc import Iterable

from governance.kernel.canonical import fingerprint, sha256_hex

FEWEST_ITEMS, MOST_ITEMS = 3, 50
FEWEST_STEPS, MOST_STEPS = 4, 4_000
MOST_RANK = 64
LEAST_RATE, MOST_RATE = 1e-6, 1e-2
LONGEST_CAPTION = 2_000
# Refused items are kept with their reasons; a dataset with more rows than this takes no more uploads.
MOST_ROWS = 500
# Shares of a training after which it samples and, at the latest, after how many steps it is saved.
SAMPLES, MOST_STEPS_UNSAVED = 4, 100

STATEMENT_VERSION = "2026-11"
STATEMENT = (
    "I may use every picture and caption of this dataset to train a model: they are my "
    "organization's own, or their owners have allowed this use. Every person who can be recognized has "
    "agreed to it. I know that the adapter is a derivative of Krea 2 and is used under its licence and "
    "its acceptable use policy."
)
STATEMENT_SHA256 = sha256_hex(STATEMENT.encode())


def items_sha256(items: Iterable[tuple[str, str]]) -> str:
    """The name of a dataset's content: pairs of a picture's SHA-256 and its caption, in any order."""
    return fingerprint(sorted([picture, caption] for picture, caption in items))


def sample_every(steps: int) -> int:
    """Steps from one sample to the next; the last step is always one."""
    return max(1, steps // SAMPLES)


def checkpoint_every(steps: int) -> int:
    """Steps from one checkpoint to the next."""
    return max(1, min(MOST_STEPS_UNSAVED, steps // SAMPLES))
