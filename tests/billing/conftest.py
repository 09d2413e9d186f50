"""Wallets and holds, in the shortest words."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.utils.timezone import now

from billing.kernel.pricing import Line, Quote
from billing.models import Hold, PriceVersion
from billing.operations.credits import grant_credit
from billing.operations.holds import HoldRequest, HoldResult, capture_hold, place_hold, void_hold
from governance.kernel.actors import SYSTEM
from governance.kernel.ids import uuid7
from governance.kernel.money import Microdollars, usd
from governance.models import Organization
from governance.operations.api_keys import CreatedKey
from tests.billing.past import OCTOBER, past_credit, past_job

LATER = datetime(2026, 12, 1, tzinfo=UTC)


def quote_of(amount: int, images: int = 1) -> Quote:
    """A quote of ``amount`` µUSD."""
    return Quote(
        amount=Microdollars(amount),
        per_image=Microdollars(amount // images),
        images=images,
        price_version_id=PriceVersion.objects.values_list("id", flat=True).earliest(
            "effective_from"
        ),
        lines=(Line("test", images, amount // images),),
    )


@dataclass
class Account:
    """An organization's money, from a test's point of view."""

    organization: Organization
    key: CreatedKey

    def top_up(self, amount: int, reference: str | None = None) -> bool:
        return grant_credit(
            organization_id=self.organization.id,
            amount=Microdollars(amount),
            kind="paid",
            external_reference=reference or str(uuid7()),
            actor=SYSTEM,
            at=now(),
        )

    def hold(
        self,
        amount: int,
        *,
        key: str | None = None,
        body: str = "body",
        images: int = 1,
        job: UUID | None = None,
        member: UUID | None = None,
    ) -> HoldResult:
        request = self.request(amount, key=key, body=body, images=images, job=job, member=member)
        return place_hold(request=request)

    def request(
        self,
        amount: int,
        *,
        key: str | None = None,
        body: str = "body",
        images: int = 1,
        job: UUID | None = None,
        member: UUID | None = None,
    ) -> HoldRequest:
        job_id = job or uuid7()
        return HoldRequest(
            organization_id=self.organization.id,
            project_id=self.key.key.project_id,
            api_key_id=self.key.key.id,
            member_id=member,
            job_id=job_id,
            quote=quote_of(amount, images),
            idempotency_key=key or f"job:{job_id}",
            request_sha256=body,
            at=now(),
        )

    def capture(self, hold_id: UUID, images: int = 1) -> int:
        return capture_hold(
            hold_id=hold_id, delivered_images=images, lease_epoch=0, at=now()
        ).amount

    def void(self, hold_id: UUID) -> bool:
        return void_hold(hold_id=hold_id, reason="failed", at=now())


@pytest.fixture
def account(organization: Organization, api_key: CreatedKey) -> Account:
    """A tenant with an empty wallet and a key."""
    return Account(organization, api_key)


@pytest.fixture
def funded(account: Account) -> Callable[[int], Account]:
    """The tenant with a balance."""

    def fund(amount: int) -> Account:
        account.top_up(amount)
        return account

    return fund


def state_of(result: HoldResult) -> str:
    return Hold.objects.get(id=result.hold_id).state


@pytest.fixture
def october(account: Account) -> Account:
    """A month of work: 62 jobs of two sizes, some failed, some partly delivered."""
    past_credit(account, usd(50), OCTOBER)
    for number in range(62):
        past_job(
            account,
            OCTOBER + timedelta(hours=12 * number),
            images=2,
            delivered=(2, 1, 0)[number % 3],
            side=(512, 1024)[number % 2],
        )
    return account
