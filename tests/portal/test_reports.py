"""The reports page: ask, wait, download; the schedule; links for auditors; erasing a person."""

import io
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client, override_settings
from django.utils.timezone import now

from governance.kernel.actors import SYSTEM
from governance.models import (
    AuditEntry,
    AuditorLink,
    ComplianceReport,
    Organization,
    ReportSchedule,
    Role,
    User,
)
from governance.operations.auditor_links import create_auditor_link
from governance.operations.compliance_reports import (
    request_report,
    request_scheduled_reports,
    set_schedule,
    waiting_reports,
)
from governance.operations.organizations import add_member
from governance.reports.making import build_report

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def store(tmp_path: Path) -> Iterator[Path]:
    """A store of the test's own."""
    storage = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(tmp_path)},
    }
    static = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    with override_settings(STORAGES={"default": storage, "staticfiles": static}):
        yield tmp_path


@pytest.fixture
def reader(organization: Organization, client: Client) -> Client:
    """A member with the auditor's role, signed in."""
    user = User.objects.create_user("auditor@example.com")
    add_member(
        organization_id=organization.id, user=user, role=Role.AUDITOR, actor=SYSTEM, at=now()
    )
    client.force_login(user)
    return client


def end(reply: Any) -> None:
    """Close the file of a download; closing the reply would close the test's connection as well."""
    for close in reply._resource_closers:
        close()


def made(organization: Organization | None, period: str = "2026-10") -> ComplianceReport:
    row = request_report(
        organization_id=organization.id if organization else None,
        period=period,
        actor=SYSTEM,
        at=now(),
    )
    return build_report(report_id=row.id, at=now())


def test_an_auditor_asks_for_a_report_and_sees_how_it_goes(
    reader: Client, organization: Organization
) -> None:
    reader.post(f"/o/{organization.slug}/reports/new/", {"period": "2026-10"})

    page = reader.get(f"/o/{organization.slug}/reports/").content.decode()
    row = ComplianceReport.objects.get()
    assert "Being made" in page
    assert f'hx-get="/o/{organization.slug}/reports/{row.id}/"' in page


def test_a_finished_report_is_downloaded_and_the_download_is_on_record(
    reader: Client, organization: Organization
) -> None:
    row = made(organization)

    reply = reader.get(f"/o/{organization.slug}/reports/{row.id}.zip")

    names = zipfile.ZipFile(io.BytesIO(b"".join(reply.streaming_content))).namelist()
    end(reply)
    assert {"report.pdf", "report.json", "verify.py", "entries.jsonl"} <= set(names)
    assert AuditEntry.objects.filter(act="report.downloaded", subject_id=str(row.id)).exists()


def test_what_is_no_period_is_told_in_a_sentence(
    reader: Client, organization: Organization
) -> None:
    reply = reader.post(f"/o/{organization.slug}/reports/new/", {"period": "2026-13"}, follow=True)

    assert "is no period" in reply.content.decode()
    assert not ComplianceReport.objects.exists()


def test_another_organizations_report_is_not_there(
    reader: Client, organization: Organization, stranger: User
) -> None:
    other = Organization.objects.exclude(id=organization.id).get()
    row = made(other)

    assert reader.get(f"/o/{organization.slug}/reports/{row.id}.zip").status_code == 404
    assert reader.get(f"/o/{other.slug}/reports/{row.id}.zip").status_code == 404


def test_a_member_sees_no_reports(organization: Organization, client: Client) -> None:
    user = User.objects.create_user("member@example.com")
    add_member(organization_id=organization.id, user=user, role=Role.MEMBER, actor=SYSTEM, at=now())
    client.force_login(user)

    assert client.get(f"/o/{organization.slug}/reports/").status_code == 404


def test_the_operator_makes_the_report_of_the_whole_deployment(
    operator: User, client: Client, organization: Organization
) -> None:
    client.force_login(operator)
    row = made(None)

    page = client.get("/operator/reports/").content.decode()

    assert f"/operator/reports/{row.id}.zip" in page
    reply = client.get(f"/operator/reports/{row.id}.zip")
    end(reply)
    assert reply.status_code == 200


class TestSchedule:
    def test_makes_the_closed_month_once(self, organization: Organization) -> None:
        set_schedule(organization_id=organization.id, monthly=True, actor=SYSTEM, at=NOON)

        first, again = request_scheduled_reports(at=NOON), request_scheduled_reports(at=NOON)

        assert (first, again) == (1, 0)
        assert ComplianceReport.objects.get().period == "2026-11"

    def test_waits_until_the_month_is_closed(self, organization: Organization) -> None:
        set_schedule(organization_id=organization.id, monthly=True, actor=SYSTEM, at=NOON)

        assert request_scheduled_reports(at=NOON.replace(hour=0, minute=5)) == 0

    def test_is_switched_on_and_off_on_the_page(
        self, reader: Client, organization: Organization
    ) -> None:
        reader.post(f"/o/{organization.slug}/reports/schedule/", {"monthly": "on"})
        assert ReportSchedule.objects.filter(organization=organization).exists()

        reader.post(f"/o/{organization.slug}/reports/schedule/", {})

        assert not ReportSchedule.objects.exists()

    def test_a_report_whose_message_was_lost_is_found(self, organization: Organization) -> None:
        row = request_report(
            organization_id=organization.id, period="2026-10", actor=SYSTEM, at=NOON
        )

        assert waiting_reports(at=NOON) == []
        assert waiting_reports(at=NOON + timedelta(minutes=2)) == [row.id]


class TestAuditorLinks:
    def test_show_reports_and_log_to_who_has_no_account(
        self, client: Client, organization: Organization
    ) -> None:
        row = made(organization)
        link = create_auditor_link(
            organization_id=organization.id, label="Firm", days=7, actor=SYSTEM, at=now()
        )

        page = client.get(f"/auditor/{link.token}/")
        bundle = client.get(f"/auditor/{link.token}/{row.id}.zip")
        end(bundle)

        assert "organization.created" in page.content.decode()
        assert bundle.status_code == 200
        opened = AuditEntry.objects.filter(act="auditor_link.opened")
        assert opened.count() == 2
        assert opened[0].actor_kind == "auditor_link"

    def test_end_by_themselves_and_at_once_when_revoked(
        self, client: Client, owner: User, organization: Organization
    ) -> None:
        old = create_auditor_link(
            organization_id=organization.id, label="Firm", days=7, actor=SYSTEM,
            at=now() - timedelta(days=8),
        )  # fmt: skip
        live = create_auditor_link(
            organization_id=organization.id, label="Firm", days=7, actor=SYSTEM, at=now()
        )
        owners = Client()
        owners.force_login(owner)

        owners.post(f"/o/{organization.slug}/reports/links/{live.link.id}/end/")

        assert client.get(f"/auditor/{old.token}/").status_code == 410
        assert client.get(f"/auditor/{live.token}/").status_code == 410

    def test_are_made_by_who_administers_and_shown_once(
        self, client: Client, owner: User, organization: Organization
    ) -> None:
        client.force_login(owner)
        client.post(f"/o/{organization.slug}/reports/links/", {"label": "Firm", "days": 3})

        first = client.get(f"/o/{organization.slug}/reports/").content.decode()
        second = client.get(f"/o/{organization.slug}/reports/").content.decode()

        assert "/auditor/" in first
        assert "/auditor/" not in second
        assert AuditorLink.objects.get().label == "Firm"

    def test_are_not_made_by_an_auditor(self, reader: Client, organization: Organization) -> None:
        reply = reader.post(f"/o/{organization.slug}/reports/links/", {"label": "Me", "days": 3})

        assert reply.status_code == 404


def test_the_operator_erases_a_person_after_typing_the_address_twice(
    operator: User, client: Client
) -> None:
    User.objects.create_user("gone@example.com", name="Gone Girl")
    client.force_login(operator)
    form = {"email": "gone@example.com", "again": "gone@example.com", "reason": "asked"}

    client.post("/operator/reports/erase/", form | {"again": "other@example.com"})
    assert User.objects.filter(email="gone@example.com").exists()
    client.post("/operator/reports/erase/", form)

    assert not User.objects.filter(email="gone@example.com").exists()
