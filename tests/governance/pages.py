"""Signed-in browsers for the tests of the licence pages."""

from django.test import Client

from governance.models import Organization, Role, User
from tests.governance.tenants import person


def signed_in(user: User) -> Client:
    """A browser in which this person is signed in."""
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def owner_of(organization: Organization) -> User:
    """The organization's one owner."""
    user: User = organization.memberships.get(role=Role.OWNER).user
    return user


def staff() -> User:
    """One of the operator's people."""
    user = person("Pia")
    user.is_staff = True
    user.save()
    return user
