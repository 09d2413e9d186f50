"""How an organization's people sign in and are provisioned, for the identity page."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Max, Q

from governance.kernel.tenancy import privileged
from governance.models import (
    ENTERPRISE_FEATURES,
    DirectoryResource,
    DirectoryToken,
    EnterpriseContract,
    IdentityProvider,
    Organization,
)

FEATURE_NAMES = {
    "sso": "Single sign-on (OIDC, SAML)",
    "sla": "Guaranteed service level (SLA)",
    "dpa": "Own data processing agreement (DPA)",
}


@dataclass(frozen=True)
class Feature:
    """An enterprise feature, whether it was asked for, and the contract that unlocks it."""

    id: str
    name: str
    asked_for: bool
    contract: EnterpriseContract | None


@dataclass(frozen=True)
class Directory:
    """What a customer's directory has provisioned."""

    people: int
    groups: int
    last_change: datetime | None
    tokens: list[DirectoryToken]


def enterprise_features(organization: Organization, *, at: datetime) -> list[Feature]:
    """The three features with the contract of the organization or its group in force at ``at``."""
    own = Q(organization=organization)
    if organization.group_id is not None:
        own |= Q(organization__group_id=organization.group_id)
    running = list(
        EnterpriseContract.objects.filter(own, starts_at__lte=at, ends_at__gt=at).order_by(
            "-ends_at"
        )
    )
    return [
        Feature(
            id=feature,
            name=FEATURE_NAMES[feature],
            asked_for=feature in organization.needs,
            contract=next((c for c in running if feature in c.features), None),
        )
        for feature in ENTERPRISE_FEATURES
    ]


@privileged()
def identity_provider(organization: Organization) -> IdentityProvider | None:
    """The organization's connected provider, or None."""
    return IdentityProvider.objects.filter(organization=organization).select_related("app").first()


def provider_address(provider: IdentityProvider) -> str:
    """The address that was given for the provider: its discovery document or its sign-on page."""
    settings: dict[str, Any] = provider.app.settings
    idp: dict[str, Any] = settings.get("idp", {})
    given = settings.get("server_url") or idp.get("metadata_url") or idp.get("sso_url") or ""
    return str(given)


def directory_of_organization(organization: Organization) -> Directory:
    """People and groups that came over SCIM, and the tokens that may send them."""
    counted = DirectoryResource.objects.filter(organization=organization).aggregate(
        people=Count("id", filter=Q(kind="User")),
        groups=Count("id", filter=Q(kind="Group")),
        last=Max("updated_at"),
    )
    tokens = DirectoryToken.objects.filter(organization=organization).order_by("-created_at")
    return Directory(counted["people"], counted["groups"], counted["last"], list(tokens))
