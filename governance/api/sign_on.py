"""Single sign-on of an organization: who may come in through its own provider."""

from typing import Any

from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialLogin
from django.http import HttpRequest
from django.utils.timezone import now

from governance.api.authentication import client_ip
from governance.api.problems import problem_response
from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError
from governance.models import IdentityProvider, User
from governance.operations.sign_on import admit_person, provider_of_app


class OrganizationSignOn(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """allauth speaks OIDC and SAML; this decides whom the assertion may sign in."""

    def is_open_for_signup(
        self,
        request: HttpRequest,  # noqa: ARG002 (allauth signature)
        sociallogin: SocialLogin,
    ) -> bool:
        """People who come through their organization's provider need no other account."""
        return _provider(sociallogin) is not None

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Tie the assertion to the person it may speak for, or refuse it."""
        try:
            person = self._admitted(request, sociallogin)
        except DomainError as refusal:
            raise ImmediateHttpResponse(problem_response(refusal, request)) from refusal
        sociallogin.user = person
        if not sociallogin.is_existing:
            sociallogin.connect(request, person)

    def _admitted(self, request: HttpRequest, sociallogin: SocialLogin) -> User:
        addresses = [e.email for e in sociallogin.email_addresses] or [sociallogin.user.email]
        known = sociallogin.user if sociallogin.is_existing else None
        return admit_person(
            provider=_provider(sociallogin),
            addresses=[address for address in addresses if address],
            name=_name(sociallogin),
            known=known,
            actor=Actor(kind="system", id="sign-on", label="single sign-on", ip=client_ip(request)),
            at=now(),
        )


def _provider(sociallogin: SocialLogin) -> IdentityProvider | None:
    return provider_of_app(app_id=sociallogin.provider.app.pk)


def _name(sociallogin: SocialLogin) -> str:
    claims: dict[str, Any] = sociallogin.account.extra_data or {}
    userinfo = claims.get("userinfo") or claims
    name = userinfo.get("name") if isinstance(userinfo, dict) else ""
    return str(name or "")
