"""Forms of the identity page. They parse; operations decide."""

import re
import socket
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.conf import settings

from governance.gateways.webhook_addresses import is_public
from governance.models import ENTERPRISE_FEATURES
from governance.portal.licence.forms import text_input

EMAIL_CLAIM = "urn:oid:0.9.2342.19200300.100.1.3"
LOCAL = {"localhost", "127.0.0.1", "::1"}


def lines(text: str) -> list[str]:
    """The words of a pasted list."""
    return re.split(r"[\s,;]+", text.strip())


def is_inside(host: str) -> bool:
    """Whether ``host`` is a number, in any spelling, of an address that is not public.

    A name that resolves to one is not found out here: the provider is asked later, by allauth.
    """
    try:
        found = socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return False
    return not all(is_public(ip_address(str(entry[4][0]).partition("%")[0])) for entry in found)


def require_public(address: str) -> str:
    """An address that our server may call: https and not this machine, except in development."""
    parts = urlsplit(address)
    if settings.PUBLIC_URL.startswith("https://") and (
        parts.scheme != "https" or parts.hostname in LOCAL or is_inside(parts.hostname or "")
    ):
        raise forms.ValidationError("Use the provider's https address.")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise forms.ValidationError("This is no web address.")
    return address


class NeedsForm(forms.Form):
    """Which enterprise features the organization asks for."""

    needs = forms.MultipleChoiceField(
        label="We need",
        required=False,
        choices=[(feature, feature.upper()) for feature in ENTERPRISE_FEATURES],
    )


class OidcForm(forms.Form):
    """An OpenID Connect provider."""

    server_url = forms.CharField(
        label="Issuer or discovery address",
        help_text="For instance https://login.example.com/.well-known/openid-configuration",
        max_length=300,
        widget=text_input(inputmode="url", spellcheck="false"),
    )
    client_id = forms.CharField(label="Client ID", max_length=191, widget=text_input())
    secret = forms.CharField(
        label="Client secret",
        max_length=191,
        widget=forms.PasswordInput(attrs={"class": "input", "autocomplete": "off"}),
    )
    domains = forms.CharField(
        label="Domains of your addresses",
        help_text="The provider may speak for these only: example.com, example.org",
        widget=text_input(spellcheck="false"),
    )

    def clean_server_url(self) -> str:
        """The address, if our server may call it."""
        return require_public(self.cleaned_data["server_url"])

    @property
    def configuration(self) -> dict[str, Any]:
        """What allauth needs to know."""
        return {"server_url": self.cleaned_data["server_url"]}


class SamlForm(forms.Form):
    """A SAML 2.0 identity provider, by its metadata or by hand."""

    metadata_url = forms.CharField(
        label="Address of its metadata",
        help_text="Or leave it empty and give the three values below.",
        required=False,
        max_length=300,
        widget=text_input(inputmode="url", spellcheck="false"),
    )
    entity_id = forms.CharField(
        label="Entity ID", max_length=300, widget=text_input(spellcheck="false")
    )
    sso_url = forms.CharField(
        label="Sign-on address", required=False, max_length=300, widget=text_input()
    )
    certificate = forms.CharField(
        label="Signing certificate (PEM)",
        required=False,
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
    )
    domains = forms.CharField(
        label="Domains of your addresses",
        help_text="The provider may speak for these only: example.com, example.org",
        widget=text_input(spellcheck="false"),
    )

    def clean_metadata_url(self) -> str:
        """The address, if our server may call it."""
        given: str = self.cleaned_data["metadata_url"]
        return require_public(given) if given else ""

    def clean(self) -> dict[str, Any]:
        """By metadata, or whole by hand."""
        given = super().clean() or {}
        if not given.get("metadata_url") and not (
            given.get("sso_url") and given.get("certificate")
        ):
            raise forms.ValidationError(
                "Give the metadata's address, or the sign-on address and the certificate."
            )
        return given

    @property
    def configuration(self) -> dict[str, Any]:
        """What allauth needs to know; the address of the person is the mail attribute."""
        given = self.cleaned_data
        idp = {"entity_id": given["entity_id"]}
        if given["metadata_url"]:
            idp["metadata_url"] = given["metadata_url"]
        else:
            idp["sso_url"] = given["sso_url"]
            idp["x509cert"] = re.sub(r"-----[A-Z ]+-----|\s", "", given["certificate"])
        return {"idp": idp, "attribute_mapping": {"uid": EMAIL_CLAIM, "email": EMAIL_CLAIM}}


class TokenForm(forms.Form):
    """A directory connection's name."""

    label = forms.CharField(
        label="Name of the directory", max_length=100, widget=text_input(autocomplete="off")
    )
