"""Moderation's pages: reviewers see what they must, tenants their own, strangers nothing."""

from base64 import b64encode
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils.timezone import now

from governance.kernel.canonical import sha256_hex
from governance.kernel.ids import uuid7
from governance.models import AuditEntry
from moderation.models import ActivationProposal, Appeal, Policy, ReviewCase, UserReport
from moderation.operations import removals
from moderation.operations.appeals import (
    ImageNotShown,
    file_appeal,
    open_reported_image,
    report_image,
)
from moderation.operations.cases import case_for_decision
from moderation.operations.screening import PromptHeld, record_prompt_decision
from tests.moderation.conftest import KEY, acting, decision, person, screened
from tests.moderation.test_policies import draft, measure, stricter

pytestmark = pytest.mark.django_db
ALL = ("reviewer", "senior", "appeals", "child_safety")


def held_prompt():
    tenant, job = uuid7(), uuid7()
    with pytest.raises(PromptHeld) as held:
        screened("a doubtful secret", job, tenant)
    record_prompt_decision(held.value, job_id=job, organization_id=tenant, actor=KEY, at=now())


def signed_in(client, user):
    client.force_login(user)
    return client


@pytest.mark.parametrize(
    "name", ["moderation-queue", "moderation-reports", "moderation-health", "moderation-policies"]
)
def test_the_operators_pages_open_for_staff_and_exist_for_nobody_else(
    client, gate, operator, owner, name
):
    assert client.get(reverse(name)).status_code == 302
    assert signed_in(client, owner).get(reverse(name)).status_code == 404
    assert signed_in(client, operator).get(reverse(name)).status_code == 200


def test_a_reviewer_takes_opens_and_decides_a_case(client, gate):
    held_prompt()
    signed_in(client, person("rita", roles=ALL))
    page = client.post(reverse("moderation-next"), follow=True)
    case = ReviewCase.objects.get()
    assert "a doubtful secret" not in page.content.decode()

    shown = client.post(reverse("moderation-reveal", args=[case.id]), {"justification": "review"})
    assert "a doubtful secret" in shown.content.decode()
    assert AuditEntry.objects.filter(act="evidence.opened").count() == 1
    done = client.post(
        reverse("moderation-judge", args=[case.id]),
        {
            "epoch": ReviewCase.objects.get().lease_epoch,
            "finding": "overturn",
            "item": "7",
            "reason": "A toy.",
        },
        follow=True,
    )

    assert "The case is decided." in done.content.decode()
    assert ReviewCase.objects.get(id=case.id).result == "overturn"


def test_the_prompt_is_not_opened_without_the_lease(client, gate):
    held_prompt()
    signed_in(client, person("eve", roles=ALL))
    case = ReviewCase.objects.get()

    found = client.post(reverse("moderation-reveal", args=[case.id]), {"justification": "curious"})

    assert found.status_code == 404


def test_a_case_of_item_one_is_never_displayed(client, gate):
    case = case_for_decision(decision(item="1", at=now()))
    signed_in(client, person("cara", roles=ALL))
    page = client.post(reverse("moderation-next"), follow=True).content.decode()

    assert "Item 1 is never displayed" in page
    revealed = client.post(reverse("moderation-reveal", args=[case.id]), {"justification": "x"})
    assert revealed.status_code == 404


def test_staff_who_are_no_reviewers_look_but_do_not_judge(client, gate, operator):
    case = case_for_decision(decision(outcome="review", at=now()))
    signed_in(client, operator)

    assert client.get(reverse("moderation-case", args=[case.id])).status_code == 200
    assert client.post(reverse("moderation-next")).status_code == 404


def test_a_member_sees_their_decision_and_appeals_it(client, gate, organization, owner):
    found = decision(organization_id=organization.id, reason="It shows a weapon.", at=now())
    signed_in(client, owner)
    where = reverse("moderation-appeal-address", args=[found.id])

    page = client.get(where, follow=True)
    assert "It shows a weapon." in page.content.decode()
    filed = client.post(
        reverse("moderation-appeal", args=[organization.slug, found.id]),
        {"statement": "It is a water pistol."},
        follow=True,
    )

    assert "Your appeal is filed" in filed.content.decode()
    assert Appeal.objects.get().statement == "It is a water pistol."


def test_another_tenants_decision_does_not_exist(client, gate, organization, owner, stranger):
    found = decision(organization_id=organization.id, at=now())
    signed_in(client, stranger)

    for name, args in (
        ("moderation-decision", [organization.slug, found.id]),
        ("moderation-appeal-address", [found.id]),
        ("moderation-decisions", [organization.slug]),
    ):
        assert client.get(reverse(name, args=args)).status_code == 404
    other = decision(organization_id=uuid7(), at=now())
    signed_in(client, owner)
    where = reverse("moderation-decision", args=[organization.slug, other.id])
    assert client.get(where).status_code == 404


def test_a_tenants_list_shows_withheld_requests_and_their_appeals(
    client, gate, organization, owner
):
    found = decision(organization_id=organization.id, reason="It shows a weapon.", at=now())
    decision(organization_id=organization.id, outcome="allow", at=now())
    file_appeal(
        decision_id=found.id,
        organization_id=organization.id,
        statement="No.",
        actor=KEY,
        at=now() + timedelta(minutes=1),
    )

    page = signed_in(client, owner).get(reverse("moderation-decisions", args=[organization.slug]))

    assert page.content.decode().count("<tr>") == 2
    assert "Open" in page.content.decode()


def test_a_policy_is_drafted_replayed_and_proposed_in_the_portal(client, gate, operator):
    signed_in(client, operator)
    text = gate.text.replace("test/1", "test/2").replace("900", "950")

    drafted = client.post(
        reverse("moderation-policy-editor"), {"document": text, "note": "milder"}, follow=True
    )
    policy = Policy.objects.get()
    place = reverse("moderation-policy-act", args=[policy.hash])
    replayed = client.post(place, {"act": "replay"}, follow=True)
    refused = client.post(place, {"act": "live", "reason": "now"}, follow=True)
    proposed = client.post(place, {"act": "shadow", "reason": "try"}, follow=True)

    assert "950" in drafted.content.decode()
    assert "Replay: the last 7 days" in replayed.content.decode()
    assert "evaluation" in refused.content.decode()
    assert "Another person must approve it" in proposed.content.decode()
    waiting = client.get(reverse("moderation-policies")).content.decode()
    assert "Another person must approve it." in waiting


def test_a_broken_draft_says_where(client, gate, operator):
    page = signed_in(client, operator).post(
        reverse("moderation-policy-editor"), {"document": "{", "note": "x"}
    )

    assert "This is no JSON" in page.content.decode()


PICTURE = b"\x89PNG\r\n\x1a\n the picture's bytes"


@pytest.fixture
def delivered(monkeypatch):
    """An image store that has the first image of every job."""

    def read(job_id, index):
        return PICTURE if index == 0 else None

    monkeypatch.setattr(removals.readers, "items", {"test": read})


def reported(organization, item="7"):
    shown = decision(stage="output", outcome="allow", organization_id=organization.id)
    return report_image(
        job_id=shown.job_id,
        index=0,
        sha256="a" * 64,
        organization_id=organization.id,
        item=item,
        statement="It mocks me.",
        contact="",
        actor=KEY,
        at=now(),
    )


def test_a_member_reports_a_delivered_image(client, gate, delivered, organization, owner):
    shown = decision(stage="output", outcome="allow", organization_id=organization.id)
    signed_in(client, owner)
    address = reverse("moderation-report", args=[organization.slug, shown.job_id, 0])
    assert "Report an image" in client.get(address).content.decode()

    client.post(address, {"item": "7", "statement": "It mocks me."})

    report = UserReport.objects.get()
    assert (report.item, report.index, report.sha256) == ("7", 0, sha256_hex(PICTURE))
    assert report.contact == owner.email


def test_a_report_without_a_statement_is_asked_for_again(
    client, gate, delivered, organization, owner
):
    shown = decision(stage="output", outcome="allow", organization_id=organization.id)
    address = reverse("moderation-report", args=[organization.slug, shown.job_id, 0])

    page = signed_in(client, owner).post(address, {"item": "7", "statement": " "})

    assert "say what is wrong" in page.content.decode()
    assert not UserReport.objects.exists()


def test_an_image_that_is_not_theirs_cannot_be_reported(
    client, gate, delivered, organization, owner
):
    elsewhere = decision(stage="output", outcome="allow")
    withheld = decision(stage="output", outcome="block", organization_id=organization.id)
    signed_in(client, owner)

    for each in (elsewhere, withheld):
        address = reverse("moderation-report", args=[organization.slug, each.job_id, 0])
        assert client.get(address).status_code == 404


def test_a_reviewer_opens_a_reported_image_with_a_justification(
    client, gate, delivered, organization
):
    reported(organization)
    signed_in(client, person("rita", roles=ALL))
    client.post(reverse("moderation-next"))
    case = ReviewCase.objects.get()
    address = reverse("moderation-reveal", args=[case.id])

    client.post(address, {"justification": ""})
    assert not AuditEntry.objects.filter(act="image.opened").exists()
    page = client.post(address, {"justification": "to judge the report"}).content.decode()

    assert b64encode(PICTURE).decode() in page
    opened = AuditEntry.objects.get(act="image.opened")
    assert opened.facts["justification"] == "to judge the report"


def test_an_image_reported_under_item_one_is_never_shown(client, gate, delivered, organization):
    report = reported(organization, item="1")
    signed_in(client, person("rita", roles=ALL))
    client.post(reverse("moderation-next"))

    page = client.post(
        reverse("moderation-reveal", args=[ReviewCase.objects.get().id]), {"justification": "why"}
    )

    assert page.status_code == 404
    with pytest.raises(ImageNotShown):
        open_reported_image(report_id=report.id, actor=KEY, justification="why")


def test_a_child_safety_case_gives_the_draft_of_a_report_without_content(client, gate):
    case = case_for_decision(decision(item="1", outcome="block"))
    address = reverse("moderation-draft", args=[case.id])
    assert signed_in(client, person("rita", roles=("reviewer",))).post(address).status_code == 404

    reply = signed_in(client, person("carla", roles=("child_safety",))).post(address)

    draft = reply.json()
    assert draft["incident"]["sha256"] == case.decision.subject_sha256
    assert draft["reported"]["job"] == str(case.decision.job_id)
    assert "attachment" in reply["Content-Disposition"]
    assert AuditEntry.objects.filter(act="child_safety.report_drafted").count() == 1


def test_no_other_case_gives_such_a_draft(client, gate):
    case = case_for_decision(decision(item="7", outcome="review"))

    reply = signed_in(client, person("carla", roles=("child_safety",))).post(
        reverse("moderation-draft", args=[case.id])
    )

    assert reply.status_code == 404


def measured_policy(gate):
    """A draft that was evaluated and replayed, so that it may be proposed as a canary."""
    author = acting(person("ada"))
    policy = draft(stricter(), author)
    measure(policy, author)
    return policy


@pytest.mark.parametrize(("percent", "share"), [("10", 100), ("50", 500), ("80", None), ("", None)])
def test_a_canary_is_proposed_for_a_share_of_the_jobs(client, gate, operator, percent, share):
    policy = measured_policy(gate)

    signed_in(client, operator).post(
        reverse("moderation-policy-act", args=[policy.hash]),
        {"act": "canary", "reason": "to try it", "percent": percent},
    )

    proposal = ActivationProposal.objects.first()
    assert (proposal.share_milli if proposal else None) == share
