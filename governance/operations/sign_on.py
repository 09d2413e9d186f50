"""Single sign-on per organization: connecting a provider, admitting whom it vouches for."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from allauth.socialaccount.models import SocialApp
from django.db import transaction

from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError, InvalidRequest
from governance.models import IdentityProvider, Organization, Role, User
from governance.operations import audit
from governance.operations.contracts import require_feature
from governance.operations.organizations import add_member
from governance.queries.features import unlocked_features


class SignOnRefused(DomainError):
    """The provider does not speak for this person, or single sign-on is not unlocked."""

    code = "sign_on_refused"
    title = "This sign-in was refused"
    status = 403


@transaction.atomic
def connect_provider(
    *,
    organization_id: UUID,
    protocol: Literal["oidc", "saml"],
    client_id: str,
    secret: str,
    configuration: dict[str, Any],
    domains: list[str],
    actor: Actor,
    at: datetime,
) -> IdentityProvider:
    """Connect the organization's OIDC or SAML provider; connected again, it is replaced.

    ``configuration`` is allauth's: {"server_url": …} for OIDC, {"idp": …} for SAML. ``domains``
    are the addresses that it may speak for; a domain that another organization holds is refused.
    Raises FeatureLocked without an enterprise contract, InvalidRequest.
    """
    require_feature(organization_id=organization_id, feature="sso", at=at)
    wanted = sorted({domain.strip().lower().lstrip("@") for domain in domains if domain.strip()})
    _require_free(wanted, organization_id)
    organization = Organization.objects.get(id=organization_id)
    for old in IdentityProvider.objects.filter(organization=organization):
        SocialApp.objects.filter(id=old.app_id).delete()
    app = SocialApp.objects.create(
        provider="openid_connect" if protocol == "oidc" else "saml",
        provider_id=organization.slug,
        name=organization.name[:40],
        client_id=organization.slug if protocol == "saml" else client_id,
        secret=secret,
        settings=_strict(protocol, configuration),
    )
    provider = IdentityProvider.objects.create(
        organization=organization, app=app, protocol=protocol, domains=wanted, created_at=at
    )
    audit.record(
        act="identity_provider.connected",
        actor=actor,
        organization_id=organization_id,
        subject_kind="identity_provider",
        subject_id=provider.id,
        facts={"protocol": protocol, "domains": wanted},
    )
    return provider


@transaction.atomic
def admit_person(
    *,
    provider: IdentityProvider | None,
    addresses: list[str],
    name: str,
    known: User | None,
    actor: Actor,
    at: datetime,
) -> User:
    """The person whom the provider vouches for, a member with a seat from now on. Idempotent.

    A provider speaks only for addresses of its own domains: otherwise whoever runs one could sign
    in as anybody. Raises SignOnRefused, FeatureLocked.
    """
    if provider is None:
        raise SignOnRefused("This provider is not connected to an organization.")
    require_feature(organization_id=provider.organization_id, feature="sso", at=at)
    own = [a.lower() for a in addresses if a.lower().rpartition("@")[2] in provider.domains]
    if not own:
        raise SignOnRefused(
            f"The provider speaks for {', '.join(provider.domains)} only, not for this address."
        )
    person = known or User.objects.filter(email__iexact=own[0]).first()
    if person is None:
        person = User.objects.create_user(own[0], None, name=name[:200])
    if person.is_staff or not person.is_active:
        raise SignOnRefused("The operator's people do not sign in through a customer's provider.")
    add_member(
        organization_id=provider.organization_id,
        user=person,
        role=Role(provider.role),
        actor=actor,
        at=at,
        source="sso",
    )
    return person


def provider_of_app(*, app_id: int) -> IdentityProvider | None:
    """The organization's provider behind an allauth application."""
    return IdentityProvider.objects.filter(app_id=app_id).select_related("organization").first()


def provider_for_address(address: str, *, at: datetime) -> IdentityProvider | None:
    """The sign-on that speaks for this address's domain while its contract covers it, or None."""
    domain = address.strip().lower().rpartition("@")[2]
    provider = IdentityProvider.objects.filter(domains__contains=[domain]).first()
    if provider is None or "sso" not in unlocked_features(provider.organization_id, at=at):
        return None
    return provider


def login_path(provider: IdentityProvider) -> str:
    """Where a person of this provider begins to sign in."""
    kind = "oidc" if provider.protocol == "oidc" else "saml"
    return f"/accounts/{kind}/{provider.organization.slug}/login/"


@transaction.atomic
def disconnect_provider(*, organization_id: UUID, actor: Actor) -> bool:
    """End the organization's single sign-on; people stay members and sign in by mail. Idempotent."""
    provider = IdentityProvider.objects.filter(organization_id=organization_id).first()
    if provider is None:
        return False
    SocialApp.objects.filter(id=provider.app_id).delete()
    audit.record(
        act="identity_provider.disconnected",
        actor=actor,
        organization_id=organization_id,
        subject_kind="identity_provider",
        subject_id=provider.id,
        facts={"protocol": provider.protocol, "domains": provider.domains},
    )
    return True


def _strict(protocol: str, configuration: dict[str, Any]) -> dict[str, Any]:
    """The configuration with what is not left to a customer: signed assertions that we asked for."""
    if protocol == "oidc":
        return {**configuration, "oauth_pkce_enabled": True}
    advanced = {
        **configuration.get("advanced", {}),
        "strict": True,
        "want_assertion_signed": True,
        "reject_idp_initiated_sso": True,
        "reject_deprecated_algorithm": True,
    }
    return {**configuration, "advanced": advanced}


def _require_free(domains: list[str], organization_id: UUID) -> None:
    if not domains:
        raise InvalidRequest("Name the domains whose people sign in here.", param="domains")
    others = IdentityProvider.objects.exclude(organization_id=organization_id)
    taken = others.filter(domains__overlap=domains).exists()
    if taken:
        raise InvalidRequest("Another organization signs in with one of these domains.")
