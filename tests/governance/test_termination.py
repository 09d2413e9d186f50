"""Breaches, notices, the kill switch, revocation, the deny-list and destruction."""

from datetime import timedelta
from uuid import UUID

import pytest

from governance.kernel.actors import Actor
from governance.kernel.errors import InvalidRequest
from governance.kernel.registry import revocation_hooks
from governance.models import AuditEntry, KillSwitch, ModelRelease
from governance.operations.authorization import (
    LicenceRefused,
    ReleaseRevoked,
    authorize_generation,
)
from governance.operations.releases import HashedFile, ReleaseDenied, register_release
from governance.operations.revocation import deny_file, revoke_release, sign_destruction
from governance.operations.termination import (
    SecondPersonNeeded,
    engage_kill_switch,
    record_breach,
    record_notice,
    record_reinstatement,
    release_kill_switch,
    withdraw_notice,
)
from governance.queries.lineage import ancestors, descendants
from governance.queries.standing import standing_of
from tests.governance.tenants import DAY, NOON, OPERATOR, licensed, release

pytestmark = pytest.mark.django_db
SECOND_OPERATOR = Actor(kind="user", id="op-2", label="olu@licet.example")


def status(organization: object, at: object = NOON) -> tuple[str, bool]:
    standing = standing_of(organization.id, at=at)
    return standing.status, standing.may_generate


class TestBreach:
    def test_ends_the_licence_at_once_until_the_licensor_reinstates_in_writing(self) -> None:
        organization = licensed()

        breach = record_breach(
            organization_id=organization.id,
            clause="4.1(c)",
            description="a bypass adapter was loaded",
            discovered_at=NOON,
            actor=OPERATOR,
            at=NOON,
        )

        assert status(organization) == ("terminated", False)
        with pytest.raises(InvalidRequest):
            record_reinstatement(breach_id=breach.id, reference=" ", actor=OPERATOR, at=NOON)
        record_reinstatement(
            breach_id=breach.id, reference="letter of 2 November", actor=OPERATOR, at=NOON + DAY
        )
        assert status(organization, NOON + DAY) == ("community", True)

    def test_of_one_organization_is_not_the_others(self) -> None:
        first, second = licensed(), licensed()

        record_breach(
            organization_id=first.id,
            clause="4.4",
            description="",
            discovered_at=NOON,
            actor=OPERATOR,
            at=NOON,
        )

        assert status(second) == ("community", True)


class TestNotice:
    def test_runs_thirty_days_from_receipt_and_then_ends_the_licence(self) -> None:
        organization = licensed()

        notice = record_notice(
            received_at=NOON, release=None, note="", actor=OPERATOR, at=NOON + DAY
        )

        assert notice.ends_at == NOON + 30 * DAY
        assert status(organization) == ("notice_running", True)
        last = notice.ends_at - timedelta(seconds=1)
        assert status(organization, last) == ("notice_running", True)
        assert status(organization, notice.ends_at) == ("terminated", False)

    def test_taken_back_is_as_if_it_had_not_been(self) -> None:
        organization = licensed()
        notice = record_notice(received_at=NOON, release=None, note="", actor=OPERATOR, at=NOON)

        withdraw_notice(notice_id=notice.id, actor=OPERATOR, at=NOON + DAY)

        assert status(organization, NOON + 40 * DAY) == ("community", True)


class TestKillSwitch:
    def test_one_person_stops_everything_and_two_undo_it(self) -> None:
        release()
        organization = licensed()
        engage_kill_switch(reason="drill", actor=OPERATOR, at=NOON)
        with pytest.raises(LicenceRefused):
            authorize_generation(
                organization_id=organization.id, release_slug="krea-2-tiny-turbo", at=NOON
            )

        release_kill_switch(actor=OPERATOR, at=NOON)
        with pytest.raises(SecondPersonNeeded):
            release_kill_switch(actor=OPERATOR, at=NOON)
        assert KillSwitch.objects.get().engaged_at == NOON
        release_kill_switch(actor=SECOND_OPERATOR, at=NOON)

        assert KillSwitch.objects.get().engaged_at is None
        acts = list(
            AuditEntry.objects.filter(subject_kind="kill_switch")
            .order_by("id")
            .values_list("act", flat=True)
        )
        assert acts == [
            "kill_switch.engaged",
            "kill_switch.release_asked",
            "kill_switch.released",
        ]

    def test_engaging_again_forgets_who_asked_to_resume(self) -> None:
        engage_kill_switch(reason="drill", actor=OPERATOR, at=NOON)
        release_kill_switch(actor=OPERATOR, at=NOON)

        engage_kill_switch(reason="again", actor=OPERATOR, at=NOON)

        release_kill_switch(actor=SECOND_OPERATOR, at=NOON)
        assert KillSwitch.objects.get().engaged_at == NOON


def adapter(parent: ModelRelease, name: str, digest: str = "b" * 64) -> ModelRelease:
    return register_release(
        name=name,
        variant="turbo",
        source="upload",
        files=[HashedFile("lora.safetensors", digest, 1)],
        kind="adapter",
        parent=parent,
        actor=OPERATOR,
        at=NOON,
    )


class TestReleases:
    def test_the_name_must_begin_with_krea(self) -> None:
        with pytest.raises(InvalidRequest, match=r"3\.1\(b\)"):
            release("Fluxish-Turbo")

    def test_a_derivative_says_that_it_is_modified_and_knows_its_lineage(self) -> None:
        base = release()
        child = adapter(base, "Krea-2-Aurora-Style")

        grandchild = adapter(child, "Krea-2-Aurora-Style-2", "c" * 64)

        assert child.modified
        assert "modified version of Krea-2-Tiny-Turbo" in child.notice
        assert "not an official release" in child.notice
        assert [r.slug for r in descendants(base)] == [child.slug, grandchild.slug]
        assert [r.slug for r in ancestors(grandchild)] == [child.slug, base.slug]

    def test_a_file_on_the_deny_list_is_refused_and_its_releases_are_revoked(self) -> None:
        base = release()
        child = adapter(base, "Krea-2-Bypass")

        deny_file(sha256="b" * 64, reason="removes provenance", actor=OPERATOR, at=NOON)

        child.refresh_from_db()
        base.refresh_from_db()
        assert (child.status, base.status) == ("revoked", "active")
        with pytest.raises(ReleaseDenied):
            adapter(base, "Krea-2-Bypass-Again")

    def test_revocation_takes_the_derivatives_along_and_voids_queued_jobs(self) -> None:
        base = release()
        child = adapter(base, "Krea-2-Aurora-Style")
        organization = licensed()
        asked: list[UUID] = []
        revocation_hooks.register("test", lambda id_, _at: asked.append(id_) or 3)

        try:
            revoked = revoke_release(
                release_id=base.id, reason="licensor's request", actor=OPERATOR, at=NOON
            )
        finally:
            del revocation_hooks.items["test"]

        assert {r.id for r in revoked.releases} == {base.id, child.id}
        assert set(asked) == {base.id, child.id}
        assert revoked.voided >= 6
        with pytest.raises(ReleaseRevoked, match="licensor's request"):
            authorize_generation(organization_id=organization.id, release_slug=base.slug, at=NOON)

    def test_destruction_names_copies_and_derivatives_and_is_signed_by_a_person(self) -> None:
        base = release()
        child = adapter(base, "Krea-2-Aurora-Style")
        with pytest.raises(InvalidRequest):
            sign_destruction(
                release_id=base.id, copies=["gpu-1"], statement="", actor=OPERATOR, at=NOON
            )
        revoke_release(release_id=base.id, reason="ended", actor=OPERATOR, at=NOON)

        signed = sign_destruction(
            release_id=base.id,
            copies=["gpu-1:/srv/weights", "backup of October"],
            statement="All copies and all derivatives are destroyed.",
            actor=OPERATOR,
            at=NOON + DAY,
        )

        assert signed.derivatives == [{"slug": child.slug, "weights_sha256": child.weights_sha256}]
        assert signed.signed_by == OPERATOR.label
