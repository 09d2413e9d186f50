"""A signed-in reader, and generations to read about."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.utils.timezone import now

from governance.models import Organization, User
from inference.models import Generation
from inference.operations.leases import claim_next
from inference.operations.running import run_attempt
from tests.inference.conftest import (  # noqa: F401 (fixtures)
    WORKER,
    SketchEngine,
    funded,
    release,
    releases,
    rung,
    submit,
    submitter,
)


@pytest.fixture
def reader(owner: User) -> Client:
    """The owner's browser."""
    client = Client()
    client.force_login(owner)
    return client


@pytest.fixture
def delivered(submit: Callable[..., Generation], releases: list[object]) -> Generation:  # noqa: F811
    """One generation with its picture."""
    # The noise of another seed may look like the glyph that the gate must refuse.
    job = submit("a small green square beside a lamp", seed=7)
    lease = claim_next(worker=WORKER, release_ids=releases, at=now())  # type: ignore[arg-type]
    assert lease is not None
    run_attempt(lease=lease, engine=SketchEngine(), actor=WORKER)
    job.refresh_from_db()
    return job


@pytest.fixture
def home(organization: Organization) -> str:
    """The organization's address."""
    return f"/o/{organization.slug}/"
