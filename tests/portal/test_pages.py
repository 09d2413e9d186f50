"""What the pages say."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.utils.timezone import now

from governance.models import Organization, User
from inference.models import Generation
from inference.operations.leases import claim_next
from inference.operations.running import run_attempt
from inference.portal.views import safe_cell
from tests.inference.conftest import WORKER, SketchEngine

pytestmark = pytest.mark.django_db


def text_of(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, answer.status_code
    return answer.content.decode()


class TestOrganizationPage:
    def test_of_a_new_organization_shows_the_one_next_step(
        self, reader: Client, home: str, eligible: Callable[..., None], organization: Organization
    ) -> None:
        eligible(organization)

        page = text_of(reader, home)

        assert "No picture yet" in page
        assert "of 50 used" in page

    def test_shows_balance_standing_and_the_last_pictures(
        self, reader: Client, home: str, delivered: Generation
    ) -> None:
        page = text_of(reader, home)

        assert "Within the licence" in page
        assert f"{home}generations/{delivered.id}/images/0" in page
        assert "$9.99" in page

    def test_says_what_to_do_when_generation_is_stopped(self, reader: Client, home: str) -> None:
        page = text_of(reader, home)

        assert "Generation is stopped." in page


class TestGenerationList:
    def test_filters_by_state_and_prompt(
        self, reader: Client, home: str, delivered: Generation
    ) -> None:
        assert str(delivered.id) in text_of(reader, f"{home}generations/?state=succeeded&q=lamp")
        assert "Nothing fits" in text_of(reader, f"{home}generations/?state=blocked")

    def test_csv_holds_the_same_rows(
        self, reader: Client, organization: Organization, delivered: Generation
    ) -> None:
        answer = reader.get(f"/o/{organization.slug}/generations.csv")
        lines = b"".join(answer.streaming_content).decode().splitlines()  # type: ignore[attr-defined]

        assert len(lines) == 2
        assert lines[1].startswith(str(delivered.id))

    @pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx"])
    def test_csv_never_hands_a_formula_to_a_spreadsheet(self, text: str) -> None:
        assert safe_cell(text) == f"'{text}"

    def test_a_broken_page_address_is_not_found(self, reader: Client, home: str) -> None:
        assert reader.get(f"{home}generations/?after=nonsense").status_code == 404


class TestGenerationPage:
    def test_tells_the_whole_life_in_order(
        self, reader: Client, home: str, delivered: Generation
    ) -> None:
        page = text_of(reader, f"{home}generations/{delivered.id}/")

        steps = [
            "Request received",
            "Licence standing allowed it",
            "Prompt gate: allowed",
            "Price set aside",
            "Accepted and queued",
            "An engine took the job",
            "Image gate: allowed",
            "stored with its receipt",
            "Charged",
        ]
        life = page[page.index("From request to delivery") :]
        places = [life.index(step) for step in steps]
        assert places == sorted(places)

    def test_of_a_refused_picture_says_that_nothing_was_charged(
        self,
        reader: Client,
        home: str,
        submit: Callable[..., Generation],
        releases: list[object],
    ) -> None:
        job = submit()
        lease = claim_next(worker=WORKER, release_ids=releases, at=now())  # type: ignore[arg-type]
        assert lease is not None
        run_attempt(lease=lease, engine=SketchEngine(refuses=(0,)), actor=WORKER)

        page = text_of(reader, f"{home}generations/{job.id}/")

        assert "Charged $0.00" in page
        assert "No picture was delivered" in page

    def test_shows_the_picture_itself(
        self, reader: Client, home: str, delivered: Generation
    ) -> None:
        answer = reader.get(f"{home}generations/{delivered.id}/images/0")

        assert answer.headers["Content-Type"] == "image/png"
        assert answer.content.startswith(b"\x89PNG")


class TestOperatorHome:
    def test_lists_the_worst_first(
        self,
        operator: User,
        organizations: Callable[..., Organization],
        eligible: Callable[..., None],
    ) -> None:
        good = organizations(name="A good one")
        eligible(good)
        organizations(name="Z without attestation")
        browser = Client()
        browser.force_login(operator)

        page = text_of(browser, "/operator/").partition('id="worst"')[2]

        assert page.index("Z without attestation") < page.index("A good one")
