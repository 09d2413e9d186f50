"""What a SCIM document says about a person."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from scim2_models import Group, Resource
from scim2_models import User as ScimUser


def unique_name_of(resource: Resource[Any]) -> str | None:
    """The userName of a User (unique in its directory, RFC 7643 4.1.1); groups have none."""
    if isinstance(resource, ScimUser):
        return str(resource.user_name)
    assert isinstance(resource, Group), f"unexpected resource {type(resource).__name__}"
    return None


def address_of(person: "ScimUser[Any]", slug: str) -> str:
    """The person's address: primary, else the first, else a userName that is one.

    A directory without addresses gets one that no mail can reach, unique in the organization.
    """
    emails = [email for email in person.emails or [] if email.value]
    emails.sort(key=lambda email: not email.primary)
    candidates = [str(email.value) for email in emails] + [str(person.user_name)]
    for candidate in candidates:
        if _is_address(candidate):
            return candidate.lower()
    local = "".join(c if c.isalnum() else "-" for c in str(person.user_name).lower())[:48]
    return f"{local or 'person'}@{slug}.invalid"


def name_of(person: "ScimUser[Any]") -> str:
    """The name to show: displayName, formatted, given and family, else the userName."""
    name = person.name
    parts = [name.given_name, name.family_name] if name else []
    joined = " ".join(part for part in parts if part)
    formatted = name.formatted if name else None
    return str(person.display_name or formatted or joined or person.user_name)


def _is_address(text: str) -> bool:
    try:
        validate_email(text)
    except ValidationError:
        return False
    return True
