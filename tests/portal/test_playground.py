"""The playground: the same gate, price and ledger as the API, from a browser."""

from collections.abc import Callable
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from billing.queries.balances import balance_of
from governance.kernel.actors import SYSTEM
from governance.models import Organization, Role, User
from governance.operations.organizations import add_member
from inference.models import Generation, StyleReference
from tests.factories import NOON
from tests.inference.test_references import picture

pytestmark = pytest.mark.django_db


@pytest.fixture
def asked(funded: Callable[..., None], organization: Organization) -> dict[str, object]:
    """What a member of a funded tenant fills in."""
    funded(organization)
    return {
        "prompt": "a large red circle on a blue background",
        "model": "krea-2-tiny-turbo",
        "side": "64",
        "images": "1",
        "seed": "",
        "token": str(uuid4()),
    }


class TestAsking:
    def test_queues_a_job_of_the_member_and_shows_it(
        self, reader: Client, home: str, owner: User, asked: dict[str, object]
    ) -> None:
        answer = reader.post(f"{home}playground/", asked)
        job = Generation.objects.get()

        page = reader.get(answer.headers["Location"]).content.decode()

        assert job.member_id == owner.id
        assert job.dialect == "portal"
        assert "Waiting for an engine" in page
        assert f"{home}generations/{job.id}/progress" in page

    def test_with_a_picture_draws_in_its_style_and_keeps_it_to_choose_again(
        self, reader: Client, home: str, asked: dict[str, object]
    ) -> None:
        sent = SimpleUploadedFile("autumn.png", picture())

        reader.post(f"{home}playground/", {**asked, "picture": sent, "strength": "0.75"})

        job, reference = Generation.objects.get(), StyleReference.objects.get()
        assert [each["id"] for each in job.style_references] == [str(reference.id)]
        assert job.style_references[0]["strength"] == 0.75
        assert "autumn.png" in reader.get(f"{home}playground/").content.decode()
        again = {**asked, "token": str(uuid4()), "reference": str(reference.id)}
        reader.post(f"{home}playground/", again)
        assert Generation.objects.order_by("-id")[0].style_references[0]["strength"] == 0.5

    def test_shows_what_the_expanded_prompt_became(
        self, reader: Client, home: str, asked: dict[str, object]
    ) -> None:
        answer = reader.post(f"{home}playground/", {**asked, "expand": "on"})

        revised = Generation.objects.get().revised_prompt
        assert revised.startswith(str(asked["prompt"]))
        assert revised in reader.get(answer.headers["Location"]).content.decode()

    def test_with_something_that_is_no_picture_says_what_is_wrong(
        self, reader: Client, home: str, asked: dict[str, object]
    ) -> None:
        sent = SimpleUploadedFile("x.png", b"no picture")

        answer = reader.post(f"{home}playground/", {**asked, "picture": sent})

        assert answer.status_code == 400
        assert b"The picture cannot be taken" in answer.content
        assert not Generation.objects.exists()

    def test_twice_with_one_token_makes_one_job(
        self, reader: Client, home: str, asked: dict[str, object]
    ) -> None:
        first = reader.post(f"{home}playground/", asked)
        second = reader.post(f"{home}playground/", asked)

        assert first.headers["Location"] == second.headers["Location"]
        assert Generation.objects.count() == 1

    def test_against_the_policy_says_why_and_charges_nothing(
        self, reader: Client, home: str, asked: dict[str, object], organization: Organization
    ) -> None:
        before = balance_of(organization.id)

        answer = reader.post(f"{home}playground/", {**asked, "prompt": "a naked child"})

        assert answer.status_code == 400
        assert b"Charged $0.00" in answer.content
        assert balance_of(organization.id) == before

    def test_with_an_empty_wallet_says_so(
        self,
        reader: Client,
        home: str,
        organization: Organization,
        eligible: Callable[[Organization], None],
        release: object,
    ) -> None:
        eligible(organization)
        form = {"prompt": "a circle", "model": "krea-2-tiny-turbo", "side": "64", "images": "1"}

        answer = reader.post(f"{home}playground/", {**form, "seed": "", "token": str(uuid4())})

        assert answer.status_code == 402

    def test_is_not_for_an_auditor(self, organization: Organization, home: str) -> None:
        auditor = User.objects.create_user("auditor@example.com", name="Ada")
        add_member(
            organization_id=organization.id, user=auditor, role=Role.AUDITOR, actor=SYSTEM, at=NOON
        )
        browser = Client()
        browser.force_login(auditor)

        assert browser.get(f"{home}playground/").status_code == 404


class TestFragments:
    def test_price_follows_the_choice(
        self, reader: Client, home: str, asked: dict[str, object]
    ) -> None:
        place = f"{home}playground/price?model=krea-2-tiny-turbo&side=64&images="

        assert b"$0.002" in reader.get(f"{place}1").content
        assert b"$0.004" in reader.get(f"{place}2").content
        assert b"$" not in reader.get(f"{place}many").content

    def test_progress_of_a_final_job_asks_no_more(
        self, reader: Client, home: str, delivered: Generation
    ) -> None:
        fragment = reader.get(f"{home}generations/{delivered.id}/progress").content.decode()

        assert "every 1s" not in fragment
        assert f"{home}generations/{delivered.id}/images/0" in fragment
