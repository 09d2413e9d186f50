"""Prices change by publishing: what is published stays, and a quote keeps its own."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.db.models import Sum
from django.utils.timezone import now

from billing.models import (
    LedgerEntry,
    PriceVersion,
)
from billing.operations.prices import (
    AlreadyPublished,
    draft_prices,
    publish_prices,
    simulate_prices,
)
from billing.queries.quotes import quote_generation
from governance.kernel.actors import SYSTEM
from governance.kernel.errors import InvalidRequest
from tests.billing.past import NOVEMBER


class TestPrices:
    def body(self) -> dict[str, Any]:
        return json.loads(json.dumps(PriceVersion.objects.earliest("effective_from").body))

    @pytest.mark.usefixtures("october")
    def test_new_prices_bind_from_their_date_on_and_running_jobs_keep_theirs(self) -> None:
        at, dearer = now(), self.body()
        dearer["models"]["turbo"]["sizes"][1]["microusd"] *= 2
        begins = at + timedelta(days=1)
        asked = {
            "release_slug": "krea-2-tiny-turbo",
            "variant": "turbo",
            "width": 1024,
            "height": 1024,
            "steps": 8,
            "images": 1,
        }

        draft = draft_prices(label="2027", effective_from=begins, body=dearer, actor=SYSTEM, at=at)
        before_publishing = quote_generation(**asked, at=begins)
        simulation = publish_prices(version_id=draft.id, actor=SYSTEM, at=at)

        assert before_publishing.amount == 15_000
        assert quote_generation(**asked, at=begins - timedelta(seconds=1)).amount == 15_000
        assert quote_generation(**asked, at=begins).amount == 30_000
        assert simulation.would_charge >= simulation.charged

    @pytest.mark.usefixtures("october")
    def test_a_simulation_of_the_same_prices_is_what_was_charged(self) -> None:
        at = NOVEMBER

        simulation = simulate_prices(body=self.body(), at=at)

        charged = LedgerEntry.objects.filter(
            account="wallet",
            transaction__kind="capture",
            transaction__booked_at__gte=at - timedelta(days=30),
        ).aggregate(s=Sum("amount"))["s"]
        assert simulation.jobs > 0
        assert simulation.would_charge == simulation.charged == -charged

    @pytest.mark.usefixtures("db")
    def test_a_published_list_never_changes(self) -> None:
        version = PriceVersion.objects.earliest("effective_from")

        with pytest.raises(AlreadyPublished):
            publish_prices(version_id=version.id, actor=SYSTEM, at=now())
        with pytest.raises(Exception, match="Cannot update or delete"), transaction.atomic():
            PriceVersion.objects.filter(id=version.id).update(label="changed")

    @pytest.mark.usefixtures("db")
    def test_prices_begin_in_the_future(self) -> None:
        with pytest.raises(InvalidRequest):
            draft_prices(
                label="late", effective_from=now(), body=self.body(), actor=SYSTEM, at=now()
            )
