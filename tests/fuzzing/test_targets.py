"""Each parser of foreign bytes: a short run with a fixed seed, and every input that once failed."""

from pathlib import Path

import pytest

from tests.fuzzing.running import Budget, fuzz
from tests.fuzzing.target import Target
from tests.fuzzing.targets import TARGETS
from tests.fuzzing.watching import peak_bytes, watch

REGRESSIONS = Path(__file__).parent / "regressions"
BY_NAME = {target.name: target for target in TARGETS}
ONCE_FAILED = sorted(each.relative_to(REGRESSIONS) for each in REGRESSIONS.glob("*/*"))


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_a_short_run_finds_nothing(target: Target) -> None:
    result = fuzz(target, budget=Budget(inputs=target.short), seed=77)

    assert result.inputs == target.short
    assert result.findings == []


@pytest.mark.parametrize("name", ONCE_FAILED, ids=str)
def test_what_once_failed_does_not_fail_again(name: Path) -> None:
    target = BY_NAME[name.parts[0]]

    _, finding = watch(target, target.prepare(), (REGRESSIONS / name).read_bytes())

    assert finding is None


def planted(data: bytes) -> object:
    """A parser with a fault, a hang, and a hunger for memory."""
    if data.startswith(b"fault"):
        raise ZeroDivisionError
    if data.startswith(b"hang"):
        while True:
            pass
    return bytearray(peak_bytes() + (80 << 20)) if data.startswith(b"hunger") else None


@pytest.mark.parametrize(
    ("seed", "kind", "seconds"),
    [
        (b"fault", "ZeroDivisionError", 20.0),
        (b"hang", "TooSlow", 0.2),
        (b"hunger", "TooMuchMemory", 20.0),
    ],
)
def test_a_planted_mistake_is_found(seed: bytes, kind: str, seconds: float) -> None:
    target = Target("planted", lambda: planted, lambda: [seed], seconds=seconds)

    result = fuzz(target, budget=Budget(inputs=1), seed=1)

    assert [finding.kind for finding in result.findings] == [kind]


def test_the_same_seed_gives_the_same_inputs() -> None:
    def seen(seed: int) -> list[bytes]:
        fed: list[bytes] = []
        target = Target("all", lambda: fed.append, lambda: [b"abc", b'{"a": 1}'])
        fuzz(target, budget=Budget(inputs=50), seed=seed)
        return fed

    assert seen(1) == seen(1)
    assert seen(1) != seen(2)


def test_a_small_file_cannot_claim_its_bytes_many_times() -> None:
    data = (REGRESSIONS / "adapter-header" / "tensors-over-each-other").read_bytes()

    with pytest.raises(BY_NAME["adapter-header"].refusals, match="shares its bytes"):
        BY_NAME["adapter-header"].prepare()(data)
