"""The identity page: enterprise features, single sign-on, the directory, end users."""

from typing import Any, Literal
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.timezone import now
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from governance.kernel.errors import NotFound
from governance.licensing.terms import SEAT_SOURCE
from governance.models import Organization
from governance.operations.contracts import state_needs
from governance.operations.directory import create_directory_token, revoke_directory_token
from governance.operations.sign_on import connect_provider, disconnect_provider, login_path
from governance.portal.access import organization_page
from governance.portal.licence.identity_forms import (
    NeedsForm,
    OidcForm,
    SamlForm,
    TokenForm,
    lines,
)
from governance.portal.licence.people import actor_of_session, done_or_told
from governance.portal.step_up import step_up
from governance.queries.identity import (
    directory_of_organization,
    enterprise_features,
    identity_provider,
    provider_address,
)
from governance.queries.permissions import Permission

FORMS: dict[str, type[OidcForm] | type[SamlForm]] = {"oidc": OidcForm, "saml": SamlForm}


@never_cache
@organization_page(Permission.MANAGE_IDENTITY)
def identity(request: HttpRequest, organization: Organization) -> HttpResponse:
    """What is unlocked by which contract, how people sign in, what the directory provisions."""
    return _page(request, organization, {})


def _page(
    request: HttpRequest, organization: Organization, more: dict[str, Any], status: int = 200
) -> HttpResponse:
    features = enterprise_features(organization, at=now())
    provider = identity_provider(organization)
    granted = request.permissions  # type: ignore[attr-defined]
    context = {
        "features": features,
        "sso": next(feature for feature in features if feature.id == "sso"),
        "seat_source": SEAT_SOURCE,
        "may_ask": Permission.SIGN in granted,
        "provider": provider,
        "provider_address": provider_address(provider) if provider else "",
        "login_url": f"{settings.PUBLIC_URL}{login_path(provider)}" if provider else "",
        "directory": directory_of_organization(organization),
        "oidc_form": OidcForm(prefix="oidc"),
        "saml_form": SamlForm(prefix="saml"),
        "token_form": TokenForm(),
        "base": settings.PUBLIC_URL,
        **more,
    }
    return render(request, "governance/licence/identity.html", context, status=status)


@require_POST
@organization_page(Permission.SIGN)
def needs(request: HttpRequest, organization: Organization) -> HttpResponse:
    """Record what the organization needs; it stays locked until a contract covers it."""
    form = NeedsForm(request.POST)
    if not form.is_valid():
        return redirect("identity", slug=organization.slug)
    return done_or_told(
        request,
        lambda: state_needs(
            organization_id=organization.id,
            needs=frozenset(form.cleaned_data["needs"]),
            actor=actor_of_session(request),
            at=now(),
        ),
        done="It is on record. The operator sees it; a contract unlocks it.",
        onward="identity",
        slug=organization.slug,
    )


@require_POST
@organization_page(Permission.MANAGE_IDENTITY)
@step_up
def connect(
    request: HttpRequest, organization: Organization, protocol: Literal["oidc", "saml"]
) -> HttpResponse:
    """Connect the organization's provider; connected again, it is replaced."""
    form = FORMS[protocol](request.POST, prefix=protocol)
    if not form.is_valid():
        return _page(request, organization, {f"{protocol}_form": form, "open": protocol}, 400)
    return done_or_told(
        request,
        lambda: connect_provider(
            organization_id=organization.id,
            protocol=protocol,
            client_id=form.cleaned_data.get("client_id", ""),
            secret=form.cleaned_data.get("secret", ""),
            configuration=form.configuration,
            domains=lines(form.cleaned_data["domains"]),
            actor=actor_of_session(request),
            at=now(),
        ),
        done="The provider is connected. Try the sign-in link in another browser.",
        onward="identity",
        slug=organization.slug,
    )


@require_POST
@organization_page(Permission.MANAGE_IDENTITY)
def disconnect(request: HttpRequest, organization: Organization) -> HttpResponse:
    """End single sign-on."""
    return done_or_told(
        request,
        lambda: disconnect_provider(
            organization_id=organization.id, actor=actor_of_session(request)
        ),
        done="Single sign-on is off. People sign in by mail or passkey.",
        onward="identity",
        slug=organization.slug,
    )


@require_POST
@never_cache
@organization_page(Permission.MANAGE_IDENTITY)
@step_up
def new_token(request: HttpRequest, organization: Organization) -> HttpResponse:
    """A token for the directory, shown in this answer and never again."""
    form = TokenForm(request.POST)
    if not form.is_valid():
        return _page(request, organization, {"token_form": form}, 400)
    made = create_directory_token(
        organization_id=organization.id,
        label=form.cleaned_data["label"],
        actor=actor_of_session(request),
        at=now(),
    )
    return _page(request, organization, {"made": made})


@require_POST
@organization_page(Permission.MANAGE_IDENTITY)
def revoke_token(request: HttpRequest, organization: Organization, id: UUID) -> HttpResponse:  # noqa: A002 (the address's word)
    """Revoke a directory's token at once."""

    def act() -> None:
        if not organization.directory_tokens.filter(id=id).exists():
            raise NotFound("There is no such token.")
        revoke_directory_token(
            organization_id=organization.id, token_id=id, actor=actor_of_session(request), at=now()
        )

    return done_or_told(
        request, act, done="The token is revoked.", onward="identity", slug=organization.slug
    )
