"""Facts and terms for the pure tests of the licence decision."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from governance.licensing import seeded
from governance.licensing.facts import AttestationFact, Bracket, ContractFact, LicenceFacts
from governance.licensing.terms import Terms, rules_from

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
USD = 1_000_000
TERMS = Terms(id="t1", label=seeded.LABEL, sha256="0" * 64, rules=rules_from(seeded.RULES))


def attested(
    bracket: Bracket = Bracket.UNDER_250K,
    amount: int | None = None,
    *,
    signed: datetime = NOON - 100 * DAY,
    expires: datetime = NOON + 200 * DAY,
    organization: str = "o1",
    covers_group: bool = True,
) -> AttestationFact:
    """A statement of revenue."""
    return AttestationFact(
        signed_at=signed,
        organization_id=organization,
        id=f"a-{organization}-{signed.isoformat()}",
        expires_at=expires,
        bracket=bracket,
        amount=amount,
        covers_group=covers_group,
    )


def contract(
    seats: int = 500,
    *,
    starts: datetime = NOON - 10 * DAY,
    ends: datetime = NOON + 300 * DAY,
    features: frozenset[str] = frozenset(),
) -> ContractFact:
    """An enterprise contract."""
    return ContractFact(starts, ends, "c1", seats, features)


def sound(**changes: Any) -> LicenceFacts:
    """Facts of an organization with nothing amiss, and the changes."""
    return replace(
        LicenceFacts(
            organization_id="o1",
            seats_used=12,
            accepted_at=NOON - 100 * DAY,
            attestations=(attested(),),
        ),
        **changes,
    )


def seated(used: int, *, crossed: datetime = NOON - DAY, limit: int = 50) -> dict[str, Any]:
    """``used`` seats: the first ``limit`` long ago, the others at ``crossed``."""
    early = [(NOON - 200 * DAY, 1)] * min(used, limit)
    return {
        "seats_used": used,
        "seat_events": tuple(early + [(crossed, 1)] * (used - len(early))),
    }
