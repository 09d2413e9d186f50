"""Signing the attestation of revenue (section 2.3)."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from django.db import transaction

from governance.kernel.actors import Actor
from governance.kernel.errors import InvalidRequest
from governance.licensing.facts import BRACKET_BOUNDS, Bracket
from governance.models import Attestation, Organization, User
from governance.operations import audit
from governance.operations.seats import organizations_of
from governance.operations.standing import refresh_standings
from governance.queries.facts import pool_id_of
from governance.queries.terms import terms_in_force

# How long a statement is relied on. The licence tests revenue "at any time" and names no period;
# a year at most is the host's own choice, because the test looks at the trailing twelve months.
LONGEST_VALIDITY = timedelta(days=366)


@dataclass(frozen=True)
class Evidence:
    """A file behind the statement: where it is stored and its hash."""

    name: str
    path: str
    sha256: str


@transaction.atomic
def sign_attestation(
    *,
    organization_id: UUID,
    period_start: date,
    period_end: date,
    bracket: Bracket,
    signer_name: str,
    signer_title: str,
    signed_by: User | None,
    expires_at: datetime,
    actor: Actor,
    at: datetime,
    amount_microusd: int | None = None,
    affiliates: tuple[str, ...] = (),
    evidence: Evidence | None = None,
) -> Attestation:
    """Put a signed statement on record; ``amount_microusd`` in µUSD, all affiliates included.

    Not idempotent: each call is a new statement, and the newest counts. Raises InvalidRequest.
    """
    _require_sound(period_start, period_end, bracket, amount_microusd, expires_at, at)
    organization = Organization.objects.get(id=organization_id)
    attestation = Attestation.objects.create(
        organization=organization,
        period_start=period_start,
        period_end=period_end,
        bracket=bracket,
        amount_microusd=amount_microusd,
        affiliates=list(affiliates),
        signer_name=signer_name,
        signer_title=signer_title,
        signed_by=signed_by,
        signed_at=at,
        expires_at=expires_at,
        evidence_name=evidence.name if evidence else "",
        evidence_path=evidence.path if evidence else "",
        evidence_sha256=evidence.sha256 if evidence else "",
        terms_version=terms_in_force(at),
    )
    audit.record(
        act="attestation.signed",
        actor=actor,
        organization_id=organization_id,
        subject_kind="attestation",
        subject_id=attestation.id,
        facts={
            "bracket": bracket,
            "amount_microusd": amount_microusd,
            "signer": f"{signer_name}, {signer_title}",
            "expires_at": expires_at.isoformat(),
            "evidence_sha256": attestation.evidence_sha256,
        },
    )
    affected = organizations_of(pool_id_of(organization))
    refresh_standings(organization_ids=affected, at=at, actor=actor)
    return attestation


def _require_sound(
    start: date,
    end: date,
    bracket: Bracket,
    amount: int | None,
    expires_at: datetime,
    at: datetime,
) -> None:
    if not start < end <= at.date():
        raise InvalidRequest("The period must be over and run forward.", param="period_end")
    if not at < expires_at <= at + LONGEST_VALIDITY:
        raise InvalidRequest(
            "The statement must expire within a year of its signature.", param="expires_at"
        )
    if amount is not None:
        low, high = BRACKET_BOUNDS[bracket]
        if amount < low or (high is not None and amount > high):
            raise InvalidRequest("The amount lies outside the bracket.", param="amount")
