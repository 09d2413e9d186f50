"""The licence pages: who sees them, what they say, what their buttons do."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils.timezone import now

from governance.models import Attestation, AuditEntry, KillSwitch, ModelRelease, Organization, Role
from governance.operations.acceptances import accept_terms
from governance.operations.terms import change_rule
from governance.queries.standing import standing_of
from governance.queries.terms import terms_in_force
from tests.governance.pages import owner_of, signed_in, staff
from tests.governance.tenants import OPERATOR, attest, bare, licensed, member, person, release

pytestmark = pytest.mark.django_db


class TestWhoSeesWhat:
    @pytest.mark.parametrize("page", ["licence/", "licence/attestation/", "seats/", "seats.csv"])
    def test_a_stranger_finds_nothing(self, page: str) -> None:
        organization = licensed()

        assert signed_in(person()).get(f"/o/{organization.slug}/{page}").status_code == 404

    def test_a_member_reads_but_cannot_sign_or_invite(self) -> None:
        organization = licensed()
        client = signed_in(member(organization))

        assert client.get(f"/o/{organization.slug}/licence/").status_code == 200
        assert client.get(f"/o/{organization.slug}/licence/attestation/").status_code == 404
        assert client.post(f"/o/{organization.slug}/seats/invite/").status_code == 404

    @pytest.mark.parametrize("page", ["", "releases/", "terms/", "terms/2026-06-22.1/"])
    def test_only_the_operator_sees_the_operators_pages(self, page: str) -> None:
        organization = licensed()

        assert signed_in(owner_of(organization)).get(f"/operator/{page}").status_code == 404
        assert signed_in(staff()).get(f"/operator/{page}").status_code == 200


class TestLicencePage:
    def test_says_why_by_which_rule_and_never_a_clause_for_seats(self) -> None:
        organization = licensed(at=now())
        attest(organization, "at_or_over_1m", at=now())

        page = signed_in(owner_of(organization)).get(f"/o/{organization.slug}/licence/")

        text = page.content.decode()
        assert "Stopped" in text
        assert "attested company-wide revenue" in text.lower()
        assert "2026-06-22.1" in text
        assert "not a clause of the licence" in text


class TestWizard:
    def test_from_nothing_to_a_standing_that_generates(self) -> None:
        organization = bare()
        owner = member(organization, role=Role.OWNER, at=now())
        client = signed_in(owner)
        start = f"/o/{organization.slug}/licence/attestation/"

        assert "SUMMARY" in client.get("/LICENSE-MODEL").content.decode()
        first = client.post(start, {"authority": "Managing director", "read": "on"})
        second = client.post(
            first["Location"],
            {"bracket": "under_500k", "amount_usd": "499999.99", "period_end": "2026-10-31",
             "affiliates": "Aurora GmbH\nAurora Ltd"},
        )  # fmt: skip
        review = client.get(second["Location"])
        third = client.post(
            second["Location"],
            {"signer_name": "Iris", "signer_title": "CEO", "months": "6", "true": "on",
             "evidence": SimpleUploadedFile("accounts.pdf", b"%PDF-1.7")},
        )  # fmt: skip
        receipt = client.get(third["Location"])

        assert "Aurora GmbH" in review.content.decode()
        statement = Attestation.objects.get(organization=organization)
        assert statement.amount_microusd == 499_999_990_000
        assert statement.affiliates == ["Aurora GmbH", "Aurora Ltd"]
        assert len(statement.evidence_sha256) == 64
        assert statement.evidence_sha256 in receipt.content.decode()
        opened = client.get(f"{third['Location']}evidence/")
        assert b"".join(opened.streaming_content) == b"%PDF-1.7"
        assert opened["Content-Disposition"] == 'attachment; filename="accounts.pdf"'
        assert AuditEntry.objects.filter(act="evidence.opened").count() == 1
        other = signed_in(member(organization, at=now()))
        assert other.get(f"{third['Location']}evidence/").status_code == 404
        assert standing_of(organization.id, at=now()).may_generate

    def test_at_the_limit_the_way_on_is_shown_before_the_signature(self) -> None:
        organization = licensed(at=now())
        client = signed_in(owner_of(organization))
        base = f"/o/{organization.slug}/licence/attestation/"
        client.post(f"{base}revenue/", {"bracket": "at_or_over_1m", "period_end": "2026-10-31"})

        page = client.get(f"{base}sign/").content.decode()

        assert "generation stops at once" in page
        assert "contact the licensor" in page


class TestSeatsPage:
    def test_says_what_the_rule_in_force_says_of_door_and_grace(self) -> None:
        organization = licensed(at=now())
        client = signed_in(owner_of(organization))
        page = f"/o/{organization.slug}/seats/"
        before = client.get(page).content.decode()
        change_rule(
            rule_id="seats", changes={"door": "soft", "grace_days": 5}, label="soft",
            effective_from=now(), reason="", actor=OPERATOR, at=now(),
        )  # fmt: skip

        after = client.get(page).content.decode()

        assert "nobody new comes in" in before
        assert "14 days of grace" in before
        assert "people still come in, and 5 days of grace" in after

    def test_invites_a_pasted_list_and_shows_each_link_once(self) -> None:
        organization = licensed(at=now())
        client = signed_in(owner_of(organization))
        page = f"/o/{organization.slug}/seats/"

        client.post(f"{page}invite/", {"addresses": "a@x.example, b@x.example", "role": "member"})
        shown, again = client.get(page).content.decode(), client.get(page).content.decode()

        assert shown.count("shown this once") == 2
        assert "shown this once" not in again
        assert "a@x.example" in again

    def test_the_link_brings_the_invited_person_in(self) -> None:
        organization = licensed(at=now())
        client = signed_in(owner_of(organization))
        page = f"/o/{organization.slug}/seats/"
        client.post(f"{page}invite/", {"addresses": "a@x.example", "role": "auditor"})
        text = client.get(page).content.decode()
        link = "/invitations/" + text.split("<code>http")[1].split("/invitations/")[1].split("<")[0]

        guest = Client()
        assert guest.get(link).status_code == 200
        inside = guest.post(link)

        assert inside["Location"] == f"/o/{organization.slug}/"
        assert organization.memberships.get(user__email="a@x.example").role == "auditor"
        assert guest.post(link).status_code == 410

    def test_the_csv_holds_the_rows_of_the_page(self) -> None:
        organization = licensed(seats=3, at=now())

        csv = signed_in(owner_of(organization)).get(f"/o/{organization.slug}/seats.csv")

        assert csv["Content-Type"].startswith("text/csv")
        assert len(csv.content.decode().splitlines()) == 4


class TestOperator:
    def test_the_worst_comes_first(self) -> None:
        good, bad = licensed(at=now()), bare()
        Organization.objects.filter(id=good.id).update(name="AAA good")
        Organization.objects.filter(id=bad.id).update(name="ZZZ bad")

        text = signed_in(staff()).get("/operator/").content.decode()

        assert "1 of 2 organizations" in text
        table = text.partition('id="worst"')[2]
        assert table.index("ZZZ bad") < table.index("AAA good")

    def test_the_old_address_of_the_compliance_page_leads_home(self) -> None:
        answer = signed_in(staff()).get("/operator/compliance/")

        assert answer.status_code == 301
        assert answer.headers["Location"] == "/operator/"

    def test_two_of_the_operators_people_undo_what_one_did(self) -> None:
        first, second = signed_in(staff()), signed_in(staff())

        first.post("/operator/compliance/stop/", {"reason": "drill"})
        first.post("/operator/compliance/resume/")
        first.post("/operator/compliance/resume/")
        assert KillSwitch.objects.get().engaged_at is not None
        second.post("/operator/compliance/resume/")

        assert KillSwitch.objects.get().engaged_at is None

    def test_a_release_is_revoked_and_its_destruction_signed(self) -> None:
        weights = release()
        client = signed_in(staff())

        client.post(f"/operator/releases/{weights.id}/revoke/", {"reason": "drill"})
        client.post(f"/operator/releases/{weights.id}/destruction/", {"copies": "gpu-1"})

        assert ModelRelease.objects.get().status == "revoked"
        assert "gpu-1" in client.get("/operator/releases/").content.decode()


class TestDocuments:
    @pytest.mark.parametrize("address", ["/LICENSE", "/LICENSE-MODEL"])
    def test_the_licence_is_at_a_stable_address(self, address: str) -> None:
        answer = Client().get(address)

        assert answer["X-Document-SHA256"] == terms_in_force(now()).licence.sha256
        assert answer["Content-Type"] == "text/plain; charset=utf-8"

    def test_the_notice_is_the_exact_sentence(self) -> None:
        notice = Client().get("/NOTICE")

        assert notice.content.decode().strip() == (
            "Krea 2 is licensed under the Krea 2 Community License Agreement. "
            "For more information, visit https://krea.ai/krea-2-licensing."
        )

    def test_documents_have_their_hash_as_entity_tag_and_old_versions_stay(self) -> None:
        version = terms_in_force(now())
        policy = Client().get("/policy")

        again = Client().get("/policy", headers={"If-None-Match": policy["ETag"]})
        old = Client().get(f"/terms/{version.label}/policy")

        assert again.status_code == 304
        assert policy["X-Document-SHA256"] == version.policy.sha256
        assert old.content == policy.content


def test_accepting_again_returns_the_first_acceptance() -> None:
    organization = licensed()
    rows = [
        accept_terms(
            organization_id=organization.id,
            user=owner_of(organization),
            version=terms_in_force(now()),
            authority="Managing director",
            actor=OPERATOR,
            at=now(),
        )
        for _ in range(2)
    ]

    assert [a.id for a in rows[0]] == [a.id for a in rows[1]]
