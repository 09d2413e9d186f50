"""A new version of the terms: found in its text, compared, announced, accepted anew by everyone."""

import json
from datetime import date
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, transaction
from django.utils.timezone import now

from governance.kernel.actors import SYSTEM
from governance.kernel.canonical import sha256_hex
from governance.kernel.errors import InvalidRequest
from governance.licensing.clauses import clauses_of
from governance.models import (
    Acceptance,
    DocumentKind,
    Organization,
    Role,
    TermsDocument,
    TermsVersion,
    User,
)
from governance.operations.acceptances import accept_terms
from governance.operations.terms import OfficialText, change_rule, import_document
from governance.queries.acceptances import is_accepted, signatures
from governance.queries.standing import standing_of
from governance.queries.terms import terms_in_force
from governance.queries.terms_difference import terms_difference
from tests.governance.pages import owner_of, signed_in, staff
from tests.governance.tenants import DAY, NOON, OPERATOR, licensed, member

FIRST = """KREA COMMUNITY LICENSE

2. LICENSE
2.1 Grant. You may use the model. The grant is revocable.
2.2 Fees. None, for
30 days or for ever.
3. CONDITIONS
3.1 Whoever offers the model
(a) passes this agreement on;
(b) begins the name with "Krea".
"""
SECOND = FIRST.replace("None, for", "One dollar, for").replace(
    "3. CONDITIONS", "2.3 Tax. Yours.\n3. CONDITIONS"
)


class TestClauses:
    def test_are_found_by_numbers_that_follow_on(self) -> None:
        found = clauses_of("1. INTRO\n" + FIRST)

        assert [c["number"] for c in found] == [
            "1",
            "2",
            "2.1",
            "2.2",
            "3",
            "3.1",
            "3.1(a)",
            "3.1(b)",
        ]
        assert found[2] == {
            "number": "2.1",
            "title": "Grant",
            "summary": "You may use the model. The grant is revocable.",
        }
        assert found[3]["summary"] == "None, for 30 days or for ever."
        assert found[7]["summary"] == 'begins the name with "Krea".'

    def test_markdown_headings_are_clauses_too(self) -> None:
        found = clauses_of("## 1. Grant\n\nYou may.\n\n**1.1** Limits. None.\n")

        assert [(c["number"], c["title"], c["summary"]) for c in found] == [
            ("1", "Grant", "You may."),
            ("1.1", "Limits", "None."),
        ]

    @pytest.mark.parametrize("text", ["", "No numbers here.\n", "30 days are enough.\n"])
    def test_a_text_without_numbers_has_none(self, text: str) -> None:
        assert clauses_of(text) == []


def official(text: str, *, label: str, days: int = 0, sha256: str = "") -> TermsVersion:
    return import_document(
        document=OfficialText(
            kind=DocumentKind.LICENCE,
            title="Krea 2 Community License Agreement",
            version="v.1",
            dated=date(2026, 6, 22),
            text="1. INTRO\n" + text,
            source="the licensor",
            sha256=sha256,
        ),
        label=label,
        effective_from=NOON + days * DAY,
        actor=OPERATOR,
        at=NOON,
    )


@pytest.mark.django_db
class TestImport:
    def test_says_clause_by_clause_what_is_new_changed_and_gone(self) -> None:
        first = official(FIRST, label="one")
        second = official(SECOND, label="two")

        changes = {
            c.number: (c.change, c.before, c.after)
            for c in terms_difference(first, second)
            if c.change != "same"
        }

        assert changes == {
            "2.2": (
                "changed",
                "None, for 30 days or for ever.",
                "One dollar, for 30 days or for ever.",
            ),
            "2.3": ("added", "", "Yours."),
        }

    def test_a_text_that_is_not_the_one_announced_is_refused(self) -> None:
        with pytest.raises(InvalidRequest, match="SHA-256 is"):
            official(FIRST, label="one", sha256=sha256_hex(b"another"))

    def test_asks_everyone_anew_with_fourteen_days_for_who_had_accepted(self) -> None:
        accepted, fresh = licensed(), licensed()
        official(FIRST, label="one")

        standing = standing_of(accepted.id, at=NOON)

        assert (standing.status, standing.may_generate) == ("attestation_due", True)
        assert standing.grace_until == NOON + 14 * DAY
        assert standing.leading is not None
        assert standing.leading.rule == "acceptance"
        assert not standing_of(accepted.id, at=NOON + 14 * DAY).may_generate
        assert signatures(fresh, terms_in_force(NOON)).accepted == []

    def test_accepting_the_new_version_mends_it_and_both_acceptances_stay(self) -> None:
        organization = licensed()
        before = terms_in_force(NOON)
        after = official(FIRST, label="one")
        accept_terms(
            organization_id=organization.id,
            user=owner_of(organization),
            version=after,
            authority="Managing director",
            actor=SYSTEM,
            at=NOON + DAY,
        )

        assert standing_of(organization.id, at=NOON + DAY).status == "community"
        assert is_accepted(organization, before)
        assert is_accepted(organization, after)

    def test_one_announced_for_later_asks_from_then_on(self) -> None:
        organization = licensed()
        official(FIRST, label="later", days=10)

        assert standing_of(organization.id, at=NOON + 9 * DAY).status == "community"
        later = standing_of(organization.id, at=NOON + 10 * DAY)
        assert (later.status, later.grace_until) == ("attestation_due", NOON + 24 * DAY)

    def test_one_made_after_an_announcement_follows_it(self) -> None:
        official(FIRST, label="later", days=10)

        with pytest.raises(InvalidRequest, match="cannot take effect before"):
            change_rule(
                rule_id="seats", changes={"limit": 60}, label="now", effective_from=NOON,
                reason="", actor=OPERATOR, at=NOON,
            )  # fmt: skip

    def test_the_revenue_rule_has_no_grace_that_anybody_could_set(self) -> None:
        for changes in ({"grace_days": 1}, {"limit": 2}):
            with pytest.raises(InvalidRequest):
                change_rule(
                    rule_id="revenue", changes=changes, label="x", effective_from=NOON,
                    reason="", actor=OPERATOR, at=NOON,
                )  # fmt: skip

    def test_no_version_and_no_document_is_ever_changed(self) -> None:
        version = official(FIRST, label="one")

        for row in (version, version.licence):
            with pytest.raises(DatabaseError), transaction.atomic():
                type(row).objects.filter(id=row.id).update(sha256="0" * 64)
        assert TermsDocument.objects.get(id=version.licence_id).official


@pytest.mark.django_db
class TestCommand:
    def test_prints_the_comparison_and_ends_with_json(self, tmp_path: Path) -> None:
        text, out = tmp_path / "official.txt", StringIO()
        text.write_text("1. INTRO\n" + FIRST)

        call_command(
            "import_terms", kind="licence", file=text, label="2026-06-22.2", stdout=out,
            sha256=sha256_hex(text.read_bytes()),
        )  # fmt: skip

        lines = out.getvalue().splitlines()
        assert "licence 2.2: added" in lines
        assert "licence 9.4: removed" in lines
        assert json.loads(lines[-1])["texts_changed"] == ["licence"]
        assert terms_in_force(now()).label == "2026-06-22.2"

    def test_a_wrong_hash_is_one_sentence(self, tmp_path: Path) -> None:
        text = tmp_path / "official.txt"
        text.write_text(FIRST)

        with pytest.raises(CommandError, match="SHA-256"):
            call_command("import_terms", kind="licence", file=text, label="x", sha256="0" * 64)


def new_version() -> TermsVersion:
    return import_document(
        document=OfficialText(
            kind=DocumentKind.LICENCE, title="Licence", version="v.2", dated=date(2026, 11, 1),
            text="1. INTRO\n" + FIRST, source="",
        ),
        label="new", effective_from=now(), actor=OPERATOR, at=now(),
    )  # fmt: skip


@pytest.mark.django_db
class TestPages:
    def asked(self, organization: Organization, user: User) -> bool:
        page = signed_in(user).get(f"/o/{organization.slug}/licence/").content.decode()
        return "Terms to accept." in page

    def test_each_person_is_asked_on_every_page_until_they_accept_for_themselves(self) -> None:
        organization = licensed(at=now())
        guest = member(organization)
        address = f"/o/{organization.slug}/licence/terms/"
        before = self.asked(organization, guest)

        signed_in(guest).post(address, {"read": "on"})

        assert (before, self.asked(organization, guest)) == (True, False)
        row = Acceptance.objects.get(user=guest, document__kind="licence")
        assert (row.for_organization, row.ip) == (False, "127.0.0.1")
        assert row.document_sha256 == terms_in_force(now()).licence.sha256

    def test_a_new_version_shows_each_person_what_changed_and_asks_again(self) -> None:
        organization = licensed(at=now())
        guest = member(organization)
        client = signed_in(guest)
        client.post(f"/o/{organization.slug}/licence/terms/", {"read": "on"})
        new_version()

        page = client.get(f"/o/{organization.slug}/licence/terms/").content.decode()

        assert self.asked(organization, guest)
        assert "What changed since 2026-06-22.1" in page
        assert "<del>" in page

    def test_the_operator_looks_and_accepts_nothing(self) -> None:
        organization = licensed(at=now())

        client = signed_in(staff())

        assert client.get(f"/o/{organization.slug}/licence/terms/").status_code == 404
        assert (
            "Terms to accept."
            not in client.get(f"/o/{organization.slug}/licence/").content.decode()
        )

    def test_the_operator_sees_rules_changes_and_who_has_still_to_accept(self) -> None:
        behind = licensed(at=now())
        Organization.objects.filter(id=behind.id).update(name="Behind Ltd")
        version = new_version()
        client = signed_in(staff())

        listed = client.get("/operator/terms/").content.decode()
        page = client.get(f"/operator/terms/{version.label}/").content.decode()

        assert "1 organizations" in listed
        assert "Behind Ltd" in page
        assert "not a clause of the licence" in page
        assert "Licence 2.2" in page

    def test_the_licence_page_names_who_has_not_accepted(self) -> None:
        organization = licensed(at=now())
        guest = member(organization, role=Role.ADMIN)

        page = signed_in(owner_of(organization)).get(f"/o/{organization.slug}/licence/")

        assert f"1 of 2 people accepted 2026-06-22.1. Not yet: {guest.email}" in (
            page.content.decode()
        )
