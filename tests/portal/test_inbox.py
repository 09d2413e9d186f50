"""The development inbox: staff of a development deployment see every letter."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from governance.models import Organization, OutgoingMail, Role, User
from governance.operations.invitations import invite_member
from governance.operations.mail import deliver_due_mail
from tests.factories import SYSTEM

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(operator: User) -> Client:
    client = Client()
    client.force_login(operator)
    return client


@pytest.fixture
def invited(organization: Organization) -> OutgoingMail:
    invite_member(
        organization_id=organization.id,
        email="new@example.com",
        role=Role.MEMBER,
        actor=SYSTEM,
        at=now(),
    )
    return OutgoingMail.objects.get()


def test_an_invitation_lies_in_the_inbox_before_it_is_delivered(
    staff: Client, invited: OutgoingMail
) -> None:
    page = staff.get(reverse("inbox")).content.decode()

    assert "new@example.com" in page
    assert "waiting" in page
    deliver_due_mail(at=now())
    assert "sent" in staff.get(reverse("inbox")).content.decode()


def test_the_letters_link_accepts_the_invitation(staff: Client, invited: OutgoingMail) -> None:
    link = invited.text.split("See the invitation:\n")[1].split()[0]

    page = Client().get(link[link.index("/invitations/") :])

    assert page.status_code == 200


def test_a_letter_may_load_and_run_nothing(staff: Client, invited: OutgoingMail) -> None:
    policy = staff.get(reverse("inbox-body", args=[invited.id])).headers["Content-Security-Policy"]

    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy
    assert "style-src 'sha256-" in policy


@pytest.mark.parametrize("name", ["inbox", "inbox-letter", "inbox-body"])
def test_in_production_there_is_no_inbox(
    name: str, staff: Client, invited: OutgoingMail, settings: Any
) -> None:
    settings.DEVELOPMENT_INBOX = False
    place = reverse(name, args=[] if name == "inbox" else [invited.id])

    assert staff.get(place).status_code == 404


def test_members_have_no_inbox(reader: Client, invited: OutgoingMail) -> None:
    assert reader.get(reverse("inbox-letter", args=[invited.id])).status_code == 404
