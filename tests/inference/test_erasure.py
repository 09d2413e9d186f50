"""A person is erased: nothing of theirs is left in any text or file, and every proof still holds."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.storage import default_storage
from django.core.mail import EmailMessage
from django.core.mail.backends.filebased import EmailBackend
from django.db import connection
from django.test import Client
from django.utils.timezone import now

from governance.kernel.actors import SYSTEM, Actor
from governance.kernel.canonical import sha256_hex
from governance.kernel.errors import NotFound
from governance.licensing.facts import Bracket
from governance.models import AuditEntry, AuditLeaf, ModelRelease, Organization, Role, User
from governance.operations import audit
from governance.operations.audit_tree import publish_checkpoint, sequence_entries
from governance.operations.audit_verification import verify_log
from governance.operations.demo import seed_declarations
from governance.operations.erasure import erase_person
from governance.operations.invitations import invite_member
from governance.operations.login_links import create_login_link
from governance.operations.members import LastOwner
from governance.operations.organizations import add_member
from inference.kernel.training_terms import STATEMENT_VERSION
from inference.models import Generation, TrainingJob
from inference.operations.admissions import Submitter
from inference.operations.training_data import attest_rights, create_dataset
from inference.operations.training_finishing import cancel_training
from inference.operations.training_items import add_item
from inference.operations.training_orders import order_training
from inference.operations.training_planning import TrainingRequest
from tests.inference.training_fixtures import picture as training_picture

pytestmark = pytest.mark.django_db
EMAIL, NAME, ADDRESS = "Wilhelmina.Quist@example.net", "Wilhelmina Quist", "198.51.100.77"
WORDS = "a birthday card for my daughter Ottoline"
LOOK = "a blue ramp called quorvex"


@pytest.fixture
def person(organization: Organization, owner: User) -> User:
    """A member who has left traces wherever the product keeps any."""
    user = User.objects.create_user(EMAIL, "a long password of hers", name=NAME)
    add_member(organization_id=organization.id, user=user, role=Role.ADMIN, actor=SYSTEM, at=now())
    actor = Actor(kind="user", id=str(user.id), label=EMAIL, ip=ADDRESS, request_id="req_w")
    seed_declarations(organization, user, Bracket.UNDER_500K, at=now())
    invite_member(
        organization_id=organization.id, email="guest@example.org", role=Role.MEMBER, actor=actor,
        at=now(),
    )  # fmt: skip
    create_login_link(user=user, at=now())
    audit.record(
        act="note.kept", actor=SYSTEM, subject_kind="note", subject_id=1,
        facts={"about": f"call {EMAIL.lower()} back", "signer": NAME, "count": 1},
    )  # fmt: skip
    EmailBackend(file_path=settings.EMAIL_FILE_PATH).send_messages(
        [EmailMessage("Hello", f"Dear {NAME}", to=[EMAIL])]
    )
    client = Client()
    client.force_login(user)
    client.get("/", REMOTE_ADDR=ADDRESS)
    return user


@pytest.fixture
def drawn(person: User, submit: Callable[..., Generation]) -> Generation:
    """A finished generation of hers."""
    job = submit()
    Generation.objects.filter(id=job.id).update(
        prompt=WORDS, member=person, state="cancelled", finished_at=now(), client_user=EMAIL
    )
    return job


def traces(*words: str) -> list[str]:
    """Every place in the database, in any type that holds text, where one of the words stands."""
    found = []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name FROM information_schema.tables "
            "WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'"
        )
        for (table,) in cursor.fetchall():
            for word in words:
                cursor.execute(
                    f'SELECT count(*) FROM "{table}" AS t WHERE t::text ILIKE %s', [f"%{word}%"]
                )
                found += [f"{table}: {word}"] * bool(cursor.fetchone()[0])
    return found


def files_with(*words: str) -> list[Path]:
    """Every file of the home and the store in which one of the words stands."""
    places = [Path(settings.LICET_HOME), Path(default_storage.location)]
    files = [
        path for place in places if place.is_dir() for path in place.rglob("*") if path.is_file()
    ]
    return [
        path
        for path in files
        if any(word.lower().encode() in path.read_bytes().lower() for word in words)
    ]


def test_no_trace_is_left_in_the_database_or_the_files(person: User, drawn: Generation) -> None:
    assert traces(EMAIL, NAME, ADDRESS, "Ottoline")
    assert files_with(EMAIL)

    erase_person(email=EMAIL, reason="asked for it", actor=SYSTEM, at=now())

    assert traces(EMAIL, NAME, ADDRESS, "Ottoline", "Wilhelmina", "Quist") == []
    assert files_with(EMAIL, NAME, "Ottoline") == []


def test_no_trace_is_left_of_trainings_and_datasets(
    person: User, submitter: Submitter, raw_release: ModelRelease
) -> None:
    actor = Actor(kind="user", id=str(person.id), label=EMAIL)
    about = {"organization_id": submitter.organization_id, "actor": actor, "at": now()}
    dataset = create_dataset(name="Quorvex look", **about)
    for seed in range(3):
        add_item(
            dataset_id=dataset.id, data=training_picture(seed), caption=LOOK, name="Quorvex.png",
            **about,
        )  # fmt: skip
    attest_rights(dataset_id=dataset.id, text_version=STATEMENT_VERSION, **about)
    job_id = order_training(
        request=TrainingRequest(
            dataset_id=dataset.id, name="Quorvex", trigger="quorvex", steps=8, rank=4,
            sample_prompt=LOOK,
        ),
        submitter=replace(submitter, actor=actor, member_id=person.id),
        at=now(),
        enqueue=lambda _id: None,
    )  # fmt: skip
    cancel_training(job_id=job_id, **about)
    assert traces("Quorvex")

    erase_person(email=EMAIL, reason="asked for it", actor=SYSTEM, at=now())

    assert traces("Quorvex", EMAIL, NAME) == []
    job = TrainingJob.objects.get(id=job_id)
    assert (job.name, job.trigger, job.sample_prompt, job.state) == ("", "", "", "cancelled")


def test_every_proof_stays_valid(person: User) -> None:
    sequence_entries()
    signed = publish_checkpoint(at=now() - timedelta(minutes=1))
    leaves = sha256_hex(
        b"".join(bytes(h) for h in AuditLeaf.objects.values_list("hash", flat=True))
    )
    assert signed is not None

    erase_person(email=EMAIL, reason="asked for it", actor=SYSTEM, at=now())

    kept = AuditLeaf.objects.filter(index__lt=signed.size).values_list("hash", flat=True)
    assert sha256_hex(b"".join(map(bytes, kept))) == leaves
    sequence_entries()
    assert verify_log(full=True).findings == []


def test_what_others_did_stays_as_it_was(person: User, owner: User) -> None:
    other = audit.record(
        act="thing.done",
        actor=Actor(kind="user", id=str(owner.id), label=owner.email, ip="203.0.113.9"),
        subject_kind="thing",
        subject_id=1,
        facts={"email": "guest@example.org"},
    )

    erase_person(email=EMAIL, reason="asked for it", actor=SYSTEM, at=now())

    other.refresh_from_db()
    assert (other.actor_label, other.ip) == (owner.email, "203.0.113.9")
    assert other.shown_facts == {"email": "guest@example.org"}
    assert User.objects.get(id=owner.id).email == owner.email


def test_is_on_record_without_naming_the_person(person: User) -> None:
    erase_person(email=EMAIL, reason="asked for it", actor=SYSTEM, at=now())

    entry = AuditEntry.objects.get(act="person.erased")
    assert entry.subject_id == str(person.id)
    assert entry.facts["reason"] == "asked for it"


def test_frees_the_seat_and_ends_every_sign_in(person: User, organization: Organization) -> None:
    client = Client()
    client.force_login(person)

    erase_person(email=EMAIL, reason="asked for it", actor=SYSTEM, at=now())

    assert client.get(f"/o/{organization.slug}/").status_code in {302, 404}
    assert not organization.memberships.filter(user=person, deactivated_at=None).exists()


def test_the_last_owner_hands_over_first(organization: Organization, owner: User) -> None:
    with pytest.raises(LastOwner):
        erase_person(email=owner.email, reason="asked for it", actor=SYSTEM, at=now())

    assert User.objects.get(id=owner.id).is_active


def test_an_unknown_address_is_refused(db: None) -> None:
    with pytest.raises(NotFound, match="no person"):
        erase_person(email="nobody@example.com", reason="asked for it", actor=SYSTEM, at=now())
