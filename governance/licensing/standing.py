"""The decision: from facts, terms and a moment to a standing with its reasons."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum


class Status(StrEnum):
    """How an organization stands to the licence."""

    COMMUNITY = "community"
    ENTERPRISE = "enterprise"
    APPROACHING = "approaching"
    NOTICE_RUNNING = "notice_running"
    OVER_SEATS = "over_seats"
    ATTESTATION_DUE = "attestation_due"
    COMMERCIAL_SUSPENDED = "commercial_suspended"
    TERMINATED = "terminated"

    @property
    def severity(self) -> int:
        """0 is best; the compliance page lists the worst first."""
        return _SEVERITY[self]


_SEVERITY = {
    Status.COMMUNITY: 0,
    Status.ENTERPRISE: 0,
    Status.APPROACHING: 1,
    Status.NOTICE_RUNNING: 2,
    Status.OVER_SEATS: 3,
    Status.ATTESTATION_DUE: 4,
    Status.COMMERCIAL_SUSPENDED: 5,
    Status.TERMINATED: 6,
}


@dataclass(frozen=True)
class Reason:
    """Why: one rule of one version of the terms, the fact it met, and what to do next."""

    rule: str
    terms_version: str
    source: str
    citation: str
    fact: str
    next_step: str
    status: Status
    blocks: bool
    grace_until: datetime | None = None


@dataclass(frozen=True)
class Seats:
    """Seats of the organization's group: persons counted once, invitations apart.

    ``line_reached_on``: the day on which the limit will be exceeded if the last 90 days go on.
    """

    used: int
    pending: int
    limit: int
    peak: int
    line_reached_on: date | None = None


@dataclass(frozen=True)
class Standing:
    """The answer: ``may_generate`` decides, the rest says why and until when.

    ``changes_at`` is the next moment at which time alone changes the answer.
    """

    organization_id: str
    status: Status
    reasons: tuple[Reason, ...]
    grace_until: datetime | None
    may_generate: bool
    terms_version: str
    terms_sha256: str
    decided_at: datetime
    seats: Seats
    changes_at: datetime | None = None

    @property
    def leading(self) -> Reason | None:
        """The reason that matters most: one that blocks, then the worst."""
        return self.reasons[0] if self.reasons else None
