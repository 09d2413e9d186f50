"""Corrections by people: one asks, another one approves; differences wait with their age."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.utils.timezone import now

from billing.models import Adjustment, Difference, LedgerTransaction, ReconciliationRun
from billing.operations.adjustments import (
    AdjustmentDecided,
    ApproverNeeded,
    adjust_balance,
    approve_adjustment,
    request_adjustment,
)
from billing.queries.balances import balance_of
from billing.queries.reconciliation import open_differences
from governance.kernel.actors import SYSTEM, Actor
from governance.kernel.errors import InvalidRequest
from governance.models import AuditEntry, User
from tests.billing.conftest import Account

pytestmark = pytest.mark.django_db
ASKER = Actor(kind="user", id="1", label="ann@licet.example")
APPROVER = Actor(kind="user", id="2", label="ben@licet.example")


def asked(account: Account, amount: int = 500) -> Adjustment:
    return request_adjustment(
        organization_id=account.organization.id,
        amount=amount,
        reason="Double charge of ticket 12",
        actor=ASKER,
        at=now(),
    )


class TestAdjustments:
    def test_nothing_is_booked_before_somebody_else_approves(self, account: Account) -> None:
        account.top_up(1_000)
        row = asked(account)
        before = balance_of(account.organization.id).posted

        approve_adjustment(adjustment_id=row.id, actor=APPROVER, at=now())

        booked = LedgerTransaction.objects.get(kind="adjustment")
        assert (before, balance_of(account.organization.id).posted) == (1_000, 1_500)
        assert booked.facts == {
            "reason": "Double charge of ticket 12",
            "approver": "ben@licet.example",
        }
        acts = AuditEntry.objects.filter(organization_id=account.organization.id)
        assert {"adjustment.requested", "adjustment.approved", "balance.adjusted"} <= set(
            acts.values_list("act", flat=True)
        )

    def test_nobody_approves_their_own(self, account: Account) -> None:
        row = asked(account)

        with pytest.raises(ApproverNeeded):
            approve_adjustment(adjustment_id=row.id, actor=ASKER, at=now())

        assert Adjustment.objects.get().state == "waiting"
        assert balance_of(account.organization.id).posted == 0

    def test_a_machine_approves_nothing(self, account: Account) -> None:
        row = asked(account)

        with pytest.raises(ApproverNeeded):
            approve_adjustment(adjustment_id=row.id, actor=SYSTEM, at=now())

    def test_it_is_decided_once(self, account: Account) -> None:
        row = asked(account, -300)
        approve_adjustment(adjustment_id=row.id, actor=APPROVER, at=now())

        with pytest.raises(AdjustmentDecided):
            approve_adjustment(adjustment_id=row.id, actor=APPROVER, at=now())

        assert balance_of(account.organization.id).posted == -300

    @pytest.mark.parametrize(("amount", "reason"), [(0, "why"), (5, "  ")])
    def test_it_has_an_amount_and_a_reason(
        self, account: Account, amount: int, reason: str
    ) -> None:
        with pytest.raises(InvalidRequest):
            request_adjustment(
                organization_id=account.organization.id,
                amount=amount,
                reason=reason,
                actor=ASKER,
                at=now(),
            )

    def test_one_reference_is_booked_once(self, account: Account) -> None:
        def adjust() -> bool:
            return adjust_balance(
                organization_id=account.organization.id,
                amount=100,
                reason="rounding",
                external_reference="ticket 9",
                actor=ASKER,
                approver=APPROVER,
                at=now(),
            )

        assert [adjust(), adjust()] == [True, False]
        assert balance_of(account.organization.id).posted == 100

    def test_the_database_refuses_an_approval_by_the_one_who_asked(self, account: Account) -> None:
        asked(account)

        with (
            pytest.raises(IntegrityError, match="adjustment_approved_by_another"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(
                "UPDATE billing_adjustment SET state = 'approved', decided_by = asked_by, "
                "decided_at = now()"
            )


class TestThePage:
    @pytest.fixture
    def people(self) -> tuple[Client, Client]:
        clients = Client(), Client()
        for name, client in zip(("ann", "ben"), clients, strict=True):
            user = User.objects.create_user(f"{name}@licet.example", None, is_staff=True)
            client.force_login(user)
        return clients

    def test_one_asks_and_another_approves(
        self, people: tuple[Client, Client], account: Account
    ) -> None:
        ann, ben = people
        form = {"organization": account.organization.slug, "amount": "-1.50", "reason": "Ticket 7"}
        ann.post("/operator/adjustments/", form)
        decision = f"/operator/adjustments/{Adjustment.objects.get().id}"

        own = ann.get("/operator/reconciliation/").content.decode()
        ann.post(decision, {"decision": "approve"})
        refused = balance_of(account.organization.id).posted
        ben.post(decision, {"decision": "approve"})
        page = ben.get("/operator/reconciliation/").content.decode()

        assert "Somebody else approves" in own
        assert refused == 0
        assert balance_of(account.organization.id).posted == -1_500_000
        assert "Approved by ben@licet.example" in page

    def test_declining_books_nothing(self, people: tuple[Client, Client], account: Account) -> None:
        ann, ben = people
        form = {"organization": account.organization.slug, "amount": "3", "reason": "Ticket 7"}
        ann.post("/operator/adjustments/", form)

        ben.post(f"/operator/adjustments/{Adjustment.objects.get().id}", {"decision": "decline"})

        assert Adjustment.objects.get().state == "declined"
        assert not LedgerTransaction.objects.exists()

    def test_shows_every_difference_with_its_age(self, people: tuple[Client, Client]) -> None:
        at = now()
        for subject, days in (("pi_new", 0), ("pi_old", 5)):
            Difference.objects.create(
                kind="payment provider",
                subject=subject,
                detail="journal 0, provider 5000000",
                first_seen_at=at - timedelta(days=days),
                last_seen_at=at,
            )
        ReconciliationRun.objects.create(
            started_at=at, finished_at=at, checked=12, differences=2, facts={}
        )

        page = people[0].get("/operator/reconciliation/").content.decode()

        assert [(d.row.subject, d.bucket) for d in open_differences(at)] == [
            ("pi_old", "over 3 days"),
            ("pi_new", "under a day"),
        ]
        assert page.index("pi_old") < page.index("pi_new")

    def test_is_the_operators_alone(self, owner: User, client: Client) -> None:
        client.force_login(owner)

        assert client.get("/operator/reconciliation/").status_code == 404
        assert client.post("/operator/reconciliation/now").status_code == 404
        assert client.post("/operator/adjustments/", {}).status_code == 404
