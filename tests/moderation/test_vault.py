"""The vault: sealed, opened with a reason, erased by key, and what is preserved survives it all."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from governance.kernel.ids import uuid7
from governance.models import AuditEntry
from moderation.models import Evidence, PreservationHold, VaultKey
from moderation.operations.holds import HoldStands, ask_release, place_hold, release_hold
from moderation.operations.screening import PromptBlocked, record_prompt_decision
from moderation.operations.vault import (
    EvidenceErased,
    JustificationMissing,
    erase_expired,
    erase_organization,
    keep_evidence,
    open_evidence,
)
from tests.moderation.conftest import AT, KEY, acting, person, screened

SECRET = "a prompt that nobody should read"
LATER = AT + timedelta(days=1000)


def keep(*, organization_id=None, item="7", at=AT, plain=SECRET):
    return keep_evidence(
        plain=plain.encode(),
        kind="prompt",
        decision_id=uuid7(),
        organization_id=organization_id or uuid7(),
        item=item,
        at=at,
    )


def read(evidence):
    return open_evidence(evidence_id=evidence.id, actor=KEY, justification="appeal 7").decode()


def hold(evidence, user, at=AT):
    return place_hold(
        evidence_id=evidence.id,
        basis="court order 12/26",
        for_at_least=timedelta(days=30),
        actor=acting(user),
        at=at,
    )


@pytest.mark.django_db
class TestEvidence:
    def test_is_unreadable_in_the_database_and_readable_with_a_reason(self):
        evidence = keep()

        with connection.cursor() as cursor:
            cursor.execute("SELECT ciphertext, wrapped_key, nonce FROM moderation_evidence")
            row = b"".join(bytes(part) for part in cursor.fetchone())

        assert SECRET.encode() not in row
        assert read(evidence) == SECRET

    def test_is_opened_only_with_a_justification_that_is_logged(self):
        evidence = keep()

        with pytest.raises(JustificationMissing):
            open_evidence(evidence_id=evidence.id, actor=KEY, justification=" ")
        read(evidence)

        assert AuditEntry.objects.get(act="evidence.opened").facts["justification"] == "appeal 7"

    @pytest.mark.usefixtures("gate")
    def test_of_a_refused_prompt_is_kept_sealed(self):
        job, tenant = uuid7(), uuid7()
        with pytest.raises(PromptBlocked) as refusal:
            screened("forbidden words", job, tenant)

        record_prompt_decision(refusal.value, job_id=job, organization_id=tenant, actor=KEY, at=AT)

        evidence = Evidence.objects.get(decision_id=refusal.value.decision_id)
        assert read(evidence) == "forbidden words"

    def test_is_erased_on_its_day_by_destroying_its_key(self):
        evidence = keep()

        assert erase_expired(at=AT + timedelta(days=199)) == 0
        assert erase_expired(at=AT + timedelta(days=201)) == 1
        assert erase_expired(at=LATER) == 0

        with pytest.raises(EvidenceErased):
            read(evidence)

    def test_of_a_leaving_organization_is_erased_with_its_keys(self):
        tenant, other = uuid7(), uuid7()
        gone, stays = keep(organization_id=tenant), keep(organization_id=other)

        assert erase_organization(organization_id=tenant, actor=KEY, at=AT) == 1

        with pytest.raises(EvidenceErased):
            read(gone)
        assert read(stays) == SECRET

    def test_kept_after_an_erasure_gets_a_new_key(self):
        tenant = uuid7()
        keep(organization_id=tenant)
        erase_organization(organization_id=tenant, actor=KEY, at=AT)

        assert read(keep(organization_id=tenant)) == SECRET

    def test_moved_to_another_row_cannot_be_read(self):
        first, second = keep(plain="first"), keep(plain="second")
        Evidence.objects.filter(id=first.id).update(
            ciphertext=second.ciphertext, nonce=second.nonce
        )

        with pytest.raises(EvidenceErased):
            read(first)


@pytest.mark.django_db
class TestAHold:
    def test_of_a_year_is_placed_on_child_safety_evidence_by_itself(self):
        evidence = keep(item="1")

        erase_expired(at=LATER)

        assert read(evidence) == SECRET
        assert PreservationHold.objects.get().not_before == AT + timedelta(days=365)

    def test_ends_only_with_two_people_and_after_its_day(self):
        first, second = person("first"), person("second")
        evidence = keep()
        held = hold(evidence, first)

        with pytest.raises(HoldStands, match="holds until"):
            ask_release(hold_id=held.id, actor=acting(first), at=AT)
        with pytest.raises(HoldStands, match="Two people"):
            release_hold(hold_id=held.id, actor=acting(second), at=LATER)
        ask_release(hold_id=held.id, actor=acting(first), at=LATER)
        with pytest.raises(HoldStands, match="Two people"):
            release_hold(hold_id=held.id, actor=acting(first), at=LATER)
        release_hold(hold_id=held.id, actor=acting(second), at=LATER)

        assert erase_expired(at=LATER) == 1

    def test_on_erased_evidence_says_that_it_is_too_late(self):
        evidence = keep()
        erase_expired(at=LATER)

        with pytest.raises(EvidenceErased):
            hold(evidence, person("late"))

    @pytest.mark.parametrize(
        "statement",
        [
            "DELETE FROM moderation_evidence",
            "UPDATE moderation_evidence SET wrapped_key = ''",
            "UPDATE moderation_evidence SET ciphertext = ''",
            "UPDATE moderation_vault_key SET wrapped_key = ''",
            "DELETE FROM moderation_preservation_hold",
            "UPDATE moderation_preservation_hold SET released_at = now()",
        ],
    )
    def test_is_kept_by_the_database_itself(self, statement):
        hold(keep(), person("keeper"))

        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)


class PreservationProperties(TestCase):
    """Whatever is kept, held, released and deleted, in whichever order."""

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["keep", "hold", "expire", "leave", "release", "wait"]),
                st.integers(0, 5),
            ),
            max_size=25,
        )
    )
    def test_a_preserved_item_survives_every_deletion_job(self, steps):  # noqa: C901 (one branch an act)
        first, second = person("first"), person("second")
        tenants = [uuid7(), uuid7()]
        pieces, at = [keep(organization_id=tenants[0], item="1")], AT
        for act, number in steps:
            if act == "wait":
                at += timedelta(days=60 * (number + 1))
            elif act == "keep":
                pieces.append(
                    keep(organization_id=tenants[number % 2], item=str(number + 1), at=at)
                )
            elif act == "expire":
                erase_expired(at=at)
            elif act == "leave":
                erase_organization(organization_id=tenants[number % 2], actor=KEY, at=at)
            elif act == "hold":
                try:
                    hold(pieces[number % len(pieces)], first, at)
                except EvidenceErased:
                    continue
            else:
                self.release(number, first, second, at)
            for kept in Evidence.objects.filter(
                holds__released_at__isnull=True, holds__isnull=False
            ):
                assert read(kept) == SECRET
        assert VaultKey.objects.exists()

    def release(self, number, first, second, at):
        standing = list(PreservationHold.objects.filter(released_at__isnull=True))
        if standing:
            chosen = standing[number % len(standing)]
            try:
                ask_release(hold_id=chosen.id, actor=acting(first), at=at)
                release_hold(hold_id=chosen.id, actor=acting(second), at=at)
            except HoldStands:
                assert at < chosen.not_before
