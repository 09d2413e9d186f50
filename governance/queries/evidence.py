"""The evidence behind a standing: declarations, contracts, notices, changes."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from governance.models import (
    Acceptance,
    Attestation,
    Breach,
    EnterpriseContract,
    Organization,
    StandingChange,
    TerminationNotice,
)

SHOWN = 20


@dataclass(frozen=True)
class LicenceEvidence:
    """Everything on record for one organization and its group, newest first."""

    attestation: Attestation | None
    attestations: list[Attestation]
    acceptances: list[Acceptance]
    contracts: list[EnterpriseContract]
    breaches: list[Breach]
    notices: list[TerminationNotice]
    changes: list[StandingChange]


def licence_evidence(organization: Organization, *, at: datetime) -> LicenceEvidence:
    """What the organization's licence page shows; the last rows of each kind."""
    group = Q(organization=organization)
    if organization.group_id is not None:
        group |= Q(organization__group_id=organization.group_id)
    attestations = list(
        Attestation.objects.filter(group).select_related("organization").order_by("-signed_at")
    )[:SHOWN]
    running = [statement for statement in attestations if statement.expires_at > at]
    return LicenceEvidence(
        attestation=running[0] if running else None,
        attestations=attestations,
        acceptances=list(
            Acceptance.objects.filter(organization=organization)
            .select_related("user", "document")
            .order_by("-for_organization", "-accepted_at")[:SHOWN]
        ),
        contracts=list(EnterpriseContract.objects.filter(group).order_by("-starts_at")[:SHOWN]),
        breaches=list(
            Breach.objects.filter(Q(organization=organization) | Q(organization=None)).order_by(
                "-discovered_at"
            )[:SHOWN]
        ),
        notices=list(TerminationNotice.objects.filter(withdrawn_at=None).order_by("-received_at")),
        changes=list(
            StandingChange.objects.filter(organization=organization)
            .select_related("terms_version")
            .order_by("-at", "-id")[:SHOWN]
        ),
    )
