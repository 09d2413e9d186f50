"""Enterprise contracts on record, and what an organization needs that only they unlock."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError, InvalidRequest
from governance.models import ENTERPRISE_FEATURES, EnterpriseContract, Organization
from governance.operations import audit
from governance.operations.seats import organizations_of
from governance.operations.standing import refresh_standings
from governance.queries.facts import pool_id_of
from governance.queries.features import unlocked_features


class FeatureLocked(DomainError):
    """Single sign-on, an SLA or a custom DPA makes an organization an Enterprise."""

    code = "feature_locked"
    title = "This feature needs an enterprise contract"
    status = 403


@dataclass(frozen=True)
class ContractTerms:
    """What was agreed: dates, seats, features (sso, sla, dpa), and the document's SHA-256."""

    reference: str
    starts_at: datetime
    ends_at: datetime
    seats: int
    features: frozenset[str]
    document_sha256: str
    terms: str = ""
    document_name: str = ""
    document_path: str = ""


@transaction.atomic
def record_contract(
    *, organization_id: UUID, agreed: ContractTerms, actor: Actor, at: datetime
) -> EnterpriseContract:
    """Put an enterprise contract on record for the organization and its group.

    The same document recorded again is the first record. Raises InvalidRequest.
    """
    _require_sound(agreed)
    organization = Organization.objects.get(id=organization_id)
    contract, created = EnterpriseContract.objects.get_or_create(
        organization=organization,
        document_sha256=agreed.document_sha256,
        defaults={
            "reference": agreed.reference,
            "starts_at": agreed.starts_at,
            "ends_at": agreed.ends_at,
            "seats": agreed.seats,
            "features": sorted(agreed.features),
            "terms": agreed.terms,
            "document_name": agreed.document_name,
            "document_path": agreed.document_path,
            "recorded_at": at,
            "recorded_by": actor.label or actor.id,
        },
    )
    if created:
        audit.record(
            act="contract.recorded",
            actor=actor,
            organization_id=organization_id,
            subject_kind="contract",
            subject_id=contract.id,
            facts={
                "reference": agreed.reference,
                "seats": agreed.seats,
                "features": sorted(agreed.features),
                "starts_at": agreed.starts_at.isoformat(),
                "ends_at": agreed.ends_at.isoformat(),
                "document_sha256": agreed.document_sha256,
            },
        )
        affected = organizations_of(pool_id_of(organization))
        refresh_standings(organization_ids=affected, at=at, actor=actor)
    return contract


@transaction.atomic
def state_needs(
    *, organization_id: UUID, needs: frozenset[str], actor: Actor, at: datetime
) -> Organization:
    """Record which enterprise features the organization needs; they stay locked without a contract."""
    if not needs <= set(ENTERPRISE_FEATURES):
        raise InvalidRequest(f"Known features: {', '.join(ENTERPRISE_FEATURES)}.", param="needs")
    organization = Organization.objects.select_for_update(no_key=True).get(id=organization_id)
    if frozenset(organization.needs) == needs:
        return organization
    before, organization.needs = organization.needs, sorted(needs)
    organization.save(update_fields=["needs"])
    audit.record(
        act="organization.needs_stated",
        actor=actor,
        organization_id=organization_id,
        subject_kind="organization",
        subject_id=organization_id,
        facts={"before": before, "after": organization.needs},
    )
    refresh_standings(organization_ids=[organization_id], at=at, actor=actor)
    return organization


def require_feature(*, organization_id: UUID, feature: str, at: datetime) -> None:
    """Raises FeatureLocked unless a contract in force covers ``feature`` (sso, sla, dpa)."""
    if feature not in unlocked_features(organization_id, at=at):
        raise FeatureLocked(
            f"{feature.upper()} needs an enterprise contract on record. Ask the operator.",
            feature=feature,
            source="the operator's brief and launch coverage; not a clause of the licence",
        )


def _require_sound(agreed: ContractTerms) -> None:
    if agreed.ends_at <= agreed.starts_at:
        raise InvalidRequest("The contract must end after it starts.", param="ends_at")
    if agreed.seats < 1:
        raise InvalidRequest("The contract must name its seats.", param="seats")
    if not agreed.features <= set(ENTERPRISE_FEATURES):
        raise InvalidRequest(f"Known features: {', '.join(ENTERPRISE_FEATURES)}.", param="features")
    hexadecimal = len(agreed.document_sha256) == 64 and set(agreed.document_sha256) <= set(  # noqa: PLR2004 (SHA-256)
        "0123456789abcdef"
    )
    if not hexadecimal:
        raise InvalidRequest("The document's SHA-256 is 64 hexadecimal digits.", param="sha256")
