"""The two things that only the gate makes: a screened prompt and a released image.

A pipeline takes only the first, delivery only the second. Their constructors ask for the seal, which
stays in this package (tests/moderation/test_architecture.py reads every file of the house for it),
they cannot be pickled, copied or replaced, and both carry a signed receipt, so that even an object
made by force is worth nothing to the next process.
"""

from collections.abc import Iterable
from dataclasses import InitVar, dataclass
from typing import Any, NoReturn
from uuid import UUID

from moderation.kernel.bundles import Bundle
from moderation.kernel.verdicts import Verdict

_SEAL = object()


class NotFromTheGate(TypeError):
    """Somebody other than the gate tried to make, copy or unpickle one of its passes."""


class _Sealed:
    """Refuses every second way of coming into being."""

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise NotFromTheGate(f"a {type(self).__name__} stays in the process that made it")

    def __copy__(self) -> NoReturn:
        raise NotFromTheGate(f"a {type(self).__name__} is not copied")

    def __deepcopy__(self, _memo: object) -> NoReturn:
        raise NotFromTheGate(f"a {type(self).__name__} is not copied")

    def __init_subclass__(cls, **extra: object) -> None:
        if cls.__module__ != __name__:
            raise NotFromTheGate("a pass of the gate cannot be subclassed")
        super().__init_subclass__(**extra)


@dataclass(frozen=True)
class Policy:
    """Which policy judged: its version for people, its hash for certainty."""

    version: str
    hash: str


@dataclass(frozen=True)
class ScreenedPrompt(_Sealed):
    """A prompt that every required classifier allowed, for one job, under one policy."""

    text: str
    text_sha256: str
    kind: str
    job_id: UUID
    verdicts: tuple[Verdict, ...]
    policy: Policy
    decision_id: UUID
    receipt: dict[str, Any]
    seal: InitVar[object]

    def __post_init__(self, seal: object) -> None:
        _check(seal, self)


@dataclass(frozen=True)
class ReleasedImage(_Sealed):
    """Encoded bytes that every required classifier allowed, with the receipt bound to them."""

    data: bytes
    sha256: str
    receipt: dict[str, Any]
    verdicts: tuple[Verdict, ...]
    width: int
    height: int
    seal: InitVar[object]

    def __post_init__(self, seal: object) -> None:
        _check(seal, self)


def _check(seal: object, made: object) -> None:
    if seal is not _SEAL:
        raise NotFromTheGate(f"only the gate makes a {type(made).__name__}")


class VerdictsIncomplete(Exception):
    """What the policy requires was not all there, or did not all allow."""


def check_complete(verdicts: Iterable[Verdict], *, bundle: Bundle, stage: str) -> None:
    """Raises VerdictsIncomplete unless each required classifier allowed, once, under ``bundle``."""
    given = list(verdicts)
    wanted = {(each.name, each.version, each.weights_sha256) for each in bundle.required(stage)}
    found = {(each.detector, each.detector_version, each.weights_sha256) for each in given}
    if found != wanted or len(given) != len(wanted):
        raise VerdictsIncomplete(f"{len(found & wanted)} of {len(wanted)} verdicts at {stage}")
    for verdict in given:
        if verdict.policy_hash != bundle.hash or verdict.stage != stage:
            raise VerdictsIncomplete(f"{verdict.detector} judged under another policy or stage")
        if verdict.status != "done" or verdict.error or not verdict.outcome.passes:
            raise VerdictsIncomplete(f"{verdict.detector} did not allow it")


def seal_prompt(*, bundle: Bundle, verdicts: tuple[Verdict, ...], **fields: Any) -> ScreenedPrompt:
    """A ScreenedPrompt from a full set of verdicts. Raises VerdictsIncomplete."""
    check_complete(verdicts, bundle=bundle, stage="input")
    policy = Policy(bundle.version, bundle.hash)
    return ScreenedPrompt(verdicts=verdicts, policy=policy, seal=_SEAL, **fields)


def reseal_prompt(*, policy: Policy, **fields: Any) -> ScreenedPrompt:
    """A ScreenedPrompt from a receipt that was verified; its verdicts stay in the database."""
    return ScreenedPrompt(verdicts=(), policy=policy, seal=_SEAL, **fields)


def seal_image(*, bundle: Bundle, verdicts: tuple[Verdict, ...], **fields: Any) -> ReleasedImage:
    """A ReleasedImage from a full set of verdicts. Raises VerdictsIncomplete."""
    check_complete(verdicts, bundle=bundle, stage="output")
    return ReleasedImage(verdicts=verdicts, seal=_SEAL, **fields)
