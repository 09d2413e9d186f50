"""What an organization and its people have accepted."""

from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q, QuerySet

from governance.models import Acceptance, Membership, Organization, TermsVersion


def is_accepted(organization: Organization, version: TermsVersion) -> bool:
    """Whether licence and policy of ``version`` are accepted for the organization."""
    accepted = Acceptance.objects.filter(
        organization=organization,
        for_organization=True,
        document_id__in=[version.licence_id, version.policy_id],
    )
    return accepted.values("document_id").distinct().count() == len(
        {version.licence_id, version.policy_id}
    )


def accepted_versions(organization: Organization) -> list[TermsVersion]:
    """The versions whose licence the organization accepted, newest first."""
    accepted = Acceptance.objects.filter(
        organization=organization, for_organization=True, document__kind="licence"
    ).values("document_id")
    versions = TermsVersion.objects.filter(licence_id__in=accepted)
    return list(versions.select_related("licence", "policy", "notice").order_by("-effective_from"))


@dataclass(frozen=True)
class Signatures:
    """Who of an organization accepted a version for themselves, and who has not yet."""

    accepted: list[Membership]
    missing: list[Membership]

    @property
    def people(self) -> int:
        """All active members."""
        return len(self.accepted) + len(self.missing)


def has_accepted(organization_id: UUID, user_id: UUID, version: TermsVersion) -> bool:
    """Whether the person accepted licence and policy of ``version`` for themselves here."""
    documents = {version.licence_id, version.policy_id}
    own = Acceptance.objects.filter(
        organization_id=organization_id,
        user_id=user_id,
        for_organization=False,
        document_id__in=documents,
    )
    return own.count() == len(documents)


def signatures(organization: Organization, version: TermsVersion) -> Signatures:
    """Every active member by whether they accepted ``version`` for themselves."""
    documents = {version.licence_id, version.policy_id}
    rows = Acceptance.objects.filter(
        organization=organization, for_organization=False, document_id__in=documents
    ).values_list("user_id", "document_id")
    signed: dict[UUID, set[UUID]] = {}
    for user_id, document_id in rows:
        signed.setdefault(user_id, set()).add(document_id)
    members = list(
        Membership.objects.filter(organization=organization, deactivated_at=None)
        .select_related("user")
        .order_by("user__email")
    )
    done = [m for m in members if signed.get(m.user_id) == documents]
    return Signatures(done, [m for m in members if signed.get(m.user_id) != documents])


def last_accepted_by(
    organization: Organization, user_id: UUID, *, before: TermsVersion
) -> TermsVersion | None:
    """The newest earlier version that the person accepted here, to compare with."""
    accepted = Acceptance.objects.filter(
        organization=organization, user_id=user_id, document__kind="licence"
    ).values("document_id")
    return (
        TermsVersion.objects.filter(
            licence_id__in=accepted, effective_from__lte=before.effective_from
        )
        .exclude(id=before.id)
        .select_related("licence", "policy", "notice")
        .order_by("-effective_from", "-created_at")
        .first()
    )


def organizations_accepting(version: TermsVersion) -> QuerySet[Organization]:
    """Who accepted licence and policy of ``version`` for the organization."""
    return Organization.objects.filter(_both(version))


def organizations_missing(version: TermsVersion) -> QuerySet[Organization]:
    """Who has still to accept licence or policy of ``version``."""
    return Organization.objects.exclude(_both(version)).order_by("name")


def _both(version: TermsVersion) -> Q:
    whole = Acceptance.objects.filter(for_organization=True)
    documents = (version.licence_id, version.policy_id)
    licence, policy = (whole.filter(document_id=d).values("organization_id") for d in documents)
    return Q(id__in=licence) & Q(id__in=policy)
