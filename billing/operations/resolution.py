"""What became of a job: asked of whoever runs the jobs, who registers itself here.

Billing resolves holds by the job's state, never by the clock alone, and must not import inference.
"""

from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

# State of each job, and whether an image of it is stored; a job that is unknown is absent.
JobStates = Callable[[Sequence[UUID]], Mapping[UUID, tuple[str, bool]]]

_lookups: list[JobStates] = []


def register_job_states(lookup: JobStates) -> None:
    """Called once per process by the app that runs the jobs."""
    _lookups.append(lookup)


def job_states(job_ids: Sequence[UUID]) -> dict[UUID, tuple[str, bool]]:
    """What is known of these jobs."""
    known: dict[UUID, tuple[str, bool]] = {}
    for lookup in _lookups:
        known.update(lookup(job_ids))
    return known


# Of these charged jobs, those that lack a piece of evidence, by its name.
EvidenceGaps = Callable[[Sequence[UUID]], Sequence[UUID]]

_evidence: dict[str, EvidenceGaps] = {}


def register_evidence(name: str, lacking: EvidenceGaps) -> None:
    """Reconciliation asks ``lacking`` which charged jobs have no ``name``; once per process."""
    _evidence[name] = lacking


def evidence_gaps(job_ids: Sequence[UUID]) -> dict[str, Sequence[UUID]]:
    """Charged jobs that lack something, by what they lack."""
    return {name: lacking(job_ids) for name, lacking in _evidence.items()} if job_ids else {}
