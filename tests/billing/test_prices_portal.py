"""The price book in the portal: drafted, simulated, published; and the price page that tenants see."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils.timezone import now

from billing.kernel.pricing import PriceNotFound
from billing.models import PriceVersion
from billing.operations.holds import place_hold
from billing.operations.prices import draft_prices, publish_prices, simulate_prices
from billing.queries.prices import CHARGE_MATRIX
from billing.queries.quotes import quote_generation, quote_training
from governance.kernel.actors import SYSTEM
from governance.kernel.money import usd
from governance.models import AuditEntry, User
from tests.billing.conftest import Account

pytestmark = pytest.mark.django_db
TOMORROW = (now() + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(User.objects.create_user("op@licet.example", None, is_staff=True))
    return client


def fields(**changed: str) -> dict[str, str]:
    """The form with the first list, as a browser sends it, with some fields changed."""
    sent = {
        "label": "Dearer", "begins": TOMORROW.strftime("%Y-%m-%dT%H:%M"),
        "model-0-name": "turbo", "model-0-steps": "8",
        "model-0-size-0-up_to": "512 x 512", "model-0-size-0-price": "0.004",
        "model-0-size-1-up_to": "1024x1024", "model-0-size-1-price": "0.02",
        "model-0-size-2-up_to": "", "model-0-size-2-price": "",
        "model-1-name": "raw", "model-1-steps": "52",
        "model-1-size-0-up_to": "4194304", "model-1-size-0-price": "$0.16",
        "model-2-name": "", "model-2-steps": "",
        "model-2-size-0-up_to": "", "model-2-size-0-price": "",
        "adapter_microusd": "0.001", "style_reference_microusd": "0.005",
        "training_step_microusd": "0.002",
    }  # fmt: skip
    return sent | {name.replace("__", "-"): text for name, text in changed.items()}


def one_image(at: datetime) -> int:
    return quote_generation(
        release_slug="any", variant="turbo", width=1024, height=1024, steps=8, images=1, at=at
    ).amount


def sold(account: Account) -> None:
    """One image of today, at the first list's price."""
    account.top_up(usd(1))
    quote = quote_generation(
        release_slug="any", variant="turbo", width=1024, height=1024, steps=8, images=1, at=now()
    )
    hold = place_hold(request=replace(account.request(1), quote=quote))
    account.capture(hold.hold_id)


class TestThePriceBook:
    def test_an_operator_changes_prices_in_three_steps(
        self, operator: Client, account: Account
    ) -> None:
        sold(account)

        draft_page = operator.post("/operator/prices/", fields())["Location"]
        shown = operator.get(draft_page).content.decode()
        drafted = one_image(TOMORROW)
        operator.post(draft_page, {"decision": "publish"})

        assert "$0.015" in shown
        assert "$0.02" in shown
        assert "$0.005" in shown
        assert (drafted, one_image(now()), one_image(TOMORROW)) == (15_000, 15_000, 20_000)
        published = AuditEntry.objects.get(act="prices.published")
        assert published.facts["simulation"]["would_charge_microusd"] == 20_000
        assert published.actor_label == "op@licet.example"

    def test_the_form_is_filled_so_that_saving_it_changes_nothing(self, operator: Client) -> None:
        first = PriceVersion.objects.get()
        form = operator.get("/operator/prices/").context["form"]
        sent: dict[str, Any] = {"label": form.label, "begins": form.begins, **form.extras}
        for place, model in enumerate(form.models):
            sent |= {
                f"model-{place}-name": model.name,
                f"model-{place}-steps": model.included_steps,
            }
            for row, size in enumerate(model.sizes):
                sent |= {
                    f"model-{place}-size-{row}-up_to": size.up_to,
                    f"model-{place}-size-{row}-price": size.price,
                }

        operator.post("/operator/prices/", sent)

        draft = PriceVersion.objects.get(published_at=None)
        assert (draft.body, draft.sha256) == (first.body, first.sha256)

    @pytest.mark.parametrize(
        ("changed", "word"),
        [
            ({"model__0__size__0__price": "free"}, "no amount in dollars"),
            ({"model__0__steps": "0"}, "at least 1"),
            ({"model__0__size__1__up_to": "2 x 2"}, "up_to_pixels"),
            ({"model__1__name": ""}, "no price for raw"),
            ({"begins": "soon"}, "when the prices begin"),
            ({"begins": "2020-01-01T00:00"}, "begin in the future"),
            ({"adapter_microusd": ""}, "no amount"),
        ],
    )
    def test_a_mistake_is_named_and_what_was_typed_stays(
        self, operator: Client, changed: dict[str, str], word: str
    ) -> None:
        reply = operator.post("/operator/prices/", fields(label="My prices", **changed))

        assert word in reply.content.decode()
        assert 'value="My prices"' in reply.content.decode()
        assert not PriceVersion.objects.filter(published_at=None).exists()

    def test_a_draft_is_replaced_by_the_next_one_for_the_same_moment(
        self, operator: Client
    ) -> None:
        first = operator.post("/operator/prices/", fields())["Location"]

        second = operator.post("/operator/prices/", fields(label="Better"))["Location"]

        assert first == second
        assert PriceVersion.objects.get(published_at=None).label == "Better"

    def test_a_draft_can_be_thrown_away_and_a_published_list_cannot(self, operator: Client) -> None:
        page = operator.post("/operator/prices/", fields())["Location"]
        operator.post(page, {"decision": "discard"})
        again = operator.post("/operator/prices/", fields())["Location"]
        operator.post(again, {"decision": "publish"})
        operator.post(again, {"decision": "discard"})

        assert PriceVersion.objects.count() == 2
        assert AuditEntry.objects.filter(act="prices.discarded").count() == 1

    def test_a_release_can_have_a_price_of_its_own(self, operator: Client) -> None:
        own = {
            "model__2__name": "house-style", "model__2__steps": "8",
            "model__2__size__0__up_to": "1024 x 1024", "model__2__size__0__price": "0.5",
        }  # fmt: skip
        page = operator.post("/operator/prices/", fields(**own))["Location"]
        operator.post(page, {"decision": "publish"})

        asked = {"variant": "turbo", "width": 1024, "height": 1024, "steps": 8, "images": 1}
        assert quote_generation(release_slug="house-style", **asked, at=TOMORROW).amount == 500_000  # type: ignore[arg-type]
        assert quote_generation(release_slug="other", **asked, at=TOMORROW).amount == 20_000  # type: ignore[arg-type]

    def test_what_the_list_does_not_price_is_counted(
        self, operator: Client, account: Account
    ) -> None:
        sold(account)
        page = operator.post(
            "/operator/prices/",
            fields(model__0__size__1__up_to="600 x 600"),
        )["Location"]

        assert "1 generation found no price" in operator.get(page).content.decode()

    def test_is_the_operators_alone(self, owner: Any, client: Client) -> None:
        version = PriceVersion.objects.get().id
        client.force_login(owner)

        assert client.get("/operator/prices/").status_code == 404
        assert client.post("/operator/prices/", fields()).status_code == 404
        assert client.get(f"/operator/prices/{version}/").status_code == 404


class TestTheTenantsPage:
    def test_shows_the_charge_matrix_and_the_prices(
        self, client: Client, owner: Any, account: Account
    ) -> None:
        client.force_login(owner)

        page = client.get(f"/o/{account.organization.slug}/prices/").content.decode()

        for outcome, charge in CHARGE_MATRIX:
            assert outcome in page
            assert charge in page
        assert "$0.015" in page
        assert "$0.16" in page

    def test_announces_what_comes_and_hides_drafts(
        self, client: Client, owner: Any, account: Account
    ) -> None:
        body = {**PriceVersion.objects.get().body, "adapter_microusd": 7_777}
        later = TOMORROW + timedelta(days=1)
        for label, begins in (("Coming", TOMORROW), ("Secret", later)):
            draft = draft_prices(
                label=label, effective_from=begins, body=body, actor=SYSTEM, at=now()
            )
            if label == "Coming":
                publish_prices(version_id=draft.id, actor=SYSTEM, at=now())
        client.force_login(owner)

        page = client.get(f"/o/{account.organization.slug}/prices/").content.decode()

        assert "Coming" in page
        assert "$0.007777" in page
        assert "Secret" not in page

    def test_is_not_for_strangers(self, client: Client, stranger: Any, account: Account) -> None:
        client.force_login(stranger)

        assert client.get(f"/o/{account.organization.slug}/prices/").status_code == 404


class TestTraining:
    def test_is_held_by_the_steps_asked_for_and_charged_by_the_steps_run(
        self, account: Account
    ) -> None:
        account.top_up(usd(10))
        quote = quote_training(steps=1_000, at=now())
        hold = place_hold(request=replace(account.request(1), quote=quote))

        assert hold.amount == usd(2)
        assert account.capture(hold.hold_id, images=400) == 800_000

    def test_a_step_costs_in_proportion_to_its_pixels_rounded_up(self) -> None:
        small = quote_training(steps=10, pixels=512 * 512, at=now())
        tiny = quote_training(steps=10, pixels=128 * 128, at=now())

        assert (small.per_image, small.amount) == (500, 5_000)
        assert (tiny.per_image, tiny.amount) == (32, 320)

    def test_a_list_without_it_offers_none(self) -> None:
        body = dict(PriceVersion.objects.get().body)
        del body["training_step_microusd"]
        draft = draft_prices(
            label="No training", effective_from=TOMORROW, body=body, actor=SYSTEM, at=now()
        )
        publish_prices(version_id=draft.id, actor=SYSTEM, at=now())

        with pytest.raises(PriceNotFound):
            quote_training(steps=10, at=TOMORROW)

    def test_is_left_out_of_the_simulation_of_images(self, account: Account) -> None:
        account.top_up(usd(10))
        quote = quote_training(steps=10, at=now())
        hold = place_hold(request=replace(account.request(1), quote=quote))
        account.capture(hold.hold_id, images=10)

        simulation = simulate_prices(
            body=PriceVersion.objects.get().body, at=datetime.now(tz=UTC) + timedelta(minutes=1)
        )

        assert (simulation.jobs, simulation.unpriced) == (0, 1)
