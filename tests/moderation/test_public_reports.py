"""Anybody reports an image without an account: found, judged by a person, 48 hours, a number to follow."""

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils.timezone import now

from governance.kernel.ids import uuid7
from governance.models import AuditEntry
from inference.operations.addresses import image_address, image_of_address
from moderation.models import (
    Evidence,
    Finding,
    PublicReport,
    ReleasedMark,
    Removal,
    ReviewCase,
    UserReport,
)
from moderation.operations import removals
from moderation.operations.public_reports import erase_contacts, number_hash
from moderation.operations.released_marks import record_released_images
from moderation.operations.removals import CLOCK, end_clock, reject_removal
from moderation.operations.review import claim_case, judge_case
from moderation.queries.released_images import image_by_name
from tests.moderation.conftest import acting, decision, person
from tests.moderation.test_provenance import encoder, released, scene
from tests.moderation.test_verification import again

pytestmark = pytest.mark.django_db
WORDS = {
    "item": "2",
    "concern": "shown",
    "statement": "That is me, and I did not agree.",
    "contact": "me@example.com",
}


@pytest.fixture(autouse=True)
def clean_window():
    cache.clear()


@pytest.fixture
def delivered(gate, organization):
    """A released image in the registry, with the gate's decision on it."""
    image = released(scene(128, seed=5))
    record_released_images(receipts=[image.receipt], organization_id=organization.id, at=now())
    mark = ReleasedMark.objects.get()
    decision(
        id=mark.decision_id,
        stage="output",
        outcome="allow",
        job_id=mark.job_id,
        organization_id=organization.id,
        at=now(),
    )
    return image.data


def sent(client, data=b"", **fields):
    upload = {"image": SimpleUploadedFile("x.png", data, "image/png")} if data else {}
    return client.post(reverse("public-report"), {**WORDS, **fields, **upload})


def number_of(reply):
    assert reply.status_code == 302, reply.content.decode()
    return reply["Location"].rstrip("/").rpartition("/")[2]


def page_of(client, number):
    return client.get(reverse("public-report-state", args=[number])).content.decode()


def judged(finding):
    """The report's case as a reviewer judges it."""
    user = person("rita", roles=("reviewer", "senior"))
    case = claim_case(reviewer_id=user.id, at=now())
    judge_case(
        case_id=case.id,
        lease_epoch=case.lease_epoch,
        finding=finding,
        item="2",
        reason="I looked at it.",
        actor=acting(user),
        at=now(),
    )


def test_a_dropped_file_starts_the_clock_and_gives_a_number_that_shows_the_state(client, delivered):
    number = number_of(sent(client, again(delivered, quality=80)))

    report, removal = UserReport.objects.get(), Removal.objects.get()
    assert report.case.state == "open"
    assert removal.due_at - removal.requested_at == CLOCK == timedelta(hours=48)
    assert removal.report == report
    assert "Received." in page_of(client, number)
    assert "Received." in page_of(client, number.lower().replace("-", " "))


def test_neither_the_file_nor_the_number_is_kept(client, delivered, settings):
    before = set(settings.LICET_HOME.rglob("*"))

    number = number_of(sent(client, delivered))

    public = PublicReport.objects.get()
    assert number not in {public.number_sha256, public.report.statement}
    assert public.number_sha256 == number_hash(number)
    assert not Evidence.objects.exists()
    assert set(settings.LICET_HOME.rglob("*")) == before


def test_the_audit_log_tells_of_a_visitor_and_not_of_the_words(client, delivered):
    sent(client, delivered)

    entries = AuditEntry.objects.filter(act__in=("image.reported", "removal.requested"))
    assert {entry.act for entry in entries} == {"image.reported", "removal.requested"}
    assert {entry.actor_kind for entry in entries} == {"visitor"}
    assert not [e for e in entries if "agree" in str(e.facts) or "me@example" in str(e.facts)]


@pytest.mark.parametrize("name", ["sha256", "watermark", "decision", "generation", "place"])
def test_an_image_is_named_by_any_of_its_numbers(delivered, name):
    mark = ReleasedMark.objects.get()
    names = {
        "sha256": mark.sha256.upper(),
        "watermark": f"{mark.mark:012x}",
        "decision": f"urn:uuid:{mark.decision_id}",
        "generation": f"https://example.com/o/acme/generations/{mark.job_id}/",
        "place": f"{mark.job_id}/0",
    }

    assert image_by_name(names[name]) == mark


def test_a_generation_of_two_images_needs_the_place(delivered):
    mark = ReleasedMark.objects.get()
    second = ReleasedMark.objects.get()
    second.id, second.mark, second.index, second.decision_id = uuid7(), 7, 1, uuid7()
    second.save(force_insert=True)

    assert image_by_name(str(mark.job_id)) is None
    assert image_by_name(f"{mark.job_id}/1") == second


def test_a_signed_address_names_its_image_even_when_it_has_expired(client, delivered, monkeypatch):
    mark = ReleasedMark.objects.get()
    known = {"http://here/v1/images/content/old": (mark.job_id, mark.index)}
    monkeypatch.setattr(removals.namers, "items", {"signed": known.get})

    number_of(sent(client, name="http://here/v1/images/content/old"))

    assert UserReport.objects.get().job_id == mark.job_id


def test_an_address_that_we_did_not_sign_names_nothing(settings):
    signed = image_address(uuid7(), uuid7())

    assert image_of_address(signed + "x") is None
    assert image_of_address("https://example.com/cat.png") is None


def test_a_picture_not_made_here_is_refused_and_nothing_is_kept(client, delivered):
    reply = sent(client, encoder("PNG")(scene(128, seed=8)))

    assert reply.status_code == 404
    assert "not known here" in reply.content.decode()
    assert not UserReport.objects.exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [("item", "99"), ("concern", ""), ("statement", "  "), ("contact", "nobody")],
)
def test_a_missing_field_is_named_and_what_was_written_stays(client, delivered, field, value):
    reply = sent(client, delivered, **{field: value})

    page = reply.content.decode()
    assert reply.status_code == 400
    assert f'href="#{field}"' in page
    assert "<title>Error: " in page
    assert not UserReport.objects.exists()
    assert field == "statement" or WORDS["statement"] in page


def test_without_picture_and_name_the_form_asks_for_one(client, gate):
    reply = sent(client)

    assert reply.status_code == 400
    assert "Send the picture, or its address or number." in reply.content.decode()


def test_a_file_that_is_no_picture_is_refused_by_the_sandbox(client, gate):
    reply = sent(client, b"MZ this is a program")

    assert reply.status_code == 400
    assert not UserReport.objects.exists()


def test_one_address_sends_no_more_than_its_reports_an_hour(client, delivered, settings):
    settings.REPORTS_PER_HOUR = 1
    number_of(sent(client, delivered))

    reply = sent(client, delivered)

    assert reply.status_code == 429
    assert UserReport.objects.count() == 1


def test_a_second_report_joins_the_clock_that_runs(client, delivered):
    first, second = (number_of(sent(client, delivered)) for _ in range(2))

    assert first != second
    assert Removal.objects.count() == 1
    assert ReviewCase.objects.filter(kind="report").count() == 1
    assert "Received." in page_of(client, second)


def test_a_report_found_right_is_removed_and_says_so(client, delivered, monkeypatch):
    number = number_of(sent(client, delivered))
    judged(Finding.UPHOLD)
    assert "You were right." in page_of(client, number)
    erased = []
    monkeypatch.setattr(removals.erasers, "items", {"test": lambda *image: erased.append(image[0])})
    monkeypatch.setattr(removals.readers, "items", {"test": lambda *_: delivered})

    client.force_login(person("sam", roles=("reviewer",)))
    client.post(reverse("moderation-remove", args=[Removal.objects.get().id]))

    assert erased == [UserReport.objects.get().job_id]
    assert "The image was removed." in page_of(client, number)
    assert "I looked at it." in page_of(client, number)


def test_a_report_found_wrong_ends_the_clock_and_says_why(client, delivered):
    number = number_of(sent(client, delivered))

    judged(Finding.OVERTURN)

    assert Removal.objects.get().state == "rejected"
    page = page_of(client, number)
    assert "The image was not removed." in page
    assert "I looked at it." in page


def test_the_inbox_shows_reporter_and_contact_to_staff_and_a_reviewer_may_leave_the_image(
    client, delivered
):
    number = number_of(sent(client, delivered))
    client.force_login(person("rita", roles=("reviewer",)))
    inbox = client.get(reverse("moderation-reports")).content.decode()
    address = reverse("moderation-removal-reject", args=[Removal.objects.get().id])

    client.post(address, {"reason": " "})
    assert Removal.objects.get().state == "open"
    client.post(address, {"reason": "It shows a vase."})

    assert "I am shown in it" in inbox
    assert "me@example.com" in inbox
    assert Removal.objects.get().state == "rejected"
    assert "The image was not removed." in page_of(client, number)


def test_a_wrong_number_shows_nothing_and_a_typed_one_leads_to_its_page(client, delivered):
    number = number_of(sent(client, delivered))

    wrong = client.get(reverse("public-report-state", args=["AAAAA-AAAAA-AAAAA-AAAAA"]))
    typed = client.get(reverse("public-report-find"), {"number": number}, follow=True)

    assert wrong.status_code == 404
    assert "Received." in typed.content.decode()


def test_the_state_page_tells_neither_words_nor_owner_nor_image(client, delivered, organization):
    page = page_of(client, number_of(sent(client, delivered)))

    mark = ReleasedMark.objects.get()
    for secret in (WORDS["statement"], WORDS["contact"], organization.name, str(mark.job_id)):
        assert secret not in page
    assert mark.sha256 not in page


def test_contacts_are_forgotten_after_the_time_for_appeals(client, delivered):
    sent(client, delivered)

    assert erase_contacts(at=now() + timedelta(days=180)) == 0
    assert erase_contacts(at=now() + timedelta(days=184)) == 1
    assert PublicReport.objects.get().contact == ""


def test_a_report_after_a_rejected_one_starts_a_clock_of_its_own(client, delivered):
    sent(client, delivered)
    user = acting(person("rita"))
    reject_removal(removal_id=Removal.objects.get().id, reason="no", actor=user, at=now())

    number = number_of(sent(client, delivered))

    assert Removal.objects.filter(state="open").count() == 1
    assert "Received." in page_of(client, number)


def test_one_reviewer_alone_does_not_leave_an_image_reported_for_child_safety(client, delivered):
    sent(client, delivered, item="1")
    client.force_login(person("rita", roles=("reviewer",)))
    address = reverse("moderation-removal-reject", args=[Removal.objects.get().id])

    shown = client.post(address, {"reason": "I see nothing."}, follow=True).content.decode()

    assert "Two people decide this" in shown
    assert Removal.objects.get().state == "open"


@pytest.mark.parametrize(("by_two", "state"), [(False, "open"), (True, "rejected")])
def test_a_clock_of_child_safety_ends_when_two_people_say_so(client, delivered, by_two, state):
    sent(client, delivered, item="1")
    removal = Removal.objects.get()

    end_clock(
        job_id=removal.job_id, index=removal.index, by_two=by_two, reason="no",
        actor=acting(person("rita")), at=now(),
    )  # fmt: skip

    assert Removal.objects.get().state == state
