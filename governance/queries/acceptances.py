"""What an organization has accepted."""

from governance.models import Acceptance, Organization, TermsVersion


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
