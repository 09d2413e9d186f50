"""What only the operator puts on record: in the portal and at the command line."""

import json
from io import StringIO

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.utils.timezone import now

from governance.kernel.errors import InvalidRequest
from governance.models import (
    Breach,
    ControlGroup,
    EnterpriseContract,
    KillSwitch,
    Organization,
    TerminationNotice,
)
from governance.operations.authorization import (
    ReleaseRevoked,
    authorize_generation,
    require_startable,
)
from governance.operations.releases import HashedFile, register_release
from governance.operations.revocation import revoke_release
from governance.operations.termination import act_on_ended_notices, record_notice
from governance.queries.standing import standing_of
from tests.governance.pages import owner_of, signed_in, staff
from tests.governance.tenants import DAY, NOON, OPERATOR, licensed, member, release

pytestmark = pytest.mark.django_db


def said(*words: str) -> dict[str, object]:
    out = StringIO()
    call_command(*words, stdout=out)
    answer: dict[str, object] = json.loads(out.getvalue().splitlines()[-1])
    return answer


class TestPortal:
    def test_a_contract_with_its_document_makes_an_enterprise(self) -> None:
        organization = licensed(at=now())
        client = signed_in(staff())

        client.post(
            f"/operator/organizations/{organization.slug}/contract/",
            {
                "reference": "E-9", "starts": "2026-01-01", "ends": "2099-01-01", "seats": "200",
                "features": ["sso", "dpa"], "terms": "Net 30.",
                "document": SimpleUploadedFile("signed.pdf", b"%PDF signed"),
            },
        )  # fmt: skip

        row = EnterpriseContract.objects.get()
        standing = standing_of(organization.id, at=now())
        assert (row.seats, row.features, row.terms) == (200, ["dpa", "sso"], "Net 30.")
        assert (standing.status, standing.seats.limit) == ("enterprise", 200)
        address = f"/o/{organization.slug}/licence/contracts/{row.id}/"
        opened = signed_in(owner_of(organization)).get(address)
        assert b"".join(opened.streaming_content) == b"%PDF signed"
        assert signed_in(member(organization)).get(address).status_code == 404

    def test_a_form_with_a_mistake_comes_back_with_it(self) -> None:
        organization = licensed(at=now())

        answer = signed_in(staff()).post(
            f"/operator/organizations/{organization.slug}/contract/", {"reference": "E-9"}
        )

        assert answer.status_code == 400
        assert "This field is required." in answer.content.decode()

    def test_a_breach_stops_and_the_licensors_letter_reinstates(self) -> None:
        organization = licensed(at=now())
        client = signed_in(staff())

        client.post(
            f"/operator/organizations/{organization.slug}/breach/",
            {"clause": "4.1(c)", "description": "bypass adapter"},
        )
        after_breach = standing_of(organization.id, at=now()).status
        breach = Breach.objects.get()
        client.post(f"/operator/breaches/{breach.id}/reinstate/", {"reference": "letter of May"})

        assert after_breach == "terminated"
        assert standing_of(organization.id, at=now()).may_generate

    def test_organizations_join_and_leave_a_group(self) -> None:
        first, second = licensed(at=now(), seats=2), licensed(at=now(), seats=3)
        client = signed_in(staff())

        for organization in (first, second):
            client.post(f"/operator/organizations/{organization.slug}/group/", {"name": "Holding"})
        together = standing_of(first.id, at=now()).seats.used
        client.post(f"/operator/organizations/{second.slug}/group/", {"group": ""})

        assert ControlGroup.objects.count() == 1
        assert (together, standing_of(first.id, at=now()).seats.used) == (5, 2)

    def test_end_users_are_counted_by_the_operators_policy(self) -> None:
        organization = licensed(at=now())
        client = signed_in(staff())

        client.post(f"/operator/organizations/{organization.slug}/end-users/", {"counted": "yes"})

        organization.refresh_from_db()
        assert organization.counts_end_users
        page = client.get(f"/operator/organizations/{organization.slug}/").content.decode()
        assert "Stop counting them" in page

    def test_a_notice_starts_its_clock_and_may_be_taken_back(self) -> None:
        organization = licensed(at=now())
        client = signed_in(staff())

        client.post("/operator/compliance/notice/", {"received": f"{now():%Y-%m-%d}"})
        running = standing_of(organization.id, at=now()).status
        notice = TerminationNotice.objects.get()
        client.post(f"/operator/compliance/notice/{notice.id}/withdraw/")

        assert running == "notice_running"
        assert (notice.ends_at - notice.received_at).days == 30
        assert standing_of(organization.id, at=now()).status == "community"

    @pytest.mark.parametrize("act", ["", "contract/", "breach/", "group/", "end-users/"])
    def test_an_owner_finds_none_of_it(self, act: str) -> None:
        organization = licensed(at=now())
        client = signed_in(owner_of(organization))
        address = f"/operator/organizations/{organization.slug}/{act}"

        answer = client.post(address) if act else client.get(address)

        assert answer.status_code == 404


class TestNoticeForOneRelease:
    def test_stops_that_release_at_its_end_and_revokes_it(self) -> None:
        weights, other = release(), release("Krea-2-Other")
        organization = licensed()
        record_notice(received_at=NOON, release=weights, note="", actor=OPERATOR, at=NOON)
        end = NOON + 30 * DAY

        authorize_generation(
            organization_id=organization.id, release_slug=weights.slug, at=end - DAY
        )
        with pytest.raises(ReleaseRevoked, match="notice for it has run out"):
            authorize_generation(organization_id=organization.id, release_slug=weights.slug, at=end)
        with pytest.raises(ReleaseRevoked):
            require_startable(release_id=weights.id, at=end)
        require_startable(release_id=other.id, at=end)

        assert [act_on_ended_notices(at=end - DAY), act_on_ended_notices(at=end)] == [0, 1]
        assert act_on_ended_notices(at=end + DAY) == 0
        weights.refresh_from_db()
        assert (weights.status, weights.revoked_at) == ("revoked", end)


class TestRegistry:
    def test_an_adapter_names_what_it_derives_from(self) -> None:
        with pytest.raises(InvalidRequest, match="names the release"):
            register_release(
                name="Krea-2-Orphan", variant="turbo", source="", kind="adapter",
                files=[HashedFile("a", "c" * 64, 1)], actor=OPERATOR, at=NOON,
            )  # fmt: skip

    def test_nothing_derives_from_what_is_revoked(self) -> None:
        base = release()
        revoke_release(release_id=base.id, reason="ended", actor=OPERATOR, at=NOON)
        base.refresh_from_db()

        with pytest.raises(InvalidRequest, match="nothing may derive"):
            register_release(
                name="Krea-2-Late", variant="turbo", source="", kind="adapter", parent=base,
                files=[HashedFile("a", "c" * 64, 1)], actor=OPERATOR, at=NOON,
            )  # fmt: skip


class TestCommandLine:
    def test_one_person_is_one_person_in_the_portal_and_at_the_command_line(self) -> None:
        first, second = staff(), staff()
        said("licence", "--by", first.email, "stop", "--reason", "drill")

        signed_in(first).post("/operator/compliance/resume/")
        with pytest.raises(CommandError, match="Somebody else"):
            call_command("licence", "--by", first.email, "resume")
        halted = KillSwitch.objects.get().engaged_at
        said("licence", "--by", second.email, "resume")

        assert halted is not None
        assert KillSwitch.objects.get().engaged_at is None

    def test_whoever_is_not_the_operators_cannot_act(self) -> None:
        outsider = member(licensed(at=now()))

        for address in (outsider.email, "nobody@example.com"):
            with pytest.raises(CommandError, match="none of the operator's people"):
                call_command("licence", "--by", address, "stop", "--reason", "x")

    def test_puts_groups_policies_and_notices_on_record(self) -> None:
        organization, operator = licensed(at=now()), staff()
        by = ("licence", "--by", operator.email)

        said(*by, "group", "--name", "Holding", "--organizations", organization.slug)
        grouped = Organization.objects.get(id=organization.id).group_id
        said(*by, "leave-group", "--organization", organization.slug)
        said(*by, "end-users", "--organization", organization.slug, "--counted", "yes")
        notice = said(*by, "notice", "--received", f"{now():%Y-%m-%d}")
        said(*by, "withdraw-notice", "--notice", str(notice["notice"]))

        organization.refresh_from_db()
        assert grouped is not None
        assert (organization.group_id, organization.counts_end_users) == (None, True)
        assert TerminationNotice.objects.get().withdrawn_by == operator.email


class TestLicenceStanding:
    def test_one_as_json_says_rule_version_facts_seats_and_next_step(self) -> None:
        organization = licensed(at=now())
        answer = said("licence_standing", "--organization", organization.slug, "--json")

        assert (answer["organization"], answer["status"]) == (organization.slug, "community")
        assert answer["seats"] == {
            "used": 1, "pending": 0, "limit": 50, "peak_30_days": 1, "line_reached_on": None,
        }  # fmt: skip

    def test_all_as_json_counts_and_lists_the_worst_first(self) -> None:
        licensed(at=now())
        bad = Organization.objects.create(slug="aaa", name="A")

        answer = said("licence_standing", "--all", "--json")

        assert answer["counts"] == {"community": 1, "attestation_due": 1}
        rows = answer["rows"]
        assert isinstance(rows, list)
        assert rows[0]["organization"] == bad.slug
        assert {r["rule"] for r in rows[0]["reasons"]} == {"attestation", "acceptance"}

    def test_an_unknown_one_is_one_sentence(self) -> None:
        with pytest.raises(CommandError, match="no organization 'nobody'"):
            call_command("licence_standing", "--organization", "nobody")
