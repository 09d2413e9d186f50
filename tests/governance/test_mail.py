"""The outbox of e-mail: posted with the act, delivered at least once, cleared in time."""

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.db import transaction

from governance.kernel.letters import Letter
from governance.models import Organization, OutgoingMail, Role, User
from governance.operations.mail import (
    LEASE,
    MOST_ATTEMPTS,
    clear_old_mail,
    deliver_due_mail,
    post_letter,
    post_to_roles,
)
from tests.factories import NOON

pytestmark = pytest.mark.django_db
LETTER = Letter(
    kind="test",
    subject="Balance low",
    heading="The balance is low & falling",
    paragraphs=("Top up <soon>.",),
    facts=(("Available", "$1.20"),),
    action=("Top up", "https://licet.example/o/aurora/billing/"),
)


class Refusing:
    """A mail server that is not there."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def send_messages(self, _: list[Any]) -> int:
        raise ConnectionRefusedError("mail server says no")


@pytest.fixture
def no_mail_server(settings: Any) -> None:
    settings.EMAIL_BACKEND = f"{__name__}.Refusing"


def test_a_posted_letter_is_delivered_once_in_both_forms() -> None:
    post_letter(LETTER, to=["ada@example.com", "ada@example.com"], at=NOON)

    first, second = deliver_due_mail(at=NOON), deliver_due_mail(at=NOON + LEASE)

    assert (first, second) == (1, 0)
    [message] = mail.outbox
    assert message.to == ["ada@example.com"]
    assert "Top up <soon>." in message.body
    assert "https://licet.example/o/aurora/billing/" in message.body
    html = message.alternatives[0][0]
    assert "Top up &lt;soon&gt;." in html
    assert "low &amp; falling" in html


def test_a_letter_of_an_act_that_was_rolled_back_is_never_sent() -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        post_letter(LETTER, to=["ada@example.com"], at=NOON)
        raise ZeroDivisionError

    assert deliver_due_mail(at=NOON) == 0


@pytest.mark.usefixtures("no_mail_server")
def test_a_refused_letter_waits_longer_each_time_and_says_why() -> None:
    post_letter(LETTER, to=["ada@example.com"], at=NOON)

    deliver_due_mail(at=NOON)
    waiting = OutgoingMail.objects.get()
    assert (waiting.attempts, waiting.next_try_at) == (1, NOON + timedelta(minutes=1))
    assert waiting.last_error == "mail server says no"

    assert deliver_due_mail(at=NOON + timedelta(seconds=59)) == 0
    assert OutgoingMail.objects.get().attempts == 1
    deliver_due_mail(at=NOON + timedelta(minutes=1))
    assert OutgoingMail.objects.get().next_try_at == NOON + timedelta(minutes=3)


@pytest.mark.usefixtures("no_mail_server")
def test_a_letter_is_given_up_after_days_not_for_ever() -> None:
    post_letter(LETTER, to=["ada@example.com"], at=NOON)

    at = NOON
    for _ in range(MOST_ATTEMPTS + 3):
        deliver_due_mail(at=at)
        at = OutgoingMail.objects.get().next_try_at

    given_up = OutgoingMail.objects.get()
    assert given_up.attempts == MOST_ATTEMPTS
    assert given_up.given_up_at is not None
    assert given_up.given_up_at - NOON > timedelta(days=1)


def test_who_is_killed_while_delivering_leaves_the_letter_to_the_next(monkeypatch: Any) -> None:
    post_letter(LETTER, to=["ada@example.com"], at=NOON)
    with monkeypatch.context() as killed:
        killed.setattr("governance.operations.mail._deliver", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            deliver_due_mail(at=NOON)

    assert deliver_due_mail(at=NOON + LEASE / 2) == 0
    assert deliver_due_mail(at=NOON + LEASE) == 1


def test_outside_development_the_text_goes_with_the_letter(settings: Any) -> None:
    settings.DEVELOPMENT_INBOX = False
    post_letter(LETTER, to=["ada@example.com"], at=NOON)

    deliver_due_mail(at=NOON)

    kept = OutgoingMail.objects.get()
    assert (kept.text, kept.html) == ("", "")


def test_old_letters_are_deleted_and_waiting_ones_kept(settings: Any) -> None:
    post_letter(LETTER, to=["sent@example.com"], at=NOON)
    deliver_due_mail(at=NOON)
    post_letter(LETTER, to=["waiting@example.com"], at=NOON)

    assert clear_old_mail(at=NOON + timedelta(days=settings.MAIL_KEPT_DAYS + 1)) == 1
    assert OutgoingMail.objects.get().to_address == "waiting@example.com"


def test_a_letter_to_a_role_reaches_its_active_members(
    organization: Organization, owner: User
) -> None:
    post_to_roles(LETTER, organization_id=organization.id, roles=[Role.OWNER], at=NOON)

    assert [each.to_address for each in OutgoingMail.objects.all()] == [owner.email]
