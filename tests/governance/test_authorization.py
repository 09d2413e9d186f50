"""The door that every dialect passes, on PostgreSQL."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from governance.kernel.actors import SYSTEM
from governance.kernel.errors import NotFound
from governance.kernel.ids import uuid7
from governance.licensing.facts import Bracket
from governance.models import (
    Breach,
    KillSwitch,
    ModelRelease,
    Organization,
    OrganizationStanding,
    Seat,
    StandingChange,
)
from governance.operations.api_keys import create_api_key
from governance.operations.authorization import (
    Authorization,
    LicenceRefused,
    ReleaseNotFound,
    ReleaseRevoked,
    authorize_generation,
    require_startable,
)
from tests.governance.tenants import DAY, NOON, attest, bare, licensed, member, release

pytestmark = pytest.mark.django_db


def ask(organization: Organization, at: object = NOON) -> Authorization:
    return authorize_generation(
        organization_id=organization.id, release_slug="krea-2-tiny-turbo", at=at
    )


class TestAuthorizeGeneration:
    def test_says_which_terms_and_which_weights(self) -> None:
        weights = release()
        organization = licensed()

        permission = ask(organization)

        standing = OrganizationStanding.objects.get(organization=organization)
        assert permission.standing == "community"
        assert permission.release_id == weights.id
        assert permission.weights_sha256 == weights.weights_sha256
        assert permission.terms_version_id == standing.terms_version_id
        assert len(permission.terms_sha256) == 64
        assert (permission.steps, permission.variant) == (8, "turbo")

    def test_takes_one_query_once_the_standing_is_decided(self) -> None:
        release()
        organization = licensed()
        ask(organization)

        with CaptureQueriesContext(connection) as queries:
            ask(organization)

        assert len(queries) == 1

    def test_refuses_with_rule_version_facts_and_next_step(self) -> None:
        release()
        organization = bare()

        with pytest.raises(LicenceRefused) as refusal:
            ask(organization)

        facts = refusal.value.facts
        assert refusal.value.status == 403
        assert facts["rule"] == "acceptance"
        assert facts["terms_version"] == "2026-06-22.1"
        assert facts["citation"] == "3.1(a)"
        assert facts["standing"] == "attestation_due"
        assert facts["next_step"].startswith("An owner accepts")
        assert facts["url"].endswith(f"/o/{organization.slug}/licence/")
        assert refusal.value.detail.startswith("The terms in force are not accepted")

    def test_revenue_of_exactly_one_million_stops_generation_at_once(self) -> None:
        release()
        organization = licensed()
        ask(organization)

        attest(organization, Bracket.AT_OR_OVER_1M, amount=1_000_000_000_000, at=NOON + DAY)

        with pytest.raises(LicenceRefused) as refusal:
            ask(organization, NOON + DAY)
        assert refusal.value.facts["rule"] == "revenue"
        assert refusal.value.facts["citation"] == "2.3"

    def test_an_expired_attestation_refuses_without_any_write_in_between(self) -> None:
        release()
        organization = licensed()
        ask(organization, NOON + 300 * DAY - DAY / 86400)

        with pytest.raises(LicenceRefused) as refusal:
            ask(organization, NOON + 300 * DAY)

        assert refusal.value.facts["rule"] == "attestation"

    def test_unknown_model(self) -> None:
        release()
        organization = licensed()

        with pytest.raises(ReleaseNotFound, match="Models: krea-2-tiny-turbo"):
            authorize_generation(organization_id=organization.id, release_slug="krea-9", at=NOON)

    def test_unknown_organization(self) -> None:
        with pytest.raises(NotFound):
            authorize_generation(organization_id=uuid7(), release_slug="krea-9", at=NOON)

    def test_a_revocation_holds_at_once(self) -> None:
        weights = release()
        organization = licensed()
        ask(organization)

        ModelRelease.objects.filter(id=weights.id).update(status="revoked", revoked_at=NOON)

        with pytest.raises(ReleaseRevoked):
            ask(organization)
        with pytest.raises(ReleaseRevoked):
            require_startable(release_id=weights.id, at=NOON)

    def test_the_kill_switch_holds_at_once_and_lets_go_at_once(self) -> None:
        weights = release()
        organization = licensed()
        ask(organization)

        KillSwitch.objects.update(engaged_at=NOON)
        with pytest.raises(LicenceRefused) as refusal:
            ask(organization)
        with pytest.raises(LicenceRefused):
            require_startable(release_id=weights.id, at=NOON)
        KillSwitch.objects.update(engaged_at=None)

        assert refusal.value.facts["rule"] == "kill_switch"
        assert ask(organization).standing == "community"


class TestFactsWrittenRoundTheOperations:
    """Whoever writes a fact, the decided standing is stale from that transaction on."""

    def test_a_breach_written_by_hand(self) -> None:
        release()
        organization = licensed()
        ask(organization)

        Breach.objects.create(
            organization=organization,
            clause="4.1(c)",
            description="bypass adapter",
            discovered_at=NOON,
            recorded_at=NOON,
            recorded_by="test",
        )

        with pytest.raises(LicenceRefused) as refusal:
            ask(organization)
        assert refusal.value.facts["standing"] == "terminated"

    def test_a_breach_of_the_host_concerns_everyone(self) -> None:
        release()
        first, second = licensed(), licensed()
        ask(first)
        ask(second)

        Breach.objects.create(
            organization=None,
            clause="4.2",
            description="filters were off",
            discovered_at=NOON,
            recorded_at=NOON,
            recorded_by="test",
        )

        for organization in (first, second):
            with pytest.raises(LicenceRefused):
                ask(organization)

    def test_seats_written_by_hand(self) -> None:
        release()
        organization = licensed()
        ask(organization)

        Seat.objects.bulk_create(
            Seat(
                pool_id=organization.id,
                person=f"user:{n}",
                organization=organization,
                source="portal",
                claimed_at=NOON - 20 * DAY,
            )
            for n in range(60)
        )

        with pytest.raises(LicenceRefused) as refusal:
            ask(organization)
        assert refusal.value.facts["rule"] == "seats"
        assert refusal.value.facts["citation"] == ""
        assert "61 seats" in refusal.value.detail


class TestHistory:
    def test_every_change_of_standing_is_kept_with_its_reasons(self) -> None:
        organization = licensed()
        attest(organization, Bracket.AT_OR_OVER_1M, at=NOON + DAY)
        attest(organization, Bracket.UNDER_250K, at=NOON + 2 * DAY)

        changes = StandingChange.objects.filter(organization=organization).order_by("at", "id")

        assert [(c.before, c.after) for c in changes][-3:] == [
            ("attestation_due", "community"),
            ("community", "commercial_suspended"),
            ("commercial_suspended", "community"),
        ]
        assert changes[len(changes) - 2].reasons[0]["rule"] == "revenue"

    def test_a_member_more_changes_no_history_while_the_standing_stays(self) -> None:
        organization = licensed()
        before = StandingChange.objects.filter(organization=organization).count()

        member(organization)

        assert StandingChange.objects.filter(organization=organization).count() == before


class TestLicenceOverTheApi:
    def test_the_keys_organization_reads_its_own_standing(self) -> None:
        organization = licensed()
        project = organization.projects.get()
        secret = create_api_key(project=project, name="k", actor=SYSTEM, at=NOON).secret

        answer = Client().get(
            "/v1/organization/licence", headers={"Authorization": f"Bearer {secret}"}
        )

        assert answer.status_code == 200
        body = answer.json()
        assert body["organization_id"] == str(organization.id)
        assert body["may_generate"] is True
        assert body["seats"]["limit"] == 50
