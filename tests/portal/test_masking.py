"""An auditor reads no prompt without saying why, and what was said is on record."""

import pytest
from django.test import Client
from django.utils.timezone import now

from governance.kernel.actors import SYSTEM
from governance.models import AuditEntry, Organization, Role, User
from governance.operations.organizations import add_member
from inference.models import Generation

pytestmark = pytest.mark.django_db
WORDS = "a small green square beside a lamp"


@pytest.fixture
def auditor(organization: Organization, client: Client) -> Client:
    """Signed in with the auditor's role."""
    user = User.objects.create_user("auditor@example.com")
    add_member(
        organization_id=organization.id, user=user, role=Role.AUDITOR, actor=SYSTEM, at=now()
    )
    client.force_login(user)
    return client


def test_prompts_are_masked_on_every_page(
    auditor: Client, home: str, delivered: Generation
) -> None:
    for page in ("", "generations/", f"generations/{delivered.id}/"):
        assert WORDS not in auditor.get(home + page).content.decode()
    lines = b"".join(auditor.get(f"{home[:-1]}/generations.csv").streaming_content).decode()
    assert WORDS not in lines
    assert "Prompt masked" in lines


def test_a_justified_look_shows_the_prompt_once_and_is_on_record(
    auditor: Client, home: str, delivered: Generation
) -> None:
    address = f"{home}generations/{delivered.id}/"

    shown = auditor.post(address, {"justification": "complaint 12"}).content.decode()

    assert WORDS in shown
    assert WORDS not in auditor.get(address).content.decode()
    entry = AuditEntry.objects.get(act="prompt.unmasked")
    assert entry.facts == {"justification": "complaint 12"}


def test_a_look_without_a_reason_shows_nothing(
    auditor: Client, home: str, delivered: Generation
) -> None:
    shown = auditor.post(f"{home}generations/{delivered.id}/", {"justification": " "})

    assert WORDS not in shown.content.decode()
    assert not AuditEntry.objects.filter(act="prompt.unmasked").exists()


def test_who_may_see_pictures_sees_prompts(
    reader: Client, home: str, delivered: Generation
) -> None:
    assert WORDS in reader.get(f"{home}generations/{delivered.id}/").content.decode()
